package ssa

import (
	"fmt"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// learnedState is what packets added to a table.
type learnedState struct {
	byKey   map[string]uint32
	entries map[uint32]*learnedEntry
	last    uint32
}

type learnedEntry struct {
	key           []uint64
	action        int
	args          []uint64 // limbs
	timeout, last uint64
	count         Count
}

// SetExpireTimes gives the expire time profiles their times in nanoseconds; a
// profile that is not there never expires.
func (in *Interp) SetExpireTimes(times map[uint8]uint64) { in.expire = maps.Clone(times) }

// Learned lists what packets added to table t and has not been taken out: keys and
// arguments as limbs, in the order of their addition.
func (in *Interp) Learned(t *ir.Table) (keys, args [][]uint64) {
	s := in.learned[t]
	if s == nil {
		return nil, nil
	}
	for _, n := range slices.Sorted(maps.Keys(s.entries)) {
		keys, args = append(keys, s.entries[n].key), append(args, s.entries[n].args)
	}
	return keys, args
}

func (in *Interp) learnedOf(t *ir.Table) *learnedState {
	s := in.learned[t]
	if s == nil {
		s = &learnedState{byKey: map[string]uint32{}, entries: map[uint32]*learnedEntry{}}
		if in.learned == nil {
			in.learned = map[*ir.Table]*learnedState{}
		}
		in.learned[t] = s
	}
	return s
}

func (in *Interp) expireTime(profile uint64) uint64 {
	if profile > 255 {
		return 0
	}
	return in.expire[uint8(profile)]
}

// learning evaluates the operations of add on miss.
func (r *run) learning(v *Value) (uint64, error) {
	if v.Op == OpFlowID {
		r.in.flows++
		return uint64(r.in.flows), nil
	}
	t := v.Sym.(*ir.Table)
	s := r.in.learnedOf(t)
	args := make([]uint64, len(v.Args))
	for i, x := range v.Args {
		args[i] = r.vals[x]
	}
	switch v.Op {
	case OpLearned:
		n := s.byKey[fmt.Sprint(args)]
		if e := s.entries[n]; e != nil && e.timeout != 0 && r.now >= e.last && r.now-e.last >= e.timeout {
			delete(s.byKey, fmt.Sprint(args))
			delete(s.entries, n)
			return 0, nil
		}
		return uint64(n), nil
	case OpLearn:
		nkeys := 0
		for _, k := range t.Keys {
			nkeys += len(Limbs(ir.Width(k.Expr.Type())))
		}
		key := args[1 : 1+nkeys]
		if s.byKey[fmt.Sprint(key)] != 0 || len(s.entries) >= t.LearnLimit() {
			return 0, nil
		}
		s.last++
		s.byKey[fmt.Sprint(key)] = s.last
		s.entries[s.last] = &learnedEntry{key: key, action: v.Action, args: args[1+nkeys:], timeout: r.in.expireTime(args[0]), last: r.now}
		return 1, nil
	}
	e := s.entries[uint32(args[0])]
	if e == nil {
		return 0, fmt.Errorf("there is no learned entry %d", args[0])
	}
	switch v.Op {
	case OpLearnedAction:
		return uint64(e.action), nil
	case OpLearnedArg:
		if e.action != v.Action {
			return 0, fmt.Errorf("the learned entry has action %d", e.action)
		}
		at := v.Limb
		for _, p := range t.Actions[v.Action].Action.DataParams()[:v.Param] {
			at += len(Limbs(ir.Width(p.Type)))
		}
		return e.args[at], nil
	case OpLearnedCount:
		if len(args) > 1 {
			e.count.Bytes += args[1] - r.p.Bytes
			break
		}
		e.count.Packets += r.p.Segments
		e.count.Bytes += r.p.Bytes
	case OpTimer:
		if args[2] != 0 {
			e.timeout = r.in.expireTime(args[3])
		}
		if args[1] != 0 {
			e.last = r.now
		}
	}
	return 0, nil
}
