package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// fieldlists flattens structs, headers and literals that are handed to externs
// by value into lists of scalars, the form in which every engine takes field
// lists (hash, checksums, digest).
//
// Before: calls are lowered; structs stand for tuples.
// After: an in argument of an extern is a scalar, a string or a ListExpr of
// scalars, whose type is a Tuple.
func fieldlists(p *ir.Program) error {
	var err error
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			c, ok := s.(*ir.ExternCall)
			if !ok {
				return
			}
			for i, a := range c.Args {
				if a == nil || i < len(c.Dirs) && isOut(c.Dirs[i]) || isScalar(a.Type()) {
					continue
				}
				if _, ok := a.Type().(*ir.ExternType); ok {
					continue
				}
				list := &ir.ListExpr{Meta: ir.Meta{P: a.Pos()}}
				if e := flatten(a, &list.Elems); e != nil && err == nil {
					err = e
				}
				t := &ir.Tuple{}
				for _, e := range list.Elems {
					t.Elems = append(t.Elems, e.Type())
				}
				list.T = t
				c.Args[i] = list
			}
		})
	})
	if err == nil {
		dropTupleStructs(p)
	}
	return err
}

func flatten(x ir.Expr, out *[]ir.Expr) error {
	switch lit := x.(type) {
	case *ir.StructLit:
		if !lit.Invalid {
			return flattenAll(lit.Fields, out)
		}
	case *ir.ListExpr:
		return flattenAll(lit.Elems, out)
	}
	switch t := x.Type().(type) {
	case *ir.Struct, *ir.Header, *ir.Union:
		for i, f := range ir.Fields(t) {
			if err := flatten(part(x, f, i), out); err != nil {
				return err
			}
		}
		return nil
	case *ir.Stack:
		for i := range t.Size {
			if err := flatten(stackElem(x, t, i), out); err != nil {
				return err
			}
		}
		return nil
	}
	if !isScalar(x.Type()) {
		return pass.Refuse(x.Pos(), "a value of type %s cannot be part of a field list", x.Type())
	}
	*out = append(*out, x)
	return nil
}

func flattenAll(es []ir.Expr, out *[]ir.Expr) error {
	for _, e := range es {
		if err := flatten(e, out); err != nil {
			return err
		}
	}
	return nil
}

// dropTupleStructs removes the structs that tuples made and only field lists
// used.
func dropTupleStructs(p *ir.Program) {
	used := map[ir.Type]bool{}
	var see func(t ir.Type)
	see = func(t ir.Type) {
		switch x := t.(type) {
		case nil:
			return
		case *ir.Stack:
			see(x.Elem)
		case *ir.Tuple:
			for _, e := range x.Elems {
				see(e)
			}
		case *ir.ExternType:
			for _, e := range x.Args {
				see(e)
			}
		default:
			if used[t] {
				return
			}
			used[t] = true
			for _, f := range ir.Fields(t) {
				see(f.Type)
			}
		}
	}
	vars := func(vs []*ir.Var) {
		for _, v := range vs {
			see(v.Type)
		}
	}
	for _, a := range p.Actions {
		vars(a.Params)
		vars(a.Locals)
	}
	for _, b := range p.Blocks {
		vars(b.Params)
		vars(b.Locals)
	}
	for _, v := range p.ValueSets {
		see(v.Type)
	}
	for _, in := range p.Instances {
		see(in.Type)
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			if c, ok := s.(*ir.ExternCall); ok {
				for i, t := range c.TypeArgs {
					if s, ok := t.(*ir.Struct); ok && madeByTuples(s) {
						c.TypeArgs[i] = tupleOf(s)
					}
					see(c.TypeArgs[i])
				}
			}
		})
		ir.WalkExprs(*body, func(e ir.Expr) { see(e.Type()) })
	})
	p.OuterSlots(func(e *ir.Expr) { ir.WalkExpr(*e, func(x ir.Expr) { see(x.Type()) }) })
	var keep []ir.Type
	for _, t := range p.Types {
		if s, ok := t.(*ir.Struct); !ok || !madeByTuples(s) || used[t] {
			keep = append(keep, t)
		}
	}
	p.Types = keep
}

func tupleOf(s *ir.Struct) ir.Type {
	t := &ir.Tuple{}
	for _, f := range s.Fields {
		e := f.Type
		if n, ok := e.(*ir.Struct); ok && madeByTuples(n) {
			e = tupleOf(n)
		}
		t.Elems = append(t.Elems, e)
	}
	return t
}
