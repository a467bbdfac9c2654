package driver_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
)

// example is a fenced program of docs/errors.md.
type example struct {
	text string
	line int // of the error; 0: a program without one
	// frame: it stands in the template; build: only a whole compilation shows it.
	frame, build bool
}

// entry is the section of one code.
type entry struct {
	code  string
	text  string
	wrong *example
	right *example
}

var fence = regexp.MustCompile("(?ms)^```p4 ([a-z0-9= ]+)\n(.*?)^```$")

// errorDocs reads docs/errors.md.
func errorDocs(t testing.TB) (entries []entry, template string) {
	b, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "\n### ")
	if m := fence.FindStringSubmatch(parts[0]); m != nil && m[1] == "template" {
		template = m[2]
	} else {
		t.Fatal("no template")
	}
	for _, part := range parts[1:] {
		part, _, _ = strings.Cut(part, "\n## ")
		name, text, _ := strings.Cut(part, "\n")
		e := entry{code: name, text: strings.TrimSpace(fence.ReplaceAllString(text, ""))}
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			x := &example{text: m[2]}
			for _, word := range strings.Fields(m[1]) {
				n, isLine := strings.CutPrefix(word, "line=")
				switch {
				case isLine:
					if x.line, err = strconv.Atoi(n); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				case word == "frame":
					x.frame = true
				case word == "build":
					x.build = true
				case word != "right":
					t.Fatalf("%s: unknown word %q in a fence", name, word)
				}
			}
			switch {
			case x.line > 0 && e.wrong == nil:
				e.wrong = x
			case x.line == 0 && e.right == nil:
				e.right = x
			default:
				t.Fatalf("%s: an example too many", name)
			}
		}
		entries = append(entries, e)
	}
	return entries, template
}

// findings compiles an example: CODE:LINE of each error, and of each warning if
// wanted, the line counted in the example. One without a place has the line 1.
func (x *example) findings(t testing.TB, template string, warnings bool) []string {
	program, first := x.text, 0
	if x.frame {
		before, _, _ := strings.Cut(template, "EXAMPLE\n")
		program = strings.Replace(template, "EXAMPLE\n", x.text, 1)
		first = strings.Count(before, "\n")
	}
	o := driver.Options{Path: "t.p4", ReadFile: func(path string) ([]byte, error) {
		if path == "t.p4" {
			return []byte(program), nil
		}
		return os.ReadFile(path)
	}}
	compile := driver.Check
	if x.build {
		compile = driver.Compile
	}
	res, err := compile(o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range res.Diags.All() {
		if d.Severity == diag.Warning && !warnings {
			continue
		}
		line := 1
		if p := res.Diags.Set().Position(d.Span.Lo); p.Line > 0 {
			line = p.Line - first
		}
		out = append(out, fmt.Sprintf("%s:%d", d.Code, line))
	}
	return out
}

// Every code has a section, with a program that draws it, and nothing else, at
// the line that it says, and one that draws nothing.
func TestErrorDocs(t *testing.T) {
	entries, template := errorDocs(t)
	documented := map[string]bool{}
	for _, e := range entries {
		t.Run(e.code, func(t *testing.T) {
			if documented[e.code] {
				t.Error("documented twice")
			}
			documented[e.code] = true
			if len(e.text) < 20 {
				t.Errorf("explained as %q", e.text)
			}
			if e.wrong == nil || e.right == nil {
				t.Fatal("an example is missing")
			}
			want := []string{fmt.Sprintf("%s:%d", e.code, e.wrong.line)}
			if got := e.wrong.findings(t, template, true); !slices.Equal(got, want) {
				t.Errorf("the wrong example draws %v, want %v", got, want)
			}
			if got := e.right.findings(t, template, true); len(got) > 0 {
				t.Errorf("the corrected example draws %v", got)
			}
		})
	}
	for _, c := range driver.Codes() {
		if !documented[string(c.Code)] {
			t.Errorf("docs/errors.md lacks %s", c.Code)
		}
		delete(documented, string(c.Code))
		if c.Summary == "" {
			t.Errorf("%s has no summary", c.Code)
		}
	}
	for code := range documented {
		t.Errorf("docs/errors.md has %s, which no table of codes has", code)
	}
}

// All codes in the sources of the compiler are in the tables of codes.
func TestCodesAreInTables(t *testing.T) {
	known := map[string]bool{}
	for _, c := range driver.Codes() {
		known[string(c.Code)] = true
	}
	declared := regexp.MustCompile(`diag\.Code *= *"([^"]+)"`)
	for _, dir := range []string{"preproc", "scanner", "parser", "types", "irgen", "driver", "arch", "passes", "pass"} {
		files, err := os.ReadDir("../" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			b, err := os.ReadFile("../" + dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
				if !known[m[1]] {
					t.Errorf("%s/%s: the code %s is in no table", dir, f.Name(), m[1])
				}
			}
		}
	}
}
