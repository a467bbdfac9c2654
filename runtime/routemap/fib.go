package routemap

import (
	"fmt"
	"slices"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
)

// fib is what the tables of one pipeline hold of the RIB.
type fib struct {
	m *Map
	*tables
	keys     [families]*routeKeys
	groupIDs *pool
	hopIDs   *pool
	ranges   *buddy
	most     int // buckets of one group

	hops     map[*rib.Hop]*hopState
	groups   map[*rib.Group]*groupState
	floating map[*rib.Hop]bool
	// waiting are the routes to look at again when a group changes what they
	// hold: those that failed for its sake, and all of a program without groups.
	waiting map[*rib.Group]map[*rib.Route]bool
	// full are the routes for which there was no room.
	full      []*rib.Route
	installed map[string]neighbourEntry
	trash     []trash
	settled   int // trash from before the changes under way

	// While the pipeline is not live yet: what the tables held before, and what
	// routes will be told.
	adopted *adopted
	told    []toldRoute
}

type hopState struct {
	id      uint32
	egress  egress
	entry   act
	present bool // in the next-hop table
	own     neighbourOf
	err     error
}

// neighbourOf is the neighbour entry of a hop with a MAC of its own.
type neighbourOf struct {
	key     string
	a       act
	present bool
}

type groupState struct {
	id      uint32
	base    uint32
	buckets []act
	present bool
	target  [families]act // what routes of the group hold
	bad     [families]error
	err     error
}

type neighbourEntry struct {
	mac  rib.MAC
	from neighbourKey
}

type toldRoute struct {
	rt *rib.Route
	to rib.FIBRoute
	// problem is why it is not what the RIB says.
	problem string
}

func (m *Map) newFIB(t *tables) *fib {
	f := &fib{m: m, tables: t, most: m.buckets, hops: map[*rib.Hop]*hopState{}, groups: map[*rib.Group]*groupState{},
		floating: map[*rib.Hop]bool{}, waiting: map[*rib.Group]map[*rib.Route]bool{}, installed: map[string]neighbourEntry{}}
	for fam, r := range t.route {
		if r != nil {
			f.keys[fam] = newRouteKeys(r)
		}
	}
	width := func(limit int, t *tableMap, key pb.Meaning, deed pb.Deed, users ...*tableMap) int {
		if t != nil {
			limit = min(limit, t.key[key].Width)
		}
		for _, u := range users {
			if u != nil && u.deeds[deed] != nil {
				limit = min(limit, u.deeds[deed].params[key].Width)
			}
		}
		return limit
	}
	f.groupIDs = newPool(width(31, t.group, pb.Meaning_GROUP_ID, pb.Deed_TO_GROUP, t.route[v4], t.route[v6]))
	// 24 bits: a hop with a MAC has a gateway in 0.0.0.0/8 with its id.
	f.hopIDs = newPool(width(24, t.hop, pb.Meaning_NEXT_HOP_ID, pb.Deed_TO_NEXT_HOP, t.bucket, t.route[v4], t.route[v6]))
	order := 0
	if t.bucket != nil {
		order = min(24, t.bucket.key[pb.Meaning_BUCKET_ID].Width)
		for (1<<order)>>1 >= t.bucket.t.Size {
			order-- // no more ids than there is room, rounded up
		}
	}
	if t.group != nil && t.group.deeds[pb.Deed_TO_BUCKETS] != nil {
		b := t.group.deeds[pb.Deed_TO_BUCKETS]
		order = min(order, b.params[pb.Meaning_BUCKET_BASE].Width)
		f.most = min(f.most, 1<<min(30, b.params[pb.Meaning_BUCKET_COUNT].Width)-1)
	}
	f.ranges = newBuddy(order)
	f.most = min(f.most, 1<<order)
	return f
}

// needsMAC tells whether actions of hops carry the neighbour's MAC.
func (f *fib) needsMAC() bool {
	for _, t := range []*tableMap{f.hop, f.bucket, f.route[v4], f.route[v6]} {
		if t == nil {
			continue
		}
		for _, d := range []pb.Deed{pb.Deed_VIA_V4, pb.Deed_VIA_V6} {
			if a := t.deeds[d]; a != nil && a.params[pb.Meaning_MAC] != nil {
				return true
			}
		}
	}
	return false
}

// program makes changes to the running tables.
func (f *fib) program(c *rib.Changes) {
	f.settled = len(f.trash)
	f.run(c, &sink{m: f.m, pl: f.pl})
	f.settled = 0
	if len(f.trash) > 0 {
		f.m.wakeSweeper()
	}
}

// run brings changes to the sink, in order.
func (f *fib) run(c *rib.Changes, s *sink) {
	groups := &worklist[*rib.Group]{}
	hops := f.runHops(c, s, groups)
	for _, g := range c.Groups {
		groups.add(g)
	}
	routes := &worklist[*rib.Route]{}
	f.runGroups(groups, s, routes)
	for _, rt := range c.Routes {
		routes.add(rt)
	}
	room := f.runRoutes(routes.list, s)
	if room > 0 && len(f.full) > 0 {
		again := f.full[:min(room, len(f.full))]
		f.full = slices.Clone(f.full[len(again):])
		f.runRoutes(again, s)
	}
	if f.adopted == nil {
		f.publish(hops, groups.list)
	}
}

