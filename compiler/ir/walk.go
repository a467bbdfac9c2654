package ir

// The functions of this file visit the direct parts of a node by address, so
// that a pass can look at them or replace them. They are the one place that
// knows which node has which parts: a pass that walks with them needs no case
// for nodes it does not care about.

// ExprSlots calls f with the address of every expression directly below e, in
// order of evaluation.
func ExprSlots(e Expr, f func(*Expr)) {
	switch e := e.(type) {
	case *Const, *StringLit, *VarRef, *ObjectRef, nil:
	case *Member:
		f(&e.X)
	case *Index:
		f(&e.X)
		f(&e.I)
	case *StackOp:
		f(&e.X)
	case *Unary:
		f(&e.X)
	case *Binary:
		f(&e.X)
		f(&e.Y)
	case *Cast:
		f(&e.X)
	case *Mux:
		f(&e.C)
		f(&e.A)
		f(&e.B)
	case *Slice:
		f(&e.X)
	case *IsValid:
		f(&e.X)
	case *ListExpr:
		slots(e.Elems, f)
	case *StructLit:
		slots(e.Fields, f)
	case *TupleIndex:
		f(&e.X)
	case *Call:
		e.Callee.slots(f)
	default:
		panic("ir: ExprSlots: unknown expression")
	}
}

func slots(es []Expr, f func(*Expr)) {
	for i := range es {
		if es[i] != nil { // an absent @optional argument
			f(&es[i])
		}
	}
}

func (c *Callee) slots(f func(*Expr)) {
	if c.Recv != nil {
		f(&c.Recv)
	}
	slots(c.Args, f)
}

// StmtSlots calls f with the address of every expression that belongs to s
// itself, not to a statement below it, in order of evaluation; destinations
// come last.
func StmtSlots(s Stmt, f func(*Expr)) {
	opt := func(e *Expr) {
		if *e != nil {
			f(e)
		}
	}
	switch s := s.(type) {
	case *Assign:
		f(&s.R)
		f(&s.L)
	case *If:
		f(&s.Cond)
	case *Switch:
		f(&s.X)
	case *Labelled, *Loop, *Leave, *Continue, *ApplyTable, *Exit:
	case *CallStmt:
		s.Callee.slots(f)
	case *ExternCall:
		slots(s.Args, f)
		opt(&s.Dst)
	case *SetValid:
		f(&s.X)
	case *PushPop:
		f(&s.X)
	case *Extract:
		opt(&s.VarBits)
		opt(&s.X)
	case *Advance:
		f(&s.Bits)
	case *Lookahead:
		f(&s.Dst)
	case *PacketLength:
		f(&s.Dst)
	case *Verify:
		f(&s.Cond)
		f(&s.Err)
	case *Emit:
		f(&s.X)
	case *Return:
		opt(&s.X)
	default:
		panic("ir: StmtSlots: unknown statement")
	}
}

// StmtBodies calls f with the address of every statement list directly below s.
func StmtBodies(s Stmt, f func(*[]Stmt)) {
	switch s := s.(type) {
	case *If:
		f(&s.Then)
		f(&s.Else)
	case *Switch:
		for i := range s.Cases {
			f(&s.Cases[i].Body)
		}
		f(&s.Default)
	case *Labelled:
		f(&s.Body)
	case *Loop:
		f(&s.Body)
	}
}

// WalkExpr calls f for e and every expression below it, parents first.
func WalkExpr(e Expr, f func(Expr)) {
	if e == nil {
		return
	}
	f(e)
	ExprSlots(e, func(x *Expr) { WalkExpr(*x, f) })
}

// WalkStmts calls f for every statement of body and below, in order, parents
// first.
func WalkStmts(body []Stmt, f func(Stmt)) {
	for _, s := range body {
		f(s)
		StmtBodies(s, func(b *[]Stmt) { WalkStmts(*b, f) })
	}
}

// WalkExprs calls f for every expression of body and below.
func WalkExprs(body []Stmt, f func(Expr)) {
	WalkStmts(body, func(s Stmt) {
		StmtSlots(s, func(e *Expr) { WalkExpr(*e, f) })
	})
}

// Bodies calls f with the address of every top-level statement list of p:
// functions, actions, controls and parser states.
func (p *Program) Bodies(f func(*[]Stmt)) {
	for _, fn := range p.Functions {
		f(&fn.Body)
	}
	for _, a := range p.Actions {
		f(&a.Body)
	}
	for _, b := range p.Blocks {
		for _, st := range b.States {
			f(&st.Body)
		}
		f(&b.Body)
	}
}

// OuterSlots calls f with the address of every expression of p that is in no
// statement: select keys, table keys, bound action arguments, instance
// arguments and table properties.
func (p *Program) OuterSlots(f func(*Expr)) {
	for _, in := range p.Instances {
		slots(in.Args, f)
	}
	for _, t := range p.Tables {
		for i := range t.Keys {
			f(&t.Keys[i].Expr)
		}
		for i := range t.Actions {
			slots(t.Actions[i].Bound, f)
		}
		slots(t.DefaultVals, f)
		for i := range t.Props {
			if t.Props[i].Expr != nil {
				f(&t.Props[i].Expr)
			}
		}
	}
	for _, b := range p.Blocks {
		for _, st := range b.States {
			slots(st.Trans.Keys, f)
		}
	}
}
