package store

import (
	"math"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// objectPlan is what a group of batches did to objects so far, beside its items.
type objectPlan struct {
	now    map[entity.ObjectID]entity.Object // nil = deleted
	counts map[entity.Scope]int              // more or fewer than published
	uses   map[entity.ObjectID]int           // the same
}

func (o *objectPlan) reset() {
	clear(o.now)
	clear(o.counts)
	clear(o.uses)
}

func newObjectPlan() objectPlan {
	return objectPlan{now: map[entity.ObjectID]entity.Object{}, counts: map[entity.Scope]int{}, uses: map[entity.ObjectID]int{}}
}

// setsOf counts the action sets of entries of a profile as uses: they and members
// or groups of the control plane's own exclude each other (p4rt:OS3).
const setsOf entity.ObjectKind = math.MaxUint8

func setsUse(profile string) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: setsOf, Name: profile}}
}

// uses counts what refers to members and groups, and action sets.
type uses map[entity.ObjectID]int

func (u uses) add(id entity.ObjectID, n int) {
	if u[id] += n; u[id] == 0 {
		delete(u, id)
	}
}

// object counts what an object refers to.
func (u uses) object(id entity.ObjectID, v entity.Object, n int) {
	if g, ok := v.(*entity.GroupMembers); ok {
		for _, m := range g.Members {
			u.add(memberID(id.Name, m.Member), n)
		}
	}
}

// entry counts what an entry refers to.
func (u uses) entry(t *entity.Table, e *entity.Entry, n int) {
	if id, ok := refOf(t, e); ok {
		u.add(id, n)
	}
}

func memberID(profile string, id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.Member, Name: profile}, ID: id}
}

func groupID(profile string, id uint32) entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.Group, Name: profile}, ID: id}
}

// refOf is what an entry uses, if it has no action of its own.
func refOf(t *entity.Table, e *entity.Entry) (entity.ObjectID, bool) {
	switch ref, id := t.Ref(e); {
	case ref == ir.RefNone:
		return entity.ObjectID{}, false
	case int(e.Action) == t.SetRef():
		return setsUse(t.Profile), true
	case ref == ir.RefMember:
		return memberID(t.Profile, id), true
	default:
		return groupID(t.Profile, id), true
	}
}

// entities is the dataplane's part in objects; an error says that it has none.
func (s *Store) entities(what string) (dataplane.Entities, error) {
	e, ok := s.plane.(dataplane.Entities)
	if !ok {
		return nil, unable(what, s.plane)
	}
	return e, nil
}

func unable(what string, p dataplane.Plane) error {
	return entity.Errorf(entity.Unsupported, "%s: engine %s does not support it", what, p.Name())
}

// object gives an object as the group leaves it so far, nil for none.
func (p *plan) object(id entity.ObjectID) entity.Object {
	if v, ok := p.objectPlan.now[id]; ok {
		return v
	}
	return p.objects.get(id)
}

func (p *plan) objectCount(sc entity.Scope) int { return p.objects.count(sc) + p.objectPlan.counts[sc] }

func (p *plan) used(id entity.ObjectID) int { return p.Store.uses[id] + p.objectPlan.uses[id] }

// addObject plans a change of an object (p4rt:PR7, AP1-AP9, MT1, V1, R1, G1).
func (p *plan) addObject(it *item, u *entity.Update) error {
	if u.Object == nil {
		return entity.Errorf(entity.Internal, "an update of an object without one")
	}
	c := &objectChange{id: u.Object.ID, count: u.Object.Count, value: u.Object.Value}
	if !able(p.plane, c.id.Kind) {
		return unable(c.id.String(), p.plane)
	}
	if err := checkObject(p.pipe.Schema, c); err != nil {
		return err
	}
	it.kind, it.object = chObject, c
	switch c.id.Kind {
	case entity.Meter, entity.Register, entity.ValueSet:
		if u.Kind != entity.ModifyObject {
			return entity.Errorf(entity.Invalid, "%s can only be modified, not %s", c.id, u.Kind)
		}
		return nil
	}
	old := p.object(c.id)
	it.before = old
	switch {
	case u.Kind == entity.InsertObject && old != nil:
		return entity.Errorf(entity.Exists, "%s exists", c.id)
	case u.Kind != entity.InsertObject && old == nil:
		return entity.Errorf(entity.NotFound, "there is no %s", c.id)
	case u.Kind == entity.DeleteObject && c.value != nil, u.Kind != entity.DeleteObject && c.value == nil:
		return entity.Errorf(entity.Internal, "%s: malformed update", c.id)
	case u.Kind == entity.DeleteObject && p.used(c.id) > 0:
		return entity.Errorf(entity.Precondition, "%s is in use: %d entries or groups refer to it", c.id, p.used(c.id))
	}
	if err := p.checkProfile(c, old); err != nil {
		return err
	}
	p.objectPlan.now[c.id] = c.value
	switch u.Kind {
	case entity.InsertObject:
		p.objectPlan.counts[c.id.Scope]++
	case entity.DeleteObject:
		p.objectPlan.counts[c.id.Scope]--
	}
	uses(p.objectPlan.uses).object(c.id, old, -1)
	uses(p.objectPlan.uses).object(c.id, c.value, 1)
	return nil
}

