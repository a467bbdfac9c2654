package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// table is one table of a generation: the memory of its maps and what is free
// in them. Only the goroutine of Apply and Prepare touches it, but for the
// counters.
type table struct {
	g       *generation
	l       *backend.Table
	entry   *mapped // handle -> word
	data    *mapped // slot -> action data; nil without
	counter *mapped // nil without

	live   []uint64 // bit set of the handles in use
	slots  slots
	slotOf []uint32 // handle -> slot + 1, 0 = none; nil without data

	// By kind of the match structure.
	keyed backend.Keyed
	match *ebpf.Map
	array *mapped
	packed
	linear
	tableState
}

// linear is the state of a table that is scanned: all of its entries, because
// every change writes the half of the rows that is not active.
type linear struct {
	engine  *backend.Linear
	rows    *mapped
	control *mapped
	entries []ir.Entry
	dirty   bool   // entries differ from the active half
	flipped uint64 // epoch of the last switch; until grace after it programs may read the other half
}

func (g *generation) openTable(l *backend.Table) (*table, error) {
	t := &table{g: g, l: l, live: make([]uint64, (l.Size+64)/64)}
	if l.Data != nil {
		t.slots.limit = l.Slots
		t.slotOf = make([]uint32, l.Size+1)
	}
	type want struct {
		m    *backend.MapSpec
		into **mapped
	}
	list := []want{{l.Entry, &t.entry}}
	if l.Data != nil {
		list = append(list, want{l.Data, &t.data})
	}
	if l.Counter != nil {
		list = append(list, want{l.Counter.Map, &t.counter})
	}
	switch e := l.Engine.(type) {
	case backend.Packed:
		if err := t.openPacked(e); err != nil {
			return nil, errors.Join(err, t.close())
		}
	case *backend.Linear:
		t.engine = e
		list = append(list, want{e.Rows, &t.rows}, want{e.Control, &t.control})
	case backend.Keyed:
		t.keyed = e
		t.match = g.mapOf(e.Map())
		if e.Kind() == backend.KindArray {
			list = append(list, want{e.Map(), &t.array})
		}
	default:
		if l.Engine.Kind() != backend.KindNone {
			return nil, fmt.Errorf("match structure %s has no way to be filled", l.Engine.Kind())
		}
	}
	for _, w := range list {
		var err error
		if *w.into, err = mapArray(g.mapOf(w.m)); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	t.entry.base = int(l.EntryBase)
	if t.data != nil {
		t.data.base = int(l.DataBase)
	}
	return t, nil
}

func (t *table) close() error {
	var errs []error
	for _, m := range []*mapped{t.entry, t.data, t.counter, t.array, t.rows, t.control} {
		errs = append(errs, m.close())
	}
	return errors.Join(append(errs, t.packed.close(), t.tableState.close())...)
}

func (t *table) isLive(h uint32) bool { return t.live[h/64]>>(h%64)&1 != 0 }
func (t *table) setLive(h uint32)     { t.live[h/64] |= 1 << (h % 64) }
func (t *table) setDead(h uint32)     { t.live[h/64] &^= 1 << (h % 64) }

// check looks at what the store promised.
func (t *table) check(e *ir.Entry) error {
	if err := t.checkState(e); err != nil || e.Ref != ir.RefNone {
		return err
	}
	if e.Action < 0 || e.Action >= len(t.l.Actions) {
		return fmt.Errorf("there is no action %d", e.Action)
	}
	if want := len(t.l.Actions[e.Action].Params); len(e.Args) != want {
		return fmt.Errorf("action %s takes %d arguments, not %d", t.l.IR.Actions[e.Action].Action.Name, want, len(e.Args))
	}
	return nil
}

// write makes entry[handle] what e says: data into a fresh slot first, then
// the word in one store (D2). The slot that the handle had before is retired.
func (t *table) write(e *ir.Entry) error {
	if t.profile != nil {
		if err := t.profile.point(t, e); err != nil {
			return err
		}
		t.set(e)
		return nil
	}
	slot, taken := uint32(0), uint32(0)
	if t.l.NeedsSlot(e.Action) {
		var err error
		if slot, err = t.takeSlot(); err != nil {
			return err
		}
		t.l.PutData(t.data.value(slot), e)
		taken = slot + 1
	}
	word, _ := t.l.EncodeWord(e, slot)
	t.entry.store(e.Handle, 0, word)
	if t.slotOf != nil {
		t.release(e.Handle)
		t.slotOf[e.Handle] = taken
	}
	t.set(e)
	return nil
}

// release retires the slot of a handle, and what its entry referred to.
func (t *table) release(handle uint32) {
	t.end(handle)
	if t.slotOf == nil || t.slotOf[handle] == 0 {
		return
	}
	t.slots.retire(t.slotOf[handle]-1, t.g.p.epoch)
	t.slotOf[handle] = 0
}

func (t *table) takeSlot() (uint32, error) {
	if s, ok := t.slots.take(t.g.p.epoch); ok {
		return s, nil
	}
	if t.slots.waiting() {
		if err := t.g.p.waitGrace(); err != nil {
			return 0, err
		}
		if s, ok := t.slots.take(t.g.p.epoch); ok {
			return s, nil
		}
	}
	return 0, fmt.Errorf("no slot for action data is free: %w", dataplane.ErrFull)
}

// slots hands out the slots of action data. One that was in use comes back after
// a grace period that began after it was retired.
type slots struct {
	limit, next uint32
	free        []uint32
	retired     []retired // in order of their epochs
}

type retired struct {
	slot  uint32
	epoch uint64
}

func (s *slots) take(epoch uint64) (uint32, bool) {
	n := 0
	for n < len(s.retired) && s.retired[n].epoch < epoch {
		s.free = append(s.free, s.retired[n].slot)
		n++
	}
	s.retired = s.retired[n:]
	if k := len(s.free); k > 0 {
		slot := s.free[k-1]
		s.free = s.free[:k-1]
		return slot, true
	}
	if s.next < s.limit {
		s.next++
		return s.next - 1, true
	}
	return 0, false
}

func (s *slots) waiting() bool { return len(s.retired) > 0 }

func (s *slots) retire(slot uint32, epoch uint64) {
	s.retired = append(s.retired, retired{slot, epoch})
}

// fill writes the content of a generation that carries no traffic.
func (t *table) fill(c dataplane.Content) error {
	if c.Default.Handle != 0 {
		return fmt.Errorf("the default action has handle %d, not 0", c.Default.Handle)
	}
	if err := t.check(&c.Default); err != nil {
		return fmt.Errorf("default action: %w", err)
	}
	if err := t.write(&c.Default); err != nil {
		return fmt.Errorf("default action: %w", err)
	}
	b := &batch{p: t.g.p, tables: make([]*table, t.l.Index+1)}
	b.tables[t.l.Index] = t
	done := 0
	flush := func() error {
		b.errs = make([]error, len(b.ops))
		if err := b.do(); err != nil {
			return err
		}
		for i, err := range b.errs {
			if errors.Is(err, backend.ErrNoRoom) {
				if hint, ok := t.writer.Grow(); ok {
					return &outgrown{t.l.Index, hint, err}
				}
			}
			if err != nil {
				return fmt.Errorf("entry %d (handle %d): %w", done+i, b.ops[i].Entry.Handle, err)
			}
		}
		done += len(b.ops)
		b.ops = b.ops[:0]
		return nil
	}
	// In parts, so that filling takes no more memory than the map does. A table
	// that is scanned is written whole, once.
	part := fillPart
	if t.engine != nil {
		part = c.Len()
	}
	for e := range c.All() {
		b.ops = append(b.ops, dataplane.Op{Kind: dataplane.Insert, Table: t.l.Index, Entry: e})
		if len(b.ops) >= part {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if t.writer != nil {
		t.writer.Live()
	}
	return nil
}

// fillPart is how many entries are written at a time when a table is filled.
const fillPart = 4096

// flip makes t.entries the active rows.
func (t *table) flip() error {
	if !t.dirty {
		return nil
	}
	rows, err := t.engine.EncodeRows(t.entries)
	if err != nil {
		return err
	}
	if t.flipped == t.g.p.epoch {
		if err := t.g.p.waitGrace(); err != nil {
			return err
		}
	}
	active, _ := t.engine.Active(t.control.load(0, 0))
	half := 1 - active
	copy(t.rows.value(0)[t.engine.HalfOffset(half):], rows)
	t.control.store(0, 0, t.engine.ControlWord(half, len(t.entries)))
	t.flipped = t.g.p.epoch
	t.dirty = false
	return nil
}

// waitGrace waits until no program run that is under way now can still use what
// was taken out of the tables before.
func (p *Plane) waitGrace() error {
	if err := p.wait(); err != nil {
		return err
	}
	p.epoch++
	return nil
}
