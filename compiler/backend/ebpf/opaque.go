package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// What the verifier knows of a number multiplies its work. It walks a way to the
// end and drops another at a join only if nothing that decided a jump behind the
// join differs; validity bits, flags, handles and fields of headers that are not
// there are constants on the ways into a join, and each is tested again and again
// behind it. So the verifier is kept from learning them: a constant is made from
// a zero that only we know to be one, and a branch tests a value that it cannot
// connect with the one we keep. It then decides no jump itself and finds every
// join in a state it has seen.
//
// Exclusive or is the operation that serves: it leaves nothing known of an
// unknown number and unties the result from the register it was copied from.
// Addition keeps that tie since Linux 6.11, and or tells which bits are set.

// opaque sets dst to c without telling the verifier.
func (g *gen) opaque(dst vreg, c int64) {
	switch {
	case g.zero == noReg:
		g.movImm(dst, c)
	case c == 0:
		g.mov(dst, g.zero)
	case c == int64(int32(c)):
		g.emit(minst{op: mXor, dst: dst, src: g.zero, imm: c})
	default:
		g.movImm(dst, c)
		g.alu(asm.Xor, dst, g.zero)
	}
}

// findOffsets notes the values that packet offsets are made of. What is added to
// a pointer is precise to the verifier, and two states then differ also by which
// of such numbers are copies of one: these are never left tied.
func (g *gen) findOffsets() {
	into := map[*ssa.Value][]*ssa.Value{} // parameter -> what comes in
	var work []*ssa.Value
	add := func(v *ssa.Value) {
		if v != nil && v.Type != ssa.Ptr && !g.offsets[v] {
			g.offsets[v] = true
			work = append(work, v)
		}
	}
	for _, b := range g.f.Blocks {
		for i := range b.Term.Succs {
			e := &b.Term.Succs[i]
			for k, p := range edgeParams(e) {
				into[p] = append(into[p], e.Args[k])
			}
		}
	}
	for _, b := range g.f.Blocks {
		for _, v := range b.Instrs {
			if v.Op == ssa.OpScratch {
				add(v.Args[0])
			}
			if v.Op == ssa.OpSplice || v.Op == ssa.OpTrim {
				for _, a := range v.Args {
					add(a)
				}
			}
		}
		if b.Term.Kind == ssa.TermCheck {
			add(b.Term.Cond)
		}
	}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, a := range into[v] {
			add(a)
		}
		for _, a := range v.Args {
			add(a)
		}
	}
}

// forget gives a register that holds v and that can be tested without the
// verifier learning anything of v.
func (g *gen) forget(v *ssa.Value) vreg {
	x := g.use(v)
	if g.zero == noReg || g.sunk[v] || v.Op == ssa.OpConst {
		return x
	}
	return g.untied(x)
}

// untied copies x.
func (g *gen) untied(x vreg) vreg {
	t := g.scalar()
	g.emit(minst{op: mXor, dst: t, src: x})
	return t
}

// branchUnknown is branchImm of a register of which the verifier must learn
// nothing.
func (g *gen) branchUnknown(op asm.JumpOp, x vreg, k int64, target *mblock) {
	switch {
	case g.zero == noReg:
		g.branchImm(op, x, k, target)
	case k == 0:
		g.branch(op, x, g.zero, target)
	default:
		g.branchImm(op, g.untied(x), k, target)
	}
}
