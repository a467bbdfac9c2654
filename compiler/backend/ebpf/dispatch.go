package ebpf

import (
	"github.com/cilium/ebpf/asm"
)

// The generation cell (D3): one u64, the sequence in the upper 56 bits, the
// generation slot (0..Generations-1) in the low 8. The store of this word is the
// switch; an empty cell (sequence 0) selects slot 0, which is then empty too.

// CellWord packs a generation cell.
func CellWord(sequence uint64, generation uint8) uint64 { return sequence<<8 | uint64(generation) }

// CellParts unpacks a generation cell.
func CellParts(word uint64) (sequence uint64, generation uint8) {
	return word >> 8, uint8(word)
}

// ProgSlot is the index in a program array of a stage of a generation.
func ProgSlot(generation uint8, stage int) uint32 {
	return uint32(generation)*StagesPerGen + uint32(stage)
}

// Dispatcher is the program that stays attached: it reads the generation cell
// and tail-calls stage 0 of that generation with a constant index, which the
// kernel turns into a direct jump. Where there is none the packet goes to the
// kernel: XDP_PASS, or the next tc program and then the stack.
func Dispatcher(h Hook) *Object {
	b := newBuilder()
	obj := newObject(h)
	progs, pass := MapProgsXDP, int64(xdpPass)
	if h == TC {
		progs, pass = MapProgsTC, tcUnspec
	}
	for _, m := range DeviceMaps() {
		if m.Name == MapCell || m.Name == progs {
			obj.Maps = append(obj.Maps, m)
		}
	}
	ctx, cell, gen := b.ptr(), b.ptr(), b.scalar()
	b.place(b.newBlock())
	b.emit(minst{op: mEntry, dst: ctx})
	b.emit(minst{op: mValue, dst: cell, name: MapCell})
	if h == TC {
		// Copies for the host that the machine sent to its ingress again.
		own, mark := b.newBlock(), b.scalar()
		b.load(mark, ctx, skbTCIndex, asm.Word)
		b.branchImm(asm.JNE, mark, hostMark, own)
		b.storeCtx(ctx, skbTCIndex, 0)
		b.movImm(mark, tcUnspec)
		b.exit(mark)
		b.place(own)
	}
	b.load(gen, cell, 0, asm.Byte) // the low 8 bits: both machines are little endian
	miss := b.newBlock()
	slots := make([]*mblock, Generations)
	for i := range slots {
		slots[i] = b.newBlock()
		b.branchImm(asm.JEq, gen, int64(i), slots[i])
	}
	b.jump(miss)
	for i, s := range slots {
		b.place(s)
		b.call(noReg, asm.FnTailCall, argReg(ctx), argMap(progs), argImm(int64(ProgSlot(uint8(i), 0))))
		b.jump(miss)
	}
	b.place(miss)
	r := b.scalar()
	b.movImm(r, pass)
	b.exit(r)
	obj.Insns = fixedProgram(b, "p4nic_dispatch", h)
	return obj
}

// fixedProgram gives the instructions of a program that is the same for all.
func fixedProgram(b *builder, name string, h Hook) asm.Instructions {
	blocks := reachable(b.blocks)
	keyArea := (b.keyMax + 7) &^ 7
	as, _ := allocate(b, blocks, (stackBytes-keyArea)/8, noReg, true)
	e := &emitter{as: as, keyBase: -keyArea}
	if err := e.program(blocks); err != nil {
		// Some thirty instructions: no jump is too long.
		panic(err)
	}
	return function(e.out, name, h)
}
