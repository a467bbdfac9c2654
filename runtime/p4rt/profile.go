package p4rt

import (
	"math"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// profileInfo relates an action profile or selector of the P4Info to the program's.
type profileInfo struct {
	*entity.Profile
	id      uint32
	actions []*actionInfo // as Profile.Actions
	// Of selectors: how large a group may be (0 = not said), and what counts.
	maxGroupSize int32
	weightless   bool  // no weights are given
	members      bool  // the size is the number of members, not the sum of weights
	maxWeight    int32 // of a member, where members; 0 = not said
	reserved     []bool
}

// maxGroupWeight bounds the weights of a group together, on every engine.
const maxGroupWeight = 1 << 16

func (b *binding) profile(a *p4configv1.ActionProfile, actions map[uint32]*p4configv1.Action) (*profileInfo, error) {
	name := a.GetPreamble().GetName()
	pi := &profileInfo{id: a.GetPreamble().GetId(), Profile: b.pipe.Schema.Profile(name), maxGroupSize: a.GetMaxGroupSize(), weightless: a.GetWeightsDisallowed()}
	if pi.Profile == nil {
		if len(a.GetTableIds()) == 0 {
			return nil, nil // nobody refers to it: it holds nothing
		}
		return nil, invalid("no table of the program has it")
	}
	if pi.Selector != a.GetWithSelector() {
		return nil, invalid("with_selector is %t, in the program %t", a.GetWithSelector(), pi.Selector)
	}
	if s := a.GetSumOfMembers(); s != nil {
		pi.members, pi.maxWeight = true, s.GetMaxMemberWeight()
	}
	pi.actions = make([]*actionInfo, len(pi.Actions))
	pi.reserved = make([]bool, len(pi.Actions))
	for i, act := range pi.Actions {
		pi.reserved[i] = true
		for id, m := range actions {
			if m.GetPreamble().GetName() != act.Name {
				continue
			}
			var err error
			if pi.actions[i], err = b.actionParams(m, act, id); err != nil {
				return nil, err
			}
		}
		if pi.actions[i] == nil {
			return nil, invalid("action %s of the program is not in the P4Info", act.Name)
		}
		for _, t := range pi.Tables {
			if ta := b.pipe.Schema.Tables[t].Action(act.Name); ta != nil && !ta.DefaultOnly {
				pi.reserved[i] = false
			}
		}
	}
	return pi, nil
}

// findProfile gives the action profile of an id that a request must set.
func (b *binding) findProfile(id uint32) (*profileInfo, error) {
	if id == 0 {
		return nil, invalid("action_profile_id is not set")
	}
	if p := b.profiles[id]; p != nil {
		return p, nil
	}
	if what, ok := b.names[id]; ok {
		return nil, invalid("action_profile_id 0x%08x is that of %s, which no table has as its action profile", id, what)
	}
	return nil, invalid("action_profile_id 0x%08x is unknown", id)
}

// action decodes a member's action (p4rt:T13, T14).
func (p *profileInfo) action(a *p4v1.Action) (index int, args string, err error) {
	if a == nil {
		return 0, "", invalid("the action is not set")
	}
	for i, ai := range p.actions {
		if ai.id != a.GetActionId() {
			continue
		}
		if p.reserved[i] {
			return 0, "", entity.Errorf(entity.Denied, "action %s is @defaultonly", ai.Name)
		}
		if args, err = ai.args(a.GetParams()); err != nil {
			return 0, "", within(err, "action %s", ai.Name)
		}
		return i, args, nil
	}
	return 0, "", invalid("action_id 0x%08x is none of its actions", a.GetActionId())
}

func (p *profileInfo) memberID(id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.Member, Name: p.Name}, ID: id}
}

func (p *profileInfo) groupID(id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.Group, Name: p.Name}, ID: id}
}

// member decodes a write of a member (p4rt:AP1-AP3).
func (b *binding) member(typ p4v1.Update_Type, m *p4v1.ActionProfileMember) (u entity.Update, err error) {
	p, err := b.findProfile(m.GetActionProfileId())
	if err != nil {
		return u, err
	}
	id := p.memberID(m.GetMemberId())
	if id.ID == 0 {
		return u, invalid("action profile %s: member_id is not set", p.Name)
	}
	if typ == p4v1.Update_DELETE {
		return objectUpdate(typ, id, nil), nil
	}
	v := &entity.MemberAction{}
	if v.Action, v.Args, err = p.action(m.GetAction()); err != nil {
		return u, within(err, "%s", id)
	}
	return objectUpdate(typ, id, v), nil
}

