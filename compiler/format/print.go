package format

import (
	"strings"
	"unicode/utf8"

	"github.com/p4nic/p4nic/compiler/preproc"
)

// line is a line of the result.
type line struct {
	indent  int
	text    string // may have line ends: comments, directives
	column  column // of what at offset in text is aligned
	offset  int
	comment string // a comment at the end
	blank   bool   // a blank line before it
}

// bracket is an open bracket on the way through the items.
type bracket struct {
	indent  int  // of the line it is on
	col     int  // of what follows it, 0 while nothing does
	hanging bool // the line ended behind it
	params  bool
}

// linePrinter breaks items into lines.
type linePrinter struct {
	items []item
	lines []line
	cur   line
	col   int
	open  []bracket
	// start is the first item of the current line, and atStart what was open
	// before it: to print the line again with one more break.
	start   int
	atStart []bracket
	broken  map[int]bool
	tooLong []int
}

// printItems makes lines of items. The second result are the opening braces of
// bodies on one line that made a line too long.
func printItems(items []item) ([]line, []int) {
	p := &linePrinter{items: items, broken: map[int]bool{}}
	for i := 0; i < len(items); i++ {
		it := &items[i]
		if p.breaks(i) {
			p.newLine(i)
		} else if it.gap == spaced {
			p.put(" ")
		}
		p.item(i)
		if p.col > width && it.Kind != preproc.Comment && it.Kind != preproc.Directive {
			if back, ok := p.shorten(i); ok {
				i = back - 1
			}
		}
	}
	p.flush()
	return p.lines, p.tooLong
}

// breaks tells whether a line begins with item i.
func (p *linePrinter) breaks(i int) bool {
	it := &p.items[i]
	return i == 0 || it.gap == newline || it.may && it.Newlines > 0 || p.broken[i]
}

func (p *linePrinter) flush() {
	if p.cur.text != "" || p.cur.comment != "" {
		p.lines = append(p.lines, p.cur)
	}
	p.cur = line{}
}

func (p *linePrinter) newLine(i int) {
	p.flush()
	it := &p.items[i]
	if n := len(p.open); n > 0 && p.open[n-1].col == 0 {
		p.open[n-1].hanging = true
	}
	p.start, p.atStart = i, append([]bracket(nil), p.open...)
	p.begin(it, i)
}

// begin begins a line with item it.
func (p *linePrinter) begin(it *item, i int) {
	p.cur = line{indent: p.indentOf(it)}
	p.col = p.cur.indent
	if i > 0 && it.Newlines > 1 {
		prev := &p.items[i-1]
		p.cur.blank = !(prev.block && prev.Text == "{") && !(it.block && it.Text == "}")
	}
}

// indentOf is the indentation of a line that begins with it.
func (p *linePrinter) indentOf(it *item) int {
	base := it.level * indent
	switch {
	case it.Kind == preproc.Directive:
		return 0
	case !it.cont || it.block || it.Text == "else":
		if it.Kind != preproc.Comment {
			p.open = p.open[:0]
		}
		return base
	case len(p.open) == 0:
		return base + indent
	}
	top := p.open[len(p.open)-1]
	switch {
	case it.closes && top.hanging:
		return top.indent
	case top.hanging && top.params:
		return top.indent + hang
	case top.hanging:
		return top.indent + indent
	case it.closes:
		return max(top.col-1, 0)
	case top.col <= maxAlign:
		return top.col
	}
	return top.indent + hang
}

func (p *linePrinter) put(s string) {
	p.cur.text += s
	if n := strings.LastIndexByte(s, '\n'); n >= 0 {
		p.col, s = 0, s[n+1:]
	}
	p.col += utf8.RuneCountInString(s)
}

// item appends item i to the current line.
func (p *linePrinter) item(i int) {
	it := &p.items[i]
	if it.Kind == preproc.Comment {
		p.comment(i)
		return
	}
	if n := len(p.open); n > 0 && p.open[n-1].col == 0 && !it.closes {
		p.open[n-1].col = p.col
	}
	if it.column != noColumn {
		p.cur.column, p.cur.offset = it.column, len(p.cur.text)
	}
	p.put(it.Text)
	switch {
	case it.opens:
		p.open = append(p.open, bracket{indent: p.cur.indent, params: it.params})
	case it.closes && len(p.open) > 0:
		p.open = p.open[:len(p.open)-1]
	}
}

// comment appends a comment. One that ends its line is kept apart, to be
// aligned.
func (p *linePrinter) comment(i int) {
	it := &p.items[i]
	if p.cur.text != "" && (i+1 == len(p.items) || p.items[i+1].gap == newline) && !strings.Contains(it.Text, "\n") && p.cur.comment == "" {
		p.cur.text = strings.TrimRight(p.cur.text, " ")
		p.cur.comment = strings.TrimRight(it.Text, " \t\r\f\v")
		return
	}
	p.put(shift(it.Text, it.Column, p.col))
}

// shift moves the lines of a comment that began at column from to column to.
func shift(text string, from, to int) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, s := range lines {
		s = strings.TrimRight(s, " \t\r\f\v")
		if i > 0 && s != "" {
			body := strings.TrimLeft(s, " \t")
			lead := max(0, preproc.Columns(s[:len(s)-len(body)])-from+to)
			s = strings.Repeat(" ", lead) + body
		}
		lines[i] = s
	}
	return strings.Join(lines, "\n")
}

// shorten finds the best place to break the line that item i made too long, and
// takes the line back; the first item to print again is the result.
func (p *linePrinter) shorten(i int) (int, bool) {
	for j := p.start; j <= i; j++ {
		if one := p.items[j].oneLine; one >= 0 && p.items[one].match != one+1 {
			p.tooLong = append(p.tooLong, one)
			return 0, false
		}
	}
	best := -1
	for j := p.start + 1; j <= i; j++ {
		if p.items[j].may && (best < 0 || p.items[j].cost <= p.items[best].cost) {
			best = j
		}
	}
	if best < 0 {
		return 0, false
	}
	p.broken[best] = true
	p.breakParams(best)
	p.open = append(p.open[:0], p.atStart...)
	p.begin(&p.items[p.start], p.start)
	p.item(p.start)
	return p.start + 1, true
}

// breakParams puts each parameter on its own line where one of them is.
func (p *linePrinter) breakParams(at int) {
	for j := p.start; j < at; j++ {
		it := &p.items[j]
		if !it.params || it.match < at {
			continue
		}
		for k := j + 1; k < it.match; k++ {
			if x := &p.items[k]; x.match > k {
				k = x.match
			} else if x.Text == "," && k+1 < it.match && p.items[k+1].may && p.items[k+1].cost == p.items[at].cost {
				p.broken[k+1] = true
			}
		}
	}
}
