package types

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// decl checks one declaration and enters it into the current scope.
func (c *checker) decl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.ConstDecl:
		c.constDecl(d)
	case *ast.VarDecl:
		c.varDecl(d)
	case *ast.Instantiation:
		c.instantiation(d)
	case *ast.ErrorDecl, *ast.MatchKindDecl:
		// collected before
	case *ast.StructDecl:
		c.structDecl(d)
	case *ast.EnumDecl:
		c.enumDecl(d)
	case *ast.TypedefDecl:
		c.typedefDecl(d)
	case *ast.ExternDecl:
		c.externDecl(d)
	case *ast.FuncDecl:
		c.funcDecl(d)
	case *ast.ActionDecl:
		c.actionDecl(d)
	case *ast.ParserTypeDecl:
		c.blockType(Parser, d, d.Name, d.TypeParams, d.Params)
	case *ast.ControlTypeDecl:
		c.blockType(Control, d, d.Name, d.TypeParams, d.Params)
	case *ast.PackageDecl:
		c.blockType(Package, d, d.Name, d.TypeParams, d.Params)
	case *ast.ParserDecl:
		c.parserDecl(d)
	case *ast.ControlDecl:
		c.controlDecl(d)
	case *ast.TableDecl:
		c.tableDecl(d)
	case *ast.ValueSetDecl:
		c.valueSetDecl(d)
	}
}

func (c *checker) constDecl(d *ast.ConstDecl) {
	t := c.typ(d.Type)
	switch deref(t).(type) {
	case *Extern, *Block:
		c.errorf(codeBadDecl, d.Type, "a constant cannot have type %s", t)
		t = bad()
	}
	o := &Object{Kind: ConstObj, Name: d.Name.Name, Type: t, Node: d, Span: d.Name.Span, ReadOnly: true}
	tv := c.rvalue(d.Value)
	if c.assignTo(t, d.Value, "the constant "+d.Name.Name) {
		switch {
		case tv.Mode == Constant:
			o.Val = convertConst(tv.Value, t)
		case tv.Mode == Compile:
		case !isBad(tv.Type):
			c.errorf(codeNotConstant, d.Value, "the value of constant %s is not known at compile time", d.Name.Name)
		}
	}
	c.declare(o)
}

func (c *checker) varDecl(d *ast.VarDecl) {
	t := c.typ(d.Type)
	if c.body == nil && c.scope == c.top {
		c.errorf(codeBadDecl, d, "variables cannot be declared at the top level")
	}
	switch x := deref(t).(type) {
	case *Basic:
		switch x.Kind {
		case Void, Integer, MatchKind, DontCare, String:
			c.errorf(codeBadDecl, d.Type, "a variable cannot have type %s", t)
			t = bad()
		}
	case *Extern, *Block, *List, *Set:
		c.errorf(codeBadDecl, d.Type, "a variable cannot have type %s", t)
		t = bad()
	}
	if d.Init != nil {
		c.rvalue(d.Init)
		c.assignTo(t, d.Init, "variable "+d.Name.Name)
		if p, ok := d.Init.(*ast.PathExpr); ok && p.Path.Name.Name == d.Name.Name && !p.Path.Absolute {
			if old := c.info.Uses[p.Path]; old != nil && old.Kind == ParamObj {
				if _, same := c.scope.names[d.Name.Name]; !same {
					c.note(codeShadow, d.Name.Span, declaredHere(old.Node), "%s hides the parameter that it is initialised with", d.Name.Name)
				}
			}
		}
	}
	c.declare(&Object{Kind: VarObj, Name: d.Name.Name, Type: t, Node: d, Span: d.Name.Span})
}

func (c *checker) typeParams(ids []*ast.Ident) []*Var {
	var out []*Var
	for _, id := range ids {
		v := &Var{Name: id.Name}
		out = append(out, v)
		c.declare(&Object{Kind: TypeObj, Name: id.Name, Type: v, Span: id.Span})
	}
	return out
}

