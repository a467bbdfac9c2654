// Package telemetrytest has a clock, ports, netdevs and a RIB that tests move by
// hand, and a Telemetry over them.
//
// In: what a test says. Out: a telemetry.Telemetry.
// Must not import: adapters, engines.
package telemetrytest

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
	"github.com/p4nic/p4nic/runtime/telemetry"
)

// Clock is a telemetry.Clock that stands still until Advance.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan time.Time]time.Time
}

// Start is when a Clock starts.
func Start() time.Time { return time.Unix(1_700_000_000, 0) }

// NewClock starts at Start.
func NewClock() *Clock { return &Clock{now: Start(), timers: map[chan time.Time]time.Time{}} }

// Now implements telemetry.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Timer implements telemetry.Clock.
func (c *Clock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.now
		return ch, func() {}
	}
	c.timers[ch] = c.now.Add(d)
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, ch)
	}
}

// Advance moves the time and fires what is due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ch, at := range c.timers {
		if !at.After(c.now) {
			delete(c.timers, ch)
			ch <- c.now
		}
	}
}

// Ports are the ports of an engine.
type Ports struct {
	mu    sync.Mutex
	ports map[uint32]dataplane.Port
	stats map[uint32]dataplane.Stats
	// Reads counts calls of PortStats.
	Reads int
}

// Ports implements telemetry.Ports.
func (p *Ports) Ports() []dataplane.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []dataplane.Port
	for _, q := range p.ports {
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b dataplane.Port) int { return int(a.Number) - int(b.Number) })
	return out
}

// PortStats implements telemetry.Ports.
func (p *Ports) PortStats(n uint32) (dataplane.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Reads++
	if _, ok := p.ports[n]; !ok {
		return dataplane.Stats{}, dataplane.ErrNoPort
	}
	return p.stats[n], nil
}

// ReadCount is Reads, for tests with streams running.
func (p *Ports) ReadCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Reads
}

// Count adds to the counts of a port.
func (p *Ports) Count(n uint32, rx, tx uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats[n]
	s.RxPackets += rx
	s.RxBytes += 100 * rx
	s.TxPackets += tx
	s.TxBytes += 100 * tx
	p.stats[n] = s
}

// Remove takes a port away.
func (p *Ports) Remove(n uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ports, n)
}

// Links are netdevs.
type Links struct {
	mu    sync.Mutex
	links map[string]telemetry.Link
	// Fail is the error of the next calls of SetUp on that netdev.
	Fail map[string]error
}

// List implements telemetry.Links.
func (l *Links) List() (map[string]*telemetry.Link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]*telemetry.Link{}
	for n, q := range l.links {
		out[n] = &q
	}
	return out, nil
}

// SetUp implements telemetry.Links.
func (l *Links) SetUp(name string, up bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.Fail[name]; err != nil {
		return err
	}
	q := l.links[name]
	q.AdminUp = up
	q.Oper = telemetry.OperDown
	if up {
		q.Oper = telemetry.OperUp
	}
	l.links[name] = q
	return nil
}

// Set changes a netdev; nil takes it away.
func (l *Links) Set(name string, change func(*telemetry.Link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if change == nil {
		delete(l.links, name)
		return
	}
	q := l.links[name]
	change(&q)
	l.links[name] = q
}

// Watch implements telemetry.Links.
func (l *Links) Watch(func()) (func(), error) { return func() {}, nil }

// RIB is a telemetry.RIB whose view tests set.
type RIB struct {
	mu        sync.Mutex
	view      rib.View
	instances []rib.InstanceConfig
	// Fail is the error of the next calls of SetInstances.
	Fail error
}

// Instances implements telemetry.RIB.
func (r *RIB) Instances() []rib.InstanceConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.instances)
}

// SetInstances implements gnmi.Instances.
func (r *RIB) SetInstances(c []rib.InstanceConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Fail != nil {
		return r.Fail
	}
	r.instances = slices.Clone(c)
	r.view.Serial++
	return nil
}

// View implements telemetry.RIB.
func (r *RIB) View(q rib.Query) (*rib.View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &rib.View{Serial: r.view.Serial}
	mine := func(instance string) bool { return q.Instance == "" || q.Instance == instance }
	if q.Instance != "" && !slices.ContainsFunc(r.instances, func(c rib.InstanceConfig) bool { return c.Name == q.Instance }) {
		return nil, &rib.NotFoundError{}
	}
	for _, v := range r.view.Routes {
		if q.Routes && mine(v.Instance) {
			out.Routes = append(out.Routes, v)
		}
	}
	for _, v := range r.view.Groups {
		if q.Groups && mine(v.Instance) {
			out.Groups = append(out.Groups, v)
		}
	}
	for _, v := range r.view.Hops {
		if q.Hops && mine(v.Instance) {
			out.Hops = append(out.Hops, v)
		}
	}
	return out, nil
}

