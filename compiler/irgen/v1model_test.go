package irgen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/irgen"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
)

// TestStandardMetadata checks lang:V3 to lang:V19: fields, order, types, aliases.
func TestStandardMetadata(t *testing.T) {
	p := must(t, "")
	var got []string
	for _, ty := range p.Types {
		s, ok := ty.(*ir.Struct)
		if !ok || s.Name != "standard_metadata_t" {
			continue
		}
		for _, f := range s.Fields {
			line := f.Name + " " + f.Type.String()
			if a, ok := ir.Anno(f.Annos, "alias"); ok {
				line += " " + strings.Trim(a.Text, `"`)
			}
			got = append(got, line)
		}
	}
	want := []string{
		"ingress_port bit<9>", "egress_spec bit<9>", "egress_port bit<9>",
		"instance_type bit<32>", "packet_length bit<32>",
		"enq_timestamp bit<32> queueing_metadata.enq_timestamp",
		"enq_qdepth bit<19> queueing_metadata.enq_qdepth",
		"deq_timedelta bit<32> queueing_metadata.deq_timedelta",
		"deq_qdepth bit<19> queueing_metadata.deq_qdepth",
		"ingress_global_timestamp bit<48> intrinsic_metadata.ingress_global_timestamp",
		"egress_global_timestamp bit<48> intrinsic_metadata.egress_global_timestamp",
		"mcast_grp bit<16> intrinsic_metadata.mcast_grp",
		"egress_rid bit<16> intrinsic_metadata.egress_rid",
		"checksum_error bit<1>", "parser_error error",
		"priority bit<3> intrinsic_metadata.priority",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("fields\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestExterns compiles one use of each extern of v1model.
func TestExterns(t *testing.T) {
	for _, c := range []struct{ id, decl, use string }{
		{"lang:V20", "counter(16, CounterType.packets) c;", "c.count(3);"},
		{"lang:V21", "direct_counter(CounterType.bytes) c;", "c.count();"},
		{"lang:V22", "meter(16, MeterType.bytes) x;", "x.execute_meter(3, m.a);"},
		{"lang:V23", "direct_meter<bit<8>>(MeterType.packets) x;", "x.read(m.a);"},
		{"lang:V24", "register<bit<16>>(16) r;", "r.read(m.b, 1); r.write(1, m.b);"},
		{"lang:V25", "action_profile(16) ap;", ""},
		{"lang:V26", "action_selector(HashAlgorithm.crc16, 16, 8) s;", ""},
		{"lang:V27", "Checksum16() ck;", "m.b = ck.get({ m.a, h.e.type });"},
		{"lang:V28", "", "random(m.a, 0, 7);"},
		{"lang:V29", "", "digest(1, { m.a, m.b });"},
		{"lang:V30", "", "hash(m.b, HashAlgorithm.crc32, 16w0, { m.a }, 16w8);"},
		{"lang:V31", "", "mark_to_drop(sm); mark_to_drop();"},
		{"lang:V32", "", "verify_checksum(true, { m.a }, m.b, HashAlgorithm.csum16);"},
		{"lang:V33", "", "update_checksum(m.f, { m.a }, m.b, HashAlgorithm.csum16);"},
		{"lang:V34", "", "verify_checksum_with_payload(true, { m.a }, m.b, HashAlgorithm.csum16); update_checksum_with_payload(true, { m.a }, m.b, HashAlgorithm.csum16);"},
		{"lang:V35", "", "clone(CloneType.I2E, 5);"},
		{"lang:V36", "", "clone_preserving_field_list(CloneType.E2E, 5, 1);"},
		{"lang:V37", "", "clone3(CloneType.I2E, 5, { m.a });"},
		{"lang:V38", "", "resubmit({ m.a }); resubmit_preserving_field_list(2);"},
		{"lang:V39", "", "recirculate({ m.a }); recirculate_preserving_field_list(2);"},
		{"lang:V40", "", "truncate(64);"},
		{"lang:V41", "", "assert(m.a == 1); assume(m.f);"},
		{"lang:V42", "", `log_msg("hello"); log_msg("{}", { m.a });`},
	} {
		t.Run(c.id, func(t *testing.T) {
			p := must(t, `
control ig(inout H h, inout M m, inout standard_metadata_t sm) { `+c.decl+` apply { `+c.use+` } }`)
			if c.decl != "" && len(p.Instances) != 1 {
				t.Errorf("%d instances", len(p.Instances))
			}
			if b := p.Block("ig"); c.use != "" && len(b.Body) != strings.Count(c.use, ";") {
				t.Errorf("%d statements of %q", len(b.Body), c.use)
			}
		})
	}
	t.Run("lang:V24 index of any width", func(t *testing.T) {
		p, rep := compile("t.p4", "#define V1MODEL_VERSION 20200408\n"+prelude+parserDecl+`
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    register<bit<16>, bit<10>>(16) r;
    counter<bit<4>>(16, CounterType.packets) c;
    apply { r.write(1, m.b); c.count(1); }
}`+epilogue)
		if p == nil {
			t.Fatalf("refused:\n%s", rep)
		}
	})
}

// TestRefused checks that what cannot be compiled is refused with its place.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ id, decls, want string }{
		{"lang:L17", "control ig(inout H h, inout M m, inout standard_metadata_t sm) { apply { m.a = (bit<8>)(10 / (int)m.a); } }", "operator / on values of type int"},
		{"lang:L129", "match_kind { fuzzy }\ncontrol ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : fuzzy; } actions = { NoAction; } } apply { t.apply(); } }", "match kind fuzzy is not supported"},
		{"data parameter", "control ig(inout H h, inout M m, inout standard_metadata_t sm) { action a(M x) { } table t { actions = { a; NoAction; } } apply { t.apply(); } }", "parameter x of action ig.a has type M, which the control plane cannot supply"},
	} {
		t.Run(c.id, func(t *testing.T) {
			p, rep := compile("t.p4", whole(c.decls))
			if p != nil || !strings.Contains(rep.String(), c.want) {
				t.Errorf("accepted: %v, diagnostics:\n%s", p != nil, rep)
			}
			for _, d := range rep.All() {
				if !d.Span.IsValid() {
					t.Errorf("no place: %s", d.Message)
				}
			}
		})
	}
}

// FuzzGenerate checks that no text makes the front end panic, and that what it
// accepts is valid IR.
func FuzzGenerate(f *testing.F) {
	for _, info := range irgen.Codes() {
		f.Add(info.Example)
	}
	f.Add("control ig(inout H h, inout M m, inout standard_metadata_t sm) { apply { for (bit<8> i in 1 .. 3) { m.a += i; } } }")
	f.Fuzz(func(t *testing.T, decls string) {
		set := source.NewSet()
		rep := diag.NewList(set, 0)
		prog := parser.ParseText(set, preproc.Options{FS: p4src.Include()}, "t.p4", whole(decls), rep)
		if rep.HasErrors() {
			return
		}
		p := irgen.Generate(prog, types.Check(prog, rep), irgen.Options{Name: "t"}, rep)
		if p == nil {
			return
		}
		if err := ir.Check(p); err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
	})
}
