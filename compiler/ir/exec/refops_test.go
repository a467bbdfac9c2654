package exec

import (
	"bytes"
	"hash/crc32"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/refops"
)

// eval compiles x and evaluates it with the variables set to values.
func eval(t rapid.TB, x ir.Expr, vals map[*ir.Var]*big.Int) *big.Int {
	return prepare(x, vals)(t, vals)
}

// prepare compiles x over the variables of vals.
func prepare(x ir.Expr, vals map[*ir.Var]*big.Int) func(rapid.TB, map[*ir.Var]*big.Int) *big.Int {
	m := &Machine{prog: &ir.Program{}}
	k := &compiler{m: m, p: m.prog, lay: layouts{size: map[ir.Type]int{}}, addr: map[*ir.Var]int{}, labels: map[string]status{}}
	r := k.expr(x)
	k.alloc(1) // keep the memory from being empty
	for v := range vals {
		k.varAddr(v)
	}
	c := &ctx{m: m, mem: make([]uint64, k.next+8)}
	m.zero = k.next
	return func(t rapid.TB, vals map[*ir.Var]*big.Int) *big.Int {
		for v, n := range vals {
			w := ir.Width(v.Type)
			fromBig(c.mem[k.addr[v]:k.addr[v]+limbs(w)], n, w)
		}
		dst := make([]uint64, max(1, r.n))
		r.into(c, dst)
		w := ir.Width(x.Type())
		if dst[len(dst)-1]&^topMask(w) != 0 {
			t.Fatalf("bits beyond %d are set: %x", w, dst)
		}
		return toBig(dst, w, isSigned(x.Type()))
	}
}

// typ draws a width from 1 to 128, with those around the limbs' edges often.
func typ(t *rapid.T, label string) (refops.T, ir.Type) {
	w := rapid.OneOf(rapid.IntRange(1, 128), rapid.SampledFrom([]int{1, 2, 8, 16, 31, 32, 33, 48, 63, 64, 65, 127, 128})).Draw(t, label+"W")
	if rapid.Bool().Draw(t, label+"Signed") {
		return refops.T{W: w, Signed: true}, &ir.Int{W: w}
	}
	return refops.T{W: w}, &ir.Bit{W: w}
}

// value draws a value of ty, with those around its bounds often.
func value(t *rapid.T, ty refops.T, label string) *big.Int {
	b := rapid.SliceOfN(rapid.Byte(), 17, 17).Draw(t, label)
	v := new(big.Int).SetBytes(b[1:])
	switch b[0] % 8 {
	case 0:
		v = new(big.Int).Add(ty.Min(), big.NewInt(int64(b[1]%3)))
	case 1:
		v = new(big.Int).Sub(ty.Max(), big.NewInt(int64(b[1]%3)))
	case 2:
		v = big.NewInt(int64(b[1]%5) - 2)
	}
	return ty.Wrap(v)
}

func ref(name string, t ir.Type) (*ir.VarRef, *ir.Var) {
	v := &ir.Var{Name: name, Type: t}
	return &ir.VarRef{Meta: ir.Meta{T: t}, Var: v}, v
}

var binaryOps = []ir.Op{ir.Add, ir.Sub, ir.Mul, ir.Div, ir.Mod, ir.AddSat, ir.SubSat, ir.And, ir.Or, ir.Xor, ir.Shl, ir.Shr,
	ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge}

