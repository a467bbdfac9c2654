package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen opens one address. A unix socket is for its owner alone (D21): its
// directory is made 0700 where nicd makes it, the socket is 0600. A socket that
// an earlier nicd left is replaced; one that somebody answers on is not.
func listen(address string) (net.Listener, error) {
	path, ok := unixPath(address)
	if !ok {
		return net.Listen("tcp", address)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, e := net.Dial("unix", path); e == nil {
			_ = c.Close()
			return nil, fmt.Errorf("listen %s: another process answers there already", address)
		}
		if e := os.Remove(path); e != nil {
			return nil, fmt.Errorf("listen %s: %w", address, errors.Join(err, e))
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen %s: %w", address, err), l.Close())
	}
	return l, nil
}

// LockedError says that another nicd has the instance (D18).
type LockedError struct {
	Instance string
	Path     string
	PID      int
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("instance %q belongs to another nicd (process %d holds %s): stop it, or run this one with --instance NAME", e.Instance, e.PID, e.Path)
}

// lockInstance takes the lock of an instance's name; closing the file, or the
// end of the process, gives it back.
func lockInstance(name, path string) (*os.File, error) {
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
