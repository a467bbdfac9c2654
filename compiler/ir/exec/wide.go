package exec

import (
	"math/big"
	"math/bits"
)

// Arithmetic on values over 64 bits: slots, least significant first, all of one
// length unless noted. Bits beyond the width are zero before and after.

func addWide(dst, x, y []uint64, w int) {
	var carry uint64
	for i := range dst {
		dst[i], carry = bits.Add64(x[i], y[i], carry)
	}
	dst[len(dst)-1] &= topMask(w)
}

func subWide(dst, x, y []uint64, w int) {
	var borrow uint64
	for i := range dst {
		dst[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	dst[len(dst)-1] &= topMask(w)
}

func notWide(dst, x []uint64, w int) {
	for i := range dst {
		dst[i] = ^x[i]
	}
	dst[len(dst)-1] &= topMask(w)
}

func cmpWide(x, y []uint64) int {
	for i := len(x) - 1; i >= 0; i-- {
		switch {
		case x[i] < y[i]:
			return -1
		case x[i] > y[i]:
			return 1
		}
	}
	return 0
}

func negative(x []uint64, w int) bool { return bitWide(x, w-1) == 1 }

func bitWide(x []uint64, i int) uint64 { return x[i/64] >> (i % 64) & 1 }

// cmpSigned compares two's complement values of w bits.
func cmpSigned(x, y []uint64, w int) int {
	nx, ny := negative(x, w), negative(y, w)
	switch {
	case nx && !ny:
		return -1
	case ny && !nx:
		return 1
	}
	return cmpWide(x, y)
}

// shlWide sets dst, of its own width w, to x << n; x may be shorter or longer.
func shlWide(dst, x []uint64, n, w int) {
	q, r := n/64, n%64
	for i := len(dst) - 1; i >= 0; i-- {
		var v uint64
		if j := i - q; j >= 0 {
			if j < len(x) {
				v = x[j] << r
			}
			if r > 0 && j > 0 && j-1 < len(x) {
				v |= x[j-1] >> (64 - r)
			}
		}
		dst[i] = v
	}
	dst[len(dst)-1] &= topMask(w)
}

// shrWide sets dst, of its own width w, to x >> n; x may be longer.
func shrWide(dst, x []uint64, n, w int) {
	q, r := n/64, n%64
	for i := range dst {
		var v uint64
		if j := i + q; j < len(x) {
			v = x[j] >> r
			if r > 0 && j+1 < len(x) {
				v |= x[j+1] << (64 - r)
			}
		}
		dst[i] = v
	}
	dst[len(dst)-1] &= topMask(w)
}

// fillWide sets the bits from..w-1 of x.
func fillWide(x []uint64, from, w int) {
	for i := range x {
		lo := from - 64*i
		switch {
		case lo <= 0:
			x[i] = ^uint64(0)
		case lo < 64:
			x[i] |= ^uint64(0) << lo
		}
	}
	x[len(x)-1] &= topMask(w)
}

// toBig reads w bits of x, as two's complement where signed.
func toBig(x []uint64, w int, signed bool) *big.Int {
	v := new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(x[i]))
	}
	if signed && w > 0 && negative(x, w) {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	return v
}

// fromBig stores v in w bits of dst, cutting off what is beyond.
func fromBig(dst []uint64, v *big.Int, w int) {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w))
	m.Sub(m, big.NewInt(1)).And(v, m)
	low := new(big.Int).SetUint64(^uint64(0))
	for i := range dst {
		dst[i] = new(big.Int).And(m, low).Uint64()
		m.Rsh(m, 64)
	}
}

// fromBytes stores big-endian bytes in dst.
func fromBytes(dst []uint64, b []byte) {
	clear(dst)
	for i := range b {
		k := len(b) - 1 - i
		if k/8 < len(dst) {
			dst[k/8] |= uint64(b[i]) << (k % 8 * 8)
		}
	}
}
