package ssa

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// leafRef is a scalar or header place below a root.
type leafRef struct {
	x ir.Expr
}

// places lists scalars (or headers) that can be named, an index chosen at random.
func (g *gen) places(headers bool) []leafRef {
	var out []leafRef
	var walk func(x ir.Expr)
	walk = func(x ir.Expr) {
		switch t := x.Type().(type) {
		case *ir.Struct, *ir.Union:
			for _, f := range ir.Fields(t) {
				walk(&ir.Member{Meta: ir.Meta{T: f.Type}, X: x, Field: f.Name})
			}
		case *ir.Header:
			if headers {
				out = append(out, leafRef{x})
				return
			}
			for _, f := range t.Fields {
				if isVarbit(f.Type) {
					continue
				}
				walk(&ir.Member{Meta: ir.Meta{T: f.Type}, X: x, Field: f.Name})
			}
		case *ir.Stack:
			if g.parsing && g.depth < 4 && g.r.IntN(4) == 0 && !headers {
				walk(&ir.StackOp{Meta: ir.Meta{T: t.Elem}, X: x, Op: ir.StackLast})
				return
			}
			i := ir.Expr(konst(&ir.Bit{W: 3}, int64(g.r.IntN(t.Size+1))))
			if g.depth < 4 && g.r.IntN(2) == 0 {
				g.depth += 4
				i = g.expr(&ir.Bit{W: 2}, 1)
				g.depth -= 4
			}
			walk(&ir.Index{Meta: ir.Meta{T: t.Elem}, X: x, I: i})
		default:
			if !headers {
				out = append(out, leafRef{x})
			}
		}
	}
	for _, v := range g.roots {
		if v.Type != ir.Type(g.std) {
			walk(&ir.VarRef{Meta: ir.Meta{T: v.Type}, Var: v})
		}
	}
	if !headers {
		for _, v := range append(append([]*ir.Var(nil), g.vars...), g.params...) {
			out = append(out, leafRef{&ir.VarRef{Meta: ir.Meta{T: v.Type}, Var: v}})
		}
	}
	return out
}

func (g *gen) lvalue() ir.Expr {
	ps := g.places(false)
	return ps[g.r.IntN(len(ps))].x
}

func (g *gen) assign() ir.Stmt {
	l := g.lvalue()
	if w := ir.Width(l.Type()); g.r.IntN(4) == 0 && w > 1 {
		if _, ok := l.Type().(*ir.Bit); ok {
			lo := g.r.IntN(w)
			hi := lo + g.r.IntN(w-lo)
			l = &ir.Slice{Meta: ir.Meta{T: &ir.Bit{W: hi - lo + 1}}, X: l, Hi: hi, Lo: lo}
		}
	}
	return &ir.Assign{L: l, R: g.expr(l.Type(), 3)}
}

func (g *gen) stmts(depth int) []ir.Stmt {
	var out []ir.Stmt
	for range 1 + g.r.IntN(3) {
		out = append(out, g.stmt(depth))
	}
	return out
}

