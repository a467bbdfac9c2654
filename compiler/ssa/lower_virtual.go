package ssa

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// virtual is a packet that a deparser would make and that another parser reads at
// once: the emitted headers, then what the first parser left of the real packet. The
// second parser gets its fields from the values that were emitted, so nothing is
// written between the two. What it does not take is emitted behind its own headers.
//
// Which headers were emitted may be known at run time only. A state of the second
// parser is therefore lowered once for each set of headers that the bytes it takes
// can lie in (settle). Where that does not work out, notFused is thrown, and the
// program is lowered again with a real packet between the two.
type virtual struct {
	emitted []*emission
	before  *parserState // of the first parser
	at      int          // leaf: number of the emission that is next
	bits    int          // leaf: bits of it that were taken
	cursor  int          // leaf: where the first parser ended
	splits  int
}

// notFused is thrown where the second parser cannot read what the first one leaves.
type notFused struct{}

// maxVirtual bounds how often states are lowered again for other headers.
const maxVirtual = 64

// newVirtual is what l.emitted and the rest of the packet make.
func (l *lowerer) newVirtual() *virtual {
	v := &virtual{emitted: l.emitted, before: l.parser, at: l.wordLeaf("$emission"), bits: l.wordLeaf("$taken")}
	l.emitted = nil
	v.cursor = l.wordLeaf("$before")
	l.edit(func(get func(int) *Value, set func(int, *Value)) { set(v.cursor, get(v.before.cursor)) })
	for _, e := range v.emitted {
		if !plainHeader(e.node) {
			panic(notFused{})
		}
	}
	return v
}

// keys are the leaves that tell instances of states apart.
func (v *virtual) keys() []int {
	out := []int{v.at, v.bits}
	for _, e := range v.emitted {
		out = append(out, e.base+leafValid)
	}
	return out
}

// plainHeader tells whether all fields have a fixed size.
func plainHeader(n *node) bool {
	for _, k := range n.kids {
		if k.kind != nodeScalar && (k.kind != nodeStruct || !plainHeader(k)) {
			return false
		}
	}
	return true
}

// place gives the constants of a position.
func (v *virtual) place(at, bits *Value) (int, int) {
	if at.Op != OpConst || bits.Op != OpConst {
		panic(notFused{})
	}
	return int(at.Aux), int(bits.Aux)
}

// settle makes known, for the ways into an instance, which headers the bytes that it
// takes lie in; true when it has pushed the instance again in parts.
func (l *lowerer) settle(in *instance, push func(s *ir.State, round int, e []exit)) bool {
	src := l.parser.source
	need := 0
	ir.WalkStmts(in.state.Body, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.Extract:
			if s.X == nil {
				need += s.SkipBits
				return
			}
			h, ok := ir.Underlying(s.X.Type()).(*ir.Header)
			if !ok || s.VarBits != nil {
				panic(notFused{})
			}
			need += ir.HeaderBits(h)
		case *ir.Lookahead:
			n := l.shape(s.Dst.Type(), "", "lookahead", s.P)
			n.scalars(0, func(k *node, _ int) { need += k.w })
		case *ir.Advance:
			c, ok := s.Bits.(*ir.Const)
			if !ok || !c.Val.IsInt64() || c.Val.Int64() > 1<<20 {
				panic(notFused{})
			}
			need += int(c.Val.Int64())
		case *ir.PacketLength:
			panic(notFused{})
		}
	})
	env := in.from[0].env
	k, taken := src.place(l.at(env, src.at), l.at(env, src.bits))
	need += taken
	for ; k < len(src.emitted) && need > 0; k++ {
		e := src.emitted[k]
		leaf := e.base + leafValid
		switch v := l.at(env, leaf); {
		case v.Op == OpConst && v.Aux == 0:
			continue
		case v.Op == OpConst:
			need -= e.node.bits
			continue
		}
		if src.splits++; src.splits > maxVirtual {
			panic(notFused{})
		}
		l.resume(in.from, in.state.Name)
		l.setPos(in.state.Pos)
		l.force()
		there, absent := l.branch(l.get(leaf), 0)
		push(in.state, in.round, l.setOn(there, leaf, l.constant(1, 1)))
		push(in.state, in.round, l.setOn(absent, leaf, l.constant(1, 0)))
		return true
	}
	return false
}

// taken is where w bits of a virtual packet lie: pieces of emitted headers, and a
// rest of so many bits in the real packet.
type taken struct {
	pieces   []*Value
	rest     int
	at, bits int         // the position behind them
	whole    *emission   // they are exactly this header
	used     []*emission // none of their bits is left
}

// take finds the next w bits; false when all of them lie in the real packet.
func (l *lowerer) take(w int) (taken, bool) {
	src := l.parser.source
	if src == nil {
		return taken{}, false
	}
	k, off := src.place(l.get(src.at), l.get(src.bits))
	t := taken{rest: w}
	for ; k < len(src.emitted); k++ {
		e := src.emitted[k]
		v := l.known(l.get(e.base + leafValid))
		if v.IsConst(0) || v.IsConst(1) && e.node.bits == 0 {
			continue
		}
		if t.rest == 0 {
			break
		}
		if v.Op != OpConst {
			panic(notFused{})
		}
		n := min(t.rest, e.node.bits-off)
		if off == 0 && n == w && n == e.node.bits {
			t.whole = e
		}
		var fields []*Value
		e.node.scalars(0, func(f *node, rel int) {
			for i := range f.n {
				fields = append(fields, l.get(e.base+rel+i))
			}
		})
		t.pieces = append(t.pieces, l.slice(fields, e.node.bits-off-n, n)...)
		t.rest -= n
		if off += n; off < e.node.bits {
			break
		}
		t.used = append(t.used, e)
		off = 0
	}
	t.at, t.bits = k, off
	return t, len(t.pieces) > 0
}

