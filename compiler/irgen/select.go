package irgen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// transition lowers the end of a state. pre are statements that belong at the
// end of its body.
func (g *gen) transition(e *env, s *ast.StateDecl, name func(*ast.Ident) string) (out ir.Transition, pre []ir.Stmt) {
	t := s.Transition
	if t == nil {
		return ir.Transition{Default: "reject", Pos: g.pos(s.Name)}, nil
	}
	out.Pos = g.pos(t)
	if t.Select == nil {
		out.Default = name(t.Next)
		return out, nil
	}
	var kts []types.Type
	for _, x := range t.Select.Exprs {
		keys, ts := g.parts(g.expr(e, x, nil), e.subst(g.info.Types[x].Type))
		out.Keys = append(out.Keys, keys...)
		kts = append(kts, ts...)
	}
	var sets [][]element
	for _, c := range t.Select.Cases {
		if len(c.Keys) == 1 && isDefault(c.Keys[0]) {
			out.Default = name(c.State)
			break // what follows is never reached
		}
		els := g.keyset(e, c.Keys, kts)
		if emptyRange(els) != nil {
			continue // never taken; the checker warned
		}
		sets = append(sets, els)
		out.Cases = append(out.Cases, ir.SelectCase{Next: name(c.State), Pos: g.pos(c)})
	}
	pre = g.runTimeSets(e, &out, sets, s)
	return out, pre
}

func isDefault(x ast.Expr) bool {
	switch x.(type) {
	case *ast.DefaultExpr, *ast.DontCareExpr:
		return true
	}
	return false
}

// element is one part of a keyset: a set of the IR, or (lo not nil) one whose
// values are known at run time only.
type element struct {
	set    ir.Set
	lo, hi ir.Expr
	at     ast.Expr // nil where nothing is written
}

func emptyRange(els []element) *element {
	for i, el := range els {
		if el.lo == nil && el.set.Kind == ir.SetRange && el.set.Lo.Cmp(el.set.Hi) > 0 {
			return &els[i]
		}
	}
	return nil
}

// runTimeSets fills in the sets of the cases. The IR has constants there; a case
// with values of run time gets a key of its own, the condition that it states,
// which is true (1) for it and anything for the others.
func (g *gen) runTimeSets(e *env, t *ir.Transition, sets [][]element, at ast.Node) (pre []ir.Stmt) {
	n := len(t.Keys)
	conds := make([]ir.Expr, len(sets))
	dynamic := 0
	for i, els := range sets {
		for k, el := range els {
			if el.lo == nil {
				t.Cases[i].Sets = append(t.Cases[i].Sets, el.set)
				continue
			}
			if hasCall(t.Keys[k]) { // evaluated once
				v := g.local(e, "key", t.Keys[k].Type(), at)
				pre = append(pre, &ir.Assign{SMeta: ir.SMeta{P: t.Pos}, L: &ir.VarRef{Meta: ir.Meta{T: v.Type, P: t.Pos}, Var: v}, R: t.Keys[k]})
				t.Keys[k] = &ir.VarRef{Meta: ir.Meta{T: v.Type, P: t.Pos}, Var: v}
			}
			c := el.test(t.Keys[k])
			if conds[i] != nil {
				c = &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: c.Pos()}, Op: ir.LAnd, X: conds[i], Y: c}
			}
			conds[i] = c
			t.Cases[i].Sets = append(t.Cases[i].Sets, ir.Set{})
		}
		if conds[i] != nil {
			dynamic++
		}
	}
	if dynamic == 0 {
		return pre
	}
	for i, c := range conds {
		if c != nil {
			t.Keys = append(t.Keys, c)
		}
		for len(t.Cases[i].Sets) < n+dynamic {
			set := ir.Set{}
			if c != nil && len(t.Cases[i].Sets) == len(t.Keys)-1 {
				set = ir.Set{Kind: ir.SetValue, Lo: big.NewInt(1)}
			}
			t.Cases[i].Sets = append(t.Cases[i].Sets, set)
		}
	}
	return pre
}

// test is the condition that the element states of a key.
func (el *element) test(key ir.Expr) ir.Expr {
	bin := func(op ir.Op, t ir.Type, x, y ir.Expr) ir.Expr {
		return &ir.Binary{Meta: ir.Meta{T: t, P: el.lo.Pos()}, Op: op, X: x, Y: y}
	}
	clone := func(x ir.Expr) ir.Expr { return new(ir.Cloner).Expr(x) }
	b := &ir.Bool{}
	switch el.set.Kind {
	case ir.SetMask:
		t := key.Type()
		return bin(ir.Eq, b, bin(ir.And, t, clone(key), clone(el.hi)), bin(ir.And, t, clone(el.lo), clone(el.hi)))
	case ir.SetRange:
		return bin(ir.LAnd, b, bin(ir.Le, b, clone(el.lo), clone(key)), bin(ir.Le, b, clone(key), clone(el.hi)))
	}
	return bin(ir.Eq, b, clone(key), clone(el.lo))
}

// parts splits a key that is a tuple or struct into its scalar parts.
func (g *gen) parts(x ir.Expr, t types.Type) (keys []ir.Expr, kts []types.Type) {
	n := partCount(t)
	switch t.(type) {
	case *types.Tuple, *types.Struct:
	default:
		return []ir.Expr{x}, []types.Type{t}
	}
	for i := range n {
		pt := partType(t, i)
		m := ir.Meta{T: g.conv(pt), P: x.Pos()}
		var part ir.Expr
		switch y := x.(type) {
		case *ir.ListExpr:
			part = y.Elems[i]
		case *ir.StructLit:
			part = y.Fields[i]
		default:
			if s, ok := t.(*types.Struct); ok {
				part = &ir.Member{Meta: m, X: x, Field: s.Fields[i].Name}
			} else {
				part = &ir.TupleIndex{Meta: m, X: x, I: i}
			}
		}
		k, ts := g.parts(part, pt)
		keys = append(keys, k...)
		kts = append(kts, ts...)
	}
	return keys, kts
}

