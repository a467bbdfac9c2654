package store

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// objects are the content that is no table entry: what P4Runtime programs in the
// replication engine, in action profiles, meters, value sets, registers and
// digests. Like entries they are journaled, kept over restarts and shown in
// snapshots; a scope is copied at the first change after a snapshot.
type objects map[entity.Scope]*objectSet

// objectSet are the objects of one scope.
type objectSet struct {
	epoch uint64
	each  map[uint32]entity.Object // of cells: those that differ from whole; nil = the default
	whole entity.Object            // of cells: what all others have, nil = the default
}

// get gives an object, nil for none.
func (o objects) get(id entity.ObjectID) entity.Object {
	s := o[id.Scope]
	if s == nil {
		return nil
	}
	if v, ok := s.each[id.ID]; ok {
		return v
	}
	return s.whole
}

// count is the number of objects of a scope.
func (o objects) count(sc entity.Scope) int {
	if s := o[sc]; s != nil {
		return len(s.each)
	}
	return 0
}

// own gives a scope, to change it.
func (o objects) own(sc entity.Scope, epoch uint64) *objectSet {
	s := o[sc]
	switch {
	case s == nil:
		s = &objectSet{epoch: epoch, each: map[uint32]entity.Object{}}
		o[sc] = s
	case s.epoch != epoch:
		s = &objectSet{epoch: epoch, each: maps.Clone(s.each), whole: s.whole}
		o[sc] = s
	}
	return s
}

// set makes a change; size is the number of cells of the scope, 0 where it has
// none.
func (o objects) set(c *objectChange, size uint32, epoch uint64) {
	s := o.own(c.id.Scope, epoch)
	if size > 1 && c.id.ID == 0 && c.count == size {
		s.each, s.whole = map[uint32]entity.Object{}, c.value
	} else {
		for i := range c.count {
			if c.value == nil && s.whole == nil {
				delete(s.each, c.id.ID+i)
			} else {
				s.each[c.id.ID+i] = c.value
			}
		}
	}
	if len(s.each) == 0 && s.whole == nil {
		delete(o, c.id.Scope)
	}
}

// all gives the scopes in order, and of each the changes that make it: that of
// the whole first.
func (o objects) all(sc *entity.Schema) iter.Seq[*objectChange] {
	return func(yield func(*objectChange) bool) {
		for _, scope := range o.scopes() {
			s := o[scope]
			if s.whole != nil {
				if !yield(&objectChange{id: entity.ObjectID{Scope: scope}, count: cellsOf(sc, scope), value: s.whole}) {
					return
				}
			}
			for _, i := range slices.Sorted(maps.Keys(s.each)) {
				if !yield(&objectChange{id: entity.ObjectID{Scope: scope, ID: i}, count: 1, value: s.each[i]}) {
					return
				}
			}
		}
	}
}

