package ssa

import "slices"

// What follows the parser is lowered once for all packets, so the packets that were
// too short for a header make parameters of what the others know: which headers are
// there, and the fields of those that are. fastPathPass gives the short ones a copy of
// their own; then nothing is left to ask for the others.

// maxFastPath bounds the values and blocks that are copied.
const maxFastPath = 400

// fastPathPass does this for the first block where ways that failed a bounds check
// meet others, and only once: what it leaves has no such block there.
func fastPathPass(f *Func) bool {
	type way struct {
		b     *Block
		short int // edges from failed checks
		all   int
	}
	ways := map[*Block]*way{}
	var order []*way
	for _, b := range f.Blocks {
		for i := range b.Term.Succs {
			t := b.Term.Succs[i].To
			w := ways[t]
			if w == nil {
				w = &way{b: t}
				ways[t] = w
				order = append(order, w)
			}
			w.all++
			switch {
			case b.Term.ptrEdge(i):
				w.short = -1 << 20 // its pointer belongs to the check
			case b.Term.Kind == TermCheck:
				w.short++
			}
		}
	}
	slices.SortStableFunc(order, func(x, y *way) int { return slices.Index(f.Blocks, x.b) - slices.Index(f.Blocks, y.b) })
	for _, w := range order {
		if w.short <= 0 || w.short == w.all || len(w.b.Params) == 0 {
			continue
		}
		region, ok := region(f, w.b)
		if !ok {
			return false
		}
		slow := copyBlocks(f, region)[w.b]
		for _, b := range f.Blocks {
			if b.Term.Kind == TermCheck && b.Term.Succs[1].To == w.b {
				b.Term.Succs[1].To = slow
			}
		}
		prune(f)
		return true
	}
	return false
}

// region lists the blocks that can be reached from b; false where they are too many,
// where a loop leads
// back to b.
func region(f *Func, b *Block) ([]*Block, bool) {
	seen := map[*Block]bool{b: true}
	list := []*Block{b}
	size := 0
	for i := 0; i < len(list); i++ {
		size += 1 + len(list[i].Instrs)
		for _, e := range list[i].Term.Succs {
			if e.To == b {
				return nil, false
			}
			if !seen[e.To] {
				seen[e.To] = true
				list = append(list, e.To)
			}
		}
	}
	return list, size <= maxFastPath
}

// copyBlocks copies blocks that lead to none but each other, with their values.
func copyBlocks(f *Func, list []*Block) map[*Block]*Block {
	id := 0
	for _, b := range f.Blocks {
		for _, vs := range [][]*Value{b.Params, b.Instrs} {
			for _, v := range vs {
				id = max(id, v.ID)
			}
		}
	}
	blocks, values := map[*Block]*Block{}, map[*Value]*Value{}
	twin := func(v *Value) *Value {
		if v.Op == OpConst { // they stand in the entry block for all
			return v
		}
		w := *v
		id++
		w.ID = id
		values[v] = &w
		return &w
	}
	for _, b := range list {
		c := &Block{ID: len(f.Blocks), Name: b.Name}
		f.Blocks = append(f.Blocks, c)
		blocks[b] = c
		for _, p := range b.Params {
			c.Params = append(c.Params, twin(p))
		}
		for _, v := range b.Instrs {
			c.Instrs = append(c.Instrs, twin(v))
		}
	}
	of := func(v *Value) *Value {
		if w := values[v]; w != nil {
			return w
		}
		return v
	}
	all := func(vs []*Value) []*Value {
		out := make([]*Value, len(vs))
		for i, v := range vs {
			out[i] = of(v)
		}
		return out
	}
	for _, b := range list {
		c := blocks[b]
		for _, v := range c.Instrs {
			if v.Op != OpConst {
				v.Args = all(v.Args)
			}
		}
		c.Term = b.Term
		if c.Term.Cond != nil {
			c.Term.Cond = of(c.Term.Cond)
		}
		c.Term.Labels = slices.Clone(b.Term.Labels)
		c.Term.Succs = make([]Edge, len(b.Term.Succs))
		for i, e := range b.Term.Succs {
			c.Term.Succs[i] = Edge{To: blocks[e.To], Args: all(e.Args)}
		}
	}
	return blocks
}
