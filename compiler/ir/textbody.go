package ir

import (
	"math/big"
	"strconv"
)

// Text of statements and expressions.

func (t *printer) stmts(ss []Stmt) {
	for _, s := range ss {
		t.line()
		t.stmt(s)
	}
}

func (t *printer) body(ss []Stmt) {
	t.open()
	t.stmts(ss)
	t.close()
}

func (t *printer) stmt(s Stmt) {
	if s == nil {
		return
	}
	t.pos(s.Pos())
	switch s := s.(type) {
	case *Assign:
		t.expr(s.L)
		t.s(" = ")
		t.expr(s.R)
	case *If:
		t.s("if ")
		switch {
		case s.Likely > 0:
			t.s("likely ")
		case s.Likely < 0:
			t.s("unlikely ")
		}
		t.s("(")
		t.expr(s.Cond)
		t.s(")")
		t.body(s.Then)
		if len(s.Else) > 0 {
			t.s(" else")
			t.body(s.Else)
		}
		return
	case *Switch:
		t.s("switch (")
		t.expr(s.X)
		t.s(")")
		t.open()
		for _, c := range s.Cases {
			t.line()
			t.s("case ")
			t.nums(c.Labels)
			t.body(c.Body)
		}
		if len(s.Default) > 0 {
			t.line()
			t.s("default")
			t.body(s.Default)
		}
		t.close()
		return
	case *Labelled:
		t.s("block ", nameText(s.Label))
		t.body(s.Body)
		return
	case *Loop:
		t.s("loop ", nameText(s.Label))
		t.body(s.Body)
		return
	case *Leave:
		t.s("leave ", nameText(s.Label))
	case *Continue:
		t.s("continue ", nameText(s.Label))
	case *ApplyTable:
		t.s("apply ", pathText(tableName(s.Table)))
		if s.Hit != nil {
			t.s(" hit ", t.varText(s.Hit))
		}
		if s.Run != nil {
			t.s(" run ", t.varText(s.Run))
		}
	case *CallStmt:
		t.s("call ")
		t.callee(&s.Callee)
	case *ExternCall:
		t.s("extern ", pathText(s.Name))
		t.externTail(s.Object, s.TypeArgs, s.Args, s.Dirs)
		if s.Dst != nil {
			t.s(" -> ")
			t.expr(s.Dst)
		}
	case *SetValid:
		if s.Valid {
			t.one("setvalid", s.X)
		} else {
			t.one("setinvalid", s.X)
		}
	case *PushPop:
		if s.Push {
			t.s("push_front(")
		} else {
			t.s("pop_front(")
		}
		t.expr(s.X)
		t.s(", ", itoa(s.N), ")")
	case *Extract:
		if s.X == nil {
			t.s("skip ", itoa(s.SkipBits))
			break
		}
		t.s("extract(")
		t.expr(s.X)
		if s.VarBits != nil {
			t.s(", ")
			t.expr(s.VarBits)
		}
		t.s(")")
	case *Advance:
		t.one("advance", s.Bits)
	case *Lookahead:
		t.one("lookahead", s.Dst)
	case *PacketLength:
		t.one("length", s.Dst)
	case *Verify:
		t.s("verify(")
		t.expr(s.Cond)
		t.s(", ")
		t.expr(s.Err)
		t.s(")")
	case *Emit:
		t.one("emit", s.X)
	case *Return:
		t.s("return")
		if s.X != nil {
			t.s(" ")
			t.expr(s.X)
		}
	case *Exit:
		t.s("exit")
	}
	t.s(";")
}

func (t *printer) one(word string, x Expr) {
	t.s(word, "(")
	t.expr(x)
	t.s(")")
}

func tableName(x *Table) string {
	if x == nil {
		return ""
	}
	return x.Name
}

// varText names a variable: bare when the innermost scope that has the name
// means it, ^name when an action's own variable hides the block's.
func (t *printer) varText(v *Var) string {
	if v == nil {
		return "$\"\""
	}
	if in, ok := t.scope.inner[v.Name]; ok && in != v {
		return "^" + nameText(v.Name)
	}
	return nameText(v.Name)
}

func (t *printer) exprs(open string, xs []Expr, closing string) {
	t.s(open)
	for i, x := range xs {
		if i > 0 {
			t.s(", ")
		}
		t.expr(x)
	}
	t.s(closing)
}