// worklist is a list without repetition.
type worklist[T comparable] struct {
	list []T
	seen map[T]bool
}

func (w *worklist[T]) add(x T) {
	if w.seen == nil {
		w.seen = map[T]bool{}
	}
	if !w.seen[x] {
		w.seen[x] = true
		w.list = append(w.list, x)
	}
}

// publish tells hops and groups what became of them.
func (f *fib) publish(hops []*rib.Hop, groups []*rib.Group) {
	for _, h := range hops {
		h.State, h.Problem = rib.Programmed, ""
		if st := f.hops[h]; st != nil && st.err != nil {
			h.State, h.Problem = rib.Failed, st.err.Error()
		} else if st != nil {
			h.Problem = st.egress.why // no failure (gribi:GR20), but worth telling
		}
	}
	for _, g := range groups {
		g.State, g.Problem = rib.Programmed, ""
		if st := f.groups[g]; st != nil {
			if err := st.problem(); err != nil {
				g.State, g.Problem = rib.Failed, err.Error()
			}
		}
	}
}

func (st *groupState) problem() error {
	if st.err != nil {
		return st.err
	}
	// A group that one family can use is programmed.
	if st.bad[v4] != nil && st.bad[v6] != nil {
		return st.bad[v4]
	}
	return nil
}

// runHops brings hops to the sink, and those that lead through changed routes.
// Groups that must follow are added to groups.
func (f *fib) runHops(c *rib.Changes, s *sink, groups *worklist[*rib.Group]) []*rib.Hop {
	res := f.m.resolver()
	type before struct {
		h  *rib.Hop
		st hopState
	}
	var was []before
	done := map[*rib.Hop]bool{}
	one := func(h *rib.Hop) {
		done[h] = true
		st := f.hops[h]
		if h.Gone() {
			if st != nil {
				f.dropHop(h, st)
			}
			return
		}
		if st == nil {
			st = &hopState{}
			f.hops[h] = st
		}
		was = append(was, before{h, *st})
		f.putHop(h, st, res.resolve(h), s)
	}
	for _, h := range c.Hops {
		one(h)
	}
	if len(f.floating) > 0 && f.adopted == nil && (len(c.Routes) > 0 || len(c.Hops) > 0 || len(c.Groups) > 0) {
		for _, h := range sortedHops(f.floating) {
			if done[h] {
				continue
			}
			if e := res.resolve(h); e != f.hops[h].egress {
				one(h)
			}
		}
	}
	s.flush()
	out := make([]*rib.Hop, 0, len(was))
	for _, b := range was {
		st := f.hops[b.h]
		if st.egress.floats {
			f.floating[b.h] = true
		} else {
			delete(f.floating, b.h)
		}
		out = append(out, b.h)
		direct := f.hop == nil || f.group == nil
		if b.st.egress.viable() != st.egress.viable() || (b.st.err == nil) != (st.err == nil) || b.st.id != st.id ||
			direct && b.st.egress != st.egress || f.needsMAC() {
			for _, g := range b.h.Users() {
				f.addGroup(groups, g)
			}
		}
	}
	return out
}

// addGroup adds a group and those whose backup it is.
func (f *fib) addGroup(w *worklist[*rib.Group], g *rib.Group) {
	w.add(g)
	for _, u := range g.BackupOf() {
		if !w.seen[u] {
			f.addGroup(w, u)
		}
	}
}

func sortedHops(m map[*rib.Hop]bool) []*rib.Hop {
	out := make([]*rib.Hop, 0, len(m))
	for h := range m {
		out = append(out, h)
	}
	slices.SortFunc(out, rib.CompareHops)
	return out
}

// putHop brings one hop to the sink.
func (f *fib) putHop(h *rib.Hop, st *hopState, e egress, s *sink) {
	st.egress, st.err = e, nil
	fail := func(err error) { st.err = fmt.Errorf("next hop %s: %w", h.Name(), err) }
	if h.Spec.Unsupported != "" {
		fail(fmt.Errorf("the pipeline cannot do its %s", h.Spec.Unsupported))
		return
	}
	if st.id == 0 {
		id, ok := f.takeHop(h)
		if !ok {
			fail(errNoIDs)
			return
		}
		st.id = id
	}
	if f.hop == nil {
		return // its users hold what it says
	}
	a, err := f.hopAct(f.hop, st)
	if err != nil {
		fail(err)
		return
	}
	f.putOwn(st, f.hop, s, fail)
	if st.err != nil || st.present && st.entry == a {
		return
	}
	key, err := f.hop.pack(values{pb.Meaning_NEXT_HOP_ID: number(uint64(st.id))})
	if err != nil {
		fail(err)
		return
	}
	present := st.present
	s.put(f.hop, key, 0, a, h.Name(), present, call{done: func(err error) {
		if err != nil {
			fail(err)
			st.present = present
			return
		}
		st.entry, st.present = a, true
	}})
}

