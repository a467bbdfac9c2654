package p4rtclient

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/nicctl/p4value"
)

// DefaultKey in the place of the key means the default action.
const DefaultKey = "default"

// PriorityKey gives an entry's priority.
const PriorityKey = "priority"

// ParseEntry reads an entry as people write it:
//
//	TABLE KEY=VALUE... [priority=N] ACTION [PARAM=VALUE...]
//	TABLE default ACTION [PARAM=VALUE...]
//
// withAction false reads the key (for deletion); an action may follow, so that
// what was listed can be deleted, and is checked but left out. The action is the
// first word without '='.
func (s *Schema) ParseEntry(words []string, withAction bool) (*p4.TableEntry, error) {
	if len(words) == 0 {
		return nil, errors.New("a table name is missing")
	}
	t, err := s.Table(words[0])
	if err != nil {
		return nil, err
	}
	words = words[1:]
	e := &p4.TableEntry{TableId: t.GetPreamble().GetId()}
	if len(words) > 0 && words[0] == DefaultKey {
		e.IsDefaultAction = true
		words = words[1:]
	}
	n := 0
	for n < len(words) && strings.Contains(words[n], "=") {
		n++
	}
	if e.IsDefaultAction && n > 0 {
		return nil, fmt.Errorf("table %s: the default action has no key, but %q was given", ShortName(t), words[0])
	}
	if !e.IsDefaultAction {
		if err := s.parseKey(t, words[:n], e); err != nil {
			return nil, err
		}
	}
	if n == len(words) {
		if withAction {
			return nil, fmt.Errorf("table %s: an action is missing; there are: %s", ShortName(t), strings.Join(s.actionNames(t), ", "))
		}
		return e, nil
	}
	if ref, ok, err := s.parseRef(t, words[n:]); ok || err != nil {
		if err == nil && withAction {
			e.Action = ref
		}
		return e, err
	}
	a, err := s.Action(t, words[n])
	if err != nil {
		return nil, err
	}
	action, err := parseParams(a, words[n+1:])
	if err != nil {
		return nil, err
	}
	if withAction {
		e.Action = &p4.TableAction{Type: &p4.TableAction_Action{Action: action}}
	}
	return e, nil
}

// Words in the place of an action, in tables with an action profile:
//
//	member id=N
//	group id=N
//	actions [WEIGHT*]ACTION(PARAM=VALUE,...)[@PORT]...
const (
	memberRef = "member"
	groupRef  = "group"
	setRef    = "actions"
)

// parseRef reads what an entry refers to; ok is false where words are an action.
func (s *Schema) parseRef(t *p4config.Table, words []string) (ta *p4.TableAction, ok bool, err error) {
	if t.GetImplementationId() == 0 {
		return nil, false, nil
	}
	switch words[0] {
	case memberRef, groupRef:
		text, found := "", false
		if len(words) == 2 {
			text, found = strings.CutPrefix(words[1], "id=")
		}
		if !found {
			return nil, true, fmt.Errorf("table %s: %s id=N is wanted", ShortName(t), words[0])
		}
		id, err := number(text, words[0], 1, math.MaxUint32)
		if err != nil {
			return nil, true, err
		}
		if words[0] == memberRef {
			return &p4.TableAction{Type: &p4.TableAction_ActionProfileMemberId{ActionProfileMemberId: uint32(id)}}, true, nil
		}
		return &p4.TableAction{Type: &p4.TableAction_ActionProfileGroupId{ActionProfileGroupId: uint32(id)}}, true, nil
	case setRef:
		set := &p4.ActionProfileActionSet{}
		for _, w := range words[1:] {
			a, err := s.parseSetAction(t, w)
			if err != nil {
				return nil, true, fmt.Errorf("%s: %w", w, err)
			}
			set.ActionProfileActions = append(set.ActionProfileActions, a)
		}
		return &p4.TableAction{Type: &p4.TableAction_ActionProfileActionSet{ActionProfileActionSet: set}}, true, nil
	}
	return nil, false, nil
}

