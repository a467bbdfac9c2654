package ssa

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// virtual is a packet that a deparser would make and that another parser reads at
// once: the emitted headers, then what the first parser left of the real packet. The
// second parser gets its fields from the values that were emitted, so nothing is
// written between the two. What it does not take is emitted behind its own headers.
//
// Which headers were emitted may be known at run time only. A state of the second
// parser is therefore lowered once for each set of headers that the bytes it takes
// can lie in (settle). Ways on which that does not work out are hard: they end, and
// whoever lowers the parser makes a real packet there. Where no way can work out,
// notFused is thrown, and the program is lowered again with real packets alone.
type virtual struct {
	emitted []*emission
	left    []int        // leaf for each: it is there and was not taken
	before  *parserState // of the first parser
	at      int          // leaf: number of the emission that is next
	gap     int          // leaf: one before it turned out to be absent
	cursor  int          // leaf: where the first parser ended
	splits  int
	hard    []exit
}

// notFused is thrown where the second parser cannot read what the first one leaves.
type notFused struct{}

// hardWay is thrown where that holds of the current way.
type hardWay struct{}

// maxVirtual bounds how often states are lowered again for other headers.
const maxVirtual = 64

// newVirtual is what l.emitted and the rest of the packet make, for a parser.
func (l *lowerer) newVirtual(parser *ir.Block) *virtual {
	if l.stages.bits {
		panic(notFused{})
	}
	v := &virtual{emitted: l.emitted, before: l.parser, at: l.wordLeaf("$emission"), gap: l.flagLeaf("$gap"), cursor: l.wordLeaf("$before")}
	l.emitted = nil
	for _, e := range v.emitted {
		if !plainHeader(e.node) {
			panic(notFused{})
		}
		v.left = append(v.left, l.flagLeaf("$left."+e.name))
	}
	// A hard way is parsed once more.
	for _, s := range parser.States {
		ir.WalkStmts(s.Body, func(s ir.Stmt) {
			if e, ok := s.(*ir.ExternCall); ok && !strings.HasPrefix(e.Name, "Checksum.") && !strings.HasPrefix(e.Name, "InternetChecksum.") {
				panic(notFused{})
			}
		})
	}
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		set(v.at, l.constant(32, 0))
		set(v.gap, l.constant(1, 0))
		set(v.cursor, get(v.before.cursor))
		for i, e := range v.emitted {
			set(v.left[i], get(e.base+leafValid))
		}
	})
	return v
}

// keys are the leaves that tell instances of states apart.
func (v *virtual) keys() []int { return append([]int{v.at, v.gap}, v.left...) }

// plainHeader tells whether all fields have a fixed size.
func plainHeader(n *node) bool {
	for _, k := range n.kids {
		if k.kind != nodeScalar && (k.kind != nodeStruct || !plainHeader(k)) {
			return false
		}
	}
	return true
}

// place gives the number of the next emission.
func (v *virtual) place(at *Value) int {
	if at.Op != OpConst {
		panic(hardWay{})
	}
	return int(at.Aux)
}

// settle makes known, for the ways into an instance, which headers the bytes that it
// takes lie in; true when it has pushed the instance again in parts, or the ways are
// hard.
func (l *lowerer) settle(in *instance, push func(s *ir.State, round int, e []exit)) (done bool) {
	src := l.parser.source
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case hardWay:
			src.hard = append(src.hard, in.from...)
			done = true
		default:
			panic(r)
		}
	}()
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
				panic(hardWay{})
			}
			need += ir.HeaderBits(h)
		case *ir.Lookahead:
			n := l.shape(s.Dst.Type(), "", "lookahead", s.P)
			n.scalars(0, func(k *node, _ int) { need += k.w })
		case *ir.Advance:
			c, ok := s.Bits.(*ir.Const)
			if !ok || !c.Val.IsInt64() || c.Val.Int64() > 1<<20 {
				panic(hardWay{})
			}
			need += int(c.Val.Int64())
		case *ir.PacketLength:
			panic(hardWay{})
		}
	})
	env := in.from[0].env
	for k := src.place(l.at(env, src.at)); k < len(src.emitted) && need > 0; k++ {
		e := src.emitted[k]
		leaf := src.left[k]
		switch v := l.at(env, leaf); {
		case v.Op == OpConst && v.Aux == 0:
			continue
		case v.Op == OpConst:
			need -= e.node.bits
			continue
		}
		if src.splits++; src.splits > maxVirtual {
			panic(hardWay{})
		}
		l.resume(in.from, in.state.Name)
		l.setPos(in.state.Pos)
		l.force()
		there, absent := l.branch(l.get(leaf), +1)
		for i, x := range [][]exit{absent, there} {
			v := l.constant(1, uint64(i))
			x = l.setOn(l.setOn(x, leaf, v), e.base+leafValid, v)
			if i == 0 {
				x = l.setOn(x, src.gap, l.constant(1, 1))
			}
			push(in.state, in.round, x)
		}
		return true
	}
	return false
}

// taken is where w bits of a virtual packet lie: pieces of emitted headers, and a
// rest of so many bits in the real packet.
type taken struct {
	pieces []*Value
	rest   int
	at     int       // the emission behind them
	inside bool      // of which some bits are among them
	whole  *emission // they are exactly this header
	used   []int     // emissions of which nothing is left
}

