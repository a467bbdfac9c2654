package p4gen

import (
	"math/big"
	"reflect"

	"github.com/p4nic/p4nic/compiler/ast"
)

// Shrink makes a program smaller while fails holds: declarations, statements,
// states, cases, keys, entries, fields and optional parts are deleted, statements
// and expressions replaced by parts of them or by constants. What does not
// compile any more is for fails to refuse. It works on any P4 program; tries
// bounds the calls of fails.
func Shrink(src string, tries int, fails func(src string) bool) string {
	s := &shrinker{fails: fails, left: tries, best: src}
	if _, own, err := Parse(src); err == nil {
		// What is measured from now on is in the printer's form.
		if printed := Print(own); fails(printed) {
			s.best = printed
		}
	}
	for s.left > 0 {
		_, own, err := Parse(s.best)
		if err != nil {
			return s.best
		}
		before := s.best
		s.decls = own
		s.edit(reflect.ValueOf(&s.decls).Elem())
		switch {
		case s.best != before:
		case s.fine:
			return s.best
		default: // what is coarse has been done
			s.fine = true
		}
	}
	return s.best
}

type shrinker struct {
	fails func(string) bool
	left  int
	fine  bool // also parts of expressions; until then only lists and statements
	decls []ast.Decl
	best  string
}

// try keeps the tree as it is now if it still fails and is shorter.
func (s *shrinker) try() (kept bool) {
	if s.left <= 0 {
		return false
	}
	defer func() {
		if recover() != nil { // a tree that cannot be printed
			kept = false
		}
	}()
	src := Print(s.decls)
	if len(src) >= len(s.best) {
		return false
	}
	s.left--
	if !s.fails(src) {
		return false
	}
	s.best = src
	return true
}

var (
	exprType  = reflect.TypeFor[ast.Expr]()
	stmtType  = reflect.TypeFor[ast.Stmt]()
	nodeType  = reflect.TypeFor[ast.Node]()
	typeType  = reflect.TypeFor[ast.Type]()
	identType = reflect.TypeFor[*ast.Ident]()
)

// edit tries what can be done at v and then below it.
func (s *shrinker) edit(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Implements(nodeType) {
			s.cut(v)
		}
		for i := range v.Len() {
			if i < v.Len() {
				s.slot(v.Index(i))
			}
		}
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		e := v.Elem()
		if e.Kind() == reflect.Interface || e.Kind() == reflect.Pointer {
			s.edit(e)
		} else if e.Kind() == reflect.Struct && e.CanSet() && v.Type() != reflect.TypeFor[*big.Int]() {
			if n, ok := v.Interface().(ast.Node); ok {
				s.params(n)
			}
			for i := range e.NumField() {
				if f := e.Field(i); f.CanSet() {
					s.slot(f)
				}
			}
		}
	}
}

// slot tries to empty or replace what one field or element holds.
func (s *shrinker) slot(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || !v.Type().Implements(nodeType) {
			return
		}
		if !s.fine && (v.Type() == exprType || v.Type() == identType || v.Type() == typeType) {
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		v.SetZero()
		if s.try() {
			return
		}
		v.Set(old)
		switch v.Type() {
		case exprType:
			s.replaceExpr(v)
		case stmtType:
			s.replaceStmt(v)
		}
	case reflect.Slice:
	default:
		return
	}
	s.edit(v)
}

// cut deletes elements of a list: halves first, then fewer, then single ones.
func (s *shrinker) cut(v reflect.Value) {
	for n := v.Len(); n >= 1; n /= 2 {
		for at := v.Len() - n; at >= 0; at -= n {
			old := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(old, v)
			rest := reflect.MakeSlice(v.Type(), 0, v.Len())
			rest = reflect.AppendSlice(rest, old.Slice(0, at))
			rest = reflect.AppendSlice(rest, old.Slice(at+n, old.Len()))
			v.Set(rest)
			if !s.try() {
				v.Set(old)
			}
			if at > v.Len() {
				at = v.Len()
			}
		}
	}
}

