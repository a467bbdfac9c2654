package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Port numbers with a meaning (D8).
const (
	portHost = 509
	portCPU  = 510
	// PortDrop is where programs send what shall not go on.
	PortDrop = 511
)

// Return codes.
const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
	tcOK        = 0
	tcShot      = 2
	tcUnspec    = -1 // tcx and clsact: the next program, then the stack
	tcRedirect  = 7
)

// Offsets in Result.
const (
	resPort    = 0
	resVerdict = 4
	resIngress = 8
	resReason  = 12
	resNow     = 16
)

// prologue sets up what the function reads of its surroundings. What changes the
// packet comes first, then everything is read once.
func (g *gen) prologue() {
	g.ctx = g.ptr()
	g.emit(minst{op: mEntry, dst: g.ctx})
	live := !g.o.Harness && g.stage == 0
	g.need.ingress = g.need.ingress || live
	g.need.counts = g.need.counts || live || forks(g.f)
	g.need.ingress = g.need.ingress || forks(g.f)
	if g.need.scratch {
		g.scratch = g.ptr()
		zero := g.scalar()
		g.movImm(zero, 0)
		g.mov(g.scratch, g.element(MapScratch, zero, g.passBlk))
	}
	if !g.o.Off["opaque"] {
		p := g.ptr()
		g.emit(minst{op: mValue, dst: p, name: g.useMap(MapZero)})
		g.zero = g.scalar()
		g.load(g.zero, p, 0, asm.DWord)
	}
	switch {
	case g.stage > 0:
		g.enterStage()
	case g.o.Hook == TC:
		g.tcLinear()
	}
	if g.need.ingress || g.stage > 0 {
		g.ingress = g.scalar()
		if g.stage > 0 {
			g.load(g.ingress, g.ctl, ctlIngress, asm.Word)
		} else if g.o.Harness {
			p := g.ptr()
			g.emit(minst{op: mValue, dst: p, name: g.useMap(MapResult)})
			g.load(g.ingress, p, resIngress, asm.Word)
		} else {
			off := 12 // xdp_md.ingress_ifindex
			if g.o.Hook == TC {
				off = skbIfindex
			}
			ifindex := g.scalar()
			g.load(ifindex, g.ctx, off, asm.Word)
			g.ingressPort(ifindex)
		}
	}
	switch {
	case g.stage > 0:
		g.stageLengths()
		g.pullHead(g.abortBlk) // counts
	case g.o.Hook == XDP:
		g.xdpLengths()
	default:
		g.tcLengths()
	}
	if g.resized {
		g.curLen = g.scalar()
		g.mov(g.curLen, g.pktLen)
		if g.o.Hook == TC {
			g.grown = g.scalar()
			g.movImm(g.grown, 0)
		}
	}
	if live {
		g.stats = g.ptr()
		g.mov(g.stats, g.element(MapPortStats, g.ingress, g.passBlk))
		g.addTo(g.stats, 0, g.segs)
		g.addTo(g.stats, 8, g.bytes)
	}
	if g.need.now {
		g.readNow()
	}
	if g.need.coarse {
		g.readCoarse()
	}
	if g.need.cpu {
		g.cpu = g.scalar()
		g.call(g.cpu, asm.FnGetSmpProcessorId)
		g.mask(g.cpu, 32)
	}
	g.data, g.end = g.ptr(), g.ptr()
	data, end := 0, 4 // xdp_md
	if g.o.Hook == TC {
		data, end = skbData, skbDataEnd
	}
	g.load(g.data, g.ctx, data, asm.Word)
	g.load(g.end, g.ctx, end, asm.Word)
}

// readNow reads the time once a packet. A harness gives it.
func (g *gen) readNow() {
	g.now = g.scalar()
	if g.stage > 0 {
		g.load(g.now, g.ctl, ctlNow, asm.DWord)
		return
	}
	if !g.o.Harness {
		g.call(g.now, asm.FnKtimeGetNs)
		return
	}
	p := g.ptr()
	g.emit(minst{op: mValue, dst: p, name: g.useMap(MapResult)})
	g.load(g.now, p, resNow, asm.DWord)
}

