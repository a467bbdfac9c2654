package ssa

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// objectState is what extern objects hold besides counters and registers.
type objectState struct {
	profiles map[*ir.Instance]*profileState
	meters   map[*ir.Instance]map[uint32]*meterState
	direct   map[*ir.Table]map[uint32]*meterState
	hits     map[*ir.Table]map[uint32]uint64
	digests  []ir.DigestType
}

// profileState is an action profile: members in the form of entries, Action being
// an index in the profile's actions, and groups as lists of members.
type profileState struct {
	members map[uint32]ir.Entry
	groups  map[uint32][]ir.GroupMember
}

func newObjectState(p *ir.Program) *objectState {
	s := &objectState{
		profiles: map[*ir.Instance]*profileState{},
		meters:   map[*ir.Instance]map[uint32]*meterState{},
		direct:   map[*ir.Table]map[uint32]*meterState{},
		hits:     map[*ir.Table]map[uint32]uint64{},
		digests:  p.DigestTypes(),
	}
	for _, i := range p.Instances {
		switch {
		case i.Kind() == "meter":
			s.meters[i] = map[uint32]*meterState{}
		case isProfile(i):
			s.profiles[i] = &profileState{map[uint32]ir.Entry{}, map[uint32][]ir.GroupMember{}}
		}
	}
	for _, t := range p.Tables {
		s.direct[t], s.hits[t] = map[uint32]*meterState{}, map[uint32]uint64{}
	}
	return s
}

// meterState is a two-rate three-colour marker: see ir/exec. The tokens that a rate
// has given since time 0 are computed as the kernel can, without 128-bit products.
type meterState struct {
	rates     ir.MeterRates
	peak, com bucketState
}

type bucketState struct{ tokens, filled uint64 }

// filledAt is the whole part of us * rate / 10^6, at most 2^63 - 1.
func filledAt(us, rate uint64) uint64 {
	const million, limit = 1_000_000, 1<<63 - 1
	if rate == 0 {
		return 0
	}
	s, rest := us/million, us%million
	if s > limit/rate {
		return limit
	}
	return min(s*rate+rest*(rate/million)+rest*(rate%million)/million, limit)
}

