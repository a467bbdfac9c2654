package ir

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

const checkHead = `file "x.p4" { }
errors { NoError Bad }
enum e_t of bit<8> { A = 1, B = 2 }
enum k_t { X = 0, Y = 1 }
header h_t { bit<8> a; bit<16> b; int<8> s; }
header v_t { bit<8> n; varbit<32> v; }
header g_t { bit<8> z; }
union u_t { h_t h; g_t g; }
struct s_t { h_t h; v_t v; u_t u; g_t[2] st; e_t e; k_t k; bool f; bit<8> x; }
instance reg register<bit<8>>(32w4);
valueset vs tuple<bit<8>, bit<16>> size 4;
`

// One wrong thing each: what is put into a correct program, and what Check says.
func TestCheck(t *testing.T) {
	const (
		stmt  = "STMT"
		pst   = "PARSER"
		local = "LOCAL"
		decl  = "DECL"
		prop  = "PROP"
		sel   = "SELECT"
		act   = "ACTION"
	)
	build := func(level, where, text string) string {
		src := "p4nic-ir 1 " + level + "\nprogram \"x\" arch \"v1model\";\n" + checkHead + `DECL
action a in c (bit<8> d) { ACTION }
action n () { }
table t in c { key s.h.a : ternary s.h.a; action a; action n; PROP }
parser p (packet_in b, out s_t s) {
	var bit<8> l;
	state start { PARSER SELECT }
	state other { goto accept; }
}
control c (inout s_t s, in bit<8> ro) {
	var bool f;
	var bit<32> w;
	LOCAL
	STMT
}
pipeline { p = p; c = c; }
`
		for _, w := range []string{stmt, pst, local, decl, prop, sel, act} {
			r := ""
			switch {
			case w == where:
				r = text
			case w == prop:
				r = "default n();"
			case w == sel:
				r = "goto accept;"
			}
			src = strings.Replace(src, w, r, 1)
		}
		return src
	}
	check := func(t *testing.T, level, where, text string) error {
		p, err := Parse("x", []byte(build(level, where, text)))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return Check(p)
	}
	for _, level := range []string{"typed", "core", "bmv2"} {
		if err := check(t, level, "", ""); err != nil {
			t.Fatalf("the correct program at %s: %v", level, err)
		}
	}
	for _, ok := range []struct{ level, where, text string }{
		{"core", stmt, "s.h = lit<h_t>{8w1, 16w2, 8s-3}; s.u = invalid<u_t>; s.x = cast<bit<8>>(s.e);"},
		{"core", stmt, "block A { loop B { leave A; } } block A { continue_: block C { leave A; } }"},
		{"core", stmt, "apply t hit f run w;"},
		{"core", stmt, "extern log_msg(\"x\", {s.x, {s.f, s.e}});"},
		{"core", sel, "select (s.h.a, s.h.b) { (valueset vs 0, valueset vs 1) => other; (1 &&& 0xff, 2 .. 3) => reject; default => start; }"},
		{"core", pst, "extract(s.v, cast<bit<32>>(l)); extract(s.st!next); l = s.st!last.z; verify(s.f, error::Bad); extract(s.u.g);"},
		{"core", act, "s.x = d; s.h.a[3:0] = d[7:4];"},
		{"core", prop, "default a(3); entries { (1 &&& 3) -> a(255) prio 1; (_) -> n(); }"},
	} {
		ok.text = strings.Replace(ok.text, "continue_: ", "", 1)
		if err := check(t, ok.level, ok.where, ok.text); err != nil {
			t.Errorf("%s %s: %v", ok.level, ok.text, err)
		}
	}
	for _, c := range []struct{ level, where, text, want string }{
		{"core", stmt, "s.x = s.h.b;", "control c: the right side has type bit<16>, not bit<8>"},
		{"core", stmt, "#5:3 s.x = s.h.b;", "x.p4:5:3: control c: the right side has"},
		{"core", stmt, "s.x = (s.x + s.h.b);", "the right operand of + has type bit<16>, not bit<8>"},
		{"core", stmt, "s.f = (s.x && s.f);", "bit<8> is not bool"},
		{"core", stmt, "if (s.x) { }", "bit<8> is not bool"},
		{"core", stmt, "s.x = (! s.x);", "bit<8> is not bool"},
		{"core", stmt, "s.x = (- s.f);", "bool is no number"},
		{"core", stmt, "s.e = (s.e + s.e);", "e_t is no number"},
		{"core", stmt, "s.x = const<bit<8>>(256);", "256 is no value of type bit<8>"},
		{"core", stmt, "s.h.s = const<int<8>>(128);", "128 is no value of type int<8>"},
		{"core", stmt, "s.x = s.x[8:1];", "slice [8:1] of bit<8>"},
		{"core", stmt, "(s.x + s.x) = s.x;", "*ir.Binary is no l-value"},
		{"core", stmt, "s.x = typed<bit<8>>(s.h.b);", "field b has type bit<8>, not bit<16>"},
		{"core", stmt, "s.f = (s.h == s.h);", "== of h_t at level core"},
		{"core", stmt, "s.f = (s.x < s.x); s.f = (s.f < s.f);", "bool is no number"},
		{"core", stmt, "s.x = mux(s.f, s.x, s.h.b);", "the other side of ?: has type bit<16>"},
		{"core", stmt, "s.x = cast<bit<8>>(s.h);", "cast from h_t to bit<8>"},
		{"core", stmt, "s.h = lit<h_t>{8w1};", "1 values for the 3 fields of h_t"},
		{"core", stmt, "s.h = lit<h_t>{8w1, 8w1, 8s1};", "field b has type bit<8>, not bit<16>"},
		{"core", stmt, "s.h = invalid<h_t>; s = invalid<s_t>;", "{#} of type s_t"},
		{"core", stmt, "f = valid(s);", "isValid of s_t"},
		{"core", stmt, "setvalid(s.u);", "setValid of a union"},
		{"core", stmt, "setinvalid(s.x);", "setValid or setInvalid of bit<8>"},
		{"core", stmt, "push_front(s.h, 1);", "h_t is no stack"},
		{"core", stmt, "s.st[s.f].z = s.x; s.x = s.st[s.h.a].z; s.x = s.st!last.z;", "last outside a parser"},
		{"core", stmt, "leave A;", "label A is not in scope"},
		{"core", stmt, "block A { } leave A;", "label A is not in scope"},
		{"core", stmt, "block A { continue A; }", "continue of A, which is no loop"},
		{"core", stmt, "block A { block A { } }", "label A hides another one"},
		{"core", stmt, "switch (s.x) { case (256) { } }", "256 is no value of type bit<8>"},
		{"core", stmt, "switch (s.h) { }", "h_t is no scalar"},
		{"core", stmt, "apply t hit w;", "hit goes to a variable of type bit<32>"},
		{"core", stmt, "apply t run f;", "the action goes to a variable of type bool"},
		{"core", stmt, "extract(s.h);", "extract outside a parser"},
		{"core", stmt, "verify(f, error::Bad);", "verify outside a parser"},
		{"core", stmt, "emit(s.x);", "emit of bit<8>"},
		{"core", stmt, "return;", "return at level core"},
		{"core", stmt, "exit;", "exit at level core"},
		{"core", stmt, "call action n();", "a call statement at level core"},
		{"core", stmt, "f = call<bool> table t hit;", "a call in an expression at level core"},
		{"core", stmt, "s.x = elem({s.x, s.x}, 0);", "an element of a tuple at level core"},
		{"core", stmt, "s.f = ({s.x} == {s.x});", "a list that is no argument of an extern at level core"},
		{"core", stmt, "s.st[0].z = s.x;", "a constant of type int at level core"},
		{"core", stmt, "extern register.read on reg(out 8w1, 32w0);", "*ir.Const is no l-value"},
		{"core", local, "var tuple<bit<8>> tt;", "a tuple at level core"},
		{"core", local, "var what x;", ""},
		{"core", decl, "newtype n_t of bit<8>;", "newtype n_t at level core"},
		{"core", decl, "function q () -> void { }", "there are no functions at level core"},
		{"core", decl, "union w_t { s_t s; }", "member s of union w_t is no header"},
		{"core", decl, "header w_t { h_t h; }", "field h of header w_t has type h_t"},
		{"core", decl, "header w_t { varbit<8> a; varbit<8> b; }", "header w_t has 2 varbit fields"},
		{"core", decl, "struct w_t { packet_in p; }", "type packet_in has no values"},
		{"core", decl, "action z (inout bit<8> o) { }", "parameter o has a direction, at level core"},
		{"core", decl, "action z (s_t o) { }", "parameter o of type s_t cannot be control-plane data"},
		{"typed", decl, "action z (bit<8> d, inout bit<8> o) { }", "parameter o with a direction comes after control-plane data"},
		{"core", decl, "control z () { apply t; apply z2; } table z2 { action n; default n(); } action z (bit<8> q) { apply t; }", "a table is applied outside a control"},
		{"core", decl, "valueset z bit<8> size 1; parser q (packet_in b) { state start { goto nowhere; } }", `there is no state "nowhere"`},
		{"core", decl, "parser q (packet_in b) { }", "a parser without states"},
		{"core", decl, "parser q (packet_in b) { state accept { goto accept; } }", "state accept occurs twice or is predefined"},
		{"core", prop, "default 7();", "default action: there is no action 7"},
		{"core", prop, "default a();", "action a takes 1 arguments, not 0"},
		{"core", prop, "default a(256);", "256 is no value of type bit<8>"},
		{"core", prop, "default n(); entries { (1, 2) -> n(); }", "entry with 2 fields for 1 keys"},
		{"core", prop, "default n(); entries { (300) -> n(); }", "300 is no value of type bit<8>"},
		{"core", prop, "key f : exact s.h; default n();", "h_t is no scalar"},
		{"core", prop, "action n(s.x); default n();", "bound to 1 arguments, it has 0 parameters"},
		{"core", sel, "select (s.h) { default => accept; }", "h_t is no scalar"},
		{"core", sel, "select (s.x) { (1, 2) => accept; }", "2 sets for 1 keys"},
		{"core", sel, "select (s.x) { (256) => accept; }", "256 is no value of type bit<8>"},
		{"core", sel, "select (s.x) { (valueset vs 1) => accept; }", "field 1 of value set vs has type bit<16>, the key bit<8>"},
		{"core", sel, "select (s.x) { (valueset vs 2) => accept; }", "value set vs has no field 2"},
		{"core", pst, "extract(s);", "extract into s_t"},
		{"core", pst, "extract(s.h, 32w8);", "which has no varbit field, with a size"},
		{"core", pst, "extract(s.v, 64w8);", "the size of the varbit field is of type bit<64>"},
		{"core", pst, "lookahead(s.v);", "lookahead of v_t"},
		{"core", pst, "verify(s.f, s.x);", "verify with bit<8> for an error"},
		{"core", pst, "verify(s.f, const<error>(9));", "there is no error 9"},
		{"core", pst, "apply t;", "a table is applied outside a control"},
		{"typed", stmt, "apply t;", "an apply statement at level typed"},
		{"typed", stmt, "call action a(8w1);", "argument d of a has another direction"},
		{"typed", stmt, "call action a(none s.h.b);", "argument d of a has type bit<16>, not bit<8>"},
		{"typed", stmt, "call action a();", "a takes 1 arguments, not 0"},
		{"typed", stmt, "call block p(none s, out s);", "block p is applied where it cannot be"},
		{"typed", stmt, "s.x = call<bit<8>> table t hit;", "hit or miss has type"},
		{"typed", stmt, "return s.x;", "a value is returned where there is no result"},
		{"typed", stmt, "s.f = (s.x == elem({s.x}, 1));", ""},
		{"typed", decl, "function q () -> bit<8> { return; }", "return without a value"},
		{"typed", decl, "function q () -> bit<8> { return 16w1; }", "the result has type bit<16>, not bit<8>"},
		{"typed", decl, "function q () -> void { exit; }", "exit outside a control"},
	} {
		t.Run(c.text, func(t *testing.T) {
			if c.want == "" { // refused by Parse already, or an unknown type that no value has
				if p, err := Parse("x", []byte(build(c.level, c.where, c.text))); err == nil {
					_ = Check(p)
				}
				return
			}
			err := check(t, c.level, c.where, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want ...%s", err, c.want)
			}
		})
	}
}

