package ast

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/source"
)

// IntLit is an integer literal. Value is what the digits say: it is not cut to
// Width (whether it fits is the type checker's business).
type IntLit struct {
	source.Span
	Value *big.Int
	// HasWidth tells `8w1` and `8s1` from `1`.
	HasWidth bool
	Width    int // 0 without HasWidth; `0w0` has HasWidth and Width 0
	Signed   bool
	Base     int    // 2, 8, 10 or 16: the base it was written in
	Text     string // as written
}

// BoolLit is true or false.
type BoolLit struct {
	source.Span
	Value bool
}

// StringLit is a string literal; Value has the escapes \" \\ and \n replaced.
type StringLit struct {
	source.Span
	Value string
}

// PathExpr is a name that is not a type.
type PathExpr struct {
	source.Span
	Path *Path
}

// TypeExpr is a type in the place of an expression: the operand of a member
// access (`Enum.a`, `error.NoError`, `Control.apply()`), or what is called in a
// constructor call (`counter<bit<8>>(16)`).
type TypeExpr struct {
	source.Span
	Type Type
}

// ThisExpr is `this`.
type ThisExpr struct {
	source.Span
}

// MemberExpr is `X.Member`.
type MemberExpr struct {
	source.Span
	X      Expr
	Member *Ident
}

// IndexExpr is `X[Index]`.
type IndexExpr struct {
	source.Span
	X     Expr
	Index Expr
}

// SliceExpr is `X[Hi:Lo]`.
type SliceExpr struct {
	source.Span
	X      Expr
	Hi, Lo Expr
}

// WidthSliceExpr is the draft's `X[Lo+:Width]`.
type WidthSliceExpr struct {
	source.Span
	X     Expr
	Lo    Expr
	Width Expr
}

// UnaryExpr is `Op X`.
type UnaryExpr struct {
	source.Span
	Op Op // OpNot, OpCompl, OpNeg or OpPlus
	X  Expr
}

// BinaryExpr is `X Op Y`. OpMask and OpRange occur in keysets, and OpRange in
// the header of a for-in loop.
type BinaryExpr struct {
	source.Span
	Op    Op
	OpPos source.Span // the operator
	X, Y  Expr
}

// CondExpr is `Cond ? Then : Else`.
type CondExpr struct {
	source.Span
	Cond, Then, Else Expr
}

// CallExpr is a call of a function, method, action or constructor, with
// optional type arguments: `Fun<TypeArgs>(Args)`. For a constructor call Fun is
// a TypeExpr, and type arguments, if any, are inside it (SpecializedType).
type CallExpr struct {
	source.Span
	Fun      Expr
	TypeArgs []Type
	Args     []*Arg
}

// CastExpr is `(Type) X`. With a StructExpr or ListExpr as X it is a struct or
// header expression with a type name.
type CastExpr struct {
	source.Span
	Type Type
	X    Expr
}

// ListExpr is `{a, b}`; the last element may be a *DotsExpr. `{...}` is a
// ListExpr with one DotsExpr, `{}` one without elements.
type ListExpr struct {
	source.Span
	Elems []Expr
}

// StructExpr is `{x = 1, y = 2}`, with Dots set `{x = 1, ...}`.
type StructExpr struct {
	source.Span
	Fields []*NamedExpr
	Dots   *DotsExpr
}

// InvalidExpr is `{#}`, an invalid header or header union.
type InvalidExpr struct {
	source.Span
}

// DotsExpr is `...`: a default value, alone as an initializer or last in a
// ListExpr.
type DotsExpr struct {
	source.Span
}

// DefaultExpr is `default` as a keyset or switch label.
type DefaultExpr struct {
	source.Span
}

// DontCareExpr is `_` as a keyset or argument.
type DontCareExpr struct {
	source.Span
}

// BadExpr stands where an expression was expected and none could be read; an
// error has been reported.
type BadExpr struct {
	source.Span
}

