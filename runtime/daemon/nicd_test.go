package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// asNicd makes the test binary be nicd, so that a process can be killed.
const asNicd = "P4NIC_TEST_AS_NICD"

func TestMain(m *testing.M) {
	if os.Getenv(asNicd) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(netnstest.Main(m))
}

// nicd is a daemon in a process and a network namespace of its own.
type nicd struct {
	t      testing.TB
	ns     *netns.NS
	args   []string
	socket string
	cmd    *exec.Cmd
	log    *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newNicd prepares a daemon with a state directory and a socket of its own. The
// datapath is removed after the test.
func newNicd(t testing.TB, ns *netns.NS, args ...string) *nicd {
	t.Helper()
	// Socket paths are at most 107 bytes, so not t.TempDir, which has the test's name.
	dir, err := os.MkdirTemp("", "p4nic")
	netnstest.Check(t, err)
	t.Cleanup(func() { netnstest.Check(t, os.RemoveAll(dir)) })
	d := &nicd{t: t, ns: ns, socket: filepath.Join(dir, "s"), log: &syncBuffer{}}
	d.args = append([]string{"--instance", fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6),
		"--state-dir", filepath.Join(dir, "state"), "--listen", "unix://" + d.socket}, args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nicd's log:\n%s", d.log)
		}
	})
	return d
}

// start runs the daemon and waits until it answers.
func (d *nicd) start() {
	d.t.Helper()
	d.cmd = d.command()
	netnstest.Check(d.t, d.ns.Do(d.cmd.Start))
	c := d.client()
	defer c.Close()
	netnstest.Eventually(d.t, 2*time.Minute, "nicd answers\n"+d.log.String(), func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Capabilities(ctx)
		c.Conn.ResetConnectBackoff()
		return err == nil
	})
}

func (d *nicd) command() *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", d.args...)
	cmd.Env = append(os.Environ(), asNicd+"=1")
	cmd.Stdout, cmd.Stderr = d.log, d.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: 0}
	return cmd
}

// refused runs the daemon, which must end at once, and returns what it said.
func (d *nicd) refused(wantCode int) string {
	d.t.Helper()
	cmd := d.command()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	netnstest.Check(d.t, d.ns.Do(cmd.Start))
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		d.t.Fatalf("nicd was not refused:\n%s", out.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		d.t.Errorf("exit code %d, want %d:\n%s", code, wantCode, out.String())
	}
	return out.String()
}

// kill is kill -9.
func (d *nicd) kill() {
	d.t.Helper()
	netnstest.Check(d.t, d.cmd.Process.Kill())
	_ = d.cmd.Wait()
}

// client connects; close it.
func (d *nicd) client() *p4rtclient.Client {
	d.t.Helper()
	c, err := p4rtclient.Dial("unix://"+d.socket, 1, p4rtclient.Security{})
	netnstest.Check(d.t, err)
	return c
}

// detach takes the datapath away and ends the daemon.
func (d *nicd) detach() {
	d.t.Helper()
	c := d.client()
	defer c.Close()
	netnstest.Check(d.t, detachRPC(c))
	netnstest.Check(d.t, d.cmd.Wait())
}

// pipeline is a compiled program.
type pipeline struct {
	info *p4config.P4Info
	raw  []byte
}

func (d *nicd) load(c *p4rtclient.Client, p pipeline, action p4.SetForwardingPipelineConfigRequest_Action) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.BecomePrimary(ctx, false); err != nil {
		return err
	}
	return c.SetPipeline(ctx, action, p.info, p.raw)
}

// insert writes entries in nicctl's notation; all must be accepted.
func (d *nicd) write(c *p4rtclient.Client, p pipeline, kind p4.Update_Type, lines ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	netnstest.Check(d.t, c.BecomePrimary(ctx, false))
	s := p4rtclient.NewSchema(p.info)
	var updates []*p4.Update
	for _, l := range lines {
		e, err := s.ParseEntry(strings.Fields(l), kind != p4.Update_DELETE)
		netnstest.Check(d.t, err)
		updates = append(updates, &p4.Update{Type: kind, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}})
	}
	refused, err := c.Write(ctx, updates)
	netnstest.Check(d.t, err)
	for _, r := range refused {
		d.t.Errorf("%s: %v", lines[r.Index], r)
	}
}

// entries reads a table in nicctl's notation, counters beside.
func (d *nicd) entries(c *p4rtclient.Client, p pipeline, table string, counters bool) map[string]int64 {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := p4rtclient.NewSchema(p.info)
	t, err := s.Table(table)
	netnstest.Check(d.t, err)
	e := &p4.TableEntry{TableId: t.GetPreamble().GetId()}
	if counters {
		e.CounterData = &p4.CounterData{}
	}
	out := map[string]int64{}
	netnstest.Check(d.t, c.Read(ctx, []*p4.Entity{{Entity: &p4.Entity_TableEntry{TableEntry: e}}}, func(e *p4.Entity) error {
		v := s.Describe(e.GetTableEntry())
		n := int64(-1)
		if v.Packets != nil {
			n = *v.Packets
		}
		out[v.String()] = n
		return nil
	}))
	return out
}

// detachRPC asks the daemon to take its datapath away and to end.
func detachRPC(c *p4rtclient.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := nicdpb.NewNicdClient(c.Conn).Detach(ctx, &nicdpb.DetachRequest{})
	return err
}

// compileFile compiles a program to a bundle.
func compileFile(t testing.TB, path string, defines ...string) []byte {
	t.Helper()
	r, err := driver.Compile(driver.Options{Path: path, Defines: defines})
	netnstest.Check(t, err)
	netnstest.Check(t, r.Diags.Err())
	raw, err := r.Bundle("test")
	netnstest.Check(t, err)
	return raw
}

// bundleOf reads a bundle's P4Info.
func bundleOf(t testing.TB, raw []byte) pipeline {
	t.Helper()
	b, err := bundle.Read(raw)
	netnstest.Check(t, err)
	return pipeline{b.P4Info, raw}
}
