package rib

import (
	"cmp"
	"net/netip"
)

// RouteView is one path of one prefix, for reading.
type RouteView struct {
	Instance   string
	InstanceID uint32
	Prefix     netip.Prefix
	Source     Source
	Preference uint32
	Best       bool
	State      State // of the prefix; for paths that are not best Unprogrammed
	Problem    string
	Group      GroupRef
	Hops       []HopView // the group's, in order
	// GroupInstanceNamed: the gRIBI client named the group's instance.
	GroupInstanceNamed bool
	Metadata           string
}

// GroupRef names a group: gRIBI's id, or 0.
type GroupRef struct {
	Instance string
	ID       uint64
}

// HopView is a member of a group, or a next hop of gRIBI.
type HopView struct {
	Instance string
	Index    uint64
	Weight   uint64 // of members
	Spec     HopSpec
	Raw      string
	State    State
	Problem  string
}

// GroupView is a next-hop group of gRIBI.
type GroupView struct {
	Instance string
	ID       uint64
	Members  []HopView
	Backup   uint64
	Raw      string
	State    State
	Problem  string
}

// Query tells what View wants.
type Query struct {
	Instance string // "" = all
	Routes   bool
	V4, V6   bool // with Routes
	GRIBI    bool // only gRIBI's paths
	NoHops   bool // leave RouteView.Hops empty
	Groups   bool // gRIBI's
	Hops     bool // gRIBI's
}

// View is the RIB between two changes.
type View struct {
	Serial uint64 // rises with every change
	Routes []RouteView
	Groups []GroupView
	Hops   []HopView
}

// View copies what q asks for, sorted by instance and key. An instance that is
// not there is a *NotFoundError.
func (r *RIB) View(q Query) (*View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.ordered()
	if q.Instance != "" {
		n := r.instances[q.Instance]
		if n == nil {
			return nil, &NotFoundError{"network instance " + q.Instance}
		}
		list = []*Instance{n}
	}
	v := &View{Serial: r.serial}
	for _, n := range list {
		if q.Routes {
			for _, rt := range n.sorted() {
				if v4 := rt.Prefix.Addr().Is4(); v4 && !q.V4 || !v4 && !q.V6 {
					continue
				}
				v.Routes = r.appendPaths(v.Routes, rt, q)
			}
		}
		if q.Groups {
			for _, id := range sortedIDs(n.groups) {
				v.Groups = append(v.Groups, n.groups[id].view())
			}
		}
		if q.Hops {
			for _, i := range sortedIDs(n.hops) {
				v.Hops = append(v.Hops, n.hops[i].view(0))
			}
		}
	}
	return v, nil
}

// Covering gives the routes that cover an address, the longest prefix first.
func (r *RIB) Covering(instance string, a netip.Addr) ([]RouteView, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.instances[instance]
	if n == nil {
		return nil, &NotFoundError{"network instance " + instance}
	}
	var out []RouteView
	s := n.family(a)
	for bits := a.BitLen(); bits >= 0; bits-- {
		if rt := s.m[keyAt(a, bits)]; rt != nil {
			out = r.appendPaths(out, rt, Query{})
		}
	}
	return out, nil
}

func (r *RIB) appendPaths(out []RouteView, rt *Route, q Query) []RouteView {
	for p := rt.paths; p != nil; p = p.next {
		if q.GRIBI && p.source != GRIBI {
			continue
		}
		v := RouteView{Instance: rt.Instance.Name, InstanceID: rt.Instance.ID, Prefix: rt.Prefix, Source: p.source,
			Preference: r.prefs[p.source], Best: p == rt.paths, Group: GroupRef{p.group.Instance.Name, p.group.ID},
			GroupInstanceNamed: p.grpNI, Metadata: p.meta}
		if v.Best {
			v.State, v.Problem = rt.State, rt.Problem
		}
		if !q.NoHops {
			v.Hops = p.group.memberViews()
		}
		out = append(out, v)
	}
	return out
}

func (g *Group) memberViews() []HopView {
	out := make([]HopView, len(g.Members))
	for i, m := range g.Members {
		out[i] = m.Hop.view(m.Weight)
	}
	return out
}

func (g *Group) view() GroupView {
	v := GroupView{Instance: g.Instance.Name, ID: g.ID, Members: g.memberViews(), Raw: g.Raw, State: g.State, Problem: g.Problem}
	if g.Backup != nil {
		v.Backup = g.Backup.ID
	}
	return v
}

func (h *Hop) view(weight uint64) HopView {
	return HopView{Instance: h.Instance.Name, Index: h.Index, Weight: weight, Spec: h.Spec, Raw: h.Raw, State: h.State, Problem: h.Problem}
}

// Everything gives all hops, groups and routes that are in the RIB, implicit
// ones too, in a fixed order: the FIB fills an empty datapath with them. The
// lock is held.
func (r *RIB) Everything() *Changes {
	c := &Changes{}
	for _, n := range r.ordered() {
		for _, i := range sortedIDs(n.hops) {
			c.Hops = append(c.Hops, n.hops[i])
		}
		for _, id := range sortedIDs(n.groups) {
			c.Groups = append(c.Groups, n.groups[id])
		}
		for _, key := range sortedIDs(n.implicit) {
			g := n.implicit[key]
			c.Groups = append(c.Groups, g)
		}
		seen := map[*Hop]bool{}
		for _, g := range c.Groups {
			for _, m := range g.Members {
				if m.Hop.Index == 0 && m.Hop.Instance == n && !seen[m.Hop] {
					seen[m.Hop] = true
					c.Hops = append(c.Hops, m.Hop)
				}
			}
		}
		c.Routes = append(c.Routes, n.sorted()...)
	}
	return c
}

// Instance finds a network instance, or nil. The lock is held.
func (r *RIB) Instance(name string) *Instance { return r.instances[name] }

// Configured tells whether any network instance is there. The lock is held.
func (r *RIB) Configured() bool { return len(r.instances) > 0 }

// CompareHops orders hops by instance, index and content.
func CompareHops(a, b *Hop) int {
	if c := cmp.Or(cmp.Compare(a.Instance.Name, b.Instance.Name), cmp.Compare(a.Index, b.Index)); c != 0 || a.Index != 0 {
		return c
	}
	return cmp.Compare(a.Spec.String(), b.Spec.String())
}

// CompareRoutes orders routes by instance and prefix.
func CompareRoutes(a, b *Route) int {
	return cmp.Or(cmp.Compare(a.Instance.Name, b.Instance.Name), a.Prefix.Compare(b.Prefix))
}
