// Package ast is the syntax tree of P4_16: version 1.2.5 of the language and
// the drafts after it (for loops, break and continue, compound assignment,
// `[lsb+:width]` slices, string concatenation, likely/unlikely).
//
// In: nodes made by compiler/parser. Out: the same nodes for compiler/types,
// compiler/printer and compiler/irgen.
//
// It imports compiler/source and nothing else of the compiler.
//
// Rules that users may rely on:
//
//   - The tree says what was written, not what it means: names are not
//     resolved, nothing is folded, default values are not filled in. What
//     later phases find out they keep in side tables keyed by node pointer;
//     every expression, type and declaration is its own pointer and occurs in
//     the tree once.
//   - Nodes are plain structs with exported fields. A nil pointer, interface
//     or slice means "not written", unless the field says otherwise.
//   - Parentheses around an expression leave no node; the printer puts them
//     back from the precedence of the operators.
//   - Whether a name denotes a type is decided by the parser, as the grammar
//     of P4 demands (specification, "Grammar"): an expression that is a type is
//     a TypeExpr, any other name a PathExpr. The decision follows the scopes of
//     the source text; the type checker reports names that do not exist.
package ast

import "github.com/p4nic/p4nic/compiler/source"

// Node is any node of the tree.
type Node interface {
	Pos() source.Pos // first byte
	End() source.Pos // after the last byte
}

// Decl is a declaration: *ConstDecl, *VarDecl, *Instantiation, *ErrorDecl,
// *MatchKindDecl, *StructDecl, *EnumDecl, *TypedefDecl, *ExternDecl,
// *FuncDecl, *ActionDecl, *ParserDecl, *ParserTypeDecl, *ControlDecl,
// *ControlTypeDecl, *PackageDecl, *TableDecl, *ValueSetDecl.
type Decl interface {
	Node
	// DeclName returns the declared name; nil for `error` and `match_kind`
	// declarations, which have none.
	DeclName() *Ident
	// Annots returns the annotations written before the declaration.
	Annots() []*Annotation
	decl()
}

// Stmt is a statement: *AssignStmt, *CallStmt, *BlockStmt, *IfStmt,
// *SwitchStmt, *ForStmt, *ForInStmt, *BreakStmt, *ContinueStmt, *ReturnStmt,
// *ExitStmt, *EmptyStmt, *DeclStmt.
type Stmt interface {
	Node
	stmt()
}

// Expr is an expression: *IntLit, *BoolLit, *StringLit, *PathExpr, *TypeExpr,
// *ThisExpr, *MemberExpr, *IndexExpr, *SliceExpr, *WidthSliceExpr, *UnaryExpr,
// *BinaryExpr, *CondExpr, *CallExpr, *CastExpr, *ListExpr, *StructExpr,
// *InvalidExpr, *DotsExpr, *DefaultExpr, *DontCareExpr, *BadExpr.
type Expr interface {
	Node
	expr()
}

// Type is a type as written: *BasicType, *NamedType, *SpecializedType,
// *StackType, *TupleType, *ListType, *DontCareType.
type Type interface {
	Node
	typ()
}

// Ident is a name at the place where it is written: a declared name, a field,
// a member, an argument name.
type Ident struct {
	source.Span
	Name string
}

// String returns the name; "_" for a nil Ident.
func (id *Ident) String() string {
	if id == nil {
		return "_"
	}
	return id.Name
}

// Path is a use of a name; Absolute means it was written with a leading dot
// and is looked up in the top-level scope only (specification, "Path
// expressions"). The span covers the dot.
type Path struct {
	source.Span
	Absolute bool
	Name     *Ident
}

// String returns the path as written.
func (p *Path) String() string {
	if p.Absolute {
		return "." + p.Name.Name
	}
	return p.Name.Name
}

// Program is a whole compilation unit after preprocessing. Decls keeps the
// order of the source, declarations of included files in their place.
type Program struct {
	source.Span
	Decls []Decl
}

// AnnotationKind says how an annotation's body is written.
type AnnotationKind uint8

// Kinds of annotation bodies.
const (
	AnnotNone         AnnotationKind = iota // @name
	AnnotUnstructured                       // @name(tokens)
	AnnotExprs                              // @name[expr, ...], also @name[]
	AnnotKV                                 // @name[key=expr, ...]
)

// Annotation is one annotation.
type Annotation struct {
	source.Span
	// Name is the text after the @; it may be a keyword.
	Name *Ident
	Kind AnnotationKind
	// Tokens is the body of an unstructured annotation, without the outer
	// parentheses. It is what the specification defines the body to be.
	Tokens []Token
	// Exprs is the body of an expression list. For an unstructured body it is
	// the body read as an expression list where it reads as one, and else nil:
	// a convenience for annotations with known meaning (@name("x"), @id(7)).
	// Names in those are not to be resolved unless the annotation says so, and
	// Walk does not enter them.
	Exprs []Expr
	// KV is the body of a key-value list.
	KV []*NamedExpr
}

// TokenKind classifies a raw token of an unstructured annotation.
type TokenKind uint8

// Kinds of raw tokens.
const (
	TokenName   TokenKind = iota // identifier or keyword
	TokenInt                     // integer literal, Text as written
	TokenString                  // string literal, Text is its value
	TokenPunct                   // operator or punctuation
)

// Token is a raw token of an unstructured annotation.
type Token struct {
	source.Span
	Kind TokenKind
	Text string
}

// NamedExpr is `name = value` in a struct expression or a key-value
// annotation.
type NamedExpr struct {
	source.Span
	Name  *Ident
	Value Expr
}

// Arg is one argument of a call, instantiation or action reference. Name is
// nil for a positional argument; Value may be a *DontCareExpr.
type Arg struct {
	source.Span
	Name  *Ident
	Value Expr
}

// Direction is the direction of a parameter.
type Direction uint8

// Directions.
const (
	DirNone Direction = iota
	DirIn
	DirOut
	DirInOut
)

// String returns the keyword, "" for DirNone.
func (d Direction) String() string {
	switch d {
	case DirIn:
		return "in"
	case DirOut:
		return "out"
	case DirInOut:
		return "inout"
	}
	return ""
}

// Param is a parameter of a parser, control, package, action, function,
// method or constructor.
type Param struct {
	source.Span
	Annotations []*Annotation
	Dir         Direction
	Type        Type
	Name        *Ident
	Default     Expr // nil when there is none
}

// Annotated is a node that can carry annotations.
type Annotated interface {
	Node
	Annots() []*Annotation
}

// FindAnnotation returns the last annotation of that name, or nil.
func FindAnnotation(list []*Annotation, name string) *Annotation {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Name.Name == name {
			return list[i]
		}
	}
	return nil
}
