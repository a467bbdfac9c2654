package bmv2tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// exportObject compiles a program to an object file with the entries that it has
// itself.
func exportObject(t *testing.T, path string) []byte {
	t.Helper()
	p, err := Compile(path, nil)
	check(t, err)
	content := make([]backend.TableContent, len(p.Core.Tables))
	for i, tb := range p.Core.Tables {
		es, def, err := tb.Initial()
		check(t, err)
		content[i] = backend.TableContent{Default: def, Entries: es}
	}
	obj, err := backend.ExportELF(p.Core, content)
	check(t, err)
	again, err := backend.ExportELF(p.Core, content)
	check(t, err)
	if !bytes.Equal(obj, again) {
		t.Error("two exports differ")
	}
	return obj
}

// TestObjectFile loads exported objects without p4nic, by the reader of cilium/ebpf
// and by bpftool, and sends packets: default actions and constant entries are there
// with the first one, entries that somebody else writes into the maps count.
func TestObjectFile(t *testing.T) {
	netnstest.NeedBPF(t)
	const (
		xdpDrop, xdpPass = 1, 2
		eth              = "020000000001" + "020000000002" + "0800"
		ip               = "45000014" + "00010000" + "40"
		to               = "0000" + "0a000001" + "0a000009"
	)
	t.Run("nets", func(t *testing.T) {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(exportObject(t, "testdata/filters/nets.p4")))
		check(t, err)
		c, err := ebpf.NewCollection(spec)
		check(t, err)
		defer c.Close()
		// BPF_PROG_TEST_RUN says that packets come from the loopback device.
		check(t, c.Maps["ifindex"].Put(uint32(1), uint32(3+1)))
		run := func(packet string) uint32 {
			r, err := c.Programs["p4_xdp"].Run(&ebpf.RunOptions{Data: hexBytes(t, packet)})
			check(t, err)
			return r
		}
		if got := run(eth + ip + "11" + to); got != xdpDrop {
			t.Errorf("UDP: a constant entry drops it; got %d", got)
		}
		if got := run(eth + ip + "06" + to); got != xdpPass {
			t.Errorf("TCP passes; got %d", got)
		}
		if got := run(eth + ip + "01" + to); got != xdpPass {
			t.Errorf("no entry: the default action passes it; got %d", got)
		}
		// 10.0.0.0/8: set(false), handle 1, action 0.
		check(t, c.Maps["Nets_nets_entry"].Put(uint32(1), uint64(0)))
		check(t, c.Maps["Nets_nets"].Put([]byte{8, 0, 0, 0, 10, 0, 0, 0}, uint32(1)))
		if got := run(eth + ip + "06" + to); got != xdpDrop {
			t.Errorf("10.0.0.0/8 is refused; got %d", got)
		}
	})
	t.Run("bpftool", func(t *testing.T) {
		tool, err := exec.LookPath("bpftool")
		if err != nil {
			t.Log("bpftool is not here")
			return
		}
		fs := netnstest.BPFFS(t)
		for _, name := range []string{"hosts", "nets", "switching", "counts"} {
			file := filepath.Join(t.TempDir(), name+".o")
			check(t, os.WriteFile(file, exportObject(t, "testdata/filters/"+name+".p4"), 0o600))
			pins := filepath.Join(fs, name)
			if out, err := exec.Command(tool, "prog", "loadall", file, pins).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	})
}
