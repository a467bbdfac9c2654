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

// commandLine is what the flags say.
type commandLine struct {
	file        string
	printConfig bool
	config      Config
	ports       []string
}

func newCommand() *cobra.Command {
	var line commandLine
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
	fl, flags := cmd.Flags(), &line.config
	fl.StringVar(&line.file, "config", "", "read the configuration from `FILE` (YAML); flags override it")
	fl.BoolVar(&line.printConfig, "print-config", false, "write a commented default configuration and exit")
	fl.StringVar(&flags.Instance, "instance", "", "`NAME` of this instance: of its socket, state and pins")
	fl.StringVar(&flags.Engine, "engine", "", "`ENGINE`: kernel (eBPF) or sim (the simulator on packet sockets)")
	fl.StringVar(&flags.StateDir, "state-dir", "", "keep the journal in `DIR`")
	fl.StringVar(&flags.Durability, "durability", "", "`WHAT` an acknowledged write survives: process (kill -9) or power (loss of power)")
	fl.Uint64Var(&flags.DeviceID, "device-id", 0, "P4Runtime device `ID`")
	fl.Uint32Var(&flags.CPUPort, "cpu-port", 0, "port `NUMBER` that means controllers (default 510)")
	fl.StringArrayVar(&flags.Listen, "listen", nil, "listen on `ADDRESS`: unix:///PATH, HOST:PORT or tcp://HOST:PORT (repeatable)")
	fl.BoolVar(&flags.Insecure, "insecure", false, "allow TCP addresses without TLS")
	fl.StringVar(&flags.TLS.Cert, "tls-cert", "", "serve TLS with the certificate in `FILE` (PEM)")
	fl.StringVar(&flags.TLS.Key, "tls-key", "", "key of the certificate, in `FILE` (PEM)")
	fl.StringVar(&flags.TLS.ClientCA, "tls-client-ca", "", "let clients in whose certificate an authority in `FILE` (PEM) signed")
	fl.BoolVar(&flags.TLS.Anonymous, "tls-anonymous", false, "let clients without a certificate in, over TLS")
	fl.StringVar(&flags.Metrics, "metrics", "", "serve /metrics to Prometheus on `ADDRESS`, as with --listen")
	fl.BoolVar(&flags.Reflection, "reflection", true, "let clients ask which gRPC services there are")
	fl.StringArrayVar(&line.ports, "port", nil, "connect `NUMBER=NETDEV[,hook=xdp|tc][,host=NETDEV]` (repeatable)")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if line.printConfig {
			_, err := io.WriteString(cmd.OutOrStdout(), DefaultConfig)
			return err
		}
		c, err := line.merge(fl.Changed)
		if err != nil {
			return errUsage{err}
		}
		return Run(cmd.Context(), c, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	}
	return cmd
}

// merge puts the flags that were given over the file, and that over the defaults.
func (l *commandLine) merge(given func(flag string) bool) (Config, error) {
	c := Defaults()
	if l.file != "" {
		var err error
		if c, err = LoadConfig(l.file); err != nil {
			return c, err
		}
	}
	override(given("instance"), &c.Instance, l.config.Instance)
	override(given("engine"), &c.Engine, l.config.Engine)
	override(given("state-dir"), &c.StateDir, l.config.StateDir)
	override(given("durability"), &c.Durability, l.config.Durability)
	override(given("device-id"), &c.DeviceID, l.config.DeviceID)
	override(given("cpu-port"), &c.CPUPort, l.config.CPUPort)
	override(given("listen"), &c.Listen, l.config.Listen)
	override(given("insecure"), &c.Insecure, l.config.Insecure)
	override(given("tls-cert"), &c.TLS.Cert, l.config.TLS.Cert)
	override(given("tls-key"), &c.TLS.Key, l.config.TLS.Key)
	override(given("tls-client-ca"), &c.TLS.ClientCA, l.config.TLS.ClientCA)
	override(given("tls-anonymous"), &c.TLS.Anonymous, l.config.TLS.Anonymous)
	override(given("metrics"), &c.Metrics, l.config.Metrics)
	override(given("reflection"), &c.Reflection, l.config.Reflection)
	if given("port") {
		c.Ports = nil
	}
	for _, s := range l.ports {
		p, err := ParsePort(s)
		if err != nil {
			return c, err
		}
		c.Ports = append(c.Ports, p)
	}
	return c, c.complete()
}

func override[T any](given bool, value *T, by T) {
	if given {
		*value = by
	}
}
