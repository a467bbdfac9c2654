package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
)

func (c *checker) parserDecl(d *ast.ParserDecl) {
	o := c.openBlock(Parser, d, d.Name, d.TypeParams, d.Params, d.CtorParams)
	old := c.body
	c.body = &body{kind: parserBody, result: basic(Void), states: map[string]*ast.StateDecl{}}
	for _, l := range d.Locals {
		c.decl(l)
	}
	for _, s := range d.States {
		name := s.Name.Name
		switch {
		case name == "accept" || name == "reject":
			c.errorf(codeBadState, s.Name, "state %s exists already in every parser", name)
		case c.body.states[name] != nil:
			c.note(codeRedeclared, s.Name.Span, declaredHere(c.body.states[name].Name), "state %s is declared twice", name)
		default:
			c.body.states[name] = s
		}
	}
	if c.body.states["start"] == nil {
		c.errorf(codeBadState, d.Name, "parser %s has no state start", d.Name.Name)
	}
	for _, s := range d.States {
		c.state(s)
	}
	c.body = old
	c.closeBlock(o)
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
		c.keyset(k.Keys, keys, "selected value")
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
		msg := ""
		if n := nearest(id.Name, append(sortedKeys(c.body.states), "accept", "reject")); n != "" {
			msg = "; did you mean " + n + "?"
		}
		c.errorf(codeBadState, id, "there is no state %s%s", id.Name, msg)
		return
	}
	c.info.States[id] = s
}

// keyset checks the sets of a select case or table entry against the types of
// the keys.
func (c *checker) keyset(sets []ast.Expr, keys []Type, what string) {
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
				c.keyset(s.Elems, keys, what)
				return
			}
		}
	}
	if len(sets) != len(keys) {
		at := sets[0]
		c.errorf(codeBadKeyset, at, "%s for %s", plural(len(sets), "set"), plural(len(keys), what))
		for _, s := range sets {
			c.expr(s)
		}
		return
	}
	for i, s := range sets {
		c.keysetElem(s, keys[i])
	}
}

func (c *checker) keysetElem(s ast.Expr, key Type) {
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
			c.keyset(l.Elems, parts, "part of the key")
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
		c.errorf(codeMismatch, s, "a value of type %s cannot match a key of type %s", elem, key)
		return
	}
	if b, ok := s.(*ast.BinaryExpr); ok && b.Op == ast.OpMask {
		c.maskBits(b)
	}
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
