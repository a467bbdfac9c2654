package ebpf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// eachHook runs a test for both hooks, with and without a prefix (D20).
func eachHook(t *testing.T, f func(t *testing.T, o Options)) {
	for _, h := range []Hook{XDP, TC} {
		for _, off := range []int{0, 14} {
			t.Run(fmt.Sprintf("%s/%d", h, off), func(t *testing.T) {
				netnstest.NeedBPF(t)
				f(t, Options{Hook: h, StartOffset: off, Harness: true})
			})
		}
	}
}

// swapMACs: check 14 bytes, swap the addresses, send to the ingress port + 1.
func TestSwapMACs(t *testing.T) {
	eachHook(t, func(t *testing.T, o Options) {
		l := plan(t)
		f := newFn(l)
		entry, ok, short := f.block("entry"), f.block("ok", ssa.Ptr), f.block("short")
		entry.check(entry.c(32, 0), 14, to(ok), to(short))
		short.drop(ssa.DropParser)
		p := ok.param(0)
		dst, src := ok.load(p, 0, 6), ok.load(p, 6, 6)
		port := ok.op(ssa.OpAdd, 32, ok.op(ssa.OpIngressPort, 32), ok.c(32, 1))
		ok.store(p, 0, 6, src)
		ok.store(p, 6, 6, dst)
		ok.output(port)
		k := compileLoad(t, f.Func, l, o)
		pkt := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xb5, 99}
		got, out := k.run(3, pkt)
		want := []byte{7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 0x88, 0xb5, 99}
		if got != 4 || !bytes.Equal(out, want) {
			t.Errorf("port %d, % x; want 4, % x", got, out, want)
		}
		if o.StartOffset > 0 {
			if got, _ := k.run(3, pkt[:13]); got != -1-int(ssa.DropParser) {
				t.Errorf("short packet: %d", got)
			}
		}
	})
}

