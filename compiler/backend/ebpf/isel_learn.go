package ebpf

import (
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Entries that packets add: see LearnLayout.

// scanLearn notes what the operations need of the surroundings.
func (g *gen) scanLearn(v *ssa.Value) {
	switch v.Op {
	case ssa.OpLearned, ssa.OpLearn, ssa.OpTimer:
		g.need.now = true
	case ssa.OpLearnedCount:
		g.need.counts = true
	}
}

func (g *gen) learning(v *ssa.Value) {
	if v.Op == ssa.OpFlowID {
		g.flowID(v)
		return
	}
	t := g.tableOf(v)
	if t == nil || t.Learn == nil {
		g.fail(v.Pos, "table", "v%d refers to no table that packets add to", v.ID)
		return
	}
	switch v.Op {
	case ssa.OpLearned:
		g.learned(v, t.Learn)
	case ssa.OpLearn:
		g.learnEntry(v, t)
	case ssa.OpTimer:
		g.timer(v, t.Learn)
	case ssa.OpLearnedAction:
		g.load(g.result(v), g.record(v, t.Learn), 8*LearnAction, asm.DWord)
	case ssa.OpLearnedArg:
		ps := t.Learn.Args
		if v.Action < 0 || v.Action >= len(ps) || v.Param < 0 || v.Param >= len(ps[v.Action]) || v.Limb < 0 || v.Limb >= len(ps[v.Action][v.Param].Limbs) {
			g.fail(v.Pos, "table "+t.IR.Name, "there is no argument %d.%d.%d", v.Action, v.Param, v.Limb)
			return
		}
		g.load(g.result(v), g.record(v, t.Learn), ps[v.Action][v.Param].Limbs[v.Limb].Off, asm.DWord)
	case ssa.OpLearnedCount:
		g.learnedCount(v, t.Learn)
	}
}

// record is the address of the entry's record: of an entry that was just found.
func (g *gen) record(v *ssa.Value, l *LearnLayout) vreg {
	p, ok := g.slots[v.Args[0]]
	if !ok {
		p = g.element(l.Records.Name, g.use(v.Args[0]), g.abortBlk)
		g.slots[v.Args[0]] = p
	}
	return p
}

// writeKey builds the key on the stack.
func (g *gen) writeKey(l *LearnLayout, keys []vreg) {
	k := keyWriter{g: g, base: fp}
	i, end := 0, 0
	for _, ls := range l.keys.limbs {
		for _, limb := range ls {
			k.limb(limb.Off, limb.Size, keys[i])
			end = max(end, limb.Off+limb.Size)
			i++
		}
	}
	for ; end < l.keys.size; end++ {
		g.storeImm(fp, end, 0, asm.Byte)
	}
}

// push puts number n into a queue.
func (g *gen) push(m *MapSpec, n vreg) {
	g.store(fp, 0, n, asm.Word)
	g.call(g.scalar(), asm.FnMapPushElem, argMap(g.useMap(m.Name)), argKey(0), argImm(0))
}

// learned looks an entry up and takes one out whose time is over.
func (g *gen) learned(v *ssa.Value, l *LearnLayout) {
	keys := make([]vreg, len(v.Args))
	for i, a := range v.Args {
		keys[i] = g.use(a)
	}
	r := g.scalar()
	g.vals[v] = r
	done, gone := g.newBlock(), g.newBlock()
	g.opaque(r, 0)
	g.writeKey(l, keys)
	p := g.lookupKey(l.Match.Name)
	g.branchImm(asm.JEq, p, 0, done)
	n := g.scalar()
	g.load(n, p, 0, asm.Word)
	rec := g.element(l.Records.Name, n, done)
	limit, age := g.scalar(), g.scalar()
	g.load(limit, rec, 8*LearnTimeout, asm.DWord)
	g.mov(age, g.now)
	last := g.scalar()
	g.load(last, rec, 8*LearnLast, asm.DWord)
	alive := g.newBlock()
	g.branchImm(asm.JEq, limit, 0, alive)
	g.branch(asm.JLT, age, last, alive)
	g.alu(asm.Sub, age, last)
	g.branch(asm.JGE, age, limit, gone)
	g.place(alive)
	g.mov(r, n)
	g.jump(done)
	g.todo = append(g.todo, func() {
		g.place(gone)
		g.writeKey(l, keys)
		x := g.scalar()
		g.call(x, asm.FnMapDeleteElem, argMap(g.useMap(l.Match.Name)), argKey(0))
		g.branchImm(asm.JNE, x, 0, done)
		g.push(l.Dead, n)
		g.jump(done)
	})
	g.place(done)
}

// expireTime is the time of a profile, 0 where there is none.
func (g *gen) expireTime(profile vreg) vreg {
	t, none := g.scalar(), g.newBlock()
	g.opaque(t, 0)
	p := g.element(MapExpire, profile, none)
	g.load(t, p, 0, asm.DWord)
	g.place(none)
	return t
}

// learnEntry adds an entry.
func (g *gen) learnEntry(v *ssa.Value, t *Table) {
	l := t.Learn
	nkeys := 0
	for _, ls := range l.keys.limbs {
		nkeys += len(ls)
	}
	if v.Action < 0 || v.Action >= len(l.Args) || len(v.Args) < 1+nkeys {
		g.fail(v.Pos, "table "+t.IR.Name, "an addition with %d operands", len(v.Args))
		return
	}
	all := make([]vreg, len(v.Args))
	for i, a := range v.Args {
		all[i] = g.use(a)
	}
	ok := g.scalar()
	g.vals[v] = ok
	done := g.newBlock()
	g.opaque(ok, 0)
	timeout := g.expireTime(all[0])
	n := g.entryNumber(l, done)
	rec := g.element(l.Records.Name, n, done)
	g.store(rec, 8*LearnTimeout, timeout, asm.DWord)
	g.store(rec, 8*LearnLast, g.now, asm.DWord)
	g.storeImm(rec, 8*LearnAction, int64(v.Action), asm.DWord)
	g.storeImm(rec, 8*LearnPackets, 0, asm.DWord)
	g.storeImm(rec, 8*LearnBytes, 0, asm.DWord)
	at := 1 + nkeys
	for _, p := range l.Args[v.Action] {
		for _, limb := range p.Limbs {
			if at < len(all) {
				g.store(rec, limb.Off, all[at], asm.DWord)
			}
			at++
		}
	}
	if at != len(all) {
		g.fail(v.Pos, "table "+t.IR.Name, "an addition with %d operands, not %d", len(all), at)
		return
	}
	g.writeKey(l, all[1:1+nkeys])
	value := (l.keys.size + 7) &^ 7
	g.store(fp, value, n, asm.Word)
	x := g.scalar()
	g.call(x, asm.FnMapUpdateElem, argMap(g.useMap(l.Match.Name)), argKey(0), argKey(value), argImm(bpfNoExist))
	lost := g.newBlock()
	g.branchImm(asm.JNE, x, 0, lost)
	g.movImm(ok, 1)
	g.jump(done)
	g.todo = append(g.todo, func() {
		g.place(lost)
		g.push(l.Free, n)
		g.jump(done)
	})
	g.place(done)
}

// entryNumber takes a number for an entry, or goes to full.
func (g *gen) entryNumber(l *LearnLayout, full *mblock) vreg {
	n, x := g.scalar(), g.scalar()
	fresh, have := g.newBlock(), g.newBlock()
	g.storeImm(fp, 0, 0, asm.Word)
	g.call(x, asm.FnMapPopElem, argMap(g.useMap(l.Free.Name)), argKey(0))
	g.branchImm(asm.JNE, x, 0, fresh)
	g.load(n, fp, 0, asm.Word)
	g.jump(have)
	g.todo = append(g.todo, func() {
		g.place(fresh)
		p := g.ptr()
		g.emit(minst{op: mValue, dst: p, name: g.useMap(l.Next.Name)})
		g.load(n, p, 0, asm.DWord)
		g.branchImm(asm.JGE, n, int64(l.Size), full) // the count stands still
		g.emit(minst{op: mFetchAdd, dst: n, src: p, imm: 1, size: asm.DWord})
		g.branchImm(asm.JGE, n, int64(l.Size), full)
		g.aluImm(asm.Add, n, 1)
		g.jump(have)
	})
	g.place(have)
	return n
}

// timer restarts an entry's timer or changes its expire time.
func (g *gen) timer(v *ssa.Value, l *LearnLayout) {
	rec := g.record(v, l)
	flag := func(a *ssa.Value, do func()) {
		if a.Op == ssa.OpConst {
			if a.Aux != 0 {
				do()
			}
			return
		}
		no := g.newBlock()
		g.branchImm(asm.JEq, g.use(a), 0, no)
		do()
		g.jump(no)
		g.place(no)
	}
	flag(v.Args[2], func() { g.store(rec, 8*LearnTimeout, g.expireTime(g.use(v.Args[3])), asm.DWord) })
	flag(v.Args[1], func() { g.store(rec, 8*LearnLast, g.now, asm.DWord) })
}

func (g *gen) learnedCount(v *ssa.Value, l *LearnLayout) {
	rec := g.record(v, l)
	bytes := g.bytes
	if len(v.Args) > 1 { // other bytes for the packet that was counted
		bytes = g.scalar()
		g.mov(bytes, g.use(v.Args[1]))
		g.alu(asm.Sub, bytes, g.bytes)
	} else {
		n := g.segs
		if n == noReg {
			n = g.scalar()
			g.movImm(n, 1)
		}
		g.emit(minst{op: mAtomic, dst: rec, off: 8 * LearnPackets, src: n, size: asm.DWord})
	}
	g.emit(minst{op: mAtomic, dst: rec, off: 8 * LearnBytes, src: bytes, size: asm.DWord})
}

// flowID counts.
func (g *gen) flowID(v *ssa.Value) {
	p := g.ptr()
	g.emit(minst{op: mValue, dst: p, name: g.useMap(MapFlows)})
	r := g.result(v)
	g.emit(minst{op: mFetchAdd, dst: r, src: p, imm: 1, size: asm.DWord})
	g.aluImm(asm.Add, r, 1)
	g.mask(r, 32)
}

// learns tells whether a program adds entries or gives out flow ids.
func learns(p *ir.Program) bool {
	found := false
	for _, t := range p.Tables {
		found = found || t.AddOnMiss()
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			c, ok := s.(*ir.ExternCall)
			found = found || ok && c.Name == "allocate_flow_id"
		})
	})
	return found
}
