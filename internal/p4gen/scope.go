package p4gen

import (
	"fmt"
	"strings"
)

// place is something with a name that can be read: a variable, parameter,
// constant, or a part of one.
type place struct {
	path     string // each # stands for an index
	sizes    []int  // what the indices index, one a #
	t        *typ
	rw       bool // can be written
	konst    bool // known at compile time
	std      bool // part of standard_metadata
	inHeader bool // part of a header or union
}

// mark is a scope to come back to.
type mark struct {
	places []place
	inner  int
}

// enter and leave bracket a scope.
func (g *gen) enter() mark {
	m := mark{g.scope, g.inner}
	g.inner = len(g.scope)
	return m
}

func (g *gen) leave(m mark) { g.scope, g.inner = m.places, m.inner }

// add brings a variable and all its parts into scope.
func (g *gen) add(path string, t *typ, rw bool) {
	g.scope = expand(g.scope, place{path: path, t: t, rw: rw})
}

// addStd adds standard_metadata, of which programs write little: what they write
// elsewhere has no meaning.
func (g *gen) addStd(path string) {
	for _, f := range g.std.fields {
		g.scope = append(g.scope, place{path: path + "." + f.name, t: f.t, rw: f.name == "egress_spec" || f.name == "priority", std: true})
	}
}

func expand(to []place, p place) []place {
	to = append(to, p)
	part := func(suffix string, t *typ) place {
		q := p
		q.path, q.t = p.path+suffix, t
		return q
	}
	switch p.t.kind {
	case kStruct, kHeader, kUnion:
		for _, f := range p.t.fields {
			q := part("."+f.name, f.t)
			q.inHeader = p.inHeader || p.t.kind != kStruct
			to = expand(to, q)
		}
	case kTuple:
		for i, f := range p.t.fields {
			to = expand(to, part(fmt.Sprintf("[%d]", i), f.t))
		}
	case kStack, kArray:
		q := part("[#]", p.t.base)
		q.sizes = append(append([]int(nil), p.sizes...), p.t.n)
		to = expand(to, q)
	}
	return to
}

// text is a place with indices filled in.
func (g *gen) text(p place) string {
	s := p.path
	for _, n := range p.sizes {
		ix := fmt.Sprint(g.r.IntN(n))
		if g.has(fRuntimeIndex, 25) {
			if q, ok := g.find(func(q place) bool { return q.t.kind == kBit && q.t.w <= 32 && len(q.sizes) == 0 && !q.konst }); ok {
				ix = q.path
				if g.chance(50) && q.t.w >= 2 {
					ix = fmt.Sprintf("%s & %d", q.path, min(3, n))
				}
			}
		}
		g.cite("L70")
		s = strings.Replace(s, "#", ix, 1)
	}
	switch {
	case p.konst:
		g.cite("L150")
	case strings.HasSuffix(s, "]"):
		if p.t.kind != kHeader {
			g.cite("L76")
		}
	}
	return s
}

// find is a random place with a property.
func (g *gen) find(ok func(place) bool) (place, bool) {
	n := len(g.scope)
	if n == 0 {
		return place{}, false
	}
	at := g.r.IntN(n)
	if g.chance(30) { // what was declared last is nearest to what happens here
		at = n - 1 - g.r.IntN(min(n, 12))
	}
	for i := range n {
		if p := g.scope[(at+i)%n]; ok(p) {
			return p, true
		}
	}
	return place{}, false
}

// ofType is a random place of a type.
func (g *gen) ofType(t *typ, write bool) (place, bool) {
	return g.find(func(p place) bool { return same(p.t, t) && (!write || p.rw) })
}

// lvalue is something of type t that can be written, "" when there is none.
func (g *gen) lvalue(t *typ) string {
	if t.kind == kBit && g.chance(12) {
		if p, ok := g.find(func(p place) bool { return p.rw && p.t.numeric() && p.t.w > t.w }); ok {
			return g.sliceOf(g.text(p), p.t.w, t.w, true)
		}
	}
	p, ok := g.ofType(t, true)
	if !ok {
		return ""
	}
	return g.text(p)
}

// apart is a place of type t that stands for itself and overlaps none of taken;
// sub-parsers get no other: what is copied out when one rejects is not defined.
func (g *gen) apart(t *typ, taken []string) string {
	p, ok := g.find(func(p place) bool {
		if !p.rw || p.std || len(p.sizes) > 0 || p.inHeader || !same(p.t, t) {
			return false
		}
		for _, q := range taken {
			if strings.HasPrefix(p.path+".", q+".") || strings.HasPrefix(q+".", p.path+".") {
				return false
			}
		}
		return true
	})
	if !ok {
		return ""
	}
	return p.path
}

// sliceOf takes w of the have bits of s.
func (g *gen) sliceOf(s string, have, w int, write bool) string {
	lo := g.r.IntN(have - w + 1)
	ids := map[bool][2]string{false: {"L58", "L60"}, true: {"L59", "L60"}}[write]
	if g.has(fWidthSlice, 30) {
		g.cite(ids[1])
		return fmt.Sprintf("%s[%d +: %d]", s, lo, w)
	}
	g.cite(ids[0])
	return fmt.Sprintf("%s[%d:%d]", s, lo+w-1, lo)
}

// hide makes a name of an outer scope unusable from here on. The places stay
// where they are, and what leave comes back to is another slice.
func (g *gen) hide(name string) {
	g.scope = append([]place(nil), g.scope...)
	for i, p := range g.scope {
		if p.path == name || strings.HasPrefix(p.path, name+".") || strings.HasPrefix(p.path, name+"[") {
			g.scope[i] = place{t: &typ{kind: kVoid}}
		}
	}
}
