package ref

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

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
	dir := variant{defs: []string{"DIR_24_8"}}
	for _, v := range append(both(), dir) {
		what := "L3"
		if len(v.defs) > 0 {
			what = "L3 by DIR-24-8"
		}
		err := s.add(v, "l3", "l3", what, net.Want, func(t *tables) error {
			if len(v.defs) > 0 {
				if err := fillDIR(t.coll.Maps["dir"], net.Routes); err != nil {
					return err
				}
			}
			for i, r := range net.Routes {
				if len(v.defs) > 0 {
					break
				}
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

// fillDIR writes routes into struct dir of l3.bpf.c.
func fillDIR(m *ebpf.Map, routes []Route) error {
	const groups, low = 1 << 14, 2 << 24 // low: offset of the second level
	mem, err := bench.MapMemory(m)
	if err != nil {
		return err
	}
	defer unix.Munmap(mem)
	get := func(at int) uint16 { return binary.NativeEndian.Uint16(mem[at:]) }
	fill := func(at, n int, v uint16) {
		for i := range n {
			binary.NativeEndian.PutUint16(mem[at+2*i:], v)
		}
	}
	// Longer ones last: they stand over what they are part of.
	sorted := slices.Clone(routes)
	slices.SortStableFunc(sorted, func(a, b Route) int { return a.Len - b.Len })
	used := 0
	for _, r := range sorted {
		top := 2 * int(r.Addr>>8)
		if r.Len <= 24 {
			fill(top, 1<<(24-r.Len), uint16(r.Hop+1))
			continue
		}
		v := get(top)
		if v&0x8000 == 0 {
			if used == groups {
				return errors.New("the second level of DIR-24-8 is full")
			}
			fill(low+512*used, 256, v)
			v = 0x8000 | uint16(used)
			fill(top, 1, v)
			used++
		}
		fill(low+512*int(v&0x7fff)+2*int(r.Addr&0xff), 1<<(32-r.Len), uint16(r.Hop+1))
	}
	return nil
}
