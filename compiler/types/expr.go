package types

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
)

// maxDepth bounds the nesting of expressions and statements.
const maxDepth = 5000

// rvalue checks an expression that is used for its value.
func (c *checker) rvalue(e ast.Expr) TypeAndValue {
	tv := c.expr(e)
	switch tv.Mode {
	case Callable, TypeName:
		c.errorf(codeNotValue, e, "%s is not a value", c.describe(e, tv))
		return c.setBad(e)
	case NoValue:
		if isKind(tv.Type, Void) {
			c.errorf(codeNotValue, e, "this call has no value")
			return c.setBad(e)
		}
	}
	if isBad(tv.Type) {
		return tv
	}
	switch deref(tv.Type).(type) {
	case *TableResult:
		c.errorf(codeNotValue, e, "the result of apply has no value of its own; use .hit, .miss or .action_run")
		return c.setBad(e)
	case *TableType:
		c.errorf(codeNotValue, e, "%s is not a value", c.describe(e, tv))
		return c.setBad(e)
	}
	return tv
}

func (c *checker) set(e ast.Expr, tv TypeAndValue) TypeAndValue {
	tv.Type = deref(tv.Type)
	c.info.Types[e] = tv
	return tv
}

func (c *checker) setBad(e ast.Expr) TypeAndValue {
	return c.set(e, TypeAndValue{Type: bad()})
}

func (c *checker) describe(e ast.Expr, tv TypeAndValue) string {
	switch tv.Mode {
	case TypeName:
		return "a type"
	case Callable:
		if f, ok := deref(tv.Type).(*Func); ok {
			if f.IsAction {
				return "action " + f.Name
			}
			return "function " + f.Name
		}
	case NoValue:
		return "this call"
	}
	return tv.Type.String()
}

// expr checks any expression.
func (c *checker) expr(e ast.Expr) TypeAndValue {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		c.errorf(codeTooDeep, e, "expression nested too deeply")
		return c.setBad(e)
	}
	return c.set(e, c.expr1(e))
}

func (c *checker) expr1(e ast.Expr) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	switch e := e.(type) {
	case *ast.IntLit:
		return c.intLit(e)
	case *ast.BoolLit:
		v := constBool(e.Value)
		return TypeAndValue{Constant, v.Type, v}
	case *ast.StringLit:
		return TypeAndValue{Constant, basic(String), &Const{Type: basic(String), Str: e.Value}}
	case *ast.PathExpr:
		return c.path(e)
	case *ast.TypeExpr:
		return TypeAndValue{TypeName, &TypeType{Of: c.typeOrGeneric(e.Type)}, nil}
	case *ast.ThisExpr:
		if c.body == nil || c.body.this == nil {
			c.errorf(codeNotValue, e, "`this` exists only in the body of an abstract method")
			return fail
		}
		return TypeAndValue{Object_, c.body.this, nil}
	case *ast.MemberExpr:
		return c.member(e)
	case *ast.IndexExpr:
		return c.index(e)
	case *ast.SliceExpr:
		return c.slice(e, e.X, e.Hi, e.Lo)
	case *ast.WidthSliceExpr:
		return c.widthSlice(e)
	case *ast.UnaryExpr:
		return c.unary(e)
	case *ast.BinaryExpr:
		return c.binary(e)
	case *ast.CondExpr:
		return c.cond(e)
	case *ast.CallExpr:
		return c.call(e)
	case *ast.CastExpr:
		return c.cast(e)
	case *ast.ListExpr:
		return c.list(e)
	case *ast.StructExpr:
		return c.record(e)
	case *ast.InvalidExpr:
		return TypeAndValue{Compile, basic(Invalid), nil}
	case *ast.DotsExpr:
		return TypeAndValue{Compile, basic(Dots), nil}
	case *ast.DefaultExpr:
		return TypeAndValue{RValue, &Set{Elem: basic(DontCare)}, nil}
	case *ast.DontCareExpr:
		return TypeAndValue{RValue, basic(DontCare), nil}
	}
	return fail // BadExpr: reported by the parser
}

