package p4rt

//lint:file-ignore SA1019 older clients send the deprecated fields, and expect them back (Q6, p4rt:T10)

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// roled is a message that names a role by name or by the deprecated number.
type roled interface {
	GetRole() string
	GetRoleId() uint64
}

func roleOf(m roled) string { return roleKey(m.GetRole(), m.GetRoleId()) }

func roleOfArbitration(m *p4v1.MasterArbitrationUpdate) string {
	return roleKey(m.GetRole().GetName(), m.GetRole().GetId())
}

func controllerMetadata(te *p4v1.TableEntry) uint64 { return te.GetControllerMetadata() }

// replicaPort reads a replica's port in either form (p4rt:PR11).
func replicaPort(r *p4v1.Replica) (entity.Port, error) {
	switch p := r.GetPortKind().(type) {
	case *p4v1.Replica_EgressPort:
		return entity.Port{Number: p.EgressPort, Form: entity.PortNumber}, nil
	case *p4v1.Replica_Port:
		n, err := portNumber(p.Port)
		return entity.Port{Number: n, Form: entity.PortBytes}, err
	}
	return entity.Port{}, invalid("the port is not set")
}

// replicaOf gives a replica back in the form in which it came.
func replicaOf(r entity.Replica) *p4v1.Replica {
	out := &p4v1.Replica{Instance: uint32(r.Instance)}
	if r.Port.Form == entity.PortNumber {
		out.PortKind = &p4v1.Replica_EgressPort{EgressPort: r.Port.Number}
	} else {
		out.PortKind = &p4v1.Replica_Port{Port: portBytes(r.Port.Number)}
	}
	return out
}

// memberWatch and actionWatch read the port that decides whether a member is
// chosen, in either form; watchMember and watchAction give it back (p4rt:AP6,
// AP13, OS6).
func memberWatch(m *p4v1.ActionProfileGroup_Member) (entity.Port, error) {
	switch w := m.GetWatchKind().(type) {
	case *p4v1.ActionProfileGroup_Member_Watch:
		return watchNumber(w.Watch)
	case *p4v1.ActionProfileGroup_Member_WatchPort:
		return watchBytes(w.WatchPort)
	}
	return entity.Port{}, nil
}

func actionWatch(a *p4v1.ActionProfileAction) (entity.Port, error) {
	switch w := a.GetWatchKind().(type) {
	case *p4v1.ActionProfileAction_Watch:
		return watchNumber(w.Watch)
	case *p4v1.ActionProfileAction_WatchPort:
		return watchBytes(w.WatchPort)
	}
	return entity.Port{}, nil
}

func watchNumber(n int32) (entity.Port, error) {
	switch {
	case n < 0:
		return entity.Port{}, invalid("watch %d is negative", n)
	case n == 0: // as not set
		return entity.Port{}, nil
	}
	return entity.Port{Number: uint32(n), Form: entity.PortNumber}, nil
}

func watchBytes(b []byte) (entity.Port, error) {
	if len(b) == 0 { // always
		return entity.Port{}, nil
	}
	n, err := portNumber(b)
	if err != nil {
		return entity.Port{}, within(err, "watch_port")
	}
	return entity.Port{Number: n, Form: entity.PortBytes}, nil
}

func watchMember(m *p4v1.ActionProfileGroup_Member, p entity.Port) {
	switch p.Form {
	case entity.PortNumber:
		m.WatchKind = &p4v1.ActionProfileGroup_Member_Watch{Watch: int32(p.Number)}
	case entity.PortBytes:
		m.WatchKind = &p4v1.ActionProfileGroup_Member_WatchPort{WatchPort: portBytes(p.Number)}
	}
}

func watchAction(a *p4v1.ActionProfileAction, p entity.Port) {
	switch p.Form {
	case entity.PortNumber:
		a.WatchKind = &p4v1.ActionProfileAction_Watch{Watch: int32(p.Number)}
	case entity.PortBytes:
		a.WatchKind = &p4v1.ActionProfileAction_WatchPort{WatchPort: portBytes(p.Number)}
	}
}
