package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Slices of the packet (package ssa, slices.go) are read with the kernel's helpers,
// which take any offset and do not mind where the packet's bytes lie: into the
// stack, into the image, or for sums and CRCs in chunks into a buffer in the scratch
// map by a function of its own, that the verifier walks once.

// sliceChunk is the number of bytes that are read at a time.
const sliceChunk = 64

// Offsets behind gen.sliceOff in the scratch map.
const (
	sliceAt    = 0  // byte offset of what is left
	sliceLeft  = 8  // bytes that are left
	sliceState = 16 // sum or CRC so far
	sliceBuf   = 24
	sliceArea  = sliceBuf + sliceChunk
)

// scanSlice notes what an operation on slices needs.
func (g *gen) scanSlice(v *ssa.Value) {
	n := &g.need
	switch v.Op {
	case ssa.OpLoadBits:
		n.pktLen = true
	case ssa.OpScratchBits:
		n.scratch = true
		n.maxScratchAux = max(n.maxScratchAux, 8)
	case ssa.OpScratchMove:
		n.scratch, n.chunks, n.pktLen = true, true, true
		n.maxScratchAux = max(n.maxScratchAux, 8)
	case ssa.OpScratchCopy:
		n.scratch = true
		n.maxScratchAux = max(n.maxScratchAux, powerOver(v.N))
	case ssa.OpSliceEq:
		n.scratch = true
		n.compare = max(n.compare, powerOver(v.N))
	case ssa.OpSliceSum, ssa.OpSliceCRC:
		n.scratch, n.chunks = true, true
	}
}

// powerOver is the smallest power of 2, at least 8, that is not below n.
func powerOver(n int) int {
	p := 8
	for p < n {
		p *= 2
	}
	return p
}

// placeSlices gives the buffers their place behind the image.
func (g *gen) placeSlices() {
	if g.need.compare > 0 {
		g.compareOff = g.imageArea
		g.imageArea += 2 * g.need.compare
	}
	if g.need.chunks {
		g.sliceOff = g.imageArea
		g.imageArea += sliceArea
	}
}

// read calls the helper that copies n bytes (1 or more) from byte off of what the
// hook calls the packet; it goes to bad where they are not there.
func (b *builder) readPacket(h Hook, ctx, off vreg, to, n marg, bad *mblock) {
	fn := asm.FnXdpLoadBytes
	if h == TC {
		fn = asm.FnSkbLoadBytes
	}
	b.checked(bad, fn, argReg(ctx), argReg(off), to, n)
}

// byteOff is a bit offset as a byte offset for helpers.
func (g *gen) byteOff(bits vreg) vreg {
	t := g.scalar()
	g.mov(t, bits)
	g.aluImm(asm.RSh, t, 3)
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Add, t, int64(g.o.StartOffset))
	}
	return t
}

// loadBits reads up to 64 bits at any bit offset, zeros beyond the packet's end.
func (g *gen) loadBits(v *ssa.Value) {
	at := g.use(v.Args[0])
	r := g.result(v)
	done, part := g.newBlock(), g.newBlock()
	most := (v.N + 7 + 7) / 8
	g.movImm(r, 0)
	n, off := g.scalar(), g.byteOff(at)
	g.mov(n, g.pktLen)
	if g.o.StartOffset != 0 {
		g.aluImm(asm.Add, n, int64(g.o.StartOffset))
	}
	g.branch(asm.JLE, n, off, done)
	g.alu(asm.Sub, n, off)
	g.storeImm(fp, 0, 0, asm.DWord)
	g.storeImm(fp, 8, 0, asm.DWord)
	g.branchImm(asm.JLT, n, int64(most), part)
	g.movImm(n, int64(most))
	g.place(part)
	g.readPacket(g.o.Hook, g.ctx, off, argKey(0), argReg(g.bounded(g.launder(n), 16)), g.abortBlk)
	sh, lo := g.scalar(), g.scalar()
	g.mov(sh, at)
	g.aluImm(asm.And, sh, 7)
	g.load(r, fp, 0, asm.DWord)
	g.swap(r, 64)
	g.alu(asm.LSh, r, sh)
	if most > 8 {
		g.load(lo, fp, 8, asm.Byte)
		back := g.scalar()
		g.movImm(back, 8)
		g.alu(asm.Sub, back, sh)
		g.alu(asm.RSh, lo, back)
		g.alu(asm.Or, r, lo)
	}
	if v.N < 64 {
		g.aluImm(asm.RSh, r, int64(64-v.N))
	}
	g.jump(done)
	g.place(done)
}

