package mutants

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"
)

// Report is a whole run.
type Report struct {
	Seed       uint64
	Statements int // that were drawn from
	Results    []*Result
	Broken     []string // packages whose tests fail without a fault
}

// Counts gives how many were drawn, caught, survived and are equivalent.
func (r *Report) Counts() (drawn, caught, survived, equivalent int) {
	for _, x := range r.Results {
		switch x.Outcome {
		case Caught:
			caught++
		case Survived:
			survived++
		case Equivalent:
			equivalent++
		}
	}
	return len(r.Results), caught, survived, equivalent
}

// Rate is the share caught of those that are not equivalent.
func (r *Report) Rate() float64 {
	drawn, caught, _, equivalent := r.Counts()
	if drawn == equivalent {
		return 1
	}
	return float64(caught) / float64(drawn-equivalent)
}

// Summary is a result on one line.
func (x *Result) Summary() string {
	s := fmt.Sprintf("%-10s %s:%d %s: %s", x.Outcome, x.File, x.Line, x.Function, x.Kind)
	if x.By != "" {
		s += "; by " + x.By
	}
	return s + fmt.Sprintf(" [%d packages, tests %v, build %v]", x.Ran, x.Tests.Round(100*time.Millisecond), x.Build.Round(100*time.Millisecond))
}

// WriteText prints who caught how many, the survivors and the equivalents as
// diffs, and the sum.
func (r *Report) WriteText(w io.Writer) error {
	by, kinds := map[string]int{}, map[string][2]int{}
	for _, x := range r.Results {
		k := kinds[x.Kind]
		k[0]++
		if x.Outcome == Caught {
			test, _, _ := strings.Cut(x.By, " ")
			by[test]++
			k[1]++
		}
		kinds[x.Kind] = k
	}
	fmt.Fprintln(w, "caught by:")
	for _, t := range keys(by) {
		fmt.Fprintf(w, "  %3d %s\n", by[t], t)
	}
	fmt.Fprintln(w, "by kind of change (caught of drawn):")
	for _, k := range keys(kinds) {
		fmt.Fprintf(w, "  %3d of %3d %s\n", kinds[k][1], kinds[k][0], k)
	}
	for _, x := range r.Results {
		if x.Outcome != Caught {
			fmt.Fprintf(w, "%s %s:%d %s: %s\n%s", x.Outcome, x.File, x.Line, x.Function, x.Kind, x.Diff)
			if x.Proof != "" {
				fmt.Fprintf(w, "  proof: %s\n", x.Proof)
			}
		}
	}
	for _, b := range r.Broken {
		fmt.Fprintf(w, "fails without a fault, so it caught nothing: %s\n", b)
	}
	drawn, caught, survived, equivalent := r.Counts()
	_, err := fmt.Fprintf(w, "seed %d: %d faults of %d statements, %d caught, %d survived, %d equivalent: %.1f %%\n",
		r.Seed, drawn, r.Statements, caught, survived, equivalent, 100*r.Rate())
	return err
}

// WriteJSON prints everything.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
