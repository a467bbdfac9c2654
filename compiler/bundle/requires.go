package bundle

import (
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// requires lists what an engine must offer to run p: "arch:NAME",
// "extern:NAME" for each extern function and object type used, "match:KIND"
// for each match kind, "varbit" and "stack" where the headers need them.
func requires(p *ir.Program) []string {
	set := map[string]bool{"arch:" + p.Arch: true}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			if c, ok := s.(*ir.ExternCall); ok {
				set["extern:"+c.Name] = true
			}
		})
	})
	for _, in := range p.Instances {
		set["extern:"+in.Type.Name] = true
	}
	for _, t := range p.Tables {
		for _, k := range t.Keys {
			set["match:"+k.Kind.String()] = true
		}
	}
	for _, t := range p.Types {
		for _, f := range ir.Fields(t) {
			switch f.Type.(type) {
			case *ir.Varbit:
				set["varbit"] = true
			case *ir.Stack:
				set["stack"] = true
			}
		}
	}
	return sortedKeys(set)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
