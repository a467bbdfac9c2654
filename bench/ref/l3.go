package ref

import (
	"fmt"

	"github.com/p4nic/p4nic/bench"
)

// L3 is an IPv4 router with n routes.
func L3(h bench.Hook, n int) (*Scenario, error) {
	net, err := NewNetwork(n)
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("L3 router, %d routes", n), Hook: h, Frames: net.Frames, KeySize: 8, Entries: n, MemoryBound: MemoryBound(n)}
	if err := s.AddL3(net); err != nil {
		s.Close()
		return nil, err
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	return s, nil
}

// AddL3 adds the references with the content of net.
func (s *Scenario) AddL3(net *Network) error {
	type lpmKey struct{ Bits, Dst uint32 }
	type p4nicHop struct {
		Dst, Src  uint64
		Port, Pad uint32
	}
	type kernelHop struct {
		Dst, Src [6]byte
		Port     uint32
	}
	for _, v := range both() {
		err := s.add(v, "l3", "l3", "L3", net.Want, func(t *tables) error {
			for i, r := range net.Routes {
				t.entry("routes", "route_entries", uint32(i+1), lpmKey{uint32(r.Len), be32(r.Addr)}, uint32(r.Hop))
			}
			for hop := range net.Hops {
				if v.p4nic {
					t.entry("hops", "hop_entries", uint32(hop+1), uint32(hop), uint32(hop))
					t.put("hop_data", uint32(hop), p4nicHop{Dst: net.HopMAC(hop), Src: net.OwnMAC(), Port: net.Port})
					continue
				}
				var k kernelHop
				putMAC(k.Dst[:], net.HopMAC(hop))
				putMAC(k.Src[:], net.OwnMAC())
				k.Port = net.Port
				t.put("hops", uint32(hop), k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