func (s *Schema) parseSetAction(t *p4config.Table, w string) (*p4.ActionProfileAction, error) {
	out := &p4.ActionProfileAction{Weight: 1}
	if weight, rest, ok := strings.Cut(w, "*"); ok && !strings.Contains(weight, "(") {
		n, err := number(weight, "weight", 1, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		out.Weight, w = int32(n), rest
	}
	if i := strings.LastIndex(w, "@"); i > strings.LastIndex(w, ")") {
		b, err := portBytes(w[i+1:])
		if err != nil {
			return nil, err
		}
		out.WatchKind, w = &p4.ActionProfileAction_WatchPort{WatchPort: b}, w[:i]
	}
	name, params, ok := strings.Cut(w, "(")
	var words []string
	if ok {
		params, ok = strings.CutSuffix(params, ")")
		if !ok {
			return nil, errors.New("a ) is missing")
		}
		if params != "" {
			words = strings.Split(params, ",")
		}
	}
	a, err := s.Action(t, name)
	if err != nil {
		return nil, err
	}
	out.Action, err = parseParams(a, words)
	return out, err
}

// describeRef is the same for people: the word and what follows it.
func (s *Schema) describeRef(ta *p4.TableAction) (string, []Pair, []string) {
	switch x := ta.GetType().(type) {
	case *p4.TableAction_ActionProfileMemberId:
		return memberRef, []Pair{{"id", fmt.Sprint(x.ActionProfileMemberId)}}, nil
	case *p4.TableAction_ActionProfileGroupId:
		return groupRef, []Pair{{"id", fmt.Sprint(x.ActionProfileGroupId)}}, nil
	case *p4.TableAction_ActionProfileActionSet:
		var items []string
		for _, a := range x.ActionProfileActionSet.GetActionProfileActions() {
			name, params := s.describeAction(a.GetAction())
			var ps []string
			for _, p := range params {
				ps = append(ps, p.Name+"="+p.Value)
			}
			text := name + "(" + strings.Join(ps, ",") + ")"
			if a.GetWeight() > 1 {
				text = fmt.Sprintf("%d*%s", a.GetWeight(), text)
			}
			if w, ok := a.GetWatchKind().(*p4.ActionProfileAction_WatchPort); ok && len(w.WatchPort) > 0 {
				text += "@" + decimal(w.WatchPort)
			}
			items = append(items, text)
		}
		return setRef, []Pair{}, items
	}
	return "", []Pair{}, nil
}

func (s *Schema) actionNames(t *p4config.Table) []string {
	var names []string
	for _, r := range t.GetActionRefs() {
		if a := s.actions[r.GetId()]; a != nil {
			names = append(names, ShortName(a))
		}
	}
	return names
}

func (s *Schema) parseKey(t *p4config.Table, words []string, e *p4.TableEntry) error {
	given := map[uint32]bool{}
	for _, w := range words {
		name, text, _ := strings.Cut(w, "=")
		if name == PriorityKey && matchField(t, name) == nil {
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 1 {
				return fmt.Errorf("table %s: priority=%s: a number from 1 to 2147483647 is wanted", ShortName(t), text)
			}
			e.Priority = int32(n)
			continue
		}
		f := matchField(t, name)
		if f == nil {
			return unknown("match field of table "+ShortName(t), name, fieldNames(t))
		}
		if given[f.GetId()] {
			return fmt.Errorf("table %s: field %s is given twice", ShortName(t), f.GetName())
		}
		given[f.GetId()] = true
		m, err := parseMatch(f, text)
		if err != nil {
			return fmt.Errorf("table %s, field %s: %w", ShortName(t), f.GetName(), err)
		}
		if m != nil {
			e.Match = append(e.Match, m)
		}
	}
	for _, f := range t.GetMatchFields() {
		if f.GetMatchType() == p4config.MatchField_EXACT && !given[f.GetId()] {
			return fmt.Errorf("table %s: exact field %s is missing", ShortName(t), f.GetName())
		}
	}
	if e.Priority == 0 && needsPriority(t) {
		return fmt.Errorf("table %s: priority=N is missing (1 to 2147483647, the larger number wins)", ShortName(t))
	}
	if e.Priority != 0 && !needsPriority(t) {
		return fmt.Errorf("table %s: entries have no priority, all fields are exact or lpm", ShortName(t))
	}
	return nil
}

func needsPriority(t *p4config.Table) bool {
	for _, f := range t.GetMatchFields() {
		switch f.GetMatchType() {
		case p4config.MatchField_TERNARY, p4config.MatchField_RANGE, p4config.MatchField_OPTIONAL:
			return true
		}
	}
	return false
}

// matchField finds a field by name or by the unique last part of it.
func matchField(t *p4config.Table, name string) *p4config.MatchField {
	var hit *p4config.MatchField
	for _, f := range t.GetMatchFields() {
		if f.GetName() == name {
			return f
		}
		if strings.HasSuffix(f.GetName(), "."+name) {
			if hit != nil {
				return nil
			}
			hit = f
		}
	}
	return hit
}

func fieldNames(t *p4config.Table) []string {
	var names []string
	for _, f := range t.GetMatchFields() {
		names = append(names, f.GetName())
	}
	return names
}

// parseMatch returns nil for don't care.
func parseMatch(f *p4config.MatchField, text string) (*p4.FieldMatch, error) {
	m := &p4.FieldMatch{FieldId: f.GetId()}
	w := int(f.GetBitwidth())
	switch f.GetMatchType() {
	case p4config.MatchField_EXACT:
		if text == "*" && w > 0 {
			return nil, errors.New("an exact match needs a value, * is for the other match kinds")
		}
		v, err := p4value.Parse(text, w)
		if err != nil {
			return nil, err
		}
		m.FieldMatchType = &p4.FieldMatch_Exact_{Exact: &p4.FieldMatch_Exact{Value: v}}
	case p4config.MatchField_LPM:
		v, n, err := p4value.Prefix(text, w)
		if err != nil || n == 0 {
			return nil, err
		}
		m.FieldMatchType = &p4.FieldMatch_Lpm{Lpm: &p4.FieldMatch_LPM{Value: v, PrefixLen: int32(n)}}
	case p4config.MatchField_TERNARY:
		v, mask, err := p4value.Ternary(text, w)
		if err != nil || mask == nil {
			return nil, err
		}
		m.FieldMatchType = &p4.FieldMatch_Ternary_{Ternary: &p4.FieldMatch_Ternary{Value: v, Mask: mask}}
	case p4config.MatchField_RANGE:
		lo, hi, err := p4value.Range(text, w)
		if err != nil || lo == nil {
			return nil, err
		}
		m.FieldMatchType = &p4.FieldMatch_Range_{Range: &p4.FieldMatch_Range{Low: lo, High: hi}}
	case p4config.MatchField_OPTIONAL:
		if text == "*" {
			return nil, nil
		}
		v, err := p4value.Parse(text, w)
		if err != nil {
			return nil, err
		}
		m.FieldMatchType = &p4.FieldMatch_Optional_{Optional: &p4.FieldMatch_Optional{Value: v}}
	default:
		return nil, fmt.Errorf("match kind %s is not known", f.GetOtherMatchType())
	}
	return m, nil
}

func parseParams(a *p4config.Action, words []string) (*p4.Action, error) {
	out := &p4.Action{ActionId: a.GetPreamble().GetId()}
	given := map[uint32]bool{}
	for _, w := range words {
		name, text, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("action %s: %q is no PARAM=VALUE", ShortName(a), w)
		}
		var p *p4config.Action_Param
		var names []string
		for _, q := range a.GetParams() {
			names = append(names, q.GetName())
			if q.GetName() == name {
				p = q
			}
		}
		if p == nil {
			return nil, unknown("parameter of action "+ShortName(a), name, names)
		}
		if given[p.GetId()] {
			return nil, fmt.Errorf("action %s: parameter %s is given twice", ShortName(a), name)
		}
		given[p.GetId()] = true
		v, err := p4value.Parse(text, int(p.GetBitwidth()))
		if err != nil {
			return nil, fmt.Errorf("action %s, parameter %s: %w", ShortName(a), name, err)
		}
		out.Params = append(out.Params, &p4.Action_Param{ParamId: p.GetId(), Value: v})
	}
	for _, p := range a.GetParams() {
		if !given[p.GetId()] {
			return nil, fmt.Errorf("action %s: parameter %s is missing", ShortName(a), p.GetName())
		}
	}
	return out, nil
}

