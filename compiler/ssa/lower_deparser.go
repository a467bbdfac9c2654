package ssa

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// emission is a header as it was when an emit statement ran: a copy in leaves
// of its own, invalid where the statement did not run.
type emission struct {
	node *node
	base int
	name string
	// parsed is the first of the leaves that keep valid and slot of the end of the
	// parser, where the header is known to come in parse order; else -1.
	parsed int
}

// planEmits notes the order in which the deparser emits the parser's headers,
// where that can be seen without lowering it. param is the deparser's parameter for
// them.
func (l *lowerer) planEmits(dep *ir.Block, param int, hdr *variable) {
	ps := l.parser
	ps.emitOrder = map[int]int{}
	ps.packed = true
	out := l.declare(dep.Params[param])
	n := 0
	ir.WalkStmts(dep.Body, func(s ir.Stmt) {
		e, ok := s.(*ir.Emit)
		if !ok || !ps.packed {
			return
		}
		if root, _ := ir.ConstPath(e.X); !constPath(e.X) || root != dep.Params[param] { // or a variable of the deparser
			ps.packed = false
			return
		}
		p := l.place(e.X)
		if len(p.alts) != 1 {
			ps.packed = false
			return
		}
		p.node.headers(p.alts[0].base, func(_ *node, base int) {
			leaf := base - out.base + hdr.base
			if _, twice := ps.emitOrder[leaf]; twice || base < out.base || base >= out.base+out.node.n {
				ps.packed = false
			}
			ps.emitOrder[leaf] = n
			n++
		})
	})
}

// constPath tells whether e names storage without an index to compute.
func constPath(e ir.Expr) bool {
	switch e := e.(type) {
	case *ir.VarRef:
		return true
	case *ir.Member:
		return constPath(e.X)
	case *ir.Index:
		_, ok := e.I.(*ir.Const)
		return ok && constPath(e.X)
	}
	return false
}

// parsedHeaders keeps what the deparser compares with: validity and slots at
// the end of the parser, in emit order, in leaves of their own.
func (l *lowerer) parsedHeaders(hdr *variable) {
	ps := l.parser
	if !ps.packed {
		return
	}
	flag, word := &node{kind: nodeScalar, w: 1, n: 1}, &node{kind: nodeScalar, w: 32, n: 1}
	ps.parsed = make([]int, len(ps.emitOrder))
	hdr.node.headers(hdr.base, func(h *node, base int) {
		if i, ok := ps.emitOrder[base]; ok {
			ps.parsed[i] = l.leaves(flag, "$parsed")
			l.leaves(word, "$slot")
			if h.hasVarbit() {
				l.leaves(word, "$len")
				l.leaves(word, "$at")
			}
		}
	})
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		hdr.node.headers(hdr.base, func(h *node, base int) {
			if i, ok := ps.emitOrder[base]; ok {
				set(ps.parsed[i], get(base+leafValid))
				set(ps.parsed[i]+1, get(base+leafSlot))
				if v, rel, _ := h.varbit(); v != nil {
					set(ps.parsed[i]+2, get(base+rel+varLen))
					set(ps.parsed[i]+3, get(base+rel+varAt))
				}
			}
		})
	})
}

func (l *lowerer) emitStmt(s *ir.Emit) {
	p := l.place(s.X)
	v := l.read(p)
	p.node.headers(0, func(h *node, rel int) {
		l.bitwise(oddHeader(h))
		e := &emission{node: h, name: h.name, parsed: -1}
		e.base = l.leaves(h, "emit."+h.name)
		for i := range h.n {
			l.set(e.base+i, v[rel+i])
		}
		if ps := l.parser; ps.packed && len(l.emitted) < len(ps.parsed) {
			e.parsed = ps.parsed[len(l.emitted)]
		}
		l.emitted = append(l.emitted, e)
		l.f.HeaderImage += h.maxBytes()
	})
}

