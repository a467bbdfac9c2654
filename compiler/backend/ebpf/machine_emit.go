package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

const (
	skbTCIndex = 44
	bpfIngress = 1 // BPF_F_INGRESS
	// hostMark is skb->tc_index of copies for the host. They enter the ingress
	// netdev again, so that the kernel makes of them what it makes of a frame, and
	// the dispatcher lets them pass and clears the field. Unlike skb->mark it has no
	// users at ingress.
	hostMark = 0x5039
)

// emitter sends the packet that a stage made to ctlPort, cut to ctlCut: a clone,
// or the packet itself when no job is left.
func (m *machine) emitter(o *Options) *subprog {
	f := m.newFunc(o, fnEmit)
	ctx, ctl := f.arg, f.ctl
	port := f.word(ctl, ctlPort)
	if o.Harness {
		f.harnessOutput(port)
		return f.end()
	}
	reason := f.scalar()
	dropped, host, found, last, sent, toHost := f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock()
	cpu, lastHost := f.newBlock(), f.newBlock()
	dev := f.ptr()
	f.movImm(reason, int64(ssa.DropProgram))
	f.branchImm(asm.JEq, port, PortDrop, dropped)
	f.load(dev, ctx, skbIfindex, asm.Word)
	f.branchImm(asm.JEq, port, portHost, found)
	f.movImm(reason, int64(ssa.DropPort))
	cpuPort := int64(o.CPUPort)
	if cpuPort == 0 {
		cpuPort = portCPU
	}
	f.branchImm(asm.JNE, port, cpuPort, cpu)
	f.movImm(reason, DropCPUPort)
	f.place(cpu)
	p := f.elem(MapPorts, port, dropped)
	f.load(dev, p, 0, asm.Word)
	f.branchImm(asm.JEq, dev, 0, dropped)
	f.place(found)

	// Length, and the cut.
	prefix, length := f.prefixLen()
	whole, alone, inRest, cutDone := f.newBlock(), f.newBlock(), f.newBlock(), f.newBlock()
	cut := f.word(ctl, ctlCut)
	f.branch(asm.JGE, cut, length, whole)
	f.mov(length, cut)
	f.movImm(reason, int64(ssa.DropResize))
	f.branch(asm.JEq, f.word(ctl, ctlHead), f.word(ctl, ctlTail), alone)
	// To cut a GSO frame makes it a frame as any other, which what follows must not
	// be: the copy waits until nothing does.
	plain := f.newBlock()
	f.branchImm(asm.JEq, f.word(ctx, skbGSOSize), 0, plain)
	f.storeImm(ctl, ctlArgStage, int64(len(m.f.Stages)), asm.Word)
	f.storeImm(ctl, ctlArgFrom, ssa.JobNow, asm.Word)
	handle := f.ptr()
	f.emit(minst{op: mCall, dst: handle, name: fnJob, args: []marg{argReg(ctx)}})
	f.branchImm(asm.JEq, handle, 0, f.yes)
	f.aluImm(asm.Sub, handle, 1)
	waiting := f.elem(MapJobs, f.masked(handle, m.jobs), f.yes)
	f.store(waiting, jobFrame+ssa.FramePort, port, asm.Word)
	f.jump(f.yes)
	f.place(plain)
	ok := f.callFunc(fnKeep, ctx)
	f.branchImm(asm.JEq, ok, 0, dropped)
	f.place(alone)
	f.changeTail(length, dropped)
	f.storeImm(ctl, ctlDirty, 1, asm.Word)
	left := f.ptr()
	f.movImm(left, 0)
	f.branch(asm.JGT, length, prefix, inRest)
	f.alu(asm.Sub, prefix, length)
	f.store(ctl, ctlLack, prefix, asm.Word)
	f.jump(cutDone)
	f.place(inRest)
	f.mov(left, length)
	f.alu(asm.Sub, left, prefix)
	f.place(cutDone)
	f.store(ctl, ctlHave, left, asm.Word)
	f.place(whole)

	f.branchImm(asm.JEq, port, portHost, host)
	f.countTx(port, length)
	f.branch(asm.JEq, f.word(ctl, ctlHead), f.word(ctl, ctlTail), last)
	r := f.scalar()
	f.call(r, asm.FnCloneRedirect, argReg(ctx), argReg(dev), argImm(0))
	f.jump(sent)
	f.place(last)
	f.storeImm(ctl, ctlFinal, finalRedirect, asm.Word)
	f.store(ctl, ctlFinalDev, dev, asm.Word)
	f.jump(f.yes)

	f.place(host)
	f.branch(asm.JEq, f.word(ctl, ctlHead), f.word(ctl, ctlTail), lastHost)
	f.place(toHost)
	f.storeCtx(ctx, skbTCIndex, hostMark)
	f.call(r, asm.FnCloneRedirect, argReg(ctx), argReg(dev), argImm(bpfIngress))
	f.storeCtx(ctx, skbTCIndex, 0)
	f.jump(sent)
	f.place(lastHost)
	f.storeImm(ctl, ctlFinal, finalHost, asm.Word)
	f.store(ctl, ctlFinalDev, dev, asm.Word)
	f.jump(f.yes)

	// A queue that is full is the next hop's matter, as for redirected packets; a
	// clone that the kernel did not make is ours.
	f.place(sent)
	f.mask(r, 32)
	f.aluImm(asm.LSh, r, 32)
	f.aluImm(asm.ArSh, r, 32)
	f.branchImm(asm.JSGE, r, 0, f.yes)
	f.movImm(reason, DropCopy)
	f.place(dropped)
	f.dropFor(reason)
	f.jump(f.yes)
	return f.end()
}

// countTx counts a packet of length bytes sent on a port: for each packet that the
// one that came in stands for, what was added to it or cut.
func (f *mfunc) countTx(port, length vreg) {
	absent := f.newBlock()
	p := f.elem(MapPortStats, port, absent)
	segs, bytes, n := f.scalar(), f.scalar(), f.scalar()
	f.load(segs, f.ctl, ctlSegs, asm.DWord)
	f.load(bytes, f.ctl, ctlBytes, asm.DWord)
	f.mov(n, length)
	f.alu(asm.Sub, n, f.word(f.ctl, ctlSaved))
	f.alu(asm.Sub, n, f.word(f.ctl, ctlRest))
	f.alu(asm.Mul, n, segs)
	f.alu(asm.Add, bytes, n)
	f.addTo(p, 16, segs)
	f.addTo(p, 24, bytes)
	f.place(absent)
}

// harnessOutput appends the packet to MapOutputs.
func (f *mfunc) harnessOutput(port vreg) {
	f.branchImm(asm.JEq, port, PortDrop, f.yes)
	n := f.word(f.ctl, ctlOutputs)
	out := f.elem(MapOutputs, n, f.yes)
	f.aluImm(asm.Add, n, 1)
	f.store(f.ctl, ctlOutputs, n, asm.Word)
	_, length := f.prefixLen()
	f.cutLen(length)
	f.store(out, 0, port, asm.Word)
	f.store(out, 4, length, asm.Word)
	f.branchImm(asm.JEq, length, 0, f.yes)
	bad := f.newBlock()
	f.branchImm(asm.JGT, length, OutputBytes, bad)
	f.checked(bad, asm.FnSkbLoadBytes, argReg(f.arg), argImm(int64(f.o.StartOffset)), argReg(f.plus(out, 8)), argReg(f.bounded(length, OutputBytes)))
	f.jump(f.yes)
	f.place(bad)
	f.drop(DropInternal)
	f.jump(f.yes)
}
