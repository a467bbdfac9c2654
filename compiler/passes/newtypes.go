package passes

import "github.com/p4nic/p4nic/compiler/ir"

// newtypes replaces every `type T Name` by T.
//
// Before: P4Info has been made; newtypes have no meaning but their names.
// After: no ir.Newtype, no cast between a type and itself.
// Source: P4_16 section 7.6 (introducing new types).
func newtypes(p *ir.Program) error {
	r := &retyper{memo: map[ir.Type]ir.Type{}, leaf: func(t ir.Type) ir.Type {
		if n, ok := t.(*ir.Newtype); ok {
			return n.Of
		}
		return t
	}}
	r.program(p, func(t ir.Type) bool { _, is := t.(*ir.Newtype); return !is })
	rewriteProgram(p, func(e ir.Expr) ir.Expr {
		if c, ok := e.(*ir.Cast); ok && ir.Identical(c.T, c.X.Type()) {
			return c.X
		}
		return e
	})
	return nil
}
