package lsp

import (
	"cmp"
	"slices"
	"sort"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// symbol is a named thing of a program. Exactly one of its references is to it.
type symbol struct {
	name string
	def  source.Span // of the name where it is declared
	// One of these says what it is.
	object *types.Object
	field  *ast.Field
	member *ast.EnumMember
	method *ast.Method
	state  *ast.StateDecl
	word   string // error or match kind: "error.NoError", "match kind exact"

	typ types.Type // of fields, and of enum members their enum
}

// occurrence is a place where a symbol is named.
type occurrence struct {
	source.Span
	sym *symbol
	def bool
}

// index has the places of a program in order of position, and its symbols.
type index struct {
	info    *types.Info
	set     *source.Set
	places  []occurrence
	symbols map[any]*symbol
	// scopes are the nodes that open a scope, outer ones first.
	scopes []ast.Node
	// unresolved are the names in struct expressions and arguments of which it is
	// not known what they name.
	unresolved map[string]bool
	// builtins are the members that are declared nowhere, by place.
	builtins map[source.Span]*ast.MemberExpr
	lexemes  map[*source.File][]preproc.Lexeme
}

func newIndex(a *analysis) *index {
	x := &index{info: a.Info, set: a.Set, symbols: map[any]*symbol{}, unresolved: map[string]bool{}, builtins: map[source.Span]*ast.MemberExpr{}, lexemes: map[*source.File][]preproc.Lexeme{}}
	ast.Walk(a.Tree, x.node)
	// Objects are found where they are declared, also those that nothing uses.
	var objects []*types.Object
	for _, o := range a.Info.Defs {
		objects = append(objects, o)
	}
	for _, o := range a.Info.Uses {
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(a, b *types.Object) int { return cmp.Compare(a.Span.Lo, b.Span.Lo) })
	for _, o := range objects {
		x.object(o)
	}
	for p, o := range a.Info.Uses {
		x.add(p.Name.Span, x.object(o), false)
	}
	for _, s := range x.symbols {
		x.add(s.def, s, true)
	}
	slices.SortFunc(x.places, func(a, b occurrence) int {
		return cmp.Or(cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.sym.def.Lo, b.sym.def.Lo), cmp.Compare(a.sym.name, b.sym.name))
	})
	x.places = slices.CompactFunc(x.places, func(a, b occurrence) bool { return a.Span == b.Span && a.sym == b.sym })
	return x
}

func (x *index) add(at source.Span, s *symbol, def bool) {
	if s != nil && at.IsValid() && at.Hi > at.Lo {
		x.places = append(x.places, occurrence{at, s, def})
	}
}

// object returns the symbol of an object. Objects of one declaration are one: a
// match kind is made anew at each use.
func (x *index) object(o *types.Object) *symbol {
	if o == nil {
		return nil
	}
	if b, ok := o.Type.(*types.Basic); ok && b.Kind == types.MatchKind && o.Node == nil {
		return x.matchKind(o.Name)
	}
	key := any(o)
	if o.Node != nil {
		key = o.Node
	}
	s := x.symbols[key]
	if s == nil {
		s = &symbol{name: o.Name, def: nameSpan(o), object: o}
		x.symbols[key] = s
	}
	return s
}

// nameSpan is where an object's name is declared.
func nameSpan(o *types.Object) source.Span {
	switch n := o.Node.(type) {
	case *ast.Param:
		return n.Name.Span
	case ast.Decl:
		if id := n.DeclName(); id != nil {
			return id.Span
		}
	}
	return o.Span
}

func (x *index) matchKind(name string) *symbol { return x.symbols["match kind "+name] }

// node notes what a node declares or names apart from paths.
func (x *index) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.StructDecl:
		for _, f := range n.Fields {
			x.field(f)
		}
	case *ast.EnumDecl:
		for _, m := range n.Members {
			x.enumMember(m)
		}
	case *ast.ErrorDecl:
		for _, m := range n.Members {
			x.word("error."+m.Name, m)
		}
	case *ast.MatchKindDecl:
		for _, m := range n.Members {
			x.word("match kind "+m.Name, m)
		}
	case *ast.ExternDecl:
		for _, m := range n.Methods {
			x.methodOf(m)
		}
	case *ast.ParserDecl:
		for _, s := range n.States {
			x.state(s)
		}
	case *ast.Transition:
		if n.Next != nil {
			x.add(n.Next.Span, x.state(x.info.States[n.Next]), false)
		}
	case *ast.SelectCase:
		if n.State != nil {
			x.add(n.State.Span, x.state(x.info.States[n.State]), false)
		}
	case *ast.MemberExpr:
		x.memberExpr(n)
	case *ast.KeyElem:
		if n.Match != nil {
			x.add(n.Match.Span, x.matchKind(n.Match.Name), false)
		}
	case *ast.CallExpr:
		var params []*types.Param
		if call := x.info.Calls[n]; call != nil {
			params = call.Params
		}
		x.args(n.Args, params)
	case *ast.Instantiation:
		var params []*types.Param
		if call := x.info.Insts[n]; call != nil {
			params = call.Params
		}
		x.args(n.Args, params)
	case *ast.CastExpr:
		// The fields of `(S){x = 1}` are those of S.
		if e, ok := n.X.(*ast.StructExpr); ok {
			x.structExpr(e, x.info.Types[n].Type)
		}
	case *ast.StructExpr:
		x.structExpr(n, x.info.Types[n].Type)
	}
	switch n.(type) {
	case *ast.ControlDecl, *ast.ParserDecl, *ast.ActionDecl, *ast.FuncDecl, *ast.BlockStmt, *ast.ForStmt,
		*ast.ForInStmt, *ast.TableDecl, *ast.StateDecl, *ast.ExternDecl:
		x.scopes = append(x.scopes, n)
	}
}

