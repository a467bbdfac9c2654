// Package routemap brings what the RIB says into the tables of a P4 program,
// through the program's bindings (D14), and tells the RIB what became of it.
//
// In: changes of the RIB (rib.FIB), changes of pipeline (store.Owner), ports,
// connected prefixes and neighbours of the kernel. Out: batches for the store,
// in an order that keeps packets flowing: what is used before its users, the new
// before the old. What nothing uses any more is taken out later, when no packet
// can still be on its way to it (sweep.go).
// Must not import: adapters, engines.
//
// A hop becomes an entry of the next-hop table, a group a range of buckets and an
// entry of the group table (D17), a route an entry of a route table. A program
// without groups or next hops has routes that name their one next hop directly.
// A hop with a MAC of its own gets a gateway of its own, an address of 0.0.0.0/8
// that no packet has, and a neighbour entry for it.
//
// Everything here happens under the RIB's lock.
package routemap

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/store"
)

// Options of New.
type Options struct {
	Store *store.Store
	RIB   *rib.RIB
	// Bindings reads the bindings of a pipeline's bundle.
	Bindings func(store.Config) (*pb.Bindings, error)
	Ports    []Port
	// MaxBuckets bounds the buckets of one group, and so how exact large weights
	// are; 0 means 256.
	MaxBuckets int
	// SweepDelay is how long what nothing uses stays in the tables at least; 0
	// means 50 ms.
	SweepDelay time.Duration
	Log        *slog.Logger // nil = slog.Default
}

// Port connects names of interfaces with a P4 port.
type Port struct {
	Number uint32
	Netdev string
	Host   string // simulator: the netdev of the host's side, another name of the port
}

// Neighbour is an entry of the kernel's neighbour tables.
type Neighbour struct {
	Interface string // netdev of a port
	VLAN      uint32
	Address   netip.Addr
	MAC       rib.MAC // zero: it is gone
}

// Connected is a subnet on an interface.
type Connected struct {
	Interface string
	VLAN      uint32
	Prefix    netip.Prefix
}

// Map is the FIB.
type Map struct {
	store    *store.Store
	rib      *rib.RIB
	bindings func(store.Config) (*pb.Bindings, error)
	buckets  int
	delay    time.Duration
	log      *slog.Logger

	// Under the RIB's lock.
	ports     map[string]uint32
	connected []Connected
	known     map[neighbourKey]rib.MAC // the kernel's
	live      *fib                     // nil: no pipeline with routes, or no instance configured

	sweepMu sync.Mutex // one sweep at a time; taken before the RIB's lock
	wake    chan struct{}
	stop    chan struct{}
	done    sync.WaitGroup
}

type neighbourKey struct {
	port, vlan uint32
	address    netip.Addr
}

