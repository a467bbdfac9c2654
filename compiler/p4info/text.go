package p4info

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// Text prints a message in the protobuf text format, one field a line, fields
// in order of their numbers, map entries sorted by key, two blanks a level. The
// output is a function of the message alone: the standard library's prototext
// varies its white space from build to build on purpose (D5).
func Text(m proto.Message) []byte {
	var b bytes.Buffer
	textMessage(&b, m.ProtoReflect(), 0)
	return b.Bytes()
}

// Unmarshal parses the protobuf text format into m.
func Unmarshal(data []byte, m proto.Message) error {
	return prototext.UnmarshalOptions{}.Unmarshal(data, m)
}

// Parse reads a P4Info in text form, as Text or p4c writes it.
func Parse(data []byte) (*p4configv1.P4Info, error) {
	info := &p4configv1.P4Info{}
	if err := Unmarshal(data, info); err != nil {
		return nil, fmt.Errorf("p4info: %w", err)
	}
	return info, nil
}

// setFields lists the populated fields of m by number.
func setFields(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var fds []protoreflect.FieldDescriptor
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fds = append(fds, fd)
		return true
	})
	slices.SortFunc(fds, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	return fds
}

func textMessage(b *bytes.Buffer, m protoreflect.Message, depth int) {
	for _, fd := range setFields(m) {
		v := m.Get(fd)
		switch {
		case fd.IsMap():
			for _, k := range mapKeys(fd, v.Map()) {
				indent(b, depth)
				fmt.Fprintf(b, "%s {\n", fd.Name())
				textField(b, fd.MapKey(), k.Value(), depth+1)
				textField(b, fd.MapValue(), v.Map().Get(k), depth+1)
				indent(b, depth)
				b.WriteString("}\n")
			}
		case fd.IsList():
			for i := range v.List().Len() {
				textField(b, fd, v.List().Get(i), depth)
			}
		default:
			textField(b, fd, v, depth)
		}
	}
}

func textField(b *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	indent(b, depth)
	b.WriteString(string(fd.Name()))
	if fd.Message() != nil {
		b.WriteString(" {\n")
		textMessage(b, v.Message(), depth+1)
		indent(b, depth)
		b.WriteString("}\n")
		return
	}
	b.WriteString(": ")
	b.WriteString(textScalar(fd, v))
	b.WriteByte('\n')
}

func textScalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return quote(v.String(), true)
	case protoreflect.BytesKind:
		return quote(string(v.Bytes()), false)
	case protoreflect.EnumKind:
		if d := fd.Enum().Values().ByNumber(v.Enum()); d != nil {
			return string(d.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.FloatKind:
		return floatText(v.Float(), 32)
	case protoreflect.DoubleKind:
		return floatText(v.Float(), 64)
	}
	return v.String() // bool and integers
}

func floatText(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// quote writes a string literal of the text format. Strings keep valid UTF-8,
// bytes are escaped in octal outside printable ASCII.
func quote(s string, keepUTF8 bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c >= 0x20 && c < 0x7f, keepUTF8 && c >= 0x80:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func mapKeys(fd protoreflect.FieldDescriptor, m protoreflect.Map) []protoreflect.MapKey {
	var ks []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		ks = append(ks, k)
		return true
	})
	slices.SortFunc(ks, func(a, b protoreflect.MapKey) int {
		switch fd.MapKey().Kind() {
		case protoreflect.StringKind:
			return strings.Compare(a.String(), b.String())
		case protoreflect.BoolKind:
			return boolInt(a.Bool()) - boolInt(b.Bool())
		case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
			return cmpOrdered(a.Uint(), b.Uint())
		default:
			return cmpOrdered(a.Int(), b.Int())
		}
	})
	return ks
}

func cmpOrdered[T int64 | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func indent(b *bytes.Buffer, depth int) {
	for range depth {
		b.WriteString("  ")
	}
}
