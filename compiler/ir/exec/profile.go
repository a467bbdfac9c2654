package exec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// profile is an action profile or selector: members and groups that entries of
// its tables refer to. Members and groups are changed as one pointer, so that
// packets see them whole.
type profile struct {
	name     string
	selector bool
	algo     func(*ctx, []byte) uint64
	size     int
	tables   []*table
	// actions are those of its tables, each once, in order: what a member has is an
	// index here.
	actions []tableAction

	mu      sync.Mutex
	members map[uint32]*profileMember
	groups  map[uint32]*profileGroup
}

type profileMember struct {
	id  uint32
	act atomic.Pointer[actionData]
	// uses counts the groups and entries that refer to it.
	uses int
}

type profileGroup struct {
	id      uint32
	uses    int // entries
	def     ir.ProfileGroup
	buckets atomic.Pointer[[]profileBucket]
}

// profileBucket is one share of a group: a member is in as many as its weight.
type profileBucket struct {
	m     *profileMember
	watch bool
	port  uint32
}

// target is what an entry refers to: one of the two is set.
type target struct {
	m *profileMember
	g *profileGroup
}

func (t *target) ref() (ir.Ref, uint32) {
	if t.m != nil {
		return ir.RefMember, t.m.id
	}
	return ir.RefGroup, t.g.id
}

// pick is the action of the target for the packet, nil where a group has no
// member that is up. choose gives the hash of the selector's fields.
func (t *target) pick(c *ctx, choose func(*ctx) uint64) *actionData {
	if t.m != nil {
		return t.m.act.Load()
	}
	bs := *t.g.buckets.Load()
	if down := c.m.opts.PortDown; down != nil {
		up := 0
		for i := range bs {
			if !bs[i].watch || !down(bs[i].port) {
				up++
			}
		}
		if up < len(bs) {
			if up == 0 {
				return nil
			}
			n := choose(c) % uint64(up)
			for i := range bs {
				if bs[i].watch && down(bs[i].port) {
					continue
				}
				if n == 0 {
					return bs[i].m.act.Load()
				}
				n--
			}
			return nil // ports went down meanwhile
		}
	}
	if len(bs) == 0 {
		return nil
	}
	return bs[choose(c)%uint64(len(bs))].m.act.Load()
}

// profile compiles an instance that tables name as their implementation. The
// arguments are those of v1model and PSA alike.
func (k *compiler) profile(i *ir.Instance) *profile {
	p := &profile{name: i.Name, members: map[uint32]*profileMember{}, groups: map[uint32]*profileGroup{}}
	size := 0
	switch i.Type.Name {
	case "action_selector", "ActionSelector":
		p.selector, size = true, 1
		if len(i.Args) > 0 {
			p.algo = k.algorithm(i.Args[0])
		}
	}
	if size < len(i.Args) {
		if v := constVal(i.Args[size]); v != nil && v.IsInt64() {
			p.size = int(v.Int64())
		}
	}
	return p
}

// implement connects a table to its profile.
func (k *compiler) implement(r *table) {
	i := k.m.insts[r.t.Implementation]
	if i == nil || i.profile == nil {
		k.fail(r.t.Pos, "table "+r.t.Name, "its implementation "+r.t.Implementation.Name+" is no action profile or selector")
	}
	r.profile = i.profile
	r.profile.tables = append(r.profile.tables, r)
}

// profileActions collects the actions of every profile, when all tables are
// compiled: a member can have any of them, whichever table its entry is in.
func (k *compiler) profileActions() {
	for _, in := range k.p.Instances {
		p := k.m.insts[in].profile
		if p == nil {
			continue
		}
		var refs []*ir.ActionRef
		index := map[*ir.Action]int{}
		for _, t := range p.tables {
			for i := range t.t.Actions {
				ref := &t.t.Actions[i]
				if _, ok := index[ref.Action]; !ok {
					index[ref.Action] = len(refs)
					refs = append(refs, ref)
					p.actions = append(p.actions, t.actions[i])
				}
			}
		}
		for _, t := range p.tables {
			t.fromProfile = make([]int, len(refs))
			own := map[*ir.Action]int{}
			for i := range t.t.Actions {
				own[t.t.Actions[i].Action] = i
			}
			for i, ref := range refs {
				at, ok := own[ref.Action]
				if !ok { // not in the table's list: it runs all the same
					at = len(t.actions)
					t.actions = append(t.actions, k.tableAction(t.t, ref))
				}
				t.fromProfile[i] = at
			}
		}
	}
}

// chooser compiles the hash over the selector keys of a table.
func (k *compiler) chooser(r *table, xs []*xp) func(*ctx) uint64 {
	if r.profile == nil || r.profile.algo == nil || len(xs) == 0 {
		return func(*ctx) uint64 { return 0 }
	}
	algo := r.profile.algo
	at := make([]int, len(xs))
	for i, x := range xs {
		at[i] = k.alloc(x.n)
	}
	return func(c *ctx) uint64 {
		c.sum.reset()
		for i, x := range xs {
			v := c.mem[at[i] : at[i]+x.n]
			x.into(c, v)
			c.sum.limbs(v, ir.Width(x.t))
		}
		return algo(c, c.sum.b)
	}
}

