// Package differ runs one P4 program on every engine of p4nic and tells where
// they differ: ir/exec on the typed and the core program, bmv2 JSON written and
// read again, the SSA interpreter plain and optimised, the kernel at XDP and tc.
// The yardstick is ir/exec on the core program. It also holds that source and IR
// are printed and parsed without change.
//
// In: P4 source, entries and packets. Out: nothing, or the first Failure, with
// the guilty pass or optimisation and a small reproducer on demand; figures.
// Must not import: runtime, nicctl.
package differ

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Case is a program with entries, in the notation of packetcase, and packets.
type Case struct {
	Source  string
	Entries string
	Control string // the same, of what is programmed besides tables
	Packets []packetcase.Packet
	// NoKernel says why the kernel cannot do what the program says, "" when it can.
	NoKernel string
}

// Failure is a difference, or a fault of a compiler phase or engine.
type Failure struct {
	Stage  string // "front", "print", "exec-typed", "xdp", ...
	What   string // what went wrong, first line short
	Packet int    // index of the packet that shows it; -1 for none
}

func (f *Failure) Error() string { return f.Stage + ": " + f.What }

// Class is what failures with the same cause have in common, for shrinking:
// stage and message without names and numbers.
func (f *Failure) Class() string {
	line, _, _ := strings.Cut(f.What, "\n")
	return f.Stage + ": " + digits.ReplaceAllString(line, "#")
}

var digits = regexp.MustCompile(`[A-Za-z_.]*[0-9]+[A-Za-z_.0-9]*`)

// Figures of runs.
type Figures struct {
	Programs, Packets int
	Sent              int                       // packets that reached the deparser
	Accepted          int                       // packets that the parser took without error
	Runs              map[string]int            // programs by engine
	Refused           map[string]map[string]int // engine -> construct -> programs
}

// NewFigures are all zero.
func NewFigures() *Figures {
	return &Figures{Runs: map[string]int{}, Refused: map[string]map[string]int{}}
}

// Add adds the figures of another run.
func (f *Figures) Add(o *Figures) {
	f.Programs += o.Programs
	f.Packets += o.Packets
	f.Sent += o.Sent
	f.Accepted += o.Accepted
	for e, n := range o.Runs {
		f.Runs[e] += n
	}
	for e, m := range o.Refused {
		for c, n := range m {
			f.refuse(e, c, n)
		}
	}
}

func (f *Figures) refuse(engine, construct string, n int) {
	if f.Refused[engine] == nil {
		f.Refused[engine] = map[string]int{}
	}
	f.Refused[engine][construct] += n
}

// Engines to run; all but Kernel are always there.
type Engines struct {
	Kernel bool // needs CAP_BPF
	// Only names the one engine to run besides the reference, "" for all.
	Only string
}

func (e Engines) has(name string, kernel bool) bool {
	return (e.Kernel || !kernel) && (e.Only == "" || e.Only == name || e.Only == "json" && strings.HasPrefix(name, "json"))
}

// refusal is the construct that an engine refuses, "" for other errors.
func refusal(err error) string {
	if u, ok := errors.AsType[*ssa.Unsupported](err); ok {
		return general(u.Construct) + ": " + general(u.Reason)
	}
	if u, ok := errors.AsType[*ebpf.Unsupported](err); ok {
		return general(u.Construct) + ": " + general(u.Reason)
	}
	if u, ok := errors.AsType[*exec.Unsupported](err); ok {
		return general(u.Construct) + ": " + general(u.Reason)
	}
	if u, ok := errors.AsType[*bmv2.Error](err); ok {
		return general(u.Construct) + ": " + general(u.Reason)
	}
	return ""
}

// general leaves names and numbers out of a text.
func general(s string) string {
	return digits.ReplaceAllStringFunc(s, func(w string) string {
		switch w {
		case "bmv2", "64", "512":
			return w
		}
		return "#"
	})
}

// Run plays a case on all engines and adds to the figures; nil when all agree.
func Run(c *Case, e Engines, fig *Figures) *Failure {
	p, fail := compile(c.Source)
	if fail != nil {
		return fail
	}
	if e.Only == "" || e.Only == "print" {
		if fail := printed(c.Source, p); fail != nil {
			return fail
		}
	}
	return p.run(c, e, fig)
}

func (p *compiled) run(c *Case, e Engines, fig *Figures) *Failure {
	s, err := newSetup(p.prog.Core, c.Entries, c.Control)
	if err != nil {
		return &Failure{Stage: "entries", What: err.Error(), Packet: -1}
	}
	want, fail := p.reference(c, s, fig)
	if fail != nil || want == nil {
		return fail
	}
	for _, k := range bmv2tests.Kinds() {
		if k.JSON || !e.has(k.Name, k.Kernel) {
			continue
		}
		if k.Kernel && c.NoKernel != "" {
			fig.refuse(k.Name, c.NoKernel, 1)
			continue
		}
		level := p.prog.Core
		if k.Name == "exec-typed" {
			level = p.prog.Typed
		}
		if fail := want.against(k.Name, p.prog, level, s, k.New, fig); fail != nil {
			return fail
		}
	}
	return p.json(c, e, s, want, fig)
}

// json plays the case on what comes back from bmv2 JSON.
func (p *compiled) json(c *Case, e Engines, s *setup, want *recorded, fig *Figures) *Failure {
	if !e.has("json-exec", false) && !e.has("json-ssa", false) {
		return nil
	}
	js, err := bmv2.Export(p.prog.Core)
	if err != nil {
		if r := refusal(err); r != "" {
			fig.refuse("json", r, 1)
			return nil
		}
		return &Failure{Stage: "json", What: "export: " + err.Error(), Packet: -1}
	}
	q, err := bmv2.Import(js, p.prog.Info, p.prog.Name)
	if err != nil {
		return &Failure{Stage: "json", What: "import: " + err.Error(), Packet: -1}
	}
	back := &bmv2tests.Program{Name: p.prog.Name, Core: q, Info: p.prog.Info}
	for _, k := range bmv2tests.Kinds() {
		name := map[string]string{"exec-json": "json-exec", "ssa-json": "json-ssa"}[k.Name]
		if name == "" || !e.has(name, false) {
			continue
		}
		base := bmv2tests.Reference().New
		if name == "json-ssa" {
			base = kind("ssa-optimised")
		}
		fail := want.against(name, p.prog, q, s, func(_ *bmv2tests.Program, content []packetcase.Content) (bmv2tests.Engine, error) {
			return bmv2tests.From(p.prog, back, content, base)
		}, fig)
		if fail != nil {
			return fail
		}
	}
	return nil
}

func kind(name string) func(*bmv2tests.Program, []packetcase.Content) (bmv2tests.Engine, error) {
	for _, k := range bmv2tests.Kinds() {
		if k.Name == name {
			return k.New
		}
	}
	panic(fmt.Sprintf("differ: no engine %s", name))
}

// Short is the first line of a failure.
func (f *Failure) Short() string {
	line, _, _ := strings.Cut(f.Error(), "\n")
	return line[:min(len(line), 300)]
}