// Every pair of values of 1 to 4 bits, of both signs, for every operator.
func TestSmallExhaustive(t *testing.T) {
	for w := 1; w <= 4; w++ {
		for _, rt := range []refops.T{{W: w}, {W: w, Signed: true}} {
			var it ir.Type = &ir.Bit{W: w}
			if rt.Signed {
				it = &ir.Int{W: w}
			}
			for _, op := range binaryOps {
				iy, ry := it, rt
				if op == ir.Shl || op == ir.Shr {
					iy, ry = &ir.Bit{W: 3}, refops.T{W: 3}
				}
				a, va := ref("a", it)
				b, vb := ref("b", iy)
				res := it
				if op >= ir.Eq {
					res = &ir.Bool{}
				}
				vals := map[*ir.Var]*big.Int{va: rt.Min(), vb: ry.Min()}
				f := prepare(&ir.Binary{Meta: ir.Meta{T: res}, Op: op, X: a, Y: b}, vals)
				for x := rt.Min(); x.Cmp(rt.Max()) <= 0; x = new(big.Int).Add(x, big.NewInt(1)) {
					for y := ry.Min(); y.Cmp(ry.Max()) <= 0; y = new(big.Int).Add(y, big.NewInt(1)) {
						vals[va], vals[vb] = x, y
						if got, want := f(t, vals), refops.Binary(op, rt, x, y); got.Cmp(want) != 0 {
							t.Fatalf("%v %v %v of %v: %v, want %v", x, op, y, it, got, want)
						}
					}
				}
			}
		}
	}
}

// lang:L47 to lang:L56: every binary operator at widths 1 to 128, variable with
// variable and variable with constant.
func TestBinaryAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom(binaryOps).Draw(t, "op")
		rt, it := typ(t, "t")
		ry, iy := rt, it
		if op == ir.Shl || op == ir.Shr {
			ry = refops.T{W: rapid.IntRange(1, 128).Draw(t, "shiftW")}
			iy = &ir.Bit{W: ry.W}
		}
		a, va := ref("a", it)
		b, vb := ref("b", iy)
		x, y := value(t, rt, "x"), value(t, ry, "y")
		if (op == ir.Shl || op == ir.Shr) && rapid.Bool().Draw(t, "small") {
			y = ry.Wrap(big.NewInt(int64(rapid.IntRange(0, 130).Draw(t, "n"))))
		}
		res := it
		if op >= ir.Eq {
			res = &ir.Bool{}
		}
		want := refops.Binary(op, rt, x, y)
		e := &ir.Binary{Meta: ir.Meta{T: res}, Op: op, X: a, Y: b}
		if got := eval(t, e, map[*ir.Var]*big.Int{va: x, vb: y}); got.Cmp(want) != 0 {
			t.Fatalf("%v %v %v of %v: %v, want %v", x, op, y, it, got, want)
		}
		e.Y = &ir.Const{Meta: ir.Meta{T: iy}, Val: y}
		if got := eval(t, e, map[*ir.Var]*big.Int{va: x}); got.Cmp(want) != 0 {
			t.Fatalf("%v %v constant %v of %v: %v, want %v", x, op, y, it, got, want)
		}
		// The same through temporaries instead of variables.
		e.X, e.Y = &ir.Mux{Meta: ir.Meta{T: it}, C: &ir.Const{Meta: ir.Meta{T: &ir.Bool{}}, Val: big.NewInt(1)}, A: a, B: a}, b
		if got := eval(t, e, map[*ir.Var]*big.Int{va: x, vb: y}); got.Cmp(want) != 0 {
			t.Fatalf("computed %v %v %v of %v: %v, want %v", x, op, y, it, got, want)
		}
	})
}

func TestUnaryCastSliceConcatAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rt, it := typ(t, "t")
		a, va := ref("a", it)
		x := value(t, rt, "x")
		vals := map[*ir.Var]*big.Int{va: x}
		check := func(what string, e ir.Expr, want *big.Int) {
			if got := eval(t, e, vals); got.Cmp(want) != 0 {
				t.Fatalf("%s of %v in %v: %v, want %v", what, x, it, got, want)
			}
		}
		for _, op := range []ir.Op{ir.Neg, ir.BNot} {
			check(op.String(), &ir.Unary{Meta: ir.Meta{T: it}, Op: op, X: a}, refops.Unary(op, rt, x))
		}
		rc, ic := typ(t, "to")
		check("cast to "+ic.String(), &ir.Cast{Meta: ir.Meta{T: ic}, X: a}, refops.Cast(rc, x))
		lo := rapid.IntRange(0, rt.W-1).Draw(t, "lo")
		hi := rapid.IntRange(lo, rt.W-1).Draw(t, "hi")
		check("slice", &ir.Slice{Meta: ir.Meta{T: &ir.Bit{W: hi - lo + 1}}, X: a, Hi: hi, Lo: lo}, refops.Slice(rt, x, hi, lo))
		ry, iy := typ(t, "u")
		b, vb := ref("b", iy)
		y := value(t, ry, "y")
		vals[vb] = y
		var sum ir.Type = &ir.Bit{W: rt.W + ry.W}
		if rt.Signed {
			sum = &ir.Int{W: rt.W + ry.W}
		}
		check("concat", &ir.Binary{Meta: ir.Meta{T: sum}, Op: ir.Concat, X: a, Y: b}, refops.Concat(rt, ry, x, y))
	})
}

