package ir

import "math/big"

// Level tells which restrictions a program keeps.
type Level int

const (
	Typed Level = iota
	Core
	BMV2
)

func (l Level) String() string { return [...]string{"typed", "core", "bmv2"}[l] }

// Pos is a source position: an index into Program.Files, a 1-based line and a
// 1-based column in bytes. The zero Pos is unknown.
type Pos struct {
	File int32
	Line int32
	Col  int32
}

// IsValid tells whether p is a known position.
func (p Pos) IsValid() bool { return p.Line > 0 }

// SourceFile is a file that positions refer to. Lines holds the text of those
// lines that positions use, so that line information can show P4 source.
type SourceFile struct {
	Path  string // relative, with slashes
	Lines map[int32]string
}

// Program is one P4 program at one level.
type Program struct {
	Level     Level
	Arch      string // "v1model"
	Name      string // base name of the main file, without extension
	Types     []Type // named types in order of declaration
	Errors    []string
	Instances []*Instance // extern objects, whole program, in order of declaration
	Functions []*Function // typed level only
	Actions   []*Action   // every action; unique names
	Tables    []*Table    // every table, in order of declaration; unique names
	ValueSets []*ValueSet
	Blocks    []*Block  // callees before callers
	Pipeline  []Binding // the package's arguments, in order of its parameters
	PkgAnnos  []Annotation
	Files     []SourceFile
}

// Binding connects a slot of the architecture's package to a block, e.g. for
// v1model p, vr, ig, eg, ck, dep.
type Binding struct {
	Slot  string
	Block *Block
}

// Block returns the block bound to slot, or nil.
func (p *Program) Block(slot string) *Block {
	for _, b := range p.Pipeline {
		if b.Slot == slot {
			return b.Block
		}
	}
	return nil
}

