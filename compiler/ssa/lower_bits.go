package ssa

import (
	"errors"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Parsers that do not move by whole bytes. Where a program has such a header, or an
// advance that need not be whole bytes, all of it is lowered again with the cursor
// in bits: fields are read with OpLoadBits, and the deparser always builds the
// image, bit by bit.

// bitGranular is thrown where the cursor must count bits.
type bitGranular struct{}

var errBitGranular = errors.New("ssa: the parser moves by bits")

// maxBitPayload bounds the payload, in bytes, that is moved by a part of a byte:
// where the new headers and the parsed ones differ by no whole bytes, all of the
// packet changes. Longer packets are dropped (DropResize).
const maxBitPayload = 2048

// bitwise tells whether the cursor counts bits; it throws bitGranular when it has to
// and does not.
func (l *lowerer) bitwise(must bool) bool {
	if must && !l.stages.bits {
		panic(bitGranular{})
	}
	return l.stages.bits
}

// oddHeader tells whether a header, or what is before its varbit field, is no whole
// bytes.
func oddHeader(h *node) bool {
	v, _, before := h.varbit()
	return h.bits%8 != 0 || v != nil && before%8 != 0
}

// needBits rejects packets without n more bits.
func (l *lowerer) needBits(n *Value) {
	// In 64 bits: no sum of the two is too large.
	have := l.op(OpShl, 64, l.op(OpZext, 64, l.op(OpPktLen, 32)), l.constant(8, 3))
	want := l.op(OpAdd, 64, l.op(OpZext, 64, l.get(l.parser.cursor)), l.op(OpZext, 64, n))
	l.rejectIf(l.op(OpUlt, 1, have, want), "PacketTooShort")
}

// fieldAt reads w bits at a bit offset, as limbs.
func (l *lowerer) fieldAt(at *Value, w int) []*Value {
	var out []*Value
	for _, t := range Limbs(w) {
		out = append(out, l.emit(&Value{Op: OpLoadBits, Type: t, Args: []*Value{at}, N: int(t)}))
		at = l.add(at, int(t))
	}
	return out
}

// extractBits is extract with the cursor in bits.
func (l *lowerer) extractBits(s *ir.Extract, p place) {
	ps, h := l.parser, p.node
	ps.packed = false
	vb, rel, _ := h.varbit()
	size := l.constant(32, 0)
	if vb != nil {
		if s.VarBits != nil {
			size = l.resize(l.eval(s.VarBits), 32, false)[0]
			l.setPos(s.P)
		}
		l.rejectIf(l.op(OpNe, 1, l.op(OpAnd, 32, size, l.constant(32, 7)), l.constant(32, 0)), "ParserInvalidArgument")
		if l.cur == nil {
			return
		}
		// Beyond the longest packet is beyond this one.
		l.rejectIf(l.op(OpUlt, 1, l.constant(32, 1<<24), size), "PacketTooShort")
		if l.cur == nil {
			return
		}
	}
	l.needBits(l.add(size, h.bits))
	if l.cur == nil {
		return
	}
	if vb != nil {
		l.rejectIf(l.op(OpUlt, 1, l.constant(32, uint64(vb.max)), size), "HeaderTooShort")
		if l.cur == nil {
			return
		}
	}
	v := make([]*Value, h.n)
	v[leafValid], v[leafSlot], v[leafOff] = l.constant(1, 1), l.constant(32, 0), l.constant(32, 0)
	at := l.get(ps.cursor)
	field := func(k *node, i int) {
		copy(v[i:], l.fieldAt(at, k.w))
		at = l.add(at, k.w)
	}
	done := vb == nil
	h.scalars(0, func(k *node, i int) {
		if !done && i > rel {
			done = true
			v[rel+varLen], v[rel+varAt] = size, at
			at = l.op(OpAdd, 32, at, size)
		}
		field(k, i)
	})
	if !done {
		v[rel+varLen], v[rel+varAt] = size, at
		at = l.op(OpAdd, 32, at, size)
	}
	l.set(ps.cursor, at)
	l.write(p, v)
}

// skipBits moves the cursor by n bits.
func (l *lowerer) skipBits(n *Value) {
	l.needBits(n)
	if l.cur != nil {
		c := l.parser.cursor
		l.set(c, l.op(OpAdd, 32, l.get(c), n))
	}
}

// peekBits reads the scalars of n from the cursor on.
func (l *lowerer) peekBits(n *node, size int, set func(rel int, v *Value)) {
	l.needBits(l.constant(32, uint64(size)))
	if l.cur == nil {
		return
	}
	at := l.get(l.parser.cursor)
	n.scalars(0, func(k *node, rel int) {
		for i, v := range l.fieldAt(at, k.w) {
			set(rel+i, v)
		}
		at = l.add(at, k.w)
	})
}

// deparseBits writes all headers into the image, and behind them what the rest of
// the packet needs to begin at a whole byte.
func (l *lowerer) deparseBits() {
	pos := l.wordLeaf("$pos")
	l.set(pos, l.constant(32, 0))
	for _, e := range l.emitted {
		if e.node.maxBytes() == 0 {
			continue
		}
		then, els := l.branch(l.get(e.base+leafValid), 0)
		if l.resume(then, "emit "+e.name); l.cur != nil {
			l.emitBits(e, pos)
		}
		l.resume(append(els, l.here()...), "emitted "+e.name)
		l.force()
	}
	cursor := l.get(l.parser.cursor)
	at := l.get(pos)
	seven := l.constant(32, 7)
	even := l.op(OpEq, 1, l.op(OpAnd, 32, l.op(OpXor, 32, at, cursor), seven), l.constant(32, 0))
	whole, moved := l.branch(even, +1)
	var newLen, oldLen *Value
	new, old := l.wordLeaf("$new"), l.wordLeaf("$old")
	if l.resume(whole, "whole"); l.cur != nil {
		// The byte that both end in, if any, has bits of the rest.
		x := l.emit(&Value{Op: OpLoadBits, Type: 8, Args: []*Value{cursor}, N: 8})
		l.emit(&Value{Op: OpScratchBits, Args: []*Value{at, x}})
		l.set(new, l.op(OpShr, 32, l.add(at, 7), l.constant(8, 3)))
		l.set(old, l.op(OpShr, 32, l.add(cursor, 7), l.constant(8, 3)))
	}
	out := l.here()
	if l.resume(moved, "moved"); l.cur != nil {
		length := l.op(OpPktLen, 32)
		left := l.op(OpSub, 32, l.bits(length), cursor)
		long, fits := l.branch(l.op(OpUlt, 1, l.constant(32, 8*maxBitPayload), left), -1)
		if l.resume(long, "toolong"); l.cur != nil {
			l.drop(DropResize)
		}
		if l.resume(fits, "payload"); l.cur != nil {
			l.copyBits(at, cursor, left, maxBitPayload)
			l.set(new, l.op(OpShr, 32, l.add(l.op(OpAdd, 32, at, left), 7), l.constant(8, 3)))
			l.set(old, length)
		}
	}
	l.resume(append(out, l.here()...), "built")
	l.force()
	newLen, oldLen = l.get(new), l.get(old)
	ok := l.emit(&Value{Op: OpSplice, Type: 1, Args: []*Value{newLen, oldLen}})
	good, bad := l.branch(ok, +1)
	if l.resume(bad, "noresize"); l.cur != nil {
		l.drop(DropResize)
	}
	l.resume(good, "resized")
	l.force()
}

// emitBits writes one header at the leaf pos and moves it.
func (l *lowerer) emitBits(e *emission, pos int) {
	vb, rel, _ := e.node.varbit()
	varbit := func() {
		at, n := l.get(e.base+rel+varAt), l.get(e.base+rel+varLen)
		l.copyBits(l.get(pos), at, n, (vb.max+7)/8)
		l.set(pos, l.op(OpAdd, 32, l.get(pos), n))
	}
	done := vb == nil
	e.node.scalars(0, func(k *node, i int) {
		if !done && i > rel {
			done = true
			varbit()
		}
		for j, t := range Limbs(k.w) {
			v := l.get(e.base + i + j)
			for hi := int(t); hi > 0; {
				n := min(hi, 32)
				hi -= n
				l.emit(&Value{Op: OpScratchBits, Args: []*Value{l.get(pos), l.gather([]*Value{v}, hi, n)}, Name: e.name})
				l.set(pos, l.add(l.get(pos), n))
			}
		}
	})
	if !done {
		varbit()
	}
}

// copyBits copies n bits, at most so many bytes, of the packet to a bit of the image.
func (l *lowerer) copyBits(to, at, n *Value, most int) {
	l.emit(&Value{Op: OpScratchMove, Args: []*Value{to, at, n}, N: most})
}