// imageAt is the address of a byte of the image, whose offset is known to be in it.
func (g *gen) imageAt(bits vreg) vreg {
	p := g.ptr()
	g.mov(p, g.launder(bits))
	g.aluImm(asm.RSh, p, 3)
	g.aluImm(asm.And, p, int64(g.imageMask))
	t := g.ptr()
	g.mov(t, g.scratch)
	g.alu(asm.Add, t, p)
	return t
}

// scratchCopy copies whole bytes of the packet into the image.
func (g *gen) scratchCopy(v *ssa.Value) {
	dst, at, bits := g.use(v.Args[0]), g.use(v.Args[1]), g.use(v.Args[2])
	done := g.newBlock()
	n := g.scalar()
	g.mov(n, bits)
	g.aluImm(asm.RSh, n, 3)
	g.branchUnknown(asm.JEq, n, 0, done)
	to, off := g.imageAt(dst), g.byteOff(at)
	g.readPacket(g.o.Hook, g.ctx, off, argReg(to), argReg(g.bounded(n, powerOver(v.N))), g.abortBlk)
	g.jump(done)
	g.place(done)
}

// scratchBits writes up to 56 bits at any bit of the image: with what is in the
// first byte before them they are at most 63, which are written as 8 bytes.
func (g *gen) scratchBits(v *ssa.Value) {
	dst, x := g.use(v.Args[0]), g.use(v.Args[1])
	w := int64(v.Args[1].Type)
	p := g.imageAt(dst)
	sh, first, keep := g.scalar(), g.scalar(), g.scalar()
	g.mov(sh, dst)
	g.aluImm(asm.And, sh, 7)
	g.load(first, p, 0, asm.Byte)
	// The sh top bits of the byte stay.
	back := g.scalar()
	g.movImm(back, 8)
	g.alu(asm.Sub, back, sh)
	g.mov(keep, first)
	g.alu(asm.RSh, keep, back)
	g.alu(asm.LSh, keep, back)
	g.aluImm(asm.LSh, keep, 56)
	t := g.scalar()
	g.mov(t, x)
	g.aluImm(asm.LSh, t, 64-w)
	g.alu(asm.RSh, t, sh)
	g.alu(asm.Or, t, keep)
	g.swap(t, 64)
	g.store(p, 0, t, asm.DWord)
}

// sliceEq compares two slices of one size, eight bytes at a time.
func (g *gen) sliceEq(v *ssa.Value) {
	x, y, bits := g.use(v.Args[0]), g.use(v.Args[1]), g.use(v.Args[2])
	r := g.result(v)
	size := powerOver(v.N)
	done, loop, differ, last := g.newBlock(), g.newBlock(), g.newBlock(), g.newBlock()
	n := g.scalar()
	g.movImm(r, 1)
	g.mov(n, bits)
	g.aluImm(asm.RSh, n, 3)
	g.branchUnknown(asm.JEq, n, 0, done)
	a, b := g.plus(g.scratch, int64(g.compareOff)), g.plus(g.scratch, int64(g.compareOff+g.need.compare))
	g.readPacket(g.o.Hook, g.ctx, g.byteOff(x), argReg(a), argReg(g.bounded(n, size)), g.abortBlk)
	g.readPacket(g.o.Hook, g.ctx, g.byteOff(y), argReg(b), argReg(g.bounded(n, size)), g.abortBlk)
	i, left := g.ptr(), g.scalar()
	g.movImm(i, 0)
	g.mov(left, n)
	g.place(loop)
	p, q := g.scalar(), g.scalar()
	g.load(p, a, 0, asm.DWord)
	g.load(q, b, 0, asm.DWord)
	g.alu(asm.Xor, p, q)
	g.branchImm(asm.JLE, left, 8, last)
	g.branchImm(asm.JNE, p, 0, differ)
	g.aluImm(asm.Sub, left, 8)
	g.aluImm(asm.Add, a, 8)
	g.aluImm(asm.Add, b, 8)
	g.aluImm(asm.Add, i, 8)
	g.branchImm(asm.JLT, i, int64(size), loop)
	g.jump(done)
	g.place(last)
	// Of the last word the first bytes, which are its low bits.
	s := g.scalar()
	g.movImm(s, 8)
	g.alu(asm.Sub, s, left)
	g.aluImm(asm.LSh, s, 3)
	g.alu(asm.LSh, p, s)
	g.branchImm(asm.JEq, p, 0, done)
	g.jump(differ)
	g.place(differ)
	g.movImm(r, 0)
	g.jump(done)
	g.place(done)
}

