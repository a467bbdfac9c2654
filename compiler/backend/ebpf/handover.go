package ebpf

import (
	"github.com/cilium/ebpf/asm"
)

// XDP cannot send a packet twice. One that forks there goes up to tc as it came in
// and takes along, as metadata in front of it, where its jobs are: {magic,
// generation, slot, 0, sequence}. On tc of the same netdev the hand-over program
// finds them and goes to the machine. GRO merges no packets whose metadata
// differ, and a slot that was used again meanwhile has another sequence.

// handMagic begins the metadata, and skb->cb for the machine.
const handMagic = 0x70346e31

// Offsets in the metadata.
const (
	metaMagic = 0
	metaGen   = 4
	metaSlot  = 8
	metaSeq   = 16
	metaSize  = 24
)

const skbDataMeta = 140

// handSlot gives the slot of this CPU's next packet.
func (g *gen) handSlot(h vreg) vreg {
	slot, n := g.scalar(), g.scalar()
	g.load(n, h, hctlSlot, asm.Word)
	g.call(slot, asm.FnGetSmpProcessorId)
	g.mask(slot, 32)
	g.aluImm(asm.Mul, slot, handSlots)
	g.alu(asm.Add, slot, n)
	return slot
}

// handOver passes the packet up with its jobs; to empty when it has none.
func (g *gen) handOver(empty *mblock) {
	h := g.machElemAt(MapHandCtl, 0)
	count := g.word(h, hctlCount)
	g.branchImm(asm.JEq, count, 0, empty)
	index := g.handSlot(h)
	s := g.machElem(MapHandover, index)
	g.store(s, handCount, count, asm.Word)
	g.store(s, handIngress, g.ingress, asm.Word)
	seq := g.scalar()
	g.call(seq, asm.FnKtimeGetNs) // no other packet of this slot has it, in whichever generation
	if g.need.now {
		g.store(s, handNow, g.now, asm.DWord)
	} else {
		g.storeImm(s, handNow, 0, asm.DWord)
	}
	g.store(s, handSeq, seq, asm.DWord)
	g.storeImm(h, hctlCount, 0, asm.Word)
	next := g.word(h, hctlSlot)
	g.aluImm(asm.Add, next, 1)
	g.aluImm(asm.And, next, handSlots-1)
	g.store(h, hctlSlot, next, asm.Word)
	if g.o.Harness {
		p := g.ptr()
		g.emit(minst{op: mValue, dst: p, name: g.useMap(MapResult)})
		g.store(p, resPort, index, asm.Word)
		g.storeImm(p, resVerdict, VerdictFork, asm.Word)
		g.returnImm(xdpPass)
		return
	}
	bad := g.newBlock()
	g.checked(bad, asm.FnXdpAdjustMeta, argReg(g.ctx), argImm(-metaSize))
	meta, end, data := g.ptr(), g.ptr(), g.ptr()
	g.load(meta, g.ctx, 8, asm.Word) // xdp_md.data_meta
	g.load(data, g.ctx, 0, asm.Word)
	g.mov(end, meta)
	g.aluImm(asm.Add, end, metaSize)
	g.branch(asm.JGT, end, data, bad)
	g.storeImm(meta, metaMagic, handMagic, asm.Word)
	g.store(meta, metaGen, g.perGeneration(func(k uint8) int64 { return int64(k) }), asm.Word)
	g.store(meta, metaSlot, index, asm.Word)
	g.storeImm(meta, metaSlot+4, 0, asm.Word)
	g.store(meta, metaSeq, seq, asm.DWord)
	g.returnImm(xdpPass)
	g.place(bad)
	g.movImm(g.reason, DropHandover)
	g.jump(g.dropBlk)
}

