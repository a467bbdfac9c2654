package p4rtclient

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/nicctl/p4value"
)

// fullWidth is a copy of an update whose values have as many bytes as their
// fields.
func (s *Schema) fullWidth(u *p4.Update) *p4.Update {
	u = proto.Clone(u).(*p4.Update)
	e := u.GetEntity().GetTableEntry()
	t := s.tables[e.GetTableId()]
	if t == nil {
		return u
	}
	widths := map[uint32]int{}
	for _, f := range t.GetMatchFields() {
		widths[f.GetId()] = int(f.GetBitwidth())
	}
	for _, m := range e.GetMatch() {
		for _, v := range matchValues(m) {
			*v = padTo(*v, widths[m.GetFieldId()])
		}
	}
	a := e.GetAction().GetAction()
	params := map[uint32]int{}
	for _, p := range s.actions[a.GetActionId()].GetParams() {
		params[p.GetId()] = int(p.GetBitwidth())
	}
	for _, p := range a.GetParams() {
		p.Value = padTo(p.Value, params[p.GetParamId()])
	}
	return u
}

// padTo leaves alone what has no width: a string that the device translates.
func padTo(v []byte, width int) []byte {
	n := (width + 7) / 8
	if len(v) >= n {
		return v
	}
	return append(make([]byte, n-len(v)), v...)
}

// matchValues are the values of a match.
func matchValues(m *p4.FieldMatch) []*[]byte {
	switch k := m.GetFieldMatchType().(type) {
	case *p4.FieldMatch_Exact_:
		return []*[]byte{&k.Exact.Value}
	case *p4.FieldMatch_Lpm:
		return []*[]byte{&k.Lpm.Value}
	case *p4.FieldMatch_Ternary_:
		return []*[]byte{&k.Ternary.Value, &k.Ternary.Mask}
	case *p4.FieldMatch_Range_:
		return []*[]byte{&k.Range.Low, &k.Range.High}
	case *p4.FieldMatch_Optional_:
		return []*[]byte{&k.Optional.Value}
	}
	return nil
}

// SameKey tells whether two entries are the same one: table, default or not,
// priority and match, whatever the order and the padding (p4rt:M12).
func SameKey(a, b *p4.TableEntry) bool { return keyOf(a) == keyOf(b) }

// keyOf is equal for equal keys.
func keyOf(e *p4.TableEntry) string {
	if e.GetIsDefaultAction() {
		return fmt.Sprintf("%d default", e.GetTableId())
	}
	var fields []string
	for _, m := range e.GetMatch() {
		m = proto.Clone(m).(*p4.FieldMatch)
		var text strings.Builder
		fmt.Fprintf(&text, "%d %d", m.GetFieldId(), m.GetLpm().GetPrefixLen())
		for _, v := range matchValues(m) {
			fmt.Fprintf(&text, " %x", p4value.Canonical(bytes.Clone(*v)))
		}
		fields = append(fields, text.String())
	}
	slices.Sort(fields)
	return fmt.Sprintf("%d %d %s", e.GetTableId(), e.GetPriority(), strings.Join(fields, ","))
}
