package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// controls inlines sub-controls into the controls that apply them.
//
// Before: functions and actions are inlined, so block calls are the only calls
// besides tables and externs.
// After: no control calls a control; only controls bound in the package remain.
// Source: P4_16 section 14.6; see inliner for the calling convention.
func controls(p *ir.Program) error {
	in := newBlockInliner(p)
	for _, caller := range p.Blocks { // callees before callers
		if caller.Kind != ir.Control {
			continue
		}
		calls := blockCalls(caller.Body)
		if len(calls) == 0 {
			continue
		}
		sites := map[*ir.Block][]*ir.CallStmt{}
		var order []*ir.Block
		for _, c := range calls {
			if sites[c.Block] == nil {
				order = append(order, c.Block)
			}
			sites[c.Block] = append(sites[c.Block], c)
		}
		ready := map[*ir.Block]*moved{}
		for _, b := range order {
			ready[b] = in.move(b, caller, sites[b])
		}
		in.locals = &caller.Locals
		var err error
		caller.Body = mapStmts(caller.Body, func(s ir.Stmt) []ir.Stmt {
			c, ok := s.(*ir.CallStmt)
			if !ok || c.Block == nil {
				return []ir.Stmt{s}
			}
			if err == nil {
				err = in.grow(c.Block.Body, c.Block.Name, c.P)
			}
			if err != nil {
				return nil
			}
			return in.control(ready[c.Block], c)
		})
		if err != nil {
			return err
		}
	}
	dropUnbound(p, ir.Control)
	return nil
}

func (in *blockInliner) control(m *moved, s *ir.CallStmt) []ir.Stmt {
	pre, post, aliases := in.enter(m, s)
	body := (&ir.Cloner{Subst: aliases, Labels: in.relabel(m.b.Body)}).Stmts(m.b.Body)
	body = in.endings(body, nil, &post, s.P)
	return append(append(pre, body...), post...)
}

// checkBlocksInlined is the checker for controls, and for parsers with kind.
func checkBlocksInlined(kind ir.BlockKind) func(*ir.Program) error {
	return func(p *ir.Program) error {
		for _, b := range p.Blocks {
			if b.Kind != kind {
				continue
			}
			bodies := [][]ir.Stmt{b.Body}
			for _, s := range b.States {
				bodies = append(bodies, s.Body)
			}
			for _, body := range bodies {
				if cs := blockCalls(body); len(cs) > 0 {
					return faultAt(p, cs[0].P, "a call of %s remains in %s", cs[0].Block.Name, b.Name)
				}
			}
		}
		return nil
	}
}
