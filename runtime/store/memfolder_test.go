package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
)

// memFolder is a folder in memory that knows what a crash leaves of it. Names and
// contents are kept twice: as programs see them, and as they are on the disk
// since the last sync, with everything done since.
type memFolder struct {
	mu      sync.Mutex
	names   map[string]*memInode
	onDisk  map[string]*memInode
	renames []func(map[string]*memInode) // names given and taken since the last sync
	dead    bool                         // the process has ended: nothing works any more
	// fault, when set, is asked before each write, sync or truncation. n is how
	// many bytes of a write are done; an error is returned, and crash ends the
	// process there.
	fault func(op, name string, b []byte) (n int, err error, crash bool)
	crash func()
}

type memInode struct {
	data   []byte
	onDisk []byte
	since  []func([]byte, func() bool) []byte // writes and truncations since the last sync
}

var errDead = errors.New("the process has ended")

func newMemFolder() *memFolder {
	return &memFolder{names: map[string]*memInode{}, onDisk: map[string]*memInode{}}
}

// afterKill is what the next process finds: all that was written.
func (d *memFolder) afterKill() *memFolder {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	return d.copied(d.names, func(i *memInode) []byte { return i.data })
}

// afterPowerCut is what a machine finds that lost its power: what was synced, and
// by chance parts of what was not, in sectors, and names up to some change of
// them.
func (d *memFolder) afterPowerCut(rng *rand.Rand) *memFolder {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	names := map[string]*memInode{}
	for n, i := range d.onDisk {
		names[n] = i
	}
	for _, change := range d.renames[:rng.IntN(len(d.renames)+1)] {
		change(names)
	}
	luck := []func() bool{func() bool { return false }, func() bool { return true }, func() bool { return rng.IntN(2) == 0 }}[rng.IntN(3)]
	return d.copied(names, func(i *memInode) []byte {
		b := bytes.Clone(i.onDisk)
		for _, w := range i.since {
			b = w(b, luck)
		}
		return b
	})
}

func (d *memFolder) copied(names map[string]*memInode, content func(*memInode) []byte) *memFolder {
	out := newMemFolder()
	done := map[*memInode]*memInode{}
	for n, i := range names {
		if done[i] == nil {
			b := content(i)
			done[i] = &memInode{data: bytes.Clone(b), onDisk: b}
		}
		out.names[n], out.onDisk[n] = done[i], done[i]
	}
	return out
}

// change does something to the names, now and for a sync to come.
func (d *memFolder) change(f func(map[string]*memInode)) {
	f(d.names)
	d.renames = append(d.renames, f)
}

func (d *memFolder) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, errDead
	}
	i := &memInode{}
	d.change(func(m map[string]*memInode) { m[name] = i })
	return &memFile{d, i, name}, nil
}

func (d *memFolder) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.names[name]
	switch {
	case d.dead:
		return nil, errDead
	case i == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{d, i, name}, nil
}

func (d *memFolder) read(name string) ([]byte, func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.names[name]
	if d.dead || i == nil {
		return nil, nil, fs.ErrNotExist
	}
	return bytes.Clone(i.data), func() {}, nil
}

func (d *memFolder) rename(from, to string) error {
	if err := d.hit("rename", from, nil); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	i := d.names[from]
	if i == nil {
		return fs.ErrNotExist
	}
	d.change(func(m map[string]*memInode) {
		// Two names of one file: nothing happens, as POSIX has it.
		if m[from] != m[to] {
			m[to] = i
			delete(m, from)
		}
	})
	return nil
}

func (d *memFolder) link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.names[from]
	switch {
	case d.dead:
		return errDead
	case i == nil:
		return fs.ErrNotExist
	case d.names[to] != nil:
		return fs.ErrExist
	}
	d.change(func(m map[string]*memInode) { m[to] = i })
	return nil
}

func (d *memFolder) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	if d.names[name] != nil {
		d.change(func(m map[string]*memInode) { delete(m, name) })
	}
	return nil
}

func (d *memFolder) sync() error {
	if err := d.hit("sync", "", nil); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	d.onDisk = map[string]*memInode{}
	for n, i := range d.names {
		d.onDisk[n] = i
	}
	d.renames = nil
	return nil
}

// hit asks for a fault of an operation that is not a write.
func (d *memFolder) hit(op, name string, b []byte) error {
	if d.fault == nil {
		return nil
	}
	_, err, crash := d.fault(op, name, b)
	if crash {
		d.crash()
	}
	return err
}

type memFile struct {
	d    *memFolder
	i    *memInode
	name string
}

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	n, crash := len(b), false
	var err error
	if f.d.fault != nil {
		n, err, crash = f.d.fault("write", f.name, b)
	}
	f.d.mu.Lock()
	if f.d.dead {
		f.d.mu.Unlock()
		return 0, errDead
	}
	if n > 0 {
		piece := bytes.Clone(b[:n])
		f.i.data = overwrite(f.i.data, piece, at)
		f.i.since = append(f.i.since, func(disk []byte, luck func() bool) []byte {
			const sector = 512
			for off := 0; off < len(piece); off += sector - int((at+int64(off))%sector) {
				end := min(len(piece), off+sector-int((at+int64(off))%sector))
				if luck() {
					disk = overwrite(disk, piece[off:end], at+int64(off))
				}
			}
			return disk
		})
	}
	f.d.mu.Unlock()
	if crash {
		f.d.crash()
	}
	return n, err
}

func overwrite(b, piece []byte, at int64) []byte {
	if need := int(at) + len(piece); need > len(b) {
		b = append(b, make([]byte, need-len(b))...)
	}
	copy(b[at:], piece)
	return b
}

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return 0, errDead
	}
	if at > int64(len(f.i.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.i.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.d.hit("truncate", f.name, nil); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return errDead
	}
	if size > int64(len(f.i.data)) {
		return fmt.Errorf("%s grows by a truncation", f.name)
	}
	f.i.data = f.i.data[:size]
	f.i.since = append(f.i.since, func(disk []byte, luck func() bool) []byte {
		if int64(len(disk)) > size && luck() {
			disk = disk[:size]
		}
		return disk
	})
	return nil
}

func (f *memFile) Sync() error {
	if err := f.d.hit("fsync", f.name, nil); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return errDead
	}
	f.i.onDisk, f.i.since = bytes.Clone(f.i.data), nil
	return nil
}

func (f *memFile) Close() error { return nil }
