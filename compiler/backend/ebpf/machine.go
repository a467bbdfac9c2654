package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// The machine is the second program of a Func with stages. Stage 0, at XDP or tc,
// leaves jobs and goes there when a packet needs more than to be sent once; it
// runs the jobs one by one, each a stage of the Func, a global function that the
// verifier walks once, and sends what comes out of them. The packet itself is one
// skb all the time: before a job runs, it is made the version of the packet that
// the job begins with (machine_packet.go), and every output but the last is a
// clone.
//
// main -> p4nic_batch -> p4nic_step -> p4nic_restore, a stage, p4nic_emit. Two
// nested loops of 64 rounds, because the verifier follows each round of a loop.

// machineRounds is the number of rounds of each of the two loops.
const machineRounds = 64

// Names of the machine's functions.
const (
	fnBatch   = "p4nic_batch"
	fnStep    = "p4nic_step"
	fnSetup   = "p4nic_setup"
	fnImport  = "p4nic_import"
	fnRestore = "p4nic_restore"
	fnKeep    = "p4nic_keep"
	fnSave    = "p4nic_save"
	fnJob     = "p4nic_job"
	fnEmit    = "p4nic_emit"
)

func stageName(i int) string { return fmt.Sprintf("p4nic_stage_%d", i) }

// mfunc is a function of the machine while it is written.
type mfunc struct {
	*subprog
	m   *machine
	o   *Options
	ctl vreg    // the control block
	no  *mblock // returns 0
	yes *mblock // returns 1
}

// newFunc starts a function of the machine, which looks up the control block.
func (m *machine) newFunc(o *Options, name string) *mfunc {
	s := newSubprog(name, contextType(TC))
	s.what = "copies"
	f := &mfunc{subprog: s, m: m, o: o, no: s.newBlock(), yes: s.newBlock()}
	f.ctl = s.elemAt(MapMachine, 0, f.no)
	return f
}

// end writes the two returns.
func (f *mfunc) end() *subprog {
	r := f.scalar()
	f.jump(f.yes)
	f.place(f.yes)
	f.movImm(r, 1)
	f.exit(r)
	f.place(f.no)
	f.movImm(r, 0)
	f.exit(r)
	return f.subprog
}

// elem looks an index up in an array; absent is where to go beyond its end.
func (b *builder) elem(name string, index vreg, absent *mblock) vreg {
	b.store(fp, 0, index, asm.Word)
	return b.elemKey(name, absent)
}

func (b *builder) elemAt(name string, index int64, absent *mblock) vreg {
	b.storeImm(fp, 0, index, asm.Word)
	return b.elemKey(name, absent)
}

func (b *builder) elemKey(name string, absent *mblock) vreg {
	p := b.ptr()
	b.call(p, asm.FnMapLookupElem, argMap(name), argKey(0))
	b.branchImm(asm.JEq, p, 0, absent)
	return p
}

// word loads a u32.
func (b *builder) word(base vreg, off int) vreg {
	r := b.ptr() // many of them become bounds
	b.load(r, base, off, asm.Word)
	return r
}

// callFunc calls a function of the program with the context.
func (b *builder) callFunc(name string, ctx vreg) vreg {
	r := b.scalar()
	b.emit(minst{op: mCall, dst: r, name: name, args: []marg{argReg(ctx)}})
	return r
}

// minOf sets dst to the smaller of the two.
func (b *builder) minOf(dst, x vreg) {
	less := b.newBlock()
	b.branch(asm.JLE, dst, x, less)
	b.mov(dst, x)
	b.place(less)
}

// bounded gives n, which is 1 to limit, a power of 2, with that bound known to
// the verifier.
func (b *builder) bounded(n vreg, limit int) vreg {
	t := b.ptr()
	b.mov(t, n)
	b.aluImm(asm.Sub, t, 1)
	b.aluImm(asm.And, t, int64(limit-1))
	b.aluImm(asm.Add, t, 1)
	return t
}

// masked gives n, below limit, a power of 2, with that bound known.
func (b *builder) masked(n vreg, limit int) vreg {
	t := b.ptr()
	b.mov(t, n)
	b.aluImm(asm.And, t, int64(limit-1))
	return t
}

// at gives p + off.
func (b *builder) at(p, off vreg) vreg {
	t := b.ptr()
	b.mov(t, p)
	b.alu(asm.Add, t, off)
	return t
}

