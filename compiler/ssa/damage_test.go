package ssa

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/ir"
)

var (
	ssaToken = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9.]*|[0-9]+|"[^"]*"|[^\sA-Za-z_0-9]`)
	digits   = regexp.MustCompile(`[0-9]+`)
	quotedIn = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	program  = regexp.MustCompile(`^(parse|verify): ssa: \w+: b`)
	detail   = regexp.MustCompile(`(wrong type|operands, not N|such action|such parameter|without index): .*`)
)

// TestDamaged: one line of each shape in the goldens' SSA, with each of its tokens
// lost, twice, or another in turn: the text is read and correct, or refused by
// the parser or by Verify with a reason; it never panics. testdata/damaged.txt
// lists the reasons, names and numbers apart, with the first damage that has each
// (-update rewrites it); how many have it for the texts of testdata/opt, which do
// not change with the lowering.
func TestDamaged(t *testing.T) {
	type source struct {
		text    string
		prog    *ir.Program
		lowered bool
	}
	var sources []source
	files, err := filepath.Glob("testdata/opt/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".ssa") {
				sources = append(sources, source{string(f.Data), &ir.Program{}, false})
			}
		}
	}
	for _, name := range []string{"zeroing", "push", "made", "services"} {
		a, err := txtar.ParseFile("testdata/lower/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		p := coreProgram(t, string(file(t, a, "core.ir").Data))
		f, err := Lower(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source{f.String(), p, true})
	}
	first, count, seen := map[string]string{}, map[string]int{}, map[string]bool{}
	try := func(src source, lines []string, at int, line, what string) {
		text := strings.Join(slices.Concat(lines[:at], []string{line}, lines[at+1:]), "\n") + "\n"
		reason := "taken"
		f, err := Parse(text, src.prog)
		if err != nil {
			reason = "parse: " + err.Error()
		} else if err := Verify(f); err != nil {
			reason = "verify: " + err.Error()
		}
		reason = digits.ReplaceAllString(quotedIn.ReplaceAllString(reason, "Q"), "N")
		reason = detail.ReplaceAllString(program.ReplaceAllString(reason, "$1: ssa: b"), "$1")
		if _, known := count[reason]; !known {
			first[reason] = fmt.Sprintf("%s: %s", what, strings.TrimSpace(line))
			count[reason] = 0
		}
		if !src.lowered {
			count[reason]++
		}
	}
	for _, src := range sources {
		lines := strings.Split(strings.TrimSuffix(src.text, "\n"), "\n")
		for i, line := range lines {
			shape := digits.ReplaceAllString(line, "N")
			if seen[shape] || strings.TrimSpace(line) == "" {
				continue
			}
			seen[shape] = true
			try(src, lines, i, "", "line lost")
			for _, m := range ssaToken.FindAllStringIndex(line, -1) {
				tok := line[m[0]:m[1]]
				put := func(s, what string) { try(src, lines, i, line[:m[0]]+s+line[m[1]:], what+" "+tok) }
				put("", "lost")
				put(tok+" "+tok, "twice")
				switch {
				case tok[0] >= '0' && tok[0] <= '9':
					put("99", "99 for")
					put("0", "0 for")
					put("65", "65 for")
				case tok[0] == 'b' && digits.MatchString(tok):
					put("b99", "b99 for")
					put("b0", "b0 for")
				case tok[0] == 'v' && digits.MatchString(tok):
					put("v99", "v99 for")
					put("v0", "v0 for")
				case tok[0] == '_' || tok[0] >= 'A':
					put("xyz", "xyz for")
					put("const.8", "const.8 for")
				}
			}
		}
	}
	var b strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		if n := count[reason]; n > 0 {
			fmt.Fprintf(&b, "%4d %s\n     %s\n", n, reason, first[reason])
		} else {
			fmt.Fprintf(&b, "     %s\n", reason)
		}
	}
	const golden = "testdata/damaged.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := []byte(b.String()); !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it); got\n%s", golden, got)
	}
}
