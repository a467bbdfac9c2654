package scanner

import "github.com/p4nic/p4nic/compiler/diag"

// Codes documents the codes of this package.
func Codes() []diag.CodeInfo {
	return []diag.CodeInfo{
		{Code: CodeInteger, Summary: "An integer literal is malformed.",
			Example: "const bit<8> x = 8w0b12;\n"},
		{Code: CodeString, Summary: "A string has no closing quote.",
			Example: "const string s = \"abc;\n"},
	}
}
