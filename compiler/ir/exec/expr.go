package exec

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// xp is a compiled expression. A scalar up to 64 bits has u; everything else
// has v, which writes its n slots.
type xp struct {
	t       ir.Type
	n       int
	u       func(*ctx) uint64
	v       func(*ctx, []uint64)
	addr    int // where the value lies, when it is a fixed place; else -1
	isConst bool
	k       uint64 // of a constant with u
	fx      bool   // has side effects or may fail: ctx.pend must be looked at
}

func (x *xp) wide() bool { return x.u == nil }

// into writes the value to n slots, whatever its form.
func (x *xp) into(c *ctx, dst []uint64) {
	if x.u != nil {
		dst[0] = x.u(c)
		return
	}
	x.v(c, dst)
}

// isSlot tells whether values of t are one slot that xp.u gives.
func (k *compiler) isSlot(t ir.Type) bool {
	if _, ok := t.(*ir.InfInt); ok {
		return true
	}
	w := ir.Width(t)
	return w >= 0 && w <= 64
}

func (k *compiler) expr(x ir.Expr) *xp {
	r := &xp{t: x.Type(), n: k.lay.slots(x.Type()), addr: -1}
	switch x := x.(type) {
	case *ir.Const:
		k.constant(r, x)
	case *ir.VarRef, *ir.Index:
		k.read(r, x)
	case *ir.Member:
		if isPlace(x) {
			k.read(r, x)
		} else {
			k.memberOfValue(r, x)
		}
	case *ir.StackOp:
		k.stackProp(r, x)
	case *ir.Unary:
		k.unary(r, x)
	case *ir.Binary:
		k.binary(r, x)
	case *ir.Cast:
		k.cast(r, x)
	case *ir.Mux:
		k.mux(r, x)
	case *ir.Slice:
		k.slice(r, x)
	case *ir.IsValid:
		k.isValid(r, x)
	case *ir.ListExpr:
		k.aggregate(r, x.T, x.Elems)
	case *ir.StructLit:
		k.structLit(r, x)
	case *ir.TupleIndex:
		o := k.expr(x.X)
		k.part(r, o, k.lay.element(o.t, x.I))
	case *ir.Call:
		k.callExpr(r, x)
	default:
		k.fail(x.Pos(), fmt.Sprintf("%T", x), "it has no value here")
	}
	return r
}

func (k *compiler) constant(r *xp, x *ir.Const) {
	r.isConst = true
	if inf, ok := x.T.(*ir.InfInt); ok {
		// Only where the number itself matters, as a shift amount or an index.
		if x.Val.Sign() < 0 || !x.Val.IsUint64() {
			k.fail(x.P, "the constant "+x.Val.String(), "values of type "+inf.String()+" beyond 64 bits have no form at run time")
		}
		r.n, r.k = 1, x.Val.Uint64()
		v := r.k
		r.u = func(*ctx) uint64 { return v }
		return
	}
	w := ir.Width(x.T)
	limb := make([]uint64, r.n)
	fromBig(limb, x.Val, w)
	if k.isSlot(x.T) {
		v := limb[0]
		r.k = v
		r.u = func(*ctx) uint64 { return v }
		return
	}
	r.v = func(_ *ctx, dst []uint64) { copy(dst, limb) }
}

// read is the value of a place.
func (k *compiler) read(r *xp, x ir.Expr) {
	if !isPlace(x) {
		k.fail(x.Pos(), "an element of a value", "it is read from no variable")
	}
	l := k.place(x)
	r.fx = l.fx
	if l.static() {
		r.addr = l.addr
		k.fromAddr(r)
		return
	}
	if k.isSlot(r.t) {
		r.u = func(c *ctx) uint64 { return c.mem[l.at(c)] }
		return
	}
	r.v = func(c *ctx, dst []uint64) {
		a := l.at(c)
		copy(dst, c.mem[a:a+l.n])
	}
}

// fromAddr fills in r for the value at address r.addr.
func (k *compiler) fromAddr(r *xp) {
	a, n := r.addr, r.n
	if k.isSlot(r.t) {
		r.u = func(c *ctx) uint64 { return c.mem[a] }
		return
	}
	r.v = func(c *ctx, dst []uint64) { copy(dst, c.mem[a:a+n]) }
}

