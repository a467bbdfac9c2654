package ebpf

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// ruleShapes are tables of every mix of kinds.
func ruleShapes() []trieShape {
	ex, lpm, ter, rng, opt := ir.MatchExact, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional
	return []trieShape{
		{"ternary9", []ir.Key{key("a", 9, ter)}},
		{"range16", []ir.Key{key("a", 16, rng)}},
		{"range20", []ir.Key{key("a", 20, rng)}},
		{"range32+range17", []ir.Key{key("a", 32, rng), key("b", 17, rng)}},
		{"5-tuple", []ir.Key{key("s", 32, ter), key("d", 32, ter), key("p", 8, ter), key("x", 16, rng), key("y", 16, rng)}},
		{"mixed", []ir.Key{key("a", 32, lpm), key("b", 16, rng), key("c", 8, ter), key("d", 48, opt), key("e", 9, ex)}},
		{"wide", []ir.Key{key("s", 128, ter), key("d", 128, ter), key("p", 8, opt), key("x", 16, rng), key("y", 16, rng)}},
		{"odd", []ir.Key{key("a", 70, ter), key("b", 3, opt), key("c", 1, ex), key("d", 65, opt), key("e", 33, lpm)}},
	}
}

// ruleSets draws entries and keys near to them.
type ruleSets struct {
	*rand.Rand
	keys []ir.Key
}

func (s *ruleSets) value(w int) []byte {
	v := make([]byte, ir.ByteWidth(w))
	for i := range v {
		switch s.IntN(4) {
		case 0:
			v[i] = 0xff
		case 1:
			v[i] = byte(s.IntN(3))
		case 2:
			v[i] = byte(s.Uint32())
		}
	}
	if r := w % 8; r > 0 {
		v[0] &= 1<<r - 1
	}
	return v
}

func (s *ruleSets) entry(handle uint32, priority bool) ir.Entry {
	e := ir.Entry{Handle: handle}
	if priority {
		e.Priority = int32(s.IntN(100000) + 1)
	}
	for _, k := range s.keys {
		w := ir.Width(k.Expr.Type())
		m := ir.Match{Value: s.value(w)}
		and := func() {
			for i := range m.Value {
				m.Value[i] &= m.Mask[i]
			}
		}
		switch k.Kind {
		case ir.MatchLPM:
			m.PrefixLen = s.IntN(w + 1)
			mask := limbsToBytes(prefixMask(w, m.PrefixLen), w)
			for i := range mask {
				m.Value[i] &= mask[i]
			}
		case ir.MatchTernary:
			switch s.IntN(4) {
			case 0:
				m.Mask = make([]byte, len(m.Value))
			case 1, 2:
				m.Mask = limbsToBytes(prefixMask(w, s.IntN(w+1)), w)
			default:
				m.Mask = s.value(w)
			}
			and()
		case ir.MatchRange:
			m.Mask = s.value(w)
			for i := range m.Value {
				if m.Value[i] != m.Mask[i] {
					if m.Value[i] > m.Mask[i] {
						m.Value, m.Mask = m.Mask, m.Value
					}
					break
				}
			}
		case ir.MatchOptional:
			if s.IntN(2) == 0 {
				m.Value = nil
			}
		}
		e.Match = append(e.Match, m)
	}
	return e
}

// key draws a key near to an entry.
func (s *ruleSets) key(near *ir.Entry) [][]byte {
	var out [][]byte
	for i, k := range s.keys {
		w := ir.Width(k.Expr.Type())
		v := s.value(w)
		m := &near.Match[i]
		if m.Value != nil && s.IntN(5) > 0 {
			switch k.Kind {
			case ir.MatchTernary:
				for j := range v {
					v[j] = v[j]&^m.Mask[j] | m.Value[j]
				}
			case ir.MatchRange:
				copy(v, [][]byte{m.Value, m.Mask}[s.IntN(2)])
			default:
				copy(v, m.Value)
			}
			if s.IntN(8) == 0 {
				v[len(v)-1] ^= 1
			}
		}
		out = append(out, v)
	}
	return out
}

