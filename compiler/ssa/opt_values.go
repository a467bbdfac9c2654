package ssa

// csePass replaces a value by an equal one whose block dominates it. Loads are
// values like others: the packet does not change until the deparser, and
// Verify holds that nothing is loaded after.
func csePass(f *Func) bool {
	d := newDomTree(f)
	children := make([][]int, len(d.order))
	for i := 1; i < len(d.order); i++ {
		children[d.idom[i]] = append(children[d.idom[i]], i)
	}
	type key struct {
		op                  Op
		t                   Type
		a, b, c             *Value
		aux                 uint64
		n                   int
		sym                 any
		action, param, limb int
	}
	s := subst{}
	have := map[key]*Value{}
	longs := map[key][]*Value{} // values of more than three operands
	var walk func(i int)
	walk = func(i int) {
		var undo, undoLong []key
		for _, v := range d.order[i].Instrs {
			for k, a := range v.Args {
				v.Args[k] = s.of(a)
			}
			if v.HasEffect() {
				continue
			}
			k := key{op: v.Op, t: v.Type, aux: v.Aux, n: v.N, sym: v.Sym, action: v.Action, param: v.Param, limb: v.Limb}
			if n := len(v.Args); n > 3 {
				k.aux = uint64(n)
				found := false
				for _, w := range longs[k] {
					if sameArgs(v, w) {
						s[v], found = w, true
						break
					}
				}
				if !found {
					longs[k] = append(longs[k], v)
					undoLong = append(undoLong, k)
				}
				continue
			}
			for j, p := range []**Value{&k.a, &k.b, &k.c} {
				if j < len(v.Args) {
					*p = v.Args[j]
				}
			}
			if commutes(v.Op) && k.a.ID > k.b.ID {
				k.a, k.b = k.b, k.a
			}
			if w := have[k]; w != nil {
				s[v] = w
				if w.Name == "" {
					w.Name = v.Name
				}
				continue
			}
			have[k] = v
			undo = append(undo, k)
		}
		for _, c := range children[i] {
			walk(c)
		}
		for _, k := range undo {
			delete(have, k)
		}
		for _, k := range undoLong {
			longs[k] = longs[k][:len(longs[k])-1]
		}
	}
	walk(0)
	s.remove(f)
	s.apply(f)
	return len(s) > 0
}

func sameArgs(v, w *Value) bool {
	for i := range v.Args {
		if v.Args[i] != w.Args[i] {
			return false
		}
	}
	return true
}

func commutes(op Op) bool {
	switch op {
	case OpAdd, OpMul, OpAnd, OpOr, OpXor, OpEq, OpNe:
		return true
	}
	return false
}

// dcePass marks what effects and terminators need and drops the rest. An
// argument of an edge is needed when its parameter is.
func dcePass(f *Func) bool {
	preds := f.Preds()
	home := map[*Value]*Block{}
	index := map[*Value]int{}
	for _, b := range f.Blocks {
		for i, p := range b.Params {
			home[p], index[p] = b, i
		}
	}
	live := map[*Value]bool{}
	var work []*Value
	need := func(v *Value) {
		if v != nil && !live[v] {
			live[v] = true
			work = append(work, v)
		}
	}
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			// A register that is read and not used needs no read.
			if v.HasEffect() && v.Op != OpRegRead && v.Op != OpRand {
				need(v)
			}
		}
		need(b.Term.Cond)
	}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, a := range v.Args {
			need(a)
		}
		if b := home[v]; b != nil {
			for _, e := range preds[b] {
				if i := index[v] - (len(b.Params) - len(e.Args)); i >= 0 {
					need(e.Args[i])
				}
			}
		}
	}
	changed := false
	for _, b := range f.Blocks {
		out := b.Instrs[:0]
		for _, v := range b.Instrs {
			if live[v] {
				out = append(out, v)
			} else if v.Op != OpConst { // which other passes make as they look
				changed = true
			}
		}
		clear(b.Instrs[len(out):])
		b.Instrs = out

		drop := map[int]bool{}
		var keep []*Value
		first := 0
		if len(b.Params) > 0 && b.Params[0].Type == Ptr {
			first = 1
		}
		for i, p := range b.Params {
			if live[p] || p.Type == Ptr {
				keep = append(keep, p)
			} else {
				drop[i-first] = true
			}
		}
		if len(drop) == 0 {
			continue
		}
		changed = true
		b.Params = keep
		for _, e := range preds[b] {
			e.Args = without(e.Args, drop)
		}
	}
	return changed
}
