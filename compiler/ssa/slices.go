package ssa

import (
	"bytes"
	"errors"
	"fmt"
)

// Slices of the packet: a bit offset and a number of bits. A varbit field is one:
// nothing but an extract gives it content, so all of its copies name the same bits
// of the packet, which does not change until the deparser. The payload is another.
// The operations on them stand for loops over bytes:
//
//	OpLoadBits     Args: bit offset. Type = N bits of the packet; 0 beyond its end
//	OpSliceEq      Args: offset, offset, bits: whether the two slices are equal. N =
//	               bytes that they have at most. Type 1
//	OpSliceSum     Args: offset, bits: one's complement sum (N = 0) or exclusive or
//	               (N = 1) of the slice's 16-bit words, the last filled up with
//	               zeros; a sum is 0 for zeros only. Type 16
//	OpSliceCRC     Args: CRC of what comes before, offset, bits: the CRC with the
//	               slice, as OpCRC16 (Type 16) and OpCRC32 (Type 32)
//	OpScratchCopy  Args: bit offset in the image, offset, bits: copies the slice.
//	               N = bytes that it has at most; all are multiples of 8. Effect
//	OpScratchMove  the same for any bits. Effect
//	OpScratchBits  Args: bit offset in the image, value: writes the value; the rest
//	               of the last byte becomes 0, what is before stays. Effect
//
// Offsets and sizes have Type 32. The offsets and sizes that OpSliceEq,
// OpSliceSum and OpSliceCRC get are multiples of 8.

// slice checks the operations on slices.
func (c *checker) slice(v *Value) error {
	want := map[Op][]Type{
		OpLoadBits: {32}, OpSliceEq: {32, 32, 32}, OpSliceSum: {32, 32}, OpSliceCRC: {v.Type, 32, 32},
		OpScratchCopy: {32, 32, 32}, OpScratchMove: {32, 32, 32}, OpScratchBits: {32, 0},
	}[v.Op]
	if len(v.Args) != len(want) {
		return fmt.Errorf("%d operands, not %d", len(v.Args), len(want))
	}
	for i, t := range want {
		if t != 0 && v.Args[i].Type != t || v.Args[i].Type == Ptr {
			return errors.New("operand of a wrong type")
		}
	}
	ok := true
	switch v.Op {
	case OpLoadBits:
		ok = v.N >= 1 && v.N <= 64 && v.Type == Type(v.N)
	case OpSliceEq:
		ok = v.Type == 1
	case OpSliceSum:
		ok = v.Type == 16
	case OpSliceCRC:
		ok = v.Type == 16 || v.Type == 32
	case OpScratchBits:
		ok = v.Args[1].Type <= 56
	}
	if !ok {
		return errors.New("result of a wrong type")
	}
	return nil
}

// evalSlice runs the operations on slices.
func (r *run) evalSlice(v *Value) (uint64, error) {
	a := func(i int) uint64 { return r.vals[v.Args[i]] }
	part := func(at, n uint64) ([]byte, error) {
		if at+n > 8*uint64(len(r.data)) {
			return nil, fmt.Errorf("bits %d to %d of %d bytes", at, at+n, len(r.data))
		}
		return cutBits(r.data, at, n), nil
	}
	switch v.Op {
	case OpLoadBits:
		var x uint64
		for i := range uint64(v.N) {
			x = x<<1 | bitOf(r.data, a(0)+i)
		}
		return x, nil
	case OpSliceEq:
		x, err := part(a(0), a(2))
		y, err2 := part(a(1), a(2))
		return bit(bytes.Equal(x, y)), errors.Join(err, err2)
	case OpSliceSum:
		b, err := part(a(0), a(1))
		if err != nil {
			return 0, err
		}
		if v.N == 1 {
			return xorWords(b), nil
		}
		return sumWords(b), nil
	case OpSliceCRC:
		b, err := part(a(1), a(2))
		if err != nil {
			return 0, err
		}
		if v.Type == 16 {
			return uint64(crc16On(uint16(a(0)), b)), nil
		}
		return uint64(crc32On(uint32(a(0)), b)), nil
	case OpScratchCopy, OpScratchMove:
		if v.Op == OpScratchCopy && (a(0)|a(1)|a(2))&7 != 0 {
			return 0, errors.New("a copy of parts of bytes")
		}
		if a(2) > 8*uint64(v.N) {
			return 0, fmt.Errorf("copy of %d bits, at most %d bytes", a(2), v.N)
		}
		if _, err := part(a(1), a(2)); err != nil {
			return 0, err
		}
		for i := range a(2) {
			if err := setBit(r.image, a(0)+i, bitOf(r.data, a(1)+i)); err != nil {
				return 0, err
			}
		}
	case OpScratchBits:
		w := uint64(v.Args[1].Type)
		for i := range w {
			if err := setBit(r.image, a(0)+i, a(1)>>(w-1-i)&1); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

// bitOf gives bit i of b, most significant first; 0 beyond its end.
func bitOf(b []byte, i uint64) uint64 {
	if i/8 >= uint64(len(b)) {
		return 0
	}
	return uint64(b[i/8]) >> (7 - i%8) & 1
}

// setBit sets bit i of b and clears the rest of its byte.
func setBit(b []byte, i, v uint64) error {
	if i/8 >= uint64(len(b)) {
		return fmt.Errorf("bit %d of an image of %d bytes", i, len(b))
	}
	keep := byte(0xff) << (8 - i%8)
	b[i/8] = b[i/8]&keep | byte(v<<(7-i%8))
	return nil
}

// cutBits gives n bits from bit at on, filled up with zeros to whole bytes.
func cutBits(b []byte, at, n uint64) []byte {
	out := make([]byte, (n+7)/8)
	if at%8 == 0 && n%8 == 0 {
		copy(out, b[at/8:])
		return out
	}
	for i := range n {
		out[i/8] |= byte(bitOf(b, at+i) << (7 - i%8))
	}
	return out
}

// sumWords is the one's complement sum of 16-bit words.
func sumWords(b []byte) uint64 {
	var s uint64
	for i, x := range b {
		s += uint64(x) << (8 * (1 - i&1))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

func xorWords(b []byte) (x uint64) {
	for i, c := range b {
		x ^= uint64(c) << (8 * (1 - i&1))
	}
	return x
}
