package ir

import (
	"fmt"
)

// Checks of statements and expressions.

func (c *checker) stmts(ss []Stmt) {
	for _, s := range ss {
		c.stmt(s)
	}
}

// nested checks the statements inside another one.
func (c *checker) nested(p Pos, ss []Stmt) {
	if c.depth++; c.depth > 4*maxDepth {
		c.fail(p, "statements are nested too deep")
	} else {
		c.stmts(ss)
	}
	c.depth--
}

func (c *checker) typedOnly(p Pos, what string) {
	if c.core {
		c.fail(p, "%s at level %s", what, c.p.Level)
	}
}

func (c *checker) parserOnly(p Pos, what string) {
	if !c.parser {
		c.fail(p, "%s outside a parser", what)
	}
}

func (c *checker) stmt(s Stmt) {
	switch s := s.(type) {
	case *Assign:
		c.lvalue(s.L)
		c.expr(s.R)
		c.same(s.R, typeOf(s.L), "the right side")
	case *If:
		c.expr(s.Cond)
		c.boolean(s.Cond)
		c.nested(s.P, s.Then)
		c.nested(s.P, s.Else)
	case *Switch:
		c.expr(s.X)
		c.scalar(s.X)
		for _, cs := range s.Cases {
			for _, l := range cs.Labels {
				c.fits(s.P, l, typeOf(s.X), false)
			}
			c.nested(s.P, cs.Body)
		}
		c.nested(s.P, s.Default)
	case *Labelled:
		c.labelled(s.P, s.Label, s.Body, false)
	case *Loop:
		c.labelled(s.P, s.Label, s.Body, true)
	case *Leave:
		c.label(s.P, s.Label, false)
	case *Continue:
		c.label(s.P, s.Label, true)
	case *ApplyTable:
		c.applyTable(s)
	case *CallStmt:
		c.typedOnly(s.P, "a call statement")
		c.callee(s.P, &s.Callee)
	case *ExternCall:
		c.extern(s.P, s.Name, s.Object, s.Args, s.Dirs)
		if s.Dst != nil {
			c.lvalue(s.Dst)
		}
	case *SetValid:
		c.lvalue(s.X)
		switch typeOf(s.X).(type) {
		case *Header:
		case *Union:
			if s.Valid {
				c.fail(s.P, "setValid of a union")
			}
		default:
			c.fail(s.P, "setValid or setInvalid of %s", typeText(typeOf(s.X)))
		}
	case *PushPop:
		c.lvalue(s.X)
		c.stack(s.P, s.X)
		if s.N < 0 {
			c.fail(s.P, "a shift by %d elements", s.N)
		}
	case *Extract:
		c.extract(s)
	case *Advance:
		c.parserOnly(s.P, "advance")
		c.expr(s.Bits)
		c.scalar(s.Bits)
	case *Lookahead:
		c.parserOnly(s.P, "lookahead")
		c.lvalue(s.Dst)
		if hasVarbit(typeOf(s.Dst)) {
			c.fail(s.P, "lookahead of %s", typeText(typeOf(s.Dst)))
		}
	case *PacketLength:
		c.parserOnly(s.P, "length")
		c.lvalue(s.Dst)
		c.scalar(s.Dst)
	case *Verify:
		c.parserOnly(s.P, "verify")
		c.expr(s.Cond)
		c.boolean(s.Cond)
		c.expr(s.Err)
		if _, ok := typeOf(s.Err).(*ErrorType); !ok && s.Err != nil {
			c.fail(s.P, "verify with %s for an error", typeText(typeOf(s.Err)))
		}
	case *Emit:
		c.expr(s.X)
		if s.X != nil && !emittable(s.X.Type()) {
			c.fail(s.P, "emit of %s", typeText(s.X.Type()))
		}
	case *Return:
		c.returns(s)
	case *Exit:
		c.typedOnly(s.P, "exit")
		if c.parser || c.inBody == inFunction {
			c.fail(s.P, "exit outside a control and its actions")
		}
	case nil:
		c.fail(Pos{}, "a statement is nil")
	default:
		c.fail(s.Pos(), "unknown statement %T", s)
	}
}

