package kernel

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// SetValueSet replaces the members of a parser value set. Programs that have one
// are refused (Check), so there is none.
func (p *Plane) SetValueSet(index int, members [][]ir.Match) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetValueSet(index, members)
}

func (g *generation) SetValueSet(index int, _ [][]ir.Match) error {
	return fmt.Errorf("there is no value set %d", index)
}
