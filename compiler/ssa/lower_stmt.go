package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

func (l *lowerer) stmts(list []ir.Stmt) {
	for i := 0; i < len(list) && l.cur != nil; i++ {
		if a, ok := list[i].(*ir.ApplyTable); ok && i+1 < len(list) {
			if sw, ok := list[i+1].(*ir.Switch); ok && isVar(sw.X, a.Run) {
				l.applySwitch(a, sw)
				i++
				continue
			}
		}
		l.stmt(list[i])
	}
}

func isVar(e ir.Expr, v *ir.Var) bool {
	r, ok := e.(*ir.VarRef)
	return ok && v != nil && r.Var == v
}

func (l *lowerer) stmt(s ir.Stmt) {
	l.setPos(s.Pos())
	switch s := s.(type) {
	case *ir.If:
		then, els := l.cond(s.Cond, s.Likely)
		l.resume(then, "then")
		l.stmts(s.Then)
		out := l.here()
		l.resume(els, "else")
		l.stmts(s.Else)
		l.resume(append(out, l.here()...), "endif")
	case *ir.Switch:
		l.switchStmt(s)
	case *ir.Labelled:
		lab := &label{name: s.Label}
		l.labels = append(l.labels, lab)
		l.stmts(s.Body)
		l.labels = l.labels[:len(l.labels)-1]
		l.resume(append(l.here(), lab.leave...), s.Label)
	case *ir.Loop:
		l.loop(s)
	case *ir.Leave:
		lab := l.label(s.Label, s.P)
		lab.leave = append(lab.leave, l.here()...)
	case *ir.Continue:
		lab := l.label(s.Label, s.P)
		lab.again = append(lab.again, l.here()...)
	case *ir.ApplyTable:
		l.force()
		l.apply(s)
	case *ir.Verify:
		l.verify(s)
	default:
		l.force()
		l.guard(func() { l.simple(s) })
	}
}

// simple lowers a statement that holds no others.
func (l *lowerer) simple(s ir.Stmt) {
	switch s := s.(type) {
	case *ir.Assign:
		l.assign(s)
	case *ir.ExternCall:
		if !l.arch.extern(l, s) && !l.objectExtern(s) && !l.valueExtern(s) {
			l.refuse(s.P, "extern "+s.Name, "it cannot be lowered")
		}
	case *ir.SetValid:
		l.setValid(s.X, s.Valid)
	case *ir.PushPop:
		l.pushPop(s)
	case *ir.Extract:
		l.extract(s)
	case *ir.Advance:
		l.advance(s)
	case *ir.Lookahead:
		l.lookahead(s)
	case *ir.PacketLength:
		l.assignTo(s.Dst, []*Value{l.resize1(l.op(OpPktLen, 32), s.Dst)})
	case *ir.Emit:
		l.emitStmt(s)
	default:
		l.refuse(s.Pos(), fmt.Sprintf("statement %T", s), "it does not occur at the core level")
	}
}

func (l *lowerer) label(name string, pos ir.Pos) *label {
	for i := len(l.labels) - 1; i >= 0; i-- {
		if l.labels[i].name == name {
			return l.labels[i]
		}
	}
	l.refuse(pos, "leave "+name, "there is no enclosing block of that name")
	return nil
}

// resize1 fits a scalar of up to 64 bits to the width of dst.
func (l *lowerer) resize1(v *Value, dst ir.Expr) *Value {
	w := Type(ir.Width(dst.Type()))
	switch {
	case w > v.Type && w <= 64:
		return l.op(OpZext, w, v)
	case w > 0 && w < v.Type:
		return l.op(OpTrunc, w, v)
	}
	return v
}

func (l *lowerer) assign(s *ir.Assign) {
	v := l.eval(s.R)
	l.setPos(s.P)
	l.assignTo(s.L, v)
}

// assignTo writes v, which has the leaves of dst's type.
func (l *lowerer) assignTo(dst ir.Expr, v []*Value) {
	sl, ok := dst.(*ir.Slice)
	if !ok {
		l.write(l.place(dst), v)
		return
	}
	old := l.eval(sl.X)
	w := width(old)
	l.assignTo(sl.X, l.concat(l.slice(old, sl.Hi+1, w-sl.Hi-1), v, l.slice(old, 0, sl.Lo)))
}