// replaceExpr puts a constant or a part of an expression in its place.
func (s *shrinker) replaceExpr(v reflect.Value) {
	old := v.Interface().(ast.Expr)
	switch old.(type) {
	case *ast.IntLit, *ast.BoolLit, *ast.PathExpr:
		return
	}
	options := []ast.Expr{
		&ast.IntLit{Value: big.NewInt(0), Base: 10, Text: "0"},
		&ast.IntLit{Value: big.NewInt(1), Base: 10, Text: "1"},
		&ast.BoolLit{Value: true}, &ast.BoolLit{},
	}
	for _, c := range ast.Children(old) {
		switch c := c.(type) {
		case ast.Expr:
			options = append(options, c)
		case *ast.Arg:
			options = append(options, c.Value)
		}
	}
	for _, o := range options {
		v.Set(reflect.ValueOf(o))
		if s.try() {
			s.replaceExpr(v)
			return
		}
	}
	v.Set(reflect.ValueOf(old))
}

// replaceStmt puts a statement's part in its place.
func (s *shrinker) replaceStmt(v reflect.Value) {
	old := v.Interface().(ast.Stmt)
	var parts []ast.Stmt
	for _, c := range ast.Children(old) {
		switch c := c.(type) {
		case ast.Stmt:
			parts = append(parts, c)
		case *ast.SwitchCase:
			if c.Body != nil {
				parts = append(parts, c.Body)
			}
		}
	}
	if b, ok := old.(*ast.BlockStmt); ok && len(b.Stmts) != 1 {
		return
	}
	for _, p := range parts {
		v.Set(reflect.ValueOf(p))
		if s.try() {
			return
		}
	}
	v.Set(reflect.ValueOf(old))
}

// params deletes parameters together with the arguments of every call by name.
func (s *shrinker) params(n ast.Node) {
	var list *[]*ast.Param
	var name *ast.Ident
	switch d := n.(type) {
	case *ast.FuncDecl:
		list, name = &d.Params, d.Name
	case *ast.ActionDecl:
		list, name = &d.Params, d.Name
	case *ast.ControlDecl:
		list, name = &d.Params, d.Name
	case *ast.ParserDecl:
		list, name = &d.Params, d.Name
	default:
		return
	}
	for i := len(*list) - 1; i >= 0; i-- {
		all := *list
		count := len(all)
		*list = append(append([]*ast.Param(nil), all[:i]...), all[i+1:]...)
		undo := s.dropArgs(name.Name, i, count)
		if !s.try() {
			*list = all
			undo()
		}
	}
}

// dropArgs deletes the i-th of count arguments of every call of a function or
// action, or of an apply of an instance of a control or parser.
func (s *shrinker) dropArgs(name string, i, count int) (undo func()) {
	instances := map[string]bool{name: true}
	var back []func()
	each := func(f func(ast.Node)) {
		for _, d := range s.decls {
			ast.Walk(d, f)
		}
	}
	each(func(n ast.Node) {
		if x, ok := n.(*ast.Instantiation); ok {
			if t, ok := x.Type.(*ast.NamedType); ok && t.Path.Name.Name == name {
				instances[x.Name.Name] = true
			}
		}
	})
	drop := func(args *[]*ast.Arg) {
		if old := *args; len(old) == count {
			*args = append(append([]*ast.Arg(nil), old[:i]...), old[i+1:]...)
			back = append(back, func() { *args = old })
		}
	}
	each(func(n ast.Node) {
		switch x := n.(type) {
		case *ast.CallExpr:
			f := x.Fun
			if m, ok := f.(*ast.MemberExpr); ok && m.Member.Name == "apply" {
				f = m.X
			}
			if p, ok := f.(*ast.PathExpr); ok && instances[p.Path.Name.Name] {
				drop(&x.Args)
			}
		case *ast.ActionRef:
			if x.Path.Name.Name == name && i < len(x.Args) {
				old := x.Args
				x.Args = append(append([]*ast.Arg(nil), old[:i]...), old[i+1:]...)
				back = append(back, func() { x.Args = old })
			}
		}
	})
	return func() {
		for _, f := range back {
			f()
		}
	}
}
