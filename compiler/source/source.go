// Package source knows the text of every file of a compilation and gives each
// byte of it a compact position.
//
// In: file names and contents, added by the preprocessor (or by a test).
// Out: Pos and Span values, which every token, syntax node, type, IR
// instruction and diagnostic carries, and the way back from a Pos to file,
// line, column and line text.
//
// It must not import any other package of the compiler.
//
// A file that is included twice is added once, so a Pos names a place in the
// text a person wrote and not a place in the preprocessed stream. Tokens that
// come out of a macro carry the span of the macro's use. Two consequences for
// users: several declarations may share one Pos (all those of one macro), and
// the order of two positions says nothing about the order of declarations.
package source

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Pos is the position of one byte: the file's base plus the byte's offset.
// The zero Pos is "no position".
type Pos uint32

// NoPos is the zero Pos.
const NoPos Pos = 0

// IsValid reports whether p names a byte of a file.
func (p Pos) IsValid() bool { return p != NoPos }

// Span is the half-open range [Lo, Hi). Hi may lie in another file than Lo
// when a construct begins in one file and ends in another (a fragment that is
// #included in the middle of a declaration).
//
// Syntax nodes embed a Span and so get their Pos and End methods.
type Span struct {
	Lo, Hi Pos
}

// Pos returns the first position of the span.
func (s Span) Pos() Pos { return s.Lo }

// End returns the position after the span.
func (s Span) End() Pos { return s.Hi }

// IsValid reports whether the span has a beginning.
func (s Span) IsValid() bool { return s.Lo != NoPos }

// To returns the span from the beginning of s to the end of t.
func (s Span) To(t Span) Span {
	if !s.IsValid() {
		return t
	}
	if !t.IsValid() {
		return s
	}
	return Span{s.Lo, t.Hi}
}

// Position is a Pos as a person reads it. Line and Col count from 1; Col
// counts characters, not bytes, and a tab is one character.
type Position struct {
	File string
	Line int
	Col  int
}

// String returns FILE:LINE:COL, or "-" for no position.
func (p Position) String() string {
	if p.Line == 0 {
		if p.File == "" {
			return "-"
		}
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// lineDirective is one #line: from offset on, the physical line after it is
// called file:line.
type lineDirective struct {
	physLine int // physical line that is renamed to line
	file     string
	line     int
}

// File is one source text.
type File struct {
	// Name is the name under which the file was opened; diagnostics show it.
	Name string
	// Content is the text, never changed after Add.
	Content string

	base       Pos
	lines      []int // byte offset of each line's first byte
	directives []lineDirective
}

// Base returns the position of the first byte.
func (f *File) Base() Pos { return f.base }

// Pos returns the position of the byte at offset; the offset just after the
// last byte is allowed.
func (f *File) Pos(offset int) Pos {
	if offset < 0 {
		offset = 0
	}
	if offset > len(f.Content) {
		offset = len(f.Content)
	}
	return f.base + Pos(offset)
}

// Offset returns the byte offset of p, which must lie in f.
func (f *File) Offset(p Pos) int {
	o := int(p) - int(f.base)
	return max(0, min(o, len(f.Content)))
}

// LineCount returns the number of lines; an empty file has one.
func (f *File) LineCount() int { return len(f.lines) }

// Line returns the text of a physical line (from 1) without its line end.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	lo, hi := f.lines[n-1], len(f.Content)
	if n < len(f.lines) {
		hi = f.lines[n] - 1
	}
	return strings.TrimSuffix(f.Content[lo:hi], "\r")
}

// line returns the physical line (from 1) of an offset.
func (f *File) line(offset int) int {
	return sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > offset })
}

// SetLine records a #line directive: the physical line physLine is to be
// called file:line, and the following ones count on. An empty file keeps the
// name in force. Recording the same directive again (a file included twice)
// changes nothing.
func (f *File) SetLine(physLine int, file string, line int) {
	i := sort.Search(len(f.directives), func(i int) bool { return f.directives[i].physLine >= physLine })
	if file == "" {
		file = f.Name
		if i > 0 {
			file = f.directives[i-1].file
		}
	}
	d := lineDirective{physLine, file, line}
	if i < len(f.directives) && f.directives[i].physLine == physLine {
		f.directives[i] = d
		return
	}
	f.directives = append(f.directives, lineDirective{})
	copy(f.directives[i+1:], f.directives[i:])
	f.directives[i] = d
}

