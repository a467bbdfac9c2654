package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

var (
	_ dataplane.Entities = (*Plane)(nil)
	_ dataplane.Entities = (*generation)(nil)
	_ dataplane.Events   = (*Plane)(nil)
)

// books are what one program holds besides table entries.
type books struct {
	program   *ir.Program
	groups    map[uint32][]ir.Replica
	sessions  map[uint32]ir.CloneSession
	members   map[objectKey]ir.ProfileMember
	selectors map[objectKey]ir.ProfileGroup
	meters    map[objectKey]ir.MeterRates
	direct    map[[2]uint32]ir.MeterRates
	sets      map[int][][]ir.Match
	registers map[objectKey][]byte
}

// objectKey is a member or group of a profile, or a cell.
type objectKey struct {
	name string
	id   uint32
}

func newBooks(p *ir.Program) *books {
	return &books{program: p, groups: map[uint32][]ir.Replica{}, sessions: map[uint32]ir.CloneSession{}, members: map[objectKey]ir.ProfileMember{},
		selectors: map[objectKey]ir.ProfileGroup{}, meters: map[objectKey]ir.MeterRates{}, direct: map[[2]uint32]ir.MeterRates{},
		sets: map[int][][]ir.Match{}, registers: map[objectKey][]byte{}}
}

// Objects lists all that the live program holds besides table entries, one line
// an object, sorted.
func (p *Plane) Objects() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.books == nil {
		return nil
	}
	return p.books.list()
}

func (b *books) list() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for id, g := range b.groups {
		add("multicast %d: %v", id, g)
	}
	for id, s := range b.sessions {
		add("session %d: %v cos %d cut %d", id, s.Replicas, s.ClassOfService, s.Truncate)
	}
	for k, m := range b.members {
		add("member %s %d: %d%x", k.name, k.id, m.Action, m.Args)
	}
	for k, g := range b.selectors {
		add("group %s %d: %v", k.name, k.id, g.Members)
	}
	for k, r := range b.meters {
		add("meter %s[%d]: %v", k.name, k.id, r)
	}
	for k, r := range b.direct {
		add("direct meter %d, handle %d: %v", k[0], k[1], r)
	}
	for i, m := range b.sets {
		add("value set %d: %x", i, m)
	}
	for k, v := range b.registers {
		add("register %s[%d]: %x", k.name, k.id, v)
	}
	slices.Sort(out)
	return out
}

// Poke sets a register cell as a packet would.
func (p *Plane) Poke(name string, index uint32, v []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.books.registers[objectKey{name, index}] = v
}

// uses counts who refers to a member (group false) or a group.
func (p *Plane) uses(b *books, tables []map[uint32]ir.Entry, profile string, group bool, id uint32) int {
	n := 0
	for i, t := range b.program.Tables {
		if t.Implementation == nil || t.Implementation.Name != profile {
			continue
		}
		for _, e := range tables[i] {
			if e.Target == id && (group && e.Ref == ir.RefGroup || !group && e.Ref == ir.RefMember) {
				n++
			}
		}
	}
	for k, g := range b.selectors {
		if !group && k.name == profile && slices.ContainsFunc(g.Members, func(m ir.GroupMember) bool { return m.Member == id }) {
			n++
		}
	}
	return n
}

// change runs one method of Entities on books.
func (p *Plane) change(of func() (*books, []map[uint32]ir.Entry), what string, f func(b *books, tables []map[uint32]ir.Entry) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.FailObject != nil {
		if err := p.FailObject(what); err != nil {
			return err
		}
	}
	b, tables := of()
	if b == nil {
		p.broke("%s without a program", what)
		return errors.New("no program")
	}
	return f(b, tables)
}

// entities is dataplane.Entities on the live books or those of a generation.
type entities struct {
	p  *Plane
	of func() (*books, []map[uint32]ir.Entry)
}

func (e entities) set(what string, f func(b *books)) error {
	return e.p.change(e.of, what, func(b *books, _ []map[uint32]ir.Entry) error {
		f(b)
		return nil
	})
}

func remove[K comparable, V any](m map[K]V, k K) error {
	if _, ok := m[k]; !ok {
		return dataplane.ErrNoEntry
	}
	delete(m, k)
	return nil
}

func (e entities) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	return e.set(fmt.Sprintf("multicast %d", id), func(b *books) { b.groups[id] = slices.Clone(replicas) })
}

func (e entities) DeleteMulticastGroup(id uint32) error {
	return e.p.change(e.of, fmt.Sprintf("multicast %d", id), func(b *books, _ []map[uint32]ir.Entry) error { return remove(b.groups, id) })
}

func (e entities) SetCloneSession(id uint32, s ir.CloneSession) error {
	return e.set(fmt.Sprintf("session %d", id), func(b *books) { b.sessions[id] = s })
}

func (e entities) DeleteCloneSession(id uint32) error {
	return e.p.change(e.of, fmt.Sprintf("session %d", id), func(b *books, _ []map[uint32]ir.Entry) error { return remove(b.sessions, id) })
}