// group decodes a write of a group (p4rt:AP4-AP8, AP13).
func (b *binding) group(typ p4v1.Update_Type, g *p4v1.ActionProfileGroup) (u entity.Update, err error) {
	p, err := b.findProfile(g.GetActionProfileId())
	if err != nil {
		return u, err
	}
	id := p.groupID(g.GetGroupId())
	switch {
	case !p.Selector:
		return u, invalid("action profile %s is no selector: it has no groups", p.Name)
	case id.ID == 0:
		return u, invalid("action profile %s: group_id is not set", p.Name)
	case typ == p4v1.Update_DELETE:
		return objectUpdate(typ, id, nil), nil
	case g.GetMaxSize() < 0:
		return u, invalid("%s: max_size %d is negative", id, g.GetMaxSize())
	case p.maxGroupSize > 0 && g.GetMaxSize() > p.maxGroupSize:
		return u, invalid("%s: max_size %d is above max_group_size %d", id, g.GetMaxSize(), p.maxGroupSize)
	}
	v := &entity.GroupMembers{MaxSize: g.GetMaxSize()}
	seen := make(map[uint32]bool, len(g.GetMembers()))
	size := groupSize{p: p}
	for _, m := range g.GetMembers() {
		x := entity.GroupMember{Member: m.GetMemberId()}
		if x.Member == 0 {
			return u, invalid("%s: a member_id is not set", id)
		}
		if seen[x.Member] {
			return u, invalid("%s: member %d is given twice", id, x.Member)
		}
		seen[x.Member] = true
		if x.Weight, err = size.add(m.GetWeight()); err == nil {
			x.Watch, err = memberWatch(m)
		}
		if err != nil {
			return u, within(err, "%s: member %d", id, x.Member)
		}
		v.Members = append(v.Members, x)
	}
	limit := g.GetMaxSize()
	if limit == 0 {
		limit = p.maxGroupSize
	}
	if what, over := size.over(limit); over {
		return u, entity.Errorf(entity.Full, "%s: %s is above its size %d", id, what, limit)
	}
	if size.sum > maxGroupWeight {
		return u, entity.Errorf(entity.Full, "%s: the weights together are %d, above %d", id, size.sum, maxGroupWeight)
	}
	return objectUpdate(typ, id, v), nil
}

// groupSize sums the weights of a group or an action set (p4rt:AP5, OS4, OS5).
type groupSize struct {
	p   *profileInfo
	n   int64
	sum int64
}

func (s *groupSize) add(weight int32) (uint32, error) {
	switch {
	case s.p.weightless && weight != 0:
		return 0, invalid("weight %d, but %s takes no weights", weight, s.p.Name)
	case !s.p.weightless && weight <= 0:
		return 0, invalid("weight %d is not positive", weight)
	case s.p.members && s.p.maxWeight > 0 && weight > s.p.maxWeight:
		return 0, invalid("weight %d is above max_member_weight %d", weight, s.p.maxWeight)
	}
	s.n++
	s.sum += int64(max(1, weight))
	return uint32(weight), nil
}

// over tells whether the size is above a limit; 0 is none.
func (s *groupSize) over(limit int32) (what string, over bool) {
	if s.p.members {
		return "the number of members", limit > 0 && s.n > int64(limit)
	}
	return "the sum of weights", limit > 0 && s.sum > int64(limit)
}

// actionSet decodes one-shot programming (p4rt:OS1-OS8).
func (p *profileInfo) actionSet(s *p4v1.ActionProfileActionSet) (*entity.ActionSet, error) {
	if !p.Selector {
		return nil, invalid("action profile %s is no selector: a member is expected, not an action set", p.Name)
	}
	if m := s.GetActionSelectionMode(); m != p4v1.ActionProfileActionSet_DEFAULT_MODE_DETERMINED_BY_ACTION_SELECTOR && m != p4v1.ActionProfileActionSet_HASH {
		return nil, unsupported("action_selection_mode %s is not supported: actions are selected by the selector's hash", m)
	}
	switch m := s.GetSizeSemantics(); {
	case m == p4v1.ActionProfileActionSet_DEFAULT_SIZE_DETERMINED_BY_ACTION_SELECTOR:
	case m == p4v1.ActionProfileActionSet_SUM_OF_WEIGHTS && !p.members, m == p4v1.ActionProfileActionSet_SUM_OF_MEMBERS && p.members:
	case m != p4v1.ActionProfileActionSet_SUM_OF_WEIGHTS && m != p4v1.ActionProfileActionSet_SUM_OF_MEMBERS:
		return nil, invalid("size_semantics %d is unknown", m)
	default:
		return nil, unsupported("size_semantics %s is not that of %s", m, p.Name)
	}
	out := &entity.ActionSet{Mode: uint8(s.GetActionSelectionMode()), Semantics: uint8(s.GetSizeSemantics())}
	size := groupSize{p: p}
	for i, a := range s.GetActionProfileActions() {
		var x entity.SetAction
		var err error
		if x.Action, x.Args, err = p.action(a.GetAction()); err == nil {
			if x.Weight, err = size.add(a.GetWeight()); err == nil {
				x.Watch, err = actionWatch(a)
			}
		}
		if err != nil {
			return nil, within(err, "action %d of the set", i+1)
		}
		out.Actions = append(out.Actions, x)
	}
	if what, over := size.over(p.maxGroupSize); over {
		return nil, invalid("action set: %s is above max_group_size %d", what, p.maxGroupSize)
	}
	if size.sum > maxGroupWeight {
		return nil, entity.Errorf(entity.Full, "action set: the weights together are %d, above %d", size.sum, maxGroupWeight)
	}
	return out, nil
}