// plus gives x + n.
func (b *builder) plus(x vreg, n int64) vreg {
	t := b.ptr()
	b.mov(t, x)
	if n != 0 {
		b.aluImm(asm.Add, t, n)
	}
	return t
}

// drop counts the packet as dropped, as it was counted last.
func (f *mfunc) drop(reason int64) {
	r := f.scalar()
	f.movImm(r, reason)
	f.dropFor(r)
}

func (f *mfunc) dropFor(reason vreg) {
	done := f.newBlock()
	if f.o.Harness {
		f.branchImm(asm.JEq, reason, int64(ssa.DropProgram), done)
		p := f.ptr()
		f.emit(minst{op: mValue, dst: p, name: MapResult})
		f.store(p, resReason, reason, asm.Word)
		f.place(done)
		return
	}
	segs, bytes, ingress := f.scalar(), f.scalar(), f.word(f.ctl, ctlIngress)
	f.load(segs, f.ctl, ctlSegs, asm.DWord)
	f.load(bytes, f.ctl, ctlBytes, asm.DWord)
	p := f.elem(MapDrops, reason, done)
	f.addTo(p, 0, segs)
	f.addTo(p, 8, bytes)
	p = f.elem(MapPortStats, ingress, done)
	f.addTo(p, 32, segs)
	f.place(done)
}

// batch runs up to machineRounds jobs; 0 when none is left.
func (m *machine) batch() *subprog {
	s := newSubprog(fnBatch, contextType(TC))
	s.what = "copies"
	s.rounds(fnStep, s.arg)
	r := s.scalar()
	s.movImm(r, 1)
	s.exit(r)
	return s
}

// rounds calls a function until it gives 0, then returns that, or goes on behind
// machineRounds of them.
func (b *builder) rounds(name string, ctx vreg) {
	loop, done, over := b.newBlock(), b.newBlock(), b.newBlock()
	i := b.ptr()
	b.movImm(i, 0)
	b.freq = machineRounds
	b.place(loop)
	r := b.callFunc(name, ctx)
	b.branchImm(asm.JEq, r, 0, done)
	b.aluImm(asm.Add, i, 1)
	b.branchImm(asm.JLT, i, machineRounds, loop)
	b.freq = 1
	b.jump(over)
	b.place(done)
	z := b.scalar()
	b.movImm(z, 0)
	b.exit(z)
	b.place(over)
}

// step runs one job, or for one that is replicated one replica.
func (m *machine) step(o *Options) *subprog {
	f := m.newFunc(o, fnStep)
	ctx, ctl := f.arg, f.ctl
	run, pop, kept, over := f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock()
	head, tail, runs := f.word(ctl, ctlHead), f.word(ctl, ctlTail), f.word(ctl, ctlRuns)
	f.branch(asm.JEq, head, tail, f.no)
	f.branchImm(asm.JGE, runs, ir.MaxCopies, over)
	f.aluImm(asm.Add, runs, 1)
	f.store(ctl, ctlRuns, runs, asm.Word)
	index := f.masked(head, m.jobs)
	f.store(ctl, ctlJob, index, asm.Word)
	rec := f.elem(MapJobs, index, f.no)
	result := f.scalar()
	f.movImm(result, 0)
	f.nextReplica(rec, run, pop)

	f.place(run)
	// Where the version cannot be restored, the copy was counted as dropped.
	ok := f.callFunc(fnRestore, ctx)
	ran := f.newBlock()
	f.branchImm(asm.JEq, ok, 0, ran)
	f.storeImm(ctl, ctlCut, noCut, asm.Word)
	f.storeImm(ctl, ctlSaveVer, 0, asm.Word)
	stage := f.word(rec, jobStage)
	var calls []*mblock
	for i := range m.f.Stages {
		calls = append(calls, f.newBlock())
		f.branchImm(asm.JEq, stage, int64(i), calls[i])
	}
	// One that only waited for its output.
	f.branchImm(asm.JNE, stage, int64(len(m.f.Stages)), ran)
	f.store(ctl, ctlPort, f.word(rec, jobFrame+ssa.FramePort), asm.Word)
	f.movImm(result, 1)
	f.jump(ran)
	for i, s := range m.f.Stages {
		f.place(calls[i])
		if changes(s) {
			f.storeImm(ctl, ctlDirty, 1, asm.Word)
		}
		f.emit(minst{op: mCall, dst: result, name: stageName(i), args: []marg{argReg(ctx)}})
		f.jump(ran)
	}
	f.place(ran)
	kind := f.word(rec, jobKind)
	f.branchImm(asm.JEq, kind, kindPlain, pop)
	left, more := f.word(rec, jobLeft1), f.word(rec, jobLeft2)
	f.alu(asm.Or, left, more)
	f.branchImm(asm.JNE, left, 0, kept)

	f.place(pop)
	head = f.word(ctl, ctlHead)
	f.aluImm(asm.Add, head, 1)
	f.store(ctl, ctlHead, head, asm.Word)
	f.release(rec, kept)
	f.place(kept)
	f.branchImm(asm.JEq, result, 0, f.yes)
	f.callFunc(fnEmit, ctx)
	f.jump(f.yes)

	// Too many: what is left is lost.
	f.place(over)
	f.drop(DropCopies)
	f.store(ctl, ctlHead, tail, asm.Word)
	f.jump(f.no)
	return f.end()
}