// deparse writes the emitted headers: in place where the packet keeps its
// layout, else through an image that replaces the parsed headers.
func (l *lowerer) deparse() {
	if l.stages.bits {
		l.f.HeaderImage += maxBitPayload + 8
		l.deparseBits()
		return
	}
	same := l.sameLayout()
	fast, slow := l.branch(same, +1)
	if l.resume(fast, "inplace"); l.cur != nil {
		l.force()
		for _, e := range l.emitted {
			if l.cur != nil {
				l.storeDirty(e)
			}
		}
	}
	out := l.here()
	if l.resume(slow, "rebuild"); l.cur != nil {
		l.force()
		l.rebuild()
	}
	l.resume(append(out, l.here()...), "deparsed")
	if l.cur != nil {
		l.force()
	}
}

// sameLayout tells whether the emitted headers are the parsed ones, at their
// places and without others between them.
func (l *lowerer) sameLayout() *Value {
	if l.fused != nil {
		if same, ok := l.sameFused(l.fused); ok {
			return same
		}
	}
	same := l.constant(1, 1)
	inOrder := l.parser.packed && len(l.emitted) == len(l.parser.parsed)
	for _, e := range l.emitted {
		inOrder = inOrder && e.parsed >= 0 && l.get(e.base+leafSlot) == l.get(e.parsed+1)
		if v, rel, _ := e.node.varbit(); v != nil && inOrder {
			inOrder = l.get(e.base+rel+varLen) == l.get(e.parsed+2) && l.get(e.base+rel+varAt) == l.get(e.parsed+3)
		}
	}
	if inOrder {
		for _, e := range l.emitted {
			if v, p := l.get(e.base+leafValid), l.get(e.parsed); v != p {
				same = l.and(same, l.op(OpEq, 1, l.known(v), l.known(p)))
			}
		}
		return same
	}
	pos := l.constant(32, 0)
	for _, e := range l.emitted {
		v := l.get(e.base + leafValid)
		size := l.emissionSize(e)
		vb, rel, before := e.node.varbit()
		if e.node.bits > 0 || vb != nil {
			there := l.and(l.hasSlot(e), l.op(OpEq, 1, l.get(e.base+leafOff), pos))
			if vb != nil { // and its varbit lies in it, or has no bits
				here := l.op(OpEq, 1, l.get(e.base+rel+varAt), l.add(l.bits(pos), before))
				empty := l.op(OpEq, 1, l.get(e.base+rel+varLen), l.constant(32, 0))
				there = l.and(there, l.or(here, empty))
			}
			same = l.and(same, l.or(l.not(v), there))
		}
		pos = l.op(OpAdd, 32, pos, l.sel(v, size, l.constant(32, 0)))
	}
	return l.and(same, l.op(OpEq, 1, pos, l.get(l.parser.cursor)))
}

// hasSlot tells whether an extract put the header, which is valid where it
// matters, into the packet.
func (l *lowerer) hasSlot(e *emission) *Value {
	valid, slot := l.get(e.base+leafValid), l.get(e.base+leafSlot)
	extracted := func(v *Value) bool { return v.Op == OpConst && v.Aux != 0 }
	if l.implied(valid, 1, slot, extracted, map[[2]*Value]bool{}) {
		return l.constant(1, 1)
	}
	return l.op(OpNe, 1, l.known(l.get(e.base+leafSlot)), l.constant(32, 0))
}

// piece is a limb of an emitted header.
type piece struct {
	v     *Value
	clean bool // the packet holds it already, if the header has a slot; else it is 0
}

// group is a run of pieces that covers whole bytes, as short as possible.
type group struct {
	at, n int // bytes
	p     []piece
	clean bool
}

// emissionSize is the size of an emitted header in bytes.
func (l *lowerer) emissionSize(e *emission) *Value {
	return l.sizeOf(e.node, func(rel int) *Value { return l.get(e.base + rel) })
}

// behind tells whether the header has fields behind a varbit, how many bytes, and
// how many bytes the field's first bit is from the header's first.
func (e *emission) behind() (before, bytes int) {
	v, _, bits := e.node.varbit()
	if v == nil {
		return e.node.bits / 8, 0
	}
	return bits / 8, (e.node.bits - bits) / 8
}

