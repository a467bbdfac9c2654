package nicctl

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

func newCountersCommand() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "counters [TABLE]",
		Short: "Show packets and bytes of table entries, default actions included",
		Long: `Show packets and bytes of table entries, default actions included. Only tables
with a direct counter have them. A new entry counts from zero; a change of its
action, a load that keeps it and a restart of nicd go on counting.`,
		Example: `  nicctl counters
  nicctl counters ipv4_routes
  nicctl counters ipv4_routes -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				entries, err := readEntries(ctx, c, args, true)
				if err != nil {
					return err
				}
				if len(entries) == 0 && len(args) > 0 {
					return fmt.Errorf("table %s has no direct counter", args[0])
				}
				return render(cmd.OutOrStdout(), f.output, entries, func(w io.Writer) error {
					return counterTable(w, entries)
				})
			})
		},
	}
	f.register(cmd, false)
	return cmd
}

func counterTable(w io.Writer, entries []p4rtclient.Entry) error {
	count := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return strconv.FormatInt(*n, 10)
	}
	var rows [][]string
	for _, e := range entries {
		rows = append(rows, []string{count(e.Packets), count(e.Bytes), e.String()})
	}
	return columns(w, []string{"PACKETS", "BYTES", "ENTRY"}, rows)
}
