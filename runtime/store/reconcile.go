package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// reconcile builds the tables of pl with everything that the control plane wrote
// into the live ones (D1). The error is an *entity.Error around a *LossError.
func (s *Store) reconcile(pl *Pipeline, birth *uint64) (out []*table, objs objects, rebase []handleID, err error) {
	out = make([]*table, len(pl.Schema.Tables))
	objs, lost := s.carryObjects(pl)
	for i, ts := range pl.Schema.Tables {
		var old *table
		if o := s.pipe.Schema.Table(ts.Name); o != nil {
			old = s.tables[o.Index]
		}
		c, err := carry(old, ts, birth)
		if err != nil {
			return nil, nil, nil, err
		}
		out[i] = c.t
		lost = append(lost, c.lost...)
		for _, h := range c.rebase {
			rebase = append(rebase, handleID{i, h})
		}
	}
	for _, t := range s.tables {
		if pl.Schema.Table(t.schema.Name) != nil {
			continue
		}
		if n := written(t); n > 0 {
			lost = append(lost, fmt.Sprintf("table %s: the new program has none, %d entries", t.schema.Name, n))
		}
		if t.def.Is(entity.Changed) {
			lost = append(lost, fmt.Sprintf("table %s: the new program has none, its default action %s", t.schema.Name, t.schema.Actions[t.def.Action].Name))
		}
	}
	if lost != nil {
		err := &LossError{Lost: lost}
		return nil, nil, nil, &entity.Error{Reason: entity.Invalid, Msg: err.Error(), Err: err}
	}
	return out, objs, rebase, nil
}

// written counts the entries that the control plane wrote.
func written(t *table) int {
	n := 0
	for e := range t.each {
		if !e.Is(entity.Initial) {
			n++
		}
	}
	return n
}

// sameShape tells whether a table's direct counters are kept when its program
// is replaced: the rule of dataplane.Config.KeepState.
func sameShape(a, b *entity.Table) bool {
	return a.Size == b.Size && (a.Counter == "") == (b.Counter == "")
}

// carry builds one table from the program's own entries and what old (nil: the
// table is new) holds of the control plane's.
func carry(old *table, ts *entity.Table, birth *uint64) (*carrier, error) {
	def, err := ts.Default()
	if err != nil {
		return nil, err
	}
	initial, err := ts.InitialEntries()
	if err != nil {
		return nil, err
	}
	c := &carrier{t: newTable(ts, def), old: old, birth: birth, own: map[string]*entity.Entry{}}
	if old == nil {
		for _, e := range initial {
			c.t.adopt(e, birth)
		}
		return c, nil
	}
	if sameShape(old.schema, ts) {
		// Handles stay, and with them the knowledge which cells were ever used.
		c.keepHandles = true
		c.t.free.fresh = old.free.fresh
	}
	if err := c.mapTable(); err != nil {
		if n := written(old); n > 0 {
			c.lose("%v, %d entries", err, n)
		}
		for _, e := range initial {
			c.add(e, nil)
		}
	} else if err := c.entries(initial); err != nil {
		return nil, err
	}
	c.setDefault()
	c.finish()
	return c, nil
}

type carrier struct {
	t           *table
	old         *table
	birth       *uint64
	keepHandles bool
	actions     []int                    // old action -> new, -1 = none that is the same
	fields      []int                    // new field -> old
	own         map[string]*entity.Entry // the new program's entries by index key
	order       []*entity.Entry          // to insert
	lost        []string
	rebase      []uint32 // handles of new entries whose counters somebody else used
}

func (c *carrier) lose(format string, args ...any) {
	c.lost = append(c.lost, "table "+c.t.schema.Name+": "+fmt.Sprintf(format, args...))
}

// mapTable compares keys and actions. The error says how the key differs.
func (c *carrier) mapTable() error {
	o, n := c.old.schema, c.t.schema
	c.actions = make([]int, len(o.Actions))
	for i, a := range o.Actions {
		c.actions[i] = -1
		if b := n.Action(a.Name); b != nil && slices.EqualFunc(a.Params, b.Params, sameParam) {
			c.actions[i] = b.Index
		}
	}
	var err error
	c.fields, err = entity.MapFields(o, n)
	return err
}

func sameParam(a, b entity.Param) bool {
	return a.Name == b.Name && a.Width == b.Width && a.Signed == b.Signed
}

