package gribi

import (
	"errors"
	"io"
	"time"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/rib"
)

// message is one ModifyRequest on its way to the worker; operations are decoded.
type message struct {
	err      error // the stream ended
	params   *spb.SessionParameters
	election *spb.Uint128
	ops      []operation
}

type operation struct {
	id       uint64
	election *spb.Uint128
	op       rib.Op
}

const (
	// queued bounds the messages that wait for the worker, and answers that wait
	// for the client; then flow control stops it.
	queued = 64
	// together bounds the operations that the worker takes at a time.
	together = 4096
	// answers bounds the results of one message.
	answers = 1024
	// lastWords is how long the end of a stream waits for a client that does not
	// read.
	lastWords = 5 * time.Second
)

// Modify implements the RPC. One goroutine receives and decodes, this one
// works in order, one sends.
func (s *Server) Modify(stream spb.GRIBI_ModifyServer) error {
	c := &client{ctx: stream.Context()}
	s.join(c)
	defer s.leave(c)

	end := make(chan struct{}) // closed when this function returns
	defer close(end)
	in := make(chan message, queued)
	go receive(stream, in, end)
	out := make(chan *spb.ModifyResponse, queued)
	sent := make(chan error, 1)
	go func() {
		var err error
		for r := range out {
			if err == nil {
				err = stream.Send(r)
			}
		}
		sent <- err
	}()
	err := s.work(c, in, out)
	close(out)
	// What was answered goes out before the status, unless the client does not
	// read.
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case e := <-sent:
		if err == nil {
			err = e
		}
	case <-c.ctx.Done():
	case <-s.closed:
	case <-patience.C:
	}
	return err
}

func receive(stream spb.GRIBI_ModifyServer, in chan<- message, end <-chan struct{}) {
	for {
		var m message
		req, err := stream.Recv()
		if err != nil {
			m.err = err
		} else {
			m = read(req)
		}
		select {
		case in <- m:
		case <-end:
			return
		}
		if m.err != nil {
			return
		}
	}
}

// read checks that a request is one thing (gribi:GR2) and decodes it.
func read(req *spb.ModifyRequest) message {
	n := 0
	for _, set := range []bool{req.GetParams() != nil, req.GetElectionId() != nil, len(req.GetOperation()) > 0} {
		if set {
			n++
		}
	}
	if n != 1 {
		return message{err: status.Errorf(codes.InvalidArgument, "a ModifyRequest has exactly one of params, election_id and operation, this one has %d", n)}
	}
	m := message{params: req.GetParams(), election: req.GetElectionId()}
	if len(req.GetOperation()) > 0 {
		m.ops = make([]operation, len(req.GetOperation()))
		for i, op := range req.GetOperation() {
			m.ops[i] = operation{id: op.GetId(), election: op.GetElectionId(), op: decode(op)}
		}
	}
	return m
}

// work handles the messages in order, operations of several together.
func (s *Server) work(c *client, in <-chan message, out chan<- *spb.ModifyResponse) error {
	var ops []operation
	var ahead *message
	for {
		var m message
		if ahead != nil {
			m, ahead = *ahead, nil
		} else {
			select {
			case m = <-in:
			case <-s.closed:
				return status.Error(codes.Unavailable, "nicd is stopping")
			}
		}
		if m.ops == nil {
			if m.err != nil {
				if errors.Is(m.err, io.EOF) {
					return nil
				}
				return m.err
			}
			r, err := s.session(c, &m)
			if err != nil {
				return err
			}
			if err := s.answer(c, out, r); err != nil {
				return err
			}
			continue
		}
		ops = append(ops[:0], m.ops...)
	gather:
		for len(ops) < together {
			select {
			case more := <-in:
				if more.ops == nil {
					ahead = &more
					break gather
				}
				ops = append(ops, more.ops...)
			default:
				break gather
			}
		}
		if c.ctx.Err() != nil {
			return c.ctx.Err() // what a client that left has pending is dropped (gribi:GR43)
		}
		if err := s.operations(c, ops, out); err != nil {
			return err
		}
		clear(ops)
	}
}

func (s *Server) answer(c *client, out chan<- *spb.ModifyResponse, r *spb.ModifyResponse) error {
	select {
	case out <- r:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-s.closed:
		return status.Error(codes.Unavailable, "nicd is stopping")
	}
}