// Trees that no text describes: nil parts, strangers, values out of range.
func TestCheckTrees(t *testing.T) {
	b8 := &Bit{W: 8}
	con := func() Expr { return &Const{Meta: Meta{T: b8}, Val: big.NewInt(1)} }
	own := &Var{Name: "v", Type: b8}
	ref := func() Expr { return &VarRef{Meta: Meta{T: b8}, Var: own} }
	for _, c := range []struct {
		name string
		make func(p *Program)
		want string
	}{
		{"level", func(p *Program) { p.Level = 7 }, "unknown level 7"},
		{"nil block", func(p *Program) { p.Blocks = append(p.Blocks, nil) }, "block 1 is nil"},
		{"block twice", func(p *Program) { p.Blocks = append(p.Blocks, &Block{Name: "c", Kind: Control}) }, "block c occurs twice"},
		{"slot", func(p *Program) { p.Pipeline = []Binding{{"ig", &Block{}}} }, "the block of slot ig is not in Program.Blocks"},
		{"scope", func(p *Program) {
			p.Blocks[0].Body = []Stmt{&Assign{L: &VarRef{Meta: Meta{T: b8}, Var: &Var{Name: "w", Type: b8}}, R: con()}}
		}, "variable w is not in scope"},
		{"nil right side", func(p *Program) { p.Blocks[0].Body = []Stmt{&Assign{L: ref()}} }, "an expression is nil"},
		{"nil operand", func(p *Program) {
			p.Blocks[0].Body = []Stmt{&Assign{L: ref(), R: &Unary{Meta: Meta{T: b8}, Op: Neg}}}
		}, "an expression is nil"},
		{"no type", func(p *Program) { p.Blocks[0].Body = []Stmt{&Assign{L: ref(), R: &Const{Val: big.NewInt(1)}}} }, "an expression without a type"},
		{"nil constant", func(p *Program) { p.Blocks[0].Body = []Stmt{&Assign{L: ref(), R: &Const{Meta: Meta{T: b8}}}} }, "a constant without a value"},
		{"nil statement", func(p *Program) { p.Blocks[0].Body = []Stmt{nil} }, "a statement is nil"},
		{"operator", func(p *Program) {
			p.Blocks[0].Body = []Stmt{&Assign{L: ref(), R: &Binary{Meta: Meta{T: b8}, Op: 99, X: con(), Y: con()}}}
		}, "operator 99 is no binary operator"},
		{"unary as binary", func(p *Program) {
			p.Blocks[0].Body = []Stmt{&Assign{L: ref(), R: &Binary{Meta: Meta{T: b8}, Op: Neg, X: con(), Y: con()}}}
		}, "- is no binary operator"},
		{"foreign type", func(p *Program) { own.Type = &Struct{Name: "x"} }, "type x is not (yet) in Program.Types"},
		{"type in itself", func(p *Program) {
			s := &Struct{Name: "x"}
			s.Fields = []Field{{Name: "f", Type: s}}
			p.Types = []Type{s}
		}, "type x is not (yet) in Program.Types"},
		{"foreign table", func(p *Program) { p.Blocks[0].Body = []Stmt{&ApplyTable{Table: &Table{Name: "t"}}} }, "the table is not in Program.Tables"},
		{"foreign action", func(p *Program) {
			p.Tables = []*Table{{Name: "t", Actions: []ActionRef{{Action: &Action{Name: "a"}}}}}
		}, "action 0 is not in Program.Actions"},
		{"no action", func(p *Program) { p.Tables = []*Table{{Name: "t"}} }, "0 actions"},
		{"foreign instance", func(p *Program) {
			p.Blocks[0].Body = []Stmt{&ExternCall{Name: "counter.count", Object: &Instance{Name: "i"}}}
		}, "instance i is not in Program.Instances"},
		{"directions", func(p *Program) { p.Blocks[0].Body = []Stmt{&ExternCall{Name: "f", Args: []Expr{con()}}} }, "1 arguments and 0 directions"},
		{"call of nothing", func(p *Program) {
			p.Level = Typed
			p.Blocks[0].Body = []Stmt{&CallStmt{}}
		}, "a call of 0 things"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own.Type = b8
			p := &Program{Level: Core, Blocks: []*Block{{Name: "c", Kind: Control, Locals: []*Var{own}}}}
			if err := Check(p); err != nil {
				t.Fatal(err)
			}
			c.make(p)
			err := Check(p)
			var ce *CheckError
			if !errors.As(err, &ce) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want ...%s", err, c.want)
			}
		})
	}
}
