package bmv2

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Expressions. bmv2 computes in integers without limit; every operator that can
// leave the range of its type is followed by a mask or two_comp_mod (lang:J6).
// Values in fields and results of data() are in the range of their type: 0 to
// 2^W-1, signed for int<W>, 0 and 1 for bool.

func op(name string, left, right any) obj {
	return obj{{"type", "expression"}, {"value", obj{{"op", name}, {"left", left}, {"right", right}}}}
}

func ternary(cond, a, b any) obj {
	return obj{{"type", "expression"}, {"value", obj{{"op", "?"}, {"left", a}, {"right", b}, {"cond", cond}}}}
}

// hexstr is a number, printed with as many digits as w bits take.
func hexstr(v *big.Int, w int) obj {
	return obj{{"type", "hexstr"}, {"value", hexText(v, w)}}
}

func hexText(v *big.Int, w int) string {
	sign, abs := "", v
	if v.Sign() < 0 {
		sign, abs = "-", new(big.Int).Neg(v)
	}
	return fmt.Sprintf("%s0x%0*s", sign, 2*max(1, ir.ByteWidth(w)), abs.Text(16))
}

func number(n int) obj { return hexstr(big.NewInt(int64(n)), 32) }

func ones(w int) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w))
	return m.Sub(m, big.NewInt(1))
}

func fieldRef(p *place) obj { return obj{{"type", "field"}, {"value", arr{p.header, p.field}}} }

// wrap brings a value back into the range of t.
func wrap(v any, t ir.Type) obj {
	w := ir.Width(t)
	if signed(t) {
		return op("two_comp_mod", v, number(w))
	}
	return op("&", v, hexstr(ones(w), w))
}

// outer makes an expression a parameter of a primitive or parser operation,
// which have it wrapped once more.
func outer(v obj) obj {
	if v[0].v == "expression" {
		return obj{{"type", "expression"}, {"value", v}}
	}
	if v[0].v == "local" {
		return obj{{"type", "runtime_data"}, v[1]}
	}
	return v
}

func isBool(t ir.Type) bool {
	_, is := t.(*ir.Bool)
	return is
}

// data gives e as a number; a bool is 0 or 1.
func (x *exporter) data(e ir.Expr) obj {
	if isBool(e.Type()) {
		if c, is := e.(*ir.Const); is {
			return hexstr(c.Val, 1)
		}
		if v, is := x.scalarRef(e); is {
			return v
		}
		return op("b2d", nil, x.truth(e))
	}
	switch e := e.(type) {
	case *ir.Const:
		return hexstr(e.Val, max(1, ir.Width(e.T)))
	case *ir.VarRef, *ir.Member, *ir.Index:
		v, is := x.scalarRef(e)
		if !is {
			x.fail(e.Pos(), "a value of type "+e.Type().String(), "it is no number")
		}
		return x.fromField(v, e.Type())
	case *ir.StackOp:
		return x.stackOp(e)
	case *ir.Unary:
		if e.Op == ir.Neg {
			return wrap(op("-", hexstr(new(big.Int), 1), x.data(e.X)), e.T)
		}
		return wrap(op("~", nil, x.data(e.X)), e.T)
	case *ir.Binary:
		return x.arithmetic(e)
	case *ir.Cast:
		return x.cast(e)
	case *ir.Mux:
		return ternary(x.truth(e.C), x.data(e.A), x.data(e.B))
	case *ir.Slice:
		v := x.data(e.X)
		if e.Lo > 0 {
			v = op(">>", v, number(e.Lo))
		}
		if e.Hi == ir.Width(e.X.Type())-1 && !signed(e.X.Type()) {
			return v
		}
		return wrap(v, e.T)
	}
	x.fail(e.Pos(), fmt.Sprintf("%T", e), "bmv2 JSON cannot express it as a number")
	return nil
}

// fromField makes the content of a field or of runtime data a value: the one bit
// of int<1> has a sign, and runtime data has none.
func (x *exporter) fromField(v obj, t ir.Type) obj {
	if w := ir.Width(t); signed(t) && (w == 1 || v[0].v == "local") {
		return op("two_comp_mod", v, number(w))
	}
	return v
}

