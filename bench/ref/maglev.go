package ref

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/p4nic/p4nic/bench"
)

const (
	ringSize  = 65537
	vipCount  = 8
	realCount = 100
)

// maglevRing gives every place its real by the paper's algorithm (Eisenbud et
// al., NSDI 2016, section 3.4): each real walks its own permutation of the
// places, in turns, and takes the next free one.
func maglevRing(vip int) []uint32 {
	next := make([]uint64, realCount)
	offset, skip := make([]uint64, realCount), make([]uint64, realCount)
	for i := range offset {
		r := rand.New(rand.NewPCG(uint64(vip), uint64(i)))
		offset[i], skip[i] = r.Uint64N(ringSize), 1+r.Uint64N(ringSize-1)
	}
	ring := make([]uint32, ringSize)
	taken := make([]bool, ringSize)
	for n := 0; ; {
		for i := range offset {
			place := (offset[i] + next[i]*skip[i]) % ringSize
			for taken[place] {
				next[i]++
				place = (offset[i] + next[i]*skip[i]) % ringSize
			}
			taken[place], ring[place] = true, uint32(i)
			next[i]++
			if n++; n == ringSize {
				return ring
			}
		}
	}
}

// flowHash is the hash of maglev.bpf.c.
func flowHash(f flow) uint32 {
	w := f.wire()
	a := (uint64(w.Src)<<32 | uint64(w.Dst)) * 0x9e3779b97f4a7c15
	b := (uint64(w.Proto)<<32 | uint64(w.Sport)<<16 | uint64(w.Dport)) ^ a>>32 ^ a
	b *= 0xd6e8feb86659fd93
	b ^= b >> 32
	b *= 0xd6e8feb86659fd93
	return uint32(b >> 32)
}

// Maglev balances n flows over the reals of some VIPs, by the ring alone and with
// a table of connections in front.
func Maglev(h bench.Hook, n int) (*Scenario, error) {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	const firstVIP = 0xc0000264 // 192.0.2.100
	fs := flows(rng, n, func() (uint32, uint16) { return firstVIP + rng.Uint32N(vipCount), 443 })
	frames, err := flowFrames(rng, fs)
	if err != nil {
		return nil, err
	}
	rings := make([][]uint32, vipCount)
	for i := range rings {
		rings[i] = maglevRing(i)
	}
	realMAC := func(i uint32) uint64 { return 0x024000000000 | uint64(i) }
	realAddr := func(i uint32) uint32 { return 0xac120000 + i }
	const ownMAC, source = 0x020000000101, 0xac100000
	s := &Scenario{Title: fmt.Sprintf("Maglev, %d flows", n), Hook: h, Frames: frames, KeySize: 16, Entries: n, MemoryBound: MemoryBound(n)}
	want := func(_ int, frame []byte) []byte {
		f := flowOf(frame)
		hash := flowHash(f)
		r := rings[f.Dst-firstVIP][uint64(hash)*ringSize>>32]
		out := make([]byte, len(frame)+20)
		copy(out[20:], frame)
		putMAC(out, realMAC(r))
		putMAC(out[6:], ownMAC)
		binary.BigEndian.PutUint16(out[12:], 0x0800)
		ip := out[14:34]
		clear(ip)
		ip[0], ip[8], ip[9] = 0x45, 64, 4
		binary.BigEndian.PutUint16(ip[2:], uint16(len(frame)-14+20))
		binary.BigEndian.PutUint32(ip[12:], source)
		binary.LittleEndian.PutUint16(ip[14:], uint16(hash))
		binary.BigEndian.PutUint32(ip[16:], realAddr(r))
		binary.BigEndian.PutUint16(ip[10:], checksum(0, ip))
		return out
	}
	type vip struct {
		Addr        uint32
		Port, Proto uint16
	}
	type target struct {
		DstMAC, SrcMAC      [6]byte
		Src, Dst, Sum, Port uint32
	}
	fill := func(v variant) func(t *tables) error {
		return func(t *tables) error {
			for i := range uint32(vipCount) {
				for k, proto := range []uint16{protoTCP, protoUDP} {
					t.entry("vips", "vip_entries", 1+2*i+uint32(k), vip{be32(firstVIP + i), be16(443), proto}, i)
				}
			}
			places := slices.Concat(rings...)
			if v.p4nic {
				for i := range places {
					places[i]++ // handles begin with 1
				}
			}
			t.array("rings", places)
			for i := range uint32(realCount) {
				e := target{Src: be32(source), Dst: be32(realAddr(i)), Port: 1}
				putMAC(e.DstMAC[:], realMAC(i))
				putMAC(e.SrcMAC[:], ownMAC)
				ip := make([]byte, 20)
				ip[0], ip[8], ip[9] = 0x45, 64, 4
				binary.BigEndian.PutUint32(ip[12:], source)
				binary.BigEndian.PutUint32(ip[16:], realAddr(i))
				e.Sum = uint32(be16(^checksum(0, ip)))
				if v.p4nic {
					t.put("real_entries", i+1, uint64(i))
				}
				t.put("reals", i, e)
			}
			return nil
		}
	}
	for _, v := range append(both(), both("CONNECTIONS")...) {
		what := "Maglev"
		if len(v.defs) > 0 {
			what = "Maglev with connections"
		}
		if err := s.add(v, "maglev", "maglev", what, want, fill(v)); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	return s, nil
}
