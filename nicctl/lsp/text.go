package lsp

import (
	"net/url"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/p4nic/p4nic/compiler/source"
)

// lines knows where the lines of a text begin, to turn offsets into positions
// of the protocol, which count UTF-16 code units, and back.
type lines struct {
	text   string
	starts []int
}

func newLines(text string) *lines {
	l := &lines{text: text, starts: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' || text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

func (l *lines) position(offset int) position {
	offset = min(max(offset, 0), len(l.text))
	n := sort.Search(len(l.starts), func(i int) bool { return l.starts[i] > offset }) - 1
	return position{n, units(l.text[l.starts[n]:offset])}
}

// offset returns the offset of a position; one behind the end of its line or of
// the text is taken for that end, as the protocol wants.
func (l *lines) offset(p position) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= len(l.starts) {
		return len(l.text)
	}
	at, end := l.starts[p.Line], len(l.text)
	if p.Line+1 < len(l.starts) {
		end = l.starts[p.Line+1]
	}
	for rest := p.Character; rest > 0 && at < end && l.text[at] != '\n' && l.text[at] != '\r'; {
		r, n := utf8.DecodeRuneInString(l.text[at:])
		if r > 0xffff {
			rest--
		}
		rest--
		at += n
	}
	return at
}

// units is the length of a text in UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		if r > 0xffff {
			n++
		}
		n++
	}
	return n
}

// span is the range of a span in its file.
func (l *lines) span(f *source.File, sp source.Span) rangeOf {
	lo := f.Offset(sp.Lo)
	hi := lo
	if sp.Hi > sp.Lo {
		hi = f.Offset(sp.Hi)
	}
	return rangeOf{l.position(lo), l.position(hi)}
}

// pathOf returns the path that a URI names. A document that is on no disk keeps
// its URI for a name.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return uri
	}
	return filepath.FromSlash(u.Path)
}

// uriOf is the reverse of pathOf.
func uriOf(path string) string {
	if !filepath.IsAbs(path) {
		if strings.Contains(path, ":") {
			return path
		}
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String()
}
