package passes

import (
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// namer gives names to new variables. A new name is unlike that of any other
// variable of the program, so it neither collides nor shadows wherever the
// variable moves.
type namer struct {
	used map[string]int // name -> next suffix to try
}

func newNamer(p *ir.Program) *namer {
	n := &namer{map[string]int{}}
	add := func(vs []*ir.Var) {
		for _, v := range vs {
			n.used[v.Name] = max(1, n.used[v.Name])
		}
	}
	for _, f := range p.Functions {
		add(f.Params)
		add(f.Locals)
	}
	for _, a := range p.Actions {
		add(a.Params)
		add(a.Locals)
	}
	for _, b := range p.Blocks {
		add(b.Params)
		add(b.Locals)
	}
	return n
}

// fresh returns base, or base_1, base_2, ... A number that an earlier pass put
// behind base does not count.
func (n *namer) fresh(base string) string {
	i, taken := n.used[base]
	if !taken {
		n.used[base] = 1
		return base
	}
	if j := strings.LastIndexByte(base, '_'); j > 0 {
		if _, err := strconv.Atoi(base[j+1:]); err == nil && n.used[base[:j]] > 0 {
			base = base[:j]
			i = n.used[base]
		}
	}
	for ; ; i++ {
		name := base + "_" + strconv.Itoa(i)
		if _, taken := n.used[name]; !taken {
			n.used[base] = i + 1
			n.used[name] = 1
			return name
		}
	}
}

// variable makes a local with a fresh name and adds it to locals.
func (n *namer) variable(locals *[]*ir.Var, base string, t ir.Type, pos ir.Pos) *ir.Var {
	v := &ir.Var{Name: n.fresh(base), Type: t, Pos: pos}
	*locals = append(*locals, v)
	return v
}

// labels gives names to labels; labels are unique in their body.
type labels struct{ n int }

func (l *labels) fresh(base string) string {
	l.n++
	return base + "_" + strconv.Itoa(l.n)
}

// newLabels starts behind every label of p.
func newLabels(p *ir.Program) *labels {
	n := 0
	p.Bodies(func(b *[]ir.Stmt) {
		ir.WalkStmts(*b, func(s ir.Stmt) {
			var name string
			switch s := s.(type) {
			case *ir.Labelled:
				name = s.Label
			case *ir.Loop:
				name = s.Label
			default:
				return
			}
			for i := len(name) - 1; i >= 0; i-- {
				if name[i] == '_' {
					if k, err := strconv.Atoi(name[i+1:]); err == nil && k < 1<<30 {
						n = max(n, k)
					}
					break
				}
			}
		})
	})
	return &labels{n}
}