// Table returns the table with control-plane name name, or nil.
func (p *Program) Table(name string) *Table {
	for _, t := range p.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Annotation is a P4 annotation, kept verbatim.
type Annotation struct {
	Name string
	Kind AnnoKind
	Text string   // AnnoRaw: the body's tokens joined by single blanks
	List []Lit    // AnnoList
	KV   []KeyLit // AnnoKV
}

// AnnoKind tells the form of an annotation's body.
type AnnoKind int

const (
	AnnoEmpty AnnoKind = iota
	AnnoRaw            // @name(...)
	AnnoList           // @name[a, b]
	AnnoKV             // @name[k=v]
)

// Lit is a literal in a structured annotation: exactly one of its forms.
type Lit struct {
	IsString, IsBool bool
	Str              string
	Bool             bool
	Int              *big.Int
}

// KeyLit is one key=value pair.
type KeyLit struct {
	Key string
	Val Lit
}

// Anno finds an annotation by name.
func Anno(as []Annotation, name string) (Annotation, bool) {
	for _, a := range as {
		if a.Name == name {
			return a, true
		}
	}
	return Annotation{}, false
}

// Dir is the direction of a parameter.
type Dir int

const (
	DirNone Dir = iota // directionless: control-plane data of actions, compile-time otherwise
	DirIn
	DirOut
	DirInOut
)

// Var is a parameter or local variable. Identity is the pointer. Names are
// unique within their block (core) or scope function (typed), so text works.
type Var struct {
	Name  string
	Type  Type
	Dir   Dir // parameters only
	Annos []Annotation
	Pos   Pos
}

// BlockKind tells parsers from controls.
type BlockKind int

const (
	Parser BlockKind = iota
	Control
)

// Block is one instance of a parser or control. At core only those bound in
// Program.Pipeline remain, everything they call is inlined.
type Block struct {
	Name   string // full control-plane name of the instance, e.g. "MyIngress.acl"
	Decl   string // name of the P4 declaration
	Kind   BlockKind
	Params []*Var
	Locals []*Var
	States []*State // parser: the first is start
	Body   []Stmt   // control
	Annos  []Annotation
	Pos    Pos
}

// State is a parser state.
type State struct {
	Name  string
	Body  []Stmt
	Trans Transition
	Annos []Annotation
	Pos   Pos
}

// Transition ends a state. Without keys it goes to Default. With keys the cases
// are tried in order; where none matches the parser stops with error.NoMatch
// (Default is then ""). Targets are state names, "accept" or "reject".
type Transition struct {
	Keys    []Expr
	Cases   []SelectCase
	Default string
	Pos     Pos
}

// SelectCase is one alternative; Sets has one element a key.
type SelectCase struct {
	Sets []Set
	Next string
	Pos  Pos
}

// SetKind tells the form of a Set.
type SetKind int

const (
	SetAny      SetKind = iota // default or _
	SetValue                   // Lo
	SetMask                    // Lo &&& Hi
	SetRange                   // Lo .. Hi
	SetValueSet                // VS; at position Index of a multi-field value set
)

// Set is a key set of select cases and table entries; constants are in the
// machine form of the key's type (see Const).
type Set struct {
	Kind   SetKind
	Lo, Hi *big.Int
	VS     *ValueSet
	Index  int
}

// ValueSet is a parser value set, content given by the control plane.
type ValueSet struct {
	Name  string
	Type  Type
	Size  int
	Annos []Annotation
	Pos   Pos
}

// Instance is an extern object.
type Instance struct {
	Name string // control-plane name
	Type *ExternType
	Args []Expr // constructor arguments: constants, string literals, lists, objects
	// Size is the number of elements of an array of objects, 0 for a single one.
	// Typed only.
	Size int
	// Made is the extern function that makes the object, "" for its constructor.
	Made  string
	Annos []Annotation
	Pos   Pos
}

// Function is a P4 function or (typed level) an abstract method's body.
type Function struct {
	Name string
	// Of is the object that an abstract method's body belongs to, nil for functions.
	// The body may use variables of the block around it. The method's name is the
	// last part of Name.
	Of     *Instance
	Params []*Var
	Locals []*Var
	Result Type
	Body   []Stmt
	Pos    Pos
}

// Action is an action. Parameters with DirNone are control-plane data and come
// last; at core there are no others (bound arguments are substituted, one
// specialised action for each).
type Action struct {
	Name   string // control-plane name, e.g. "MyIngress.drop" or "NoAction"
	Params []*Var
	Locals []*Var
	Body   []Stmt
	Annos  []Annotation
	Pos    Pos
}

// DataParams are the parameters that an entry supplies.
func (a *Action) DataParams() []*Var {
	for i, p := range a.Params {
		if p.Dir == DirNone {
			return a.Params[i:]
		}
	}
	return nil
}

// MatchKind is a table key's match kind.
type MatchKind int

const (
	MatchExact MatchKind = iota
	MatchLPM
	MatchTernary
	MatchRange
	MatchOptional
	MatchSelector
)

func (k MatchKind) String() string {
	return [...]string{"exact", "lpm", "ternary", "range", "optional", "selector"}[k]
}

// Key is one field of a table's key.
type Key struct {
	Name  string // control-plane name (rule P9)
	Expr  Expr   // scalar; may be any expression at typed and core
	Kind  MatchKind
	Annos []Annotation
	Pos   Pos
}

// ActionRef is an element of a table's action list. The position in
// Table.Actions is the action id in entries (at most 255 a table).
type ActionRef struct {
	Action      *Action
	Bound       []Expr // typed: arguments for the parameters with a direction
	TableOnly   bool
	DefaultOnly bool
	Annos       []Annotation
}

// Table is a match-action table.
type Table struct {
	Name          string // control-plane name
	Keys          []Key
	Actions       []ActionRef
	DefaultAction int        // index in Actions
	DefaultArgs   []*big.Int // one for each data parameter
	// DefaultVals are the default action's arguments that are no scalars, in order;
	// DefaultArgs has 0 in their place. Typed only: no control plane supplies them.
	DefaultVals    []Expr
	ConstDefault   bool
	HasDefault     bool // the program named one (else NoAction was inserted, not const)
	Entries        []ConstEntry
	HasEntries     bool
	ConstEntries   bool
	Size           int // 0 = not given (P4Info says 1024)
	Counters       *Instance
	Meters         *Instance
	Implementation *Instance // action profile or selector
	SupportTimeout bool
	Props          []Prop // other properties, kept
	Annos          []Annotation
	Pos            Pos
}

// Prop is a table property that no field above holds.
type Prop struct {
	Name string
	Expr Expr
}

// ConstEntry is an entry written in the program.
type ConstEntry struct {
	Sets     []Set // one a key
	Action   int   // index in Table.Actions
	Args     []*big.Int
	Priority int32 // as P4Runtime shows it: larger wins; 0 where no key needs it
	// Written is the priority of the program's text where that differs, 0 else: the
	// entries file says what p4c's says.
	Written int32
	Const   bool
	Pos     Pos
}

// NeedsPriority tells whether entries of t carry a priority (p4rt:T3).
func (t *Table) NeedsPriority() bool {
	for _, k := range t.Keys {
		switch k.Kind {
		case MatchTernary, MatchRange, MatchOptional:
			return true
		}
	}
	return false
}
