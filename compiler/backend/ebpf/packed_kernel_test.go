package ebpf

import (
	"math/rand/v2"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// keyPacket is a key as engineProgram reads it.
func keyPacket(keys []ir.Key, kv [][]byte) (pkt []byte) {
	for i, k := range keys {
		for _, limb := range bytesToLimbs(kv[i], ir.Width(k.Expr.Type())) {
			for s := 56; s >= 0; s -= 8 {
				pkt = append(pkt, byte(limb>>s))
			}
		}
	}
	return pkt
}

func planHint(t testing.TB, h Hint, tab *ir.Table) *Layout {
	t.Helper()
	l, err := PlanLayoutFor(&ir.Program{Level: ir.Core, Tables: []*ir.Table{tab}}, 2, LayoutOptions{Hints: map[int]Hint{0: h}})
	netnstest.Check(t, err)
	return l
}

// TestTrieKernel: programs find what the writer's own look-up finds, which
// TestTrieWriter holds against a linear search, in tries large enough for every
// form of node.
func TestTrieKernel(t *testing.T) {
	for _, c := range trieShapes() {
		t.Run(c.name, func(t *testing.T) {
			netnstest.NeedBPF(t)
			const size = 9000
			tab := table("t", size, c.keys, action("NoAction"))
			l := planHint(t, Hint{Units: 70000}, tab)
			k, _ := engineProgram(t, l, tab, XDP)
			w := k.writer(0)
			sets := newTrieSets(11, c.keys)
			seen := map[string]bool{}
			hits := 0
			for h := uint32(1); h <= size; h++ {
				en := sets.entry(h)
				id := ""
				for _, m := range en.Match {
					id += string(m.Value) + string(rune(m.PrefixLen))
				}
				if !seen[id] {
					seen[id] = true
					netnstest.Check(t, w.Insert(&en))
				}
				if h%10 != 0 && h < size-500 {
					continue
				}
				kv := sets.key()
				want := w.Lookup(kv)
				if got, _ := k.run(0, keyPacket(c.keys, kv)); uint32(got) != want {
					t.Fatalf("%d entries: key %x gives %d, want %d", h, kv, got, want)
				}
				if want != 0 {
					hits++
				}
			}
			if hits < 500 {
				t.Errorf("only %d keys hit", hits)
			}
		})
	}
}

// TestClassesKernel: the same for classes, with one, two and three summary words
// and with chunks of 8 bits.
func TestClassesKernel(t *testing.T) {
	for _, c := range ruleShapes() {
		for _, n := range []int{500, 5000, 10000} {
			if n > 500 && c.name != "5-tuple" {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				netnstest.NeedBPF(t)
				tab := table("t", n, c.keys, action("NoAction"))
				hint := Hint{Narrow: true}
				if c.name == "wide" { // too many chunks
					hint = Hint{Units: 200000}
				}
				l := planHint(t, hint, tab)
				k, _ := engineProgram(t, l, tab, TC)
				w := k.writer(0)
				s := &ruleSets{rand.New(rand.NewPCG(8, uint64(n))), c.keys}
				var es []ir.Entry
				for h := range uint32(n) {
					en := s.entry(h+1, tab.NeedsPriority())
					netnstest.Check(t, w.Insert(&en))
					es = append(es, en)
				}
				netnstest.Check(t, w.Flush())
				hits := 0
				for range 1000 {
					kv := s.key(&es[s.IntN(len(es))])
					want := w.Lookup(kv)
					if got, _ := k.run(0, keyPacket(c.keys, kv)); uint32(got) != want {
						t.Fatalf("%d entries: key %x gives %d, want %d", n, kv, got, want)
					}
					if want != 0 {
						hits++
					}
				}
				if hits < 300 {
					t.Errorf("only %d keys hit", hits)
				}
			})
		}
	}
}
