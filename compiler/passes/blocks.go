package passes

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// What inlining of controls and of parsers share. A block instance has state of
// its own (tables), so it is not copied: its variables move to the caller once,
// and every call runs a copy of its body on them. A parameter that can be an alias
// of its argument is replaced by it, call by call; one that table keys or actions
// mention only where that is the same argument at every call, then there too.

type blockInliner struct {
	inliner
	p *ir.Program
	// callers counts the blocks that apply a block: a control handed to others as
	// a constructor argument has several.
	callers map[*ir.Block]int
	// done holds what was moved already; a second caller shares the variables.
	done map[*ir.Block]*moved
}

func newBlockInliner(p *ir.Program) *blockInliner {
	in := &blockInliner{
		inliner: inliner{names: newNamer(p), labels: newLabels(p)},
		p:       p, callers: map[*ir.Block]int{}, done: map[*ir.Block]*moved{},
	}
	for _, b := range p.Blocks {
		seen := map[*ir.Block]bool{}
		count := func(body []ir.Stmt) {
			for _, c := range blockCalls(body) {
				if !seen[c.Block] {
					seen[c.Block] = true
					in.callers[c.Block]++
				}
			}
		}
		count(b.Body)
		for _, s := range b.States {
			count(s.Body)
		}
	}
	return in
}

// moved is a block whose variables are in the caller.
type moved struct {
	b      *ir.Block
	params []*ir.Var // as they were: a local has no direction
	byRef  map[*ir.CallStmt][]bool
	local  map[*ir.Var]*ir.Var // element of params -> the local it became
	zero   []*ir.Var           // locals that every call must zero
	vars   []*ir.Var           // all that moved
}

// move moves the variables of b to caller. sites are all calls of b there.
func (in *blockInliner) move(b, caller *ir.Block, sites []*ir.CallStmt) *moved {
	in.locals = &caller.Locals
	if before := in.done[b]; before != nil {
		return in.moveAgain(before, caller, sites)
	}
	m := &moved{b: b, byRef: map[*ir.CallStmt][]bool{}, local: map[*ir.Var]*ir.Var{}}
	for _, s := range sites {
		for len(s.Args) < len(b.Params) {
			s.Args = append(s.Args, nil)
		}
		m.byRef[s] = alias(b.Params, s.Args, nil)
	}
	shared := in.sharedVars()
	subst := map[*ir.Var]ir.Expr{} // what replaces shared parameters
	outside := in.outside(caller)
	for i, q := range b.Params {
		was := *q
		m.params = append(m.params, &was)
		always := true
		for _, s := range sites {
			always = always && m.byRef[s][i] && (!shared[q] || sameExpr(s.Args[i], sites[0].Args[i]))
		}
		if in.callers[b] > 1 && !isObject(q) {
			// The calls of the other callers are not seen here.
			always = false
		}
		if shared[q] && !always {
			for _, s := range sites {
				m.byRef[s][i] = false
			}
		}
		if always {
			if shared[q] {
				subst[q] = sites[0].Args[i]
			}
			continue
		}
		q.Dir = ir.DirNone
		m.local[&was] = q
		in.adopt(q, caller, outside, in.callers[b] > 1)
		m.vars = append(m.vars, q)
	}
	in.substitute(b, subst)
	for _, l := range b.Locals {
		in.adopt(l, caller, outside, in.callers[b] > 1)
		if shared[l] || !writtenFirst(b.Body, l) || len(b.States) > 0 {
			m.zero = append(m.zero, l)
		}
		m.vars = append(m.vars, l)
	}
	in.done[b] = m
	return m
}

// moveAgain is move for a further caller: it shares the variables that the first
// one got.
func (in *blockInliner) moveAgain(before *moved, caller *ir.Block, sites []*ir.CallStmt) *moved {
	m := *before
	m.byRef = map[*ir.CallStmt][]bool{}
	for _, v := range before.vars {
		if !slices.Contains(caller.Locals, v) {
			caller.Locals = append(caller.Locals, v)
		}
	}
	shared := in.sharedVars()
	for _, s := range sites {
		for len(s.Args) < len(m.b.Params) {
			s.Args = append(s.Args, nil)
		}
		m.byRef[s] = alias(m.params, s.Args, nil)
		for i, was := range m.params {
			if m.local[was] != nil && shared[m.local[was]] {
				m.byRef[s][i] = false
			}
		}
	}
	return &m
}

func isObject(v *ir.Var) bool {
	_, ok := v.Type.(*ir.ExternType)
	return ok
}

