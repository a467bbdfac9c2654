package p4rt

//lint:file-ignore SA1019 older clients send the deprecated fields, and expect them back (Q6, p4rt:T10)

import p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

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
