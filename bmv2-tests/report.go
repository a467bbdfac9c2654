package bmv2tests

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// same tells whether two engines sent the same packets in the same order.
func same(a, b []packetcase.Packet) bool {
	return slices.EqualFunc(a, b, func(x, y packetcase.Packet) bool {
		return x.Port == y.Port && bytes.Equal(x.Data, y.Data)
	})
}

// report shows what came in, what was expected and what received side by side.
func report(engine string, in packetcase.Packet, want, got []packetcase.Packet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "in %d %x\n", in.Port, in.Data)
	fmt.Fprintf(&b, "    %-20s %-34s %s\n", "", "expected", "received by "+engine)
	for i := range max(len(want), len(got), 1) {
		w, g := at(want, i), at(got, i)
		line(&b, "out", portOf(w), portOf(g))
		for _, p := range parts(w, g) {
			line(&b, p.Name, hexAt(w, p), hexAt(g, p))
		}
	}
	return b.String()
}

func line(b *strings.Builder, name, want, got string) {
	mark := " "
	if want != got {
		mark = "!"
	}
	fmt.Fprintf(b, "  %s %-20s %-34s %s\n", mark, name, want, got)
}

func at(ps []packetcase.Packet, i int) *packetcase.Packet {
	if i < len(ps) {
		return &ps[i]
	}
	return nil
}

func portOf(p *packetcase.Packet) string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprintf("port %d, %d bytes", p.Port, len(p.Data))
}

// parts cuts both packets where the fields of the expected one begin.
func parts(w, g *packetcase.Packet) []packetcase.Part {
	var long int
	var lead []byte
	for _, p := range []*packetcase.Packet{g, w} {
		if p != nil {
			long, lead = max(long, len(p.Data)), p.Data
		}
	}
	ps := packetcase.Describe(lead)
	for off := len(lead); off < long; off += 16 {
		ps = append(ps, packetcase.Part{Name: fmt.Sprintf("%04x", off), Off: off, Len: min(16, long-off)})
	}
	return ps
}

func hexAt(p *packetcase.Packet, part packetcase.Part) string {
	if p == nil || part.Off >= len(p.Data) {
		return "-"
	}
	return fmt.Sprintf("%x", p.Data[part.Off:min(part.Off+part.Len, len(p.Data))])
}

// diffStates lists the readings that differ.
func diffStates(engine string, want, got State) string {
	var b strings.Builder
	keys := slices.Collect(maps.Keys(want))
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	word := func(s string) string {
		if s == "" {
			return "zero"
		}
		return s
	}
	for _, k := range keys {
		if want[k] != got[k] {
			fmt.Fprintf(&b, "%s: %s: %s, expected %s\n", engine, k, word(got[k]), word(want[k]))
		}
	}
	return b.String()
}

// traceOf is what ir/exec says about a packet, for reports. State that earlier
// packets left is that of now.
func (e *execEngine) traceOf(p packetcase.Packet) string {
	r := e.m.Process(exec.Packet{Port: p.Port, Data: p.Data, Trace: true})
	var b strings.Builder
	b.WriteString("ir/exec:\n")
	for _, ev := range r.Trace {
		fmt.Fprintf(&b, "  %s", ev)
		if ev.Pos.IsValid() {
			fmt.Fprintf(&b, " (line %d)", ev.Pos.Line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
