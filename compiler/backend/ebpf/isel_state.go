package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// hitGrain is to what the time of a hit is rounded down where the exact one is
// read: 2^20 ns. An entry that is hit all the time is then written once in about a
// millisecond, as with the coarse clock.
const hitGrain = 1 << 20

// scanState notes what of the surroundings the operations need.
func (g *gen) scanState(v *ssa.Value) {
	n := &g.need
	switch v.Op {
	case ssa.OpMeter:
		n.now = true
		n.counts = n.counts || len(v.Args) < 3
	case ssa.OpTouch:
		if g.o.Harness {
			n.now = true
		} else {
			n.coarse = true
		}
	case ssa.OpDigest:
		if d := g.l.Digests; d != nil && v.Aux < uint64(len(d.Types)) {
			if size := d.recordSize(int(v.Aux)); size > maxStackKey {
				n.scratch = true
				n.bigKey = max(n.bigKey, size)
			}
		}
	}
}

func (g *gen) stateOp(v *ssa.Value) {
	switch v.Op {
	case ssa.OpMember:
		if p := g.needProfile(v); p != nil {
			e := g.element(p.Members.Entry.Name, g.use(v.Args[0]), g.abortBlk)
			g.load(g.result(v), e, 0, asm.DWord)
		}
	case ssa.OpBucket:
		g.bucket(v)
	case ssa.OpMeter:
		g.meter(v)
	case ssa.OpDigest:
		g.digest(v)
	case ssa.OpTouch:
		g.touch(v)
	}
}

// profileOf is the layout of the action profile that v refers to, nil for others.
func (g *gen) profileOf(v *ssa.Value) *ProfileLayout {
	in, ok := v.Sym.(*ir.Instance)
	if !ok {
		return nil
	}
	if il := g.l.Instance(in); il != nil {
		return il.Profile
	}
	return nil
}

func (g *gen) needProfile(v *ssa.Value) *ProfileLayout {
	p := g.profileOf(v)
	if p == nil {
		g.fail(v.Pos, "action profile", "v%d refers to none of the layout", v.ID)
	}
	return p
}

// bucket picks a member of a group: the share hash mod size.
func (g *gen) bucket(v *ssa.Value) {
	p := g.needProfile(v)
	if p == nil || !p.Selector {
		return
	}
	word, hash := g.use(v.Args[0]), g.use(v.Args[1])
	r := g.result(v)
	done := g.newBlock()
	g.opaque(r, int64(-(1 << actionShift))) // ssa.NoMember in the upper byte
	gw, size, at := g.scalar(), g.scalar(), g.scalar()
	g.load(gw, g.element(p.Group.Name, word, g.abortBlk), 0, asm.DWord)
	g.mov(size, gw)
	g.mask(size, 32)
	g.branchImm(asm.JEq, size, 0, done)
	g.mov(at, hash)
	g.alu(asm.Mod, at, size)
	g.aluImm(asm.RSh, gw, 32)
	g.alu(asm.Add, at, gw)
	slot := g.scalar()
	g.load(slot, g.element(p.Shares.Name, at, g.abortBlk), 0, asm.DWord)
	g.load(r, g.element(p.Members.Entry.Name, slot, g.abortBlk), 0, asm.DWord)
	g.jump(done)
	g.place(done)
}

// touch notes when the entry was hit. The value is written where it changes only,
// so that CPUs do not fight for it.
func (g *gen) touch(v *ssa.Value) {
	t := g.tableOf(v)
	if t == nil || t.Hits == nil {
		g.fail(v.Pos, "table", "v%d refers to no table with idle timeouts", v.ID)
		return
	}
	h := g.use(v.Args[0])
	now := g.coarse
	if g.o.Harness {
		now = g.now
	}
	done := g.newBlock()
	g.branchUnknown(asm.JEq, g.forget(v.Args[0]), 0, done)
	p := g.element(t.Hits.Name, h, done)
	old := g.scalar()
	g.load(old, p, 0, asm.DWord)
	g.branch(asm.JEq, old, now, done)
	g.store(p, 0, now, asm.DWord)
	g.jump(done)
	g.place(done)
}

// readCoarse sets up the time of hits: that of the packet, rounded, where it is
// read anyway, else the coarse clock.
func (g *gen) readCoarse() {
	g.coarse = g.scalar()
	if g.need.now {
		g.mov(g.coarse, g.now)
		g.aluImm(asm.And, g.coarse, -hitGrain)
		return
	}
	g.call(g.coarse, asm.FnKtimeGetCoarseNs)
}

