package nicctl

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

func newStatusCommand() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon, its pipeline and its ports on one screen",
		Long: `Show the daemon, its pipeline and its ports on one screen. Of a P4Runtime device
that is not nicd it shows what P4Runtime tells.`,
		Example: `  nicctl status
  nicctl status -o json
  nicctl status --address 192.0.2.1:9559 --insecure`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				st, err := readStatus(ctx, c)
				if err != nil {
					return err
				}
				return render(cmd.OutOrStdout(), f.output, st, st.print)
			})
		},
	}
	f.register(cmd, false)
	return cmd
}

// statusResult is what status prints. Of a device that is not nicd only device
// id, P4Runtime version and pipeline are known.
type statusResult struct {
	DeviceID  uint64           `json:"device_id"`
	P4Runtime string           `json:"p4runtime_version"`
	Nicd      *nicdStatus      `json:"nicd"`     // null = not nicd
	Pipeline  *pipelineStatus  `json:"pipeline"` // null = none loaded
	Listeners []listenerStatus `json:"listeners"`
	Ports     []portStatus     `json:"ports"`
	Security  *securityStatus  `json:"security"` // null = not nicd
	CPUPort   *cpuPortStatus   `json:"cpu_port"` // null = not nicd
	// Limits of a device that showed.
	Limits  []p4rtclient.Limit `json:"limits,omitempty"`
	address string
}

type nicdStatus struct {
	Version  string    `json:"version"`
	Instance string    `json:"instance"`
	Engine   string    `json:"engine"` // kernel or sim
	PID      int32     `json:"pid"`
	Started  time.Time `json:"started"` // RFC 3339, UTC
	StateDir string    `json:"state_dir"`
}

type listenerStatus struct {
	Address   string `json:"address"`
	Insecure  bool   `json:"insecure"`  // TCP in the clear
	TLS       bool   `json:"tls"`       // false on a unix socket, which needs none
	Anonymous bool   `json:"anonymous"` // TLS, for clients without a certificate too
}

type pipelineStatus struct {
	Name     string        `json:"name"`
	Digest   string        `json:"digest"`   // SHA-256 of the bundle
	Sequence uint64        `json:"sequence"` // of the journal: rises with every change
	Cookie   *uint64       `json:"cookie"`   // null = the controller gave none
	Tables   []tableStatus `json:"tables"`
}

type tableStatus struct {
	Name   string `json:"name"`
	Used   uint64 `json:"used"` // entries, without the default action
	Size   uint64 `json:"size"`
	Engine string `json:"engine"` // how the datapath looks keys up; "" where it does not choose
}

type portStatus struct {
	Number    uint32 `json:"number"`
	Netdev    string `json:"netdev"`
	Hook      string `json:"hook"` // xdp, tc, af_packet
	Up        bool   `json:"up"`
	RxPackets uint64 `json:"rx_packets"`
	RxBytes   uint64 `json:"rx_bytes"`
	TxPackets uint64 `json:"tx_packets"`
	TxBytes   uint64 `json:"tx_bytes"`
	Drops     uint64 `json:"drops"`
	Problem   string `json:"problem"` // why it carries no traffic
	Note      string `json:"note"`    // what to know although it does
}

// cpuPortStatus counts packets between the pipeline and controllers since nicd
// started (proto/nicd.proto).
type cpuPortStatus struct {
	Problem    string `json:"problem"`
	PacketIns  uint64 `json:"packet_ins"`
	PacketOuts uint64 `json:"packet_outs"`
	NoPrimary  uint64 `json:"no_primary"`
	SlowClient uint64 `json:"slow_client"`
	PortDrops  uint64 `json:"port_drops"`
	Malformed  uint64 `json:"malformed"`
	Refused    uint64 `json:"refused"`
}

