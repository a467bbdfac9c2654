package mutants

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"
)

// parsed is a package of one file without imports, checked as load does it.
func parsed(t *testing.T, src string) *pkg {
	t.Helper()
	p := &pkg{rel: "lib", path: "toy/lib", set: token.NewFileSet()}
	if err := p.add("lib/lib.go", "/lib/lib.go", []byte(src)); err != nil {
		t.Fatal(err)
	}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRules: what the rules make of each kind of statement. Only what compiles
// is drawn; here everything is shown, what does not compile with a "!".
func TestRules(t *testing.T) {
	const decls = `
type kind int
const ( one kind = iota; two; three )
type pair struct { a, b int; s string }
func f(x, y int, p *pair, l []int, ok bool) (int, error) {
`
	for _, c := range []struct{ name, stmt, want string }{
		{"assignment", "p.a = x & 7", "dropped statement:  ¦zero for a value: p.a = 0¦early return: if true { return 0, nil } p.a = x & 7¦" +
			"wrong field: p.b = x & 7¦swapped operator: p.a = x | 7¦dropped mask: p.a = x¦dropped mask: p.a = 7¦off by one: p.a = x & 8¦off by one: p.a = x & 6"},
		{"operate and assign", "x += y", "dropped statement:  ¦swapped operator: x -= y¦plain assignment: x = y¦early return: if true { return 0, nil } x += y"},
		{"increment", "x++", "dropped statement:  ¦swapped operator: x--¦early return: if true { return 0, nil } x++"},
		{"if", "if x < y { x = 1 }", "dropped statement:  ¦negated condition: if !(x < y) { x = 1 }¦constant condition: if true || (x < y) { x = 1 }¦" +
			"constant condition: if false && (x < y) { x = 1 }¦early return: if true { return 0, nil } if x < y { x = 1 }¦moved bound: if x <= y { x = 1 }¦negated comparison: if x >= y { x = 1 }"},
		{"shift", "x = x << 3", "dropped statement:  ¦zero for a value: x = 0¦early return: if true { return 0, nil } x = x << 3¦" +
			"wrong shift: x = x >> 3¦wrong shift: x = x¦off by one: x = x << 4¦off by one: x = x << 2"},
		{"call", "f(x, y, p, l[x:], ok)", "dropped statement:  ¦early return: if true { return 0, nil } f(x, y, p, l[x:], ok)¦" +
			"swapped arguments: f(y, x, p, l[x:], ok)¦off by one: f(x, y, p, l[(x)+1:], ok)¦off by one: f(x, y, p, l[(x)-1:], ok)"},
		{"return", "return x - 1, nil", "zero result: return 0, nil¦swapped operator: return x + 1, nil¦off by one: return x - 2, nil¦off by one: return x - 0, nil"},
		{"range", "for range l { x++ }", "dropped statement:  ¦one round only: for range l { x++ break }¦first element left out: for range l[min(1, len(l)):] { x++ }¦early return: if true { return 0, nil } for range l { x++ }"},
		{"constants", "var k = two; _ = k", "early return: if true { return 0, nil } var k = two; _ = k¦wrong constant: var k = one; _ = k¦wrong constant: var k = three; _ = k"},
		{"composite", "*p = pair{a: 1, b: x}", "dropped statement:  ¦early return: if true { return 0, nil } *p = pair{a: 1, b: x}¦" +
			"dropped element: *p = pair{b: x}¦dropped element: *p = pair{a: 1}¦off by one: *p = pair{a: 2, b: x}¦off by one: *p = pair{a: 0, b: x}"},
		{"append", "l = append(l, x)", "dropped statement:  ¦zero for a value: l = nil¦early return: if true { return 0, nil } l = append(l, x)¦dropped append: l = l"},
		{"and", "ok = ok && !ok", "dropped statement:  ¦zero for a value: ok = false¦early return: if true { return 0, nil } ok = ok && !ok¦" +
			"and for or: ok = ok || !ok¦dropped operand: ok = ok¦dropped operand: ok = !ok¦dropped operator: ok = ok && ok"},
		{"length", "x = len(l)", "dropped statement:  ¦zero for a value: x = 0¦early return: if true { return 0, nil } x = len(l)¦off by one: x = len(l)-1¦off by one: x = len(l)+1"},
		{"switch", "switch x { case 1, 2: y = 1; default: }", "dropped statement:  ¦early return: if true { return 0, nil } switch x { case 1, 2: y = 1; default: }"},
		{"function literal", "func() { y++ }()", "dropped statement:  ¦early return: if true { return 0, nil } func() { y++ }()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parsed(t, "package lib\n"+decls+c.stmt+"\nreturn x, nil\n}\n")
			var got []string
			s := statements([]*pkg{p})[0]
			for _, ch := range s.changes() {
				src := apply(s.f.src, ch.edits)
				_, body, _ := strings.Cut(string(src), strings.TrimSpace(decls)+"\n")
				body, _, _ = strings.Cut(body, "\nreturn x, nil\n}")
				text := ch.kind + ": " + strings.Join(strings.Fields(body), " ")
				if body == "" {
					text = ch.kind + ":  "
				}
				got = append(got, text)
			}
			want := strings.Split(c.want, "¦")
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// TestStatements: every statement is a site once, inside clauses, headers and
// function literals too; blocks, constants and types are none.
func TestStatements(t *testing.T) {
	p := parsed(t, `package lib

var table = []int{1, 2}

var _ = table

type T struct{}

func (t *T) m(c chan int) (n int) {
	const k = 3
	if x := 1; x > 0 {
		n = k
	} else if n > 2 {
		{
			n++
		}
	}
outer:
	for i := 0; i < 3; i++ {
		switch {
		case i == 1:
			continue outer
		default:
			break
		}
	}
	select {
	case c <- 1:
	case v := <-c:
		defer func() { n = v }()
	}
	go t.m(c)
	return n
}
`)
	var got []string
	for _, s := range statements([]*pkg{p}) {
		got = append(got, fmt.Sprintf("%s %d %s", s.function, s.pos.Line, strings.TrimPrefix(fmt.Sprintf("%T", s.stmt), "*ast.")))
	}
	want := []string{
		"table 3 ValueSpec", "(*T).m 11 IfStmt", "(*T).m 11 AssignStmt", "(*T).m 12 AssignStmt", "(*T).m 13 IfStmt", "(*T).m 15 IncDecStmt",
		"(*T).m 19 ForStmt", "(*T).m 19 AssignStmt", "(*T).m 19 IncDecStmt", "(*T).m 20 SwitchStmt", "(*T).m 21 CaseClause", "(*T).m 22 BranchStmt",
		"(*T).m 23 CaseClause", "(*T).m 24 BranchStmt", "(*T).m 27 SelectStmt", "(*T).m 28 CommClause", "(*T).m 29 CommClause",
		"(*T).m 30 DeferStmt", "(*T).m 30 AssignStmt", "(*T).m 32 GoStmt", "(*T).m 33 ReturnStmt",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// TestDraw: the same seed gives the same mutants, more of them begin with the
// fewer, all compile and differ, and no statement is favoured.
func TestDraw(t *testing.T) {
	p := parsed(t, toy()["lib/lib.go"])
	sites := statements([]*pkg{p})
	a, b := draw(sites, 7, 10), draw(sites, 7, 20)
	for i := range a {
		if a[i].Diff != b[i].Diff {
			t.Errorf("%d differs:\n%s%s", i, a[i].Diff, b[i].Diff)
		}
	}
	seen := map[string]bool{}
	for _, m := range b {
		if seen[string(m.source)] {
			t.Errorf("twice:\n%s", m.Diff)
		}
		seen[string(m.source)] = true
		if !p.compiles(p.files[0], m.source) {
			t.Errorf("does not compile:\n%s", m.Diff)
		}
	}
	lines := map[int]int{}
	const n = 700
	for seed := range uint64(n) {
		lines[draw(sites, seed, 1)[0].Line]++
	}
	if len(lines) != len(sites) {
		t.Errorf("%d lines of %d", len(lines), len(sites))
	}
	for line, k := range lines { // 87 each on average; sqrt of that is 9
		if want := n / len(sites); k < want-45 || k > want+45 {
			t.Errorf("line %d was drawn %d times of %d, about %d are fair", line, k, n, want)
		}
	}
	if out := draw(sites, 1, 200); len(out) >= 200 { // it ends
		t.Errorf("%d mutants of %d statements", len(out), len(sites))
	}
}

// TestOrder: its own package first, then those that depend on it, as the budget
// allows.
func TestOrder(t *testing.T) {
	c := &Config{Budget: 10 * time.Second, Suite: []Suite{{"a", time.Second}, {"b", 2 * time.Second}, {"c", 9 * time.Second}, {"d", 3 * time.Second}, {"e", time.Second}}}
	deps := map[string]map[string]bool{"a": {"b": true}, "c": {"b": true}, "d": {"b": true}}
	var got []string
	for _, s := range c.order("b", deps) {
		got = append(got, s.Package)
	}
	if want := []string{"b", "a", "d"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := c.limit(c.Suite[1]); got != 80*time.Second {
		t.Errorf("limit %v", got)
	}
}

// TestParse: what a log of tests says of its failure.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, log string
		hang      bool
		want      string
	}{
		{"failure", "=== RUN   TestA\n--- PASS: TestA (0s)\n=== RUN   TestB\n=== RUN   TestB/x\n    --- FAIL: TestB/x (0s)\n--- FAIL: TestB (0s)\nFAIL\n", false, ".TestB"},
		{"panic", "=== RUN   TestB/y\npanic: runtime error\n\ngoroutine 7\n", false, ".TestB (panics)"},
		{"fatal", "=== RUN   TestB\nfatal error: all goroutines are asleep - deadlock!\n", false, ".TestB (panics)"},
		{"hang", "=== RUN   TestA\n=== RUN   TestB\n", true, ".TestB (hangs)"},
		{"before any test", "exit status 3\n", false, " (the test process fails)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(c.log, c.hang).String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestDiff: the lines that differ with two around them.
func TestDiff(t *testing.T) {
	got := diff([]byte("a\nb\nc\nd\ne\nf\n"), []byte("a\nb\nc\nX\nY\ne\nf\n"))
	const want = "  b\n  c\n- d\n+ X\n+ Y\n  e\n  f\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if got, want := changed(want), "-d\n+X\n+Y\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestEquivalents: entries are read whole, matched by what they change, and an
// entry without a proof is refused.
func TestEquivalents(t *testing.T) {
	e, err := parseEquivalents("e.txt", `# comment
== lib/lib.go (*T).m
- 	x <  3
+ 	x <= 3
proof: x is even
here.

== lib/lib.go f
- a
+ b
proof: dead
`)
	if err != nil {
		t.Fatal(err)
	}
	m := &Mutant{File: "lib/lib.go", Function: "(*T).m", Diff: "  y\n- x < 3\n+ x <= 3\n  z\n"}
	r := &Result{Mutant: m, Outcome: Survived}
	if e.Judge(r); r.Outcome != Equivalent || r.Proof != "x is even\nhere." {
		t.Errorf("got %s %q", r.Outcome, r.Proof)
	}
	for _, m := range []*Mutant{{File: "lib/lib.go", Function: "f", Diff: m.Diff}, {File: "lib/x.go", Function: "(*T).m", Diff: m.Diff}, {File: "lib/lib.go", Function: "(*T).m", Diff: "- x < 3\n+ x > 3\n"}} {
		r := &Result{Mutant: m, Outcome: Survived}
		if e.Judge(r); r.Outcome != Survived {
			t.Errorf("%+v is taken for equivalent", m)
		}
	}
	r = &Result{Mutant: m, Outcome: Caught}
	if e.Judge(r); r.Outcome != Caught {
		t.Error("what was caught is not equivalent")
	}
	for _, c := range []struct{ name, text, want string }{
		{"no proof", "== a b\n- x\n+ y\n", "e.txt: a b has no change or no proof"},
		{"no change", "== a b\nproof: x\n", "e.txt: a b has no change or no proof"},
		{"no head", "- x\n", "e.txt:1: an entry begins with =="},
		{"no function", "== a\n", "e.txt:1: == FILE FUNCTION is wanted"},
		{"other line", "== a b\nx\n", "e.txt:2: a line of code begins with - or +"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseEquivalents("e.txt", c.text); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := ReadEquivalents("equivalents.txt"); err != nil {
		t.Error(err)
	}
}

// TestReport: the share is of those that can be told, and survivors are shown.
func TestReport(t *testing.T) {
	r := &Report{Seed: 5, Statements: 9, Broken: []string{"x.TestY"}, Results: []*Result{
		{Mutant: &Mutant{File: "a.go", Line: 1, Function: "f", Kind: "k", Diff: "- 1\n"}, Outcome: Caught, By: "a.TestF (panics)"},
		{Mutant: &Mutant{File: "a.go", Line: 2, Function: "f", Kind: "k", Diff: "- 2\n"}, Outcome: Survived},
		{Mutant: &Mutant{File: "a.go", Line: 3, Function: "g", Kind: "l", Diff: "- 3\n"}, Outcome: Equivalent, Proof: "so"},
	}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `caught by:
    1 a.TestF
by kind of change (caught of drawn):
    1 of   2 k
    0 of   1 l
survived a.go:2 f: k
- 2
equivalent a.go:3 g: l
- 3
  proof: so
fails without a fault, so it caught nothing: x.TestY
seed 5: 3 faults of 9 statements, 1 caught, 1 survived, 1 equivalent: 50.0 %
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}
