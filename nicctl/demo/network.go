package demo

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/internal/netns"
)

// The network of the demo:
//
//	h1 --- port 1 [ router ] port 2 --- h2 (and the prefixes behind it)
//
// With the kernel engine the ports' netdevs r1 and r2 carry the router's
// addresses themselves. With the simulator (D8) the ports are p1 and p2, without
// addresses, and each has a second veth whose far end (r1, r2 in a namespace of
// its own) carries the addresses: that is where port 509 leads.
const (
	hostMTU = 1500

	routerMAC1 = "02:00:00:00:01:01"
	routerMAC2 = "02:00:00:00:02:01"
	hostMAC1   = "02:00:00:00:01:02"
	hostMAC2   = "02:00:00:00:02:02"

	h1v4, h1v6         = "10.0.1.2", "2001:db8:1::2"
	r1v4, r1v6         = "10.0.1.1", "2001:db8:1::1"
	h2v4, h2v6         = "10.0.2.2", "2001:db8:2::2"
	r2v4, r2v6         = "10.0.2.1", "2001:db8:2::1"
	behindV4, behindV6 = "198.51.100.1", "2001:db8:100::1" // behind h2: the kernel has no route
	nowhereV4          = "203.0.113.1"                     // nobody has a route
)

// network holds the namespaces; they end with close.
type network struct {
	h1, h2 *netns.NS
	sw     *netns.NS // where nicd runs
	router *netns.NS // where the router's addresses are; sw itself with the kernel engine
	ports  []string  // nicd's --port arguments
}

// newNetwork makes the namespaces, veth pairs, addresses and the hosts' routes.
func newNetwork(sim bool) (n *network, err error) {
	n = &network{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	for _, ns := range []**netns.NS{&n.h1, &n.h2, &n.sw} {
		if *ns, err = netns.New(); err != nil {
			return n, err
		}
	}
	n.router = n.sw
	if sim {
		if n.router, err = netns.New(); err != nil {
			return n, err
		}
	}
	// The hosts' addresses are known to the kernel that answers for the router:
	// IPv6 without duplicate detection, so that the demo need not wait.
	for _, ns := range []*netns.NS{n.h1, n.h2, n.sw, n.router} {
		for key, value := range map[string]string{
			"net/ipv6/conf/default/accept_dad": "0",
			"net/ipv6/conf/all/accept_dad":     "0",
			"net/ipv6/conf/default/accept_ra":  "0",
		} {
			if err = ns.Sysctl(key, value); err != nil {
				return n, err
			}
		}
	}
	if sim {
		err = n.simLinks()
	} else {
		err = n.kernelLinks()
	}
	if err != nil {
		return n, err
	}
	// The kernel answers an expired TTL only where it forwards (D8); what it
	// really forwards is asserted to be nothing.
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err = n.router.Sysctl(key, "1"); err != nil {
			return n, err
		}
	}
	for _, r := range []struct {
		ns       *netns.NS
		dst, via string
	}{
		{n.h1, "default", r1v4}, {n.h1, "default", r1v6},
		{n.h2, "default", r2v4}, {n.h2, "default", r2v6},
	} {
		if err = r.ns.AddRoute(r.dst, r.via); err != nil {
			return n, err
		}
	}
	for _, a := range []string{behindV4 + "/32", behindV6 + "/128"} {
		if err = n.h2.AddAddr("lo", a); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *network) hostEnd(i int) netns.End {
	if i == 1 {
		return netns.End{NS: n.h1, Name: "eth0", MAC: hostMAC1, MTU: hostMTU, Addrs: []string{h1v4 + "/24", h1v6 + "/64"}}
	}
	return netns.End{NS: n.h2, Name: "eth0", MAC: hostMAC2, MTU: hostMTU, Addrs: []string{h2v4 + "/24", h2v6 + "/64"}}
}

func (n *network) routerEnd(i int) netns.End {
	if i == 1 {
		return netns.End{NS: n.router, Name: "r1", MAC: routerMAC1, MTU: hostMTU, Addrs: []string{r1v4 + "/24", r1v6 + "/64"}}
	}
	return netns.End{NS: n.router, Name: "r2", MAC: routerMAC2, MTU: hostMTU, Addrs: []string{r2v4 + "/24", r2v6 + "/64"}}
}

func (n *network) kernelLinks() error {
	for i := 1; i <= 2; i++ {
		if err := netns.Veth(n.hostEnd(i), n.routerEnd(i)); err != nil {
			return err
		}
		n.ports = append(n.ports, fmt.Sprintf("%d=r%d", i, i))
	}
	return nil
}

func (n *network) simLinks() error {
	if err := n.sw.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		port := netns.End{NS: n.sw, Name: fmt.Sprintf("p%d", i), MTU: hostMTU}
		if err := netns.Veth(n.hostEnd(i), port); err != nil {
			return err
		}
		host := netns.End{NS: n.sw, Name: fmt.Sprintf("hp%d", i), MTU: hostMTU}
		if err := netns.Veth(n.routerEnd(i), host); err != nil {
			return err
		}
		// What reaches a packet socket must be frames as on a cable.
		for _, e := range []netns.End{n.hostEnd(i), n.routerEnd(i)} {
			if err := e.NS.PlainFrames(e.Name); err != nil {
				return err
			}
		}
		n.ports = append(n.ports, fmt.Sprintf("%d=p%d,host=hp%d", i, i, i))
	}
	return nil
}

func (n *network) close() error {
	if n.router == n.sw {
		n.router = nil
	}
	return netns.CloseAll(n.h1, n.h2, n.sw, n.router)
}
