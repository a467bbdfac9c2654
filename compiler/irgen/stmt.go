package irgen

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

func (g *gen) block(e *env, b *ast.BlockStmt) []ir.Stmt {
	if b == nil {
		return nil
	}
	return g.stmts(e, b.Stmts)
}

func (g *gen) stmts(e *env, list []ast.Stmt) []ir.Stmt {
	var out []ir.Stmt
	for _, s := range list {
		out = append(out, g.stmt(e, s)...)
	}
	return out
}

func (g *gen) stmt(e *env, s ast.Stmt) []ir.Stmt {
	m := ir.SMeta{P: g.pos(s)}
	switch s := s.(type) {
	case *ast.AssignStmt:
		return g.assign(e, s, m)
	case *ast.CallStmt:
		return g.callStmt(e, s.Call)
	case *ast.BlockStmt:
		return g.block(e, s)
	case *ast.IfStmt:
		return g.ifStmt(e, s, m)
	case *ast.SwitchStmt:
		return g.switchStmt(e, s, m)
	case *ast.ForStmt:
		return g.forStmt(e, s, m)
	case *ast.ForInStmt:
		return g.forIn(e, s, m)
	case *ast.BreakStmt:
		if l := e.unit.loops; len(l) > 0 {
			return []ir.Stmt{&ir.Leave{SMeta: m, Label: l[len(l)-1].brk}}
		}
	case *ast.ContinueStmt:
		if l := e.unit.loops; len(l) > 0 {
			return []ir.Stmt{&ir.Leave{SMeta: m, Label: l[len(l)-1].cont}}
		}
	case *ast.ReturnStmt:
		r := &ir.Return{SMeta: m}
		if s.Value != nil {
			r.X = g.expr(e, s.Value, e.unit.result)
		}
		return []ir.Stmt{r}
	case *ast.ExitStmt:
		return []ir.Stmt{&ir.Exit{SMeta: m}}
	case *ast.DeclStmt:
		return g.declStmt(e, s.Decl)
	}
	return nil
}

// declStmt lowers a declaration among statements.
func (g *gen) declStmt(e *env, d ast.Decl) []ir.Stmt {
	switch d := d.(type) {
	case *ast.VarDecl:
		return g.varDecl(e, d)
	case *ast.ConstDecl:
		g.constDecl(e, d)
	case *ast.Instantiation:
		g.instance(e, d)
	}
	return nil
}

func (g *gen) varDecl(e *env, d *ast.VarDecl) []ir.Stmt {
	o := g.info.Defs[d]
	if o == nil {
		return nil
	}
	var init ir.Expr
	p := g.pos(d)
	t := g.typ(e, o.Type)
	if d.Init != nil {
		init = g.expr(e, d.Init, o.Type)
	}
	v := g.local(e, d.Name.Name, t, d.Name)
	v.Annos = g.annos(d.Annotations)
	e.vals[o] = value{v: v}
	ref := &ir.VarRef{Meta: ir.Meta{T: t, P: p}, Var: v}
	switch {
	case init != nil:
		return []ir.Stmt{&ir.Assign{SMeta: ir.SMeta{P: p}, L: ref, R: init}}
	case e.unit.fresh > 0:
		return g.clear(ref, p)
	}
	return nil
}

// constDecl binds a local constant that depends on constructor parameters; the
// others were folded by the checker.
func (g *gen) constDecl(e *env, d *ast.ConstDecl) {
	o := g.info.Defs[d]
	if o != nil && o.Val == nil {
		e.vals[o] = value{c: g.expr(e, d.Value, o.Type)}
	}
}

func (g *gen) assign(e *env, s *ast.AssignStmt, m ir.SMeta) []ir.Stmt {
	lt := e.subst(g.info.Types[s.LHS].Type)
	var pre []ir.Stmt
	if w, ok := s.LHS.(*ast.WidthSliceExpr); ok {
		if _, fixed := g.info.Slices[w]; !fixed {
			return g.assignMoving(e, s, w, m)
		}
	}
	l := g.expr(e, s.LHS, nil)
	if s.Op == ast.OpInvalid {
		return []ir.Stmt{&ir.Assign{SMeta: m, L: l, R: g.expr(e, s.RHS, lt)}}
	}
	if hasCall(l) {
		l, pre = g.once(e, l, s)
	}
	rt := e.subst(g.info.Types[s.RHS].Type)
	xt, yt := types.OperandTypes(s.Op, lt, rt)
	if xt == nil || yt == nil {
		return nil
	}
	x := g.convert(new(ir.Cloner).Expr(l), xt)
	r := g.binop(s, s.Op, x, g.expr(e, s.RHS, yt), xt, xt, m.P)
	return append(pre, &ir.Assign{SMeta: m, L: l, R: g.convert(r, lt)})
}

