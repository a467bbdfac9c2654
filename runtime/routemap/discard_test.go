package routemap_test

import (
	"testing"

	"github.com/p4nic/p4nic/runtime/rib"
)

// TestDiscard: a next hop that discards is viable: what it takes is dropped, and
// no backup steps in (gribi:GR49 speaks of unviable next hops).
func TestDiscard(t *testing.T) {
	r := newRig(t, nil)
	drop := group(1, 1, 1)
	drop.Next.Backup = 9
	r.apply(hop(1, rib.HopSpec{Kind: rib.Discard}), hop(3, via("192.0.2.3", "p2")), group(9, 3, 1), drop, route("10.0.0.0/8", 1))
	r.Map.Sweep()
	r.holds("next_hops", "1 drop()", "2 via_v4(2 0 192.0.2.3)")
	r.holds("buckets", "0 set_next_hop(1)", "1 set_next_hop(2)") // of group 1, of group 9
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
	// The same group with a hop that leads nowhere uses its backup.
	r.apply(hop(1, via("203.0.113.1", "")))
	r.Map.Sweep()
	r.holds("buckets", "1 set_next_hop(2)", "2 set_next_hop(2)")
}
