package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
)

// vreg is a virtual register of 64 bits, assigned any number of times.
type vreg int32

const (
	noReg vreg = 0
	// fp is the frame's key area: memory operands with base fp and offset o >= 0
	// address byte o of it.
	fp vreg = -1
)

// mop is the operation of a machine instruction.
type mop uint8

const (
	mEntry    mop = iota // dst = the program's argument; first instruction only
	mMov                 // dst = src, or imm (64 bits)
	mXor                 // dst = src xor imm (32 bits, sign-extended)
	mALU                 // dst = dst alu (src or imm); w32: on 32 bits, upper half cleared
	mSwap                // dst = host to big endian (dst), imm = 16, 32 or 64 bits
	mLoad                // dst = *(size *)(src + off), zero-extended
	mStore               // *(size *)(dst + off) = src, or imm
	mAtomic              // *(size *)(dst + off) += src
	mFetchAdd            // dst = *(size *)(src + off), which grows by imm at once
	mMap                 // dst = map name
	mValue               // dst = address of value 0 of map name, plus imm
	mCall                // dst (or none) = fn(args), or the function called name
	mJump                // if dst jmp (src or imm) goto target; falls through
	mJa                  // goto target
	mExit                // return src
)

// minst is a machine instruction over virtual registers.
type minst struct {
	op     mop
	alu    asm.ALUOp
	jmp    asm.JumpOp
	w32    bool
	size   asm.Size
	dst    vreg
	src    vreg // noReg: imm
	imm    int64
	off    int32
	name   string
	fn     asm.BuiltinFunc
	args   []marg
	target *mblock
	pos    ir.Pos
	site   generationSite // mMov: imm is one for generation 0
}

// marg is an argument of a call: a register, a constant, a map or the address
// of a byte in the key area.
type marg struct {
	reg  vreg
	imm  int64
	name string
	addr bool // fp + imm
}

// mblock is a straight run of instructions; only the last may jump.
type mblock struct {
	ins    []minst
	freq   int     // estimated executions a packet, 1 outside loops
	next   *mblock // fall-through successor, nil after mJa and mExit
	order  int     // position in the layout, -1 when unreachable
	placed bool
}

// succs lists the successors.
func (b *mblock) succs() []*mblock {
	var out []*mblock
	if n := len(b.ins); n > 0 && b.ins[n-1].target != nil {
		out = append(out, b.ins[n-1].target)
	}
	if b.next != nil {
		out = append(out, b.next)
	}
	return out
}

// uses calls f for each virtual register that the instruction reads.
func (m *minst) uses(f func(vreg)) {
	g := func(v vreg) {
		if v > 0 {
			f(v)
		}
	}
	switch m.op {
	case mMov, mXor, mLoad, mFetchAdd, mExit:
		g(m.src)
	case mALU, mStore, mAtomic, mJump:
		g(m.dst)
		g(m.src)
	case mSwap:
		g(m.dst)
	case mCall:
		for _, a := range m.args {
			g(a.reg)
		}
	}
}

// def is the register that the instruction writes, or noReg.
func (m *minst) def() vreg {
	switch m.op {
	case mEntry, mMov, mXor, mALU, mSwap, mLoad, mFetchAdd, mMap, mValue, mCall:
		return m.dst
	}
	return noReg
}

// copies tells whether the instruction costs nothing, or less, where dst and src
// share a place.
func (m *minst) copies() bool { return (m.op == mMov || m.op == mXor) && m.src > 0 }

// builder appends instructions to blocks in layout order.
type builder struct {
	blocks []*mblock
	cur    *mblock // nil: what follows is unreachable until a block is placed
	pos    ir.Pos
	freq   int
	vregs  []vregInfo // index vreg
	keyMax int        // bytes of key area in use
}

// vregInfo is what the allocator must know about a register.
type vregInfo struct {
	// onStack: the verifier tracks more than an unknown number in it (a pointer,
	// a bounded index), which only a stack slot keeps.
	onStack bool
}

func newBuilder() *builder {
	return &builder{freq: 1, vregs: make([]vregInfo, 1)}
}

// scalar makes a register for a plain number.
func (b *builder) scalar() vreg {
	b.vregs = append(b.vregs, vregInfo{})
	return vreg(len(b.vregs) - 1)
}

// ptr makes a register for a pointer or bounded number.
func (b *builder) ptr() vreg {
	b.vregs = append(b.vregs, vregInfo{onStack: true})
	return vreg(len(b.vregs) - 1)
}

func (b *builder) newBlock() *mblock { return &mblock{freq: b.freq, order: -1} }

// place makes blk the current block; the one before falls through into it.
func (b *builder) place(blk *mblock) {
	if b.cur != nil {
		b.cur.next = blk
	}
	blk.placed = true
	b.blocks = append(b.blocks, blk)
	b.cur = blk
}

