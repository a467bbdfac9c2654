package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Offsets in struct __sk_buff.
const (
	skbLen         = 0
	skbProtocol    = 16
	skbVlanPresent = 20
	skbVlanTCI     = 24
	skbVlanProto   = 28
	skbIfindex     = 40
	skbCB          = 48
	skbData        = 76
	skbDataEnd     = 80
	skbGSOSegs     = 164
	skbGSOSize     = 176
)

// maxTags is how many stacked tags are made into bytes; more are dropped.
const maxTags = 8

// Ethertypes in host order.
const (
	etIPv4  = 0x0800
	etIPv6  = 0x86dd
	etVLAN  = 0x8100
	etQinQ  = 0x88a8
	macLen  = 12 // both addresses
	ethType = 12 // offset of the ethertype
	ethLen  = 14
)

// tcLinear makes the packet what the wire carried: tags that the kernel keeps
// beside the packet become bytes, and the headers that the program can reach
// become linear.
//
// The kernel takes the outer tag off every packet before tc. There is no helper
// that puts it back as bytes: pushing a second tag moves the first into the
// bytes, but popping the second moves it out again. So all tags are popped (each
// pop moves the next one from the bytes beside the packet), their words kept, and
// written in front of the ethertype after change_head, which works for any
// protocol.
func (g *gen) tcLinear() {
	fail := g.newBlock()
	g.todo = append(g.todo, func() {
		g.place(fail)
		absent := g.newBlock()
		if !g.o.Harness {
			r := g.scalar()
			g.movImm(r, DropSetup)
			g.addTo(g.element(MapDrops, r, absent), 0, noReg)
		}
		g.place(absent)
		g.shot()
	})
	g.tagsToBytes(g.ctx, fail)
	g.pullHead(fail)
}

// tagsToBytes puts the tags that lie beside the packet into it.
func (g *builder) tagsToBytes(ctx vreg, fail *mblock) {
	start, insert := g.newBlock(), g.newBlock()
	present := g.scalar()
	g.load(present, ctx, skbVlanPresent, asm.Word)
	n := g.ptr() // bytes of tags; a constant on each way into insert
	g.branchImm(asm.JEq, present, 0, start)
	for i := range maxTags {
		w := g.scalar()
		g.load(w, ctx, skbVlanProto, asm.Word) // in network order
		g.store(fp, macLen+4*i, w, asm.Half)
		w = g.scalar()
		g.load(w, ctx, skbVlanTCI, asm.Word)
		g.swap(w, 16)
		g.store(fp, macLen+4*i+2, w, asm.Half)
		g.checked(fail, asm.FnSkbVlanPop, argReg(ctx))
		g.movImm(n, int64(4*(i+1)))
		w = g.scalar()
		g.load(w, ctx, skbVlanPresent, asm.Word)
		g.branchImm(asm.JEq, w, 0, insert)
	}
	g.jump(fail)
	g.place(insert)
	g.checked(fail, asm.FnSkbChangeHead, argReg(ctx), argReg(n), argImm(0))
	g.checked(fail, asm.FnSkbLoadBytes, argReg(ctx), argReg(n), argKey(0), argImm(macLen))
	g.aluImm(asm.Add, n, macLen)
	g.checked(fail, asm.FnSkbStoreBytes, argReg(ctx), argImm(0), argKey(0), argReg(n), argImm(0))
	g.keyMax = max(g.keyMax, macLen+4*maxTags)
	g.place(start)

}

// pullHead makes min(len, what checks can reach) linear where less is.
func (g *gen) pullHead(fail *mblock) {
	linear := g.newBlock()
	want, have, d := g.scalar(), g.ptr(), g.ptr()
	most := g.scalar()
	g.load(want, g.ctx, skbLen, asm.Word)
	g.movImm(most, int64(g.need.headBytes+g.o.StartOffset))
	short := g.newBlock()
	g.branch(asm.JLE, want, most, short)
	g.mov(want, most)
	g.place(short)
	g.load(have, g.ctx, skbDataEnd, asm.Word)
	g.load(d, g.ctx, skbData, asm.Word)
	g.alu(asm.Sub, have, d)
	g.branch(asm.JGE, have, want, linear)
	g.checked(fail, asm.FnSkbPullData, argReg(g.ctx), argReg(want))
	g.place(linear)
}

