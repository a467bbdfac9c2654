package routemap

import (
	"fmt"
	"maps"
	"slices"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/store"
)

// Name implements store.Owner.
func (m *Map) Name() string { return "routemap" }

// Change implements store.Owner: the RIB stands still until Done.
func (m *Map) Change(pl *store.Pipeline) store.Change {
	m.sweepMu.Lock()
	m.rib.Lock()
	c := &pipelineChange{m: m, old: m.live}
	if pl == nil {
		return c
	}
	b, err := m.bindings(pl.Config)
	if err != nil {
		m.log.Error("the bindings of the pipeline cannot be read", "error", err)
		b = nil
	}
	t, err := compile(pl, b)
	if err != nil {
		m.log.Error("the pipeline's bindings do not fit it", "error", err)
		t, _ = compile(pl, nil)
	}
	c.tables = t
	if m.rib.Configured() && (t.route[v4] != nil || t.route[v6] != nil) {
		c.fib = m.newFIB(t)
	}
	return c
}

// pipelineChange implements store.Change.
type pipelineChange struct {
	m       *Map
	old     *fib
	tables  *tables
	fib     *fib // nil: no network instance is configured, or no table takes routes
	all     *rib.Changes
	updates []entity.Update
	calls   []call
}

// Owns implements store.Change.
func (c *pipelineChange) Owns(table int) string {
	if c.fib == nil {
		return ""
	}
	return c.tables.holds[table]
}

// Fill implements store.Change.
func (c *pipelineChange) Fill(v store.View) (updates []entity.Update, lost []string) {
	s := &sink{m: c.m, pl: c.tables.pl, view: &v, want: make([]map[string]bool, len(c.tables.holds))}
	if c.fib == nil {
		for _, rt := range c.m.rib.Everything().Routes {
			if rt.State == rib.Programmed {
				lost = append(lost, fmt.Sprintf("route %s of network instance %s: the pipeline has no table for routes", rt.Prefix, rt.Instance.Name))
			}
		}
		if c.old != nil && c.old.pl == c.tables.pl { // the last instance has gone
			updates = s.leftovers(c.tables)
		}
		return updates, lost
	}
	f := c.fib
	f.adopted = adopt(f, v)
	c.all = c.m.rib.Everything()
	for _, k := range c.m.knownKeys() {
		f.putNeighbour(k, s)
	}
	f.run(c.all, s)
	c.updates, c.calls = s.updates, s.calls
	for _, t := range f.told {
		if t.problem != "" && t.rt.State == rib.Programmed {
			lost = append(lost, fmt.Sprintf("route %s of network instance %s: %s", t.rt.Prefix, t.rt.Instance.Name, t.problem))
		}
	}
	return append(c.updates[:len(c.updates):len(c.updates)], s.leftovers(c.tables)...), lost
}

// Done implements store.Change.
func (c *pipelineChange) Done(errs []error, live bool) {
	defer c.m.sweepMu.Unlock()
	defer c.m.rib.Unlock()
	if !live {
		return
	}
	c.m.live = c.fib
	if c.fib == nil {
		c.m.forget()
		return
	}
	f := c.fib
	if c.all == nil { // Fill was not asked: nothing runs
		c.m.live = nil
		c.m.forget()
		return
	}
	for i := range c.calls {
		if err := at(errs, i); err != nil {
			c.calls[i].tell(err)
		}
	}
	f.adopted.settle(f)
	f.adopted = nil
	for _, t := range f.told {
		t.rt.FIB = t.to
		t.rt.State, t.rt.Problem = rib.Programmed, ""
		if t.problem != "" {
			t.rt.State, t.rt.Problem = rib.Failed, t.problem
		}
	}
	f.told = nil
	f.publish(c.all.Hops, c.all.Groups)
	for i := len(c.calls); i < len(errs); i++ {
		if errs[i] != nil {
			c.m.log.Warn("an entry that nobody wants could not be taken out", "error", errs[i])
		}
	}
}

