package p4gen

import (
	"fmt"
	"math/big"
	"strings"
)

// table is a table of the control that is made.
type table struct {
	name    string
	actions []string // names, for action_run
	applied bool
}

// key is one key of a table.
type key struct {
	t    *typ
	kind string
}

// listed is an element of a table's action list.
type listed struct {
	a           *callable
	bound       string // arguments for parameters with a direction
	tableOnly   bool
	defaultOnly bool
}

// tableDecl declares a table of the control.
func (g *gen) tableDecl() {
	t := &table{name: g.name("tbl")}
	if g.has(fAnnotation, 15) {
		g.cite("L164", "L176")
		g.n++
		dot := ""
		if g.ctrl.std != "" && g.chance(50) { // elsewhere there may be two instances
			dot = "."
		}
		g.line("@name(\"%snamed_table%d\")", dot, g.n)
	}
	direct := ""
	if g.on[fDirect] && g.chance(50) {
		direct = g.name("dc")
		g.line("direct_counter(CounterType.%s) %s;", pick(g, []string{"packets", "bytes", "packets_and_bytes"}), direct)
	}
	profile := ""
	selector := false
	if g.on[fSelector] && g.chance(60) {
		profile = g.name("ap")
		if selector = g.chance(50); selector {
			g.line("action_selector(HashAlgorithm.crc16, 32w16, 32w10) %s;", profile)
		} else {
			g.line("action_profile(32w16) %s;", profile)
		}
	}
	meter, marks := "", ""
	if g.on[fMeter] && g.ctrl.std != "" && profile == "" && g.chance(60) {
		if p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kBit && p.t.w >= 2 && !p.std }); ok {
			meter, marks = g.name("dm"), g.name("mark")
			g.line("direct_meter<%s>(MeterType.%s) %s;", g.spell(p.t), pick(g, []string{"packets", "bytes"}), meter)
			g.line("action %s() { %s.read(%s); }", marks, meter, g.text(p))
		}
	}
	g.open("table %s {", t.name)
	keys := g.keys(selector)
	list := g.actionList(t, marks)
	g.defaultAction(list)
	if len(keys) > 0 && profile == "" && !selector && g.chance(65) {
		g.entries(keys, list)
	}
	if g.chance(60) {
		g.cite("L140")
		sizes := []int{8, 9, 12, 16, 64, 128, 1024}
		for _, k := range keys {
			if k.kind != "exact" && k.kind != "lpm" {
				sizes = sizes[:6] // what the kernel takes
			}
		}
		g.line("size = %d;", pick(g, sizes))
	}
	if direct != "" {
		g.line("counters = %s;", direct)
	}
	if meter != "" {
		g.line("meters = %s;", meter)
	}
	if profile != "" {
		g.line("implementation = %s;", profile)
	}
	if g.has(fIdle, 60) && len(keys) > 0 {
		g.cite("L141")
		g.line("support_timeout = true;")
	} else if g.has(fAnnotation, 10) && g.chance(30) {
		g.cite("L141")
		g.line("support_timeout = false;")
	}
	g.shut("}")
	g.ctrl.tables = append(g.ctrl.tables, t)
}

