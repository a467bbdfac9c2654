package passes

import (
	"strconv"

	"github.com/p4nic/p4nic/compiler/ir"
)

// tuples gives every tuple type a struct with members f0, f1, ... Lists become
// struct values. What is handed to an extern as a field list becomes a list
// again in the pass fieldlists.
//
// Before: no newtypes. After: no ir.Tuple, no ir.TupleIndex, no ir.ListExpr
// outside extern objects but for values of stacks.
// Source: P4_16 sections 7.2.8 and 8.12.
func tuples(p *ir.Program) error {
	taken := map[string]bool{}
	for _, t := range p.Types {
		taken[t.String()] = true
	}
	var made []*ir.Struct
	byKey := map[string][]*ir.Struct{} // several tuples may print alike: named types with one name
	elems := map[*ir.Struct]*ir.Tuple{}
	structOf := func(t *ir.Tuple) *ir.Struct {
		key := t.String()
		for _, s := range byKey[key] {
			if ir.Identical(elems[s], t) {
				return s
			}
		}
		name := "tuple_" + strconv.Itoa(len(made))
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		s := &ir.Struct{Name: name, Annos: []ir.Annotation{{Name: tupleAnno}}}
		for i, e := range t.Elems {
			s.Fields = append(s.Fields, ir.Field{Name: "f" + strconv.Itoa(i), Type: e})
		}
		made = append(made, s)
		byKey[key] = append(byKey[key], s)
		elems[s] = t
		return s
	}
	// Extern objects keep their lists and types: they are data, not values.
	saved := p.Instances
	p.Instances = nil
	r := &retyper{memo: map[ir.Type]ir.Type{}, leaf: func(t ir.Type) ir.Type {
		if tt, ok := t.(*ir.Tuple); ok {
			return structOf(tt)
		}
		return t
	}}
	r.program(p, nil)
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		switch e := e.(type) {
		case *ir.ListExpr:
			// A list that fills a struct already has that struct's type.
			if _, ok := e.T.(*ir.Stack); ok {
				return e
			}
			return &ir.StructLit{Meta: e.Meta, Fields: e.Elems}
		case *ir.TupleIndex:
			return &ir.Member{Meta: e.Meta, X: e.X, Field: "f" + strconv.Itoa(e.I)}
		}
		return e
	})
	p.Instances = saved
	for _, in := range saved {
		in.Type = &ir.ExternType{Name: in.Type.Name, Args: r.argTypes(in.Type.Args)}
	}
	for _, s := range made {
		p.Types = append(p.Types, s)
	}
	sortTypes(p)
	return nil
}

// sortTypes puts every named type behind those that it contains.
func sortTypes(p *ir.Program) {
	listed, done := map[ir.Type]bool{}, map[ir.Type]bool{}
	for _, t := range p.Types {
		listed[t] = true
	}
	var out []ir.Type
	var visit func(t ir.Type)
	visit = func(t ir.Type) {
		if st, ok := t.(*ir.Stack); ok {
			visit(st.Elem)
			return
		}
		if !listed[t] || done[t] {
			return
		}
		done[t] = true
		for _, f := range ir.Fields(t) {
			visit(f.Type)
		}
		if e, ok := t.(*ir.Enum); ok && e.Underlying != nil {
			visit(e.Underlying)
		}
		out = append(out, t)
	}
	for _, t := range p.Types {
		visit(t)
	}
	p.Types = out
}

// tupleAnno marks the structs that tuples makes. No program can write it: a P4
// annotation's name is an identifier.
const tupleAnno = "p4nic.tuple"

func madeByTuples(s *ir.Struct) bool {
	_, ok := ir.Anno(s.Annos, tupleAnno)
	return ok
}
