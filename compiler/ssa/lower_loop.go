package ssa

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Loops that stay loops. A loop is unrolled while its end is found that way: what
// it computes is then known at compile time, stack indices above all. One that
// goes on for more rounds than Options.MaxUnroll is lowered again as a loop of
// SSA: its first block has a parameter for every leaf that a round may change,
// and TermLoop ends it after ir.MaxSteps rounds, as the reference does. The
// kernel's verifier, which walks a loop round by round, needs that bound.

// realLoop is thrown to lower the program again with loop as a loop of SSA: an
// *ir.Loop, or the first of the states of a parser's cycle.
type realLoop struct{ loop any }

// carry is thrown when a round changed a leaf that was not seen to change, mostly
// one of the lowerer's own: the program is lowered again with it carried. What no
// round changes stays known as it was before the loop.
type carry struct{ leaf int }

// maxCarry bounds such tries; behind them loops carry all leaves.
const maxCarry = 40

// loopHead is the first block of a loop.
type loopHead struct {
	blk     *Block
	counter *Value
	carried []int // leaves with a parameter each, behind the counter
	env     []*Value
	facts   *fact
}

// newHead makes the first block of a loop that is entered with env, and its two
// ways: into a round, and out of it where the rounds are too many.
func (l *lowerer) newHead(name string, env []*Value, facts *fact, carried []int) (h *loopHead, round, over []exit) {
	h = &loopHead{blk: l.newBlock(name), carried: carried, facts: facts, env: slices.Clone(env)}
	h.counter = l.fresh(&Value{Op: OpParam, Type: 32, Name: name + ".$rounds"})
	h.blk.Params = []*Value{h.counter}
	for _, leaf := range carried {
		p := l.fresh(&Value{Op: OpParam, Type: l.leafType[leaf], Name: l.leafName[leaf]})
		h.blk.Params = append(h.blk.Params, p)
		for len(h.env) <= leaf {
			h.env = append(h.env, nil)
		}
		h.env[leaf] = p
	}
	h.blk.Term = Term{Kind: TermLoop, Cond: h.counter, N: ir.MaxSteps, Succs: make([]Edge, 2), Pos: l.pos}
	round = []exit{{h.blk, 0, h.env, facts}}
	over = []exit{{h.blk, 1, h.env, facts}}
	return h, round, over
}

// enter ends the current flow with a jump to h as the round that counter counts.
func (l *lowerer) enterLoop(h *loopHead, counter *Value) {
	l.force()
	f := l.cur
	l.cur = nil
	edge := Edge{To: h.blk, Args: []*Value{counter}}
	for _, leaf := range h.carried {
		edge.Args = append(edge.Args, l.at(f.env, leaf))
	}
	isCarried := map[int]bool{}
	for _, leaf := range h.carried {
		isCarried[leaf] = true
	}
	for i := range min(len(f.env), l.loopLeaves) {
		if !isCarried[i] && l.at(f.env, i) != l.at(h.env, i) {
			panic(carry{i})
		}
	}
	f.blk.Term = Term{Kind: TermJump, Succs: []Edge{edge}, Pos: l.pos}
}

// again is enterLoop for the exits of a round.
func (l *lowerer) againLoop(h *loopHead, counter *Value, exits []exit) {
	if l.resume(exits, h.blk.Name+".again"); l.cur == nil {
		return
	}
	l.force()
	l.enterLoop(h, l.op(OpAdd, 32, counter, l.constant(32, 1)))
}

// lowerRealLoop lowers a loop statement as a loop.
func (l *lowerer) lowerRealLoop(s *ir.Loop) {
	l.force()
	f := l.cur
	defer func(n int) { l.loopLeaves = n }(l.loopLeaves)
	l.loopLeaves = len(l.leafType)
	h, round, over := l.newHead(s.Label, f.env, f.facts, l.changedIn(s.Body))
	l.enterLoop(h, l.constant(32, 0))
	l.resume(over, s.Label+".over")
	if l.inParser {
		l.reject("ParserTimeout", l.here())
	} else {
		l.drop(DropSteps)
	}
	lab := &label{name: s.Label}
	l.labels = append(l.labels, lab)
	l.resume(round, s.Label)
	l.stmts(s.Body)
	l.labels = l.labels[:len(l.labels)-1]
	l.againLoop(h, h.counter, append(l.here(), lab.again...))
	l.resume(lab.leave, s.Label+".end")
}

