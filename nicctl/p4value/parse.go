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
	"strings"
)

// Parse reads one value of a field of width bits (0: any length, e.g. a
// translated string). Accepted: decimal, 0x, 0b and 0o numbers, IPv4 (32 bits,
// or wider, right aligned), IPv6 (128 bits), MAC addresses (48 bits), true and
// false (1 bit). The result is big-endian and canonical: no leading zero bytes,
// one zero byte for 0 (p4rt:B5).
func Parse(s string, width int) ([]byte, error) {
	v, err := parseInt(s, width)
	if err != nil {
		return nil, err
	}
	if v.Sign() < 0 {
		return nil, fmt.Errorf("%s is negative", s)
	}
	if width > 0 && v.BitLen() > width {
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
	t := strings.TrimSpace(s)
	switch {
	case t == "":
		return nil, errors.New("a value is missing")
	case width == 1 && t == "true":
		return big.NewInt(1), nil
	case width == 1 && t == "false":
		return new(big.Int), nil
	case strings.Count(t, ":") == 5 && len(t) == 17:
		return parseMAC(t, width)
	case strings.ContainsAny(t, ":") || strings.Count(t, ".") == 3:
		a, err := netip.ParseAddr(t)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%q is no IP or MAC address", s)
		}
		if a.Is6() && width != 0 && width < 128 {
			return nil, fmt.Errorf("%s is an IPv6 address, the field is bit<%d>", s, width)
		}
		if a.Is4() && width != 0 && width < 32 {
			return nil, fmt.Errorf("%s is an IPv4 address, the field is bit<%d>", s, width)
		}
		return new(big.Int).SetBytes(a.AsSlice()), nil
	}
	v, ok := new(big.Int).SetString(strings.TrimPrefix(t, "+"), 0)
	if !ok {
		// A leading zero is decimal here, as in P4 (lang:L8).
		v, ok = new(big.Int).SetString(t, 10)
	}
	if !ok {
		return nil, fmt.Errorf("%q is no number, IP address or MAC address", s)
	}
	return v, nil
}

func parseMAC(s string, width int) (*big.Int, error) {
	v, ok := new(big.Int).SetString(strings.ReplaceAll(s, ":", ""), 16)
	if !ok || v.Sign() < 0 {
		return nil, fmt.Errorf("%q is no MAC address", s)
	}
	if width != 0 && width < 48 {
		return nil, fmt.Errorf("%s is a MAC address, the field is bit<%d>", s, width)
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

// Prefix reads VALUE/LEN; without /LEN the whole width is the prefix. Bits
// beyond the prefix must be 0.
func Prefix(s string, width int) (value []byte, length int, err error) {
	text, lenText, has := strings.Cut(s, "/")
	length = width
	if has {
		n, ok := new(big.Int).SetString(lenText, 10)
		if !ok || !n.IsInt64() || n.Int64() < 0 || n.Int64() > int64(width) {
			return nil, 0, fmt.Errorf("%s: the prefix length must be 0 to %d", s, width)
		}
		length = int(n.Int64())
	}
	value, err = Parse(text, width)
	if err != nil {
		return nil, 0, err
	}
	v := new(big.Int).SetBytes(value)
	masked := new(big.Int).And(v, PrefixMask(length, width))
	if masked.Cmp(v) != 0 {
		return nil, 0, fmt.Errorf("%s has bits beyond its prefix; did you mean %s/%d?", s, Format(masked.Bytes(), width, guess(text, width)), length)
	}
	return value, length, nil
}

// PrefixMask is length ones followed by zeros, width bits.
func PrefixMask(length, width int) *big.Int {
	return new(big.Int).Lsh(ones(length), uint(width-length))
}

// Ternary reads VALUE&&&MASK, VALUE/LEN, VALUE (all bits) or * (don't care: nil).
// Value bits outside the mask must be 0.
func Ternary(s string, width int) (value, mask []byte, err error) {
	if s == "*" {
		return nil, nil, nil
	}
	if v, m, ok := strings.Cut(s, "&&&"); ok {
		if value, err = Parse(v, width); err != nil {
			return nil, nil, err
		}
		if mask, err = Parse(m, width); err != nil {
			return nil, nil, err
		}
	} else {
		v, n, err := Prefix(s, width)
		if err != nil {
			return nil, nil, err
		}
		value, mask = v, Canonical(PrefixMask(n, width).Bytes())
	}
	m := new(big.Int).SetBytes(mask)
	if m.Sign() == 0 {
		return nil, nil, nil
	}
	if v := new(big.Int).SetBytes(value); new(big.Int).AndNot(v, m).Sign() != 0 {
		return nil, nil, fmt.Errorf("%s: the value has bits outside the mask", s)
	}
	return value, mask, nil
}

// Range reads LOW..HIGH, VALUE or * (don't care: nil). The full range is don't
// care too.
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