func (b *builder) emit(m minst) {
	if b.cur == nil {
		// Dead code, e.g. after a constant branch: kept apart and dropped later.
		b.place(b.newBlock())
	}
	m.pos = b.pos
	b.cur.ins = append(b.cur.ins, m)
}

func (b *builder) mov(dst, src vreg)        { b.emit(minst{op: mMov, dst: dst, src: src}) }
func (b *builder) movImm(dst vreg, v int64) { b.emit(minst{op: mMov, dst: dst, imm: v}) }

func (b *builder) alu(op asm.ALUOp, dst, src vreg) {
	b.emit(minst{op: mALU, alu: op, dst: dst, src: src})
}

// aluImm works for every v; what does not fit 32 bits goes through a register.
func (b *builder) aluImm(op asm.ALUOp, dst vreg, v int64) {
	if v != int64(int32(v)) {
		t := b.scalar()
		b.movImm(t, v)
		b.alu(op, dst, t)
		return
	}
	b.emit(minst{op: mALU, alu: op, dst: dst, imm: v})
}

func (b *builder) alu32(op asm.ALUOp, dst, src vreg) {
	b.emit(minst{op: mALU, alu: op, w32: true, dst: dst, src: src})
}

func (b *builder) alu32Imm(op asm.ALUOp, dst vreg, v int64) {
	b.emit(minst{op: mALU, alu: op, w32: true, dst: dst, imm: int64(int32(v))})
}

func (b *builder) swap(dst vreg, bits int64) { b.emit(minst{op: mSwap, dst: dst, imm: bits}) }

func (b *builder) load(dst, base vreg, off int, size asm.Size) {
	b.emit(minst{op: mLoad, dst: dst, src: base, off: int32(off), size: size})
	b.noteKey(base, off, size)
}

func (b *builder) store(base vreg, off int, src vreg, size asm.Size) {
	b.emit(minst{op: mStore, dst: base, off: int32(off), src: src, size: size})
	b.noteKey(base, off, size)
}

func (b *builder) storeImm(base vreg, off int, v int64, size asm.Size) {
	b.emit(minst{op: mStore, dst: base, off: int32(off), imm: v, size: size})
	b.noteKey(base, off, size)
}

// storeCtx writes a constant into a field of 4 bytes of the context. It goes through
// a register: before Linux 6.4 the verifier takes no immediate there.
func (b *builder) storeCtx(ctx vreg, off int, v int64) {
	t := b.scalar()
	b.movImm(t, v)
	b.store(ctx, off, t, asm.Word)
}

func (b *builder) noteKey(base vreg, off int, size asm.Size) {
	if base == fp {
		b.keyMax = max(b.keyMax, off+size.Sizeof())
	}
}

// call emits a helper call; dst may be noReg.
func (b *builder) call(dst vreg, fn asm.BuiltinFunc, args ...marg) {
	b.emit(minst{op: mCall, dst: dst, fn: fn, args: args})
}

// checked emits a helper call that goes to bad where it fails.
func (b *builder) checked(bad *mblock, fn asm.BuiltinFunc, args ...marg) {
	r := b.scalar()
	b.call(r, fn, args...)
	b.branchImm(asm.JNE, r, 0, bad)
}

// branch jumps to target when the condition holds, else goes on.
func (b *builder) branch(op asm.JumpOp, x, y vreg, target *mblock) {
	b.emit(minst{op: mJump, jmp: op, dst: x, src: y, target: target})
	b.place(b.newBlock())
}

func (b *builder) branchImm(op asm.JumpOp, x vreg, v int64, target *mblock) {
	if v != int64(int32(v)) {
		t := b.scalar()
		b.movImm(t, v)
		b.branch(op, x, t, target)
		return
	}
	b.emit(minst{op: mJump, jmp: op, dst: x, imm: v, target: target})
	b.place(b.newBlock())
}

func (b *builder) jump(target *mblock) {
	if b.cur == nil {
		return
	}
	b.emit(minst{op: mJa, target: target})
	b.cur = nil
}

func (b *builder) exit(src vreg) {
	b.emit(minst{op: mExit, src: src})
	b.cur = nil
}

// mask clears the bits above the low w.
func (b *builder) mask(v vreg, w int) {
	switch {
	case w >= 64:
	case w == 32:
		b.emit(minst{op: mALU, alu: asm.Mov, w32: true, dst: v, src: v})
	case w < 32:
		b.aluImm(asm.And, v, int64(maskOf(w)))
	default:
		b.aluImm(asm.LSh, v, int64(64-w))
		b.aluImm(asm.RSh, v, int64(64-w))
	}
}

func argReg(v vreg) marg   { return marg{reg: v} }
func argImm(v int64) marg  { return marg{imm: v} }
func argMap(n string) marg { return marg{name: n} }
func argKey(off int) marg  { return marg{addr: true, imm: int64(off)} }

func sizeOf(n int) asm.Size {
	switch n {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	case 4:
		return asm.Word
	}
	return asm.DWord
}
