package bmv2

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// valueSets declares parser value sets. Their fields are known when a transition
// uses them.
func (im *importer) valueSets() {
	for _, n := range im.root.get("parse_vsets").list() {
		im.pos = ir.Pos{}
		im.position(n)
		v := &ir.ValueSet{Name: n.get("name").str(), Pos: im.pos}
		if im.vsets[v.Name] != nil {
			n.fail("value set "+v.Name, "it is declared twice")
		}
		v.Size = defaultSize
		if s := n.get("max_size"); !s.null() {
			v.Size = s.integer(0, 1<<20)
		}
		for _, s := range im.info.GetValueSets() {
			if s.GetPreamble().GetName() == v.Name && s.GetSize() > 0 {
				v.Size = int(s.GetSize())
			}
		}
		v.Type = &ir.Bit{W: n.get("compressed_bitwidth").integer(1, maxBits)}
		im.vsets[v.Name] = v
		im.p.ValueSets = append(im.p.ValueSets, v)
	}
}

func (im *importer) parser(b *ir.Block, n node) {
	states := n.get("parse_states").list()
	init := n.get("init_state").str()
	names := map[string]bool{}
	start := -1
	for i, s := range states {
		name := s.get("name").str()
		if names[name] || name == "accept" || name == "reject" {
			s.fail("parse state "+name, "the name is used twice or predefined")
		}
		names[name] = true
		if name == init {
			start = i
		}
	}
	if start < 0 {
		n.get("init_state").fail("parse state "+init, "there is none")
	}
	// The first state of a parser is where it starts.
	states[0], states[start] = states[start], states[0]
	for _, s := range states {
		im.pos = b.Pos
		im.position(s)
		st := &ir.State{Name: s.get("name").str(), Pos: im.pos}
		for _, op := range s.get("parser_ops").list() {
			im.position(op)
			st.Body = append(st.Body, im.parserOp(op)...)
		}
		im.pos = st.Pos
		st.Trans = im.transition(s, st, names)
		b.States = append(b.States, st)
	}
}

func (im *importer) parserOp(n node) []ir.Stmt {
	args := n.get("parameters").list()
	name := n.get("op").str()
	need := func(k int) {
		if len(args) != k {
			n.fail("parser operation "+name, "%d parameters, not %d", len(args), k)
		}
	}
	switch name {
	case "extract":
		need(1)
		return []ir.Stmt{&ir.Extract{SMeta: im.smeta(), X: im.extracted(args[0])}}
	case "extract_VL":
		need(2)
		size := im.number(args[1])
		if !size.natural() {
			args[1].fail("extract_VL", "the size can be negative or has no bound")
		}
		x := im.extracted(args[0])
		return []ir.Stmt{&ir.Extract{SMeta: im.smeta(), X: x, VarBits: im.exactCut(im.value(size), &ir.Bit{W: 32})}}
	case "set":
		need(2)
		if args[1].get("type").str() == "lookahead" {
			v, peek := im.lookahead(args[1].get("value"))
			return append(peek, im.store(im.lvalue(args[0]), im.leaf(args[1], v)))
		}
		return im.assign(args[0], im.number(args[1]))
	case "verify":
		need(2)
		cond := im.condition(args[0])
		var code *jx
		if args[1].v != nil && args[1].kind() == "a number" {
			code = im.constant(args[1], big64(int64(args[1].integer(0, maxErrors))))
		} else {
			code = im.number(args[1])
		}
		if code.op != opConst || code.v.Sign() < 0 || code.v.Cmp(big64(maxErrors)) > 0 {
			args[1].fail("verify", "the error is no constant")
		}
		for code.v.Cmp(big64(int64(len(im.p.Errors)))) >= 0 { // p4c does not declare errors on PSA
			if im.t.arch == "v1model" {
				args[1].fail("verify", "the error is not declared")
			}
			im.p.Errors = append(im.p.Errors, fmt.Sprintf("unused_%d", len(im.p.Errors)))
		}
		e := &ir.Const{Meta: im.meta(&ir.ErrorType{}), Val: code.v}
		return []ir.Stmt{&ir.Verify{SMeta: im.smeta(), Cond: cond, Err: e}}
	case "shift":
		need(1)
		bytes := args[0].integer(0, 1<<16)
		return []ir.Stmt{&ir.Advance{SMeta: im.smeta(), Bits: im.num(big64(int64(8*bytes)), 32)}}
	case "advance":
		need(1)
		return []ir.Stmt{&ir.Advance{SMeta: im.smeta(), Bits: im.index(args[0])}}
	case "primitive":
		need(1)
		return im.primitive(args[0])
	}
	n.fail("parser operation "+name, "it is not imported")
	return nil
}

// extracted is the header that an extract fills.
func (im *importer) extracted(n node) ir.Expr {
	next := func(st ir.Expr) ir.Expr {
		return &ir.StackOp{Meta: im.meta(st.Type().(*ir.Stack).Elem), X: st, Op: ir.StackNext}
	}
	v := n.get("value")
	switch t := n.get("type").str(); t {
	case "regular":
		h := im.header(v, v.str())
		if _, is := h.Type().(*ir.Header); !is {
			v.fail("extract", "%s is metadata, no header", v.str())
		}
		return h
	case "stack":
		return next(im.stack(v, v.str()))
	case "union_stack":
		p := v.tuple(2)
		return im.memberOf(p[1], next(im.stack(p[0], p[0].str())), p[1].str())
	default:
		n.fail("extract", "unknown type %q", t)
	}
	return nil
}

