package store

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// perform applies the items to the dataplane, in order, and tells whether any
// failed.
func (p *plan) perform() (failures bool) {
	former := entity.Former{Expect: len(p.items)}
	ops := make([]dataplane.Op, 0, len(p.items)) // the engine may keep what it is given
	at := make([]int, 0, len(p.items))           // item of each op
	metered := false                             // some of the ops' entries get rates
	var dead map[handleID]bool                   // handles whose new owner could not come
	flush := func() {
		if len(ops) == 0 {
			return
		}
		errs := p.plane.Apply(ops)
		if errs != nil && len(errs) != len(ops) {
			err := fmt.Errorf("%d results for %d changes", len(errs), len(ops))
			errs = make([]error, len(ops))
			for i := range errs {
				errs[i] = err
			}
		}
		for i, err := range errs {
			if err != nil {
				it := &p.items[at[i]]
				it.err = p.applyError(it, err)
				failures = true
			}
		}
		if metered {
			for _, k := range at {
				it := &p.items[k]
				if it.err == nil && it.metered {
					if it.err = p.meter(it); it.err != nil {
						p.unmetered(it, &former)
						failures = true
					}
				}
			}
			metered = false
		}
		ops, at = ops[len(ops):], at[:0]
	}
	for i := range p.items {
		it := &p.items[i]
		switch it.kind {
		case chCells:
			continue
		case chObject:
			flush()
			it.err = p.doObject(it)
			failures = failures || it.err != nil
			continue
		}
		if it.reuse {
			flush()
			it.err = p.takeOver(i)
			if dead == nil {
				dead = map[handleID]bool{}
			}
			dead[it.id()] = it.err != nil
		} else if dead != nil && dead[it.id()] {
			it.err = earlierFailed(p.tables[it.table].schema, it)
		}
		if it.err == nil && it.made != nil {
			it.err = p.beginSet(it)
		}
		switch {
		case it.err != nil:
			failures = true
		case it.metered && !it.hasOp:
			flush()
			it.err = p.meter(it)
			failures = failures || it.err != nil
		case it.hasOp:
			ops = append(ops, dataplane.Op{Kind: it.op, Table: it.table, Entry: former.Machine(p.tables[it.table].schema, &it.entry)})
			at = append(at, i)
			metered = metered || it.metered
		}
	}
	flush()
	return failures
}

func (it *item) id() handleID { return handleID{it.table, it.entry.Handle} }

// takeOver makes the handle of item i, whose last owner the donor deleted just
// now, fit for the new owner: grace, then a base that hides the old owner's
// counts. So far the bases of the group's items for it are relative to zero.
func (p *plan) takeOver(i int) error {
	it := &p.items[i]
	t := p.tables[it.table].schema
	if p.items[it.donor].err != nil {
		return entity.Errorf(entity.Full, "table %s is full: its size is %d", t.Name, t.Size)
	}
	if err := p.grace(); err != nil {
		return err
	}
	if t.Counter == "" {
		return nil
	}
	id := it.id()
	diff, err := p.sum(id.table, id.handle)
	if err != nil {
		return err
	}
	for k := i; k < len(p.items); k++ {
		c := &p.items[k].change
		if !c.ofTable() || c.kind == chDelete || c.table != id.table || c.entry.Handle != id.handle {
			continue
		}
		if k > i && p.items[k].reuse {
			break // the next owner
		}
		c.entry.Base.Packets += diff.Packets
		c.entry.Base.Bytes += diff.Bytes
	}
	if p.reused[id] == i {
		p.shifts[i] = handleShift{id: id, diff: diff}
	}
	return nil
}

func earlierFailed(t *entity.Table, it *item) error {
	return entity.Errorf(entity.NotFound, "table %s: %s: an earlier update of the batch failed", t.Name, it.what(t))
}

func (it *item) what(t *entity.Table) string {
	if it.entry.Handle == 0 {
		return "default action"
	}
	return "entry " + t.FormatKey(it.entry.Key, it.entry.Priority)
}

// applyError names the entry that the dataplane refused.
func (p *plan) applyError(it *item, err error) error {
	t := p.tables[it.table].schema
	e := &entity.Error{Reason: entity.Internal, Err: err}
	var un *dataplane.Unsupported
	switch {
	case errors.Is(err, dataplane.ErrFull):
		e.Reason = entity.Full
	case errors.Is(err, dataplane.ErrNoEntry):
		e.Reason = entity.NotFound
	case errors.As(err, &un):
		e.Reason = entity.Unsupported
	}
	e.Msg = fmt.Sprintf("table %s: %s: %s: %v", t.Name, it.what(t), p.plane.Name(), err)
	return e
}

