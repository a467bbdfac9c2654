package p4rtclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// BecomePrimary makes this client primary until Close. It never disturbs a live
// primary unless takeover is true.
func (c *Client) BecomePrimary(ctx context.Context, takeover bool) error {
	if c.stream != nil {
		return nil
	}
	a := &arbitration{c: c, ctx: ctx}
	id, err := a.win(takeover)
	if err != nil {
		a.close()
		return c.arbitrationError(err)
	}
	c.stream, c.cancel, c.id = a.stream, a.cancel, id
	return nil
}

// arbitrationError words what ended a stream.
func (c *Client) arbitrationError(err error) error {
	if s, ok := status.FromError(err); ok && s.Code() == codes.ResourceExhausted { // p4rt:A4
		return &LimitError{Limit: OneController, Words: s.Message(), Remedy: "disconnect one of them first"}
	}
	return c.Explain(err)
}

// standing is the answer to an arbitration.
type standing struct {
	high, low uint64
	code      codes.Code
}

func (s standing) unnamed() bool { return s.high == 0 && s.low == 0 }

// next is the least election id above.
func (s standing) next(device uint64) (*p4.Uint128, error) {
	high, low := s.high, s.low+1
	if low == 0 {
		if high++; high == 0 {
			return nil, fmt.Errorf("device %d: the primary has the largest election id there is, nobody can take over", device)
		}
	}
	return &p4.Uint128{High: high, Low: low}, nil
}

// arbitration is the way to mastership, over as many streams as it takes.
type arbitration struct {
	c      *Client
	ctx    context.Context
	stream p4.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
}

// win becomes primary and gives the election id (D15).
func (a *arbitration) win(takeover bool) (*p4.Uint128, error) {
	first := &p4.Uint128{Low: 1}
	s, err := a.ask(nil)
	if status.Code(err) == codes.InvalidArgument { // {ST}, p4rt:A13
		a.c.met(NoElectionProbe)
		s, err = a.ask(first)
		switch {
		case status.Code(err) == codes.InvalidArgument: // another client has that id (p4rt:A2)
			s, err = standing{low: 1, code: codes.AlreadyExists}, nil
		case err == nil && s.code == codes.OK:
			return first, nil
		}
	}
	if err != nil {
		return nil, err
	}
	want := first
	free := s.code == codes.NotFound || s.code == codes.OK
	switch {
	case free && !s.unnamed():
		want = &p4.Uint128{High: s.high, Low: s.low}
	case free:
	case s.unnamed(): // {4W}: nobody, or somebody whom it does not name (p4rt:A26, A27)
		if takeover {
			want = &p4.Uint128{High: uint64(time.Now().Unix())}
		}
	case !takeover:
		return nil, &PrimaryError{Device: a.c.Device, High: s.high, Low: s.low}
	default:
		if want, err = s.next(a.c.Device); err != nil {
			return nil, err
		}
	}
	unnamed := !free && s.unnamed()
	if s, err = a.ask(want); err != nil {
		return nil, err
	}
	switch {
	case s.code == codes.OK:
		return want, nil
	case unnamed && !takeover:
		return nil, &PrimaryError{Device: a.c.Device, Unnamed: true}
	}
	return nil, &PrimaryError{Device: a.c.Device, High: s.high, Low: s.low, Takeover: true}
}

// ask sends one update and waits for its answer; an error has ended the stream.
func (a *arbitration) ask(id *p4.Uint128) (standing, error) {
	s, err := a.try(id)
	if err != nil {
		a.close()
	}
	return s, err
}

func (a *arbitration) try(id *p4.Uint128) (standing, error) {
	if a.stream == nil {
		// The stream lives until Close; ctx bounds the arbitration only.
		sctx, cancel := context.WithCancel(context.WithoutCancel(a.ctx))
		a.cancel = cancel
		stream, err := a.c.P4RT.StreamChannel(sctx)
		if err != nil {
			return standing{}, err
		}
		a.stream = stream
	}
	defer context.AfterFunc(a.ctx, a.cancel)()
	req := &p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Arbitration{
		Arbitration: &p4.MasterArbitrationUpdate{DeviceId: a.c.Device, ElectionId: id},
	}}
	if err := a.stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return standing{}, err
	}
	for {
		m, err := a.stream.Recv()
		if errors.Is(err, io.EOF) {
			return standing{}, fmt.Errorf("%s ended the stream without an answer", a.c.Address)
		}
		if err != nil {
			return standing{}, err
		}
		if u := m.GetArbitration(); u != nil {
			return standing{u.GetElectionId().GetHigh(), u.GetElectionId().GetLow(), codes.Code(u.GetStatus().GetCode())}, nil
		}
	}
}

func (a *arbitration) close() {
	if a.cancel != nil {
		a.cancel()
	}
	a.stream, a.cancel = nil, nil
}