func (c *checker) structDecl(d *ast.StructDecl) {
	s := &Struct{Decl: d, Kind: d.Kind, Name: d.Name.Name}
	c.push()
	s.Vars = c.typeParams(d.TypeParams)
	in := containerOf(d.Kind)
	seen := map[string]*ast.Field{}
	for _, f := range d.Fields {
		t := c.typ(f.Type)
		if !c.nestable(t, in) {
			c.errorf(codeNesting, f.Type, "%s cannot be a field of a %s", t, d.Kind)
			t = bad()
		}
		if old := seen[f.Name.Name]; old != nil {
			c.note(codeRedeclared, f.Name.Span, declaredHere(old.Name), "field %s is declared twice", f.Name.Name)
			continue
		}
		seen[f.Name.Name] = f
		s.Fields = append(s.Fields, &Field{Name: f.Name.Name, Type: t, Decl: f})
	}
	c.pop()
	c.info.Structs = append(c.info.Structs, d)
	c.declare(&Object{Kind: TypeObj, Name: s.Name, Type: s, Node: d, Span: d.Name.Span})
}

func (c *checker) enumDecl(d *ast.EnumDecl) {
	e := &Enum{Decl: d, Name: d.Name.Name}
	if d.Underlying != nil {
		t := c.typ(d.Underlying)
		if asBits(t) == nil && !isBad(t) {
			c.errorf(codeNesting, d.Underlying, "the underlying type of an enum must be bit<W> or int<W>, not %s", t)
			t = bad()
		}
		e.Underlying = t
	}
	c.info.Enums = append(c.info.Enums, e)
	seen := map[string]*ast.EnumMember{}
	c.push() // values may name earlier members
	for _, m := range d.Members {
		if old := seen[m.Name.Name]; old != nil {
			c.note(codeRedeclared, m.Name.Span, declaredHere(old.Name), "member %s is declared twice", m.Name.Name)
			continue
		}
		seen[m.Name.Name] = m
		v := &Member{Name: m.Name.Name, Index: len(e.Members), Value: big.NewInt(int64(len(e.Members)))}
		switch {
		case e.Underlying != nil && m.Value == nil:
			c.errorf(codeBadDecl, m, "member %s of a serializable enum needs a value", m.Name.Name)
		case e.Underlying != nil:
			tv := c.rvalue(m.Value)
			if c.assignTo(e.Underlying, m.Value, "member "+m.Name.Name) {
				if tv.Mode == Constant && tv.Value.Int != nil {
					v.Value = convertConst(tv.Value, e.Underlying).Int
				} else if !isBad(tv.Type) {
					c.errorf(codeNotConstant, m.Value, "the value of member %s is not known at compile time", m.Name.Name)
				}
			}
		case m.Value != nil:
			c.errorf(codeBadDecl, m.Value, "members of an enum without underlying type have no values")
		}
		e.Members = append(e.Members, v)
		if e.Underlying != nil {
			c.scope.names[v.Name] = &Object{Kind: ConstObj, Name: v.Name, Type: e, Span: m.Name.Span, Val: constInt(e, v.Value), ReadOnly: true}
		}
	}
	c.pop()
	c.declare(&Object{Kind: TypeObj, Name: e.Name, Type: e, Node: d, Span: d.Name.Span})
}

