package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// CorruptError says that the journal is damaged before its end, where a crash
// cannot have torn it.
type CorruptError struct {
	Path   string
	Offset int64 // what precedes it is good
	Size   int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: record at byte %d of %d: %s; move the file away to start empty, or cut it to %d bytes to keep what precedes",
		e.Path, e.Offset, e.Size, e.Reason, e.Offset)
}

func (s *Store) openJournal() error {
	dir := s.opts.folder
	if dir == nil {
		dir = diskFolder(s.opts.Dir)
	}
	j := &journal{opts: &s.opts, dir: dir}
	for _, stale := range []string{tempName, prevName, nextName} {
		if err := dir.remove(stale); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	f, err := dir.open(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		f, size, err := writeSnapshot(dir, tempName, &saved{})
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if err := dir.rename(tempName, journalName); err != nil {
			f.Close()
			return fmt.Errorf("store: %w", err)
		}
		j.take(f, size, size, nil, 0)
		s.journal = j
		return dir.sync()
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	img, snapshot, good, err := s.replayFile(j)
	if err == nil && good < img.size {
		s.log.Warn("journal has a torn end, as a crash leaves it", "path", j.path(journalName), "kept", good, "cut", img.size-good)
		if err = f.Truncate(good); err != nil {
			err = fmt.Errorf("store: %w", err)
		}
		s.opts.at(fpOpenCut)
	}
	if err != nil {
		f.Close()
		return err
	}
	j.take(f, good, snapshot, nil, 0)
	s.journal = j
	s.pipe, s.tables, s.cells, s.objects, s.elections, s.seq, s.birth = img.pipe, img.tables, img.cells, img.objects, img.elections, img.seq, img.birth
	s.uses, s.hidden = references(s.tables, s.objects)
	s.unfinished.zero = img.zero
	s.unfinished.shifts = slices.SortedFunc(maps.Keys(img.shifts), func(a, b handleID) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.handle, b.handle))
	})
	return nil
}

func (s *Store) replayFile(j *journal) (img *replayed, snapshot, good int64, err error) {
	raw, free, err := j.dir.read(journalName)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("store: %w", err)
	}
	defer free()
	if img, snapshot, good, err = replay(raw, s.opts); err != nil {
		if c, ok := err.(*CorruptError); ok {
			c.Path, c.Size = j.path(journalName), int64(len(raw))
		}
		return nil, 0, 0, err
	}
	img.size = int64(len(raw))
	return img, snapshot, good, nil
}

// replayed is an image with what only replay knows.
type replayed struct {
	image
	birth uint64
	size  int64 // of the file
	// shifts are handles of counting tables that wait for their recShift.
	shifts map[handleID]bool
}

// next cuts the first record off raw. size is 0 where none can be cut: raw is
// empty, or its beginning is no whole record.
func next(raw []byte) (payload []byte, size int64) {
	if len(raw) < headerSize {
		return nil, 0
	}
	n := binary.LittleEndian.Uint32(raw)
	if n == 0 || uint64(n) > uint64(len(raw)-headerSize) {
		return nil, 0
	}
	payload = raw[headerSize : headerSize+int(n)]
	if crc32.Checksum(payload, castagnoli()) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil, 0
	}
	return payload, headerSize + int64(n)
}

