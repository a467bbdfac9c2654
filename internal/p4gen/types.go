package p4gen

import (
	"fmt"
	"math/big"
	"strings"
)

type kind int

const (
	kBit kind = iota
	kInt
	kBool
	kError
	kEnum
	kSerEnum
	kNewtype
	kStruct
	kHeader
	kUnion
	kStack
	kTuple
	kArray // of what is no header
	kVarbit
	kVoid // of no place
)

// typ is a type. Bits and bool are alike when kind and width are; all others
// when they are the same pointer.
type typ struct {
	kind    kind
	name    string
	w       int  // bits of bit, int, varbit
	base    *typ // of a newtype and serializable enum; the element of a stack
	n       int  // elements of a stack
	fields  []field
	members []string
	values  []string // of a serializable enum's members
}

type field struct {
	name string
	t    *typ
}

// alias is a typedef.
type alias struct {
	name string
	t    *typ
}

// intConst is a constant of type int.
type intConst struct {
	name string
	v    int
}

func bits(w int) *typ { return &typ{kind: kBit, w: w} }

func same(a, b *typ) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case kBit, kInt:
		return a.w == b.w
	case kBool, kError:
		return true
	case kStack, kArray:
		return a.n == b.n && same(a.base, b.base)
	case kTuple:
		if len(a.fields) != len(b.fields) {
			return false
		}
		for i := range a.fields {
			if !same(a.fields[i].t, b.fields[i].t) {
				return false
			}
		}
		return true
	}
	return a == b
}

func (t *typ) numeric() bool { return t.kind == kBit || t.kind == kInt }

func (t *typ) scalar() bool { return t.kind <= kNewtype }

// width is the number of bits of a scalar or of a struct or header of such; -1
// where there is no such number.
func (t *typ) width() int {
	switch t.kind {
	case kBit, kInt:
		return t.w
	case kBool:
		return 1
	case kSerEnum, kNewtype:
		return t.base.width()
	case kStruct, kHeader:
		n := 0
		for _, f := range t.fields {
			w := f.t.width()
			if w < 0 {
				return -1
			}
			n += w
		}
		return n
	}
	return -1
}

// spell is a type as source text.
func (g *gen) spell(t *typ) string {
	switch t.kind {
	case kBit, kInt:
		for _, a := range g.aliases {
			if same(a.t, t) && g.chance(40) {
				g.cite("L36")
				return a.name
			}
		}
		word := "bit"
		g.cite(map[kind]string{kBit: "L15", kInt: "L16"}[t.kind])
		if t.kind == kInt {
			word = "int"
		}
		if t.kind == kBit && t.w == 1 && g.chance(10) {
			return "bit"
		}
		return word + "<" + g.widthText(t.w) + ">"
	case kBool:
		g.cite("L19")
		return "bool"
	case kError:
		g.cite("L20")
		return "error"
	case kVarbit:
		return fmt.Sprintf("varbit<%d>", t.w)
	case kArray:
		g.cite("L33")
		return fmt.Sprintf("%s[%d]", g.spell(t.base), t.n)
	case kStack:
		g.cite("L31")
		return fmt.Sprintf("%s[%d]", g.spell(t.base), t.n)
	case kTuple:
		g.cite("L34")
		var parts []string
		for _, f := range t.fields {
			parts = append(parts, g.spell(f.t))
		}
		return "tuple<" + strings.Join(parts, ", ") + ">"
	}
	return t.name
}

// widthText is a width, now and then as an expression of constants.
func (g *gen) widthText(w int) string {
	if len(g.intConsts) > 0 && g.chance(8) {
		c := pick(g, g.intConsts)
		switch {
		case c.v == w:
			return "(" + c.name + ")"
		case c.v < w:
			return fmt.Sprintf("(%s + %d)", c.name, w-c.v)
		default:
			return fmt.Sprintf("(%s - %d)", c.name, c.v-w)
		}
	}
	return fmt.Sprint(w)
}

var smallWidths = [...]int{1, 1, 2, 3, 4, 4, 5, 7, 8, 8, 8, 8, 9, 12, 13, 16, 16, 16, 17, 20, 24, 31, 32, 32, 33, 40, 47, 48, 56, 63, 64}
var wideWidths = [...]int{65, 72, 80, 96, 100, 127, 128, 128, 129, 160, 200, 256}

func (g *gen) width() int {
	if g.has(fWide, 15) {
		return wideWidths[g.r.IntN(len(wideWidths))]
	}
	return smallWidths[g.r.IntN(len(smallWidths))]
}

