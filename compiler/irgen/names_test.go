package irgen_test

import (
	"strings"
	"testing"
)

// Names that the control plane sees, and what depends on the order of nothing.
func TestControlPlaneNames(t *testing.T) {
	for _, u := range []use{
		{"lang:L178", "", `table t { key = { h.e.type : exact; h.e.isValid() : exact; h.st[1].dst[7:4] : exact; m.b & 0xff : ternary; m.a + 1 : exact @name("sum"); } actions = { NoAction; } } apply { t.apply(); }`, "key $\"h.e.$valid$\""},
		{"lang:L178 without a name", "", "table t { key = { m.a + 1 : exact; } actions = { NoAction; } } apply { t.apply(); }", "!no control-plane name can be made of this key"},
		{"lang:L181 use before the other", "", "action a() { m.a = 1; } action b() { a(); } table t { actions = { b; a; } } apply { t.apply(); }", "action ig.a in ig"},
		{"lang:L182", "parser pa(packet_in p, out H h, inout M m, inout standard_metadata_t sm) { @name(\"kinds\") value_set<bit<16>>(4) vs; state start { p.extract(h.e); transition select(h.e.type) { vs: accept; default: reject; } } }", "apply { }", "valueset pa.kinds bit<16> size 4"},
		{"lang:L182 of a control", "", "value_set<bit<16>>(4) vs; apply { }", "!value_set"},
		{"lang:L11", "parser pa(packet_in p, out H h, inout M m, inout standard_metadata_t sm) { state start { p.extract<E>(_); transition select(m.a, m.b) { (1, _): accept; (_, _): reject; } } }", "apply { M x = { 1, ... }; m = x; }", "skip"},
		{"lang:L11 no value", "", "apply { m.a = _; }", "!"},
		{"lang:L9", "", "apply { m.a = 300; }", "m.a = 8w44"},
		{"lang:L156", "@noSideEffects extern bit<8> f(in bit<8> x);", "apply { m.a = f(m.a); }", "extern f("},
		{"lang:L146", "", "table t { actions = { NoAction; } } apply { t.apply(); t.apply(); }", "call table ig.t;"},
		{"lang:V2", "", "action_selector(HashAlgorithm.crc16, 4, 8) s; table t { key = { m.a : range; m.b : optional; m.f : selector; } actions = { NoAction; } implementation = s; } apply { t.apply(); }", "selector"},
		{"lang:V2 unknown", "", "table t { key = { m.a : fuzzy; } actions = { NoAction; } } apply { t.apply(); }", "!fuzzy"},
		{"lang:V44", "", "apply { clone_preserving_field_list(CloneType.E2E, 5, 1); clone(CloneType.I2E, 7); }", "CloneType::E2E"},
		{"lang:V44 no such type", "", "apply { clone(CloneType.E2I, 7); }", "!has no member E2I"},
		{"lang:V46", "", "direct_counter(CounterType.bytes) c; direct_meter<bit<8>>(MeterType.packets) d; action_profile(4) p; table t { key = { m.a : exact; } actions = { NoAction; } implementation = p; size = 9; counters = c; meters = d; support_timeout = true; } apply { t.apply(); }", "timeout;"},
		{"lang:V46 no object", "", "table t { key = { m.a : exact; } actions = { NoAction; } counters = 3; } apply { t.apply(); }", "!property counters needs an extern object"},
	} {
		u.check(t, whole(u.decl+ingress+"{ "+u.body+" }"))
	}
}

// lang:L181: what stands before or behind a control changes no name in it.
func TestNamesAreStable(t *testing.T) {
	names := func(decls string) string {
		p := must(t, decls)
		var out []string
		for _, x := range p.Tables {
			out = append(out, x.Name)
		}
		for _, a := range p.Actions {
			if strings.HasPrefix(a.Name, "ig.") {
				out = append(out, a.Name)
			}
		}
		return strings.Join(out, " ")
	}
	const in = ingress + "{ action a() { } @name(\"x\") action b() { } table t { actions = { a; b; } } apply { t.apply(); } }"
	const other = "\ncontrol zz(inout M m) { action a() { m.a = 1; } table t { actions = { a; } } apply { t.apply(); } }\nbit<8> f(in bit<8> v) { return v; }\n"
	want := "ig.t ig.a ig.x"
	for _, decls := range []string{in, other + in, in + other} {
		if got := names(decls); got != want {
			t.Errorf("names %q, want %q", got, want)
		}
	}
}
