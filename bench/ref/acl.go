package ref

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/bench"
)

// aclRule matches a 5-tuple; ranges are closed.
type aclRule struct {
	src, dst       uint32
	srcLen, dstLen int
	sport, dport   [2]uint16
	proto          uint8
	anyProto       bool
}

func (r *aclRule) matches(f flow) bool {
	prefix := func(a, b uint32, n int) bool { return n == 0 || (a^b)>>(32-n) == 0 }
	within := func(x uint16, r [2]uint16) bool { return x >= r[0] && x <= r[1] }
	return prefix(f.Src, r.src, r.srcLen) && prefix(f.Dst, r.dst, r.dstLen) && within(f.Sport, r.sport) && within(f.Dport, r.dport) &&
		(r.anyProto || uint32(r.proto) == f.Proto)
}

// aclRules makes n rules like ClassBench's (docs/checklists/feasibility.md,
// section 3): 200 networks, prefixes of mixed length, destination ports exact,
// above 1,023, arbitrary ranges or any.
func aclRules(rng *rand.Rand, n int) []aclRule {
	networks := make([]uint32, 200)
	for i := range networks {
		networks[i] = rng.Uint32() &^ 0xffff
	}
	prefix := func() (uint32, int) {
		length := []int{0, 16, 20, 24, 24, 28, 32, 32}[rng.IntN(8)]
		a := networks[rng.IntN(len(networks))] | rng.Uint32()&0xffff
		if length == 0 {
			return 0, 0
		}
		return a &^ (1<<(32-length) - 1), length
	}
	ports := func(exact int) [2]uint16 {
		switch r := rng.IntN(100); {
		case r < 10:
			return [2]uint16{1024, 65535}
		case r < 25:
			lo := uint16(rng.IntN(60000))
			return [2]uint16{lo, lo + uint16(rng.IntN(5000))}
		case r < 25+exact:
			p := uint16(rng.IntN(1024))
			return [2]uint16{p, p}
		}
		return [2]uint16{0, 65535}
	}
	rules := make([]aclRule, n)
	for i := range rules {
		r := &rules[i]
		r.src, r.srcLen = prefix()
		r.dst, r.dstLen = prefix()
		r.sport, r.dport = ports(0), ports(60)
		r.proto, r.anyProto = []uint8{protoTCP, protoTCP, protoUDP}[rng.IntN(3)], rng.IntN(100) < 15
	}
	return rules
}

// aclFlows makes flows of which nine of ten fit some rule.
func aclFlows(rng *rand.Rand, rules []aclRule, n int) []flow {
	fs := make([]flow, n)
	host := func(a uint32, n int) uint32 {
		if n == 0 {
			return rng.Uint32()
		}
		return a | rng.Uint32()&(1<<(32-n)-1)
	}
	for i := range fs {
		r := &rules[rng.IntN(len(rules))]
		f := &fs[i]
		*f = flow{host(r.src, r.srcLen), host(r.dst, r.dstLen), r.sport[0] + uint16(rng.IntN(int(r.sport[1]-r.sport[0])+1)),
			r.dport[0] + uint16(rng.IntN(int(r.dport[1]-r.dport[0])+1)), uint32(r.proto)}
		if rng.IntN(10) == 0 {
			f.Src, f.Dst = rng.Uint32(), rng.Uint32()
		}
	}
	return fs
}

const (
	aclMax    = 4096
	aclFields = 7
	aclRows   = 4096
)

// aclClasses builds the classes and rows of the bit vectors: for each field, two
// values have the same class when the same rules accept both.
func aclClasses(rules []aclRule) (classes []uint16, rows [][]uint64, err error) {
	accepts := func(r *aclRule, field, v int) bool {
		half := func(a uint32, length, shift int) bool {
			mask := uint32(0)
			if length > 0 {
				mask = ^uint32(0) << (32 - length)
			}
			m := uint16(mask >> shift)
			return uint16(v)&m == uint16(a>>shift)&m
		}
		switch field {
		case 0:
			return half(r.dst, r.dstLen, 16)
		case 1:
			return half(r.src, r.srcLen, 16)
		case 2:
			return half(r.dst, r.dstLen, 0)
		case 3:
			return half(r.src, r.srcLen, 0)
		case 4:
			return v >= int(r.dport[0]) && v <= int(r.dport[1])
		case 5:
			return v >= int(r.sport[0]) && v <= int(r.sport[1])
		}
		return v < 256 && (r.anyProto || v == int(r.proto))
	}
	classes = make([]uint16, aclFields*65536)
	for field := range aclFields {
		seen := map[string]uint16{}
		for v := range 65536 {
			words := make([]byte, aclMax/8)
			for i := range rules {
				if accepts(&rules[i], field, v) {
					words[i/8] |= 1 << (i % 8)
				}
			}
			id, ok := seen[string(words)]
			if !ok {
				id = uint16(len(rows))
				seen[string(words)] = id
				row := make([]uint64, 1+aclMax/64)
				for w := range aclMax / 64 {
					row[1+w] = binary.LittleEndian.Uint64(words[8*w:])
					if row[1+w] != 0 {
						row[0] |= 1 << w
					}
				}
				if rows = append(rows, row); len(rows) > aclRows {
					return nil, nil, errors.New("the rules have too many classes for acl.bpf.c")
				}
			}
			classes[field*65536+v] = id
		}
	}
	return classes, rows, nil
}

