package preproc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// macro is one definition.
type macro struct {
	name     string
	at       source.Span // the name in the definition
	function bool        // has a parameter list, maybe an empty one
	params   []string    // __VA_ARGS__ last when variadic
	variadic bool
	body     []Token
	builtin  bool // value made at the use
	disabled bool // its expansion is being read: no recursion
}

// param returns the index of a parameter, -1 for any other token.
func (m *macro) param(t Token) int {
	if t.Kind != Name {
		return -1
	}
	return slices.Index(m.params, t.Text)
}

// same reports whether two definitions are interchangeable (C standard: a
// redefinition is then allowed).
func (m *macro) same(o *macro) bool {
	return m.function == o.function && m.variadic == o.variadic &&
		slices.Equal(m.params, o.params) &&
		slices.EqualFunc(m.body, o.body, func(a, b Token) bool {
			return a.Kind == b.Kind && a.Text == b.Text && a.space == b.space
		})
}

// define carries out #define; the rest of the line is still to be read.
func (p *preproc) define(lx *lexer) {
	m, ok := p.macroName(lx, "#define")
	if !ok {
		return
	}
	body := line(lx)
	if len(body) > 0 && body[0].Text == "(" && !body[0].space {
		if body, ok = p.params(m, body[1:]); !ok {
			return
		}
	}
	if len(body) > 0 {
		body[0].space = false
	}
	m.body = body
	if !p.checkBody(m) {
		return
	}
	if old := p.macros[m.name]; old != nil && !old.same(m) {
		p.rep.Report(diag.Diagnostic{
			Code: CodeRedefined, Severity: diag.Warning, Span: m.at,
			Message: "macro " + m.name + " is defined anew",
			Notes:   []diag.Note{{Span: old.at, Message: "earlier definition"}},
		})
	}
	p.macros[m.name] = m
}

// macroName reads the name after #define and #undef.
func (p *preproc) macroName(lx *lexer, directive string) (*macro, bool) {
	t, ok := lx.nextInLine()
	switch {
	case !ok:
		p.rep.Errorf(CodeMacro, t.Span, "%s needs the name of a macro", directive)
	case t.Kind != Name:
		p.rep.Errorf(CodeMacro, t.Span, "the name of a macro must be an identifier, found %s", show(t))
	case t.Text == "defined":
		p.rep.Errorf(CodeMacro, t.Span, "`defined` cannot be the name of a macro")
	case p.macros[t.Text] != nil && p.macros[t.Text].builtin:
		p.rep.Errorf(CodeMacro, t.Span, "%s is built in and cannot be changed", t.Text)
	default:
		return &macro{name: t.Text, at: t.Span}, true
	}
	lx.restOfLine()
	return nil, false
}

// undef carries out #undef.
func (p *preproc) undef(lx *lexer) {
	m, ok := p.macroName(lx, "#undef")
	if !ok {
		return
	}
	p.extra(lx, "#undef")
	// A use may be under way (#undef among the arguments of a macro); the
	// expansion being read stays valid, as it has its own copy of the body.
	delete(p.macros, m.name)
}

// params reads a parameter list up to `)` and returns what follows it.
func (p *preproc) params(m *macro, toks []Token) (rest []Token, ok bool) {
	m.function = true
	bad := func(at source.Span, format string, args ...any) ([]Token, bool) {
		p.rep.Errorf(CodeMacro, at, format, args...)
		return nil, false
	}
	if len(toks) > 0 && toks[0].Text == ")" {
		return toks[1:], true
	}
	for {
		if len(toks) == 0 {
			return bad(m.at, "parameter list of macro %s is not closed", m.name)
		}
		t := toks[0]
		switch {
		case t.Text == "...":
			m.variadic = true
			m.params = append(m.params, "__VA_ARGS__")
		case t.Kind != Name:
			return bad(t.Span, "expected a parameter of macro %s, found %s", m.name, show(t))
		case m.param(t) >= 0:
			return bad(t.Span, "parameter %s occurs twice", t.Text)
		default:
			m.params = append(m.params, t.Text)
		}
		toks = toks[1:]
		if len(toks) == 0 {
			return bad(m.at, "parameter list of macro %s is not closed", m.name)
		}
		switch t = toks[0]; {
		case t.Text == ")":
			return toks[1:], true
		case t.Text != "," || m.variadic:
			return bad(t.Span, "expected `)` after the parameters of macro %s, found %s", m.name, show(t))
		}
		toks = toks[1:]
	}
}

