package store

import (
	"fmt"
	"iter"

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
// it; writers go on meanwhile (p4rt:RD10).
type Snapshot struct {
	Pipeline *Pipeline       // nil when there is none
	Found    []*entity.Entry // one a key given to Store.Snapshot, nil = no such entry
	store    *Store
	tables   []view
	cells    map[string]map[uint32]entity.Counter
}

type view struct {
	chunks []*chunk
	def    *entity.Entry
	count  int
}

// Snapshot takes the content as it is now and looks keys up in it. Keys are
// valid for pipeline p; when another one is live, or p is nil, Found is nil.
func (s *Store) Snapshot(p *Pipeline, keys ...Key) *Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	// Whoever changes content holds mu for writing, so what is changed after
	// this line is changed in an epoch of its own.
	s.epoch.Add(1)
	v := &Snapshot{Pipeline: s.pipe, store: s, tables: make([]view, len(s.tables)), cells: make(map[string]map[uint32]entity.Counter, len(s.cells))}
	for i, t := range s.tables {
		v.tables[i] = view{chunks: t.chunks, def: t.def, count: len(t.index)}
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
		for _, c := range v.tables[table].chunks {
			if c == nil {
				continue
			}
			for _, e := range c.at {
				if e != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// Count is the number of entries of a table.
func (v *Snapshot) Count(table int) int { return v.tables[table].count }

// Default is the table's default entry.
func (v *Snapshot) Default(table int) *entity.Entry { return v.tables[table].def }

// Counters reads the direct counters of entries of one table: what the
// dataplane counted, less the base of each (D12). An entry whose handle has a
// new owner by now reads zero.
func (v *Snapshot) Counters(table int, es []*entity.Entry, out []entity.Counter) error {
	s := v.store
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	if err := v.live(); err != nil {
		return err
	}
	hs := make([]uint32, len(es))
	for i, e := range es {
		hs[i] = e.Handle
	}
	sums := make([]dataplane.Counter, len(es))
	if err := s.plane.Counters(table, hs, sums); err != nil {
		return fmt.Errorf("counters of table %s: %w", v.Pipeline.Schema.Tables[table].Name, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, e := range es {
		out[i] = entity.Counter(sums[i]).Sub(e.Base)
		if now := s.tables[table].get(e.Handle); now != nil && now.Birth != e.Birth {
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
