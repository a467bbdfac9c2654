package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// tableOf finds the layout of the table that v refers to, or of the members of an
// action profile.
func (g *gen) tableOf(v *ssa.Value) *Table {
	if p := g.profileOf(v); p != nil {
		return p.Members
	}
	it, _ := v.Sym.(*ir.Table)
	for _, t := range g.l.Tables {
		if t.IR == it {
			return t
		}
	}
	g.fail(v.Pos, "table operation", "v%d refers to no table of the layout", v.ID)
	return nil
}

func (g *gen) lookup(v *ssa.Value) {
	t := g.tableOf(v)
	if t == nil {
		return
	}
	keys := make([]vreg, len(v.Args))
	for i, a := range v.Args {
		keys[i] = g.use(a)
	}
	r := g.result(v)
	want := 0
	for _, k := range t.IR.Keys {
		if k.Kind == ir.MatchSelector {
			continue
		}
		want += len(limbsOf(ir.Width(k.Expr.Type())))
	}
	if len(keys) != want {
		g.fail(v.Pos, "table "+t.IR.Name, "its look-up has %d key limbs, the table %d", len(keys), want)
		return
	}
	t.Engine.emit(g, keys, r)
}

// entryWord reads entry[handle]. Handles are always in range: where one is not,
// memory is corrupt and the packet is dropped.
func (g *gen) entryWord(v *ssa.Value) {
	t := g.tableOf(v)
	if t == nil {
		return
	}
	p := g.element(t.Entry.Name, g.fromBase(g.use(v.Args[0]), t.EntryBase), g.abortBlk)
	g.load(g.result(v), p, 0, asm.DWord)
}

// fromBase is an index in a map that tables share.
func (g *gen) fromBase(index vreg, base uint32) vreg {
	if base == 0 {
		return index
	}
	t := g.scalar()
	g.mov(t, index)
	g.aluImm(asm.Add, t, int64(base))
	return t
}

func (g *gen) actionArg(v *ssa.Value) {
	t := g.tableOf(v)
	if t == nil {
		return
	}
	if v.Action < 0 || v.Action >= len(t.Actions) || v.Param < 0 || v.Param >= len(t.Actions[v.Action].Params) ||
		v.Limb < 0 || v.Limb >= len(t.Actions[v.Action].Params[v.Param].Limbs) {
		g.fail(v.Pos, "table "+t.IR.Name, "there is no argument %d.%d.%d", v.Action, v.Param, v.Limb)
		return
	}
	a := &t.Actions[v.Action]
	l := a.Params[v.Param].Limbs[v.Limb]
	word := v.Args[0]
	if !a.InSlot {
		w := g.use(word)
		r := g.result(v)
		g.mov(r, w)
		if l.Off > 0 {
			g.aluImm(asm.RSh, r, int64(l.Off))
		}
		g.mask(r, l.Width)
		return
	}
	p, ok := g.slots[word]
	if !ok {
		// The low half of the word is the slot.
		p = g.element(t.Data.Name, g.fromBase(g.use(word), t.DataBase), g.abortBlk)
		g.slots[word] = p
	}
	g.load(g.result(v), p, l.Off, sizeOf(l.Size))
}

// count adds one packet to a cell of a counter (D12, D9).
func (g *gen) count(c *CounterLayout, cell vreg) { g.countAs(c, cell, g.segs, g.bytes) }

// countAs adds packets (noReg: 1) and bytes to a cell.
func (g *gen) countAs(c *CounterLayout, cell, packets, bytes vreg) {
	done := g.newBlock()
	index := cell
	if c.Stride != 0 {
		index = g.scalar()
		g.mov(index, g.cpu)
		g.aluImm(asm.Mul, index, int64(c.Stride))
		g.alu(asm.Add, index, cell)
	}
	p := g.element(c.Map.Name, index, done)
	if c.Stride == 0 {
		n := packets
		if n == noReg {
			n = g.scalar()
			g.movImm(n, 1)
		}
		g.emit(minst{op: mAtomic, dst: p, src: n, size: asm.DWord})
		g.emit(minst{op: mAtomic, dst: p, off: 8, src: bytes, size: asm.DWord})
	} else {
		g.addTo(p, 0, packets)
		g.addTo(p, 8, bytes)
	}
	g.place(done)
}

// addTo adds n (noReg: 1) to the u64 at p + off.
func (g *builder) addTo(p vreg, off int, n vreg) {
	t := g.scalar()
	g.load(t, p, off, asm.DWord)
	if n == noReg {
		g.aluImm(asm.Add, t, 1)
	} else {
		g.alu(asm.Add, t, n)
	}
	g.store(p, off, t, asm.DWord)
}

func (g *gen) countHit(v *ssa.Value) {
	t := g.tableOf(v)
	if t == nil || t.Counter == nil {
		if t != nil {
			g.fail(v.Pos, "table "+t.IR.Name, "it has no direct counter")
		}
		return
	}
	if len(v.Args) > 1 { // other bytes for the packet that was counted
		none, more := g.scalar(), g.scalar()
		g.movImm(none, 0)
		g.mov(more, g.use(v.Args[1]))
		g.alu(asm.Sub, more, g.bytes)
		g.countAs(t.Counter, g.use(v.Args[0]), none, more)
		return
	}
	g.count(t.Counter, g.use(v.Args[0]))
}