func (c *checker) labelled(p Pos, name string, body []Stmt, loop bool) {
	for _, l := range c.labels {
		if l == name {
			c.fail(p, "label %s hides another one", name)
		}
	}
	c.labels = append(c.labels, name)
	c.loops = append(c.loops, loop)
	c.nested(p, body)
	c.labels = c.labels[:len(c.labels)-1]
	c.loops = c.loops[:len(c.loops)-1]
}

func (c *checker) applyTable(s *ApplyTable) {
	if !c.core {
		c.fail(s.P, "an apply statement at level typed; there it is a call")
	}
	if !c.tabs[s.Table] {
		c.fail(s.P, "the table is not in Program.Tables")
	}
	if c.parser || c.inBody != inBlock {
		c.fail(s.P, "a table is applied outside a control")
	}
	if s.Hit != nil {
		c.variable(s.P, s.Hit)
		if _, ok := s.Hit.Type.(*Bool); !ok {
			c.fail(s.P, "hit goes to a variable of type %s", typeText(s.Hit.Type))
		}
	}
	if s.Run != nil {
		c.variable(s.P, s.Run)
		if b, ok := s.Run.Type.(*Bit); !ok || b.W != 32 {
			c.fail(s.P, "the action goes to a variable of type %s", typeText(s.Run.Type))
		}
	}
}

func (c *checker) extract(s *Extract) {
	c.parserOnly(s.P, "extract")
	if s.X == nil {
		if s.SkipBits < 0 {
			c.fail(s.P, "%d bits are skipped", s.SkipBits)
		}
		return
	}
	c.lvalue(s.X)
	h, ok := typeOf(s.X).(*Header)
	if !ok {
		c.fail(s.P, "extract into %s", typeText(typeOf(s.X)))
		return
	}
	if s.VarBits != nil {
		c.expr(s.VarBits)
		if w := Width(typeOf(s.VarBits)); w < 0 || w > 32 {
			c.fail(s.P, "the size of the varbit field is of type %s", typeText(typeOf(s.VarBits)))
		}
		if !hasVarbit(h) {
			c.fail(s.P, "extract of %s, which has no varbit field, with a size", h.Name)
		}
	}
}

func hasVarbit(t Type) bool {
	switch u := t.(type) {
	case *Varbit:
		return true
	case *Stack:
		return hasVarbit(u.Elem)
	}
	for _, f := range Fields(t) {
		if hasVarbit(f.Type) {
			return true
		}
	}
	return false
}

func emittable(t Type) bool {
	switch u := t.(type) {
	case *Header, *Union:
		return true
	case *Stack:
		return emittable(u.Elem)
	case *Struct:
		for _, f := range u.Fields {
			if !emittable(f.Type) {
				return false
			}
		}
		return true
	}
	return false
}

func (c *checker) returns(s *Return) {
	c.typedOnly(s.P, "return")
	_, void := c.result.(*Void)
	switch {
	case c.inBody != inFunction || void:
		if s.X != nil {
			c.fail(s.P, "a value is returned where there is no result")
		}
	case s.X == nil:
		c.fail(s.P, "return without a value")
	default:
		c.expr(s.X)
		c.same(s.X, c.result, "the result")
	}
}

func (c *checker) variable(p Pos, v *Var) {
	if v == nil {
		c.fail(p, "a variable is nil")
	} else if !c.vars[v] {
		c.fail(p, "variable %s is not in scope", v.Name)
	}
}

// same checks that x has type t.
func (c *checker) same(x Expr, t Type, what string) {
	if x != nil && x.Type() != nil && t != nil && !Identical(x.Type(), t) {
		c.fail(x.Pos(), "%s has type %s, not %s", what, typeText(x.Type()), typeText(t))
	}
}

func (c *checker) scalar(x Expr) {
	if x != nil && Width(x.Type()) < 0 {
		c.fail(x.Pos(), "%s is no scalar", typeText(x.Type()))
	}
}

func (c *checker) boolean(x Expr) {
	if x != nil {
		if _, ok := x.Type().(*Bool); !ok {
			c.fail(x.Pos(), "%s is not bool", typeText(x.Type()))
		}
	}
}

func (c *checker) stack(p Pos, x Expr) *Stack {
	if s, ok := typeOf(x).(*Stack); ok {
		return s
	}
	c.fail(p, "%s is no stack", typeText(typeOf(x)))
	return nil
}