// keys writes the key of a table. At most one is lpm.
func (g *gen) keys(selector bool) (ks []key) {
	n := []int{0, 1, 1, 1, 2, 2, 3}[g.r.IntN(7)]
	if selector {
		n = 1
	}
	if n == 0 {
		g.cite("L142")
		return nil
	}
	shape := []string{"exact", "lpm", "ternary"}[g.r.IntN(3)]
	g.open("key = {")
	used := map[string]bool{}
	for i := range n {
		kind := "exact"
		switch {
		case shape == "lpm" && i == n-1:
			kind = "lpm"
		case shape == "ternary" && (i == 0 || g.chance(50)):
			kind = pick(g, []string{"ternary", "ternary", "range", "optional"})
		}
		g.cite("L21")
		g.cite(map[string]string{"exact": "L128", "lpm": "L128", "ternary": "L128", "range": "L129", "optional": "L129"}[kind])
		t, text, simple := g.keyExpr(kind)
		g.cite("L127")
		anno := ""
		if !simple || used[text] || g.chance(15) {
			g.n++
			anno = fmt.Sprintf(" @name(\"k%d\")", g.n)
			g.cite("L130", "L178")
		}
		used[text] = true
		g.line("%s : %s%s;", text, kind, anno)
		ks = append(ks, key{t, kind})
	}
	if selector {
		g.cite("L129")
		g.n++
		p, ok := g.find(func(p place) bool { return p.t.kind == kBit && p.t.w <= 64 && !p.konst })
		if ok {
			g.line("%s : selector @name(\"k%d\");", g.text(p), g.n)
		}
	}
	g.shut("}")
	return ks
}

// keyExpr is what a key matches; simple when its name follows from it.
func (g *gen) keyExpr(kind string) (t *typ, text string, simple bool) {
	p, ok := g.find(func(p place) bool {
		if p.konst || p.t.width() > 128 {
			return false
		}
		if kind == "exact" {
			return p.t.kind == kBit || p.t.kind == kInt || p.t.kind == kSerEnum || p.t.kind == kBool || p.t.kind == kNewtype
		}
		return p.t.kind == kBit
	})
	if kind == "exact" && g.chance(10) {
		if q, ok := g.find(func(p place) bool { return p.t.kind == kHeader && !p.konst }); ok {
			g.cite("L72")
			return &typ{kind: kBool}, g.text(q) + ".isValid()", false
		}
	}
	if !ok {
		return bits(8), "8w3", false
	}
	s := g.text(p)
	switch n := g.r.IntN(20); {
	case n < 12:
		return p.t, s, !strings.ContainsAny(s, "[&")
	case n < 15 && p.t.kind == kBit && p.t.w > 1: // few bits: entries hit
		w := 1 + g.r.IntN(min(p.t.w, 4))
		return bits(w), g.sliceOf(s, p.t.w, w, false), false
	case n < 17 && p.t.kind == kBit:
		return p.t, fmt.Sprintf("%s & %s", s, g.spellNumber(g.value(p.t), p.t, false)), false
	}
	if p.t.kind != kBit {
		return p.t, s, !strings.ContainsAny(s, "[&")
	}
	saved := g.on[fSideEffect]
	g.on[fSideEffect] = saved && g.on[fKeyCall]
	e := g.exprText(p.t, 2)
	g.on[fSideEffect] = saved
	return p.t, e, false
}

// actionList writes the actions of a table, own among them, which belongs to the
// table alone; "" for none.
func (g *gen) actionList(t *table, own string) (list []listed) {
	g.open("actions = {")
	g.cite("L131")
	seen := map[*callable]bool{}
	for range 1 + g.r.IntN(4) {
		if len(g.ctrl.actions) == 0 {
			break
		}
		a := pick(g, g.ctrl.actions)
		if seen[a] {
			continue
		}
		l := listed{a: a}
		call := a.name
		if n := len(a.params) - a.data; n > 0 {
			g.binding = true
			args, ok := g.args(a.params[:n], 2)
			g.binding = false
			if !ok {
				continue
			}
			g.cite("L132")
			l.bound = args
			call += "(" + args + ")"
		}
		seen[a] = true
		anno := ""
		if g.chance(6) {
			g.cite("L131", "L169")
			if l.tableOnly = g.chance(50); l.tableOnly {
				anno = "@tableonly "
			} else {
				l.defaultOnly = true
				anno = "@defaultonly "
			}
		}
		g.line("%s%s;", anno, call)
		list = append(list, l)
		t.actions = append(t.actions, a.name)
	}
	if own != "" {
		g.line("%s;", own)
		list = append(list, listed{a: &callable{name: own}})
		t.actions = append(t.actions, own)
	}
	if len(list) == 0 || g.chance(30) {
		g.line("NoAction;")
		list = append(list, listed{a: &callable{name: "NoAction"}})
		t.actions = append(t.actions, "NoAction")
	}
	g.shut("}")
	return list
}

