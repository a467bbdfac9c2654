package p4rt

import (
	"context"
	"errors"
	"math"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// Write implements the RPC (p4rt:W1-W16): arbitrate, decode and validate here,
// in the caller's goroutine; then the store, which answers when the datapath has
// it.
func (s *Server) Write(_ context.Context, r *p4v1.WriteRequest) (*p4v1.WriteResponse, error) {
	if err := s.device(r.GetDeviceId()); err != nil {
		return nil, err
	}
	done, err := s.arbiter.begin(roleOf(r), r.GetElectionId())
	if err != nil {
		return nil, err
	}
	defer done()
	for {
		p := s.store.Pipeline()
		if p == nil {
			return nil, s.noPipeline()
		}
		switch a := r.GetAtomicity(); a {
		case p4v1.WriteRequest_CONTINUE_ON_ERROR:
		case p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC:
			return nil, status.Errorf(codes.Unimplemented, "atomicity %s is not supported, use CONTINUE_ON_ERROR", a)
		default:
			return nil, status.Errorf(codes.InvalidArgument, "atomicity %d is unknown", a)
		}
		b, err := s.binding(p)
		if err != nil {
			return nil, rpcError(err)
		}
		err = s.write(b, r.GetUpdates())
		if errors.Is(err, store.ErrPipelineChanged) {
			continue // decode again for the pipeline that a Set put in between
		}
		if err != nil {
			return nil, rpcError(err)
		}
		return &p4v1.WriteResponse{}, nil
	}
}

// write decodes and applies a batch. The error is the RPC's.
func (s *Server) write(b *binding, updates []*p4v1.Update) error {
	errs := make([]error, len(updates))
	batch := store.Batch{Pipeline: b.pipe, Updates: make([]entity.Update, 0, len(updates))}
	at := make([]int, 0, len(updates)) // place of each of the batch in the request
	for i, u := range updates {
		e, skip, err := b.update(u)
		if err != nil {
			errs[i] = err
		} else if !skip {
			batch.Updates, at = append(batch.Updates, e), append(at, i)
		}
	}
	if len(batch.Updates) > 0 {
		results, err := s.store.Apply(batch)
		if err != nil {
			return err
		}
		for k, err := range results {
			errs[at[k]] = err
		}
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
	default:
		return e, false, b.notSupported(u.GetEntity())
	}
}

// notSupported refuses the kinds of entities that this server has not, by name.
func (b *binding) notSupported(e *p4v1.Entity) error {
	kind, id := "", uint32(0)
	switch x := e.GetEntity().(type) {
	case *p4v1.Entity_ExternEntry:
		kind, id = "extern entry", x.ExternEntry.GetExternId()
	case *p4v1.Entity_ActionProfileMember:
		kind, id = "action profile member", x.ActionProfileMember.GetActionProfileId()
	case *p4v1.Entity_ActionProfileGroup:
		kind, id = "action profile group", x.ActionProfileGroup.GetActionProfileId()
	case *p4v1.Entity_MeterEntry:
		kind, id = "meter entry", x.MeterEntry.GetMeterId()
	case *p4v1.Entity_DirectMeterEntry:
		kind, id = "direct meter entry", x.DirectMeterEntry.GetTableEntry().GetTableId()
	case *p4v1.Entity_PacketReplicationEngineEntry:
		switch x.PacketReplicationEngineEntry.GetType().(type) {
		case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
			kind = "multicast group entry"
		case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
			kind = "clone session entry"
		default:
			return invalid("packet_replication_engine_entry has no type")
		}
	case *p4v1.Entity_ValueSetEntry:
		kind, id = "value set entry", x.ValueSetEntry.GetValueSetId()
	case *p4v1.Entity_RegisterEntry:
		kind, id = "register entry", x.RegisterEntry.GetRegisterId()
	case *p4v1.Entity_DigestEntry:
		kind, id = "digest entry", x.DigestEntry.GetDigestId()
	default:
		kind = "this entity"
	}
	if name := b.names[id]; name != "" {
		return unsupported("%s of %s is not supported", kind, name)
	}
	return unsupported("%s is not supported", kind)
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
