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

// emit scans the rows of the active half. Per masked word: ((key ^ value) &
// mask), all or-ed; ranges branch. Fall-through is the way out of the loop, so
// that the verifier sees the rest of the program once and then prunes.
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
	if acc != noReg {
		g.branchImm(asm.JNE, acc, 0, next)
	}
	for _, r := range e.ranges {
		g.inRange(row, r, keys, next)
	}
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

// inRange goes to next unless lo <= key <= hi, comparing limb by limb.
func (g *gen) inRange(row vreg, r rangeKey, keys []vreg, next *mblock) {
	if r.N == 1 {
		b := g.scalar()
		g.load(b, row, 8*r.Word, asm.DWord)
		g.branch(asm.JGT, b, keys[r.Limb], next)
		b = g.scalar()
		g.load(b, row, 8*r.Word+8, asm.DWord)
		g.branch(asm.JGT, keys[r.Limb], b, next)
		return
	}
	for bound := range 2 {
		ok := g.newBlock()
		for j := range r.N {
			b, k := g.scalar(), keys[r.Limb+j]
			g.load(b, row, 8*(r.Word+2*j+bound), asm.DWord)
			x, y := b, k // bound 0: outside when lo > key
			if bound == 1 {
				x, y = k, b
			}
			g.branch(asm.JGT, x, y, next)
			if j+1 < r.N {
				g.branch(asm.JLT, x, y, ok)
			}
		}
		g.jump(ok)
		g.place(ok)
	}
}
