package nicctl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// demoDone is the last line of a demo that was not interrupted.
const demoDone = "demo: everything was as it must be"

// demoRun is `nicctl demo` in a process of its own.
type demoRun struct {
	cmd    *exec.Cmd
	dir    string // its TMPDIR
	stdout *bufio.Scanner
	stderr bytes.Buffer
	lines  []string
}

// startDemo starts the demo with the test binary as nicctl and nicd.
func startDemo(t *testing.T, nicd string, args ...string) *demoRun {
	t.Helper()
	dir, err := os.MkdirTemp("", "p4d") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if nicd == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		nicd = filepath.Join(bin, "nicd")
		if err := os.Symlink(self, nicd); err != nil {
			t.Fatal(err)
		}
	}
	r := &demoRun{dir: dir}
	r.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{"nicctl", "demo", "--nicd", nicd}, args...),
		Env: append(os.Environ(), "TMPDIR="+dir, "GORACE="+noRaceSleep), Stderr: &r.stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout = bufio.NewScanner(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // nothing, where it has ended
		_ = os.RemoveAll(dir)
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", strings.Join(r.lines, "\n"), r.stderr.String())
		}
	})
	return r
}

// read reads n lines, all with n < 0.
func (r *demoRun) read(n int) {
	for ; n != 0 && r.stdout.Scan(); n-- {
		r.lines = append(r.lines, r.stdout.Text())
	}
}

// end waits and returns the exit code.
func (r *demoRun) end(t *testing.T) int {
	t.Helper()
	kill := time.AfterFunc(30*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	r.read(-1)
	err := r.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if strings.Contains(r.stderr.String(), "user namespaces are") {
		t.Skip("needs user namespaces")
	}
	return r.cmd.ProcessState.ExitCode()
}

// nothingRemains proves that the demo left no process, pin, lock or file.
func (r *demoRun) nothingRemains(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(r.dir)
	if err != nil || len(left) != 0 {
		t.Errorf("files remain: %v, %v", left, err)
	}
	id := fmt.Sprintf("demo-%d", r.cmd.Process.Pid)
	for _, path := range []string{filepath.Join(pinRoot, id), "/run/p4nic/" + id + ".lock", "/run/p4nic/" + id + ".sock"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s remains", path)
		}
	}
	// Everything that it starts has its TMPDIR.
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if env, err := os.ReadFile(p + "/environ"); err == nil && bytes.Contains(env, []byte("TMPDIR="+r.dir+"\x00")) {
			cmd, _ := os.ReadFile(p + "/cmdline") // it may just have ended
			t.Errorf("process %s remains: %q", filepath.Base(p), cmd)
		}
	}
	if group := r.cmd.Process.Pid; unix.Kill(-group, 0) == nil {
		t.Errorf("process group %d remains", group)
	}
}

// engines are the demos that can run here.
func engines() map[string][]string {
	if os.Geteuid() != 0 {
		return map[string][]string{"simulator in a user namespace": nil}
	}
	out := map[string][]string{"simulator": {"--sim"}}
	if haveBPF() {
		out["eBPF"] = nil
	}
	return out
}

// TestDemo: the main job on this machine, in less than 20 s, leaving nothing.
func TestDemo(t *testing.T) {
	for name, args := range engines() {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			r := startDemo(t, "", args...)
			if code := r.end(t); code != exitDone {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("the demo took %v", took)
			}
			if last := r.lines[len(r.lines)-1]; last != demoDone {
				t.Errorf("last line: %s", last)
			}
			r.nothingRemains(t)
		})
	}
}

