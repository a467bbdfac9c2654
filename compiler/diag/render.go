package diag

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/p4nic/p4nic/compiler/source"
)

// headline returns `FILE:LINE:COL: error[CODE]: message`.
func headline(set *source.Set, d Diagnostic) string {
	return fmt.Sprintf("%s%s[%s]: %s", prefix(set, d.Span), d.Severity, d.Code, d.Message)
}

// prefix returns "FILE:LINE:COL: ", or "" for no position.
func prefix(set *source.Set, sp source.Span) string {
	if !sp.IsValid() {
		return ""
	}
	return set.Position(sp.Lo).String() + ": "
}

// Render writes the list as text, in the form DESIGN fixes: the headline, the
// source line, a line with a caret; then notes and the suggested fix.
func (l *List) Render(w io.Writer) error {
	bw := bufio.NewWriter(w)
	for _, d := range l.All() {
		writeText(bw, l.set, d)
	}
	if l.dropped > 0 {
		fmt.Fprintf(bw, "too many errors: %d more not shown\n", l.dropped)
	}
	return bw.Flush()
}

// String returns what Render writes.
func (l *List) String() string {
	var b strings.Builder
	l.Render(&b) // a strings.Builder does not fail
	return b.String()
}

// Text renders one diagnostic.
func Text(set *source.Set, d Diagnostic) string {
	var b strings.Builder
	bw := bufio.NewWriter(&b)
	writeText(bw, set, d)
	bw.Flush()
	return b.String()
}

func writeText(w *bufio.Writer, set *source.Set, d Diagnostic) {
	fmt.Fprintln(w, headline(set, d))
	writeSnippet(w, set, d.Span)
	for _, n := range d.Notes {
		fmt.Fprintf(w, "%snote: %s\n", prefix(set, n.Span), n.Message)
		writeSnippet(w, set, n.Span)
	}
	if d.Fix != nil {
		fmt.Fprintf(w, "%sfix: %s: %q\n", prefix(set, d.Fix.Span), d.Fix.Message, d.Fix.Text)
	}
}

// maxLine is the longest source line shown whole; of a longer one, a window
// around the caret is shown.
const maxLine = 160

// writeSnippet writes the source line and, below it, `^` under the first
// character and `~` under the rest of the span on that line. Tabs are copied
// into the caret line, so that the caret stands right whatever a tab is worth.
func writeSnippet(w *bufio.Writer, set *source.Set, sp source.Span) {
	f := set.File(sp.Lo)
	if f == nil {
		return
	}
	pos := set.Physical(sp.Lo)
	line := f.Line(pos.Line)
	lo := byteCol(line, pos.Col)
	hi := len(line)
	if set.File(sp.Hi) == f && sp.Hi >= sp.Lo {
		if n := lo + int(sp.Hi-sp.Lo); n < hi {
			hi = n
		}
	}
	lead, trail := "", ""
	if len(line) > maxLine {
		from := max(0, lo-maxLine/2)
		to := min(len(line), from+maxLine)
		for from > 0 && !utf8.RuneStart(line[from]) {
			from--
		}
		for to < len(line) && !utf8.RuneStart(line[to]) {
			to++
		}
		if from > 0 {
			lead = "..."
		}
		if to < len(line) {
			trail = "..."
		}
		line, lo, hi = line[from:to], lo-from, min(hi, to)-from
	}
	fmt.Fprintf(w, "%s%s%s\n", lead, printable(line), trail)
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", len(lead)))
	for _, r := range line[:min(lo, len(line))] {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('^')
	if lo < hi && hi <= len(line) {
		if n := utf8.RuneCountInString(line[lo:hi]) - 1; n > 0 {
			b.WriteString(strings.Repeat("~", n))
		}
	}
	fmt.Fprintln(w, b.String())
}

// byteCol returns the byte offset of the col-th character (from 1).
func byteCol(line string, col int) int {
	n := 1
	for i := range line {
		if n == col {
			return i
		}
		n++
	}
	return len(line)
}

// printable keeps control characters of a hostile source off the terminal:
// each becomes one `?`, so columns stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0)) {
			return '?'
		}
		return r
	}, s)
}
