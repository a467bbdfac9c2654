package printer

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
)

// low writes an expression where any may stand.
func (p *printer) low(e ast.Expr) { p.expr(e, ast.PrecLowest) }

// prec returns how tightly an expression binds as it is printed.
func prec(e ast.Expr) int {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return e.Op.Precedence()
	case *ast.CondExpr:
		return ast.PrecCond
	case *ast.UnaryExpr, *ast.CastExpr:
		return ast.PrecUnary
	}
	return ast.PrecPrimary
}

// expr writes an expression whose place demands at least precedence min.
func (p *printer) expr(e ast.Expr, min int) {
	if prec(e) < min {
		p.put("(")
		defer p.put(")")
	}
	switch e := e.(type) {
	case *ast.IntLit:
		p.put(intText(e))
	case *ast.BoolLit:
		if e.Value {
			p.put("true")
		} else {
			p.put("false")
		}
	case *ast.StringLit:
		p.put(scanner.Quote(e.Value))
	case *ast.PathExpr:
		p.put(e.Path.String())
	case *ast.TypeExpr:
		p.typ(e.Type)
	case *ast.ThisExpr:
		p.put("this")
	case *ast.MemberExpr:
		p.expr(e.X, ast.PrecPrimary)
		p.put(".", e.Member.Name)
	case *ast.IndexExpr:
		p.expr(e.X, ast.PrecPrimary)
		p.put("[")
		p.low(e.Index)
		p.put("]")
	case *ast.SliceExpr:
		p.expr(e.X, ast.PrecPrimary)
		p.put("[")
		p.low(e.Hi)
		p.put(":")
		p.low(e.Lo)
		p.put("]")
	case *ast.WidthSliceExpr:
		p.expr(e.X, ast.PrecPrimary)
		p.put("[")
		p.low(e.Lo)
		p.put(" +: ")
		p.low(e.Width)
		p.put("]")
	case *ast.UnaryExpr:
		p.put(e.Op.String())
		if u, ok := e.X.(*ast.UnaryExpr); ok && u.Op == e.Op && e.Op == ast.OpPlus {
			p.put(" ") // `++` is another operator
		}
		p.expr(e.X, ast.PrecUnary)
	case *ast.BinaryExpr:
		p.binary(e)
	case *ast.CondExpr:
		p.expr(e.Cond, ast.PrecLOr)
		p.put(" ? ")
		p.expr(e.Then, ast.PrecCond)
		p.put(" : ")
		p.expr(e.Else, ast.PrecCond)
	case *ast.CallExpr:
		p.expr(e.Fun, ast.PrecPrimary)
		if len(e.TypeArgs) > 0 {
			p.put("<")
			list(p, e.TypeArgs, p.typ)
			p.put(">")
		}
		p.args(e.Args)
	case *ast.CastExpr:
		p.put("(")
		p.typ(e.Type)
		p.put(")")
		p.expr(e.X, ast.PrecUnary)
	case *ast.ListExpr:
		p.put("{")
		list(p, e.Elems, p.low)
		p.put("}")
	case *ast.StructExpr:
		p.put("{")
		list(p, e.Fields, p.namedExpr)
		if e.Dots != nil {
			p.put(", ...")
		}
		p.put("}")
	case *ast.InvalidExpr:
		p.put("{#}")
	case *ast.DotsExpr:
		p.put("...")
	case *ast.DefaultExpr:
		p.put("default")
	case *ast.DontCareExpr:
		p.put("_")
	case *ast.BadExpr:
		p.put("/* error */")
	default:
		panic(fmt.Sprintf("printer: unknown expression %T", e))
	}
}

// binary writes a binary expression. A comparison within a comparison gets
// parentheses even where precedence needs none: `a < b > (c)` could be read as
// a call with type arguments.
func (p *printer) binary(e *ast.BinaryExpr) {
	prec := e.Op.Precedence()
	left, right := prec, prec+1
	if prec == ast.PrecRel {
		left = prec + 1
	}
	if prec == ast.PrecKeyset {
		left, right = ast.PrecCond, ast.PrecCond
	}
	p.expr(e.X, left)
	p.put(" ", e.Op.String(), " ")
	p.expr(e.Y, right)
}

// intText spells an integer literal; one that no source text has gets its
// spelling from its value.
func intText(e *ast.IntLit) string {
	switch {
	case e.Text != "":
		return e.Text
	case !e.HasWidth:
		return e.Value.String()
	case e.Signed:
		return fmt.Sprintf("%ds%s", e.Width, e.Value)
	}
	return fmt.Sprintf("%dw%s", e.Width, e.Value)
}

func (p *printer) typ(t ast.Type) {
	switch t := t.(type) {
	case *ast.BasicType:
		p.put(t.Kind.String())
		if t.Width == nil {
			return
		}
		p.put("<")
		switch w := t.Width.(type) {
		case *ast.IntLit, *ast.PathExpr:
			p.low(w)
		default:
			p.put("(")
			p.low(w)
			p.put(")")
		}
		p.put(">")
	case *ast.NamedType:
		p.put(t.Path.String())
	case *ast.SpecializedType:
		p.typ(t.Base)
		p.put("<")
		list(p, t.Args, p.typ)
		p.put(">")
	case *ast.StackType:
		p.typ(t.Elem)
		p.size(t)
	case *ast.TupleType:
		p.put("tuple<")
		list(p, t.Elems, p.typ)
		p.put(">")
	case *ast.ListType:
		p.put("list<")
		p.typ(t.Elem)
		p.put(">")
	case *ast.DontCareType:
		p.put("_")
	default:
		panic(fmt.Sprintf("printer: unknown type %T", t))
	}
}

func (p *printer) size(t *ast.StackType) {
	p.put("[")
	p.low(t.Size)
	p.put("]")
}