// Every operation on random operands against a plain evaluation.
func TestArithmetic(t *testing.T) {
	ops := []ssa.Op{ssa.OpAdd, ssa.OpSub, ssa.OpMul, ssa.OpDiv, ssa.OpMod, ssa.OpAnd, ssa.OpOr, ssa.OpXor, ssa.OpNot,
		ssa.OpShl, ssa.OpShr, ssa.OpSar, ssa.OpEq, ssa.OpNe, ssa.OpUlt, ssa.OpUle, ssa.OpSlt, ssa.OpSle, ssa.OpSelect, ssa.OpSext, ssa.OpTrunc, ssa.OpZext}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, h := range []Hook{XDP, TC} {
		for _, w := range []ssa.Type{1, 7, 8, 16, 17, 31, 32, 33, 48, 63, 64} {
			t.Run(fmt.Sprintf("%s/%d", h, w), func(t *testing.T) {
				netnstest.NeedBPF(t)
				l := plan(t)
				f := newFn(l)
				entry, ok, short := f.block("entry"), f.block("ok", ssa.Ptr), f.block("short")
				entry.check(entry.c(32, 0), 17, to(ok), to(short))
				short.drop(ssa.DropParser)
				p := ok.param(0)
				in := []*ssa.Value{ok.load(p, 0, 8), ok.load(p, 8, 8), ok.load(p, 16, 1)}
				a := ok.op(ssa.OpTrunc, w, in[0])
				b := ok.op(ssa.OpTrunc, w, in[1])
				if w == 64 {
					a, b = in[0], in[1]
				}
				n := ok.op(ssa.OpAnd, 8, in[2], ok.c(8, 63))
				cond := ok.op(ssa.OpTrunc, 1, in[2])
				konst := uint64(rng.Uint32()) & maskOf(int(w))
				kv := ok.c(w, konst)
				type res struct {
					op   ssa.Op
					v    *ssa.Value
					eval func(a, b, n uint64) uint64
				}
				var rs []res
				m := maskOf(int(w))
				sx := func(x uint64) int64 { return int64(x<<(64-w)) >> (64 - w) }
				ev := func(op ssa.Op, a, b, n uint64) uint64 {
					bit := func(c bool) uint64 {
						if c {
							return 1
						}
						return 0
					}
					switch op {
					case ssa.OpAdd:
						return (a + b) & m
					case ssa.OpSub:
						return (a - b) & m
					case ssa.OpMul:
						return a * b & m
					case ssa.OpDiv:
						if b == 0 {
							return 0
						}
						return a / b
					case ssa.OpMod:
						if b == 0 {
							return 0
						}
						return a % b
					case ssa.OpAnd:
						return a & b
					case ssa.OpOr:
						return a | b
					case ssa.OpXor:
						return a ^ b
					case ssa.OpNot:
						return ^a & m
					case ssa.OpShl:
						return a << n & m
					case ssa.OpShr:
						return a >> n
					case ssa.OpSar:
						return uint64(sx(a)>>n) & m
					case ssa.OpEq:
						return bit(a == b)
					case ssa.OpNe:
						return bit(a != b)
					case ssa.OpUlt:
						return bit(a < b)
					case ssa.OpUle:
						return bit(a <= b)
					case ssa.OpSlt:
						return bit(sx(a) < sx(b))
					case ssa.OpSle:
						return bit(sx(a) <= sx(b))
					case ssa.OpSelect:
						if n&1 != 0 {
							return a
						}
						return b
					case ssa.OpSext:
						return uint64(sx(a))
					case ssa.OpTrunc:
						return a & 1
					}
					return a
				}
				for _, op := range ops {
					rt := w
					args := [][]*ssa.Value{{a, b}, {a, kv}, {kv, b}, {a, a}}
					switch op {
					case ssa.OpNot:
						args = [][]*ssa.Value{{a}}
					case ssa.OpShl, ssa.OpShr, ssa.OpSar:
						args = [][]*ssa.Value{{a, n}, {a, ok.c(32, 5)}, {a, ok.c(8, 0)}}
					case ssa.OpEq, ssa.OpNe, ssa.OpUlt, ssa.OpUle, ssa.OpSlt, ssa.OpSle, ssa.OpTrunc:
						rt = 1
					case ssa.OpSelect:
						args = [][]*ssa.Value{{cond, a, b}, {cond, kv, b}, {cond, a, ok.c(w, 0)}, {cond, ok.c(w, 0), b}, {cond, ok.c(w, 1), ok.c(w, 0)}}
					case ssa.OpSext, ssa.OpZext:
						rt = 64
						args = [][]*ssa.Value{{a}}
					}
					if op == ssa.OpTrunc {
						args = [][]*ssa.Value{{a}}
					}
					for _, as := range args {
						v := ok.op(op, rt, as...)
						rs = append(rs, res{op, v, func(av, bv, nv uint64) uint64 {
							get := func(x *ssa.Value) uint64 {
								switch {
								case x.Op == ssa.OpConst:
									return x.Aux
								case x == a:
									return av
								case x == b:
									return bv
								}
								return nv
							}
							x, y, z := uint64(0), uint64(0), nv
							if op == ssa.OpSelect {
								x, y = get(as[1]), get(as[2])
							} else {
								x = get(as[0])
								if len(as) > 1 {
									y = get(as[1])
									z = y
								}
							}
							return ev(op, x, y, z)
						}})
					}
				}
				size := 17 + 8*len(rs)
				entry.Term.N = size
				for i, r := range rs {
					rs[i].v = r.v
					if r.v.Type < 64 {
						rs[i].v = ok.op(ssa.OpZext, 64, r.v)
					}
				}
				// All results live at once: far more than registers and stack hold.
				for i, r := range rs {
					ok.store(p, 17+8*i, 8, r.v)
				}
				ok.output(ok.c(32, 1))
				k := compileLoad(t, f.Func, l, Options{Hook: h, Harness: true})
				for range 40 {
					pkt := make([]byte, size)
					for i := range pkt {
						pkt[i] = byte(rng.Uint32())
					}
					if rng.IntN(4) == 0 {
						copy(pkt[8:16], pkt[:8])
					}
					if rng.IntN(4) == 0 {
						copy(pkt[8:16], make([]byte, 8))
					}
					port, out := k.run(1, pkt)
					if port != 1 {
						t.Fatalf("port %d", port)
					}
					be := func(b []byte) (x uint64) {
						for _, c := range b[:8] {
							x = x<<8 | uint64(c)
						}
						return x
					}
					av, bv, nv := be(pkt)&m, be(pkt[8:])&m, uint64(pkt[16]&63)
					for i, r := range rs {
						if got, want := be(out[17+8*i:]), r.eval(av, bv, nv); got != want {
							t.Fatalf("result %d, op %d width %d: a=%#x b=%#x n=%d: got %#x, want %#x", i, r.op, w, av, bv, nv, got, want)
						}
					}
				}
			})
		}
	}
}