// load completes t with bits of the real packet: all that take left of w bits. The
// parser rejects where the packet has not as many.
func (l *lowerer) load(t *taken, x ir.Expr) {
	if t.rest == 0 {
		return
	}
	ptr := l.need(l.get(l.parser.cursor), (t.rest+7)/8, x)
	for lo := 0; lo < t.rest; lo += 64 {
		t.pieces = append(t.pieces, l.loadBits(ptr, lo, min(64, t.rest-lo)))
	}
}

// consume moves the position behind t.
func (l *lowerer) consume(t *taken) {
	src := l.parser.source
	if t.rest%8 != 0 {
		panic(notFused{})
	}
	for _, e := range t.used {
		l.set(e.base+leafValid, l.constant(1, 0))
	}
	l.set(src.at, l.constant(32, uint64(t.at)))
	l.set(src.bits, l.constant(32, uint64(t.bits)))
	if t.rest > 0 {
		cursor := l.parser.cursor
		l.set(cursor, l.op(OpAdd, 32, l.get(cursor), l.constant(32, uint64(t.rest/8))))
	}
}

// extractEmitted extracts header h, whose leaves are at p; false when it lies in the
// real packet.
func (l *lowerer) extractEmitted(h *node, p place, x ir.Expr) bool {
	t, ok := l.take(h.bits)
	if !ok {
		return false
	}
	if len(p.alts) != 1 || p.alts[0].cond != nil {
		panic(notFused{})
	}
	a := p.alts[0]
	if e := t.whole; e != nil && sameFields(e.node, h) {
		for i := range h.n {
			l.put(a.base+i, l.get(e.base+i))
		}
	} else {
		if !plainHeader(h) {
			panic(notFused{})
		}
		l.load(&t, x)
		l.put(a.base+leafValid, l.constant(1, 1))
		l.put(a.base+leafSlot, l.constant(32, 0))
		l.put(a.base+leafOff, l.constant(32, 0))
		lo := h.bits
		h.scalars(0, func(k *node, rel int) {
			lo -= k.w
			for i, v := range l.slice(t.pieces, lo, k.w) {
				l.put(a.base+rel+i, v)
			}
		})
	}
	if a.union != nil {
		l.clearOthers(a.union, l.constant(1, 1))
	}
	l.consume(&t)
	return true
}

// sameFields tells whether two headers have the same leaves.
func sameFields(a, b *node) bool {
	var x, y []int
	a.scalars(0, func(k *node, _ int) { x = append(x, k.w) })
	b.scalars(0, func(k *node, _ int) { y = append(y, k.w) })
	if len(x) != len(y) || a.n != b.n {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

// skipEmitted moves over bits; false when they lie in the real packet.
func (l *lowerer) skipEmitted(bits int) bool {
	t, ok := l.take(bits)
	if !ok {
		return false
	}
	if t.rest > 0 {
		l.need(l.get(l.parser.cursor), (t.rest+7)/8, nil)
	}
	l.consume(&t)
	return true
}

// peekEmitted gives the next w bits as pieces; false when they lie in the real packet.
func (l *lowerer) peekEmitted(w int) ([]*Value, bool) {
	t, ok := l.take(w)
	if !ok {
		return nil, false
	}
	l.load(&t, nil)
	return t.pieces, true
}

// endVirtual ends the second parser: between two headers on all ways.
func (l *lowerer) endVirtual(src *virtual) {
	if l.cur == nil {
		return
	}
	l.edit(func(get func(int) *Value, _ func(int, *Value)) {
		if !get(src.bits).IsConst(0) {
			panic(notFused{})
		}
	})
}

// sameFused is sameLayout for the headers of the second deparser followed by what is
// left of the first one's, where the first parser walked over its headers in order:
// then it is enough that the ones that it parsed are there and no others. ok tells
// whether that can be said: each emitted header, if it can be valid at all, is one
// that was parsed, by its slot, in order.
func (l *lowerer) sameFused(src *virtual) (same *Value, ok bool) {
	ps := src.before
	if !ps.packed || len(ps.parsed) == 0 || l.get(src.cursor) != l.get(l.parser.cursor) {
		return nil, false
	}
	same = l.constant(1, 1)
	i := 0
	absent := func(p int) { same = l.and(same, l.not(l.known(l.get(p)))) }
	for _, e := range l.emitted {
		v := l.known(l.get(e.base + leafValid))
		if v.IsConst(0) || e.node.bits == 0 {
			continue
		}
		slot := l.get(e.base + leafSlot)
		j := i
		for j < len(ps.parsed) && l.get(ps.parsed[j]+1) != slot {
			j++
		}
		if j == len(ps.parsed) {
			if slot.IsConst(0) { // never parsed: another layout where it is valid
				same = l.and(same, l.not(v))
				continue
			}
			return nil, false
		}
		for ; i < j; i++ {
			absent(ps.parsed[i])
		}
		if p := l.get(ps.parsed[j]); p != v {
			same = l.and(same, l.op(OpEq, 1, v, l.known(p)))
		}
		i = j + 1
	}
	for ; i < len(ps.parsed); i++ {
		absent(ps.parsed[i])
	}
	return same, true
}
