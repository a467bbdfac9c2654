package ebpf

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/p4nic/p4nic/compiler/ir"
)

// memory is a WriterEnv on plain memory.
type memory struct {
	values map[*MapSpec][]byte
	hashes map[*MapSpec]map[string]uint32
	epoch  uint64
	graces int
}

func newMemory() *memory {
	return &memory{values: map[*MapSpec][]byte{}, hashes: map[*MapSpec]map[string]uint32{}, epoch: 1}
}

func (m *memory) env() WriterEnv {
	return WriterEnv{
		Value: func(s *MapSpec) []byte {
			words := make([]uint64, (s.ValueSize+7)/8)
			m.values[s] = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), s.ValueSize)
			return m.values[s]
		},
		Put: func(s *MapSpec, key []byte, v uint32) error {
			if m.hashes[s] == nil {
				m.hashes[s] = map[string]uint32{}
			}
			if len(m.hashes[s]) == int(s.MaxEntries) {
				return errors.New("full")
			}
			m.hashes[s][string(key)] = v
			return nil
		},
		Delete: func(s *MapSpec, key []byte) error {
			if _, ok := m.hashes[s][string(key)]; !ok {
				return errors.New("no such key")
			}
			delete(m.hashes[s], string(key))
			return nil
		},
		Epoch: func() uint64 { return m.epoch },
		Grace: func() error { m.epoch++; m.graces++; return nil },
	}
}

// trieShape is a table for tries in tests.
type trieShape struct {
	name string
	keys []ir.Key
}

func trieShapes() []trieShape {
	ex, lpm := ir.MatchExact, ir.MatchLPM
	return []trieShape{
		{"4", []ir.Key{key("a", 4, lpm)}},
		{"16", []ir.Key{key("a", 16, lpm)}},
		{"21", []ir.Key{key("a", 21, lpm)}},
		{"32", []ir.Key{key("a", 32, lpm)}},
		{"48", []ir.Key{key("a", 48, lpm)}},
		{"64", []ir.Key{key("a", 64, lpm)}},
		{"77", []ir.Key{key("a", 77, lpm)}},
		{"128", []ir.Key{key("a", 128, lpm)}},
		{"vrf8+32", []ir.Key{key("v", 8, ex), key("a", 32, lpm)}},
		{"vrf9+7+20", []ir.Key{key("v", 9, ex), key("a", 20, lpm), key("w", 7, ex)}},
		{"exact32+32", []ir.Key{key("v", 32, ex), key("a", 32, lpm)}},
		{"exact16+128", []ir.Key{key("v", 16, ex), key("a", 128, lpm)}},
		{"exact128+48+128", []ir.Key{key("v", 128, ex), key("w", 48, ex), key("a", 128, lpm)}},
	}
}

// trieSets draws entries that lie on top of each other: few exact keys, prefixes
// that share their beginnings.
type trieSets struct {
	*rand.Rand
	keys []ir.Key
	base [][]byte // values that prefixes are near to
}

func newTrieSets(seed uint64, keys []ir.Key) *trieSets {
	s := &trieSets{Rand: rand.New(rand.NewPCG(seed, 5)), keys: keys}
	for range 6 {
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(s.Uint32())
		}
		s.base = append(s.base, b)
	}
	copy(s.base[1][:6], s.base[0])
	copy(s.base[2][:3], s.base[0])
	return s
}

// key draws a key near to the prefixes.
func (s *trieSets) key() [][]byte {
	var out [][]byte
	for _, k := range s.keys {
		w := ir.Width(k.Expr.Type())
		v := make([]byte, ir.ByteWidth(w))
		if k.Kind == ir.MatchExact {
			v[len(v)-1] = byte(s.IntN(3))
			if s.IntN(10) == 0 {
				v[0] |= 1
			}
		} else {
			copy(v, s.base[s.IntN(len(s.base))])
			for range s.IntN(3) {
				v[s.IntN(len(v))] ^= 1 << s.IntN(8)
			}
			for i := s.IntN(len(v) + 1); i < len(v); i++ {
				v[i] = byte(s.Uint32()) // anything behind a beginning that is known
			}
		}
		if r := w % 8; r > 0 {
			v[0] &= 1<<r - 1
		}
		out = append(out, v)
	}
	return out
}

