package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// Elem is one element of a schema path.
type Elem struct {
	Name   string
	Module string   // the YANG module that defines it (RFC 7951 section 4)
	Keys   []string // of a list, in YANG order
	Types  []Type   // of the keys
}

// Class says what a leaf is for (gNMI GetRequest.type).
type Class uint8

const (
	// Config leaves can be written or come from the configuration file.
	Config Class = iota
	// Applied leaves are state that mirrors configuration.
	Applied
	// Operational leaves are state that only exists at run time.
	Operational
)

// Leaf is one row of the path table.
type Leaf struct {
	Path  []Elem
	Type  Type
	Class Class
	// Sampled: TARGET_DEFINED samples it; all others it sends on change.
	Sampled bool
	// Volatile leaves change by themselves all the time (the clock) and so are
	// never a change.
	Volatile bool
	Writable bool
	index    int // in Source.Leaves
	keys     int // number of list keys on the path
	// read gives the value of a row; each, of leaves that add list keys, the values.
	read func(data any) (v Value, ok bool)
	each func(data any, yield func(extra []string, v Value))
}

// Text is the schema path, such as /interfaces/interface[name]/state/mtu.
func (l *Leaf) Text() string { return elemsText(l.Path) }

func elemsText(elems []Elem) string {
	var b strings.Builder
	for _, e := range elems {
		b.WriteString("/" + e.Name)
		for _, k := range e.Keys {
			b.WriteString("[" + k + "]")
		}
	}
	return b.String()
}

// Event is a reason to collect again.
type Event uint8

// Events.
const (
	LinksChanged Event = iota
	StoreChanged
	RoutesChanged
	numEvents
)

// Source is one list or container whose leaves are collected together.
type Source struct {
	Elems  []Elem // its path
	Origin string // of the path: OriginOpenConfig or OriginP4nic
	Leaves []*Leaf
	// Atomic: each row is sent whole (oc-ext:telemetry-atomic).
	Atomic bool
	// Counts: the leaves are counts that belong to the rows of another source of
	// the same path, which alone tells that a row went.
	Counts bool
	// Parted: the first key can be given to Hub.Frame, which then reads less.
	Parted bool
	events []Event
	keys   int
	// collect reads the rows. before is the frame before, nil when there is none:
	// rows that did not change may be taken from it.
	collect func(part string, before *Frame) ([]*Row, error)
	length  func() int
}

// Len is about how many rows a collection would give, where that is known
// without one; else 0.
func (s *Source) Len() int {
	if s.length == nil {
		return 0
	}
	return s.length()
}

// Origins (gnmi:GN4).
const (
	OriginOpenConfig = "openconfig"
	OriginP4nic      = "p4nic"
)

// Text is the schema path of the source.
func (s *Source) Text() string { return elemsText(s.Elems) }

// Model is a YANG module that paths come from.
type Model struct {
	Name, Organization, Version string
}

// def is a leaf of a source whose rows hold a *T: path below the source, type
// and a function that reads it; ok is false where the row has none.
type def[T any] struct {
	path string
	typ  Type
	read func(*T) (v Value, ok bool)
	role role
	each func(*T, func(extra []string, v Value))
}

// role says what a leaf is for.
type role uint8

const (
	config      role = iota
	writable         // config that Set can change
	applied          // state that mirrors config
	operational      // state, an event when it changes
	counted          // state, a count: sampled
	ticking          // state that changes with the time
)

func (r role) leaf() *Leaf {
	l := &Leaf{Class: Operational}
	switch r {
	case config:
		l.Class = Config
	case writable:
		l.Class, l.Writable = Config, true
	case applied:
		l.Class = Applied
	case counted:
		l.Sampled = true
	case ticking:
		l.Sampled, l.Volatile = true, true
	}
	return l
}

// newSource makes a source from a path such as
// /openconfig-interfaces:interfaces/interface[name]. A module name holds until
// the next one; a key may have a type: [id:uint64].
func newSource[T any](origin, path string, defs []def[T]) *Source {
	s := &Source{Origin: origin, Elems: parseElems(path, "")}
	for _, e := range s.Elems {
		s.keys += len(e.Keys)
	}
	module := s.Elems[len(s.Elems)-1].Module
	for _, d := range defs {
		l := d.role.leaf()
		l.Path = append(append([]Elem(nil), s.Elems...), parseElems("/"+d.path, module)...)
		l.Type = d.typ
		for _, e := range l.Path {
			l.keys += len(e.Keys)
		}
		if d.each != nil {
			l.each = func(data any, yield func([]string, Value)) { d.each(data.(*T), yield) }
		} else {
			l.read = func(data any) (Value, bool) { return d.read(data.(*T)) }
		}
		l.index = len(s.Leaves)
		s.Leaves = append(s.Leaves, l)
	}
	return s
}

// keyTypes are the types that keys can have in the path table.
func keyType(name string) Type {
	switch name {
	case "":
		return Type{Kind: String}
	case "uint32":
		return Type{Kind: Uint32}
	case "uint64":
		return Type{Kind: Uint64}
	}
	panic("telemetry: the path table has a key of type " + name) // a test builds the table
}

func parseElems(path, module string) []Elem {
	var out []Elem
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		name, keys, _ := strings.Cut(part, "[")
		if m, n, ok := strings.Cut(name, ":"); ok {
			module, name = m, n
		}
		e := Elem{Name: name, Module: module}
		for _, k := range strings.Split(keys, "[") {
			if k = strings.TrimSuffix(k, "]"); k != "" {
				k, t, _ := strings.Cut(k, ":")
				e.Keys = append(e.Keys, k)
				e.Types = append(e.Types, keyType(t))
			}
		}
		out = append(out, e)
	}
	return out
}

// Schema is the table of all paths.
type Schema struct {
	Sources []*Source
	Models  []Model
}

// Walk gives the leaves of a row with their values: keys are those of the row
// and then those that the leaf adds.
func (s *Source) Walk(r *Row, want func(*Leaf) bool, yield func(l *Leaf, keys []string, v Value)) {
	for _, l := range s.Leaves {
		if want != nil && !want(l) {
			continue
		}
		if l.read != nil {
			if v, ok := l.read(r.Data); ok {
				yield(l, r.Keys, v)
			}
			continue
		}
		l.each(r.Data, func(extra []string, v Value) { yield(l, slices.Concat(r.Keys, extra), v) })
	}
}

// FormatPath shows a path with its keys as gNMI tools do; len(keys) must be the
// number of keys on elems.
func FormatPath(elems []Elem, keys []string) string {
	var b strings.Builder
	for _, e := range elems {
		b.WriteString("/" + e.Name)
		for _, k := range e.Keys {
			fmt.Fprintf(&b, "[%s=%s]", k, escape.Replace(keys[0]))
			keys = keys[1:]
		}
	}
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, `]`, `\]`)
