package lsp

import (
	"regexp"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// found is what stands at a place: an occurrence, a macro, or an #include.
type found struct {
	occurrence
	lexeme preproc.Lexeme
	macro  *source.Span // of the #define
}

// lexeme returns the lexeme at a place, or that ends there.
func (p *place) lexeme() (preproc.Lexeme, bool) {
	pos := p.file.Pos(p.offset)
	var last preproc.Lexeme
	ok := false
	for _, l := range p.index.lexemesOf(p.file) {
		if l.Lo > pos {
			break
		}
		if pos < l.Hi || pos == l.Hi && l.Kind == preproc.Name {
			last, ok = l, true
		}
	}
	return last, ok
}

// what finds out what stands at a place.
func (p *place) what() (found, bool) {
	l, ok := p.lexeme()
	if !ok || l.Kind == preproc.Comment {
		return found{}, false
	}
	out := found{lexeme: l}
	if l.Kind == preproc.Name {
		out.macro = p.define(l.Text)
		if out.macro != nil {
			return out, true
		}
	}
	o, ok := p.index.find(p.file.Pos(p.offset))
	out.occurrence = o
	return out, ok || l.Kind == preproc.Directive || l.Kind == preproc.Name
}

// define finds the #define of a macro in the files of the program.
func (p *place) define(name string) *source.Span {
	var at *source.Span
	for _, f := range p.Set.Files() {
		for _, l := range p.index.lexemesOf(f) {
			if l.Kind != preproc.Directive {
				continue
			}
			if m := defineName.FindStringSubmatchIndex(l.Text); m != nil && l.Text[m[2]:m[3]] == name {
				at = &source.Span{Lo: l.Lo + source.Pos(m[2]), Hi: l.Lo + source.Pos(m[3])}
			}
		}
	}
	return at
}

var defineName = regexp.MustCompile(`^#[ \t]*define[ \t]+([A-Za-z_][A-Za-z_0-9]*)`)

func (w *workspace) definition(p positionParams) (any, error) {
	at, err := w.at(p)
	if err != nil {
		return nil, err
	}
	out := []location{}
	it, ok := at.what()
	switch {
	case !ok:
	case it.macro != nil:
		out = w.append(out, at, *it.macro)
	case it.sym != nil:
		out = w.append(out, at, it.sym.def)
	case it.lexeme.Kind == preproc.Directive:
		name, quoted, _, ok := preproc.IncludeOf(it.lexeme.Text)
		if !ok {
			break
		}
		if file, err := preproc.Resolve(w.preproc(), at.file.Name, name, quoted); err == nil {
			if uri, ok := w.uri(file); ok {
				out = append(out, location{URI: uri})
			}
		}
	}
	return out, nil
}

func (w *workspace) append(out []location, at *place, sp source.Span) []location {
	if l, ok := w.location(at.Set, sp); ok {
		out = append(out, l)
	}
	return out
}

// typeDefinition goes to the declaration of the type of what is named.
func (w *workspace) typeDefinition(p positionParams) (any, error) {
	at, err := w.at(p)
	if err != nil {
		return nil, err
	}
	out := []location{}
	if it, ok := at.what(); ok && it.sym != nil {
		if id := declOf(it.sym.typeOf()); id != nil {
			out = w.append(out, at, id.Span)
		}
	}
	return out, nil
}

func (s *symbol) typeOf() types.Type {
	if s.object != nil {
		return s.object.Type
	}
	return s.typ
}

// declOf is the name in the declaration of a type; nil for built-in types.
func declOf(t types.Type) *ast.Ident {
	switch t := t.(type) {
	case *types.Struct:
		return t.Decl.Name
	case *types.Enum:
		return t.Decl.Name
	case *types.Newtype:
		return t.Decl.Name
	case *types.Extern:
		return t.Decl.Name
	case *types.Block:
		return t.Decl.DeclName()
	case *types.Stack:
		return declOf(t.Elem)
	case *types.TypeType:
		return declOf(t.Of)
	}
	return nil
}

// everywhere returns the places that name a symbol, in all open programs: an
// included file may be part of several. Symbols are one where their declarations
// are at one place.
func (w *workspace) everywhere(at *place, s *symbol, withDef bool) []location {
	def, ok := w.location(at.Set, s.def)
	out := []location{}
	seen := map[location]bool{}
	add := func(a *analysis, s *symbol) {
		for _, o := range a.index.references(s) {
			if l, ok := w.location(a.Set, o.Span); ok && !seen[l] && (withDef || !o.def) {
				seen[l] = true
				out = append(out, l)
			}
		}
	}
	add(at.analysis, s)
	if !ok {
		return out
	}
	for _, d := range w.sorted() {
		a, err := w.programOf(d)
		if err != nil || a == at.analysis || a.root != d {
			continue
		}
		f := a.file(pathOf(def.URI))
		if f == nil {
			continue
		}
		if o, ok := a.index.find(f.Pos(newLines(f.Content).offset(def.Range.Start))); ok && o.sym.name == s.name {
			add(a, o.sym)
		}
	}
	return out
}

func (w *workspace) references(p referenceParams) (any, error) {
	at, err := w.at(p.positionParams)
	if err != nil {
		return nil, err
	}
	it, ok := at.what()
	if !ok || it.sym == nil {
		return []location{}, nil
	}
	return w.everywhere(at, it.sym, p.Context.IncludeDeclaration), nil
}

// highlight marks the places in the document that name what stands at a place.
func (w *workspace) highlight(p positionParams) (any, error) {
	at, err := w.at(p)
	if err != nil {
		return nil, err
	}
	type highlight struct {
		Range rangeOf `json:"range"`
	}
	out := []highlight{}
	if it, ok := at.what(); ok && it.sym != nil {
		l := newLines(at.file.Content)
		for _, o := range at.index.references(it.sym) {
			if at.Set.File(o.Lo) == at.file {
				out = append(out, highlight{l.span(at.file, o.Span)})
			}
		}
	}
	return out, nil
}

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)

