package passes

import "github.com/p4nic/p4nic/compiler/ir"

// stacklits expands values of stacks written as lists: the elements are assigned
// one by one, by way of a variable, since they may mention what is assigned.
//
// Before: calls are inlined, so such a value is the right side of an assignment
// or an argument of an extern (which fieldlists flattens).
// After: no list of a stack type in an assignment.
// Source: P4_16 section 8.18.
func stacklits(p *ir.Program) error {
	s := &stackLits{names: newNamer(p)}
	each := func(body *[]ir.Stmt, locals *[]*ir.Var) {
		s.locals = locals
		*body = mapStmts(*body, s.stmt)
	}
	for _, a := range p.Actions {
		each(&a.Body, &a.Locals)
	}
	for _, b := range p.Blocks {
		each(&b.Body, &b.Locals)
		for _, st := range b.States {
			each(&st.Body, &b.Locals)
		}
	}
	return nil
}

type stackLits struct {
	names  *namer
	locals *[]*ir.Var
}

func (s *stackLits) stmt(st ir.Stmt) []ir.Stmt {
	a, ok := st.(*ir.Assign)
	if !ok || !hasStackLit(a.R) {
		return []ir.Stmt{st}
	}
	v := s.names.variable(s.locals, "tmp", a.R.Type(), a.P)
	// Zeroing first also resets nextIndex of the stacks.
	out := zero(ref(v, a.P), a.P)
	out = append(out, assignParts(ref(v, a.P), a.R, a.P)...)
	a.R = ref(v, a.P)
	return append(out, a)
}

func hasStackLit(e ir.Expr) bool {
	found := false
	ir.WalkExpr(e, func(x ir.Expr) {
		if l, ok := x.(*ir.ListExpr); ok {
			if _, ok := l.T.(*ir.Stack); ok {
				found = true
			}
		}
	})
	return found
}

func assignParts(l, r ir.Expr, pos ir.Pos) []ir.Stmt {
	var out []ir.Stmt
	switch lit := r.(type) {
	case *ir.ListExpr:
		t := lit.T.(*ir.Stack)
		for i, e := range lit.Elems {
			out = append(out, assignParts(element(clone(l), t, i), e, pos)...)
		}
		return out
	case *ir.StructLit:
		if lit.Invalid {
			return nil // the variable was zeroed
		}
		if st, ok := lit.T.(*ir.Struct); ok && hasStackLit(lit) {
			for i, e := range lit.Fields {
				out = append(out, assignParts(member(clone(l), st.Fields[i]), e, pos)...)
			}
			return out
		}
	}
	return []ir.Stmt{assign(l, r, pos)}
}
