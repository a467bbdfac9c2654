package nicctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/routespb"
)

func newRouteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "List and change routes",
		Long: `List the routes of all sources (static, gRIBI, the kernel) and write static ones,
which survive a restart of nicd. nicd needs a network instance in its configuration.`,
		Example: `  nicctl route add 198.51.100.0/24 via 192.0.2.1
  nicctl route list
  nicctl route get 198.51.100.7`,
		Args: cobra.ArbitraryArgs,
		RunE: runGroup,
	}
	cmd.AddCommand(newRouteAdd(), newRouteDel(), newRouteList(), newRouteGet())
	return cmd
}

// routeFlags are those of a device and the network instance.
type routeFlags struct {
	deviceFlags
	network string
}

func (f *routeFlags) register(cmd *cobra.Command, all bool) {
	f.deviceFlags.register(cmd, false)
	def, text := "DEFAULT", "network instance `NAME`"
	if all {
		def, text = "", "only the network instance `NAME`"
	}
	cmd.Flags().StringVar(&f.network, "network-instance", def, text)
}

func (f *routeFlags) with(cmd *cobra.Command, do func(context.Context, routespb.RoutesClient) error) error {
	return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
		return c.Explain(do(ctx, routespb.NewRoutesClient(c.Conn)))
	})
}

// routeJSON is a route as -o json and yaml show it.
type routeJSON struct {
	Instance      string    `json:"instance"`
	Prefix        string    `json:"prefix"`
	Source        string    `json:"source"`
	Preference    uint32    `json:"preference"`
	Best          bool      `json:"best"`
	FIB           string    `json:"fib"` // programmed, failed, not best, no table
	Problem       string    `json:"problem"`
	Target        string    `json:"target"` // next-hops, host, drop
	NextHops      []hopJSON `json:"next_hops"`
	Group         uint64    `json:"group"` // gRIBI id, 0 = none
	GroupInstance string    `json:"group_instance"`
}

type hopJSON struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	VLAN      uint32 `json:"vlan"`
	MAC       string `json:"mac"`
	Weight    uint64 `json:"weight"`
}

func routesJSON(list []*routespb.Route) []routeJSON {
	out := make([]routeJSON, 0, len(list))
	for _, r := range list {
		j := routeJSON{Instance: r.GetInstance(), Prefix: r.GetPrefix(), Source: r.GetSource(), Preference: r.GetPreference(), Best: r.GetBest(),
			FIB: r.GetFib(), Problem: r.GetProblem(), Target: "next-hops", NextHops: []hopJSON{}, Group: r.GetGroup(), GroupInstance: r.GetGroupInstance()}
		switch r.GetTarget() {
		case routespb.Target_HOST:
			j.Target = "host"
		case routespb.Target_DROP:
			j.Target = "drop"
		}
		for _, h := range r.GetNextHops() {
			j.NextHops = append(j.NextHops, hopJSON{h.GetAddress(), h.GetInterface(), h.GetVlan(), h.GetMac(), h.GetWeight()})
		}
		out = append(out, j)
	}
	return out
}

func (h hopJSON) String() string {
	var w []string
	add := func(key, v string) {
		if v != "" {
			w = append(w, key+" "+v)
		}
	}
	add("via", h.Address)
	add("dev", h.Interface)
	if h.VLAN != 0 {
		add("vlan", strconv.FormatUint(uint64(h.VLAN), 10))
	}
	add("mac", h.MAC)
	if h.Weight > 1 {
		add("weight", strconv.FormatUint(h.Weight, 10))
	}
	return strings.Join(w, " ")
}

