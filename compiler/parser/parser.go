// Package parser turns tokens into the syntax tree: recursive descent, one
// function per group of productions of the grammar (specification, appendix
// "P4 grammar"), each named after what it parses.
//
// In: tokens of compiler/scanner. Out: an ast.Program and diagnostics.
//
// It imports compiler/source, diag, preproc, scanner and ast, and nothing else
// of the compiler.
//
// # Names and types
//
// The grammar of P4 depends on which names are types: `(a) - b` is a cast or a
// difference, `f<a>(b)` a call or two comparisons. The parser therefore keeps
// the declared names of every scope, each as a type or not (scope.go). It uses
// them only where the tokens alone leave a choice, so that a program with an
// unknown type name gets the type checker's message and not a syntax error.
//
// # Errors
//
// An error puts the parser into the failed state: from then on every look at
// the current token sees the end of the file, so all productions unwind without
// consuming anything, and no further error is reported. The next enclosing list
// of declarations, statements or table properties calls recover, which skips to
// a plausible beginning and leaves the failed state. Nesting is bounded; user
// input neither panics nor overflows the stack.
package parser

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// Codes of the parser.
const (
	CodeSyntax    diag.Code = "syntax"             // the grammar wants something else here
	CodeCharacter diag.Code = "bad-character"      // a character that starts no token
	CodeNesting   diag.Code = "nesting-too-deep"   // a bound of the parser is exceeded
	CodeDuplicate diag.Code = "duplicate-property" // a table property given twice
)

// Bounds on the shape of a program. maxDepth bounds recursion here and in the
// phases that follow; maxChain bounds what the parser reads in a loop but others
// walk recursively: a + a + a..., a.b.b..., if else if else if...
const (
	maxDepth = 500
	maxChain = 5000
)

// Parse parses a preprocessed program. It always returns a program; after
// errors it lacks what could not be read.
func Parse(pp *preproc.Result, rep *diag.List) *ast.Program {
	return ParseTokens(scanner.Scan(pp, rep), rep)
}

// ParseTokens parses tokens that end in EOF.
func ParseTokens(toks []scanner.Token, rep *diag.List) *ast.Program {
	p := newParser(toks)
	p.rep = rep
	return p.program()
}

// ParseFile preprocesses and parses the program at path.
func ParseFile(set *source.Set, opts preproc.Options, path string, rep *diag.List) *ast.Program {
	return Parse(preproc.Run(set, opts, path, rep), rep)
}

// ParseText preprocesses and parses a text in memory.
func ParseText(set *source.Set, opts preproc.Options, name, text string, rep *diag.List) *ast.Program {
	return Parse(preproc.RunText(set, opts, name, text, rep), rep)
}

// assignOrCall is what is wanted where a statement begins with an expression.
const assignOrCall = "an assignment or a call"

// parser is the state of one run.
type parser struct {
	toks  []scanner.Token
	match []int // index of the closing bracket of each opening one, 0 for none
	pos   int   // current token
	rep   *diag.List

	failed bool  // see the package comment
	erred  bool  // an error was reported
	toTop  bool  // with failed: unwind to the top level, a brace is missing
	quiet  bool  // a trial: set failed, but report nothing
	brace  int   // `{` consumed and not yet closed
	depth  int   // nesting of productions
	noGt   bool  // a `>` ends the expression: inside bit<...>
	elems  []int // first tokens of the declarations and statements being read

	scopes []scope
}

func newParser(toks []scanner.Token) *parser {
	return &parser{toks: toks, match: matchBrackets(toks), scopes: []scope{{}}}
}

// matchBrackets pairs brackets, each kind for itself: the body of an unstructured
// annotation only has to balance its parentheses.
func matchBrackets(toks []scanner.Token) []int {
	match := make([]int, len(toks))
	var open [3][]int
	for i, t := range toks {
		switch t.Kind {
		case scanner.LParen, scanner.LBracket, scanner.LBrace:
			k := (t.Kind - scanner.LParen) / 2
			open[k] = append(open[k], i)
		case scanner.RParen, scanner.RBracket, scanner.RBrace:
			k := (t.Kind - scanner.RParen) / 2
			if n := len(open[k]); n > 0 {
				match[open[k][n-1]] = i
				open[k] = open[k][:n-1]
			}
		}
	}
	return match
}

// at returns the i-th token; the last one (EOF) beyond the end.
func (p *parser) at(i int) scanner.Token {
	if i >= len(p.toks) {
		i = len(p.toks) - 1
	}
	return p.toks[i]
}

// kind returns the kind of the current token, EOF in the failed state.
func (p *parser) kind() scanner.Kind {
	if p.failed {
		return scanner.EOF
	}
	return p.toks[p.pos].Kind
}

