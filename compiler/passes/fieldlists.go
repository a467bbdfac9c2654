package passes

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// fieldlists flattens structs, headers and literals that are handed to externs
// by value into lists of scalars, the form in which every engine takes field
// lists (hash, checksums, digest). Headers stay whole where something is
// computed over them: an invalid one is left out there, and its fields would
// count as zeros.
//
// Before: calls are lowered; structs stand for tuples.
// After: an in argument of an extern is a scalar, a string or a ListExpr of
// scalars and headers, whose type is a Tuple; what a register of structs or
// headers is to keep stays a value of that type.
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
				if _, ok := a.Type().(*ir.ExternType); ok || stores(c, i) {
					continue
				}
				if c.Name == "log_msg" {
					c.Args[0] = logPlaces(c.Args[0], a)
				}
				list := &ir.ListExpr{Meta: ir.Meta{P: a.Pos()}}
				f := flattener{out: &list.Elems, whole: computes(c.Name)}
				if e := f.add(a); e != nil && err == nil {
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

// logPlaces gives the message of log_msg a place for each scalar of a value that
// has several: "{}" becomes "(a={}, b={})".
func logPlaces(message, data ir.Expr) ir.Expr {
	lit, ok := message.(*ir.StringLit)
	if !ok {
		return message
	}
	var elems []ir.Expr
	switch d := data.(type) {
	case *ir.ListExpr:
		elems = d.Elems
	case *ir.StructLit:
		elems = d.Fields
	default:
		for i, f := range ir.Fields(data.Type()) {
			elems = append(elems, part(data, f, i))
		}
	}
	parts := strings.Split(lit.Val, "{}")
	text := parts[0]
	for i, p := range parts[1:] {
		place := "{}"
		if i < len(elems) {
			place = logPlace(elems[i].Type())
		}
		text += place + p
	}
	return &ir.StringLit{Meta: lit.Meta, Val: text}
}

func logPlace(t ir.Type) string {
	var places []string
	switch t := t.(type) {
	case *ir.Struct, *ir.Header, *ir.Union:
		for _, f := range ir.Fields(t) {
			places = append(places, f.Name+"="+logPlace(f.Type))
		}
	case *ir.Stack:
		for range t.Size {
			places = append(places, logPlace(t.Elem))
		}
	default:
		return "{}"
	}
	return "(" + strings.Join(places, ", ") + ")"
}

// computes tells whether an extern reads the bits of its data, as opposed to
// the fields one by one.
func computes(extern string) bool {
	switch extern {
	case "hash", "verify_checksum", "update_checksum", "verify_checksum_with_payload", "update_checksum_with_payload":
		return true
	}
	return false
}

// stores tells whether argument i of a call is what a register keeps.
func stores(c *ir.ExternCall, i int) bool {
	return i == 1 && c.Object != nil && c.Object.Kind() == "register"
}

type flattener struct {
	out   *[]ir.Expr
	whole bool // headers stay
}

func (f flattener) add(x ir.Expr) error {
	switch lit := x.(type) {
	case *ir.StructLit:
		_, header := lit.T.(*ir.Header)
		switch {
		case !lit.Invalid:
			return f.addAll(lit.Fields)
		case f.whole && header:
			return nil
		}
	case *ir.ListExpr:
		return f.addAll(lit.Elems)
	}
	switch t := x.Type().(type) {
	case *ir.Struct, *ir.Header, *ir.Union:
		if _, header := t.(*ir.Header); header && f.whole {
			break
		}
		for i, field := range ir.Fields(t) {
			if err := f.add(part(x, field, i)); err != nil {
				return err
			}
		}
		return nil
	case *ir.Stack:
		for i := range t.Size {
			if err := f.add(stackElem(x, t, i)); err != nil {
				return err
			}
		}
		return nil
	default:
		if !isScalar(t) {
			return pass.Refuse(x.Pos(), "a value of type %s cannot be part of a field list", t)
		}
	}
	*f.out = append(*f.out, x)
	return nil
}

func (f flattener) addAll(es []ir.Expr) error {
	for _, e := range es {
		if err := f.add(e); err != nil {
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
	for _, t := range p.Types { // declared ones stay, with what they hold
		if s, ok := t.(*ir.Struct); !ok || !madeByTuples(s) {
			see(t)
		}
	}
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
