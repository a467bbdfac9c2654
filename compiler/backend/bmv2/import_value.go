package bmv2

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// From integers without limit to values with a width (D4): low gives the low
// bits of an expression, as many as somebody looks at; value gives it whole.

func (im *importer) meta(t ir.Type) ir.Meta { return ir.Meta{T: t, P: im.pos} }

func (im *importer) num(v *big.Int, w int) ir.Expr {
	return &ir.Const{Meta: im.meta(&ir.Bit{W: w}), Val: new(big.Int).And(v, ones(w))}
}

func (im *importer) binary(o ir.Op, t ir.Type, a, b ir.Expr) ir.Expr {
	return &ir.Binary{Meta: im.meta(t), Op: o, X: a, Y: b}
}

func (im *importer) cast(e ir.Expr, t ir.Type) ir.Expr {
	if ir.Identical(e.Type(), t) {
		return e
	}
	return &ir.Cast{Meta: im.meta(t), X: e}
}

// bits is e as bit<n>: cut, or extended with its sign if it has one.
func (im *importer) bits(e ir.Expr, n int) ir.Expr {
	w := ir.Width(e.Type())
	if c, is := e.(*ir.Const); is {
		return im.num(c.Val, n)
	}
	if !signed(e.Type()) {
		return im.cast(e, &ir.Bit{W: n})
	}
	if n > w {
		e = im.cast(e, &ir.Int{W: n})
		w = n
	}
	return im.cast(im.cast(e, &ir.Bit{W: w}), &ir.Bit{W: n})
}

// exact is e, whose values all fit t, as t.
func (im *importer) exact(e ir.Expr, t ir.Type) ir.Expr {
	if ir.Identical(e.Type(), t) {
		return e
	}
	if c, is := e.(*ir.Const); is {
		return &ir.Const{Meta: im.meta(t), Val: c.Val}
	}
	if signed(t) {
		return im.cast(im.bits(e, ir.Width(t)), t)
	}
	return im.bits(e, ir.Width(t))
}

// rangeType is the smallest type that holds lo to hi.
func rangeType(lo, hi *big.Int) ir.Type {
	if lo.Sign() >= 0 {
		return &ir.Bit{W: max(1, hi.BitLen())}
	}
	w := new(big.Int).Not(lo).BitLen()
	return &ir.Int{W: max(w, hi.BitLen()) + 1}
}

// maxWork bounds what one statement becomes: a saturating cast needs its operand
// more than once.
const maxWork = 1 << 16

func (im *importer) spend(x *jx) {
	if im.work++; im.work > maxWork {
		x.at.fail("an expression", "it becomes more than %d operations", maxWork)
	}
}

// low is x mod 2^n as bit<n>.
func (im *importer) low(x *jx, n int) ir.Expr {
	im.spend(x)
	t := &ir.Bit{W: n}
	switch x.op {
	case opConst:
		return im.num(x.v, n)
	case opLeaf:
		return im.bits(x.e, n)
	case "+":
		return im.binary(ir.Add, t, im.low(x.l, n), im.low(x.r, n))
	case "-":
		return im.binary(ir.Sub, t, im.low(x.l, n), im.low(x.r, n))
	case "*":
		return im.binary(ir.Mul, t, im.low(x.l, n), im.low(x.r, n))
	case "~":
		return &ir.Unary{Meta: im.meta(t), Op: ir.BNot, X: im.low(x.r, n)}
	case "&":
		return im.lowAnd(x, n)
	case "|":
		return im.binary(ir.Or, t, im.low(x.l, n), im.low(x.r, n))
	case "^":
		return im.binary(ir.Xor, t, im.low(x.l, n), im.low(x.r, n))
	case "<<":
		return im.lowShift(x, n)
	case ">>":
		if e := im.slice(x, n); e != nil {
			return e
		}
	case "?":
		return &ir.Mux{Meta: im.meta(t), C: im.cond(x.c), A: im.low(x.l, n), B: im.low(x.r, n)}
	case "two_comp_mod":
		if x.w >= n {
			return im.low(x.l, n)
		}
	}
	return im.bits(im.value(x), n)
}

// lowAnd: the bits that a constant mask clears are not computed.
func (im *importer) lowAnd(x *jx, n int) ir.Expr {
	a, m := x.l, x.r
	if a.op == opConst {
		a, m = m, a
	}
	if m.op != opConst {
		return im.binary(ir.And, &ir.Bit{W: n}, im.low(a, n), im.low(m, n))
	}
	mask := new(big.Int).And(m.v, ones(n))
	w := mask.BitLen()
	if w == 0 {
		return im.num(mask, n)
	}
	e := im.low(a, w)
	if mask.Cmp(ones(w)) != 0 {
		e = im.binary(ir.And, &ir.Bit{W: w}, e, im.num(mask, w))
	}
	return im.bits(e, n)
}