// lookahead reads [offset, width] into a temporary; the value is its low bits.
func (im *importer) lookahead(n node) (ir.Expr, []ir.Stmt) {
	t := n.tuple(2)
	off, w := t[0].integer(0, maxBits/2), t[1].integer(1, maxBits/2)
	v := im.temp(&ir.Bit{W: off + w})
	peek := &ir.Lookahead{SMeta: im.smeta(), Dst: im.ref(v)}
	var e ir.Expr = im.ref(v)
	if off > 0 {
		e = &ir.Slice{Meta: im.meta(&ir.Bit{W: w}), X: e, Hi: w - 1, Lo: 0}
	}
	return e, []ir.Stmt{peek}
}

// transition reads the key and the transitions of a state. The end of the parser
// is null.
func (im *importer) transition(n node, st *ir.State, names map[string]bool) ir.Transition {
	t := ir.Transition{Pos: im.pos}
	var widths []int
	total := 0
	for _, k := range n.get("transition_key").list() {
		var e ir.Expr
		if k.get("type").str() == "lookahead" {
			v, peek := im.lookahead(k.get("value"))
			st.Body = append(st.Body, peek...)
			e = v
		} else {
			e = im.asBits(im.number(k))
		}
		if signed(e.Type()) { // cases are bits
			e = im.bits(e, ir.Width(e.Type()))
		}
		t.Keys = append(t.Keys, e)
		w := ir.Width(e.Type())
		widths = append(widths, w)
		total += ir.ByteWidth(w)
	}
	next := func(n node) string {
		if n.null() {
			return "accept"
		}
		if !names[n.str()] {
			n.fail("parse state "+n.str(), "there is none")
		}
		return n.str()
	}
	for _, tr := range n.get("transitions").list() {
		kind := "hexstr"
		if v := tr.get("type"); !v.null() {
			kind = v.str()
		}
		if v, is := tr.get("value").v.(string); is && v == "default" {
			kind = "default"
		}
		switch kind {
		case "default":
			t.Default = next(tr.get("next_state"))
		case "hexstr":
			if len(t.Keys) == 0 {
				tr.fail("transition", "a value without a key")
			}
			value, mask := tr.get("value").hex(), (*big.Int)(nil)
			if m := tr.get("mask"); !m.null() {
				mask = m.hex()
			}
			if value.Sign() < 0 || value.BitLen() > 8*total || mask != nil && (mask.Sign() < 0 || mask.BitLen() > 8*total) {
				tr.fail("transition", "its value or mask has more than the %d bytes of the key", total)
			}
			t.Cases = append(t.Cases, ir.SelectCase{Sets: keySets(widths, value, mask), Next: next(tr.get("next_state")), Pos: im.pos})
		case "parse_vset":
			t.Cases = append(t.Cases, im.valueSetCase(tr, t.Keys, next(tr.get("next_state"))))
		default:
			tr.fail("transition", "unknown type %q", kind)
		}
	}
	if len(t.Keys) == 0 && t.Default == "" {
		t.Default = "accept"
	}
	return t
}

// keySets splits a value and mask, in which every key is padded to whole bytes
// (lang:J4).
func keySets(widths []int, value, mask *big.Int) []ir.Set {
	sets := make([]ir.Set, len(widths))
	shift := uint(0)
	for i := len(widths) - 1; i >= 0; i-- {
		w := widths[i]
		cut := func(v *big.Int) *big.Int {
			return new(big.Int).And(new(big.Int).Rsh(v, shift), ones(w))
		}
		v, m := cut(value), ones(w)
		if mask != nil {
			m = cut(mask)
		}
		switch {
		case m.Sign() == 0:
			sets[i] = ir.Set{Kind: ir.SetAny}
		case m.Cmp(ones(w)) == 0:
			sets[i] = ir.Set{Kind: ir.SetValue, Lo: v}
		default:
			sets[i] = ir.Set{Kind: ir.SetMask, Lo: v.And(v, m), Hi: m}
		}
		shift += uint(8 * ir.ByteWidth(w))
	}
	return sets
}

// valueSetCase matches all keys against one value set.
func (im *importer) valueSetCase(n node, keys []ir.Expr, next string) ir.SelectCase {
	vs := im.vsets[n.get("value").str()]
	if vs == nil {
		n.get("value").fail("value set "+n.get("value").str(), "there is none")
	}
	if m := n.get("mask"); !m.null() {
		m.fail("value set "+vs.Name, "a mask on a value set is not imported")
	}
	tuple := &ir.Tuple{}
	bits := 0
	for _, k := range keys {
		tuple.Elems = append(tuple.Elems, k.Type())
		bits += ir.Width(k.Type())
	}
	if one, is := vs.Type.(*ir.Bit); is {
		if one.W != bits {
			n.fail("value set "+vs.Name, "it has %d bits, the key %d", one.W, bits)
		}
		if len(keys) > 1 {
			vs.Type = tuple
		}
	} else if !ir.Identical(vs.Type, tuple) {
		n.fail("value set "+vs.Name, "it is matched with keys of different types")
	}
	c := ir.SelectCase{Next: next, Pos: im.pos}
	for i := range keys {
		c.Sets = append(c.Sets, ir.Set{Kind: ir.SetValueSet, VS: vs, Index: i})
	}
	return c
}
