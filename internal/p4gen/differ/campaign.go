package differ

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p4nic/p4nic/internal/p4gen"
)

// Campaign runs many seeds.
type Campaign struct {
	Seed     uint64        // the first
	Programs int           // how many; 0 for no limit
	For      time.Duration // how long; 0 for no limit
	Packets  int           // a program
	Workers  int
	Engines  Engines
	Stop     <-chan struct{} // ends the campaign when closed; nil for never
	// Found is called for each failure, one at a time.
	Found func(seed uint64, c *Case, f *Failure)
}

// Totals are the figures of a campaign.
type Totals struct {
	Figures
	Sizes    []p4gen.Size
	Coverage map[string]int // checklist id -> programs
	Failures int
	Clean    int // programs since the last failure
	Took     time.Duration
}

// Run runs the campaign.
func (c Campaign) Run() *Totals {
	t := &Totals{Figures: *NewFigures(), Coverage: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := c.Seed
	start := time.Now()
	take := func() (uint64, bool) {
		select {
		case <-c.Stop:
			return 0, false
		default:
		}
		mu.Lock()
		defer mu.Unlock()
		if c.Programs > 0 && next >= c.Seed+uint64(c.Programs) || c.For > 0 && time.Since(start) >= c.For {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range max(c.Workers, 1) {
		wg.Go(func() {
			for {
				seed, ok := take()
				if !ok {
					return
				}
				fig := NewFigures()
				m, fail := one(seed, c.Packets, c.Engines, fig)
				mu.Lock()
				t.Figures.Add(fig)
				if m.Program != nil {
					t.Sizes = append(t.Sizes, m.Size)
					for id := range m.Program.Coverage {
						t.Coverage[id]++
					}
				}
				t.Clean++
				if fail != nil {
					t.Failures++
					t.Clean = 0
					if c.Found != nil {
						c.Found(seed, &m.Case, fail)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Took = time.Since(start)
	return t
}

// one makes and runs one seed.
func one(seed uint64, packets int, e Engines, fig *Figures) (m *Made, fail *Failure) {
	defer func() {
		if v := recover(); v != nil {
			if m == nil {
				m = &Made{}
			}
			fail = &Failure{Stage: "panic", What: fmt.Sprint(v), Packet: -1}
		}
	}()
	if m, fail = Make(seed, packets); fail != nil {
		fig.Programs++
		return m, fail
	}
	fig.Accepted += m.Accepted()
	return m, m.Run(e, fig)
}

// Medians of the programs' sizes.
func (t *Totals) Medians() p4gen.Size {
	if len(t.Sizes) == 0 {
		return p4gen.Size{}
	}
	mid := func(f func(p4gen.Size) int) int {
		var ns []int
		for _, s := range t.Sizes {
			ns = append(ns, f(s))
		}
		slices.Sort(ns)
		return ns[len(ns)/2]
	}
	return p4gen.Size{
		Statements: mid(func(s p4gen.Size) int { return s.Statements }),
		Tables:     mid(func(s p4gen.Size) int { return s.Tables }),
		Headers:    mid(func(s p4gen.Size) int { return s.Headers }),
	}
}

// String is a report for people.
func (t *Totals) String() string {
	var b strings.Builder
	hours := t.Took.Hours()
	med := t.Medians()
	percent := func(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	fmt.Fprintf(&b, "%d programs, %d packets in %s: %.0f programs and %.0f packets an hour\n", t.Programs, t.Packets, t.Took.Round(time.Second), float64(t.Programs)/hours, float64(t.Packets)/hours)
	fmt.Fprintf(&b, "median: %d statements, %d tables, %d headers\n", med.Statements, med.Tables, med.Headers)
	fmt.Fprintf(&b, "%.1f %% of the packets reach the deparser, the parser takes %.1f %% without error\n", percent(t.Sent, t.Packets), percent(t.Accepted, t.Packets))
	fmt.Fprintf(&b, "%d checklist ids covered\n", len(t.Coverage))
	fmt.Fprintf(&b, "programs by engine:")
	for _, e := range slices.Sorted(maps.Keys(t.Runs)) {
		fmt.Fprintf(&b, " %s %d", e, t.Runs[e])
	}
	b.WriteByte('\n')
	for _, e := range slices.Sorted(maps.Keys(t.Refused)) {
		sum := 0
		for _, n := range t.Refused[e] {
			sum += n
		}
		fmt.Fprintf(&b, "refused by %s: %d (%.1f %%)\n", e, sum, percent(sum, t.Programs))
		why := slices.Collect(maps.Keys(t.Refused[e]))
		slices.SortFunc(why, func(x, y string) int {
			if d := t.Refused[e][y] - t.Refused[e][x]; d != 0 {
				return d
			}
			return strings.Compare(x, y)
		})
		for _, w := range why[:min(len(why), 12)] {
			fmt.Fprintf(&b, "  %5d %s\n", t.Refused[e][w], w)
		}
	}
	fmt.Fprintf(&b, "%d failures; %d programs since the last\n", t.Failures, t.Clean)
	return b.String()
}
