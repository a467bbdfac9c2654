package bmv2

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// placeKind tells what a place holds.
type placeKind int

const (
	scalarPlace placeKind = iota
	headerPlace
	stackPlace // of headers or unions
	unionPlace
	structPlace
)

// place is where a variable of the program, or a part of it, lives in the JSON:
// a field of a header instance, or a whole instance.
type place struct {
	kind   placeKind
	t      ir.Type
	header string   // scalar: instance; else the instance, stack or union
	field  string   // scalar
	kids   []*place // header, struct, union: one a field; stack: the elements
}

// field of a header type in the JSON. Structs in headers are flattened.
type jsonField struct {
	name   string
	w      int // -1: variable
	signed bool
}

// layout collects what the JSON declares.
type layout struct {
	x           *exporter
	headerTypes arr
	headers     arr
	stacks      arr
	unionTypes  arr
	unions      arr
	unionStacks arr
	scalars     []jsonField // fields of the instance "scalars"
	taken       map[string]bool
	typeNames   map[ir.Type]string
	ids         map[string]int // of instances
}

const (
	scalarsName  = "scalars"
	scalarsType  = "scalars_0"
	metadataName = "standard_metadata"
)

func newLayout(x *exporter) *layout {
	return &layout{x: x, taken: map[string]bool{scalarsName: true}, typeNames: map[ir.Type]string{}, ids: map[string]int{}}
}

// unique gives a name that nothing else has.
func (l *layout) unique(name string) string {
	n := name
	for i := 1; l.taken[n]; i++ {
		n = fmt.Sprintf("%s_%d", name, i)
	}
	l.taken[n] = true
	return n
}

func signed(t ir.Type) bool {
	_, is := ir.Underlying(t).(*ir.Int)
	return is
}

// jsonWidth is a scalar's width, and whether the JSON says it is signed. A
// signed field has at least two bits there, so int<1> is kept as its bit.
func jsonWidth(t ir.Type) (int, bool) {
	w := ir.Width(t)
	return w, signed(t) && w > 1
}

// variable makes the places of a variable or parameter.
func (l *layout) variable(t ir.Type, name string, pos ir.Pos) *place {
	switch u := t.(type) {
	case *ir.Header:
		return l.header(u, l.unique(name))
	case *ir.Struct:
		return l.structure(u, name, pos)
	case *ir.Union:
		return l.union(u, name)
	case *ir.Stack:
		return l.stack(u, name, pos)
	}
	if v, is := t.(*ir.Varbit); is {
		return l.varbit(v, name)
	}
	if ir.Width(t) < 0 {
		l.x.fail(pos, "variable "+name, fmt.Sprintf("bmv2 JSON has no place for a %s outside a header", t))
	}
	return l.scalar(t, name)
}

// scalar adds a field to the instance "scalars".
func (l *layout) scalar(t ir.Type, name string) *place {
	w, s := jsonWidth(t)
	f := l.unique(scalarsName + "." + name)[len(scalarsName)+1:]
	if w == 0 {
		w = 1 // fields have at least one bit; it stays 0
	}
	l.scalars = append(l.scalars, jsonField{f, w, s})
	return &place{kind: scalarPlace, t: t, header: scalarsName, field: f}
}

// varbit declares an instance of metadata for one field of variable size.
func (l *layout) varbit(t *ir.Varbit, name string) *place {
	typ, field := fmt.Sprintf("$varbit%d", t.Max), "field"
	if !l.taken["type."+typ] {
		l.taken["type."+typ] = true
		l.addType(typ, []jsonField{{field, -1, false}}, t.Max)
	}
	name = l.unique(name)
	l.instance(name, typ, true)
	return &place{kind: scalarPlace, t: t, header: name, field: field}
}

func (l *layout) structure(t *ir.Struct, name string, pos ir.Pos) *place {
	p := &place{kind: structPlace, t: t}
	for _, f := range t.Fields {
		n := f.Name
		if name != "" {
			n = name + "." + f.Name
		}
		p.kids = append(p.kids, l.variable(f.Type, n, pos))
	}
	return p
}

// header declares an instance.
func (l *layout) header(t *ir.Header, name string) *place {
	l.instance(name, l.headerType(t), false)
	return l.headerPlace(t, name)
}

func (l *layout) instance(name, typ string, metadata bool) {
	l.ids[name] = len(l.headers)
	l.headers = append(l.headers, obj{{"name", name}, {"id", len(l.headers)}, {"header_type", typ},
		{"metadata", metadata}, {"pi_omit", true}})
}

// headerPlace is the place of the instance name; its fields follow.
func (l *layout) headerPlace(t ir.Type, name string) *place {
	p := &place{kind: headerPlace, t: t, header: name}
	p.kids = fieldPlaces(t, name, "")
	return p
}

func fieldPlaces(t ir.Type, header, prefix string) []*place {
	var out []*place
	for _, f := range ir.Fields(t) {
		n := prefix + f.Name
		if s, is := f.Type.(*ir.Struct); is {
			out = append(out, &place{kind: structPlace, t: s, kids: fieldPlaces(s, header, n+".")})
			continue
		}
		out = append(out, &place{kind: scalarPlace, t: f.Type, header: header, field: n})
	}
	return out
}

