package p4gen

import (
	"fmt"
	"math/big"
	"strings"
)

// ex is an expression with its precedence, that of the outermost operator.
type ex struct {
	s string
	p int
}

// Precedences, loosest first, as P4's grammar has them.
const (
	pCond = iota + 1
	pLOr
	pLAnd
	pEq
	pRel
	pOr
	pXor
	pAnd
	pShift
	pAdd
	pMul
	pUnary
	pPrimary
)

// at is the text of e where an operand binds at least as tightly as p;
// parentheses also stand now and then where none are needed.
func (g *gen) at(e ex, p int) string {
	if e.p < p || g.chance(15) && e.p < pPrimary {
		return "(" + e.s + ")"
	}
	return e.s
}

// text of an expression of type t.
func (g *gen) exprText(t *typ, depth int) string { return g.expr(t, depth).s }

// expr is an expression of type t, of operators nested at most depth deep.
func (g *gen) expr(t *typ, depth int) ex {
	if depth > 0 && g.chance(6) {
		if e, ok := g.callOf(t, depth); ok {
			return e
		}
	}
	if depth > 0 && g.chance(5) && t.kind != kVarbit {
		return g.mux(t, depth)
	}
	switch t.kind {
	case kBit, kInt:
		return g.numeric(t, depth)
	case kBool:
		return g.boolean(depth)
	case kError:
		if p, ok := g.ofType(t, false); ok && g.chance(40) {
			return ex{g.text(p), pPrimary}
		}
		return ex{"error." + pick(g, g.errs), pPrimary}
	case kEnum:
		if p, ok := g.ofType(t, false); ok && g.chance(50) {
			return ex{g.text(p), pPrimary}
		}
		return ex{t.name + "." + pick(g, t.members), pPrimary}
	case kSerEnum:
		return g.serEnumExpr(t, depth)
	case kNewtype:
		if p, ok := g.ofType(t, false); ok && (depth == 0 || g.chance(60)) {
			return ex{g.text(p), pPrimary}
		}
		g.cite("L61", "L37")
		return ex{"(" + t.name + ")(" + g.exprText(t.base, depth-1) + ")", pUnary}
	}
	return g.aggregate(t, depth)
}

func (g *gen) serEnumExpr(t *typ, depth int) ex {
	switch {
	case g.chance(40):
		if p, ok := g.ofType(t, false); ok {
			return ex{g.text(p), pPrimary}
		}
	case depth > 0 && g.chance(40):
		g.cite("L61", "L25")
		return ex{"(" + t.name + ")(" + g.exprText(t.base, depth-1) + ")", pUnary}
	}
	return ex{t.name + "." + pick(g, t.members), pPrimary}
}

// datum is a constant that the control plane can have, too: P4Runtime has no form
// for negative numbers.
func (g *gen) datum(t *typ) string {
	if t.kind == kInt {
		v := g.value(t)
		return g.spellNumber(v.Abs(v).Rsh(v, 1), t, g.chance(50))
	}
	if t.kind == kSerEnum {
		for i, v := range t.values {
			if v[0] != '-' {
				return t.name + "." + t.members[i]
			}
		}
	}
	return g.constant(t)
}

// constant is an expression of a scalar type that is known at compile time.
func (g *gen) constant(t *typ) string {
	switch t.kind {
	case kBool:
		return []string{"true", "false", "!true", "1 < 2", "3 == 4 || true"}[g.r.IntN(5)]
	case kSerEnum, kEnum:
		return t.name + "." + pick(g, t.members)
	case kNewtype:
		return "(" + t.name + ")" + g.literal(t.base)
	case kError:
		return "error." + pick(g, g.errs)
	}
	l := g.literal(t)
	switch g.r.IntN(6) {
	case 0:
		g.cite("L47", "L82")
		return l + " + " + g.literal(t)
	case 1:
		g.cite("L50", "L82")
		return l + " ^ " + g.literal(t)
	case 2:
		for _, c := range g.intConsts {
			if t.w >= 8 {
				g.cite("L62")
				return c.name + " + " + l
			}
		}
	}
	return l
}

