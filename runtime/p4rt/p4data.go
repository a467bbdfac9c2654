package p4rt

import (
	"fmt"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// dataType is a type of the P4Info whose values are P4Data: what registers hold
// and digests send (P4Runtime section 8.4.3). Values are lists of leaves in
// machine form, as the engines give them.
type dataType struct {
	kind   dataKind
	width  int
	signed bool
	name   string      // of the type, for messages
	fields []*dataType // of tuples, structs and headers
	names  []string    // of enums and errors: the members in order of their values
	valid  bool        // of a header: a leaf before its fields says whether it is valid
}

type dataKind uint8

const (
	dataBits dataKind = iota
	dataBool
	dataTuple
	dataStruct
	dataHeader
	dataEnum      // by name
	dataError     // by name
	dataEnumValue // serializable: by value
)

// maxTypeDepth bounds types that a P4Info nests.
const maxTypeDepth = 64

// newDataType reads a type specification; t, where it is known, is the program's
// type, and validity tells whether the engines show that of headers.
func newDataType(info *p4configv1.P4TypeInfo, spec *p4configv1.P4DataTypeSpec, t ir.Type, validity bool) (*dataType, error) {
	d, err := (&dataReader{info: info, validity: validity}).read(spec, 0)
	if err != nil || t == nil {
		return d, err
	}
	want, err := entity.LeafWidths(t)
	if err != nil {
		return nil, invalid("%w", err)
	}
	if have := d.widths(nil); !slices.Equal(have, want) {
		return nil, invalid("its type has fields of %d bits in the P4Info, of %d in the program", have, want)
	}
	return d, nil
}

type dataReader struct {
	info     *p4configv1.P4TypeInfo
	validity bool
}

func (r *dataReader) read(spec *p4configv1.P4DataTypeSpec, depth int) (*dataType, error) {
	if depth > maxTypeDepth {
		return nil, invalid("its type is nested more than %d deep", maxTypeDepth)
	}
	many := func(kind dataKind, name string, specs []*p4configv1.P4DataTypeSpec) (*dataType, error) {
		d := &dataType{kind: kind, name: name}
		for _, s := range specs {
			f, err := r.read(s, depth+1)
			if err != nil {
				return nil, err
			}
			d.fields = append(d.fields, f)
		}
		return d, nil
	}
	switch x := spec.GetTypeSpec().(type) {
	case *p4configv1.P4DataTypeSpec_Bitstring:
		return bitstring(x.Bitstring)
	case *p4configv1.P4DataTypeSpec_Bool:
		return &dataType{kind: dataBool, width: 1, name: "bool"}, nil
	case *p4configv1.P4DataTypeSpec_Tuple:
		return many(dataTuple, "tuple", x.Tuple.GetMembers())
	case *p4configv1.P4DataTypeSpec_Struct:
		name := x.Struct.GetName()
		s := r.info.GetStructs()[name]
		if s == nil {
			return nil, invalid("struct %s is not in type_info", name)
		}
		var specs []*p4configv1.P4DataTypeSpec
		for _, m := range s.GetMembers() {
			specs = append(specs, m.GetTypeSpec())
		}
		return many(dataStruct, name, specs)
	case *p4configv1.P4DataTypeSpec_Header:
		name := x.Header.GetName()
		h := r.info.GetHeaders()[name]
		if h == nil {
			return nil, invalid("header %s is not in type_info", name)
		}
		d := &dataType{kind: dataHeader, name: name, valid: r.validity}
		for _, m := range h.GetMembers() {
			f, err := bitstring(m.GetTypeSpec())
			if err != nil {
				return nil, within(err, "header %s", name)
			}
			d.fields = append(d.fields, f)
		}
		return d, nil
	case *p4configv1.P4DataTypeSpec_Enum:
		name := x.Enum.GetName()
		e := r.info.GetEnums()[name]
		if e == nil {
			return nil, invalid("enum %s is not in type_info", name)
		}
		d := &dataType{kind: dataEnum, name: name, width: ir.Width(&ir.Enum{Name: name})}
		for _, m := range e.GetMembers() {
			d.names = append(d.names, m.GetName())
		}
		return d, nil
	case *p4configv1.P4DataTypeSpec_Error:
		return &dataType{kind: dataError, name: "error", width: ir.Width(&ir.ErrorType{}), names: r.info.GetError().GetMembers()}, nil
	case *p4configv1.P4DataTypeSpec_SerializableEnum:
		name := x.SerializableEnum.GetName()
		e := r.info.GetSerializableEnums()[name]
		if e == nil {
			return nil, invalid("serializable enum %s is not in type_info", name)
		}
		return &dataType{kind: dataEnumValue, name: name, width: int(e.GetUnderlyingType().GetBitwidth())}, nil
	case *p4configv1.P4DataTypeSpec_NewType:
		name := x.NewType.GetName()
		n := r.info.GetNewTypes()[name]
		switch {
		case n == nil:
			return nil, invalid("type %s is not in type_info", name)
		case n.GetOriginalType() != nil:
			return r.read(n.GetOriginalType(), depth+1)
		case n.GetTranslatedType().GetSdnString() != nil:
			return nil, invalid("type %s is translated to a string (%s), for which no map is configured", name, n.GetTranslatedType().GetUri())
		}
		return &dataType{kind: dataBits, width: int(n.GetTranslatedType().GetSdnBitwidth()), name: name}, nil
	case nil:
		return nil, invalid("its type is not set")
	}
	return nil, unsupported("a type of kind %T is not supported", spec.GetTypeSpec())
}

func bitstring(s *p4configv1.P4BitstringLikeTypeSpec) (*dataType, error) {
	switch {
	case s.GetBit() != nil:
		w := int(s.GetBit().GetBitwidth())
		return &dataType{kind: dataBits, width: w, name: fmt.Sprintf("bit<%d>", w)}, nil
	case s.GetInt() != nil:
		w := int(s.GetInt().GetBitwidth())
		return &dataType{kind: dataBits, width: w, signed: true, name: fmt.Sprintf("int<%d>", w)}, nil
	}
	return nil, unsupported("varbit values are not supported")
}

// widths lists those of the leaves.
func (d *dataType) widths(out []int) []int {
	switch d.kind {
	case dataTuple, dataStruct, dataHeader:
		if d.valid {
			out = append(out, 1)
		}
		for _, f := range d.fields {
			out = f.widths(out)
		}
		return out
	}
	return append(out, d.width)
}

// split cuts the machine form of a whole value into its leaves; false where it
// has another length.
func (d *dataType) split(b []byte) ([][]byte, bool) {
	var out [][]byte
	for _, w := range d.widths(nil) {
		n := ir.ByteWidth(w)
		if len(b) < n {
			return nil, false
		}
		out = append(out, b[:n:n])
		b = b[n:]
	}
	return out, len(b) == 0
}

// message shows leaves as P4Data; ok is false where their number or lengths are
// not the type's.
func (d *dataType) message(leaves [][]byte) (*p4v1.P4Data, bool) {
	widths := d.widths(nil)
	if len(widths) != len(leaves) {
		return nil, false
	}
	for i, w := range widths {
		if len(leaves[i]) != ir.ByteWidth(w) {
			return nil, false
		}
	}
	m, _ := d.take(leaves)
	return m, true
}

// take shows the value whose leaves come first, and gives the others.
func (d *dataType) take(leaves [][]byte) (*p4v1.P4Data, [][]byte) {
	many := func() []*p4v1.P4Data {
		var out []*p4v1.P4Data
		for _, f := range d.fields {
			var m *p4v1.P4Data
			m, leaves = f.take(leaves)
			out = append(out, m)
		}
		return out
	}
	switch d.kind {
	case dataTuple:
		ms := many()
		return &p4v1.P4Data{Data: &p4v1.P4Data_Tuple{Tuple: &p4v1.P4StructLike{Members: ms}}}, leaves
	case dataStruct:
		ms := many()
		return &p4v1.P4Data{Data: &p4v1.P4Data_Struct{Struct: &p4v1.P4StructLike{Members: ms}}}, leaves
	case dataHeader:
		h := &p4v1.P4Header{IsValid: true}
		if d.valid {
			h.IsValid = !zero(leaves[0])
			leaves = leaves[1:]
		}
		for _, m := range many() {
			if h.IsValid {
				h.Bitstrings = append(h.Bitstrings, m.GetBitstring())
			}
		}
		return &p4v1.P4Data{Data: &p4v1.P4Data_Header{Header: h}}, leaves
	}
	v := leaves[0]
	leaves = leaves[1:]
	canonical := slices.Clone(entity.Canonical(v))
	if d.signed {
		canonical = entity.CanonicalInt(v, d.width)
	}
	switch d.kind {
	case dataBool:
		return &p4v1.P4Data{Data: &p4v1.P4Data_Bool{Bool: !zero(v)}}, leaves
	case dataEnumValue:
		return &p4v1.P4Data{Data: &p4v1.P4Data_EnumValue{EnumValue: canonical}}, leaves
	case dataEnum:
		return &p4v1.P4Data{Data: &p4v1.P4Data_Enum{Enum: d.member(v)}}, leaves
	case dataError:
		return &p4v1.P4Data{Data: &p4v1.P4Data_Error{Error: d.member(v)}}, leaves
	}
	return &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: canonical}}, leaves
}

