package p4gen

import (
	"fmt"
	"strings"
)

// control is the control whose body is made.
type control struct {
	std       string // the parameter for standard_metadata, "" without
	tables    []*table
	actions   []*callable
	registers []object
	counters  []object
	meters    []object
	subs      []*callable
	direct    map[string]bool // applied by their type
}

// program writes the whole program.
func (g *gen) program() {
	g.line("#include <core.p4>")
	g.line("#include <v1model.p4>")
	g.cite("L1")
	g.preproc()
	g.declareTypes()
	g.declareBlocks()
	g.declareFunctions()
	g.subParsers()
	g.mainParser("MyParser")
	g.subs = nil
	g.subControls()
	g.checksumBlock("MyVerify", true)
	g.pipeControl("MyIngress", true)
	g.pipeControl("MyEgress", false)
	g.checksumBlock("MyCompute", false)
	g.deparser("MyDeparser")
	g.cite("L40", "L149")
	g.line("V1Switch(MyParser(), MyVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;")
}

// preproc writes what the preprocessor takes away.
func (g *gen) preproc() {
	if !g.on[fPreproc] {
		return
	}
	g.line("#define LIMIT %d", 1+g.r.IntN(9))
	g.line("#define TWICE(x) ((x) + (x))")
	g.line("#if LIMIT > 4 && defined(TWICE)")
	g.line("const int NP = TWICE(LIMIT);")
	g.line("#elif LIMIT > 2")
	g.line("const int NP = LIMIT + 1;")
	g.line("#else")
	g.line("#ifndef NEVER")
	g.line("const int NP = 3;")
	g.line("#endif")
	g.line("#endif")
	g.line("#undef LIMIT")
	g.line("const bool NPFits = static_assert(NP > 0, \"NP\");")
	g.cite("L2", "L3", "L4", "L151")
}

// subControls declares controls that ingress and egress apply.
func (g *gen) subControls() {
	if !g.on[fSubControl] {
		return
	}
	for range 1 + g.r.IntN(2) {
		c := &callable{name: g.name("Ctl")}
		if g.chance(70) {
			c.params = append(c.params, param{name: "hdr", t: g.hdr, dir: "inout"})
		}
		if g.chance(50) {
			c.params = append(c.params, param{name: "meta", t: g.meta, dir: "inout"})
		}
		for _, p := range g.directed(g.r.IntN(4)) {
			p.def = ""
			c.params = append(c.params, p)
		}
		ctor := ""
		var ctorType *typ
		if g.chance(40) {
			ctorType = g.number()
			ctor = fmt.Sprintf("(%s ctor)", g.spell(ctorType))
			g.cite("L157")
		}
		save := g.scope
		g.scope = append([]place(nil), g.consts...)
		g.open("control %s(%s)%s {", c.name, g.paramList(c.params), ctor)
		g.addParams(c.params)
		if ctorType != nil {
			g.scope = append(g.scope, place{path: "ctor", t: ctorType, konst: true})
		}
		g.cite("L41", "L144")
		g.ctrl = &control{}
		g.controlBody(g.r.IntN(2), 3+g.r.IntN(6), nil)
		g.shut("}")
		g.scope = save
		c.decl = c.name + "("
		if ctorType != nil {
			c.decl += g.literal(ctorType)
		}
		c.decl += ")"
		g.subs = append(g.subs, c)
	}
	g.ctrl = nil
}

// controlBody writes declarations and apply of a control.
func (g *gen) controlBody(tables, budget int, first func()) {
	g.objects()
	for range g.r.IntN(3) {
		t := g.localType()
		x := g.name("x")
		if g.chance(30) {
			g.line("%s %s;", g.spell(t), x)
			g.cite("L83")
		} else {
			g.line("%s %s = %s;", g.spell(t), x, g.exprText(t, 2))
		}
		g.add(x, t, true)
		g.cite("L98")
	}
	for range tables*2 + g.r.IntN(2) {
		g.action()
	}
	for range tables {
		g.tableDecl()
	}
	g.open("apply {")
	g.body = &body{kind: inApply, budget: budget}
	if first != nil {
		first()
	}
	mark := g.enter()
	for g.body.budget > 0 {
		g.body.budget--
		g.statement(3)
	}
	for _, t := range g.ctrl.tables { // every table has a place
		if !t.applied {
			t.applied = true
			g.line("%s.apply();", t.name)
		}
	}
	g.leave(mark)
	g.shut("}")
}

