package bmv2

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

func big64(v int64) *big.Int { return big.NewInt(v) }

// defaultSize is the size of a table without one (lang:J18).
const defaultSize = 1024

// addAction declares an action and gives its id.
func (x *exporter) addAction(name string, params []*ir.Var, prims arr, pos ir.Pos) int {
	data := arr{}
	for _, p := range params {
		data = append(data, obj{{"name", p.Name}, {"bitwidth", ir.Width(p.Type)}})
	}
	if prims == nil {
		prims = arr{}
	}
	o := obj{{"name", name}, {"id", len(x.actions)}}
	x.sourceInfo(&o, pos)
	o.add("runtime_data", data)
	o.add("primitives", prims)
	x.actions = append(x.actions, o)
	return len(x.actions) - 1
}

// actionOf declares an action of the program once.
func (x *exporter) actionOf(a *ir.Action) int {
	if id, is := x.actionIDs[a]; is {
		return id
	}
	x.params = map[*ir.Var]int{}
	params := a.DataParams()
	c := x.newCode()
	written := map[*ir.Var]bool{}
	ir.WalkStmts(a.Body, func(s ir.Stmt) { markWritten(s, written) })
	for i, p := range params {
		if written[p] { // runtime data cannot be written: it is copied
			x.params[p] = i
			v := x.data(&ir.VarRef{Meta: ir.Meta{T: p.Type}, Var: p})
			delete(x.params, p)
			x.places[p] = x.lay.variable(p.Type, a.Name+"."+p.Name, p.Pos)
			c.scalar(&ir.VarRef{Meta: ir.Meta{T: p.Type, P: p.Pos}, Var: p}, v)
			continue
		}
		x.params[p] = i
	}
	for _, v := range a.Locals {
		if x.places[v] == nil {
			x.places[v] = x.lay.variable(v.Type, a.Name+"."+v.Name, v.Pos)
		}
	}
	c.clear(a.Locals)
	c.stmts(a.Body)
	x.params = nil
	id := x.addAction(passes.ControlName(a), params, c.prims, a.Pos)
	x.actionIDs[a] = id
	return id
}

// clear sets the locals of an action that can run twice for a packet to their
// first value.
func (c *code) clear(vars []*ir.Var) {
	for _, v := range vars {
		if ir.Width(v.Type) > 0 {
			ref := &ir.VarRef{Meta: ir.Meta{T: v.Type, P: v.Pos}, Var: v}
			c.pos = v.Pos
			c.scalar(ref, hexstr(new(big.Int), ir.Width(v.Type)))
		}
	}
}

// markWritten notes the variables that s writes.
func markWritten(s ir.Stmt, w map[*ir.Var]bool) {
	note := func(e ir.Expr) {
		for {
			switch y := e.(type) {
			case *ir.VarRef:
				w[y.Var] = true
				return
			case *ir.Slice:
				e = y.X
			case *ir.Member:
				e = y.X
			case *ir.Index:
				e = y.X
			default:
				return
			}
		}
	}
	switch s := s.(type) {
	case *ir.Assign:
		note(s.L)
	case *ir.ExternCall:
		if s.Dst != nil {
			note(s.Dst)
		}
		for i, d := range s.Dirs {
			if (d == ir.DirOut || d == ir.DirInOut) && s.Args[i] != nil {
				note(s.Args[i])
			}
		}
	}
}

// keyField is the field that a key is, if it is one.
func (x *exporter) keyField(e ir.Expr) (arr, bool) {
	if t := x.keyTemps[e]; t != nil {
		e = t
	}
	if v, is := e.(*ir.IsValid); is {
		if p := x.find(v.X); p != nil && p.kind == headerPlace {
			return arr{p.header, "$valid$"}, true
		}
		return nil, false
	}
	if p := x.find(e); p != nil && p.kind == scalarPlace {
		return arr{p.header, p.field}, true
	}
	return nil, false
}

// tableSize is how many entries a table holds.
func tableSize(t *ir.Table) int {
	if t.Size == 0 {
		return defaultSize
	}
	return t.Size
}

