package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"path/filepath"
	"sync/atomic"
)

// journal is the open file. Only the applier uses it, but for end and reading.
type journal struct {
	opts     *Options
	dir      folder
	f        file
	size     int64 // good bytes
	snapshot int64 // bytes of the snapshot it starts with
	retry    int64 // after a snapshot that failed: not before the file has this size
	buf      []byte
	records  int // in buf

	// end is size, for the compaction that reads beside the applier.
	end atomic.Int64

	// was is the file that had the journal's name before. While it is not certain
	// that the name's change outlives a power cut, it gets every record too.
	was     file
	wasSize int64
}

// Names in the directory. What is left of the others is removed at the start.
const (
	journalName = "journal"
	tempName    = "journal.tmp"  // of a change of pipeline
	prevName    = "journal.prev" // the old file, until a change of pipeline is certain
	nextName    = "journal.next" // of a compaction
)

func (j *journal) path(name string) string { return filepath.Join(j.opts.Dir, name) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// seal fills in the header of a frame: 8 bytes before the payload.
func seal(frame []byte) error {
	payload := frame[headerSize:]
	if uint64(len(payload)) > math.MaxUint32 {
		return fmt.Errorf("journal: a record of %d bytes is over 4 GiB", len(payload))
	}
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(payload, castagnoli()))
	return nil
}

// begin starts a group of records, which will be in the file whole or not at all.
func (j *journal) begin() {
	j.buf = append(j.buf[:0], make([]byte, headerSize)...)
	j.buf = append(j.buf, recGroup)
	j.records = 0
}

// record adds one to the group; fill appends it.
func (j *journal) record(fill func([]byte) []byte) {
	at := len(j.buf)
	j.buf = fill(append(j.buf, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(j.buf[at:], uint32(len(j.buf)-at-4))
	j.records++
}

// commit writes the group with one write and, for Power, one fdatasync. After an
// error nothing of it is in the file.
func (j *journal) commit() error {
	if j.records == 0 {
		return nil
	}
	b := j.buf
	if cap(b) > 4<<20 {
		j.buf = nil // of a giant
	}
	if err := seal(b); err != nil {
		return err
	}
	err := j.write(j.f, b, j.size)
	if err == nil && j.was != nil {
		if err = j.write(j.was, b, j.wasSize); err != nil {
			err = j.takeBack(j.f, j.size, err)
		}
	}
	if err != nil {
		return err
	}
	j.grown(int64(len(b)))
	return nil
}

func (j *journal) grown(n int64) {
	j.size += n
	j.end.Store(j.size)
	if j.was != nil {
		j.wasSize += n
	}
}

// append commits records of their own.
func (j *journal) append(payloads ...[]byte) error {
	j.begin()
	for _, p := range payloads {
		j.record(func(b []byte) []byte { return append(b, p...) })
	}
	return j.commit()
}

func (j *journal) write(f file, b []byte, at int64) error {
	_, err := f.WriteAt(b, at)
	if err == nil && j.opts.Durability == Power {
		err = f.Sync()
	}
	if err == nil {
		return nil
	}
	// The file's own name is that of the snapshot it began as.
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = &fs.PathError{Op: pe.Op, Path: j.path(journalName), Err: pe.Err}
	}
	return j.takeBack(f, at, fmt.Errorf("journal: %w", err))
}

// takeBack cuts off what was written in vain.
func (j *journal) takeBack(f file, size int64, err error) error {
	var torn *tornError
	if errors.As(err, &torn) {
		return err
	}
	if e := f.Truncate(size); e != nil {
		return &tornError{fmt.Errorf("%w; and what was written cannot be taken back: %w", err, e)}
	}
	return err
}

// tornError says that the file may hold records that were refused.
type tornError struct{ err error }

func (e *tornError) Error() string { return e.err.Error() }
func (e *tornError) Unwrap() error { return e.err }

func (j *journal) close() error {
	if j.opts.Durability == Power {
		_ = j.f.Sync()
	}
	if j.was != nil {
		_ = j.was.Close()
	}
	return j.f.Close()
}

// rotate puts a new file with a snapshot in the journal's place. The old file
// stays under another name until settle is called with what became of the
// change.
func (j *journal) rotate(c *saved) (settle func(ok bool) error, err error) {
	f, size, err := writeSnapshot(j.dir, tempName, c)
	if err != nil {
		return nil, fmt.Errorf("journal: snapshot: %w", err)
	}
	j.opts.at(fpSetWritten)
	undo := func(err error) (func(bool) error, error) {
		f.Close()
		_ = j.dir.remove(tempName)
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.dir.remove(prevName); err != nil {
		return undo(err)
	}
	if err := j.dir.link(journalName, prevName); err != nil {
		return undo(err)
	}
	j.opts.at(fpSetLinked)
	if err := j.dir.rename(tempName, journalName); err != nil {
		return undo(err)
	}
	j.opts.at(fpSetRenamed)
	old := journal{f: j.f, size: j.size, snapshot: j.snapshot, was: j.was, wasSize: j.wasSize}
	j.take(f, size, size, nil, 0)
	if err := j.dir.sync(); err != nil {
		return nil, &tornError{fmt.Errorf("journal: %w", err)}
	}
	j.opts.at(fpSetSynced)
	return func(ok bool) error {
		if ok {
			old.f.Close()
			if old.was != nil {
				old.was.Close()
			}
			return j.dir.remove(prevName)
		}
		if err := j.dir.rename(prevName, journalName); err != nil {
			return &tornError{fmt.Errorf("journal: %w", err)}
		}
		j.opts.at(fpSetUndone)
		j.f.Close()
		j.take(old.f, old.size, old.snapshot, old.was, old.wasSize)
		return j.dir.sync()
	}, nil
}

// take makes f the journal's file.
func (j *journal) take(f file, size, snapshot int64, was file, wasSize int64) {
	j.f, j.size, j.snapshot, j.retry = f, size, snapshot, 0
	j.was, j.wasSize = was, wasSize
	j.end.Store(size)
}
