// Package refops is a second opinion (D10): the operators, casts, hashes,
// checksums and match kinds of P4 once more, over big integers and linear scans,
// written from the specifications. Property tests compare every engine with it.
//
// In: operands as big integers in the value domain of their type (0..2^W-1, or
// -2^(W-1)..2^(W-1)-1). Out: the result in the domain of its type.
// Imported by tests only; it shares no code with exec, ssa or a back end, and
// takes from ir only the names of operators and the form of entries.
//
// Sources: P4_16 specification v1.2.5, sections 8.5 to 8.11 (expressions) and
// 14.2.1 (match kinds); RFC 1071 (checksum); the CRC catalogue's CRC-16/ARC and
// CRC-32/ISO-HDLC. What the specification leaves open is as DESIGN.md has it:
// division by zero gives 0.
package refops

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// T is bit<W>, or int<W> when Signed. bool is bit<1>.
type T struct {
	W      int
	Signed bool
}

func pow2(n int) *big.Int { return new(big.Int).Exp(big.NewInt(2), big.NewInt(int64(n)), nil) }

// Min and Max bound the values of t.
func (t T) Min() *big.Int {
	if t.Signed {
		return new(big.Int).Neg(pow2(t.W - 1))
	}
	return new(big.Int)
}

func (t T) Max() *big.Int {
	if t.Signed {
		return new(big.Int).Sub(pow2(t.W-1), big.NewInt(1))
	}
	return new(big.Int).Sub(pow2(t.W), big.NewInt(1))
}

// Wrap is the value of t that is v modulo 2^W.
func (t T) Wrap(v *big.Int) *big.Int {
	r := new(big.Int).Mod(v, pow2(t.W)) // Euclidean: never negative
	if t.Signed && r.Cmp(t.Max()) > 0 {
		r.Sub(r, pow2(t.W))
	}
	return r
}

// Clamp is v, or the bound of t that it is beyond.
func (t T) Clamp(v *big.Int) *big.Int {
	if v.Cmp(t.Min()) < 0 {
		return t.Min()
	}
	if v.Cmp(t.Max()) > 0 {
		return t.Max()
	}
	return new(big.Int).Set(v)
}

// Bits reads v as an unsigned string of W bits.
func (t T) Bits(v *big.Int) *big.Int { return new(big.Int).Mod(v, pow2(t.W)) }

func truth(b bool) *big.Int {
	if b {
		return big.NewInt(1)
	}
	return new(big.Int)
}

// Binary is x op y. Operands have type t, but that of shifts is y >= 0 of any
// type. Comparisons give 0 or 1. Concat is a function of its own.
func Binary(op ir.Op, t T, x, y *big.Int) *big.Int {
	z := new(big.Int)
	switch op {
	case ir.Add:
		return t.Wrap(z.Add(x, y))
	case ir.Sub:
		return t.Wrap(z.Sub(x, y))
	case ir.Mul:
		return t.Wrap(z.Mul(x, y))
	case ir.Div, ir.Mod:
		if y.Sign() == 0 {
			return z
		}
		q, r := new(big.Int).QuoRem(x, y, new(big.Int)) // truncated
		if op == ir.Div {
			return t.Wrap(q)
		}
		return t.Wrap(r)
	case ir.AddSat:
		return t.Clamp(z.Add(x, y))
	case ir.SubSat:
		return t.Clamp(z.Sub(x, y))
	case ir.And, ir.Or, ir.Xor:
		return bitwise(op, t, x, y)
	case ir.Shl:
		if y.Cmp(big.NewInt(int64(t.W))) >= 0 {
			return z
		}
		return t.Wrap(z.Mul(x, pow2(int(y.Int64()))))
	case ir.Shr:
		n := t.W
		if y.Cmp(big.NewInt(int64(t.W))) < 0 {
			n = int(y.Int64())
		}
		// Division that rounds down is an arithmetic shift for negative numbers.
		return z.Div(x, pow2(n))
	case ir.Eq:
		return truth(x.Cmp(y) == 0)
	case ir.Ne:
		return truth(x.Cmp(y) != 0)
	case ir.Lt:
		return truth(x.Cmp(y) < 0)
	case ir.Le:
		return truth(x.Cmp(y) <= 0)
	case ir.Gt:
		return truth(x.Cmp(y) > 0)
	case ir.Ge:
		return truth(x.Cmp(y) >= 0)
	case ir.LAnd:
		return truth(x.Sign() != 0 && y.Sign() != 0)
	case ir.LOr:
		return truth(x.Sign() != 0 || y.Sign() != 0)
	}
	panic(fmt.Sprintf("refops: %v is no binary operator", op))
}