func (s *trieSets) entry(handle uint32) ir.Entry {
	e := ir.Entry{Handle: handle}
	for i, v := range s.key() {
		m := ir.Match{Value: v}
		if s.keys[i].Kind == ir.MatchLPM {
			w := ir.Width(s.keys[i].Expr.Type())
			m.PrefixLen = s.IntN(w + 1)
			if s.IntN(8) == 0 {
				m.PrefixLen = w
			}
			pad := 8*len(v) - w
			for b := pad + m.PrefixLen; b < 8*len(v); b++ {
				v[b/8] &^= 0x80 >> (b % 8)
			}
		}
		e.Match = append(e.Match, m)
	}
	return e
}

// linear finds what a table of those entries says, by looking at all of them.
func linearLPM(t *ir.Table, es map[uint32]ir.Entry, key [][]byte) uint32 {
	best, length := uint32(0), -1
	for h, e := range es {
		n := 0
		for i := range e.Match {
			if t.Keys[i].Kind == ir.MatchLPM {
				n = e.Match[i].PrefixLen
			}
		}
		if n > length && matches(t, &e, key) {
			best, length = h, n
		}
	}
	return best
}

func same(a, b *ir.Entry) bool {
	for i := range a.Match {
		if !bytes.Equal(a.Match[i].Value, b.Match[i].Value) || a.Match[i].PrefixLen != b.Match[i].PrefixLen {
			return false
		}
	}
	return true
}

