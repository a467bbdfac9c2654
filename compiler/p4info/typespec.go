package p4info

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// typeSpec describes a type and enters the named types it leads to into
// P4Info's type_info (P19).
func (g *generator) typeSpec(t ir.Type, pos ir.Pos) *p4configv1.P4DataTypeSpec {
	s := &p4configv1.P4DataTypeSpec{}
	named := func() *p4configv1.P4NamedType { return &p4configv1.P4NamedType{Name: controlType(t)} }
	switch t := t.(type) {
	case *ir.Bit, *ir.Int, *ir.Varbit:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Bitstring{Bitstring: bitstring(t)}
	case *ir.Bool:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Bool{Bool: &p4configv1.P4BoolType{}}
	case *ir.ErrorType:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Error{Error: &p4configv1.P4ErrorType{}}
		g.types.Error = &p4configv1.P4ErrorTypeSpec{Members: g.prog.Errors}
	case *ir.Tuple:
		tt := &p4configv1.P4TupleTypeSpec{}
		for _, e := range t.Elems {
			tt.Members = append(tt.Members, g.typeSpec(e, pos))
		}
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Tuple{Tuple: tt}
	case *ir.Stack:
		name := &p4configv1.P4NamedType{Name: controlType(t.Elem)}
		g.typeSpec(t.Elem, pos)
		switch t.Elem.(type) {
		case *ir.Header:
			s.TypeSpec = &p4configv1.P4DataTypeSpec_HeaderStack{
				HeaderStack: &p4configv1.P4HeaderStackTypeSpec{Header: name, Size: int32(t.Size)},
			}
		case *ir.Union:
			s.TypeSpec = &p4configv1.P4DataTypeSpec_HeaderUnionStack{
				HeaderUnionStack: &p4configv1.P4HeaderUnionStackTypeSpec{HeaderUnion: name, Size: int32(t.Size)},
			}
		default:
			g.errorf(pos, "P4Info cannot describe an array of %s", t.Elem)
		}
	case *ir.Struct:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Struct{Struct: named()}
		g.structType(t, pos)
	case *ir.Header:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_Header{Header: named()}
		g.headerType(t, pos)
	case *ir.Union:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_HeaderUnion{HeaderUnion: named()}
		g.unionType(t, pos)
	case *ir.Enum:
		if t.Underlying == nil {
			s.TypeSpec = &p4configv1.P4DataTypeSpec_Enum{Enum: named()}
			g.enumType(t)
		} else {
			s.TypeSpec = &p4configv1.P4DataTypeSpec_SerializableEnum{SerializableEnum: named()}
			g.serEnumType(t, pos)
		}
	case *ir.Newtype:
		s.TypeSpec = &p4configv1.P4DataTypeSpec_NewType{NewType: named()}
		g.newType(t, pos)
	default:
		g.errorf(pos, "P4Info cannot describe the type %s", t)
	}
	return s
}

func bitstring(t ir.Type) *p4configv1.P4BitstringLikeTypeSpec {
	switch t := t.(type) {
	case *ir.Bit:
		return &p4configv1.P4BitstringLikeTypeSpec{TypeSpec: &p4configv1.P4BitstringLikeTypeSpec_Bit{
			Bit: &p4configv1.P4BitTypeSpec{Bitwidth: int32(t.W)},
		}}
	case *ir.Int:
		return &p4configv1.P4BitstringLikeTypeSpec{TypeSpec: &p4configv1.P4BitstringLikeTypeSpec_Int{
			Int: &p4configv1.P4IntTypeSpec{Bitwidth: int32(t.W)},
		}}
	case *ir.Varbit:
		return &p4configv1.P4BitstringLikeTypeSpec{TypeSpec: &p4configv1.P4BitstringLikeTypeSpec_Varbit{
			Varbit: &p4configv1.P4VarbitTypeSpec{MaxBitwidth: int32(t.Max)},
		}}
	case *ir.Bool:
		// A bool in a header is one bit on the wire.
		return bitstring(&ir.Bit{W: 1})
	}
	return nil
}

func (g *generator) structType(t *ir.Struct, pos ir.Pos) {
	name := controlType(t)
	if g.types.Structs[name] != nil {
		return
	}
	spec := &p4configv1.P4StructTypeSpec{}
	if g.types.Structs == nil {
		g.types.Structs = map[string]*p4configv1.P4StructTypeSpec{}
	}
	g.types.Structs[name] = spec
	for _, f := range t.Fields {
		spec.Members = append(spec.Members, &p4configv1.P4StructTypeSpec_Member{Name: controlField(f), TypeSpec: g.typeSpec(f.Type, pos)})
	}
}