// settle finds the items that the dataplane did not refuse, but that rest on one
// it refused.
func (p *plan) settle() {
	now := map[handleID]*entity.Entry{} // nil: none
	for i := range p.items {
		it := &p.items[i]
		c := &it.change
		if it.err != nil || !c.ofTable() {
			continue
		}
		e, ok := now[it.id()]
		if !ok {
			e = p.tables[c.table].get(c.entry.Handle)
		}
		if c.isInsert() {
			now[it.id()] = &c.entry
			continue
		}
		if e == nil || e.Key != c.entry.Key || e.Priority != c.entry.Priority {
			it.err = earlierFailed(p.tables[c.table].schema, it)
			continue
		}
		if c.kind == chDelete {
			now[it.id()] = nil
			continue
		}
		m := merge(c, e)
		now[it.id()] = &m
	}
}

// afterwards gives the records that follow the batches': what failed, and bases
// that were read after the append.
func (p *plan) afterwards(seqs []uint64) [][]byte {
	var out [][]byte
	for i := 0; i < len(p.items); {
		req := p.items[i].req
		var failed []int
		for n := 0; i < len(p.items) && p.items[i].req == req; n, i = n+1, i+1 {
			if p.items[i].err != nil {
				failed = append(failed, n)
			}
		}
		if failed != nil {
			out = append(out, encodeFail(seqs[req], failed))
		}
	}
	for _, i := range sortedKeys(p.shifts) {
		if s := p.shifts[i]; p.items[i].err == nil {
			out = append(out, encodeShift(s.id.table, s.id.handle, s.diff))
		}
	}
	return out
}

// doubt says of the items that the dataplane refused that the journal has them
// nevertheless: the record that takes them back could not be written.
func (p *plan) doubt(cause error) {
	for i := range p.items {
		if it := &p.items[i]; it.err != nil {
			it.err = &entity.Error{Reason: entity.Unavailable, Err: it.err,
				Msg: fmt.Sprintf("%v; this cannot be written (%v): the update may be there after a restart of nicd", it.err, cause)}
		}
	}
}

// publish makes what was applied visible to readers, all at once.
func (p *plan) publish(seqs []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	epoch := p.epoch.Load()
	for i := range p.items {
		it := &p.items[i]
		c := &it.change
		if c.kind == chCells {
			p.setCells(c.cells, epoch)
			continue
		}
		if c.kind == chObject {
			if it.err == nil {
				p.setObject(c.object, seqs[it.req], epoch)
			}
			continue
		}
		t := p.tables[c.table]
		switch {
		case c.isInsert() && it.err != nil:
			if !it.reuse || p.items[it.donor].err == nil {
				t.free.release(c.entry.Handle)
			}
		case it.err != nil:
		case c.isInsert():
			p.birth++
			c.entry.Birth = p.birth
			t.insert(&c.entry, it.hash, epoch)
			p.Store.uses.entry(t.schema, &c.entry, 1)
		case c.kind == chDelete:
			if t.schema.Profile != "" && t.load(c.entry.Handle, &p.old) {
				p.Store.uses.entry(t.schema, &p.old, -1)
			}
			t.remove(c.entry.Handle, it.hash, epoch)
			if !it.given {
				t.free.release(c.entry.Handle)
			}
		default:
			old := t.def
			if c.entry.Handle != 0 {
				old = &p.old
				t.load(c.entry.Handle, old)
			}
			e := merge(c, old)
			if t.schema.Profile != "" {
				p.Store.uses.entry(t.schema, old, -1)
				p.Store.uses.entry(t.schema, &e, 1)
			}
			t.set(&e, epoch)
		}
	}
}

// setObject publishes a change of an object; mu is held.
func (s *Store) setObject(c *objectChange, seq, epoch uint64) {
	old := s.objects.get(c.id)
	c.stamp(seq)
	s.objects.set(c, cellsOf(s.pipe.Schema, c.id.Scope), epoch)
	s.uses.object(c.id, old, -1)
	s.uses.object(c.id, c.value, 1)
}

func (s *Store) setCells(ch *cellsChange, epoch uint64) {
	c := s.cells[ch.instance]
	if c == nil || c.epoch != epoch {
		d := &cells{epoch: epoch, base: make(map[uint32]entity.Counter, len(ch.bases))}
		if c != nil {
			for i, b := range c.base {
				d.base[i] = b
			}
		}
		c = d
		s.cells[ch.instance] = c
	}
	for i, b := range ch.bases {
		c.base[ch.first+uint32(i)] = b
	}
}