// nextReplica goes to run with port and instance of the job's next replica in its
// frame, or to none. A job without replication runs as it is.
func (f *mfunc) nextReplica(rec vreg, run, none *mblock) {
	resolved, group, second, take := f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock()
	kind := f.word(rec, jobKind)
	f.branchImm(asm.JEq, kind, kindPlain, run)
	f.branchImm(asm.JEq, kind, kindResolved, resolved)
	// First: the groups as they are now; all rows stay for as long as we run.
	f.storeImm(rec, jobKind, kindResolved, asm.Word)
	f.storeImm(rec, jobLeft1, 0, asm.Word)
	f.storeImm(rec, jobLeft2, 0, asm.Word)
	id := f.word(rec, jobID)
	f.branchImm(asm.JEq, kind, kindGroup, group)
	base, count := f.rangeOf(MapSessions, id, none)
	row := f.elem(MapRows, base, none)
	f.load(id, row, rowPort, asm.Word)
	cut, whole := f.word(row, rowCut), f.newBlock()
	f.branchImm(asm.JNE, cut, 0, whole)
	f.movImm(cut, noCut)
	f.place(whole)
	f.store(rec, jobFrame+ssa.FrameCut, cut, asm.Word)
	class := f.scalar()
	f.load(class, row, rowClass, asm.Half)
	f.store(rec, jobFrame+ssa.FrameClass, class, asm.Word)
	f.aluImm(asm.Add, base, 1)
	f.aluImm(asm.Sub, count, 1)
	f.store(rec, jobBase2, base, asm.Word)
	f.store(rec, jobLeft2, count, asm.Word)
	f.branchImm(asm.JEq, id, 0, resolved)
	f.place(group)
	base, count = f.rangeOf(MapGroups, id, resolved)
	f.store(rec, jobBase1, base, asm.Word)
	f.store(rec, jobLeft1, count, asm.Word)

	f.place(resolved)
	at := f.ptr()
	left := f.word(rec, jobLeft1)
	f.branchImm(asm.JEq, left, 0, second)
	f.advance(rec, jobBase1, jobLeft1, at, left)
	f.jump(take)
	f.place(second)
	left = f.word(rec, jobLeft2)
	f.branchImm(asm.JEq, left, 0, none)
	f.advance(rec, jobBase2, jobLeft2, at, left)
	f.place(take)
	row = f.elem(MapRows, at, none)
	f.store(rec, jobFrame+ssa.FramePort, f.word(row, rowPort), asm.Word)
	instance := f.scalar()
	f.load(instance, row, rowInstance, asm.Half)
	f.store(rec, jobFrame+ssa.FrameInstance, instance, asm.Word)
	f.jump(run)
}

// advance takes a row: its index goes to at.
func (f *mfunc) advance(rec vreg, baseOff, leftOff int, at, left vreg) {
	f.load(at, rec, baseOff, asm.Word)
	f.store(rec, baseOff, f.plus(at, 1), asm.Word)
	f.aluImm(asm.Sub, left, 1)
	f.store(rec, leftOff, left, asm.Word)
}

// rangeOf reads the rows of a group or session; none is where to go without.
func (b *builder) rangeOf(name string, id vreg, none *mblock) (base, count vreg) {
	p := b.elem(name, id, none)
	base, count = b.ptr(), b.ptr()
	b.load(base, p, 0, asm.DWord)
	b.branchImm(asm.JEq, base, 0, none)
	b.mov(count, base)
	b.mask(count, 32)
	b.aluImm(asm.RSh, base, 32)
	return base, count
}