func (f *fib) takeHop(h *rib.Hop) (uint32, bool) {
	if f.adopted != nil {
		if id, ok := f.adopted.hop(h.Name()); ok {
			return id, true
		}
	}
	id, ok := f.hopIDs.take()
	if !ok && f.sweepNow() {
		id, ok = f.hopIDs.take()
	}
	return id, ok
}

// ownGateway is the gateway of a hop with a MAC of its own.
func ownGateway(id uint32) []byte { return []byte{0, byte(id >> 16), byte(id >> 8), byte(id)} }

// putOwn brings the neighbour entry of a hop with a MAC of its own to the sink,
// where its action does not carry the MAC.
func (f *fib) putOwn(st *hopState, t *tableMap, s *sink, fail func(error)) {
	want := neighbourOf{}
	e := st.egress
	if e.deed == pb.Deed_VIA_V4 && e.mac != (rib.MAC{}) && !carries(t, pb.Deed_VIA_V4, pb.Meaning_MAC) {
		n := f.neighbour[v4]
		key, err := n.pack(values{pb.Meaning_PORT: number(uint64(e.port)), pb.Meaning_VLAN: number(uint64(e.vlan)), pb.Meaning_ADDRESS: ownGateway(st.id)})
		if err == nil {
			want.a, err = n.make(pb.Deed_SET_MAC, values{pb.Meaning_MAC: e.mac[:]})
		}
		if err != nil {
			fail(err)
			return
		}
		want.key, want.present = key, true
	}
	if want == st.own {
		return
	}
	if st.own.present && st.own.key != want.key {
		f.throw(deletion(f.neighbour[v4], st.own.key, 0), nil)
		st.own = neighbourOf{}
	}
	if !want.present {
		return
	}
	present := st.own.present
	s.put(f.neighbour[v4], want.key, 0, want.a, "", present, call{done: func(err error) {
		if err != nil {
			fail(err)
			return
		}
		st.own = want
	}})
}

func carries(t *tableMap, d pb.Deed, is pb.Meaning) bool {
	a := t.deeds[d]
	return a != nil && a.params[is] != nil
}

// hopAct is what a table's entry says to send packets where the hop goes.
func (f *fib) hopAct(t *tableMap, st *hopState) (act, error) {
	e := st.egress
	v := values{pb.Meaning_PORT: number(uint64(e.port)), pb.Meaning_VLAN: number(uint64(e.vlan))}
	d := e.deed
	switch {
	case d == pb.Deed_DROP || d == pb.Deed_HOST:
		if t.deeds[d] == nil && d == pb.Deed_DROP && !e.viable() {
			d = pb.Deed_HOST // what cannot be sent is the host's, where nothing drops
		}
		return t.make(d, nil)
	case d == pb.Deed_ON_LINK:
	case e.mac != (rib.MAC{}):
		v[pb.Meaning_MAC] = e.mac[:]
		v[pb.Meaning_GATEWAY] = ownGateway(st.id)
		if !carries(t, d, pb.Meaning_MAC) && (f.neighbour[v4] == nil || !carries(t, d, pb.Meaning_GATEWAY)) {
			return act{}, fmt.Errorf("the pipeline has no place for the MAC of a next hop")
		}
	default:
		if !e.gateway.Is4() {
			d = pb.Deed_VIA_V6
		}
		v[pb.Meaning_GATEWAY] = e.gateway.AsSlice()
		if carries(t, d, pb.Meaning_MAC) {
			mac, ok := f.m.known[neighbourKey{e.port, e.vlan, e.gateway}]
			if !ok {
				// The host resolves it; the neighbour's coming changes this entry.
				if t.deeds[pb.Deed_HOST] != nil {
					return t.make(pb.Deed_HOST, nil)
				}
				return t.make(pb.Deed_DROP, nil)
			}
			v[pb.Meaning_MAC] = mac[:]
		}
	}
	if e.vlan != 0 && t.deeds[d] != nil && !carries(t, d, pb.Meaning_VLAN) {
		return act{}, fmt.Errorf("action %s has no parameter for VLAN %d", t.deeds[d].a.Name, e.vlan)
	}
	return t.make(d, v)
}

// dropHop takes a hop out; nothing uses it.
func (f *fib) dropHop(h *rib.Hop, st *hopState) {
	var us []entity.Update
	if st.present {
		if key, err := f.hop.pack(values{pb.Meaning_NEXT_HOP_ID: number(uint64(st.id))}); err == nil {
			us = append(us, deletion(f.hop, key, 0)...)
		}
	}
	if st.own.present {
		us = append(us, deletion(f.neighbour[v4], st.own.key, 0)...)
	}
	id := st.id
	f.throw(us, func() {
		if id != 0 {
			f.hopIDs.release(id)
		}
	})
	delete(f.hops, h)
	delete(f.floating, h)
	h.State, h.Problem = rib.Unprogrammed, ""
}

func deletion(t *tableMap, key string, priority int32) []entity.Update {
	return []entity.Update{{Kind: entity.Delete, Table: t.t.Index, Key: key, Priority: priority}}
}
