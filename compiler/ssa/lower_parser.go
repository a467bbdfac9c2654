package ssa

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// parserState is what lowering a parser keeps beside the environment.
type parserState struct {
	cursor int // leaf: bytes consumed
	err    int // leaf: index in Program.Errors
	order  int // leaf: 1 + place among the emitted headers of the last one extracted
	stacks []int
	done   []exit // accept and reject
	// apart: what the parser rejects goes to rejected, not to done.
	apart    bool
	rejected []exit
	// emitOrder gives the leaf of a header's valid bit its place among the
	// headers that the deparser emits, where that is known beforehand.
	emitOrder map[int]int
	// packed: on every way through the parser headers were extracted in the order
	// of emitOrder, each once, without gaps. The valid headers then are the
	// packet's first cursor bytes.
	packed bool
	// source is what is read before the packet's own bytes, nil for nothing.
	source *virtual
	// parsed are leaves that keep valid and slot of the end of the parser, in emit
	// order; only where packed.
	parsed []int
	// shape are the leaves besides stacks' indices that tell instances of a state
	// apart while l.split is on.
	shape []int
}

// loadTag says that a value is what extract slot put into leaf rel.
type loadTag struct {
	slot, rel int
}

// end notes exits on which the parser ends.
func (ps *parserState) end(accepted bool, e []exit) {
	if ps.apart && !accepted {
		ps.rejected = append(ps.rejected, e...)
	} else {
		ps.done = append(ps.done, e...)
	}
}

// errorIndex is the index of a predefined error.
func (l *lowerer) errorIndex(name string) uint64 {
	for i, e := range l.p.Errors {
		if e == name || strings.TrimPrefix(e, "error.") == name {
			return uint64(i)
		}
	}
	return 0
}

// instance is a parser state to lower, reached by exits with equal stack
// indices. Loops are unrolled: a state of a loop has one instance a round.
type instance struct {
	state  *ir.State
	order  int // of the state in reverse postorder
	comp   int // strongly connected component, in topological order
	round  int
	stacks string
	from   []exit
}

// maxSplit bounds the instances of states while states are split by the headers
// parsed before them. With more the program is lowered again without.
const maxSplit = 40

// joinStates is thrown by a parser with too many ways through it.
type joinStates struct{}

// parserBlock lowers a parser block; control continues where it accepted or
// rejected, with the error in leaf parser.err.
func (l *lowerer) parserBlock(b *ir.Block) {
	ps := l.parser
	if len(b.States) == 0 {
		return
	}
	g := newStateGraph(b)
	work := []*instance{}
	push := func(s *ir.State, round int, e []exit) {
		for _, x := range e {
			key := l.stackKey(x)
			var in *instance
			for _, w := range work {
				if w.state == s && w.round == round && w.stacks == key {
					in = w
				}
			}
			if in == nil {
				in = &instance{state: s, order: g.order[s], comp: g.comp[s], round: round, stacks: key}
				work = append(work, in)
			}
			in.from = append(in.from, x)
		}
	}
	push(b.States[0], 0, l.here())
	l.inParser = true
	count := 0
	for len(work) > 0 {
		sort.SliceStable(work, func(i, j int) bool {
			a, b := work[i], work[j]
			switch {
			case a.comp != b.comp:
				return a.comp < b.comp
			case a.round != b.round:
				return a.round < b.round
			case a.order != b.order:
				return a.order < b.order
			}
			return a.stacks < b.stacks
		})
		in := work[0]
		if key := g.first(in.comp); l.retry.real[key] {
			if ps.source != nil {
				work = work[1:]
				ps.source.hard = append(ps.source.hard, in.from...)
				continue
			}
			var from []entry
			work = slices.DeleteFunc(work, func(w *instance) bool {
				if w.comp != in.comp {
					return false
				}
				from = append(from, entry{w.state, w.from})
				return true
			})
			l.loopStates(g, in.comp, from, func(to *ir.State, e []exit) { push(to, 0, e) },
				func(e []exit) { ps.done = append(ps.done, e...) })
			continue
		}
		work = work[1:]
		if ps.source != nil && l.settle(in, push) {
			continue
		}
		count++
		if l.split && count > maxSplit {
			panic(joinStates{})
		}
		// A way through so many rounds passes no more states than the reference allows.
		if in.round >= l.opt.maxUnroll() || in.round > 0 && (in.round+1)*g.size[in.comp] > ir.MaxSteps || in.round > 0 && count > l.opt.maxParserStates() {
			panic(realLoop{g.first(in.comp)})
		}
		if count > l.opt.maxParserStates() {
			l.refuse(in.state.Pos, "parser state "+in.state.Name,
				fmt.Sprintf("unrolling the parser's loops makes more than %d states", l.opt.maxParserStates()))
		}
		l.resume(in.from, in.state.Name)
		l.setPos(in.state.Pos)
		l.stmts(in.state.Body)
		if l.cur == nil {
			continue
		}
		l.setPos(in.state.Trans.Pos)
		l.transition(&in.state.Trans, func(next string, e []exit) {
			if next == "accept" || next == "reject" {
				ps.end(next == "accept", e)
				return
			}
			to := g.states[next]
			if to == nil {
				l.refuse(in.state.Trans.Pos, "transition to "+next, "there is no such state")
			}
			round := 0
			if g.comp[to] == in.comp {
				round = in.round
				if g.order[to] <= in.order {
					round++
				}
			}
			push(to, round, e)
		})
	}
	l.inParser = false
	l.resume(ps.done, b.Name+".done")
}