func (c *checker) intLit(e *ast.IntLit) TypeAndValue {
	if !e.HasWidth {
		return TypeAndValue{Constant, basic(Integer), constInt(basic(Integer), e.Value)}
	}
	t := &Bits{W: e.Width, Signed: e.Signed}
	if e.Width > maxWidth || e.Signed && e.Width == 0 {
		c.errorf(codeBadWidth, e, "the width of a literal must be from %d to %d", map[bool]int{true: 1}[e.Signed], maxWidth)
		return TypeAndValue{Type: bad()}
	}
	v := Wrap(e.Value, t.W, t.Signed)
	if v.Cmp(e.Value) != 0 {
		c.warnf(codeOverflow, e, "%s does not fit %s; it becomes %s", e.Text, t, v)
	}
	return TypeAndValue{Constant, t, constInt(t, v)}
}

func (c *checker) path(e *ast.PathExpr) TypeAndValue {
	o := c.lookup(e.Path)
	if o == nil {
		return TypeAndValue{Type: bad()}
	}
	switch o.Kind {
	case ConstObj:
		if o.Val == nil {
			return TypeAndValue{Compile, o.Type, nil}
		}
		return TypeAndValue{Constant, o.Type, o.Val}
	case CtorParamObj:
		return TypeAndValue{objectMode(o.Type, Compile), o.Type, nil}
	case VarObj, ParamObj:
		if o.ReadOnly {
			return TypeAndValue{objectMode(o.Type, RValue), o.Type, nil}
		}
		return TypeAndValue{objectMode(o.Type, LValue), o.Type, nil}
	case FuncObj, ActionObj:
		return TypeAndValue{Callable, o.Type, nil}
	case TableObj, InstObj:
		return TypeAndValue{Object_, o.Type, nil}
	case ValueSetObj:
		return TypeAndValue{Object_, o.Type, nil}
	case TypeObj:
		return TypeAndValue{TypeName, &TypeType{Of: o.Type}, nil}
	}
	return TypeAndValue{Type: bad()}
}

func objectMode(t Type, m Mode) Mode {
	switch deref(t).(type) {
	case *Extern, *Block:
		return Object_
	}
	return m
}

// join gives the mode of an expression made of two.
func join(a, b Mode) Mode {
	for _, m := range []Mode{a, b} {
		if m != Constant && m != Compile {
			return RValue
		}
	}
	if a == Constant && b == Constant {
		return Constant
	}
	return Compile
}

func (c *checker) index(e *ast.IndexExpr) TypeAndValue {
	x, i := c.expr(e.X), c.rvalue(e.Index)
	if isBad(x.Type) || isBad(i.Type) {
		return TypeAndValue{Type: bad()}
	}
	switch t := deref(x.Type).(type) {
	case *Stack:
		it := Underlying(i.Type)
		if !isNumeric(it) {
			c.errorf(codeBadIndex, e.Index, "an index must be an integer, not %s", i.Type)
			return TypeAndValue{Type: bad()}
		}
		if i.Mode == Constant && !(t.Size == 0 && i.Value.Int.Sign() == 0) && (i.Value.Int.Sign() < 0 || i.Value.Int.Cmp(big.NewInt(int64(t.Size))) >= 0) {
			c.errorf(codeBadIndex, e.Index, "index %s is outside of the %d elements of the stack", i.Value.Int, t.Size)
			return TypeAndValue{Type: bad()}
		}
		m := x.Mode
		if m != LValue {
			m = RValue
		}
		return TypeAndValue{m, t.Elem, nil}
	case *Tuple:
		if i.Mode != Constant || i.Value.Int == nil {
			c.errorf(codeBadIndex, e.Index, "the index of a tuple must be known at compile time")
			return TypeAndValue{Type: bad()}
		}
		n := i.Value.Int
		if n.Sign() < 0 || n.Cmp(big.NewInt(int64(len(t.Elems)))) >= 0 {
			c.errorf(codeBadIndex, e.Index, "index %s is outside of the %d elements of the tuple", n, len(t.Elems))
			return TypeAndValue{Type: bad()}
		}
		out := TypeAndValue{Mode: x.Mode, Type: t.Elems[n.Int64()]}
		if x.Mode == Constant {
			out.Value = elemConst(x.Value, int(n.Int64()))
			if out.Value == nil {
				out.Mode = Compile
			}
		}
		return out
	}
	c.errorf(codeBadIndex, e.X, "a value of type %s has no elements", x.Type)
	return TypeAndValue{Type: bad()}
}

func elemConst(v *Const, i int) *Const {
	if v == nil || i >= len(v.Elems) {
		return nil
	}
	return v.Elems[i]
}