// literal is a number of type t with its width.
func (g *gen) literal(t *typ) string { return g.spellNumber(g.value(t), t, true) }

// bare is a number of type t where the width follows from the place.
func (g *gen) bare(t *typ) string {
	v := g.value(t)
	if g.chance(40) {
		return g.spellNumber(v, t, true)
	}
	if t.kind == kBit && g.chance(4) {
		g.cite("L9") // too large: a warning, and the low bits
		v = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(t.w)))
	}
	g.cite("L62")
	return g.spellNumber(v, t, false)
}

func (g *gen) spellNumber(v *big.Int, t *typ, width bool) string {
	neg := v.Sign() < 0
	abs := new(big.Int).Abs(v)
	var s string
	g.cite("L7")
	switch n := g.r.IntN(20); {
	case n < 8:
		s = abs.String()
	case n < 16:
		s = "0x" + abs.Text(16)
		g.cite("L8")
	case n < 18 && t.w <= 16:
		s = "0b" + underscores(abs.Text(2))
		g.cite("L8")
	case n < 19:
		s = "0o" + abs.Text(8)
		g.cite("L8")
	default:
		s = "00" + abs.String() // still decimal
		g.cite("L8")
	}
	if width {
		letter := "w"
		if t.kind == kInt {
			letter = "s"
		}
		s = fmt.Sprintf("%d%s%s", t.w, letter, s)
	}
	if neg {
		// The largest magnitude is one too many for the literal itself.
		if width && abs.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(t.w-1))) == 0 {
			return fmt.Sprintf("(-%ds%s - 1)", t.w, new(big.Int).Sub(abs, big.NewInt(1)))
		}
		return "(-" + s + ")"
	}
	return s
}

func underscores(s string) string {
	if len(s) < 3 {
		return s
	}
	return s[:len(s)-2] + "_" + s[len(s)-2:]
}

// leaf is a place or literal of a numeric type, perhaps by way of a cast.
func (g *gen) leaf(t *typ) ex {
	if g.chance(75) {
		if p, ok := g.ofType(t, false); ok {
			return ex{g.text(p), pPrimary}
		}
		if e, ok := g.converted(t); ok {
			return e
		}
	}
	return ex{g.literal(t), pPrimary}
}

// converted is some place turned into t by casts and slices.
func (g *gen) converted(t *typ) (ex, bool) {
	p, ok := g.find(func(p place) bool { return p.t.scalar() && p.t.kind != kError && p.t.kind != kEnum })
	if !ok {
		return ex{}, false
	}
	return g.convert(ex{g.text(p), pPrimary}, p.t, t), true
}

// convert brings e of a scalar type with bits to a numeric type.
func (g *gen) convert(e ex, from, to *typ) ex {
	for from.kind == kNewtype || from.kind == kSerEnum {
		from = from.base
		g.cite("L61")
		e = ex{"(" + g.spell(from) + ")" + g.at(e, pUnary), pUnary}
	}
	cast := func(t *typ) {
		g.cite("L61")
		e, from = ex{"(" + g.spell(t) + ")" + g.at(e, pUnary), pUnary}, t
	}
	if from.kind == kBool {
		cast(bits(1))
	}
	if from.w > to.w && to.kind == kBit && g.chance(40) {
		return ex{g.sliceOf(g.at(e, pPrimary), from.w, to.w, false), pPrimary}
	}
	if from.w != to.w {
		cast(&typ{kind: from.kind, w: to.w})
	}
	if from.kind != to.kind {
		cast(to)
	}
	return e
}

