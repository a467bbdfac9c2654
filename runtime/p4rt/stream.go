package p4rt

import (
	"io"
	"sync"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/store"
)

// Limits of what waits for a client that reads slowly. Stream errors are sent
// last (p4rt:SE3); of them and of packets those that find no room are dropped.
// Arbitration is never dropped, the stream is closed instead.
const (
	maxErrorsWaiting  = 64
	maxWaiting        = 1024
	maxPacketsWaiting = 1024
	maxNoticesWaiting = 1024
	maxBytesWaiting   = 4 << 20 // of packets
)

// stream is one StreamChannel. device, message, role and id are set by the
// arbiter under its lock; role is also read by the stream's own goroutine, which
// alone causes it to be set.
type stream struct {
	device  uint64
	message *p4v1.Role // as the client wrote it
	role    *role
	id      *store.Election // nil = always backup

	mu      sync.Mutex
	queue   [lanes][]*p4v1.StreamMessageResponse
	packets int           // bytes of payload in queue[lanePacket]
	wake    chan struct{} // holds a token when a queue is not empty
	full    chan struct{} // closed when the client does not read
	once    sync.Once
}

// What waits, most urgent first.
const (
	laneArbitration = iota
	lanePacket
	laneNotice // digests and idle timeouts
	laneError
	lanes
)

func newStream() *stream {
	return &stream{wake: make(chan struct{}, 1), full: make(chan struct{})}
}

// push queues an arbitration or an error; it never blocks.
func (st *stream) push(m *p4v1.StreamMessageResponse) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if m.GetError() != nil {
		if len(st.queue[laneError]) < maxErrorsWaiting {
			st.add(laneError, m)
		}
		return
	}
	if len(st.queue[laneArbitration]) >= maxWaiting {
		st.once.Do(func() { close(st.full) })
		return
	}
	if a := m.GetArbitration(); a.GetStatus().GetCode() != int32(codes.OK) {
		// Packets and notices are for primaries.
		st.queue[lanePacket], st.packets = nil, 0
		st.queue[laneNotice] = nil
	}
	st.add(laneArbitration, m)
}

// pushPacket queues a packet-in and tells whether there was room; it never blocks.
func (st *stream) pushPacket(m *p4v1.StreamMessageResponse) bool {
	size := len(m.GetPacket().GetPayload())
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.queue[lanePacket]) >= maxPacketsWaiting || st.packets+size > maxBytesWaiting {
		return false
	}
	st.packets += size
	st.add(lanePacket, m)
	return true
}

// pushNotice queues a digest list or a notification and tells whether there was
// room; it never blocks.
func (st *stream) pushNotice(m *p4v1.StreamMessageResponse) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.queue[laneNotice]) >= maxNoticesWaiting {
		return false
	}
	st.add(laneNotice, m)
	return true
}

// add queues a message; mu is held.
func (st *stream) add(lane int, m *p4v1.StreamMessageResponse) {
	st.queue[lane] = append(st.queue[lane], m)
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// take gives all messages of the most urgent kind that waits; of packets some, so
// that an arbitration need not wait for all.
func (st *stream) take() []*p4v1.StreamMessageResponse {
	st.mu.Lock()
	defer st.mu.Unlock()
	for lane := range st.queue {
		q := st.queue[lane]
		n := len(q)
		if n == 0 {
			continue
		}
		if lane == laneNotice {
			n = min(n, 16)
		}
		if lane == lanePacket {
			n = min(n, 16)
			for _, m := range q[:n] {
				st.packets -= len(m.GetPacket().GetPayload())
			}
		}
		st.queue[lane] = q[n:]
		return q[:n:n]
	}
	return nil
}

type received struct {
	m   *p4v1.StreamMessageRequest
	err error
}

// StreamChannel implements the RPC.
func (s *Server) StreamChannel(g p4v1.P4Runtime_StreamChannelServer) error {
	st := newStream()
	ctx := g.Context()
	in := make(chan received)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			m, err := g.Recv()
			select {
			case in <- received{m, err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	sendFailed := make(chan error, 1)
	go func() { sendFailed <- sendQueue(g, st, ended) }()
	defer s.arbiter.leave(st)
	for {
		select {
		case r := <-in:
			if r.err == io.EOF {
				return nil
			}
			if r.err != nil {
				return r.err
			}
			if err := s.receive(st, r.m); err != nil {
				return err
			}
		case err := <-sendFailed:
			return err
		case <-st.full:
			return status.Errorf(codes.ResourceExhausted, "%d messages wait and the client does not read", maxWaiting)
		case <-s.quit:
			return status.Error(codes.Unavailable, "the server is going down")
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

func sendQueue(g p4v1.P4Runtime_StreamChannelServer, st *stream, ended <-chan struct{}) error {
	for {
		select {
		case <-st.wake:
		case <-ended:
			return nil
		}
		for q := st.take(); q != nil; q = st.take() {
			for _, m := range q {
				if err := g.Send(m); err != nil {
					return err
				}
			}
		}
	}
}

// receive handles one message; an error closes the stream, which only
// arbitration does (p4rt:A28).
func (s *Server) receive(st *stream, m *p4v1.StreamMessageRequest) error {
	if a := m.GetArbitration(); a != nil {
		if st.role != nil && a.GetDeviceId() != st.device {
			return status.Errorf(codes.FailedPrecondition, "this stream is for device %d, not for %d: open another one", st.device, a.GetDeviceId())
		}
		if err := s.device(a.GetDeviceId()); err != nil {
			return err
		}
		return s.arbiter.update(st, a)
	}
	e := &p4v1.StreamError{Space: space}
	err := error(nil)
	switch u := m.GetUpdate().(type) {
	case *p4v1.StreamMessageRequest_Packet:
		e.Details = &p4v1.StreamError_PacketOut{PacketOut: &p4v1.PacketOutError{PacketOut: echo(u.Packet)}}
		if err = s.mustLead(st, "packet-out"); err == nil {
			err = s.packetOut(u.Packet)
		}
		if err != nil {
			s.packets.counts.refused.Add(1)
		}
	case *p4v1.StreamMessageRequest_DigestAck:
		e.Details = &p4v1.StreamError_DigestListAck{DigestListAck: &p4v1.DigestListAckError{DigestListAck: u.DigestAck}}
		if err = s.mustLead(st, "digest acknowledgement"); err == nil {
			err = s.digests.ack(u.DigestAck)
		}
	case *p4v1.StreamMessageRequest_Other: // p4rt:SE5
		e.Details = &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{}}
		err = unsupported("message of type %s is not supported", u.Other.GetTypeUrl())
	default:
		e.Details = &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{}}
		err = invalid("message without update")
	}
	if err == nil {
		return nil
	}
	told := status.Convert(rpcError(err))
	e.CanonicalCode, e.Message = int32(told.Code()), told.Message()
	st.push(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{Error: e}})
	return nil
}

// mustLead refuses what only a primary may send (p4rt:PK3).
func (s *Server) mustLead(st *stream, what string) error {
	if s.arbiter.leads(st) {
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "%s: this client is not primary", what)
}

// leads tells whether st is primary of its role.
func (a *arbiter) leads(st *stream) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return st.role != nil && st.role.primary == st
}
