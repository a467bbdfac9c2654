package bmv2

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// gnode is a node of a pipeline's graph: a table, a condition, a hidden table
// that runs statements, or an alias (of a loop's head, known only later).
type gnode struct {
	name   string
	pos    ir.Pos
	cond   ir.Expr   // condition
	body   []ir.Stmt // hidden table; may be empty
	apply  *ir.ApplyTable
	alias  *gnode
	next   *gnode // table, hidden table
	yes    *gnode // condition true, table hit
	no     *gnode // condition false, table miss
	byHit  bool
	byRun  []*gnode // table: one an action, or nil
	action int      // hidden table: id of its action
}

// grapher turns a control's body into a graph. It works from the end to the
// start: each statement is given what comes after it; nil is the end.
type grapher struct {
	x      *exporter
	ends   map[string]*gnode
	heads  map[string]*gnode
	tables map[*ir.Table]*gnode // that have been placed
	uses   map[*ir.Var]int      // of locals in expressions
}

func (x *exporter) newGrapher(b *ir.Block) *grapher {
	g := &grapher{x: x, ends: map[string]*gnode{}, heads: map[string]*gnode{}, tables: map[*ir.Table]*gnode{}, uses: map[*ir.Var]int{}}
	ir.WalkExprs(b.Body, func(e ir.Expr) {
		if v, is := e.(*ir.VarRef); is {
			g.uses[v.Var]++
		}
	})
	for _, t := range x.p.Tables {
		for _, k := range t.Keys {
			ir.WalkExpr(k.Expr, func(e ir.Expr) {
				if v, is := e.(*ir.VarRef); is {
					g.uses[v.Var]++
				}
			})
		}
	}
	for _, a := range x.p.Actions {
		ir.WalkExprs(a.Body, func(e ir.Expr) {
			if v, is := e.(*ir.VarRef); is {
				g.uses[v.Var]++
			}
		})
	}
	return g
}

// plain tells whether s is one primitive's worth of statement.
func plain(s ir.Stmt) bool {
	switch s.(type) {
	case *ir.If, *ir.Switch, *ir.Labelled, *ir.Loop, *ir.Leave, *ir.Continue, *ir.ApplyTable:
		return false
	}
	return true
}

// closed tells whether s applies no table and jumps nowhere outside itself, so
// that it can run inside an action.
func closed(s ir.Stmt) bool {
	labels := map[string]bool{}
	ir.WalkStmts([]ir.Stmt{s}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.Labelled:
			labels[s.Label] = true
		case *ir.Loop:
			labels[s.Label] = true
		}
	})
	ok := true
	ir.WalkStmts([]ir.Stmt{s}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.ApplyTable:
			ok = false
		case *ir.Leave:
			ok = ok && labels[s.Label]
		case *ir.Continue:
			ok = ok && labels[s.Label]
		}
	})
	return ok
}

// inAction tells whether a statement of a control goes into a hidden action:
// what is plain, and loops without tables. Conditions become nodes.
func inAction(s ir.Stmt) bool {
	_, loop := s.(*ir.Loop)
	return plain(s) || loop && closed(s)
}

func (g *grapher) seq(ss []ir.Stmt, next *gnode) *gnode {
	// What follows a jump is never reached.
	for i, s := range ss {
		switch s.(type) {
		case *ir.Leave, *ir.Continue:
			ss = ss[:i+1]
		}
		if len(ss) == i+1 {
			break
		}
	}
	for i := len(ss); i > 0; {
		s := ss[i-1]
		if inAction(s) {
			j := i - 1
			for j > 0 && inAction(ss[j-1]) {
				j--
			}
			next = &gnode{pos: ss[j].Pos(), body: ss[j:i], next: next}
			i = j
			continue
		}
		if i > 1 {
			if n := g.applied(ss[i-2], s, next); n != nil {
				next = n
				i -= 2
				continue
			}
		}
		next = g.stmt(s, next)
		i--
	}
	return next
}

