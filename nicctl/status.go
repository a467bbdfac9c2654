package nicctl

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

func newStatusCommand() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon, its pipeline and its ports on one screen",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				st, err := nicdpb.NewNicdClient(c.Conn).Status(ctx, &nicdpb.StatusRequest{})
				if status.Code(err) == codes.Unimplemented {
					return plainStatus(ctx, cmd, c)
				}
				if err != nil {
					return c.Explain(err)
				}
				return printStatus(cmd.OutOrStdout(), f.output, st)
			})
		},
	}
	f.register(cmd, false)
	return cmd
}

// plainStatus is what any P4Runtime device can tell.
func plainStatus(ctx context.Context, cmd *cobra.Command, c *p4rtclient.Client) error {
	version, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	info, err := c.P4Info(ctx)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "device    %d at %s, P4Runtime %s (not nicd)\n", c.Device, c.Address, version)
	if info == nil {
		fmt.Fprintln(w, "pipeline  none loaded")
		return nil
	}
	fmt.Fprintf(w, "pipeline  %s, %d tables\n", info.GetPkgInfo().GetName(), len(info.GetTables()))
	return nil
}

func printStatus(w io.Writer, format string, st *nicdpb.StatusResponse) error {
	if format != "table" {
		b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(st)
		if err != nil {
			return err
		}
		v, err := decodeJSON(b)
		if err != nil {
			return err
		}
		return render(w, format, v, nil)
	}
	fmt.Fprintf(w, "nicd %s, instance %s, engine %s, device %d, process %d, up %s\n", st.GetVersion(), st.GetInstance(),
		st.GetEngine(), st.GetDeviceId(), st.GetPid(), time.Since(time.Unix(0, st.GetStartedUnixNs())).Round(time.Second))
	for _, l := range st.GetListeners() {
		note := ""
		if l.GetInsecure() {
			note = "  INSECURE: anyone who reaches this address controls the device"
		}
		fmt.Fprintf(w, "listens   %s%s\n", l.GetAddress(), note)
	}
	p := st.GetPipeline()
	if p == nil {
		fmt.Fprintln(w, "pipeline  none loaded: packets pass to the kernel; load one with: nicctl load FILE")
	} else {
		fmt.Fprintf(w, "pipeline  %s, digest %.12s, generation %d\n\n", p.GetName(), p.GetDigest(), p.GetSequence())
		var rows [][]string
		for _, t := range p.GetTables() {
			rows = append(rows, []string{t.GetName(), fmt.Sprint(t.GetUsed()), fmt.Sprint(t.GetSize()), t.GetEngine()})
		}
		if err := columns(w, []string{"TABLE", "USED", "SIZE", "ENGINE"}, rows); err != nil {
			return err
		}
	}
	if len(st.GetPorts()) == 0 {
		fmt.Fprintln(w, "\nno ports are configured")
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, q := range st.GetPorts() {
		state := "up"
		if !q.GetUp() {
			state = "down"
		}
		notes := strings.TrimPrefix(strings.TrimSuffix(q.GetProblem()+"; "+q.GetNote(), "; "), "; ")
		rows = append(rows, []string{fmt.Sprint(q.GetNumber()), q.GetNetdev(), q.GetHook(), state, fmt.Sprint(q.GetRxPackets()),
			fmt.Sprint(q.GetRxBytes()), fmt.Sprint(q.GetTxPackets()), fmt.Sprint(q.GetTxBytes()), fmt.Sprint(q.GetDrops()), notes})
	}
	return columns(w, []string{"PORT", "NETDEV", "HOOK", "STATE", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES", "DROPS", "NOTES"}, rows)
}