// print says nothing while nobody has used the port.
func (c *cpuPortStatus) print(w io.Writer) {
	if c == nil || *c == (cpuPortStatus{}) {
		return
	}
	if c.Problem != "" {
		fmt.Fprintf(w, "packets   none to and from controllers: %s\n", c.Problem)
		return
	}
	fmt.Fprintf(w, "packets   %d to controllers, %d from controllers", c.PacketIns, c.PacketOuts)
	for _, d := range []struct {
		n    uint64
		what string
	}{{c.NoPrimary, "dropped without a primary"}, {c.SlowClient, "dropped for a slow controller"}, {c.PortDrops, "dropped at the CPU port"},
		{c.Malformed, "dropped as malformed"}, {c.Refused, "refused"}} {
		if d.n > 0 {
			fmt.Fprintf(w, ", %d %s", d.n, d.what)
		}
	}
	fmt.Fprintln(w)
}

// readStatus asks nicd, or P4Runtime where the device is not nicd.
func readStatus(ctx context.Context, c *p4rtclient.Client) (*statusResult, error) {
	out := &statusResult{DeviceID: c.Device, Listeners: []listenerStatus{}, Ports: []portStatus{}, address: c.Address}
	var err error
	if out.P4Runtime, err = c.Capabilities(ctx); err != nil {
		return nil, err
	}
	st, err := nicdpb.NewNicdClient(c.Conn).Status(ctx, &nicdpb.StatusRequest{})
	if status.Code(err) == codes.Unimplemented {
		err := out.fromP4Runtime(ctx, c)
		out.Limits = c.Limits()
		return out, err
	}
	if err != nil {
		return nil, c.Explain(err)
	}
	if st.GetDeviceId() != c.Device {
		return nil, fmt.Errorf("nicd at %s has device %d, not %d (--device)", c.Address, st.GetDeviceId(), c.Device)
	}
	out.fromNicd(st)
	return out, nil
}

func (r *statusResult) fromP4Runtime(ctx context.Context, c *p4rtclient.Client) error {
	info, err := c.P4Info(ctx)
	if err != nil || info == nil {
		return err
	}
	r.Pipeline = &pipelineStatus{Name: info.GetPkgInfo().GetName(), Tables: []tableStatus{}}
	for _, t := range info.GetTables() {
		r.Pipeline.Tables = append(r.Pipeline.Tables, tableStatus{Name: t.GetPreamble().GetName(), Size: uint64(t.GetSize())})
	}
	return nil
}

func (r *statusResult) fromNicd(st *nicdpb.StatusResponse) {
	r.Nicd = &nicdStatus{
		Version: st.GetVersion(), Instance: st.GetInstance(), Engine: st.GetEngine(), PID: st.GetPid(),
		Started: time.Unix(0, st.GetStartedUnixNs()).UTC(), StateDir: st.GetStateDir(),
	}
	for _, l := range st.GetListeners() {
		r.Listeners = append(r.Listeners, listenerStatus{l.GetAddress(), l.GetInsecure(), l.GetTls(), l.GetAnonymous()})
	}
	r.Security = viewSecurity(st.GetSecurity())
	if c := st.GetCpuPort(); c != nil {
		r.CPUPort = &cpuPortStatus{Problem: c.GetProblem(), PacketIns: c.GetPacketIns(), PacketOuts: c.GetPacketOuts(), NoPrimary: c.GetNoPrimary(),
			SlowClient: c.GetSlowClient(), PortDrops: c.GetPortDrops(), Malformed: c.GetMalformed(), Refused: c.GetRefused()}
	}
	if p := st.GetPipeline(); p != nil {
		r.Pipeline = &pipelineStatus{Name: p.GetName(), Digest: p.GetDigest(), Sequence: p.GetSequence(), Tables: []tableStatus{}}
		if cookie := p.GetCookie(); p.GetHasCookie() {
			r.Pipeline.Cookie = &cookie
		}
		for _, t := range p.GetTables() {
			r.Pipeline.Tables = append(r.Pipeline.Tables, tableStatus{t.GetName(), t.GetUsed(), t.GetSize(), t.GetEngine()})
		}
	}
	for _, p := range st.GetPorts() {
		r.Ports = append(r.Ports, portStatus{
			Number: p.GetNumber(), Netdev: p.GetNetdev(), Hook: p.GetHook(), Up: p.GetUp(),
			RxPackets: p.GetRxPackets(), RxBytes: p.GetRxBytes(), TxPackets: p.GetTxPackets(), TxBytes: p.GetTxBytes(),
			Drops: p.GetDrops(), Problem: p.GetProblem(), Note: p.GetNote(),
		})
	}
}