func (t *printer) callee(c *Callee) {
	switch {
	case c.Func != nil:
		t.s("function ", pathText(c.Func.Name))
		t.args(c.Args, c.Dirs)
	case c.Action != nil:
		t.s("action ", pathText(c.Action.Name))
		t.args(c.Args, c.Dirs)
	case c.Table != nil:
		t.s("table ", pathText(c.Table.Name))
		t.s([...]string{"", " hit", " miss", " action"}[c.TableRes])
	case c.Block != nil:
		t.s("block ", pathText(c.Block.Name))
		t.args(c.Args, c.Dirs)
	default:
		t.s("extern ", pathText(c.Extern))
		if c.Recv != nil {
			t.s(" recv ")
			t.expr(c.Recv)
		}
		t.externTail(c.Object, c.TypeArgs, c.Args, c.Dirs)
	}
}

func (t *printer) externTail(o *Instance, tas []Type, args []Expr, dirs []Dir) {
	if o != nil {
		t.s(" on ", pathText(o.Name))
	}
	if len(tas) > 0 {
		t.s(" <", typeList(tas), "> ")
	}
	t.args(args, dirs)
}

// args writes the arguments; in is the direction that goes without saying.
func (t *printer) args(xs []Expr, dirs []Dir) {
	t.s("(")
	for i, x := range xs {
		if i > 0 {
			t.s(", ")
		}
		if i < len(dirs) {
			t.s([...]string{"none ", "", "out ", "inout "}[dirs[i]])
		}
		if x == nil {
			t.s("_")
		} else {
			t.expr(x)
		}
	}
	t.s(")")
}

// expr writes x, inside typed<T>(...) where its type is not the one that
// follows from its parts.
func (t *printer) expr(x Expr) {
	if x == nil {
		t.s("$\"\"")
		return
	}
	d := deriveType(x)
	if x.Type() != nil && (d == nil || !Identical(d, x.Type())) && !hasOwnType(x) {
		t.s("typed<", typeText(x.Type()), ">(")
		t.bare(x)
		t.s(")")
		return
	}
	t.bare(x)
}

// hasOwnType tells whether the text of x names its type.
func hasOwnType(x Expr) bool {
	switch x.(type) {
	case *Const, *Cast, *StructLit, *Call:
		return true
	}
	return false
}

func (t *printer) bare(x Expr) {
	switch x := x.(type) {
	case *Const:
		t.pos(x.P)
		t.constant(x)
	case *StringLit:
		t.pos(x.P)
		t.s(strconv.Quote(x.Val))
	case *VarRef:
		t.pos(x.P)
		t.s(t.varText(x.Var))
	case *Member:
		t.expr(x.X)
		t.post(x.P)
		t.s(".", nameText(x.Field))
	case *Index:
		t.expr(x.X)
		t.post(x.P)
		t.s("[")
		t.expr(x.I)
		t.s("]")
	case *Slice:
		t.expr(x.X)
		t.post(x.P)
		t.s("[", itoa(x.Hi), ":", itoa(x.Lo), "]")
	case *StackOp:
		t.expr(x.X)
		t.post(x.P)
		t.s("!", stackProps[x.Op])
	case *Unary:
		t.pos(x.P)
		t.s("(", x.Op.String(), " ")
		t.expr(x.X)
		t.s(")")
	case *Binary:
		t.pos(x.P)
		t.s("(")
		t.expr(x.X)
		t.s(" ", x.Op.String(), " ")
		t.expr(x.Y)
		t.s(")")
	case *Cast:
		t.pos(x.P)
		t.s("cast<", typeText(x.T), ">(")
		t.expr(x.X)
		t.s(")")
	case *Mux:
		t.pos(x.P)
		t.exprs("mux(", []Expr{x.C, x.A, x.B}, ")")
	case *IsValid:
		t.pos(x.P)
		t.one("valid", x.X)
	case *ListExpr:
		t.pos(x.P)
		t.exprs("{", x.Elems, "}")
	case *StructLit:
		t.pos(x.P)
		if x.Invalid {
			t.s("invalid<", typeText(x.T), ">")
			return
		}
		t.s("lit<", typeText(x.T), ">")
		t.exprs("{", x.Fields, "}")
	case *TupleIndex:
		t.pos(x.P)
		t.s("elem(")
		t.expr(x.X)
		t.s(", ", itoa(x.I), ")")
	case *ObjectRef:
		t.pos(x.P)
		t.s("objref(", pathText(instanceName(x.Inst)), ")")
	case *Call:
		t.pos(x.P)
		t.s("call<", typeText(x.T), "> ")
		t.callee(&x.Callee)
	}
}

// post is pos in the middle of a chain such as hdr #3:9 .ipv4.
func (t *printer) post(p Pos) {
	if !t.o.NoPos && p != t.cur {
		t.s(" ")
		t.pos(p)
	}
}

