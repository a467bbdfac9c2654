package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
)

// maxWidth bounds widths and stack sizes so that a program cannot make the
// compiler allocate without bound; the IR has the same limits.
const maxWidth = 1 << 16

func bad() Type { return basic(Bad) }

// typ resolves a type as written. Generic types need their arguments.
func (c *checker) typ(t ast.Type) Type {
	r := c.typeOrGeneric(t)
	if n := len(typeParams(r)); n > 0 {
		c.errorf(codeTypeArgs, t, "%s needs %d type arguments", typeName(r), n)
		r = bad()
	}
	c.info.TypeOf[t] = r
	return r
}

// typeOrGeneric resolves a type; a generic one may come without its arguments.
func (c *checker) typeOrGeneric(t ast.Type) Type {
	r := c.resolve(t)
	c.info.TypeOf[t] = r
	return r
}

func (c *checker) resolve(t ast.Type) Type {
	switch t := t.(type) {
	case nil:
		return bad()
	case *ast.BasicType:
		return c.basicType(t)
	case *ast.NamedType:
		o := c.lookup(t.Path)
		if o == nil {
			return bad()
		}
		if o.Kind != TypeObj {
			c.note(codeNotType, t.Span, declaredHere(o.Span), "%s is a %s, not a type", o.Name, o.Kind)
			return bad()
		}
		return o.Type
	case *ast.SpecializedType:
		base := c.resolve(t.Base)
		c.info.TypeOf[t.Base] = base
		args := make([]Type, len(t.Args))
		for i, a := range t.Args {
			args[i] = c.typ(a)
			switch x := deref(args[i]).(type) {
			case *Struct:
				if b, ok := deref(base).(*Struct); ok && x.Decl == b.Decl {
					c.errorf(codeTypeArgs, t, "%s cannot be its own type argument", b.Name)
					args[i] = bad()
				}
			case *Extern, *Block:
				c.errorf(codeTypeArgs, a, "%s cannot be a type argument", x)
				args[i] = bad()
			}
		}
		if isBad(base) {
			return base
		}
		vars := typeParams(base)
		if len(vars) != len(args) {
			c.errorf(codeTypeArgs, t, "%s has %d type parameters, %d arguments given", typeName(base), len(vars), len(args))
			return bad()
		}
		out := instantiate(base, args)
		if s, ok := out.(*Struct); ok {
			for i, a := range args {
				if isKind(a, DontCare) {
					c.errorf(codeTypeArgs, t.Args[i], "the type arguments of a %s must be written", s.Kind)
					return bad()
				}
			}
			for _, f := range s.Fields {
				if !c.nestable(f.Type, containerOf(s.Kind)) {
					c.blame(codeNesting, span(f.Decl), t.Span, "with the type arguments of %s field %s has type %s, which cannot be a field of a %s", s, f.Name, f.Type, s.Kind)
					return bad()
				}
			}
		}
		return out
	case *ast.StackType:
		elem := c.typeOrGeneric(t.Elem)
		if x, ok := deref(elem).(*Extern); !ok || !c.objects {
			elem = c.typ(t.Elem)
		} else if n, ok := c.constInt(t.Size, "the size of an array"); ok && n >= 0 && n <= maxWidth {
			return &Stack{Elem: x, Size: n}
		}
		n, ok := c.constInt(t.Size, "the size of a stack")
		if !ok {
			return bad()
		}
		if n < 0 || n > maxWidth {
			c.errorf(codeBadWidth, t.Size, "the size of a stack must be from 0 to %d", maxWidth)
			return bad()
		}
		if !c.nestable(elem, inStack) {
			c.errorf(codeNesting, t.Elem, "%s cannot be the element type of a stack", elem)
			return bad()
		}
		return &Stack{Elem: elem, Size: n}
	case *ast.TupleType:
		out := &Tuple{}
		for _, e := range t.Elems {
			et := c.typ(e)
			if !c.nestable(et, inTuple) {
				c.errorf(codeNesting, e, "%s cannot be an element of a tuple", et)
				et = bad()
			}
			out.Elems = append(out.Elems, et)
		}
		return out
	case *ast.ListType:
		return &List{Elem: c.typ(t.Elem)}
	case *ast.DontCareType:
		return basic(DontCare)
	}
	return bad()
}

