package passes

import (
	"fmt"
	"github.com/p4nic/p4nic/compiler/pass"

	"github.com/p4nic/p4nic/compiler/ir"
)

// RunOne runs one pass of the table on p, and proves the facts that it makes.
func RunOne(name string, p *ir.Program) error {
	for _, row := range table(newFacts()) {
		if row.Name != name {
			continue
		}
		if err := row.Run(p); err != nil {
			return err
		}
		for _, f := range row.Makes {
			if f.Check == nil {
				continue
			}
			if err := f.Check(p); err != nil {
				return fmt.Errorf("fact %q: %w", f.Name, err)
			}
		}
		return nil
	}
	return fmt.Errorf("no pass %q", name)
}

// Table is the table of passes with facts of its own.
func Table() []pass.Pass { return table(newFacts()) }
