package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// Machine says where figures come from.
type Machine struct {
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
}

// ThisMachine describes the machine; unknown parts are empty.
func ThisMachine() Machine {
	m := Machine{Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("Linux %s, %s, %s, %d CPUs", m.Kernel, m.Arch, m.CPU, m.CPUs)
}

// Text writes the result as a table.
func (r *Result) Text(w io.Writer) error {
	barrier := ""
	if r.Barrier {
		barrier = ", with barrier"
	}
	fmt.Fprintf(w, "%s (%s)\n  %d frames of %d bytes, %d rounds of %d packets a call%s; ratios to %s\n",
		r.Title, r.Hook, r.Frames, r.FrameLen, r.Rounds, r.Packets, barrier, r.Base)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  program\tns net\t95 %\tratio\t95 %\twidth\texecuted\tstack\tinsns\tjited\t")
	for _, row := range r.Rows {
		net, ival := fmt.Sprintf("%.1f", row.Net.Mid), fmt.Sprintf("%.1f-%.1f", row.Net.Lo, row.Net.Hi)
		note := row.Note
		switch {
		case row.Name == NameEmpty:
			net, ival, note = fmt.Sprintf("(%.1f)", row.Gross.Mid), fmt.Sprintf("(%.1f-%.1f)", row.Gross.Lo, row.Gross.Hi), "gross, with the driver"
		case row.Net.Mid < 5:
			net, ival = fmt.Sprintf("%.2f", row.Net.Mid), fmt.Sprintf("%.2f-%.2f", row.Net.Lo, row.Net.Hi)
		}
		if row.Undo > 0 {
			note = strings.TrimPrefix(note+fmt.Sprintf("; %.1f ns more to undo its resizing", row.Undo), "; ")
		}
		executed, stack := "", ""
		if e := row.Executed; e != nil {
			executed, stack = fmt.Sprint(e.All), fmt.Sprint(e.Stack)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%.3f\t%.3f-%.3f\t%.1f %%\t%s\t%s\t%d\t%d\t%s\n", row.Name, net, ival,
			row.Ratio.Mid, row.Ratio.Lo, row.Ratio.Hi, 100*row.Ratio.Width(), executed, stack, row.Insns, row.Jited, note)
	}
	return t.Flush()
}

// Report is all results of one invocation.
type Report struct {
	Machine Machine   `json:"machine"`
	Results []*Result `json:"results"`
}

// JSON writes the report indented.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
