package ref

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// AddRouter adds the reference that does by hand what p4src/router.p4 does with
// IPv4, on the maps of the compiled program: given by the reference's names, and
// the strides of its counters. without are parts to leave out (NO_... in
// router.bpf.c).
func (s *Scenario) AddRouter(net *Network, given map[string]*ebpf.Map, strides map[string]uint32, without ...string) error {
	v := variant{hook: s.Hook, p4nic: true, defs: without}
	name, note := "C router, its tables", "the same function, on router.p4's own maps"
	if len(without) > 0 {
		name, note = "C router, "+strings.Join(without, " "), ""
	}
	spec, err := v.spec("router")
	if err != nil {
		return err
	}
	replace := map[string]*ebpf.Map{}
	for name, m := range spec.Maps {
		if strings.HasPrefix(name, ".") {
			continue
		}
		own := given[name]
		if own == nil {
			return fmt.Errorf("router.bpf.c wants a map %s; the program has %v", name, slices.Sorted(maps.Keys(given)))
		}
		// The reference fixes what it relies on, key and value; the rest is the
		// program's.
		if m.KeySize != own.KeySize() || m.ValueSize != own.ValueSize() || m.Type != own.Type() {
			return fmt.Errorf("map %s: the program's is %s with keys of %d and values of %d bytes, router.bpf.c knows %s with %d and %d: bring it up to date",
				name, own.Type(), own.KeySize(), own.ValueSize(), m.Type, m.KeySize, m.ValueSize)
		}
		m.MaxEntries, m.Flags = own.MaxEntries(), own.Flags()
		replace[name] = own
	}
	for name, n := range strides {
		variable := spec.Variables[name]
		if variable == nil && len(without) > 0 {
			continue
		}
		if variable == nil {
			return fmt.Errorf("router.bpf.c has no variable %s", name)
		}
		if err := variable.Set(n); err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		return fmt.Errorf("router.bpf.c: %w", err)
	}
	s.OnClose(coll.Close)
	c := candidate(coll, spec, "router")
	c.Name, c.Note, c.Verdict, c.Want = name, note, Redirected(s.Hook), net.Want
	s.Candidates = append(s.Candidates, c)
	return nil
}
