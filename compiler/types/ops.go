package types

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
)

func (c *checker) unary(e *ast.UnaryExpr) TypeAndValue {
	x := c.rvalue(e.X)
	if isBad(x.Type) {
		return x
	}
	t := x.Type
	if en, ok := deref(t).(*Enum); ok && en.Underlying != nil {
		t = en.Underlying
	}
	ok := false
	switch e.Op {
	case ast.OpNot:
		ok = isBool(t)
	case ast.OpCompl:
		ok = asBits(t) != nil
	case ast.OpNeg, ast.OpPlus:
		ok = isNumeric(t)
	}
	if !ok {
		c.errorf(codeBadOperand, e, "operator %s cannot be applied to a value of type %s", e.Op, x.Type)
		return TypeAndValue{Type: bad()}
	}
	out := TypeAndValue{Mode: join(x.Mode, Constant), Type: t}
	if x.Mode == Constant {
		out.Value = foldUnary(e.Op, x.Value, t)
	}
	return out
}

func (c *checker) binary(e *ast.BinaryExpr) TypeAndValue {
	if e.Op == ast.OpMask || e.Op == ast.OpRange {
		return c.setExpr(e)
	}
	x, y := c.rvalue(e.X), c.rvalue(e.Y)
	if isBad(x.Type) || isBad(y.Type) {
		return TypeAndValue{Type: bad()}
	}
	t, xt, ok := c.binaryType(e, x, y)
	if !ok {
		return TypeAndValue{Type: bad()}
	}
	out := TypeAndValue{Mode: join(x.Mode, y.Mode), Type: t}
	if (e.Op == ast.OpDiv || e.Op == ast.OpMod) && y.Mode == Constant {
		if y.Value.Int.Sign() == 0 {
			c.errorf(codeDivZero, e.Y, "division by zero")
			return TypeAndValue{Type: bad()}
		}
	}
	if (e.Op == ast.OpLAnd || e.Op == ast.OpLOr) && x.Mode == Constant {
		// Short circuit: the other side may be unknown.
		if (x.Value.Int.Sign() != 0) == (e.Op == ast.OpLOr) {
			out.Mode = Constant
			out.Value = x.Value
			return out
		}
	}
	if out.Mode == Constant {
		out.Value = c.foldBinary(e, x.Value, y.Value, xt, t)
		if out.Value == nil {
			out.Mode = Compile
		}
	}
	return out
}

func (c *checker) foldBinary(e *ast.BinaryExpr, x, y *Const, xt, t Type) *Const {
	switch e.Op {
	case ast.OpConcat:
		if isKind(t, String) {
			return &Const{Type: t, Str: x.Str + y.Str}
		}
		a, b := asBits(x.Type), asBits(y.Type)
		if a == nil || b == nil || x.Int == nil || y.Int == nil {
			return nil
		}
		r := new(big.Int).Lsh(Wrap(x.Int, a.W, false), uint(b.W))
		r.Or(r, Wrap(y.Int, b.W, false))
		return convertConst(constInt(t, r), t)
	case ast.OpEq, ast.OpNe:
		if isKind(xt, String) {
			return constBool((x.Str == y.Str) == (e.Op == ast.OpEq))
		}
		same, ok := sameConst(convertConst(x, xt), convertConst(y, xt))
		if !ok {
			return nil
		}
		return constBool(same == (e.Op == ast.OpEq))
	}
	if x.Int == nil || y.Int == nil {
		return nil
	}
	w, signed, inf := 0, false, true
	if b := asBits(Underlying(xt)); b != nil {
		w, signed, inf = b.W, b.Signed, false
	}
	a, b := convertConst(x, xt).Int, y.Int
	if e.Op != ast.OpShl && e.Op != ast.OpShr {
		b = convertConst(y, xt).Int
	}
	if inf && e.Op == ast.OpMul && a.BitLen()+b.BitLen() > maxWidth {
		c.errorf(codeBadOperand, e, "the result exceeds %d bits", maxWidth)
		return nil
	}
	r := FoldBinary(e.Op, a, b, w, signed, inf)
	if r == nil {
		c.errorf(codeBadOperand, e, "the amount %s cannot be shifted by", b)
		return nil
	}
	return &Const{Type: t, Int: r}
}

