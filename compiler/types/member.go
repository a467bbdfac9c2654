package types

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
)

func (c *checker) sel(e *ast.MemberExpr, s *Selection) {
	s.Name = e.Member.Name
	c.info.Members[e] = s
}

// member checks X.Member.
func (c *checker) member(e *ast.MemberExpr) TypeAndValue {
	x := c.expr(e.X)
	if isBad(x.Type) {
		return TypeAndValue{Type: bad()}
	}
	name := e.Member.Name
	if tt, ok := deref(x.Type).(*TypeType); ok {
		return c.typeMember(e, deref(tt.Of))
	}
	switch t := deref(x.Type).(type) {
	case *Struct:
		if f := t.field(name); f != nil && !(c.calling == e && isHeaderMethod(t, name)) {
			c.sel(e, &Selection{Kind: FieldSel, Field: f})
			out := TypeAndValue{Mode: x.Mode, Type: f.Type}
			switch x.Mode {
			case Constant:
				if out.Value = elemConst(x.Value, t.FieldIndex(name)); out.Value == nil {
					out.Mode = Compile
				}
			case LValue, Compile:
			default:
				out.Mode = RValue
			}
			return out
		}
		if isHeaderMethod(t, name) && !isSizeMethod(name) {
			return c.builtin(e)
		}
	case *Record:
		for _, f := range t.Fields {
			if f.Name == name {
				c.sel(e, &Selection{Kind: FieldSel, Field: f})
				return TypeAndValue{Mode: RValue, Type: f.Type}
			}
		}
	case *Stack:
		switch name {
		case "next", "last", "lastIndex":
			if c.body != nil && c.body.kind != parserBody {
				c.errorf(codeBadMember, e.Member, "%s can be used only in a parser", name)
				return TypeAndValue{Type: bad()}
			}
			if !isHeader(t.Elem) && !isUnion(t.Elem) {
				break
			}
			c.sel(e, &Selection{Kind: BuiltinSel})
			if name == "lastIndex" {
				return TypeAndValue{Mode: RValue, Type: &Bits{W: 32}}
			}
			m := x.Mode
			if m != LValue {
				m = RValue
			}
			return TypeAndValue{Mode: m, Type: t.Elem}
		case "size":
			c.sel(e, &Selection{Kind: BuiltinSel})
			b := &Bits{W: 32}
			return TypeAndValue{Constant, b, constInt(b, big.NewInt(int64(t.Size)))}
		case "push_front", "pop_front":
			if isHeader(t.Elem) || isUnion(t.Elem) {
				return c.builtin(e)
			}
		}
	case *TableType:
		if name == "apply" {
			c.sel(e, &Selection{Kind: ApplySel})
			return TypeAndValue{Mode: Callable, Type: x.Type}
		}
	case *TableResult:
		switch name {
		case "hit", "miss":
			c.sel(e, &Selection{Kind: TableHitSel})
			return TypeAndValue{Mode: RValue, Type: basic(Bool)}
		case "action_run":
			c.sel(e, &Selection{Kind: TableHitSel})
			return TypeAndValue{Mode: RValue, Type: &ActionRun{Decl: t.Decl}}
		}
	case *Block:
		if name == "apply" && t.Kind != Package {
			c.sel(e, &Selection{Kind: ApplySel})
			return TypeAndValue{Mode: Callable, Type: x.Type}
		}
	case *Extern:
		for _, m := range t.Base().Methods {
			if m.Name == name {
				c.sel(e, &Selection{Kind: MethodSel})
				return TypeAndValue{Mode: Callable, Type: m}
			}
		}
	}
	if isSizeMethod(name) && sizable(x.Type) {
		return c.builtin(e)
	}
	c.noMember(e, x.Type)
	return TypeAndValue{Type: bad()}
}

// isHeaderMethod tells whether a call of t.name() is one of a built-in method,
// even where a field has that name.
func isHeaderMethod(t *Struct, name string) bool {
	switch name {
	case "setValid", "setInvalid":
		return t.Kind == ast.Header
	case "isValid":
		return t.Kind != ast.Struct
	}
	return isSizeMethod(name) && sizable(t)
}

func (c *checker) builtin(e *ast.MemberExpr) TypeAndValue {
	c.sel(e, &Selection{Kind: BuiltinSel})
	return TypeAndValue{Mode: Callable, Type: &Func{Name: e.Member.Name, Result: basic(Void)}}
}

