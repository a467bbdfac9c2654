package nicctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/internal/kernelstf"
	"github.com/p4nic/p4nic/nicctl/bmv2switch"
)

type testFlags struct {
	src     sourceFlags
	program string
	p4info  string
	target  string
	bmv2    string
	level   string
	verbose bool
}

func newTestCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test FILE.stf...",
		Short: "Play packet tests on a program",
		Long: `Play STF packet tests. The program is P4 source, bmv2 JSON with its P4Info, or a
bundle; without --program it is the .p4 file beside each test.

--target says what runs the program: sim, the simulator; ssa, the interpreter of
what the kernel back end compiles; xdp or tc, this kernel with eBPF at that hook,
which takes the privileges of nicd: the ports of the test become veth pairs in
network namespaces of its own, and nothing of it stays; a test that netdevs cannot
carry (frames shorter than an Ethernet header, port 510) is played to the programs
without them; simple_switch, the switch of p4lang/behavioral-model for the program's architecture (simple_switch, psa_switch,
pna_nic), which must be installed, with the program's JSON. --level says which form of
the program runs: typed (on the simulator alone), core, or bmv2, the JSON written
and read again.

A test that the target cannot run is skipped. The last line counts; exit 0 when no
test failed.`,
		Example: `  nicctl test tests/*.stf --program router.p4
  nicctl test router.stf --level bmv2 -v
  nicctl test router.stf --target xdp
  nicctl test router.stf --program switch.json --p4info switch.p4info.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.src.register(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.program, "program", "p", "", "the program: `FILE` .p4, .json or .nicpkg")
	fl.StringVar(&f.p4info, "p4info", "", "P4Info `FILE` of a .json program")
	fl.StringVar(&f.target, "target", "sim", "sim, ssa, xdp, tc or simple_switch")
	fl.StringVar(&f.bmv2, "bmv2", "", "`DIR` of the programs of --target simple_switch; the search path otherwise")
	fl.StringVar(&f.level, "level", "core", "typed, core or bmv2")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "print what commands of the tests read, and on the simulator what became of each packet")
	return cmd
}

func (f *testFlags) run(cmd *cobra.Command, files []string) error {
	kernel := f.target == "xdp" || f.target == "tc"
	switch {
	case f.target != "sim" && f.target != "ssa" && f.target != "simple_switch" && !kernel:
		return usageError{fmt.Errorf("--target %s: the targets are sim, ssa, xdp, tc and simple_switch", f.target)}
	case f.target != "simple_switch" && f.bmv2 != "":
		return usageError{errors.New("--bmv2 goes with --target simple_switch")}
	case f.level != "typed" && f.level != "core" && f.level != "bmv2":
		return usageError{fmt.Errorf("--level %s: the levels are typed, core and bmv2", f.level)}
	case f.target == "ssa" && f.level == "typed":
		return usageError{fmt.Errorf("--level typed: SSA is made from core programs")}
	case f.target == "simple_switch" && f.level == "typed":
		return usageError{fmt.Errorf("--level typed: bmv2 JSON is made from core programs")}
	case kernel && f.level == "typed":
		return usageError{fmt.Errorf("--level typed: eBPF is made from core programs")}
	}
	ctx := cmd.Context()
	if kernel {
		// Who gives up leaves nothing in the kernel.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, unix.SIGTERM)
		defer stop()
		if err := checkKernelTarget(ctx); err != nil {
			return fmt.Errorf("--target %s: %w", f.target, err)
		}
	}
	out := cmd.OutOrStdout()
	var counts [3]int
	for n, file := range files {
		r := f.one(ctx, cmd, file, stfInstance(n+1))
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		counts[r.Status]++
		if err := printResult(out, file, r); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", counts[stf.Passed], counts[stf.Failed], counts[stf.Skipped]); err != nil {
		return err
	}
	if counts[stf.Failed] > 0 {
		return errReported
	}
	return nil
}

func printResult(w io.Writer, file string, r stf.Result) error {
	line := fmt.Sprintf("%s %s", r.Status, file)
	if r.Status == stf.Skipped {
		line += ": " + r.Report
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return err
	}
	if r.Status == stf.Failed {
		_, err := fmt.Fprintln(w, strings.TrimRight(r.Report, "\n"))
		return err
	}
	return nil
}

// one plays one file; instance is the name of what it makes in the kernel.
func (f *testFlags) one(ctx context.Context, cmd *cobra.Command, file, instance string) (r stf.Result) {
	failed := func(err error) stf.Result {
		if u, is := err.(*stf.Unsupported); is {
			return stf.Result{Status: stf.Skipped, Report: u.Reason}
		}
		return stf.Result{Status: stf.Failed, Report: err.Error()}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return failed(err)
	}
	t, err := stf.Parse(file, text)
	if err != nil {
		return failed(err)
	}
	program := f.program
	if program == "" {
		program = strings.TrimSuffix(file, filepath.Ext(file)) + ".p4"
	}
	p, err := f.load(cmd, program)
	if err != nil {
		return failed(err)
	}
	var e stf.Engine
	switch f.target {
	case "sim":
		e, err = stf.NewSim(p)
	case "ssa":
		e, err = stf.NewSSA(p)
	case "simple_switch":
		var s *bmv2switch.Switch
		if s, err = f.realSwitch(ctx, p, program, t); err == nil {
			defer func() {
				if err := s.Close(); err != nil {
					r = failed(err)
				}
			}()
		}
		e = s
	default:
		defer func() {
			// What netdevs do not carry, or do not show, is played without them.
			if r.Status == stf.Skipped && ctx.Err() == nil {
				r = f.played(p, t, instance)
			}
		}()
		var k *kernelEngine
		if k, err = newKernelEngine(ctx, p, t, f.target, instance); err == nil {
			defer func() {
				if err := k.close(); err != nil {
					r = failed(fmt.Errorf("what the test made in the kernel: %w", err))
				}
			}()
		}
		e = k
	}
	if err != nil {
		return failed(err)
	}
	if tr, is := e.(stf.Tracer); is {
		tr.SetTrace(f.verbose)
	}
	return stf.Run(t, e, func(line string) {
		if f.verbose {
			fmt.Fprintln(cmd.OutOrStdout(), line)
		}
	})
}

// played plays a test on a program in the kernel without netdevs.
func (f *testFlags) played(p *ir.Program, t *stf.Test, instance string) (r stf.Result) {
	e, err := kernelstf.New(p, f.target, instance)
	if u, is := errors.AsType[*stf.Unsupported](err); is {
		return stf.Result{Status: stf.Skipped, Report: u.Reason}
	}
	if err != nil {
		return stf.Result{Status: stf.Failed, Report: err.Error()}
	}
	defer func() {
		if err := e.Close(); err != nil {
			r = stf.Result{Status: stf.Failed, Report: fmt.Sprintf("what the test made in the kernel: %v", err)}
		}
	}()
	return stf.Run(t, e, nil)
}

// realSwitch starts behavioral-model's switch with the program; the JSON is the
// file where the program came as such.
func (f *testFlags) realSwitch(ctx context.Context, p *ir.Program, file string, t *stf.Test) (*bmv2switch.Switch, error) {
	path, err := bmv2switch.Path(p.Arch, f.bmv2)
	if err != nil {
		return nil, err
	}
	var js []byte
	if filepath.Ext(file) == ".json" {
		js, err = os.ReadFile(file)
	} else if js, err = bmv2.Export(p); err != nil {
		return nil, &stf.Unsupported{Reason: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return bmv2switch.Start(ctx, path, p, js, t)
}

// load reads a program and brings it to the level.
func (f *testFlags) load(cmd *cobra.Command, path string) (*ir.Program, error) {
	l, err := loadProgram(cmd, f.src, path, f.p4info)
	if err != nil {
		return nil, err
	}
	switch f.level {
	case "typed":
		if l.typed == nil {
			return nil, fmt.Errorf("%s: level typed exists for P4 source only", path)
		}
		return l.typed, nil
	case "bmv2":
		js, err := bmv2.Export(l.core)
		if err != nil {
			return nil, &stf.Unsupported{Reason: err.Error()}
		}
		return bmv2.Import(js, l.info, l.core.Name)
	}
	return l.core, nil
}
