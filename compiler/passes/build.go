package passes

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Small constructors for nodes.

func ref(v *ir.Var, pos ir.Pos) *ir.VarRef {
	return &ir.VarRef{Meta: ir.Meta{T: v.Type, P: pos}, Var: v}
}

func constant(t ir.Type, n int64, pos ir.Pos) *ir.Const {
	return &ir.Const{Meta: ir.Meta{T: t, P: pos}, Val: big.NewInt(n)}
}

func boolConst(b bool, pos ir.Pos) *ir.Const {
	n := int64(0)
	if b {
		n = 1
	}
	return constant(&ir.Bool{}, n, pos)
}

func assign(l, r ir.Expr, pos ir.Pos) *ir.Assign {
	return &ir.Assign{SMeta: ir.SMeta{P: pos}, L: l, R: r}
}

func member(x ir.Expr, f ir.Field) *ir.Member {
	return &ir.Member{Meta: ir.Meta{T: f.Type, P: x.Pos()}, X: x, Field: f.Name}
}

func element(x ir.Expr, t *ir.Stack, i int) *ir.Index {
	return &ir.Index{Meta: ir.Meta{T: t.Elem, P: x.Pos()}, X: x, I: constant(&ir.Bit{W: 32}, int64(i), x.Pos())}
}

func not(x ir.Expr) ir.Expr {
	return &ir.Unary{Meta: ir.Meta{T: &ir.Bool{}, P: x.Pos()}, Op: ir.LNot, X: x}
}

func binary(op ir.Op, x, y ir.Expr) ir.Expr {
	return &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: x.Pos()}, Op: op, X: x, Y: y}
}

func clone(e ir.Expr) ir.Expr { return (&ir.Cloner{}).Expr(e) }

// isScalar tells whether values of t are one number. Varbits count: they are
// copied and compared whole.
func isScalar(t ir.Type) bool {
	switch ir.Underlying(t).(type) {
	case *ir.Bit, *ir.Int, *ir.Bool, *ir.ErrorType, *ir.Enum, *ir.Varbit, *ir.InfInt, *ir.String:
		return true
	}
	return false
}

// zero gives the statements that bring the l-value x to the state of a new
// variable: numbers 0, headers invalid, stacks empty (D19).
func zero(x ir.Expr, pos ir.Pos) []ir.Stmt {
	switch t := x.Type().(type) {
	case *ir.Struct:
		var out []ir.Stmt
		for _, f := range t.Fields {
			out = append(out, zero(member(clone(x), f), pos)...)
		}
		return out
	case *ir.Header:
		return []ir.Stmt{&ir.SetValid{SMeta: ir.SMeta{P: pos}, X: x}}
	case *ir.Union:
		var out []ir.Stmt
		for _, f := range t.Fields {
			out = append(out, zero(member(clone(x), f), pos)...)
		}
		return out
	case *ir.Stack:
		switch t.Elem.(type) {
		case *ir.Header, *ir.Union:
			// Popping all elements also resets nextIndex.
			return []ir.Stmt{&ir.PushPop{SMeta: ir.SMeta{P: pos}, X: x, N: t.Size}}
		}
		var out []ir.Stmt
		for i := range t.Size {
			out = append(out, zero(element(clone(x), t, i), pos)...)
		}
		return out
	case *ir.Varbit, *ir.ExternType, *ir.String, *ir.Void:
		return nil
	default:
		return []ir.Stmt{assign(x, constant(x.Type(), 0, pos), pos)}
	}
}

// hasCall tells whether e contains a call.
func hasCall(e ir.Expr) bool {
	found := false
	ir.WalkExpr(e, func(x ir.Expr) {
		if _, ok := x.(*ir.Call); ok {
			found = true
		}
	})
	return found
}

// rewriteExpr replaces e and everything below it, children first.
func rewriteExpr(e *ir.Expr, f func(ir.Expr) ir.Expr) {
	ir.ExprSlots(*e, func(x *ir.Expr) { rewriteExpr(x, f) })
	*e = f(*e)
}

// rewriteProgram applies f to every expression of the program, children first.
func rewriteProgram(p *ir.Program, f func(ir.Expr) ir.Expr) {
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			ir.StmtSlots(s, func(e *ir.Expr) { rewriteExpr(e, f) })
		})
	})
	p.OuterSlots(func(e *ir.Expr) { rewriteExpr(e, f) })
}

// mapStmts rebuilds a statement list: each statement, after the lists below it
// were rebuilt, becomes what f returns.
func mapStmts(body []ir.Stmt, f func(ir.Stmt) []ir.Stmt) []ir.Stmt {
	var out []ir.Stmt
	for _, s := range body {
		ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = mapStmts(*b, f) })
		out = append(out, f(s)...)
	}
	return out
}
