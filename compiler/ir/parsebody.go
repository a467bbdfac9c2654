package ir

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Statements and expressions of the text form.

func (r *reader) stmtsToBrace() []Stmt {
	var ss []Stmt
	for {
		if r.accept("}") {
			return ss
		}
		ss = append(ss, r.stmt())
	}
}

func (r *reader) body() []Stmt {
	r.expect("{")
	return r.stmtsToBrace()
}

func (r *reader) stmt() Stmt {
	r.enter()
	defer r.leave()
	r.onePos()
	m := SMeta{P: r.cur}
	if r.tok().kind == tokIdent && isReserved(r.text()) {
		if s, ok := r.keywordStmt(m); ok {
			return s
		}
	}
	s := &Assign{SMeta: m, L: r.expr()}
	r.expect("=")
	s.R = r.expr()
	r.expect(";")
	return s
}

// keywordStmt reads a statement that begins with a reserved word.
func (r *reader) keywordStmt(m SMeta) (Stmt, bool) {
	word := r.text()
	r.i++
	var s Stmt
	switch word {
	case "if":
		return r.ifStmt(m), true
	case "switch":
		return r.switchStmt(m), true
	case "block":
		return &Labelled{SMeta: m, Label: r.name(), Body: r.body()}, true
	case "loop":
		return &Loop{SMeta: m, Label: r.name(), Body: r.body()}, true
	case "leave":
		s = &Leave{SMeta: m, Label: r.name()}
	case "continue":
		s = &Continue{SMeta: m, Label: r.name()}
	case "apply":
		a := &ApplyTable{SMeta: m, Table: lookup(r, r.tables, "table")}
		if r.accept("hit") {
			a.Hit = r.variable()
		}
		if r.accept("run") {
			a.Run = r.variable()
		}
		s = a
	case "call":
		if r.is("<") {
			r.i--
			return nil, false
		}
		s = &CallStmt{SMeta: m, Callee: r.callee()}
	case "extern":
		c := r.externCallee()
		x := &ExternCall{SMeta: m, Name: c.Extern, Object: c.Object, TypeArgs: c.TypeArgs, Args: c.Args, Dirs: c.Dirs}
		if r.accept("->") {
			x.Dst = r.expr()
		}
		s = x
	case "setvalid", "setinvalid":
		s = &SetValid{SMeta: m, X: r.one(), Valid: word == "setvalid"}
	case "push_front", "pop_front":
		x := &PushPop{SMeta: m, Push: word == "push_front"}
		r.expect("(")
		x.X = r.expr()
		r.expect(",")
		x.N = r.small(0, math.MaxInt32)
		r.expect(")")
		s = x
	case "extract":
		x := &Extract{SMeta: m}
		r.expect("(")
		x.X = r.expr()
		if r.accept(",") {
			x.VarBits = r.expr()
		}
		r.expect(")")
		s = x
	case "skip":
		s = &Extract{SMeta: m, SkipBits: r.small(0, math.MaxInt32)}
	case "advance":
		s = &Advance{SMeta: m, Bits: r.one()}
	case "lookahead":
		s = &Lookahead{SMeta: m, Dst: r.one()}
	case "length":
		s = &PacketLength{SMeta: m, Dst: r.one()}
	case "verify":
		x := &Verify{SMeta: m}
		r.expect("(")
		x.Cond = r.expr()
		r.expect(",")
		x.Err = r.expr()
		r.expect(")")
		s = x
	case "emit":
		s = &Emit{SMeta: m, X: r.one()}
	case "return":
		x := &Return{SMeta: m}
		if !r.is(";") {
			x.X = r.expr()
		}
		s = x
	case "exit":
		s = &Exit{SMeta: m}
	default:
		r.i--
		return nil, false
	}
	r.expect(";")
	return s, true
}

func (r *reader) one() Expr {
	r.expect("(")
	x := r.expr()
	r.expect(")")
	return x
}

