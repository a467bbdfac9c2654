package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Values are held zero-extended to 64 bits; what can leave bits above the width
// masks them at once.

func (g *gen) arith(v *ssa.Value) {
	w := int(v.Type)
	if v.Op == ssa.OpZext {
		// Nothing to do but to give the value a name of its own.
		a := g.use(v.Args[0])
		g.mov(g.result(v), a)
		return
	}
	if v.Op == ssa.OpSelect {
		g.selectOp(v)
		return
	}
	a := g.use(v.Args[0])
	r := g.number(v)
	g.vals[v] = r
	switch v.Op {
	case ssa.OpAdd:
		g.binary(asm.Add, r, a, v.Args[1], w, true)
	case ssa.OpSub:
		g.binary(asm.Sub, r, a, v.Args[1], w, true)
	case ssa.OpMul:
		g.binary(asm.Mul, r, a, v.Args[1], w, true)
	case ssa.OpAnd:
		g.binary(asm.And, r, a, v.Args[1], w, false)
	case ssa.OpOr:
		g.binary(asm.Or, r, a, v.Args[1], w, false)
	case ssa.OpXor:
		g.binary(asm.Xor, r, a, v.Args[1], w, false)
	case ssa.OpDiv:
		// eBPF divides by 0 to 0, as SSA does.
		b := g.use(v.Args[1])
		g.mov(r, a)
		g.alu(asm.Div, r, b)
	case ssa.OpMod:
		// eBPF leaves the dividend where the divisor is 0.
		b := g.use(v.Args[1])
		g.mov(r, a)
		g.alu(asm.Mod, r, b)
		if v.Args[1].Op == ssa.OpConst && v.Args[1].Aux != 0 {
			return
		}
		done := g.newBlock()
		g.branchImm(asm.JNE, b, 0, done)
		g.movImm(r, 0)
		g.place(done)
	case ssa.OpNot:
		g.mov(r, a)
		if w <= 31 {
			g.aluImm(asm.Xor, r, int64(maskOf(w)))
			return
		}
		g.aluImm(asm.Xor, r, -1)
		g.mask(r, w)
	case ssa.OpShl:
		g.shift(asm.LSh, r, a, v.Args[1])
		g.mask(r, w)
	case ssa.OpShr:
		g.shift(asm.RSh, r, a, v.Args[1])
	case ssa.OpSar:
		b := v.Args[1]
		g.mov(r, a)
		g.signExtend(r, w)
		g.shift(asm.ArSh, r, r, b)
		g.mask(r, w)
	case ssa.OpSext:
		g.mov(r, a)
		g.signExtend(r, int(v.Args[0].Type))
		g.mask(r, w)
	case ssa.OpTrunc:
		g.mov(r, a)
		g.mask(r, w)
	}
}

// binary computes r = a op b; wide tells that the result can exceed the width.
func (g *gen) binary(op asm.ALUOp, r, a vreg, b *ssa.Value, w int, wide bool) {
	c, imm := small(b)
	var br vreg
	if !imm {
		br = g.use(b)
	}
	g.mov(r, a)
	switch {
	case wide && w == 32 && imm:
		g.alu32Imm(op, r, c)
		return
	case wide && w == 32:
		g.alu32(op, r, br)
		return
	case imm:
		g.aluImm(op, r, c)
	default:
		g.alu(op, r, br)
	}
	if wide {
		g.mask(r, w)
	}
}

func (g *gen) shift(op asm.ALUOp, r, a vreg, n *ssa.Value) {
	if n.Op == ssa.OpConst {
		if a != r {
			g.mov(r, a)
		}
		if k := int64(n.Aux & 63); k != 0 {
			g.aluImm(op, r, k)
		}
		return
	}
	nr := g.use(n)
	if a != r {
		g.mov(r, a)
	}
	g.alu(op, r, nr)
}

// signExtend copies bit w-1 into all bits above.
func (g *gen) signExtend(r vreg, w int) {
	if w < 64 {
		g.aluImm(asm.LSh, r, int64(64-w))
		g.aluImm(asm.ArSh, r, int64(64-w))
	}
}

// selectOp is branch-free, so that the verifier need not walk both ways:
// b ^ ((a ^ b) & -cond).
func (g *gen) selectOp(v *ssa.Value) {
	c, a, b := g.use(v.Args[0]), v.Args[1], v.Args[2]
	ac, aConst := small(a)
	bc, bConst := small(b)
	if aConst && bConst && bc == 0 && ac == 1 {
		g.mov(g.result(v), c)
		return
	}
	br := g.use(b)
	var ar vreg
	if !aConst || ac != 0 {
		ar = g.use(a)
	}
	r, m := g.scalar(), g.scalar()
	g.vals[v] = r
	if ar == noReg {
		// b & (cond - 1)
		g.mov(m, c)
		g.aluImm(asm.Sub, m, 1)
		g.mov(r, br)
		g.alu(asm.And, r, m)
		return
	}
	g.movImm(m, 0)
	g.alu(asm.Sub, m, c)
	g.mov(r, ar)
	if bConst && bc == 0 {
		g.alu(asm.And, r, m)
		return
	}
	g.alu(asm.Xor, r, br)
	g.alu(asm.And, r, m)
	g.alu(asm.Xor, r, br)
}

