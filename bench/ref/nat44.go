package ref

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/p4nic/p4nic/bench"
)

// flow is a 5-tuple; struct flow of nat44.bpf.c and maglev.bpf.c.
type flow struct {
	Src, Dst     uint32
	Sport, Dport uint16
	Proto        uint32
}

// wire is the flow in the order of the wire, as programs have it in keys.
func (f flow) wire() flow {
	return flow{be32(f.Src), be32(f.Dst), be16(f.Sport), be16(f.Dport), f.Proto}
}

// flows makes n flows of clients 10.0.0.0/8 to servers; every fourth is UDP.
func flows(rng *rand.Rand, n int, server func() (uint32, uint16)) []flow {
	seen := map[flow]bool{}
	var fs []flow
	for len(fs) < n {
		f := flow{Src: 10<<24 | rng.Uint32N(1<<24), Sport: uint16(1024 + rng.IntN(64512)), Proto: protoTCP}
		f.Dst, f.Dport = server()
		if len(fs)%4 == 3 {
			f.Proto = protoUDP
		}
		if !seen[f] {
			seen[f] = true
			fs = append(fs, f)
		}
	}
	return fs
}

// of reads the flow of a frame.
func flowOf(frame []byte) flow {
	ip := frame[14:]
	return flow{binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:]),
		binary.BigEndian.Uint16(ip[20:]), binary.BigEndian.Uint16(ip[22:]), uint32(ip[9])}
}

// flowFrames makes frames of random flows of fs.
func flowFrames(rng *rand.Rand, fs []flow) (*bench.Frames, error) {
	return Frames(destinations(len(fs)), func(int) Packet {
		f := fs[rng.IntN(len(fs))]
		return Packet{DstMAC: 0x020000000001, SrcMAC: 0x020000000002, Src: f.Src, Dst: f.Dst, SrcPort: f.Sport, DstPort: f.Dport, Proto: uint8(f.Proto)}
	})
}

// NAT44 translates the sources of n established flows.
func NAT44(h bench.Hook, n int) (*Scenario, error) {
	const inside, outside = 0x020000000101, 0x020000000102
	rng := rand.New(rand.NewPCG(4, uint64(n)))
	fs := flows(rng, n, func() (uint32, uint16) { return 0xc6336400 | rng.Uint32N(256), 443 })
	to := map[flow]flow{}
	for i, f := range fs {
		x := f
		x.Src, x.Sport = 0xcb007101+uint32(i/60000), uint16(1024+i%60000)
		to[f] = x
	}
	frames, err := flowFrames(rng, fs)
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("NAT44, %d established flows", n), Hook: h, Frames: frames, KeySize: 16, Entries: n, MemoryBound: MemoryBound(n)}
	want := func(_ int, frame []byte) []byte {
		x := to[flowOf(frame)]
		out := append([]byte(nil), frame...)
		putMAC(out, outside)
		putMAC(out[6:], inside)
		out[22]--
		binary.BigEndian.PutUint32(out[26:], x.Src)
		binary.BigEndian.PutUint16(out[34:], x.Sport)
		FixChecksums(out)
		return out
	}
	type session struct {
		Src, Dst               uint32
		Sport, Dport, IPD, L4D uint16
		DstMAC, SrcMAC         [6]byte
		Port                   uint32
		Used, Packets          uint64
	}
	// delta is what a checksum's sum gains, in the order of the wire.
	delta := func(from, to []byte) uint16 {
		sum := uint32(0)
		for i := 0; i < len(from); i += 2 {
			sum += uint32(^binary.BigEndian.Uint16(from[i:])) + uint32(binary.BigEndian.Uint16(to[i:]))
		}
		return be16(^checksum(sum, nil))
	}
	for _, v := range both() {
		err := s.add(v, "nat44", "nat44", "NAT44", want, func(t *tables) error {
			for i, f := range fs {
				x := to[f]
				a := binary.BigEndian.AppendUint32(nil, f.Src)
				b := binary.BigEndian.AppendUint32(nil, x.Src)
				w := x.wire()
				e := session{Src: w.Src, Dst: w.Dst, Sport: w.Sport, Dport: w.Dport, IPD: delta(a, b), Port: 1}
				e.L4D = delta(binary.BigEndian.AppendUint16(a, f.Sport), binary.BigEndian.AppendUint16(b, x.Sport))
				putMAC(e.DstMAC[:], outside)
				putMAC(e.SrcMAC[:], inside)
				if !v.p4nic {
					t.put("flows", f.wire(), e)
					continue
				}
				t.entry("flows", "flow_entries", uint32(i+1), f.wire(), uint32(i))
				t.put("sessions", uint32(i), e)
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
