package p4value

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestParse: what people write, and the canonical bytes (p4rt:B5).
func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    string
		width int
		want  []byte
	}{
		{"zero is one byte (p4rt:B5)", "0", 8, []byte{0}},
		{"zeros", "000", 8, []byte{0}},
		{"decimal", "42", 8, []byte{42}},
		{"no leading zero byte (p4rt:B5)", "42", 32, []byte{42}},
		{"largest", "255", 8, []byte{255}},
		{"width 9", "511", 9, []byte{1, 255}},
		{"hexadecimal", "0x1F", 8, []byte{0x1f}},
		{"hexadecimal zeros", "0x0001", 8, []byte{1}},
		{"binary", "0b101", 3, []byte{5}},
		{"octal", "0o17", 8, []byte{15}},
		{"a leading zero is decimal (lang:L8)", "010", 8, []byte{10}},
		{"a leading zero and digits above 7", "0089", 8, []byte{89}},
		{"underscores (lang:L8)", "1_000", 16, []byte{3, 232}},
		{"leading zero and underscore", "0_10", 8, []byte{10}},
		{"true", "true", 1, []byte{1}},
		{"false", "false", 1, []byte{0}},
		{"IPv4", "10.0.0.1", 32, []byte{10, 0, 0, 1}},
		{"IPv4 with leading zero bytes", "0.0.0.1", 32, []byte{1}},
		{"IPv6", "2001:db8::1", 128, append([]byte{0x20, 1, 0xd, 0xb8}, append(make([]byte, 11), 1)...)},
		{"IPv6 all zeros", "::", 128, []byte{0}},
		{"MAC", "02:00:00:00:00:01", 48, []byte{2, 0, 0, 0, 0, 1}},
		{"MAC of short parts", "2:0:0:0:0:a", 48, []byte{2, 0, 0, 0, 0, 10}},
		{"wide", "0x1" + strings.Repeat("0", 40), 256, append([]byte{1}, make([]byte, 20)...)},
		{"a translated string", "Ethernet1/1", 0, []byte("Ethernet1/1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.in, c.width)
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("Parse(%q, %d) = %x, %v, want %x", c.in, c.width, got, err, c.want)
			}
		})
	}
}

// TestRefused: the whole text of every refusal.
func TestRefused(t *testing.T) {
	parse := func(s string, w int) error { _, err := Parse(s, w); return err }
	prefix := func(s string, w int) error { _, _, err := Prefix(s, w); return err }
	ternary := func(s string, w int) error { _, _, err := Ternary(s, w); return err }
	interval := func(s string, w int) error { _, _, err := Range(s, w); return err }
	for _, c := range []struct {
		name  string
		f     func(string, int) error
		in    string
		width int
		want  string
	}{
		{"empty (p4rt:B3)", parse, "", 8, "a value is missing"},
		{"word", parse, "eight", 8, `"eight" is no number, IP address or MAC address`},
		{"blank", parse, " 8", 8, `" 8" is no number, IP address or MAC address`},
		{"digit of another base", parse, "0b12", 8, `"0b12" is no number, IP address or MAC address`},
		{"fraction", parse, "1.5", 8, `"1.5" is no number, IP address or MAC address`},
		{"negative", parse, "-1", 8, "-1 is negative"},
		{"too wide (p4rt:B4)", parse, "256", 8, "256 does not fit in bit<8> (largest value 255)"},
		{"too wide for 9 bits", parse, "512", 9, "512 does not fit in bit<9> (largest value 511)"},
		{"too wide for 64 bits", parse, "0x10000000000000000", 64, "0x10000000000000000 does not fit in bit<64> (largest value 18446744073709551615)"},
		{"too wide for 65 bits", parse, "0x20000000000000000", 65, "0x20000000000000000 does not fit in bit<65> (largest value 2^65-1)"},
		{"true is for one bit", parse, "true", 8, `"true" is no number, IP address or MAC address`},
		{"bad IPv4", parse, "10.0.0.256", 32, `"10.0.0.256" is no IP or MAC address`},
		{"bad IPv6", parse, "2001:db8:::1", 128, `"2001:db8:::1" is no IP or MAC address`},
		{"zone", parse, "fe80::1%eth0", 128, `"fe80::1%eth0" is no IP or MAC address`},
		{"bad MAC", parse, "02:00:00:00:00:zz", 48, `"02:00:00:00:00:zz" is no MAC address`},
		{"long part of a MAC", parse, "200:0:0:0:0:1", 48, `"200:0:0:0:0:1" is no MAC address`},
		{"IPv4 in a narrow field", parse, "10.0.0.1", 16, "10.0.0.1 is an IPv4 address of 32 bits, the field is bit<16>"},
		{"IPv4 in an IPv6 field", parse, "10.0.0.1", 128, "10.0.0.1 is an IPv4 address of 32 bits, the field is bit<128>"},
		{"IPv6 in an IPv4 field", parse, "2001:db8::1", 32, "2001:db8::1 is an IPv6 address of 128 bits, the field is bit<32>"},
		{"MAC in an IPv4 field", parse, "02:00:00:00:00:01", 32, "02:00:00:00:00:01 is a MAC address of 48 bits, the field is bit<32>"},
		{"long prefix", prefix, "10.0.0.0/33", 32, "10.0.0.0/33: the prefix length must be 0 to 32"},
		{"negative prefix", prefix, "10.0.0.0/-1", 32, "10.0.0.0/-1: the prefix length must be 0 to 32"},
		{"no prefix", prefix, "10.0.0.0/", 32, "10.0.0.0/: the prefix length must be 0 to 32"},
		{"bits beyond the prefix (p4rt:M7)", prefix, "10.0.0.1/24", 32, "10.0.0.1/24 has bits beyond its prefix; did you mean 10.0.0.0/24?"},
		{"bits beyond an IPv6 prefix", prefix, "2001:db8::1/32", 128, "2001:db8::1/32 has bits beyond its prefix; did you mean 2001:db8::/32?"},
		{"bits beyond a MAC prefix", prefix, "02:00:00:00:00:01/8", 48, "02:00:00:00:00:01/8 has bits beyond its prefix; did you mean 02:00:00:00:00:00/8?"},
		{"bits beyond the prefix of a hexadecimal number", prefix, "0x11/4", 8, "0x11/4 has bits beyond its prefix; did you mean 0x10/4?"},
		{"value of a prefix", prefix, "x/8", 32, `"x" is no number, IP address or MAC address`},
		{"bits outside the mask (p4rt:M8)", ternary, "3&&&1", 8, "3&&&1: the value has bits outside the mask"},
		{"bits outside a mask of zeros", ternary, "3&&&0", 8, "3&&&0: the value has bits outside the mask"},
		{"value of a mask", ternary, "x&&&1", 8, `"x" is no number, IP address or MAC address`},
		{"mask", ternary, "0&&&256", 8, "mask: 256 does not fit in bit<8> (largest value 255)"},
		{"no mask", ternary, "0&&&", 8, "mask: a value is missing"},
		{"ends of a range (p4rt:M9)", interval, "5..4", 8, "5..4: the lower end is above the upper end"},
		{"lower end", interval, "..4", 8, "a value is missing"},
		{"upper end", interval, "4..256", 8, "256 does not fit in bit<8> (largest value 255)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.f(c.in, c.width)
			if err == nil || err.Error() != c.want {
				t.Errorf("%q, %d bits: %v\nwant %s", c.in, c.width, err, c.want)
			}
		})
	}
}