// ingressPort finds the port of a netdev. One that is no port (any more): its
// packets are not ours. Indices of netdevs are small numbers but on machines that
// make and remove many, and an array costs nothing beside a hash table.
func (g *gen) ingressPort(ifindex vreg) {
	far, done := g.newBlock(), g.newBlock()
	g.branchImm(asm.JGE, ifindex, FastNetdevs, far)
	g.load(g.ingress, g.element(MapIfIndex, ifindex, g.passBlk), 0, asm.Word)
	g.branchImm(asm.JEq, g.ingress, 0, g.passBlk)
	g.aluImm(asm.Sub, g.ingress, 1)
	g.todo = append(g.todo, func() {
		g.place(far)
		g.load(g.ingress, g.element(MapIfPort, ifindex, g.passBlk), 0, asm.Word)
		g.jump(done)
	})
	g.jump(done)
	g.place(done)
}

// epilogue generates the endings: output, drop, and the two that leave the
// program to its fault (abort) or to others (pass).
func (g *gen) epilogue() {
	if g.stage > 0 {
		g.stageEnd()
		return
	}
	if forks(g.f) {
		g.fork()
	}
	g.place(g.outBlock)
	if g.o.Harness {
		g.harnessResult(VerdictOutput)
	} else {
		g.branchImm(asm.JEq, g.outPort, PortDrop, g.redirectToDrop(ssa.DropProgram))
		cpu, host := g.newBlock(), g.newBlock()
		cpuPort := int64(g.o.CPUPort)
		if cpuPort == 0 {
			cpuPort = portCPU
		}
		g.branchImm(asm.JEq, g.outPort, cpuPort, cpu)
		g.branchImm(asm.JEq, g.outPort, portHost, host)
		g.branchImm(asm.JGE, g.outPort, MaxPorts, g.redirectToDrop(ssa.DropPort))
		g.redirect(ssa.DropPort)
		g.place(cpu)
		if g.o.Hook == XDP {
			g.xdpOneBuffer()
		}
		g.redirect(DropCPUPort)
		g.place(host)
		if g.o.Hook == TC {
			g.tcHost()
		} else {
			g.returnImm(xdpPass)
		}
	}
	for _, f := range g.todo {
		f()
	}
	g.place(g.abortBlk)
	g.movImm(g.reason, DropInternal)
	if forks(g.f) {
		g.forgetJobs()
	}
	g.jump(g.dropBlk)
	g.place(g.dropBlk)
	if g.o.Harness {
		g.harnessResult(VerdictDrop)
	} else {
		g.dropped()
	}
	g.place(g.passBlk)
	if g.o.Hook == TC {
		g.returnImm(tcUnspec)
	} else {
		g.returnImm(xdpPass)
	}
}

// redirect sends the packet to outPort's netdev, or drops it for a reason where
// there is none.
func (g *gen) redirect(absent ssa.DropReason) {
	if g.o.Hook == TC {
		g.tcOutput(absent)
	} else {
		g.xdpOutput(absent)
	}
}

// redirectToDrop gives a block that drops for a reason, generated at the end.
func (g *gen) redirectToDrop(reason ssa.DropReason) *mblock {
	blk := g.newBlock()
	g.todo = append(g.todo, func() {
		g.place(blk)
		g.movImm(g.reason, int64(reason))
		g.jump(g.dropBlk)
	})
	return blk
}

func (g *gen) returnImm(v int64) {
	r := g.scalar()
	g.movImm(r, v)
	g.exit(r)
}

func (g *gen) harnessResult(verdict int64) {
	p := g.ptr()
	g.emit(minst{op: mValue, dst: p, name: g.useMap(MapResult)})
	if verdict == VerdictOutput {
		g.store(p, resPort, g.outPort, asm.Word)
	} else {
		g.store(p, resReason, g.reason, asm.Word)
	}
	g.storeImm(p, resVerdict, verdict, asm.Word)
	code := int64(xdpPass)
	switch {
	case g.o.Hook == TC && verdict == VerdictOutput:
		code = tcOK
	case g.o.Hook == TC:
		code = tcShot
	case verdict == VerdictDrop:
		code = xdpDrop
	}
	g.returnImm(code)
}

// dropped counts by reason and by port, and drops. Pointers into the statistics
// are looked up again rather than kept through the whole program, but for the
// ingress port's.
func (g *gen) dropped() {
	g.countDropped()
	g.shot()
}

