// Package rib is the routing information base: what gRIBI, static configuration
// and the kernel say about prefixes, in network instances, and which of them is
// best.
//
// In: operations of gRIBI (ops.go), static routes (static.go), routes of the
// kernel (dynamic.go), network instances (instance.go). Out: changes for the FIB
// (the interface FIB, which runtime/routemap implements), results an operation,
// snapshots for reading (view.go). What must survive the daemon is in a journal
// of its own (journal.go).
// Must not import: protobuf, adapters, store, engines.
//
// One lock guards everything. Whoever holds it may wait for the datapath: the
// order of changes in the RIB is their order in the FIB. No operation costs more
// the larger the RIB is, but for those that name everything (Flush, Get, a
// removed instance).
package rib

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
)

// Source tells where a route comes from.
type Source uint8

// Sources of routes.
const (
	Connected Source = iota // the kernel's: addresses and subnets of the host's own interfaces
	Static                  // configuration, nicctl route
	GRIBI
	Kernel // the kernel's other routes: routing daemons, ip route
	sources
)

func (s Source) String() string {
	if s < sources {
		return [...]string{"connected", "static", "gribi", "kernel"}[s]
	}
	return fmt.Sprintf("source %d", uint8(s))
}

// Preferences say which source wins for a prefix: the smaller number; with equal
// numbers the source that stands first in the list of sources (gribi:GR53).
type Preferences [sources]uint32

// DefaultPreferences: static beats gRIBI beats dynamic routes.
func DefaultPreferences() Preferences {
	return Preferences{Connected: 0, Static: 1, GRIBI: 5, Kernel: 20}
}

// Options of Open.
type Options struct {
	Dir         string // of the journal "rib"; created when missing; "" = nothing survives
	Power       bool   // fdatasync before an acknowledgement (durability: power)
	Preferences *Preferences
	Instances   []InstanceConfig
	// CompactBytes is the size from which a journal that has grown to twice its
	// snapshot is rewritten; 0 means 16 MiB.
	CompactBytes int64
	Log          *slog.Logger // nil = slog.Default
}

// InstanceConfig is a network instance: a tenant, a VRF.
type InstanceConfig struct {
	Name string
	ID   uint32 // value of keys that mean the VRF; stable, unique
}

// DefaultInstance is the customary name of the instance that is no VRF.
const DefaultInstance = "DEFAULT"

// RIB is the base. Fields of the objects below are read and written under its
// lock.
type RIB struct {
	opts  Options
	prefs Preferences
	log   *slog.Logger

	mu        sync.Mutex
	fib       FIB
	instances map[string]*Instance
	// configured are the names of Options.Instances, added what SetInstances put
	// beside them.
	configured map[string]bool
	added      []InstanceConfig
	elected    Election
	journal    *journal
	pending    Changes // since the last flush
	fault      error   // the journal cannot be written: nothing is accepted any more
	serial     uint64  // rises with every change, for watchers
	watchers   map[int]chan struct{}
	nextWatch  int
}

// Instance is a network instance.
type Instance struct {
	Name string
	ID   uint32

	hops     map[uint64]*Hop   // gRIBI's, by index
	groups   map[uint64]*Group // gRIBI's, by id
	implicit map[string]*Group // of static and dynamic routes, by content
	shared   map[HopSpec]*Hop  // of implicit groups
	v4, v6   routes
}

// HopKind tells what a next hop does.
type HopKind uint8

const (
	Via     HopKind = iota // to a neighbour, or to the destination on the link
	ToHost                 // to the host's stack
	Discard                // nowhere
)

// MAC is a MAC address; the zero value is none.
type MAC [6]byte

// HopSpec is what a next hop says.
type HopSpec struct {
	Kind      HopKind
	Address   netip.Addr // of the neighbour; invalid = none
	MAC       MAC        // of the neighbour; zero = to be resolved
	Interface string     // netdev of a port; "" = found by Address
	VLAN      uint32     // with Interface (gRIBI: the subinterface), 0 = untagged
	Instance  string     // where Address is looked up; "" = the hop's own
	// Unsupported names a part that no pipeline can do yet ("encapsulation"): the
	// hop is in the RIB, the FIB refuses it.
	Unsupported string
}

// Hop is a next hop.
type Hop struct {
	Instance *Instance
	Index    uint64 // gRIBI's; 0 for hops of implicit groups
	Spec     HopSpec
	Raw      string // the payload as the adapter encodes it, for Get
	State    State
	Problem  string // why it failed or, where it is Programmed, why it leads nowhere

	users map[*Group]struct{}
	dirty bool
	gone  bool
}

// Member is one next hop of a group.
type Member struct {
	Hop    *Hop
	Weight uint64 // 1 and more
}

// Group is a next-hop group.
type Group struct {
	Instance *Instance
	ID       uint64 // gRIBI's; 0 for implicit groups
	Members  []Member
	Backup   *Group // nil = none
	Raw      string // the payload, for Get
	State    State
	Problem  string

	key     string // of implicit groups
	routes  int    // paths that use it
	backups map[*Group]struct{}
	dirty   bool
	gone    bool
}

// Route is a prefix with the paths that sources offer.
type Route struct {
	Instance *Instance
	Prefix   netip.Prefix
	// FIB is what the datapath holds.
	FIB     FIBRoute
	State   State
	Problem string

	paths *path // best first
	dirty bool
}

