package differ

import (
	"slices"
	"strings"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/p4gen"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Made is the case of a seed with what is known of it.
type Made struct {
	Case
	Program *p4gen.Program
	Size    p4gen.Size
	p       *compiled
}

// Make makes the program of a seed, packets for it, and entries that they hit.
func Make(seed uint64, packets int) (*Made, *Failure) {
	g := p4gen.Generate(seed)
	m := &Made{Program: g, Case: Case{Source: g.Source}}
	switch {
	case slices.Contains(g.Features, "time"):
		m.NoKernel = "the kernel has a clock of its own"
	case slices.Contains(g.Features, "truncate"):
		m.NoKernel = "the kernel does not cut within headers"
	}
	p, fail := compile(g.Source)
	if fail != nil {
		return m, fail
	}
	m.p = p
	_, own, err := p4gen.Parse(g.Source)
	if err != nil {
		return m, &Failure{Stage: "front", What: err.Error(), Packet: -1}
	}
	m.Size = p4gen.Measure(own)
	core := p.prog.Core
	pk := p4gen.NewPackets(core, seed)
	for range packets {
		m.Packets = append(m.Packets, packetcase.Packet{Port: pk.Port(), Data: pk.Frame()})
	}
	var frames [][]byte
	for _, in := range m.Packets {
		frames = append(frames, in.Data)
	}
	ctl := p4gen.NewControl(core, frames, seed)
	en := p4gen.NewEntries(core, seed)
	en.Control = ctl
	for round := range 2 { // entries change which look-ups packets come to
		if err := watch(core, en, ctl, m.Packets[:min(len(m.Packets), 24)]); err != nil {
			if refusal(err) != "" {
				break // Run counts it
			}
			return m, &Failure{Stage: "entries", What: err.Error(), Packet: -1}
		}
		en.Make(5 - 2*round)
	}
	m.Entries = en.Text()
	content, err := packetcase.ParseEntries(core, m.Entries)
	if err != nil {
		return m, &Failure{Stage: "entries", What: err.Error(), Packet: -1}
	}
	var counts []int
	for _, c := range content {
		counts = append(counts, len(c.Entries))
	}
	ctl.Direct(counts)
	m.Control = ctl.Text()
	if ctl.Timed && strings.Contains(m.Control, "\nmeter ") || ctl.Timed && strings.Contains(m.Control, "\ndirect ") {
		m.NoKernel = "the kernel has a clock of its own"
	}
	return m, nil
}

// watch plays packets and tells en the keys they produce.
func watch(core *ir.Program, en *p4gen.Entries, ctl *p4gen.Control, packets []packetcase.Packet) error {
	m, err := machine(core, en.Text(), ctl.Text())
	if err != nil {
		return err
	}
	var r exec.Result
	for _, in := range packets {
		m.ProcessTo(&exec.Packet{Port: in.Port, Data: in.Data, Trace: true}, &r)
		for _, ev := range r.Trace {
			if ev.Kind == "table" {
				en.Saw(ev.Name, ev.Detail)
			}
		}
	}
	return nil
}

// machine is ir/exec with what a case has programmed.
func machine(core *ir.Program, entries, control string) (*exec.Machine, error) {
	s, err := newSetup(core, entries, control)
	if err != nil {
		return nil, err
	}
	e, err := bmv2tests.Reference().New(&bmv2tests.Program{Core: core}, s.fresh())
	if err != nil {
		return nil, err
	}
	return bmv2tests.Machine(e), s.program(e, core)
}

// Run plays the case on all engines.
func (m *Made) Run(e Engines, fig *Figures) *Failure {
	fig.Programs++
	if m.p == nil {
		return nil
	}
	if e.Only == "" || e.Only == "print" {
		if fail := printed(m.Source, m.p); fail != nil {
			return fail
		}
	}
	return m.p.run(&m.Case, e, fig)
}

// Accepted counts the packets that the parser takes without error.
func (m *Made) Accepted() int {
	if m.p == nil {
		return 0
	}
	x, err := machine(m.p.prog.Core, m.Entries, m.Control)
	if err != nil {
		return 0
	}
	n := 0
	var r exec.Result
	for _, in := range m.Packets {
		x.ProcessTo(&exec.Packet{Port: in.Port, Data: in.Data}, &r)
		if r.ParserError == 0 {
			n++
		}
	}
	return n
}

// Lookups counts the hits and misses of the packets in tables with keys.
func (m *Made) Lookups() (hits, misses int) {
	if m.p == nil {
		return 0, 0
	}
	core := m.p.prog.Core
	x, err := machine(core, m.Entries, m.Control)
	if err != nil {
		return 0, 0
	}
	var r exec.Result
	for _, in := range m.Packets {
		x.ProcessTo(&exec.Packet{Port: in.Port, Data: in.Data, Trace: true}, &r)
		for _, ev := range r.Trace {
			t := core.Table(ev.Name)
			switch {
			case ev.Kind != "table" || t == nil || len(t.Keys) == 0:
			case strings.HasPrefix(ev.Detail, "hit"):
				hits++
			default:
				misses++
			}
		}
	}
	return hits, misses
}
