package bmv2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// flowNode is a node of a control-flow graph: a table or condition of a
// pipeline, or a run of primitives of an action.
type flowNode struct {
	name string
	pos  ir.Pos
	succ []int // exit: the end
	// code makes the node's statements from those of its successors.
	code func(next [][]ir.Stmt) []ir.Stmt
}

// exit is the end of a graph.
const exit = -1

// structured turns a graph into labelled blocks, loops and branches, without
// copying code (D4; the way of N. Ramsey, "Beyond Relooper", ICFP 2022): a node
// where branches meet becomes the code behind a labelled block, a node that is
// jumped back to a loop. label makes names for the blocks. A graph with a cycle
// that has two ways in fits no loop: the error names its nodes.
func structured(nodes []flowNode, entry int, label func() string) ([]ir.Stmt, error) {
	if entry == exit || len(nodes) == 0 {
		return nil, nil
	}
	// The end is a node of its own.
	end := len(nodes)
	s := &structurer{label: label, end: end}
	s.nodes = append(slices.Clone(nodes), flowNode{name: "end", code: func([][]ir.Stmt) []ir.Stmt { return nil }})
	for i := range s.nodes {
		s.nodes[i].succ = slices.Clone(s.nodes[i].succ)
		for j, t := range s.nodes[i].succ {
			if t == exit {
				s.nodes[i].succ[j] = end
			}
		}
	}
	s.number(entry)
	s.dominators()
	if err := s.edges(); err != nil {
		return nil, err
	}
	s.labels = make([]string, len(s.nodes))
	var body []ir.Stmt
	if s.loops && s.rpo[end] >= 0 {
		// No way out of a loop falls through: the end is behind everything.
		s.merge[end] = true
		s.labels[end] = label()
		body = []ir.Stmt{&ir.Labelled{Label: s.labels[end], Body: s.tree(entry)}}
	} else {
		body = s.tree(entry)
	}
	return tidy(body), nil
}

type structurer struct {
	nodes  []flowNode
	end    int
	order  []int // reverse postorder
	rpo    []int // position in order; -1: not reached
	idom   []int
	kids   [][]int // of the dominator tree, by rpo
	merge  []bool  // more than one forward edge leads to it
	loop   []bool  // a back edge leads to it
	loops  bool
	labels []string
	label  func() string
}

// number finds the reverse postorder, without recursion: graphs may be deep.
func (s *structurer) number(entry int) {
	n := len(s.nodes)
	s.rpo = make([]int, n)
	seen := make([]bool, n)
	type frame struct{ node, next int }
	stack := []frame{{entry, 0}}
	seen[entry] = true
	var post []int
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		if f.next < len(s.nodes[f.node].succ) {
			t := s.nodes[f.node].succ[f.next]
			f.next++
			if !seen[t] {
				seen[t] = true
				stack = append(stack, frame{t, 0})
			}
			continue
		}
		post = append(post, f.node)
		stack = stack[:len(stack)-1]
	}
	slices.Reverse(post)
	s.order = post
	for i := range s.rpo {
		s.rpo[i] = -1
	}
	for i, x := range post {
		s.rpo[x] = i
	}
}

// dominators finds immediate dominators (Cooper, Harvey and Kennedy).
func (s *structurer) dominators() {
	preds := make([][]int, len(s.nodes))
	for _, x := range s.order {
		for _, t := range s.nodes[x].succ {
			preds[t] = append(preds[t], x)
		}
	}
	s.idom = make([]int, len(s.nodes))
	for i := range s.idom {
		s.idom[i] = -1
	}
	entry := s.order[0]
	s.idom[entry] = entry
	for changed := true; changed; {
		changed = false
		for _, x := range s.order[1:] {
			d := -1
			for _, p := range preds[x] {
				if s.idom[p] < 0 {
					continue
				}
				if d < 0 {
					d = p
					continue
				}
				a, b := p, d
				for a != b {
					for s.rpo[a] > s.rpo[b] {
						a = s.idom[a]
					}
					for s.rpo[b] > s.rpo[a] {
						b = s.idom[b]
					}
				}
				d = a
			}
			if s.idom[x] != d {
				s.idom[x], changed = d, true
			}
		}
	}
	s.kids = make([][]int, len(s.nodes))
	for _, x := range s.order[1:] {
		s.kids[s.idom[x]] = append(s.kids[s.idom[x]], x)
	}
}

func (s *structurer) dominates(a, b int) bool {
	for s.rpo[b] > s.rpo[a] {
		b = s.idom[b]
	}
	return a == b
}

// edges finds merges and loops, and refuses irreducible graphs.
func (s *structurer) edges() error {
	s.merge, s.loop = make([]bool, len(s.nodes)), make([]bool, len(s.nodes))
	forward := make([]int, len(s.nodes))
	for _, x := range s.order {
		for _, t := range s.nodes[x].succ {
			if s.rpo[t] > s.rpo[x] {
				forward[t]++
				s.merge[t] = forward[t] > 1
				continue
			}
			if !s.dominates(t, x) {
				return fmt.Errorf("the graph is irreducible: the cycle through %s can be entered elsewhere than at %s", s.cycle(t, x), s.nodes[t].name)
			}
			s.loop[t], s.loops = true, true
		}
	}
	return nil
}

