package ir

import "math/big"

// Expr is an expression. Every expression has no side effect at core; calls
// that have one are statements there.
type Expr interface {
	Type() Type
	Pos() Pos
	isExpr()
}

// Meta is embedded in every expression.
type Meta struct {
	T Type
	P Pos
}

func (m *Meta) Type() Type { return m.T }
func (m *Meta) Pos() Pos   { return m.P }
func (m *Meta) isExpr()    {}

// Const is a scalar constant. Val is the machine form: bit<W> 0..2^W-1; int<W>
// the signed value; bool 0 or 1; error the index in Program.Errors; enum as
// EnumMember.Value; InfInt any.
type Const struct {
	Meta
	Val *big.Int
}

// StringLit is a string constant.
type StringLit struct {
	Meta
	Val string
}

// VarRef reads (or as an l-value names) a parameter or local.
type VarRef struct {
	Meta
	Var *Var
}

// Member is X.Field of a struct, header or union.
type Member struct {
	Meta
	X     Expr
	Field string
}

// Index is X[I] of a stack. Out of range reads give 0, writes are dropped.
type Index struct {
	Meta
	X, I Expr
}

// StackOp reads a property of a stack X: next and last are l-values of the
// element type (typed and core: extract into next advances nextIndex),
// lastIndex and nextIndex are bit<32>.
type StackOp struct {
	Meta
	X  Expr
	Op StackProp
}

// StackProp is the property that a StackOp reads.
type StackProp int

const (
	StackNext StackProp = iota
	StackLast
	StackLastIndex
	StackNextIndex // number of elements extracted, "nextIndex" of the specification
)

// Op is an operator.
type Op int

const (
	Add Op = iota // wraps
	Sub
	Mul
	Div
	Mod
	AddSat
	SubSat
	And // bitwise
	Or
	Xor
	Shl
	Shr // arithmetic for int<W>
	Concat
	Eq // scalars, and at typed also headers, structs, stacks, tuples
	Ne
	Lt
	Le
	Gt
	Ge
	LAnd // short circuit
	LOr
	Neg  // unary
	BNot // ~
	LNot // !
)

var opText = [...]string{"+", "-", "*", "/", "%", "|+|", "|-|", "&", "|", "^", "<<", ">>", "++", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "-", "~", "!"}

func (o Op) String() string { return opText[o] }

// Unary is Neg, BNot or LNot.
type Unary struct {
	Meta
	Op Op
	X  Expr
}

// Binary has operands of one type, except shifts (Y any width) and Concat.
type Binary struct {
	Meta
	Op   Op
	X, Y Expr
}

// Cast converts between scalar types: truncates, zero extends bit, sign
// extends int, bool <-> bit<1>, enum <-> underlying, newtype <-> its type.
type Cast struct {
	Meta
	X Expr
}

// Mux is C ? A : B; only the chosen side is evaluated.
type Mux struct {
	Meta
	C, A, B Expr
}

// Slice is X[Hi:Lo], both inclusive.
type Slice struct {
	Meta
	X      Expr
	Hi, Lo int
}

// IsValid is X.isValid() of a header or union.
type IsValid struct {
	Meta
	X Expr
}

// ListExpr is a tuple, or a field list given to an extern.
type ListExpr struct {
	Meta
	Elems []Expr
}

// StructLit is a struct or header value, one expression a field (header: valid).
// With Invalid it is {#}.
type StructLit struct {
	Meta
	Fields  []Expr
	Invalid bool
}

// TupleIndex is X[I] of a tuple. Typed only.
type TupleIndex struct {
	Meta
	X Expr
	I int
}

// ObjectRef is an extern object as an argument: of an extern call, or of the
// constructor of another object. Its type is the object's, of an array of objects
// a Stack.
type ObjectRef struct {
	Meta
	Inst *Instance
}

// Call is a call with a value inside an expression. Typed only; at core a call
// is an ExternCall statement.
type Call struct {
	Meta
	Callee
}

// Callee says what is called: exactly one of Func, Action, Extern, Block, Table.
type Callee struct {
	Func     *Function
	Action   *Action
	Table    *Table    // apply; as an expression its type is Bool (Hit) or Bit<32> (ActionRun)
	TableRes TableRes  // what of the result is used
	Block    *Block    // apply of a sub-parser or sub-control
	Extern   string    // extern function name, "pkt" methods as "packet_in.extract" etc.
	Object   *Instance // extern object, Extern is then "type.method", e.g. "direct_counter.count"
	Recv     Expr      // packet_in/packet_out parameter for their methods; typed also Index of an array of objects
	TypeArgs []Type
	Args     []Expr // in the order of the parameters; nil for an absent @optional
	Dirs     []Dir  // of the parameters, same length as Args
}

