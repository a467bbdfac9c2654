package ebpf

import (
	"fmt"
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
