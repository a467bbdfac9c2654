package ir

// Reach is what a program's package arguments lead to. Everything else is
// unused: it has no effect on packets and, as in p4c, no place in P4Info.
type Reach struct {
	Blocks    map[*Block]bool
	Tables    map[*Table]bool    // applied somewhere
	Actions   map[*Action]bool   // in the action list of such a table
	Called    map[*Action]bool   // called directly
	CalledTop map[*Action]bool   // called directly by a block, not only by actions
	Functions map[*Function]bool // called
}

// Reachable follows all calls from Program.Pipeline.
func Reachable(p *Program) *Reach {
	r := &Reach{
		map[*Block]bool{}, map[*Table]bool{}, map[*Action]bool{}, map[*Action]bool{}, map[*Action]bool{}, map[*Function]bool{},
	}
	for _, b := range p.Pipeline {
		r.block(b.Block)
	}
	return r
}

func (r *Reach) block(b *Block) {
	if b == nil || r.Blocks[b] {
		return
	}
	r.Blocks[b] = true
	for _, s := range b.States {
		r.stmts(s.Body)
		for _, k := range s.Trans.Keys {
			WalkExpr(k, r.expr)
		}
	}
	r.stmts(b.Body)
	WalkStmts(b.Body, func(s Stmt) {
		if c, ok := s.(*CallStmt); ok && c.Action != nil {
			r.CalledTop[c.Action] = true
		}
	})
}

func (r *Reach) stmts(body []Stmt) {
	WalkStmts(body, func(s Stmt) {
		switch s := s.(type) {
		case *CallStmt:
			r.callee(&s.Callee)
		case *ApplyTable:
			r.table(s.Table)
		}
		StmtSlots(s, func(e *Expr) { WalkExpr(*e, r.expr) })
	})
}

func (r *Reach) expr(e Expr) {
	if c, ok := e.(*Call); ok {
		r.callee(&c.Callee)
	}
}

func (r *Reach) callee(c *Callee) {
	switch {
	case c.Func != nil && !r.Functions[c.Func]:
		r.Functions[c.Func] = true
		r.stmts(c.Func.Body)
	case c.Action != nil && !r.Called[c.Action]:
		r.Called[c.Action] = true
		if !r.Actions[c.Action] {
			r.stmts(c.Action.Body)
		}
	case c.Block != nil:
		r.block(c.Block)
	case c.Table != nil:
		r.table(c.Table)
	}
}

func (r *Reach) table(t *Table) {
	if r.Tables[t] {
		return
	}
	r.Tables[t] = true
	for _, k := range t.Keys {
		WalkExpr(k.Expr, r.expr)
	}
	for _, a := range t.Actions {
		for _, x := range a.Bound {
			if x != nil {
				WalkExpr(x, r.expr)
			}
		}
		if !r.Actions[a.Action] {
			r.Actions[a.Action] = true
			if !r.Called[a.Action] {
				r.stmts(a.Action.Body)
			}
		}
	}
}

// ConstPath gives the variable that x is a part of, and the longest part of the
// way to x that no index of run time is needed for; nil when x is no place.
func ConstPath(x Expr) (root *Var, whole Expr) {
	switch e := x.(type) {
	case *VarRef:
		return e.Var, x
	case *Member:
		root, whole = ConstPath(e.X)
		if whole == e.X {
			whole = x
		}
	case *Index:
		root, whole = ConstPath(e.X)
		if _, ok := e.I.(*Const); ok && whole == e.X {
			whole = x
		}
	case *StackOp:
		root, whole = ConstPath(e.X)
	}
	return root, whole
}