func (c *checker) basicType(t *ast.BasicType) Type {
	switch t.Kind {
	case ast.Void:
		return basic(Void)
	case ast.Bool:
		return basic(Bool)
	case ast.ErrorType:
		if len(c.errors) == 0 {
			c.errorf(codeUnknownName, t, "no error is declared; the usual ones are in core.p4")
			return bad()
		}
		return basic(Error)
	case ast.MatchKind:
		return basic(MatchKind)
	case ast.String:
		return basic(String)
	case ast.Integer:
		return basic(Integer)
	}
	w := 1
	if t.Width != nil {
		n, ok := c.constInt(t.Width, "a width")
		if !ok {
			return bad()
		}
		w = n
	}
	least := 0
	if t.Kind == ast.Int {
		least = 1
	}
	if w < least || w > maxWidth {
		c.errorf(codeBadWidth, t, "the width of %s must be from %d to %d, not %d", t.Kind, least, maxWidth, w)
		return bad()
	}
	return &Bits{W: w, Signed: t.Kind == ast.Int, Var: t.Kind == ast.Varbit}
}

// constInt evaluates an expression that must be a small integer known at
// compile time.
func (c *checker) constInt(e ast.Expr, what string) (int, bool) {
	tv := c.rvalue(e)
	if isBad(tv.Type) {
		return 0, false
	}
	if tv.Mode != Constant || tv.Value == nil || tv.Value.Int == nil || asBits(Underlying(tv.Type)) == nil && !isInteger(tv.Type) {
		c.errorf(codeNotConstant, e, "%s must be an integer known at compile time", what)
		return 0, false
	}
	if !tv.Value.Int.IsInt64() || tv.Value.Int.Int64() > 1<<31 || tv.Value.Int.Int64() < -(1<<31) {
		c.errorf(codeBadWidth, e, "%s is out of range", what)
		return 0, false
	}
	return int(tv.Value.Int.Int64()), true
}

// typeParams returns the type parameters that still need arguments.
func typeParams(t Type) []*Var {
	switch t := t.(type) {
	case *Struct:
		if t.Args == nil {
			return t.Vars
		}
	case *Extern:
		if t.Args == nil {
			return t.Params
		}
	case *Block:
		if t.Args == nil {
			return t.TypeParams
		}
	}
	return nil
}

func typeName(t Type) string {
	switch t := t.(type) {
	case *Struct:
		return t.Name
	case *Extern:
		return t.Name
	case *Block:
		return t.Name
	}
	return t.String()
}

// instantiate gives a generic type its arguments.
func instantiate(t Type, args []Type) Type {
	vars := typeParams(t)
	if len(vars) == 0 || len(vars) != len(args) {
		return t
	}
	m := bindings(vars, args)
	switch t := t.(type) {
	case *Struct:
		out := &Struct{Decl: t.Decl, Kind: t.Kind, Name: t.Name, Vars: t.Vars, Args: args}
		for _, f := range t.Fields {
			out.Fields = append(out.Fields, &Field{Name: f.Name, Type: subst(f.Type, m), Decl: f.Decl})
		}
		return out
	case *Extern:
		return &Extern{Decl: t.Decl, Name: t.Name, Params: t.Params, Args: args, base: t}
	case *Block:
		return &Block{Kind: t.Kind, Name: t.Name, Decl: t.Decl, TypeParams: t.TypeParams, Args: args,
			Params: substParams(t.Params, m), Ctor: substParams(t.Ctor, m), IsType: t.IsType}
	}
	return t
}

func bindings(vars []*Var, args []Type) map[*Var]Type {
	m := make(map[*Var]Type, len(vars))
	for i, v := range vars {
		if i < len(args) {
			m[v] = args[i]
		}
	}
	return m
}

