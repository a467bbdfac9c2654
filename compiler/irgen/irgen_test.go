package irgen_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/irgen"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
)

var update = flag.Bool("update", false, "rewrite the expected sections of testdata")

// compile runs the front end on a program's text.
func compile(name, text string) (*ir.Program, *diag.List) {
	set := source.NewSet()
	rep := diag.NewList(set, -1)
	prog := parser.ParseText(set, preproc.Options{FS: p4src.Include()}, name, text, rep)
	if rep.HasErrors() {
		return nil, rep
	}
	info := types.Check(prog, rep)
	return irgen.Generate(prog, info, irgen.Options{Name: "test"}, rep), rep
}

// prelude and epilogue make a v1model program of declarations with a control
// ig, and where it is not declared a parser pa. The prelude is one line, so
// line numbers are easy to compute.
const prelude = `#include <core.p4>
#include <v1model.p4>
header E { bit<48> dst; bit<48> src; bit<16> type; }
struct H { E e; E[2] st; }
struct M { bit<8> a; bit<16> b; bool f; }
`

const epilogue = `
control vr(inout H h, inout M m) { apply { } }
control eg(inout H h, inout M m, inout standard_metadata_t sm) { apply { } }
control dep(packet_out p, in H h) { apply { p.emit(h); } }
V1Switch(pa(), vr(), ig(), eg(), vr(), dep()) main;
`

const parserDecl = `
parser pa(packet_in p, out H h, inout M m, inout standard_metadata_t sm) { state start { p.extract(h.e); transition accept; } }
`

func whole(decls string) string {
	if strings.Contains(decls, "#include") {
		return decls
	}
	if !strings.Contains(decls, "parser pa(") {
		decls = parserDecl + decls
	}
	if !strings.Contains(decls, "control ig(") {
		decls += "\ncontrol ig(inout H h, inout M m, inout standard_metadata_t sm) { apply { } }"
	}
	return prelude + decls + epilogue
}

// must compiles declarations and verifies the result.
func must(t *testing.T, decls string) *ir.Program {
	t.Helper()
	p, rep := compile("t.p4", whole(decls))
	if p == nil {
		t.Fatalf("refused:\n%s", rep)
	}
	if err := ir.Check(p); err != nil {
		t.Fatalf("bad IR: %v\n%s", err, p)
	}
	return p
}

// TestGolden compares the IR of the declarations in section in.p4 with section
// want.ir: everything but positions, files and the declared types of v1model.
func TestGolden(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) == 0 || ar.Files[0].Name != "in.p4" {
				t.Fatal("the first section must be in.p4")
			}
			p := must(t, string(ar.Files[0].Data))
			got := text(p)
			if *update {
				ar.Files = []txtar.File{ar.Files[0], {Name: "want.ir", Data: []byte(got)}}
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(ar.Files) < 2 || got != string(ar.Files[1].Data) {
				t.Errorf("the IR differs (-update rewrites it); got\n%s", got)
			}
		})
	}
}