// member is the name of a value, its number where there is none.
func (d *dataType) member(v []byte) string {
	n := 0
	for _, c := range v {
		n = n<<8 | int(c)
	}
	if n >= 0 && n < len(d.names) {
		return d.names[n]
	}
	return fmt.Sprint(n)
}

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// parse reads P4Data into the machine form of a whole value (p4rt:D1-D3).
func (d *dataType) parse(out []byte, m *p4v1.P4Data) ([]byte, error) {
	many := func(s *p4v1.P4StructLike) ([]byte, error) {
		if len(s.GetMembers()) != len(d.fields) {
			return nil, invalid("%s has %d members, not %d", d.name, len(d.fields), len(s.GetMembers()))
		}
		var err error
		for i, f := range d.fields {
			if out, err = f.parse(out, s.GetMembers()[i]); err != nil {
				return nil, within(err, "member %d of %s", i+1, d.name)
			}
		}
		return out, nil
	}
	wrong := func() error { return invalid("data of another kind than %s", d.name) }
	switch d.kind {
	case dataTuple:
		if x, ok := m.GetData().(*p4v1.P4Data_Tuple); ok {
			return many(x.Tuple)
		}
	case dataStruct:
		if x, ok := m.GetData().(*p4v1.P4Data_Struct); ok {
			return many(x.Struct)
		}
	case dataHeader:
		if x, ok := m.GetData().(*p4v1.P4Data_Header); ok {
			return d.parseHeader(out, x.Header)
		}
	case dataBool:
		if x, ok := m.GetData().(*p4v1.P4Data_Bool); ok {
			v := byte(0)
			if x.Bool {
				v = 1
			}
			return append(out, v), nil
		}
	case dataEnumValue:
		if x, ok := m.GetData().(*p4v1.P4Data_EnumValue); ok {
			return d.bits(out, x.EnumValue)
		}
	case dataEnum:
		if x, ok := m.GetData().(*p4v1.P4Data_Enum); ok {
			return d.ordinal(out, x.Enum)
		}
	case dataError:
		if x, ok := m.GetData().(*p4v1.P4Data_Error); ok {
			return d.ordinal(out, x.Error)
		}
	default:
		if x, ok := m.GetData().(*p4v1.P4Data_Bitstring); ok {
			return d.bits(out, x.Bitstring)
		}
	}
	return nil, wrong()
}