// part is what lies off slots inside the value o.
func (k *compiler) part(r *xp, o *xp, off int) {
	r.fx = o.fx
	if o.addr >= 0 {
		r.addr = o.addr + off
		k.fromAddr(r)
		return
	}
	t, n := k.alloc(o.n), o.n
	if k.isSlot(r.t) {
		r.u = func(c *ctx) uint64 {
			o.into(c, c.mem[t:t+n])
			return c.mem[t+off]
		}
		return
	}
	r.v = func(c *ctx, dst []uint64) {
		o.into(c, c.mem[t:t+n])
		copy(dst, c.mem[t+off:t+off+len(dst)])
	}
}

// memberOfValue is X.Field where X is no variable: a call or a literal.
func (k *compiler) memberOfValue(r *xp, x *ir.Member) {
	o := k.expr(x.X)
	k.part(r, o, k.lay.field(o.t, ir.FieldIndex(o.t, x.Field)))
}

func (k *compiler) stackProp(r *xp, x *ir.StackOp) {
	if x.Op == ir.StackNext || x.Op == ir.StackLast {
		k.read(r, x)
		return
	}
	l := k.place(x.X)
	r.fx = l.fx
	if x.Op == ir.StackNextIndex {
		r.u = func(c *ctx) uint64 { return c.mem[l.get(c)] }
		return
	}
	r.u = func(c *ctx) uint64 {
		if n := c.mem[l.get(c)]; n > 0 {
			return n - 1
		}
		return 0
	}
}

func (k *compiler) isValid(r *xp, x *ir.IsValid) {
	o := k.expr(x.X)
	r.fx = o.fx
	var offs []int
	switch u := o.t.(type) {
	case *ir.Header:
		offs = []int{0}
	case *ir.Union:
		for i := range u.Fields {
			offs = append(offs, k.lay.field(u, i))
		}
	}
	if o.addr >= 0 && len(offs) == 1 {
		a := o.addr
		r.u = func(c *ctx) uint64 { return c.mem[a] }
		return
	}
	t, n := k.alloc(o.n), o.n
	r.u = func(c *ctx) uint64 {
		o.into(c, c.mem[t:t+n])
		var v uint64
		for _, off := range offs {
			v |= c.mem[t+off]
		}
		return v
	}
}

// aggregate writes parts one after the other. A header's validity and a stack's nextIndex
// lie before them: a header made so is valid, nothing was extracted into a stack.
func (k *compiler) aggregate(r *xp, t ir.Type, elems []ir.Expr) {
	first, lead := 0, uint64(0)
	switch t.(type) {
	case *ir.Header:
		first, lead = 1, 1
	case *ir.Stack:
		first = 1
	}
	xs := make([]*xp, len(elems))
	for i, e := range elems {
		xs[i] = k.expr(e)
		r.fx = r.fx || xs[i].fx
	}
	// The destination may be what the elements read: collect first.
	to, n := k.alloc(r.n), r.n
	r.v = func(c *ctx, dst []uint64) {
		at := to + first
		for _, x := range xs {
			x.into(c, c.mem[at:at+x.n])
			at += x.n
		}
		if first == 1 {
			c.mem[to] = lead
		}
		copy(dst, c.mem[to:to+n])
	}
}

func (k *compiler) structLit(r *xp, x *ir.StructLit) {
	if x.Invalid {
		r.v = func(_ *ctx, dst []uint64) { clear(dst) }
		return
	}
	k.aggregate(r, x.T, x.Fields)
}

func (k *compiler) mux(r *xp, x *ir.Mux) {
	cond, a, b := k.expr(x.C), k.expr(x.A), k.expr(x.B)
	r.fx = cond.fx || a.fx || b.fx
	pa, pb := k.point("then", "?:", x.P), k.point("else", "?:", x.P)
	choose := func(c *ctx) *xp {
		if cond.u(c) != 0 {
			c.hitPoint(pa)
			return a
		}
		c.hitPoint(pb)
		return b
	}
	if k.isSlot(r.t) {
		r.u = func(c *ctx) uint64 { return choose(c).u(c) }
		return
	}
	r.v = func(c *ctx, dst []uint64) { choose(c).v(c, dst) }
}

