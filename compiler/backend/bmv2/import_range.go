package bmv2

import "math/big"

// ranged fixes the range of an operator from those of its operands.
func (im *importer) ranged(x *jx) *jx {
	n := func() *big.Int { return new(big.Int) }
	switch x.op {
	case "two_comp_mod":
		half := n().Lsh(big.NewInt(1), uint(x.w-1))
		return x.bound(n().Neg(half), ones(x.w-1))
	case "sat_cast":
		half := n().Lsh(big.NewInt(1), uint(x.w-1))
		return x.bound(n().Neg(half), ones(x.w-1))
	case "usat_cast":
		return x.bound(n(), ones(x.w))
	case "&":
		return im.rangeAnd(x)
	}
	l, r := x.l, x.r
	if !r.bounded() || l != nil && !l.bounded() {
		return x
	}
	switch x.op {
	case "+":
		return x.bound(n().Add(l.lo, r.lo), n().Add(l.hi, r.hi))
	case "-":
		return x.bound(n().Sub(l.lo, r.hi), n().Sub(l.hi, r.lo))
	case "*":
		return x.bound(extremes(n().Mul(l.lo, r.lo), n().Mul(l.lo, r.hi), n().Mul(l.hi, r.lo), n().Mul(l.hi, r.hi)))
	case "~":
		return x.bound(n().Not(r.hi), n().Not(r.lo))
	case "|", "^":
		w := max(l.lo.BitLen(), l.hi.BitLen(), r.lo.BitLen(), r.hi.BitLen())
		if l.natural() && r.natural() {
			return x.bound(n(), ones(w))
		}
		return x.bound(n().Not(ones(w)), ones(w))
	case "<<":
		if r.lo.Sign() < 0 || r.hi.BitLen() > 13 {
			return x // too wide, unless only its low bits count
		}
		k := uint(r.hi.Int64())
		return x.bound(minInt(l.lo, n().Lsh(l.lo, k)), maxInt(l.hi, n().Lsh(l.hi, k)))
	case ">>":
		if r.lo.Sign() < 0 {
			return x
		}
		if r.op == opConst && r.v.BitLen() <= 13 {
			k := uint(r.v.Int64())
			return x.bound(n().Rsh(l.lo, k), n().Rsh(l.hi, k))
		}
		return x.bound(minInt(l.lo, n()), maxInt(l.hi, n()))
	case "/", "%":
		if !l.natural() || !r.natural() {
			return x
		}
		if x.op == "%" && r.hi.Sign() > 0 {
			return x.bound(n(), minInt(l.hi, n().Sub(r.hi, big.NewInt(1))))
		}
		return x.bound(n(), l.hi)
	}
	return x
}

func extremes(vs ...*big.Int) (lo, hi *big.Int) {
	lo, hi = vs[0], vs[0]
	for _, v := range vs[1:] {
		lo, hi = minInt(lo, v), maxInt(hi, v)
	}
	return lo, hi
}

// rangeAnd: a natural operand bounds the result, whatever the other one is.
func (im *importer) rangeAnd(x *jx) *jx {
	switch {
	case x.l.natural() && x.r.natural():
		return x.bound(new(big.Int), minInt(x.l.hi, x.r.hi))
	case x.l.natural():
		return x.bound(new(big.Int), x.l.hi)
	case x.r.natural():
		return x.bound(new(big.Int), x.r.hi)
	case x.l.bounded() && x.r.bounded():
		w := max(x.l.lo.BitLen(), x.l.hi.BitLen(), x.r.lo.BitLen(), x.r.hi.BitLen())
		return x.bound(new(big.Int).Not(ones(w)), ones(w))
	}
	return x
}
