// Package nicctl is the command line: the compiler, the client of nicd and of
// any P4Runtime device, and the demo.
//
// In: arguments and streams. Out: an exit code, 0 done, 1 failed or refused, 2
// wrong usage; what a command says goes to stdout, what went wrong to stderr.
// Must not import: runtime/p4rt, runtime/store, runtime/daemon (nicctl speaks
// gRPC).
package nicctl

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/version"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errReported ends a command whose reasons were printed already.
var errReported = errors.New("reported")

// Main runs one command line, without the program's name, and gives the exit
// code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	fmt.Fprintf(stderr, "nicctl: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "nicctl",
		Short: "Compile P4 programs and run NIC datapaths with them",
		// Errors are printed once, by Main.
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE:              runGroup,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(
		newCheckCommand(), newFmtCommand(), newLSPCommand(), newBuildCommand(), newTestCommand(),
		newLoadCommand(), newTableCommand(), newCountersCommand(),
		newObjectCommand(multicastWords()), newObjectCommand(sessionWords()), newObjectCommand(memberWords()), newObjectCommand(selectorWords()),
		newObjectCommand(meterWords()), newObjectCommand(registerWords()), newObjectCommand(valueSetWords()), newObjectCommand(digestWords()),
		newRouteCommand(), newGetCommand(), newWatchCommand(), newStatusCommand(), newDetachCommand(),
		newRunCommand(), newTraceCommand(),
		newCertCommand(), newAuditCommand(), newDemoCommand(), newVersionCommand(),
	)
	argsAreUsage(root)
	return root
}

// argsAreUsage makes a wrong number of arguments a usage error everywhere.
func argsAreUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		argsAreUsage(sub)
	}
}

func newVersionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Example: "  nicctl version -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			result := map[string]string{"version": version.Version}
			return render(cmd.OutOrStdout(), output, result, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "nicctl %s\n", version.Version)
				return err
			})
		},
	}
	registerOutput(cmd, &output)
	return cmd
}
