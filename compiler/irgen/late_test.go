package irgen_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestKnownLate: what only irgen can see: values that become known with
// constructor arguments, names of the control plane, entries and their
// priorities. Each program draws exactly these diagnostics.
func TestKnownLate(t *testing.T) {
	const (
		head  = "control ig(inout H h, inout M m, inout standard_metadata_t sm) { "
		exact = "key = { m.a : exact; } actions = { NoAction; } "
		tern  = "key = { m.a : ternary; } actions = { NoAction; } "
	)
	// sub is a control of its own, made with this argument.
	sub := func(param, body, arg string) string {
		return "control s(inout M m)(" + param + " k) { " + body + " } " + head + "s(" + arg + ") x; apply { x.apply(m); } }"
	}
	table := func(param, text, arg string) string {
		return sub(param, "table t { "+text+" } apply { t.apply(); }", arg)
	}
	in := func(body string) string { return head + body + " apply { } }" }
	many := ""
	for i := range 256 {
		many += fmt.Sprintf("action a%d() { } ", i)
	}
	many += "table t { key = { m.a : exact; } actions = { "
	for i := range 256 {
		many += fmt.Sprintf("a%d; ", i)
	}
	many += "} }"
	for _, c := range []struct{ name, decls, want string }{
		{"lang:L136 range for an exact key", in("table t { " + exact + "const entries = { 1 .. 2 : NoAction(); } }"), "entry-key: an exact key needs a value, not a set"},
		{"lang:L136 mask for an exact key", in("table t { " + exact + "const entries = { 1 &&& 3 : NoAction(); } }"), "entry-key: an exact key needs a value, not a set"},
		{"lang:L136 anything for an exact key", in("table t { " + exact + "const entries = { _ : NoAction(); } }"), "entry-key: an exact key needs a value, not a set"},
		{"lang:L136 mask of an lpm key", in("table t { key = { m.a : lpm; } actions = { NoAction; } const entries = { 1 &&& 0x0f : NoAction(); } }"), "not-a-prefix: the mask of an lpm key must be a run of ones from the top"},
		{"lang:L137 priorities of exact keys", in("table t { " + exact + "entries = { priority = 3 : 1 : NoAction(); } }"), "bad-priority: the keys of table ig.t need no priorities, and entries have some"},
		{"lang:L139 priorities run out", in("table t { " + tern + "largest_priority_wins = false; priority_delta = 2147483647; entries = { 1 : NoAction(); 2 : NoAction(); 3 : NoAction(); } }"), "bad-priority: the priorities of table ig.t go out of range: 2147483648"},
		{"lang:L136 same key by constructor", table("bit<8>", exact+"const entries = { k : NoAction(); 3 : NoAction(); }", "3"), "entry-key: an earlier entry of table ig.x.t has the same key"},
		{"lang:L136 other key by constructor", table("bit<8>", exact+"const entries = { k : NoAction(); 3 : NoAction(); }", "4"), ""},
		{"lang:L139 delta by constructor", table("bit<8>", tern+"priority_delta = k; entries = { 1 : NoAction(); }", "0"), "bad-priority: priority_delta must be a positive number"},
		{"lang:L131 size by constructor", table("int", exact+"size = k;", "1 << 40"), "not-static: size 1099511627776 is out of range"},
		{"lang:L131 size by constructor fits", table("int", exact+"size = k;", "1 << 20"), ""},
		{"lang:P27 range by constructor", table("bit<8>", "key = { m.a : range; } actions = { NoAction; } const entries = { 5 .. k : NoAction(); }", "3"), "not-static: the lower end 5 of the range is above the upper end 3"},
		{"lang:P27 range by constructor of one", table("bit<8>", "key = { m.a : range; } actions = { NoAction; } const entries = { 5 .. k : NoAction(); }", "5"), ""},
		{"lang:L48 division by constructor", sub("bit<8>", "apply { m.a = m.a / k; }", "0"), "not-static: division by zero"},
		{"lang:L48 remainder by constructor", sub("bit<8>", "apply { m.a = m.a % k; }", "0"), "not-static: division by zero"},
		{"lang:L90 label by constructor", sub("bit<8>", "apply { switch (m.a) { 3: { } k: { } } }", "3"), "not-static: label 3 occurs twice"},
		{"lang:L90 other label by constructor", sub("bit<8>", "apply { switch (m.a) { 3: { } k: { } } }", "4"), ""},
		{"lang:P9 key of a call", "bit<8> f(in bit<8> x) { return x; }\n" + in("table t { key = { f(m.a) : exact; } actions = { NoAction; } }"), "key-needs-name: no control-plane name can be made of this key; give it one with @name"},
		{"lang:P9 key of a sum", in("table t { key = { m.a + 1 : exact; } actions = { NoAction; } }"), "key-needs-name: no control-plane name can be made of this key; give it one with @name"},
		{"lang:P9 key of a sum with a name", in(`table t { key = { m.a + 1 : exact @name("sum"); } actions = { NoAction; } }`), ""},
		{"lang:L125 a header as data", in("action x(E e) { m.a = 1; } table t { key = { m.a : exact; } actions = { x; } }"), "bad-action-data: parameter e of action ig.x has type E, which the control plane cannot supply"},
		{"lang:L125 a struct as data", "struct S { bit<8> a; }\n" + in("action x(S s) { m.a = s.a; } table t { key = { m.a : exact; } actions = { x; } }"), "bad-action-data: parameter s of action ig.x has type S, which the control plane cannot supply"},
		{"lang:L125 a bool as data", in("action x(bool b) { m.f = b; } table t { key = { m.a : exact; } actions = { x; } }"), ""},
		{"lang:L179 two actions of a name", in(`@name("n") action a() { } @name("n") action b() { } table t { key = { m.a : exact; } actions = { a; b; } }`), "duplicate-name: table ig.t has two actions with the control-plane name ig.n"},
		{"lang:L179 two tables of a name", in(`@name("n") table a { actions = { NoAction; } } @name("n") table b { actions = { NoAction; } }`), "duplicate-name: two objects have the control-plane name ig.n"},
		{"lang:L17 int of run time", head + "apply { m.a = (bit<8>)((int)m.a); } }", ""},
		{"lang:L84 an extern as argument", "control s(inout M m, register<bit<8>> r) { apply { } }\n" + head + "register<bit<8>>(1) r; s() x; apply { x.apply(m, r); } }", ""},
		{"lang:L157 an extern for a constructor", "control s(inout M m)(register<bit<8>> r) { apply { r.write(0, m.a); } }\n" + head + "register<bit<8>>(1) r; s(r) x; apply { x.apply(m); } }", ""},
		{"lang:L108 value set of nested structs", "struct A { bit<8> a; } struct B { A a; } parser pa(packet_in p, out H h, inout M m, inout standard_metadata_t sm) { value_set<B>(4) v; state start { transition select(m.a) { v: accept; default: accept; } } }", ""},
		{"lang:L106 a call to select by", "bit<8> f() { return 1; } parser pa(packet_in p, out H h, inout M m, inout standard_metadata_t sm) { state start { transition select(m.a) { f(): accept; default: accept; } } }", "not-static: a value to match cannot be computed by a call"},
		{"lang:L125 256 actions", in(many), "unsupported: table ig.t has 256 actions; at most 255 are supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, rep := compile("t.p4", whole(c.decls))
			var got []string
			for _, d := range rep.All() {
				got = append(got, string(d.Code)+": "+d.Message)
			}
			if s := strings.Join(got, "\n"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
			if (p == nil) != (c.want != "") {
				t.Errorf("a program: %v", p != nil)
			}
		})
	}
}
