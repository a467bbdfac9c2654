package p4gen

import (
	"fmt"
	"strings"
)

// statements writes what the body's budget allows, in blocks at most depth deep.
func (g *gen) statements(depth int) {
	mark := g.enter()
	for g.body.budget > 0 {
		g.body.budget--
		g.statement(depth)
	}
	g.leave(mark)
}

// block writes { ... } of a share of the budget.
func (g *gen) block(depth int) {
	b := g.body
	n := min(b.budget, 1+g.r.IntN(3))
	rest := b.budget - n
	mark := g.enter()
	g.indent++
	for b.budget = n; b.budget > 0; {
		b.budget--
		g.statement(depth - 1)
	}
	g.indent--
	b.budget = rest
	g.leave(mark)
}

func (g *gen) statement(depth int) {
	b := g.body
	for {
		switch n := g.r.IntN(44); {
		case n < 12:
			if g.assign() {
				return
			}
		case n < 15:
			if g.has(fCompound, 100) && g.compound() {
				return
			}
		case n < 20:
			if depth > 0 {
				g.ifStatement(depth)
				return
			}
		case n < 23:
			g.variable()
			return
		case n < 26:
			if g.callStatement() {
				return
			}
		case n < 28:
			if depth > 0 && g.on[fSwitch] && b.kind != inState {
				g.switchStatement(depth)
				return
			}
		case n < 30:
			if g.on[fInvalid] && g.validity() {
				return
			}
		case n < 32:
			if depth > 0 && g.loop(depth) {
				return
			}
		case n < 33:
			if g.on[fStack] && g.pushPop() {
				return
			}
		case n < 36:
			if g.externCall() {
				return
			}
		case n < 37:
			if g.leaveEarly() {
				return
			}
		case n < 38:
			if depth > 0 && g.chance(50) {
				g.cite("L87")
				if g.has(fAnnotation, 30) {
					g.cite("L170")
					g.line("@atomic")
				}
				g.line("{")
				g.block(depth)
				g.line("}")
				return
			}
		case n < 39:
			if g.chance(15) {
				g.cite("L97")
				g.line(";")
				return
			}
		case n < 42:
			if b.kind == inApply && g.applyOne(depth) {
				return
			}
		case n < 44:
			if b.kind == inApply && g.on[fSubControl] && g.applySub() {
				return
			}
		}
	}
}

// assign writes an assignment.
func (g *gen) assign() bool {
	p, ok := g.find(func(p place) bool {
		return p.rw && p.t.kind < kVarbit && (p.t.scalar() || g.on[fAggregate] && p.path != "hdr" && p.path != "meta")
	})
	if !ok {
		return false
	}
	g.cite("L85")
	if p.std && strings.HasSuffix(p.path, ".egress_spec") {
		g.line("%s = %s;", g.text(p), g.port())
		return true
	}
	l := g.text(p)
	if p.t.kind == kBit && p.t.w > 1 && g.chance(15) {
		w := 1 + g.r.IntN(p.t.w)
		if g.has(fWidthSlice, 20) && g.on[fRuntimeIndex] {
			if q, ok := g.find(func(q place) bool { return q.t.kind == kBit && q.t.w <= 16 && !q.konst }); ok {
				g.cite("L60")
				g.line("%s[%s +: %d] = %s;", l, g.text(q), w, g.exprText(bits(w), 3))
				return true
			}
		}
		g.line("%s = %s;", g.sliceOf(l, p.t.w, w, true), g.exprText(bits(w), 3))
		return true
	}
	switch {
	case p.t.numeric() && g.chance(10):
		g.line("%s = %s;", l, g.bare(p.t))
	case p.t.kind == kStack, p.t.kind == kArray:
		q, _ := g.ofType(p.t, false)
		g.line("%s = %s;", l, g.text(q))
	default:
		g.line("%s = %s;", l, g.exprText(p.t, 4))
	}
	return true
}

// port is a value for egress_spec: rarely the one that drops.
func (g *gen) port() string {
	if g.chance(70) {
		return fmt.Sprint(g.r.IntN(8))
	}
	return "(bit<9>)" + g.at(g.expr(bits(1+g.r.IntN(8)), 3), pUnary)
}

