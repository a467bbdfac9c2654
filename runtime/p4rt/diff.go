package p4rt

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// difference names the first difference between two messages, "" when they say
// the same (D5). Elements of lists that have an id are matched by it: their
// order means nothing in a P4Info. Unknown fields are not compared (p4rt:I11).
func difference(set, bundle protoreflect.Message) string {
	return diffMessage("", set, bundle)
}

func diffMessage(path string, a, b protoreflect.Message) string {
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		at := string(fd.Name())
		if path != "" {
			at = path + "." + at
		}
		if d := diffField(at, fd, a, b); d != "" {
			return d
		}
	}
	return ""
}

func diffField(at string, fd protoreflect.FieldDescriptor, a, b protoreflect.Message) string {
	switch {
	case fd.IsMap():
		return diffMap(at, fd, a.Get(fd).Map(), b.Get(fd).Map())
	case fd.IsList():
		return diffList(at, fd, a.Get(fd).List(), b.Get(fd).List())
	}
	if a.Has(fd) != b.Has(fd) {
		if a.Has(fd) {
			return fmt.Sprintf("%s is %s, in the bundle it is not set", at, show(fd, a.Get(fd)))
		}
		return fmt.Sprintf("%s is not set, in the bundle it is %s", at, show(fd, b.Get(fd)))
	}
	return diffValue(at, fd, a.Get(fd), b.Get(fd))
}

func diffValue(at string, fd protoreflect.FieldDescriptor, a, b protoreflect.Value) string {
	if fd.Message() != nil {
		return diffMessage(at, a.Message(), b.Message())
	}
	if !a.Equal(b) {
		return fmt.Sprintf("%s is %s, in the bundle %s", at, show(fd, a), show(fd, b))
	}
	return ""
}

// show words a value; messages are only called set.
func show(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "set"
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return fmt.Sprint(v.Enum())
	case protoreflect.StringKind:
		return fmt.Sprintf("%q", v.String())
	case protoreflect.BytesKind:
		return fmt.Sprintf("0x%x", v.Bytes())
	}
	return v.String()
}

func diffMap(at string, fd protoreflect.FieldDescriptor, a, b protoreflect.Map) string {
	union := map[string]protoreflect.MapKey{}
	for _, m := range []protoreflect.Map{a, b} {
		m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			union[k.String()] = k
			return true
		})
	}
	names := make([]string, 0, len(union))
	for n := range union {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		k := union[n]
		item := fmt.Sprintf("%s[%s]", at, n)
		switch {
		case !b.Has(k):
			return item + " is not in the bundle"
		case !a.Has(k):
			return item + " is missing, the bundle has it"
		}
		if d := diffValue(item, fd.MapValue(), a.Get(k), b.Get(k)); d != "" {
			return d
		}
	}
	return ""
}

func diffList(at string, fd protoreflect.FieldDescriptor, a, b protoreflect.List) string {
	if fd.Message() != nil && idOf(fd.Message()) != nil {
		return diffByID(at, fd, a, b)
	}
	for i := range min(a.Len(), b.Len()) {
		if d := diffValue(fmt.Sprintf("%s[%d]", at, i), fd, a.Get(i), b.Get(i)); d != "" {
			return d
		}
	}
	if a.Len() != b.Len() {
		return fmt.Sprintf("%s has %d elements, in the bundle %d", at, a.Len(), b.Len())
	}
	return ""
}

// idOf tells how elements of a type are identified: by preamble.id or id.
func idOf(d protoreflect.MessageDescriptor) func(protoreflect.Message) (id uint64, name string) {
	if p := d.Fields().ByName("preamble"); p != nil && p.Message() != nil {
		id, name := p.Message().Fields().ByName("id"), p.Message().Fields().ByName("name")
		return func(m protoreflect.Message) (uint64, string) {
			q := m.Get(p).Message()
			return q.Get(id).Uint(), q.Get(name).String()
		}
	}
	id := d.Fields().ByName("id")
	if id == nil || id.Kind() != protoreflect.Uint32Kind {
		return nil
	}
	name := d.Fields().ByName("name")
	return func(m protoreflect.Message) (uint64, string) {
		n := m.Get(id).Uint()
		if name != nil && name.Kind() == protoreflect.StringKind {
			return n, m.Get(name).String()
		}
		return n, fmt.Sprintf("id 0x%08x", n)
	}
}

func diffByID(at string, fd protoreflect.FieldDescriptor, a, b protoreflect.List) string {
	ident := idOf(fd.Message())
	other := map[uint64]protoreflect.Message{}
	for i := range b.Len() {
		m := b.Get(i).Message()
		id, _ := ident(m)
		other[id] = m
	}
	for i := range a.Len() {
		m := a.Get(i).Message()
		id, name := ident(m)
		o := other[id]
		delete(other, id)
		item := fmt.Sprintf("%s[%s]", at, name)
		if o == nil {
			return fmt.Sprintf("%s (id 0x%08x) is not in the bundle", item, id)
		}
		if d := diffMessage(item, m, o); d != "" {
			return d
		}
	}
	for i := range b.Len() {
		id, name := ident(b.Get(i).Message())
		if other[id] != nil {
			return fmt.Sprintf("%s[%s] (id 0x%08x) is missing, the bundle has it", at, name, id)
		}
	}
	return ""
}
