package p4gen_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/p4gen"
	"github.com/p4nic/p4nic/internal/p4gen/differ"
	"github.com/p4nic/p4nic/internal/packetcase"
)

var (
	update   = flag.Bool("update", false, "rewrite testdata/coverage.txt")
	programs = flag.Int("programs", 16, "programs of TestRandom and TestRandomKernel; 0 for no limit")
	seed     = flag.Uint64("seed", 1, "the first seed of TestRandom and TestRandomKernel")
	duration = flag.Duration("for", 0, "how long TestRandom and TestRandomKernel go on; 0 for no limit")
)

// campaign runs random programs and reports failures as small cases.
func campaign(t *testing.T, e differ.Engines) {
	c := differ.Campaign{Seed: *seed, Programs: *programs, For: *duration, Packets: 40, Workers: 2, Engines: e}
	c.Found = func(s uint64, cs *differ.Case, f *differ.Failure) {
		small, sf := differ.Reduce(cs, f, e, 400)
		t.Errorf("seed %d: %v\n%s\n%s", s, sf, differ.Guilty(small, sf), small.Text(""))
	}
	totals := c.Run()
	t.Logf("\n%s", totals)
	if totals.Programs == 0 || totals.Packets == 0 {
		t.Error("nothing ran")
	}
}

// TestRandom: all engines but the kernel do the same with random programs.
func TestRandom(t *testing.T) { campaign(t, differ.Engines{}) }

// TestRandomKernel: so does the kernel, at XDP and tc.
func TestRandomKernel(t *testing.T) {
	netnstest.NeedBPF(t)
	campaign(t, differ.Engines{Kernel: true})
}

// TestKept: what random programs found stays fixed.
func TestKept(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no cases", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { kept(t, path, differ.Engines{}) })
	}
}

// TestKeptKernel: in the kernel, too.
func TestKeptKernel(t *testing.T) {
	netnstest.NeedBPF(t)
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { kept(t, path, differ.Engines{Kernel: true}) })
	}
}

func kept(t *testing.T, path string, e differ.Engines) {
	c, err := packetcase.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	d := differ.Case{Source: string(c.P4), Entries: c.Entries, Control: string(c.Files["control"])}
	for _, s := range c.Steps {
		d.Packets = append(d.Packets, s.In)
	}
	if f := differ.Run(&d, e, differ.NewFigures()); f != nil {
		t.Error(f)
	}
}

// TestCoverage: the language ids that the first programs use never become fewer.
func TestCoverage(t *testing.T) {
	const path = "testdata/coverage.txt"
	cited := map[string]int{}
	var sizes []p4gen.Size
	for s := range uint64(400) {
		p := p4gen.Generate(s)
		for id := range p.Coverage {
			cited[id]++
		}
		_, own, err := p4gen.Parse(p.Source)
		if err != nil {
			t.Fatalf("seed %d: %v", s, err)
		}
		sizes = append(sizes, p4gen.Measure(own))
	}
	got := p4gen.CoverageText(cited)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, l := range strings.Split(got, "\n") {
		id, rest, _ := strings.Cut(l, " ")
		have[id] = rest
	}
	for _, l := range strings.Split(string(want), "\n") {
		if id, rest, _ := strings.Cut(l, " "); rest != have[id] {
			t.Errorf("%s: %s, recorded is %s", id, have[id], rest)
		}
	}
	for id := range p4gen.Uncovered() {
		if cited[id] > 0 {
			t.Errorf("%s is covered and listed as if it could not be", id)
		}
	}
	if n := strings.Count(got, " missing\n"); n > 0 {
		t.Errorf("%d ids are neither covered nor explained", n)
	}
	t.Logf("%d of %d ids are covered, %d cannot be: %s", len(cited), p4gen.LanguageIDs, len(p4gen.Uncovered()), strings.Join(p4gen.Cited(cited), " "))
	totals := differ.Totals{Sizes: sizes}
	if m := totals.Medians(); m.Statements < 60 || m.Tables < 2 || m.Headers < 3 {
		t.Errorf("the median program has %+v; 60 statements, 2 tables and 3 headers are asked for", m)
	}
}

// TestDeterministic: a seed is a program, packets and entries.
func TestDeterministic(t *testing.T) {
	for s := range uint64(10) {
		a, fa := differ.Make(s, 20)
		b, fb := differ.Make(s, 20)
		if fa != nil || fb != nil {
			t.Fatal(fa, fb)
		}
		if a.Source != b.Source || a.Entries != b.Entries {
			t.Errorf("seed %d gives two programs or two sets of entries", s)
		}
		for i := range a.Packets {
			if !bytes.Equal(a.Packets[i].Data, b.Packets[i].Data) {
				t.Errorf("seed %d gives two packets %d", s, i)
			}
		}
	}
}

// TestDepth: packets come through the parser and to the deparser, entries hit.
func TestDepth(t *testing.T) {
	fig := differ.NewFigures()
	hits, misses := 0, 0
	for s := range uint64(30) {
		m, f := differ.Make(1000+s, 40)
		if f != nil {
			t.Fatalf("seed %d: %v", 1000+s, f)
		}
		fig.Accepted += m.Accepted()
		if f := m.Run(differ.Engines{Only: "none"}, fig); f != nil {
			t.Fatalf("seed %d: %v", 1000+s, f)
		}
		h, n := m.Lookups()
		hits, misses = hits+h, misses+n
	}
	percent := func(n, of int) int { return 100 * n / max(of, 1) }
	t.Logf("%d %% of the packets reach the deparser, %d %% pass the parser without error, %d %% of the look-ups hit", percent(fig.Sent, fig.Packets), percent(fig.Accepted, fig.Packets), percent(hits, hits+misses))
	if percent(fig.Sent, fig.Packets) < 70 || percent(fig.Accepted, fig.Packets) < 50 || percent(hits, hits+misses) < 25 {
		t.Error("packets do not go deep")
	}
}

// TestShrink: what is left of a large program is what matters.
func TestShrink(t *testing.T) {
	src := p4gen.Generate(7).Source
	compiles := func(src string) bool {
		r, err := driver.Compile(driver.Options{Path: p4gen.Path, ReadFile: p4gen.ReadFile(src)})
		return err == nil && !r.Diags.HasErrors()
	}
	start := time.Now()
	small := p4gen.Shrink(src, 3000, func(s string) bool { return strings.Contains(s, ".apply()") && compiles(s) })
	t.Logf("%d lines became %d in %s", p4gen.Lines(src), p4gen.Lines(small), time.Since(start))
	if !strings.Contains(small, ".apply()") || !compiles(small) || p4gen.Lines(small) > 60 {
		t.Errorf("%d lines are left of %d:\n%s", p4gen.Lines(small), p4gen.Lines(src), small)
	}
}

// FuzzSeed runs the program of any seed.
func FuzzSeed(f *testing.F) {
	for s := range uint64(3) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s uint64) {
		m, fail := differ.Make(s, 30)
		if fail == nil {
			fail = m.Run(differ.Engines{}, differ.NewFigures())
		}
		if fail != nil {
			t.Errorf("seed %d: %v", s, fail)
		}
	})
}
