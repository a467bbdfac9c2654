package preproc

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/source"
)

// Kinds that only Lexemes yields.
const (
	Comment   Kind = iota + Bad + 1 // one comment, with its delimiters
	Directive                       // a whole directive, with its continuation lines
)

// Lexeme is a piece of a file as it is written.
type Lexeme struct {
	Token
	// Column is the number of columns before a comment on its line.
	Column int
	// Newlines is the number of line ends between the lexeme before and this
	// one; for the first, from the beginning of the file.
	Newlines int
}

// Lexemes cuts a file into everything that is not white space, and carries out
// no directive: what formatters and editors need, who see the file and not the
// program. Both groups of a conditional are there. Line ends in Text are "\n".
func Lexemes(f *source.File) []Lexeme {
	lx := newLexer(f)
	var out []Lexeme
	for {
		newlines, space := lx.white()
		lo := lx.off
		if lo >= len(lx.text) {
			return out
		}
		l := Lexeme{Newlines: newlines}
		switch rest := lx.text[lo:]; {
		case strings.HasPrefix(rest, "//"):
			lx.restOfLine()
			l.Kind, l.lineStart = Comment, lx.lineStart
		case strings.HasPrefix(rest, "/*"):
			l.Kind, l.lineStart = Comment, lx.lineStart
			if n := strings.Index(rest[2:], "*/"); n >= 0 {
				lx.off += n + 4
			} else {
				lx.off = len(lx.text)
			}
		default:
			l.Token = lx.token(false)
			if l.lineStart && l.Text == "#" {
				l.Kind = Directive
				lx.wholeDirective()
			}
		}
		l.space = space
		if l.Kind == Comment || l.Kind == Directive {
			l.Span = lx.span(lo, lx.off)
			at := f.Offset(l.Lo)
			l.Column = Columns(f.Content[strings.LastIndexByte(f.Content[:at], '\n')+1 : at])
			l.Text = f.Content[at:f.Offset(l.Hi)]
			l.Text = strings.TrimRight(strings.ReplaceAll(l.Text, "\r\n", "\n"), " \t\r\f\v\n")
			if strings.HasPrefix(l.Text, "//") {
				// At the end of the file there is no line to continue on.
				l.Text = strings.TrimRight(l.Text, "\\ \t")
			}
		}
		out = append(out, l)
	}
}

// white skips white space without comments.
func (lx *lexer) white() (newlines int, space bool) {
	for lx.off < len(lx.text) {
		switch lx.text[lx.off] {
		case '\n':
			newlines++
			lx.lineStart = true
		case ' ', '\t', '\r', '\f', '\v':
		default:
			return newlines, space
		}
		space = true
		lx.off++
	}
	return newlines, space
}

// wholeDirective moves behind the directive whose `#` was read, as directive
// would: a comment that begins in it may end on a later line.
func (lx *lexer) wholeDirective() {
	if t, ok := lx.nextInLine(); ok && t.Text == "include" {
		lx.headerName()
	}
	for {
		if _, ok := lx.nextInLine(); !ok {
			return
		}
	}
}

// Splits tells whether a, which is an operator or a character, is still a token
// of its own when the text b follows at once.
func Splits(a, b string) bool {
	_, n := lexOne(a+b, true)
	return n == len(a)
}

// Columns is the width of a text at the beginning of a line, with a tab stop at
// every eighth column.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		if r == '\t' {
			n += 8 - n%8
		} else {
			n++
		}
	}
	return n
}

// IncludeOf reads the name in an #include directive as Lexemes gives it. The
// offsets are those of the name in the text, quotes or brackets aside; ok is false
// for other directives and for names that macros make.
func IncludeOf(text string) (name string, quoted bool, offset int, ok bool) {
	s := strings.TrimLeft(strings.TrimPrefix(text, "#"), " \t")
	rest, ok := strings.CutPrefix(s, "include")
	if !ok {
		return "", false, 0, false
	}
	rest = strings.TrimLeft(rest, " \t")
	end := byte('>')
	switch {
	case strings.HasPrefix(rest, `"`):
		quoted, end = true, '"'
	case !strings.HasPrefix(rest, "<"):
		return "", false, 0, false
	}
	n := strings.IndexByte(rest[1:], end)
	if n < 0 {
		return "", false, 0, false
	}
	return rest[1 : n+1], quoted, len(text) - len(rest) + 1, true
}

// Resolve returns the name, in the source.Set, of the file that an #include in
// the file called from finds.
func Resolve(opts Options, from, name string, quoted bool) (string, error) {
	p := newPreproc(nil, opts, nil)
	at := origin{name: from, path: from}
	if inside, ok := strings.CutPrefix(from, p.opts.FSLabel+"/"); ok {
		at.fsPath = inside
	}
	found, _, err := p.find(at, name, quoted)
	return found.name, err
}
