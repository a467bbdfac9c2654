package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Options of Open.
type Options struct {
	Instance string // name of the instance (D18); "" = nic0
	BPFFS    string // BPF file system; "" = /sys/fs/bpf; mounted when it is missing
	CPUPort  uint32 // number of the port of controllers; 0 = 510 (D8)
	Play     string // xdp or tc: no netdevs; programs of that hook run on the packets of Play
	// ExpireTimes are those of the expire time profiles that programs give to entries
	// that packets add; a profile that is not here never expires.
	ExpireTimes map[uint8]time.Duration
	Logger      *slog.Logger
}

// Plane is the datapath of one instance. See dataplane.Plane for who may call what.
type Plane struct {
	log      *slog.Logger
	instance string
	bpffs    string
	root     string // BPFFS/p4nic/INSTANCE
	ncpu     int
	ns       *netns.NS // the namespace of the ports: the one Open was called in
	grace    *grace
	expire   map[uint8]time.Duration // Options.ExpireTimes
	wait     func() error            // grace.wait, but in tests
	maps     map[string]*ebpf.Map    // device maps by name
	cell     *mapped
	applied  *mapped
	hooks    [3]*hook
	handover map[int]*attachment // by netdev; guarded by ops
	watch    *watcher
	codegen  codegen
	cpuPort  uint32
	linger   time.Duration // freeAfter, but in tests
	noTCX    bool          // the kernel has none
	nonce    uint64        // of the last rates of a meter; of those who own epoch
	play     string        // Options.Play
	epoch    uint64        // grace periods that Apply and Commit waited for; theirs alone

	// ops serialises what changes ports and generations; it is taken before mu.
	ops sync.Mutex
	// mu guards the fields below. Apply and Prepare are one goroutine at a time
	// and hold it only to read or change them; readers of counters hold it while
	// they read, so that the memory stays mapped.
	mu       sync.RWMutex
	closed   bool
	live     *generation // nil: nothing loaded by this process
	slots    [backend.Generations]slotState
	ports    map[uint32]*port
	cpu      *cpuPort // nil: not connected
	freeing  freeing
	portsUp  atomic.Pointer[map[uint32]bool] // what portDown says
	digests  digestSink
	idle     idleWatch
	learning learnWatch
}

var _ dataplane.Plane = (*Plane)(nil)

// appliedSpec is the cell of AppliedSequence (D6).
func appliedSpec() *backend.MapSpec {
	cell := *deviceSpec(backend.MapCell)
	cell.Name = "applied"
	return &cell
}

func deviceSpec(name string) *backend.MapSpec {
	for _, m := range backend.DeviceMaps() {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Open opens the instance: it adopts what an earlier process left running,
// without touching the traffic, and makes what is missing. It must be called in
// the network namespace of the ports.
func Open(o Options) (*Plane, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := probe(); err != nil {
		return nil, err
	}
	if err := mountBPFFS(o.BPFFS); err != nil {
		return nil, err
	}
	p := &Plane{
		log: o.Logger, instance: o.Instance, bpffs: o.BPFFS,
		root: filepath.Join(o.BPFFS, namespaceDir, o.Instance),
		maps: map[string]*ebpf.Map{}, ports: map[uint32]*port{}, handover: map[int]*attachment{},
		cpuPort: o.CPUPort, expire: maps.Clone(o.ExpireTimes), codegen: compileFor(o), play: o.Play, linger: freeAfter, epoch: 1, noTCX: !haveTCX(),
	}
	var err error
	if p.nonce, err = newNonce(); err != nil {
		return nil, err
	}
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("instance %s: %w", o.Instance, err), p.release())
	}
	return p, nil
}

// complete fills in what Options leave open.
func (o *Options) complete() error {
	if o.Instance == "" {
		o.Instance = "nic0"
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(o.Instance) {
		return fmt.Errorf("instance name %q: use letters, digits, _ and -, at most 64", o.Instance)
	}
	if o.BPFFS == "" {
		o.BPFFS = "/sys/fs/bpf"
	}
	if o.CPUPort == 0 {
		o.CPUPort = dataplane.CPUPort
	}
	if o.Play != "" && o.Play != hookXDP.String() && o.Play != hookTC.String() {
		return fmt.Errorf("hook %q is neither xdp nor tc", o.Play)
	}
	if err := dataplane.CheckCPUPort(o.CPUPort); err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (o *Options) root() string { return filepath.Join(o.BPFFS, namespaceDir, o.Instance) }

// probe tells what is missing to load programs at all.
func probe() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "p4nic_probe", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the kernel refuses BPF maps: %w; p4nic needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and, to mount the BPF file system, CAP_SYS_ADMIN: run as root, or use the simulator", unix.EPERM)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("this kernel has no BPF: %w; it needs CONFIG_BPF_SYSCALL and Linux 6.1 or later, or use the simulator", err)
	case err != nil:
		return fmt.Errorf("BPF: %w", err)
	}
	return m.Close()
}

