package preproc

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"errors"
	"syscall"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// cond is one open #if of a file.
type cond struct {
	at     source.Span
	name   string // as written: "#ifdef"
	taken  bool   // a group of it was or is being read
	inElse bool
}

// directive carries out one directive; hash is its `#`.
func (p *preproc) directive(fr *frame, hash Token) {
	lx := fr.lex
	t, ok := lx.nextInLine()
	if !ok {
		return // the null directive
	}
	at := hash.Span.To(t.Span)
	if t.Kind == Number {
		// `# 12 "file"` is what other preprocessors leave behind.
		p.lineDirective(lx, t, at, true)
		return
	}
	switch t.Text {
	case "define":
		p.define(lx)
	case "undef":
		p.undef(lx)
	case "include":
		p.include(fr, at)
	case "if":
		p.open(fr, at, "#if", func() bool { return p.condition(lx, at) })
	case "ifdef":
		p.open(fr, at, "#ifdef", func() bool { return p.isDefined(lx, at) })
	case "ifndef":
		p.open(fr, at, "#ifndef", func() bool { return !p.isDefined(lx, at) })
	case "elif", "elifdef", "elifndef", "else":
		p.alternative(fr, at, t.Text)
	case "endif":
		if len(fr.conds) == 0 {
			p.rep.Errorf(CodeCond, at, "#endif without #if")
			lx.restOfLine()
			return
		}
		p.extra(lx, "#endif")
		fr.conds = fr.conds[:len(fr.conds)-1]
	case "error":
		p.rep.Errorf(CodeUser, at, "#error %s", lx.restOfLine())
	case "warning":
		p.rep.Warnf(CodeUserWarn, at, "#warning %s", lx.restOfLine())
	case "line":
		n, ok := lx.nextInLine()
		if !ok || n.Kind != Number {
			p.rep.Errorf(CodeDirective, at, "#line needs a line number")
			lx.restOfLine()
			return
		}
		p.lineDirective(lx, n, at, false)
	case "pragma":
		if lx.restOfLine() == "once" {
			p.once[lx.file.Name] = true
		}
	case "ident", "sccs":
		lx.restOfLine()
	default:
		d := diag.Diagnostic{Code: CodeDirective, Span: at, Message: "unknown directive #" + t.Text}
		p.suggest(&d, t.Span, t.Text, strings.Fields(directives))
		p.rep.Report(d)
		lx.restOfLine()
	}
}

// directives are the names of all directives.
const directives = "define undef include if ifdef ifndef elif elifdef elifndef else endif error warning line pragma"

// suggest adds the candidate nearest to a misspelt name to a diagnostic.
func (p *preproc) suggest(d *diag.Diagnostic, at source.Span, name string, candidates []string) {
	if s := diag.Nearest(name, candidates); s != "" {
		d.Message += "; did you mean " + s + "?"
		d.Fix = &diag.Fix{Span: at, Text: s, Message: "did you mean"}
	}
}

// extra reports text after the end of a directive.
func (p *preproc) extra(lx *lexer, name string) {
	if t, ok := lx.nextInLine(); ok {
		p.rep.Warnf(CodeDirective, t.Span, "text after %s is ignored", name)
		lx.restOfLine()
	}
}

// lineDirective carries out #line n "file".
func (p *preproc) lineDirective(lx *lexer, n Token, at source.Span, marker bool) {
	v, err := strconv.Atoi(n.Text)
	if err != nil || v < 0 {
		p.rep.Errorf(CodeDirective, n.Span, "bad line number %s", show(n))
		lx.restOfLine()
		return
	}
	name := ""
	if t, ok := lx.nextInLine(); ok {
		if t.Kind != String {
			p.rep.Errorf(CodeDirective, t.Span, "expected a file name in quotes, found %s", show(t))
			lx.restOfLine()
			return
		}
		name = unquote(t.Text)
		if marker {
			lx.restOfLine() // flags
		} else {
			p.extra(lx, "#line")
		}
	}
	// Line 0 occurs in markers of other preprocessors; positions begin at 1.
	lx.file.SetLine(p.set.Physical(at.Lo).Line+1, name, max(v, 1))
}