// text prints a program without positions and without what every v1model
// program has: its types, and the blocks of the epilogue.
func text(p *ir.Program) string {
	var b strings.Builder
	_ = p.Print(&b, ir.PrintOptions{NoPos: true})
	var out []string
	skip := false
	top := regexp.MustCompile(`^(struct standard_metadata_t|enum (CounterType|MeterType|HashAlgorithm|CloneType)|header E|struct [HM]|control (vr|vr_2|eg|dep)) `)
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "}") {
			skip = top.MatchString(strings.TrimSpace(line) + " ")
		}
		if !skip {
			out = append(out, line)
		} else if strings.HasPrefix(line, "}") {
			skip = false
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// TestRouter compiles the project's router.
func TestRouter(t *testing.T) {
	src, err := os.ReadFile("../../p4src/router.p4")
	if err != nil {
		t.Fatal(err)
	}
	p, rep := compile("router.p4", string(src))
	if p == nil {
		t.Fatalf("refused:\n%s", rep)
	}
	if err := ir.Check(p); err != nil {
		t.Fatal(err)
	}
	t.Run("lang:V1", func(t *testing.T) {
		var slots []string
		for _, b := range p.Pipeline {
			slots = append(slots, b.Slot+"="+b.Block.Name)
		}
		want := "p=RouterParser vr=RouterVerifyChecksum ig=RouterIngress eg=RouterEgress ck=RouterComputeChecksum dep=RouterDeparser"
		if got := strings.Join(slots, " "); got != want {
			t.Errorf("pipeline %s, want %s", got, want)
		}
	})
	t.Run("lang:P9", func(t *testing.T) {
		tb := p.Table("RouterIngress.ipv4_routes")
		if tb == nil || len(tb.Keys) != 2 || tb.Keys[0].Name != "vrf" || tb.Keys[1].Name != "prefix" || tb.Keys[1].Kind != ir.MatchLPM {
			t.Fatalf("table %+v", tb)
		}
		if tb.Counters == nil || tb.Counters.Name != "RouterIngress.ipv4_route_counter" {
			t.Errorf("counters %+v", tb.Counters)
		}
		if tb.Size == 0 || !tb.HasDefault {
			t.Errorf("size %d, default %v", tb.Size, tb.HasDefault)
		}
	})
	t.Run("positions", func(t *testing.T) {
		pos := p.Table("RouterIngress.ipv4_routes").Pos
		line := p.Files[pos.File].Lines[pos.Line]
		if p.Files[pos.File].Path != "router.p4" || !strings.Contains(line, "table ipv4_routes") {
			t.Errorf("position %+v names line %q of %s", pos, line, p.Files[pos.File].Path)
		}
	})
	t.Run("same bytes", func(t *testing.T) {
		again, _ := compile("router.p4", string(src))
		if again.String() != p.String() {
			t.Error("two runs differ")
		}
		back, err := ir.Parse("router.ir", []byte(p.String()))
		if err != nil {
			t.Fatal(err)
		}
		if back.String() != p.String() {
			t.Error("the text does not survive a round trip")
		}
	})
}

// TestKeyNames checks rule P9.
func TestKeyNames(t *testing.T) {
	for _, c := range []struct{ id, key, want string }{
		{"field", "h.e.dst", "h.e.dst"},
		{"annotation", `h.e.dst @name("mac")`, "mac"},
		{"valid", "h.e.isValid()", "h.e.$valid$"},
		{"stack", "h.st[1].src", "h.st[1].src"},
		{"slice", "m.b[11:4]", "m.b[11:4]"},
		{"mask", "m.b & 0xff0", "m.b & 0xff0"},
		{"mask decimal", "m.b & 16w255", "m.b & 255"},
		{"field name", "x.y", "x.why"},
		{"absolute field name", "x.z", "zed"},
	} {
		t.Run("lang:P9 "+c.id, func(t *testing.T) {
			key := c.key
			kind := " : exact"
			if i := strings.Index(key, " @"); i >= 0 {
				key, kind = key[:i], kind+key[i:]
			}
			p := must(t, `
struct X { @name("why") bit<8> y; @name(".zed") bit<8> z; }
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    X x;
    table t { key = { `+key+kind+`; } actions = { NoAction; } }
    apply { x = { 1, 2 }; t.apply(); }
}`)
			if got := p.Table("ig.t").Keys[0].Name; got != c.want {
				t.Errorf("%s is called %q, want %q", c.key, got, c.want)
			}
		})
	}
}

// TestPriorities checks what entries get (P24, P25, L137-L139).
func TestPriorities(t *testing.T) {
	for _, c := range []struct{ id, props, entries, want string }{
		{"lang:P24 const", "", "const entries = { 1 : a(); 2 : a(); 3 : a(); }", "3 2 1"},
		{"@priority: the smallest wins, else the position", "", "const entries = { 1 : a() @priority(3); 2 : a(); 3 : a() @priority(1); }", "1 2 3"},
		{"lang:P25 derived", "", "entries = { 1 : a(); 2 : a(); 3 : a(); }", "3 2 1"},
		{"lang:L137 explicit", "", "entries = { priority = 50 : 1 : a(); 2 : a(); priority = 10 : 3 : a(); }", "50 49 10"},
		{"lang:L139 delta", "priority_delta = 10;", "entries = { priority = 21 : 1 : a(); 2 : a(); priority = 7 : 3 : a(); }", "21 11 7"},
		{"lang:L138 smallest", "largest_priority_wins = false;", "entries = { priority = 1 : 1 : a(); 2 : a(); priority = 9 : 3 : a(); }", "9 8 1"},
	} {
		t.Run(c.id, func(t *testing.T) {
			p := must(t, `
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    action a() { }
    table t { key = { m.a : ternary; } actions = { a; } default_action = a(); `+c.props+c.entries+` }
    apply { t.apply(); }
}`)
			var got []string
			for _, e := range p.Table("ig.t").Entries {
				got = append(got, fmt.Sprint(e.Priority))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("priorities %s, want %s", s, c.want)
			}
		})
	}
}

// TestNames checks control-plane names (L164, L176-L179).
func TestNames(t *testing.T) {
	const leaf = `
control leaf(inout M m)(bit<8> k) {
    counter(8, CounterType.bytes) c;
    action set() { m.a = k; }
    @name("renamed") table t { actions = { set; } default_action = set(); }
    apply { t.apply(); c.count(1); }
}
`
	p := must(t, leaf+`
@name(".free") action top() { }
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    leaf(3) one;
    @name("second") leaf(4) two;
    @name(".third") leaf(5) three;
    apply { one.apply(m); two.apply(m); three.apply(m); top(); }
}`)
	for _, prefix := range []string{"ig.one", "ig.second", "third"} {
		t.Run("lang:L176 lang:L177 "+prefix, func(t *testing.T) {
			tb := p.Table(prefix + ".renamed")
			if tb == nil {
				t.Fatal("no such table")
			}
			if got := tb.Actions[0].Action.Name; got != prefix+".set" {
				t.Errorf("its action is %s", got)
			}
			n := 0
			for _, inst := range p.Instances {
				if inst.Name == prefix+".c" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d counters %s.c", n, prefix)
			}
		})
	}
	t.Run("lang:L164 absolute action", func(t *testing.T) {
		for _, a := range p.Actions {
			if a.Name == "free" {
				return
			}
		}
		t.Error("no action free")
	})
	t.Run("lang:L157 constructor arguments", func(t *testing.T) {
		for _, a := range p.Actions {
			if a.Name == "ig.second.set" {
				c, ok := a.Body[0].(*ir.Assign).R.(*ir.Const)
				if !ok || c.Val.Int64() != 4 || c.T.String() != "bit<8>" {
					t.Errorf("assigns %+v", a.Body[0])
				}
			}
		}
	})
	t.Run("lang:L179 duplicates", func(t *testing.T) {
		_, rep := compile("t.p4", whole(leaf+`
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    leaf(3) one;
    @name("one") leaf(4) two;
    apply { one.apply(m); two.apply(m); }
}`))
		if !strings.Contains(rep.String(), "two objects have the control-plane name ig.one.renamed") {
			t.Errorf("diagnostics:\n%s", rep)
		}
	})
}

// TestCodes checks that the example of each documented code draws that code,
// and that each code of codes.go is documented once.
func TestCodes(t *testing.T) {
	documented := map[string]bool{}
	for _, info := range irgen.Codes() {
		t.Run(string(info.Code), func(t *testing.T) {
			if documented[string(info.Code)] || info.Summary == "" {
				t.Error("documented twice, or without summary")
			}
			documented[string(info.Code)] = true
			p, rep := compile("t.p4", whole(info.Example))
			if p != nil {
				t.Fatal("accepted")
			}
			for _, d := range rep.All() {
				if d.Code == info.Code {
					return
				}
			}
			t.Errorf("the example draws\n%s", rep)
		})
	}
	src, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`diag\.Code = "([^"]+)"`).FindAllStringSubmatch(string(src), -1) {
		if !documented[m[1]] {
			t.Errorf("code %s is not documented", m[1])
		}
	}
}

