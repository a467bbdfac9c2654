package corpus

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Total is one number of the ratchet: how many of how many.
type Total struct {
	Name      string
	Count, Of int
}

// Totals counts what is right, over all programs.
func Totals(programs []Program, results []Result) []Total {
	c := newCount()
	for i := range programs {
		c.add(&programs[i], &results[i])
	}
	return c.totals()
}

type count struct {
	accept, accepted   int
	reject, rejected   int
	line, lineOf       int
	info, infoOf       int
	entries, entriesOf int
	stage              [StageKernel + 1]int // of those that go beyond the front end
	stf                [Engines]int
	stfOf              int
	stable             int
	faults             int
}

func newCount() *count { return &count{} }

func (c *count) add(p *Program, r *Result) {
	g := Judge(p, r)
	bump := func(of, n *int, ok bool) {
		*of++
		if ok {
			*n++
		}
	}
	if p.Want == Accept {
		bump(&c.accept, &c.accepted, g.Verdict)
		if r.Stable {
			c.stable++
		}
		for s := StageTyped; s <= r.Stage; s++ {
			c.stage[s]++
		}
	} else {
		bump(&c.reject, &c.rejected, g.Verdict)
		bump(&c.lineOf, &c.line, g.Line)
	}
	if p.P4Info != "" {
		bump(&c.infoOf, &c.info, g.P4Info)
	}
	if p.Entries != "" {
		bump(&c.entriesOf, &c.entries, g.Entries)
	}
	if p.STF != "" {
		c.stfOf++
		for e, ok := range g.STF {
			if ok {
				c.stf[e]++
			}
		}
	}
	if r.Verdict == Crash || r.Verdict == Timeout {
		c.faults++
	}
}

func (c *count) totals() []Total {
	out := []Total{
		{"accepted", c.accepted, c.accept},
		{"rejected", c.rejected, c.reject},
		{"line", c.line, c.lineOf},
		{"printed", c.stable, c.accept},
		{"p4info", c.info, c.infoOf},
		{"entries", c.entries, c.entriesOf},
	}
	for s := StageTyped; s <= StageKernel; s++ {
		out = append(out, Total{s.String(), c.stage[s], c.accept})
	}
	for e, n := range c.stf {
		out = append(out, Total{"stf-" + Engine(e).String(), n, c.stfOf})
	}
	return out
}

// Summary prints a table with a row for each architecture.
func Summary(w io.Writer, programs []Program, results []Result) error {
	by := map[string]*count{}
	all := newCount()
	for i := range programs {
		p := &programs[i]
		if by[p.Arch] == nil {
			by[p.Arch] = newCount()
		}
		by[p.Arch].add(p, &results[i])
		all.add(p, &results[i])
	}
	var archs []string
	for a := range by {
		archs = append(archs, a)
	}
	slices.Sort(archs)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "architecture\taccepted\trejected\tline\t%\tprinted\tP4Info\tentries\tIR\tcore\texec\tssa\tebpf\tkernel\tstf\ttyped\tcore\tbmv2\tssa\tfaults\t")
	line := func(name string, c *count) {
		pct := "-"
		if c.lineOf > 0 {
			pct = fmt.Sprintf("%.1f", 100*float64(c.line)/float64(c.lineOf))
		}
		fmt.Fprintf(tw, "%s\t%d/%d\t%d/%d\t%d\t%s\t%d\t%d/%d\t%d/%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name,
			c.accepted, c.accept, c.rejected, c.reject, c.line, pct, c.stable, c.info, c.infoOf, c.entries, c.entriesOf,
			c.stage[StageTyped], c.stage[StageCore], c.stage[StageExec], c.stage[StageSSA], c.stage[StageEBPF], c.stage[StageKernel],
			c.stfOf, c.stf[Typed], c.stf[Core], c.stf[BMv2], c.stf[SSA], c.faults)
	}
	for _, a := range archs {
		line(a, by[a])
	}
	line("all", all)
	return tw.Flush()
}

// KernelSummary prints how many of the packet tests that pass on the reference at
// core pass in the kernel, by architecture.
func KernelSummary(w io.Writer, programs []Program, results []Result) {
	type tally struct{ of, xdp, tc int }
	by := map[string]*tally{}
	for i := range programs {
		p, r := &programs[i], &results[i]
		if r.STF[Core] != Passed {
			continue
		}
		for _, name := range []string{p.Arch, "all"} {
			t := by[name]
			if t == nil {
				t = &tally{}
				by[name] = t
			}
			t.of++
			if r.Kernel[0] == Passed {
				t.xdp++
			}
			if r.Kernel[1] == Passed {
				t.tc++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		t := by[name]
		fmt.Fprintf(w, "packet tests in the kernel, %s: %d pass on the reference, %d on xdp, %d on tc\n", name, t.of, t.xdp, t.tc)
	}
}

// LoadRatchet reads the totals that may only rise.
func LoadRatchet(dir string) ([]Total, error) {
	_, rows, err := readTSV(filepath.Join(dir, ratchetFile), ratchetHeader)
	if err != nil {
		return nil, err
	}
	var out []Total
	for _, r := range rows {
		n, err1 := strconv.Atoi(r[1])
		of, err2 := strconv.Atoi(r[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%s: %s: no number", ratchetFile, r[0])
		}
		out = append(out, Total{r[0], n, of})
	}
	return out, nil
}

// SaveRatchet writes totals.
func SaveRatchet(dir string, totals []Total) error {
	var rows []string
	for _, t := range totals {
		rows = append(rows, row(t.Name, strconv.Itoa(t.Count), strconv.Itoa(t.Of)))
	}
	return writeTSV(filepath.Join(dir, ratchetFile), "", ratchetHeader, rows)
}

// Fallen lists the totals of now that are below those of old. Totals of stages
// beyond limit cannot be had on this machine and do not count.
func Fallen(old, now []Total, limit Stage) []string {
	have := map[string]Total{}
	for _, t := range now {
		have[t.Name] = t
	}
	var out []string
	for _, t := range old {
		if s, err := ParseStage(t.Name); err == nil && s > limit {
			continue
		}
		if n := have[t.Name]; n.Count < t.Count {
			out = append(out, fmt.Sprintf("%s: %d, the ratchet is at %d", t.Name, n.Count, t.Count))
		}
	}
	return out
}