// once evaluates the indices of an l-value that contain calls into variables,
// so that the l-value can be used twice.
func (g *gen) once(e *env, l ir.Expr, at ast.Node) (ir.Expr, []ir.Stmt) {
	var pre []ir.Stmt
	switch x := l.(type) {
	case *ir.Member:
		x.X, pre = g.once(e, x.X, at)
	case *ir.Slice:
		x.X, pre = g.once(e, x.X, at)
	case *ir.TupleIndex:
		x.X, pre = g.once(e, x.X, at)
	case *ir.Index:
		x.X, pre = g.once(e, x.X, at)
		if hasCall(x.I) {
			v := g.local(e, "index", x.I.Type(), at)
			pre = append(pre, &ir.Assign{SMeta: ir.SMeta{P: x.P}, L: &ir.VarRef{Meta: ir.Meta{T: v.Type, P: x.P}, Var: v}, R: x.I})
			x.I = &ir.VarRef{Meta: ir.Meta{T: v.Type, P: x.P}, Var: v}
		}
	}
	return l, pre
}

// assignMoving lowers X[lo+:w] = v with a start of run time:
// X = X & ~(ones << lo) | (v << lo).
func (g *gen) assignMoving(e *env, s *ast.AssignStmt, w *ast.WidthSliceExpr, m ir.SMeta) []ir.Stmt {
	l := g.expr(e, w.X, nil)
	b, ok := l.Type().(*ir.Bit)
	if s.Op != ast.OpInvalid || hasCall(l) || !ok {
		g.errorf(codeUnsupported, span(s), "an assignment of this form to a slice with a start of run time is not supported")
		return nil
	}
	lo := g.sized(g.expr(e, w.Lo, nil))
	start := g.local(e, "start", lo.Type(), w)
	ref := func() ir.Expr { return &ir.VarRef{Meta: ir.Meta{T: start.Type, P: m.P}, Var: start} }
	bin := func(op ir.Op, x, y ir.Expr) ir.Expr {
		return &ir.Binary{Meta: ir.Meta{T: b, P: m.P}, Op: op, X: x, Y: y}
	}
	st := e.subst(g.info.Types[w].Type)
	v := g.expr(e, s.RHS, st)
	width := g.conv(st).(*ir.Bit).W
	ones := &ir.Const{Meta: ir.Meta{T: b, P: m.P}, Val: types.Wrap(big.NewInt(-1), width, false)}
	wide := ir.Expr(&ir.Cast{Meta: ir.Meta{T: b, P: m.P}, X: v})
	mask := &ir.Unary{Meta: ir.Meta{T: b, P: m.P}, Op: ir.BNot, X: bin(ir.Shl, ones, ref())}
	return []ir.Stmt{
		&ir.Assign{SMeta: m, L: ref(), R: lo},
		&ir.Assign{SMeta: m, L: l, R: bin(ir.Or, bin(ir.And, new(ir.Cloner).Expr(l), mask), bin(ir.Shl, wide, ref()))},
	}
}

// hasCall tells whether evaluating an l-value twice could differ from once.
func hasCall(x ir.Expr) bool {
	switch x := x.(type) {
	case *ir.Call:
		return true
	case *ir.Member:
		return hasCall(x.X)
	case *ir.Index:
		return hasCall(x.X) || hasCall(x.I)
	case *ir.Slice:
		return hasCall(x.X)
	case *ir.TupleIndex:
		return hasCall(x.X)
	case *ir.Binary:
		return hasCall(x.X) || hasCall(x.Y)
	case *ir.Unary:
		return hasCall(x.X)
	case *ir.Cast:
		return hasCall(x.X)
	case *ir.Mux:
		return hasCall(x.C) || hasCall(x.A) || hasCall(x.B)
	}
	return false
}

