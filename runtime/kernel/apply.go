package kernel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Apply changes tables of the live generation. Each change is one store or one
// map operation for the packets: they see the entry as it was or as it is.
//
// Changes are made in order, but for deletions from hash tables and tries: those
// are collected and made last, before one grace period for the whole batch
// (D11). An element of a kernel hash table that is freed and taken again within
// a packet's look-up would give that packet the new owner's handle; so nothing
// may be inserted between a deletion and the end of a grace period. A change
// that uses the handle of a collected deletion makes that happen first; there is
// always room, because handles are never more than entries. When Apply returns,
// handles and slots of what was deleted may be used again.
func (p *Plane) Apply(ops []dataplane.Op) []error {
	p.mu.RLock()
	g, closed := p.live, p.closed
	p.mu.RUnlock()
	errs := make([]error, len(ops))
	var err error
	switch {
	case closed:
		err = errClosed
	case g == nil:
		err = errNoPipeline
	default:
		b := &batch{p: p, live: g, tables: g.tables, ops: ops, errs: errs}
		err = b.do()
	}
	if err != nil { // of the whole datapath
		for i := range errs {
			errs[i] = errors.Join(errs[i], err)
		}
	}
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs
	}
	return nil
}

// batch is one run of Apply, or the filling of one table.
type batch struct {
	p      *Plane
	live   *generation // nil while a generation is filled that carries no traffic
	tables []*table
	ops    []dataplane.Op
	errs   []error

	// inserts are entries of one hash table or trie that are written but for
	// their match; deletes those that still have their match.
	inserts keyRun
	deletes []keyOp
	// owner is the handle that a key was inserted with while deletions wait, so
	// that those do not remove the new one.
	owner map[ownKey]uint32
	// gone are the entries taken out since the last grace period: packets may
	// still hold their handles.
	gone map[goneKey]bool
}

type keyOp struct {
	t   *table
	op  int // index in ops
	key string
}

type ownKey struct {
	t   *table
	key string
}

type goneKey struct {
	t      *table
	handle uint32
}

// do makes the changes; its error is one of the whole datapath.
func (b *batch) do() error {
	for i := range b.ops {
		op := &b.ops[i]
		if op.Table < 0 || op.Table >= len(b.tables) {
			b.errs[i] = fmt.Errorf("there is no table %d", op.Table)
			continue
		}
		t := b.tables[op.Table]
		if op.Kind != dataplane.Insert || b.inserts.t != t {
			b.flushInserts()
		}
		if op.Kind == dataplane.Insert && b.gone[goneKey{t, op.Entry.Handle}] {
			if err := b.settle(); err != nil {
				return err
			}
		}
		b.errs[i] = b.one(i, t)
	}
	return b.settle()
}

// settle brings everything into the datapath; what was deleted is free after it.
func (b *batch) settle() error {
	b.flushInserts()
	for _, t := range b.tables {
		if t != nil && t.dirty {
			if err := t.flip(); err != nil {
				return err
			}
		}
		if t != nil && t.touched {
			if err := b.flushPacked(t); err != nil {
				return err
			}
		}
	}
	return b.flushDeletes()
}

func (b *batch) one(i int, t *table) error {
	op := &b.ops[i]
	e := &op.Entry
	if e.Handle > t.l.Size {
		return fmt.Errorf("handle %d of a table of %d entries: %w", e.Handle, t.l.Size, dataplane.ErrFull)
	}
	switch op.Kind {
	case dataplane.Insert:
		if e.Handle == 0 || t.isLive(e.Handle) {
			return fmt.Errorf("handle %d is in use", e.Handle)
		}
		if err := t.check(e); err != nil {
			return err
		}
		return b.insert(i, t, e)
	case dataplane.SetDefault:
		if e.Handle != 0 {
			return fmt.Errorf("the default action has handle 0, not %d", e.Handle)
		}
		if err := t.check(e); err != nil {
			return err
		}
		return t.write(e)
	case dataplane.Modify, dataplane.Delete:
		if e.Handle == 0 || !t.isLive(e.Handle) {
			return fmt.Errorf("handle %d: %w", e.Handle, dataplane.ErrNoEntry)
		}
		if op.Kind == dataplane.Delete {
			return b.delete(i, t, e)
		}
		if err := t.check(e); err != nil {
			return err
		}
		return t.write(e)
	}
	return fmt.Errorf("there is no kind of change %d", op.Kind)
}