// stackKey tells exits with different stack indices apart; and while l.split is
// on also those with different headers, so that each way through the parser
// knows what it has parsed and where.
func (l *lowerer) stackKey(x exit) string {
	s := ""
	leaves := l.parser.stacks
	if l.split {
		leaves = append(leaves[:len(leaves):len(leaves)], l.parser.shape...)
	}
	for _, leaf := range leaves {
		if v := l.at(x.env, leaf); v.Op == OpConst {
			s += fmt.Sprintf("%d,", v.Aux)
		} else {
			s += "?,"
		}
	}
	return s
}

// stateGraph orders the states of a parser.
type stateGraph struct {
	states map[string]*ir.State
	order  map[*ir.State]int
	comp   map[*ir.State]int
	size   map[int]int // states of a component
}

func newStateGraph(b *ir.Block) *stateGraph {
	g := &stateGraph{states: map[string]*ir.State{}, order: map[*ir.State]int{}, comp: map[*ir.State]int{}, size: map[int]int{}}
	for _, s := range b.States {
		g.states[s.Name] = s
	}
	succs := func(s *ir.State) []*ir.State {
		var out []*ir.State
		add := func(n string) {
			if t := g.states[n]; t != nil {
				out = append(out, t)
			}
		}
		for _, c := range s.Trans.Cases {
			add(c.Next)
		}
		add(s.Trans.Default)
		return out
	}
	// Tarjan's components come out in reverse topological order; the same walk
	// gives a postorder.
	index, low := map[*ir.State]int{}, map[*ir.State]int{}
	on := map[*ir.State]bool{}
	var stack, post []*ir.State
	comps := 0
	var walk func(s *ir.State)
	walk = func(s *ir.State) {
		n := len(index) + 1
		index[s], low[s] = n, n
		stack = append(stack, s)
		on[s] = true
		for _, t := range succs(s) {
			if index[t] == 0 {
				walk(t)
				low[s] = min(low[s], low[t])
			} else if on[t] {
				low[s] = min(low[s], index[t])
			}
		}
		post = append(post, s)
		if low[s] == index[s] {
			for {
				t := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				on[t] = false
				g.comp[t] = -comps
				g.size[-comps]++
				if t == s {
					break
				}
			}
			comps++
		}
	}
	walk(b.States[0])
	for i, s := range post {
		g.order[s] = len(post) - i
	}
	return g
}

// first is the state of a component that comes first.
func (g *stateGraph) first(comp int) *ir.State {
	var first *ir.State
	for s, c := range g.comp {
		if c == comp && (first == nil || g.order[s] < g.order[first]) {
			first = s
		}
	}
	return first
}

// transition ends a state.
func (l *lowerer) transition(t *ir.Transition, done func(next string, e []exit)) {
	if len(t.Keys) == 0 {
		done(t.Default, l.here())
		return
	}
	keys := make([][]*Value, len(t.Keys))
	if !l.guard(func() {
		for i, k := range t.Keys {
			keys[i] = l.eval(k)
		}
	}) {
		return
	}
	l.setPos(t.Pos)
	if l.selectSwitch(t, keys, done) {
		return
	}
	for _, c := range t.Cases {
		l.setPos(c.Pos)
		cond := l.inSets(t, &c, keys)
		then, els := l.branch(cond, 0)
		if len(then) > 0 {
			done(c.Next, then)
		}
		if l.resume(els, "select"); l.cur == nil {
			return
		}
	}
	l.noMatch(t, done)
}

// noMatch goes to the default, or rejects with error.NoMatch.
func (l *lowerer) noMatch(t *ir.Transition, done func(next string, e []exit)) {
	if t.Default != "" {
		done(t.Default, l.here())
		return
	}
	l.reject("NoMatch", l.here())
}

