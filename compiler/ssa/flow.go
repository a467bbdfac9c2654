package ssa

import (
	"encoding/binary"

	"github.com/p4nic/p4nic/compiler/ir"
)

// fact says that value v is known to be c (where control flow has decided it).
// Facts form lists that share their tails; the newest is first.
type fact struct {
	v    *Value
	c    uint64
	next *fact
	len  int
}

// exit is a place where control leaves a block: succ is the index of the
// dangling edge in the block's terminator, or -1 when the block has none yet.
// env and facts hold there.
type exit struct {
	blk   *Block
	succ  int
	env   []*Value
	facts *fact
}

// flow is where code is being added. pending is not nil while several exits
// meet and nothing was added behind them: conditions that are known on some of
// them are then decided there, before the exits are joined (jump threading
// without any repair of SSA form).
type flow struct {
	blk     *Block
	env     []*Value
	facts   *fact
	pending []exit
	name    string
}

func (l *lowerer) newBlock(name string) *Block {
	b := &Block{ID: len(l.f.Blocks), Name: name}
	l.f.Blocks = append(l.f.Blocks, b)
	return b
}

// fresh numbers v.
func (l *lowerer) fresh(v *Value) *Value {
	l.nextID++
	v.ID = l.nextID
	return v
}

func (l *lowerer) constant(t Type, c uint64) *Value {
	k := constKey{t, c & Mask(t)}
	if v := l.consts[k]; v != nil {
		return v
	}
	v := l.fresh(&Value{Op: OpConst, Type: t, Aux: k.c})
	l.consts[k] = v
	l.constOrder = append(l.constOrder, v)
	return v
}

type constKey struct {
	t Type
	c uint64
}

// emit adds v to the current block, or gives a simpler value. While trying
// (see tryConst) only constants succeed.
func (l *lowerer) emit(v *Value) *Value {
	v.Pos = l.pos
	if r := fold(v, l.op, l.constant); r != nil {
		return r
	}
	if l.dry {
		l.dryFailed = true
		if v.Type == Ptr {
			return v
		}
		return l.constant(v.Type, 0)
	}
	l.force()
	l.fresh(v)
	l.cur.blk.Instrs = append(l.cur.blk.Instrs, v)
	return v
}

func (l *lowerer) op(op Op, t Type, args ...*Value) *Value {
	return l.emit(&Value{Op: op, Type: t, Args: args})
}

// sel is cond ? a : b, decided by facts where they know.
func (l *lowerer) sel(cond, a, b *Value) *Value {
	return l.op(OpSelect, a.Type, l.known(cond), a, b)
}

func (l *lowerer) and(a, b *Value) *Value { return l.op(OpAnd, 1, l.known(a), l.known(b)) }
func (l *lowerer) or(a, b *Value) *Value  { return l.op(OpOr, 1, l.known(a), l.known(b)) }
func (l *lowerer) not(a *Value) *Value    { return l.op(OpNot, 1, l.known(a)) }

// known gives v's constant where the facts of the current flow have one.
func (l *lowerer) known(v *Value) *Value {
	if v.Op == OpConst {
		return v
	}
	facts := l.dryFacts
	if !l.dry {
		l.force()
		facts = l.cur.facts
	}
	for f := facts; f != nil; f = f.next {
		if f.v == v {
			return l.constant(v.Type, f.c)
		}
	}
	return v
}

// learn records that v is c behind this point, with what follows from it.
func (l *lowerer) learn(facts *fact, v *Value, c uint64, depth int) *fact {
	if v.Op == OpConst {
		return facts
	}
	for f := facts; f != nil; f = f.next {
		if f.v == v {
			return facts
		}
	}
	n := 0
	if facts != nil {
		n = facts.len
	}
	facts = &fact{v, c, facts, n + 1}
	if depth == 0 {
		return facts
	}
	switch {
	case v.Op == OpNot:
		facts = l.learn(facts, v.Args[0], ^c&Mask(v.Type), depth-1)
	case v.Op == OpAnd && v.Type == 1 && c == 1, v.Op == OpOr && v.Type == 1 && c == 0:
		facts = l.learn(facts, v.Args[0], c, depth-1)
		facts = l.learn(facts, v.Args[1], c, depth-1)
	case v.Op == OpEq && c == 1 && v.Args[1].Op == OpConst, v.Op == OpNe && c == 0 && v.Args[1].Op == OpConst:
		facts = l.learn(facts, v.Args[0], v.Args[1].Aux, depth-1)
	case v.Op == OpParam:
		facts = l.learnParams(facts, v, c, depth)
	}
	return facts
}

