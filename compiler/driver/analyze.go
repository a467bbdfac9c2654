package driver

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// Analysis is what the front end found out about a program, also about one with
// errors: then the tree lacks what could not be read, and Info what could not be
// understood.
type Analysis struct {
	Set   *source.Set
	Tree  *ast.Program
	Info  *types.Info
	Diags *diag.List // as Check reports
}

// Analyze runs the front end for an editor. The error is *Internal; the analysis
// is nil then.
func Analyze(o Options) (*Analysis, error) {
	var out *Analysis
	_, err := run(o, func(c *compiler) error {
		pp := c.preprocess()
		c.parse(pp)
		rep := c.rep
		if rep.HasErrors() {
			// What the checker says of a tree with holes helps nobody.
			rep = diag.NewList(c.set, 0)
		}
		c.phase("types", func() { c.info = types.Check(c.tree, rep) })
		if !c.rep.HasErrors() {
			c.instantiate()
		}
		out = &Analysis{Set: c.set, Tree: c.tree, Info: c.info, Diags: c.rep}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