// digest sends a message to the control plane. When the ring is full it is lost,
// and counted.
func (g *gen) digest(v *ssa.Value) {
	d := g.l.Digests
	if d == nil || v.Aux >= uint64(len(d.Types)) {
		g.fail(v.Pos, "digest", "v%d refers to none of the layout", v.ID)
		return
	}
	size := d.recordSize(int(v.Aux))
	if size != 8+8*len(v.Args) {
		g.fail(v.Pos, "digest "+d.Types[v.Aux].Name, "a message of %d limbs, its type has %d", len(v.Args), size/8-1)
		return
	}
	fields := make([]vreg, len(v.Args))
	for i, a := range v.Args {
		fields[i] = g.use(a)
	}
	k := keyWriter{g: g, base: fp}
	k.begin(size)
	g.storeImm(k.base, 0, int64(v.Aux), asm.DWord)
	for i, x := range fields {
		g.store(k.base, 8+8*i, x, asm.DWord)
	}
	data := argKey(0)
	if k.base != fp {
		data = argReg(k.base)
	}
	r := g.scalar()
	g.call(r, asm.FnRingbufOutput, argMap(g.useMap(d.Ring.Name)), data, argImm(int64(size)), argImm(0))
	sent := g.newBlock()
	g.branchImm(asm.JEq, r, 0, sent)
	p := g.ptr()
	g.emit(minst{op: mValue, dst: p, name: g.useMap(d.Lost.Name)})
	one := g.scalar()
	g.movImm(one, 1)
	g.emit(minst{op: mAtomic, dst: p, src: one, size: asm.DWord})
	g.jump(sent)
	g.place(sent)
}

// meterArg is what a meter's function gets: index, colour, amount, time.
const meterArg = 32

// meter marks the packet, by a function of the meter: it is walked once, wherever
// it is called.
func (g *gen) meter(v *ssa.Value) {
	var m *MeterLayout
	name, pos := "", v.Pos
	switch s := v.Sym.(type) {
	case *ir.Instance:
		if il := g.l.Instance(s); il != nil {
			m, name = il.Meter, s.Name
		}
	case *ir.Table:
		if t := g.tableOf(v); t != nil {
			m, name = t.Meter, s.Name
		}
	}
	if m == nil {
		g.fail(v.Pos, "meter", "v%d refers to none of the layout", v.ID)
		return
	}
	index, before := g.use(v.Args[0]), g.use(v.Args[1])
	var amount vreg
	switch {
	case len(v.Args) > 2:
		amount = g.use(v.Args[2])
	case m.Bytes:
		amount = g.bytes
	default:
		amount = g.segs
	}
	g.store(fp, 0, index, asm.DWord)
	g.store(fp, 8, before, asm.DWord)
	if amount == noReg {
		g.storeImm(fp, 16, 1, asm.DWord)
	} else {
		g.store(fp, 16, amount, asm.DWord)
	}
	g.store(fp, 24, g.now, asm.DWord)
	for _, s := range m.maps() {
		g.useMap(s.Name)
	}
	r := g.result(v)
	g.emit(minst{op: mCall, dst: r, name: g.meterFunction(m, name, pos), args: []marg{argKey(0)}})
	g.aluImm(asm.And, r, 3)
}

func (g *gen) meterFunction(m *MeterLayout, object string, pos ir.Pos) string {
	for _, s := range g.subs {
		if s.of == m {
			return s.name
		}
	}
	name := fmt.Sprintf("%s_%d", identifier(object), len(g.subs))
	u64 := &btf.Int{Name: "unsigned long long", Size: 8}
	s := newSubprog(name, &btf.Pointer{Target: &btf.Struct{Name: name + "_arg", Size: meterArg, Members: []btf.Member{{
		Name: "word", Type: &btf.Array{Index: &btf.Int{Name: "unsigned int", Size: 4}, Type: u64, Nelems: meterArg / 8},
	}}}})
	s.of, s.pos, s.what = m, pos, "meter "+object
	m.emit(s)
	g.subs = append(g.subs, s)
	return name
}