// structExpr notes the names of the fields of a struct expression of type t.
func (x *index) structExpr(n *ast.StructExpr, t types.Type) {
	st, _ := types.Underlying(t).(*types.Struct)
	for _, f := range n.Fields {
		if s := x.fieldOf(st, f.Name.Name); s != nil {
			x.add(f.Name.Span, s, false)
		} else {
			x.unresolved[f.Name.Name] = true
		}
	}
}

// args notes the names of named arguments.
func (x *index) args(args []*ast.Arg, params []*types.Param) {
	for _, a := range args {
		if a.Name == nil {
			continue
		}
		i := slices.IndexFunc(params, func(p *types.Param) bool { return p.Name == a.Name.Name && p.Decl != nil })
		if i < 0 {
			x.unresolved[a.Name.Name] = true
			continue
		}
		x.add(a.Name.Span, x.object(x.paramObject(params[i])), false)
	}
}

// paramObject is the object of a parameter; of one without body there is none,
// and one is made.
func (x *index) paramObject(p *types.Param) *types.Object {
	if o := x.info.Defs[p.Decl]; o != nil {
		return o
	}
	return &types.Object{Kind: types.ParamObj, Name: p.Name, Type: p.Type, Node: p.Decl, Dir: p.Dir, Span: p.Decl.Name.Span}
}

func (x *index) memberExpr(n *ast.MemberExpr) {
	sel := x.info.Members[n]
	if sel == nil {
		return
	}
	var s *symbol
	switch sel.Kind {
	case types.FieldSel:
		if sel.Field.Decl != nil {
			s = x.field(sel.Field.Decl)
			s.typ = sel.Field.Type
		}
	case types.EnumSel:
		if t, ok := x.info.Types[n].Type.(*types.Enum); ok {
			for _, m := range t.Decl.Members {
				if m.Name.Name == sel.Name {
					s = x.enumMember(m)
					s.typ = t
				}
			}
		}
	case types.ErrorSel:
		s = x.symbols["error."+sel.Name]
	case types.MethodSel:
		if f, ok := x.info.Types[n].Type.(*types.Func); ok {
			if m, ok := f.Decl.(*ast.Method); ok {
				s = x.methodOf(m)
			}
		}
	}
	if s == nil {
		x.builtins[n.Member.Span] = n
		return
	}
	x.add(n.Member.Span, s, false)
}

func (x *index) fieldOf(t *types.Struct, name string) *symbol {
	if t == nil {
		return nil
	}
	for _, f := range t.Fields {
		if f.Name == name && f.Decl != nil {
			s := x.field(f.Decl)
			s.typ = f.Type
			return s
		}
	}
	return nil
}

func (x *index) symbol(key any, id *ast.Ident) *symbol {
	s := x.symbols[key]
	if s == nil {
		s = &symbol{name: id.Name, def: id.Span}
		x.symbols[key] = s
	}
	return s
}

func (x *index) field(f *ast.Field) *symbol {
	s := x.symbol(f, f.Name)
	if s.field = f; s.typ == nil {
		s.typ = x.info.TypeOf[f.Type]
	}
	return s
}

func (x *index) enumMember(m *ast.EnumMember) *symbol {
	s := x.symbol(m, m.Name)
	s.member = m
	return s
}

func (x *index) methodOf(m *ast.Method) *symbol {
	s := x.symbol(m, m.Name)
	s.method = m
	return s
}

func (x *index) state(d *ast.StateDecl) *symbol {
	if d == nil {
		return nil
	}
	s := x.symbol(d, d.Name)
	s.state = d
	return s
}

func (x *index) word(word string, id *ast.Ident) {
	s := x.symbol(word, id)
	s.word = word
}

// find returns what is named at a position: an occurrence that covers it, or
// ends there.
func (x *index) find(p source.Pos) (occurrence, bool) {
	n := sort.Search(len(x.places), func(i int) bool { return x.places[i].Lo > p })
	// Names do not nest; of several at one place, from a macro, the first counts.
	for i := n - 1; i >= 0 && i >= n-8; i-- {
		if o := x.places[i]; p <= o.Hi {
			for i > 0 && x.places[i-1].Span == o.Span {
				i--
			}
			return x.places[i], true
		}
	}
	return occurrence{}, false
}

// references returns the places that name a symbol.
func (x *index) references(s *symbol) []occurrence {
	var out []occurrence
	for _, o := range x.places {
		if o.sym == s {
			out = append(out, o)
		}
	}
	return out
}

// lexemesOf returns the lexemes of a file.
func (x *index) lexemesOf(f *source.File) []preproc.Lexeme {
	l, ok := x.lexemes[f]
	if !ok {
		l = preproc.Lexemes(f)
		x.lexemes[f] = l
	}
	return l
}