// ACL filters by n rules (at most 1,000 for the scan), all of which permit.
func ACL(h bench.Hook, n int) (*Scenario, error) {
	n = min(n, 1000)
	rng := rand.New(rand.NewPCG(8, uint64(n)))
	rules := aclRules(rng, n)
	fs := aclFlows(rng, rules, 1<<16)
	frames, err := Frames(len(fs), func(i int) Packet {
		f := fs[i]
		return Packet{DstMAC: 0x020000000001, SrcMAC: 0x020000000002, Src: f.Src, Dst: f.Dst, SrcPort: f.Sport, DstPort: f.Dport, Proto: uint8(f.Proto)}
	})
	if err != nil {
		return nil, err
	}
	s := &Scenario{Title: fmt.Sprintf("ACL, %d rules", n), Hook: h, Frames: frames, KeySize: 16, Entries: n, MemoryBound: true}
	type row struct {
		Value, Mask uint64
		Ports       [4]uint16
		Proto, Any  uint8
		Pad         uint16
		Handle      uint32
	}
	fills := map[string]func(t *tables) error{
		"ACL by scan": func(t *tables) error {
			type list struct {
				Count, Pad uint32
				Rules      [aclMax]row
			}
			l := list{Count: uint32(n)}
			mask := func(n int) uint64 { return uint64(^uint32(0)) << (32 - n) & 0xffffffff }
			for i, r := range rules {
				l.Rules[i] = row{Value: uint64(r.src)<<32 | uint64(r.dst), Mask: mask(r.srcLen)<<32 | mask(r.dstLen),
					Ports: [4]uint16{r.sport[0], r.sport[1], r.dport[0], r.dport[1]}, Proto: r.proto, Handle: uint32(i + 1)}
				if r.anyProto {
					l.Rules[i].Any = 1
				}
			}
			t.put("rules", uint32(0), &l)
			return nil
		},
		"ACL by bit vectors": func(t *tables) error {
			classes, rows, err := aclClasses(rules)
			if err != nil {
				return err
			}
			t.put("classes", uint32(0), classes)
			for i, r := range rows {
				t.put("rows", uint32(i), r)
			}
			return nil
		},
	}
	for _, c := range []struct {
		what string
		defs []string
	}{{"ACL by scan", nil}, {"ACL by bit vectors", []string{"BIT_VECTOR"}}} {
		err := s.add(variant{p4nic: true, defs: c.defs}, "acl", "acl", c.what, func(_ int, frame []byte) []byte { return frame }, func(t *tables) error {
			if err := fills[c.what](t); err != nil || t.err != nil {
				return errors.Join(err, t.err)
			}
			return verifyACL(h, t.coll, rules, frames)
		})
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	return s, nil
}

// verifyACL finds out which rule a program applies to a frame: where only the
// handles with a certain bit deny, the verdict is that bit.
func verifyACL(h bench.Hook, coll *ebpf.Collection, rules []aclRule, frames *bench.Frames) error {
	entries := coll.Maps["entries"]
	const samples = 500
	got := make([]int, samples)
	for bit := range bits.Len(uint(len(rules))) {
		for handle := range uint32(len(rules) + 1) {
			if err := entries.Put(handle, uint64(handle>>bit&1)<<56); err != nil {
				return err
			}
		}
		for i := range got {
			verdict, err := coll.Programs["acl"].Run(&ebpf.RunOptions{Data: frames.At(i * 131)})
			if err != nil {
				return err
			}
			if verdict != Redirected(h) {
				got[i] |= 1 << bit
			}
		}
	}
	for i, g := range got {
		f, want := flowOf(frames.At(i*131)), 0
		for k := range rules {
			if rules[k].matches(f) {
				want = k + 1
				break
			}
		}
		if g != want {
			return fmt.Errorf("flow %+v: rule %d applied, want %d", f, g, want)
		}
	}
	for handle := range uint32(len(rules) + 1) {
		if err := entries.Put(handle, uint64(0)); err != nil {
			return err
		}
	}
	return nil
}
