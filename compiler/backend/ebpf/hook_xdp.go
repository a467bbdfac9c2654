package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// xdpLengths reads the packet's length, fragments included.
func (g *gen) xdpLengths() {
	if !g.need.pktLen && !g.need.wireLen && !g.need.counts {
		return
	}
	n := g.scalar()
	g.call(n, asm.FnXdpGetBuffLen, argReg(g.ctx))
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Sub, n, int64(g.o.StartOffset))
	}
	g.wireLen, g.bytes, g.pktLen = n, n, n
}

// xdpResize moves the start of the packet.
func (g *gen) xdpResize(newLen, oldLen vreg, bad *mblock) {
	same := g.newBlock()
	g.branch(asm.JEq, newLen, oldLen, same)
	d, r := g.scalar(), g.scalar()
	g.mov(d, oldLen)
	g.alu(asm.Sub, d, newLen)
	g.call(r, asm.FnXdpAdjustHead, argReg(g.ctx), argReg(d))
	g.branchImm(asm.JNE, r, 0, bad)
	g.place(same)
}

// xdpOutput redirects to outPort's netdev.
func (g *gen) xdpOutput(absent ssa.DropReason) {
	r := g.scalar()
	g.call(r, asm.FnRedirectMap, argMap(g.useMap(MapDevmap)), argReg(g.outPort), argImm(xdpDrop))
	g.branchImm(asm.JNE, r, xdpRedirect, g.redirectToDrop(absent))
	g.countTx()
	g.returnImm(xdpRedirect)
}

// xdpOneBuffer drops packets of several buffers: the tap device of the CPU port
// takes none by redirection, and the kernel would lose them uncounted.
func (g *gen) xdpOneBuffer() {
	n, data, end := g.scalar(), g.ptr(), g.ptr()
	g.call(n, asm.FnXdpGetBuffLen, argReg(g.ctx))
	g.load(data, g.ctx, 0, asm.Word)
	g.load(end, g.ctx, 4, asm.Word)
	g.alu(asm.Sub, end, data)
	g.branch(asm.JLT, end, n, g.redirectToDrop(DropCPUSize))
}