// lang:L59: slices as l-values.
func TestSetSliceAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rt, _ := typ(t, "t")
		rt.Signed = false
		x := value(t, rt, "x")
		lo := rapid.IntRange(0, rt.W-1).Draw(t, "lo")
		hi := rapid.IntRange(lo, rt.W-1).Draw(t, "hi")
		w := hi - lo + 1
		v := value(t, refops.T{W: w}, "v")
		mem, bits := make([]uint64, limbs(rt.W)), make([]uint64, limbs(w))
		fromBig(mem, x, rt.W)
		fromBig(bits, v, w)
		insertBits(mem, bits, lo, w)
		if got, want := toBig(mem, rt.W, false), refops.SetSlice(rt, x, v, hi, lo); got.Cmp(want) != 0 {
			t.Fatalf("%x[%d:%d] = %x: %x, want %x", x, hi, lo, v, got, want)
		}
	})
}

// lang:V43: hashes over random bytes.
func TestHashesAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		for _, c := range []struct {
			name      string
			got, want uint64
		}{
			{"crc16", crc16(b), refops.CRC16(b)},
			{"crc32", uint64(crc32.ChecksumIEEE(b)), refops.CRC32(b)},
			{"csum16", csum16(b), refops.CSum16(b)},
			{"xor16", xor16(b), refops.XOR16(b)},
			{"identity", identity(b), refops.Identity(b)},
		} {
			if c.got != c.want {
				t.Fatalf("%s of %x: %x, want %x", c.name, b, c.got, c.want)
			}
		}
	})
}

// Fields go to and come from packets at any bit offset.
func TestBitsAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fs []refops.Field
		var o bitWriter
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			w := rapid.IntRange(1, 130).Draw(t, "w")
			v := value(t, refops.T{W: w}, "v")
			fs = append(fs, refops.Field{W: w, V: v})
			x := make([]uint64, limbs(w))
			fromBig(x, v, w)
			o.limbs(x, w)
		}
		if want := refops.Pack(fs); !bytes.Equal(o.b, want) {
			t.Fatalf("written %x, want %x", o.b, want)
		}
		pos := 0
		for _, f := range fs {
			h := &headerIO{fields: []fieldIO{{w: f.W}}, variable: -1, bits: f.W}
			x := make([]uint64, limbs(f.W))
			h.read(x, o.b, pos, 0)
			if got := toBig(x, f.W, false); got.Cmp(f.V) != 0 {
				t.Fatalf("read %x at %d, want %x", got, pos, f.V)
			}
			pos += f.W
		}
	})
}

