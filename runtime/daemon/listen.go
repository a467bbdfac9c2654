package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen opens one address. A unix socket is for its owner alone (D21): its
// directory is made 0700 where nicd makes it, the socket is 0600. A socket that
// an earlier nicd left is replaced; one that somebody answers on is not.
func listen(address string) (net.Listener, error) {
	l, err := listenOn(address)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	return l, nil
}

func listenOn(address string) (net.Listener, error) {
	path, ok := unixPath(address)
	if !ok {
		return net.Listen("tcp", strings.TrimPrefix(address, clearScheme))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l, err := listenUnix(path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, errors.Join(errors.New("there is a file that is no socket"), statErr)
	}
	if c, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(errors.New("another process answers there already"), c.Close())
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return listenUnix(path)
}

// listenUnix makes a socket that is 0600 from its first moment: bind takes the
// mode of the unbound socket.
func listenUnix(path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), err)
	}}
	return lc.Listen(context.Background(), "unix", path)
}
