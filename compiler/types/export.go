package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
)

// OperandTypes returns the types to which the operands of a checked binary
// operation are converted before it is computed (implicit casts, L62). The
// amount of a shift keeps its own type.
func OperandTypes(op ast.Op, x, y Type) (xt, yt Type) {
	x, y = deref(x), deref(y)
	switch op {
	case ast.OpEq, ast.OpNe:
		t := common(x, y)
		return t, t
	case ast.OpShl, ast.OpShr, ast.OpConcat:
		return enumBits(x), enumBits(y)
	case ast.OpLAnd, ast.OpLOr:
		return x, y
	}
	t := common(enumBits(x), enumBits(y))
	return t, t
}

// Convert gives the constant its form in type t, to which it must be assignable.
func (v *Const) Convert(t Type) *Const { return convertConst(v, t) }

// IsInteger tells whether t is int, the type of literals without width.
func IsInteger(t Type) bool { return isInteger(t) }

// IsLiteral tells whether t is the type of a list or struct expression without
// type name, which converts to structs, headers, tuples and stacks.
func IsLiteral(t Type) bool { return isLiteral(deref(t)) }

// IsVoid tells whether t is void.
func IsVoid(t Type) bool { return isKind(t, Void) }
