package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Jobs in stage 0 lie in MapJobs on tc, where the machine follows at once, and in
// MapHandRecs on XDP, where it follows when the packet comes to tc. Between two
// packets both have none, so nothing need be cleared at the start of a packet.

// stageCode is a stage of the machine, with registers.
type stageCode struct {
	blocks   []*mblock
	as       *assignment
	keyArea  int
	spillOff int
}

// stage compiles stage i. subs are the functions that stages before it call; it
// returns them with its own.
func (m *machine) stage(i int, f *ssa.Func, o Options, subs []*subprog) (stageCode, []*subprog, error) {
	for _, spill := range []bool{false, true} {
		g := newGen(f, m.l, o, spill)
		g.mach, g.stage, g.subs = m, i+1, append([]*subprog(nil), subs...)
		if err := g.selectCode(); err != nil {
			return stageCode{}, nil, err
		}
		as, blocks, err := g.registers(machineStack)
		if err == errStackFull && !spill {
			continue
		}
		if err != nil {
			return stageCode{}, nil, err
		}
		return stageCode{blocks, as, (g.keyMax + 7) &^ 7, g.spillOff}, g.subs, nil
	}
	return stageCode{}, nil, fmt.Errorf("internal fault in backend/ebpf: stage %s has no end", f.Name)
}

// machineStack is the stack that main, batch and step have in use when a stage
// runs; machineObject checks it.
const machineStack = 160

// enterStage reads what the machine left for the stage.
func (g *gen) enterStage() {
	g.useMap(MapMachine)
	g.useMap(MapJobs)
	g.ctl = g.elemAt(MapMachine, 0, g.nextBlk)
	g.frame = g.elem(MapJobs, g.word(g.ctl, ctlJob), g.nextBlk)
}

// machElem looks up a map of the machine.
func (g *gen) machElem(name string, index vreg) vreg {
	g.useMap(name)
	return g.elem(name, index, g.abortBlk)
}

func (g *gen) machElemAt(name string, index int64) vreg {
	g.useMap(name)
	return g.elemAt(name, index, g.abortBlk)
}

// stageLengths sets lengths and counts. The frame that came in counts, but for
// what was made a frame of its own (ssa.JobOwn).
func (g *gen) stageLengths() {
	g.pktLen, g.segs, g.bytes, g.wireLen = g.scalar(), g.scalar(), g.scalar(), g.scalar()
	g.load(g.pktLen, g.ctx, skbLen, asm.Word)
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Sub, g.pktLen, int64(g.o.StartOffset))
	}
	came, t, own := g.scalar(), g.scalar(), g.newBlock()
	g.load(came, g.ctl, ctlSaved, asm.Word)
	g.load(t, g.ctl, ctlRest, asm.Word)
	g.alu(asm.Add, came, t)
	g.load(g.segs, g.ctl, ctlSegs, asm.DWord)
	g.load(g.bytes, g.ctl, ctlBytes, asm.DWord)
	g.load(g.wireLen, g.frame, jobFrame+ssa.FrameLength, asm.Word)
	g.branchImm(asm.JNE, g.wireLen, 0, own)
	g.mov(g.wireLen, came)
	g.place(own)
	g.mov(t, g.wireLen)
	g.alu(asm.Sub, t, came)
	g.alu(asm.Mul, t, g.segs)
	g.alu(asm.Add, g.bytes, t)
}

// stageEnd are the ends of a stage: 1 for an output, 0 for none.
func (g *gen) stageEnd() {
	g.place(g.outBlock)
	g.store(g.ctl, ctlPort, g.outPort, asm.Word)
	g.returnImm(1)
	for _, f := range g.todo {
		f()
	}
	g.place(g.abortBlk)
	g.movImm(g.reason, DropInternal)
	g.jump(g.dropBlk)
	g.place(g.dropBlk)
	if g.o.Harness {
		quiet := g.newBlock()
		g.branchImm(asm.JEq, g.reason, int64(ssa.DropProgram), quiet)
		p := g.ptr()
		g.emit(minst{op: mValue, dst: p, name: g.useMap(MapResult)})
		g.store(p, resReason, g.reason, asm.Word)
		g.place(quiet)
	} else {
		g.countDropped()
	}
	g.place(g.passBlk)
	g.place(g.nextBlk)
	g.returnImm(0)
}

