package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// What the packet is while jobs run. The first S bytes of the packet that came in
// (ctlSaved) are kept in MapOriginal; S covers what stages may reach, so the R
// bytes behind (ctlRest) are never changed, and at any time
//
//	skb = prefix + the first H of the R bytes
//
// where H (ctlHave) is less than R only after a copy was cut. A version of the
// packet is a prefix too: bytes of its own, then bytes T to E of the original.
// Making the packet a version is the deparser's splice: the prefix that is there
// is replaced by another. When a prefix is shorter than what stages may reach (a
// packet that came back with fewer headers), S grows.

// prefixLen gives the bytes of the packet before the rest, and all its bytes.
func (f *mfunc) prefixLen() (prefix, length vreg) {
	length = f.ptr()
	f.load(length, f.arg, skbLen, asm.Word)
	if f.o.StartOffset != 0 {
		f.aluImm(asm.Sub, length, int64(f.o.StartOffset))
	}
	prefix = f.plus(length, 0)
	f.alu(asm.Sub, prefix, f.word(f.ctl, ctlHave))
	return prefix, length
}

// toSKB gives an offset in the skb for one in the packet.
func (f *mfunc) toSKB(off vreg) vreg { return f.plus(off, int64(f.o.StartOffset)) }

// setup begins a packet: its start is saved, and it is version 0.
func (m *machine) setup(o *Options) *subprog {
	f := m.newFunc(o, fnSetup)
	// Lengths as stage 0 takes them.
	g := &gen{builder: f.builder, o: *o, need: needs{counts: true}, ctx: f.arg}
	g.o.Hook = TC
	g.tcLengths()
	ctl := f.ctl
	f.store(ctl, ctlSegs, g.segs, asm.DWord)
	f.store(ctl, ctlBytes, g.bytes, asm.DWord)
	saved, rest := f.ptr(), f.scalar()
	f.load(saved, f.arg, skbLen, asm.Word)
	if o.StartOffset != 0 {
		f.aluImm(asm.Sub, saved, int64(o.StartOffset))
	}
	f.mov(rest, saved)
	most, empty := f.scalar(), f.newBlock()
	f.movImm(most, int64(m.head))
	f.minOf(saved, most)
	f.store(ctl, ctlSaved, saved, asm.Word)
	ver := f.elemAt(MapVersions, 0, f.no)
	f.storeImm(ver, verLen, 0, asm.Word)
	f.storeImm(ver, verT, 0, asm.Word)
	f.store(ver, verE, rest, asm.Word)
	f.alu(asm.Sub, rest, saved)
	f.store(ctl, ctlRest, rest, asm.Word)
	f.store(ctl, ctlHave, rest, asm.Word)
	for _, off := range []int{ctlRuns, ctlVersion, ctlDirty, ctlFree, ctlFinal, ctlOutputs, ctlLack} {
		f.storeImm(ctl, off, 0, asm.Word)
	}
	f.storeImm(ctl, ctlNext, 1, asm.Word)
	f.storeImm(ctl, ctlTailAt, noCut, asm.Word)
	f.branchImm(asm.JEq, saved, 0, empty)
	orig := f.elemAt(MapOriginal, 0, f.no)
	f.checked(f.no, asm.FnSkbLoadBytes, argReg(f.arg), argImm(int64(o.StartOffset)), argReg(orig), argReg(f.bounded(saved, maxOriginal)))
	f.place(empty)
	now, read := f.scalar(), f.newBlock()
	f.load(now, ctl, ctlNow, asm.DWord)
	f.branchImm(asm.JNE, now, 0, read)
	if o.Harness {
		p := f.ptr()
		f.emit(minst{op: mValue, dst: p, name: MapResult})
		f.load(now, p, resNow, asm.DWord)
	} else {
		f.call(now, asm.FnKtimeGetNs)
	}
	f.store(ctl, ctlNow, now, asm.DWord)
	f.place(read)
	return f.end()
}

