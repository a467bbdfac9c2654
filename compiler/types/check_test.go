package types_test

import (
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
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
)

// check parses and checks a program that may include core.p4 and v1model.p4.
func check(t testing.TB, name, text string) (*ast.Program, *types.Info, *diag.List) {
	t.Helper()
	set := source.NewSet()
	rep := diag.NewList(set, -1)
	prog := parser.ParseText(set, preproc.Options{FS: p4src.Include()}, name, text, rep)
	if rep.HasErrors() {
		t.Fatalf("does not parse:\n%s", rep)
	}
	return prog, types.Check(prog, rep), rep
}

// TestPrograms plays the sections of testdata/*.txtar, each a program named
// after the rules it covers. A comment `ERROR "regexp"` (or WARNING) demands a
// diagnostic on its line whose "code: message" matches; no others may occur.
func TestPrograms(t *testing.T) {
	want := regexp.MustCompile(`(ERROR|WARNING) "((?:[^"\\]|\\.)*)"`)
	paths, _ := filepath.Glob("testdata/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			t.Run(f.Name, func(t *testing.T) {
				_, _, rep := check(t, "t.p4", string(f.Data))
				got := map[int][]string{}
				for _, d := range rep.All() {
					pos := rep.Set().Position(d.Span.Lo)
					if pos.File != "t.p4" {
						t.Errorf("%s: unexpected %s: %s", pos, d.Code, d.Message)
						continue
					}
					kind := "ERROR "
					if d.Severity == diag.Warning {
						kind = "WARNING "
					}
					got[pos.Line] = append(got[pos.Line], kind+string(d.Code)+": "+d.Message)
				}
				for i, line := range strings.Split(string(f.Data), "\n") {
					for _, m := range want.FindAllStringSubmatch(line, -1) {
						re := regexp.MustCompile("^" + m[1] + " .*" + m[2])
						hit := -1
						for k, g := range got[i+1] {
							if re.MatchString(g) {
								hit = k
							}
						}
						if hit < 0 {
							t.Errorf("line %d: nothing matches %s %q; got %q", i+1, m[1], m[2], got[i+1])
							continue
						}
						got[i+1] = append(got[i+1][:hit], got[i+1][hit+1:]...)
					}
				}
				for n, list := range got {
					for _, g := range list {
						t.Errorf("line %d: unexpected %s", n, g)
					}
				}
			})
		}
	}
}

