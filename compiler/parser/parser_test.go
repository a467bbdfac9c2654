package parser_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
)

var update = flag.Bool("update", false, "rewrite the expected sections of testdata")

func parse(text string) (*ast.Program, *diag.List) {
	set := source.NewSet()
	rep := diag.NewList(set, -1)
	return parser.ParseText(set, preproc.Options{}, "t.p4", text, rep), rep
}

// TestErrors plays testdata/errors: every `ERROR "regexp"` in a comment demands
// an error on its line whose "code: message" matches, and there are no others.
func TestErrors(t *testing.T) {
	want := regexp.MustCompile(`ERROR "((?:[^"\\]|\\.)*)"`)
	paths, _ := filepath.Glob("testdata/errors/*.p4")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".p4"), func(t *testing.T) {
			set := source.NewSet()
			rep := diag.NewList(set, -1)
			prog := parser.ParseFile(set, preproc.Options{}, path, rep)
			if prog == nil {
				t.Fatal("no program")
			}
			got := map[int][]string{}
			for _, d := range rep.All() {
				n := set.Position(d.Span.Lo).Line
				got[n] = append(got[n], string(d.Code)+": "+d.Message)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(text), "\n") {
				for _, m := range want.FindAllStringSubmatch(line, -1) {
					re := regexp.MustCompile(m[1])
					hit := -1
					for k, g := range got[i+1] {
						if re.MatchString(g) {
							hit = k
						}
					}
					if hit < 0 {
						t.Errorf("%s:%d: no error matches %q; got %q", path, i+1, m[1], got[i+1])
						continue
					}
					got[i+1] = append(got[i+1][:hit], got[i+1][hit+1:]...)
				}
			}
			for n, list := range got {
				for _, g := range list {
					t.Errorf("%s:%d: unexpected error %s", path, n, g)
				}
			}
		})
	}
}

