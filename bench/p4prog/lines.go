package p4prog

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/bench/insn"
)

// Line is what a packet executes for one line of P4, in the order in which it
// comes to the lines.
type Line struct {
	Text         string
	Insns, Stack int // executed; loads and stores of the stack among them
}

// Lines interprets the program for a frame and counts by line.
func (x *Program) Lines(frame []byte) ([]Line, error) {
	var lines []Line
	at := map[string]int{}
	cur := -1
	p := insn.Program{Type: x.Object.Type, Insns: x.Object.Insns, Maps: x.Maps, Visit: func(ins *asm.Instruction) {
		if s := ins.Source(); s != nil {
			text := s.String()
			i, ok := at[text]
			if !ok {
				i = len(lines)
				at[text] = i
				lines = append(lines, Line{Text: text})
			}
			cur = i
		}
		if cur < 0 {
			return
		}
		lines[cur].Insns++
		if insn.OnStack(ins) {
			lines[cur].Stack++
		}
	}}
	_, err := p.Run(frame)
	return lines, err
}

// WriteLines writes lines as a table.
func WriteLines(w io.Writer, lines []Line) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  executed\tstack\t")
	for _, l := range lines {
		fmt.Fprintf(t, "  %d\t%d\t  %s\n", l.Insns, l.Stack, l.Text)
	}
	return t.Flush()
}
