package ssa

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// A varbit field is two leaves: its length in bits, and the bit of the packet where
// it begins. P4 can extract, copy, compare and emit it, and give it to a hash or
// checksum; all of this needs the packet only, which is unchanged until the
// deparser (see slices.go).
const (
	varLen    = 0
	varAt     = 1
	varLeaves = 2
)

// varbit is the header's field of variable size with its leaf relative to the
// header and the bits before it; nil when it has none.
func (n *node) varbit() (v *node, rel, before int) {
	bits := 0
	var walk func(n *node, base int)
	walk = func(n *node, base int) {
		switch n.kind {
		case nodeScalar:
			bits += n.w
		case nodeVarbit:
			v, rel, before = n, base, bits
		}
		for _, k := range n.kids {
			walk(k, base+k.rel)
		}
	}
	walk(n, 0)
	return v, rel, before
}

// hasVarbit tells whether a header has a field of variable size.
func (n *node) hasVarbit() bool {
	v, _, _ := n.varbit()
	return v != nil
}

// maxBytes is the size of a header with a varbit of all its bits.
func (n *node) maxBytes() int {
	bits := n.bits
	if v, _, _ := n.varbit(); v != nil {
		bits += v.max
	}
	return (bits + 7) / 8
}

// sizeOf is the size in bytes of the header whose leaves get gives; of whole bytes.
func (l *lowerer) sizeOf(n *node, get func(rel int) *Value) *Value {
	size := l.constant(32, uint64(n.bits/8))
	if v, rel, _ := n.varbit(); v != nil {
		size = l.op(OpAdd, 32, size, l.bytes(get(rel+varLen)))
	}
	return size
}

// bytes is a number of bits, a multiple of 8, in bytes; bits the inverse.
func (l *lowerer) bytes(bits *Value) *Value { return l.op(OpShr, 32, bits, l.constant(8, 3)) }
func (l *lowerer) bits(bytes *Value) *Value { return l.op(OpShl, 32, bytes, l.constant(8, 3)) }

// add is a + n.
func (l *lowerer) add(a *Value, n int) *Value {
	return l.op(OpAdd, 32, a, l.constant(32, uint64(n)))
}

// rejectIf ends the parser with an error where c holds.
func (l *lowerer) rejectIf(c *Value, name string) {
	then, els := l.branch(c, -1)
	l.reject(name, then)
	l.resume(els, "ok")
}

// extractVar is extract of a header with a varbit field of size bits (nil: none):
// the leaves that it has then. The cursor moves behind it. nil when the parser has
// rejected on all ways.
func (l *lowerer) extractVar(s *ir.Extract, h *node) []*Value {
	ps := l.parser
	vb, rel, before := h.varbit()
	size := l.constant(32, 0)
	if s.VarBits != nil {
		size = l.resize(l.eval(s.VarBits), 32, false)[0]
		l.setPos(s.P)
	}
	// As simple_switch has it; the specification leaves it open (12.8.2).
	l.rejectIf(l.op(OpNe, 1, l.op(OpAnd, 32, size, l.constant(32, 7)), l.constant(32, 0)), "ParserInvalidArgument")
	if l.cur == nil {
		return nil
	}
	v := make([]*Value, h.n)
	cursor := l.get(ps.cursor)
	long := l.bytes(size)
	end := l.op(OpAdd, 32, l.add(cursor, h.bits/8), long)
	l.rejectIf(l.op(OpUlt, 1, l.op(OpPktLen, 32), end), "PacketTooShort")
	if l.cur == nil {
		return nil
	}
	l.rejectIf(l.op(OpUlt, 1, l.constant(32, uint64(vb.max)), size), "HeaderTooShort")
	if l.cur == nil {
		return nil
	}
	// The checks for pointers cannot fail any more.
	ptr := l.need(cursor, (before+7)/8, s.X)
	var behind *Value
	if rest := h.bits - before; rest > 0 {
		behind = l.need(l.op(OpAdd, 32, l.add(cursor, before/8), long), (before%8+rest+7)/8, s.X)
	}
	v[leafValid], v[leafSlot], v[leafOff] = l.constant(1, 1), l.constant(32, uint64(l.slots)), cursor
	v[rel+varLen] = size
	v[rel+varAt] = l.add(l.bits(cursor), before)
	pos, from := 0, ptr
	h.scalars(0, func(k *node, at int) {
		if at > rel && from != behind {
			pos, from = before%8, behind
		}
		for i, t := range Limbs(k.w) {
			v[at+i] = l.loadBits(from, pos, int(t))
			pos += int(t)
		}
	})
	l.set(ps.cursor, end)
	return v
}

// equalSlices compares two varbits: their lengths, and their bits unless they are
// the same ones.
func (l *lowerer) equalSlices(t ir.Type, x, y []*Value) *Value {
	same := l.op(OpEq, 1, x[varAt], y[varAt])
	length := l.op(OpEq, 1, x[varLen], y[varLen])
	if length.IsConst(0) {
		return length
	}
	// Of different lengths nothing is compared.
	n := l.sel(length, x[varLen], l.constant(32, 0))
	eq := l.emit(&Value{Op: OpSliceEq, Type: 1, Args: []*Value{x[varAt], y[varAt], n}, N: (ir.Underlying(t).(*ir.Varbit).Max + 7) / 8})
	return l.and(length, l.or(same, eq))
}

// isVarbit tells whether values of t are slices.
func isVarbit(t ir.Type) bool {
	_, ok := ir.Underlying(t).(*ir.Varbit)
	return ok
}
