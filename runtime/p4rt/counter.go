package p4rt

import (
	"math"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// directCounter decodes a write of a direct counter (p4rt:C6, C7).
func (b *binding) directCounter(typ p4v1.Update_Type, d *p4v1.DirectCounterEntry) (u entity.Update, skip bool, err error) {
	if typ != p4v1.Update_MODIFY {
		return u, false, invalid("a direct counter can only be modified, not %s", typ)
	}
	if d.GetTableEntry() == nil {
		return u, false, invalid("direct_counter_entry.table_entry is not set")
	}
	t, err := b.find(d.GetTableEntry().GetTableId())
	if err != nil {
		return u, false, err
	}
	if u, err = t.directTarget(d.GetTableEntry()); err == nil {
		u.Counter, err = counter(d.GetData())
	}
	if err != nil {
		return u, false, within(err, "table %s", t.Name)
	}
	if u.Counter == nil && u.Kind == entity.SetDefaultCounter {
		return u, true, nil // the default entry is always there, and data unset changes nothing (C4)
	}
	return u, false, nil
}

// directTarget names the entry that a direct counter belongs to.
func (t *tableInfo) directTarget(te *p4v1.TableEntry) (u entity.Update, err error) {
	u.Table = t.Index
	if t.Counter == "" {
		return u, invalid("it has no direct counter")
	}
	if te.GetIsDefaultAction() {
		if len(te.GetMatch()) > 0 || te.GetPriority() != 0 {
			return u, invalid("is_default_action with match fields or priority")
		}
		u.Kind = entity.SetDefaultCounter
		return u, nil
	}
	u.Kind = entity.SetCounter
	if len(t.Fields) == 0 {
		return u, invalid("it has no key: only the default entry, is_default_action, has a counter")
	}
	if u.Key, err = t.key(te.GetMatch()); err != nil {
		return u, err
	}
	u.Priority, err = t.priority(te.GetPriority())
	return u, err
}

// counterCells decodes a write of an indirect counter (p4rt:C1-C4).
func (b *binding) counterCells(typ p4v1.Update_Type, c *p4v1.CounterEntry) (u entity.Update, skip bool, err error) {
	if typ != p4v1.Update_MODIFY {
		return u, false, invalid("a counter can only be modified, not %s", typ)
	}
	ci, err := b.findCounter(c.GetCounterId())
	if err != nil {
		return u, false, err
	}
	u = entity.Update{Kind: entity.SetCells, Instance: ci.name}
	if u.Index, u.Count, err = cells(c.GetIndex(), ci.size); err == nil {
		u.Counter, err = counter(c.GetData())
	}
	if err != nil {
		return u, false, within(err, "counter %s", ci.name)
	}
	return u, u.Counter == nil || u.Count == 0, nil
}

func (b *binding) findCounter(id uint32) (*counterInfo, error) {
	if id == 0 {
		return nil, invalid("counter_id is not set")
	}
	if ci := b.counters[id]; ci != nil {
		return ci, nil
	}
	if what, ok := b.names[id]; ok {
		return nil, invalid("counter_id 0x%08x is that of %s", id, what)
	}
	return nil, invalid("counter_id 0x%08x is unknown", id)
}

// cells gives the cells that an index names, all for an unset one (C2, C3).
func cells(i *p4v1.Index, size int64) (first, count uint32, err error) {
	switch {
	case i == nil:
		return 0, uint32(size), nil
	case i.GetIndex() < 0:
		return 0, 0, invalid("index %d is negative", i.GetIndex())
	case i.GetIndex() >= size || i.GetIndex() > math.MaxUint32:
		return 0, 0, entity.Errorf(entity.OutOfRange, "index %d is not below its size %d", i.GetIndex(), size)
	}
	return uint32(i.GetIndex()), 1, nil
}
