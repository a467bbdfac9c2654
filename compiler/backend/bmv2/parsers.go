package bmv2

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// pstate is a parse state of the JSON: straight operations and a transition.
type pstate struct {
	name  string
	ops   arr
	keys  arr
	cases arr
}

// parserCode turns the states of a parser, which have structured bodies, into
// parse states.
type parserCode struct {
	x      *exporter
	states []*pstate
	named  map[string]*pstate
	ends   map[string]*pstate
	heads  map[string]*pstate
	cur    *pstate // nil after a jump
	base   string  // name of the program's state
	pos    ir.Pos
}

// maxTransitions bounds what ranges of one state become.
const maxTransitions = 4096

// parser declares the parser of block b.
func (x *exporter) parser(b *ir.Block, name string, id int) obj {
	p := &parserCode{x: x, named: map[string]*pstate{}, ends: map[string]*pstate{}, heads: map[string]*pstate{}}
	for _, s := range b.States {
		p.named[s.Name] = p.fresh(s.Name)
	}
	for _, s := range b.States {
		p.base, p.cur = s.Name, p.named[s.Name]
		p.stmts(s.Body)
		if p.cur != nil {
			p.transition(&s.Trans)
		}
	}
	states := arr{}
	for i, s := range p.states {
		o := obj{{"name", s.name}, {"id", i}, {"parser_ops", orEmpty(s.ops)}, {"transitions", orEmpty(s.cases)}, {"transition_key", orEmpty(s.keys)}}
		states = append(states, o)
	}
	init := p.named[b.States[0].Name].name
	return obj{{"name", name}, {"id", id}, {"init_state", init}, {"parse_states", states}}
}

func orEmpty(a arr) arr {
	if a == nil {
		return arr{}
	}
	return a
}

func (p *parserCode) fresh(name string) *pstate {
	s := &pstate{name: p.x.lay.unique("state." + name)[len("state."):]}
	p.states = append(p.states, s)
	return s
}

func (p *parserCode) goTo(s *pstate) {
	if p.cur == nil {
		return
	}
	p.cur.cases = arr{fallback(s.name)}
	p.cur = nil
}

func fallback(next any) obj {
	return obj{{"type", "default"}, {"value", nil}, {"mask", nil}, {"next_state", next}}
}

func (p *parserCode) op(name string, params ...any) {
	p.cur.ops = append(p.cur.ops, obj{{"op", name}, {"parameters", arr(params)}})
}

// primitives appends what a statement is in an action.
func (p *parserCode) primitives(s ir.Stmt) {
	c := p.x.newCode()
	c.stmt(s)
	for _, o := range c.prims {
		o := o.(obj)
		params := o[1].v.(arr)
		if o[0].v == "assign" && params[0].(obj)[0].v == "field" {
			if src := params[1].(obj); src[0].v == "stack_field" { // only inside an expression
				params[1] = obj{{"type", "expression"}, {"value", src}}
			}
			p.op("set", params...)
			continue
		}
		if o[0].v == "_jump" || o[0].v == "_jump_if_zero" {
			p.x.fail(s.Pos(), "a loop", "bmv2 JSON has no jumps in parsers")
		}
		p.op("primitive", o)
	}
}

func (p *parserCode) stmts(ss []ir.Stmt) {
	for _, s := range ss {
		if p.cur == nil {
			return // behind a jump
		}
		p.stmt(s)
	}
}

