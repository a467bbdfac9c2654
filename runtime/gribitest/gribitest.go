// Package gribitest is a gRIBI server with everything behind it, for tests: the
// service, the RIB, routemap with p4src/router.p4, the store, and a dataplane
// that the test chooses (the simulator without ports by default).
//
// In: *testing.T. Out: a rig that can be stopped and started again on the same
// state directory.
// Must not import: runtime/daemon.
package gribitest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/gribi"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/sim"
	"github.com/p4nic/p4nic/runtime/store"
)

// Options of New.
type Options struct {
	Dir       string // of the state; "" = a temporary one
	Plane     func() dataplane.Plane
	Instances []rib.InstanceConfig // nil = DEFAULT with id 0 and VRF-1 with id 1
	Bundle    []byte               // nil = p4src/router.p4
	NoBundle  bool                 // start without a pipeline
	Ports     []routemap.Port
	// SweepDelay is routemap's; a long one leaves sweeping to the test.
	SweepDelay time.Duration
	TCP        bool // also listen on a port of 127.0.0.1
}

// Rig is a running device.
type Rig struct {
	Store *store.Store
	RIB   *rib.RIB
	Map   *routemap.Map
	Plane dataplane.Plane
	Conn  *grpc.ClientConn
	GRIBI spb.GRIBIClient
	Addr  string // with Options.TCP

	t      testing.TB
	o      Options
	server *gribi.Server
	grpc   *grpc.Server
}

// Root is the top folder of the source tree.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Build compiles a program of the source tree; side is the text of a side file
// of bindings, nil = annotations.
func Build(t testing.TB, path string, side []byte) []byte {
	t.Helper()
	return build(t, driver.Options{Path: filepath.Join(Root(), path), Bindings: side, BindingsName: "bindings"})
}

// BuildText compiles a program of the source tree after an edit.
func BuildText(t testing.TB, path string, edit func(string) string) []byte {
	t.Helper()
	path = filepath.Join(Root(), path)
	return build(t, driver.Options{Path: path, ReadFile: func(name string) ([]byte, error) {
		b, err := os.ReadFile(name)
		if name == path {
			b = []byte(edit(string(b)))
		}
		return b, err
	}})
}

func build(t testing.TB, o driver.Options) []byte {
	t.Helper()
	res, err := driver.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Core == nil {
		for _, d := range res.Diags.All() {
			t.Error(d.Message)
		}
		t.FailNow()
	}
	raw, err := res.Bundle("test")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Load reads the program of a stored configuration.
func Load(c store.Config) (*ir.Program, error) {
	b, err := bundle.Read(c.Device)
	if err != nil {
		return nil, err
	}
	return b.Program, nil
}

// New starts a device; it ends with the test.
func New(t testing.TB, o Options) *Rig {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Plane == nil {
		o.Plane = func() dataplane.Plane {
			p, err := sim.Open(sim.Options{Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	if o.Instances == nil {
		o.Instances = []rib.InstanceConfig{{Name: rib.DefaultInstance, ID: 0}, {Name: "VRF-1", ID: 1}}
	}
	if o.Bundle == nil && !o.NoBundle {
		o.Bundle = Build(t, "p4src/router.p4", nil)
	}
	r := &Rig{t: t, o: o}
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// Start starts a stopped device.
func (r *Rig) Start() {
	r.t.Helper()
	check := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	var err error
	r.Store, err = store.Open(store.Options{Dir: r.o.Dir, Load: Load, Log: quiet()})
	check(err)
	r.Plane = r.o.Plane()
	check(r.Store.Start(r.Plane))
	r.RIB, err = rib.Open(rib.Options{Dir: r.o.Dir, Instances: r.o.Instances, Log: quiet()})
	check(err)
	r.Map = routemap.New(routemap.Options{Store: r.Store, RIB: r.RIB, Ports: r.o.Ports, SweepDelay: r.o.SweepDelay, Log: quiet(),
		Bindings: func(c store.Config) (*bindingspb.Bindings, error) { return bundle.ReadBindings(c.Device) }})
	check(r.Map.Start())
	if r.o.Bundle != nil && r.Store.Pipeline() == nil {
		check(r.Set(store.Commit, r.o.Bundle))
	}
	r.server = gribi.NewServer(gribi.Options{RIB: r.RIB, Log: quiet()})
	r.grpc = grpc.NewServer()
	r.server.Register(r.grpc)
	l := bufconn.Listen(1 << 20)
	serve := func(l net.Listener) { go func() { _ = r.grpc.Serve(l) }() }
	serve(l)
	if r.o.TCP {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		r.Addr = tcp.Addr().String()
		serve(tcp)
	}
	r.Conn, err = grpc.NewClient("passthrough:///device", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	check(err)
	r.GRIBI = spb.NewGRIBIClient(r.Conn)
}

// Set changes the pipeline.
func (r *Rig) Set(m store.Mode, raw []byte) error {
	r.t.Helper()
	b, err := bundle.Read(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	pl, err := store.NewPipeline(store.Config{Device: raw}, b.Program)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.Store.SetPipeline(m, pl)
}

// Stop ends the daemon's part; the plane is closed too.
func (r *Rig) Stop() {
	if r.grpc == nil {
		return
	}
	_ = r.Conn.Close()
	r.server.Close()
	r.grpc.Stop()
	r.grpc = nil
	r.Map.Close()
	for _, err := range []error{r.RIB.Close(), r.Store.Close(), r.Plane.Close()} {
		if err != nil {
			r.t.Error(err)
		}
	}
}