// Pair is a named value of an entry, for people and for JSON.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Entry is a table entry as people read it.
type Entry struct {
	Table    string   `json:"table"`
	Default  bool     `json:"default"` // the default action: no match, no priority
	Match    []Pair   `json:"match"`
	Priority int32    `json:"priority"` // 0 = the table has none
	Action   string   `json:"action"`
	Params   []Pair   `json:"params"`
	Actions  []string `json:"actions,omitempty"` // of an action set, with weights and ports
	Const    bool     `json:"const"`
	Packets  *int64   `json:"packets,omitempty"` // where counters were read
	Bytes    *int64   `json:"bytes,omitempty"`
}

// Describe turns a TableEntry into names. Fields that an entry leaves out are
// shown as *.
func (s *Schema) Describe(e *p4.TableEntry) Entry {
	out := Entry{Default: e.GetIsDefaultAction(), Priority: e.GetPriority(), Const: e.GetIsConst(), Match: []Pair{}, Params: []Pair{}}
	t := s.tables[e.GetTableId()]
	if t == nil {
		out.Table = fmt.Sprintf("table %#x", e.GetTableId())
		return out
	}
	out.Table = ShortName(t)
	if !out.Default {
		byID := map[uint32]*p4.FieldMatch{}
		for _, m := range e.GetMatch() {
			byID[m.GetFieldId()] = m
		}
		for _, f := range t.GetMatchFields() {
			out.Match = append(out.Match, Pair{f.GetName(), describeMatch(f, byID[f.GetId()])})
		}
	}
	if a := e.GetAction().GetAction(); a != nil {
		out.Action, out.Params = s.describeAction(a)
	} else if e.GetAction() != nil {
		out.Action, out.Params, out.Actions = s.describeRef(e.GetAction())
	}
	if c := e.GetCounterData(); c != nil {
		out.Packets, out.Bytes = &c.PacketCount, &c.ByteCount
	}
	return out
}