// importer takes over the jobs that XDP left for the packet. The kernel has taken
// its VLAN tags out meanwhile.
func (m *machine) importer(o *Options) *subprog {
	f := m.newFunc(o, fnImport)
	ctx, ctl := f.arg, f.ctl
	stale, failed := f.newBlock(), f.newBlock()
	index := f.word(ctx, skbCB+4)
	seq, high := f.word(ctx, skbCB+8), f.word(ctx, skbCB+12)
	f.aluImm(asm.LSh, high, 32)
	f.alu(asm.Or, seq, high)
	s := f.elem(MapHandover, index, f.no)
	is, n := f.scalar(), f.scalar()
	f.load(is, s, handSeq, asm.DWord)
	f.branch(asm.JNE, is, seq, stale)
	f.load(n, s, handIngress, asm.Word)
	f.store(ctl, ctlIngress, n, asm.Word)
	f.load(n, s, handNow, asm.DWord)
	f.store(ctl, ctlNow, n, asm.DWord)
	f.load(n, s, handCount, asm.Word)
	from, i := f.scalar(), f.ptr()
	f.mov(from, index)
	f.aluImm(asm.Mul, from, int64(m.made))
	loop, taken := f.newBlock(), f.newBlock()
	f.movImm(i, 0)
	f.freq = 4
	f.place(loop)
	f.branch(asm.JGE, i, n, taken)
	rec := f.elem(MapHandRecs, from, f.no)
	f.store(fp, 4, i, asm.Word)
	f.checked(f.no, asm.FnMapUpdateElem, argMap(MapJobs), argKey(4), argReg(rec), argImm(0))
	f.aluImm(asm.Add, from, 1)
	f.aluImm(asm.Add, i, 1)
	f.branchImm(asm.JLT, i, int64(min(m.made, m.jobs)), loop)
	f.freq = 1
	f.place(taken)
	f.load(is, s, handSeq, asm.DWord)
	f.branch(asm.JNE, is, seq, stale) // written again while we read
	f.store(ctl, ctlTail, i, asm.Word)
	f.tagsToBytes(ctx, failed)
	f.jump(f.yes)
	f.place(stale)
	f.lost(DropHandover)
	f.place(failed)
	f.storeImm(ctl, ctlTail, 0, asm.Word)
	f.lost(DropSetup)
	return f.end()
}

// lost counts a packet as dropped before its lengths are known, and returns 0.
func (f *mfunc) lost(reason int64) {
	if !f.o.Harness {
		r := f.scalar()
		f.movImm(r, reason)
		f.addTo(f.elem(MapDrops, r, f.no), 0, noReg)
	}
	f.jump(f.no)
}

// HandoverDispatcher is the program on tc of netdevs whose packets XDP sees: it
// takes what XDP handed over, and nothing else.
func HandoverDispatcher() *Object {
	b := newBuilder()
	obj := newObject(TC)
	for _, m := range DeviceMaps() {
		if m.Name == MapProgsTC || m.Name == MapDrops {
			obj.Maps = append(obj.Maps, m)
		}
	}
	ctx, meta, end, data, t, gen := b.ptr(), b.ptr(), b.ptr(), b.ptr(), b.scalar(), b.scalar()
	pass, drop, absent := b.newBlock(), b.newBlock(), b.newBlock()
	b.place(b.newBlock())
	b.emit(minst{op: mEntry, dst: ctx})
	b.load(meta, ctx, skbDataMeta, asm.Word)
	b.load(data, ctx, skbData, asm.Word)
	b.mov(end, meta)
	b.aluImm(asm.Add, end, metaSize)
	b.branch(asm.JGT, end, data, pass)
	b.load(t, meta, metaMagic, asm.Word)
	b.branchImm(asm.JNE, t, handMagic, pass)
	// Copies keep the metadata; nobody shall take them for this packet.
	b.storeImm(meta, metaMagic, 0, asm.Word)
	b.load(gen, meta, metaGen, asm.Word)
	b.load(t, meta, metaSlot, asm.Word)
	b.store(ctx, skbCB+4, t, asm.Word)
	b.load(t, meta, metaSeq, asm.Word)
	b.store(ctx, skbCB+8, t, asm.Word)
	b.load(t, meta, metaSeq+4, asm.Word)
	b.store(ctx, skbCB+12, t, asm.Word)
	b.storeCtx(ctx, skbCB, handMagic)
	slots := make([]*mblock, Generations)
	for i := range slots {
		slots[i] = b.newBlock()
		b.branchImm(asm.JEq, gen, int64(i), slots[i])
	}
	b.jump(drop)
	for i, s := range slots {
		b.place(s)
		b.call(noReg, asm.FnTailCall, argReg(ctx), argMap(MapProgsTC), argImm(int64(ProgSlot(uint8(i), StageMachine))))
		b.jump(drop)
	}
	// The generation is gone.
	b.place(drop)
	b.movImm(t, DropHandover)
	b.addTo(b.elem(MapDrops, t, absent), 0, noReg)
	b.place(absent)
	r := b.scalar()
	b.movImm(r, tcShot)
	b.exit(r)
	b.place(pass)
	b.movImm(r, tcUnspec)
	b.exit(r)
	obj.Insns = fixedProgram(b, "p4nic_handover", TC)
	return obj
}

// HandoverCB is what skb->cb holds for the machine when it takes over what lies in
// a slot: for harnesses, which have no hand-over program.
func HandoverCB(slot uint32, sequence uint64) [5]uint32 {
	return [5]uint32{handMagic, slot, uint32(sequence), uint32(sequence >> 32)}
}
