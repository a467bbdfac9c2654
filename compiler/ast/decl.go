package ast

import "github.com/p4nic/p4nic/compiler/source"

// ConstDecl is `const T name = value;`.
type ConstDecl struct {
	source.Span
	Annotations []*Annotation
	Type        Type
	Name        *Ident
	Value       Expr
}

// VarDecl is `T name;` or `T name = init;`.
type VarDecl struct {
	source.Span
	Annotations []*Annotation
	Type        Type
	Name        *Ident
	Init        Expr
}

// Instantiation is `T(args) name;`, where T names a control, parser, extern or
// package, or the same with an initializer block that supplies the bodies of
// abstract methods: `T(args) name = { ... };`. In `T(args) name[3];` Type is a
// StackType of T.
type Instantiation struct {
	source.Span
	Annotations []*Annotation
	Type        Type
	Args        []*Arg
	Name        *Ident
	Init        *ObjectInit
}

// ObjectInit is the initializer block of an instantiation. Decls holds
// *FuncDecl and *Instantiation only.
type ObjectInit struct {
	source.Span
	Decls []Decl
}

// ErrorDecl is `error { a, b }`. Several of them add up.
type ErrorDecl struct {
	source.Span
	Annotations []*Annotation
	Members     []*Ident
}

// MatchKindDecl is `match_kind { a, b }`.
type MatchKindDecl struct {
	source.Span
	Annotations []*Annotation
	Members     []*Ident
}

// StructKind tells the three struct-like types apart.
type StructKind uint8

// Kinds of struct-like types.
const (
	Struct StructKind = iota
	Header
	HeaderUnion
)

// String returns the keyword.
func (k StructKind) String() string {
	switch k {
	case Header:
		return "header"
	case HeaderUnion:
		return "header_union"
	}
	return "struct"
}

// StructDecl declares a struct, header or header union.
type StructDecl struct {
	source.Span
	Annotations []*Annotation
	Kind        StructKind
	Name        *Ident
	TypeParams  []*Ident
	Fields      []*Field
}

// Field is a field of a struct-like type.
type Field struct {
	source.Span
	Annotations []*Annotation
	Type        Type
	Name        *Ident
}

// EnumDecl is `enum name { a, b }` or, with Underlying set, the serializable
// `enum bit<8> name { a = 1, b = 2 }`.
type EnumDecl struct {
	source.Span
	Annotations []*Annotation
	Underlying  Type
	Name        *Ident
	Members     []*EnumMember
}

// EnumMember is one enumerator; Value is nil in an enum without underlying
// type.
type EnumMember struct {
	source.Span
	Name  *Ident
	Value Expr
}

// TypedefDecl is `typedef T name;` or, with IsNew, `type T name;`. The grammar
// allows a struct-like type or enum to be declared in place: then Type is nil
// and Inline is that declaration.
type TypedefDecl struct {
	source.Span
	Annotations []*Annotation
	IsNew       bool
	Type        Type
	Inline      Decl
	Name        *Ident
}

// ExternDecl declares an extern object type with its constructors and methods.
// With IsForward it is `extern name;`, which only says that name is an extern
// type declared further on.
type ExternDecl struct {
	source.Span
	Annotations []*Annotation
	IsForward   bool
	Name        *Ident
	TypeParams  []*Ident
	Methods     []*Method
}

// Method is a method or, with IsConstructor, a constructor of an extern.
// Result is nil for a constructor.
type Method struct {
	source.Span
	Annotations   []*Annotation
	IsAbstract    bool
	IsConstructor bool
	Result        Type
	Name          *Ident
	TypeParams    []*Ident
	Params        []*Param
}

// FuncDecl is a function. With IsExtern it is `extern T f(...);` and has no
// Body; otherwise it has one. It is also the body of an abstract method inside
// an ObjectInit.
type FuncDecl struct {
	source.Span
	Annotations []*Annotation
	IsExtern    bool
	Result      Type
	Name        *Ident
	TypeParams  []*Ident
	Params      []*Param
	Body        *BlockStmt
}

// ActionDecl is an action.
type ActionDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	Params      []*Param
	Body        *BlockStmt
}

// ParserTypeDecl is a parser type: `parser P<T>(...);`.
type ParserTypeDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	TypeParams  []*Ident
	Params      []*Param
}

