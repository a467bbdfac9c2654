package netnstest

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
)

// NeedTCX skips the test where programs at tc have no links.
func NeedTCX(t testing.TB) {
	t.Helper()
	NeedBPF(t)
	// An index that no device has: the kernel looks for it only if it knows tcx.
	_, err := link.QueryPrograms(link.QueryOptions{Target: 1<<31 - 1, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip("needs tcx (Linux 6.6)")
	}
}

// AttachTC attaches a program at tc ingress of a device until the test ends, with
// tcx or, where there is none, with a filter of a clsact qdisc. The result tells
// which program is there.
func AttachTC(t testing.TB, n *netns.NS, index int, prog *ebpf.Program) func() ebpf.ProgramID {
	t.Helper()
	var l link.Link
	err := n.Do(func() (err error) {
		l, err = link.AttachTCX(link.TCXOptions{Interface: index, Program: prog, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err == nil {
		t.Cleanup(func() { Check(t, l.Close()) })
		return func() ebpf.ProgramID {
			t.Helper()
			info, err := l.Info()
			Check(t, err)
			return info.Program
		}
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		t.Fatal(err)
	}
	nl := n.Netlink()
	Check(t, nl.QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}))
	Check(t, nl.FilterAdd(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{LinkIndex: index,
		Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1}, Fd: prog.FD(), Name: "test", DirectAction: true}))
	return func() ebpf.ProgramID {
		t.Helper()
		dev, err := nl.LinkByIndex(index)
		Check(t, err)
		fs, err := nl.FilterList(dev, netlink.HANDLE_MIN_INGRESS)
		Check(t, err)
		for _, f := range fs {
			if b, ok := f.(*netlink.BpfFilter); ok {
				return ebpf.ProgramID(b.Id)
			}
		}
		return 0
	}
}
