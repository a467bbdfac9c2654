package routemap_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/rib"
)

// TestExhaustion: ids and buckets run out and come back; what nothing uses is
// swept when it is needed.
func TestExhaustion(t *testing.T) {
	side := strings.NewReplacer("size = 16384;", "size = 4;", "size = 65535;", "size = 8;")
	raw := gribitest.BuildText(t, "p4src/router.p4", side.Replace)
	r := newRig(t, func(o *gribitest.Options) { o.Bundle = raw })
	r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("192.0.2.2", "p1")), group(1, 1, 1, 2, 3))
	// Each change needs a range beside the old one: the third finds none but by
	// sweeping.
	for i := range 6 {
		w := uint64(1 + i%2*2)
		r.apply(group(1, 1, w, 2, 4-w))
	}
	r.apply(group(2, 1, 1), route("10.0.0.0/8", 1))
	big := r.one(group(3, 1, 1, 2, 7))
	if big.Outcome != rib.FIBFailed || !strings.Contains(big.Problem, "no range of 8 buckets") {
		t.Errorf("%+v", big)
	}
	// The failed one is replaced by what fits.
	r.Map.Sweep()
	r.apply(group(3, 2, 1))
	r.apply(hop(3, via("192.0.2.3", "p1")), hop(4, via("192.0.2.4", "p1")))
	if got := r.one(hop(5, via("192.0.2.5", "p1"))); got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, "full") {
		t.Errorf("a table of 4 took 5: %+v", got)
	}
	r.apply(del(hop(4, rib.HopSpec{})))
	r.Map.Sweep()
	r.apply(hop(5, via("192.0.2.5", "p1")))
}