// selectSwitch lowers a select on one narrow key whose cases are values.
func (l *lowerer) selectSwitch(t *ir.Transition, keys [][]*Value, done func(string, []exit)) bool {
	if len(keys) != 1 || len(keys[0]) != 1 || len(t.Cases) < 2 || l.known(keys[0][0]).Op == OpConst {
		return false
	}
	key := keys[0][0]
	var labels []uint64
	var next []string
	seen := map[uint64]bool{}
	last := -1
	for i, c := range t.Cases {
		if c.Sets[0].Kind == ir.SetAny {
			last = i
			break
		}
		if c.Sets[0].Kind != ir.SetValue {
			return false
		}
		if v := l.constBig(c.Sets[0].Lo, int(key.Type))[0].Aux; !seen[v] {
			seen[v] = true
			labels, next = append(labels, v), append(next, c.Next)
		}
	}
	exits := l.switchOn(key, labels)
	for i, n := range next {
		done(n, exits[i:i+1])
	}
	rest := exits[len(next):]
	if last >= 0 {
		done(t.Cases[last].Next, rest)
		return true
	}
	l.resume(rest, "nomatch")
	l.noMatch(t, done)
	return true
}

// inSet tells whether v is in s.
func (l *lowerer) inSet(s ir.Set, v []*Value, signed bool) *Value {
	w := width(v)
	switch s.Kind {
	case ir.SetAny:
		return l.constant(1, 1)
	case ir.SetValue:
		return l.equal(v, l.constBig(s.Lo, w))
	case ir.SetMask:
		mask := l.constBig(s.Hi, w)
		return l.equal(l.zip(OpAnd, v, mask), l.zip(OpAnd, l.constBig(s.Lo, w), mask))
	}
	return l.and(l.less(l.constBig(s.Lo, w), v, signed, true), l.less(v, l.constBig(s.Hi, w), signed, true))
}

// reject ends the parser on the exits with an error.
func (l *lowerer) reject(name string, exits []exit) {
	l.rejectWith(l.constant(32, l.errorIndex(name)), exits)
}

func (l *lowerer) rejectWith(err *Value, exits []exit) {
	for _, x := range exits {
		env := append([]*Value(nil), x.env...)
		for len(env) <= l.parser.err {
			env = append(env, nil)
		}
		env[l.parser.err] = err
		x.env = env
		l.parser.end(false, []exit{x})
	}
}

func (l *lowerer) verify(s *ir.Verify) {
	then, els := l.cond(s.Cond, +1)
	if l.resume(els, "verify"); l.cur != nil {
		l.guard(func() {
			err := l.resize(l.eval(s.Err), 32, false)
			l.rejectWith(err[0], l.here())
		})
	}
	l.resume(then, "verified")
}

// extract moves the cursor behind a header and loads its fields.
func (l *lowerer) extract(s *ir.Extract) {
	ps := l.parser
	if s.X == nil {
		l.skip(uint64(s.SkipBits), s.P)
		return
	}
	next := l.nextOf(s.X)
	p := l.place(s.X)
	if p.node.kind != nodeHeader {
		l.refuse(s.P, "extract of "+p.node.typ.String(), "it is no header")
	}
	h := p.node
	if l.bitwise(oddHeader(h)) {
		l.extractBits(s, p)
		if next >= 0 && l.cur != nil {
			l.set(next, l.op(OpAdd, 32, l.get(next), l.constant(32, 1)))
		}
		return
	}
	if l.extractEmitted(h, p) {
		if next >= 0 {
			l.set(next, l.op(OpAdd, 32, l.get(next), l.constant(32, 1)))
		}
		return
	}
	l.slots++
	number := l.slots
	if known := len(p.alts) == 1 && p.alts[0].cond == nil; !known || h.hasVarbit() {
		l.extractValue(s, p, known)
		if next >= 0 && l.cur != nil {
			l.set(next, l.op(OpAdd, 32, l.get(next), l.constant(32, 1)))
		}
		return
	}
	cursor := l.get(ps.cursor)
	ptr := l.need(cursor, h.bits/8, s.X)
	a := p.alts[0]
	l.trackOrder(a.base)
	l.put(a.base+leafValid, l.constant(1, 1))
	l.put(a.base+leafSlot, l.constant(32, uint64(number)))
	l.put(a.base+leafOff, cursor)
	if a.union != nil {
		l.clearOthers(a.union, l.constant(1, 1))
	}
	l.loadFields(h, ptr, func(rel int, v *Value) {
		l.set(a.base+rel, v)
		if v.Op != OpConst {
			v.Name = l.leafName[a.base+rel]
			l.loadTag[v] = loadTag{number, rel}
		}
	})
	l.set(ps.cursor, l.op(OpAdd, 32, cursor, l.constant(32, uint64(h.bits/8))))
	if next >= 0 {
		l.set(next, l.op(OpAdd, 32, l.get(next), l.constant(32, 1)))
	}
}