// table declares a table or hidden table.
func (x *exporter) table(n *gnode) obj {
	o := obj{{"name", n.name}, {"id", x.tableIDs}}
	x.tableIDs++
	if n.apply == nil {
		x.sourceInfo(&o, n.pos)
		return append(o, kv{"key", arr{}}, kv{"match_type", "exact"}, kv{"type", "simple"}, kv{"max_size", defaultSize},
			kv{"with_counters", false}, kv{"support_timeout", false}, kv{"direct_meters", nil},
			kv{"action_ids", arr{n.action}}, kv{"actions", arr{n.name[len("tbl_"):]}}, kv{"base_default_next", nodeName(n.next)},
			kv{"next_tables", obj{{n.name[len("tbl_"):], nodeName(n.next)}}},
			kv{"default_entry", obj{{"action_id", n.action}, {"action_const", true}, {"action_data", arr{}}, {"action_entry_const", true}}})
	}
	t := n.apply.Table
	typ := "simple"
	if t.Implementation != nil {
		typ = x.profile(t)
	}
	x.sourceInfo(&o, t.Pos)
	keys, kind := arr{}, ir.MatchExact
	for i, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue // input of the profile's hash
		}
		target, is := x.keyField(k.Expr)
		if !is {
			x.fail(k.Pos, "key "+k.Name, "it is no field")
		}
		if k.Kind == ir.MatchLPM && slices.ContainsFunc(t.Keys[:i], func(k ir.Key) bool { return k.Kind == ir.MatchLPM }) {
			x.fail(k.Pos, "table "+t.Name, "it has two lpm keys; the tables of bmv2 have one")
		}
		ko := obj{{"match_type", jsonMatch(k.Kind)}, {"name", k.Name}, {"target", target}, {"mask", nil}}
		keys = append(keys, ko)
		kind = stronger(kind, k.Kind)
	}
	var meters any
	if t.Meters != nil {
		meters = t.Meters.Name
		x.bound[t.Meters] = t
	}
	if t.Counters != nil {
		x.bound[t.Counters] = t
	}
	ids, names, nexts := arr{}, arr{}, obj{}
	seen := map[string]*gnode{}
	for i, a := range t.Actions {
		name := passes.ControlName(a.Action)
		ids, names = append(ids, x.actionOf(a.Action)), append(names, name)
		if n.byHit {
			continue
		}
		to := n.next
		if n.byRun != nil {
			to = n.byRun[i]
		}
		if old, twice := seen[name]; twice {
			if old.resolve() != to.resolve() {
				x.fail(t.Pos, "table "+t.Name, fmt.Sprintf("two actions are called %s and lead to different places", name))
			}
			continue
		}
		seen[name] = to
		nexts.add(name, nodeName(to))
	}
	if n.byHit {
		nexts = obj{{"__HIT__", nodeName(n.yes)}, {"__MISS__", nodeName(n.no)}}
	}
	o = append(o, kv{"key", keys}, kv{"match_type", jsonMatch(kind)}, kv{"type", typ})
	if t.Implementation != nil {
		o.add("action_profile", t.Implementation.Name)
	}
	o = append(o, kv{"max_size", tableSize(t)},
		kv{"with_counters", t.Counters != nil}, kv{"support_timeout", t.SupportTimeout}, kv{"direct_meters", meters},
		kv{"action_ids", ids}, kv{"actions", names}, kv{"base_default_next", nodeName(n.next)}, kv{"next_tables", nexts})
	// simple_switch has constant default actions and entries in simple tables alone.
	constant := t.ConstDefault && typ == "simple"
	o.add("default_entry", obj{{"action_id", x.actionIDs[t.Actions[t.DefaultAction].Action]}, {"action_const", constant},
		{"action_data", x.actionData(t, t.DefaultAction, t.DefaultArgs)}, {"action_entry_const", constant}})
	if t.ConstEntries && len(t.Entries) > 0 && typ != "simple" {
		x.fail(t.Pos, "table "+t.Name, "bmv2 JSON has no entries in tables with an action profile")
	}
	if t.ConstEntries && typ == "simple" {
		o.add("entries", x.entries(t))
	}
	return o
}

// jsonMatch is a match kind's name; optional is ternary (lang:J9).
func jsonMatch(k ir.MatchKind) string {
	if k == ir.MatchOptional {
		k = ir.MatchTernary
	}
	return k.String()
}

// stronger is the kind of a table with keys of both kinds.
func stronger(a, b ir.MatchKind) ir.MatchKind {
	rank := func(k ir.MatchKind) int {
		switch k {
		case ir.MatchRange:
			return 3
		case ir.MatchTernary, ir.MatchOptional:
			return 2
		case ir.MatchLPM:
			return 1
		}
		return 0
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func (x *exporter) actionData(t *ir.Table, action int, args []*big.Int) arr {
	data := arr{}
	for i, p := range t.Actions[action].Action.DataParams() {
		w := ir.Width(p.Type)
		data = append(data, hexText(new(big.Int).And(args[i], ones(w)), w))
	}
	return data
}

// entries are the entries of a const table. bmv2 prefers the lowest priority
// (lang:J15).
func (x *exporter) entries(t *ir.Table) arr {
	top := int32(0)
	for _, e := range t.Entries {
		top = max(top, e.Priority)
	}
	out := arr{}
	for _, e := range t.Entries {
		var o obj
		x.sourceInfo(&o, e.Pos)
		keys := arr{}
		for i, s := range e.Sets {
			keys = append(keys, x.matchKey(t.Keys[i], s, e.Pos))
		}
		o.add("match_key", keys)
		o.add("action_entry", obj{{"action_id", x.actionIDs[t.Actions[e.Action].Action]}, {"action_data", x.actionData(t, e.Action, e.Args)}})
		o.add("priority", int(top-e.Priority)+1)
		out = append(out, o)
	}
	return out
}

func (x *exporter) matchKey(k ir.Key, s ir.Set, pos ir.Pos) obj {
	w := ir.Width(k.Expr.Type())
	text := func(v *big.Int) string { return hexText(new(big.Int).And(v, ones(w)), w) }
	zero := new(big.Int)
	o := obj{{"match_type", jsonMatch(k.Kind)}}
	value, mask := s.Lo, ones(w)
	switch s.Kind {
	case ir.SetAny:
		value, mask = zero, zero
	case ir.SetMask:
		mask = new(big.Int).And(s.Hi, ones(w))
		value = new(big.Int).And(s.Lo, mask)
	}
	switch k.Kind {
	case ir.MatchExact:
		return append(o, kv{"key", text(s.Lo)})
	case ir.MatchLPM:
		n := 0
		for n < w && mask.Bit(w-1-n) == 1 {
			n++
		}
		return append(o, kv{"key", text(value)}, kv{"prefix_length", n})
	case ir.MatchTernary, ir.MatchOptional:
		return append(o, kv{"key", text(value)}, kv{"mask", text(mask)})
	case ir.MatchRange:
		lo, hi := s.Lo, s.Lo
		switch s.Kind {
		case ir.SetAny:
			lo, hi = zero, ones(w)
		case ir.SetRange:
			hi = s.Hi
		}
		return append(o, kv{"start", text(lo)}, kv{"end", text(hi)})
	}
	x.fail(pos, "key "+k.Name, "match kind "+k.Kind.String()+" has no entries")
	return nil
}
