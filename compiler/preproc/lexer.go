package preproc

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/p4nic/p4nic/compiler/source"
)

// Kind classifies a preprocessing token.
type Kind uint8

// Kinds of preprocessing tokens.
const (
	EOF    Kind = iota
	Name        // identifier or keyword
	Number      // digit followed by letters, digits and `_`; checked by the scanner
	String      // string literal with its quotes
	Punct       // operator or punctuation, longest match; `>` is always alone
	Bad         // a character or an unclosed string that no rule covers
)

// Token is a preprocessing token.
type Token struct {
	source.Span
	Kind Kind
	Text string

	lineStart bool // first of its line
	space     bool // white space or a comment before it
	noExpand  bool // a macro name met while that macro is being expanded
}

// LineStart reports whether the token is the first of a line; `@pragma` ends
// there.
func (t Token) LineStart() bool { return t.lineStart }

// SpaceBefore reports whether white space or a comment precedes the token: two
// `>` without it are a shift.
func (t Token) SpaceBefore() bool { return t.space || t.lineStart }

// lexer cuts one file into preprocessing tokens.
type lexer struct {
	file *source.File
	text string // content without line continuations
	cuts []cut  // where continuations were taken out
	off  int    // offset in text

	lineStart   bool
	openComment source.Span // the comment that the file's end cut off
}

// cut says that from offset `at` of text on, the content is `skipped` further.
type cut struct {
	at      int
	skipped int
}

func newLexer(f *source.File) *lexer {
	lx := &lexer{file: f, text: f.Content, lineStart: true}
	lx.splice()
	// A byte order mark is not text.
	if strings.HasPrefix(lx.text, "\ufeff") {
		lx.off = len("\ufeff")
	}
	return lx
}

// splice takes out line continuations (C standard, translation phase 2).
func (lx *lexer) splice() {
	s := lx.file.Content
	if !strings.Contains(s, "\\\n") && !strings.Contains(s, "\\\r\n") {
		return
	}
	var b strings.Builder
	skipped := 0
	for i := 0; i < len(s); {
		n := 0
		if strings.HasPrefix(s[i:], "\\\n") {
			n = 2
		} else if strings.HasPrefix(s[i:], "\\\r\n") {
			n = 3
		}
		if n == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		i += n
		skipped += n
		lx.cuts = append(lx.cuts, cut{b.Len(), skipped})
	}
	lx.text = b.String()
}

// pos maps an offset of text to a position of the file.
func (lx *lexer) pos(off int) source.Pos {
	if len(lx.cuts) > 0 {
		i := sort.Search(len(lx.cuts), func(i int) bool { return lx.cuts[i].at > off })
		if i > 0 {
			off += lx.cuts[i-1].skipped
		}
	}
	return lx.file.Pos(off)
}

// span maps text[lo:hi]; the end is taken from the last byte, so that a
// continuation after it is not part of the span.
func (lx *lexer) span(lo, hi int) source.Span {
	if hi <= lo {
		return source.Span{Lo: lx.pos(lo), Hi: lx.pos(lo)}
	}
	return source.Span{Lo: lx.pos(lo), Hi: lx.pos(hi-1) + 1}
}

// blank skips white space and comments. It reports whether there was any, and
// stops before the end of the line when stay is set.
func (lx *lexer) blank(stay bool) (skipped bool) {
	for lx.off < len(lx.text) {
		switch c := lx.text[lx.off]; {
		case c == '\n':
			if stay {
				return skipped
			}
			lx.lineStart = true
			lx.off++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			lx.off++
		case c == '/' && strings.HasPrefix(lx.text[lx.off:], "//"):
			if n := strings.IndexByte(lx.text[lx.off:], '\n'); n >= 0 {
				lx.off += n
			} else {
				lx.off = len(lx.text)
			}
		case c == '/' && strings.HasPrefix(lx.text[lx.off:], "/*"):
			n := strings.Index(lx.text[lx.off+2:], "*/")
			if n < 0 {
				lx.openComment = lx.span(lx.off, lx.off+2)
				lx.off = len(lx.text)
			} else {
				lx.off += n + 4
			}
		default:
			return skipped
		}
		skipped = true
	}
	return skipped
}

