package exec

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// Calls of functions, actions and blocks: typed level only.

// copies compiles copy-in and copy-out. In: every argument is evaluated in
// order (l-values of out and inout found) before any parameter is written.
func (k *compiler) copies(params []*ir.Var, args []ir.Expr, dirs []ir.Dir) (in stmt, out func(*ctx)) {
	type arg struct {
		x          *xp
		l          *loc
		put        func(*ctx, func([]uint64))
		addr, n    int // parameter
		tmp, place int
		copyOut    bool
	}
	var l []arg
	for i, p := range params {
		if _, ok := p.Type.(*ir.ExternType); ok || i >= len(args) || args[i] == nil {
			continue // packets are in ctx
		}
		a := arg{addr: k.varAddr(p), n: k.lay.slots(p.Type)}
		a.tmp, a.place = k.alloc(a.n), k.alloc(1)
		if dirs[i] == ir.DirOut || dirs[i] == ir.DirInOut {
			a.copyOut = true
			if sl, ok := args[i].(*ir.Slice); ok {
				a.put = k.slicePutter(sl)
			} else {
				a.l = k.place(args[i])
			}
		}
		if dirs[i] != ir.DirOut && a.l == nil {
			a.x = k.expr(args[i])
		}
		if dirs[i] == ir.DirOut {
			a.x = nil
		}
		if dirs[i] == ir.DirInOut && a.l != nil {
			place, n := a.place, a.n
			a.x = &xp{n: n, v: func(c *ctx, dst []uint64) {
				at := int(c.mem[place])
				copy(dst, c.mem[at:at+n])
			}}
		}
		l = append(l, a)
	}
	in = func(c *ctx) status {
		for i := range l {
			a := &l[i]
			if a.l != nil {
				c.mem[a.place] = uint64(a.l.get(c))
			}
			t := c.mem[a.tmp : a.tmp+a.n]
			if a.x != nil {
				a.x.into(c, t)
			} else {
				clear(t) // out parameters start at zero (D19)
			}
		}
		if c.pend != next {
			return c.pending()
		}
		for i := range l {
			a := &l[i]
			copy(c.mem[a.addr:a.addr+a.n], c.mem[a.tmp:a.tmp+a.n])
		}
		return next
	}
	out = func(c *ctx) {
		for i := range l {
			a := &l[i]
			if !a.copyOut {
				continue
			}
			v := c.mem[a.addr : a.addr+a.n]
			if a.put != nil {
				a.put(c, func(dst []uint64) { copy(dst, v) })
			} else {
				a.l.store(c, int(c.mem[a.place]), v)
			}
		}
	}
	return in, out
}

func (k *compiler) routineOf(c *ir.Callee) *routine {
	switch {
	case c.Func != nil:
		return k.function(c.Func)
	case c.Action != nil:
		return k.action(c.Action)
	}
	return k.block(c.Block)
}

// run compiles a call; the result, if any, is in the routine's result slots.
func (k *compiler) run(c *ir.Callee) (stmt, *routine) {
	r := k.routineOf(c)
	in, out := k.copies(r.params, c.Args, c.Dirs)
	body := r.body
	return func(c *ctx) status {
		if st := in(c); st != next {
			return st
		}
		st := body(c)
		out(c) // also after exit (lang:L96)
		return st
	}, r
}

func (k *compiler) callStmt(s *ir.CallStmt) stmt {
	switch {
	case s.Table != nil:
		t := k.table(s.Table)
		return func(c *ctx) status {
			st, _, _ := t.apply(c)
			return st
		}
	case s.Extern != "":
		return k.externCall(externSite{pos: s.P, name: s.Extern, object: s.Object, types: s.TypeArgs, args: s.Args, dirs: s.Dirs})
	}
	st, _ := k.run(&s.Callee)
	return st
}

// callExpr compiles a call inside an expression. When the call does not return
// normally, ctx.pend tells the statement around it, and calls after it in the
// same expression do nothing.
func (k *compiler) callExpr(r *xp, x *ir.Call) {
	r.fx = true
	switch {
	case x.Table != nil:
		k.tableResult(r, x)
		return
	case x.Extern != "":
		k.externExpr(r, x)
		return
	}
	call, rt := k.run(&x.Callee)
	res, n := rt.result, r.n
	do := func(c *ctx) bool {
		if c.pend == next {
			c.pend = call(c)
		}
		return c.pend == next
	}
	if k.isSlot(r.t) {
		r.u = func(c *ctx) uint64 {
			if !do(c) {
				return 0
			}
			return c.mem[res]
		}
		return
	}
	r.v = func(c *ctx, dst []uint64) {
		if !do(c) {
			clear(dst)
			return
		}
		copy(dst, c.mem[res:res+n])
	}
}

func (k *compiler) tableResult(r *xp, x *ir.Call) {
	t := k.table(x.Table)
	res := x.TableRes
	r.u = func(c *ctx) uint64 {
		if c.pend != next {
			return 0
		}
		st, hit, run := t.apply(c)
		c.pend = st
		switch res {
		case ir.TableHit:
			return b2u(hit)
		case ir.TableMiss:
			return b2u(!hit)
		}
		return uint64(run)
	}
}