// sliceDigest runs the functions that go over a slice and gives what they made.
func (g *gen) sliceDigest(v *ssa.Value) {
	args := v.Args
	kind := "sum"
	switch {
	case v.Op == ssa.OpSliceCRC && v.Type == 16:
		kind = "crc16"
	case v.Op == ssa.OpSliceCRC:
		kind = "crc32"
	case v.N == 1:
		kind = "xor"
	}
	state := g.scalar()
	g.movImm(state, 0)
	if v.Op == ssa.OpSliceCRC {
		g.mov(state, g.use(args[0]))
		args = args[1:]
		if kind == "crc32" {
			g.emit(minst{op: mALU, alu: asm.Xor, w32: true, dst: state, imm: -1})
		}
	}
	at, n := g.byteOff(g.use(args[0])), g.scalar()
	g.mov(n, g.use(args[1]))
	g.aluImm(asm.RSh, n, 3)
	g.store(g.scratch, g.sliceOff+sliceAt, at, asm.DWord)
	g.store(g.scratch, g.sliceOff+sliceLeft, n, asm.DWord)
	g.store(g.scratch, g.sliceOff+sliceState, state, asm.DWord)
	g.call2(g.sliceFunction(kind))
	r := g.result(v)
	g.load(r, g.scratch, g.sliceOff+sliceState, asm.DWord)
	switch kind {
	case "crc32":
		g.emit(minst{op: mALU, alu: asm.Xor, w32: true, dst: r, imm: -1})
	case "sum":
		g.fold(r, 32, asm.Add)
		g.fold(r, 32, asm.Add)
		for range 3 {
			g.fold(r, 16, asm.Add)
		}
		g.swap(r, 16)
	case "xor":
		g.fold(r, 32, asm.Xor)
		g.fold(r, 16, asm.Xor)
		g.swap(r, 16)
	}
}

// call2 calls a function of the program for its effect.
func (g *gen) call2(name string) {
	r := g.scalar()
	g.emit(minst{op: mCall, dst: r, name: name, args: []marg{argReg(g.ctx)}})
}

// fold combines the low n bits of r with those above.
func (b *builder) fold(r vreg, n int, op asm.ALUOp) {
	t := b.scalar()
	b.mov(t, r)
	b.aluImm(asm.RSh, t, int64(n))
	b.mask(r, n)
	b.alu(op, r, t)
}

// sliceFunction is the function that goes over a slice: two nested loops of calls,
// because the verifier follows each round of a loop, of one that takes a chunk.
func (g *gen) sliceFunction(kind string) string {
	name := func(part string) string { return fmt.Sprintf("p4nic_%s_%s_%d", kind, part, g.sliceOff) }
	if hasSub(g.subs, name("all")) {
		return name("all")
	}
	chunk := newSubprog(name("chunk"), contextType(g.o.Hook))
	chunk.what = "a checksum over a part of the packet"
	g.useMap(MapScratch)
	switch kind {
	case "crc16", "crc32":
		g.useMap(MapConst)
		g.chunk(chunk, kind)
	case "move":
		g.chunkMove(chunk)
	default:
		g.chunk(chunk, kind)
	}
	run := newSubprog(name("run"), contextType(g.o.Hook))
	all := newSubprog(name("all"), contextType(g.o.Hook))
	for _, f := range [...][2]*subprog{{run, chunk}, {all, run}} {
		s, callee := f[0], f[1]
		s.what, s.calls = chunk.what, callee
		s.rounds(callee.name, s.arg)
		r := s.scalar()
		s.movImm(r, 1)
		s.exit(r)
	}
	g.subs = append(g.subs, chunk, run, all)
	return name("all")
}

