package rib

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"unicode/utf8"
)

// prefixKey is a prefix in the form that a map hashes fast.
type prefixKey struct {
	hi, lo uint64
	bits   int
}

func keyOf(p netip.Prefix) prefixKey { return keyAt(p.Addr(), p.Bits()) }

// keyAt is the key of the prefix of a of that length.
func keyAt(a netip.Addr, bits int) prefixKey {
	var k prefixKey
	if a.Is4() {
		b := a.As4()
		k.hi = uint64(binary.BigEndian.Uint32(b[:])) << 32
	} else {
		b := a.As16()
		k.hi, k.lo = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	}
	switch {
	case bits <= 64:
		k.lo = 0
		k.hi &= ^uint64(0) << (64 - bits) // a shift by 64 gives 0
	default:
		k.lo &= ^uint64(0) << (128 - bits)
	}
	k.bits = bits
	return k
}

// routes are the routes of one family.
type routes struct {
	m    map[prefixKey]*Route
	lens [129]int // routes of each prefix length
}

func (s *routes) put(r *Route) {
	s.m[keyOf(r.Prefix)] = r
	s.lens[r.Prefix.Bits()]++
}

func (s *routes) remove(r *Route) {
	delete(s.m, keyOf(r.Prefix))
	s.lens[r.Prefix.Bits()]--
}

func (n *Instance) family(a netip.Addr) *routes {
	if a.Is4() {
		return &n.v4
	}
	return &n.v6
}

// Lookup is the best route of the longest prefix that covers a, or nil. It looks
// at one key a prefix length in use.
func (n *Instance) Lookup(a netip.Addr) *Route {
	s := n.family(a)
	for bits := a.BitLen(); bits >= 0; bits-- {
		if s.lens[bits] == 0 {
			continue
		}
		if r := s.m[keyAt(a, bits)]; r != nil && r.paths != nil {
			return r
		}
	}
	return nil
}

func newInstance(c InstanceConfig) *Instance {
	return &Instance{Name: c.Name, ID: c.ID, hops: map[uint64]*Hop{}, groups: map[uint64]*Group{},
		implicit: map[string]*Group{}, shared: map[HopSpec]*Hop{},
		v4: routes{m: map[prefixKey]*Route{}}, v6: routes{m: map[prefixKey]*Route{}}}
}

// maxName bounds names of instances; OpenConfig gives no bound.
const maxName = 255

func checkInstances(cs []InstanceConfig) error {
	var errs []error
	names, ids := map[string]bool{}, map[uint32]string{}
	for _, c := range cs {
		switch {
		case c.Name == "" || len(c.Name) > maxName || !utf8.ValidString(c.Name):
			errs = append(errs, fmt.Errorf("network instance %q: a name of 1 to %d bytes of UTF-8 is wanted", c.Name, maxName))
		case names[c.Name]:
			errs = append(errs, fmt.Errorf("network instance %s is there twice", c.Name))
		case ids[c.ID] != "":
			errs = append(errs, fmt.Errorf("network instances %s and %s have the same id %d", ids[c.ID], c.Name, c.ID))
		}
		names[c.Name] = true
		if ids[c.ID] == "" {
			ids[c.ID] = c.Name
		}
	}
	return errors.Join(errs...)
}

// InUseError says that an instance cannot be removed.
type InUseError struct{ Instance, By string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("network instance %s is in use: %s", e.Instance, e.By)
}

// Instances is the configured list, by name.
func (r *RIB) Instances() []InstanceConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []InstanceConfig
	for _, n := range r.ordered() {
		out = append(out, InstanceConfig{Name: n.Name, ID: n.ID})
	}
	return out
}

func (r *RIB) ordered() []*Instance {
	return slices.SortedFunc(maps.Values(r.instances), func(a, b *Instance) int { return cmp.Compare(a.Name, b.Name) })
}

