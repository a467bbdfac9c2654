package ssa

// fold gives a simpler value equal to v, or nil. It looks at v and the values
// it is made from, never at uses. A new value is made by mk (which may fold it
// again); fold itself never places anything.
//
// Rewrites never evaluate an operation that was guarded before: a shift whose
// amount a Select bounds keeps that Select.
func fold(v *Value, mk func(op Op, t Type, args ...*Value) *Value, constant func(t Type, c uint64) *Value) *Value {
	if v.Type == Ptr || v.HasEffect() {
		return nil
	}
	if r := foldConst(v, constant); r != nil {
		return r
	}
	a := v.Args
	m := Mask(v.Type)
	switch v.Op {
	case OpAdd:
		x, c := constLast(a)
		switch {
		case c == nil:
		case c.Aux == 0:
			return x
		case x.Op == OpAdd && x.Args[1].Op == OpConst:
			return mk(OpAdd, v.Type, x.Args[0], constant(v.Type, (x.Args[1].Aux+c.Aux)&m))
		case a[0] == c:
			return mk(OpAdd, v.Type, x, c)
		}
	case OpSub:
		switch {
		case a[1].IsConst(0):
			return a[0]
		case a[0] == a[1]:
			return constant(v.Type, 0)
		case a[1].Op == OpConst:
			return mk(OpAdd, v.Type, a[0], constant(v.Type, -a[1].Aux&m))
		}
	case OpMul:
		x, c := constLast(a)
		switch {
		case c == nil:
		case c.Aux == 0:
			return c
		case c.Aux == 1:
			return x
		case c.Aux&(c.Aux-1) == 0:
			return mk(OpShl, v.Type, x, constant(8, log2(c.Aux)))
		case a[0] == c:
			return mk(OpMul, v.Type, x, c)
		}
	case OpDiv:
		switch {
		case a[1].IsConst(0):
			return a[1]
		case a[1].Op == OpConst && a[1].Aux&(a[1].Aux-1) == 0:
			return mk(OpShr, v.Type, a[0], constant(8, log2(a[1].Aux)))
		}
	case OpMod:
		switch {
		case a[1].IsConst(0):
			return a[1]
		case a[1].Op == OpConst && a[1].Aux&(a[1].Aux-1) == 0:
			return mk(OpAnd, v.Type, a[0], constant(v.Type, a[1].Aux-1))
		}
	case OpAnd:
		x, c := constLast(a)
		switch {
		case a[0] == a[1]:
			return a[0]
		case c == nil:
		case c.Aux == 0:
			return c
		case c.Aux == m:
			return x
		case x.Op == OpAnd && x.Args[1].Op == OpConst:
			return mk(OpAnd, v.Type, x.Args[0], constant(v.Type, x.Args[1].Aux&c.Aux))
		case a[0] == c:
			return mk(OpAnd, v.Type, x, c)
		}
	case OpOr:
		x, c := constLast(a)
		switch {
		case a[0] == a[1]:
			return a[0]
		case c == nil:
		case c.Aux == 0:
			return x
		case c.Aux == m:
			return c
		case x.Op == OpOr && x.Args[1].Op == OpConst:
			return mk(OpOr, v.Type, x.Args[0], constant(v.Type, x.Args[1].Aux|c.Aux))
		case a[0] == c:
			return mk(OpOr, v.Type, x, c)
		}
	case OpXor:
		x, c := constLast(a)
		switch {
		case a[0] == a[1]:
			return constant(v.Type, 0)
		case c == nil:
		case c.Aux == 0:
			return x
		case c.Aux == m:
			return mk(OpNot, v.Type, x)
		case a[0] == c:
			return mk(OpXor, v.Type, x, c)
		}
	case OpNot:
		return foldNot(v, mk)
	case OpShl, OpShr, OpSar:
		return foldShift(v, mk, constant)
	case OpEq, OpNe, OpUlt, OpUle, OpSlt, OpSle:
		return foldCompare(v, mk, constant)
	case OpZext, OpSext, OpTrunc:
		return foldConvert(v, mk)
	case OpSelect:
		return foldSelect(v, mk, constant)
	}
	return nil
}

func foldConst(v *Value, constant func(Type, uint64) *Value) *Value {
	if v.Op == OpConst || len(v.Args) == 0 {
		return nil
	}
	var av [4]uint64
	var tv [4]Type
	as, ts := av[:0], tv[:0]
	for _, x := range v.Args {
		if x.Op != OpConst {
			return nil
		}
		as, ts = append(as, x.Aux), append(ts, x.Type)
	}
	if r, ok := evalPure(v.Op, v.Type, as, ts); ok {
		return constant(v.Type, r)
	}
	return nil
}

// constLast splits the operands of a commutative operation into the constant
// one, nil when there is none, and the other.
func constLast(a []*Value) (x, c *Value) {
	if a[1].Op == OpConst {
		return a[0], a[1]
	}
	if a[0].Op == OpConst {
		return a[1], a[0]
	}
	return nil, nil
}

func log2(c uint64) uint64 {
	var n uint64
	for ; c > 1; c >>= 1 {
		n++
	}
	return n
}