// chunk writes the function that takes up to sliceChunk bytes; 0 when none is left.
func (g *gen) chunk(b *subprog, kind string) {
	none := b.newBlock()
	area := b.elemAt(MapScratch, 0, none)
	if g.sliceOff > 0 {
		b.aluImm(asm.Add, area, int64(g.sliceOff))
	}
	at, left, state := b.scalar(), b.scalar(), b.scalar()
	b.load(at, area, sliceAt, asm.DWord)
	b.load(left, area, sliceLeft, asm.DWord)
	b.load(state, area, sliceState, asm.DWord)
	b.branchImm(asm.JEq, left, 0, none)
	n, whole := b.scalar(), b.newBlock()
	b.mov(n, left)
	b.branchImm(asm.JLE, n, sliceChunk, whole)
	b.movImm(n, sliceChunk)
	b.place(whole)
	buf := b.plus(area, sliceBuf)
	for i := 0; i < sliceChunk; i += 8 {
		b.storeImm(buf, i, 0, asm.DWord)
	}
	b.readPacket(g.o.Hook, b.arg, at, argReg(buf), argReg(b.bounded(n, sliceChunk)), none)
	b.alu(asm.Add, at, n)
	b.alu(asm.Sub, left, n)
	b.store(area, sliceAt, at, asm.DWord)
	b.store(area, sliceLeft, left, asm.DWord)
	switch kind {
	case "sum", "xor":
		for i := 0; i < sliceChunk; i += 8 {
			x := b.scalar()
			b.load(x, buf, i, asm.DWord)
			if kind == "sum" {
				b.fold(x, 32, asm.Add)
				b.alu(asm.Add, state, x)
			} else {
				b.alu(asm.Xor, state, x)
			}
		}
	default:
		b.chunkCRC(kind, state, buf, n)
	}
	b.store(area, sliceState, state, asm.DWord)
	r := b.scalar()
	b.movImm(r, 1)
	b.exit(r)
	b.place(none)
	b.movImm(r, 0)
	b.exit(r)
}

// chunkCRC continues a reflected CRC byte by byte.
func (b *builder) chunkCRC(kind string, state, buf, n vreg) {
	size, log, base := asm.Word, int64(2), crc32TableOff
	if kind == "crc16" {
		size, log, base = asm.Half, 1, crc16TableOff
	}
	table := b.ptr()
	b.emit(minst{op: mValue, dst: table, name: MapConst, imm: int64(base)})
	loop, done := b.newBlock(), b.newBlock()
	i := b.ptr()
	b.movImm(i, 0)
	b.freq = sliceChunk
	b.place(loop)
	ix, p, e := b.ptr(), b.ptr(), b.scalar()
	b.load(ix, buf, 0, asm.Byte)
	b.alu(asm.Xor, ix, state)
	b.aluImm(asm.And, ix, 0xff)
	b.aluImm(asm.LSh, ix, log)
	b.mov(p, table)
	b.alu(asm.Add, p, ix)
	b.load(e, p, 0, size)
	b.aluImm(asm.RSh, state, 8)
	b.alu(asm.Xor, state, e)
	b.aluImm(asm.Add, buf, 1)
	b.aluImm(asm.Add, i, 1)
	b.branch(asm.JGE, i, n, done)
	b.branchImm(asm.JLT, i, sliceChunk, loop)
	b.freq = 1
	b.jump(done)
	b.place(done)
}

