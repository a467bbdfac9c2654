package bmv2

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// graph makes nodes from successor lists: node i with two successors tests
// variable i, every node notes that it ran.
func graph(succ [][]int) []flowNode {
	nodes := make([]flowNode, len(succ))
	for i, s := range succ {
		mark := &ir.SetValid{Valid: true, X: &ir.VarRef{Var: &ir.Var{Name: fmt.Sprint(i)}}}
		nodes[i] = flowNode{name: fmt.Sprintf("n%d", i), succ: s}
		if len(s) == 1 {
			nodes[i].code = straight([]ir.Stmt{mark})
			continue
		}
		cond := &ir.VarRef{Meta: ir.Meta{T: &ir.Bool{}}, Var: &ir.Var{Name: fmt.Sprint(i)}}
		nodes[i].code = branching([]ir.Stmt{mark}, cond, ir.SMeta{})
	}
	return nodes
}

// walker runs structured code as the graph would run: each test takes the next
// decision.
type walker struct {
	t       *testing.T
	choices []bool
	trace   []string
	steps   int
}

const maxTrace = 60

// run gives "" when the code falls through, else the jump.
func (w *walker) run(ss []ir.Stmt) string {
	for _, s := range ss {
		if w.steps++; len(w.trace) >= maxTrace || w.steps > 10000 {
			return "stop"
		}
		j := ""
		switch s := s.(type) {
		case *ir.SetValid:
			w.trace = append(w.trace, s.X.(*ir.VarRef).Var.Name)
		case *ir.If:
			_, not := s.Cond.(*ir.Unary)
			if w.decide() != not {
				j = w.run(s.Then)
			} else {
				j = w.run(s.Else)
			}
		case *ir.Labelled:
			if j = w.run(s.Body); j == "leave "+s.Label {
				j = ""
			}
		case *ir.Loop:
			for j == "" || j == "continue "+s.Label {
				j = w.run(s.Body)
			}
			if j == "leave "+s.Label {
				j = ""
			}
		case *ir.Leave:
			j = "leave " + s.Label
		case *ir.Continue:
			j = "continue " + s.Label
		default:
			w.t.Fatalf("statement %T", s)
		}
		if j != "" {
			return j
		}
	}
	return ""
}

func (w *walker) decide() bool {
	n := len(w.trace)
	return w.choices[n%len(w.choices)]
}

// walk runs the graph itself.
func walk(succ [][]int, choices []bool) []string {
	var trace []string
	for n := 0; n != exit && len(trace) < maxTrace; {
		trace = append(trace, fmt.Sprint(n))
		s := succ[n]
		switch {
		case len(s) == 1, choices[len(trace)%len(choices)]:
			n = s[0]
		default:
			n = s[1]
		}
	}
	return trace
}

func labels() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("b%d", n) }
}

// TestStructured: D4, every reducible graph, random ones with loops too, runs as
// structured code the nodes that it ran as a graph.
func TestStructured(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	reducible, refused := 0, 0
	for round := range 4000 {
		n := 1 + r.IntN(9)
		succ := make([][]int, n)
		for i := range succ {
			to := func() int {
				if r.IntN(8) > 0 || i == 0 { // forward, to the end at the last
					if k := i + 1 + r.IntN(n-i); k < n {
						return k
					}
					return exit
				}
				return r.IntN(i + 1)
			}
			succ[i] = []int{to()}
			if r.IntN(3) > 0 {
				succ[i] = append(succ[i], to())
			}
		}
		body, err := structured(graph(succ), 0, labels())
		if err != nil {
			if !strings.Contains(err.Error(), "irreducible") {
				t.Fatal(err)
			}
			refused++
			continue
		}
		reducible++
		for range 6 {
			choices := make([]bool, 7)
			for i := range choices {
				choices[i] = r.IntN(2) == 0
			}
			w := &walker{t: t, choices: choices}
			if j := w.run(body); strings.HasPrefix(j, "leave") || strings.HasPrefix(j, "continue") {
				t.Fatalf("round %d: %v: jump %s out of the code", round, succ, j)
			}
			want := strings.Join(walk(succ, choices), " ")
			if got := strings.Join(w.trace, " "); got != want {
				t.Fatalf("round %d: graph %v\ngot  %s\nwant %s", round, succ, got, want)
			}
		}
	}
	if reducible < 2000 || refused == 0 {
		t.Errorf("%d graphs were reducible, %d not", reducible, refused)
	}
}

// TestIrreducible: D4, a cycle with two ways in is refused with its nodes.
func TestIrreducible(t *testing.T) {
	_, err := structured(graph([][]int{{1, 2}, {2}, {1, exit}}), 0, labels())
	if err == nil || !strings.Contains(err.Error(), "irreducible") || !strings.Contains(err.Error(), "n1") || !strings.Contains(err.Error(), "n2") {
		t.Errorf("error %v", err)
	}
}

// TestFlat: a long chain of early ends does not nest.
func TestFlat(t *testing.T) {
	const n = 500
	succ := make([][]int, n)
	for i := range succ {
		succ[i] = []int{exit, i + 1}
	}
	succ[n-1] = []int{exit}
	body, err := structured(graph(succ), 0, labels())
	if err != nil {
		t.Fatal(err)
	}
	depth, deepest := 0, 0
	var measure func(ss []ir.Stmt)
	measure = func(ss []ir.Stmt) {
		depth++
		deepest = max(deepest, depth)
		for _, s := range ss {
			ir.StmtBodies(s, func(b *[]ir.Stmt) { measure(*b) })
		}
		depth--
	}
	measure(body)
	if deepest > 12 {
		t.Errorf("nested %d deep", deepest)
	}
}

// TestRanges: a range is covered by disjoint masked values, exactly.
func TestRanges(t *testing.T) {
	for w := 1; w <= 6; w++ {
		for lo := int64(0); lo < 1<<w; lo++ {
			for hi := lo; hi < 1<<w; hi++ {
				ms := ranges(big.NewInt(lo), big.NewInt(hi), w)
				if len(ms) > max(1, 2*w-2) {
					t.Errorf("%d..%d of %d bits: %d values", lo, hi, w, len(ms))
				}
				for v := int64(0); v < 1<<w; v++ {
					n := 0
					for _, m := range ms {
						if v&m.m.Int64() == m.v.Int64() {
							n++
						}
					}
					if want := map[bool]int{true: 1}[v >= lo && v <= hi]; n != want {
						t.Fatalf("%d..%d of %d bits: %d is in %d values", lo, hi, w, v, n)
					}
				}
			}
		}
	}
}