// print shows the status on one screen.
func (r *statusResult) print(w io.Writer) error {
	if n := r.Nicd; n != nil {
		fmt.Fprintf(w, "nicd %s, instance %s, engine %s, device %d, process %d, up %s\n", n.Version, n.Instance, n.Engine,
			r.DeviceID, n.PID, time.Since(n.Started).Round(time.Second))
	} else {
		version := r.P4Runtime
		if version == "" {
			version = "of an unknown version"
		}
		fmt.Fprintf(w, "device %d at %s, P4Runtime %s; it is not nicd\n", r.DeviceID, r.address, version)
	}
	for _, l := range r.Listeners {
		fmt.Fprintf(w, "listens   %s%s\n", l.Address, r.Security.listenerNote(l))
	}
	r.Security.print(w, time.Now())
	r.CPUPort.print(w)
	if err := r.printPipeline(w); err != nil || r.Nicd == nil {
		return err
	}
	return r.printPorts(w)
}

func (r *statusResult) printPipeline(w io.Writer) error {
	p := r.Pipeline
	switch {
	case p == nil && r.Nicd != nil:
		fmt.Fprintln(w, "pipeline  none loaded: packets pass to the kernel; load one with: nicctl load FILE")
		return nil
	case p == nil:
		fmt.Fprintln(w, "pipeline  none loaded")
		return nil
	case r.Nicd == nil:
		name := p.Name
		if name == "" { // P4Info has one only where the program says @pkginfo
			name = "without a name"
		}
		fmt.Fprintf(w, "pipeline  %s, %d tables\n", name, len(p.Tables))
		return nil
	}
	fmt.Fprintf(w, "pipeline  %s, digest %.12s, journal sequence %d\n", p.Name, p.Digest, p.Sequence)
	if len(p.Tables) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	heading := []string{"TABLE", "USED", "SIZE"}
	chosen := slices.ContainsFunc(p.Tables, func(t tableStatus) bool { return t.Engine != "" })
	if chosen {
		heading = append(heading, "ENGINE")
	}
	var rows [][]string
	for _, t := range p.Tables {
		rows = append(rows, []string{t.Name, fmt.Sprint(t.Used), fmt.Sprint(t.Size), t.Engine})
	}
	return columns(w, heading, rows)
}

func (r *statusResult) printPorts(w io.Writer) error {
	fmt.Fprintln(w)
	if len(r.Ports) == 0 {
		fmt.Fprintln(w, "no ports are configured")
		return nil
	}
	var rows [][]string
	for _, p := range r.Ports {
		state := "up"
		if !p.Up {
			state = "down"
		}
		var notes []string
		for _, n := range []string{p.Problem, p.Note} {
			if n != "" {
				notes = append(notes, n)
			}
		}
		rows = append(rows, []string{fmt.Sprint(p.Number), p.Netdev, p.Hook, state, fmt.Sprint(p.RxPackets), fmt.Sprint(p.RxBytes),
			fmt.Sprint(p.TxPackets), fmt.Sprint(p.TxBytes), fmt.Sprint(p.Drops), strings.Join(notes, "; ")})
	}
	return columns(w, []string{"PORT", "NETDEV", "HOOK", "STATE", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES", "DROPS", "NOTES"}, rows)
}
