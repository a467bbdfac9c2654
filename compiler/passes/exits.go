package passes

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// actionexits turns exit in an action of a table into a variable of the block
// that applies the table: the action sets it and returns, and whoever applies the
// table exits when it is set. It runs before controls are inlined, so that such an
// exit passes the copy-out of all calls around it.
//
// Before: direct calls of actions are inlined.
// After: no Exit in an action.
// Source: P4_16 section 12.5.
func actionexits(p *ir.Program) error {
	x := &exiter{names: newNamer(p), flags: map[*ir.Action]*ir.Var{}}
	for _, b := range p.Blocks {
		if b.Kind == ir.Control {
			x.block(b)
		}
	}
	for _, a := range p.Actions {
		if v := x.flags[a]; v != nil {
			a.Body = mapStmts(a.Body, func(s ir.Stmt) []ir.Stmt {
				if _, ok := s.(*ir.Exit); !ok {
					return []ir.Stmt{s}
				}
				return []ir.Stmt{
					assign(ref(v, s.Pos()), boolConst(true, s.Pos()), s.Pos()),
					&ir.Return{SMeta: ir.SMeta{P: s.Pos()}},
				}
			})
		}
	}
	return nil
}

// exits turns what is left of return and exit into jumps to the end of the
// action or control.
//
// Before: sub-controls are inlined, actions do not exit.
// After: no Return, no Exit.
// Source: P4_16 sections 12.4 and 12.5.
func exits(p *ir.Program) error {
	l := newLabels(p)
	for _, b := range p.Blocks {
		if b.Kind == ir.Control {
			b.Body = wrap(&ender{label: l.fresh("end"), exits: true}, b.Body, b.Pos)
		}
	}
	for _, a := range p.Actions {
		a.Body = wrap(&ender{label: l.fresh("end")}, a.Body, a.Pos)
	}
	return nil
}

func wrap(e *ender, body []ir.Stmt, pos ir.Pos) []ir.Stmt {
	body = e.stmts(body, true)
	if !e.used {
		return body
	}
	return []ir.Stmt{&ir.Labelled{SMeta: ir.SMeta{P: pos}, Label: e.label, Body: body}}
}

type exiter struct {
	names *namer
	flags map[*ir.Action]*ir.Var
}

func (x *exiter) block(b *ir.Block) {
	// One flag serves the block. An action of several blocks (it has no owner)
	// has one flag, which is a variable of each.
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
					flag = &ir.Var{Name: x.names.fresh("exiting"), Type: &ir.Bool{}, Pos: b.Pos}
				}
				v = flag
				x.flags[r.Action] = v
			}
			if !slices.Contains(own, v) {
				own = append(own, v)
			}
		}
	}
	if len(own) == 0 {
		return
	}
	b.Locals = append(b.Locals, own...)
	var begin []ir.Stmt
	for _, v := range own {
		begin = append(begin, assign(ref(v, b.Pos), boolConst(false, b.Pos), b.Pos))
	}
	b.Body = append(begin, mapStmts(b.Body, x.check)...)
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
		if v == nil || slices.Contains(seen, v) {
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

func checkNoActionExits(p *ir.Program) error {
	for _, a := range p.Actions {
		if hasExit(a.Body) {
			return faultAt(p, a.Pos, "action %s exits", a.Name)
		}
	}
	return nil
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
