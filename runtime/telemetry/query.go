package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// PathElem is one element of a path that somebody asks for. A name can be * (one
// element) or ... (any number); a key that is missing or * means all.
type PathElem struct {
	Name string
	Keys map[string]string
}

// Query is a path to select leaves by, module names removed.
type Query struct {
	Origin string
	Elems  []PathElem
}

// Text shows the path.
func (q Query) Text() string {
	if len(q.Elems) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, e := range q.Elems {
		b.WriteString("/" + e.Name)
		keys := make([]string, 0, len(e.Keys))
		for k := range e.Keys {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(&b, "[%s=%s]", k, escape.Replace(e.Keys[k]))
		}
	}
	return b.String()
}

// Wild tells whether an element is * or ....
func (q Query) Wild() bool {
	return slices.ContainsFunc(q.Elems, func(e PathElem) bool { return e.Name == "*" || e.Name == "..." })
}

// Deep tells whether an element is ..., so that the length of what matches is
// not that of the query.
func (q Query) Deep() bool {
	return slices.ContainsFunc(q.Elems, func(e PathElem) bool { return e.Name == "..." })
}

// PathError says why a path selects nothing.
type PathError struct {
	// Malformed: the path breaks the syntax or the schema's lists; else it is
	// well-formed, but nothing is implemented there.
	Malformed bool
	Msg       string
}

func (e *PathError) Error() string { return e.Msg }

// origin resolves the origin of a query: without one a path is OpenConfig's
// (gnmi:GN4), but for our own container, whose name no model of OpenConfig has.
func (q Query) origin() (string, error) {
	switch {
	case q.Origin == "":
		if len(q.Elems) > 0 && q.Elems[0].Name == pipelineContainer {
			return OriginP4nic, nil
		}
		return OriginOpenConfig, nil
	case q.Origin == OriginOpenConfig || strings.HasPrefix(q.Origin, OriginOpenConfig+"-"):
		return OriginOpenConfig, nil
	case q.Origin == OriginP4nic || q.Origin == pipelineModule:
		return OriginP4nic, nil
	}
	return "", &PathError{Malformed: true, Msg: fmt.Sprintf("origin %q is unknown; there are %s and %s", q.Origin, OriginOpenConfig, OriginP4nic)}
}

// want is a constraint on one key; nil = any.
type want *string

// Selection is what a query selects of one source.
type Selection struct {
	Source *Source
	// byLeaf has, for each leaf of the source, the alternatives that select it:
	// constraints on all its keys. None = not selected.
	byLeaf [][][]want
	first  []string // exact values that all alternatives have in common
}

// Select finds what a query means. The result is in the order of the table.
func (s *Schema) Select(q Query) ([]*Selection, error) {
	origin, err := q.origin()
	if err != nil {
		return nil, err
	}
	for _, e := range q.Elems {
		switch {
		case e.Name == "":
			return nil, &PathError{Malformed: true, Msg: fmt.Sprintf("path %s: an element has no name", q.Text())}
		case e.Name == "..." && len(e.Keys) > 0:
			return nil, &PathError{Malformed: true, Msg: fmt.Sprintf("path %s: ... has no keys", q.Text())}
		}
	}
	var out []*Selection
	var bad *PathError
	for _, src := range s.Sources {
		if src.Origin != origin {
			continue
		}
		sel := &Selection{Source: src, byLeaf: make([][][]want, len(src.Leaves))}
		n := 0
		for i, l := range src.Leaves {
			m := matcher{query: q}
			m.match(q.Elems, l.Path, make([]want, 0, l.keys))
			sel.byLeaf[i] = m.found
			n += len(m.found)
			if bad == nil && len(m.found) == 0 {
				bad = m.bad
			}
		}
		if n > 0 {
			sel.share()
			out = append(out, sel)
		}
	}
	if len(out) == 0 {
		if bad != nil {
			return nil, bad
		}
		return nil, &PathError{Msg: fmt.Sprintf("path %s is not implemented; Capabilities lists the models, docs/gnmi-paths.md the paths", q.Text())}
	}
	return out, nil
}

// matcher aligns a query with a schema path.
type matcher struct {
	query Query
	found [][]want
	bad   *PathError
}

