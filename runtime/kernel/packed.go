package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// packed is the state of a table whose match structure a backend.Writer keeps.
type packed struct {
	writer  backend.Writer
	memory  []*mapped
	touched bool // changed since the last Flush
}

func (p *packed) close() error {
	var errs []error
	for _, m := range p.memory {
		errs = append(errs, m.close())
	}
	p.memory = nil
	return errors.Join(errs...)
}

// openPacked makes the writer of a table's maps.
func (t *table) openPacked(e backend.Packed) error {
	values := map[*backend.MapSpec][]byte{}
	for _, m := range e.Maps() {
		if !m.Mmapable() {
			continue
		}
		mem, err := mapArray(t.g.mapOf(m))
		if err != nil {
			return err
		}
		t.memory = append(t.memory, mem)
		values[m] = mem.raw[:m.ValueSize]
	}
	t.writer = e.NewWriter(backend.WriterEnv{
		Value: func(m *backend.MapSpec) []byte { return values[m] },
		Put: func(m *backend.MapSpec, key []byte, value uint32) error {
			err := t.g.mapOf(m).Update(key, value, ebpf.UpdateAny)
			if isFull(err) {
				err = fmt.Errorf("map %s: %w", m.Name, dataplane.ErrFull)
			}
			return err
		},
		Delete: func(m *backend.MapSpec, key []byte) error { return t.g.mapOf(m).Delete(key) },
		Epoch:  func() uint64 { return t.g.p.epoch },
		Grace:  t.g.p.waitGrace,
	})
	return nil
}

// insertPacked writes an entry, then gives it its match.
func (b *batch) insertPacked(t *table, e *ir.Entry) error {
	if err := t.write(e); err != nil {
		return err
	}
	t.touched = true
	err := t.writer.Insert(e)
	if errors.Is(err, backend.ErrNoRoom) {
		if larger := b.grow(t); larger != nil {
			t = larger
			err = t.writer.Insert(e)
			t.touched = true
		}
	}
	if err != nil {
		t.release(e.Handle) // no packet has seen the handle
		if errors.Is(err, backend.ErrNoRoom) {
			err = fmt.Errorf("%w: %w", err, dataplane.ErrFull)
		}
		return err
	}
	t.setLive(e.Handle)
	return nil
}

func (t *table) deletePacked(e *ir.Entry) error {
	t.touched = true
	err := t.writer.Delete(e)
	if errors.Is(err, backend.ErrNoMatch) {
		return fmt.Errorf("handle %d is not at the key given: %w", e.Handle, dataplane.ErrNoEntry)
	}
	return err
}

// flushPacked brings what was inserted and deleted into the datapath. Entries for
// which the structure has no memory are refused one by one.
func (b *batch) flushPacked(t *table) error {
	t.touched = false
	err := t.writer.Flush()
	var r *backend.Refused
	if !errors.As(err, &r) {
		return err
	}
	refused := r.Handles
	if larger := b.grow(t); larger != nil {
		t, refused = larger, nil
		for _, h := range r.Handles {
			if err := t.writer.Insert(&b.ops[b.insertOf(t, h)].Entry); err != nil {
				refused = append(refused, h)
			}
		}
		switch err := t.writer.Flush(); {
		case errors.As(err, &r):
			refused = append(refused, r.Handles...)
		case err != nil:
			return err
		}
	}
	for _, h := range refused {
		b.errs[b.insertOf(t, h)] = fmt.Errorf("%w: %w", backend.ErrNoRoom, dataplane.ErrFull)
		t.setDead(h)
		t.release(h)
	}
	return nil
}

// insertOf finds the last insert of a handle in this batch: what earlier ones
// inserted was deleted again. The caller knows that there is one.
func (b *batch) insertOf(t *table, handle uint32) int {
	i := len(b.ops) - 1
	for ; i > 0; i-- {
		if op := &b.ops[i]; op.Table == t.l.Index && op.Kind == dataplane.Insert && op.Entry.Handle == handle {
			break
		}
	}
	return i
}
