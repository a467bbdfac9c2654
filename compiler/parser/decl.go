package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// program parses the whole input.
func (p *parser) program() *ast.Program {
	prog := &ast.Program{Span: source.Span{Lo: p.lo()}}
	for p.toks[p.pos].Kind != scanner.EOF {
		if p.got(scanner.Semi) {
			continue
		}
		start := p.pos
		p.elems = append(p.elems[:0], start)
		d := p.topDecl()
		if !p.failed {
			prog.Decls = append(prog.Decls, d)
			continue
		}
		if p.rep.Full() {
			break
		}
		p.scopes = p.scopes[:1]
		if p.toTop {
			p.failed, p.toTop, p.noGt, p.brace = false, false, false, 0
			continue
		}
		p.recover(start, 0)
		if p.pos == start {
			p.advance()
		}
		p.brace = max(p.brace, 0)
	}
	prog.Hi = p.toks[p.pos].Hi
	return prog
}

// topDecl parses a declaration of the top level (production `declaration`).
func (p *parser) topDecl() ast.Decl {
	lo := p.lo()
	annots := p.annotations()
	switch p.kind() {
	case scanner.Const:
		return p.constDecl(lo, annots)
	case scanner.Extern:
		return p.externDecl(lo, annots)
	case scanner.Action:
		return p.actionDecl(lo, annots)
	case scanner.Parser:
		return p.parserDecl(lo, annots)
	case scanner.Control:
		return p.controlDecl(lo, annots)
	case scanner.Package:
		return p.packageDecl(lo, annots)
	case scanner.Header, scanner.HeaderUnion, scanner.Struct:
		return p.structDecl(lo, annots)
	case scanner.Enum:
		return p.enumDecl(lo, annots)
	case scanner.Typedef:
		return p.typedefDecl(lo, annots)
	case scanner.Error:
		if p.peek(1) == scanner.LBrace {
			return p.errorDecl(lo, annots)
		}
	case scanner.MatchKind:
		if p.peek(1) == scanner.LBrace {
			return p.matchKindDecl(lo, annots)
		}
	case scanner.Ident:
		if p.word(0, "type") && p.peek(1) != scanner.LParen {
			return p.typedefDecl(lo, annots)
		}
	}
	return p.objectDecl(lo, annots, "a declaration")
}

// objectDecl parses an instantiation or a function: what both the top level and
// an object initializer hold.
func (p *parser) objectDecl(lo source.Pos, annots []*ast.Annotation, want string) ast.Decl {
	if p.failed {
		return &ast.ErrorDecl{}
	}
	i, ok := p.skipType(p.pos, false, p.depth)
	switch {
	case ok && p.at(i).Kind == scanner.LParen:
		return p.instantiation(lo, annots)
	case ok && p.at(i).Kind == scanner.Ident:
		switch p.at(i + 1).Kind {
		case scanner.LParen, scanner.Lt:
			return p.funcDecl(lo, annots)
		}
		p.typ()
		p.name("")
		p.unexpected(scanner.LParen.String(), "after the name of a function")
	default:
		p.unexpected(want, "")
	}
	return &ast.ErrorDecl{}
}

// constDecl parses a constant.
func (p *parser) constDecl(lo source.Pos, annots []*ast.Annotation) *ast.ConstDecl {
	d := &ast.ConstDecl{Annotations: annots}
	p.expect(scanner.Const, "")
	d.Type = p.typ()
	d.Name, d.Type = p.declarator(d.Type, "of the constant")
	p.expect(scanner.Assign, "after the name of the constant")
	d.Value = p.expr()
	p.expect(scanner.Semi, "after the constant")
	p.declare(d.Name.Name, false)
	d.Span = p.from(lo)
	return d
}

// varDecl parses a variable without its semicolon.
func (p *parser) varDecl(lo source.Pos, annots []*ast.Annotation) *ast.VarDecl {
	d := &ast.VarDecl{Annotations: annots}
	d.Type = p.typ()
	d.Name, d.Type = p.declarator(d.Type, "of the variable")
	if p.got(scanner.Assign) {
		d.Init = p.expr()
	}
	p.declare(d.Name.Name, false)
	d.Span = p.from(lo)
	return d
}