func (c *checker) typedefDecl(d *ast.TypedefDecl) {
	var t Type
	if d.Inline != nil {
		c.decl(d.Inline)
		if o := c.info.Defs[d.Inline]; o != nil {
			t = o.Type
		} else {
			t = bad()
		}
	} else {
		t = c.typ(d.Type)
	}
	if d.IsNew {
		switch x := deref(t).(type) {
		case *Bits:
			if x.Var {
				c.errorf(codeNesting, d, "`type` needs a bit<W>, int<W>, bool or another such type, not %s", t)
				t = bad()
			}
		case *Newtype:
		case *Basic:
			if x.Kind != Bool && x.Kind != Bad && x.Kind != Error {
				c.errorf(codeNesting, d, "`type` needs a bit<W>, int<W>, bool or another such type, not %s", t)
				t = bad()
			}
		case *Enum, *Var:
		default:
			c.errorf(codeNesting, d, "`type` needs a bit<W>, int<W>, bool or another such type, not %s", t)
			t = bad()
		}
		t = &Newtype{Decl: d, Name: d.Name.Name, Of: t}
	}
	c.declare(&Object{Kind: TypeObj, Name: d.Name.Name, Type: t, Node: d, Span: d.Name.Span})
}

// param resolves one parameter; scope is that of the type parameters.
func (c *checker) param(p *ast.Param) *Param {
	out := &Param{Name: p.Name.String(), Dir: p.Dir, Decl: p, Default: p.Default, Optional: has(p.Annotations, "optional")}
	out.Type = c.typ(p.Type)
	switch x := deref(out.Type).(type) {
	case *Basic:
		if x.Kind == Void || x.Kind == MatchKind && p.Dir != ast.DirNone {
			c.errorf(codeBadParam, p.Type, "a parameter cannot have type %s", out.Type)
			out.Type = bad()
		}
		if (x.Kind == Integer || x.Kind == String) && p.Dir != ast.DirNone {
			c.errorf(codeBadParam, p, "parameter %s of type %s must be directionless, its value being known at compile time", out.Name, out.Type)
		}
	case *Extern:
		if p.Dir != ast.DirNone {
			c.errorf(codeBadParam, p, "parameter %s of extern type %s cannot have a direction", out.Name, out.Type)
		}
	case *Block:
		if p.Dir != ast.DirNone {
			c.errorf(codeBadParam, p, "parameter %s of type %s cannot have a direction", out.Name, out.Type)
		}
		if x.Kind != Package && !x.IsType {
			c.errorf(codeBadParam, p.Type, "%s has a body; a parameter needs a %s type", x, x.Kind)
			out.Type = bad()
		}
	}
	if p.Default != nil {
		if p.Dir == ast.DirOut || p.Dir == ast.DirInOut {
			c.errorf(codeBadParam, p.Default, "an %s parameter cannot have a default value", p.Dir)
		} else {
			c.rvalue(p.Default)
			if b, ok := deref(out.Type).(*Block); !ok || !hasVars(b.Args) {
				c.assignTo(out.Type, p.Default, "parameter "+out.Name)
			} // else checked with the type arguments of each use
		}
	}
	return out
}

func (c *checker) params(list []*ast.Param) []*Param {
	out := make([]*Param, 0, len(list))
	seen := map[string]*ast.Param{}
	for _, p := range list {
		q := c.param(p)
		if old := seen[q.Name]; old != nil && p.Name != nil {
			c.note(codeRedeclared, p.Name.Span, declaredHere(old.Name), "parameter %s is declared twice", q.Name)
		}
		seen[q.Name] = p
		out = append(out, q)
	}
	return out
}

// declareParams enters parameters into the scope of a body.
func (c *checker) declareParams(ps []*Param, kind ObjKind) {
	for _, p := range ps {
		if p.Decl == nil || p.Decl.Name == nil {
			continue
		}
		o := &Object{Kind: kind, Name: p.Name, Type: p.Type, Node: p.Decl, Span: p.Decl.Name.Span, Dir: p.Dir}
		o.ReadOnly = p.Dir == ast.DirNone || p.Dir == ast.DirIn
		p.Obj = o
		if old := c.scope.names[o.Name]; old != nil && old.Node != nil {
			if _, twice := old.Node.(*ast.Param); twice && old.Kind == kind {
				c.info.Defs[p.Decl] = o
				continue // reported by params
			}
		}
		c.declare(o)
	}
}

