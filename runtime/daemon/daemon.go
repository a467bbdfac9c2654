// Package daemon is nicd: it opens the store and the engine, connects the ports,
// and serves P4Runtime and nicd's own service on every configured address.
//
// In: a Config. Out: a running device, until the context ends or an operator
// detaches it.
// Must not import: compiler front end.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/internal/version"
	"github.com/p4nic/p4nic/proto/nicdpb"
	"github.com/p4nic/p4nic/runtime/access"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/kernel"
	"github.com/p4nic/p4nic/runtime/p4rt"
	"github.com/p4nic/p4nic/runtime/sim"
	"github.com/p4nic/p4nic/runtime/store"
)

// Daemon is one running instance.
type Daemon struct {
	config    Config
	log       *slog.Logger
	lock      *instance.FileLock
	store     *store.Store
	plane     dataplane.Plane
	gate      *access.Guard
	p4rt      *p4rt.Server
	server    *grpc.Server
	observers *observers
	routing   *routing
	listeners []net.Listener
	started   time.Time
	detached  chan error // what came of it when an operator detached the datapath
}

// Run is nicd: it returns when ctx ends (leaving the datapath as it is) or when
// the datapath was detached.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	d, err := Start(c, log)
	if err != nil {
		return err
	}
	failed := d.serve()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for err == nil {
		select {
		case <-hup:
			d.gate.Reload()
			continue
		case <-ctx.Done():
			log.Info("stopping; the datapath goes on", "instance", d.config.Instance)
		case err = <-d.detached:
			log.Info("detached", "instance", d.config.Instance)
		case err = <-failed:
		}
		break
	}
	return errors.Join(err, d.Close())
}

// Start opens everything and listens, but serves nothing yet. What runs already
// is adopted before anything is touched (principle 5).
func Start(c Config, log *slog.Logger) (_ *Daemon, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	d := &Daemon{config: c, log: log, started: time.Now(), detached: make(chan error, 1)}
	defer func() {
		if err == nil {
			return
		}
		// A start that attached nothing leaves nothing; one that found ports of an
		// earlier nicd leaves them running.
		if d.plane != nil && len(d.plane.Ports()) == 0 {
			err = errors.Join(err, d.plane.DetachAll())
		}
		err = errors.Join(err, d.Close())
	}()
	if d.lock, err = instance.Lock(c.Instance); err != nil {
		return nil, err
	}
	if d.gate, err = access.New(access.Options{Config: c.gate(), Version: version.Version, Log: log}); err != nil {
		return nil, err
	}
	durability := store.Process
	if c.Durability == "power" {
		durability = store.Power
	}
	d.store, err = store.Open(store.Options{Dir: c.StateDir, Durability: durability, Load: loadProgram, Log: log})
	if err != nil {
		return nil, err
	}
	if d.plane, err = d.openPlane(); err != nil {
		return nil, err
	}
	if err := d.store.Start(d.plane); err != nil {
		return nil, err
	}
	if err := d.attachPorts(); err != nil {
		return nil, err
	}
	if err := d.leaveKernel(); err != nil {
		return nil, err
	}
	if err := d.startRouting(); err != nil {
		return nil, err
	}
	if err := d.listen(); err != nil {
		return nil, err
	}
	return d, nil
}

// loadProgram gives the core program of a stored configuration.
func loadProgram(c store.Config) (*ir.Program, error) {
	if json, is := bmv2.DeviceConfig(c.Device); is {
		info := &p4configv1.P4Info{}
		if err := proto.Unmarshal(c.P4Info, info); err != nil {
			return nil, err
		}
		return bmv2.Import(json, info, "")
	}
	b, err := bundle.Read(c.Device)
	if err != nil {
		return nil, err
	}
	return b.Program, nil
}

func (d *Daemon) openPlane() (dataplane.Plane, error) {
	if d.config.Engine == EngineSim {
		return sim.Open(sim.Options{CPUPort: d.config.CPUPort, ExpireTimes: d.config.ExpireTimes, Logger: d.log})
	}
	return kernel.Open(kernel.Options{Instance: d.config.Instance, CPUPort: d.config.CPUPort, ExpireTimes: d.config.ExpireTimes, Logger: d.log})
}

