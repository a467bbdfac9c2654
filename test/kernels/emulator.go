package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

// machine is how an architecture is emulated.
type machine struct {
	qemu    string
	debian  string // package that has it
	args    []string
	console string
}

func machines() map[string]machine {
	return map[string]machine{
		"amd64": {
			qemu: "qemu-system-x86_64", debian: "qemu-system-x86", console: "ttyS0",
			// One thread for all CPUs: with several, qemu 7.2 now and then runs code
			// that another CPU is patching, and the guest dies of an int3.
			args: []string{"-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=single"},
		},
		"arm64": {
			qemu: "qemu-system-aarch64", debian: "qemu-system-arm", console: "ttyAMA0",
			args: []string{"-machine", "virt", "-cpu", "neoverse-n1", "-accel", "tcg"},
		},
	}
}

// vm is one boot of a kernel.
type vm struct {
	machine
	tree   tree
	initrd string
	memory int // MiB
	cpus   int
	log    io.Writer // the console as it is
}

// bootTime is how long a guest may take until its first job.
const bootTime = 5 * time.Minute

// boot runs a guest to its end, with limit for all jobs, and gives its events
// to see. Software emulation needs no privilege and is the same everywhere.
func (v vm) boot(ctx context.Context, limit time.Duration, see func(guest.Event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	args := append([]string{}, v.args...)
	args = append(args, "-smp", strconv.Itoa(v.cpus), "-m", strconv.Itoa(v.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", v.tree.vmlinuz(), "-initrd", v.initrd,
		// A fault ends the guest; a mitigation costs time and hides nothing here.
		"-append", "console="+v.console+" quiet panic=-1 oops=panic mitigations=off rdinit=/init")
	// The machine has better things to do.
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "15", v.qemu}, args...)...)
	var complaint bytes.Buffer // of the emulator itself
	cmd.Stderr = &complaint
	cmd.WaitDelay = 10 * time.Second
	console, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	watch := time.AfterFunc(bootTime, func() { cancel(fmt.Errorf("the guest was not up after %v", bootTime)) })
	defer func() { watch.Stop() }()
	var problem error
	ended := false
	var last []string // of the console, for the case that the guest dies
	lines := bufio.NewReader(console)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			_, _ = io.WriteString(v.log, line)
		}
		e, ok, bad := guest.Parse(line)
		switch {
		case bad != nil:
			problem = errors.Join(problem, bad)
		case !ok:
			if line = strings.TrimSpace(line); line != "" {
				last = append(last[max(0, len(last)-39):], line)
			}
		case e.Kind == guest.Failed:
			problem = errors.Join(problem, fmt.Errorf("the guest gave up: %s", e.Text))
		case e.Kind == guest.End:
			ended = true
		default:
			if e.Kind == guest.Ready {
				watch.Stop()
				watch = time.AfterFunc(limit, func() { cancel(fmt.Errorf("the jobs were not done after %v", limit)) })
			}
			see(e)
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	_, _ = v.log.Write(complaint.Bytes())
	last = append(last, strings.TrimSpace(complaint.String()))
	switch {
	case problem != nil:
		return problem
	case ended:
		return nil // whatever the emulator made of the power-off
	case context.Cause(ctx) != nil:
		err = context.Cause(ctx)
	case err == nil:
		err = errors.New("the guest ended before its jobs were done")
	}
	return fmt.Errorf("%w; the last of its console:\n%s", err, strings.TrimSpace(strings.Join(last, "\n")))
}

// find tells what is missing for an architecture.
func (m machine) find() error {
	if _, err := exec.LookPath(m.qemu); err != nil {
		return fmt.Errorf("%w: %s is missing: apt-get install --no-install-recommends %s", errNoKernel, m.qemu, m.debian)
	}
	if _, err := exec.LookPath("nice"); err != nil {
		return err
	}
	return nil
}
