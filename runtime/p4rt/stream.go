package p4rt

import (
	"io"
	"sync"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/store"
)

// Limits of what waits for a client that reads slowly. Stream errors are dropped
// first (p4rt:SE3); arbitration is never dropped, the stream is closed instead.
const (
	maxErrorsWaiting = 64
	maxWaiting       = 1024
)

// stream is one StreamChannel. device, message, role and id are set by the
// arbiter under its lock; role is also read by the stream's own goroutine, which
// alone causes it to be set.
type stream struct {
	device  uint64
	message *p4v1.Role // as the client wrote it
	role    *role
	id      *store.Election // nil = always backup

	mu    sync.Mutex
	queue []*p4v1.StreamMessageResponse
	wake  chan struct{} // holds a token when queue is not empty
	full  chan struct{} // closed when the client does not read
	once  sync.Once
}

func newStream() *stream {
	return &stream{wake: make(chan struct{}, 1), full: make(chan struct{})}
}

// push queues a message; it never blocks.
func (st *stream) push(m *p4v1.StreamMessageResponse) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch n := len(st.queue); {
	case m.GetError() != nil && n >= maxErrorsWaiting:
		return
	case n >= maxWaiting:
		st.once.Do(func() { close(st.full) })
		return
	}
	st.queue = append(st.queue, m)
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

func (st *stream) take() []*p4v1.StreamMessageResponse {
	st.mu.Lock()
	defer st.mu.Unlock()
	q := st.queue
	st.queue = nil
	return q
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
		for _, m := range st.take() {
			if err := g.Send(m); err != nil {
				return err
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
	what := ""
	switch u := m.GetUpdate().(type) {
	case *p4v1.StreamMessageRequest_Packet:
		what = "packet-out"
		e.Details = &p4v1.StreamError_PacketOut{PacketOut: &p4v1.PacketOutError{}}
	case *p4v1.StreamMessageRequest_DigestAck:
		what = "digest acknowledgement"
		e.Details = &p4v1.StreamError_DigestListAck{DigestListAck: &p4v1.DigestListAckError{DigestListAck: u.DigestAck}}
	case *p4v1.StreamMessageRequest_Other:
		what = "message of type " + u.Other.GetTypeUrl()
		e.Details = &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{}}
	default:
		what = "message without update"
		e.Details = &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{}}
	}
	switch _, isOther := m.GetUpdate().(*p4v1.StreamMessageRequest_Other); {
	case m.GetUpdate() == nil:
		e.CanonicalCode, e.Message = int32(codes.InvalidArgument), what
	case isOther:
		e.CanonicalCode, e.Message = int32(codes.Unimplemented), what+" is not supported"
	case !s.arbiter.leads(st):
		e.CanonicalCode, e.Message = int32(codes.PermissionDenied), what+": this client is not primary"
	default:
		e.CanonicalCode, e.Message = int32(codes.Unimplemented), what+" is not supported"
	}
	st.push(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{Error: e}})
	return nil
}

// leads tells whether st is primary of its role.
func (a *arbiter) leads(st *stream) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return st.role != nil && st.role.primary == st
}
