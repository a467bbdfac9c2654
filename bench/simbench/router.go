package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/p4nic/p4nic/internal/capture"
)

// route is an IPv4 prefix.
type route struct {
	addr   uint32
	length int
}

// router is the program under test with its routes, which are written into it so
// that both programs have them from the start.
type router struct{ routes []route }

// newRouter draws n routes: most of them of 24 bits, as in a real table; one route
// is 10.0.0.0/8.
func newRouter(n int) *router {
	if n == 1 {
		return &router{[]route{{10 << 24, 8}}}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	lengths := []int{16, 18, 20, 22, 24, 24, 24, 24, 24, 24, 24, 24, 32}
	r := &router{}
	seen := map[route]bool{}
	for len(r.routes) < n {
		l := lengths[rng.IntN(len(lengths))]
		p := route{rng.Uint32() >> (32 - l) << (32 - l), l}
		if first := p.addr >> 24; first == 0 || first == 127 || first >= 224 || seen[p] {
			continue
		}
		seen[p] = true
		r.routes = append(r.routes, p)
	}
	return r
}

const program = `#include <core.p4>
#include <v1model.p4>

header ethernet_t { bit<48> dst; bit<48> src; bit<16> type; }
header ipv4_t {
    bit<4> version; bit<4> ihl; bit<8> tos; bit<16> length;
    bit<16> id; bit<3> flags; bit<13> fragment;
    bit<8> ttl; bit<8> protocol; bit<16> checksum;
    bit<32> src; bit<32> dst;
}
struct headers_t { ethernet_t ethernet; ipv4_t ipv4; }
struct metadata_t { }

parser P(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) { 0x800: ipv4; default: accept; }
    }
    state ipv4 { packet.extract(hdr.ipv4); transition accept; }
}
control V(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.ipv4.isValid(), { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.flags,
            hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst }, hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}
control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    action drop() { mark_to_drop(std); }
    action forward(bit<48> mac, bit<9> port) {
        std.egress_spec = port;
        hdr.ethernet.src = hdr.ethernet.dst;
        hdr.ethernet.dst = mac;
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
    }
    table routes {
        key = { hdr.ipv4.dst: lpm; }
        actions = { forward; drop; }
        const default_action = drop();
        size = %d;
        const entries = {
%s        }
    }
    apply { if (hdr.ipv4.isValid() && hdr.ipv4.ttl > 1) routes.apply(); else drop(); }
}
control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) { apply { } }
control C(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(hdr.ipv4.isValid(), { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.flags,
            hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst }, hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}
control D(packet_out packet, in headers_t hdr) { apply { packet.emit(hdr.ethernet); packet.emit(hdr.ipv4); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

// source is the program with the routes as entries; all lead to port 1.
func (r *router) source() string {
	var entries strings.Builder
	for i, p := range r.routes {
		fmt.Fprintf(&entries, "            0x%08x &&& 0x%08x: forward(0x0200000000%02x, 1);\n", p.addr, ^uint32(0)<<(32-p.length), i%200+1)
	}
	return fmt.Sprintf(program, len(r.routes)+1024, entries.String())
}

// frameSize is what a frame has without its checksum: the shortest on Ethernet.
const frameSize = 60

// frame makes a UDP frame of frameSize bytes to an address of a random route.
func (r *router) frame(rng *rand.Rand, id int) []byte {
	b := make([]byte, frameSize)
	copy(b, []byte{2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, 0xbb, 8, 0, 0x45, 0, 0, frameSize - 14})
	ip := b[14:34]
	binary.BigEndian.PutUint16(ip[4:], uint16(id))
	ip[8], ip[9] = 64, 17
	copy(ip[12:], []byte{11, 0, 0, 1})
	p := r.routes[rng.IntN(len(r.routes))]
	dst := p.addr
	if p.length < 32 {
		dst |= rng.Uint32() >> p.length
	}
	binary.BigEndian.PutUint32(ip[16:], dst)
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum&0xffff + sum>>16
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	return b
}

// gap is the time between two frames of a capture.
const gap = 40 * time.Microsecond

// writeCapture writes n frames.
func (r *router) writeCapture(path string, n int) error {
	w, err := capture.CreateMicro(path)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 4))
	start := time.Unix(1000, 0)
	for i := range n {
		if err := w.Write(capture.Frame{Time: start.Add(time.Duration(i) * gap), Data: r.frame(rng, i)}); err != nil {
			return err
		}
	}
	return w.Close()
}
