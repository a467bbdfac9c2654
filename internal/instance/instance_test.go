package instance

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestValidate: D18: a name is one path element everywhere.
func TestValidate(t *testing.T) {
	for _, name := range []string{"nic0", "a", "A-b_9", strings.Repeat("x", 64)} {
		if err := Validate(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"":                      `instance name "": 1 to 64 characters are wanted`,
		strings.Repeat("x", 65): "1 to 64 characters",
		"a/b":                   `instance name "a/b": only letters, digits, '-' and '_' are allowed`,
		"..":                    "only letters",
		"a b":                   "only letters",
		"nic\u00e9":             "only letters",
		"a.b":                   "only letters", // dots are reserved in a bpffs
	} {
		if err := Validate(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
}

// TestPaths: root of the machine and everybody else.
func TestPaths(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	t.Setenv("XDG_STATE_HOME", "/home/u/state")
	socket, state := "/run/user/7/p4nic/x.sock", "/home/u/state/p4nic/x"
	if machineRoot() {
		socket, state = "/run/p4nic/x.sock", "/var/lib/p4nic/x"
	}
	if got := Socket("x"); got != socket {
		t.Errorf("socket %s, want %s", got, socket)
	}
	if got := StateDir("x"); got != state {
		t.Errorf("state %s, want %s", got, state)
	}
	if machineRoot() {
		return
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("TMPDIR", "/t")
	t.Setenv("HOME", "/home/u")
	if got, want := Socket("x"), "/t/p4nic-"+strconv.Itoa(machineUID())+"/x.sock"; got != want {
		t.Errorf("socket %s, want %s", got, want)
	}
	if got, want := StateDir("x"), "/home/u/.local/state/p4nic/x"; got != want {
		t.Errorf("state %s, want %s", got, want)
	}
}

// TestLock: D18: one holder, who is named; nothing is left afterwards.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "x.lock")
	l, err := lock("x", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock("x", path)
	held, ok := errors.AsType[*LockedError](err)
	if !ok || held.PID != os.Getpid() || held.Path != path || held.Instance != "x" {
		t.Fatalf("second lock: %v", err)
	}
	want := `instance "x" belongs to another nicd (process ` + strconv.Itoa(os.Getpid()) + " holds " + path + "): stop it, or name another instance with --instance"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file is still there: %v", err)
	}
	// What a killed process left is taken over.
	if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = lock("x", path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the lock's file holds %q, %v", b, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLockRace: removing the file never lets two in.
func TestLockRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	var inside, entered atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				l, err := lock("x", path)
				if _, held := errors.AsType[*LockedError](err); held {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two have the lock")
				}
				entered.Add(1)
				inside.Add(-1)
				if err := l.Close(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if entered.Load() == 0 {
		t.Error("nobody ever had the lock")
	}
}

// TestLockRefused: what is wrong is named.
func TestLockRefused(t *testing.T) {
	if _, err := Lock("a/b"); err == nil || !strings.Contains(err.Error(), "only letters") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lock("x", filepath.Join(file, "x.lock")); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
}

// TestOutside: users of user namespaces are told apart.
func TestOutside(t *testing.T) {
	for _, c := range []struct {
		uidMap   string
		id, want int
	}{
		{"         0          0 4294967295\n", 0, 0},
		{"         0          0 4294967295\n", 1000, 1000},
		{"         0       1000          1\n", 0, 1000},
		{"         0     100000      65536\n     65536 7 1\n", 33, 100033},
		{"         0     100000      65536\n     65536 7 1\n", 65536, 7},
		{"", 5, 5},
	} {
		if got := outside(c.uidMap, c.id); got != c.want {
			t.Errorf("outside(%q, %d) = %d, want %d", c.uidMap, c.id, got, c.want)
		}
	}
}
