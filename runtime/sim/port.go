package sim

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// port is one port with its two netdevs and the goroutines that read them.
type port struct {
	plane   *Plane
	spec    dataplane.Port
	outside *wire
	host    *wire // nil: the port has no host
	stats   stats
	readers sync.WaitGroup
	problem atomic.Pointer[string]
}

// stats are counts of a port since attachment.
type stats struct {
	rxPackets, rxBytes, txPackets, txBytes, drops atomic.Uint64
}

func (s *stats) read() dataplane.Stats {
	return dataplane.Stats{RxPackets: s.rxPackets.Load(), RxBytes: s.rxBytes.Load(),
		TxPackets: s.txPackets.Load(), TxBytes: s.txBytes.Load(), Drops: s.drops.Load()}
}

func openPort(p *Plane, spec dataplane.Port) (*port, error) {
	if spec.Hook != "" {
		return nil, fmt.Errorf("netdev %s: hook %s: the simulator uses packet sockets", spec.Netdev, spec.Hook)
	}
	if spec.Number > maxPortNumber {
		return nil, fmt.Errorf("netdev %s: port number %d is out of range", spec.Netdev, spec.Number)
	}
	q := &port{plane: p, spec: spec}
	var err error
	if q.outside, err = openWire(spec.Netdev); err != nil {
		return nil, err
	}
	if spec.Host != "" {
		if q.host, err = openWire(spec.Host); err != nil {
			q.outside.close()
			return nil, err
		}
	}
	return q, nil
}

// run starts to read.
func (q *port) run() {
	q.readers.Go(func() {
		var f forwarder
		q.failed(q.outside.read(func(frame []byte) {
			q.stats.rxPackets.Add(1)
			q.stats.rxBytes.Add(uint64(len(frame)))
			q.plane.forward(q, frame, &f)
		}, f.out.flush))
	})
	if q.host != nil {
		q.readers.Go(func() {
			var out outboxes
			// What the host sends leaves unchanged (D8).
			q.failed(q.host.read(func(frame []byte) { q.transmit(frame, &out, &q.stats) }, out.flush))
		})
	}
}

// failed remembers why a reader ended early.
func (q *port) failed(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	q.problem.Store(&text)
	q.plane.log.Error("port stopped", "port", q.spec.Number, "error", err)
}

// stop ends reading; what was read has been sent when it returns.
func (q *port) stop() {
	q.outside.interrupt()
	if q.host != nil {
		q.host.interrupt()
	}
	q.readers.Wait()
}

// end stops reading and frees the sockets.
func (q *port) end() {
	q.stop()
	q.outside.close()
	if q.host != nil {
		q.host.close()
	}
}

// transmit sends a frame out of the port; a frame that cannot be sent is a drop
// of the port it came from.
func (q *port) transmit(frame []byte, out *outboxes, from *stats) {
	out.put(q.outside, frame, &q.stats, from)
}

// toHost hands a frame to the host's stack.
func (q *port) toHost(frame []byte, out *outboxes) {
	if q.host == nil {
		q.stats.drops.Add(1)
		return
	}
	out.put(q.host, frame, nil, &q.stats)
}

// count reads the statistics; frames that the ring had no room for were received
// and dropped.
func (q *port) count() dataplane.Stats {
	st := q.stats.read()
	lost := q.outside.losses()
	st.RxPackets += lost
	st.Drops += lost
	if q.host != nil {
		st.Drops += q.host.losses()
	}
	return st
}

func (q *port) status() dataplane.Port {
	s := q.spec
	s.Hook = "af_packet"
	s.MTU = q.outside.mtu
	if ifi, err := net.InterfaceByName(s.Netdev); err != nil {
		s.Problem = err.Error()
	} else {
		s.Up = ifi.Flags&net.FlagUp != 0
	}
	if text := q.problem.Load(); text != nil {
		s.Problem = *text
	}
	return s
}
