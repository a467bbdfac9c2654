package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LockedError says that another process has the instance (D18).
type LockedError struct {
	Instance string
	Path     string
	PID      int // 0 = it has not said yet
}

func (e *LockedError) Error() string {
	holder := "a process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("instance %q belongs to another nicd (%s holds %s): stop it, or name another instance with --instance", e.Instance, holder, e.Path)
}

// FileLock is a lock that is held.
type FileLock struct{ f *os.File }

// Lock takes the lock of an instance's name. It ends with Close or with the
// process.
func Lock(name string) (*FileLock, error) {
	if err := Validate(name); err != nil {
		return nil, err
	}
	l, err := lock(name, filepath.Join(filepath.Dir(Socket(name)), name+".lock"))
	if err != nil {
		if held, ok := errors.AsType[*LockedError](err); ok {
			return nil, held
		}
		return nil, fmt.Errorf("lock of instance %q: %w", name, err)
	}
	return l, nil
}

func lock(name, path string) (*FileLock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := take(f, name, path); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// The one who held it may have removed the file while we waited to open it.
		current, err := sameFile(f, path)
		if current {
			return &FileLock{f}, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// take locks f and writes who has it.
func take(f *os.File, name, path string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		held := &LockedError{Instance: name, Path: path}
		_, _ = fmt.Fscan(f, &held.PID) // it may not have been written yet
		return held
	}
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

func sameFile(f *os.File, path string) (bool, error) {
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(held, named), err
}

// Close gives the lock back and leaves no file.
func (l *FileLock) Close() error {
	return errors.Join(os.Remove(l.f.Name()), l.f.Close())
}
