package p4rt

import (
	"bytes"
	"slices"
	"strconv"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Names of the controller headers (P4Runtime section 6.4.6).
const (
	packetInName  = "packet_in"
	packetOutName = "packet_out"
)

// packetLayout is a controller header: what lies before a packet on the CPU
// port. Fields follow each other bit by bit; the last byte is filled up with
// zeros (p4rt:PK5). The zero value is no header (p4rt:PK4).
type packetLayout struct {
	name   string
	fields []packetField
	bits   int
}

type packetField struct {
	id      uint32 // 0: P4Info hides the field
	name    string
	width   int
	padding bool // @padding: may be left out of a packet-out
}

func (l *packetLayout) equal(m *packetLayout) bool { return slices.Equal(l.fields, m.fields) }

func (l *packetLayout) size() int { return (l.bits + 7) / 8 }

// packetLayouts reads the controller headers of a P4Info (p4rt:I4). Widths are
// those of the program's header where it has one: P4Info gives the translated
// ones (p4rt:X1), and leaves out what is @hidden.
func (b *binding) packetLayouts(p *ir.Program) error {
	for _, h := range b.info.GetControllerPacketMetadata() {
		var to *packetLayout
		name := h.GetPreamble().GetName()
		switch name {
		case packetInName:
			to = &b.packetIn
		case packetOutName:
			to = &b.packetOut
		default:
			return invalid("controller header %s: %s and %s are what there is", name, packetInName, packetOutName)
		}
		if to.name != "" {
			return invalid("controller header %s is there twice", name)
		}
		l, err := b.packetLayout(name, h.GetMetadata(), controllerHeader(p, name))
		if err != nil {
			return within(err, "controller header %s", name)
		}
		*to = *l
	}
	return nil
}

func (b *binding) packetLayout(name string, metadata []*p4configv1.ControllerPacketMetadata_Metadata, fields []ir.Field) (*packetLayout, error) {
	l := &packetLayout{name: name}
	add := func(f packetField) {
		l.fields = append(l.fields, f)
		l.bits += f.width
	}
	seen := map[uint32]bool{}
	for _, m := range metadata {
		// What P4Info hides lies in between.
		for len(fields) > 0 && annotated(fields[0].Annos, "hidden") {
			add(packetField{width: ir.Width(fields[0].Type), padding: true})
			fields = fields[1:]
		}
		width := int(m.GetBitwidth())
		if fields != nil {
			if len(fields) == 0 {
				return nil, invalid("P4Info has %d fields, which are more than the program's", len(metadata))
			}
			width = ir.Width(fields[0].Type)
			fields = fields[1:]
		}
		if width <= 0 {
			return nil, invalid("field %s: width %d", m.GetName(), width)
		}
		if err := b.width(m.GetBitwidth(), m.GetTypeName(), width, true); err != nil {
			return nil, within(err, "field %s", m.GetName())
		}
		if m.GetId() == 0 || seen[m.GetId()] {
			return nil, invalid("field %s: id %d is zero or used twice", m.GetName(), m.GetId())
		}
		seen[m.GetId()] = true
		padding := false
		for _, a := range m.GetAnnotations() {
			padding = padding || a == "@padding"
		}
		add(packetField{id: m.GetId(), name: m.GetName(), width: width, padding: padding})
	}
	for _, f := range fields {
		if !annotated(f.Annos, "hidden") {
			return nil, invalid("P4Info has %d fields and lacks %s of the program's", len(metadata), f.Name)
		}
		add(packetField{width: ir.Width(f.Type), padding: true})
	}
	return l, nil
}

// controllerHeader finds the fields of the program's header of that name, structs
// opened; nil when the program does not say which header that is.
func controllerHeader(p *ir.Program, name string) []ir.Field {
	for _, t := range p.Types {
		h, ok := t.(*ir.Header)
		if !ok {
			continue
		}
		a, ok := ir.Anno(h.Annos, "controller_header")
		if s, err := strconv.Unquote(a.Text); !ok || err != nil || s != name {
			continue
		}
		return openStructs([]ir.Field{}, h.Fields)
	}
	return nil
}

func openStructs(out, fields []ir.Field) []ir.Field {
	for _, f := range fields {
		if s, ok := f.Type.(*ir.Struct); ok {
			out = openStructs(out, s.Fields)
		} else {
			out = append(out, f)
		}
	}
	return out
}

func annotated(as []ir.Annotation, name string) bool {
	_, ok := ir.Anno(as, name)
	return ok
}

// encode makes the frame of a packet-out (p4rt:PK2, D-1). Errors are *entity.Error.
func (l *packetLayout) encode(m *p4v1.PacketOut) ([]byte, error) {
	n := l.size()
	frame := make([]byte, n, n+len(m.GetPayload()))
	given := make([]bool, len(l.fields))
	var val []byte
	for _, v := range m.GetMetadata() {
		i, off := l.find(v.GetMetadataId())
		if i < 0 {
			if l.name == "" {
				return nil, invalid("metadata_id %d: the pipeline has no packet_out header, so a packet has no metadata", v.GetMetadataId())
			}
			return nil, invalid("metadata_id %d is unknown", v.GetMetadataId())
		}
		f := &l.fields[i]
		if given[i] {
			return nil, invalid("metadata %s (id %d) is given twice", f.name, f.id)
		}
		given[i] = true
		var ok bool
		if val, ok = entity.AppendBits(val[:0], v.GetValue(), f.width); !ok {
			return nil, entity.Errorf(entity.OutOfRange, "metadata %s: %s does not fit bit<%d>", f.name, entity.Hex(v.GetValue()), f.width)
		}
		putBits(frame, off, val, f.width)
	}
	for i, f := range l.fields {
		if !given[i] && !f.padding {
			return nil, invalid("metadata %s (id %d) is missing", f.name, f.id)
		}
	}
	return append(frame, m.GetPayload()...), nil
}

// find gives the position of a field and its offset in bits.
func (l *packetLayout) find(id uint32) (i, off int) {
	for i, f := range l.fields {
		if id != 0 && f.id == id {
			return i, off
		}
		off += f.width
	}
	return -1, 0
}

// decode takes a frame of the CPU port apart (p4rt:PK1); false when it is shorter
// than its header.
func (l *packetLayout) decode(frame []byte) (*p4v1.PacketIn, bool) {
	n := l.size()
	if len(frame) < n {
		return nil, false
	}
	m := &p4v1.PacketIn{Payload: bytes.Clone(frame[n:])}
	off := 0
	for _, f := range l.fields {
		if f.id != 0 {
			m.Metadata = append(m.Metadata, &p4v1.PacketMetadata{MetadataId: f.id, Value: entity.Canonical(getBits(frame, off, f.width))})
		}
		off += f.width
	}
	return m, true
}

// putBits writes the machine form val of a bit<w> at bit offset off, most
// significant bit first.
func putBits(dst []byte, off int, val []byte, w int) {
	skip := len(val)*8 - w
	for i := range w {
		at := skip + i
		bit := val[at/8] >> (7 - at%8) & 1
		dst[(off+i)/8] |= bit << (7 - (off+i)%8)
	}
}

// getBits reads the machine form of the bit<w> at bit offset off.
func getBits(src []byte, off, w int) []byte {
	val := make([]byte, ir.ByteWidth(w))
	skip := len(val)*8 - w
	for i := range w {
		bit := src[(off+i)/8] >> (7 - (off+i)%8) & 1
		at := skip + i
		val[at/8] |= bit << (7 - at%8)
	}
	return val
}