// adopt makes v a local of caller, under a name that is free there and hides
// nothing; of all callers where there are several.
func (in *blockInliner) adopt(v *ir.Var, caller *ir.Block, taken map[string]bool, several bool) {
	if slices.Contains(caller.Locals, v) {
		return // the exit flag of an action of several controls
	}
	if taken[v.Name] || several {
		v.Name = in.names.fresh(v.Name)
	}
	taken[v.Name] = true
	caller.Locals = append(caller.Locals, v)
}

// outside are the names in use in caller and in all actions, any of which may
// see the caller's variables.
func (in *blockInliner) outside(caller *ir.Block) map[string]bool {
	taken := map[string]bool{}
	add := func(vs []*ir.Var) {
		for _, v := range vs {
			taken[v.Name] = true
		}
	}
	add(caller.Params)
	add(caller.Locals)
	for _, a := range in.p.Actions {
		add(a.Params)
		add(a.Locals)
	}
	return taken
}

// substitute replaces parameters of b by their arguments in b itself and in the
// table keys and actions that see b's variables.
func (in *blockInliner) substitute(b *ir.Block, subst map[*ir.Var]ir.Expr) {
	if len(subst) == 0 {
		return
	}
	f := func(e ir.Expr) ir.Expr {
		if r, ok := e.(*ir.VarRef); ok {
			if x, ok := subst[r.Var]; ok {
				return clone(x)
			}
		}
		return e
	}
	body := func(list []ir.Stmt) {
		ir.WalkStmts(list, func(s ir.Stmt) {
			ir.StmtSlots(s, func(e *ir.Expr) { rewriteExpr(e, f) })
		})
	}
	for _, t := range in.p.Tables {
		for i := range t.Keys {
			rewriteExpr(&t.Keys[i].Expr, f)
		}
	}
	for _, a := range in.p.Actions {
		body(a.Body)
	}
	body(b.Body)
	for _, s := range b.States {
		body(s.Body)
		for i := range s.Trans.Keys {
			rewriteExpr(&s.Trans.Keys[i], f)
		}
	}
}

// sharedVars are the variables that table keys or actions mention.
func (in *blockInliner) sharedVars() map[*ir.Var]bool {
	shared := map[*ir.Var]bool{}
	add := func(e ir.Expr) {
		ir.WalkExpr(e, func(x ir.Expr) {
			if r, ok := x.(*ir.VarRef); ok {
				shared[r.Var] = true
			}
		})
	}
	for _, t := range in.p.Tables {
		for _, k := range t.Keys {
			add(k.Expr)
		}
	}
	for _, a := range in.p.Actions {
		ir.WalkExprs(a.Body, add)
	}
	return shared
}

// enter gives the statements before and after one run of m, and the aliases of
// this call.
func (in *blockInliner) enter(m *moved, s *ir.CallStmt) (pre, post []ir.Stmt, aliases map[*ir.Var]ir.Expr) {
	byWas := map[*ir.Var]ir.Expr{}
	pre, post = in.copies(m.params, m.local, s.Args, m.byRef[s], byWas, s.P)
	for _, l := range m.zero {
		pre = append(pre, zero(ref(l, s.P), s.P)...)
	}
	aliases = map[*ir.Var]ir.Expr{}
	for i, was := range m.params {
		if e, ok := byWas[was]; ok {
			aliases[m.b.Params[i]] = e
		}
	}
	return pre, post, aliases
}

// sameExpr tells whether two aliases are the same storage or constant.
func sameExpr(a, b ir.Expr) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch x := a.(type) {
	case *ir.Const:
		y, ok := b.(*ir.Const)
		return ok && ir.Identical(x.T, y.T) && x.Val.Cmp(y.Val) == 0
	case *ir.VarRef:
		y, ok := b.(*ir.VarRef)
		return ok && x.Var == y.Var
	case *ir.Member:
		y, ok := b.(*ir.Member)
		return ok && x.Field == y.Field && sameExpr(x.X, y.X)
	case *ir.Index:
		y, ok := b.(*ir.Index)
		return ok && sameExpr(x.X, y.X) && sameExpr(x.I, y.I)
	}
	return false
}

// calls lists the block calls in a list, in order.
func blockCalls(body []ir.Stmt) []*ir.CallStmt {
	var out []*ir.CallStmt
	ir.WalkStmts(body, func(s ir.Stmt) {
		if c, ok := s.(*ir.CallStmt); ok && c.Block != nil {
			out = append(out, c)
		}
	})
	return out
}

// dropUnbound removes the blocks of a kind that are not bound to the package.
func dropUnbound(p *ir.Program, k ir.BlockKind) {
	used := map[*ir.Block]bool{}
	for _, b := range p.Pipeline {
		used[b.Block] = true
	}
	var keep []*ir.Block
	for _, b := range p.Blocks {
		if b.Kind != k || used[b] {
			keep = append(keep, b)
		}
	}
	p.Blocks = keep
}
