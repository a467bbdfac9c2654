package ref

import (
	"fmt"
	"math/rand/v2"

	"github.com/p4nic/p4nic/bench"
)

// L2 is a learning switch with n stations that it knows, half of them on the
// port that frames come from.
func L2(h bench.Hook, n int) (*Scenario, error) {
	n = max(n, 4)
	mac := func(i int) uint64 { return 0x020000000000 | uint64(i+1)*0x9e3779b1&0xffffffff }
	port := func(i int) uint32 {
		if i < n/2 {
			return 0
		}
		return uint32(1 + i%3)
	}
	rng := rand.New(rand.NewPCG(2, 0))
	frames, err := Frames(destinations(n), func(int) Packet {
		return Packet{SrcMAC: mac(rng.IntN(n / 2)), DstMAC: mac(n/2 + rng.IntN(n-n/2)), Src: 0x0a000001, Dst: 0x0a000002, Proto: protoUDP}
	})
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("L2 switch, %d stations", n), Hook: h, Frames: frames, KeySize: 8, Entries: n, MemoryBound: MemoryBound(n)}
	same := func(_ int, frame []byte) []byte { return frame }
	for _, v := range both() {
		err := s.add(v, "l2", "l2", "L2", same, func(t *tables) error {
			for i := range n {
				t.entry("macs", "mac_entries", uint32(i+1), wireMAC(mac(i)), port(i))
			}
			return nil
		})
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	return s, nil
}
