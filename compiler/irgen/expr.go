package irgen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// expr lowers an expression. With want it is converted to that type as an
// assignment does; nil leaves the expression its own type.
func (g *gen) expr(e *env, x ast.Expr, want types.Type) ir.Expr {
	tv := g.info.Types[x]
	t := tv.Type
	if t == nil {
		t = &types.Basic{Kind: types.Bad}
	}
	t = e.subst(t)
	if want != nil {
		want = e.subst(want)
		if b, ok := want.(*types.Basic); ok && (b.Kind == types.DontCare || b.Kind == types.Bad) {
			want = nil
		}
	}
	if tv.Mode == types.Constant && tv.Value != nil {
		v := tv.Value
		if want != nil {
			v = v.Convert(want)
			t = want
		}
		if c := g.constant(v, t, g.pos(x)); c != nil {
			return c
		}
	}
	switch n := x.(type) {
	case *ast.ListExpr:
		return g.list(e, n, t, want)
	case *ast.StructExpr:
		return g.record(e, n, t, want)
	case *ast.CondExpr:
		if want == nil {
			want = t
		}
		return g.mux(e, n, want)
	case *ast.InvalidExpr:
		if want == nil {
			want = t
		}
		return &ir.StructLit{Meta: ir.Meta{T: g.conv(want), P: g.pos(x)}, Invalid: true}
	case *ast.DotsExpr:
		if want != nil {
			if z := g.zero(g.conv(want), g.pos(x)); z != nil {
				return z
			}
		}
		g.errorf(codeUnsupported, span(x), "`...` has no default value here")
		return g.bad(x)
	}
	r := g.natural(e, x, t)
	if want != nil {
		r = g.convert(r, want)
	}
	return r
}

// bad stands for an expression after an error was reported.
func (g *gen) bad(x ast.Node) ir.Expr {
	return &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 1}, P: g.pos(x)}, Val: new(big.Int)}
}

// constant makes the IR form of a constant, nil when parts are unknown.
func (g *gen) constant(v *types.Const, t types.Type, p ir.Pos) ir.Expr {
	m := ir.Meta{T: g.conv(t), P: p}
	switch {
	case v == nil:
		return nil
	case v.Int != nil:
		return &ir.Const{Meta: m, Val: new(big.Int).Set(v.Int)}
	case v.Elems != nil:
		var elems []ir.Expr
		for i, c := range v.Elems {
			et := partType(t, i)
			if c == nil || et == nil {
				return nil
			}
			x := g.constant(c, et, p)
			if x == nil {
				return nil
			}
			elems = append(elems, x)
		}
		if holdsList(t) {
			m.T = tupleOf(elems)
			return &ir.ListExpr{Meta: m, Elems: elems}
		}
		switch m.T.(type) {
		case *ir.Struct, *ir.Header:
			return &ir.StructLit{Meta: m, Fields: elems}
		case *ir.Tuple:
			return &ir.ListExpr{Meta: m, Elems: elems}
		}
		return nil
	}
	if _, ok := m.T.(*ir.String); ok {
		return &ir.StringLit{Meta: m, Val: v.Str}
	}
	return nil
}

// partType is the type of the i-th part of an aggregate.
func partType(t types.Type, i int) types.Type {
	switch t := t.(type) {
	case *types.Struct:
		if i < len(t.Fields) {
			return t.Fields[i].Type
		}
	case *types.Record:
		if i < len(t.Fields) {
			return t.Fields[i].Type
		}
	case *types.Tuple:
		if i < len(t.Elems) {
			return t.Elems[i]
		}
	case *types.Stack:
		return t.Elem
	case *types.List:
		return t.Elem
	}
	return nil
}

