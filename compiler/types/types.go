// Package types is the type checker. It resolves names, infers type arguments,
// folds constants and enforces the static rules of the language
// (specification, sections 6 to 16 and the appendices on restrictions).
//
// In: the syntax tree of a whole program. Out: Info, side tables keyed by node
// pointer in the style of go/types, and diagnostics; the tree is not changed.
//
// It must not import ir, irgen, arch or anything behind them: it knows the
// language, no architecture.
package types

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
)

// Type is a type of the language. Types are compared with Identical.
type Type interface {
	String() string
	typ()
}

// Kind is the kind of a Basic type.
type Kind int

// Kinds of Basic types.
const (
	Bad Kind = iota // of an expression in which an error was reported; fits everywhere
	Void
	Bool
	String
	Error
	MatchKind
	Integer  // int, of arbitrary precision
	DontCare // _ as an argument; fits everywhere
	Dots     // `...`, a default value
	Invalid  // {#}
)

// Basic is a type without parameters.
type Basic struct{ Kind Kind }

// Bits is bit<W>, int<W> (Signed) or varbit<W> (Var).
type Bits struct {
	W      int
	Signed bool
	Var    bool
}

// Enum is an enum type; Underlying is nil unless it is serializable.
type Enum struct {
	Decl       *ast.EnumDecl
	Name       string
	Underlying Type
	Members    []*Member
}

// Member returns the member of that name, or nil.
func (t *Enum) Member(name string) *Member {
	for _, m := range t.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Field is a field of a struct-like type.
type Field struct {
	Name string
	Type Type
	Decl *ast.Field // nil in a record made of an expression
}

// Struct is a struct, header or header union; generic ones are instantiated
// with Args. Two Structs with the same Decl and identical Args are the same.
type Struct struct {
	Decl   *ast.StructDecl
	Kind   ast.StructKind
	Name   string
	Vars   []*Var // type parameters of the declaration
	Args   []Type // nil in the declaration itself
	Fields []*Field
}

// Newtype is `type Of Name`.
type Newtype struct {
	Decl *ast.TypedefDecl
	Name string
	Of   Type
}

// Stack is Elem[Size].
type Stack struct {
	Elem Type
	Size int
}

// Tuple is tuple<...>; Literal marks the type of a list expression, which
// converts to structs and headers.
type Tuple struct {
	Elems   []Type
	Literal bool
	Dots    bool // the list ends in `...`
}

// Record is the type of a struct expression without type name.
type Record struct {
	Fields []*Field
	Dots   bool
}

// List is list<Elem>.
type List struct{ Elem Type }

// Set is the type of keysets.
type Set struct{ Elem Type }

// Var is a type parameter.
type Var struct{ Name string }

// infer stands for a type argument that is being inferred.
type infer struct {
	v     *Var
	bound Type
}

// Extern is an object type.
type Extern struct {
	Decl    *ast.ExternDecl
	Name    string
	Params  []*Var
	Args    []Type  // nil in the declaration itself
	Methods []*Func // of the declaration only, see Base
	Ctors   []*Func
	base    *Extern
}

// Base returns the declared type, which has the methods and constructors.
func (t *Extern) Base() *Extern {
	if t.base != nil {
		return t.base
	}
	return t
}

// BlockKind tells what a Block is.
type BlockKind int

// Kinds of Block.
const (
	Parser BlockKind = iota
	Control
	Package
)

func (k BlockKind) String() string { return [...]string{"parser", "control", "package"}[k] }

// Block is a parser, control or package type, or the type that a parser or
// control declaration defines.
type Block struct {
	Kind       BlockKind
	Name       string
	Decl       ast.Decl
	TypeParams []*Var
	Args       []Type
	Params     []*Param // apply parameters; of a package its constructor's
	Ctor       []*Param
	// IsType marks a type without body, which cannot be instantiated (parser
	// and control types).
	IsType bool
}

// Func is the type of a function, extern function, method, constructor or action.
type Func struct {
	Name       string
	TypeParams []*Var
	Params     []*Param
	Result     Type
	Decl       ast.Node // *ast.FuncDecl, *ast.Method, *ast.ActionDecl
	Abstract   bool
	IsAction   bool
	IsExtern   bool
	Owner      *Extern // of methods and constructors
}

// Param is a parameter.
type Param struct {
	Name     string
	Dir      ast.Direction
	Type     Type
	Default  ast.Expr
	Optional bool
	Decl     *ast.Param
	Obj      *Object // inside the body; nil for what has none
}

// TableType is the type of a table name.
type TableType struct{ Decl *ast.TableDecl }

// TableResult is the type of t.apply().
type TableResult struct{ Decl *ast.TableDecl }

// ActionRun is the type of t.apply().action_run.
type ActionRun struct{ Decl *ast.TableDecl }

// TypeType is the type of an expression that names a type.
type TypeType struct{ Of Type }

// Method types of built-in methods are Func with Decl nil.

func (*Basic) typ()       {}
func (*Bits) typ()        {}
func (*Enum) typ()        {}
func (*Struct) typ()      {}
func (*Newtype) typ()     {}
func (*Stack) typ()       {}
func (*Tuple) typ()       {}
func (*Record) typ()      {}
func (*List) typ()        {}
func (*Set) typ()         {}
func (*Var) typ()         {}
func (*infer) typ()       {}
func (*Extern) typ()      {}
func (*Block) typ()       {}
func (*Func) typ()        {}
func (*TableType) typ()   {}
func (*TableResult) typ() {}
func (*ActionRun) typ()   {}
func (*TypeType) typ()    {}

func (t *Basic) String() string {
	return [...]string{"<error>", "void", "bool", "string", "error", "match_kind", "int", "_", "...", "{#}"}[t.Kind]
}

func (t *Bits) String() string {
	switch {
	case t.Var:
		return fmt.Sprintf("varbit<%d>", t.W)
	case t.Signed:
		return fmt.Sprintf("int<%d>", t.W)
	}
	return fmt.Sprintf("bit<%d>", t.W)
}

func (t *Enum) String() string    { return t.Name }
func (t *Struct) String() string  { return t.Name + typeArgs(t.Args) }
func (t *Newtype) String() string { return t.Name }
func (t *Stack) String() string   { return fmt.Sprintf("%s[%d]", t.Elem, t.Size) }
func (t *Tuple) String() string   { return "tuple<" + joinTypes(t.Elems) + ">" }

func (t *Record) String() string {
	var b strings.Builder
	b.WriteString("{")
	for i, f := range t.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", f.Type, f.Name)
	}
	b.WriteString("}")
	return b.String()
}