// noBlocks refuses parsers, controls and packages as parameters: only packages
// take them.
func (c *checker) noBlocks(ps []*Param) []*Param {
	for _, p := range ps {
		if b, ok := deref(p.Type).(*Block); ok {
			c.errorf(codeBadParam, p.Decl, "a parameter cannot have type %s", b)
			p.Type = bad()
		}
	}
	return ps
}

// noOptional refuses @optional where a body uses the parameter (L81).
func (c *checker) noOptional(ps []*Param) {
	for _, p := range ps {
		if p.Optional {
			c.errorf(codeBadParam, p.Decl, "@optional is allowed only for parameters of externs, packages and block types")
		}
	}
}

func (c *checker) externDecl(d *ast.ExternDecl) {
	e := &Extern{Decl: d, Name: d.Name.Name}
	o := &Object{Kind: TypeObj, Name: e.Name, Type: e, Node: d, Span: d.Name.Span}
	if old := c.scope.names[e.Name]; old != nil && old.Kind == TypeObj {
		if x, ok := old.Type.(*Extern); ok && x.Decl.IsForward {
			if d.IsForward {
				return
			}
			// Complete the type in place: earlier uses hold its pointer.
			e, o = x, old
			e.Decl = d
			o.Node, o.Span = d, d.Name.Span
			c.info.Defs[d] = o
		} else {
			c.declare(o)
		}
	} else {
		c.declare(o)
	}
	c.push()
	e.Params = c.typeParams(d.TypeParams)
	for _, m := range d.Methods {
		c.push()
		f := &Func{Name: m.Name.Name, Decl: m, Abstract: m.IsAbstract, IsExtern: true, Owner: e, Result: basic(Void)}
		f.TypeParams = c.typeParams(m.TypeParams)
		if m.Result != nil {
			f.Result = c.typ(m.Result)
			if isInteger(f.Result) {
				c.errorf(codeBadDecl, m.Result, "a method cannot have a result of type int")
			}
		}
		f.Params = c.params(m.Params)
		if m.IsConstructor {
			c.noBlocks(f.Params)
		}
		c.pop()
		for _, p := range f.Params {
			if x, ok := deref(p.Type).(*Extern); ok && x.Base() == e && len(e.Params) == 0 {
				c.errorf(codeBadParam, p.Decl, "a method of %s cannot take a %s: types that contain themselves are not supported", e.Name, e.Name)
			}
		}
		list := &e.Methods
		if m.IsConstructor {
			list = &e.Ctors
			for _, p := range f.Params {
				if p.Dir != ast.DirNone {
					c.errorf(codeBadParam, p.Decl, "constructor parameters have no direction")
				}
			}
			if m.Name.Name != e.Name {
				c.errorf(codeBadDecl, m, "the constructor of %s cannot be called %s", e.Name, m.Name.Name)
			}
		} else if m.Name.Name == e.Name {
			c.errorf(codeBadDecl, m, "a method cannot have the name of its extern")
		}
		for _, old := range *list {
			if old.Name == f.Name && sameSignature(old, f) {
				c.note(codeRedeclared, m.Name.Span, declaredHere(old.Decl), "method %s is declared twice with the same parameters", f.Name)
			}
		}
		*list = append(*list, f)
	}
	c.pop()
}

func (c *checker) funcDecl(d *ast.FuncDecl) {
	f := &Func{Name: d.Name.Name, Decl: d, IsExtern: d.IsExtern}
	o := &Object{Kind: FuncObj, Name: f.Name, Type: f, Node: d, Span: d.Name.Span}
	c.push()
	f.TypeParams = c.typeParams(d.TypeParams)
	f.Result = c.typ(d.Result)
	f.Params = c.noBlocks(c.params(d.Params))
	if d.Body != nil {
		c.noOptional(f.Params)
	}
	inner := c.scope
	c.scope = inner.parent
	c.declare(o)
	c.scope = inner
	if d.Body != nil {
		c.funcBody(o, f, d.Body, nil)
	}
	c.pop()
}

