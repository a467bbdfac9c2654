package nicctl

import (
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/version"
	"github.com/p4nic/p4nic/nicctl/lsp"
)

func newLSPCommand() *cobra.Command {
	var src sourceFlags
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Serve editors: the language server of P4 on stdin and stdout",
		Long: `Serve an editor over the Language Server Protocol 3.17 on stdin and stdout:
diagnostics while typing, definition, references, hover with types, outline,
completion, rename, quick fixes and formatting. docs/howto-editor.md has the
settings of editors.

The flags hold for all programs of the session; a client can replace them with
the initialization options includeDirs, defines and undefines.`,
		Example: `  nicctl lsp
  nicctl lsp -I include -D PORTS=16`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return lsp.Serve(cmd.InOrStdin(), cmd.OutOrStdout(), lsp.Options{
				IncludeDirs: src.include, Defines: src.defines, Undefines: src.undefines, Version: version.Version,
			})
		},
	}
	src.register(cmd)
	return cmd
}
