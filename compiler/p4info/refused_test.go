package p4info_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
)

// TestRefused: lang:P3, lang:P7, lang:P19, lang:P20, lang:P22, lang:P23: what
// P4Info cannot say is refused with its place.
func TestRefused(t *testing.T) {
	const prelude = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; }
struct headers_t { h_t h; }
$T
struct meta_t { bit<8> m; $M }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { $P state start { pkt.extract(hdr.h); transition accept; } }
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { $I }
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); } }
$A V1Switch(P(), V(), I(), E(), C(), D()) main;
`
	const table = "action act(bit<8> x) { meta.m = x; } table t { key = { hdr.h.a: exact; } actions = { act; } } apply { t.apply(); }"
	for _, c := range []struct {
		name string
		sub  map[string]string
		want string // of the only error; "" for none
	}{
		{"nothing", nil, ""},
		{"lang:P3 two ids", map[string]string{"$I": "@id(5) action a() { } @id(5) action b() { } table t { key = { hdr.h.a: exact; } actions = { a; b; } } apply { t.apply(); }"}, "id"},
		{"lang:P3 id of another kind", map[string]string{"$I": "@id(0x02000001) action a() { } table t { key = { hdr.h.a: exact; } actions = { a; } } apply { t.apply(); }"}, "id"},
		{"lang:P3 id that is text", map[string]string{"$I": `@id("x") action a() { } table t { key = { hdr.h.a: exact; } actions = { a; } } apply { t.apply(); }`}, "@id"},
		{"lang:P7 field id 0", map[string]string{"$I": strings.Replace(table, "exact;", "exact @id(0);", 1)}, "@id"},
		{"lang:P7 field ids twice", map[string]string{"$I": strings.Replace(table, "hdr.h.a: exact;", "hdr.h.a: exact @id(2); hdr.h.b: exact @id(2);", 1)}, "@id(2) of match field hdr.h.b is used twice"},
		{"lang:P7 parameter ids twice", map[string]string{"$I": strings.Replace(table, "act(bit<8> x)", "act(@id(3) bit<8> x, @id(3) bit<8> y)", 1)}, "@id(3) of parameter y is used twice"},
		{"lang:P19 stack of numbers in a digest", map[string]string{"$T": "struct d_t { bit<8>[2] a; }", "$M": "", "$I": "apply { d_t d; digest(1, d); }"}, "array of bit<8>"},
		{"lang:P20 translation to text of bits", map[string]string{"$T": `@p4runtime_translation("uri", int<8>) type bit<8> X;`, "$M": "X x;", "$I": "action act(X x) { meta.x = x; } table t { key = { hdr.h.a: exact; } actions = { act; } } apply { t.apply(); }"}, "@p4runtime_translation needs a string and one of `string`, a width in bits or `bit<W>` with a literal W"},
		{"lang:P20 translation of one argument", map[string]string{"$T": `@p4runtime_translation("uri") type bit<8> X;`, "$M": "X x;", "$I": "table t { key = { meta.x: exact; } actions = { NoAction; } } apply { t.apply(); }"}, "@p4runtime_translation needs a string and one of `string`, a width in bits or `bit<W>` with a literal W"},
		{"lang:P20 translation without text", map[string]string{"$T": `@p4runtime_translation(uri, string) type bit<8> X;`, "$M": "X x;", "$I": "table t { key = { meta.x: exact; } actions = { NoAction; } } apply { t.apply(); }"}, "@p4runtime_translation needs a string and one of `string`, a width in bits or `bit<W>` with a literal W"},
		{"lang:P20 translation of a bool", map[string]string{"$T": `@p4runtime_translation("uri", string) type bool X;`, "$M": "X x;", "$I": "table t { key = { meta.x: exact; } actions = { NoAction; } } apply { t.apply(); }"}, "must be bit<W>, not bool"},
		{"lang:P21 controller header without a name", map[string]string{"$T": "@controller_header header c_t { bit<8> x; }"}, `one string is wanted, "packet_in" or "packet_out"`},
		{"lang:P22 package text", map[string]string{"$A": "@pkginfo(name = 3)"}, `@pkginfo: the value of "name" must be a string`},
		{"lang:P22 platform property", map[string]string{"$A": `@platform_property(multicast_group_table_size = "x")`}, "@platform_property: the value of"},
		{"lang:P22 a number of 65 bits", map[string]string{"$I": "@my[a = 0x1_0000_0000_0000_0000] action a() { } table t { key = { hdr.h.a: exact; } actions = { a; } } apply { t.apply(); }"}, "does not fit 64 bits; write it as a string"},
		{"lang:P23 selector semantics", map[string]string{"$I": `@selector_size_semantics("sum") action_selector(HashAlgorithm.crc16, 8, 8) s; table t { key = { hdr.h.a: exact; hdr.h.b: selector; } actions = { NoAction; } implementation = s; } apply { t.apply(); }`}, `"sum_of_weights" or "sum_of_members" is wanted`},
		{"lang:L108 value set without numbers", map[string]string{"$T": "enum K { p, q }", "$M": "K e;", "$P": "value_set<K>(4) v; state next { transition select(meta.e) { v: accept; default: accept; } }"}, "value set P.v: enum K has no representation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []string
			for _, k := range []string{"$M", "$T", "$P", "$I", "$A"} {
				v := c.sub[k]
				if k == "$I" && v == "" {
					v = table
				}
				list = append(list, k, v)
			}
			src := strings.NewReplacer(list...).Replace(prelude)
			res, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(src), nil }})
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			if err := res.Diags.Err(); err != nil {
				text = res.Diags.String()
			}
			if (text == "") != (c.want == "") || !strings.Contains(text, c.want) || strings.Count(text, "error[") > 1 {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}
