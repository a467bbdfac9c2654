package lsp

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/format"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/p4src"
)

// document is an open document.
type document struct {
	uri     string
	path    string
	version int
	text    string
	// edits counts changes; it tells whether an analysis is stale.
	edits int
}

// analysis is a program, analysed with the document it begins in.
type analysis struct {
	*driver.Analysis
	root  *document
	index *index
	// uses are the open documents that the program has, with their edits then.
	uses map[*document]int
	disk int
}

// workspace is the open documents and what is known of them.
type workspace struct {
	settings settings
	docs     map[string]*document // by path
	programs map[string]*analysis // by path of the root
	disk     int                  // counts changes of files on disk and of settings
	edits    int
	// published are the URIs that have diagnostics.
	published map[string]bool
	// cache is the folder that has the built-in include files, "" until one is
	// needed.
	cache string
}

func newWorkspace(s settings) *workspace {
	w := &workspace{docs: map[string]*document{}, programs: map[string]*analysis{}, published: map[string]bool{}}
	w.configure(s)
	return w
}

func (w *workspace) open(uri string, version int, text string) {
	w.edits++
	path := pathOf(uri)
	w.docs[path] = &document{uri: uri, path: path, version: version, text: text, edits: w.edits}
	w.diskChanged() // what was read from disk is now the document's
}

func (w *workspace) change(p didChangeParams) {
	d := w.docs[pathOf(p.TextDocument.URI)]
	if d == nil {
		return
	}
	for _, c := range p.ContentChanges {
		if c.Range == nil {
			d.text = c.Text
			continue
		}
		l := newLines(d.text)
		lo, hi := l.offset(c.Range.Start), l.offset(c.Range.End)
		if hi < lo {
			lo, hi = hi, lo
		}
		d.text = d.text[:lo] + c.Text + d.text[hi:]
	}
	w.edits++
	d.version, d.edits = p.TextDocument.Version, w.edits
}

func (w *workspace) close(uri string) {
	delete(w.docs, pathOf(uri))
	delete(w.programs, pathOf(uri))
	w.diskChanged()
}

func (w *workspace) diskChanged() { w.disk++ }

// configure takes settings over. Folders become absolute, as the paths of
// documents are, so that an included file is known for the document it is.
func (w *workspace) configure(s settings) {
	w.settings = s
	w.settings.IncludeDirs = nil
	for _, d := range s.IncludeDirs {
		if abs, err := filepath.Abs(d); err == nil {
			d = abs
		}
		w.settings.IncludeDirs = append(w.settings.IncludeDirs, d)
	}
	w.diskChanged()
}

// sorted returns the open documents by path.
func (w *workspace) sorted() []*document {
	var out []*document
	for _, d := range w.docs {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *document) int { return cmp.Compare(a.path, b.path) })
	return out
}

// readFile reads a file, from its document where it is open.
func (w *workspace) readFile(path string) ([]byte, error) {
	if d := w.docs[path]; d != nil {
		return []byte(d.text), nil
	}
	if abs, err := filepath.Abs(path); err == nil {
		if d := w.docs[abs]; d != nil {
			return []byte(d.text), nil
		}
	}
	return os.ReadFile(path)
}

func (w *workspace) options() driver.Options {
	return driver.Options{
		IncludeDirs: w.settings.IncludeDirs, Defines: w.settings.Defines, Undefines: w.settings.Undefines,
		Include: p4src.Include(), ReadFile: w.readFile,
	}
}

func (w *workspace) preproc() preproc.Options {
	return preproc.Options{
		IncludeDirs: w.settings.IncludeDirs, Defines: w.settings.Defines, Undefines: w.settings.Undefines,
		FS: p4src.Include(), ReadFile: w.readFile,
	}
}

