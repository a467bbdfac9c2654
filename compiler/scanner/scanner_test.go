package scanner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
)

func scan(text string) ([]Token, *diag.List) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	return Scan(preproc.RunText(set, preproc.Options{}, "t.p4", text, rep), rep), rep
}

func TestIntegers(t *testing.T) {
	tests := []struct {
		id, text string
		want     string // value width sign base, or the error
	}{
		{"L7", "8w0xFF", "255 w8 base 16"},
		{"L7", "4s7", "7 s4 base 10"},
		{"L7", "0w0", "0 w0 base 10"},
		{"L7", "32w255", "255 w32 base 10"},
		{"L7", "1s1", "1 s1 base 10"},
		{"L8", "0", "0 base 10"},
		{"L8", "16w0377", "377 w16 base 10"},
		{"L8", "0377", "377 base 10"},
		{"L8", "0x1F", "31 base 16"},
		{"L8", "0XaB", "171 base 16"},
		{"L8", "0b101", "5 base 2"},
		{"L8", "0B1", "1 base 2"},
		{"L8", "0o17", "15 base 8"},
		{"L8", "0O7", "7 base 8"},
		{"L8", "0d19", "19 base 10"},
		{"L8", "0D9", "9 base 10"},
		{"L8", "8w0b1010_1010", "170 w8 base 2"},
		{"L8", "1_000_000", "1000000 base 10"},
		{"L8", "0x_ff_", "255 base 16"},
		{"L8", "8w_1", "1 w8 base 10"},
		{"L9", "4w200", "200 w4 base 10"}, // kept whole
		{"L17", "340282366920938463463374607431768211456", "340282366920938463463374607431768211456 base 10"},
		{"L7", "8w", "no digits after the width"},
		{"L8", "0x", "no digits"},
		{"L8", "0x_", "no digits"},
		{"L8", "12a", "`a` is no digit of base 10"},
		{"L8", "0b12", "`2` is no digit of base 2"},
		{"L8", "0o8", "`8` is no digit of base 8"},
		{"L8", "0xg", "`g` is no digit of base 16"},
		{"L7", "0x8w1", "the width must be a decimal number"},
		{"L7", "99999999w1", "the width exceeds 1048576"},
		{"L7", "99999999999999999999w1", "the width exceeds 1048576"},
		{"L7", "8u1", "`u` is no digit of base 10"},
		{"L8", strings.Repeat("1", 10001), "more than 10000 digits"},
	}
	for _, tt := range tests {
		name := tt.text
		if len(name) > 50 {
			name = name[:50]
		}
		t.Run("lang:"+tt.id+" "+name, func(t *testing.T) {
			v, msg := ParseInteger(tt.text)
			if msg == "" {
				msg = v.Value.String()
				if v.HasWidth && v.Signed {
					msg += fmt.Sprintf(" s%d", v.Width)
				} else if v.HasWidth {
					msg += fmt.Sprintf(" w%d", v.Width)
				}
				msg += fmt.Sprintf(" base %d", v.Base)
			}
			if msg != tt.want {
				t.Errorf("got %s, want %s", msg, tt.want)
			}
			toks, rep := scan(tt.text)
			if len(toks) != 2 || toks[0].Kind != Int || toks[0].Int == nil {
				t.Errorf("no single Int token: %v", toks)
			}
			if rep.HasErrors() != (v == nil) {
				t.Errorf("reported %v", rep)
			}
		})
	}
}

// kinds spells the kinds of the tokens of a text.
func kinds(toks []Token) string {
	var out []string
	for _, t := range toks {
		s := spell(t.Kind)
		switch t.Kind {
		case Ident:
			s = "name"
		case Int:
			s = "int"
		case String:
			s = "string"
		case Other:
			s = "other"
		case EOF:
			continue
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestTokens(t *testing.T) {
	tests := []struct{ id, text, want string }{
		{"L11", "_ __ ... .. .", "_ name ... .. ."},
		{"L11", "....", "... ."},
		{"L13", "apply key actions entries state type priority list pragma", strings.TrimSpace(strings.Repeat("name ", 9))},
		{"L14", "a>>b >>= > >=", "name > > name > >= > >="},
		{"L14", "A<B<C>>", "name < name < name > >"},
		{"L55", "|+| |-| |+|= |-|= | + |", "|+| |-| |+|= |-|= | + |"},
		{"L56", "++ + + ++= +=", "++ + + ++= +="},
		{"L60", "[0+:4]", "[ int +: int ]"},
		{"L69", "{#} {", "{#} {"},
		{"L77", "&&& && & &=", "&&& && & &="},
		{"L51", "<<= << <= <", "<<= << <= <"},
		{"L86", "a-=b*=c/=d%=e|=f^=g", "name -= name *= name /= name %= name |= name ^= name"},
		{"L10", `"a" "" "\""`, "string string string"},
		{"L10", "\"open", "string"},
		{"L161", "# $ ` \\ ä", "# other other other other"},
		{"L78", "1..2", "int .. int"},
	}
	for _, tt := range tests {
		t.Run("lang:"+tt.id+" "+tt.text, func(t *testing.T) {
			// A leading token keeps `#` from beginning a directive.
			toks, _ := scan("x " + tt.text)
			want := "name " + strings.ReplaceAll(tt.want, "#", "other")
			want = strings.ReplaceAll(want, "{other}", "{#}")
			if got := kinds(toks); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Every reserved word is one token of its own kind, and no name.
func TestKeywords(t *testing.T) {
	n := 0
	for k := EOF; k < numKinds; k++ {
		if !k.IsKeyword() {
			continue
		}
		n++
		toks, rep := scan(spell(k))
		if rep.HasErrors() || len(toks) != 2 || toks[0].Kind != k {
			t.Errorf("%q scans as %v", spell(k), toks)
		}
		if toks[0].String() != "`"+spell(k)+"`" {
			t.Errorf("shown as %s", toks[0])
		}
	}
	if n != 41 {
		t.Errorf("%d reserved words", n)
	}
}

// lang:L10
func TestStrings(t *testing.T) {
	tests := []struct{ text, want string }{
		{`""`, ""},
		{`"abc"`, "abc"},
		{`"a\"b\\c\nd\te"`, "a\"b\\c\nd\\te"},
		{"\"two\nlines\"", "two\nlines"},
		{`"⟶ü"`, "⟶ü"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			toks, rep := scan(tt.text)
			if rep.HasErrors() || toks[0].Kind != String || toks[0].Text != tt.want {
				t.Errorf("got %q (%v)", toks[0].Text, rep)
			}
			if got := Unquote(Quote(tt.want)); got != tt.want {
				t.Errorf("Unquote(Quote) = %q", got)
			}
		})
	}
	if _, rep := scan("\"open\nx"); rep.Errors() != 1 || rep.All()[0].Code != CodeString {
		t.Errorf("an open string draws %s", rep)
	}
}