func (im *importer) lowShift(x *jx, n int) ir.Expr {
	if x.r.op == opConst {
		if x.r.v.Sign() < 0 {
			x.at.fail("operator <<", "it shifts by %s bits", x.r.v)
		}
		if x.r.v.Cmp(big.NewInt(int64(n))) >= 0 {
			return im.num(new(big.Int), n)
		}
		k := int(x.r.v.Int64())
		// The bits above n-k are shifted out.
		e := im.bits(im.low(x.l, n-k), n)
		if k == 0 {
			return e
		}
		return im.binary(ir.Shl, &ir.Bit{W: n}, e, im.num(big.NewInt(int64(k)), 32))
	}
	return im.binary(ir.Shl, &ir.Bit{W: n}, im.low(x.l, n), im.amount(x))
}

// amount is what a shift shifts by.
func (im *importer) amount(x *jx) ir.Expr {
	if !x.r.natural() {
		x.at.fail("operator "+x.op, "the number of bits can be negative or has no bound")
	}
	return im.value(x.r)
}

// slice is the low n bits of a right shift by a constant, nil for other shifts.
func (im *importer) slice(x *jx, n int) ir.Expr {
	if x.r.op != opConst || x.r.v.Sign() < 0 || x.r.v.BitLen() > 16 {
		return nil
	}
	k := int(x.r.v.Int64())
	w := k + n // bits of the left side that matter
	if x.l.natural() {
		w = min(w, x.l.hi.BitLen())
	}
	if k >= w {
		return im.num(new(big.Int), n)
	}
	var e ir.Expr
	if x.l.op == opLeaf && !signed(x.l.e.Type()) && ir.Width(x.l.e.Type()) >= w {
		e = x.l.e
	} else {
		e = im.low(x.l, w)
	}
	if k > 0 {
		e = &ir.Slice{Meta: im.meta(&ir.Bit{W: w - k}), X: e, Hi: w - 1, Lo: k}
	}
	return im.bits(e, n)
}

// value is x whole, of a type that its range fits.
func (im *importer) value(x *jx) ir.Expr {
	im.spend(x)
	if x.op == opLeaf {
		return x.e
	}
	if !x.bounded() {
		x.at.fail("operator "+x.op, "its value has no bound under %d bits", maxRange)
	}
	t := rangeType(x.lo, x.hi)
	w := ir.Width(t)
	switch x.op {
	case opConst:
		return &ir.Const{Meta: im.meta(t), Val: x.v}
	case "b2d":
		return im.cast(im.cond(x.r), &ir.Bit{W: 1})
	case "two_comp_mod":
		return im.cast(im.low(x.l, x.w), &ir.Int{W: x.w})
	case "sat_cast":
		return im.saturate(x, &ir.Int{W: x.w})
	case "usat_cast":
		return im.saturate(x, &ir.Bit{W: x.w})
	case "/", "%":
		if !x.l.natural() || !x.r.natural() {
			x.at.fail("operator "+x.op, "an operand can be negative")
		}
		o := ir.Div
		if x.op == "%" {
			o = ir.Mod
		}
		u := &ir.Bit{W: max(x.l.hi.BitLen(), x.r.hi.BitLen(), 1)}
		return im.exactCut(im.binary(o, u, im.exact(im.value(x.l), u), im.exact(im.value(x.r), u)), t)
	case ">>":
		if x.natural() {
			if e := im.slice(x, w); e != nil {
				return e
			}
		}
		e := im.value(x.l)
		return im.exactCut(im.binary(ir.Shr, e.Type(), e, im.amount(x)), t)
	case "?":
		return &ir.Mux{Meta: im.meta(t), C: im.cond(x.c), A: im.exactCut(im.value(x.l), t), B: im.exactCut(im.value(x.r), t)}
	}
	return im.exact(im.low(x, w), t)
}

// exactCut is exact for an e whose type may be wider than t although its values
// are not.
func (im *importer) exactCut(e ir.Expr, t ir.Type) ir.Expr {
	if signed(t) {
		return im.cast(im.bits(e, ir.Width(t)), t)
	}
	return im.bits(e, ir.Width(t))
}