// lvalue checks x as a place.
func (c *checker) lvalue(x Expr) {
	c.expr(x)
	for y := x; ; {
		switch z := y.(type) {
		case *VarRef:
			return
		case *Member:
			y = z.X
		case *Index:
			y = z.X
		case *Slice:
			y = z.X
		case *TupleIndex:
			y = z.X
		case *StackOp:
			if z.Op == StackLastIndex || z.Op == StackNextIndex {
				c.fail(z.P, "%s is no l-value", stackProps[z.Op])
				return
			}
			y = z.X
		default:
			if y != nil {
				c.fail(y.Pos(), "%T is no l-value", y)
			}
			return
		}
	}
}

func (c *checker) expr(x Expr) {
	if x == nil {
		c.fail(Pos{}, "an expression is nil")
		return
	}
	if c.depth++; c.depth > 4*maxDepth {
		c.fail(x.Pos(), "expressions are nested too deep")
		c.depth--
		return
	}
	c.node(x)
	c.depth--
}

func (c *checker) node(x Expr) {
	for _, o := range operands(x) {
		c.expr(o)
		if o == nil {
			return
		}
	}
	if x.Type() == nil {
		c.fail(x.Pos(), "an expression without a type")
		return
	}
	c.value(x.Pos(), x.Type())
	if d := deriveType(x); d != nil {
		if _, list := x.(*ListExpr); !list {
			c.same(x, d, describe(x))
		}
	}
	switch x := x.(type) {
	case *Const:
		c.constant(x)
	case *StringLit, *Index:
	case *ObjectRef:
		c.object(x)
	case *VarRef:
		c.variable(x.P, x.Var)
	case *Member:
		if FieldIndex(x.X.Type(), x.Field) < 0 {
			c.fail(x.P, "%s has no field %s", typeText(x.X.Type()), x.Field)
		}
	case *StackOp:
		c.stack(x.P, x.X)
		if x.Op < StackNext || x.Op > StackNextIndex {
			c.fail(x.P, "unknown property %d of a stack", int(x.Op))
		} else if (x.Op == StackNext || x.Op == StackLast) && !c.parser {
			c.fail(x.P, "%s outside a parser", stackProps[x.Op])
		}
	case *Unary:
		c.unary(x)
	case *Binary:
		c.binary(x)
	case *Cast:
		c.cast(x)
	case *Mux:
		c.boolean(x.C)
		c.same(x.B, x.A.Type(), "the other side of ?:")
	case *Slice:
		w := Width(x.X.Type())
		if x.Lo < 0 || x.Hi < x.Lo || x.Hi >= w {
			c.fail(x.P, "slice [%d:%d] of %s", x.Hi, x.Lo, typeText(x.X.Type()))
		}
	case *IsValid:
		switch x.X.Type().(type) {
		case *Header, *Union:
		default:
			c.fail(x.P, "isValid of %s", typeText(x.X.Type()))
		}
	case *ListExpr:
		c.typedOnly(x.P, "a list that is no argument of an extern")
	case *StructLit:
		c.structLit(x)
	case *TupleIndex:
		c.typedOnly(x.P, "an element of a tuple")
		if tt, ok := x.X.Type().(*Tuple); !ok || x.I < 0 || x.I >= len(tt.Elems) {
			c.fail(x.P, "element %d of %s", x.I, typeText(x.X.Type()))
		}
	case *Call:
		c.typedOnly(x.P, "a call in an expression")
		c.callee(x.P, &x.Callee)
		c.callType(x)
	default:
		c.fail(x.Pos(), "unknown expression %T", x)
	}
	if i, ok := x.(*Index); ok {
		c.stack(i.P, i.X)
		if _, inf := i.I.Type().(*InfInt); !inf {
			c.scalar(i.I)
		}
	}
}

// operands are the parts of x that are checked like any expression; calls check
// their arguments themselves.
func operands(x Expr) []Expr {
	switch x := x.(type) {
	case *Member:
		return []Expr{x.X}
	case *Index:
		return []Expr{x.X, x.I}
	case *StackOp:
		return []Expr{x.X}
	case *Unary:
		return []Expr{x.X}
	case *Binary:
		return []Expr{x.X, x.Y}
	case *Cast:
		return []Expr{x.X}
	case *Mux:
		return []Expr{x.C, x.A, x.B}
	case *Slice:
		return []Expr{x.X}
	case *IsValid:
		return []Expr{x.X}
	case *ListExpr:
		return x.Elems
	case *StructLit:
		return x.Fields
	case *TupleIndex:
		return []Expr{x.X}
	}
	return nil
}