// instantiation parses `type(args) name;`, with an optional initializer.
func (p *parser) instantiation(lo source.Pos, annots []*ast.Annotation) *ast.Instantiation {
	d := &ast.Instantiation{Annotations: annots}
	d.Type = p.typ()
	d.Args = p.args()
	d.Name, d.Type = p.declarator(d.Type, "of the instance")
	p.declare(d.Name.Name, false)
	if p.got(scanner.Assign) {
		d.Init = p.objectInit()
	}
	p.expect(scanner.Semi, "after the instantiation")
	d.Span = p.from(lo)
	return d
}

// objectInit parses the block that supplies abstract methods (L39).
func (p *parser) objectInit() *ast.ObjectInit {
	in := &ast.ObjectInit{}
	if !p.enter() {
		return in
	}
	defer p.leave()
	p.push()
	defer p.pop()
	lo := p.lo()
	p.expect(scanner.LBrace, "after `=`")
	p.list("at the end of the initializer", func() {
		lo := p.lo()
		if d := p.objectDecl(lo, p.annotations(), "a function or an instantiation"); !p.failed {
			in.Decls = append(in.Decls, d)
		}
	})
	in.Span = p.from(lo)
	return in
}

// params parses a parenthesized parameter list and declares the names in the
// innermost scope.
func (p *parser) params() []*ast.Param {
	p.expect(scanner.LParen, "before the parameters")
	list := []*ast.Param{}
	p.commas(scanner.RParen, false, "in the parameters", func() {
		lo := p.lo()
		q := &ast.Param{Annotations: p.annotations()}
		switch p.kind() {
		case scanner.In:
			q.Dir = ast.DirIn
		case scanner.Out:
			q.Dir = ast.DirOut
		case scanner.Inout:
			q.Dir = ast.DirInOut
		}
		if q.Dir != ast.DirNone {
			p.advance()
		}
		q.Type = p.typ()
		q.Name, q.Type = p.declarator(q.Type, "of the parameter")
		if p.got(scanner.Assign) {
			q.Default = p.expr()
		}
		q.Span = p.from(lo)
		p.declare(q.Name.Name, false)
		list = append(list, q)
	})
	return list
}

// packageDecl parses a package type.
func (p *parser) packageDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.PackageDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the package")
	p.declare(d.Name.Name, true)
	p.push()
	defer p.pop()
	d.TypeParams = p.typeParams()
	d.Params = p.params()
	p.expect(scanner.Semi, "after the package type")
	d.Span = p.from(lo)
	return d
}

// parserDecl parses a parser type or a parser.
func (p *parser) parserDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.ParserDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the parser")
	p.declare(d.Name.Name, true)
	p.push()
	defer p.pop()
	d.TypeParams = p.typeParams()
	d.Params = p.params()
	if p.got(scanner.Semi) {
		return &ast.ParserTypeDecl{Span: p.from(lo), Annotations: annots, Name: d.Name,
			TypeParams: d.TypeParams, Params: d.Params}
	}
	if p.kind() == scanner.LParen {
		d.HasCtorParams = true
		d.CtorParams = p.params()
	}
	p.expect(scanner.LBrace, "after the parameters of the parser")
	p.list("at the end of the parser", func() {
		lo := p.lo()
		annots := p.annotations()
		if p.word(0, "state") && p.peek(1) == scanner.Ident {
			if s := p.stateDecl(lo, annots); !p.failed {
				d.States = append(d.States, s)
			}
			return
		}
		if l := p.parserLocal(lo, annots); !p.failed {
			if len(d.States) > 0 {
				p.errorf(CodeSyntax, source.Span{Lo: l.Pos(), Hi: l.End()}, "declarations of a parser stand before its states")
			}
			d.Locals = append(d.Locals, l)
		}
	})
	if len(d.States) == 0 {
		p.errorf(CodeSyntax, d.Name.Span, "parser %s has no states", d.Name.Name)
	}
	d.Span = p.from(lo)
	return d
}

// parserLocal parses a declaration inside a parser.
func (p *parser) parserLocal(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	switch p.kind() {
	case scanner.Const:
		return p.constDecl(lo, annots)
	case scanner.ValueSet:
		return p.valueSetDecl(lo, annots)
	}
	return p.localObject(lo, annots, "a state or a declaration")
}

// localObject parses a variable or an instantiation.
func (p *parser) localObject(lo source.Pos, annots []*ast.Annotation, want string) ast.Decl {
	switch p.looksLikeDecl() {
	case nameDecl:
		d := p.varDecl(lo, annots)
		p.expect(scanner.Semi, "after the variable")
		d.Span = p.from(lo)
		return d
	case instance:
		return p.instantiation(lo, annots)
	}
	p.unexpected(want, "")
	return &ast.ErrorDecl{}
}

