package ref

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/bench"
)

// ErrNoClang says that the references cannot be compiled here.
var ErrNoClang = errors.New("clang is not installed: the C references are left out")

// variant is how a reference is compiled.
type variant struct {
	hook  bench.Hook
	p4nic bool // on p4nic's table layout, else on the kernel's own maps
	defs  []string
}

func (v variant) String() string {
	if v.p4nic {
		return "p4nic's tables"
	}
	return "kernel maps"
}

// spec compiles c/FILE.bpf.c.
func (v variant) spec(file string) (*ebpf.CollectionSpec, error) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		return nil, ErrNoClang
	}
	dir, err := os.MkdirTemp("", "p4nic-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	names, err := fs.Glob(bench.CSources, "c/*")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		b, err := bench.CSources.ReadFile(n)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(n)), b, 0o600); err != nil {
			return nil, err
		}
	}
	args := []string{"-O2", "-g", "-mcpu=v3", "-target", "bpf", "-Wall", "-Werror", "-Wno-unused"}
	if v.hook == bench.TC {
		args = append(args, "-DHOOK_TC")
	}
	if v.p4nic {
		args = append(args, "-DP4NIC_TABLES")
	}
	for _, d := range v.defs {
		args = append(args, "-D"+d)
	}
	object := filepath.Join(dir, "out.o")
	cmd := exec.Command(clang, append(args, "-c", file+".bpf.c", "-o", object)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("clang %s.bpf.c: %w\n%s", file, err, bytes.TrimSpace(out))
	}
	return ebpf.LoadCollectionSpec(object)
}

// load compiles a reference and loads it with its ports 0 to 7 on lo, where
// TEST_RUN's packets come from too.
func (v variant) load(file string) (*ebpf.Collection, *ebpf.CollectionSpec, error) {
	spec, err := v.spec(file)
	if err != nil {
		return nil, nil, err
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("%s (%s, %s): %w", file, v.hook, v, err)
	}
	out := "devmap"
	if v.hook == bench.TC {
		out = "ports"
	}
	for port := range uint32(8) {
		if err := coll.Maps[out].Put(port, uint32(bench.Loopback)); err != nil {
			coll.Close()
			return nil, nil, err
		}
	}
	if m := coll.Maps["ifindex"]; m != nil {
		if err := m.Put(uint32(bench.Loopback), uint32(0+1)); err != nil {
			coll.Close()
			return nil, nil, err
		}
	}
	return coll, spec, nil
}

// candidate makes a program of a loaded collection one.
func candidate(coll *ebpf.Collection, spec *ebpf.CollectionSpec, program string) *bench.Candidate {
	one := spec.Copy()
	one.Programs = map[string]*ebpf.ProgramSpec{program: one.Programs[program]}
	again := func() (*ebpf.Program, error) {
		c, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: coll.Maps})
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.DetachProgram(program), nil
	}
	return &bench.Candidate{Prog: coll.Programs[program], Again: again, Code: spec.Programs[program].Instructions, Maps: coll.Maps}
}

// Redirected is what a program returns for a packet that it sends on.
func Redirected(h bench.Hook) uint32 {
	if h == bench.TC {
		return 7 // TC_ACT_REDIRECT
	}
	return 4 // XDP_REDIRECT
}
