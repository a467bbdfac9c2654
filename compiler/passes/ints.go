package passes

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// ints gives every value of type int a width. Constants take that of the other
// operand, or of the cast around them, or the smallest that holds them.
//
// Before: parameters of type int were replaced by their arguments, which are
// constants.
// After: no ir.InfInt.
// Source: P4_16 sections 7.1.6.5 and 8.11 (int has no width and exists at
// compile time only).
func ints(p *ir.Program) error {
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		switch x := e.(type) {
		case *ir.Cast:
			if isInt(x.X.Type()) {
				return foldExpr(pushCast(x.T, x.X))
			}
		case *ir.Binary:
			switch x.Op {
			case ir.Shl, ir.Shr, ir.Concat, ir.LAnd, ir.LOr:
				return e // operands of their own types
			}
			switch {
			case isInt(x.X.Type()) && isInt(x.Y.Type()):
				return foldExpr(x)
			case isInt(x.X.Type()):
				x.X = pushCast(x.Y.Type(), x.X)
			case isInt(x.Y.Type()):
				x.Y = pushCast(x.X.Type(), x.Y)
			}
		}
		if isInt(e.Type()) {
			return foldExpr(e)
		}
		return e
	})
	// What is left has no neighbour to take a width from: shift amounts, table
	// properties, constructor arguments.
	var err error
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		if !isInt(e.Type()) {
			return e
		}
		c, ok := e.(*ir.Const)
		if !ok {
			if err == nil {
				err = pass.Refuse(e.Pos(), "this value of type int is not known at compile time")
			}
			return e
		}
		return &ir.Const{Meta: ir.Meta{T: smallest(c.Val), P: c.P}, Val: c.Val}
	})
	return err
}

func isInt(t ir.Type) bool {
	_, ok := t.(*ir.InfInt)
	return ok
}

// smallest is the type of a constant without a neighbour: 32 bits where that is
// enough.
func smallest(v *big.Int) ir.Type {
	if v.Sign() < 0 {
		return &ir.Int{W: max(32, v.BitLen()+1)}
	}
	return &ir.Bit{W: max(32, v.BitLen())}
}

// pushCast converts e, of type int, to t. Operations whose low bits depend on the
// low bits of their operands only are done in t.
func pushCast(t ir.Type, e ir.Expr) ir.Expr {
	switch x := e.(type) {
	case *ir.Const:
		return wrapConst(t, x.Val, x.P)
	case *ir.Mux:
		return &ir.Mux{Meta: ir.Meta{T: t, P: x.P}, C: x.C, A: pushCast(t, x.A), B: pushCast(t, x.B)}
	case *ir.Unary:
		if x.Op == ir.Neg || x.Op == ir.BNot {
			return foldExpr(&ir.Unary{Meta: ir.Meta{T: t, P: x.P}, Op: x.Op, X: pushCast(t, x.X)})
		}
	case *ir.Binary:
		switch x.Op {
		case ir.Add, ir.Sub, ir.Mul, ir.And, ir.Or, ir.Xor:
			return foldExpr(&ir.Binary{Meta: ir.Meta{T: t, P: x.P}, Op: x.Op, X: pushCast(t, x.X), Y: pushCast(t, x.Y)})
		}
	case *ir.Cast:
		if !isInt(x.X.Type()) {
			return foldExpr(&ir.Cast{Meta: ir.Meta{T: t, P: x.P}, X: x.X})
		}
	}
	if !isInt(e.Type()) {
		return foldExpr(&ir.Cast{Meta: ir.Meta{T: t, P: e.Pos()}, X: e})
	}
	return &ir.Cast{Meta: ir.Meta{T: t, P: e.Pos()}, X: e}
}

func checkNoInts(p *ir.Program) error {
	var err error
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		if isInt(e.Type()) && err == nil {
			err = faultAt(p, e.Pos(), "a value of type int remains")
		}
		return e
	})
	return err
}