// valueSetDecl parses `value_set<T>(size) name;`.
func (p *parser) valueSetDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.ValueSetDecl{Annotations: annots}
	p.advance()
	p.expect(scanner.Lt, "after `value_set`")
	d.Elem = p.typ()
	p.expect(scanner.Gt, "after the type of the value set")
	p.expect(scanner.LParen, "before the size of the value set")
	d.Size = p.expr()
	p.expect(scanner.RParen, "after the size of the value set")
	d.Name = p.name("of the value set")
	p.expect(scanner.Semi, "after the value set")
	p.declare(d.Name.Name, false)
	d.Span = p.from(lo)
	return d
}

// stateDecl parses a parser state (specification, "Parser states").
func (p *parser) stateDecl(lo source.Pos, annots []*ast.Annotation) *ast.StateDecl {
	d := &ast.StateDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the state")
	p.declare(d.Name.Name, false)
	p.push()
	defer p.pop()
	p.expect(scanner.LBrace, "after the name of the state")
	p.list("at the end of the state", func() {
		if d.Transition != nil {
			p.unexpected(scanner.RBrace.String(), "after the transition")
			return
		}
		if p.kind() == scanner.Transition {
			if t := p.transition(); !p.failed {
				d.Transition = t
			}
			return
		}
		s := p.stmt()
		if p.failed {
			return
		}
		p.stateStmt(s)
		d.Stmts = append(d.Stmts, s)
	})
	d.Span = p.from(lo)
	return d
}

// stateStmt refuses the statements that parserStatement does not have.
func (p *parser) stateStmt(s ast.Stmt) {
	what := ""
	switch s := s.(type) {
	case *ast.BlockStmt:
		for _, t := range s.Stmts {
			p.stateStmt(t)
		}
	case *ast.SwitchStmt:
		what = "switch"
	case *ast.ForStmt, *ast.ForInStmt:
		what = "for"
	case *ast.ReturnStmt:
		what = "return"
	case *ast.ExitStmt:
		what = "exit"
	case *ast.BreakStmt:
		what = "break"
	case *ast.ContinueStmt:
		what = "continue"
	}
	if what != "" {
		p.errorf(CodeSyntax, source.Span{Lo: s.Pos(), Hi: s.End()}, "`%s` cannot stand in a parser state", what)
	}
}

// transition parses the last statement of a state.
func (p *parser) transition() *ast.Transition {
	lo := p.lo()
	p.advance()
	t := &ast.Transition{}
	if p.kind() == scanner.Select {
		t.Select = p.selectExpr()
	} else {
		t.Next = p.name("of a state")
		p.expect(scanner.Semi, "after the transition")
	}
	t.Span = p.from(lo)
	return t
}

// selectExpr parses `select (...) { ... }`.
func (p *parser) selectExpr() *ast.Select {
	lo := p.lo()
	p.advance()
	s := &ast.Select{}
	p.expect(scanner.LParen, "after `select`")
	p.commas(scanner.RParen, false, "in the select", func() { s.Exprs = append(s.Exprs, p.expr()) })
	p.expect(scanner.LBrace, "before the cases")
	p.list("at the end of the select", func() {
		lo := p.lo()
		c := &ast.SelectCase{Keys: p.keyset()}
		p.expect(scanner.Colon, "after the keyset")
		c.State = p.name("of a state")
		p.expect(scanner.Semi, "after the state")
		c.Span = p.from(lo)
		if !p.failed {
			s.Cases = append(s.Cases, c)
		}
	})
	s.Span = p.from(lo)
	return s
}