// ParserDecl is a parser with its states. Locals holds *ConstDecl, *VarDecl,
// *Instantiation and *ValueSetDecl.
type ParserDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	TypeParams  []*Ident
	Params      []*Param
	// HasCtorParams tells `parser p(..)()` from `parser p(..)`.
	HasCtorParams bool
	CtorParams    []*Param
	Locals        []Decl
	States        []*StateDecl
}

// StateDecl is a parser state. A nil Transition means `transition reject`
// (specification, "Transition statements").
type StateDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	Stmts       []Stmt
	Transition  *Transition
}

// Transition is the last statement of a state: exactly one of Next and Select
// is set.
type Transition struct {
	source.Span
	Next   *Ident
	Select *Select
}

// Select is `select (exprs) { cases }`.
type Select struct {
	source.Span
	Exprs []Expr
	Cases []*SelectCase
}

// SelectCase is `keyset: state;`. Keys has one element for a simple keyset (an
// expression, a BinaryExpr with OpMask or OpRange, *DefaultExpr or
// *DontCareExpr), or the elements of a parenthesized keyset.
type SelectCase struct {
	source.Span
	Keys  []Expr
	State *Ident
}

// ValueSetDecl is `value_set<T>(size) name;`.
type ValueSetDecl struct {
	source.Span
	Annotations []*Annotation
	Elem        Type
	Size        Expr
	Name        *Ident
}

// ControlTypeDecl is a control type: `control C<T>(...);`.
type ControlTypeDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	TypeParams  []*Ident
	Params      []*Param
}

// ControlDecl is a control. Locals holds *ConstDecl, *VarDecl,
// *Instantiation, *ActionDecl and *TableDecl.
type ControlDecl struct {
	source.Span
	Annotations   []*Annotation
	Name          *Ident
	TypeParams    []*Ident
	Params        []*Param
	HasCtorParams bool // see ParserDecl
	CtorParams    []*Param
	Locals        []Decl
	Apply         *BlockStmt
}

// PackageDecl is a package type.
type PackageDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	TypeParams  []*Ident
	Params      []*Param
}

// TableDecl is a table. Key, Actions and Entries are nil when not written; an
// empty list that was written is a node with no elements. Every other property
// (default_action, size, those of architectures) is in Props, in order.
type TableDecl struct {
	source.Span
	Annotations []*Annotation
	Name        *Ident
	Key         *KeyProp
	Actions     *ActionsProp
	Entries     *EntriesProp
	Props       []*Property
}

// Prop returns the property of that name, or nil.
func (t *TableDecl) Prop(name string) *Property {
	for _, p := range t.Props {
		if p.Name.Name == name {
			return p
		}
	}
	return nil
}

// KeyProp is `key = { ... }`.
type KeyProp struct {
	source.Span
	Annotations []*Annotation
	Elems       []*KeyElem
}

// KeyElem is `expr : match_kind annotations;`.
type KeyElem struct {
	source.Span
	Expr        Expr
	Match       *Ident
	Annotations []*Annotation
}

// ActionsProp is `actions = { ... }`.
type ActionsProp struct {
	source.Span
	Annotations []*Annotation
	Refs        []*ActionRef
}

// ActionRef names an action in an action list or in an entry. HasArgs tells
// `a()` from `a`.
type ActionRef struct {
	source.Span
	Annotations []*Annotation
	Path        *Path
	HasArgs     bool
	Args        []*Arg
}

// EntriesProp is `entries = { ... }`, with IsConst `const entries`.
type EntriesProp struct {
	source.Span
	Annotations []*Annotation
	IsConst     bool
	List        []*Entry
}

// Entry is one table entry:
// `const priority=5: (keys) : action(args) annotations;`.
type Entry struct {
	source.Span
	IsConst     bool
	Priority    Expr // nil when not written
	Keys        []Expr
	Action      *ActionRef
	Annotations []*Annotation
}

// Property is a table property other than key, actions and entries. Value of
// default_action is a PathExpr or a CallExpr.
type Property struct {
	source.Span
	Annotations []*Annotation
	IsConst     bool
	Name        *Ident
	Value       Expr
}

// DeclName and Annots of the declarations.

