package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// emitter turns allocated machine instructions into eBPF instructions. Jumps
// carry their distance, so no labels remain.
type emitter struct {
	as       *assignment
	keyBase  int  // frame offset of the key area, negative or 0
	spillOff int  // offset of the spill slots in the scratch map
	slots    bool // leave out what slotPass finds needless
	out      asm.Instructions
	cur      *minst
	source   func(ir.Pos) *btf.Line // nil: no line information
	pos      ir.Pos                 // of instructions without one
	line     *btf.Line              // of the last instruction
}

// slotOff is the frame offset of a stack slot.
func (e *emitter) slotOff(n int) int16 { return int16(e.keyBase - 8*(n+1)) }

// mapOff is the offset of a spill slot in the scratch map.
func (e *emitter) mapOff(n int) int16 { return int16(e.spillOff + 8*n) }

func (e *emitter) put(ins asm.Instruction) {
	if e.source != nil {
		// A record counts until the next one.
		pos := e.cur.pos
		if !pos.IsValid() {
			pos = e.pos
		}
		if s := e.source(pos); s != e.line {
			ins = ins.WithSource(s)
			e.line = s
		}
	}
	e.out = append(e.out, ins)
}

// fetch puts v into reg.
func (e *emitter) fetch(reg asm.Register, v vreg) {
	switch l := e.as.locs[v]; l.kind {
	case locReg:
		if asm.Register(l.n) != reg {
			e.put(asm.Mov.Reg(reg, asm.Register(l.n)))
		}
	case locStack:
		e.put(asm.LoadMem(reg, asm.RFP, e.slotOff(l.n), asm.DWord))
	case locMap:
		e.put(asm.LoadMem(reg, asm.RFP, e.slotOff(e.as.spillPtr.n), asm.DWord))
		e.put(asm.LoadMem(reg, reg, e.mapOff(l.n), asm.DWord))
	}
}

// read gives a register that holds v: its own, or tmp after a fetch.
func (e *emitter) read(v vreg, tmp asm.Register) asm.Register {
	if v == fp {
		return asm.RFP
	}
	if l := e.as.locs[v]; l.kind == locReg {
		return asm.Register(l.n)
	}
	e.fetch(tmp, v)
	return tmp
}

// home gives the register to compute v in: its own, or tmp, then flushed.
func (e *emitter) home(v vreg, tmp asm.Register) asm.Register {
	if l := e.as.locs[v]; l.kind == locReg {
		return asm.Register(l.n)
	}
	return tmp
}

// flush writes reg, from home, to where v lives.
func (e *emitter) flush(reg asm.Register, v vreg) {
	switch l := e.as.locs[v]; l.kind {
	case locStack:
		e.put(asm.StoreMem(asm.RFP, e.slotOff(l.n), reg, asm.DWord))
	case locMap:
		tmp := tmpB
		if reg == tmpB {
			tmp = tmpA
		}
		e.put(asm.LoadMem(tmp, asm.RFP, e.slotOff(e.as.spillPtr.n), asm.DWord))
		e.put(asm.StoreMem(tmp, e.mapOff(l.n), reg, asm.DWord))
	case locReg:
		if asm.Register(l.n) != reg {
			e.put(asm.Mov.Reg(asm.Register(l.n), reg))
		}
	}
}

func (e *emitter) imm(reg asm.Register, v int64) {
	if v == int64(int32(v)) {
		e.put(asm.Mov.Imm(reg, int32(v)))
		return
	}
	if uint64(v) <= 0xffffffff {
		e.put(asm.Mov.Imm32(reg, int32(v)))
		return
	}
	e.put(asm.LoadImm(reg, v, asm.DWord))
}

// memOff is the machine offset of a memory operand.
func (e *emitter) memOff(base vreg, off int32) int16 {
	if base == fp {
		return int16(e.keyBase + int(off))
	}
	return int16(off)
}