// number is a random bit or int type.
func (g *gen) number() *typ {
	if g.has(fSigned, 25) {
		return &typ{kind: kInt, w: g.width()}
	}
	return bits(g.width())
}

// scalarType is a random scalar type that a header may hold.
func (g *gen) scalarType() *typ {
	switch n := g.r.IntN(20); {
	case n == 0:
		return &typ{kind: kBool}
	case n == 1 && len(g.serEnums) > 0:
		g.cite("L25")
		return pick(g, g.serEnums)
	case n == 2 && len(g.newtypes) > 0:
		g.cite("L37")
		return pick(g, g.newtypes)
	}
	return g.number()
}

// localType is a random type of variables and struct fields.
func (g *gen) localType() *typ {
	switch n := g.r.IntN(30); {
	case n < 3:
		return &typ{kind: kBool}
	case n == 3 && len(g.enums) > 0:
		g.cite("L24")
		return pick(g, g.enums)
	case n == 4 && len(g.structs) > 0:
		return pick(g, g.structs)
	case n == 5 && len(g.headers) > 0 && g.on[fAggregate]:
		if h := pick(g, g.headers); !h.hasVarbit() {
			return h
		}
	case n == 6 && len(g.tuples) > 0:
		return pick(g, g.tuples)
	case n == 7 && len(g.pairs) > 0:
		g.cite("L29")
		return pick(g, g.pairs)
	case n == 8:
		return &typ{kind: kError}
	}
	return g.scalarType()
}

func (t *typ) hasVarbit() bool {
	for _, f := range t.fields {
		if f.t.kind == kVarbit {
			return true
		}
	}
	return false
}

// declareTypes writes the declarations of all types.
func (g *gen) declareTypes() {
	for range g.r.IntN(3) {
		v := 1 + g.r.IntN(20)
		c := intConst{g.name("N"), v}
		a := g.r.IntN(v + 1)
		g.cite("L17", "L82")
		g.line("const int %s = %s;", c.name, []string{
			fmt.Sprint(v), fmt.Sprintf("%d + %d", a, v-a), fmt.Sprintf("(%d * 3 - %d) / 1", v, 2*v), fmt.Sprintf("(%d << 2) >> 2", v), fmt.Sprintf("%d %% 64", v+64),
		}[g.r.IntN(5)])
		g.intConsts = append(g.intConsts, c)
	}
	g.errs = []string{"NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout", "ParserInvalidArgument"}
	if g.chance(30) {
		e := g.name("E")
		g.line("error { %s, %sb }", e, e)
		g.errs = append(g.errs, e, e+"b")
		g.cite("L20")
	}
	if g.on[fTypedef] {
		for range 1 + g.r.IntN(3) {
			t := g.number()
			a := alias{g.name("T"), t}
			g.line("typedef %s %s;", g.spell(t), a.name)
			g.aliases = append(g.aliases, a)
		}
	}
	if g.on[fNewtype] {
		for range 1 + g.r.IntN(2) {
			t := &typ{kind: kNewtype, name: g.name("W"), base: bits(g.width())}
			g.line("type %s %s;", g.spell(t.base), t.name)
			g.newtypes = append(g.newtypes, t)
			g.cite("L37")
		}
	}
	if g.on[fEnum] {
		t := &typ{kind: kEnum, name: g.name("En")}
		for range 1 + g.r.IntN(5) {
			t.members = append(t.members, g.name("M"))
		}
		g.line("enum %s { %s%s }", t.name, strings.Join(t.members, ", "), g.trailing())
		g.enums = append(g.enums, t)
		g.cite("L24")
	}
	if g.on[fSerEnum] {
		for range 1 + g.r.IntN(2) {
			g.serEnum()
		}
	}
	for i := range g.r.IntN(3) {
		t := g.scalarType()
		if i == 0 {
			t = g.number()
		}
		c := place{path: g.name("K"), t: t, konst: true}
		save := g.scope
		g.scope = append(g.scope, g.consts...)
		g.line("const %s %s = %s;", g.spell(t), c.path, g.constant(t))
		g.scope = save
		g.consts = append(g.consts, c)
		g.cite("L150")
	}
	if g.on[fStructs] {
		for range 1 + g.r.IntN(3) {
			g.structType()
		}
	}
	if g.on[fTuple] {
		t := &typ{kind: kTuple}
		for i := range 1 + g.r.IntN(3) {
			t.fields = append(t.fields, field{fmt.Sprint(i), g.scalarType()})
		}
		g.tuples = append(g.tuples, t)
	}
	if g.on[fGeneric] {
		g.genericStruct()
	}
	for range 3 + g.r.IntN(3) {
		g.header()
	}
	if g.on[fUnion] {
		for range 1 + g.r.IntN(2) {
			g.union()
		}
	}
}

