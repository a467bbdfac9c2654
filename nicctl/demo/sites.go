package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/vishvananda/netlink"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/routespb"
)

// The network of the second act: two sites joined by two paths.
//
//	hA --- 1 [ site A ] 2 --- path1 --- 2 [ site B ] 1 --- hB
//	                    3 --- path2 --- 3
//
// A path is a bridge in a namespace of its own; loss is made there.
const (
	lanA, lanB     = "10.1.0.0/24", "10.2.0.0/24"
	hostA, hostB   = "10.1.0.2", "10.2.0.2"
	guestA         = "10.1.0.3" // a second address of hA, which a rule shuts out
	sitePorts      = 3
	lanPort        = 1
	preferredPath  = "path1"
	otherPath      = "path2"
	pathBitsPerSec = 40_000_000 // of a path that loses packets
)

// site is one router with its LAN.
type site struct {
	name   string // "a" or "b"
	number int    // 1 or 2: second byte of its addresses
	host   *netns.NS
	sw     *netns.NS // where nicd runs
	router *netns.NS // where the router's addresses are
	ports  []string  // nicd's --port arguments
	nicd   *daemon
	schema *p4rtclient.Schema
}

// sites is the network of the second act.
type sites struct {
	a, b  *site
	paths [2]*netns.NS
	all   []*netns.NS
}

// netdev is the port's device, the name that gRIBI and gNMI know.
func (s *site) netdev(port int) string { return fmt.Sprintf("%s%d", s.name, port) }

// routerAddr is the router's address on a port: its LAN, or a path's network.
func (s *site) routerAddr(port int) string {
	if port == lanPort {
		return fmt.Sprintf("10.%d.0.1", s.number)
	}
	return fmt.Sprintf("192.168.%d.%d", port-1, s.number)
}

func (s *site) routerMAC(port int) string { return fmt.Sprintf("02:00:0%d:00:00:0%d", s.number, port) }
func (s *site) hostMAC() string           { return fmt.Sprintf("02:00:0%d:00:01:02", s.number) }
func (s *site) hostAddr() string          { return fmt.Sprintf("10.%d.0.2", s.number) }

// newSites makes the network.
func newSites(sim bool) (n *sites, err error) {
	n = &sites{a: &site{name: "a", number: 1}, b: &site{name: "b", number: 2}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	newNS := func() (*netns.NS, error) {
		ns, err := netns.New()
		if err != nil {
			return nil, err
		}
		n.all = append(n.all, ns)
		// Nothing may be on the wires but what the demo sends: it is counted.
		return ns, ns.Sysctl("net/ipv6/conf/default/disable_ipv6", "1")
	}
	for i := range n.paths {
		if n.paths[i], err = newNS(); err != nil {
			return n, err
		}
	}
	for _, s := range []*site{n.a, n.b} {
		for _, ns := range []**netns.NS{&s.host, &s.sw} {
			if *ns, err = newNS(); err != nil {
				return n, err
			}
		}
		s.router = s.sw
		if sim {
			if s.router, err = newNS(); err != nil {
				return n, err
			}
		}
		for port := 1; port <= sitePorts; port++ {
			if err = n.connect(s, port, sim); err != nil {
				return n, err
			}
		}
		if err = s.hostRoutes(); err != nil {
			return n, err
		}
	}
	for _, path := range n.paths {
		if err = bridge(path); err != nil {
			return n, err
		}
	}
	return n, nil
}

// connect makes the veth pair of a port, and with the simulator that of its host.
func (n *sites) connect(s *site, port int, sim bool) error {
	far := netns.End{NS: s.host, Name: "eth0", MAC: s.hostMAC(), MTU: hostMTU, Addrs: []string{s.hostAddr() + "/24"}}
	if s.name == "a" && port == lanPort {
		far.Addrs = append(far.Addrs, guestA+"/24")
	}
	if port != lanPort {
		far = netns.End{NS: n.paths[port-2], Name: s.name, MTU: hostMTU}
	}
	carrier := netns.End{NS: s.sw, Name: s.netdev(port), MAC: s.routerMAC(port), MTU: hostMTU, Addrs: []string{s.routerAddr(port) + "/24"}}
	spec := fmt.Sprintf("%d=%s", port, s.netdev(port))
	if sim {
		carrier.MAC, carrier.Addrs = "", nil
		host := netns.End{NS: s.sw, Name: "h" + s.netdev(port), MTU: hostMTU}
		router := netns.End{NS: s.router, Name: "r" + s.netdev(port), MAC: s.routerMAC(port), MTU: hostMTU, Addrs: []string{s.routerAddr(port) + "/24"}}
		if err := netns.Veth(router, host); err != nil {
			return err
		}
		spec += ",host=" + host.Name
	}
	if err := netns.Veth(far, carrier); err != nil {
		return err
	}
	if sim && port == lanPort {
		if err := far.NS.PlainFrames(far.Name); err != nil {
			return err
		}
	}
	s.ports = append(s.ports, spec)
	return nil
}

// hostRoutes gives the host its gateway, whose MAC it knows: no ARP that would be
// counted.
func (s *site) hostRoutes() error {
	if err := s.host.AddNeighbour("eth0", s.routerAddr(lanPort), s.routerMAC(lanPort)); err != nil {
		return err
	}
	return s.host.AddRoute("default", s.routerAddr(lanPort))
}

// bridge joins the two ends in a path's namespace.
func bridge(path *netns.NS) error {
	nl := path.Netlink()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	if err := nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	br, err := nl.LinkByName("br0")
	if err != nil {
		return err
	}
	for _, end := range []string{"a", "b"} {
		l, err := nl.LinkByName(end)
		if err != nil {
			return err
		}
		if err := nl.LinkSetMaster(l, br); err != nil {
			return fmt.Errorf("bridge: %w", err)
		}
	}
	return path.Up("br0")
}

// lossy bounds a path towards site B to less than what is sent: a token bucket
// with a short queue drops the rest.
func lossy(path *netns.NS) error {
	l, err := path.Netlink().LinkByName("b")
	if err != nil {
		return err
	}
	const bucket = 32 << 10
	err = path.Netlink().QdiscReplace(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       pathBitsPerSec / 8,
		Buffer:     bucket,
		Limit:      bucket,
	})
	if err != nil {
		return fmt.Errorf("token bucket: %w", err)
	}
	return nil
}