func describe(x Expr) string {
	switch x := x.(type) {
	case *VarRef:
		if x.Var != nil {
			return "variable " + x.Var.Name
		}
	case *Member:
		return "field " + x.Field
	case *Binary:
		return "operator " + opName(x.Op)
	case *Unary:
		return "operator " + opName(x.Op)
	}
	return fmt.Sprintf("%T", x)
}

func (c *checker) constant(x *Const) {
	if x.T == nil {
		c.fail(x.P, "a constant without a type")
		return
	}
	if x.Val == nil {
		c.fail(x.P, "a constant without a value")
		return
	}
	switch t := x.T.(type) {
	case *InfInt:
		c.typedOnly(x.P, "a constant of type int")
	case *ErrorType:
		if !x.Val.IsInt64() || x.Val.Sign() < 0 || x.Val.Int64() >= int64(len(c.p.Errors)) {
			c.fail(x.P, "there is no error %s", x.Val)
		}
	default:
		if Width(t) < 0 {
			c.fail(x.P, "a constant of type %s", typeText(t))
			return
		}
		c.fits(x.P, x.Val, t, false)
	}
}

func (c *checker) unary(x *Unary) {
	switch x.Op {
	case LNot:
		c.boolean(x.X)
	case Neg, BNot:
		c.number(x.X)
	default:
		c.fail(x.P, "%s is no unary operator", opName(x.Op))
	}
}

func opName(o Op) string {
	if o < 0 || int(o) >= len(opText) {
		return fmt.Sprintf("operator %d", int(o))
	}
	return o.String()
}

// number checks for bit<W> and int<W>; a serializable enum has no arithmetic.
func (c *checker) number(x Expr) {
	switch t := x.Type().(type) {
	case *Bit, *Int, *InfInt:
	case *Newtype:
		c.fail(x.Pos(), "arithmetic on %s", t.Name)
	default:
		c.fail(x.Pos(), "%s is no number", typeText(t))
	}
}

func (c *checker) binary(x *Binary) {
	switch x.Op {
	case Shl, Shr:
		c.number(x.X)
		c.number(x.Y)
		return
	case Concat:
		c.number(x.X)
		c.number(x.Y)
		return
	case LAnd, LOr:
		c.boolean(x.X)
		c.boolean(x.Y)
		return
	case Eq, Ne:
		if c.core && Width(x.X.Type()) < 0 {
			if _, ok := x.X.Type().(*Varbit); !ok {
				c.fail(x.P, "%s of %s at level %s", x.Op, typeText(x.X.Type()), c.p.Level)
			}
		}
	case Add, Sub, Mul, Div, Mod, AddSat, SubSat, And, Or, Xor, Lt, Le, Gt, Ge:
		c.number(x.X)
	default:
		c.fail(x.P, "%s is no binary operator", opName(x.Op))
		return
	}
	c.same(x.Y, x.X.Type(), "the right operand of "+x.Op.String())
}

func (c *checker) cast(x *Cast) {
	from, to := x.X.Type(), x.T
	if _, inf := from.(*InfInt); inf {
		return
	}
	if Width(from) < 0 || Width(to) < 0 {
		if !Identical(Underlying(from), Underlying(to)) {
			c.fail(x.P, "cast from %s to %s", typeText(from), typeText(to))
		}
	}
}

func (c *checker) structLit(x *StructLit) {
	if x.Invalid {
		switch x.T.(type) {
		case *Header, *Union:
		default:
			c.fail(x.P, "{#} of type %s", typeText(x.T))
		}
		return
	}
	switch t := x.T.(type) {
	case *Struct, *Header:
		fs := Fields(t)
		if len(fs) != len(x.Fields) {
			c.fail(x.P, "%d values for the %d fields of %s", len(x.Fields), len(fs), t)
			return
		}
		for i, f := range fs {
			c.same(x.Fields[i], f.Type, "field "+f.Name)
		}
	case *Stack:
		if len(x.Fields) != t.Size {
			c.fail(x.P, "%d values for %d elements", len(x.Fields), t.Size)
		}
		for _, f := range x.Fields {
			c.same(f, t.Elem, "an element")
		}
	default:
		c.fail(x.P, "a literal of type %s", typeText(x.T))
	}
}