// sets lowers the keyset of an entry, whose values are known at compile time; the
// result has one set for each key.
func (g *gen) sets(e *env, keys []ast.Expr, kts []types.Type) []ir.Set {
	out := make([]ir.Set, len(kts))
	for i, el := range g.keyset(e, keys, kts) {
		out[i] = el.set
		if el.lo != nil {
			g.errorf(codeNotStatic, span(el.at), "a value to match must be known at compile time")
			out[i] = ir.Set{}
		}
	}
	if el := emptyRange(elements(out)); el != nil {
		g.errorf(codeNotStatic, span(keys[0]), "the lower end %s of the range is above the upper end %s", el.set.Lo, el.set.Hi)
	}
	return out
}

func elements(sets []ir.Set) []element {
	out := make([]element, len(sets))
	for i, s := range sets {
		out[i].set = s
	}
	return out
}

// keyset lowers a keyset; the result has one element for each key.
func (g *gen) keyset(e *env, keys []ast.Expr, kts []types.Type) []element {
	if len(keys) == 1 {
		switch k := keys[0].(type) {
		case *ast.DefaultExpr, *ast.DontCareExpr:
			return make([]element, len(kts)) // SetAny
		case *ast.ListExpr:
			return g.keyset(e, k.Elems, kts)
		}
		if vs := g.valueSetOf(e, keys[0]); vs != nil {
			out := make([]element, len(kts))
			for i := range out {
				out[i].set = ir.Set{Kind: ir.SetValueSet, VS: vs, Index: i}
			}
			return out
		}
	}
	var out []element
	for _, k := range keys {
		left := kts[len(out):]
		if len(left) == 0 {
			break
		}
		if l, ok := k.(*ast.ListExpr); ok {
			if n := len(flatExprs(l)); n <= len(left) {
				out = append(out, g.keyset(e, l.Elems, left[:n])...)
			}
			continue
		}
		switch t := e.subst(g.info.Types[k].Type).(type) {
		case *types.Tuple, *types.Struct:
			xs, _ := g.parts(g.expr(e, k, nil), t)
			for i, x := range xs {
				if i < len(left) {
					out = append(out, g.valueElement(x, left[i], k))
				}
			}
			continue
		}
		out = append(out, g.setOf(e, k, left[0]))
	}
	for len(out) < len(kts) {
		out = append(out, element{})
	}
	return out
}

// flatExprs are the scalar parts of a nested list.
func flatExprs(l *ast.ListExpr) []ast.Expr {
	var out []ast.Expr
	for _, x := range l.Elems {
		if y, ok := x.(*ast.ListExpr); ok {
			out = append(out, flatExprs(y)...)
		} else {
			out = append(out, x)
		}
	}
	return out
}

func (g *gen) valueSetOf(e *env, x ast.Expr) *ir.ValueSet {
	p, ok := x.(*ast.PathExpr)
	if !ok {
		return nil
	}
	v, _ := e.lookup(g.info.Uses[p.Path])
	return v.vs
}

// setOf lowers one element of a keyset for a key of type kt.
func (g *gen) setOf(e *env, x ast.Expr, kt types.Type) element {
	if isDefault(x) {
		return element{}
	}
	if vs := g.valueSetOf(e, x); vs != nil {
		return element{set: ir.Set{Kind: ir.SetValueSet, VS: vs}}
	}
	n, ok := x.(*ast.BinaryExpr)
	if !ok || n.Op != ast.OpMask && n.Op != ast.OpRange {
		return g.valueElement(g.expr(e, x, nil), kt, x)
	}
	lo, hi := g.convert(g.expr(e, n.X, nil), kt), g.convert(g.expr(e, n.Y, nil), kt)
	el := element{lo: lo, hi: hi, at: x}
	el.set.Kind = ir.SetMask
	if n.Op == ast.OpRange {
		el.set.Kind = ir.SetRange
	}
	cl, ok1 := lo.(*ir.Const)
	ch, ok2 := hi.(*ir.Const)
	if !ok1 || !ok2 {
		return g.runTime(el)
	}
	el.lo, el.hi = nil, nil
	el.set.Lo, el.set.Hi = cl.Val, ch.Val
	if n.Op == ast.OpMask {
		el.set.Lo = new(big.Int).And(cl.Val, ch.Val)
		if u, _ := types.Underlying(kt).(*types.Bits); u != nil {
			el.set.Lo = types.Wrap(el.set.Lo, u.W, u.Signed)
		}
	}
	return el
}

// valueElement is the set of the one value x, in the form of the key's type.
func (g *gen) valueElement(x ir.Expr, kt types.Type, at ast.Expr) element {
	x = g.convert(x, kt)
	if c, ok := x.(*ir.Const); ok {
		return element{set: ir.Set{Kind: ir.SetValue, Lo: c.Val}, at: at}
	}
	return g.runTime(element{set: ir.Set{Kind: ir.SetValue}, lo: x, at: at})
}

// runTime refuses calls in an element: how often it is evaluated is open.
func (g *gen) runTime(el element) element {
	if hasCall(el.lo) || el.hi != nil && hasCall(el.hi) {
		g.errorf(codeNotStatic, span(el.at), "a value to match cannot be computed by a call")
	}
	return el
}