// stageTrim notes where the output is cut: the bytes are still those of others.
func (g *gen) stageTrim(v *ssa.Value) {
	n := g.use(v.Args[0])
	ok, done := g.scalar(), g.newBlock()
	g.vals[v] = ok
	g.movImm(ok, 1)
	g.branch(asm.JLE, g.curLen, n, done)
	g.mov(g.curLen, n)
	g.store(g.ctl, ctlCut, n, asm.Word)
	g.jump(done)
	g.place(done)
}

// frameCell reads the running job's frame.
func (g *gen) frameCell(v *ssa.Value) {
	size := asm.DWord
	if v.Aux < ssa.FrameCells {
		size = asm.Word
	}
	g.load(g.result(v), g.frame, jobFrame+int(v.Aux), size)
}

// job makes a job; its record's address is kept for the stores that follow in the
// block.
func (g *gen) job(v *ssa.Value) {
	r, rec := g.result(v), g.ptr()
	g.jobs[v] = rec
	lost, done := g.newBlock(), g.newBlock()
	switch {
	case g.stage > 0:
		g.storeImm(g.ctl, ctlArgStage, int64(v.Aux), asm.Word)
		g.storeImm(g.ctl, ctlArgFrom, int64(v.N), asm.Word)
		g.emit(minst{op: mCall, dst: r, name: fnJob, args: []marg{argReg(g.ctx)}})
		g.branchImm(asm.JEq, r, 0, lost)
		index := g.scalar()
		g.mov(index, r)
		g.aluImm(asm.Sub, index, 1)
		g.mov(rec, g.machElem(MapJobs, index))
		g.jump(done)
		g.place(lost)
		g.mov(rec, g.machElemAt(MapJobs, int64(g.mach.jobs)))
	case g.o.Hook == TC:
		ctl := g.machElemAt(MapMachine, 0)
		g.load(r, ctl, ctlTail, asm.Word)
		g.branchImm(asm.JGE, r, int64(g.mach.jobs), lost)
		g.mov(rec, g.machElem(MapJobs, r))
		g.aluImm(asm.Add, r, 1)
		g.store(ctl, ctlTail, r, asm.Word)
		g.jump(done)
		g.place(lost)
		g.countLost()
		g.movImm(r, 0)
		g.mov(rec, g.machElemAt(MapJobs, int64(g.mach.jobs)))
	default:
		h := g.machElemAt(MapHandCtl, 0)
		g.load(r, h, hctlCount, asm.Word)
		slot, following := g.handSlot(h), g.newBlock()
		g.branchImm(asm.JNE, r, 0, following)
		g.storeImm(g.machElem(MapHandover, slot), handSeq, 0, asm.DWord) // what was there is gone
		g.place(following)
		g.branchImm(asm.JGE, r, int64(g.mach.made), lost)
		index := g.scalar()
		g.mov(index, slot)
		g.aluImm(asm.Mul, index, int64(g.mach.made))
		g.alu(asm.Add, index, r)
		g.mov(rec, g.machElem(MapHandRecs, index))
		g.aluImm(asm.Add, r, 1)
		g.store(h, hctlCount, r, asm.Word)
		g.jump(done)
		g.place(lost)
		g.countLost()
		g.movImm(r, 0)
		g.mov(rec, g.machElemAt(MapHandRecs, int64(g.mach.handRecs())))
	}
	g.place(done)
	if g.stage == 0 {
		g.storeImm(rec, jobStage, int64(v.Aux), asm.Word)
		g.storeImm(rec, jobVersion, 0, asm.Word)
		g.beginRecord(rec)
		if v.N == ssa.JobOwn {
			g.store(rec, jobFrame+ssa.FrameLength, g.pktLen, asm.Word)
		} else {
			g.storeImm(rec, jobFrame+ssa.FrameLength, 0, asm.Word)
		}
	}
}

// countLost counts a job of stage 0 for which there was no room.
func (g *gen) countLost() {
	if g.o.Harness {
		return
	}
	absent, r := g.newBlock(), g.scalar()
	g.movImm(r, DropCopies)
	p := g.element(MapDrops, r, absent)
	g.addTo(p, 0, g.segs)
	g.addTo(p, 8, g.bytes)
	g.place(absent)
}

