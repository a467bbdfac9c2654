package rib

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

func (r *RIB) touchHop(h *Hop) {
	if !h.dirty {
		h.dirty = true
		r.pending.Hops = append(r.pending.Hops, h)
	}
}

func (r *RIB) touchGroup(g *Group) {
	if !g.dirty {
		g.dirty = true
		r.pending.Groups = append(r.pending.Groups, g)
	}
}

func (r *RIB) touchRoute(rt *Route) {
	if !rt.dirty {
		rt.dirty = true
		r.pending.Routes = append(r.pending.Routes, rt)
	}
}

// TouchHop marks a hop for the next flush; the lock is held (Locked).
func (r *RIB) TouchHop(h *Hop) { r.touchHop(h) }

// TouchRoute marks a route for the next flush; the lock is held (Locked).
func (r *RIB) TouchRoute(rt *Route) { r.touchRoute(rt) }

// flush writes what is pending to the journal and brings it into the FIB.
func (r *RIB) flush() error {
	if r.pending.empty() && r.pending.records.empty() {
		return r.fault
	}
	if err := r.writeJournal(); err != nil {
		r.log.Error("the journal of routes cannot be written", "error", err)
		r.fault = fmt.Errorf("the journal of routes cannot be written, nothing is accepted until nicd is restarted: %w", err)
		r.clearPending()
		return r.fault
	}
	if r.fib != nil && !r.pending.empty() {
		r.fib.Program(&r.pending)
	}
	r.clearPending()
	r.serial++
	for _, ch := range r.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	r.compactIfLarge()
	return nil
}

// clearPending forgets the marks and the objects that are gone.
func (r *RIB) clearPending() {
	c := &r.pending
	for _, h := range c.Hops {
		h.dirty = false
	}
	for _, g := range c.Groups {
		g.dirty = false
	}
	for _, rt := range c.Routes {
		rt.dirty = false
		if rt.paths == nil {
			s := rt.Instance.family(rt.Prefix.Addr())
			if s.m[keyOf(rt.Prefix)] == rt && !rt.FIB.Present {
				s.remove(rt)
			}
		}
	}
	clear(c.Hops)
	clear(c.Groups)
	clear(c.Routes)
	c.Hops, c.Groups, c.Routes = c.Hops[:0], c.Groups[:0], c.Routes[:0]
	c.records.reset()
}

func (rt *Route) path(s Source) *path {
	if rt == nil {
		return nil
	}
	for p := rt.paths; p != nil; p = p.next {
		if p.source == s {
			return p
		}
	}
	return nil
}

// before tells whether source a wins over b.
func (r *RIB) before(a, b Source) bool {
	if pa, pb := r.prefs[a], r.prefs[b]; pa != pb {
		return pa < pb
	}
	return a < b
}

// setPath adds or replaces the path of one source; rt is nil for a new prefix.
func (r *RIB) setPath(n *Instance, rt *Route, prefix netip.Prefix, p path) {
	if rt == nil {
		rt = &Route{Instance: n, Prefix: prefix}
		n.family(prefix.Addr()).put(rt)
	}
	p.group.routes++
	if old := rt.path(p.source); old != nil {
		g := old.group
		next := old.next
		*old = p
		old.next = next
		r.release(g)
	} else {
		at := &rt.paths
		for *at != nil && r.before((*at).source, p.source) {
			at = &(*at).next
		}
		p.next = *at
		*at = &p
	}
	r.touchRoute(rt)
}

// dropPath takes the path of one source away.
func (r *RIB) dropPath(rt *Route, s Source) {
	for at := &rt.paths; *at != nil; at = &(*at).next {
		if (*at).source == s {
			g := (*at).group
			*at = (*at).next
			r.release(g)
			r.touchRoute(rt)
			return
		}
	}
}

// release notes that a path has left g; an implicit group goes with its last.
func (r *RIB) release(g *Group) {
	g.routes--
	if g.ID == 0 && g.routes == 0 {
		r.dropGroup(g)
	}
}

func (r *RIB) setGroup(g *Group, members []Member, backup *Group) {
	for _, m := range members {
		if m.Hop.users == nil {
			m.Hop.users = map[*Group]struct{}{}
		}
	}
	old := g.Members
	g.Members = members
	for _, m := range old {
		delete(m.Hop.users, g)
	}
	for _, m := range members {
		m.Hop.users[g] = struct{}{}
	}
	r.dropUnused(old)
	if g.Backup != backup {
		if g.Backup != nil {
			delete(g.Backup.backups, g)
		}
		if backup != nil {
			if backup.backups == nil {
				backup.backups = map[*Group]struct{}{}
			}
			backup.backups[g] = struct{}{}
		}
		g.Backup = backup
	}
	r.touchGroup(g)
}

// dropUnused drops implicit hops that have lost their last group.
func (r *RIB) dropUnused(ms []Member) {
	for _, m := range ms {
		if m.Hop.Index == 0 && len(m.Hop.users) == 0 && !m.Hop.gone {
			r.dropHop(m.Hop)
		}
	}
}

func (r *RIB) dropGroup(g *Group) {
	r.setGroup(g, nil, nil)
	g.gone = true
	if g.ID == 0 {
		delete(g.Instance.implicit, g.key)
	} else {
		delete(g.Instance.groups, g.ID)
	}
}

func (r *RIB) dropHop(h *Hop) {
	h.gone = true
	if h.Index == 0 {
		delete(h.Instance.shared, h.Spec)
	} else {
		delete(h.Instance.hops, h.Index)
	}
	r.touchHop(h)
}

// implicitGroup gives the group of a list of hops, which routes of the same
// content share.
func (r *RIB) implicitGroup(n *Instance, hops []WeightedHop) *Group {
	key := groupKey(hops)
	if g := n.implicit[key]; g != nil {
		return g
	}
	g := &Group{Instance: n, key: key}
	members := make([]Member, len(hops))
	for i, w := range hops {
		h := n.shared[w.Hop]
		if h == nil {
			h = &Hop{Instance: n, Spec: w.Hop}
			n.shared[w.Hop] = h
			r.touchHop(h)
		}
		members[i] = Member{h, max(w.Weight, 1)}
	}
	n.implicit[key] = g
	r.setGroup(g, members, nil)
	return g
}

// WeightedHop is one next hop of a static or dynamic route.
type WeightedHop struct {
	Hop    HopSpec
	Weight uint64 // 0 = 1
}

func groupKey(hops []WeightedHop) string {
	words := make([]string, len(hops))
	for i, w := range hops {
		words[i] = w.Hop.String()
		if w.Weight > 1 {
			words[i] += fmt.Sprintf(" weight %d", w.Weight)
		}
	}
	slices.Sort(words)
	out := ""
	for i, w := range words {
		if i > 0 {
			out += ", "
		}
		out += w
	}
	return out
}

func sortGroups(m map[*Group]struct{}) []*Group {
	out := make([]*Group, 0, len(m))
	for g := range m {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(a.Instance.Name, b.Instance.Name), cmp.Compare(a.ID, b.ID), cmp.Compare(a.key, b.key))
	})
	return out
}

func sortedIDs[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