// release gives up the job's version. It falls through.
func (f *mfunc) release(rec vreg, done *mblock) {
	v := f.word(rec, jobVersion)
	f.branchImm(asm.JEq, v, 0, done)
	ver := f.elem(MapVersions, v, done)
	refs := f.word(ver, verRefs)
	f.aluImm(asm.Sub, refs, 1)
	f.store(ver, verRefs, refs, asm.Word)
	f.branchImm(asm.JNE, refs, 0, done)
	n := f.masked(f.word(f.ctl, ctlFree), f.m.versions)
	p := f.plus(n, 0)
	f.aluImm(asm.LSh, p, 1)
	f.alu(asm.Add, p, f.ctl)
	f.store(p, ctlList, v, asm.Half)
	f.aluImm(asm.Add, n, 1)
	f.store(f.ctl, ctlFree, n, asm.Word)
}

// changes tells whether a stage may change the packet.
func changes(f *ssa.Func) bool {
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			if writesPacket(v.Op) {
				return true
			}
		}
	}
	return false
}

// main is the program: what came from XDP is taken over, then jobs run until none
// is left, and the last output leaves.
func (m *machine) main(o *Options) *subprog {
	s := newSubprog(identifier(m.f.Name)+"_copies", contextType(TC))
	s.what = "copies"
	f := &mfunc{subprog: s, m: m, o: o, no: s.newBlock(), yes: s.newBlock()}
	ctx := f.arg
	own, loop, shot := f.newBlock(), f.newBlock(), f.newBlock()
	cb := f.word(ctx, skbCB)
	f.branchImm(asm.JNE, cb, handMagic, own)
	f.storeCtx(ctx, skbCB, 0)
	r := f.callFunc(fnImport, ctx)
	f.branchImm(asm.JEq, r, 0, shot)
	f.place(own)
	r = f.callFunc(fnSetup, ctx)
	f.branchImm(asm.JEq, r, 0, shot)
	i, done := f.ptr(), f.newBlock()
	f.movImm(i, 0)
	f.freq = machineRounds
	f.place(loop)
	r = f.callFunc(fnBatch, ctx)
	f.branchImm(asm.JEq, r, 0, done)
	f.aluImm(asm.Add, i, 1)
	f.branchImm(asm.JLT, i, machineRounds, loop)
	f.freq = 1
	f.place(done)
	f.ctl = f.elemAt(MapMachine, 0, shot)
	f.storeImm(f.ctl, ctlHead, 0, asm.Word)
	f.storeImm(f.ctl, ctlTail, 0, asm.Word)
	if o.Harness {
		p := f.ptr()
		f.emit(minst{op: mValue, dst: p, name: MapResult})
		f.store(p, resPort, f.word(f.ctl, ctlOutputs), asm.Word)
		f.storeImm(p, resVerdict, VerdictCopies, asm.Word)
	} else {
		final, dev := f.word(f.ctl, ctlFinal), f.word(f.ctl, ctlFinalDev)
		host := f.newBlock()
		f.branchImm(asm.JEq, final, finalNone, shot)
		f.branchImm(asm.JEq, final, finalHost, host)
		r := f.scalar()
		f.call(r, asm.FnRedirect, argReg(dev), argImm(0))
		f.exit(r)
		f.place(host)
		f.storeCtx(ctx, skbTCIndex, hostMark)
		r = f.scalar()
		f.call(r, asm.FnRedirect, argReg(dev), argImm(bpfIngress))
		f.exit(r)
	}
	f.place(shot)
	r = f.scalar()
	f.movImm(r, tcShot)
	f.exit(r)
	return s
}