func TestDontCare(t *testing.T) {
	for _, s := range []string{"*", "0/0", "0.0.0.0/0", "0&&&0"} {
		if v, m, err := Ternary(s, 32); v != nil || m != nil || err != nil {
			t.Errorf("Ternary(%q) = %x, %x, %v, want don't care", s, v, m, err)
		}
	}
	for _, s := range []string{"*", "0..65535", "0x0..0xffff"} {
		if l, h, err := Range(s, 16); l != nil || h != nil || err != nil {
			t.Errorf("Range(%q) = %x, %x, %v, want don't care", s, l, h, err)
		}
	}
	for _, s := range []string{"*", "0/0", "0.0.0.0/0"} {
		if v, n, err := Prefix(s, 32); !bytes.Equal(v, []byte{0}) || n != 0 || err != nil {
			t.Errorf("Prefix(%q) = %x/%d, %v, want don't care", s, v, n, err)
		}
	}
}

// TestStyle: addresses look like addresses.
func TestStyle(t *testing.T) {
	for _, c := range []struct {
		name   string
		width  int
		format string
		want   Style
	}{
		{"hdr.ipv4.dst_addr", 32, "", IPv4},
		{"hdr.ipv4.dstAddr", 32, "", IPv4},
		{"prefix", 32, "", IPv4},
		{"gateway", 32, "", IPv4},
		{"nhop_ipv4", 32, "", IPv4},
		{"src", 32, "", IPv4},
		{"meta.pipeline", 32, "", Decimal},
		{"description", 32, "", Decimal},
		{"hdr.ip.id", 32, "", Decimal},
		{"dst_addr", 16, "", Decimal},
		{"dst_addr", 48, "", MAC},
		{"dst_addr", 128, "", IPv6},
		{"cookie", 96, "", Hex},
		{"cookie", 64, "", Decimal},
		{"x", 32, `"IPV4_ADDRESS"`, IPv4},
		{"x", 128, "IPV6_ADDRESS", IPv6},
		{"x", 48, "MAC_ADDRESS", MAC},
		{"x", 8, "HEX_STRING", Hex},
		{"x", 64, "IPV4_ADDRESS", Decimal},
		{"x", 64, "MAC_ADDRESS", Decimal},
	} {
		if got := StyleFor(c.name, c.width, c.format); got != c.want {
			t.Errorf("StyleFor(%q, %d, %q) = %d, want %d", c.name, c.width, c.format, got, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value []byte
		width int
		style Style
		want  string
	}{
		{nil, 8, Decimal, "0"},
		{[]byte{1, 0}, 16, Decimal, "256"},
		{[]byte{1, 0}, 16, Hex, "0x100"},
		{[]byte{1}, 32, IPv4, "0.0.0.1"},
		{[]byte{1}, 48, MAC, "00:00:00:00:00:01"},
		{nil, 128, IPv6, "::"},
		{[]byte{1, 2, 3, 4, 5}, 32, IPv4, "4328719365"}, // a server's nonsense is shown, not hidden
		{[]byte("Ethernet1/1"), 0, Decimal, "Ethernet1/1"},
	} {
		if got := Format(c.value, c.width, c.style); got != c.want {
			t.Errorf("Format(%x, %d, %d) = %s, want %s", c.value, c.width, c.style, got, c.want)
		}
	}
	for _, c := range []struct {
		value, mask []byte
		width       int
		style       Style
		want        string
	}{
		{[]byte{6}, []byte{0xff}, 8, Decimal, "6"},
		{[]byte{0x40}, []byte{0xc0}, 8, Decimal, "64&&&0xc0"},
		{[]byte{10, 0, 0, 0}, []byte{255, 0, 0, 0}, 32, IPv4, "10.0.0.0/8"},
		{[]byte{10, 0, 0, 1}, []byte{255, 0, 0, 255}, 32, IPv4, "10.0.0.1&&&255.0.0.255"},
		{[]byte{1, 0, 0, 0, 0, 0}, []byte{1, 0, 0, 0, 0, 0}, 48, MAC, "01:00:00:00:00:00&&&01:00:00:00:00:00"},
		{[]byte{2}, []byte{3}, 8, Hex, "0x2&&&0x3"},
	} {
		if got := FormatTernary(c.value, c.mask, c.width, c.style); got != c.want {
			t.Errorf("FormatTernary(%x, %x) = %s, want %s", c.value, c.mask, got, c.want)
		}
	}
}

// field draws a width and a style that StyleFor may choose for it.
func field(t *rapid.T) (int, Style) {
	switch style := rapid.SampledFrom([]Style{Decimal, IPv4, IPv6, MAC, Hex}).Draw(t, "style"); style {
	case IPv4:
		return 32, style
	case MAC:
		return 48, style
	case IPv6:
		return 128, style
	default:
		return rapid.IntRange(1, 300).Draw(t, "width"), style
	}
}

func value(t *rapid.T, width int, label string) *big.Int {
	b := rapid.SliceOfN(rapid.Byte(), (width+7)/8, (width+7)/8).Draw(t, label)
	return new(big.Int).And(new(big.Int).SetBytes(b), ones(width))
}

// TestRoundTrips: what Format shows, Parse reads, in canonical bytes.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, style := field(t)
		v := value(t, width, "value")
		want := Canonical(v.Bytes())
		got, err := Parse(Format(v.Bytes(), width, style), width)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %x, %v, want %x", Format(v.Bytes(), width, style), got, err, want)
		}

		mask := value(t, width, "mask")
		if rapid.Bool().Draw(t, "prefix mask") {
			mask = PrefixMask(rapid.IntRange(0, width).Draw(t, "length"), width)
		}
		masked := new(big.Int).And(v, mask)
		text := FormatTernary(masked.Bytes(), mask.Bytes(), width, style)
		gotValue, gotMask, err := Ternary(text, width)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", text, err)
		case mask.Sign() == 0 && gotMask != nil:
			t.Fatalf("%s: %x&&&%x, want don't care", text, gotValue, gotMask)
		case mask.Sign() != 0 && (!bytes.Equal(gotValue, Canonical(masked.Bytes())) || !bytes.Equal(gotMask, Canonical(mask.Bytes()))):
			t.Fatalf("%s: %x&&&%x, want %x&&&%x", text, gotValue, gotMask, masked, mask)
		}

		other := value(t, width, "other")
		if other.Cmp(v) < 0 {
			v, other = other, v
		}
		text = Format(v.Bytes(), width, style) + ".." + Format(other.Bytes(), width, style)
		low, high, err := Range(text, width)
		full := v.Sign() == 0 && other.Cmp(ones(width)) == 0
		switch {
		case err != nil:
			t.Fatalf("%s: %v", text, err)
		case full && low != nil:
			t.Fatalf("%s: %x..%x, want don't care", text, low, high)
		case !full && (!bytes.Equal(low, Canonical(v.Bytes())) || !bytes.Equal(high, Canonical(other.Bytes()))):
			t.Fatalf("%s: %x..%x", text, low, high)
		}
	})
}

// FuzzParse: no text panics, and what is read can be shown and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0", "08", "0x", "0_", "_1", "10.0.0.0/24", "::1/128", "02:00:00:00:00:01", "1..2", "1&&&1", "*", "+1", "--1", "0x1p4"} {
		f.Add(s, uint8(32))
	}
	f.Fuzz(func(t *testing.T, s string, w uint8) {
		width := int(w) + 1
		if v, err := Parse(s, width); err == nil {
			again, err := Parse(Format(v, width, guess(s, width)), width)
			if err != nil || !bytes.Equal(again, v) {
				t.Errorf("%q: %x, again %x, %v", s, v, again, err)
			}
		}
		_, _, _ = Prefix(s, width)
		_, _, _ = Ternary(s, width)
		_, _, _ = Range(s, width)
	})
}
