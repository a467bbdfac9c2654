package types

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
)

// maxShift bounds shifts of arbitrary precision integers at compile time.
const maxShift = 1 << 16

func constInt(t Type, v *big.Int) *Const { return &Const{Type: t, Int: v} }

func constBool(b bool) *Const {
	v := new(big.Int)
	if b {
		v.SetInt64(1)
	}
	return &Const{Type: basic(Bool), Int: v}
}

// Wrap gives the machine form of v in bit<w> or, signed, int<w>: it drops the
// bits that do not fit.
func Wrap(v *big.Int, w int, signed bool) *big.Int {
	mod := new(big.Int).Lsh(big.NewInt(1), uint(w))
	r := new(big.Int).Mod(v, mod) // Euclidean: never negative
	if signed && w > 0 && r.Bit(w-1) == 1 {
		r.Sub(r, mod)
	}
	return r
}

// Fits tells whether v is a value of bit<w> or int<w>.
func Fits(v *big.Int, w int, signed bool) bool { return Wrap(v, w, signed).Cmp(v) == 0 }

// convertConst converts a constant to a type it is assignable to.
func convertConst(v *Const, t Type) *Const {
	if v == nil {
		return nil
	}
	t = deref(t)
	out := &Const{Type: t, Int: v.Int, Str: v.Str, Elems: v.Elems}
	if v.Int != nil {
		if b := asBits(Underlying(t)); b != nil {
			out.Int = Wrap(v.Int, b.W, b.Signed)
		}
		return out
	}
	if v.Elems == nil {
		return out
	}
	switch x := t.(type) {
	case *Struct:
		out.Elems = make([]*Const, len(x.Fields))
		r, _ := deref(v.Type).(*Record)
		for i, f := range x.Fields {
			if r != nil {
				for j, g := range r.Fields {
					if g.Name == f.Name && j < len(v.Elems) {
						out.Elems[i] = convertConst(v.Elems[j], f.Type)
					}
				}
			} else if i < len(v.Elems) {
				out.Elems[i] = convertConst(v.Elems[i], f.Type)
			}
			if out.Elems[i] == nil {
				out.Elems[i] = zeroConst(f.Type)
			}
		}
	case *Tuple:
		out.Elems = make([]*Const, len(x.Elems))
		for i, et := range x.Elems {
			if i < len(v.Elems) {
				out.Elems[i] = convertConst(v.Elems[i], et)
			} else {
				out.Elems[i] = zeroConst(et)
			}
		}
	case *List:
		out.Elems = make([]*Const, len(v.Elems))
		for i, e := range v.Elems {
			out.Elems[i] = convertConst(e, x.Elem)
		}
	}
	return out
}

// zeroConst is the default value of a type; nil where it has none that the
// checker folds.
func zeroConst(t Type) *Const {
	switch x := Underlying(t).(type) {
	case *Bits:
		if !x.Var {
			return constInt(t, new(big.Int))
		}
	case *Basic:
		switch x.Kind {
		case Bool, Error, Integer:
			return constInt(t, new(big.Int))
		}
	case *Enum:
		return constInt(t, new(big.Int))
	}
	return nil
}

// foldUnary evaluates op on a constant; t is the type of the result.
func foldUnary(op ast.Op, x *Const, t Type) *Const {
	if x == nil || x.Int == nil {
		return nil
	}
	r := new(big.Int)
	switch op {
	case ast.OpNot:
		return constBool(x.Int.Sign() == 0)
	case ast.OpNeg:
		r.Neg(x.Int)
	case ast.OpCompl:
		r.Not(x.Int)
	case ast.OpPlus:
		r.Set(x.Int)
	default:
		return nil
	}
	return convertConst(constInt(t, r), t)
}

// FoldBinary computes x op y on machine forms; w is the width of the type of
// the operands, 0 for int. For comparisons and logical operators the result is
// 0 or 1. It returns nil where there is no value: division by zero, a shift
// that is negative or too large.
func FoldBinary(op ast.Op, x, y *big.Int, w int, signed, inf bool) *big.Int {
	r := new(big.Int)
	cmp := x.Cmp(y)
	truth := func(b bool) *big.Int {
		if b {
			r.SetInt64(1)
		}
		return r
	}
	switch op {
	case ast.OpEq:
		return truth(cmp == 0)
	case ast.OpNe:
		return truth(cmp != 0)
	case ast.OpLt:
		return truth(cmp < 0)
	case ast.OpLe:
		return truth(cmp <= 0)
	case ast.OpGt:
		return truth(cmp > 0)
	case ast.OpGe:
		return truth(cmp >= 0)
	case ast.OpLAnd:
		return truth(x.Sign() != 0 && y.Sign() != 0)
	case ast.OpLOr:
		return truth(x.Sign() != 0 || y.Sign() != 0)
	case ast.OpAdd:
		r.Add(x, y)
	case ast.OpSub:
		r.Sub(x, y)
	case ast.OpMul:
		r.Mul(x, y)
	case ast.OpDiv:
		if y.Sign() == 0 {
			return nil
		}
		r.Quo(x, y)
	case ast.OpMod:
		if y.Sign() == 0 {
			return nil
		}
		r.Rem(x, y)
	case ast.OpAnd:
		r.And(x, y)
	case ast.OpOr:
		r.Or(x, y)
	case ast.OpXor:
		r.Xor(x, y)
	case ast.OpAddSat, ast.OpSubSat:
		if op == ast.OpAddSat {
			r.Add(x, y)
		} else {
			r.Sub(x, y)
		}
		return saturate(r, w, signed)
	case ast.OpShl, ast.OpShr:
		if y.Sign() < 0 {
			return nil
		}
		n := uint(maxShift)
		if y.IsUint64() && y.Uint64() < maxShift {
			n = uint(y.Uint64())
		} else if inf {
			return nil
		} else if op == ast.OpShl {
			return r // everything is shifted out
		}
		if op == ast.OpShl {
			r.Lsh(x, n)
		} else {
			r.Rsh(x, n) // arithmetic, as big.Int rounds down
		}
	default:
		return nil
	}
	if inf {
		return r
	}
	return Wrap(r, w, signed)
}

func saturate(v *big.Int, w int, signed bool) *big.Int {
	lo, hi := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(w))
	if signed {
		hi.Rsh(hi, 1)
		lo.Neg(hi)
	}
	hi.Sub(hi, big.NewInt(1))
	switch {
	case v.Cmp(lo) < 0:
		return lo
	case v.Cmp(hi) > 0:
		return hi
	}
	return v
}

// sameConst compares constants of one type; ok is false when it cannot tell.
func sameConst(x, y *Const) (same, ok bool) {
	if x == nil || y == nil {
		return false, false
	}
	if x.Int != nil && y.Int != nil {
		return x.Int.Cmp(y.Int) == 0, true
	}
	if x.Elems == nil || len(x.Elems) != len(y.Elems) {
		return false, false
	}
	for i := range x.Elems {
		s, ok := sameConst(x.Elems[i], y.Elems[i])
		if !ok || !s {
			return false, ok
		}
	}
	return true, true
}
