package auditlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options of Open.
type Options struct {
	Dir      string
	MaxBytes int64            // a file that is larger is followed by the next; 0 = 64 MiB
	Keep     int              // files that are kept; 0 = 16
	Version  string           // of the program, for the record that says that it began
	Now      func() time.Time // nil = time.Now
	Disk     Disk             // zero = the real one
}

// Disk is what may fail because a disk is full, so that one that is can be had
// without filling one.
type Disk struct {
	Write    func(f *os.File, b []byte, at int64) error
	Allocate func(f *os.File, at, n int64) error // takes blocks for bytes that are still to be written
}

// Log writes records. It is safe for concurrent use.
type Log struct {
	o    Options
	mu   sync.Mutex
	f    *os.File
	path string
	size int64  // of whole records
	room int64  // bytes up to which the disk is ours
	held int64  // promises of Reserve
	seq  uint64 // of the last record
	head string // its hash
	torn bool   // bytes behind size may be left of a failed write
	lost uint64
	all  uint64 // lost ever
	why  error  // of the last failure; nil when all is well
}

// State is what operators are told.
type State struct {
	File     string // that is written
	Sequence uint64 // of the last record
	Head     string // its hash
	Lost     uint64 // records that could not be written since the start
	Problem  string // why none can be written now; empty when they can
}

const (
	defaultMax  = 64 << 20
	defaultKeep = 16
	roomStep    = 64 * maxLine // bytes taken from the disk at a time
)

// Files lists the files of a directory in order.
func Files(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type file struct {
		path  string
		first uint64
	}
	var files []file
	for _, e := range list {
		if first, ok := firstOf(e.Name()); ok && e.Type().IsRegular() {
			files = append(files, file{filepath.Join(dir, e.Name()), first})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.first, b.first) })
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.path
	}
	return out, nil
}

const (
	filePrefix = "audit-"
	fileSuffix = ".jsonl"
)

func fileName(first uint64) string { return fmt.Sprintf("%s%020d%s", filePrefix, first, fileSuffix) }

