package p4gen

import (
	"fmt"
	"strings"
)

// parserGen is the parser that is made.
type parserGen struct {
	subs  []*callable
	vsets []vset
}

type vset struct {
	name string
	t    *typ
}

// subParsers declares parsers that the main one applies.
func (g *gen) subParsers() {
	if !g.on[fSubParser] {
		return
	}
	for range 1 + g.r.IntN(2) {
		h := pick(g, g.headers)
		c := &callable{name: g.name("Sub"), params: []param{{name: "hh", t: h, dir: "out"}}}
		if g.chance(60) {
			c.params = append(c.params, param{name: "mm", t: g.meta, dir: "inout"})
		}
		for _, p := range g.directed(g.r.IntN(3)) {
			if !p.t.hasVarbit() {
				p.def = ""
				c.params = append(c.params, p)
			}
		}
		ctor := ""
		var ctorType *typ
		if g.chance(50) {
			ctorType = bits(g.width())
			ctor = fmt.Sprintf("(%s ctor)", g.spell(ctorType))
			g.cite("L157")
		}
		save := g.scope
		g.scope = append([]place(nil), g.consts...)
		g.open("parser %s(packet_in pkt, %s)%s {", c.name, g.paramList(c.params), ctor)
		g.addParams(c.params)
		if ctorType != nil {
			g.scope = append(g.scope, place{path: "ctor", t: ctorType, konst: true})
		}
		g.cite("L41", "L119")
		g.states(1+g.r.IntN(2), func(int) []string { return []string{"hh"} })
		g.shut("}")
		g.scope = save
		c.decl = c.name
		if ctorType != nil {
			c.decl += "(" + g.literal(ctorType) + ")"
		} else {
			c.decl += "()"
		}
		g.subs = append(g.subs, c)
	}
}

// mainParser writes the parser of the pipeline.
func (g *gen) mainParser(name string) {
	g.scope = append([]place(nil), g.consts...)
	g.open("parser %s(packet_in pkt, out %s hdr, inout %s meta, inout standard_metadata_t sm) {", name, g.hdr.name, g.meta.name)
	g.add("hdr", g.hdr, true)
	g.add("meta", g.meta, true)
	g.addStd("sm")
	g.parser = &parserGen{}
	for _, s := range g.subs {
		if g.chance(80) {
			inst := *s
			inst.name = g.name("sub")
			g.line("%s %s;", s.decl, inst.name)
			g.parser.subs = append(g.parser.subs, &inst)
			g.cite("L99", "L119")
		}
	}
	if g.on[fValueSet] {
		v := vset{g.name("vs"), bits(1 + g.r.IntN(16))}
		g.line("value_set<%s>(%d) %s;", g.spell(v.t), 1+g.r.IntN(6), v.name)
		g.parser.vsets = append(g.parser.vsets, v)
		g.cite("L182")
	}
	for range g.r.IntN(2) {
		t := g.localType()
		x := g.name("x")
		g.line("%s %s = %s;", g.spell(t), x, g.exprText(t, 2))
		g.add(x, t, true)
		g.cite("L122")
	}
	// Each state takes one or two of the headers; most are taken in order.
	var order []string
	for _, f := range g.hdr.fields {
		order = append(order, "hdr."+f.name)
	}
	per := 1 + g.r.IntN(2)
	n := (len(order) + per - 1) / per
	g.states(n, func(i int) []string { return order[min(i*per, len(order)):min((i+1)*per, len(order))] })
	g.parser = nil
	g.shut("}")
}

// states writes states that extract what take says of each.
func (g *gen) states(n int, take func(i int) []string) {
	names := []string{"start"}
	for range n - 1 {
		names = append(names, g.name("st"))
	}
	g.cite("L105")
	for i, s := range names {
		g.state(s, names[i+1:], take(i))
	}
}