// forget says that nothing is in the datapath.
func (m *Map) forget() {
	all := m.rib.Everything()
	for _, rt := range all.Routes {
		rt.FIB = rib.FIBRoute{}
	}
	m.Program(all)
}

// adopted are the ids that the tables show under the names of hops and groups,
// so that these keep them over a restart or a change of pipeline.
type adopted struct {
	view   store.View
	hops   map[string]uint32
	groups map[string]uint32
	ranges map[string]oldRange
	spare  map[uint32]int // reserved, and free once the change is done: base -> buckets
}

type oldRange struct {
	base uint32
	n    int
}

// adopt reads names and ids; all of them are reserved before any is given anew.
func adopt(f *fib, v store.View) *adopted {
	a := &adopted{view: v, hops: map[string]uint32{}, groups: map[string]uint32{}, ranges: map[string]oldRange{}, spare: map[uint32]int{}}
	id := func(t *tableMap, is pb.Meaning, e *entity.Entry) uint32 {
		m, _ := t.key[is].Get([]byte(e.Key))
		return uint32(value(m.Value))
	}
	if f.hop != nil {
		for e := range v.Entries(f.hop.t.Index) {
			n, i := metadata(e), id(f.hop, pb.Meaning_NEXT_HOP_ID, e)
			if _, twice := a.hops[n]; n != "" && !twice && f.hopIDs.reserve(i) {
				a.hops[n] = i
			}
		}
	}
	if f.group == nil || f.bucket == nil {
		return a
	}
	ranges := f.group.deeds[pb.Deed_TO_BUCKETS]
	for e := range v.Entries(f.group.t.Index) {
		n := metadata(e)
		i := id(f.group, pb.Meaning_GROUP_ID, e)
		if _, twice := a.groups[n]; n != "" && !twice && f.groupIDs.reserve(i) {
			a.groups[n] = i
		}
		if ranges == nil || int(e.Action) != ranges.a.Index {
			continue
		}
		args := []byte(e.Args)
		r := oldRange{uint32(value(ranges.params[pb.Meaning_BUCKET_BASE].Get(args))), int(value(ranges.params[pb.Meaning_BUCKET_COUNT].Get(args)))}
		if f.ranges.reserve(r.base, r.n) {
			a.ranges[n] = r
			a.spare[r.base] = r.n
		}
	}
	return a
}

func value(b []byte) uint64 {
	var v uint64
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

func (a *adopted) hop(name string) (uint32, bool) {
	id, ok := a.hops[name]
	delete(a.hops, name)
	return id, ok
}

func (a *adopted) group(name string) (uint32, bool) {
	id, ok := a.groups[name]
	delete(a.groups, name)
	return id, ok
}

// same gives the group's old range when its buckets say the same.
func (a *adopted) same(f *fib, name string, want []act, s *sink) (uint32, bool) {
	r, ok := a.ranges[name]
	if !ok || r.n != len(want) {
		return 0, false
	}
	for i, w := range want {
		key, err := f.bucket.pack(values{pb.Meaning_BUCKET_ID: number(uint64(r.base) + uint64(i))})
		if err != nil {
			return 0, false
		}
		if e := a.view.Find(f.bucket.t.Index, key, 0); e == nil || e.Action != w.action || e.Args != w.args {
			return 0, false
		}
	}
	delete(a.ranges, name)
	delete(a.spare, r.base)
	return r.base, true
}

// settle frees what nobody took.
func (a *adopted) settle(f *fib) {
	for _, name := range slices.Sorted(maps.Keys(a.hops)) {
		f.hopIDs.release(a.hops[name])
	}
	for _, name := range slices.Sorted(maps.Keys(a.groups)) {
		f.groupIDs.release(a.groups[name])
	}
	for _, base := range slices.Sorted(maps.Keys(a.spare)) {
		f.ranges.release(base, a.spare[base])
	}
}
