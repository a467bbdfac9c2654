package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// block checks the statements of a block in a scope of their own.
func (c *checker) block(b *ast.BlockStmt) {
	if b == nil {
		return
	}
	c.push()
	for _, s := range b.Stmts {
		c.stmt(s)
	}
	c.pop()
}

// outerBlock checks the body of a function or action: its own variables share
// the scope of the parameters.
func (c *checker) outerBlock(b *ast.BlockStmt) {
	if b == nil {
		return
	}
	for _, s := range b.Stmts {
		c.stmt(s)
	}
}

func (c *checker) stmt(s ast.Stmt) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		c.errorf(codeTooDeep, s, "statements nested too deeply")
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		c.assign(s)
	case *ast.CallStmt:
		c.callStmt(s.Call)
	case *ast.BlockStmt:
		c.block(s)
	case *ast.IfStmt:
		c.condition(s.Cond)
		c.scoped(s.Then)
		if s.Else != nil {
			c.scoped(s.Else)
		}
	case *ast.SwitchStmt:
		c.switchStmt(s)
	case *ast.ForStmt:
		c.push()
		for _, i := range s.Init {
			c.stmt(i)
		}
		c.condition(s.Cond)
		for _, p := range s.Post {
			c.stmt(p)
		}
		c.loop(s.Body)
		c.pop()
	case *ast.ForInStmt:
		c.forIn(s)
	case *ast.BreakStmt:
		if c.body.loops == 0 {
			c.errorf(codeBadStmt, s, "break stands outside of a loop")
		}
	case *ast.ContinueStmt:
		if c.body.loops == 0 {
			c.errorf(codeBadStmt, s, "continue stands outside of a loop")
		}
	case *ast.ReturnStmt:
		c.returnStmt(s)
	case *ast.ExitStmt:
		if c.body.kind == parserBody || c.body.kind == funcBody {
			c.errorf(codeBadStmt, s, "exit is not allowed in a %s", c.body.kind)
		}
	case *ast.DeclStmt:
		c.decl(s.Decl)
	case *ast.EmptyStmt:
	}
}

func (c *checker) scoped(s ast.Stmt) {
	c.push()
	c.stmt(s)
	c.pop()
}

func (c *checker) loop(s ast.Stmt) {
	c.body.loops++
	c.scoped(s)
	c.body.loops--
}

func (c *checker) condition(e ast.Expr) {
	if e == nil {
		return
	}
	tv := c.rvalue(e)
	if !isBad(tv.Type) && !isBool(tv.Type) {
		c.errorf(codeNotBool, e, "a condition must be bool, not %s", tv.Type)
	}
}

// lvalue checks that e can be assigned to.
func (c *checker) lvalue(e ast.Expr) TypeAndValue {
	tv := c.rvalue(e)
	if isBad(tv.Type) {
		return tv
	}
	if tv.Mode != LValue {
		why := ""
		if o := c.rootObject(e); o != nil {
			switch {
			case o.Kind == ParamObj && o.Dir == ast.DirIn:
				why = "; " + o.Name + " is an in parameter"
			case o.Kind == ParamObj && o.Dir == ast.DirNone:
				why = "; " + o.Name + " is a parameter without direction"
			case o.Kind == ConstObj:
				why = "; " + o.Name + " is a constant"
			}
		}
		c.errorf(codeNotLValue, e, "this cannot be assigned to%s", why)
		return TypeAndValue{Type: bad()}
	}
	return tv
}

// rootObject is the variable that an l-value expression is part of.
func (c *checker) rootObject(e ast.Expr) *Object {
	for {
		switch x := e.(type) {
		case *ast.MemberExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.WidthSliceExpr:
			e = x.X
		case *ast.PathExpr:
			return c.info.Uses[x.Path]
		default:
			return nil
		}
	}
}