func (r *reader) ifStmt(m SMeta) Stmt {
	s := &If{SMeta: m}
	switch {
	case r.accept("likely"):
		s.Likely = 1
	case r.accept("unlikely"):
		s.Likely = -1
	}
	s.Cond = r.one()
	s.Then = r.body()
	if r.accept("else") {
		s.Else = r.body()
	}
	return s
}

func (r *reader) switchStmt(m SMeta) Stmt {
	s := &Switch{SMeta: m, X: r.one()}
	r.expect("{")
	for !r.accept("}") {
		if r.accept("default") {
			s.Default = r.body()
			r.expect("}")
			break
		}
		r.expect("case")
		s.Cases = append(s.Cases, SwitchCase{Labels: r.nums(), Body: r.body()})
	}
	return s
}

func (r *reader) callee() Callee {
	word := r.found()
	switch {
	case r.accept("function"):
		c := Callee{Func: lookup(r, r.functions, "function")}
		c.Args, c.Dirs = r.args()
		return c
	case r.accept("action"):
		c := Callee{Action: lookup(r, r.actions, "action")}
		c.Args, c.Dirs = r.args()
		return c
	case r.accept("block"):
		c := Callee{Block: lookup(r, r.blocks, "block")}
		c.Args, c.Dirs = r.args()
		return c
	case r.accept("table"):
		c := Callee{Table: lookup(r, r.tables, "table")}
		switch {
		case r.accept("hit"):
			c.TableRes = TableHit
		case r.accept("miss"):
			c.TableRes = TableMiss
		case r.accept("action"):
			c.TableRes = TableAction
		}
		return c
	case r.accept("extern"):
		return r.externCallee()
	}
	r.fail("expected function, action, block, table or extern, found %s", word)
	return Callee{}
}

func (r *reader) externCallee() Callee {
	c := Callee{Extern: r.path()}
	if r.accept("recv") {
		c.Recv = r.expr()
	}
	if r.accept("on") {
		c.Object = lookup(r, r.instances, "instance")
	}
	if r.is("<") {
		c.TypeArgs = r.typeArgs()
	}
	c.Args, c.Dirs = r.args()
	return c
}

func (r *reader) args() (xs []Expr, dirs []Dir) {
	r.list("(", ")", func() {
		d := DirIn
		switch {
		case r.accept("none"):
			d = DirNone
		case r.accept("in"):
		case r.accept("out"):
			d = DirOut
		case r.accept("inout"):
			d = DirInOut
		}
		var x Expr
		if !r.accept("_") {
			x = r.expr()
		}
		xs = append(xs, x)
		dirs = append(dirs, d)
	})
	return xs, dirs
}

func (r *reader) exprs(open, closing string) []Expr {
	var xs []Expr
	r.list(open, closing, func() { xs = append(xs, r.expr()) })
	return xs
}

// variable reads NAME or ^NAME and finds the variable.
func (r *reader) variable() *Var {
	at := r.tok()
	up := r.accept("^")
	name := r.name()
	if !up {
		if v := r.inner[name]; v != nil {
			return v
		}
	}
	v := r.outer[name]
	if v == nil {
		r.failAt(at, "there is no variable %s here", name)
	}
	return v
}

// expr reads an expression and what follows it: .f [i] [h:l] !next.
func (r *reader) expr() Expr {
	r.enter()
	defer r.leave()
	x := r.primary()
	for n := 0; ; n++ {
		if r.depth+n > maxDepth {
			r.fail("nested more than %d deep", maxDepth)
		}
		i, cur := r.i, r.cur
		m := Meta{P: r.pos()}
		at := r.tok()
		switch {
		case r.accept("."):
			y := &Member{Meta: m, X: x, Field: r.name()}
			if y.T = deriveType(y); y.T == nil {
				r.failAt(at, "%s has no field %s", typeText(x.Type()), y.Field)
			}
			x = y
		case r.accept("!"):
			x = r.stackOp(at, m, x)
		case r.accept("["):
			if r.tok().kind == tokNum && r.i+1 < len(r.toks) && r.src[r.toks[r.i+1].off:r.toks[r.i+1].end] == ":" {
				y := &Slice{Meta: m, X: x, Hi: r.small(0, maxWidth)}
				r.expect(":")
				y.Lo = r.small(0, y.Hi)
				y.T = deriveType(y)
				x = y
			} else {
				y := &Index{Meta: m, X: x, I: r.expr()}
				if y.T = deriveType(y); y.T == nil {
					r.failAt(at, "%s is no stack", typeText(x.Type()))
				}
				x = y
			}
			r.expect("]")
		default:
			r.i, r.cur = i, cur
			return x
		}
	}
}