// replay reads a whole journal: the content, the size of the snapshot that it
// starts with and the number of good bytes.
func replay(raw []byte, o Options) (img *replayed, snapshot, good int64, err error) {
	if len(raw) < len(magic) || string(raw[:len(magic)]) != magic {
		return nil, 0, 0, &CorruptError{Reason: "the file does not start as a journal of this version does"}
	}
	img = &replayed{image: image{cells: map[string]*cells{}, objects: objects{}, elections: map[string]Election{}, boot: o.BootID}, shifts: map[handleID]bool{}}
	failed, err := failures(raw[len(magic):])
	if err != nil {
		return nil, 0, 0, err
	}
	for good = int64(len(magic)); ; {
		payload, size := next(raw[good:])
		if size == 0 {
			break
		}
		for r, err := range records(payload) {
			if err == nil {
				d := &decoder{b: r[1:]}
				img.record(r[0], d, o, failed, snapshot == 0)
				err = d.end()
			}
			if err != nil {
				return nil, 0, 0, &CorruptError{Offset: good, Reason: err.Error()}
			}
		}
		good += size
		if payload[0] == recSnapEnd {
			if snapshot != 0 {
				return nil, 0, 0, &CorruptError{Offset: good - size, Reason: "a second snapshot ends here"}
			}
			snapshot = good
		}
	}
	if snapshot == 0 {
		return nil, 0, 0, &CorruptError{Offset: good, Reason: "the snapshot at its beginning is not whole"}
	}
	if rest := raw[good:]; len(rest) >= headerSize {
		// A bad record with a good one behind it was not torn by a crash.
		n := int64(binary.LittleEndian.Uint32(rest)) + headerSize
		if n < int64(len(rest)) {
			if _, size := next(rest[n:]); size != 0 {
				return nil, 0, 0, &CorruptError{Offset: good, Reason: "its checksum is wrong, and acknowledged writes follow it"}
			}
		}
	}
	for _, t := range img.tables {
		t.rebuild()
	}
	return img, snapshot, good, nil
}

// failures collects the compensating records, which stand behind the batches
// that they concern.
func failures(raw []byte) (map[uint64]map[int]bool, error) {
	var out map[uint64]map[int]bool
	for {
		payload, size := next(raw)
		if size == 0 {
			return out, nil
		}
		raw = raw[size:]
		for r, err := range records(payload) {
			if err != nil || r[0] != recFail {
				continue // replay reports the error
			}
			d := &decoder{b: r[1:]}
			seq := d.uint()
			set := map[int]bool{}
			for range d.count() {
				set[int(d.uint32())] = true
			}
			if err := d.end(); err != nil {
				return nil, &CorruptError{Reason: "compensating record: " + err.Error()}
			}
			if out == nil {
				out = map[uint64]map[int]bool{}
			}
			out[seq] = set
		}
	}
}

// records gives the records of a frame's payload: it is one, or a group of them.
func records(payload []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if payload[0] != recGroup {
			yield(payload, nil)
			return
		}
		for b := payload[1:]; len(b) > 0; {
			var n uint64
			if len(b) >= 4 {
				n = uint64(binary.LittleEndian.Uint32(b))
			}
			if n == 0 || n > uint64(len(b)-4) {
				yield(nil, errShort)
				return
			}
			if !yield(b[4:4+n:4+n], nil) {
				return
			}
			b = b[4+n:]
		}
	}
}

