package types

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// Check checks a whole program and reports what is wrong to rep. The result is
// never nil; it is complete only where rep got no error.
func Check(prog *ast.Program, rep *diag.List) *Info {
	c := &checker{rep: rep, info: newInfo(), matchKinds: map[string]source.Span{}, open: map[*Object]bool{}}
	c.top = &scope{names: map[string]*Object{}}
	c.scope = c.top
	c.collectMembers(prog)
	for _, d := range prog.Decls {
		if rep.Full() {
			break
		}
		c.decl(d)
	}
	c.mainDecl()
	c.annotations(prog)
	c.info.Top = c.top.names
	c.info.TopOrder = c.top.order
	return c.info
}

type checker struct {
	rep        *diag.List
	info       *Info
	top, scope *scope
	errors     map[string]int
	errorSpans map[string]source.Span
	matchKinds map[string]source.Span
	body       *body
	// open holds the functions, actions, parsers and controls whose bodies are
	// being checked: a use of one of them inside is recursion.
	open  map[*Object]bool
	depth int
	// objects is set where a type is that of an instantiation: there may be
	// arrays of externs.
	objects bool
	// calling is the member that the call being checked calls.
	calling *ast.MemberExpr
}

// bodyKind tells what kind of code is being checked; it decides which
// statements and calls are allowed (appendix "Restrictions on calls").
type bodyKind int

const (
	parserBody bodyKind = iota
	controlBody
	actionBody
	funcBody
)

func (k bodyKind) String() string {
	return [...]string{"parser", "control", "action", "function"}[k]
}

type body struct {
	kind   bodyKind
	result Type // of functions
	loops  int
	// states are the names of the states of a parser.
	states map[string]*ast.StateDecl
	// this is the extern type inside an abstract method's body.
	this Type
}

type scope struct {
	parent *scope
	names  map[string]*Object
	order  []*Object
}

func (c *checker) push() {
	c.scope = &scope{parent: c.scope, names: map[string]*Object{}}
}

func (c *checker) pop() { c.scope = c.scope.parent }

// declare enters o into the current scope; functions may share a name when
// they differ in their number or names of parameters (L152).
func (c *checker) declare(o *Object) {
	o.Top = c.scope == c.top
	if o.Node != nil {
		c.info.Defs[o.Node] = o
	}
	old := c.scope.names[o.Name]
	if old == nil {
		c.scope.names[o.Name] = o
		c.scope.order = append(c.scope.order, o)
		c.warnShadow(o)
		return
	}
	if old.Kind == FuncObj && o.Kind == FuncObj {
		last := old
		for f := old; f != nil; f = f.Next {
			if sameSignature(f.Type.(*Func), o.Type.(*Func)) {
				c.redeclared(o, f)
				return
			}
			last = f
		}
		last.Next = o
		c.scope.order = append(c.scope.order, o)
		return
	}
	if overloads(old, o) {
		last := old
		for b := old; b != nil; b = b.Next {
			if !overloads(b, o) {
				c.redeclared(o, b)
				return
			}
			last = b
		}
		last.Next = o
		c.scope.order = append(c.scope.order, o)
		return
	}
	c.redeclared(o, old)
}

// overloads tells whether two packages, or two parsers or controls with bodies,
// may have one name: their constructors differ in the number or the names of
// parameters (L152, L153).
func overloads(a, b *Object) bool {
	x, ok1 := a.Type.(*Block)
	y, ok2 := b.Type.(*Block)
	if !ok1 || !ok2 || a.Kind != TypeObj || b.Kind != TypeObj || x.Kind != y.Kind || x.IsType || y.IsType {
		return false
	}
	p, q := ctorNames(x.Decl), ctorNames(y.Decl)
	slices.Sort(p)
	slices.Sort(q)
	return !slices.Equal(p, q)
}

// ctorNames are the names of constructor parameters, read off the declaration: a
// block is declared before they are checked.
func ctorNames(d ast.Decl) []string {
	var ps []*ast.Param
	switch d := d.(type) {
	case *ast.PackageDecl:
		ps = d.Params
	case *ast.ParserDecl:
		ps = d.CtorParams
	case *ast.ControlDecl:
		ps = d.CtorParams
	}
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Name.String()
	}
	return out
}

func (c *checker) redeclared(o, old *Object) {
	c.note(codeRedeclared, o.Span, []diag.Note{{Span: old.Span, Message: "declared here"}},
		"%s is declared twice in the same scope", o.Name)
}

// warnShadow warns where a local name hides another local one (L158); hiding a
// top-level name is common and harmless.
func (c *checker) warnShadow(o *Object) {
	if o.Kind != VarObj && o.Kind != ConstObj {
		return
	}
	for s := c.scope.parent; s != nil && s != c.top; s = s.parent {
		if old := s.names[o.Name]; old != nil {
			c.rep.Report(diag.Diagnostic{Code: codeShadow, Severity: diag.Warning, Span: o.Span,
				Message: fmt.Sprintf("%s hides a %s of the same name", o.Name, old.Kind),
				Notes:   []diag.Note{{Span: old.Span, Message: "declared here"}}})
			return
		}
	}
}