// TestDemoInterrupted: Ctrl-C at any time cleans up. The signal comes after so
// many lines, so during the step behind.
func TestDemoInterrupted(t *testing.T) {
	for name, args := range engines() {
		for _, after := range []int{1, 2, 3, 5, 13, 14} {
			for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				if sig == syscall.SIGTERM && after != 3 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%v after %d lines", name, sig, after), func(t *testing.T) {
					r := startDemo(t, "", args...)
					r.read(after)
					if err := r.cmd.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
					code := r.end(t)
					if r.lines[len(r.lines)-1] == demoDone { // it was faster
						if code != exitDone || r.stderr.Len() > 0 {
							t.Errorf("exit code %d", code)
						}
						r.nothingRemains(t)
						return
					}
					if code != exitFailed {
						t.Errorf("exit code %d", code)
					}
					if want := "nicctl: the demo was interrupted; what it made is gone\n"; r.stderr.String() != want {
						t.Errorf("stderr is %q, want %q", r.stderr.String(), want)
					}
					r.nothingRemains(t)
				})
			}
		}
	}
}

// TestDemoNicdFails: a nicd that ends at once is shown with what it said.
func TestDemoNicdFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "nicd")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho the flux capacitor is missing >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, args := range engines() {
		t.Run(name, func(t *testing.T) {
			r := startDemo(t, script, args...)
			if code := r.end(t); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			want := "nicctl: the demo failed: nicd ended at once (exit status 3)\nnicd's log:\n  the flux capacitor is missing\n"
			if name == "eBPF" {
				want += "without eBPF the simulator can be the switch: nicctl demo --sim\n"
			}
			if r.stderr.String() != want {
				t.Errorf("stderr is %q\nwant %q", r.stderr.String(), want)
			}
			r.nothingRemains(t)
		})
		t.Run(name+", no nicd", func(t *testing.T) {
			r := startDemo(t, "/nonexistent/nicd", args...)
			if code := r.end(t); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			if want := "the demo failed: start nicd: fork/exec /nonexistent/nicd: no such file or directory"; !strings.Contains(r.stderr.String(), want) {
				t.Errorf("stderr is %q", r.stderr.String())
			}
			r.nothingRemains(t)
		})
	}
}

// noNamespaces is a command of the test binary: in a user namespace that may
// have no children it runs the demo as somebody who is not root.
func noNamespaces() {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		fmt.Fprintln(os.Stderr, "needs user namespaces:", err)
		os.Exit(3)
	}
	os.Exit(Main([]string{"demo"}, os.Stdin, os.Stdout, os.Stderr))
}

// TestDemoWithoutUserNamespaces: it says what is off and what helps.
func TestDemoWithoutUserNamespaces(t *testing.T) {
	var stderr bytes.Buffer
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"no-namespaces"}, Stderr: &stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
			Credential:  &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true},
			AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE},
		},
	}
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 3 {
		t.Skipf("needs user namespaces: %v %s", err, stderr.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	want := "nicctl: user namespaces are off on this machine (fork/exec /proc/self/exe: no space left on device; user.max_user_namespaces=0): run the demo as root\n"
	if stderr.String() != want {
		t.Errorf("stderr is %q\nwant %q", stderr.String(), want)
	}
}

// noCapability is a command of the test binary: the demo as a root without the
// capability of that number.
func noCapability() {
	runtime.LockOSThread() // the bounding set is the thread's
	n, err := strconv.ParseUint(os.Args[1], 10, 8)
	if err == nil {
		err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", []string{"nicctl", "demo", "--nicd", "/bin/false"}, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(9)
}

// TestDemoWithoutCapabilities: a root of containers is told what is missing and
// what helps.
func TestDemoWithoutCapabilities(t *testing.T) {
	for name, c := range map[string]struct {
		number int
		want   string
	}{
		"CAP_SYS_ADMIN": {unix.CAP_SYS_ADMIN, "make the network: new network namespace: operation not permitted (needs CAP_SYS_ADMIN)"},
		"CAP_NET_ADMIN": {unix.CAP_NET_ADMIN, "make the network: lo up: operation not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := &exec.Cmd{
				Path: "/proc/self/exe", Args: []string{"no-capability", fmt.Sprint(c.number)}, Stderr: &stderr,
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
			want := "nicctl: this root may not make networks, which takes CAP_SYS_ADMIN and CAP_NET_ADMIN: run the demo as an ordinary user, who gets the simulator in a user namespace (" + c.want + ")\n"
			if stderr.String() != want {
				t.Errorf("stderr is %q\nwant %q", stderr.String(), want)
			}
		})
	}
}
