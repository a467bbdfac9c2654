// Package scanner turns preprocessing tokens into the tokens of P4
// (specification, "Lexical constructs"): it tells keywords from names, reads
// integer and string literals.
//
// In: a preproc.Result. Out: tokens for compiler/parser.
//
// It imports compiler/source, compiler/diag and compiler/preproc and nothing
// else of the compiler.
package scanner

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
)

// Codes of the scanner. A character that is no token is not among them: it is
// allowed in the body of an unstructured annotation, so the parser reports it.
const (
	CodeInteger diag.Code = "bad-integer" // malformed integer literal
	CodeString  diag.Code = "open-string" // string literal without closing quote
)

// Token is a token of P4.
type Token struct {
	source.Span
	Kind Kind
	// Text is the spelling; of a String, its value without quotes and escapes.
	Text string
	// Int is set for kind Int only.
	Int *Integer
	// LineStart: first token of a line (ends an @pragma). Space: white space
	// before it (`> >` is no shift).
	LineStart bool
	Space     bool
}

// String names the token as diagnostics do.
func (t Token) String() string {
	switch t.Kind {
	case Ident, Int:
		return "`" + clip(t.Text) + "`"
	case String:
		return strconv.Quote(clip(t.Text))
	case Other:
		return "`" + t.Text + "`"
	}
	return t.Kind.String()
}

func clip(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		return string([]rune(s)[:40]) + "..."
	}
	return s
}

// Integer is the meaning of an integer literal (specification, "Integer
// literals"). Value is not cut to Width.
type Integer struct {
	Value    *big.Int
	HasWidth bool
	Width    int
	Signed   bool
	Base     int
}

// Bounds of integer literals: beyond them a literal is refused, as reading it
// would cost more than any use of it is worth.
const (
	maxDigits = 10_000
	maxWidth  = 1 << 20
)

// Scan converts the tokens of a preprocessed program. The result ends in EOF.
func Scan(pp *preproc.Result, rep *diag.List) []Token {
	names := newTable()
	out := make([]Token, 0, len(pp.Tokens)+1)
	for _, p := range pp.Tokens {
		t := Token{Span: p.Span, Text: p.Text, LineStart: p.LineStart(), Space: p.SpaceBefore()}
		switch p.Kind {
		case preproc.EOF:
			t.Kind = EOF
		case preproc.Name:
			t.Kind = Ident
			if k, ok := names[p.Text]; ok {
				t.Kind = k
			}
		case preproc.Number:
			t.Kind = Int
			v, err := ParseInteger(p.Text)
			if err != "" {
				rep.Errorf(CodeInteger, p.Span, "bad integer literal `%s`: %s", clip(p.Text), err)
				v = &Integer{Value: new(big.Int), Base: 10}
			}
			t.Int = v
		case preproc.String:
			t.Kind, t.Text = String, Unquote(p.Text)
		case preproc.Punct:
			k, ok := names[p.Text]
			if !ok {
				k = Other
			}
			t.Kind = k
		default:
			t.Kind = Other
			if strings.HasPrefix(p.Text, `"`) {
				// Taken for a string, so that one error does not become two.
				rep.Errorf(CodeString, p.Span, "string is not closed on its line")
				t.Kind, t.Text = String, Unquote(p.Text+`"`)
			}
		}
		out = append(out, t)
	}
	if n := len(out); n == 0 || out[n-1].Kind != EOF {
		out = append(out, Token{Kind: EOF, LineStart: true})
	}
	return out
}

// ParseInteger reads an integer literal (L7, L8): an optional width and `w` or
// `s`, an optional base prefix, digits with `_` between them. A leading zero
// does not mean octal. The second result says what is wrong, "" for nothing.
func ParseInteger(text string) (*Integer, string) {
	v := &Integer{Base: 10}
	s := text
	if i := strings.IndexAny(s, "ws"); i > 0 {
		w := s[:i]
		for _, c := range w {
			if c < '0' || c > '9' {
				return nil, "the width must be a decimal number"
			}
		}
		n, err := strconv.Atoi(w)
		if err != nil || n > maxWidth {
			return nil, "the width exceeds " + strconv.Itoa(maxWidth)
		}
		v.HasWidth, v.Width, v.Signed = true, n, s[i] == 's'
		s = s[i+1:]
		if s == "" {
			return nil, "no digits after the width"
		}
	}
	if len(s) > 1 && s[0] == '0' {
		base := 0
		switch s[1] {
		case 'x', 'X':
			base = 16
		case 'd', 'D':
			base = 10
		case 'o', 'O':
			base = 8
		case 'b', 'B':
			base = 2
		}
		if base != 0 {
			v.Base, s = base, s[2:]
		}
	}
	digits := strings.ReplaceAll(s, "_", "")
	switch {
	case digits == "":
		return nil, "no digits"
	case len(digits) > maxDigits:
		return nil, "more than " + strconv.Itoa(maxDigits) + " digits"
	}
	for _, c := range digits {
		if d := digit(c); d >= v.Base {
			return nil, "`" + string(c) + "` is no digit of base " + strconv.Itoa(v.Base)
		}
	}
	v.Value, _ = new(big.Int).SetString(digits, v.Base)
	return v, ""
}

func digit(c rune) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}

// Unquote returns the value of a string literal with its quotes: `\"`, `\\` and
// `\n` are replaced, any other backslash stands for itself (L10).
func Unquote(text string) string {
	s := strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case '"', '\\':
				i++
			case 'n':
				i++
				b.WriteByte('\n')
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Quote returns a string literal whose value is s; the reverse of Unquote.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
