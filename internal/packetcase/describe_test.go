package packetcase

import (
	"fmt"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"010203", "eth.dst 0+3"},
		{"eth / vlan / ipv4 opt=01010101 / udp / hex 01 02", "eth.dst 0+6 eth.src 6+6 eth.type 12+2 vlan.pcp+dei+vid 14+2 vlan.type 16+2 " +
			"ipv4.version+ihl 18+1 ipv4.tos 19+1 ipv4.len 20+2 ipv4.id 22+2 ipv4.flags+frag 24+2 ipv4.ttl 26+1 ipv4.proto 27+1 ipv4.sum 28+2 " +
			"ipv4.src 30+4 ipv4.dst 34+4 ipv4.opt 38+4 udp.sport 42+2 udp.dport 44+2 udp.len 46+2 udp.sum 48+2 0032 50+2"},
		{"eth / ipv6 / hop / icmpv6 / cut 64", "eth.dst 0+6 eth.src 6+6 eth.type 12+2 ipv6.version+tc+flow 14+4 ipv6.len 18+2 ipv6.next 20+1 ipv6.hops 21+1 " +
			"ipv6.src 22+16 ipv6.dst 38+16 hop.next 54+1 hop.len 55+1 hop.options 56+6 icmpv6.type 62+1 icmpv6.code 63+1"},
	} {
		b, err := ParseFrame(c.in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range Describe(b) {
			got = append(got, fmt.Sprintf("%s %d+%d", p.Name, p.Off, p.Len))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.in, s, c.want)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x01\x08\x00\x4f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		off := 0
		for _, p := range Describe(b) {
			if p.Off != off || p.Len <= 0 {
				t.Fatalf("%x: part %+v, expected at %d", b, p, off)
			}
			off += p.Len
		}
		if off != len(b) {
			t.Fatalf("%x: %d of %d bytes", b, off, len(b))
		}
	})
}
