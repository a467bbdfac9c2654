package rib

import (
	"cmp"
	"fmt"
)

// Election is a 128-bit election id of gRIBI.
type Election struct{ High, Low uint64 }

// Compare orders election ids as numbers of 128 bits (gribi:GR21).
func (e Election) Compare(o Election) int {
	return cmp.Or(cmp.Compare(e.High, o.High), cmp.Compare(e.Low, o.Low))
}

// Elected is the highest election id that any client of gRIBI ever sent; it
// survives the daemon (gribi:GR27).
func (r *RIB) Elected() Election {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.elected
}

// SetElected remembers e when it is higher than what was.
func (r *RIB) SetElected(e Election) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return r.fault
	}
	if e.Compare(r.elected) <= 0 {
		return nil
	}
	r.elected = e
	r.pending.records.election(e)
	return r.flush()
}

// FlushGRIBI takes all entries of gRIBI out of one instance, or out of all with
// "". kept tells that groups or next hops stay because routes of other instances
// use them (gribi:GR60). It returns when the datapath is without them; the error
// names the first that could not be taken out of it (gribi:GR65).
func (r *RIB) FlushGRIBI(instance string) (kept bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return false, r.fault
	}
	var list []*Instance
	if instance == "" {
		list = r.ordered()
	} else {
		n := r.instances[instance]
		if n == nil {
			return false, &NotFoundError{fmt.Sprintf("network instance %q", instance)}
		}
		list = []*Instance{n}
	}
	var gone []*Route
	for _, n := range list {
		for _, rt := range n.sorted() {
			if rt.path(GRIBI) != nil {
				r.dropPath(rt, GRIBI)
				r.pending.records.delRoute(n, rt.Prefix)
				gone = append(gone, rt)
			}
		}
	}
	for _, n := range list {
		if r.dropObjects(n) {
			kept = true
		}
	}
	r.journalDropped()
	if err := r.flush(); err != nil {
		return kept, err
	}
	for _, rt := range gone {
		if rt.paths == nil && rt.FIB.Present {
			return kept, fmt.Errorf("prefix %s of instance %s: %s", rt.Prefix, rt.Instance.Name, rt.Problem)
		}
	}
	return kept, nil
}

// journalDropped notes the groups and hops of gRIBI that are pending as gone:
// users before what they use.
func (r *RIB) journalDropped() {
	for _, g := range r.pending.Groups {
		if g.gone && g.ID != 0 {
			r.pending.records.delGroup(g.Instance, g.ID)
		}
	}
	for _, h := range r.pending.Hops {
		if h.gone && h.Index != 0 {
			r.pending.records.delHop(h.Instance, h.Index)
		}
	}
}