// sameSignature tells whether calls could not choose between f and g: the same
// parameter names in the same number.
func sameSignature(f, g *Func) bool {
	if len(f.Params) != len(g.Params) {
		return false
	}
	for i := range f.Params {
		if f.Params[i].Name != g.Params[i].Name {
			return false
		}
	}
	return true
}

// lookup resolves a path, nil when there is none (reported).
func (c *checker) lookup(p *ast.Path) *Object {
	name := p.Name.Name
	var o *Object
	if p.Absolute {
		o = c.top.names[name]
	} else {
		for s := c.scope; s != nil && o == nil; s = s.parent {
			o = s.names[name]
		}
	}
	if o == nil && !p.Absolute {
		if at, ok := c.matchKinds[name]; ok {
			k := basic(MatchKind)
			o = &Object{Kind: ConstObj, Name: name, Type: k, Span: at, Val: &Const{Type: k, Str: name}, ReadOnly: true}
		}
	}
	if o == nil {
		d := diag.Diagnostic{Code: codeUnknownName, Span: p.Span, Message: fmt.Sprintf("%s is not declared", p)}
		if s := c.similar(name); s != "" {
			d.Fix = &diag.Fix{Span: p.Name.Span, Text: s, Message: "did you mean"}
			d.Message += fmt.Sprintf("; did you mean %s?", s)
		}
		c.rep.Report(d)
		return nil
	}
	c.info.Uses[p] = o
	return o
}

// similar finds the visible name nearest to name, "" if none is near.
func (c *checker) similar(name string) string {
	all := []string{"error"} // keyword and type
	for s := c.scope; s != nil; s = s.parent {
		for _, o := range s.order {
			all = append(all, o.Name)
		}
	}
	return diag.Nearest(name, all)
}

func (c *checker) errorf(code diag.Code, at ast.Node, format string, args ...any) {
	c.note(code, span(at), nil, format, args...)
}

func (c *checker) note(code diag.Code, at source.Span, notes []diag.Note, format string, args ...any) {
	c.rep.Report(diag.Diagnostic{Code: code, Span: at, Message: fmt.Sprintf(format, args...), Notes: notes})
}

// blame reports what is wrong with the declaration at decl, which a use shows.
// Where decl is in a file of its own, an architecture's as a rule, the user has
// to change the use: that is then the place, and decl a note.
func (c *checker) blame(code diag.Code, decl, use source.Span, format string, args ...any) {
	set := c.rep.Set()
	if decl.IsValid() && set.Position(decl.Lo).File == set.Position(use.Lo).File {
		c.note(code, decl, []diag.Note{{Span: use, Message: "used here"}}, format, args...)
		return
	}
	c.note(code, use, []diag.Note{{Span: decl, Message: "declared here"}}, format, args...)
}

func (c *checker) warnf(code diag.Code, at ast.Node, format string, args ...any) {
	c.rep.Warnf(code, span(at), format, args...)
}

func span(n ast.Node) source.Span { return source.Span{Lo: n.Pos(), Hi: n.End()} }

// declaredHere is the note that points at the declaration behind n.
func declaredHere(n ast.Node) []diag.Note {
	if n == nil {
		return nil
	}
	return []diag.Note{{Span: span(n), Message: "declared here"}}
}

// collectMembers merges all error and match_kind declarations (L20, L21).
func (c *checker) collectMembers(prog *ast.Program) {
	c.errors = map[string]int{}
	c.errorSpans = map[string]source.Span{}
	for _, d := range prog.Decls {
		switch d := d.(type) {
		case *ast.ErrorDecl:
			for _, m := range d.Members {
				if at, dup := c.errorSpans[m.Name]; dup {
					c.note(codeRedeclared, m.Span, []diag.Note{{Span: at, Message: "declared here"}}, "error.%s is declared twice", m.Name)
					continue
				}
				c.errors[m.Name] = len(c.info.Errors)
				c.errorSpans[m.Name] = m.Span
				c.info.Errors = append(c.info.Errors, m.Name)
			}
		case *ast.MatchKindDecl:
			for _, m := range d.Members {
				if at, dup := c.matchKinds[m.Name]; dup {
					c.note(codeRedeclared, m.Span, []diag.Note{{Span: at, Message: "declared here"}}, "match kind %s is declared twice", m.Name)
					continue
				}
				c.matchKinds[m.Name] = m.Span
			}
		}
	}
}

// mainDecl checks that main, where the program has one, is a package instance.
func (c *checker) mainDecl() {
	o := c.top.names["main"]
	if o == nil || isBad(o.Type) {
		return
	}
	if o.Kind == FuncObj {
		return // a name like any other
	}
	if b, ok := o.Type.(*Block); !ok || o.Kind != InstObj || b.Kind != Package {
		c.note(codeBadInst, o.Span, nil, "main must be an instance of a package")
	}
}

// has tells whether an annotation of that name is there.
func has(list []*ast.Annotation, name string) bool {
	return ast.FindAnnotation(list, name) != nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
