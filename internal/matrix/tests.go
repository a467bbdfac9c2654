package matrix

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// cite is all that cites one id.
type cite struct{ tests, engines map[string]bool }

type cites struct {
	by     map[string]*cite
	faults []Fault
}

func (c *cites) add(id, test string, engines map[string]bool) {
	e := c.by[id]
	if e == nil {
		e = &cite{map[string]bool{}, map[string]bool{}}
		c.by[id] = e
	}
	e.tests[test] = true
	for name := range engines {
		e.engines[name] = true
	}
}

// engineOf names the engine that a package of the module is, or "".
func engineOf(dir string) string {
	switch dir {
	case "compiler/ir/exec", "runtime/sim":
		return "exec"
	case "compiler/ssa":
		return "ssa"
	case "compiler/backend/ebpf", "runtime/kernel":
		return "kernel"
	case "compiler/backend/bmv2":
		return "bmv2"
	}
	return ""
}

const modulePath = "github.com/p4nic/p4nic/"

// readCitations walks the tree: the test files of every package, and what lies
// in their testdata.
func readCitations(fsys fs.FS, list *checklists) (*cites, error) {
	c := &cites{by: map[string]*cite{}}
	tests := map[string][]string{} // folder -> test files
	var data, sources []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		switch {
		case d.IsDir() && (name != "." && strings.HasPrefix(base, ".") || base == "fuzz" && inTestdata(name) || name == "bin" || name == "internal/matrix"):
			return fs.SkipDir
		case d.IsDir():
		case inTestdata(name):
			if textual(base) {
				data = append(data, name)
			}
		case strings.HasSuffix(base, "_test.go"):
			tests[path.Dir(name)] = append(tests[path.Dir(name)], name)
		case strings.HasSuffix(base, ".go"):
			sources = append(sources, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	linked := map[string]map[string]bool{} // folder of tests -> engines
	for dir, files := range tests {
		p := newTestPackage(dir)
		for _, f := range files {
			if err := p.read(fsys, f, list, c); err != nil {
				return nil, err
			}
		}
		p.attribute(c)
		linked[dir] = p.engines
	}
	for _, name := range data {
		if err := readData(fsys, name, linked, list, c); err != nil {
			return nil, err
		}
	}
	for _, name := range sources { // they prove nothing, but their ids must exist
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		c.collect(name, 1, list.citations(string(text), false))
	}
	return c, nil
}

// collect notes the faults among what was found in name, whose text begins at
// line first, and returns the ids that exist.
func (c *cites) collect(name string, first int, list []found) []string {
	var ids []string
	for _, f := range list {
		if f.bad != "" {
			c.faults = append(c.faults, Fault{name, first + f.line, f.bad})
			continue
		}
		ids = append(ids, f.id)
	}
	return ids
}

func inTestdata(name string) bool { return strings.Contains("/"+name, "/testdata/") }

// textual tells whether test data of this name is text that people write.
func textual(base string) bool {
	switch path.Ext(base) {
	case ".txtar", ".stf", ".p4", ".txt", ".yaml", ".ir":
		return true
	}
	return false
}

// readData attributes the citations of a test-data file to itself: the tests of
// the package above it play it.
func readData(fsys fs.FS, name string, linked map[string]map[string]bool, list *checklists, c *cites) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	ids := c.collect(name, 1, list.citations(string(text), false))
	owner := strings.TrimSuffix(name[:strings.Index("/"+name, "/testdata/")], "/")
	if owner == "" {
		owner = "."
	}
	engines, ok := linked[owner]
	if len(ids) > 0 && !ok {
		c.faults = append(c.faults, Fault{name, 1, "cites " + ids[0] + ", but " + owner + " has no tests that could read it"})
		return nil
	}
	for _, id := range ids {
		c.add(id, name, engines)
	}
	return nil
}

// testPackage is the test files of one folder as declarations that use each
// other: a table or helper cites for the tests that reach it.
type testPackage struct {
	dir     string
	decls   map[string]*declaration
	order   []string
	engines map[string]bool
}

type declaration struct {
	file    string
	line    int
	ids     []string
	uses    map[string]bool
	engines map[string]bool
	isTest  bool
}

func newTestPackage(dir string) *testPackage {
	p := &testPackage{dir: dir, decls: map[string]*declaration{}, engines: map[string]bool{}}
	if e := engineOf(dir); e != "" {
		p.engines[e] = true
	}
	return p
}

// read takes the declarations of one test file. Methods go by their own name:
// whoever names it may call it.
func (p *testPackage) read(fsys fs.FS, name string, list *checklists, c *cites) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	engines := map[string]bool{}
	if e := engineOf(p.dir); e != "" {
		engines[e] = true
	}
	for _, s := range f.Imports {
		imp, _ := strconv.Unquote(s.Path.Value)
		if e := engineOf(strings.TrimPrefix(imp, modulePath)); e != "" {
			engines[e], p.engines[e] = true, true
		}
	}
	line := func(at token.Pos) int { return set.Position(at).Line }
	for _, d := range f.Decls {
		names, from, isTest := declared(d)
		if len(names) == 0 {
			continue
		}
		decl := &declaration{file: name, line: line(d.Pos()), uses: map[string]bool{}, engines: engines, isTest: isTest}
		prefix := prefixOf(d)
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				decl.uses[n.Name] = true
			case *ast.CompositeLit:
				if s, at := rowName(n); prefix != "" && at.IsValid() {
					decl.ids = append(decl.ids, c.collect(name, line(at), list.leading(prefix, s))...)
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					decl.ids = append(decl.ids, c.collect(name, line(n.Pos()), list.citations(s, strings.HasPrefix(s, "D")))...)
				}
			}
			return true
		})
		for _, g := range f.Comments {
			if from <= g.Pos() && g.End() <= d.End() {
				decl.ids = append(decl.ids, c.collect(name, line(g.Pos()), list.citations(joined(g), true))...)
			}
		}
		for _, n := range names {
			if old := p.decls[n]; old != nil { // methods of one name: one node for all
				old.ids = append(old.ids, decl.ids...)
				for u := range decl.uses {
					old.uses[u] = true
				}
				continue
			}
			p.decls[n] = decl
			p.order = append(p.order, n)
		}
	}
	return nil
}