// defaultAction writes the default action or leaves it out.
func (g *gen) defaultAction(list []listed) {
	word := "default_action"
	if g.chance(20) {
		g.cite("L134")
		word = "const default_action"
	}
	for range 4 {
		l := pick(g, list)
		if l.tableOnly {
			continue
		}
		if g.chance(20) {
			break
		}
		g.cite("L133")
		g.line("%s = %s;", word, g.actionCall(l, true))
		return
	}
	g.cite("L133")
}

// actionCall is an action with constants for its data.
func (g *gen) actionCall(l listed, full bool) string {
	var parts []string
	if l.bound != "" && full {
		parts = append(parts, l.bound)
	}
	for _, p := range l.a.params[len(l.a.params)-l.a.data:] {
		parts = append(parts, g.datum(p.t))
	}
	return l.a.name + "(" + strings.Join(parts, ", ") + ")"
}

// entries writes the entries of a table.
func (g *gen) entries(keys []key, list []listed) {
	constant := g.chance(60)
	prio := false
	for _, k := range keys {
		prio = prio || k.kind != "exact" && k.kind != "lpm"
	}
	explicit := !constant && prio && g.chance(70)
	if explicit {
		if g.chance(40) {
			g.cite("L138")
			g.line("largest_priority_wins = %v;", g.chance(50))
		}
	} else if !constant && prio && g.chance(40) {
		g.cite("L139")
		g.line("priority_delta = %d;", 1+g.r.IntN(20))
	}
	word := "entries"
	if constant {
		g.cite("L135")
		word = "const entries"
	} else {
		g.cite("L136")
	}
	g.open("%s = {", word)
	seen := map[string]bool{}
	n := g.r.IntN(7)
	for i := range n {
		l := pick(g, list)
		if l.defaultOnly {
			continue
		}
		var sets, ids []string
		for _, k := range keys {
			s, id := g.keySet(k)
			sets, ids = append(sets, s), append(ids, id)
		}
		if id := strings.Join(ids, " "); seen[id] {
			continue
		} else {
			seen[id] = true
		}
		set := strings.Join(sets, ", ")
		if len(sets) > 1 || g.chance(50) {
			set = "(" + set + ")"
		}
		lead := ""
		if !constant && g.chance(30) {
			lead = "const "
		}
		if explicit {
			g.cite("L137")
			lead += fmt.Sprintf("priority = %d : ", 10+3*((i*5)%n)+i)
		}
		g.line("%s%s : %s;", lead, set, g.actionCall(l, g.chance(80)))
	}
	g.shut("}")
}

// keySet is what an entry says of one key; id is the same for equal sets.
func (g *gen) keySet(k key) (text, id string) {
	t := k.t
	if k.kind == "exact" {
		switch t.kind {
		case kBool:
			s := []string{"true", "false"}[g.r.IntN(2)]
			return s, s
		case kSerEnum:
			i := g.r.IntN(len(t.members))
			return t.name + "." + t.members[i], t.values[i]
		case kInt:
			v := g.value(t)
			v.Abs(v).Rsh(v, 1)
			return g.spellNumber(v, t, g.chance(20)), v.String()
		case kNewtype:
			v := g.value(t.base)
			return "(" + t.name + ")" + g.spellNumber(v, t.base, true), v.String()
		}
	}
	v := g.value(t)
	plain := func() (string, string) {
		g.cite("L64")
		return g.spellNumber(v, t, g.chance(20)), v.String()
	}
	switch k.kind {
	case "lpm":
		n := g.r.IntN(t.w + 1)
		switch {
		case g.chance(15):
			return "_", "0/0"
		case g.chance(30):
			return plain()
		case n == t.w:
			return plain()
		}
		m := new(big.Int).Lsh(mask(n), uint(t.w-n))
		v.And(v, m)
		g.cite("L77")
		return g.masked(v, m, t), fmt.Sprintf("%s/%d", v, n)
	case "ternary":
		switch g.r.IntN(4) {
		case 0:
			return "_", "*"
		case 1:
			return plain()
		}
		m := g.value(t)
		low := new(big.Int).And(v, m)
		if g.chance(85) {
			v = low
		} else {
			g.cite("L147") // bits beside the mask are a warning
		}
		g.cite("L77")
		return g.masked(v, m, t), fmt.Sprintf("%s&%s", low, m)
	case "range":
		switch g.r.IntN(4) {
		case 0:
			return "_", "*"
		case 1:
			return plain()
		}
		hi := g.value(t)
		if v.Cmp(hi) > 0 {
			v, hi = hi, v
		}
		g.cite("L78")
		return fmt.Sprintf("%s .. %s", g.spellNumber(v, t, false), g.spellNumber(hi, t, false)), fmt.Sprintf("%s..%s", v, hi)
	case "optional":
		if g.chance(25) {
			return "_", "*"
		}
	}
	return plain()
}

