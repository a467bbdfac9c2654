package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// profile is an action profile or selector of a generation. A member is a slot with
// a word, as an entry is; a group is a word that says where its shares lie, one a
// member and unit of weight. A change of a member is one store, and so is one of a
// group, after its new shares (D17). Slots and shares are used again after grace.
//
// A member whose port is down has no shares: the shares of groups that watch ports
// are laid anew when a port goes or comes, from the goroutine that sees it.
type profile struct {
	g       *generation
	name    string
	l       *backend.ProfileLayout
	members *table
	tables  []*table
	group   *mapped
	shares  *mapped

	mu          sync.Mutex // Apply's goroutine and the one that watches ports
	byID        map[uint32]*member
	groups      map[uint32]*group
	memberSlots slots
	groupSlots  slots
	space       space
}

type member struct {
	id, slot uint32
	uses     int // by groups and entries
}

type group struct {
	id, slot uint32
	uses     int // by entries
	def      ir.ProfileGroup
	at       extent
}

// target is what an entry refers to: a member, a group, or a slot with the action
// that is the entry's own.
type target struct {
	m    *member
	g    *group
	slot uint32
	own  bool
}

// targets are those of a table's entries, by handle.
type targets []target

// maxWeight bounds the weights of a group together, as ir/exec does.
const maxWeight = 1 << 16

func (g *generation) openProfile(name string, l *backend.ProfileLayout) (*profile, error) {
	p := &profile{g: g, name: name, l: l, byID: map[uint32]*member{}, groups: map[uint32]*group{}}
	var err error
	if p.members, err = g.openTable(l.Members); err != nil {
		return nil, err
	}
	p.memberSlots.limit = l.Members.Entry.MaxEntries
	if l.Selector {
		if p.group, err = mapArray(g.mapOf(l.Group)); err == nil {
			p.shares, err = mapArray(g.mapOf(l.Shares))
		}
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.groupSlots.limit = l.Group.MaxEntries
		p.space.free = []extent{{0, l.Shares.MaxEntries}}
	}
	return p, nil
}

func (p *profile) close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errors.Join(p.members.close(), p.group.close(), p.shares.close())
	p.groups = nil // ports that change later find nothing to lay anew
	return err
}

// resolve finds what an entry refers to.
func (p *profile) resolve(e *ir.Entry) (target, error) {
	switch e.Ref {
	case ir.RefMember:
		if m := p.byID[e.Target]; m != nil {
			return target{m: m}, nil
		}
		return target{}, fmt.Errorf("%s: member %d: %w", p.name, e.Target, dataplane.ErrNoEntry)
	case ir.RefGroup:
		if !p.l.Selector {
			return target{}, fmt.Errorf("%s is no selector: it has no groups", p.name)
		}
		if g := p.groups[e.Target]; g != nil {
			return target{g: g}, nil
		}
		return target{}, fmt.Errorf("%s: group %d: %w", p.name, e.Target, dataplane.ErrNoEntry)
	}
	return target{}, fmt.Errorf("%s: reference %d is not known", p.name, e.Ref)
}

// point gives an entry of table t its word.
func (p *profile) point(t *table, e *ir.Entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.targets == nil {
		t.targets = make(targets, t.l.Size+1)
	}
	to := target{own: e.Ref == ir.RefNone}
	var word uint64
	var err error
	if to.own {
		to.slot, err = p.ownSlot(t, e)
	} else {
		to, err = p.resolve(e)
	}
	switch {
	case err != nil:
		return err
	case to.g != nil:
		word = backend.GroupRef(to.g.slot)
		to.g.uses++
	case to.m != nil:
		word = backend.MemberRef(to.m.slot)
		to.m.uses++
	default:
		word = backend.MemberRef(to.slot)
	}
	t.entry.store(e.Handle, 0, word)
	p.unuse(t.targets[e.Handle])
	t.targets[e.Handle] = to
	return nil
}

// ownSlot makes a member without a name of an entry's own action.
func (p *profile) ownSlot(t *table, e *ir.Entry) (uint32, error) {
	a := t.l.IR.Actions[e.Action].Action
	own := ir.Entry{Action: slices.IndexFunc(p.l.Members.IR.Actions, func(r ir.ActionRef) bool { return r.Action == a }), Args: e.Args}
	slot, err := p.g.takeSlot(&p.memberSlots, "members")
	if err != nil {
		return 0, err
	}
	own.Handle = slot
	if err := p.members.write(&own); err != nil {
		p.memberSlots.retire(slot, p.g.p.epoch)
		return 0, err
	}
	return slot, nil
}