func (g *generator) headerType(t *ir.Header, pos ir.Pos) {
	name := controlType(t)
	if g.types.Headers[name] != nil {
		return
	}
	spec := &p4configv1.P4HeaderTypeSpec{}
	if g.types.Headers == nil {
		g.types.Headers = map[string]*p4configv1.P4HeaderTypeSpec{}
	}
	g.types.Headers[name] = spec
	for _, f := range flatten(t) {
		bits := bitstring(ir.Underlying(f.Type))
		if bits == nil {
			g.errorf(pos, "P4Info cannot describe field %s of header %s", f.Name, t.Name)
			continue
		}
		spec.Members = append(spec.Members, &p4configv1.P4HeaderTypeSpec_Member{Name: controlField(f), TypeSpec: bits})
	}
}

// flatten lists the scalar fields of a header. Where it has nested structs, fields
// are named by their paths, whatever @name says, and have the annotations of all
// fields on the way, inner ones first and each name once.
func flatten(h *ir.Header) []ir.Field {
	if !slices.ContainsFunc(h.Fields, func(f ir.Field) bool { _, nested := f.Type.(*ir.Struct); return nested }) {
		return h.Fields
	}
	return flattenFields(h.Fields, "", nil)
}

func flattenFields(fs []ir.Field, path string, outer []ir.Annotation) []ir.Field {
	var out []ir.Field
	for _, f := range fs {
		f.Name = path + f.Name
		var annos []ir.Annotation
		for _, a := range append(slices.Clone(f.Annos), outer...) {
			if _, have := ir.Anno(annos, a.Name); !have && a.Name != "name" {
				annos = append(annos, a)
			}
		}
		if s, ok := f.Type.(*ir.Struct); ok {
			out = append(out, flattenFields(s.Fields, f.Name+".", annos)...)
			continue
		}
		f.Annos = annos
		out = append(out, f)
	}
	return out
}

// controlType is the name under which the control plane knows a named type.
func controlType(t ir.Type) string {
	var annos []ir.Annotation
	switch t := t.(type) {
	case *ir.Struct:
		annos = t.Annos
	case *ir.Header:
		annos = t.Annos
	case *ir.Union:
		annos = t.Annos
	case *ir.Enum:
		annos = t.Annos
	case *ir.Newtype:
		annos = t.Annos
	}
	return controlName(t.String(), annos)
}

func controlField(f ir.Field) string { return controlName(f.Name, f.Annos) }

func (g *generator) unionType(t *ir.Union, pos ir.Pos) {
	name := controlType(t)
	if g.types.HeaderUnions[name] != nil {
		return
	}
	spec := &p4configv1.P4HeaderUnionTypeSpec{}
	if g.types.HeaderUnions == nil {
		g.types.HeaderUnions = map[string]*p4configv1.P4HeaderUnionTypeSpec{}
	}
	g.types.HeaderUnions[name] = spec
	for _, f := range t.Fields {
		g.typeSpec(f.Type, pos)
		spec.Members = append(spec.Members, &p4configv1.P4HeaderUnionTypeSpec_Member{
			Name: controlField(f), Header: &p4configv1.P4NamedType{Name: controlType(f.Type)},
		})
	}
}

func (g *generator) enumType(t *ir.Enum) {
	name := controlType(t)
	if g.types.Enums[name] != nil {
		return
	}
	spec := &p4configv1.P4EnumTypeSpec{}
	for _, m := range t.Members {
		spec.Members = append(spec.Members, &p4configv1.P4EnumTypeSpec_Member{Name: m.Name})
	}
	if g.types.Enums == nil {
		g.types.Enums = map[string]*p4configv1.P4EnumTypeSpec{}
	}
	g.types.Enums[name] = spec
}

func (g *generator) serEnumType(t *ir.Enum, pos ir.Pos) {
	name := controlType(t)
	if g.types.SerializableEnums[name] != nil {
		return
	}
	w := ir.Width(t)
	spec := &p4configv1.P4SerializableEnumTypeSpec{UnderlyingType: &p4configv1.P4BitTypeSpec{Bitwidth: int32(w)}}
	for _, m := range t.Members {
		spec.Members = append(spec.Members, &p4configv1.P4SerializableEnumTypeSpec_Member{
			Name: m.Name, Value: g.bytes(m.Value, w, pos),
		})
	}
	if g.types.SerializableEnums == nil {
		g.types.SerializableEnums = map[string]*p4configv1.P4SerializableEnumTypeSpec{}
	}
	g.types.SerializableEnums[name] = spec
}

