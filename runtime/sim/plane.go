// Package sim is the simulator as a datapath: the reference interpreter
// (compiler/ir/exec) between packet sockets. It needs CAP_NET_RAW in a network
// namespace and nothing else, so it runs on laptops, in CI and in user
// namespaces.
//
// In: dataplane.Config and Ops. Out: frames on netdevs.
// Must not import: store, adapters, protobuf.
//
// A port is a netdev; port 509 leads to the port's host netdev, a second veth
// whose far end carries the addresses (D8). What the host sends comes out of the
// port unchanged. Nothing survives the process: a new one starts from the store
// with counters at zero.
package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Options of Open.
type Options struct {
	CPUPort uint32 // number of the port of controllers; 0 = 510 (D8)
	// ExpireTimes are those of the expire time profiles that programs give to entries
	// that packets add; a profile that is not here never expires.
	ExpireTimes map[uint8]time.Duration
	Logger      *slog.Logger
}

// Plane is the simulator of one device.
type Plane struct {
	entities
	events
	log     *slog.Logger
	live    atomic.Pointer[exec.Machine] // nil: nothing loaded, packets pass to the host
	applied atomic.Uint64
	ports   atomic.Pointer[map[uint32]*port] // copied on change: packets read it without a lock
	mu      sync.Mutex                       // serialises changes of ports
	cpu     atomic.Pointer[cpuPort]          // nil: not connected
	cpuMu   sync.Mutex                       // serialises changes of cpu
	cpuPort uint32
	expire  exec.ExpireTimes
}

var _ dataplane.Plane = (*Plane)(nil)

// Open makes a simulator without ports and pipeline.
func Open(o Options) (*Plane, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CPUPort == 0 {
		o.CPUPort = dataplane.CPUPort
	}
	if err := dataplane.CheckCPUPort(o.CPUPort); err != nil {
		return nil, err
	}
	p := &Plane{log: o.Logger, cpuPort: o.CPUPort, expire: exec.ExpireTimes{}}
	for profile, t := range o.ExpireTimes {
		p.expire[profile] = uint64(t)
	}
	p.entities.machine = p.live.Load
	p.ports.Store(&map[uint32]*port{})
	return p, nil
}

// Name implements dataplane.Plane.
func (p *Plane) Name() string { return "sim" }

// Check implements dataplane.Plane.
func (p *Plane) Check(prog *ir.Program) error {
	_, err := exec.New(prog, exec.Options{})
	return unsupported(err)
}

func unsupported(err error) error {
	var u *exec.Unsupported
	if errors.As(err, &u) {
		return &dataplane.Unsupported{Construct: u.Construct, File: u.File, Line: u.Line, Reason: u.Reason}
	}
	return err
}

// generation is a filled machine.
type generation struct {
	entities
	p *Plane
	m *exec.Machine
}

// Prepare implements dataplane.Plane.
func (p *Plane) Prepare(c dataplane.Config) (dataplane.Generation, error) {
	m, err := exec.New(c.Program, exec.Options{
		Log:      func(msg string) { p.log.Info("log_msg", "text", msg) },
		Digest:   p.digest,
		PortDown: p.portDown,
	})
	if err != nil {
		return nil, unsupported(err)
	}
	m.SetExpireTimes(p.expire)
	if c.Fill != nil {
		if err := c.Fill(entities{func() *exec.Machine { return m }}); err != nil {
			return nil, err
		}
	}
	for i, t := range c.Content {
		if err := fill(m, i, &t); err != nil {
			return nil, fmt.Errorf("table %s: %w", c.Program.Tables[i].Name, err)
		}
	}
	if old := p.live.Load(); c.KeepState && old != nil {
		m.AdoptState(old)
	}
	return &generation{entities{func() *exec.Machine { return m }}, p, m}, nil
}

func fill(m *exec.Machine, table int, c *dataplane.Content) error {
	if err := m.Clear(table); err != nil {
		return err
	}
	for e := range c.All() {
		if err := m.Insert(table, e); err != nil {
			return err
		}
	}
	return m.SetDefault(table, c.Default)
}

// Commit implements dataplane.Generation: packets in the machine finish there.
func (g *generation) Commit() error {
	g.p.live.Store(g.m)
	return nil
}

// Abort implements dataplane.Generation.
func (g *generation) Abort() {}

// Apply implements dataplane.Plane.
func (p *Plane) Apply(ops []dataplane.Op) []error {
	m := p.live.Load()
	var errs []error
	for i, op := range ops {
		if err := apply(m, op); err != nil {
			if errs == nil {
				errs = make([]error, len(ops))
			}
			errs[i] = err
		}
	}
	return errs
}

func apply(m *exec.Machine, op dataplane.Op) error {
	if m == nil {
		return errors.New("no pipeline is loaded")
	}
	var err error
	switch op.Kind {
	case dataplane.Insert:
		err = m.Insert(op.Table, op.Entry)
	case dataplane.Modify:
		err = m.Modify(op.Table, op.Entry)
	case dataplane.Delete:
		err = m.Delete(op.Table, op.Entry.Handle)
	case dataplane.SetDefault:
		err = m.SetDefault(op.Table, op.Entry)
	default:
		err = fmt.Errorf("operation %d is not known", op.Kind)
	}
	if errors.Is(err, exec.ErrNoEntry) {
		return dataplane.ErrNoEntry
	}
	return err
}

