// Command mutants seeds faults into the product's code and counts those that the
// tests catch: `make mutants`.
//
//	mutants [-n 60] [-skip 0] [-seed 1] [-j 2] [-packages TEXTS] [-budget 2m] [-list] [-o FILE.json] [-min 95]
//	mutants -selftest
//
// Exit code 1: fewer were caught than -min per cent of those that are not
// equivalent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/p4nic/p4nic/internal/mutants"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	fs := flag.NewFlagSet("mutants", flag.ContinueOnError)
	root := fs.String("root", ".", "the `folder` of the module")
	n := fs.Int("n", 60, "the `number` of faults")
	skip := fs.Int("skip", 0, "leave out the first `number` of them: a run in parts")
	seed := fs.Uint64("seed", 1, "the `seed`")
	workers := fs.Int("j", 2, "mutants that run at a time")
	pattern := fs.String("packages", "", "only packages whose name has one of these `texts`, with commas between")
	budget := fs.Duration("budget", 2*time.Minute, "the `time` that the tests of one mutant may usually take together")
	list := fs.Bool("list", false, "print the faults as diffs; run nothing")
	out := fs.String("o", "", "write everything as JSON to this `file`")
	minimum := fs.Float64("min", 95, "fail below this `percentage`")
	equivalents := fs.String("equivalents", "internal/mutants/equivalents.txt", "the `file` of changes that nothing can tell")
	selftest := fs.Bool("selftest", false, "measure a toy module whose result is known, and compare")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *selftest {
		return mutants.SelfTest(w)
	}
	conf := mutants.P4nic()
	conf.Budget = *budget
	if *pattern != "" {
		var keep []string
		for _, p := range conf.Packages {
			for _, t := range strings.Split(*pattern, ",") {
				if strings.Contains(p, t) {
					keep = append(keep, p)
					break
				}
			}
		}
		conf.Packages = keep
	}
	dir, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	drawn, statements, err := mutants.Draw(dir, conf.Module, conf.Packages, *seed, *n)
	if err != nil {
		return err
	}
	drawn = drawn[min(*skip, len(drawn)):]
	if *list {
		for _, m := range drawn {
			fmt.Fprintf(w, "%s:%d %s: %s\n%s", m.File, m.Line, m.Function, m.Kind, m.Diff)
		}
		return nil
	}
	known, err := mutants.ReadEquivalents(filepath.Join(dir, *equivalents))
	if err != nil {
		return err
	}
	report := &mutants.Report{Seed: *seed, Statements: statements}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := play(ctx, w, conf, dir, drawn, *workers, known, report); err != nil {
		return err
	}
	if err := report.WriteText(w); err != nil {
		return err
	}
	if *out != "" {
		f, err := os.Create(*out)
		if err != nil {
			return err
		}
		if err := errors.Join(report.WriteJSON(f), f.Close()); err != nil {
			return err
		}
	}
	if 100*report.Rate() < *minimum {
		return fmt.Errorf("%.1f %% caught, %g are wanted", 100*report.Rate(), *minimum)
	}
	return nil
}

// play runs the mutants, some at a time; results keep the order of the draw.
func play(ctx context.Context, w io.Writer, conf *mutants.Config, root string, drawn []*mutants.Mutant, workers int, known *mutants.Equivalents, report *mutants.Report) error {
	tmp, err := os.MkdirTemp("", "mut")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	r, err := mutants.NewRunner(conf, root, tmp)
	if err != nil {
		return err
	}
	report.Results = make([]*mutants.Result, len(drawn))
	var mu sync.Mutex
	var wg sync.WaitGroup
	next, failed := 0, error(nil)
	for range max(1, workers) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := failed != nil
				mu.Unlock()
				if stop || i >= len(drawn) {
					return
				}
				res, err := r.Run(ctx, drawn[i])
				mu.Lock()
				if err != nil {
					failed = errors.Join(failed, err)
				} else {
					known.Judge(res)
					report.Results[i] = res
					fmt.Fprintf(w, "%3d %s\n", i+1, res.Summary())
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	report.Broken = r.Broken()
	return failed
}
