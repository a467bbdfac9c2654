package bmv2

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// maxNodes bounds the graph of a pipeline.
const maxNodes = 1 << 16

// pipeline makes the body of a control from the graph of a pipeline.
func (im *importer) pipeline(b *ir.Block, n node) {
	type part struct {
		n    node
		kind string
	}
	var parts []part
	index := map[string]int{}
	for _, key := range []string{"tables", "conditionals", "action_calls"} {
		for _, t := range n.get(key).list() {
			name := t.get("name").str()
			if _, twice := index[name]; twice {
				t.fail(name, "two nodes of the pipeline have this name")
			}
			index[name] = len(parts)
			parts = append(parts, part{t, key})
		}
	}
	if len(parts) > maxNodes {
		n.fail("pipeline", "%d nodes, the limit is %d", len(parts), maxNodes)
	}
	next := func(n node) int {
		if n.null() {
			return exit
		}
		i, is := index[n.str()]
		if !is {
			n.fail("a node of the pipeline", "there is no table or condition %q", n.str())
		}
		return i
	}
	nodes := make([]flowNode, len(parts))
	for i, p := range parts {
		im.pos = b.Pos
		im.position(p.n)
		fn := &nodes[i]
		fn.name, fn.pos = p.n.get("name").str(), im.pos
		switch p.kind {
		case "conditionals":
			fn.succ = []int{next(p.n.get("true_next")), next(p.n.get("false_next"))}
			fn.code = branching(nil, im.condition(p.n.get("expression")), im.smeta())
		case "action_calls":
			fn.succ = []int{next(p.n.get("next_node"))}
			im.callNode(fn, im.actionNode(p.n.get("action_id")), nil)
		default:
			im.table(fn, p.n, next)
		}
	}
	body, err := structured(nodes, next(n.get("init_table")), im.label)
	if err != nil {
		n.fail("pipeline "+n.get("name").str(), "%v", err)
	}
	b.Body = body
}

// called is the body of an action run in place, its data constant.
func (im *importer) called(fn *flowNode, a node, data []*big.Int) []ir.Stmt {
	var out []ir.Stmt
	im.data = im.params(a)
	if len(im.data) != len(data) {
		a.fail("action "+a.get("name").str(), "it takes %d arguments, not %d", len(im.data), len(data))
	}
	for i, v := range im.data {
		v.Name = fmt.Sprintf("%s_%d", v.Name, im.temps)
		im.temps++
		im.block.Locals = append(im.block.Locals, v)
		out = append(out, &ir.Assign{SMeta: ir.SMeta{P: fn.pos}, L: im.ref(v), R: im.num(data[i], ir.Width(v.Type))})
	}
	out = append(out, im.body(a)...)
	im.data = nil
	if im.exits(a) {
		im.exitEdge(fn)
	}
	return out
}

// exits tells whether an action has the primitive exit.
func (im *importer) exits(a node) bool {
	return slices.ContainsFunc(a.get("primitives").list(), func(p node) bool { return p.get("op").str() == "exit" })
}

// exitEdge makes a node go to the end when an action has set the flag.
func (im *importer) exitEdge(fn *flowNode) {
	fn.succ = append(fn.succ, exit)
}

// leaveOnExit puts the test of the flag between a table and what follows.
func (im *importer) leaveOnExit(apply []ir.Stmt, after, end []ir.Stmt, m ir.SMeta) []ir.Stmt {
	flag := &ir.VarRef{Meta: ir.Meta{T: &ir.Bool{}, P: m.P}, Var: im.exited}
	return append(apply, &ir.If{SMeta: m, Cond: flag, Then: end, Else: after})
}

