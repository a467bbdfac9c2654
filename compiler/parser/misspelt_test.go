package parser_test

import (
	"testing"
)

// A syntax error behind a misspelt keyword names the keyword.
func TestMisspelt(t *testing.T) {
	tests := []struct{ text, want string }{
		{"contorl c() { apply { } }", "control"},
		{"control c() { aply { } }", "apply"},
		{"control c() { tabel t { actions = { } } apply { } }", "table"},
		{"strct S { bit<8> a; }", "struct"},
		{"heder H { bit<8> a; }", "header"},
		{"headr_union H { }", "header_union"},
		{"parser p() { state start { trnsition select(x) { } } }", "transition"},
		{"parser p() { stat start { } }", "state"},
		{"control c(inot bit<8> x) { apply { } }", "inout"},
		{"control c(bti<8> x) { apply { } }", "bit"},
		{"control c() { apply { retrun; } }", "return"},
		{"control c() { apply { swich (x) { } } }", "switch"},
		{"control c() { apply { if (true) { } els { } } }", "else"},
		{"const bit<8> x == 1;", "="},
		{"control c(inout bit<8> x) { apply { x == 1; } }", "="},
		// What is declared is not misspelt, and what is far off is no keyword.
		{"struct tabl { } control c() { tabl t { } }", ";"},
		{"control c() { apply { frobnicate { } } }", ""},
		{"control c() { apply { if x == 1 { } } }", ""},
		{"control c(inout bit<8> x) { apply { x = 1 } }", ";"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, rep := parse(tt.text)
			all := rep.All()
			if len(all) == 0 {
				t.Fatal("accepted")
			}
			got := ""
			if f := all[0].Fix; f != nil {
				got = f.Text
			}
			if got != tt.want {
				t.Errorf("got %q, want %q: %s", got, tt.want, rep)
			}
		})
	}
}