func (g *gen) countDropped() {
	absent := g.newBlock()
	p := g.element(MapDrops, g.reason, absent)
	g.addTo(p, 0, g.segs)
	g.addTo(p, 8, g.bytes)
	g.place(absent)
	unknown := g.newBlock()
	p = g.element(MapPortStats, g.ingress, unknown)
	g.addTo(p, 32, g.segs)
	g.place(unknown)
}

// shot drops without counting.
func (g *gen) shot() {
	if g.o.Hook == TC {
		g.returnImm(tcShot)
	} else {
		g.returnImm(xdpDrop)
	}
}

// countTx counts a packet sent on outPort.
func (g *gen) countTx() {
	absent := g.newBlock()
	p := g.element(MapPortStats, g.outPort, absent)
	g.addTo(p, 16, g.segs)
	g.addTo(p, 24, g.txBytes())
	g.place(absent)
}

// txBytes is the counted length of the packet as it leaves: what came in, and for
// each segment what was added or cut.
func (g *gen) txBytes() vreg {
	if g.curLen == noReg {
		return g.bytes
	}
	t := g.scalar()
	g.mov(t, g.curLen)
	g.alu(asm.Sub, t, g.pktLen)
	if g.segs != noReg {
		g.alu(asm.Mul, t, g.segs)
	}
	g.alu(asm.Add, t, g.bytes)
	return t
}

// scratchCopyLen bounds a copy length for the verifier: 1..imageMask+1.
func (g *gen) scratchCopyLen(n vreg) vreg {
	t := g.ptr()
	g.mov(t, n)
	g.aluImm(asm.Sub, t, 1)
	g.aluImm(asm.And, t, int64(g.imageMask))
	g.aluImm(asm.Add, t, 1)
	return t
}

// splice replaces the first old bytes of the packet by new bytes of the image.
func (g *gen) splice(v *ssa.Value) {
	newLen, oldLen := g.use(v.Args[0]), g.use(v.Args[1])
	ok := g.scalar()
	g.vals[v] = ok
	bad, done := g.newBlock(), g.newBlock()
	g.movImm(ok, 0)
	g.branchImm(asm.JGT, newLen, int64(g.f.HeaderImage), bad)
	if g.o.Hook == TC {
		g.tcResize(newLen, oldLen, bad)
	} else {
		g.xdpResize(newLen, oldLen, bad)
	}
	same := g.newBlock()
	g.branchImm(asm.JEq, newLen, 0, same)
	n := g.scratchCopyLen(newLen)
	r := g.scalar()
	if g.o.Hook == TC {
		g.call(r, asm.FnSkbStoreBytes, argReg(g.ctx), argImm(int64(g.o.StartOffset)), argReg(g.scratch), argReg(n), argImm(0))
	} else {
		g.call(r, asm.FnXdpStoreBytes, argReg(g.ctx), argImm(int64(g.o.StartOffset)), argReg(g.scratch), argReg(n))
	}
	g.branchImm(asm.JNE, r, 0, bad)
	g.place(same)
	g.alu(asm.Add, g.curLen, newLen)
	g.alu(asm.Sub, g.curLen, oldLen)
	g.movImm(ok, 1)
	g.place(bad)
	g.jump(done)
	g.place(done)
}

// trim cuts the packet to at most n bytes. The kernel refuses to cut into what it
// takes for the link layer's header, on tc also into headers that splice added.
func (g *gen) trim(v *ssa.Value) {
	n := g.use(v.Args[0])
	ok := g.scalar()
	g.vals[v] = ok
	bad, done := g.newBlock(), g.newBlock()
	g.movImm(ok, 1)
	g.branch(asm.JLE, g.curLen, n, done)
	t, r := g.scalar(), g.scalar()
	if g.o.Hook == TC {
		g.mov(t, n)
		g.aluImm(asm.Add, t, int64(g.o.StartOffset))
		g.call(r, asm.FnSkbChangeTail, argReg(g.ctx), argReg(t), argImm(0))
	} else {
		g.mov(t, n)
		g.alu(asm.Sub, t, g.curLen)
		g.call(r, asm.FnXdpAdjustTail, argReg(g.ctx), argReg(t))
	}
	g.branchImm(asm.JNE, r, 0, bad)
	g.mov(g.curLen, n)
	g.jump(done)
	g.place(bad)
	g.movImm(ok, 0)
	g.jump(done)
	g.place(done)
}