// tcLengths computes lengths and counts (D9). A GSO packet stands for gso_segs
// packets that repeat its headers; the length of the headers is found by a parse
// of its own, since only Ethernet, tags, IP and TCP or UDP take part.
func (g *gen) tcLengths() {
	if !g.need.pktLen && !g.need.wireLen && !g.need.counts {
		return
	}
	g.pktLen, g.segs, g.bytes = g.scalar(), g.scalar(), g.scalar()
	g.load(g.pktLen, g.ctx, skbLen, asm.Word)
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Sub, g.pktLen, int64(g.o.StartOffset))
	}
	// The headers of a GSO frame describe the whole of it, so its length must too:
	// a program that compares them would drop it else (docs/rationale.md, D9).
	g.wireLen = g.pktLen
	g.mov(g.bytes, g.pktLen)
	g.movImm(g.segs, 1)
	done := g.newBlock()
	size := g.scalar()
	g.load(size, g.ctx, skbGSOSize, asm.Word)
	g.branchImm(asm.JEq, size, 0, done)
	hdr := g.gsoHeader(done)
	// Untrusted packets (from virtio or a raw socket) come without the count.
	counted := g.newBlock()
	g.load(g.segs, g.ctx, skbGSOSegs, asm.Word)
	g.branchImm(asm.JNE, g.segs, 0, counted)
	g.mov(g.segs, g.pktLen)
	g.alu(asm.Sub, g.segs, hdr)
	g.alu(asm.Add, g.segs, size)
	g.aluImm(asm.Sub, g.segs, 1)
	g.alu(asm.Div, g.segs, size)
	g.place(counted)
	extra := g.scalar()
	g.mov(extra, g.segs)
	g.aluImm(asm.Sub, extra, 1)
	g.alu(asm.Mul, extra, hdr)
	g.alu(asm.Add, g.bytes, extra)
	g.place(done)
}

// gsoHeader parses up to the payload; it goes to giveUp on what it does not know.
func (g *gen) gsoHeader(giveUp *mblock) vreg {
	off, t := g.scalar(), g.scalar()
	read := func(at, n int) {
		o := g.scalar()
		g.mov(o, off)
		if at != 0 {
			g.aluImm(asm.Add, o, int64(at))
		}
		g.checked(giveUp, asm.FnSkbLoadBytes, argReg(g.ctx), argReg(o), argKey(0), argImm(int64(n)))
		g.load(t, fp, 0, sizeOf(n))
		if n == 2 {
			g.swap(t, 16)
		}
	}
	g.movImm(off, int64(g.o.StartOffset+ethType))
	read(0, 2)
	for range 2 {
		tag, plain := g.newBlock(), g.newBlock()
		g.branchImm(asm.JEq, t, etVLAN, tag)
		g.branchImm(asm.JNE, t, etQinQ, plain)
		g.place(tag)
		g.aluImm(asm.Add, off, 4)
		read(0, 2)
		g.place(plain)
	}
	g.aluImm(asm.Add, off, 2)
	v6, l4, tcp, done := g.newBlock(), g.newBlock(), g.newBlock(), g.newBlock()
	g.branchImm(asm.JEq, t, etIPv6, v6)
	g.branchImm(asm.JNE, t, etIPv4, giveUp)
	proto := g.scalar()
	read(9, 1)
	g.mov(proto, t)
	read(0, 1)
	g.aluImm(asm.And, t, 15)
	g.aluImm(asm.LSh, t, 2)
	g.alu(asm.Add, off, t)
	g.jump(l4)
	g.place(v6)
	read(6, 1)
	g.mov(proto, t)
	g.aluImm(asm.Add, off, 40)
	g.place(l4)
	g.branchImm(asm.JEq, proto, 6, tcp)
	g.branchImm(asm.JNE, proto, 17, giveUp)
	g.aluImm(asm.Add, off, 8)
	g.jump(done)
	g.place(tcp)
	read(12, 1)
	g.aluImm(asm.RSh, t, 4)
	g.aluImm(asm.LSh, t, 2)
	g.alu(asm.Add, off, t)
	g.place(done)
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Sub, off, int64(g.o.StartOffset))
	}
	return off
}

