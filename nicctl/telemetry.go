package nicctl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

const pathHelp = `A path is written as /ELEMENT/LIST[KEY=VALUE]/LEAF. A key that is left out or *
means all entries, * one element, ... any number of elements; a path that ends
above leaves means everything below. docs/gnmi-paths.md lists the paths:

  /interfaces/interface[name=eth1]/state     a port: status, counters
  /network-instances, /components, /system   routes, the device, the machine
  /pipeline/tables/table[name=ingress.acl]   a table: size, hits, entries`

// parsePaths reads the paths of a command line.
func parsePaths(args []string) ([]*gpb.Path, error) {
	var out []*gpb.Path
	for _, a := range args {
		p, err := gnmipath.Parse(a)
		if err != nil {
			return nil, usageError{err}
		}
		out = append(out, p)
	}
	return out, nil
}

func newGetCommand() *cobra.Command {
	var f deviceFlags
	var kind string
	cmd := &cobra.Command{
		Use:   "get PATH...",
		Short: "Show state and configuration of a device by gNMI paths",
		Long:  "Show state and configuration of a device by gNMI paths.\n\n" + pathHelp,
		Example: "  nicctl get /interfaces/interface/state/oper-status\n" +
			"  nicctl get /interfaces/interface[name=eth1] --type config -o json\n" +
			"  nicctl get /pipeline/tables/table[name=ingress.acl]/entries",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := parsePaths(args)
			if err != nil {
				return err
			}
			typ, ok := gpb.GetRequest_DataType_value[strings.ToUpper(kind)]
			if !ok {
				return usageError{fmt.Errorf("--type %s: all, config, state or operational is wanted", kind)}
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				req := &gpb.GetRequest{Path: paths, Type: gpb.GetRequest_DataType(typ), Encoding: gpb.Encoding_PROTO}
				if f.output != "table" {
					req.Encoding = gpb.Encoding_JSON_IETF
				}
				r, err := gpb.NewGNMIClient(c.Conn).Get(ctx, req)
				if err != nil {
					return c.Explain(err)
				}
				return printGet(cmd.OutOrStdout(), f.output, r)
			})
		},
	}
	f.register(cmd, false)
	cmd.Flags().StringVar(&kind, "type", "all", "show `WHAT`: all, config, state or operational")
	return cmd
}

