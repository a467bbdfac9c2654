package ebpf

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// The dispatcher follows the cell to each generation, passes what it does not
// find, and comes back (D3).
func TestDispatcher(t *testing.T) {
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			netnstest.NeedBPF(t)
			maps := map[string]*ebpf.Map{}
			disp := Dispatcher(h)
			makeMaps(t, disp.Maps, maps)
			dp := loadProg(t, disp, maps)
			progs := maps[MapProgsXDP]
			pass := uint32(xdpPass)
			if h == TC {
				progs, pass = maps[MapProgsTC], uint32(0xffffffff)
			}
			for gen := range uint8(3) {
				// A program that returns 40 + its generation.
				l := plan(t)
				f := newFn(l)
				f.block("entry").drop(ssa.DropProgram)
				obj, err := Compile(f.Func, l, Options{Hook: h, Harness: true})
				if err != nil {
					t.Fatal(err)
				}
				// The verdict goes into a register, then into r0.
				for i := range obj.Insns {
					if ins := &obj.Insns[i]; ins.OpCode.JumpOp() == asm.Exit {
						obj.Insns[i-1] = asm.Mov.Imm(asm.R0, int32(40+gen))
					}
				}
				m := map[string]*ebpf.Map{}
				makeMaps(t, obj.Maps, m)
				netnstest.Check(t, progs.Put(ProgSlot(gen, 0), loadProg(t, obj, m)))
			}
			for _, c := range []struct {
				cell uint64
				want uint32
			}{
				{0, 40}, {CellWord(1, 0), 40}, {CellWord(2, 2), 42}, {CellWord(3, 1), 41},
				{CellWord(4, 3), pass}, {CellWord(5, 200), pass}, {CellWord(1<<55, 1), 41},
			} {
				netnstest.Check(t, maps[MapCell].Put(uint32(0), c.cell))
				got, err := dp.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
				netnstest.Check(t, err)
				if got != c.want {
					t.Errorf("cell %#x: %d, want %d", c.cell, got, c.want)
				}
				if s, g := CellParts(c.cell); CellWord(s, g) != c.cell {
					t.Errorf("cell %#x is %d, %d", c.cell, s, g)
				}
			}
		})
	}
}

// The kernel shows P4 lines: file, line, column and text (fe:9).
func TestLineInfo(t *testing.T) {
	netnstest.NeedBPF(t)
	p := router(t)
	for _, h := range []Hook{XDP, TC} {
		w := newTwin(t, p, ssa.Options{}, Options{Hook: h, StartOffset: 14, Harness: true})
		info, err := w.k.prog.Info()
		netnstest.Check(t, err)
		lines, err := info.LineInfos()
		netnstest.Check(t, err)
		seen := map[string]bool{}
		for _, l := range lines {
			if strings.HasSuffix(l.Line.FileName(), "router.p4") {
				seen[strings.TrimSpace(l.Line.Line())] = true
				if l.Line.LineNumber() == 0 || l.Line.LineColumn() == 0 {
					t.Errorf("%s: line %d column %d", l.Line.Line(), l.Line.LineNumber(), l.Line.LineColumn())
				}
			}
		}
		for _, want := range []string{"packet.extract(hdr.ipv4);", "hdr.ipv4.ttl = hdr.ipv4.ttl - 1;", "table acl {"} {
			if !seen[want] {
				t.Errorf("%s: no instruction has the line %q", h, want)
			}
		}
		funcs, err := info.FuncInfos()
		netnstest.Check(t, err)
		if len(funcs) < 3 || funcs[0].Func.Name != "p4_router" {
			t.Errorf("%d functions", len(funcs))
		}
		n, _ := info.VerifiedInstructions()
		t.Logf("%s: %d lines, %d instructions, verifier walked %d", h, len(seen), len(w.k.obj.Insns), n)
		if n > 400000 {
			t.Errorf("%s: the verifier walked %d instructions, too near its limit", h, n)
		}
	}
}

