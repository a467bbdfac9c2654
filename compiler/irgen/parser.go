package irgen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// parser fills in the block of one parser instance.
func (g *gen) parser(e *env, blk *ir.Block, d *ast.ParserDecl) {
	var init []ir.Stmt
	for _, l := range d.Locals {
		switch l := l.(type) {
		case *ast.ValueSetDecl:
			g.valueSet(e, l)
		default:
			init = append(init, g.declStmt(e, l)...)
		}
	}
	// Local variables are initialised once, so a start state that is entered
	// again needs another one before it.
	start := "start"
	if len(init) > 0 && g.reentered(d) {
		start = "start_again"
		for taken := true; taken; {
			taken = false
			for _, s := range d.States {
				if s.Name.Name == start {
					start, taken = start+"_1", true
				}
			}
		}
		blk.States = append(blk.States, &ir.State{Name: "start", Body: init, Trans: ir.Transition{Default: start}, Pos: blk.Pos})
		init = nil
	}
	name := func(id *ast.Ident) string {
		if id == nil {
			return "reject"
		}
		if id.Name == "start" {
			return start
		}
		return id.Name
	}
	// The first state of an IR parser is start.
	for _, s := range ordered(d.States) {
		st := &ir.State{Name: name(s.Name), Annos: g.annos(s.Annotations), Pos: g.pos(s.Name)}
		if s.Name.Name == "start" {
			st.Body = init
		}
		e.unit.fresh++
		st.Body = append(st.Body, g.stmts(e, s.Stmts)...)
		e.unit.fresh--
		st.Trans = g.transition(e, s, name)
		blk.States = append(blk.States, st)
	}
}

func ordered(states []*ast.StateDecl) []*ast.StateDecl {
	var first, rest []*ast.StateDecl
	for _, s := range states {
		if s.Name.Name == "start" {
			first = append(first, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(first, rest...)
}

// reentered tells whether some transition goes to start.
func (g *gen) reentered(d *ast.ParserDecl) bool {
	is := func(id *ast.Ident) bool { return id != nil && id.Name == "start" }
	for _, s := range d.States {
		if s.Transition == nil {
			continue
		}
		if is(s.Transition.Next) {
			return true
		}
		if s.Transition.Select != nil {
			for _, c := range s.Transition.Select.Cases {
				if is(c.State) {
					return true
				}
			}
		}
	}
	return false
}

func (g *gen) valueSet(e *env, d *ast.ValueSetDecl) {
	o := g.info.Defs[d]
	if o == nil {
		return
	}
	vs := &ir.ValueSet{Name: fullName(e.path, d.Annotations, d.Name.Name), Annos: g.annos(d.Annotations), Pos: g.pos(d.Name)}
	vs.Type = g.typ(e, o.Type.(*types.Set).Elem)
	for _, f := range ir.Fields(vs.Type) {
		if ir.Width(f.Type) < 0 {
			g.errorf(codeUnsupported, span(d.Elem), "a value set whose fields are structs is not supported")
		}
	}
	if n, ok := g.static(e, d.Size, nil); ok && n.IsInt64() {
		vs.Size = int(n.Int64())
	}
	if !g.claim("value set", vs.Name, d.Name.Span) {
		return
	}
	e.vals[o] = value{vs: vs}
	g.out.ValueSets = append(g.out.ValueSets, vs)
}

func (g *gen) transition(e *env, s *ast.StateDecl, name func(*ast.Ident) string) ir.Transition {
	t := s.Transition
	if t == nil {
		return ir.Transition{Default: "reject", Pos: g.pos(s.Name)}
	}
	out := ir.Transition{Pos: g.pos(t)}
	if t.Select == nil {
		out.Default = name(t.Next)
		return out
	}
	var kts []types.Type
	for _, x := range t.Select.Exprs {
		keys, ts := g.parts(g.expr(e, x, nil), e.subst(g.info.Types[x].Type))
		out.Keys = append(out.Keys, keys...)
		kts = append(kts, ts...)
	}
	for _, c := range t.Select.Cases {
		if len(c.Keys) == 1 {
			switch c.Keys[0].(type) {
			case *ast.DefaultExpr, *ast.DontCareExpr:
				out.Default = name(c.State)
				return out // what follows is never reached
			}
		}
		out.Cases = append(out.Cases, ir.SelectCase{Sets: g.sets(e, c.Keys, kts), Next: name(c.State), Pos: g.pos(c)})
	}
	return out
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

// sets lowers a keyset; the result has one set for each key.
func (g *gen) sets(e *env, keys []ast.Expr, kts []types.Type) []ir.Set {
	if len(keys) == 1 {
		switch k := keys[0].(type) {
		case *ast.DefaultExpr, *ast.DontCareExpr:
			return make([]ir.Set, len(kts)) // SetAny
		case *ast.ListExpr:
			return g.sets(e, k.Elems, kts)
		}
		if vs := g.valueSetOf(e, keys[0]); vs != nil {
			out := make([]ir.Set, len(kts))
			for i := range out {
				out[i] = ir.Set{Kind: ir.SetValueSet, VS: vs, Index: i}
			}
			return out
		}
	}
	var out []ir.Set
	for _, k := range keys {
		if len(out) == len(kts) {
			break
		}
		l, ok := k.(*ast.ListExpr)
		if !ok {
			out = append(out, g.setOf(e, k, kts[len(out)]))
			continue
		}
		n := len(flatExprs(l))
		if len(out)+n <= len(kts) {
			out = append(out, g.sets(e, l.Elems, kts[len(out):len(out)+n])...)
		}
	}
	for len(out) < len(kts) {
		out = append(out, ir.Set{})
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

// setOf lowers one element of a keyset to constants of the key's type.
func (g *gen) setOf(e *env, x ast.Expr, kt types.Type) ir.Set {
	switch n := x.(type) {
	case *ast.DefaultExpr, *ast.DontCareExpr:
		return ir.Set{}
	case *ast.BinaryExpr:
		if n.Op != ast.OpMask && n.Op != ast.OpRange {
			break
		}
		lo, ok1 := g.keyConst(e, n.X, kt)
		hi, ok2 := g.keyConst(e, n.Y, kt)
		if !ok1 || !ok2 {
			return ir.Set{}
		}
		if n.Op == ast.OpRange {
			if lo.Cmp(hi) > 0 {
				g.errorf(codeNotStatic, n.Span, "the lower end %s of the range is above the upper end %s", lo, hi)
			}
			return ir.Set{Kind: ir.SetRange, Lo: lo, Hi: hi}
		}
		u, _ := types.Underlying(kt).(*types.Bits)
		v := new(big.Int).And(lo, hi)
		if u != nil {
			v = types.Wrap(v, u.W, u.Signed)
		}
		return ir.Set{Kind: ir.SetMask, Lo: v, Hi: hi}
	}
	if vs := g.valueSetOf(e, x); vs != nil {
		return ir.Set{Kind: ir.SetValueSet, VS: vs}
	}
	v, ok := g.keyConst(e, x, kt)
	if !ok {
		return ir.Set{}
	}
	return ir.Set{Kind: ir.SetValue, Lo: v}
}

// keyConst evaluates a value of a keyset in the machine form of the key's type.
func (g *gen) keyConst(e *env, x ast.Expr, kt types.Type) (*big.Int, bool) {
	c, ok := g.expr(e, x, nil).(*ir.Const)
	if !ok {
		g.errorf(codeNotStatic, span(x), "a value to match must be known at compile time")
		return nil, false
	}
	c, ok = g.convert(c, kt).(*ir.Const)
	if !ok {
		return nil, false
	}
	return c.Val, true
}