// checkBody checks the places of # and ##.
func (p *preproc) checkBody(m *macro) bool {
	for i, t := range m.body {
		switch {
		case t.Text == "##" && (i == 0 || i == len(m.body)-1):
			p.rep.Errorf(CodeMacro, t.Span, "## cannot be at either end of a macro")
			return false
		case t.Text == "#" && m.function && (i+1 == len(m.body) || m.param(m.body[i+1]) < 0):
			p.rep.Errorf(CodeMacro, t.Span, "# must be followed by a parameter")
			return false
		}
	}
	return true
}

// maxNested bounds macro uses inside the arguments of macro uses.
const maxNested = 200

// expand replaces a macro's use by its expansion: it pushes a frame and returns
// true. It returns false when t is no use of a macro.
func (p *preproc) expand(t Token) bool {
	m := p.macros[t.Text]
	if m == nil || m.disabled {
		return false
	}
	var out []Token
	switch {
	case m.builtin:
		out = []Token{p.builtin(t)}
	case !m.function:
		out = p.subst(m, nil, t)
	default:
		open := p.raw(false)
		if open.Text != "(" {
			if open.Kind != EOF {
				p.frames = append(p.frames, &frame{toks: []Token{open}})
			}
			t.noExpand = true
			p.frames = append(p.frames, &frame{toks: []Token{t}})
			return true
		}
		args, ok := p.args(m, t)
		if !ok {
			return true
		}
		out = p.subst(m, args, t)
	}
	if len(out) > 0 {
		out[0].lineStart, out[0].space = t.lineStart, t.space
	}
	p.tokens += len(out)
	if p.tokens > p.opts.Limits.Tokens {
		p.stop(t.Span, "macros expand to more than %d tokens", p.opts.Limits.Tokens)
		return true
	}
	m.disabled = true
	p.frames = append(p.frames, &frame{toks: out, mac: m})
	return true
}

// args reads the arguments of a use up to the closing parenthesis.
func (p *preproc) args(m *macro, use Token) ([][]Token, bool) {
	args := [][]Token{nil}
	depth := 0
	for {
		t := p.raw(false)
		if t.Kind == EOF {
			if !p.dead {
				p.rep.Errorf(CodeMacro, use.Span, "arguments of macro %s are not closed", m.name)
			}
			return nil, false
		}
		if p.tokens++; p.tokens > p.opts.Limits.Tokens {
			p.stop(use.Span, "macros expand to more than %d tokens", p.opts.Limits.Tokens)
			return nil, false
		}
		if t.Kind == Punct {
			switch t.Text {
			case "(":
				depth++
			case ")":
				depth--
			case ",":
				if depth == 0 && !(m.variadic && len(args) == len(m.params)) {
					args = append(args, nil)
					continue
				}
			}
			if depth < 0 {
				break
			}
		}
		if t.lineStart {
			t.lineStart, t.space = false, true
		}
		args[len(args)-1] = append(args[len(args)-1], t)
	}
	if len(m.params) == 0 && len(args) == 1 && len(args[0]) == 0 {
		return nil, true
	}
	if m.variadic && len(args) == len(m.params)-1 {
		args = append(args, nil)
	}
	if len(args) != len(m.params) {
		p.rep.Report(diag.Diagnostic{
			Code: CodeMacro, Span: use.Span,
			Message: "macro " + m.name + " takes " + strconv.Itoa(len(m.params)) + " arguments, found " + strconv.Itoa(len(args)),
			Notes:   []diag.Note{{Span: m.at, Message: m.name + " is defined here"}},
		})
		return nil, false
	}
	return args, true
}

// expandArg expands the macros of one argument as if it were a text of its own.
func (p *preproc) expandArg(arg []Token, use Token) []Token {
	if !slices.ContainsFunc(arg, func(t Token) bool { return t.Kind == Name && p.macros[t.Text] != nil }) {
		return arg
	}
	if p.nested >= maxNested {
		p.stop(use.Span, "macros nested more than %d deep in arguments", maxNested)
		return nil
	}
	p.nested++
	saved := p.frames
	p.frames = []*frame{{toks: arg}}
	var out []Token
	for {
		t := p.next()
		if t.Kind == EOF {
			break
		}
		out = append(out, t)
	}
	p.frames = saved
	p.nested--
	return out
}