func foldNot(v *Value, mk func(Op, Type, ...*Value) *Value) *Value {
	x := v.Args[0]
	if x.Op == OpNot {
		return x.Args[0]
	}
	if v.Type != 1 {
		return nil
	}
	switch x.Op {
	case OpEq:
		return mk(OpNe, 1, x.Args[0], x.Args[1])
	case OpNe:
		return mk(OpEq, 1, x.Args[0], x.Args[1])
	case OpUlt: // not a < b is b <= a
		return mk(OpUle, 1, x.Args[1], x.Args[0])
	case OpUle:
		return mk(OpUlt, 1, x.Args[1], x.Args[0])
	case OpSlt:
		return mk(OpSle, 1, x.Args[1], x.Args[0])
	case OpSle:
		return mk(OpSlt, 1, x.Args[1], x.Args[0])
	}
	return nil
}

func foldShift(v *Value, mk func(Op, Type, ...*Value) *Value, constant func(Type, uint64) *Value) *Value {
	x, n := v.Args[0], v.Args[1]
	if x.IsConst(0) {
		return x
	}
	if n.Op != OpConst {
		return nil
	}
	if n.Aux == 0 {
		return x
	}
	if n.Aux >= uint64(v.Type) && v.Op != OpSar {
		return constant(v.Type, 0)
	}
	if x.Op == v.Op && v.Op != OpSar && x.Args[1].Op == OpConst {
		sum := x.Args[1].Aux + n.Aux
		if sum >= uint64(v.Type) {
			return constant(v.Type, 0)
		}
		return mk(v.Op, v.Type, x.Args[0], constant(8, sum))
	}
	if v.Op == OpShr && x.Op == OpZext && n.Aux >= uint64(x.Args[0].Type) {
		return constant(v.Type, 0)
	}
	return nil
}

func foldCompare(v *Value, mk func(Op, Type, ...*Value) *Value, constant func(Type, uint64) *Value) *Value {
	a, b := v.Args[0], v.Args[1]
	if a == b {
		return constant(1, bit(v.Op == OpEq || v.Op == OpUle || v.Op == OpSle))
	}
	t := a.Type
	switch v.Op {
	case OpEq, OpNe:
		if a.Op == OpConst {
			return mk(v.Op, 1, b, a)
		}
		if b.Op != OpConst {
			return nil
		}
		if t == 1 {
			if (v.Op == OpEq) == (b.Aux == 1) {
				return a
			}
			return mk(OpNot, 1, a)
		}
		switch a.Op {
		case OpZext:
			if b.Aux&^Mask(a.Args[0].Type) != 0 {
				return constant(1, bit(v.Op == OpNe))
			}
			return mk(v.Op, 1, a.Args[0], constant(a.Args[0].Type, b.Aux))
		case OpXor:
			if b.Aux == 0 {
				return mk(v.Op, 1, a.Args[0], a.Args[1])
			}
		case OpSelect:
			// A choice between two constants compared with a constant is the
			// condition, its negation or known.
			if x, y := a.Args[1], a.Args[2]; x.Op == OpConst && y.Op == OpConst {
				rx, ry := (x.Aux == b.Aux) == (v.Op == OpEq), (y.Aux == b.Aux) == (v.Op == OpEq)
				switch {
				case rx && ry:
					return constant(1, 1)
				case !rx && !ry:
					return constant(1, 0)
				case rx:
					return a.Args[0]
				default:
					return mk(OpNot, 1, a.Args[0])
				}
			}
		}
	case OpUlt:
		switch {
		case b.IsConst(0) || a.IsConst(Mask(t)):
			return constant(1, 0)
		case b.IsConst(1):
			return mk(OpEq, 1, a, constant(t, 0))
		case a.IsConst(0):
			return mk(OpNe, 1, b, a)
		}
	case OpUle:
		switch {
		case a.IsConst(0) || b.IsConst(Mask(t)):
			return constant(1, 1)
		case b.IsConst(0):
			return mk(OpEq, 1, a, b)
		}
	}
	return nil
}

func foldConvert(v *Value, mk func(Op, Type, ...*Value) *Value) *Value {
	x := v.Args[0]
	if x.Type == v.Type {
		return x
	}
	switch {
	case v.Op == OpZext && x.Op == OpZext, v.Op == OpSext && x.Op == OpSext, v.Op == OpTrunc && x.Op == OpTrunc:
		return mk(v.Op, v.Type, x.Args[0])
	case v.Op == OpSext && x.Op == OpZext:
		return mk(OpZext, v.Type, x.Args[0])
	case v.Op == OpTrunc && (x.Op == OpZext || x.Op == OpSext):
		y := x.Args[0]
		switch {
		case y.Type == v.Type:
			return y
		case y.Type > v.Type:
			return mk(OpTrunc, v.Type, y)
		default:
			return mk(x.Op, v.Type, y)
		}
	}
	return nil
}

func foldSelect(v *Value, mk func(Op, Type, ...*Value) *Value, constant func(Type, uint64) *Value) *Value {
	c, x, y := v.Args[0], v.Args[1], v.Args[2]
	switch {
	case c.Op == OpConst:
		if c.Aux != 0 {
			return x
		}
		return y
	case x == y || x.Op == OpConst && y.Op == OpConst && x.Aux == y.Aux:
		return x
	case c.Op == OpNot:
		return mk(OpSelect, v.Type, c.Args[0], y, x)
	case v.Type == 1 && x.Op == OpConst && y.Op == OpConst: // they differ
		if x.Aux == 1 {
			return c
		}
		return mk(OpNot, 1, c)
	case v.Type == 1 && y.IsConst(0):
		return mk(OpAnd, 1, c, x)
	case v.Type == 1 && x.IsConst(1):
		return mk(OpOr, 1, c, y)
	}
	return nil
}