func (p *parserCode) stmt(s ir.Stmt) {
	p.pos = s.Pos()
	switch s := s.(type) {
	case *ir.If:
		then, els, join := p.fresh(p.base+"_true"), p.fresh(p.base+"_false"), p.fresh(p.base+"_join")
		p.branch(s.Cond, then, els)
		p.cur = then
		p.stmts(s.Then)
		p.goTo(join)
		p.cur = els
		p.stmts(s.Else)
		p.goTo(join)
		p.cur = join
	case *ir.Switch:
		join := p.fresh(p.base + "_join")
		for _, cs := range s.Cases {
			then, els := p.fresh(p.base+"_case"), p.fresh(p.base+"_next")
			p.branch(caseCond(s, cs), then, els)
			p.cur = then
			p.stmts(cs.Body)
			p.goTo(join)
			p.cur = els
		}
		p.stmts(s.Default)
		p.goTo(join)
		p.cur = join
	case *ir.Labelled:
		end := p.fresh(p.base + "_end")
		p.ends[s.Label] = end
		p.stmts(s.Body)
		p.goTo(end)
		p.cur = end
	case *ir.Loop:
		head, end := p.fresh(p.base+"_loop"), p.fresh(p.base+"_end")
		p.heads[s.Label], p.ends[s.Label] = head, end
		p.goTo(head)
		p.cur = head
		p.stmts(s.Body)
		p.goTo(head)
		p.cur = end
	case *ir.Leave:
		p.goTo(p.ends[s.Label])
	case *ir.Continue:
		p.goTo(p.heads[s.Label])
	case *ir.Extract:
		p.extract(s)
	case *ir.Advance:
		p.op("advance", outer(p.x.data(s.Bits)))
	case *ir.Lookahead:
		p.lookahead(s.Dst, 0)
	case *ir.Assign:
		if last, is := s.R.(*ir.StackOp); is && last.Op == ir.StackLast {
			p.copyLast(s, last)
			return
		}
		p.primitives(s)
	case *ir.Verify:
		p.op("verify", p.x.truth(s.Cond), p.x.data(s.Err))
	case *ir.PacketLength:
		p.length(s)
	default:
		p.primitives(s)
	}
}

// length is the length of the packet, which standard_metadata has from the start.
func (p *parserCode) length(s *ir.PacketLength) {
	c := p.x.newCode()
	c.pos = s.P
	c.scalar(s.Dst, wrap(obj{{"type", "field"}, {"value", arr{metadataName, "packet_length"}}}, s.Dst.Type()))
	for _, o := range c.prims {
		p.op("set", o.(obj)[1].v.(arr)...)
	}
}

// branch ends the state: cond leads to one of two others.
func (p *parserCode) branch(cond ir.Expr, then, els *pstate) {
	tmp := p.x.temp(&ir.Bit{W: 1}, p.pos)
	p.op("set", fieldRef(p.x.find(tmp)), outer(op("b2d", nil, p.x.truth(cond))))
	p.cur.keys = arr{fieldRef(p.x.find(tmp))}
	p.cur.cases = arr{
		obj{{"type", "hexstr"}, {"value", "0x01"}, {"mask", nil}, {"next_state", then.name}},
		fallback(els.name),
	}
	p.cur = nil
}

func (p *parserCode) extract(s *ir.Extract) {
	if s.X == nil {
		p.op("advance", number(s.SkipBits))
		return
	}
	var what obj
	switch e := s.X.(type) {
	case *ir.StackOp:
		if st := p.x.find(e.X); e.Op == ir.StackNext && st != nil {
			what = obj{{"type", "stack"}, {"value", st.header}}
		}
	case *ir.Member:
		if so, is := e.X.(*ir.StackOp); is && so.Op == ir.StackNext {
			if st := p.x.find(so.X); st != nil {
				what = obj{{"type", "union_stack"}, {"value", arr{st.header, e.Field}}}
			}
		}
	}
	if what == nil {
		h := p.x.find(s.X)
		if h == nil || h.kind != headerPlace {
			p.x.fail(s.P, "extract", "bmv2 JSON extracts into headers that are known and into the next of a stack")
		}
		what = obj{{"type", "regular"}, {"value", h.header}}
	}
	if s.VarBits != nil {
		v := outer(p.x.data(s.VarBits))
		if v[0].v != "expression" {
			v = obj{{"type", "expression"}, {"value", v}}
		}
		p.op("extract_VL", what, v)
		return
	}
	p.op("extract", what)
}