// state writes one state; later are those it can lead to.
func (g *gen) state(name string, later []string, take []string) {
	if g.has(fAnnotation, 10) {
		g.line("%s", g.annotation())
	}
	g.open("state %s {", name)
	mark := g.enter()
	g.body = &body{kind: inState, budget: g.r.IntN(3)}
	loop := ""
	var got []string // headers that were extracted here
	for _, path := range take {
		if h, again := g.extract(path); h != "" {
			got = append(got, h)
			if again {
				loop = name
			}
		}
	}
	if g.parser != nil && len(g.parser.subs) > 0 && g.chance(40) {
		s := pick(g, g.parser.subs)
		g.applying = true
		a, ok := g.args(s.params, 0)
		g.applying = false
		if ok {
			g.cite("L119", "L102")
			g.line("%s.apply(pkt, %s);", s.name, a)
		}
	}
	if g.has(fAdvance, 30) {
		g.cite("L117")
		if g.chance(70) {
			g.line("pkt.advance(%d);", 8*g.r.IntN(4))
		} else if p, ok := g.find(func(p place) bool { return p.t.kind == kBit && p.t.w >= 2 && p.t.w <= 16 && !p.konst }); ok {
			g.line("pkt.advance((bit<32>)%s << 3);", g.sliceOf(g.text(p), p.t.w, 2, false))
		}
	}
	if g.has(fLookahead, 25) {
		t := pick(g, []*typ{bits(8), bits(16), bits(1 + g.r.IntN(24)), g.number()})
		if len(g.headers) > 0 && g.chance(15) {
			if h := pick(g, g.headers); !h.hasVarbit() {
				t = h
			}
		}
		x := g.name("x")
		g.cite("L116", "L122")
		g.line("%s %s = pkt.lookahead<%s>();", g.spell(t), x, g.spell(t))
		g.add(x, t, true)
	}
	if g.has(fPacketLength, 25) {
		g.cite("L118")
		x := g.name("x")
		g.line("bit<32> %s = pkt.length();", x)
		g.add(x, bits(32), true)
	}
	for g.body.budget > 0 {
		g.body.budget--
		g.statement(1)
	}
	if g.has(fVerify, 35) {
		g.cite("L111")
		g.line("verify(!(%s), error.%s);", g.rare(), pick(g, g.errs[1:]))
	}
	g.transition(loop, later, got)
	g.leave(mark)
	g.shut("}")
}

// extract reads the header, stack or union at path; it gives the header to
// select on and whether the state may come again.
func (g *gen) extract(path string) (header string, again bool) {
	p, ok := g.find(func(p place) bool { return p.path == path })
	if !ok {
		return "", false
	}
	t := p.t
	again = t.kind == kStack
	if t.kind == kStack {
		g.cite("L114", "L74")
		path, header, t = path+".next", path+".last", t.base
	} else {
		header = path
	}
	if t.kind == kUnion {
		f := pick(g, t.fields)
		path, header, t = path+"."+f.name, header+"."+f.name, f.t
	}
	switch {
	case t.hasVarbit():
		g.cite("L113")
		g.line("pkt.extract(%s, %s);", path, g.varbitSize(t))
	case g.has(fAdvance, 6):
		g.cite("L115")
		g.line("pkt.extract<%s>(_);", t.name)
		return "", false
	default:
		g.cite("L112")
		g.line("pkt.extract(%s);", path)
	}
	return header, again
}

// varbitSize is how many bits of varbit to extract: mostly what fits.
func (g *gen) varbitSize(t *typ) string {
	if g.chance(50) {
		return fmt.Sprint(8 * g.r.IntN(6))
	}
	p, ok := g.find(func(p place) bool { return p.t.kind == kBit && p.t.w >= 3 && p.t.w <= 32 && !p.konst })
	if !ok {
		return "16"
	}
	return fmt.Sprintf("(bit<32>)%s << 3", g.sliceOf(g.text(p), p.t.w, 3, false))
}