func (g *gen) compound() bool {
	p, ok := g.find(func(p place) bool { return p.rw && p.t.numeric() && !p.std })
	if !ok {
		return false
	}
	l, t := g.text(p), p.t
	if t.kind == kBit && t.w > 1 && g.chance(20) {
		w := 1 + g.r.IntN(t.w)
		l, t = g.sliceOf(l, t.w, w, true), bits(w)
	}
	ops := []string{"+", "-", "&", "|", "^"}
	if g.on[fSat] {
		ops = append(ops, "|+|", "|-|")
	}
	if g.on[fMul] && (t.w <= 64 || g.on[fWideDiv] && t.w <= 128) {
		ops = append(ops, "*")
	}
	g.cite("L86")
	if g.has(fShift, 20) {
		g.line("%s %s= %d;", l, []string{"<<", ">>"}[g.r.IntN(2)], g.r.IntN(t.w+1))
		return true
	}
	g.line("%s %s= %s;", l, pick(g, ops), g.exprText(t, 3))
	return true
}

func (g *gen) ifStatement(depth int) {
	g.cite("L88")
	switch g.body.kind {
	case inAction:
		g.cite("L104")
	case inState:
		g.cite("L121")
	}
	likely := ""
	if g.chance(8) {
		g.cite("L173")
		likely = []string{"@likely ", "@unlikely "}[g.r.IntN(2)]
	}
	cond := g.exprText(&typ{kind: kBool}, 3)
	if g.body.kind == inApply {
		if c, ok := g.tableCondition(); ok {
			cond = c
		}
	}
	g.line("if (%s) %s{", cond, likely)
	g.block(depth)
	switch g.r.IntN(5) {
	case 0, 1:
		g.line("} else {")
		g.block(depth)
	case 2:
		g.line("} else if (%s) {", g.exprText(&typ{kind: kBool}, 2))
		g.block(depth)
	}
	g.line("}")
}

// variable declares a variable or constant.
func (g *gen) variable() {
	if g.chance(10) {
		t := g.number()
		name := g.name("k")
		g.line("const %s %s = %s;", g.spell(t), name, g.constant(t))
		g.scope = append(g.scope, place{path: name, t: t, konst: true})
		g.cite("L98", "L150")
		return
	}
	t := g.localType()
	name := g.name("x")
	if g.has(fShadow, 20) {
		for i := g.inner - 1; i >= 0; i-- {
			if plain(g.scope[i].path) && g.chance(50) {
				name = g.scope[i].path
				g.cite("L158")
				g.hide(name)
				break
			}
		}
	}
	g.cite("L98")
	if g.body.kind == inState {
		g.cite("L122")
	}
	switch g.r.IntN(8) {
	case 0:
		g.cite("L83") // reads before the first write give zero
		g.line("%s %s;", g.spell(t), name)
	case 1:
		if t.kind == kStruct || t.kind == kHeader {
			g.line("%s %s = %s;", g.spell(t), name, g.initialiser(t, 2))
			break
		}
		fallthrough
	default:
		g.line("%s %s = %s;", g.spell(t), name, g.exprText(t, 4))
	}
	g.add(name, t, true)
}

// plain tells names of variables from other places.
func plain(path string) bool {
	return path != "" && path[0] == 'x' && !strings.ContainsAny(path, ".[")
}

func (g *gen) switchStatement(depth int) {
	if g.body.kind == inApply && g.chance(50) && g.switchOnTable(depth) {
		return
	}
	g.cite("L90")
	switch g.body.kind {
	case inAction, inFunction:
		g.cite("L103")
	}
	p, ok := g.find(func(p place) bool {
		return p.t.numeric() && p.t.w <= 64 || p.t.kind == kEnum || p.t.kind == kSerEnum || p.t.kind == kError
	})
	if !ok {
		g.line(";")
		return
	}
	tag := g.text(p)
	if p.t.numeric() && g.chance(30) {
		tag = g.exprText(p.t, 2)
	}
	g.open("switch (%s) {", tag)
	seen := map[string]bool{}
	n := 1 + g.r.IntN(4)
	for i := range n {
		label := ""
		switch p.t.kind {
		case kEnum, kSerEnum:
			label = p.t.name + "." + pick(g, p.t.members)
		case kError:
			label = "error." + pick(g, g.errs)
		default:
			label = g.value(p.t).String()
		}
		if seen[label] {
			continue
		}
		seen[label] = true
		if i < n-1 && g.chance(20) {
			g.cite("L91")
			g.line("%s:", label)
			continue
		}
		g.line("%s: {", label)
		g.block(depth)
		g.line("}")
	}
	if g.chance(60) {
		g.cite("L91")
		g.line("default: {")
		g.block(depth)
		g.line("}")
	}
	g.shut("}")
}