func (d *ConstDecl) DeclName() *Ident       { return d.Name }
func (d *VarDecl) DeclName() *Ident         { return d.Name }
func (d *Instantiation) DeclName() *Ident   { return d.Name }
func (d *ErrorDecl) DeclName() *Ident       { return nil }
func (d *MatchKindDecl) DeclName() *Ident   { return nil }
func (d *StructDecl) DeclName() *Ident      { return d.Name }
func (d *EnumDecl) DeclName() *Ident        { return d.Name }
func (d *TypedefDecl) DeclName() *Ident     { return d.Name }
func (d *ExternDecl) DeclName() *Ident      { return d.Name }
func (d *FuncDecl) DeclName() *Ident        { return d.Name }
func (d *ActionDecl) DeclName() *Ident      { return d.Name }
func (d *ParserTypeDecl) DeclName() *Ident  { return d.Name }
func (d *ParserDecl) DeclName() *Ident      { return d.Name }
func (d *ValueSetDecl) DeclName() *Ident    { return d.Name }
func (d *ControlTypeDecl) DeclName() *Ident { return d.Name }
func (d *ControlDecl) DeclName() *Ident     { return d.Name }
func (d *PackageDecl) DeclName() *Ident     { return d.Name }
func (d *TableDecl) DeclName() *Ident       { return d.Name }

func (d *ConstDecl) Annots() []*Annotation       { return d.Annotations }
func (d *VarDecl) Annots() []*Annotation         { return d.Annotations }
func (d *Instantiation) Annots() []*Annotation   { return d.Annotations }
func (d *ErrorDecl) Annots() []*Annotation       { return d.Annotations }
func (d *MatchKindDecl) Annots() []*Annotation   { return d.Annotations }
func (d *StructDecl) Annots() []*Annotation      { return d.Annotations }
func (d *EnumDecl) Annots() []*Annotation        { return d.Annotations }
func (d *TypedefDecl) Annots() []*Annotation     { return d.Annotations }
func (d *ExternDecl) Annots() []*Annotation      { return d.Annotations }
func (d *FuncDecl) Annots() []*Annotation        { return d.Annotations }
func (d *ActionDecl) Annots() []*Annotation      { return d.Annotations }
func (d *ParserTypeDecl) Annots() []*Annotation  { return d.Annotations }
func (d *ParserDecl) Annots() []*Annotation      { return d.Annotations }
func (d *ValueSetDecl) Annots() []*Annotation    { return d.Annotations }
func (d *ControlTypeDecl) Annots() []*Annotation { return d.Annotations }
func (d *ControlDecl) Annots() []*Annotation     { return d.Annotations }
func (d *PackageDecl) Annots() []*Annotation     { return d.Annotations }
func (d *TableDecl) Annots() []*Annotation       { return d.Annotations }

func (d *Field) Annots() []*Annotation       { return d.Annotations }
func (d *Method) Annots() []*Annotation      { return d.Annotations }
func (d *Param) Annots() []*Annotation       { return d.Annotations }
func (d *StateDecl) Annots() []*Annotation   { return d.Annotations }
func (d *KeyProp) Annots() []*Annotation     { return d.Annotations }
func (d *KeyElem) Annots() []*Annotation     { return d.Annotations }
func (d *ActionsProp) Annots() []*Annotation { return d.Annotations }
func (d *ActionRef) Annots() []*Annotation   { return d.Annotations }
func (d *EntriesProp) Annots() []*Annotation { return d.Annotations }
func (d *Entry) Annots() []*Annotation       { return d.Annotations }
func (d *Property) Annots() []*Annotation    { return d.Annotations }

func (*ConstDecl) decl()       {}
func (*VarDecl) decl()         {}
func (*Instantiation) decl()   {}
func (*ErrorDecl) decl()       {}
func (*MatchKindDecl) decl()   {}
func (*StructDecl) decl()      {}
func (*EnumDecl) decl()        {}
func (*TypedefDecl) decl()     {}
func (*ExternDecl) decl()      {}
func (*FuncDecl) decl()        {}
func (*ActionDecl) decl()      {}
func (*ParserTypeDecl) decl()  {}
func (*ParserDecl) decl()      {}
func (*ValueSetDecl) decl()    {}
func (*ControlTypeDecl) decl() {}
func (*ControlDecl) decl()     {}
func (*PackageDecl) decl()     {}
func (*TableDecl) decl()       {}
