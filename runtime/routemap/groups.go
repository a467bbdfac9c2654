package routemap

import (
	"fmt"
	"slices"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
)

// change is the new content of one group on its way.
type change struct {
	g    *rib.Group
	st   *groupState
	base uint32
	new  []act
	err  error // of a bucket
}

// runGroups brings groups to the sink; routes that must follow are added to
// routes. First all buckets, then the groups that use them.
func (f *fib) runGroups(groups *worklist[*rib.Group], s *sink, routes *worklist[*rib.Route]) {
	type before struct {
		g      *rib.Group
		target [families]act
		bad    [families]bool
	}
	var was []before
	var changes []*change
	for _, g := range groups.list {
		st := f.groups[g]
		if g.Gone() {
			if st != nil {
				f.dropGroup(g, st)
			}
			continue
		}
		if st == nil {
			st = &groupState{}
			f.groups[g] = st
		}
		was = append(was, before{g, st.target, [families]bool{st.bad[v4] != nil, st.bad[v6] != nil}})
		if c := f.putGroup(g, st, s); c != nil {
			changes = append(changes, c)
		}
	}
	s.flush()
	for _, c := range changes {
		f.switchGroup(c, s)
	}
	s.flush()
	for _, b := range was {
		st := f.groups[b.g]
		f.aim(b.g, st)
		if waiting := f.waiting[b.g]; len(waiting) > 0 && (st.target != b.target || b.bad != [families]bool{st.bad[v4] != nil, st.bad[v6] != nil}) {
			for _, rt := range sortedRoutes(waiting) {
				routes.add(rt)
			}
		}
	}
}

func sortedRoutes(m map[*rib.Route]bool) []*rib.Route {
	out := make([]*rib.Route, 0, len(m))
	for rt := range m {
		out = append(out, rt)
	}
	slices.SortFunc(out, rib.CompareRoutes)
	return out
}

// effective are the members that carry a group's packets: those that are viable,
// else the backup's, else all.
func (f *fib) effective(g *rib.Group) []rib.Member {
	for b := g; b != nil; b = b.Backup {
		var out []rib.Member
		for _, m := range b.Members {
			if st := f.hops[m.Hop]; st != nil && st.err == nil && st.egress.viable() {
				out = append(out, m)
			}
		}
		if out != nil {
			return out
		}
	}
	return g.Members
}

// plain tells whether routes of the group say themselves what becomes of the
// packets: implicit groups of "host" and "drop".
func (f *fib) plain(g *rib.Group) bool {
	return g.ID == 0 && len(g.Members) == 1 && g.Members[0].Hop.Spec.Kind != rib.Via
}

// putGroup brings the buckets of a group to the sink; the change is nil where
// there is nothing to switch.
func (f *fib) putGroup(g *rib.Group, st *groupState, s *sink) *change {
	st.err = nil
	fail := func(err error) { st.err = fmt.Errorf("next-hop group %s: %w", g.Name(), err) }
	for _, m := range g.Members {
		hs := f.hops[m.Hop]
		if hs == nil || hs.err != nil {
			err := fmt.Errorf("next hop %s is not programmed", m.Hop.Name())
			if hs != nil {
				err = hs.err
			}
			fail(err)
			return nil
		}
	}
	if f.group == nil || f.plain(g) {
		return nil
	}
	members := f.effective(g)
	if len(members) > 1<<f.ranges.order {
		fail(fmt.Errorf("%d next hops, the table of buckets has room for %d", len(members), 1<<f.ranges.order))
		return nil
	}
	weights := make([]uint64, len(members))
	for i, m := range members {
		weights[i] = m.Weight
	}
	c := &change{g: g, st: st}
	for i, n := range spread(weights, f.most) {
		a, err := f.memberAct(f.bucket, members[i].Hop)
		if err != nil {
			fail(err)
			return nil
		}
		for range n {
			c.new = append(c.new, a)
		}
	}
	if st.present && slices.Equal(st.buckets, c.new) {
		return nil
	}
	if st.id == 0 {
		id, ok := f.takeGroup(g)
		if !ok {
			fail(errNoIDs)
			return nil
		}
		st.id = id
	}
	base, ok := f.takeRange(g, c.new, s)
	if !ok {
		fail(fmt.Errorf("no range of %d buckets is free", len(c.new)))
		return nil
	}
	c.base = base
	for i, a := range c.new {
		key, err := f.bucket.pack(values{pb.Meaning_BUCKET_ID: number(uint64(base) + uint64(i))})
		if err != nil {
			c.err = err
			break
		}
		s.put(f.bucket, key, 0, a, "", false, call{done: func(err error) {
			if err != nil {
				c.err = err
			}
		}})
	}
	return c
}

