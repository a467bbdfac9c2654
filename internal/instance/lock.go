package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LockedError says that another nicd has the instance (D18).
type LockedError struct {
	Instance string
	Path     string
	PID      int
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("instance %q belongs to another nicd (process %d holds %s): stop it, or run this one with --instance NAME", e.Instance, e.PID, e.Path)
}

// Lock takes the lock of an instance's name; closing the file, or the
// end of the process, gives it back.
func Lock(name string) (*os.File, error) {
	if err := Validate(name); err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(Socket(name)), name+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock of instance %q: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of instance %q: %w", name, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		var pid int
		_, _ = fmt.Fscan(f, &pid)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Instance: name, Path: path, PID: pid}
		}
		return nil, fmt.Errorf("lock of instance %q: %w", name, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock of instance %q: %w", name, err), f.Close())
		}
	}
	return f, nil
}