func (g *grapher) stmt(s ir.Stmt, next *gnode) *gnode {
	switch s := s.(type) {
	case *ir.If:
		return &gnode{pos: s.P, cond: s.Cond, yes: g.seq(s.Then, next), no: g.seq(s.Else, next)}
	case *ir.Switch:
		els := g.seq(s.Default, next)
		for _, cs := range slices.Backward(s.Cases) {
			els = &gnode{pos: s.P, cond: caseCond(s, cs), yes: g.seq(cs.Body, next), no: els}
		}
		return els
	case *ir.Labelled:
		g.ends[s.Label] = next
		return g.seq(s.Body, next)
	case *ir.Loop:
		head := &gnode{pos: s.P}
		g.ends[s.Label], g.heads[s.Label] = next, head
		head.alias = g.seq(s.Body, head)
		if head.alias == head {
			g.x.fail(s.P, "loop", "it does nothing and never ends")
		}
		return head
	case *ir.Leave:
		return g.ends[s.Label]
	case *ir.Continue:
		return g.heads[s.Label]
	case *ir.ApplyTable:
		return g.apply(s, next)
	}
	panic(fmt.Sprintf("bmv2: statement %T", s))
}

// applied is a table followed by a branch on its result that nothing else
// reads: bmv2 branches by itself. Nil where s and then are something else.
func (g *grapher) applied(s, then ir.Stmt, next *gnode) *gnode {
	a, is := s.(*ir.ApplyTable)
	if !is {
		return nil
	}
	switch b := then.(type) {
	case *ir.If:
		cond, yes, no := b.Cond, b.Then, b.Else
		if n, is := cond.(*ir.Unary); is && n.Op == ir.LNot {
			cond, yes, no = n.X, no, yes
		}
		v, is := cond.(*ir.VarRef)
		if !is || a.Hit == nil || a.Run != nil || v.Var != a.Hit || g.uses[a.Hit] != 1 {
			return nil
		}
		return g.table(&gnode{pos: a.P, apply: a, byHit: true, yes: g.seq(yes, next), no: g.seq(no, next)})
	case *ir.Switch:
		v, is := b.X.(*ir.VarRef)
		if !is || a.Run == nil || a.Hit != nil || v.Var != a.Run || g.uses[a.Run] != 1 {
			return nil
		}
		n := &gnode{pos: a.P, apply: a}
		def := g.seq(b.Default, next)
		if a.Table.Implementation != nil {
			n.next = def // an empty group runs no action
		}
		bodies := make([]*gnode, len(b.Cases))
		for i, cs := range b.Cases {
			bodies[i] = g.seq(cs.Body, next)
		}
		for i := range a.Table.Actions {
			to := def
			for j, cs := range b.Cases {
				for _, l := range cs.Labels {
					if l.IsInt64() && l.Int64() == int64(i) {
						to = bodies[j]
					}
				}
			}
			n.byRun = append(n.byRun, to)
		}
		return g.table(n)
	}
	return nil
}

// apply is a table whose results go to variables.
func (g *grapher) apply(s *ir.ApplyTable, next *gnode) *gnode {
	n := &gnode{pos: s.P, apply: s, next: next}
	set := func(v *ir.Var, val int64, next *gnode) *gnode {
		ref := &ir.VarRef{Meta: ir.Meta{T: v.Type, P: s.P}, Var: v}
		return &gnode{pos: s.P, next: next, body: []ir.Stmt{&ir.Assign{SMeta: ir.SMeta{P: s.P}, L: ref, R: constant(v.Type, val, s.P)}}}
	}
	switch {
	case s.Hit != nil && s.Run != nil:
		g.x.fail(s.P, "table "+s.Table.Name, "hit and action_run of one apply are both used; bmv2 JSON tells only one")
	case s.Hit != nil:
		n.byHit, n.yes, n.no = true, set(s.Hit, 1, next), set(s.Hit, 0, next)
	case s.Run != nil:
		for i := range s.Table.Actions {
			n.byRun = append(n.byRun, set(s.Run, int64(i), next))
		}
		if s.Table.Implementation != nil { // an empty group runs none of them
			n.next = set(s.Run, 1<<32-1, next)
		}
	}
	return g.table(n)
}

