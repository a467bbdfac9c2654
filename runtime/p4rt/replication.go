package p4rt

import (
	"math"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// objectUpdate makes an Update of an object: value is nil for a DELETE.
func objectUpdate(typ p4v1.Update_Type, id entity.ObjectID, value entity.Object) entity.Update {
	u := entity.Update{Object: &entity.ObjectUpdate{ID: id, Count: 1, Value: value}}
	switch typ {
	case p4v1.Update_INSERT:
		u.Kind = entity.InsertObject
	case p4v1.Update_MODIFY:
		u.Kind = entity.ModifyObject
	default:
		u.Kind, u.Object.Value = entity.DeleteObject, nil
	}
	return u
}

func groupID(id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.MulticastGroup}, ID: id}
}

func sessionID(id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.CloneSession}, ID: id}
}

// replicationEntry decodes a write of the replication engine (p4rt:PR1-PR13).
func replicationEntry(typ p4v1.Update_Type, p *p4v1.PacketReplicationEngineEntry) (u entity.Update, err error) {
	var id entity.ObjectID
	v := &entity.Replication{}
	switch x := p.GetType().(type) {
	case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
		m := x.MulticastGroupEntry
		if id = groupID(m.GetMulticastGroupId()); id.ID == 0 {
			return u, invalid("multicast_group_id is not set")
		}
		if typ == p4v1.Update_DELETE {
			break
		}
		v.Metadata = m.GetMetadata()
		v.Replicas, err = replicas(m.GetReplicas())
	case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
		c := x.CloneSessionEntry
		if id = sessionID(c.GetSessionId()); id.ID == 0 {
			return u, invalid("session_id is not set")
		}
		if typ == p4v1.Update_DELETE {
			break
		}
		switch {
		case c.GetClassOfService() > math.MaxUint8:
			return u, invalid("%s: class_of_service %d is not below 256", id, c.GetClassOfService())
		case c.GetPacketLengthBytes() < 0:
			return u, invalid("%s: packet_length_bytes %d is negative", id, c.GetPacketLengthBytes())
		}
		v.ClassOfService, v.Length = uint8(c.GetClassOfService()), uint32(c.GetPacketLengthBytes())
		v.Replicas, err = replicas(c.GetReplicas())
	default:
		return u, invalid("packet_replication_engine_entry has no type")
	}
	if err != nil {
		return u, within(err, "%s", id)
	}
	return objectUpdate(typ, id, v), nil
}

func replicas(in []*p4v1.Replica) ([]entity.Replica, error) {
	out := make([]entity.Replica, 0, len(in))
	type copyOf struct {
		port     uint32
		instance uint16
	}
	seen := make(map[copyOf]bool, len(in))
	for i, r := range in {
		if len(r.GetBackupReplicas()) > 0 {
			return nil, unsupported("replica %d: backup_replicas are not supported", i+1)
		}
		p, err := replicaPort(r)
		if err != nil {
			return nil, within(err, "replica %d", i+1)
		}
		if r.GetInstance() > math.MaxUint16 {
			return nil, invalid("replica %d: instance %d is above %d", i+1, r.GetInstance(), math.MaxUint16)
		}
		c := copyOf{p.Number, uint16(r.GetInstance())}
		if seen[c] {
			return nil, invalid("replica %d: port %d, instance %d is given twice", i+1, c.port, c.instance)
		}
		seen[c] = true
		out = append(out, entity.Replica{Port: p, Instance: c.instance})
	}
	return out, nil
}

// portNumber reads a port of up to 32 bits.
func portNumber(b []byte) (uint32, error) {
	v, ok := entity.AppendBits(make([]byte, 0, 4), b, 32)
	switch {
	case len(b) == 0:
		return 0, entity.Errorf(entity.OutOfRange, "port is an empty string")
	case !ok:
		return 0, entity.Errorf(entity.OutOfRange, "port %s does not fit 32 bits", entity.Hex(b))
	}
	return uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3]), nil
}

// portBytes is a port as a canonical byte string.
func portBytes(p uint32) []byte {
	return entity.Canonical([]byte{byte(p >> 24), byte(p >> 16), byte(p >> 8), byte(p)})
}

// replicationEntity is an Entity with the group or session.
func replicationEntity(id entity.ObjectID, v *entity.Replication) *p4v1.Entity {
	rs := make([]*p4v1.Replica, len(v.Replicas))
	for i, r := range v.Replicas {
		rs[i] = replicaOf(r)
	}
	p := &p4v1.PacketReplicationEngineEntry{}
	if id.Kind == entity.MulticastGroup {
		p.Type = &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: &p4v1.MulticastGroupEntry{
			MulticastGroupId: id.ID, Replicas: rs, Metadata: v.Metadata}}
	} else {
		p.Type = &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: &p4v1.CloneSessionEntry{
			SessionId: id.ID, Replicas: rs, ClassOfService: uint32(v.ClassOfService), PacketLengthBytes: int32(v.Length)}}
	}
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: p}}
}

// replicationQuery decodes a read of groups or sessions: the id counts alone, 0
// asks for all (p4rt:PR9).
func replicationQuery(p *p4v1.PacketReplicationEngineEntry) (query, error) {
	var id entity.ObjectID
	switch x := p.GetType().(type) {
	case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
		id = groupID(x.MulticastGroupEntry.GetMulticastGroupId())
	case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
		id = sessionID(x.CloneSessionEntry.GetSessionId())
	default:
		return query{}, invalid("packet_replication_engine_entry has no type")
	}
	return objectQuery(id, func(id entity.ObjectID, v entity.Object) *p4v1.Entity {
		return replicationEntity(id, v.(*entity.Replication))
	}), nil
}

// objectQuery asks for one object, or with id 0 for all of the scope. One that is
// not there is no error, as for table entries (D-7).
func objectQuery(id entity.ObjectID, show func(entity.ObjectID, entity.Object) *p4v1.Entity) query {
	return query{run: func(rd *reader, _ *entity.Entry) error { return rd.objects(id, show) }}
}

func (rd *reader) objects(id entity.ObjectID, show func(entity.ObjectID, entity.Object) *p4v1.Entity) error {
	if id.ID != 0 {
		if v := rd.snap.Object(id); v != nil {
			return rd.out.addMessage(show(id, v))
		}
		return nil
	}
	for i, v := range rd.snap.Objects(id.Scope) {
		if err := rd.out.addMessage(show(entity.ObjectID{Scope: id.Scope, ID: i}, v)); err != nil {
			return err
		}
	}
	return nil
}
