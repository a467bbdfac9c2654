package scanner

// Kind is the kind of a token.
type Kind uint8

// Kinds of tokens. Keywords are reserved words; names that are keywords in one
// context only (apply, key, actions, entries, state, type, priority, list) are
// of kind Ident, and the parser looks at their text (L13).
const (
	EOF Kind = iota
	Ident
	Int
	String

	firstKeyword
	Abstract
	Action
	Bit
	Bool
	Break
	Const
	Continue
	Control
	Default
	Else
	Enum
	Error
	Exit
	Extern
	False
	For
	Header
	HeaderUnion
	If
	In
	Inout
	IntType
	MatchKind
	Out
	Package
	Parser
	Return
	Select
	StringType
	Struct
	Switch
	Table
	This
	Transition
	True
	Tuple
	Typedef
	ValueSet
	Varbit
	Void
	DontCare // _
	lastKeyword

	LParen
	RParen
	LBracket
	RBracket
	LBrace
	RBrace
	Lt
	Gt // always single; the parser joins `>` `>` and `>` `>=` (L14)
	Dot
	Comma
	Semi
	Colon
	Question
	At
	Assign
	Not
	Compl
	Plus
	Minus
	Mul
	Div
	Mod
	And
	Or
	Xor
	AddSat    // |+|
	SubSat    // |-|
	Concat    // ++
	Shl       // <<
	Le        // <=
	Ge        // >=
	Eq        // ==
	Ne        // !=
	LAnd      // &&
	LOr       // ||
	Mask      // &&&
	Range     // ..
	Dots      // ...
	PlusColon // +:
	Invalid   // {#}

	AddAssign    // +=
	SubAssign    // -=
	MulAssign    // *=
	DivAssign    // /=
	ModAssign    // %=
	AndAssign    // &=
	OrAssign     // |=
	XorAssign    // ^=
	ShlAssign    // <<=
	AddSatAssign // |+|=
	SubSatAssign // |-|=
	ConcatAssign // ++=

	Other // a character no rule covers; only in annotation bodies and errors

	numKinds
)

// spell is the spelling of every kind with a fixed one.
func spell(k Kind) string {
	if k >= numKinds {
		return ""
	}
	return [numKinds]string{
		Abstract: "abstract", Action: "action", Bit: "bit", Bool: "bool", Break: "break",
		Const: "const", Continue: "continue", Control: "control", Default: "default",
		Else: "else", Enum: "enum", Error: "error", Exit: "exit", Extern: "extern",
		False: "false", For: "for", Header: "header", HeaderUnion: "header_union", If: "if",
		In: "in", Inout: "inout", IntType: "int", MatchKind: "match_kind", Out: "out",
		Package: "package", Parser: "parser", Return: "return", Select: "select",
		StringType: "string", Struct: "struct", Switch: "switch", Table: "table",
		This: "this", Transition: "transition", True: "true", Tuple: "tuple",
		Typedef: "typedef", ValueSet: "value_set", Varbit: "varbit", Void: "void", DontCare: "_",

		LParen: "(", RParen: ")", LBracket: "[", RBracket: "]", LBrace: "{", RBrace: "}",
		Lt: "<", Gt: ">", Dot: ".", Comma: ",", Semi: ";", Colon: ":", Question: "?", At: "@",
		Assign: "=", Not: "!", Compl: "~", Plus: "+", Minus: "-", Mul: "*", Div: "/", Mod: "%",
		And: "&", Or: "|", Xor: "^", AddSat: "|+|", SubSat: "|-|", Concat: "++", Shl: "<<",
		Le: "<=", Ge: ">=", Eq: "==", Ne: "!=", LAnd: "&&", LOr: "||", Mask: "&&&",
		Range: "..", Dots: "...", PlusColon: "+:", Invalid: "{#}",
		AddAssign: "+=", SubAssign: "-=", MulAssign: "*=", DivAssign: "/=", ModAssign: "%=",
		AndAssign: "&=", OrAssign: "|=", XorAssign: "^=", ShlAssign: "<<=",
		AddSatAssign: "|+|=", SubSatAssign: "|-|=", ConcatAssign: "++=",
	}[k]
}

// String names the kind as diagnostics do.
func (k Kind) String() string {
	switch k {
	case EOF:
		return "the end of the file"
	case Ident:
		return "a name"
	case Int:
		return "an integer"
	case String:
		return "a string"
	}
	if s := spell(k); s != "" {
		return "`" + s + "`"
	}
	return "an unknown token"
}

// IsKeyword reports whether k is a reserved word.
func (k Kind) IsKeyword() bool { return firstKeyword < k && k < lastKeyword }

// table maps spellings to kinds.
type table map[string]Kind

// newTable makes the table of all kinds with a fixed spelling.
func newTable() table {
	t := table{}
	for k := EOF; k < numKinds; k++ {
		if s := spell(k); s != "" {
			t[s] = k
		}
	}
	return t
}
