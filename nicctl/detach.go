package nicctl

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
	"github.com/p4nic/p4nic/runtime/kernel"
)

func newDetachCommand() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "detach",
		Short: "Take the datapath off every port and end nicd; the journal stays",
		Long: `Take the datapath off every port and end nicd; the journal stays, so the next
nicd has all entries again. Where no nicd runs, what one left in the kernel is
removed directly.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				removed, err := detach(ctx, c, f)
				if err != nil {
					return err
				}
				return render(cmd.OutOrStdout(), f.output, map[string][]string{"removed": removed}, func(w io.Writer) error {
					verb := "removed"
					if f.dryRun {
						verb = "would remove"
					}
					if len(removed) == 0 {
						fmt.Fprintln(w, "nothing to remove")
					}
					for _, r := range removed {
						fmt.Fprintf(w, "%s %s\n", verb, r)
					}
					return nil
				})
			})
		},
	}
	f.register(cmd, false)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be removed, change nothing")
	return cmd
}

// detach asks nicd, or without one works on what it left.
func detach(ctx context.Context, c *p4rtclient.Client, f deviceFlags) ([]string, error) {
	nicd := nicdpb.NewNicdClient(c.Conn)
	if f.dryRun {
		st, err := nicd.Status(ctx, &nicdpb.StatusRequest{})
		if err != nil {
			return nil, c.Explain(err)
		}
		var ports []string
		for _, p := range st.GetPorts() {
			ports = append(ports, fmt.Sprintf("port %d (%s)", p.GetNumber(), p.GetNetdev()))
		}
		return ports, nil
	}
	r, err := nicd.Detach(ctx, &nicdpb.DetachRequest{})
	if err == nil {
		return r.GetRemoved(), nil
	}
	if status.Code(err) != codes.Unavailable || f.address != "" {
		return nil, c.Explain(err)
	}
	return detachRemains(f.instance)
}

// detachRemains removes what a nicd that is gone left in the kernel.
func detachRemains(name string) (removed []string, err error) {
	unlock, err := instance.Lock(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock.Close()) }()
	p, err := kernel.Open(kernel.Options{Instance: name})
	if err != nil {
		return nil, err
	}
	for _, q := range p.Ports() {
		removed = append(removed, fmt.Sprintf("port %d (%s)", q.Number, q.Netdev))
	}
	return removed, errors.Join(p.DetachAll(), p.Close())
}