// entries carries the old table's over.
func (c *carrier) entries(initial []*entity.Entry) error {
	o, n := c.old.schema, c.t.schema
	was := map[string]bool{} // keys of the old program's own entries, in the new form
	before, err := o.InitialEntries()
	if err != nil {
		return err
	}
	for _, e := range before {
		was[entity.IndexKey(n.Rekey(o, c.fields, e.Key), e.Priority)] = true
	}
	for _, e := range initial {
		c.own[entity.IndexKey(e.Key, e.Priority)] = e
	}
	present := map[string]bool{} // of those that the new program has
	for e := range c.old.inOrder {
		key := n.Rekey(o, c.fields, e.Key)
		id := entity.IndexKey(key, e.Priority)
		mine := c.own[id]
		name := func() string { return o.FormatKey(e.Key, e.Priority) }
		if mine != nil {
			present[id] = true
		}
		if e.Is(entity.Initial) {
			if m := meterOf(e); mine != nil && m != nil {
				if n.Meter == "" {
					c.lose("entry %s: the table has no direct meter now", name())
				}
				mine.Extra = withMeter(mine.Extra, m)
			}
			if mine != nil {
				c.add(mine, e)
			}
			continue
		}
		act, refers := -1, int(e.Action) >= len(o.Actions)
		if !refers {
			act = c.actions[e.Action]
		}
		switch {
		case n.Const || mine != nil && mine.Is(entity.Const):
			c.lose("entry %s is const in the new program", name())
		case meterOf(e) != nil && n.Meter == "":
			c.lose("entry %s: the table has no direct meter now", name())
		case timeoutOf(e) != 0 && !n.IdleTimeout:
			c.lose("entry %s: the table has no idle timeout now", name())
		case refers && n.Profile != o.Profile:
			c.lose("entry %s: its implementation was %s and is %s", name(), o.Profile, cmp.Or(n.Profile, "none"))
		case refers:
			k := *e
			k.Key, k.Action = key, uint16(int(e.Action)-len(o.Actions)+len(n.Actions))
			if err := carrySet(&k, o.Implementation, n.Implementation); err != nil {
				c.lose("entry %s: %v", name(), err)
				continue
			}
			c.add(&k, e)
		case n.Profile != "" && o.Profile == "":
			c.lose("entry %s: the table is implemented by %s now", name(), n.Profile)
		case act < 0:
			c.lose("entry %s: the new program has no action %s with the same parameters", name(), o.Actions[e.Action].Name)
		case n.Actions[act].DefaultOnly:
			c.lose("entry %s: action %s is only for the default now", name(), n.Actions[act].Name)
		default:
			k := *e
			k.Key, k.Action = key, uint16(act)
			c.add(&k, e)
		}
	}
	for _, e := range initial {
		id := entity.IndexKey(e.Key, e.Priority)
		// What a client deleted of the old program's entries stays deleted.
		if !present[id] && (e.Is(entity.Const) || !was[id]) {
			c.add(e, nil)
		}
	}
	return nil
}

// add notes an entry of the new table; from is the old one whose place it takes.
func (c *carrier) add(e, from *entity.Entry) {
	e.Handle = 0
	if from != nil {
		e.Birth = from.Birth
		e.Base = entity.Counter{}
		if c.keepHandles {
			e.Handle, e.Base = from.Handle, from.Base
		}
	}
	c.order = append(c.order, e)
}

// setDefault keeps a default action that the control plane wrote.
func (c *carrier) setDefault() {
	d := c.old.def
	n := c.t.schema
	if c.keepHandles {
		c.t.def.Base = d.Base
	}
	if !d.Is(entity.Changed) {
		return
	}
	name := c.old.schema.Actions[d.Action].Name
	act := -1
	if b := n.Action(name); b != nil && slices.EqualFunc(c.old.schema.Actions[d.Action].Params, b.Params, sameParam) {
		act = b.Index
	}
	switch {
	case act < 0:
		c.lose("default action %s: the new program has none with the same parameters", name)
	case n.ConstDefault && (act != int(c.t.def.Action) || d.Args != c.t.def.Args):
		c.lose("default action %s: it is const in the new program", name)
	case n.ConstDefault: // the same
	case n.Actions[act].TableOnly:
		c.lose("default action %s: it is only for entries now", name)
	default:
		k := *d
		k.Action, k.Base = uint16(act), c.t.def.Base
		c.t.def = &k
	}
}

// finish inserts what was noted: first what keeps its handle, then the others.
func (c *carrier) finish() {
	t := c.t
	if len(c.order) > t.schema.Size {
		c.lose("%d entries, its size is %d now", len(c.order), t.schema.Size)
	}
	if c.lost != nil {
		return
	}
	for _, e := range c.order {
		if e.Handle != 0 {
			t.add(e)
		}
	}
	t.rebuild()
	// Handles of entries that go away with the old generation are free at once:
	// the new generation's packets never saw them. But their counters live on.
	var bare []*entity.Entry
	for _, e := range c.order {
		if e.Handle == 0 {
			bare = append(bare, e)
		}
	}
	for _, e := range bare {
		var used bool
		if e.Handle, used, _ = t.free.take(); used && c.keepHandles && t.schema.Counter != "" {
			c.rebase = append(c.rebase, e.Handle)
		}
		if e.Birth == 0 {
			*c.birth++
			e.Birth = *c.birth
		}
		t.add(e)
	}
}

// keptCells are the bases of indirect counters that exist in both programs with
// the same type and size.
func keptCells(old map[string]*cells, from, to *ir.Program) map[string]*cells {
	out := map[string]*cells{}
	for _, name := range sortedKeys(old) {
		a, b := instance(from, name), instance(to, name)
		if a != nil && b != nil && a.Type.String() == b.Type.String() && slices.EqualFunc(a.Args, b.Args, sameArg) {
			out[name] = old[name]
		}
	}
	return out
}

func instance(p *ir.Program, name string) *ir.Instance {
	for _, in := range p.Instances {
		if in.Name == name {
			return in
		}
	}
	return nil
}

func sameArg(a, b ir.Expr) bool {
	x, ok := a.(*ir.Const)
	y, ok2 := b.(*ir.Const)
	return ok && ok2 && x.Val.Cmp(y.Val) == 0
}
