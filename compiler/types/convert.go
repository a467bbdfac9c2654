package types

import (
	"math/big"
	"slices"

	"github.com/p4nic/p4nic/compiler/ast"
)

// assignTo checks that the checked expression e can be given to something of
// type t, implicit casts included (specification, "Implicit casts"), and warns
// where a constant does not fit.
func (c *checker) assignTo(t Type, e ast.Expr, what string) bool {
	tv := c.info.Types[e]
	if isBad(tv.Type) || isBad(t) {
		return false
	}
	if tv.Mode == TypeName || tv.Mode == Callable || tv.Mode == NoValue && !isDots(tv.Type) {
		c.errorf(codeMismatch, e, "%s is not a value", c.describe(e, tv))
		return false
	}
	if n, ok := deref(t).(*Newtype); ok && tv.Mode == Constant && isInteger(tv.Type) && asBits(Underlying(n)) != nil {
		// As p4c has it, against the specification: a value without width becomes
		// one of a new type without a cast (docs/p4c-differences.md).
		c.warnOverflow(Underlying(n), e)
		return true
	}
	if !unify(t, tv.Type, true) {
		c.errorf(codeMismatch, e, "cannot give a value of type %s to %s of type %s%s", tv.Type, what, t, strangeField(e, t))
		return false
	}
	c.warnOverflow(t, e)
	return true
}

// strangeField is the end of a message about a struct expression that does not
// fit t because it names a field that t does not have.
func strangeField(e ast.Expr, t Type) string {
	x, ok := e.(*ast.StructExpr)
	s, isStruct := deref(t).(*Struct)
	if !ok || !isStruct {
		return ""
	}
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	for _, f := range x.Fields {
		if !slices.Contains(names, f.Name.Name) {
			return "; it has no field " + f.Name.Name + didYouMean(f.Name.Name, names)
		}
	}
	return ""
}

func isDots(t Type) bool { return isKind(t, Dots) }

// warnOverflow warns where the literal integers of e lose bits in type t (L9).
func (c *checker) warnOverflow(t Type, e ast.Expr) {
	tv := c.info.Types[e]
	switch e := e.(type) {
	case *ast.ListExpr:
		for i, x := range e.Elems {
			if et := elemType(t, i); et != nil {
				c.warnOverflow(et, x)
			}
		}
		return
	case *ast.StructExpr:
		if s, ok := deref(t).(*Struct); ok {
			for _, f := range e.Fields {
				if g := s.field(f.Name.Name); g != nil {
					c.warnOverflow(g.Type, f.Value)
				}
			}
		}
		return
	}
	if tv.Mode != Constant || tv.Value == nil || tv.Value.Int == nil || !isInteger(tv.Type) {
		return
	}
	if b := asBits(t); b != nil && !fitsLoosely(tv.Value.Int, b) {
		c.warnf(codeOverflow, e, "%s does not fit %s; it becomes %s", tv.Value.Int, b, Wrap(tv.Value.Int, b.W, b.Signed))
	}
}

// fitsLoosely allows negative numbers in bit<W> and full-width patterns in
// int<W>: both are customary.
func fitsLoosely(v *big.Int, b *Bits) bool {
	if Fits(v, b.W, b.Signed) {
		return true
	}
	return !b.Signed && v.Sign() < 0 && Fits(v, b.W, true)
}

// elemType is the type of the i-th part of t for a list expression.
func elemType(t Type, i int) Type {
	switch x := deref(t).(type) {
	case *Struct:
		if i < len(x.Fields) {
			return x.Fields[i].Type
		}
	case *Tuple:
		if i < len(x.Elems) {
			return x.Elems[i]
		}
	case *Stack:
		return x.Elem
	case *List:
		return x.Elem
	}
	return nil
}

// unify makes to and from the same type by binding inferred type variables;
// with cast it also allows the implicit casts of an assignment to `to`.
func unify(to, from Type, cast bool) bool {
	if v, ok := to.(*infer); ok && v.bound != nil && isInteger(v.bound) && cast {
		// An integer literal bound the variable first: a type with width wins.
		if f := deref(from); asBits(Underlying(f)) != nil {
			root(v).bound = f
			return true
		}
	}
	to, from = deref(to), deref(from)
	if to == from || isBad(to) || isBad(from) || isKind(to, DontCare) || isKind(from, DontCare) {
		return true
	}
	if v, ok := to.(*infer); ok {
		if occurs(v, from) {
			return false
		}
		v.bound = from
		return true
	}
	if v, ok := from.(*infer); ok {
		if occurs(v, to) {
			return false
		}
		v.bound = to
		return true
	}
	switch x := to.(type) {
	case *Stack:
		switch y := from.(type) {
		case *Stack:
			return x.Size == y.Size && unify(x.Elem, y.Elem, false)
		case *Tuple:
			if !cast || !y.Literal || len(y.Elems) > x.Size || len(y.Elems) < x.Size && !y.Dots {
				return false
			}
			for _, e := range y.Elems {
				if !unify(x.Elem, e, true) {
					return false
				}
			}
			return true
		}
		return cast && isDots(from)
	case *Tuple:
		if y, ok := from.(*Tuple); ok {
			if len(y.Elems) > len(x.Elems) || len(y.Elems) < len(x.Elems) && !(y.Dots && cast) {
				return false
			}
			for i := range y.Elems {
				if !unify(x.Elems[i], y.Elems[i], cast) {
					return false
				}
			}
			return true
		}
		return cast && isDots(from)
	case *List:
		switch y := from.(type) {
		case *List:
			return unify(x.Elem, y.Elem, cast)
		case *Tuple:
			if !y.Literal {
				return false
			}
			for _, e := range y.Elems {
				if !unify(x.Elem, e, cast) {
					return false
				}
			}
			return true
		}
		return false
	case *Set:
		if y, ok := from.(*Set); ok {
			return unify(x.Elem, y.Elem, cast)
		}
		return false
	case *Struct:
		return unifyStruct(x, from, cast)
	case *Record:
		return Identical(to, from)
	case *Extern:
		y, ok := from.(*Extern)
		return ok && x.Decl == y.Decl && unifyList(x.Args, y.Args)
	case *Block:
		y, ok := from.(*Block)
		return ok && unifyBlock(x, y)
	case *Newtype, *Enum:
		return Identical(to, from) || cast && isDots(from)
	case *Bits:
		if Identical(to, from) {
			return true
		}
		if !cast {
			return false
		}
		if x.Var {
			return isDots(from)
		}
		if isInteger(from) || isDots(from) {
			return true
		}
		if e, ok := from.(*Enum); ok && e.Underlying != nil {
			return Identical(x, e.Underlying)
		}
		return false
	case *Basic:
		if Identical(to, from) {
			return true
		}
		if cast && x.Kind == Integer && asBits(from) != nil {
			return true // the value is what counts
		}
		return cast && isDots(from) && (x.Kind == Bool || x.Kind == Error || x.Kind == Integer)
	}
	return Identical(to, from)
}