// pipeControl writes ingress or egress.
func (g *gen) pipeControl(name string, ingress bool) {
	g.scope = append([]place(nil), g.consts...)
	g.open("control %s(inout %s hdr, inout %s meta, inout standard_metadata_t sm) {", name, g.hdr.name, g.meta.name)
	g.add("hdr", g.hdr, true)
	g.add("meta", g.meta, true)
	g.egress = !ingress
	g.addStd("sm")
	g.ctrl = &control{std: "sm", direct: map[string]bool{}}
	for _, s := range g.subs {
		n := g.r.IntN(3)
		for range n {
			inst := *s
			inst.name = g.name("inst")
			g.line("%s %s;", s.decl, inst.name)
			g.ctrl.subs = append(g.ctrl.subs, &inst)
			g.cite("L99", "L176")
		}
	}
	if ingress {
		g.controlBody(1+g.r.IntN(3), 10+g.r.IntN(14), func() { g.line("sm.egress_spec = %d;", g.r.IntN(8)) })
	} else {
		g.controlBody(g.r.IntN(3), 5+g.r.IntN(8), nil)
	}
	g.ctrl = nil
	g.shut("}")
}

// applySub applies a sub-control.
func (g *gen) applySub() bool {
	if g.body.loops > 0 || g.ctrl == nil {
		return false
	}
	// An instance is applied once: its tables have one place each.
	for i, s := range g.ctrl.subs {
		a, ok := g.args(s.params, 2)
		if !ok {
			continue
		}
		g.ctrl.subs = append(g.ctrl.subs[:i:i], g.ctrl.subs[i+1:]...)
		g.cite("L144", "L102", "L145")
		g.line("%s.apply(%s);", s.name, a)
		return true
	}
	for _, s := range g.subs {
		if g.ctrl.std == "" || g.ctrl.direct[s.name] || !strings.HasSuffix(s.decl, "()") || !g.chance(10) {
			continue
		}
		if a, ok := g.args(s.params, 2); ok {
			g.cite("L100", "L144")
			g.ctrl.direct[s.name] = true
			g.line("%s.apply(%s);", s.name, a)
			return true
		}
	}
	return false
}

func (g *gen) checksumBlock(name string, verify bool) {
	g.scope = append([]place(nil), g.consts...)
	g.open("control %s(inout %s hdr, inout %s meta) {", name, g.hdr.name, g.meta.name)
	g.add("hdr", g.hdr, true)
	g.add("meta", g.meta, true)
	g.open("apply {")
	g.checksums(verify)
	g.shut("}")
	g.shut("}")
}

func (g *gen) deparser(name string) {
	g.scope = append([]place(nil), g.consts...)
	g.open("control %s(packet_out pkt, in %s hdr) {", name, g.hdr.name)
	g.add("hdr", g.hdr, false)
	g.open("apply {")
	if g.chance(25) {
		g.line("pkt.emit(hdr);")
	} else {
		order := make([]string, 0, len(g.hdr.fields))
		for _, f := range g.hdr.fields {
			order = append(order, f.name)
		}
		if g.chance(25) {
			g.r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for _, f := range order {
			switch g.r.IntN(30) {
			case 0:
				g.line("if (%s) { pkt.emit(hdr.%s); }", g.exprText(&typ{kind: kBool}, 1), f)
			case 1:
				g.line("pkt.emit(hdr.%s);", f)
				g.line("pkt.emit(hdr.%s);", f)
			default:
				g.line("pkt.emit(hdr.%s);", f)
			}
		}
	}
	g.shut("}")
	g.shut("}")
}
