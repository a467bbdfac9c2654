package telemetry

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is the YANG base type of a leaf.
type Kind uint8

// Kinds. The value of the integer kinds, Bool and Decimal64 is Value.U; of
// Strings Value.L; of all others Value.S.
const (
	String Kind = iota
	Bool
	Uint8
	Uint16
	Uint32
	Uint64
	Int64
	Decimal64 // U is the scaled integer, Type.Digits its fraction digits
	Enum
	Identity // S is MODULE:NAME
	Binary   // S holds the bytes
	Strings  // a leaf-list of strings
)

// Type is the type of a leaf.
type Type struct {
	Kind   Kind
	Digits int
}

// Value is the value of a leaf; its Type says which field counts.
type Value struct {
	U uint64
	S string
	L []string
}

// Equal tells whether two values of the same type are the same.
func (v Value) Equal(w Value) bool { return v.U == w.U && v.S == w.S && slices.Equal(v.L, w.L) }

// Signed is the value of an Int64 or Decimal64.
func (v Value) Signed() int64 { return int64(v.U) }

// Bool is the value of a Bool.
func (v Value) Bool() bool { return v.U != 0 }

// Constructors.
func str(s string) Value     { return Value{S: s} }
func num(u uint64) Value     { return Value{U: u} }
func list(l ...string) Value { return Value{L: l} }

func truth(b bool) Value {
	if b {
		return Value{U: 1}
	}
	return Value{}
}

// Number tells whether a kind is counted or measured, and so can be a metric.
func (t Type) Number() bool {
	switch t.Kind {
	case Bool, Uint8, Uint16, Uint32, Uint64, Int64, Decimal64:
		return true
	}
	return false
}

// Decimal shows a decimal64 in its canonical form (RFC 7950 section 9.3.2).
func Decimal(v int64, digits int) string {
	s := strconv.FormatInt(v, 10)
	sign := ""
	if v < 0 {
		sign, s = "-", s[1:]
	}
	if digits == 0 {
		return sign + s + ".0"
	}
	for len(s) <= digits {
		s = "0" + s
	}
	frac := strings.TrimRight(s[len(s)-digits:], "0")
	if frac == "" {
		frac = "0"
	}
	return sign + s[:len(s)-digits] + "." + frac
}

// Text shows a value as people read it; identities lose their module.
func (t Type) Text(v Value) string {
	switch t.Kind {
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Uint8, Uint16, Uint32, Uint64:
		return strconv.FormatUint(v.U, 10)
	case Int64:
		return strconv.FormatInt(v.Signed(), 10)
	case Decimal64:
		return Decimal(v.Signed(), t.Digits)
	case Identity:
		_, name, ok := strings.Cut(v.S, ":")
		if ok {
			return name
		}
	case Strings:
		return strings.Join(v.L, ",")
	}
	return v.S
}
