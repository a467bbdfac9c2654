package irgen

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// namedTypes makes the named types that are not generic, in the order of their
// declarations; instances of generic ones follow when they are first used.
func (g *gen) namedTypes() {
	var visit func(d ast.Decl)
	visit = func(d ast.Decl) {
		if td, ok := d.(*ast.TypedefDecl); ok && td.Inline != nil {
			visit(td.Inline)
		}
		o := g.info.Defs[d]
		if o == nil || o.Kind != types.TypeObj {
			return
		}
		switch t := o.Type.(type) {
		case *types.Struct:
			if len(t.Vars) == 0 {
				g.typ(g.global, t)
			}
		case *types.Enum, *types.Newtype:
			g.typ(g.global, t)
		}
	}
	for _, d := range g.ast.Decls {
		visit(d)
	}
}

// typ converts a type; type parameters are those of e's function.
func (g *gen) typ(e *env, t types.Type) ir.Type {
	return g.conv(types.Subst(t, e.typeVars()))
}

func (e *env) typeVars() map[*types.Var]types.Type {
	for ; e != nil; e = e.parent {
		if e.tvars != nil {
			return e.tvars
		}
	}
	return nil
}

// subst resolves the type parameters of e's function in t.
func (e *env) subst(t types.Type) types.Type { return types.Subst(t, e.typeVars()) }

func (g *gen) conv(t types.Type) ir.Type {
	switch t := t.(type) {
	case *types.Basic:
		switch t.Kind {
		case types.Bool:
			return &ir.Bool{}
		case types.String, types.MatchKind:
			return &ir.String{} // a match kind is an argument of externs only
		case types.Error:
			return &ir.ErrorType{}
		case types.Integer:
			return &ir.InfInt{}
		}
		return &ir.Void{}
	case *types.Bits:
		switch {
		case t.Var:
			return &ir.Varbit{Max: t.W}
		case t.Signed:
			return &ir.Int{W: t.W}
		}
		return &ir.Bit{W: t.W}
	case *types.Enum:
		return g.enum(t)
	case *types.Newtype:
		return g.newtype(t)
	case *types.Struct:
		return g.structType(t)
	case *types.Stack:
		return &ir.Stack{Elem: g.conv(t.Elem), Size: t.Size}
	case *types.Tuple:
		return &ir.Tuple{Elems: g.convList(t.Elems)}
	case *types.Record:
		out := &ir.Tuple{}
		for _, f := range t.Fields {
			out.Elems = append(out.Elems, g.conv(f.Type))
		}
		return out
	case *types.List:
		return &ir.Tuple{} // how many elements, a value says
	case *types.Extern:
		return &ir.ExternType{Name: t.Name, Args: g.convList(t.Args)}
	}
	return &ir.Void{}
}

// holdsList tells whether values of t, having lists in them, have no type of
// their own in the IR: they are written as lists.
func holdsList(t types.Type) bool {
	switch t := t.(type) {
	case *types.List:
		return true
	case *types.Struct:
		return slices.ContainsFunc(t.Fields, func(f *types.Field) bool { return holdsList(f.Type) })
	case *types.Tuple:
		return slices.ContainsFunc(t.Elems, holdsList)
	}
	return false
}

// tupleOf is the type of a list with these elements.
func tupleOf(elems []ir.Expr) *ir.Tuple {
	t := &ir.Tuple{}
	for _, e := range elems {
		t.Elems = append(t.Elems, e.Type())
	}
	return t
}

func (g *gen) convList(ts []types.Type) []ir.Type {
	var out []ir.Type
	for _, t := range ts {
		out = append(out, g.conv(t))
	}
	return out
}

func (g *gen) externType(e *env, t *types.Extern) *ir.ExternType {
	return g.typ(e, t).(*ir.ExternType)
}

func (g *gen) enum(t *types.Enum) *ir.Enum {
	if x := g.enums[t.Decl]; x != nil {
		return x
	}
	x := &ir.Enum{Name: g.typeName(t.Name), Annos: g.annos(t.Decl.Annotations)}
	if t.Underlying != nil {
		x.Underlying = g.conv(t.Underlying)
	}
	for _, m := range t.Members {
		x.Members = append(x.Members, ir.EnumMember{Name: m.Name, Value: new(big.Int).Set(m.Value)})
	}
	g.enums[t.Decl] = x
	g.out.Types = append(g.out.Types, x)
	return x
}

func (g *gen) newtype(t *types.Newtype) *ir.Newtype {
	if x := g.news[t.Decl]; x != nil {
		return x
	}
	x := &ir.Newtype{Name: g.typeName(t.Name), Of: g.conv(t.Of), Annos: g.annos(t.Decl.Annotations)}
	g.news[t.Decl] = x
	g.out.Types = append(g.out.Types, x)
	return x
}