// TableRes is the part of a table's apply result that is used.
type TableRes int

const (
	TableNone TableRes = iota
	TableHit
	TableMiss
	TableAction // index in Table.Actions of the action that ran
)

// Stmt is a statement.
type Stmt interface {
	Pos() Pos
	isStmt()
}

// SMeta is embedded in every statement.
type SMeta struct{ P Pos }

func (m *SMeta) Pos() Pos { return m.P }
func (m *SMeta) isStmt()  {}

// Assign copies R to the l-value L. Whole headers, structs, unions and stacks
// may be assigned. L is VarRef, Member, Index, Slice or StackOp.
type Assign struct {
	SMeta
	L, R Expr
}

// If executes one side.
type If struct {
	SMeta
	Cond       Expr
	Then, Else []Stmt
	Likely     int // +1 @likely, -1 @unlikely on Then
}

// Switch executes the case whose label equals X, else Default. Labels are
// constants of X's type; fall-through is already resolved.
type Switch struct {
	SMeta
	X       Expr
	Cases   []SwitchCase
	Default []Stmt
}

// SwitchCase is one case of a Switch.
type SwitchCase struct {
	Labels []*big.Int
	Body   []Stmt
}

// Labelled is a block that Leave can end: forward jumps only.
type Labelled struct {
	SMeta
	Label string
	Body  []Stmt
}

// MaxSteps bounds loops: the rounds of one run of a Loop, and the states that one
// run of a parser passes while it is in one cycle of states. A parser beyond it
// ends with ParserTimeout, a control drops the packet. It is a constant because
// the kernel's verifier needs one: it walks a loop round by round.
const MaxSteps = 256

// Loop repeats Body until a Leave of a label outside it, or of its own label.
// Continue of its label starts the next round; the end of Body does as well.
type Loop struct {
	SMeta
	Label string
	Body  []Stmt
}

// Leave jumps to the end of the enclosing Labelled or Loop of that name.
type Leave struct {
	SMeta
	Label string
}

// Continue jumps to the start of the enclosing Loop of that name.
type Continue struct {
	SMeta
	Label string
}

// ApplyTable applies a table. Core only. Hit (bool) and Run (bit<32>, the
// index in Table.Actions) are local variables to set, or nil.
type ApplyTable struct {
	SMeta
	Table    *Table
	Hit, Run *Var
}

// CallStmt is a call as a statement. Typed only.
type CallStmt struct {
	SMeta
	Callee
}

// ExternCall calls an extern function or method. Core and below. Dst is nil or
// the l-value for the result. Name as in Callee.Extern. Arguments at out
// positions are l-values. packet_in and packet_out methods have statements of
// their own below.
type ExternCall struct {
	SMeta
	Name     string
	Object   *Instance
	Dst      Expr
	TypeArgs []Type
	Args     []Expr
	Dirs     []Dir
}

// SetValid makes a header valid or invalid (D19).
type SetValid struct {
	SMeta
	X     Expr
	Valid bool
}

// PushPop shifts a stack by N: push_front when Push, else pop_front.
type PushPop struct {
	SMeta
	X    Expr
	N    int
	Push bool
}

// Extract is packet.extract(X [, VarBits]). X nil skips SkipBits (extract(_)).
type Extract struct {
	SMeta
	X        Expr
	VarBits  Expr // nil, or bit<32>: the size of the header's varbit field in bits
	SkipBits int
}

// Advance is packet.advance(Bits).
type Advance struct {
	SMeta
	Bits Expr
}

// Lookahead is Dst = packet.lookahead<T>(), T the type of Dst.
type Lookahead struct {
	SMeta
	Dst Expr
}

// PacketLength is Dst = packet.length().
type PacketLength struct {
	SMeta
	Dst Expr
}

// Verify is verify(Cond, Err): a false Cond ends the parser in reject with Err.
type Verify struct {
	SMeta
	Cond, Err Expr
}

// Emit is packet.emit(X): header, stack, union, struct of these.
type Emit struct {
	SMeta
	X Expr
}

// Return ends a function, action or control. Typed only.
type Return struct {
	SMeta
	X Expr // nil unless a function has a result
}

// Exit ends all controls of the current pipeline block. Typed only.
type Exit struct{ SMeta }
