package routemap_test

import (
	"net/netip"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
)

// TestLeftovers: what a restart finds in the tables and nobody wants any more is
// deleted, users before what they use; what is wanted stays as it is.
func TestLeftovers(t *testing.T) {
	r := newRig(t, nil)
	file := func(prefix string, hops ...rib.HopSpec) rib.StaticRoute {
		s := rib.StaticRoute{Instance: "DEFAULT", Prefix: netip.MustParsePrefix(prefix)}
		for _, h := range hops {
			s.Hops = append(s.Hops, rib.WeightedHop{Hop: h})
		}
		return s
	}
	r.apply(hop(1, via("192.0.2.7", "p1")), group(1, 1, 1), route("12.0.0.0/8", 1))
	netnstest.Check(t, r.RIB.SetConfigured([]rib.StaticRoute{
		file("10.0.0.0/8", via("192.0.2.1", "p1"), via("192.0.2.2", "p2")),
		file("2001:db8::/32", via("fe80::1", "p1")),
	}))
	r.Map.UpdateNeighbours([]routemap.Neighbour{
		{Interface: "p1", Address: netip.MustParseAddr("192.0.2.1"), MAC: rib.MAC{2, 0, 0, 0, 0, 1}},
		{Interface: "p2", Address: netip.MustParseAddr("fe80::2"), MAC: rib.MAC{2, 0, 0, 0, 0, 2}},
	})
	r.Map.Sweep()
	r.Stop()
	r.Start() // neither the file's routes nor the kernel's neighbours are told again
	r.wrote(
		"delete ipv4_routes 0,10.0.0.0/8", "delete ipv6_routes 0,2001:db8::/32",
		"delete next_hop_groups 2", "delete next_hop_groups 3",
		"delete buckets 2", "delete buckets 3", "delete buckets 1",
		"delete next_hops 2", "delete next_hops 3", "delete next_hops 4",
		"delete neighbours_v4 1,192.0.2.1", "delete neighbours_v6 2,fe80::2",
	)
	r.holds("ipv4_routes", "0,12.0.0.0/8 set_group(1)")
	for _, table := range []string{"ipv6_routes", "neighbours_v4", "neighbours_v6"} {
		r.holds(table)
	}
}
