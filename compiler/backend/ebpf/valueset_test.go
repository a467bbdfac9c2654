package ebpf

import (
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestValueSets: members with and without masks, of one field and of several,
// changed between packets; the kernel agrees with the SSA interpreter and with the
// reference (lang:P20).
func TestValueSets(t *testing.T) {
	p := core(t, `program "sets" arch "v1model";
%v1model%
header h_t { bit<16> a; bit<72> b; bit<8> c; }
struct headers_t { h_t h; }
struct meta_t { bit<8> way; }
struct pair_t { bit<72> b; bit<8> c; }
valueset one bit<16> size 4;
valueset two pair_t size 3;
parser p (packet_in b, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	state start {
		extract(hdr.h);
		select (hdr.h.a, hdr.h.b, hdr.h.c) {
			(valueset one 0, _, _) => first;
			(_, valueset two 0, valueset two 1) => second;
			default => accept;
		}
	}
	state first { meta.way = 8w1; goto accept; }
	state second { meta.way = 8w2; goto accept; }
}
control vr (inout headers_t hdr, inout meta_t meta) { }
control ig (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	sm.egress_spec = cast<bit<9>>(meta.way);
}
control eg (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { }
control ck (inout headers_t hdr, inout meta_t meta) { }
control dep (packet_out b, in headers_t hdr) { emit(hdr); }
pipeline { p = p; vr = vr; ig = ig; eg = eg; ck = ck; dep = dep; }
`)
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			netnstest.NeedBPF(t)
			w := newTwin(t, p, ssa.Options{}, Options{Hook: h, StartOffset: 14, Harness: true})
			half := 0
			set := func(i int, members ...[]ir.Match) {
				t.Helper()
				if err := w.in.SetValueSet(i, members); err != nil {
					t.Fatal(err)
				}
				vs := w.k.l.ValueSets[i]
				es, err := vs.Members(members)
				if err != nil {
					t.Fatal(err)
				}
				e := vs.Engine.(*Linear)
				rows, err := e.EncodeRows(es)
				if err != nil {
					t.Fatal(err)
				}
				half = 1 - half
				value := make([]byte, e.Rows.ValueSize)
				copy(value[e.HalfOffset(half):], rows)
				if err := w.k.maps[e.Rows.Name].Put(uint32(0), value); err != nil {
					t.Fatal(err)
				}
				if err := w.k.maps[e.Control.Name].Put(uint32(0), e.ControlWord(half, len(es))); err != nil {
					t.Fatal(err)
				}
			}
			packet := func(a uint16, b, c byte) []byte {
				return []byte{byte(a >> 8), byte(a), 9, 8, 7, 6, 5, 4, 3, 2, b, c, 0xee}
			}
			b72 := func(last byte) []byte { return []byte{9, 8, 7, 6, 5, 4, 3, 2, last} }
			play := func(want [4]int) {
				t.Helper()
				for i, pkt := range [][]byte{packet(0x0800, 1, 1), packet(0x86dd, 1, 5), packet(0x86dd, 2, 5), packet(0x0901, 1, 6)} {
					w.check(0, pkt)
					if got, _ := w.k.run(0, pkt); got != want[i] {
						t.Errorf("packet %d goes to %d, want %d", i, got, want[i])
					}
				}
			}
			play([4]int{0, 0, 0, 0})
			set(0, []ir.Match{{Value: []byte{8, 0}}})
			play([4]int{1, 0, 0, 0})
			set(1, []ir.Match{{Value: b72(1)}, {Value: []byte{5}}}, []ir.Match{{Value: b72(0), Mask: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}}, {Value: []byte{6}}})
			play([4]int{1, 2, 0, 2})
			set(0, []ir.Match{{Value: []byte{0x86, 0}, Mask: []byte{0xff, 0}}}, []ir.Match{{Value: []byte{9, 1}}})
			play([4]int{0, 1, 1, 1})
			set(1)
			set(0)
			play([4]int{0, 0, 0, 0})
			if _, err := w.k.l.ValueSets[0].Members(make([][]ir.Match, 5)); err == nil {
				t.Error("more members than there is room for")
			}
		})
	}
}