func (t *List) String() string { return "list<" + t.Elem.String() + ">" }
func (t *Set) String() string  { return "set<" + t.Elem.String() + ">" }
func (t *Var) String() string  { return t.Name }
func (t *infer) String() string {
	if t.bound != nil {
		return t.bound.String()
	}
	return t.v.Name
}
func (t *Extern) String() string { return t.Name + typeArgs(t.Args) }
func (t *Block) String() string  { return t.Kind.String() + " " + t.Name + typeArgs(t.Args) }

func (t *Func) String() string {
	var b strings.Builder
	if t.IsAction {
		b.WriteString("action ")
	}
	b.WriteString(t.Name)
	if len(t.TypeParams) > 0 {
		vs := make([]Type, len(t.TypeParams))
		for i, v := range t.TypeParams {
			vs[i] = v
		}
		b.WriteString(typeArgs(vs))
	}
	b.WriteString("(")
	for i, p := range t.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		if d := p.Dir.String(); d != "" {
			b.WriteString(d + " ")
		}
		fmt.Fprintf(&b, "%s %s", p.Type, p.Name)
	}
	b.WriteString(")")
	return b.String()
}

func (t *TableType) String() string   { return "table " + t.Decl.Name.Name }
func (t *TableResult) String() string { return "result of applying " + t.Decl.Name.Name }
func (t *ActionRun) String() string   { return "action_run of " + t.Decl.Name.Name }
func (t *TypeType) String() string    { return "type " + t.Of.String() }

func typeArgs(ts []Type) string {
	if len(ts) == 0 {
		return ""
	}
	return "<" + joinTypes(ts) + ">"
}

func joinTypes(ts []Type) string {
	s := make([]string, len(ts))
	for i, t := range ts {
		s[i] = t.String()
	}
	return strings.Join(s, ", ")
}

