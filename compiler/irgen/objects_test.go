package irgen_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

const ingress = "\ncontrol ig(inout H h, inout M m, inout standard_metadata_t sm) "

// Objects in all their places: as arguments, made in place, in arrays, with
// methods of their own.
func TestObjects(t *testing.T) {
	for _, c := range []struct{ id, decls, want string }{
		{
			"lang:L39", "extern X { X(); bit<8> n(); abstract void f(inout bit<8> a); }" + ingress + `{
    bit<8> around = 1;
    X() x = { void f(inout bit<8> a) { a = a + this.n() + around; } };
    apply { x.f(m.a); }
}`, "call function ig.x.f(inout m.a)",
		},
		{
			"lang:L39 an object beside the method", "extern S { S(int<16> n); bit<8> get(in bit<8> i); }\nextern X { X(); void run(); abstract bit<8> f(in bit<8> a); }" + ingress + `{
    X() x = { S(4) s; bit<8> f(in bit<8> a) { return s.get(a); } };
    apply { x.run(); }
}`, "function ig.x.f of ig.x",
		},
		{
			"lang:L38 applied with an object", "control c(register<bit<8>> r, inout bit<8> v) { apply { r.read(v, 0); } }" + ingress + `{
    register<bit<8>>(4) r1;
    c() one;
    apply { one.apply(r1, m.a); }
}`, "register.read on ig.r1(out v",
		},
		{
			"lang:L38 applied by its type", "control c(register<bit<8>> r, inout bit<8> v) { apply { r.read(v, 0); } }" + ingress + `{
    register<bit<8>>(4) r1;
    register<bit<8>>(4) r2;
    apply { c.apply(r1, m.a); }
}`, "ig.r1",
		},
		{
			"lang:L38 of a function", "bit<8> f(register<bit<8>> r, int n) { bit<8> v; r.read(v, n); return v; }" + ingress + `{
    register<bit<8>>(4) r1;
    apply { m.a = f(r1, 3) + f(r1, 2); }
}`, "function f_1(",
		},
		{
			"lang:L38 of an extern", "extern Any { Any(); void look<T>(T what); }" + ingress + `{
    register<bit<8>>(4) r1;
    Any() any;
    apply { any.look(r1); }
}`, "<register<bit<8>>> (none objref(ig.r1))",
		},
		{
			"lang:L157 made in place", "extern P { P(bit<8> n); }\nextern Q { Q(P p); void go(); }" + ingress + `{
    Q(P(3)) q;
    apply { q.go(); }
}`, "instance ig.q Q(objref(ig.P))",
		},
		{
			"lang:L157 made by a function", "extern W { bit<8> get(); }\nextern W makeW(bit<8> n);" + ingress + `{
    apply { m.a = makeW(3).get(); }
}`, "instance ig.W W by makeW(8w3)",
		},
		{
			"lang:L99 array of objects", "extern Ext { Ext(); void put(in bit<8> v); }" + ingress + `{
    Ext() es[4];
    apply { es[m.a].put(1); es[2].put(2); }
}`, "instance ig.es Ext[4]",
		},
		{
			"lang:L17 parameter of type int", "control c(int n, inout bit<8> v) { apply { v = v + n; } }" + ingress + `{
    apply { c.apply(3, m.a); }
}`, "(v + 8w3)",
		},
		{
			"lang:L17 int of run time", ingress + `{
    apply { m.a = (bit<8>)((int)m.a * 2 - 300); }
}`, "int<",
		},
	} {
		t.Run(c.id, func(t *testing.T) {
			p := must(t, c.decls)
			text := p.String()
			if again, err := ir.Parse("t", []byte(text)); err != nil {
				t.Errorf("does not read back: %v", err)
			} else if again.String() != text {
				t.Error("prints otherwise when read back")
			}
			var b strings.Builder
			if err := p.Print(&b, ir.PrintOptions{NoPos: true}); err != nil {
				t.Fatal(err)
			}
			plain := b.String()
			if !strings.Contains(plain, c.want) {
				t.Errorf("no %q in\n%s", c.want, plain)
			}
		})
	}
	t.Run("lang:L38 two objects", func(t *testing.T) {
		_, rep := compile("t.p4", whole("control c(register<bit<8>> r, inout bit<8> v) { table t { actions = { NoAction; } } apply { r.read(v, 0); t.apply(); } }"+ingress+`{
    register<bit<8>>(4) r1;
    register<bit<8>>(4) r2;
    c() one;
    apply { one.apply(r1, m.a); one.apply(r2, m.a); }
}`))
		if !strings.Contains(rep.String(), "instance ig.one is applied with different objects") {
			t.Errorf("diagnostics:\n%s", rep)
		}
	})
}

// Lists have no type of their own in the IR: a value says how many elements there
// are.
func TestLists(t *testing.T) {
	for _, c := range []struct{ id, decls, want string }{
		{"lang:L35", "extern Lst { Lst(list<bit<8>> l); }" + ingress + "{ Lst({ 1, 2, 3 }) e; apply { } }", "instance ig.e Lst({8w1, 8w2, 8w3});"},
		{"lang:L35 of structs", "struct P { bit<8> a; bool b; }\nextern Lst { Lst(list<P> l); }" + ingress + "{ Lst((list<P>){ { 1, true }, { b = false, a = 2 } }) e; apply { } }", "Lst({lit<P>{8w1, true}, lit<P>{8w2, false}});"},
		{"lang:L35 in a struct", "struct P { bit<8> a; list<bit<8>> l; }\nconst P K = { 1, { 2, 3 } };\nextern Lst { Lst(P p); }" + ingress + "{ Lst(K) e; Lst({ 4, { } }) f; apply { } }", "instance ig.f Lst({8w4, {}});"},
		{"lang:L35 as a type argument", "extern Any<T> { Any(T t); }" + ingress + "{ Any<list<bit<8>>>({ 1 }) e; apply { } }", "instance ig.e Any<tuple<>>({8w1});"},
		{"lang:L93 over a list", ingress + "{ apply { for (bit<8> v in (list<bit<8>>){ 1, 2 }) { m.a = m.a + v; } } }", "v = 8w2"},
	} {
		t.Run(c.id, func(t *testing.T) {
			p := must(t, c.decls)
			var b strings.Builder
			if err := p.Print(&b, ir.PrintOptions{NoPos: true}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), c.want) {
				t.Errorf("no %q in\n%s", c.want, &b)
			}
		})
	}
	t.Run("lang:L35 a variable", func(t *testing.T) {
		_, rep := compile("t.p4", whole(ingress+"{ apply { list<bit<8>> l = { 1 }; } }"))
		if !strings.Contains(rep.String(), "a variable cannot have type list<bit<8>>") {
			t.Errorf("diagnostics:\n%s", rep)
		}
	})
}
