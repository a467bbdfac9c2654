package store

import (
	"slices"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// plan is the work of one group of batches. Until publish nothing that readers
// see changes: what the group itself did so far is in its items, which overlay
// finds by key. The applier has one plan and uses it again for every group.
type plan struct {
	*Store
	items      []item
	overlay    overlay
	objectPlan objectPlan
	defaults   map[int]int         // table -> the last item that changes its default
	freed      map[int][]int       // table -> items that delete an entry whose handle is not given away yet
	reused     map[handleID]int    // handles given away within the group -> the item that took it last
	shifts     map[int]handleShift // by item: what perform read for such handles
	old        entity.Entry        // what the update at hand finds; its strings are the table's memory
	slot       *overlaySlot        // and where its key is noted
}

type handleID struct {
	table  int
	handle uint32
}

type handleShift struct {
	id   handleID
	diff entity.Counter
}

// item is one accepted update. Strings of its entry are the update's, or for a
// deletion those of the table's memory until publish changes it.
type item struct {
	change
	req    int // position of its batch in the group
	update int // position in the batch
	hash   uint64
	op     dataplane.OpKind
	hasOp  bool
	given  bool // a delete whose handle a later insert takes
	reuse  bool // an insert that takes the handle of donor, an earlier item (chTake)
	donor  int
	// What the item is about has in objects: the former one; the action set that
	// the entry gets, and that which it loses; whether its direct meter changes.
	before     entity.Object
	made, gone *entity.ActionSet
	metered    bool
	err        error
}

// reset makes the plan ready for a group of n updates.
func (p *plan) reset(n int) {
	p.items = slices.Grow(p.items, n)
	p.overlay.reset(n)
}

// release ends a group: the plan must not keep the updates' memory.
func (p *plan) release() {
	clear(p.items)
	p.items = p.items[:0]
	if cap(p.items) > 4*groupLimit {
		p.items, p.overlay = nil, overlay{} // of a giant batch
	}
	p.old = entity.Entry{}
	clear(p.defaults)
	clear(p.freed)
	clear(p.reused)
	clear(p.shifts)
	p.objectPlan.reset()
}

func newPlan(s *Store) *plan {
	return &plan{Store: s, defaults: map[int]int{}, freed: map[int][]int{}, reused: map[handleID]int{}, shifts: map[int]handleShift{}, objectPlan: newObjectPlan()}
}

// add validates one update against the content as the group leaves it so far and
// reserves what it needs. Errors are *entity.Error.
func (p *plan) add(req, update int, u *entity.Update) error {
	n := len(p.items)
	p.items = append(p.items, item{req: req, update: update})
	if err := p.plan(&p.items[n], u); err != nil {
		p.items[n] = item{}
		p.items = p.items[:n]
		return err
	}
	return nil
}

func (p *plan) plan(it *item, u *entity.Update) error {
	switch u.Kind {
	case entity.SetCells:
		return p.addCells(it, u)
	case entity.InsertObject, entity.ModifyObject, entity.DeleteObject:
		return p.addObject(it, u)
	}
	if u.Table < 0 || u.Table >= len(p.tables) {
		return entity.Errorf(entity.Invalid, "table %d is none of the %d of the pipeline", u.Table, len(p.tables))
	}
	t := p.tables[u.Table]
	it.table = u.Table
	switch u.Kind {
	case entity.Insert:
		return p.addInsert(it, t, u)
	case entity.Modify, entity.Delete, entity.SetCounter, entity.SetMeter:
		return p.addChange(it, t, u)
	case entity.SetDefault, entity.ResetDefault, entity.SetDefaultCounter:
		return p.addDefault(it, t, u)
	}
	return entity.Errorf(entity.Invalid, "unknown kind of update %d", u.Kind)
}

// find gives the entry of an update's key as the group leaves it so far, nil for
// none, and remembers where note finds the key.
func (p *plan) find(it *item, t *table, u *entity.Update) *entity.Entry {
	it.hash = t.index.hash(u.Key, u.Priority)
	p.slot = p.overlay.find(p.items[:len(p.items)-1], u.Table, it.hash, u.Key, u.Priority)
	if e, ok := p.overlay.last(p.slot, p.items); ok {
		return e
	}
	h := t.index.find(it.hash, func(h uint32) bool { return t.is(h, u.Key, u.Priority) })
	if h == 0 || !t.load(h, &p.old) {
		return nil
	}
	return &p.old
}

// note says that the item at hand is the last of its key.
func (p *plan) note(it *item) { p.overlay.note(p.slot, it.hash, len(p.items)-1) }

func extra(u *entity.Update) *entity.Extra {
	if u.Extra.IsZero() {
		return nil
	}
	x := u.Extra
	x.Metadata = slices.Clone(x.Metadata) // the store keeps it
	return &x
}

func checkShape(t *entity.Table, u *entity.Update) error {
	if u.HasAction && (len(u.Args) != t.ArgSize(u.Action) || u.Kind == entity.SetDefault && u.Action >= len(t.Actions)) {
		return entity.Errorf(entity.Internal, "table %s: malformed action", t.Name)
	}
	switch u.Kind {
	case entity.Insert, entity.Modify, entity.Delete, entity.SetCounter, entity.SetMeter:
		if len(u.Key) != t.KeySize {
			return entity.Errorf(entity.Internal, "table %s: malformed key", t.Name)
		}
	}
	if u.Counter != nil && t.Counter == "" {
		return entity.Errorf(entity.Invalid, "table %s has no direct counter", t.Name)
	}
	if (u.Meter != nil || u.Extra.Meter != nil) && t.Meter == "" {
		return entity.Errorf(entity.Invalid, "table %s has no direct meter", t.Name)
	}
	if u.Extra.IdleTimeout != 0 && !t.IdleTimeout {
		return entity.Errorf(entity.Invalid, "table %s has no idle timeout", t.Name)
	}
	return nil
}

func (p *plan) addInsert(it *item, t *table, u *entity.Update) error {
	ts := t.schema
	if err := p.ages(ts, u); err != nil {
		return err
	}
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
	if p.find(it, t, u) != nil {
		return entity.Errorf(entity.Exists, "table %s: entry %s exists", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	e := &it.entry
	*e = entity.Entry{Key: u.Key, Args: u.Args, Extra: extra(u), Priority: u.Priority, Action: uint16(u.Action)}
	if e.Extra != nil && e.Extra.Meter != nil {
		if _, err := p.entities("direct meter of table " + ts.Name); err != nil {
			return err
		}
		it.metered = true
	}
	if err := p.handle(it, t, e); err != nil {
		return err
	}
	if err := p.refer(it, t, nil); err != nil {
		p.unhandle(it, t)
		return err
	}
	if u.Counter != nil {
		e.Base = e.Base.Sub(*u.Counter)
	}
	p.note(it)
	it.kind = chInsert
	if it.reuse {
		it.kind = chTake
	}
	it.setOp(dataplane.Insert)
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
		e.Handle = d.entry.Handle
		p.reused[handleID{t.schema.Index, e.Handle}] = len(p.items) - 1
		return nil
	}
	return entity.Errorf(entity.Full, "table %s is full: its size is %d", t.schema.Name, t.schema.Size)
}

// unhandle takes back what handle did for an entry that is refused after all.
func (p *plan) unhandle(it *item, t *table) {
	if !it.reuse {
		t.free.ready = append(t.free.ready, it.entry.Handle) // it never left the store
		return
	}
	d := &p.items[it.donor]
	d.given = false
	p.freed[t.schema.Index] = append(p.freed[t.schema.Index], it.donor)
	delete(p.reused, handleID{t.schema.Index, it.entry.Handle})
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
	if err := p.ages(ts, u); err != nil {
		return err
	}
	old := p.find(it, t, u)
	direct := u.Kind == entity.SetCounter || u.Kind == entity.SetMeter
	if ts.Const && !direct && (u.Kind == entity.Delete || u.HasAction || !u.Extra.IsZero()) {
		return entity.Errorf(entity.Denied, "table %s: its entries are const", ts.Name)
	}
	if old == nil {
		return entity.Errorf(entity.NotFound, "table %s: no entry %s", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	if old.Is(entity.Const) && !direct && (u.Kind == entity.Delete || u.HasAction || !u.Extra.IsZero()) {
		return entity.Errorf(entity.Denied, "table %s: entry %s is const", ts.Name, ts.FormatKey(u.Key, u.Priority))
	}
	e := &it.entry
	*e = *old
	e.Key = u.Key // the same bytes, but not the table's memory
	if u.Kind == entity.Delete {
		it.kind = chDelete
		it.setOp(dataplane.Delete)
		if ts.Profile != "" {
			uses(p.objectPlan.uses).entry(ts, old, -1)
			it.retire(old)
		}
		p.note(it)
		p.freed[u.Table] = append(p.freed[u.Table], len(p.items)-1)
		return nil
	}
	if u.Counter != nil {
		var err error
		if e.Base, err = p.base(t, e.Handle, *u.Counter); err != nil {
			return err
		}
	}
	switch {
	case u.Kind == entity.SetCounter:
		it.kind = chBase
	case u.Kind == entity.SetMeter:
		it.kind = chMeter
		e.Extra = withMeter(e.Extra, u.Meter)
	case !u.HasAction:
		e.Extra = extra(u)
		if old.Extra != nil && old.Extra.Set != nil { // the action stays
			if e.Extra == nil {
				e.Extra = &entity.Extra{}
			}
			e.Extra.Set = old.Extra.Set
		}
		it.kind = chModifyKeep
		if ts.IdleTimeout && timeoutOf(e) != timeoutOf(old) {
			it.setOp(dataplane.Modify)
		}
	default:
		e.Extra, e.Action, e.Args = extra(u), uint16(u.Action), u.Args
		e.Flags &^= entity.Initial
		it.kind = chModify
		it.setOp(dataplane.Modify)
		if err := p.refer(it, t, old); err != nil {
			return err
		}
	}
	if ts.Meter != "" && !sameMeter(meterOf(e), meterOf(old)) {
		if _, err := p.entities("direct meter of table " + ts.Name); err != nil {
			return err
		}
		it.metered = true
	}
	p.note(it)
	return nil
}

func (p *plan) addDefault(it *item, t *table, u *entity.Update) error {
	ts := t.schema
	if err := checkShape(ts, u); err != nil {
		return err
	}
	old := t.def
	if i, ok := p.defaults[u.Table]; ok {
		old = &p.items[i].entry
	}
	e := *old
	counter := u.Counter
	switch u.Kind {
	case entity.SetDefaultCounter:
		it.kind = chBase
	case entity.SetDefault, entity.ResetDefault:
		if ts.ConstDefault {
			return entity.Errorf(entity.Denied, "table %s: its default action is const", ts.Name)
		}
		it.kind = chDefault
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
	it.entry = e
	if it.kind == chDefault {
		it.setOp(dataplane.SetDefault)
	}
	p.defaults[u.Table] = len(p.items) - 1
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
	it.kind = chCells
	it.cells = &cellsChange{instance: u.Instance, first: u.Index, bases: make([]entity.Counter, u.Count)}
	for i, s := range sums {
		it.cells.bases[i] = entity.Counter(s).Sub(*u.Counter)
	}
	return nil
}

func (it *item) setOp(k dataplane.OpKind) { it.hasOp, it.op = true, k }

// giveBack undoes the reservations of a group that was never journaled.
func (p *plan) giveBack() {
	for i := range p.items {
		it := &p.items[i]
		if it.kind == chInsert {
			p.tables[it.table].free.release(it.entry.Handle)
		}
		if it.made != nil {
			p.hidden.release(p.tables[it.table].schema.Profile, it.made)
		}
	}
}

// ages tells whether the engine reports entries that are idle, where one shall be.
func (p *plan) ages(ts *entity.Table, u *entity.Update) error {
	if u.Extra.IdleTimeout == 0 || u.Kind == entity.Delete {
		return nil
	}
	if _, ok := p.plane.(dataplane.Events); !ok {
		return entity.Errorf(entity.Unsupported, "table %s: idle timeout: engine %s does not support it", ts.Name, p.plane.Name())
	}
	return nil
}

func timeoutOf(e *entity.Entry) int64 {
	if e.Extra == nil {
		return 0
	}
	return e.Extra.IdleTimeout
}

// withMeter is an Extra with another direct meter.
func withMeter(x *entity.Extra, m *entity.MeterConfig) *entity.Extra {
	out := &entity.Extra{}
	if x != nil {
		*out = *x
	}
	out.Meter = m
	if out.IsZero() {
		return nil
	}
	return out
}

func sameMeter(a, b *entity.MeterConfig) bool {
	return a == b || a != nil && b != nil && *a == *b
}
