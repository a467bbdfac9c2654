// Package matrix says of each id of docs/checklists and docs/decisions.md which
// tests cite it: `make matrix`. In: the tree as files. Out: a state for each id,
// and the faults of the citations themselves. It imports nothing of the product
// and runs no test: what is said here is that a test exists and names the id;
// that the test passes is `make test`'s to say.
//
// docs/testing.md tells how to cite an id and how to waive one.
package matrix

import (
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// State is what is known of an id.
type State string

const (
	Tested State = "tested" // a test cites it
	Waived State = "waived" // nobody cites it, and waivers.tsv says why that is right
	Open   State = "open"   // neither
)

// Row is one id with all that cites it.
type Row struct {
	ID      string   `json:"id"`   // as cited: "lang:L47", "fe:3", "D6"
	Page    string   `json:"page"` // where it is defined, relative to the root
	Line    int      `json:"line"`
	Text    string   `json:"text"` // how its text begins
	State   State    `json:"state"`
	Tests   []string `json:"tests,omitempty"`   // "runtime/store.TestCrash" or "compiler/parser/testdata/ast/types.txtar"
	Engines []string `json:"engines,omitempty"` // those that these tests link, see engines
	Reason  string   `json:"reason,omitempty"`  // of a waiver
}

// Matrix is the whole: rows in the order of the pages.
type Matrix struct {
	Rows   []Row   `json:"rows"`
	Faults []Fault `json:"faults,omitempty"`
}

// Fault is a citation or waiver that cannot stand.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

func (f Fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// Build reads the tree under fsys, the root of the module.
func Build(fsys fs.FS) (*Matrix, error) {
	list, err := readChecklists(fsys)
	if err != nil {
		return nil, err
	}
	cites, err := readCitations(fsys, list)
	if err != nil {
		return nil, err
	}
	waivers, err := readWaivers(fsys, list)
	if err != nil {
		return nil, err
	}
	m := &Matrix{Faults: append(cites.faults, waivers.faults...)}
	for _, it := range list.items {
		r := Row{ID: it.id, Page: it.page, Line: it.line, Text: it.text, State: Open}
		c, w := cites.by[it.id], waivers.by[it.id]
		switch {
		case c != nil:
			r.State, r.Tests, r.Engines = Tested, sorted(c.tests), sorted(c.engines)
			if w.exact {
				m.Faults = append(m.Faults, Fault{waiverFile, w.line, it.id + " is waived, but tests cite it: the waiver goes"})
			}
		case w.reason != "":
			r.State, r.Reason = Waived, w.reason
		}
		m.Rows = append(m.Rows, r)
	}
	sort.SliceStable(m.Faults, func(i, j int) bool {
		a, b := m.Faults[i], m.Faults[j]
		return a.File < b.File || a.File == b.File && a.Line < b.Line
	})
	return m, nil
}

// TestedIDs lists what is tested, in the order of the pages.
func (m *Matrix) TestedIDs() []string {
	var ids []string
	for _, r := range m.Rows {
		if r.State == Tested {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Lost lists the ids of the ratchet that no test cites any more.
func (m *Matrix) Lost(ratchet []string) []string {
	now := map[string]bool{}
	for _, id := range m.TestedIDs() {
		now[id] = true
	}
	var lost []string
	for _, id := range ratchet {
		if !now[id] {
			lost = append(lost, id)
		}
	}
	return lost
}

// RatchetFile lists the ids that were tested when it was last written.
const RatchetFile = "internal/matrix/tested.txt"

// ReadRatchet gives the ids of RatchetFile; # begins a comment.
func ReadRatchet(fsys fs.FS) ([]string, error) {
	text, err := fs.ReadFile(fsys, RatchetFile)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, l := range strings.Split(string(text), "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			ids = append(ids, l)
		}
	}
	return ids, nil
}

// FormatRatchet is the content of RatchetFile for these ids.
func FormatRatchet(ids []string) string {
	return "# Checklist ids that tests cite; written by `make matrix UPDATE=1`. A line only goes\n" +
		"# when its id goes from the checklists, or with a commit that says why.\n" +
		strings.Join(ids, "\n") + "\n"
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Strings(list)
	return list
}
