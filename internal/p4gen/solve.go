package p4gen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// solve gives free bits of the packet values so that a condition holds, or does
// not. It does what is simple: comparisons with a known number, and, or, not.
func (k *walker) solve(e ir.Expr, want bool) {
	switch e := e.(type) {
	case *ir.Unary:
		if e.Op == ir.LNot {
			k.solve(e.X, !want)
		}
	case *ir.Binary:
		switch {
		case e.Op == ir.LAnd && want, e.Op == ir.LOr && !want:
			k.solve(e.X, want)
			k.solve(e.Y, want)
		case e.Op == ir.LAnd, e.Op == ir.LOr:
			if k.r.IntN(2) == 0 {
				k.solve(e.X, want)
			} else {
				k.solve(e.Y, want)
			}
		default:
			k.compare(e, want)
		}
	default:
		if v := k.eval(e); len(v) == 1 {
			k.set(v[0], map[bool]bit{false: zero, true: one}[want])
		}
	}
}

func (k *walker) compare(e *ir.Binary, want bool) {
	if w := ir.Width(e.X.Type()); w <= 0 || composite(e.X.Type()) {
		return
	}
	x, y := k.eval(e.X), k.eval(e.Y)
	op := e.Op
	if _, ok := k.number(x); ok {
		x, y = y, x
		switch op {
		case ir.Lt:
			op = ir.Gt
		case ir.Gt:
			op = ir.Lt
		case ir.Le:
			op = ir.Ge
		case ir.Ge:
			op = ir.Le
		}
	}
	n, ok := k.number(y)
	if !ok {
		return
	}
	if !want {
		op = map[ir.Op]ir.Op{ir.Eq: ir.Ne, ir.Ne: ir.Eq, ir.Lt: ir.Ge, ir.Ge: ir.Lt, ir.Gt: ir.Le, ir.Le: ir.Gt}[op]
	}
	v, top := new(big.Int).Set(n), mask(len(x))
	switch op {
	case ir.Eq, ir.Le, ir.Ge:
	case ir.Ne, ir.Gt:
		v.Add(v, big.NewInt(1))
	case ir.Lt:
		v.Sub(v, big.NewInt(1))
	default:
		return
	}
	if v.Sign() >= 0 && v.Cmp(top) <= 0 || op == ir.Ne {
		k.force(x, constBits(v, len(x)))
	}
}

// force sets the bits of v as far as they are free; false when one differs.
func (k *walker) force(v, want bitvec) bool {
	ok := true
	for i := range v {
		ok = k.set(v[i], want[i]) && ok
	}
	return ok
}

// transition chooses where a state leads and makes the packet go there.
func (k *walker) transition(s *ir.State) string {
	tr := s.Trans
	if len(tr.Keys) == 0 {
		return tr.Default
	}
	keys := make([]bitvec, len(tr.Keys))
	for i, e := range tr.Keys {
		keys[i] = k.eval(e)
	}
	want := k.chooseCase(tr)
	if want >= 0 {
		for i, set := range tr.Cases[want].Sets {
			k.match(keys[i], set)
		}
	}
	for _, v := range keys {
		k.choose(v)
	}
	// An earlier case may take what was meant for this one.
	for i, c := range tr.Cases {
		switch m := k.matches(keys, c); {
		case m == one, m == unknown && i == want:
			return c.Next
		}
	}
	return tr.Default
}

// chooseCase is a case to take, likely one that goes on; -1 for none of them.
func (k *walker) chooseCase(tr ir.Transition) int {
	if len(tr.Cases) == 0 || k.r.IntN(12) == 0 {
		return -1
	}
	best := k.r.IntN(len(tr.Cases))
	for range 3 {
		next := tr.Cases[best].Next
		if next != "reject" && (next != "accept" || k.r.IntN(3) == 0) {
			break
		}
		best = k.r.IntN(len(tr.Cases))
	}
	return best
}

// match gives the bits of a key a value of the set.
func (k *walker) match(v bitvec, s ir.Set) {
	w := len(v)
	switch s.Kind {
	case ir.SetValue:
		k.force(v, constBits(s.Lo, w))
	case ir.SetMask:
		lo, m := constBits(s.Lo, w), constBits(s.Hi, w)
		for i := range v {
			if m[i] == one {
				k.set(v[i], lo[i])
			}
		}
	case ir.SetRange:
		n := new(big.Int).Sub(s.Hi, s.Lo)
		if n.Sign() < 0 {
			return
		}
		off := k.value(max(n.BitLen(), 1))
		if off.Cmp(n) > 0 {
			off.Mod(off, n.Add(n, big.NewInt(1)))
		}
		k.force(v, constBits(off.Add(off, s.Lo), w))
	}
}

// matches tells whether a case takes the keys, unknown where it may.
func (k *walker) matches(keys []bitvec, c ir.SelectCase) bit {
	out := one
	for i, s := range c.Sets {
		if s.Kind == ir.SetAny {
			continue
		}
		if s.Kind == ir.SetValueSet {
			return zero // empty until the control plane fills it
		}
		n, ok := k.number(keys[i])
		if !ok {
			out = unknown
			continue
		}
		hit := false
		w := len(keys[i])
		switch s.Kind {
		case ir.SetValue:
			hit = n.Cmp(new(big.Int).And(s.Lo, mask(w))) == 0
		case ir.SetMask:
			hit = new(big.Int).And(n, s.Hi).Cmp(new(big.Int).And(s.Lo, s.Hi)) == 0
		case ir.SetRange:
			hit = n.Cmp(s.Lo) >= 0 && n.Cmp(s.Hi) <= 0
		}
		if !hit {
			return zero
		}
	}
	return out
}
