package ssa

// threadPass lets edges into an empty block that jumps on lead to its successor;
// and where an empty block branches on one of its own parameters and the edge
// gives a constant for it, to the way it then takes. The block's parameters must
// have no other use. Blocks that only drop become one a reason.
func threadPass(f *Func) bool {
	used := usedOutside(f)
	changed := false
	var drops [len(reasonNames)]*Block
	for _, b := range f.Blocks {
		if b.Term.Kind == TermDrop && len(b.Instrs) == 0 && len(b.Params) == 0 && drops[b.Term.Reason] == nil {
			drops[b.Term.Reason] = b
		}
	}
	for _, b := range f.Blocks {
		for i := range b.Term.Succs {
			if b.Term.ptrEdge(i) {
				continue // the pointer belongs to that block
			}
			for range len(f.Blocks) {
				e := &b.Term.Succs[i]
				if t := e.To; t.Term.Kind == TermDrop && len(t.Instrs) == 0 && len(t.Params) == 0 && drops[t.Term.Reason] != t {
					e.To = drops[t.Term.Reason]
					changed = true
					break
				}
				next, ok := through(e, used)
				if !ok || next.To == e.To {
					break
				}
				*e = next
				changed = true
			}
		}
	}
	if changed {
		prune(f)
	}
	return changed
}

// usedOutside lists the blocks with a parameter that is used elsewhere than in
// the block's own terminator.
func usedOutside(f *Func) map[*Block]bool {
	home := map[*Value]*Block{}
	for _, b := range f.Blocks {
		for _, p := range b.Params {
			home[p] = b
		}
	}
	out := map[*Block]bool{}
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			for _, a := range v.Args {
				if h := home[a]; h != nil {
					out[h] = true
				}
			}
		}
		mark := func(a *Value) {
			if h := home[a]; h != nil && h != b {
				out[h] = true
			}
		}
		if b.Term.Cond != nil {
			mark(b.Term.Cond)
		}
		for _, e := range b.Term.Succs {
			for _, a := range e.Args {
				mark(a)
			}
		}
	}
	return out
}

// through gives the edge that leads where e leads behind an empty block.
func through(e *Edge, used map[*Block]bool) (Edge, bool) {
	b := e.To
	if len(b.Instrs) > 0 || used[b] || len(b.Params) != len(e.Args) {
		return Edge{}, false
	}
	arg := func(v *Value) *Value {
		for i, p := range b.Params {
			if p == v {
				return e.Args[i]
			}
		}
		return v
	}
	var next *Edge
	switch t := &b.Term; t.Kind {
	case TermJump:
		next = &t.Succs[0]
	case TermBranch:
		c := arg(t.Cond)
		if c.Op != OpConst || c == t.Cond {
			return Edge{}, false
		}
		next = &t.Succs[1-c.Aux]
	case TermSwitch:
		c := arg(t.Cond)
		if c.Op != OpConst || c == t.Cond {
			return Edge{}, false
		}
		next = &t.Succs[len(t.Labels)]
		for i, l := range t.Labels {
			if l == c.Aux {
				next = &t.Succs[i]
			}
		}
	default:
		return Edge{}, false
	}
	out := Edge{To: next.To, Args: make([]*Value, len(next.Args))}
	for i, a := range next.Args {
		out.Args[i] = arg(a)
	}
	return out, true
}

// mergePass joins a block that jumps with its target when no other edge leads
// there.
func mergePass(f *Func) bool {
	preds := f.Preds()
	s := subst{}
	changed := false
	gone := map[*Block]bool{}
	for _, b := range f.Blocks {
		for !gone[b] && b.Term.Kind == TermJump {
			e := b.Term.Succs[0]
			t := e.To
			if t == b || len(preds[t]) != 1 {
				break
			}
			for i, p := range t.Params {
				s[p] = s.of(e.Args[i])
			}
			b.Instrs = append(b.Instrs, t.Instrs...)
			b.Term = t.Term
			gone[t] = true
			changed = true
		}
	}
	if changed {
		s.apply(f)
		prune(f)
	}
	return changed
}

// paramsPass replaces parameters that have one value on every edge.
func paramsPass(f *Func) bool {
	changed := false
	for again := true; again; {
		again = false
		preds := f.Preds()
		s := subst{}
		for _, b := range f.Blocks {
			if len(b.Params) == 0 || len(preds[b]) == 0 {
				continue
			}
			skip := 0
			if b.Params[0].Type == Ptr {
				skip = 1
			}
			keep := b.Params[:skip:skip]
			drop := map[int]bool{}
			for i, p := range b.Params[skip:] {
				var one *Value
				same := true
				for _, e := range preds[b] {
					a := s.of(e.Args[i])
					switch {
					case a == p || a == one:
					case one == nil:
						one = a
					default:
						same = false
					}
				}
				if same && one != nil {
					s[p] = one
					drop[i] = true
				} else {
					keep = append(keep, p)
				}
			}
			if len(drop) == 0 {
				continue
			}
			again, changed = true, true
			b.Params = keep
			for _, e := range preds[b] {
				e.Args = without(e.Args, drop)
			}
		}
		s.apply(f)
	}
	return changed
}

func without(args []*Value, drop map[int]bool) []*Value {
	var out []*Value
	for i, a := range args {
		if !drop[i] {
			out = append(out, a)
		}
	}
	return out
}
