package passes

import "github.com/p4nic/p4nic/compiler/ir"

// equality expands == and != of headers, structs, stacks and unions into
// comparisons of scalars.
//
// Before: calls are ordered, so operands are l-values and literals; no tuples.
// After: Eq and Ne compare scalars and varbits only.
// Source: P4_16 sections 8.16 (headers are equal when both are invalid, or both
// valid and all fields equal), 8.17 (structs), 8.18 (stacks), 8.19 (unions).
func equality(p *ir.Program) error {
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		b, ok := e.(*ir.Binary)
		if !ok || b.Op != ir.Eq && b.Op != ir.Ne || isScalar(b.X.Type()) {
			return e
		}
		eq := equal(b.X, b.Y)
		if b.Op == ir.Ne {
			eq = not(eq)
		}
		return eq
	})
	return nil
}

func equal(x, y ir.Expr) ir.Expr {
	switch t := x.Type().(type) {
	case *ir.Struct:
		return allFields(x, y, t.Fields)
	case *ir.Header:
		// Nothing equals an invalid header but another.
		switch vx, vy := validity(x), validity(y); {
		case isInvalid(x):
			return not(vy)
		case isInvalid(y):
			return not(vx)
		}
		vx, vy := validity(x), validity(y)
		neither := binary(ir.LAnd, not(vx), not(vy))
		both := binary(ir.LAnd, clone(vx), clone(vy))
		if len(t.Fields) > 0 {
			both = binary(ir.LAnd, both, allFields(x, y, t.Fields))
		}
		return binary(ir.LOr, neither, both)
	case *ir.Union:
		return allFields(x, y, t.Fields)
	case *ir.Stack:
		var eqs []ir.Expr
		for i := range t.Size {
			eqs = append(eqs, equal(stackElem(x, t, i), stackElem(y, t, i)))
		}
		return allOf(eqs, x.Pos())
	}
	return binary(ir.Eq, x, y)
}

func isInvalid(x ir.Expr) bool {
	lit, ok := x.(*ir.StructLit)
	return ok && lit.Invalid
}

// allOf joins conditions by &&, as a balanced tree: nesting is bounded in the
// text form.
func allOf(es []ir.Expr, pos ir.Pos) ir.Expr {
	switch len(es) {
	case 0:
		return boolConst(true, pos)
	case 1:
		return es[0]
	}
	mid := len(es) / 2
	return binary(ir.LAnd, allOf(es[:mid], pos), allOf(es[mid:], pos))
}

func allFields(x, y ir.Expr, fs []ir.Field) ir.Expr {
	var eqs []ir.Expr
	for i, f := range fs {
		eqs = append(eqs, equal(part(x, f, i), part(y, f, i)))
	}
	return allOf(eqs, x.Pos())
}

// part is member f, number i, of an l-value or a literal.
func part(x ir.Expr, f ir.Field, i int) ir.Expr {
	if lit, ok := x.(*ir.StructLit); ok {
		if lit.Invalid || i >= len(lit.Fields) {
			return zeroValue(f.Type, x.Pos())
		}
		return clone(lit.Fields[i])
	}
	return member(clone(x), f)
}

func stackElem(x ir.Expr, t *ir.Stack, i int) ir.Expr {
	switch lit := x.(type) {
	case *ir.ListExpr:
		if i < len(lit.Elems) {
			return clone(lit.Elems[i])
		}
		return zeroValue(t.Elem, x.Pos())
	case *ir.StructLit:
		if !lit.Invalid && i < len(lit.Fields) {
			return clone(lit.Fields[i])
		}
		return zeroValue(t.Elem, x.Pos())
	}
	return element(clone(x), t, i)
}

func validity(x ir.Expr) ir.Expr {
	if lit, ok := x.(*ir.StructLit); ok {
		return boolConst(!lit.Invalid, x.Pos())
	}
	return &ir.IsValid{Meta: ir.Meta{T: &ir.Bool{}, P: x.Pos()}, X: clone(x)}
}

// zeroValue is the expression for the value of a new variable.
func zeroValue(t ir.Type, pos ir.Pos) ir.Expr {
	switch x := t.(type) {
	case *ir.Header, *ir.Union, *ir.Stack:
		return &ir.StructLit{Meta: ir.Meta{T: t, P: pos}, Invalid: true}
	case *ir.Struct:
		lit := &ir.StructLit{Meta: ir.Meta{T: t, P: pos}}
		for _, f := range x.Fields {
			lit.Fields = append(lit.Fields, zeroValue(f.Type, pos))
		}
		return lit
	}
	return constant(t, 0, pos)
}

func checkScalarEq(p *ir.Program) error {
	var err error
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		if b, ok := e.(*ir.Binary); ok && (b.Op == ir.Eq || b.Op == ir.Ne) && !isScalar(b.X.Type()) && err == nil {
			err = faultAt(p, b.P, "comparison of %s", b.X.Type())
		}
		return e
	})
	return err
}
