package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// apply lowers a table: look-up, entry word, a switch over the actions, and
// each action's body with its data parameters read from the word.
func (l *lowerer) apply(s *ir.ApplyTable) {
	var out []exit
	l.applyEach(s, func(_ int, e []exit) { out = append(out, e...) })
	l.resume(out, s.Table.Name+".end")
}

// applySwitch is a table followed by a switch on the action that ran: the ways
// out of each action go to its case directly.
func (l *lowerer) applySwitch(s *ir.ApplyTable, sw *ir.Switch) {
	l.force()
	into := make([][]exit, len(sw.Cases)+1)
	l.applyEach(s, func(action int, e []exit) {
		to := len(sw.Cases)
	find:
		for i, k := range sw.Cases {
			for _, b := range k.Labels {
				if b.IsInt64() && b.Int64() == int64(action) {
					to = i
					break find
				}
			}
		}
		into[to] = append(into[to], e...)
	})
	l.setPos(sw.P)
	l.cases(sw, into)
}

func (l *lowerer) applyEach(s *ir.ApplyTable, done func(action int, e []exit)) {
	t := s.Table
	l.checkTable(t)
	l.setPos(s.P)
	if len(t.Actions) == 0 {
		l.refuse(t.Pos, "table "+t.Name, "it has no action")
	}
	handle, keys := l.lookup(t, s.P)
	learns := l.learns(t)
	if learns {
		l.applyLearned(s, handle, keys, done)
		if l.cur == nil {
			return
		}
		l.force()
	}
	l.hitState(t, handle)
	miss := l.constant(1, 0)
	if learns {
		miss = l.op(OpEq, 1, handle, l.constant(32, 0))
	}
	var hit *Value
	if s.Hit != nil {
		hit = l.op(OpNe, 1, handle, l.constant(32, 0))
	}
	word := l.emit(&Value{Op: OpEntry, Type: 64, Args: []*Value{handle}, Sym: t, Name: t.Name})
	if t.Implementation != nil {
		l.applyProfile(s, word, hit, done)
		return
	}
	exits := l.here()
	if len(t.Actions) > 1 {
		l.resume(exits, t.Name)
		id := l.emit(&Value{Op: OpActionID, Type: 8, Args: []*Value{word}, Sym: t})
		labels := make([]uint64, len(t.Actions)-1)
		for i := range labels {
			labels[i] = uint64(i)
		}
		exits = l.switchOn(id, labels)
	}
	for i, ref := range t.Actions {
		l.resume(exits[i:i+1], ref.Action.Name)
		was := l.taught
		l.taught = &learning{t: t, keys: keys, miss: miss}
		l.action(t, ref.Action, word, i)
		l.taught = was
		l.applied(s, hit, i)
		done(i, l.here())
	}
}

// applied sets the results of an apply, behind the action, which may read their
// variables. Action -1 is none.
func (l *lowerer) applied(s *ir.ApplyTable, hit *Value, action int) {
	if l.cur != nil && s.Hit != nil {
		l.set(l.local(s.Hit).base, hit)
	}
	if l.cur != nil && s.Run != nil {
		v := l.local(s.Run)
		for j, c := range l.wide(v.node.w, []uint64{uint64(action)}) {
			l.set(v.base+j, c)
		}
	}
}

// local is the storage of a variable of the current block.
func (l *lowerer) local(v *ir.Var) *variable {
	s := l.vars[v]
	if s == nil {
		l.refuse(v.Pos, "variable "+v.Name, "it does not belong to this block")
	}
	return s
}

func (l *lowerer) checkTable(t *ir.Table) {
	for _, k := range t.Keys {
		if i := t.Implementation; k.Kind == ir.MatchSelector && (i == nil || i.Kind() != "action_selector") {
			l.refuse(k.Pos, "key "+k.Name+" of table "+t.Name, "match kind selector needs an action selector as the table's implementation")
		}
	}
	if len(t.Actions) > 255 {
		l.refuse(t.Pos, "table "+t.Name, fmt.Sprintf("it has %d actions, the limit is 255", len(t.Actions)))
	}
}

// lookup's position is that of the apply; its keys have their own.
func (l *lowerer) lookup(t *ir.Table, apply ir.Pos) (handle *Value, keys []*Value) {
	if len(t.Keys) == 0 {
		return l.constant(32, 0), nil // always the default action
	}
	var args []*Value
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector { // see lower_profile.go
			continue
		}
		args = append(args, l.eval(k.Expr)...)
	}
	l.setPos(apply)
	return l.emit(&Value{Op: OpLookup, Type: 32, Args: args, Sym: t, Name: t.Name}), args
}

// action lowers the body of a, action i of a table or an action profile.
func (l *lowerer) action(of any, a *ir.Action, word *Value, i int) {
	for j, p := range a.DataParams() {
		v := l.declare(p)
		if v.node.kind != nodeScalar {
			l.refuse(p.Pos, "parameter "+p.Name+" of action "+a.Name, "it is not a scalar")
		}
		for k, lt := range Limbs(v.node.w) {
			l.set(v.base+k, l.emit(&Value{
				Op: OpActionArg, Type: lt, Args: []*Value{word}, Sym: of,
				Action: i, Param: j, Limb: k, Name: p.Name,
			}))
		}
	}
	for _, v := range a.Locals {
		l.declare(v)
	}
	l.stmts(a.Body)
}
