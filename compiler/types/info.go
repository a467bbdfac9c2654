package types

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/source"
)

// Info is what the checker found out. All maps are keyed by nodes of the
// checked tree. Inside a generic function types contain type parameters
// (*Var); Subst replaces them by the arguments of a Call.
type Info struct {
	Types    map[ast.Expr]TypeAndValue
	TypeOf   map[ast.Type]Type             // types as written
	Uses     map[*ast.Path]*Object         // names to what they mean
	Defs     map[ast.Node]*Object          // declarations (and *ast.Param, *ast.StateDecl) to their objects
	States   map[*ast.Ident]*ast.StateDecl // targets of transitions; absent for accept and reject
	Members  map[*ast.MemberExpr]*Selection
	Calls    map[*ast.CallExpr]*Call
	Insts    map[*ast.Instantiation]*Call // constructor calls of declared instances
	Actions  map[*ast.ActionRef]*ActionUse
	Defaults map[*ast.Property]*ActionUse // default_action
	Slices   map[ast.Expr][2]int          // SliceExpr, WidthSliceExpr: high and low bit
	Switches map[*ast.SwitchCase]int      // case of a switch on action_run: index in the table's action list; -1 default
	Keys     map[*ast.KeyElem]string      // match kind
	Errors   []string                     // members of error, NoError first
	Enums    []*Enum                      // in order of declaration
	Structs  []*ast.StructDecl            // in order of declaration
	Top      map[string]*Object           // top-level scope; of overloaded functions the first
	TopOrder []*Object
}

// Mode says what an expression stands for.
type Mode uint8

// Modes.
const (
	NoValue  Mode = iota // error, statement-like call
	RValue               // a value known at run time
	LValue               // may be assigned to
	Constant             // known to the checker, see Value
	Compile              // known when the instantiation tree is evaluated
	Callable             // a function, method, action, table
	TypeName             // a type
	Object_              // an instance of an extern, parser or control, or a table
)

// TypeAndValue is what is known of an expression.
type TypeAndValue struct {
	Mode  Mode
	Type  Type
	Value *Const // with Constant
}

// Const is a compile-time value. Of scalars Int is the machine form: the number
// for integers (bit<W> 0..2^W-1, int<W> signed), 0 or 1 for bool, the index in
// Info.Errors for errors, the index or representation of an enum member. A
// match kind has its name in Str, as a string has its text.
type Const struct {
	Type  Type
	Int   *big.Int
	Str   string
	Elems []*Const // struct, header, tuple, list
}

// ObjKind tells what a name stands for.
type ObjKind uint8

// Kinds of Object.
const (
	BadObj ObjKind = iota
	ConstObj
	VarObj
	ParamObj
	CtorParamObj
	TypeObj
	FuncObj // function or extern function, possibly one of several
	ActionObj
	TableObj
	InstObj
	ValueSetObj
)

func (k ObjKind) String() string {
	return [...]string{"bad name", "constant", "variable", "parameter", "constructor parameter", "type", "function", "action", "table", "instance", "value set"}[k]
}

// Object is a declared thing.
type Object struct {
	Kind ObjKind
	Name string
	Type Type
	Node ast.Node // the declaration
	Span source.Span
	Dir  ast.Direction // of parameters
	Val  *Const        // of constants
	Next *Object       // further functions, packages or blocks of the same name
	// top-level objects can be reached through `.name`
	Top bool
	// ReadOnly marks in parameters and loop variables of for-in.
	ReadOnly bool
}

// SelKind tells what X.Member is.
type SelKind uint8

// Kinds of Selection.
const (
	FieldSel    SelKind = iota
	EnumSel             // member of an enum type
	ErrorSel            // member of error
	MethodSel           // method of an extern object
	BuiltinSel          // built-in method or property, see Name
	ApplySel            // apply of table, parser, control
	TableHitSel         // .hit, .miss, .action_run of an apply result
)

// Selection is the meaning of a MemberExpr.
type Selection struct {
	Kind   SelKind
	Name   string
	Field  *Field
	Member *Member
}

// Member is a member of an enum. Value is its index, or its representation
// where the enum is serializable.
type Member struct {
	Name  string
	Index int
	Value *big.Int
}

// CallKind tells what a call calls.
type CallKind uint8

// Kinds of Call.
const (
	FuncCall   CallKind = iota // function with a body
	ExternCall                 // extern function
	MethodCall                 // method of an extern object
	ActionCall
	TableApply
	BlockApply  // apply of a parser or control instance
	DirectApply // T.apply(): an anonymous instance of T
	Constructor
	BuiltinCall // isValid, setValid, push_front, minSizeInBits, ...
)

// Call is a resolved call.
type Call struct {
	Kind     CallKind
	Name     string     // function, method or built-in
	Func     *Func      // as declared, with type parameters; nil for TableApply and built-ins
	Obj      *Object    // function, action, table or instance by name; nil where there is no name
	Type     Type       // Constructor: the type built; BlockApply: the block's type
	Recv     ast.Expr   // receiver of methods and applies
	TypeArgs []Type     // of Func.TypeParams (for a Constructor, of the type)
	Params   []*Param   // with type arguments substituted
	Args     []ast.Expr // one a parameter; nil: absent (take Params[i].Default or none)
	Result   Type
}

// ActionUse is a reference to an action in a table.
type ActionUse struct {
	Obj   *Object
	Func  *Func
	Index int        // position in the table's action list; of list elements their own
	Args  []ast.Expr // one a parameter, nil where not given
}

func newInfo() *Info {
	return &Info{
		Types:    map[ast.Expr]TypeAndValue{},
		TypeOf:   map[ast.Type]Type{},
		Uses:     map[*ast.Path]*Object{},
		Defs:     map[ast.Node]*Object{},
		States:   map[*ast.Ident]*ast.StateDecl{},
		Members:  map[*ast.MemberExpr]*Selection{},
		Calls:    map[*ast.CallExpr]*Call{},
		Insts:    map[*ast.Instantiation]*Call{},
		Actions:  map[*ast.ActionRef]*ActionUse{},
		Defaults: map[*ast.Property]*ActionUse{},
		Slices:   map[ast.Expr][2]int{},
		Switches: map[*ast.SwitchCase]int{},
		Keys:     map[*ast.KeyElem]string{},
		Top:      map[string]*Object{},
	}
}

// Subst replaces type parameters in t.
func Subst(t Type, m map[*Var]Type) Type {
	if len(m) == 0 {
		return deref(t)
	}
	return subst(t, m)
}