func (r *reader) stackOp(at token, m Meta, x Expr) Expr {
	word := r.name()
	for i, p := range stackProps {
		if p == word {
			y := &StackOp{Meta: m, X: x, Op: StackProp(i)}
			if y.T = deriveType(y); y.T == nil {
				r.failAt(at, "%s is no stack", typeText(x.Type()))
			}
			return y
		}
	}
	r.failAt(at, "unknown property %q of a stack", word)
	return nil
}

// deriv sets the type of x from its parts.
func (r *reader) deriv(at token, m *Meta, x Expr) Expr {
	if m.T = deriveType(x); m.T == nil {
		r.failAt(at, "the type of this expression does not follow from its parts: write typed<T>(...)")
	}
	return x
}

func (r *reader) angleType() Type {
	r.expect("<")
	t := r.typ()
	r.expect(">")
	return t
}

func (r *reader) primary() Expr {
	m := Meta{P: r.pos()}
	at := r.tok()
	switch at.kind {
	case tokString:
		x := &StringLit{Meta: m, Val: r.str()}
		return r.deriv(at, &x.Meta, x)
	case tokNum:
		return r.number(m)
	case tokPunct:
		switch r.text() {
		case "(":
			return r.operator(m)
		case "{":
			x := &ListExpr{Meta: m, Elems: r.exprs("{", "}")}
			return r.deriv(at, &x.Meta, x)
		}
	case tokIdent:
		if isReserved(r.text()) {
			if x := r.keywordExpr(m); x != nil {
				return x
			}
			r.failAt(at, "expected an expression, found %s", r.found())
		}
	}
	if r.i+1 < len(r.toks) && r.src[r.toks[r.i+1].off:r.toks[r.i+1].end] == "::" {
		return r.enumConst(m)
	}
	x := &VarRef{Meta: m, Var: r.variable()}
	x.T = x.Var.Type
	return x
}

func (r *reader) enumConst(m Meta) Expr {
	at := r.tok()
	name := r.name()
	e, ok := r.types[name].(*Enum)
	if !ok {
		r.failAt(at, "there is no enum %s", name)
	}
	r.expect("::")
	mem := r.name()
	i := enumMember(e, mem)
	if i < 0 {
		r.failAt(at, "enum %s has no member %s", name, mem)
	}
	m.T = e
	return &Const{Meta: m, Val: e.Members[i].Value}
}

