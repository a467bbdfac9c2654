package driver

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/irgen"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/types"
)

// Codes are the codes of all diagnostics, in the order of the phases.
func Codes() []diag.CodeInfo {
	return slices.Concat(preproc.Codes(), scanner.Codes(), parser.Codes(), types.Codes(), irgen.Codes(), []diag.CodeInfo{
		{Code: CodeP4Info, Summary: "P4Info cannot say what the program has."},
		{Code: CodeBindings, Summary: "What an annotation or a side file says of a table cannot be."},
	})
}