// restore makes the packet the version that the running job begins with. Where
// that fails the packet is counted as dropped, and the next job may try again.
func (m *machine) restore(o *Options) *subprog {
	f := m.newFunc(o, fnRestore)
	ctx, ctl := f.arg, f.ctl
	bad, changed := f.newBlock(), f.newBlock()
	rec := f.elem(MapJobs, f.word(ctl, ctlJob), f.no)
	v := f.word(rec, jobVersion)
	f.branchImm(asm.JNE, f.word(ctl, ctlDirty), 0, changed)
	f.branch(asm.JEq, f.word(ctl, ctlVersion), v, f.yes)
	f.place(changed)
	f.storeImm(ctl, ctlDirty, 1, asm.Word)
	ver := f.elem(MapVersions, v, bad)

	// The end first: shorter, or longer again. What a cut took from the prefix comes
	// back at its end too: more bytes in front would be headers to the kernel, into
	// which it cuts no packet.
	lack, intact := f.word(ctl, ctlLack), f.newBlock()
	f.branchImm(asm.JEq, lack, 0, intact)
	_, length := f.prefixLen()
	f.changeTail(f.at(length, lack), bad)
	f.storeImm(ctl, ctlLack, 0, asm.Word)
	f.place(intact)
	want, e, saved := f.ptr(), f.word(ver, verE), f.word(ctl, ctlSaved)
	none, ended, longer := f.newBlock(), f.newBlock(), f.newBlock()
	f.movImm(want, 0)
	f.branch(asm.JLE, e, saved, none)
	f.mov(want, e)
	f.alu(asm.Sub, want, saved)
	f.place(none)
	have := f.word(ctl, ctlHave)
	f.branch(asm.JEq, want, have, ended)
	f.branch(asm.JGT, want, have, longer)
	f.callFunc(fnKeep, ctx) // where it cannot, later jobs that want the end are lost
	prefix, _ := f.prefixLen()
	f.changeTail(f.at(prefix, want), bad)
	f.store(ctl, ctlHave, want, asm.Word)
	f.jump(ended)
	f.place(longer)
	prefix, _ = f.prefixLen()
	f.changeTail(f.at(prefix, want), bad)
	f.store(ctl, ctlHave, want, asm.Word)
	buf := f.elemAt(MapTail, 0, bad)
	from := f.plus(saved, 0)
	f.alu(asm.Sub, from, f.word(ctl, ctlTailAt))
	f.branchImm(asm.JGE, from, maxOriginal, bad)
	f.branchImm(asm.JGT, want, maxTail, bad)
	f.checked(bad, asm.FnSkbStoreBytes, argReg(ctx), argReg(f.toSKB(prefix)), argReg(f.at(buf, f.masked(from, maxOriginal))),
		argReg(f.bounded(want, maxTail)), argImm(0))
	f.jump(ended)

	// Then the start.
	f.place(ended)
	t, own := f.word(ver, verT), f.word(ver, verLen)
	orig := f.elemAt(MapOriginal, 0, bad)
	rest := f.plus(e, 0)
	f.minOf(rest, saved)
	f.alu(asm.Sub, rest, t) // bytes of the original: t to rest
	prefix, _ = f.prefixLen()
	long := f.at(own, rest)
	f.replaceHead(ver, orig, own, t, long, prefix, bad)
	whole, ownless := f.newBlock(), f.newBlock()
	f.branchImm(asm.JEq, own, 0, ownless)
	f.checked(bad, asm.FnSkbStoreBytes, argReg(ctx), argImm(int64(o.StartOffset)), argReg(f.plus(ver, verBytes)), argReg(f.bounded(own, m.version)), argImm(0))
	f.place(ownless)
	f.branchImm(asm.JEq, rest, 0, whole)
	f.checked(bad, asm.FnSkbStoreBytes, argReg(ctx), argReg(f.toSKB(own)), argReg(f.at(orig, f.masked(t, maxOriginal))),
		argReg(f.bounded(rest, maxOriginal)), argImm(0))
	f.place(whole)
	f.store(ctl, ctlVersion, v, asm.Word)
	f.storeImm(ctl, ctlDirty, 0, asm.Word)

	// What stages may reach must be saved.
	short := f.ptr()
	f.movImm(short, int64(m.head))
	f.branch(asm.JGE, long, short, f.yes)
	f.alu(asm.Sub, short, long)
	have = f.word(ctl, ctlHave)
	f.minOf(short, have)
	f.branchImm(asm.JEq, short, 0, f.yes)
	saved = f.word(ctl, ctlSaved)
	f.branchImm(asm.JGT, f.at(saved, short), maxOriginal, bad)
	f.checked(bad, asm.FnSkbLoadBytes, argReg(ctx), argReg(f.toSKB(long)), argReg(f.at(orig, f.masked(saved, maxOriginal))), argReg(f.bounded(short, maxOriginal)))
	f.alu(asm.Add, saved, short)
	f.store(ctl, ctlSaved, saved, asm.Word)
	f.alu(asm.Sub, have, short)
	f.store(ctl, ctlHave, have, asm.Word)
	left := f.word(ctl, ctlRest)
	f.alu(asm.Sub, left, short)
	f.store(ctl, ctlRest, left, asm.Word)
	f.jump(f.yes)

	f.place(bad)
	f.drop(DropCopy)
	f.jump(f.no)
	return f.end()
}

