package p4rt

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// tableEntry decodes a table entry of a Write (p4rt:T1-T21, M1-M12, DR1-DR5,
// IT1-IT2). What depends on the table's content is the store's to check.
func (b *binding) tableEntry(typ p4v1.Update_Type, te *p4v1.TableEntry) (entity.Update, error) {
	u := entity.Update{}
	t, err := b.find(te.GetTableId())
	if err != nil {
		return u, err
	}
	u.Table = t.Index
	if err := t.entry(&u, typ, te); err != nil {
		return u, within(err, "table %s", t.Name)
	}
	return u, nil
}

func (t *tableInfo) entry(u *entity.Update, typ p4v1.Update_Type, te *p4v1.TableEntry) error {
	if te.GetIsConst() {
		return invalid("is_const cannot be written")
	}
	var err error
	if te.GetIsDefaultAction() {
		if err := t.defaultKind(u, typ, te); err != nil {
			return err
		}
	} else {
		if len(t.Fields) == 0 {
			return invalid("it has no key: only its default action can be written")
		}
		if u.Key, err = t.key(te.GetMatch()); err != nil {
			return err
		}
		if u.Priority, err = t.priority(te.GetPriority()); err != nil {
			return err
		}
		switch typ {
		case p4v1.Update_INSERT:
			u.Kind = entity.Insert
		case p4v1.Update_MODIFY:
			u.Kind = entity.Modify
		case p4v1.Update_DELETE:
			u.Kind = entity.Delete
			return nil // nothing but the key counts (T6)
		}
	}
	u.Extra = entity.Extra{Metadata: te.GetMetadata(), ControllerMetadata: controllerMetadata(te), IdleTimeout: te.GetIdleTimeoutNs()}
	if err := t.direct(u, te); err != nil {
		return err
	}
	switch {
	case te.GetAction() != nil:
		return t.setAction(u, te.GetAction())
	case typ == p4v1.Update_INSERT:
		return invalid("INSERT without action")
	}
	return nil
}

func (t *tableInfo) defaultKind(u *entity.Update, typ p4v1.Update_Type, te *p4v1.TableEntry) error {
	switch {
	case typ != p4v1.Update_MODIFY:
		return invalid("the default action can only be modified, not %s", typ)
	case len(te.GetMatch()) > 0:
		return invalid("is_default_action with match fields")
	case te.GetPriority() != 0:
		return invalid("is_default_action with priority %d", te.GetPriority())
	case te.GetIdleTimeoutNs() != 0:
		return invalid("is_default_action with idle_timeout_ns %d", te.GetIdleTimeoutNs())
	}
	u.Kind = entity.ResetDefault
	if te.GetAction() != nil {
		u.Kind = entity.SetDefault
	}
	return nil
}

// priority checks a priority (T3).
func (t *tableInfo) priority(p int32) (int32, error) {
	switch {
	case p < 0:
		return 0, invalid("priority %d is negative", p)
	case p == 0 && t.NeedsPriority:
		return 0, invalid("priority is not set, but the key has ternary, range or optional fields")
	case p != 0 && !t.NeedsPriority:
		return 0, invalid("priority %d, but the key has no ternary, range or optional field", p)
	}
	return p, nil
}

// direct decodes the direct resources and what else hangs on an entry.
func (t *tableInfo) direct(u *entity.Update, te *p4v1.TableEntry) error {
	switch {
	case te.GetTimeSinceLastHit() != nil:
		return invalid("time_since_last_hit cannot be written")
	case te.GetIdleTimeoutNs() != 0 && !t.IdleTimeout:
		return invalid("idle_timeout_ns %d, but the table has no idle timeout", te.GetIdleTimeoutNs())
	case te.GetIdleTimeoutNs() < 0:
		return invalid("idle_timeout_ns %d is negative", te.GetIdleTimeoutNs())
	case (te.GetMeterConfig() != nil || te.GetMeterCounterData() != nil) && t.meter == nil:
		return invalid("meter_config or meter_counter_data, but the table has no direct meter")
	case te.GetMeterConfig() != nil && te.GetIsDefaultAction():
		return t.noDefaultMeter()
	case te.GetCounterData() != nil && t.Counter == "":
		return invalid("counter_data, but the table has no direct counter")
	}
	if err := noColourCounters(te.GetMeterCounterData()); err != nil {
		return err
	}
	var err error
	if u.Extra.Meter, err = meterConfig(t.meter, te.GetMeterConfig()); err != nil {
		return err
	}
	u.Counter, err = counter(te.GetCounterData())
	return err
}