// groups cuts the header into groups: the fields before a varbit, or with behind
// those behind it.
func (l *lowerer) groups(e *emission, behind bool) []group {
	var out []group
	slot := l.get(e.base + leafSlot)
	bits, start := 0, 0
	var cur []piece
	vb, at, _ := e.node.varbit()
	e.node.scalars(0, func(k *node, rel int) {
		if (vb != nil && rel > at) != behind {
			return
		}
		for i, t := range Limbs(k.w) {
			v := l.get(e.base + rel + i)
			cur = append(cur, piece{l.strip(v), l.isClean(slot, v, rel+i, map[[2]*Value]bool{})})
			bits += int(t)
			if bits%8 != 0 {
				continue
			}
			g := group{at: start / 8, n: (bits - start) / 8, p: cur, clean: true}
			for _, p := range cur {
				g.clean = g.clean && p.clean
			}
			out = append(out, g)
			cur, start = nil, bits
		}
	})
	return out
}

// strip removes choices that the facts here decide.
func (l *lowerer) strip(v *Value) *Value {
	for v.Op == OpSelect {
		c := l.known(v.Args[0])
		if c.Op != OpConst {
			break
		}
		if c.Aux != 0 {
			v = v.Args[1]
		} else {
			v = v.Args[2]
		}
	}
	return l.known(v)
}

// isClean follows a header's slot and one of its leaves back through the joins:
// on every way the leaf must be what the extract of that slot loaded into it,
// or 0 where there was no extract.
func (l *lowerer) isClean(slot, v *Value, rel int, seen map[[2]*Value]bool) bool {
	key := [2]*Value{slot, v}
	if seen[key] {
		return true
	}
	seen[key] = true
	js, jv := l.joins[slot], l.joins[v]
	if js == nil && jv == nil {
		if slot.Op != OpConst {
			return false
		}
		if slot.Aux == 0 {
			return v.IsConst(0)
		}
		return l.loadTag[v] == loadTag{int(slot.Aux), rel}
	}
	// The later join first.
	j := js
	if js == nil || jv != nil && jv.seq > js.seq {
		j = jv
	}
	for _, e := range j.ins {
		s, w := slot, v
		if j == js {
			s = e.args[j.index[slot]]
		}
		if j == jv {
			w = e.args[j.index[v]]
		}
		if !l.isClean(s, w, rel, seen) {
			return false
		}
	}
	return true
}

// storeDirty writes the changed bytes of a header into the packet.
func (l *lowerer) storeDirty(e *emission) {
	dirty := func(behind bool) bool {
		return slices.ContainsFunc(l.groups(e, behind), func(g group) bool { return !g.clean })
	}
	front, back := dirty(false), dirty(true)
	if !front && !back {
		return
	}
	then, els := l.branch(l.get(e.base+leafValid), 0)
	if l.resume(then, "store "+e.name); l.cur != nil {
		before, behind := e.behind()
		off := l.known(l.get(e.base + leafOff))
		if front {
			l.storeGroups(e, off, before, false)
		}
		if back {
			l.storeGroups(e, l.op(OpAdd, 32, off, l.op(OpSub, 32, l.emissionSize(e), l.constant(32, uint64(behind)))), behind, true)
		}
	}
	l.resume(append(els, l.here()...), "stored "+e.name)
	if l.cur != nil {
		l.force()
	}
}

// storeGroups writes the changed bytes of the n bytes at off.
func (l *lowerer) storeGroups(e *emission, off *Value, n int, behind bool) {
	ptr, short := l.check(off, n, e.name)
	ok := l.cur
	l.resume(short, "store "+e.name+".short")
	l.drop(DropResize) // cannot be: the parser checked it
	l.cur = ok
	gs := l.groups(e, behind)
	for i := 0; i < len(gs); {
		if gs[i].clean {
			i++
			continue
		}
		var run []*Value
		at, n := gs[i].at, 0
		for ; i < len(gs) && !gs[i].clean && (n == 0 || n+gs[i].n <= 8); i++ {
			for _, p := range gs[i].p {
				run = append(run, p.v)
			}
			n += gs[i].n
		}
		for _, c := range l.chunks(run) {
			b := int(c.Type) / 8
			l.emit(&Value{Op: OpStore, Args: []*Value{ptr, c}, Aux: uint64(at), N: b, Name: e.name})
			at += b
		}
	}
}

