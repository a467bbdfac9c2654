package store

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Key names one entry for Snapshot.
type Key struct {
	Table    int
	Key      string
	Priority int32
}

// Snapshot is the content between two batches, for as long as somebody holds
// it; writers go on meanwhile (p4rt:RD10). To take one costs the same whatever
// the tables hold; what it shows is copied only where it changes.
type Snapshot struct {
	Pipeline *Pipeline       // nil when there is none
	Found    []*entity.Entry // one a key given to Store.Snapshot, nil = no such entry
	store    *Store
	tables   []frozen
	cells    map[string]map[uint32]entity.Counter
	objects  objects
}

// frozen is a table as it was.
type frozen struct {
	rows
	def   *entity.Entry
	count int
	fresh uint32
}

func (t *table) freeze() frozen {
	return frozen{rows: t.rows, def: t.def, count: t.index.count, fresh: t.free.fresh}
}

// Snapshot takes the content as it is now and looks keys up in it. Keys are
// valid for pipeline p; when another one is live, or p is nil, Found is nil.
func (s *Store) Snapshot(p *Pipeline, keys ...Key) *Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	// Whoever changes content holds mu for writing, so what is changed after
	// this line is changed in an epoch of its own.
	s.epoch.Add(1)
	v := &Snapshot{Pipeline: s.pipe, store: s, tables: make([]frozen, len(s.tables)), cells: make(map[string]map[uint32]entity.Counter, len(s.cells)), objects: maps.Clone(s.objects)}
	for i, t := range s.tables {
		v.tables[i] = t.freeze()
	}
	for name, c := range s.cells {
		v.cells[name] = c.base
	}
	if p == nil || p != s.pipe {
		return v
	}
	v.Found = make([]*entity.Entry, len(keys))
	for i, k := range keys {
		v.Found[i] = s.tables[k.Table].find(k.Key, k.Priority)
	}
	return v
}

// Entries gives the table's entries in order of handles, without the default.
func (v *Snapshot) Entries(table int) iter.Seq[*entity.Entry] {
	return func(yield func(*entity.Entry) bool) {
		for e := range v.tables[table].each {
			if c := *e; !yield(&c) {
				return
			}
		}
	}
}

// Fill reads entries of a table into buf, in order of handles from a handle on
// (first: 0), without the default. n were read; next is where the following call
// goes on, 0 when there is no more. It allocates nothing.
func (v *Snapshot) Fill(table int, from uint32, buf []entity.Entry) (n int, next uint32) {
	return v.tables[table].fill(from, buf)
}

// Count is the number of entries of a table.
func (v *Snapshot) Count(table int) int { return v.tables[table].count }

// Default is the table's default entry.
func (v *Snapshot) Default(table int) *entity.Entry { return v.tables[table].def }

// Counters reads the direct counters of entries of one table: what the
// dataplane counted, less the base of each (D12). An entry whose handle has a
// new owner by now reads zero.
func (v *Snapshot) Counters(table int, es []entity.Entry, out []entity.Counter) error {
	s := v.store
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	if err := v.live(); err != nil {
		return err
	}
	hs := make([]uint32, len(es))
	for i := range es {
		hs[i] = es[i].Handle
	}
	sums := make([]dataplane.Counter, len(es))
	if err := s.plane.Counters(table, hs, sums); err != nil {
		return fmt.Errorf("counters of table %s: %w", v.Pipeline.Schema.Tables[table].Name, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[table]
	for i := range es {
		e := &es[i]
		out[i] = entity.Counter(sums[i]).Sub(e.Base)
		if now, ok := t.birth(e.Handle); ok && now != e.Birth {
			out[i] = entity.Counter{}
		}
	}
	return nil
}

// Cells reads cells of an indirect counter.
func (v *Snapshot) Cells(instance string, index []uint32, out []entity.Counter) error {
	s := v.store
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	if err := v.live(); err != nil {
		return err
	}
	sums := make([]dataplane.Counter, len(index))
	if err := s.plane.InstanceCounters(instance, index, sums); err != nil {
		return fmt.Errorf("counter %s: %w", instance, err)
	}
	base := v.cells[instance]
	for i, n := range index {
		out[i] = entity.Counter(sums[i]).Sub(base[n])
	}
	return nil
}

// live tells whether the snapshot's pipeline is still the one that runs;
// planeMu is held.
func (v *Snapshot) live() error {
	s := v.store
	if s.plane == nil {
		return ErrNotStarted
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.pipe != v.Pipeline {
		return ErrPipelineChanged
	}
	return nil
}

// Object gives an object, nil for none; of a cell what the control plane wrote,
// nil for the default.
func (v *Snapshot) Object(id entity.ObjectID) entity.Object { return v.objects.get(id) }

// Object gives an object of the live content, nil for none, or when another
// pipeline is live. It costs nothing that a Snapshot would.
func (s *Store) Object(pl *Pipeline, id entity.ObjectID) entity.Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if pl == nil || s.pipe != pl {
		return nil
	}
	return s.objects.get(id)
}

// Entry gives the live entry of a handle, nil for none, or when another pipeline
// is live.
func (s *Store) Entry(pl *Pipeline, table int, handle uint32) *entity.Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if pl == nil || s.pipe != pl || table < 0 || table >= len(s.tables) {
		return nil
	}
	return s.tables[table].get(handle)
}

// Objects gives the objects of a scope in order of their ids. Cells are not for
// it: those that the control plane never wrote are not among them.
func (v *Snapshot) Objects(sc entity.Scope) iter.Seq2[uint32, entity.Object] {
	return func(yield func(uint32, entity.Object) bool) {
		s := v.objects[sc]
		if s == nil {
			return
		}
		for _, id := range slices.Sorted(maps.Keys(s.each)) {
			if !yield(id, s.each[id]) {
				return
			}
		}
	}
}

// Registers reads cells of a register, in machine form, as they are now.
func (v *Snapshot) Registers(name string, first uint32, out [][]byte) error {
	return v.read("register "+name, func(e dataplane.Entities) error {
		for i := range out {
			var err error
			if out[i], err = e.Register(name, first+uint32(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastHits gives the nanoseconds since entries of a table were hit or inserted.
func (v *Snapshot) LastHits(table int, es []entity.Entry, out []uint64) error {
	hs := make([]uint32, len(es))
	for i := range es {
		hs[i] = es[i].Handle
	}
	return v.read("idle times of table "+v.Pipeline.Schema.Tables[table].Name, func(e dataplane.Entities) error {
		return e.LastHits(table, hs, out)
	})
}

// read asks the dataplane that runs the snapshot's pipeline.
func (v *Snapshot) read(what string, ask func(dataplane.Entities) error) error {
	s := v.store
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	if err := v.live(); err != nil {
		return err
	}
	e, err := s.entities(what)
	if err != nil {
		return err
	}
	if err := ask(e); err != nil {
		var un *dataplane.Unsupported
		if errors.As(err, &un) {
			return entity.Errorf(entity.Unsupported, "%s: %w", what, err)
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
