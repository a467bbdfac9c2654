package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p4nic") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestSocketMode: D21: the socket is its owner's alone, whatever the umask.
func TestSocketMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := socketDir(t)
	l, err := listen("unix://" + dir + "/made/s")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{"made": 0o700 | os.ModeDir, "made/s": 0o600 | os.ModeSocket} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir + "/made/s"); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestSocketTaken: what a killed nicd left is replaced, nothing else is.
func TestSocketTaken(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "another process answers there already") {
		t.Errorf("a socket in use: %v", err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(path)
	if err != nil {
		t.Fatalf("a socket that was left: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file: %q, %v", b, err)
	}
}