// deref replaces an inferred type variable by what it is bound to.
func deref(t Type) Type {
	for {
		v, ok := t.(*infer)
		if !ok || v.bound == nil {
			return t
		}
		t = v.bound
	}
}

// Identical tells whether a and b are the same type. Bad is identical to all.
func Identical(a, b Type) bool {
	a, b = deref(a), deref(b)
	if a == b {
		return true
	}
	if isBad(a) || isBad(b) {
		return true
	}
	switch x := a.(type) {
	case *Basic:
		y, ok := b.(*Basic)
		return ok && x.Kind == y.Kind
	case *Bits:
		y, ok := b.(*Bits)
		return ok && *x == *y
	case *Enum:
		y, ok := b.(*Enum)
		return ok && x.Decl == y.Decl
	case *Struct:
		y, ok := b.(*Struct)
		return ok && x.Decl == y.Decl && identicalList(x.Args, y.Args)
	case *Newtype:
		y, ok := b.(*Newtype)
		return ok && x.Decl == y.Decl
	case *Stack:
		y, ok := b.(*Stack)
		return ok && x.Size == y.Size && Identical(x.Elem, y.Elem)
	case *Tuple:
		y, ok := b.(*Tuple)
		return ok && identicalList(x.Elems, y.Elems)
	case *Record:
		y, ok := b.(*Record)
		if !ok || len(x.Fields) != len(y.Fields) {
			return false
		}
		for i, f := range x.Fields {
			if f.Name != y.Fields[i].Name || !Identical(f.Type, y.Fields[i].Type) {
				return false
			}
		}
		return true
	case *List:
		y, ok := b.(*List)
		return ok && Identical(x.Elem, y.Elem)
	case *Set:
		y, ok := b.(*Set)
		return ok && Identical(x.Elem, y.Elem)
	case *Extern:
		y, ok := b.(*Extern)
		return ok && x.Decl == y.Decl && identicalList(x.Args, y.Args)
	case *Block:
		y, ok := b.(*Block)
		return ok && x.Decl == y.Decl && identicalList(x.Args, y.Args)
	case *TableType:
		y, ok := b.(*TableType)
		return ok && x.Decl == y.Decl
	case *ActionRun:
		y, ok := b.(*ActionRun)
		return ok && x.Decl == y.Decl
	}
	return false
}

func identicalList(a, b []Type) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Identical(a[i], b[i]) {
			return false
		}
	}
	return true
}

// Underlying strips newtypes and serializable enums down to the type that
// carries the bits.
func Underlying(t Type) Type {
	for {
		t = deref(t)
		switch x := t.(type) {
		case *Newtype:
			t = x.Of
		case *Enum:
			if x.Underlying == nil {
				return t
			}
			t = x.Underlying
		default:
			return t
		}
	}
}

func isKind(t Type, k Kind) bool {
	b, ok := deref(t).(*Basic)
	return ok && b.Kind == k
}

func isBad(t Type) bool     { return isKind(t, Bad) }
func isInteger(t Type) bool { return isKind(t, Integer) }
func isBool(t Type) bool    { return isKind(t, Bool) }

// asBits returns t as bit<W> or int<W>, or nil. Newtypes and enums are none.
func asBits(t Type) *Bits {
	b, ok := deref(t).(*Bits)
	if !ok || b.Var {
		return nil
	}
	return b
}

// isNumeric tells whether t is bit<W>, int<W> or int.
func isNumeric(t Type) bool { return asBits(t) != nil || isInteger(t) }

func asStruct(t Type, k ast.StructKind) *Struct {
	s, ok := deref(t).(*Struct)
	if !ok || s.Kind != k {
		return nil
	}
	return s
}

func isHeader(t Type) bool { return asStruct(t, ast.Header) != nil }
func isUnion(t Type) bool  { return asStruct(t, ast.HeaderUnion) != nil }

// field returns the field of that name, or nil.
func (t *Struct) field(name string) *Field {
	for _, f := range t.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// FieldIndex returns the position of the field, or -1.
func (t *Struct) FieldIndex(name string) int {
	for i, f := range t.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

func basic(k Kind) Type { return &Basic{k} }
