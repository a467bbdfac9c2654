package ssa

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/refops"
)

// oneOp is a program whose packets hold x and y, each right-aligned in whole
// bytes, and become the result of f, right-aligned in whole bytes.
func oneOp(tx, ty, tr ir.Type, f func(x, y ir.Expr) ir.Expr) *ir.Program {
	p := &ir.Program{Level: ir.Core, Arch: "v1model", Name: "op", Errors: []string{"NoError", "PacketTooShort"}}
	header := func(name string, ts ...ir.Type) *ir.Header {
		h := &ir.Header{Name: name}
		for i, t := range ts {
			w := ir.Width(t)
			if pad := ir.ByteWidth(w)*8 - w; pad > 0 {
				h.Fields = append(h.Fields, ir.Field{Name: fmt.Sprintf("pad%d", i), Type: &ir.Bit{W: pad}})
			}
			h.Fields = append(h.Fields, ir.Field{Name: fmt.Sprintf("f%d", i), Type: t})
		}
		return h
	}
	in, out := header("in_h", tx, ty), header("out_h", tr)
	hdr := &ir.Struct{Name: "headers_t", Fields: []ir.Field{{Name: "in", Type: in}, {Name: "out", Type: out}}}
	meta := &ir.Struct{Name: "meta_t"}
	std := &ir.Struct{Name: "standard_metadata_t", Fields: []ir.Field{
		{Name: "ingress_port", Type: &ir.Bit{W: 9}}, {Name: "egress_spec", Type: &ir.Bit{W: 9}}, {Name: "parser_error", Type: &ir.ErrorType{}}}}
	p.Types = []ir.Type{in, out, hdr, meta, std}
	member := func(v *ir.Var, h, f string, t ir.Type) ir.Expr {
		var ht ir.Type = in
		if h == "out" {
			ht = out
		}
		x := ir.Expr(&ir.Member{Meta: ir.Meta{T: ht}, X: &ir.VarRef{Meta: ir.Meta{T: hdr}, Var: v}, Field: h})
		if f != "" {
			x = &ir.Member{Meta: ir.Meta{T: t}, X: x, Field: f}
		}
		return x
	}
	block := func(slot string, kind ir.BlockKind, sm bool, body func(h *ir.Var) []ir.Stmt) *ir.Block {
		h := &ir.Var{Name: "hdr", Type: hdr, Dir: ir.DirInOut}
		b := &ir.Block{Name: slot, Decl: slot, Kind: kind}
		switch slot {
		case "p", "dep":
			b.Params = append(b.Params, &ir.Var{Name: "b", Type: &ir.ExternType{Name: "packet"}})
		}
		b.Params = append(b.Params, h)
		if slot != "dep" {
			b.Params = append(b.Params, &ir.Var{Name: "meta", Type: meta})
		}
		if sm {
			b.Params = append(b.Params, &ir.Var{Name: "std", Type: std})
		}
		if body != nil {
			b.Body = body(h)
		}
		p.Blocks = append(p.Blocks, b)
		p.Pipeline = append(p.Pipeline, ir.Binding{Slot: slot, Block: b})
		return b
	}
	b := block("p", ir.Parser, true, nil)
	b.States = []*ir.State{{Name: "start", Body: []ir.Stmt{&ir.Extract{X: member(b.Params[1], "in", "", nil)}}, Trans: ir.Transition{Default: "accept"}}}
	block("vr", ir.Control, false, nil)
	block("ig", ir.Control, true, func(h *ir.Var) []ir.Stmt {
		return []ir.Stmt{
			&ir.SetValid{X: member(h, "out", "", nil), Valid: true},
			&ir.Assign{L: member(h, "out", "f0", tr), R: f(member(h, "in", "f0", tx), member(h, "in", "f1", ty))},
		}
	})
	block("eg", ir.Control, true, nil)
	block("ck", ir.Control, false, nil)
	block("dep", ir.Control, false, func(h *ir.Var) []ir.Stmt { return []ir.Stmt{&ir.Emit{X: member(h, "out", "", nil)}} })
	return p
}

// typeOf is the type of values of w bits.
func typeOf(t refops.T) ir.Type {
	if t.Signed {
		return &ir.Int{W: t.W}
	}
	return &ir.Bit{W: t.W}
}

// operand is a random value of t, often near its bounds.
func operand(r *rand.Rand, t refops.T) *big.Int {
	v := new(big.Int)
	for range (t.W + 63) / 64 {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(r.Uint64()))
	}
	switch r.IntN(5) {
	case 0:
		v.SetInt64(int64(r.IntN(5) - 2))
	case 1:
		v.Add(t.Max(), big.NewInt(int64(r.IntN(4)-1)))
	case 2:
		v.Rsh(v, uint(r.IntN(t.W)))
	}
	return t.Wrap(v)
}