func printRoutes(w io.Writer, list []routeJSON) error {
	rows := make([][]string, len(list))
	for i, r := range list {
		to := r.Target
		if r.Target == "next-hops" {
			var hops []string
			for _, h := range r.NextHops {
				hops = append(hops, h.String())
			}
			to = strings.Join(hops, ", ")
		}
		if r.Group != 0 {
			to = fmt.Sprintf("group %d: %s", r.Group, to)
		}
		fib := r.FIB
		if r.Problem != "" {
			fib += ": " + r.Problem
		}
		rows[i] = []string{r.Instance, r.Prefix, r.Source, strconv.FormatUint(uint64(r.Preference), 10), to, fib}
	}
	return columns(w, []string{"INSTANCE", "PREFIX", "SOURCE", "PREFERENCE", "TO", "DATAPATH"}, rows)
}

const routeHelp = `A route is written as

  PREFIX via ADDRESS [dev NETDEV [vlan ID]] [mac MAC] [weight N] [via ...]
  PREFIX dev NETDEV [vlan ID] [mac MAC]      the destination is on the link
  PREFIX host                                to the host's stack
  PREFIX drop

Without dev the address is looked up among the subnets of the ports and the other
routes; without mac the neighbour is resolved by the host (ARP, ND).`

func newRouteAdd() *cobra.Command {
	var f routeFlags
	var file string
	cmd := &cobra.Command{
		Use:   "add PREFIX via ADDRESS... | PREFIX host | PREFIX drop | -f FILE",
		Short: "Write static routes, also in the place of old ones",
		Long:  "Write static routes, also in the place of old ones: all of them, or none.\n\n" + routeHelp,
		Example: `  nicctl route add 198.51.100.0/24 via 192.0.2.1
  nicctl route add 0.0.0.0/0 via 192.0.2.1 weight 3 via 192.0.2.5 weight 1
  nicctl route add 2001:db8:1::/48 via fe80::1 dev eth1 vlan 100
  nicctl route add 192.0.2.254/32 host --network-instance blue`,
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := entryLines(cmd.InOrStdin(), file, args)
			if err != nil {
				return err
			}
			req := &routespb.AddRequest{DryRun: f.dryRun}
			var bad []error
			for _, l := range lines {
				r, err := parseRoute(l.words)
				if err != nil {
					bad = append(bad, fmt.Errorf("%s%w", l.where, err))
					continue
				}
				r.Instance = f.network
				req.Routes = append(req.Routes, r)
			}
			if err := errors.Join(bad...); err != nil {
				return usageError{err}
			}
			return f.with(cmd, func(ctx context.Context, c routespb.RoutesClient) error {
				res, err := c.Add(ctx, req)
				if err != nil {
					return err
				}
				var failed []error
				for _, x := range res.GetFailed() {
					failed = append(failed, fmt.Errorf("route %s of %s is stored, but not in the datapath: %s", x.GetPrefix(), x.GetInstance(), x.GetMessage()))
				}
				if f.dryRun {
					for _, r := range req.Routes {
						fmt.Fprintf(cmd.OutOrStdout(), "would add %s\n", r.GetPrefix())
					}
				}
				return errors.Join(failed...)
			})
		},
	}
	f.register(cmd, false)
	registerDryRun(cmd, &f.dryRun)
	cmd.Flags().StringVarP(&file, "file", "f", "", "read routes from `FILE`, one a line, # begins a comment, - is standard input")
	return cmd
}