func (c *checker) slice(e, xe, hi, lo ast.Expr) TypeAndValue {
	x := c.rvalue(xe)
	h, ok1 := c.constInt(hi, "the upper end of a slice")
	l, ok2 := c.constInt(lo, "the lower end of a slice")
	if isBad(x.Type) || !ok1 || !ok2 {
		return TypeAndValue{Type: bad()}
	}
	return c.sliceOf(e, x, h, l)
}

func (c *checker) widthSlice(e *ast.WidthSliceExpr) TypeAndValue {
	x := c.rvalue(e.X)
	w, ok := c.constInt(e.Width, "the width of a slice")
	if lo := c.rvalue(e.Lo); ok && lo.Mode != Constant {
		return c.movingSlice(e, x, lo, w)
	}
	l, ok1 := c.constInt(e.Lo, "the start of a slice")
	if isBad(x.Type) || !ok1 || !ok {
		return TypeAndValue{Type: bad()}
	}
	if w < 1 {
		c.errorf(codeBadSlice, e.Width, "the width of a slice must be at least 1")
		return TypeAndValue{Type: bad()}
	}
	return c.sliceOf(e, x, l+w-1, l)
}

// movingSlice checks X[lo+:w] with a start that is known at run time only; bits
// beyond the end of X are zero.
func (c *checker) movingSlice(e *ast.WidthSliceExpr, x, lo TypeAndValue, w int) TypeAndValue {
	if isBad(x.Type) || isBad(lo.Type) {
		return TypeAndValue{Type: bad()}
	}
	b, lb := asBits(x.Type), asBits(lo.Type)
	if b == nil || lb == nil && !isInteger(lo.Type) || lb != nil && lb.Signed {
		c.errorf(codeBadSlice, e, "a value of type %s cannot be sliced from a position of type %s", x.Type, lo.Type)
		return TypeAndValue{Type: bad()}
	}
	if w < 1 || w > b.W {
		c.errorf(codeBadSlice, e.Width, "the width of a slice of %s must be from 1 to %d", b, b.W)
		return TypeAndValue{Type: bad()}
	}
	m := x.Mode
	if m != LValue {
		m = RValue
	}
	return TypeAndValue{Mode: m, Type: &Bits{W: w}}
}

func (c *checker) sliceOf(e ast.Expr, x TypeAndValue, h, l int) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	b := asBits(Underlying(x.Type))
	if _, newtype := deref(x.Type).(*Newtype); newtype {
		b = nil
	}
	switch {
	case b == nil && !isInteger(x.Type):
		c.errorf(codeBadSlice, e, "a value of type %s cannot be sliced", x.Type)
		return fail
	case l < 0 || h < 0:
		c.errorf(codeBadSlice, e, "the ends of a slice cannot be negative")
		return fail
	case h < l:
		c.errorf(codeBadSlice, e, "the upper end %d of a slice is below the lower end %d", h, l)
		return fail
	case b != nil && h >= b.W:
		c.errorf(codeBadSlice, e, "bit %d is outside of %s", h, x.Type)
		return fail
	case h-l >= maxWidth:
		c.errorf(codeBadSlice, e, "the slice is wider than %d bits", maxWidth)
		return fail
	}
	c.info.Slices[e] = [2]int{h, l}
	t := &Bits{W: h - l + 1}
	out := TypeAndValue{Mode: x.Mode, Type: t}
	if x.Mode == Constant {
		out.Value = constInt(t, Wrap(new(big.Int).Rsh(x.Value.Int, uint(l)), t.W, false))
	}
	if _, enum := deref(x.Type).(*Enum); enum && out.Mode == LValue {
		out.Mode = RValue
	}
	return out
}