// scratchMove copies any bits of the packet to any bit of the image.
func (g *gen) scratchMove(v *ssa.Value) {
	start := int64(g.o.StartOffset)
	to, at, n, end := g.use(v.Args[0]), g.scalar(), g.use(v.Args[2]), g.scalar()
	g.mov(at, g.use(v.Args[1]))
	g.mov(end, g.pktLen)
	if start != 0 {
		g.aluImm(asm.Add, at, 8*start)
		g.aluImm(asm.Add, end, start)
	}
	g.store(g.scratch, g.sliceOff+sliceAt, at, asm.DWord)
	g.store(g.scratch, g.sliceOff+sliceLeft, n, asm.DWord)
	g.store(g.scratch, g.sliceOff+sliceState, to, asm.DWord)
	g.store(g.scratch, g.sliceOff+sliceBuf, end, asm.DWord)
	g.call2(g.sliceFunction("move"))
}

// moveBits is the number of bits that are moved at a time: with up to 7 bits before
// them they fit into 8 bytes, here and there.
const moveBits = 56

// chunkMove writes the function that moves up to moveBits bits; 0 when none is left.
// Behind the last ones there are zeros.
func (g *gen) chunkMove(b *subprog) {
	none := b.newBlock()
	image := b.elemAt(MapScratch, 0, none)
	area := b.plus(image, int64(g.sliceOff))
	at, left, to, end := b.scalar(), b.scalar(), b.scalar(), b.scalar()
	b.load(at, area, sliceAt, asm.DWord)
	b.load(left, area, sliceLeft, asm.DWord)
	b.load(to, area, sliceState, asm.DWord)
	b.load(end, area, sliceBuf, asm.DWord)
	b.branchImm(asm.JEq, left, 0, none)
	bits, enough := b.scalar(), b.newBlock()
	b.mov(bits, left)
	b.branchImm(asm.JLE, bits, moveBits, enough)
	b.movImm(bits, moveBits)
	b.place(enough)
	off, n, eight := b.scalar(), b.scalar(), b.newBlock()
	b.mov(off, at)
	b.aluImm(asm.RSh, off, 3)
	b.branch(asm.JLE, end, off, none)
	b.mov(n, end)
	b.alu(asm.Sub, n, off)
	b.branchImm(asm.JLE, n, 8, eight)
	b.movImm(n, 8)
	b.place(eight)
	buf := b.plus(area, sliceBuf+8)
	b.storeImm(buf, 0, 0, asm.DWord)
	b.readPacket(g.o.Hook, b.arg, off, argReg(buf), argReg(b.bounded(n, 8)), none)
	x, sh := b.scalar(), b.scalar()
	b.load(x, buf, 0, asm.DWord)
	b.swap(x, 64)
	b.mov(sh, at)
	b.aluImm(asm.And, sh, 7)
	b.alu(asm.LSh, x, sh)
	// Of the bits from the top on only these.
	drop := b.scalar()
	b.movImm(drop, 64)
	b.alu(asm.Sub, drop, bits)
	b.alu(asm.RSh, x, drop)
	b.alu(asm.LSh, x, drop)
	// Behind the bits of the image's byte that stay.
	p := b.at(image, b.masked(b.shifted(to, 3), g.imageMask+1))
	first, back := b.scalar(), b.scalar()
	b.mov(sh, to)
	b.aluImm(asm.And, sh, 7)
	b.movImm(back, 8)
	b.alu(asm.Sub, back, sh)
	b.load(first, p, 0, asm.Byte)
	b.alu(asm.RSh, first, back)
	b.alu(asm.LSh, first, back)
	b.aluImm(asm.LSh, first, 56)
	b.alu(asm.RSh, x, sh)
	b.alu(asm.Or, x, first)
	b.swap(x, 64)
	b.store(p, 0, x, asm.DWord)
	b.alu(asm.Add, at, bits)
	b.alu(asm.Add, to, bits)
	b.alu(asm.Sub, left, bits)
	b.store(area, sliceAt, at, asm.DWord)
	b.store(area, sliceLeft, left, asm.DWord)
	b.store(area, sliceState, to, asm.DWord)
	r := b.scalar()
	b.movImm(r, 1)
	b.exit(r)
	b.place(none)
	b.movImm(r, 0)
	b.exit(r)
}

// shifted gives x >> n.
func (b *builder) shifted(x vreg, n int64) vreg {
	t := b.scalar()
	b.mov(t, x)
	b.aluImm(asm.RSh, t, n)
	return t
}