// subst makes the expansion of a use: parameters replaced, # and ## carried
// out. Tokens of the body take the span of the use.
func (p *preproc) subst(m *macro, args [][]Token, use Token) []Token {
	p.set.AddMacro(use.Lo, source.Macro{Name: m.name, At: m.at})
	expanded := make([][]Token, len(args))
	arg := func(i int) []Token {
		if expanded[i] == nil && len(args[i]) > 0 {
			expanded[i] = p.expandArg(args[i], use)
		}
		return slices.Clone(expanded[i])
	}
	var out []Token
	for i := 0; i < len(m.body) && !p.dead; i++ {
		t := m.body[i]
		t.Span, t.lineStart = use.Span, false
		next := ""
		if i+1 < len(m.body) {
			next = m.body[i+1].Text
		}
		if p.tokens+len(out) > p.opts.Limits.Tokens {
			p.stop(use.Span, "macros expand to more than %d tokens", p.opts.Limits.Tokens)
			return nil
		}
		switch {
		case t.Text == "#" && m.function:
			i++
			out = append(out, stringize(args[m.param(m.body[i])], t))
		case t.Text == "##":
			i++
			r := m.body[i]
			r.Span = use.Span
			right := []Token{r}
			if n := m.param(r); n >= 0 {
				right = slices.Clone(args[n])
				// `, ## __VA_ARGS__` drops the comma of an empty argument.
				if m.variadic && n == len(m.params)-1 && len(out) > 0 && out[len(out)-1].Text == "," {
					if len(right) == 0 {
						out = out[:len(out)-1]
					} else {
						out = append(out, right...)
					}
					continue
				}
			}
			out = p.paste(out, right, use)
		case m.param(t) >= 0:
			n := m.param(t)
			list := arg(n)
			if next == "##" {
				list = slices.Clone(args[n])
				if len(list) == 0 {
					// An empty left operand: what follows is taken as it is.
					if list = p.emptyLeft(m, args, i, use); list != nil {
						i += 2
					} else if i+2 < len(m.body) {
						i += 2
						continue
					}
				}
			}
			if len(list) > 0 {
				list[0].space = t.space
			}
			out = append(out, list...)
		default:
			out = append(out, t)
		}
	}
	return out
}

// emptyLeft returns the right operand of `##` at body[i+1] when the left one,
// body[i], is an empty argument; nil when that is empty too.
func (p *preproc) emptyLeft(m *macro, args [][]Token, i int, use Token) []Token {
	r := m.body[i+2]
	r.Span = use.Span
	if n := m.param(r); n >= 0 {
		return slices.Clone(args[n])
	}
	return []Token{r}
}

// paste joins the last token of left with the first of right.
func (p *preproc) paste(left, right []Token, use Token) []Token {
	if len(left) == 0 {
		return append(left, right...)
	}
	if len(right) == 0 {
		return left
	}
	l, r := left[len(left)-1], right[0]
	text := l.Text + r.Text
	if kind, n := lexOne(text, true); n == len(text) && kind != Bad {
		l.Kind, l.Text, l.noExpand = kind, text, false
		l.Span = use.Span
		left[len(left)-1] = l
		return append(left, right[1:]...)
	}
	p.rep.Errorf(CodeMacro, use.Span, "## makes %q of %q and %q, which is no token", text, l.Text, r.Text)
	return append(left, right...)
}

// stringize makes a string literal of an argument's spelling.
func stringize(arg []Token, at Token) Token {
	var b strings.Builder
	b.WriteByte('"')
	for i, t := range arg {
		if i > 0 && t.space {
			b.WriteByte(' ')
		}
		if t.Kind == String {
			b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t.Text))
		} else {
			b.WriteString(t.Text)
		}
	}
	b.WriteByte('"')
	return Token{Span: at.Span, Kind: String, Text: b.String(), space: at.space}
}

// builtin makes the value of __FILE__, __LINE__ or __INCLUDE_LEVEL__.
func (p *preproc) builtin(t Token) Token {
	out := t
	out.Kind = Number
	switch t.Text {
	case "__FILE__":
		out.Kind = String
		out.Text = strconv.Quote(p.set.Position(t.Lo).File)
	case "__LINE__":
		out.Text = strconv.Itoa(p.set.Position(t.Lo).Line)
	default:
		out.Text = strconv.Itoa(max(0, p.depth-1))
	}
	return out
}

// line reads the tokens up to the end of the line.
func line(lx *lexer) []Token {
	var out []Token
	for {
		t, ok := lx.nextInLine()
		if !ok {
			return out
		}
		t.lineStart = false
		out = append(out, t)
	}
}

// show names a token in a message.
func show(t Token) string {
	if t.Kind == EOF {
		return "the end"
	}
	if len(t.Text) > 40 {
		return "`" + t.Text[:40] + "...`"
	}
	return "`" + t.Text + "`"
}