// attachPorts connects the configured ports and gives back those that an earlier
// configuration had. One that cannot be connected stops the start: what else
// runs is left as it was.
func (d *Daemon) attachPorts() error {
	return d.store.Do(func(p dataplane.Plane) error {
		wanted := map[uint32]string{}
		for _, c := range d.config.Ports {
			wanted[c.Number] = c.Netdev
		}
		for _, have := range p.Ports() {
			if wanted[have.Number] != have.Netdev {
				d.log.Info("port is no longer configured", "port", have.Number, "netdev", have.Netdev)
				if err := p.Detach(have.Number); err != nil {
					return fmt.Errorf("port %d (%s): %w", have.Number, have.Netdev, err)
				}
			}
		}
		var errs []error
		for _, c := range d.config.Ports {
			if err := p.Attach(dataplane.Port{Number: c.Number, Netdev: c.Netdev, Hook: c.Hook, Host: c.Host}); err != nil {
				errs = append(errs, fmt.Errorf("port %d: %w", c.Number, err))
			}
		}
		return errors.Join(errs...)
	})
}

func (d *Daemon) listen() error {
	var err error
	packets, _ := d.plane.(dataplane.PacketIO)
	if d.p4rt, err = p4rt.NewServer(p4rt.Options{Store: d.store, DeviceID: d.config.DeviceID, Packets: packets, Log: d.log}); err != nil {
		return err
	}
	d.server = grpc.NewServer(append(p4rt.ServerOptions(), d.gate.ServerOptions()...)...)
	d.p4rt.Register(d.server)
	nicdpb.RegisterNicdServer(d.server, &service{d: d})
	d.routing.register(d.server)
	if err := d.startObservers(); err != nil {
		return err
	}
	for _, address := range d.config.Listen {
		l, err := listen(address)
		if err != nil {
			return err
		}
		via := d.config.via(address)
		d.listeners = append(d.listeners, d.gate.Listen(l, via))
		d.announce("listening", address, l.Addr(), via)
	}
	d.log.Info("nicd is ready", "version", version.Version, "instance", d.config.Instance, "engine", d.plane.Name(), "ports", len(d.config.Ports))
	return nil
}

// announce says where nicd listens, loudly where that needs no certificate (D21).
func (d *Daemon) announce(what, address string, at net.Addr, via access.Via) {
	switch {
	case via == access.ViaUnix:
		d.log.Info(what, "address", address)
	case via == access.ViaInsecure:
		d.log.Warn(what+" without TLS: whoever reaches this address controls the device", "address", at.String())
	case d.config.TLS.Anonymous && len(d.config.Access) == 0:
		d.log.Warn(what+" for clients without a certificate: whoever reaches this address controls the device", "address", at.String())
	default:
		d.log.Info(what, "address", at.String(), "tls", true, "anonymous", d.config.TLS.Anonymous)
	}
}

// serve answers on every address; an error of one ends the daemon.
func (d *Daemon) serve() <-chan error {
	failed := make(chan error, len(d.listeners))
	for _, l := range d.listeners {
		go func() {
			if err := d.server.Serve(l); err != nil {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		}()
	}
	return failed
}

// closeGrace is how long RPCs that have begun may take when the daemon ends.
const closeGrace = 5 * time.Second

// Close ends the daemon and leaves the datapath.
func (d *Daemon) Close() error {
	var errs []error
	if d.server != nil {
		d.p4rt.Close() // ends the streams, which would otherwise go on for ever
		d.observers.quiet()
		d.routing.quiet()
		// A client that does not read its answer must not keep us either.
		stop := time.AfterFunc(closeGrace, d.server.Stop)
		d.server.GracefulStop()
		stop.Stop()
	}
	errs = append(errs, d.observers.close())
	for _, l := range d.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, d.routing.close())
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.plane != nil {
		errs = append(errs, d.plane.Close())
	}
	if d.gate != nil {
		errs = append(errs, d.gate.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}