// setAction decodes an action (T12-T15).
func (t *tableInfo) setAction(u *entity.Update, ta *p4v1.TableAction) error {
	a := ta.GetAction()
	switch ta.GetType().(type) {
	case *p4v1.TableAction_Action:
		if t.Profile != "" && !isDefault(u) {
			return invalid("it is implemented by action profile %s: a member, group or action set is expected, not an action", t.Profile)
		}
	case nil:
		return invalid("the action's type is not set")
	default:
		if t.Profile == "" {
			return invalid("it has no action profile: an action is expected, not a member, group or action set")
		}
		if isDefault(u) {
			return invalid("the default action is an action, not a member, group or action set")
		}
		return t.refer(u, ta)
	}
	ai := t.action(a.GetActionId())
	switch {
	case ai == nil:
		return invalid("action_id 0x%08x is none of its actions", a.GetActionId())
	case isDefault(u) && ai.TableOnly:
		return entity.Errorf(entity.Denied, "action %s is @tableonly", ai.Name)
	case !isDefault(u) && ai.DefaultOnly:
		return entity.Errorf(entity.Denied, "action %s is @defaultonly", ai.Name)
	}
	args, err := ai.args(a.GetParams())
	if err != nil {
		return within(err, "action %s", ai.Name)
	}
	u.HasAction, u.Action, u.Args = true, ai.Index, args
	return nil
}

func isDefault(u *entity.Update) bool { return u.Kind == entity.SetDefault }

func (ai *actionInfo) args(params []*p4v1.Action_Param) (string, error) {
	var small [16]bool
	seen := flags(small[:], len(ai.params))
	buf := make([]byte, ai.ArgSize)
	for _, q := range params {
		i := ai.param(q.GetParamId())
		if i < 0 {
			return "", invalid("param_id %d is none of its %d parameters", q.GetParamId(), len(ai.params))
		}
		if seen[i] {
			return "", invalid("parameter %s is given twice", ai.Params[i].Name)
		}
		seen[i] = true
		if err := ai.Params[i].Set(buf, q.GetValue()); err != nil {
			return "", within(err, "parameter %s", ai.Params[i].Name)
		}
	}
	for i, ok := range seen {
		if !ok {
			return "", invalid("parameter %s is missing", ai.Params[i].Name)
		}
	}
	return string(buf), nil
}

// flags gives n false flags, in small where they fit.
func flags(small []bool, n int) []bool {
	if n <= len(small) {
		return small[:n]
	}
	return make([]bool, n)
}

// key packs match fields (M1-M12).
func (t *tableInfo) key(match []*p4v1.FieldMatch) (string, error) {
	var small [32]bool
	seen := flags(small[:], len(t.Fields))
	key := t.NewKey()
	for _, m := range match {
		i := t.field(m.GetFieldId())
		if i < 0 {
			return "", invalid("field_id %d is none of its %d fields", m.GetFieldId(), len(t.Fields))
		}
		f := &t.Fields[i]
		if seen[i] {
			return "", invalid("field %s is given twice", f.Name)
		}
		seen[i] = true
		if err := setField(f, key, m); err != nil {
			return "", within(err, "field %s", f.Name)
		}
	}
	for i, ok := range seen {
		if !ok && t.Fields[i].Kind == ir.MatchExact {
			return "", invalid("field %s is missing: exact fields must be given", t.Fields[i].Name)
		}
	}
	return string(key), nil
}

func setField(f *entity.Field, key []byte, m *p4v1.FieldMatch) error {
	have := ir.MatchKind(-1)
	var set func() error
	switch x := m.GetFieldMatchType().(type) {
	case *p4v1.FieldMatch_Exact_:
		have, set = ir.MatchExact, func() error { return f.SetExact(key, x.Exact.GetValue()) }
	case *p4v1.FieldMatch_Lpm:
		have, set = ir.MatchLPM, func() error { return f.SetLPM(key, x.Lpm.GetValue(), x.Lpm.GetPrefixLen()) }
	case *p4v1.FieldMatch_Ternary_:
		have, set = ir.MatchTernary, func() error { return f.SetTernary(key, x.Ternary.GetValue(), x.Ternary.GetMask()) }
	case *p4v1.FieldMatch_Range_:
		have, set = ir.MatchRange, func() error { return f.SetRange(key, x.Range.GetLow(), x.Range.GetHigh()) }
	case *p4v1.FieldMatch_Optional_:
		have, set = ir.MatchOptional, func() error { return f.SetOptional(key, x.Optional.GetValue()) }
	case nil:
		return invalid("the match is not set")
	default:
		return invalid("an architecture specific match where %s is expected", f.Kind)
	}
	if have != f.Kind {
		return invalid("a match of kind %s where %s is expected", have, f.Kind)
	}
	return set()
}
