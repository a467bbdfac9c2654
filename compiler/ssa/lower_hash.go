package ssa

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// part is a run of pieces of a field list. A header that is given whole counts
// only while it is valid.
type part struct {
	pieces []*Value
	slice  []*Value // or a slice of the packet: the leaves of a varbit
	valid  *Value   // nil: always there
}

// data gives the parts of a field list: the scalars of its elements in order.
// Headers and structs stand for their fields.
func (l *lowerer) data(e ir.Expr) []part {
	if list, ok := e.(*ir.ListExpr); ok {
		var out []part
		for _, x := range list.Elems {
			out = append(out, l.data(x)...)
		}
		return out
	}
	v := l.eval(e)
	if ir.Width(e.Type()) >= 0 {
		return []part{{pieces: v}}
	}
	return parts(l.shape(e.Type(), "", "field list", e.Pos()), v)
}

// parts takes the value v of shape n apart.
func parts(n *node, v []*Value) []part {
	switch n.kind {
	case nodeScalar:
		return []part{{pieces: v[:n.n]}}
	case nodeVarbit:
		return []part{{slice: v[:varLeaves]}}
	case nodeHeader:
		p, behind := part{valid: v[leafValid]}, part{valid: v[leafValid]}
		vb, at, _ := n.varbit()
		n.scalars(0, func(k *node, rel int) {
			if vb != nil && rel > at {
				behind.pieces = append(behind.pieces, v[rel:rel+k.n]...)
			} else {
				p.pieces = append(p.pieces, v[rel:rel+k.n]...)
			}
		})
		if vb == nil {
			return []part{p}
		}
		return []part{p, {slice: v[at : at+varLeaves], valid: v[leafValid]}, behind}
	}
	var out []part
	for _, k := range n.kids {
		out = append(out, parts(k, v[k.rel:k.rel+k.n])...)
	}
	return out
}

// maxOptional bounds the headers in a field list that may be absent: there is
// one computation for each combination.
const maxOptional = 3

// digestOf computes a hash of parts.
func (l *lowerer) digestOf(algo string, data []part, pos ir.Pos) *Value {
	optional := 0
	for i := range data {
		if data[i].slice != nil {
			return l.digestChain(algo, data, pos)
		}
	}
	for i := range data {
		if p := &data[i]; p.valid != nil {
			p.valid = l.known(p.valid)
			if !p.valid.IsConst(1) {
				optional++
			}
		}
	}
	if optional > maxOptional {
		return l.digestChain(algo, data, pos)
	}
	var choose func(pieces []*Value, rest []part) *Value
	choose = func(pieces []*Value, rest []part) *Value {
		pieces = pieces[:len(pieces):len(pieces)]
		for i, p := range rest {
			if p.valid == nil || p.valid.IsConst(1) {
				pieces = append(pieces, p.pieces...)
				continue
			}
			without := choose(pieces, rest[i+1:])
			if p.valid.IsConst(0) {
				return without
			}
			with := choose(append(pieces, p.pieces...), rest[i+1:])
			return l.sel(p.valid, with, without)
		}
		return l.digest(algo, pieces, pos)
	}
	return choose(nil, data)
}

// enumMember is the name of a constant enum argument.
func (l *lowerer) enumMember(e ir.Expr) string {
	c, ok := e.(*ir.Const)
	if !ok {
		l.refuse(e.Pos(), "algorithm", "it is not known at compile time")
	}
	if en, ok := c.T.(*ir.Enum); ok {
		for _, m := range en.Members {
			if m.Value.Cmp(c.Val) == 0 {
				return m.Name
			}
		}
	}
	l.refuse(e.Pos(), "algorithm "+c.Val.String(), "it is no member of HashAlgorithm")
	return ""
}

// digest computes a hash of the pieces. Bits that do not fill the last byte are
// padded with zeros at the end.
func (l *lowerer) digest(algo string, pieces []*Value, pos ir.Pos) *Value {
	switch strings.ToLower(algo) {
	case "csum16", "ones_complement16":
		return l.csum16(pieces)
	case "xor16":
		return l.xor16(pieces)
	case "crc16", "crc16_custom": // without configuration the plain one
		return l.emit(&Value{Op: OpCRC16, Type: 16, Args: l.wholeBytes(pieces)})
	case "crc32", "crc32_custom", "target_default":
		return l.emit(&Value{Op: OpCRC32, Type: 32, Args: l.wholeBytes(pieces)})
	case "random":
		return l.op(OpRand, 32)
	case "identity": // the first eight bytes
		pieces = l.padded(pieces, 8)
		w := width(pieces)
		n := min(w, 64)
		if n == 0 {
			return l.constant(64, 0)
		}
		return l.op(OpZext, 64, l.gather(pieces, w-n, n))
	}
	l.refuse(pos, "hash algorithm "+algo, "it cannot be lowered")
	return nil
}

// padded adds zeros behind the pieces to a multiple of n bits.
func (l *lowerer) padded(pieces []*Value, n int) []*Value {
	if r := width(pieces) % n; r != 0 {
		return append(pieces[:len(pieces):len(pieces)], l.constant(Type(n-r), 0))
	}
	return pieces
}