func (g *gen) numeric(t *typ, depth int) ex {
	if depth <= 0 {
		return g.leaf(t)
	}
	binary := func(op string, p int, id string) ex {
		g.cite(id)
		x := g.expr(t, depth-1)
		y := g.expr(t, depth-1)
		switch g.r.IntN(6) {
		case 0:
			x = ex{g.literalIfTyped(t, y), pPrimary}
		case 1:
			y = ex{g.literalIfTyped(t, x), pPrimary}
		}
		return ex{g.at(x, p) + " " + op + " " + g.at(y, p+1), p}
	}
	switch g.r.IntN(24) {
	case 0, 1, 2:
		return binary("+", pAdd, "L47")
	case 3, 4:
		return binary("-", pAdd, "L47")
	case 5:
		if g.on[fMul] && (t.w <= 64 || g.on[fWideDiv] && t.w <= 128) {
			return binary("*", pMul, "L47")
		}
	case 6:
		return binary("&", pAnd, "L50")
	case 7:
		return binary("|", pOr, "L50")
	case 8:
		return binary("^", pXor, "L50")
	case 9:
		if g.on[fSat] {
			return binary("|+|", pAdd, "L55")
		}
	case 10:
		if g.on[fSat] {
			return binary("|-|", pAdd, "L55")
		}
	case 11, 12:
		if g.on[fShift] {
			return g.shift(t, depth)
		}
	case 13:
		g.cite("L49")
		op := []string{"-", "~", "+"}[g.r.IntN(3)]
		x := g.expr(t, depth-1)
		s := g.at(x, pUnary)
		if s[0] == op[0] { // no --
			s = "(" + s + ")"
		}
		return ex{op + s, pUnary}
	case 14, 15:
		if t.kind == kBit && t.w >= 2 && g.on[fConcat] {
			g.cite("L56")
			n := 1 + g.r.IntN(t.w-1)
			x, y := g.expr(bits(n), depth-1), g.expr(bits(t.w-n), depth-1)
			return ex{g.at(x, pAdd) + " ++ " + g.at(y, pAdd+1), pAdd}
		}
	case 16, 17:
		if t.kind == kBit && t.w <= 64 {
			from := bits(t.w + g.r.IntN(24))
			if g.has(fWide, 20) {
				from.w += 64
			}
			x := g.expr(from, depth-1)
			return ex{g.sliceOf(g.at(x, pPrimary), from.w, t.w, false), pPrimary}
		}
	case 18, 19:
		from := g.scalarType()
		return g.convert(g.expr(from, depth-1), from, t)
	case 20:
		if g.on[fDiv] && t.kind == kBit && (t.w <= 64 || g.on[fWideDiv]) {
			return g.divide(t, depth)
		}
	case 21:
		if e, ok := g.property(t); ok {
			return e
		}
	case 22:
		if t.w == 1 && t.kind == kBit {
			g.cite("L61")
			x := g.boolean(depth - 1)
			return ex{"(bit<1>)" + g.at(x, pUnary), pUnary}
		}
	}
	return g.leaf(t)
}

// literalIfTyped is a number of type t beside operand x, without its width where
// x surely has one.
func (g *gen) literalIfTyped(t *typ, x ex) string {
	if strings.ContainsAny(x.s, ".(") && !strings.HasPrefix(x.s, "(") && g.chance(60) {
		g.cite("L62")
		return g.spellNumber(g.value(t), t, false)
	}
	return g.literal(t)
}

func (g *gen) shift(t *typ, depth int) ex {
	g.cite("L51")
	op := []string{"<<", ">>"}[g.r.IntN(2)]
	x := g.expr(t, depth-1)
	var y string
	if g.chance(50) || t.w > 64 && !g.on[fWideShift] {
		n := g.r.IntN(t.w + 1)
		if g.chance(10) {
			n = t.w + g.r.IntN(300)
		}
		y = fmt.Sprint(n)
	} else {
		y = g.at(g.expr(bits(1+g.r.IntN(8)), depth-1), pShift+1)
	}
	return ex{g.at(x, pShift) + " " + op + " " + y, pShift}
}