func (b *bucketState) take(us, rate, burst, n uint64) bool {
	if f := filledAt(us, rate); f > b.filled {
		sum, carry := bits.Add64(b.tokens, f-b.filled, 0)
		if carry != 0 || sum > burst {
			sum = burst
		}
		b.tokens, b.filled = sum, f
	}
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

func (m *meterState) execute(now, n, before uint64) uint64 {
	us := now / 1000
	switch {
	case before == ir.Red || !m.peak.take(us, m.rates.PIR, m.rates.PBurst, n):
		return ir.Red
	case before == ir.Yellow || !m.com.take(us, m.rates.CIR, m.rates.CBurst, n):
		return ir.Yellow
	}
	return ir.Green
}

// configure makes the cell's rates; nil takes them away. The rates that it has
// change nothing.
func configure(cells map[uint32]*meterState, cell uint32, r *ir.MeterRates) error {
	if r == nil {
		delete(cells, cell)
		return nil
	}
	if r.CIR > r.PIR {
		return fmt.Errorf("ssa: the committed rate %d is above the peak rate %d", r.CIR, r.PIR)
	}
	if m := cells[cell]; m != nil && m.rates == *r {
		return nil
	}
	cells[cell] = &meterState{rates: *r, peak: bucketState{tokens: r.PBurst}, com: bucketState{tokens: r.CBurst}}
	return nil
}

// state evaluates the operations of verify_state.go.
func (r *run) state(v *Value) (uint64, error) {
	o := r.in.objects
	a := func(i int) uint64 { return r.vals[v.Args[i]] }
	switch v.Op {
	case OpMember, OpBucket:
		e, ok := r.words[a(0)]
		if !ok {
			return 0, fmt.Errorf("there is no word %d", a(0))
		}
		p := v.Sym.(*ir.Instance)
		ps := o.profiles[p]
		if v.Op == OpBucket {
			id, up := ps.pick(e.Target, a(1), r.in.opt.PortDown)
			if !up {
				return r.word(ir.Entry{Action: NoMember}), nil
			}
			return r.word(ps.members[id]), nil
		}
		if e.Ref == ir.RefMember {
			return r.word(ps.members[e.Target]), nil
		}
		return r.word(e), nil
	case OpMeter:
		cells := map[uint32]*meterState{}
		object, is := v.Sym.(*ir.Instance)
		if is {
			cells = o.meters[object]
		} else if t, is := v.Sym.(*ir.Table); is {
			object, cells = t.Meters, o.direct[t]
		}
		m := cells[uint32(a(0))]
		if m == nil {
			return a(1), nil
		}
		n := r.p.Segments
		if object.MetersBytes() {
			n = r.p.Bytes
		}
		if len(v.Args) > 2 {
			n = a(2)
		}
		return m.execute(r.now, n, a(1)), nil
	case OpDigest:
		if r.in.opt.Digest == nil {
			return 0, nil
		}
		t := o.digests[v.Aux]
		d := ir.Digest{Name: t.Name}
		at := 0
		for _, w := range t.Widths {
			limbs := make([]uint64, len(Limbs(w)))
			for k := range limbs {
				limbs[k] = a(at + k)
			}
			at += len(limbs)
			d.Fields = append(d.Fields, ir.PackLeaves([]ir.Leaf{{Width: w, Valid: -1}}, limbs))
		}
		r.in.opt.Digest(d)
	case OpTouch:
		if h := uint32(a(0)); h != 0 {
			o.hits[v.Sym.(*ir.Table)][h] = r.now
		}
	}
	return 0, nil
}

// word hands out a number for an entry or member.
func (r *run) word(e ir.Entry) uint64 {
	n := uint64(len(r.words)) + 1
	r.words[n] = e
	return n
}

// actionID is what OpActionID gives.
func (r *run) actionID(v *Value) uint64 {
	e := r.words[r.vals[v.Args[0]]]
	if t, is := v.Sym.(*ir.Table); is && t.Implementation != nil {
		if e.Ref == ir.RefGroup {
			return 1
		}
		return 0
	}
	return uint64(e.Action)
}

// pick is the member of a group that the hash chooses: the members that are up in
// order of their ids, each as often as its weight.
func (p *profileState) pick(group uint32, hash uint64, down func(uint32) bool) (id uint32, up bool) {
	var buckets []uint32
	for _, m := range slices.SortedStableFunc(slices.Values(p.groups[group]), func(x, y ir.GroupMember) int { return cmp.Compare(x.Member, y.Member) }) {
		if m.Watch && down != nil && down(m.Port) {
			continue
		}
		buckets = append(buckets, slices.Repeat([]uint32{m.Member}, int(max(1, m.Weight)))...)
	}
	if len(buckets) == 0 {
		return 0, false
	}
	return buckets[hash%uint64(len(buckets))], true
}

// SetMember makes or changes a member of an action profile.
func (in *Interp) SetMember(i *ir.Instance, m ir.ProfileMember) error {
	p := in.objects.profiles[i]
	if p == nil {
		return fmt.Errorf("ssa: %s is no action profile", i.Name)
	}
	as := in.f.Prog.ProfileActions(i)
	if m.Action < 0 || m.Action >= len(as) {
		return fmt.Errorf("ssa: %s: there is no action %d", i.Name, m.Action)
	}
	if err := checkArgs(as[m.Action], m.Args); err != nil {
		return fmt.Errorf("ssa: %s: member %d: %w", i.Name, m.ID, err)
	}
	p.members[m.ID] = ir.Entry{Action: m.Action, Args: m.Args}
	return nil
}

// SetGroup makes or changes a group of an action selector.
func (in *Interp) SetGroup(i *ir.Instance, g ir.ProfileGroup) error {
	p := in.objects.profiles[i]
	if p == nil || i.Kind() != "action_selector" {
		return fmt.Errorf("ssa: %s is no action selector", i.Name)
	}
	for _, m := range g.Members {
		if _, ok := p.members[m.Member]; !ok {
			return fmt.Errorf("ssa: %s: group %d: member %d: %w", i.Name, g.ID, m.Member, ErrNoEntry)
		}
	}
	p.groups[g.ID] = slices.Clone(g.Members)
	return nil
}

// checkRef looks at what an entry refers to.
func (in *Interp) checkRef(t *ir.Table, e *ir.Entry) error {
	if e.Ref == ir.RefNone {
		return nil
	}
	p := in.objects.profiles[t.Implementation]
	if p == nil {
		return fmt.Errorf("ssa: table %s: it has no action profile", t.Name)
	}
	_, ok := p.members[e.Target]
	if e.Ref == ir.RefGroup {
		_, ok = p.groups[e.Target]
	}
	if !ok {
		return fmt.Errorf("ssa: table %s: member or group %d: %w", t.Name, e.Target, ErrNoEntry)
	}
	return nil
}

// inProfile turns an entry with an action of its own in a table with an action
// profile to the profile's numbers of actions.
func inProfile(p *ir.Program, t *ir.Table, e ir.Entry) ir.Entry {
	if t.Implementation != nil && e.Ref == ir.RefNone && e.Action < len(t.Actions) {
		e.Action = slices.Index(p.ProfileActions(t.Implementation), t.Actions[e.Action].Action)
	}
	return e
}

// SetMeter configures a cell of a meter, both buckets full; nil takes its rates
// away.
func (in *Interp) SetMeter(i *ir.Instance, cell uint32, r *ir.MeterRates) error {
	cells := in.objects.meters[i]
	n, err := arraySize(i)
	if err != nil {
		return err
	}
	if cells == nil || uint64(cell) >= n {
		return fmt.Errorf("ssa: there is no meter %s[%d]", i.Name, cell)
	}
	return configure(cells, cell, r)
}

// Meter reads the rates of a cell, nil where it has none.
func (in *Interp) Meter(i *ir.Instance, cell uint32) (*ir.MeterRates, error) {
	n, err := arraySize(i)
	if err != nil {
		return nil, err
	}
	if in.objects.meters[i] == nil || uint64(cell) >= n {
		return nil, fmt.Errorf("ssa: there is no meter %s[%d]", i.Name, cell)
	}
	m := in.objects.meters[i][cell]
	if m == nil {
		return nil, nil
	}
	r := m.rates
	return &r, nil
}

// SetDirectMeter configures the meter of an entry.
func (in *Interp) SetDirectMeter(t int, handle uint32, r *ir.MeterRates) error {
	s, err := in.table(t)
	if err != nil {
		return err
	}
	if s.find(handle) < 0 {
		return ErrNoEntry
	}
	return configure(in.objects.direct[s.t], handle, r)
}

// LastHits gives the times of the last packets that hit entries of table t, by
// handle.
func (in *Interp) LastHits(t int) map[uint32]uint64 {
	s, err := in.table(t)
	if err != nil {
		return nil
	}
	return maps.Clone(in.objects.hits[s.t])
}

// ReadRegister gives a cell in machine form (ir.Leaves).
func (in *Interp) ReadRegister(i *ir.Instance, index uint64) ([]byte, error) {
	limbs, ok := in.Register(i, index)
	if !ok {
		return nil, fmt.Errorf("ssa: there is no %s[%d]", i.Name, index)
	}
	leaves, _ := ir.Leaves(i.Type.Args[0])
	return ir.PackLeaves(leaves, limbs), nil
}

// WriteRegister sets a cell.
func (in *Interp) WriteRegister(i *ir.Instance, index uint64, value []byte) error {
	cells := in.registers[i]
	if index >= uint64(len(cells)) {
		return fmt.Errorf("ssa: there is no %s[%d]", i.Name, index)
	}
	leaves, _ := ir.Leaves(i.Type.Args[0])
	limbs, err := ir.UnpackLeaves(leaves, value)
	if err != nil {
		return fmt.Errorf("ssa: %s: %w", i.Name, err)
	}
	cells[index] = limbs
	return nil
}

// SetInstanceCounter writes a cell of an indirect counter.
func (in *Interp) SetInstanceCounter(i *ir.Instance, index uint64, c Count) error {
	cells := in.counters[i]
	if index >= uint64(len(cells)) {
		return fmt.Errorf("ssa: there is no %s[%d]", i.Name, index)
	}
	cells[index] = c
	return nil
}
