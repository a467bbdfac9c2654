package passes

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// dead removes statements that never run, conditions that are decided, blocks
// nobody leaves, parser states nobody reaches and locals nobody mentions. Tables
// stay, and so do statements that apply one: P4Info lists it.
//
// Before: core. After: the program does the same.
func dead(p *ir.Program) error {
	for _, a := range p.Actions {
		a.Body = deadStmts(a.Body)
	}
	for _, b := range p.Blocks {
		b.Body = deadStmts(b.Body)
		for _, s := range b.States {
			s.Body = deadStmts(s.Body)
		}
		deadStates(b)
	}
	deadLocals(p)
	return nil
}

func deadStmts(body []ir.Stmt) []ir.Stmt {
	if body == nil {
		return nil
	}
	out := []ir.Stmt{}
	for _, s := range body {
		ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = deadStmts(*b) })
		switch x := s.(type) {
		case *ir.If:
			out = append(out, deadIf(x)...)
		case *ir.Switch:
			out = append(out, deadSwitch(x)...)
		case *ir.Labelled:
			out = append(out, deadLabelled(x)...)
		case *ir.Assign:
			l, lok := x.L.(*ir.VarRef)
			r, rok := x.R.(*ir.VarRef)
			if !lok || !rok || l.Var != r.Var {
				out = append(out, s)
			}
		default:
			out = append(out, s)
		}
		if n := len(out); n > 0 && jumps(out[n-1]) {
			break
		}
	}
	return out
}

func jumps(s ir.Stmt) bool {
	switch s.(type) {
	case *ir.Leave, *ir.Continue:
		return true
	}
	return false
}

func deadIf(x *ir.If) []ir.Stmt {
	if c, ok := x.Cond.(*ir.Const); ok {
		run, not := x.Then, x.Else
		if c.Val.Sign() == 0 {
			run, not = not, run
		}
		if !appliesTable(not) {
			return run
		}
	}
	if len(x.Then) == 0 {
		if len(x.Else) == 0 {
			return nil
		}
		x.Cond, x.Then, x.Else, x.Likely = foldExpr(not(x.Cond)), x.Else, nil, -x.Likely
	}
	return []ir.Stmt{x}
}

func deadSwitch(x *ir.Switch) []ir.Stmt {
	empty := len(x.Default) == 0
	for _, c := range x.Cases {
		empty = empty && len(c.Body) == 0
	}
	if empty {
		return nil
	}
	c, ok := x.X.(*ir.Const)
	if !ok {
		return []ir.Stmt{x}
	}
	run := x.Default
	for _, k := range x.Cases {
		for _, l := range k.Labels {
			if l.Cmp(c.Val) == 0 {
				run = k.Body
			}
		}
	}
	for _, k := range x.Cases {
		if !sameList(run, k.Body) && appliesTable(k.Body) {
			return []ir.Stmt{x}
		}
	}
	if !sameList(run, x.Default) && appliesTable(x.Default) {
		return []ir.Stmt{x}
	}
	return run
}

func sameList(a, b []ir.Stmt) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func deadLabelled(x *ir.Labelled) []ir.Stmt {
	// A jump to the end from the end does nothing.
	x.Body = trimTail(x.Body, x.Label)
	used := false
	ir.WalkStmts(x.Body, func(s ir.Stmt) {
		if l, ok := s.(*ir.Leave); ok && l.Label == x.Label {
			used = true
		}
	})
	if !used {
		return deadStmts(x.Body) // trimming may have emptied an If
	}
	return []ir.Stmt{x}
}

func trimTail(body []ir.Stmt, label string) []ir.Stmt {
	if len(body) == 0 {
		return body
	}
	switch s := body[len(body)-1].(type) {
	case *ir.Leave:
		if s.Label == label {
			return trimTail(body[:len(body)-1], label)
		}
	case *ir.If:
		s.Then = trimTail(s.Then, label)
		s.Else = trimTail(s.Else, label)
	case *ir.Switch:
		for i := range s.Cases {
			s.Cases[i].Body = trimTail(s.Cases[i].Body, label)
		}
		s.Default = trimTail(s.Default, label)
	}
	return body
}

func appliesTable(body []ir.Stmt) bool {
	found := false
	ir.WalkStmts(body, func(s ir.Stmt) {
		if _, ok := s.(*ir.ApplyTable); ok {
			found = true
		}
	})
	return found
}

// deadStates keeps the states that the first one leads to.
func deadStates(b *ir.Block) {
	if len(b.States) == 0 {
		return
	}
	byName := map[string]*ir.State{}
	for _, s := range b.States {
		byName[s.Name] = s
	}
	live := map[*ir.State]bool{}
	work := []*ir.State{b.States[0]}
	for len(work) > 0 {
		s := work[len(work)-1]
		work = work[:len(work)-1]
		if s == nil || live[s] {
			continue
		}
		live[s] = true
		work = append(work, byName[s.Trans.Default])
		for _, c := range s.Trans.Cases {
			work = append(work, byName[c.Next])
		}
	}
	b.States = slices.DeleteFunc(b.States, func(s *ir.State) bool { return !live[s] })
}

// deadLocals drops locals that nothing mentions.
func deadLocals(p *ir.Program) {
	used := map[*ir.Var]bool{}
	see := func(e ir.Expr) {
		if r, ok := e.(*ir.VarRef); ok {
			used[r.Var] = true
		}
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkExprs(*body, see)
		ir.WalkStmts(*body, func(s ir.Stmt) {
			if a, ok := s.(*ir.ApplyTable); ok {
				used[a.Hit], used[a.Run] = true, true
			}
		})
	})
	p.OuterSlots(func(e *ir.Expr) { ir.WalkExpr(*e, see) })
	drop := func(vs []*ir.Var) []*ir.Var {
		return slices.DeleteFunc(vs, func(v *ir.Var) bool { return !used[v] })
	}
	for _, a := range p.Actions {
		a.Locals = drop(a.Locals)
	}
	for _, b := range p.Blocks {
		b.Locals = drop(b.Locals)
	}
}
