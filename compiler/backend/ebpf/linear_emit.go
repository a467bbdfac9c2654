package ebpf

import "github.com/cilium/ebpf/asm"

// emit stores the words to compare and calls the table's function. The scan is a
// global function of its own because the verifier walks the rows once for each
// state of the caller that differs, were it inline, and once in all as it is.
func (e *Linear) emit(g *gen, keys []vreg, handle vreg) {
	done := g.newBlock()
	if !g.o.Off["empty"] {
		// A table without entries, as access lists mostly are, costs a load. When
		// it gets its first entry at this moment, the packet came before it.
		g.opaque(handle, 0)
		p, n := g.ptr(), g.scalar()
		g.emit(minst{op: mValue, dst: p, name: g.useMap(e.Control.Name)})
		g.load(n, p, 0, asm.Word) // the count: both machines are little endian
		g.branchImm(asm.JEq, n, 0, done)
	}
	e.callScan(g, keys, handle)
	g.jump(done)
	g.place(done)
}

// callScan stores the words to compare and calls the table's function.
func (e *Linear) callScan(g *gen, keys []vreg, handle vreg) {
	k := keyWriter{g: g, base: fp}
	k.begin(8 * e.words)
	words := make([]vreg, e.words)
	for _, p := range e.pieces {
		if words[p.Word] == noReg {
			words[p.Word] = g.scalar()
			g.mov(words[p.Word], keys[p.Limb])
			if p.Shift > 0 {
				g.aluImm(asm.LSh, words[p.Word], int64(p.Shift))
			}
			continue
		}
		t := g.scalar()
		g.mov(t, keys[p.Limb])
		g.aluImm(asm.LSh, t, int64(p.Shift))
		g.alu(asm.Or, words[p.Word], t)
	}
	for _, r := range e.ranges {
		for j := range r.N {
			words[r.Arg+j] = keys[r.Limb+j]
		}
		if r.Flip != 0 {
			t := g.scalar()
			g.movImm(t, int64(r.Flip))
			g.alu(asm.Xor, t, keys[r.Limb])
			words[r.Arg] = t
		}
	}
	for i, w := range words {
		g.store(k.base, 8*i, w, asm.DWord)
	}
	arg := argKey(0)
	if k.base != fp {
		arg = argReg(k.base)
	}
	g.useMap(e.Rows.Name)
	g.useMap(e.Control.Name)
	g.emit(minst{op: mCall, dst: handle, name: g.functionOf(e, e.table, e.words, e.scan), args: []marg{arg}})
	g.mask(handle, 32)
}

// scan generates the function: in, the address of the words; out, the handle.
//
// A row is compared without branches: acc collects ((key ^ value) & mask) of the
// masked words and an out-of-range bit of each range, and is 0 for a match. There
// are only two jumps a row, both with the way out of the loop as fall-through:
// the verifier follows that first and has nothing pending when it goes on to the
// next row. With branches inside a row its work grows with the square of the
// rows.
func (e *Linear) scan(s *subprog) {
	b, arg := s.builder, s.arg
	result, done := b.scalar(), b.newBlock()
	b.movImm(result, 0)
	// To the verifier the argument of a global function may be nil.
	b.branchImm(asm.JEq, arg, 0, done)
	words := make([]vreg, e.words)
	for i := range words {
		words[i] = b.scalar()
		b.load(words[i], arg, 8*i, asm.DWord)
	}
	ctl, half, count, row, i := b.ptr(), b.ptr(), b.scalar(), b.ptr(), b.ptr()
	b.emit(minst{op: mValue, dst: ctl, name: e.Control.Name})
	b.load(count, ctl, 0, asm.DWord)
	b.mov(half, count)
	b.aluImm(asm.RSh, half, 32)
	b.aluImm(asm.And, half, 1)
	b.aluImm(asm.Mul, half, int64(e.Capacity*e.RowSize))
	b.mask(count, 32)
	b.emit(minst{op: mValue, dst: row, name: e.Rows.Name, imm: int64(e.rowsAt)})
	b.alu(asm.Add, row, half)
	b.movImm(i, 0)
	b.freq = 64
	loop, body, next := b.newBlock(), b.newBlock(), b.newBlock()
	b.place(loop)
	b.branch(asm.JGT, count, i, body)
	b.jump(done)
	b.place(body)
	acc := noReg
	collect := func(v vreg) {
		if acc == noReg {
			acc = v
		} else {
			b.alu(asm.Or, acc, v)
		}
	}
	for w := range e.masked {
		v, m := b.scalar(), b.scalar()
		b.load(v, row, 16*w, asm.DWord)
		b.alu(asm.Xor, v, words[w])
		b.load(m, row, 16*w+8, asm.DWord)
		b.alu(asm.And, v, m)
		collect(v)
	}
	for _, r := range e.ranges {
		collect(b.outOfRange(row, r, words))
	}
	b.branchImm(asm.JNE, acc, 0, next)
	b.load(result, row, e.RowSize-8, asm.Word)
	b.jump(done)
	b.place(next)
	b.aluImm(asm.Add, row, int64(e.RowSize))
	b.aluImm(asm.Add, i, 1)
	b.branchImm(asm.JNE, i, int64(e.Capacity), loop)
	b.freq = 1
	b.jump(done)
	b.place(done)
	b.exit(result)
}

// outOfRange gives 1 when the key is below lo or above hi, else 0.
func (b *builder) outOfRange(row vreg, r rangeKey, keys []vreg) vreg {
	bounds := func(bound int) []vreg {
		bs := make([]vreg, r.N)
		for j := range bs {
			bs[j] = b.scalar()
			b.load(bs[j], row, 8*(r.Word+2*j+bound), asm.DWord)
		}
		return bs
	}
	key := keys[r.Arg : r.Arg+r.N]
	below := b.less(key, bounds(0), r.Width)
	above := b.less(bounds(1), key, r.Width)
	b.alu(asm.Or, below, above)
	return below
}

// less gives 1 when x < y, both limbs of a w-bit value, else 0: from the last
// limb to the first, (x < y) | (x == y & what the limbs behind say).
func (b *builder) less(x, y []vreg, w int) vreg {
	out := noReg
	for j := len(x) - 1; j >= 0; j-- {
		lt := b.scalar()
		if len(x) == 1 && w < 64 {
			b.mov(lt, x[j])
			b.alu(asm.Sub, lt, y[j])
		} else {
			// Top bit of (^x & y) | ((^x | y) & (x - y)).
			n, d := b.scalar(), b.scalar()
			b.mov(n, x[j])
			b.aluImm(asm.Xor, n, -1)
			b.mov(lt, n)
			b.alu(asm.And, lt, y[j])
			b.alu(asm.Or, n, y[j])
			b.mov(d, x[j])
			b.alu(asm.Sub, d, y[j])
			b.alu(asm.And, n, d)
			b.alu(asm.Or, lt, n)
		}
		b.aluImm(asm.RSh, lt, 63)
		if out != noReg {
			// Top bit of d | -d is set unless d is 0.
			d, e := b.scalar(), b.scalar()
			b.mov(d, x[j])
			b.alu(asm.Xor, d, y[j])
			b.movImm(e, 0)
			b.alu(asm.Sub, e, d)
			b.alu(asm.Or, d, e)
			b.aluImm(asm.RSh, d, 63)
			b.aluImm(asm.Xor, d, 1)
			b.alu(asm.And, out, d)
			b.alu(asm.Or, lt, out)
		}
		out = lt
	}
	return out
}