// analyse analyses the program that begins in d, unless that was done and
// nothing changed since.
func (w *workspace) analyse(d *document) (*analysis, error) {
	if a := w.programs[d.path]; a != nil && a.root == d && a.disk == w.disk {
		fresh := true
		for u, edits := range a.uses {
			fresh = fresh && u.edits == edits
		}
		if fresh {
			return a, nil
		}
	}
	o := w.options()
	o.Path = d.path
	res, err := driver.Analyze(o)
	if err != nil {
		return nil, err
	}
	a := &analysis{Analysis: res, root: d, uses: map[*document]int{d: d.edits}, disk: w.disk}
	for _, f := range res.Set.Files() {
		if u := w.docs[f.Name]; u != nil {
			a.uses[u] = u.edits
		}
	}
	a.index = newIndex(a)
	w.programs[d.path] = a
	return a, nil
}

// programOf returns the program to ask about a document: its own or, when it is
// included by an open program, that one, since a fragment does not stand alone.
func (w *workspace) programOf(d *document) (*analysis, error) {
	for _, other := range w.sorted() {
		if other == d {
			continue
		}
		if a, err := w.analyse(other); err == nil && a.file(d.path) != nil && a.root != d {
			if own, err := w.analyse(d); err == nil && own.file(other.path) != nil {
				continue // they include each other
			}
			return a, nil
		}
	}
	return w.analyse(d)
}

// place is a position in a document, with the program it is in.
type place struct {
	*analysis
	doc    *document
	file   *source.File
	offset int
}

// at finds the place that params name.
func (w *workspace) at(p positionParams) (*place, error) {
	d, err := w.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	a, err := w.programOf(d)
	if err != nil {
		return nil, err
	}
	f := a.file(d.path)
	if f == nil {
		return nil, failf(codeRequestFailed, "%s cannot be read", d.path)
	}
	return &place{a, d, f, newLines(d.text).offset(p.Position)}, nil
}

func (w *workspace) document(id documentID) (*document, error) {
	d := w.docs[pathOf(id.URI)]
	if d == nil {
		return nil, failf(codeInvalidParams, "%s is not open", id.URI)
	}
	return d, nil
}

// file returns the file of a program at path.
func (a *analysis) file(path string) *source.File {
	for _, f := range a.Set.Files() {
		if f.Name == path {
			return f
		}
	}
	return nil
}

// location of a span; false where it has no file.
func (w *workspace) location(set *source.Set, sp source.Span) (location, bool) {
	f := set.File(sp.Lo)
	if f == nil {
		return location{}, false
	}
	uri, ok := w.uri(f.Name)
	if !ok {
		return location{}, false
	}
	return location{uri, newLines(f.Content).span(f, sp)}, true
}

// uri returns the URI of a file of a source.Set.
func (w *workspace) uri(name string) (string, bool) {
	if d := w.docs[name]; d != nil {
		return d.uri, true
	}
	if inside, ok := strings.CutPrefix(name, "<p4include>/"); ok {
		return w.builtin(inside)
	}
	if strings.HasPrefix(name, "<") {
		return "", false
	}
	return uriOf(name), true
}

// builtin writes a built-in include file where an editor can show it.
func (w *workspace) builtin(name string) (string, bool) {
	b, err := fs.ReadFile(p4src.Include(), name)
	if err != nil {
		return "", false
	}
	if w.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		w.cache = filepath.Join(dir, "p4nic", "include")
	}
	path := filepath.Join(w.cache, filepath.FromSlash(name))
	if old, err := os.ReadFile(path); err != nil || string(old) != string(b) {
		if os.MkdirAll(filepath.Dir(path), 0o755) != nil || os.WriteFile(path, b, 0o644) != nil {
			return "", false
		}
	}
	return uriOf(path), true
}