func firstOf(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(strings.TrimPrefix(name, filePrefix), fileSuffix)
	if !ok || !strings.HasPrefix(name, filePrefix) {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && fileName(n) == name
}

// Open goes on where the directory ends; it makes the directory, for its owner
// alone. A log whose end was tampered with is not repaired: a new file begins,
// and Verify shows the break. What Open could not write shows in State.
func Open(o Options) (*Log, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMax
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Disk.Write == nil {
		o.Disk = Disk{Write: writeAt, Allocate: allocate}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	l := &Log{o: o, head: zeroHash}
	repair, err := l.resume()
	if err != nil {
		return nil, err
	}
	if repair != "" {
		_ = l.Append(Record{Kind: KindRepair, Text: repair}) // State has the error
	}
	_ = l.Append(Record{Kind: KindStart, Text: o.Version})
	return l, nil
}

func writeAt(f *os.File, b []byte, at int64) error {
	_, err := f.WriteAt(b, at)
	return err
}

func allocate(f *os.File, at, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, at, n)
}

// resume finds the end of the last file; repair says what was wrong with it.
func (l *Log) resume() (repair string, err error) {
	files, err := Files(l.o.Dir)
	if err != nil || len(files) == 0 {
		return "", err
	}
	l.path = files[len(files)-1]
	if l.f, err = os.OpenFile(l.path, os.O_RDWR, 0); err != nil {
		return "", err
	}
	info, err := l.f.Stat()
	if err != nil {
		return "", err
	}
	start := max(0, info.Size()-4*maxLine)
	tail := make([]byte, info.Size()-start)
	if _, err := io.ReadFull(io.NewSectionReader(l.f, start, int64(len(tail))), tail); err != nil {
		return "", err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	l.size = start + int64(end)
	l.room = l.size
	if cut := len(tail) - end; cut > 0 {
		repair = fmt.Sprintf("%d bytes at the end of %s were no whole record and are cut off", cut, filepath.Base(l.path))
		l.torn = true
	}
	first, _ := firstOf(filepath.Base(l.path))
	if end == 0 { // a file that was begun and holds no record
		return repair, l.before(files[:len(files)-1], first)
	}
	from := bytes.LastIndexByte(tail[:end-1], '\n') + 1
	r, hash, err := decode(tail[from : end-1])
	if err != nil {
		// The sequence must rise whatever the file says.
		l.seq = max(first, r.Sequence)
		repair = fmt.Sprintf("the last record of %s is not good (%v): a new chain begins", filepath.Base(l.path), err)
		return repair, l.next()
	}
	l.seq, l.head = r.Sequence, hash
	return repair, nil
}

// before takes the end of the chain from the files in front of an empty one.
func (l *Log) before(files []string, first uint64) error {
	if first > 0 {
		l.seq = first - 1
	}
	if len(files) == 0 {
		return nil
	}
	b, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		return err
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	if r, hash, err := decode(b[bytes.LastIndexByte(b, '\n')+1:]); err == nil {
		l.seq, l.head = r.Sequence, hash
	}
	return nil
}

// next begins the file of the record that comes.
func (l *Log) next() error {
	path := filepath.Join(l.o.Dir, fileName(l.seq+1))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if l.f != nil {
		_ = l.f.Truncate(l.size) // blocks that were kept for more
		_ = l.f.Close()          // every record of it was written
	}
	l.f, l.path, l.size, l.room, l.torn = f, path, 0, 0, false
	files, err := Files(l.o.Dir)
	if err != nil {
		return err
	}
	for _, old := range files[:max(0, len(files)-l.o.Keep)] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// Reserve makes sure that a record can be written later, or says why not. Each
// success needs one Release.
func (l *Log) Reserve() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reserve(1); err != nil {
		l.why = err
		return err
	}
	if l.lost == 0 {
		l.why = nil
	}
	l.held++
	return nil
}

// Release gives a promise of Reserve back, after its record.
func (l *Log) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
}

// reserve takes room for n records more than are promised; mu is held.
func (l *Log) reserve(n int64) error {
	if err := l.ready(); err != nil {
		return err
	}
	need := l.size + (l.held+n)*maxLine
	if need <= l.room {
		return nil
	}
	n = max(roomStep, need-l.room)
	switch err := l.o.Disk.Allocate(l.f, l.room, n); {
	case err == nil:
		l.room += n
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		// A file system that promises nothing: what cannot be written shows with
		// the record, and refuses those after it.
		if l.lost > 0 {
			return l.why
		}
	default:
		return fmt.Errorf("%s: no room for more records: %w", l.path, err)
	}
	return nil
}

// ready has a file to write into, without the rest of a failed write; mu is held.
func (l *Log) ready() error {
	switch {
	case l.f == nil:
		return l.next()
	case l.torn:
		if err := l.f.Truncate(l.size); err != nil {
			return err
		}
		l.torn, l.room = false, l.size // the blocks behind went too
	}
	if l.size >= l.o.MaxBytes {
		// A disk that has no room for a new file may have some in this one.
		if err := l.next(); err != nil && l.size >= 2*l.o.MaxBytes {
			return err
		}
	}
	return nil
}

// Append writes a record; Sequence, Time and Previous are the log's to set. What
// could not be written is counted, and told by a record as soon as one can be
// written again.
func (l *Log) Append(r Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost > 0 {
		if err := l.append(Record{Kind: KindLost, Count: l.lost, Text: l.why.Error()}); err != nil {
			return l.failed(err)
		}
		l.lost = 0
	}
	if err := l.append(r); err != nil {
		return l.failed(err)
	}
	l.why = nil
	return nil
}

func (l *Log) failed(err error) error {
	l.lost++
	l.all++
	l.why = err
	return err
}

func (l *Log) append(r Record) error {
	if err := l.ready(); err != nil {
		return err
	}
	r.Sequence, r.Time, r.Previous = l.seq+1, l.o.Now().UTC(), l.head
	line, hash, err := encode(&r)
	if err != nil {
		return err
	}
	if err := l.o.Disk.Write(l.f, line, l.size); err != nil {
		l.torn = true
		return fmt.Errorf("%s: %w", l.path, err)
	}
	l.size += int64(len(line))
	l.seq, l.head = r.Sequence, hash
	return nil
}

// State tells how the log is.
func (l *Log) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{File: l.path, Sequence: l.seq, Head: l.head, Lost: l.all}
	if l.why != nil {
		s.Problem = l.why.Error()
	}
	return s
}

// Close ends it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Truncate(l.size) // blocks that were kept for more
	return errors.Join(err, l.f.Sync(), l.f.Close())
}