// next returns the next token of the file.
func (lx *lexer) next() Token {
	space := lx.blank(false)
	t := lx.token(false)
	t.space = space
	return t
}

// nextInLine returns the next token of a directive, or ok false at its end.
func (lx *lexer) nextInLine() (t Token, ok bool) {
	space := lx.blank(true)
	if lx.off >= len(lx.text) || lx.text[lx.off] == '\n' {
		return Token{Kind: EOF, Span: lx.span(lx.off, lx.off)}, false
	}
	t = lx.token(true)
	t.space = space
	return t, true
}

// restOfLine returns the raw text up to the end of the line, trimmed, and moves
// there.
func (lx *lexer) restOfLine() string {
	lo := lx.off
	if n := strings.IndexByte(lx.text[lo:], '\n'); n >= 0 {
		lx.off = lo + n
	} else {
		lx.off = len(lx.text)
	}
	return strings.TrimSpace(lx.text[lo:lx.off])
}

// headerName reads `<name>` after #include, if it is there.
func (lx *lexer) headerName() (name string, at source.Span, ok bool) {
	lx.blank(true)
	s := lx.text[lx.off:]
	if !strings.HasPrefix(s, "<") {
		return "", source.Span{}, false
	}
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		s = s[:n]
	}
	n := strings.IndexByte(s, '>')
	if n < 0 {
		return "", source.Span{}, false
	}
	at = lx.span(lx.off, lx.off+n+1)
	lx.off += n + 1
	return s[1:n], at, true
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// token reads one token; white space has been skipped. Within a directive it
// does not leave the line.
func (lx *lexer) token(inLine bool) Token {
	t := Token{lineStart: lx.lineStart}
	lx.lineStart = false
	lo := lx.off
	if lo >= len(lx.text) {
		t.Kind, t.lineStart = EOF, true
		t.Span = lx.span(lo, lo)
		return t
	}
	n := 0
	t.Kind, n = lexOne(lx.text[lo:], inLine)
	lx.off += n
	t.Text = lx.text[lo:lx.off]
	t.Span = lx.span(lo, lx.off)
	return t
}

// lexOne returns kind and length of the token at the start of s, which is not
// empty and starts with no white space. A string may reach over several lines,
// unless inLine is set; one that is closed nowhere ends with its line.
func lexOne(s string, inLine bool) (Kind, int) {
	c := s[0]
	switch {
	case isLetter(c), isDigit(c):
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
			n++
		}
		if isDigit(c) {
			return Number, n
		}
		return Name, n
	case c == '"':
		end := strings.IndexByte(s, '\n')
		if end < 0 {
			end = len(s)
		}
		for n := 1; n < len(s) && (n < end || !inLine); n++ {
			switch s[n] {
			case '\\':
				n++
			case '"':
				return String, n + 1
			}
		}
		return Bad, end
	}
	if n := punct(s); n > 0 {
		return Punct, n
	}
	_, n := utf8.DecodeRuneInString(s)
	return Bad, n
}

// puncts are the operators of more than one character, longest first. `>>` and
// `>>=` are left to the parser, which knows whether a `>` closes type
// arguments (L14).
const puncts = "|+|= |-|= &&& ... <<= {#} ++= |+| |-| << <= >= == != && || ++ .. +: += -= *= /= %= &= |= ^= ##"

// punct returns the length of the operator at the start of s, 0 for none.
func punct(s string) int {
	for list := puncts; list != ""; {
		var op string
		op, list, _ = strings.Cut(list, " ")
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	if strings.IndexByte("()[]{}<>+-*/%&|^~!=.,;:?@#", s[0]) >= 0 {
		return 1
	}
	return 0
}
