package p4rt

import (
	"context"
	"errors"
	"math"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// Write implements the RPC for a request that is decoded already; gRPC's come to
// writeWire.
func (s *Server) Write(_ context.Context, r *p4v1.WriteRequest) (*p4v1.WriteResponse, error) {
	return s.write(r, func(b *binding, d *decoded) error {
		for _, u := range r.GetUpdates() {
			d.message(b, u)
		}
		return nil
	})
}

// writeWire is Write for a request as it came, whose updates are decoded from
// their bytes where that is possible.
func (s *Server) writeWire(ctx context.Context, w *p4wire.Write) (*p4v1.WriteResponse, error) {
	r, whole, err := w.Request()
	if err != nil {
		return nil, malformed(err)
	}
	if whole {
		return s.Write(ctx, r)
	}
	return s.write(r, func(b *binding, d *decoded) error {
		wire := wireDecoder{b: b}
		for raw := range w.Updates() {
			if d.wire(&wire, raw) {
				continue
			}
			u := &p4v1.Update{}
			if err := proto.Unmarshal(raw, u); err != nil {
				return malformed(err)
			}
			d.message(b, u)
		}
		return nil
	})
}

// malformed is what gRPC answers when it cannot decode a request.
func malformed(err error) error {
	return status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", err)
}

// writeHandler is the generated handler of Write, but for the request, which it
// leaves in bytes.
func writeHandler(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(p4wire.Write)
	if err := dec(in); err != nil {
		return nil, err
	}
	s := srv.(*Server)
	if interceptor == nil {
		return s.writeWire(ctx, in)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: p4v1.P4Runtime_Write_FullMethodName}
	return interceptor(ctx, in, info, func(ctx context.Context, r any) (any, error) {
		return s.writeWire(ctx, r.(*p4wire.Write))
	})
}

// write is a Write (p4rt:W1-W16): arbitrate, decode and validate here, in the
// caller's goroutine; then the store, which answers when the datapath has it.
func (s *Server) write(r *p4v1.WriteRequest, decode func(*binding, *decoded) error) (*p4v1.WriteResponse, error) {
	if err := s.device(r.GetDeviceId()); err != nil {
		return nil, err
	}
	done, err := s.arbiter.begin(roleOf(r), r.GetElectionId())
	if err != nil {
		return nil, err
	}
	defer done()
	d, _ := s.decoded.Get().(*decoded)
	if d == nil {
		d = &decoded{}
	}
	defer func() {
		d.reset()
		s.decoded.Put(d)
	}()
	for {
		p := s.store.Pipeline()
		if p == nil {
			return nil, s.noPipeline()
		}
		switch a := r.GetAtomicity(); a {
		case p4v1.WriteRequest_CONTINUE_ON_ERROR:
		case p4v1.WriteRequest_ROLLBACK_ON_ERROR:
		case p4v1.WriteRequest_DATAPLANE_ATOMIC:
			return nil, status.Errorf(codes.Unimplemented, "atomicity %s is not supported: use ROLLBACK_ON_ERROR, or CONTINUE_ON_ERROR", a)
		default:
			return nil, status.Errorf(codes.InvalidArgument, "atomicity %d is unknown", a)
		}
		b, err := s.binding(p)
		if err != nil {
			return nil, rpcError(err)
		}
		d.reset()
		if err := decode(b, d); err != nil {
			return nil, err
		}
		err = d.apply(s.store, p, r.GetAtomicity() == p4v1.WriteRequest_ROLLBACK_ON_ERROR)
		if errors.Is(err, store.ErrPipelineChanged) {
			continue // decode again for the pipeline that a Set put in between
		}
		if err != nil {
			return nil, rpcError(err)
		}
		return &p4v1.WriteResponse{}, nil
	}
}

// decoded are the updates of one request. Its memory is used again by another.
type decoded struct {
	n       int // updates of the request so far
	updates []entity.Update
	at      []int // place of each in the request
	failed  []failedUpdate
}

type failedUpdate struct {
	at  int
	err error
}

func (d *decoded) reset() {
	clear(d.updates)
	*d = decoded{updates: d.updates[:0], at: d.at[:0]}
}

// next makes room for the request's next update; drop takes it back.
func (d *decoded) next() *entity.Update {
	d.updates, d.at = append(d.updates, entity.Update{}), append(d.at, d.n)
	return &d.updates[len(d.updates)-1]
}

func (d *decoded) drop() {
	d.updates, d.at = d.updates[:len(d.updates)-1], d.at[:len(d.at)-1]
}

// wire adds an update from its bytes; false leaves it to message.
func (d *decoded) wire(w *wireDecoder, raw []byte) bool {
	if !w.update(raw, d.next()) {
		d.drop()
		return false
	}
	d.n++
	return true
}

func (d *decoded) message(b *binding, m *p4v1.Update) {
	u, skip, err := b.update(m)
	switch {
	case err != nil:
		d.failed = append(d.failed, failedUpdate{d.n, err})
	case !skip:
		*d.next() = u
	}
	d.n++
}

// apply gives the updates to the store, all or none of them where whole is set.
// The error is the RPC's.
func (d *decoded) apply(s *store.Store, p *store.Pipeline, whole bool) error {
	var results []error
	if len(d.updates) > 0 && !(whole && d.failed != nil) {
		var err error
		if results, err = s.Apply(store.Batch{Pipeline: p, Updates: d.updates, Whole: whole}); err != nil {
			return err
		}
	}
	if results == nil && d.failed == nil {
		return nil
	}
	errs := make([]error, d.n)
	if whole && d.failed != nil {
		for i := range errs {
			errs[i] = entity.Errorf(entity.Aborted, "not done: another update of the batch failed")
		}
	}
	for k, err := range results {
		errs[d.at[k]] = err
	}
	for _, f := range d.failed {
		errs[f.at] = f.err
	}
	return batchError("updates", errs)
}

// update decodes one update; skip tells that there is nothing to do.
func (b *binding) update(u *p4v1.Update) (e entity.Update, skip bool, err error) {
	switch u.GetType() {
	case p4v1.Update_INSERT, p4v1.Update_MODIFY, p4v1.Update_DELETE:
	case p4v1.Update_UNSPECIFIED:
		return e, false, invalid("update type is not set")
	default:
		return e, false, invalid("update type %d is unknown", u.GetType())
	}
	switch x := u.GetEntity().GetEntity().(type) {
	case nil:
		return e, false, invalid("the update has no entity")
	case *p4v1.Entity_TableEntry:
		e, err = b.tableEntry(u.GetType(), x.TableEntry)
		return e, false, err
	case *p4v1.Entity_DirectCounterEntry:
		return b.directCounter(u.GetType(), x.DirectCounterEntry)
	case *p4v1.Entity_CounterEntry:
		return b.counterCells(u.GetType(), x.CounterEntry)
	case *p4v1.Entity_ActionProfileMember:
		e, err = b.member(u.GetType(), x.ActionProfileMember)
		return e, false, err
	case *p4v1.Entity_ActionProfileGroup:
		e, err = b.group(u.GetType(), x.ActionProfileGroup)
		return e, false, err
	case *p4v1.Entity_MeterEntry:
		return b.meterCells(u.GetType(), x.MeterEntry)
	case *p4v1.Entity_DirectMeterEntry:
		e, err = b.directMeter(u.GetType(), x.DirectMeterEntry)
		return e, false, err
	case *p4v1.Entity_RegisterEntry:
		return b.registerCells(u.GetType(), x.RegisterEntry)
	case *p4v1.Entity_ValueSetEntry:
		e, err = b.valueSetEntry(u.GetType(), x.ValueSetEntry)
		return e, false, err
	case *p4v1.Entity_DigestEntry:
		e, err = b.digestEntry(u.GetType(), x.DigestEntry)
		return e, false, err
	case *p4v1.Entity_PacketReplicationEngineEntry:
		e, err = replicationEntry(u.GetType(), x.PacketReplicationEngineEntry)
		return e, false, err
	default:
		return e, false, b.notSupported(u.GetEntity())
	}
}

// notSupported refuses the kinds of entities that this server has not, by name.
func (b *binding) notSupported(e *p4v1.Entity) error {
	x, ok := e.GetEntity().(*p4v1.Entity_ExternEntry)
	if !ok {
		return unsupported("this entity is not supported")
	}
	if name := b.names[x.ExternEntry.GetExternId()]; name != "" {
		return unsupported("extern entry of %s is not supported", name)
	}
	return unsupported("extern entry is not supported")
}

// counter converts a CounterData; its counts are not negative.
func counter(d *p4v1.CounterData) (*entity.Counter, error) {
	if d == nil {
		return nil, nil
	}
	if d.GetPacketCount() < 0 || d.GetByteCount() < 0 {
		return nil, invalid("counter data (%d packets, %d bytes) is negative", d.GetPacketCount(), d.GetByteCount())
	}
	return &entity.Counter{Packets: uint64(d.GetPacketCount()), Bytes: uint64(d.GetByteCount())}, nil
}

func counterData(c entity.Counter) *p4v1.CounterData {
	return &p4v1.CounterData{PacketCount: int64(c.Packets & math.MaxInt64), ByteCount: int64(c.Bytes & math.MaxInt64)}
}
