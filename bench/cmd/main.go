// Command cmd measures programs in the kernel: the C references of network
// functions beside each other, and our router beside them. docs/performance.md
// says how to run it and how to read it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/p4prog"
	"github.com/p4nic/p4nic/bench/ref"
	"github.com/p4nic/p4nic/internal/netns"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// list is a flag that may be given several times, or with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

type options struct {
	run      *regexp.Regexp
	pattern  string
	hooks    []bench.Hook
	sizes    []int
	off      [][]string
	router   string
	cfg      bench.Config
	cpu      int
	listOnly bool
	gate     bool
	parts    bool
	lines    bool
	json     string
	peers    list
}

// one is a scenario that can be measured.
type one struct {
	name string
	make func() (*ref.Scenario, error)
}

func parse(args []string) (*options, error) {
	var o options
	var sizes, hooks string
	var off, peers list
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.pattern, "run", "", "only scenarios whose NAME/HOOK/ENTRIES matches this regular expression")
	f.StringVar(&hooks, "hooks", "xdp,tc", "hooks to measure")
	f.StringVar(&sizes, "sizes", "", "numbers of entries, in place of each scenario's own")
	f.Var(&off, "off", "the router also without this optimisation (A+B: without both; all: without each in turn)")
	f.StringVar(&o.router, "router", "p4src/router.p4", "the router's source")
	f.StringVar(&o.json, "json", "", "write the results as JSON to this file, - is standard output")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to run on; -1 is the last")
	f.IntVar(&o.cfg.MinRounds, "min-rounds", 0, "rounds at least (40)")
	f.IntVar(&o.cfg.MaxRounds, "max-rounds", 0, "rounds at most (800)")
	f.IntVar(&o.cfg.Copies, "copies", 0, "copies of each program that take turns (8)")
	f.Float64Var(&o.cfg.Target, "target", 0, "end when all intervals are narrower, relative to the ratio (0.03; memory-bound 0.08)")
	f.BoolVar(&o.cfg.Barrier, "barrier", false, "let each packet wait until the driver's stores are done: latency in place of throughput")
	f.BoolVar(&o.listOnly, "list", false, "list the scenarios")
	f.BoolVar(&o.parts, "parts", false, "the hand-written router also without each of its parts")
	f.BoolVar(&o.lines, "lines", false, "measure nothing: show what the router executes for a packet, by line")
	f.BoolVar(&o.gate, "gate", false, "check the ratios of the router to the yardstick and fail when one is over its limit")
	f.Var(&peers, "peer", "measure a public program too: NAME=FILE.o; names: "+strings.Join(ref.PeerNames(), ", "))
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.run, err = regexp.Compile(o.pattern); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	for h := range strings.SplitSeq(hooks, ",") {
		switch h {
		case "xdp":
			o.hooks = append(o.hooks, bench.XDP)
		case "tc":
			o.hooks = append(o.hooks, bench.TC)
		default:
			return nil, fmt.Errorf("-hooks: %q is neither xdp nor tc", h)
		}
	}
	if sizes != "" {
		for s := range strings.SplitSeq(sizes, ",") {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 || n > 1<<20 {
				return nil, fmt.Errorf("-sizes: %q is not a number from 1 to %d", s, 1<<20)
			}
			o.sizes = append(o.sizes, n)
		}
	}
	for _, x := range off {
		if x == "all" {
			for _, n := range p4prog.Optimisations() {
				o.off = append(o.off, []string{n})
			}
			continue
		}
		o.off = append(o.off, strings.Split(x, "+"))
	}
	o.peers = peers
	return &o, nil
}

// scenarios lists what the options ask for.
func (o *options) scenarios() ([]one, error) {
	var all []one
	for _, h := range o.hooks {
		add := func(name string, sizes []int, mk func(n int) (*ref.Scenario, error)) {
			if o.sizes != nil {
				sizes = o.sizes
			}
			for _, n := range sizes {
				x := one{fmt.Sprintf("%s/%s/%d", name, h, n), func() (*ref.Scenario, error) { return mk(n) }}
				if o.run.MatchString(x.name) {
					all = append(all, x)
				}
			}
		}
		for _, f := range ref.All() {
			add(f.Name, f.Sizes, func(n int) (*ref.Scenario, error) {
				s, err := f.Make(h, n)
				if err != nil {
					return nil, err
				}
				return s, o.addPeers(s, f.Name, n)
			})
		}
		add("router", []int{1, 1000, 10000, 100000}, func(n int) (*ref.Scenario, error) {
			return p4prog.Router(o.router, h, n, o.off, o.parts)
		})
	}
	for _, h := range o.hooks {
		// By name only: they take long to fill.
		for _, w := range p4prog.Workloads() {
			sizes := w.Sizes
			if o.sizes != nil {
				sizes = o.sizes
			}
			for _, n := range sizes {
				x := one{fmt.Sprintf("%s/%s/%d", w.Name, h, n), func() (*ref.Scenario, error) { return w.Scenario(h, n) }}
				if o.pattern != "" && o.run.MatchString(x.name) {
					all = append(all, x)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no scenario has such a name: see -list")
	}
	return all, nil
}

// addPeers adds the public programs that do function name.
func (o *options) addPeers(s *ref.Scenario, name string, n int) error {
	for _, p := range o.peers {
		peer, file, ok := strings.Cut(p, "=")
		if !ok || !slices.Contains(ref.PeerNames(), peer) {
			return fmt.Errorf("-peer %s: want NAME=FILE.o with NAME one of %v", p, ref.PeerNames())
		}
		if err := s.AddPeer(peer, file, name, n); err != nil {
			return fmt.Errorf("peer %s: %w", peer, err)
		}
	}
	return nil
}

func run(args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.gate {
		return gate(o)
	}
	if o.lines {
		return o.printLines()
	}
	all, err := o.scenarios()
	if err != nil {
		return err
	}
	if o.listOnly {
		for _, x := range all {
			fmt.Println(x.name)
		}
		return nil
	}
	report := &bench.Report{Machine: bench.ThisMachine()}
	text := os.Stdout
	if o.json == "-" {
		text = os.Stderr
	}
	fmt.Fprintln(text, report.Machine)
	noClang := false
	for _, x := range all {
		res, err := o.measure(x)
		if errors.Is(err, ref.ErrNoClang) {
			noClang = true
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		report.Results = append(report.Results, res)
		fmt.Fprintln(text)
		if err := res.Text(text); err != nil {
			return err
		}
	}
	if noClang {
		fmt.Fprintln(text, ref.ErrNoClang)
	}
	return o.writeJSON(report)
}

func (o *options) printLines() error {
	for _, h := range o.hooks {
		lines, err := p4prog.RouterLines(o.router, h)
		if err != nil {
			return err
		}
		fmt.Printf("%s, %s\n", o.router, h)
		if err := p4prog.WriteLines(os.Stdout, lines); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) measure(x one) (res *bench.Result, err error) {
	err = bench.Isolated(o.cpu, func(*netns.NS) error {
		s, err := x.make()
		if s != nil {
			defer s.Close()
		}
		if err != nil {
			return err
		}
		res, err = s.Run(o.cfg)
		return err
	})
	return res, err
}

func (o *options) writeJSON(r *bench.Report) error {
	switch o.json {
	case "":
		return nil
	case "-":
		return r.JSON(os.Stdout)
	}
	f, err := os.Create(o.json)
	if err != nil {
		return err
	}
	return errors.Join(r.JSON(f), f.Close())
}