// renamable finds the symbol to rename, and refuses what cannot be.
func (w *workspace) renamable(p positionParams) (*place, found, error) {
	at, err := w.at(p)
	if err != nil {
		return nil, found{}, err
	}
	it, ok := at.what()
	switch {
	case !ok || it.sym == nil && it.macro == nil:
		return nil, it, failf(codeRequestFailed, "there is no name to rename here")
	case it.macro != nil:
		return nil, it, failf(codeRequestFailed, "%s is a macro", it.lexeme.Text)
	case at.Diags.HasErrors():
		return nil, it, failf(codeRequestFailed, "the program has errors, so that not every use of %s is known", it.sym.name)
	}
	if f := at.Set.File(it.sym.def.Lo); f == nil || f.Name[0] == '<' {
		return nil, it, failf(codeRequestFailed, "%s is declared in a built-in file", it.sym.name)
	}
	if it.sym.state != nil && it.sym.name == "start" {
		return nil, it, failf(codeRequestFailed, "a parser begins in the state start")
	}
	if at.index.unresolved[it.sym.name] && (it.sym.field != nil || it.sym.object != nil && it.sym.object.Kind == types.ParamObj) {
		return nil, it, failf(codeRequestFailed, "%s is also a name in a list whose type is not written, so that not every use is known", it.sym.name)
	}
	for _, o := range at.index.references(it.sym) {
		if at.Set.Text(o.Span) != it.sym.name {
			return nil, it, failf(codeRequestFailed, "%s is also named by a macro", it.sym.name)
		}
	}
	return at, it, nil
}

func (w *workspace) prepareRename(p positionParams) (any, error) {
	at, it, err := w.renamable(p)
	if err != nil {
		return nil, err
	}
	return newLines(at.file.Content).span(at.file, it.Span), nil
}

// rename changes a name at every place. Another name in the way is not looked
// for; the diagnostics that follow tell.
func (w *workspace) rename(p renameParams) (any, error) {
	at, it, err := w.renamable(p.positionParams)
	if err != nil {
		return nil, err
	}
	if !name.MatchString(p.NewName) || reserved(p.NewName) {
		return nil, failf(codeInvalidParams, "%q is no name", p.NewName)
	}
	out := workspaceEdit{map[string][]textEdit{}}
	for _, l := range w.everywhere(at, it.sym, true) {
		out.Changes[l.URI] = append(out.Changes[l.URI], textEdit{l.Range, p.NewName})
	}
	return out, nil
}
