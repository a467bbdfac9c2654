// Command cmd runs random programs on all engines and writes a small case for
// each difference (`make random`).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/p4nic/p4nic/internal/p4gen"
	"github.com/p4nic/p4nic/internal/p4gen/differ"
)

func main() {
	var (
		seed     = flag.Uint64("seed", uint64(time.Now().Unix()), "the first `seed`")
		programs = flag.Int("programs", 0, "how many programs; 0 for no limit")
		duration = flag.Duration("for", 0, "how long; 0 for no limit")
		packets  = flag.Int("packets", 110, "packets a program")
		workers  = flag.Int("workers", 2, "programs at a time")
		kernel   = flag.Bool("kernel", os.Geteuid() == 0, "also in the kernel (needs CAP_BPF)")
		out      = flag.String("out", "random-failures", "folder for reproducers")
		without  = flag.String("without", "", "`features` that -show leaves out, separated by commas")
		show     = flag.Bool("show", false, "print the program of -seed and end")
		tries    = flag.Int("shrink", 1500, "how often a failing program is run to make it smaller")
		each     = flag.Int("each", 1, "how many failures of a kind are kept")
	)
	flag.Parse()
	if *show {
		fmt.Print(p4gen.Generate(*seed, strings.Split(*without, ",")...).Source)
		return
	}
	if *programs == 0 && *duration == 0 {
		*duration = time.Hour
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	seen := map[string]int{}
	c := differ.Campaign{Seed: *seed, Programs: *programs, For: *duration, Packets: *packets, Workers: *workers, Engines: differ.Engines{Kernel: *kernel}, Stop: ctx.Done()}
	c.Found = func(s uint64, cs *differ.Case, f *differ.Failure) {
		seen[f.Class()]++
		fmt.Printf("seed %d: %s\n", s, f.Short())
		if seen[f.Class()] > *each {
			return
		}
		small, sf := differ.Reduce(cs, f, c.Engines, *tries)
		guilty := differ.Guilty(small, sf)
		name := filepath.Join(*out, fmt.Sprintf("seed%d.txtar", s))
		text := small.Text(fmt.Sprintf("Seed %d: %s\n%s", s, sf.Error(), guilty))
		if err := os.MkdirAll(*out, 0o755); err == nil {
			err = os.WriteFile(name, []byte(text), 0o644)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		fmt.Printf("  %d lines in %s; %s\n", p4gen.Lines(small.Source), name, guilty)
	}
	t := c.Run()
	fmt.Print(t)
	if t.Failures > 0 {
		os.Exit(1)
	}
}
