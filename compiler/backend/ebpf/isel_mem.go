package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// loadBytes reads v.N big-endian bytes from the packet, in pieces of 4, 2 and 1
// where there is no instruction for all.
func (g *gen) loadBytes(r vreg, v *ssa.Value) {
	p := g.pointer(v.Args[0])
	off := p.off + int(v.Aux)
	n := v.N
	if n == 8 {
		g.load(r, p.base, off, asm.DWord)
		g.swap(r, 64)
		return
	}
	first := true
	for n > 0 {
		k := 4
		for k > n {
			k /= 2
		}
		t := r
		if !first {
			t = g.scalar()
			g.aluImm(asm.LSh, r, int64(8*k))
		}
		g.load(t, p.base, off, sizeOf(k))
		if k > 1 {
			g.swap(t, int64(8*k))
		}
		if !first {
			g.alu(asm.Or, r, t)
		}
		first = false
		off += k
		n -= k
	}
}

// storeBytes writes v.N big-endian bytes to the packet.
func (g *gen) storeBytes(v *ssa.Value) {
	p := g.pointer(v.Args[0])
	g.storeBE(p.base, p.off+int(v.Aux), v.Args[1], v.N)
}

// storeBE writes the low n bytes of val to base + off, most significant first.
func (g *gen) storeBE(base vreg, off int, val *ssa.Value, n int) {
	if val.Op == ssa.OpConst {
		for n > 0 {
			k := pieceOf(n)
			n -= k
			x := val.Aux >> (8 * n)
			var le uint64
			for i := range k {
				le |= x >> (8 * i) & 0xff << (8 * (k - 1 - i))
			}
			c := int64(le)
			if k == 4 {
				c = int64(int32(le))
			}
			g.storeImm(base, off, c, sizeOf(k))
			off += k
		}
		return
	}
	x := g.use(val)
	for n > 0 {
		k := pieceOf(n)
		n -= k
		t := x
		if n > 0 || k > 1 {
			t = g.scalar()
			g.mov(t, x)
			if n > 0 {
				g.aluImm(asm.RSh, t, int64(8*n))
			}
			if k > 1 {
				g.swap(t, int64(8*k))
			}
		}
		g.store(base, off, t, sizeOf(k))
		off += k
	}
}

// pieceOf is the largest store that n bytes have room for.
func pieceOf(n int) int {
	k := 8
	for k > n {
		k /= 2
	}
	return k
}

// scratchStore writes into the new header image, at the start of the scratch
// map's value.
func (g *gen) scratchStore(v *ssa.Value) {
	if c := v.Args[0]; c.Op == ssa.OpConst {
		g.storeBE(g.scratch, int(c.Aux&uint64(g.imageMask))+int(v.Aux), v.Args[1], v.N)
		return
	}
	o := g.use(v.Args[0])
	p := g.ptr()
	g.mov(p, o)
	g.aluImm(asm.And, p, int64(g.imageMask)) // Lower keeps it below HeaderImage; this tells the verifier
	t := g.ptr()
	g.mov(t, g.scratch)
	g.alu(asm.Add, t, p)
	g.storeBE(t, int(v.Aux), v.Args[1], v.N)
}

// lookupKey calls map_lookup_elem with the key at the start of the key area. The
// result is an address or 0.
func (g *gen) lookupKey(name string) vreg {
	p := g.ptr()
	g.call(p, asm.FnMapLookupElem, argMap(g.useMap(name)), argKey(0))
	return p
}

// element looks an index up in an array; absent is where to go when it is out of
// range.
func (g *gen) element(name string, index vreg, absent *mblock) vreg {
	g.store(fp, 0, index, asm.Word)
	p := g.lookupKey(name)
	g.branchImm(asm.JEq, p, 0, absent)
	return p
}
