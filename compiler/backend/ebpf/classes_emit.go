package ebpf

import "github.com/cilium/ebpf/asm"

// emit tells an empty table, a small one and one of classes apart by the control
// word.
func (e *Classes) emit(g *gen, keys []vreg, handle vreg) {
	done, classes := g.newBlock(), g.newBlock()
	p, n := g.ptr(), g.scalar()
	g.opaque(handle, 0)
	g.emit(minst{op: mValue, dst: p, name: g.useMap(e.Arena.Name)})
	g.load(n, p, 0, asm.Word)
	g.branchImm(asm.JEq, n, 0, done)
	if e.scanned {
		e.small.callScan(g, keys, handle)
		g.jump(done)
		g.place(done)
		return
	}
	g.emit(minst{op: mJump, jmp: asm.JSLT, w32: true, dst: n, target: classes})
	g.place(g.newBlock())
	e.small.callScan(g, keys, handle)
	g.jump(done)
	g.place(classes)
	limbs := e.limbs(keys)
	for at := 0; at < len(e.chunks); {
		at += e.storeChunks(g, limbs, at)
	}
	for at := len(e.chunks); at%4 != 0; at++ {
		g.storeImm(fp, 2*at, 0, asm.Half) // the function's argument is whole words
	}
	g.emit(minst{op: mCall, dst: handle, name: g.functionOf(e, e.table, (len(e.chunks)+3)/4, e.find), args: []marg{argKey(0)}})
	g.mask(handle, 32)
	g.jump(done)
	g.place(done)
}

// limbs groups the limbs by key.
func (e *Classes) limbs(keys []vreg) [][]vreg {
	var out [][]vreg
	for _, w := range e.width {
		n := len(limbsOf(w))
		out = append(out, keys[:n])
		keys = keys[n:]
	}
	return out
}

// storeChunks stores chunk at, with those behind it that are the next bits of the
// same limb, in the key area; it gives their number.
func (e *Classes) storeChunks(g *gen, limbs [][]vreg, at int) int {
	c := e.chunks[at]
	limbOf := func(p chunkPiece) (x vreg, off int) {
		ls := limbs[p.Key]
		return ls[len(ls)-1-p.Off/64], p.Off % 64
	}
	if len(c.pieces) == 1 && c.flip == 0 {
		x, off := limbOf(c.pieces[0])
		n := 1
		for ; c.bits == 16 && at+n < len(e.chunks); n++ {
			d := e.chunks[at+n]
			if len(d.pieces) != 1 || d.flip != 0 || e.chunks[at+n-1].bits != 16 || d.pieces[0].Key != c.pieces[0].Key || d.pieces[0].Off != c.pieces[0].Off+16*n {
				break
			}
			if y, _ := limbOf(d.pieces[0]); y != x {
				break
			}
		}
		if off > 0 {
			t := g.scalar()
			g.mov(t, x)
			g.aluImm(asm.RSh, t, int64(off))
			x = t
		}
		g.splitStore(2*at, 2*n, x)
		return n
	}
	v := noReg
	for _, p := range c.pieces {
		x, off := limbOf(p)
		t := g.scalar()
		g.mov(t, x)
		if off > 0 {
			g.aluImm(asm.RSh, t, int64(off))
		}
		g.mask(t, p.Width)
		if p.Shift > 0 {
			g.aluImm(asm.LSh, t, int64(p.Shift))
		}
		if v == noReg {
			v = t
		} else {
			g.alu(asm.Or, v, t)
		}
	}
	if c.flip != 0 {
		g.aluImm(asm.Xor, v, int64(c.flip))
	}
	g.store(fp, 2*at, v, asm.Half)
	return 1
}