// Tables of every mix of match kinds, with inserts and deletes, against a linear
// scan.
func TestTablesAgainstRefops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tb := &ir.Table{Name: "t"}
		act := &ir.Action{Name: "a"}
		tb.Actions = []ir.ActionRef{{Action: act}}
		r := &table{t: tb, lpm: -1, actions: []tableAction{{name: "a"}}}
		var keys []refops.Key
		kinds := rapid.SliceOfN(rapid.SampledFrom([]ir.MatchKind{ir.MatchExact, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional}), 1, 4).Draw(t, "kinds")
		for i, kind := range kinds {
			if kind == ir.MatchLPM && r.lpm >= 0 {
				kind = ir.MatchExact
			}
			if kind == ir.MatchLPM {
				r.lpm = i
			}
			rt, it := typ(t, "key")
			tb.Keys = append(tb.Keys, ir.Key{Kind: kind, Expr: &ir.Const{Meta: ir.Meta{T: it}}})
			keys = append(keys, refops.Key{Kind: kind, T: rt})
			r.keys = append(r.keys, keyField{kind: kind, w: rt.W, at: r.slots, n: limbs(rt.W), signed: rt.Signed})
			r.slots += limbs(rt.W)
		}
		r.ordered = tb.NeedsPriority()
		r.def = &entry{count: r.cell(0)}
		r.reset()
		m := &Machine{tables: []*table{r}}
		// Few distinct values, so that keys hit.
		pool := make([][]*big.Int, len(keys))
		for i, k := range keys {
			for range 4 {
				pool[i] = append(pool[i], value(t, k.T, "pool"))
			}
		}
		pick := func(i int) *big.Int { return pool[i][rapid.IntRange(0, 3).Draw(t, "pick")] }
		var es []ir.Entry
		for h := range rapid.IntRange(0, 20).Draw(t, "entries") {
			e := ir.Entry{Handle: uint32(h + 1)}
			if r.ordered {
				e.Priority = int32(rapid.IntRange(1, 4).Draw(t, "prio"))
			}
			for i, k := range keys {
				e.Match = append(e.Match, match(t, k, pick(i), pick(i)))
			}
			err := m.Insert(0, e)
			if err == nil {
				es = append(es, e)
			} else if r.ordered {
				t.Fatal(err)
			}
			if len(es) > 0 && rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				i := rapid.IntRange(0, len(es)-1).Draw(t, "which")
				if err := m.Delete(0, es[i].Handle); err != nil {
					t.Fatal(err)
				}
				es = slices.Delete(es, i, i+1)
			}
		}
		for range 8 {
			key, scratch := make([]uint64, r.slots), make([]uint64, r.slots)
			var v []*big.Int
			for i, f := range r.keys {
				v = append(v, pick(i))
				fromBig(key[f.at:f.at+f.n], v[i], f.w)
			}
			want, got := uint32(0), uint32(0)
			if i := refops.Lookup(keys, es, v); i >= 0 {
				want = es[i].Handle
			}
			if e := r.lookup(key, scratch); e != nil {
				got = e.handle
			}
			if got != want {
				t.Fatalf("key %v: handle %d, want %d; entries %+v", v, got, want, es)
			}
		}
	})
}

// match draws a match of key k near the values a and b.
func match(t *rapid.T, k refops.Key, a, b *big.Int) ir.Match {
	bytesOf := func(v *big.Int) []byte { return ir.MachineBytes(v, k.T.W) }
	if k.Kind != ir.MatchExact && k.Kind != ir.MatchLPM && rapid.IntRange(0, 4).Draw(t, "free") == 0 {
		return ir.Match{}
	}
	switch k.Kind {
	case ir.MatchLPM:
		n := rapid.IntRange(0, k.T.W).Draw(t, "prefix")
		v := refops.T{W: k.T.W}.Bits(a)
		v.Rsh(v, uint(k.T.W-n)).Lsh(v, uint(k.T.W-n))
		return ir.Match{Value: bytesOf(v), PrefixLen: n}
	case ir.MatchTernary:
		mask := value(t, refops.T{W: k.T.W}, "mask")
		v := new(big.Int).And(refops.T{W: k.T.W}.Bits(a), mask)
		return ir.Match{Value: bytesOf(v), Mask: bytesOf(mask)}
	case ir.MatchRange:
		if a.Cmp(b) > 0 {
			a, b = b, a
		}
		return ir.Match{Value: bytesOf(a), Mask: bytesOf(b)}
	}
	return ir.Match{Value: bytesOf(a)}
}
