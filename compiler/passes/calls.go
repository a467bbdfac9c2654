package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// Names of the packet methods and of verify in Callee.Extern.
const (
	externExtract   = "packet_in.extract"
	externLookahead = "packet_in.lookahead"
	externAdvance   = "packet_in.advance"
	externLength    = "packet_in.length"
	externEmit      = "packet_out.emit"
	externVerify    = "verify"
)

// calls gives the calls that are left their core statements: tables become
// ApplyTable, packet methods and verify the statements of their own, all other
// externs ExternCall.
//
// Before: only tables and externs are called, values go to variables.
// After: no Call, no CallStmt; the level is core.
// Source: P4_16 sections 12.7.1, 13.8 (packet_in), 13.7 (verify), 15 (emit),
// 14.2.2 (table application).
func calls(p *ir.Program) error {
	l := &lowerer{names: newNamer(p)}
	lower := func(body *[]ir.Stmt, locals *[]*ir.Var) {
		l.locals = locals
		*body = mapStmts(*body, l.stmt)
	}
	for _, a := range p.Actions {
		lower(&a.Body, &a.Locals)
	}
	for _, b := range p.Blocks {
		lower(&b.Body, &b.Locals)
		for _, s := range b.States {
			lower(&s.Body, &b.Locals)
		}
	}
	p.Level = ir.Core
	return l.err
}

type lowerer struct {
	names  *namer
	locals *[]*ir.Var
	err    error
}

func (l *lowerer) refuse(pos ir.Pos, format string, args ...any) []ir.Stmt {
	if l.err == nil {
		l.err = pass.Refuse(pos, format, args...)
	}
	return nil
}

func (l *lowerer) stmt(s ir.Stmt) []ir.Stmt {
	switch s := s.(type) {
	case *ir.CallStmt:
		return l.call(&s.Callee, nil, s.SMeta)
	case *ir.Assign:
		if c, ok := s.R.(*ir.Call); ok {
			return l.call(&c.Callee, s.L, s.SMeta)
		}
	}
	return []ir.Stmt{s}
}

// call lowers one call whose value goes to dst, or nowhere.
func (l *lowerer) call(c *ir.Callee, dst ir.Expr, at ir.SMeta) []ir.Stmt {
	if c.Table != nil {
		return l.table(c, dst, at)
	}
	arg := func(i int) ir.Expr {
		if i < len(c.Args) {
			return c.Args[i]
		}
		return nil
	}
	one := func(s ir.Stmt) []ir.Stmt { return []ir.Stmt{s} }
	switch c.Extern {
	case externExtract:
		x := arg(0)
		if x == nil {
			h, ok := typeArg(c).(*ir.Header)
			if !ok {
				return l.refuse(at.P, "extract(_) needs the type of a header")
			}
			return one(&ir.Extract{SMeta: at, SkipBits: ir.HeaderBits(h)})
		}
		return one(&ir.Extract{SMeta: at, X: x, VarBits: arg(1)})
	case externAdvance:
		return one(&ir.Advance{SMeta: at, Bits: arg(0)})
	case externLookahead:
		if dst == nil {
			// Looking beyond the end is an error even when nobody uses the bits.
			t := typeArg(c)
			if t == nil {
				return l.refuse(at.P, "lookahead needs a type argument")
			}
			dst = ref(l.names.variable(l.locals, "tmp", t, at.P), at.P)
		}
		return one(&ir.Lookahead{SMeta: at, Dst: dst})
	case externLength:
		if dst == nil {
			return nil
		}
		return one(&ir.PacketLength{SMeta: at, Dst: dst})
	case externEmit:
		return emits(arg(0), at)
	case externVerify:
		return one(&ir.Verify{SMeta: at, Cond: arg(0), Err: arg(1)})
	case "":
		return l.refuse(at.P, "this call cannot be compiled here")
	}
	return one(&ir.ExternCall{
		SMeta: at, Name: c.Extern, Object: c.Object, Dst: dst,
		TypeArgs: c.TypeArgs, Args: c.Args, Dirs: c.Dirs,
	})
}

func typeArg(c *ir.Callee) ir.Type {
	if len(c.TypeArgs) > 0 {
		return c.TypeArgs[0]
	}
	return nil
}

// emits gives one Emit for each part of a literal.
func emits(x ir.Expr, at ir.SMeta) []ir.Stmt {
	lit, ok := x.(*ir.StructLit)
	if !ok || lit.Invalid {
		return []ir.Stmt{&ir.Emit{SMeta: at, X: x}}
	}
	if _, isHeader := lit.T.(*ir.Header); isHeader {
		return []ir.Stmt{&ir.Emit{SMeta: at, X: x}}
	}
	var out []ir.Stmt
	for _, e := range lit.Fields {
		out = append(out, emits(e, at)...)
	}
	return out
}

func (l *lowerer) table(c *ir.Callee, dst ir.Expr, at ir.SMeta) []ir.Stmt {
	apply := &ir.ApplyTable{SMeta: at, Table: c.Table}
	if dst == nil || c.TableRes == ir.TableNone {
		return []ir.Stmt{apply}
	}
	v, ok := dst.(*ir.VarRef)
	if !ok {
		return l.refuse(at.P, "the result of a table goes to no variable")
	}
	switch c.TableRes {
	case ir.TableHit:
		apply.Hit = v.Var
	case ir.TableMiss:
		apply.Hit = v.Var
		return []ir.Stmt{apply, assign(clone(v), not(clone(v)), at.P)}
	case ir.TableAction:
		apply.Run = v.Var
	}
	return []ir.Stmt{apply}
}

func checkLowered(p *ir.Program) error {
	return eachCall(p, func(_ *ir.Callee, pos ir.Pos) error { return faultAt(p, pos, "a call remains") })
}