func (g *gen) masked(v, m *big.Int, t *typ) string {
	return fmt.Sprintf("%s &&& %s", g.spellNumber(v, t, false), g.spellNumber(m, t, false))
}

// toApply is a table that can be applied here.
func (g *gen) toApply() *table {
	if g.ctrl == nil || g.body.loops > 0 && !g.on[fTwice] {
		return nil
	}
	var fits []*table
	for _, t := range g.ctrl.tables {
		if !t.applied || g.has(fTwice, 20) {
			if t.applied {
				g.cite("L146")
			}
			fits = append(fits, t)
		}
	}
	if len(fits) == 0 {
		return nil
	}
	t := pick(g, fits)
	t.applied = true
	return t
}

// tableCondition is t.apply().hit, perhaps with more beside it.
func (g *gen) tableCondition() (string, bool) {
	if !g.chance(35) {
		return "", false
	}
	t := g.toApply()
	if t == nil {
		return "", false
	}
	g.cite("L143")
	c := t.name + ".apply()" + []string{".hit", ".miss"}[g.r.IntN(2)]
	switch g.r.IntN(6) {
	case 0:
		return "!" + c, true
	case 1:
		return c + " && " + g.at(g.boolean(1), pLAnd+1), true
	case 2:
		return g.at(g.boolean(1), pLOr) + " || " + c, true
	}
	return c, true
}

// applyOne applies a table as a statement.
func (g *gen) applyOne(depth int) bool {
	if depth > 0 && g.chance(30) && g.switchOnTable(depth) {
		return true
	}
	t := g.toApply()
	if t == nil {
		return false
	}
	if g.chance(15) {
		if p, ok := g.ofType(&typ{kind: kBool}, true); ok {
			g.cite("L143")
			g.line("%s = %s.apply().hit;", g.text(p), t.name)
			return true
		}
	}
	g.line("%s.apply();", t.name)
	return true
}

// switchOnTable switches on the action that ran.
func (g *gen) switchOnTable(depth int) bool {
	t := g.toApply()
	if t == nil {
		return false
	}
	g.cite("L89")
	g.open("switch (%s.apply().action_run) {", t.name)
	for i, a := range t.actions {
		switch {
		case g.chance(30):
			continue
		case i < len(t.actions)-1 && g.chance(20):
			g.cite("L91")
			g.line("%s:", a)
			// A label that falls through needs one to fall to.
			g.line("%s: {", t.actions[i+1])
			g.block(depth)
			g.line("}")
			if g.chance(50) {
				g.line("default: {")
				g.block(depth)
				g.line("}")
			}
			g.shut("}")
			return true
		}
		g.line("%s: {", a)
		g.block(depth)
		g.line("}")
	}
	if g.chance(60) {
		g.line("default: {")
		g.block(depth)
		g.line("}")
	}
	g.shut("}")
	return true
}