// funcBody checks the body of a function or of an abstract method.
func (c *checker) funcBody(o *Object, f *Func, b *ast.BlockStmt, this Type) {
	old := c.body
	c.body = &body{kind: funcBody, result: f.Result, this: this}
	c.open[o] = true
	c.declareParams(f.Params, ParamObj)
	before := c.rep.Errors()
	c.outerBlock(b)
	if c.rep.Errors() == before && !isKind(f.Result, Void) && !isBad(f.Result) && !terminates(b.Stmts) {
		c.errorf(codeBadReturn, b, "function %s does not return a value on all paths", f.Name)
	}
	delete(c.open, o)
	c.body = old
}

func (c *checker) actionDecl(d *ast.ActionDecl) {
	f := &Func{Name: d.Name.Name, Decl: d, IsAction: true, Result: basic(Void)}
	o := &Object{Kind: ActionObj, Name: f.Name, Type: f, Node: d, Span: d.Name.Span}
	f.Params = c.params(d.Params)
	data := false
	for _, p := range f.Params {
		switch {
		case p.Dir == ast.DirNone:
			data = true
			switch deref(p.Type).(type) {
			case *Extern, *Block:
				c.errorf(codeBadParam, p.Decl, "an action parameter cannot have type %s", p.Type)
			}
		case data:
			c.errorf(codeBadParam, p.Decl, "parameters with a direction come before those without")
		}
		if isInteger(p.Type) || isKind(p.Type, String) {
			c.errorf(codeBadParam, p.Decl, "an action parameter cannot have type %s", p.Type)
		}
	}
	c.declare(o)
	c.push()
	old := c.body
	c.body = &body{kind: actionBody, result: basic(Void)}
	c.open[o] = true
	c.declareParams(f.Params, ParamObj)
	c.outerBlock(d.Body)
	delete(c.open, o)
	c.body = old
	c.pop()
}

// blockType declares a parser type, control type or package.
func (c *checker) blockType(k BlockKind, d ast.Decl, name *ast.Ident, vars []*ast.Ident, params []*ast.Param) {
	b := &Block{Kind: k, Name: name.Name, Decl: d, IsType: k != Package}
	c.push()
	b.TypeParams = c.typeParams(vars)
	b.Params = c.params(params)
	if k != Package {
		b.Params = c.noBlocks(b.Params)
	}
	c.pop()
	if k == Package {
		for _, p := range b.Params {
			if p.Dir != ast.DirNone {
				c.errorf(codeBadParam, p.Decl, "package parameters have no direction")
			}
		}
		b.Ctor = b.Params
	}
	c.declare(&Object{Kind: TypeObj, Name: b.Name, Type: b, Node: d, Span: name.Span})
}

// openBlock starts the body of a parser or control: scope with type,
// constructor and apply parameters.
func (c *checker) openBlock(k BlockKind, d ast.Decl, name *ast.Ident, vars []*ast.Ident, params, ctor []*ast.Param) *Object {
	b := &Block{Kind: k, Name: name.Name, Decl: d}
	o := &Object{Kind: TypeObj, Name: b.Name, Type: b, Node: d, Span: name.Span}
	c.declare(o)
	c.open[o] = true
	c.push()
	b.TypeParams = c.typeParams(vars)
	b.Params = c.noBlocks(c.params(params))
	b.Ctor = c.params(ctor)
	c.noOptional(b.Ctor)
	for _, p := range b.Ctor {
		if x, ok := deref(p.Type).(*Block); ok && x.Kind != k {
			c.errorf(codeBadParam, p.Decl, "a %s cannot use a %s", k, x.Kind)
			p.Type = bad()
		}
	}
	for _, p := range b.Ctor {
		if p.Dir != ast.DirNone {
			c.errorf(codeBadParam, p.Decl, "constructor parameters have no direction")
		}
	}
	c.declareParams(b.Params, ParamObj)
	c.declareParams(b.Ctor, CtorParamObj)
	c.push() // local names may hide parameters
	return o
}

