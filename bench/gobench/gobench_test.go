package main

import (
	"math"
	"strings"
	"testing"
)

const sample = `goos: linux
pkg: example.com/a
BenchmarkX/one-2    100   2000 ns/op   64 B/op   3 allocs/op
some log line
BenchmarkX/one-2    100   1000 ns/op   64 B/op   3 allocs/op
BenchmarkY-2         10   5e+06 changes/s
pkg: example.com/b
BenchmarkX/one-2      1   7 ns/op
PASS
`

func TestParse(t *testing.T) {
	r, err := parse(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.values[key{"example.com/a", "X/one", "ns/op"}]; len(got) != 2 || got[0] != 2000 || got[1] != 1000 {
		t.Errorf("X/one: %v", got)
	}
	if got := r.values[key{"example.com/a", "Y", "changes/s"}]; len(got) != 1 || got[0] != 5e6 {
		t.Errorf("Y: %v", got)
	}
	if len(r.order) != 5 {
		t.Errorf("%v", r.order)
	}
	if _, err := parse(strings.NewReader("BenchmarkX 1 x ns/op\n")); err == nil {
		t.Error("a value that is no number is accepted")
	}
}

func TestTable(t *testing.T) {
	mk := func(f float64) *results {
		k := key{"p", "X", "ns/op"}
		r := &results{order: []key{k}, values: map[key][]float64{}}
		for i := range 10 {
			r.values[k] = append(r.values[k], f*float64(100+i))
		}
		return r
	}
	for _, c := range []struct {
		f    float64
		want string
	}{{1, "~"}, {0.5, "-50.0 %"}, {1.2, "+20.0 %"}} {
		var b strings.Builder
		if err := table(&b, mk(c.f), mk(1)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("%v: no %q in\n%s", c.f, c.want, &b)
		}
	}
}

// Values by R: wilcox.test(x, y, exact = FALSE).
func TestMannWhitney(t *testing.T) {
	for _, c := range []struct {
		x, y []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 0.01219},
		{[]float64{1, 2, 3, 4, 5}, []float64{1, 2, 3, 4, 5}, 1},
		{[]float64{1, 3, 5, 7, 9}, []float64{2, 4, 6, 8, 10}, 0.6761},
		{[]float64{2, 2, 2}, []float64{2, 2, 2}, 1},
	} {
		if p := mannWhitney(c.x, c.y); math.Abs(p-c.want) > 0.0005 {
			t.Errorf("%v %v: p = %.5f, want %.5f", c.x, c.y, p, c.want)
		}
	}
}
