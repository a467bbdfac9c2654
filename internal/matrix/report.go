package matrix

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Count is how many ids of a family are in which state.
type Count struct {
	Family  string `json:"family"` // "lang:L"
	IDs     int    `json:"ids"`
	Tested  int    `json:"tested"`
	Engines int    `json:"engines"` // of Tested: by tests that link an engine
	Waived  int    `json:"waived"`
	Open    int    `json:"open"`
}

func (c *Count) add(r Row) {
	c.IDs++
	switch r.State {
	case Tested:
		c.Tested++
		if len(r.Engines) > 0 {
			c.Engines++
		}
	case Waived:
		c.Waived++
	case Open:
		c.Open++
	}
}

// Counts gives a line for each family, in the order of the pages, then the sum.
func (m *Matrix) Counts() []Count {
	var list []Count
	sum := Count{Family: "all"}
	for _, r := range m.Rows {
		family := strings.TrimRight(r.ID, "0123456789")
		if len(list) == 0 || list[len(list)-1].Family != family {
			list = append(list, Count{Family: family})
		}
		list[len(list)-1].add(r)
		sum.add(r)
	}
	return append(list, sum)
}

// WriteCounts prints Counts as a table.
func (m *Matrix) WriteCounts(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ids\tall\ttested\ton engines\twaived\topen\t")
	for _, c := range m.Counts() {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", c.Family, c.IDs, c.Tested, c.Engines, c.Waived, c.Open)
	}
	return t.Flush()
}

// WriteRows prints the rows that keep wants: id, state, text, and the tests or
// the reason below.
func (m *Matrix) WriteRows(w io.Writer, keep func(Row) bool) error {
	for _, r := range m.Rows {
		if !keep(r) {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-10s %-6s %s\n", r.ID, r.State, r.Text); err != nil {
			return err
		}
		if r.Reason != "" {
			fmt.Fprintf(w, "%18s%s\n", "", r.Reason)
		}
		for _, t := range r.Tests {
			fmt.Fprintf(w, "%18s%s\n", "", t)
		}
		if len(r.Engines) > 0 {
			fmt.Fprintf(w, "%18s[%s]\n", "", strings.Join(r.Engines, " "))
		}
	}
	return nil
}

// WriteJSON prints the counts, the rows and the faults.
func (m *Matrix) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(struct {
		Counts []Count `json:"counts"`
		*Matrix
	}{m.Counts(), m})
}
