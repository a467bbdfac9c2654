// Package ir is the structured, typed intermediate representation of a P4
// program, at three levels, each a checked restriction of the one before:
//
//   - Typed: after irgen. The instantiation tree is expanded (one Block per
//     parser or control instance, generics specialised, constructor parameters
//     substituted), names and annotations are whole. P4Info and initial entries
//     are read here.
//   - Core: sub-blocks, functions and direct action calls inlined, side effects
//     ordered, copy-in and copy-out explicit, no tuples, no return or exit.
//     Headers, stacks, unions and tables remain.
//   - BMV2: core without what bmv2 JSON cannot say.
//
// In: the type-checked program (from irgen), text (Parse) or the wire form.
// Out: *Program for exec, passes, p4info, ssa and the bundle.
// Must not import: ast, types, arch, ssa, any back end, runtime.
//
// Named types (Header, Struct, Union, Enum, Newtype, Extern) are identical when
// they are the same pointer; the others are compared with Identical.
package ir

import (
	"fmt"
	"math/big"
)

// Type is one of the type nodes of this file.
type Type interface {
	isType()
	// String gives the type's text form, which Parse reads back.
	String() string
}

// Bit is bit<W>, an unsigned integer of exactly W bits; W may be 0.
type Bit struct{ W int }

// Int is int<W>, a two's complement integer of exactly W bits, W >= 1.
type Int struct{ W int }

// Varbit is varbit<Max>: a bit string of 0 to Max bits.
type Varbit struct{ Max int }

// InfInt is the compile-time type int. Typed level only.
type InfInt struct{}

// Bool is bool.
type Bool struct{}

// String is string; only as an argument of externs such as log_msg.
type String struct{}

// Void is the result type of calls without a value.
type Void struct{}

// ErrorType is error; values index Program.Errors.
type ErrorType struct{}

// Enum is an enum, or a serializable enum where Underlying is not nil.
// A value is the member's index, or for serializable enums its representation.
type Enum struct {
	Name       string
	Underlying Type // nil, *Bit or *Int
	Members    []EnumMember
	Annos      []Annotation
}

// EnumMember is one member of an enum. Value is its index, or its representation.
type EnumMember struct {
	Name  string
	Value *big.Int
}

// Field is a member of a header, struct or union.
type Field struct {
	Name  string
	Type  Type
	Annos []Annotation
}

// Struct is a struct type.
type Struct struct {
	Name   string
	Fields []Field
	Annos  []Annotation
}

// Header is a header type: fields plus a validity bit.
type Header struct {
	Name   string
	Fields []Field
	Annos  []Annotation
}

// Union is a header_union; at most one member is valid.
type Union struct {
	Name   string
	Fields []Field
	Annos  []Annotation
}

// Stack is an array T[Size]; of headers or unions it has nextIndex.
type Stack struct {
	Elem Type
	Size int
}

// Newtype is `type Of Name`. Typed level only.
type Newtype struct {
	Name  string
	Of    Type
	Annos []Annotation
}

// Tuple is tuple<...> and the type of field lists. At core only as the type of
// a ListExpr that is an argument of an extern call.
type Tuple struct{ Elems []Type }

// ExternType is the type of extern objects.
type ExternType struct {
	Name string
	Args []Type
}

func (*Bit) isType()        {}
func (*Int) isType()        {}
func (*Varbit) isType()     {}
func (*InfInt) isType()     {}
func (*Bool) isType()       {}
func (*String) isType()     {}
func (*Void) isType()       {}
func (*ErrorType) isType()  {}
func (*Enum) isType()       {}
func (*Struct) isType()     {}
func (*Header) isType()     {}
func (*Union) isType()      {}
func (*Stack) isType()      {}
func (*Newtype) isType()    {}
func (*Tuple) isType()      {}
func (*ExternType) isType() {}