// extractValue is extract where run time tells which header it is, or how long: it
// is loaded once, and each that may be meant takes it or stays.
func (l *lowerer) extractValue(s *ir.Extract, p place, known bool) {
	ps, h := l.parser, p.node
	var v []*Value
	_, rel, _ := h.varbit()
	if h.hasVarbit() {
		if v = l.extractVar(s, h); l.cur == nil {
			return
		}
	} else {
		cursor := l.get(ps.cursor)
		ptr := l.need(cursor, h.bits/8, s.X)
		v = make([]*Value, h.n)
		v[leafValid], v[leafSlot], v[leafOff] = l.constant(1, 1), l.constant(32, uint64(l.slots)), cursor
		l.loadFields(h, ptr, func(rel int, x *Value) { v[rel] = x })
		l.set(ps.cursor, l.add(cursor, h.bits/8))
	}
	if !known {
		ps.packed = false
		l.write(p, v)
		return
	}
	a := p.alts[0]
	l.trackOrder(a.base)
	if a.union != nil {
		l.clearOthers(a.union, l.constant(1, 1))
	}
	for i, x := range v {
		l.put(a.base+i, x)
		// What lies behind the varbit has no place of its own in the packet.
		if i >= hdrLeaves && i < rel && x.Op != OpConst {
			x.Name = l.leafName[a.base+i]
			l.loadTag[x] = loadTag{l.slots, i}
		}
	}
}

// nextOf is the nextIndex leaf of the stack whose next element x is or is part
// of, or -1.
func (l *lowerer) nextOf(x ir.Expr) int {
	for {
		switch y := x.(type) {
		case *ir.StackOp:
			st := l.place(y.X)
			if y.Op != ir.StackNext || len(st.alts) != 1 {
				return -1
			}
			return st.alts[0].base
		case *ir.Member: // a member of the next union
			x = y.X
		default:
			return -1
		}
	}
}

// need checks that n bytes follow the offset; else the parser rejects with
// PacketTooShort. nil for no bytes.
func (l *lowerer) need(off *Value, n int, x ir.Expr) *Value {
	if n == 0 {
		return nil
	}
	name := "packet"
	if m, ok := x.(*ir.Member); ok {
		name = m.Field
	}
	ptr, short := l.check(off, n, name)
	l.reject("PacketTooShort", short)
	return ptr
}

// loadFields loads the scalars of n from ptr, limb by limb.
func (l *lowerer) loadFields(n *node, ptr *Value, set func(rel int, v *Value)) {
	pos := 0
	n.scalars(0, func(k *node, rel int) {
		for i, t := range Limbs(k.w) {
			set(rel+i, l.loadBits(ptr, pos, int(t)))
			pos += int(t)
		}
	})
}

// loadBits reads w bits from bit pos behind ptr.
func (l *lowerer) loadBits(ptr *Value, pos, w int) *Value {
	first, last := pos/8, (pos+w+7)/8
	var pieces []*Value
	for at := first; at < last; at += 8 {
		n := min(8, last-at)
		pieces = append(pieces, l.emit(&Value{Op: OpLoad, Type: Type(8 * n), Args: []*Value{ptr}, Aux: uint64(at), N: n}))
	}
	return l.gather(pieces, last*8-pos-w, w)
}

// trackOrder keeps parserState.packed true while headers come in emit order.
func (l *lowerer) trackOrder(valid int) {
	ps := l.parser
	place, ok := ps.emitOrder[valid]
	if !ok || uint64(place) < l.upperBound(l.get(ps.order), map[*Value]bool{}) {
		ps.packed = false
		return
	}
	l.set(ps.order, l.constant(32, uint64(place+1)))
}

// headerMade is called before the parser writes a leaf other than by an extract:
// where that makes a header valid or invalid, or another one's copy, the valid
// headers are no longer what the parser walked over.
func (ps *parserState) headerMade(leaf int) {
	for _, f := range [...]int{leafValid, leafSlot} {
		if _, ok := ps.emitOrder[leaf-f]; ok {
			ps.packed = false
		}
	}
}

