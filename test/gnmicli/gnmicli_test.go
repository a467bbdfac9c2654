// Package gnmicli plays gnmi_cli's own code, openconfig/gnmi/cli, against our gNMI
// server in every mode. Run it with
//
//	cd test/gnmicli && go test
package gnmicli

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openconfig/gnmi/cli"
	"github.com/openconfig/gnmi/client"
	gclient "github.com/openconfig/gnmi/client/gnmi"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"

	"github.com/p4nic/p4nic/runtime/gnmi"
	"github.com/p4nic/p4nic/runtime/telemetry"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

// lines collects what gnmi_cli would print.
type lines struct {
	mu  sync.Mutex
	all []string
	new chan struct{}
}

func (l *lines) add(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, strings.TrimSpace(string(b)))
	select {
	case l.new <- struct{}{}:
	default:
	}
}

// await waits until a line is there.
func (l *lines) await(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	for {
		l.mu.Lock()
		got := slices.Clone(l.all)
		l.mu.Unlock()
		if slices.Contains(got, want) {
			return
		}
		select {
		case <-l.new:
		case <-ctx.Done():
			t.Fatalf("no line %q in %q", want, got)
		}
	}
}

func serve(t *testing.T) (*telemetrytest.Rig, string) {
	t.Helper()
	r := telemetrytest.New(t)
	s, err := gnmi.NewServer(gnmi.Options{Telemetry: r.Tel, Instances: r.RIB})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	s.Register(g)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(func() { s.Close(); g.Stop() })
	return r, l.Addr().String()
}

// TestModes: gnmi:GN27, GN28, GN29 as the reference client sees them.
func TestModes(t *testing.T) {
	r, addr := serve(t)
	const oper = "nic/interfaces/interface/p1/state/oper-status"
	query := client.Query{Addrs: []string{addr}, Target: "nic", Queries: []client.Path{{"interfaces", "interface[name=p1]", "state", "oper-status"}},
		Timeout: 10 * time.Second, Encoding: gpb.Encoding_PROTO}
	show := func(ctx context.Context, typ client.Type, count uint) (*lines, <-chan error) {
		q, out := query, &lines{new: make(chan struct{}, 1)}
		q.Type = typ
		done := make(chan error, 1)
		go func() {
			done <- cli.QueryDisplay(ctx, q, &cli.Config{Delimiter: "/", DisplayType: "single", Display: out.add, Count: count,
				ClientTypes: []string{gclient.Type}, PollingInterval: time.Millisecond, Location: time.UTC})
		}()
		return out, done
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	t.Run("once", func(t *testing.T) {
		out, done := show(ctx, client.Once, 0)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		out.await(ctx, t, oper+", UP")
	})
	t.Run("polling", func(t *testing.T) {
		out, done := show(ctx, client.Poll, 3)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		out.await(ctx, t, oper+", UP")
	})
	t.Run("streaming", func(t *testing.T) { // the client asks for TARGET_DEFINED
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		out, done := show(ctx, client.Stream, 0)
		out.await(ctx, t, oper+", UP")
		if err := r.Links.SetUp("p1", false); err != nil {
			t.Fatal(err)
		}
		r.Tel.Hub.Notify(telemetry.LinksChanged)
		out.await(ctx, t, oper+", DOWN")
		stop()
		<-done
	})
}