// find generates the function: in, the address of the chunks, 16 bits each; out,
// the handle.
func (e *Classes) find(s *subprog) {
	b, arg := s.builder, s.arg
	result, miss, out := b.scalar(), b.newBlock(), b.newBlock()
	b.movImm(result, 0)
	b.branchImm(asm.JEq, arg, 0, out)
	arena, half, t := b.ptr(), b.ptr(), b.ptr()
	b.emit(minst{op: mValue, dst: arena, name: e.Arena.Name})
	b.load(t, arena, 0, asm.DWord)
	b.aluImm(asm.RSh, t, halfShift)
	b.aluImm(asm.And, t, 1)
	b.aluImm(asm.Mul, t, int64(e.half))
	b.aluImm(asm.Add, t, int64(e.halfAt))
	b.mov(half, arena)
	b.alu(asm.Add, half, t)
	rows := make([]vreg, len(e.chunks))
	for i, c := range e.chunks {
		k, n, base := b.ptr(), b.ptr(), b.ptr()
		b.load(k, arg, 2*i, asm.Half)
		if c.bits < 16 {
			b.aluImm(asm.And, k, 1<<c.bits-1)
		}
		b.aluImm(asm.LSh, k, 1)
		p := b.ptr()
		b.mov(p, half)
		b.alu(asm.Add, p, k)
		b.aluImm(asm.Add, p, int64(e.tablesAt[i]))
		b.load(n, p, 0, asm.Half)
		b.load(base, half, 4*i, asm.Word)
		b.alu(asm.Add, n, base)
		b.branchImm(asm.JGE, n, int64(e.rows), miss)
		b.aluImm(asm.Mul, n, int64(e.rowSize()))
		rows[i] = b.ptr()
		b.mov(rows[i], half)
		b.aluImm(asm.Add, rows[i], int64(e.rowsAt))
		b.alu(asm.Add, rows[i], n)
	}
	and := func(into vreg, off vreg, add int) {
		for i, r := range rows {
			p, v := r, into
			if off != noReg {
				p = b.ptr()
				b.mov(p, r)
				b.alu(asm.Add, p, off)
			}
			if i > 0 {
				v = b.scalar()
			}
			b.load(v, p, add, asm.DWord)
			if i > 0 {
				b.alu(asm.And, into, v)
			}
		}
	}
	// ctz sets n to the index of the lowest bit that is set in m.
	ctz := func(n, m vreg) {
		low, p := b.scalar(), b.ptr()
		b.movImm(low, 0)
		b.alu(asm.Sub, low, m)
		b.alu(asm.And, low, m)
		b.aluImm(asm.Mul, low, int64(uint64(deBruijn)))
		x := b.ptr()
		b.mov(x, low)
		b.aluImm(asm.RSh, x, 58)
		b.mov(p, arena)
		b.alu(asm.Add, p, x)
		b.load(n, p, ctzAt, asm.Byte)
		b.aluImm(asm.And, n, 63)
	}
	sum, outer, steps := b.scalar(), b.ptr(), b.ptr()
	b.movImm(outer, 0)
	next, bit, nextBit, found := b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()
	b.place(next)
	if e.summary == 1 {
		and(sum, noReg, 0)
	} else {
		off := b.ptr()
		b.mov(off, outer)
		b.aluImm(asm.LSh, off, 3)
		and(sum, off, 0)
	}
	endOfSummary := b.newBlock()
	b.movImm(steps, 0)
	b.freq = 4
	word, n, m := b.ptr(), b.ptr(), b.scalar()
	b.place(bit)
	b.branchImm(asm.JEq, sum, 0, endOfSummary)
	ctz(n, sum)
	b.mov(word, outer)
	b.aluImm(asm.LSh, word, 6)
	b.alu(asm.Add, word, n)
	off := b.ptr()
	b.mov(off, word)
	b.aluImm(asm.LSh, off, 3)
	and(m, off, 8*e.summary)
	b.branchImm(asm.JEq, m, 0, nextBit)
	b.jump(found)
	b.place(nextBit)
	x := b.scalar()
	b.mov(x, sum)
	b.aluImm(asm.Sub, x, 1)
	b.alu(asm.And, sum, x)
	b.aluImm(asm.Add, steps, 1)
	b.branchImm(asm.JNE, steps, 64, bit)
	b.place(endOfSummary)
	b.freq = 1
	b.aluImm(asm.Add, outer, 1)
	b.branchImm(asm.JNE, outer, int64(e.summary), next)
	b.jump(miss)
	b.place(found)
	ctz(n, m)
	b.aluImm(asm.LSh, word, 6)
	b.alu(asm.Add, word, n)
	b.aluImm(asm.LSh, word, 2)
	q := b.ptr()
	b.mov(q, half)
	b.aluImm(asm.Add, q, int64(e.handles))
	b.alu(asm.Add, q, word)
	b.load(result, q, 0, asm.Word)
	b.jump(out)
	b.place(miss)
	b.movImm(result, 0)
	b.place(out)
	b.exit(result)
}
