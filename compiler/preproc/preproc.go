// Package preproc is the preprocessor of P4 (specification, "Preprocessing"):
// a subset of the C preprocessor that covers what P4 programs use of it.
//
// In: the path of a program, search folders, an embedded include tree and the
// macros of the command line. Out: the preprocessing tokens of the whole
// program, each with the span of the text it stems from, for compiler/scanner.
//
// It imports compiler/source and compiler/diag and nothing else of the
// compiler.
//
// Supported: #include "x" and <x>; #define of object-like, function-like and
// variadic macros with # and ##; #undef; #if, #ifdef, #ifndef, #elif, #elifdef,
// #elifndef, #else, #endif; #error, #warning, #line, #pragma once (other
// pragmas are ignored); `defined`, __FILE__, __LINE__, __INCLUDE_LEVEL__; line
// continuation; both kinds of comment.
//
// Work is bounded: see Limits. Positions: a token that is written in a file has
// its own span; so has a token of a macro argument; a token of a macro's body
// has the span of the macro's use. See package source.
package preproc

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// Codes of the preprocessor.
const (
	CodeRead       diag.Code = "cannot-read"       // a file cannot be read
	CodeInclude    diag.Code = "bad-include"       // malformed #include, or too deep
	CodeNotFound   diag.Code = "include-not-found" // no such include file
	CodeDirective  diag.Code = "bad-directive"     // unknown or malformed directive
	CodeCond       diag.Code = "bad-conditional"   // unbalanced #if
	CodeCondExpr   diag.Code = "bad-condition"     // malformed expression of #if
	CodeMacro      diag.Code = "bad-macro"         // malformed definition or use
	CodeRedefined  diag.Code = "macro-redefined"   // warning
	CodeUser       diag.Code = "user-error"        // #error
	CodeUserWarn   diag.Code = "user-warning"      // #warning
	CodeComment    diag.Code = "open-comment"      // comment without end
	CodeLimit      diag.Code = "preproc-limit"     // a bound of Limits is exceeded
	commandLine              = "<command line>"
	defaultFSLabel           = "<p4include>"
)

// Limits bound the work a hostile program can cause.
type Limits struct {
	IncludeDepth int // nesting of #include
	Files        int // files entered in total, repetitions counted
	Tokens       int // tokens produced by macro expansion in total
	Bytes        int // bytes of text read in total, repetitions counted
}

// DefaultLimits are generous for people and fatal for bombs.
func DefaultLimits() Limits {
	return Limits{IncludeDepth: 100, Files: 10_000, Tokens: 1_000_000, Bytes: 16 << 20}
}

// Options say where files come from and which macros exist.
type Options struct {
	// IncludeDirs are searched in order for both forms of #include, after the
	// folder of the including file for the quoted form.
	IncludeDirs []string
	// FS is searched last: the include tree embedded in the binary. Nil means
	// none.
	FS fs.FS
	// FSLabel is shown in front of the names of FS's files; "" means
	// "<p4include>".
	FSLabel string
	// Defines are NAME, NAME=VALUE or NAME(PARAMS)=VALUE; NAME means NAME=1.
	Defines []string
	// Undefines are applied after Defines.
	Undefines []string
	// ReadFile reads a file outside FS; nil means os.ReadFile.
	ReadFile func(path string) ([]byte, error)
	// Limits; the zero value means DefaultLimits.
	Limits Limits
}

// Result is a preprocessed program.
type Result struct {
	// Tokens ends with a token of kind EOF.
	Tokens []Token
	// Main is the program's file; nil when it could not be read.
	Main *source.File
	// Includes are the names of the files that were included, in order of
	// first inclusion.
	Includes []string
}

// Run preprocesses the file at path. Files are added to set. Run always returns
// a result that ends in EOF; whether it is worth anything is for rep to say.
func Run(set *source.Set, opts Options, path string, rep *diag.List) *Result {
	p := newPreproc(set, opts, rep)
	content, err := p.opts.ReadFile(path)
	if err != nil {
		rep.Errorf(CodeRead, source.Span{}, "cannot read %s: %v", path, cause(err))
		return &Result{Tokens: []Token{{Kind: EOF}}}
	}
	return p.run(origin{name: path, path: path}, string(content))
}

// RunText preprocesses a text that is already in memory, under the given name.
func RunText(set *source.Set, opts Options, name, text string, rep *diag.List) *Result {
	return newPreproc(set, opts, rep).run(origin{name: name, path: name}, text)
}

// cause strips the path from a file error; the message has it already.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// preproc is the state of one run.
type preproc struct {
	set    *source.Set
	opts   Options
	rep    *diag.List
	macros map[string]*macro
	once   map[string]bool // files with #pragma once
	seen   map[string]bool // for Result.Includes
	result *Result

	frames []*frame // sources of tokens, innermost last
	depth  int      // nesting of files
	files  int      // files entered so far
	bytes  int      // bytes lexed so far
	tokens int      // tokens made by expansion so far
	nested int      // nesting of argument expansions
	dead   bool     // a limit was hit: produce no more tokens
}

func newPreproc(set *source.Set, opts Options, rep *diag.List) *preproc {
	if opts.ReadFile == nil {
		opts.ReadFile = os.ReadFile
	}
	if opts.FSLabel == "" {
		opts.FSLabel = defaultFSLabel
	}
	if opts.Limits == (Limits{}) {
		opts.Limits = DefaultLimits()
	}
	p := &preproc{
		set: set, opts: opts, rep: rep,
		macros: map[string]*macro{},
		once:   map[string]bool{},
		seen:   map[string]bool{},
		result: &Result{},
	}
	for _, name := range []string{"__FILE__", "__LINE__", "__INCLUDE_LEVEL__"} {
		p.macros[name] = &macro{name: name, builtin: true}
	}
	return p
}

