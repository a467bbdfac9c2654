package ssa

import "math/bits"

// evalPure computes a scalar operation of type t on operands a, whose types are
// ts. ok is false for operations that are not functions of their operands.
// It is what constant folding and the interpreter mean by each Op.
func evalPure(op Op, t Type, a []uint64, ts []Type) (r uint64, ok bool) {
	m := Mask(t)
	switch op {
	case OpAdd:
		return (a[0] + a[1]) & m, true
	case OpSub:
		return (a[0] - a[1]) & m, true
	case OpMul:
		return a[0] * a[1] & m, true
	case OpDiv:
		if a[1] == 0 {
			return 0, true
		}
		return a[0] / a[1], true
	case OpMod:
		if a[1] == 0 {
			return 0, true
		}
		return a[0] % a[1], true
	case OpAnd:
		return a[0] & a[1], true
	case OpOr:
		return a[0] | a[1], true
	case OpXor:
		return a[0] ^ a[1], true
	case OpNot:
		return ^a[0] & m, true
	case OpShl:
		return a[0] << (a[1] & 63) & m, true
	case OpShr:
		return a[0] >> (a[1] & 63), true
	case OpSar:
		return uint64(signed(a[0], t)>>(a[1]&63)) & m, true
	case OpEq:
		return bit(a[0] == a[1]), true
	case OpNe:
		return bit(a[0] != a[1]), true
	case OpUlt:
		return bit(a[0] < a[1]), true
	case OpUle:
		return bit(a[0] <= a[1]), true
	case OpSlt:
		return bit(signed(a[0], ts[0]) < signed(a[1], ts[1])), true
	case OpSle:
		return bit(signed(a[0], ts[0]) <= signed(a[1], ts[1])), true
	case OpZext:
		return a[0], true
	case OpSext:
		return uint64(signed(a[0], ts[0])) & m, true
	case OpTrunc:
		return a[0] & m, true
	case OpSelect:
		if a[0] != 0 {
			return a[1], true
		}
		return a[2], true
	case OpCRC16:
		return uint64(crc16(argBytes(a, ts))), true
	case OpCRC32:
		return uint64(crc32(argBytes(a, ts))), true
	}
	return 0, false
}

// signed reads the t low bits of v as two's complement.
func signed(v uint64, t Type) int64 {
	s := 64 - uint(t)
	return int64(v<<s) >> s
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// argBytes is what OpCRC16 and OpCRC32 hash.
func argBytes(a []uint64, ts []Type) []byte {
	var out []byte
	for i, v := range a {
		for s := int(ts[i]) - 8; s >= 0; s -= 8 {
			out = append(out, byte(v>>uint(s)))
		}
	}
	return out
}

// crc16 is CRC-16/ARC: polynomial 0x8005 reflected, initial value 0.
func crc16(data []byte) uint16 { return crc16On(0, data) }

// crc16On continues the CRC c.
func crc16On(c uint16, data []byte) uint16 {
	for _, b := range data {
		c ^= uint16(b)
		for range 8 {
			c = c>>1 ^ 0xa001&-(c&1)
		}
	}
	return c
}

// crc32 is CRC-32/ISO-HDLC: polynomial 0x04c11db7 reflected, initial value and
// final inversion all ones.
func crc32(data []byte) uint32 { return crc32On(0, data) }

// crc32On continues the CRC c.
func crc32On(c uint32, data []byte) uint32 {
	c = ^c
	for _, b := range data {
		c ^= uint32(b)
		for range 8 {
			c = c>>1 ^ bits.Reverse32(0x04c11db7)&-(c&1)
		}
	}
	return ^c
}
