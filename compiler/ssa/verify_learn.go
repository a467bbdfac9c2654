package ssa

import (
	"errors"

	"github.com/p4nic/p4nic/compiler/ir"
)

// learn checks the operations of add on miss.
func (c *checker) learn(v *Value) error {
	if v.Op == OpFlowID {
		if len(v.Args) != 0 || v.Type != 32 {
			return errors.New("operand or result of a wrong type")
		}
		return nil
	}
	t, _ := v.Sym.(*ir.Table)
	if t == nil {
		return errors.New("no table")
	}
	var keys []Type
	for _, k := range t.Keys {
		keys = append(keys, Limbs(ir.Width(k.Expr.Type()))...)
	}
	args := func(res Type, ts ...Type) error {
		if len(v.Args) != len(ts) || v.Type != res {
			return errors.New("operand or result of a wrong type")
		}
		for i, x := range ts {
			if v.Args[i].Type != x {
				return errors.New("operand or result of a wrong type")
			}
		}
		return nil
	}
	if v.Op == OpLearn || v.Op == OpLearnedArg {
		if v.Action < 0 || v.Action >= len(t.Actions) {
			return errors.New("no such action")
		}
	}
	switch v.Op {
	case OpLearned:
		return args(32, keys...)
	case OpLearnedAction:
		return args(8, 32)
	case OpLearnedArg:
		ps := t.Actions[v.Action].Action.DataParams()
		if v.Param < 0 || v.Param >= len(ps) || v.Limb < 0 || v.Limb >= len(Limbs(ir.Width(ps[v.Param].Type))) {
			return errors.New("no such parameter")
		}
		return args(Limbs(ir.Width(ps[v.Param].Type))[v.Limb], 32)
	case OpLearnedCount:
		if len(v.Args) == 2 {
			return args(0, 32, 64)
		}
		return args(0, 32)
	case OpTimer:
		return args(0, 32, 1, 1, 32)
	}
	ts := append([]Type{32}, keys...)
	for _, p := range t.Actions[v.Action].Action.DataParams() {
		ts = append(ts, Limbs(ir.Width(p.Type))...)
	}
	return args(1, ts...)
}
