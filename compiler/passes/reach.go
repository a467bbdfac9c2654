package passes

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// reach drops what the package's arguments do not lead to: blocks, tables,
// actions and functions. P4Info leaves out the same (ir.Reachable), so the
// tables of the core program are those of P4Info, in the same order. No later
// pass removes a table.
//
// Before: typed. After: every table is applied somewhere.
func reach(p *ir.Program) error {
	r := ir.Reachable(p)
	p.Blocks = slices.DeleteFunc(p.Blocks, func(b *ir.Block) bool { return !r.Blocks[b] })
	p.Tables = slices.DeleteFunc(p.Tables, func(t *ir.Table) bool { return !r.Tables[t] })
	p.Actions = slices.DeleteFunc(p.Actions, func(a *ir.Action) bool { return !r.Actions[a] && !r.Called[a] })
	p.Functions = slices.DeleteFunc(p.Functions, func(f *ir.Function) bool { return !r.Functions[f] })
	return nil
}

// dropActions removes the actions that are in no table.
func dropActions(p *ir.Program) {
	used := map[*ir.Action]bool{}
	for _, t := range p.Tables {
		for _, r := range t.Actions {
			used[r.Action] = true
		}
	}
	p.Actions = slices.DeleteFunc(p.Actions, func(a *ir.Action) bool { return !used[a] })
}
