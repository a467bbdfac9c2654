package preproc

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

var update = flag.Bool("update", false, "rewrite the expected sections of testdata")

// archive is one txtar file: the program main.p4, more files (those under
// embed/ form the embedded tree), and the expected sections. Its comment may
// have a line of flags, `flags: -I dir -D NAME=VALUE -U NAME`.
type archive struct {
	path string
	ar   *txtar.Archive
	opts Options
}

func load(t *testing.T, path string) *archive {
	t.Helper()
	ar, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{path: path, ar: ar}
	files, embed := map[string][]byte{}, fstest.MapFS{}
	for _, f := range ar.Files {
		if name, ok := strings.CutPrefix(f.Name, "embed/"); ok {
			embed[name] = &fstest.MapFile{Data: f.Data}
		} else if !strings.HasPrefix(f.Name, "want") {
			files[f.Name] = f.Data
		}
	}
	a.opts.FS = embed
	a.opts.ReadFile = func(name string) ([]byte, error) {
		if b, ok := files[filepath.ToSlash(name)]; ok {
			return b, nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	for l := range strings.Lines(string(ar.Comment)) {
		args, ok := strings.CutPrefix(l, "flags:")
		if !ok {
			continue
		}
		f := strings.Fields(args)
		for i := 0; i+1 < len(f); i += 2 {
			switch f[i] {
			case "-I":
				a.opts.IncludeDirs = append(a.opts.IncludeDirs, f[i+1])
			case "-D":
				a.opts.Defines = append(a.opts.Defines, f[i+1])
			case "-U":
				a.opts.Undefines = append(a.opts.Undefines, f[i+1])
			default:
				t.Fatalf("unknown flag %s", f[i])
			}
		}
	}
	return a
}

// check compares got with the section of that name, or rewrites it.
func (a *archive) check(t *testing.T, section, got string) {
	t.Helper()
	for i, f := range a.ar.Files {
		if f.Name != section {
			continue
		}
		if string(f.Data) == got {
			return
		}
		if !*update {
			t.Errorf("%s: section %s: got\n%s\nwant\n%s", a.path, section, got, f.Data)
			return
		}
		a.ar.Files[i].Data = []byte(got)
		a.write(t)
		return
	}
	if got == "" {
		return
	}
	if !*update {
		t.Errorf("%s: no section %s; got\n%s", a.path, section, got)
		return
	}
	a.ar.Files = append(a.ar.Files, txtar.File{Name: section, Data: []byte(got)})
	a.write(t)
}

func (a *archive) write(t *testing.T) {
	if err := os.WriteFile(a.path, txtar.Format(a.ar), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestGolden plays testdata: lang:L1 lang:L2 lang:L3 lang:L4 lang:L5 lang:L6.
func TestGolden(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a := load(t, path)
			set := source.NewSet()
			rep := diag.NewList(set, 0)
			r := Run(set, a.opts, "main.p4", rep)
			a.check(t, "want", r.String())
			a.check(t, "want.diag", rep.String())
		})
	}
}

// lang:L6: every token knows where it was written.
func TestPositions(t *testing.T) {
	files := map[string]string{
		"main.p4": "a \\\n  b c\\\nd\n#include \"x.h\"\nM F(q,\n  r) /* c\n */ e\n#line 100 \"gen.p4\"\nf\n",
		"x.h":     "#define M m1 m2\n#define F(x, y) y + x\nh\n",
	}
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	r := Run(set, Options{ReadFile: func(n string) ([]byte, error) { return []byte(files[n]), nil }}, "main.p4", rep)
	if rep.HasErrors() {
		t.Fatal(rep)
	}
	want := []string{
		"a main.p4:1:1", "b main.p4:2:3", "cd main.p4:2:5", "h x.h:3:1",
		"m1 main.p4:5:1", "m2 main.p4:5:1", // a body: where the macro is used
		"r main.p4:6:3", "+ main.p4:5:3", "q main.p4:5:5", // arguments: where they are written
		"e main.p4:7:5", "f gen.p4:100:1",
	}
	var got []string
	for _, tok := range r.Tokens[:len(r.Tokens)-1] {
		got = append(got, tok.Text+" "+set.Position(tok.Lo).String())
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	// A token with a continuation inside covers it.
	if s := set.Text(r.Tokens[2].Span); s != "c\\\nd" {
		t.Errorf("span of cd covers %q", s)
	}
}

func TestCondition(t *testing.T) {
	tests := []struct {
		expr string
		want string // true, false, or the beginning of the message
	}{
		{"1", "true"}, {"0", "false"}, {"undefined_name", "false"}, {"true", "true"},
		{"1 + 2 * 3 == 7", "true"}, {"(1 + 2) * 3 == 9", "true"},
		{"10 - 2 - 3 == 5", "true"}, {"-7 / 2 == -3 && -7 % 2 == -1", "true"},
		{"1 << 4 == 16", "true"}, {"256 >> 4 == 16", "true"}, {"1 > > 1", "unexpected"},
		{"-1 >> 70 == -1 && 1 << 64 == 0", "true"},
		{"(6 & 3) == 2 && (6 | 3) == 7 && (6 ^ 3) == 5", "true"},
		{"1 | 2 == 2", "true"}, // as in C, == binds tighter
		{"!0 && ~0 == -1 && +1", "true"},
		{"1 ? 0 : 1", "false"}, {"0 ? 1 : 0 ? 1 : 2", "true"},
		{"0x10 == 16 && 0b11 == 3 && 010 == 8 && 5u == 5UL", "true"},
		{"2 <= 2 && 2 >= 2 && 1 < 2 && 2 > 1 && 1 != 2", "true"},
		{"defined X && defined(X) && !defined Y", "true"},
		{"VAL == 3", "true"}, {"ADD(1, 2) == 3", "true"},
		{"0 && 1 / 0", "false"}, {"1 || 1 % 0", "true"}, {"1 ? 2 : 1 / 0", "true"},
		{"(-9223372036854775807 - 1) / -1 == 1", "false"},
		{"1 / 0", "division by zero"}, {"", "the condition lacks"}, {"1 +", "the condition lacks"},
		{"(1", "missing `)`"}, {"1)", "unexpected `)`"}, {"1 ? 2", "`?` without"},
		{"8w1", "bad number"}, {"\"s\"", "unexpected"}, {"defined", "unexpected `defined`"},
		{"99999999999999999999", "bad number"}, {"1 2", "unexpected `2`"},
		{strings.Repeat("(", 300) + "1", "condition is nested"},
		{strings.Repeat("!", 300) + "1", "condition is nested"},
	}
	for _, tt := range tests {
		name := tt.expr
		if len(name) > 40 {
			name = name[:40]
		}
		t.Run("lang:L4 "+name, func(t *testing.T) {
			set := source.NewSet()
			rep := diag.NewList(set, 0)
			opts := Options{Defines: []string{"X", "VAL=3", "ADD(a, b)=((a) + (b))"}}
			r := RunText(set, opts, "t.p4", "#if "+tt.expr+"\ntrue\n#else\nfalse\n#endif\n", rep)
			if rep.HasErrors() {
				if m := rep.All()[0].Message; !strings.HasPrefix(m, tt.want) {
					t.Errorf("error %q, want %q", m, tt.want)
				}
				return
			}
			if got := strings.TrimSpace(r.String()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Programs made to exhaust the preprocessor end with a diagnostic.
func TestBombs(t *testing.T) {
	laughs := "#define L0 x x\n"
	for i := 1; i <= 30; i++ {
		laughs += fmt.Sprintf("#define L%d L%d L%d\n", i, i-1, i-1)
	}
	args := "#define D(x) x x\n" + strings.Repeat("D(", 40) + "y" + strings.Repeat(")", 40) + "\n"
	deep := "#define I(x) x\n" + strings.Repeat("I(", 5000) + "y" + strings.Repeat(")", 5000) + "\n"
	paste := "#define P(x) x ## x\n#define N2(x) P(x) P(x)\n" + strings.Repeat("N2(", 60) + "a" + strings.Repeat(")", 60)
	tests := []struct {
		name, text string
		files      map[string]string
		want       diag.Code
	}{
		{"doubling macros", laughs + "L30\n", nil, CodeLimit},
		{"doubling arguments", args, nil, CodeLimit},
		{"nested uses", deep, nil, CodeLimit},
		{"pasting", paste, nil, CodeLimit},
		{"a file that includes itself", "#include \"main.p4\"\n", nil, CodeInclude},
		{"a file that includes itself twice", "#include \"main.p4\"\n#include \"main.p4\"\n", nil, CodeLimit},
		{"macro of itself", "#define A A A\nA\n", nil, ""},
		{"macros of each other", "#define A B B\n#define B A A\nA B\n", nil, ""},
		{"function macro of itself", "#define F(x) F(F(x)) F\nF(F(1))(2)\n", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := source.NewSet()
			rep := diag.NewList(set, 0)
			limits := DefaultLimits()
			limits.Tokens = 100_000
			r := Run(set, Options{Limits: limits, ReadFile: func(string) ([]byte, error) { return []byte(tt.text), nil }}, "main.p4", rep)
			found := false
			for _, d := range rep.All() {
				found = found || d.Code == tt.want
			}
			if !found && tt.want != "" || tt.want == "" && rep.HasErrors() {
				t.Errorf("want %q, got %s", tt.want, rep)
			}
			if r.Tokens[len(r.Tokens)-1].Kind != EOF {
				t.Errorf("the tokens do not end in EOF")
			}
		})
	}
}

func TestUnreadableProgram(t *testing.T) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	r := Run(set, Options{}, filepath.Join(t.TempDir(), "no.p4"), rep)
	if rep.Errors() != 1 || len(r.Tokens) != 1 || r.Main != nil {
		t.Errorf("got %s", rep)
	}
	if strings.Count(rep.String(), "no.p4") != 1 {
		t.Errorf("the path is said more than once: %s", rep)
	}
}

func FuzzPreproc(f *testing.F) {
	for _, s := range []string{
		"", "a\\\nb", "#define F(x, ...) #x x ## 1 __VA_ARGS__\nF(a, b)\n",
		"#if defined(A) || 1 << 2\n#elif 0\n#else\n#endif", "#include <x>\n#include \"y\"\n#include M",
		"/* c", "\"s\\\"", "#line 3 \"x\"\n__FILE__ __LINE__", "#define A A\nA(", "#define E\n#define C(a,b) a##b\nC(E,)C(,)C(x,y)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set := source.NewSet()
		rep := diag.NewList(set, 0)
		opts := Options{
			Defines: []string{"M=<x>"},
			FS:      fstest.MapFS{"x": {Data: []byte("#pragma once\nx\n")}},
			ReadFile: func(n string) ([]byte, error) {
				if filepath.Base(n) == "y" {
					return []byte(text), nil
				}
				return nil, fs.ErrNotExist
			},
			Limits: Limits{IncludeDepth: 10, Files: 50, Tokens: 20_000, Bytes: 1 << 20},
		}
		r := RunText(set, opts, "main.p4", text, rep)
		if n := len(r.Tokens); n == 0 || r.Tokens[n-1].Kind != EOF {
			t.Fatal("the tokens do not end in EOF")
		}
		for _, tok := range r.Tokens {
			if tok.Kind != EOF && set.Position(tok.Lo).Line == 0 {
				t.Fatalf("token %q has no position", tok.Text)
			}
		}
		_ = rep.String()
	})
}

// lang:L6: what is wrong in the expansion of a macro is shown at its use, with a
// note at its definition; of nested macros the one that stands in the text counts.
func TestExpansionNotes(t *testing.T) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	src := "#define INNER(x) x\n#define OUTER INNER(1) INNER(2)\nOUTER\nINNER(here)\n"
	res := Run(set, Options{ReadFile: func(string) ([]byte, error) { return []byte(src), nil }}, "t.p4", rep)
	for _, tok := range res.Tokens {
		if tok.Kind != EOF {
			rep.Errorf("test", tok.Span, "%s", tok.Text)
		}
	}
	got := rep.String()
	for _, want := range []string{
		"t.p4:3:1: error[test]: 1", "t.p4:2:9: note: in the expansion of macro OUTER", "t.p4:4:7: error[test]: here",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "macro INNER") {
		t.Errorf("a note for a macro that is not used there:\n%s", got)
	}
}
