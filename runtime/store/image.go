package store

import (
	"bufio"
	"encoding/binary"
	"io"
	"maps"
	"runtime"

	"github.com/p4nic/p4nic/runtime/entity"
)

// image is content that is being built: by a change of pipeline, or by replay.
type image struct {
	pipe      *Pipeline
	tables    []*table
	cells     map[string]*cells
	objects   objects
	elections map[string]Election
	boot      string
	seq       uint64
	zero      uint64 // sequence of the change of pipeline that started from state zero, when that may not run yet
	// rebase lists handles whose new owner's base is read after the switch.
	rebase []handleID
}

// saved is everything that a journal's snapshot holds, as it was.
type saved struct {
	pipe      *Pipeline
	tables    []frozen
	cells     map[string]map[uint32]entity.Counter
	objects   objects
	elections map[string]Election
	boot      string
	seq       uint64
	zero      uint64
	rebase    []handleID
}

func (img *image) save() *saved {
	c := &saved{pipe: img.pipe, cells: make(map[string]map[uint32]entity.Counter, len(img.cells)), objects: maps.Clone(img.objects), elections: maps.Clone(img.elections), boot: img.boot, seq: img.seq, zero: img.zero, rebase: img.rebase}
	for _, t := range img.tables {
		c.tables = append(c.tables, t.freeze())
	}
	for name, x := range img.cells {
		c.cells[name] = x.base
	}
	return c
}

// save gives the content to a compaction. What changes from now on is copied
// first, as for a Snapshot.
func (s *Store) save() *saved {
	s.epoch.Add(1)
	img := &image{pipe: s.pipe, tables: s.tables, cells: s.cells, objects: s.objects, elections: s.elections, boot: s.opts.BootID, seq: s.seq}
	return img.save()
}

// entriesPerRecord bounds the memory that reading a snapshot takes.
const entriesPerRecord = 1024

// writeSnapshot writes a new file that begins with the content, on the disk.
func writeSnapshot(dir folder, name string, c *saved) (file, int64, error) {
	f, err := dir.create(name)
	if err != nil {
		return nil, 0, err
	}
	out := &fileWriter{f: f}
	w := bufio.NewWriterSize(out, 1<<18)
	err = c.encode(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		_ = dir.remove(name)
		return nil, 0, err
	}
	return f, out.n, nil
}

// fileWriter writes one piece behind the other.
type fileWriter struct {
	f file
	n int64
}

func (w *fileWriter) Write(b []byte) (int, error) {
	n, err := w.f.WriteAt(b, w.n)
	w.n += int64(n)
	return n, err
}

func (c *saved) encode(w io.Writer) error {
	if _, err := io.WriteString(w, magic); err != nil {
		return err
	}
	var b []byte
	put := func(fill func([]byte) []byte) error {
		b = fill(append(b[:0], make([]byte, headerSize)...))
		if err := seal(b); err != nil {
			return err
		}
		_, err := w.Write(b)
		// A compaction is beside writers, of which the next may wait for a processor.
		runtime.Gosched()
		return err
	}
	raw := func(payload []byte) error {
		return put(func(b []byte) []byte { return append(b, payload...) })
	}
	if c.pipe != nil {
		if err := raw(encodePipeline(c.pipe.Config)); err != nil {
			return err
		}
	}
	for i := range c.tables {
		if err := c.tables[i].encode(i, raw, put); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(c.cells) {
		base := c.cells[name]
		b := appendBytes([]byte{recCells}, name)
		b = binary.AppendUvarint(b, uint64(len(base)))
		for _, i := range sortedKeys(base) {
			b = appendCounter(binary.AppendUvarint(b, uint64(i)), base[i])
		}
		if err := raw(b); err != nil {
			return err
		}
	}
	if c.pipe != nil {
		if err := c.encodeObjects(put); err != nil {
			return err
		}
	}
	for _, role := range sortedKeys(c.elections) {
		if err := raw(encodeElection(c.boot, role, c.elections[role])); err != nil {
			return err
		}
	}
	if c.zero != 0 {
		if err := raw(binary.AppendUvarint([]byte{recZero}, c.zero)); err != nil {
			return err
		}
	}
	for i := 0; i < len(c.rebase); { // in order of tables
		n := i
		for n < len(c.rebase) && c.rebase[n].table == c.rebase[i].table {
			n++
		}
		b := binary.AppendUvarint([]byte{recRebase}, uint64(c.rebase[i].table))
		b = binary.AppendUvarint(b, uint64(n-i))
		for ; i < n; i++ {
			b = binary.AppendUvarint(b, uint64(c.rebase[i].handle))
		}
		if err := raw(b); err != nil {
			return err
		}
	}
	return raw(binary.AppendUvarint([]byte{recSnapEnd}, c.seq))
}

// encode writes the records of one table: what handles were used, then the
// default entry and the others in order of insertion.
func (t *frozen) encode(index int, raw func([]byte) error, put func(func([]byte) []byte) error) error {
	b := binary.AppendUvarint([]byte{recTable}, uint64(index))
	if err := raw(binary.AppendUvarint(b, uint64(t.fresh))); err != nil {
		return err
	}
	entries := appendEntry(nil, t.def)
	n := 1
	flush := func() error {
		err := put(func(b []byte) []byte {
			b = binary.AppendUvarint(append(b, recEntries), uint64(index))
			b = binary.AppendUvarint(b, uint64(n))
			return append(b, entries...)
		})
		entries, n = entries[:0], 0
		return err
	}
	for e := range t.inOrder {
		if n == entriesPerRecord {
			if err := flush(); err != nil {
				return err
			}
		}
		entries = appendEntry(entries, e)
		n++
	}
	return flush()
}

// encodeObjects writes what is no table entry.
func (c *saved) encodeObjects(put func(func([]byte) []byte) error) error {
	var b []byte
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		err := put(func(out []byte) []byte {
			return append(binary.AppendUvarint(append(out, recObjects), uint64(n)), b...)
		})
		b, n = b[:0], 0
		return err
	}
	for o := range c.objects.all(c.pipe.Schema) {
		if n == entriesPerRecord {
			if err := flush(); err != nil {
				return err
			}
		}
		b = appendObject(b, o)
		n++
	}
	return flush()
}
