package bmv2

import (
	"math/big"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// Entries gives the entries written in an imported program as P4Runtime shows
// them, with the ids of its P4Info.
func Entries(p *ir.Program, info *p4configv1.P4Info) *p4v1.WriteRequest {
	w := &p4v1.WriteRequest{}
	for _, ti := range info.GetTables() {
		t := p.Table(ti.GetPreamble().GetName())
		if t == nil {
			continue
		}
		for _, e := range t.Entries {
			te := &p4v1.TableEntry{TableId: ti.GetPreamble().GetId(), Priority: e.Priority, IsConst: e.Const || t.ConstEntries}
			for i, s := range e.Sets {
				if m := fieldMatch(t.Keys[i], s); m != nil && i < len(ti.GetMatchFields()) {
					m.FieldId = ti.GetMatchFields()[i].GetId()
					te.Match = append(te.Match, m)
				}
			}
			te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: entryAction(t.Actions[e.Action].Action, e.Args, info)}}
			w.Updates = append(w.Updates, &p4v1.Update{Type: p4v1.Update_INSERT, Entity: &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}})
		}
	}
	return w
}

func entryAction(a *ir.Action, args []*big.Int, info *p4configv1.P4Info) *p4v1.Action {
	out := &p4v1.Action{}
	for _, ai := range info.GetActions() {
		if ai.GetPreamble().GetName() != passes.ControlName(a) {
			continue
		}
		out.ActionId = ai.GetPreamble().GetId()
		for i, p := range a.DataParams() {
			if i < len(ai.GetParams()) {
				out.Params = append(out.Params, &p4v1.Action_Param{ParamId: ai.GetParams()[i].GetId(), Value: ir.MachineBytes(args[i], ir.Width(p.Type))})
			}
		}
	}
	return out
}

// fieldMatch is one field of an entry, nil for don't care.
func fieldMatch(k ir.Key, s ir.Set) *p4v1.FieldMatch {
	w := ir.Width(k.Expr.Type())
	bytes := func(v *big.Int) []byte { return ir.MachineBytes(v, w) }
	m := &p4v1.FieldMatch{}
	mask := ones(w)
	switch s.Kind {
	case ir.SetAny:
		return nil
	case ir.SetMask:
		mask = s.Hi
	}
	switch k.Kind {
	case ir.MatchExact:
		m.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: bytes(s.Lo)}}
	case ir.MatchLPM:
		n := 0
		for n < w && mask.Bit(w-1-n) == 1 {
			n++
		}
		m.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: bytes(s.Lo), PrefixLen: int32(n)}}
	case ir.MatchTernary:
		m.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: bytes(s.Lo), Mask: bytes(mask)}}
	case ir.MatchRange:
		if s.Lo.Sign() == 0 && s.Hi.Cmp(ones(w)) == 0 {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: bytes(s.Lo), High: bytes(s.Hi)}}
	case ir.MatchOptional:
		m.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: bytes(s.Lo)}}
	default:
		return nil
	}
	return m
}
