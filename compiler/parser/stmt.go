package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// block parses `{ ... }` in a scope of its own.
func (p *parser) block(where string) *ast.BlockStmt {
	lo := p.lo()
	p.push()
	defer p.pop()
	return p.openBlock(lo, nil, where)
}

// openBlock parses `{ ... }` in the current scope; it began at lo with annots.
func (p *parser) openBlock(lo source.Pos, annots []*ast.Annotation, where string) *ast.BlockStmt {
	b := &ast.BlockStmt{Annotations: annots}
	if !p.enter() {
		return b
	}
	defer p.leave()
	p.expect(scanner.LBrace, where)
	p.list("at the end of the block", func() {
		if s := p.stmt(); !p.failed {
			b.Stmts = append(b.Stmts, s)
		}
	})
	b.Span = p.from(lo)
	return b
}

// stmt parses a statement or a declaration among statements
// (statementOrDeclaration; specification, "Statements").
func (p *parser) stmt() ast.Stmt {
	if !p.enter() {
		return &ast.EmptyStmt{Span: p.here()}
	}
	defer p.leave()
	lo := p.lo()
	annots := p.annotations()
	switch k := p.kind(); k {
	case scanner.LBrace:
		p.push()
		defer p.pop()
		return p.openBlock(lo, annots, "")
	case scanner.For:
		return p.forStmt(lo, annots)
	case scanner.Const:
		d := p.constDecl(lo, annots)
		return &ast.DeclStmt{Span: d.Span, Decl: d}
	}
	switch p.looksLikeDecl() {
	case nameDecl:
		d := p.varDecl(lo, annots)
		p.expect(scanner.Semi, "after the variable")
		d.Span = p.from(lo)
		return &ast.DeclStmt{Span: d.Span, Decl: d}
	case instance:
		d := p.instantiation(lo, annots)
		return &ast.DeclStmt{Span: d.Span, Decl: d}
	}
	if len(annots) > 0 && !p.failed {
		p.unexpected("a block, loop or declaration", "after the annotation")
	}
	switch p.kind() {
	case scanner.Bit, scanner.IntType, scanner.Varbit, scanner.Bool, scanner.StringType, scanner.Tuple:
		// Only a declaration begins so; here is where it goes wrong.
		d := p.varDecl(lo, annots)
		p.expect(scanner.Semi, "after the variable")
		return &ast.DeclStmt{Span: p.from(lo), Decl: d}
	case scanner.Semi:
		p.advance()
		return &ast.EmptyStmt{Span: p.from(lo)}
	case scanner.If:
		return p.ifStmt()
	case scanner.Switch:
		return p.switchStmt()
	case scanner.Return:
		p.advance()
		s := &ast.ReturnStmt{}
		if p.kind() != scanner.Semi {
			s.Value = p.expr()
		}
		p.expect(scanner.Semi, "after `return`")
		s.Span = p.from(lo)
		return s
	case scanner.Exit:
		p.advance()
		p.expect(scanner.Semi, "after `exit`")
		return &ast.ExitStmt{Span: p.from(lo)}
	case scanner.Break:
		p.advance()
		p.expect(scanner.Semi, "after `break`")
		return &ast.BreakStmt{Span: p.from(lo)}
	case scanner.Continue:
		p.advance()
		p.expect(scanner.Semi, "after `continue`")
		return &ast.ContinueStmt{Span: p.from(lo)}
	}
	s := p.simpleStmt()
	p.expect(scanner.Semi, "after the statement")
	switch s := s.(type) {
	case *ast.AssignStmt:
		s.Span = p.from(lo)
	case *ast.CallStmt:
		s.Span = p.from(lo)
	}
	return s
}

// assignOp returns the operator of an assignment at the current token, and the
// number of its tokens, 0 when there is none: `>>=` is two.
func (p *parser) assignOp() (ast.Op, int) {
	switch p.kind() {
	case scanner.Assign:
		return ast.OpInvalid, 1
	case scanner.AddAssign:
		return ast.OpAdd, 1
	case scanner.SubAssign:
		return ast.OpSub, 1
	case scanner.MulAssign:
		return ast.OpMul, 1
	case scanner.DivAssign:
		return ast.OpDiv, 1
	case scanner.ModAssign:
		return ast.OpMod, 1
	case scanner.AndAssign:
		return ast.OpAnd, 1
	case scanner.OrAssign:
		return ast.OpOr, 1
	case scanner.XorAssign:
		return ast.OpXor, 1
	case scanner.ShlAssign:
		return ast.OpShl, 1
	case scanner.AddSatAssign:
		return ast.OpAddSat, 1
	case scanner.SubSatAssign:
		return ast.OpSubSat, 1
	case scanner.ConcatAssign:
		return ast.OpConcat, 1
	case scanner.Gt:
		if next := p.at(p.pos + 1); next.Kind == scanner.Ge && !next.Space {
			return ast.OpShr, 2
		}
	}
	return ast.OpInvalid, 0
}

