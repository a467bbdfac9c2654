package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// expr parses an expression.
func (p *parser) expr() ast.Expr {
	if !p.enter() {
		return p.badExpr()
	}
	defer p.leave()
	lo := p.lo()
	x := p.binary(ast.PrecLOr)
	if p.kind() != scanner.Question {
		return x
	}
	p.advance()
	then := p.exprIn()
	p.expect(scanner.Colon, "in the conditional expression")
	els := p.expr()
	return &ast.CondExpr{Span: p.from(lo), Cond: x, Then: then, Else: els}
}

// exprIn parses an expression between brackets of its own, where `>` is an
// operator again even inside bit<...>.
func (p *parser) exprIn() ast.Expr {
	saved := p.noGt
	p.noGt = false
	x := p.expr()
	p.noGt = saved
	return x
}

func (p *parser) badExpr() ast.Expr { return &ast.BadExpr{Span: p.here()} }

// binaryOp returns the operator at the current token and the number of its
// tokens: `>>` is two (L14).
func (p *parser) binaryOp() (ast.Op, int) {
	switch p.kind() {
	case scanner.Mul:
		return ast.OpMul, 1
	case scanner.Div:
		return ast.OpDiv, 1
	case scanner.Mod:
		return ast.OpMod, 1
	case scanner.Plus:
		return ast.OpAdd, 1
	case scanner.Minus:
		return ast.OpSub, 1
	case scanner.AddSat:
		return ast.OpAddSat, 1
	case scanner.SubSat:
		return ast.OpSubSat, 1
	case scanner.Concat:
		return ast.OpConcat, 1
	case scanner.Shl:
		return ast.OpShl, 1
	case scanner.Le:
		return ast.OpLe, 1
	case scanner.Ge:
		return ast.OpGe, 1
	case scanner.Lt:
		return ast.OpLt, 1
	case scanner.Gt:
		if p.noGt {
			break
		}
		if next := p.at(p.pos + 1); !next.Space {
			switch next.Kind {
			case scanner.Gt:
				return ast.OpShr, 2
			case scanner.Ge: // `>>=` ends the expression
				return ast.OpInvalid, 0
			}
		}
		return ast.OpGt, 1
	case scanner.Eq:
		return ast.OpEq, 1
	case scanner.Ne:
		return ast.OpNe, 1
	case scanner.And:
		return ast.OpAnd, 1
	case scanner.Xor:
		return ast.OpXor, 1
	case scanner.Or:
		return ast.OpOr, 1
	case scanner.LAnd:
		return ast.OpLAnd, 1
	case scanner.LOr:
		return ast.OpLOr, 1
	}
	return ast.OpInvalid, 0
}

// binary parses operators of precedence min and above; all of them associate
// to the left.
func (p *parser) binary(min int) ast.Expr {
	lo := p.lo()
	x := p.unary()
	for n := 0; ; n++ {
		op, width := p.binaryOp()
		prec := op.Precedence()
		if op == ast.OpInvalid || prec < min || p.long(n, "an expression") {
			return x
		}
		opPos := p.here()
		for range width {
			opPos = opPos.To(p.advance().Span)
		}
		y := p.binary(prec + 1)
		x = &ast.BinaryExpr{Span: p.from(lo), Op: op, OpPos: opPos, X: x, Y: y}
	}
}

// unary parses prefix operators and casts.
func (p *parser) unary() ast.Expr {
	op := ast.OpInvalid
	switch p.kind() {
	case scanner.Not:
		op = ast.OpNot
	case scanner.Compl:
		op = ast.OpCompl
	case scanner.Minus:
		op = ast.OpNeg
	case scanner.Plus:
		op = ast.OpPlus
	case scanner.LParen:
		if p.isCast() {
			return p.cast()
		}
	}
	if op == ast.OpInvalid {
		return p.operand()
	}
	if !p.enter() {
		return p.badExpr()
	}
	defer p.leave()
	lo := p.lo()
	p.advance()
	x := p.unary()
	return &ast.UnaryExpr{Span: p.from(lo), Op: op, X: x}
}

// cast parses `(type) operand`.
func (p *parser) cast() ast.Expr {
	if !p.enter() {
		return p.badExpr()
	}
	defer p.leave()
	lo := p.lo()
	p.advance()
	t := p.typ()
	p.expect(scanner.RParen, "after the type of the cast")
	x := p.unary()
	return &ast.CastExpr{Span: p.from(lo), Type: t, X: x}
}