func (m *matcher) match(q []PathElem, path []Elem, keys []want) {
	if len(q) == 0 {
		for _, e := range path {
			for range e.Keys {
				keys = append(keys, nil)
			}
		}
		m.found = append(m.found, slices.Clone(keys))
		return
	}
	if q[0].Name == "..." {
		m.match(q[1:], path, slices.Clone(keys))
		if len(path) > 0 {
			for range path[0].Keys {
				keys = append(keys, nil)
			}
			m.match(q, path[1:], keys)
		}
		return
	}
	if len(path) == 0 || q[0].Name != "*" && q[0].Name != path[0].Name {
		return
	}
	for k := range q[0].Keys {
		if !slices.Contains(path[0].Keys, k) {
			if q[0].Name != "*" {
				m.bad = &PathError{Malformed: true, Msg: fmt.Sprintf("path %s: %s has no key %q%s", m.query.Text(), q[0].Name, k, hasKeys(path[0]))}
			}
			return
		}
	}
	for _, k := range path[0].Keys {
		v, ok := q[0].Keys[k]
		if !ok || v == "*" {
			keys = append(keys, nil)
		} else {
			keys = append(keys, &v)
		}
	}
	m.match(q[1:], path[1:], keys)
}

func hasKeys(e Elem) string {
	if len(e.Keys) == 0 {
		return "; it is no list"
	}
	return "; its keys are " + strings.Join(e.Keys, ", ")
}

// share finds the leading exact keys that all alternatives have in common.
func (s *Selection) share() {
	start := true
	for _, alts := range s.byLeaf {
		for _, a := range alts {
			var lead []string
			for _, w := range a[:min(len(a), s.Source.keys)] {
				if w == nil {
					break
				}
				lead = append(lead, *w)
			}
			if start {
				s.first, start = lead, false
				continue
			}
			n := 0
			for n < len(lead) && n < len(s.first) && lead[n] == s.first[n] {
				n++
			}
			s.first = s.first[:n]
		}
	}
}

// Part is the part of the source to collect (Hub.Frame).
func (s *Selection) Part() string {
	if s.Source.Parted && len(s.first) > 0 {
		return s.first[0]
	}
	return ""
}

// Rows are the rows of a frame that the selection may want.
func (s *Selection) Rows(f *Frame) []*Row { return f.Range(s.first) }

// Wants tells whether the leaf is selected at all.
func (s *Selection) Wants(l *Leaf) bool { return len(s.byLeaf[l.index]) > 0 }

// WantsRow tells whether any leaf of a row with these keys is selected.
func (s *Selection) WantsRow(keys []string) bool {
	for _, alts := range s.byLeaf {
		for _, a := range alts {
			if fits(a[:min(len(a), len(keys))], keys) {
				return true
			}
		}
	}
	return false
}

// Has tells whether leaf l with all its keys is selected.
func (s *Selection) Has(l *Leaf, keys []string) bool {
	return slices.ContainsFunc(s.byLeaf[l.index], func(a []want) bool { return fits(a, keys) })
}

func fits(a []want, keys []string) bool {
	for i, w := range a {
		if w != nil && *w != keys[i] {
			return false
		}
	}
	return true
}

// Only leaves in the selection what keep says; nil when nothing is left.
func (s *Selection) Only(keep func(*Leaf) bool) *Selection {
	out := &Selection{Source: s.Source, byLeaf: make([][][]want, len(s.byLeaf)), first: s.first}
	n := 0
	for i, l := range s.Source.Leaves {
		if keep(l) {
			out.byLeaf[i] = s.byLeaf[i]
			n += len(s.byLeaf[i])
		}
	}
	if n == 0 {
		return nil
	}
	return out
}

// Each gives the selected leaves of a row.
func (s *Selection) Each(r *Row, yield func(l *Leaf, keys []string, v Value)) {
	s.Source.Walk(r, s.Wants, func(l *Leaf, keys []string, v Value) {
		if s.Has(l, keys) {
			yield(l, keys, v)
		}
	})
}

// Exact tells whether the selection names one instance of every list (no key is
// missing or a wildcard), so that finding nothing means that it does not exist.
func (q Query) Exact(s *Schema, sel []*Selection) bool {
	if q.Wild() {
		return false
	}
	for _, x := range sel {
		for i, alts := range x.byLeaf {
			for _, a := range alts {
				n := 0
				for _, e := range x.Source.Leaves[i].Path[:len(q.Elems)] {
					n += len(e.Keys)
				}
				if slices.Contains(a[:n], want(nil)) {
					return false
				}
			}
		}
	}
	return true
}