// checkProfile checks a member or group against what else the profile holds.
func (p *plan) checkProfile(c *objectChange, old entity.Object) error {
	if c.id.Kind != entity.Member && c.id.Kind != entity.Group || c.value == nil {
		return nil
	}
	if n := p.used(setsUse(c.id.Name)); n > 0 {
		return entity.Errorf(entity.Invalid, "%s: %d entries have action sets of their own, which exclude members and groups", c.id, n)
	}
	pr := p.pipe.Schema.Profile(c.id.Name)
	if c.id.Kind == entity.Member {
		if old == nil && pr.Size > 0 && p.objectCount(c.id.Scope) >= pr.Size {
			return entity.Errorf(entity.Full, "action profile %s is full: its size is %d", pr.Name, pr.Size)
		}
		return nil
	}
	g := c.value.(*entity.GroupMembers)
	for _, m := range g.Members {
		if p.object(memberID(pr.Name, m.Member)) == nil {
			return entity.Errorf(entity.NotFound, "%s: there is no member %d", c.id, m.Member)
		}
	}
	if before, ok := old.(*entity.GroupMembers); ok && before.MaxSize != g.MaxSize {
		return entity.Errorf(entity.Invalid, "%s: max_size is %d and cannot be changed to %d", c.id, before.MaxSize, g.MaxSize)
	}
	return nil
}

// maxSession is the largest clone session of every engine, as of simple_switch.
const maxSession = 1<<15 - 1

// checkObject tells whether an object fits the program.
func checkObject(sc *entity.Schema, c *objectChange) error {
	id := c.id
	bad := func(format string, args ...any) error {
		return entity.Errorf(entity.Invalid, "%s: %w", id, entity.Errorf(entity.Invalid, format, args...))
	}
	inside := func(cells *entity.Cells) error {
		switch {
		case cells == nil:
			return bad("the program has none of this name")
		case uint64(id.ID)+uint64(c.count) > uint64(cells.Size):
			return entity.Errorf(entity.OutOfRange, "%s: index %d is not below its size %d", id, uint64(id.ID)+uint64(c.count)-1, cells.Size)
		}
		return nil
	}
	if c.count != 1 && id.Kind != entity.Meter && id.Kind != entity.Register {
		return bad("it is no array")
	}
	ok := c.value == nil
	switch id.Kind {
	case entity.MulticastGroup:
		if id.ID == 0 {
			return bad("that number means no multicast")
		}
		_, is := c.value.(*entity.Replication)
		ok = ok || is
	case entity.CloneSession:
		if id.ID == 0 || id.ID > maxSession {
			return bad("sessions are 1 to %d", maxSession)
		}
		_, is := c.value.(*entity.Replication)
		ok = ok || is
	case entity.Member, entity.Group:
		pr := sc.Profile(id.Name)
		switch {
		case pr == nil:
			return bad("no table has an action profile of this name")
		case id.ID == 0:
			return bad("0 is no id")
		case id.Kind == entity.Group && !pr.Selector:
			return bad("it is no selector and has no groups")
		}
		switch v := c.value.(type) {
		case *entity.MemberAction:
			if ok = id.Kind == entity.Member; ok {
				return checkAction(pr, id, v.Action, v.Args)
			}
		case *entity.GroupMembers:
			ok = id.Kind == entity.Group
		}
	case entity.Meter:
		_, is := c.value.(*entity.MeterConfig)
		if ok = ok || is; ok {
			return inside(sc.Meter(id.Name))
		}
	case entity.Register:
		r := sc.Register(id.Name)
		v, is := c.value.(*entity.RegisterValue)
		if ok = is; ok {
			if err := inside(r); err != nil {
				return err
			}
			ok = len(v.Value) == r.Bytes
		}
	case entity.ValueSet:
		vs := sc.ValueSet(id.Name)
		if vs == nil {
			return bad("the program has none of this name")
		}
		if v, is := c.value.(*entity.ValueSetMembers); is {
			if len(v.Members) > vs.Size {
				return entity.Errorf(entity.Full, "%s has room for %d members, not %d", id, vs.Size, len(v.Members))
			}
			for _, m := range v.Members {
				if len(m) != vs.KeySize {
					return bad("malformed member")
				}
			}
			_, err := vs.Machine(v.Members)
			return err
		}
	case entity.Digest:
		if !sc.HasDigest(id.Name) {
			return bad("the program has none of this name")
		}
		_, is := c.value.(*entity.DigestConfig)
		ok = ok || is
	default:
		return bad("unknown kind %d", id.Kind)
	}
	if !ok {
		return bad("malformed value")
	}
	return nil
}

func checkAction(pr *entity.Profile, id entity.ObjectID, action int, args string) error {
	if action < 0 || action >= len(pr.Actions) || len(args) != pr.Actions[action].ArgSize {
		return entity.Errorf(entity.Invalid, "%s: malformed action", id)
	}
	return nil
}

