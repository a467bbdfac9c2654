package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
)

// namespaceDir is the directory of all p4nic instances in a bpffs.
const namespaceDir = "p4nic"

// mountBPFFS makes sure that dir is a BPF file system (D18).
func mountBPFFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err == nil && uint32(st.Type) == unix.BPF_FS_MAGIC {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("BPF file system at %s: %w", dir, err)
	}
	if err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount the BPF file system at %s: %w (mount it beforehand with `mount -t bpf bpf %s`, or run as root)", dir, err, dir)
	}
	return nil
}

// pinName is the file name of a map's pin: readable, and different for every
// shape. Dots are reserved in a bpffs.
func pinName(m *backend.MapSpec) string { return plain(m.Name) + "-" + m.Digest() }

func plain(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), 200)])
}

// newMap makes a map and pins it. Const maps get their content.
func newMap(m *backend.MapSpec, dir string) (*ebpf.Map, error) {
	km, err := ebpf.NewMap(m.Spec())
	if err != nil {
		return nil, fmt.Errorf("map %s (%s, %d entries of %d+%d bytes): %w", m.Name, m.Type, m.MaxEntries, m.KeySize, m.ValueSize, err)
	}
	if m.Role == backend.Const {
		err = km.Update(make([]byte, m.KeySize), m.Contents, ebpf.UpdateAny)
		if err == nil {
			err = km.Freeze()
		}
	}
	if err == nil {
		err = km.Pin(filepath.Join(dir, pinName(m)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map %s: %w", m.Name, err), km.Close())
	}
	return km, nil
}

// openMap opens a pinned map. It is os.ErrNotExist when there is none of this shape.
func openMap(m *backend.MapSpec, dir string) (*ebpf.Map, error) {
	path := filepath.Join(dir, pinName(m))
	km, err := ebpf.LoadPinnedMap(path, nil)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", m.Name, err)
	}
	if km.Type() != m.Type || km.KeySize() != m.KeySize || km.ValueSize() != m.ValueSize || km.MaxEntries() != m.MaxEntries {
		err := fmt.Errorf("map %s: the pin %s holds %s, which is not what its name says; remove the instance with `nicctl detach`", m.Name, path, km)
		return nil, errors.Join(err, km.Close())
	}
	return km, nil
}

// openOrNewMap adopts a device map, or makes it. One of another shape comes
// from another version and cannot be taken over while it carries traffic.
func openOrNewMap(m *backend.MapSpec, dir string) (*ebpf.Map, error) {
	km, err := openMap(m, dir)
	if !errors.Is(err, os.ErrNotExist) {
		return km, err
	}
	pins, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, p := range pins {
		if strings.HasPrefix(p.Name(), plain(m.Name)+"-") {
			return nil, fmt.Errorf("map %s: %s was made by a version of p4nic with another layout; its datapath still runs: stop that version, remove the instance with `nicctl detach` and start again",
				m.Name, filepath.Join(dir, p.Name()))
		}
	}
	return newMap(m, dir)
}

// removeDir removes a directory of pins; what is pinned elsewhere or in use lives on.
func removeDir(dir string) error {
	err := os.RemoveAll(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
