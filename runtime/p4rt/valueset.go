package p4rt

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

func (v *valueSetInfo) objectID() entity.ObjectID {
	return entity.ObjectID{Scope: entity.Scope{Kind: entity.ValueSet, Name: v.Name}}
}

// valueSetEntry decodes a write of a value set: what it names replaces what there
// is (p4rt:V1-V5).
func (b *binding) valueSetEntry(typ p4v1.Update_Type, e *p4v1.ValueSetEntry) (u entity.Update, err error) {
	vi, err := byID(b, "value_set", b.valueSets, e.GetValueSetId())
	if err != nil {
		return u, err
	}
	if typ != p4v1.Update_MODIFY {
		return u, invalid("value set %s: a value set can only be modified, not %s", vi.Name, typ)
	}
	out := &entity.ValueSetMembers{}
	seen := make(map[string]bool, len(e.GetMembers()))
	for i, m := range e.GetMembers() {
		key, err := vi.member(m.GetMatch())
		if err != nil {
			return u, within(err, "value set %s: member %d", vi.Name, i+1)
		}
		if seen[key] {
			return u, entity.Errorf(entity.Exists, "value set %s: member %d is given twice", vi.Name, i+1)
		}
		seen[key] = true
		out.Members = append(out.Members, key)
	}
	u = entity.Update{Kind: entity.ModifyObject, Object: &entity.ObjectUpdate{ID: vi.objectID(), Count: 1}}
	if len(out.Members) > 0 {
		u.Object.Value = out
	}
	return u, nil
}

// member packs the match of a member as that of an entry (p4rt:M1-M10).
func (v *valueSetInfo) member(match []*p4v1.FieldMatch) (string, error) {
	seen := make([]bool, len(v.Fields))
	key := v.NewMember()
	for _, m := range match {
		i := position(v.fields, m.GetFieldId())
		if i < 0 {
			return "", invalid("field_id %d is none of its %d fields", m.GetFieldId(), len(v.Fields))
		}
		f := &v.Fields[i]
		if seen[i] {
			return "", invalid("field %d is given twice", m.GetFieldId())
		}
		seen[i] = true
		if err := setField(f, key, m); err != nil {
			return "", within(err, "field %d", m.GetFieldId())
		}
	}
	for i, ok := range seen {
		if !ok && v.Fields[i].Kind == ir.MatchExact {
			return "", invalid("field %d is missing: exact fields must be given", v.fields[i])
		}
	}
	return string(key), nil
}

// valueSetQuery decodes a read of value sets (p4rt:V6).
func (b *binding) valueSetQuery(e *p4v1.ValueSetEntry) (query, error) {
	if len(e.GetMembers()) > 0 {
		return query{}, invalid("value sets are read whole, without members")
	}
	all := b.allValueSets
	if id := e.GetValueSetId(); id != 0 {
		vi, err := byID(b, "value_set", b.valueSets, id)
		if err != nil {
			return query{}, err
		}
		all = []*valueSetInfo{vi}
	}
	return query{run: func(rd *reader, _ *entity.Entry) error {
		for _, vi := range all {
			if err := rd.out.addMessage(vi.entity(rd.snap.Object(vi.objectID()))); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func (v *valueSetInfo) entity(o entity.Object) *p4v1.Entity {
	out := &p4v1.ValueSetEntry{ValueSetId: v.id}
	if ms, ok := o.(*entity.ValueSetMembers); ok {
		for _, m := range ms.Members {
			out.Members = append(out.Members, v.message(m))
		}
	}
	return &p4v1.Entity{Entity: &p4v1.Entity_ValueSetEntry{ValueSetEntry: out}}
}

func (v *valueSetInfo) message(key string) *p4v1.ValueSetMember {
	out := &p4v1.ValueSetMember{}
	raw := []byte(key)
	for i := range v.Fields {
		f := &v.Fields[i]
		m, ok := f.Get(raw)
		if !ok {
			continue
		}
		fm := &p4v1.FieldMatch{FieldId: v.fields[i]}
		value, mask := f.Canonical(m.Value), f.Canonical(m.Mask)
		switch f.Kind {
		case ir.MatchExact:
			fm.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: value}}
		case ir.MatchLPM:
			fm.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: value, PrefixLen: int32(m.PrefixLen)}}
		case ir.MatchTernary:
			fm.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: value, Mask: mask}}
		case ir.MatchRange:
			fm.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: value, High: mask}}
		default:
			fm.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: value}}
		}
		out.Match = append(out.Match, fm)
	}
	return out
}
