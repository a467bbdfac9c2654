package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
)

func (c *checker) parserDecl(d *ast.ParserDecl) {
	o := c.openBlock(Parser, d, d.Name, d.TypeParams, d.Params, d.CtorParams)
	old := c.body
	c.body = &body{kind: parserBody, result: basic(Void), states: map[string]*ast.StateDecl{}}
	for _, l := range d.Locals {
		c.decl(l)
	}
	reserved := false
	for _, s := range d.States {
		name := s.Name.Name
		switch {
		case name == "accept" || name == "reject":
			reserved = true
			c.errorf(codeBadState, s.Name, "state %s exists already in every parser", name)
		case c.body.states[name] != nil:
			c.note(codeRedeclared, s.Name.Span, declaredHere(c.body.states[name].Name), "state %s is declared twice", name)
		default:
			c.body.states[name] = s
		}
	}
	// A parser of reserved names alone has no start for that reason.
	if c.body.states["start"] == nil && !(reserved && len(c.body.states) == 0) {
		c.errorf(codeBadState, d.Name, "parser %s has no state start", d.Name.Name)
	}
	for _, s := range d.States {
		c.state(s)
	}
	c.ends(d)
	c.body = old
	c.closeBlock(o)
}

// ends refuses a parser that no path leaves: one without a loop over packet
// data could only run out of time.
func (c *checker) ends(d *ast.ParserDecl) {
	first := c.body.states["start"]
	if first == nil {
		return
	}
	seen := map[*ast.StateDecl]bool{}
	var leaves func(s *ast.StateDecl) bool
	leaves = func(s *ast.StateDecl) bool {
		if s == nil {
			return true // accept, reject, or a name without state, reported
		}
		if seen[s] {
			return false
		}
		seen[s] = true
		t := s.Transition
		if t == nil {
			return true
		}
		if t.Select == nil {
			return t.Next == nil || leaves(c.body.states[t.Next.Name])
		}
		total := false
		for _, k := range t.Select.Cases {
			if k.State == nil || leaves(c.body.states[k.State.Name]) {
				return true
			}
			if len(k.Keys) == 1 {
				switch k.Keys[0].(type) {
				case *ast.DefaultExpr, *ast.DontCareExpr:
					total = true
				}
			}
		}
		return !total // no case applies: error.NoMatch
	}
	if !leaves(first) {
		c.errorf(codeBadState, d.Name, "parser %s never reaches accept or reject", d.Name.Name)
	}
}

func (c *checker) state(s *ast.StateDecl) {
	c.push()
	defer c.pop()
	for _, st := range s.Stmts {
		c.stmt(st)
	}
	t := s.Transition
	if t == nil {
		return
	}
	if t.Select == nil {
		c.target(t.Next)
		return
	}
	var keys []Type
	for _, e := range t.Select.Exprs {
		tv := c.rvalue(e)
		kt := tv.Type
		if isInteger(kt) {
			c.errorf(codeBadSelect, e, "the width of the selected value is unknown")
			kt = bad()
		} else if !selectableParts(kt) {
			c.errorf(codeBadSelect, e, "select cannot choose by a value of type %s", kt)
			kt = bad()
		}
		keys = append(keys, kt)
	}
	if len(t.Select.Cases) == 0 {
		c.warnf(codeUnreachable, t.Select, "a select without cases always rejects")
	}
	for i, k := range t.Select.Cases {
		c.keyset(k.Keys, keys, "selected value", t.Select)
		c.target(k.State)
		if i < len(t.Select.Cases)-1 && len(k.Keys) == 1 {
			switch k.Keys[0].(type) {
			case *ast.DefaultExpr, *ast.DontCareExpr:
				c.warnf(codeUnreachable, t.Select.Cases[i+1], "the cases after default are never reached")
			}
		}
	}
}

func selectable(t Type) bool {
	switch x := Underlying(t).(type) {
	case *Bits:
		return !x.Var
	case *Enum:
		return true
	case *Basic:
		return x.Kind == Bool || x.Kind == Error || x.Kind == Bad
	case *Var:
		return true
	}
	return false
}

// flatten gives the scalar parts of a type that is matched part by part.
func flatten(t Type) []Type {
	var parts []Type
	switch x := deref(t).(type) {
	case *Struct:
		if x.Kind != ast.Struct {
			return []Type{t}
		}
		for _, f := range x.Fields {
			parts = append(parts, flatten(f.Type)...)
		}
		return parts
	case *Tuple:
		for _, e := range x.Elems {
			parts = append(parts, flatten(e)...)
		}
		return parts
	}
	return []Type{t}
}

// selectableParts tells whether select can match t, whole or part by part.
func selectableParts(t Type) bool {
	if _, ok := deref(t).(*Struct); ok {
		return false
	}
	for _, p := range flatten(t) {
		if !selectable(p) {
			return false
		}
	}
	return true
}

// target resolves the state of a transition.
func (c *checker) target(id *ast.Ident) {
	if id == nil || id.Name == "accept" || id.Name == "reject" {
		return
	}
	s := c.body.states[id.Name]
	if s == nil {
		c.errorf(codeBadState, id, "there is no state %s%s", id.Name, didYouMean(id.Name, append(sortedKeys(c.body.states), "accept", "reject")))
		return
	}
	c.info.States[id] = s
}