// counted runs body for a constant number of rounds over values that it carries
// from round to round. body makes values and no branches.
func (l *lowerer) counted(rounds int, init []*Value, name string, body func(v []*Value) []*Value) []*Value {
	l.force()
	f := l.cur
	head, round, end := l.newBlock(name), l.newBlock(name+".round"), l.newBlock(name+".end")
	counter := l.fresh(&Value{Op: OpParam, Type: 32, Name: name + ".$rounds"})
	head.Params = []*Value{counter}
	carried := make([]*Value, len(init))
	for i, v := range init {
		carried[i] = l.fresh(&Value{Op: OpParam, Type: v.Type, Name: name})
	}
	head.Params = append(head.Params, carried...)
	f.blk.Term = Term{Kind: TermJump, Pos: l.pos, Succs: []Edge{{To: head, Args: append([]*Value{l.constant(32, 0)}, init...)}}}
	head.Term = Term{Kind: TermLoop, Cond: counter, N: rounds, Succs: []Edge{{To: round}, {To: end}}, Pos: l.pos}
	l.cur = &flow{blk: round, env: slices.Clone(f.env), facts: f.facts}
	next := append([]*Value{l.op(OpAdd, 32, counter, l.constant(32, 1))}, body(carried)...)
	l.cur.blk.Term = Term{Kind: TermJump, Succs: []Edge{{To: head, Args: next}}, Pos: l.pos}
	l.cur = &flow{blk: end, env: slices.Clone(f.env), facts: f.facts}
	return carried
}

// changedIn lists the leaves that a run of statements may change: those of the
// places that it names as destinations, and those that were found to change.
func (l *lowerer) changedIn(bodies ...[]ir.Stmt) []int {
	changed := make([]bool, len(l.leafType))
	for i := range changed {
		changed[i] = l.retry.carried[i] || l.retry.tries > maxCarry
	}
	if l.inParser {
		changed[l.parser.cursor], changed[l.parser.order] = true, true
	}
	mark := func(x ir.Expr) { l.markPlace(x, changed) }
	seen := map[*ir.Action]bool{}
	var walk func(ss []ir.Stmt)
	walk = func(ss []ir.Stmt) {
		ir.WalkStmts(ss, func(s ir.Stmt) {
			switch s := s.(type) {
			case *ir.Assign:
				mark(s.L)
			case *ir.ExternCall:
				// Externs of the architecture also change what is not named by an out
				// parameter, but only below what they are given.
				for _, a := range s.Args {
					if a != nil {
						ir.WalkExpr(a, mark)
					}
				}
				mark(s.Dst)
			case *ir.SetValid:
				mark(s.X)
			case *ir.PushPop:
				mark(s.X)
			case *ir.Extract:
				mark(s.X)
			case *ir.Lookahead:
				mark(s.Dst)
			case *ir.PacketLength:
				mark(s.Dst)
			case *ir.ApplyTable:
				for _, v := range []*ir.Var{s.Hit, s.Run} {
					if v != nil {
						mark(&ir.VarRef{Meta: ir.Meta{T: v.Type}, Var: v})
					}
				}
				for _, r := range s.Table.Actions {
					if !seen[r.Action] {
						seen[r.Action] = true
						walk(r.Action.Body)
					}
				}
			}
		})
	}
	for _, b := range bodies {
		walk(b)
	}
	var out []int
	for i, c := range changed {
		if c {
			out = append(out, i)
		}
	}
	return out
}

