package kernel

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// SetValueSet replaces the members of a parser value set.
func (p *Plane) SetValueSet(index int, members [][]ir.Match) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetValueSet(index, members)
}

// SetValueSet writes the members as rows beside those that packets see, which one
// store then replaces.
func (g *generation) SetValueSet(index int, members [][]ir.Match) error {
	if index < 0 || index >= len(g.sets) {
		return fmt.Errorf("there is no value set %d", index)
	}
	t := g.sets[index]
	entries, err := t.l.Members(members)
	if err != nil {
		return err
	}
	t.entries, t.dirty = entries, true
	return t.flip()
}

// openValueSets maps the rows of the program's value sets.
func (g *generation) openValueSets() error {
	for _, l := range g.layout.ValueSets {
		t, err := g.openTable(l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.IR.Name, err)
		}
		g.sets = append(g.sets, t)
	}
	return nil
}