// transition ends a state.
func (g *gen) transition(loop string, later, got []string) {
	target := func() string {
		switch {
		case g.has(fReject, 6):
			return "reject"
		case len(later) > 0 && g.chance(85):
			if g.chance(70) {
				return later[0]
			}
			return pick(g, later)
		}
		return "accept"
	}
	if loop != "" && !g.on[fParserLoop] {
		loop = ""
	}
	if loop == "" && g.chance(25) {
		if g.chance(10) && len(later) == 0 {
			g.cite("L105")
			return // no transition: the packet is rejected
		}
		g.line("transition %s;", target())
		return
	}
	var keys []string
	var ts []*typ
	for range []int{1, 1, 1, 2, 3}[g.r.IntN(5)] {
		k, t := g.selectKey(got)
		keys, ts = append(keys, k), append(ts, t)
	}
	if len(keys) > 1 {
		g.cite("L106")
	}
	g.open("transition select(%s) {", strings.Join(keys, ", "))
	if loop != "" {
		g.cite("L120")
		sets := g.caseSets(ts)
		for sets == "_" { // a loop that nothing ends
			sets = g.caseSets(ts)
		}
		g.line("%s: %s;", sets, loop)
	}
	for range g.r.IntN(4) {
		if g.parser != nil && len(g.parser.vsets) > 0 && len(ts) == 1 && same(ts[0], g.parser.vsets[0].t) {
			g.cite("L108")
			g.line("%s: %s;", g.parser.vsets[0].name, target())
			continue
		}
		g.line("%s: %s;", g.caseSets(ts), target())
	}
	if g.chance(85) {
		g.cite("L109")
		t := target()
		if t == "reject" && g.chance(70) {
			t = "accept"
		}
		g.line("%s: %s;", []string{"default", "default", "_"}[g.r.IntN(3)], t)
	} else {
		g.cite("L110")
	}
	g.shut("}")
}

// selectKey is a value to select by: likely one the packet has just given.
func (g *gen) selectKey(got []string) (string, *typ) {
	if g.parser != nil && len(g.parser.vsets) > 0 && g.chance(40) {
		t := g.parser.vsets[0].t
		return g.exprText(t, 1), t
	}
	if g.has(fLookahead, 20) {
		t := bits([]int{1, 4, 8, 8, 16, 12}[g.r.IntN(6)])
		g.cite("L116")
		return fmt.Sprintf("pkt.lookahead<%s>()", g.spell(t)), t
	}
	for _, h := range got {
		if strings.Contains(h, ".last") {
			break
		}
		if p, ok := g.find(func(p place) bool { return strings.HasPrefix(p.path, h+".") && p.t.scalar() }); ok {
			s := p.path
			if p.t.kind == kBit && p.t.w > 4 && g.chance(40) {
				w := 1 + g.r.IntN(4)
				return g.sliceOf(s, p.t.w, w, false), bits(w)
			}
			return s, p.t
		}
	}
	if len(got) > 0 && strings.Contains(got[0], ".last") && g.chance(80) {
		if k, t, ok := g.lastKey(got[0]); ok {
			return k, t
		}
	}
	t := bits(1 + g.r.IntN(16))
	return g.exprText(t, 2), t
}

// lastKey is a field of stack.last.
func (g *gen) lastKey(path string) (string, *typ, bool) {
	stack, rest, _ := strings.Cut(path, ".last")
	p, ok := g.find(func(p place) bool { return p.path == stack })
	if !ok {
		return "", nil, false
	}
	t := p.t.base
	if rest != "" {
		for _, f := range t.fields {
			if "."+f.name == rest {
				t = f.t
			}
		}
	}
	for _, f := range t.fields {
		if f.t.numeric() && (g.chance(50) || len(t.fields) == 1) {
			g.cite("L74")
			return path + "." + f.name, f.t, true
		}
	}
	return "", nil, false
}

// caseSets is what a select case matches.
func (g *gen) caseSets(ts []*typ) string {
	var parts []string
	for _, t := range ts {
		parts = append(parts, g.caseSet(t))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func (g *gen) caseSet(t *typ) string {
	if t.kind == kNewtype {
		return "(" + t.name + ")" + g.literal(t.base)
	}
	if !t.numeric() {
		return g.constant(t)
	}
	v := g.value(t)
	switch n := g.r.IntN(10); {
	case n < 2 && t.kind == kBit:
		g.cite("L107", "L77")
		m := g.value(t)
		return g.masked(v.And(v, m), m, t)
	case n < 4 && t.kind == kBit:
		g.cite("L107", "L78")
		hi := g.value(t)
		if v.Cmp(hi) > 0 {
			v, hi = hi, v
		}
		return fmt.Sprintf("%s .. %s", g.spellNumber(v, t, false), g.spellNumber(hi, t, false))
	case n == 4:
		g.cite("L109", "L11")
		return "_"
	}
	g.cite("L64", "L44")
	return g.spellNumber(v, t, g.chance(40))
}
