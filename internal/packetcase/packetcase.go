// Package packetcase reads packet cases: a program, what its tables hold, and
// packets with what must become of them, in one txtar file. Every engine's
// tests play the same files.
//
// In: txtar text. Out: *Case, entries in machine form, comparison of packets.
// Must not import: an engine, runtime.
//
// Sections of the file:
//
//	-- program.ir --     the program as ir text, or
//	-- program.p4 --     as source, which the caller compiles (Case.P4)
//	-- entries --        optional; a line is one of
//	    TABLE KEY=VALUE... [prio=N] -> ACTION(ARG, ...), member=ID or group=ID
//	    default TABLE -> ACTION(ARG, ...)
//	-- control --        optional; what is programmed besides tables: ParseControl
//	-- packets --        lines
//	    in PORT FRAME
//	    out PORT FRAME   expected of the last in; several: in this order
//	    drop             nothing is expected of the last in
//	-- names --          optional; lines NAME VALUE: $NAME in entries and packets is VALUE
//
// FRAME is hexadecimal bytes, in expectations with * for any nibble, or layers
// (see ParseFrame): eth dst=... / ipv4 ttl=1 ... / udp. A line that begins with /
// continues the one before.
//
// TABLE, KEY and ACTION are control-plane names or an unambiguous last part of
// one, whole components. VALUE is N (exact, optional), N/LEN (lpm), N&&&MASK
// (ternary), LO..HI (range); plain N is a full match for every kind; a key that
// is not named is a don't-care, an error where the kind has none. Numbers are
// decimal, 0x hexadecimal, an IPv4, IPv6 or MAC address; negative for int<W>.
// # begins a comment. Entries of the program come first, with handles from 1 in
// each table; those of the file continue them.
package packetcase

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Content is what one table holds.
type Content struct {
	Entries []ir.Entry // handles from 1
	Default ir.Entry   // handle 0
}

// Packet is a packet on a port. In expectations bits outside Mask are free; a
// nil Mask means all bits count.
type Packet struct {
	Port uint32
	Data []byte
	Mask []byte
}

// Step is one packet in and what must come out, nothing for a drop.
type Step struct {
	Line int // in the txtar section packets
	In   Packet
	Want []Packet
}

// Case is one file.
type Case struct {
	Name    string
	IR      []byte // section program.ir, nil when absent
	P4      []byte // section program.p4, nil when absent
	Entries string // section entries
	Steps   []Step
	Files   map[string][]byte // all sections
}

// Load reads the file.
func Load(path string) (*Case, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return c, nil
}

// Parse reads a case from its text.
func Parse(src []byte) (*Case, error) {
	a := txtar.Parse(src)
	c := &Case{Files: map[string][]byte{}}
	for _, f := range a.Files {
		if _, ok := c.Files[f.Name]; ok {
			return nil, fmt.Errorf("section %s occurs twice", f.Name)
		}
		c.Files[f.Name] = f.Data
	}
	c.IR, c.P4 = c.Files["program.ir"], c.Files["program.p4"]
	names, err := parseNames(string(c.Files["names"]))
	if err != nil {
		return nil, err
	}
	c.Entries = names.Replace(string(c.Files["entries"]))
	c.Steps, err = ParsePackets(names.Replace(string(c.Files["packets"])))
	return c, err
}

// parseNames reads a names section. Longer names come first, so that none hides
// one that begins with it.
func parseNames(text string) (*strings.Replacer, error) {
	var names [][2]string
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		switch len(f) {
		case 0:
		case 2:
			names = append(names, [2]string{"$" + f[0], f[1]})
		default:
			return nil, fmt.Errorf("names:%d: expected NAME VALUE", i+1)
		}
	}
	slices.SortStableFunc(names, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var pairs []string
	for _, n := range names {
		pairs = append(pairs, n[0], n[1])
	}
	return strings.NewReplacer(pairs...), nil
}