// simpleStmt parses an assignment or call without its semicolon
// (assignmentOrMethodCallStatementWithoutSemicolon).
func (p *parser) simpleStmt() ast.Stmt {
	lo := p.lo()
	switch p.kind() {
	case scanner.Ident, scanner.Dot, scanner.This, scanner.LParen, scanner.Error:
	default:
		p.unexpected("a statement", "")
		return &ast.EmptyStmt{Span: p.here()}
	}
	x := p.operand()
	if op, width := p.assignOp(); width > 0 {
		for range width {
			p.advance()
		}
		rhs := p.expr()
		return &ast.AssignStmt{Span: p.from(lo), Op: op, LHS: x, RHS: rhs}
	}
	if call, ok := x.(*ast.CallExpr); ok {
		return &ast.CallStmt{Span: p.from(lo), Call: call}
	}
	p.unexpected(assignOrCall, "")
	return &ast.EmptyStmt{Span: p.here()}
}

// ifStmt parses a conditional. A chain of `else if` is read in a loop, as
// generated programs have long ones.
func (p *parser) ifStmt() ast.Stmt {
	var chain []*ast.IfStmt
	for n := 0; ; n++ {
		if p.long(n, "a chain of `else if`") {
			break
		}
		s := &ast.IfStmt{Span: p.here()}
		p.advance()
		p.expect(scanner.LParen, "after `if`")
		s.Cond = p.expr()
		p.expect(scanner.RParen, "after the condition")
		s.Then = p.body()
		if len(chain) > 0 {
			chain[len(chain)-1].Else = s
		}
		chain = append(chain, s)
		if !p.got(scanner.Else) {
			break
		}
		if p.kind() != scanner.If {
			s.Else = p.body()
			break
		}
	}
	for _, s := range chain {
		s.Span = p.from(s.Lo)
	}
	return chain[0]
}

// body parses the statement under a condition or loop: not a declaration.
func (p *parser) body() ast.Stmt {
	s := p.stmt()
	if d, ok := s.(*ast.DeclStmt); ok {
		p.errorf(CodeSyntax, d.Span, "a declaration cannot stand here; put it in a block")
	}
	return s
}

// switchStmt parses a switch (L89-L91).
func (p *parser) switchStmt() ast.Stmt {
	lo := p.lo()
	p.advance()
	s := &ast.SwitchStmt{}
	p.expect(scanner.LParen, "after `switch`")
	s.Tag = p.expr()
	p.expect(scanner.RParen, "after the expression")
	p.expect(scanner.LBrace, "before the cases")
	p.list("at the end of the switch", func() {
		lo := p.lo()
		c := &ast.SwitchCase{}
		if p.kind() == scanner.Default {
			c.Label = &ast.DefaultExpr{Span: p.advance().Span}
		} else if p.kind() == scanner.LBrace {
			// The label must not look like the block of the case before.
			p.unexpected("a label", "in the switch")
		} else {
			c.Label = p.expr()
		}
		p.expect(scanner.Colon, "after the label")
		if k := p.kind(); k == scanner.LBrace || k == scanner.At {
			lo := p.lo()
			annots := p.annotations()
			p.push()
			c.Body = p.openBlock(lo, annots, "after the label")
			p.pop()
		}
		c.Span = p.from(lo)
		if !p.failed {
			s.Cases = append(s.Cases, c)
		}
	})
	s.Span = p.from(lo)
	return s
}

// forStmt parses both forms of loop (L92, L93).
func (p *parser) forStmt(lo source.Pos, annots []*ast.Annotation) ast.Stmt {
	p.advance()
	p.expect(scanner.LParen, "after `for`")
	p.push()
	defer p.pop()
	s := &ast.ForStmt{Annotations: annots}
	for first := true; first || p.got(scanner.Comma); first = false {
		if first && p.kind() == scanner.Semi {
			break
		}
		at := p.lo()
		va := p.annotations()
		if p.looksLikeDecl() != nameDecl {
			if len(va) > 0 {
				p.unexpected("a variable", "after the annotation")
			}
			s.Init = append(s.Init, p.simpleStmt())
			continue
		}
		v := p.varDecl(at, va)
		if first && v.Init == nil && p.got(scanner.In) {
			return p.forIn(lo, annots, v)
		}
		s.Init = append(s.Init, &ast.DeclStmt{Span: v.Span, Decl: v})
	}
	p.expect(scanner.Semi, "after the initialization of the loop")
	s.Cond = p.expr()
	p.expect(scanner.Semi, "after the condition of the loop")
	for first := true; first || p.got(scanner.Comma); first = false {
		if first && p.kind() == scanner.RParen {
			break
		}
		s.Post = append(s.Post, p.simpleStmt())
	}
	p.expect(scanner.RParen, "after the head of the loop")
	s.Body = p.body()
	s.Span = p.from(lo)
	return s
}

// forIn parses the rest of `for (T v in` ...
func (p *parser) forIn(lo source.Pos, annots []*ast.Annotation, v *ast.VarDecl) ast.Stmt {
	s := &ast.ForInStmt{Annotations: annots, Var: v}
	s.Coll = p.exprOrRange(false)
	p.expect(scanner.RParen, "after the head of the loop")
	s.Body = p.body()
	s.Span = p.from(lo)
	return s
}
