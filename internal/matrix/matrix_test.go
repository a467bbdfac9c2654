package matrix

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTree holds D20 for this tree: what a test cites exists, a waiver has a
// reason and is still needed, and what was tested is tested.
func TestTree(t *testing.T) {
	tree := os.DirFS("../..")
	m, err := Build(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Faults {
		t.Error(f)
	}
	ratchet, err := ReadRatchet(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range m.Lost(ratchet) {
		t.Errorf("%s: it was tested (%s), and no test cites it any more", id, RatchetFile)
	}
	if n := len(ratchet); n < 400 {
		t.Errorf("%s lists %d ids", RatchetFile, n)
	}
}

// TestContents: the ids found on a page are those that its table of contents
// promises.
func TestContents(t *testing.T) {
	tree := os.DirFS("../..")
	list, err := readChecklists(tree)
	if err != nil {
		t.Fatal(err)
	}
	promise := regexp.MustCompile(`\b([A-Z]{1,3}-?)1[–-][A-Z]{1,3}-?([0-9]+)`)
	short := regexp.MustCompile(`\b([A-Z]{1,2})([0-9]+)\b`)
	for _, p := range pages() {
		text, err := os.ReadFile("../../" + p.file)
		if err != nil {
			t.Fatal(err)
		}
		_, contents, _ := strings.Cut(string(text), "## Contents\n")
		contents, _, _ = strings.Cut(contents, "\n## ")
		promised := promise.FindAllStringSubmatch(contents, -1)
		if p.prefix == "p4rt:" {
			_, line, _ := strings.Cut(contents, "[Checklist](#1-checklist):")
			line, _, _ = strings.Cut(line, "\n")
			promised = append(promised, short.FindAllStringSubmatch(line, -1)...)
		}
		for _, m := range promised {
			n, _ := strconv.Atoi(m[2])
			if !list.families[p.prefix+m[1]] {
				continue // of the other prefix of this page
			}
			if !list.known[p.prefix+m[1]+m[2]] || list.known[p.prefix+m[1]+strconv.Itoa(n+1)] {
				t.Errorf("%s promises %s%s1 to %d", p.file, p.prefix, m[1], n)
			}
		}
	}
}

// tree is a small module with every page.
func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	text := map[string]string{}
	for _, p := range pages() {
		for _, f := range p.families {
			if f == "" {
				text[p.file] += "## 1. first\n"
			} else {
				text[p.file] += fmt.Sprintf("- %s1 one. %s2 two. %s3 three.\n", f, f, f)
			}
		}
	}
	for name, s := range text {
		fsys[name] = &fstest.MapFile{Data: []byte(s)}
	}
	fsys[waiverFile] = &fstest.MapFile{}
	for name, s := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(s)}
	}
	return fsys
}

// TestCitations: each form of a citation, and what only looks like one.
func TestCitations(t *testing.T) {
	list, err := readChecklists(tree(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"one", "lang:L1", "lang:L1"},
		{"in a sentence", "(p4rt:W3), see", "p4rt:W3"},
		{"range", "lang:L1-L3", "lang:L1 lang:L2 lang:L3"},
		{"range in words", "lang:L1 to lang:L3: all", "lang:L1 lang:L2 lang:L3"},
		{"range in words, short", "lang:L1 to L3", "lang:L1 lang:L2 lang:L3"},
		{"list", "p4rt:I1, X2, B3: and", "p4rt:I1 p4rt:X2 p4rt:B3"},
		{"list of ranges", "p4rt:PK1-PK2, F3", "p4rt:PK1 p4rt:PK2 p4rt:F3"},
		{"list that ends in words", "dp:RO1, RFC 1812", "dp:RO1"},
		{"list that ends in a decision", "lang:J1, D2, more", "lang:J1 D2"},
		{"decisions", "D1 and (D3), not xD2 or a.D2", "D1 D3"},
		{"dash in the family", "p4rt:D-2", "p4rt:D-2"},
		{"number alone", "fe:1 says", "fe:1"},
		{"address", "fe:1:2 02:fe:1 stop:1 lang:3", ""},
		{"another word", "drop:L1 step:1", ""},
		{"no such id", "lang:L4", "!lang:L4 is cited, but no checklist defines it"},
		{"no such id in a range", "lang:L3-L4", "lang:L3 !lang:L4 is cited, but no checklist defines it"},
		{"no such family", "p4rt:PE1", "!p4rt:PE1 is cited, but no checklist defines it"},
		{"name of the page", "operator:SP1", "!operator:SP1: the prefix of this page is op:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range list.citations(c.text, true) {
				if f.bad != "" {
					got = append(got, "!"+f.bad)
				} else {
					got = append(got, f.id)
				}
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("got %s, want %s", g, c.want)
			}
		})
	}
}

