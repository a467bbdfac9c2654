package p4rt

import (
	"fmt"
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// TestLargeTable: p4rt:RD4, RD10: a read of a full table gives each entry
// once, and so do reads that pick a few of them.
func TestLargeTable(t *testing.T) {
	r := ready(t)
	const n = batchSize // the table holds no more
	var us []*p4v1.Update
	for i := range n {
		us = append(us, parseAll(t, []string{fmt.Sprintf(`INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x%02x\x%02x" prefix_len:32}} FORWARD controller_metadata:%d}`, i>>8, i&255, 1+i%2)})...)
	}
	r.mustWrite(us...)
	for request, want := range map[string]int{
		"table_entry{table_id:ROUTES}":                                                               n,
		"table_entry{table_id:ROUTES controller_metadata:2}":                                         n / 2,
		`table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x03\xff" prefix_len:32}}}`: 1,
		`table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x04\x00" prefix_len:32}}}`: 0,
	} {
		got, err := r.read(parseEntity(t, request))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range got {
			seen[string(e.GetTableEntry().GetMatch()[0].GetLpm().GetValue())] = true
		}
		if len(got) != want || len(seen) != want {
			t.Errorf("%s: %d entries, %d different, want %d", request, len(got), len(seen), want)
		}
	}
}

// TestOpenStructs: fields of structs in a controller header count one by one.
func TestOpenStructs(t *testing.T) {
	f := func(name string) ir.Field { return ir.Field{Name: name, Type: &ir.Bit{W: 8}} }
	deep := &ir.Struct{Name: "deep", Fields: []ir.Field{f("c"), f("d")}}
	s := &ir.Struct{Name: "s", Fields: []ir.Field{f("b"), {Name: "deep", Type: deep}}}
	var got []string
	for _, x := range openStructs(nil, []ir.Field{f("a"), {Name: "s", Type: s}, f("e")}) {
		got = append(got, x.Name)
	}
	if g := strings.Join(got, " "); g != "a b c d e" {
		t.Errorf("got %s", g)
	}
}
