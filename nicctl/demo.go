package nicctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/nicctl/demo"
	"github.com/p4nic/p4nic/p4src"
)

// insideNamespace tells the demo's child process that it is root of a user
// namespace made for it.
const insideNamespace = "P4NIC_DEMO_IN_USER_NAMESPACE"

func newDemoCommand() *cobra.Command {
	var sim bool
	var nicd string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a P4 router carries real traffic between two hosts on this machine",
		Long: `See it work: a P4 router carries real traffic between two hosts on this machine.

Makes two hosts and a router in network namespaces, starts the real nicd, loads
p4src/router.p4, writes routes over P4Runtime, and proves with pings, a TCP
transfer and counters that the program forwards. As root the datapath is eBPF in
the kernel; otherwise everything runs in a user namespace with the simulator as
the switch. Everything is gone afterwards, also after Ctrl-C.`,
		Example: `  nicctl demo
  nicctl demo --sim`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			// Until the process ends: a signal behind the last step must not kill it.
			ctx, _ := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			inside := os.Getenv(insideNamespace) != ""
			if os.Geteuid() != 0 && !inside {
				return inUserNamespace(ctx, cmd)
			}
			o := demo.Options{Out: cmd.OutOrStdout(), Sim: sim || inside, Nicd: nicd, Remove: removeRemains}
			var err error
			if o.Router, err = demoRouter(); err != nil {
				return err
			}
			if o.Changed, err = demoRouter(fmt.Sprintf("ROUTED_DSCP=%d", demo.ChangedDSCP)); err != nil {
				return err
			}
			switch err := demo.Run(ctx, o); {
			case err == demo.ErrInterrupted: // and nothing joined to it
				return fmt.Errorf("the demo was %w; what it made is gone", err)
			case inside && errors.Is(err, syscall.EPERM):
				return fmt.Errorf("user namespaces are restricted on this machine%s: run the demo as root (%w)", namespaceLimits(), err)
			case errors.Is(err, syscall.EPERM):
				return fmt.Errorf("this root may not make networks, which takes CAP_SYS_ADMIN and CAP_NET_ADMIN: run the demo as an ordinary user, who gets the simulator in a user namespace (%w)", err)
			case err != nil:
				return fmt.Errorf("the demo failed: %w", err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "demo: everything was as it must be")
			return nil
		},
	}
	cmd.Flags().BoolVar(&sim, "sim", false, "use the simulator as the switch, as root too")
	cmd.Flags().StringVar(&nicd, "nicd", "", "start `PATH` as nicd (default: beside nicctl, then in PATH)")
	return cmd
}

// demoRouter compiles the router that is embedded in nicctl.
func demoRouter(defines ...string) (demo.Pipeline, error) {
	raw, err := compileText("router.p4", p4src.Router(), defines)
	if err != nil {
		return demo.Pipeline{}, err
	}
	b, err := bundle.Read(raw)
	if err != nil {
		return demo.Pipeline{}, err
	}
	return demo.Pipeline{P4Info: b.P4Info, Bundle: raw}, nil
}

// inUserNamespace runs the demo again as root of a new user namespace.
func inUserNamespace(ctx context.Context, cmd *cobra.Command) error {
	// The kernel signals a parent's death when the thread that forked is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), insideNamespace+"=1")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		// Ctrl-C reaches the whole group of the terminal: the child must get it
		// once, from us, so that it cleans up once.
		Setpgid:   true,
		Pdeathsig: syscall.SIGTERM,
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("user namespaces are off on this machine (%w%s): run the demo as root", err, namespaceLimits())
	}
	// Wait's own error may only say that the child was asked to end.
	if err := child.Wait(); err != nil && !child.ProcessState.Success() {
		return errReported // by the child
	}
	return nil
}

// namespaceLimits names the settings that forbid user namespaces.
func namespaceLimits() string {
	var out []string
	for _, limit := range []struct{ name, off string }{
		{"user/max_user_namespaces", "0"},
		{"kernel/unprivileged_userns_clone", "0"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1"},
	} {
		b, err := os.ReadFile("/proc/sys/" + limit.name)
		if err == nil && strings.TrimSpace(string(b)) == limit.off {
			out = append(out, strings.ReplaceAll(limit.name, "/", ".")+"="+limit.off)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; " + strings.Join(out, ", ")
}
