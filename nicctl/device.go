package nicctl

import (
	"context"
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
	fl.StringVar(&f.address, "address", "", "where nicd listens: unix:///PATH or HOST:PORT (default: the instance's socket)")
	fl.StringVar(&f.instance, "instance", instance.Default, "name of the nicd instance on this machine")
	fl.Uint64Var(&f.device, "device", 1, "P4Runtime device id")
	fl.BoolVar(&f.insecure, "insecure", false, "allow a TCP address without TLS")
	fl.DurationVar(&f.timeout, "timeout", 60*time.Second, "give up after this time")
	fl.StringVarP(&f.output, "output", "o", "table", "table, json or yaml")
	if writes {
		fl.BoolVar(&f.dryRun, "dry-run", false, "show what would be done, change nothing")
		fl.BoolVar(&f.takeover, "takeover", false, "become primary although another controller is")
	}
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
	address, err := f.target()
	if err != nil {
		return err
	}
	c, err := p4rtclient.Dial(address, f.device, f.insecure)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	defer c.Close()
	return do(ctx, c)
}

// schema reads the running pipeline's names.
func schema(ctx context.Context, c *p4rtclient.Client) (*p4rtclient.Schema, error) {
	info, err := c.P4Info(ctx)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("device %d has no pipeline loaded: nicctl load FILE", c.Device)
	}
	return p4rtclient.NewSchema(info), nil
}