// TestAST compares the dump of section in.p4 with section want.ast.
func TestAST(t *testing.T) {
	paths, _ := filepath.Glob("testdata/ast/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			prog, rep := parse(string(ar.Files[0].Data))
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			got := ast.DumpString(prog)
			if len(ar.Files) > 1 && string(ar.Files[1].Data) == got {
				return
			}
			if !*update {
				t.Fatalf("%s: got\n%s", path, got)
			}
			ar.Files = append(ar.Files[:1], txtar.File{Name: "want.ast", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(ar), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTypeNames: where the grammar depends on which names are types.
func TestTypeNames(t *testing.T) {
	const decls = `typedef bit<8> T; extern E<A> { E(); } extern bit<8> f<A>(in A x); const bit<8> a = 1; const bit<8> b = 2;
`
	tests := []struct{ name, expr, want string }{
		{"cast of a negative number", "(T) - 1", "Cast"},
		{"difference", "(a) - 1", "Binary"},
		{"cast of parentheses", "(T)(a)", "Cast"},
		{"call of a parenthesized name", "(f)(a)", "Call"},
		{"cast to a keyword type", "(bit<4>)(a)", "Cast"},
		{"cast to an unknown type", "(Unknown) a", "Cast"},
		{"cast to an unknown type of a literal", "(Unknown) 5", "Cast"},
		{"cast to a specialized type", "(E<T>) a", "Cast"},
		{"cast binds tighter than +", "(T) a + b", "Binary"},
		{"cast binds looser than a member", "(T) a.b", "Cast"},
		{"call with type arguments", "f<T>(a)", "Call"},
		{"call with nested type arguments", "f<tuple<T, bit<8>>>(a)", "Call"},
		{"call with _", "f<_>(a)", "Call"},
		{"call with an unknown type", "f<Unknown>(a)", "Call"},
		{"two comparisons", "a < b > (a)", "Binary"},
		{"constructor", "E<T>()", "Call of Type"},
		{"constructor without type arguments", "E()", "Call of Type"},
		{"member of a type", "T.x", "Member of Type"},
		{"member of error", "error.x", "Member of Type"},
		{"absolute type", "(.T) 1", "Cast"},
		{"absolute value", ".a - 1", "Binary"},
		{"shift", "a >> b", "Binary"},
		{"no shift", "a < b > (f<T>(b))", "Binary"},
		{"slice", "a[3:0]", "Slice"},
		{"slice with a width", "a[0 +: 4]", "WidthSlice"},
		{"conditional", "a == b ? a : b", "Cond"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prog, rep := parse(decls + "const bit<8> x = " + tt.expr + ";\n")
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			e := prog.Decls[len(prog.Decls)-1].(*ast.ConstDecl).Value
			if got := shape(e); got != tt.want {
				t.Errorf("%s is a %s, want %s", tt.expr, got, tt.want)
			}
		})
	}
}

func shape(e ast.Expr) string {
	of := func(x ast.Expr) string {
		if _, ok := x.(*ast.TypeExpr); ok {
			return " of Type"
		}
		return ""
	}
	switch e := e.(type) {
	case *ast.CastExpr:
		return "Cast"
	case *ast.BinaryExpr:
		return "Binary"
	case *ast.CallExpr:
		return "Call" + of(e.Fun)
	case *ast.MemberExpr:
		return "Member" + of(e.X)
	case *ast.SliceExpr:
		return "Slice"
	case *ast.WidthSliceExpr:
		return "WidthSlice"
	case *ast.CondExpr:
		return "Cond"
	}
	return "other"
}

// A name can be a type in one scope and a value in an inner one.
func TestScopes(t *testing.T) {
	prog, rep := parse(`
struct meta {}
control c(inout meta meta) {
    action a(in bit<8> T) { bit<8> x = (T) - 1; }
    apply { bit<8> y = (meta) - 1; }
}
typedef bit<8> T;
const T z = (T) - 1;
extern void g<T>(in T x);
bit<8> h<U>(in U u) { return (U) - 1; }
const bit<8> v = (U) - 1;
`)
	if rep.HasErrors() {
		t.Fatal(rep)
	}
	var got []string
	ast.Walk(prog, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CastExpr:
			got = append(got, "cast")
		case *ast.BinaryExpr:
			got = append(got, n.Op.String())
		}
	})
	if s := strings.Join(got, " "); s != "- - cast cast -" {
		t.Errorf("got %s", s)
	}
}

func TestPrecedence(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"a + b * c", "(a + (b * c))"},
		{"a - b - c", "((a - b) - c)"},
		{"a & b == c", "((a & b) == c)"},
		{"a | b < c", "((a | b) < c)"},
		{"a == b < c", "(a == (b < c))"},
		{"a | b ^ c & d", "(a | (b ^ (c & d)))"},
		{"a & b << c", "(a & (b << c))"},
		{"a << b + c", "(a << (b + c))"},
		{"a ++ b ++ c", "((a ++ b) ++ c)"},
		{"a |+| b |-| c", "((a |+| b) |-| c)"},
		{"a || b && c", "(a || (b && c))"},
		{"a >> b >> c", "((a >> b) >> c)"},
		{"-a + b", "(-a + b)"},
		{"!a && b", "(!a && b)"},
		{"a ? b : c ? d : e", "(a ? b : (c ? d : e))"},
		{"a ? b ? c : d : e", "(a ? (b ? c : d) : e)"},
		{"a || b ? c : d", "((a || b) ? c : d)"},
		{"a[b + c] * d", "(a[(b + c)] * d)"},
	}
	for _, tt := range tests {
		t.Run("lang:L47 lang:L50 "+tt.expr, func(t *testing.T) {
			prog, rep := parse("const bool x = " + tt.expr + ";")
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			if got := full(prog.Decls[0].(*ast.ConstDecl).Value); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// full writes an expression with all parentheses.
func full(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.PathExpr:
		return e.Path.String()
	case *ast.UnaryExpr:
		return e.Op.String() + full(e.X)
	case *ast.BinaryExpr:
		return "(" + full(e.X) + " " + e.Op.String() + " " + full(e.Y) + ")"
	case *ast.CondExpr:
		return "(" + full(e.Cond) + " ? " + full(e.Then) + " : " + full(e.Else) + ")"
	case *ast.IndexExpr:
		return full(e.X) + "[" + full(e.Index) + "]"
	}
	return "?"
}

// programs returns the texts of testdata/ast by path.
func programs(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths, _ := filepath.Glob("testdata/ast/*.txtar")
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(ar.Files[0].Data)
	}
	if len(out) == 0 {
		t.Fatal("no programs")
	}
	return out
}

// TestTree checks what the ast package promises of every tree: each expression,
// type and declaration occurs once, and children lie within their parents.
func TestTree(t *testing.T) {
	for path, text := range programs(t) {
		prog, _ := parse(text)
		seen := map[ast.Node]bool{}
		var stack []ast.Node
		ast.Inspect(prog, func(n ast.Node) bool {
			if n == nil {
				stack = stack[:len(stack)-1]
				return true
			}
			if seen[n] {
				t.Errorf("%s: %T occurs twice", path, n)
			}
			seen[n] = true
			if !n.Pos().IsValid() || n.End() <= n.Pos() {
				t.Errorf("%s: %T has span %d-%d", path, n, n.Pos(), n.End())
			}
			if len(stack) > 0 {
				if p := stack[len(stack)-1]; n.Pos() < p.Pos() || n.End() > p.End() {
					t.Errorf("%s: %T at %d-%d is not within %T at %d-%d", path, n, n.Pos(), n.End(), p, p.Pos(), p.End())
				}
			}
			stack = append(stack, n)
			return true
		})
	}
}

// Deep or long input is refused with a diagnostic, and quickly.
func TestBounds(t *testing.T) {
	const n = 50_000
	rep := strings.Repeat
	tests := []struct{ name, text string }{
		{"parentheses", "const bit<8> x = " + rep("(", n) + "1" + rep(")", n) + ";"},
		{"open parentheses", "const bit<8> x = " + rep("(", n)},
		{"unary", "const bit<8> x = " + rep("- ", n) + "1;"},
		{"casts", "const bit<8> x = " + rep("(bit<8>)", n) + "1;"},
		{"sum", "const bit<8> x = 1" + rep(" + 1", n) + ";"},
		{"members", "const bit<8> x = a" + rep(".b", n) + ";"},
		{"calls", "const bit<8> x = a" + rep("(", n) + ";"},
		{"indices", "const bit<8> x = a" + rep("[", n) + ";"},
		{"conditionals", "const bit<8> x = a" + rep(" ? b : c", n) + ";"},
		{"braces", "const bit<8> x = " + rep("{", n) + ";"},
		{"types", "const " + rep("tuple<", n) + "> x = 1;"},
		{"types in an expression", "typedef bit<8> T; const bit<8> x = " + rep("T<", n) + ";"},
		{"comparisons", "const bit<8> x = a" + rep(" < a", n) + ";"},
		{"widths", "const bit<8> x = " + rep("(bit<a+", n) + ";"},
		{"stacks", "const T" + rep("[1]", n) + " x = 1;"},
		{"blocks", "control c() { apply " + rep("{", n)},
		{"ifs", "control c() { apply { " + rep("if (a) ", n)},
		{"else ifs", "control c() { apply { " + rep("if (a) {} else ", n) + "{} } }"},
		{"loops", "control c() { apply { " + rep("for (;a;) ", n)},
		{"switches", "control c() { apply { " + rep("switch (a) { 1: {", n)},
		{"annotations", rep("@a(", n)},
		{"annotation bodies", "@a(" + rep("(", n) + rep(")", n) + ") const bit<8> x = 1;"},
		{"initializers", rep("E() x = {", n)},
		{"typedefs", rep("typedef struct S { ", n)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, rep := parse(tt.text)
			if !rep.HasErrors() && tt.name != "annotation bodies" {
				t.Errorf("accepted")
			}
			if s := rep.String(); len(s) > 1<<20 {
				t.Errorf("diagnostics of %d bytes", len(s))
			}
		})
	}
}

// What is below the bounds is accepted: generated programs are like this.
func TestLongInput(t *testing.T) {
	rep := strings.Repeat
	tests := []struct{ name, text string }{
		{"a sum of 4000", "const bit<8> x = 1" + rep(" + 1", 4000) + ";"},
		{"4000 else ifs", "control c() { apply { " + rep("if (a) {} else ", 4000) + "{} } }"},
		{"100 parentheses", "const bit<8> x = " + rep("(", 100) + "1" + rep(")", 100) + ";"},
		{"100 blocks", "control c() { apply { " + rep("{", 100) + rep("}", 100) + " } }"},
		{"a list of 100000", "const bit<8> x = {1" + rep(", 1", 100_000) + "};"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, rep := parse(tt.text); rep.HasErrors() {
				t.Error(rep)
			}
		})
	}
}

func FuzzParser(f *testing.F) {
	for _, pattern := range []string{"testdata/ast/*.txtar", "testdata/errors/*.p4"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			if ar := txtar.Parse(b); len(ar.Files) > 0 {
				b = ar.Files[0].Data
			}
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		prog, rep := parse(text)
		n := 0
		ast.Walk(prog, func(ast.Node) { n++ })
		_ = rep.String()
	})
}