const annoTranslation = "p4runtime_translation"

// translation reads @p4runtime_translation("uri", bit<W> | W | string) (P20).
// bits is 0 for string.
func (g *generator) translation(t *ir.Newtype, pos ir.Pos) (uri string, bits int, ok bool) {
	a, ok := ir.Anno(t.Annos, annoTranslation)
	if !ok {
		return "", 0, false
	}
	args := splitArgs(a.Text)
	if a.Kind != ir.AnnoRaw || len(args) != 2 {
		g.errorf(pos, "@%s of %s: two arguments are wanted, a URI and bit<W> or string", annoTranslation, t.Name)
		return "", 0, false
	}
	if uri, ok = unquote(args[0]); !ok {
		g.errorf(pos, "@%s of %s: the first argument must be a string literal", annoTranslation, t.Name)
		return "", 0, false
	}
	if args[1] == "string" {
		return uri, 0, true
	}
	n, err := number(bitWidthText(args[1]))
	if err != nil || n <= 0 || n > 1<<16 {
		g.errorf(pos, "@%s of %s: the second argument must be bit<W> or string, not %s", annoTranslation, t.Name, args[1])
		return "", 0, false
	}
	return uri, int(n), true
}

// bitWidthText is W of "bit < W >", whose tokens may be apart, or s itself.
func bitWidthText(s string) string {
	var t string
	for _, r := range s {
		if r != ' ' {
			t += string(r)
		}
	}
	if len(t) > len("bit<>") && t[:4] == "bit<" && t[len(t)-1] == '>' {
		return t[4 : len(t)-1]
	}
	return t
}

func (g *generator) newType(t *ir.Newtype, pos ir.Pos) {
	name := controlType(t)
	if g.types.NewTypes[name] != nil {
		return
	}
	spec := &p4configv1.P4NewTypeSpec{}
	if g.types.NewTypes == nil {
		g.types.NewTypes = map[string]*p4configv1.P4NewTypeSpec{}
	}
	g.types.NewTypes[name] = spec
	spec.Annotations, spec.StructuredAnnotations, _ = annotations(t.Annos, annoTranslation)
	of := t.Of
	for {
		n, ok := of.(*ir.Newtype)
		if !ok {
			break
		}
		of = n.Of
	}
	uri, bits, translated := g.translation(t, pos)
	if !translated {
		spec.Representation = &p4configv1.P4NewTypeSpec_OriginalType{OriginalType: g.typeSpec(of, pos)}
		return
	}
	if _, ok := of.(*ir.Bit); !ok {
		g.errorf(pos, "@%s: the type below %s must be bit<W>, not %s", annoTranslation, t.Name, of)
	}
	tr := &p4configv1.P4NewTypeTranslation{Uri: uri}
	if bits == 0 {
		tr.SdnType = &p4configv1.P4NewTypeTranslation_SdnString_{SdnString: &p4configv1.P4NewTypeTranslation_SdnString{}}
	} else {
		tr.SdnType = &p4configv1.P4NewTypeTranslation_SdnBitwidth{SdnBitwidth: int32(bits)}
	}
	spec.Representation = &p4configv1.P4NewTypeSpec_TranslatedType{TranslatedType: tr}
}

// width is the bit width the control plane sees: that of the translation of a
// newtype (0 for string; a newtype of a translated one is not translated itself),
// 0 for errors, else that of the type.
func (g *generator) width(t ir.Type, pos ir.Pos) int32 {
	if n, ok := t.(*ir.Newtype); ok {
		if _, has := ir.Anno(n.Annos, annoTranslation); has {
			_, bits, _ := g.translation(n, pos)
			return int32(bits)
		}
	}
	if _, ok := t.(*ir.ErrorType); ok {
		return 0
	}
	return int32(max(0, ir.Width(t)))
}

// typeName refers to a newtype; other types have no name in P4Info's fields.
func typeName(t ir.Type) *p4configv1.P4NamedType {
	if n, ok := t.(*ir.Newtype); ok {
		return &p4configv1.P4NamedType{Name: n.Name}
	}
	return nil
}
