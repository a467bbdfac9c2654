package p4value

import (
	"fmt"
	"math/big"
	"net/netip"
	"strings"
)

// Style is how a value is shown.
type Style int

const (
	Decimal Style = iota
	IPv4
	IPv6
	MAC
	Hex
)

// StyleFor chooses a style by the width and the name of a field: addresses look
// like addresses, all else like numbers. format is the body of an annotation
// @format("IPV4_ADDRESS" ...) where the program has one, else "".
func StyleFor(name string, width int, format string) Style {
	format = strings.Trim(format, `"`)
	switch { // an address of another width could not be read back
	case format == "IPV4_ADDRESS" && width == 32:
		return IPv4
	case format == "IPV6_ADDRESS" && width == 128:
		return IPv6
	case format == "MAC_ADDRESS" && width == 48:
		return MAC
	case format == "HEX_STRING":
		return Hex
	}
	switch {
	case width == 48:
		return MAC
	case width == 128:
		return IPv6
	case width == 32 && looksLikeAddress(name):
		return IPv4
	case width > 64:
		return Hex
	}
	return Decimal
}

// looksLikeAddress tells whether a word of the last part of a name means an
// address: src_addr, dstAddr, gateway_ip, but not pipeline or multiplier.
func looksLikeAddress(name string) bool {
	name = name[strings.LastIndexByte(name, '.')+1:]
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' }) {
		word = strings.ToLower(word)
		switch word {
		case "ip", "ipv4", "ip4", "src", "dst", "prefix", "gateway", "nexthop":
			return true
		}
		for _, end := range []string{"addr", "address", "neighbor", "neighbour"} {
			if strings.HasSuffix(word, end) {
				return true
			}
		}
	}
	return false
}

// guess is the style of a value that a user wrote.
func guess(s string, width int) Style {
	switch {
	case strings.Contains(s, ":") && width == 48:
		return MAC
	case strings.Contains(s, ":") && width == 128:
		return IPv6
	case strings.Count(s, ".") == 3 && width == 32:
		return IPv4
	case strings.HasPrefix(s, "0x"):
		return Hex
	}
	return Decimal
}

// Format shows a big-endian value of width bits as Parse reads it.
func Format(b []byte, width int, style Style) string {
	if width == 0 {
		return string(b)
	}
	v := new(big.Int).SetBytes(b)
	switch {
	case style == IPv4 && v.BitLen() <= 32:
		return netip.AddrFrom4([4]byte(v.FillBytes(make([]byte, 4)))).String()
	case style == IPv6 && v.BitLen() <= 128:
		return netip.AddrFrom16([16]byte(v.FillBytes(make([]byte, 16)))).String()
	case style == MAC && v.BitLen() <= 48:
		m := v.FillBytes(make([]byte, 6))
		return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
	case style == Hex:
		return fmt.Sprintf("0x%x", v)
	}
	return v.String()
}

// FormatTernary shows a value under a mask: alone where all bits count, as a
// prefix where the mask is one of an IP address, else as VALUE&&&MASK.
func FormatTernary(value, mask []byte, width int, style Style) string {
	m := new(big.Int).SetBytes(mask)
	n, prefix := prefixLength(m, width)
	switch {
	case prefix && n == width:
		return Format(value, width, style)
	case prefix && (style == IPv4 || style == IPv6):
		return fmt.Sprintf("%s/%d", Format(value, width, style), n)
	case style == Decimal:
		return fmt.Sprintf("%s&&&0x%x", Format(value, width, style), m)
	}
	return Format(value, width, style) + "&&&" + Format(mask, width, style)
}

// prefixLength tells whether m is a prefix mask of width bits.
func prefixLength(m *big.Int, width int) (int, bool) {
	n := 0
	for n < width && m.Bit(width-1-n) == 1 {
		n++
	}
	return n, PrefixMask(n, width).Cmp(m) == 0
}
