package rib

import (
	"fmt"
	"net/netip"
)

// StaticRoute is a route of the configuration or of an operator.
type StaticRoute struct {
	Instance string
	Prefix   netip.Prefix
	Hops     []WeightedHop
}

// NotFoundError says that a static route or an instance is not there.
type NotFoundError struct{ What string }

func (e *NotFoundError) Error() string { return e.What + " is not there" }

// ConfiguredError says that a route belongs to the configuration file.
type ConfiguredError struct {
	Instance string
	Prefix   netip.Prefix
}

func (e *ConfiguredError) Error() string {
	return fmt.Sprintf("route %s of network instance %s is in the configuration file: change it there", e.Prefix, e.Instance)
}

// maxHops bounds the next hops of one static route.
const maxHops = 1024

// checkStatic tells what is wrong with a route, whatever the RIB holds but for
// its instances.
func (r *RIB) checkStatic(s *StaticRoute) error {
	if r.instances[s.Instance] == nil {
		return &NotFoundError{fmt.Sprintf("network instance %q", s.Instance)}
	}
	switch {
	case !s.Prefix.IsValid() || s.Prefix.Addr().Zone() != "":
		return fmt.Errorf("the prefix is not valid")
	case s.Prefix != s.Prefix.Masked():
		return fmt.Errorf("prefix %s has bits beyond its length: %s is meant", s.Prefix, s.Prefix.Masked())
	case len(s.Hops) == 0 || len(s.Hops) > maxHops:
		return fmt.Errorf("route %s has %d next hops: 1 to %d are wanted", s.Prefix, len(s.Hops), maxHops)
	}
	for _, w := range s.Hops {
		h := w.Hop
		switch {
		case h.Kind != Via && len(s.Hops) > 1:
			return fmt.Errorf("route %s: %s stands alone", s.Prefix, h)
		case h.Kind == Via && !h.Address.IsValid() && h.Interface == "":
			return fmt.Errorf("route %s: a next hop needs an address or an interface", s.Prefix)
		case h.VLAN > 4094:
			return fmt.Errorf("route %s: VLAN %d is not in 0..4094", s.Prefix, h.VLAN)
		case h.VLAN != 0 && h.Interface == "":
			return fmt.Errorf("route %s: a VLAN needs an interface", s.Prefix)
		case h.Instance != "" && r.instances[h.Instance] == nil:
			return &NotFoundError{fmt.Sprintf("network instance %q", h.Instance)}
		}
	}
	return nil
}

// SetConfigured makes the static routes of the configuration file what list
// says; those that operators added stay.
func (r *RIB) SetConfigured(list []StaticRoute) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		if err := r.checkStatic(&list[i]); err != nil {
			return err
		}
	}
	for _, n := range r.ordered() {
		for _, rt := range n.sorted() {
			if p := rt.path(Static); p != nil && !p.runtime {
				r.dropPath(rt, Static)
			}
		}
	}
	for i := range list {
		r.putStatic(r.instances[list[i].Instance], list[i], false)
	}
	return r.flush()
}

// RouteProblem says why a route of a list is not in the datapath.
type RouteProblem struct {
	Instance string
	Prefix   netip.Prefix
	Problem  string
}

// AddStatic writes routes of an operator: all or, after an error, none. It
// returns when they are in the datapath; problems lists those that are not.
// With dryRun it only checks.
func (r *RIB) AddStatic(list []StaticRoute, dryRun bool) (problems []RouteProblem, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return nil, r.fault
	}
	for i := range list {
		s := &list[i]
		if err := r.checkStatic(s); err != nil {
			return nil, err
		}
		if p := r.find(s.Instance, s.Prefix).path(Static); p != nil && !p.runtime {
			return nil, &ConfiguredError{s.Instance, s.Prefix}
		}
	}
	if dryRun {
		return nil, nil
	}
	for _, s := range list {
		n := r.instances[s.Instance]
		r.putStatic(n, s, true)
		r.pending.records.putStatic(n, s.Prefix, s.Hops)
	}
	if err := r.flush(); err != nil {
		return nil, err
	}
	for _, s := range list {
		if rt := r.find(s.Instance, s.Prefix); rt != nil && rt.State != Programmed && rt.paths != nil && rt.paths.source == Static {
			p := rt.Problem
			if p == "" {
				p = "no pipeline with tables for routes is loaded"
			}
			problems = append(problems, RouteProblem{s.Instance, s.Prefix, p})
		}
	}
	return problems, nil
}

// StaticKey names a static route.
type StaticKey struct {
	Instance string
	Prefix   netip.Prefix
}

// DeleteStatic takes routes away that AddStatic wrote: all or, after an error,
// none.
func (r *RIB) DeleteStatic(list []StaticKey, dryRun bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return r.fault
	}
	for _, k := range list {
		if r.instances[k.Instance] == nil {
			return &NotFoundError{fmt.Sprintf("network instance %q", k.Instance)}
		}
		switch p := r.find(k.Instance, k.Prefix).path(Static); {
		case p == nil:
			return &NotFoundError{fmt.Sprintf("static route %s of network instance %s", k.Prefix, k.Instance)}
		case !p.runtime:
			return &ConfiguredError{k.Instance, k.Prefix}
		}
	}
	if dryRun {
		return nil
	}
	for _, k := range list {
		if rt := r.find(k.Instance, k.Prefix); rt.path(Static) != nil {
			r.dropPath(rt, Static)
			r.pending.records.delStatic(rt.Instance, k.Prefix)
		}
	}
	return r.flush()
}

func (r *RIB) find(instance string, p netip.Prefix) *Route {
	n := r.instances[instance]
	if n == nil {
		return nil
	}
	return n.family(p.Addr()).m[keyOf(p)]
}

func (r *RIB) putStatic(n *Instance, s StaticRoute, runtime bool) {
	rt := n.family(s.Prefix.Addr()).m[keyOf(s.Prefix)]
	r.setPath(n, rt, s.Prefix, path{source: Static, runtime: runtime, group: r.implicitGroup(n, s.Hops)})
}
