package entity

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// ObjectKind says what an object is: content that is no table entry. Numbers are
// a file format of the store.
type ObjectKind uint8

// Kinds of objects, in the order in which an engine is filled with them.
const (
	MulticastGroup ObjectKind = iota + 1
	CloneSession
	Member // of an action profile
	Group  // of an action selector
	Meter  // one cell of an indirect meter
	ValueSet
	Register // one cell
	Digest   // how messages are sent
)

func (k ObjectKind) String() string {
	names := [...]string{"?", "multicast group", "clone session", "member", "group", "meter", "value set", "register", "digest"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Scope is where the ids of objects are unique: the kind, and the control-plane
// name of the action profile, meter, register, value set or digest ("" for the
// replication engine).
type Scope struct {
	Kind ObjectKind
	Name string
}

// ObjectID names an object. ID is that of the group, session or member, or the
// index of the cell; 0 for value sets and digests.
type ObjectID struct {
	Scope
	ID uint32
}

func (id ObjectID) String() string {
	switch id.Kind {
	case MulticastGroup, CloneSession:
		return fmt.Sprintf("%s %d", id.Kind, id.ID)
	case Member, Group:
		return fmt.Sprintf("action profile %s: %s %d", id.Name, id.Kind, id.ID)
	case Meter, Register:
		return fmt.Sprintf("%s %s[%d]", id.Kind, id.Name, id.ID)
	}
	return fmt.Sprintf("%s %s", id.Kind, id.Name)
}

// Object is what an object holds. It is immutable once published.
type Object interface{ object() }

// Replication is a multicast group or a clone session.
type Replication struct {
	Replicas       []Replica
	Metadata       []byte // of a group
	ClassOfService uint8  // of a session
	Length         uint32 // of a session: bytes beyond which copies are cut, 0 = none
}

// Replica is one copy.
type Replica struct {
	Port     Port
	Instance uint16
}

// Port is a port as the control plane wrote it, so that it is read back the same.
type Port struct {
	Number uint32
	Form   PortForm
}

// PortForm says how a port was written. Numbers are a file format.
type PortForm uint8

const (
	NoPort     PortForm = iota // none: nothing is watched
	PortBytes                  // a byte string
	PortNumber                 // a number, as in older versions of the protocol
)

// MemberAction is a member of an action profile.
type MemberAction struct {
	Action int    // index in Profile.Actions
	Args   string // packed, see Action.ArgSize
}

// GroupMembers are a group of an action selector.
type GroupMembers struct {
	Members []GroupMember
	MaxSize int32 // as the control plane said, 0 = not said
}

// GroupMember is one member of a group.
type GroupMember struct {
	Member uint32
	Weight uint32
	Watch  Port // passed over while the port is down
}

// MeterConfig configures a meter cell. Rates are a second.
type MeterConfig struct {
	CIR, CBurst, PIR, PBurst, EBurst uint64
}

// Rates is the form of engines.
func (c *MeterConfig) Rates() *ir.MeterRates {
	if c == nil {
		return nil
	}
	return &ir.MeterRates{CIR: c.CIR, CBurst: c.CBurst, PIR: c.PIR, PBurst: c.PBurst}
}

// ValueSetMembers are the members of a value set, each packed as a key of its
// fields (ValueSetInfo.KeySize).
type ValueSetMembers struct{ Members []string }

// RegisterValue is what the control plane wrote into a register cell last; packets
// may have changed the cell since.
type RegisterValue struct {
	Value string // machine form, see RegisterInfo
	Seq   uint64 // of the batch; the store's
}

// DigestConfig says how messages of a digest are sent (P4Runtime section 9.7).
type DigestConfig struct {
	MaxTimeout  int64 // nanoseconds
	MaxListSize int32
	AckTimeout  int64 // nanoseconds
}

func (*Replication) object()     {}
func (*MemberAction) object()    {}
func (*GroupMembers) object()    {}
func (*MeterConfig) object()     {}
func (*ValueSetMembers) object() {}
func (*RegisterValue) object()   {}
func (*DigestConfig) object()    {}

// ObjectUpdate is the part of an Update that concerns an object.
type ObjectUpdate struct {
	ID    ObjectID
	Count uint32 // of cells from ID.ID on; 1 for all else
	// Value is nil for a DELETE, and where a cell gets its default.
	Value Object
}

// ActionSet is what one-shot programming gives an entry: a group of its own whose
// members nobody else sees.
type ActionSet struct {
	Actions []SetAction
	// Mode and Semantics are what the control plane said of them, to be read back.
	Mode, Semantics uint8
	// Group and Member of each action are ids that the store chooses.
	Group uint32
}

// SetAction is one action of a set.
type SetAction struct {
	Action int // index in Profile.Actions
	Args   string
	Weight uint32
	Watch  Port
	Member uint32
}

// Machine is the group in the form of engines.
func (g *GroupMembers) Machine(id uint32) ir.ProfileGroup {
	out := ir.ProfileGroup{ID: id}
	for _, m := range g.Members {
		out.Members = append(out.Members, ir.GroupMember{Member: m.Member, Weight: m.Weight, Watch: m.Watch.Form != NoPort, Port: m.Watch.Number})
	}
	return out
}

// Machine is the set's group in the form of engines; its members are apart.
func (s *ActionSet) Machine() ir.ProfileGroup {
	out := ir.ProfileGroup{ID: s.Group}
	for _, a := range s.Actions {
		out.Members = append(out.Members, ir.GroupMember{Member: a.Member, Weight: a.Weight, Watch: a.Watch.Form != NoPort, Port: a.Watch.Number})
	}
	return out
}