// convert applies the implicit or explicit cast of a scalar to type t. Constants
// are converted at once.
func (g *gen) convert(x ir.Expr, t types.Type) ir.Expr {
	to := g.conv(t)
	from := x.Type()
	if ir.Identical(from, to) {
		return x
	}
	if _, inf := to.(*ir.InfInt); inf {
		if c, ok := x.(*ir.Const); ok {
			return &ir.Const{Meta: ir.Meta{T: to, P: c.P}, Val: c.Val}
		}
		return x // an int parameter takes a value of run time as it is
	}
	switch to.(type) {
	case *ir.Void, *ir.ExternType, *ir.Tuple, *ir.Struct, *ir.Header, *ir.Union, *ir.Stack, *ir.Varbit:
		return x
	}
	if c, ok := x.(*ir.Const); ok {
		v := c.Val
		switch u := ir.Underlying(to).(type) {
		case *ir.Bit:
			v = types.Wrap(v, u.W, false)
		case *ir.Int:
			v = types.Wrap(v, u.W, true)
		}
		return &ir.Const{Meta: ir.Meta{T: to, P: c.P}, Val: v}
	}
	if f, ok := from.(*ir.Int); ok && ir.Width(to) >= 0 && ir.Width(to) != f.W {
		// Of different signs and widths: the value of an int cast back.
		if b, ok := ir.Underlying(to).(*ir.Bit); ok {
			x = &ir.Cast{Meta: ir.Meta{T: &ir.Int{W: max(b.W, 1)}, P: x.Pos()}, X: x}
		}
	}
	return &ir.Cast{Meta: ir.Meta{T: to, P: x.Pos()}, X: x}
}

func (g *gen) list(e *env, n *ast.ListExpr, t, want types.Type) ir.Expr {
	if want == nil {
		want = t
	}
	m := ir.Meta{T: g.conv(want), P: g.pos(n)}
	var elems []ir.Expr
	for i, x := range n.Elems {
		et := partType(want, i)
		if _, dots := x.(*ast.DotsExpr); dots && i == len(n.Elems)-1 {
			for ; partCount(want) > len(elems); i++ {
				elems = append(elems, g.zero(g.conv(partType(want, i)), m.P))
			}
			break
		}
		elems = append(elems, g.expr(e, x, et))
	}
	if holdsList(want) {
		m.T = tupleOf(elems)
		return &ir.ListExpr{Meta: m, Elems: elems}
	}
	switch m.T.(type) {
	case *ir.Struct, *ir.Header:
		return &ir.StructLit{Meta: m, Fields: elems}
	}
	return &ir.ListExpr{Meta: m, Elems: elems}
}

func partCount(t types.Type) int {
	switch t := t.(type) {
	case *types.Struct:
		return len(t.Fields)
	case *types.Tuple:
		return len(t.Elems)
	case *types.Stack:
		return t.Size
	}
	return 0
}

func (g *gen) record(e *env, n *ast.StructExpr, t, want types.Type) ir.Expr {
	if want == nil {
		want = t
	}
	m := ir.Meta{T: g.conv(want), P: g.pos(n)}
	given := map[string]ast.Expr{}
	for _, f := range n.Fields {
		given[f.Name.Name] = f.Value
	}
	s, ok := want.(*types.Struct)
	if !ok {
		l := &ir.ListExpr{Meta: m}
		for _, f := range n.Fields {
			l.Elems = append(l.Elems, g.expr(e, f.Value, nil))
		}
		return l
	}
	lit := &ir.StructLit{Meta: m}
	for _, f := range s.Fields {
		if x := given[f.Name]; x != nil {
			lit.Fields = append(lit.Fields, g.expr(e, x, f.Type))
		} else {
			lit.Fields = append(lit.Fields, g.zero(g.conv(f.Type), m.P))
		}
	}
	if holdsList(want) {
		m.T = tupleOf(lit.Fields)
		return &ir.ListExpr{Meta: m, Elems: lit.Fields}
	}
	return lit
}

func (g *gen) mux(e *env, n *ast.CondExpr, want types.Type) ir.Expr {
	c := g.expr(e, n.Cond, nil)
	if k, ok := c.(*ir.Const); ok {
		if k.Val.Sign() != 0 {
			return g.expr(e, n.Then, want)
		}
		return g.expr(e, n.Else, want)
	}
	return wideMux(&ir.Mux{Meta: ir.Meta{T: g.conv(want), P: g.pos(n)}, C: c, A: g.expr(e, n.Then, want), B: g.expr(e, n.Else, want)})
}

// natural lowers an expression to its own type t.
func (g *gen) natural(e *env, x ast.Expr, t types.Type) ir.Expr {
	p := g.pos(x)
	switch n := x.(type) {
	case *ast.PathExpr:
		return g.path(e, n)
	case *ast.MemberExpr:
		return g.member(e, n, t)
	case *ast.IndexExpr:
		return g.index(e, n, t)
	case *ast.SliceExpr:
		return g.slice(e, n, n.X, p)
	case *ast.WidthSliceExpr:
		return g.slice(e, n, n.X, p)
	case *ast.UnaryExpr:
		return g.unary(e, n, t, p)
	case *ast.BinaryExpr:
		return g.binary(e, n, t, p)
	case *ast.CastExpr:
		return g.cast(e, n, t)
	case *ast.CallExpr:
		return g.callExpr(e, n, t)
	}
	g.errorf(codeUnsupported, span(x), "this expression cannot stand here")
	return g.bad(x)
}

