package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"

	aft "github.com/openconfig/gribi/v1/proto/gribi_aft"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	ywrapper "github.com/openconfig/ygot/proto/ywrapper"
	"google.golang.org/grpc"
)

// Injector puts routes into one device over gRIBI, as its single primary. What
// it put stays when it leaves (PRESERVE), and every operation is acknowledged
// only when packets follow it (RIB_AND_FIB_ACK).
type Injector struct {
	stream   gribi.GRIBI_ModifyClient
	cancel   context.CancelFunc
	election *gribi.Uint128

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan *gribi.AFTResult
	failed  error
}

// NewInjector opens the stream and becomes primary with the election id given,
// which must be above that of any controller before.
func NewInjector(ctx context.Context, conn *grpc.ClientConn, election uint64) (*Injector, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := gribi.NewGRIBIClient(conn).Modify(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("gRIBI: %w", err)
	}
	in := &Injector{stream: stream, cancel: cancel, election: &gribi.Uint128{Low: election}, waiting: map[uint64]chan *gribi.AFTResult{}}
	for _, m := range []*gribi.ModifyRequest{
		{Params: &gribi.SessionParameters{
			Redundancy:  gribi.SessionParameters_SINGLE_PRIMARY,
			Persistence: gribi.SessionParameters_PRESERVE,
			AckType:     gribi.SessionParameters_RIB_AND_FIB_ACK,
		}},
		{ElectionId: in.election},
	} {
		if err := stream.Send(m); err != nil {
			cancel()
			return nil, fmt.Errorf("gRIBI: %w", err)
		}
		if _, err := stream.Recv(); err != nil {
			cancel()
			return nil, fmt.Errorf("gRIBI: %w", err)
		}
	}
	go in.receive()
	return in, nil
}

// Broken tells whether the stream has ended.
func (in *Injector) Broken() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.failed != nil
}

// Close leaves; the routes stay.
func (in *Injector) Close() { in.cancel() }

func (in *Injector) receive() {
	for {
		m, err := in.stream.Recv()
		in.mu.Lock()
		if err != nil {
			in.failed = err
			for id, ch := range in.waiting {
				close(ch)
				delete(in.waiting, id)
			}
			in.mu.Unlock()
			return
		}
		for _, r := range m.GetResult() {
			if r.GetStatus() == gribi.AFTResult_RIB_PROGRAMMED {
				continue // the FIB's answer follows
			}
			if ch := in.waiting[r.GetId()]; ch != nil {
				delete(in.waiting, r.GetId())
				ch <- r
			}
		}
		in.mu.Unlock()
	}
}

// do sends operations in one message and waits until all are in the FIB.
func (in *Injector) do(ctx context.Context, ops ...*gribi.AFTOperation) error {
	in.mu.Lock()
	if in.failed != nil {
		defer in.mu.Unlock()
		return fmt.Errorf("gRIBI: %w", in.failed)
	}
	answers := make([]chan *gribi.AFTResult, len(ops))
	for i, op := range ops {
		in.next++
		op.Id, op.ElectionId, op.NetworkInstance = in.next, in.election, "DEFAULT"
		answers[i] = make(chan *gribi.AFTResult, 1)
		in.waiting[op.Id] = answers[i]
	}
	err := in.stream.Send(&gribi.ModifyRequest{Operation: ops})
	in.mu.Unlock()
	if err != nil {
		return fmt.Errorf("gRIBI: %w", err)
	}
	var errs []error
	for i, ch := range answers {
		select {
		case r, ok := <-ch:
			switch {
			case !ok:
				return errors.New("gRIBI: the stream ended before the answer")
			case r.GetStatus() != gribi.AFTResult_FIB_PROGRAMMED:
				errs = append(errs, fmt.Errorf("gRIBI: operation %d: %s: %s", ops[i].GetId(), r.GetStatus(), r.GetErrorDetails().GetErrorMessage()))
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// NextHop is a way out of a device.
type NextHop struct {
	Index     uint64 // of the next hop and of the group of one that leads to it
	Address   string // of the router at the other end
	Interface string
	MAC       string // empty: the device resolves the address itself
}

// AddNextHop makes a next hop and a group of the same number.
func (in *Injector) AddNextHop(ctx context.Context, h NextHop) error {
	var mac *ywrapper.StringValue
	if h.MAC != "" {
		mac = &ywrapper.StringValue{Value: h.MAC}
	}
	return in.do(ctx,
		&gribi.AFTOperation{Op: gribi.AFTOperation_ADD, Entry: &gribi.AFTOperation_NextHop{NextHop: &aft.Afts_NextHopKey{
			Index: h.Index,
			NextHop: &aft.Afts_NextHop{
				IpAddress:    &ywrapper.StringValue{Value: h.Address},
				MacAddress:   mac,
				InterfaceRef: &aft.Afts_NextHop_InterfaceRef{Interface: &ywrapper.StringValue{Value: h.Interface}},
			},
		}}},
		&gribi.AFTOperation{Op: gribi.AFTOperation_ADD, Entry: &gribi.AFTOperation_NextHopGroup{NextHopGroup: &aft.Afts_NextHopGroupKey{
			Id: h.Index,
			NextHopGroup: &aft.Afts_NextHopGroup{NextHop: []*aft.Afts_NextHopGroup_NextHopKey{{
				Index:   h.Index,
				NextHop: &aft.Afts_NextHopGroup_NextHop{Weight: &ywrapper.UintValue{Value: 1}},
			}}},
		}}})
}

// Route points a prefix at a group; it returns when packets take it.
func (in *Injector) Route(ctx context.Context, prefix string, group uint64) error {
	return in.do(ctx, &gribi.AFTOperation{Op: gribi.AFTOperation_ADD, Entry: &gribi.AFTOperation_Ipv4{Ipv4: &aft.Afts_Ipv4EntryKey{
		Prefix:    prefix,
		Ipv4Entry: &aft.Afts_Ipv4Entry{NextHopGroup: &ywrapper.UintValue{Value: group}},
	}}})
}
