package ref

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/p4nic/p4nic/bench"
)

// Route is an IPv4 prefix and where it leads.
type Route struct {
	Addr uint32
	Len  int
	Hop  int
}

// Network is a routing table with its next hops and frames for it.
type Network struct {
	Routes []Route
	Hops   int
	// RouterMAC is the address of the port the frames come from.
	RouterMAC uint64
	// Port is where everything leaves.
	Port   uint32
	Frames *bench.Frames
}

// HopMAC is the address of a next hop; OwnMAC that of the port to it.
func (n *Network) HopMAC(hop int) uint64 { return 0x021000000000 | uint64(hop) }
func (n *Network) OwnMAC() uint64        { return 0x020000000101 }

// NewNetwork makes n routes, or one 10.0.0.0/8 for n = 1: lengths as in a table of
// the Internet (60 % /24, the rest /16 to /23, a few longer), over up to 64 next
// hops; and frames to random addresses within random prefixes.
func NewNetwork(n int) (*Network, error) {
	net := &Network{Hops: min(max(n, 1), 64), RouterMAC: 0x020000000001, Port: 1}
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	seen := map[Route]bool{}
	for len(net.Routes) < n {
		length := 24
		switch r := rng.IntN(100); {
		case n == 1:
			length = 8
		case r >= 96:
			length = 25 + rng.IntN(8)
		case r >= 60:
			length = 16 + rng.IntN(8)
		}
		addr := (11 + rng.Uint32N(113)) << 24 // 11 to 123
		if n == 1 {
			addr = 10 << 24
		}
		addr = (addr | rng.Uint32N(1<<24)) &^ (1<<(32-length) - 1)
		k := Route{Addr: addr, Len: length}
		if seen[k] {
			continue
		}
		seen[k] = true
		k.Hop = len(net.Routes) % net.Hops
		net.Routes = append(net.Routes, k)
	}
	var err error
	net.Frames, err = Frames(destinations(n), func(int) Packet {
		r := net.Routes[rng.IntN(n)]
		return Packet{DstMAC: net.RouterMAC, SrcMAC: 0x020000000002, Src: 0xc0000201, Dst: r.Addr | rng.Uint32()&(1<<(32-r.Len)-1),
			SrcPort: 1234, DstPort: 80, Proto: protoUDP}
	})
	return net, err
}

// Want gives what a router makes of a frame: a linear search for the longest
// prefix, everything computed anew.
func (n *Network) Want(_ int, frame []byte) []byte {
	dst := binary.BigEndian.Uint32(frame[30:])
	best := -1
	for i, r := range n.Routes {
		if (dst^r.Addr)>>(32-r.Len) == 0 && (best < 0 || r.Len > n.Routes[best].Len) {
			best = i
		}
	}
	out := append([]byte(nil), frame...)
	if best < 0 {
		return out
	}
	putMAC(out, n.HopMAC(n.Routes[best].Hop))
	putMAC(out[6:], n.OwnMAC())
	out[22]--
	FixChecksums(out)
	return out
}