// loop unrolls: each round is lowered again until no way leads back.
func (l *lowerer) loop(s *ir.Loop) {
	if l.retry.real[s] {
		l.lowerRealLoop(s)
		return
	}
	lab := &label{name: s.Label}
	limit := l.opt.maxUnroll()
	for round := 0; l.cur != nil; round++ {
		if round >= limit {
			panic(realLoop{s})
		}
		lab.again = nil
		l.labels = append(l.labels, lab)
		l.stmts(s.Body)
		l.labels = l.labels[:len(l.labels)-1]
		l.resume(append(l.here(), lab.again...), s.Label)
	}
	l.resume(lab.leave, s.Label+".end")
}

// switchStmt: exits on which the value is known go to their case directly.
func (l *lowerer) switchStmt(s *ir.Switch) {
	into := make([][]exit, len(s.Cases)+1)
	w := ir.Width(s.X.Type())
	pick := func(c uint64) int {
		for i, k := range s.Cases {
			for _, b := range k.Labels {
				if v := l.constBig(b, w); len(v) == 1 && v[0].Aux == c {
					return i
				}
			}
		}
		return len(s.Cases)
	}
	if w <= 64 && l.cur.pending != nil {
		var rest []exit
		for _, x := range l.cur.pending {
			if c, ok := l.tryConst(s.X, x); ok {
				i := pick(c)
				into[i] = append(into[i], x)
			} else {
				rest = append(rest, x)
			}
		}
		l.resume(rest, l.cur.name)
	}
	if l.cur != nil {
		l.dispatch(s, w, into, pick)
	}
	l.cases(s, into)
}

// dispatch branches on the value of s.X and appends the exits to the cases.
func (l *lowerer) dispatch(s *ir.Switch, w int, into [][]exit, pick func(uint64) int) {
	var x []*Value
	if !l.guard(func() { x = l.eval(s.X) }) {
		return
	}
	l.setPos(s.P)
	if w > 64 {
		for i, k := range s.Cases {
			for _, b := range k.Labels {
				t, f := l.branch(l.equal(x, l.constBig(b, w)), 0)
				into[i] = append(into[i], t...)
				if l.resume(f, "case"); l.cur == nil {
					return
				}
			}
		}
		into[len(s.Cases)] = append(into[len(s.Cases)], l.here()...)
		return
	}
	if len(x) == 0 {
		x = l.zero(1)
	}
	v := l.known(x[0])
	if v.Op == OpConst {
		i := pick(v.Aux)
		into[i] = append(into[i], l.here()...)
		return
	}
	var labels []uint64
	var to []int
	seen := map[uint64]bool{}
	for i, k := range s.Cases {
		for _, b := range k.Labels {
			c := l.constBig(b, int(v.Type))[0].Aux
			if !seen[c] {
				seen[c] = true
				labels, to = append(labels, c), append(to, i)
			}
		}
	}
	exits := l.switchOn(v, labels)
	for i, e := range exits {
		k := len(s.Cases)
		if i < len(to) {
			k = to[i]
		}
		into[k] = append(into[k], e)
	}
}

// switchOn ends the block with a switch; the last exit is the default.
func (l *lowerer) switchOn(v *Value, labels []uint64) []exit {
	l.force()
	f := l.cur
	l.cur = nil
	f.blk.Term = Term{Kind: TermSwitch, Cond: v, Labels: labels, Succs: make([]Edge, len(labels)+1), Pos: l.pos}
	out := make([]exit, len(labels)+1)
	for i := range out {
		facts := f.facts
		if i < len(labels) {
			facts = l.learn(facts, v, labels[i], 4)
		}
		out[i] = exit{f.blk, i, f.env, facts}
	}
	return out
}

// cases lowers the bodies and joins behind them.
func (l *lowerer) cases(s *ir.Switch, into [][]exit) {
	var out []exit
	for i := range into {
		l.resume(into[i], "case")
		if i < len(s.Cases) {
			l.stmts(s.Cases[i].Body)
		} else {
			l.stmts(s.Default)
		}
		out = append(out, l.here()...)
	}
	l.resume(out, "endswitch")
}
