package ssa

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// constBig gives c, in machine form, as limbs of w bits.
func (l *lowerer) constBig(c *big.Int, w int) []*Value {
	if c.Sign() < 0 {
		c = new(big.Int).Add(c, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	var words []uint64
	mask := new(big.Int).SetUint64(^uint64(0))
	for r := new(big.Int).Set(c); r.Sign() > 0; r.Rsh(r, 64) {
		words = append(words, new(big.Int).And(r, mask).Uint64())
	}
	return l.wide(w, words)
}

func isSigned(t ir.Type) bool {
	_, ok := ir.Underlying(t).(*ir.Int)
	return ok
}

// scalar is the single limb of an expression of at most 64 bits; a bit<0> is
// a zero of one bit.
func (l *lowerer) scalar(e ir.Expr) *Value {
	v := l.eval(e)
	if len(v) == 0 {
		return l.constant(1, 0)
	}
	return v[len(v)-1]
}

// narrow refuses widths over 64.
func (l *lowerer) narrow(e ir.Expr, what string) {
	if w := ir.Width(e.Type()); w > 64 {
		l.refuse(e.Pos(), fmt.Sprintf("%s of %d bits", what, w), "only operands of up to 64 bits can be lowered")
	}
}

// eval gives the limbs of a scalar expression, or the leaves of an aggregate in
// the order of its node.
func (l *lowerer) eval(e ir.Expr) []*Value {
	l.setPos(e.Pos())
	switch e := e.(type) {
	case *ir.Const:
		return l.constBig(e.Val, ir.Width(e.T))
	case *ir.VarRef, *ir.Index:
		return l.read(l.place(e))
	case *ir.Member:
		if isPlace(e.X) {
			return l.read(l.place(e))
		}
		x := l.shape(e.X.Type(), "", "expression", e.P)
		k := x.kid(e.Field)
		return l.eval(e.X)[k.rel : k.rel+k.n]
	case *ir.StackOp:
		return l.stackOp(e)
	case *ir.Unary:
		return l.unary(e)
	case *ir.Binary:
		return l.binary(e)
	case *ir.Cast:
		return l.cast(e)
	case *ir.Mux:
		return l.mux(l.known(l.scalar(e.C)), e.A, e.B)
	case *ir.Slice:
		return l.slice(l.eval(e.X), e.Lo, e.Hi-e.Lo+1)
	case *ir.IsValid:
		return []*Value{l.isValid(e)}
	case *ir.StructLit:
		return l.structLit(e)
	case *ir.ListExpr:
		var out []*Value
		for _, x := range e.Elems {
			out = append(out, l.eval(x)...)
		}
		return out
	}
	l.refuse(e.Pos(), fmt.Sprintf("expression %T", e), "it does not occur at the core level")
	return nil
}

// mux is c ? a : b. Both sides are evaluated, which only a stackFault would show:
// where a side has one, the parser rejects on the ways that choose it.
func (l *lowerer) mux(c *Value, a, b ir.Expr) []*Value {
	if c.Op == OpConst {
		if c.Aux != 0 {
			return l.eval(a)
		}
		return l.eval(b)
	}
	x, faultX := l.tryEval(a)
	y, faultY := l.tryEval(b)
	l.raise(l.or(l.and(c, faultX), l.and(l.not(c), faultY)))
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return l.choose(c, x, y)
}

// logic is x && y, or x || y with or: y counts only where x does not decide.
func (l *lowerer) logic(x *Value, y ir.Expr, or bool) *Value {
	x = l.known(x)
	if x.Op == OpConst && (x.Aux != 0) == or {
		return x
	}
	v, fault := l.tryEval(y)
	if or {
		l.raise(l.and(l.not(x), fault))
	} else {
		l.raise(l.and(x, fault))
	}
	switch {
	case v == nil:
		return l.constant(1, bit(or))
	case or:
		return l.or(x, v[0])
	}
	return l.and(x, v[0])
}

// tryEval evaluates e; fault tells where it read beyond a stack. Where it always
// does there is no value.
func (l *lowerer) tryEval(e ir.Expr) (v []*Value, fault *Value) {
	fault = l.constant(1, 0)
	if !l.inParser || l.dry {
		return l.eval(e), fault
	}
	outer := l.faults
	l.faults = &fault
	defer func() {
		l.faults = outer
		switch r := recover(); r.(type) {
		case nil:
		case stackFault:
			v, fault = nil, l.constant(1, 1)
		default:
			panic(r)
		}
	}()
	v = l.eval(e)
	return v, fault
}

// rejectWhere ends the parser with StackOutOfBounds on the ways on which c holds.
func (l *lowerer) rejectWhere(c *Value) {
	then, els := l.branch(c, -1)
	l.reject("StackOutOfBounds", then)
	l.resume(els, "inbounds")
}

func (l *lowerer) isValid(e *ir.IsValid) *Value {
	p := l.place(e.X)
	r := l.constant(1, 0)
	for _, a := range p.alts {
		v := l.constant(1, 0)
		p.node.headers(0, func(_ *node, rel int) {
			v = l.or(v, l.known(l.get(a.base+rel+leafValid)))
		})
		if a.cond != nil {
			v = l.and(a.cond, v)
		}
		r = l.or(r, v)
	}
	return r
}

func (l *lowerer) structLit(e *ir.StructLit) []*Value {
	n := l.shape(e.T, "", "expression", e.P)
	out := make([]*Value, 0, n.n)
	if e.Invalid {
		n.leaves("", func(t Type, _ string) { out = append(out, l.constant(t, 0)) })
		return out
	}
	if n.kind == nodeHeader {
		out = append(out, l.constant(1, 1), l.constant(32, 0), l.constant(32, 0))
	}
	for _, f := range e.Fields {
		out = append(out, l.eval(f)...)
	}
	return out
}

func (l *lowerer) unary(e *ir.Unary) []*Value {
	x := l.eval(e.X)
	switch e.Op {
	case ir.Neg:
		d, _ := l.subb(l.zero(width(x)), x)
		return d
	case ir.BNot, ir.LNot:
		return l.invert(x)
	}
	l.refuse(e.P, "unary operator "+e.Op.String(), "it does not occur at the core level")
	return nil
}

func (l *lowerer) binary(e *ir.Binary) []*Value {
	x := l.eval(e.X)
	one := func(v *Value) []*Value { return []*Value{v} }
	sx := isSigned(e.X.Type())
	switch e.Op {
	case ir.Shl, ir.Shr:
		return l.shift(e, x, sx)
	case ir.Concat:
		return l.concat(x, l.eval(e.Y))
	case ir.LAnd, ir.LOr:
		return one(l.logic(x[0], e.Y, e.Op == ir.LOr))
	}
	y := l.eval(e.Y)
	l.setPos(e.P)
	switch e.Op {
	case ir.Add:
		if len(x) == 1 {
			return l.zip(OpAdd, x, y)
		}
		s, _ := l.addc(x, y)
		return s
	case ir.Sub:
		if len(x) == 1 {
			return l.zip(OpSub, x, y)
		}
		s, _ := l.subb(x, y)
		return s
	case ir.Mul:
		if len(x) > 1 {
			return l.mulWide(x, y)
		}
		return l.zip(OpMul, x, y)
	case ir.Div, ir.Mod:
		return l.divide(e, x, y, sx)
	case ir.AddSat, ir.SubSat:
		return l.saturate(e.Op, x, y, sx)
	case ir.And:
		return l.zip(OpAnd, x, y)
	case ir.Or:
		return l.zip(OpOr, x, y)
	case ir.Xor:
		return l.zip(OpXor, x, y)
	case ir.Eq, ir.Ne:
		eq := l.equal
		if isVarbit(e.X.Type()) {
			if l.stages.bits {
				l.refuse(e.P, "comparison of varbit fields", "the parser moves by parts of bytes")
			}
			eq = func(x, y []*Value) *Value { return l.equalSlices(e.X.Type(), x, y) }
		}
		if e.Op == ir.Ne {
			return one(l.not(eq(x, y)))
		}
		return one(eq(x, y))
	case ir.Lt:
		return one(l.less(x, y, sx, false))
	case ir.Le:
		return one(l.less(x, y, sx, true))
	case ir.Gt:
		return one(l.less(y, x, sx, false))
	case ir.Ge:
		return one(l.less(y, x, sx, true))
	}
	l.refuse(e.P, "operator "+e.Op.String(), "it does not occur at the core level")
	return nil
}

// divide rounds towards zero; a division by zero gives 0, and so does its
// remainder (D10).
func (l *lowerer) divide(e *ir.Binary, x, y []*Value, signed bool) []*Value {
	op := OpDiv
	if e.Op == ir.Mod {
		op = OpMod
	}
	if len(x) > 1 {
		return l.divideWide(e.Op, x, y, signed)
	}
	if !signed || len(x) == 0 {
		return l.zip(op, x, y)
	}
	t := x[0].Type
	abs := func(v, neg *Value) *Value {
		return l.sel(neg, l.op(OpSub, t, l.constant(t, 0), v), v)
	}
	nx, ny := l.topBit(x), l.topBit(y)
	r := l.op(op, t, abs(x[0], nx), abs(y[0], ny))
	if op == OpDiv {
		nx = l.op(OpXor, 1, nx, ny)
	}
	return []*Value{abs(r, nx)}
}

// saturate clamps at the type's ends instead of wrapping.
func (l *lowerer) saturate(op ir.Op, x, y []*Value, signed bool) []*Value {
	w := width(x)
	if w == 0 {
		return x
	}
	ones := l.invert(l.zero(w))
	if !signed {
		if op == ir.AddSat {
			s, carry := l.addc(x, y)
			return l.choose(carry, ones, s)
		}
		d, borrow := l.subb(x, y)
		return l.choose(borrow, l.zero(w), d)
	}
	var r []*Value
	var over *Value
	sx, sy := l.topBit(x), l.topBit(y)
	if op == ir.AddSat {
		r, _ = l.addc(x, y)
		over = l.and(l.op(OpEq, 1, sx, sy), l.op(OpNe, 1, sx, l.topBit(r)))
	} else {
		r, _ = l.subb(x, y)
		over = l.and(l.op(OpNe, 1, sx, sy), l.op(OpNe, 1, sx, l.topBit(r)))
	}
	lowest := l.concat([]*Value{l.constant(1, 1)}, l.zero(w-1))
	return l.choose(over, l.choose(sx, lowest, l.invert(lowest)), r)
}

// shift: amounts of the width and more shift everything out.
func (l *lowerer) shift(e *ir.Binary, x []*Value, signed bool) []*Value {
	w := width(x)
	right := e.Op == ir.Shr
	if w == 0 {
		return x
	}
	y := l.eval(e.Y)
	l.setPos(e.P)
	if n, ok := constAmount(y, w); ok {
		switch {
		case !right:
			return l.concat(l.slice(x, 0, w-n), l.zero(n))
		case signed:
			if n >= w {
				n = w - 1
			}
			return l.resize(l.slice(x, n, w-n), w, true)
		default:
			return l.resize(l.slice(x, n, w-n), w, false)
		}
	}
	if w > 64 && len(y) > 0 {
		return l.shiftWide(x, y, right, signed)
	}
	// An amount that does not fit reaches no shift.
	n := y[len(y)-1]
	small := l.constant(1, 1)
	if len(y) > 1 {
		small = l.not(l.nonZero(y[:len(y)-1]))
	}
	if n.Type >= 7 || 1<<uint(n.Type) > w {
		small = l.and(small, l.op(OpUlt, 1, n, l.constant(n.Type, uint64(w))))
	}
	t := Type(w)
	zero := l.constant(t, 0)
	if right && signed {
		last := l.constant(n.Type, uint64(w-1))
		return []*Value{l.op(OpSar, t, x[0], l.sel(small, n, last))}
	}
	op := OpShl
	if right {
		op = OpShr
	}
	r := l.op(op, t, x[0], l.sel(small, n, l.constant(n.Type, 0)))
	return []*Value{l.sel(small, r, zero)}
}

// constAmount is a constant shift amount, at most w.
func constAmount(y []*Value, w int) (int, bool) {
	n := 0
	for i, v := range y {
		if v.Op != OpConst {
			return 0, false
		}
		if i < len(y)-1 && v.Aux != 0 || v.Aux >= uint64(w) {
			n = w
		} else if n < w {
			n = int(v.Aux)
		}
	}
	return n, true
}

func (l *lowerer) cast(e *ir.Cast) []*Value {
	x := l.eval(e.X)
	w := ir.Width(e.T)
	if w < 0 {
		return x // a newtype of an aggregate
	}
	return l.resize(x, w, isSigned(e.X.Type()))
}

// cond evaluates a condition and gives the exits where it is true and false.
// Where exits are pending, those on which the condition is a constant are
// routed without joining them.
func (l *lowerer) cond(e ir.Expr, likely int) (then, els []exit) {
	if l.cur == nil {
		return nil, nil
	}
	switch x := e.(type) {
	case *ir.Unary:
		if x.Op == ir.LNot {
			els, then = l.cond(x.X, -likely)
			return then, els
		}
	case *ir.Binary:
		switch x.Op {
		case ir.LAnd:
			t, f := l.cond(x.X, 0)
			l.resume(t, "and")
			then, els = l.cond(x.Y, likely)
			return then, append(f, els...)
		case ir.LOr:
			t, f := l.cond(x.X, 0)
			l.resume(f, "or")
			then, els = l.cond(x.Y, likely)
			return append(t, then...), els
		}
	}
	var rest []exit
	for _, x := range l.cur.pending {
		c, ok := l.tryConst(e, x)
		switch {
		case !ok:
			rest = append(rest, x)
		case c != 0:
			then = append(then, x)
		default:
			els = append(els, x)
		}
	}
	if l.cur.pending != nil {
		l.resume(rest, l.cur.name)
		if l.cur == nil {
			return then, els
		}
	}
	var c *Value
	if !l.guard(func() { c = l.scalar(e) }) {
		return then, els
	}
	l.setPos(e.Pos())
	t, f := l.branch(c, likely)
	return append(then, t...), append(els, f...)
}
