package p4gen

import (
	"fmt"
	"strings"
)

// callable is a function, action, sub-control or sub-parser instance.
type callable struct {
	name   string
	params []param
	result *typ // of a function
	data   int  // how many of params are an action's data, at the end
	decl   string
}

type param struct {
	name string
	t    *typ
	dir  string // "in", "out", "inout", "" for action data
	def  string // default value, "" for none
}

func (p param) spelled(g *gen) string {
	s := g.spell(p.t) + " " + p.name
	if p.dir != "" {
		s = p.dir + " " + s
	}
	if p.def != "" {
		s += " = " + p.def
	}
	return s
}

func (g *gen) paramList(ps []param) string {
	var parts []string
	for _, p := range ps {
		parts = append(parts, p.spelled(g))
	}
	return strings.Join(parts, ", ")
}

// addParams brings parameters into scope.
func (g *gen) addParams(ps []param) {
	for _, p := range ps {
		g.add(p.name, p.t, p.dir == "out" || p.dir == "inout")
	}
}

// directed makes n parameters with directions.
func (g *gen) directed(n int) (ps []param) {
	for range n {
		p := param{name: g.name("p"), t: g.localType()}
		p.dir = []string{"in", "in", "inout", "out"}[g.r.IntN(4)]
		if p.dir == "in" && p.t.numeric() && g.chance(8) {
			p.def = g.literal(p.t)
			g.cite("L80")
		}
		ps = append(ps, p)
	}
	// A parameter with a default is followed by such only.
	for i := range ps {
		if i+1 < len(ps) && ps[i+1].def == "" {
			for j := range i + 1 {
				ps[j].def = ""
			}
		}
	}
	return ps
}

// likely gives parameters types that the program has places of.
func (g *gen) likely(ps []param) {
	for i := range ps {
		if g.chance(70) {
			if p, ok := g.find(func(p place) bool {
				return p.rw && !p.std && p.t.kind != kVarbit && p.t.kind != kUnion && !p.t.hasVarbit()
			}); ok && ps[i].def == "" {
				ps[i].t = p.t
			}
		}
	}
}

