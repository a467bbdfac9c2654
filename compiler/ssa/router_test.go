package ssa

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// compileP4 compiles a program of the repository.
func compileP4(t testing.TB, path string) *ir.Program {
	t.Helper()
	r, err := driver.Compile(driver.Options{Path: filepath.Join("../..", path)})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return r.Core
}

const routerEntries = `
interfaces port=1 vlan=0 -> set_interface(7, 02:00:00:00:01:01)
interfaces port=1 vlan=100 -> set_interface(8, 02:00:00:00:01:01)
interfaces port=2 vlan=0 -> set_interface(7, 02:00:00:00:01:02)
acl src=10.9.0.0&&&255.255.0.0 dst_port=100..200 prio=5 -> deny()
acl protocol=6&&&0xff prio=3 -> permit()
acl6 src_port=1..99 prio=9 -> deny()
ipv4_routes vrf=7 prefix=10.0.0.0/8 -> set_group(1)
ipv4_routes vrf=7 prefix=10.1.0.0/16 -> set_group(2)
ipv4_routes vrf=7 prefix=10.1.1.1/32 -> to_host()
ipv4_routes vrf=8 prefix=0.0.0.0/0 -> set_group(1)
ipv6_routes vrf=7 prefix=2001:db8::/32 -> set_group(1)
ipv6_routes vrf=7 prefix=2001:db8:1::/48 -> set_group(2)
next_hop_groups group=1 -> set_buckets(10, 3)
next_hop_groups group=2 -> set_buckets(20, 1)
buckets bucket=10 -> set_next_hop(1)
buckets bucket=11 -> set_next_hop(2)
buckets bucket=12 -> set_next_hop(3)
buckets bucket=20 -> set_next_hop(4)
next_hops next_hop=1 -> via_v4(1, 0, 192.0.2.1)
next_hops next_hop=2 -> via_v4(2, 100, 192.0.2.2)
next_hops next_hop=3 -> via_v6(2, 0, fe80::1)
next_hops next_hop=4 -> on_link(1, 100)
neighbours_v4 port=1 address=192.0.2.1 -> set_neighbour(02:00:00:00:02:01)
neighbours_v4 port=2 address=192.0.2.2 -> set_neighbour(02:00:00:00:02:02)
neighbours_v4 port=1 address=10.1.2.3 -> set_neighbour(02:00:00:00:02:03)
neighbours_v6 port=2 address=fe80::1 -> set_neighbour(02:00:00:00:02:04)
neighbours_v6 port=1 address=2001:db8:1::2 -> set_neighbour(02:00:00:00:02:05)
egress_interfaces port=1 vlan=0 -> set_source(02:00:00:00:01:01)
egress_interfaces port=1 vlan=100 -> set_source(02:00:00:00:01:01)
egress_interfaces port=2 vlan=0 -> set_source(02:00:00:00:01:02)
egress_interfaces port=2 vlan=100 -> set_source(02:00:00:00:01:02)
`

// routerFrame is a frame that the router's tables know, whole or nearly so.
func routerFrame(r *rand.Rand) []byte {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	b := []byte("\x02\x00\x00\x00\x01" + pick("\x01", "\x01", "\x02") + "\x02\x00\x00\x00\x09\x09")
	if r.IntN(3) == 0 {
		b = append(b, 0x81, 0, 0, 100)
	}
	proto := byte(pick("\x06", "\x11", "\x3a")[0])
	l4 := binary.BigEndian.AppendUint16(nil, uint16(r.IntN(300)))
	l4 = binary.BigEndian.AppendUint16(l4, uint16(r.IntN(300)))
	l4 = append(l4, randomBytes(r, r.IntN(20))...)
	if r.IntN(2) == 0 {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(l4)))
		b = append(b, proto, byte(pick("\x01", "\x02", "\x40")[0]))
		b = append(b, "\x20\x01\x0d\xb8\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"+pick("\x01", "\x07")...)
		b = append(b, "\x20\x01\x0d\xb8\x00"+pick("\x00", "\x01")+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"...)
		return append(b, l4...)
	}
	b = append(b, 8, 0)
	h := []byte("\x45\x00\x00\x00\x12\x34\x40\x00" + pick("\x01", "\x02", "\x40") + string(proto) + "\x00\x00\x0a" + pick("\x09", "\x08") + "\x00\x01" +
		pick("\x0a\x01\x02\x03", "\x0a\x02\x02\x03", "\x0a\x01\x01\x01", "\x0b\x01\x01\x01"))
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(l4)))
	var s uint32
	for i := 0; i < 20; i += 2 {
		s += uint32(h[i])<<8 | uint32(h[i+1])
	}
	s = s>>16 + s&0xffff
	binary.BigEndian.PutUint16(h[10:], ^uint16(s>>16+s))
	return append(append(b, h...), l4...)
}

// TestRouter: p4src/router.p4 behaves as on the reference interpreter, on 10,000
// frames.
func TestRouter(t *testing.T) {
	p := compileP4(t, "p4src/router.p4")
	content, err := packetcase.ParseEntries(p, routerEntries)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := newPair(t, p, content, map[string]Options{"lowered": {NoOptimize: true}, "optimised": {}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, in := range pair.ssa {
		for _, b := range in.f.Blocks {
			n += len(b.Instrs)
		}
		t.Logf("%d blocks, %d values", len(in.f.Blocks), n)
		n = 0
	}
	if dir := os.Getenv("P4NIC_SSA_DUMP"); dir != "" {
		for i, in := range pair.ssa {
			if err := os.WriteFile(filepath.Join(dir, "router-"+pair.name[i]+".ssa"), []byte(in.f.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := rand.New(rand.NewPCG(11, 12))
	forwarded := 0
	for range 10000 {
		f := routerFrame(r)
		if r.IntN(2) == 0 {
			f = mutate(r, [][]byte{f})
		}
		if d := pair.frame(uint32(1+r.IntN(2)), f); d != "" {
			t.Fatal(d)
		}
		if res, _ := pair.ssa[0].Process(Packet{Port: 1, Data: f}); !res.Dropped && res.Port < 500 {
			forwarded++
		}
	}
	if forwarded < 500 {
		t.Errorf("only %d frames were forwarded", forwarded)
	}
}
