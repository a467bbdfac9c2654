package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// emit generates the look-up. Keys of up to 32 bits go down without a loop and
// without a call; wider ones below their root by a function of the table.
func (e *Trie) emit(g *gen, keys []vreg, handle vreg) {
	var lpm, exact []vreg
	at := 0
	for i, w := range e.width {
		n := len(limbsOf(w))
		if i == e.lpm {
			lpm = keys[at : at+n]
		} else {
			exact = append(exact, keys[at:at+n]...)
		}
		at += n
	}
	done, miss := g.newBlock(), g.newBlock()
	cell := g.scalar()
	base := g.ptr()
	root := noReg // number of the root
	if e.exact != nil {
		root = e.rootNumber(g, exact, miss)
	}
	g.emit(minst{op: mValue, dst: base, name: g.useMap(e.Arena.Name)})
	hi, lo := e.normalized(g, lpm)
	switch {
	case e.exactBits == 0:
		g.slot16(cell, base, hi)
	case e.exact != nil:
		// The number is in range; the verifier wants to see it.
		g.branchImm(asm.JGE, root, int64(e.rootCells), miss)
		g.cellAt(cell, base, root)
	default:
		i := g.ptr()
		g.movImm(i, 0)
		for n, x := range exact {
			w := e.width[e.exactKeys[n]]
			t := g.scalar()
			g.mov(t, x)
			g.aluImm(asm.LSh, i, int64(w))
			g.alu(asm.Or, i, t)
		}
		g.aluImm(asm.And, i, 1<<e.exactBits-1)
		g.cellAt(cell, base, i)
	}
	if e.wide() {
		e.emitWide(g, cell, hi, lo, done)
	} else {
		e.emitNarrow(g.builder, base, cell, hi, done, miss)
	}
	g.place(done)
	end := g.newBlock()
	g.emit(minst{op: mXor, dst: handle, src: cell})
	g.jump(end)
	g.place(miss)
	g.opaque(handle, 0)
	g.place(end)
}

// rootNumber looks the exact keys up.
func (e *Trie) rootNumber(g *gen, exact []vreg, miss *mblock) vreg {
	k := keyWriter{g: g, base: fp}
	k.begin(e.exact.size)
	i, end := 0, 0
	for _, ls := range e.exact.limbs {
		for _, l := range ls {
			k.limb(l.Off, l.Size, exact[i])
			end = max(end, l.Off+l.Size)
			i++
		}
	}
	for ; end < e.exact.size; end++ {
		g.storeImm(k.base, end, 0, asm.Byte)
	}
	p := k.lookup(e.Roots.Name)
	g.branchImm(asm.JEq, p, 0, miss)
	root := g.ptr()
	g.load(root, p, 0, asm.Word)
	return root
}

// normalized moves the key up so that its first bit is bit 63 of hi.
func (e *Trie) normalized(g *gen, limbs []vreg) (hi, lo vreg) {
	w := e.width[e.lpm]
	shifted := func(x vreg, op asm.ALUOp, n int) vreg {
		t := g.scalar()
		g.mov(t, x)
		if n > 0 {
			g.aluImm(op, t, int64(n))
		}
		return t
	}
	if len(limbs) == 1 {
		return shifted(limbs[0], asm.LSh, 64-w), noReg
	}
	if w == 128 {
		return shifted(limbs[0], asm.LSh, 0), shifted(limbs[1], asm.LSh, 0)
	}
	hi = shifted(limbs[0], asm.LSh, 128-w)
	g.alu(asm.Or, hi, shifted(limbs[1], asm.RSh, w-64))
	return hi, shifted(limbs[1], asm.LSh, 128-w)
}

// cellAt loads the cell with a bounded index at the start of the arena.
func (b *builder) cellAt(cell, base, index vreg) {
	p, i := b.ptr(), b.ptr()
	b.mov(i, index)
	b.aluImm(asm.LSh, i, 2)
	b.mov(p, base)
	b.alu(asm.Add, p, i)
	b.load(cell, p, 0, asm.Word)
}

// slot16 loads the cell that the upper 16 bits of key name from a stride16 node.
func (b *builder) slot16(cell, node, key vreg) {
	i := b.ptr()
	b.mov(i, key)
	b.aluImm(asm.RSh, i, 48)
	b.cellAt(cell, node, i)
}

// unlessNode goes to target unless the cell is a node.
func (b *builder) unlessNode(cell vreg, target *mblock) {
	b.emit(minst{op: mJump, jmp: asm.JSGE, w32: true, dst: cell, target: target})
	b.place(b.newBlock())
}

