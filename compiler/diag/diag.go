// Package diag holds diagnostics as values: what is wrong, where, and what
// else a person must see to understand it.
//
// In: reports from every phase of the compiler. Out: a sorted, deduplicated
// and capped list, as text (render.go) or as JSON (json.go).
//
// It imports compiler/source and nothing else of the compiler.
package diag

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/source"
)

// Severity says what a diagnostic means for the compilation.
type Severity uint8

// Severities.
const (
	Error   Severity = iota // the program is rejected
	Warning                 // the program is accepted
)

// String returns the word used in rendered diagnostics.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Code is the stable name of a kind of diagnostic, in kebab case
// ("unknown-name"). Users filter by it and documentation is keyed by it, so a
// code is never reused for something else.
type Code string

// CodeInfo documents one code. Each package that reports exports its codes
// with Codes, and its tests check that every Example yields its code.
type CodeInfo struct {
	Code    Code
	Summary string
	// Example is a program, or a fragment the owning package can process,
	// that draws the diagnostic.
	Example string
}

// Note is a secondary place with a remark.
type Note struct {
	Span    source.Span // may be invalid: a remark without a place
	Message string
}

// Fix is a suggested edit: replace the text of Span by Text.
type Fix struct {
	Span    source.Span
	Text    string
	Message string // what the edit does, in the imperative
}

// Diagnostic is one finding.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Span     source.Span
	Message  string
	Notes    []Note
	Fix      *Fix
}

// Reporter takes diagnostics. *List is the usual one.
type Reporter interface {
	Report(Diagnostic)
}

// DefaultMax is the number of errors a List keeps when not told otherwise.
const DefaultMax = 50

// maxWarnings bounds the warnings kept.
const maxWarnings = 1000

// List collects diagnostics. A second diagnostic with the same code on the
// same line is dropped: it nearly always is a consequence of the first. The
// zero value is not usable; call NewList.
type List struct {
	set      *source.Set
	max      int
	all      []Diagnostic
	seen     map[key]bool
	errors   int
	warnings int
	dropped  int
}

type key struct {
	code Code
	file string
	line int
	// note is the line of the first note: what is said of a whole because of
	// different parts is not the same.
	note int
	// msg distinguishes diagnostics without a position.
	msg string
}

// NewList returns an empty list over the files of set. max is the number of
// errors kept; 0 means DefaultMax, a negative number means no limit.
func NewList(set *source.Set, max int) *List {
	if max == 0 {
		max = DefaultMax
	}
	return &List{set: set, max: max, seen: map[key]bool{}}
}

// Set returns the files the list's positions refer to.
func (l *List) Set() *source.Set { return l.set }

// Report adds d unless it repeats an earlier one or the list is full. Errors
// beyond the limit are counted but not kept. What is wrong inside the expansion
// of a macro is shown at the macro's use, with a note that points at its definition.
func (l *List) Report(d Diagnostic) {
	pos := l.set.Position(d.Span.Lo)
	k := key{code: d.Code, file: pos.File, line: pos.Line}
	if len(d.Notes) > 0 {
		k.note = l.set.Position(d.Notes[0].Span.Lo).Line
	}
	if pos.Line == 0 {
		k.msg = d.Message
	}
	if l.seen[k] {
		return
	}
	l.seen[k] = true
	if d.Severity == Error {
		l.errors++
		if l.max >= 0 && l.errors > l.max {
			l.dropped++
			return
		}
	} else {
		l.warnings++
		if l.warnings > maxWarnings {
			return
		}
	}
	if m, ok := l.set.Macro(d.Span.Lo); ok {
		d.Notes = append(slices.Clone(d.Notes), Note{Span: m.At, Message: "in the expansion of macro " + m.Name})
	}
	l.all = append(l.all, d)
}

// Errorf reports an error.
func (l *List) Errorf(code Code, at source.Span, format string, args ...any) {
	l.Report(Diagnostic{Code: code, Severity: Error, Span: at, Message: fmt.Sprintf(format, args...)})
}

// Warnf reports a warning.
func (l *List) Warnf(code Code, at source.Span, format string, args ...any) {
	l.Report(Diagnostic{Code: code, Severity: Warning, Span: at, Message: fmt.Sprintf(format, args...)})
}

// HasErrors reports whether the program is to be rejected.
func (l *List) HasErrors() bool { return l.errors > 0 }

// Errors returns the number of errors, those beyond the limit included.
func (l *List) Errors() int { return l.errors }

// Warnings returns the number of warnings.
func (l *List) Warnings() int { return l.warnings }

// Full reports whether the limit of errors is reached; a phase may stop then.
func (l *List) Full() bool { return l.max >= 0 && l.errors > l.max }

// Dropped returns the number of errors beyond the limit.
func (l *List) Dropped() int { return l.dropped }

// All returns the diagnostics sorted by file (in the order the files were
// added), position, severity, code and message.
func (l *List) All() []Diagnostic {
	out := slices.Clone(l.all)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Span.Lo, b.Span.Lo),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return out
}

// Err returns nil when there is no error, and else the first one as an error
// value, with the number of the others.
func (l *List) Err() error {
	if l.errors == 0 {
		return nil
	}
	for _, d := range l.All() {
		if d.Severity != Error {
			continue
		}
		text := headline(l.set, d)
		if l.errors > 1 {
			return fmt.Errorf("%s (and %d more)", text, l.errors-1)
		}
		return fmt.Errorf("%s", text)
	}
	return fmt.Errorf("%d errors", l.errors)
}
