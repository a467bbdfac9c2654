package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// order takes calls out of expressions, keeping the order and the conditions of
// their evaluation.
//
// Before: calls anywhere in expressions.
// After: a call with a value is the whole right side of an assignment to a
// variable; all other calls are statements; && || and ?: whose right sides call
// something are If statements; ?: chooses between scalars only.
// Source: P4_16 section 6.8 (order of evaluation) and 8.
//
// Operands are evaluated from left to right. An operand that is not constant
// and stands left of one with an effect is saved first; for an l-value that
// means its index expressions.
func order(p *ir.Program) error {
	o := &orderer{names: newNamer(p), keys: map[*ir.Table][]ir.Stmt{}}
	// The keys of a table are evaluated where it is applied. Keys with calls
	// become variables of the block that applies the table.
	for _, b := range p.Blocks {
		o.locals = &b.Locals
		for _, t := range tablesOf(b) {
			o.tableKeys(t)
		}
	}
	for _, f := range p.Functions {
		o.locals = &f.Locals
		f.Body = o.stmts(f.Body)
	}
	for _, a := range p.Actions {
		o.locals = &a.Locals
		a.Body = o.stmts(a.Body)
	}
	for _, b := range p.Blocks {
		o.locals = &b.Locals
		b.Body = o.stmts(b.Body)
		for _, s := range b.States {
			s.Body = o.stmts(s.Body)
			// Select keys are evaluated after the state's statements.
			o.out = nil
			o.operands(slotsOf(s.Trans.Keys))
			s.Body = append(s.Body, o.out...)
		}
	}
	return nil
}

type orderer struct {
	names  *namer
	locals *[]*ir.Var
	out    []ir.Stmt // statements that must run before the expression at hand
	keys   map[*ir.Table][]ir.Stmt
}

// tablesOf lists the tables that b applies, in order of their first use.
func tablesOf(b *ir.Block) []*ir.Table {
	var out []*ir.Table
	seen := map[*ir.Table]bool{}
	add := func(c *ir.Callee) {
		if c.Table != nil && !seen[c.Table] {
			seen[c.Table] = true
			out = append(out, c.Table)
		}
	}
	ir.WalkStmts(b.Body, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.CallStmt:
			add(&s.Callee)
		case *ir.ApplyTable:
			add(&ir.Callee{Table: s.Table})
		}
		ir.StmtSlots(s, func(e *ir.Expr) {
			ir.WalkExpr(*e, func(x ir.Expr) {
				if c, ok := x.(*ir.Call); ok {
					add(&c.Callee)
				}
			})
		})
	})
	return out
}

func (o *orderer) tableKeys(t *ir.Table) {
	calls := false
	for _, k := range t.Keys {
		calls = calls || hasCall(k.Expr)
	}
	if !calls || o.keys[t] != nil {
		return
	}
	o.out = nil
	for i := range t.Keys {
		e := o.value(t.Keys[i].Expr)
		v := o.names.variable(o.locals, "key", e.Type(), e.Pos())
		o.out = append(o.out, assign(ref(v, e.Pos()), e, e.Pos()))
		t.Keys[i].Expr = ref(v, e.Pos())
	}
	o.keys[t] = o.out
	o.out = nil
}

func slotsOf(es []ir.Expr) []*ir.Expr {
	var out []*ir.Expr
	for i := range es {
		if es[i] != nil {
			out = append(out, &es[i])
		}
	}
	return out
}

func (o *orderer) stmts(body []ir.Stmt) []ir.Stmt {
	if body == nil {
		return nil
	}
	out := []ir.Stmt{}
	for _, s := range body {
		ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = o.stmts(*b) })
		o.out = nil
		s = o.stmt(s)
		out = append(out, o.out...)
		if s != nil {
			out = append(out, s)
		}
		o.out = nil
	}
	return out
}

