package irgen_test

import (
	"testing"

	"github.com/p4nic/p4nic/compiler/stf"
)

// lang:L76 lang:L59: parts of a tuple's element are assigned, fields and slices;
// what the right side reads is the old value.
func TestTupleParts(t *testing.T) {
	p, rep := compile("t.p4", `
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; bit<8> c; }
struct H { h_t h; }
struct S { bit<8> x; bit<8> y; }
struct M { tuple<bit<8>, S, tuple<S, bit<8>>> t; }
parser P(packet_in p, out H h, inout M m, inout standard_metadata_t s) { state start { p.extract(h.h); transition accept; } }
control V(inout H h, inout M m) { apply { } }
control I(inout H h, inout M m, inout standard_metadata_t s) {
    apply {
        s.egress_spec = 5;
        m.t = { 8w1, { 2, 3 }, { { 4, 5 }, 6 } };
        m.t[1].y = h.h.a + m.t[1].x;
        m.t[1].x[3:0] = 15;
        m.t[2][0].y += m.t[2][0].x;
        h.h.a = m.t[1].y;
        h.h.b = m.t[1].x;
        h.h.c = m.t[2][0].y ++ m.t[2][1] == 16w0x0906 ? 8w1 : 0;
    }
}
control E(inout H h, inout M m, inout standard_metadata_t s) { apply { } }
control D(packet_out p, in H h) { apply { p.emit(h); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
`)
	if p == nil {
		t.Fatalf("refused:\n%s", rep)
	}
	test, err := stf.Parse("t.stf", []byte("packet 1 0a0000ee\nexpect 5 0c0f01ee$\n"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := stf.NewSim(p)
	if err != nil {
		t.Fatal(err)
	}
	if r := stf.Run(test, e, nil); r.Status != stf.Passed {
		t.Errorf("%s\n%s", r.Status, r.Report)
	}
}