func (o objects) scopes() []entity.Scope {
	return slices.SortedFunc(maps.Keys(o), func(a, b entity.Scope) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

// cellsOf is the number of cells of a scope that has cells, 0 for others.
func cellsOf(sc *entity.Schema, scope entity.Scope) uint32 {
	var c *entity.Cells
	switch scope.Kind {
	case entity.Meter:
		c = sc.Meter(scope.Name)
	case entity.Register:
		c = sc.Register(scope.Name)
	}
	if c == nil {
		return 0
	}
	return c.Size
}

// objectChange sets an object, or cells; nil deletes it, or gives the default.
type objectChange struct {
	id    entity.ObjectID
	count uint32
	value entity.Object
}

// stamp notes which batch wrote a register: what lies beyond the applied sequence
// is written again after a crash.
func (c *objectChange) stamp(seq uint64) {
	if r, ok := c.value.(*entity.RegisterValue); ok {
		c.value = &entity.RegisterValue{Value: r.Value, Seq: seq}
	}
}

// able tells whether a dataplane, or a generation of one, holds objects of a kind.
func able(x any, k entity.ObjectKind) bool {
	ok := false
	switch k {
	case entity.MulticastGroup, entity.CloneSession:
		_, ok = x.(dataplane.Replicator)
	case entity.Digest: // the adapter's, when there are any
		_, ok = x.(dataplane.Events)
	default:
		_, ok = x.(dataplane.Entities)
	}
	return ok
}

// do makes the change in a dataplane, or a generation of one, that is able to.
func (c *objectChange) do(x any, sc *entity.Schema) error {
	switch c.id.Kind {
	case entity.Digest:
		return nil
	case entity.MulticastGroup, entity.CloneSession:
		return c.replicate(x.(dataplane.Replicator))
	}
	return c.doEntity(x.(dataplane.Entities), sc)
}

func (c *objectChange) replicate(e dataplane.Replicator) error {
	r, _ := c.value.(*entity.Replication)
	switch {
	case c.id.Kind == entity.MulticastGroup && r == nil:
		return e.DeleteMulticastGroup(c.id.ID)
	case c.id.Kind == entity.MulticastGroup:
		return e.SetMulticastGroup(c.id.ID, replicas(r))
	case r == nil:
		return e.DeleteCloneSession(c.id.ID)
	}
	return e.SetCloneSession(c.id.ID, ir.CloneSession{Replicas: replicas(r), ClassOfService: r.ClassOfService, Truncate: r.Length})
}

func (c *objectChange) doEntity(e dataplane.Entities, sc *entity.Schema) error {
	id := c.id
	gone := c.value == nil
	switch id.Kind {
	case entity.Member:
		if gone {
			return e.DeleteMember(id.Name, id.ID)
		}
		m := c.value.(*entity.MemberAction)
		return e.SetMember(id.Name, sc.Profile(id.Name).Machine(id.ID, m.Action, m.Args))
	case entity.Group:
		if gone {
			return e.DeleteGroup(id.Name, id.ID)
		}
		return e.SetGroup(id.Name, c.value.(*entity.GroupMembers).Machine(id.ID))
	case entity.Meter:
		m, _ := c.value.(*entity.MeterConfig)
		return c.cells(func(i uint32) error { return e.SetMeter(id.Name, i, m.Rates()) })
	case entity.Register:
		r, _ := c.value.(*entity.RegisterValue)
		if r == nil {
			return nil
		}
		raw := []byte(r.Value)
		return c.cells(func(i uint32) error { return e.SetRegister(id.Name, i, raw) })
	case entity.ValueSet:
		vs := sc.ValueSet(id.Name)
		var members []string
		if v, ok := c.value.(*entity.ValueSetMembers); ok {
			members = v.Members
		}
		m, err := vs.Machine(members)
		if err != nil {
			return err
		}
		return e.SetValueSet(vs.Index, m)
	}
	return nil
}

func (c *objectChange) cells(f func(index uint32) error) error {
	for i := range c.count {
		if err := f(c.id.ID + i); err != nil {
			return err
		}
	}
	return nil
}

func replicas(r *entity.Replication) []ir.Replica {
	out := make([]ir.Replica, len(r.Replicas))
	for i, x := range r.Replicas {
		out[i] = ir.Replica{Port: x.Port.Number, Instance: x.Instance}
	}
	return out
}

// Journal form of an object: kind, name, id, count, 1 and the value or 0.

func appendObject(b []byte, c *objectChange) []byte {
	b = append(b, byte(c.id.Kind))
	b = appendBytes(b, c.id.Name)
	b = binary.AppendUvarint(b, uint64(c.id.ID))
	b = binary.AppendUvarint(b, uint64(c.count))
	if c.value == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	switch v := c.value.(type) {
	case *entity.Replication:
		b = binary.AppendUvarint(b, uint64(len(v.Replicas)))
		for _, r := range v.Replicas {
			b = appendPort(b, r.Port)
			b = binary.AppendUvarint(b, uint64(r.Instance))
		}
		b = appendBytes(b, string(v.Metadata))
		b = append(b, v.ClassOfService)
		b = binary.AppendUvarint(b, uint64(v.Length))
	case *entity.MemberAction:
		b = binary.AppendUvarint(b, uint64(v.Action))
		b = appendBytes(b, v.Args)
	case *entity.GroupMembers:
		b = binary.AppendUvarint(b, uint64(v.MaxSize))
		b = binary.AppendUvarint(b, uint64(len(v.Members)))
		for _, m := range v.Members {
			b = binary.AppendUvarint(b, uint64(m.Member))
			b = binary.AppendUvarint(b, uint64(m.Weight))
			b = appendPort(b, m.Watch)
		}
	case *entity.MeterConfig:
		b = appendMeter(b, v)
	case *entity.ValueSetMembers:
		b = binary.AppendUvarint(b, uint64(len(v.Members)))
		for _, m := range v.Members {
			b = appendBytes(b, m)
		}
	case *entity.RegisterValue:
		b = appendBytes(b, v.Value)
		b = binary.AppendUvarint(b, v.Seq)
	case *entity.DigestConfig:
		b = binary.AppendUvarint(b, uint64(v.MaxTimeout))
		b = binary.AppendUvarint(b, uint64(v.MaxListSize))
		b = binary.AppendUvarint(b, uint64(v.AckTimeout))
	}
	return b
}

func appendPort(b []byte, p entity.Port) []byte {
	return binary.AppendUvarint(append(b, byte(p.Form)), uint64(p.Number))
}

func appendMeter(b []byte, m *entity.MeterConfig) []byte {
	for _, v := range []uint64{m.CIR, m.CBurst, m.PIR, m.PBurst, m.EBurst} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendSet(b []byte, s *entity.ActionSet) []byte {
	b = append(binary.AppendUvarint(b, uint64(s.Group)), s.Mode, s.Semantics)
	b = binary.AppendUvarint(b, uint64(len(s.Actions)))
	for _, a := range s.Actions {
		b = binary.AppendUvarint(b, uint64(a.Action))
		b = appendBytes(b, a.Args)
		b = binary.AppendUvarint(b, uint64(a.Weight))
		b = appendPort(b, a.Watch)
		b = binary.AppendUvarint(b, uint64(a.Member))
	}
	return b
}

func (d *decoder) port() entity.Port {
	p := entity.Port{Form: entity.PortForm(d.byte())}
	if p.Form > entity.PortNumber {
		d.fail(fmt.Errorf("form %d of a port", p.Form))
	}
	p.Number = d.uint32()
	return p
}

func (d *decoder) meter() *entity.MeterConfig {
	return &entity.MeterConfig{CIR: d.uint(), CBurst: d.uint(), PIR: d.uint(), PBurst: d.uint(), EBurst: d.uint()}
}

// limited reads a number up to a limit.
func (d *decoder) limited(limit uint64) uint64 {
	v := d.uint()
	if v > limit {
		d.fail(fmt.Errorf("%d is above %d", v, limit))
		return 0
	}
	return v
}

func (d *decoder) set() *entity.ActionSet {
	s := &entity.ActionSet{Group: d.uint32(), Mode: d.byte(), Semantics: d.byte()}
	for range d.count() {
		a := entity.SetAction{Action: int(d.limited(math.MaxUint16)), Args: d.str(), Weight: d.uint32(), Watch: d.port()}
		a.Member = d.uint32()
		s.Actions = append(s.Actions, a)
	}
	return s
}

func (d *decoder) object() *objectChange {
	c := &objectChange{}
	c.id.Kind = entity.ObjectKind(d.byte())
	c.id.Name = d.str()
	c.id.ID = d.uint32()
	c.count = d.uint32()
	switch d.byte() {
	case 0:
		return c
	case 1:
	default:
		d.fail(fmt.Errorf("object %s: malformed", c.id))
		return c
	}
	switch c.id.Kind {
	case entity.MulticastGroup, entity.CloneSession:
		v := &entity.Replication{}
		for range d.count() {
			v.Replicas = append(v.Replicas, entity.Replica{Port: d.port(), Instance: uint16(d.limited(math.MaxUint16))})
		}
		if m := d.str(); m != "" {
			v.Metadata = []byte(m)
		}
		v.ClassOfService = d.byte()
		v.Length = d.uint32()
		c.value = v
	case entity.Member:
		c.value = &entity.MemberAction{Action: int(d.limited(math.MaxUint16)), Args: d.str()}
	case entity.Group:
		v := &entity.GroupMembers{MaxSize: int32(d.limited(math.MaxInt32))}
		for range d.count() {
			v.Members = append(v.Members, entity.GroupMember{Member: d.uint32(), Weight: d.uint32(), Watch: d.port()})
		}
		c.value = v
	case entity.Meter:
		c.value = d.meter()
	case entity.ValueSet:
		v := &entity.ValueSetMembers{}
		for range d.count() {
			v.Members = append(v.Members, d.str())
		}
		c.value = v
	case entity.Register:
		c.value = &entity.RegisterValue{Value: d.str(), Seq: d.uint()}
	case entity.Digest:
		c.value = &entity.DigestConfig{MaxTimeout: int64(d.limited(math.MaxInt64)), MaxListSize: int32(d.limited(math.MaxInt32)), AckTimeout: int64(d.limited(math.MaxInt64))}
	default:
		d.fail(fmt.Errorf("object of kind %d: written by a newer version", c.id.Kind))
	}
	return c
}
