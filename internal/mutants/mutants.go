// Package mutants measures what the tests can find: it seeds faults into the
// product's own code, one at a time, and counts those that the suite catches:
// `make mutants`. In: a module, the packages to change, a seed. Out: for each
// fault the test that caught it, or the fault as a diff.
//
// A fault is drawn by rule (docs/testing.md): a statement, uniformly from all
// statements of the named packages; then a kind of change that applies to it;
// then a place in it. It reaches the compiler through an overlay: the tree is
// never written. The package imports nothing of the product.
package mutants

import (
	"fmt"
	"go/ast"
	"strings"
	"time"
)

// Config is what a module says of itself.
type Config struct {
	Module   string   // import path
	Packages []string // whose statements are drawn from, relative to Module
	Suite    []Suite  // in the order in which they run; the fastest first
	Budget   time.Duration
	// Limit, when it is set, replaces the time after which a package of tests
	// counts as hanging.
	Limit time.Duration
}

// Suite is one package of tests.
type Suite struct {
	Package string        // relative to the module
	Takes   time.Duration // usually, on two cores with nothing beside it
}

// Edit replaces bytes of a file.
type Edit struct {
	From, To int // offsets
	Text     string
}

// Mutant is one seeded fault.
type Mutant struct {
	Package  string // relative to the module
	File     string // relative to the module
	Line     int
	Function string // "(*T).Name", "Name", or the name of a package's variable
	Kind     string // which rule changed it
	Diff     string // lines taken away with "-", lines put with "+"

	source []byte // the whole file, changed
	abs    string // the file's own path, for the overlay
}

// Outcome is what became of a mutant.
type Outcome string

const (
	Caught     Outcome = "caught"
	Survived   Outcome = "survived"
	Equivalent Outcome = "equivalent" // survived, and a proof is on file that nothing can tell it
)

// Result is one mutant with its outcome.
type Result struct {
	*Mutant
	Outcome Outcome
	By      string // the package and test that failed, or how else it was noticed
	Proof   string // of Equivalent
	Ran     int    // packages of tests that ran
	Tests   time.Duration
	Build   time.Duration
}

// apply gives src with the edits, which do not overlap and stand in order.
func apply(src []byte, edits []Edit) []byte {
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(append(out, src[at:e.From]...), e.Text...)
		at = e.To
	}
	return append(out, src[at:]...)
}

// diff shows the lines that differ between two texts that share their start and
// end: at most context unchanged lines around.
func diff(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	const context = 2
	var s strings.Builder
	for i := max(0, head-context); i < head; i++ {
		s.WriteString("  " + x[i] + "\n")
	}
	for _, l := range x[head : len(x)-tail] {
		s.WriteString("- " + l + "\n")
	}
	for _, l := range y[head : len(y)-tail] {
		s.WriteString("+ " + l + "\n")
	}
	for i := len(x) - tail; i < min(len(x), len(x)-tail+context); i++ {
		s.WriteString("  " + x[i] + "\n")
	}
	return s.String()
}

// changed is the lines of a diff that are taken away and put, without the space
// around them and without empty ones: what Equivalents compare.
func changed(diff string) string {
	var s strings.Builder
	for _, l := range strings.Split(diff, "\n") {
		if text := strings.Fields(l[min(1, len(l)):]); len(text) > 0 && (l[0] == '-' || l[0] == '+') {
			s.WriteString(l[:1] + strings.Join(text, " ") + "\n")
		}
	}
	return s.String()
}

// functionName is the name of a declaration as Go prints it.
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	t, star := d.Recv.List[0].Type, ""
	if p, ok := t.(*ast.StarExpr); ok {
		t, star = p.X, "*"
	}
	if g, ok := t.(*ast.IndexExpr); ok {
		t = g.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return fmt.Sprintf("(%s%s).%s", star, id.Name, d.Name.Name)
	}
	return d.Name.Name
}