// emit generates the function: a two-rate three-colour marker (RFC 2698), as ir/exec
// has it, to the token. The rates are read before the lock is taken, and all that
// does not depend on the buckets is computed there: under the lock nothing may be
// called.
func (m *MeterLayout) emit(s *subprog) {
	b, arg := s.builder, s.arg
	result, done := b.scalar(), b.newBlock()
	b.movImm(result, ir.Green)
	b.branchImm(asm.JEq, arg, 0, done) // to the verifier the argument may be nil
	index, before, amount, us := b.scalar(), b.scalar(), b.scalar(), b.scalar()
	b.load(index, arg, 0, asm.DWord)
	b.load(before, arg, 8, asm.DWord)
	b.load(amount, arg, 16, asm.DWord)
	b.load(us, arg, 24, asm.DWord)
	b.mov(result, before)
	b.branchImm(asm.JGE, index, int64(m.Cells), done)
	element := func(name string) vreg {
		p := b.ptr()
		b.call(p, asm.FnMapLookupElem, argMap(name), argKey(0))
		b.branchImm(asm.JEq, p, 0, done)
		return p
	}
	word, slot := b.scalar(), b.scalar()
	b.store(fp, 0, index, asm.Word)
	b.load(word, element(m.Word.Name), 0, asm.DWord)
	b.branchImm(asm.JEq, word, 0, done)
	b.mov(slot, word)
	b.aluImm(asm.And, slot, 1<<nonceShift-1)
	b.store(fp, 0, slot, asm.Word)
	rates := element(m.Rates.Name)
	b.aluImm(asm.RSh, word, nonceShift) // the nonce
	b.aluImm(asm.Div, us, 1000)
	sec := b.scalar()
	b.mov(sec, us)
	b.aluImm(asm.Div, sec, 1e6)
	b.aluImm(asm.Mod, us, 1e6)
	peak := loadBucket(b, rates, ratePeak, sec, us)
	com := loadBucket(b, rates, rateCommitted, sec, us)
	b.store(fp, 0, index, asm.Word)
	cell := element(m.Buckets.Name)

	b.call(noReg, asm.FnSpinLock, argReg(cell))
	nonce := b.scalar()
	same, known := b.newBlock(), b.newBlock()
	b.load(nonce, cell, bucketNonce, asm.DWord)
	b.branch(asm.JEq, nonce, word, same)
	b.store(cell, bucketNonce, word, asm.DWord)
	for _, k := range []*bucketRegs{peak, com} {
		b.mov(k.tokens, k.burst)
		b.movImm(k.given, 0)
	}
	b.jump(known)
	b.place(same)
	peak.read(b, cell, bucketPeak)
	com.read(b, cell, bucketCommitted)
	b.jump(known)
	b.place(known)
	marked := b.newBlock()
	b.movImm(result, ir.Red)
	b.branchImm(asm.JEq, before, ir.Red, marked)
	peak.take(b, amount, marked)
	b.movImm(result, ir.Yellow)
	b.branchImm(asm.JEq, before, ir.Yellow, marked)
	com.take(b, amount, marked)
	b.movImm(result, ir.Green)
	b.jump(marked)
	b.place(marked)
	peak.write(b, cell, bucketPeak)
	com.write(b, cell, bucketCommitted)
	b.call(noReg, asm.FnSpinUnlock, argReg(cell))
	b.jump(done)
	b.place(done)
	b.exit(result)
}

// bucketRegs is a bucket in registers: its size, what its rate has given until now,
// and, of the cell, the tokens and what they had been given.
type bucketRegs struct{ burst, filled, tokens, given vreg }

// loadBucket reads a bucket's rates at off and computes what came until sec seconds
// and rest microseconds, at most 2^63 - 1: the whole part of us * R / 10^6, in
// pieces that fit 64 bits (layout_state.go).
func loadBucket(b *builder, rates vreg, off int, sec, rest vreg) *bucketRegs {
	k := &bucketRegs{b.scalar(), b.scalar(), b.scalar(), b.scalar()}
	b.load(k.burst, rates, off+rateBurst, asm.DWord)
	t, limit := b.scalar(), b.scalar()
	b.load(k.filled, rates, off+ratePerSecond, asm.DWord)
	b.alu(asm.Mul, k.filled, sec)
	b.load(t, rates, off+ratePerMicro, asm.DWord)
	b.alu(asm.Mul, t, rest)
	b.alu(asm.Add, k.filled, t)
	u := b.scalar()
	b.load(u, rates, off+rateRest, asm.DWord)
	b.alu(asm.Mul, u, rest)
	b.aluImm(asm.Div, u, 1e6)
	b.alu(asm.Add, k.filled, u)
	much, ok := b.newBlock(), b.newBlock()
	b.load(limit, rates, off+rateLimit, asm.DWord)
	b.branch(asm.JGT, sec, limit, much)
	b.branchImm(asm.JSGE, k.filled, 0, ok)
	b.jump(much)
	b.place(much)
	b.movImm(k.filled, 1<<63-1)
	b.jump(ok)
	b.place(ok)
	return k
}

func (k *bucketRegs) read(b *builder, cell vreg, off int) {
	b.load(k.tokens, cell, off, asm.DWord)
	b.load(k.given, cell, off+8, asm.DWord)
}

func (k *bucketRegs) write(b *builder, cell vreg, off int) {
	b.store(cell, off, k.tokens, asm.DWord)
	b.store(cell, off+8, k.given, asm.DWord)
}

// take fills the bucket and takes n tokens out of it; where there are fewer it goes
// to short.
func (k *bucketRegs) take(b *builder, n vreg, short *mblock) {
	filled, full, enough := b.newBlock(), b.newBlock(), b.newBlock()
	b.branch(asm.JLE, k.filled, k.given, filled)
	add := b.scalar()
	b.mov(add, k.filled)
	b.alu(asm.Sub, add, k.given)
	b.mov(k.given, k.filled)
	b.alu(asm.Add, k.tokens, add)
	b.branch(asm.JLT, k.tokens, add, full) // more than 64 bits
	b.branch(asm.JLE, k.tokens, k.burst, filled)
	b.jump(full)
	b.place(full)
	b.mov(k.tokens, k.burst)
	b.jump(filled)
	b.place(filled)
	b.branch(asm.JGE, k.tokens, n, enough)
	b.jump(short)
	b.place(enough)
	b.alu(asm.Sub, k.tokens, n)
}
