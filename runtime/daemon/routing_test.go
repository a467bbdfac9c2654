package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/routespb"
)

// TestKernelRouting: nicd follows the kernel. Routes and the host's addresses
// become entries; a packet to a neighbour that is not known goes to the host,
// whose ARP resolves it (dp:RO9), and the next ones are forwarded by the datapath. A
// TCP connection goes on while nicd is killed and comes again, and while its
// prefix gets another route.
func TestKernelRouting(t *testing.T) {
	netnstest.NeedBPF(t)
	w := newWires(t)
	netnstest.Check(t, w.h1.AddRoute("0.0.0.0/0", "10.0.1.1"))
	netnstest.Check(t, w.h2.AddRoute("0.0.0.0/0", "10.0.2.1"))
	netnstest.Check(t, w.sw.Sysctl("net/ipv4/ip_forward", "1"))
	file := filepath.Join(t.TempDir(), "nicd.yaml")
	netnstest.Check(t, os.WriteFile(file, []byte(`network-instances: [{name: DEFAULT, id: 0, kernel-table: 254}]
routes:
  - {prefix: 192.0.2.0/24, next-hops: [{address: 10.0.2.9, interface: s2}]}
ports: [{number: 1, netdev: s1}, {number: 2, netdev: s2}]
`), 0o600))
	d := newNicd(t, w.sw, "--config", file)
	d.start()
	c := d.client()
	router := bundleOf(t, compileFile(t, "../../p4src/router.p4"))
	netnstest.Check(t, d.load(c, router, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	mac := func(ns *netns.NS, dev string) string {
		m, err := ns.MAC(dev)
		netnstest.Check(t, err)
		return m.String()
	}
	for i, dev := range []string{"s1", "s2"} {
		d.write(c, router, p4.Update_INSERT, fmt.Sprintf("interfaces port=%d vlan=0 set_interface vrf=0 mac=%s", i+1, mac(w.sw, dev)),
			fmt.Sprintf("egress_interfaces port=%d vlan=0 set_source mac=%s", i+1, mac(w.sw, dev)))
	}
	have := func(table, entry string) int64 {
		for e, n := range d.entries(c, router, table, table == "ipv4_routes") {
			if strings.HasPrefix(e, entry) {
				return n
			}
		}
		return -2
	}
	for _, e := range []string{
		"ipv4_routes vrf=0 prefix=10.0.1.1/32 to_host", "ipv4_routes vrf=0 prefix=10.0.2.1/32 to_host",
		"ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group", "ipv4_routes vrf=0 prefix=192.0.2.0/24 set_group",
	} {
		if have("ipv4_routes", e) == -2 {
			t.Errorf("there is no entry %s in %v", e, d.entries(c, router, "ipv4_routes", false))
		}
	}

	// A connection across the router.
	var l net.Listener
	netnstest.Check(t, w.h2.Do(func() (err error) { l, err = net.Listen("tcp", "10.0.2.2:0"); return err }))
	defer l.Close()
	go func() {
		for {
			s, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(s, s) }()
		}
	}()
	var conn net.Conn
	netnstest.Check(t, w.h1.Do(func() (err error) { conn, err = net.DialTimeout("tcp", l.Addr().String(), 10*time.Second); return err }))
	defer conn.Close()
	netnstest.Check(t, conn.SetDeadline(time.Now().Add(60*time.Second)))
	buf := make([]byte, 64<<10)
	talk := func(n int) {
		t.Helper()
		for range n {
			if _, err := conn.Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	talk(1)
	neighbour := fmt.Sprintf("neighbours_v4 port=2 address=10.0.2.2 set_neighbour mac=%s", mac(w.h2, "eth0"))
	netnstest.Eventually(t, 10*time.Second, "the neighbour is in the datapath", func() bool { return have("neighbours_v4", neighbour) != -2 })
	const onLink = "ipv4_routes vrf=0 prefix=10.0.2.0/24"
	before := have("ipv4_routes", onLink)
	talk(10)
	if after := have("ipv4_routes", onLink); after < before+10 {
		t.Errorf("the route carried %d packets, then %d", before, after)
	}

	t.Run("D14 the tables are routemap's", func(t *testing.T) {
		_, err := tryWrite(c, router, "ipv4_routes vrf=0 prefix=172.16.0.0/12 to_host")
		if err == nil || !strings.Contains(err.Error(), "routemap") {
			t.Errorf("%v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	routes := routespb.NewRoutesClient(c.Conn)
	t.Run("a route of the kernel", func(t *testing.T) {
		netnstest.Check(t, w.sw.AddRoute("10.9.0.0/16", "10.0.2.2"))
		netnstest.Eventually(t, 10*time.Second, "the route is in the datapath", func() bool { return have("ipv4_routes", "ipv4_routes vrf=0 prefix=10.9.0.0/16 set_group") != -2 })
	})
	t.Run("another route under the connection", func(t *testing.T) {
		_, err := routes.Add(ctx, &routespb.AddRequest{Routes: []*routespb.StaticRoute{{Prefix: "10.0.2.2/32", NextHops: []*routespb.NextHop{{Address: "10.0.2.2", Interface: "s2"}}}}})
		netnstest.Check(t, err)
		talk(5)
		if n := have("ipv4_routes", "ipv4_routes vrf=0 prefix=10.0.2.2/32"); n < 5 {
			t.Errorf("the new route carried %d packets", n)
		}
	})
	t.Run("errors of the API", func(t *testing.T) {
		for _, x := range []struct {
			what string
			err  error
			code codes.Code
		}{
			{"prefix", add(ctx, routes, &routespb.StaticRoute{Prefix: "1.2.3.4", Target: routespb.Target_HOST}), codes.InvalidArgument},
			{"host bits", add(ctx, routes, &routespb.StaticRoute{Prefix: "1.2.3.4/8", Target: routespb.Target_HOST}), codes.InvalidArgument},
			{"instance", add(ctx, routes, &routespb.StaticRoute{Instance: "x", Prefix: "1.0.0.0/8", Target: routespb.Target_HOST}), codes.NotFound},
			{"of the file", add(ctx, routes, &routespb.StaticRoute{Prefix: "192.0.2.0/24", Target: routespb.Target_HOST}), codes.FailedPrecondition},
			{"nothing", add(ctx, routes, &routespb.StaticRoute{Prefix: "1.0.0.0/8"}), codes.InvalidArgument},
			{"both", add(ctx, routes, &routespb.StaticRoute{Prefix: "1.0.0.0/8", Target: routespb.Target_DROP, NextHops: []*routespb.NextHop{{Address: "1.1.1.1"}}}), codes.InvalidArgument},
		} {
			if status.Code(x.err) != x.code {
				t.Errorf("%s: %v, want %v", x.what, x.err, x.code)
			}
		}
	})
	netnstest.Check(t, c.Close())
	d.kill()
	talk(5)
	d.start()
	c = d.client()
	talk(5)
	got, err := routespb.NewRoutesClient(c.Conn).Get(ctx, &routespb.GetRequest{Address: "10.0.2.2"})
	netnstest.Check(t, err)
	var text []string
	for _, r := range got.GetRoutes() {
		text = append(text, fmt.Sprintf("%s %s %s", r.GetPrefix(), r.GetSource(), r.GetFib()))
	}
	if want := "10.0.2.2/32 static programmed, 10.0.2.0/24 connected programmed"; strings.Join(text, ", ") != want {
		t.Errorf("after a restart: %v, want %s", text, want)
	}
	netnstest.Check(t, c.Close())
	d.detach()
}

func add(ctx context.Context, c routespb.RoutesClient, r *routespb.StaticRoute) error {
	_, err := c.Add(ctx, &routespb.AddRequest{Routes: []*routespb.StaticRoute{r}})
	return err
}

// tryWrite inserts one entry and gives what was refused.
func tryWrite(c *p4rtclient.Client, p pipeline, line string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.BecomePrimary(ctx, false); err != nil {
		return 0, err
	}
	e, err := p4rtclient.NewSchema(p.info).ParseEntry(strings.Fields(line), true)
	if err != nil {
		return 0, err
	}
	refused, err := c.Write(ctx, []*p4.Update{{Type: p4.Update_INSERT, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}}})
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	return len(refused), err
}