func (c *checker) cond(e *ast.CondExpr) TypeAndValue {
	cc := c.rvalue(e.Cond)
	a, b := c.rvalue(e.Then), c.rvalue(e.Else)
	if !isBad(cc.Type) && !isBool(cc.Type) {
		c.errorf(codeNotBool, e.Cond, "a condition must be bool, not %s", cc.Type)
	}
	if isBad(a.Type) || isBad(b.Type) || !isBool(cc.Type) {
		return TypeAndValue{Type: bad()}
	}
	var t Type
	switch {
	case isInteger(a.Type) && isInteger(b.Type):
		t = a.Type
		if cc.Mode != Constant && cc.Mode != Compile {
			c.errorf(codeBadOperand, e, "the width of the result is unknown: both sides are of type int")
			return TypeAndValue{Type: bad()}
		}
	default:
		t = common(deref(a.Type), deref(b.Type))
	}
	if t == nil {
		c.errorf(codeMismatch, e, "the two sides have different types, %s and %s", a.Type, b.Type)
		return TypeAndValue{Type: bad()}
	}
	c.warnOverflow(t, e.Then)
	c.warnOverflow(t, e.Else)
	switch deref(t).(type) {
	case *Extern, *Block:
		c.errorf(codeBadOperand, e, "?: cannot choose between objects of type %s", t)
		return TypeAndValue{Type: bad()}
	}
	out := TypeAndValue{Mode: join(cc.Mode, join(a.Mode, b.Mode)), Type: t}
	if cc.Mode == Constant {
		v := a
		if cc.Value.Int.Sign() == 0 {
			v = b
		}
		if v.Mode == Constant {
			out.Mode = Constant
			out.Value = convertConst(v.Value, t)
		} else {
			out.Mode = v.Mode
			if out.Mode == LValue {
				out.Mode = RValue
			}
		}
	}
	return out
}

// hasBad tells whether t or a part of an expression list of type t is wrong and
// reported.
func hasBad(t Type) bool {
	switch x := deref(t).(type) {
	case *Record:
		for _, f := range x.Fields {
			if hasBad(f.Type) {
				return true
			}
		}
	case *Tuple:
		for _, e := range x.Elems {
			if hasBad(e) {
				return true
			}
		}
	}
	return isBad(t)
}

func (c *checker) cast(e *ast.CastExpr) TypeAndValue {
	t := c.typeOrGeneric(e.Type)
	x := c.rvalue(e.X)
	if isBad(t) || hasBad(x.Type) {
		return TypeAndValue{Type: bad()}
	}
	if vars := typeParams(t); len(vars) > 0 {
		args := make([]Type, len(vars))
		for i, v := range vars {
			args[i] = &infer{v: v}
		}
		t = instantiate(t, args)
		if !unify(t, x.Type, true) {
			c.errorf(codeBadCast, e, "cannot make a %s of %s", typeName(t), x.Type)
			return TypeAndValue{Type: bad()}
		}
		t = subst(t, nil)
		c.info.TypeOf[e.Type] = t
	}
	switch y := deref(t).(type) {
	case *Extern, *Block, *Stack:
		if _, ok := y.(*Stack); !ok || !castable(t, x.Type, x.Value) {
			c.errorf(codeBadCast, e, "cannot cast a value of type %s to %s", x.Type, t)
			return TypeAndValue{Type: bad()}
		}
	}
	if !castable(t, x.Type, x.Value) {
		c.errorf(codeBadCast, e, "cannot cast a value of type %s to %s", x.Type, t)
		return TypeAndValue{Type: bad()}
	}
	m := x.Mode
	switch m {
	case Constant, Compile:
	default:
		m = RValue
	}
	out := TypeAndValue{Mode: m, Type: t}
	if m == Constant {
		out.Value = convertConst(x.Value, t)
	}
	return out
}

func (c *checker) list(e *ast.ListExpr) TypeAndValue {
	t := &Tuple{Literal: true}
	v := &Const{Type: t, Elems: []*Const{}}
	mode := Constant
	for i, x := range e.Elems {
		if _, dots := x.(*ast.DotsExpr); dots && i == len(e.Elems)-1 {
			c.expr(x)
			t.Dots = true
			continue
		}
		tv := c.rvalue(x)
		t.Elems = append(t.Elems, tv.Type)
		mode = join(mode, tv.Mode)
		v.Elems = append(v.Elems, tv.Value)
	}
	out := TypeAndValue{Mode: mode, Type: t}
	if mode == Constant {
		out.Value = v
	}
	return out
}

func (c *checker) record(e *ast.StructExpr) TypeAndValue {
	t := &Record{Dots: e.Dots != nil}
	v := &Const{Type: t, Elems: []*Const{}}
	mode := Constant
	for _, f := range e.Fields { // the parser saw to it that names are distinct
		tv := c.rvalue(f.Value)
		t.Fields = append(t.Fields, &Field{Name: f.Name.Name, Type: tv.Type})
		mode = join(mode, tv.Mode)
		v.Elems = append(v.Elems, tv.Value)
	}
	out := TypeAndValue{Mode: mode, Type: t}
	if mode == Constant {
		out.Value = v
	}
	return out
}

func plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
