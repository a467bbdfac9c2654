package ebpf

import "github.com/cilium/ebpf/asm"

// handleOf ends a look-up by map element: absent elements give handle 0.
func (g *gen) handleOf(p vreg, handle vreg) {
	done := g.newBlock()
	g.movImm(handle, 0)
	g.branchImm(asm.JEq, p, 0, done)
	g.load(handle, p, 0, asm.Word)
	g.place(done)
}

func (noEngine) emit(g *gen, _ []vreg, handle vreg) { g.movImm(handle, 0) }

func (e *arrayEngine) emit(g *gen, keys []vreg, handle vreg) {
	g.store(fp, 0, keys[0], asm.Word)
	g.handleOf(g.lookupKey(e.spec.Name), handle)
}

func (e *hashEngine) emit(g *gen, keys []vreg, handle vreg) {
	k := keyWriter{g: g, base: fp}
	k.begin(e.size)
	i := 0
	end := 0
	for _, ls := range e.limbs {
		for _, l := range ls {
			k.limb(l.Off, l.Size, keys[i])
			end = max(end, l.Off+l.Size)
			i++
		}
	}
	for ; end < e.size; end++ {
		g.storeImm(k.base, end, 0, asm.Byte)
	}
	g.handleOf(k.lookup(e.spec.Name), handle)
}

func (e *lpmEngine) emit(g *gen, keys []vreg, handle vreg) {
	k := keyWriter{g: g, base: fp}
	k.begin(e.size)
	g.storeImm(k.base, 0, int64(e.fixed+e.width[e.lpm]), asm.Word)
	i := 0
	for n, ls := range e.limbs {
		for _, l := range ls {
			x := keys[i]
			i++
			if n != e.lpm {
				k.limb(l.Off, l.Size, x)
				continue
			}
			if l.Size > 1 {
				t := g.scalar()
				g.mov(t, x)
				g.swap(t, int64(8*l.Size))
				x = t
			}
			k.limb(l.Off, l.Size, x)
		}
	}
	g.handleOf(k.lookup(e.spec.Name), handle)
}

// maxStackKey is the largest key that is built on the stack; larger ones are
// built in the scratch map, behind the header image.
const maxStackKey = 64

// keyBytes is the size of the engine's map key.
func keyBytes(e Engine) int {
	switch e := e.(type) {
	case *hashEngine:
		return e.size
	case *lpmEngine:
		return e.size
	}
	return 0
}

// keyWriter builds a key and looks it up.
type keyWriter struct {
	g    *gen
	base vreg
}

func (k *keyWriter) begin(size int) {
	if size <= maxStackKey {
		return
	}
	p := k.g.ptr()
	k.g.mov(p, k.g.scratch)
	k.g.aluImm(asm.Add, p, int64(k.g.imageArea))
	k.base = p
}

func (k *keyWriter) limb(off, size int, x vreg) {
	g := k.g
	if k.base != fp {
		g.store(k.base, off, x, sizeOf(size))
		return
	}
	if off%size == 0 {
		g.store(fp, off, x, sizeOf(size))
		return
	}
	// Stack accesses must be aligned; limbs behind the prefix length of an LPM
	// key, or behind narrow exact keys, are not always. Split them.
	g.splitStore(off, size, x)
}

func (k *keyWriter) lookup(name string) vreg {
	if k.base == fp {
		return k.g.lookupKey(name)
	}
	p := k.g.ptr()
	k.g.call(p, asm.FnMapLookupElem, argMap(k.g.useMap(name)), argReg(k.base))
	return p
}

// splitStore writes the low size bytes of x to the key area in native order, in
// aligned pieces.
func (g *gen) splitStore(off, size int, x vreg) {
	for at := 0; at < size; {
		k := pieceOf(size - at)
		for (off+at)%k != 0 {
			k /= 2
		}
		t := x
		if at > 0 {
			t = g.scalar()
			g.mov(t, x)
			g.aluImm(asm.RSh, t, int64(8*at))
		}
		g.store(fp, off+at, t, sizeOf(k))
		at += k
	}
}

