package exec

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

func (k *compiler) binary(r *xp, x *ir.Binary) {
	a, b := k.expr(x.X), k.expr(x.Y)
	r.fx = a.fx || b.fx
	switch x.Op {
	case ir.LAnd:
		r.u = func(c *ctx) uint64 {
			if a.u(c) == 0 {
				return 0
			}
			return b.u(c)
		}
		return
	case ir.LOr:
		r.u = func(c *ctx) uint64 {
			if a.u(c) != 0 {
				return 1
			}
			return b.u(c)
		}
		return
	case ir.Shl, ir.Shr:
		k.shift(r, x, a, b)
		return
	case ir.Concat:
		k.concat(r, a, b)
		return
	}
	wa := ir.Width(a.t)
	if wa < 0 || a.wide() || b.wide() {
		k.binaryWide(r, x.Op, a, b, wa)
		return
	}
	k.binarySlot(r, x.Op, a, b, wa)
}

// binarySlot: operands of one slot and one type.
func (k *compiler) binarySlot(r *xp, op ir.Op, a, b *xp, w int) {
	m := mask(w)
	x, y := a.u, b.u
	signed := isSigned(a.t) && w > 0
	switch op {
	case ir.Add:
		r.u = func(c *ctx) uint64 { return (x(c) + y(c)) & m }
	case ir.Sub:
		r.u = func(c *ctx) uint64 { return (x(c) - y(c)) & m }
	case ir.Mul:
		r.u = func(c *ctx) uint64 { return x(c) * y(c) & m }
	case ir.And:
		r.u = func(c *ctx) uint64 { return x(c) & y(c) }
	case ir.Or:
		r.u = func(c *ctx) uint64 { return x(c) | y(c) }
	case ir.Xor:
		r.u = func(c *ctx) uint64 { return x(c) ^ y(c) }
	case ir.Div, ir.Mod:
		r.u = divMod(op, x, y, w, signed)
	case ir.AddSat, ir.SubSat:
		r.u = saturate(op, x, y, w, signed)
	case ir.Eq:
		switch {
		case a.addr >= 0 && b.isConst:
			ad, kk := a.addr, b.k
			r.u = func(c *ctx) uint64 { return b2u(c.mem[ad] == kk) }
		case b.isConst:
			kk := b.k
			r.u = func(c *ctx) uint64 { return b2u(x(c) == kk) }
		default:
			r.u = func(c *ctx) uint64 { return b2u(x(c) == y(c)) }
		}
	case ir.Ne:
		r.u = func(c *ctx) uint64 { return b2u(x(c) != y(c)) }
	default:
		r.u = compareSlot(op, x, y, w, signed)
	}
}

func compareSlot(op ir.Op, x, y func(*ctx) uint64, w int, signed bool) func(*ctx) uint64 {
	if signed {
		// Flipping the sign bit turns signed order into unsigned order.
		flip := uint64(1) << (w - 1)
		fx, fy := x, y
		x = func(c *ctx) uint64 { return fx(c) ^ flip }
		y = func(c *ctx) uint64 { return fy(c) ^ flip }
	}
	switch op {
	case ir.Lt:
		return func(c *ctx) uint64 { return b2u(x(c) < y(c)) }
	case ir.Le:
		return func(c *ctx) uint64 { return b2u(x(c) <= y(c)) }
	case ir.Gt:
		return func(c *ctx) uint64 { return b2u(x(c) > y(c)) }
	}
	return func(c *ctx) uint64 { return b2u(x(c) >= y(c)) }
}

func divMod(op ir.Op, x, y func(*ctx) uint64, w int, signed bool) func(*ctx) uint64 {
	m := mask(w)
	return func(c *ctx) uint64 {
		a, b := x(c), y(c)
		if b == 0 {
			return 0
		}
		if !signed {
			if op == ir.Div {
				return a / b
			}
			return a % b
		}
		sa, sb := sext(a, w), sext(b, w)
		if op == ir.Div {
			return uint64(sa/sb) & m
		}
		return uint64(sa%sb) & m
	}
}

func saturate(op ir.Op, x, y func(*ctx) uint64, w int, signed bool) func(*ctx) uint64 {
	m := mask(w)
	if !signed {
		if op == ir.AddSat {
			return func(c *ctx) uint64 {
				a := x(c)
				s := a + y(c)
				if s < a || s > m {
					return m
				}
				return s
			}
		}
		return func(c *ctx) uint64 {
			a, b := x(c), y(c)
			if b > a {
				return 0
			}
			return a - b
		}
	}
	sign := uint64(1) << (w - 1)
	return func(c *ctx) uint64 {
		a, b := x(c), y(c)
		var s uint64
		var over bool
		if op == ir.AddSat {
			s = (a + b) & m
			over = (a^s)&(b^s)&sign != 0
		} else {
			s = (a - b) & m
			over = (a^b)&(a^s)&sign != 0
		}
		switch {
		case !over:
			return s
		case a&sign != 0:
			return sign
		}
		return sign - 1
	}
}

// operands evaluates two values of more than a slot, in order.
func (k *compiler) operands(a, b *xp) func(*ctx) (x, y []uint64) {
	ta, tb := k.alloc(a.n), k.alloc(b.n)
	return func(c *ctx) ([]uint64, []uint64) {
		x, y := c.mem[ta:ta+a.n], c.mem[tb:tb+b.n]
		a.into(c, x)
		b.into(c, y)
		return x, y
	}
}