// runOp compares f with want on random operands.
func runOp(t *testing.T, r *rand.Rand, tx, ty, tr refops.T, f func(x, y ir.Expr) ir.Expr, want func(x, y *big.Int) *big.Int) {
	t.Helper()
	p := oneOp(typeOf(tx), typeOf(ty), typeOf(tr), f)
	for _, opt := range []Options{{NoOptimize: true}, {}} {
		fn, err := Lower(p, opt)
		if err != nil {
			t.Fatal(err)
		}
		in, err := NewInterp(fn, InterpOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for range 12 {
			x, y := operand(r, tx), operand(r, ty)
			data := append(ir.MachineBytes(x, tx.W), ir.MachineBytes(y, ty.W)...)
			got, err := in.Process(Packet{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			w := ir.MachineBytes(want(x, y), tr.W)
			if string(got.Data) != string(w) {
				t.Fatalf("x=%v (%v) y=%v (%v): %x, want %x\n%s", x, tx, y, ty, got.Data, w, fn)
			}
		}
	}
}

var wides = []int{65, 72, 95, 96, 127, 128, 129, 192, 200}

// TestOperators: every operator at every width from 1 to 64 and at some wider
// ones agrees with refops (D10; lang:L47 to L56).
func TestOperators(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ops := []ir.Op{ir.Add, ir.Sub, ir.Mul, ir.Div, ir.Mod, ir.AddSat, ir.SubSat, ir.And, ir.Or, ir.Xor,
		ir.Shl, ir.Shr, ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge}
	for _, op := range ops {
		t.Run(op.String(), func(t *testing.T) {
			widths := slices.Clone(wides)
			for w := 1; w <= 64; w++ {
				widths = append(widths, w)
			}
			for _, w := range widths {
				for _, signed := range []bool{false, true} {
					tx := refops.T{W: w, Signed: signed}
					ty, tr := tx, tx
					switch op {
					case ir.Shl, ir.Shr:
						ty = refops.T{W: []int{3, 8, 16, 70}[w%4]}
					case ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge:
						tr = refops.T{W: 1}
					case ir.Div, ir.Mod:
						if signed && w == 1 {
							continue // -1 / -1 is not in the type
						}
					}
					runOp(t, r, tx, ty, tr, func(x, y ir.Expr) ir.Expr {
						e := ir.Expr(&ir.Binary{Meta: ir.Meta{T: typeOf(tr)}, Op: op, X: x, Y: y})
						if tr.W == 1 && tx.W != 1 || op >= ir.Eq && op <= ir.Ge {
							e.(*ir.Binary).T = &ir.Bool{}
							e = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: 1}}, X: e}
						}
						return e
					}, func(x, y *big.Int) *big.Int { return refops.Binary(op, tx, x, y) })
				}
			}
		})
	}
	for _, op := range []ir.Op{ir.Neg, ir.BNot} {
		t.Run("unary "+op.String(), func(t *testing.T) {
			for _, w := range append([]int{1, 2, 8, 31, 32, 63, 64}, wides...) {
				for _, signed := range []bool{false, true} {
					tx := refops.T{W: w, Signed: signed}
					runOp(t, r, tx, tx, tx, func(x, _ ir.Expr) ir.Expr {
						return &ir.Unary{Meta: ir.Meta{T: typeOf(tx)}, Op: op, X: x}
					}, func(x, _ *big.Int) *big.Int { return refops.Unary(op, tx, x) })
				}
			}
		})
	}
}