// Program parses section program.ir and the entries for it.
func (c *Case) Program() (*ir.Program, []Content, error) {
	if c.IR == nil {
		return nil, nil, fmt.Errorf("no section program.ir")
	}
	p, err := ir.Parse("program.ir", c.IR)
	if err != nil {
		return nil, nil, err
	}
	content, err := ParseEntries(p, c.Entries)
	return p, content, err
}

// ParsePackets reads a packets section.
func ParsePackets(text string) ([]Step, error) {
	var steps []Step
	dropped := false
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], "#")
	}
	for i := len(lines) - 1; i > 0; i-- {
		if strings.HasPrefix(strings.TrimSpace(lines[i]), "/") {
			lines[i-1] += " " + lines[i]
			lines[i] = ""
		}
	}
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		fail := func(format string, args ...any) ([]Step, error) {
			return nil, fmt.Errorf("packets:%d: %s", i+1, fmt.Sprintf(format, args...))
		}
		if f[0] != "in" && len(steps) == 0 {
			return fail("%s before the first in", f[0])
		}
		switch f[0] {
		case "in":
			p, err := parsePacket(f, false)
			if err != nil {
				return fail("%v", err)
			}
			steps = append(steps, Step{Line: i + 1, In: p})
			dropped = false
		case "out":
			p, err := parsePacket(f, true)
			if err != nil {
				return fail("%v", err)
			}
			if dropped {
				return fail("out after drop")
			}
			s := &steps[len(steps)-1]
			s.Want = append(s.Want, p)
		case "drop":
			if len(f) > 1 || len(steps[len(steps)-1].Want) > 0 {
				return fail("drop stands alone")
			}
			dropped = true
		default:
			return fail("unknown word %q", f[0])
		}
	}
	return steps, nil
}

func parsePacket(f []string, masked bool) (p Packet, err error) {
	if len(f) < 2 {
		return p, fmt.Errorf("expected %s PORT FRAME", f[0])
	}
	port, err := strconv.ParseUint(f[1], 0, 32)
	if err != nil {
		return p, fmt.Errorf("port %q: %w", f[1], err)
	}
	p.Port = uint32(port)
	h := strings.Join(f[2:], "")
	if masked && strings.Contains(h, "*") {
		data := strings.ReplaceAll(h, "*", "0")
		mask := []byte(h)
		for i, c := range mask {
			if mask[i] = 'f'; c == '*' {
				mask[i] = '0'
			}
		}
		if p.Mask, err = hex.DecodeString(string(mask)); err != nil {
			return p, err
		}
		p.Data, err = hex.DecodeString(data)
		return p, err
	}
	p.Data, err = ParseFrame(strings.Join(f[2:], " "))
	return p, err
}

// Diff tells how got differs from what s wants, "" when it does not.
func (s *Step) Diff(got []Packet) string {
	if len(got) == len(s.Want) {
		same := true
		for i, w := range s.Want {
			same = same && w.Port == got[i].Port && equalMasked(w, got[i].Data)
		}
		if same {
			return ""
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "packets:%d: in %d %x\n", s.Line, s.In.Port, s.In.Data)
	render(&b, "want", s.Want)
	render(&b, "got ", got)
	return b.String()
}

func equalMasked(w Packet, got []byte) bool {
	if len(w.Data) != len(got) {
		return false
	}
	if w.Mask == nil {
		return bytes.Equal(w.Data, got)
	}
	for i := range got {
		if (got[i]^w.Data[i])&w.Mask[i] != 0 {
			return false
		}
	}
	return true
}

func render(b *strings.Builder, word string, ps []Packet) {
	if len(ps) == 0 {
		fmt.Fprintf(b, "  %s drop\n", word)
	}
	for _, p := range ps {
		fmt.Fprintf(b, "  %s out %d %x", word, p.Port, p.Data)
		if p.Mask != nil {
			fmt.Fprintf(b, " mask %x", p.Mask)
		}
		b.WriteByte('\n')
	}
}
