// Package format lays out P4 source text: the engine of `nicctl fmt` and of the
// editor's "format document".
//
// In: the text of one file. Out: the same tokens, comments and directives in
// the same order, in the house layout.
//
// It works on the lexemes of the file (preproc.Lexemes), not on the program, so
// that comments, directives and both groups of every conditional stay where
// they are. The tree is asked only where tokens leave a choice: whether `<` is a
// comparison, `-` a sign, `)` the end of a cast (roles.go). layout.go decides
// what stands between each two lexemes, print.go where long lines break and how
// lines are indented, align.go makes columns.
//
// The result depends on the tokens and on these choices of the author, and on
// nothing else: line breaks inside brackets, at operators and after
// annotations; blank lines, of which one is kept; short bodies on one line.
// All of them are found again in the result, so formatting it changes nothing.
//
// Before a result is given, its lexemes are compared with those of the source:
// a fault of this package shows as an error and not as a changed program.
//
// It imports compiler/source, diag, preproc, scanner, parser and ast, and
// nothing else of the compiler.
package format

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

const (
	width  = 100 // of a line
	indent = 4
	// hang is the indentation of parameters that begin on their own line, so
	// that they do not look like the body.
	hang = 8
	// maxAlign is the last column under which the following lines of a bracket
	// are aligned.
	maxAlign = 50
)

// Source formats the text of a file called name. Files it includes are read
// with opts, for the macros and types they declare. Errors in the syntax are
// reported to rep, and then the text is returned as it was. The error is a fault
// of this package.
func Source(set *source.Set, opts preproc.Options, name, text string, rep *diag.List) (string, error) {
	found := diag.NewList(set, 0)
	pp := preproc.RunText(set, opts, name, text, found)
	tree := parser.ParseTokens(scanner.Scan(pp, found), found)
	if pp.Main == nil || slices.ContainsFunc(found.All(), spoils) {
		for _, d := range found.All() {
			rep.Report(d)
		}
		return text, nil
	}
	lexemes := preproc.Lexemes(pp.Main)
	out := printAll(lexemes, findRoles(set, pp, tree, lexemes))
	if err := sameLexemes(lexemes, out); err != nil {
		return text, err
	}
	if macrosQuote(lexemes) {
		if err := sameProgram(pp, opts, name, out); err != nil {
			return text, err
		}
	}
	return out, nil
}

// spoils tells whether a text with this finding cannot be formatted. What an
// #include does not find is missed only where the text does not parse without it,
// and a program that refuses its configuration is a program.
func spoils(d diag.Diagnostic) bool {
	switch d.Code {
	case preproc.CodeNotFound, preproc.CodeRead, preproc.CodeUser:
		return false
	}
	return d.Severity == diag.Error
}

// printAll lays out the lexemes. A body on one line that makes a line too long
// is opened, which may make others longer, hence the loop; it ends because a
// body is opened once.
func printAll(lexemes []preproc.Lexeme, roles []role) string {
	opened := map[int]bool{}
	for {
		items := layout(lexemes, roles, opened)
		lines, tooLong := printItems(items)
		if len(tooLong) == 0 {
			return join(align(lines))
		}
		for _, i := range tooLong {
			opened[i] = true
		}
	}
}

// sameLexemes compares the lexemes of the result with those of the source:
// their texts, whether two `>` touch, and where a @pragma ends.
func sameLexemes(want []preproc.Lexeme, text string) error {
	set := source.NewSet()
	f, err := set.Add("", text)
	if err != nil {
		return err
	}
	got := preproc.Lexemes(f)
	pragma := false
	for i, w := range want {
		if i >= len(got) {
			return fmt.Errorf("the formatter lost %q", w.Text)
		}
		g := got[i]
		same := g.Kind == w.Kind && g.Text == w.Text
		if w.Kind == preproc.Comment || w.Kind == preproc.Bad {
			same = g.Kind == w.Kind && squeeze(g.Text) == squeeze(w.Text)
		}
		if i > 0 && w.Text != "" && w.Text[0] == '>' && want[i-1].Text == ">" {
			same = same && g.SpaceBefore() == w.SpaceBefore()
		}
		if i > 0 && w.Text == "pragma" && want[i-1].Text == "@" {
			pragma = !w.SpaceBefore()
			same = same && g.SpaceBefore() == w.SpaceBefore()
		}
		if pragma && w.Kind != preproc.Comment {
			same = same && g.LineStart() == w.LineStart()
			pragma = !w.LineStart()
		}
		if !same {
			return fmt.Errorf("the formatter made %q of %q", g.Text, w.Text)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("the formatter added %q", got[len(want)].Text)
	}
	return nil
}

// squeeze replaces every run of white space by one space.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// macrosQuote tells whether a macro of the file can turn source text, with its
// white space, into a string.
func macrosQuote(lexemes []preproc.Lexeme) bool {
	for _, l := range lexemes {
		if l.Kind == preproc.Directive && strings.Contains(strings.TrimPrefix(l.Text, "#"), "#") {
			return true
		}
	}
	return false
}

// sameProgram compares what the preprocessor makes of source and result.
// __LINE__ may change, and a string may not.
func sameProgram(want *preproc.Result, opts preproc.Options, name, text string) error {
	set := source.NewSet()
	got := preproc.RunText(set, opts, name, text, diag.NewList(set, 0))
	for i, w := range want.Tokens {
		if w.Kind == preproc.String && (i >= len(got.Tokens) || got.Tokens[i].Text != w.Text) {
			return fmt.Errorf("a macro turns source text into the string %s, which formatting would change", w.Text)
		}
	}
	return nil
}