// Compiling is a function of its arguments: same instructions, same maps.
func TestDeterministic(t *testing.T) {
	p := router(t)
	var want string
	for range 3 {
		f, err := ssa.Lower(p, ssa.Options{})
		netnstest.Check(t, err)
		l, err := PlanLayout(p, 4)
		netnstest.Check(t, err)
		o, err := Compile(f, l, Options{Hook: TC})
		netnstest.Check(t, err)
		got := fmt.Sprintf("%s%s", o.Insns, l.Digest())
		for _, m := range o.Maps {
			got += m.Name + m.Digest()
		}
		if want != "" && got != want {
			t.Fatal("two builds differ")
		}
		want = got
	}
}

// matches is a second definition of matching, over big-endian bytes.
func matches(t *ir.Table, e *ir.Entry, key [][]byte) bool {
	cmp := func(a, b []byte) int {
		for i := range a {
			if a[i] != b[i] {
				return int(a[i]) - int(b[i])
			}
		}
		return 0
	}
	for i, m := range e.Match {
		v, w := key[i], ir.Width(t.Keys[i].Expr.Type())
		switch t.Keys[i].Kind {
		case ir.MatchExact:
			if cmp(v, m.Value) != 0 {
				return false
			}
		case ir.MatchOptional:
			if m.Value != nil && cmp(v, m.Value) != 0 {
				return false
			}
		case ir.MatchLPM:
			for b := range m.PrefixLen {
				bit := len(v)*8 - w + b
				if (v[bit/8]^m.Value[bit/8])>>(7-bit%8)&1 != 0 {
					return false
				}
			}
		case ir.MatchTernary:
			for j := range m.Mask {
				if (v[j]^m.Value[j])&m.Mask[j] != 0 {
					return false
				}
			}
		case ir.MatchRange:
			if m.Mask != nil && (cmp(v, m.Value) < 0 || cmp(v, m.Mask) > 0) {
				return false
			}
		}
	}
	return true
}

