package p4info

import (
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

func (g *generator) tables() {
	for _, t := range g.visibleTables() {
		g.table(t)
	}
}

func (g *generator) table(t *ir.Table) {
	out := &p4configv1.Table{
		Preamble: g.preamble(prefixTable, t.Name, t.Annos),
		Size:     TableSize(t),
	}
	out.MatchFields = g.matchFields(t)
	for _, r := range t.Actions {
		if hidden(r.Action.Annos) {
			continue
		}
		ref := &p4configv1.ActionRef{Id: g.syms.id(prefixAction, r.Action.Name)}
		ref.Annotations, ref.StructuredAnnotations, _ = annotations(r.Annos)
		switch {
		case r.TableOnly && r.DefaultOnly:
			g.errorf(t.Pos, "table %s: action %s is both @tableonly and @defaultonly", t.Name, r.Action.Name)
		case r.TableOnly:
			ref.Scope = p4configv1.ActionRef_TABLE_ONLY
		case r.DefaultOnly:
			ref.Scope = p4configv1.ActionRef_DEFAULT_ONLY
		}
		out.ActionRefs = append(out.ActionRefs, ref)
	}
	if t.DefaultAction >= 0 && t.DefaultAction < len(t.Actions) {
		a := t.Actions[t.DefaultAction].Action
		id := g.syms.id(prefixAction, a.Name)
		if t.ConstDefault {
			out.ConstDefaultActionId = id
		}
		out.InitialDefaultAction = &p4configv1.TableActionCall{ActionId: id}
		ids := g.paramIDs(a)
		for i, p := range a.DataParams() {
			if i >= len(t.DefaultArgs) || t.DefaultArgs[i] == nil {
				continue
			}
			out.InitialDefaultAction.Arguments = append(out.InitialDefaultAction.Arguments, &p4configv1.TableActionCall_Argument{
				ParamId: ids[i], Value: g.bytes(unsigned(t.DefaultArgs[i], p.Type), ir.Width(p.Type), t.Pos),
			})
		}
	}
	out.IsConstTable = t.HasEntries && t.ConstEntries
	out.HasInitialEntries = len(t.Entries) > 0
	if t.SupportTimeout {
		out.IdleTimeoutBehavior = p4configv1.Table_NOTIFY_CONTROL
	}
	if in := t.Implementation; in != nil && !hidden(in.Annos) {
		out.ImplementationId = g.syms.id(prefixActionProfile, in.Name)
	}
	for _, d := range []struct {
		in   *ir.Instance
		kind prefix
	}{{t.Counters, prefixDirectCounter}, {t.Meters, prefixDirectMeter}} {
		if d.in != nil && !hidden(d.in.Annos) {
			out.DirectResourceIds = append(out.DirectResourceIds, g.syms.id(d.kind, d.in.Name))
		}
	}
	g.info.Tables = append(g.info.Tables, out)
}

// keyIDs are the field ids of a table's keys; selector keys take one as well.
func (g *generator) keyIDs(t *ir.Table) []uint32 {
	annos, pos, what := make([][]ir.Annotation, len(t.Keys)), make([]ir.Pos, len(t.Keys)), make([]string, len(t.Keys))
	for i, k := range t.Keys {
		annos[i], pos[i], what[i] = k.Annos, k.Pos, "match field "+k.Name
	}
	return g.fieldIDs(annos, pos, what)
}

func (g *generator) matchFields(t *ir.Table) []*p4configv1.MatchField {
	var out []*p4configv1.MatchField
	ids := g.keyIDs(t)
	for i, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue // P10: no business of the control plane
		}
		g.checkAnnotations(k.Annos, k.Pos)
		ty := k.Expr.Type()
		m := &p4configv1.MatchField{
			Id: ids[i], Name: k.Name, Bitwidth: g.width(ty, k.Pos), TypeName: typeName(ty),
			Match: &p4configv1.MatchField_MatchType_{MatchType: matchType(k.Kind)},
		}
		m.Annotations, m.StructuredAnnotations, m.Doc = annotations(k.Annos)
		g.typeSpec(ty, k.Pos) // enters named types
		out = append(out, m)
	}
	return out
}

func matchType(k ir.MatchKind) p4configv1.MatchField_MatchType {
	switch k {
	case ir.MatchExact:
		return p4configv1.MatchField_EXACT
	case ir.MatchLPM:
		return p4configv1.MatchField_LPM
	case ir.MatchTernary:
		return p4configv1.MatchField_TERNARY
	case ir.MatchRange:
		return p4configv1.MatchField_RANGE
	case ir.MatchOptional:
		return p4configv1.MatchField_OPTIONAL
	}
	return p4configv1.MatchField_UNSPECIFIED
}

// paramIDs are the ids of an action's data parameters.
func (g *generator) paramIDs(a *ir.Action) []uint32 {
	ps := a.DataParams()
	annos, pos, what := make([][]ir.Annotation, len(ps)), make([]ir.Pos, len(ps)), make([]string, len(ps))
	for i, p := range ps {
		annos[i], pos[i], what[i] = p.Annos, p.Pos, "parameter "+p.Name
	}
	return g.fieldIDs(annos, pos, what)
}

