package bmv2tests

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// psaRequest is a packet for psa.p4.
func psaRequest(op, key byte, x uint16, colour byte, y uint64) []byte {
	b := []byte{op, key, byte(x >> 8), byte(x), colour, byte(y >> 32), byte(y >> 24), byte(y >> 16), byte(y >> 8), byte(y), 0, 0}
	return append(b, "and some payload"...)
}

// lang:S27 lang:S28 p4rt:MT10: a meter that is told a colour never marks better, and takes from
// fewer buckets.
func TestMarkersPSA(t *testing.T) {
	eachRack(t, "psa.p4", func(r *rack) {
		rnd := rand.New(rand.NewPCG(7, 8))
		i, _ := r.table("I.rated")
		r.insert("I.rated", ir.Entry{Handle: 1, Priority: 1, Match: []ir.Match{{Value: []byte{0x40, 0}, Mask: []byte{0x40, 0}}}, Action: r.action("I.rated", "I.metered")})
		seen := map[[2]byte]int{}
		for range 20 {
			m := &ir.MeterRates{CIR: rnd.Uint64() >> (40 + rnd.IntN(20)), CBurst: 100 + rnd.Uint64()>>(54+rnd.IntN(8)), PBurst: 200 + rnd.Uint64()>>(52+rnd.IntN(8))}
			m.PIR = m.CIR + rnd.Uint64()>>(40+rnd.IntN(20))
			few := &ir.MeterRates{CIR: 20, CBurst: 2, PIR: 60, PBurst: 4}
			for cell := range uint32(4) {
				r.both(func(c Control) error { return c.SetMeter("I.octets", cell, m) })
				r.both(func(c Control) error { return c.SetMeter("I.frames", cell, few) })
			}
			few.CIR++
			r.both(func(c Control) error { return c.SetDirectMeter(i, 1, few) })
			for range 80 {
				r.now += rnd.Uint64() >> (40 + rnd.IntN(24))
				sent := r.send(psaRequest(2+byte(rnd.IntN(3)), byte(rnd.IntN(6)), uint16(rnd.Uint32()), byte(rnd.IntN(4)), rnd.Uint64()&1))
				b := unhex(t, sent[2:])
				seen[[2]byte{b[0], b[4]}]++
			}
		}
		for op := byte(2); op <= 4; op++ {
			for c := byte(0x10); c <= 0x12; c++ {
				if seen[[2]byte{op, c}] < 10 {
					t.Errorf("operation %d marks %#x %d times", op, c, seen[[2]byte{op, c}])
				}
			}
		}
	})
}

// lang:S29 lang:S32 lang:S33: the other objects.
func TestObjectsPSA(t *testing.T) {
	eachRack(t, "psa.p4", func(r *rack) {
		rnd := rand.New(rand.NewPCG(9, 10))
		r.member("I.pool", 1, "I.give", "1111")
		r.member("I.pool", 2, "I.far", "00000007")
		r.group("I.pool", 1, ir.GroupMember{Member: 1}, ir.GroupMember{Member: 2, Weight: 4})
		r.group("I.pool", 2)
		key := func(k byte) []ir.Match { return []ir.Match{{Value: []byte{k}}, {}, {}} }
		r.insert("I.spread", ir.Entry{Handle: 1, Match: key(1), Ref: ir.RefGroup, Target: 1})
		r.insert("I.spread", ir.Entry{Handle: 2, Match: key(2), Ref: ir.RefGroup, Target: 2})
		r.insert("I.spread", ir.Entry{Handle: 3, Match: key(3), Ref: ir.RefMember, Target: 2})
		ports := map[string]int{}
		for range 200 {
			ports[firstPort(r.send(psaRequest(1, 1, uint16(rnd.Uint32()), 0, rnd.Uint64()&(1<<40-1))))]++
		}
		if ports["7"] < 120 || ports["2"] < 20 {
			t.Errorf("by port: %v", ports)
		}
		if b := unhex(t, r.send(psaRequest(1, 2, 5, 0, 5))[2:]); b[10] != 0xe0 || b[11] != 0xe0 {
			t.Errorf("lang:S35 an empty group: %x", b)
		}
		if sent := r.send(psaRequest(1, 3, 5, 0, 5)); firstPort(sent) != "7" {
			t.Errorf("a member: %s", sent)
		}
		for _, want := range []byte{0x34, 0x35, 0x36} {
			if b := unhex(t, r.send(psaRequest(5, 3, 0, 0, 0))[2:]); b[10] != 0x12 || b[11] != want {
				t.Errorf("a register that begins with 0x1234: %x", b)
			}
		}
		r.send(psaRequest(5, 4, 0, 0, 0)) // beyond its cells
		r.send(psaRequest(6, 0, 0xabcd, 0, 0x0102030405))
		if got, want := r.digests(), []string{"ID.messages [abcd 00000002 05 0102030405]"}; !slices.Equal(got, want) {
			t.Errorf("messages %q, want %q", got, want)
		}
		r.state()
	})
}
