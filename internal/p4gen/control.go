package p4gen

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Control makes what a control plane programs besides tables, in the notation of
// packetcase: groups, sessions, rates, members of profiles and value sets.
type Control struct {
	r     *rand.Rand
	prog  *ir.Program
	lines []string
	// Timed tells that rates let time be seen, which the kernel has its own of.
	Timed bool

	members map[string][]uint32
	groups  map[string][]uint32
}

// NewControl draws it for a core program. Frames are those of its packets: members
// of value sets are taken from them.
func NewControl(p *ir.Program, frames [][]byte, seed uint64) *Control {
	c := &Control{r: rand.New(rand.NewPCG(seed, 0x636f6e74726f6c)), prog: p, members: map[string][]uint32{}, groups: map[string][]uint32{}}
	c.copies()
	c.Timed = c.r.IntN(4) == 0
	for _, in := range p.Instances {
		switch in.Kind() {
		case "meter":
			if n, ok := in.Args[0].(*ir.Const); ok {
				for cell := range min(n.Val.Uint64(), 16) {
					if c.r.IntN(4) > 0 {
						c.line("meter %s %d %s", in.Name, cell, c.rates(in))
					}
				}
			}
		case "action_profile", "action_selector":
			c.profile(in)
		}
	}
	for _, v := range p.ValueSets {
		c.set(v, frames)
	}
	return c
}

func (c *Control) line(format string, args ...any) {
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

// Text is what was made.
func (c *Control) Text() string {
	if len(c.lines) == 0 {
		return ""
	}
	return strings.Join(c.lines, "\n") + "\n"
}

// copies makes groups and sessions 1 to 4, of which some are left out: programs
// name those and one more.
func (c *Control) copies() {
	replicas := func(n int) string {
		var s strings.Builder
		for range n {
			fmt.Fprintf(&s, " %d:%d", c.r.IntN(8), c.r.IntN(4))
		}
		return s.String()
	}
	for id := 1; id <= 4; id++ {
		if c.r.IntN(5) > 0 {
			c.line("group %d%s", id, replicas(c.r.IntN(5)))
		}
		if c.r.IntN(5) == 0 {
			continue
		}
		s := fmt.Sprintf("session %d", id)
		if c.r.IntN(4) == 0 {
			s += fmt.Sprintf(" group=%d", 1+c.r.IntN(4))
		}
		if c.r.IntN(3) == 0 {
			s += fmt.Sprintf(" cut=%d", 1+c.r.IntN(64))
		}
		c.lines = append(c.lines, s+replicas(c.r.IntN(3)))
	}
}

// rates are CIR, CBURST, PIR, PBURST that the packets of a case use up.
func (c *Control) rates(in *ir.Instance) string {
	scale := uint64(1)
	if in.MetersBytes() {
		scale = 40
	}
	draw := func(n uint64) uint64 { return c.r.Uint64N(n * scale) }
	cir, pir := uint64(0), uint64(0)
	if c.Timed { // a packet comes every millisecond
		cir, pir = draw(600), 0
		pir = cir + draw(600)
	}
	burst := draw(10)
	return fmt.Sprintf("%d %d %d %d", cir, burst, pir, burst+draw(12))
}

// Direct gives entries of tables with direct meters rates: entries counts those of
// each table.
func (c *Control) Direct(entries []int) {
	for i, t := range c.prog.Tables {
		if t.Meters == nil {
			continue
		}
		for h := range entries[i] {
			if c.r.IntN(4) > 0 {
				c.line("direct %s %d %s", t.Name, h+1, c.rates(t.Meters))
			}
		}
	}
}

// profile makes members, and groups of a selector.
func (c *Control) profile(in *ir.Instance) {
	actions := c.prog.ProfileActions(in)
	if len(actions) == 0 {
		return
	}
	en := &Entries{r: c.r, prog: c.prog}
	t := &ir.Table{}
	for _, x := range c.prog.Tables {
		if x.Implementation == in {
			t.Actions = append(t.Actions, x.Actions...)
		}
	}
	for id := range uint32(1 + c.r.IntN(5)) {
		if a := en.action(t, false); a != "" {
			c.members[in.Name] = append(c.members[in.Name], id+1)
			c.line("member %s %d -> %s", in.Name, id+1, a)
		}
	}
	ms := c.members[in.Name]
	if in.Kind() != "action_selector" || len(ms) == 0 {
		return
	}
	for id := range uint32(1 + c.r.IntN(3)) {
		s := fmt.Sprintf("choice %s %d", in.Name, id+1)
		order := c.r.Perm(len(ms))
		for _, at := range order[:c.r.IntN(len(ms)+1)] { // some are empty
			s += fmt.Sprintf(" %d:%d", ms[at], 1+c.r.IntN(3))
		}
		c.lines = append(c.lines, s)
		c.groups[in.Name] = append(c.groups[in.Name], id+1)
	}
}

// Target is what an entry of a table with a profile refers to, "" for nothing.
func (c *Control) Target(t *ir.Table) string {
	ms, gs := c.members[t.Implementation.Name], c.groups[t.Implementation.Name]
	if n := len(ms) + len(gs); n > 0 {
		if at := c.r.IntN(n); at < len(ms) {
			return fmt.Sprintf("member=%d", ms[at])
		} else {
			return fmt.Sprintf("group=%d", gs[at-len(ms)])
		}
	}
	return ""
}

// set makes members of a value set, mostly of bytes that packets begin with.
func (c *Control) set(v *ir.ValueSet, frames [][]byte) {
	types := []ir.Type{v.Type}
	switch t := ir.Underlying(v.Type).(type) {
	case *ir.Struct:
		types = nil
		for _, f := range t.Fields {
			types = append(types, f.Type)
		}
	case *ir.Tuple:
		types = t.Elems
	}
	var seen []string
	for range c.r.IntN(min(v.Size, 6) + 1) {
		var parts []string
		for _, t := range types {
			w := ir.Width(t)
			if w < 1 {
				return
			}
			x := new(big.Int).SetUint64(uint64(c.r.IntN(8)))
			if len(frames) > 0 && c.r.IntN(4) > 0 {
				f := frames[c.r.IntN(len(frames))]
				x.SetBytes(f)
				if from := 8*len(f) - w - c.r.IntN(24); from > 0 {
					x.Rsh(x, uint(from))
				}
			}
			x.And(x, mask(w))
			if _, signed := ir.Underlying(t).(*ir.Int); signed && x.Bit(w-1) == 1 {
				x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(w)))
			}
			parts = append(parts, x.String())
		}
		if s := strings.Join(parts, ","); !slices.Contains(seen, s) {
			seen = append(seen, s)
			c.line("set %s %s", v.Name, s)
		}
	}
}
