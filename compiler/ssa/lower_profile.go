package ssa

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// maxProfileActions leaves room for NoMember in the byte that numbers them.
const maxProfileActions = 254

// applyProfile lowers what follows the look-up in a table with an action profile:
// the word of the entry leads to a member, by way of a group where the entry
// names one, and the member's word to one of the actions that the tables of the
// profile have together.
func (l *lowerer) applyProfile(s *ir.ApplyTable, word, hit *Value, done func(action int, e []exit)) {
	t, p := s.Table, s.Table.Implementation
	if !isProfile(p) {
		l.refuse(t.Pos, "table "+t.Name, "its implementation "+p.Name+" is no action profile or selector")
	}
	actions := l.p.ProfileActions(p)
	if len(actions) > maxProfileActions {
		l.refuse(t.Pos, "table "+t.Name, fmt.Sprintf("the tables of %s have %d actions, the limit is %d", p.Name, len(actions), maxProfileActions))
	}
	member := l.leaves(&node{kind: nodeScalar, w: 64, n: 1}, t.Name+".$member")
	selector := p.Kind() == "action_selector"
	var groups []exit
	if selector {
		isGroup := l.op(OpEq, 1, l.emit(&Value{Op: OpActionID, Type: 8, Args: []*Value{word}, Sym: t}), l.constant(8, 1))
		then, els := l.branch(isGroup, +1)
		if l.resume(then, t.Name+".group"); l.cur != nil {
			l.set(member, l.emit(&Value{Op: OpBucket, Type: 64, Args: []*Value{word, l.selectorHash(t)}, Sym: p, Name: p.Name}))
			groups = l.here()
		}
		l.resume(els, t.Name+".member")
	}
	if l.cur != nil {
		l.set(member, l.emit(&Value{Op: OpMember, Type: 64, Args: []*Value{word}, Sym: p, Name: p.Name}))
	}
	l.resume(append(groups, l.here()...), t.Name)
	l.force()
	m := l.get(member)
	// Nobody reads it again: the ways behind need not agree on it.
	l.set(member, l.constant(64, 0))
	n := len(actions)
	labels := make([]uint64, 0, n+1)
	for i := range actions {
		labels = append(labels, uint64(i))
	}
	if !selector {
		labels = labels[:n-1] // the last is the default
	}
	var exits []exit
	if selector || n > 1 {
		exits = l.switchOn(l.emit(&Value{Op: OpActionID, Type: 8, Args: []*Value{m}, Sym: p}), labels)
	} else {
		exits = l.here()
	}
	beyond := len(t.Actions)
	for i, a := range actions {
		l.resume(exits[i:i+1], a.Name)
		l.action(p, a, m, i)
		run := slices.IndexFunc(t.Actions, func(r ir.ActionRef) bool { return r.Action == a })
		if run < 0 { // of another table of the profile
			run = beyond
			beyond++
		}
		l.applied(s, hit, run)
		done(run, l.here())
	}
	if selector {
		l.resume(exits[n:], t.Name+".empty")
		run := l.emptyGroup(t)
		l.applied(s, hit, run)
		done(run, l.here())
	}
}

// selectorHash is the hash over the selector keys of a table.
func (l *lowerer) selectorHash(t *ir.Table) *Value {
	var data []part
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			data = append(data, part{pieces: l.eval(k.Expr)})
		}
	}
	p := t.Implementation
	if len(data) == 0 || len(p.Args) == 0 {
		return l.constant(64, 0)
	}
	l.setPos(t.Pos)
	algo := strings.ToLower(l.enumMember(p.Args[0]))
	switch algo {
	case "target_default":
		algo = "crc32"
	case "ones_complement16":
		algo = "csum16"
	}
	return l.op(OpZext, 64, l.digestOf(algo, data, t.Pos))
}

// emptyGroup runs what psa_empty_group_action or pna_empty_group_action calls; its
// result is the action's index, -1 where the table names none. The name of the
// action comes first, then its arguments.
func (l *lowerer) emptyGroup(t *ir.Table) int {
	at := -1
	var args []ir.Expr
	for _, p := range t.Props {
		if !strings.HasSuffix(p.Name, "_empty_group_action") {
			continue
		}
		if name, is := p.Expr.(*ir.StringLit); is {
			at = slices.IndexFunc(t.Actions, func(r ir.ActionRef) bool { return r.Action.Name == name.Val })
		} else {
			args = append(args, p.Expr)
		}
		if at < 0 {
			l.refuse(t.Pos, "table "+t.Name, "its "+p.Name+" is none of its actions")
		}
	}
	if at < 0 || l.cur == nil {
		return at
	}
	a := t.Actions[at].Action
	for i, p := range a.DataParams() {
		v := l.declare(p)
		if i >= len(args) || v.node.kind != nodeScalar {
			l.refuse(t.Pos, "table "+t.Name, "its action for an empty group: argument "+p.Name+" is missing")
		}
		for k, x := range l.resize(l.eval(args[i]), v.node.w, false) {
			l.set(v.base+k, x)
		}
	}
	for _, v := range a.Locals {
		l.declare(v)
	}
	l.stmts(a.Body)
	return at
}