// cast lowers an explicit cast; casts by way of an underlying type are steps of
// their own where the IR needs them.
func (g *gen) cast(e *env, n *ast.CastExpr, t types.Type) ir.Expr {
	xt := e.subst(g.info.Types[n.X].Type)
	if types.IsLiteral(xt) || types.Identical(xt, t) {
		return g.expr(e, n.X, t)
	}
	switch n.X.(type) {
	case *ast.DotsExpr, *ast.InvalidExpr:
		return g.expr(e, n.X, t)
	}
	x := g.expr(e, n.X, nil)
	if isWide(t, x) {
		return wide(x)
	}
	return g.convert(x, t)
}

func (g *gen) path(e *env, n *ast.PathExpr) ir.Expr {
	o := g.info.Uses[n.Path]
	if v, ok := e.lookup(o); ok {
		switch {
		case v.v != nil:
			return &ir.VarRef{Meta: ir.Meta{T: v.v.Type, P: g.pos(n)}, Var: v.v}
		case v.c != nil:
			return new(ir.Cloner).Expr(v.c)
		case v.inst != nil:
			return objectRef(v.inst, g.pos(n))
		}
		g.errorf(codeUnsupported, n.Span, "object %s cannot be used as a value here", o.Name)
		return g.bad(n)
	}
	if o != nil && o.Kind == types.ConstObj {
		// A constant that the checker could not fold.
		if d, ok := o.Node.(*ast.ConstDecl); ok {
			return g.expr(e, d.Value, o.Type)
		}
	}
	g.errorf(codeUnsupported, n.Span, "%s has no value here", n.Path)
	return g.bad(n)
}

func (g *gen) member(e *env, n *ast.MemberExpr, t types.Type) ir.Expr {
	s := g.info.Members[n]
	p := g.pos(n)
	if s == nil {
		return g.bad(n)
	}
	m := ir.Meta{T: g.conv(t), P: p}
	switch s.Kind {
	case types.FieldSel:
		x := g.expr(e, n.X, nil)
		if lit, ok := x.(*ir.StructLit); ok && !lit.Invalid {
			if i := ir.FieldIndex(lit.T, s.Name); i >= 0 {
				return lit.Fields[i]
			}
		}
		if l, ok := x.(*ir.ListExpr); ok {
			if r, ok := e.subst(g.info.Types[n.X].Type).(*types.Record); ok {
				for i, f := range r.Fields {
					if f.Name == s.Name {
						return l.Elems[i]
					}
				}
			}
		}
		return &ir.Member{Meta: m, X: x, Field: s.Name}
	case types.BuiltinSel:
		op := map[string]ir.StackProp{"next": ir.StackNext, "last": ir.StackLast, "lastIndex": ir.StackLastIndex}
		if k, ok := op[s.Name]; ok {
			return &ir.StackOp{Meta: m, X: g.expr(e, n.X, nil), Op: k}
		}
	case types.TableHitSel:
		return g.tableResult(e, n, s.Name)
	}
	g.errorf(codeUnsupported, n.Span, "%s cannot be used as a value", s.Name)
	return g.bad(n)
}

// tableResult lowers t.apply().hit, .miss and .action_run.
func (g *gen) tableResult(e *env, n *ast.MemberExpr, what string) ir.Expr {
	c, ok := n.X.(*ast.CallExpr)
	if !ok || g.info.Calls[c] == nil {
		g.errorf(codeUnsupported, n.Span, "the result of apply must be used at once")
		return g.bad(n)
	}
	v, ok := e.lookup(g.info.Calls[c].Obj)
	if !ok || v.tbl == nil {
		g.errorf(codeUnsupported, n.Span, "this table cannot be applied here")
		return g.bad(n)
	}
	call := &ir.Call{Meta: ir.Meta{T: &ir.Bool{}, P: g.pos(n)}, Callee: ir.Callee{Table: v.tbl, TableRes: ir.TableHit}}
	switch what {
	case "miss":
		call.TableRes = ir.TableMiss
	case "action_run":
		call.TableRes = ir.TableAction
		call.T = &ir.Bit{W: 32}
	}
	return call
}