// stmt orders the expressions of s itself. It returns nil where the statements
// in o.out do all the work.
func (o *orderer) stmt(s ir.Stmt) ir.Stmt {
	switch s := s.(type) {
	case *ir.Assign:
		// The left side's indices come first (P4_16 section 12.1).
		if o.effect(s.R) {
			o.place(&s.L)
		} else {
			o.lvalue(&s.L)
		}
		if c, ok := s.R.(*ir.Call); ok {
			o.callee(&c.Callee)
			// An argument may stand for a parameter once its block is inlined, and
			// that may be a field: what stays a call goes to a variable of its own.
			if l, isVar := s.L.(*ir.VarRef); isVar && (l.Var.Dir == ir.DirNone || c.Table == nil && c.Extern == "") {
				return s
			}
			s.R = o.bind(c)
			return s
		}
		s.R = o.value(s.R)
	case *ir.CallStmt:
		o.callee(&s.Callee)
	default:
		var es []*ir.Expr
		ir.StmtSlots(s, func(e *ir.Expr) { es = append(es, e) })
		o.operands(es)
	}
	return s
}

// bind puts a call whose arguments are ordered into a variable.
func (o *orderer) bind(c *ir.Call) ir.Expr {
	v := o.names.variable(o.locals, "tmp", c.T, c.P)
	o.out = append(o.out, assign(ref(v, c.P), c, c.P))
	return ref(v, c.P)
}

// callee orders the arguments of a call and, for a table, puts the evaluation of
// its keys before it.
func (o *orderer) callee(c *ir.Callee) {
	var es []*ir.Expr
	isLval := map[*ir.Expr]bool{}
	for i := range c.Args {
		if c.Args[i] == nil {
			continue
		}
		es = append(es, &c.Args[i])
		if i < len(c.Dirs) && (c.Dirs[i] == ir.DirOut || c.Dirs[i] == ir.DirInOut) {
			isLval[&c.Args[i]] = true
		}
	}
	last := o.lastEffect(es)
	for i, e := range es {
		switch {
		case isLval[e] && i < last:
			o.place(e)
		case isLval[e]:
			o.lvalue(e)
		case i < last:
			o.save(e)
		default:
			*e = o.value(*e)
		}
	}
	if c.Table != nil {
		// The table may be applied at several places: every place gets its copy.
		o.out = append(o.out, (&ir.Cloner{}).Stmts(o.keys[c.Table])...)
	}
}

// operands orders es, which are evaluated one after the other.
func (o *orderer) operands(es []*ir.Expr) {
	last := o.lastEffect(es)
	for i, e := range es {
		if i < last {
			o.save(e)
		} else {
			*e = o.value(*e)
		}
	}
}

func (o *orderer) lastEffect(es []*ir.Expr) int {
	last := -1
	for i, e := range es {
		if o.effect(*e) {
			last = i
		}
	}
	return last
}

// effect tells whether evaluating e may change what another expression sees.
// Looking into the packet changes nothing.
func (o *orderer) effect(e ir.Expr) bool {
	found := false
	ir.WalkExpr(e, func(x ir.Expr) {
		if c, ok := x.(*ir.Call); ok && !isPacketRead(&c.Callee) {
			found = true
		}
	})
	return found
}

func isPacketRead(c *ir.Callee) bool {
	return c.Extern == externLookahead || c.Extern == externLength
}

// save orders e and keeps its value in a variable unless it is constant.
func (o *orderer) save(e *ir.Expr) {
	x := o.value(*e)
	switch x.(type) {
	case *ir.Const, *ir.StringLit:
		*e = x
		return
	}
	switch x.Type().(type) {
	case *ir.ExternType, *ir.Void, *ir.String:
		*e = x
		return
	}
	v := o.names.variable(o.locals, "tmp", x.Type(), x.Pos())
	o.out = append(o.out, assign(ref(v, x.Pos()), x, x.Pos()))
	*e = ref(v, x.Pos())
}

// place orders an l-value and saves its index expressions, so that it names the
// same place whatever runs before it is used.
func (o *orderer) place(e *ir.Expr) {
	switch x := (*e).(type) {
	case *ir.Member:
		o.place(&x.X)
	case *ir.Slice:
		o.place(&x.X)
	case *ir.StackOp:
		o.place(&x.X)
		*e = fixStackOp(x, o.names, o.locals, &o.out)
	case *ir.Index:
		o.place(&x.X)
		o.save(&x.I)
	default:
		*e = o.value(*e)
	}
}