func (d *dataType) parseHeader(out []byte, h *p4v1.P4Header) ([]byte, error) {
	if !d.valid {
		return nil, unsupported("header %s cannot be written", d.name)
	}
	if !h.GetIsValid() {
		if len(h.GetBitstrings()) > 0 {
			return nil, invalid("header %s is invalid and has %d fields", d.name, len(h.GetBitstrings()))
		}
		for _, w := range d.widths(nil) {
			out = append(out, make([]byte, ir.ByteWidth(w))...)
		}
		return out, nil
	}
	if len(h.GetBitstrings()) != len(d.fields) {
		return nil, invalid("header %s has %d fields, not %d", d.name, len(d.fields), len(h.GetBitstrings()))
	}
	out = append(out, 1)
	var err error
	for i, f := range d.fields {
		if out, err = f.bits(out, h.GetBitstrings()[i]); err != nil {
			return nil, within(err, "field %d of %s", i+1, d.name)
		}
	}
	return out, nil
}

func (d *dataType) bits(out, v []byte) ([]byte, error) {
	fit := entity.AppendBits
	if d.signed {
		fit = entity.AppendInt
	}
	b, ok := fit(out, v, d.width)
	switch {
	case ok:
		return b, nil
	case len(v) == 0:
		return nil, entity.Errorf(entity.OutOfRange, "value is an empty string")
	}
	return nil, entity.Errorf(entity.OutOfRange, "value %s does not fit %s", entity.Hex(v), d.name)
}

func (d *dataType) ordinal(out []byte, name string) ([]byte, error) {
	i := slices.Index(d.names, name)
	if i < 0 {
		return nil, invalid("%s has no member %q", d.name, name)
	}
	n := ir.ByteWidth(d.width)
	v := make([]byte, n)
	for k := n - 1; k >= 0 && i > 0; k, i = k-1, i>>8 {
		v[k] = byte(i)
	}
	return append(out, v...), nil
}
