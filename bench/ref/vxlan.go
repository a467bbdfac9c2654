package ref

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/p4nic/p4nic/bench"
)

const (
	tunnelCount = 64
	outerLen    = 50
	tunnelVNI   = 0x1234
)

func stationMAC(i int) uint64 { return 0x020000000000 | uint64(i+1)*0x9e3779b1&0xffffffff }

// outerHeader is what stands in front of a frame of size bytes that goes through
// tunnel i; all of it but the UDP source port, which is the sender's choice.
func outerHeader(i, size int) []byte {
	b := make([]byte, outerLen)
	putMAC(b, 0x023000000000|uint64(i))
	putMAC(b[6:], 0x020000000101)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[14:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(size+outerLen-14))
	ip[6], ip[8], ip[9] = 0x40, 64, protoUDP
	binary.BigEndian.PutUint32(ip[12:], 0xac100001)
	binary.BigEndian.PutUint32(ip[16:], 0xac110000+uint32(i))
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip[:20]))
	binary.BigEndian.PutUint16(b[36:], 4789)
	binary.BigEndian.PutUint16(b[38:], uint16(size+16))
	b[42] = 0x08
	binary.BigEndian.PutUint32(b[46:], tunnelVNI<<8)
	return b
}

// VXLANEncap sends frames to n remote stations through their tunnels.
func VXLANEncap(h bench.Hook, n int) (*Scenario, error) {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	stations := map[uint64]int{}
	for i := range n {
		stations[stationMAC(i)] = i
	}
	frames, err := Frames(destinations(n), func(int) Packet {
		return Packet{DstMAC: stationMAC(rng.IntN(n)), SrcMAC: 0x020000000002, Src: 0x0a000001, Dst: 0x0a000002, Proto: protoUDP}
	})
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("VXLAN encapsulation, %d stations", n), Hook: h, Frames: frames, KeySize: 8, Entries: n, MemoryBound: MemoryBound(n)}
	want := func(_ int, frame []byte) []byte {
		return append(outerHeader(stations[getMAC(frame)]%tunnelCount, len(frame)), frame...)
	}
	for _, v := range both() {
		err := s.add(v, "vxlan", "encap", "VXLAN", want, func(t *tables) error {
			for i := range n {
				t.entry("remotes", "remote_entries", uint32(i+1), wireMAC(stationMAC(i)), uint32(i%tunnelCount))
			}
			for i := range tunnelCount {
				var e struct {
					Header    [56]byte
					Sum, Port uint32
				}
				copy(e.Header[:], outerHeader(i, 0))
				ip := e.Header[14:34]
				ip[2], ip[3], ip[10], ip[11] = 0, 0, 0, 0
				e.Sum, e.Port = uint32(be16(^checksum(0, ip))), 1
				t.put("tunnels", uint32(i), e)
			}
			return nil
		})
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	// The source port is free within 49152 to 65535 (RFC 7348 section 5).
	for _, c := range s.Candidates {
		c.Ignore = func(out []byte) {
			if len(out) > 36 && out[34]&0xc0 == 0xc0 {
				out[34], out[35] = 0, 0
			}
		}
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	return s, nil
}

// VXLANDecap takes frames for n local stations out of their tunnel.
func VXLANDecap(h bench.Hook, n int) (*Scenario, error) {
	rng := rand.New(rand.NewPCG(6, uint64(n)))
	frames, err := bench.MakeFrames(destinations(n), outerLen+frameLen, func(_ int, b []byte) {
		copy(b, outerHeader(1, frameLen))
		binary.BigEndian.PutUint16(b[34:], uint16(0xc000|rng.IntN(0x4000)))
		p := Packet{DstMAC: stationMAC(rng.IntN(n)), SrcMAC: 0x020000000002, Src: 0x0a000001, Dst: 0x0a000002, Proto: protoUDP}
		p.Write(b[outerLen:])
	})
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("VXLAN decapsulation, %d stations", n), Hook: h, Frames: frames, KeySize: 8, Entries: n, MemoryBound: MemoryBound(n)}
	want := func(_ int, frame []byte) []byte { return frame[outerLen:] }
	for _, v := range both() {
		err := s.add(v, "vxlan", "decap", "VXLAN", want, func(t *tables) error {
			const bridge = 7
			t.entry("vnis", "vni_entries", 1, uint32(tunnelVNI), bridge)
			for i := range n {
				t.entry("locals", "local_entries", uint32(i+1), wireMAC(stationMAC(i))|bridge<<48, uint32(1+i%3))
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