// unuse ends the use of what an entry referred to.
func (p *profile) unuse(o target) {
	switch {
	case o.m != nil:
		o.m.uses--
	case o.g != nil:
		o.g.uses--
	case o.own:
		p.freeMember(o.slot)
	}
}

func (p *profile) freeMember(slot uint32) {
	p.members.release(slot)
	p.memberSlots.retire(slot, p.g.p.epoch)
}

// release ends what a removed entry used.
func (p *profile) release(t *table, handle uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(handle) < len(t.targets) {
		p.unuse(t.targets[handle])
		t.targets[handle] = target{}
	}
}

func (p *profile) setMember(x ir.ProfileMember) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := ir.Entry{Action: x.Action, Args: x.Args}
	if err := p.members.check(&e); err != nil {
		return fmt.Errorf("%s: member %d: %w", p.name, x.ID, err)
	}
	m := p.byID[x.ID]
	if m == nil {
		slot, err := p.g.takeSlot(&p.memberSlots, "members")
		if err != nil {
			return fmt.Errorf("%s: member %d: %w", p.name, x.ID, err)
		}
		m = &member{id: x.ID, slot: slot}
	}
	e.Handle = m.slot
	if err := p.members.write(&e); err != nil {
		if p.byID[x.ID] == nil {
			p.memberSlots.retire(m.slot, p.g.p.epoch)
		}
		return fmt.Errorf("%s: member %d: %w", p.name, x.ID, err)
	}
	p.byID[x.ID] = m
	return nil
}

func (p *profile) deleteMember(id uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := p.byID[id]; {
	case m == nil:
		return fmt.Errorf("%s: member %d: %w", p.name, id, dataplane.ErrNoEntry)
	case m.uses > 0:
		return fmt.Errorf("%s: member %d: %w", p.name, id, dataplane.ErrInUse)
	default:
		delete(p.byID, id)
		p.freeMember(m.slot)
		return nil
	}
}

// sharesOf lists the slots of a group's members, in order of the members' ids, each
// as often as its weight; members whose port is down are passed over.
func (p *profile) sharesOf(x ir.ProfileGroup) ([]uint32, error) {
	var out []uint32
	total := uint32(0)
	for _, gm := range slices.SortedStableFunc(slices.Values(x.Members), func(a, b ir.GroupMember) int { return cmp.Compare(a.Member, b.Member) }) {
		m := p.byID[gm.Member]
		if m == nil {
			return nil, fmt.Errorf("member %d: %w", gm.Member, dataplane.ErrNoEntry)
		}
		if gm.Weight > maxWeight || total > maxWeight {
			return nil, fmt.Errorf("the weights are above %d", maxWeight)
		}
		w := max(1, gm.Weight)
		total += w
		if gm.Watch && p.g.p.portDown(gm.Port) {
			continue
		}
		for range w {
			out = append(out, m.slot)
		}
	}
	return out, nil
}

// lay writes shares and makes them those of the group; what it had is for the
// caller to give back.
func (p *profile) lay(g *group, at extent, shares []uint32) (old extent) {
	for i, slot := range shares {
		p.shares.store(at.base+uint32(i), 0, uint64(slot))
	}
	old, g.at = g.at, at
	p.group.store(g.slot, 0, backend.GroupWord(at.base, at.size))
	return old
}

func (p *profile) setGroup(x ir.ProfileGroup) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	bad := func(err error) error { return fmt.Errorf("%s: group %d: %w", p.name, x.ID, err) }
	if !p.l.Selector {
		return fmt.Errorf("%s is no selector: it has no groups", p.name)
	}
	shares, err := p.sharesOf(x)
	if err != nil {
		return bad(err)
	}
	at, err := p.room(uint32(len(shares)))
	if err != nil {
		return bad(err)
	}
	g := p.groups[x.ID]
	if g == nil {
		slot, err := p.g.takeSlot(&p.groupSlots, "groups")
		if err != nil {
			p.space.give(at)
			return bad(err)
		}
		g = &group{id: x.ID, slot: slot}
		p.groups[x.ID] = g
	}
	p.count(g.def, -1)
	g.def = ir.ProfileGroup{ID: x.ID, Members: slices.Clone(x.Members)}
	p.count(g.def, 1)
	p.space.retire(p.lay(g, at, shares), p.g.p.epoch)
	return nil
}

// room finds a place for n shares, after a grace period where one must end first.
func (p *profile) room(n uint32) (extent, error) {
	if at, ok := p.space.take(n, p.g.p.epoch); ok {
		return at, nil
	}
	if len(p.space.retired) > 0 {
		if err := p.g.p.waitGrace(); err != nil {
			return extent{}, err
		}
		if at, ok := p.space.take(n, p.g.p.epoch); ok {
			return at, nil
		}
	}
	return extent{}, fmt.Errorf("no room for weights of %d together: %w", n, dataplane.ErrFull)
}