func (g *gen) stmt(depth int) ir.Stmt {
	if depth > 0 {
		switch g.r.IntN(6) {
		case 0, 1:
			return &ir.If{Cond: g.expr(&ir.Bool{}, 2), Then: g.stmts(depth - 1), Else: g.stmts(depth - 1)}
		case 2:
			t := g.scalar()
			if g.r.IntN(2) == 0 {
				t = &ir.Bit{W: 2}
			}
			sw := &ir.Switch{X: g.expr(t, 2), Default: g.stmts(depth - 1)}
			seen := map[string]bool{}
			for range 1 + g.r.IntN(3) {
				if v := g.num(t); !seen[v.String()] {
					seen[v.String()] = true
					sw.Cases = append(sw.Cases, ir.SwitchCase{Labels: []*big.Int{v}, Body: g.stmts(depth - 1)})
				}
			}
			return sw
		case 3:
			label := g.name("L")
			g.labels = append(g.labels, label)
			body := g.stmts(depth - 1)
			g.labels = g.labels[:len(g.labels)-1]
			return &ir.Labelled{Label: label, Body: body}
		}
	}
	bit := func(w int) ir.Type { return &ir.Bit{W: w} }
	switch g.r.IntN(14) {
	case 12:
		if g.loops < 2 && g.blk != nil {
			return g.loop()
		}
	case 13:
		if s := g.checksum(); s != nil {
			return s
		}
	case 0:
		hs := g.places(true)
		return &ir.SetValid{X: hs[g.r.IntN(len(hs))].x, Valid: g.r.IntN(2) == 0}
	case 1:
		if len(g.labels) > 0 {
			return &ir.If{Cond: g.expr(&ir.Bool{}, 1), Then: []ir.Stmt{&ir.Leave{Label: g.labels[g.r.IntN(len(g.labels))]}}}
		}
	case 2:
		return &ir.ExternCall{Name: "register.write", Object: g.p.Instances[0],
			Args: []ir.Expr{g.expr(bit(3), 1), g.expr(bit(72), 2)}, Dirs: []ir.Dir{ir.DirIn, ir.DirIn}}
	case 3:
		var dst ir.Expr
		for _, p := range g.places(false) {
			if b, ok := p.x.Type().(*ir.Bit); ok && b.W == 72 {
				dst = p.x
			}
		}
		if dst != nil {
			return &ir.ExternCall{Name: "register.read", Object: g.p.Instances[0],
				Args: []ir.Expr{dst, g.expr(bit(3), 1)}, Dirs: []ir.Dir{ir.DirOut, ir.DirIn}}
		}
	case 4:
		return &ir.ExternCall{Name: "counter.count", Object: g.p.Instances[1], Args: []ir.Expr{g.expr(bit(1+g.r.IntN(40)), 1)}, Dirs: []ir.Dir{ir.DirIn}}
	case 5:
		l := g.lvalue()
		if b, ok := l.Type().(*ir.Bit); ok {
			a := []int64{0, 2, 5, 6, 7}[g.r.IntN(5)]
			data := &ir.ListExpr{Meta: ir.Meta{T: &ir.Tuple{}}}
			tt := data.T.(*ir.Tuple)
			for range 1 + g.r.IntN(4) {
				e := g.expr(g.scalar(), 1)
				if hs := g.places(true); g.r.IntN(6) == 0 {
					e = hs[g.r.IntN(len(hs))].x
				}
				data.Elems, tt.Elems = append(data.Elems, e), append(tt.Elems, e.Type())
			}
			base := bit(min(64, b.W))
			return &ir.ExternCall{Name: "hash", Args: []ir.Expr{l, konst(g.algo, a), g.expr(base, 1), data, g.expr(bit(1+g.r.IntN(20)), 1)},
				Dirs: []ir.Dir{ir.DirOut, ir.DirIn, ir.DirIn, ir.DirIn, ir.DirIn}}
		}
	case 6:
		hs := g.places(true)
		x := hs[g.r.IntN(len(hs))].x
		for _, y := range hs {
			if y.x.Type() == x.Type() && g.r.IntN(2) == 0 {
				return &ir.Assign{L: x, R: y.x}
			}
		}
		if vs := g.varbits(); len(vs) > 0 && g.r.IntN(3) == 0 {
			return &ir.Assign{L: vs[g.r.IntN(len(vs))], R: vs[g.r.IntN(len(vs))]}
		}
		if varbitOf(x.Type()) != "" {
			return g.assign()
		}
		lit := &ir.StructLit{Meta: ir.Meta{T: x.Type()}, Invalid: g.r.IntN(3) == 0}
		if !lit.Invalid {
			for _, f := range ir.Fields(x.Type()) {
				lit.Fields = append(lit.Fields, g.expr(f.Type, 1))
			}
		}
		return &ir.Assign{L: x, R: lit}
	case 7:
		for _, f := range g.hdr.Fields {
			if _, ok := f.Type.(*ir.Stack); ok {
				root := &ir.VarRef{Meta: ir.Meta{T: g.hdr}, Var: g.roots[0]}
				return &ir.PushPop{X: &ir.Member{Meta: ir.Meta{T: f.Type}, X: root, Field: f.Name}, N: g.r.IntN(4), Push: g.r.IntN(2) == 0}
			}
		}
	case 8:
		l := g.lvalue()
		if b, ok := l.Type().(*ir.Bit); ok && b.W <= 64 {
			return &ir.ExternCall{Name: "random", Args: []ir.Expr{l, g.expr(l.Type(), 1), g.expr(l.Type(), 1)}, Dirs: []ir.Dir{ir.DirOut, ir.DirIn, ir.DirIn}}
		}
	}
	return g.assign()
}