var stackProps = [...]string{"next", "last", "lastIndex", "nextIndex"}

func (t *printer) constant(x *Const) {
	v := x.Val
	if v == nil {
		v = new(big.Int)
	}
	switch ty := x.T.(type) {
	case *Bit:
		if v.Sign() >= 0 {
			t.s(itoa(ty.W), "w", numText(v))
			return
		}
	case *Int:
		t.s(itoa(ty.W), "s", numText(v))
		return
	case *Bool:
		if v.IsUint64() && v.Uint64() <= 1 {
			t.s(strconv.FormatBool(v.Uint64() == 1))
			return
		}
	case *InfInt:
		t.s(numText(v))
		return
	case *ErrorType:
		if v.IsInt64() && v.Int64() >= 0 && v.Int64() < int64(len(t.prog.Errors)) {
			name := t.prog.Errors[v.Int64()]
			if errorIndex(t.prog.Errors, name) == int(v.Int64()) {
				t.s("error::", nameText(name))
				return
			}
		}
	case *Enum:
		for _, m := range ty.Members {
			if m.Value != nil && m.Value.Cmp(v) == 0 {
				if i := enumMember(ty, m.Name); ty.Members[i].Value.Cmp(v) == 0 {
					t.s(typeNameText(ty.Name), "::", nameText(m.Name))
					return
				}
			}
		}
	}
	t.s("const<", typeText(x.T), ">(", numText(v), ")")
}

func instanceName(i *Instance) string {
	if i == nil {
		return ""
	}
	return i.Name
}

// objectType is the type of the object, or of the array of objects.
func (i *Instance) objectType() Type {
	if i.Type == nil {
		return nil
	}
	if i.Size > 0 {
		return &Stack{Elem: i.Type, Size: i.Size}
	}
	return i.Type
}

func errorIndex(errs []string, name string) int {
	for i, e := range errs {
		if e == name {
			return i
		}
	}
	return -1
}

func enumMember(e *Enum, name string) int {
	for i, m := range e.Members {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// deriveType is the type of x that follows from its parts, nil where none does.
// Both directions of the text form use it, so that types need not be written.
func deriveType(x Expr) Type {
	switch x := x.(type) {
	case *StringLit:
		return &String{}
	case *ObjectRef:
		if x.Inst != nil {
			return x.Inst.objectType()
		}
	case *VarRef:
		if x.Var != nil {
			return x.Var.Type
		}
	case *Member:
		if x.X != nil {
			if i := FieldIndex(x.X.Type(), x.Field); i >= 0 {
				return Fields(x.X.Type())[i].Type
			}
		}
	case *Index:
		if x.X != nil {
			if s, ok := x.X.Type().(*Stack); ok {
				return s.Elem
			}
		}
	case *StackOp:
		if x.Op == StackLastIndex || x.Op == StackNextIndex {
			return &Bit{W: 32}
		}
		if x.X != nil {
			if s, ok := x.X.Type().(*Stack); ok {
				return s.Elem
			}
		}
	case *Unary:
		if x.Op == LNot {
			return &Bool{}
		}
		if x.X != nil {
			return x.X.Type()
		}
	case *Binary:
		return deriveBinary(x)
	case *Mux:
		if x.A != nil {
			return x.A.Type()
		}
	case *Slice:
		return &Bit{W: x.Hi - x.Lo + 1}
	case *IsValid:
		return &Bool{}
	case *ListExpr:
		tt := &Tuple{}
		for _, e := range x.Elems {
			if e == nil || e.Type() == nil {
				return nil
			}
			tt.Elems = append(tt.Elems, e.Type())
		}
		return tt
	case *TupleIndex:
		if x.X != nil {
			if tt, ok := x.X.Type().(*Tuple); ok && x.I >= 0 && x.I < len(tt.Elems) {
				return tt.Elems[x.I]
			}
		}
	}
	return nil
}

func deriveBinary(x *Binary) Type {
	switch x.Op {
	case Eq, Ne, Lt, Le, Gt, Ge, LAnd, LOr:
		return &Bool{}
	}
	if x.X == nil || x.Y == nil {
		return nil
	}
	if x.Op != Concat {
		return x.X.Type()
	}
	wx, wy := Width(x.X.Type()), Width(x.Y.Type())
	if wx < 0 || wy < 0 {
		return nil
	}
	if _, ok := Underlying(x.X.Type()).(*Int); ok {
		return &Int{W: wx + wy}
	}
	return &Bit{W: wx + wy}
}