// operand parses a primary expression and what follows it.
func (p *parser) operand() ast.Expr {
	lo := p.lo()
	return p.postfix(lo, p.primary())
}

// primary parses literals, names, parentheses and braces.
func (p *parser) primary() ast.Expr {
	t := p.toks[p.pos]
	switch p.kind() {
	case scanner.Int:
		p.advance()
		v := t.Int
		return &ast.IntLit{Span: t.Span, Value: v.Value, HasWidth: v.HasWidth, Width: v.Width,
			Signed: v.Signed, Base: v.Base, Text: t.Text}
	case scanner.String:
		p.advance()
		return &ast.StringLit{Span: t.Span, Value: t.Text}
	case scanner.True, scanner.False:
		p.advance()
		return &ast.BoolLit{Span: t.Span, Value: t.Kind == scanner.True}
	case scanner.This:
		p.advance()
		return &ast.ThisExpr{Span: t.Span}
	case scanner.Invalid:
		p.advance()
		return &ast.InvalidExpr{Span: t.Span}
	case scanner.Dots:
		p.advance()
		return &ast.DotsExpr{Span: t.Span}
	case scanner.Error:
		p.advance()
		if p.kind() != scanner.Dot {
			p.unexpected(scanner.Dot.String(), "after `error`")
		}
		return &ast.TypeExpr{Span: t.Span, Type: &ast.BasicType{Span: t.Span, Kind: ast.ErrorType}}
	case scanner.Ident, scanner.Dot:
		return p.nameExpr()
	case scanner.LParen:
		p.advance()
		x := p.exprIn()
		p.expect(scanner.RParen, "after the expression")
		return x
	case scanner.LBrace:
		return p.braces()
	}
	p.unexpected("an expression", "")
	return p.badExpr()
}

// nameExpr parses a name: a TypeExpr if it is a type, else a PathExpr.
func (p *parser) nameExpr() ast.Expr {
	lo := p.lo()
	abs, id := p.kind() == scanner.Dot, p.toks[p.pos]
	if abs {
		id = p.at(p.pos + 1)
	}
	if id.Kind == scanner.Ident && p.lookup(id.Text, abs) == isType {
		t := p.typeName()
		if k := p.kind(); k != scanner.Dot && k != scanner.LParen {
			p.unexpected("`.` or `(`", "after the type")
		}
		return &ast.TypeExpr{Span: p.from(lo), Type: t}
	}
	path := p.path("")
	return &ast.PathExpr{Span: p.from(lo), Path: path}
}

// typeName parses the name of a type in an expression. A `<` begins type
// arguments only where it reads as such.
func (p *parser) typeName() ast.Type {
	i := p.pos + 1
	if p.kind() == scanner.Dot {
		i++
	}
	if p.at(i).Kind == scanner.Lt {
		if _, ok := p.skipTypeArgs(i, false, p.depth); ok {
			return p.namedType()
		}
	}
	lo := p.lo()
	n := &ast.NamedType{Path: p.path("of a type")}
	n.Span = p.from(lo)
	return n
}

// postfix parses members, indices, slices and calls after x, which begins at lo.
func (p *parser) postfix(lo source.Pos, x ast.Expr) ast.Expr {
	for n := 0; ; n++ {
		if p.long(n, "an expression") {
			return x
		}
		switch p.kind() {
		case scanner.Dot:
			p.advance()
			id := p.name("after the dot")
			x = &ast.MemberExpr{Span: p.from(lo), X: x, Member: id}
		case scanner.LBracket:
			x = p.index(lo, x)
		case scanner.LParen:
			args := p.args()
			x = &ast.CallExpr{Span: p.from(lo), Fun: x, Args: args}
		case scanner.Lt:
			if !p.isTypeArgs() {
				return x
			}
			types := p.typeArgs()
			args := p.args()
			x = &ast.CallExpr{Span: p.from(lo), Fun: x, TypeArgs: types, Args: args}
		default:
			return x
		}
	}
}