// divide divides by a number that is not zero at compile time.
func (g *gen) divide(t *typ, depth int) ex {
	g.cite("L48")
	op := []string{"/", "%"}[g.r.IntN(2)]
	x := g.expr(t, depth-1)
	y := ""
	if g.chance(40) {
		if p, ok := g.find(func(p place) bool { return same(p.t, t) && !p.konst }); ok {
			y = g.text(p)
		}
	}
	if y == "" {
		v := g.value(t)
		if v.Sign() == 0 || g.chance(40) {
			v = new(big.Int).Lsh(big.NewInt(1), uint(g.r.IntN(t.w)))
		}
		y = g.spellNumber(v, t, true)
	}
	return ex{g.at(x, pMul) + " " + op + " " + y, pMul}
}

// property is a number that a type or stack tells.
func (g *gen) property(t *typ) (ex, bool) {
	if t.w < 16 {
		return ex{}, false
	}
	p, ok := g.find(func(p place) bool { return (p.t.kind == kHeader || p.t.kind == kStack) && !p.konst })
	if !ok {
		return ex{}, false
	}
	if p.t.kind == kStack {
		g.cite("L74")
		return g.convert(ex{g.text(p) + ".size", pPrimary}, bits(32), t), true
	}
	g.cite("L73")
	m := []string{"minSizeInBits", "minSizeInBytes", "maxSizeInBits", "maxSizeInBytes"}[g.r.IntN(4)]
	e := ex{"(" + g.spell(bits(t.w)) + ")" + g.text(p) + "." + m + "()", pUnary}
	return g.convert(e, bits(t.w), t), true
}

func (g *gen) mux(t *typ, depth int) ex {
	g.cite("L54")
	c := g.boolean(depth - 1)
	x, y := g.expr(t, depth-1), g.expr(t, depth-1)
	if !t.scalar() { // an initialiser has no type of its own
		p, ok := g.ofType(t, false)
		if !ok {
			return x
		}
		q, _ := g.ofType(t, false)
		x, y = ex{g.text(p), pPrimary}, ex{g.text(q), pPrimary}
	}
	return ex{g.at(c, pLOr) + " ? " + g.at(x, pCond) + " : " + g.at(y, pCond+1), pCond} // p4c takes a chain from the left
}

func (g *gen) boolean(depth int) ex {
	bool_ := &typ{kind: kBool}
	if depth <= 0 || g.chance(10) {
		if p, ok := g.ofType(bool_, false); ok && g.chance(60) {
			return ex{g.text(p), pPrimary}
		}
		if p, ok := g.find(func(p place) bool { return (p.t.kind == kHeader || p.t.kind == kUnion) && !p.konst }); ok && g.chance(80) {
			g.cite("L72")
			return ex{g.text(p) + ".isValid()", pPrimary}
		}
		if depth <= 0 {
			return ex{[]string{"true", "false"}[g.r.IntN(2)], pPrimary}
		}
	}
	switch g.r.IntN(14) {
	case 0, 1:
		g.cite("L53")
		x, y := g.boolean(depth-1), g.boolean(depth-1)
		if g.chance(50) {
			return ex{g.at(x, pLAnd) + " && " + g.at(y, pLAnd+1), pLAnd}
		}
		return ex{g.at(x, pLOr) + " || " + g.at(y, pLOr+1), pLOr}
	case 2:
		g.cite("L49")
		return ex{"!" + g.at(g.boolean(depth-1), pUnary), pUnary}
	case 3:
		g.cite("L61")
		return ex{"(bool)" + g.at(g.expr(bits(1), depth-1), pUnary), pUnary}
	case 4, 5:
		if e, ok := g.equality(depth); ok {
			return e
		}
	case 6:
		if p, ok := g.find(func(p place) bool { return (p.t.kind == kHeader || p.t.kind == kUnion) && !p.konst }); ok {
			g.cite("L72")
			return ex{g.text(p) + ".isValid()", pPrimary}
		}
	}
	return g.compare(depth)
}