// unquote takes the quotes and escapes off a string token.
func unquote(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
}

// open carries out #if, #ifdef and #ifndef.
func (p *preproc) open(fr *frame, at source.Span, name string, test func() bool) {
	ok := test()
	fr.conds = append(fr.conds, cond{at: at, name: name, taken: ok})
	if !ok {
		p.skip(fr)
	}
}

// alternative carries out #elif, #elifdef, #elifndef and #else where the group
// before it was read: the rest is skipped whatever the condition.
func (p *preproc) alternative(fr *frame, at source.Span, name string) {
	lx := fr.lex
	if len(fr.conds) == 0 {
		p.rep.Errorf(CodeCond, at, "#%s without #if", name)
		lx.restOfLine()
		return
	}
	c := &fr.conds[len(fr.conds)-1]
	if c.inElse {
		p.rep.Errorf(CodeCond, at, "#%s after #else", name)
	}
	if name == "else" {
		c.inElse = true
		p.extra(lx, "#else")
	}
	lx.restOfLine()
	p.skip(fr)
}

// skip passes over groups of the innermost conditional until one is to be read
// or the conditional ends.
func (p *preproc) skip(fr *frame) {
	lx := fr.lex
	depth := 0
	for {
		t := lx.next()
		if t.Kind == EOF {
			// Read again by raw, which reports the open conditional.
			return
		}
		if !(t.lineStart && t.Kind == Punct && t.Text == "#") {
			continue
		}
		d, ok := lx.nextInLine()
		if !ok {
			continue
		}
		at := t.Span.To(d.Span)
		c := &fr.conds[len(fr.conds)-1]
		switch d.Text {
		case "if", "ifdef", "ifndef":
			depth++
			lx.restOfLine()
		case "endif":
			if depth == 0 {
				p.extra(lx, "#endif")
				fr.conds = fr.conds[:len(fr.conds)-1]
				return
			}
			depth--
		case "else", "elif", "elifdef", "elifndef":
			if depth > 0 {
				lx.restOfLine()
				continue
			}
			if c.inElse {
				p.rep.Errorf(CodeCond, at, "#%s after #else", d.Text)
				lx.restOfLine()
				continue
			}
			ok := false
			switch {
			case d.Text == "else":
				c.inElse = true
				p.extra(lx, "#else")
				ok = !c.taken
			case c.taken:
				lx.restOfLine()
			case d.Text == "elif":
				ok = p.condition(lx, at)
			case d.Text == "elifdef":
				ok = p.isDefined(lx, at)
			default:
				ok = !p.isDefined(lx, at)
			}
			if ok {
				c.taken = true
				return
			}
		default:
			lx.restOfLine()
		}
	}
}

// isDefined reads the name after #ifdef and looks it up.
func (p *preproc) isDefined(lx *lexer, at source.Span) bool {
	t, ok := lx.nextInLine()
	if !ok || t.Kind != Name {
		p.rep.Errorf(CodeDirective, at, "expected the name of a macro, found %s", show(t))
		lx.restOfLine()
		return false
	}
	p.extra(lx, "the name of the macro")
	return p.macros[t.Text] != nil
}

// include carries out #include.
func (p *preproc) include(fr *frame, at source.Span) {
	lx := fr.lex
	name, where, ok := lx.headerName()
	quoted := false
	if ok {
		p.extra(lx, "#include")
	} else {
		name, quoted, where, ok = p.includeTokens(line(lx))
	}
	switch {
	case !ok:
		p.rep.Errorf(CodeInclude, at, "#include expects \"FILE\" or <FILE>")
		return
	case name == "":
		p.rep.Errorf(CodeInclude, where, "#include of an empty name")
		return
	case strings.IndexByte(name, 0) >= 0:
		p.rep.Errorf(CodeInclude, where, "bad file name in #include")
		return
	}
	o, text, err := p.find(fr.origin, name, quoted)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			d := diag.Diagnostic{Code: CodeNotFound, Span: where, Message: "include file " + name + " not found"}
			if len(p.opts.IncludeDirs) > 0 {
				d.Notes = append(d.Notes, diag.Note{Message: "searched: " + strings.Join(p.opts.IncludeDirs, ", ")})
			}
			// The span covers the quotes or brackets.
			inside := source.Span{Lo: where.Lo + 1, Hi: where.Hi - 1}
			if p.set.Text(inside) == name {
				p.suggest(&d, inside, name, p.includable(fr.origin, name, quoted))
			}
			p.rep.Report(d)
		} else {
			p.rep.Errorf(CodeRead, where, "cannot read %s: %v", o.name, cause(err))
		}
		return
	}
	if p.once[o.name] {
		return
	}
	if f := p.enter(o, text, where); f != nil && !p.seen[o.name] {
		p.seen[o.name] = true
		p.result.Includes = append(p.result.Includes, o.name)
	}
}

