package ref

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/bench"
)

// Scenario is candidates with the same task.
type Scenario struct {
	Title      string
	Hook       bench.Hook
	Frames     *bench.Frames
	Candidates []*bench.Candidate
	Base       string
	// KeySize and Entries are those of the biggest table, for the yardstick.
	KeySize, Entries int
	// MemoryBound: what it costs hangs on caches; its intervals are wider.
	MemoryBound bool

	closers []func()
}

// Close frees programs and maps.
func (s *Scenario) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

// OnClose adds what Close does.
func (s *Scenario) OnClose(f func()) { s.closers = append(s.closers, f) }

// Run measures the scenario. It must run inside bench.Isolated.
func (s *Scenario) Run(cfg bench.Config) (*bench.Result, error) {
	cfg.KeySize, cfg.Entries = s.KeySize, s.Entries
	if s.MemoryBound && cfg.Target == 0 {
		cfg.Target = 0.08
	}
	r, err := bench.NewRig(s.Hook, s.Frames, s.Candidates, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Title, err)
	}
	defer r.Close()
	return r.Run(s.Title, s.Base)
}

// add loads one variant of a reference and makes it a candidate.
func (s *Scenario) add(v variant, file, program, what string, want func(i int, frame []byte) []byte, fill func(*tables) error) error {
	v.hook = s.Hook
	coll, spec, err := v.load(file)
	if err != nil {
		return err
	}
	s.OnClose(coll.Close)
	t := &tables{coll: coll, p4nic: v.p4nic}
	if err := fill(t); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if t.err != nil {
		return fmt.Errorf("%s: %w", file, t.err)
	}
	c := candidate(coll, spec, program)
	c.Name, c.Verdict, c.Want = fmt.Sprintf("C %s, %s", what, v), Redirected(s.Hook), want
	s.Candidates = append(s.Candidates, c)
	return nil
}

// tables writes into the maps of a reference; the first error stays.
type tables struct {
	coll  *ebpf.Collection
	p4nic bool
	err   error
}

func (t *tables) put(name string, key, value any) {
	if t.err != nil {
		return
	}
	m := t.coll.Maps[name]
	if m == nil {
		t.err = fmt.Errorf("there is no map %s", name)
		return
	}
	if err := m.Put(key, value); err != nil {
		t.err = fmt.Errorf("map %s: %w", name, err)
	}
}

// array writes the first values of an array.
func (t *tables) array(name string, values []uint32) {
	keys := make([]uint32, len(values))
	for i := range keys {
		keys[i] = uint32(i)
	}
	if t.err != nil || len(values) == 0 {
		return
	}
	if _, err := t.coll.Maps[name].BatchUpdate(keys, values, nil); err != nil {
		t.err = fmt.Errorf("map %s: %w", name, err)
	}
}

// entry writes a small value under a key: in place, or over a handle from 1 on as
// the parameter of action 0.
func (t *tables) entry(match, entries string, handle uint32, key any, value uint32) {
	if !t.p4nic {
		t.put(match, key, value)
		return
	}
	t.put(match, key, handle)
	t.put(entries, handle, uint64(value))
}

// both are the variants of every reference, p4nic's tables first.
func both(defs ...string) []variant {
	return []variant{{p4nic: true, defs: defs}, {defs: defs}}
}

// destinations is the number of frames for n entries: enough to be fresh, no
// more than are needed to reach every entry some times.
func destinations(n int) int {
	f := 1 << 12
	for f < 4*n && f < 1<<20 {
		f *= 2
	}
	return f
}

// MemoryBound tells whether n entries and what leads to them leave the caches
// next to the core, which other processes use as well.
func MemoryBound(n int) bool { return n > 4000 }
