package entity

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// TestBytestrings is P4Runtime's tables of valid and invalid encodings.
func TestBytestrings(t *testing.T) {
	for _, c := range []struct {
		signed bool
		w      int
		in     string
		want   string // machine form; "" = out of range
		canon  string
	}{
		{false, 8, "\x63", "\x63", "\x63"},
		{false, 16, "\x00\x63", "\x00\x63", "\x63"},
		{false, 16, "\x63", "\x00\x63", "\x63"},
		{false, 16, "\x30\x64", "\x30\x64", "\x30\x64"},
		{false, 16, "\x00\x30\x64", "\x30\x64", "\x30\x64"},
		{false, 12, "\x00\x63", "\x00\x63", "\x63"},
		{false, 12, "\x63", "\x00\x63", "\x63"},
		{false, 12, "\x00\x00\x63", "\x00\x63", "\x63"},
		{true, 8, "\x63", "\x63", "\x63"},
		{true, 8, "\x9d", "\x9d", "\x9d"},
		{true, 8, "\xff\x9d", "\x9d", "\x9d"},
		{true, 12, "\xfd\x1d", "\x0d\x1d", "\xfd\x1d"},
		{true, 16, "\x00\x00", "\x00\x00", "\x00"},
		{true, 16, "\x00", "\x00\x00", "\x00"},
		{true, 12, "\xff", "\x0f\xff", "\xff"},
		{true, 1, "\xff", "\x01", "\xff"},
		{false, 1, "\x01", "\x01", "\x01"},

		{false, 8, "\x01\x63", "", ""},
		{false, 8, "", "", ""},
		{false, 16, "\x01\x00\x63", "", ""},
		{false, 12, "\x10\x63", "", ""},
		{false, 12, "\x01\x00\x63", "", ""},
		{false, 12, "\x00\x40\x63", "", ""},
		{true, 8, "\x00\x9d", "", ""},
		{true, 12, "\x8d\x1d", "", ""},
		{true, 16, "", "", ""},
		{true, 1, "\x01", "", ""},
	} {
		t.Run("p4rt:B10 "+typeText(c.w, c.signed)+" "+Hex([]byte(c.in)), func(t *testing.T) {
			app := AppendBits
			if c.signed {
				app = AppendInt
			}
			got, ok := app(nil, []byte(c.in), c.w)
			if ok != (c.want != "") || ok && string(got) != c.want {
				t.Fatalf("got %x %v, want %x", got, ok, c.want)
			}
			if ok && string(canonical(got, c.w, c.signed)) != c.canon {
				t.Errorf("canonical %x, want %x", canonical(got, c.w, c.signed), c.canon)
			}
		})
	}
}

// FuzzBytestring compares with big integers (p4rt:B1, B2, B5, B11).
func FuzzBytestring(f *testing.F) {
	f.Add([]byte{0, 1, 2}, 12, false)
	f.Add([]byte{0xff, 0x9d}, 8, true)
	f.Fuzz(func(t *testing.T, in []byte, w int, signed bool) {
		if w < 1 || w > 300 || len(in) > 64 {
			return
		}
		v := new(big.Int).SetBytes(in)
		one := big.NewInt(1)
		lo, hi := new(big.Int), new(big.Int).Lsh(one, uint(w))
		app := AppendBits
		if signed {
			app = AppendInt
			if len(in) > 0 && in[0]&0x80 != 0 {
				v.Sub(v, new(big.Int).Lsh(one, uint(8*len(in))))
			}
			hi.Rsh(hi, 1)
			lo.Neg(hi)
		}
		want := len(in) > 0 && v.Cmp(lo) >= 0 && v.Cmp(hi) < 0
		got, ok := app([]byte{7}, in, w)
		if ok != want {
			t.Fatalf("%x as %s: %v, want %v", in, typeText(w, signed), ok, want)
		}
		if !ok {
			return
		}
		got = got[1:]
		if v.Sign() < 0 {
			v.Add(v, new(big.Int).Lsh(one, uint(w)))
		}
		if len(got) != ir.ByteWidth(w) || new(big.Int).SetBytes(got).Cmp(v) != 0 {
			t.Fatalf("%x as %s gives %x", in, typeText(w, signed), got)
		}
		short := canonical(got, w, signed)
		again, ok := app(nil, short, w)
		if !ok || !bytes.Equal(again, got) || len(short) > len(in) {
			t.Fatalf("%x as %s: canonical %x gives %x %v", in, typeText(w, signed), short, again, ok)
		}
	})
}