// nodeOf gives the address of the node that a cell names, of that many lines (what
// it reads beyond is the slack's); to miss where there is no such line.
func (e *Trie) nodeOf(b *builder, base, cell vreg, lines int64, miss *mblock) vreg {
	line, p := b.ptr(), b.ptr()
	b.mov(line, cell)
	b.aluImm(asm.And, line, lineMask)
	if int64(e.Lines) < lines {
		b.jump(miss) // there can be no such node
	} else {
		b.branchImm(asm.JGT, line, int64(e.Lines)-lines, miss)
	}
	b.aluImm(asm.LSh, line, 6)
	b.mov(p, base)
	b.alu(asm.Add, p, line)
	return p
}

// emitNarrow goes from the cell at bit 0 (or, without exact keys, at bit 16) of
// the key to its leaf.
func (e *Trie) emitNarrow(b *builder, base, cell, key vreg, done, miss *mblock) {
	at := 16
	if e.exactBits > 0 {
		at = 0
	}
	below := b.newBlock()
	for ; at < e.width[e.lpm]; at += 8 {
		b.unlessNode(cell, done)
		if at == 0 {
			full := b.newBlock()
			b.branchImm(asm.JSet, cell, formFull<<formShift, full)
			e.stride8(b, base, cell, key, 0, miss)
			if e.width[e.lpm] > 8 {
				b.unlessNode(cell, done)
				e.stride8(b, base, cell, key, 8, miss)
			}
			b.jump(below)
			b.place(full)
			node := e.nodeOf(b, base, cell, fullLines, miss)
			b.slot16(cell, node, key)
			b.place(below)
			at = 8
			continue
		}
		e.stride8(b, base, cell, key, at, miss)
	}
	b.jump(done)
}

// stride8 goes one node down.
func (e *Trie) stride8(b *builder, base, cell, key vreg, at int, miss *mblock) {
	node := e.nodeOf(b, base, cell, 1, miss)
	s, w, p, m, n := b.scalar(), b.ptr(), b.ptr(), b.scalar(), b.ptr()
	b.mov(s, key)
	b.aluImm(asm.RSh, s, int64(56-at))
	b.mov(w, s)
	b.aluImm(asm.RSh, w, 5)
	b.aluImm(asm.And, w, 7)
	b.mov(p, node)
	b.alu(asm.Add, p, w)
	b.load(n, p, 32, asm.Byte) // bits in the words before
	b.aluImm(asm.LSh, w, 2)
	b.mov(p, node)
	b.alu(asm.Add, p, w)
	b.load(m, p, 0, asm.Word)
	// Keep the bits up to the slot's own, and count them.
	b.aluImm(asm.Xor, s, -1)
	b.aluImm(asm.And, s, 31)
	b.alu32(asm.LSh, m, s)
	c := b.ptr()
	b.countBits(c, m)
	b.alu(asm.Add, n, c)
	b.aluImm(asm.LSh, n, 2)
	b.mov(p, node)
	b.alu(asm.Add, p, n)
	b.load(cell, p, stride8Head-4, asm.Word)
}

// countBits sets c to the number of bits set in the low half of m, which it
// destroys.
func (b *builder) countBits(c, m vreg) {
	t := b.scalar()
	b.mov(t, m)
	b.alu32Imm(asm.RSh, t, 1)
	b.alu32Imm(asm.And, t, 0x55555555)
	b.alu32(asm.Sub, m, t)
	b.mov(t, m)
	b.alu32Imm(asm.RSh, t, 2)
	b.alu32Imm(asm.And, t, 0x33333333)
	b.alu32Imm(asm.And, m, 0x33333333)
	b.alu32(asm.Add, m, t)
	b.mov(t, m)
	b.alu32Imm(asm.RSh, t, 4)
	b.alu32(asm.Add, m, t)
	b.alu32Imm(asm.And, m, 0x0f0f0f0f)
	b.alu32Imm(asm.Mul, m, 0x01010101)
	b.mov(c, m)
	b.alu32Imm(asm.RSh, c, 24)
}

// emitWide calls the table's function with the cell and the rest of the key.
func (e *Trie) emitWide(g *gen, cell, hi, lo vreg, done *mblock) {
	g.unlessNode(cell, done)
	if e.exactBits == 0 {
		// The root is behind us.
		g.aluImm(asm.LSh, hi, 16)
		if lo != noReg {
			t := g.scalar()
			g.mov(t, lo)
			g.aluImm(asm.RSh, t, 48)
			g.alu(asm.Or, hi, t)
			g.aluImm(asm.LSh, lo, 16)
		}
	}
	words := []vreg{cell, hi}
	if lo != noReg {
		words = append(words, lo)
	}
	for i, w := range words {
		g.store(fp, 8*i, w, asm.DWord)
	}
	sub := g.functionOf(e, e.table, len(words), e.descend)
	g.emit(minst{op: mCall, dst: cell, name: sub, args: []marg{argKey(0)}})
	g.mask(cell, 32)
	g.jump(done)
}

