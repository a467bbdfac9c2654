package bmv2tests

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Coverage collects what cases of one program run: the points that ir/exec
// counts (parser states, select cases, actions, hits and misses, branch sides,
// checksum outcomes) and every action of every table, as an entry's and as the
// default.
type Coverage struct {
	prog   *ir.Program
	points []exec.Point // sums
	pairs  map[tableAction]bool
}

type tableAction struct {
	table, action string
	hit           bool
}

// NewCoverage is an empty collection for a program of any level.
func NewCoverage(p *ir.Program) *Coverage {
	return &Coverage{prog: p, pairs: map[tableAction]bool{}}
}

// Play runs packets on the program with the given content.
func (c *Coverage) Play(content []packetcase.Content, in []packetcase.Packet) error {
	e, err := newExec(c.prog, content, true)
	if err != nil {
		return err
	}
	for _, p := range in {
		r := e.m.Process(exec.Packet{Port: p.Port, Data: p.Data, Trace: true})
		for i := 0; i+1 < len(r.Trace); i++ {
			if t := r.Trace[i]; t.Kind == "table" {
				hit := strings.HasPrefix(t.Detail, "hit")
				c.pairs[tableAction{t.Name, r.Trace[i+1].Name, hit}] = true
			}
		}
	}
	ps := e.m.Coverage()
	if c.points == nil {
		c.points = ps
		return nil
	}
	for i := range ps {
		c.points[i].Count += ps[i].Count
	}
	return nil
}

// Missing lists what never ran, by name and P4 line, and how many places there
// are in all.
func (c *Coverage) Missing() (missing []string, all int) {
	for _, p := range c.points {
		if p.Count == 0 {
			missing = append(missing, fmt.Sprintf("%s:%d: %s %s", p.File, p.Line, p.Kind, p.Name))
		}
	}
	all = len(c.points)
	for _, t := range c.prog.Tables {
		for i, ref := range t.Actions {
			var want []tableAction
			if !ref.DefaultOnly && len(t.Keys) > 0 && (!t.ConstEntries || hasEntry(t, i)) {
				want = append(want, tableAction{t.Name, ref.Action.Name, true})
			}
			if _, def, err := t.Initial(); err == nil && def.Action == i {
				want = append(want, tableAction{t.Name, ref.Action.Name, false})
			}
			for _, w := range want {
				all++
				if !c.pairs[w] {
					how := "as the default"
					if w.hit {
						how = "of an entry"
					}
					missing = append(missing, fmt.Sprintf("%s: table %s: action %s %s", place(c.prog, t.Pos), w.table, w.action, how))
				}
			}
		}
	}
	return missing, all
}

func hasEntry(t *ir.Table, action int) bool {
	es, _, err := t.Initial()
	return err == nil && slices.ContainsFunc(es, func(e ir.Entry) bool { return e.Action == action })
}

func place(p *ir.Program, pos ir.Pos) string {
	if !pos.IsValid() || pos.File < 0 || int(pos.File) >= len(p.Files) {
		return "?"
	}
	return fmt.Sprintf("%s:%d", p.Files[pos.File].Path, pos.Line)
}
