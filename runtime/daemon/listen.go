package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
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