// compare puts 0 or 1 into the result, without branches: Linux 6.1 does not
// prune after branches that only set a value, and walks 2^n ways for n of them.
func (g *gen) compare(v *ssa.Value) {
	w := int(v.Args[0].Type)
	x, y := g.use(v.Args[0]), g.use(v.Args[1])
	r := g.scalar()
	g.vals[v] = r
	if w >= 64 {
		g.compareWide(v.Op, x, y, r)
		return
	}
	flip := false // the complement is computed
	switch v.Op {
	case ssa.OpEq, ssa.OpNe:
		g.mov(r, x)
		g.alu(asm.Xor, r, y)
		g.aluImm(asm.Sub, r, 1) // the top bit is set for 0 only
		flip = v.Op == ssa.OpNe
	case ssa.OpUlt:
		g.mov(r, x)
		g.alu(asm.Sub, r, y)
	case ssa.OpUle:
		g.mov(r, y)
		g.alu(asm.Sub, r, x)
		flip = true
	default:
		a, b := g.scalar(), g.scalar()
		g.mov(a, x)
		g.signExtend(a, w)
		g.mov(b, y)
		g.signExtend(b, w)
		if v.Op == ssa.OpSle {
			a, b, flip = b, a, true
		}
		// Both lie in 63 bits and a sign, the difference cannot overflow.
		g.mov(r, a)
		g.alu(asm.Sub, r, b)
	}
	g.aluImm(asm.RSh, r, 63)
	if flip {
		g.aluImm(asm.Xor, r, 1)
	}
}

// compareWide compares 64-bit values, whose difference does not fit 64 bits: the
// answer is the borrow, or for signed values the sign corrected for overflow.
func (g *gen) compareWide(op ssa.Op, x, y, r vreg) {
	flip := false // the complement is computed
	d := g.scalar()
	switch op {
	case ssa.OpUle, ssa.OpSle:
		x, y, flip = y, x, true
	case ssa.OpEq:
		flip = true
	}
	g.mov(r, x)
	g.alu(asm.Xor, r, y)
	switch op {
	case ssa.OpEq, ssa.OpNe: // r | -r
		g.movImm(d, 0)
		g.alu(asm.Sub, d, r)
		g.alu(asm.Or, r, d)
	case ssa.OpUlt, ssa.OpUle: // x ^ ((x ^ y) | ((x - y) ^ y))
		g.mov(d, x)
		g.alu(asm.Sub, d, y)
		g.alu(asm.Xor, d, y)
		g.alu(asm.Or, r, d)
		g.alu(asm.Xor, r, x)
	default: // d ^ ((x ^ y) & (d ^ x)) with d = x - y
		g.mov(d, x)
		g.alu(asm.Sub, d, y)
		g.alu(asm.Xor, d, x)
		g.alu(asm.And, r, d)
		g.alu(asm.Xor, r, d)
		g.alu(asm.Xor, r, x)
	}
	g.aluImm(asm.RSh, r, 63)
	if flip {
		g.aluImm(asm.Xor, r, 1)
	}
}

// jumpFor gives the jump that is taken where the comparison holds, on 64-bit
// operands.
func jumpFor(op ssa.Op, x, y vreg) (asm.JumpOp, vreg, vreg) {
	switch op {
	case ssa.OpEq:
		return asm.JEq, x, y
	case ssa.OpNe:
		return asm.JNE, x, y
	case ssa.OpUlt:
		return asm.JLT, x, y
	case ssa.OpUle:
		return asm.JLE, x, y
	case ssa.OpSlt:
		return asm.JSLT, x, y
	}
	return asm.JSLE, x, y
}

// inverse gives the jump that is taken where op is not.
func inverse(op asm.JumpOp) asm.JumpOp {
	switch op {
	case asm.JEq:
		return asm.JNE
	case asm.JNE:
		return asm.JEq
	case asm.JLT:
		return asm.JGE
	case asm.JLE:
		return asm.JGT
	case asm.JSLT:
		return asm.JSGE
	}
	return asm.JSGT
}

// mirrored gives the unsigned jump with its operands exchanged.
func mirrored(op asm.JumpOp) asm.JumpOp {
	switch op {
	case asm.JLT:
		return asm.JGT
	case asm.JGT:
		return asm.JLT
	case asm.JLE:
		return asm.JGE
	case asm.JGE:
		return asm.JLE
	}
	return op
}

// branchUnless jumps to target where the comparison c is false.
func (g *gen) branchUnless(c *ssa.Value, target *mblock) {
	w := int(c.Args[0].Type)
	signed := c.Op == ssa.OpSlt || c.Op == ssa.OpSle
	if k, ok := small(c.Args[0]); ok && !signed && c.Args[1].Op != ssa.OpConst {
		// The constant second, so that the other side can be tested without the
		// verifier learning of it.
		op, _, _ := jumpFor(c.Op, noReg, noReg)
		g.branchUnknown(mirrored(inverse(op)), g.use(c.Args[1]), k, target)
		return
	}
	x := g.use(c.Args[0])
	if k, ok := small(c.Args[1]); ok && !signed {
		op, _, _ := jumpFor(c.Op, x, noReg)
		if g.sunk[c.Args[0]] { // loaded for this test alone
			g.branchImm(inverse(op), x, k, target)
		} else {
			g.branchUnknown(inverse(op), x, k, target)
		}
		return
	}
	y := g.use(c.Args[1])
	if signed && w < 64 {
		a, b := g.scalar(), g.scalar()
		g.mov(a, x)
		g.signExtend(a, w)
		g.mov(b, y)
		g.signExtend(b, w)
		x, y = a, b
	}
	op, p, q := jumpFor(c.Op, x, y)
	g.branch(inverse(op), p, q, target)
}
