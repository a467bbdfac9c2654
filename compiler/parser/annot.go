package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
)

// annotations parses annotations up to the first token that begins none.
func (p *parser) annotations() []*ast.Annotation {
	var list []*ast.Annotation
	for p.kind() == scanner.At {
		list = append(list, p.annotation())
	}
	return list
}

// annotation parses one annotation (specification, "Annotations"; L161-L163).
func (p *parser) annotation() *ast.Annotation {
	lo := p.lo()
	p.advance()
	pragma := p.word(0, "pragma") && !p.toks[p.pos].Space
	if pragma {
		p.advance()
	}
	a := &ast.Annotation{Name: p.annotationName()}
	switch {
	case pragma:
		// The older form: the body reaches to the end of the line.
		i := p.pos
		for !p.failed && p.at(i).Kind != scanner.EOF && !p.at(i).LineStart {
			i++
		}
		p.rawBody(a, i)
		if a.Kind = ast.AnnotUnstructured; len(a.Tokens) == 0 {
			a.Kind = ast.AnnotNone
		}
	case p.kind() == scanner.LParen:
		a.Kind = ast.AnnotUnstructured
		end := p.match[p.pos]
		if end == 0 {
			p.advance()
			p.errorf(CodeSyntax, a.Name.Span, "the body of annotation @%s is not closed", a.Name.Name)
			p.failed = true
			break
		}
		p.advance()
		p.rawBody(a, end)
		p.expect(scanner.RParen, "after the annotation")
	case p.kind() == scanner.LBracket:
		p.advance()
		p.structuredBody(a)
	}
	a.Span = p.from(lo)
	return a
}

// annotationName parses the name of an annotation: any word.
func (p *parser) annotationName() *ast.Ident {
	if k := p.kind(); k.IsKeyword() {
		t := p.advance()
		return &ast.Ident{Span: t.Span, Name: t.Text}
	}
	return p.name("of an annotation")
}

// structuredBody parses the body of a structured annotation and its `]`. The
// first element decides which of the two forms it is.
func (p *parser) structuredBody(a *ast.Annotation) {
	a.Kind = ast.AnnotExprs
	if p.kind() == scanner.Ident && p.peek(1) == scanner.Assign {
		a.Kind = ast.AnnotKV
	}
	p.commas(scanner.RBracket, true, "in the annotation", func() {
		if a.Kind == ast.AnnotKV {
			a.KV = append(a.KV, p.namedExpr())
		} else {
			a.Exprs = append(a.Exprs, p.expr())
		}
	})
}

// rawBody consumes the tokens up to index end as an unstructured body, and reads
// them as expressions where they are some.
func (p *parser) rawBody(a *ast.Annotation, end int) {
	if p.failed {
		return
	}
	body := p.toks[p.pos:end]
	for _, t := range body {
		kind := ast.TokenPunct
		switch {
		case t.Kind == scanner.Ident || t.Kind.IsKeyword():
			kind = ast.TokenName
		case t.Kind == scanner.Int:
			kind = ast.TokenInt
		case t.Kind == scanner.String:
			kind = ast.TokenString
		}
		a.Tokens = append(a.Tokens, ast.Token{Span: t.Span, Kind: kind, Text: t.Text})
	}
	a.Exprs = p.tryExprs(body)
	for p.pos < end {
		p.advance()
	}
}

// maxTry bounds the length of a body that is tried as expressions.
const maxTry = 1000

// tryExprs reads tokens as an expression list; nil if they are none.
func (p *parser) tryExprs(body []scanner.Token) []ast.Expr {
	if len(body) == 0 || len(body) > maxTry {
		return nil
	}
	toks := append(append([]scanner.Token(nil), body...), scanner.Token{Kind: scanner.EOF, Span: body[len(body)-1].Span})
	q := newParser(toks)
	q.quiet, q.scopes, q.depth = true, p.scopes, p.depth
	var list []ast.Expr
	for {
		list = append(list, q.expr())
		if !q.got(scanner.Comma) || q.kind() == scanner.EOF {
			break
		}
	}
	if q.failed || q.pos != len(toks)-1 {
		return nil
	}
	return list
}

// namedExpr parses `name = expression`.
func (p *parser) namedExpr() *ast.NamedExpr {
	lo := p.lo()
	n := &ast.NamedExpr{Name: p.name("")}
	p.expect(scanner.Assign, "after the name")
	n.Value = p.expr()
	n.Span = p.from(lo)
	return n
}