// tcResize makes the packet's start as long as the new headers.
//
// Growing is change_head. Shrinking has no helper for any protocol but one:
// removing a VLAN tag. So the bytes to be removed are dressed as tags, 0x8100 at
// every fourth ethertype position, and popped one by one; where their number is
// no multiple of 4, 1 to 3 bytes are added first. Pushing two dummy tags before
// makes the kernel believe in a tagged packet (the second push moves the first
// into the bytes), and the last pop sets skb->protocol to the new ethertype.
//
// The ethertype behind the last dressed tag must be one that the image covers, so a packet
// that is left with fewer than 14 bytes of headers cannot be shrunk; outside of
// harnesses no Ethernet device sends such a packet either.
func (g *gen) tcResize(newLen, oldLen vreg, bad *mblock) {
	same, shrink := g.newBlock(), g.newBlock()
	d := g.scalar()
	g.mov(d, newLen)
	g.alu(asm.Sub, d, oldLen)
	g.mov(g.grown, d)
	g.branchImm(asm.JEq, d, 0, same)
	g.branchImm(asm.JSLT, d, 0, shrink)
	g.checked(bad, asm.FnSkbChangeHead, argReg(g.ctx), argReg(d), argImm(0))
	g.jump(same)

	g.place(shrink)
	g.movImm(g.grown, 0)
	name := g.shrinkFunction()
	g.shrinkHead(g.ctx, d, newLen, g.o.StartOffset, name, func(*mblock) vreg {
		typ := g.scalar()
		g.load(typ, g.scratch, ethType, asm.Half)
		return typ
	}, bad)
	g.place(same)
}

// shrinkHead takes -d bytes from the packet's start, which newLen of headers will
// replace. typ gives the ethertype that the packet will have, in network order, or
// goes to plain where it is not known.
func (g *builder) shrinkHead(ctx, d, newLen vreg, start int, name string, etherType func(plain *mblock) vreg, bad *mblock) {
	if need := ethLen - start; need > 0 {
		g.branchImm(asm.JLT, newLen, int64(need), bad)
	}
	odd := g.newBlock()
	pad := g.scalar()
	g.mov(pad, d) // minus the bytes to remove; modulo 4 what must be added
	g.aluImm(asm.And, pad, 3)
	g.branchImm(asm.JEq, pad, 0, odd)
	g.checked(bad, asm.FnSkbChangeHead, argReg(ctx), argReg(pad), argImm(0))
	g.place(odd)
	rest := g.ptr() // bytes to remove
	g.mov(rest, pad)
	g.alu(asm.Sub, rest, d)
	// Behind the last dressed tag comes the new ethertype; were it a tag's, the
	// last pop would take that too, so 0x0800 stands in for it.
	typ, plain, dressed := g.scalar(), g.newBlock(), g.newBlock()
	if start == 0 {
		g.mov(typ, etherType(plain))
		g.branchImm(asm.JEq, typ, etVLAN>>8|etVLAN&0xff<<8, plain)
		g.branchImm(asm.JNE, typ, etQinQ>>8|etQinQ&0xff<<8, dressed)
	}
	g.place(plain)
	g.movImm(typ, etIPv4>>8)
	g.place(dressed)
	g.store(ctx, skbCB, rest, asm.Word)
	g.store(ctx, skbCB+4, typ, asm.Word)
	r := g.callFunc(name, ctx)
	g.branchImm(asm.JNE, r, 0, bad)
}

// shrinkFunction is the function that pops; its parameters are in skb->cb, which
// belongs to tc programs: the bytes to remove, and the ethertype in network order.
func (g *gen) shrinkFunction() string {
	if !hasSub(g.subs, shrinkName) {
		g.subs = append(g.subs, shrinkSubprog())
	}
	return shrinkName
}

const shrinkName = "p4nic_shrink"

func shrinkSubprog() *subprog {
	s := newSubprog(shrinkName, contextType(TC))
	s.what = "deparser"
	shrink(s)
	return s
}

