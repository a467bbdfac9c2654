package nicctl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// packetTrace is what happened to one packet, as it is printed.
type packetTrace struct {
	Frame   uint64        `json:"frame,omitempty"` // of a capture, from 1
	Port    uint32        `json:"port"`
	Bytes   int           `json:"bytes"`
	Steps   []traceStep   `json:"steps"`
	Outputs []traceOutput `json:"outputs"`
	Drop    string        `json:"drop,omitempty"` // why nothing came out
}

// traceStep is one step of the packet or of a copy of it.
type traceStep struct {
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail,omitempty"`
	At     string `json:"at,omitempty"` // FILE:LINE of the program
	// Copy is the packet that the step is of, 0 the one that came in; a step of
	// kind copy makes the one with number Made.
	Copy int `json:"copy,omitempty"`
	Made int `json:"made,omitempty"`
}

type traceOutput struct {
	Port uint32 `json:"port"`
	Data string `json:"data"` // hexadecimal
}

func newTrace(p *ir.Program, in *exec.Packet, r *exec.Result) packetTrace {
	t := packetTrace{Port: in.Port, Bytes: len(in.Data), Steps: []traceStep{}, Outputs: []traceOutput{}}
	for _, e := range r.Trace {
		s := traceStep{Kind: e.Kind, Name: e.Name, Detail: e.Detail, Copy: e.Copy, Made: e.Made}
		if e.Pos.IsValid() && int(e.Pos.File) < len(p.Files) {
			s.At = fmt.Sprintf("%s:%d", filepath.Base(p.Files[e.Pos.File].Path), e.Pos.Line)
		}
		t.Steps = append(t.Steps, s)
	}
	for _, o := range r.Outputs {
		t.Outputs = append(t.Outputs, traceOutput{o.Port, hex.EncodeToString(o.Data)})
	}
	if r.Dropped {
		t.Drop = r.Reason
	}
	return t
}

// print writes a line a step: what, and where in the program. Steps of copies are
// under the step that made them, indented by generation.
func (t packetTrace) print(w io.Writer) error {
	head := fmt.Sprintf("port %d, %d bytes", t.Port, t.Bytes)
	if t.Frame > 0 {
		head = fmt.Sprintf("frame %d of %s", t.Frame, head)
	}
	var b strings.Builder
	fmt.Fprintln(&b, head)
	children := map[int][]traceStep{}
	for _, s := range t.Steps {
		children[s.Copy] = append(children[s.Copy], s)
	}
	var steps func(packet, depth int)
	steps = func(packet, depth int) {
		for _, s := range children[packet] {
			text := strings.Repeat("  ", depth) + s.Kind
			if s.Name != "" {
				text += " " + s.Name
			}
			if s.Detail != "" {
				text += ": " + s.Detail
			}
			if s.At != "" {
				text = fmt.Sprintf("%-70s %s", text, s.At)
			}
			fmt.Fprintln(&b, text)
			if s.Made > 0 {
				steps(s.Made, depth+1)
			}
		}
	}
	steps(0, 1)
	for _, o := range t.Outputs {
		fmt.Fprintf(&b, "  -> port %d %s\n", o.Port, o.Data)
	}
	if t.Drop != "" {
		fmt.Fprintf(&b, "  dropped: %s\n", t.Drop)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func newTraceCommand() *cobra.Command {
	var f runFlags
	var port uint32
	var packet string
	cmd := &cobra.Command{
		Use:   "trace PROGRAM",
		Short: "Show what a program does with a packet, step by step",
		Long: `Show what a program does with a packet, step by step: parser states, headers, table
keys, hits and misses, actions with their arguments, fields that change, copies,
outputs, the reason of a drop; each with its line of the program. The packet runs in
the simulator on tables that --entries fills: nothing else changes.

The program is a bundle, P4 source, or bmv2 JSON with its P4Info; entries are as in
nicctl run, which traces captures.`,
		Example: `  nicctl trace router.p4 --entries entries.txt --port 1 --packet 020000000001020000000002080045...
  nicctl trace router.nicpkg --port 1 --packet ffffffffffff0200000000020806 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(f.output); err != nil {
				return err
			}
			if packet == "" {
				return usageError{errors.New("--packet is missing")}
			}
			data, err := hex.DecodeString(strings.Join(strings.Fields(packet), ""))
			if err != nil {
				return usageError{fmt.Errorf("--packet: %w", err)}
			}
			l, err := loadProgram(cmd, f.src, args[0], f.p4info)
			if err != nil {
				return err
			}
			content, err := f.content(l)
			if err != nil {
				return err
			}
			m, err := newMachine(l.core, content, nil)
			if err != nil {
				return err
			}
			in := exec.Packet{Port: port, Data: data, Trace: true, Now: 1}
			r := m.Process(in)
			t := newTrace(l.core, &in, &r)
			return render(cmd.OutOrStdout(), f.output, t, t.print)
		},
	}
	f.src.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.p4info, "p4info", "", "P4Info `FILE` of a .json program")
	fl.StringArrayVar(&f.entries, "entries", nil, "fill tables from `FILE`; may be repeated")
	fl.Uint32Var(&port, "port", 0, "`NUMBER` of the port that the packet comes in by")
	fl.StringVar(&packet, "packet", "", "the packet in hexadecimal, blanks allowed: `HEX`")
	registerOutput(cmd, &f.output)
	return cmd
}

// newMachine makes a simulator of the program with content in its tables.
func newMachine(p *ir.Program, content []dataplane.Content, log func(string)) (*exec.Machine, error) {
	m, err := exec.New(p, exec.Options{Log: log})
	if err != nil {
		return nil, err
	}
	for i, c := range content {
		if err := m.Load(i, c.Entries, c.Default); err != nil {
			return nil, fmt.Errorf("table %s: %w", p.Tables[i].Name, err)
		}
	}
	return m, nil
}
