package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// daemon is a running nicd, the real program in a process of its own.
type daemon struct {
	cmd      *exec.Cmd
	ns       *netns.NS
	instance string
	log      *tail
	exited   chan struct{}
	err      error // how it ended; valid once exited is closed
	client   *p4rtclient.Client
	remove   func(instance string) error
}

// findNicd looks beside the running nicctl first, then in PATH.
func findNicd() (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), "nicd")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("nicd")
	if err != nil {
		return "", errors.New("nicd is neither beside nicctl nor in PATH: build both with `make build`")
	}
	return path, nil
}

// startDaemon starts nicd inside ns and waits until it answers. dir is for its
// files; name tells daemons of one demo apart.
func startDaemon(ctx context.Context, o Options, ns *netns.NS, dir, name string, flags []string) (*daemon, error) {
	socket := filepath.Join(dir, "nicd.sock")
	d := &daemon{ns: ns, instance: fmt.Sprintf("demo-%d-%s", os.Getpid(), name), log: &tail{}, exited: make(chan struct{}), remove: o.Remove}
	engine := "kernel"
	if o.Sim {
		engine = "sim"
		d.remove = nil // nothing of it is in the kernel
	}
	args := []string{"--instance", d.instance, "--engine", engine, "--state-dir", filepath.Join(dir, "state"), "--listen", "unix://" + socket}
	d.cmd = exec.Command(o.Nicd, append(args, flags...)...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir) // for the lock of the instance, unless root's
	// It must not get the terminal's Ctrl-C before we have asked it to detach,
	// nor outlive a demo that is killed.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.run(); err != nil {
		return nil, fmt.Errorf("start nicd: %w", err)
	}
	err := d.ready(ctx, "unix://"+socket)
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// run starts the process. The thread that did it waits for its end: the kernel
// signals a parent's death when that thread is gone.
func (d *daemon) run() error {
	started := make(chan error, 1)
	go func() {
		err := d.ns.Do(func() error {
			err := d.cmd.Start()
			if err != nil {
				return err
			}
			started <- nil
			d.err = d.cmd.Wait()
			close(d.exited)
			return nil
		})
		if err != nil {
			started <- err
		}
	}()
	return <-started
}

// ready waits until the daemon answers on its socket.
func (d *daemon) ready(ctx context.Context, address string) (err error) {
	if d.client, err = p4rtclient.Dial(address, 1, p4rtclient.Security{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.client.Capabilities(ctx)
		if err == nil {
			return nil
		}
		d.client.Conn.ResetConnectBackoff()
		select {
		case <-d.exited:
			return fmt.Errorf("nicd ended at once (%v)\n%s", d.err, d.log)
		case <-ctx.Done():
			return fmt.Errorf("nicd does not answer: %w\n%s", err, d.log)
		case <-tick.C:
		}
	}
}

// stop takes the datapath away and ends the daemon, by force if it must. It is
// not interrupted.
func (d *daemon) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	select {
	case <-d.exited:
		return errors.Join(d.client.Close(), d.clean())
	default:
	}
	_, err := nicdpb.NewNicdClient(d.client.Conn).Detach(ctx, &nicdpb.DetachRequest{})
	if err != nil { // it may be starting still
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
	}
	closeErr := d.client.Close()
	select {
	case <-d.exited:
	case <-ctx.Done():
		_ = d.cmd.Process.Kill()
		<-d.exited
		closeErr = errors.Join(closeErr, fmt.Errorf("nicd did not end when asked to and was killed\n%s", d.log))
	}
	if err != nil || d.err != nil {
		closeErr = errors.Join(closeErr, d.clean())
	}
	if err == nil && d.err != nil {
		closeErr = errors.Join(closeErr, fmt.Errorf("nicd detached, but ended badly (%w)\n%s", d.err, d.log))
	}
	return closeErr
}

// kill is kill -9; restart runs the same command again and waits until it answers.
func (d *daemon) kill() error {
	if err := d.cmd.Process.Kill(); err != nil {
		return err
	}
	<-d.exited
	return nil
}

func (d *daemon) restart(ctx context.Context) error {
	old := d.cmd
	d.cmd = exec.Command(old.Path, old.Args[1:]...)
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.Env, d.cmd.SysProcAttr = d.log, d.log, old.Env, old.SysProcAttr
	d.exited, d.err = make(chan struct{}), nil
	if err := errors.Join(d.client.Close(), d.run()); err != nil {
		return fmt.Errorf("start nicd again: %w", err)
	}
	return d.ready(ctx, d.client.Address)
}

// clean removes what a nicd that did not detach has left in the kernel.
func (d *daemon) clean() error {
	if d.remove == nil {
		return nil
	}
	return d.ns.Do(func() error { return d.remove(d.instance) })
}

// tail keeps the last part of the daemon's log.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if extra := t.buf.Len() - tailSize; extra > 0 {
		t.buf.Next(extra)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return "nicd's log:\n  " + strings.ReplaceAll(strings.TrimSpace(t.buf.String()), "\n", "\n  ")
}
