package ssa

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// digestChain computes a hash of parts one by one: of slices of the packet, whose
// size run time tells, and of any number of headers that may be absent.
func (l *lowerer) digestChain(algo string, data []part, pos ir.Pos) *Value {
	if l.stages.bits {
		for _, p := range data {
			if p.slice != nil {
				l.refuse(pos, "hash or checksum over a varbit field or the payload", "the parser moves by parts of bytes")
			}
		}
	}
	switch a := strings.ToLower(algo); a {
	case "csum16", "ones_complement16":
		return l.op(OpNot, 16, l.sumChain(data, false))
	case "xor16":
		return l.sumChain(data, true)
	case "crc16", "crc16_custom":
		return l.crcChain("crc16", 16, data, pos)
	case "crc32", "crc32_custom", "target_default":
		return l.crcChain("crc32", 32, data, pos)
	case "identity":
		return l.headChain(data)
	}
	return l.digest(algo, nil, pos) // which look at no data, or are refused
}

// payload is the slice of what the parser has not consumed.
func (l *lowerer) payload() part {
	at := l.get(l.parser.cursor)
	if !l.stages.bits {
		at = l.bits(at)
	}
	return part{slice: []*Value{l.op(OpSub, 32, l.bits(l.op(OpPktLen, 32)), at), at}}
}

// where gives whether a part is there, and v where it is, else els.
func (l *lowerer) partThere(p part, v, els *Value) *Value {
	if p.valid == nil {
		return v
	}
	return l.sel(l.known(p.valid), v, els)
}

// size is a part's number of bits.
func (l *lowerer) partBits(p part) *Value {
	n := l.constant(32, uint64(width(p.pieces)))
	if p.slice != nil {
		n = p.slice[varLen]
	}
	return l.partThere(p, n, l.constant(32, 0))
}

// sumChain adds 16-bit words, or gives their exclusive or. Each part is summed as
// if it began a word, and the sum then turned by the bits that the word had before
// it: modulo 2^16 - 1 shifting is turning. A sum stays 0 for zeros alone.
func (l *lowerer) sumChain(data []part, xor bool) *Value {
	word, zero := l.constant(32, 0xffff), l.constant(32, 0)
	total, phase := zero, zero
	for _, p := range data {
		var x *Value
		switch {
		case p.slice != nil:
			x = l.emit(&Value{Op: OpSliceSum, Type: 16, Args: []*Value{p.slice[varAt], p.slice[varLen]}, N: int(bit(xor))})
		case xor:
			x = l.xor16(p.pieces)
		default:
			x = l.op(OpNot, 16, l.csum16(p.pieces))
		}
		x = l.op(OpZext, 32, x)
		// Both amounts are below 32.
		right := l.op(OpShr, 32, x, phase)
		left := l.op(OpShl, 32, x, l.op(OpSub, 32, l.constant(32, 16), phase))
		x = l.op(OpAnd, 32, l.op(OpOr, 32, right, left), word)
		x = l.partThere(p, x, zero)
		if xor {
			total = l.op(OpXor, 32, total, x)
		} else {
			total = l.op(OpAdd, 32, total, x)
			total = l.op(OpAdd, 32, l.op(OpAnd, 32, total, word), l.op(OpShr, 32, total, l.constant(8, 16)))
		}
		phase = l.op(OpAnd, 32, l.op(OpAdd, 32, phase, l.partBits(p)), l.constant(32, 15))
	}
	return l.op(OpTrunc, 16, total)
}

// crcChain continues a CRC part by part. Bits that fill no byte wait for the next
// part.
func (l *lowerer) crcChain(algo string, w Type, data []part, pos ir.Pos) *Value {
	state := l.constant(w, 0)
	var rest []*Value // fewer than 8 bits
	on := func(pieces []*Value) *Value {
		if len(pieces) == 0 {
			return state
		}
		return l.crcOn(algo, state, pieces)
	}
	for _, p := range data {
		if p.slice != nil {
			if len(rest) > 0 {
				l.refuse(pos, "field list", fmt.Sprintf("%d bits stand before a part of variable size, which a CRC takes at whole bytes only", width(rest)))
			}
			next := l.emit(&Value{Op: OpSliceCRC, Type: w, Args: []*Value{state, p.slice[varAt], p.slice[varLen]}})
			state = l.partThere(p, next, state)
			continue
		}
		n := width(p.pieces)
		if n == 0 {
			continue
		}
		have := width(rest)
		all := append(rest[:len(rest):len(rest)], p.pieces...)
		whole := (have + n) / 8 * 8
		left := have + n - whole
		if p.valid != nil && left != have {
			l.refuse(pos, "field list", fmt.Sprintf("a header of %d bits that may be invalid, which is no whole bytes", n))
		}
		var bytes, last []*Value
		if whole > 0 {
			bytes = l.slice(all, left, whole)
		}
		if left > 0 {
			last = []*Value{l.gather(all, 0, left)}
		}
		state = l.partThere(p, on(bytes), state)
		if p.valid != nil && left > 0 {
			last = l.choose(l.known(p.valid), last, rest)
		}
		rest = last
	}
	if n := width(rest); n > 0 {
		state = on([]*Value{l.gather(append(rest, l.constant(Type(8-n), 0)), 0, 8)})
	}
	return state
}

// headChain is the first eight bytes as a number, or all of fewer.
func (l *lowerer) headChain(data []part) *Value {
	sixtyFour := l.constant(32, 64)
	acc, bits := l.constant(64, 0), l.constant(32, 0) // from the top
	add := func(p part, v, n *Value) {
		// v stands at the top of its 64 bits.
		full := l.op(OpUle, 1, sixtyFour, bits)
		v = l.op(OpShr, 64, v, l.sel(full, l.constant(32, 0), bits))
		v = l.sel(full, l.constant(64, 0), v)
		acc = l.op(OpOr, 64, acc, l.partThere(p, v, l.constant(64, 0)))
		bits = l.op(OpAdd, 32, bits, l.partThere(p, n, l.constant(32, 0)))
	}
	for _, p := range data {
		if p.slice != nil {
			v := l.emit(&Value{Op: OpLoadBits, Type: 64, Args: []*Value{p.slice[varAt]}, N: 64})
			n := p.slice[varLen]
			long := l.op(OpUle, 1, sixtyFour, n)
			// Of a slice of n bits the lowest 64 - n of v are not it.
			m := l.op(OpSub, 32, l.constant(32, 63), l.sel(long, l.constant(32, 63), n))
			m = l.op(OpShl, 64, l.op(OpShl, 64, l.constant(64, ^uint64(0)), m), l.constant(8, 1))
			v = l.sel(long, v, l.op(OpAnd, 64, v, m))
			add(p, v, n)
			continue
		}
		for _, x := range p.pieces {
			v := l.op(OpShl, 64, l.op(OpZext, 64, x), l.constant(8, uint64(64-x.Type)))
			add(p, v, l.constant(32, uint64(x.Type)))
		}
	}
	// Whole bytes: bits rounded up.
	bits = l.op(OpAnd, 32, l.add(bits, 7), l.constant(32, 0xfffffff8))
	bits = l.sel(l.op(OpUlt, 1, sixtyFour, bits), sixtyFour, bits)
	none := l.op(OpEq, 1, bits, l.constant(32, 0))
	v := l.op(OpShr, 64, acc, l.sel(none, l.constant(32, 0), l.op(OpSub, 32, sixtyFour, bits)))
	return l.sel(none, l.constant(64, 0), v)
}
