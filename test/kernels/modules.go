package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// moduleNames are the modules that guests load: devices, tunnels and traffic
// control that tests and oracles use. What they need comes with them.
func moduleNames() []string {
	return strings.Fields(`
		veth dummy bridge 8021q macvlan vrf tun bonding
		vxlan geneve ipip sit ip_gre ip6_gre ip6_tunnel
		mpls_router mpls_iptunnel mpls_gso
		sch_ingress sch_netem sch_htb sch_fq sch_fq_codel sch_tbf
		cls_bpf cls_flower cls_matchall cls_u32
		act_bpf act_gact act_mirred act_vlan act_tunnel_key act_pedit act_csum act_skbedit act_mpls act_police`)
}

// module is a module of a kernel.
type module struct {
	name    string // with _ for -
	content []byte // ELF, not compressed
}

// moduleSet finds modules of an unpacked package. Packages come without
// modules.dep, so that what a module needs is read from the module itself.
type moduleSet struct {
	files   map[string]string // path by name
	builtin map[string]bool
}

func moduleName(file string) (string, bool) {
	base := filepath.Base(file)
	name, rest, ok := strings.Cut(base, ".ko")
	if !ok || rest != "" && rest != ".xz" && rest != ".zst" && rest != ".gz" {
		return "", false
	}
	return strings.ReplaceAll(name, "-", "_"), true
}

func openModules(t tree) (*moduleSet, error) {
	m := &moduleSet{files: map[string]string{}, builtin: map[string]bool{}}
	dir := filepath.Join(t.dir, "lib", "modules", t.release)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if name, ok := moduleName(path); ok {
			m.files[name] = path
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		if name, ok := moduleName(strings.TrimSpace(line)); ok {
			m.builtin[name] = true
		}
	}
	return m, nil
}

// closure gives the modules of these names and all that they need, each after
// those that it needs.
func (m *moduleSet) closure(names []string) ([]module, error) {
	var out []module
	done := map[string]bool{}
	var add func(name, by string) error
	add = func(name, by string) error {
		name = strings.ReplaceAll(name, "-", "_")
		if done[name] || m.builtin[name] {
			return nil
		}
		done[name] = true // before what it needs: a damaged set must not recurse for ever
		path := m.files[name]
		if path == "" {
			return fmt.Errorf("module %s, which %s needs, is not in the package", name, by)
		}
		content, err := readModule(path)
		if err != nil {
			return err
		}
		needs, err := moduleNeeds(content)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, n := range needs {
			if err := add(n, name); err != nil {
				return err
			}
		}
		out = append(out, module{name: name, content: content})
		return nil
	}
	for _, n := range names {
		if err := add(n, "the list of modules"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readModule reads a module; not every kernel can take it compressed.
func readModule(path string) ([]byte, error) {
	tool := map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"}[filepath.Ext(path)]
	if tool == "" {
		return os.ReadFile(path)
	}
	cmd := exec.Command(tool, "-dc", path)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s -dc %s: %w %s", tool, path, err, errs.String())
	}
	return out, nil
}

// moduleNeeds reads the names of the modules that a module links to.
func moduleNeeds(content []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	var out []string
	for field := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			out = append(out, strings.Split(list, ",")...)
		}
	}
	return out, nil
}
