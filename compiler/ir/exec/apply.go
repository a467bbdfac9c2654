package exec

import (
	"fmt"
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
	name := "table " + t.Name
	if t.Implementation != nil {
		k.fail(t.Pos, name, "implementation "+t.Implementation.Name+": action profiles and selectors are not supported")
	}
	if t.Meters != nil {
		k.fail(t.Pos, name, "direct meter "+t.Meters.Name+": meters are not supported")
	}
	if t.SupportTimeout {
		k.fail(t.Pos, name, "support_timeout: idle timeouts are not supported")
	}
	xs := k.keys(r)
	for i := range t.Actions {
		r.actions = append(r.actions, k.tableAction(t, &t.Actions[i]))
	}
	r.cells = map[uint32]*cell{}
	r.def = &entry{count: r.cell(0)}
	r.reset()
	k.fill(r)
	r.apply = k.apply(r, xs)
	return r
}

func (k *compiler) keys(r *table) []*xp {
	was := k.parser
	k.parser = false
	defer func() { k.parser = was }()
	r.ordered = r.t.NeedsPriority()
	var xs []*xp
	for i, key := range r.t.Keys {
		x := k.expr(key.Expr)
		w := ir.Width(x.t)
		switch key.Kind {
		case ir.MatchSelector:
			k.fail(key.Pos, "key "+key.Name+" of table "+r.t.Name, "match kind selector needs an action selector, which is not supported")
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
	return xs
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
func (k *compiler) apply(t *table, xs []*xp) func(*ctx) (status, bool, int) {
	key := k.alloc(t.slots)
	scratch := k.alloc(t.slots)
	n := t.slots
	ph, pm := k.point("hit", t.t.Name, t.t.Pos), k.point("miss", t.t.Name, t.t.Pos)
	pos := t.t.Pos
	return func(c *ctx) (status, bool, int) {
		kv := c.mem[key : key+n]
		for i, x := range xs {
			f := &t.keys[i]
			x.into(c, kv[f.at:f.at+f.n])
		}
		if c.pend != next {
			return c.pending(), false, 0
		}
		t.mu.RLock()
		e := t.lookup(kv, c.mem[scratch:scratch+n])
		t.mu.RUnlock()
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
		d := e.act.Load()
		a := &t.actions[d.action]
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
				return st, hit, d.action
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
		return st, hit, d.action
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