// program emits all blocks and resolves the jumps.
func (e *emitter) program(blocks []*mblock) error {
	type fixup struct {
		ins    int
		target *mblock
	}
	var fixups []fixup
	starts := make([]int, len(blocks))
	for i, b := range blocks {
		starts[i] = len(e.out)
		for k := range b.ins {
			e.cur = &b.ins[k]
			if e.cur.op == mJa && i+1 < len(blocks) && e.cur.target == blocks[i+1] {
				continue
			}
			e.instruction(e.cur)
			if e.cur.target != nil {
				fixups = append(fixups, fixup{len(e.out) - 1, e.cur.target})
			}
		}
		if b.next != nil && (i+1 == len(blocks) || blocks[i+1] != b.next) {
			e.put(asm.Ja.Label(""))
			fixups = append(fixups, fixup{len(e.out) - 1, b.next})
		}
	}
	if e.slots {
		p := slotPass{e: e, starts: starts, target: map[int]int{}}
		for _, f := range fixups {
			p.target[f.ins] = f.target.order
		}
		p.run()
		at := p.compact()
		for i := range starts {
			starts[i] = at[starts[i]]
		}
		for i := range fixups {
			fixups[i].ins = at[fixups[i].ins]
		}
	}
	raw := make([]int, len(e.out)+1)
	for i, ins := range e.out {
		raw[i+1] = raw[i] + int(ins.Size()/8)
	}
	for _, f := range fixups {
		d := raw[starts[f.target.order]] - raw[f.ins] - 1
		if d != int(int16(d)) {
			return fmt.Errorf("a jump over %d instructions, the limit is 32767", d)
		}
		e.out[f.ins].Offset = int16(d)
	}
	return nil
}

func (e *emitter) instruction(m *minst) {
	switch m.op {
	case mEntry:
		e.flush(asm.R1, m.dst)
	case mMov:
		e.move(m)
	case mXor:
		d := e.home(m.dst, tmpA)
		e.fetch(d, m.src)
		e.put(asm.Xor.Imm(d, int32(m.imm)))
		e.flush(d, m.dst)
	case mALU:
		d := e.home(m.dst, tmpA)
		if d == tmpA && (m.alu != asm.Mov || m.src == m.dst) {
			e.fetch(d, m.dst)
		}
		op := m.alu
		if m.src == noReg {
			if m.w32 {
				e.put(op.Imm32(d, int32(m.imm)))
			} else {
				e.put(op.Imm(d, int32(m.imm)))
			}
		} else {
			s := d
			if m.src != m.dst {
				s = e.read(m.src, tmpB)
			}
			if m.w32 {
				e.put(op.Reg32(d, s))
			} else {
				e.put(op.Reg(d, s))
			}
		}
		e.flush(d, m.dst)
	case mSwap:
		d := e.home(m.dst, tmpA)
		if d == tmpA {
			e.fetch(d, m.dst)
		}
		e.put(asm.HostTo(asm.BE, d, sizeOf(int(m.imm/8))))
		e.flush(d, m.dst)
	case mLoad:
		d := e.home(m.dst, tmpA)
		e.put(asm.LoadMem(d, e.read(m.src, tmpB), e.memOff(m.src, m.off), m.size))
		e.flush(d, m.dst)
	case mStore:
		base := e.read(m.dst, tmpB)
		switch {
		case m.src != noReg:
			e.put(asm.StoreMem(base, e.memOff(m.dst, m.off), e.read(m.src, tmpA), m.size))
		case m.imm == int64(int32(m.imm)):
			e.put(storeImm(base, e.memOff(m.dst, m.off), m.imm, m.size))
		default:
			e.imm(tmpA, m.imm)
			e.put(asm.StoreMem(base, e.memOff(m.dst, m.off), tmpA, m.size))
		}
	case mAtomic:
		base := e.read(m.dst, tmpB)
		e.put(asm.AddAtomic.Mem(base, e.read(m.src, tmpA), m.size, e.memOff(m.dst, m.off)))
	case mFetchAdd:
		base := e.read(m.src, tmpB)
		e.imm(tmpA, m.imm)
		ins := asm.FetchAdd.Mem(base, tmpA, m.size, e.memOff(m.src, m.off))
		ins.Constant = int64(asm.FetchAdd) >> 8 // which the assembler takes from here alone
		e.put(ins)
		d := e.home(m.dst, tmpA)
		if d != tmpA {
			e.put(asm.Mov.Reg(d, tmpA))
		}
		e.flush(d, m.dst)
	case mMap:
		d := e.home(m.dst, tmpA)
		e.put(asm.LoadMapPtr(d, 0).WithReference(m.name))
		e.flush(d, m.dst)
	case mValue:
		d := e.home(m.dst, tmpA)
		e.put(asm.LoadMapValue(d, 0, uint32(m.imm)).WithReference(m.name))
		e.flush(d, m.dst)
	case mCall:
		e.arguments(m.args)
		if m.name != "" {
			e.put(asm.Call.Label(m.name))
		} else {
			e.put(m.fn.Call())
		}
		if m.dst != noReg && e.as.locs[m.dst].kind != locNone {
			e.flush(asm.R0, m.dst)
		}
	case mJump:
		d := e.read(m.dst, tmpA)
		if m.src == noReg {
			e.put(asm.Instruction{OpCode: jumpOp(m, asm.ImmSource), Dst: d, Constant: m.imm})
		} else {
			e.put(asm.Instruction{OpCode: jumpOp(m, asm.RegSource), Dst: d, Src: e.read(m.src, tmpB)})
		}
	case mJa:
		e.put(asm.Ja.Label(""))
	case mExit:
		e.fetch(asm.R0, m.src)
		e.put(asm.Return())
	}
}