// markPlace marks the leaves of the place x; of the whole union where x is in
// one, and of the whole stack where its index or element is not constant.
func (l *lowerer) markPlace(x ir.Expr, changed []bool) {
	for {
		sl, ok := x.(*ir.Slice)
		if !ok {
			break
		}
		x = sl.X
	}
	if x == nil || !isPlace(x) {
		return
	}
	root, _ := ir.ConstPath(x)
	v := l.vars[root]
	if v == nil {
		return // declared by what is lowered
	}
	node, base := v.node, v.base
	var path []ir.Expr
	for e := x; e != nil; {
		path = append(path, e)
		switch y := e.(type) {
		case *ir.Member:
			e = y.X
		case *ir.Index:
			e = y.X
		case *ir.StackOp:
			e = y.X
		default:
			e = nil
		}
	}
walk:
	for _, e := range slices.Backward(path) {
		switch y := e.(type) {
		case *ir.Member:
			if node.kind == nodeUnion || node.kid(y.Field) == nil {
				break walk
			}
			node = node.kid(y.Field)
			base += node.rel
		case *ir.Index:
			c, ok := y.I.(*ir.Const)
			if !ok || !c.Val.IsUint64() || c.Val.Uint64() >= uint64(len(node.kids)) {
				break walk
			}
			node = node.kids[c.Val.Uint64()]
			base += node.rel
		case *ir.StackOp:
			break walk
		}
	}
	for i := range node.n {
		if base+i < len(changed) {
			changed[base+i] = true
		}
	}
}

// loopStates lowers the states of a parser's cycle as a loop: each state is the
// first block of it, since a parser may enter a cycle anywhere. from are the ways
// in, out gets the ways out.
func (l *lowerer) loopStates(g *stateGraph, comp int, from []entry, out func(to *ir.State, e []exit), done func(e []exit)) {
	var states []*ir.State
	var bodies [][]ir.Stmt
	for s, c := range g.comp {
		if c == comp {
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b *ir.State) int { return g.order[a] - g.order[b] })
	for _, s := range states {
		bodies = append(bodies, s.Body)
	}
	// All ways in meet first, so that what no round changes has one value; which
	// state comes next is a number where there are several.
	which := l.leaves(&node{kind: nodeScalar, w: 32, n: 1}, "$state")
	var exits []exit
	var firsts []*ir.State
	for _, e := range from {
		k := slices.Index(firsts, e.state)
		if k < 0 {
			k = len(firsts)
			firsts = append(firsts, e.state)
		}
		for _, x := range e.exits {
			x.env = slices.Clone(x.env)
			for len(x.env) <= which {
				x.env = append(x.env, nil)
			}
			x.env[which] = l.constant(32, uint64(k))
			exits = append(exits, x)
		}
	}
	l.resume(exits, "cycle")
	l.force()
	f := l.cur
	l.loopLeaves = len(l.leafType)
	carried := l.changedIn(bodies...)
	heads := map[*ir.State]*loopHead{}
	var work []*ir.State
	rounds := map[*ir.State][]exit{}
	head := func(s *ir.State) *loopHead {
		h := heads[s]
		if h == nil {
			var over []exit
			l.setPos(s.Pos)
			h, rounds[s], over = l.newHead(s.Name, f.env, f.facts, carried)
			heads[s] = h
			work = append(work, s)
			l.reject("ParserTimeout", over)
		}
		return h
	}
	if len(firsts) == 1 {
		l.enterLoop(head(firsts[0]), l.constant(32, 0))
	} else {
		labels := make([]uint64, len(firsts)-1)
		for i := range labels {
			labels[i] = uint64(i)
		}
		for i, x := range l.switchOn(l.get(which), labels) {
			l.resume([]exit{x}, firsts[i].Name)
			l.enterLoop(head(firsts[i]), l.constant(32, 0))
		}
	}
	for len(work) > 0 {
		s := work[0]
		work = work[1:]
		h := heads[s]
		l.resume(rounds[s], s.Name)
		l.setPos(s.Pos)
		l.stmts(s.Body)
		if l.cur == nil {
			continue
		}
		l.setPos(s.Trans.Pos)
		l.transition(&s.Trans, func(next string, e []exit) {
			switch to := g.states[next]; {
			case next == "accept" || next == "reject":
				done(e)
			case to == nil:
				l.refuse(s.Trans.Pos, "transition to "+next, "there is no such state")
			case g.comp[to] == comp:
				was := l.cur
				l.againLoop(head(to), h.counter, e)
				l.cur = was
			default:
				out(to, e)
			}
		})
	}
	l.loopLeaves = 0
}

// entry is a way into a parser's cycle.
type entry struct {
	state *ir.State
	exits []exit
}
