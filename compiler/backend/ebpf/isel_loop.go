package ebpf

import (
	"maps"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// The verifier walks a loop round by round until it sees that it ends: the rounds
// are counted in a register that it knows at all times, and what else the loop
// carries it must not know, so that a round looks like the one before.

// findCounters notes what counts the rounds of loops.
func (g *gen) findCounters() {
	g.counters = map[*ssa.Value]bool{}
	for _, b := range g.f.Blocks {
		if b.Term.Kind == ssa.TermLoop {
			g.counters[b.Term.Cond] = true
			g.need.scratch = true
		}
	}
	if len(g.counters) > 0 && g.o.Off["opaque"] {
		// Without it the rounds of a loop differ, and the verifier gives up.
		g.o.Off = maps.Clone(g.o.Off)
		delete(g.o.Off, "opaque")
	}
	for _, b := range g.f.Blocks {
		for _, v := range b.Instrs {
			if v.Op == ssa.OpAdd && (g.counters[v.Args[0]] || g.counters[v.Args[1]]) {
				g.counters[v] = true
			}
		}
	}
}

// launder gives x as a number of which the verifier knows nothing, neither where it
// comes from. What is added to a pointer is precise to it, and so is all that this
// was made from: in a program with loops that would make rounds differ which
// otherwise look alike. A number from a map has no history.
func (g *gen) launder(x vreg) vreg {
	if len(g.counters) == 0 || g.scratch == noReg {
		return x
	}
	t := g.scalar()
	g.store(g.scratch, g.launderOff, x, asm.DWord)
	g.load(t, g.scratch, g.launderOff, asm.DWord)
	return t
}

// inLoops finds the blocks that can follow themselves.
func inLoops(f *ssa.Func) map[*ssa.Block]bool {
	var heads []*ssa.Block
	for _, b := range f.Blocks {
		if b.Term.Kind == ssa.TermLoop {
			heads = append(heads, b)
		}
	}
	out := map[*ssa.Block]bool{}
	if len(heads) == 0 {
		return out
	}
	preds := f.Preds()
	from := map[*ssa.Edge]*ssa.Block{}
	for _, b := range f.Blocks {
		for i := range b.Term.Succs {
			from[&b.Term.Succs[i]] = b
		}
	}
	reach := func(b *ssa.Block, next func(b *ssa.Block, f func(*ssa.Block))) map[*ssa.Block]bool {
		seen := map[*ssa.Block]bool{}
		work := []*ssa.Block{b}
		for len(work) > 0 {
			x := work[0]
			work = work[1:]
			next(x, func(y *ssa.Block) {
				if !seen[y] {
					seen[y] = true
					work = append(work, y)
				}
			})
		}
		return seen
	}
	for _, h := range heads {
		after := reach(h, func(b *ssa.Block, f func(*ssa.Block)) {
			for i := range b.Term.Succs {
				f(b.Term.Succs[i].To)
			}
		})
		before := reach(h, func(b *ssa.Block, f func(*ssa.Block)) {
			for _, e := range preds[b] {
				f(from[e])
			}
		})
		for b := range after {
			if before[b] {
				out[b] = true
			}
		}
	}
	return out
}

// number makes the register of v: a counter's keeps what the verifier knows of it
// on the stack, too.
func (g *gen) number(v *ssa.Value) vreg {
	if g.counters[v] {
		return g.ptr()
	}
	return g.scalar()
}

func (g *gen) loopTerm(t *ssa.Term) {
	over, later := g.edgeBlock(&t.Succs[1])
	if t.Cond.Op == ssa.OpConst {
		r := g.ptr()
		g.movImm(r, int64(t.Cond.Aux))
		g.branchImm(asm.JGE, r, int64(t.N), over)
	} else {
		g.branchImm(asm.JGE, g.use(t.Cond), int64(t.N), over)
	}
	g.scoped(g.newBlock(), func() { g.edge(&t.Succs[0]) })
	if later != nil {
		later()
	}
}