// physical returns the position without regard to #line.
func (f *File) physical(offset int) Position {
	n := f.line(offset)
	start := f.lines[n-1]
	return Position{f.Name, n, utf8.RuneCountInString(f.Content[start:offset]) + 1}
}

// Set is all the files of one compilation. It is filled by one goroutine;
// after that, reads may be concurrent.
type Set struct {
	files  []*File
	next   Pos
	macros map[Pos]Macro
}

// Macro is the definition of a macro: what stands at a use of it in the text is
// not what the compiler sees.
type Macro struct {
	Name string
	At   Span // the name in the definition
}

// AddMacro notes that the text at p is a use of m. Where one expansion leads to
// another the first is the one that stands in the text.
func (s *Set) AddMacro(p Pos, m Macro) {
	if _, have := s.macros[p]; have {
		return
	}
	if s.macros == nil {
		s.macros = map[Pos]Macro{}
	}
	s.macros[p] = m
}

// Macro returns the macro that is used at p.
func (s *Set) Macro(p Pos) (Macro, bool) {
	if s == nil {
		return Macro{}, false
	}
	m, ok := s.macros[p]
	return m, ok
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{next: 1} }

// MaxSize bounds the total size of all files, so that a Pos cannot overflow.
const MaxSize = 1 << 30

// Add adds a file. A file with the same name and content is added once. It
// returns an error when the set would outgrow MaxSize.
func (s *Set) Add(name, content string) (*File, error) {
	for _, f := range s.files {
		if f.Name == name && f.Content == content {
			return f, nil
		}
	}
	if len(content) > MaxSize-int(s.next) {
		return nil, fmt.Errorf("source text exceeds %d bytes in total", MaxSize)
	}
	f := &File{Name: name, Content: content, base: s.next}
	f.lines = append(f.lines, 0)
	for i := 0; i < len(content); i++ {
		if content[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	s.files = append(s.files, f)
	// One position past the last byte belongs to the file: its end.
	s.next += Pos(len(content)) + 1
	return f, nil
}

// Files returns the files in the order they were added.
func (s *Set) Files() []*File { return s.files }

// File returns the file that p lies in, or nil.
func (s *Set) File(p Pos) *File {
	if s == nil || p == NoPos {
		return nil
	}
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].base > p })
	if i == 0 {
		return nil
	}
	f := s.files[i-1]
	if int(p)-int(f.base) > len(f.Content) {
		return nil
	}
	return f
}

// Position returns what p is called, #line directives applied.
func (s *Set) Position(p Pos) Position {
	f := s.File(p)
	if f == nil {
		return Position{}
	}
	pos := f.physical(f.Offset(p))
	i := sort.Search(len(f.directives), func(i int) bool { return f.directives[i].physLine > pos.Line })
	if i > 0 {
		d := f.directives[i-1]
		pos.File, pos.Line = d.file, d.line+(pos.Line-d.physLine)
	}
	return pos
}

// Place is a position for tools: what its line is called, where it is stored.
type Place struct {
	File     string // as #line has it
	Line     int    // as #line has it
	Col      int    // from 1, in bytes
	Physical int    // line in the file as stored
}

// Place returns what Position does, with the column in bytes: it costs the same
// however long the line is.
func (s *Set) Place(p Pos) Place {
	f := s.File(p)
	if f == nil {
		return Place{}
	}
	offset := f.Offset(p)
	n := f.line(offset)
	out := Place{File: f.Name, Line: n, Col: offset - f.lines[n-1] + 1, Physical: n}
	if i := sort.Search(len(f.directives), func(i int) bool { return f.directives[i].physLine > n }); i > 0 {
		d := f.directives[i-1]
		out.File, out.Line = d.file, d.line+(n-d.physLine)
	}
	return out
}

// Physical returns where p is in the file as stored, #line ignored.
func (s *Set) Physical(p Pos) Position {
	f := s.File(p)
	if f == nil {
		return Position{}
	}
	return f.physical(f.Offset(p))
}

// Text returns the text of a span, or "" when it is not inside one file.
func (s *Set) Text(sp Span) string {
	f := s.File(sp.Lo)
	if f == nil || s.File(sp.Hi) != f || sp.Hi < sp.Lo {
		return ""
	}
	return f.Content[f.Offset(sp.Lo):f.Offset(sp.Hi)]
}