// controlDecl parses a control type or a control.
func (p *parser) controlDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.ControlDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the control")
	p.declare(d.Name.Name, true)
	p.push()
	defer p.pop()
	d.TypeParams = p.typeParams()
	d.Params = p.params()
	if p.got(scanner.Semi) {
		return &ast.ControlTypeDecl{Span: p.from(lo), Annotations: annots, Name: d.Name,
			TypeParams: d.TypeParams, Params: d.Params}
	}
	if p.kind() == scanner.LParen {
		d.HasCtorParams = true
		d.CtorParams = p.params()
	}
	p.expect(scanner.LBrace, "after the parameters of the control")
	broken := false
	p.list("at the end of the control", func() {
		if d.Apply != nil {
			p.unexpected(scanner.RBrace.String(), "after the apply block")
			return
		}
		if k := p.peek(1); p.word(0, "apply") && (k == scanner.LBrace || k == scanner.At) {
			p.advance()
			lo := p.lo()
			annots := p.annotations()
			p.push()
			d.Apply = p.openBlock(lo, annots, "after `apply`")
			p.pop()
			return
		}
		lo := p.lo()
		l := p.controlLocal(lo, p.annotations())
		if p.failed {
			broken = true
			return
		}
		d.Locals = append(d.Locals, l)
	})
	d.Span = p.from(lo)
	if d.Apply == nil {
		if !broken {
			p.errorf(CodeSyntax, d.Name.Span, "control %s has no apply block", d.Name.Name)
		}
		d.Apply = &ast.BlockStmt{Span: source.Span{Lo: d.Hi, Hi: d.Hi}}
	}
	return d
}

// controlLocal parses a declaration inside a control.
func (p *parser) controlLocal(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	switch p.kind() {
	case scanner.Const:
		return p.constDecl(lo, annots)
	case scanner.Action:
		return p.actionDecl(lo, annots)
	case scanner.Table:
		return p.tableDecl(lo, annots)
	}
	return p.localObject(lo, annots, "a declaration or the apply block")
}

// actionDecl parses an action.
func (p *parser) actionDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.ActionDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the action")
	p.declare(d.Name.Name, false)
	p.push()
	defer p.pop()
	d.Params = p.params()
	d.Body = p.block("after the parameters of the action")
	d.Span = p.from(lo)
	return d
}

// funcDecl parses a function with its body.
func (p *parser) funcDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.FuncDecl{Annotations: annots}
	p.prototype(&d.Result, &d.Name, &d.TypeParams, &d.Params, true, func() {
		d.Body = p.block("after the parameters of the function")
	})
	d.Span = p.from(lo)
	return d
}

// prototype parses functionPrototype, and then what rest parses, within the
// scope of the prototype's parameters. With declare the name enters the scope
// outside: a method's does not.
func (p *parser) prototype(result *ast.Type, name **ast.Ident, tps *[]*ast.Ident, params *[]*ast.Param, declare bool, rest func()) {
	*result = p.typ()
	*name = p.name("of the function")
	if declare {
		p.declare((*name).Name, false)
	}
	p.push()
	defer p.pop()
	*tps = p.typeParams()
	*params = p.params()
	rest()
}

// externDecl parses an extern object or an extern function.
func (p *parser) externDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	p.advance()
	if !p.isExternObject() {
		d := &ast.FuncDecl{Annotations: annots, IsExtern: true}
		p.prototype(&d.Result, &d.Name, &d.TypeParams, &d.Params, true, func() {
			p.expect(scanner.Semi, "after the extern function")
		})
		d.Span = p.from(lo)
		return d
	}
	d := &ast.ExternDecl{Annotations: annots}
	d.Name = p.name("of the extern")
	p.declare(d.Name.Name, true)
	p.push()
	defer p.pop()
	d.TypeParams = p.typeParams()
	if d.TypeParams == nil && p.got(scanner.Semi) {
		d.IsForward = true
		d.Span = p.from(lo)
		return d
	}
	p.expect(scanner.LBrace, "after the name of the extern")
	p.list("at the end of the extern", func() {
		m := p.method()
		if p.failed {
			return
		}
		if m.IsConstructor && m.Name.Name != d.Name.Name {
			p.errorf(CodeSyntax, m.Name.Span, "method %s has no result type, and a constructor would be called %s", m.Name.Name, d.Name.Name)
		}
		d.Methods = append(d.Methods, m)
	})
	d.Span = p.from(lo)
	return d
}

// isExternObject tells an extern object from an extern function: a name, maybe
// type parameters, and `{` or `;`.
func (p *parser) isExternObject() bool {
	if p.kind() != scanner.Ident {
		return false
	}
	i := p.pos + 1
	if p.at(i).Kind == scanner.Lt {
		var ok bool
		if i, ok = p.skipTypeArgs(i, false, p.depth); !ok {
			return false
		}
	}
	k := p.at(i).Kind
	return k == scanner.LBrace || k == scanner.Semi
}