// descend generates the function: in, the address of cell and key; out, the leaf.
func (e *Trie) descend(s *subprog) {
	b, arg := s.builder, s.arg
	result, done, miss := b.scalar(), b.newBlock(), b.newBlock()
	b.movImm(result, 0)
	b.branchImm(asm.JEq, arg, 0, done)
	cell, hi, lo := b.scalar(), b.scalar(), noReg
	b.load(cell, arg, 0, asm.DWord)
	b.load(hi, arg, 8, asm.DWord)
	if e.width[e.lpm] > 64 {
		lo = b.scalar()
		b.load(lo, arg, 16, asm.DWord)
	}
	base, level := b.ptr(), b.ptr()
	b.emit(minst{op: mValue, dst: base, name: e.Arena.Name})
	b.movImm(level, 0)
	b.freq = 4
	loop, ranges, next, leaf := b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()
	b.place(loop)
	f := b.ptr()
	b.mov(f, cell)
	b.aluImm(asm.RSh, f, formShift)
	b.aluImm(asm.And, f, 15)
	b.branchImm(asm.JNE, f, formFull, ranges)
	b.slot16(cell, e.nodeOf(b, base, cell, fullLines, miss), hi)
	b.jump(next)
	b.place(ranges)
	e.search(b, e.nodeOf(b, base, cell, 1, miss), f, hi, cell)
	b.place(next)
	b.unlessNode(cell, leaf)
	b.aluImm(asm.LSh, hi, 16)
	if lo != noReg {
		t := b.scalar()
		b.mov(t, lo)
		b.aluImm(asm.RSh, t, 48)
		b.alu(asm.Or, hi, t)
		b.aluImm(asm.LSh, lo, 16)
	}
	b.aluImm(asm.Add, level, 1)
	b.branchImm(asm.JNE, level, maxTrieKey/16, loop)
	b.freq = 1
	b.jump(miss)
	b.place(leaf)
	b.mov(result, cell)
	b.jump(done)
	b.place(miss)
	b.movImm(result, 0)
	b.place(done)
	b.exit(result)
}

// search finds the range of the upper 16 bits of key among 2^f and loads its cell.
func (e *Trie) search(b *builder, node, f, key, cell vreg) {
	k, half, pos, i := b.scalar(), b.scalar(), b.ptr(), b.ptr()
	b.mov(k, key)
	b.aluImm(asm.RSh, k, 48)
	b.movImm(half, 1)
	b.alu(asm.LSh, half, f)
	b.movImm(pos, 0)
	b.movImm(i, 0)
	was := b.freq
	b.freq = 8 * was
	step, found := b.newBlock(), b.newBlock()
	b.place(step)
	b.aluImm(asm.RSh, half, 1)
	b.branchImm(asm.JEq, half, 0, found)
	m, p, v := b.ptr(), b.ptr(), b.scalar()
	b.mov(m, pos)
	b.alu(asm.Add, m, half)
	b.aluImm(asm.And, m, 1<<maxRangesLog-1)
	b.aluImm(asm.LSh, m, 1)
	b.mov(p, node)
	b.alu(asm.Add, p, m)
	b.load(v, p, 0, asm.Half)
	// All ones where the start is not above k.
	b.aluImm(asm.Sub, v, 1)
	b.alu(asm.Sub, v, k)
	b.aluImm(asm.ArSh, v, 63)
	b.alu(asm.And, v, half)
	b.alu(asm.Add, pos, v)
	b.aluImm(asm.Add, i, 1)
	b.branchImm(asm.JNE, i, maxRangesLog, step)
	b.freq = was
	b.place(found)
	b.aluImm(asm.And, pos, 1<<maxRangesLog-1)
	b.aluImm(asm.LSh, pos, 2)
	off, q := b.ptr(), b.ptr()
	b.movImm(off, 2)
	b.alu(asm.LSh, off, f)
	b.aluImm(asm.And, off, 1<<(maxRangesLog+2)-1)
	b.mov(q, node)
	b.alu(asm.Add, q, off)
	b.alu(asm.Add, q, pos)
	b.load(cell, q, 0, asm.Word)
}

// functionOf notes that the table's function is needed and gives its name; write
// generates it, for an argument of some u64 words.
func (g *gen) functionOf(of Engine, table *ir.Table, words int, write func(*subprog)) string {
	for _, s := range g.subs {
		if s.of == of {
			return s.name
		}
	}
	// The number keeps names apart that differ in characters BTF does not take.
	name := fmt.Sprintf("%s_%d", identifier(table.Name), len(g.subs))
	u64 := &btf.Int{Name: "unsigned long long", Size: 8}
	s := newSubprog(name, &btf.Pointer{Target: &btf.Struct{Name: name + "_key", Size: uint32(8 * words), Members: []btf.Member{{
		Name: "word", Type: &btf.Array{Index: &btf.Int{Name: "unsigned int", Size: 4}, Type: u64, Nelems: uint32(words)},
	}}}})
	s.of, s.pos, s.what = of, table.Pos, "table "+table.Name
	write(s)
	g.subs = append(g.subs, s)
	return name
}