// subst replaces type parameters and resolves inferred ones.
func subst(t Type, m map[*Var]Type) Type {
	t = deref(t)
	switch t := t.(type) {
	case *Var:
		if r, ok := m[t]; ok {
			return r
		}
	case *Struct:
		if len(t.Args) > 0 {
			out := &Struct{Decl: t.Decl, Kind: t.Kind, Name: t.Name, Vars: t.Vars, Args: substList(t.Args, m)}
			for _, f := range t.Fields {
				out.Fields = append(out.Fields, &Field{Name: f.Name, Type: subst(f.Type, m), Decl: f.Decl})
			}
			return out
		}
	case *Stack:
		return &Stack{Elem: subst(t.Elem, m), Size: t.Size}
	case *Tuple:
		return &Tuple{Elems: substList(t.Elems, m), Literal: t.Literal, Dots: t.Dots}
	case *Record:
		out := &Record{Dots: t.Dots}
		for _, f := range t.Fields {
			out.Fields = append(out.Fields, &Field{Name: f.Name, Type: subst(f.Type, m), Decl: f.Decl})
		}
		return out
	case *List:
		return &List{Elem: subst(t.Elem, m)}
	case *Set:
		return &Set{Elem: subst(t.Elem, m)}
	case *Extern:
		if len(t.Args) > 0 {
			return &Extern{Decl: t.Decl, Name: t.Name, Params: t.Params, Args: substList(t.Args, m), base: t.Base()}
		}
	case *Block:
		if len(t.Args) > 0 {
			return &Block{Kind: t.Kind, Name: t.Name, Decl: t.Decl, TypeParams: t.TypeParams, Args: substList(t.Args, m),
				Params: substParams(t.Params, m), Ctor: substParams(t.Ctor, m), IsType: t.IsType}
		}
	case *Func:
		return &Func{Name: t.Name, TypeParams: t.TypeParams, Params: substParams(t.Params, m), Result: subst(t.Result, m),
			Decl: t.Decl, Abstract: t.Abstract, IsAction: t.IsAction, IsExtern: t.IsExtern, Owner: t.Owner}
	}
	return t
}

func substList(ts []Type, m map[*Var]Type) []Type {
	out := make([]Type, len(ts))
	for i, t := range ts {
		out[i] = subst(t, m)
	}
	return out
}

func substParams(ps []*Param, m map[*Var]Type) []*Param {
	out := make([]*Param, len(ps))
	for i, p := range ps {
		q := *p
		q.Type = subst(p.Type, m)
		out[i] = &q
	}
	return out
}

// container is a place where a type is used as a part.
type container int

const (
	inHeader container = iota
	inStruct
	inUnion
	inStack
	inTuple
)

func containerOf(k ast.StructKind) container {
	switch k {
	case ast.Header:
		return inHeader
	case ast.HeaderUnion:
		return inUnion
	}
	return inStruct
}

// nestable says whether t may be part of a container (specification, section
// "Type nesting rules"; stacks of any type are the draft's arrays).
func (c *checker) nestable(t Type, in container) bool {
	t = deref(t)
	switch x := t.(type) {
	case *Basic:
		switch x.Kind {
		case Bad:
			return true
		case Bool:
			return in != inUnion
		case Error:
			return in == inStruct || in == inTuple || in == inStack
		case Integer:
			return in == inStruct || in == inTuple
		case String:
			return in == inTuple
		case DontCare:
			return in == inTuple
		case MatchKind:
			return in == inTuple
		}
		return false
	case *Bits:
		if x.Var {
			return in == inHeader || in == inStruct || in == inTuple
		}
		return in != inUnion
	case *Enum:
		if in == inHeader {
			return x.Underlying != nil
		}
		return in != inUnion
	case *Newtype:
		return c.nestable(x.Of, in)
	case *Struct:
		switch x.Kind {
		case ast.Header:
			return in != inHeader
		case ast.HeaderUnion:
			return in == inStruct || in == inTuple || in == inStack
		}
		if in == inHeader {
			for _, f := range x.Fields {
				if v, ok := deref(f.Type).(*Bits); ok && v.Var || !c.nestable(f.Type, inHeader) {
					return false
				}
			}
		}
		return in != inUnion
	case *Stack:
		if in == inHeader {
			return c.nestable(x.Elem, inHeader)
		}
		return in != inUnion
	case *Tuple:
		return in == inStruct || in == inTuple || in == inStack
	case *List:
		return in == inStruct || in == inTuple
	case *Set:
		return in == inTuple
	case *Var:
		return true
	}
	return false
}
