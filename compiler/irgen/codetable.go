package irgen

import "github.com/p4nic/p4nic/compiler/diag"

// Codes documents the diagnostics of this package, sorted by code. The examples
// are declarations that stand before a v1model pipeline whose ingress control
// is `ig`; those of the main instance are whole programs.
func Codes() []diag.CodeInfo {
	return []diag.CodeInfo{
		{Code: codeBadData, Summary: "an action of a table has a parameter that the control plane cannot supply", Example: "struct D { bit<8> x; }\ncontrol ig(inout H h, inout M m, inout standard_metadata_t sm) { action a(D d) { m.a = m.a; } table t { actions = { a; NoAction; } default_action = NoAction(); } apply { t.apply(); } }"},
		{Code: codeBadMain, Summary: "main lacks an argument that its architecture needs", Example: "#include <core.p4>\ncontrol c() { apply { } }\ncontrol C();\nparser p() { state start { transition accept; } }\nparser P();\npackage ebpfFilter(P prs, @optional C filt);\nebpfFilter(p()) main;"},
		{Code: codeBadPriority, Summary: "the priority of an entry is out of range or not needed", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : exact; } actions = { NoAction; } entries = { priority = 1 : 3 : NoAction(); } } apply { t.apply(); } }"},
		{Code: codeDuplicateName, Summary: "two objects have the same control-plane name", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { @name(\".x\") table t { actions = { NoAction; } } @name(\".x\") table u { actions = { NoAction; } } apply { t.apply(); u.apply(); } }"},
		{Code: codeBadEntry, Summary: "the key of an entry does not suit its table", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : exact; } actions = { NoAction; } const entries = { 3 &&& 1 : NoAction(); } } apply { t.apply(); } }"},
		{Code: codeKeyNeedsName, Summary: "a key expression of which no name can be made", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a + 1 : exact; } actions = { NoAction; } } apply { t.apply(); } }"},
		{Code: codeNoMain, Summary: "the program has no main", Example: "#include <core.p4>"},
		{Code: codeNotPrefix, Summary: "the mask of an lpm entry is no prefix", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : lpm; } actions = { NoAction; } const entries = { 3 &&& 5 : NoAction(); } } apply { t.apply(); } }"},
		{Code: codeNotStatic, Summary: "a value must be known at compile time and is not", Example: "parser q(in bit<8> x) { state start { transition select(x) { x: accept; default: reject; } } }\ncontrol ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : exact; } actions = { NoAction; } size = 1 << 40; } apply { t.apply(); } }"},
		{Code: codeUnsupported, Summary: "a construct that p4nic does not compile yet", Example: "control ig(inout H h, inout M m, inout standard_metadata_t sm) { table t { key = { m.a : exact; } actions = { NoAction; } mine = m.a; } apply { t.apply(); } }"},
	}
}
