package rib

import (
	"fmt"
	"net/netip"
)

// OpKind tells what an Op does.
type OpKind uint8

// Kinds of operations.
const (
	Add     OpKind = iota + 1 // replaces what is there (gribi:GR31)
	Replace                   // of what is there, else refused (gribi:GR32)
	Delete                    // done already where nothing is there (gribi:GR33)
)

// Op is one operation of gRIBI on one entry: exactly one of Prefix, Group and
// Hop is set. Invalid carries what the adapter found wrong; it is refused with
// that text, in its place among the others.
type Op struct {
	Kind     OpKind
	Instance string
	Invalid  string

	Prefix netip.Prefix
	Route  RouteSpec

	Group uint64 // id
	Next  GroupSpec

	Hop    uint64 // index
	Spec   HopSpec
	Raw    string // payload of a hop or group, for Get
	Entity Entity
}

// Entity tells what an Op is about.
type Entity uint8

// Entities.
const (
	RouteEntity Entity = iota + 1
	GroupEntity
	HopEntity
)

// RouteSpec is what a gRIBI prefix says.
type RouteSpec struct {
	Group         uint64
	GroupInstance string // "" = the prefix's own
	Metadata      string // echoed by Get
}

// GroupSpec is what a gRIBI group says.
type GroupSpec struct {
	Members []MemberSpec
	Backup  uint64 // 0 = none
}

// MemberSpec is one next hop of a gRIBI group.
type MemberSpec struct {
	Hop    uint64
	Weight uint64 // 0 = 1
}

// Outcome tells what became of an Op.
type Outcome uint8

// Outcomes.
const (
	Refused   Outcome = iota + 1 // nothing changed; Problem says why
	InRIB                        // in the RIB; another route is better in the FIB
	InFIB                        // and in the datapath
	FIBFailed                    // in the RIB, not in the datapath; Problem says why
)

// Result is the answer to one Op.
type Result struct {
	Outcome Outcome
	Problem string
}

// fibBatch bounds the operations that reach the FIB together, and so the time
// that the first of them waits.
const fibBatch = 4096

// Apply makes the operations in order, each whole or not at all, and returns
// when they are in the journal and in the datapath as far as they can be.
// out[i] is the result of ops[i].
func (r *RIB) Apply(ops []Op, out []Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := 0
	settle := func(end int) {
		err := r.flush()
		for i := first; i < end; i++ {
			if out[i].Outcome != Refused {
				out[i] = r.result(&ops[i], err)
			}
		}
		first = end
	}
	for i := range ops {
		if r.fault != nil {
			out[i] = Result{Refused, r.fault.Error()}
			continue
		}
		if r.mustFlush(&ops[i]) || i-first >= fibBatch {
			settle(i)
		}
		if err := r.one(&ops[i]); err != nil {
			out[i] = Result{Refused, err.Error()}
		} else {
			out[i].Outcome = InRIB
		}
	}
	settle(len(ops))
}

// mustFlush tells whether op would overtake what is pending: changes reach the
// FIB as hops, then groups, then routes, so a hop in use must not change before
// the routes that left it have gone.
func (r *RIB) mustFlush(op *Op) bool {
	c := &r.pending
	if op.Entity == RouteEntity || len(c.Routes) == 0 && len(c.Groups) == 0 {
		return false
	}
	n := r.instances[op.Instance]
	if n == nil {
		return false
	}
	if op.Entity == GroupEntity {
		return n.groups[op.Group] != nil && len(c.Routes) > 0
	}
	return n.hops[op.Hop] != nil
}

func (r *RIB) one(op *Op) error {
	n := r.instances[op.Instance]
	switch {
	case op.Invalid != "":
		return fmt.Errorf("%s", op.Invalid)
	case n == nil && op.Instance == "":
		return fmt.Errorf("the network instance is missing")
	case n == nil:
		return fmt.Errorf("network instance %q is not configured", op.Instance)
	case op.Kind < Add || op.Kind > Delete:
		return fmt.Errorf("the operation is none of ADD, REPLACE and DELETE")
	}
	switch op.Entity {
	case RouteEntity:
		return r.oneRoute(n, op)
	case GroupEntity:
		return r.oneGroup(n, op)
	case HopEntity:
		return r.oneHop(n, op)
	}
	return fmt.Errorf("the operation has no entry")
}

func (r *RIB) oneRoute(n *Instance, op *Op) error {
	if !op.Prefix.IsValid() {
		return fmt.Errorf("the prefix is missing")
	}
	rt := n.family(op.Prefix.Addr()).m[keyOf(op.Prefix)]
	have := rt.path(GRIBI)
	if op.Kind == Delete {
		if have != nil {
			r.dropPath(rt, GRIBI)
			r.pending.records.delRoute(n, op.Prefix)
		}
		return nil
	}
	s := &op.Route
	owner := n
	if s.GroupInstance != "" {
		if owner = r.instances[s.GroupInstance]; owner == nil {
			return fmt.Errorf("network instance %q of the next-hop group is not configured", s.GroupInstance)
		}
	}
	g := owner.groups[s.Group]
	switch {
	case s.Group == 0:
		return fmt.Errorf("prefix %s: the next-hop group is missing", op.Prefix)
	case g == nil:
		return fmt.Errorf("prefix %s: instance %s has no next-hop group %d", op.Prefix, owner.Name, s.Group)
	case op.Kind == Replace && have == nil:
		return fmt.Errorf("prefix %s: REPLACE of an entry that instance %s does not have", op.Prefix, n.Name)
	}
	r.setPath(n, rt, op.Prefix, path{source: GRIBI, group: g, grpNI: s.GroupInstance != "", meta: s.Metadata})
	r.pending.records.putRoute(n, op.Prefix, g, s)
	return nil
}

