package p4gen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// bit is where one bit of a value comes from: a constant, a bit of the packet
// (perhaps inverted), or not known.
type bit int32

const (
	zero    bit = -1
	one     bit = -2
	unknown bit = -3
	// From 0 on: 2*index of a packet bit, +1 when inverted.
)

func (b bit) not() bit {
	switch b {
	case zero:
		return one
	case one:
		return zero
	case unknown:
		return unknown
	}
	return b ^ 1
}

// bitvec is a value, most significant bit first.
type bitvec []bit

func constBits(v *big.Int, w int) bitvec {
	out := make(bitvec, w)
	u := new(big.Int).And(v, mask(w)) // two's complement for negative numbers
	for i := range out {
		out[i] = zero
		if u.Bit(w-1-i) == 1 {
			out[i] = one
		}
	}
	return out
}

func unknownBits(w int) bitvec {
	out := make(bitvec, max(w, 0))
	for i := range out {
		out[i] = unknown
	}
	return out
}

// resize truncates or extends at the top.
func (v bitvec) resize(w int, signed bool) bitvec {
	if len(v) >= w {
		return v[len(v)-w:]
	}
	fill := zero
	if signed && len(v) > 0 {
		fill = v[0]
	}
	out := make(bitvec, w-len(v), w)
	for i := range out {
		out[i] = fill
	}
	return append(out, v...)
}

// number is the value of v where all bits are known.
func (k *walker) number(v bitvec) (*big.Int, bool) {
	n := new(big.Int)
	for _, b := range v {
		n.Lsh(n, 1)
		switch k.resolve(b) {
		case one:
			n.SetBit(n, 0, 1)
		case unknown:
			return nil, false
		}
	}
	return n, true
}

// resolve looks at what a bit of the packet is, as far as it is chosen.
func (k *walker) resolve(b bit) bit {
	if b < 0 {
		return b
	}
	v := k.bits[b>>1]
	if v == unknown || b&1 == 0 {
		return v
	}
	return v.not()
}

// set makes b have a value; false when it has the other one or cannot be known.
func (k *walker) set(b, want bit) bool {
	if have := k.resolve(b); have != unknown {
		return have == want
	}
	if b < 0 {
		return false
	}
	if b&1 == 1 {
		want = want.not()
	}
	k.bits[b>>1] = want
	return true
}

// choose gives every bit of v that is free a value.
func (k *walker) choose(v bitvec) {
	for _, b := range v {
		if b >= 0 && k.bits[b>>1] == unknown {
			k.bits[b>>1] = zero
			if k.r.IntN(2) == 0 {
				k.bits[b>>1] = one
			}
		}
	}
}

// eval is an expression bit by bit; what depends on more than the operators here
// is unknown.
func (k *walker) eval(e ir.Expr) bitvec {
	w := ir.Width(e.Type())
	if w < 0 {
		return nil
	}
	switch e := e.(type) {
	case *ir.Const:
		return constBits(e.Val, w)
	case *ir.VarRef, *ir.Member, *ir.Index, *ir.StackOp:
		if p, ok := k.path(e); ok {
			if v, ok := k.env[p]; ok && len(v) == w {
				return v
			}
			return constBits(new(big.Int), w) // nothing was written: zero
		}
	case *ir.Slice:
		x := k.eval(e.X)
		if n := len(x); n > e.Hi {
			return x[n-1-e.Hi : n-e.Lo]
		}
	case *ir.Cast:
		_, signed := ir.Underlying(e.X.Type()).(*ir.Int)
		return k.eval(e.X).resize(w, signed)
	case *ir.Unary:
		if e.Op == ir.BNot || e.Op == ir.LNot {
			x := k.eval(e.X)
			out := make(bitvec, len(x))
			for i := range x {
				out[i] = x[i].not()
			}
			return out
		}
	case *ir.Binary:
		return k.binary(e, w)
	}
	return unknownBits(w)
}

func (k *walker) binary(e *ir.Binary, w int) bitvec {
	x, y := k.eval(e.X), k.eval(e.Y)
	switch e.Op {
	case ir.Concat:
		return append(append(bitvec(nil), x...), y...)
	case ir.And, ir.Or, ir.Xor:
		out := make(bitvec, w)
		for i := range out {
			out[i] = bitOp(e.Op, x[i], y[i])
		}
		return out
	case ir.Shl, ir.Shr:
		n, ok := k.number(y)
		if _, signed := ir.Underlying(e.Type()).(*ir.Int); !ok || signed || !n.IsInt64() {
			break
		}
		s := int(min(n.Int64(), int64(w)))
		gap := constBits(new(big.Int), s)
		if e.Op == ir.Shl {
			return append(append(bitvec(nil), x[s:]...), gap...)
		}
		return append(gap, x[:w-s]...)
	}
	a, ok := k.number(x)
	b, ok2 := k.number(y)
	if ok && ok2 {
		switch e.Op {
		case ir.Add:
			return constBits(a.Add(a, b), w)
		case ir.Sub:
			return constBits(a.Sub(a, b), w)
		}
	}
	return unknownBits(w)
}

func bitOp(op ir.Op, x, y bit) bit {
	if x < 0 && x != unknown { // the constant last
		x, y = y, x
	}
	switch {
	case op == ir.And && y == zero:
		return zero
	case op == ir.Or && y == one:
		return one
	case op == ir.And && y == one, op == ir.Or && y == zero, op == ir.Xor && y == zero:
		return x
	case op == ir.Xor && y == one:
		return x.not()
	}
	return unknown
}