// Every engine against a linear search, on keys of odd widths; rows move from
// one half to the other.
func TestEngines(t *testing.T) {
	ex, lpm, ter, rng, opt := ir.MatchExact, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional
	for _, c := range []struct {
		name string
		keys []ir.Key
	}{
		{"array9", []ir.Key{key("a", 9, ex)}},
		{"hash", []ir.Key{key("a", 3, ex), key("b", 48, ex), key("c", 128, ex), key("d", 1, ex)}},
		{"hash100", []ir.Key{key("a", 100, ex)}},
		{"hashWide", []ir.Key{key("a", 500, ex), key("b", 512, ex)}},
		{"lpm20", []ir.Key{key("a", 20, lpm)}},
		{"lpm128", []ir.Key{key("b", 16, ex), key("a", 128, lpm), key("c", 70, ex), key("d", 3, ex)}},
		{"lpm48", []ir.Key{key("a", 48, lpm), key("v", 12, ex)}},
		{"ternary", []ir.Key{key("a", 128, ter), key("b", 48, ter), key("c", 9, opt), key("d", 5, ex)}},
		{"range", []ir.Key{key("a", 16, rng), key("b", 63, rng), key("c", 64, rng)}},
		{"rangeWide", []ir.Key{key("a", 128, rng), key("b", 70, rng)}},
		{"mixed", []ir.Key{key("a", 32, lpm), key("b", 16, rng), key("c", 8, ter), key("d", 128, opt)}},
	} {
		for _, h := range []Hook{XDP, TC} {
			t.Run(c.name+"/"+h.String(), func(t *testing.T) {
				netnstest.NeedBPF(t)
				r := randomizer{rand.New(rand.NewPCG(8, 8))}
				tab := table("t", 300, c.keys, action("NoAction"))
				l := plan(t, tab)
				k, size := engineProgram(t, l, tab, h)
				var es []ir.Entry
				for len(es) < 40 {
					e := ir.Entry{Handle: uint32(len(es) + 1)}
					for _, k := range tab.Keys {
						m := r.match(k)
						// The pools are for whole fields; odd widths get few bits.
						if w := ir.Width(k.Expr.Type()); w > 128 {
							m.Value = make([]byte, ir.ByteWidth(w))
							m.Value[len(m.Value)-1] = byte(r.IntN(4))
						}
						e.Match = append(e.Match, m)
					}
					if tab.NeedsPriority() {
						e.Priority = int32(r.IntN(5000) + 1)
					}
					if dup(tab, es, e) {
						if r.IntN(50) == 0 {
							break
						}
						continue
					}
					es = append(es, e)
				}
				eng := l.Tables[0].Engine
				for i := range es {
					if _, ok := eng.(Packed); ok {
						netnstest.Check(t, k.writer(0).Insert(&es[i]))
						netnstest.Check(t, k.writer(0).Flush())
					}
					if kd, ok := eng.(Keyed); ok {
						b, err := kd.EncodeKey(&es[i])
						netnstest.Check(t, err)
						netnstest.Check(t, k.maps[kd.Map().Name].Put(b, es[i].Handle))
					}
				}
				hits := 0
				for n := range 600 {
					if _, ok := eng.(*Linear); ok && n%200 == 0 {
						k.setRows(0, n/200&1, es)
					}
					var pkt []byte
					var kv [][]byte
					from := es[r.IntN(len(es))]
					for i, kk := range tab.Keys {
						w := ir.Width(kk.Expr.Type())
						v := make([]byte, ir.ByteWidth(w))
						copy(v, from.Match[i].Value)
						if r.IntN(3) == 0 || from.Match[i].Value == nil {
							copy(v, r.value(min(w, 128)))
							if w > 128 {
								v = make([]byte, len(v))
								v[len(v)-1] = byte(r.IntN(4))
							}
						}
						if r.IntN(6) == 0 {
							v[len(v)-1] ^= 1
						}
						kv = append(kv, v)
						for _, limb := range bytesToLimbs(v, w) {
							for s := 56; s >= 0; s -= 8 {
								pkt = append(pkt, byte(limb>>s))
							}
						}
					}
					want := uint64(0)
					var best *ir.Entry
					plen := func(e *ir.Entry) (n int) {
						for i := range e.Match {
							if tab.Keys[i].Kind == lpm {
								n += e.Match[i].PrefixLen
							}
						}
						return n
					}
					for i := range es {
						e := &es[i]
						if matches(tab, e, kv) && (best == nil || e.Priority > best.Priority || e.Priority == best.Priority && plen(e) > plen(best)) {
							best, want = e, uint64(e.Handle)
						}
					}
					if best != nil {
						hits++
					}
					if len(pkt) != size {
						t.Fatal(len(pkt), size)
					}
					got, _ := k.run(0, pkt)
					if uint64(got) != want {
						t.Fatalf("key %x: handle %d, want %d", kv, got, want)
					}
				}
				if hits < 100 {
					t.Errorf("only %d of 600 keys hit", hits)
				}
			})
		}
	}
}

// engineProgram makes a program that reads the key's limbs from the packet, 8
// bytes each, and sends to the port whose number is the handle.
func engineProgram(t testing.TB, l *Layout, tab *ir.Table, h Hook) (*kernel, int) {
	t.Helper()
	f := newFn(l)
	entry, ok, short := f.block("entry"), f.block("ok", ssa.Ptr), f.block("short")
	short.drop(ssa.DropParser)
	var args []*ssa.Value
	size := 0
	for _, k := range tab.Keys {
		for _, limb := range limbsOf(ir.Width(k.Expr.Type())) {
			v := ok.load(ok.param(0), size, 8)
			if limb.Width < 64 {
				v = ok.op(ssa.OpTrunc, ssa.Type(limb.Width), v)
			}
			args = append(args, v)
			size += 8
		}
	}
	entry.check(entry.c(32, 0), size, to(ok), to(short))
	ok.output(ok.sym(ssa.OpLookup, 32, tab, args...))
	return compileLoad(t, f.Func, l, Options{Hook: h, StartOffset: 14, Harness: true}), size
}