// linearRules finds what a table of those entries says, by looking at all of them.
func linearRules(t *ir.Table, es map[uint32]ir.Entry, key [][]byte) uint32 {
	best := uint32(0)
	bits := func(e *ir.Entry) (n int) {
		for i := range e.Match {
			if t.Keys[i].Kind == ir.MatchLPM {
				n += e.Match[i].PrefixLen
			}
		}
		return n
	}
	for h, e := range es {
		if !matches(t, &e, key) {
			continue
		}
		b := es[best]
		first := bits(&e) > bits(&b) || bits(&e) == bits(&b) && h < best
		if t.NeedsPriority() {
			first = e.Priority > b.Priority || e.Priority == b.Priority && h < best
		}
		if best == 0 || first {
			best = h
		}
	}
	return best
}

// TestClassesWriter holds the classes against a linear search: growing beyond the
// scanned form, shrinking back to it, with priorities that are equal.
func TestClassesWriter(t *testing.T) {
	for _, c := range ruleShapes() {
		t.Run(c.name, func(t *testing.T) {
			tab := table("t", 400, c.keys, action("NoAction"))
			e, ok := plan(t, tab).Tables[0].Engine.(*Classes)
			if !ok {
				t.Fatal("another engine")
			}
			mem := newMemory()
			w := e.NewWriter(mem.env())
			w.Live()
			s := &ruleSets{rand.New(rand.NewPCG(3, uint64(len(c.name)))), c.keys}
			live := map[uint32]ir.Entry{}
			next := uint32(1)
			hits := 0
			for _, target := range []int{1, 20, 33, 90, 250, 120, 33, 32, 5, 0, 70} {
				for len(live) < target {
					en := s.entry(next, tab.NeedsPriority())
					if err := w.Insert(&en); err != nil {
						t.Fatal(err)
					}
					live[next] = en
					next++
				}
				for h := range live {
					if len(live) == target {
						break
					}
					en := live[h]
					if err := w.Delete(&en); err != nil {
						t.Fatal(err)
					}
					delete(live, h)
				}
				for err := w.Flush(); err != nil; err = w.Flush() {
					// Masks at random make more classes than are planned for.
					hint, ok := w.Grow()
					if !errors.Is(err, ErrNoRoom) || !ok {
						t.Fatal(err, hint)
					}
					l, err := PlanLayoutFor(&ir.Program{Level: ir.Core, Tables: []*ir.Table{tab}}, 2, LayoutOptions{Hints: map[int]Hint{0: hint}})
					if err != nil {
						t.Fatal(err)
					}
					w = l.Tables[0].Engine.(*Classes).NewWriter(mem.env())
					w.Live()
					for _, en := range live {
						if err := w.Insert(&en); err != nil {
							t.Fatal(err)
						}
					}
				}
				var some []ir.Entry
				for _, en := range live {
					some = append(some, en)
				}
				some = append(some, s.entry(0, false))
				for range 300 {
					k := s.key(&some[s.IntN(len(some))])
					want := linearRules(tab, live, k)
					if got := w.Lookup(k); got != want {
						t.Fatalf("%d entries: key %x gives %d, want %d", target, k, got, want)
					}
					if want != 0 {
						hits++
					}
				}
			}
			if hits < 500 {
				t.Errorf("only %d keys hit", hits)
			}
			if mem.graces == 0 {
				t.Error("a half was written again without a grace period")
			}
		})
	}
}

// Ranges over several chunks: every pair of bounds of a short key, every key.
func TestClassesRanges(t *testing.T) {
	tab := table("t", 40, []ir.Key{key("a", 18, ir.MatchRange)}, action("NoAction"))
	e := plan(t, tab).Tables[0].Engine.(*Classes)
	be := func(v uint32) []byte { return []byte{byte(v >> 16), byte(v >> 8), byte(v)} }
	points := []uint32{0, 1, 0xffff, 0x10000, 0x10001, 0x1ffff, 0x20000, 0x2fffe, 0x2ffff, 0x30000, 0x3fffe, 0x3ffff}
	for _, lo := range points {
		for _, hi := range points {
			if lo > hi {
				continue
			}
			m := ir.Match{Value: be(lo), Mask: be(hi)}
			rules := e.products(0, &m)
			if len(rules) > 3 {
				t.Errorf("%#x..%#x takes %d rules", lo, hi, len(rules))
			}
			for _, v := range points {
				n := 0
				for _, r := range rules {
					in := true
					for i, c := range e.chunks {
						x := c.value([][]byte{be(v)})
						in = in && r[c.part].lo <= x && x <= r[c.part].hi
						_ = i
					}
					if in {
						n++
					}
				}
				want := 0
				if lo <= v && v <= hi {
					want = 1
				}
				if n != want {
					t.Errorf("%#x..%#x: %#x is in %d rules, want %d", lo, hi, v, n, want)
				}
			}
		}
	}
}

