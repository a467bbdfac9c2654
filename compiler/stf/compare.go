package stf

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/internal/packetcase"
)

// compare checks what came out against what was expected: in order for each port
// (T5), and nothing on ports without an expectation (T6).
func (p *player) compare() Result {
	var b strings.Builder
	for _, port := range p.ports {
		want, got := p.expects[port], p.got[port]
		for i := range max(len(want), len(got)) {
			var w *Command
			var g *Packet
			if i < len(want) {
				w = want[i]
			}
			if i < len(got) {
				g = &got[i]
			}
			if !fits(w, g) {
				p.difference(&b, port, i+1, w, g)
			}
		}
	}
	if p.nothing > 0 && p.total > 0 && b.Len() == 0 {
		fmt.Fprintf(&b, "%s:%d: no packet was expected, %d received\n", p.t.Name, p.nothing, p.total)
	}
	if b.Len() > 0 {
		return Result{Failed, b.String()}
	}
	return Result{Passed, ""}
}

// fits tells whether a packet is the one that is expected (T3, T4, T7).
func fits(w *Command, g *Packet) bool {
	if w == nil || g == nil {
		return false
	}
	if w.Any {
		return true
	}
	if len(g.Data) < len(w.Data) || w.Exact && len(g.Data) > len(w.Data) {
		return false
	}
	for i, v := range w.Data {
		if (g.Data[i]^v)&w.Mask[i] != 0 {
			return false
		}
	}
	return true
}

// difference shows an expected and a received packet side by side.
func (p *player) difference(b *strings.Builder, port uint32, n int, w *Command, g *Packet) {
	at := p.t.Name
	if w != nil {
		at = fmt.Sprintf("%s:%d", p.t.Name, w.Line)
	}
	fmt.Fprintf(b, "%s: packet %d on port %d\n", at, n, port)
	fmt.Fprintf(b, "    %-22s %-34s %s\n", "", "expected", "received")
	line := func(name, want, got string, bad bool) {
		mark := " "
		if bad {
			mark = "!"
		}
		fmt.Fprintf(b, "  %s %-22s %-34s %s\n", mark, name, want, got)
	}
	wantLen, gotLen := "nothing", "nothing"
	if w != nil {
		switch {
		case w.Any:
			wantLen = "any"
		case w.Exact:
			wantLen = fmt.Sprintf("%d bytes", len(w.Data))
		default:
			wantLen = fmt.Sprintf("%d bytes or more", len(w.Data))
		}
	}
	if g != nil {
		gotLen = fmt.Sprintf("%d bytes", len(g.Data))
	}
	line("length", wantLen, gotLen, w == nil || g == nil || len(g.Data) < len(w.Data) || w.Exact && len(g.Data) > len(w.Data))
	var lead []byte
	size := 0
	if g != nil {
		lead, size = g.Data, len(g.Data)
	}
	if w != nil && len(w.Data) > size {
		lead = w.Data
	}
	for _, part := range packetcase.Describe(lead) {
		want, bad := wanted(w, part.Off, part.Len, g)
		got := "-"
		if g != nil && part.Off < len(g.Data) {
			got = hex.EncodeToString(g.Data[part.Off:min(part.Off+part.Len, len(g.Data))])
		}
		line(part.Name, want, got, bad)
	}
}

// wanted is n expected bytes from off on, with * for any nibble, and whether the
// received ones differ.
func wanted(w *Command, off, n int, g *Packet) (string, bool) {
	if w == nil || w.Any || off >= len(w.Data) {
		return "-", w != nil && w.Exact && g != nil && off < len(g.Data)
	}
	var b strings.Builder
	bad := false
	for i := off; i < min(off+n, len(w.Data)); i++ {
		for _, shift := range []uint{4, 0} {
			if w.Mask[i]>>shift&15 == 0 {
				b.WriteByte('*')
			} else {
				fmt.Fprintf(&b, "%x", w.Data[i]>>shift&15)
			}
		}
		bad = bad || g == nil || i >= len(g.Data) || (g.Data[i]^w.Data[i])&w.Mask[i] != 0
	}
	return b.String(), bad
}
