package diag

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"length", "width", "ttl", "control", "const"}
	tests := []struct{ name, want string }{
		{"lenght", "length"}, // swapped
		{"widht", "width"},
		{"tll", "ttl"},
		{"contrl", "control"}, // left out
		{"contr", ""},         // two edits are too many for five letters
		{"x", ""},
		{"something", ""},
		{"length", ""}, // itself is no suggestion
		{"a", ""},      // every letter changes
		{"", ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.name, words); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}
