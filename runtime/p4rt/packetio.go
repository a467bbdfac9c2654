package p4rt

import (
	"errors"
	"sync/atomic"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// packetIO is the way between the CPU port and the streams.
type packetIO struct {
	plane   dataplane.PacketIO // nil: the engine has no CPU port
	problem error              // why the CPU port is not connected
	// switching: a pipeline with another packet_in header is being set, and what
	// comes meanwhile cannot be told apart (p4rt:F17).
	switching atomic.Bool
	counts    packetCounts
}

type packetCounts struct {
	in, out                             atomic.Uint64
	noPrimary, slow, malformed, refused atomic.Uint64
}

// PacketCounts are what became of packets between the CPU port and controllers
// since the server was made.
type PacketCounts struct {
	In        uint64 // packet-ins queued for a primary; one for two roles counts twice
	Out       uint64 // packet-outs that entered the pipeline
	NoPrimary uint64 // packet-ins dropped: nobody is primary
	Slow      uint64 // packet-ins dropped: the primary does not read fast enough
	Malformed uint64 // packet-ins dropped: shorter than the packet_in header, or of the pipeline before
	Refused   uint64 // packet-outs answered with a stream error
}

// PacketCounts reads the counts.
func (s *Server) PacketCounts() PacketCounts {
	c := &s.packets.counts
	return PacketCounts{In: c.in.Load(), Out: c.out.Load(), NoPrimary: c.noPrimary.Load(),
		Slow: c.slow.Load(), Malformed: c.malformed.Load(), Refused: c.refused.Load()}
}

// PacketProblem says why there are no packet-ins and packet-outs; "" = there are.
func (s *Server) PacketProblem() string {
	switch io := &s.packets; {
	case io.plane == nil:
		return "this engine has no CPU port"
	case io.problem != nil:
		return io.problem.Error()
	}
	return ""
}

// connectPackets takes the CPU port. A server without one is still of use, so
// that it cannot be had is said in the log and to whoever sends a packet-out.
func (s *Server) connectPackets() {
	if s.packets.plane == nil {
		return
	}
	if err := s.packets.plane.SetPacketIn(s.packetIn); err != nil {
		s.packets.problem = err
		s.log.Warn("packet-ins and packet-outs are not available", "error", err)
	}
}

func (s *Server) disconnectPackets() {
	if s.packets.plane == nil {
		return
	}
	if err := s.packets.plane.SetPacketIn(nil); err != nil {
		s.log.Warn("disconnecting the CPU port", "error", err)
	}
}

// packetIn hands a frame of the CPU port to the primaries. It never waits
// (p4rt:PK6).
func (s *Server) packetIn(frame []byte) {
	c := &s.packets.counts
	b := s.bound.Load()
	if b == nil || s.packets.switching.Load() {
		c.malformed.Add(1)
		return
	}
	to := s.arbiter.primaries()
	if len(to) == 0 {
		c.noPrimary.Add(1)
		return
	}
	p, ok := b.packetIn.decode(frame)
	if !ok {
		c.malformed.Add(1)
		return
	}
	m := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Packet{Packet: p}}
	for _, st := range to {
		if st.pushPacket(m) {
			c.in.Add(1)
		} else {
			c.slow.Add(1)
		}
	}
}

// primaries are the streams of the primaries of all roles.
func (a *arbiter) primaries() []*stream {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*stream
	for _, r := range a.roles {
		if r.primary != nil {
			out = append(out, r.primary)
		}
	}
	return out
}

// packetOut puts a primary's packet into the pipeline (p4rt:PK2-PK8).
func (s *Server) packetOut(m *p4v1.PacketOut) error {
	io := &s.packets
	switch {
	case io.plane == nil:
		return unsupported("packet-out: this engine has no CPU port")
	case io.problem != nil:
		return status.Errorf(codes.Unavailable, "packet-out: %v", io.problem)
	}
	b, err := s.binding(s.store.Pipeline())
	if err != nil {
		return err
	}
	if b == nil {
		return s.noPipeline()
	}
	frame, err := b.packetOut.encode(m)
	if err != nil {
		return within(err, "packet-out")
	}
	var size *dataplane.FrameSize
	switch err := io.plane.PacketOut(frame); {
	case errors.As(err, &size): // p4rt:PK8
		return invalid("packet-out: %w", err)
	case err != nil:
		return status.Errorf(codes.Unavailable, "packet-out: %v", err)
	}
	io.counts.out.Add(1)
	return nil
}

// maxEcho bounds the message that a stream error carries back.
const maxEcho = 16 << 10

// echo is a copy of a packet-out for its stream error, if it is small.
func echo(m *p4v1.PacketOut) *p4v1.PacketOut {
	if proto.Size(m) > maxEcho {
		return nil
	}
	return m
}