// truth gives e as a bool.
func (x *exporter) truth(e ir.Expr) obj {
	switch e := e.(type) {
	case *ir.Const:
		return obj{{"type", "bool"}, {"value", e.Val.Sign() != 0}}
	case *ir.Unary:
		return op("not", nil, x.truth(e.X))
	case *ir.Binary:
		switch e.Op {
		case ir.LAnd:
			return op("and", x.truth(e.X), x.truth(e.Y))
		case ir.LOr:
			return op("or", x.truth(e.X), x.truth(e.Y))
		case ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge:
			if _, is := e.X.Type().(*ir.Varbit); is {
				return op(e.Op.String(), x.varbit(e.X), x.varbit(e.Y))
			}
			return op(e.Op.String(), x.data(e.X), x.data(e.Y))
		}
	case *ir.Cast:
		return op("d2b", nil, x.data(e.X))
	case *ir.Mux:
		return ternary(x.truth(e.C), x.truth(e.A), x.truth(e.B))
	case *ir.IsValid:
		return x.valid(e)
	}
	v, is := x.scalarRef(e)
	if !is {
		x.fail(e.Pos(), fmt.Sprintf("%T", e), "bmv2 JSON cannot express it as a condition")
	}
	return op("d2b", nil, v)
}

func (x *exporter) valid(e *ir.IsValid) obj {
	p := x.find(e.X)
	switch {
	case p != nil && p.kind == headerPlace:
		return op("d2b", nil, obj{{"type", "field"}, {"value", arr{p.header, "$valid$"}}})
	case p != nil && p.kind == unionPlace:
		return op("valid_union", nil, obj{{"type", "header_union"}, {"value", p.header}})
	}
	if _, is := e.X.Type().(*ir.Union); is {
		return op("valid_union", nil, x.composite(e.X))
	}
	return op("valid", nil, x.composite(e.X))
}

func (x *exporter) arithmetic(e *ir.Binary) obj {
	a, b := x.data(e.X), x.data(e.Y)
	switch e.Op {
	case ir.Add, ir.Sub, ir.Mul:
		return wrap(op(e.Op.String(), a, b), e.T)
	case ir.AddSat, ir.SubSat:
		cast := "usat_cast"
		if signed(e.T) {
			cast = "sat_cast"
		}
		sign := "+"
		if e.Op == ir.SubSat {
			sign = "-"
		}
		return op(cast, op(sign, a, b), number(ir.Width(e.T)))
	case ir.Div, ir.Mod:
		v := op(e.Op.String(), a, b)
		if c, is := e.Y.(*ir.Const); is && c.Val.Sign() != 0 {
			return v
		}
		// A divisor of 0 gives 0, where bmv2 would stop.
		zero := hexstr(new(big.Int), ir.Width(e.T))
		return ternary(op("==", b, zero), zero, v)
	case ir.And, ir.Or, ir.Xor:
		if signed(e.T) {
			return wrap(op(e.Op.String(), a, b), e.T)
		}
		return op(e.Op.String(), a, b)
	case ir.Shl:
		return x.shiftLeft(e, a, b)
	case ir.Shr:
		return x.shiftRight(e, a, b)
	case ir.Concat:
		wb := ir.Width(e.Y.Type())
		hi, lo := x.bits(a, e.X.Type()), x.bits(b, e.Y.Type())
		v := op("|", op("<<", hi, number(wb)), lo)
		if signed(e.T) {
			return wrap(v, e.T)
		}
		return v
	}
	x.fail(e.P, "operator "+e.Op.String(), "bmv2 JSON has no such operator")
	return nil
}

// bits is a value's two's complement as a number without sign.
func (x *exporter) bits(v obj, t ir.Type) obj {
	if !signed(t) {
		return v
	}
	w := ir.Width(t)
	return op("&", v, hexstr(ones(w), w))
}

// maxShift is the shift amount above which bmv2 must not see it: it would
// make a number of that many bits.
const maxShift = 256

func shiftConst(e *ir.Binary) (int, bool) {
	c, is := e.Y.(*ir.Const)
	if !is {
		return 0, false
	}
	if !c.Val.IsInt64() || c.Val.Int64() > int64(ir.Width(e.T)) {
		return ir.Width(e.T), true
	}
	return int(c.Val.Int64()), true
}

func (x *exporter) shiftLeft(e *ir.Binary, a, b obj) obj {
	w := ir.Width(e.T)
	if n, is := shiftConst(e); is {
		return wrap(op("<<", a, number(n)), e.T)
	}
	v := wrap(op("<<", a, b), e.T)
	if yw := ir.Width(e.Y.Type()); yw > 8 {
		v = ternary(op(">", b, number(max(w, maxShift))), hexstr(new(big.Int), w), v)
	}
	return v
}

func (x *exporter) shiftRight(e *ir.Binary, a, b obj) obj {
	if n, is := shiftConst(e); is {
		return op(">>", a, number(n))
	}
	if yw := ir.Width(e.Y.Type()); yw > 8 {
		w := max(ir.Width(e.T), maxShift)
		b = ternary(op(">", b, number(w)), number(w), b)
	}
	return op(">>", a, b)
}