// copyLast copies the last header of a stack, which is valid, field by field:
// bmv2's parsers name no whole one.
func (p *parserCode) copyLast(s *ir.Assign, last *ir.StackOp) {
	t, is := last.T.(*ir.Header)
	if !is {
		p.primitives(s)
		return
	}
	c := p.x.newCode()
	c.emit("add_header", outer(p.x.composite(s.L)))
	p.op("primitive", c.prims[0])
	for _, f := range t.Fields {
		p.primitives(&ir.Assign{SMeta: s.SMeta, L: member(s.L, f), R: member(last, f)})
	}
}

// lookahead reads into dst what lies at bits from the parser's place.
func (p *parserCode) lookahead(dst ir.Expr, at int) int {
	switch t := dst.Type().(type) {
	case *ir.Header:
		c := p.x.newCode()
		c.emit("add_header", outer(p.x.composite(dst)))
		p.op("primitive", c.prims[0])
		return p.lookaheadFields(dst, t, at)
	case *ir.Struct:
		return p.lookaheadFields(dst, t, at)
	case *ir.Stack:
		for i := range t.Size {
			i32 := &ir.Bit{W: 32}
			at = p.lookahead(&ir.Index{Meta: ir.Meta{T: t.Elem, P: dst.Pos()}, X: dst, I: constant(i32, int64(i), dst.Pos())}, at)
		}
		return at
	case *ir.Union, *ir.Varbit:
		p.x.fail(dst.Pos(), "lookahead", "bmv2 JSON has it for numbers, not for "+t.String())
	}
	w := ir.Width(dst.Type())
	if w == 0 {
		return at
	}
	v := obj{{"type", "lookahead"}, {"value", arr{at, w}}}
	c := p.x.newCode()
	ref, back := c.direct(dst)
	p.op("set", ref, v)
	back()
	for _, o := range c.prims {
		o := o.(obj)
		p.op("set", o[1].v.(arr)...)
	}
	return at + w
}

func (p *parserCode) lookaheadFields(dst ir.Expr, t ir.Type, at int) int {
	for _, f := range ir.Fields(t) {
		at = p.lookahead(member(dst, f), at)
	}
	return at
}

// transition ends the state as the program says.
func (p *parserCode) transition(t *ir.Transition) {
	if len(t.Keys) == 0 {
		p.cur.cases = arr{fallback(p.next(t.Default))}
		p.cur = nil
		return
	}
	widths := make([]int, len(t.Keys))
	var keys arr
	for i, k := range t.Keys {
		widths[i] = ir.Width(k.Type())
		keys = append(keys, p.key(k))
	}
	for _, cs := range t.Cases {
		p.selectCase(cs, t.Keys, widths)
	}
	p.cur.keys = keys
	if t.Default != "" {
		p.cur.cases = append(p.cur.cases, fallback(p.next(t.Default)))
	}
	p.cur = nil
}

// next is the name of a state; the end of the parser is null. reject ends the
// parser like accept: what v1model does with an error, it does after both.
func (p *parserCode) next(name string) any {
	if s := p.named[name]; s != nil {
		return s.name
	}
	return nil
}

// key is an element of a transition key, a temporary where e is no field.
func (p *parserCode) key(e ir.Expr) obj {
	if ir.Width(e.Type()) > 0 {
		if pl := p.x.find(e); pl != nil && pl.kind == scalarPlace {
			return fieldRef(pl)
		}
		if v, is := p.x.scalarRef(e); is && v[0].v == "stack_field" {
			return v
		}
	}
	tmp := p.x.temp(e.Type(), e.Pos())
	p.op("set", fieldRef(p.x.find(tmp)), outer(p.x.data(e)))
	return fieldRef(p.x.find(tmp))
}

// masked is a value with the bits that count.
type masked struct{ v, m *big.Int }