// binaryWide: operands of one type, over 64 bits or no scalars.
func (k *compiler) binaryWide(r *xp, op ir.Op, a, b *xp, w int) {
	both := k.operands(a, b)
	signed := isSigned(a.t)
	if op == ir.Eq || op == ir.Ne {
		eq := k.equal(a.t)
		want := op == ir.Eq
		r.u = func(c *ctx) uint64 {
			x, y := both(c)
			return b2u(eq(x, y) == want)
		}
		return
	}
	switch op {
	case ir.Lt, ir.Le, ir.Gt, ir.Ge:
		r.u = func(c *ctx) uint64 {
			x, y := both(c)
			d := 0
			if signed {
				d = cmpSigned(x, y, w)
			} else {
				d = cmpWide(x, y)
			}
			switch op {
			case ir.Lt:
				return b2u(d < 0)
			case ir.Le:
				return b2u(d <= 0)
			case ir.Gt:
				return b2u(d > 0)
			}
			return b2u(d >= 0)
		}
		return
	}
	r.v = func(c *ctx, dst []uint64) {
		x, y := both(c)
		switch op {
		case ir.Add:
			addWide(dst, x, y, w)
		case ir.Sub:
			subWide(dst, x, y, w)
		case ir.And:
			for i := range dst {
				dst[i] = x[i] & y[i]
			}
		case ir.Or:
			for i := range dst {
				dst[i] = x[i] | y[i]
			}
		case ir.Xor:
			for i := range dst {
				dst[i] = x[i] ^ y[i]
			}
		default:
			bigOp(op, dst, toBig(x, w, signed), toBig(y, w, signed), w, signed)
		}
	}
}

// bigOp does what is rare on wide values.
func bigOp(op ir.Op, dst []uint64, x, y *big.Int, w int, signed bool) {
	z := new(big.Int)
	switch op {
	case ir.Mul:
		z.Mul(x, y)
	case ir.Div:
		if y.Sign() != 0 {
			z.Quo(x, y)
		}
	case ir.Mod:
		if y.Sign() != 0 {
			z.Rem(x, y)
		}
	case ir.AddSat, ir.SubSat:
		if op == ir.AddSat {
			z.Add(x, y)
		} else {
			z.Sub(x, y)
		}
		lo, hi := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(w))
		if signed {
			hi.Rsh(hi, 1)
			lo.Neg(hi)
		}
		hi.Sub(hi, big.NewInt(1))
		if z.Cmp(lo) < 0 {
			z = lo
		} else if z.Cmp(hi) > 0 {
			z = hi
		}
	}
	fromBig(dst, z, w)
}

// equal compares two values of type t, slot by slot. Where parts can differ
// without a meaning they are kept equal: invalid headers are zero, varbits hold
// nothing beyond their length. Only a stack's nextIndex does not count.
func (k *compiler) equal(t ir.Type) func(x, y []uint64) bool {
	var skip []int
	k.stackIndexes(t, 0, &skip)
	return func(x, y []uint64) bool {
		s := skip
		for i := range x {
			if len(s) > 0 && s[0] == i {
				s = s[1:]
				continue
			}
			if x[i] != y[i] {
				return false
			}
		}
		return true
	}
}

func (k *compiler) stackIndexes(t ir.Type, at int, out *[]int) {
	switch u := t.(type) {
	case *ir.Stack:
		*out = append(*out, at)
		for i := range u.Size {
			k.stackIndexes(u.Elem, at+1+i*k.lay.slots(u.Elem), out)
		}
	case *ir.Tuple:
		for _, e := range u.Elems {
			k.stackIndexes(e, at, out)
			at += k.lay.slots(e)
		}
	default:
		for i, f := range ir.Fields(t) {
			k.stackIndexes(f.Type, at+k.lay.field(t, i), out)
		}
	}
}

func (k *compiler) concat(r *xp, a, b *xp) {
	wa, wb := ir.Width(a.t), ir.Width(b.t)
	w := wa + wb
	if w <= 64 {
		r.u = func(c *ctx) uint64 {
			hi := a.u(c)
			return hi<<wb | b.u(c)
		}
		return
	}
	both := k.operands(a, b)
	r.v = func(c *ctx, dst []uint64) {
		x, y := both(c)
		shlWide(dst, x, wb, w)
		for i := range y {
			dst[i] |= y[i]
		}
	}
}

// shift: the amount has any width and is read as unsigned; from the width on the
// result is 0, or all sign bits for an arithmetic shift.
func (k *compiler) shift(r *xp, x *ir.Binary, a, b *xp) {
	w := ir.Width(a.t)
	amount := k.clamped(b, w)
	signed := isSigned(a.t) && w > 0
	left := x.Op == ir.Shl
	if !a.wide() {
		m := mask(w)
		switch {
		case left:
			r.u = func(c *ctx) uint64 {
				v := a.u(c)
				return v << min(amount(c), 64) & m
			}
		case signed:
			r.u = func(c *ctx) uint64 {
				v := sext(a.u(c), w)
				return uint64(v>>min(amount(c), 63)) & m
			}
		default:
			r.u = func(c *ctx) uint64 {
				v := a.u(c)
				return v >> min(amount(c), 64)
			}
		}
		return
	}
	t := k.alloc(a.n)
	r.v = func(c *ctx, dst []uint64) {
		v := c.mem[t : t+a.n]
		a.v(c, v)
		n := int(min(amount(c), uint64(w)))
		if left {
			shlWide(dst, v, n, w)
			return
		}
		neg := signed && negative(v, w)
		shrWide(dst, v, n, w)
		if neg {
			fillWide(dst, w-n, w)
		}
	}
}