func (x *exporter) cast(e *ir.Cast) obj {
	from, to := e.X.Type(), e.T
	v := x.data(e.X)
	fw, tw := ir.Width(from), ir.Width(to)
	switch {
	case isBool(from):
		if signed(to) && tw == 1 {
			return wrap(v, to)
		}
		return v
	case signed(from) == signed(to) && tw >= fw:
		return v
	case !signed(from) && signed(to) && tw > fw:
		return v
	}
	return wrap(v, to)
}

func (x *exporter) stackOp(e *ir.StackOp) obj {
	p := x.find(e.X)
	if p == nil || p.kind != stackPlace {
		x.fail(e.P, "a property of a stack", "the stack is an element chosen at run time")
	}
	ref := x.composite(e.X)
	switch e.Op {
	case ir.StackLastIndex:
		// Of an empty stack it is 0 here, a negative number in bmv2.
		n := op("size_stack", nil, ref)
		return ternary(op("==", n, number(0)), number(0), op("last_stack_index", nil, ref))
	case ir.StackNextIndex:
		return op("size_stack", nil, ref)
	}
	x.fail(e.P, "next or last of a stack", "bmv2 JSON has it only in extract and as a field of the last element")
	return nil
}

// find is the place of an l-value whose position is known now, or nil.
func (x *exporter) find(e ir.Expr) *place {
	switch e := e.(type) {
	case *ir.VarRef:
		return x.places[e.Var]
	case *ir.Member:
		p := x.find(e.X)
		if p == nil {
			return nil
		}
		return p.kids[ir.FieldIndex(e.X.Type(), e.Field)]
	case *ir.Index:
		p := x.find(e.X)
		c, is := e.I.(*ir.Const)
		if p == nil || !is || !c.Val.IsInt64() || c.Val.Int64() < 0 || c.Val.Int64() >= int64(len(p.kids)) {
			return nil
		}
		return p.kids[c.Val.Int64()]
	}
	return nil
}

// scalarRef refers to a scalar l-value: a field, a parameter of the action, or
// a field of an element chosen at run time.
func (x *exporter) scalarRef(e ir.Expr) (obj, bool) {
	if v, is := e.(*ir.VarRef); is {
		if i, is := x.params[v.Var]; is {
			return obj{{"type", "local"}, {"value", i}}, true
		}
	}
	if p := x.find(e); p != nil {
		if p.kind != scalarPlace {
			return nil, false
		}
		return fieldRef(p), true
	}
	var names []string // from the field to its header
	for {
		m, is := e.(*ir.Member)
		if !is {
			return nil, false
		}
		names = append(names, m.Field)
		e = m.X
		h, is := e.Type().(*ir.Header)
		if !is {
			continue
		}
		return x.headerField(e, h, names), true
	}
}

// headerField is a field of a header that is no fixed instance; names leads to
// it from inside.
func (x *exporter) headerField(h ir.Expr, t *ir.Header, names []string) obj {
	full := names[len(names)-1]
	for i := len(names) - 2; i >= 0; i-- {
		full += "." + names[i]
	}
	if s, is := h.(*ir.StackOp); is && s.Op == ir.StackLast {
		if p := x.find(s.X); p != nil && p.kind == stackPlace {
			return obj{{"type", "stack_field"}, {"value", arr{p.header, full}}}
		}
	}
	var fs []jsonField
	flatten(t, "", &fs)
	for i, f := range fs {
		if f.name == full {
			return op("access_field", x.composite(h), i)
		}
	}
	x.fail(h.Pos(), "field "+full, "the header has no such field")
	return nil
}

// composite refers to a header, union or stack.
func (x *exporter) composite(e ir.Expr) obj {
	if p := x.find(e); p != nil {
		switch p.kind {
		case headerPlace:
			return obj{{"type", "header"}, {"value", p.header}}
		case unionPlace:
			return obj{{"type", "header_union"}, {"value", p.header}}
		case stackPlace:
			if _, is := p.t.(*ir.Stack).Elem.(*ir.Union); is {
				return obj{{"type", "header_union_stack"}, {"value", p.header}}
			}
			return obj{{"type", "header_stack"}, {"value", p.header}}
		}
	}
	switch e := e.(type) {
	case *ir.Index:
		name := "dereference_header_stack"
		if _, is := e.T.(*ir.Union); is {
			name = "dereference_union_stack"
		}
		return op(name, x.composite(e.X), x.data(e.I))
	case *ir.Member:
		if u, is := e.X.Type().(*ir.Union); is {
			return op("access_union_header", x.composite(e.X), ir.FieldIndex(u, e.Field))
		}
	case *ir.StackOp:
		x.fail(e.P, "next or last of a stack", "bmv2 JSON has it only in extract and as a field of the last element")
	}
	x.fail(e.Pos(), "a value of type "+e.Type().String(), "bmv2 JSON has no reference to it")
	return nil
}
