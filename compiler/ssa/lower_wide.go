package ssa

import "github.com/p4nic/p4nic/compiler/ir"

// Arithmetic on values over 64 bits that does not go limb by limb.

// digits cuts v into values of 32 bits, held in 64, least significant first.
func (l *lowerer) digits(v []*Value) []*Value {
	w := width(v)
	out := make([]*Value, 0, (w+31)/32)
	for lo := 0; lo < w; lo += 32 {
		out = append(out, l.op(OpZext, 64, l.gather(v, lo, min(32, w-lo))))
	}
	return out
}

// undigits is the inverse: digits of 32 bits, held in 64, as limbs of w bits.
func (l *lowerer) undigits(d []*Value, w int) []*Value {
	pieces := make([]*Value, len(d))
	for i, x := range d {
		pieces[len(d)-1-i] = l.op(OpTrunc, 32, x)
	}
	return l.slice(pieces, 0, w)
}

// mulWide multiplies modulo 2^w, digit by digit: a column's sum of halves of
// products stays far below 2^64. Two's complement needs nothing of its own.
func (l *lowerer) mulWide(x, y []*Value) []*Value {
	w := width(x)
	a, b := l.digits(x), l.digits(y)
	n := len(a)
	half, low := l.constant(8, 32), l.constant(64, Mask(32))
	columns := make([]*Value, n+1)
	for i := range columns {
		columns[i] = l.constant(64, 0)
	}
	for i := range n {
		for j := 0; i+j < n; j++ {
			p := l.op(OpMul, 64, a[i], b[j])
			k := i + j
			columns[k] = l.op(OpAdd, 64, columns[k], l.op(OpAnd, 64, p, low))
			columns[k+1] = l.op(OpAdd, 64, columns[k+1], l.op(OpShr, 64, p, half))
		}
	}
	carry := l.constant(64, 0)
	out := make([]*Value, n)
	for k := range out {
		s := l.op(OpAdd, 64, columns[k], carry)
		out[k], carry = s, l.op(OpShr, 64, s, half)
	}
	return l.undigits(out, w)
}

// shiftWide shifts by an amount that is not known, of any width: by whole 64 bits
// in steps of powers of two, then by the rest.
func (l *lowerer) shiftWide(x, y []*Value, right, signed bool) []*Value {
	w := width(x)
	fill := l.constant(64, 0)
	if right && signed {
		fill = l.op(OpSar, 64, l.op(OpSext, 64, l.topBit(x)), l.constant(8, 63))
	}
	// Limbs of 64 bits, least significant first; the first carries the sign.
	n := len(x)
	limbs := make([]*Value, n)
	for i := range limbs {
		limbs[i] = x[n-1-i]
	}
	if t := limbs[n-1]; t.Type < 64 {
		if right && signed {
			limbs[n-1] = l.op(OpSext, 64, t)
		} else {
			limbs[n-1] = l.op(OpZext, 64, t)
		}
	}
	// From the width on everything is shifted out.
	amount := y[len(y)-1]
	big := l.constant(1, 0)
	if len(y) > 1 {
		big = l.nonZero(y[:len(y)-1])
	}
	if amount.Type > 16 || Mask(amount.Type) >= uint64(w) {
		big = l.or(big, l.op(OpUle, 1, l.constant(amount.Type, uint64(w)), amount))
	}
	if amount.Type > 16 {
		amount = l.op(OpTrunc, 16, amount)
	}
	at := func(limbs []*Value, i int) *Value {
		switch {
		case i < 0:
			return l.constant(64, 0)
		case i >= n:
			return fill
		}
		return limbs[i]
	}
	for step := 1; step < n; step *= 2 {
		bit := 6 + log2(uint64(step))
		if bit >= uint64(amount.Type) {
			break
		}
		c := l.gather([]*Value{amount}, int(bit), 1)
		moved := make([]*Value, n)
		for i := range moved {
			from := i - step
			if right {
				from = i + step
			}
			moved[i] = l.sel(c, at(limbs, from), limbs[i])
		}
		limbs = moved
	}
	rest := amount
	if amount.Type > 6 {
		rest = l.op(OpTrunc, 6, amount)
	}
	rest = l.op(OpZext, 8, rest)
	// The bits that come from the next limb move by 64 - rest; as rest may be 0, by
	// 1 and then by 63 - rest.
	back := l.op(OpSub, 8, l.constant(8, 63), rest)
	one := l.constant(8, 1)
	out := make([]*Value, n)
	for i := range out {
		var a, b *Value
		if right {
			a = l.op(OpShr, 64, limbs[i], rest)
			b = l.op(OpShl, 64, l.op(OpShl, 64, at(limbs, i+1), one), back)
		} else {
			a = l.op(OpShl, 64, limbs[i], rest)
			b = l.op(OpShr, 64, l.op(OpShr, 64, at(limbs, i-1), one), back)
		}
		out[n-1-i] = l.sel(big, fill, l.op(OpOr, 64, a, b))
	}
	return l.slice(out, 0, w)
}

