package passes

import "github.com/p4nic/p4nic/compiler/ir"

// functions inlines P4 functions and direct calls of actions.
//
// Before: calls are ordered; action lists bind no arguments.
// After: no call of a function or action remains; Program.Functions is empty.
// Source: P4_16 sections 10 and 14.1; see inliner for the calling convention.
func functions(p *ir.Program) error {
	f := &funcInliner{
		p:     p,
		in:    inliner{names: newNamer(p), labels: newLabels(p)},
		state: map[any]int{},
	}
	for _, fn := range p.Functions {
		if err := f.function(fn); err != nil {
			return err
		}
	}
	for _, a := range p.Actions {
		if err := f.action(a); err != nil {
			return err
		}
	}
	for _, b := range p.Blocks {
		if err := f.body(&b.Body, &b.Locals); err != nil {
			return err
		}
		for _, s := range b.States {
			if err := f.body(&s.Body, &b.Locals); err != nil {
				return err
			}
		}
	}
	p.Functions = nil
	dropActions(p)
	return nil
}

const (
	visiting = 1
	visited  = 2
)

type funcInliner struct {
	p     *ir.Program
	in    inliner
	state map[any]int // function or action: visiting or visited
}

func (f *funcInliner) function(fn *ir.Function) error {
	switch f.state[fn] {
	case visited:
		return nil
	case visiting:
		return faultAt(f.p, fn.Pos, "function %s calls itself", fn.Name)
	}
	f.state[fn] = visiting
	err := f.body(&fn.Body, &fn.Locals)
	f.state[fn] = visited
	return err
}

func (f *funcInliner) action(a *ir.Action) error {
	switch f.state[a] {
	case visited:
		return nil
	case visiting:
		return faultAt(f.p, a.Pos, "action %s calls itself", a.Name)
	}
	f.state[a] = visiting
	err := f.body(&a.Body, &a.Locals)
	f.state[a] = visited
	return err
}

// body expands all calls in a list, callees first.
func (f *funcInliner) body(body *[]ir.Stmt, locals *[]*ir.Var) error {
	var err error
	*body = mapStmts(*body, func(s ir.Stmt) []ir.Stmt {
		var c *ir.Callee
		var result ir.Expr
		switch s := s.(type) {
		case *ir.CallStmt:
			c = &s.Callee
		case *ir.Assign:
			if call, ok := s.R.(*ir.Call); ok {
				c, result = &call.Callee, s.L
			}
		}
		if c == nil || c.Func == nil && c.Action == nil || err != nil {
			return []ir.Stmt{s}
		}
		var r routine
		if c.Func != nil {
			err = f.function(c.Func)
			r = routine{c.Func.Name, c.Func.Params, c.Func.Locals, c.Func.Result, c.Func.Body}
		} else {
			err = f.action(c.Action)
			r = routine{c.Action.Name, c.Action.Params, c.Action.Locals, nil, c.Action.Body}
		}
		if err != nil {
			return nil
		}
		f.in.locals = locals
		var out []ir.Stmt
		out, err = f.in.call(r, c.Args, result, s.Pos())
		return out
	})
	return err
}

func checkNoCalls(p *ir.Program) error {
	if len(p.Functions) > 0 {
		return faultAt(p, p.Functions[0].Pos, "function %s remains", p.Functions[0].Name)
	}
	return eachCall(p, func(c *ir.Callee, pos ir.Pos) error {
		if c.Func != nil || c.Action != nil {
			return faultAt(p, pos, "a call of a function or action remains")
		}
		return nil
	})
}

// eachCall calls f for every call of the program until it fails.
func eachCall(p *ir.Program, f func(*ir.Callee, ir.Pos) error) error {
	var err error
	do := func(c *ir.Callee, pos ir.Pos) {
		if err == nil {
			err = f(c, pos)
		}
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			if c, ok := s.(*ir.CallStmt); ok {
				do(&c.Callee, c.P)
			}
			ir.StmtSlots(s, func(e *ir.Expr) {
				ir.WalkExpr(*e, func(x ir.Expr) {
					if c, ok := x.(*ir.Call); ok {
						do(&c.Callee, c.P)
					}
				})
			})
		})
	})
	return err
}
