package format_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/format"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/p4src"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata")

func options() preproc.Options { return preproc.Options{FS: p4src.Include()} }

func run(text string) (string, *diag.List, error) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	out, err := format.Source(set, options(), "t.p4", text, rep)
	return out, rep, err
}

// formatted formats a text and checks that doing it again changes nothing.
func formatted(t *testing.T, text string) string {
	t.Helper()
	out, rep, err := run(text)
	if err != nil || rep.HasErrors() {
		t.Fatalf("%v %v\n%s", err, rep, text)
	}
	again, rep, err := run(out)
	if err != nil || rep.HasErrors() {
		t.Fatalf("the result: %v %v\n%s", err, rep, out)
	}
	if again != out {
		t.Fatalf("not idempotent; first\n%s\nsecond\n%s", out, again)
	}
	return out
}

// Each case has in.p4 and want.p4.
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
			got := formatted(t, string(ar.Files[0].Data))
			if len(ar.Files) > 1 && string(ar.Files[1].Data) == got {
				return
			}
			if !*update {
				t.Fatalf("got\n%s", got)
			}
			ar.Files = append(ar.Files[:1], txtar.File{Name: "want.p4", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(ar), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// programs are all P4 texts of the repository.
func programs(t testing.TB) map[string]string {
	out := map[string]string{}
	for _, dir := range []string{"../../p4src", "../../bmv2-tests", "../parser/testdata", "../../nicctl/testdata", "../types/testdata", "../printer/testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			switch filepath.Ext(path) {
			case ".p4":
				out[path] = string(b)
			case ".txtar":
				for _, f := range txtar.Parse(b).Files {
					if strings.HasSuffix(f.Name, ".p4") || strings.HasPrefix(f.Name, "lang:") {
						out[path+":"+f.Name] = string(f.Data)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The tree of every program is the same after formatting, however the text was
// laid out before: as it is, one token a line, and all on one line.
func TestMeaning(t *testing.T) {
	n := 0
	for name, text := range programs(t) {
		rep := diag.NewList(source.NewSet(), 0)
		if parser.ParseText(rep.Set(), options(), "t.p4", text, rep); rep.HasErrors() {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			want := dump(t, text)
			for _, layout := range []string{text, respace(text, "\n"), respace(text, " ")} {
				if got := dump(t, formatted(t, layout)); got != want {
					t.Fatalf("the tree changed:\n%s", formatted(t, layout))
				}
			}
		})
	}
	if n < 50 {
		t.Errorf("%d programs", n)
	}
}

func dump(t *testing.T, text string) string {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	tree := parser.ParseText(set, options(), "t.p4", text, rep)
	if rep.HasErrors() {
		t.Fatalf("%v\n%s", rep, text)
	}
	return ast.DumpString(tree)
}

// respace puts sep between any two tokens where that changes nothing, and drops
// the comments.
func respace(text, sep string) string {
	set := source.NewSet()
	f, _ := set.Add("", text)
	var b strings.Builder
	pragma := false
	last := ""
	for _, l := range preproc.Lexemes(f) {
		if l.Kind == preproc.Comment {
			continue
		}
		switch {
		case l.Kind == preproc.Directive:
			b.WriteString("\n" + l.Text + "\n")
			continue
		case pragma && l.LineStart():
			pragma = false
			b.WriteByte('\n')
		case pragma, last == "@", l.Text[0] == '>', l.Text[0] == '#':
			if l.SpaceBefore() {
				b.WriteByte(' ')
			}
		default:
			b.WriteString(sep)
		}
		pragma = pragma || last == "@" && l.Text == "pragma" && !l.SpaceBefore()
		last = l.Text
		b.WriteString(l.Text)
	}
	return b.String()
}

// A text with a syntax error is given back as it is, with the error.
func TestRefused(t *testing.T) {
	for _, text := range []string{"control c( {", "const bit<8> x = ;\n", "/* open", "#if 1\n", "\"open", "const bit<8> x = 8w;", "control c() { apply { } } }"} {
		t.Run(text, func(t *testing.T) {
			got, rep, err := run(text)
			if got != text || !rep.HasErrors() || err != nil {
				t.Errorf("got %q, %v, %v", got, rep, err)
			}
		})
	}
}

// What is missing elsewhere keeps no text from being laid out, unless it does
// not parse without it; then both are said.
func TestMissingInclude(t *testing.T) {
	if got := formatted(t, "#include <none.p4>\n#error no\nconst x_t x=1;"); got != "#include <none.p4>\n#error no\nconst x_t x = 1;\n" {
		t.Errorf("got %s", got)
	}
	const text = "#include <none.p4>\nMACRO x=1;"
	if got, rep, err := run(text + ")"); got != text+")" || rep.Errors() != 2 || err != nil {
		t.Errorf("got %q, %v, %v", got, rep, err)
	}
}

// A macro that makes a string of its argument sees the white space in it.
func TestQuotingMacro(t *testing.T) {
	const macro = "#define S(x) #x\nconst string s = S("
	if got := formatted(t, macro+"a + b);"); got != macro+"a + b);\n" {
		t.Errorf("got %s", got)
	}
	if got, _, err := run(macro + "a+b);"); err == nil || got != macro+"a+b);" {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzSource(f *testing.F) {
	for _, text := range programs(f) {
		if len(text) < 5000 {
			f.Add(text)
		}
	}
	f.Add("#if A\ncontrol c(in bit x) {\n#else\ncontrol c() {\n#endif\napply { } } // x\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, rep, err := run(text)
		if err != nil && !strings.Contains(err.Error(), "a macro turns") {
			t.Fatal(err)
		}
		if rep.HasErrors() || err != nil {
			return
		}
		again, rep, err := run(out)
		if err != nil || rep.HasErrors() || again != out {
			t.Fatalf("%v %v; first\n%s\nsecond\n%s", err, rep, out, again)
		}
	})
}
