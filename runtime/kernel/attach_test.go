package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

func TestNothingLoadedPassesToKernel(t *testing.T) {
	for _, hook := range append(hookNames, "clsact") {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			p := b.mustOpen()
			port := hook
			if hook == "clsact" { // as on Linux 6.1
				p.noTCX, port = true, "tc"
			}
			b.attach(p, port)
			if !b.answers() {
				t.Error("D3: the host is cut off by an empty datapath")
			}
			got := p.Ports()
			if len(got) != 2 || got[0].Netdev != "p0" || got[1].Number != 1 || got[0].Hook != port || !got[0].Up || got[0].MTU != 1500 || got[0].Problem != "" {
				t.Errorf("ports %+v", got)
			}
			b.load(p, 1, 1)
			f := b.flow()
			f.WaitFor(100)
			noLoss(t, f)
			netnstest.Check(t, p.Detach(0))
			if err := p.Detach(0); !errors.Is(err, dataplane.ErrNoPort) {
				t.Errorf("second Detach: %v", err)
			}
			netnstest.Check(t, p.DetachAll())
			if _, err := os.Stat(filepath.Join(b.bpffs, "p4nic")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("pins are left: %v", err)
			}
			b.checkClean(0)
			b.checkClean(1)
			if !b.answers() {
				t.Error("the host is cut off after DetachAll")
			}
		})
	}
}

// checkClean looks for programs on a port.
func (b *bench) checkClean(i int) {
	b.t.Helper()
	netnstest.Check(b.t, b.do(func() error {
		dev, err := netlink.LinkByIndex(b.ifindex[i])
		if err != nil {
			return err
		}
		if dev.Attrs().Xdp != nil && dev.Attrs().Xdp.Attached {
			b.t.Errorf("p%d still has an XDP program", i)
		}
		res, err := link.QueryPrograms(link.QueryOptions{Target: b.ifindex[i], Attach: ebpf.AttachTCXIngress})
		if err == nil && len(res.Programs) > 0 {
			b.t.Errorf("p%d still has a tcx program", i)
		}
		qs, err := netlink.QdiscList(dev)
		for _, q := range qs {
			if q.Type() == "clsact" {
				b.t.Errorf("p%d still has a clsact qdisc", i)
			}
		}
		return err
	}))
}

func TestAttachRefusals(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	netnstest.Check(t, p.Attach(dataplane.Port{Number: 1, Netdev: "p0"}))
	for _, c := range []struct {
		name string
		port dataplane.Port
		want string
	}{
		{"number with a meaning", dataplane.Port{Number: 509, Netdev: "p1"}, "port number 509: netdevs take 0 to 508"},
		{"unknown hook", dataplane.Port{Number: 2, Netdev: "p1", Hook: "xpd"}, `port 2: hook "xpd" is neither xdp nor tc`},
		{"no such device", dataplane.Port{Number: 2, Netdev: "p9"}, "port 2: device p9: Link not found"},
		{"device has a number", dataplane.Port{Number: 2, Netdev: "p0"}, "port 2: p0 is port 1 already"},
		{"number has a device", dataplane.Port{Number: 1, Netdev: "p1"}, "port 1: the number belongs to p0; detach that first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := p.Attach(c.port); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if got := p.Ports(); len(got) != 1 || got[0].Number != 1 || got[0].Hook != "tc" {
		t.Errorf("ports %+v", got)
	}
}

func foreignProgram(t *testing.T, typ ebpf.ProgramType, name string) *ebpf.Program {
	t.Helper()
	verdict := int32(0)
	if typ == ebpf.XDP {
		verdict = 2
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: typ, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()}})
	netnstest.Check(t, err)
	t.Cleanup(func() { prog.Close() })
	return prog
}