func (k *compiler) slice(r *xp, x *ir.Slice) {
	o := k.expr(x.X)
	r.fx = o.fx
	lo, w := x.Lo, x.Hi-x.Lo+1
	if !o.wide() {
		m := mask(w)
		r.u = func(c *ctx) uint64 { return o.u(c) >> lo & m }
		return
	}
	t, n := k.alloc(o.n), o.n
	val := func(c *ctx) []uint64 {
		v := c.mem[t : t+n]
		o.v(c, v)
		return v
	}
	if o.addr >= 0 {
		a := o.addr
		val = func(c *ctx) []uint64 { return c.mem[a : a+n] }
	}
	if w <= 64 {
		r.u = func(c *ctx) uint64 {
			var d [1]uint64
			shrWide(d[:], val(c), lo, w)
			return d[0]
		}
		return
	}
	r.v = func(c *ctx, dst []uint64) { shrWide(dst, val(c), lo, w) }
}

// cast between scalars: the source's sign decides how it is widened.
func (k *compiler) cast(r *xp, x *ir.Cast) {
	if _, ok := x.X.Type().(*ir.InfInt); ok {
		if c, ok := x.X.(*ir.Const); ok {
			k.constant(r, &ir.Const{Meta: ir.Meta{T: x.T, P: x.P}, Val: c.Val})
			return
		}
		k.fail(x.P, "a value of type int", "only constants of it have a form at run time")
	}
	o := k.expr(x.X)
	r.fx = o.fx
	from, to := ir.Width(o.t), ir.Width(x.T)
	if from < 0 || to < 0 { // newtype of a struct and the like: same layout
		r.addr, r.u, r.v = o.addr, o.u, o.v
		return
	}
	signed := isSigned(o.t) && from > 0
	switch {
	case !o.wide() && to <= 64:
		m := mask(to)
		switch {
		case from <= to && !signed:
			r.u, r.addr, r.isConst, r.k = o.u, o.addr, o.isConst, o.k
		case signed && to > from:
			r.u = func(c *ctx) uint64 { return uint64(sext(o.u(c), from)) & m }
		default:
			r.u = func(c *ctx) uint64 { return o.u(c) & m }
		}
	case !o.wide():
		r.v = func(c *ctx, dst []uint64) {
			clear(dst)
			dst[0] = o.u(c)
			if signed && dst[0]>>(from-1)&1 == 1 {
				fillWide(dst, from, to)
			}
		}
	default:
		t, n := k.alloc(o.n), o.n
		if to <= 64 {
			m := mask(to)
			r.u = func(c *ctx) uint64 {
				o.v(c, c.mem[t:t+n])
				return c.mem[t] & m
			}
			return
		}
		r.v = func(c *ctx, dst []uint64) {
			v := c.mem[t : t+n]
			o.v(c, v)
			shrWide(dst, v, 0, to)
			if signed && to > from && negative(v, from) {
				fillWide(dst, from, to)
			}
		}
	}
}

func (k *compiler) unary(r *xp, x *ir.Unary) {
	o := k.expr(x.X)
	r.fx = o.fx
	w := ir.Width(x.T)
	if x.Op == ir.LNot {
		r.u = func(c *ctx) uint64 { return o.u(c) ^ 1 }
		return
	}
	if !o.wide() {
		m := mask(w)
		if x.Op == ir.Neg {
			r.u = func(c *ctx) uint64 { return -o.u(c) & m }
		} else {
			r.u = func(c *ctx) uint64 { return ^o.u(c) & m }
		}
		return
	}
	t, n := k.alloc(o.n), o.n
	neg := x.Op == ir.Neg
	r.v = func(c *ctx, dst []uint64) {
		v := c.mem[t : t+n]
		o.v(c, v)
		notWide(dst, v, w)
		if neg {
			one := uint64(1)
			for i := range dst {
				s := dst[i] + one
				if s >= dst[i] {
					one = 0
				}
				dst[i] = s
			}
			dst[n-1] &= topMask(w)
		}
	}
}

// constVal is the number of a constant expression, or nil.
func constVal(x ir.Expr) *big.Int {
	if c, ok := x.(*ir.Const); ok {
		return c.Val
	}
	return nil
}