func table(t *testing.T, kinds ...ir.MatchKind) *Table {
	t.Helper()
	none := &ir.Action{Name: "NoAction"}
	tb := &ir.Table{Name: "t", Actions: []ir.ActionRef{{Action: none}}}
	for _, k := range kinds {
		typ := &ir.Bit{W: 12}
		tb.Keys = append(tb.Keys, ir.Key{Name: k.String(), Kind: k, Expr: &ir.VarRef{Meta: ir.Meta{T: typ}, Var: &ir.Var{Type: typ}}})
	}
	s, err := NewSchema(&ir.Program{Level: ir.Core, Tables: []*ir.Table{tb}, Actions: []*ir.Action{none}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Tables[0]
}

func TestPackedKey(t *testing.T) {
	tb := table(t, ir.MatchExact, ir.MatchSelector, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional)
	key := tb.NewKey()
	for i := range tb.Fields[1:] {
		if _, ok := tb.Fields[i+1].Get(key); ok {
			t.Errorf("field %s of a new key is not don't care", tb.Fields[i+1].Name)
		}
	}
	for i, set := range []func(*Field) error{
		func(f *Field) error { return f.SetExact(key, []byte{1}) },
		func(f *Field) error { return f.SetLPM(key, []byte{0xa, 0xb0}, 8) },
		func(f *Field) error { return f.SetTernary(key, []byte{2}, []byte{3}) },
		func(f *Field) error { return f.SetRange(key, []byte{4}, []byte{5, 0}) },
		func(f *Field) error { return f.SetOptional(key, []byte{6}) },
	} {
		if err := set(&tb.Fields[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := tb.FormatKey(string(key), 9), "exact=0x0001, lpm=0x0ab0/8, ternary=0x0002&&&0x0003, range=0x0004..0x0500, optional=0x0006 priority 9"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	m := tb.Machine(&Entry{Handle: 3, Key: string(key), Priority: 9}).Match
	if len(m) != 6 || m[1].Value != nil || m[2].PrefixLen != 8 || m[3].Mask[1] != 3 || m[5].Value[1] != 6 {
		t.Errorf("machine form %v", m)
	}
}

func TestNewSchemaRefuses(t *testing.T) {
	typ := &ir.Bit{W: 8}
	key := func(e ir.Expr, k ir.MatchKind) []ir.Key { return []ir.Key{{Name: "k", Kind: k, Expr: e}} }
	ref := &ir.VarRef{Meta: ir.Meta{T: typ}}
	act := []ir.ActionRef{{Action: &ir.Action{Name: "a"}}}
	for _, c := range []struct {
		name string
		t    *ir.Table
		want string
	}{
		{"key without expression", &ir.Table{Name: "t", Keys: key(nil, 0), Actions: act}, "table t: key k has no expression"},
		{"key is no scalar", &ir.Table{Name: "t", Keys: key(&ir.VarRef{Meta: ir.Meta{T: &ir.Struct{Name: "S"}}}, 0), Actions: act}, "table t: key k: type S is no scalar"},
		{"match kind", &ir.Table{Name: "t", Keys: key(ref, 99), Actions: act}, "table t: key k: match kind 99 is not supported"},
		{"default action", &ir.Table{Name: "t", Actions: act, DefaultAction: 4}, "table t: default action 4 is none of its 1 actions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewSchema(&ir.Program{Tables: []*ir.Table{c.t}}); err == nil || err.Error() != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInitialEntries(t *testing.T) {
	set := func(k ir.SetKind, lo, hi int64) ir.Set {
		return ir.Set{Kind: k, Lo: big.NewInt(lo), Hi: big.NewInt(hi)}
	}
	for _, c := range []struct {
		name string
		kind ir.MatchKind
		in   ir.Set
		want string // FormatKey, or the error after "!"
	}{
		{"exact", ir.MatchExact, set(ir.SetValue, 5, 0), "exact=0x0005"},
		{"exact any", ir.MatchExact, ir.Set{}, "!table t: entry 0: key exact: an exact key needs a value"},
		{"lpm mask", ir.MatchLPM, set(ir.SetMask, 0xabc, 0xff0), "lpm=0x0ab0/8"},
		{"lpm value", ir.MatchLPM, set(ir.SetValue, 0xabc, 0), "lpm=0x0abc/12"},
		{"lpm any", ir.MatchLPM, ir.Set{}, "(any)"},
		{"lpm no prefix", ir.MatchLPM, set(ir.SetMask, 0xabc, 0x0ff), "!table t: entry 0: key lpm: mask 0x00ff is no prefix"},
		{"ternary value", ir.MatchTernary, set(ir.SetValue, 5, 0), "ternary=0x0005&&&0x0fff"},
		{"ternary mask", ir.MatchTernary, set(ir.SetMask, 7, 5), "ternary=0x0005&&&0x0005"},
		{"ternary range", ir.MatchTernary, set(ir.SetRange, 7, 9), "!table t: entry 0: key ternary: this form of value does not fit match kind ternary"},
		{"range", ir.MatchRange, set(ir.SetRange, 7, 9), "range=0x0007..0x0009"},
		{"range value", ir.MatchRange, set(ir.SetValue, 7, 0), "range=0x0007..0x0007"},
		{"optional", ir.MatchOptional, set(ir.SetValue, 7, 0), "optional=0x0007"},
		{"too wide", ir.MatchExact, set(ir.SetValue, 4096, 0), "!table t: entry 0: key exact: value 4096 does not fit 12 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tb := table(t, c.kind)
			tb.IR.HasEntries = true
			tb.IR.Entries = []ir.ConstEntry{{Sets: []ir.Set{c.in}}}
			es, err := tb.InitialEntries()
			var got string
			if err != nil {
				got = "!" + err.Error()
			} else {
				got = tb.FormatKey(es[0].Key, 0)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
