package differ

import (
	"slices"
	"strings"

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
	en := p4gen.NewEntries(core, seed)
	for round := range 2 { // entries change which look-ups packets come to
		if err := watch(core, en, m.Packets[:min(len(m.Packets), 24)]); err != nil {
			if refusal(err) != "" {
				break // Run counts it
			}
			return m, &Failure{Stage: "entries", What: err.Error(), Packet: -1}
		}
		en.Make(5 - 2*round)
	}
	m.Entries = en.Text()
	return m, nil
}

// watch plays packets and tells en the keys they produce.
func watch(core *ir.Program, en *p4gen.Entries, packets []packetcase.Packet) error {
	m, err := machine(core, en.Text())
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

func machine(core *ir.Program, entries string) (*exec.Machine, error) {
	content, err := packetcase.ParseEntries(core, entries)
	if err != nil {
		return nil, err
	}
	m, err := exec.New(core, exec.Options{Now: func() uint64 { return 5_000_000 }, Rand: func() uint32 { return 7 }})
	if err != nil {
		return nil, err
	}
	for i, c := range content {
		if len(core.Tables[i].Actions) == 0 {
			continue
		}
		if err := m.Load(i, c.Entries, c.Default); err != nil {
			return nil, err
		}
	}
	return m, nil
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
	x, err := machine(m.p.prog.Core, m.Entries)
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
	x, err := machine(core, m.Entries)
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