// learnParams: v, a parameter of a joined block, is c. Another parameter that
// is one constant on every edge where v can be c is known as well: so a valid
// ipv4 header says that the ethernet header is valid.
func (l *lowerer) learnParams(facts *fact, v *Value, c uint64, depth int) *fact {
	j := l.joins[v]
	if j == nil {
		return facts
	}
	for i, w := range j.params {
		if w == v {
			continue
		}
		var val *Value
		ok := true
		for _, e := range j.ins {
			if a := e.args[j.index[v]]; a.Op == OpConst && a.Aux != c {
				continue // not this way
			}
			a := e.args[i]
			if a.Op != OpConst {
				for f := e.facts; f != nil; f = f.next {
					if f.v == a {
						a = l.constant(a.Type, f.c)
						break
					}
				}
			}
			if a.Op != OpConst || val != nil && val.Aux != a.Aux {
				ok = false
				break
			}
			val = a
		}
		if ok && val != nil {
			facts = l.learn(facts, w, val.Aux, 0)
		}
	}
	return facts
}

// implied tells whether ok holds of w on every way on which v is c. Both are
// followed back through the joins, the later one first.
func (l *lowerer) implied(v *Value, c uint64, w *Value, ok func(*Value) bool, seen map[[2]*Value]bool) bool {
	if v.Op == OpConst && v.Aux != c || ok(w) {
		return true
	}
	key := [2]*Value{v, w}
	if seen[key] {
		return true
	}
	seen[key] = true
	jv, jw := l.joins[v], l.joins[w]
	j := jv
	if j == nil || jw != nil && jw.seq > jv.seq {
		j = jw
	}
	if j == nil {
		return false
	}
	for _, e := range j.ins {
		x, y := v, w
		if j == jv {
			x = e.args[j.index[v]]
		}
		if j == jw {
			y = e.args[j.index[w]]
		}
		if !l.implied(x, c, y, ok, seen) {
			return false
		}
	}
	return true
}

// joined remembers what came into a joined block.
type joined struct {
	seq    int // in order of creation
	params []*Value
	index  map[*Value]int
	ins    []joinedEdge
}

type joinedEdge struct {
	args  []*Value
	facts *fact
}

// at gives leaf i of an environment; leaves that it does not have yet are 0.
func (l *lowerer) at(env []*Value, i int) *Value {
	if i < len(env) && env[i] != nil {
		return env[i]
	}
	return l.constant(l.leafType[i], 0)
}

func (l *lowerer) get(i int) *Value {
	if l.dry {
		return l.at(l.dryEnv, i)
	}
	l.force()
	return l.at(l.cur.env, i)
}

func (l *lowerer) set(i int, v *Value) {
	l.force()
	if l.inParser && !l.holds(i, v) {
		l.parser.headerMade(i)
	}
	l.put(i, v)
}

// holds tells whether leaf i is v already.
func (l *lowerer) holds(i int, v *Value) bool {
	if i < len(l.cur.env) && l.cur.env[i] != nil {
		return l.cur.env[i] == v
	}
	return v.IsConst(0)
}

// put is set by an extract.
func (l *lowerer) put(i int, v *Value) {
	l.force()
	for len(l.cur.env) <= i {
		l.cur.env = append(l.cur.env, nil)
	}
	l.cur.env[i] = v
}

// edit changes leaves without adding code: on every pending exit by itself, so
// that what is known there stays known.
func (l *lowerer) edit(f func(get func(int) *Value, set func(int, *Value))) {
	if l.cur.pending == nil {
		f(l.get, l.set)
		return
	}
	for i := range l.cur.pending {
		x := &l.cur.pending[i]
		env := append([]*Value(nil), x.env...)
		f(func(leaf int) *Value { return l.at(env, leaf) }, func(leaf int, v *Value) {
			for len(env) <= leaf {
				env = append(env, nil)
			}
			env[leaf] = v
		})
		x.env = env
	}
}

// here is the exit at the current point; the flow is left.
func (l *lowerer) here() []exit {
	f := l.cur
	l.cur = nil
	if f == nil {
		return nil
	}
	if f.pending != nil {
		return f.pending
	}
	return []exit{{f.blk, -1, f.env, f.facts}}
}

// resume continues where the exits meet; with none the rest is unreachable.
func (l *lowerer) resume(exits []exit, name string) {
	switch len(exits) {
	case 0:
		l.cur = nil
	case 1:
		e := exits[0]
		f := &flow{env: append([]*Value(nil), e.env...), facts: e.facts}
		if e.succ < 0 {
			f.blk = e.blk
		} else {
			f.blk = l.newBlock(name)
			e.blk.Term.Succs[e.succ].To = f.blk
		}
		l.cur = f
	default:
		l.cur = &flow{pending: exits, name: name}
	}
}