// validity writes setValid, setInvalid or an invalid header.
func (g *gen) validity() bool {
	p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kHeader && !p.t.hasVarbit() })
	if !ok {
		return false
	}
	switch n := g.r.IntN(10); {
	case n < 6:
		g.cite("L72")
		g.line("%s.setValid();", g.text(p))
	case n < 8:
		g.cite("L72")
		g.line("%s.setInvalid();", g.text(p))
	case n < 9:
		g.cite("L69")
		g.line("%s = {#};", g.text(p))
	default:
		g.cite("L67")
		g.line("%s = %s;", g.text(p), g.initialiser(p.t, 2))
	}
	return true
}

func (g *gen) pushPop() bool {
	p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kStack })
	if !ok || g.body.kind == inState {
		return false
	}
	g.cite("L75")
	g.line("%s.%s(%d);", g.text(p), []string{"push_front", "pop_front"}[g.r.IntN(2)], 1+g.r.IntN(p.t.n+1))
	return true
}

func (g *gen) loop(depth int) bool {
	b := g.body
	if b.loops >= 2 || b.kind == inState || !g.on[fLoop] && !g.on[fForIn] {
		return false
	}
	before := g.enter()
	v := g.name("i")
	saved := b.inLoop
	switch {
	case g.on[fForIn] && (g.chance(50) || !g.on[fLoop]):
		g.cite("L93")
		if p, ok := g.find(func(p place) bool { return p.t.kind == kStack && p.t.base.kind == kHeader }); ok && g.chance(40) {
			g.line("for (%s %s in %s) {", p.t.base.name, v, g.text(p))
			g.add(v, p.t.base, false)
			break
		}
		t := bits(3 + g.r.IntN(14))
		lo := g.r.IntN(4)
		g.line("for (%s %s in %d .. %d) {", g.spell(t), v, lo, lo+g.r.IntN(4))
		g.add(v, t, false)
	default:
		g.cite("L92")
		t := bits(3 + g.r.IntN(14))
		switch g.r.IntN(3) {
		case 0:
			g.line("for (%s %s = %d; %s > 0; %s = %s - 1) {", g.spell(t), v, 1+g.r.IntN(4), v, v, v)
		case 1:
			g.cite("L86")
			g.line("for (%s %s = 0; %s < %d; %s += %d) {", g.spell(t), v, v, 1+g.r.IntN(4), v, 1+g.r.IntN(2))
		default:
			g.line("for (%s %s = 0; %s != %d; %s = %s + 1) {", g.spell(t), v, v, g.r.IntN(4), v, v)
		}
		g.add(v, t, false)
	}
	b.loops++
	b.inLoop = true
	g.block(depth)
	b.loops--
	b.inLoop = saved
	g.line("}")
	g.leave(before)
	return true
}

// leaveEarly writes return, exit, break or continue under a condition.
func (g *gen) leaveEarly() bool {
	b := g.body
	var words []string
	if b.inLoop {
		g.cite("L94")
		words = append(words, "break;", "continue;")
	}
	if g.on[fReturn] && (b.kind == inApply || b.kind == inAction) {
		words = append(words, "return;")
	}
	if g.on[fReturn] && b.kind == inFunction {
		if b.result == nil {
			words = append(words, "return;")
		} else {
			words = append(words, "return "+g.exprText(b.result, 2)+";")
		}
	}
	if g.on[fExit] && !b.noExit && (b.kind == inApply || b.kind == inAction) {
		words = append(words, "exit;")
	}
	if len(words) == 0 {
		return false
	}
	w := pick(g, words)
	switch w[0] {
	case 'r':
		g.cite("L95")
	case 'e':
		g.cite("L96")
	}
	g.line("if (%s) { %s }", g.exprText(&typ{kind: kBool}, 2), w)
	return true
}
