package passes

import "github.com/p4nic/p4nic/compiler/ir"

// exits turns what is left of return and exit into jumps. In a control both end
// the block. In an action of a table, return ends the action; exit also sets a
// variable of the block, and whoever applies the table leaves the block when it
// is set.
//
// Before: sub-controls and direct calls are inlined.
// After: no Return, no Exit.
// Source: P4_16 sections 12.4 and 12.5.
func exits(p *ir.Program) error {
	x := &exiter{in: inliner{names: newNamer(p), labels: newLabels(p)}, flags: map[*ir.Action]*ir.Var{}}
	for _, b := range p.Blocks {
		if b.Kind == ir.Control {
			x.block(b)
		}
	}
	for _, a := range p.Actions {
		e := &ender{label: x.in.labels.fresh("end"), exit: x.flags[a]}
		a.Body = wrap(e, a.Body, a.Pos)
	}
	return nil
}

type exiter struct {
	in    inliner
	flags map[*ir.Action]*ir.Var
}

func wrap(e *ender, body []ir.Stmt, pos ir.Pos) []ir.Stmt {
	body = e.stmts(body, true)
	if !e.used {
		return body
	}
	return []ir.Stmt{&ir.Labelled{SMeta: ir.SMeta{P: pos}, Label: e.label, Body: body}}
}

func (x *exiter) block(b *ir.Block) {
	// One flag serves the block. An action without an owner may exit from
	// several blocks: its flag is a variable of each.
	var flag *ir.Var
	var own []*ir.Var
	for _, t := range tablesOf(b) {
		for _, r := range t.Actions {
			if !hasExit(r.Action.Body) {
				continue
			}
			v := x.flags[r.Action]
			if v == nil {
				if flag == nil {
					flag = &ir.Var{Name: x.in.names.fresh("exiting"), Type: &ir.Bool{}, Pos: b.Pos}
					own = append(own, flag)
				}
				v = flag
				x.flags[r.Action] = v
			}
			if !contains(own, v) {
				own = append(own, v)
			}
		}
	}
	b.Locals = append(b.Locals, own...)
	if len(own) > 0 {
		b.Body = mapStmts(b.Body, x.check)
		for i := len(own) - 1; i >= 0; i-- {
			b.Body = append([]ir.Stmt{assign(ref(own[i], b.Pos), boolConst(false, b.Pos), b.Pos)}, b.Body...)
		}
	}
	b.Body = wrap(&ender{label: x.in.labels.fresh("end"), exits: true}, b.Body, b.Pos)
}

// check adds the tests of exit flags behind a table's application.
func (x *exiter) check(s ir.Stmt) []ir.Stmt {
	var t *ir.Table
	switch s := s.(type) {
	case *ir.CallStmt:
		t = s.Table
	case *ir.Assign:
		if c, ok := s.R.(*ir.Call); ok {
			t = c.Table
		}
	}
	out := []ir.Stmt{s}
	if t == nil {
		return out
	}
	var seen []*ir.Var
	for _, r := range t.Actions {
		v := x.flags[r.Action]
		if v == nil || contains(seen, v) {
			continue
		}
		seen = append(seen, v)
		out = append(out, &ir.If{
			SMeta: ir.SMeta{P: s.Pos()}, Cond: ref(v, s.Pos()),
			Then: []ir.Stmt{&ir.Exit{SMeta: ir.SMeta{P: s.Pos()}}},
		})
	}
	return out
}

func contains(vs []*ir.Var, v *ir.Var) bool {
	for _, w := range vs {
		if w == v {
			return true
		}
	}
	return false
}

func checkNoExits(p *ir.Program) error {
	var err error
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			switch s.(type) {
			case *ir.Return, *ir.Exit:
				if err == nil {
					err = faultAt(p, s.Pos(), "a return or exit remains")
				}
			}
		})
	})
	return err
}
