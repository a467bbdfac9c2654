package nicctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// loadResult is what load prints.
type loadResult struct {
	Pipeline string `json:"pipeline"`
	Fresh    bool   `json:"fresh"`
	DryRun   bool   `json:"dry_run"`
}

func newLoadCommand() *cobra.Command {
	var f deviceFlags
	var src sourceFlags
	var fresh bool
	cmd := &cobra.Command{
		Use:   "load BUNDLE.nicpkg | PROG.p4",
		Short: "Load a pipeline without losing a packet",
		Long: `Load a pipeline without losing a packet.

Entries, counters and registers are kept where the new program still has their
table, key, action and parameters; a load that would lose entries is refused with
the list. --fresh starts with the program's own entries and zero counters instead.
A load that fails changes nothing. A P4 program is compiled first.

--dry-run asks the device whether it can run the program. Whether every entry can
be kept is found out by the load itself.`,
		Example: `  nicctl load router.nicpkg
  nicctl load router.p4 -D ROUTED_DSCP=46
  nicctl load --fresh router.nicpkg
  nicctl load --dry-run router.nicpkg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readPipeline(cmd, args[0], src)
			if err != nil {
				return err
			}
			b, err := bundle.Read(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			action := p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT
			switch {
			case f.dryRun:
				action = p4.SetForwardingPipelineConfigRequest_VERIFY
			case fresh:
				action = p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				if err := c.BecomePrimary(ctx, f.takeover); err != nil {
					return err
				}
				if err := c.SetPipeline(ctx, action, b.P4Info, raw); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				done := "loaded"
				if f.dryRun {
					done = "can be loaded"
				}
				result := loadResult{Pipeline: b.Program.Name, Fresh: fresh, DryRun: f.dryRun}
				return render(cmd.OutOrStdout(), f.output, result, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%s: %s\n", result.Pipeline, done)
					return err
				})
			})
		},
	}
	f.register(cmd, true)
	src.register(cmd)
	cmd.Flags().BoolVar(&fresh, "fresh", false, "drop entries and counters of the running pipeline")
	return cmd
}

// readPipeline returns bundle bytes: of the file, or compiled from a P4 program.
func readPipeline(cmd *cobra.Command, path string, src sourceFlags) ([]byte, error) {
	if filepath.Ext(path) == ".p4" {
		return compileBundle(cmd, path, src)
	}
	return os.ReadFile(path)
}