func (c *checker) assign(s *ast.AssignStmt) {
	l := c.lvalue(s.LHS)
	r := c.rvalue(s.RHS)
	if isBad(l.Type) || isBad(r.Type) {
		return
	}
	if s.Op == ast.OpInvalid {
		c.assignTo(l.Type, s.RHS, "a left side")
		return
	}
	// a op= b is a = a op b with a evaluated once.
	e := &ast.BinaryExpr{Span: s.Span, Op: s.Op, OpPos: source.Span{}, X: s.LHS, Y: s.RHS}
	t, _, ok := c.binaryType(e, l, r)
	if ok && !unify(l.Type, t, true) {
		c.errorf(codeMismatch, s, "the result of %s has type %s and cannot be assigned to %s", s.Op, t, l.Type)
	}
	if ok && (s.Op == ast.OpDiv || s.Op == ast.OpMod) && r.Mode == Constant && r.Value.Int.Sign() == 0 {
		c.errorf(codeDivZero, s.RHS, "division by zero")
	}
}

func (c *checker) callStmt(e *ast.CallExpr) {
	tv := c.expr(e)
	if isBad(tv.Type) {
		return
	}
	call := c.info.Calls[e]
	if call != nil && call.Kind == Constructor {
		c.errorf(codeBadStmt, e, "an object without a name has no effect")
	}
	if call != nil && call.Kind == BuiltinCall && !isKind(call.Result, Void) {
		c.warnf(codeNoEffect, e, "the result of %s is not used", call.Name)
	}
}

func (c *checker) returnStmt(s *ast.ReturnStmt) {
	if c.body.kind == parserBody {
		c.errorf(codeBadStmt, s, "return is not allowed in a parser")
	}
	void := isKind(c.body.result, Void)
	if s.Value == nil {
		if !void && !isBad(c.body.result) {
			c.errorf(codeBadReturn, s, "return needs a value of type %s", c.body.result)
		}
		return
	}
	c.rvalue(s.Value)
	if void {
		c.errorf(codeBadReturn, s, "return takes no value here")
		return
	}
	c.assignTo(c.body.result, s.Value, "the result")
}

func (c *checker) forIn(s *ast.ForInStmt) {
	coll := c.expr(s.Coll)
	c.push()
	c.decl(s.Var)
	var vt Type = bad()
	if o := c.info.Defs[s.Var]; o != nil {
		vt = o.Type
	}
	if !isBad(coll.Type) && !isBad(vt) {
		switch t := deref(coll.Type).(type) {
		case *Set:
			if !unify(vt, t.Elem, true) {
				c.errorf(codeMismatch, s.Coll, "the loop variable has type %s, the elements %s", vt, t.Elem)
			}
		case *Stack:
			if !unify(vt, t.Elem, false) {
				c.errorf(codeMismatch, s.Coll, "the loop variable has type %s, the elements %s", vt, t.Elem)
			}
		case *List:
			if !unify(vt, t.Elem, true) {
				c.errorf(codeMismatch, s.Coll, "the loop variable has type %s, the elements %s", vt, t.Elem)
			}
		case *Tuple:
			for _, et := range t.Elems {
				if !unify(vt, et, true) {
					c.errorf(codeMismatch, s.Coll, "the loop variable has type %s, an element %s", vt, et)
				}
			}
		default:
			c.errorf(codeBadStmt, s.Coll, "a loop runs over a range, a list or a stack, not over %s", coll.Type)
		}
	}
	c.loop(s.Body)
	c.pop()
}

