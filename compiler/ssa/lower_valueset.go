package ssa

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// inSets tells whether the keys are in the sets of one case. Neighbouring fields of
// a value set must match in one of its members.
func (l *lowerer) inSets(t *ir.Transition, c *ir.SelectCase, keys [][]*Value) *Value {
	cond := l.constant(1, 1)
	for i := 0; i < len(c.Sets); i++ {
		s := c.Sets[i]
		if s.Kind != ir.SetValueSet {
			cond = l.and(cond, l.inSet(s, keys[i], isSigned(t.Keys[i].Type())))
			continue
		}
		widths := ValueSetWidths(s.VS)
		var args []*Value
		n := 0
		for ; i+n < len(c.Sets); n++ {
			if f := c.Sets[i+n]; f.Kind != ir.SetValueSet || f.VS != s.VS || f.Index != s.Index+n {
				break
			}
			args = append(args, keys[i+n]...)
		}
		if s.Index != 0 || n != len(widths) {
			l.refuse(c.Pos, "value set "+s.VS.Name, fmt.Sprintf("%d of its %d fields are matched, all must be", n, len(widths)))
		}
		i += n - 1
		if len(args) == 0 {
			args = []*Value{l.constant(1, 0)}
		}
		cond = l.and(cond, l.emit(&Value{Op: OpInSet, Type: 1, Args: args, Sym: s.VS, Name: s.VS.Name}))
	}
	return cond
}

// ValueSetWidths are the widths in bits of a value set's fields; -1 for one that is
// no scalar.
func ValueSetWidths(v *ir.ValueSet) []int {
	types := []ir.Type{v.Type}
	switch t := v.Type.(type) {
	case *ir.Tuple:
		types = t.Elems
	case *ir.Struct:
		types = nil
		for _, f := range t.Fields {
			types = append(types, f.Type)
		}
	}
	out := make([]int, len(types))
	for i, t := range types {
		out[i] = ir.Width(t)
	}
	return out
}

// inSet checks OpInSet.
func (c *checker) inSet(v *Value) error {
	vs, _ := v.Sym.(*ir.ValueSet)
	if vs == nil || v.Type != 1 {
		return errors.New("no value set")
	}
	var ts []Type
	for _, w := range ValueSetWidths(vs) {
		ts = append(ts, Limbs(w)...)
	}
	if len(ts) == 0 {
		ts = []Type{1}
	}
	if len(ts) != len(v.Args) {
		return fmt.Errorf("%d operands, not %d", len(v.Args), len(ts))
	}
	for i, t := range ts {
		if v.Args[i].Type != t {
			return errors.New("field of a wrong type")
		}
	}
	return nil
}

// vsMember is a member of a value set: value and mask of each limb of its fields.
type vsMember []vsLimb

type vsLimb struct{ value, mask uint64 }

// SetValueSet replaces the members of Program.ValueSets[index]; a member has a match
// for each field: Value, and Mask where bits do not count.
func (in *Interp) SetValueSet(index int, members [][]ir.Match) error {
	sets := in.f.Prog.ValueSets
	if index < 0 || index >= len(sets) {
		return fmt.Errorf("ssa: there is no value set %d", index)
	}
	vs := sets[index]
	if len(members) > vs.Size {
		return fmt.Errorf("ssa: value set %s has room for %d members, not %d", vs.Name, vs.Size, len(members))
	}
	widths := ValueSetWidths(vs)
	var out []vsMember
	for _, m := range members {
		if len(m) != len(widths) {
			return fmt.Errorf("ssa: value set %s: a member has %d fields, not %d", vs.Name, len(m), len(widths))
		}
		var limbs vsMember
		for i, w := range widths {
			n := ir.ByteWidth(w)
			if len(m[i].Value) != n || m[i].Mask != nil && len(m[i].Mask) != n {
				return fmt.Errorf("ssa: value set %s: field %d has %d bytes", vs.Name, i, len(m[i].Value))
			}
			vals, masks := limbsOf(m[i].Value, w), make([]uint64, len(Limbs(w)))
			for k, t := range Limbs(w) {
				masks[k] = Mask(t)
			}
			if m[i].Mask != nil {
				masks = limbsOf(m[i].Mask, w)
			}
			for k := range vals {
				limbs = append(limbs, vsLimb{vals[k], masks[k]})
			}
		}
		out = append(out, limbs)
	}
	in.sets[vs] = out
	return nil
}

// inSet evaluates OpInSet.
func (r *run) inSet(v *Value) uint64 {
	for _, m := range r.in.sets[v.Sym.(*ir.ValueSet)] {
		all := true
		for i, f := range m {
			all = all && (r.vals[v.Args[i]]^f.value)&f.mask == 0
		}
		if all {
			return 1
		}
	}
	return 0
}