func (c *checker) closeBlock(o *Object) {
	c.pop()
	c.pop()
	delete(c.open, o)
}

func (c *checker) controlDecl(d *ast.ControlDecl) {
	o := c.openBlock(Control, d, d.Name, d.TypeParams, d.Params, d.CtorParams)
	old := c.body
	c.body = &body{kind: controlBody, result: basic(Void)}
	for _, l := range d.Locals {
		c.decl(l)
	}
	if d.Apply != nil {
		c.block(d.Apply)
	}
	c.body = old
	c.closeBlock(o)
}

// instantiation checks `T(args) name;`.
func (c *checker) instantiation(d *ast.Instantiation) {
	o := &Object{Kind: InstObj, Name: d.Name.Name, Type: bad(), Node: d, Span: d.Name.Span, ReadOnly: true}
	c.objects = true
	t := c.typeOrGeneric(d.Type)
	c.objects = false
	if c.body != nil && (c.body.kind == actionBody || c.body.kind == funcBody && c.body.this == nil) {
		c.errorf(codeBadInst, d, "objects cannot be instantiated in a %s", c.body.kind)
	}
	call := c.construct(t, d.Args, d)
	if call != nil {
		o.Type = call.Type
		c.info.Insts[d] = call
	}
	if b, ok := deref(o.Type).(*Block); ok {
		switch {
		case b.Kind == Package && c.scope != c.top:
			c.errorf(codeBadInst, d, "a package can be instantiated only at the top level")
		case b.Kind == Parser && c.body != nil && c.body.kind != parserBody:
			c.errorf(codeBadInst, d, "a parser can be instantiated only in a parser or at the top level")
		case b.Kind == Control && c.body != nil && c.body.kind != controlBody:
			c.errorf(codeBadInst, d, "a control can be instantiated only in a control or at the top level")
		case b.Kind != Package && c.scope == c.top:
			c.errorf(codeBadInst, d, "%s %s cannot be instantiated at the top level", b.Kind, b.Name)
		}
	}
	if e, ok := deref(o.Type).(*Extern); ok {
		c.abstractMethods(d, o, e)
	} else if d.Init != nil && !isBad(o.Type) && c.initTypes(d.Init) {
		c.errorf(codeBadInst, d.Init, "only extern objects with abstract methods take an initializer")
	}
	c.declare(o)
}

