// Package netnstest gives tests their networks: namespaces that end with the
// test, a bpffs of their own, numbered frames that show what was lost.
//
// In: *testing.T. Out: objects of internal/netns; skips that name the missing
// feature ("needs CAP_BPF", "needs CAP_NET_ADMIN").
// Must not import: compiler, runtime.
package netnstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
)

const inside = "P4NIC_TEST_IN_USER_NAMESPACE"

// Main runs the tests of a package; without root it runs them in a child
// process inside a user namespace, where networks can be made but no BPF
// program loaded (D20). Call it from TestMain with the result to os.Exit.
func Main(m *testing.M) int {
	if os.Geteuid() == 0 || os.Getenv(inside) != "" || !userNamespaces() {
		return m.Run()
	}
	cmd := userNamespace("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	}
	fmt.Fprintln(os.Stderr, "user namespace:", err)
	return 1
}

func userNamespaces() bool { return userNamespace("/bin/true").Run() == nil }

func userNamespace(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}

// NS makes a namespace that is closed after the test, or skips.
func NS(t testing.TB) *netns.NS {
	t.Helper()
	n, err := netns.New()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs CAP_NET_ADMIN")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Check(t, n.Close()) })
	return n
}

// Veth makes a veth pair.
func Veth(t testing.TB, a, b netns.End) {
	t.Helper()
	Check(t, netns.Veth(a, b))
}

// Packets opens a packet socket that is closed after the test.
func Packets(t testing.TB, n *netns.NS, dev string) *netns.Packets {
	t.Helper()
	p, err := n.OpenPackets(dev)
	Check(t, err)
	t.Cleanup(func() { Check(t, p.Close()) })
	return p
}

// NeedBPF skips the test where BPF programs cannot be loaded.
func NeedBPF(t testing.TB) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skip("needs CAP_BPF")
	}
	Check(t, err)
	Check(t, p.Close())
}

// BPFFS mounts a bpffs that is unmounted after the test.
func BPFFS(t testing.TB) string {
	t.Helper()
	NeedBPF(t)
	dir := filepath.Join(t.TempDir(), "bpf")
	Check(t, os.Mkdir(dir, 0o700))
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Skipf("needs CAP_SYS_ADMIN: mount bpffs: %v", err)
	}
	t.Cleanup(func() { Check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// Eventually waits for cond, polling, at most limit.
func Eventually(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		<-tick.C
	}
}

// Check fails the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
