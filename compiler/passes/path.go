package passes

import (
	"strconv"

	"github.com/p4nic/p4nic/compiler/ir"
)

// path names storage: a variable and the way down from it.
type path struct {
	root  *ir.Var
	steps []string
}

// pathOf gives the path of an l-value made of members and constant indices.
// exact is false when the storage named by e is smaller than the path: elements
// at a variable index, and members of unions, which share storage.
func pathOf(e ir.Expr) (p path, exact, ok bool) {
	switch e := e.(type) {
	case *ir.VarRef:
		return path{root: e.Var}, true, true
	case *ir.Member:
		p, exact, ok = pathOf(e.X)
		if _, union := e.X.Type().(*ir.Union); union {
			exact = false
		}
		if ok && exact {
			p.steps = append(p.steps, e.Field)
		}
		return p, exact, ok
	case *ir.Index:
		p, exact, ok = pathOf(e.X)
		c, isConst := e.I.(*ir.Const)
		st, isStack := e.X.Type().(*ir.Stack)
		if !isConst || !isStack || c.Val.Sign() < 0 || !c.Val.IsInt64() || c.Val.Int64() >= int64(st.Size) {
			return p, false, ok
		}
		if ok && exact {
			p.steps = append(p.steps, strconv.FormatInt(c.Val.Int64(), 10))
		}
		return p, exact, ok
	case *ir.StackOp:
		p, _, ok = pathOf(e.X)
		return p, false, ok
	case *ir.Slice:
		p, _, ok = pathOf(e.X)
		return p, false, ok
	}
	return path{}, false, false
}

// overlap tells whether two paths share storage.
func overlap(a, b path) bool {
	if a.root != b.root {
		return false
	}
	for i := range min(len(a.steps), len(b.steps)) {
		if a.steps[i] != b.steps[i] {
			return false
		}
	}
	return true
}

// throughHeader tells whether e names a part of a header or union: reading and
// writing it depends on validity, so it cannot stand for a variable.
func throughHeader(e ir.Expr) bool {
	for {
		switch x := e.(type) {
		case *ir.Member:
			switch x.X.Type().(type) {
			case *ir.Header, *ir.Union:
				return true
			}
			e = x.X
		case *ir.Index:
			e = x.X
		default:
			return false
		}
	}
}

// exprPaths adds the paths that e mentions.
func exprPaths(e ir.Expr, add func(path)) {
	if e == nil {
		return
	}
	if p, exact, ok := pathOf(e); ok {
		add(p)
		if !exact { // an index below may mention more
			ir.ExprSlots(e, func(x *ir.Expr) { exprPaths(*x, add) })
		}
		return
	}
	ir.ExprSlots(e, func(x *ir.Expr) { exprPaths(*x, add) })
}

// outerPaths lists the paths in body that do not begin at one of own.
func outerPaths(body []ir.Stmt, own map[*ir.Var]bool) []path {
	var out []path
	ir.WalkStmts(body, func(s ir.Stmt) {
		ir.StmtSlots(s, func(e *ir.Expr) {
			exprPaths(*e, func(p path) {
				if !own[p.root] {
					out = append(out, p)
				}
			})
		})
	})
	return out
}

// mentions tells whether v occurs in e.
func mentions(e ir.Expr, v *ir.Var) bool {
	found := false
	ir.WalkExpr(e, func(x ir.Expr) {
		if r, ok := x.(*ir.VarRef); ok && r.Var == v {
			found = true
		}
	})
	return found
}

func stmtsMention(body []ir.Stmt, v *ir.Var) bool {
	found := false
	ir.WalkStmts(body, func(s ir.Stmt) {
		if a, ok := s.(*ir.ApplyTable); ok && (a.Hit == v || a.Run == v) {
			found = true
		}
		ir.StmtSlots(s, func(e *ir.Expr) { found = found || mentions(*e, v) })
	})
	return found
}

// writtenFirst tells whether every way through body that reads v writes all of
// it before. It looks for the first statement that mentions v.
func writtenFirst(body []ir.Stmt, v *ir.Var) bool {
	for i, s := range body {
		if !stmtsMention(body[i:i+1], v) {
			continue
		}
		if a, ok := s.(*ir.Assign); ok {
			if l, ok := a.L.(*ir.VarRef); ok && l.Var == v {
				return !mentions(a.R, v)
			}
			return false
		}
		if _, loop := s.(*ir.Loop); loop {
			return false
		}
		own := false
		ir.StmtSlots(s, func(e *ir.Expr) { own = own || mentions(*e, v) })
		if own {
			return false
		}
		ok := true
		ir.StmtBodies(s, func(b *[]ir.Stmt) { ok = ok && writtenFirst(*b, v) })
		// Some way may run past the write; then nothing behind may read v.
		return ok && !stmtsMention(body[i+1:], v)
	}
	return true
}
