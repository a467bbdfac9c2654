// Package recordlog is an append-only file of records, the form that the store's
// journal has: a magic, then records of length u32 and CRC-32C u32 of the
// payload, little endian, and the payload.
//
// In: payloads. Out: the same payloads after a crash, except those that were
// being written when it happened.
// Must not import: anything of p4nic.
package recordlog

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Log is an open file. It is not safe for concurrent use.
type Log struct {
	path  string
	magic string
	power bool
	f     *os.File
	size  int64 // good bytes
	base  int64 // bytes after the last Rewrite or Open
	buf   []byte
}

const headerSize = 8

// CorruptError says that a log is damaged where a crash cannot have torn it.
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

// Open opens or creates the file and calls each with the payloads that it holds,
// in order; payloads are valid during the call. An error of each is a
// *CorruptError of that record. magic names format and version and ends in a
// newline. A torn end is cut off. With power Append waits for the disk.
func Open(path, magic string, power bool, each func(payload []byte) error) (*Log, error) {
	l := &Log{path: path, magic: magic, power: power}
	if err := os.Remove(path + ".tmp"); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		if err := l.Rewrite(func(func([]byte) error) error { return nil }); err != nil {
			return nil, err
		}
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	good, err := Scan(raw, magic, each)
	if err != nil {
		if c, ok := err.(*CorruptError); ok {
			c.Path, c.Size = path, int64(len(raw))
		}
		return nil, err
	}
	if l.f, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if good < int64(len(raw)) {
		if err := l.f.Truncate(good); err != nil {
			_ = l.f.Close()
			return nil, err
		}
	}
	l.size, l.base = good, good
	return l, nil
}

// next cuts the first record off raw; size is 0 where there is no whole one.
func next(raw []byte) (payload []byte, size int64) {
	if len(raw) < headerSize {
		return nil, 0
	}
	n := binary.LittleEndian.Uint32(raw)
	if n == 0 || uint64(n) > uint64(len(raw)-headerSize) {
		return nil, 0
	}
	payload = raw[headerSize : headerSize+int(n)]
	if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil, 0
	}
	return payload, headerSize + int64(n)
}

// Scan reads the bytes of a log and gives the number of good ones.
func Scan(raw []byte, magic string, each func(payload []byte) error) (good int64, err error) {
	if len(raw) < len(magic) || string(raw[:len(magic)]) != magic {
		return 0, &CorruptError{Reason: "the file does not start as one of this version does"}
	}
	for good = int64(len(magic)); ; {
		payload, size := next(raw[good:])
		if size == 0 {
			break
		}
		if err := each(payload); err != nil {
			return 0, &CorruptError{Offset: good, Reason: err.Error()}
		}
		good += size
	}
	if rest := raw[good:]; len(rest) >= headerSize {
		// A bad record with a good one behind it was not torn by a crash.
		if n := int64(binary.LittleEndian.Uint32(rest)) + headerSize; n < int64(len(rest)) {
			if _, size := next(rest[n:]); size != 0 {
				return 0, &CorruptError{Offset: good, Reason: "its checksum is wrong, and acknowledged records follow it"}
			}
		}
	}
	return good, nil
}

func frame(b, payload []byte) ([]byte, error) {
	if uint64(len(payload)) > math.MaxUint32 {
		return b, fmt.Errorf("a record of %d bytes is over 4 GiB", len(payload))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, payload...), nil
}

// Append writes one record. After an error nothing of it counts, unless the
// error says that it cannot be taken back.
func (l *Log) Append(payload []byte) error {
	b, err := frame(l.buf[:0], payload)
	if err != nil {
		return err
	}
	if cap(b) <= 1<<20 {
		l.buf = b
	}
	if _, err = l.f.WriteAt(b, l.size); err == nil && l.power {
		err = unix.Fdatasync(int(l.f.Fd()))
	}
	if err != nil {
		if e := l.f.Truncate(l.size); e != nil {
			return fmt.Errorf("%s: %w; and what was written cannot be taken back: %w", l.path, err, e)
		}
		return fmt.Errorf("%s: %w", l.path, err)
	}
	l.size += int64(len(b))
	return nil
}

// Size is the number of bytes, Base what it was after the last Rewrite or Open.
func (l *Log) Size() int64 { return l.size }

// Base: see Size.
func (l *Log) Base() int64 { return l.base }

// Rewrite replaces the content by what write puts. After an error the old file
// is in use.
func (l *Log) Rewrite(write func(put func(payload []byte) error) error) error {
	tmp := l.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<18)
	size := int64(len(l.magic))
	_, err = w.WriteString(l.magic)
	var buf []byte
	if err == nil {
		err = write(func(payload []byte) error {
			var e error
			if buf, e = frame(buf[:0], payload); e != nil {
				return e
			}
			size += int64(len(buf))
			_, e = w.Write(buf)
			return e
		})
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, l.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(tmp)
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f, l.size, l.base = f, size, size
	d, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Close closes the file.
func (l *Log) Close() error {
	if l.power {
		_ = unix.Fdatasync(int(l.f.Fd()))
	}
	return l.f.Close()
}
