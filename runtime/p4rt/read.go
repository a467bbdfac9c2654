package p4rt

import (
	"errors"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// reader answers one Read from one snapshot (p4rt:RD1-RD15).
type reader struct {
	b    *binding
	snap *store.Snapshot
	out  *sender
}

// query is one entity of a request: what to look up, and how to answer. key is
// nil where nothing is looked up.
type query struct {
	key *store.Key
	run func(*reader, *entity.Entry) error
	err error
}

// Read implements the RPC. A role in the request filters nothing: without role
// configs every role sees the whole pipeline (p4rt:A20, RD11).
func (s *Server) Read(r *p4v1.ReadRequest, g p4v1.P4Runtime_ReadServer) error {
	if err := s.device(r.GetDeviceId()); err != nil {
		return err
	}
	for {
		p := s.store.Pipeline()
		if p == nil {
			return s.noPipeline()
		}
		b, err := s.binding(p)
		if err != nil {
			return rpcError(err)
		}
		queries := make([]query, len(r.GetEntities()))
		var keys []store.Key
		for i, e := range r.GetEntities() {
			q := &queries[i]
			if *q, q.err = b.query(e); q.key != nil {
				keys = append(keys, *q.key)
			}
		}
		snap := s.store.Snapshot(p, keys...)
		if snap.Pipeline != p {
			continue // a Set came between: start over with its P4Info
		}
		rd := &reader{b: b, snap: snap, out: &sender{g: g}}
		return rpcError(rd.answer(queries))
	}
}

func (rd *reader) answer(queries []query) error {
	errs := make([]error, len(queries))
	found := rd.snap.Found
	for i := range queries {
		q := &queries[i]
		if q.err != nil {
			errs[i] = q.err
			continue
		}
		var e *entity.Entry
		if q.key != nil {
			e, found = found[0], found[1:]
		}
		err := q.run(rd, e)
		if errors.As(err, new(*sendError)) {
			return err
		}
		errs[i] = err
	}
	if err := rd.out.flush(); err != nil {
		return err
	}
	return batchError("entities", errs)
}

// query decodes one entity of a Read.
func (b *binding) query(e *p4v1.Entity) (query, error) {
	switch x := e.GetEntity().(type) {
	case nil:
		return query{}, invalid("the entity is not set")
	case *p4v1.Entity_TableEntry:
		return b.tableQuery(x.TableEntry)
	case *p4v1.Entity_DirectCounterEntry:
		return b.directQuery(x.DirectCounterEntry)
	case *p4v1.Entity_CounterEntry:
		return b.cellsQuery(x.CounterEntry)
	case *p4v1.Entity_PacketReplicationEngineEntry:
		return replicationQuery(x.PacketReplicationEngineEntry)
	case *p4v1.Entity_ActionProfileMember:
		return b.profileQuery(x.ActionProfileMember.GetActionProfileId(), x.ActionProfileMember.GetMemberId(), false)
	case *p4v1.Entity_ActionProfileGroup:
		return b.profileQuery(x.ActionProfileGroup.GetActionProfileId(), x.ActionProfileGroup.GetGroupId(), true)
	case *p4v1.Entity_MeterEntry:
		return b.meterQuery(x.MeterEntry)
	case *p4v1.Entity_DirectMeterEntry:
		return b.directMeterQuery(x.DirectMeterEntry)
	case *p4v1.Entity_RegisterEntry:
		return b.registerQuery(x.RegisterEntry)
	case *p4v1.Entity_ValueSetEntry:
		return b.valueSetQuery(x.ValueSetEntry)
	case *p4v1.Entity_DigestEntry:
		return b.digestQuery(x.DigestEntry)
	case *p4v1.Entity_ExternEntry:
		// There are none to read, so that clients can clean up (Q13, EX4).
		if x.ExternEntry.GetExternTypeId() == 0 && x.ExternEntry.GetExternId() == 0 && len(b.info.GetExterns()) == 0 {
			return query{run: func(*reader, *entity.Entry) error { return nil }}, nil
		}
	}
	return query{}, b.notSupported(e)
}