func (img *replayed) record(typ byte, d *decoder, o Options, failed map[uint64]map[int]bool, inSnapshot bool) {
	inBatch := typ == recBatch || typ == recFail || typ == recShift || typ == recStart
	if typ != recElection && inBatch == inSnapshot {
		d.fail(fmt.Errorf("record type %d does not belong here", typ))
		return
	}
	switch typ {
	case recPipeline:
		img.pipeline(d, o)
	case recTable:
		if t := img.table(d); t != nil {
			if t.free.fresh = d.uint32(); t.free.fresh == 0 || t.free.fresh > t.free.limit+1 {
				d.fail(fmt.Errorf("table %s: first unused handle %d of %d", t.schema.Name, t.free.fresh, t.free.limit))
			}
		}
	case recEntries:
		t := img.table(d)
		for range d.count() {
			if e := d.entry(); d.err == nil && t != nil {
				img.put(d, t, &e)
			}
		}
	case recCells:
		name := d.str()
		for range d.count() {
			i := d.uint32()
			img.setCell(name, i, d.counter())
		}
	case recObjects:
		for range d.count() {
			if c := d.object(); d.err == nil {
				img.object(d, c)
			}
		}
	case recElection:
		boot, role := d.str(), d.str()
		e := Election{High: d.uint(), Low: d.uint()}
		if boot == o.BootID {
			img.elections[role] = e
		}
	case recZero:
		img.zero = d.uint()
	case recRebase:
		t := img.table(d)
		for range d.count() {
			if h := d.uint32(); t != nil {
				img.shifts[handleID{t.schema.Index, h}] = true
			}
		}
	case recSnapEnd:
		img.seq = d.uint()
	case recBatch:
		img.seq = d.uint()
		skip := failed[img.seq]
		for i := range d.count() {
			c := d.change()
			if d.err != nil {
				return
			}
			if !skip[i] {
				img.change(d, &c)
			}
		}
	case recFail:
		d.b = nil // failures has read it
	case recShift:
		t := img.table(d)
		h := d.uint32()
		diff := d.counter()
		if t == nil {
			return
		}
		delete(img.shifts, handleID{t.schema.Index, h})
		if e := t.get(h); e != nil {
			c := *e
			c.Base = entity.Counter{Packets: c.Base.Packets + diff.Packets, Bytes: c.Base.Bytes + diff.Bytes}
			t.set(&c, 0)
		}
	case recStart:
		img.seq = d.uint()
		if d.byte() == 1 {
			for _, t := range img.tables {
				t.forgetBases(0)
			}
			img.cells = map[string]*cells{}
			clear(img.shifts)
		}
	default:
		d.fail(fmt.Errorf("unknown record type %d: written by a newer version", typ))
	}
}

func (img *replayed) pipeline(d *decoder, o Options) {
	c := Config{HasCookie: d.byte() == 1, Cookie: d.uint(), P4Info: []byte(d.str()), Device: []byte(d.str())}
	if d.err != nil {
		return
	}
	if img.pipe != nil {
		d.fail(fmt.Errorf("a second pipeline"))
		return
	}
	var p *ir.Program
	p, err := o.Load(c)
	if err == nil {
		img.pipe, err = NewPipeline(c, p)
	}
	if err != nil {
		d.fail(fmt.Errorf("the stored pipeline cannot be read: %w", err))
		return
	}
	for _, t := range img.pipe.Schema.Tables {
		def, err := t.Default()
		if err != nil {
			d.fail(err)
			return
		}
		img.tables = append(img.tables, newTable(t, def))
	}
}

func (img *replayed) table(d *decoder) *table {
	i := d.uint32()
	if d.err != nil {
		return nil
	}
	if uint64(i) >= uint64(len(img.tables)) {
		d.fail(fmt.Errorf("table %d of %d", i, len(img.tables)))
		return nil
	}
	return img.tables[i]
}

// check tells whether e fits the table.
func check(d *decoder, t *table, e *entity.Entry) bool {
	switch {
	case e.Handle > t.free.limit:
		d.fail(fmt.Errorf("table %s: handle %d of %d", t.schema.Name, e.Handle, t.free.limit))
	case t.schema.ArgSize(int(e.Action)) < 0 || e.Handle == 0 && int(e.Action) >= len(t.schema.Actions):
		d.fail(fmt.Errorf("table %s: action %d of %d", t.schema.Name, e.Action, len(t.schema.Actions)))
	case len(e.Args) != t.schema.ArgSize(int(e.Action)):
		d.fail(fmt.Errorf("table %s: %d bytes of arguments for action %s", t.schema.Name, len(e.Args), t.schema.ActionName(e)))
	case (int(e.Action) == t.schema.SetRef()) != (e.Extra != nil && e.Extra.Set != nil):
		d.fail(fmt.Errorf("table %s: an action set without actions, or actions without a set", t.schema.Name))
	case e.Handle != 0 && len(e.Key) != t.schema.KeySize, e.Handle == 0 && e.Key != "":
		d.fail(fmt.Errorf("table %s: a key of %d bytes for handle %d", t.schema.Name, len(e.Key), e.Handle))
	}
	return d.err == nil
}