func (c *checker) switchStmt(s *ast.SwitchStmt) {
	if c.body.kind == parserBody {
		c.errorf(codeBadStmt, s, "switch is not allowed in a parser")
	}
	tag := c.rvalue(s.Tag)
	run, onAction := deref(tag.Type).(*ActionRun)
	if onAction && c.body.kind != controlBody {
		c.errorf(codeCallPlace, s.Tag, "a table can be applied only in the apply block of a control")
	}
	if !onAction && !isBad(tag.Type) {
		switch t := deref(tag.Type).(type) {
		case *Bits, *Enum, *Newtype:
		case *Basic:
			if t.Kind != Error && t.Kind != Integer && t.Kind != Bool {
				c.errorf(codeBadSwitch, s.Tag, "switch cannot choose by a value of type %s", tag.Type)
				tag.Type = bad()
			}
		default:
			c.errorf(codeBadSwitch, s.Tag, "switch cannot choose by a value of type %s", tag.Type)
			tag.Type = bad()
		}
		if isInteger(tag.Type) {
			c.errorf(codeBadSwitch, s.Tag, "the width of the value is unknown")
		}
	}
	seen := map[string]*ast.SwitchCase{}
	var def *ast.SwitchCase
	for i, k := range s.Cases {
		if _, isDef := k.Label.(*ast.DefaultExpr); isDef {
			if def != nil {
				c.note(codeDuplicateCase, s.Span, []diag.Note{{Span: span(def.Label), Message: "first"}, {Span: span(k.Label), Message: "second"}}, "a switch has at most one default label")
			}
			def = k
			c.info.Switches[k] = -1
			if i != len(s.Cases)-1 {
				c.misfit(codeBadSwitch, s, s.Cases[i+1].Label, "no label can follow default")
			}
		} else if onAction {
			c.actionLabel(k, run.Decl, seen)
		} else {
			c.valueLabel(s, k, tag.Type, seen)
		}
		if k.Body != nil {
			c.block(k.Body)
		}
	}
}

func (c *checker) actionLabel(k *ast.SwitchCase, t *ast.TableDecl, seen map[string]*ast.SwitchCase) {
	p, ok := k.Label.(*ast.PathExpr)
	if !ok {
		c.errorf(codeBadSwitch, k.Label, "a label must be the name of an action of table %s", t.Name)
		return
	}
	o := c.lookup(p.Path)
	if o == nil {
		return
	}
	if t.Actions != nil {
		for i, r := range t.Actions.Refs {
			if u := c.info.Actions[r]; u != nil && u.Obj == o {
				if old := seen[o.Name]; old != nil {
					c.note(codeDuplicateCase, k.Label.(*ast.PathExpr).Span, declaredHere(old.Label), "label %s occurs twice", o.Name)
				}
				seen[o.Name] = k
				c.info.Switches[k] = i
				return
			}
		}
	}
	c.note(codeBadSwitch, p.Span, declaredHere(t.Name), "%s is not an action of table %s", o.Name, t.Name)
}

func (c *checker) valueLabel(s *ast.SwitchStmt, k *ast.SwitchCase, tag Type, seen map[string]*ast.SwitchCase) {
	tv := c.rvalue(k.Label)
	if isBad(tag) || isBad(tv.Type) {
		return
	}
	if !unify(tag, tv.Type, true) {
		c.misfit(codeMismatch, s, k.Label, "a label of type %s cannot be compared with a value of type %s", tv.Type, tag)
		return
	}
	if !c.assignTo(tag, k.Label, "the label") {
		return
	}
	if tv.Mode == Compile {
		return // checked when constructor parameters are known
	}
	if tv.Mode != Constant || tv.Value.Int == nil {
		c.errorf(codeNotConstant, k.Label, "a label must be known at compile time")
		return
	}
	key := convertConst(tv.Value, tag).Int.String()
	if old := seen[key]; old != nil {
		c.note(codeDuplicateCase, span(k.Label), declaredHere(old.Label), "label %s occurs twice", key)
		return
	}
	seen[key] = k
}

// terminates tells whether control cannot reach the end of the statements.
func terminates(list []ast.Stmt) bool {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ReturnStmt, *ast.ExitStmt:
			return true
		case *ast.BlockStmt:
			if terminates(s.Stmts) {
				return true
			}
		case *ast.IfStmt:
			if s.Else != nil && terminates([]ast.Stmt{s.Then}) && terminates([]ast.Stmt{s.Else}) {
				return true
			}
		case *ast.SwitchStmt:
			if switchTerminates(s) {
				return true
			}
		}
	}
	return false
}

func switchTerminates(s *ast.SwitchStmt) bool {
	def := false
	for i, k := range s.Cases {
		if _, ok := k.Label.(*ast.DefaultExpr); ok {
			def = true
		}
		if k.Body == nil {
			if i == len(s.Cases)-1 {
				return false
			}
			continue
		}
		if !terminates(k.Body.Stmts) {
			return false
		}
	}
	return def
}
