package p4info

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// annotations splits a P4 object's annotations into what P4Info carries: the
// unstructured ones as text, the structured ones as messages, and the
// documentation. @name and @id are in fields of their own; skip names others.
func annotations(as []ir.Annotation, skip ...string) (text []string, structured []*p4configv1.StructuredAnnotation, doc *p4configv1.Documentation) {
	for _, a := range as {
		switch a.Name {
		case "name", "id":
			continue
		case "brief", "description":
			if doc == nil {
				doc = &p4configv1.Documentation{}
			}
			s, _ := annoString(a)
			if a.Name == "brief" {
				doc.Brief = s
			} else {
				doc.Description = s
			}
			continue
		}
		if slices.Contains(skip, a.Name) {
			continue
		}
		switch a.Kind {
		case ir.AnnoEmpty:
			text = append(text, "@"+a.Name)
		case ir.AnnoRaw:
			text = append(text, "@"+a.Name+"("+a.Text+")")
		default:
			structured = append(structured, structuredAnnotation(a))
		}
	}
	return text, structured, doc
}

func structuredAnnotation(a ir.Annotation) *p4configv1.StructuredAnnotation {
	s := &p4configv1.StructuredAnnotation{Name: a.Name}
	switch {
	case a.Kind == ir.AnnoList && len(a.List) > 0:
		l := &p4configv1.ExpressionList{}
		for _, x := range a.List {
			l.Expressions = append(l.Expressions, literal(x))
		}
		s.Body = &p4configv1.StructuredAnnotation_ExpressionList{ExpressionList: l}
	case a.Kind == ir.AnnoKV && len(a.KV) > 0:
		l := &p4configv1.KeyValuePairList{}
		for _, kv := range a.KV {
			l.KvPairs = append(l.KvPairs, &p4configv1.KeyValuePair{Key: kv.Key, Value: literal(kv.Val)})
		}
		s.Body = &p4configv1.StructuredAnnotation_KvPairList{KvPairList: l}
	}
	return s
}

func literal(l ir.Lit) *p4configv1.Expression {
	switch {
	case l.IsString:
		return &p4configv1.Expression{Value: &p4configv1.Expression_StringValue{StringValue: l.Str}}
	case l.IsBool:
		return &p4configv1.Expression{Value: &p4configv1.Expression_BoolValue{BoolValue: l.Bool}}
	}
	var n int64
	if l.Int != nil {
		n = l.Int.Int64()
	}
	return &p4configv1.Expression{Value: &p4configv1.Expression_Int64Value{Int64Value: n}}
}

// checkAnnotations refuses literals that P4Info cannot hold.
func (g *generator) checkAnnotations(as []ir.Annotation, pos ir.Pos) {
	check := func(name string, l ir.Lit) {
		if !l.IsString && !l.IsBool && l.Int != nil && !l.Int.IsInt64() {
			g.errorf(pos, "@%s: %s does not fit 64 bits; write it as a string", name, l.Int)
		}
	}
	for _, a := range as {
		for _, l := range a.List {
			check(a.Name, l)
		}
		for _, kv := range a.KV {
			check(a.Name, kv.Val)
		}
	}
}

func hidden(as []ir.Annotation) bool {
	_, ok := ir.Anno(as, "hidden")
	return ok
}

// annoString is the string of @name("..."); several literals are joined as P4
// does it.
func annoString(a ir.Annotation) (string, bool) {
	switch a.Kind {
	case ir.AnnoRaw:
		args := splitArgs(a.Text)
		if len(args) != 1 {
			return "", false
		}
		return unquote(args[0])
	case ir.AnnoList:
		if len(a.List) == 1 && a.List[0].IsString {
			return a.List[0].Str, true
		}
	}
	return "", false
}

// splitArgs splits the text of an unstructured annotation at its commas, outside
// string literals.
func splitArgs(text string) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				out = append(out, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(text[start:]))
}

// unquote reads a P4 string literal: \" \\ \n are the escapes.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s)-1 {
			i++
			switch c = s[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// number reads an integer literal of P4: width and sign prefix, base, digits
// with underscores.
func number(s string) (int64, error) {
	t := strings.ReplaceAll(strings.TrimSpace(s), "_", "")
	if i := strings.IndexAny(t, "ws"); i > 0 && isDigits(t[:i]) {
		t = t[i+1:]
	}
	lower := strings.ToLower(t)
	for _, p := range []struct {
		prefix string
		base   int
	}{{"0x", 16}, {"0b", 2}, {"0o", 8}, {"0d", 10}} {
		if rest, ok := strings.CutPrefix(lower, p.prefix); ok {
			return strconv.ParseInt(rest, p.base, 64)
		}
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no integer", s)
	}
	return n, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// annoInt is the integer of @name(n). ok is false where there is no such
// annotation.
func (g *generator) annoInt(as []ir.Annotation, name string, pos ir.Pos) (n int64, ok bool) {
	a, ok := ir.Anno(as, name)
	if !ok {
		return 0, false
	}
	var err error
	switch {
	case a.Kind == ir.AnnoRaw:
		n, err = number(a.Text)
	case a.Kind == ir.AnnoList && len(a.List) == 1 && a.List[0].Int != nil && a.List[0].Int.IsInt64():
		n = a.List[0].Int.Int64()
	default:
		err = fmt.Errorf("one integer is wanted")
	}
	if err != nil {
		g.errorf(pos, "@%s: %v", name, err)
		return 0, false
	}
	return n, true
}

// explicitID is the value of @id; 0 for none.
func (g *generator) explicitID(as []ir.Annotation, pos ir.Pos) uint32 {
	n, ok := g.annoInt(as, "id", pos)
	if !ok {
		return 0
	}
	if n <= 0 || n > 0xffffffff {
		g.errorf(pos, "@id(%d): an id is a positive 32-bit number", n)
		return 0
	}
	return uint32(n)
}

// fieldIDs numbers the match fields, parameters or metadata of one object from
// 1; explicit ids are kept (P7).
func (g *generator) fieldIDs(annos [][]ir.Annotation, pos []ir.Pos, what []string) []uint32 {
	ids := make([]uint32, len(annos))
	taken := map[uint32]bool{}
	for i, as := range annos {
		if _, ok := ir.Anno(as, "id"); !ok {
			continue
		}
		id := g.explicitID(as, pos[i])
		if id != 0 && taken[id] {
			g.errorf(pos[i], "@id(%d) of %s is used twice", id, what[i])
		}
		ids[i] = id
		taken[id] = true
	}
	next := uint32(1)
	for i := range ids {
		if ids[i] != 0 {
			next++ // an explicit id takes a place in the count all the same
			continue
		}
		for taken[next] {
			next++
		}
		ids[i] = next
		taken[next] = true
	}
	return ids
}

// pairs are the key-value pairs of an annotation, written @a[k = v] or, as older
// programs do, @a(k = v).
func pairs(a ir.Annotation) []ir.KeyLit {
	if a.Kind != ir.AnnoRaw {
		return a.KV
	}
	var out []ir.KeyLit
	for _, arg := range splitArgs(a.Text) {
		key, val, ok := strings.Cut(arg, "=")
		if !ok {
			continue
		}
		kv := ir.KeyLit{Key: strings.TrimSpace(key)}
		val = strings.TrimSpace(val)
		if s, ok := unquote(val); ok {
			kv.Val = ir.Lit{IsString: true, Str: s}
		} else if n, err := number(val); err == nil {
			kv.Val = ir.Lit{Int: big.NewInt(n)}
		} else {
			kv.Val = ir.Lit{IsBool: true, Bool: val == "true"}
		}
		out = append(out, kv)
	}
	return out
}
