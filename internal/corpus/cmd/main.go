// Command corpus replays the programs of testdata/corpus against a checkout of
// p4c: `make corpus P4C=DIR`.
//
//	corpus -p4c DIR [-update] [-v] [-run SUBSTRING] [-no-kernel] [-kernel-stf]
//	corpus -p4c DIR -mutants 1m [-seed N]
//
// Exit code 1: the checkout is not the recorded one, or something became worse.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/internal/corpus"
	"github.com/p4nic/p4nic/internal/kernelstf"
)

// kernelEngines makes engines on datapaths of their own, which play packets.
func kernelEngines() corpus.KernelSTF {
	n := 0
	return func(core *ir.Program, hook string) (stf.Engine, func() error, error) {
		n++
		e, err := kernelstf.New(core, hook, fmt.Sprintf("corpus-%d-%d", os.Getpid(), n))
		if err != nil {
			return nil, nil, err
		}
		return e, e.Close, nil
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == corpus.WorkerArg {
		if err := corpus.Work(os.Stdin, os.Stdout, kernelEngines()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	fs := flag.NewFlagSet("corpus", flag.ContinueOnError)
	root := fs.String("p4c", "", "the `folder` of the checkout")
	dir := fs.String("dir", "testdata/corpus", "the `folder` of the tables")
	update := fs.Bool("update", false, "record what is found; the ratchet still only rises")
	lower := fs.Bool("lower-ratchet", false, "with -update: let the ratchet fall; say why in the commit")
	commit := fs.String("commit", "", "with -update: the `commit` of an exported tree")
	verbose := fs.Bool("v", false, "list every program that is not as it should be")
	pattern := fs.String("run", "", "only programs whose path has this `text`; nothing is recorded")
	noKernel := fs.Bool("no-kernel", false, "do not load programs into the kernel")
	kernelSTF := fs.Bool("kernel-stf", false, "play the packet tests in the kernel too, on XDP and on tc, and count them; nothing of it is recorded")
	workers := fs.Int("workers", runtime.NumCPU(), "compile this `number` of programs at a time")
	mutants := fs.Duration("mutants", 0, "instead of a replay, compile programs with faults in them for this `time`; a panic fails")
	seed := fs.Uint64("seed", 1, "with -mutants: the `seed`")
	timeout := fs.Duration("timeout", 30*time.Second, "the time one program may take")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *root == "" {
		return errors.New("-p4c DIR is needed: a checkout of " + corpus.Repository)
	}
	found, err := corpus.ReadCheckout(*root)
	if err != nil {
		return err
	}
	if *mutants > 0 {
		return corpus.Mutants(w, *root, os.TempDir(), found, *seed, *mutants, *timeout)
	}
	d, err := corpus.ReadDumps(*root)
	if err != nil {
		return err
	}
	old, err := corpus.Load(*dir)
	if err != nil && !(*update && os.IsNotExist(err)) {
		return err
	}
	head := corpus.Commit(*root)
	if head == "" {
		head = *commit
	}
	var failures []string
	if old != nil && !*update {
		if head != "" && head != old.Commit {
			failures = append(failures, fmt.Sprintf("the checkout is at commit %s, the facts are of %s", head, old.Commit))
		}
		failures = append(failures, corpus.Changed(old.Programs, found)...)
		if d.Digest != old.Dumps {
			failures = append(failures, fmt.Sprintf("the dumps in p4_16_samples_outputs have digest %.12s, recorded %.12s", d.Digest, old.Dumps))
		}
	}
	programs := found
	if *pattern != "" {
		programs = nil
		for _, p := range found {
			if strings.Contains(p.Path, *pattern) {
				programs = append(programs, p)
			}
		}
	}
	limit := corpus.StageKernel
	if *noKernel || !corpus.HaveBPF() {
		limit = corpus.StageEBPF
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	start := time.Now()
	rp := &corpus.Replay{Root: *root, Limit: limit, Workers: *workers, Timeout: *timeout, Exe: exe, Kernel: *kernelSTF && limit == corpus.StageKernel}
	results, err := rp.Run(programs)
	if err != nil {
		return err
	}
	if *verbose {
		corpus.List(w, programs, results)
	}
	totals := corpus.Totals(programs, results)
	if *pattern == "" {
		more, err := dumps(w, rp, d, *verbose)
		if err != nil {
			return err
		}
		totals = append(totals, more...)
	}
	if err := corpus.Summary(w, programs, results); err != nil {
		return err
	}
	if rp.Kernel {
		corpus.KernelSummary(w, programs, results)
	}
	fmt.Fprintf(w, "%d programs in %s\n", len(programs), time.Since(start).Round(time.Second/10))
	switches, err := corpus.LoadSwitches(*dir)
	if err != nil {
		return err
	}
	failures = append(failures, corpus.WithoutJSON(switches, results)...)
	if old != nil {
		failures = append(failures, corpus.Regressions(old, programs, results, limit)...)
	}
	if *pattern != "" {
		return report(w, failures)
	}
	ratchet, err := corpus.LoadRatchet(*dir)
	if err != nil && !(*update && os.IsNotExist(err)) {
		return err
	}
	fallen := corpus.Fallen(ratchet, totals, limit)
	if !*update {
		return report(w, append(failures, fallen...))
	}
	if head == "" && old != nil {
		head = old.Commit
	}
	if head == "" {
		return errors.New("the checkout is no git repository: give -commit")
	}
	if limit < corpus.StageKernel {
		return errors.New("results are recorded where programs can be loaded (needs CAP_BPF)")
	}
	for _, f := range failures {
		fmt.Fprintln(w, "recorded although worse:", f)
	}
	if len(fallen) > 0 && !*lower {
		return report(w, fallen)
	}
	t := &corpus.Tables{Commit: head, Dumps: d.Digest, Programs: programs, Results: results}
	return errors.Join(t.Save(*dir), corpus.SaveRatchet(*dir, totals))
}

// dumps plays what p4test printed through the front end and the printers.
func dumps(w io.Writer, rp *corpus.Replay, d *corpus.Dumps, verbose bool) ([]corpus.Total, error) {
	rp.Limit = corpus.StageTyped
	results, err := rp.Run(d.Programs)
	if err != nil {
		return nil, err
	}
	if verbose {
		corpus.List(w, d.Programs, results)
	}
	totals := d.Totals(results)
	for _, t := range totals {
		fmt.Fprintf(w, "%s: %d of %d\n", t.Name, t.Count, t.Of)
	}
	return totals, nil
}

func report(w io.Writer, failures []string) error {
	for _, f := range failures {
		fmt.Fprintln(w, "FAIL", f)
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d failures", len(failures))
	}
	return nil
}