func (t *Bit) String() string       { return fmt.Sprintf("bit<%d>", t.W) }
func (t *Int) String() string       { return fmt.Sprintf("int<%d>", t.W) }
func (t *Varbit) String() string    { return fmt.Sprintf("varbit<%d>", t.Max) }
func (t *InfInt) String() string    { return "int" }
func (t *Bool) String() string      { return "bool" }
func (t *String) String() string    { return "string" }
func (t *Void) String() string      { return "void" }
func (t *ErrorType) String() string { return "error" }
func (t *Enum) String() string      { return t.Name }
func (t *Struct) String() string    { return t.Name }
func (t *Header) String() string    { return t.Name }
func (t *Union) String() string     { return t.Name }
func (t *Stack) String() string     { return fmt.Sprintf("%s[%d]", t.Elem, t.Size) }
func (t *Newtype) String() string   { return t.Name }
func (t *Tuple) String() string     { return "tuple<" + joinTypes(t.Elems) + ">" }
func (t *ExternType) String() string {
	if len(t.Args) == 0 {
		return t.Name
	}
	return t.Name + "<" + joinTypes(t.Args) + ">"
}

func joinTypes(ts []Type) string {
	s := ""
	for i, t := range ts {
		if i > 0 {
			s += ", "
		}
		s += t.String()
	}
	return s
}

// Identical tells whether a and b are the same type.
func Identical(a, b Type) bool {
	if a == b {
		return true
	}
	switch a := a.(type) {
	case *Bit:
		b, ok := b.(*Bit)
		return ok && a.W == b.W
	case *Int:
		b, ok := b.(*Int)
		return ok && a.W == b.W
	case *Varbit:
		b, ok := b.(*Varbit)
		return ok && a.Max == b.Max
	case *InfInt:
		_, ok := b.(*InfInt)
		return ok
	case *Bool:
		_, ok := b.(*Bool)
		return ok
	case *String:
		_, ok := b.(*String)
		return ok
	case *Void:
		_, ok := b.(*Void)
		return ok
	case *ErrorType:
		_, ok := b.(*ErrorType)
		return ok
	case *Stack:
		b, ok := b.(*Stack)
		return ok && a.Size == b.Size && Identical(a.Elem, b.Elem)
	case *Tuple:
		b, ok := b.(*Tuple)
		return ok && identicalList(a.Elems, b.Elems)
	case *ExternType:
		b, ok := b.(*ExternType)
		return ok && a.Name == b.Name && identicalList(a.Args, b.Args)
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

// Machine widths of values that have no width in P4 (1 for bool, 32 for enums
// and errors, as bmv2 has them). Width gives the bits of a scalar type, or -1
// for what is no scalar.
func Width(t Type) int {
	switch t := Underlying(t).(type) {
	case *Bit:
		return t.W
	case *Int:
		return t.W
	case *Bool:
		return 1
	case *ErrorType, *Enum:
		return 32
	}
	return -1
}

// HeaderBits is the fixed size of a header in bits; a varbit counts 0.
func HeaderBits(h *Header) int {
	n := 0
	for _, f := range h.Fields {
		n += fieldBits(f.Type)
	}
	return n
}

func fieldBits(t Type) int {
	switch t := Underlying(t).(type) {
	case *Struct:
		n := 0
		for _, f := range t.Fields {
			n += fieldBits(f.Type)
		}
		return n
	case *Stack:
		return t.Size * fieldBits(t.Elem)
	case *Varbit:
		return 0
	default:
		if w := Width(t); w > 0 {
			return w
		}
		return 0
	}
}

// Fields gives the members of a header, struct or union, nil otherwise.
func Fields(t Type) []Field {
	switch t := t.(type) {
	case *Header:
		return t.Fields
	case *Struct:
		return t.Fields
	case *Union:
		return t.Fields
	}
	return nil
}

// FieldIndex is the position of the member name, or -1.
func FieldIndex(t Type, name string) int {
	for i, f := range Fields(t) {
		if f.Name == name {
			return i
		}
	}
	return -1
}
