package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// Bounds on nesting in a core program. They lie well below those of ir.Parse and
// ir.Check, so that every program that is built can be read back.
const (
	maxExprDepth = 100
	maxStmtDepth = 250
)

// deep cuts expressions that are nested deeper than maxExprDepth: inner parts go
// to variables first. Core expressions have no effects, and a statement evaluates
// its expressions before it does anything, so this changes nothing. Statements
// nested deeper than maxStmtDepth are refused.
//
// Before: core. After: nesting is bounded.
func deep(p *ir.Program) error {
	d := &deepener{names: newNamer(p)}
	for _, a := range p.Actions {
		d.locals = &a.Locals
		a.Body = d.stmts(a.Body, 0)
	}
	for _, b := range p.Blocks {
		d.locals = &b.Locals
		b.Body = d.stmts(b.Body, 0)
		for _, s := range b.States {
			s.Body = d.stmts(s.Body, 0)
			for i := range s.Trans.Keys {
				d.cut(&s.Trans.Keys[i], true)
			}
			s.Body = append(s.Body, d.out...)
			d.out = nil
		}
	}
	for _, t := range p.Tables {
		for i := range t.Keys {
			if d.depth(t.Keys[i].Expr) > maxExprDepth && d.err == nil {
				d.err = pass.Refuse(t.Keys[i].Pos, "key %s of table %s is nested more than %d deep; assign it to a variable first", t.Keys[i].Name, t.Name, maxExprDepth)
			}
		}
	}
	return d.err
}

type deepener struct {
	names  *namer
	locals *[]*ir.Var
	out    []ir.Stmt
	err    error
}

func (d *deepener) stmts(body []ir.Stmt, level int) []ir.Stmt {
	if body == nil {
		return nil
	}
	out := []ir.Stmt{}
	for _, s := range body {
		if level > maxStmtDepth {
			if d.err == nil {
				d.err = pass.Refuse(s.Pos(), "statements are nested more than %d deep here", maxStmtDepth)
			}
			return out
		}
		ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = d.stmts(*b, level+1) })
		ir.StmtSlots(s, func(e *ir.Expr) { d.cut(e, true) })
		out = append(append(out, d.out...), s)
		d.out = nil
	}
	return out
}

func (d *deepener) depth(e ir.Expr) int {
	n := 0
	ir.ExprSlots(e, func(x *ir.Expr) { n = max(n, d.depth(*x)) })
	return n + 1
}

// cut gives the depth of e after its parts were cut. A part may go to a variable
// when it is a number and no place.
func (d *deepener) cut(e *ir.Expr, top bool) int {
	n := 0
	ir.ExprSlots(*e, func(x *ir.Expr) { n = max(n, d.cut(x, false)) })
	n++
	if n < maxExprDepth || top || !isScalar((*e).Type()) {
		return n
	}
	switch (*e).(type) {
	case *ir.Unary, *ir.Binary, *ir.Cast, *ir.Mux:
		x := *e
		v := d.names.variable(d.locals, "tmp", x.Type(), x.Pos())
		d.out = append(d.out, assign(ref(v, x.Pos()), x, x.Pos()))
		*e = ref(v, x.Pos())
		return 1
	}
	return n
}