// loop runs its body a number of times that is known.
func (g *gen) loop() ir.Stmt {
	g.loops++
	defer func() { g.loops-- }()
	i := &ir.Var{Name: g.name("i"), Type: &ir.Bit{W: 4}}
	g.blk.Locals = append(g.blk.Locals, i)
	ref := func() ir.Expr { return &ir.VarRef{Meta: ir.Meta{T: i.Type}, Var: i} }
	label := g.name("R")
	bump := &ir.Assign{L: ref(), R: &ir.Binary{Meta: ir.Meta{T: i.Type}, Op: ir.Add, X: ref(), Y: konst(i.Type, 1)}}
	body := []ir.Stmt{
		&ir.If{Cond: &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}}, Op: ir.Ge, X: ref(), Y: konst(i.Type, int64(g.r.IntN(4)))},
			Then: []ir.Stmt{&ir.Leave{Label: label}}},
		bump,
		&ir.If{Cond: g.expr(&ir.Bool{}, 2), Then: []ir.Stmt{&ir.Continue{Label: label}}},
		g.assign(),
	}
	g.labels = append(g.labels, label)
	body = append(body, g.stmt(0))
	g.labels = g.labels[:len(g.labels)-1]
	return &ir.Labelled{Label: g.name("B"), Body: []ir.Stmt{
		&ir.Assign{L: ref(), R: konst(i.Type, 0)},
		&ir.Loop{Label: label, Body: body},
	}}
}

// checksum verifies or updates one, in the blocks for it.
func (g *gen) checksum() ir.Stmt {
	if g.blk == nil || g.blk.Name != "vr" && g.blk.Name != "ck" {
		return nil
	}
	name, dir := "verify_checksum", ir.DirIn
	if g.blk.Name == "ck" {
		name, dir = "update_checksum", ir.DirInOut
	}
	var sum ir.Expr
	for _, p := range g.places(false) {
		if b, ok := p.x.Type().(*ir.Bit); ok && (b.W == 16 || b.W == 17 || b.W == 12) {
			sum = p.x
		}
	}
	if sum == nil {
		return nil
	}
	data := &ir.ListExpr{Meta: ir.Meta{T: &ir.Tuple{}}}
	tt := data.T.(*ir.Tuple)
	for range 1 + g.r.IntN(6) {
		e := g.expr(g.scalar(), 1)
		data.Elems, tt.Elems = append(data.Elems, e), append(tt.Elems, e.Type())
	}
	return &ir.ExternCall{Name: name, Args: []ir.Expr{g.expr(&ir.Bool{}, 2), data, sum, konst(g.algo, []int64{6, 6, 7, 2}[g.r.IntN(4)])},
		Dirs: []ir.Dir{ir.DirIn, ir.DirIn, dir, ir.DirNone}}
}