// instanceOf finds the layout of the extern object that v refers to.
func (g *gen) instanceOf(v *ssa.Value) *Instance {
	in, _ := v.Sym.(*ir.Instance)
	il := g.l.Instance(in)
	if il == nil {
		name := "extern object"
		if in != nil {
			name = in.Type.Name + " " + in.Name
		}
		g.fail(v.Pos, name, "it is not supported on eBPF yet")
	}
	return il
}

func (g *gen) counterInc(v *ssa.Value) {
	in := g.instanceOf(v)
	if in == nil || in.Counter == nil {
		return
	}
	i := g.use(v.Args[0])
	done := g.newBlock()
	// Beyond the last cell lies another CPU's copy.
	g.branchImm(asm.JGE, i, int64(in.Cells), done)
	if len(v.Args) > 1 {
		g.countAs(in.Counter, i, noReg, g.use(v.Args[1]))
	} else {
		g.count(in.Counter, i)
	}
	g.jump(done)
	g.place(done)
}

func (g *gen) regRead(v *ssa.Value) {
	in := g.instanceOf(v)
	if in == nil || in.Register == nil {
		return
	}
	i := g.use(v.Args[0])
	r := g.scalar()
	g.vals[v] = r
	done := g.newBlock()
	g.opaque(r, 0)
	if in.Cells == 0 {
		return
	}
	p := g.element(in.Register.Name, i, done)
	g.load(r, p, 8*v.Limb, asm.DWord)
	g.place(done)
}

func (g *gen) regWrite(v *ssa.Value) {
	in := g.instanceOf(v)
	if in == nil || in.Register == nil {
		return
	}
	i := g.use(v.Args[0])
	limbs := make([]vreg, 0, 2)
	for _, a := range v.Args[1:] {
		limbs = append(limbs, g.use(a))
	}
	if in.Cells == 0 || len(limbs) == 0 {
		return
	}
	if len(limbs)*8 != int(in.Register.ValueSize) {
		g.fail(v.Pos, "register "+in.IR.Name, "a write of %d limbs, a cell has %d", len(limbs), in.Register.ValueSize/8)
		return
	}
	done := g.newBlock()
	p := g.element(in.Register.Name, i, done)
	for k, x := range limbs {
		g.store(p, 8*k, x, asm.DWord)
	}
	g.place(done)
}

// crc hashes the bytes of the arguments with the tables of MapConst. A CRC is
// linear: the bytes of a group of up to crcTables are looked up independently,
// each in the table for its distance from the group's end, with the CRC so far in
// the first ones; only groups wait for each other.
func (g *gen) crc(v *ssa.Value) {
	type octet struct {
		x     vreg
		shift int
	}
	var octets []octet
	for _, a := range v.Args {
		x := g.use(a)
		for sh := int(a.Type) - 8; sh >= 0; sh -= 8 {
			octets = append(octets, octet{x, sh})
		}
	}
	table, log, base := asm.Word, 2, crc32TableOff
	crc := g.scalar()
	if v.Op == ssa.OpCRC16 {
		table, log, base = asm.Half, 1, crc16TableOff
		g.movImm(crc, 0)
	} else {
		g.movImm(crc, 0xffffffff)
	}
	size := 1 << log // bytes of the CRC
	zero := v.Op == ssa.OpCRC16
	t := noReg
	for len(octets) > 0 {
		if t == noReg {
			t = g.ptr()
			g.emit(minst{op: mValue, dst: t, name: g.useMap(MapConst), imm: int64(base)})
		}
		group := octets[:min(crcTables, len(octets))]
		octets = octets[len(group):]
		next := g.scalar()
		for i, o := range group {
			ix, p := g.ptr(), g.ptr()
			g.mov(ix, o.x)
			g.shiftRight(ix, o.shift)
			if i < size && !zero {
				c := g.scalar()
				g.mov(c, crc)
				g.shiftRight(c, 8*i)
				g.alu(asm.Xor, ix, c)
			}
			g.aluImm(asm.And, ix, 0xff)
			g.aluImm(asm.LSh, ix, int64(log))
			g.mov(p, t)
			g.alu(asm.Add, p, ix)
			e := next
			if i > 0 {
				e = g.scalar()
			}
			g.load(e, p, 256*size*(len(group)-1-i), table)
			if i > 0 {
				g.alu(asm.Xor, next, e)
			}
		}
		if len(group) < size && !zero {
			g.shiftRight(crc, 8*len(group))
			g.alu(asm.Xor, next, crc)
		}
		crc, zero = next, false
	}
	if v.Op == ssa.OpCRC32 {
		g.emit(minst{op: mALU, alu: asm.Xor, w32: true, dst: crc, imm: -1})
	}
	g.vals[v] = crc
}

func (g *gen) shiftRight(x vreg, n int) {
	if n > 0 {
		g.aluImm(asm.RSh, x, int64(n))
	}
}