// TestBuild: who cites, through what, and which faults are told.
func TestBuild(t *testing.T) {
	fsys := tree(map[string]string{
		"a/a_test.go": `package a

import _ "github.com/p4nic/p4nic/compiler/ssa"

// lang:L1: the doc comment of a test.
func TestDoc(t *testing.T) {
	for _, c := range table { t.Run(c, nil) }
}

func TestName(t *testing.T) { t.Run("lang:V1 name", helper) }

func helper() {
	// lang:V2: in a helper
}

var table = []string{"p4rt:W1"}

// lang:L3: nobody calls it.
func unused() {}

func TestRows(t *testing.T) {
	for _, c := range []struct{ id, x string }{{"T1 T2 both", "T3 no name"}, {id: "M3"}, {"no id M1", ""}, {"PX1 of another page", ""}} {
		t.Run("p4rt:"+c.id, nil)
	}
}

func BenchmarkX() { /* lang:V3 measures, and holds nothing */ }
`,
		"a/testdata/x.txtar":         "-- in --\n# dp:NA1\n",
		"a/testdata/fuzz/F/x":        "dp:NA2",
		"b/testdata/x.stf":           "# dp:NA3\n",
		"compiler/ir/exec/x_test.go": "package exec\nfunc FuzzA() { _ = `gnmi:GN1` }\n",
		"b/b.go":                     "package b // lang:L9\n",
		waiverFile: "lang:U*\tthemes\nlang:L1\ttested, so stale\nlang:L2-L3\tof a range\n" +
			"op:U1\t \nlang:Q1\tno such id\ngnmi:M2\tjust so\n",
	})
	m, err := Build(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := m.WriteRows(&b, func(r Row) bool { return r.State != Open }); err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Faults {
		fmt.Fprintln(&b, f)
	}
	const want = `lang:L1    tested one
                  a.TestDoc
                  [ssa]
lang:L2    waived two
                  of a range
lang:L3    waived three
                  of a range
lang:V1    tested one
                  a.TestName
                  [ssa]
lang:V2    tested two
                  a.TestName
                  [ssa]
lang:U1    waived one
                  themes
lang:U2    waived two
                  themes
lang:U3    waived three
                  themes
p4rt:W1    tested one
                  a.TestDoc
                  [ssa]
p4rt:T1    tested one
                  a.TestRows
                  [ssa]
p4rt:T2    tested two
                  a.TestRows
                  [ssa]
p4rt:M3    tested three
                  a.TestRows
                  [ssa]
gnmi:GN1   tested one
                  compiler/ir/exec.FuzzA
                  [exec]
gnmi:M2    waived two
                  just so
dp:NA1     tested one
                  a/testdata/x.txtar
                  [ssa]
a/a_test.go:19: unused cites lang:L3, but no test reaches it
b/b.go:1: lang:L9 is cited, but no checklist defines it
b/testdata/x.stf:1: cites dp:NA3, but b has no tests that could read it
internal/matrix/waivers.tsv:2: lang:L1 is waived, but tests cite it: the waiver goes
internal/matrix/waivers.tsv:4: op:U1 is waived without a reason
internal/matrix/waivers.tsv:5: lang:Q1 names no id of a checklist
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := strings.Join(m.Lost([]string{"lang:L1", "lang:L2", "lang:V9"}), " "); got != "lang:L2 lang:V9" {
		t.Errorf("lost: %s", got)
	}
	c := m.Counts()
	if got, want := c[0], (Count{Family: "lang:L", IDs: 3, Tested: 1, Engines: 1, Waived: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := c[len(c)-1], (Count{Family: "all", IDs: len(m.Rows), Tested: 9, Engines: 9, Waived: 6, Open: len(m.Rows) - 15}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestDefinitions: a page with a gap is refused; a reference defines nothing.
func TestDefinitions(t *testing.T) {
	p := page{"p.md", "x:", []string{"L", "M"}}
	for _, c := range []struct{ name, text, want, err string }{
		{"sentences", "- L1 one. L2 two; L3 three\n| M1 | x | M2 | y |\n", "x:L1@1 one, x:L2@1 two, x:L3@1 three, x:M1@2 x, x:M2@2 y", ""},
		{"references", "- L1 see L2 and L1.\n- L2 as L1\n- M1", "x:L1@1 see L2 and L1, x:L2@2 as L1, x:M1@3 ", ""},
		{"after a colon", "- L1 a\n- words: M1 one. M2 two\n", "x:L1@1 a, x:M1@2 one, x:M2@2 two", ""},
		{"a colon gives way", "| a | case: L1 |\n- **L1** real\n- M1 b\n", "x:L1@2 real, x:M1@3 b", ""},
		{"contents", "## Contents\n- L9\n## 1. x\n- L1 a\n- M1 b", "x:L1@4 a, x:M1@5 b", ""},
		{"gap", "- L1 a. L3 b\n- M1 c", "", "p.md: 2 ids of x:L, but no x:L2"},
		{"none", "- L1 a\n", "", "p.md: no id of the family x:M"},
	} {
		t.Run(c.name, func(t *testing.T) {
			items, err := definitions(p, c.text)
			if fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
				t.Fatalf("error %v, want %s", err, c.err)
			}
			var got []string
			for _, it := range items {
				got = append(got, fmt.Sprintf("%s@%d %s", it.id, it.line, it.text))
			}
			if g := strings.Join(got, ", "); g != c.want {
				t.Errorf("got  %s\nwant %s", g, c.want)
			}
		})
	}
}