func (e entities) SetMember(profile string, m ir.ProfileMember) error {
	return e.set(fmt.Sprintf("member %s %d", profile, m.ID), func(b *books) { b.members[objectKey{profile, m.ID}] = m })
}

func (e entities) DeleteMember(profile string, id uint32) error {
	return e.p.change(e.of, fmt.Sprintf("member %s %d", profile, id), func(b *books, tables []map[uint32]ir.Entry) error {
		if n := e.p.uses(b, tables, profile, false, id); n > 0 {
			e.p.broke("member %s %d is deleted with %d uses", profile, id, n)
			return dataplane.ErrInUse
		}
		return remove(b.members, objectKey{profile, id})
	})
}

func (e entities) SetGroup(profile string, g ir.ProfileGroup) error {
	return e.p.change(e.of, fmt.Sprintf("group %s %d", profile, g.ID), func(b *books, _ []map[uint32]ir.Entry) error {
		for _, m := range g.Members {
			if _, ok := b.members[objectKey{profile, m.Member}]; !ok {
				return dataplane.ErrNoEntry
			}
		}
		b.selectors[objectKey{profile, g.ID}] = g
		return nil
	})
}

func (e entities) DeleteGroup(profile string, id uint32) error {
	return e.p.change(e.of, fmt.Sprintf("group %s %d", profile, id), func(b *books, tables []map[uint32]ir.Entry) error {
		if n := e.p.uses(b, tables, profile, true, id); n > 0 {
			e.p.broke("group %s %d is deleted with %d uses", profile, id, n)
			return dataplane.ErrInUse
		}
		return remove(b.selectors, objectKey{profile, id})
	})
}

func (e entities) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	return e.set(fmt.Sprintf("meter %s[%d]", name, index), func(b *books) { put(b.meters, objectKey{name, index}, r) })
}

func (e entities) SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error {
	return e.p.change(e.of, fmt.Sprintf("direct meter %d, handle %d", table, handle), func(b *books, tables []map[uint32]ir.Entry) error {
		if _, ok := tables[table][handle]; !ok || handle == 0 {
			e.p.broke("direct meter of table %d, handle %d, which is no entry", table, handle)
			return dataplane.ErrNoEntry
		}
		put(b.direct, [2]uint32{uint32(table), handle}, r)
		return nil
	})
}

func put[K comparable](m map[K]ir.MeterRates, k K, r *ir.MeterRates) {
	if r == nil {
		delete(m, k)
	} else {
		m[k] = *r
	}
}

func (e entities) SetValueSet(index int, members [][]ir.Match) error {
	return e.set(fmt.Sprintf("value set %d", index), func(b *books) {
		if len(members) == 0 {
			delete(b.sets, index)
			return
		}
		b.sets[index] = members
	})
}

func (e entities) Register(name string, index uint32) (v []byte, err error) {
	err = e.p.change(e.of, "", func(b *books, _ []map[uint32]ir.Entry) error {
		if v = b.registers[objectKey{name, index}]; v == nil {
			v = make([]byte, registerBytes(b.program, name))
		}
		return nil
	})
	return v, err
}

func registerBytes(p *ir.Program, name string) int {
	for _, in := range p.Instances {
		if in.Name == name && len(in.Type.Args) > 0 {
			leaves, _ := ir.Leaves(in.Type.Args[0])
			return ir.LeafBytes(leaves)
		}
	}
	return 0
}

func (e entities) SetRegister(name string, index uint32, value []byte) error {
	return e.set(fmt.Sprintf("register %s[%d]", name, index), func(b *books) { b.registers[objectKey{name, index}] = bytes.Clone(value) })
}

func (e entities) SetInstanceCounter(name string, index uint32, _ dataplane.Counter) error {
	return e.set("", func(*books) { e.p.broke("counter %s[%d] is written in the dataplane (D12)", name, index) })
}

func (e entities) LastHits(table int, handles []uint32, out []uint64) error {
	return e.set("", func(*books) {
		for i, h := range handles {
			out[i] = uint64(table+1)*1e9 + uint64(h)
		}
	})
}

// SetDigests implements dataplane.Events.
func (p *Plane) SetDigests(f func(ir.Digest)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.digests = f
}

// SetIdle implements dataplane.Events.
func (p *Plane) SetIdle(f func(table int, handle uint32)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = f
}

// Send is a digest of a packet; Age an entry that became idle. They are false
// where nobody listens.
func (p *Plane) Send(d ir.Digest) bool {
	p.mu.Lock()
	f := p.digests
	p.mu.Unlock()
	if f != nil {
		f(d)
	}
	return f != nil
}

// Age tells that an entry is idle.
func (p *Plane) Age(table int, handle uint32) bool {
	p.mu.Lock()
	f := p.idle
	p.mu.Unlock()
	if f != nil {
		f(table, handle)
	}
	return f != nil
}

// keep gives the books of a new generation the state of old ones.
func (b *books) keep(old *books) {
	if old == nil {
		return
	}
	kept := maps.Clone(old.registers)
	maps.Copy(kept, b.registers)
	b.registers = kept
}

// Reboot forgets all state, and with it the applied sequence.
func (p *Plane) Reboot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied, p.program, p.books, p.tables = 0, nil, nil, nil
}
