package nicctl

import (
	"fmt"
	"math/big"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// machineEntry brings an entry of P4Runtime into the form that engines take. The
// table is its index in the program.
func machineEntry(prog *ir.Program, info *p4config.P4Info, e *p4.TableEntry) (table int, out ir.Entry, err error) {
	var pt *p4config.Table
	for _, t := range info.GetTables() {
		if t.GetPreamble().GetId() == e.GetTableId() {
			pt = t
		}
	}
	if pt == nil {
		return 0, out, fmt.Errorf("no table has id %#x", e.GetTableId())
	}
	name := pt.GetPreamble().GetName()
	table = -1
	for i, t := range prog.Tables {
		if t.Name == name {
			table = i
		}
	}
	if table < 0 {
		return 0, out, fmt.Errorf("table %s is not in the program", name)
	}
	t := prog.Tables[table]
	fail := func(format string, args ...any) (int, ir.Entry, error) {
		return 0, ir.Entry{}, fmt.Errorf("table %s: %s", name, fmt.Sprintf(format, args...))
	}
	if out.Action, out.Args, err = machineAction(t, info, e.GetAction()); err != nil {
		return fail("%v", err)
	}
	if e.GetIsDefaultAction() {
		return table, out, nil
	}
	out.Priority = e.GetPriority()
	if out.Priority < 0 || t.NeedsPriority() != (out.Priority != 0) {
		return fail("priority %d: entries of this table have %s", out.Priority, map[bool]string{true: "one above 0", false: "none"}[t.NeedsPriority()])
	}
	given := map[uint32]*p4.FieldMatch{}
	for _, m := range e.GetMatch() {
		if given[m.GetFieldId()] != nil {
			return fail("field %d is given twice", m.GetFieldId())
		}
		given[m.GetFieldId()] = m
	}
	fields := pt.GetMatchFields()
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue // no part of a match
		}
		if len(fields) == 0 {
			return fail("the P4Info has fewer match fields than the program")
		}
		f := fields[0]
		fields = fields[1:]
		m, err := machineMatch(k, given[f.GetId()])
		if err != nil {
			return fail("field %s: %v", f.GetName(), err)
		}
		delete(given, f.GetId())
		out.Match = append(out.Match, m)
	}
	for id := range given {
		return fail("no field has id %d", id)
	}
	return table, out, nil
}

// machineMatch is one key's match; m is nil where the entry does not care.
func machineMatch(k ir.Key, m *p4.FieldMatch) (ir.Match, error) {
	w := ir.Width(k.Expr.Type())
	value := func(b []byte) ([]byte, error) { return machineValue(b, w) }
	var out ir.Match
	var err error
	switch {
	case m == nil && k.Kind == ir.MatchExact:
		return out, fmt.Errorf("a value is missing")
	case m == nil && k.Kind == ir.MatchLPM:
		out.Value = make([]byte, ir.ByteWidth(w))
	case m == nil:
	case m.GetExact() != nil && k.Kind == ir.MatchExact:
		out.Value, err = value(m.GetExact().GetValue())
	case m.GetOptional() != nil && k.Kind == ir.MatchOptional:
		out.Value, err = value(m.GetOptional().GetValue())
	case m.GetLpm() != nil && k.Kind == ir.MatchLPM:
		out.PrefixLen = int(m.GetLpm().GetPrefixLen())
		if out.PrefixLen < 0 || out.PrefixLen > w {
			return out, fmt.Errorf("prefix length %d of a field of %d bits", out.PrefixLen, w)
		}
		out.Value, err = value(m.GetLpm().GetValue())
		if err == nil && new(big.Int).SetBytes(out.Value).TrailingZeroBits() < uint(w-out.PrefixLen) && !isZero(out.Value) {
			return out, fmt.Errorf("bits beyond the prefix are set")
		}
	case m.GetTernary() != nil && k.Kind == ir.MatchTernary:
		if out.Mask, err = value(m.GetTernary().GetMask()); err == nil {
			out.Value, err = value(m.GetTernary().GetValue())
		}
		for i := range out.Value {
			if out.Value[i]&^out.Mask[i] != 0 {
				return out, fmt.Errorf("bits outside the mask are set")
			}
		}
	case m.GetRange() != nil && k.Kind == ir.MatchRange:
		if out.Value, err = value(m.GetRange().GetLow()); err == nil {
			out.Mask, err = value(m.GetRange().GetHigh())
		}
		if err == nil && string(out.Value) > string(out.Mask) {
			return out, fmt.Errorf("the range is empty")
		}
	default:
		return out, fmt.Errorf("the match is not %s", k.Kind)
	}
	return out, err
}

func isZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// machineAction finds the action and brings its arguments into order.
func machineAction(t *ir.Table, info *p4config.P4Info, a *p4.TableAction) (int, [][]byte, error) {
	if a == nil { // of a default entry: the program's own again
		_, def, err := t.Initial()
		return def.Action, def.Args, err
	}
	if a.GetAction() == nil {
		return 0, nil, fmt.Errorf("members and groups of action profiles are not taken here")
	}
	var pa *p4config.Action
	for _, c := range info.GetActions() {
		if c.GetPreamble().GetId() == a.GetAction().GetActionId() {
			pa = c
		}
	}
	if pa == nil {
		return 0, nil, fmt.Errorf("no action has id %#x", a.GetAction().GetActionId())
	}
	name := pa.GetPreamble().GetName()
	for i, ref := range t.Actions {
		if ref.Action.Name != name {
			continue
		}
		params := ref.Action.DataParams()
		if len(params) != len(pa.GetParams()) {
			return 0, nil, fmt.Errorf("action %s: the P4Info has %d parameters, the program %d", name, len(pa.GetParams()), len(params))
		}
		args := make([][]byte, len(params))
		for _, g := range a.GetAction().GetParams() {
			at := -1
			for j, p := range pa.GetParams() {
				if p.GetId() == g.GetParamId() {
					at = j
				}
			}
			if at < 0 || args[at] != nil {
				return 0, nil, fmt.Errorf("action %s: parameter %d is unknown or given twice", name, g.GetParamId())
			}
			v, err := machineValue(g.GetValue(), ir.Width(params[at].Type))
			if err != nil {
				return 0, nil, fmt.Errorf("action %s: parameter %s: %w", name, pa.GetParams()[at].GetName(), err)
			}
			args[at] = v
		}
		for j, v := range args {
			if v == nil {
				return 0, nil, fmt.Errorf("action %s: parameter %s is missing", name, pa.GetParams()[j].GetName())
			}
		}
		return i, args, nil
	}
	return 0, nil, fmt.Errorf("action %s is none of the table's", name)
}

// machineValue pads a P4Runtime byte string to whole bytes of w bits.
func machineValue(b []byte, w int) ([]byte, error) {
	n := new(big.Int).SetBytes(b)
	if len(b) == 0 {
		return nil, fmt.Errorf("the value is empty")
	}
	if n.BitLen() > w {
		return nil, fmt.Errorf("%#x does not fit %d bits", n, w)
	}
	return n.FillBytes(make([]byte, ir.ByteWidth(w))), nil
}