// index parses `[i]`, `[hi:lo]` and `[lo+:width]`.
func (p *parser) index(lo source.Pos, x ast.Expr) ast.Expr {
	p.advance()
	a := p.exprIn()
	var b ast.Expr
	sep := p.kind()
	if sep == scanner.Colon || sep == scanner.PlusColon {
		p.advance()
		b = p.exprIn()
	}
	p.expect(scanner.RBracket, "after the index")
	sp := p.from(lo)
	switch {
	case b == nil:
		return &ast.IndexExpr{Span: sp, X: x, Index: a}
	case sep == scanner.Colon:
		return &ast.SliceExpr{Span: sp, X: x, Hi: a, Lo: b}
	}
	return &ast.WidthSliceExpr{Span: sp, X: x, Lo: a, Width: b}
}

// args parses a parenthesized argument list.
func (p *parser) args() []*ast.Arg {
	p.expect(scanner.LParen, "before the arguments")
	saved := p.noGt
	p.noGt = false
	list := []*ast.Arg{}
	p.commas(scanner.RParen, false, "in the arguments", func() {
		lo := p.lo()
		a := &ast.Arg{}
		if p.kind() == scanner.Ident && p.peek(1) == scanner.Assign {
			a.Name = p.name("")
			p.advance()
		}
		if p.kind() == scanner.DontCare {
			a.Value = &ast.DontCareExpr{Span: p.advance().Span}
		} else {
			a.Value = p.expr()
		}
		a.Span = p.from(lo)
		list = append(list, a)
	})
	p.noGt = saved
	return list
}

// braces parses list and struct expressions; the first element decides.
func (p *parser) braces() ast.Expr {
	lo := p.lo()
	p.advance()
	saved := p.noGt
	p.noGt = false
	defer func() { p.noGt = saved }()
	if p.kind() == scanner.Ident && p.peek(1) == scanner.Assign {
		s := &ast.StructExpr{}
		p.commas(scanner.RBrace, true, "in the struct expression", func() {
			if p.kind() == scanner.Dots {
				s.Dots = &ast.DotsExpr{Span: p.advance().Span}
				if k := p.kind(); k != scanner.RBrace && !(k == scanner.Comma && p.peek(1) == scanner.RBrace) {
					p.unexpected(scanner.RBrace.String(), "after `...`")
				}
				return
			}
			f := p.namedExpr()
			for _, g := range s.Fields {
				if g.Name.Name == f.Name.Name {
					p.report(diag.Diagnostic{Code: CodeDuplicate, Span: f.Name.Span,
						Message: "field " + f.Name.Name + " is given twice",
						Notes:   []diag.Note{{Span: g.Name.Span, Message: "first"}}})
				}
			}
			s.Fields = append(s.Fields, f)
		})
		s.Span = p.from(lo)
		return s
	}
	l := &ast.ListExpr{Elems: []ast.Expr{}}
	p.commas(scanner.RBrace, true, "in the list", func() { l.Elems = append(l.Elems, p.expr()) })
	l.Span = p.from(lo)
	return l
}

// keyset parses the keys of a select case or table entry: one simple keyset, or
// several in parentheses (specification, "Select expressions").
func (p *parser) keyset() []ast.Expr {
	if p.kind() == scanner.LParen && p.match[p.pos] != 0 && p.at(p.match[p.pos]+1).Kind == scanner.Colon {
		p.advance()
		list := []ast.Expr{}
		if p.kind() == scanner.RParen {
			p.unexpected("an expression", "in the keyset")
		}
		p.commas(scanner.RParen, false, "in the keyset", func() { list = append(list, p.simpleKeyset()) })
		return list
	}
	return []ast.Expr{p.simpleKeyset()}
}

// simpleKeyset parses an expression, a mask, a range, default or `_`.
func (p *parser) simpleKeyset() ast.Expr {
	switch p.kind() {
	case scanner.Default:
		return &ast.DefaultExpr{Span: p.advance().Span}
	case scanner.DontCare:
		return &ast.DontCareExpr{Span: p.advance().Span}
	}
	return p.exprOrRange(true)
}

// exprOrRange parses an expression, a range `a..b` and, with mask, `a &&& b`.
func (p *parser) exprOrRange(mask bool) ast.Expr {
	lo := p.lo()
	x := p.expr()
	op := ast.OpInvalid
	switch p.kind() {
	case scanner.Range:
		op = ast.OpRange
	case scanner.Mask:
		if mask {
			op = ast.OpMask
		}
	}
	if op == ast.OpInvalid {
		return x
	}
	opPos := p.advance().Span
	y := p.expr()
	return &ast.BinaryExpr{Span: p.from(lo), Op: op, OpPos: opPos, X: x, Y: y}
}