// machineObject compiles the machine.
func machineObject(m *machine, o Options) (*Object, error) {
	o.Hook = TC
	var fns []stageCode
	var subs []*subprog
	var err error
	for i, s := range m.f.Stages {
		var c stageCode
		if c, subs, err = m.stage(i, s, o, subs); err != nil {
			return nil, err
		}
		fns = append(fns, c)
	}
	own := []*subprog{m.main(&o), m.batch(), m.step(&o), m.setup(&o), m.importer(&o), m.restore(&o), m.keep(&o), m.save(&o), m.newJob(&o), m.emitter(&o)}
	if !hasSub(subs, shrinkName) {
		own = append(own, shrinkSubprog())
	}
	var blocks []*mblock
	for _, s := range own {
		if s.as == nil && !s.allocate(!o.Off["coalesce"]) {
			return nil, fmt.Errorf("internal fault in backend/ebpf: %s needs too much stack", s.name)
		}
		blocks = append(blocks, s.blocks...)
	}
	if machineFrames(own[:3]) > machineStack || machineFrames(own[7:9]) > jobStack {
		return nil, fmt.Errorf("internal fault in backend/ebpf: the machine's functions take %d and %d bytes of stack", machineFrames(own[:3]), machineFrames(own[7:9]))
	}
	for _, c := range fns {
		blocks = append(blocks, c.blocks...)
	}
	lines, err := newLineTable(m.l.Prog, blocks, subs)
	if err != nil {
		return nil, err
	}
	obj := newObject(TC)
	var code []asm.Instructions
	add := func(s *subprog) error {
		insns, err := s.instructions(lines, !o.Off["slots"])
		if err != nil {
			return unsupported(m.l.Prog, s.pos, s.what, err.Error(), "")
		}
		code = append(code, insns)
		return nil
	}
	for _, s := range own {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	spill := 0
	for i, c := range fns {
		e := &emitter{as: c.as, keyBase: -c.keyArea, spillOff: c.spillOff, slots: !o.Off["slots"], source: lines.source}
		if err := e.program(c.blocks); err != nil {
			return nil, unsupported(m.l.Prog, ir.Pos{}, "program "+m.f.Name, err.Error(), "")
		}
		code = append(code, function(e.out, stageName(i), TC))
		obj.StackSlots, obj.MapSlots = max(obj.StackSlots, c.as.stack), max(obj.MapSlots, c.as.mapSlots)
		spill = max(spill, c.spillOff+8*c.as.mapSlots)
	}
	for _, s := range subs {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	obj.Insns = called(code)
	obj.Maps = m.referenced(obj.Insns, spill)
	if n := len(obj.Maps); n > maxMaps {
		return nil, unsupported(m.l.Prog, ir.Pos{}, "program "+m.f.Name, fmt.Sprintf("its copies need %d kernel maps, a program can use %d", n, maxMaps),
			"merge tables, or leave out direct counters")
	}
	return obj, nil
}

// called joins the functions that the first one calls, directly or not: the kernel
// takes no others.
func called(code []asm.Instructions) asm.Instructions {
	byName := map[string]asm.Instructions{}
	for _, c := range code {
		byName[c[0].Symbol()] = c
	}
	used := map[string]bool{}
	work := []string{code[0][0].Symbol()}
	for len(work) > 0 {
		name := work[len(work)-1]
		work = work[:len(work)-1]
		if used[name] || byName[name] == nil {
			continue
		}
		used[name] = true
		for i := range byName[name] {
			if ins := &byName[name][i]; ins.IsFunctionCall() {
				work = append(work, ins.Reference())
			}
		}
	}
	var out asm.Instructions
	for _, c := range code {
		if used[c[0].Symbol()] {
			out = append(out, c...)
		}
	}
	return out
}

func hasSub(subs []*subprog, name string) bool {
	for _, s := range subs {
		if s.name == name {
			return true
		}
	}
	return false
}

// referenced lists the maps that instructions refer to, in order of first use.
func (m *machine) referenced(insns asm.Instructions, scratch int) []*MapSpec {
	byName := map[string]*MapSpec{MapScratch: scratchMap(uint32(scratch)), MapResult: resultMap(), MapOutputs: outputsMap()}
	for _, list := range [][]*MapSpec{m.l.Maps(), DeviceMaps(), m.specs()} {
		for _, s := range list {
			byName[s.Name] = s
		}
	}
	var out []*MapSpec
	seen := map[string]bool{}
	for i := range insns {
		name := insns[i].Reference()
		if s := byName[name]; s != nil && !seen[name] {
			seen[name] = true
			out = append(out, s)
		}
	}
	return out
}

// machineFrames is the stack of what runs a stage: main, batch and step.
func machineFrames(own []*subprog) int {
	n := 0
	for _, s := range own {
		n += s.frame()
	}
	return n
}

// jobStack bounds the stack of p4nic_job and of p4nic_save, which it calls.
const jobStack = 128