// peek returns the kind of the n-th token from the current one.
func (p *parser) peek(n int) scanner.Kind {
	if p.failed {
		return scanner.EOF
	}
	return p.at(p.pos + n).Kind
}

// word reports whether the n-th token from the current one is that name: the
// way to ask for a context keyword (L13).
func (p *parser) word(n int, text string) bool {
	return p.peek(n) == scanner.Ident && p.at(p.pos+n).Text == text
}

// advance consumes the current token.
func (p *parser) advance() scanner.Token {
	t := p.toks[p.pos]
	switch t.Kind {
	case scanner.LBrace:
		p.brace++
	case scanner.RBrace:
		p.brace--
	case scanner.EOF:
		return t
	}
	p.pos++
	return t
}

// got consumes the current token if it is of that kind.
func (p *parser) got(k scanner.Kind) bool {
	if p.kind() != k || k == scanner.EOF {
		return false
	}
	p.advance()
	return true
}

// expect consumes a token of that kind; where says what for, as in "after the
// condition", and may be empty.
func (p *parser) expect(k scanner.Kind, where string) scanner.Token {
	if p.kind() == k && !p.failed {
		return p.advance()
	}
	p.unexpected(k.String(), where)
	return scanner.Token{Kind: k, Span: p.here()}
}

// here is the span of the current token.
func (p *parser) here() source.Span { return p.toks[p.pos].Span }

// lo is the beginning of the current token.
func (p *parser) lo() source.Pos { return p.toks[p.pos].Lo }

// from is the span from lo to the end of the last consumed token.
func (p *parser) from(lo source.Pos) source.Span {
	sp := source.Span{Lo: lo, Hi: lo}
	if p.pos > 0 {
		sp.Hi = p.toks[p.pos-1].Hi
	}
	return sp
}

// unexpected reports that the current token is not what the grammar wants.
func (p *parser) unexpected(want, where string) {
	if p.failed {
		return
	}
	t := p.toks[p.pos]
	if where != "" {
		where = " " + where
	}
	d := diag.Diagnostic{Code: CodeSyntax, Span: t.Span}
	switch {
	case t.Kind == scanner.Other:
		d.Code = CodeCharacter
		d.Message = fmt.Sprintf("unexpected character %s", t)
	case t.Kind.IsKeyword():
		d.Message = fmt.Sprintf("expected %s%s, found the keyword %s", want, where, t)
	default:
		d.Message = fmt.Sprintf("expected %s%s, found %s", want, where, t)
	}
	if want == scanner.Semi.String() && p.pos > 0 {
		end := p.toks[p.pos-1].Hi
		d.Fix = &diag.Fix{Span: source.Span{Lo: end, Hi: end}, Text: ";", Message: "insert"}
	}
	if fix := p.misspelt(t, want); fix != nil {
		d.Message += fmt.Sprintf("; did you mean `%s`?", fix.Text)
		d.Fix = fix
	}
	p.fail(d)
}

// fail reports d and enters the failed state.
func (p *parser) fail(d diag.Diagnostic) {
	p.report(d)
	p.failed = true
}

// report reports d, unless the parser is in the failed state.
func (p *parser) report(d diag.Diagnostic) {
	if !p.failed && !p.quiet {
		p.erred = true
		p.rep.Report(d)
	}
}

// errorf reports an error without entering the failed state.
func (p *parser) errorf(code diag.Code, at source.Span, format string, args ...any) {
	p.report(diag.Diagnostic{Code: code, Span: at, Message: fmt.Sprintf(format, args...)})
}

// enter bounds the nesting of productions; each true result needs a leave.
func (p *parser) enter() bool {
	p.depth++
	if p.depth <= maxDepth {
		return true
	}
	p.depth--
	p.giveUp(fmt.Sprintf("nested more than %d deep", maxDepth))
	return false
}

// giveUp reports an exceeded bound and skips the rest of the input: to recover
// in the midst of it would meet the bound again at every step.
func (p *parser) giveUp(message string) {
	p.fail(diag.Diagnostic{Code: CodeNesting, Span: p.here(), Message: message})
	p.pos = len(p.toks) - 1
}

func (p *parser) leave() { p.depth-- }

// long bounds what is read in a loop, see maxChain.
func (p *parser) long(n int, what string) bool {
	if n <= maxChain {
		return false
	}
	p.giveUp(fmt.Sprintf("%s of more than %d parts", what, maxChain))
	return true
}

