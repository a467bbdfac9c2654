package ssa

// domTree is the dominator tree of a Func (Cooper, Harvey, Kennedy: A Simple,
// Fast Dominance Algorithm, 2001).
type domTree struct {
	order []*Block // reverse postorder
	num   map[*Block]int
	idom  []int
	// first and last number the blocks below a block in the tree.
	first, last []int
}

// number gives each block the range of numbers of the blocks that it dominates.
func (d *domTree) number() {
	n := len(d.order)
	size := make([]int, n) // blocks below, itself included
	for i := n - 1; i >= 0; i-- {
		size[i]++
		if i > 0 {
			size[d.idom[i]] += size[i]
		}
	}
	d.first, d.last = make([]int, n), make([]int, n)
	free := make([]int, n) // first number for the next block below
	for i := range n {
		if i > 0 {
			d.first[i] = free[d.idom[i]]
			free[d.idom[i]] += size[i]
		}
		d.last[i] = d.first[i] + size[i] - 1
		free[i] = d.first[i] + 1
	}
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
	d.number()
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
	return d.first[x] <= d.first[y] && d.first[y] <= d.last[x]
}