// args writes the arguments of a call; false when an argument cannot be had.
// Places may occur twice: copy-in and copy-out have an order (L102).
func (g *gen) args(ps []param, depth int) (string, bool) {
	var parts, taken []string
	named := g.chance(15) && len(ps) > 0 && !g.applying && !g.binding
	var last string
	for i, p := range ps {
		a := ""
		switch p.dir {
		case "out", "inout":
			if g.body.kind == inState && g.applying {
				a = g.apart(p.t, taken)
				taken = append(taken, a)
			} else if last != "" && g.chance(25) {
				if q, ok := g.ofType(p.t, true); ok && q.path == last {
					a = last
				}
			}
			if a == "" && !g.applying {
				a = g.lvalue(p.t)
			}
			if a == "" {
				return "", false
			}
			last = a
		case "":
			a = g.constant(p.t)
			if depth > 0 && g.chance(40) {
				a = g.exprText(p.t, depth-1)
			}
		default:
			if p.def != "" && g.chance(50) && (named || i == len(ps)-1) {
				g.cite("L80")
				continue
			}
			if p.t.numeric() && g.chance(20) {
				g.cite("L63")
				a = g.bare(p.t)
			} else {
				a = g.exprText(p.t, depth-1)
			}
		}
		if named {
			g.cite("L79")
			a = p.name + " = " + a
		}
		parts = append(parts, a)
	}
	if named && g.chance(40) && !anyOut(ps) {
		g.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	return strings.Join(parts, ", "), true
}

func anyOut(ps []param) bool {
	for _, p := range ps {
		if p.dir == "out" || p.dir == "inout" {
			return true
		}
	}
	return false
}

// callOf is a call of a function with result t.
func (g *gen) callOf(t *typ, depth int) (ex, bool) {
	var fits []*callable
	for _, f := range g.funcs {
		if f.result != nil && same(f.result, t) && (g.on[fSideEffect] || !anyOut(f.params)) {
			fits = append(fits, f)
		}
	}
	if len(fits) == 0 {
		if !g.on[fGeneric] || !t.scalar() || len(g.funcs) == 0 {
			return ex{}, false
		}
		g.cite("L42", "L101", "L45")
		c := g.boolean(depth - 1)
		x, y := g.expr(t, depth-1), g.expr(t, depth-1)
		ta := ""
		if g.chance(40) {
			ta = "<" + g.spell(t) + ">"
			if g.chance(30) {
				g.cite("L43")
				ta = "<_>"
			}
		}
		return ex{fmt.Sprintf("choose%s(%s, %s, %s)", ta, c.s, x.s, y.s), pPrimary}, true
	}
	f := pick(g, fits)
	a, ok := g.args(f.params, depth)
	if !ok {
		return ex{}, false
	}
	g.cite("L101")
	if anyOut(f.params) {
		g.cite("L84", "L102")
	}
	return ex{f.name + "(" + a + ")", pPrimary}, true
}

// declareFunctions writes functions; each may call those before it.
func (g *gen) declareFunctions() {
	if g.on[fGeneric] && g.on[fFunction] {
		g.line("T choose<T>(in bool c, in T x, in T y) {")
		g.line("    if (c) { return x; }")
		g.line("    return y;")
		g.line("}")
	}
	if !g.on[fFunction] {
		return
	}
	for range 1 + g.r.IntN(4) {
		g.function()
	}
}

func (g *gen) function() {
	f := &callable{name: g.name("fn"), params: g.directed(1 + g.r.IntN(3))}
	word := "void"
	if g.chance(75) {
		f.result = g.localType()
		for _, field := range g.meta.fields { // likely a type that is asked for
			if g.chance(15) && field.t.kind != kStack {
				f.result = field.t
			}
		}
		word = g.spell(f.result)
	} else {
		g.cite("L23")
	}
	save := g.scope
	g.scope = append([]place(nil), g.consts...)
	if g.has(fAnnotation, 20) {
		word = pick(g, []string{"@pure ", "@noSideEffects ", "@deprecated(\"use another\") "}) + word
		g.cite("L155", "L156", "L171")
	}
	g.open("%s %s(%s) {", word, f.name, g.paramList(f.params))
	g.addParams(f.params)
	g.body = &body{kind: inFunction, result: f.result, budget: 2 + g.r.IntN(5)}
	g.statements(2)
	if f.result != nil {
		g.cite("L95")
		g.line("return %s;", g.exprText(f.result, 3))
	}
	g.shut("}")
	g.scope = save
	g.funcs = append(g.funcs, f)
	g.cite("L101", "L102")
}

// action declares an action of the control.
func (g *gen) action() {
	a := &callable{name: g.name("act")}
	if g.on[fActionDir] && g.chance(35) {
		a.params = g.directed(1 + g.r.IntN(2))
		g.likely(a.params)
		for i := range a.params {
			a.params[i].def = ""
		}
		g.cite("L125")
	}
	for range g.r.IntN(4) {
		t := g.scalarType()
		if p, ok := g.find(func(p place) bool { return p.rw && p.t.numeric() }); ok && g.chance(50) {
			t = p.t
		}
		a.params = append(a.params, param{name: g.name("d"), t: t})
		a.data++
	}
	if g.has(fAnnotation, 15) {
		g.cite("L164", "L177")
		g.n++
		g.line("@name(\"named_action%d\")", g.n)
	}
	if g.has(fAnnotation, 15) && g.ctrl.std != "" { // elsewhere there may be two instances
		g.cite("L166", "L174")
		g.n++
		g.line("@id(%d) @brief(\"an action\")", 0x01000000+g.n)
	}
	g.open("action %s(%s) {", a.name, g.paramList(a.params))
	mark := g.enter()
	g.addParams(a.params)
	saved := g.body
	g.body = &body{kind: inAction, budget: 1 + g.r.IntN(4)}
	g.statements(2)
	g.body = saved
	g.leave(mark)
	g.shut("}")
	g.ctrl.actions = append(g.ctrl.actions, a)
}

// callStatement calls something for its effect.
func (g *gen) callStatement() bool {
	var fits []*callable
	for _, f := range g.funcs {
		if anyOut(f.params) || g.chance(5) {
			fits = append(fits, f)
		}
	}
	if g.ctrl != nil && (g.body.kind == inApply || g.body.kind == inAction) {
		fits = append(fits, g.ctrl.actions...)
	}
	if len(fits) == 0 {
		return false
	}
	f := pick(g, fits)
	a, ok := g.args(f.params, 2)
	if !ok {
		return false
	}
	if f.data > 0 || f.result == nil {
		g.cite("L126")
	}
	g.line("%s(%s);", f.name, a)
	return true
}