func (g *gen) index(e *env, n *ast.IndexExpr, t types.Type) ir.Expr {
	x := g.expr(e, n.X, nil)
	i := g.expr(e, n.Index, nil)
	m := ir.Meta{T: g.conv(t), P: g.pos(n)}
	if _, ok := x.Type().(*ir.Tuple); ok {
		c, ok := i.(*ir.Const)
		if !ok {
			g.errorf(codeNotStatic, span(n.Index), "the index of a tuple must be known at compile time")
			return g.bad(n)
		}
		k := int(c.Val.Int64())
		if l, ok := x.(*ir.ListExpr); ok && k < len(l.Elems) {
			return l.Elems[k]
		}
		return &ir.TupleIndex{Meta: m, X: x, I: k}
	}
	return &ir.Index{Meta: m, X: x, I: g.sized(i)}
}

// sized gives a constant of type int the width 32, for indices and amounts of
// shifts, where any width does; a larger value becomes the largest.
func (g *gen) sized(x ir.Expr) ir.Expr {
	c, ok := x.(*ir.Const)
	if !ok {
		return x
	}
	if _, inf := c.T.(*ir.InfInt); !inf {
		return x
	}
	v := c.Val
	if v.BitLen() > 32 {
		v = big.NewInt(1<<32 - 1)
	}
	return &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}, P: c.P}, Val: v}
}

// argInt gives a constant of type int that goes to an extern a width: 32, or
// what it needs; negative ones are signed.
func argInt(x ir.Expr) ir.Expr {
	c, ok := x.(*ir.Const)
	if !ok {
		return x
	}
	if _, inf := c.T.(*ir.InfInt); !inf {
		return x
	}
	var t ir.Type = &ir.Bit{W: max(32, c.Val.BitLen())}
	if c.Val.Sign() < 0 {
		t = &ir.Int{W: max(32, c.Val.BitLen()+1)}
	}
	return &ir.Const{Meta: ir.Meta{T: t, P: c.P}, Val: c.Val}
}

func (g *gen) slice(e *env, n, xe ast.Expr, p ir.Pos) ir.Expr {
	hl, fixed := g.info.Slices[n]
	if w, ok := n.(*ast.WidthSliceExpr); ok && !fixed {
		return g.movingSlice(e, w, p)
	}
	x := g.expr(e, xe, nil)
	t := &ir.Bit{W: hl[0] - hl[1] + 1}
	if c, ok := x.(*ir.Const); ok {
		return &ir.Const{Meta: ir.Meta{T: t, P: p}, Val: types.Wrap(new(big.Int).Rsh(c.Val, uint(hl[1])), t.W, false)}
	}
	if en, ok := x.Type().(*ir.Enum); ok && en.Underlying != nil {
		x = &ir.Cast{Meta: ir.Meta{T: en.Underlying, P: p}, X: x}
	}
	return &ir.Slice{Meta: ir.Meta{T: t, P: p}, X: x, Hi: hl[0], Lo: hl[1]}
}

// movingSlice lowers X[lo+:w] with a start of run time to (X >> lo)[w-1:0].
func (g *gen) movingSlice(e *env, n *ast.WidthSliceExpr, p ir.Pos) ir.Expr {
	t, ok := g.conv(e.subst(g.info.Types[n].Type)).(*ir.Bit)
	if !ok {
		return g.bad(n)
	}
	x := g.expr(e, n.X, nil)
	if it, ok := x.Type().(*ir.Int); ok {
		x = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: it.W}, P: p}, X: x}
	}
	shifted := &ir.Binary{Meta: ir.Meta{T: x.Type(), P: p}, Op: ir.Shr, X: x, Y: g.sized(g.expr(e, n.Lo, nil))}
	return &ir.Slice{Meta: ir.Meta{T: t, P: p}, X: shifted, Hi: t.W - 1}
}

