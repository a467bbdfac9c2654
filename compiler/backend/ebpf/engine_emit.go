package ebpf

import "github.com/cilium/ebpf/asm"

// handleOf ends a look-up by map element: absent elements give handle 0.
func (g *gen) handleOf(p vreg, handle vreg) {
	done := g.newBlock()
	g.opaque(handle, 0)
	g.branchImm(asm.JEq, p, 0, done)
	g.load(handle, p, 0, asm.Word)
	g.place(done)
}

func (noEngine) emit(g *gen, _ []vreg, handle vreg) { g.opaque(handle, 0) }

func (e *arrayEngine) emit(g *gen, keys []vreg, handle vreg) {
	if len(keys) == 0 {
		g.storeImm(fp, 0, int64(e.base), asm.Word)
	} else {
		g.store(fp, 0, g.fromBase(keys[0], e.base), asm.Word)
	}
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
const maxStackKey = 96

// keyBytes is the size of the engine's map key.
func keyBytes(e Engine) int {
	switch e := e.(type) {
	case *hashEngine:
		return e.size
	case *lpmEngine:
		return e.size
	case *Linear:
		return 8 * e.words
	case *Classes:
		return 8 * e.small.words
	case *Trie:
		if e.exact != nil {
			return e.exact.size
		}
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