func root(v *infer) *infer {
	for {
		n, ok := v.bound.(*infer)
		if !ok || n.bound == nil {
			return v
		}
		v = n
	}
}

// occurs tells whether t contains the unbound variable v.
func occurs(v *infer, t Type) bool {
	any := func(list []Type) bool {
		return slices.ContainsFunc(list, func(e Type) bool { return occurs(v, e) })
	}
	switch t := deref(t).(type) {
	case *infer:
		return t == v
	case *Stack:
		return occurs(v, t.Elem)
	case *Tuple:
		return any(t.Elems)
	case *List:
		return occurs(v, t.Elem)
	case *Set:
		return occurs(v, t.Elem)
	case *Struct:
		return any(t.Args)
	case *Extern:
		return any(t.Args)
	case *Block:
		return any(t.Args)
	case *Record:
		return slices.ContainsFunc(t.Fields, func(f *Field) bool { return occurs(v, f.Type) })
	}
	return false
}

func unifyList(a, b []Type) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !unify(a[i], b[i], false) {
			return false
		}
	}
	return true
}

func unifyStruct(x *Struct, from Type, cast bool) bool {
	switch y := from.(type) {
	case *Struct:
		return x.Decl == y.Decl && unifyList(x.Args, y.Args)
	case *Tuple:
		if !cast || !y.Literal || x.Kind == ast.HeaderUnion || len(y.Elems) > len(x.Fields) || len(y.Elems) < len(x.Fields) && !y.Dots {
			return false
		}
		for i, e := range y.Elems {
			if !unify(x.Fields[i].Type, e, true) {
				return false
			}
		}
		return true
	case *Record:
		if !cast || x.Kind == ast.HeaderUnion || len(y.Fields) > len(x.Fields) || len(y.Fields) < len(x.Fields) && !y.Dots {
			return false
		}
		for _, f := range y.Fields {
			g := x.field(f.Name)
			if g == nil || !unify(g.Type, f.Type, true) {
				return false
			}
		}
		return true
	case *Basic:
		return cast && (y.Kind == Dots || y.Kind == Invalid && x.Kind != ast.Struct)
	}
	return false
}

// unifyBlock fits a parser or control to a parser or control type: same kind,
// parameters of the same directions and types.
func unifyBlock(x, y *Block) bool {
	if x.Decl == y.Decl {
		return unifyList(x.Args, y.Args)
	}
	if x.Kind != y.Kind || !x.IsType || x.Kind == Package {
		return false
	}
	for i := len(y.Params); i < len(x.Params); i++ {
		if !x.Params[i].Optional && x.Params[i].Default == nil {
			return false
		}
	}
	for i, p := range y.Params {
		if i >= len(x.Params) {
			if !p.Optional && p.Default == nil {
				return false
			}
			continue
		}
		if x.Params[i].Dir != p.Dir || !unify(x.Params[i].Type, p.Type, false) {
			return false
		}
	}
	return true
}

func isNewtype(t Type) bool {
	_, ok := t.(*Newtype)
	return ok
}

// castable tells whether an explicit cast from a value of type from to type to
// exists (specification, "Casts").
func castable(to, from Type, v *Const) bool {
	to, from = deref(to), deref(from)
	if unify(to, from, true) {
		return true
	}
	if n, ok := to.(*Newtype); ok {
		return unify(n.Of, from, true) || isNewtype(from) && castable(n.Of, from, v)
	}
	if n, ok := from.(*Newtype); ok {
		return castable(to, n.Of, v)
	}
	if e, ok := to.(*Enum); ok && e.Underlying != nil {
		return castable(e.Underlying, from, v)
	}
	if e, ok := from.(*Enum); ok && e.Underlying != nil {
		return castable(to, e.Underlying, v)
	}
	tb, fb := asBits(to), asBits(from)
	switch {
	case tb != nil && fb != nil:
		return tb.Signed == fb.Signed || tb.W == fb.W
	case tb != nil && isInteger(from), isInteger(to) && fb != nil:
		return true
	case tb != nil && isBool(from):
		return tb.W == 1 && !tb.Signed
	case isBool(to) && fb != nil:
		return fb.W == 1 && !fb.Signed
	case isBool(to) && isInteger(from):
		return v != nil && v.Int != nil && (v.Int.Sign() == 0 || v.Int.IsInt64() && v.Int.Int64() == 1)
	}
	return false
}
