package nicctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// deviceFlags say which device a command talks to and how.
type deviceFlags struct {
	address  string
	url      string // --target
	instance string
	device   uint64
	security p4rtclient.Security
	timeout  time.Duration
	takeover bool
	dryRun   bool
	output   string
}

// register adds the flags that every command on a device has; a command that
// writes has two more.
func (f *deviceFlags) register(cmd *cobra.Command, writes bool) {
	fl := cmd.Flags()
	fl.StringVar(&f.address, "address", "", "talk to `ADDRESS`, unix:///PATH or HOST:PORT (default: the instance's socket)")
	fl.StringVar(&f.url, "target", "", "talk to any P4Runtime device, p4rt://`HOST[:PORT]` (port 9559 where none is given)")
	fl.StringVar(&f.instance, "instance", instance.Default, "talk to the nicd instance `NAME` on this machine")
	fl.Uint64Var(&f.device, "device", 1, "P4Runtime device `ID`")
	f.registerSecurity(fl)
	fl.DurationVar(&f.timeout, "timeout", 60*time.Second, "give up after `TIME`, such as 500ms or 2m")
	registerOutput(cmd, &f.output)
	if writes {
		registerDryRun(cmd, &f.dryRun)
		fl.BoolVar(&f.takeover, "takeover", false, "become primary although another controller is")
	}
}

func registerDryRun(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "show what would be done, change nothing")
}

// target is the address to dial.
func (f *deviceFlags) target() (string, error) {
	switch {
	case f.url != "" && f.address != "":
		return "", usageError{errors.New("give --target or --address, not both")}
	case f.url != "" && !strings.HasPrefix(f.url, "p4rt://"):
		return "", usageError{fmt.Errorf("--target %s: p4rt://HOST[:PORT] is wanted", f.url)}
	case f.url != "":
		return f.url, nil
	case f.address != "":
		return f.address, nil
	}
	if err := instance.Validate(f.instance); err != nil {
		return "", usageError{err}
	}
	return "unix://" + instance.Socket(f.instance), nil
}

// withClient runs a command on a connection, bounded by the time-out.
func (f *deviceFlags) withClient(cmd *cobra.Command, do func(ctx context.Context, c *p4rtclient.Client) error) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.timeout <= 0 {
		return usageError{fmt.Errorf("--timeout %s: it must be more than 0", f.timeout)}
	}
	if err := f.completeSecurity(cmd.Flags().Changed); err != nil {
		return err
	}
	address, err := f.target()
	if err != nil {
		return err
	}
	c, err := p4rtclient.Dial(address, f.device, f.security)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	err = do(ctx, c)
	for _, l := range c.Limits() {
		fmt.Fprintf(cmd.ErrOrStderr(), "nicctl: device %d at %s, %s: %s\n", c.Device, c.Address, l, l.Text())
	}
	return errors.Join(err, c.Close())
}

// isNicd tells whether the device is a nicd.
func isNicd(ctx context.Context, c *p4rtclient.Client) (bool, error) {
	_, err := nicdpb.NewNicdClient(c.Conn).Status(ctx, &nicdpb.StatusRequest{})
	if status.Code(err) == codes.Unimplemented {
		return false, nil
	}
	return err == nil, c.Explain(err)
}

// schema reads the running pipeline's names.
func schema(ctx context.Context, c *p4rtclient.Client) (*p4rtclient.Schema, error) {
	info, err := c.P4Info(ctx)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("device %d has no pipeline loaded; load one with: nicctl load FILE", c.Device)
	}
	return p4rtclient.NewSchema(info), nil
}