// maxIncludable bounds the files looked at for a suggestion.
const maxIncludable = 1000

// includable lists the files that an #include could have meant: those in the
// folder that name says, at each place that is searched.
func (p *preproc) includable(from origin, name string, quoted bool) []string {
	folder, _ := path.Split(name)
	var out []string
	add := func(list []fs.DirEntry, err error) {
		for _, e := range list {
			if err == nil && !e.IsDir() && len(out) < maxIncludable {
				out = append(out, folder+e.Name())
			}
		}
	}
	if p.opts.FS != nil {
		add(fs.ReadDir(p.opts.FS, path.Clean(folder+".")))
	}
	for _, d := range p.opts.IncludeDirs {
		add(os.ReadDir(filepath.Join(d, folder)))
	}
	if quoted && from.fsPath == "" && from.path != "" {
		add(os.ReadDir(filepath.Join(dir(from.path), folder)))
	}
	return out
}

// includeTokens reads the name from tokens: a string, or macros that expand to
// a string or to `<`...`>`.
func (p *preproc) includeTokens(toks []Token) (name string, quoted bool, at source.Span, ok bool) {
	if len(toks) > 0 && toks[0].Kind == Name {
		toks = p.expandArg(toks, toks[0])
	}
	if len(toks) == 0 {
		return "", false, at, false
	}
	at = toks[0].Span
	if toks[0].Kind == String && len(toks) == 1 {
		return strings.Trim(toks[0].Text, `"`), true, at, true
	}
	if n := len(toks) - 1; n > 0 && toks[0].Text == "<" && toks[n].Text == ">" {
		for i, t := range toks[1:n] {
			if i > 0 && t.space {
				name += " "
			}
			name += t.Text
		}
		return name, false, at.To(toks[n].Span), true
	}
	return "", false, at, false
}

// find reads an include file. DESIGN, section 2: the folder of the including
// file (quoted form), then -I folders, then the embedded tree.
func (p *preproc) find(from origin, name string, quoted bool) (origin, string, error) {
	disk := func(file string) (origin, string, error) {
		b, err := p.opts.ReadFile(file)
		return origin{name: file, path: file}, string(b), err
	}
	embedded := func(file string) (origin, string, error) {
		o := origin{name: p.opts.FSLabel + "/" + file, fsPath: file}
		if p.opts.FS == nil || !fs.ValidPath(file) {
			return o, "", fs.ErrNotExist
		}
		b, err := fs.ReadFile(p.opts.FS, file)
		return o, string(b), err
	}
	if filepath.IsAbs(name) {
		return disk(name)
	}
	if quoted {
		var o origin
		var text string
		var err error
		if from.fsPath != "" {
			o, text, err = embedded(path.Join(path.Dir(from.fsPath), name))
		} else {
			o, text, err = disk(filepath.Join(dir(from.path), name))
		}
		if !missing(err) {
			return o, text, err
		}
	}
	for _, d := range p.opts.IncludeDirs {
		if o, text, err := disk(filepath.Join(d, name)); !missing(err) {
			return o, text, err
		}
	}
	o, text, err := embedded(path.Clean(name))
	if missing(err) {
		err = fs.ErrNotExist
	}
	return o, text, err
}

// missing reports whether a file is not there, also when a folder of its path
// is a file or no file has such a name.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EISDIR)
}
