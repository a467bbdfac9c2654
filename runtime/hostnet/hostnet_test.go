package hostnet

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// book keeps what a watcher says as text.
type book struct {
	mu         sync.Mutex
	connected  []string
	neighbours map[string]string
	routes     map[string]string
}

func (b *book) Connected(list []Connected) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected = nil
	for _, c := range list {
		b.connected = append(b.connected, fmt.Sprintf("%s.%d %s", c.Interface, c.VLAN, c.Prefix))
	}
	slices.Sort(b.connected)
}

func (b *book) Neighbours(list []Neighbour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range list {
		key := fmt.Sprintf("%s.%d %s", n.Interface, n.VLAN, n.Address)
		if n.MAC == ([6]byte{}) {
			delete(b.neighbours, key)
		} else {
			b.neighbours[key] = net.HardwareAddr(n.MAC[:]).String()
		}
	}
}

func (b *book) Routes(instance string, whole bool, list []Route) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole {
		b.routes = map[string]string{}
	}
	for _, r := range list {
		key := fmt.Sprintf("%s %v %s", instance, r.Connected, r.Prefix)
		if len(r.Hops) == 0 {
			delete(b.routes, key)
			continue
		}
		var hops []string
		for _, h := range r.Hops {
			text := [...]string{"via", "host", "drop"}[h.Kind]
			if h.Kind == Via {
				text = fmt.Sprintf("%s %v %s.%d*%d", text, h.Gateway, h.Interface, h.VLAN, h.Weight)
			}
			hops = append(hops, text)
		}
		b.routes[key] = strings.Join(hops, ", ")
	}
}

func (b *book) has(t *testing.T, what string, get func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.NewTicker(2 * time.Millisecond); ; <-tick.C {
		b.mu.Lock()
		ok := get()
		text := fmt.Sprintf("%v\n%v\n%v", b.connected, b.neighbours, b.routes)
		b.mu.Unlock()
		if ok {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still\n%s", what, text)
		}
	}
}

func (b *book) route(t *testing.T, key, want string) {
	t.Helper()
	b.has(t, fmt.Sprintf("route %s = %q", key, want), func() bool { return b.routes[key] == want })
}

