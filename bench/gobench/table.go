package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/p4nic/p4nic/bench"
)

// key names one measured quantity.
type key struct{ pkg, name, unit string }

// results are the values of each quantity, in the order of their first sight.
type results struct {
	order  []key
	values map[key][]float64
}

// parse reads the output of `go test -bench`.
func parse(r io.Reader) (*results, error) {
	res := &results{values: map[key][]float64{}}
	pkg := ""
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if p, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = p
			continue
		}
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(f[1]); err != nil {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i] // GOMAXPROCS
			}
		}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", line, err)
			}
			k := key{pkg, name, f[i+1]}
			if res.values[k] == nil {
				res.order = append(res.order, k)
			}
			res.values[k] = append(res.values[k], v)
		}
	}
	return res, s.Err()
}

// table writes medians and intervals, and the change against old where there is
// one: its median, its interval, or ~ where the two do not differ.
func table(w io.Writer, now, old *results) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	head := "benchmark\tunit\tmedian\t95 %\truns\t"
	if old != nil {
		head += "base\tchange\t95 %\tp\t"
	}
	pkg := ""
	for _, k := range now.order {
		if k.pkg != pkg {
			pkg = k.pkg
			fmt.Fprintf(t, "\n%s\n%s\n", pkg, head)
		}
		xs := now.values[k]
		v := bench.MedianInterval(xs)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s-%s\t%d\t", k.name, k.unit, figure(v.Mid), figure(v.Lo), figure(v.Hi), len(xs))
		if old != nil {
			ys := old.values[k]
			if len(ys) == 0 {
				fmt.Fprint(t, "new\t\t\t\t")
			} else {
				p := mannWhitney(xs, ys)
				q := ratios(xs, ys)
				change := fmt.Sprintf("%+.1f %%", 100*(q.Mid-1))
				if p >= 0.05 {
					change = "~"
				}
				within := fmt.Sprintf("%+.1f..%+.1f %%", 100*(q.Lo-1), 100*(q.Hi-1))
				if math.IsNaN(q.Mid) { // from nothing to something
					change, within = "new", ""
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%.3f\t", figure(bench.Median(ys)), change, within, p)
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// figure gives four digits.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

// ratios compares runs of the same round: they took turns.
func ratios(xs, ys []float64) bench.Interval {
	n := min(len(xs), len(ys))
	q := make([]float64, 0, n)
	for i := range n {
		switch {
		case xs[i] == ys[i]:
			q = append(q, 1) // zeros too
		case ys[i] != 0:
			q = append(q, xs[i]/ys[i])
		}
	}
	return bench.MedianInterval(q)
}

// mannWhitney gives the two-sided p of the U test, by the normal approximation
// with the correction for ties: how likely two samples of one distribution differ
// at least so much in rank.
func mannWhitney(xs, ys []float64) float64 {
	type obs struct {
		v float64
		x bool
	}
	var all []obs
	for _, v := range xs {
		all = append(all, obs{v, true})
	}
	for _, v := range ys {
		all = append(all, obs{v, false})
	}
	slices.SortFunc(all, func(a, b obs) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	n1, n2, n := float64(len(xs)), float64(len(ys)), float64(len(all))
	rank, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		same := float64(j - i)
		ties += same*same*same - same
		for k := i; k < j; k++ {
			if all[k].x {
				rank += float64(i+j+1) / 2
			}
		}
		i = j
	}
	u := rank - n1*(n1+1)/2
	sigma := math.Sqrt(n1 * n2 / 12 * (n + 1 - ties/(n*(n-1))))
	if sigma == 0 || math.IsNaN(sigma) {
		return 1
	}
	z := math.Max(math.Abs(u-n1*n2/2)-0.5, 0) / sigma
	return math.Erfc(z / math.Sqrt2)
}
