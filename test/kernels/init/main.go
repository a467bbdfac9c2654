// Command init is process 1 of the kernel tests' guests: it mounts what
// programs expect, loads modules, runs the jobs of its manifest and powers off.
// There is nothing else in the guest, no shell either.
//
// In: /manifest.json. Out: events on the console.
// Must not import: any package of this module but test/kernels/guest.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

func main() {
	if os.Getpid() != 1 {
		os.Exit(work())
	}
	if err := reap(); err != nil {
		console{w: os.Stdout}.send(guest.Event{Kind: guest.Failed, Text: err.Error()})
	}
	unix.Sync()
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("power off:", err)
	select {}
}

// reap runs the worker and buries every process that loses its parent: only
// process 1 can, and it must not take away those that the worker waits for.
func reap() error {
	worker, err := os.StartProcess("/proc/self/exe", []string{"/init"}, &os.ProcAttr{
		Env: environment(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if errors.Is(err, os.ErrNotExist) { // before /proc is there
		worker, err = os.StartProcess("/init", []string{"/init"}, &os.ProcAttr{
			Env: environment(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	}
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case pid == worker.Pid && status.ExitStatus() != 0:
			return fmt.Errorf("the worker ended with status %#x", int(status))
		case pid == worker.Pid:
			return nil
		}
	}
}

func environment() []string {
	return []string{"PATH=/bin", "HOME=/root", "TMPDIR=/tmp", "USER=root"}
}

// console sends events.
type console struct {
	w     io.Writer
	mu    *sync.Mutex
	start time.Time
}

func (c console) send(e guest.Event) {
	if c.mu != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.Seconds = time.Since(c.start).Seconds()
	}
	// An event starts a line of its own, whatever the kernel has printed.
	_, _ = io.WriteString(c.w, e.Line()+"\n")
}

// work is the worker: everything but the duties of process 1.
func work() int {
	c := console{w: os.Stdout, mu: &sync.Mutex{}, start: time.Now()}
	if err := run(c); err != nil {
		c.send(guest.Event{Kind: guest.Failed, Text: err.Error()})
		return 1
	}
	c.send(guest.Event{Kind: guest.End})
	return 0
}

func run(c console) error {
	if err := mounts(); err != nil {
		return err
	}
	// Events must not be cut in two by messages; those of a panic come anyway.
	const setLevel = 8 // SYSLOG_ACTION_CONSOLE_LEVEL
	if _, _, errno := unix.Syscall(unix.SYS_SYSLOG, setLevel, 0, 1); errno != 0 {
		return fmt.Errorf("console level: %w", errno)
	}
	var m guest.Manifest
	raw, err := os.ReadFile(guest.ManifestPath)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%s: %w", guest.ManifestPath, err)
	}
	for _, path := range m.Modules {
		if err := load(path); err != nil {
			return fmt.Errorf("module %s: %w", path, err)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	log, err := openLog()
	if err != nil {
		return err
	}
	c.send(guest.Event{Kind: guest.Ready, Text: unix.ByteSliceToString(uts.Release[:])})
	for _, j := range m.Jobs {
		c.send(guest.Event{Kind: guest.Start, Job: j.Name})
		exit, text := job(c, j)
		for _, w := range log.complaints() {
			c.send(guest.Event{Kind: guest.Warning, Job: j.Name, Text: w})
		}
		c.send(guest.Event{Kind: guest.Done, Job: j.Name, Exit: exit, Text: text})
	}
	return nil
}

func mounts() error {
	for _, m := range []struct {
		kind, dir string
		flags     uintptr
	}{
		{"proc", "/proc", 0},
		{"sysfs", "/sys", 0},
		{"devtmpfs", "/dev", 0},
		{"devpts", "/dev/pts", 0},
		{"tmpfs", "/dev/shm", 0},
		{"tmpfs", "/tmp", 0},
		{"tmpfs", "/run", 0},
		{"bpf", "/sys/fs/bpf", 0},
		{"tracefs", "/sys/kernel/tracing", 0},
		{"cgroup2", "/sys/fs/cgroup", 0},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	return os.MkdirAll("/root", 0o700)
}

// load loads a module; one that is there already is fine.
func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// job runs one program and sends what it prints. The exit code is -1, with the
// reason, when the program was killed or did not start.
func job(c console, j guest.Job) (exit int, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j.Seconds)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Env = j.Dir, append(environment(), j.Env...)
	// Everything that the job started goes with it when time is up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second // children that keep the pipe open
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			if line != "" {
				c.send(guest.Event{Kind: guest.Output, Job: j.Name, Text: strings.TrimSuffix(line, "\n")})
			}
			if err != nil {
				return
			}
		}
	}()
	err := cmd.Run()
	_ = w.Close()
	<-printed
	var status *exec.ExitError
	switch {
	case err == nil:
		return 0, ""
	case ctx.Err() != nil:
		return -1, fmt.Sprintf("not done after %d s", j.Seconds)
	case errors.As(err, &status) && status.Exited():
		return status.ExitCode(), ""
	}
	return -1, fmt.Sprintf("%s: %v", filepath.Base(j.Args[0]), err)
}
