// Package p4value turns values as people write them (10.0.0.0/24,
// 02:00:00:00:00:01, 0x1f, 42) into P4Runtime's canonical byte strings of a
// known width, and back.
//
// Must not import: anything of p4nic.
package p4value

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads one value of a field of width bits. Accepted: decimal, 0x, 0b and
// 0o numbers with _ between digits, as in P4; IPv4 addresses (32 bits), IPv6
// addresses (128 bits), MAC addresses (48 bits); true and false (1 bit). The
// result is big-endian and canonical: no leading zero bytes, one zero byte for 0
// (p4rt:B5). Width 0 is a string that the device translates: its bytes as they are.
func Parse(s string, width int) ([]byte, error) {
	if s == "" {
		return nil, errors.New("a value is missing")
	}
	if width == 0 {
		return []byte(s), nil
	}
	v, err := parseInt(s, width)
	if err != nil {
		return nil, err
	}
	if v.Sign() < 0 {
		return nil, fmt.Errorf("%s is negative", s)
	}
	if v.BitLen() > width {
		return nil, fmt.Errorf("%s does not fit in bit<%d> (largest value %s)", s, width, maxText(width))
	}
	return Canonical(v.Bytes()), nil
}

func maxText(width int) string {
	if width > 64 {
		return fmt.Sprintf("2^%d-1", width)
	}
	return ones(width).String()
}

func ones(width int) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(1), uint(width))
	return v.Sub(v, big.NewInt(1))
}

func parseInt(s string, width int) (*big.Int, error) {
	switch {
	case width == 1 && s == "true":
		return big.NewInt(1), nil
	case width == 1 && s == "false":
		return new(big.Int), nil
	case strings.Count(s, ":") == 5 && !strings.Contains(s, "::"):
		return parseMAC(s, width)
	case strings.Contains(s, ":") || strings.Count(s, ".") == 3:
		return parseIP(s, width)
	}
	// A leading zero does not make a number octal, as in P4 (lang:L8).
	digits := strings.TrimLeft(s, "0")
	if len(digits) == len(s) || digits == "" || strings.ContainsRune("xXbBoO", rune(digits[0])) {
		digits = s
	}
	if v, ok := new(big.Int).SetString(strings.TrimPrefix(digits, "_"), 0); ok {
		return v, nil
	}
	return nil, fmt.Errorf("%q is no number, IP address or MAC address", s)
}

// parseIP reads an address of exactly the field's width: an IPv4 address in a
// wider field would mean different things to different people.
func parseIP(s string, width int) (*big.Int, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil, fmt.Errorf("%q is no IP or MAC address", s)
	}
	if a.BitLen() != width {
		kind := "IPv4"
		if a.Is6() {
			kind = "IPv6"
		}
		return nil, fmt.Errorf("%s is an %s address of %d bits, the field is bit<%d>", s, kind, a.BitLen(), width)
	}
	return new(big.Int).SetBytes(a.AsSlice()), nil
}

func parseMAC(s string, width int) (*big.Int, error) {
	v := new(big.Int)
	for _, part := range strings.Split(s, ":") {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil {
			return nil, fmt.Errorf("%q is no MAC address", s)
		}
		v.Or(v.Lsh(v, 8), new(big.Int).SetUint64(n))
	}
	if width != 48 {
		return nil, fmt.Errorf("%s is a MAC address of 48 bits, the field is bit<%d>", s, width)
	}
	return v, nil
}

// Canonical strips leading zero bytes; zero is one byte.
func Canonical(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 {
		return []byte{0}
	}
	return b
}

// Prefix reads VALUE/LEN, VALUE (the whole width) or * (don't care: length 0).
// Bits beyond the prefix must be 0.
func Prefix(s string, width int) (value []byte, length int, err error) {
	if s == "*" {
		return []byte{0}, 0, nil
	}
	text, lenText, has := strings.Cut(s, "/")
	length = width
	if has {
		n, err := strconv.ParseUint(lenText, 10, 31)
		if err != nil || n > uint64(width) {
			return nil, 0, fmt.Errorf("%s: the prefix length must be 0 to %d", s, width)
		}
		length = int(n)
	}
	if value, err = Parse(text, width); err != nil {
		return nil, 0, err
	}
	v := new(big.Int).SetBytes(value)
	if masked := new(big.Int).And(v, PrefixMask(length, width)); masked.Cmp(v) != 0 {
		return nil, 0, fmt.Errorf("%s has bits beyond its prefix; did you mean %s/%d?", s, Format(masked.Bytes(), width, guess(text, width)), length)
	}
	return value, length, nil
}

// PrefixMask is length ones followed by zeros, width bits.
func PrefixMask(length, width int) *big.Int {
	return new(big.Int).Lsh(ones(length), uint(width-length))
}

// Ternary reads VALUE&&&MASK, VALUE/LEN, VALUE (all bits) or * (don't care: nil,
// as is a mask of zeros). Value bits outside the mask must be 0.
func Ternary(s string, width int) (value, mask []byte, err error) {
	v, m, ok := strings.Cut(s, "&&&")
	if !ok {
		value, n, err := Prefix(s, width)
		if err != nil || n == 0 {
			return nil, nil, err
		}
		return value, Canonical(PrefixMask(n, width).Bytes()), nil
	}
	if value, err = Parse(v, width); err != nil {
		return nil, nil, err
	}
	if mask, err = Parse(m, width); err != nil {
		return nil, nil, fmt.Errorf("mask: %w", err)
	}
	bits := new(big.Int).SetBytes(mask)
	if new(big.Int).AndNot(new(big.Int).SetBytes(value), bits).Sign() != 0 {
		return nil, nil, fmt.Errorf("%s: the value has bits outside the mask", s)
	}
	if bits.Sign() == 0 {
		return nil, nil, nil
	}
	return value, mask, nil
}

// Range reads LOW..HIGH, VALUE or * (don't care: nil, as is the full range).
func Range(s string, width int) (low, high []byte, err error) {
	if s == "*" {
		return nil, nil, nil
	}
	l, h, ok := strings.Cut(s, "..")
	if !ok {
		h = l
	}
	if low, err = Parse(l, width); err != nil {
		return nil, nil, err
	}
	if high, err = Parse(h, width); err != nil {
		return nil, nil, err
	}
	lo, hi := new(big.Int).SetBytes(low), new(big.Int).SetBytes(high)
	if lo.Cmp(hi) > 0 {
		return nil, nil, fmt.Errorf("%s: the lower end is above the upper end", s)
	}
	if lo.Sign() == 0 && hi.Cmp(ones(width)) == 0 {
		return nil, nil, nil
	}
	return low, high, nil
}