func isSizeMethod(name string) bool {
	switch name {
	case "minSizeInBits", "minSizeInBytes", "maxSizeInBits", "maxSizeInBytes":
		return true
	}
	return false
}

func sizable(t Type) bool {
	_, ok := sizeOf(t, false)
	return ok
}

// sizeOf is the size of a value in bits, smallest or largest (L73).
func sizeOf(t Type, largest bool) (int, bool) {
	switch x := Underlying(t).(type) {
	case *Bits:
		if x.Var && !largest {
			return 0, true
		}
		return x.W, true
	case *Basic:
		return 1, x.Kind == Bool
	case *Stack:
		n, ok := sizeOf(x.Elem, largest)
		return n * x.Size, ok
	case *Tuple:
		sum := 0
		for _, e := range x.Elems {
			n, ok := sizeOf(e, largest)
			if !ok {
				return 0, false
			}
			sum += n
		}
		return sum, true
	case *Struct:
		sum := 0
		for i, f := range x.Fields {
			n, ok := sizeOf(f.Type, largest)
			if !ok {
				return 0, false
			}
			switch {
			case x.Kind != ast.HeaderUnion:
				sum += n
			case i == 0:
				sum = n
			case largest:
				sum = max(sum, n)
			default:
				sum = min(sum, n)
			}
		}
		return sum, true
	case *Var:
		return 0, true // known once the function is specialised
	}
	return 0, false
}

// SizeOf is sizeOf for the phases that follow; t has no type parameters.
func SizeOf(t Type, largest bool) (bits int, ok bool) { return sizeOf(t, largest) }

// typeMember checks T.member.
func (c *checker) typeMember(e *ast.MemberExpr, t Type) TypeAndValue {
	name := e.Member.Name
	switch t := t.(type) {
	case *Enum:
		if m := t.Member(name); m != nil {
			c.sel(e, &Selection{Kind: EnumSel, Member: m})
			return TypeAndValue{Constant, t, constInt(t, m.Value)}
		}
	case *Basic:
		if t.Kind == Bad {
			return TypeAndValue{Type: bad()}
		}
		if t.Kind == Error {
			if i, ok := c.errors[name]; ok {
				c.sel(e, &Selection{Kind: ErrorSel})
				return TypeAndValue{Constant, t, constInt(t, big.NewInt(int64(i)))}
			}
		}
	case *Block:
		if name == "apply" && t.Kind != Package {
			c.sel(e, &Selection{Kind: ApplySel})
			return TypeAndValue{Mode: Callable, Type: &TypeType{Of: t}}
		}
	}
	if isSizeMethod(name) && sizable(t) {
		return c.builtin(e)
	}
	c.noMember(e, t)
	return TypeAndValue{Type: bad()}
}

func (c *checker) noMember(e *ast.MemberExpr, t Type) {
	var names []string
	var decl ast.Node
	switch x := deref(t).(type) {
	case *Struct:
		for _, f := range x.Fields {
			names = append(names, f.Name)
		}
		decl = x.Decl.Name
		if x.Kind == ast.Header {
			names = append(names, "isValid", "setValid", "setInvalid")
		}
	case *Enum:
		for _, m := range x.Members {
			names = append(names, m.Name)
		}
		decl = x.Decl.Name
	case *Extern:
		for _, m := range x.Base().Methods {
			names = append(names, m.Name)
		}
		decl = x.Decl.Name
	case *Basic:
		if x.Kind == Error {
			names = c.info.Errors
		}
	case *TableType:
		names = []string{"apply"}
	case *TableResult:
		names = []string{"hit", "miss", "action_run"}
	case *Stack:
		names = []string{"next", "last", "lastIndex", "size", "push_front", "pop_front"}
	}
	d := diag.Diagnostic{Code: codeBadMember, Span: e.Member.Span, Message: fmt.Sprintf("%s has no member %s", t, e.Member.Name), Notes: declaredHere(decl)}
	if s := diag.Nearest(e.Member.Name, names); s != "" {
		d.Message += fmt.Sprintf("; did you mean %s?", s)
		d.Fix = &diag.Fix{Span: e.Member.Span, Text: s, Message: "did you mean"}
	}
	c.rep.Report(d)
}