func (n *sites) close() error { return netns.CloseAll(n.all...) }

// start runs the site's nicd, loads the router and writes what is the operator's:
// interfaces, over P4Runtime, and the routes to itself and its LAN.
func (s *site) start(ctx context.Context, o Options, dir string) (err error) {
	dir = filepath.Join(dir, s.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	config := filepath.Join(dir, "nicd.yaml")
	if err := os.WriteFile(config, []byte("network-instances:\n  - {name: DEFAULT, id: 0}\n"), 0o600); err != nil {
		return err
	}
	if s.nicd, err = startDaemon(ctx, o, s.sw, dir, s.name, append([]string{"--config", config}, portFlags(s.ports)...)); err != nil {
		return fmt.Errorf("site %s: %w", strings.ToUpper(s.name), err)
	}
	c := s.nicd.client
	if err := c.BecomePrimary(ctx, false); err != nil {
		return err
	}
	if err := c.SetPipeline(ctx, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, o.Router.P4Info, o.Router.Bundle); err != nil {
		return fmt.Errorf("site %s: load the router: %w", strings.ToUpper(s.name), err)
	}
	s.schema = p4rtclient.NewSchema(o.Router.P4Info)
	var entries []string
	for port := 1; port <= sitePorts; port++ {
		entries = append(entries,
			fmt.Sprintf("interfaces port=%d vlan=0 set_interface vrf=0 mac=%s", port, s.routerMAC(port)),
			fmt.Sprintf("egress_interfaces port=%d vlan=0 set_source mac=%s", port, s.routerMAC(port)))
	}
	if err := writeEntries(ctx, c, s.schema, p4.Update_INSERT, entries...); err != nil {
		return err
	}
	return s.static(ctx)
}

// static writes the routes that are the operator's own.
func (s *site) static(ctx context.Context) error {
	host := &routespb.NextHop{Address: s.hostAddr(), Interface: s.netdev(lanPort), Mac: s.hostMAC(), Weight: 1}
	routes := []*routespb.StaticRoute{
		{Prefix: s.hostAddr() + "/32", NextHops: []*routespb.NextHop{host}},
	}
	if s.name == "a" {
		guest := &routespb.NextHop{Address: guestA, Interface: s.netdev(lanPort), Mac: s.hostMAC(), Weight: 1}
		routes = append(routes, &routespb.StaticRoute{Prefix: guestA + "/32", NextHops: []*routespb.NextHop{guest}})
	}
	for port := 1; port <= sitePorts; port++ {
		routes = append(routes, &routespb.StaticRoute{Prefix: s.routerAddr(port) + "/32", Target: routespb.Target_HOST})
	}
	r, err := routespb.NewRoutesClient(s.nicd.client.Conn).Add(ctx, &routespb.AddRequest{Routes: routes})
	if err != nil {
		return s.nicd.client.Explain(err)
	}
	for _, f := range r.GetFailed() {
		return fmt.Errorf("site %s: route %s: %s", strings.ToUpper(s.name), f.GetPrefix(), f.GetMessage())
	}
	return nil
}

// routeTo routes a prefix to another site over the path at a port.
func (s *site) routeTo(ctx context.Context, prefix string, peer *site, port int) error {
	hop := &routespb.NextHop{Address: peer.routerAddr(port), Interface: s.netdev(port), Mac: peer.routerMAC(port), Weight: 1}
	_, err := routespb.NewRoutesClient(s.nicd.client.Conn).Add(ctx, &routespb.AddRequest{
		Routes: []*routespb.StaticRoute{{Prefix: prefix, NextHops: []*routespb.NextHop{hop}}},
	})
	if err != nil {
		return s.nicd.client.Explain(err)
	}
	return nil
}

func portFlags(ports []string) []string {
	var out []string
	for _, p := range ports {
		out = append(out, "--port", p)
	}
	return out
}