// TestCodes checks that the example of each documented code draws that code,
// and that each code of codes.go is documented once.
func TestCodes(t *testing.T) {
	documented := map[string]bool{}
	for _, info := range types.Codes() {
		t.Run(string(info.Code), func(t *testing.T) {
			if documented[string(info.Code)] {
				t.Error("documented twice")
			}
			documented[string(info.Code)] = true
			if info.Summary == "" {
				t.Error("no summary")
			}
			_, _, rep := check(t, "t.p4", info.Example)
			var got []string
			for _, d := range rep.All() {
				if d.Code == info.Code {
					return
				}
				got = append(got, string(d.Code)+": "+d.Message)
			}
			t.Errorf("the example draws %q", got)
		})
	}
	text, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`diag\.Code = "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if !documented[m[1]] {
			t.Errorf("code %s is not documented", m[1])
		}
	}
}

// TestConstants checks folding: the values of the constants of a program.
func TestConstants(t *testing.T) {
	for _, c := range []struct{ id, typ, expr, want string }{
		{"lang:L7/signed literal", "int<8>", "8s0xff", "-1"},
		{"lang:L47/wraps", "bit<8>", "8w255 + 8w3", "2"},
		{"lang:L47/signed wraps", "int<8>", "8s127 + 1", "-128"},
		{"lang:L47/multiply", "bit<4>", "4w7 * 5", "3"},
		{"lang:L48/int division", "int", "7 / 2", "3"},
		{"lang:L48/modulo", "int", "7 % 4", "3"},
		{"lang:L49/complement", "bit<8>", "~8w0xf0", "15"},
		{"lang:L49/negate bit", "bit<8>", "-8w1", "255"},
		{"lang:L49/not", "bool", "!true", "0"},
		{"lang:L50/and", "bit<8>", "8w0xf3 & 0x3c", "48"},
		{"lang:L50/xor", "bit<8>", "8w0xf3 ^ 0x3c", "207"},
		{"lang:L51/arithmetic right", "int<8>", "8s0x80 >> 2", "-32"},
		{"lang:L51/logical right", "bit<8>", "8w0x80 >> 2", "32"},
		{"lang:L51/left cuts", "bit<8>", "8w0xff << 4", "240"},
		{"lang:L51/int grows", "int", "1 << 70", "1180591620717411303424"},
		{"lang:L52/signed compare", "bool", "8s0xff < 0", "1"},
		{"lang:L52/unsigned compare", "bool", "8w0xff < 0", "0"},
		{"lang:L53/short circuit", "bool", "true || false", "1"},
		{"lang:L54/mux", "bit<8>", "1 < 2 ? 8w5 : 6", "5"},
		{"lang:L55/saturating add", "bit<8>", "8w250 |+| 10", "255"},
		{"lang:L55/saturating sub", "bit<8>", "8w3 |-| 10", "0"},
		{"lang:L55/signed low", "int<8>", "-8s100 |-| 100", "-128"},
		{"lang:L55/signed high", "int<8>", "8s100 |+| 100", "127"},
		{"lang:L56/concat", "bit<12>", "4w0xa ++ 8w0xbc", "2748"},
		{"lang:L56/concat signed", "int<8>", "4s0xf ++ 4w0", "-16"},
		{"lang:L58/slice", "bit<4>", "16w0xabcd[11:8]", "11"},
		{"lang:L60/width slice", "bit<4>", "16w0xabcd[8+:4]", "11"},
		{"lang:L61/truncate", "bit<4>", "(bit<4>)16w0xabcd", "13"},
		{"lang:L61/same width sign", "int<8>", "(int<8>)8w0xff", "-1"},
		{"lang:L61/sign extends", "int<16>", "(int<16>)8s0xff", "-1"},
		{"lang:L61/bool", "bit<1>", "(bit<1>)true", "1"},
		{"lang:L61/wide", "bit<128>", "(bit<128>)-1", "340282366920938463463374607431768211455"},
		{"lang:L62/int to width", "bit<8>", "10", "10"},
		{"lang:L62/negative", "bit<8>", "-1", "255"},
		{"lang:L82/precision", "int", "(1 << 64) * (1 << 64) - (1 << 128) + 7", "7"},
		{"lang:L82/precedence", "bool", "1 & 3 == 1", "1"},
		{"lang:L76/tuple", "bit<8>", "{8w1, 8w2}[1]", "2"},
	} {
		t.Run(c.id, func(t *testing.T) {
			_, info, rep := check(t, "t.p4", "const "+c.typ+" x = "+c.expr+";")
			if rep.HasErrors() {
				t.Fatalf("refused:\n%s", rep)
			}
			o := info.Top["x"]
			if o == nil || o.Val == nil || o.Val.Int == nil {
				t.Fatal("no value")
			}
			if got := o.Val.Int.String(); got != c.want {
				t.Errorf("%s = %s, want %s", c.expr, got, c.want)
			}
		})
	}
}

// TestInfo checks the side tables of a small program.
func TestInfo(t *testing.T) {
	prog, info, rep := check(t, "t.p4", `
extern void f<T>(in T a, @optional in bit<8> b, in bool c);
control c(inout bit<16> x) {
    apply { f(c = true, a = x); }
}`)
	if rep.HasErrors() {
		t.Fatal(rep)
	}
	var call *types.Call
	ast.Inspect(prog, func(n ast.Node) bool {
		if e, ok := n.(*ast.CallExpr); ok {
			call = info.Calls[e]
		}
		return true
	})
	if call == nil {
		t.Fatal("no call recorded")
	}
	t.Run("lang:L42 inference", func(t *testing.T) {
		if len(call.TypeArgs) != 1 || call.TypeArgs[0].String() != "bit<16>" {
			t.Errorf("type arguments %v", call.TypeArgs)
		}
	})
	t.Run("lang:L79 lang:L81 arguments", func(t *testing.T) {
		if len(call.Args) != 3 || call.Args[0] == nil || call.Args[1] != nil || call.Args[2] == nil {
			t.Fatalf("arguments %v", call.Args)
		}
		if p, ok := call.Args[0].(*ast.PathExpr); !ok || p.Path.Name.Name != "x" {
			t.Errorf("first argument %v", call.Args[0])
		}
	})
	t.Run("uses", func(t *testing.T) {
		o := info.Uses[call.Args[0].(*ast.PathExpr).Path]
		if o == nil || o.Kind != types.ParamObj || info.Defs[o.Node] != o {
			t.Errorf("use of x resolves to %+v", o)
		}
	})
}

// TestFix checks that misspelt names are corrected.
func TestFix(t *testing.T) {
	_, _, rep := check(t, "t.p4", "const bit<8> length = 1;\nconst bit<8> x = lenght;")
	all := rep.All()
	if len(all) != 1 || all[0].Fix == nil || all[0].Fix.Text != "length" {
		t.Fatalf("diagnostics %+v", all)
	}
}

func FuzzCheck(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range ar.Files {
			f.Add(string(s.Data))
		}
	}
	for _, info := range types.Codes() {
		if len(info.Example) < 1000 {
			f.Add(info.Example)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		set := source.NewSet()
		rep := diag.NewList(set, 0)
		prog := parser.ParseText(set, preproc.Options{FS: p4src.Include()}, "t.p4", text, rep)
		// A tree with holes must do no harm either.
		types.Check(prog, rep)
	})
}