// negateWhere is -v where c holds.
func (l *lowerer) negateWhere(c *Value, v []*Value) []*Value {
	d, _ := l.subb(l.zero(width(v)), v)
	return l.choose(c, d, v)
}

// divideWide rounds towards zero, as divide does.
func (l *lowerer) divideWide(op ir.Op, x, y []*Value, signed bool) []*Value {
	if !signed {
		q, r := l.longDivision(x, y)
		if op == ir.Div {
			return q
		}
		return r
	}
	nx, ny := l.topBit(x), l.topBit(y)
	q, r := l.longDivision(l.negateWhere(nx, x), l.negateWhere(ny, y))
	if op == ir.Div {
		return l.negateWhere(l.op(OpXor, 1, nx, ny), q)
	}
	return l.negateWhere(nx, r)
}

// longDivision divides bit by bit, in a loop of as many rounds as x has bits; by
// zero both results are zero. Powers of two need no loop.
func (l *lowerer) longDivision(x, y []*Value) (quotient, rest []*Value) {
	w := width(x)
	if k, ok := powerOfTwo(y); ok {
		if k < 0 {
			return l.zero(w), l.zero(w)
		}
		return l.resize(l.slice(x, k, w-k), w, false), l.resize(l.slice(x, 0, k), w, false)
	}
	if l.dry {
		l.dryFailed = true
		return l.zero(w), l.zero(w)
	}
	// Loop-carried: what is left of x, the rest and the quotient.
	n := len(x)
	init := append(append(append([]*Value(nil), x...), l.zero(w)...), l.zero(w)...)
	out := l.counted(w, init, "divide", func(v []*Value) []*Value {
		left, r, q := v[:n], v[n:2*n], v[2*n:]
		// r = 2r + top bit of left, in w + 1 bits.
		top := l.topBit(left)
		over := l.topBit(r)
		r2 := l.concat(l.slice(r, 0, w-1), []*Value{top})
		d, borrow := l.subb(r2, y)
		fits := l.or(over, l.not(borrow))
		next := l.concat(l.slice(left, 0, w-1), []*Value{l.constant(1, 0)})
		return append(append(next, l.choose(fits, d, r2)...), l.concat(l.slice(q, 0, w-1), []*Value{fits})...)
	})
	zero := l.not(l.nonZero(y))
	return l.choose(zero, l.zero(w), out[2*n:]), l.choose(zero, l.zero(w), out[n:2*n])
}

// powerOfTwo gives the exponent of a constant power of two; -1 for zero.
func powerOfTwo(v []*Value) (int, bool) {
	k, pos := -1, width(v)
	for _, x := range v {
		pos -= int(x.Type)
		if x.Op != OpConst || x.Aux != 0 && (k >= 0 || x.Aux&(x.Aux-1) != 0) {
			return 0, false
		}
		if x.Aux != 0 {
			k = pos + int(log2(x.Aux))
		}
	}
	return k, true
}
