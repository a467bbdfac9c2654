package store

import (
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// plan is the work of one group of batches. Until publish nothing that readers
// see changes: what the group itself did so far is in touched and defaults.
type plan struct {
	*Store
	items    []item
	touched  map[entryID]*entity.Entry // nil = deleted
	defaults map[int]*entity.Entry
	freed    map[int][]int       // table -> items that delete an entry whose handle is not given away yet
	reused   map[handleID]int    // handles given away within the group -> the item that took it last
	shifts   map[int]handleShift // by item: what perform read for such handles
}

type entryID struct {
	table int
	index string // entity.IndexKey
}

type handleID struct {
	table  int
	handle uint32
}

type handleShift struct {
	id   handleID
	diff entity.Counter
}

// item is one accepted update.
type item struct {
	req    int // position of its batch in the group
	update int // position in the batch
	change change
	op     dataplane.Op
	hasOp  bool
	given  bool // a delete whose handle a later insert takes
	reuse  bool // an insert that takes the handle of donor, an earlier item
	donor  int
	err    error
}

func newPlan(s *Store) *plan {
	return &plan{Store: s, touched: map[entryID]*entity.Entry{}, defaults: map[int]*entity.Entry{},
		freed: map[int][]int{}, reused: map[handleID]int{}, shifts: map[int]handleShift{}}
}

// add validates one update against the content as the group leaves it so far and
// reserves what it needs. Errors are *entity.Error.
func (p *plan) add(req, update int, u *entity.Update) error {
	it := item{req: req, update: update}
	if u.Kind == entity.SetCells {
		if err := p.addCells(&it, u); err != nil {
			return err
		}
		p.items = append(p.items, it)
		return nil
	}
	if u.Table < 0 || u.Table >= len(p.tables) {
		return entity.Errorf(entity.Invalid, "table %d is none of the %d of the pipeline", u.Table, len(p.tables))
	}
	t := p.tables[u.Table]
	it.change.table = u.Table
	var err error
	switch u.Kind {
	case entity.Insert:
		err = p.addInsert(&it, t, u)
	case entity.Modify, entity.Delete, entity.SetCounter:
		err = p.addChange(&it, t, u)
	case entity.SetDefault, entity.ResetDefault, entity.SetDefaultCounter:
		err = p.addDefault(&it, t, u)
	default:
		err = entity.Errorf(entity.Invalid, "unknown kind of update %d", u.Kind)
	}
	if err != nil {
		return err
	}
	p.items = append(p.items, it)
	return nil
}

func (p *plan) find(t *table, u *entity.Update) (entryID, *entity.Entry) {
	id := entryID{table: u.Table, index: entity.IndexKey(u.Key, u.Priority)}
	if e, ok := p.touched[id]; ok {
		return id, e
	}
	if h, ok := t.index[id.index]; ok {
		return id, t.get(h)
	}
	return id, nil
}

func extra(u *entity.Update) *entity.Extra {
	if u.Extra.IsZero() {
		return nil
	}
	x := u.Extra
	return &x
}

func checkShape(t *entity.Table, u *entity.Update) error {
	if u.HasAction && (u.Action < 0 || u.Action >= len(t.Actions) || len(u.Args) != t.Actions[u.Action].ArgSize) {
		return entity.Errorf(entity.Internal, "table %s: malformed action", t.Name)
	}
	switch u.Kind {
	case entity.Insert, entity.Modify, entity.Delete, entity.SetCounter:
		if len(u.Key) != t.KeySize {
			return entity.Errorf(entity.Internal, "table %s: malformed key", t.Name)
		}
	}
	if u.Counter != nil && t.Counter == "" {
		return entity.Errorf(entity.Invalid, "table %s has no direct counter", t.Name)
	}
	return nil
}

func (p *plan) addInsert(it *item, t *table, u *entity.Update) error {
	ts := t.schema
	switch {
	case ts.Const:
		return entity.Errorf(entity.Denied, "table %s: its entries are const", ts.Name)
	case len(ts.Fields) == 0:
		return entity.Errorf(entity.Invalid, "table %s has no key, only its default action can be written", ts.Name)
	case !u.HasAction:
		return entity.Errorf(entity.Invalid, "table %s: INSERT without action", ts.Name)
	}
	if err := checkShape(ts, u); err != nil {
		return err
	}
	id, old := p.find(t, u)
	if old != nil {
		return entity.Errorf(entity.Exists, "table %s: entry %s exists", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	e := &entity.Entry{Key: u.Key, Args: u.Args, Extra: extra(u), Priority: u.Priority, Action: uint16(u.Action)}
	if err := p.handle(it, t, e); err != nil {
		return err
	}
	if u.Counter != nil {
		e.Base = e.Base.Sub(*u.Counter)
	}
	p.touched[id] = e
	it.change.kind, it.change.entry = chInsert, e
	it.setOp(dataplane.Insert, ts)
	return nil
}

// handle chooses the handle of a new entry and its base.
func (p *plan) handle(it *item, t *table, e *entity.Entry) error {
	h, used, ok := t.free.take()
	if !ok && len(t.free.held) > 0 {
		if err := p.grace(); err != nil {
			return err
		}
		for _, t := range p.tables {
			t.free.graced()
		}
		h, used, ok = t.free.take()
	}
	e.Handle = h
	switch freed := p.freed[t.schema.Index]; {
	case ok && !used:
		return nil
	case ok:
		if t.schema.Counter == "" {
			return nil
		}
		var err error
		if e.Base, err = p.sum(t.schema.Index, h); err != nil {
			t.free.release(h)
		}
		return err
	case len(freed) > 0:
		// The table is full but for entries that this group deletes.
		it.reuse, it.donor = true, freed[len(freed)-1]
		p.freed[t.schema.Index] = freed[:len(freed)-1]
		d := &p.items[it.donor]
		d.given = true
		e.Handle = d.change.entry.Handle
		p.reused[handleID{t.schema.Index, e.Handle}] = len(p.items)
		return nil
	}
	return entity.Errorf(entity.Full, "table %s is full: its size is %d", t.schema.Name, t.schema.Size)
}

// base is the base of a cell that shall read v from now on.
func (p *plan) base(t *table, handle uint32, v entity.Counter) (entity.Counter, error) {
	if _, ok := p.reused[handleID{t.schema.Index, handle}]; ok {
		return entity.Counter{}.Sub(v), nil // perform adds the sum
	}
	s, err := p.sum(t.schema.Index, handle)
	return s.Sub(v), err
}

func (p *plan) addChange(it *item, t *table, u *entity.Update) error {
	ts := t.schema
	if err := checkShape(ts, u); err != nil {
		return err
	}
	id, old := p.find(t, u)
	if ts.Const && u.Kind != entity.SetCounter && (u.Kind == entity.Delete || u.HasAction || !u.Extra.IsZero()) {
		return entity.Errorf(entity.Denied, "table %s: its entries are const", ts.Name)
	}
	if old == nil {
		return entity.Errorf(entity.NotFound, "table %s: no entry %s", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	if old.Is(entity.Const) && u.Kind != entity.SetCounter && (u.Kind == entity.Delete || u.HasAction || !u.Extra.IsZero()) {
		return entity.Errorf(entity.Denied, "table %s: entry %s is const", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	if u.Kind == entity.Delete {
		it.change.kind, it.change.entry = chDelete, old
		it.setOp(dataplane.Delete, ts)
		p.touched[id] = nil
		p.freed[u.Table] = append(p.freed[u.Table], len(p.items))
		return nil
	}
	e := *old
	if u.Counter != nil {
		var err error
		if e.Base, err = p.base(t, e.Handle, *u.Counter); err != nil {
			return err
		}
	}
	it.change.entry = &e
	switch {
	case u.Kind == entity.SetCounter:
		it.change.kind = chBase
	case !u.HasAction:
		e.Extra = extra(u)
		it.change.kind = chModifyKeep
	default:
		e.Extra, e.Action, e.Args = extra(u), uint16(u.Action), u.Args
		e.Flags &^= entity.Initial
		it.change.kind = chModify
		it.setOp(dataplane.Modify, ts)
	}
	p.touched[id] = &e
	return nil
}

func (p *plan) addDefault(it *item, t *table, u *entity.Update) error {
	ts := t.schema
	if err := checkShape(ts, u); err != nil {
		return err
	}
	old, ok := p.defaults[u.Table]
	if !ok {
		old = t.def
	}
	e := *old
	counter := u.Counter
	switch u.Kind {
	case entity.SetDefaultCounter:
		it.change.kind = chBase
	case entity.SetDefault, entity.ResetDefault:
		if ts.ConstDefault {
			return entity.Errorf(entity.Denied, "table %s: its default action is const", ts.Name)
		}
		it.change.kind = chDefault
		if u.Kind == entity.SetDefault {
			if !u.HasAction {
				return entity.Errorf(entity.Internal, "table %s: default without action", ts.Name)
			}
			e.Action, e.Args, e.Extra = uint16(u.Action), u.Args, extra(u)
			e.Flags = e.Flags&^entity.Initial | entity.Changed
			break
		}
		// Direct resources are reset too (p4rt:T18).
		def, err := ts.Default()
		if err != nil {
			return err
		}
		e = *def
		e.Extra, e.Base = extra(u), old.Base
		if ts.Counter != "" && counter == nil {
			counter = &entity.Counter{}
		}
	}
	if counter != nil {
		var err error
		if e.Base, err = p.base(t, 0, *counter); err != nil {
			return err
		}
	}
	it.change.entry = &e
	if it.change.kind == chDefault {
		it.setOp(dataplane.SetDefault, ts)
	}
	p.defaults[u.Table] = &e
	return nil
}

func (p *plan) addCells(it *item, u *entity.Update) error {
	if u.Counter == nil || u.Count == 0 {
		return entity.Errorf(entity.Internal, "counter %s: nothing to write", u.Instance)
	}
	index := make([]uint32, u.Count)
	for i := range index {
		index[i] = u.Index + uint32(i)
	}
	sums := make([]dataplane.Counter, u.Count)
	if err := p.plane.InstanceCounters(u.Instance, index, sums); err != nil {
		return entity.Errorf(entity.Internal, "counter %s: %w", u.Instance, err)
	}
	it.change = change{kind: chCells, instance: u.Instance, first: u.Index, bases: make([]entity.Counter, u.Count)}
	for i, s := range sums {
		it.change.bases[i] = entity.Counter(s).Sub(*u.Counter)
	}
	return nil
}

func (it *item) setOp(k dataplane.OpKind, t *entity.Table) {
	it.hasOp = true
	it.op = dataplane.Op{Kind: k, Table: t.Index, Entry: t.Machine(it.change.entry)}
}

// giveBack undoes the reservations of a group that was never journaled.
func (p *plan) giveBack() {
	for i := range p.items {
		if it := &p.items[i]; it.change.kind == chInsert && !it.reuse {
			p.tables[it.change.table].free.release(it.change.entry.Handle)
		}
	}
}
