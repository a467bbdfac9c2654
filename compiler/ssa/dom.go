package ssa

// domTree is the dominator tree of a Func (Cooper, Harvey, Kennedy: A Simple,
// Fast Dominance Algorithm, 2001).
type domTree struct {
	order []*Block // reverse postorder
	num   map[*Block]int
	idom  []int
	depth []int
}

func newDomTree(f *Func) *domTree {
	d := &domTree{num: map[*Block]int{}}
	var post []*Block
	seen := map[*Block]bool{}
	var walk func(b *Block)
	walk = func(b *Block) {
		seen[b] = true
		for i := len(b.Term.Succs) - 1; i >= 0; i-- {
			if t := b.Term.Succs[i].To; !seen[t] {
				walk(t)
			}
		}
		post = append(post, b)
	}
	walk(f.Blocks[0])
	for i := len(post) - 1; i >= 0; i-- {
		d.num[post[i]] = len(d.order)
		d.order = append(d.order, post[i])
	}
	preds := make([][]int, len(d.order))
	for i, b := range d.order {
		for _, e := range b.Term.Succs {
			t := d.num[e.To]
			preds[t] = append(preds[t], i)
		}
	}
	d.idom = make([]int, len(d.order))
	for i := range d.idom {
		d.idom[i] = -1
	}
	d.idom[0] = 0
	for changed := true; changed; {
		changed = false
		for i := 1; i < len(d.order); i++ {
			m := -1
			for _, p := range preds[i] {
				switch {
				case d.idom[p] < 0:
				case m < 0:
					m = p
				default:
					m = d.meet(m, p)
				}
			}
			if d.idom[i] != m {
				d.idom[i] = m
				changed = true
			}
		}
	}
	d.depth = make([]int, len(d.order))
	for i := 1; i < len(d.order); i++ {
		d.depth[i] = d.depth[d.idom[i]] + 1
	}
	return d
}

func (d *domTree) meet(a, b int) int {
	for a != b {
		for a > b {
			a = d.idom[a]
		}
		for b > a {
			b = d.idom[b]
		}
	}
	return a
}

// dominates tells whether every way to b passes a.
func (d *domTree) dominates(a, b *Block) bool {
	x, okA := d.num[a]
	y, okB := d.num[b]
	if !okA || !okB {
		return false
	}
	for d.depth[y] > d.depth[x] {
		y = d.idom[y]
	}
	return x == y
}