func (g *generator) actions() {
	seen := map[uint32]bool{}
	for _, a := range g.visibleActions() {
		id := g.syms.id(prefixAction, a.Name)
		if seen[id] { // P8: a copy in another control
			continue
		}
		seen[id] = true
		out := &p4configv1.Action{Preamble: g.preamble(prefixAction, a.Name, a.Annos)}
		if g.reach.Actions[a] {
			ids := g.paramIDs(a)
			for i, p := range a.DataParams() {
				out.Params = append(out.Params, g.param(p, ids[i], a))
			}
		}
		g.info.Actions = append(g.info.Actions, out)
	}
}

func (g *generator) param(p *ir.Var, id uint32, a *ir.Action) *p4configv1.Action_Param {
	out := &p4configv1.Action_Param{Id: id, Name: controlName(p.Name, p.Annos), TypeName: typeName(p.Type)}
	g.checkAnnotations(p.Annos, p.Pos)
	out.Annotations, out.StructuredAnnotations, out.Doc = annotations(p.Annos)
	switch t := p.Type.(type) {
	case *ir.Bit, *ir.Int, *ir.Bool, *ir.Newtype:
		out.Bitwidth = g.width(t, p.Pos)
	case *ir.Enum:
		if t.Underlying != nil {
			out.Bitwidth = g.width(t, p.Pos)
		} else {
			out.TypeName = &p4configv1.P4NamedType{Name: controlType(t)}
		}
	default:
		g.errorf(p.Pos, "parameter %s of action %s has type %s; the control plane can supply bit<W>, int<W>, bool, enums and new types of these", p.Name, a.Name, p.Type)
		return out
	}
	g.typeSpec(p.Type, p.Pos) // enters named types
	return out
}

// controlName is the last part of a name that @name may replace.
func controlName(name string, as []ir.Annotation) string {
	if a, ok := ir.Anno(as, "name"); ok {
		if s, ok := annoString(a); ok {
			return strings.TrimPrefix(s, ".")
		}
	}
	return name
}

func (g *generator) valueSets() {
	for _, v := range g.prog.ValueSets {
		if hidden(v.Annos) {
			continue
		}
		out := &p4configv1.ValueSet{Preamble: g.preamble(prefixValueSet, v.Name, v.Annos), Size: int32(v.Size)}
		exact := func(id uint32, name string, w int) *p4configv1.MatchField {
			return &p4configv1.MatchField{
				Id: id, Name: name, Bitwidth: int32(w),
				Match: &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_EXACT},
			}
		}
		switch t := v.Type.(type) {
		case *ir.Struct:
			out.Match = g.valueSetFields(v, t)
		case *ir.Tuple:
			g.errorf(v.Pos, "value set %s: P4Runtime describes value sets over bit<W>, structs of bit<W> and serializable enums, not %s", v.Name, v.Type)
		case *ir.Enum:
			if t.Underlying == nil {
				g.errorf(v.Pos, "value set %s: enum %s has no representation", v.Name, t.Name)
				break
			}
			for i, m := range t.Members {
				out.Match = append(out.Match, exact(uint32(i+1), m.Name, ir.Width(t)))
			}
		default:
			w := ir.Width(v.Type)
			if w < 0 {
				g.errorf(v.Pos, "value set %s: type %s", v.Name, v.Type)
			}
			out.Match = append(out.Match, exact(1, "", w))
		}
		g.info.ValueSets = append(g.info.ValueSets, out)
	}
}

func (g *generator) valueSetFields(v *ir.ValueSet, t *ir.Struct) []*p4configv1.MatchField {
	annos, pos, what := make([][]ir.Annotation, len(t.Fields)), make([]ir.Pos, len(t.Fields)), make([]string, len(t.Fields))
	for i, f := range t.Fields {
		annos[i], pos[i], what[i] = f.Annos, v.Pos, "field "+f.Name
	}
	ids := g.fieldIDs(annos, pos, what)
	var out []*p4configv1.MatchField
	for i, f := range t.Fields {
		w := ir.Width(f.Type)
		if w < 0 {
			g.errorf(v.Pos, "value set %s: field %s has type %s, bit<W> is wanted", v.Name, f.Name, f.Type)
			continue
		}
		kind := p4configv1.MatchField_EXACT
		if a, ok := ir.Anno(f.Annos, "match"); ok {
			kind = matchType(matchKind(a.Text))
			if kind == p4configv1.MatchField_UNSPECIFIED {
				g.errorf(v.Pos, "value set %s: @match(%s)", v.Name, a.Text)
			}
		}
		m := &p4configv1.MatchField{
			Id: ids[i], Name: controlName(f.Name, f.Annos), Bitwidth: int32(w),
			Match: &p4configv1.MatchField_MatchType_{MatchType: kind},
		}
		m.Annotations, m.StructuredAnnotations, m.Doc = annotations(f.Annos, "match")
		out = append(out, m)
	}
	return out
}

func matchKind(name string) ir.MatchKind {
	for k := ir.MatchExact; k < ir.MatchSelector; k++ {
		if k.String() == name {
			return k
		}
	}
	return ir.MatchSelector
}
