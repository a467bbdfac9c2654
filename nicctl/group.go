package nicctl

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// runGroup is what a command does that only holds others: alone it shows its
// help, with a word that is none of its commands it is a usage error.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := ""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], hint)}
}

// newHelpCommand replaces cobra's, which takes any word and ends with 0.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, name := range args {
				next, _, err := at.Find([]string{name})
				if err != nil || next == at {
					return runGroup(at, []string{name})
				}
				at = next
			}
			return at.Help()
		},
	}
}