// table makes the node of a table. One that the control plane does not know and
// that has no key runs its default action: that action takes its place.
func (im *importer) table(fn *flowNode, n node, next func(node) int) {
	hidden := len(n.get("key").list()) == 0 && !im.known(fn.name) && len(n.get("entries").list()) == 0
	if hidden && !n.get("default_entry").null() {
		im.hiddenTable(fn, n, next)
		return
	}
	m := ir.SMeta{P: fn.pos}
	t := im.declareTable(fn, n)
	mayExit := false
	for _, id := range n.get("action_ids").list() {
		mayExit = mayExit || im.exits(im.actionNode(id))
	}
	apply := &ir.ApplyTable{SMeta: m, Table: t}
	var code func([][]ir.Stmt) []ir.Stmt
	nexts := n.get("next_tables")
	if nexts.has("__HIT__") || nexts.has("__MISS__") {
		fn.succ = []int{next(nexts.get("__HIT__")), next(nexts.get("__MISS__"))}
		if fn.succ[0] == fn.succ[1] {
			fn.succ = fn.succ[:1]
			code = func(s [][]ir.Stmt) []ir.Stmt { return s[0] }
		} else {
			apply.Hit = im.temp(&ir.Bool{})
			hit := im.ref(apply.Hit)
			code = func(s [][]ir.Stmt) []ir.Stmt { return []ir.Stmt{&ir.If{SMeta: m, Cond: hit, Then: s[0], Else: s[1]}} }
		}
	} else {
		code = im.byAction(fn, n, apply, next)
	}
	if mayExit {
		k := len(fn.succ)
		im.exitEdge(fn)
		fn.code = func(s [][]ir.Stmt) []ir.Stmt {
			return im.leaveOnExit([]ir.Stmt{apply}, code(s[:k]), s[k], m)
		}
		return
	}
	fn.code = func(s [][]ir.Stmt) []ir.Stmt { return append([]ir.Stmt{apply}, code(s)...) }
}

// byAction is what follows a table whose next node depends on the action.
func (im *importer) byAction(fn *flowNode, n node, apply *ir.ApplyTable, next func(node) int) func([][]ir.Stmt) []ir.Stmt {
	nexts := n.get("next_tables")
	to := make([]int, len(apply.Table.Actions))
	for i, a := range n.get("actions").list() {
		if nexts.has(a.str()) {
			to[i] = next(nexts.get(a.str()))
		} else {
			to[i] = next(n.get("base_default_next"))
		}
	}
	// The action of an empty group is none of them: it leads to base_default_next.
	none := -1
	if apply.Table.Implementation != nil {
		none = next(n.get("base_default_next"))
		to = append(to, none)
	}
	slot := map[int]int{}
	for _, t := range to {
		if _, is := slot[t]; !is {
			slot[t] = len(fn.succ)
			fn.succ = append(fn.succ, t)
		}
	}
	if len(fn.succ) == 1 {
		return func(s [][]ir.Stmt) []ir.Stmt { return s[0] }
	}
	apply.Run = im.temp(&ir.Bit{W: 32})
	run := im.ref(apply.Run)
	m := ir.SMeta{P: fn.pos}
	// The place most actions lead to is the default.
	uses := make([]int, len(fn.succ))
	for _, t := range to {
		uses[slot[t]]++
	}
	def := 0
	for i := range uses {
		if uses[i] > uses[def] {
			def = i
		}
	}
	if apply.Table.Implementation != nil {
		def, to = slot[none], to[:len(to)-1]
	}
	return func(s [][]ir.Stmt) []ir.Stmt {
		sw := &ir.Switch{SMeta: m, X: run, Default: s[def]}
		for i := range s {
			if i == def {
				continue
			}
			c := ir.SwitchCase{Body: s[i]}
			for a, t := range to {
				if slot[t] == i {
					c.Labels = append(c.Labels, big64(int64(a)))
				}
			}
			sw.Cases = append(sw.Cases, c)
		}
		return []ir.Stmt{sw}
	}
}

// hiddenTable runs the default action where the table stood (lang:J12).
func (im *importer) hiddenTable(fn *flowNode, n node, next func(node) int) {
	d := n.get("default_entry")
	a := im.actionNode(d.get("action_id"))
	var data []*big.Int
	for _, v := range d.get("action_data").list() {
		data = append(data, v.hex())
	}
	nexts, name := n.get("next_tables"), a.get("name").str()
	switch {
	case nexts.has("__MISS__"):
		fn.succ = []int{next(nexts.get("__MISS__"))}
	case nexts.has(name):
		fn.succ = []int{next(nexts.get(name))}
	default:
		fn.succ = []int{next(n.get("base_default_next"))}
	}
	im.callNode(fn, a, data)
}

// callNode makes a node that runs an action; fn.succ is where it leads.
func (im *importer) callNode(fn *flowNode, a node, data []*big.Int) {
	body := im.called(fn, a, data)
	if len(fn.succ) == 1 {
		fn.code = straight(body)
		return
	}
	m := ir.SMeta{P: fn.pos}
	fn.code = func(s [][]ir.Stmt) []ir.Stmt { return im.leaveOnExit(body[:len(body):len(body)], s[0], s[1], m) }
}