// method parses a method or constructor of an extern.
func (p *parser) method() *ast.Method {
	lo := p.lo()
	m := &ast.Method{Annotations: p.annotations()}
	m.IsAbstract = p.got(scanner.Abstract)
	if !m.IsAbstract && p.kind() == scanner.Ident && p.peek(1) == scanner.LParen {
		m.IsConstructor = true
		m.Name = p.name("")
		p.push()
		m.Params = p.params()
		p.pop()
		p.expect(scanner.Semi, "after the constructor")
	} else {
		p.prototype(&m.Result, &m.Name, &m.TypeParams, &m.Params, false, func() {
			p.expect(scanner.Semi, "after the method")
		})
	}
	m.Span = p.from(lo)
	return m
}

// structDecl parses a header, header_union or struct.
func (p *parser) structDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.StructDecl{Annotations: annots}
	switch p.advance().Kind {
	case scanner.Header:
		d.Kind = ast.Header
	case scanner.HeaderUnion:
		d.Kind = ast.HeaderUnion
	}
	d.Name = p.name("of the " + d.Kind.String())
	p.declare(d.Name.Name, true)
	p.push()
	defer p.pop()
	d.TypeParams = p.typeParams()
	p.expect(scanner.LBrace, "after the name of the "+d.Kind.String())
	p.list("at the end of the "+d.Kind.String(), func() {
		lo := p.lo()
		f := &ast.Field{Annotations: p.annotations()}
		f.Type = p.typ()
		f.Name, f.Type = p.declarator(f.Type, "of the field")
		p.expect(scanner.Semi, "after the field")
		f.Span = p.from(lo)
		if !p.failed {
			d.Fields = append(d.Fields, f)
		}
	})
	d.Span = p.from(lo)
	return d
}

// enumDecl parses both forms of enum (L24, L25).
func (p *parser) enumDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.EnumDecl{Annotations: annots}
	p.advance()
	if !(p.kind() == scanner.Ident && p.peek(1) == scanner.LBrace) {
		d.Underlying = p.typ()
	}
	d.Name = p.name("of the enum")
	p.declare(d.Name.Name, true)
	p.expect(scanner.LBrace, "after the name of the enum")
	p.members("in the enum", func() {
		lo := p.lo()
		m := &ast.EnumMember{Name: p.name("of an enumerator")}
		if d.Underlying != nil {
			p.expect(scanner.Assign, "after the enumerator")
			m.Value = p.expr()
		}
		m.Span = p.from(lo)
		d.Members = append(d.Members, m)
	})
	d.Span = p.from(lo)
	return d
}

// members parses at least one element and the closing brace.
func (p *parser) members(where string, elem func()) {
	if p.kind() == scanner.RBrace {
		p.unexpected(scanner.Ident.String(), where)
	}
	if !p.failed {
		p.commas(scanner.RBrace, true, where, elem)
	}
}

func (p *parser) errorDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.ErrorDecl{Annotations: annots}
	p.advance()
	p.advance()
	p.members("in the errors", func() { d.Members = append(d.Members, p.name("of an error")) })
	d.Span = p.from(lo)
	return d
}

func (p *parser) matchKindDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.MatchKindDecl{Annotations: annots}
	p.advance()
	p.advance()
	p.members("in the match kinds", func() { d.Members = append(d.Members, p.name("of a match kind")) })
	d.Span = p.from(lo)
	return d
}

// typedefDecl parses `typedef` and `type` (L36, L37).
func (p *parser) typedefDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.TypedefDecl{Annotations: annots}
	d.IsNew = p.advance().Kind != scanner.Typedef
	at := p.lo()
	var inner []*ast.Annotation
	if !d.IsNew {
		inner = p.annotations()
	}
	switch k := p.kind(); {
	case d.IsNew:
		d.Type = p.typ()
	case k == scanner.Header || k == scanner.HeaderUnion || k == scanner.Struct:
		d.Inline = p.structDecl(at, inner)
	case k == scanner.Enum:
		d.Inline = p.enumDecl(at, inner)
	default:
		if len(inner) > 0 {
			p.unexpected("a type declaration", "after the annotation")
		}
		d.Type = p.typ()
	}
	d.Name = p.name("of the type")
	if d.Type != nil && p.kind() == scanner.LBracket {
		d.Type = p.stackOf(d.Type.Pos(), d.Type)
	}
	p.expect(scanner.Semi, "after the type")
	p.declare(d.Name.Name, true)
	d.Span = p.from(lo)
	return d
}