// D18: programs of others are found at every hook and named.
func TestForeign(t *testing.T) {
	for _, c := range []struct {
		hook  string
		place func(t *testing.T, b *bench, f *dataplane.Foreign)
	}{
		{"xdp", func(t *testing.T, b *bench, f *dataplane.Foreign) {
			prog := foreignProgram(t, ebpf.XDP, "their_xdp")
			l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: b.ifindex[0]})
			netnstest.Check(t, err)
			t.Cleanup(func() { l.Close() })
			b.expect(t, f, prog, l, "their_xdp")
		}},
		{"tcx/ingress", func(t *testing.T, b *bench, f *dataplane.Foreign) {
			prog := foreignProgram(t, ebpf.SchedCLS, "their_tcx")
			l, err := link.AttachTCX(link.TCXOptions{Program: prog, Interface: b.ifindex[0], Attach: ebpf.AttachTCXIngress})
			netnstest.Check(t, err)
			t.Cleanup(func() { l.Close() })
			netnstest.Check(t, l.Pin(filepath.Join(b.bpffs, "theirs")))
			f.Pin = filepath.Join(b.bpffs, "theirs")
			b.expect(t, f, prog, l, "their_tcx")
		}},
		{"tcx/egress", func(t *testing.T, b *bench, f *dataplane.Foreign) {
			prog := foreignProgram(t, ebpf.SchedCLS, "their_tcx")
			l, err := link.AttachTCX(link.TCXOptions{Program: prog, Interface: b.ifindex[0], Attach: ebpf.AttachTCXEgress})
			netnstest.Check(t, err)
			t.Cleanup(func() { l.Close() })
			b.expect(t, f, prog, l, "their_tcx")
		}},
		{"clsact/ingress", func(t *testing.T, b *bench, f *dataplane.Foreign) {
			prog := foreignProgram(t, ebpf.SchedCLS, "their_cls")
			netnstest.Check(t, prog.Pin(filepath.Join(b.bpffs, "cls")))
			f.Pin = filepath.Join(b.bpffs, "cls")
			q := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{LinkIndex: b.ifindex[0],
				Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
			netnstest.Check(t, netlink.QdiscAdd(q))
			netnstest.Check(t, netlink.FilterAdd(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{LinkIndex: b.ifindex[0],
				Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 7}, Fd: prog.FD(), Name: "their_cls", DirectAction: true}))
			b.expect(t, f, prog, nil, "their_cls")
		}},
	} {
		t.Run(c.hook, func(t *testing.T) {
			if strings.HasPrefix(c.hook, "tcx/") {
				netnstest.NeedTCX(t)
			}
			b := newBench(t)
			p := b.mustOpen()
			want := &dataplane.Foreign{Netdev: "p0", Hook: c.hook}
			netnstest.Check(t, b.do(func() error { c.place(t, b, want); return nil }))
			for _, hook := range hookNames {
				err := p.Attach(dataplane.Port{Number: 0, Netdev: "p0", Hook: hook})
				var got *dataplane.Foreign
				if !errors.As(err, &got) {
					t.Fatalf("%s: attached over a foreign program: %v", hook, err)
				}
				if *got != *want {
					t.Errorf("%s: got %+v, want %+v", hook, *got, *want)
				}
			}
			if len(p.Ports()) != 0 {
				t.Errorf("ports %+v", p.Ports())
			}
		})
	}
}

func (b *bench) expect(t *testing.T, f *dataplane.Foreign, prog *ebpf.Program, l link.Link, name string) {
	t.Helper()
	info, err := prog.Info()
	netnstest.Check(t, err)
	id, _ := info.ID()
	f.Program, f.ProgramID = name, uint32(id)
	if l != nil {
		info, err := l.Info()
		netnstest.Check(t, err)
		f.LinkID = uint32(info.ID)
	}
}

func TestForeignInstanceIsNamed(t *testing.T) {
	b := newBench(t)
	cmd := b.victim("tc")
	other, err := b.open("blue")
	netnstest.Check(t, err)
	defer other.Close()
	err = other.Attach(dataplane.Port{Number: 3, Netdev: "p0"})
	var f *dataplane.Foreign
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	want := filepath.Join(b.bpffs, "p4nic", "nic0", "links", fmt.Sprintf("tc_%d", b.ifindex[0]))
	if other.noTCX { // a filter has no link that could be pinned
		want = filepath.Join(b.bpffs, "p4nic", "nic0", "device", dispatchPin(hookTC))
	}
	if f.Instance != "nic0" || f.Pin != want {
		t.Errorf("got instance %q, pin %q, want nic0, %q", f.Instance, f.Pin, want)
	}
	if f.PID != cmd.Process.Pid || f.Command != "kernel.test" {
		t.Errorf("held by process %d %q, want %d", f.PID, f.Command, cmd.Process.Pid)
	}
	if !strings.Contains(err.Error(), "nicctl --instance nic0 detach") {
		t.Error(err)
	}
}