// TestBits: concatenation, slices, casts, constant shifts (lang:L56, L58, L61).
func TestBits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	widths := append([]int{1, 3, 8, 13, 32, 48, 63, 64}, wides...)
	for _, w := range widths {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			for range 6 {
				other := widths[r.IntN(len(widths))]
				tx, ty := refops.T{W: w}, refops.T{W: other}
				runOp(t, r, tx, ty, refops.T{W: w + other}, func(x, y ir.Expr) ir.Expr {
					return &ir.Binary{Meta: ir.Meta{T: &ir.Bit{W: w + other}}, Op: ir.Concat, X: x, Y: y}
				}, func(x, y *big.Int) *big.Int { return refops.Concat(tx, ty, x, y) })

				lo := r.IntN(w)
				hi := lo + r.IntN(w-lo)
				runOp(t, r, tx, ty, refops.T{W: hi - lo + 1}, func(x, _ ir.Expr) ir.Expr {
					return &ir.Slice{Meta: ir.Meta{T: &ir.Bit{W: hi - lo + 1}}, X: x, Hi: hi, Lo: lo}
				}, func(x, _ *big.Int) *big.Int { return refops.Slice(tx, x, hi, lo) })

				for _, signed := range []bool{false, true} {
					tx, to := refops.T{W: w, Signed: signed}, refops.T{W: other, Signed: signed}
					runOp(t, r, tx, ty, to, func(x, _ ir.Expr) ir.Expr {
						return &ir.Cast{Meta: ir.Meta{T: typeOf(to)}, X: x}
					}, func(x, _ *big.Int) *big.Int { return refops.Cast(to, x) })

					n := int64(r.IntN(w + 3))
					for _, op := range []ir.Op{ir.Shl, ir.Shr} {
						runOp(t, r, tx, ty, tx, func(x, _ ir.Expr) ir.Expr {
							return &ir.Binary{Meta: ir.Meta{T: typeOf(tx)}, Op: op, X: x, Y: konst(&ir.Bit{W: 16}, n)}
						}, func(x, _ *big.Int) *big.Int { return refops.Binary(op, tx, x, big.NewInt(n)) })
					}
				}
			}
		})
	}
}

// TestDigests: hashes and checksums of field lists (lang:V30, V43).
func TestDigests(t *testing.T) {
	algo := &ir.Enum{Name: "HashAlgorithm"}
	refs := []struct {
		name string
		w    int
		f    func([]byte) uint64
	}{
		{"crc16", 16, refops.CRC16}, {"crc32", 32, refops.CRC32}, {"csum16", 16, refops.CSum16},
		{"xor16", 16, refops.XOR16}, {"identity", 64, refops.Identity},
	}
	for i, a := range refs {
		algo.Members = append(algo.Members, ir.EnumMember{Name: a.name, Value: big.NewInt(int64(i))})
	}
	r := rand.New(rand.NewPCG(7, 8))
	for i, a := range refs {
		t.Run(a.name, func(t *testing.T) {
			for range 40 {
				tx, ty := refops.T{W: 1 + r.IntN(140)}, refops.T{W: 1 + r.IntN(70)}
				limit := uint64(r.Uint32())
				tr := refops.T{W: 64}
				p := oneOp(typeOf(tx), typeOf(ty), typeOf(tr), func(x, y ir.Expr) ir.Expr { return konst(&ir.Bit{W: 64}, 0) })
				ig := p.Block("ig")
				as := ig.Body[1].(*ir.Assign)
				in := &ir.Member{Meta: ir.Meta{T: p.Types[0]}, X: as.L.(*ir.Member).X.(*ir.Member).X, Field: "in"}
				field := func(n string, t refops.T) ir.Expr {
					return &ir.Member{Meta: ir.Meta{T: typeOf(t)}, X: in, Field: n}
				}
				list := &ir.ListExpr{Meta: ir.Meta{T: &ir.Tuple{}}, Elems: []ir.Expr{field("f0", tx), field("f1", ty), field("f0", tx)}}
				ig.Body[1] = &ir.ExternCall{Name: "hash", Args: []ir.Expr{as.L, konst(algo, int64(i)), konst(&ir.Bit{W: 8}, 200), list,
					&ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 64}}, Val: new(big.Int).SetUint64(limit)}},
					Dirs: []ir.Dir{ir.DirOut, ir.DirIn, ir.DirIn, ir.DirIn, ir.DirIn}}
				f, err := Lower(p, Options{})
				if err != nil {
					t.Fatal(err)
				}
				m, err := NewInterp(f, InterpOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for range 5 {
					x, y := operand(r, tx), operand(r, ty)
					got, err := m.Process(Packet{Data: append(ir.MachineBytes(x, tx.W), ir.MachineBytes(y, ty.W)...)})
					if err != nil {
						t.Fatal(err)
					}
					h := a.f(refops.Pack([]refops.Field{{W: tx.W, V: x}, {W: ty.W, V: y}, {W: tx.W, V: x}}))
					want := new(big.Int).SetUint64(200)
					if limit > 0 {
						want.SetUint64(200 + h%limit)
					}
					if w := ir.MachineBytes(want, 64); string(w) != string(got.Data) {
						t.Fatalf("%d and %d bits, x=%x y=%x: %x, want %x", tx.W, ty.W, x, y, got.Data, w)
					}
				}
			}
		})
	}
}