// FIBRoute is the bookkeeping of the FIB for one route.
type FIBRoute struct {
	Present bool
	Action  uint16
	Args    string
}

type path struct {
	source  Source
	runtime bool // a static route that is not of the configuration file
	group   *Group
	grpNI   bool // the group's instance was named
	meta    string
	next    *path
}

// State tells what became of an object in the FIB.
type State uint8

// States.
const (
	Unprogrammed State = iota // not tried: no pipeline, no table, or another route is better
	Programmed
	Failed // Problem says why
)

// FIB brings changes into the datapath. Both are called with the RIB's lock held.
type FIB interface {
	// Program makes the datapath what the RIB says about the objects of c, in an
	// order that keeps packets flowing: new before old, what is used before its
	// users. It sets State and Problem of each, and FIB of routes. When it
	// returns, what is Programmed is in the datapath.
	Program(c *Changes)
}

// Changes are what is new, different or gone since the last call of Program.
// Every object occurs once.
type Changes struct {
	Hops   []*Hop
	Groups []*Group
	Routes []*Route // without paths: gone

	records records // for the journal
}

func (c *Changes) empty() bool { return len(c.Hops)+len(c.Groups)+len(c.Routes) == 0 }

// Gone tells whether the hop has left the RIB.
func (h *Hop) Gone() bool { return h.gone }

// Gone tells whether the group has left the RIB.
func (g *Group) Gone() bool { return g.gone }

// Users are the groups that have the hop as a member.
func (h *Hop) Users() []*Group { return sortGroups(h.users) }

// BackupOf are the groups whose backup g is.
func (g *Group) BackupOf() []*Group { return sortGroups(g.backups) }

// Best is the group that the route's best path uses, nil when no path is left.
func (r *Route) Best() *Group {
	if r.paths == nil {
		return nil
	}
	return r.paths.group
}

// BestSource is the source of the best path of a route that has one.
func (r *Route) BestSource() Source { return r.paths.source }

// Name is unique among hops and groups: "DEFAULT/hop/7".
func (h *Hop) Name() string {
	if h.Index == 0 {
		return h.Instance.Name + "/hop/" + h.Spec.String()
	}
	return fmt.Sprintf("%s/hop/%d", h.Instance.Name, h.Index)
}

// Name is unique among hops and groups: "DEFAULT/group/7".
func (g *Group) Name() string {
	if g.ID == 0 {
		return g.Instance.Name + "/group/" + g.key
	}
	return fmt.Sprintf("%s/group/%d", g.Instance.Name, g.ID)
}

func (s HopSpec) String() string {
	switch s.Kind {
	case ToHost:
		return "host"
	case Discard:
		return "drop"
	}
	var out string
	add := func(x string) {
		if out != "" {
			out += " "
		}
		out += x
	}
	if s.Address.IsValid() {
		add("via " + s.Address.String())
	}
	if s.Interface != "" {
		add("dev " + s.Interface)
	}
	if s.VLAN != 0 {
		add(fmt.Sprintf("vlan %d", s.VLAN))
	}
	if s.MAC != (MAC{}) {
		add("mac " + s.MAC.String())
	}
	if s.Instance != "" {
		add("in " + s.Instance)
	}
	if s.Unsupported != "" {
		add("with " + s.Unsupported)
	}
	return out
}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Open reads the journal. Routes and groups of instances that neither o nor the
// journal names are dropped from it (gribi:GR66). Nothing reaches a FIB before SetFIB.
func Open(o Options) (*RIB, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.CompactBytes <= 0 {
		o.CompactBytes = 16 << 20
	}
	r := &RIB{opts: o, prefs: DefaultPreferences(), log: o.Log, instances: map[string]*Instance{}, configured: map[string]bool{}, watchers: map[int]chan struct{}{}}
	if o.Preferences != nil {
		r.prefs = *o.Preferences
	}
	if err := checkInstances(o.Instances); err != nil {
		return nil, err
	}
	for _, c := range o.Instances {
		r.instances[c.Name] = newInstance(c)
		r.configured[c.Name] = true
	}
	if err := r.openJournal(); err != nil {
		return nil, err
	}
	// What was replayed is not pending: the FIB starts with everything.
	r.clearPending()
	return r, nil
}

// SetFIB connects the FIB, before anything else is called. The FIB asks for
// what is there already (All).
func (r *RIB) SetFIB(f FIB) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fib = f
}

// Close writes nothing more and closes the journal.
func (r *RIB) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == nil {
		r.fault = fmt.Errorf("rib: closed")
	}
	if r.journal == nil {
		return nil
	}
	return r.journal.close()
}

// Locked runs f with the lock held and then programs what f marked with Touch.
func (r *RIB) Locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	_ = r.flush()
}

// Lock and Unlock hold everything still, for a change of the pipeline.
func (r *RIB) Lock() { r.mu.Lock() }

// Unlock ends Lock.
func (r *RIB) Unlock() { r.mu.Unlock() }

// Watch gives a channel that gets a value after changes; one value may stand for
// many. Cancel ends it.
func (r *RIB) Watch() (changed <-chan struct{}, cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ch := r.nextWatch, make(chan struct{}, 1)
	r.nextWatch++
	r.watchers[id] = ch
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, id)
	}
}
