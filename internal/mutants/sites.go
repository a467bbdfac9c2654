package mutants

import (
	"go/ast"
	"go/token"
)

// site is one statement with what surrounds it.
type site struct {
	p        *pkg
	f        *file
	function string
	stmt     ast.Node       // an ast.Stmt, or the *ast.ValueSpec of a package's variable
	results  *ast.FieldList // of the innermost function
	inLoop   bool           // break and continue are both possible
	parent   ast.Node       // the block or clause in whose list it stands, nil in a header
	pos      token.Position
}

// statements lists every statement of the packages' functions, and every
// package variable that has a value, in the order of the source. Blocks, empty
// statements and labels are no statements of their own; the parts of an if, a
// for or a switch are: their bodies' statements, their clauses.
func statements(list []*pkg) []*site {
	var sites []*site
	for _, p := range list {
		for _, f := range p.files {
			if generated.Match(f.src) {
				continue
			}
			for _, d := range f.tree.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Body != nil {
						w := &walker{p: p, f: f, function: functionName(d), out: &sites}
						w.body(d.Type, d.Body)
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR && len(v.Values) > 0 && v.Names[0].Name != "_" {
							w := &walker{p: p, f: f, function: v.Names[0].Name, out: &sites}
							w.add(v, nil)
							w.literals(v)
						}
					}
				}
			}
		}
	}
	return sites
}

// walker collects the statements of one declaration.
type walker struct {
	p        *pkg
	f        *file
	function string
	results  *ast.FieldList
	loops    int
	switches int // since the innermost loop
	out      *[]*site
}

func (w *walker) add(n ast.Node, parent ast.Node) {
	*w.out = append(*w.out, &site{p: w.p, f: w.f, function: w.function, stmt: n, results: w.results, inLoop: w.loops > 0 && w.switches == 0, parent: parent, pos: w.p.set.Position(n.Pos())})
}

// body walks a function's body; the loops around a function literal are not its.
func (w *walker) body(t *ast.FuncType, b *ast.BlockStmt) {
	inner := *w
	inner.results, inner.loops, inner.switches = t.Results, 0, 0
	inner.list(b.List, b)
}

func (w *walker) list(list []ast.Stmt, parent ast.Node) {
	for _, s := range list {
		w.stmt(s, parent)
	}
}

func (w *walker) loop(b *ast.BlockStmt) {
	inner := *w
	inner.loops, inner.switches = w.loops+1, 0
	inner.list(b.List, b)
}

func (w *walker) clauses(b *ast.BlockStmt) {
	inner := *w
	inner.switches++
	for _, c := range b.List {
		inner.add(c, b)
		switch c := c.(type) {
		case *ast.CaseClause:
			for _, e := range c.List {
				inner.literals(e)
			}
			inner.list(c.Body, c)
		case *ast.CommClause:
			if c.Comm != nil {
				inner.literals(c.Comm)
			}
			inner.list(c.Body, c)
		}
	}
}

// stmt adds s and what is inside it.
func (w *walker) stmt(s ast.Stmt, parent ast.Node) {
	switch s := s.(type) {
	case nil, *ast.EmptyStmt:
	case *ast.BlockStmt:
		w.list(s.List, s)
	case *ast.LabeledStmt:
		w.stmt(s.Stmt, parent)
	case *ast.IfStmt:
		w.add(s, parent)
		w.stmt(s.Init, nil)
		w.literals(s.Cond)
		w.list(s.Body.List, s.Body)
		w.stmt(s.Else, nil)
	case *ast.ForStmt:
		w.add(s, parent)
		w.stmt(s.Init, nil)
		w.stmt(s.Post, nil)
		w.literals(s.Cond)
		w.loop(s.Body)
	case *ast.RangeStmt:
		w.add(s, parent)
		w.literals(s.X)
		w.loop(s.Body)
	case *ast.SwitchStmt:
		w.add(s, parent)
		w.stmt(s.Init, nil)
		w.literals(s.Tag)
		w.clauses(s.Body)
	case *ast.TypeSwitchStmt:
		w.add(s, parent)
		w.stmt(s.Init, nil)
		w.literals(s.Assign)
		w.clauses(s.Body)
	case *ast.SelectStmt:
		w.add(s, parent)
		w.clauses(s.Body)
	case *ast.DeclStmt:
		d, ok := s.Decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			return // constants and types are declarations
		}
		w.add(s, parent)
		w.literals(s)
	default:
		w.add(s, parent)
		w.literals(s)
	}
}

// literals walks the function literals under n.
func (w *walker) literals(n ast.Node) {
	if n == nil {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		if l, ok := n.(*ast.FuncLit); ok {
			w.body(l.Type, l.Body)
			return false
		}
		return true
	})
}

// own gives the expressions that belong to the statement itself: not those of
// the statements inside it, nor of function literals.
func own(n ast.Node) []ast.Expr {
	var roots []ast.Expr
	add := func(list ...ast.Expr) {
		for _, e := range list {
			if e != nil {
				roots = append(roots, e)
			}
		}
	}
	switch s := n.(type) {
	case *ast.ValueSpec:
		add(s.Values...)
	case *ast.DeclStmt:
		for _, sp := range s.Decl.(*ast.GenDecl).Specs {
			if v, ok := sp.(*ast.ValueSpec); ok {
				add(v.Values...)
			}
		}
	case *ast.AssignStmt:
		add(s.Lhs...)
		add(s.Rhs...)
	case *ast.ExprStmt:
		add(s.X)
	case *ast.IncDecStmt:
		add(s.X)
	case *ast.ReturnStmt:
		add(s.Results...)
	case *ast.SendStmt:
		add(s.Chan, s.Value)
	case *ast.GoStmt:
		add(s.Call)
	case *ast.DeferStmt:
		add(s.Call)
	case *ast.IfStmt:
		add(s.Cond)
	case *ast.ForStmt:
		add(s.Cond)
	case *ast.RangeStmt:
		add(s.X)
	case *ast.SwitchStmt:
		add(s.Tag)
	case *ast.TypeSwitchStmt:
		if a, ok := s.Assign.(*ast.AssignStmt); ok {
			add(a.Rhs...)
		} else if e, ok := s.Assign.(*ast.ExprStmt); ok {
			add(e.X)
		}
	case *ast.CaseClause:
		add(s.List...)
	}
	return roots
}