// fixStackOp turns next and last into elements at the index they have now.
func fixStackOp(x *ir.StackOp, names *namer, locals *[]*ir.Var, out *[]ir.Stmt) ir.Expr {
	u32 := &ir.Bit{W: 32}
	var op ir.StackProp
	switch x.Op {
	case ir.StackNext:
		op = ir.StackNextIndex
	case ir.StackLast:
		op = ir.StackLastIndex
	default:
		return x
	}
	v := names.variable(locals, "index", u32, x.P)
	*out = append(*out, assign(ref(v, x.P), &ir.StackOp{Meta: ir.Meta{T: u32, P: x.P}, X: clone(x.X), Op: op}, x.P))
	return &ir.Index{Meta: x.Meta, X: x.X, I: ref(v, x.P)}
}

// lvalue orders the parts of an l-value and leaves it one.
func (o *orderer) lvalue(e *ir.Expr) {
	switch x := (*e).(type) {
	case *ir.Member:
		o.lvalue(&x.X)
	case *ir.Slice:
		o.lvalue(&x.X)
	case *ir.StackOp:
		o.lvalue(&x.X)
	case *ir.Index:
		if o.effect(x.I) {
			o.place(&x.X)
		} else {
			o.lvalue(&x.X)
		}
		x.I = o.value(x.I)
	default:
		*e = o.value(*e)
	}
}

// value orders e and returns what stands for its value.
func (o *orderer) value(e ir.Expr) ir.Expr {
	switch x := e.(type) {
	case *ir.Call:
		o.callee(&x.Callee)
		return o.bind(x)
	case *ir.Binary:
		if (x.Op == ir.LAnd || x.Op == ir.LOr) && hasCall(x.Y) {
			return o.shortCircuit(x)
		}
	case *ir.Mux:
		if hasCall(x.A) || hasCall(x.B) || !isScalar(x.T) {
			return o.mux(x)
		}
	}
	var es []*ir.Expr
	ir.ExprSlots(e, func(x *ir.Expr) { es = append(es, x) })
	o.operands(es)
	return e
}

// branch collects the statements of one side of a condition.
func (o *orderer) branch(v *ir.Var, e ir.Expr) []ir.Stmt {
	outer := o.out
	o.out = nil
	x := o.value(e)
	body := append(o.out, assign(ref(v, e.Pos()), x, e.Pos()))
	o.out = outer
	return body
}

// shortCircuit: v = X; if (v) { v = Y } for &&, if (!v) for ||.
func (o *orderer) shortCircuit(x *ir.Binary) ir.Expr {
	v := o.names.variable(o.locals, "tmp", x.T, x.P)
	o.out = append(o.out, o.branch(v, x.X)...)
	var cond ir.Expr = ref(v, x.P)
	if x.Op == ir.LOr {
		cond = not(cond)
	}
	o.out = append(o.out, &ir.If{SMeta: ir.SMeta{P: x.P}, Cond: cond, Then: o.branch(v, x.Y)})
	return ref(v, x.P)
}

func (o *orderer) mux(x *ir.Mux) ir.Expr {
	cond := o.value(x.C)
	v := o.names.variable(o.locals, "tmp", x.T, x.P)
	o.out = append(o.out, &ir.If{
		SMeta: ir.SMeta{P: x.P}, Cond: cond, Then: o.branch(v, x.A), Else: o.branch(v, x.B),
	})
	return ref(v, x.P)
}

// checkOrdered is the checker of the fact that order makes.
func checkOrdered(p *ir.Program) error {
	var err error
	bad := func(e ir.Expr) {
		if hasCall(e) && err == nil {
			err = faultAt(p, e.Pos(), "a call inside an expression")
		}
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			if a, ok := s.(*ir.Assign); ok {
				if c, ok := a.R.(*ir.Call); ok {
					if _, ok := a.L.(*ir.VarRef); !ok {
						bad(c)
					}
					for _, x := range c.Args {
						if x != nil {
							bad(x)
						}
					}
					return
				}
			}
			ir.StmtSlots(s, func(e *ir.Expr) { bad(*e) })
		})
	})
	p.OuterSlots(func(e *ir.Expr) { bad(*e) })
	return err
}