// force joins pending exits in a block.
func (l *lowerer) force() {
	f := l.cur
	if f == nil || f.pending == nil {
		return
	}
	exits := f.pending
	f.pending = nil
	f.blk = l.newBlock(f.name)
	n := 0
	for i := range exits {
		e := &exits[i]
		if e.succ < 0 {
			e.blk.Term = Term{Kind: TermJump, Succs: []Edge{{}}, Pos: l.pos}
			e.succ = 0
		}
		e.blk.Term.Succs[e.succ].To = f.blk
		n = max(n, len(e.env))
	}
	f.facts = commonFacts(exits)
	f.env = make([]*Value, n)
	l.joinCount++
	j := &joined{seq: l.joinCount, index: map[*Value]int{}, ins: make([]joinedEdge, len(exits))}
	for i := range exits {
		j.ins[i].facts = exits[i].facts
	}
	equal := map[string]*Value{}
	var key []byte
	for leaf := range n {
		first := l.at(exits[0].env, leaf)
		same := true
		for i := range exits[1:] {
			if l.at(exits[i+1].env, leaf) != first {
				same = false
				break
			}
		}
		if same {
			f.env[leaf] = first
			continue
		}
		if c := l.sameOffset(exits, leaf); c != nil {
			f.env[leaf] = c
			continue
		}
		key = key[:0]
		for i := range exits {
			key = binary.AppendUvarint(key, uint64(l.at(exits[i].env, leaf).ID))
		}
		if p := equal[string(key)]; p != nil { // another leaf with the same history
			f.env[leaf] = p
			continue
		}
		p := l.fresh(&Value{Op: OpParam, Type: l.leafType[leaf], Name: l.leafName[leaf]})
		equal[string(key)] = p
		f.blk.Params = append(f.blk.Params, p)
		f.env[leaf] = p
		l.joins[p] = j
		j.index[p] = len(j.params)
		j.params = append(j.params, p)
		for i := range exits {
			e := &exits[i]
			edge := &e.blk.Term.Succs[e.succ]
			a := l.at(e.env, leaf)
			edge.Args = append(edge.Args, a)
			j.ins[i].args = append(j.ins[i].args, a)
		}
	}
}

// sameOffset: where a header has no slot its offset does not matter, so a
// constant that all other ways agree on holds.
func (l *lowerer) sameOffset(exits []exit, leaf int) *Value {
	slot, ok := l.offLeaf[leaf]
	if !ok {
		return nil
	}
	var c *Value
	for i := range exits {
		if l.at(exits[i].env, slot).IsConst(0) {
			continue
		}
		v := l.at(exits[i].env, leaf)
		if v.Op != OpConst || c != nil && c != v {
			return nil
		}
		c = v
	}
	return c
}

// commonFacts is the shared tail of the exits' facts.
func commonFacts(exits []exit) *fact {
	f := exits[0].facts
	for i := range exits[1:] {
		g := exits[i+1].facts
		for f != g {
			switch {
			case f == nil || g == nil:
				return nil
			case f.len > g.len:
				f = f.next
			case g.len > f.len:
				g = g.next
			default:
				f, g = f.next, g.next
			}
		}
	}
	return f
}

// branch ends the current block on the value c.
func (l *lowerer) branch(c *Value, likely int) (then, els []exit) {
	c = l.known(c)
	if c.Op == OpConst {
		if c.Aux != 0 {
			return l.here(), nil
		}
		return nil, l.here()
	}
	l.force()
	f := l.cur
	l.cur = nil
	f.blk.Term = Term{Kind: TermBranch, Cond: c, Succs: make([]Edge, 2), Likely: likely, Pos: l.pos}
	then = []exit{{f.blk, 0, f.env, l.learn(f.facts, c, 1, 4)}}
	els = []exit{{f.blk, 1, f.env, l.learn(f.facts, c, 0, 4)}}
	return then, els
}

// check ends the current block with a bounds check and gives the pointer, whose
// block is the current one then; short is the other way.
func (l *lowerer) check(off *Value, n int, name string) (ptr *Value, short []exit) {
	l.force()
	f := l.cur
	b := l.newBlock(name)
	ptr = l.fresh(&Value{Op: OpParam, Type: Ptr, Name: name})
	b.Params = []*Value{ptr}
	f.blk.Term = Term{Kind: TermCheck, Cond: off, N: n, Succs: []Edge{{To: b}, {}}, Pos: l.pos}
	short = []exit{{f.blk, 1, f.env, f.facts}}
	l.cur = &flow{blk: b, env: append([]*Value(nil), f.env...), facts: f.facts}
	return ptr, short
}

// drop ends the current flow with a drop.
func (l *lowerer) drop(why DropReason) {
	l.force()
	if l.cur == nil {
		return
	}
	l.cur.blk.Term = Term{Kind: TermDrop, Reason: why, Pos: l.pos}
	l.cur = nil
}

// tryConst evaluates e over env and facts and gives its value when it is a
// constant there. Nothing is added to the program.
func (l *lowerer) tryConst(e ir.Expr, x exit) (c uint64, ok bool) {
	env, facts, failed := l.dryEnv, l.dryFacts, l.dryFailed
	was := l.dry
	l.dry, l.dryEnv, l.dryFacts, l.dryFailed = true, x.env, x.facts, false
	defer func() {
		l.dry, l.dryEnv, l.dryFacts, l.dryFailed = was, env, facts, failed
		switch r := recover(); r.(type) {
		case nil:
		case stackFault: // found again where it counts
			c, ok = 0, false
		default:
			panic(r)
		}
	}()
	v := l.eval(e)
	if ok = !l.dryFailed && len(v) == 1; ok {
		k := l.known(v[0])
		c, ok = k.Aux, k.Op == OpConst
	}
	return c, ok
}
