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
	if _, ok := errors.AsType[errUsage](err); ok {
		fmt.Fprintln(stderr, "Run 'nicd --help' for usage.")
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
		Use:     "nicd",
		Short:   "Run a P4 pipeline on this machine's network devices and serve P4Runtime",
		Version: version.Version,
		Long: `Run a P4 pipeline on this machine's network devices and serve P4Runtime.

nicd attaches itself to the ports, takes a pipeline from nicctl load or any
P4Runtime controller, and keeps entries in a journal. SIGTERM and Ctrl-C end the
process and leave the datapath: packets flow on, the next nicd takes over.
nicctl detach takes the datapath away. Exit codes: 0 done, 1 failed, 2 wrong
command line or configuration.`,
		Example: `  nicd --port 1=eth1 --port 2=eth2
  nicd --print-config > nicd.yaml
  nicd --config nicd.yaml
  nicd --engine sim --port 1=veth1,host=hveth1   # without privileges over BPF`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errUsage{fmt.Errorf("unexpected argument %q: nicd has flags only", args[0])}
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	fl := cmd.Flags()
	fl.StringVar(&file, "config", "", "read the configuration from `FILE` (YAML); flags override it")
	fl.BoolVar(&printConfig, "print-config", false, "write a commented default configuration and exit")
	fl.StringVar(&flags.Instance, "instance", "", "`NAME` of this instance: of its socket, state and pins")
	fl.StringVar(&flags.Engine, "engine", "", "`ENGINE`: kernel (eBPF) or sim (the simulator on packet sockets)")
	fl.StringVar(&flags.StateDir, "state-dir", "", "keep the journal in `DIR`")
	fl.StringVar(&flags.Durability, "durability", "", "what a write survives: `process` (kill -9) or power")
	fl.Uint64Var(&flags.DeviceID, "device-id", 0, "P4Runtime device `ID`")
	fl.StringArrayVar(&flags.Listen, "listen", nil, "listen on `ADDRESS`, unix:///PATH or HOST:PORT (repeatable)")
	fl.BoolVar(&flags.Insecure, "insecure", false, "allow TCP addresses without a certificate")
	fl.StringArrayVar(&ports, "port", nil, "connect a port: `NUMBER=NETDEV[,hook=xdp|tc][,host=NETDEV]` (repeatable)")
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