// emit scans the rows of the active half. A row is compared without branches:
// acc collects ((key ^ value) & mask) of the masked words and an out-of-range bit
// of each range, and is 0 for a match.
//
// Only two jumps a row, both with the way out of the loop as fall-through: the
// verifier follows that first, finds the rest of the program known after the
// first row, and has nothing pending when it goes on to the next row. With
// branches inside a row its work grows with the square of the rows.
func (e *Linear) emit(g *gen, keys []vreg, handle vreg) {
	words := make([]vreg, e.masked)
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
	ctl, half, count, row, i := g.ptr(), g.ptr(), g.scalar(), g.ptr(), g.ptr()
	g.emit(minst{op: mValue, dst: ctl, name: g.useMap(e.Control.Name)})
	g.load(count, ctl, 0, asm.DWord)
	g.mov(half, count)
	g.aluImm(asm.RSh, half, 32)
	g.aluImm(asm.And, half, 1)
	g.aluImm(asm.Mul, half, int64(e.Capacity*e.RowSize))
	g.mask(count, 32)
	g.emit(minst{op: mValue, dst: row, name: g.useMap(e.Rows.Name)})
	g.alu(asm.Add, row, half)
	g.movImm(handle, 0)
	g.movImm(i, 0)
	done := g.newBlock()
	g.freq *= 16
	loop, body, next := g.newBlock(), g.newBlock(), g.newBlock()
	g.place(loop)
	g.branch(asm.JGT, count, i, body)
	g.jump(done)
	g.place(body)
	acc := noReg
	for w := range e.masked {
		v, m := g.scalar(), g.scalar()
		g.load(v, row, 16*w, asm.DWord)
		g.alu(asm.Xor, v, words[w])
		g.load(m, row, 16*w+8, asm.DWord)
		g.alu(asm.And, v, m)
		if acc == noReg {
			acc = v
		} else {
			g.alu(asm.Or, acc, v)
		}
	}
	for _, r := range e.ranges {
		out := g.outOfRange(row, r, keys)
		if acc == noReg {
			acc = out
		} else {
			g.alu(asm.Or, acc, out)
		}
	}
	g.branchImm(asm.JNE, acc, 0, next)
	g.load(handle, row, e.RowSize-8, asm.Word)
	g.jump(done)
	g.place(next)
	g.aluImm(asm.Add, row, int64(e.RowSize))
	g.aluImm(asm.Add, i, 1)
	g.branchImm(asm.JNE, i, int64(e.Capacity), loop)
	g.freq /= 16
	g.jump(done)
	g.place(done)
}

// outOfRange gives 1 when the key is below lo or above hi, else 0.
func (g *gen) outOfRange(row vreg, r rangeKey, keys []vreg) vreg {
	bounds := func(bound int) []vreg {
		bs := make([]vreg, r.N)
		for j := range bs {
			bs[j] = g.scalar()
			g.load(bs[j], row, 8*(r.Word+2*j+bound), asm.DWord)
		}
		return bs
	}
	key := keys[r.Limb : r.Limb+r.N]
	below := g.less(key, bounds(0), r.Width)
	above := g.less(bounds(1), key, r.Width)
	g.alu(asm.Or, below, above)
	return below
}

// less gives 1 when x < y, both limbs of a w-bit value, else 0: from the last
// limb to the first, (x < y) | (x == y & what the limbs behind say).
func (g *gen) less(x, y []vreg, w int) vreg {
	out := noReg
	for j := len(x) - 1; j >= 0; j-- {
		lt := g.scalar()
		if len(x) == 1 && w < 64 {
			g.mov(lt, x[j])
			g.alu(asm.Sub, lt, y[j])
		} else {
			// Top bit of (^x & y) | ((^x | y) & (x - y)).
			n, d := g.scalar(), g.scalar()
			g.mov(n, x[j])
			g.aluImm(asm.Xor, n, -1)
			g.mov(lt, n)
			g.alu(asm.And, lt, y[j])
			g.alu(asm.Or, n, y[j])
			g.mov(d, x[j])
			g.alu(asm.Sub, d, y[j])
			g.alu(asm.And, n, d)
			g.alu(asm.Or, lt, n)
		}
		g.aluImm(asm.RSh, lt, 63)
		if out != noReg {
			// Top bit of d | -d is set unless d is 0.
			d, e := g.scalar(), g.scalar()
			g.mov(d, x[j])
			g.alu(asm.Xor, d, y[j])
			g.movImm(e, 0)
			g.alu(asm.Sub, e, d)
			g.alu(asm.Or, d, e)
			g.aluImm(asm.RSh, d, 63)
			g.aluImm(asm.Xor, d, 1)
			g.alu(asm.And, out, d)
			g.alu(asm.Or, lt, out)
		}
		out = lt
	}
	return out
}