func shrink(b *subprog) {
	ctx, rest, at, o, typ, i := b.arg, b.scalar(), b.scalar(), b.scalar(), b.scalar(), b.ptr()
	bad := b.newBlock()
	b.load(rest, ctx, skbCB, asm.Word)
	b.load(typ, ctx, skbCB+4, asm.Word)
	b.storeImm(fp, 0, etVLAN>>8|etVLAN&0xff<<8, asm.Word) // 81 00, and a TCI of 0
	b.store(fp, 4, typ, asm.Half)
	b.mov(at, rest)
	b.mov(o, at)
	b.aluImm(asm.Add, o, ethType)
	b.checked(bad, asm.FnSkbStoreBytes, argReg(ctx), argReg(o), argKey(4), argImm(2), argImm(0))
	// Dress the bytes, from the last four to the first.
	b.freq = 16
	loop, written := b.newBlock(), b.newBlock()
	b.movImm(i, 0)
	b.place(loop)
	b.aluImm(asm.Sub, at, 4)
	b.mov(o, at)
	b.aluImm(asm.Add, o, ethType)
	b.checked(bad, asm.FnSkbStoreBytes, argReg(ctx), argReg(o), argKey(0), argImm(4), argImm(0))
	b.branchImm(asm.JEq, at, 0, written)
	b.aluImm(asm.Add, i, 1)
	b.branchImm(asm.JLT, i, maxPops, loop)
	b.jump(bad)
	b.place(written)
	b.pushDummies(ctx, bad)
	// One pop for the dummy among the bytes, one for each 4 bytes.
	pop, popped := b.newBlock(), b.newBlock()
	b.movImm(i, 0)
	b.place(pop)
	b.checked(bad, asm.FnSkbVlanPop, argReg(ctx))
	b.branchImm(asm.JEq, rest, 0, popped)
	b.aluImm(asm.Sub, rest, 4)
	b.aluImm(asm.Add, i, 1)
	b.branchImm(asm.JLT, i, maxPops+1, pop)
	b.jump(bad)
	b.freq = 1
	b.place(popped)
	// The last tag still lies beside the packet.
	b.checked(bad, asm.FnSkbVlanPop, argReg(ctx))
	r := b.scalar()
	b.movImm(r, 0)
	b.exit(r)
	b.place(bad)
	b.movImm(r, 1)
	b.exit(r)
}

// maxPops bounds the bytes that can be removed, four each.
const maxPops = 128

// pushDummies pushes two tags: one goes into the bytes, one beside the packet,
// and skb->protocol says 802.1Q.
func (b *builder) pushDummies(ctx vreg, bad *mblock) {
	for range 2 {
		b.checked(bad, asm.FnSkbVlanPush, argReg(ctx), argImm(etVLAN>>8|etVLAN&0xff<<8), argImm(1))
	}
}

// tcOutput redirects to outPort's netdev.
func (g *gen) tcOutput(absent ssa.DropReason) {
	noPort := g.redirectToDrop(absent)
	ifindex := g.scalar()
	g.load(ifindex, g.element(MapPorts, g.outPort, noPort), 0, asm.Word)
	g.branchImm(asm.JEq, ifindex, 0, noPort)
	g.countTx()
	r := g.scalar()
	g.call(r, asm.FnRedirect, argReg(ifindex), argImm(0))
	g.exit(r)
}

// tcHost hands the packet to the stack, which wants the outer tag beside the
// packet and skb->protocol to tell what follows. Where the ethertype in the bytes
// differs from skb->protocol (a tag from the prologue, or the program changed
// it), two dummy tags are pushed and popped: the first pop reads the protocol
// from the bytes, the second moves an outer tag out of them.
func (g *gen) tcHost() {
	ok, bad := g.newBlock(), g.redirectToDrop(DropHostShape)
	t, p := g.scalar(), g.scalar()
	g.checked(bad, asm.FnSkbLoadBytes, argReg(g.ctx), argImm(ethType), argKey(0), argImm(2))
	g.load(t, fp, 0, asm.Half)
	g.load(p, g.ctx, skbProtocol, asm.Word)
	if g.grown != noReg {
		// The stack finds the network header where it was before bytes were added;
		// only an added tag (4 bytes) does not mind.
		fits := g.newBlock()
		g.branchImm(asm.JEq, g.grown, 0, fits)
		g.branchImm(asm.JNE, g.grown, 4, bad)
		tag := g.scalar()
		g.mov(tag, t)
		g.swap(tag, 16)
		g.branchImm(asm.JEq, tag, etVLAN, fits)
		g.branchImm(asm.JNE, tag, etQinQ, bad)
		g.place(fits)
	}
	g.branch(asm.JEq, t, p, ok)
	g.pushDummies(g.ctx, bad)
	for range 2 {
		g.checked(bad, asm.FnSkbVlanPop, argReg(g.ctx))
	}
	g.place(ok)
	g.returnImm(tcOK)
}