// refer decodes the action of an entry whose table has an action profile.
func (t *tableInfo) refer(u *entity.Update, ta *p4v1.TableAction) error {
	p := t.profile
	if p == nil {
		return invalid("its action profile %s is not in the P4Info", t.Profile)
	}
	u.HasAction = true
	switch x := ta.GetType().(type) {
	case *p4v1.TableAction_ActionProfileMemberId:
		if x.ActionProfileMemberId == 0 {
			return invalid("action_profile_member_id is 0")
		}
		u.Action, u.Args = t.MemberRef(), entity.RefArgs(x.ActionProfileMemberId)
	case *p4v1.TableAction_ActionProfileGroupId:
		switch {
		case !p.Selector:
			return invalid("action profile %s is no selector: a member is expected, not a group", p.Name)
		case x.ActionProfileGroupId == 0:
			return invalid("action_profile_group_id is 0")
		}
		u.Action, u.Args = t.GroupRef(), entity.RefArgs(x.ActionProfileGroupId)
	case *p4v1.TableAction_ActionProfileActionSet:
		set, err := p.actionSet(x.ActionProfileActionSet)
		if err != nil {
			return err
		}
		u.Action, u.Args, u.Extra.Set = t.SetRef(), entity.RefArgs(0), set
	default:
		return invalid("an unknown type of action")
	}
	return nil
}

// actionMessage is an action with its arguments.
func (p *profileInfo) actionMessage(index int, args string) *p4v1.Action {
	a := p.actions[index]
	out := &p4v1.Action{ActionId: a.id}
	raw := view(args)
	for i := range a.Params {
		out.Params = append(out.Params, &p4v1.Action_Param{ParamId: a.params[i], Value: a.Params[i].Canonical(a.Params[i].Get(raw))})
	}
	return out
}

// setMessage is an action set as it was written (p4rt:OS1).
func (p *profileInfo) setMessage(s *entity.ActionSet) *p4v1.ActionProfileActionSet {
	out := &p4v1.ActionProfileActionSet{ActionSelectionMode: p4v1.ActionProfileActionSet_ActionSelectionMode(s.Mode),
		SizeSemantics: p4v1.ActionProfileActionSet_SizeSemantics(s.Semantics)}
	for _, a := range s.Actions {
		m := &p4v1.ActionProfileAction{Action: p.actionMessage(a.Action, a.Args), Weight: weight(a.Weight)}
		watchAction(m, a.Watch)
		out.ActionProfileActions = append(out.ActionProfileActions, m)
	}
	return out
}

func weight(w uint32) int32 { return int32(min(w, math.MaxInt32)) }

func (p *profileInfo) memberEntity(id entity.ObjectID, v entity.Object) *p4v1.Entity {
	m := v.(*entity.MemberAction)
	return &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileMember{ActionProfileMember: &p4v1.ActionProfileMember{
		ActionProfileId: p.id, MemberId: id.ID, Action: p.actionMessage(m.Action, m.Args)}}}
}

func (p *profileInfo) groupEntity(id entity.ObjectID, v entity.Object) *p4v1.Entity {
	g := v.(*entity.GroupMembers)
	out := &p4v1.ActionProfileGroup{ActionProfileId: p.id, GroupId: id.ID, MaxSize: g.MaxSize}
	for _, m := range g.Members {
		x := &p4v1.ActionProfileGroup_Member{MemberId: m.Member, Weight: weight(m.Weight)}
		watchMember(x, m.Watch)
		out.Members = append(out.Members, x)
	}
	return &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileGroup{ActionProfileGroup: out}}
}

// profileQuery decodes a read of members or groups (p4rt:AP10).
func (b *binding) profileQuery(profile uint32, id uint32, groups bool) (query, error) {
	ask := func(p *profileInfo) query {
		if groups {
			return objectQuery(p.groupID(id), p.groupEntity)
		}
		return objectQuery(p.memberID(id), p.memberEntity)
	}
	if profile != 0 {
		p, err := b.findProfile(profile)
		if err != nil {
			return query{}, err
		}
		return ask(p), nil
	}
	if id != 0 {
		return query{}, invalid("action_profile_id is not set: those of all profiles are read without an id")
	}
	return query{run: func(rd *reader, _ *entity.Entry) error {
		for _, p := range b.allProfiles {
			if err := ask(p).run(rd, nil); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