// target finds what an entry refers to and counts the use. The caller holds mu.
func (p *profile) target(ref ir.Ref, id uint32) (*target, error) {
	switch ref {
	case ir.RefMember:
		if m := p.members[id]; m != nil {
			return &target{m: m}, nil
		}
		return nil, fmt.Errorf("%s: member %d: %w", p.name, id, ErrNoEntry)
	case ir.RefGroup:
		if !p.selector {
			return nil, fmt.Errorf("%s is no selector: it has no groups", p.name)
		}
		if g := p.groups[id]; g != nil {
			return &target{g: g}, nil
		}
		return nil, fmt.Errorf("%s: group %d: %w", p.name, id, ErrNoEntry)
	}
	return nil, fmt.Errorf("%s: reference %d is not known", p.name, ref)
}

// use counts references of entries up or down.
func (p *profile) use(t *target, n int) {
	if p == nil || t == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.m != nil {
		t.m.uses += n
	} else {
		t.g.uses += n
	}
}

func (m *Machine) profile(name string) (*profile, error) {
	for _, i := range m.prog.Instances {
		if i.Name != name {
			continue
		}
		p := m.insts[i].profile
		if p == nil {
			return nil, fmt.Errorf("%s is a %s, no action profile", name, i.Type.Name)
		}
		if len(p.tables) == 0 {
			return nil, fmt.Errorf("no table has the action profile %s", name)
		}
		return p, nil
	}
	return nil, fmt.Errorf("there is no action profile %s", name)
}

// SetMember makes a member or gives it a new action. ErrDuplicate is not
// returned: who must tell the two apart knows the members (Members).
func (m *Machine) SetMember(profile string, x ir.ProfileMember) error {
	p, err := m.profile(profile)
	if err != nil {
		return err
	}
	d, err := actionArgs(p.actions, x.Action, x.Args)
	if err != nil {
		return fmt.Errorf("%s: member %d: %w", profile, x.ID, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.members[x.ID]
	if o == nil {
		o = &profileMember{id: x.ID}
		p.members[x.ID] = o
	}
	o.act.Store(d)
	return nil
}

// DeleteMember removes a member; ErrNoEntry, or ErrInUse while a group or an
// entry refers to it.
func (m *Machine) DeleteMember(profile string, id uint32) error {
	p, err := m.profile(profile)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o := p.members[id]; {
	case o == nil:
		return fmt.Errorf("%s: member %d: %w", profile, id, ErrNoEntry)
	case o.uses > 0:
		return fmt.Errorf("%s: member %d: %w", profile, id, ErrInUse)
	}
	delete(p.members, id)
	return nil
}

// SetGroup makes a group or gives it new members. Packets choose among the
// members in order of their ids, each as often as its weight.
func (m *Machine) SetGroup(profile string, x ir.ProfileGroup) error {
	p, err := m.profile(profile)
	if err != nil {
		return err
	}
	if !p.selector {
		return fmt.Errorf("%s is no selector: it has no groups", profile)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sorted := slices.SortedStableFunc(slices.Values(x.Members), func(a, b ir.GroupMember) int { return cmp.Compare(a.Member, b.Member) })
	var bs []profileBucket
	for _, gm := range sorted {
		o := p.members[gm.Member]
		if o == nil {
			return fmt.Errorf("%s: group %d: member %d: %w", profile, x.ID, gm.Member, ErrNoEntry)
		}
		if gm.Weight > maxWeight || len(bs) > maxWeight {
			return fmt.Errorf("%s: group %d: the weights are above %d", profile, x.ID, maxWeight)
		}
		for range max(1, gm.Weight) {
			bs = append(bs, profileBucket{o, gm.Watch, gm.Port})
		}
	}
	g := p.groups[x.ID]
	if g == nil {
		g = &profileGroup{id: x.ID}
		p.groups[x.ID] = g
	}
	p.count(g.def, -1)
	g.def = ir.ProfileGroup{ID: x.ID, Members: slices.Clone(x.Members)}
	p.count(g.def, 1)
	g.buckets.Store(&bs)
	return nil
}

// maxWeight bounds the weights of a group together.
const maxWeight = 1 << 16

// count counts the uses of a group's members up or down.
func (p *profile) count(g ir.ProfileGroup, n int) {
	for _, gm := range g.Members {
		p.members[gm.Member].uses += n
	}
}

// DeleteGroup removes a group; ErrNoEntry, or ErrInUse while an entry refers to it.
func (m *Machine) DeleteGroup(profile string, id uint32) error {
	p, err := m.profile(profile)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[id]
	switch {
	case g == nil:
		return fmt.Errorf("%s: group %d: %w", profile, id, ErrNoEntry)
	case g.uses > 0:
		return fmt.Errorf("%s: group %d: %w", profile, id, ErrInUse)
	}
	p.count(g.def, -1)
	delete(p.groups, id)
	return nil
}

// Members and Groups list the content of a profile, in order of the ids.
func (m *Machine) Members(profile string) ([]ir.ProfileMember, error) {
	p, err := m.profile(profile)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []ir.ProfileMember
	for _, id := range slices.Sorted(maps.Keys(p.members)) {
		d := p.members[id].act.Load()
		x := ir.ProfileMember{ID: id, Action: d.action}
		for i, a := range p.actions[d.action].params {
			x.Args = append(x.Args, machineBytes(d.args[i], a.w))
		}
		out = append(out, x)
	}
	return out, nil
}

func (m *Machine) Groups(profile string) ([]ir.ProfileGroup, error) {
	p, err := m.profile(profile)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []ir.ProfileGroup
	for _, id := range slices.Sorted(maps.Keys(p.groups)) {
		g := p.groups[id].def
		g.Members = slices.Clone(g.Members)
		out = append(out, g)
	}
	return out, nil
}
