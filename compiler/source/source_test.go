package source

import "testing"

func TestPosition(t *testing.T) {
	s := NewSet()
	a, _ := s.Add("a.p4", "ab\ncd\te\n\nxüy")
	b, _ := s.Add("b.p4", "")
	tests := []struct {
		name string
		pos  Pos
		want string
	}{
		{"first byte", a.Pos(0), "a.p4:1:1"},
		{"line end belongs to its line", a.Pos(2), "a.p4:1:3"},
		{"second line", a.Pos(3), "a.p4:2:1"},
		{"a tab is one column", a.Pos(6), "a.p4:2:4"},
		{"empty line", a.Pos(8), "a.p4:3:1"},
		{"columns count characters", a.Pos(12), "a.p4:4:3"},
		{"end of file", a.Pos(len(a.Content)), "a.p4:4:4"},
		{"empty file", b.Pos(0), "b.p4:1:1"},
		{"no position", NoPos, "-"},
		{"beyond all files", b.Pos(0) + 1, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Position(tt.pos).String(); got != tt.want {
				t.Errorf("Position(%d) = %s, want %s", tt.pos, got, tt.want)
			}
		})
	}
	if got := a.Line(2); got != "cd\te" {
		t.Errorf("Line(2) = %q", got)
	}
	if got := s.Text(Span{a.Pos(3), a.Pos(5)}); got != "cd" {
		t.Errorf("Text = %q", got)
	}
	if got := s.Text(Span{a.Pos(3), b.Pos(0)}); got != "" {
		t.Errorf("Text across files = %q", got)
	}
}

// lang:L6: diagnostics point to the original file and line.
func TestLineDirective(t *testing.T) {
	s := NewSet()
	f, _ := s.Add("gen.p4", "1\n2\n3\n4\n5\n")
	f.SetLine(4, "", 70) // from line 4 on: keeps the name of the earlier one
	f.SetLine(2, "orig.p4", 10)
	f.SetLine(4, "other.p4", 70)
	f.SetLine(4, "", 70)
	tests := []struct {
		line int
		want string
	}{{1, "gen.p4:1:1"}, {2, "orig.p4:10:1"}, {3, "orig.p4:11:1"}, {4, "orig.p4:70:1"}, {5, "orig.p4:71:1"}}
	for _, tt := range tests {
		p := f.Pos(2 * (tt.line - 1))
		if got := s.Position(p).String(); got != tt.want {
			t.Errorf("line %d is called %s, want %s", tt.line, got, tt.want)
		}
		if got := s.Physical(p); got.Line != tt.line || got.File != "gen.p4" {
			t.Errorf("line %d is physically %s", tt.line, got)
		}
	}
}

func TestAddTwice(t *testing.T) {
	s := NewSet()
	a, _ := s.Add("x", "text")
	b, _ := s.Add("x", "text")
	c, _ := s.Add("x", "other")
	if a != b || a == c {
		t.Errorf("same name and content must be one file, other content another")
	}
	if s.File(c.Pos(0)) != c || s.File(a.Pos(4)) != a {
		t.Errorf("positions of different files overlap")
	}
}

func TestSpanTo(t *testing.T) {
	a, b := Span{1, 3}, Span{7, 9}
	if got := a.To(b); got != (Span{1, 9}) {
		t.Errorf("To = %v", got)
	}
	if got := (Span{}).To(b); got != b {
		t.Errorf("no span To b = %v", got)
	}
	if got := a.To(Span{}); got != a {
		t.Errorf("a To no span = %v", got)
	}
}
