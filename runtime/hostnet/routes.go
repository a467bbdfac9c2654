package hostnet

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernelRoute is one of possibly several routes of the kernel to a prefix: it
// uses that with the smallest metric.
type kernelRoute struct {
	metric int
	route  Route
}

// instanceOf is the instance that follows the table of r. The table "local",
// where the host's own addresses are, belongs to whoever follows "main".
func (w *Watcher) instanceOf(r *netlink.Route) (string, bool) {
	table := r.Table
	if table == unix.RT_TABLE_LOCAL {
		table = unix.RT_TABLE_MAIN
	}
	name, ok := w.byTable[table]
	return name, ok
}

func (w *Watcher) readRoutes() error {
	for name, table := range w.o.Follow {
		list, err := w.routesOf(table)
		if err != nil {
			return err
		}
		all := map[netip.Prefix][]kernelRoute{}
		for i := range list {
			if p, k, ok := w.read(&list[i]); ok {
				all[p] = put(all[p], k)
			}
		}
		w.routes[name] = all
		out := make([]Route, 0, len(all))
		for _, ks := range all {
			out = append(out, ks[0].route)
		}
		slices.SortFunc(out, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
		w.o.Sink.Routes(name, true, out)
	}
	return nil
}

func (w *Watcher) routesOf(table int) ([]netlink.Route, error) {
	tables := []int{table}
	if table == unix.RT_TABLE_MAIN {
		tables = append(tables, unix.RT_TABLE_LOCAL)
	}
	var out []netlink.Route
	for _, t := range tables {
		list, err := w.kernel.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: t}, netlink.RT_FILTER_TABLE)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// put adds or replaces a route of the same metric; the smallest metric is first.
func put(ks []kernelRoute, k kernelRoute) []kernelRoute {
	i, found := slices.BinarySearchFunc(ks, k, func(a, b kernelRoute) int { return cmp.Compare(a.metric, b.metric) })
	if found {
		ks[i] = k
		return ks
	}
	return slices.Insert(ks, i, k)
}

func (w *Watcher) routeEvents(list []netlink.RouteUpdate) {
	type change struct {
		instance string
		prefix   netip.Prefix
	}
	var order []change
	seen := map[change]bool{}
	for i := range list {
		r := &list[i].Route
		name, ok := w.instanceOf(r)
		if !ok {
			continue
		}
		p, k, ok := w.read(r)
		if !ok {
			continue
		}
		all := w.routes[name]
		if list[i].Type == unix.RTM_DELROUTE {
			all[p] = slices.DeleteFunc(all[p], func(x kernelRoute) bool { return x.metric == k.metric })
			if len(all[p]) == 0 {
				delete(all, p)
			}
		} else {
			all[p] = put(all[p], k)
		}
		if c := (change{name, p}); !seen[c] {
			seen[c] = true
			order = append(order, c)
		}
	}
	updates := map[string][]Route{}
	var names []string
	for _, c := range order {
		if updates[c.instance] == nil {
			names = append(names, c.instance)
		}
		ks := w.routes[c.instance][c.prefix]
		if len(ks) == 0 {
			// Of either origin: whoever knows none has nothing to take away.
			updates[c.instance] = append(updates[c.instance], Route{Prefix: c.prefix}, Route{Prefix: c.prefix, Connected: true})
			continue
		}
		other := Route{Prefix: c.prefix, Connected: !ks[0].route.Connected}
		updates[c.instance] = append(updates[c.instance], ks[0].route, other)
	}
	for _, name := range names {
		w.o.Sink.Routes(name, false, updates[name])
	}
}

// read turns a route into ours; false for those that no packet to forward takes:
// multicast, broadcast, link-local, cached.
func (w *Watcher) read(r *netlink.Route) (netip.Prefix, kernelRoute, bool) {
	k := kernelRoute{metric: r.Priority, route: Route{Connected: r.Protocol == unix.RTPROT_KERNEL}}
	p, ok := prefixOf(r)
	if !ok || r.Flags&unix.RTM_F_CLONED != 0 || p.Addr().IsMulticast() || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() {
		return p, k, false
	}
	k.route.Prefix = p
	switch r.Type {
	case unix.RTN_UNICAST:
	case unix.RTN_LOCAL, unix.RTN_ANYCAST:
		k.route.Hops = []Hop{{Kind: ToHost, Weight: 1}}
		k.metric = -1 // the table "local" is asked first
		return p, k, true
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT:
		k.route.Hops = []Hop{{Kind: Discard, Weight: 1}}
		return p, k, true
	default:
		return p, k, false
	}
	if len(r.MultiPath) == 0 {
		k.route.Hops = []Hop{w.hop(r.LinkIndex, r.Gw, r.Via, 1)}
		return p, k, true
	}
	for _, n := range r.MultiPath {
		k.route.Hops = append(k.route.Hops, w.hop(n.LinkIndex, n.Gw, n.Via, uint64(n.Hops)+1))
	}
	// Next hops that are the host's own business cannot stand beside others.
	if i := slices.IndexFunc(k.route.Hops, func(h Hop) bool { return h.Kind != Via }); i >= 0 {
		k.route.Hops = []Hop{{Kind: ToHost, Weight: 1}}
	}
	return p, k, true
}

func prefixOf(r *netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		switch r.Family {
		case unix.AF_INET:
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
		case unix.AF_INET6:
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	bits, _ := r.Dst.Mask.Size()
	if r.Family == unix.AF_INET {
		a = a.Unmap()
	}
	p := netip.PrefixFrom(a, bits)
	return p, ok && p.IsValid()
}

func (w *Watcher) hop(index int, gw []byte, via netlink.Destination, weight uint64) Hop {
	l, ok := w.links[index]
	if !ok {
		return Hop{Kind: ToHost, Weight: 1}
	}
	h := Hop{Interface: l.name, VLAN: l.vlan, Weight: weight}
	if v, ok := via.(*netlink.Via); ok {
		gw = v.Addr
	}
	if a, ok := netip.AddrFromSlice(gw); ok {
		h.Gateway = a.Unmap()
	}
	return h
}
