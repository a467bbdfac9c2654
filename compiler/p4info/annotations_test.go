package p4info

import (
	"slices"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

func TestFieldIDs(t *testing.T) {
	id := func(n string) []ir.Annotation { return []ir.Annotation{{Name: "id", Kind: ir.AnnoRaw, Text: n}} }
	for _, c := range []struct {
		name  string
		annos [][]ir.Annotation
		want  []uint32
		errs  int
	}{
		{"plain", [][]ir.Annotation{nil, nil, nil}, []uint32{1, 2, 3}, 0},
		{"one explicit", [][]ir.Annotation{nil, id("7"), nil}, []uint32{1, 7, 2}, 0},
		{"first explicit", [][]ir.Annotation{id("7"), nil}, []uint32{7, 2}, 0},
		{"taken by a later one", [][]ir.Annotation{nil, id("1"), nil}, []uint32{2, 1, 3}, 0},
		{"written in hexadecimal", [][]ir.Annotation{id("32w0x1_0")}, []uint32{16}, 0},
		{"zero", [][]ir.Annotation{id("0")}, []uint32{1}, 1},
		{"duplicate", [][]ir.Annotation{id("4"), id("4")}, []uint32{4, 4}, 1},
		{"no number", [][]ir.Annotation{id("x")}, []uint32{1}, 1},
	} {
		t.Run("lang:P7/"+c.name, func(t *testing.T) {
			g := &generator{}
			what := make([]string, len(c.annos))
			got := g.fieldIDs(c.annos, make([]ir.Pos, len(c.annos)), what)
			if !slices.Equal(got, c.want) || len(g.errs) != c.errs {
				t.Errorf("ids %v, errors %v; want %v and %d errors", got, g.errs, c.want, c.errs)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "10": 10, "0x1F": 31, "0b101": 5, "0o17": 15, "0d19": 19, "8w0xFF": 255, "4s7": 7, "1_000": 1000, "007": 7,
	} {
		if got, err := number(s); err != nil || got != want {
			t.Errorf("number(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "8w", "0x", "\"1\"", "99999999999999999999"} {
		if n, err := number(s); err == nil {
			t.Errorf("number(%q) = %d", s, n)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	for s, want := range map[string][]string{
		`"a, b" , string`:    {`"a, b"`, "string"},
		`"a\"," , bit < 8 >`: {`"a\","`, "bit < 8 >"},
		`x`:                  {"x"},
	} {
		if got := splitArgs(s); !slices.Equal(got, want) {
			t.Errorf("splitArgs(%s) = %q, want %q", s, got, want)
		}
	}
}