// bitwise works bit by bit on the strings of bits.
func bitwise(op ir.Op, t T, x, y *big.Int) *big.Int {
	a, b := t.Bits(x), t.Bits(y)
	z := new(big.Int)
	for i := range t.W {
		p, q := a.Bit(i), b.Bit(i)
		var r uint
		switch op {
		case ir.And:
			r = p * q
		case ir.Or:
			r = p + q - p*q
		default:
			r = p + q - 2*p*q
		}
		z.SetBit(z, i, r)
	}
	return t.Wrap(z)
}

// Unary is op x: Neg, BNot or LNot.
func Unary(op ir.Op, t T, x *big.Int) *big.Int {
	switch op {
	case ir.Neg:
		return t.Wrap(new(big.Int).Neg(x))
	case ir.BNot: // all ones minus the bits
		m := new(big.Int).Sub(pow2(t.W), big.NewInt(1))
		return t.Wrap(m.Sub(m, t.Bits(x)))
	case ir.LNot:
		return truth(x.Sign() == 0)
	}
	panic(fmt.Sprintf("refops: %v is no unary operator", op))
}

// Concat is x ++ y: bits of x above those of y, in a type of the sum of widths.
func Concat(tx, ty T, x, y *big.Int) *big.Int {
	z := new(big.Int).Mul(tx.Bits(x), pow2(ty.W))
	z.Add(z, ty.Bits(y))
	return T{tx.W + ty.W, tx.Signed}.Wrap(z)
}

// Cast is (to)x.
func Cast(to T, x *big.Int) *big.Int { return to.Wrap(x) }

// Slice is x[hi:lo], unsigned.
func Slice(t T, x *big.Int, hi, lo int) *big.Int {
	z := new(big.Int).Div(t.Bits(x), pow2(lo))
	return z.Mod(z, pow2(hi-lo+1))
}

// SetSlice is x after x[hi:lo] = v, v of bit<hi-lo+1>.
func SetSlice(t T, x, v *big.Int, hi, lo int) *big.Int {
	old := Slice(t, x, hi, lo)
	z := t.Bits(x)
	z.Sub(z, old.Mul(old, pow2(lo)))
	z.Add(z, new(big.Int).Mul(v, pow2(lo)))
	return t.Wrap(z)
}

// Field is a value of bits in a list to be hashed.
type Field struct {
	W int
	V *big.Int // 0..2^W-1
}

// Pack concatenates fields, first on top, and fills the last byte with zeros.
func Pack(fs []Field) []byte {
	v, n := new(big.Int), 0
	for _, f := range fs {
		v.Mul(v, pow2(f.W))
		v.Add(v, f.V)
		n += f.W
	}
	pad := (8 - n%8) % 8
	v.Mul(v, pow2(pad))
	return v.FillBytes(make([]byte, (n+pad)/8))
}

// crc divides the message, bit by bit as the wire has reflected ones.
func crc(width int, poly, init, final uint64, data []byte) uint64 {
	reg := init
	top := uint64(1) << (width - 1)
	all := top | (top - 1)
	for _, b := range data {
		for i := range 8 { // least significant bit first
			in := uint64(b) >> i & 1
			out := reg & top / top
			reg = reg << 1 & all
			if in != out {
				reg ^= poly
			}
		}
	}
	var r uint64 // the register is read backwards
	for i := range width {
		r = r<<1 | reg>>i&1
	}
	return r ^ final
}

// CRC16 is CRC-16/ARC, check value 0xbb3d.
func CRC16(data []byte) uint64 { return crc(16, 0x8005, 0, 0, data) }

// CRC32 is CRC-32/ISO-HDLC, check value 0xcbf43926.
func CRC32(data []byte) uint64 { return crc(32, 0x04c11db7, 0xffffffff, 0xffffffff, data) }

// CSum16 is the Internet checksum of RFC 1071.
func CSum16(data []byte) uint64 {
	sum := new(big.Int)
	for i, b := range data {
		w := int64(b)
		if i%2 == 0 {
			w *= 256
		}
		sum.Add(sum, big.NewInt(w))
	}
	for sum.BitLen() > 16 { // add the carries back in
		q, r := new(big.Int).QuoRem(sum, big.NewInt(65536), new(big.Int))
		sum.Add(q, r)
	}
	return 65535 - sum.Uint64()
}

// XOR16 is the exclusive or of 16-bit words, a last odd byte being an upper half.
func XOR16(data []byte) uint64 {
	var hi, lo byte
	for i, b := range data {
		if i%2 == 0 {
			hi ^= b
		} else {
			lo ^= b
		}
	}
	return uint64(hi)*256 + uint64(lo)
}

// Identity is the first eight bytes as a number.
func Identity(data []byte) uint64 {
	if len(data) > 8 {
		data = data[:8]
	}
	return new(big.Int).SetBytes(data).Uint64()
}