// expr is a random expression of type t.
func (g *gen) expr(t ir.Type, depth int) ir.Expr {
	w := ir.Width(t)
	m := ir.Meta{T: t}
	if depth <= 0 || g.depth > 8 || g.r.IntN(5) == 0 {
		var fit []ir.Expr
		if g.depth < 3 {
			for _, p := range g.places(false) {
				if ir.Identical(p.x.Type(), t) {
					fit = append(fit, p.x)
				}
			}
		}
		if len(fit) > 0 && g.r.IntN(4) > 0 {
			return fit[g.r.IntN(len(fit))]
		}
		if x := g.converted(t); x != nil && g.depth < 3 && g.r.IntN(3) > 0 {
			return x
		}
		return &ir.Const{Meta: m, Val: g.num(t)}
	}
	g.depth++
	defer func() { g.depth-- }()
	sub := func(t ir.Type) ir.Expr { return g.expr(t, depth-1) }
	if g.r.IntN(8) == 0 {
		return &ir.Mux{Meta: m, C: sub(&ir.Bool{}), A: sub(t), B: sub(t)}
	}
	switch t := t.(type) {
	case *ir.Bool:
		switch g.r.IntN(5) {
		case 0:
			if hs := g.places(true); len(hs) > 0 {
				return &ir.IsValid{Meta: m, X: hs[g.r.IntN(len(hs))].x}
			}
		case 1:
			return &ir.Binary{Meta: m, Op: []ir.Op{ir.LAnd, ir.LOr}[g.r.IntN(2)], X: sub(t), Y: sub(t)}
		case 2:
			return &ir.Unary{Meta: m, Op: ir.LNot, X: sub(t)}
		case 3:
			return &ir.Cast{Meta: m, X: sub(&ir.Bit{W: 1})}
		case 4:
			if vs := g.varbits(); len(vs) > 0 && g.depth < 4 {
				op := []ir.Op{ir.Eq, ir.Ne}[g.r.IntN(2)]
				return &ir.Binary{Meta: m, Op: op, X: vs[g.r.IntN(len(vs))], Y: vs[g.r.IntN(len(vs))]}
			}
		}
		st := g.scalar()
		ops := []ir.Op{ir.Eq, ir.Ne, ir.Lt, ir.Le, ir.Gt, ir.Ge}
		if _, ok := st.(*ir.Bool); ok {
			ops = ops[:2]
		}
		return &ir.Binary{Meta: m, Op: ops[g.r.IntN(len(ops))], X: sub(st), Y: sub(st)}
	case *ir.Bit, *ir.Int:
		_, signed := t.(*ir.Int)
		if s := g.hdr.Fields[len(g.hdr.Fields)-1]; w == 32 && !signed && g.r.IntN(3) == 0 && len(g.roots) > 0 {
			if _, ok := s.Type.(*ir.Stack); ok {
				root := &ir.VarRef{Meta: ir.Meta{T: g.hdr}, Var: g.roots[0]}
				op := []ir.StackProp{ir.StackLastIndex, ir.StackNextIndex}[g.r.IntN(2)]
				return &ir.StackOp{Meta: m, X: &ir.Member{Meta: ir.Meta{T: s.Type}, X: root, Field: s.Name}, Op: op}
			}
		}
		switch g.r.IntN(9) {
		case 0:
			return &ir.Unary{Meta: m, Op: []ir.Op{ir.Neg, ir.BNot}[g.r.IntN(2)], X: sub(t)}
		case 1: // a cast
			from := g.scalar()
			if _, ok := from.(*ir.Bool); ok {
				from = &ir.Bit{W: g.width()}
			}
			if _, ok := from.(*ir.Int); ok != signed && ir.Width(from) != w {
				if signed {
					from = &ir.Int{W: ir.Width(from)}
				} else {
					from = &ir.Bit{W: ir.Width(from)}
				}
			}
			return &ir.Cast{Meta: m, X: sub(from)}
		case 2:
			if w > 1 && !signed {
				k := 1 + g.r.IntN(w-1)
				return &ir.Binary{Meta: m, Op: ir.Concat, X: sub(&ir.Bit{W: k}), Y: sub(&ir.Bit{W: w - k})}
			}
		case 3:
			if !signed {
				big := w + g.r.IntN(40)
				lo := g.r.IntN(big - w + 1)
				return &ir.Slice{Meta: m, X: sub(&ir.Bit{W: big}), Hi: lo + w - 1, Lo: lo}
			}
		case 4:
			var y ir.Expr = konst(&ir.Bit{W: 8}, int64(g.r.IntN(min(255, w+8))))
			if w <= 64 && g.r.IntN(2) == 0 {
				y = sub(&ir.Bit{W: 1 + g.r.IntN(10)})
			}
			return &ir.Binary{Meta: m, Op: []ir.Op{ir.Shl, ir.Shr}[g.r.IntN(2)], X: sub(t), Y: y}
		}
		ops := []ir.Op{ir.Add, ir.Sub, ir.And, ir.Or, ir.Xor, ir.AddSat, ir.SubSat}
		if w <= 64 {
			ops = append(ops, ir.Mul)
			if !signed {
				ops = append(ops, ir.Div, ir.Mod)
			}
		}
		return &ir.Binary{Meta: m, Op: ops[g.r.IntN(len(ops))], X: sub(t), Y: sub(t)}
	}
	return &ir.Const{Meta: m, Val: g.num(t)}
}

// converted is some place cast to t, nil when there is none.
func (g *gen) converted(t ir.Type) ir.Expr {
	ps := g.places(false)
	x := ps[g.r.IntN(len(ps))].x
	w := ir.Width(x.Type())
	switch x.Type().(type) {
	case *ir.Bool:
		x = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: 1}}, X: x}
	case *ir.Int:
		x = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: w}}, X: x}
	}
	to := ir.Width(t)
	x = &ir.Cast{Meta: ir.Meta{T: &ir.Bit{W: to}}, X: x}
	switch t.(type) {
	case *ir.Bool, *ir.Int:
		x = &ir.Cast{Meta: ir.Meta{T: t}, X: x}
	case *ir.Bit:
	default:
		return nil
	}
	return x
}