// storeImm is asm.StoreImm, which refuses 8 bytes; the kernel does not.
func storeImm(base asm.Register, off int16, v int64, size asm.Size) asm.Instruction {
	return asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: base, Offset: off, Constant: v}
}

func jumpOp(m *minst, src asm.Source) asm.OpCode {
	class := asm.JumpClass
	if m.w32 {
		class = asm.Jump32Class
	}
	return asm.OpCode(class).SetJumpOp(m.jmp).SetSource(src)
}

func (e *emitter) move(m *minst) {
	dl := e.as.locs[m.dst]
	if m.src == noReg {
		d := e.home(m.dst, tmpA)
		if dl.kind == locMap && m.imm == int64(int32(m.imm)) {
			e.put(asm.LoadMem(tmpB, asm.RFP, e.slotOff(e.as.spillPtr.n), asm.DWord))
			e.put(storeImm(tmpB, e.mapOff(dl.n), m.imm, asm.DWord))
			return
		}
		e.imm(d, m.imm)
		if m.site != nil {
			e.out[len(e.out)-1].Metadata.Set(siteKey{}, m.site)
		}
		e.flush(d, m.dst)
		return
	}
	if dl == e.as.locs[m.src] {
		return
	}
	if dl.kind == locReg {
		e.fetch(asm.Register(dl.n), m.src)
		return
	}
	e.flush(e.read(m.src, tmpA), m.dst)
}

// arguments loads r1, r2, ... as one parallel assignment.
func (e *emitter) arguments(args []marg) {
	type move struct{ dst, src asm.Register }
	var moves []move
	for i, a := range args {
		if a.reg > 0 {
			if l := e.as.locs[a.reg]; l.kind == locReg && asm.Register(l.n) != asm.R1+asm.Register(i) {
				moves = append(moves, move{asm.R1 + asm.Register(i), asm.Register(l.n)})
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
			// A cycle: move one source out of the way.
			s := moves[0].src
			e.put(asm.Mov.Reg(tmpA, s))
			for j := range moves {
				if moves[j].src == s {
					moves[j].src = tmpA
				}
			}
			continue
		}
		e.put(asm.Mov.Reg(moves[ready].dst, moves[ready].src))
		moves = append(moves[:ready], moves[ready+1:]...)
	}
	for i, a := range args {
		dst := asm.R1 + asm.Register(i)
		switch {
		case a.reg > 0:
			if e.as.locs[a.reg].kind != locReg {
				e.fetch(dst, a.reg)
			}
		case a.addr:
			e.put(asm.Mov.Reg(dst, asm.RFP))
			e.put(asm.Add.Imm(dst, int32(e.keyBase)+int32(a.imm)))
		case a.name != "":
			e.put(asm.LoadMapPtr(dst, 0).WithReference(a.name))
		default:
			e.imm(dst, a.imm)
		}
	}
}
