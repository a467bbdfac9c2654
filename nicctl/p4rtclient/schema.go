package p4rtclient

import (
	"fmt"
	"sort"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/nicctl/p4value"
)

// Schema is a P4Info seen by names.
type Schema struct {
	Info    *p4config.P4Info
	tables  map[uint32]*p4config.Table
	actions map[uint32]*p4config.Action
	direct  map[uint32]uint32 // table id -> direct counter id
}

// NewSchema indexes info.
func NewSchema(info *p4config.P4Info) *Schema {
	s := &Schema{Info: info, tables: map[uint32]*p4config.Table{}, actions: map[uint32]*p4config.Action{}, direct: map[uint32]uint32{}}
	for _, t := range info.GetTables() {
		s.tables[t.GetPreamble().GetId()] = t
	}
	for _, a := range info.GetActions() {
		s.actions[a.GetPreamble().GetId()] = a
	}
	for _, c := range info.GetDirectCounters() {
		s.direct[c.GetDirectTableId()] = c.GetPreamble().GetId()
	}
	return s
}

// named is every P4Info object: it starts with a preamble.
type named interface{ GetPreamble() *p4config.Preamble }

// Table finds a table by full name, alias or unique suffix.
func (s *Schema) Table(name string) (*p4config.Table, error) {
	return find("table", name, s.Info.GetTables())
}

// HasDirectCounter tells whether entries of t are counted.
func (s *Schema) HasDirectCounter(t *p4config.Table) bool {
	_, ok := s.direct[t.GetPreamble().GetId()]
	return ok
}

// Action finds an action of t's action list.
func (s *Schema) Action(t *p4config.Table, name string) (*p4config.Action, error) {
	var all []*p4config.Action
	for _, r := range t.GetActionRefs() {
		if a := s.actions[r.GetId()]; a != nil {
			all = append(all, a)
		}
	}
	return find("action of table "+ShortName(t), name, all)
}

// ShortName is the alias of an object.
func ShortName(o named) string { return o.GetPreamble().GetAlias() }

func find[T named](what, name string, all []T) (T, error) {
	var zero T
	var hits []T
	for _, o := range all {
		p := o.GetPreamble()
		if p.GetName() == name || p.GetAlias() == name {
			return o, nil
		}
		if strings.HasSuffix(p.GetName(), "."+name) {
			hits = append(hits, o)
		}
	}
	if len(hits) == 1 {
		return hits[0], nil
	}
	var names []string
	for _, o := range hits {
		names = append(names, o.GetPreamble().GetName())
	}
	if len(hits) > 1 {
		return zero, fmt.Errorf("%s %q is ambiguous: %s", what, name, strings.Join(names, ", "))
	}
	for _, o := range all {
		names = append(names, ShortName(o))
	}
	return zero, unknown(what, name, names)
}

// unknown names what there is, the nearest spelling first.
func unknown(what, name string, names []string) error {
	sort.Strings(names)
	best, cost := "", 1+len(name)/3
	for _, n := range names {
		if d := distance(name, n); d <= cost {
			best, cost = n, d-1
		}
	}
	switch {
	case best != "":
		return fmt.Errorf("unknown %s %q; did you mean %q?", what, name, best)
	case len(names) == 0:
		return fmt.Errorf("unknown %s %q: there is none", what, name)
	}
	return fmt.Errorf("unknown %s %q; there are: %s", what, name, strings.Join(names, ", "))
}

// distance is Levenshtein's edit distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// keyStyle and paramStyle choose how values are shown.
func keyStyle(f *p4config.MatchField) p4value.Style {
	return p4value.StyleFor(f.GetName(), int(f.GetBitwidth()), formatAnnotation(f.GetAnnotations()))
}

func paramStyle(p *p4config.Action_Param) p4value.Style {
	return p4value.StyleFor(p.GetName(), int(p.GetBitwidth()), formatAnnotation(p.GetAnnotations()))
}

// formatAnnotation is the body of @format(...), which SAI P4 programs use.
func formatAnnotation(annos []string) string {
	for _, a := range annos {
		if body, ok := strings.CutPrefix(a, "@format("); ok {
			return strings.TrimSuffix(body, ")")
		}
	}
	return ""
}
