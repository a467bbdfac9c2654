package printer_test

import (
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/printer"
	"github.com/p4nic/p4nic/compiler/source"
)

var update = flag.Bool("update", false, "rewrite the expected sections of testdata")

func parse(text string) (*ast.Program, *diag.List) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	return parser.ParseText(set, preproc.Options{}, "t.p4", text, rep), rep
}

// fixedPoint prints, parses and prints again; it returns the first text.
func fixedPoint(t *testing.T, prog *ast.Program) string {
	t.Helper()
	one := printer.String(prog)
	again, rep := parse(one)
	if rep.HasErrors() {
		t.Fatalf("the printed program does not parse:\n%s\n%s", rep, one)
	}
	if two := printer.String(again); two != one {
		t.Fatalf("not a fixed point; first\n%s\nsecond\n%s", one, two)
	}
	if a, b := ast.DumpString(prog), ast.DumpString(again); a != b {
		t.Fatalf("the tree changed; first\n%s\nsecond\n%s", a, b)
	}
	return one
}

// TestGolden compares the text of section in.p4 with section want.p4.
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
			prog, rep := parse(string(ar.Files[0].Data))
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			got := fixedPoint(t, prog)
			if len(ar.Files) > 1 && string(ar.Files[1].Data) == got {
				return
			}
			if !*update {
				t.Fatalf("%s: got\n%s", path, got)
			}
			ar.Files = append(ar.Files[:1], txtar.File{Name: "want.p4", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(ar), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFixedPoint prints the parser's test programs, which have every construct.
func TestFixedPoint(t *testing.T) {
	paths, _ := filepath.Glob("../parser/testdata/ast/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no programs")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			prog, rep := parse(string(ar.Files[0].Data))
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			fixedPoint(t, prog)
			// Every node can be printed by itself.
			ast.Walk(prog, func(n ast.Node) {
				if printer.String(n) == "" {
					t.Errorf("%T prints as nothing", n)
				}
			})
		})
	}
}

func TestExpressions(t *testing.T) {
	tests := []struct{ in, want string }{
		{"(a + b) * c", "(a + b) * c"},
		{"a + (b * c)", "a + b * c"},
		{"a - (b - c)", "a - (b - c)"},
		{"(a - b) - c", "a - b - c"},
		{"(a & b) == c", "a & b == c"},
		{"a & (b == c)", "a & (b == c)"},
		{"(a < b) > (c + 1)", "(a < b) > c + 1"},
		{"-(-a)", "--a"},
		{"+(+a)", "+ +a"},
		{"!(a && b)", "!(a && b)"},
		{"(a ? b : c) ? d : e", "(a ? b : c) ? d : e"},
		{"a ? b : (c ? d : e)", "a ? b : c ? d : e"},
		{"(a ++ b)[3:0]", "(a ++ b)[3:0]"},
		{"((bit<8>) a).x", "((bit<8>)a).x"},
		{"(bit<8>) (a + b)", "(bit<8>)(a + b)"},
		{"(bit<(W+1)>) a", "(bit<(W + 1)>)a"},
		{"(a)", "a"},
		{"0xFF_00", "0xFF_00"},
		{`"q\"\\\n"`, `"q\"\\\n"`},
		{"{a=1,...}", "{a = 1, ...}"},
		{"a[1+:2]", "a[1 +: 2]"},
		{"f(_, x = 1, y = _)", "f(_, x = 1, y = _)"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			prog, rep := parse("const bool x = " + tt.in + ";")
			if rep.HasErrors() {
				t.Fatal(rep)
			}
			if got := printer.String(prog.Decls[0].(*ast.ConstDecl).Value); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			fixedPoint(t, prog)
		})
	}
}

// Trees that no source gave.
func TestMadeTrees(t *testing.T) {
	path := func(s string) *ast.PathExpr { return &ast.PathExpr{Path: &ast.Path{Name: &ast.Ident{Name: s}}} }
	tests := []struct {
		name string
		node ast.Node
		want string
	}{
		{"integer", &ast.IntLit{Value: big.NewInt(5)}, "5"},
		{"unsigned integer", &ast.IntLit{Value: big.NewInt(5), HasWidth: true, Width: 8}, "8w5"},
		{"signed integer", &ast.IntLit{Value: big.NewInt(5), HasWidth: true, Width: 4, Signed: true}, "4s5"},
		{"else of the outer if", &ast.IfStmt{Cond: path("a"), Then: &ast.IfStmt{Cond: path("b"), Then: &ast.ExitStmt{}}, Else: &ast.EmptyStmt{}},
			"if (a) {\n    if (b)\n        exit;\n} else\n    ;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := printer.String(tt.node); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func FuzzFixedPoint(f *testing.F) {
	paths, _ := filepath.Glob("../parser/testdata/ast/*.txtar")
	for _, p := range paths {
		ar, err := txtar.ParseFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(ar.Files[0].Data))
	}
	f.Add("const bit x = a < (b) > (c) ? {d, e} : (T) +f;")
	f.Fuzz(func(t *testing.T, text string) {
		prog, rep := parse(text)
		if rep.HasErrors() {
			t.Skip("not a program")
		}
		fixedPoint(t, prog)
	})
}
