package ast

import "github.com/p4nic/p4nic/compiler/source"

// BasicKind is the kind of a built-in type.
type BasicKind uint8

// Built-in types.
const (
	Void      BasicKind = iota // void
	Bool                       // bool
	ErrorType                  // error
	MatchKind                  // match_kind
	String                     // string
	Integer                    // int, arbitrary precision
	Bit                        // bit<W>; bit alone is bit<1>
	Int                        // int<W>
	Varbit                     // varbit<W>
)

// String returns the keyword.
func (k BasicKind) String() string {
	return [...]string{"void", "bool", "error", "match_kind", "string", "int", "bit", "int", "varbit"}[k]
}

// BasicType is a built-in type. Width is set for Bit, Int and Varbit; a Bit
// with nil Width was written `bit` and means bit<1>.
type BasicType struct {
	source.Span
	Kind  BasicKind
	Width Expr
}

// NamedType is a type called by name; it may be a type variable.
type NamedType struct {
	source.Span
	Path *Path
}

// SpecializedType is `Base<Args>`.
type SpecializedType struct {
	source.Span
	Base *NamedType
	Args []Type
}

// StackType is `Elem[Size]`: a header stack, a stack of unions or, in the
// draft, an array of any type.
type StackType struct {
	source.Span
	Elem Type
	Size Expr
}

// TupleType is `tuple<...>`.
type TupleType struct {
	source.Span
	Elems []Type
}

// ListType is `list<Elem>`.
type ListType struct {
	source.Span
	Elem Type
}

// DontCareType is `_` as a type argument.
type DontCareType struct {
	source.Span
}

func (*BasicType) typ()       {}
func (*NamedType) typ()       {}
func (*SpecializedType) typ() {}
func (*StackType) typ()       {}
func (*TupleType) typ()       {}
func (*ListType) typ()        {}
func (*DontCareType) typ()    {}
