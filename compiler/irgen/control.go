package irgen

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
)

// control fills in the block of one control instance: its objects in the order
// of declaration, then the apply block. Initial values of its variables are
// assigned first.
func (g *gen) control(e *env, blk *ir.Block, d *ast.ControlDecl) {
	for _, l := range d.Locals {
		switch l := l.(type) {
		case *ast.ActionDecl:
			if o := g.info.Defs[l]; o != nil {
				g.makeAction(e, o, l, e.path)
			}
		case *ast.TableDecl:
			g.table(e, l)
		default:
			blk.Body = append(blk.Body, g.declStmt(e, l)...)
		}
	}
	blk.Body = append(blk.Body, g.block(e, d.Apply)...)
}
