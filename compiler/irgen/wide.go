package irgen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// Values of run time that a program casts to int and back have no width in P4. In
// the IR they are int<W> of the width that holds every value they can have, so
// nothing wraps before the cast back.

// maxWide bounds the width of such values.
const maxWide = 4096

// wide gives an operand of type int as int<W>, where it is not one already.
func wide(x ir.Expr) ir.Expr {
	switch t := x.Type().(type) {
	case *ir.Int:
		return x
	case *ir.InfInt:
		if c, ok := x.(*ir.Const); ok {
			return &ir.Const{Meta: ir.Meta{T: &ir.Int{W: c.Val.BitLen() + 1}, P: c.P}, Val: c.Val}
		}
	case *ir.Bit:
		return widen(x, t.W+1)
	}
	if w := ir.Width(x.Type()); w >= 0 { // an enum
		return widen(&ir.Cast{Meta: ir.Meta{T: ir.Underlying(x.Type()), P: x.Pos()}, X: x}, w+1)
	}
	return x
}

// widen casts x to int<w>, w being enough for its value.
func widen(x ir.Expr, w int) ir.Expr {
	if c, ok := x.(*ir.Const); ok {
		return &ir.Const{Meta: ir.Meta{T: &ir.Int{W: w}, P: c.P}, Val: c.Val}
	}
	if b, ok := x.Type().(*ir.Bit); ok && b.W != w {
		x = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: w}, P: x.Pos()}, X: x}
	}
	if ir.Identical(x.Type(), &ir.Int{W: w}) {
		return x
	}
	return &ir.Cast{Meta: ir.Meta{T: &ir.Int{W: w}, P: x.Pos()}, X: x}
}

// wideBinary makes x op y of two values of type int that are not both constants.
func (g *gen) wideBinary(n ast.Node, op ast.Op, x, y ir.Expr, p ir.Pos) ir.Expr {
	k, ok := irOp(op)
	shift := op == ast.OpShl || op == ast.OpShr
	x = wide(x)
	w := x.Type().(*ir.Int).W
	amount, known := y.(*ir.Const)
	if !shift {
		y = wide(y)
		w = max(w, y.Type().(*ir.Int).W)
	}
	switch op {
	case ast.OpAdd, ast.OpSub:
		w++
	case ast.OpMul:
		w = x.Type().(*ir.Int).W + y.Type().(*ir.Int).W
	case ast.OpShl:
		if ok = ok && known && amount.Val.IsInt64() && amount.Val.Int64() < maxWide; ok {
			w += int(amount.Val.Int64())
		}
	case ast.OpDiv, ast.OpMod:
		ok = false
	}
	if !ok || w > maxWide {
		g.errorf(codeUnsupported, span(n), "operator %s on values of type int that are known only at run time is not supported", op)
		return g.bad(n)
	}
	m := ir.Meta{T: &ir.Int{W: w}, P: p}
	switch op {
	case ast.OpEq, ast.OpNe, ast.OpLt, ast.OpLe, ast.OpGt, ast.OpGe:
		m.T = &ir.Bool{}
	}
	if shift {
		return &ir.Binary{Meta: m, Op: k, X: widen(x, w), Y: g.sized(y)}
	}
	return &ir.Binary{Meta: m, Op: k, X: widen(x, w), Y: widen(y, w)}
}

// wideMux gives both sides of ?: the same width where the result is an int.
func wideMux(m *ir.Mux) *ir.Mux {
	_, a := m.A.(*ir.Const)
	_, b := m.B.(*ir.Const)
	if _, inf := m.T.(*ir.InfInt); !inf || a && b {
		return m
	}
	x, y := wide(m.A), wide(m.B)
	w := max(x.Type().(*ir.Int).W, y.Type().(*ir.Int).W)
	m.A, m.B, m.T = widen(x, w), widen(y, w), &ir.Int{W: w}
	return m
}

// isWide tells whether an operation on ints has an operand of run time.
func isWide(t types.Type, xs ...ir.Expr) bool {
	if !types.IsInteger(t) {
		return false
	}
	for _, x := range xs {
		if _, known := x.(*ir.Const); !known {
			if _, inf := x.Type().(*ir.InfInt); !inf { // else a parameter, still unknown
				return true
			}
		}
	}
	return false
}

// wideNeg is -x of an int.
func wideNeg(x ir.Expr, p ir.Pos) ir.Expr {
	x = wide(x)
	w := x.Type().(*ir.Int).W + 1
	zero := &ir.Const{Meta: ir.Meta{T: &ir.Int{W: w}, P: p}, Val: new(big.Int)}
	return &ir.Binary{Meta: ir.Meta{T: zero.T, P: p}, Op: ir.Sub, X: zero, Y: widen(x, w)}
}