// compare compares two numbers, likely a place with a value from the pool.
func (g *gen) compare(depth int) ex {
	t := g.number()
	if p, ok := g.find(func(p place) bool { return p.t.numeric() }); ok && g.chance(70) {
		t = p.t
	}
	x := g.expr(t, depth-1)
	y := g.expr(t, depth-1)
	if g.chance(40) {
		y = ex{g.literal(t), pPrimary}
	}
	g.cite("L52")
	if g.chance(45) {
		return ex{g.at(x, pEq+1) + []string{" == ", " != "}[g.r.IntN(2)] + g.at(y, pEq+1), pEq}
	}
	return ex{g.at(x, pRel+1) + []string{" < ", " <= ", " > ", " >= "}[g.r.IntN(4)] + g.at(y, pRel+1), pRel}
}

// equality compares values that are no numbers.
func (g *gen) equality(depth int) (ex, bool) {
	p, ok := g.find(func(p place) bool {
		switch p.t.kind {
		case kBit, kInt:
			return false
		case kStruct, kHeader, kStack, kUnion, kTuple:
			return g.on[fAggregate] && !p.konst && comparable(p.t)
		}
		return p.t.scalar()
	})
	if !ok {
		return ex{}, false
	}
	op := []string{" == ", " != "}[g.r.IntN(2)]
	if !p.t.scalar() {
		g.cite("L71")
		q, _ := g.ofType(p.t, false)
		y := g.text(q)
		if g.chance(25) && p.t.kind == kStruct {
			y = g.aggregate(p.t, min(depth-1, 1)).s
		}
		return ex{g.text(p) + op + y, pEq}, true
	}
	g.cite("L52")
	return ex{g.text(p) + op + g.at(g.expr(p.t, depth-1), pEq+1), pEq}, true
}

// comparable tells whether == is defined and every engine's to do.
func comparable(t *typ) bool {
	for _, f := range t.fields {
		if !comparable(f.t) {
			return false
		}
	}
	return t.base == nil || t.scalar() || comparable(t.base)
}

// aggregate is a struct, header, union, stack or tuple value.
func (g *gen) aggregate(t *typ, depth int) ex {
	if p, ok := g.ofType(t, false); ok && (depth <= 0 || g.chance(55) || t.kind == kArray) {
		return ex{g.text(p), pPrimary}
	}
	return ex{g.initialiser(t, depth), pPrimary}
}

// initialiser is a value written out, for a place whose type is known.
func (g *gen) initialiser(t *typ, depth int) string {
	switch t.kind {
	case kUnion:
		g.cite("L69")
		return "{#}"
	case kHeader:
		if t.hasVarbit() || g.has(fInvalid, 15) {
			g.cite("L69")
			return "{#}"
		}
		g.cite("L67")
	case kStack, kArray:
		g.cite("L70")
		var parts []string
		for range t.n {
			if t.base.scalar() {
				parts = append(parts, g.exprText(t.base, depth-1))
			} else {
				parts = append(parts, g.initialiser(t.base, depth-1))
			}
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case kTuple:
		g.cite("L66")
	case kStruct:
		g.cite("L65")
	}
	elem := func(f field) string {
		if f.t.scalar() && f.t.numeric() && depth <= 0 {
			return g.bare(f.t)
		}
		if !f.t.scalar() {
			return g.initialiser(f.t, depth-1)
		}
		return g.exprText(f.t, depth-1)
	}
	var parts []string
	named := t.kind != kTuple && g.chance(40)
	dots := g.chance(15) && t.kind != kTuple
	for i, f := range t.fields {
		if dots && i > 0 && g.chance(50) {
			break
		}
		if named {
			parts = append(parts, f.name+" = "+elem(f))
		} else {
			parts = append(parts, elem(f))
		}
	}
	if len(parts) < len(t.fields) {
		g.cite("L68", "L11")
		parts = append(parts, "...")
	} else if named && g.chance(50) {
		g.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	text := "{ " + strings.Join(parts, ", ") + g.trailingIn(parts) + " }"
	if named && g.chance(20) && !strings.ContainsRune(t.name, '<') {
		return "(" + t.name + ")" + text
	}
	return text
}

func (g *gen) trailingIn(parts []string) string {
	if len(parts) == 0 || parts[len(parts)-1] == "..." {
		return ""
	}
	return g.trailing()
}
