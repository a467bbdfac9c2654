package types

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
)

// Codes documents the diagnostics of this package, sorted by code.
func Codes() []diag.CodeInfo {
	return []diag.CodeInfo{
		{Code: codeAmbiguous, Summary: "several functions of the name take the arguments", Example: "extern void f(in bit<8> a);\nextern void f(in bit<8> b, @optional in bit<8> c);\ncontrol c() { apply { f(8w1); } }"},
		{Code: codeArgCount, Summary: "arguments are missing, too many, or named wrongly", Example: "extern void f(in bit<8> a);\ncontrol c() { apply { f(); } }"},
		{Code: codeBadAction, Summary: "a reference to an action that is no action, is not in the list, or binds other arguments", Example: "action a() {}\naction b() {}\ncontrol c() { table t { actions = { a; } default_action = b(); } apply {} }"},
		{Code: codeBadAnnot, Summary: "an annotation whose body cannot be used", Example: "@name(4)\nstruct S { bit<8> a; }"},
		{Code: codeBadArg, Summary: "something that cannot be an argument of this parameter", Example: "extern void f(in bit<8> a);\ncontrol c() { apply { f(_); } }"},
		{Code: codeBadCast, Summary: "there is no cast between the two types", Example: "control c(inout bit<8> x) { apply { x = (bit<8>)error.NoError; } }\nerror { NoError }"},
		{Code: codeBadDecl, Summary: "a declaration that has no meaning at its place", Example: "control c() { int x; apply {} }"},
		{Code: codeBadEntry, Summary: "a table entry that its table cannot have", Example: "match_kind { exact }\naction a() {}\naction b() {}\ncontrol c(in bit<8> x) { table t { key = { x : exact; } actions = { a; } default_action = a(); const entries = { 1 : b(); } } apply {} }"},
		{Code: codeBadIndex, Summary: "an index of the wrong type or outside of what is indexed", Example: "header h { bit<8> a; }\ncontrol c(inout h[2] s) { apply { s[2].a = 1; } }"},
		{Code: codeBadInst, Summary: "an object that cannot be instantiated, or not here", Example: "control t();\ncontrol c() { t() x; apply {} }"},
		{Code: codeBadKey, Summary: "a table key of the wrong type or with an unknown match kind", Example: "match_kind { exact }\naction a() {}\ncontrol c(in bit<8> x) { table t { key = { x : exakt; } actions = { a; } default_action = a(); } apply {} }"},
		{Code: codeBadKeyset, Summary: "the sets do not go with the keys", Example: "parser p(in bit<8> x) { state start { transition select(x) { (1, 2): accept; } } }"},
		{Code: codeBadOperand, Summary: "an operator is not defined for its operands", Example: "const bit<8> x = 8w1 + 16w1;"},
		{Code: codeBadParam, Summary: "a parameter whose type, direction or default is not allowed", Example: "void f(in int x) {}"},
		{Code: codeBadReturn, Summary: "a return without value, with one, or none at all", Example: "bit<8> f() { }"},
		{Code: codeBadSelect, Summary: "select cannot choose by this value", Example: "parser p() { state start { transition select(1) { default: accept; } } }"},
		{Code: codeBadSlice, Summary: "a slice outside of the value or of a value without bits", Example: "const bit<4> x = 8w1[8:5];"},
		{Code: codeBadState, Summary: "an unknown, missing or reserved parser state", Example: "parser p() { state start { transition next; } }"},
		{Code: codeBadStmt, Summary: "a statement that is not allowed here", Example: "void f() { exit; }"},
		{Code: codeBadSwitch, Summary: "a switch on a wrong value or with a wrong label", Example: "control c(in string s) { apply { switch (s) { default: {} } } }"},
		{Code: codeBadTable, Summary: "a table without actions, or with a property of the wrong kind", Example: "action a() {}\ncontrol c() { table t { actions = { a; } } apply {} }"},
		{Code: codeBadWidth, Summary: "a width, size or count out of range", Example: "const int<0> x = 0;"},
		{Code: codeCallPlace, Summary: "a call that is not allowed here (appendix on restrictions)", Example: "action a() {}\nvoid f() { a(); }"},
		{Code: codeCannotInfer, Summary: "a type argument does not follow from the arguments", Example: "extern T f<T>();\ncontrol c() { apply { f(); } }"},
		{Code: codeDeprecated, Summary: "something marked @deprecated is used (warning)", Example: "@deprecated(\"use g\")\nextern void f();\ncontrol c() { apply { f(); } }"},
		{Code: codeDivZero, Summary: "division by a constant zero", Example: "const int x = 1 / 0;"},
		{Code: codeDuplicateCase, Summary: "two equal labels in a switch", Example: "control c(in bit<8> x) { apply { switch (x) { 1: {} 1: {} } } }"},
		{Code: codeEmptyRange, Summary: "a range whose lower end is above the upper one (warning)", Example: "parser p(in bit<8> x) { state start { transition select(x) { 2 .. 1: accept; } } }"},
		{Code: codeMaskBits, Summary: "a masked value has bits outside of its mask (warning)", Example: "parser p(in bit<8> x) { state start { transition select(x) { 0x11 &&& 0xf0: accept; } } }"},
		{Code: codeMismatch, Summary: "a value of one type where another is needed", Example: "const bool x = 1;"},
		{Code: codeNesting, Summary: "a type cannot be part of another (section on type nesting)", Example: "header h { tuple<bit<8>> t; }"},
		{Code: codeNoEffect, Summary: "a call whose only effect is a result that is not used (warning)", Example: "header h { bit<8> a; }\ncontrol c(in h x) { apply { x.isValid(); } }"},
		{Code: codeNotLValue, Summary: "something that cannot be assigned to", Example: "control c(in bit<8> x) { apply { x = 1; } }"},
		{Code: codeNotBool, Summary: "a condition that is not bool", Example: "control c(in bit<8> x) { apply { if (x) {} } }"},
		{Code: codeNotCallable, Summary: "something that is not a function is called", Example: "control c(in bit<8> x) { apply { x(); } }"},
		{Code: codeNotConstant, Summary: "a value is needed at compile time and known only later", Example: "control c(in bit<8> x) { const bit<8> y = x; apply {} }"},
		{Code: codeNotType, Summary: "a name of something else where a type is needed", Example: "struct S { bit<8> a; }\ncontrol c() { action S() {} apply { .S x; S y; } }"},
		{Code: codeNotValue, Summary: "something without value where a value is needed", Example: "extern void f();\ncontrol c(out bit<8> x) { apply { x = f(); } }"},
		{Code: codeOverflow, Summary: "a literal loses bits (warning)", Example: "const bit<4> x = 16;"},
		{Code: codeRecursion, Summary: "a function, parser or control uses itself", Example: "void f() { f(); }"},
		{Code: codeRedeclared, Summary: "a name is declared twice", Example: "struct S {}\nstruct S {}"},
		{Code: codeShadow, Summary: "a local name hides another (warning)", Example: "control c() { bit<8> x; apply { bit<8> x; } }"},
		{Code: codeStaticAssert, Summary: "the condition of static_assert is false", Example: "extern bool static_assert(bool check, string message);\nconst bool x = static_assert(1 == 2, \"never\");"},
		{Code: codeTooDeep, Summary: "expressions or statements are nested too deeply", Example: "const int x = 1" + strings.Repeat("+1", maxDepth) + ";"},
		{Code: codeTypeArgs, Summary: "type arguments are missing, too many or not allowed", Example: "struct S<T> { T a; }\nstruct R { S x; }"},
		{Code: codeBadMember, Summary: "a value or type has no member of that name", Example: "struct S { bit<8> a; }\ncontrol c(inout S s) { apply { s.b = 1; } }"},
		{Code: codeUnknownName, Summary: "a name is not declared", Example: "const bit<8> x = y;"},
		{Code: codeUnknownProp, Summary: "a table property with nearly the name of one of the language (warning)", Example: "action a() {}\ncontrol c() { table t { actions = { a; } default_action = a(); sise = 4; } apply {} }"},
		{Code: codeUnreachable, Summary: "code that is never reached (warning)", Example: "parser p(in bit<8> x) { state start { transition select(x) { default: accept; 1: reject; } } }"},
	}
}
