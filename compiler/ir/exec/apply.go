package exec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// table compiles a table: once, on its first use.
func (k *compiler) table(t *ir.Table) *table {
	if r, ok := k.tables[t]; ok {
		return r
	}
	r := &table{t: t, lpm: -1, counted: t.Counters != nil}
	k.tables[t] = r
	r.aging, r.now = t.SupportTimeout, k.m.opts.Now
	if t.Implementation != nil {
		k.implement(r)
	}
	if t.Meters != nil {
		if r.meter = k.m.insts[t.Meters]; r.meter.kind != "direct_meter" {
			k.fail(t.Pos, "table "+t.Name, t.Meters.Name+" is no direct meter")
		}
	}
	k.learns(r)
	xs, selectors := k.keys(r)
	for i := range t.Actions {
		r.actions = append(r.actions, k.tableAction(t, &t.Actions[i]))
	}
	r.emptyGroup = k.emptyGroup(r)
	r.def = &entry{count: r.cell(0)}
	r.reset()
	k.fill(r)
	r.apply = k.apply(r, xs, k.chooser(r, selectors))
	return r
}

// emptyGroup is what psa_empty_group_action or pna_empty_group_action calls: the
// action of the table that a group without members runs; nil runs none. The name of
// the action comes first, then its arguments.
func (k *compiler) emptyGroup(r *table) *actionData {
	at := -1
	var args [][]byte
	for _, p := range r.t.Props {
		if !strings.HasSuffix(p.Name, "_empty_group_action") {
			continue
		}
		name, is := p.Expr.(*ir.StringLit)
		if is {
			at = slices.IndexFunc(r.actions, func(a tableAction) bool { return a.name == name.Val })
		}
		if at < 0 {
			k.fail(r.t.Pos, "table "+r.t.Name, "its "+p.Name+" is none of its actions")
		}
		if v := constVal(p.Expr); v != nil && len(args) < len(r.actions[at].params) {
			args = append(args, ir.MachineBytes(v, r.actions[at].params[len(args)].w))
		}
	}
	if at < 0 {
		return nil
	}
	d, err := actionArgs(r.actions, at, args)
	if err != nil {
		k.fail(r.t.Pos, "table "+r.t.Name, "its action for an empty group: "+err.Error())
	}
	return d
}

// keys compiles the keys that are matched and those that feed a selector's hash.
func (k *compiler) keys(r *table) (xs, selectors []*xp) {
	was := k.parser
	k.parser = false
	defer func() { k.parser = was }()
	r.ordered = r.t.NeedsPriority()
	for i, key := range r.t.Keys {
		x := k.expr(key.Expr)
		w := ir.Width(x.t)
		switch key.Kind {
		case ir.MatchSelector:
			if r.profile == nil || !r.profile.selector {
				k.fail(key.Pos, "key "+key.Name+" of table "+r.t.Name, "match kind selector needs an action selector as the table's implementation")
			}
			r.keys = append(r.keys, keyField{name: key.Name, kind: key.Kind, w: w, at: r.slots})
			selectors = append(selectors, x)
			continue
		case ir.MatchLPM:
			if r.lpm >= 0 {
				k.fail(key.Pos, "key "+key.Name+" of table "+r.t.Name, "a second lpm key")
			}
			r.lpm = i
		}
		r.keys = append(r.keys, keyField{name: key.Name, kind: key.Kind, w: w, at: r.slots, n: x.n, signed: isSigned(x.t)})
		r.slots += x.n
		xs = append(xs, x)
	}
	return xs, selectors
}

// fill installs what the program writes into the table.
func (k *compiler) fill(r *table) {
	es, def, err := r.t.Initial()
	if err == nil {
		var d *actionData
		if d, err = r.data(def); err == nil {
			r.def.act.Store(d)
		}
	}
	if err != nil {
		k.fail(r.t.Pos, "table "+r.t.Name, err.Error())
	}
	m := &Machine{tables: []*table{r}}
	for i, e := range es {
		if err := m.Insert(0, e); err != nil {
			k.fail(r.t.Entries[i].Pos, "entry of table "+r.t.Name, err.Error())
		}
	}
}

func (k *compiler) tableAction(t *ir.Table, ref *ir.ActionRef) tableAction {
	a := ref.Action
	rt := k.action(a)
	r := tableAction{name: a.Name, pos: a.Pos, body: rt.body}
	if len(ref.Bound) > 0 {
		dirs := make([]ir.Dir, len(ref.Bound))
		for i := range ref.Bound {
			dirs[i] = a.Params[i].Dir
		}
		in, out := k.copies(a.Params[:len(ref.Bound)], ref.Bound, dirs)
		r.bind, r.unbind = in, out
	}
	for _, p := range a.DataParams() {
		r.params = append(r.params, param{p.Name, ir.Width(p.Type), k.varAddr(p), k.lay.slots(p.Type)})
	}
	return r
}