// parseRoute reads the words of one route.
func parseRoute(words []string) (*routespb.StaticRoute, error) {
	if _, err := netip.ParsePrefix(words[0]); err != nil {
		return nil, fmt.Errorf("prefix %q: ADDRESS/LENGTH is wanted", words[0])
	}
	r := &routespb.StaticRoute{Prefix: words[0]}
	rest := words[1:]
	if len(rest) == 1 {
		switch rest[0] {
		case "host":
			r.Target = routespb.Target_HOST
			return r, nil
		case "drop":
			r.Target = routespb.Target_DROP
			return r, nil
		}
	}
	if len(rest) == 0 {
		return nil, fmt.Errorf("route %s: via ADDRESS, dev NETDEV, host or drop is wanted", words[0])
	}
	var h *routespb.NextHop
	for ; len(rest) > 0; rest = rest[2:] {
		key := rest[0]
		if len(rest) < 2 {
			return nil, fmt.Errorf("route %s: a value is missing behind %q", words[0], key)
		}
		value := rest[1]
		if key == "via" || h == nil || key == "dev" && h.GetInterface() != "" {
			h = &routespb.NextHop{}
			r.NextHops = append(r.NextHops, h)
		}
		var err error
		switch key {
		case "via":
			h.Address = value
		case "dev":
			h.Interface = value
		case "mac":
			h.Mac = value
		case "vlan":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 12)
			h.Vlan = uint32(n)
		case "weight":
			h.Weight, err = strconv.ParseUint(value, 10, 64)
			if err == nil && h.Weight == 0 {
				err = errors.New("0")
			}
		default:
			return nil, fmt.Errorf("route %s: unknown word %q; there are via, dev, vlan, mac, weight, host and drop", words[0], key)
		}
		if err != nil {
			return nil, fmt.Errorf("route %s: %s %q is no such number", words[0], key, value)
		}
	}
	return r, nil
}

func newRouteDel() *cobra.Command {
	var f routeFlags
	cmd := &cobra.Command{
		Use:     "del PREFIX...",
		Short:   "Delete static routes that route add wrote",
		Long:    "Delete static routes that route add wrote: all of them, or none.",
		Example: "  nicctl route del 198.51.100.0/24",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &routespb.DeleteRequest{DryRun: f.dryRun}
			for _, a := range args {
				req.Routes = append(req.Routes, &routespb.RouteKey{Instance: f.network, Prefix: a})
			}
			return f.with(cmd, func(ctx context.Context, c routespb.RoutesClient) error {
				if _, err := c.Delete(ctx, req); err != nil {
					return err
				}
				if f.dryRun {
					for _, a := range args {
						fmt.Fprintf(cmd.OutOrStdout(), "would delete %s\n", a)
					}
				}
				return nil
			})
		},
	}
	f.register(cmd, false)
	registerDryRun(cmd, &f.dryRun)
	return cmd
}

func newRouteList() *cobra.Command {
	var f routeFlags
	var source string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show the routes of all sources",
		Example: "  nicctl route list --source gribi -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch source {
			case "", "static", "gribi", "kernel", "connected":
			default:
				return usageError{fmt.Errorf("--source %s: static, gribi, kernel or connected is wanted", source)}
			}
			return f.with(cmd, func(ctx context.Context, c routespb.RoutesClient) error {
				stream, err := c.List(ctx, &routespb.ListRequest{Instance: f.network, Source: source})
				if err != nil {
					return err
				}
				list, err := receiveRoutes(stream)
				if err != nil {
					return err
				}
				return render(cmd.OutOrStdout(), f.output, list, func(w io.Writer) error { return printRoutes(w, list) })
			})
		},
	}
	f.register(cmd, true)
	cmd.Flags().StringVar(&source, "source", "", "only routes of `SOURCE`: static, gribi, kernel or connected")
	return cmd
}

func receiveRoutes(stream grpc.ServerStreamingClient[routespb.ListResponse]) ([]routeJSON, error) {
	list := []routeJSON{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, routesJSON(m.GetRoutes())...)
	}
}

func newRouteGet() *cobra.Command {
	var f routeFlags
	cmd := &cobra.Command{
		Use:     "get ADDRESS",
		Short:   "Show the routes that cover an address, the one that it takes first",
		Example: "  nicctl route get 198.51.100.7",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c routespb.RoutesClient) error {
				res, err := c.Get(ctx, &routespb.GetRequest{Instance: f.network, Address: args[0]})
				if err != nil {
					return err
				}
				list := routesJSON(res.GetRoutes())
				if len(list) == 0 {
					return fmt.Errorf("network instance %s has no route to %s", f.network, args[0])
				}
				return render(cmd.OutOrStdout(), f.output, list, func(w io.Writer) error { return printRoutes(w, list) })
			})
		},
	}
	f.register(cmd, false)
	return cmd
}
