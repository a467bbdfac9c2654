package nicctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// deviceFlags say which device a command talks to and how.
type deviceFlags struct {
	address  string
	instance string
	device   uint64
	insecure bool
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
	fl.StringVar(&f.instance, "instance", instance.Default, "talk to the nicd instance `NAME` on this machine")
	fl.Uint64Var(&f.device, "device", 1, "P4Runtime device `ID`")
	fl.BoolVar(&f.insecure, "insecure", false, "allow a TCP address without TLS")
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
	if f.address != "" {
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
	address, err := f.target()
	if err != nil {
		return err
	}
	c, err := p4rtclient.Dial(address, f.device, f.insecure)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	return errors.Join(do(ctx, c), c.Close())
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
