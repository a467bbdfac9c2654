package store

import (
	"slices"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// table holds one table's entries: an index by key and an array by handle in
// chunks. Snapshots share chunks; a chunk, and the list of chunks, is copied at
// the first change after a snapshot, which its epoch tells.
type table struct {
	schema *entity.Table
	index  map[string]uint32 // entity.IndexKey -> handle
	chunks []*chunk          // by handle / chunkSize
	epoch  uint64            // of the list of chunks
	def    *entity.Entry
	free   handles
}

const chunkSize = 256

type chunk struct {
	epoch uint64
	at    [chunkSize]*entity.Entry
}

func newTable(schema *entity.Table, def *entity.Entry) *table {
	return &table{schema: schema, index: map[string]uint32{}, def: def,
		free: handles{limit: uint32(schema.Size), fresh: 1}}
}

func (t *table) get(handle uint32) *entity.Entry {
	c := int(handle / chunkSize)
	if handle == 0 {
		return t.def
	}
	if c >= len(t.chunks) || t.chunks[c] == nil {
		return nil
	}
	return t.chunks[c].at[handle%chunkSize]
}

func (t *table) find(key string, priority int32) *entity.Entry {
	h, ok := t.index[entity.IndexKey(key, priority)]
	if !ok {
		return nil
	}
	return t.get(h)
}

// set puts e (nil: nothing) at a handle; epoch is the store's.
func (t *table) set(handle uint32, e *entity.Entry, epoch uint64) {
	if handle == 0 {
		t.def = e
		return
	}
	if t.epoch != epoch {
		t.chunks = slices.Clone(t.chunks)
		t.epoch = epoch
	}
	i := int(handle / chunkSize)
	for len(t.chunks) <= i {
		t.chunks = append(t.chunks, nil)
	}
	c := t.chunks[i]
	switch {
	case c == nil:
		c = &chunk{epoch: epoch}
		t.chunks[i] = c
	case c.epoch != epoch:
		d := *c
		c = &d
		c.epoch = epoch
		t.chunks[i] = c
	}
	c.at[handle%chunkSize] = e
}

// insert publishes a new entry, remove takes one away; neither touches free.
func (t *table) insert(e *entity.Entry, epoch uint64) {
	t.index[entity.IndexKey(e.Key, e.Priority)] = e.Handle
	t.set(e.Handle, e, epoch)
}

func (t *table) remove(e *entity.Entry, epoch uint64) {
	delete(t.index, entity.IndexKey(e.Key, e.Priority))
	t.set(e.Handle, nil, epoch)
}

// entries are all but the default, in order of insertion.
func (t *table) entries() []*entity.Entry {
	out := make([]*entity.Entry, 0, len(t.index))
	for _, c := range t.chunks {
		if c == nil {
			continue
		}
		for _, e := range c.at {
			if e != nil {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b *entity.Entry) int {
		if a.Birth < b.Birth {
			return -1
		}
		return 1
	})
	return out
}

func (t *table) forgetBases(epoch uint64) {
	for _, e := range t.entries() {
		if e.Base != (entity.Counter{}) {
			c := *e
			c.Base = entity.Counter{}
			t.set(e.Handle, &c, epoch)
		}
	}
	if t.def.Base != (entity.Counter{}) {
		c := *t.def
		c.Base = entity.Counter{}
		t.def = &c
	}
}

// content is what a generation is filled with.
func content(tables []*table) []dataplane.Content {
	out := make([]dataplane.Content, len(tables))
	for i, t := range tables {
		es := t.entries()
		out[i].Default = t.schema.Machine(t.def)
		out[i].Entries = slices.Grow(out[i].Entries, len(es))
		for _, e := range es {
			out[i].Entries = append(out[i].Entries, t.schema.Machine(e))
		}
	}
	return out
}

// handles gives out handles 1..limit (D2, D11).
type handles struct {
	limit uint32
	fresh uint32   // this and all above were never used
	ready []uint32 // free, and no packet uses them
	held  []uint32 // free after the next grace
}

// take gives a handle and whether it had an owner before. It fails when all are
// in use or held.
func (h *handles) take() (handle uint32, used, ok bool) {
	if n := len(h.ready); n > 0 {
		handle = h.ready[n-1]
		h.ready = h.ready[:n-1]
		return handle, true, true
	}
	if h.fresh <= h.limit {
		h.fresh++
		return h.fresh - 1, false, true
	}
	return 0, false, false
}

// release puts a handle back, to be used after grace.
func (h *handles) release(handle uint32) { h.held = append(h.held, handle) }

// graced makes held handles usable.
func (h *handles) graced() {
	h.ready = append(h.ready, h.held...)
	h.held = h.held[:0]
}

// rebuild derives the free handles from those in use, after replay: packets of
// an old daemon's time are long gone when the first batch comes, so none is held.
func (t *table) rebuild() {
	t.free.ready, t.free.held = nil, nil
	for h := t.free.fresh - 1; h >= 1; h-- {
		if t.get(h) == nil {
			t.free.ready = append(t.free.ready, h)
		}
	}
}

// cells are the bases of one indirect counter, by index.
type cells struct {
	epoch uint64
	base  map[uint32]entity.Counter
}