func TestWatch(t *testing.T) {
	host, far := netnstest.NS(t), netnstest.NS(t)
	netnstest.Veth(t, netns.End{NS: host, Name: "p1", Addrs: []string{"192.0.2.1/24", "2001:db8::1/64"}}, netns.End{NS: far, Name: "eth0"})
	netnstest.Veth(t, netns.End{NS: host, Name: "mgmt", Addrs: []string{"198.51.100.1/24"}}, netns.End{NS: far, Name: "eth1"})
	netnstest.Check(t, host.AddNeighbour("p1", "192.0.2.7", "02:00:00:00:00:07"))
	b := &book{neighbours: map[string]string{}, routes: map[string]string{}}
	var w *Watcher
	netnstest.Check(t, host.Do(func() (err error) {
		w, err = Start(Options{Interfaces: []string{"p1"}, Follow: map[string]int{"DEFAULT": unix.RT_TABLE_MAIN}, Sink: b})
		return err
	}))
	defer w.Close()
	// What Start has told already.
	b.mu.Lock()
	first := slices.Clone(b.connected)
	b.mu.Unlock()
	if want := []string{"p1.0 192.0.2.0/24", "p1.0 2001:db8::/64"}; !slices.Equal(first, want) {
		t.Errorf("connected %v, want %v", first, want)
	}
	b.has(t, "neighbour", func() bool { return b.neighbours["p1.0 192.0.2.7"] == "02:00:00:00:00:07" })
	b.route(t, "DEFAULT true 192.0.2.0/24", "via invalid IP p1.0*1")
	b.route(t, "DEFAULT true 192.0.2.1/32", "host")
	b.route(t, "DEFAULT true 198.51.100.0/24", "host") // no port is there
	b.route(t, "DEFAULT true 2001:db8::1/128", "host")

	nl := host.Netlink()
	link, err := nl.LinkByName("p1")
	netnstest.Check(t, err)
	dst := func(s string) *net.IPNet {
		_, n, err := net.ParseCIDR(s)
		netnstest.Check(t, err)
		return n
	}
	t.Run("changes of neighbours", func(t *testing.T) {
		netnstest.Check(t, host.AddNeighbour("p1", "2001:db8::9", "02:00:00:00:00:09"))
		b.has(t, "new", func() bool { return b.neighbours["p1.0 2001:db8::9"] == "02:00:00:00:00:09" })
		netnstest.Check(t, nl.NeighDel(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: net.ParseIP("192.0.2.7"), State: netlink.NUD_PERMANENT}))
		b.has(t, "gone", func() bool { _, ok := b.neighbours["p1.0 192.0.2.7"]; return !ok })
	})
	t.Run("changes of routes", func(t *testing.T) {
		const key = "DEFAULT false 10.0.0.0/8"
		slow := &netlink.Route{Dst: dst("10.0.0.0/8"), Gw: net.ParseIP("192.0.2.8"), Priority: 200}
		netnstest.Check(t, nl.RouteAdd(slow))
		b.route(t, key, "via 192.0.2.8 p1.0*1")
		fast := &netlink.Route{Dst: dst("10.0.0.0/8"), Priority: 100, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: link.Attrs().Index, Gw: net.ParseIP("192.0.2.9").To4()}, {LinkIndex: link.Attrs().Index, Gw: net.ParseIP("192.0.2.10").To4(), Hops: 2}}}
		netnstest.Check(t, nl.RouteAdd(fast))
		b.route(t, key, "via 192.0.2.9 p1.0*1, via 192.0.2.10 p1.0*3")
		netnstest.Check(t, nl.RouteDel(fast))
		b.route(t, key, "via 192.0.2.8 p1.0*1")
		netnstest.Check(t, nl.RouteDel(slow))
		b.route(t, key, "")
		netnstest.Check(t, nl.RouteAdd(&netlink.Route{Dst: dst("11.0.0.0/8"), Type: unix.RTN_BLACKHOLE}))
		b.route(t, "DEFAULT false 11.0.0.0/8", "drop")
		netnstest.Check(t, nl.RouteAdd(&netlink.Route{Dst: dst("0.0.0.0/0"), Gw: net.ParseIP("198.51.100.9")}))
		b.route(t, "DEFAULT false 0.0.0.0/0", "host")
		netnstest.Check(t, nl.RouteAdd(&netlink.Route{Dst: dst("12.0.0.0/8"), Gw: net.ParseIP("192.0.2.8"), Table: 77}))
		netnstest.Check(t, nl.RouteAdd(&netlink.Route{Dst: dst("2001:db8:1::/48"), Gw: net.ParseIP("2001:db8::9"), LinkIndex: link.Attrs().Index}))
		b.route(t, "DEFAULT false 2001:db8:1::/48", "via 2001:db8::9 p1.0*1")
		b.route(t, "DEFAULT false 12.0.0.0/8", "") // another table
	})
	t.Run("an address comes and goes", func(t *testing.T) {
		netnstest.Check(t, host.AddAddr("p1", "203.0.113.1/24"))
		b.has(t, "subnet", func() bool { return slices.Contains(b.connected, "p1.0 203.0.113.0/24") })
		b.route(t, "DEFAULT true 203.0.113.1/32", "host")
		a, err := netlink.ParseAddr("203.0.113.1/24")
		netnstest.Check(t, err)
		netnstest.Check(t, nl.AddrDel(link, a))
		b.has(t, "subnet gone", func() bool { return !slices.Contains(b.connected, "p1.0 203.0.113.0/24") })
		b.route(t, "DEFAULT true 203.0.113.0/24", "")
	})
}

// TestVLANs: an 802.1Q interface is its parent with a VLAN id.
func TestVLANs(t *testing.T) {
	w := &Watcher{watched: map[string]bool{"p1": true}}
	attrs := func(index int, name string, parent int) netlink.LinkAttrs {
		return netlink.LinkAttrs{Index: index, Name: name, ParentIndex: parent}
	}
	got := w.linksOf([]netlink.Link{
		&netlink.Vlan{LinkAttrs: attrs(7, "p1.100", 3), VlanId: 100},
		&netlink.Device{LinkAttrs: attrs(3, "p1", 0)},
		&netlink.Device{LinkAttrs: attrs(4, "mgmt", 0)},
		&netlink.Vlan{LinkAttrs: attrs(8, "mgmt.5", 4), VlanId: 5},
		&netlink.Macvlan{LinkAttrs: attrs(9, "mac", 3)},
	})
	if want := map[int]link{3: {"p1", 0}, 7: {"p1", 100}}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
