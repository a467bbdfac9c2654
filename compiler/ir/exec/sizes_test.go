package exec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// TestSizes: an array has the size that its program says, to its last cell, and
// one that no machine should hold is refused with its line.
func TestSizes(t *testing.T) {
	const text = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<32> at; }
struct headers_t { h_t h; }
struct meta_t { bit<32> c; }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { state start { pkt.extract(hdr.h); transition accept; } }
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    $D
    apply { sm.egress_spec = 1; $A }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`
	open := func(t *testing.T, decl, apply string) (*exec.Machine, error) {
		t.Helper()
		src := strings.NewReplacer("$D", decl, "$A", apply).Replace(text)
		res, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(src), nil }})
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Diags.Err(); err != nil {
			t.Fatal(err)
		}
		return exec.New(res.Core, exec.Options{})
	}
	in := func(at uint32) exec.Packet {
		return exec.Packet{Data: []byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}}
	}
	t.Run("lang:V20 counter", func(t *testing.T) {
		m, err := open(t, "counter(5, CounterType.packets) c;", "c.count(hdr.h.at);")
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(7) { // 5 and 6 are out of bounds: nothing happens
			m.Process(in(i))
		}
		m.Process(in(4))
		for i, want := range []uint64{1, 1, 1, 1, 2} {
			if c, err := m.InstanceCounter("I.c", uint32(i)); err != nil || c.Packets != want {
				t.Errorf("cell %d: %v, %v, want %d", i, c, err, want)
			}
		}
		if _, err := m.InstanceCounter("I.c", 5); err == nil {
			t.Error("cell 5 is there")
		}
	})
	t.Run("lang:V24 register", func(t *testing.T) {
		m, err := open(t, "register<bit<32>>(3) r;", "r.read(hdr.h.at, hdr.h.at & 0xff); hdr.h.at = hdr.h.at + 0; r.write(0, 0);")
		if err != nil {
			t.Fatal(err)
		}
		if out := m.Process(in(2)).Outputs; len(out) != 1 || fmt.Sprintf("%x", out[0].Data) != "00000000" {
			t.Errorf("got %v", out)
		}
	})
	for _, c := range []struct{ name, decl, apply string }{
		{"counter", "counter(0x7fffffff, CounterType.packets) c;", "c.count(0);"},
		{"register", "register<bit<8>>(0x7fffffff) c;", "c.write(0, 1);"},
		{"meter", "meter(0x7fffffff, MeterType.packets) c;", "c.execute_meter(0, meta.c);"},
	} {
		t.Run(c.name+" too large", func(t *testing.T) {
			_, err := open(t, c.decl, c.apply)
			if err == nil || !strings.Contains(err.Error(), "2147483647 elements are more than ") || !strings.Contains(err.Error(), "I.c") || !strings.Contains(err.Error(), ":9") {
				t.Errorf("error %v", err)
			}
		})
	}
}