// changeTail gives the packet a length.
func (f *mfunc) changeTail(length vreg, bad *mblock) {
	f.checked(bad, asm.FnSkbChangeTail, argReg(f.arg), argReg(f.toSKB(length)), argImm(0))
}

// replaceHead makes room for a prefix of long bytes in place of one of prefix.
func (f *mfunc) replaceHead(ver, orig, own, t, long, prefix vreg, bad *mblock) {
	same, shrink := f.newBlock(), f.newBlock()
	d := f.scalar()
	f.mov(d, long)
	f.alu(asm.Sub, d, prefix)
	f.branchImm(asm.JEq, d, 0, same)
	f.branchImm(asm.JSLT, d, 0, shrink)
	f.checked(bad, asm.FnSkbChangeHead, argReg(f.arg), argReg(d), argImm(0))
	f.jump(same)
	f.place(shrink)
	f.shrinkHead(f.arg, d, long, f.o.StartOffset, shrinkName, func(plain *mblock) vreg {
		// Of the version's own bytes, or of the original's.
		typ, got, mine := f.scalar(), f.newBlock(), f.newBlock()
		f.branchImm(asm.JGE, own, ethLen, mine)
		f.branchImm(asm.JNE, own, 0, plain)
		f.branchImm(asm.JNE, t, 0, plain)
		f.load(typ, orig, ethType, asm.Half)
		f.jump(got)
		f.place(mine)
		f.load(typ, ver, verBytes+ethType, asm.Half)
		f.place(got)
		return typ
	}, bad)
	f.place(same)
}

// keep saves the bytes of the packet that came in behind those in MapOriginal,
// before the first copy is cut.
func (m *machine) keep(o *Options) *subprog {
	f := m.newFunc(o, fnKeep)
	f.branchImm(asm.JNE, f.word32(f.ctl, ctlTailAt), noCut, f.yes)
	have, rest := f.word(f.ctl, ctlHave), f.word(f.ctl, ctlRest)
	f.branch(asm.JNE, have, rest, f.no)
	f.branchImm(asm.JGT, rest, maxTail, f.no)
	nothing := f.newBlock()
	f.branchImm(asm.JEq, rest, 0, nothing)
	buf := f.elemAt(MapTail, 0, f.no)
	prefix, _ := f.prefixLen()
	f.checked(f.no, asm.FnSkbLoadBytes, argReg(f.arg), argReg(f.toSKB(prefix)), argReg(buf), argReg(f.bounded(rest, maxTail)))
	f.place(nothing)
	f.store(f.ctl, ctlTailAt, f.word(f.ctl, ctlSaved), asm.Word)
	return f.end()
}

// word32 loads a u32 as a signed number, so that noCut is an immediate operand.
func (f *mfunc) word32(base vreg, off int) vreg {
	r := f.word(base, off)
	f.aluImm(asm.LSh, r, 32)
	f.aluImm(asm.ArSh, r, 32)
	return r
}

// cutLen cuts length to what OpTrim left of the packet.
func (f *mfunc) cutLen(length vreg) { f.minOf(length, f.word(f.ctl, ctlCut)) }

