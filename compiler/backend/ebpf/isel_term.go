package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// maxPacketOff bounds variable header offsets: the verifier takes packet
// pointers up to 65,535 bytes, and no header lies beyond 16 KiB.
const maxPacketOff = 1<<14 - 1

func (g *gen) term(b *ssa.Block) {
	t := &b.Term
	switch t.Kind {
	case ssa.TermJump:
		g.edge(&t.Succs[0])
	case ssa.TermBranch:
		g.branchTerm(b)
	case ssa.TermSwitch:
		g.switchTerm(t)
	case ssa.TermCheck:
		g.checkTerm(t)
	case ssa.TermLoop:
		g.loopTerm(t)
	case ssa.TermOutput:
		if t.Cond.Op == ssa.OpConst && t.Cond.Aux == PortDrop {
			g.movImm(g.reason, int64(ssa.DropProgram))
			g.jump(g.dropBlk)
			return
		}
		g.assign(g.outPort, t.Cond)
		g.jump(g.outBlock)
	case ssa.TermDrop:
		g.movImm(g.reason, int64(t.Reason))
		g.jump(g.dropBlk)
	case ssa.TermNext:
		g.jump(g.nextBlk)
	default:
		g.fail(t.Pos, "block "+b.Name, "it has no end")
		g.movImm(g.reason, int64(ssa.DropProgram))
		g.jump(g.dropBlk)
	}
}

// assign copies v to dst.
func (g *gen) assign(dst vreg, v *ssa.Value) {
	if v.Op == ssa.OpConst {
		g.movImm(dst, int64(v.Aux))
		return
	}
	g.mov(dst, g.use(v))
}

// hasMoves tells whether taking the edge needs instructions.
func (g *gen) hasMoves(e *ssa.Edge) bool {
	for _, p := range edgeParams(e) {
		if g.nuses[p] > 0 {
			return true
		}
	}
	return false
}

// edgeParams are the parameters that the edge's arguments go to: all, or all but
// the pointer that a check makes.
func edgeParams(e *ssa.Edge) []*ssa.Value {
	return e.To.Params[len(e.To.Params)-len(e.Args):]
}

// edge assigns the block arguments, all at once, and jumps.
func (g *gen) edge(e *ssa.Edge) {
	type move struct {
		dst, src vreg
		untie    bool
	}
	var moves []move
	var consts, shifted []int
	params := edgeParams(e)
	offs := make([]int, len(params))
	for i, p := range params {
		a := e.Args[i]
		switch {
		case g.nuses[p] == 0:
		case p.Type == ssa.Ptr:
			f := g.pointer(a)
			if !g.joined[p] {
				g.ptrs[p] = f
				break
			}
			moves = append(moves, move{dst: g.ptrs[p].base, src: f.base})
			if f.off != 0 {
				shifted = append(shifted, i)
				offs[i] = f.off
			}
		case a.Op == ssa.OpConst:
			consts = append(consts, i)
		default:
			if s := g.use(a); s != g.vals[p] {
				moves = append(moves, move{g.vals[p], s, g.offsets[p] && g.zero != noReg})
			}
		}
	}
	for len(moves) > 0 {
		ready := -1
		for i, m := range moves {
			blocked := false
			for j, o := range moves {
				blocked = blocked || j != i && o.src == m.dst
			}
			if !blocked {
				ready = i
				break
			}
		}
		if ready < 0 {
			t := g.scalar()
			s := moves[0].src
			g.mov(t, s)
			for j := range moves {
				if moves[j].src == s {
					moves[j].src = t
				}
			}
			continue
		}
		if m := moves[ready]; m.untie {
			g.emit(minst{op: mXor, dst: m.dst, src: m.src})
		} else {
			g.mov(m.dst, m.src)
		}
		moves = append(moves[:ready], moves[ready+1:]...)
	}
	for _, i := range shifted {
		g.aluImm(asm.Add, g.ptrs[params[i]].base, int64(offs[i]))
	}
	for _, i := range consts {
		if p := params[i]; g.counters[p] {
			g.movImm(g.vals[p], int64(e.Args[i].Aux))
			continue
		}
		g.edgeConst(e, g.vals[params[i]], int64(e.Args[i].Aux), g.offsets[params[i]])
	}
	g.jump(g.blocks[e.To])
}

// edgeConst sets a block parameter to a constant that the verifier must not know
// where ways meet.
func (g *gen) edgeConst(e *ssa.Edge, dst vreg, c int64, offset bool) {
	switch {
	case g.ways[e.To] < 2:
		g.movImm(dst, c)
	case c == 0 && g.zero != noReg && offset:
		g.emit(minst{op: mXor, dst: dst, src: g.zero})
	default:
		g.opaque(dst, c)
	}
}

