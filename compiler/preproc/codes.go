package preproc

import "github.com/p4nic/p4nic/compiler/diag"

// Codes documents the codes of this package. An entry without an example needs
// more than a program to show.
func Codes() []diag.CodeInfo {
	return []diag.CodeInfo{
		{Code: CodeRead, Summary: "A file exists, or should, but cannot be read."},
		{Code: CodeInclude, Summary: "An #include line is malformed, or includes are nested too deeply.",
			Example: "#include core.p4\n"},
		{Code: CodeNotFound, Summary: "No folder of the search path, nor the embedded tree, has the file.",
			Example: "#include <no_such_file.p4>\n"},
		{Code: CodeDirective, Summary: "A directive is unknown or malformed.",
			Example: "#import <core.p4>\n"},
		{Code: CodeCond, Summary: "#if, #elif, #else and #endif do not pair up.",
			Example: "#ifdef A\n"},
		{Code: CodeCondExpr, Summary: "The expression of #if or #elif cannot be evaluated.",
			Example: "#if 1 +\n#endif\n"},
		{Code: CodeMacro, Summary: "A macro is defined or used wrongly.",
			Example: "#define MAX(a, b) a\nMAX(1)\n"},
		{Code: CodeRedefined, Summary: "A macro is defined a second time with another body.",
			Example: "#define A 1\n#define A 2\n"},
		{Code: CodeUser, Summary: "The program says #error.",
			Example: "#error this target is not supported\n"},
		{Code: CodeUserWarn, Summary: "The program says #warning.",
			Example: "#warning this file is obsolete\n"},
		{Code: CodeComment, Summary: "A comment is not closed before the end of its file.",
			Example: "/* comment\n"},
		{Code: CodeLimit, Summary: "Macros or includes expand beyond what a program needs."},
	}
}
