package p4info

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// JSON prints a message in protobuf's JSON mapping (lowerCamelCase names, 64-bit
// integers as strings, bytes in base64, enums by name), fields in order of their
// numbers, two blanks a level. google.protobuf.Any is printed as its two fields.
func JSON(m proto.Message) []byte {
	var b bytes.Buffer
	jsonMessage(&b, m.ProtoReflect(), 0)
	b.WriteByte('\n')
	return b.Bytes()
}

func jsonMessage(b *bytes.Buffer, m protoreflect.Message, depth int) {
	fds := setFields(m)
	jsonSeq(b, '{', '}', len(fds), depth, func(i int) {
		fd := fds[i]
		jsonString(b, fd.JSONName())
		b.WriteString(": ")
		jsonField(b, fd, m.Get(fd), depth+1)
	})
}

func jsonField(b *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	switch {
	case fd.IsMap():
		ks := mapKeys(fd, v.Map())
		jsonSeq(b, '{', '}', len(ks), depth, func(i int) {
			jsonString(b, ks[i].String())
			b.WriteString(": ")
			jsonValue(b, fd.MapValue(), v.Map().Get(ks[i]), depth+1)
		})
	case fd.IsList():
		jsonSeq(b, '[', ']', v.List().Len(), depth, func(i int) {
			jsonValue(b, fd, v.List().Get(i), depth+1)
		})
	default:
		jsonValue(b, fd, v, depth)
	}
}

// jsonSeq writes n elements between brackets, one a line.
func jsonSeq(b *bytes.Buffer, open, end byte, n, depth int, elem func(int)) {
	b.WriteByte(open)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		indent(b, depth+1)
		elem(i)
	}
	if n > 0 {
		b.WriteByte('\n')
		indent(b, depth)
	}
	b.WriteByte(end)
}

func jsonValue(b *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		jsonMessage(b, v.Message(), depth)
	case protoreflect.StringKind:
		jsonString(b, v.String())
	case protoreflect.BytesKind:
		jsonString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.EnumKind:
		if d := fd.Enum().Values().ByNumber(v.Enum()); d != nil {
			jsonString(b, string(d.Name()))
			return
		}
		b.WriteString(strconv.Itoa(int(v.Enum())))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		fmt.Fprintf(b, `"%s"`, v.String())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		bits := 64
		if fd.Kind() == protoreflect.FloatKind {
			bits = 32
		}
		switch f := v.Float(); {
		case math.IsNaN(f):
			b.WriteString(`"NaN"`)
		case math.IsInf(f, 1):
			b.WriteString(`"Infinity"`)
		case math.IsInf(f, -1):
			b.WriteString(`"-Infinity"`)
		default:
			b.WriteString(strconv.FormatFloat(f, 'g', -1, bits))
		}
	default:
		b.WriteString(v.String()) // bool and integers of 32 bits
	}
}

func jsonString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.Encode(s)           // strings always encode
	b.Truncate(b.Len() - 1) // Encode ends with a newline
}
