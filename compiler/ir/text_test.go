package ir

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite goldens")

// The files of testdata/*.ir hold the canonical text of a program.
func TestTextRoundTrip(t *testing.T) {
	files, err := filepath.Glob("testdata/*.ir")
	if err != nil || len(files) == 0 {
		t.Fatal("no programs", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(f, src)
			if err != nil {
				t.Fatal(err)
			}
			got := p.String()
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(src) {
				t.Errorf("the printed text is not the canonical one; got\n%s", got)
			}
			q, err := Parse("again", []byte(got))
			if err != nil {
				t.Fatalf("second parse: %v", err)
			}
			if again := q.String(); again != got {
				t.Errorf("no fixed point; first\n%s\nsecond\n%s", got, again)
			}
			var b strings.Builder
			if err := p.Print(&b, PrintOptions{NoPos: true}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "#") {
				t.Error("NoPos left a position")
			}
			if _, err := Parse("nopos", []byte(b.String())); err != nil {
				t.Errorf("without positions: %v", err)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	head := "p4nic-ir 1 core\nprogram \"x\" arch \"v1model\";\n"
	for _, c := range []struct{ name, src, want string }{
		{"empty", "", `1:1: the first line must be "p4nic-ir VERSION LEVEL"`},
		{"future version", "p4nic-ir 2 core\n", "1:1: version 2 is not supported (1 to 1 are)"},
		{"level", "p4nic-ir 1 fast\n", `1:1: unknown level "fast"`},
		{"declaration", head + "foo bar", `3:1: unknown declaration "foo"`},
		{"byte", head + "errors { \x01 }", `3:10: unexpected byte 0x01`},
		{"type twice", head + "struct a { }\nstruct a { }", "4:8: type a is declared twice"},
		{"field twice", head + "struct a { bit<1> x; bit<2> x; }", "3:29: field x is declared twice"},
		{"width", head + "struct a { bit<70000> x; }", "3:16: 70000 is not within 0 and 65536"},
		{"variable", head + "control c () { x = 1; }", "3:16: there is no variable x here"},
		{"field", head + "struct a { }\ncontrol c (in a x) { x.y = 1; }", "4:23: a has no field y"},
		{"action", head + "table t { action q; }", "3:18: there is no action q"},
		{"brace", head + "control c () { ", "3:16: a brace is not closed"},
		{"variable twice", head + "control c (in bool x) { var bool x; }", "3:1: variable x is declared twice"},
		{"depth", head + "control c (in bool x) { x = " + strings.Repeat("(! ", 500) + "x; }", "nested more than 400 deep"},
		{"digits", head + "instance i e(" + strings.Repeat("9", 40000) + ")", "longer than 32768"},
		{"slice", head + "control c (in bit<8> x) { x[3:4] = 1; }", "4 is not within 0 and 3"},
		{"string", head + "program \"x", "string does not end"},
		{"position", head + "#1:2:3:4 errors { }", "malformed position"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.ir", []byte(c.src))
			var pe *ParseError
			if !errors.As(err, &pe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ...%s", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.ir")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse("fuzz", src)
		if err != nil {
			var pe *ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		text := p.String()
		q, err := Parse("again", []byte(text))
		if err != nil {
			t.Fatalf("the printed text is not read back: %v\n%s", err, text)
		}
		if again := q.String(); again != text {
			t.Fatalf("no fixed point:\n%s\n---\n%s", text, again)
		}
	})
}
