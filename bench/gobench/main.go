// Command gobench runs the Go benchmarks of the tree in turns and tabulates
// medians with 95 % intervals; with -base REV those of another revision take
// turns with them, and the table compares. It writes and reads the format that
// benchstat reads.
//
//	go run ./bench/gobench [-bench RE] [-pkg RE] [-rounds 10] [-time 100ms] [-base REV] [-out FILE]
//
// A round runs the test binary of every package once; packages and revisions
// alternate, so that what else the machine does falls on all of them alike.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gobench:", err)
		os.Exit(1)
	}
}

// binary is the test binary of a package in a tree.
type binary struct {
	pkg, path, dir string
}

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("gobench", flag.ContinueOnError)
	bench := f.String("bench", ".", "run benchmarks whose name matches")
	pkgs := f.String("pkg", "", "in packages whose folder matches")
	rounds := f.Int("rounds", 10, "times that each is run")
	dur := f.String("time", "100ms", "how long, or Nx how often, a benchmark runs at a time")
	base := f.String("base", "", "compare with this revision")
	file := f.String("out", "", "write all results to this file, for benchstat")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	match, err := regexp.Compile(*pkgs)
	if err != nil {
		return fmt.Errorf("-pkg: %w", err)
	}
	if *rounds < 1 {
		return fmt.Errorf("-rounds %d: it takes one at least", *rounds)
	}
	tmp, err := os.MkdirTemp("", "gobench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	trees := []string{root}
	if *base != "" {
		old := filepath.Join(tmp, "base")
		if err := command(root, "git", "worktree", "add", "--detach", old, *base); err != nil {
			return err
		}
		defer command(root, "git", "worktree", "remove", "--force", old)
		trees = append(trees, old)
	}
	var bins [][]binary // by tree
	for i, tree := range trees {
		b, err := build(tree, filepath.Join(tmp, fmt.Sprint("bin", i)), match)
		if err != nil {
			return err
		}
		bins = append(bins, b)
	}
	raw := make([]bytes.Buffer, len(trees))
	for range *rounds {
		for i := range max(len(bins[0]), len(bins[len(bins)-1])) {
			for t := range bins {
				if i >= len(bins[t]) {
					continue
				}
				b := bins[t][i]
				cmd := exec.Command(b.path, "-test.run=^$", "-test.bench="+*bench, "-test.benchtime="+*dur)
				cmd.Dir = b.dir
				text, err := cmd.CombinedOutput()
				if err != nil {
					return fmt.Errorf("%s: %w\n%s", b.pkg, err, text)
				}
				fmt.Fprintf(&raw[t], "pkg: %s\n%s", b.pkg, text)
			}
		}
	}
	results := make([]*results, len(trees))
	for t := range raw {
		if results[t], err = parse(bytes.NewReader(raw[t].Bytes())); err != nil {
			return err
		}
	}
	if *file != "" {
		if err := os.WriteFile(*file, raw[0].Bytes(), 0o644); err != nil {
			return err
		}
	}
	if len(results) == 1 {
		return table(out, results[0], nil)
	}
	return table(out, results[0], results[1])
}

func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(text))
	}
	return nil
}

var declares = regexp.MustCompile(`(?m)^func Benchmark\w*\(b \*testing\.B\)`)

// build compiles the tests of the packages that have benchmarks.
func build(tree, into string, match *regexp.Regexp) ([]binary, error) {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{range .TestGoFiles}}{{.}} {{end}}{{range .XTestGoFiles}}{{.}} {{end}}", "./...")
	cmd.Dir = tree
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var bins []binary
	for line := range strings.Lines(string(list)) {
		f := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		if len(f) < 3 || !match.MatchString(f[0]) {
			continue
		}
		has := false
		for _, name := range strings.Fields(f[2]) {
			src, err := os.ReadFile(filepath.Join(f[1], name))
			if err != nil {
				return nil, err
			}
			has = has || declares.Match(src)
		}
		if !has {
			continue
		}
		path := filepath.Join(into, strings.ReplaceAll(f[0], "/", "_"))
		if err := command(tree, "go", "test", "-c", "-o", path, f[0]); err != nil {
			return nil, err
		}
		bins = append(bins, binary{f[0], path, f[1]})
	}
	if len(bins) == 0 {
		return nil, errors.New("no package has such benchmarks")
	}
	return bins, nil
}