// trailing is an optional comma behind a list (L12).
func (g *gen) trailing() string {
	if g.chance(10) {
		g.cite("L12")
		return ","
	}
	return ""
}

func (g *gen) serEnum() {
	base := &typ{kind: kBit, w: 2 + g.r.IntN(16)}
	if g.has(fSigned, 25) {
		base = &typ{kind: kInt, w: 2 + g.r.IntN(15)}
	}
	t := &typ{kind: kSerEnum, name: g.name("Se"), base: base}
	var parts []string
	seen := map[string]bool{}
	for range 1 + g.r.IntN(5) {
		v := g.value(bits(base.w - 1)).String() // P4Info has no form for negative ones
		if seen[v] {
			continue
		}
		seen[v] = true
		m := g.name("M")
		t.members, t.values = append(t.members, m), append(t.values, v)
		parts = append(parts, m+" = "+v)
	}
	g.line("enum %s %s { %s%s }", g.spell(base), t.name, strings.Join(parts, ", "), g.trailing())
	g.serEnums = append(g.serEnums, t)
	g.cite("L25")
}

func (g *gen) structType() {
	t := &typ{kind: kStruct, name: g.name("S")}
	g.cite("L28")
	for range 1 + g.r.IntN(4) {
		ft := g.scalarType()
		if len(g.structs) > 0 && g.chance(25) {
			ft = pick(g, g.structs)
		}
		t.fields = append(t.fields, field{g.name("f"), ft})
	}
	g.declare("struct", t)
	g.structs = append(g.structs, t)
}

// genericStruct declares a struct with type parameters and two specialisations.
func (g *gen) genericStruct() {
	name := g.name("Pair")
	g.line("struct %s<A, B> {", name)
	g.line("    A first;")
	g.line("    B second;")
	g.line("}")
	g.cite("L29", "L42")
	for range 1 + g.r.IntN(2) {
		a, b := g.scalarType(), g.scalarType()
		t := &typ{kind: kStruct, fields: []field{{"first", a}, {"second", b}}}
		t.name = name + "<" + g.spell(a) + ", " + g.spell(b) + ">"
		if strings.HasSuffix(t.name, ">>") {
			g.cite("L14")
		}
		g.pairs = append(g.pairs, t)
	}
}

// declare writes a struct, header or union.
func (g *gen) declare(word string, t *typ) {
	if g.has(fAnnotation, 20) {
		g.line("%s", g.annotation())
	}
	g.open("%s %s {", word, t.name)
	for _, f := range t.fields {
		if t == g.meta && g.on[fCopies] && f.t.scalar() && g.chance(50) {
			g.line("@field_list(%s)", []string{"1", "2", "1, 2"}[g.r.IntN(3)])
		}
		g.line("%s %s;", g.spell(f.t), f.name)
	}
	g.shut("}")
}

// annotation is one that changes nothing.
func (g *gen) annotation() string {
	g.n++
	switch g.r.IntN(5) {
	case 0:
		g.cite("L161", "L175")
		return fmt.Sprintf("@p4gen_a%d(some tokens, 1 + 2)", g.n)
	case 1:
		g.cite("L162")
		return fmt.Sprintf("@p4gen_b%d[a = 1, b = \"two\", c = true]", g.n)
	case 2:
		g.cite("L163", "L10")
		return fmt.Sprintf("@p4gen_c%d[1, \"zwölf\", false]", g.n)
	case 3:
		g.cite("L172")
		return "@noWarn(\"unused\")"
	}
	return fmt.Sprintf("@p4gen_d%d", g.n)
}