func (b *batch) insert(i int, t *table, e *ir.Entry) error {
	t.begin(e)
	var key []byte
	var err error
	switch {
	case t.writer != nil:
		return b.insertPacked(t, e)
	case t.engine != nil:
		if len(t.entries) >= t.engine.Capacity {
			return fmt.Errorf("%d entries: %w", len(t.entries), dataplane.ErrFull)
		}
		_, err = t.engine.EncodeRows([]ir.Entry{*e}) // what flip will do, for this entry's own error
	case t.keyed != nil:
		key, err = t.keyed.EncodeKey(e)
	default:
		err = errors.New("a table without a key has no entries")
	}
	if err != nil {
		return err
	}
	if err := t.write(e); err != nil {
		return err
	}
	t.setLive(e.Handle)
	switch {
	case t.engine != nil:
		t.entries = append(t.entries, *e)
		t.dirty = true
	case t.array != nil:
		t.array.store(arrayIndex(key), 0, uint64(e.Handle))
	default:
		b.inserts.add(t, i, key, e.Handle)
	}
	return nil
}

func (b *batch) delete(i int, t *table, e *ir.Entry) error {
	if t.writer != nil {
		if err := t.deletePacked(e); err != nil {
			return err
		}
		b.bury(t, e.Handle)
		return nil
	}
	if t.engine != nil {
		n := slices.IndexFunc(t.entries, func(x ir.Entry) bool { return x.Handle == e.Handle })
		t.entries = slices.Delete(t.entries, n, n+1)
		t.dirty = true
		b.bury(t, e.Handle)
		return nil
	}
	key, err := t.keyed.EncodeKey(e)
	if err != nil {
		return err
	}
	if t.array != nil {
		index := arrayIndex(key)
		switch t.array.load(index, 0) {
		case uint64(e.Handle):
			t.array.store(index, 0, 0)
		case 0:
			return fmt.Errorf("handle %d is not at the key given: %w", e.Handle, dataplane.ErrNoEntry)
		default: // another entry has the key by now
		}
		b.bury(t, e.Handle)
		return nil
	}
	b.deletes = append(b.deletes, keyOp{t, i, string(key)})
	b.bury(t, e.Handle)
	return nil
}

// bury notes an entry that is taken out, or will be before the next grace period.
func (b *batch) bury(t *table, handle uint32) {
	t.setDead(handle)
	if b.gone == nil {
		b.gone = map[goneKey]bool{}
	}
	b.gone[goneKey{t, handle}] = true
}

// flushInserts gives the collected inserts their match.
func (b *batch) flushInserts() {
	r := &b.inserts
	defer r.reset()
	for r.len() > 0 {
		n, err := r.update()
		if len(b.deletes) > 0 {
			b.own(r, n)
		}
		r.drop(n)
		if r.len() == 0 {
			return
		}
		switch {
		case isFull(err):
			err = fmt.Errorf("%d entries: %w", r.t.l.Size, dataplane.ErrFull)
		case err == nil:
			err = errors.New("the kernel did not say why it stopped")
		}
		b.errs[r.ops[0]] = err
		// No packet can have seen the handle.
		r.t.setDead(r.handles[0])
		r.t.release(r.handles[0])
		r.drop(1)
	}
}

func (b *batch) own(r *keyRun, n int) {
	if b.owner == nil {
		b.owner = map[ownKey]uint32{}
	}
	for j := range n {
		b.owner[ownKey{r.t, string(r.key(j))}] = r.handles[j]
	}
}

// flushDeletes removes the match of the collected deletions and waits for grace.
func (b *batch) flushDeletes() error {
	var run keyRun
	remove := func() {
		for run.len() > 0 {
			n, err := run.remove()
			run.drop(n)
			if run.len() == 0 {
				break
			}
			if isMissing(err) {
				err = fmt.Errorf("handle %d is not at the key given: %w", run.handles[0], dataplane.ErrNoEntry)
			} else if err == nil {
				err = errors.New("the kernel did not say why it stopped")
			}
			b.errs[run.ops[0]] = err
			run.t.setLive(run.handles[0])
			delete(b.gone, goneKey{run.t, run.handles[0]})
			run.drop(1)
		}
		run.reset()
	}
	for _, d := range b.deletes {
		handle := b.ops[d.op].Entry.Handle
		if now, ok := b.owner[ownKey{d.t, d.key}]; ok && now != handle {
			continue // inserted anew meanwhile: the key has changed hands in one step
		}
		if run.t != d.t {
			remove()
		}
		run.add(d.t, d.op, []byte(d.key), handle)
	}
	remove()
	b.deletes, b.owner = nil, nil
	if len(b.gone) == 0 {
		return nil
	}
	// Retired first, so that the grace period counts for the slots too.
	for k := range b.gone {
		k.t.release(k.handle)
	}
	b.gone = nil
	return b.p.waitGrace()
}
