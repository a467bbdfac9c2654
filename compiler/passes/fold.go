package passes

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// fold evaluates what is constant and takes out operations without effect.
//
// Before and after: any level; the program does the same.
// Source: P4_16 section 8 (operators), 8.10 and 8.11 (casts, shifts).
func fold(p *ir.Program) error {
	rewriteProgram(p, foldExpr)
	return nil
}

func foldExpr(e ir.Expr) ir.Expr {
	switch x := e.(type) {
	case *ir.Unary:
		return foldUnary(x)
	case *ir.Binary:
		return foldBinary(x)
	case *ir.Cast:
		return foldCast(x)
	case *ir.Mux:
		if c, ok := x.C.(*ir.Const); ok {
			if c.Val.Sign() != 0 {
				return x.A
			}
			return x.B
		}
	case *ir.Slice:
		if c, ok := x.X.(*ir.Const); ok {
			v := new(big.Int).Rsh(c.Val, uint(x.Lo)) // arithmetic: right for negative int<W>
			return wrapConst(x.T, v, x.P)
		}
	case *ir.Member:
		if lit, ok := x.X.(*ir.StructLit); ok && !lit.Invalid {
			if i := ir.FieldIndex(lit.T, x.Field); i >= 0 && i < len(lit.Fields) {
				return lit.Fields[i]
			}
		}
	}
	return e
}

// wrapConst is v modulo the type's width, in the machine form.
func wrapConst(t ir.Type, v *big.Int, pos ir.Pos) ir.Expr {
	return &ir.Const{Meta: ir.Meta{T: t, P: pos}, Val: wrapValue(t, v)}
}

func wrapValue(t ir.Type, v *big.Int) *big.Int {
	u := ir.Underlying(t)
	w := 0
	switch u := u.(type) {
	case *ir.Bit:
		w = u.W
	case *ir.Int:
		w = u.W
	default:
		return v
	}
	mod := new(big.Int).Lsh(big.NewInt(1), uint(w))
	v = new(big.Int).Mod(v, mod) // Mod is Euclidean: not negative
	if _, signed := u.(*ir.Int); signed && w > 0 && v.Bit(w-1) == 1 {
		v.Sub(v, mod)
	}
	return v
}

func foldUnary(x *ir.Unary) ir.Expr {
	if c, ok := x.X.(*ir.Const); ok {
		switch x.Op {
		case ir.Neg:
			return wrapConst(x.T, new(big.Int).Neg(c.Val), x.P)
		case ir.BNot:
			return wrapConst(x.T, new(big.Int).Not(c.Val), x.P)
		case ir.LNot:
			return boolConst(c.Val.Sign() == 0, x.P)
		}
	}
	if y, ok := x.X.(*ir.Unary); ok && x.Op == ir.LNot && y.Op == ir.LNot {
		return y.X
	}
	return x
}

func foldCast(x *ir.Cast) ir.Expr {
	if ir.Identical(x.T, x.X.Type()) {
		return x.X
	}
	c, ok := x.X.(*ir.Const)
	if !ok {
		return x
	}
	switch ir.Underlying(x.T).(type) {
	case *ir.Bit, *ir.Int:
		return wrapConst(x.T, c.Val, x.P)
	case *ir.Bool:
		return boolConst(c.Val.Sign() != 0, x.P)
	}
	return x
}

func foldBinary(x *ir.Binary) ir.Expr {
	a, aok := x.X.(*ir.Const)
	b, bok := x.Y.(*ir.Const)
	switch x.Op {
	case ir.LAnd, ir.LOr:
		absorbing := x.Op == ir.LOr // the value that decides
		if aok {
			if (a.Val.Sign() != 0) == absorbing {
				return boolConst(absorbing, x.P)
			}
			return x.Y
		}
		if bok {
			if (b.Val.Sign() != 0) == absorbing {
				return boolConst(absorbing, x.P) // core expressions have no effects
			}
			return x.X
		}
		return x
	}
	if !aok || !bok {
		return x
	}
	v, ok := evalBinary(x.Op, a, b)
	if !ok {
		return x
	}
	return wrapConst(x.T, v, x.P)
}

// evalBinary computes the exact result; the caller wraps it. ok is false where
// P4 gives none (division by zero) or the width would be unreasonable.
func evalBinary(op ir.Op, a, b *ir.Const) (v *big.Int, ok bool) {
	z := new(big.Int)
	truth := func(t bool) (*big.Int, bool) {
		if t {
			return big.NewInt(1), true
		}
		return big.NewInt(0), true
	}
	switch op {
	case ir.Add:
		return z.Add(a.Val, b.Val), true
	case ir.Sub:
		return z.Sub(a.Val, b.Val), true
	case ir.Mul:
		return z.Mul(a.Val, b.Val), true
	case ir.Div, ir.Mod:
		if b.Val.Sign() <= 0 || a.Val.Sign() < 0 {
			return nil, false
		}
		if op == ir.Div {
			return z.Quo(a.Val, b.Val), true
		}
		return z.Rem(a.Val, b.Val), true
	case ir.AddSat:
		return saturate(a.T, z.Add(a.Val, b.Val)), true
	case ir.SubSat:
		return saturate(a.T, z.Sub(a.Val, b.Val)), true
	case ir.And:
		return z.And(a.Val, b.Val), true
	case ir.Or:
		return z.Or(a.Val, b.Val), true
	case ir.Xor:
		return z.Xor(a.Val, b.Val), true
	case ir.Shl, ir.Shr:
		w := ir.Width(a.T)
		if w < 0 || b.Val.Sign() < 0 {
			return nil, false
		}
		n := uint(w)
		if b.Val.IsInt64() && b.Val.Int64() < int64(w) {
			n = uint(b.Val.Int64())
		}
		if op == ir.Shl {
			return z.Lsh(a.Val, n), true
		}
		return z.Rsh(a.Val, n), true
	case ir.Concat:
		w := ir.Width(b.T)
		if w < 0 {
			return nil, false
		}
		low := wrapValue(&ir.Bit{W: w}, b.Val)
		return z.Or(z.Lsh(a.Val, uint(w)), low), true
	case ir.Eq:
		return truth(a.Val.Cmp(b.Val) == 0)
	case ir.Ne:
		return truth(a.Val.Cmp(b.Val) != 0)
	case ir.Lt:
		return truth(a.Val.Cmp(b.Val) < 0)
	case ir.Le:
		return truth(a.Val.Cmp(b.Val) <= 0)
	case ir.Gt:
		return truth(a.Val.Cmp(b.Val) > 0)
	case ir.Ge:
		return truth(a.Val.Cmp(b.Val) >= 0)
	}
	return nil, false
}

func saturate(t ir.Type, v *big.Int) *big.Int {
	lo, hi := new(big.Int), new(big.Int)
	switch u := ir.Underlying(t).(type) {
	case *ir.Bit:
		hi.Sub(hi.Lsh(big.NewInt(1), uint(u.W)), big.NewInt(1))
	case *ir.Int:
		hi.Lsh(big.NewInt(1), uint(u.W-1))
		lo.Neg(hi)
		hi.Sub(hi, big.NewInt(1))
	default:
		return v
	}
	if v.Cmp(lo) < 0 {
		return lo
	}
	if v.Cmp(hi) > 0 {
		return hi
	}
	return v
}
