package p4rt

import (
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// objects relates what the P4Info declares besides tables, actions and counters
// to the program.
func (b *binding) objects(actions map[uint32]*p4configv1.Action) error {
	b.profiles, b.meters, b.registers = map[uint32]*profileInfo{}, map[uint32]*meterInfo{}, map[uint32]*registerInfo{}
	b.valueSets, b.digests = map[uint32]*valueSetInfo{}, map[uint32]*digestInfo{}
	for _, a := range b.info.GetActionProfiles() {
		pi, err := b.profile(a, actions)
		if err != nil {
			return within(err, "action profile %s", a.GetPreamble().GetName())
		}
		if pi != nil {
			b.profiles[pi.id] = pi
			b.allProfiles = append(b.allProfiles, pi)
		}
	}
	for _, m := range b.info.GetMeters() {
		name := m.GetPreamble().GetName()
		mi := &meterInfo{cellInfo: cellInfo{id: m.GetPreamble().GetId(), Cells: b.pipe.Schema.Meter(name)}, spec: m.GetSpec()}
		if err := mi.fits(m.GetSize()); err != nil {
			return within(err, "meter %s", name)
		}
		b.meters[mi.id] = mi
		b.allMeters = append(b.allMeters, mi)
	}
	for _, r := range b.info.GetRegisters() {
		name := r.GetPreamble().GetName()
		ri := &registerInfo{cellInfo: cellInfo{id: r.GetPreamble().GetId(), Cells: b.pipe.Schema.Register(name)}}
		err := ri.fits(int64(r.GetSize()))
		if err == nil {
			ri.data, ri.problem = newDataType(b.info.GetTypeInfo(), r.GetTypeSpec(), ri.Type, true)
		}
		if err != nil {
			return within(err, "register %s", name)
		}
		b.registers[ri.id] = ri
		b.allRegisters = append(b.allRegisters, ri)
	}
	for _, v := range b.info.GetValueSets() {
		vi, err := b.valueSet(v)
		if err != nil {
			return within(err, "value set %s", v.GetPreamble().GetName())
		}
		b.valueSets[vi.id] = vi
		b.allValueSets = append(b.allValueSets, vi)
	}
	for _, d := range b.info.GetDigests() {
		di := &digestInfo{id: d.GetPreamble().GetId(), name: d.GetPreamble().GetName()}
		di.data, di.problem = newDataType(b.info.GetTypeInfo(), d.GetTypeSpec(), nil, false)
		b.digests[di.id] = di
		b.allDigests = append(b.allDigests, di)
	}
	return nil
}

// cellInfo is an array of cells of the P4Info.
type cellInfo struct {
	*entity.Cells
	id uint32
}

func (c *cellInfo) fits(size int64) error {
	switch {
	case c.Cells == nil:
		return invalid("it is not in the program")
	case size != int64(c.Size):
		return invalid("its size is %d, in the program %d", size, c.Size)
	}
	return nil
}

// byID finds an object of a kind by the id that a request must set.
func byID[T any](b *binding, what string, of map[uint32]T, id uint32) (T, error) {
	var zero T
	if id == 0 {
		return zero, invalid("%s_id is not set", what)
	}
	if x, ok := of[id]; ok {
		return x, nil
	}
	if other, ok := b.names[id]; ok {
		return zero, invalid("%s_id 0x%08x is that of %s", what, id, other)
	}
	return zero, invalid("%s_id 0x%08x is unknown", what, id)
}

// valueSetInfo relates a value set of the P4Info to the program's.
type valueSetInfo struct {
	*entity.ValueSetInfo
	id     uint32
	fields []uint32 // id of each of Fields
}

func (b *binding) valueSet(v *p4configv1.ValueSet) (*valueSetInfo, error) {
	vi := &valueSetInfo{id: v.GetPreamble().GetId(), ValueSetInfo: b.pipe.Schema.ValueSet(v.GetPreamble().GetName())}
	match := v.GetMatch()
	switch {
	case vi.ValueSetInfo == nil:
		return nil, invalid("it is not in the program")
	case len(match) != len(vi.Fields) && !isEnum(b.pipe.Program.ValueSets[vi.Index].Type):
		return nil, invalid("P4Info has %d fields, the program %d", len(match), len(vi.Fields))
	case len(match) < len(vi.Fields):
		return nil, invalid("P4Info has no field")
	}
	for i := range vi.Fields {
		f, m := &vi.Fields[i], match[i]
		if matchKind(m.GetMatchType()) != f.Kind {
			return nil, invalid("field %d is %s, in the program %s", i+1, m.GetMatchType(), f.Kind)
		}
		plain := f.Kind == ir.MatchExact || f.Kind == ir.MatchOptional
		if err := b.width(m.GetBitwidth(), m.GetTypeName(), f.Width, plain); err != nil {
			return nil, within(err, "field %d", i+1)
		}
		vi.fields = append(vi.fields, m.GetId())
	}
	return vi, nil
}

// isEnum tells whether t is an enum: P4Info lists its members as if they were
// fields, and a member of the value set gives the first.
func isEnum(t ir.Type) bool {
	_, ok := t.(*ir.Enum)
	return ok
}