// recover leaves the failed state. The failed element began at token start of a
// list whose brackets are at brace depth level. It skips to what is likely the
// next element: behind a `;` or a closing `}` at that depth, before the `}` that
// closes the list, or before a keyword at the start of a line that begins a
// declaration.
func (p *parser) recover(start, level int) {
	if !p.failed {
		return
	}
	p.failed = false
	p.noGt = false
	for p.toks[p.pos].Kind != scanner.EOF {
		t := p.toks[p.pos]
		if level > 0 && p.atTopDecl() {
			p.failed, p.toTop = true, true
			return
		}
		if p.brace <= level {
			if t.Kind == scanner.RBrace && (level > 0 || p.pos > start) {
				if level > 0 {
					return
				}
				// A stray `}` at the top level is skipped.
				p.pos++
				p.brace = 0
				return
			}
			if p.pos > start && t.LineStart && startsDecl(t.Kind) {
				return
			}
		}
		p.advance()
		if p.brace < 0 {
			p.brace = 0
		}
		if p.brace <= level {
			if t.Kind == scanner.Semi {
				return
			}
			if t.Kind == scanner.RBrace {
				// The end of a block, unless the declaration goes on.
				switch p.toks[p.pos].Kind {
				case scanner.Semi, scanner.Comma, scanner.RParen, scanner.RBracket:
				default:
					return
				}
			}
		}
	}
}

// atTopDecl reports whether the current token is at the start of a line and can
// only begin a declaration of the top level.
func (p *parser) atTopDecl() bool {
	t := p.toks[p.pos]
	if !t.LineStart {
		return false
	}
	switch t.Kind {
	case scanner.Control, scanner.Parser, scanner.Header, scanner.HeaderUnion, scanner.Struct,
		scanner.Enum, scanner.Typedef, scanner.Extern, scanner.Package:
		return true
	}
	return false
}

// startsDecl reports whether a keyword can only be the beginning of a
// declaration or statement.
func startsDecl(k scanner.Kind) bool {
	switch k {
	case scanner.Action, scanner.Table, scanner.Control, scanner.Parser, scanner.Header,
		scanner.HeaderUnion, scanner.Struct, scanner.Enum, scanner.Typedef, scanner.Const,
		scanner.Extern, scanner.Package, scanner.If, scanner.For, scanner.Switch,
		scanner.Return, scanner.Exit, scanner.Transition:
		return true
	}
	return false
}

// name parses an identifier where one is declared or a member is named; where
// is "of a table" or the like, or empty.
func (p *parser) name(where string) *ast.Ident {
	if p.kind() != scanner.Ident {
		want := scanner.Ident.String()
		if strings.HasPrefix(where, "of ") {
			want = "the name"
		}
		p.unexpected(want, where)
		return &ast.Ident{Span: p.here()}
	}
	t := p.advance()
	return &ast.Ident{Span: t.Span, Name: t.Text}
}

// path parses a name with an optional leading dot.
func (p *parser) path(where string) *ast.Path {
	lo := p.lo()
	abs := p.got(scanner.Dot)
	id := p.name(where)
	return &ast.Path{Span: p.from(lo), Absolute: abs, Name: id}
}

// commas parses elements separated by commas up to the closing token, which it
// consumes. With trailing a comma after the last element is allowed (L12).
func (p *parser) commas(close scanner.Kind, trailing bool, where string, elem func()) {
	for first := true; first || !trailing || p.kind() != close; first = false {
		if first && p.kind() == close {
			break
		}
		elem()
		if p.failed {
			return
		}
		if p.kind() == close {
			break
		}
		if !p.got(scanner.Comma) {
			p.unexpected("`,` or "+close.String(), where)
			return
		}
	}
	p.advance()
}

// list parses elements up to a `}`, which it consumes, and recovers after each
// that failed.
func (p *parser) list(where string, elem func()) {
	level, bad := p.brace, false
	p.elems = append(p.elems, p.pos)
	defer func(n int) { p.elems = p.elems[:n] }(len(p.elems) - 1)
	for !p.failed {
		switch p.kind() {
		case scanner.RBrace:
			p.advance()
			return
		case scanner.EOF:
			// After an error it is nearly always a consequence.
			if !p.erred {
				p.unexpected(scanner.RBrace.String(), where)
			}
			p.failed = true
			return
		}
		if p.atTopDecl() {
			if !bad {
				p.unexpected(scanner.RBrace.String(), where)
			}
			p.failed, p.toTop = true, true
			return
		}
		start := p.pos
		p.elems[len(p.elems)-1] = start
		elem()
		if p.failed {
			bad = true
			if p.toTop || p.quiet || p.rep.Full() {
				return
			}
			p.recover(start, level)
			if p.toTop {
				return
			}
			if p.pos == start && p.kind() != scanner.RBrace {
				p.advance()
			}
		}
	}
}