// abstractMethods checks the bodies that an instantiation gives to the
// abstract methods of its type (L39).
func (c *checker) abstractMethods(d *ast.Instantiation, o *Object, e *Extern) {
	need, all := map[string]*Func{}, map[string]*Func{}
	m := bindings(e.Base().Params, e.Args)
	for _, f := range e.Base().Methods {
		if f.Abstract {
			all[f.Name] = subst(f, m).(*Func)
		}
		if d, ok := f.Decl.(*ast.Method); f.Abstract && !(ok && has(d.Annotations, "optional")) {
			need[f.Name] = subst(f, m).(*Func)
		}
	}
	before := c.rep.Errors()
	for _, f := range e.Base().Methods {
		for i, p := range f.Params {
			if q := subst(p.Type, m); p.Dir != ast.DirNone && p.Decl != nil && (isInteger(q) || isKind(q, String)) {
				c.blame(codeBadParam, p.Decl.Span, d.Span, "with the type arguments of %s parameter %s of %s, which has a direction, has type %s", e, f.Params[i].Name, f.Name, q)
			}
		}
	}
	if d.Init != nil {
		c.push()
		for _, x := range d.Init.Decls {
			if inst, ok := x.(*ast.Instantiation); ok {
				c.decl(inst)
			}
		}
		for _, x := range d.Init.Decls {
			fd, ok := x.(*ast.FuncDecl)
			if !ok {
				continue
			}
			want := all[fd.Name.Name]
			if want == nil && len(all) > 0 {
				c.note(codeBadInst, fd.Name.Span, declaredHere(e.Base().Decl.Name), "%s has no abstract method %s", e.Name, fd.Name.Name)
				continue
			}
			delete(need, fd.Name.Name)
			f := &Func{Name: fd.Name.Name, Decl: fd}
			c.push()
			f.TypeParams = c.typeParams(fd.TypeParams)
			f.Result = c.typ(fd.Result)
			f.Params = c.params(fd.Params)
			if want == nil {
				c.pop()
				continue
			}
			fo := &Object{Kind: FuncObj, Name: f.Name, Type: f, Node: fd, Span: fd.Name.Span}
			c.info.Defs[fd] = fo
			if fd.Body != nil {
				c.funcBody(fo, f, fd.Body, o.Type)
			}
			if c.rep.Errors() == before && !sameParams(want, f) {
				c.note(codeBadInst, d.Name.Span, []diag.Note{{Span: fd.Name.Span, Message: "here"}, {Span: span(headOf(want.Decl)), Message: "declared here"}}, "%s does not match the abstract method %s", f, want)
			}
			c.pop()
		}
		c.pop()
		if len(all) == 0 && c.rep.Errors() == before {
			c.note(codeBadInst, d.Name.Span, declaredHere(e.Base().Decl.Name), "%s has no abstract methods that an initializer could implement", e.Name)
		}
	}
	if c.rep.Errors() != before {
		return // what is missing may be what is wrong
	}
	for _, name := range sortedKeys(need) {
		c.note(codeBadInst, d.Name.Span, declaredHere(need[name].Decl), "the abstract method %s of %s has no body", name, e.Name)
	}
}

// initTypes resolves the types of an initializer that has no place, false when
// they are wrong too.
func (c *checker) initTypes(b *ast.ObjectInit) bool {
	before := c.rep.Errors()
	for _, x := range b.Decls {
		if fd, ok := x.(*ast.FuncDecl); ok {
			c.push()
			c.typeParams(fd.TypeParams)
			c.typ(fd.Result)
			c.params(fd.Params)
			c.pop()
		}
	}
	return c.rep.Errors() == before
}

// sameParams tells whether the body b fits the abstract method a; b may leave
// out optional parameters at the end.
func sameParams(a, b *Func) bool {
	if len(a.Params) < len(b.Params) || !Identical(a.Result, b.Result) {
		return false
	}
	for i := range a.Params {
		if i >= len(b.Params) {
			if !a.Params[i].Optional {
				return false
			}
			continue
		}
		if a.Params[i].Dir != b.Params[i].Dir || !Identical(a.Params[i].Type, b.Params[i].Type) {
			return false
		}
	}
	return true
}

func (c *checker) valueSetDecl(d *ast.ValueSetDecl) {
	t := c.typ(d.Elem)
	tv := c.rvalue(d.Size)
	if !isNumeric(tv.Type) && !isBad(tv.Type) {
		c.errorf(codeMismatch, d.Size, "the size of a value set must be an integer, not %s", tv.Type)
	} else if tv.Mode != Constant && tv.Mode != Compile && !isBad(tv.Type) {
		c.errorf(codeNotConstant, d.Size, "the size of a value set must be known at compile time")
	}
	if parts := flatten(t); !selectableParts(&Tuple{Elems: parts}) {
		c.errorf(codeNesting, d.Elem, "a value set cannot have elements of type %s", t)
	}
	c.declare(&Object{Kind: ValueSetObj, Name: d.Name.Name, Type: &Set{Elem: t}, Node: d, Span: d.Name.Span, ReadOnly: true})
}

// at is the note that points at a span.
func at(sp source.Span, msg string) []diag.Note { return []diag.Note{{Span: sp, Message: msg}} }
