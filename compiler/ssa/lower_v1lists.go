package ssa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// v1Lists are the field lists of a program's copies, numbered from 1 on in the
// order of the calls. Number 0 is a call without one. A list is the cells, counted
// as v1.cells counts them, that a copy keeps.
type v1Lists struct {
	calls []*ir.ExternCall
	cells []map[int]bool
}

// v1Lists finds the lists in ingress and egress.
func (l *lowerer) v1Lists(a *v1) v1Lists {
	var out v1Lists
	for _, i := range []int{2, 3} {
		b, s := a.blocks[i], v1Blocks[i]
		first := map[*ir.Var]int{} // cell of a parameter's first leaf
		for j, p := range b.Params {
			switch j {
			case s.hdr:
				first[p] = a.cells.hdr
			case s.meta:
				first[p] = a.cells.meta
			case s.sm:
				first[p] = a.cells.sm
			}
		}
		reached(b.Body, func(st ir.Stmt) {
			e, ok := st.(*ir.ExternCall)
			if !ok || slices.Contains(out.calls, e) {
				return
			}
			at := -1
			switch name, keeps := strings.CutSuffix(e.Name, "_preserving_field_list"); name {
			case "clone", "clone3":
				if at = 2; len(e.Args) < 3 && !keeps {
					return
				}
			case "resubmit", "recirculate":
				at = 0
			}
			if at < 0 {
				return
			}
			l.args(e, at+1)
			cells := map[int]bool{}
			if strings.HasSuffix(e.Name, "_preserving_field_list") {
				c, ok := e.Args[at].(*ir.Const)
				if !ok || !c.Val.IsUint64() {
					l.refuse(e.P, "extern "+e.Name, "the number of the field list is not a constant")
				}
				l.annotated(ir.Underlying(a.blocks[0].Params[2].Type), a.meta.node, a.cells.meta, c.Val.Uint64(), cells)
			} else {
				l.listed(b, first, e.Args[at], cells)
			}
			out.calls, out.cells = append(out.calls, e), append(out.cells, cells)
		})
	}
	return out
}

// reached visits the statements of a control, those of its tables' actions too.
func reached(body []ir.Stmt, visit func(ir.Stmt)) {
	seen := map[*ir.Action]bool{}
	var walk func(ss []ir.Stmt)
	walk = func(ss []ir.Stmt) {
		ir.WalkStmts(ss, func(s ir.Stmt) {
			visit(s)
			t, ok := s.(*ir.ApplyTable)
			if !ok {
				return
			}
			for _, r := range t.Table.Actions {
				if !seen[r.Action] {
					seen[r.Action] = true
					walk(r.Action.Body)
				}
			}
		})
	}
	walk(body)
}

// listed adds the variables that x lists; values that are none are kept nowhere.
func (l *lowerer) listed(b *ir.Block, first map[*ir.Var]int, x ir.Expr, cells map[int]bool) {
	var es []ir.Expr
	switch x := x.(type) {
	case *ir.ListExpr:
		es = x.Elems
	case *ir.StructLit:
		es = x.Fields
	default:
		root, whole := ir.ConstPath(x)
		cell, ok := first[root]
		if root == nil || !ok || whole != x {
			return
		}
		v := l.vars[root]
		if v == nil {
			v = l.declare(root)
		}
		p := l.place(x)
		if len(p.alts) != 1 || p.alts[0].cond != nil {
			return
		}
		for i := range p.node.n {
			cells[cell+p.alts[0].base-v.base+i] = true
		}
	}
	for _, e := range es {
		l.listed(b, first, e, cells)
	}
}

// annotated adds the fields of a struct that are marked @field_list(number).
func (l *lowerer) annotated(t ir.Type, n *node, cell int, number uint64, cells map[int]bool) {
	for i, f := range ir.Fields(t) {
		k := n.kids[i]
		if a, ok := ir.Anno(f.Annos, "field_list"); ok {
			if slices.Contains(l.listNumbers(a, f.Name), number) {
				for j := range k.n {
					cells[cell+k.rel+j] = true
				}
			}
			continue
		}
		if s, ok := f.Type.(*ir.Struct); ok {
			l.annotated(s, k, cell+k.rel, number, cells)
		}
	}
}

// listNumbers are the arguments of @field_list.
func (l *lowerer) listNumbers(a ir.Annotation, field string) []uint64 {
	var out []uint64
	bad := func(what string) {
		l.refuse(ir.Pos{}, "@field_list of field "+field, fmt.Sprintf("%s is no constant number", what))
	}
	for _, x := range a.List {
		if x.Int == nil || !x.Int.IsUint64() {
			bad("an argument")
		}
		out = append(out, x.Int.Uint64())
	}
	if a.Kind == ir.AnnoRaw {
		for _, w := range strings.Split(a.Text, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(w), 0, 32)
			if err != nil {
				bad(strings.TrimSpace(w))
			}
			out = append(out, n)
		}
	}
	return out
}

// number is the list of call s.
func (v *v1Lists) number(s *ir.ExternCall) uint64 { return uint64(slices.Index(v.calls, s) + 1) }

// holds tells whether the list with that number keeps a cell.
func (v *v1Lists) holds(l *lowerer, number *Value, cell int) *Value {
	out := l.constant(1, 0)
	for i, c := range v.cells {
		if c[cell] {
			out = l.or(out, l.op(OpEq, 1, number, l.constant(32, uint64(i+1))))
		}
	}
	return out
}

// headers visits the leaves of headers that some list keeps.
func (v *v1Lists) headers(a *v1, visit func(leaf int)) {
	for i := range a.hdr.node.n {
		for _, c := range v.cells {
			if c[a.cells.hdr+i] {
				visit(i)
				break
			}
		}
	}
}