// session handles parameters and election ids.
func (s *Server) session(c *client, m *message) (*spb.ModifyResponse, error) {
	began := c.began
	c.began = true
	if p := m.params; p != nil {
		switch {
		case c.params != nil:
			return nil, errLateParams("they were sent before")
		case began:
			return nil, errLateParams("another message was sent before")
		case p.GetRedundancy() != spb.SessionParameters_SINGLE_PRIMARY:
			return nil, errUnsupported("redundancy " + p.GetRedundancy().String())
		case p.GetPersistence() != spb.SessionParameters_PRESERVE:
			return nil, errUnsupported("persistence " + p.GetPersistence().String())
		case p.GetAckType() != spb.SessionParameters_RIB_ACK && p.GetAckType() != spb.SessionParameters_RIB_AND_FIB_ACK:
			return nil, errUnsupported("acknowledgement " + p.GetAckType().String())
		}
		if err := s.setParams(c, params{fibAck: p.GetAckType() == spb.SessionParameters_RIB_AND_FIB_ACK}); err != nil {
			return nil, err
		}
		return &spb.ModifyResponse{SessionParamsResult: &spb.SessionParametersResult{Status: spb.SessionParametersResult_OK}}, nil
	}
	id := electionOf(m.election)
	switch {
	case c.params == nil:
		return nil, errElectionInAllPrimary()
	case id == rib.Election{}:
		return nil, status.Error(codes.InvalidArgument, "election id 0 is not valid")
	}
	highest, err := s.elect(c, id)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "the election id cannot be stored: %v", err)
	}
	return &spb.ModifyResponse{ElectionId: &spb.Uint128{High: highest.High, Low: highest.Low}}, nil
}

// operations makes operations and answers each.
func (s *Server) operations(c *client, ops []operation, out chan<- *spb.ModifyResponse) error {
	c.began = true
	if c.params == nil {
		return errUnsupported("a session without parameters, which means ALL_PRIMARY and DELETE,")
	}
	results := s.perform(c, ops)
	now := s.now().UnixNano()
	slab := make([]spb.AFTResult, len(ops))
	list := make([]*spb.AFTResult, len(ops))
	for i := range ops {
		a := &slab[i]
		a.Id, a.Timestamp = ops[i].id, now
		a.Status = s.status(c, results[i].Outcome)
		if p := results[i].Problem; p != "" && a.Status != spb.AFTResult_RIB_PROGRAMMED {
			a.ErrorDetails = &spb.AFTErrorDetails{ErrorMessage: p}
		}
		list[i] = a
	}
	for len(list) > 0 {
		n := min(len(list), answers)
		if err := s.answer(c, out, &spb.ModifyResponse{Result: list[:n:n]}); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (s *Server) status(c *client, o rib.Outcome) spb.AFTResult_Status {
	switch {
	case o == rib.Refused:
		return spb.AFTResult_FAILED
	case !c.params.fibAck || o == rib.InRIB:
		return spb.AFTResult_RIB_PROGRAMMED
	case o == rib.InFIB:
		return spb.AFTResult_FIB_PROGRAMMED
	}
	return spb.AFTResult_FIB_FAILED
}

// perform makes the operations that the client may make (gribi:GR29).
func (s *Server) perform(c *client, ops []operation) []rib.Result {
	results := make([]rib.Result, len(ops))
	s.election.RLock()
	defer s.election.RUnlock()
	list := make([]rib.Op, len(ops))
	for i := range ops {
		list[i] = ops[i].op
		if why := s.mayNot(c, ops[i].election); why != "" {
			list[i].Invalid = why
		}
	}
	s.rib.Apply(list, results)
	return results
}

// mayNot says why the client's operation with that election id is refused.
func (s *Server) mayNot(c *client, id *spb.Uint128) string {
	e := electionOf(id)
	switch {
	case id == nil:
		return "the operation has no election id"
	case c.id == rib.Election{}:
		return "the client has sent no election id"
	case e != c.id:
		return "the operation's election id is not the one that the client sent last"
	case e != s.highest:
		return "the operation's election id is not the highest: the client is not primary"
	case s.primary != c:
		return "another client with the same election id is primary"
	}
	return ""
}
