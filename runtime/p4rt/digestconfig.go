package p4rt

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// digestInfo is a digest of the P4Info.
type digestInfo struct {
	id      uint32
	name    string
	data    *dataType
	problem error // why its messages cannot be shown
}

func (d *digestInfo) objectID() entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.Digest, Name: d.name}}
}

// digestEntry decodes a write of a digest's configuration (p4rt:G1).
func (b *binding) digestEntry(typ p4v1.Update_Type, e *p4v1.DigestEntry) (u entity.Update, err error) {
	di, err := byID(b, "digest", b.digests, e.GetDigestId())
	if err != nil {
		return u, err
	}
	c := e.GetConfig()
	switch {
	case typ == p4v1.Update_DELETE:
		return objectUpdate(typ, di.objectID(), nil), nil
	case di.problem != nil:
		err = di.problem
	case c.GetMaxTimeoutNs() < 0:
		err = invalid("max_timeout_ns %d is negative", c.GetMaxTimeoutNs())
	case c.GetMaxListSize() < 0:
		err = invalid("max_list_size %d is negative", c.GetMaxListSize())
	case c.GetAckTimeoutNs() < 0:
		err = invalid("ack_timeout_ns %d is negative", c.GetAckTimeoutNs())
	}
	if err != nil {
		return u, within(err, "digest %s", di.name)
	}
	v := &entity.DigestConfig{MaxTimeout: c.GetMaxTimeoutNs(), MaxListSize: c.GetMaxListSize(), AckTimeout: c.GetAckTimeoutNs()}
	return objectUpdate(typ, di.objectID(), v), nil
}

// digestQuery decodes a read of configurations (p4rt:G12): of digests that are
// enabled.
func (b *binding) digestQuery(e *p4v1.DigestEntry) (query, error) {
	all := b.allDigests
	if id := e.GetDigestId(); id != 0 {
		di, err := byID(b, "digest", b.digests, id)
		if err != nil {
			return query{}, err
		}
		all = []*digestInfo{di}
	}
	return query{run: func(rd *reader, _ *entity.Entry) error {
		for _, di := range all {
			c, ok := rd.snap.Object(di.objectID()).(*entity.DigestConfig)
			if !ok {
				continue
			}
			m := &p4v1.DigestEntry{DigestId: di.id, Config: &p4v1.DigestEntry_Config{MaxTimeoutNs: c.MaxTimeout, MaxListSize: c.MaxListSize, AckTimeoutNs: c.AckTimeout}}
			if err := rd.out.addMessage(&p4v1.Entity{Entity: &p4v1.Entity_DigestEntry{DigestEntry: m}}); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