func (c *checker) callType(x *Call) {
	switch {
	case x.Func != nil:
		c.same(x, x.Func.Result, "the result of "+x.Func.Name)
	case x.Table != nil:
		switch x.TableRes {
		case TableHit, TableMiss:
			c.same(x, &Bool{}, "hit or miss")
		case TableAction:
			c.same(x, &Bit{W: 32}, "action_run")
		default:
			c.fail(x.P, "an apply without a result in an expression")
		}
	case x.Action != nil || x.Block != nil:
		c.fail(x.P, "an action or block has no value")
	}
}

func (c *checker) callee(p Pos, k *Callee) {
	n := 0
	for _, set := range []bool{k.Func != nil, k.Action != nil, k.Table != nil, k.Block != nil, k.Extern != ""} {
		if set {
			n++
		}
	}
	if n != 1 {
		c.fail(p, "a call of %d things", n)
		return
	}
	switch {
	case k.Func != nil:
		if !c.funcs[k.Func] {
			c.fail(p, "function %s is not in Program.Functions", k.Func.Name)
			return
		}
		c.params(p, k.Func.Name, k.Func.Params, k)
	case k.Action != nil:
		if !c.acts[k.Action] {
			c.fail(p, "action %s is not in Program.Actions", k.Action.Name)
			return
		}
		if c.parser {
			c.fail(p, "an action is called in a parser")
		}
		c.params(p, k.Action.Name, k.Action.Params, k)
	case k.Block != nil:
		if !c.blks[k.Block] {
			c.fail(p, "block %s is not in Program.Blocks", k.Block.Name)
			return
		}
		if (k.Block.Kind == Parser) != c.parser || c.inBody != inBlock {
			c.fail(p, "block %s is applied where it cannot be", k.Block.Name)
		}
		c.params(p, k.Block.Name, k.Block.Params, k)
	case k.Table != nil:
		if !c.tabs[k.Table] {
			c.fail(p, "table %s is not in Program.Tables", k.Table.Name)
		}
		if c.parser || c.inBody != inBlock {
			c.fail(p, "table %s is applied outside a control", k.Table.Name)
		}
	default:
		if k.Recv != nil {
			c.expr(k.Recv)
		}
		c.extern(p, k.Extern, k.Object, k.Args, k.Dirs)
	}
}

func (c *checker) params(p Pos, name string, ps []*Var, k *Callee) {
	if len(k.Args) != len(ps) || len(k.Dirs) != len(ps) {
		c.fail(p, "%s takes %d arguments, not %d", name, len(ps), len(k.Args))
		return
	}
	for i, v := range ps {
		x := k.Args[i]
		if x == nil {
			continue // an absent @optional argument
		}
		if k.Dirs[i] != v.Dir {
			c.fail(p, "argument %s of %s has another direction than the parameter", v.Name, name)
		}
		c.arg(p, x, v.Dir)
		c.same(x, v.Type, "argument "+v.Name+" of "+name)
	}
}

func (c *checker) arg(p Pos, x Expr, d Dir) {
	switch {
	case x == nil:
		c.fail(p, "an argument is nil")
	case d == DirOut || d == DirInOut:
		c.lvalue(x)
	default:
		c.expr(x)
	}
}

// extern checks the call of an extern. Its signature is the architecture's
// business; here a list is allowed as an argument.
func (c *checker) extern(p Pos, name string, o *Instance, args []Expr, dirs []Dir) {
	if name == "" {
		c.fail(p, "an extern without a name")
	}
	if o != nil && !c.insts[o] {
		c.fail(p, "instance %s is not in Program.Instances", o.Name)
	}
	if len(args) != len(dirs) {
		c.fail(p, "extern %s has %d arguments and %d directions", name, len(args), len(dirs))
		return
	}
	for i, x := range args {
		if x != nil {
			c.externArg(p, x, dirs[i])
		}
	}
}

func (c *checker) externArg(p Pos, x Expr, d Dir) {
	l, ok := x.(*ListExpr)
	if !ok {
		c.arg(p, x, d)
		return
	}
	if l.T == nil {
		c.fail(l.P, "a list without a type")
	}
	for _, e := range l.Elems {
		if e == nil {
			c.fail(p, "an element is nil")
			continue
		}
		c.externArg(p, e, DirIn)
	}
}