// keyset checks the sets of a select case or table entry against the types of
// the keys. What does not fit is reported at whole, which both belong to, with a
// note at the set; nil means at the set.
func (c *checker) keyset(sets []ast.Expr, keys []Type, what string, whole ast.Node) {
	if len(sets) == 1 {
		switch s := sets[0].(type) {
		case *ast.DefaultExpr, *ast.DontCareExpr:
			c.expr(s)
			return
		case *ast.PathExpr:
			if c.valueSet(s, keys) {
				return
			}
		case *ast.ListExpr:
			if len(keys) != 1 || len(s.Elems) == len(keys) {
				c.expr(s)
				c.keyset(s.Elems, keys, what, whole)
				return
			}
		}
	}
	if len(sets) != len(keys) {
		c.misfit(codeBadKeyset, whole, sets[0], "%s for %s", plural(len(sets), "set"), plural(len(keys), what))
		for _, s := range sets {
			c.expr(s)
		}
		return
	}
	for i, s := range sets {
		c.keysetElem(s, keys[i], whole)
	}
}

// misfit reports that the part at does not go with the whole it stands in.
func (c *checker) misfit(code diag.Code, whole, at ast.Node, format string, args ...any) {
	if whole == nil {
		c.errorf(code, at, format, args...)
		return
	}
	c.note(code, span(whole), []diag.Note{{Span: span(at), Message: "here"}}, format, args...)
}

func (c *checker) keysetElem(s ast.Expr, key Type, whole ast.Node) {
	switch x := s.(type) {
	case *ast.DefaultExpr, *ast.DontCareExpr:
		c.expr(x)
		return
	case *ast.PathExpr:
		if c.valueSet(x, []Type{key}) {
			return
		}
	}
	if parts := flatten(key); len(parts) > 1 {
		if l, ok := s.(*ast.ListExpr); ok {
			c.expr(l)
			c.keyset(l.Elems, parts, "part of the key", whole)
			return
		}
	}
	tv := c.rvalue(s)
	if isBad(tv.Type) || isBad(key) {
		return
	}
	elem := tv.Type
	set, isSet := deref(elem).(*Set)
	if isSet {
		elem = set.Elem
		if b, ok := s.(*ast.BinaryExpr); ok {
			c.warnOverflow(key, b.X)
			c.warnOverflow(key, b.Y)
		}
	} else {
		c.warnOverflow(key, s)
	}
	if !unify(key, elem, true) && !(isSet && unify(Underlying(key), elem, true)) && !enumKey(key, elem) {
		c.misfit(codeMismatch, whole, s, "a value of type %s cannot match a key of type %s", elem, key)
		return
	}
	if b, ok := s.(*ast.BinaryExpr); ok && isSet && whole != nil && !(c.static(b.X) && c.static(b.Y)) {
		c.errorf(codeNotConstant, s, "the masks and ranges of a select must be known at compile time")
		return
	}
	if b, ok := s.(*ast.BinaryExpr); ok && b.Op == ast.OpMask {
		c.maskBits(b)
	}
}

// static tells whether e is known when the program is compiled.
func (c *checker) static(e ast.Expr) bool {
	switch c.info.Types[e].Mode {
	case Constant, Compile:
		return true
	}
	return false
}

// enumKey allows the representation where the key is a serializable enum.
func enumKey(key, elem Type) bool {
	e, ok := deref(key).(*Enum)
	return ok && e.Underlying != nil && unify(e.Underlying, elem, true)
}

// maskBits warns about bits of the value outside of the mask (L147).
func (c *checker) maskBits(b *ast.BinaryExpr) {
	x, y := c.info.Types[b.X], c.info.Types[b.Y]
	if x.Mode != Constant || y.Mode != Constant || x.Value.Int == nil || y.Value.Int == nil {
		return
	}
	v := x.Value.Int
	if v.Sign() >= 0 && y.Value.Int.Sign() >= 0 && andNot(v, y.Value.Int) {
		c.warnf(codeMaskBits, b, "the value has bits outside of its mask; they are ignored")
	}
}

// valueSet accepts the name of a value set; false when p is none.
func (c *checker) valueSet(p *ast.PathExpr, keys []Type) bool {
	var o *Object
	for s := c.scope; s != nil && o == nil; s = s.parent {
		o = s.names[p.Path.Name.Name]
	}
	if o == nil || o.Kind != ValueSetObj {
		return false
	}
	c.expr(p)
	elem := o.Type.(*Set).Elem
	want := flatten(elem)
	var flat []Type
	for _, k := range keys {
		flat = append(flat, flatten(k)...)
	}
	keys = flat
	if len(want) != len(keys) {
		c.note(codeBadKeyset, p.Span, declaredHere(o.Span), "value set %s has %s for %s", o.Name, plural(len(want), "field"), plural(len(keys), "key"))
		return true
	}
	for i := range want {
		if !unify(keys[i], want[i], true) {
			c.note(codeMismatch, p.Span, declaredHere(o.Span), "value set %s has elements of type %s, the key has type %s", o.Name, want[i], keys[i])
			return true
		}
	}
	return true
}
