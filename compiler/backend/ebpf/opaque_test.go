package ebpf

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// The verifier's work must not multiply with the ways through a program: a walk
// over a few states for each instruction is what there is to do.
func TestVerifierWork(t *testing.T) {
	for name, p := range map[string]*ir.Program{
		"router.p4": router(t), "stacks.p4": compileP4(t, "testdata/stacks.p4"),
	} {
		for _, h := range []Hook{XDP, TC} {
			t.Run(fmt.Sprintf("%s/%s", name, h), func(t *testing.T) {
				netnstest.NeedBPF(t)
				f, err := ssa.Lower(p, ssa.Options{})
				netnstest.Check(t, err)
				l, err := PlanLayout(p, 2)
				netnstest.Check(t, err)
				k := compileLoad(t, f, l, Options{Hook: h})
				info, err := k.prog.Info()
				netnstest.Check(t, err)
				walked, _ := info.VerifiedInstructions()
				t.Logf("%d instructions, %d walked", len(k.obj.Insns), walked)
				if n := uint32(16 * len(k.obj.Insns)); walked > n {
					t.Errorf("the verifier walked %d instructions for %d", walked, len(k.obj.Insns))
				}
			})
		}
	}
}

// TestTooManyMaps: what the kernel would refuse is refused before, with the reason.
func TestTooManyMaps(t *testing.T) {
	var decls, applies strings.Builder
	for i := range 70 {
		fmt.Fprintf(&decls, "action a%d(bit<9> p) { s.egress_spec = p; } table t%d { key = { h.e.a: exact; } actions = { a%d; NoAction; } }\n", i, i, i)
		fmt.Fprintf(&applies, "t%d.apply();\n", i)
	}
	path := filepath.Join(t.TempDir(), "wide.p4")
	netnstest.Check(t, os.WriteFile(path, fmt.Appendf(nil, `
#include <core.p4>
#include <v1model.p4>
header e_t { bit<32> a; }
struct H { e_t e; }
struct M { }
parser P(packet_in p, out H h, inout M m, inout standard_metadata_t s) {
    state start { p.extract(h.e); transition accept; }
}
control V(inout H h, inout M m) { apply { } }
control I(inout H h, inout M m, inout standard_metadata_t s) {
    %s
    apply { s.egress_spec = 1; %s }
}
control E(inout H h, inout M m, inout standard_metadata_t s) { apply { } }
control C(inout H h, inout M m) { apply { } }
control D(packet_out p, in H h) { apply { p.emit(h.e); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`, &decls, &applies), 0o644))
	p := compileP4(t, path)
	f, err := ssa.Lower(p, ssa.Options{})
	netnstest.Check(t, err)
	l, err := PlanLayout(p, 2)
	netnstest.Check(t, err)
	_, err = Compile(f, l, Options{})
	want := regexp.MustCompile(`^program wide: its 70 tables, its counters and its registers need \d+ kernel maps, a program can use 64 \(merge tables, or leave out direct counters\)$`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
}

// An object names the maps that its instructions refer to and no others: a
// program that never sends needs no devmap.
func TestReferencedMaps(t *testing.T) {
	p := core(t, `program "drop" arch "v1model";
%v1model%
header h_t {
	bit<8> a;
}
struct headers_t {
	h_t x;
}
struct meta_t {
}
parser p decl P (packet_in b, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	state start {
		extract(hdr.x);
		goto accept;
	}
}
control vr decl V (inout headers_t hdr, inout meta_t meta) {
}
control ig decl I (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	sm.egress_spec = 9w511;
}
control eg decl E (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
}
control ck decl K (inout headers_t hdr, inout meta_t meta) {
}
control dep decl D (packet_out b, in headers_t hdr) {
	emit(hdr);
}
pipeline { p = p; vr = vr; ig = ig; eg = eg; ck = ck; dep = dep; }
`)
	f, err := ssa.Lower(p, ssa.Options{})
	netnstest.Check(t, err)
	l, err := PlanLayout(p, 2)
	netnstest.Check(t, err)
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			obj, err := Compile(f, l, Options{Hook: h})
			netnstest.Check(t, err)
			refs := map[string]bool{}
			for i := range obj.Insns {
				if r := obj.Insns[i].Reference(); r != "" {
					refs[r] = true
				}
			}
			for _, m := range obj.Maps {
				if !refs[m.Name] {
					t.Errorf("map %s is named and not referred to", m.Name)
				}
			}
			netnstest.NeedBPF(t)
			compileLoad(t, f, l, Options{Hook: h})
		})
	}
}