// binaryType gives the type of the result and the common type of the operands
// (for shifts that of the left one).
func (c *checker) binaryType(e *ast.BinaryExpr, x, y TypeAndValue) (result, operand Type, ok bool) {
	xt, yt := deref(x.Type), deref(y.Type)
	mismatch := func() (Type, Type, bool) {
		c.errorf(codeBadOperand, e, "operator %s cannot be applied to values of types %s and %s", e.Op, x.Type, y.Type)
		return nil, nil, false
	}
	switch e.Op {
	case ast.OpEq, ast.OpNe:
		t := common(xt, yt)
		if t == nil || !comparable(t) {
			return mismatch()
		}
		if _, lit := t.(*Tuple); !lit {
			c.warnOverflow(t, e.X)
			c.warnOverflow(t, e.Y)
		}
		return basic(Bool), t, true
	}
	// Elsewhere a serializable enum counts as its underlying type.
	xt, yt = enumBits(xt), enumBits(yt)
	switch e.Op {
	case ast.OpLAnd, ast.OpLOr:
		if !isBool(xt) || !isBool(yt) {
			return mismatch()
		}
		return xt, xt, true
	case ast.OpConcat:
		if isKind(xt, String) && isKind(yt, String) {
			if join(x.Mode, y.Mode) == RValue {
				c.errorf(codeNotConstant, e, "strings can be joined only at compile time")
				return nil, nil, false
			}
			return xt, xt, true
		}
		a, b := asBits(xt), asBits(yt)
		if a == nil || b == nil {
			return mismatch()
		}
		if a.W+b.W > maxWidth {
			c.errorf(codeBadWidth, e, "the result is wider than %d bits", maxWidth)
			return nil, nil, false
		}
		return &Bits{W: a.W + b.W, Signed: a.Signed}, xt, true
	case ast.OpShl, ast.OpShr:
		if !isNumeric(xt) || !isNumeric(yt) {
			return mismatch()
		}
		if b := asBits(yt); b != nil && b.Signed && (y.Mode != Constant || y.Value.Int.Sign() < 0) {
			c.errorf(codeBadOperand, e.Y, "the amount of a shift must be unsigned, not %s", y.Type)
			return nil, nil, false
		}
		if isInteger(yt) {
			if y.Mode == Constant && y.Value.Int.Sign() < 0 {
				c.errorf(codeBadOperand, e.Y, "the amount of a shift cannot be negative")
				return nil, nil, false
			}
			if y.Mode != Constant && y.Mode != Compile {
				return mismatch()
			}
		}
		if isInteger(xt) && y.Mode != Constant && y.Mode != Compile {
			c.errorf(codeBadOperand, e.X, "the width of the shifted value is unknown")
			return nil, nil, false
		}
		if b := asBits(xt); b != nil && y.Mode == Constant && y.Value.Int.Cmp(big.NewInt(int64(b.W))) >= 0 && b.W > 0 {
			c.warnf(codeOverflow, e, "shifting %s by %s leaves nothing of the value", xt, y.Value.Int)
		}
		return xt, xt, true
	}
	t := common(xt, yt)
	if t == nil || !isNumeric(t) {
		return mismatch()
	}
	b := asBits(t)
	switch e.Op {
	case ast.OpAddSat, ast.OpSubSat:
		if b == nil {
			return mismatch()
		}
	case ast.OpDiv, ast.OpMod:
		if b != nil && b.Signed {
			return mismatch()
		}
		{
			for _, v := range []TypeAndValue{x, y} {
				if v.Mode == Constant && v.Value.Int.Sign() < 0 {
					c.errorf(codeBadOperand, e, "operator %s is not defined for negative values", e.Op)
					return nil, nil, false
				}
			}
		}
	case ast.OpLt, ast.OpLe, ast.OpGt, ast.OpGe:
		c.warnOverflow(t, e.X)
		c.warnOverflow(t, e.Y)
		return basic(Bool), t, true
	}
	c.warnOverflow(t, e.X)
	c.warnOverflow(t, e.Y)
	return t, t, true
}

func enumBits(t Type) Type {
	if e, ok := t.(*Enum); ok && e.Underlying != nil {
		return e.Underlying
	}
	return t
}

// common is the type that both operands convert to, or nil.
func common(x, y Type) Type {
	switch _, record := x.(*Record); {
	case record && isLiteral(y):
		return nil // neither side says what types the fields have
	case Identical(x, y):
		return x
	case isInteger(x) && asBits(y) != nil:
		return y
	case isInteger(y) && asBits(x) != nil:
		return x
	}
	ex, _ := x.(*Enum)
	ey, _ := y.(*Enum)
	switch {
	case ex != nil && ey != nil:
		if ex.Underlying == nil || ey.Underlying == nil {
			return nil
		}
		return common(ex.Underlying, ey.Underlying)
	case ex != nil && ex.Underlying != nil:
		return common(ex.Underlying, y)
	case ey != nil && ey.Underlying != nil:
		return common(x, ey.Underlying)
	}
	if isLiteral(y) && unify(x, y, true) {
		return x
	}
	if isLiteral(x) && unify(y, x, true) {
		return y
	}
	return nil
}

func isLiteral(t Type) bool {
	switch t := t.(type) {
	case *Tuple:
		return t.Literal
	case *Record:
		return true
	case *Basic:
		return t.Kind == Invalid
	}
	return false
}

// comparable tells whether == is defined for a type (L71).
func comparable(t Type) bool {
	switch x := deref(t).(type) {
	case *Basic:
		switch x.Kind {
		case Bool, Error, Integer, String, Bad:
			return true
		}
		return false
	case *Bits, *Enum:
		return true
	case *Newtype:
		return comparable(x.Of)
	case *Struct:
		for _, f := range x.Fields {
			if !comparable(f.Type) {
				return false
			}
		}
		return true
	case *Stack:
		return comparable(x.Elem)
	case *Tuple:
		for _, e := range x.Elems {
			if !comparable(e) {
				return false
			}
		}
		return true
	case *Record:
		for _, f := range x.Fields {
			if !comparable(f.Type) {
				return false
			}
		}
		return true
	}
	return false
}

// setExpr checks `x &&& y` and `x .. y`.
func (c *checker) setExpr(e *ast.BinaryExpr) TypeAndValue {
	x, y := c.rvalue(e.X), c.rvalue(e.Y)
	if isBad(x.Type) || isBad(y.Type) {
		return TypeAndValue{Type: bad()}
	}
	t := common(deref(x.Type), deref(y.Type))
	if t == nil || !isNumeric(Underlying(t)) {
		c.errorf(codeBadOperand, e, "operator %s cannot be applied to values of types %s and %s", e.Op, x.Type, y.Type)
		return TypeAndValue{Type: bad()}
	}
	if e.Op == ast.OpRange && x.Mode == Constant && y.Mode == Constant && x.Value.Int.Cmp(y.Value.Int) > 0 {
		c.warnf(codeEmptyRange, e, "the lower end %s of the range is above the upper end %s: it is empty", x.Value.Int, y.Value.Int)
	}
	return TypeAndValue{Mode: RValue, Type: &Set{Elem: t}}
}
