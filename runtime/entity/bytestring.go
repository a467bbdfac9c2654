package entity

import (
	"encoding/hex"

	"github.com/p4nic/p4nic/compiler/ir"
)

// AppendBits appends the machine form of the unsigned big-endian value b, which
// may have any number of leading zero bytes, and tells whether it fits w bits
// (P4Runtime section 8.4). An empty b never does.
func AppendBits(dst, b []byte, w int) ([]byte, bool) {
	if len(b) == 0 {
		return dst, false
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	n := ir.ByteWidth(w)
	if len(b) > n || len(b) == n && n > 0 && w%8 != 0 && b[0]>>(w%8) != 0 {
		return dst, false
	}
	for i := len(b); i < n; i++ {
		dst = append(dst, 0)
	}
	return append(dst, b...), true
}

// AppendInt is AppendBits for int<w>: b is two's complement, sign extended to
// any length.
func AppendInt(dst, b []byte, w int) ([]byte, bool) {
	if len(b) == 0 || w < 1 {
		return dst, false
	}
	var fill byte
	if b[0]&0x80 != 0 {
		fill = 0xff
	}
	n := ir.ByteWidth(w)
	for len(b) > n {
		if b[0] != fill {
			return dst, false
		}
		b = b[1:]
	}
	top := fill
	if len(b) == n {
		top = b[0]
	}
	// The bits of the highest byte from the sign bit upwards must all be equal.
	sign := uint((w - 1) % 8)
	if top>>sign != fill>>sign {
		return dst, false
	}
	mask := byte(0xff)
	if w%8 != 0 {
		mask = 1<<(w%8) - 1
	}
	start := len(dst)
	for i := len(b); i < n; i++ {
		dst = append(dst, fill)
	}
	dst = append(dst, b...)
	dst[start] &= mask
	return dst, true
}

// Canonical is the shortest form of a big-endian unsigned value, one byte 00
// for zero. The result aliases b where it can.
func Canonical(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 {
		return []byte{0}
	}
	return b
}

// CanonicalInt is the shortest two's complement form of the machine form b of
// an int<w>.
func CanonicalInt(b []byte, w int) []byte {
	if len(b) == 0 {
		return []byte{0}
	}
	b = append([]byte(nil), b...)
	if used := uint(w % 8); used != 0 && b[0]>>(used-1)&1 != 0 {
		b[0] |= 0xff << used
	}
	for len(b) > 1 && (b[0] == 0 && b[1]&0x80 == 0 || b[0] == 0xff && b[1]&0x80 != 0) {
		b = b[1:]
	}
	return b
}

// Hex is the form of values in messages: 0x and the bytes, cut after 16.
func Hex(b []byte) string {
	if len(b) == 0 {
		return "(empty)"
	}
	if len(b) > 16 {
		return "0x" + hex.EncodeToString(b[:16]) + "..."
	}
	return "0x" + hex.EncodeToString(b)
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
