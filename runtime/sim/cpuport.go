package sim

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// cpuPort is the CPU port while it is connected. Ports must not wait for the
// receiver, so frames go through a queue.
type cpuPort struct {
	stats stats
	queue chan []byte
	stop  chan struct{}
	done  sync.WaitGroup
	// out guards what a packet of the controller needs of the interpreter.
	out sync.Mutex
	via forwarder
}

// cpuQueue is how many frames wait for the receiver; maxOut is what PacketOut takes.
const (
	cpuQueue = 4096
	maxOut   = 65535
)

var _ dataplane.PacketIO = (*Plane)(nil)

// SetPacketIn implements dataplane.PacketIO.
func (p *Plane) SetPacketIn(receive func([]byte)) error {
	p.cpuMu.Lock()
	defer p.cpuMu.Unlock()
	var c *cpuPort
	if receive != nil {
		c = &cpuPort{queue: make(chan []byte, cpuQueue), stop: make(chan struct{})}
	}
	if old := p.cpu.Swap(c); old != nil {
		close(old.stop)
		old.done.Wait()
	}
	if c != nil {
		c.done.Go(func() { c.run(receive) })
	}
	return nil
}

func (c *cpuPort) run(receive func([]byte)) {
	for {
		select {
		case <-c.stop:
			return
		case frame := <-c.queue:
			receive(frame)
		}
	}
}

// toCPU queues a frame for the receiver.
func (p *Plane) toCPU(frame []byte, from *stats) {
	c := p.cpu.Load()
	if c == nil {
		from.drops.Add(1)
		return
	}
	c.stats.txPackets.Add(1)
	c.stats.txBytes.Add(uint64(len(frame)))
	select {
	case c.queue <- bytes.Clone(frame):
	default:
		c.stats.drops.Add(1)
	}
}

// PacketOut implements dataplane.PacketIO. Packets for the host port are dropped:
// the CPU port has no host.
func (p *Plane) PacketOut(frame []byte) error {
	if len(frame) > maxOut {
		return &dataplane.FrameSize{Length: len(frame), Max: maxOut}
	}
	frame = dataplane.Padded(frame)
	m, c := p.live.Load(), p.cpu.Load()
	switch {
	case m == nil:
		return errors.New("no pipeline is loaded")
	case c == nil:
		return errors.New("the CPU port is not connected")
	}
	c.stats.rxPackets.Add(1)
	c.stats.rxBytes.Add(uint64(len(frame)))
	c.out.Lock()
	defer c.out.Unlock()
	c.via.packet = exec.Packet{Port: p.cpuPort, Data: frame}
	p.run(m, &c.via, &c.stats, nil)
	c.via.out.flush()
	return nil
}

// CPUStats implements dataplane.PacketIO.
func (p *Plane) CPUStats() (dataplane.Stats, error) {
	c := p.cpu.Load()
	if c == nil {
		return dataplane.Stats{}, fmt.Errorf("CPU port: %w", dataplane.ErrNoPort)
	}
	return c.stats.read(), nil
}
