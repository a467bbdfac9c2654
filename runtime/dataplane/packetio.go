package dataplane

import "fmt"

// Port numbers with a meaning (D8); that of the CPU port is an option of engines.
const (
	HostPort = 509 // the stack of the ingress netdev
	CPUPort  = 510 // the controller
	DropPort = 511
)

// PacketIO is a Plane with a CPU port: packets that the pipeline sends to that
// port go to the receiver, and a packet from outside enters the pipeline's parser
// with its number as ingress port. Headers between controller and
// pipeline (v1model's controller headers) are the program's own affair: bytes go
// in and come out as they are.
type PacketIO interface {
	// SetPacketIn connects the CPU port. Packets wait for the receiver in a queue
	// of bounded length; those that find it full, and those that come while there
	// is no receiver, are dropped and counted. The receiver is called from one
	// goroutine at a time and must not block; the frame is its own until it
	// returns. Nil disconnects the port; when that returns the receiver is not
	// called any more.
	SetPacketIn(receive func(frame []byte)) error
	// PacketOut hands a frame to the live pipeline; any number of goroutines may
	// call it. When it returns the pipeline has seen the packet, or it waits in
	// the queue of the CPU port. A frame of fewer than MinFrame bytes is filled up
	// with zeros, as devices fill up theirs; one that is longer than the engine can
	// carry is a *FrameSize.
	PacketOut(frame []byte) error
	// CPUStats are the counts of the CPU port since it was connected: Rx is what
	// PacketOut brought, Tx what the pipeline sent to the port, Drops what it sent
	// and nobody received, and what PacketOut brought and the pipeline dropped.
	CPUStats() (Stats, error)
}

// MinFrame is the least that a packet into the pipeline has: two addresses and a
// type. The kernel knows none that is shorter.
const MinFrame = 14

// Padded gives the frame with at least MinFrame bytes.
func Padded(frame []byte) []byte {
	if len(frame) >= MinFrame {
		return frame
	}
	return append(frame[:len(frame):len(frame)], make([]byte, MinFrame-len(frame))...)
}

// FrameSize says that a frame is longer than what the CPU port takes.
type FrameSize struct{ Length, Max int }

func (e *FrameSize) Error() string {
	return fmt.Sprintf("a packet of %d bytes, headers for the pipeline included: the CPU port takes %d at most", e.Length, e.Max)
}

// CheckCPUPort tells whether a number can be that of the CPU port.
func CheckCPUPort(n uint32) error {
	if n == 0 || n == HostPort || n > CPUPort {
		return fmt.Errorf("CPU port %d: 1 to %d and %d are possible", n, HostPort-1, CPUPort)
	}
	return nil
}
