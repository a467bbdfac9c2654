package format

import (
	"strings"
	"unicode/utf8"
)

// align makes columns of the names of fields and types, of the values of
// constants, and of the comments at line ends, each within a run of
// neighbouring lines.
func align(lines []line) []line {
	runs(lines, func(first, next line) bool {
		return first.aligned() && next.aligned() && next.column == first.column
	}, alignColumns)
	runs(lines, func(first, next line) bool {
		return next.comment != "" || first.aligned() && next.aligned()
	}, alignComments)
	return lines
}

// aligned tells whether a line has something to align. A comment of several
// lines could not move with it.
func (l line) aligned() bool { return l.column != noColumn && !strings.Contains(l.text, "\n") }

// runs calls do for the longest runs of lines with the same indentation, no
// blank line between them, and same true for each with the first.
func runs(lines []line, same func(first, next line) bool, do func([]line)) {
	for i := 0; i < len(lines); {
		n := i + 1
		for n < len(lines) && !lines[n].blank && lines[n].indent == lines[i].indent && same(lines[i], lines[n]) {
			n++
		}
		do(lines[i:n])
		i = n
	}
}

func alignColumns(lines []line) {
	if !lines[0].aligned() {
		return
	}
	col := 0
	for _, l := range lines {
		col = max(col, utf8.RuneCountInString(l.text[:l.offset]))
	}
	for i := range lines {
		l := &lines[i]
		pad := col - utf8.RuneCountInString(l.text[:l.offset])
		l.text = l.text[:l.offset] + strings.Repeat(" ", pad) + l.text[l.offset:]
	}
}

func alignComments(lines []line) {
	col := 0
	for _, l := range lines {
		if l.comment != "" {
			col = max(col, lastWidth(l.text))
		}
	}
	for i := range lines {
		if l := &lines[i]; l.comment != "" {
			l.text += strings.Repeat(" ", col-lastWidth(l.text)+2) + l.comment
		}
	}
}

// lastWidth is the width of the last line of a text.
func lastWidth(s string) int {
	return utf8.RuneCountInString(s[strings.LastIndexByte(s, '\n')+1:])
}

// join makes a text of lines.
func join(lines []line) string {
	var b strings.Builder
	for i, l := range lines {
		if l.blank && i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat(" ", l.indent))
		b.WriteString(strings.TrimRight(l.text, " "))
		b.WriteByte('\n')
	}
	return b.String()
}
