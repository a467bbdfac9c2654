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
func (g *gen) xdpOutput() {
	r := g.scalar()
	g.call(r, asm.FnRedirectMap, argMap(g.useMap(MapDevmap)), argReg(g.outPort), argImm(xdpDrop))
	g.branchImm(asm.JNE, r, xdpRedirect, g.redirectToDrop(ssa.DropPort))
	g.countTx()
	g.returnImm(xdpRedirect)
}
