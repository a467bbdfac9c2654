package routemap_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
)

// TestDirect: a program that is not ours, bound by a side file: routes name
// neighbour and port themselves and follow when either changes.
func TestDirect(t *testing.T) {
	side, err := os.ReadFile("testdata/direct.bindings")
	netnstest.Check(t, err)
	raw := gribitest.Build(t, "runtime/routemap/testdata/direct.p4", side)
	r := newRig(t, func(o *gribitest.Options) { o.Bundle = raw })
	know := func(address string, last byte) {
		n := routemap.Neighbour{Interface: "p1", Address: netip.MustParseAddr(address)}
		if last != 0 {
			n.MAC = rib.MAC{2, 0, 0, 0, 0, last}
		}
		r.Map.UpdateNeighbours([]routemap.Neighbour{n})
	}
	r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("192.0.2.2", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1), route("0.0.0.0/0", 1))
	r.holds("lpm", "10.0.0.0/8 nowhere()", "0.0.0.0/0 nowhere()") // not resolved yet
	know("192.0.2.1", 1)
	r.holds("lpm", "10.0.0.0/8 forward(020000000001 1)", "0.0.0.0/0 forward(020000000001 1)")
	know("192.0.2.2", 2)
	r.apply(group(1, 2, 5))
	r.holds("lpm", "10.0.0.0/8 forward(020000000002 1)", "0.0.0.0/0 forward(020000000002 1)")
	know("192.0.2.2", 7)
	r.holds("lpm", "10.0.0.0/8 forward(020000000007 1)", "0.0.0.0/0 forward(020000000007 1)")
	own := via("", "p2")
	own.MAC = rib.MAC{2, 0, 0, 0, 0, 0xaa}
	r.apply(hop(2, own))
	r.holds("lpm", "10.0.0.0/8 forward(0200000000aa 2)", "0.0.0.0/0 forward(0200000000aa 2)")

	// What the program cannot do is refused by the FIB and reported.
	for _, c := range []struct {
		what string
		op   rib.Op
		want string
	}{
		{"two next hops", group(1, 1, 1, 2, 1), "no groups"},
		{"a VRF", in("VRF-1", route("10.0.0.0/8", 1)), ""},
		{"IPv6", route("2001:db8::/32", 1), "no table for IPv6 routes"},
	} {
		got := r.one(c.op)
		if c.want == "" {
			if got.Outcome != rib.Refused { // VRF-1 has no group 1
				t.Errorf("%s: %+v", c.what, got)
			}
			continue
		}
		if c.op.Entity == rib.RouteEntity && (got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, c.want)) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	r.holds("lpm") // both routes lost their only next hop to a group that is not possible
	r.apply(group(1, 1, 1))
	r.holds("lpm", "10.0.0.0/8 forward(020000000001 1)", "0.0.0.0/0 forward(020000000001 1)")
	cross := in("VRF-1", route("10.0.0.0/8", 1))
	cross.Route.GroupInstance = "DEFAULT"
	if got := r.one(cross); got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, "VRF") {
		t.Errorf("a VRF: %+v", got)
	}
	r.apply(route("10.0.0.0/8", 1))
	r.Stop()
	r.Start()
	know("192.0.2.1", 1)
	r.holds("lpm", "10.0.0.0/8 forward(020000000001 1)", "0.0.0.0/0 forward(020000000001 1)")
}