// cycle names the nodes on a way from t to x, whose successor is t.
func (s *structurer) cycle(t, x int) string {
	from := map[int]int{t: t}
	queue := []int{t}
	for len(queue) > 0 && queue[0] != x {
		y := queue[0]
		queue = queue[1:]
		for _, z := range s.nodes[y].succ {
			if _, seen := from[z]; !seen {
				from[z] = y
				queue = append(queue, z)
			}
		}
	}
	names := []string{s.nodes[x].name}
	for y := x; y != t; {
		y = from[y]
		names = append(names, s.nodes[y].name)
	}
	slices.Reverse(names)
	return strings.Join(names, ", ")
}

// tree is the code of x and all that x dominates. Its ways out are jumps, or
// fall through to the end.
func (s *structurer) tree(x int) []ir.Stmt {
	var merges []int
	for _, k := range s.kids[x] {
		if s.merge[k] && !(k == s.end && s.loops) {
			s.labels[k] = s.label()
			merges = append(merges, k)
		}
	}
	if !s.loop[x] {
		return s.within(x, merges)
	}
	s.labels[x] = s.label()
	return []ir.Stmt{&ir.Loop{SMeta: ir.SMeta{P: s.nodes[x].pos}, Label: s.labels[x], Body: s.within(x, merges)}}
}

// within is the code of x with those children behind it where branches meet: the
// first of them innermost.
func (s *structurer) within(x int, merges []int) []ir.Stmt {
	next := make([][]ir.Stmt, len(s.nodes[x].succ))
	for i, t := range s.nodes[x].succ {
		next[i] = s.branch(x, t)
	}
	body := s.nodes[x].code(next)
	for _, k := range merges {
		body = append([]ir.Stmt{&ir.Labelled{SMeta: ir.SMeta{P: s.nodes[x].pos}, Label: s.labels[k], Body: body}}, s.tree(k)...)
	}
	return body
}

func (s *structurer) branch(from, to int) []ir.Stmt {
	meta := ir.SMeta{P: s.nodes[from].pos}
	switch {
	case s.rpo[to] <= s.rpo[from]:
		return []ir.Stmt{&ir.Continue{SMeta: meta, Label: s.labels[to]}}
	case s.merge[to]:
		return []ir.Stmt{&ir.Leave{SMeta: meta, Label: s.labels[to]}}
	}
	return s.tree(to)
}

// tidy makes flat what is nested too deep, and removes jumps to where control
// goes anyway and labels that nobody jumps to.
func tidy(ss []ir.Stmt) []ir.Stmt {
	ss, _ = flattened(ss)
	return trimmed(ss)
}

func trimmed(ss []ir.Stmt) []ir.Stmt {
	var out []ir.Stmt
	for _, s := range ss {
		if l, is := s.(*ir.Labelled); is {
			l.Body = trimmed(dropTail(l.Body, l.Label))
			if !leaves(l.Body, l.Label) {
				out = append(out, l.Body...)
				continue
			}
		} else {
			ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = trimmed(*b) })
		}
		out = append(out, s)
	}
	return out
}

// deepEnough is how deep code may nest where it need not.
const deepEnough = 6

// flattened takes a side out of an If when the other one ends in a jump, so that
// chains of early ends do not nest: always when the two jump to different
// places, else only out of deep nests. It also gives the depth.
func flattened(ss []ir.Stmt) (out []ir.Stmt, depth int) {
	for _, s := range ss {
		d := 0
		ir.StmtBodies(s, func(b *[]ir.Stmt) {
			var n int
			*b, n = flattened(*b)
			d = max(d, n)
		})
		out = append(out, s)
		i, is := s.(*ir.If)
		if is && len(i.Then) > 0 && len(i.Else) > 0 {
			a, b := lastJump(i.Then), lastJump(i.Else)
			switch {
			case a != "" && (a != b || d >= deepEnough && len(i.Then) <= len(i.Else)):
				out = append(out, i.Else...)
				i.Else = nil
				depth = max(depth, d)
				continue
			case b != "" && (a != b || d >= deepEnough):
				out = append(out, i.Then...)
				i.Then, i.Else = i.Else, nil
				i.Cond = &ir.Unary{Meta: ir.Meta{T: &ir.Bool{}, P: i.P}, Op: ir.LNot, X: i.Cond}
				depth = max(depth, d)
				continue
			}
		}
		depth = max(depth, d+1)
	}
	return out, depth
}

// lastJump is where ss jumps at its end, "" when it falls through.
func lastJump(ss []ir.Stmt) string {
	if len(ss) == 0 {
		return ""
	}
	switch s := ss[len(ss)-1].(type) {
	case *ir.Leave:
		return "leave " + s.Label
	case *ir.Continue:
		return "continue " + s.Label
	}
	return ""
}

// dropTail removes leave statements of label that are the last thing done.
func dropTail(ss []ir.Stmt, label string) []ir.Stmt {
	if len(ss) == 0 {
		return ss
	}
	switch s := ss[len(ss)-1].(type) {
	case *ir.Leave:
		if s.Label == label {
			return ss[:len(ss)-1]
		}
	case *ir.If, *ir.Switch, *ir.Labelled:
		ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = dropTail(*b, label) })
	}
	return ss
}

func leaves(ss []ir.Stmt, label string) bool {
	found := false
	ir.WalkStmts(ss, func(s ir.Stmt) {
		if l, is := s.(*ir.Leave); is && l.Label == label {
			found = true
		}
	})
	return found
}
