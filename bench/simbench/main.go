// Simbench compares the simulator with behavioral-model's simple_switch on an IPv4
// router: the same P4, the same JSON and bundle, the same packets.
//
//	go run ./bench/simbench -simple_switch PATH [-live]
//
// By files: each program reads a capture, forwards, writes a capture; the figure is
// its CPU time for a packet that came in, start-up included. Live: each stands
// between two veth pairs under an offered load; the figure is packets a second that
// come out. Rounds alternate; medians are printed. Without -simple_switch only the
// simulator is measured.
//
// PATH is a program, not a script that starts one: its CPU time is that of the
// process. Live needs root.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/driver"
)

type options struct {
	nicctl, simpleSwitch string
	packets, rounds      int
	routes               []int
	live                 bool
	rates                []int
	seconds              int
	dir                  string
}

func main() {
	var o options
	var routes, rates string
	flag.StringVar(&o.nicctl, "nicctl", "bin/nicctl", "nicctl `program`")
	flag.StringVar(&o.simpleSwitch, "simple_switch", "", "simple_switch `program`; none: the simulator alone")
	flag.IntVar(&o.packets, "packets", 1_000_000, "packets of a capture")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; medians are printed")
	flag.StringVar(&routes, "routes", "1,10000", "numbers of routes")
	flag.BoolVar(&o.live, "live", false, "measure on veth too")
	flag.StringVar(&rates, "rates", "100000,200000,400000", "offered packets a second with -live")
	flag.IntVar(&o.seconds, "seconds", 5, "of each live run")
	flag.Parse()
	o.routes, o.rates = numbers(routes), numbers(rates)
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "simbench:", err)
		os.Exit(1)
	}
}

func numbers(s string) []int {
	var out []int
	for _, w := range strings.Split(s, ",") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "simbench: %q is no number above 0\n", w)
			os.Exit(2)
		}
		out = append(out, n)
	}
	return out
}

// switchKind is one of the two programs that are compared.
type switchKind string

const (
	simulator    switchKind = "simulator"
	simpleSwitch switchKind = "simple_switch"
)

func (o *options) kinds() []switchKind {
	if o.simpleSwitch == "" {
		return []switchKind{simulator}
	}
	return []switchKind{simulator, simpleSwitch}
}

func run(o *options) (err error) {
	if o.dir, err = os.MkdirTemp("", "simbench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	for _, p := range []*string{&o.nicctl, &o.simpleSwitch} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
		if _, err := os.Stat(*p); err != nil {
			return err
		}
	}
	for _, n := range o.routes {
		r := newRouter(n)
		if err := o.build(r); err != nil {
			return err
		}
		if err := o.files(r); err != nil {
			return err
		}
		if !o.live {
			continue
		}
		for _, rate := range o.rates {
			if err := o.liveRuns(r, rate); err != nil {
				return err
			}
		}
	}
	return nil
}

// build writes the bundle and the JSON of a router.
func (o *options) build(r *router) error {
	src := o.path(r, "p4")
	if err := os.WriteFile(src, []byte(r.source()), 0o666); err != nil {
		return err
	}
	res, err := driver.Compile(driver.Options{Path: src})
	if err != nil {
		return err
	}
	if res.Diags.HasErrors() {
		_ = res.Diags.Render(os.Stderr)
		return fmt.Errorf("%s does not compile", src)
	}
	raw, err := bundle.Write(bundle.Contents{P4Info: res.Control.Info, Entries: res.Control.Entries, Program: res.Core})
	if err != nil {
		return err
	}
	js, err := bmv2.Export(res.Core)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.path(r, "nicpkg"), raw, 0o666); err != nil {
		return err
	}
	return os.WriteFile(o.path(r, "json"), js, 0o666)
}

func (o *options) path(r *router, ext string) string {
	return filepath.Join(o.dir, fmt.Sprintf("router%d.%s", len(r.routes), ext))
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}
