package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/version"
)

// Exit codes of nicd.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks errors of the command line and the configuration.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// Main is the command: it returns the exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetContext(ctx)
	err := cmd.Execute()
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "nicd:", err)
	if usage := (errUsage{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newCommand() *cobra.Command {
	var file string
	var printConfig bool
	var flags Config
	var ports []string
	cmd := &cobra.Command{
		Use:           "nicd",
		Short:         "Run a P4 pipeline on this machine's network devices and serve P4Runtime",
		Version:       version.Version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	fl := cmd.Flags()
	fl.StringVar(&file, "config", "", "configuration file (YAML); flags override it")
	fl.BoolVar(&printConfig, "print-config", false, "write a commented default configuration and exit")
	fl.StringVar(&flags.Instance, "instance", "", "name of this instance")
	fl.StringVar(&flags.Engine, "engine", "", "kernel or sim")
	fl.StringVar(&flags.StateDir, "state-dir", "", "directory of the journal")
	fl.StringVar(&flags.Durability, "durability", "", "process or power")
	fl.Uint64Var(&flags.DeviceID, "device-id", 0, "P4Runtime device id")
	fl.StringArrayVar(&flags.Listen, "listen", nil, "address to listen on, unix:///PATH or HOST:PORT (repeatable)")
	fl.BoolVar(&flags.Insecure, "insecure", false, "allow TCP addresses without a certificate")
	fl.StringArrayVar(&ports, "port", nil, "NUMBER=NETDEV[,hook=xdp|tc][,host=NETDEV] (repeatable)")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if printConfig {
			_, err := io.WriteString(cmd.OutOrStdout(), DefaultConfig)
			return err
		}
		c := Defaults()
		if file != "" {
			var err error
			if c, err = LoadConfig(file); err != nil {
				return errUsage{err}
			}
		}
		for name, apply := range map[string]func(){
			"instance":   func() { c.Instance = flags.Instance },
			"engine":     func() { c.Engine = flags.Engine },
			"state-dir":  func() { c.StateDir = flags.StateDir },
			"durability": func() { c.Durability = flags.Durability },
			"device-id":  func() { c.DeviceID = flags.DeviceID },
			"listen":     func() { c.Listen = flags.Listen },
			"insecure":   func() { c.Insecure = flags.Insecure },
		} {
			if fl.Changed(name) {
				apply()
			}
		}
		if fl.Changed("port") {
			c.Ports = nil
			for _, s := range ports {
				p, err := ParsePort(s)
				if err != nil {
					return errUsage{err}
				}
				c.Ports = append(c.Ports, p)
			}
		}
		if err := c.complete(); err != nil {
			return errUsage{err}
		}
		return Run(cmd.Context(), c, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	}
	return cmd
}
