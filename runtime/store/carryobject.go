package store

import (
	"fmt"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/runtime/entity"
)

// carryObjects gives what a Reconcile keeps of the objects, and lists what the
// new program has no place for (D1). Registers are state: cells that go on are
// those whose name and shape are the same, others start anew, as counters do.
func (s *Store) carryObjects(pl *Pipeline) (objects, []string) {
	from, to := s.pipe.Schema, pl.Schema
	out := objects{}
	var lost []string
	lose := func(scope entity.Scope, why string) {
		what := scope.Kind.String()
		switch scope.Kind {
		case entity.Member, entity.Group:
			what = fmt.Sprintf("action profile %s: %ss", scope.Name, scope.Kind)
		default:
			what += " " + scope.Name
		}
		lost = append(lost, what+": "+why)
	}
	for _, scope := range s.objects.scopes() {
		set := s.objects[scope]
		keep := true
		switch scope.Kind {
		case entity.Member, entity.Group:
			why := ""
			if set, why = carryProfile(scope.Kind, set, from.Profile(scope.Name), to.Profile(scope.Name)); why != "" {
				lose(scope, why)
				continue
			}
		case entity.Meter:
			if n := to.Meter(scope.Name); n == nil || !n.SameShape(from.Meter(scope.Name)) {
				lose(scope, "the new program has none of this name, size and unit")
				continue
			}
		case entity.Register:
			n := to.Register(scope.Name)
			keep = n != nil && n.SameShape(from.Register(scope.Name))
		case entity.ValueSet:
			n := to.ValueSet(scope.Name)
			v, _ := set.each[0].(*entity.ValueSetMembers)
			switch {
			case n == nil || !n.SameShape(from.ValueSet(scope.Name)):
				lose(scope, "the new program has none of this name with the same fields")
				continue
			case v != nil && len(v.Members) > n.Size:
				lose(scope, fmt.Sprintf("%d members, its size is %d now", len(v.Members), n.Size))
				continue
			}
		case entity.Digest:
			if !to.HasDigest(scope.Name) {
				lose(scope, "the new program has none of this name")
				continue
			}
		}
		if keep {
			// A copy: the live content and the new one change apart until the switch.
			out[scope] = &objectSet{each: maps.Clone(set.each), whole: set.whole}
		}
	}
	return out, lost
}

// carryProfile gives the members or groups of a profile in the new program's
// numbers of actions, or says why not.
func carryProfile(k entity.ObjectKind, set *objectSet, from, to *entity.Profile) (*objectSet, string) {
	switch {
	case to == nil:
		return nil, fmt.Sprintf("no table of the new program has the profile, %d of them", len(set.each))
	case k == entity.Group && !to.Selector:
		return nil, fmt.Sprintf("it is no selector now, %d of them", len(set.each))
	case k == entity.Group:
		return set, ""
	case to.Size > 0 && len(set.each) > to.Size:
		return nil, fmt.Sprintf("%d of them, its size is %d now", len(set.each), to.Size)
	}
	out := &objectSet{each: make(map[uint32]entity.Object, len(set.each))}
	for _, id := range slices.Sorted(maps.Keys(set.each)) {
		m := set.each[id].(*entity.MemberAction)
		act, err := carryAction(from, to, m.Action)
		if err != nil {
			return nil, fmt.Sprintf("member %d: %v", id, err)
		}
		out.each[id] = &entity.MemberAction{Action: act, Args: m.Args}
	}
	return out, ""
}

func carryAction(from, to *entity.Profile, action int) (int, error) {
	a := from.Actions[action]
	if b := to.Action(a.Name); b != nil && slices.EqualFunc(a.Params, b.Params, sameParam) {
		return b.Index, nil
	}
	return 0, fmt.Errorf("the new program has no action %s with the same parameters", a.Name)
}

// carrySet renumbers the actions of an entry's action set.
func carrySet(e *entity.Entry, from, to *entity.Profile) error {
	if e.Extra == nil || e.Extra.Set == nil {
		return nil
	}
	if !to.Selector {
		return fmt.Errorf("action profile %s is no selector now", to.Name)
	}
	set := new(entity.ActionSet)
	*set = *e.Extra.Set
	set.Actions = slices.Clone(set.Actions)
	for i := range set.Actions {
		act, err := carryAction(from, to, set.Actions[i].Action)
		if err != nil {
			return err
		}
		set.Actions[i].Action = act
	}
	x := *e.Extra
	x.Set = set
	e.Extra = &x
	return nil
}
