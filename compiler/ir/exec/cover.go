package exec

import (
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Point is a place in the program and how often it ran.
type Point struct {
	// Kind is "state", "select", "action", "hit", "miss", "then", "else", "case",
	// "ok", "bad" and "skipped" (of a checksum).
	Kind string
	Name string // state, table, action, or what the branch tests
	File string
	Line int
	// Count is the number of executions by all packets.
	Count uint64
}

type point struct {
	Point
	n atomic.Uint64
}

// point registers a place; -1 when coverage is off.
func (k *compiler) point(kind, name string, p ir.Pos) int {
	if !k.m.opts.Coverage {
		return -1
	}
	pt := &point{Point: Point{Kind: kind, Name: name, Line: int(p.Line)}}
	if p.IsValid() && p.File >= 0 && int(p.File) < len(k.p.Files) {
		pt.File = k.p.Files[p.File].Path
	}
	k.m.cover = append(k.m.cover, pt)
	return len(k.m.cover) - 1
}

// count is a statement that counts point n, nil when coverage is off.
func (k *compiler) count(n int) stmt {
	if n < 0 {
		return nil
	}
	pt := k.m.cover[n]
	return func(*ctx) status {
		pt.n.Add(1)
		return next
	}
}

// hitPoint counts point n, which may be -1.
func (c *ctx) hitPoint(n int) {
	if n >= 0 {
		c.m.cover[n].n.Add(1)
	}
}

// Coverage lists every place of the program, in order of its blocks, with how
// often it ran; nil without Options.Coverage.
func (m *Machine) Coverage() []Point {
	var ps []Point
	for _, p := range m.cover {
		q := p.Point
		q.Count = p.n.Load()
		ps = append(ps, q)
	}
	return ps
}
