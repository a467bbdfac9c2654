package ir

import (
	"fmt"
	"slices"
)

// What a control plane programs besides tables, in machine form, shared by every
// engine. Sources: P4Runtime 1.4 sections 9.2 (action profiles), 9.3 to 9.4
// (meters), 9.5 (packet replication), 9.6 (value sets), 9.7 (digests), 9.1.5
// (idle timeouts).

// MaxCopies bounds the copies and returns of one packet that came in, on every
// engine: those beyond it are dropped. A packet that goes on by itself after it has
// made copies counts as one of them.
const MaxCopies = 1024

// Replica is one copy that a multicast group or clone session makes. Order is
// the order of the copies.
type Replica struct {
	Port uint32
	// Instance is the replication id: egress_rid on v1model, instance on PSA.
	Instance uint16
}

// CloneSession is what becomes of a clone.
type CloneSession struct {
	Replicas []Replica
	// Group is a multicast group whose replicas are made before Replicas, 0 for
	// none: what bmv2 calls a session mirrored to a group.
	Group uint32
	// ClassOfService of the copies, where the architecture shows one to programs.
	ClassOfService uint8
	// Truncate is the length in bytes beyond which a copy is cut; 0 leaves it whole.
	Truncate uint32
}

// MeterRates configures one meter cell as two-rate three-colour marker (RFC 2698).
// Rates are a second, in bytes or packets by the type of the meter. A cell
// without rates marks everything green.
type MeterRates struct {
	CIR, CBurst, PIR, PBurst uint64
}

// Colours in the order in which architectures number them.
const (
	Green  = 0
	Yellow = 1
	Red    = 2
)

// Ref says what an entry of a table with an implementation refers to.
type Ref uint8

const (
	RefNone   Ref = iota // the entry has an action of its own
	RefMember            // Entry.Target is a member's id
	RefGroup             // Entry.Target is a group's id
)

// ProfileMember is a member of an action profile: an action with its data. Action is
// an index in Program.ProfileActions: in Table.Actions where there is one table, or
// all have the same list.
type ProfileMember struct {
	ID     uint32
	Action int
	Args   [][]byte
}

// ProfileActions are the actions of the tables that have i as their
// implementation, each once, in order of the tables.
func (p *Program) ProfileActions(i *Instance) []*Action {
	var out []*Action
	for _, t := range p.Tables {
		if t.Implementation != i {
			continue
		}
		for _, a := range t.Actions {
			if !slices.Contains(out, a.Action) {
				out = append(out, a.Action)
			}
		}
	}
	return out
}

// ProfileGroup is a group of an action selector.
type ProfileGroup struct {
	ID      uint32
	Members []GroupMember
}

// GroupMember is one member of a group. Weight 0 counts as 1. Where Watch is
// set and that port is down, the member is passed over.
type GroupMember struct {
	Member uint32
	Weight uint32
	Watch  bool
	Port   uint32
}

// Digest is one message of a program to its control plane: the fields, in order,
// in machine form (see Entry).
type Digest struct {
	Name   string // as in P4Info
	Fields [][]byte
}

// DigestName is the name that P4Info gives the messages of v1model's digest with
// data of type t: that of the type, or digest_N where it has none.
func (p *Program) DigestName(t Type) string {
	named := func(t Type) string {
		switch t := t.(type) {
		case *Struct:
			return t.Name
		case *Header:
			return t.Name
		}
		return ""
	}
	if n := named(t); n != "" {
		return n
	}
	n := 0
	var seen []Type
	p.Bodies(func(body *[]Stmt) {
		WalkStmts(*body, func(s Stmt) {
			var types []Type
			switch s := s.(type) {
			case *CallStmt:
				if s.Extern == "digest" {
					types = s.TypeArgs
				}
			case *ExternCall:
				if s.Name == "digest" {
					types = s.TypeArgs
				}
			}
			if len(types) != 1 || named(types[0]) != "" || slices.ContainsFunc(seen, func(o Type) bool { return Identical(o, types[0]) }) {
				return
			}
			if Identical(types[0], t) {
				n = len(seen)
			}
			seen = append(seen, types[0])
		})
	})
	return fmt.Sprintf("digest_%d", n)
}