// keywordExpr reads an expression that begins with a reserved word, nil where
// the word begins none.
func (r *reader) keywordExpr(m Meta) Expr {
	at := r.tok()
	word := r.text()
	r.i++
	switch word {
	case "true", "false":
		m.T = &Bool{}
		v := new(big.Int)
		if word == "true" {
			v.SetInt64(1)
		}
		return &Const{Meta: m, Val: v}
	case "error":
		r.expect("::")
		et := r.tok()
		name := r.name()
		i := errorIndex(r.prog.Errors, name)
		if i < 0 {
			r.failAt(et, "there is no error %s", name)
		}
		m.T = &ErrorType{}
		return &Const{Meta: m, Val: big.NewInt(int64(i))}
	case "const":
		m.T = r.angleType()
		r.expect("(")
		v := r.num()
		r.expect(")")
		return &Const{Meta: m, Val: v}
	case "cast":
		m.T = r.angleType()
		return &Cast{Meta: m, X: r.one()}
	case "mux":
		xs := r.exprs("(", ")")
		if len(xs) != 3 {
			r.failAt(at, "mux has %d operands, not 3", len(xs))
		}
		x := &Mux{Meta: m, C: xs[0], A: xs[1], B: xs[2]}
		return r.deriv(at, &x.Meta, x)
	case "valid":
		x := &IsValid{Meta: m, X: r.one()}
		return r.deriv(at, &x.Meta, x)
	case "lit":
		m.T = r.angleType()
		return &StructLit{Meta: m, Fields: r.exprs("{", "}")}
	case "invalid":
		m.T = r.angleType()
		return &StructLit{Meta: m, Invalid: true}
	case "elem":
		r.expect("(")
		x := &TupleIndex{Meta: m, X: r.expr()}
		r.expect(",")
		x.I = r.small(0, math.MaxInt32)
		r.expect(")")
		return r.deriv(at, &x.Meta, x)
	case "objref":
		r.expect("(")
		x := &ObjectRef{Meta: m, Inst: lookup(r, r.instances, "instance")}
		r.expect(")")
		return r.deriv(at, &x.Meta, x)
	case "call":
		m.T = r.angleType()
		return &Call{Meta: m, Callee: r.callee()}
	case "typed":
		t := r.angleType()
		r.expect("(")
		x := r.override(t)
		r.expect(")")
		return x
	}
	r.i--
	return nil
}

// override reads an expression and gives it the type t.
func (r *reader) override(t Type) Expr {
	x := r.expr()
	switch x := x.(type) {
	case *StringLit:
		x.T = t
	case *VarRef:
		x.T = t
	case *Member:
		x.T = t
	case *Index:
		x.T = t
	case *StackOp:
		x.T = t
	case *Unary:
		x.T = t
	case *Binary:
		x.T = t
	case *Mux:
		x.T = t
	case *Slice:
		x.T = t
	case *IsValid:
		x.T = t
	case *ListExpr:
		x.T = t
	case *TupleIndex:
		x.T = t
	default:
		r.fail("this expression names its type itself")
	}
	return x
}

// number reads 8w5, 8s-5 or 5.
func (r *reader) number(m Meta) Expr {
	s := r.text()
	if !strings.HasPrefix(s, "0x") && !strings.HasPrefix(s, "-") {
		if i := strings.IndexAny(s, "ws"); i > 0 {
			w, err := strconv.Atoi(s[:i])
			if err != nil || w > maxWidth || s[i] == 's' && w == 0 {
				r.fail("malformed number %q", s)
			}
			v := r.bigInt(s[i+1:])
			if s[i] == 's' {
				m.T = &Int{W: w}
			} else {
				m.T = &Bit{W: w}
				if v.Sign() < 0 {
					r.fail("malformed number %q", s)
				}
			}
			r.i++
			return &Const{Meta: m, Val: v}
		}
	}
	m.T = &InfInt{}
	return &Const{Meta: m, Val: r.num()}
}

// operator reads (- X) or (X + Y).
func (r *reader) operator(m Meta) Expr {
	at := r.tok()
	r.expect("(")
	for _, op := range []Op{Neg, BNot, LNot} {
		if r.accept(op.String()) {
			x := &Unary{Meta: m, Op: op, X: r.expr()}
			r.expect(")")
			return r.deriv(at, &x.Meta, x)
		}
	}
	x := &Binary{Meta: m, X: r.expr(), Op: r.binaryOp()}
	x.Y = r.expr()
	r.expect(")")
	return r.deriv(at, &x.Meta, x)
}

func (r *reader) binaryOp() Op {
	if r.tok().kind == tokPunct {
		s := r.text()
		if s == ">" && r.toks[r.i+1].off == r.tok().end && r.src[r.toks[r.i+1].off:r.toks[r.i+1].end] == ">" {
			r.i += 2
			return Shr
		}
		for op := Add; op <= LOr; op++ {
			if op.String() == s {
				r.i++
				return op
			}
		}
	}
	r.fail("expected an operator, found %s", r.found())
	return 0
}
