package rib

import (
	"net/netip"
)

// DynamicRoute is a route of the kernel's. Without hops it is gone.
type DynamicRoute struct {
	Prefix netip.Prefix
	Source Source // Connected or Kernel
	Hops   []WeightedHop
}

// UpdateDynamic makes changes to the kernel's routes of an instance, in order;
// an instance that is not there has none. They are not journaled: whoever
// watches the kernel tells them again after a restart.
func (r *RIB) UpdateDynamic(instance string, list []DynamicRoute) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.instances[instance]
	if n == nil || r.fault != nil {
		return
	}
	for i := range list {
		r.dynamic(n, &list[i])
	}
	_ = r.flush()
}

func (r *RIB) dynamic(n *Instance, d *DynamicRoute) {
	p := d.Prefix.Masked()
	rt := n.family(p.Addr()).m[keyOf(p)]
	if len(d.Hops) > 0 {
		r.setPath(n, rt, p, path{source: d.Source, group: r.implicitGroup(n, d.Hops)})
	} else if rt != nil {
		r.dropPath(rt, d.Source)
	}
}

// ReplaceDynamic makes the kernel's routes of an instance exactly list.
func (r *RIB) ReplaceDynamic(instance string, list []DynamicRoute) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.instances[instance]
	if n == nil || r.fault != nil {
		return
	}
	type key struct {
		p netip.Prefix
		s Source
	}
	keep := make(map[key]bool, len(list))
	for i := range list {
		keep[key{list[i].Prefix.Masked(), list[i].Source}] = true
		r.dynamic(n, &list[i])
	}
	for _, rt := range n.sorted() {
		for _, src := range []Source{Connected, Kernel} {
			if !keep[key{rt.Prefix, src}] && rt.path(src) != nil {
				r.dropPath(rt, src)
			}
		}
	}
	_ = r.flush()
}