// edgeBlock gives a jump target that takes the edge, and what to generate there
// later (nil when the target is the block itself).
func (g *gen) edgeBlock(e *ssa.Edge) (*mblock, func()) {
	if !g.hasMoves(e) {
		return g.blocks[e.To], nil
	}
	blk := g.newBlock()
	return blk, func() { g.scoped(blk, func() { g.edge(e) }) }
}

// scoped generates code in blk without leaking what it has at hand into other
// ways out of the block.
func (g *gen) scoped(blk *mblock, f func()) {
	saved := g.cache
	g.cache = make(map[*ssa.Value]vreg, len(saved))
	for k, v := range saved {
		g.cache[k] = v
	}
	g.place(blk)
	f()
	g.cache = saved
}

func (g *gen) branchTerm(b *ssa.Block) {
	t := &b.Term
	no, later := g.edgeBlock(&t.Succs[1])
	switch c := t.Cond; {
	case c.Op == ssa.OpConst:
		if c.Aux != 0 {
			g.edge(&t.Succs[0])
		} else {
			g.edge(&t.Succs[1])
		}
		return
	case g.fused[c]:
		g.branchUnless(c, no)
	default:
		g.branchUnknown(asm.JEq, g.use(c), 0, no)
	}
	g.scoped(g.newBlock(), func() { g.edge(&t.Succs[0]) })
	if later != nil {
		later()
	}
}

func (g *gen) switchTerm(t *ssa.Term) {
	n := len(t.Labels)
	last := &t.Succs[len(t.Succs)-1]
	if t.Cond.Op == ssa.OpConst {
		for i, l := range t.Labels {
			if l == t.Cond.Aux {
				g.edge(&t.Succs[i])
				return
			}
		}
		g.edge(last)
		return
	}
	c := g.forget(t.Cond)
	var todo []func()
	for i := range n {
		to, later := g.edgeBlock(&t.Succs[i])
		g.branchImm(asm.JEq, c, int64(t.Labels[i]), to)
		if later != nil {
			todo = append(todo, later)
		}
	}
	g.scoped(g.newBlock(), func() { g.edge(last) })
	for _, f := range todo {
		f()
	}
}

// checkTerm compares with the end of the packet. A constant offset is checked
// from the data pointer itself, so that all constant offsets share one verified
// range; a variable one makes a pointer of its own.
func (g *gen) checkTerm(t *ssa.Term) {
	yes := &t.Succs[0]
	fail, later := g.edgeBlock(&t.Succs[1])
	var param *ssa.Value
	if ps := yes.To.Params; len(ps) > len(yes.Args) {
		param = ps[0]
	}
	form := ptrForm{base: g.data}
	if t.Cond.Op == ssa.OpConst {
		off := t.Cond.Aux + uint64(g.o.StartOffset)
		if off > maxPacketOff {
			g.jump(fail)
			if later != nil {
				later()
			}
			return
		}
		form.off = int(off)
		if t.N > 0 {
			e := g.ptr()
			g.mov(e, g.data)
			g.aluImm(asm.Add, e, int64(form.off+t.N))
			g.branch(asm.JGT, e, g.end, fail)
		}
	} else {
		o := g.launder(g.use(t.Cond))
		limit := int64(maxPacketOff)
		if g.stage > 0 {
			limit = int64(g.mach.head - t.N) // what lies behind is not saved
		}
		g.branchImm(asm.JGT, g.forget(t.Cond), limit, fail)
		// The mask changes nothing; it tells the verifier the bound, which the
		// comparison does not.
		b := g.ptr()
		g.mov(b, o)
		g.aluImm(asm.And, b, maxPacketOff)
		p, e := g.ptr(), g.ptr()
		g.mov(p, g.data)
		g.alu(asm.Add, p, b)
		g.mov(e, p)
		g.aluImm(asm.Add, e, int64(g.o.StartOffset+t.N))
		g.branch(asm.JGT, e, g.end, fail)
		form = ptrForm{base: p, off: g.o.StartOffset}
	}
	g.scoped(g.newBlock(), func() {
		if param != nil && g.joined[param] {
			g.mov(g.ptrs[param].base, form.base)
			if form.off != 0 {
				g.aluImm(asm.Add, g.ptrs[param].base, int64(form.off))
			}
		} else if param != nil {
			g.ptrs[param] = form
		}
		g.edge(yes)
	})
	if later != nil {
		later()
	}
}
