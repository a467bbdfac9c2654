package nicctl

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
)

// sourceFlags are the options of everything that reads a P4 program.
type sourceFlags struct {
	include   []string
	defines   []string
	undefines []string
}

func (f *sourceFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.include, "include", "I", nil, "search `DIR` for #include before the built-in files (repeatable)")
	fl.StringArrayVarP(&f.defines, "define", "D", nil, "define the macro `NAME[=VALUE]` (repeatable)")
	fl.StringArrayVarP(&f.undefines, "undefine", "U", nil, "undefine the macro `NAME` (repeatable)")
}

func (f *sourceFlags) options(path string) driver.Options {
	return driver.Options{Path: path, IncludeDirs: f.include, Defines: f.defines, Undefines: f.undefines}
}

func newCheckCommand() *cobra.Command {
	var src sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check PROG.p4",
		Short: "Check a P4 program",
		Long: `Check a P4 program: the front end only. Exit code 0 means accepted, 1 rejected.

Diagnostics go to stderr as FILE:LINE:COL: error[CODE]: message, with the source
line and a caret; with --json they go to stdout as one JSON object.`,
		Example: `  nicctl check router.p4
  nicctl check router.p4 -I include -D PORTS=16
  nicctl check router.p4 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			res, err := driver.Check(src.options(args[0]))
			return report(cmd, res, err, asJSON)
		},
	}
	src.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print diagnostics as JSON")
	return cmd
}

// report prints the diagnostics of a compilation and turns errors among them
// into errReported.
func report(cmd *cobra.Command, res *driver.Result, err error, asJSON bool) error {
	if res != nil && res.Diags != nil {
		if perr := printDiags(cmd, res.Diags, asJSON); perr != nil {
			return perr
		}
	}
	if err != nil {
		if in, ok := errors.AsType[*driver.Internal](err); ok {
			return in // one line; the stack stays inside
		}
		return usageError{err}
	}
	if res.Diags.HasErrors() {
		return errReported
	}
	return nil
}

func printDiags(cmd *cobra.Command, list *diag.List, asJSON bool) error {
	if asJSON {
		return list.RenderJSON(cmd.OutOrStdout())
	}
	return list.Render(cmd.ErrOrStderr())
}