// rebuild writes the image of all emitted headers and puts it in the place of
// the parsed ones.
func (l *lowerer) rebuild() {
	pos := l.leaves(&node{kind: nodeScalar, w: 32, n: 1}, "$pos")
	l.set(pos, l.constant(32, 0))
	for _, e := range l.emitted {
		if e.node.maxBytes() == 0 {
			continue
		}
		then, els := l.branch(l.get(e.base+leafValid), 0)
		if l.resume(then, "emit "+e.name); l.cur != nil {
			l.imageOf(e, l.get(pos))
			l.set(pos, l.op(OpAdd, 32, l.get(pos), l.emissionSize(e)))
		}
		l.resume(append(els, l.here()...), "emitted "+e.name)
		l.force()
	}
	ok := l.emit(&Value{Op: OpSplice, Type: 1, Args: []*Value{l.get(pos), l.get(l.parser.cursor)}})
	good, bad := l.branch(ok, +1)
	if l.resume(bad, "noresize"); l.cur != nil {
		l.drop(DropResize)
	}
	l.resume(good, "resized")
}

// imageOf writes one header: what the packet still holds is copied, the rest
// comes from values.
func (l *lowerer) imageOf(e *emission, pos *Value) {
	before, behind := e.behind()
	if v, rel, bits := e.node.varbit(); v != nil {
		at, n := l.get(e.base+rel+varAt), l.get(e.base+rel+varLen)
		l.emit(&Value{Op: OpScratchCopy, Args: []*Value{l.add(l.bits(pos), bits), at, n}, N: (v.max + 7) / 8, Name: e.name})
		if behind > 0 {
			l.imageRuns(e, l.op(OpAdd, 32, l.add(pos, before), l.bytes(n)), nil, false, true)
		}
	}
	if before == 0 {
		return
	}
	anyClean := false
	for _, g := range l.groups(e, false) {
		anyClean = anyClean || g.clean
	}
	var copied, built []exit
	if anyClean {
		copied, built = l.branch(l.hasSlot(e), 0)
	} else {
		built = l.here()
	}
	if l.resume(copied, "copy "+e.name); l.cur != nil {
		ptr, short := l.check(l.known(l.get(e.base+leafOff)), before, e.name)
		ok := l.cur
		l.resume(short, "copy "+e.name+".short")
		l.drop(DropResize)
		l.cur = ok
		l.imageRuns(e, pos, ptr, false, false)
	}
	out := l.here()
	if l.resume(built, "build "+e.name); l.cur != nil {
		l.imageRuns(e, pos, nil, anyClean, false)
	}
	l.resume(append(out, l.here()...), "built "+e.name)
	l.force()
}

// imageRuns writes runs of groups; with a pointer clean ones come from the
// packet. Where it is known that no extract made the header, clean pieces are 0.
func (l *lowerer) imageRuns(e *emission, pos, ptr *Value, noSlot, behind bool) {
	gs := l.groups(e, behind)
	for i := 0; i < len(gs); {
		at, n, copying := gs[i].at, 0, gs[i].clean && ptr != nil
		var run []*Value
		for ; i < len(gs) && (gs[i].clean && ptr != nil) == copying && (n == 0 || copying || n+gs[i].n <= 8); i++ {
			for _, p := range gs[i].p {
				v := p.v
				if p.clean && noSlot {
					v = l.constant(v.Type, 0)
				}
				run = append(run, v)
			}
			n += gs[i].n
		}
		var chunks []*Value
		if copying {
			for b := 0; b < n; b += 8 {
				k := min(8, n-b)
				chunks = append(chunks, l.emit(&Value{Op: OpLoad, Type: Type(8 * k), Args: []*Value{ptr}, Aux: uint64(at + b), N: k}))
			}
		} else {
			chunks = l.chunks(run)
		}
		for _, c := range chunks {
			b := int(c.Type) / 8
			l.emit(&Value{Op: OpScratch, Args: []*Value{pos, c}, Aux: uint64(at), N: b, Name: e.name})
			at += b
		}
	}
}