// TestClassesFull: entries beyond the rules or the rows are refused one by one,
// and what is there stays.
func TestClassesFull(t *testing.T) {
	tab := table("t", 5000, []ir.Key{key("a", 16, ir.MatchTernary), key("b", 16, ir.MatchRange)}, action("NoAction"))
	l, err := PlanLayoutFor(&ir.Program{Level: ir.Core, Tables: []*ir.Table{tab}}, 2, LayoutOptions{Hints: map[int]Hint{0: {Units: 150}}})
	if err != nil {
		t.Fatal(err)
	}
	w := l.Tables[0].Engine.(*Classes).NewWriter(newMemory().env())
	w.Live()
	live := map[uint32]ir.Entry{}
	for h := uint32(1); h <= 200; h++ {
		v := []byte{byte(h >> 8), byte(h)}
		en := ir.Entry{Handle: h, Priority: int32(h), Match: []ir.Match{{Value: v, Mask: []byte{0xff, 0xff}}, {Value: v, Mask: v}}}
		if err := w.Insert(&en); err != nil {
			t.Fatal(err)
		}
		live[h] = en
	}
	var r *Refused
	if err := w.Flush(); !errors.As(err, &r) || !errors.Is(err, ErrNoRoom) {
		t.Fatal(err)
	}
	for _, h := range r.Handles {
		delete(live, h)
	}
	// n values have n + 1 classes in one chunk and 2n + 1, less where ranges meet,
	// in the other.
	if len(live) < 60 || len(live) > 80 || live[1].Handle != 1 {
		t.Errorf("%d entries fit", len(live))
	}
	for h := range uint32(220) {
		k := [][]byte{{byte(h >> 8), byte(h)}, {byte(h >> 8), byte(h)}}
		if got := w.Lookup(k); got != live[h].Handle {
			t.Errorf("key %d gives %d", h, got)
		}
	}
	wide := table("r", 1000, []ir.Key{key("a", 128, ir.MatchRange), key("b", 128, ir.MatchRange), key("c", 128, ir.MatchRange)}, action("NoAction"))
	w = plan(t, wide).Tables[0].Engine.(*Classes).NewWriter(newMemory().env())
	lo, hi := make([]byte, 16), make([]byte, 16)
	for i := range lo {
		lo[i], hi[i] = 1, 0xf1
	}
	m := ir.Match{Value: lo, Mask: hi}
	if err := w.Insert(&ir.Entry{Handle: 1, Priority: 1, Match: []ir.Match{m, m, m}}); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
}

// BenchmarkClassesRebuild is what a batch costs.
func BenchmarkClassesRebuild(b *testing.B) {
	for _, n := range []int{1000, 4000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tab := table("t", n, []ir.Key{key("s", 32, ir.MatchTernary), key("d", 32, ir.MatchTernary), key("p", 8, ir.MatchTernary),
				key("x", 16, ir.MatchRange), key("y", 16, ir.MatchRange)}, action("NoAction"))
			e := plan(b, tab).Tables[0].Engine.(*Classes)
			w := e.NewWriter(newMemory().env()).(*classesWriter)
			s := &ruleSets{rand.New(rand.NewPCG(3, 3)), tab.Keys}
			for h := range n {
				en := s.entry(uint32(h+1), true)
				for i := range 2 {
					mask := limbsToBytes(prefixMask(32, 8+s.IntN(25)), 32)
					for j := range mask {
						en.Match[i].Value[j] &= mask[j]
					}
					en.Match[i].Mask = mask
				}
				if err := w.Insert(&en); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				w.dirty = true
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
