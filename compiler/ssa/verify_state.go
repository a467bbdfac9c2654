package ssa

import (
	"errors"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// NoMember is the OpActionID of what OpBucket gives for a group in which no member
// is up.
const NoMember = 255

// actionsOf are the actions that OpActionID and OpActionArg count: a table's, or
// those of the tables of an action profile.
func actionsOf(p *ir.Program, sym any) []*ir.Action {
	switch s := sym.(type) {
	case *ir.Table:
		out := make([]*ir.Action, len(s.Actions))
		for i := range s.Actions {
			out[i] = s.Actions[i].Action
		}
		return out
	case *ir.Instance:
		return p.ProfileActions(s)
	}
	return nil
}

func needActions(v *Value) error {
	switch v.Sym.(type) {
	case *ir.Table, *ir.Instance:
		return nil
	}
	return errors.New("neither a table nor an action profile")
}

// isProfile tells whether sym is an action profile or selector.
func isProfile(sym any) bool {
	i, ok := sym.(*ir.Instance)
	return ok && (i.Kind() == "action_profile" || i.Kind() == "action_selector")
}

// state checks the operations on action profiles, meters, digests and times.
func (c *checker) state(v *Value) error {
	args := func(ts ...Type) error {
		if len(v.Args) != len(ts) {
			return errors.New("wrong number of operands")
		}
		for i, t := range ts {
			if v.Args[i].Type != t {
				return errors.New("operand of a wrong type")
			}
		}
		return nil
	}
	want := func(ok bool, what string) error {
		if !ok {
			return errors.New(what)
		}
		return nil
	}
	table, _ := v.Sym.(*ir.Table)
	object, _ := v.Sym.(*ir.Instance)
	switch v.Op {
	case OpMember:
		return errors.Join(args(64), want(v.Type == 64 && isProfile(v.Sym), "no action profile"))
	case OpBucket:
		return errors.Join(args(64, 64), want(v.Type == 64 && isProfile(v.Sym), "no action profile"))
	case OpMeter:
		ts := []Type{32, 8, 64}
		if len(v.Args) == 2 {
			ts = ts[:2]
		}
		is := table != nil && table.Meters != nil || object != nil && object.Kind() == "meter"
		return errors.Join(args(ts...), want(v.Type == 8 && is, "no meter"))
	case OpTouch:
		return errors.Join(args(32), needTable(table))
	}
	types := c.digests()
	if v.Aux >= uint64(len(types)) {
		return errors.New("no such digest")
	}
	var ts []Type
	for _, w := range types[v.Aux].Widths {
		ts = append(ts, Limbs(w)...)
	}
	have := make([]Type, len(v.Args))
	for i, a := range v.Args {
		have[i] = a.Type
	}
	return want(slices.Equal(ts, have), "other fields than the digest has")
}

// digests are the messages of the program, found once.
func (c *checker) digests() []ir.DigestType {
	if c.digestTypes == nil {
		c.digestTypes = c.f.Prog.DigestTypes()
	}
	return c.digestTypes
}
