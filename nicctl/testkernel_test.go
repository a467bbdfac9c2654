package nicctl

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// wirePackets is a test of many packets, on a program that drops them all.
func wirePackets(t *testing.T, n int) (test string) {
	t.Helper()
	test = filepath.Join(t.TempDir(), "small.stf")
	text := strings.Repeat("packet 1 020000000001 020000000002 0800 00\n", n)
	if err := os.WriteFile(test, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return test
}

func noPins(t *testing.T, pid int) {
	t.Helper()
	left, err := filepath.Glob(fmt.Sprintf("%s/stf-%d-*", pinRoot, pid))
	if err != nil || len(left) > 0 {
		t.Errorf("pins remain: %v, %v", left, err)
	}
}

// TestKernelTargetLeavesNothing: what a test makes in the kernel goes with it,
// also when the user gives up.
func TestKernelTargetLeavesNothing(t *testing.T) {
	if !haveBPF() {
		t.Skip("needs CAP_BPF")
	}
	for _, hook := range []string{"xdp", "tc"} {
		t.Run(hook, func(t *testing.T) {
			var out bytes.Buffer
			code := Main([]string{"test", wirePackets(t, 2), "--program", "testdata/p4/small.p4", "--target", hook}, nil, &out, &out)
			if code != exitDone || !strings.Contains(out.String(), "1 passed") {
				t.Errorf("exit code %d: %s", code, &out)
			}
			noPins(t, os.Getpid())
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		var stderr bytes.Buffer
		// The first test tells that the second, which lasts minutes, has begun.
		cmd := &exec.Cmd{
			Path:   "/proc/self/exe",
			Args:   []string{"nicctl", "test", wirePackets(t, 1), wirePackets(t, 10000), "--program", "testdata/p4/small.p4", "--target", "tc"},
			Env:    append(os.Environ(), "GORACE="+noRaceSleep),
			Stderr: &stderr,
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		first, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(first, "PASS") {
			t.Errorf("%q, %v", first, err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil || len(rest) > 0 {
			t.Errorf("%q, %v", rest, err)
		}
		_ = cmd.Wait() // its code is looked at
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || stderr.String() != "nicctl: interrupted\n" {
			t.Errorf("exit code %d: %q", code, stderr.String())
		}
		noPins(t, cmd.Process.Pid)
	})
}

// TestKernelTargetWithoutCapabilities: what is missing is named.
func TestKernelTargetWithoutCapabilities(t *testing.T) {
	var stderr bytes.Buffer
	cmd := &exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   []string{"nicctl", "test", wirePackets(t, 1), "--program", "testdata/p4/small.p4", "--target", "xdp"},
		Env:    append(os.Environ(), "GORACE="+noRaceSleep),
		Stderr: &stderr,
		// A root who may make namespaces, and nothing outside of them.
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		},
	}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Skipf("needs user namespaces: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	const want = "nicctl: --target xdp: the kernel refuses BPF maps: operation not permitted; p4nic needs CAP_BPF, CAP_NET_ADMIN, "
	if !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("stderr is %q\nwant %q...", stderr.String(), want)
	}
}
