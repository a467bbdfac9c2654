package ssa

// Values of any width are lists of limbs, most significant first, as Limbs
// cuts them. "Pieces" are the same with arbitrary widths of 1 to 64 bits.

func width(v []*Value) int {
	w := 0
	for _, x := range v {
		w += int(x.Type)
	}
	return w
}

// wide is the constant of w bits whose limbs come from words (least significant
// word first; missing words are 0).
func (l *lowerer) wide(w int, words []uint64) []*Value {
	ts := Limbs(w)
	out := make([]*Value, len(ts))
	for i := range ts {
		k := len(ts) - 1 - i
		var c uint64
		if k < len(words) {
			c = words[k]
		}
		out[i] = l.constant(ts[i], c)
	}
	return out
}

func (l *lowerer) zero(w int) []*Value { return l.wide(w, nil) }

// gather takes the w bits (at most 64) from bit lo of the pieces.
func (l *lowerer) gather(pieces []*Value, lo, w int) *Value {
	t := Type(w)
	var out *Value
	pos := 0 // of the piece's lowest bit
	for i := len(pieces) - 1; i >= 0; i-- {
		p := pieces[i]
		pw := int(p.Type)
		from, to := max(lo, pos), min(lo+w, pos+pw)
		if from < to {
			x := p
			if from > pos {
				x = l.op(OpShr, x.Type, x, l.constant(8, uint64(from-pos)))
			}
			switch n := Type(to - from); {
			case n < x.Type && x.Type <= t:
				// The bits above n leave by a mask unless the shift put zeros there.
				if to < pos+pw {
					x = l.op(OpTrunc, n, x)
				}
			case n < x.Type:
				x = l.op(OpTrunc, n, x)
			}
			if x.Type > t {
				x = l.op(OpTrunc, t, x)
			}
			x = l.op(OpZext, t, x)
			if from > lo {
				x = l.op(OpShl, t, x, l.constant(8, uint64(from-lo)))
			}
			if out == nil {
				out = x
			} else {
				out = l.op(OpOr, t, x, out)
			}
		}
		pos += pw
	}
	if out == nil {
		return l.constant(t, 0)
	}
	return out
}

// slice gives bits lo..lo+w-1 of the pieces as limbs.
func (l *lowerer) slice(pieces []*Value, lo, w int) []*Value {
	ts := Limbs(w)
	out := make([]*Value, len(ts))
	pos := lo + w
	for i, t := range ts {
		pos -= int(t)
		out[i] = l.gather(pieces, pos, int(t))
	}
	return out
}

// concat joins pieces to limbs.
func (l *lowerer) concat(parts ...[]*Value) []*Value {
	var all []*Value
	for _, p := range parts {
		all = append(all, p...)
	}
	return l.slice(all, 0, width(all))
}

// resize truncates, or extends with zeros or copies of the sign bit.
func (l *lowerer) resize(v []*Value, w int, signExtend bool) []*Value {
	from := width(v)
	switch {
	case w == from:
		return v
	case w < from:
		return l.slice(v, 0, w)
	case from == 0 || !signExtend:
		pad := l.zero(w - from)
		return l.concat(pad, v)
	}
	top := v[0]
	if w <= 64 {
		return []*Value{l.op(OpSext, Type(w), top)}
	}
	top = l.op(OpSext, 64, top)
	fill := l.op(OpSar, 64, top, l.constant(8, 63))
	pieces := []*Value{top}
	pieces = append(pieces, v[1:]...)
	for width(pieces) < w {
		pieces = append([]*Value{fill}, pieces...)
	}
	return l.slice(pieces, 0, w)
}

// zip applies op to each pair of limbs.
func (l *lowerer) zip(op Op, a, b []*Value) []*Value {
	out := make([]*Value, len(a))
	for i := range a {
		out[i] = l.op(op, a[i].Type, a[i], b[i])
	}
	return out
}

func (l *lowerer) invert(a []*Value) []*Value {
	out := make([]*Value, len(a))
	for i := range a {
		out[i] = l.op(OpNot, a[i].Type, a[i])
	}
	return out
}

// choose is cond ? a : b.
func (l *lowerer) choose(cond *Value, a, b []*Value) []*Value {
	out := make([]*Value, len(a))
	for i := range a {
		out[i] = l.sel(cond, a[i], b[i])
	}
	return out
}

// addc adds limb by limb with carry; the last carry is the second result.
func (l *lowerer) addc(a, b []*Value) (sum []*Value, carry *Value) {
	sum = make([]*Value, len(a))
	carry = l.constant(1, 0)
	for i := len(a) - 1; i >= 0; i-- {
		t := a[i].Type
		s := l.op(OpAdd, t, a[i], b[i])
		c := l.op(OpUlt, 1, s, a[i])
		s2 := l.op(OpAdd, t, s, l.op(OpZext, t, carry))
		c2 := l.op(OpUlt, 1, s2, s)
		sum[i], carry = s2, l.or(c, c2)
	}
	return sum, carry
}

// subb subtracts with borrow.
func (l *lowerer) subb(a, b []*Value) (diff []*Value, borrow *Value) {
	diff = make([]*Value, len(a))
	borrow = l.constant(1, 0)
	for i := len(a) - 1; i >= 0; i-- {
		t := a[i].Type
		d := l.op(OpSub, t, a[i], b[i])
		c := l.op(OpUlt, 1, a[i], b[i])
		in := l.op(OpZext, t, borrow)
		d2 := l.op(OpSub, t, d, in)
		c2 := l.op(OpUlt, 1, d, in)
		diff[i], borrow = d2, l.or(c, c2)
	}
	return diff, borrow
}

func (l *lowerer) equal(a, b []*Value) *Value {
	r := l.constant(1, 1)
	for i := range a {
		r = l.and(r, l.op(OpEq, 1, a[i], b[i]))
	}
	return r
}

// less is a < b, or a <= b with orEqual; the first limb carries the sign.
func (l *lowerer) less(a, b []*Value, signed, orEqual bool) *Value {
	r := l.constant(1, bit(orEqual))
	for i := len(a) - 1; i >= 0; i-- {
		op := OpUlt
		if signed && i == 0 {
			op = OpSlt
		}
		if i == len(a)-1 {
			if orEqual {
				op++ // Ule, Sle
			}
			r = l.op(op, 1, a[i], b[i])
			continue
		}
		r = l.or(l.op(op, 1, a[i], b[i]), l.and(l.op(OpEq, 1, a[i], b[i]), r))
	}
	return r
}

// topBit is the sign of a.
func (l *lowerer) topBit(a []*Value) *Value { return l.gather(a, width(a)-1, 1) }

// nonZero tells whether any bit of a is set.
func (l *lowerer) nonZero(a []*Value) *Value {
	r := l.constant(1, 0)
	for _, x := range a {
		r = l.or(r, l.op(OpNe, 1, x, l.constant(x.Type, 0)))
	}
	return r
}
