package nicctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
	"github.com/p4nic/p4nic/runtime/kernel"
)

// pinRoot is where instances pin what must outlive nicd (D18).
const pinRoot = "/sys/fs/bpf/p4nic"

// detachResult is what detach prints.
type detachResult struct {
	DryRun  bool     `json:"dry_run"`
	Removed []string `json:"removed"` // with dry_run: what would be
}

func newDetachCommand() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "detach",
		Short: "Take the datapath off every port and end nicd; the journal stays",
		Long: `Take the datapath off every port and end nicd. Packets go to the kernel's stack
again. The journal stays, so the next nicd has all entries again. Where no nicd
runs on this machine, what one left in the kernel is removed directly, whichever
version left it; run it in the network namespace of the ports then.`,
		Example: `  nicctl detach --dry-run
  nicctl detach
  nicctl detach --instance edge`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				removed, err := detach(ctx, c, f)
				if err != nil {
					return err
				}
				result := detachResult{DryRun: f.dryRun, Removed: append([]string{}, removed...)}
				return render(cmd.OutOrStdout(), f.output, result, result.print)
			})
		},
	}
	f.register(cmd, false)
	registerDryRun(cmd, &f.dryRun)
	return cmd
}

func (r detachResult) print(w io.Writer) error {
	if len(r.Removed) == 0 {
		fmt.Fprintln(w, "nothing to remove")
	}
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
	}
	for _, what := range r.Removed {
		fmt.Fprintf(w, "%s %s\n", verb, what)
	}
	return nil
}

// detach asks nicd, or without one works on what it left.
func detach(ctx context.Context, c *p4rtclient.Client, f deviceFlags) ([]string, error) {
	nicd := nicdpb.NewNicdClient(c.Conn)
	st, err := nicd.Status(ctx, &nicdpb.StatusRequest{})
	switch {
	case status.Code(err) == codes.Unavailable && f.address == "":
		return detachRemains(c, f)
	case err != nil:
		return nil, c.Explain(err)
	}
	if f.dryRun {
		var ports []string
		for _, p := range st.GetPorts() {
			ports = append(ports, fmt.Sprintf("port %d (%s)", p.GetNumber(), p.GetNetdev()))
		}
		return append(ports, fmt.Sprintf("nicd (process %d)", st.GetPid())), nil
	}
	// On the same machine the command ends when nicd has, so that another can be
	// started behind it.
	pidfd := -1
	if strings.HasPrefix(c.Address, "unix:") || strings.HasPrefix(c.Address, "/") {
		if pidfd, err = unix.PidfdOpen(int(st.GetPid()), 0); err == nil {
			defer unix.Close(pidfd)
		}
	}
	r, err := nicd.Detach(ctx, &nicdpb.DetachRequest{})
	if err != nil {
		return nil, c.Explain(err)
	}
	removed := append(r.GetRemoved(), fmt.Sprintf("nicd (process %d)", st.GetPid()))
	if pidfd < 0 {
		return removed, nil
	}
	return removed, waitForExit(ctx, pidfd)
}

// waitForExit returns when the process has ended.
func waitForExit(ctx context.Context, pidfd int) error {
	for {
		limit := time.Second
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(limit.Milliseconds()))
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for nicd to end: %w", err)
		case ctx.Err() != nil:
			return errors.New("the datapath is gone, but nicd has not ended in time (--timeout)")
		}
	}
}

// detachRemains removes what a nicd that is gone left in the kernel.
func detachRemains(c *p4rtclient.Client, f deviceFlags) ([]string, error) {
	none := func(err error) error { return fmt.Errorf("no nicd answers at %s; what one left: %w", c.Address, err) }
	removed, err := remains(f.instance)
	if err != nil {
		return nil, none(err)
	}
	if f.dryRun || len(removed) == 0 {
		return removed, nil
	}
	if err := removeRemains(f.instance); err != nil {
		return nil, none(err)
	}
	return removed, nil
}

// removeRemains removes what an instance without a nicd has in the kernel.
func removeRemains(name string) error {
	lock, err := instance.Lock(name)
	if err != nil {
		return err
	}
	_, err = kernel.Remove(kernel.Options{Instance: name})
	return errors.Join(err, lock.Close())
}

// remains lists what an instance has in the kernel, without touching it.
func remains(name string) ([]string, error) {
	root := filepath.Join(pinRoot, name)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var out []string
	links, err := os.ReadDir(filepath.Join(root, "links"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, l := range links { // HOOK_IFINDEX
		hook, index, _ := strings.Cut(l.Name(), "_")
		netdev := "netdev " + index
		if n, err := strconv.Atoi(index); err == nil {
			if dev, err := net.InterfaceByIndex(n); err == nil {
				netdev = dev.Name
			}
		}
		out = append(out, fmt.Sprintf("%s from %s", hook, netdev))
	}
	return append(out, "the pins in "+root), nil
}