// wholeBytes regroups pieces to values of whole bytes.
func (l *lowerer) wholeBytes(pieces []*Value) []*Value {
	pieces = l.padded(pieces, 8)
	var out []*Value
	for start := 0; start < len(pieces); {
		end, w := start, 0
		for end == start || w%8 != 0 {
			w += int(pieces[end].Type)
			end++
		}
		out = append(out, l.chunks(pieces[start:end])...)
		start = end
	}
	return out
}

// chunks cuts pieces of whole bytes into values of 8 bytes and a rest.
func (l *lowerer) chunks(pieces []*Value) []*Value {
	var out []*Value
	for hi := width(pieces); hi > 0; {
		n := min(hi, 64)
		hi -= n
		out = append(out, l.gather(pieces, hi, n))
	}
	return out
}

// words16 gives 64-bit values, each congruent to the words of its piece in their
// places modulo 2^16 - 1, with an upper bound of each.
func (l *lowerer) words16(pieces []*Value, f func(v *Value, bound uint64)) {
	pieces = l.padded(pieces, 16)
	pos := width(pieces)
	for _, p := range pieces {
		pos -= int(p.Type)
		s := pos % 16
		// Parts of at most 32 bits, cut where a 32-bit part ends.
		for lo := 0; lo < int(p.Type); lo += 32 {
			w := min(32, int(p.Type)-lo)
			x := l.op(OpZext, 64, l.gather([]*Value{p}, lo, w))
			f(l.op(OpShl, 64, x, l.constant(8, uint64(s))), Mask(Type(w))<<uint(s))
		}
	}
}

// csum16 is the Internet checksum (RFC 1071): the complement of the one's
// complement sum of 16-bit words.
func (l *lowerer) csum16(pieces []*Value) *Value {
	return l.op(OpNot, 16, l.op(OpTrunc, 16, l.onesSum(l.constant(64, 0), pieces, false)))
}

// xor16 is the exclusive or of 16-bit words.
func (l *lowerer) xor16(pieces []*Value) *Value {
	x := l.constant(64, 0)
	l.words16(pieces, func(v *Value, _ uint64) { x = l.op(OpXor, 64, x, v) })
	x = l.op(OpXor, 64, x, l.op(OpShr, 64, x, l.constant(8, 32)))
	x = l.op(OpXor, 64, x, l.op(OpShr, 64, x, l.constant(8, 16)))
	return l.op(OpTrunc, 16, x)
}

// hashInto stores base + digest mod limit in dst; base where limit is 0.
func (l *lowerer) hashInto(dst ir.Expr, digest *Value, base, limit ir.Expr) {
	l.narrow(limit, "maximum of hash")
	w := ir.Width(dst.Type())
	m := l.op(OpZext, 64, l.scalar(limit))
	h := l.op(OpMod, 64, l.op(OpZext, 64, digest), m)
	b := l.resize(l.eval(base), w, false)
	sum, _ := l.addc(b, l.resize([]*Value{h}, w, false))
	l.assignTo(dst, sum)
}

// random stores a number from lo to hi, both included; lo where hi is less.
func (l *lowerer) random(dst, lo, hi ir.Expr) {
	l.narrow(dst, "random")
	from, to := l.eval(lo), l.eval(hi)
	if len(from) == 0 {
		return
	}
	t := from[0].Type
	span := l.op(OpZext, 64, l.op(OpSub, t, to[0], from[0]))
	r := l.op(OpZext, 64, l.op(OpRand, 32))
	if t > 32 {
		two := l.op(OpOr, 64, l.op(OpShl, 64, r, l.constant(8, 32)), l.op(OpZext, 64, l.op(OpRand, 32)))
		r = l.sel(l.op(OpUlt, 1, l.constant(64, 0xffffffff), span), two, r)
	}
	n := l.op(OpAdd, 64, span, l.constant(64, 1))
	v := l.op(OpMod, 64, r, n)
	if t == 64 { // a span of 2^64 is 0
		v = l.sel(l.op(OpEq, 1, n, l.constant(64, 0)), r, v)
	}
	v = l.op(OpAdd, t, from[0], l.resize([]*Value{v}, int(t), false)[0])
	l.assignTo(dst, []*Value{l.sel(l.op(OpUlt, 1, from[0], to[0]), v, from[0])})
}

// index32 fits an index of any width to 32 bits; what does not fit becomes an
// index that no array has.
func (l *lowerer) index32(e ir.Expr) *Value {
	v := l.eval(e)
	if len(v) == 0 {
		return l.constant(32, 0)
	}
	x := v[len(v)-1]
	if width(v) <= 32 {
		return l.op(OpZext, 32, x)
	}
	big := l.nonZero(v[:len(v)-1])
	if x.Type > 32 {
		big = l.or(big, l.op(OpNe, 1, l.op(OpShr, x.Type, x, l.constant(8, 32)), l.constant(x.Type, 0)))
		x = l.op(OpTrunc, 32, x)
	}
	return l.sel(big, l.constant(32, 0xffffffff), x)
}

// args refuses a call with fewer arguments than the extern has.
func (l *lowerer) args(s *ir.ExternCall, n int) {
	if len(s.Args) < n {
		l.refuse(s.P, "extern "+s.Name, fmt.Sprintf("it needs %d arguments, not %d", n, len(s.Args)))
	}
	for _, a := range s.Args[:n] {
		if a == nil {
			l.refuse(s.P, "extern "+s.Name, "an argument is absent")
		}
	}
}
