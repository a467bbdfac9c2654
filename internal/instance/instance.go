// Package instance says where an instance of p4nic keeps its things (D18): the
// socket that operators talk to and the directory of its journal. nicd and
// nicctl must agree on them without talking first.
//
// Must not import: anything of p4nic.
package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Default is the name of an instance that nobody named.
const Default = "nic0"

// Validate refuses names that are no single path element.
func Validate(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("instance name %q: 1 to 64 characters are wanted", name)
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("instance name %q: only letters, digits, '-' and '_' are allowed", name)
		}
	}
	return nil
}

// machineRoot tells root of the machine from root of a user namespace, to whom
// the machine's directories do not belong.
func machineRoot() bool { return os.Geteuid() == 0 && machineUID() == 0 }

// machineUID is the caller's user id outside of the user namespace it may be in:
// all are 0 in theirs.
func machineUID() int {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return os.Geteuid() // no /proc: no user namespace either, as far as we can know
	}
	return outside(string(b), os.Geteuid())
}

// outside maps an id by the lines FIRST-INSIDE FIRST-OUTSIDE COUNT of a uid_map
// (user_namespaces(7)).
func outside(uidMap string, id int) int {
	for line := range strings.Lines(uidMap) {
		var inside, first, count int
		if _, err := fmt.Sscan(line, &inside, &first, &count); err == nil && id >= inside && id-inside < count {
			return first + id - inside
		}
	}
	return id
}

// Socket is the path of the unix socket: /run/p4nic/NAME.sock for root, else a
// place of the user's own.
func Socket(name string) string {
	if machineRoot() {
		return filepath.Join("/run/p4nic", name+".sock")
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "p4nic", name+".sock")
	}
	return filepath.Join(os.TempDir(), "p4nic-"+strconv.Itoa(machineUID()), name+".sock")
}

// StateDir is the directory of the journal and the lock: /var/lib/p4nic/NAME for
// root, else a place of the user's own.
func StateDir(name string) string {
	if machineRoot() {
		return filepath.Join("/var/lib/p4nic", name)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "p4nic", name)
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "p4nic", name)
	}
	return filepath.Join(os.TempDir(), "p4nic-"+strconv.Itoa(machineUID()), name)
}