func (g *gen) unary(e *env, n *ast.UnaryExpr, t types.Type, p ir.Pos) ir.Expr {
	x := g.expr(e, n.X, t)
	m := ir.Meta{T: g.conv(t), P: p}
	if n.Op == ast.OpPlus {
		return x
	}
	if n.Op == ast.OpNeg && isWide(t, x) {
		return wideNeg(x, p)
	}
	op := map[ast.Op]ir.Op{ast.OpNeg: ir.Neg, ast.OpCompl: ir.BNot, ast.OpNot: ir.LNot}[n.Op]
	if c, ok := x.(*ir.Const); ok {
		v := new(big.Int)
		switch n.Op {
		case ast.OpNeg:
			v.Neg(c.Val)
		case ast.OpCompl:
			v.Not(c.Val)
		case ast.OpNot:
			if c.Val.Sign() == 0 {
				v.SetInt64(1)
			}
		}
		if n.Op == ast.OpNot {
			return &ir.Const{Meta: m, Val: v}
		}
		return g.convert(&ir.Const{Meta: ir.Meta{T: &ir.InfInt{}, P: p}, Val: v}, t)
	}
	return &ir.Unary{Meta: m, Op: op, X: x}
}

// irOp maps binary operators.
func irOp(op ast.Op) (ir.Op, bool) {
	switch op {
	case ast.OpMul:
		return ir.Mul, true
	case ast.OpDiv:
		return ir.Div, true
	case ast.OpMod:
		return ir.Mod, true
	case ast.OpAdd:
		return ir.Add, true
	case ast.OpSub:
		return ir.Sub, true
	case ast.OpAddSat:
		return ir.AddSat, true
	case ast.OpSubSat:
		return ir.SubSat, true
	case ast.OpConcat:
		return ir.Concat, true
	case ast.OpShl:
		return ir.Shl, true
	case ast.OpShr:
		return ir.Shr, true
	case ast.OpLe:
		return ir.Le, true
	case ast.OpGe:
		return ir.Ge, true
	case ast.OpLt:
		return ir.Lt, true
	case ast.OpGt:
		return ir.Gt, true
	case ast.OpEq:
		return ir.Eq, true
	case ast.OpNe:
		return ir.Ne, true
	case ast.OpAnd:
		return ir.And, true
	case ast.OpXor:
		return ir.Xor, true
	case ast.OpOr:
		return ir.Or, true
	case ast.OpLAnd:
		return ir.LAnd, true
	case ast.OpLOr:
		return ir.LOr, true
	}
	return 0, false
}

func (g *gen) binary(e *env, n *ast.BinaryExpr, t types.Type, p ir.Pos) ir.Expr {
	xt, yt := types.OperandTypes(n.Op, e.subst(g.info.Types[n.X].Type), e.subst(g.info.Types[n.Y].Type))
	if xt == nil || yt == nil {
		g.errorf(codeUnsupported, n.Span, "operator %s cannot stand here", n.Op)
		return g.bad(n)
	}
	x, y := g.expr(e, n.X, xt), g.expr(e, n.Y, yt)
	return g.binop(n, n.Op, x, y, xt, t, p)
}

// binop makes x op y of type t; xt is the type of the operands.
func (g *gen) binop(n ast.Node, op ast.Op, x, y ir.Expr, xt, t types.Type, p ir.Pos) ir.Expr {
	k, ok := irOp(op)
	if !ok {
		g.errorf(codeUnsupported, span(n), "operator %s cannot stand here", op)
		return g.bad(n)
	}
	if isWide(xt, x, y) {
		return g.wideBinary(n, op, x, y, p)
	}
	m := ir.Meta{T: g.conv(t), P: p}
	cx, okx := x.(*ir.Const)
	cy, oky := y.(*ir.Const)
	if (op == ast.OpDiv || op == ast.OpMod) && oky && cy.Val.Sign() == 0 {
		g.errorf(codeNotStatic, span(n), "division by zero")
		return g.bad(n)
	}
	if okx && (op == ast.OpLAnd || op == ast.OpLOr) && (cx.Val.Sign() != 0) == (op == ast.OpLOr) {
		return cx
	}
	if okx && oky && op != ast.OpConcat {
		w, signed, inf := 0, false, false
		switch u := ir.Underlying(g.conv(xt)).(type) {
		case *ir.Bit:
			w = u.W
		case *ir.Int:
			w, signed = u.W, true
		default:
			inf = true
		}
		if v := types.FoldBinary(op, cx.Val, cy.Val, w, signed, inf); v != nil && v.BitLen() <= 1<<20 {
			return &ir.Const{Meta: m, Val: v}
		}
	}
	if op == ast.OpShl || op == ast.OpShr {
		y = g.sized(y)
	}
	return &ir.Binary{Meta: m, Op: k, X: x, Y: y}
}