func TestVanishedPortComesBack(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			p := b.mustOpen()
			b.attach(p, hook)
			b.load(p, 1, 1)
			f := b.flow()
			f.WaitFor(20)
			noLoss(t, f)
			netnstest.Check(t, b.host.DeleteLink("p0"))
			problem := func() string { return p.Ports()[0].Problem }
			netnstest.Eventually(t, 5*time.Second, "the port is reported", func() bool { return problem() == "the device p0 is gone" })
			old := b.ifindex[0]
			b.veth(0)
			netnstest.Eventually(t, 5*time.Second, "the port is attached again", func() bool { return problem() == "" })
			if b.ifindex[0] == old {
				t.Fatal("the device has its old index, the test shows nothing")
			}
			var number uint32
			netnstest.Check(t, p.maps[backend.MapIfPort].Lookup(uint32(b.ifindex[0]), &number))
			if err := p.maps[backend.MapIfPort].Lookup(uint32(old), &number); !errors.Is(err, ebpf.ErrKeyNotExist) {
				t.Errorf("the old index is still known: %v", err)
			}
			var next uint32
			netnstest.Check(t, p.maps[backend.MapIfIndex].Lookup(uint32(b.ifindex[0]), &next))
			if next != number+1 {
				t.Errorf("the new index leads to %d, want %d", next, number+1)
			}
			netnstest.Check(t, p.maps[backend.MapIfIndex].Lookup(uint32(old), &next))
			if next != 0 {
				t.Errorf("the old index still leads to %d", next)
			}
			b.load(p, 2, 2)
			f = b.flow()
			f.WaitFor(50)
			noLoss(t, f)
		})
	}
}

// A message of the kernel that was lost is made up for.
func TestVanishedPortWithoutMessage(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	b.attach(p, "tc")
	p.watch.stop()
	p.watch = nil
	netnstest.Check(t, b.host.DeleteLink("p1"))
	p.recheck()
	ports := p.Ports()
	if ports[0].Problem != "" || ports[1].Problem != "the device p1 is gone" {
		t.Errorf("ports %+v", ports)
	}
}

func TestChangeOfHook(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	b.attach(p, "tc")
	b.load(p, 1, 1)
	if p.live.programs[hookXDP] != nil {
		t.Error("a program is loaded for a hook without a port")
	}
	b.attach(p, "xdp") // the first ports of the other hook, with a live pipeline
	f := b.flow()
	f.WaitFor(50)
	noLoss(t, f)
	for _, port := range p.Ports() {
		if port.Hook != "xdp" {
			t.Errorf("%+v", port)
		}
	}
	netnstest.Check(t, b.do(func() error {
		res, err := link.QueryPrograms(link.QueryOptions{Target: b.ifindex[0], Attach: ebpf.AttachTCXIngress})
		if err == nil && len(res.Programs) > 0 {
			t.Error("packets would pass the pipeline twice")
		}
		return nil
	}))
}

func TestOpenRefusals(t *testing.T) {
	for _, name := range []string{"../x", "a.b", "a/b", strings.Repeat("x", 65)} {
		if _, err := Open(Options{Instance: name, BPFFS: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "instance name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Without privileges the error says which are missing.
func TestOpenWithoutPrivileges(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, with nothing to its name, ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		err := unix.Capset(&hdr, &none[0])
		if err == nil {
			_, err = Open(Options{BPFFS: t.TempDir()})
		}
		done <- err
	}()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "run as root") {
		t.Errorf("got %v", err)
	}
}