func (p *parserCode) selectCase(cs ir.SelectCase, keys []ir.Expr, widths []int) {
	if p.valueSet(cs, keys) {
		return
	}
	alts := [][]masked{{}}
	for i, s := range cs.Sets {
		own := p.alternatives(s, keys[i].Type(), cs.Pos)
		if len(alts)*len(own) > maxTransitions {
			p.x.fail(cs.Pos, "select", fmt.Sprintf("its ranges become more than %d transitions", maxTransitions))
		}
		var product [][]masked
		for _, a := range alts {
			for _, o := range own {
				product = append(product, append(a[:len(a):len(a)], o))
			}
		}
		alts = product
	}
	for _, a := range alts {
		value, mask, full := "", "", true
		for i, f := range a {
			n := 2 * max(1, ir.ByteWidth(widths[i]))
			value += fmt.Sprintf("%0*s", n, f.v.Text(16))
			mask += fmt.Sprintf("%0*s", n, f.m.Text(16))
			full = full && f.m.Cmp(ones(widths[i])) == 0
		}
		var m any
		if !full {
			m = "0x" + mask
		}
		p.cur.cases = append(p.cur.cases, obj{{"type", "hexstr"}, {"value", "0x" + value}, {"mask", m}, {"next_state", p.next(cs.Next)}})
	}
}

// valueSet makes the transition of a case that is one value set.
func (p *parserCode) valueSet(cs ir.SelectCase, keys []ir.Expr) bool {
	some, all := false, true
	for i, s := range cs.Sets {
		is := s.Kind == ir.SetValueSet
		some = some || is
		all = all && is && s.VS == cs.Sets[0].VS && s.Index == i
	}
	if !some {
		return false
	}
	if !all {
		p.x.fail(cs.Pos, "select", "in bmv2 JSON a case is one value set for all keys, or none")
	}
	vs := cs.Sets[0].VS
	bits := 0
	for _, k := range keys {
		bits += ir.Width(k.Type())
	}
	p.x.vsetBits[vs] = bits
	p.cur.cases = append(p.cur.cases, obj{{"type", "parse_vset"}, {"value", vs.Name}, {"mask", nil}, {"next_state", p.next(cs.Next)}})
	return true
}

// alternatives are the masked values that together are the set.
func (p *parserCode) alternatives(s ir.Set, t ir.Type, pos ir.Pos) []masked {
	w := ir.Width(t)
	cut := func(v *big.Int) *big.Int { return new(big.Int).And(v, ones(w)) }
	switch s.Kind {
	case ir.SetAny:
		return []masked{{new(big.Int), new(big.Int)}}
	case ir.SetValue:
		return []masked{{cut(s.Lo), ones(w)}}
	case ir.SetMask:
		m := cut(s.Hi)
		return []masked{{new(big.Int).And(cut(s.Lo), m), m}}
	case ir.SetRange:
		if s.Lo.Sign() < 0 && s.Hi.Sign() >= 0 {
			minus := ranges(cut(s.Lo), ones(w), w)
			return append(minus, ranges(new(big.Int), s.Hi, w)...)
		}
		return ranges(cut(s.Lo), cut(s.Hi), w)
	}
	p.x.fail(pos, "select", "an unknown kind of set")
	return nil
}

// ranges covers lo..hi by aligned blocks, at most 2w-2 of them.
func ranges(lo, hi *big.Int, w int) []masked {
	var out []masked
	lo = new(big.Int).Set(lo)
	one := big.NewInt(1)
	for lo.Cmp(hi) <= 0 {
		n := w
		if lo.Sign() != 0 {
			n = min(w, int(lo.TrailingZeroBits()))
		}
		for n > 0 && new(big.Int).Add(lo, ones(n)).Cmp(hi) > 0 {
			n--
		}
		out = append(out, masked{new(big.Int).Set(lo), new(big.Int).AndNot(ones(w), ones(n))})
		lo.Add(lo, new(big.Int).Lsh(one, uint(n)))
	}
	return out
}