func describeMatch(f *p4config.MatchField, m *p4.FieldMatch) string {
	w, style := int(f.GetBitwidth()), keyStyle(f)
	switch {
	case m == nil && f.GetMatchType() == p4config.MatchField_LPM:
		return p4value.Format(nil, w, style) + "/0"
	case m == nil:
		return "*"
	case m.GetExact() != nil:
		return p4value.Format(m.GetExact().GetValue(), w, style)
	case m.GetLpm() != nil:
		return fmt.Sprintf("%s/%d", p4value.Format(m.GetLpm().GetValue(), w, style), m.GetLpm().GetPrefixLen())
	case m.GetTernary() != nil:
		return p4value.FormatTernary(m.GetTernary().GetValue(), m.GetTernary().GetMask(), w, style)
	case m.GetRange() != nil:
		lo, hi := p4value.Format(m.GetRange().GetLow(), w, style), p4value.Format(m.GetRange().GetHigh(), w, style)
		if lo == hi {
			return lo
		}
		return lo + ".." + hi
	case m.GetOptional() != nil:
		return p4value.Format(m.GetOptional().GetValue(), w, style)
	}
	return "?"
}

func (s *Schema) describeAction(a *p4.Action) (string, []Pair) {
	def := s.actions[a.GetActionId()]
	if def == nil {
		return fmt.Sprintf("action %#x", a.GetActionId()), []Pair{}
	}
	values := map[uint32][]byte{}
	for _, p := range a.GetParams() {
		values[p.GetParamId()] = p.GetValue()
	}
	params := []Pair{}
	for _, p := range def.GetParams() {
		params = append(params, Pair{p.GetName(), p4value.Format(values[p.GetId()], int(p.GetBitwidth()), paramStyle(p))})
	}
	return ShortName(def), params
}

// String is the entry in the form that ParseEntry reads.
func (e Entry) String() string {
	words := []string{e.Table}
	if e.Default {
		words = append(words, DefaultKey)
	}
	for _, m := range e.Match {
		words = append(words, m.Name+"="+m.Value)
	}
	if e.Priority != 0 {
		words = append(words, fmt.Sprintf("%s=%d", PriorityKey, e.Priority))
	}
	if e.Action != "" {
		words = append(words, e.Action)
	}
	for _, p := range e.Params {
		words = append(words, p.Name+"="+p.Value)
	}
	words = append(words, e.Actions...)
	return strings.Join(words, " ")
}

// Sort orders entries by table, default last, priority (higher first), text.
func Sort(entries []Entry) {
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		switch {
		case a.Table != b.Table:
			return a.Table < b.Table
		case a.Default != b.Default:
			return b.Default
		case a.Priority != b.Priority:
			return a.Priority > b.Priority
		}
		return a.String() < b.String()
	})
}
