//go:build !race

// The race detector makes sync.Pool forget at random.

package exec

import "testing"

// No allocation a packet when results are used again.
func TestAllocs(t *testing.T) {
	m := loadCase(t, "basic", Options{})
	in := Packet{Port: 1, Now: 1, Data: unhex(t, "ffffffffffff 000000000001 0800 4500 0015 0000 0000 4001 63e2 0a000001 0a020304")}
	var r Result
	if n := testing.AllocsPerRun(1000, func() { m.ProcessTo(&in, &r) }); n >= 1 {
		t.Errorf("%v allocations a packet", n)
	}
}
