package passes

import (
	"strconv"

	"github.com/p4nic/p4nic/compiler/ir"
)

// bound gives every element of an action list that binds arguments an action of
// its own, whose body calls the original with them; inlining does the rest.
//
// Before: typed; ActionRef.Bound may hold arguments for parameters with a direction.
// After: it holds none, and every action of a table has data parameters only.
// Source: P4_16 section 14.2.1.2.
//
// The first specialisation of an action keeps its control-plane name, the next
// ones get "$2", "$3" behind it: ControlName takes that off again.
func bound(p *ir.Program) error {
	n := newNamer(p)
	uses := map[*ir.Action]int{}
	for _, t := range p.Tables {
		for i := range t.Actions {
			r := &t.Actions[i]
			if len(r.Action.DataParams()) == len(r.Action.Params) {
				continue
			}
			a := specialise(n, r)
			uses[r.Action]++
			if k := uses[r.Action]; k > 1 {
				a.Name += "$" + strconv.Itoa(k)
			}
			p.Actions = append(p.Actions, a)
			r.Action, r.Bound = a, nil
		}
	}
	// The originals may still be called; their names must not be taken.
	for _, a := range p.Actions {
		if uses[a] > 0 {
			a.Name += "$call"
		}
	}
	return nil
}

func specialise(n *namer, r *ir.ActionRef) *ir.Action {
	orig := r.Action
	a := &ir.Action{Name: orig.Name, Annos: orig.Annos, Pos: orig.Pos}
	call := &ir.CallStmt{SMeta: ir.SMeta{P: orig.Pos}, Callee: ir.Callee{Action: orig}}
	i := 0
	for _, q := range orig.Params {
		call.Dirs = append(call.Dirs, q.Dir)
		if q.Dir != ir.DirNone {
			var arg ir.Expr
			if i < len(r.Bound) {
				arg = r.Bound[i]
			}
			i++
			call.Args = append(call.Args, clone(arg))
			continue
		}
		v := &ir.Var{Name: q.Name, Type: q.Type, Annos: q.Annos, Pos: q.Pos}
		if shadows(r.Bound, q.Name) {
			v.Name = n.fresh(q.Name)
		}
		a.Params = append(a.Params, v)
		call.Args = append(call.Args, ref(v, q.Pos))
	}
	a.Body = []ir.Stmt{call}
	return a
}

// shadows tells whether an argument mentions another variable of that name.
func shadows(args []ir.Expr, name string) bool {
	found := false
	for _, a := range args {
		ir.WalkExpr(a, func(e ir.Expr) {
			if r, ok := e.(*ir.VarRef); ok && r.Var.Name == name {
				found = true
			}
		})
	}
	return found
}

func checkBound(p *ir.Program) error {
	for _, t := range p.Tables {
		for _, r := range t.Actions {
			if len(r.Bound) > 0 || len(r.Action.DataParams()) != len(r.Action.Params) {
				return faultAt(p, r.Action.Pos, "table %s: action %s has bound parameters", t.Name, r.Action.Name)
			}
		}
	}
	return nil
}
