package rates

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/kernel"
	"github.com/p4nic/p4nic/runtime/p4rt"
	"github.com/p4nic/p4nic/runtime/sim"
	"github.com/p4nic/p4nic/runtime/store"
)

// device is a server of testdata/exact.p4 on a unix socket.
type device struct {
	t      testing.TB
	plane  dataplane.Plane
	store  *store.Store
	pipe   *store.Pipeline
	info   []byte
	socket string
	opts   store.Options
	bpffs  string
	engine string
	stop   func()
	// stopServer ends the gRPC server alone.
	stopServer func()
}

// newDevice starts one; engine is "kernel" or "sim", size that of the table.
func newDevice(t testing.TB, engine string, size int, change ...func(*store.Options)) *device {
	t.Helper()
	res, err := driver.Compile(driver.Options{Path: "testdata/exact.p4", Defines: []string{fmt.Sprintf("SIZE=%d", size)}})
	netnstest.Check(t, err)
	if res.Core == nil || res.Control == nil {
		t.Fatal("testdata/exact.p4 does not compile")
	}
	d := &device{t: t, engine: engine}
	d.info, err = proto.Marshal(res.Control.Info)
	netnstest.Check(t, err)
	if engine == "kernel" {
		d.bpffs = netnstest.BPFFS(t)
	}
	dir := t.TempDir()
	d.socket = filepath.Join(dir, "socket")
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	d.opts = store.Options{Dir: dir, Log: quiet, Load: func(store.Config) (*ir.Program, error) { return res.Core, nil }}
	for _, c := range change {
		c(&d.opts)
	}
	d.start()
	t.Cleanup(func() { d.stop() })
	d.pipe, err = store.NewPipeline(store.Config{P4Info: d.info}, res.Core)
	netnstest.Check(t, err)
	netnstest.Check(t, d.store.SetPipeline(store.Commit, d.pipe))
	return d
}

// restart opens store and engine again, after both were closed.
func (d *device) restart() {
	d.stopServer()
	d.start()
}

func (d *device) start() {
	t := d.t
	var err error
	if d.engine == "kernel" {
		d.plane, err = kernel.Open(kernel.Options{BPFFS: d.bpffs, Logger: d.opts.Log})
	} else {
		d.plane, err = sim.Open(sim.Options{Logger: d.opts.Log})
	}
	netnstest.Check(t, err)
	d.store, err = store.Open(d.opts)
	netnstest.Check(t, err)
	netnstest.Check(t, d.store.Start(d.plane))
	s, err := p4rt.NewServer(p4rt.Options{Store: d.store, Log: d.opts.Log, Load: func([]byte) (*p4configv1.P4Info, *ir.Program, error) {
		return nil, nil, fmt.Errorf("no Set here")
	}})
	netnstest.Check(t, err)
	g := grpc.NewServer(p4rt.ServerOptions()...)
	s.Register(g)
	l, err := net.Listen("unix", d.socket)
	netnstest.Check(t, err)
	served := make(chan error, 1)
	go func() {
		err := g.Serve(l)
		if errors.Is(err, grpc.ErrServerStopped) { // before it had begun
			err = nil
		}
		served <- err
	}()
	var once sync.Once
	d.stopServer = func() {
		once.Do(func() {
			s.Close()
			g.Stop()
			netnstest.Check(t, <-served)
		})
	}
	d.stop = func() {
		d.stopServer()
		netnstest.Check(t, d.store.Close())
		netnstest.Check(t, d.plane.DetachAll())
		netnstest.Check(t, d.plane.Close())
	}
}

// order is one for a client of this device.
func (d *device) order(o order) order {
	o.Socket, o.Info = d.socket, d.info
	return o
}

// memory is this process's resident memory, in bytes.
func memory(t testing.TB) int64 { return status(t, "VmRSS") }

// status reads a line of /proc/self/status that is in kB, as bytes.
func status(t testing.TB, name string) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	netnstest.Check(t, err)
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			netnstest.Check(t, err)
			return kb << 10
		}
	}
	t.Fatalf("/proc/self/status has no %s", name)
	return 0
}