// refer checks what a new or changed entry refers to, and gives an action set its
// ids; old is nil for a new entry.
func (p *plan) refer(it *item, t *table, old *entity.Entry) error {
	ts, e := t.schema, &it.entry
	if ts.Profile == "" {
		return nil
	}
	id, refers := refOf(ts, e)
	switch {
	case !refers:
	case id.Kind == setsOf:
		if e.Extra == nil || e.Extra.Set == nil {
			return entity.Errorf(entity.Internal, "table %s: an action set without actions", ts.Name)
		}
		if old != nil && old.Extra != nil && old.Extra.Set == e.Extra.Set {
			break // MODIFY without action
		}
		if err := p.newSet(it, ts); err != nil {
			return err
		}
	case p.object(id) == nil:
		return entity.Errorf(entity.NotFound, "table %s: there is no %s", ts.Name, id)
	}
	if old != nil {
		uses(p.objectPlan.uses).entry(ts, old, -1)
		it.retire(old)
	}
	uses(p.objectPlan.uses).entry(ts, e, 1)
	return nil
}

// newSet chooses the ids of an action set.
func (p *plan) newSet(it *item, ts *entity.Table) error {
	if _, err := p.entities("action set of table " + ts.Name); err != nil {
		return err
	}
	pr := ts.Implementation
	for _, k := range []entity.ObjectKind{entity.Member, entity.Group} {
		if n := p.objectCount(entity.Scope{Kind: k, Name: pr.Name}); n > 0 {
			return entity.Errorf(entity.Invalid, "table %s: action profile %s has %d %ss, which exclude action sets", ts.Name, pr.Name, n, k)
		}
	}
	asked := it.entry.Extra.Set
	for _, a := range asked.Actions {
		if err := checkAction(pr, setsUse(pr.Name), a.Action, a.Args); err != nil {
			return err
		}
	}
	set := &entity.ActionSet{Mode: asked.Mode, Semantics: asked.Semantics, Actions: append([]entity.SetAction(nil), asked.Actions...)}
	h := p.hidden.of(pr.Name)
	set.Group = h.groups.take()
	for i := range set.Actions {
		set.Actions[i].Member = h.members.take()
	}
	x := *it.entry.Extra
	x.Set = set
	it.entry.Extra, it.entry.Args = &x, entity.RefArgs(set.Group)
	it.made = set
	return nil
}

// retire notes that an entry's action set goes when the item is done.
func (it *item) retire(old *entity.Entry) {
	if old.Extra != nil && old.Extra.Set != nil && (it.kind == chDelete || it.entry.Extra == nil || it.entry.Extra.Set != old.Extra.Set) {
		it.gone = old.Extra.Set
	}
}

// hidden are the ids of action sets' groups and members, by profile. Members and
// groups of the control plane's own are in other profiles, so any id will do.
type hidden map[string]*hiddenIDs

type hiddenIDs struct{ groups, members idPool }

func (h hidden) of(profile string) *hiddenIDs {
	if h[profile] == nil {
		h[profile] = &hiddenIDs{}
	}
	return h[profile]
}

// release gives the ids of a set back.
func (h hidden) release(profile string, s *entity.ActionSet) {
	ids := h.of(profile)
	ids.groups.free = append(ids.groups.free, s.Group)
	for _, a := range s.Actions {
		ids.members.free = append(ids.members.free, a.Member)
	}
}

// idPool gives ids from 1 on.
type idPool struct {
	last uint32
	free []uint32
}

func (p *idPool) take() uint32 {
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	p.last++
	return p.last
}

// rebuild derives the free ids from those in use.
func (p *idPool) rebuild(used map[uint32]bool) {
	p.last, p.free = 0, nil
	for id := range used {
		p.last = max(p.last, id)
	}
	for id := p.last; id >= 1; id-- {
		// The highest ids go to the end: the lowest are taken first.
		if !used[id] && uint64(len(p.free)) < uint64(len(used))+1024 {
			p.free = append(p.free, id)
		}
	}
}

// references counts what content refers to, and the ids of its action sets.
func references(tables []*table, objs objects) (uses, hidden) {
	u, h := uses{}, hidden{}
	for scope, s := range objs {
		if scope.Kind == entity.Group {
			for id, v := range s.each {
				u.object(entity.ObjectID{Scope: scope, ID: id}, v, 1)
			}
		}
	}
	type usedIDs struct{ groups, members map[uint32]bool }
	sets := map[string]usedIDs{}
	for _, t := range tables {
		ts := t.schema
		if ts.Profile == "" {
			continue
		}
		used, ok := sets[ts.Profile]
		if !ok {
			used = usedIDs{map[uint32]bool{}, map[uint32]bool{}}
			sets[ts.Profile] = used
		}
		for e := range t.each {
			u.entry(ts, e, 1)
			if e.Extra != nil && e.Extra.Set != nil {
				used.groups[e.Extra.Set.Group] = true
				for _, a := range e.Extra.Set.Actions {
					used.members[a.Member] = true
				}
			}
		}
	}
	for name, used := range sets {
		ids := h.of(name)
		ids.groups.rebuild(used.groups)
		ids.members.rebuild(used.members)
	}
	return u, h
}
