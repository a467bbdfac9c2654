package ebpf

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestPackedUnderPackets changes tables while programs on another CPU look one key
// up. Entry n+1 comes before entry n goes, its prefix longer or shorter, its
// priority higher or lower; so at every moment one of two entries covers the key.
// A look-up that finds none of those that were there between its start and its end
// has seen a state that never was.
func TestPackedUnderPackets(t *testing.T) {
	shapes := append(trieShapes()[3:4], trieShapes()[7:9]...)
	shapes = append(shapes, trieShapes()[10], ruleShapes()[4], ruleShapes()[5])
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			netnstest.NeedBPF(t)
			const rounds = 100
			tab := table("t", 4*rounds, c.keys, action("NoAction"))
			l := plan(t, tab)
			k, _ := engineProgram(t, l, tab, XDP)
			w := k.writer(0)
			r := rand.New(rand.NewPCG(4, 4))
			var kv [][]byte
			for _, key := range c.keys {
				v := make([]byte, ir.ByteWidth(ir.Width(key.Expr.Type())))
				for i := range v {
					v[i] = byte(r.Uint32())
				}
				if ir.Width(key.Expr.Type()) == 9 {
					v[0] &= 1
				}
				kv = append(kv, v)
			}
			// covering makes an entry that accepts the key, or a neighbour of it.
			covering := func(handle uint32, neighbour bool) ir.Entry {
				e := ir.Entry{Handle: handle, Priority: int32(r.IntN(1000) + 1)}
				for i, key := range c.keys {
					m := ir.Match{Value: append([]byte(nil), kv[i]...)}
					n := len(m.Value)
					switch key.Kind {
					case ir.MatchLPM, ir.MatchTernary:
						m.PrefixLen = r.IntN(8*n - 1)
						if neighbour && n > 1 {
							m.PrefixLen = 8*n - r.IntN(8)
							m.Value[n-2] ^= byte(1 << r.IntN(8)) // which every such prefix covers
							if m.PrefixLen == 0 {
								m.PrefixLen = 8 * n
							}
						}
						for b := m.PrefixLen; b < 8*n; b++ {
							m.Value[b/8] &^= 0x80 >> (b % 8)
						}
						if key.Kind == ir.MatchTernary {
							m.Mask = limbsToBytes(prefixMask(8*n, m.PrefixLen), 8*n)
						}
					case ir.MatchRange:
						m.Mask = append([]byte(nil), m.Value...)
						m.Mask[0], m.Value[0] = 0xff, 0
					}
					e.Match = append(e.Match, m)
				}
				return e
			}
			// Entries beside the key, so many that rules are not scanned.
			if _, ok := l.Tables[0].Engine.(*Classes); ok {
				for h := range uint32(smallRules + 8) {
					e := covering(3*rounds+h, false)
					m := &e.Match[0]
					m.Value = []byte{kv[0][0], kv[0][1], ^kv[0][2], byte(h)}
					m.Mask, m.PrefixLen = []byte{255, 255, 255, 255}, 32
					netnstest.Check(t, w.Insert(&e))
				}
			}
			var inserted, deleted atomic.Uint32
			do := func(f func(*ir.Entry) error, e *ir.Entry) {
				netnstest.Check(t, f(e))
				netnstest.Check(t, w.Flush())
			}
			first := covering(1, false)
			do(w.Insert, &first)
			inserted.Store(1)
			stop, looks := make(chan struct{}), make(chan int)
			go func() {
				pkt, n := keyPacket(c.keys, kv), 0
				defer func() { looks <- n }()
				for {
					select {
					case <-stop:
						return
					default:
					}
					from := deleted.Load() + 1
					got, _ := k.run(0, pkt)
					if to := inserted.Load(); uint32(got) < from || uint32(got) > to {
						t.Errorf("a look-up gave %d; there were %d to %d", got, from, to)
						return
					}
					n++
				}
			}()
			last := first
			seen := map[string]bool{}
			_, rebuilt := l.Tables[0].Engine.(*Classes) // which takes longer
			for n := uint32(2); n < rounds && !(rebuilt && n == 30); n++ {
				e := covering(n, false)
				if same(&e, &last) {
					continue
				}
				inserted.Store(n) // before it is there: a look-up may find it at once
				do(w.Insert, &e)
				other := covering(2*rounds+n, true)
				id := string(other.Match[len(other.Match)-1].Value)
				if c.keys[len(c.keys)-1].Kind == ir.MatchLPM && !seen[id] {
					seen[id] = true
					do(w.Insert, &other)
					do(w.Delete, &other)
				}
				do(w.Delete, &last)
				deleted.Store(last.Handle)
				netnstest.Check(t, k.grace())
				last = e
			}
			close(stop)
			if n := <-looks; n < 20 {
				t.Errorf("only %d look-ups", n)
			}
		})
	}
}
