package parser

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
)

// Codes documents the codes of this package.
func Codes() []diag.CodeInfo {
	return []diag.CodeInfo{
		{Code: CodeSyntax, Summary: "The grammar wants something else at this place.",
			Example: "const bit<8> x = ;\n"},
		{Code: CodeCharacter, Summary: "A character begins no token of the language.",
			Example: "const bit<8> x = 1 $ 2;\n"},
		{Code: CodeNesting, Summary: "Constructs are nested more deeply, or chained longer, than the compiler supports.",
			Example: "const bit<8> x = " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + ";\n"},
		{Code: CodeDuplicate, Summary: "A table has the same property, or a struct expression the same field, twice.",
			Example: "control c() { table t { size = 1; size = 2; } apply { } }\n"},
	}
}
