package refops

import (
	"math/big"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

func n(v int64) *big.Int { return big.NewInt(v) }

// Values worked out by hand from the specification's text.
func TestOperators(t *testing.T) {
	u8, s8, s4 := T{8, false}, T{8, true}, T{4, true}
	for _, c := range []struct {
		name string
		op   ir.Op
		t    T
		x, y int64
		want int64
	}{
		{"lang:L47 add wraps", ir.Add, u8, 200, 100, 44},
		{"lang:L47 sub wraps", ir.Sub, u8, 1, 2, 255},
		{"lang:L47 mul wraps", ir.Mul, s8, 100, 2, -56},
		{"lang:L48 div", ir.Div, u8, 200, 7, 28},
		{"lang:L48 div by zero", ir.Div, u8, 200, 0, 0},
		{"lang:L48 mod by zero", ir.Mod, u8, 200, 0, 0},
		{"lang:L50 and", ir.And, s8, -1, 0x55, 0x55},
		{"lang:L50 or", ir.Or, s8, -128, 1, -127},
		{"lang:L50 xor", ir.Xor, u8, 0xff, 0x0f, 0xf0},
		{"lang:L51 shl", ir.Shl, u8, 0x81, 1, 2},
		{"lang:L51 shl by width", ir.Shl, u8, 0x81, 8, 0},
		{"lang:L51 shr", ir.Shr, u8, 0x81, 1, 0x40},
		{"lang:L51 arithmetic shr", ir.Shr, s8, -127, 1, -64},
		{"lang:L51 arithmetic shr beyond", ir.Shr, s8, -127, 100, -1},
		{"lang:L52 signed less", ir.Lt, s8, -1, 0, 1},
		{"lang:L52 unsigned less", ir.Lt, u8, 255, 0, 0},
		{"lang:L55 saturated add", ir.AddSat, u8, 200, 100, 255},
		{"lang:L55 saturated sub", ir.SubSat, u8, 1, 2, 0},
		{"lang:L55 saturated signed add", ir.AddSat, s4, 7, 1, 7},
		{"lang:L55 saturated signed sub", ir.SubSat, s4, -8, 1, -8},
	} {
		if got := Binary(c.op, c.t, n(c.x), n(c.y)); got.Cmp(n(c.want)) != 0 {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		name      string
		got, want *big.Int
	}{
		{"lang:L49 neg", Unary(ir.Neg, u8, n(1)), n(255)},
		{"lang:L49 neg of the lowest", Unary(ir.Neg, s8, n(-128)), n(-128)},
		{"lang:L49 not", Unary(ir.BNot, s8, n(0)), n(-1)},
		{"lang:L49 logical not", Unary(ir.LNot, T{1, false}, n(0)), n(1)},
		{"lang:L56 concat", Concat(u8, T{4, false}, n(0xab), n(0xc)), n(0xabc)},
		{"lang:L56 concat of signed", Concat(s4, s4, n(-1), n(-2)), n(-2)},
		{"lang:L58 slice", Slice(u8, n(0xab), 7, 4), n(0xa)},
		{"lang:L58 slice of signed", Slice(s8, n(-1), 6, 5), n(3)},
		{"lang:L59 slice as l-value", SetSlice(u8, n(0xab), n(0), 5, 2), n(0x83)},
		{"lang:L61 cast to signed", Cast(s4, n(0xf)), n(-1)},
		{"lang:L61 cast widens with the sign", Cast(u8, n(-1)), n(255)},
	} {
		if c.got.Cmp(c.want) != 0 {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

// The check values of the CRC catalogue, and the example of RFC 1071 section 3.
func TestSums(t *testing.T) {
	digits := []byte("123456789")
	rfc := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"lang:V43 crc16", CRC16(digits), 0xbb3d},
		{"lang:V43 crc32", CRC32(digits), 0xcbf43926},
		{"lang:V43 csum16", CSum16(rfc), 0xffff - 0xddf2},
		{"lang:V43 csum16 odd", CSum16([]byte{1, 2, 3}), 0xffff - 0x0402},
		{"lang:V43 csum16 empty", CSum16(nil), 0xffff},
		{"lang:V43 xor16", XOR16([]byte{1, 2, 3, 4, 5}), 0x0706},
		{"lang:V43 identity", Identity([]byte{1, 2, 3}), 0x010203},
		{"lang:V43 identity of more", Identity([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}), 0x0102030405060708},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, c.got, c.want)
		}
	}
	if got := Pack([]Field{{4, n(0xa)}, {8, n(0xbc)}}); string(got) != "\xab\xc0" {
		t.Errorf("pack: %x", got)
	}
}

func TestLookup(t *testing.T) {
	keys := []Key{{ir.MatchExact, T{8, false}}, {ir.MatchLPM, T{16, false}}}
	es := []ir.Entry{
		{Handle: 1, Match: []ir.Match{{Value: []byte{1}}, {Value: []byte{0, 0}, PrefixLen: 0}}},
		{Handle: 2, Match: []ir.Match{{Value: []byte{1}}, {Value: []byte{0x0a, 0}, PrefixLen: 8}}},
	}
	for _, c := range []struct {
		a, b int64
		want int
	}{{1, 0x0a01, 1}, {1, 0x0b01, 0}, {2, 0x0a01, -1}} {
		if got := Lookup(keys, es, []*big.Int{n(c.a), n(c.b)}); got != c.want {
			t.Errorf("lpm %d %#x: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	keys = []Key{{ir.MatchTernary, T{8, false}}, {ir.MatchRange, T{8, true}}, {ir.MatchOptional, T{4, false}}}
	es = []ir.Entry{
		{Handle: 1, Priority: 1, Match: []ir.Match{{}, {}, {}}},
		{Handle: 2, Priority: 5, Match: []ir.Match{{Value: []byte{0x10}, Mask: []byte{0xf0}}, {Value: []byte{0xfe}, Mask: []byte{3}}, {}}},
		{Handle: 3, Priority: 5, Match: []ir.Match{{}, {}, {Value: []byte{7}}}},
	}
	for _, c := range []struct {
		a, b, c int64
		want    int
	}{{0x1f, -2, 0, 1}, {0x1f, -3, 0, 0}, {0x1f, 0, 7, 1}, {0x2f, 0, 7, 2}, {0x2f, 0, 6, 0}} {
		if got := Lookup(keys, es, []*big.Int{n(c.a), n(c.b), n(c.c)}); got != c.want {
			t.Errorf("%#x %d %d: %d, want %d", c.a, c.b, c.c, got, c.want)
		}
	}
}