func (g *gen) ifStmt(e *env, s *ast.IfStmt, m ir.SMeta) []ir.Stmt {
	c := g.expr(e, s.Cond, nil)
	if k, ok := c.(*ir.Const); ok {
		// What is never run is no part of the program: what it alone uses has no
		// place in P4Info, as with p4c.
		switch {
		case k.Val.Sign() != 0:
			return g.stmt(e, s.Then)
		case s.Else != nil:
			return g.stmt(e, s.Else)
		}
		return nil
	}
	out := &ir.If{SMeta: m, Cond: c, Then: g.stmt(e, s.Then), Likely: likely(s.Then)}
	if s.Else != nil {
		out.Else = g.stmt(e, s.Else)
		if out.Likely == 0 {
			out.Likely = -likely(s.Else)
		}
	}
	return []ir.Stmt{out}
}

func (g *gen) switchStmt(e *env, s *ast.SwitchStmt, m ir.SMeta) []ir.Stmt {
	out := &ir.Switch{SMeta: m, X: g.expr(e, s.Tag, nil)}
	tag := e.subst(g.info.Types[s.Tag].Type)
	_, onAction := tag.(*types.ActionRun)
	var labels []*big.Int
	def := false
	seen := map[string]bool{}
	for _, k := range s.Cases {
		switch i, known := g.info.Switches[k]; {
		case known && i < 0:
			def = true
		case onAction:
			if known {
				labels = append(labels, bigInt(i))
			}
		default:
			v, ok := g.static(e, k.Label, tag)
			if !ok {
				continue
			}
			if seen[v.String()] {
				g.errorf(codeNotStatic, span(k.Label), "label %s occurs twice", v)
			}
			seen[v.String()] = true
			labels = append(labels, v)
		}
		if k.Body == nil {
			continue // falls through to the next body
		}
		body := g.block(e, k.Body)
		if def {
			// Labels that share the default's body need not be named.
			out.Default = body
		} else if len(labels) > 0 {
			out.Cases = append(out.Cases, ir.SwitchCase{Labels: labels, Body: body})
		}
		labels, def = nil, false
	}
	return []ir.Stmt{out}
}

// forStmt lowers the loop with three clauses:
//
//	init; loop L { if !cond leave L; block C { body }; post }
func (g *gen) forStmt(e *env, s *ast.ForStmt, m ir.SMeta) []ir.Stmt {
	out := g.stmts(e, s.Init)
	l := loop{brk: e.unit.label("for"), cont: e.unit.label("next")}
	lp := &ir.Loop{SMeta: m, Label: l.brk}
	if s.Cond != nil {
		lp.Body = append(lp.Body, g.leaveUnless(g.expr(e, s.Cond, nil), l.brk, m))
	}
	lp.Body = append(lp.Body, &ir.Labelled{SMeta: m, Label: l.cont, Body: g.loopBody(e, l, s.Body)})
	e.unit.fresh++
	lp.Body = append(lp.Body, g.stmts(e, s.Post)...)
	e.unit.fresh--
	return append(out, lp)
}

func (g *gen) leaveUnless(c ir.Expr, label string, m ir.SMeta) ir.Stmt {
	return &ir.If{SMeta: m, Cond: &ir.Unary{Meta: ir.Meta{T: &ir.Bool{}, P: c.Pos()}, Op: ir.LNot, X: c}, Then: []ir.Stmt{&ir.Leave{SMeta: m, Label: label}}}
}

func (g *gen) loopBody(e *env, l loop, s ast.Stmt) []ir.Stmt {
	e.unit.loops = append(e.unit.loops, l)
	e.unit.fresh++
	body := g.stmt(e, s)
	e.unit.fresh--
	e.unit.loops = e.unit.loops[:len(e.unit.loops)-1]
	return body
}