// take finds the next w bits; false when all of them lie in the real packet.
func (l *lowerer) take(w int) (taken, bool) {
	src := l.parser.source
	if src == nil {
		return taken{}, false
	}
	k := src.place(l.get(src.at))
	t := taken{rest: w}
	for ; k < len(src.emitted); k++ {
		e := src.emitted[k]
		v := l.known(l.get(src.left[k]))
		if v.IsConst(0) || v.IsConst(1) && e.node.bits == 0 {
			continue
		}
		if t.rest == 0 {
			break
		}
		if v.Op != OpConst {
			panic(hardWay{})
		}
		n := min(t.rest, e.node.bits)
		if n == w && n == e.node.bits {
			t.whole = e
		}
		var fields []*Value
		e.node.scalars(0, func(f *node, rel int) {
			for i := range f.n {
				fields = append(fields, l.get(e.base+rel+i))
			}
		})
		t.pieces = append(t.pieces, l.slice(fields, e.node.bits-n, n)...)
		t.rest -= n
		if t.inside = n < e.node.bits; t.inside {
			break
		}
		t.used = append(t.used, k)
	}
	t.at = k
	// Bytes of the packet in the place of a header that is not there are a frame that is
	// too short, or hostile: not worth code of their own.
	if t.rest%8 != 0 || t.rest > 0 && w > 0 && !l.get(src.gap).IsConst(0) {
		panic(hardWay{})
	}
	return t, len(t.pieces) > 0
}

// load completes t with bits of the real packet: all that take left of w bits. The
// parser rejects where the packet has not as many.
func (l *lowerer) load(t *taken) {
	if t.rest == 0 {
		return
	}
	ptr := l.need(l.get(l.parser.cursor), t.rest/8, nil)
	for lo := 0; lo < t.rest; lo += 64 {
		t.pieces = append(t.pieces, l.loadBits(ptr, lo, min(64, t.rest-lo)))
	}
}

// consume moves the position behind t.
func (l *lowerer) consume(t *taken) {
	src := l.parser.source
	for _, k := range t.used {
		l.set(src.left[k], l.constant(1, 0))
	}
	l.set(src.at, l.constant(32, uint64(t.at)))
	l.set(src.gap, l.constant(1, 0))
	if t.rest > 0 {
		cursor := l.parser.cursor
		l.set(cursor, l.op(OpAdd, 32, l.get(cursor), l.constant(32, uint64(t.rest/8))))
	}
}

// extractEmitted extracts header h, whose leaves are at p, if it is the next one that
// was emitted; false when it lies in the real packet.
func (l *lowerer) extractEmitted(h *node, p place) bool {
	t, ok := l.take(h.bits)
	if !ok {
		return false
	}
	if t.whole == nil || !sameFields(t.whole.node, h) || len(p.alts) != 1 || p.alts[0].cond != nil {
		panic(hardWay{})
	}
	a := p.alts[0]
	for i := range h.n {
		l.put(a.base+i, l.get(t.whole.base+i))
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
	if t.inside {
		panic(hardWay{})
	}
	if t.rest > 0 {
		l.need(l.get(l.parser.cursor), t.rest/8, nil)
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
	l.load(&t)
	return t.pieces, true
}

// endVirtual ends the second parser: of the emitted headers those are left that it did
// not take.
func (l *lowerer) endVirtual(src *virtual) {
	l.parser.source = nil
	if l.cur == nil {
		return
	}
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		for i, e := range src.emitted {
			set(e.base+leafValid, get(src.left[i]))
		}
	})
}

// sameFused is sameLayout for the headers of the second deparser followed by what is
// left of the first one's, where the first parser walked over its headers in order:
// then it is enough that the ones that it parsed are there, each once, and no others.
// ok tells whether that can be said: each emitted header, if it can be valid at all, is
// one that was parsed, by its slot, in order.
func (l *lowerer) sameFused(src *virtual) (same *Value, ok bool) {
	ps := src.before
	if !ps.packed || len(ps.parsed) == 0 || l.get(src.cursor) != l.get(l.parser.cursor) {
		return nil, false
	}
	// of lists the emitted headers by the parsed one that they are.
	of := make([][]*emission, len(ps.parsed))
	last := 0
	same = l.constant(1, 1)
	for _, e := range l.emitted {
		v := l.known(l.get(e.base + leafValid))
		if v.IsConst(0) || e.node.bits == 0 {
			continue
		}
		slot := l.get(e.base + leafSlot)
		j := last
		for j < len(ps.parsed) && !l.slotOf(slot, l.get(ps.parsed[j]+1), 0) {
			j++
		}
		if j == len(ps.parsed) {
			if !slot.IsConst(0) {
				return nil, false
			}
			same = l.and(same, l.not(v)) // never parsed: another layout where it is valid
			continue
		}
		last = j
		of[j] = append(of[j], e)
	}
	for j, es := range of {
		p := l.known(l.get(ps.parsed[j]))
		any := l.constant(1, 0)
		for _, e := range es {
			v := l.known(l.get(e.base + leafValid))
			same = l.and(same, l.not(l.and(any, v)))
			any = l.or(any, v)
			if slot := l.get(e.base + leafSlot); slot != l.get(ps.parsed[j]+1) {
				same = l.and(same, l.or(l.not(v), l.op(OpNe, 1, slot, l.constant(32, 0))))
			}
		}
		if any != p {
			same = l.and(same, l.op(OpEq, 1, any, p))
		}
	}
	return same, true
}

// slotOf tells whether v is slot, or 0, on every way.
func (l *lowerer) slotOf(v, slot *Value, depth int) bool {
	if v == slot {
		return true
	}
	j := l.joins[v]
	if j == nil || depth > 4 {
		return false
	}
	for _, e := range j.ins {
		if a := e.args[j.index[v]]; !a.IsConst(0) && !l.slotOf(a, slot, depth+1) {
			return false
		}
	}
	return true
}