func (p *preproc) run(o origin, text string) *Result {
	p.commandLine()
	p.result.Main = p.enter(o, text, source.Span{})
	for {
		t := p.next()
		p.result.Tokens = append(p.result.Tokens, t)
		if t.Kind == EOF {
			return p.result
		}
	}
}

// commandLine defines the macros of Options by preprocessing a text made of
// directives, so that -D follows the rules of #define and has positions.
func (p *preproc) commandLine() {
	var b strings.Builder
	for _, d := range p.opts.Defines {
		name, value, ok := strings.Cut(d, "=")
		if !ok {
			value = "1"
		}
		b.WriteString("#define " + oneLine(name) + " " + oneLine(value) + "\n")
	}
	for _, u := range p.opts.Undefines {
		b.WriteString("#undef " + oneLine(u) + "\n")
	}
	if b.Len() == 0 {
		return
	}
	p.enter(origin{name: commandLine}, b.String(), source.Span{})
	for p.next().Kind != EOF {
	}
	p.files, p.bytes = 0, 0
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, s)
}

// origin says where a file came from, for the quoted form of #include.
type origin struct {
	name   string // as shown
	path   string // of a file on disk
	fsPath string // of a file in Options.FS
}

// frame is one source of tokens: a file or the expansion of a macro.
type frame struct {
	// A file.
	lex    *lexer
	origin origin
	conds  []cond
	// An expansion; mac is disabled while its tokens are read.
	toks []Token
	mac  *macro
}

// enter pushes a file. It returns nil when a limit forbids it.
func (p *preproc) enter(o origin, text string, at source.Span) *source.File {
	p.files++
	p.bytes += len(text)
	switch l := p.opts.Limits; {
	case p.depth >= l.IncludeDepth:
		p.rep.Errorf(CodeInclude, at, "#include nested more than %d deep", l.IncludeDepth)
		return nil
	case p.files > l.Files:
		p.stop(at, "more than %d files included", l.Files)
		return nil
	case p.bytes > l.Bytes:
		p.stop(at, "more than %d bytes of source text", l.Bytes)
		return nil
	}
	f, err := p.set.Add(o.name, text)
	if err != nil {
		p.stop(at, "%v", err)
		return nil
	}
	p.depth++
	p.frames = append(p.frames, &frame{lex: newLexer(f), origin: o})
	return f
}

// stop ends the run at an exceeded limit.
func (p *preproc) stop(at source.Span, format string, args ...any) {
	if !p.dead {
		p.rep.Errorf(CodeLimit, at, format, args...)
	}
	p.dead = true
}

// next returns the next token of the preprocessed program: directives carried
// out, macros expanded.
func (p *preproc) next() Token {
	for {
		t := p.raw(true)
		if t.Kind == Name && !t.noExpand {
			if p.expand(t) {
				continue
			}
		}
		return t
	}
}

// raw returns the next token before expansion. Directives met on the way are
// carried out. With leave unset it does not leave the innermost file or, in an
// isolated expansion, the bottom frame: it returns EOF there.
func (p *preproc) raw(leave bool) Token {
	for {
		n := len(p.frames)
		if n == 0 || p.dead {
			return Token{Kind: EOF, Span: p.endSpan(), lineStart: true}
		}
		fr := p.frames[n-1]
		if fr.lex == nil {
			if len(fr.toks) == 0 {
				p.pop()
				continue
			}
			t := fr.toks[0]
			fr.toks = fr.toks[1:]
			if t.Kind == Name && !t.noExpand {
				if m := p.macros[t.Text]; m != nil && m.disabled {
					t.noExpand = true
				}
			}
			return t
		}
		t := fr.lex.next()
		switch {
		case t.Kind == EOF:
			if !leave {
				return t
			}
			p.endFile(fr)
			if len(p.frames) == 0 {
				return t
			}
		case t.lineStart && t.Kind == Punct && t.Text == "#":
			p.directive(fr, t)
		default:
			return t
		}
	}
}

// endSpan is the place of the final EOF when the run was stopped.
func (p *preproc) endSpan() source.Span {
	if f := p.result.Main; f != nil {
		end := f.Pos(len(f.Content))
		return source.Span{Lo: end, Hi: end}
	}
	return source.Span{}
}

// pop removes the innermost frame.
func (p *preproc) pop() {
	n := len(p.frames) - 1
	if m := p.frames[n].mac; m != nil {
		m.disabled = false
	}
	p.frames = p.frames[:n]
}

// endFile checks what a file leaves open and removes it.
func (p *preproc) endFile(fr *frame) {
	for _, c := range fr.conds {
		p.rep.Errorf(CodeCond, c.at, "%s without #endif", c.name)
	}
	if fr.lex.openComment.IsValid() {
		p.rep.Errorf(CodeComment, fr.lex.openComment, "comment is not closed")
	}
	p.depth--
	p.pop()
}

// String renders the tokens as text, a line per source line: for people and
// for tests, not for parsing positions.
func (r *Result) String() string {
	var b strings.Builder
	for i, t := range r.Tokens {
		if t.Kind == EOF {
			break
		}
		if i > 0 {
			if t.lineStart {
				b.WriteByte('\n')
			} else if t.SpaceBefore() {
				b.WriteByte(' ')
			}
		}
		b.WriteString(t.Text)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// dir returns the folder of a path, "" for the current one, keeping the
// spelling short in diagnostics.
func dir(path string) string {
	if d := filepath.Dir(path); d != "." {
		return d
	}
	return ""
}
