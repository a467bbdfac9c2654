// Package p4gen makes random well-typed P4 programs for v1model, packets that go
// deep into a program, and table entries that these packets hit.
//
// Programs are P4 source text, so that they go through the whole front end. They
// are well typed by construction: every expression is made for the type that its
// place needs. Each program draws a subset of the language's features, so that
// programs go deep in a few rather than touching all; what it uses is counted by
// the ids of docs/checklists/p4-language.md.
//
// Packets and entries come from the program itself (any program, not only those
// made here): packets.go walks the parser of the core IR and fills in what the
// select cases ask for; entries.go takes keys that packets were seen to produce.
//
// In: a seed. Out: source text, frames, entries in machine form; the same for
// the same seed. shrink.go makes a failing program smaller.
// Must not import: an engine, runtime. What compares engines is in differ.
package p4gen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Program is a generated program.
type Program struct {
	Seed     uint64
	Source   string
	Features []string       // what it draws, sorted
	Coverage map[string]int // checklist id -> constructs that cite it
}

// Generate makes the program of a seed. Features of the names without are left
// out: for compilers that do not have them.
func Generate(seed uint64, without ...string) *Program {
	g := &gen{
		r:     rand.New(rand.NewPCG(seed, 0x70346e6963)),
		cov:   map[string]int{},
		pool:  map[int][]string{},
		taken: map[string]bool{},
	}
	g.draw(without)
	g.program()
	return &Program{Seed: seed, Source: g.b.String(), Features: g.features(), Coverage: g.cov}
}

// gen is the state of one program's making.
type gen struct {
	r      *rand.Rand
	b      strings.Builder
	indent int
	cov    map[string]int
	on     [numFeatures]bool
	taken  map[string]bool // names in use
	n      int             // for fresh names
	pool   map[int][]string

	// Types and constants of the program, in order of declaration.
	aliases   []alias
	intConsts []intConst
	consts    []place
	newtypes  []*typ
	enums     []*typ
	serEnums  []*typ
	headers   []*typ
	unions    []*typ
	structs   []*typ
	pairs     []*typ // specialisations of the generic struct
	tuples    []*typ
	errs      []string
	hdr, meta *typ
	std       *typ
	funcs     []*callable

	scope    []place  // what can be read and written here, innermost last
	inner    int      // where the innermost block begins in scope
	body     *body    // what may stand here
	ctrl     *control // the control whose body is made, nil elsewhere
	subs     []*callable
	parser   *parserGen
	egress   bool // the control that is made is egress
	applying bool // the arguments of a sub-parser are made: behind the packet, so by position
	binding  bool // arguments in an action list are made, which entries repeat
}

// body says what statements may stand where the generator is.
type body struct {
	kind   bodyKind
	result *typ // of a function, nil for void
	loops  int  // nesting
	inLoop bool // break and continue may stand here
	noExit bool
	budget int // statements left
}

type bodyKind int

const (
	inFunction bodyKind = iota
	inAction
	inApply
	inState
)

// chance is true in percent of all cases.
func (g *gen) chance(percent int) bool { return g.r.IntN(100) < percent }

// cite counts constructs of the checklist.
func (g *gen) cite(ids ...string) {
	for _, id := range ids {
		g.cov[id]++
	}
}

// line writes one line.
func (g *gen) line(format string, args ...any) {
	for range g.indent {
		g.b.WriteString("    ")
	}
	if len(args) == 0 {
		g.b.WriteString(format)
	} else {
		fmt.Fprintf(&g.b, format, args...)
	}
	g.b.WriteByte('\n')
}

// open writes a line that begins an indented region, shut the one that ends it.
func (g *gen) open(format string, args ...any) {
	g.line(format, args...)
	g.indent++
}

func (g *gen) shut(text string) {
	g.indent--
	g.line("%s", text)
}

func pick[T any](g *gen, xs []T) T { return xs[g.r.IntN(len(xs))] }

// contextual are words that are keywords in some places only (L13).
var contextual = [...]string{"actions", "key", "entries", "priority", "state", "type"}

// name is a fresh name. Types have no contextual keywords for names.
func (g *gen) name(prefix string) string {
	if strings.Contains("x p d f m h i", prefix) && g.chance(4) {
		if w := contextual[g.r.IntN(len(contextual))]; !g.taken[w] {
			g.taken[w] = true
			g.cite("L13")
			return w
		}
	}
	g.n++
	return fmt.Sprintf("%s%d", prefix, g.n)
}