// TestTrieWriter holds the trie against a linear search through random changes.
func TestTrieWriter(t *testing.T) {
	for _, c := range trieShapes() {
		t.Run(c.name, func(t *testing.T) {
			const size = 300
			tab := table("t", size, c.keys, action("NoAction"))
			l := plan(t, tab)
			e, ok := l.Tables[0].Engine.(*Trie)
			if !ok {
				t.Fatalf("the engine is %s", l.Tables[0].Engine.Kind())
			}
			mem := newMemory()
			w := e.NewWriter(mem.env())
			sets := newTrieSets(uint64(len(c.name)), c.keys)
			live := map[uint32]ir.Entry{}
			free := []uint32{}
			for h := uint32(size); h > 0; h-- {
				free = append(free, h)
			}
			for step := range 1300 {
				if step == 300 {
					w.Live()
				}
				grow := step < 500 || step > 800 && step < 1100
				if len(free) > 0 && (len(live) == 0 || (sets.IntN(4) > 0) == grow) {
					en := sets.entry(free[len(free)-1])
					taken := false
					for _, x := range live {
						taken = taken || same(&x, &en)
					}
					if taken {
						continue
					}
					free = free[:len(free)-1]
					if err := w.Insert(&en); err != nil {
						t.Fatalf("step %d, %d entries: %v", step, len(live), err)
					}
					live[en.Handle] = en
				} else {
					var en ir.Entry
					k := sets.IntN(len(live))
					for _, en = range live {
						if k--; k < 0 {
							break
						}
					}
					if err := w.Delete(&en); err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					delete(live, en.Handle)
					free = append(free, en.Handle)
				}
				if step%64 == 0 {
					if err := w.Flush(); err != nil {
						t.Fatal(err)
					}
					mem.epoch++
				}
				for range 6 {
					k := sets.key()
					if got, want := w.Lookup(k), linearLPM(tab, live, k); got != want {
						t.Fatalf("step %d: key %x gives %d, want %d", step, k, got, want)
					}
				}
			}
			n := 0
			if err := w.Each(func(en *ir.Entry) error {
				want := live[en.Handle]
				if n++; len(want.Match) == 0 || !same(en, &want) {
					return fmt.Errorf("entry %v, want %v", en, want)
				}
				return nil
			}); err != nil || n != len(live) {
				t.Errorf("%d of %d entries, %v", n, len(live), err)
			}
			for h, en := range live {
				if err := w.Delete(&en); err != nil {
					t.Fatalf("handle %d: %v", h, err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			mem.epoch++
			tw := w.(*trieWriter)
			tw.a.reclaim()
			if e.exactBits > 0 && tw.a.used != 0 {
				t.Errorf("%d lines are in use by an empty table", tw.a.used)
			}
			for _, h := range mem.hashes {
				if len(h) > 0 {
					t.Errorf("%d roots of an empty table", len(h))
				}
			}
			for range 100 {
				if k := sets.key(); w.Lookup(k) != 0 {
					t.Fatalf("empty: key %x gives %d", k, w.Lookup(k))
				}
			}
		})
	}
}

// TestTrieMemory fills tries whose memory ends: what does not fit is refused and
// changes nothing, and what is deleted makes room again.
func TestTrieMemory(t *testing.T) {
	for _, c := range trieShapes()[3:] {
		t.Run(c.name, func(t *testing.T) {
			tab := table("t", 5000, c.keys, action("NoAction"))
			first := plan(t, tab).Tables[0].Engine.(*Trie).firstLine()
			l, err := PlanLayoutFor(&ir.Program{Level: ir.Core, Tables: []*ir.Table{tab}}, 2,
				LayoutOptions{Hints: map[int]Hint{0: {Units: first + 40}}})
			if err != nil {
				t.Fatal(err)
			}
			w := l.Tables[0].Engine.(*Trie).NewWriter(newMemory().env())
			w.Live()
			sets := newTrieSets(9, c.keys)
			live := map[uint32]ir.Entry{}
			refused := 0
			for h := uint32(1); h < 400; h++ {
				en := sets.entry(h)
				taken := false
				for _, x := range live {
					taken = taken || same(&x, &en)
				}
				if taken {
					continue
				}
				switch err := w.Insert(&en); {
				case errors.Is(err, ErrNoRoom):
					refused++
				case err != nil:
					t.Fatal(err)
				default:
					live[h] = en
				}
				if h%3 == 0 {
					for old, x := range live {
						if err := w.Delete(&x); err != nil {
							t.Fatal(err)
						}
						delete(live, old)
						break
					}
				}
				for range 20 {
					k := sets.key()
					if got, want := w.Lookup(k), linearLPM(tab, live, k); got != want {
						t.Fatalf("%d entries: key %x gives %d, want %d", len(live), k, got, want)
					}
				}
			}
			if refused == 0 {
				t.Error("nothing was refused")
			}
		})
	}
}

// TestArena: random blocks never overlap, and all of the memory comes back.
func TestArena(t *testing.T) {
	mem := newMemory()
	env := mem.env()
	spec := &MapSpec{Name: "a", ValueSize: 1000 * lineSize}
	a := newArena(env.Value(spec), 1000, 3, &env)
	a.live = true
	r := rand.New(rand.NewPCG(1, 1))
	type block struct {
		line  uint32
		bytes int
	}
	var have []block
	owner := make([]int, 1000)
	for step := range 20000 {
		if r.IntN(2) == 0 && len(have) > 0 {
			k := r.IntN(len(have))
			b := have[k]
			have[k] = have[len(have)-1]
			have = have[:len(have)-1]
			for i := range 1 << orderOf(b.bytes) {
				owner[int(b.line)+i] = 0
			}
			a.retire(b.line, b.bytes)
			continue
		}
		b := block{bytes: 1 + r.IntN(600)}
		var err error
		if b.line, err = a.alloc(b.bytes); err != nil {
			continue
		}
		for i := range 1 << orderOf(b.bytes) {
			l := int(b.line) + i
			if l < 3 || owner[l] != 0 {
				t.Fatalf("step %d: line %d is handed out twice", step, l)
			}
			owner[l] = step + 1
		}
		have = append(have, b)
	}
	for _, b := range have {
		a.retire(b.line, b.bytes)
	}
	mem.epoch++
	a.reclaim()
	if a.used != 0 {
		t.Errorf("%d lines are missing", a.used)
	}
	if _, err := a.alloc(512 * lineSize / 2); err != nil {
		t.Error("free halves have not become one:", err)
	}
}

func ExampleTrie() {
	p := &ir.Program{Level: ir.Core, Tables: []*ir.Table{{Name: "routes", Size: 1000,
		Keys: []ir.Key{key("dst", 32, ir.MatchLPM)}}}}
	l, err := PlanLayout(p, 1)
	fmt.Println(l.Tables[0].Engine.Kind(), err)
	// Output: trie <nil>
}