// upperBound of a value made of constants joined by block parameters.
func (l *lowerer) upperBound(v *Value, seen map[*Value]bool) uint64 {
	j := l.joins[v]
	switch {
	case v.Op == OpConst:
		return v.Aux
	case seen[v]:
		return 0
	case j == nil:
		return ^uint64(0)
	}
	seen[v] = true
	var m uint64
	for _, e := range j.ins {
		m = max(m, l.upperBound(e.args[j.index[v]], seen))
	}
	return m
}

func (l *lowerer) skip(bits uint64, pos ir.Pos) {
	ps := l.parser
	if bits == 0 {
		return
	}
	if l.bitwise(bits%8 != 0) {
		l.parser.packed = false
		l.skipBits(l.constant(32, bits))
		return
	}
	if bits/8 < 1<<16 && l.skipEmitted(int(bits)) {
		return
	}
	ps.packed = false
	cursor := l.get(ps.cursor)
	if bits/8 >= 1<<16 {
		l.reject("PacketTooShort", l.here()) // no packet has as many bytes
		return
	}
	l.need(cursor, int(bits/8), nil)
	l.set(ps.cursor, l.op(OpAdd, 32, cursor, l.constant(32, bits/8)))
}

// advance by a number of bits that need not be known but must be whole bytes.
func (l *lowerer) advance(s *ir.Advance) {
	ps := l.parser
	v := l.resize(l.eval(s.Bits), 32, false)[0]
	l.setPos(s.P)
	if v.Op == OpConst {
		l.skip(v.Aux, s.P)
		return
	}
	ps.packed = false
	if l.bitwise(zeroBits(v, 0) < 3) {
		l.skipBits(v)
		return
	}
	to := l.op(OpAdd, 32, l.get(ps.cursor), l.op(OpShr, 32, v, l.constant(8, 3)))
	bad, good := l.branch(l.op(OpUlt, 1, l.op(OpPktLen, 32), to), -1)
	l.reject("PacketTooShort", bad)
	if l.resume(good, "advanced"); l.cur != nil {
		l.set(ps.cursor, to)
	}
}

// zeroBits is a number of low bits of v that are 0 for certain.
func zeroBits(v *Value, depth int) int {
	if depth > 8 {
		return 0
	}
	arg := func(i int) int { return zeroBits(v.Args[i], depth+1) }
	switch v.Op {
	case OpConst:
		return bits.TrailingZeros64(v.Aux)
	case OpShl:
		if v.Args[1].Op == OpConst {
			return min(64, arg(0)+int(v.Args[1].Aux))
		}
		return arg(0)
	case OpMul:
		return min(64, arg(0)+arg(1))
	case OpAnd:
		return max(arg(0), arg(1))
	case OpAdd, OpSub, OpOr, OpXor:
		return min(arg(0), arg(1))
	case OpSelect:
		return min(arg(1), arg(2))
	case OpZext, OpSext, OpTrunc:
		return arg(0)
	}
	return 0
}

// blank is a value of zeros with valid headers.
func (l *lowerer) blank(n *node) []*Value {
	out := make([]*Value, n.n)
	i := 0
	n.leaves("", func(t Type, _ string) { out[i] = l.constant(t, 0); i++ })
	n.headers(0, func(_ *node, rel int) { out[rel+leafValid] = l.constant(1, 1) })
	return out
}

// lookahead reads without moving the cursor.
func (l *lowerer) lookahead(s *ir.Lookahead) {
	n := l.shape(s.Dst.Type(), "", "lookahead", s.P)
	size := 0
	n.scalars(0, func(k *node, _ int) { size += k.w })
	_, slice := s.Dst.(*ir.Slice)
	var dst place
	if !slice { // a place beyond a stack comes before a packet that is too short
		dst = l.place(s.Dst)
	}
	if l.stages.bits {
		out := l.blank(n)
		if l.peekBits(n, size, func(rel int, v *Value) { out[rel] = v }); l.cur == nil {
			return
		}
		if slice {
			l.assignTo(s.Dst, out)
		} else {
			l.write(dst, out)
		}
		return
	}
	pieces, emitted := l.peekEmitted(size)
	var ptr *Value
	if !emitted {
		ptr = l.need(l.get(l.parser.cursor), (size+7)/8, nil)
	}
	out := l.blank(n)
	if ptr != nil {
		l.loadFields(n, ptr, func(rel int, v *Value) { out[rel] = v })
	}
	if emitted {
		lo := width(pieces)
		n.scalars(0, func(k *node, rel int) {
			lo -= k.w
			copy(out[rel:], l.slice(pieces, lo, k.w))
		})
	}
	if slice {
		l.assignTo(s.Dst, out)
	} else {
		l.write(dst, out)
	}
}
