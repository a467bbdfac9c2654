// Package hostnet watches what the kernel knows of a few interfaces: connected
// subnets, neighbours and, where asked, routes.
//
// In: netlink of the daemon's network namespace. Out: calls of a Sink, first
// with everything, then with changes.
// Must not import: anything of runtime.
//
// An 802.1Q interface on top of a watched one counts as that with a VLAN id.
package hostnet

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Connected is a subnet on a watched interface.
type Connected struct {
	Interface string
	VLAN      uint32
	Prefix    netip.Prefix
}

// Neighbour is an entry of the neighbour tables; a zero MAC says that it is gone.
type Neighbour struct {
	Interface string
	VLAN      uint32
	Address   netip.Addr
	MAC       [6]byte
}

// HopKind tells what a hop does.
type HopKind uint8

// Kinds of hops.
const (
	Via     HopKind = iota
	ToHost          // an address of the host, or out of an interface that is not watched
	Discard         // blackhole, unreachable, prohibit
)

// Hop is one next hop of a route.
type Hop struct {
	Kind      HopKind
	Gateway   netip.Addr // invalid: on the link
	Interface string
	VLAN      uint32
	Weight    uint64
}

// Route is a route of the kernel. Without hops it is gone.
type Route struct {
	Prefix    netip.Prefix
	Connected bool // made by the kernel for an address of its own
	Hops      []Hop
}

// Sink is told what the kernel knows. Its methods are called one at a time.
type Sink interface {
	// Connected gives all subnets.
	Connected([]Connected)
	// Neighbours gives changes.
	Neighbours([]Neighbour)
	// Routes gives all routes that an instance follows (whole), or changes.
	Routes(instance string, whole bool, list []Route)
}

// Options of Start.
type Options struct {
	Interfaces []string       // the ones watched
	Follow     map[string]int // name of an instance -> the kernel's table of routes
	Sink       Sink
	Log        *slog.Logger // nil = slog.Default
}

// Watcher is a running watch.
type Watcher struct {
	o       Options
	watched map[string]bool
	byTable map[int]string
	kernel  *netlink.Handle // of the namespace that Start was called in

	// Of the goroutine that runs.
	links  map[int]link
	known  map[neighbourKey][6]byte
	routes map[string]map[netip.Prefix][]kernelRoute // by instance

	stop chan struct{}
	done sync.WaitGroup
}

// link is an interface that is watched, or a VLAN of one.
type link struct {
	name string
	vlan uint32
}

type neighbourKey struct {
	index   int
	address netip.Addr
}

// retry is how long the watch waits before it begins anew after an error.
const retry = time.Second

