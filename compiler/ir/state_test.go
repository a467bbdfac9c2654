package ir

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
)

// Values of any type go from machine form to limbs and back.
func TestLeaves(t *testing.T) {
	h := &Header{Name: "h", Fields: []Field{{Name: "a", Type: &Bit{W: 4}}, {Name: "b", Type: &Bit{W: 12}}}}
	s := &Struct{Name: "s", Fields: []Field{{Name: "x", Type: &Bit{W: 72}}, {Name: "h", Type: h}, {Name: "i", Type: &Int{W: 5}}}}
	for _, c := range []struct {
		name    string
		t       Type
		bytes   string
		limbs   []uint64
		refused bool
	}{
		{"scalar", &Bit{W: 5}, "05", []uint64{5}, false},
		{"two bytes", &Bit{W: 9}, "01ff", []uint64{0x1ff}, false},
		{"two limbs", &Bit{W: 72}, "123456789abcdef012", []uint64{0x12, 0x3456789abcdef012}, false},
		{"bool", &Bool{}, "01", []uint64{1}, false},
		{"header", h, "010a0123", []uint64{1, 10, 0x123}, false},
		{"invalid header", h, "00000000", []uint64{0, 0, 0}, false},
		{"struct", s, "123456789abcdef012010a01231f", []uint64{0x12, 0x3456789abcdef012, 1, 10, 0x123, 31}, false},
		{"stack", &Stack{Elem: h, Size: 2}, "00000001010a012300000000", []uint64{1, 1, 10, 0x123, 0, 0, 0}, false},
		{"too wide", &Bit{W: 9}, "03ff", nil, true},
		{"too short", s, "00", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaves, ok := Leaves(c.t)
			b, err := hex.DecodeString(c.bytes)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			got, err := UnpackLeaves(leaves, b)
			if c.refused {
				if err == nil {
					t.Errorf("%x is accepted as %x", b, got)
				}
				return
			}
			if err != nil || !slices.Equal(got, c.limbs) {
				t.Errorf("limbs %x, %v; want %x", got, err, c.limbs)
			}
			if back := PackLeaves(leaves, c.limbs); !bytes.Equal(back, b) {
				t.Errorf("bytes %x, want %x", back, b)
			}
		})
	}
	if got, err := UnpackLeaves(must(Leaves(h)), []byte{0, 10, 1, 0x23}); err != nil || !slices.Equal(got, []uint64{0, 0, 0}) {
		t.Errorf("fields of an invalid header: %x, %v", got, err)
	}
	if _, ok := Leaves(&Struct{Fields: []Field{{Type: &Varbit{Max: 8}}}}); ok {
		t.Error("a varbit has no fixed form")
	}
}

func must(l []Leaf, ok bool) []Leaf {
	if !ok {
		panic("no leaves")
	}
	return l
}
