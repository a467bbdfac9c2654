// Command kernels runs tests inside the kernels that p4nic supports: Debian's
// 6.1 and 6.12 for amd64 and arm64, under qemu's software emulation. See
// docs/howto-kernels.md.
//
// In: this module, packages of Debian's archive. Out: a table of results; exit
// code 1 when anything failed, 2 when the tests could not be run, 3 when that is
// because a kernel or its emulator cannot be had here.
// Must not import: any package of this module but test/kernels/guest.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed skips
var skipList string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	kernels, archs []string
	work           work
	cache, mirror  string
	memory, cpus   int
	verbose        bool
}

// defaultWork is what has to pass on every kernel.
func defaultWork() ([]string, bool) {
	return []string{"./internal/netns", "./compiler/backend/ebpf", "./runtime/dataplane", "./runtime/kernel", "./runtime/daemon", "./bmv2-tests"}, true
}

// quickWork is what every change has to pass on the oldest kernel: the packet
// cases on both hooks by BPF_PROG_TEST_RUN, the router on live devices.
func quickWork() ([]string, string) {
	return []string{"./bmv2-tests", "./compiler/backend/ebpf"}, "^(TestCases|TestLiveRouter)$"
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	quick := false
	var kernels, archs, pkgs string
	var series []string
	for _, k := range kernelSpecs() {
		series = append(series, k.Series)
	}
	fs := flag.NewFlagSet("kernels", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&kernels, "kernel", strings.Join(series, ","), "`series` to boot, with commas")
	fs.StringVar(&archs, "arch", "amd64,arm64", "`architectures`, with commas")
	fs.StringVar(&pkgs, "pkg", "", "Go test `packages`, with commas, instead of all that has to pass; \"demo\" is nicctl demo")
	fs.StringVar(&o.work.Run, "run", "", "only tests that match `regexp`")
	fs.BoolVar(&o.work.Short, "short", true, "run tests with -short: an emulated machine is slow")
	fs.IntVar(&o.work.Count, "count", 1, "run each test `n` times")
	fs.IntVar(&o.work.Seconds, "seconds", 1200, "`limit` for one job, in seconds")
	fs.StringVar(&o.cache, "cache", "", "`directory` for packages and logs (default: p4nic/kernels in the user's cache)")
	fs.StringVar(&o.mirror, "mirror", "http://deb.debian.org", "`address` of a mirror with debian and debian-security")
	fs.IntVar(&o.memory, "memory", 2048, "of a guest, in `MiB`")
	fs.IntVar(&o.cpus, "cpus", 2, "`number` of CPUs of a guest")
	fs.BoolVar(&quick, "quick", false, "the packet cases and the router on 6.1, amd64")
	fs.BoolVar(&o.verbose, "v", false, "print output as it comes")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o.work.Packages, o.work.Demo = defaultWork()
	if quick {
		kernels, archs, o.work.Demo = "6.1", "amd64", false
		o.work.Packages, o.work.Run = quickWork()
	}
	o.kernels, o.archs = strings.Split(kernels, ","), strings.Split(archs, ",")
	for _, k := range o.kernels {
		if !slices.Contains(series, k) {
			return o, fmt.Errorf("-kernel %s: there are %s", k, strings.Join(series, ", "))
		}
	}
	for _, a := range o.archs {
		if _, ok := machines()[a]; !ok {
			return o, fmt.Errorf("-arch %s: there are amd64 and arm64", a)
		}
	}
	if o.work.Seconds < 1 || o.work.Count < 1 || o.memory < 1 || o.cpus < 1 {
		return o, errors.New("-seconds, -count, -memory and -cpus are at least 1")
	}
	if pkgs != "" {
		o.work.Packages, o.work.Demo = nil, false
		for p := range strings.SplitSeq(pkgs, ",") {
			if p == "demo" {
				o.work.Demo = true
			} else {
				o.work.Packages = append(o.work.Packages, p)
			}
		}
	}
	if o.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("%w: name a directory with -cache", err)
		}
		o.cache = filepath.Join(dir, "p4nic", "kernels")
	}
	var err error
	o.cache, err = filepath.Abs(o.cache)
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var all []*result
	if err == nil {
		all, err = play(ctx, o, stdout)
	}
	good := true
	if len(all) > 0 {
		good = report(stdout, all, parseSkips(skipList))
	}
	if err != nil {
		fmt.Fprintln(stderr, "kernels:", err)
	}
	switch {
	case errors.Is(err, errNoKernel) && len(all) == 0:
		return 3
	case err != nil:
		return 2
	case !good:
		return 1
	}
	return 0
}

// play boots every kernel on every architecture, one after the other. A guest
// that dies fails the run, but not those after it.
func play(ctx context.Context, o options, stdout io.Writer) ([]*result, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	for _, arch := range o.archs {
		if err := machines()[arch].find(); err != nil {
			return nil, err
		}
	}
	tmp, err := os.MkdirTemp("", "p4nic-kernels-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	var all []*result
	var died error
	for _, arch := range o.archs {
		dir := filepath.Join(tmp, arch)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return all, err
		}
		p, err := build(ctx, root, dir, arch, o.work)
		if err != nil {
			return all, err
		}
		for _, k := range kernelSpecs() {
			if !slices.Contains(o.kernels, k.Series) {
				continue
			}
			results, err := playOne(ctx, o, root, dir, arch, k, p, stdout)
			all = append(all, results...)
			if ctx.Err() != nil {
				return all, context.Cause(ctx)
			}
			if err != nil {
				died = errors.Join(died, fmt.Errorf("%s %s: %w", k.Series, arch, err))
			}
		}
	}
	return all, died
}

func playOne(ctx context.Context, o options, root, dir, arch string, k kernelSpec, p *payload, stdout io.Writer) ([]*result, error) {
	t, note, err := fetch(ctx, o.cache, o.mirror, k, arch)
	if err != nil {
		return nil, err
	}
	if note != "" {
		fmt.Fprintln(stdout, note)
	}
	set, err := openModules(t)
	if err != nil {
		return nil, err
	}
	modules, err := set.closure(moduleNames())
	if err != nil {
		return nil, err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := writeImage(initrd, root, p, modules); err != nil {
		return nil, err
	}
	logs := filepath.Join(o.cache, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	name := k.Series + "/" + arch
	log, err := os.Create(filepath.Join(logs, k.Series+"-"+arch+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fmt.Fprintf(stdout, "%s: Linux %s, %d modules, console in %s\n", name, t.release, len(modules), log.Name())
	c := &collector{name: name}
	if o.verbose {
		c.verbose = stdout
	}
	started := time.Now()
	v := vm{machine: machines()[arch], tree: t, initrd: initrd, memory: o.memory, cpus: o.cpus, log: log}
	err = v.boot(ctx, time.Duration(len(p.jobs)*o.work.Seconds)*time.Second+time.Minute, c.see)
	fmt.Fprintf(stdout, "%s: %.0f s from power-on to power-off; %s\n", name, time.Since(started).Seconds(), c.summary(parseSkips(skipList)))
	if err == nil && c.release != t.release {
		err = fmt.Errorf("booted %q, not %s", c.release, t.release)
	}
	if err == nil && len(c.results) != len(p.jobs) {
		err = fmt.Errorf("%d of %d jobs were run", len(c.results), len(p.jobs))
	}
	return c.results, err
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := goTool(ctx, ".", "", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(out)
	if mod == "" || mod == os.DevNull {
		return "", errors.New("run it inside the module")
	}
	return filepath.Dir(mod), nil
}