// prefixOf is the prefix that a declaration puts before the names of its table's
// rows, as t.Run("p4rt:"+c.id, ...) does, or "".
func prefixOf(d ast.Decl) string {
	prefix := ""
	ast.Inspect(d, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && b.Op == token.ADD {
			if l, ok := b.X.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && barePrefix.MatchString(s) {
					prefix = s
				}
			}
		}
		return true
	})
	return prefix
}

// rowName is the text that a composite literal begins with, or that its field id
// or name has.
func rowName(l *ast.CompositeLit) (string, token.Pos) {
	for i, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if k, ok := kv.Key.(*ast.Ident); !ok || k.Name != "id" && k.Name != "name" {
				continue
			}
			e = kv.Value
		} else if i > 0 {
			break
		}
		if b, ok := e.(*ast.BasicLit); ok && b.Kind == token.STRING {
			if s, err := strconv.Unquote(b.Value); err == nil {
				return s, b.Pos()
			}
		}
	}
	return "", token.NoPos
}

// declared gives the names that a declaration declares, where its comment
// begins, and whether it is a test or fuzz target.
func declared(d ast.Decl) (names []string, from token.Pos, isTest bool) {
	from = d.Pos()
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
		n := d.Name.Name
		return []string{n}, from, d.Recv == nil && (strings.HasPrefix(n, "Test") || strings.HasPrefix(n, "Fuzz") || strings.HasPrefix(n, "Example"))
	case *ast.GenDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			}
		}
	}
	return names, from, false
}

// joined is the text of a comment; a citation may run over its lines.
func joined(g *ast.CommentGroup) string {
	var b strings.Builder
	for i, l := range g.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimPrefix(l.Text, "//"))
	}
	return b.String()
}

// attribute gives each test the ids of all it reaches.
func (p *testPackage) attribute(c *cites) {
	reached := map[string]bool{}
	for _, root := range p.order {
		if !p.decls[root].isTest {
			continue
		}
		seen := map[string]bool{root: true}
		for todo := []string{root}; len(todo) > 0; {
			n := todo[0]
			todo = todo[1:]
			reached[n] = true
			d := p.decls[n]
			for _, id := range d.ids {
				c.add(id, path.Join(p.dir)+"."+root, d.engines)
			}
			for u := range d.uses {
				if x := p.decls[u]; x != nil && !seen[u] && !x.isTest {
					seen[u] = true
					todo = append(todo, u)
				}
			}
		}
	}
	for _, n := range p.order {
		if d := p.decls[n]; len(d.ids) > 0 && !reached[n] && n != "TestMain" && !strings.HasPrefix(n, "Benchmark") {
			c.faults = append(c.faults, Fault{d.file, d.line, n + " cites " + d.ids[0] + ", but no test reaches it"})
		}
	}
}