// changeInstances says what SetInstances would do: the instances that are new
// and those that go.
func (r *RIB) changeInstances(cs []InstanceConfig) (add, remove []InstanceConfig, err error) {
	if err := checkInstances(cs); err != nil {
		return nil, nil, err
	}
	wanted := map[string]uint32{}
	for _, c := range cs {
		wanted[c.Name] = c.ID
		have := r.instances[c.Name]
		switch {
		case have == nil:
			add = append(add, c)
		case have.ID != c.ID:
			return nil, nil, fmt.Errorf("network instance %s has id %d: an id does not change; remove the instance first", c.Name, have.ID)
		}
	}
	for _, n := range r.ordered() {
		if _, ok := wanted[n.Name]; !ok {
			remove = append(remove, InstanceConfig{Name: n.Name, ID: n.ID})
		}
	}
	going := map[string]bool{}
	for _, c := range remove {
		going[c.Name] = true
	}
	// What an instance that stays uses in one that goes would hang.
	for _, n := range r.ordered() {
		if going[n.Name] {
			continue
		}
		for _, rt := range n.sorted() {
			for p := rt.paths; p != nil; p = p.next {
				if p.group != nil && going[p.group.Instance.Name] {
					return nil, nil, &InUseError{p.group.Instance.Name, fmt.Sprintf("route %s of instance %s uses its group %d", rt.Prefix, n.Name, p.group.ID)}
				}
			}
		}
	}
	return add, remove, nil
}

// SetInstances makes the list of network instances what cs says. What it adds
// to Options.Instances is remembered over a restart; what it takes away from them
// comes back with the next start. An instance
// that is not in it goes with everything that it holds, also from the FIB;
// naming it again does not bring that back (gribi:GR66). Errors change nothing.
func (r *RIB) SetInstances(cs []InstanceConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return r.fault
	}
	add, remove, err := r.changeInstances(cs)
	if err != nil {
		return err
	}
	for _, c := range remove {
		r.dropRoutes(r.instances[c.Name])
		r.pending.records.dropInstance(c.Name)
	}
	// After the routes of all, which may use each other's groups.
	for _, c := range remove {
		r.dropObjects(r.instances[c.Name])
	}
	for _, c := range add {
		r.instances[c.Name] = newInstance(c)
	}
	r.added = nil
	for _, c := range cs {
		if !r.configured[c.Name] {
			r.added = append(r.added, c)
		}
	}
	r.pending.records.instances(r.added)
	err = r.flush()
	for _, c := range remove {
		delete(r.instances, c.Name)
	}
	return err
}

// readded makes the instances that were added at run time those of the journal;
// those of the options stay, and win where names or ids collide.
func (r *RIB) readded(cs []InstanceConfig) {
	for _, c := range r.added {
		delete(r.instances, c.Name)
	}
	r.added = nil
	for _, c := range cs {
		clash := r.instances[c.Name] != nil
		for _, n := range r.instances {
			clash = clash || n.ID == c.ID
		}
		if clash {
			r.log.Warn("a network instance that was added at run time collides with the configuration", "name", c.Name, "id", c.ID)
			continue
		}
		r.instances[c.Name] = newInstance(c)
		r.added = append(r.added, c)
	}
}

// dropRoutes takes all routes out of an instance.
func (r *RIB) dropRoutes(n *Instance) {
	for _, rt := range n.sorted() {
		for rt.paths != nil {
			r.dropPath(rt, rt.paths.source)
		}
	}
}

// dropObjects takes the groups and hops of gRIBI that nothing uses; kept tells
// whether any is left.
func (r *RIB) dropObjects(n *Instance) (kept bool) {
	// A group may be another's backup, so those without users go first, again and
	// again; chains are short.
	for again := true; again; {
		again, kept = false, false
		for _, id := range slices.Sorted(maps.Keys(n.groups)) {
			g := n.groups[id]
			if g.routes > 0 || len(g.backups) > 0 {
				kept = true
				continue
			}
			again = again || g.Backup != nil
			r.dropGroup(g)
		}
		again = again && kept
	}
	for _, index := range slices.Sorted(maps.Keys(n.hops)) {
		if h := n.hops[index]; len(h.users) > 0 {
			kept = true
		} else {
			r.dropHop(h)
		}
	}
	return kept
}

// sorted are the routes of an instance, IPv4 first, by address and length.
func (n *Instance) sorted() []*Route {
	var out []*Route
	for _, s := range []*routes{&n.v4, &n.v6} {
		at := len(out)
		for _, rt := range s.m {
			out = append(out, rt)
		}
		slices.SortFunc(out[at:], func(a, b *Route) int { return a.Prefix.Compare(b.Prefix) })
	}
	return out
}