// diagnostics returns what is to be published: for each file with findings, and
// for each open document and file that has none any more.
func (w *workspace) diagnostics() ([]publishParams, error) {
	found := map[string][]diagnostic{}
	var errs []error
	for _, d := range w.sorted() {
		a, err := w.programOf(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if a.root != d {
			continue // that program's turn says it
		}
		for _, x := range a.Diags.All() {
			uri, diag := w.diagnostic(a, x)
			found[uri] = append(found[uri], diag)
		}
	}
	for uri := range w.published {
		if _, ok := found[uri]; !ok {
			found[uri] = nil
		}
	}
	for _, d := range w.docs {
		if _, ok := found[d.uri]; !ok {
			found[d.uri] = nil
		}
	}
	var out []publishParams
	for uri, list := range found {
		p := publishParams{URI: uri, Diagnostics: append([]diagnostic{}, list...)}
		if d := w.docs[pathOf(uri)]; d != nil {
			p.Version = &d.version
		}
		out = append(out, p)
		w.published[uri] = true
		if len(list) == 0 && p.Version == nil {
			delete(w.published, uri)
		}
	}
	slices.SortFunc(out, func(a, b publishParams) int { return cmp.Compare(a.URI, b.URI) })
	return out, errors.Join(errs...)
}

// diagnostic converts a finding. One without a place, or in a file that no
// editor can show, stands at the beginning of the program.
func (w *workspace) diagnostic(a *analysis, d diag.Diagnostic) (string, diagnostic) {
	out := diagnostic{Severity: 1, Code: string(d.Code), Source: "p4nic", Message: d.Message}
	if d.Severity == diag.Warning {
		out.Severity = 2
	}
	at, ok := w.location(a.Set, d.Span)
	if !ok {
		at = location{URI: a.root.uri}
	}
	out.Range = at.Range
	for _, n := range d.Notes {
		if l, ok := w.location(a.Set, n.Span); ok {
			out.RelatedInformation = append(out.RelatedInformation, relatedInfo{l, n.Message})
		} else if n.Message != "" {
			out.Message += "\n" + n.Message
		}
	}
	return at.URI, out
}

// codeActions offers the fixes of the findings in a range.
func (w *workspace) codeActions(p codeActionParams) (any, error) {
	d, err := w.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	a, err := w.programOf(d)
	if err != nil {
		return nil, err
	}
	out := []codeAction{}
	for _, x := range a.Diags.All() {
		if x.Fix == nil {
			continue
		}
		uri, found := w.diagnostic(a, x)
		fix, ok := w.location(a.Set, x.Fix.Span)
		if !ok || uri != d.uri || before(found.Range.End, p.Range.Start) || before(p.Range.End, found.Range.Start) {
			continue
		}
		title := "Replace by " + x.Fix.Text
		if fix.Range.Start == fix.Range.End {
			title = "Insert " + x.Fix.Text
		}
		out = append(out, codeAction{
			Title: title, Kind: "quickfix", Diagnostics: []diagnostic{found}, IsPreferred: true,
			Edit: workspaceEdit{map[string][]textEdit{fix.URI: {{fix.Range, x.Fix.Text}}}},
		})
	}
	return out, nil
}

func before(a, b position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

// formatting lays out a document; one with a syntax error stays as it is.
func (w *workspace) formatting(p documentParams) (any, error) {
	d, err := w.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	text, err := format.Source(set, w.preproc(), d.path, d.text, rep)
	if err != nil {
		return nil, err
	}
	if rep.HasErrors() {
		return nil, failf(codeRequestFailed, "not formatted: %v", rep.Err())
	}
	return edits(d.text, text), nil
}

// edits turns old into text by one edit of the lines that differ, so that the
// editor keeps the cursor where it can.
func edits(old, text string) []textEdit {
	if old == text {
		return []textEdit{}
	}
	lo := 0
	for i := 0; i < min(len(old), len(text)) && old[i] == text[i]; i++ {
		if old[i] == '\n' {
			lo = i + 1
		}
	}
	tail := 0
	for i := 1; i <= min(len(old), len(text))-lo && old[len(old)-i] == text[len(text)-i]; i++ {
		if old[len(old)-i] == '\n' {
			tail = i - 1
		}
	}
	l := newLines(old)
	return []textEdit{{rangeOf{l.position(lo), l.position(len(old) - tail)}, text[lo : len(text)-tail]}}
}
