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
	cmd    *exec.Cmd
	log    *tail
	exited chan struct{}
	err    error // valid once exited is closed
	client *p4rtclient.Client
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

// startDaemon starts nicd inside ns and waits until it answers.
func startDaemon(ctx context.Context, path string, ns *netns.NS, dir, instance string, sim bool, ports []string) (*daemon, error) {
	socket := filepath.Join(dir, "nicd.sock")
	engine := "kernel"
	if sim {
		engine = "sim"
	}
	args := []string{"--instance", instance, "--engine", engine, "--state-dir", filepath.Join(dir, "state"), "--listen", "unix://" + socket}
	for _, p := range ports {
		args = append(args, "--port", p)
	}
	d := &daemon{cmd: exec.Command(path, args...), log: &tail{}, exited: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	// The daemon must not outlive a demo that is killed, nor get its Ctrl-C.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := ns.Do(d.cmd.Start); err != nil {
		return nil, fmt.Errorf("start nicd: %w", err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.exited)
	}()
	client, err := p4rtclient.Dial("unix://"+socket, 1, false)
	if err != nil {
		return nil, errors.Join(err, d.stop(context.Background()))
	}
	d.client = client
	if err := d.ready(ctx); err != nil {
		return nil, errors.Join(err, d.stop(context.Background()))
	}
	return d, nil
}

// ready waits until the daemon answers on its socket.
func (d *daemon) ready(ctx context.Context) error {
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
			return fmt.Errorf("nicd ended at once (%v):\n%s", d.err, d.log.String())
		case <-ctx.Done():
			return fmt.Errorf("nicd does not answer: %w\n%s", err, d.log.String())
		case <-tick.C:
		}
	}
}

// stop takes the datapath away and ends the daemon.
func (d *daemon) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var err error
	if d.client != nil {
		_, err = nicdpb.NewNicdClient(d.client.Conn).Detach(ctx, &nicdpb.DetachRequest{})
		err = errors.Join(err, d.client.Close())
	} else {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-d.exited:
	case <-ctx.Done():
		_ = d.cmd.Process.Kill()
		<-d.exited
		err = errors.Join(err, errors.New("nicd did not end when asked to and was killed"))
	}
	if err != nil {
		return fmt.Errorf("stop nicd: %w\n%s", err, d.log.String())
	}
	return nil
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
