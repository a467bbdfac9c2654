package corpus

import (
	"fmt"
	"io"
)

// List prints a line for every program that is not as it should be, kinds of
// faults together when sorted.
func List(w io.Writer, programs []Program, results []Result) {
	for i := range programs {
		p, r := &programs[i], &results[i]
		g := Judge(p, r)
		switch {
		case r.Verdict == Crash || r.Verdict == Timeout:
			fmt.Fprintf(w, "%-12s %s: %s\n", r.Verdict, p.Path, r.Note)
		case !g.Verdict:
			fmt.Fprintf(w, "%-12s %s:%s want line %s [%s] %s\n", "false-"+r.Verdict, p.Path, r.Line, orDash(p.Line), r.Why, r.Note)
		case p.Want == Reject && !g.Line:
			fmt.Fprintf(w, "%-12s %s:%s want line %s [%s] %s\n", "line", p.Path, r.Line, p.Line, r.Why, r.Note)
		}
		if p.Want == Accept && r.Verdict == Accept && !r.Stable {
			fmt.Fprintf(w, "%-12s %s\n", "unstable", p.Path)
		}
		if p.Want == Accept && r.Verdict == Accept {
			if r.Why != "" {
				fmt.Fprintf(w, "%-12s %s: [%s] %s\n", "stage-"+r.Stage.String(), p.Path, r.Why, r.Note)
			}
			for e, s := range r.STF {
				if p.STF != "" && s != Passed {
					fmt.Fprintf(w, "%-12s %s: %s %s\n", "stf-"+Engine(e).String(), p.Path, orDash(s), firstLine(r.Reports[e]))
				}
			}
			for h, s := range r.Kernel {
				if s != "" && s != Passed {
					fmt.Fprintf(w, "%-12s %s: %s %s\n", "stf-"+KernelHooks()[h], p.Path, s, firstLine(r.KernelReports[h]))
				}
			}
			if p.P4Info != "" && r.P4Info != "" && !g.P4Info {
				fmt.Fprintf(w, "%-12s %s\n", "p4info", p.Path)
			}
			if p.Entries != "" && r.Entries != "" && !g.Entries {
				fmt.Fprintf(w, "%-12s %s\n", "entries", p.Path)
			}
		}
	}
}

// Regressions lists what became worse since old was recorded.
func Regressions(old *Tables, programs []Program, results []Result, limit Stage) []string {
	was := map[string]*Result{}
	for i := range old.Results {
		was[old.Results[i].Path] = &old.Results[i]
	}
	var out []string
	for i := range programs {
		q := was[programs[i].Path]
		if q == nil {
			continue
		}
		for _, s := range Worse(&programs[i], q, &results[i], limit) {
			out = append(out, programs[i].Path+": "+firstLine(s))
		}
	}
	return out
}