// What a constant condition excludes is no part of the program: its actions have
// no place among those called.
func TestDeadBranches(t *testing.T) {
	p := must(t, `
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    action live() { m.a = 1; }
    action dead() { m.a = 2; }
    apply {
        if (1 == 2) { dead(); } else { live(); }
        if (false) { dead(); }
        if (true) { live(); }
    }
}`)
	r := ir.Reachable(p)
	for a := range r.CalledTop {
		if a.Name != "ig.live" {
			t.Errorf("%s is called", a.Name)
		}
	}
	if len(r.CalledTop) != 1 {
		t.Errorf("%d actions are called", len(r.CalledTop))
	}
}

// lang:L161: the text of an unstructured annotation keeps the lines of its strings.
func TestAnnotationText(t *testing.T) {
	p := must(t, "control ig(inout H h, inout M m, inout standard_metadata_t sm) {\n"+
		"@rule(\"a\n\tb \\\"c\\\"\") table t { actions = { NoAction; } }\napply { t.apply(); } }")
	a, ok := ir.Anno(p.Tables[0].Annos, "rule")
	if want := "\"a\n\tb \\\"c\\\"\""; !ok || a.Text != want {
		t.Errorf("%q, want %q", a.Text, want)
	}
}

// lang:L125 lang:L126: an action that is only called takes any value as a
// directionless parameter.
func TestCalledActionData(t *testing.T) {
	p := must(t, `
struct D { bit<8> x; }
control ig(inout H h, inout M m, inout standard_metadata_t sm) {
    action a(D d) { m.a = d.x; }
    apply { a({ 3 }); }
}`)
	if len(p.Actions) == 0 {
		t.Error("no action")
	}
}