// Counters implements dataplane.Plane.
func (p *Plane) Counters(table int, handles []uint32, out []dataplane.Counter) error {
	m := p.live.Load()
	if m == nil {
		return errors.New("no pipeline is loaded")
	}
	for i, h := range handles {
		c, err := m.Counter(table, h)
		if err != nil {
			return err
		}
		out[i] = dataplane.Counter{Packets: c.Packets, Bytes: c.Bytes}
	}
	return nil
}

// InstanceCounters implements dataplane.Plane.
func (p *Plane) InstanceCounters(name string, index []uint32, out []dataplane.Counter) error {
	m := p.live.Load()
	if m == nil {
		return errors.New("no pipeline is loaded")
	}
	for i, at := range index {
		c, err := m.InstanceCounter(name, at)
		if err != nil {
			return err
		}
		out[i] = dataplane.Counter{Packets: c.Packets, Bytes: c.Bytes}
	}
	return nil
}

// AppliedSequence implements dataplane.Plane. No cell survives the process.
func (p *Plane) AppliedSequence() uint64 { return p.applied.Load() }

// MarkApplied implements dataplane.Plane.
func (p *Plane) MarkApplied(seq uint64) { p.applied.Store(seq) }

// Attach implements dataplane.Plane.
func (p *Plane) Attach(want dataplane.Port) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.ports.Load()
	if want.Number == p.cpuPort {
		return fmt.Errorf("port number %d: that is the CPU port", want.Number)
	}
	if q := old[want.Number]; q != nil {
		return fmt.Errorf("port %d is %s already", want.Number, q.spec.Netdev)
	}
	q, err := openPort(p, want)
	if err != nil {
		return err
	}
	next := map[uint32]*port{want.Number: q}
	for n, r := range old {
		next[n] = r
	}
	p.ports.Store(&next)
	q.run()
	return nil
}

// Detach implements dataplane.Plane.
func (p *Plane) Detach(number uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.ports.Load()
	q := old[number]
	if q == nil {
		return dataplane.ErrNoPort
	}
	next := map[uint32]*port{}
	for n, r := range old {
		if n != number {
			next[n] = r
		}
	}
	p.ports.Store(&next)
	q.end()
	return nil
}

// Ports implements dataplane.Plane.
func (p *Plane) Ports() []dataplane.Port {
	var out []dataplane.Port
	for _, q := range *p.ports.Load() {
		out = append(out, q.status())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Number < out[j].Number })
	return out
}

// Stop ends forwarding for good and leaves the ports attached, so that their
// statistics are final.
func (p *Plane) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range *p.ports.Load() {
		q.stop()
	}
}

// PortStats implements dataplane.Plane.
func (p *Plane) PortStats(number uint32) (dataplane.Stats, error) {
	q := (*p.ports.Load())[number]
	if q == nil {
		return dataplane.Stats{}, dataplane.ErrNoPort
	}
	return q.count(), nil
}

// Close implements dataplane.Plane: the simulator ends with its process.
func (p *Plane) Close() error {
	p.SetDigests(nil)
	p.SetIdle(nil)
	return errors.Join(p.DetachAll(), p.SetPacketIn(nil))
}

// DetachAll implements dataplane.Plane.
func (p *Plane) DetachAll() error {
	var errs []error
	for _, q := range p.Ports() {
		if err := p.Detach(q.Number); err != nil && !errors.Is(err, dataplane.ErrNoPort) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// forwarder is what a goroutine that forwards packets uses again and again.
type forwarder struct {
	packet exec.Packet
	result exec.Result
	out    outboxes
}

// forward runs one frame that came in on q through the pipeline.
func (p *Plane) forward(q *port, frame []byte, f *forwarder) {
	m := p.live.Load()
	if m == nil {
		q.toHost(frame, &f.out)
		return
	}
	f.packet = exec.Packet{Port: q.spec.Number, Data: frame}
	p.run(m, f, &q.stats, q)
}

// run puts f.packet through the pipeline; drops are those of the port it came
// from, which q is unless that is the CPU port.
func (p *Plane) run(m *exec.Machine, f *forwarder, from *stats, q *port) {
	m.ProcessTo(&f.packet, &f.result)
	if f.result.Dropped {
		from.drops.Add(1)
	}
	for _, o := range f.result.Outputs {
		switch to := (*p.ports.Load())[o.Port]; {
		case o.Port == dataplane.HostPort && q != nil:
			q.toHost(o.Data, &f.out)
		case o.Port == p.cpuPort:
			p.toCPU(o.Data, from)
		case to != nil:
			to.transmit(o.Data, &f.out, from)
		default:
			from.drops.Add(1)
		}
	}
}

// maxPortNumber bounds what a configuration may ask for.
const maxPortNumber = math.MaxUint16