func (g *gen) forIn(e *env, s *ast.ForInStmt, m ir.SMeta) []ir.Stmt {
	o := g.info.Defs[s.Var]
	if o == nil {
		return nil
	}
	if b, ok := s.Coll.(*ast.BinaryExpr); ok && b.Op == ast.OpRange {
		return g.forRange(e, s, b, o, m)
	}
	// Over elements that are known one by one: the body once for each.
	coll := g.expr(e, s.Coll, nil)
	var elems []ir.Expr
	switch t := coll.Type().(type) {
	case *ir.Stack:
		for i := range t.Size {
			elems = append(elems, &ir.Index{Meta: ir.Meta{T: t.Elem, P: m.P}, X: new(ir.Cloner).Expr(coll), I: &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}, P: m.P}, Val: bigInt(i)}})
		}
	case *ir.Tuple:
		l, ok := coll.(*ir.ListExpr)
		for i, et := range t.Elems {
			if ok {
				elems = append(elems, l.Elems[i])
			} else {
				elems = append(elems, &ir.TupleIndex{Meta: ir.Meta{T: et, P: m.P}, X: new(ir.Cloner).Expr(coll), I: i})
			}
		}
	default:
		g.errorf(codeUnsupported, span(s.Coll), "a loop over a value of type %s is not supported", coll.Type())
		return nil
	}
	v := g.local(e, s.Var.Name.Name, g.typ(e, o.Type), s.Var)
	e.vals[o] = value{v: v}
	l := loop{brk: e.unit.label("for")}
	out := &ir.Labelled{SMeta: m, Label: l.brk}
	for _, x := range elems {
		l.cont = e.unit.label("next")
		out.Body = append(out.Body,
			&ir.Assign{SMeta: m, L: &ir.VarRef{Meta: ir.Meta{T: v.Type, P: m.P}, Var: v}, R: g.convert(x, e.subst(o.Type))},
			&ir.Labelled{SMeta: m, Label: l.cont, Body: g.loopBody(e, l, s.Body)})
	}
	return []ir.Stmt{out}
}

// forRange lowers `for (T x in lo..hi)`; both ends belong to the range, and the
// loop must not wrap at the largest value:
//
//	i = lo; end = hi; if i <= end { loop L { x = i; block C { body }; if i == end leave L; i = i + 1 } }
func (g *gen) forRange(e *env, s *ast.ForInStmt, b *ast.BinaryExpr, o *types.Object, m ir.SMeta) []ir.Stmt {
	t := e.subst(o.Type)
	it := g.conv(t)
	v := g.local(e, s.Var.Name.Name, it, s.Var)
	i := g.local(e, s.Var.Name.Name+"_at", it, s.Var)
	end := g.local(e, s.Var.Name.Name+"_end", it, s.Var)
	ref := func(x *ir.Var) ir.Expr { return &ir.VarRef{Meta: ir.Meta{T: it, P: m.P}, Var: x} }
	bin := func(op ir.Op, rt ir.Type, x, y ir.Expr) ir.Expr {
		return &ir.Binary{Meta: ir.Meta{T: rt, P: m.P}, Op: op, X: x, Y: y}
	}
	lo, hi := g.expr(e, b.X, t), g.expr(e, b.Y, t)
	e.vals[o] = value{v: v}
	l := loop{brk: e.unit.label("for"), cont: e.unit.label("next")}
	lp := &ir.Loop{SMeta: m, Label: l.brk}
	one := &ir.Const{Meta: ir.Meta{T: it, P: m.P}, Val: big.NewInt(1)}
	lp.Body = []ir.Stmt{
		&ir.Assign{SMeta: m, L: ref(v), R: ref(i)},
		&ir.Labelled{SMeta: m, Label: l.cont, Body: g.loopBody(e, l, s.Body)},
		&ir.If{SMeta: m, Cond: bin(ir.Eq, &ir.Bool{}, ref(i), ref(end)), Then: []ir.Stmt{&ir.Leave{SMeta: m, Label: l.brk}}},
		&ir.Assign{SMeta: m, L: ref(i), R: bin(ir.Add, it, ref(i), one)},
	}
	return []ir.Stmt{
		&ir.Assign{SMeta: m, L: ref(i), R: lo},
		&ir.Assign{SMeta: m, L: ref(end), R: hi},
		&ir.If{SMeta: m, Cond: bin(ir.Le, &ir.Bool{}, ref(i), ref(end)), Then: []ir.Stmt{lp}},
	}
}
