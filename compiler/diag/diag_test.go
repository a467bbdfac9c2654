package diag

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/source"
)

// fixture returns a list over one file and a function that makes the span of
// the n-th occurrence (from 0) of a word.
func fixture(t *testing.T, max int, text string) (*List, func(word string, n int) source.Span) {
	t.Helper()
	set := source.NewSet()
	f, err := set.Add("t.p4", text)
	if err != nil {
		t.Fatal(err)
	}
	return NewList(set, max), func(word string, n int) source.Span {
		off := 0
		for {
			i := strings.Index(text[off:], word)
			if i < 0 {
				t.Fatalf("no %q", word)
			}
			off += i
			if n == 0 {
				return source.Span{Lo: f.Pos(off), Hi: f.Pos(off + len(word))}
			}
			n--
			off++
		}
	}
}

func TestRender(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name string
		text string
		word string
		want string
	}{
		{"one character", "a + b;\n", "b", "t.p4:1:5: error[c]: m\na + b;\n    ^\n"},
		{"a word", "foo bar\n", "bar", "t.p4:1:5: error[c]: m\nfoo bar\n    ^~~\n"},
		{"tabs are kept in the caret line", "\tif\tx\n", "x", "t.p4:1:5: error[c]: m\n\tif\tx\n\t  \t^\n"},
		{"characters, not bytes", "\"äö\" q\n", "q", "t.p4:1:6: error[c]: m\n\"äö\" q\n     ^\n"},
		{"only the first line of a span", "ab\ncd\n", "b\nc", "t.p4:1:2: error[c]: m\nab\n ^\n"},
		{"carriage return", "ab\r\ncd", "b", "t.p4:1:2: error[c]: m\nab\n ^\n"},
		{"control characters stay off the terminal", "a\x1b[b\n", "b", "t.p4:1:4: error[c]: m\na?[b\n   ^\n"},
		{"a window of a long line", long + "!" + long, "!",
			"t.p4:1:301: error[c]: m\n..." + strings.Repeat("x", 80) + "!" + strings.Repeat("x", 79) + "...\n" + strings.Repeat(" ", 83) + "^\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, at := fixture(t, 0, tt.text)
			l.Errorf("c", at(tt.word, 0), "m")
			if got := l.String(); got != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestRenderNotesAndFix(t *testing.T) {
	l, at := fixture(t, 0, "int x;\nint x\n")
	l.Report(Diagnostic{
		Code: "duplicate", Severity: Warning, Span: at("x", 1), Message: "x again",
		Notes: []Note{{Span: at("x", 0), Message: "first"}, {Message: "no place"}},
		Fix:   &Fix{Span: source.Span{Lo: at("x", 1).Hi, Hi: at("x", 1).Hi}, Text: ";", Message: "insert"},
	})
	want := `t.p4:2:5: warning[duplicate]: x again
int x
    ^
t.p4:1:5: note: first
int x;
    ^
note: no place
t.p4:2:6: fix: insert: ";"
`
	if got := l.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if l.HasErrors() || l.Warnings() != 1 || l.Err() != nil {
		t.Errorf("a warning must not count as an error")
	}
}

func TestListOrderAndRepetition(t *testing.T) {
	l, at := fixture(t, 0, "a b\nc\n")
	l.Errorf("two", at("c", 0), "c")
	l.Errorf("one", at("b", 0), "b")
	l.Errorf("one", at("a", 0), "same code and line: dropped")
	l.Warnf("three", at("b", 0), "w")
	l.Errorf("none", source.Span{}, "no place")
	var got []string
	for _, d := range l.All() {
		got = append(got, d.Message)
	}
	if s := strings.Join(got, ","); s != "no place,b,w,c" {
		t.Errorf("order %s", s)
	}
	if l.Errors() != 3 {
		t.Errorf("%d errors", l.Errors())
	}
	if got := l.Err().Error(); got != "error[none]: no place (and 2 more)" {
		t.Errorf("Err() = %s", got)
	}
}

func TestCap(t *testing.T) {
	text := strings.Repeat("x\n", 10)
	l, at := fixture(t, 3, text)
	for i := range 10 {
		if full := i > 3; l.Full() != full {
			t.Errorf("Full() = %v before error %d", l.Full(), i+1)
		}
		l.Errorf("e", at("x", i), "m")
	}
	if len(l.All()) != 3 || l.Errors() != 10 || l.Dropped() != 7 {
		t.Errorf("kept %d of %d", len(l.All()), l.Errors())
	}
	if !strings.HasSuffix(l.String(), "too many errors: 7 more not shown\n") {
		t.Errorf("rendered\n%s", l)
	}
}

func TestJSON(t *testing.T) {
	l, at := fixture(t, 0, "a <b>\n")
	l.Report(Diagnostic{Code: "c", Span: at("<b>", 0), Message: "m & <n>", Notes: []Note{{Message: "n"}}})
	var b strings.Builder
	if err := l.RenderJSON(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"diagnostics":[{"severity":"error","code":"c","message":"m & <n>",` +
		`"at":{"file":"t.p4","line":1,"col":3,"endLine":1,"endCol":6},"notes":[{"message":"n"}]}],"errors":1,"warnings":0}`
	var got, exp any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	json.Unmarshal([]byte(want), &exp)
	g, _ := json.Marshal(got)
	e, _ := json.Marshal(exp)
	if string(g) != string(e) {
		t.Errorf("got\n%s\nwant\n%s", g, e)
	}
	l = NewList(source.NewSet(), 0)
	b.Reset()
	l.RenderJSON(&b)
	if !strings.Contains(b.String(), `"diagnostics": []`) {
		t.Errorf("an empty list must be an empty array:\n%s", b.String())
	}
}
