package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// table holds one table's entries: an index by key and records by handle.
// Snapshots share the chunks of records; a chunk, and the list of chunks, is
// copied at the first change after a snapshot, which its epoch tells.
type table struct {
	rows
	schema *entity.Table
	index  index
	epoch  uint64        // of the list of chunks
	def    *entity.Entry // not changed in place
	free   handles
}

func newTable(schema *entity.Table, def *entity.Entry) *table {
	return &table{schema: schema, rows: rows{lay: newLayout(schema)}, index: newIndex(schema.Size), def: def,
		free: handles{limit: uint32(schema.Size), fresh: 1}}
}

// get gives an entry, or for handle 0 the default, that stays as it is; nil for
// none.
func (t *table) get(handle uint32) *entity.Entry {
	if handle == 0 {
		return t.def
	}
	return t.copyOf(handle)
}

// lookup gives the handle of a key and its hash, 0 where there is none.
func (t *table) lookup(key string, priority int32) (handle uint32, hash uint64) {
	hash = t.index.hash(key, priority)
	return t.index.find(hash, func(h uint32) bool { return t.is(h, key, priority) }), hash
}

// find gives an entry that stays as it is, nil for none.
func (t *table) find(key string, priority int32) *entity.Entry {
	h, _ := t.lookup(key, priority)
	if h == 0 {
		return nil
	}
	return t.copyOf(h)
}

// own gives the chunk of a handle, to change it; epoch is the store's.
func (t *table) own(handle uint32, epoch uint64) *chunk {
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
		records := min(chunkSize, int(t.free.limit)+1-i*chunkSize)
		c = &chunk{epoch: epoch, rec: make([]byte, records*t.lay.size)}
		t.chunks[i] = c
	case c.epoch != epoch:
		c = c.clone(epoch)
		t.chunks[i] = c
	}
	return c
}

// set puts e in the place of what its handle has now.
func (t *table) set(e *entity.Entry, epoch uint64) {
	if e.Handle == 0 {
		d := *e
		d.Key, d.Args = "", strings.Clone(e.Args)
		t.def = &d
		return
	}
	t.own(e.Handle, epoch).store(&t.lay, e)
}

// insert publishes a new entry, remove takes one away; neither touches free.
// hash is that of the key (index.hash).
func (t *table) insert(e *entity.Entry, hash, epoch uint64) {
	t.own(e.Handle, epoch).store(&t.lay, e)
	t.index.put(hash, e.Handle)
}

func (t *table) remove(handle uint32, hash, epoch uint64) {
	t.index.remove(hash, handle)
	t.own(handle, epoch).drop(handle)
}

// add is insert for tables that are being built.
func (t *table) add(e *entity.Entry) {
	t.insert(e, t.index.hash(e.Key, e.Priority), 0)
}

// inOrder gives all entries but the default in order of insertion, as load does.
func (r *rows) inOrder(yield func(e *entity.Entry) bool) {
	type born struct {
		birth  uint64
		handle uint32
	}
	var order []born
	sorted, last := true, uint64(0)
	for e := range r.each {
		sorted = sorted && e.Birth > last
		last = e.Birth
		if !sorted {
			break
		}
	}
	if sorted { // as it is where handles were never used twice
		r.each(yield)
		return
	}
	for e := range r.each {
		order = append(order, born{e.Birth, e.Handle})
	}
	slices.SortFunc(order, func(a, b born) int { return cmp.Compare(a.birth, b.birth) })
	var e entity.Entry
	for _, o := range order {
		if r.load(o.handle, &e); !yield(&e) {
			return
		}
	}
}

func (t *table) forgetBases(epoch uint64) {
	for i, c := range t.chunks {
		if c != nil && c.base != nil {
			t.own(uint32(i)*chunkSize, epoch).base = nil
		}
	}
	if t.def.Base != (entity.Counter{}) {
		d := *t.def
		d.Base = entity.Counter{}
		t.def = &d
	}
}

// content is what a generation is filled with. Entries are made while the engine
// takes them; tables must not change meanwhile.
func content(tables []*table) []dataplane.Content {
	out := make([]dataplane.Content, len(tables))
	for i, t := range tables {
		out[i].Default = t.schema.Machine(t.def)
		out[i].Count = t.index.count
		out[i].Each = func(yield func(ir.Entry) bool) {
			f := entity.Former{Expect: t.index.count}
			for e := range t.inOrder {
				if !yield(f.Machine(t.schema, e)) {
					return
				}
			}
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
		if !t.has(h) {
			t.free.ready = append(t.free.ready, h)
		}
	}
}

// cells are the bases of one indirect counter, by index.
type cells struct {
	epoch uint64
	base  map[uint32]entity.Counter
}
