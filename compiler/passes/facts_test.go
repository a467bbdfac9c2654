package passes_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// TestFacts: the check of each fact finds what its pass has to remove, in a
// program that has all of it, and nothing once the pass has run, to the end.
func TestFacts(t *testing.T) {
	const src = `#include <core.p4>
#include <v1model.p4>
type bit<8> N;
struct pair_t { N a; bit<8> b; }
header h_t { bit<8> a; bit<8> b; }
struct headers_t { h_t h; h_t g; }
struct meta_t { bit<8> m; tuple<bit<8>, bit<8>> t; pair_t p; bool f; }
bit<8> half(in bit<8> x) { return x >> 1; }
parser Sub(packet_in pkt, out h_t h) { state start { pkt.extract(h); transition accept; } }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    Sub() sub;
    state start { sub.apply(pkt, hdr.h); transition select(pkt.lookahead<bit<8>>()) { 1: more; default: accept; } }
    state more { sub.apply(pkt, hdr.g); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control Inner(inout bit<8> x)(int k) {
    action quit() { x = 9; exit; }
    apply { x = half(x) + k; if (x == 3) { quit(); } if (x == 4) { return; } x = 5; }
}
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    Inner(3) inner;
    action set(inout bit<8> where, bit<8> what) { where = what + half(what); }
    action leave() { meta.m = 1; exit; }
    table t { key = { hdr.h.a: exact; } actions = { set(meta.m); leave; NoAction; } }
    apply {
        sm.egress_spec = 1;
        meta.t = { 1, half(hdr.h.b) };
        meta.p.a = (N) 8w3;
        meta.f = hdr.h == hdr.g;
        if (t.apply().hit && half(meta.m) == 3) { return; }
        inner.apply(meta.m);
        if (meta.m == 7) { exit; }
        hdr.h.a = meta.m;
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`
	res, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(src), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	p := ir.Clone(res.Typed)
	finds := map[string]string{
		"no newtypes":         "newtype N remains",
		"calls ordered":       "a call inside an expression",
		"scalar comparisons":  "comparison",
		"no bound arguments":  "action I.set has bound",
		"functions inlined":   "function half remains",
		"actions do not exit": "exits",
		"controls inlined":    "a call of I.inner remains in I",
		"no return or exit":   "a return or exit remains",
		"parsers inlined":     "a call of P.sub remains in P",
		"no int":              "", // constants of the front end have types already
		"no calls":            "a call remains",
	}
	var held []string
	checks := map[string]func(*ir.Program) error{}
	for _, ps := range passes.Table() {
		for _, f := range ps.Makes {
			if f.Check == nil {
				continue
			}
			want, listed := finds[f.Name]
			if err := f.Check(p); listed && want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("before %s, %s: %v, want %s", ps.Name, f.Name, err, want)
			} else if !listed {
				t.Errorf("fact %s has a check that is not tested", f.Name)
			}
			delete(finds, f.Name)
			checks[f.Name] = f.Check
			held = append(held, f.Name)
		}
		if err := ps.Run(p); err != nil {
			t.Fatalf("%s: %v", ps.Name, err)
		}
		for _, name := range held {
			if err := checks[name](p); err != nil {
				t.Errorf("after %s, %s: %v", ps.Name, name, err)
			}
		}
	}
	for name := range finds {
		t.Errorf("no pass makes %s", name)
	}
}
