package ssa

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Tables that packets add to (PNA's add_on_miss), as ir/exec/learn.go defines them.
// What the control plane wrote is looked for first, by OpLookup; then what packets
// taught, by OpLearned, in state that generations share (D7).

// learning is the table whose action is being lowered.
type learning struct {
	t    *ir.Table
	keys []*Value // as they were at the look-up
	miss *Value   // nothing was found
	at   *Value   // the entry that packets added and that was found; nil: none
}

// learns tells whether packets add entries to a table.
func (l *lowerer) learns(t *ir.Table) bool {
	is := t.AddOnMiss()
	if !is {
		if boolProp(t, "idle_timeout_with_auto_delete") {
			l.refuse(t.Pos, "table "+t.Name, "entries that delete themselves are those that packets add (add_on_miss)")
		}
		return false
	}
	for _, k := range t.Keys {
		if k.Kind != ir.MatchExact {
			l.refuse(k.Pos, "key "+k.Name+" of table "+t.Name, "only exact keys can be added on a miss")
		}
	}
	switch {
	case len(t.Keys) == 0:
		l.refuse(t.Pos, "table "+t.Name, "a table without keys has nothing to add")
	case t.Implementation != nil:
		l.refuse(t.Pos, "table "+t.Name, "packets add no entries to a table with an action profile")
	}
	return true
}

func boolProp(t *ir.Table, name string) bool {
	for _, p := range t.Props {
		if c, ok := p.Expr.(*ir.Const); ok && p.Name == name {
			return c.Val != nil && c.Val.Sign() != 0
		}
	}
	return false
}

// applyLearned lowers the way of a packet that finds an entry which packets added,
// behind a look-up that gave handle; control goes on where it finds none.
func (l *lowerer) applyLearned(s *ir.ApplyTable, handle *Value, keys []*Value, done func(action int, e []exit)) {
	t := s.Table
	miss, hit := l.branch(l.op(OpEq, 1, handle, l.constant(32, 0)), 0)
	if l.resume(miss, t.Name+".learned"); l.cur == nil {
		l.resume(hit, t.Name)
		return
	}
	at := l.emit(&Value{Op: OpLearned, Type: 32, Args: keys, Sym: t, Name: t.Name})
	found, none := l.branch(l.op(OpNe, 1, at, l.constant(32, 0)), +1)
	if l.resume(found, t.Name+".known"); l.cur != nil {
		if t.Counters != nil {
			l.emit(&Value{Op: OpLearnedCount, Args: []*Value{at}, Sym: t})
		}
		if m := t.Meters; m != nil { // nobody gives its entries rates
			l.set(l.hitLeaf(m), l.constant(32, 0))
		}
		l.learnedActions(s, at, keys, done)
	}
	l.resume(append(none, hit...), t.Name)
}

// learnedActions lowers the actions that packets can add entries with.
func (l *lowerer) learnedActions(s *ir.ApplyTable, at *Value, keys []*Value, done func(action int, e []exit)) {
	t := s.Table
	can := l.addable(t)
	if len(can) == 0 {
		l.force()
		l.drop(DropProgram) // cannot be: nothing adds to the table
		return
	}
	exits := l.here()
	if len(can) > 1 {
		l.resume(exits, t.Name+".known")
		id := l.emit(&Value{Op: OpLearnedAction, Type: 8, Args: []*Value{at}, Sym: t})
		labels := make([]uint64, len(can)-1)
		for i := range labels {
			labels[i] = uint64(can[i])
		}
		exits = l.switchOn(id, labels)
	}
	for i, action := range can {
		l.resume(exits[i:i+1], t.Actions[action].Action.Name)
		was := l.taught
		l.taught = &learning{t: t, keys: keys, miss: l.constant(1, 0), at: at}
		l.learnedAction(t, at, action)
		l.taught = was
		l.applied(s, l.constant(1, 1), action)
		done(action, l.here())
	}
}

// learnedAction lowers the body of an action with the arguments of a learned entry.
func (l *lowerer) learnedAction(t *ir.Table, at *Value, action int) {
	a := t.Actions[action].Action
	for j, p := range a.DataParams() {
		v := l.declare(p)
		if v.node.kind != nodeScalar {
			l.refuse(p.Pos, "parameter "+p.Name+" of action "+a.Name, "it is not a scalar")
		}
		for k, lt := range Limbs(v.node.w) {
			l.set(v.base+k, l.emit(&Value{Op: OpLearnedArg, Type: lt, Args: []*Value{at}, Sym: t,
				Action: action, Param: j, Limb: k, Name: p.Name}))
		}
	}
	for _, v := range a.Locals {
		l.declare(v)
	}
	l.stmts(a.Body)
}

// addable lists the actions of t that an action of t adds entries with.
func (l *lowerer) addable(t *ir.Table) []int {
	is := map[int]bool{}
	for _, r := range t.Actions {
		ir.WalkStmts(r.Action.Body, func(s ir.Stmt) {
			c, ok := s.(*ir.ExternCall)
			if !ok || c.Name != "add_entry" && c.Name != "add_entry_if" {
				return
			}
			at := 0
			if c.Name == "add_entry_if" {
				at = 1
			}
			if at < len(c.Args) {
				if i := learnAction(t, c.Args[at]); i >= 0 {
					is[i] = true
				}
			}
		})
	}
	var out []int
	for i := range t.Actions {
		if is[i] {
			out = append(out, i)
		}
	}
	return out
}

// learnAction is the action that add_entry names, -1 for none of the table's. Where
// several names end in it the last one is meant, as in ir/exec.
func learnAction(t *ir.Table, name ir.Expr) int {
	lit, ok := name.(*ir.StringLit)
	if !ok {
		return -1
	}
	found := -1
	for i, r := range t.Actions {
		if n := r.Action.Name; n == lit.Val || strings.HasSuffix(n, "."+lit.Val) {
			found = i
		}
	}
	return found
}

// learnExtern lowers the functions of add on miss; false for others.
func (l *lowerer) learnExtern(s *ir.ExternCall) bool {
	yes := l.constant(1, 1)
	flag := func(i int) *Value { return l.scalar(s.Args[i]) }
	profile := func(i int) *Value {
		l.narrow(s.Args[i], "profile")
		return l.resize(l.eval(s.Args[i]), 32, false)[0]
	}
	switch s.Name {
	case "add_entry":
		l.args(s, 3)
		l.addEntry(s, 0, yes)
	case "add_entry_if":
		l.args(s, 4)
		l.addEntry(s, 1, flag(0))
	case "allocate_flow_id":
		l.result(s, l.emit(&Value{Op: OpFlowID, Type: 32}))
	case "restart_expire_timer":
		l.timer(s, yes, l.constant(1, 0), l.constant(32, 0))
	case "set_entry_expire_time":
		l.args(s, 1)
		l.timer(s, yes, yes, profile(0))
	case "set_entry_expire_time_if":
		l.args(s, 2)
		l.timer(s, flag(0), flag(0), profile(1))
	case "update_expire_info":
		l.args(s, 3)
		l.timer(s, flag(0), flag(1), profile(2))
	default:
		return false
	}
	return true
}

// timer restarts the timer of the entry that was found, or changes its expire time;
// entries that no packet added have none.
func (l *lowerer) timer(s *ir.ExternCall, restart, change, profile *Value) {
	if l.taught == nil {
		l.refuse(s.P, "extern "+s.Name, "it is called outside of a table's actions")
	}
	if l.taught.at != nil {
		l.emit(&Value{Op: OpTimer, Args: []*Value{l.taught.at, restart, change, profile}, Sym: l.taught.t, Name: l.taught.t.Name})
	}
}

// addEntry adds an entry for the key that was missed, where cond holds. Its result
// is true, or 0 of another type, when it was added.
func (l *lowerer) addEntry(s *ir.ExternCall, at int, cond *Value) {
	c := l.taught
	if c == nil {
		l.refuse(s.P, "extern "+s.Name, "it is called outside of a table's actions")
	}
	if _, ok := s.Args[at].(*ir.StringLit); !ok {
		l.refuse(s.P, "extern "+s.Name, "the name of the action is not a string constant")
	}
	added := l.leaves(&node{kind: nodeScalar, w: 1, n: 1}, "$added")
	l.set(added, l.constant(1, 0))
	action := learnAction(c.t, s.Args[at])
	if !c.miss.IsConst(0) && c.t.AddOnMiss() && action >= 0 {
		fields := l.learnFields(s, s.Args[at+1])
		ps := c.t.Actions[action].Action.DataParams()
		if len(fields) != len(ps) {
			l.refuse(s.P, "extern "+s.Name, fmt.Sprintf("action %s takes %d arguments, not %d", c.t.Actions[action].Action.Name, len(ps), len(fields)))
		}
		l.narrow(s.Args[at+2], "profile")
		args := []*Value{l.resize(l.eval(s.Args[at+2]), 32, false)[0]}
		args = append(args, c.keys...)
		for i, p := range ps {
			args = append(args, l.resize(fields[i], ir.Width(p.Type), false)...)
		}
		then, els := l.branch(l.and(c.miss, cond), +1)
		if l.resume(then, "add "+c.t.Name); l.cur != nil {
			l.setPos(s.P)
			l.set(added, l.emit(&Value{Op: OpLearn, Type: 1, Args: args, Sym: c.t, Action: action, Name: c.t.Name}))
		}
		l.resume(append(l.here(), els...), "added")
	}
	if s.Dst == nil {
		return
	}
	v := l.get(added)
	if _, ok := ir.Underlying(s.Dst.Type()).(*ir.Bool); !ok {
		v = l.not(v)
	}
	l.assignTo(s.Dst, l.resize([]*Value{v}, ir.Width(s.Dst.Type()), false))
}

// learnFields are the values of the scalars of the action's arguments.
func (l *lowerer) learnFields(s *ir.ExternCall, x ir.Expr) [][]*Value {
	var es []ir.Expr
	switch x := x.(type) {
	case *ir.ListExpr:
		es = x.Elems
	case *ir.StructLit:
		es = x.Fields
	default:
		v := l.eval(x)
		if ir.Width(x.Type()) >= 0 {
			return [][]*Value{v}
		}
		n := l.shape(x.Type(), "", "arguments", x.Pos())
		var out [][]*Value
		l.fieldScalars(s, n, 0, func(k *node, rel int) { out = append(out, v[rel:rel+k.n]) })
		return out
	}
	var out [][]*Value
	for _, e := range es {
		out = append(out, l.learnFields(s, e)...)
	}
	return out
}