func (*IntLit) expr()         {}
func (*BoolLit) expr()        {}
func (*StringLit) expr()      {}
func (*PathExpr) expr()       {}
func (*TypeExpr) expr()       {}
func (*ThisExpr) expr()       {}
func (*MemberExpr) expr()     {}
func (*IndexExpr) expr()      {}
func (*SliceExpr) expr()      {}
func (*WidthSliceExpr) expr() {}
func (*UnaryExpr) expr()      {}
func (*BinaryExpr) expr()     {}
func (*CondExpr) expr()       {}
func (*CallExpr) expr()       {}
func (*CastExpr) expr()       {}
func (*ListExpr) expr()       {}
func (*StructExpr) expr()     {}
func (*InvalidExpr) expr()    {}
func (*DotsExpr) expr()       {}
func (*DefaultExpr) expr()    {}
func (*DontCareExpr) expr()   {}
func (*BadExpr) expr()        {}

// Op is an operator.
type Op uint8

// Operators. OpInvalid is the zero Op; in an AssignStmt it means a plain `=`.
const (
	OpInvalid Op = iota

	OpNot   // !
	OpCompl // ~
	OpNeg   // - (unary)
	OpPlus  // + (unary)

	OpMul    // *
	OpDiv    // /
	OpMod    // %
	OpAdd    // +
	OpSub    // -
	OpAddSat // |+|
	OpSubSat // |-|
	OpConcat // ++
	OpShl    // <<
	OpShr    // >>
	OpLe     // <=
	OpGe     // >=
	OpLt     // <
	OpGt     // >
	OpEq     // ==
	OpNe     // !=
	OpAnd    // &
	OpXor    // ^
	OpOr     // |
	OpLAnd   // &&
	OpLOr    // ||
	OpMask   // &&&
	OpRange  // ..

	numOps
)

// String returns the operator as written.
func (op Op) String() string {
	if op >= numOps {
		return "?"
	}
	return [numOps]string{
		OpInvalid: "=",
		OpNot:     "!", OpCompl: "~", OpNeg: "-", OpPlus: "+",
		OpMul: "*", OpDiv: "/", OpMod: "%", OpAdd: "+", OpSub: "-",
		OpAddSat: "|+|", OpSubSat: "|-|", OpConcat: "++", OpShl: "<<", OpShr: ">>",
		OpLe: "<=", OpGe: ">=", OpLt: "<", OpGt: ">", OpEq: "==", OpNe: "!=",
		OpAnd: "&", OpXor: "^", OpOr: "|", OpLAnd: "&&", OpLOr: "||",
		OpMask: "&&&", OpRange: "..",
	}[op]
}

// Precedence of the operators, higher binds tighter (specification,
// "Expressions" and appendix "P4 grammar"). Unlike in C, the bitwise operators
// bind tighter than the comparisons: `a & b == c` is `(a & b) == c`.
const (
	PrecLowest = iota
	PrecKeyset // &&& and .., which only keysets have
	PrecCond   // ?:
	PrecLOr
	PrecLAnd
	PrecEq
	PrecRel
	PrecOr
	PrecXor
	PrecAnd
	PrecShift
	PrecAdd // + - |+| |-| ++
	PrecMul
	PrecUnary // unary operators and casts
	PrecPrimary
)

// Precedence returns the precedence of a binary operator, PrecLowest for any
// other Op.
func (op Op) Precedence() int {
	switch op {
	case OpMask, OpRange:
		return PrecKeyset
	case OpLOr:
		return PrecLOr
	case OpLAnd:
		return PrecLAnd
	case OpOr:
		return PrecOr
	case OpXor:
		return PrecXor
	case OpAnd:
		return PrecAnd
	case OpEq, OpNe:
		return PrecEq
	case OpLt, OpGt, OpLe, OpGe:
		return PrecRel
	case OpShl, OpShr:
		return PrecShift
	case OpAdd, OpSub, OpAddSat, OpSubSat, OpConcat:
		return PrecAdd
	case OpMul, OpDiv, OpMod:
		return PrecMul
	}
	return PrecLowest
}