// leafUpdate is one value of a path, as it is printed.
type leafUpdate struct {
	Time    string `json:"time"`
	Origin  string `json:"origin,omitempty"`
	Path    string `json:"path"`
	Value   any    `json:"value,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	// Duplicates are values that came between and were left out.
	Duplicates uint32 `json:"duplicates,omitempty"`
}

func printGet(w io.Writer, format string, r *gpb.GetResponse) error {
	out := []leafUpdate{}
	for _, n := range r.GetNotification() {
		us, err := updates(n)
		if err != nil {
			return err
		}
		out = append(out, us...)
	}
	return render(w, format, out, func(w io.Writer) error {
		var rows [][]string
		for _, u := range out {
			rows = append(rows, []string{u.Path, fmt.Sprint(u.Value)})
		}
		return columns(w, []string{"PATH", "VALUE"}, rows)
	})
}

// updates are the deletes and values of a notification.
func updates(n *gpb.Notification) ([]leafUpdate, error) {
	at := time.Unix(0, n.GetTimestamp()).UTC().Format(time.RFC3339Nano)
	origin := n.GetPrefix().GetOrigin()
	var out []leafUpdate
	for _, d := range n.GetDelete() {
		out = append(out, leafUpdate{Time: at, Origin: origin, Path: gnmipath.Format(n.GetPrefix(), d), Deleted: true})
	}
	for _, u := range n.GetUpdate() {
		v, err := goValue(u.GetVal())
		if err != nil {
			return nil, err
		}
		out = append(out, leafUpdate{Time: at, Origin: origin, Path: gnmipath.Format(n.GetPrefix(), u.GetPath()), Value: v, Duplicates: u.GetDuplicates()})
	}
	return out, nil
}

// number keeps 64 bits in JSON.
func number(s string) json.Number { return json.Number(s) }

// jsonValue keeps numbers as they are written.
func jsonValue(b []byte) (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the device sent a value that is not JSON: %w", err)
	}
	return v, nil
}

// goValue turns a value into what encoding/json prints.
func goValue(v *gpb.TypedValue) (any, error) {
	switch x := v.GetValue().(type) {
	case *gpb.TypedValue_JsonIetfVal:
		return jsonValue(x.JsonIetfVal)
	case *gpb.TypedValue_JsonVal:
		return jsonValue(x.JsonVal)
	case *gpb.TypedValue_StringVal:
		return x.StringVal, nil
	case *gpb.TypedValue_AsciiVal:
		return x.AsciiVal, nil
	case *gpb.TypedValue_BoolVal:
		return x.BoolVal, nil
	case *gpb.TypedValue_UintVal:
		return number(strconv.FormatUint(x.UintVal, 10)), nil
	case *gpb.TypedValue_IntVal:
		return number(strconv.FormatInt(x.IntVal, 10)), nil
	case *gpb.TypedValue_DoubleVal:
		return number(strconv.FormatFloat(x.DoubleVal, 'f', -1, 64)), nil
	case *gpb.TypedValue_BytesVal:
		return base64.StdEncoding.EncodeToString(x.BytesVal), nil
	case *gpb.TypedValue_LeaflistVal:
		out := []any{}
		for _, e := range x.LeaflistVal.GetElement() {
			y, err := goValue(e)
			if err != nil {
				return nil, err
			}
			out = append(out, y)
		}
		return out, nil
	case nil:
		return nil, errors.New("the device sent an update without a value")
	}
	return nil, fmt.Errorf("the device sent a value of type %T, which nicctl does not know", v.GetValue())
}

func newWatchCommand() *cobra.Command {
	var f deviceFlags
	var interval time.Duration
	var count int
	var news bool
	cmd := &cobra.Command{
		Use:   "watch PATH...",
		Short: "Follow state of a device by gNMI paths",
		Long: "Follow state of a device by gNMI paths: first what is, then what changes. Counters\n" +
			"come as often as the device likes (nicd: every 10 s); with --interval everything\n" +
			"comes that often.\n\n" + pathHelp,
		Example: "  nicctl watch /interfaces/interface/state/oper-status\n" +
			"  nicctl watch /interfaces/interface[name=eth1]/state/counters --interval 1s\n" +
			"  nicctl watch /pipeline/tables/table[name=ingress.acl]/entries -o json",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := parsePaths(args)
			if err != nil {
				return err
			}
			if interval < 0 || count < 0 {
				return usageError{errors.New("--interval and --count are not negative")}
			}
			if !cmd.Flags().Changed("timeout") {
				f.timeout = math.MaxInt64
			}
			l := &gpb.SubscriptionList{Mode: gpb.SubscriptionList_STREAM, Encoding: gpb.Encoding_PROTO, UpdatesOnly: news}
			for _, p := range paths {
				s := &gpb.Subscription{Path: p, Mode: gpb.SubscriptionMode_TARGET_DEFINED}
				if interval > 0 {
					s.Mode, s.SampleInterval = gpb.SubscriptionMode_SAMPLE, uint64(interval)
				}
				l.Subscription = append(l.Subscription, s)
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				return watch(ctx, cmd.OutOrStdout(), f.output, c, l, count)
			})
		},
	}
	f.register(cmd, false)
	cmd.Flags().DurationVar(&interval, "interval", 0, "get every value each `TIME`, such as 1s")
	cmd.Flags().IntVar(&count, "count", 0, "stop after `N` values and deletes (0: never)")
	cmd.Flags().BoolVar(&news, "updates-only", false, "leave out what is when the command starts")
	// Unlike other commands this one has no end of its own.
	t := cmd.Flags().Lookup("timeout")
	t.Usage, t.DefValue = "stop after `TIME`, such as 30s (default: never)", "0s"
	return cmd
}

// watch prints what comes until the device, the time or the count ends it.
func watch(ctx context.Context, w io.Writer, format string, c *p4rtclient.Client, l *gpb.SubscriptionList, count int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, err := gpb.NewGNMIClient(c.Conn).Subscribe(ctx)
	if err != nil {
		return c.Explain(err)
	}
	// An error of Send is told better by Recv.
	_ = g.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: l}})
	synced := false
	for n := 0; ; {
		m, err := g.Recv()
		switch {
		case errors.Is(err, io.EOF), synced && status.Code(err) == codes.DeadlineExceeded:
			return nil
		case err != nil:
			return c.Explain(err)
		}
		synced = synced || m.GetSyncResponse()
		us, err := updates(m.GetUpdate())
		if err != nil {
			return err
		}
		for _, u := range us {
			if err := printUpdate(w, format, u); err != nil {
				return err
			}
			if n++; n == count {
				return nil
			}
		}
	}
}

// printUpdate prints one value on a line of its own; YAML documents are separated
// by ---.
func printUpdate(w io.Writer, format string, u leafUpdate) error {
	switch format {
	case "json":
		return json.NewEncoder(w).Encode(u)
	case "yaml":
		b, err := json.Marshal(u)
		if err != nil {
			return err
		}
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "---\n%s", b)
		return err
	}
	note := fmt.Sprint(u.Value)
	if u.Deleted {
		note = "(deleted)"
	}
	if u.Duplicates > 0 {
		note += fmt.Sprintf("  (%d values before it left out)", u.Duplicates)
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s\n", u.Time, u.Path, note)
	return err
}
