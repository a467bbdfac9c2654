package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/p4nic/p4nic/compiler/p4info"
)

// Canonical is the text of m with every repeated message sorted: two messages
// that differ in the order of their objects alone have the same text. m stays as
// it is.
func Canonical(m proto.Message) []byte {
	c := proto.Clone(m)
	sortLists(c.ProtoReflect())
	return p4info.Text(c)
}

// Digest is the SHA-256 of the canonical text, hexadecimal.
func Digest(m proto.Message) string {
	return hexDigest(Canonical(m))
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sortLists sorts from the inside out, so that texts compared are canonical.
func sortLists(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
					sortLists(e.Message())
					return true
				})
			}
		case fd.IsList() && fd.Message() != nil:
			sortMessages(v.List())
		case fd.IsList() && fd.Kind() == protoreflect.Uint32Kind:
			l := v.List() // ids of direct resources
			ids := make([]uint64, l.Len())
			for i := range ids {
				ids[i] = l.Get(i).Uint()
			}
			slices.Sort(ids)
			for i, id := range ids {
				l.Set(i, protoreflect.ValueOfUint32(uint32(id)))
			}
		case fd.Message() != nil:
			sortLists(v.Message())
		}
		return true
	})
}

func sortMessages(l protoreflect.List) {
	type item struct {
		text []byte
		m    protoreflect.Value
	}
	items := make([]item, l.Len())
	for i := range items {
		v := l.Get(i)
		sortLists(v.Message())
		items[i] = item{p4info.Text(v.Message().Interface()), v}
	}
	slices.SortStableFunc(items, func(a, b item) int { return bytes.Compare(a.text, b.text) })
	for i, it := range items {
		l.Set(i, it.m)
	}
}