// headerType declares the type of a header and gives its name.
func (l *layout) headerType(t *ir.Header) string {
	if n := l.typeNames[t]; n != "" {
		return n
	}
	var fs []jsonField
	bits := flatten(t, "", &fs)
	name := l.unique("type." + t.Name)[len("type."):]
	l.typeNames[t] = name
	l.addType(name, fs, bits)
	return name
}

// flatten lists the fields of a header and gives its size in bits, a varbit at
// its most.
func flatten(t ir.Type, prefix string, out *[]jsonField) int {
	bits := 0
	for _, f := range ir.Fields(t) {
		switch u := ir.Underlying(f.Type).(type) {
		case *ir.Struct:
			bits += flatten(u, prefix+f.Name+".", out)
		case *ir.Varbit:
			*out = append(*out, jsonField{prefix + f.Name, -1, false})
			bits += u.Max
		default:
			w, s := jsonWidth(f.Type)
			*out = append(*out, jsonField{prefix + f.Name, w, s})
			bits += w
		}
	}
	return bits
}

func (l *layout) addType(name string, fs []jsonField, bits int) {
	var fields arr
	variable := false
	for _, f := range fs {
		if f.w < 0 {
			fields = append(fields, arr{f.name, "*", false})
			variable = true
			continue
		}
		fields = append(fields, arr{f.name, f.w, f.signed})
	}
	if fields == nil {
		fields = arr{}
	}
	o := obj{{"name", name}, {"id", len(l.headerTypes)}, {"fields", fields}}
	if variable {
		o.add("max_length", (bits+7)/8)
	}
	l.headerTypes = append(l.headerTypes, o)
}

func (l *layout) union(t *ir.Union, name string) *place {
	name = l.unique(name)
	p := &place{kind: unionPlace, t: t, header: name}
	ids := arr{}
	for _, f := range t.Fields {
		n := l.unique(name + "." + f.Name)
		p.kids = append(p.kids, l.header(f.Type.(*ir.Header), n))
		ids = append(ids, l.ids[n])
	}
	l.ids[name] = len(l.unions)
	l.unions = append(l.unions, obj{{"name", name}, {"id", len(l.unions)}, {"union_type", l.unionType(t)}, {"header_ids", ids}, {"pi_omit", true}})
	return p
}

func (l *layout) unionType(t *ir.Union) string {
	if n := l.typeNames[t]; n != "" {
		return n
	}
	members := arr{}
	for _, f := range t.Fields {
		members = append(members, arr{f.Name, l.headerType(f.Type.(*ir.Header))})
	}
	l.typeNames[t] = t.Name
	l.unionTypes = append(l.unionTypes, obj{{"name", t.Name}, {"id", len(l.unionTypes)}, {"headers", members}})
	return t.Name
}

func (l *layout) stack(t *ir.Stack, name string, pos ir.Pos) *place {
	name = l.unique(name)
	p := &place{kind: stackPlace, t: t, header: name}
	ids := arr{}
	elem := func(i int) string { return fmt.Sprintf("%s[%d]", name, i) }
	switch e := t.Elem.(type) {
	case *ir.Header:
		for i := range t.Size {
			n := l.unique(elem(i))
			p.kids = append(p.kids, l.header(e, n))
			ids = append(ids, l.ids[n])
		}
		l.stacks = append(l.stacks, obj{{"name", name}, {"id", len(l.stacks)}, {"header_type", l.headerType(e)},
			{"size", t.Size}, {"header_ids", ids}})
	case *ir.Union:
		for i := range t.Size {
			k := l.union(e, elem(i))
			p.kids = append(p.kids, k)
			ids = append(ids, l.ids[k.header])
		}
		l.unionStacks = append(l.unionStacks, obj{{"name", name}, {"id", len(l.unionStacks)}, {"union_type", l.unionType(e)},
			{"size", t.Size}, {"header_union_ids", ids}})
	default:
		l.x.fail(pos, "array "+name, fmt.Sprintf("bmv2 JSON has stacks of headers and unions only, not of %s", t.Elem))
	}
	return p
}

// finish declares "scalars" and pads metadata to whole bytes. It is the last:
// export adds temporaries until then.
func (l *layout) finish() {
	l.addType(scalarsType, pad(l.scalars), 0)
	l.instance(scalarsName, scalarsType, true)
}

func pad(fs []jsonField) []jsonField {
	bits := 0
	for _, f := range fs {
		bits += f.w
	}
	if r := bits % 8; r != 0 {
		fs = append(slices.Clip(fs), jsonField{"_padding", 8 - r, false})
	}
	return fs
}

// metadata declares an instance of the architecture's metadata.
func (l *layout) metadata(t ir.Type, name string) *place {
	l.taken[name] = true
	var fs []jsonField
	flatten(t, "", &fs)
	l.addType(name, pad(fs), 0)
	l.instance(name, name, true)
	return l.headerPlace(t, name)
}