// saturate is l limited to the range of t.
func (im *importer) saturate(x *jx, t ir.Type) ir.Expr {
	l := x.l
	top := im.leaf(x.at, &ir.VarRef{Meta: ir.Meta{T: t}})
	fits := func(y *jx) bool { return y.bounded() && y.lo.Cmp(top.lo) >= 0 && y.hi.Cmp(top.hi) <= 0 }
	if (l.op == "+" || l.op == "-") && fits(l.l) && fits(l.r) {
		o := ir.AddSat
		if l.op == "-" {
			o = ir.SubSat
		}
		return im.binary(o, t, im.exactCut(im.value(l.l), t), im.exactCut(im.value(l.r), t))
	}
	v := im.value(l)
	limit := func(o ir.Op, at *big.Int, e ir.Expr) ir.Expr {
		c := im.compare(o, l, im.constant(x.at, at))
		return &ir.Mux{Meta: im.meta(t), C: c, A: &ir.Const{Meta: im.meta(t), Val: at}, B: e}
	}
	e := im.exactCut(v, t)
	if l.hi.Cmp(top.hi) > 0 {
		e = limit(ir.Gt, top.hi, e)
	}
	if l.lo.Cmp(top.lo) < 0 {
		e = limit(ir.Lt, top.lo, e)
	}
	return e
}

// compare compares two numbers in a type that both fit.
func (im *importer) compare(o ir.Op, a, b *jx) ir.Expr {
	x, y := im.value(a), im.value(b)
	w := max(ir.Width(x.Type()), ir.Width(y.Type()))
	var t ir.Type = &ir.Bit{W: w}
	if signed(x.Type()) || signed(y.Type()) {
		for _, e := range []ir.Expr{x, y} {
			if !signed(e.Type()) && ir.Width(e.Type()) == w {
				w++
				break
			}
		}
		t = &ir.Int{W: w}
	}
	return im.binary(o, &ir.Bool{}, im.exact(x, t), im.exact(y, t))
}

func compareOp(s string) ir.Op {
	for _, o := range []ir.Op{ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge} {
		if o.String() == s {
			return o
		}
	}
	panic("bmv2: comparison " + s)
}

// cond is x as a Bool.
func (im *importer) cond(x *jx) ir.Expr {
	t := &ir.Bool{}
	switch x.op {
	case opConst:
		return &ir.Const{Meta: im.meta(t), Val: x.v}
	case "valid":
		return &ir.IsValid{Meta: im.meta(t), X: x.e}
	case "not":
		return &ir.Unary{Meta: im.meta(t), Op: ir.LNot, X: im.cond(x.r)}
	case "and":
		return im.binary(ir.LAnd, t, im.cond(x.l), im.cond(x.r))
	case "or":
		return im.binary(ir.LOr, t, im.cond(x.l), im.cond(x.r))
	case "?":
		return &ir.Mux{Meta: im.meta(t), C: im.cond(x.c), A: im.cond(x.l), B: im.cond(x.r)}
	case "d2b":
		switch {
		case x.r.op == "b2d":
			return im.cond(x.r.r)
		case x.r.op == opLeaf && ir.Width(x.r.e.Type()) == 1 && !signed(x.r.e.Type()):
			return im.cast(x.r.e, t)
		}
		return im.compare(ir.Ne, x.r, im.constant(x.at, new(big.Int)))
	}
	switch o := compareOp(x.op); x.l.sort {
	case boolSort:
		return im.binary(o, t, im.cond(x.l), im.cond(x.r))
	case variableSort:
		return im.binary(o, t, x.l.e, x.r.e)
	case headerSort, unionSort:
		eq := im.sameHeader(x.at, x.l.e, x.r.e)
		if o == ir.Ne {
			return &ir.Unary{Meta: im.meta(t), Op: ir.LNot, X: eq}
		}
		return eq
	default:
		return im.compare(o, x.l, x.r)
	}
}

// sameHeader: both invalid, or both valid with equal fields. Unions: all members
// are the same.
func (im *importer) sameHeader(at node, a, b ir.Expr) ir.Expr {
	t := &ir.Bool{}
	if !ir.Identical(a.Type(), b.Type()) {
		at.fail("operator ==", "it compares a %s with a %s", a.Type(), b.Type())
	}
	var all ir.Expr
	and := func(e ir.Expr) {
		if all == nil {
			all = e
		} else {
			all = im.binary(ir.LAnd, t, all, e)
		}
	}
	_, union := a.Type().(*ir.Union)
	for _, f := range ir.Fields(a.Type()) {
		if union {
			and(im.sameHeader(at, member(a, f), member(b, f)))
		} else {
			and(im.binary(ir.Eq, t, member(a, f), member(b, f)))
		}
	}
	if all == nil {
		all = &ir.Const{Meta: im.meta(t), Val: big.NewInt(1)}
	}
	if union {
		return all
	}
	valid := func(e ir.Expr) ir.Expr { return &ir.IsValid{Meta: im.meta(t), X: e} }
	invalid := func(e ir.Expr) ir.Expr { return &ir.Unary{Meta: im.meta(t), Op: ir.LNot, X: valid(e)} }
	return im.binary(ir.LOr, t,
		im.binary(ir.LAnd, t, invalid(a), invalid(b)),
		im.binary(ir.LAnd, t, im.binary(ir.LAnd, t, valid(a), valid(b)), all))
}