// New connects RIB and store. Nothing is programmed before Start.
func New(o Options) *Map {
	m := &Map{store: o.Store, rib: o.RIB, bindings: o.Bindings, buckets: o.MaxBuckets, delay: o.SweepDelay, log: o.Log,
		known: map[neighbourKey]rib.MAC{}, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	if m.buckets <= 0 {
		m.buckets = 256
	}
	if m.delay <= 0 {
		m.delay = 50 * time.Millisecond
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	m.ports = portNames(o.Ports)
	return m
}

func portNames(ps []Port) map[string]uint32 {
	out := map[string]uint32{}
	for _, p := range ps {
		out[p.Netdev] = p.Number
		if p.Host != "" {
			out[p.Host] = p.Number
		}
	}
	return out
}

// Start makes the bound tables routemap's own, where a network instance is
// configured, and fills them with what the RIB holds.
func (m *Map) Start() error {
	m.rib.SetFIB(m)
	m.store.SetOwner(m)
	m.done.Add(1)
	go m.sweeper()
	return m.store.Refill()
}

// Close ends the background work and leaves the tables as they are.
func (m *Map) Close() {
	close(m.stop)
	m.done.Wait()
}

// Instances is the list of network instances.
func (m *Map) Instances() []rib.InstanceConfig { return m.rib.Instances() }

// SetInstances makes the list of network instances what cs says, in the RIB and
// in the tables. With the first instance the bound tables become routemap's,
// with the last they go back to P4Runtime, empty.
func (m *Map) SetInstances(cs []rib.InstanceConfig) error {
	if err := m.rib.SetInstances(cs); err != nil {
		return err
	}
	m.rib.Lock()
	toggled := m.rib.Configured() != (m.live != nil)
	m.rib.Unlock()
	if !toggled {
		return nil
	}
	return m.store.Refill()
}

// SetPorts tells which interfaces are ports.
func (m *Map) SetPorts(ps []Port) {
	m.rib.Locked(func() {
		m.ports = portNames(ps)
		m.touchHops(nil)
	})
}

// SetConnected tells which subnets are on which ports, those of all ports.
func (m *Map) SetConnected(list []Connected) {
	m.rib.Locked(func() {
		m.connected = list
		m.touchHops(func(h *rib.Hop) bool { return h.Spec.Interface == "" && h.Spec.Address.IsValid() })
	})
}

// touchHops has hops resolved again; nil means all.
func (m *Map) touchHops(which func(*rib.Hop) bool) {
	if m.live == nil {
		return
	}
	for _, h := range m.rib.Everything().Hops {
		if which == nil || which(h) {
			m.rib.TouchHop(h)
		}
	}
}

// UpdateNeighbours makes changes to what is known of neighbours, in order.
func (m *Map) UpdateNeighbours(list []Neighbour) {
	m.rib.Locked(func() {
		f := m.live
		var changed []neighbourKey
		for _, n := range list {
			port, ok := m.ports[n.Interface]
			if !ok {
				continue
			}
			k := neighbourKey{port, n.VLAN, n.Address}
			if old, ok := m.known[k]; old == n.MAC && (ok || n.MAC == rib.MAC{}) {
				continue
			}
			if n.MAC == (rib.MAC{}) {
				delete(m.known, k)
			} else {
				m.known[k] = n.MAC
			}
			changed = append(changed, k)
		}
		if f == nil || len(changed) == 0 {
			return
		}
		f.programNeighbours(changed)
		if f.needsMAC() {
			at := map[netip.Addr]bool{}
			for _, k := range changed {
				at[k.address] = true
			}
			m.touchHops(func(h *rib.Hop) bool { return at[h.Spec.Address] || !h.Spec.Address.IsValid() })
		}
	})
}

// Program implements rib.FIB.
func (m *Map) Program(c *rib.Changes) {
	f := m.live
	if f == nil {
		for _, h := range c.Hops {
			h.State, h.Problem = rib.Unprogrammed, ""
		}
		for _, g := range c.Groups {
			g.State, g.Problem = rib.Unprogrammed, ""
		}
		for _, rt := range c.Routes {
			rt.State, rt.Problem = rib.Unprogrammed, ""
		}
		return
	}
	f.program(c)
}

// apply makes updates; the slice has an error each, nil = all done.
func (m *Map) apply(pl *store.Pipeline, updates []entity.Update) []error {
	if len(updates) == 0 {
		return nil
	}
	errs, err := m.store.Apply(store.Batch{Pipeline: pl, Updates: updates, Owner: true})
	if err == nil {
		return errs
	}
	errs = make([]error, len(updates))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// grace waits until no packet uses what Apply replaced before.
func (m *Map) grace() error {
	return m.store.Do(func(p dataplane.Plane) error {
		if g, ok := p.(dataplane.Gracer); ok {
			return g.Grace()
		}
		return nil
	})
}

func at(errs []error, i int) error {
	if errs == nil {
		return nil
	}
	return errs[i]
}

var errNoIDs = errors.New("no id is free")