// table puts in front of a table what computes those keys that are no fields.
func (g *grapher) table(n *gnode) *gnode {
	t := n.apply.Table
	if old := g.tables[t]; old != nil && old.apply != nil && slices.Equal(old.targets(), n.targets()) && old.byHit == n.byHit {
		return g.keyed(old, n.pos) // what follows is the same, and so is the place
	}
	if g.x.applied[t] {
		g.x.fail(n.pos, "table "+t.Name, "it is applied more than once, and different things follow; in bmv2 JSON a table has one place")
	}
	g.x.applied[t] = true
	g.tables[t] = n
	for _, k := range t.Keys {
		if _, is := g.x.keyField(k.Expr); !is {
			g.x.keyTemps[k.Expr] = g.x.temp(k.Expr.Type(), k.Pos)
		}
	}
	return g.keyed(n, n.pos)
}

// keyed puts in front of the node of a table what computes its keys.
func (g *grapher) keyed(n *gnode, pos ir.Pos) *gnode {
	pre := g.x.beforeLookup(n.apply.Table)
	for _, k := range n.apply.Table.Keys {
		if tmp := g.x.keyTemps[k.Expr]; tmp != nil {
			pre = append(pre, &ir.Assign{SMeta: ir.SMeta{P: k.Pos}, L: tmp, R: k.Expr})
		}
	}
	if pre == nil {
		return n
	}
	return &gnode{pos: pos, body: pre, next: n}
}

// resolve follows aliases.
func (n *gnode) resolve() *gnode {
	for n != nil && n.alias != nil {
		n = n.alias
	}
	return n
}

func (n *gnode) targets() []*gnode {
	if n.cond != nil || n.byHit {
		return []*gnode{n.yes, n.no}
	}
	if n.byRun != nil && n.apply.Table.Implementation != nil {
		return append(slices.Clone(n.byRun), n.next)
	}
	if n.byRun != nil {
		return n.byRun
	}
	return []*gnode{n.next}
}

// pipeline declares a control with its tables and conditions.
func (x *exporter) pipeline(name string, b *ir.Block) obj {
	g := x.newGrapher(b)
	entry := g.seq(b.Body, nil).resolve()
	var order []*gnode
	seen := map[*gnode]bool{}
	var visit func(n *gnode)
	visit = func(n *gnode) {
		n = n.resolve()
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		order = append(order, n)
		for _, t := range n.targets() {
			visit(t)
		}
	}
	visit(entry)
	for _, n := range order {
		x.nameNode(n, name)
	}
	tables, conds := arr{}, arr{}
	for _, n := range order {
		switch {
		case n.cond != nil:
			o := obj{{"name", n.name}, {"id", x.nodes}}
			x.nodes++
			x.sourceInfo(&o, n.pos)
			o.add("expression", x.truth(n.cond))
			o.add("true_next", nodeName(n.yes))
			o.add("false_next", nodeName(n.no))
			conds = append(conds, o)
		default:
			tables = append(tables, x.table(n))
		}
	}
	o := obj{{"name", name}, {"id", len(x.pipelines)}}
	x.sourceInfo(&o, b.Pos)
	o.add("init_table", nodeName(entry))
	o.add("tables", tables)
	o.add("action_profiles", orEmpty(x.profileList))
	x.profileList = nil
	o.add("conditionals", conds)
	return o
}

func nodeName(n *gnode) any {
	if n = n.resolve(); n != nil {
		return n.name
	}
	return nil
}

// nameNode names nodes in the order of the graph; hidden tables also get their
// action.
func (x *exporter) nameNode(n *gnode, pipeline string) {
	switch {
	case n.apply != nil:
		n.name = n.apply.Table.Name
	case n.cond != nil:
		n.name = x.lay.unique(fmt.Sprintf("node.%s_node_%d", pipeline, n.pos.Line))[len("node."):]
	default:
		n.name = x.lay.unique(fmt.Sprintf("node.tbl_%s_%d", pipeline, n.pos.Line))[len("node."):]
		c := x.newCode()
		c.stmts(n.body)
		n.action = x.addAction(n.name[len("tbl_"):], nil, c.prims, n.pos)
	}
}

func constant(t ir.Type, v int64, pos ir.Pos) *ir.Const {
	return &ir.Const{Meta: ir.Meta{T: t, P: pos}, Val: big64(v)}
}
