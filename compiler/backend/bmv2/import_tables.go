package bmv2

import (
	"fmt"
	"math/big"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// known tells whether P4Info has a table.
func (im *importer) known(name string) bool { return im.tableInfo(name) != nil }

func (im *importer) tableInfo(name string) *p4configv1.Table {
	for _, t := range im.info.GetTables() {
		if t.GetPreamble().GetName() == name {
			return t
		}
	}
	return nil
}

// declareTable reads a table.
func (im *importer) declareTable(fn *flowNode, n node) *ir.Table {
	t := &ir.Table{Name: fn.name, Pos: fn.pos, Size: n.get("max_size").integer(0, 1<<31-1)}
	info := im.tableInfo(t.Name)
	switch k := n.get("type").str(); k {
	case "simple":
	case "indirect", "indirect_ws":
		t.Implementation = im.objects["action_profile "+n.get("action_profile").str()]
		if t.Implementation == nil {
			n.get("action_profile").fail("table "+t.Name, "there is no action profile %s", n.get("action_profile").str())
		}
	default:
		n.get("type").fail("table "+t.Name, "its type %q is not known", k)
	}
	if m := n.get("direct_meters"); !m.null() {
		if im.meter = im.metered[t.Name]; im.meter == nil {
			m.fail("table "+t.Name, "no meter_array is bound to it")
		}
		t.Meters = im.meter.i
		defer func() { im.meter = nil }()
	}
	t.SupportTimeout = n.get("support_timeout").flag(false)
	if c := im.direct[t.Name]; c != nil {
		t.Counters = c
	} else if n.get("with_counters").flag(false) {
		n.fail("table "+t.Name, "it has counters, and no counter_array is bound to it")
	}
	for i, k := range n.get("key").list() {
		t.Keys = append(t.Keys, im.key(k, i, info, t))
	}
	if t.Implementation != nil {
		t.Keys = append(t.Keys, im.selectorKeys(t.Implementation)...)
	}
	byID := map[int]int{}
	ids, names := n.get("action_ids").list(), n.get("actions").list()
	if len(ids) != len(names) {
		n.get("actions").fail("table "+t.Name, "actions and action_ids do not agree")
	}
	for i, id := range ids {
		byID[id.integer(0, 1<<30)] = i
		a := im.action(id)
		if names[i].str() != passes.ControlName(a) {
			n.get("actions").fail("table "+t.Name, "actions and action_ids do not agree")
		}
		ref := ir.ActionRef{Action: a}
		for _, r := range info.GetActionRefs() {
			if im.actionName(r.GetId()) == passes.ControlName(a) {
				ref.TableOnly = r.GetScope() == p4configv1.ActionRef_TABLE_ONLY
				ref.DefaultOnly = r.GetScope() == p4configv1.ActionRef_DEFAULT_ONLY
			}
		}
		t.Actions = append(t.Actions, ref)
	}
	if len(t.Actions) == 0 {
		n.fail("table "+t.Name, "it has no actions")
	}
	im.defaultEntry(n.get("default_entry"), t, byID)
	if n.has("entries") {
		t.HasEntries, t.ConstEntries = true, true
		im.entries(n.get("entries"), t, byID)
	}
	im.p.Tables = append(im.p.Tables, t)
	return t
}

func (im *importer) actionName(id uint32) string {
	for _, a := range im.info.GetActions() {
		if a.GetPreamble().GetId() == id {
			return a.GetPreamble().GetName()
		}
	}
	return ""
}

// key reads a key. What is optional is ternary in the JSON (lang:J9); P4Info
// tells.
func (im *importer) key(n node, i int, info *p4configv1.Table, t *ir.Table) ir.Key {
	k := ir.Key{Pos: t.Pos}
	target := n.get("target")
	kind := n.get("match_type").str()
	if kind == "valid" {
		k.Expr, kind = im.cast(&ir.IsValid{Meta: im.meta(&ir.Bool{}), X: im.header(target, target.str())}, &ir.Bit{W: 1}), "exact"
		k.Name = target.str() + ".$valid$"
	} else {
		k.Expr = im.asBits(im.field(target))
		p := target.tuple(2)
		k.Name = p[0].str() + "." + p[1].str()
	}
	if v, is := n.get("name").v.(string); is && v != "" {
		k.Name = v
	}
	for m := range ir.MatchOptional {
		if m.String() == kind {
			k.Kind = m
			kind = ""
		}
	}
	if kind != "" {
		n.get("match_type").fail("table "+t.Name, "match kind %q is not imported", kind)
	}
	if m := n.get("mask"); !m.null() {
		w := ir.Width(k.Expr.Type())
		if v := new(big.Int).And(m.hex(), ones(w)); v.Cmp(ones(w)) != 0 {
			k.Expr = im.binary(ir.And, &ir.Bit{W: w}, im.bits(k.Expr, w), im.num(v, w))
		}
	}
	if fields := info.GetMatchFields(); i < len(fields) {
		f := fields[i]
		k.Name = f.GetName()
		if f.GetMatchType() == p4configv1.MatchField_OPTIONAL && k.Kind == ir.MatchTernary {
			k.Kind = ir.MatchOptional
		}
	}
	return k
}

func (im *importer) defaultEntry(n node, t *ir.Table, byID map[int]int) {
	if n.null() { // no action at all
		for i, a := range t.Actions {
			if len(a.Action.DataParams()) == 0 {
				t.DefaultAction = i
				if len(a.Action.Body) == 0 {
					return
				}
			}
		}
		n.fail("table "+t.Name, "it has no default_entry and no action that does nothing")
	}
	t.DefaultAction, t.DefaultArgs = im.actionCall(n, t, byID)
	t.ConstDefault = n.get("action_const").flag(false)
	t.HasDefault = true
}

func (im *importer) actionCall(n node, t *ir.Table, byID map[int]int) (int, []*big.Int) {
	i, is := byID[n.get("action_id").integer(0, 1<<30)]
	if !is {
		n.get("action_id").fail("table "+t.Name, "the action is not in its list")
	}
	params := t.Actions[i].Action.DataParams()
	data := n.get("action_data").list()
	if len(data) != len(params) {
		n.get("action_data").fail("table "+t.Name, "action %s takes %d arguments, not %d", t.Actions[i].Action.Name, len(params), len(data))
	}
	args := make([]*big.Int, len(data))
	for j, d := range data {
		args[j] = d.hex()
		if w := ir.Width(params[j].Type); args[j].Sign() < 0 || args[j].BitLen() > w {
			d.fail("table "+t.Name, "the argument has more than %d bits", w)
		}
	}
	return i, args
}

// entries reads constant entries. The lowest priority wins in bmv2, the largest
// here (lang:J15).
func (im *importer) entries(n node, t *ir.Table, byID map[int]int) {
	top := 0
	for _, e := range n.list() {
		if p := e.get("priority"); !p.null() {
			top = max(top, p.integer(0, 1<<30))
		}
	}
	for _, e := range n.list() {
		im.pos = t.Pos
		im.position(e)
		c := ir.ConstEntry{Const: true, Pos: im.pos}
		if p := e.get("priority"); !p.null() && t.NeedsPriority() {
			c.Priority = int32(top - p.integer(0, 1<<30) + 1)
		}
		keys := e.get("match_key").list()
		if len(keys) != len(t.Keys) {
			e.get("match_key").fail("table "+t.Name, "an entry with %d fields, the key has %d", len(keys), len(t.Keys))
		}
		for i, k := range keys {
			c.Sets = append(c.Sets, matchSet(k, t.Keys[i], t))
		}
		c.Action, c.Args = im.actionCall(e.get("action_entry"), t, byID)
		t.Entries = append(t.Entries, c)
	}
}

func matchSet(n node, k ir.Key, t *ir.Table) ir.Set {
	w := ir.Width(k.Expr.Type())
	value := func(key string) *big.Int {
		if b, is := n.get(key).v.(bool); is { // of a valid key
			return big64(map[bool]int64{true: 1}[b])
		}
		v := n.get(key).hex()
		if v.Sign() < 0 || v.BitLen() > w {
			n.get(key).fail("table "+t.Name, "the value has more than the %d bits of key %s", w, k.Name)
		}
		if signed(k.Expr.Type()) && v.Bit(w-1) == 1 {
			v = new(big.Int).Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
		}
		return v
	}
	masked := func(m *big.Int) ir.Set {
		switch {
		case m.Sign() == 0:
			return ir.Set{Kind: ir.SetAny}
		case m.Cmp(ones(w)) == 0:
			return ir.Set{Kind: ir.SetValue, Lo: value("key")}
		case k.Kind == ir.MatchOptional:
			n.fail("table "+t.Name, "key %s is optional: its mask must be all or nothing", k.Name)
		}
		return ir.Set{Kind: ir.SetMask, Lo: value("key"), Hi: m}
	}
	switch k.Kind {
	case ir.MatchLPM:
		l := n.get("prefix_length").integer(0, w)
		return masked(new(big.Int).Lsh(ones(l), uint(w-l)))
	case ir.MatchTernary, ir.MatchOptional:
		return masked(new(big.Int).And(n.get("mask").hex(), ones(w)))
	case ir.MatchRange:
		return ir.Set{Kind: ir.SetRange, Lo: value("start"), Hi: value("end")}
	}
	return ir.Set{Kind: ir.SetValue, Lo: value("key")}
}

// agree compares tables and actions with P4Info: the first difference ends the
// import (D5).
func (im *importer) agree() {
	at := func(what, name string) node { return node{path: what + " " + name} }
	for _, ti := range im.info.GetTables() {
		name := ti.GetPreamble().GetName()
		n := at("p4info: table", name)
		t := im.p.Table(name)
		if t == nil {
			t = im.absent(n, ti)
		}
		keys := slices.DeleteFunc(slices.Clone(t.Keys), func(k ir.Key) bool { return k.Kind == ir.MatchSelector })
		if len(ti.GetMatchFields()) != len(keys) {
			n.fail("P4Info", "it has %d match fields, the JSON %d", len(ti.GetMatchFields()), len(keys))
		}
		for i, f := range ti.GetMatchFields() {
			k := keys[i]
			if w := ir.Width(k.Expr.Type()); f.GetBitwidth() != 0 && int(f.GetBitwidth()) != w {
				n.fail("P4Info", "match field %s has %d bits, in the JSON %d", f.GetName(), f.GetBitwidth(), w)
			}
			if want := infoKind(f.GetMatchType()); want != k.Kind.String() {
				n.fail("P4Info", "match field %s is %s, in the JSON %s", f.GetName(), want, k.Kind)
			}
		}
		if len(ti.GetActionRefs()) != len(t.Actions) {
			n.fail("P4Info", "it has %d actions, in the JSON %d", len(ti.GetActionRefs()), len(t.Actions))
		}
		for _, r := range ti.GetActionRefs() {
			im.agreeAction(n, t, im.actionName(r.GetId()))
		}
	}
	for _, c := range im.info.GetCounters() {
		if n := c.GetPreamble().GetName(); im.objects["counter_array "+n] == nil && im.objects["extern "+n] == nil {
			at("p4info: counter", c.GetPreamble().GetName()).fail("P4Info", "the JSON has no such counter")
		}
	}
	for _, r := range im.info.GetRegisters() {
		if im.objects["register_array "+r.GetPreamble().GetName()] == nil {
			at("p4info: register", r.GetPreamble().GetName()).fail("P4Info", "the JSON has no such register")
		}
	}
}

// absent declares a table that P4Info has and the JSON has not: p4c makes P4Info
// before it removes what no packet reaches. No packet applies it.
func (im *importer) absent(n node, ti *p4configv1.Table) *ir.Table {
	t := &ir.Table{Name: ti.GetPreamble().GetName(), Size: int(ti.GetSize())}
	for _, f := range ti.GetMatchFields() {
		k := ir.Key{Name: f.GetName()}
		found := false
		for m := range ir.MatchSelector {
			if m.String() == infoKind(f.GetMatchType()) {
				k.Kind, found = m, true
			}
		}
		if !found || f.GetBitwidth() < 1 || f.GetBitwidth() > maxBits {
			n.fail("P4Info", "the JSON has no such table, and match field %s cannot be made from P4Info alone", f.GetName())
		}
		k.Expr = im.num(new(big.Int), int(f.GetBitwidth()))
		t.Keys = append(t.Keys, k)
	}
	for _, r := range ti.GetActionRefs() {
		name := im.actionName(r.GetId())
		ref := ir.ActionRef{Action: im.unusedAction(n, name), TableOnly: r.GetScope() == p4configv1.ActionRef_TABLE_ONLY, DefaultOnly: r.GetScope() == p4configv1.ActionRef_DEFAULT_ONLY}
		t.Actions = append(t.Actions, ref)
	}
	// What is default is of no consequence; one without parameters is preferred.
	rank := func(r ir.ActionRef) int {
		n := len(r.Action.DataParams())
		if r.TableOnly {
			n += 1 << 16
		}
		return n
	}
	for i, r := range t.Actions {
		if rank(r) < rank(t.Actions[t.DefaultAction]) {
			t.DefaultAction = i
		}
	}
	if len(t.Actions) == 0 || t.Actions[t.DefaultAction].TableOnly {
		n.fail("P4Info", "the JSON has no such table, and it has no action that can be its default")
	}
	for range t.Actions[t.DefaultAction].Action.DataParams() {
		t.DefaultArgs = append(t.DefaultArgs, new(big.Int))
	}
	im.p.Tables = append(im.p.Tables, t)
	return t
}

// unusedAction is an action by name, for a table that is not applied.
func (im *importer) unusedAction(n node, name string) *ir.Action {
	for _, a := range im.info.GetActions() {
		if a.GetPreamble().GetName() != name {
			continue
		}
		full := name
		for i := 1; im.names["action "+full]; i++ {
			full = fmt.Sprintf("%s$%d", name, i)
		}
		im.names["action "+full] = true
		act := &ir.Action{Name: full}
		for _, p := range a.GetParams() {
			if p.GetBitwidth() < 1 || p.GetBitwidth() > maxBits {
				n.fail("P4Info", "the JSON has no such table, and parameter %s of action %s has no width", p.GetName(), name)
			}
			act.Params = append(act.Params, &ir.Var{Name: p.GetName(), Type: &ir.Bit{W: int(p.GetBitwidth())}})
		}
		im.p.Actions = append(im.p.Actions, act)
		return act
	}
	n.fail("P4Info", "it refers to an action that it does not have")
	return nil
}

func (im *importer) agreeAction(n node, t *ir.Table, name string) {
	for _, ref := range t.Actions {
		if passes.ControlName(ref.Action) != name {
			continue
		}
		for _, a := range im.info.GetActions() {
			if a.GetPreamble().GetName() != name {
				continue
			}
			ps := ref.Action.DataParams()
			if len(a.GetParams()) != len(ps) {
				n.fail("P4Info", "action %s has %d parameters, in the JSON %d", name, len(a.GetParams()), len(ps))
			}
			for i, p := range a.GetParams() {
				if w := ir.Width(ps[i].Type); p.GetBitwidth() != 0 && int(p.GetBitwidth()) != w {
					n.fail("P4Info", "parameter %s of action %s has %d bits, in the JSON %d", p.GetName(), name, p.GetBitwidth(), w)
				}
			}
		}
		return
	}
	n.fail("P4Info", "it has action %s, the JSON has not", name)
}

func infoKind(m p4configv1.MatchField_MatchType) string {
	switch m {
	case p4configv1.MatchField_EXACT:
		return "exact"
	case p4configv1.MatchField_LPM:
		return "lpm"
	case p4configv1.MatchField_TERNARY:
		return "ternary"
	case p4configv1.MatchField_RANGE:
		return "range"
	case p4configv1.MatchField_OPTIONAL:
		return "optional"
	}
	return "of another kind"
}