// put adds an entry, or sets the default.
func (img *replayed) put(d *decoder, t *table, e *entity.Entry) {
	if !check(d, t, e) {
		return
	}
	if e.Handle == 0 {
		t.set(e, 0)
		return
	}
	h, hash := t.lookup(e.Key, e.Priority)
	if h != 0 || t.has(e.Handle) {
		d.fail(fmt.Errorf("table %s: handle %d or its key twice", t.schema.Name, e.Handle))
		return
	}
	img.birth++
	e.Birth = img.birth
	t.free.fresh = max(t.free.fresh, e.Handle+1)
	t.insert(e, hash, 0)
}

func (img *replayed) setCell(name string, i uint32, base entity.Counter) {
	c := img.cells[name]
	if c == nil {
		c = &cells{base: map[uint32]entity.Counter{}}
		img.cells[name] = c
	}
	c.base[i] = base
}

// object repeats a change of an object.
func (img *replayed) object(d *decoder, c *objectChange) {
	if img.pipe == nil {
		d.fail(fmt.Errorf("%s without a pipeline", c.id))
		return
	}
	if err := checkObject(img.pipe.Schema, c); err != nil {
		d.fail(err)
		return
	}
	img.objects.set(c, cellsOf(img.pipe.Schema, c.id.Scope), 0)
}

// change repeats one change of a batch.
func (img *replayed) change(d *decoder, c *change) {
	if c.kind == chObject {
		c.object.stamp(img.seq)
		img.object(d, c.object)
		return
	}
	if c.kind == chCells {
		for i, b := range c.cells.bases {
			img.setCell(c.cells.instance, c.cells.first+uint32(i), b)
		}
		return
	}
	if c.table < 0 || c.table >= len(img.tables) {
		d.fail(fmt.Errorf("table %d of %d", c.table, len(img.tables)))
		return
	}
	t := img.tables[c.table]
	if c.isInsert() {
		if c.entry.Handle == 0 {
			d.fail(fmt.Errorf("table %s: an insert without handle", t.schema.Name))
			return
		}
		img.put(d, t, &c.entry)
		if c.kind == chTake && t.schema.Counter != "" {
			img.shifts[handleID{c.table, c.entry.Handle}] = true
		}
		return
	}
	old := t.def
	if c.entry.Handle != 0 {
		old = &entity.Entry{}
		if !t.load(c.entry.Handle, old) {
			d.fail(fmt.Errorf("table %s: handle %d has no entry", t.schema.Name, c.entry.Handle))
			return
		}
	}
	if c.kind == chDelete {
		if old.Handle == 0 {
			d.fail(fmt.Errorf("table %s: its default entry is deleted", t.schema.Name))
			return
		}
		delete(img.shifts, handleID{c.table, old.Handle})
		t.remove(old.Handle, t.index.hash(old.Key, old.Priority), 0)
		return
	}
	e := merge(c, old)
	switch {
	case !check(d, t, &e):
	case e.Key != old.Key || e.Priority != old.Priority:
		d.fail(fmt.Errorf("table %s: handle %d changes its key", t.schema.Name, e.Handle))
	default:
		t.set(&e, 0)
	}
}

// merge gives what a change of an entry makes of what is there. The applier and
// replay share it.
func merge(c *change, old *entity.Entry) entity.Entry {
	e := c.entry
	switch c.kind {
	case chModifyKeep:
		e.Action, e.Args = old.Action, old.Args
	case chBase:
		e = *old
		e.Base = c.entry.Base
	case chMeter:
		e = *old
		e.Extra = withMeter(old.Extra, meterOf(&c.entry))
	}
	e.Birth = old.Birth
	return e
}