// jobRecord gives the record of a job of this block.
func (g *gen) jobRecord(v *ssa.Value) vreg {
	rec, ok := g.jobs[v.Args[0]]
	if !ok {
		if g.err == nil {
			g.err = fmt.Errorf("internal fault in backend/ebpf: v%d stores to no job of its block", v.ID)
		}
		rec = g.ptr()
		g.movImm(rec, 0)
	}
	return rec
}

func (g *gen) jobStore(v *ssa.Value) {
	rec, x := g.jobRecord(v), v.Args[1]
	size := asm.DWord
	if v.Aux < ssa.FrameCells {
		size = asm.Word
	}
	if c, ok := small(x); ok && (size == asm.Word || c >= 0) {
		g.storeImm(rec, jobFrame+int(v.Aux), c, size)
		return
	}
	g.store(rec, jobFrame+int(v.Aux), g.use(x), size)
}

// replicate notes the group or session, which the machine looks up when the job's
// turn comes, and tells whether it has replicas.
func (g *gen) replicate(v *ssa.Value) {
	rec, id := g.jobRecord(v), g.use(v.Args[1])
	kind := int64(kindGroup)
	if v.N == ssa.ReplicateSession {
		kind = kindSession
	}
	g.storeImm(rec, jobKind, kind, asm.Word)
	g.store(rec, jobID, id, asm.Word)
	r := g.result(v)
	if g.nuses[v] == 0 {
		return
	}
	some, none, done := g.newBlock(), g.newBlock(), g.newBlock()
	g.branchImm(asm.JEq, g.use(v.Args[0]), 0, none)
	if v.N == ssa.ReplicateSession {
		g.useMap(MapSessions)
		g.useMap(MapRows)
		base, count := g.rangeOf(MapSessions, id, none)
		g.branchImm(asm.JGT, count, 1, some)
		row := g.elem(MapRows, base, none)
		id = g.word(row, rowPort)
		g.branchImm(asm.JEq, id, 0, none)
	}
	g.useMap(MapGroups)
	g.rangeOf(MapGroups, id, none)
	g.jump(some)
	g.place(some)
	g.movImm(r, 1)
	g.jump(done)
	g.place(none)
	g.movImm(r, 0)
	g.place(done)
}

// fork ends stage 0 with jobs: the machine goes on, or the packet goes up to tc.
// Without jobs the packet ends here.
func (g *gen) fork() {
	g.place(g.nextBlk)
	empty := g.newBlock()
	if g.o.Hook == XDP {
		g.handOver(empty)
	} else {
		ctl := g.machElemAt(MapMachine, 0)
		g.branchImm(asm.JEq, g.word(ctl, ctlTail), 0, empty)
		g.store(ctl, ctlIngress, g.ingress, asm.Word)
		if g.need.now {
			g.store(ctl, ctlNow, g.now, asm.DWord)
		} else {
			g.storeImm(ctl, ctlNow, 0, asm.DWord)
		}
		g.storeCtx(g.ctx, skbCB, 0)
		slot := g.perGeneration(func(k uint8) int64 { return int64(ProgSlot(k, StageMachine)) })
		g.call(noReg, asm.FnTailCall, argReg(g.ctx), argMap(g.useMap(MapProgsTC)), argReg(slot))
		g.storeImm(g.machElemAt(MapMachine, 0), ctlTail, 0, asm.Word)
		g.jump(g.abortBlk)
	}
	g.place(empty)
	if g.o.Harness {
		g.movImm(g.reason, int64(ssa.DropProgram))
		g.harnessResult(VerdictDrop)
	} else {
		g.shot()
	}
}

// forgetJobs drops what jobs there are, where stage 0 ends otherwise.
func (g *gen) forgetJobs() {
	absent := g.newBlock()
	if g.o.Hook == XDP {
		g.useMap(MapHandCtl)
		g.storeImm(g.elemAt(MapHandCtl, 0, absent), hctlCount, 0, asm.Word)
	} else {
		g.useMap(MapMachine)
		g.storeImm(g.elemAt(MapMachine, 0, absent), ctlTail, 0, asm.Word)
	}
	g.place(absent)
}

// StageMachine is the machine's stage in a program array (D3).
const StageMachine = 1

// forks tells whether stage 0 may leave jobs.
func forks(f *ssa.Func) bool { return len(f.Stages) > 0 }