// save makes the packet as it is now a version; 0 when there is no room.
func (m *machine) save(o *Options) *subprog {
	f := m.newFunc(o, fnSave)
	ctl := f.ctl
	v, fresh, got, first := f.ptr(), f.newBlock(), f.newBlock(), f.newBlock()
	f.load(v, ctl, ctlSaveVer, asm.Word)
	f.branchImm(asm.JEq, v, 0, first)
	ver := f.elem(MapVersions, v, f.no)
	refs := f.word(ver, verRefs)
	f.aluImm(asm.Add, refs, 1)
	f.store(ver, verRefs, refs, asm.Word)
	f.exit(v)

	f.place(first)
	free := f.word(ctl, ctlFree)
	f.branchImm(asm.JEq, free, 0, fresh)
	f.aluImm(asm.Sub, free, 1)
	f.store(ctl, ctlFree, free, asm.Word)
	p := f.masked(free, m.versions)
	f.aluImm(asm.LSh, p, 1)
	f.alu(asm.Add, p, ctl)
	f.load(v, p, ctlList, asm.Half)
	f.jump(got)
	f.place(fresh)
	f.load(v, ctl, ctlNext, asm.Word)
	f.branchImm(asm.JGE, v, int64(m.versions), f.no)
	f.store(ctl, ctlNext, f.plus(v, 1), asm.Word)
	f.place(got)
	ver = f.elem(MapVersions, v, f.no)
	prefix, length := f.prefixLen()
	saved := f.word(ctl, ctlSaved)
	f.cutLen(length)
	// Own bytes: the prefix, or what is left of it.
	end, inRest := f.plus(length, 0), f.newBlock()
	f.branch(asm.JGT, length, prefix, inRest)
	f.mov(prefix, length)
	f.place(inRest)
	f.alu(asm.Sub, end, prefix)
	f.alu(asm.Add, end, saved)
	f.store(ver, verT, saved, asm.Word)
	f.store(ver, verE, end, asm.Word)
	f.store(ver, verLen, prefix, asm.Word)
	f.storeImm(ver, verRefs, 1, asm.Word)
	full, empty := f.newBlock(), f.newBlock()
	f.branchImm(asm.JGT, prefix, int64(m.version), full)
	f.branchImm(asm.JEq, prefix, 0, empty)
	f.checked(full, asm.FnSkbLoadBytes, argReg(f.arg), argImm(int64(o.StartOffset)), argReg(f.plus(ver, verBytes)), argReg(f.bounded(prefix, m.version)))
	f.place(empty)
	f.store(ctl, ctlSaveVer, v, asm.Word)
	f.exit(v)
	// Back to the list: nobody has it.
	f.place(full)
	free = f.masked(f.word(ctl, ctlFree), m.versions)
	p = f.plus(free, 0)
	f.aluImm(asm.LSh, p, 1)
	f.alu(asm.Add, p, ctl)
	f.store(p, ctlList, v, asm.Half)
	f.aluImm(asm.Add, free, 1)
	f.store(ctl, ctlFree, free, asm.Word)
	f.jump(f.no)
	return f.end()
}

// newJob makes a job for the running one, as ssa.OpJob says; its handle, 0 when it
// is lost.
func (m *machine) newJob(o *Options) *subprog {
	f := m.newFunc(o, fnJob)
	ctl := f.ctl
	lost, found, version := f.newBlock(), f.newBlock(), f.newBlock()
	tail, head := f.word(ctl, ctlTail), f.word(ctl, ctlHead)
	n := f.plus(tail, 0)
	f.alu(asm.Sub, n, head)
	f.branchImm(asm.JGE, n, int64(m.jobs), lost)
	cur := f.elem(MapJobs, f.word(ctl, ctlJob), lost)
	length := f.word(cur, jobFrame+ssa.FrameLength)
	v, from := f.ptr(), f.word(ctl, ctlArgFrom)
	f.branchImm(asm.JEq, from, ssa.JobFound, found)
	f.emit(minst{op: mCall, dst: v, name: fnSave, args: []marg{argReg(f.arg)}})
	f.branchImm(asm.JEq, v, 0, lost)
	f.branchImm(asm.JNE, from, ssa.JobOwn, version)
	_, whole := f.prefixLen()
	f.cutLen(whole)
	f.mov(length, whole)
	f.jump(version)
	f.place(found)
	f.load(v, cur, jobVersion, asm.Word)
	f.branchImm(asm.JEq, v, 0, version)
	ver := f.elem(MapVersions, v, lost)
	refs := f.word(ver, verRefs)
	f.aluImm(asm.Add, refs, 1)
	f.store(ver, verRefs, refs, asm.Word)
	f.place(version)
	index := f.masked(tail, m.jobs)
	rec := f.elem(MapJobs, index, lost)
	f.aluImm(asm.Add, tail, 1)
	f.store(ctl, ctlTail, tail, asm.Word)
	f.store(rec, jobStage, f.word(ctl, ctlArgStage), asm.Word)
	f.store(rec, jobVersion, v, asm.Word)
	f.beginRecord(rec)
	f.store(rec, jobFrame+ssa.FrameLength, length, asm.Word)
	f.aluImm(asm.Add, index, 1)
	f.exit(index)
	f.place(lost)
	f.drop(DropCopies)
	f.jump(f.no)
	return f.end()
}

// beginRecord gives a job's record what every job begins with, but for stage,
// version and length.
func (b *builder) beginRecord(rec vreg) {
	b.storeImm(rec, jobKind, kindPlain, asm.Word)
	b.storeImm(rec, jobFrame+ssa.FramePort, 0, asm.Word)
	b.storeImm(rec, jobFrame+ssa.FrameInstance, 0, asm.Word)
	b.storeImm(rec, jobFrame+ssa.FrameCut, noCut, asm.Word)
	b.storeImm(rec, jobFrame+ssa.FrameClass, 0, asm.Word)
}