// Change changes the view.
func (r *RIB) Change(f func(*rib.View)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.view)
	r.view.Serial++
}

// Rig is a device without packets: the store's test program, ports 1 (p1) and 2
// (p2), network instances DEFAULT and blue.
type Rig struct {
	t     testing.TB
	Clock *Clock
	Ports *Ports
	Links *Links
	RIB   *RIB
	Plane *storetest.Plane
	Store *store.Store
	Tel   *telemetry.Telemetry
}

// New makes a rig.
func New(t testing.TB) *Rig {
	t.Helper()
	r := &Rig{t: t, Clock: NewClock(), Plane: storetest.NewPlane(),
		Ports: &Ports{ports: map[uint32]dataplane.Port{1: {Number: 1, Netdev: "p1"}, 2: {Number: 2, Netdev: "p2"}}, stats: map[uint32]dataplane.Stats{}},
		Links: &Links{links: map[string]telemetry.Link{}, Fail: map[string]error{}},
		RIB:   &RIB{instances: []rib.InstanceConfig{{Name: "DEFAULT"}, {Name: "blue", ID: 1}}}}
	for i, n := range []string{"p1", "p2"} {
		r.Links.links[n] = telemetry.Link{Name: n, Index: 11 + i, MTU: 1500, AdminUp: true, Running: true, Oper: telemetry.OperUp,
			MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)}}
	}
	var err error
	r.Store, err = store.Open(store.Options{Dir: t.TempDir(), BootID: "boot",
		Load: func(c store.Config) (*ir.Program, error) { return storetest.Program(string(c.Device)) }})
	r.check(err)
	t.Cleanup(func() { _ = r.Store.Close() })
	r.check(r.Store.Start(r.Plane))
	r.Tel, err = telemetry.New(telemetry.Options{Store: r.Store, Ports: r.Ports, Engine: "books", Links: r.Links, RIB: r.RIB,
		Drops: func() ([]telemetry.Drop, error) {
			return []telemetry.Drop{{Reason: "program", Packets: 3, Bytes: 180}}, nil
		},
		Name: "nic0", DeviceID: 1<<63 + 5, Version: "1.2.3", Boot: time.Unix(1_600_000_000, 0),
		Hostname: func() (string, error) { return "host-a", nil }, Clock: r.Clock})
	r.check(err)
	return r
}

func (r *Rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Load sets a variant of the store's test program.
func (r *Rig) Load(variant string) {
	r.t.Helper()
	p, err := storetest.Program(variant)
	r.check(err)
	pl, err := store.NewPipeline(store.Config{Device: []byte(variant)}, p)
	r.check(err)
	r.check(r.Store.SetPipeline(store.Commit, pl))
	r.Tel.Hub.Notify(telemetry.StoreChanged)
}

// Write makes one change of a table and tells of it.
func (r *Rig) Write(u entity.Update) {
	r.t.Helper()
	errs, err := r.Store.Apply(store.Batch{Pipeline: r.Store.Pipeline(), Updates: []entity.Update{u}})
	r.check(err)
	if errs != nil {
		r.check(errs[0])
	}
	r.Tel.Hub.Notify(telemetry.StoreChanged)
}

// Exact is an update of the entry a, 0 of the table ingress.exact, whose action
// sends to a port.
func (r *Rig) Exact(k entity.Kind, a byte, port byte) entity.Update {
	u := entity.Update{Kind: k, Table: storetest.Exact, Key: string([]byte{0, a, 0, 0})}
	if k != entity.Delete {
		u.HasAction, u.Action, u.Args = true, 1, string([]byte{0, port, 0, 0, 0, 0, 0, 9})
	}
	return u
}

// Route makes a programmed route of gRIBI over group g.
func Route(instance, prefix string, g uint64) rib.RouteView {
	return rib.RouteView{Instance: instance, Prefix: netip.MustParsePrefix(prefix), Source: rib.GRIBI, Best: true, State: rib.Programmed,
		Group: rib.GroupRef{Instance: rib.DefaultInstance, ID: g}, Metadata: "m" + strconv.FormatUint(g, 10)}
}

// Hop makes a programmed next hop of gRIBI.
func Hop(index uint64, address string) rib.HopView {
	return rib.HopView{Instance: rib.DefaultInstance, Index: index, Weight: 1, State: rib.Programmed,
		Spec: rib.HopSpec{Address: netip.MustParseAddr(address), Interface: "p1"}}
}

// Group makes a programmed group of gRIBI.
func Group(id uint64, hops ...rib.HopView) rib.GroupView {
	return rib.GroupView{Instance: rib.DefaultInstance, ID: id, Members: hops, State: rib.Programmed}
}