// count counts the uses of a group's members.
func (p *profile) count(x ir.ProfileGroup, n int) {
	for _, gm := range x.Members {
		p.byID[gm.Member].uses += n
	}
}

func (p *profile) deleteGroup(id uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[id]
	switch {
	case g == nil:
		return fmt.Errorf("%s: group %d: %w", p.name, id, dataplane.ErrNoEntry)
	case g.uses > 0:
		return fmt.Errorf("%s: group %d: %w", p.name, id, dataplane.ErrInUse)
	}
	p.count(g.def, -1)
	delete(p.groups, id)
	p.group.store(g.slot, 0, 0)
	p.space.retire(g.at, p.g.p.epoch)
	p.groupSlots.retire(g.slot, p.g.p.epoch)
	return nil
}

// portsChanged lays the shares of groups that watch ports anew. It runs beside
// Apply, so it waits for a grace period of its own instead of counting epochs.
func (p *profile) portsChanged() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var old []extent
	for _, g := range p.groups {
		if !slices.ContainsFunc(g.def.Members, func(m ir.GroupMember) bool { return m.Watch }) {
			continue
		}
		shares, err := p.sharesOf(g.def)
		if err != nil {
			return fmt.Errorf("%s: group %d: %w", p.name, g.id, err)
		}
		if p.unchanged(g, shares) {
			continue
		}
		at, ok := p.space.find(uint32(len(shares)))
		if !ok {
			return fmt.Errorf("%s: group %d: no room for its shares: a port that changed stays as it was", p.name, g.id)
		}
		old = append(old, p.lay(g, at, shares))
	}
	if len(old) == 0 {
		return nil
	}
	if err := p.g.p.grace.wait(); err != nil {
		return err
	}
	for _, e := range old {
		p.space.give(e)
	}
	return nil
}

// unchanged tells whether a group has these shares.
func (p *profile) unchanged(g *group, shares []uint32) bool {
	if int(g.at.size) != len(shares) {
		return false
	}
	for i, slot := range shares {
		if p.shares.load(g.at.base+uint32(i), 0) != uint64(slot) {
			return false
		}
	}
	return true
}

// portsChanged tells the groups of the live pipeline that a port went or came.
func (p *Plane) portsChanged() {
	p.mu.Lock()
	p.notePorts()
	p.mu.Unlock()
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.live == nil {
		return
	}
	for _, x := range p.live.objects.profiles {
		if err := x.portsChanged(); err != nil {
			p.log.Error("a group that watches ports", "error", err)
		}
	}
}

// portDown tells whether a port that a group watches is down: not attached, or
// without a carrier.
func (p *Plane) portDown(number uint32) bool {
	up := p.portsUp.Load()
	return up == nil || !(*up)[number]
}

// notePorts makes the ports as they are known to portDown. p.mu is held.
func (p *Plane) notePorts() {
	up := map[uint32]bool{}
	for n, t := range p.ports {
		up[n] = t.at != nil && !t.down
	}
	p.portsUp.Store(&up)
}

func (g *generation) profileOf(name string) (*profile, error) {
	if p := g.objects.profiles[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no action profile %s that a table has", name)
}

func (g *generation) SetMember(name string, m ir.ProfileMember) error {
	p, err := g.profileOf(name)
	if err != nil {
		return err
	}
	return p.setMember(m)
}

func (g *generation) DeleteMember(name string, id uint32) error {
	p, err := g.profileOf(name)
	if err != nil {
		return err
	}
	return p.deleteMember(id)
}

func (g *generation) SetGroup(name string, x ir.ProfileGroup) error {
	p, err := g.profileOf(name)
	if err != nil {
		return err
	}
	return p.setGroup(x)
}

func (g *generation) DeleteGroup(name string, id uint32) error {
	p, err := g.profileOf(name)
	if err != nil {
		return err
	}
	return p.deleteGroup(id)
}

// SetMember makes a member of an action profile or gives it another action.
func (p *Plane) SetMember(name string, m ir.ProfileMember) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetMember(name, m)
}

// DeleteMember removes a member; dataplane.ErrInUse while a group or an entry refers
// to it.
func (p *Plane) DeleteMember(name string, id uint32) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.DeleteMember(name, id)
}

// SetGroup makes a group or gives it other members.
func (p *Plane) SetGroup(name string, x ir.ProfileGroup) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetGroup(name, x)
}

// DeleteGroup removes a group; dataplane.ErrInUse while an entry refers to it.
func (p *Plane) DeleteGroup(name string, id uint32) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.DeleteGroup(name, id)
}