func (p *Plane) dir(parts ...string) string {
	return filepath.Join(append([]string{p.root}, parts...)...)
}

func (p *Plane) open() error {
	var err error
	if p.ncpu, err = ebpf.PossibleCPU(); err != nil {
		return err
	}
	if p.ns, err = netns.Current(); err != nil {
		return err
	}
	if p.grace, err = newGrace(); err != nil {
		return err
	}
	p.wait = p.grace.wait
	for _, d := range []string{p.dir("device"), p.dir("links")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	for _, m := range append(backend.DeviceMaps(), appliedSpec()) {
		if p.maps[m.Name], err = openOrNewMap(m, p.dir("device")); err != nil {
			return err
		}
	}
	if p.cell, err = mapArray(p.maps[backend.MapCell]); err != nil {
		return err
	}
	if p.applied, err = mapArray(p.maps["applied"]); err != nil {
		return err
	}
	for k := range p.hooks {
		if p.hooks[k], err = p.openHook(hookKind(k)); err != nil {
			return err
		}
	}
	if err := p.adoptPorts(); err != nil {
		return err
	}
	if err := p.forgetCPU(); err != nil {
		return err
	}
	if err := p.sweepGenerations(); err != nil {
		return err
	}
	p.watch, err = p.startWatch()
	return err
}

// Name is "kernel".
func (p *Plane) Name() string { return "kernel" }

// AppliedSequence reads the cell that MarkApplied wrote, also by an earlier
// process; 0 once the plane is closed.
func (p *Plane) AppliedSequence() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return 0
	}
	return p.applied.load(0, 0)
}

// MarkApplied stores the journal's applied sequence. After Close, which a batch
// that was on its way may not have seen, it does nothing.
func (p *Plane) MarkApplied(seq uint64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.closed {
		p.applied.store(0, 0, seq)
	}
}

// Close ends this process's part. The datapath runs on; generations that wait
// for their grace period are left to the next Open.
func (p *Plane) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	return p.release()
}

// release gives back what this process holds; pins stay.
func (p *Plane) release() error {
	var errs []error
	p.SetIdle(nil)
	p.stopLearned()
	errs = append(errs, p.disconnectCPU())
	p.watch.stop()
	p.stopFreeing()
	p.mu.Lock()
	defer p.mu.Unlock()
	errs = append(errs, p.live.close())
	p.live = nil
	for i := range p.slots {
		errs = append(errs, p.slots[i].gen.close())
		p.slots[i] = slotState{}
	}
	for _, n := range sortedPorts(p.ports) {
		errs = append(errs, p.ports[n].close())
	}
	clear(p.ports)
	for _, i := range slices.Sorted(maps.Keys(p.handover)) {
		errs = append(errs, p.handover[i].close())
	}
	clear(p.handover)
	for k := range p.hooks {
		errs = append(errs, p.hooks[k].close())
	}
	errs = append(errs, p.cell.close(), p.applied.close())
	for _, m := range append(backend.DeviceMaps(), appliedSpec()) {
		if km := p.maps[m.Name]; km != nil {
			errs = append(errs, km.Close())
		}
	}
	if p.grace != nil {
		errs = append(errs, p.grace.close())
	}
	if p.ns != nil {
		errs = append(errs, p.ns.Close())
	}
	return errors.Join(errs...)
}

// DetachAll gives every port back, removes the pins and closes the plane.
// Packets of the ports go to the kernel's stack again.
func (p *Plane) DetachAll() error {
	p.mu.RLock()
	numbers := sortedPorts(p.ports)
	p.mu.RUnlock()
	var errs []error
	for _, n := range numbers {
		errs = append(errs, p.Detach(n))
	}
	return errors.Join(append(errs, p.Close(), p.removePins())...)
}

// unsupported gives the errors of the compiler the form of the contract.
func unsupported(err error) error {
	var b *backend.Unsupported
	if errors.As(err, &b) {
		return &dataplane.Unsupported{Construct: b.Construct, File: b.File, Line: b.Line, Reason: b.Reason, Remedy: b.Remedy}
	}
	var l *ssa.Unsupported
	if errors.As(err, &l) {
		return &dataplane.Unsupported{Construct: l.Construct, File: l.File, Line: int(l.Pos.Line), Reason: l.Reason}
	}
	return err
}

// Check tells whether the program compiles for the hooks in use, or for both
// when no port is attached.
func (p *Plane) Check(prog *ir.Program) error {
	_, err := p.compile(prog, backend.LayoutOptions{}, p.wantedHooks())
	return err
}
