package driver_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/p4src"
)

// seeds are programs near the rules of the language: both examples of every
// code of docs/errors.md, and the test programs of the checker.
func seeds(t testing.TB) []string {
	var out []string
	entries, template := errorDocs(t)
	for _, e := range entries {
		for _, x := range []*example{e.wrong, e.right} {
			switch {
			case x == nil:
			case x.frame:
				out = append(out, strings.Replace(template, "EXAMPLE\n", x.text, 1))
			default:
				out = append(out, x.text)
			}
		}
	}
	paths, _ := filepath.Glob("../types/testdata/*.txtar")
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			out = append(out, string(f.Data))
		}
	}
	if len(out) < 150 {
		t.Fatalf("%d seeds", len(out))
	}
	return out
}

// frontEnd brings a text as far as it goes, with and without the passes; what
// it returns are the codes of what is wrong.
func frontEnd(t testing.TB, text string) map[string]bool {
	o := driver.Options{Path: "t.p4", Verify: true, ReadFile: func(path string) ([]byte, error) {
		if path == "t.p4" {
			return []byte(text), nil
		}
		return nil, os.ErrPermission
	}}
	fail := func(err error) {
		if in, ok := errors.AsType[*driver.Internal](err); ok {
			t.Fatalf("%v\n%s\n%s", err, in.Stack, text)
		}
	}
	start := time.Now()
	a, err := driver.Analyze(o)
	fail(err)
	res, err := driver.Compile(o)
	fail(err)
	if d := time.Since(start); d > 20*time.Second {
		t.Fatalf("took %s:\n%s", d, text)
	}
	codes := map[string]bool{}
	for _, d := range slices.Concat(a.Diags.All(), res.Diags.All()) {
		codes[string(d.Code)] = true
	}
	if a.Diags.HasErrors() && !res.Diags.HasErrors() {
		t.Fatalf("refused by Analyze alone: %v\n%s", a.Diags, text)
	}
	return codes
}

// The seeds of the fuzz targets draw every code.
func TestSeedsDrawEveryCode(t *testing.T) {
	drawn := map[string]bool{}
	for _, text := range seeds(t) {
		for c := range frontEnd(t, text) {
			drawn[c] = true
		}
	}
	for _, c := range driver.Codes() {
		if !drawn[string(c.Code)] {
			t.Errorf("no seed draws %s", c.Code)
		}
	}
}

// kinds are words that can stand for each other, so that a program with one in
// the place of another is nearly correct: what the typing rules have to tell
// apart.
var kinds = [][]string{
	{"bit<8>", "bit<1>", "bit<0>", "bit", "int<8>", "int<1>", "int", "bool", "error", "string", "varbit<16>", "void",
		"tuple<bit<8>>", "list<bit<8>>", "match_kind", "_", "bit<(1+1)>", "bit<65536>", "packet_in"},
	{"in", "out", "inout", ""},
	{"+", "-", "*", "/", "%", "|+|", "|-|", "++", "<<", ">>", "&", "|", "^", "&&", "||", "==", "!=", "<", "<=", "&&&", "..", "?"},
	{"=", "+=", "|+|=", "<<=", "++="},
	{"0", "1", "255", "256", "8w1", "8s1", "-1", "1w1", "true", "\"s\"", "{}", "{#}", "{1, 2}", "{x = 1}", "...", "_", "default",
		"340282366920938463463374607431768211456", "0w0", "error.NoError", "this"},
	{"struct", "header", "header_union", "enum", "enum bit<8>"},
	{"parser", "control", "package", "extern", "action", "table"},
	{"exact", "ternary", "lpm", "range", "optional", "selector"},
	{"return", "exit", "break", "continue", "return 1"},
	{"const", "", "abstract", "@optional", "@tableonly", "@defaultonly", "@name(\"n\")", "@name(\".n\")"},
	{"isValid()", "setValid()", "push_front(1)", "next", "last", "lastIndex", "size", "apply()", "hit", "action_run", "minSizeInBits()"},
	{"accept", "reject", "start"},
}

var words = regexp.MustCompile(`[A-Za-z_]\w*|[0-9]\w*|"[^"\n]*"|&&&|\+\+|<<|>>|[=!<>]=|&&|\|\||\.\.|[^\s\w]`)

// vary changes up to n words of a program: one for another of its kind, a name
// for another name of the program, or drops or repeats a statement.
func vary(r *rand.Rand, text string, n int) string {
	for range n {
		at := words.FindAllStringIndex(text, -1)
		if len(at) == 0 {
			return text
		}
		a := at[r.IntN(len(at))]
		word := text[a[0]:a[1]]
		var with string
		kind := slices.IndexFunc(kinds, func(k []string) bool { return slices.Contains(k, word) })
		switch {
		case kind >= 0:
			with = kinds[kind][r.IntN(len(kinds[kind]))]
		case word[0] >= '0' && word[0] <= '9':
			with = kinds[4][r.IntN(len(kinds[4]))]
		case word == ";" || word == "}":
			// Once more what is before it, or nothing of it.
			from := strings.LastIndexAny(text[:a[0]], ";{}") + 1
			if with = word + text[from:a[1]]; r.IntN(2) == 0 {
				a[0], with = from, ""
			}
		default:
			b := at[r.IntN(len(at))]
			with = text[b[0]:b[1]]
		}
		text = text[:a[0]] + with + text[a[1]:]
		if len(text) > 20_000 {
			return text[:20_000]
		}
	}
	return text
}

// Programs that are nearly correct make the front end neither panic nor hang.
func TestNearlyCorrect(t *testing.T) {
	programs := append(seeds(t), p4src.Router())
	n := 600
	if testing.Short() {
		n = 200
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		frontEnd(t, vary(r, programs[r.IntN(len(programs))], 1+r.IntN(3)))
	}
}

// FuzzNearlyCorrect is the same under the fuzzer: which program, how it is
// varied, how much.
func FuzzNearlyCorrect(f *testing.F) {
	programs := append(seeds(f), p4src.Router())
	for i := range programs {
		f.Add(uint(i), uint64(i), uint8(1))
	}
	f.Fuzz(func(t *testing.T, i uint, seed uint64, n uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		frontEnd(t, vary(r, programs[i%uint(len(programs))], 1+int(n%6)))
	})
}
