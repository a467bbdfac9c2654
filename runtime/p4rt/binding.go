package p4rt

import (
	"fmt"
	"math"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// binding relates the ids of a P4Info to the tables, keys, actions and
// parameters of a pipeline, by name.
type binding struct {
	pipe     *store.Pipeline
	info     *p4configv1.P4Info
	tables   map[uint32]*tableInfo
	byIndex  []*tableInfo // as in Program.Tables; nil where P4Info hides the table
	inOrder  []*tableInfo // as in P4Info
	counters map[uint32]*counterInfo
	cells    []*counterInfo // indirect counters as in P4Info
	// What else the P4Info declares, by id and in its order.
	profiles     map[uint32]*profileInfo
	allProfiles  []*profileInfo
	meters       map[uint32]*meterInfo
	allMeters    []*meterInfo
	registers    map[uint32]*registerInfo
	allRegisters []*registerInfo
	valueSets    map[uint32]*valueSetInfo
	allValueSets []*valueSetInfo
	digests      map[uint32]*digestInfo
	allDigests   []*digestInfo
	names        map[uint32]string // of every object with an id
	// The headers between controllers and the pipeline.
	packetIn, packetOut packetLayout
}

type tableInfo struct {
	*entity.Table
	id      uint32
	fields  []uint32              // id of each of Table.Fields
	actions []*actionInfo         // as Table.Actions
	meter   *p4configv1.MeterSpec // of the direct meter, nil without one
	profile *profileInfo
	anyKey  []byte // a packed key with every field don't care
	exact   uint64 // set of the exact fields, where there are at most 64 fields
}

type actionInfo struct {
	*entity.Action
	id     uint32
	params []uint32 // id of each of Action.Params
}

type counterInfo struct {
	id   uint32
	name string
	size int64
}

// binding gives the binding of a pipeline, nil for nil. The last one is kept.
func (s *Server) binding(p *store.Pipeline) (*binding, error) {
	if p == nil {
		return nil, nil
	}
	if b := s.bound.Load(); b != nil && b.pipe == p {
		return b, nil
	}
	info := &p4configv1.P4Info{}
	if err := proto.Unmarshal(p.Config.P4Info, info); err != nil {
		return nil, fmt.Errorf("p4rt: the stored P4Info: %w", err)
	}
	b, err := bind(info, p)
	if err != nil {
		return nil, fmt.Errorf("p4rt: the stored P4Info: %w", err)
	}
	s.bound.Store(b)
	return b, nil
}

// Prefixes of ids (P4Runtime section 6.3).
const (
	prefixAction  = 0x01
	prefixTable   = 0x02
	prefixCounter = 0x12
)

// bind checks a P4Info against a pipeline (p4rt:I1-I12). Errors are
// *entity.Error.
func bind(info *p4configv1.P4Info, p *store.Pipeline) (*binding, error) {
	b := &binding{pipe: p, info: info, tables: map[uint32]*tableInfo{}, byIndex: make([]*tableInfo, len(p.Schema.Tables)),
		counters: map[uint32]*counterInfo{}, names: map[uint32]string{}}
	if err := b.collectNames(); err != nil {
		return nil, err
	}
	actions := map[uint32]*p4configv1.Action{}
	for _, a := range info.GetActions() {
		actions[a.GetPreamble().GetId()] = a
	}
	if err := b.objects(actions); err != nil {
		return nil, err
	}
	meters := map[uint32]*p4configv1.MeterSpec{}
	for _, m := range info.GetDirectMeters() {
		meters[m.GetDirectTableId()] = m.GetSpec()
		if m.GetSpec() == nil {
			meters[m.GetDirectTableId()] = &p4configv1.MeterSpec{}
		}
	}
	for _, t := range info.GetTables() {
		ti, err := b.table(t, actions)
		if err != nil {
			return nil, within(err, "table %s", t.GetPreamble().GetName())
		}
		if ti.meter = meters[ti.id]; ti.meter != nil && ti.Meter == "" {
			return nil, invalid("table %s: P4Info has a direct meter for it, the program none", ti.Name)
		}
		for _, p := range b.allProfiles {
			if p.Name == ti.Profile {
				ti.profile = p
			}
		}
		if id := t.GetImplementationId(); id != 0 && (ti.profile == nil || ti.profile.id != id) {
			return nil, invalid("table %s: implementation_id 0x%08x is not that of its action profile", ti.Name, id)
		}
		b.tables[ti.id] = ti
		b.byIndex[ti.Index] = ti
		b.inOrder = append(b.inOrder, ti)
	}
	for _, c := range info.GetCounters() {
		ci := &counterInfo{id: c.GetPreamble().GetId(), name: c.GetPreamble().GetName(), size: c.GetSize()}
		if ci.size < 0 || ci.size > math.MaxUint32 {
			return nil, invalid("counter %s: size %d", ci.name, ci.size)
		}
		if !hasInstance(p.Program, ci.name) {
			return nil, invalid("counter %s is not in the program", ci.name)
		}
		b.counters[ci.id] = ci
		b.cells = append(b.cells, ci)
	}
	if err := b.packetLayouts(p.Program); err != nil {
		return nil, err
	}
	return b, nil
}

func hasInstance(p *ir.Program, name string) bool {
	for _, in := range p.Instances {
		if in.Name == name {
			return true
		}
	}
	return false
}

// collectNames checks that ids are unique and have the prefix of their kind
// where it is one of those that this server writes (I1, I2).
func (b *binding) collectNames() error {
	add := func(kind string, prefix uint32, p *p4configv1.Preamble) error {
		id := p.GetId()
		if prefix != 0 && id>>24 != prefix {
			return invalid("%s %s: id 0x%08x does not start with 0x%02x", kind, p.GetName(), id, prefix)
		}
		if other, ok := b.names[id]; ok {
			return invalid("%s %s: id 0x%08x is also that of %s", kind, p.GetName(), id, other)
		}
		b.names[id] = kind + " " + p.GetName()
		return nil
	}
	type list struct {
		kind    string
		prefix  uint32
		objects []object
	}
	lists := []list{
		{"table", prefixTable, objects(b.info.GetTables())},
		{"action", prefixAction, objects(b.info.GetActions())},
		{"action profile", 0, objects(b.info.GetActionProfiles())},
		{"counter", prefixCounter, objects(b.info.GetCounters())},
		{"direct counter", 0, objects(b.info.GetDirectCounters())},
		{"meter", 0, objects(b.info.GetMeters())},
		{"direct meter", 0, objects(b.info.GetDirectMeters())},
		{"packet metadata", 0, objects(b.info.GetControllerPacketMetadata())},
		{"value set", 0, objects(b.info.GetValueSets())},
		{"register", 0, objects(b.info.GetRegisters())},
		{"digest", 0, objects(b.info.GetDigests())},
	}
	for _, l := range lists {
		for _, o := range l.objects {
			if err := add(l.kind, l.prefix, o.GetPreamble()); err != nil {
				return err
			}
		}
	}
	for _, e := range b.info.GetExterns() {
		for _, in := range e.GetInstances() {
			if err := add("extern", 0, in.GetPreamble()); err != nil {
				return err
			}
		}
	}
	return nil
}

type object interface{ GetPreamble() *p4configv1.Preamble }

func objects[T object](in []T) []object {
	out := make([]object, len(in))
	for i, o := range in {
		out[i] = o
	}
	return out
}

func (b *binding) table(t *p4configv1.Table, actions map[uint32]*p4configv1.Action) (*tableInfo, error) {
	et := b.pipe.Schema.Table(t.GetPreamble().GetName())
	if et == nil {
		return nil, invalid("it is not in the program")
	}
	ti := &tableInfo{Table: et, id: t.GetPreamble().GetId(), actions: make([]*actionInfo, len(et.Actions)), anyKey: et.NewKey()}
	if len(t.GetMatchFields()) != len(et.Fields) {
		return nil, invalid("P4Info has %d match fields, the program %d", len(t.GetMatchFields()), len(et.Fields))
	}
	seen := map[uint32]bool{}
	for i, m := range t.GetMatchFields() {
		f := &et.Fields[i]
		if m.GetName() != f.Name || matchKind(m.GetMatchType()) != f.Kind {
			return nil, invalid("match field %d is %s %s, in the program %s %s", i+1, m.GetName(), m.GetMatchType(), f.Name, f.Kind)
		}
		if m.GetId() == 0 || seen[m.GetId()] {
			return nil, invalid("match field %s: id %d is zero or used twice", f.Name, m.GetId())
		}
		seen[m.GetId()] = true
		plain := f.Kind == ir.MatchExact || f.Kind == ir.MatchOptional
		if err := b.width(m.GetBitwidth(), m.GetTypeName(), f.Width, plain); err != nil {
			return nil, within(err, "match field %s", f.Name)
		}
		ti.fields = append(ti.fields, m.GetId())
		if f.Kind == ir.MatchExact && i < 64 {
			ti.exact |= 1 << i
		}
	}
	for _, ref := range t.GetActionRefs() {
		a := actions[ref.GetId()]
		if a == nil {
			return nil, invalid("action id 0x%08x is not in the P4Info", ref.GetId())
		}
		name := a.GetPreamble().GetName()
		ea := et.Action(name)
		if ea == nil {
			return nil, invalid("action %s is not in the program's table", name)
		}
		ai, err := b.actionParams(a, ea, ref.GetId())
		if err != nil {
			return nil, err
		}
		ti.actions[ea.Index] = ai
	}
	for i, ai := range ti.actions {
		if ai == nil {
			return nil, invalid("action %s of the program is not in the P4Info", et.Actions[i].Name)
		}
	}
	return ti, nil
}

// actionParams relates the parameters of an action of the P4Info to the program's.
func (b *binding) actionParams(a *p4configv1.Action, ea *entity.Action, id uint32) (*actionInfo, error) {
	name := a.GetPreamble().GetName()
	if len(a.GetParams()) != len(ea.Params) {
		return nil, invalid("action %s has %d parameters, in the program %d", name, len(a.GetParams()), len(ea.Params))
	}
	ai := &actionInfo{Action: ea, id: id}
	seen := map[uint32]bool{}
	for i, q := range a.GetParams() {
		if q.GetId() == 0 || seen[q.GetId()] {
			return nil, invalid("action %s: parameter %s: id %d is zero or used twice", name, q.GetName(), q.GetId())
		}
		seen[q.GetId()] = true
		if err := b.width(q.GetBitwidth(), q.GetTypeName(), ea.Params[i].Width, true); err != nil {
			return nil, within(err, "action %s: parameter %s", name, q.GetName())
		}
		ai.params = append(ai.params, q.GetId())
	}
	return ai, nil
}

// width compares P4Info's width with the program's. A type translated to an SDN
// width is accepted where any value means itself (p4rt:X5): without a map of the
// switch's own, translation is the identity, and a value that does not fit the
// program's width is out of range.
func (b *binding) width(have int32, typ *p4configv1.P4NamedType, want int, plain bool) error {
	tr := b.info.GetTypeInfo().GetNewTypes()[typ.GetName()].GetTranslatedType()
	switch {
	case tr != nil && tr.GetSdnString() != nil:
		return invalid("type %s is translated to a string (%s), for which no map is configured", typ.GetName(), tr.GetUri())
	case int(have) == want:
		return nil
	case tr == nil:
		return invalid("P4Info has %d bits, the program %d", have, want)
	case !plain:
		return invalid("type %s is translated from bit<%d> to %d bits, which only exact and optional keys can be", typ.GetName(), want, have)
	}
	return nil
}

// matchKind is the program's kind, or one that no table has.
func matchKind(m p4configv1.MatchField_MatchType) ir.MatchKind {
	switch m {
	case p4configv1.MatchField_EXACT:
		return ir.MatchExact
	case p4configv1.MatchField_LPM:
		return ir.MatchLPM
	case p4configv1.MatchField_TERNARY:
		return ir.MatchTernary
	case p4configv1.MatchField_RANGE:
		return ir.MatchRange
	case p4configv1.MatchField_OPTIONAL:
		return ir.MatchOptional
	}
	return -1
}

// field finds the position of a field id. Ids are 1, 2, 3 in nearly every
// P4Info.
func (t *tableInfo) field(id uint32) int { return position(t.fields, id) }

func (a *actionInfo) param(id uint32) int { return position(a.params, id) }

func position(ids []uint32, id uint32) int {
	if i := int(id) - 1; i >= 0 && i < len(ids) && ids[i] == id {
		return i
	}
	for i, have := range ids {
		if have == id {
			return i
		}
	}
	return -1
}

func (t *tableInfo) action(id uint32) *actionInfo {
	for _, a := range t.actions {
		if a.id == id {
			return a
		}
	}
	return nil
}

// find gives the table of an id that a request must set (p4rt:T1, T2, D-2).
func (b *binding) find(id uint32) (*tableInfo, error) {
	if id == 0 {
		return nil, invalid("table_id is not set")
	}
	t := b.tables[id]
	if t == nil {
		if what, ok := b.names[id]; ok {
			return nil, invalid("table_id 0x%08x is that of %s", id, what)
		}
		return nil, invalid("table_id 0x%08x is unknown", id)
	}
	return t, nil
}