func (r *RIB) oneGroup(n *Instance, op *Op) error {
	if op.Group == 0 {
		return fmt.Errorf("next-hop group id 0 is not valid")
	}
	g := n.groups[op.Group]
	if op.Kind == Delete {
		switch {
		case g == nil:
			return nil
		case g.routes > 0:
			return fmt.Errorf("next-hop group %d of instance %s is used by %d prefixes", op.Group, n.Name, g.routes)
		case len(g.backups) > 0:
			return fmt.Errorf("next-hop group %d of instance %s is the backup of %d groups", op.Group, n.Name, len(g.backups))
		}
		r.dropGroup(g)
		r.pending.records.delGroup(n, op.Group)
		return nil
	}
	if g == nil && op.Kind == Replace {
		return fmt.Errorf("next-hop group %d: REPLACE of an entry that instance %s does not have", op.Group, n.Name)
	}
	if len(op.Next.Members) == 0 {
		return fmt.Errorf("next-hop group %d has no next hop", op.Group)
	}
	members := make([]Member, len(op.Next.Members))
	seen := make(map[uint64]bool, len(members))
	for i, m := range op.Next.Members {
		h := n.hops[m.Hop]
		switch {
		case m.Hop == 0:
			return fmt.Errorf("next-hop group %d: next-hop index 0 is not valid", op.Group)
		case h == nil:
			return fmt.Errorf("next-hop group %d: instance %s has no next hop %d", op.Group, n.Name, m.Hop)
		case seen[m.Hop]:
			return fmt.Errorf("next-hop group %d: next hop %d is there twice", op.Group, m.Hop)
		}
		seen[m.Hop] = true
		members[i] = Member{h, max(m.Weight, 1)}
	}
	var backup *Group
	if op.Next.Backup != 0 {
		if backup = n.groups[op.Next.Backup]; backup == nil {
			return fmt.Errorf("next-hop group %d: instance %s has no backup group %d", op.Group, n.Name, op.Next.Backup)
		}
		for b := backup; b != nil; b = b.Backup {
			if b == g {
				return fmt.Errorf("next-hop group %d would be its own backup", op.Group)
			}
		}
	}
	if g == nil {
		g = &Group{Instance: n, ID: op.Group}
		n.groups[op.Group] = g
	}
	r.setGroup(g, members, backup)
	g.Raw = op.Raw
	r.pending.records.putGroup(g)
	return nil
}

func (r *RIB) oneHop(n *Instance, op *Op) error {
	if op.Hop == 0 {
		return fmt.Errorf("next-hop index 0 is not valid")
	}
	h := n.hops[op.Hop]
	if op.Kind == Delete {
		switch {
		case h == nil:
			return nil
		case len(h.users) > 0:
			return fmt.Errorf("next hop %d of instance %s is used by %d next-hop groups", op.Hop, n.Name, len(h.users))
		}
		r.dropHop(h)
		r.pending.records.delHop(n, op.Hop)
		return nil
	}
	switch {
	case h == nil && op.Kind == Replace:
		return fmt.Errorf("next hop %d: REPLACE of an entry that instance %s does not have", op.Hop, n.Name)
	case op.Spec.Instance != "" && r.instances[op.Spec.Instance] == nil:
		return fmt.Errorf("next hop %d: network instance %q is not configured", op.Hop, op.Spec.Instance)
	}
	if h == nil {
		h = &Hop{Instance: n, Index: op.Hop}
		n.hops[op.Hop] = h
	}
	h.Spec, h.Raw = op.Spec, op.Raw
	r.touchHop(h)
	r.pending.records.putHop(h)
	return nil
}

// result reads what became of an accepted operation after the flush.
func (r *RIB) result(op *Op, err error) Result {
	if err != nil {
		return Result{Refused, err.Error()}
	}
	n := r.instances[op.Instance]
	if n == nil {
		return Result{Outcome: InRIB}
	}
	var state State
	var problem string
	switch op.Entity {
	case RouteEntity:
		rt := n.family(op.Prefix.Addr()).m[keyOf(op.Prefix)]
		switch {
		case rt == nil: // deleted, now or by a later operation
			return Result{Outcome: InFIB}
		case op.Kind != Delete && rt.paths != nil && rt.paths.source != GRIBI && rt.path(GRIBI) != nil:
			return Result{Outcome: InRIB} // another source is better (gribi:GR18)
		}
		state, problem = rt.State, rt.Problem
	case GroupEntity:
		g := n.groups[op.Group]
		if g == nil {
			return Result{Outcome: InFIB}
		}
		state, problem = g.State, g.Problem
	case HopEntity:
		h := n.hops[op.Hop]
		if h == nil {
			return Result{Outcome: InFIB}
		}
		state, problem = h.State, h.Problem
	}
	switch state {
	case Programmed:
		return Result{Outcome: InFIB}
	case Failed:
		return Result{FIBFailed, problem}
	}
	return Result{FIBFailed, "no pipeline with tables for routes is loaded"}
}