// Start reads everything, tells the sink, and goes on watching. It fails when
// the first reading does.
func Start(o Options) (*Watcher, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	w := &Watcher{o: o, watched: map[string]bool{}, byTable: map[int]string{}, known: map[neighbourKey][6]byte{},
		routes: map[string]map[netip.Prefix][]kernelRoute{}, stop: make(chan struct{})}
	for _, n := range o.Interfaces {
		w.watched[n] = true
	}
	for name, table := range o.Follow {
		w.byTable[table] = name
	}
	var err error
	if w.kernel, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	s, err := w.subscribe()
	if err != nil {
		w.kernel.Close()
		return nil, err
	}
	if err := w.readAll(); err != nil {
		s.close()
		w.kernel.Close()
		return nil, err
	}
	w.done.Add(1)
	go w.run(s)
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() {
	close(w.stop)
	w.done.Wait()
	w.kernel.Close()
}

// subscription is what netlink says; failed gets a value when it has said too
// much at once, or ended.
type subscription struct {
	links  chan netlink.LinkUpdate
	addrs  chan netlink.AddrUpdate
	neighs chan netlink.NeighUpdate
	routes chan netlink.RouteUpdate
	failed chan error
	end    chan struct{}
}

func (s *subscription) close() { close(s.end) }

// eventBuffer is the socket's buffer: a full table of a routing daemon comes in
// one burst.
const eventBuffer = 8 << 20

func (w *Watcher) subscribe() (*subscription, error) {
	s := &subscription{links: make(chan netlink.LinkUpdate, 64), addrs: make(chan netlink.AddrUpdate, 64), neighs: make(chan netlink.NeighUpdate, 1024),
		routes: make(chan netlink.RouteUpdate, 4096), failed: make(chan error, 8), end: make(chan struct{})}
	failed := func(err error) {
		select {
		case s.failed <- err:
		default:
		}
	}
	err := errors.Join(
		netlink.LinkSubscribeWithOptions(s.links, s.end, netlink.LinkSubscribeOptions{ErrorCallback: failed}),
		netlink.AddrSubscribeWithOptions(s.addrs, s.end, netlink.AddrSubscribeOptions{ErrorCallback: failed}),
		netlink.NeighSubscribeWithOptions(s.neighs, s.end, netlink.NeighSubscribeOptions{ErrorCallback: failed, ReceiveBufferSize: eventBuffer}))
	if err == nil && len(w.o.Follow) > 0 {
		err = netlink.RouteSubscribeWithOptions(s.routes, s.end, netlink.RouteSubscribeOptions{ErrorCallback: failed, ReceiveBufferSize: eventBuffer})
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// run handles events until Close. After an error everything is read anew.
func (w *Watcher) run(s *subscription) {
	defer w.done.Done()
	defer func() { s.close() }()
	for {
		var err error
		select {
		case <-w.stop:
			return
		case err = <-s.failed:
		case _, ok := <-s.links:
			err = closed(ok)
			drain(s.links)
			if err == nil {
				err = w.readLinks()
			}
		case _, ok := <-s.addrs:
			err = closed(ok)
			drain(s.addrs)
			if err == nil {
				err = w.readConnected()
			}
		case u, ok := <-s.neighs:
			if err = closed(ok); err == nil {
				w.neighbours(append([]netlink.NeighUpdate{u}, drain(s.neighs)...))
			}
		case u, ok := <-s.routes:
			if err = closed(ok); err == nil {
				w.routeEvents(append([]netlink.RouteUpdate{u}, drain(s.routes)...))
			}
		}
		for err != nil {
			w.o.Log.Warn("the kernel's routes and neighbours are read anew", "error", err)
			s.close()
			select {
			case <-w.stop:
				s = &subscription{end: make(chan struct{})}
				return
			case <-time.After(retry):
			}
			var n *subscription
			if n, err = w.subscribe(); err != nil {
				s = &subscription{end: make(chan struct{})}
				continue
			}
			s = n
			err = w.readAll()
		}
	}
}

var errEnded = errors.New("netlink: the subscription ended")

func closed(ok bool) error {
	if ok {
		return nil
	}
	return errEnded
}

// drain takes what is there already, up to a bound.
func drain[T any](c <-chan T) []T {
	var out []T
	for len(out) < 4096 {
		select {
		case x, ok := <-c:
			if !ok {
				return out
			}
			out = append(out, x)
		default:
			return out
		}
	}
	return out
}

func (w *Watcher) readAll() error {
	if err := w.readLinks(); err != nil {
		return err
	}
	if err := w.readNeighbours(); err != nil {
		return err
	}
	return w.readRoutes()
}

// readLinks learns which indices are watched, and reads what depends on them.
func (w *Watcher) readLinks() error {
	list, err := w.kernel.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	links := w.linksOf(list)
	same := len(links) == len(w.links)
	for i, l := range links {
		same = same && w.links[i] == l
	}
	if same {
		return nil
	}
	first := w.links == nil
	w.links = links
	if err := w.readConnected(); err != nil || first {
		return err
	}
	if err := w.readNeighbours(); err != nil {
		return err
	}
	return w.readRoutes()
}

// linksOf are the watched interfaces and their VLANs by index.
func (w *Watcher) linksOf(list []netlink.Link) map[int]link {
	names := map[int]string{}
	for _, l := range list {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	links := map[int]link{}
	for _, l := range list {
		a := l.Attrs()
		if w.watched[a.Name] {
			links[a.Index] = link{name: a.Name}
		} else if v, ok := l.(*netlink.Vlan); ok && w.watched[names[a.ParentIndex]] {
			links[a.Index] = link{names[a.ParentIndex], uint32(v.VlanId)}
		}
	}
	return links
}

func (w *Watcher) readConnected() error {
	list, err := w.kernel.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	out := []Connected{}
	for _, a := range list {
		l, ok := w.links[a.LinkIndex]
		if !ok {
			continue
		}
		net := a.IPNet
		if a.Peer != nil {
			net = a.Peer
		}
		addr, ok := netip.AddrFromSlice(net.IP)
		bits, _ := net.Mask.Size()
		if !ok {
			continue
		}
		addr = addr.Unmap()
		if addr.IsLinkLocalUnicast() && addr.Is6() {
			continue // the same subnet is on every interface
		}
		out = append(out, Connected{l.name, l.vlan, netip.PrefixFrom(addr, bits).Masked()})
	}
	w.o.Sink.Connected(out)
	return nil
}

// usable are the states in which a neighbour's MAC may be used.
const usable = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT

func (w *Watcher) readNeighbours() error {
	list, err := w.kernel.NeighList(0, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	was := w.known
	w.known = map[neighbourKey][6]byte{}
	var out []Neighbour
	for i := range list {
		if k, n, ok := w.neighbour(&list[i]); ok && n.MAC != ([6]byte{}) {
			w.known[k] = n.MAC
			if was[k] != n.MAC {
				out = append(out, n)
			}
		}
	}
	for k := range was {
		if _, ok := w.known[k]; !ok {
			if l, ok := w.links[k.index]; ok {
				out = append(out, Neighbour{Interface: l.name, VLAN: l.vlan, Address: k.address})
			}
		}
	}
	if len(out) > 0 {
		w.o.Sink.Neighbours(out)
	}
	return nil
}

func (w *Watcher) neighbour(n *netlink.Neigh) (neighbourKey, Neighbour, bool) {
	l, ok := w.links[n.LinkIndex]
	addr, valid := netip.AddrFromSlice(n.IP)
	if !ok || !valid || n.Family != unix.AF_INET && n.Family != unix.AF_INET6 || n.Flags&netlink.NTF_PROXY != 0 {
		return neighbourKey{}, Neighbour{}, false
	}
	addr = addr.Unmap()
	out := Neighbour{Interface: l.name, VLAN: l.vlan, Address: addr}
	if n.State&usable != 0 && len(n.HardwareAddr) == len(out.MAC) && !addr.IsMulticast() {
		copy(out.MAC[:], n.HardwareAddr)
	}
	return neighbourKey{n.LinkIndex, addr}, out, true
}

func (w *Watcher) neighbours(list []netlink.NeighUpdate) {
	var out []Neighbour
	for i := range list {
		k, n, ok := w.neighbour(&list[i].Neigh)
		if !ok {
			continue
		}
		if list[i].Type == unix.RTM_DELNEIGH {
			n.MAC = [6]byte{}
		}
		if w.known[k] == n.MAC {
			continue
		}
		if n.MAC == ([6]byte{}) {
			delete(w.known, k)
		} else {
			w.known[k] = n.MAC
		}
		out = append(out, n)
	}
	if len(out) > 0 {
		w.o.Sink.Neighbours(out)
	}
}