func (g *gen) structType(t *types.Struct) ir.Type {
	key := fmt.Sprintf("%d %s", t.Decl.Pos(), t)
	if x := g.structs[key]; x != nil {
		return x
	}
	var fields []ir.Field
	for _, f := range t.Fields {
		fields = append(fields, ir.Field{Name: f.Name, Type: g.conv(f.Type), Annos: g.annos(f.Decl.Annotations)})
	}
	name, annos := g.typeName(g.specialName(t)), g.annos(t.Decl.Annotations)
	var x ir.Type
	switch t.Kind {
	case ast.Header:
		x = &ir.Header{Name: name, Fields: fields, Annos: annos}
	case ast.HeaderUnion:
		x = &ir.Union{Name: name, Fields: fields, Annos: annos}
	default:
		x = &ir.Struct{Name: name, Fields: fields, Annos: annos}
	}
	g.structs[key] = x
	g.out.Types = append(g.out.Types, x)
	return x
}

// typeName keeps the names of types apart: a specialisation might collide.
func (g *gen) typeName(want string) string {
	n := want
	for i := 1; g.typeUse[n]; i++ {
		n = fmt.Sprintf("%s_%d", want, i)
	}
	g.typeUse[n] = true
	return n
}

// specialName is the name of a specialisation, the one that p4c gives it since
// the control plane may see it: S<bit<8>, H> becomes S_bit8_H. The arguments are
// those of the outermost type only, inner ones having names already.
func (g *gen) specialName(t *types.Struct) string {
	name := t.Name
	for _, a := range t.Args {
		arg := a.String()
		if s, ok := a.(*types.Struct); ok {
			arg = g.structType(s).String()
		}
		name += "_" + strings.NewReplacer("<", "", ">", "", " ", "", ",", "_", ".", "_").Replace(arg)
	}
	return mangle(name)
}

// mangle makes an identifier of the text of a type: f<bit<8>, H> becomes f_bit_8_H.
func mangle(s string) string {
	f := strings.FieldsFunc(s, func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	if len(f) == 1 {
		return f[0] // keeps underscores at its ends
	}
	return strings.Join(f, "_")
}

// zero is the default value of a type (specification, "Default values"):
// headers are invalid.
func (g *gen) zero(t ir.Type, p ir.Pos) ir.Expr {
	m := ir.Meta{T: t, P: p}
	switch x := t.(type) {
	case *ir.Bit, *ir.Int, *ir.Bool, *ir.ErrorType, *ir.InfInt, *ir.Enum:
		return &ir.Const{Meta: m, Val: new(big.Int)}
	case *ir.Newtype:
		return &ir.Const{Meta: m, Val: new(big.Int)}
	case *ir.Header, *ir.Union:
		return &ir.StructLit{Meta: m, Invalid: true}
	case *ir.Struct:
		s := &ir.StructLit{Meta: m}
		for _, f := range x.Fields {
			s.Fields = append(s.Fields, g.zero(f.Type, p))
		}
		return s
	case *ir.Stack:
		s := &ir.ListExpr{Meta: m}
		for range x.Size {
			el := g.zero(x.Elem, p)
			if el == nil {
				return nil
			}
			s.Elems = append(s.Elems, el)
		}
		return s
	case *ir.Tuple:
		s := &ir.ListExpr{Meta: m}
		for _, et := range x.Elems {
			s.Elems = append(s.Elems, g.zero(et, p))
		}
		return s
	}
	return nil
}

// clear makes the statements that give an l-value its default value.
func (g *gen) clear(l ir.Expr, p ir.Pos) []ir.Stmt {
	m := ir.SMeta{P: p}
	cl := new(ir.Cloner)
	switch t := l.Type().(type) {
	case *ir.Struct:
		var out []ir.Stmt
		for _, f := range t.Fields {
			out = append(out, g.clear(&ir.Member{Meta: ir.Meta{T: f.Type, P: p}, X: cl.Expr(l), Field: f.Name}, p)...)
		}
		return out
	case *ir.Stack:
		switch t.Elem.(type) {
		case *ir.Header, *ir.Union:
			if t.Size == 0 {
				return nil
			}
			// Popping all elements makes them invalid and resets nextIndex.
			return []ir.Stmt{&ir.PushPop{SMeta: m, X: l, N: t.Size}}
		}
		var out []ir.Stmt
		for i := range t.Size {
			at := &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}, P: p}, Val: bigInt(i)}
			out = append(out, g.clear(&ir.Index{Meta: ir.Meta{T: t.Elem, P: p}, X: cl.Expr(l), I: at}, p)...)
		}
		return out
	}
	if z := g.zero(l.Type(), p); z != nil {
		return []ir.Stmt{&ir.Assign{SMeta: m, L: l, R: z}}
	}
	return nil
}