// apply compiles the look-up and the action of a table.
func (k *compiler) apply(t *table, xs []*xp, choose func(*ctx) uint64) func(*ctx) (status, bool, int) {
	key := k.alloc(t.slots)
	t.keyAt = key
	learning := t.expires || t.aging || k.p.Arch == "pna"
	scratch := k.alloc(t.slots)
	n := t.slots
	ph, pm := k.point("hit", t.t.Name, t.t.Pos), k.point("miss", t.t.Name, t.t.Pos)
	pos := t.t.Pos
	var fields []keyField // that xs fill
	for _, f := range t.keys {
		if f.kind != ir.MatchSelector {
			fields = append(fields, f)
		}
	}
	colour, entryAt := -1, -1
	switch {
	case t.meter == nil:
	case t.t.Meters.Type.Name == "DirectMeter":
		entryAt = k.entryOf(t.meter)
	default:
		colour = k.colourOf(t.meter)
	}
	countAt := -1
	if t.counted {
		if i := k.m.insts[t.t.Counters]; i.atCall {
			countAt = i.colour
		}
	}
	return func(c *ctx) (status, bool, int) {
		kv := c.mem[key : key+n]
		for i, x := range xs {
			f := &fields[i]
			x.into(c, kv[f.at:f.at+f.n])
		}
		if c.pend != next {
			return c.pending(), false, 0
		}
		t.mu.RLock()
		e := t.lookup(kv, c.mem[scratch:scratch+n])
		t.mu.RUnlock()
		if e != nil && t.expires && e.expired(c.now) {
			_ = t.remove(e.handle) // whoever removes it first
			e = nil
		}
		hit := e != nil
		if hit {
			c.hitPoint(ph)
		} else {
			c.hitPoint(pm)
			e = t.def
		}
		if t.counted {
			p, b := c.counts()
			e.count.packets.Add(p)
			e.count.bytes.Add(b)
		}
		if countAt >= 0 {
			c.hits[countAt] = e
		}
		if colour >= 0 {
			t.mark(c, e, hit, colour)
		}
		if entryAt >= 0 {
			c.hits[entryAt] = nil
			if hit {
				c.hits[entryAt] = e
			}
		}
		if e.age != nil && !t.expires {
			e.age.lastHit.Store(c.now)
		}
		if learning {
			c.pna.missed, c.pna.hit = t, nil
			if hit {
				c.pna.missed = nil
				// Where packets add entries those of the control plane stay until it deletes them.
				if !t.addOnMiss || e.handle >= firstLearned {
					c.pna.hit = e
				}
			}
		}
		d := e.act.Load()
		action := d.action
		if d.via != nil {
			via := d.via
			if d = via.pick(c, choose); d != nil {
				action = t.fromProfile[d.action]
			} else { // an empty group
				if c.tracing {
					c.event("table", t.t.Name, fmt.Sprintf("hit %d key %s, group %d is empty", e.handle, t.hexKey(kv), via.g.id), pos)
				}
				if d = t.emptyGroup; d == nil {
					return next, hit, -1
				}
				action = d.action
			}
		}
		a := &t.actions[action]
		if c.tracing {
			word := "miss"
			if hit {
				word = fmt.Sprintf("hit %d", e.handle)
			}
			c.event("table", t.t.Name, word+" key "+t.hexKey(kv), pos)
			args := ""
			for i, p := range a.params {
				args += fmt.Sprintf(" %s=%s", p.name, hexValue(d.args[i], p.w))
			}
			c.event("action", a.name, strings.TrimSpace(args), a.pos)
		}
		if a.bind != nil {
			if st := a.bind(c); st != next {
				return st, hit, action
			}
		}
		for i := range a.params {
			p := &a.params[i]
			copy(c.mem[p.addr:p.addr+p.n], d.args[i])
		}
		st := a.body(c)
		if a.unbind != nil {
			a.unbind(c)
		}
		return st, hit, action
	}
}

// mark runs the direct meter of an entry; colour is the slot for what it says.
func (t *table) mark(c *ctx, e *entry, hit bool, colour int) {
	c.mem[colour] = 0
	if hit {
		v := e.meter.execute(c.now, t.meter.amount(c), ir.Green)
		c.mem[colour] = v + 1
		c.meterEvent(t.meter.name, uint64(e.handle), v, t.t.Pos)
	}
}

func (k *compiler) applyTable(s *ir.ApplyTable) stmt {
	t := k.table(s.Table)
	hit, run := -1, -1
	if s.Hit != nil {
		hit = k.varAddr(s.Hit)
	}
	if s.Run != nil {
		run = k.varAddr(s.Run)
	}
	return func(c *ctx) status {
		st, h, r := t.apply(c)
		if hit >= 0 {
			c.mem[hit] = b2u(h)
		}
		if run >= 0 {
			c.mem[run] = uint64(r)
		}
		return st
	}
}
