package ssa

// foldPass simplifies each value from its operands, which come before it.
func foldPass(f *Func) bool {
	p := newPool(f)
	s := subst{}
	changed := false
	for _, b := range f.Blocks {
		var out []*Value
		var mk func(op Op, t Type, args ...*Value) *Value
		mk = func(op Op, t Type, args ...*Value) *Value {
			v := &Value{Op: op, Type: t, Args: args}
			if r := fold(v, mk, p.constant); r != nil {
				return r
			}
			p.maxID++
			v.ID = p.maxID
			out = append(out, v)
			return v
		}
		for _, v := range b.Instrs {
			for i, a := range v.Args {
				v.Args[i] = s.of(a)
			}
			n := len(out)
			if r := fold(v, mk, p.constant); r != nil && r != v {
				s[v] = r
				for _, x := range out[n:] {
					x.Pos, x.Name = v.Pos, v.Name
				}
				changed = true
				continue
			}
			out = append(out[:n], v)
		}
		b.Instrs = out
	}
	p.settle()
	s.apply(f)
	return changed
}

// branchPass turns branches whose way is known into jumps.
func branchPass(f *Func) bool {
	changed := false
	for _, b := range f.Blocks {
		t := &b.Term
		switch t.Kind {
		case TermBranch:
			switch {
			case t.Cond.Op == OpConst && t.Cond.Aux != 0, sameEdge(t.Succs[0], t.Succs[1]):
				replaceTerm(b, t.Succs[0])
				changed = true
			case t.Cond.Op == OpConst:
				replaceTerm(b, t.Succs[1])
				changed = true
			case t.Cond.Op == OpNot:
				t.Cond = t.Cond.Args[0]
				t.Succs[0], t.Succs[1] = t.Succs[1], t.Succs[0]
				t.Likely = -t.Likely
				changed = true
			}
		case TermSwitch:
			changed = switchPass(b) || changed
		case TermLoop: // no way leads back any more
			if t.Cond.Op == OpConst && t.Cond.Aux < uint64(t.N) {
				replaceTerm(b, t.Succs[0])
				changed = true
			}
		}
	}
	if changed {
		prune(f)
	}
	return changed
}

func switchPass(b *Block) bool {
	t := &b.Term
	last := t.Succs[len(t.Succs)-1]
	if t.Cond.Op == OpConst {
		e := last
		for i, l := range t.Labels {
			if l == t.Cond.Aux {
				e = t.Succs[i]
			}
		}
		replaceTerm(b, e)
		return true
	}
	// Labels that lead where the default leads are not needed.
	n := 0
	for i, l := range t.Labels {
		if sameEdge(t.Succs[i], last) {
			continue
		}
		t.Labels[n], t.Succs[n] = l, t.Succs[i]
		n++
	}
	if n == len(t.Labels) {
		return false
	}
	t.Labels = t.Labels[:n]
	t.Succs = append(t.Succs[:n], last)
	if n == 0 {
		replaceTerm(b, last)
	}
	return true
}

func sameEdge(a, b Edge) bool {
	if a.To != b.To || len(a.Args) != len(b.Args) {
		return false
	}
	for i := range a.Args {
		if a.Args[i] != b.Args[i] {
			return false
		}
	}
	return true
}

// knownPass replaces a branch's condition by what it is in the blocks that only
// one of its edges reaches, and a switch's operand by its label.
func knownPass(f *Func) bool {
	p := newPool(f)
	d := newDomTree(f)
	preds := f.Preds()
	type fact struct {
		v *Value
		c *Value
	}
	facts := map[*Block][]fact{}
	for _, b := range f.Blocks {
		for i, e := range b.Term.Succs {
			if len(preds[e.To]) != 1 || b.Term.Cond == nil || b.Term.Cond.Op == OpConst {
				continue
			}
			switch {
			case b.Term.Kind == TermBranch:
				facts[e.To] = append(facts[e.To], fact{b.Term.Cond, p.constant(1, uint64(1-i))})
			case b.Term.Kind == TermSwitch && i < len(b.Term.Labels):
				facts[e.To] = append(facts[e.To], fact{b.Term.Cond, p.constant(b.Term.Cond.Type, b.Term.Labels[i])})
			}
		}
	}
	children := make([][]int, len(d.order))
	for i := 1; i < len(d.order); i++ {
		children[d.idom[i]] = append(children[d.idom[i]], i)
	}
	changed := false
	known := map[*Value]*Value{}
	replace := func(v **Value) {
		if c := known[*v]; c != nil {
			*v = c
			changed = true
		}
	}
	var walk func(i int)
	walk = func(i int) {
		b := d.order[i]
		var undo []*Value
		for _, x := range facts[b] {
			if known[x.v] == nil {
				known[x.v] = x.c
				undo = append(undo, x.v)
			}
		}
		if len(known) > 0 {
			for _, v := range b.Instrs {
				// A shift's amount stays guarded by its select: no constant of
				// another branch can come in, since the facts hold here.
				for k := range v.Args {
					replace(&v.Args[k])
				}
			}
			if b.Term.Cond != nil {
				replace(&b.Term.Cond)
			}
			for _, e := range b.Term.Succs {
				for k := range e.Args {
					replace(&e.Args[k])
				}
			}
		}
		for _, c := range children[i] {
			walk(c)
		}
		for _, v := range undo {
			delete(known, v)
		}
	}
	walk(0)
	p.settle()
	return changed
}
