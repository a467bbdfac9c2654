package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

// result is what became of one job in one guest.
type result struct {
	guest, job              string
	passed, failed, skipped []string // names of tests
	exit                    int
	text                    string
	start, seconds          float64
	done                    bool
	warnings                []string
	output                  []string
}

// collector turns the events of a guest into results.
type collector struct {
	name    string
	release string
	results []*result
	verbose io.Writer // nil, or where output goes as it comes
}

func (c *collector) see(e guest.Event) {
	switch e.Kind {
	case guest.Ready:
		c.release = e.Text
	case guest.Start:
		c.results = append(c.results, &result{guest: c.name, job: e.Job, start: e.Seconds})
	case guest.Output, guest.Warning, guest.Done:
		i := slices.IndexFunc(c.results, func(r *result) bool { return r.job == e.Job })
		if i < 0 {
			return // of no job that has begun: the guest's End will be missing too
		}
		c.results[i].see(e)
	}
	if c.verbose != nil && (e.Kind == guest.Output || e.Kind == guest.Warning) {
		fmt.Fprintf(c.verbose, "%s %s: %s\n", c.name, e.Job, e.Text)
	}
}

// summary says in a line how the jobs went.
func (c *collector) summary(allowed skips) string {
	var bad []string
	for _, r := range c.results {
		if len(r.faults(allowed)) > 0 {
			bad = append(bad, r.job)
		}
	}
	if len(bad) > 0 {
		return "FAIL: " + strings.Join(bad, ", ")
	}
	return fmt.Sprintf("%d jobs ok", len(c.results))
}

func (r *result) see(e guest.Event) {
	switch e.Kind {
	case guest.Done:
		r.done, r.exit, r.text, r.seconds = true, e.Exit, e.Text, e.Seconds-r.start
	case guest.Warning:
		r.warnings = append(r.warnings, e.Text)
	case guest.Output:
		r.output = append(r.output, e.Text)
		verdict, name, _ := strings.Cut(strings.TrimSpace(e.Text), ": ")
		name, _, _ = strings.Cut(name, " (")
		switch verdict {
		case "--- PASS":
			r.passed = append(r.passed, name)
		case "--- FAIL":
			r.failed = append(r.failed, name)
		case "--- SKIP":
			r.skipped = append(r.skipped, name)
		}
	}
}

// skips says which tests may skip, as "GUEST JOB TEST" with * for any guest.
type skips map[string]bool

func parseSkips(text string) skips {
	s := skips{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && !strings.HasPrefix(line, "#") {
			s[strings.Join(f, " ")] = true
		}
	}
	return s
}

// faults lists what is wrong with a result, one line each.
func (r *result) faults(allowed skips) []string {
	var out []string
	switch {
	case !r.done:
		out = append(out, "did not end")
	case r.text != "":
		out = append(out, r.text)
	case r.exit != 0 && len(r.failed) == 0:
		out = append(out, fmt.Sprintf("exit code %d", r.exit))
	}
	for _, t := range r.failed {
		out = append(out, "failed: "+t)
	}
	for _, t := range r.skipped {
		if !allowed[r.guest+" "+r.job+" "+t] && !allowed["* "+r.job+" "+t] {
			out = append(out, "skipped, which test/kernels/skips does not allow: "+t)
		}
	}
	if len(r.warnings) > 0 {
		out = append(out, "the kernel complained:\n    "+strings.Join(r.warnings, "\n    "))
	}
	return out
}

// report prints the table and what is wrong. It returns whether all is well.
func report(w io.Writer, all []*result, allowed skips) bool {
	good := true
	for _, r := range all {
		faults := r.faults(allowed)
		if len(faults) == 0 {
			continue
		}
		good = false
		fmt.Fprintf(w, "\n=== %s %s\n", r.guest, r.job)
		for _, line := range interesting(r) {
			fmt.Fprintf(w, "    %s\n", line)
		}
		for _, f := range faults {
			fmt.Fprintf(w, "  %s\n", f)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nguest\tjob\tresult\tpassed\tfailed\tskipped\tseconds")
	for _, r := range all {
		verdict := "ok"
		if len(r.faults(allowed)) > 0 {
			verdict = "FAIL"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%.0f\n", r.guest, r.job, verdict, len(r.passed), len(r.failed), len(r.skipped), r.seconds)
	}
	_ = t.Flush() // a terminal that is gone sees nothing
	return good
}

// interesting is the output of a job without what went well.
func interesting(r *result) []string {
	const most = 300
	var out []string
	for _, line := range r.output {
		text := strings.TrimSpace(line)
		if !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- PASS") {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-most):]
}
