package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// typ parses typeRef (and void, whose place the type checker judges).
func (p *parser) typ() ast.Type {
	if !p.enter() {
		return p.badType()
	}
	defer p.leave()
	lo := p.lo()
	var t ast.Type
	switch k := p.kind(); k {
	case scanner.Bool, scanner.Error, scanner.MatchKind, scanner.StringType, scanner.Void:
		p.advance()
		t = &ast.BasicType{Span: p.from(lo), Kind: basicKind(k)}
	case scanner.Bit, scanner.IntType, scanner.Varbit:
		t = p.sized()
	case scanner.Tuple:
		p.advance()
		args := p.typeArgs()
		t = &ast.TupleType{Span: p.from(lo), Elems: args}
	case scanner.Ident, scanner.Dot:
		if p.word(0, "list") && p.peek(1) == scanner.Lt && p.lookup("list", false) != isType {
			p.advance()
			p.advance()
			l := &ast.ListType{Elem: p.typeArg()}
			p.expect(scanner.Gt, "after the element type")
			l.Span = p.from(lo)
			t = l
			break
		}
		t = p.namedType()
	default:
		p.unexpected("a type", "")
		return p.badType()
	}
	return p.stackOf(lo, t)
}

// badType stands where no type could be read.
func (p *parser) badType() ast.Type {
	sp := p.here()
	return &ast.NamedType{Span: sp, Path: &ast.Path{Span: sp, Name: &ast.Ident{Span: sp}}}
}

func basicKind(k scanner.Kind) ast.BasicKind {
	switch k {
	case scanner.Bool:
		return ast.Bool
	case scanner.Error:
		return ast.ErrorType
	case scanner.MatchKind:
		return ast.MatchKind
	case scanner.StringType:
		return ast.String
	}
	return ast.Void
}

// sized parses bit, int and varbit types.
func (p *parser) sized() ast.Type {
	lo := p.lo()
	t := &ast.BasicType{Kind: ast.Bit}
	switch p.advance().Kind {
	case scanner.IntType:
		t.Kind = ast.Integer
		if p.kind() == scanner.Lt {
			t.Kind = ast.Int
		}
	case scanner.Varbit:
		t.Kind = ast.Varbit
		if p.kind() != scanner.Lt {
			p.unexpected(scanner.Lt.String(), "after varbit")
		}
	}
	if p.got(scanner.Lt) {
		// `>` ends the width; a comparison needs parentheses.
		saved := p.noGt
		p.noGt = true
		t.Width = p.expr()
		p.noGt = saved
		p.expect(scanner.Gt, "after the width")
	}
	t.Span = p.from(lo)
	return t
}

// namedType parses typeName and specializedType.
func (p *parser) namedType() ast.Type {
	lo := p.lo()
	n := &ast.NamedType{Path: p.path("of a type")}
	n.Span = p.from(lo)
	if p.kind() != scanner.Lt {
		return n
	}
	args := p.typeArgs()
	return &ast.SpecializedType{Span: p.from(lo), Base: n, Args: args}
}

// typeArgs parses `<` type arguments `>`.
func (p *parser) typeArgs() []ast.Type {
	p.expect(scanner.Lt, "before the type arguments")
	list := []ast.Type{}
	p.commas(scanner.Gt, false, "in the type arguments", func() {
		list = append(list, p.typeArg())
	})
	return list
}

// typeArg parses one type argument (L43).
func (p *parser) typeArg() ast.Type {
	if p.kind() == scanner.DontCare {
		t := p.advance()
		return &ast.DontCareType{Span: t.Span}
	}
	return p.typ()
}

// stackOf parses the sizes after an element type.
func (p *parser) stackOf(lo source.Pos, t ast.Type) ast.Type {
	for n := 0; p.kind() == scanner.LBracket; n++ {
		if p.long(n, "a type") {
			break
		}
		p.advance()
		size := p.exprIn()
		p.expect(scanner.RBracket, "after the size")
		t = &ast.StackType{Span: p.from(lo), Elem: t, Size: size}
	}
	return t
}

// declarator parses a declared name; `T x[3]` declares x as T[3] (draft).
func (p *parser) declarator(t ast.Type, where string) (*ast.Ident, ast.Type) {
	id := p.name(where)
	if p.kind() == scanner.LBracket {
		t = p.stackOf(t.Pos(), t)
	}
	return id, t
}

// typeParams parses optional type parameters and declares them in the innermost
// scope.
func (p *parser) typeParams() []*ast.Ident {
	if p.kind() != scanner.Lt {
		return nil
	}
	p.advance()
	var list []*ast.Ident
	if p.kind() == scanner.Gt {
		p.unexpected("the name", "of a type parameter")
	}
	p.commas(scanner.Gt, false, "in the type parameters", func() {
		id := p.name("of a type parameter")
		p.declare(id.Name, true)
		list = append(list, id)
	})
	return list
}
