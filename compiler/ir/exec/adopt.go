package exec

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Load replaces the content of a table: entries in order, and the default action.
func (m *Machine) Load(table int, entries []ir.Entry, def ir.Entry) error {
	if err := m.Clear(table); err != nil {
		return err
	}
	for _, e := range entries {
		if err := m.Insert(table, e); err != nil {
			return err
		}
	}
	return m.SetDefault(table, def)
}

// AdoptState makes m count and store where old does, for what both have by name
// and shape (D1, D7): direct counters of tables, counters and registers. From
// then on they share it, so that nothing is lost while packets move from one to
// the other. Call it before m runs packets; handles must mean the same entries
// in both.
func (m *Machine) AdoptState(old *Machine) {
	before := map[string]*table{}
	for _, t := range old.tables {
		if t.counted {
			before[t.t.Name] = t
		}
	}
	for _, t := range m.tables {
		if o := before[t.t.Name]; t.counted && o != nil {
			t.adopt(o)
		}
	}
	for _, i := range m.insts {
		o, err := old.instanceByName(i.name, i.kind)
		if err == nil && o.size == i.size && slices.Equal(o.leaves, i.leaves) && (o.sparse == nil) == (i.sparse == nil) {
			i.instanceState = o.instanceState
			i.adoptObjects(o)
		}
	}
}

// adoptObjects shares sessions, what was learnt and pools of ports of one shape.
func (i *instance) adoptObjects(o *instance) {
	if s := i.sessions; s != nil && s.keys == o.sessions.keys && s.state == o.sessions.state {
		s.sessionTable = o.sessions.sessionTable
	}
	if l := i.learnt; l != nil && l.keys == o.learnt.keys && l.values == o.learnt.values {
		l.learnState = o.learnt.learnState
	}
	if p := i.pool; p != nil && p.first == o.pool.first && p.last == o.pool.last {
		i.pool.portState = o.pool.portState
	}
}

// adopt takes over the cells of o.
func (t *table) adopt(o *table) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for handle, c := range o.cells.all() {
		t.cells.set(handle, c)
		switch e := t.byHandle.get(handle); {
		case handle == 0:
			t.def.count = c
		case e != nil:
			e.count = c
		}
	}
}
