package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/entity"
)

// journal is the open file. Only the applier uses it.
type journal struct {
	dir      string
	f        *os.File
	size     int64 // good bytes
	snapshot int64 // bytes of the snapshot it starts with
	retry    int64 // after a snapshot that failed: not before the file has this size
	power    bool
	buf      []byte
}

const (
	journalName = "journal"
	tempName    = "journal.tmp"
	prevName    = "journal.prev"
)

func (j *journal) path(name string) string { return filepath.Join(j.dir, name) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// frame appends one record to b.
func frame(b, payload []byte) ([]byte, error) {
	if uint64(len(payload)) > math.MaxUint32 {
		return b, fmt.Errorf("journal: a record of %d bytes is over 4 GiB", len(payload))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli()))
	return append(b, payload...), nil
}

// append writes the records with one write and, for Power, one fdatasync. After
// an error nothing of them is in the file.
func (j *journal) append(payloads ...[]byte) error {
	b := j.buf[:0]
	var err error
	for _, p := range payloads {
		if b, err = frame(b, p); err != nil {
			return err
		}
	}
	if cap(b) <= 1<<20 {
		j.buf = b // keep it for the next group, unless it was a giant
	}
	if _, err = j.f.WriteAt(b, j.size); err == nil && j.power {
		err = unix.Fdatasync(int(j.f.Fd()))
	}
	if err != nil {
		// The file's own name is that of the snapshot it began as.
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = &fs.PathError{Op: pe.Op, Path: j.path(journalName), Err: pe.Err}
		}
		if e := j.f.Truncate(j.size); e != nil {
			return &tornError{fmt.Errorf("journal: %w; and what was written cannot be taken back: %w", err, e)}
		}
		return fmt.Errorf("journal: %w", err)
	}
	j.size += int64(len(b))
	return nil
}

// tornError says that the file may hold records that were refused.
type tornError struct{ err error }

func (e *tornError) Error() string { return e.err.Error() }
func (e *tornError) Unwrap() error { return e.err }

func (j *journal) close() error {
	if j.power {
		_ = unix.Fdatasync(int(j.f.Fd()))
	}
	return j.f.Close()
}

// image is everything a journal's snapshot holds.
type image struct {
	pipe      *Pipeline
	tables    []*table
	cells     map[string]*cells
	elections map[string]Election
	boot      string
	seq       uint64
	// rebase lists handles whose new owner's base is read after the switch.
	rebase []handleID
}

// rotate writes img to a new file and puts it in the journal's place. With keep
// the old file stays under another name until settle is called with what became
// of the change.
func (j *journal) rotate(img *image, keep bool) (settle func(ok bool) error, err error) {
	f, size, err := writeSnapshot(j.path(tempName), img)
	if err != nil {
		return nil, fmt.Errorf("journal: snapshot: %w", err)
	}
	undo := func(err error) (func(bool) error, error) {
		f.Close()
		os.Remove(j.path(tempName))
		return nil, fmt.Errorf("journal: %w", err)
	}
	if keep {
		if err := os.Remove(j.path(prevName)); err != nil && !os.IsNotExist(err) {
			return undo(err)
		}
		if err := os.Link(j.path(journalName), j.path(prevName)); err != nil {
			return undo(err)
		}
	}
	if err := os.Rename(j.path(tempName), j.path(journalName)); err != nil {
		return undo(err)
	}
	old := *j
	j.f, j.size, j.snapshot, j.retry = f, size, size, 0
	if err := j.syncDir(); err != nil {
		return nil, &tornError{fmt.Errorf("journal: %w", err)}
	}
	settle = func(ok bool) error {
		if ok {
			old.f.Close()
			if keep {
				return os.Remove(j.path(prevName))
			}
			return nil
		}
		if err := os.Rename(j.path(prevName), j.path(journalName)); err != nil {
			return &tornError{fmt.Errorf("journal: %w", err)}
		}
		j.f.Close()
		j.f, j.size, j.snapshot = old.f, old.size, old.snapshot
		return j.syncDir()
	}
	return settle, nil
}

func (j *journal) syncDir() error {
	d, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// entriesPerRecord bounds the memory that reading a snapshot takes.
const entriesPerRecord = 1024

func writeSnapshot(path string, img *image) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	cw := &countWriter{w: bufio.NewWriterSize(f, 1<<18)}
	err = encodeSnapshot(cw, img)
	if err == nil {
		err = cw.w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, 0, err
	}
	return f, cw.n, nil
}

type countWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func encodeSnapshot(w io.Writer, img *image) error {
	if _, err := io.WriteString(w, magic); err != nil {
		return err
	}
	var framed []byte
	put := func(payload []byte) error {
		var err error
		if framed, err = frame(framed[:0], payload); err != nil {
			return err
		}
		_, err = w.Write(framed)
		return err
	}
	if img.pipe != nil {
		if err := put(encodePipeline(img.pipe.Config)); err != nil {
			return err
		}
	}
	for i, t := range img.tables {
		b := binary.AppendUvarint([]byte{recTable}, uint64(i))
		if err := put(binary.AppendUvarint(b, uint64(t.free.fresh))); err != nil {
			return err
		}
		for es := append([]*entity.Entry{t.def}, t.entries()...); len(es) > 0; {
			n := min(len(es), entriesPerRecord)
			b := binary.AppendUvarint([]byte{recEntries}, uint64(i))
			b = binary.AppendUvarint(b, uint64(n))
			for _, e := range es[:n] {
				b = appendEntry(b, e)
			}
			if err := put(b); err != nil {
				return err
			}
			es = es[n:]
		}
	}
	for _, name := range sortedKeys(img.cells) {
		base := img.cells[name].base
		b := appendBytes([]byte{recCells}, name)
		b = binary.AppendUvarint(b, uint64(len(base)))
		for _, i := range sortedKeys(base) {
			b = appendCounter(binary.AppendUvarint(b, uint64(i)), base[i])
		}
		if err := put(b); err != nil {
			return err
		}
	}
	for _, role := range sortedKeys(img.elections) {
		if err := put(encodeElection(img.boot, role, img.elections[role])); err != nil {
			return err
		}
	}
	return put(binary.AppendUvarint([]byte{recSnapEnd}, img.seq))
}
