package store

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folder is the journal's directory. Tests have another that forgets, at a power
// cut, what was not synced.
type folder interface {
	// create makes a file anew; open opens one that is there.
	create(name string) (file, error)
	open(name string) (file, error)
	// read gives the whole content, until free is called.
	read(name string) (content []byte, free func(), err error)
	rename(from, to string) error
	link(from, to string) error
	// remove takes a file away; one that is not there is no error.
	remove(name string) error
	// sync makes names last that were given and taken.
	sync() error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// Sync makes the content last.
	Sync() error
	Close() error
}

// diskFolder is a real directory.
type diskFolder string

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }

func (d diskFolder) path(name string) string { return filepath.Join(string(d), name) }

func (d diskFolder) openFile(name string, flag int) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (d diskFolder) create(name string) (file, error) {
	return d.openFile(name, os.O_CREATE|os.O_TRUNC)
}

func (d diskFolder) open(name string) (file, error) { return d.openFile(name, 0) }

func (d diskFolder) read(name string) ([]byte, func(), error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if st.Size() == 0 {
		return nil, func() {}, nil
	}
	// Mapped: a journal of millions of entries is read once, from front to back.
	raw, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", d.path(name), err)
	}
	return raw, func() { _ = unix.Munmap(raw) }, nil
}

func (d diskFolder) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d diskFolder) link(from, to string) error   { return os.Link(d.path(from), d.path(to)) }

func (d diskFolder) remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func (d diskFolder) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