// memberAct is what an entry that stands for a hop says.
func (f *fib) memberAct(t *tableMap, h *rib.Hop) (act, error) {
	st := f.hops[h]
	if f.hop != nil && t.deeds[pb.Deed_TO_NEXT_HOP] != nil {
		return t.make(pb.Deed_TO_NEXT_HOP, values{pb.Meaning_NEXT_HOP_ID: number(uint64(st.id))})
	}
	return f.hopAct(t, st)
}

func (f *fib) takeGroup(g *rib.Group) (uint32, bool) {
	if f.adopted != nil {
		if id, ok := f.adopted.group(g.Name()); ok {
			return id, true
		}
	}
	id, ok := f.groupIDs.take()
	if !ok && f.sweepNow() {
		id, ok = f.groupIDs.take()
	}
	return id, ok
}

func (f *fib) takeRange(g *rib.Group, new []act, s *sink) (uint32, bool) {
	if f.adopted != nil {
		if base, ok := f.adopted.same(f, g.Name(), new, s); ok {
			return base, true
		}
	}
	base, ok := f.ranges.take(len(new))
	if !ok && f.sweepNow() {
		base, ok = f.ranges.take(len(new))
	}
	return base, ok
}

// switchGroup writes the group's entry after its buckets, and throws the old
// buckets away.
func (f *fib) switchGroup(c *change, s *sink) {
	st := c.st
	fail := func(err error) {
		st.err = fmt.Errorf("next-hop group %s: %w", c.g.Name(), err)
		f.throwRange(c.base, len(c.new))
	}
	if c.err != nil {
		fail(c.err)
		return
	}
	key, err := f.group.pack(values{pb.Meaning_GROUP_ID: number(uint64(st.id))})
	var a act
	if err == nil {
		a, err = f.group.make(pb.Deed_TO_BUCKETS, values{pb.Meaning_BUCKET_BASE: number(uint64(c.base)), pb.Meaning_BUCKET_COUNT: number(uint64(len(c.new)))})
	}
	if err != nil {
		fail(err)
		return
	}
	s.put(f.group, key, 0, a, c.g.Name(), st.present, call{done: func(err error) {
		if err != nil {
			fail(err)
			return
		}
		if st.present && st.base != c.base {
			f.throwRange(st.base, len(st.buckets))
		}
		st.base, st.buckets, st.present = c.base, c.new, true
	}})
}

// throwRange gives buckets up. Those that were never written are not missed.
func (f *fib) throwRange(base uint32, n int) {
	var us []entity.Update
	for i := range n {
		if key, err := f.bucket.pack(values{pb.Meaning_BUCKET_ID: number(uint64(base) + uint64(i))}); err == nil {
			us = append(us, deletion(f.bucket, key, 0)...)
		}
	}
	f.throw(us, func() { f.ranges.release(base, n) })
}

// aim computes what routes of the group hold.
func (f *fib) aim(g *rib.Group, st *groupState) {
	for fam, t := range f.route {
		st.target[fam], st.bad[fam] = act{}, st.err
		if st.err != nil {
			continue
		}
		switch {
		case t == nil:
			st.bad[fam] = fmt.Errorf("the pipeline has no table for IPv%d routes", 4+2*fam)
		case f.plain(g):
			d := pb.Deed_HOST
			if g.Members[0].Hop.Spec.Kind == rib.Discard {
				d = pb.Deed_DROP
			}
			st.target[fam], st.bad[fam] = t.make(d, nil)
		case f.grouped(fam):
			st.target[fam], st.bad[fam] = t.make(pb.Deed_TO_GROUP, values{pb.Meaning_GROUP_ID: number(uint64(st.id))})
		default:
			members := f.effective(g)
			if len(members) != 1 {
				st.bad[fam] = fmt.Errorf("next-hop group %s has %d next hops, and the pipeline has no groups for IPv%d", g.Name(), len(members), 4+2*fam)
				continue
			}
			st.target[fam], st.bad[fam] = f.memberAct(t, members[0].Hop)
		}
	}
}

// dropGroup takes a group out; nothing uses it.
func (f *fib) dropGroup(g *rib.Group, st *groupState) {
	if st.present {
		if key, err := f.group.pack(values{pb.Meaning_GROUP_ID: number(uint64(st.id))}); err == nil {
			f.throw(deletion(f.group, key, 0), nil)
		}
		f.throwRange(st.base, len(st.buckets))
	}
	if id := st.id; id != 0 {
		f.throw(nil, func() { f.groupIDs.release(id) })
	}
	delete(f.groups, g)
	delete(f.waiting, g)
	g.State, g.Problem = rib.Unprogrammed, ""
}