// header makes a header type of whole bytes, or now and then of any size.
func (g *gen) header() *typ {
	t := &typ{kind: kHeader, name: g.name("H")}
	g.cite("L26")
	total := 0
	for range 1 + g.r.IntN(5) {
		ft := g.scalarType()
		if g.chance(6) && len(g.structs) > 0 {
			if s := pick(g, g.structs); s.width() > 0 && s.width() <= 200 {
				ft = s
				g.cite("L27")
			}
		}
		if ft.kind == kBool || ft.kind == kSerEnum {
			g.cite("L27")
		}
		total += ft.width()
		t.fields = append(t.fields, field{g.name("f"), ft})
	}
	if rest := total % 8; rest != 0 && !g.has(fOddHeader, 30) {
		f := field{g.name("f"), bits(8 - rest)}
		at := g.r.IntN(len(t.fields) + 1)
		t.fields = append(t.fields[:at], append([]field{f}, t.fields[at:]...)...)
	}
	if g.has(fVarbit, 35) {
		t.fields = append(t.fields, field{g.name("v"), &typ{kind: kVarbit, w: 8 * (1 + g.r.IntN(12))}})
		g.cite("L18")
	}
	g.declare("header", t)
	g.headers = append(g.headers, t)
	return t
}

func (g *gen) union() {
	t := &typ{kind: kUnion, name: g.name("U")}
	g.cite("L30")
	for range 2 + g.r.IntN(2) {
		h := pick(g, g.headers)
		if h.hasVarbit() {
			continue
		}
		dup := false
		for _, f := range t.fields {
			dup = dup || f.t == h
		}
		if !dup {
			t.fields = append(t.fields, field{g.name("u"), h})
		}
	}
	if len(t.fields) == 0 {
		return
	}
	g.declare("header_union", t)
	g.unions = append(g.unions, t)
}

// declareBlocks declares the structs that the pipeline's blocks share.
func (g *gen) declareBlocks() {
	g.hdr = &typ{kind: kStruct, name: g.name("headers_t")}
	for _, h := range g.headers {
		g.hdr.fields = append(g.hdr.fields, field{g.name("h"), h})
	}
	if g.on[fStack] {
		g.hdr.fields = append(g.hdr.fields, field{g.name("s"), &typ{kind: kStack, base: pick(g, g.headers), n: 1 + g.r.IntN(4)}})
	}
	for _, u := range g.unions {
		g.hdr.fields = append(g.hdr.fields, field{g.name("u"), u})
	}
	if g.on[fUnionStack] && len(g.unions) > 0 {
		g.cite("L32")
		g.hdr.fields = append(g.hdr.fields, field{g.name("us"), &typ{kind: kStack, base: pick(g, g.unions), n: 1 + g.r.IntN(3)}})
	}
	g.declare("struct", g.hdr)
	g.meta = &typ{kind: kStruct, name: g.name("meta_t")}
	for range 3 + g.r.IntN(6) {
		g.meta.fields = append(g.meta.fields, field{g.name("m"), g.localType()})
	}
	if g.on[fArray] {
		g.meta.fields = append(g.meta.fields, field{g.name("arr"), &typ{kind: kArray, base: g.number(), n: 1 + g.r.IntN(5)}})
	}
	g.declare("struct", g.meta)
	g.std = &typ{kind: kStruct, name: "standard_metadata_t", fields: []field{
		{"ingress_port", bits(9)}, {"egress_spec", bits(9)}, {"egress_port", bits(9)}, {"packet_length", bits(32)},
		{"instance_type", bits(32)}, {"checksum_error", bits(1)}, {"parser_error", &typ{kind: kError}}, {"priority", bits(3)},
	}}
	if g.on[fCopies] {
		g.std.fields = append(g.std.fields, field{"egress_rid", bits(16)})
	}
	if g.on[fTime] {
		g.cite("L83")
		g.std.fields = append(g.std.fields, field{"ingress_global_timestamp", bits(48)}, field{"egress_global_timestamp", bits(48)})
	}
}

// value is a number of a bit or int type: often one that occurs elsewhere in the
// program, so that comparisons, select cases and entries meet.
func (g *gen) value(t *typ) *big.Int {
	v := new(big.Int)
	w := t.w
	pool := g.pool[w]
	switch n := g.r.IntN(10); {
	case n < 5 && len(pool) > 0:
		v.SetString(pick(g, pool), 10)
	case n < 6:
		v.SetInt64(int64(g.r.IntN(4)))
	case n < 7: // near the top
		v.Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(int64(1+g.r.IntN(3))))
	case n < 8:
		v.Lsh(big.NewInt(1), uint(g.r.IntN(w)))
	default:
		for range (w + 63) / 64 {
			v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(g.r.Uint64()))
		}
	}
	v.And(v, mask(w))
	if len(pool) < 4 {
		g.pool[w] = append(pool, v.String())
	}
	if t.kind == kInt && v.Bit(w-1) == 1 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	return v
}

func mask(w int) *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
}
