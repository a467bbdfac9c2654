package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// retyper replaces types throughout a program. Types are shared with the typed
// program and never changed: a struct with a changed field becomes a new struct,
// and the old one keeps standing for itself elsewhere.
type retyper struct {
	// leaf replaces one type after its parts were replaced.
	leaf func(ir.Type) ir.Type
	memo map[ir.Type]ir.Type // named types only
}

func (r *retyper) list(ts []ir.Type) []ir.Type {
	if ts == nil {
		return nil
	}
	out := make([]ir.Type, len(ts))
	for i, t := range ts {
		out[i] = r.typ(t)
	}
	return out
}

func (r *retyper) fields(fs []ir.Field) (out []ir.Field, changed bool) {
	out = append([]ir.Field(nil), fs...)
	for i := range out {
		n := r.typ(out[i].Type)
		changed = changed || n != out[i].Type
		out[i].Type = n
	}
	return out, changed
}

func (r *retyper) typ(t ir.Type) ir.Type {
	if t == nil {
		return nil
	}
	if n, ok := r.memo[t]; ok {
		return n
	}
	n := t
	named := false
	switch x := t.(type) {
	case *ir.Struct:
		named = true
		if fs, ok := r.fields(x.Fields); ok {
			n = &ir.Struct{Name: x.Name, Fields: fs, Annos: x.Annos}
		}
	case *ir.Header:
		named = true
		if fs, ok := r.fields(x.Fields); ok {
			n = &ir.Header{Name: x.Name, Fields: fs, Annos: x.Annos}
		}
	case *ir.Union:
		named = true
		if fs, ok := r.fields(x.Fields); ok {
			n = &ir.Union{Name: x.Name, Fields: fs, Annos: x.Annos}
		}
	case *ir.Enum:
		named = true
		if x.Underlying != nil {
			if u := r.typ(x.Underlying); u != x.Underlying {
				n = &ir.Enum{Name: x.Name, Underlying: u, Members: x.Members, Annos: x.Annos}
			}
		}
	case *ir.Newtype:
		named = true
		if of := r.typ(x.Of); of != x.Of {
			n = &ir.Newtype{Name: x.Name, Of: of, Annos: x.Annos}
		}
	case *ir.Stack:
		if e := r.typ(x.Elem); e != x.Elem {
			n = &ir.Stack{Elem: e, Size: x.Size}
		}
	case *ir.Tuple:
		if es := r.list(x.Elems); changedList(es, x.Elems) {
			n = &ir.Tuple{Elems: es}
		}
	case *ir.ExternType:
		if as := r.list(x.Args); changedList(as, x.Args) {
			n = &ir.ExternType{Name: x.Name, Args: as}
		}
	}
	n = r.leaf(n)
	if named {
		r.memo[t] = n
	}
	return n
}

// argTypes replaces the named types among the type arguments of an extern object,
// which keeps its tuples: they are data, not values.
func (r *retyper) argTypes(ts []ir.Type) []ir.Type {
	var out []ir.Type
	for _, t := range ts {
		switch x := t.(type) {
		case *ir.Tuple:
			out = append(out, &ir.Tuple{Elems: r.argTypes(x.Elems)})
		case *ir.ExternType:
			out = append(out, &ir.ExternType{Name: x.Name, Args: r.argTypes(x.Args)})
		default:
			out = append(out, r.typ(t))
		}
	}
	return out
}

func changedList(a, b []ir.Type) bool {
	for i := range a {
		if a[i] != b[i] {
			return true
		}
	}
	return false
}

func (r *retyper) vars(lists ...[]*ir.Var) {
	for _, vs := range lists {
		for _, v := range vs {
			v.Type = r.typ(v.Type)
		}
	}
}

// program replaces the types of all objects, variables and expressions. keep,
// if not nil, names types of Program.Types that are dropped by returning false.
func (r *retyper) program(p *ir.Program, keep func(ir.Type) bool) {
	var types []ir.Type
	for _, t := range p.Types {
		if keep == nil || keep(t) {
			types = append(types, r.typ(t))
		}
	}
	p.Types = types
	for _, in := range p.Instances {
		in.Type = r.typ(in.Type).(*ir.ExternType)
	}
	for _, vs := range p.ValueSets {
		vs.Type = r.typ(vs.Type)
	}
	for _, f := range p.Functions {
		f.Result = r.typ(f.Result)
		r.vars(f.Params, f.Locals)
	}
	for _, a := range p.Actions {
		r.vars(a.Params, a.Locals)
	}
	for _, b := range p.Blocks {
		r.vars(b.Params, b.Locals)
	}
	rewriteProgram(p, r.expr)
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			switch s := s.(type) {
			case *ir.CallStmt:
				s.TypeArgs = r.list(s.TypeArgs)
			case *ir.ExternCall:
				s.TypeArgs = r.list(s.TypeArgs)
			}
		})
	})
}

func (r *retyper) expr(e ir.Expr) ir.Expr {
	switch x := e.(type) {
	case *ir.Const:
		x.T = r.typ(x.T)
	case *ir.StringLit:
		x.T = r.typ(x.T)
	case *ir.VarRef:
		x.T = r.typ(x.T)
	case *ir.Member:
		x.T = r.typ(x.T)
	case *ir.Index:
		x.T = r.typ(x.T)
	case *ir.StackOp:
		x.T = r.typ(x.T)
	case *ir.Unary:
		x.T = r.typ(x.T)
	case *ir.Binary:
		x.T = r.typ(x.T)
	case *ir.Cast:
		x.T = r.typ(x.T)
	case *ir.Mux:
		x.T = r.typ(x.T)
	case *ir.Slice:
		x.T = r.typ(x.T)
	case *ir.IsValid:
		x.T = r.typ(x.T)
	case *ir.ListExpr:
		x.T = r.typ(x.T)
	case *ir.StructLit:
		x.T = r.typ(x.T)
	case *ir.TupleIndex:
		x.T = r.typ(x.T)
	case *ir.Call:
		x.T = r.typ(x.T)
		x.TypeArgs = r.list(x.TypeArgs)
	}
	return e
}
