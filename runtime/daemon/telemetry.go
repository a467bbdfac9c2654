package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/version"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/gnmi"
	"github.com/p4nic/p4nic/runtime/metrics"
	"github.com/p4nic/p4nic/runtime/telemetry"
)

// observers is what tells about the daemon: gNMI, /metrics, health, reflection.
type observers struct {
	gnmi    *gnmi.Server
	health  *health.Server
	links   *telemetry.Netlink
	http    *http.Server
	metrics net.Listener
	stops   []func()
	wg      sync.WaitGroup
}

// startObservers registers the services on the gRPC server, which must have all
// others by now, and listens for /metrics.
func (d *Daemon) startObservers() (err error) {
	o := &observers{}
	d.observers = o
	if o.links, err = telemetry.NewNetlink(d.log); err != nil {
		return err
	}
	opts := telemetry.Options{Store: d.store, Ports: d.plane, Engine: d.plane.Name(), Links: o.links, Drops: d.drops(), RIB: d.routing.rib,
		Name: d.config.Instance, DeviceID: d.config.DeviceID, Version: version.Version, Boot: bootTime(), Log: d.log}
	t, err := telemetry.New(opts)
	if err != nil {
		return err
	}
	stop, err := o.links.Watch(func() { t.Hub.Notify(telemetry.LinksChanged) })
	if err != nil {
		return err
	}
	o.stops = append(o.stops, stop)
	o.follow(t.Hub, telemetry.StoreChanged, d.store.Watch)
	o.follow(t.Hub, telemetry.RoutesChanged, d.routing.rib.Watch)
	if o.gnmi, err = gnmi.NewServer(gnmi.Options{Telemetry: t, Instances: d.routing.routes, Log: d.log}); err != nil {
		return err
	}
	o.gnmi.Register(d.server)
	o.health = health.NewServer()
	healthpb.RegisterHealthServer(d.server, o.health)
	if d.config.Reflection {
		reflection.Register(d.server)
	}
	for name := range d.server.GetServiceInfo() {
		o.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	return d.listenMetrics(t)
}

// follow turns values of a watcher into events.
func (o *observers) follow(h *telemetry.Hub, e telemetry.Event, watch func() (<-chan struct{}, func())) {
	changed, cancel := watch()
	done := make(chan struct{})
	o.wg.Go(func() {
		for {
			select {
			case <-changed:
				h.Notify(e)
			case <-done:
				return
			}
		}
	})
	o.stops = append(o.stops, func() { cancel(); close(done) })
}

func (d *Daemon) listenMetrics(t *telemetry.Telemetry) error {
	if d.config.Metrics == "" {
		return nil
	}
	h, err := metrics.Handler(metrics.Options{Telemetry: t, Version: version.Version})
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	o := d.observers
	l, err := listen(d.config.Metrics)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	via := d.config.via(d.config.Metrics)
	o.metrics = d.gate.ListenHTTP(l, via)
	// A client that is slow to ask must not keep a connection for ever.
	o.http = &http.Server{Handler: d.gate.HTTP(h, via), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn)}
	o.wg.Go(func() {
		if err := o.http.Serve(o.metrics); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("/metrics is not served any more", "error", err)
		}
	})
	d.announce("metrics", d.config.Metrics, l.Addr(), via)
	return nil
}

// quiet ends the streams and says that the services end.
func (o *observers) quiet() {
	if o == nil {
		return
	}
	if o.health != nil {
		o.health.Shutdown()
	}
	if o.gnmi != nil {
		o.gnmi.Close()
	}
}

// close ends the rest, after the gRPC server.
func (o *observers) close() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		if err := o.http.Shutdown(ctx); err != nil {
			errs = append(errs, o.http.Close())
		}
	}
	for _, stop := range o.stops {
		stop()
	}
	o.wg.Wait()
	if o.links != nil {
		o.links.Close()
	}
	return errors.Join(errs...)
}

// dropper is a Plane that counts drops by reason.
type dropper interface {
	Drops() ([]dataplane.Counter, error)
}

// drops reads the engine's drop counters, where it has them.
func (d *Daemon) drops() func() ([]telemetry.Drop, error) {
	p, ok := d.plane.(dropper)
	if !ok {
		return nil
	}
	return func() ([]telemetry.Drop, error) {
		counts, err := p.Drops()
		if err != nil {
			return nil, err
		}
		var out []telemetry.Drop
		for i, c := range counts {
			if name := dropName(i); name != "" || c.Packets > 0 {
				if name == "" {
					name = "reason-" + strconv.Itoa(i)
				}
				out = append(out, telemetry.Drop{Reason: name, Packets: c.Packets, Bytes: c.Bytes})
			}
		}
		return out, nil
	}
}

// dropName names a reason of the kernel engine, "" where there is none.
func dropName(i int) string {
	switch i {
	case backend.DropCPUPort:
		return "cpu-port"
	case backend.DropSetup:
		return "setup"
	case backend.DropHostShape:
		return "host-shape"
	case backend.DropInternal:
		return "internal"
	case backend.DropCPUSize:
		return "cpu-size"
	case backend.DropCopies:
		return "copies"
	case backend.DropCopy:
		return "copy"
	case backend.DropHandover:
		return "handover"
	}
	if i <= int(ssa.DropPort) {
		return ssa.DropReason(i).String()
	}
	return ""
}

// bootTime is when the machine started, zero where the kernel does not say.
func bootTime() time.Time {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
				return time.Unix(n, 0)
			}
		}
	}
	return time.Time{}
}
