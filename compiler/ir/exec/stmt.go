package exec

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

func (k *compiler) stmts(ss []ir.Stmt) stmt {
	l := make([]stmt, 0, len(ss))
	for _, s := range ss {
		l = append(l, k.stmt(s))
	}
	return k.seq(l...)
}

func (k *compiler) stmt(s ir.Stmt) stmt {
	switch s := s.(type) {
	case *ir.Assign:
		return k.assign(s)
	case *ir.If:
		return k.ifStmt(s)
	case *ir.Switch:
		return k.switchStmt(s)
	case *ir.Labelled:
		return k.labelled(s.Label, s.Body, false)
	case *ir.Loop:
		return k.labelled(s.Label, s.Body, true)
	case *ir.Leave:
		st := k.labels[s.Label]
		return func(*ctx) status { return 2 * st }
	case *ir.Continue:
		st := k.labels[s.Label]
		return func(*ctx) status { return 2*st + 1 }
	case *ir.ApplyTable:
		return k.applyTable(s)
	case *ir.CallStmt:
		return k.callStmt(s)
	case *ir.ExternCall:
		return k.externCall(externSite{pos: s.P, name: s.Name, object: s.Object, dst: s.Dst, types: s.TypeArgs, args: s.Args, dirs: s.Dirs})
	case *ir.SetValid:
		return k.setValid(s)
	case *ir.PushPop:
		return k.pushPop(s)
	case *ir.Extract:
		return k.extract(s)
	case *ir.Advance:
		return k.advance(s)
	case *ir.Lookahead:
		return k.lookahead(s)
	case *ir.PacketLength:
		return k.assignTo(s.Dst, func(c *ctx) uint64 { return uint64(len(c.data)) })
	case *ir.Verify:
		return k.verify(s.Cond, s.Err)
	case *ir.Emit:
		return k.emit(s)
	case *ir.Return:
		return k.returnStmt(s)
	case *ir.Exit:
		return func(*ctx) status { return stExit }
	}
	k.fail(s.Pos(), fmt.Sprintf("%T", s), "unknown statement")
	return nil
}

// pending gives and clears what calls inside an expression left.
func (c *ctx) pending() status {
	st := c.pend
	c.pend = next
	return st
}

func (k *compiler) assign(s *ir.Assign) stmt {
	if sl, ok := s.L.(*ir.Slice); ok {
		return k.assignSlice(sl, s.R)
	}
	l, r := k.place(s.L), k.expr(s.R)
	if r.wide() {
		return k.assignWide(l, r)
	}
	if !l.static() || l.fx || r.fx {
		return func(c *ctx) status {
			a := l.get(c)
			v := r.u(c)
			if c.pend != next {
				return c.pending()
			}
			if l.writable(c, a) {
				c.mem[a] = v
			}
			return next
		}
	}
	a, h := l.addr, l.addr-l.header
	switch {
	case l.header == 0 && r.isConst:
		v := r.k
		return func(c *ctx) status {
			c.mem[a] = v
			return next
		}
	case l.header == 0 && r.addr >= 0:
		from := r.addr
		return func(c *ctx) status {
			c.mem[a] = c.mem[from]
			return next
		}
	case l.header == 0:
		return func(c *ctx) status {
			c.mem[a] = r.u(c)
			return next
		}
	}
	return func(c *ctx) status {
		v := r.u(c)
		if c.mem[h] != 0 {
			c.mem[a] = v
		}
		return next
	}
}

func (k *compiler) assignWide(l *loc, r *xp) stmt {
	if l.static() && r.addr >= 0 && l.header == 0 && l.others == nil {
		a, from, n := l.addr, r.addr, l.n
		return func(c *ctx) status {
			copy(c.mem[a:a+n], c.mem[from:from+n])
			return next
		}
	}
	t, n := k.alloc(l.n), l.n
	return func(c *ctx) status {
		a := l.get(c)
		r.v(c, c.mem[t:t+n])
		if c.pend != next {
			return c.pending()
		}
		l.store(c, a, c.mem[t:t+n])
		return next
	}
}

// assignTo stores a machine value in the scalar l-value x.
func (k *compiler) assignTo(x ir.Expr, v func(*ctx) uint64) stmt {
	set := k.setter(x)
	return func(c *ctx) status {
		set(c, v(c))
		if c.pend != next {
			return c.pending()
		}
		return next
	}
}

// setter compiles the scalar l-value x; values are cut to its width.
func (k *compiler) setter(x ir.Expr) func(*ctx, uint64) {
	w := ir.Width(x.Type())
	if sl, ok := x.(*ir.Slice); ok {
		put := k.slicePutter(sl)
		return func(c *ctx, v uint64) {
			put(c, func(dst []uint64) { dst[0] = v & mask(min(w, 64)) })
		}
	}
	l := k.place(x)
	m := mask(min(w, 64))
	return func(c *ctx, v uint64) {
		a := l.get(c)
		if l.writable(c, a) {
			clear(c.mem[a : a+l.n])
			c.mem[a] = v & m
		}
	}
}

func (k *compiler) assignSlice(sl *ir.Slice, rhs ir.Expr) stmt {
	put := k.slicePutter(sl)
	r := k.expr(rhs)
	return func(c *ctx) status {
		put(c, func(dst []uint64) { r.into(c, dst) })
		if c.pend != next {
			return c.pending()
		}
		return next
	}
}

// slicePutter compiles X[hi:lo] as a destination; slices of slices add up. The
// place is found, then fill computes the value, then it is stored.
func (k *compiler) slicePutter(sl *ir.Slice) func(c *ctx, fill func(dst []uint64)) {
	lo, w := sl.Lo, sl.Hi-sl.Lo+1
	x := sl.X
	for {
		o, ok := x.(*ir.Slice)
		if !ok {
			break
		}
		lo += o.Lo
		x = o.X
	}
	l := k.place(x)
	n := limbs(w)
	t := k.alloc(n)
	return func(c *ctx, fill func([]uint64)) {
		a := l.get(c)
		v := c.mem[t : t+n]
		fill(v)
		if c.pend == next && l.writable(c, a) {
			insertBits(c.mem[a:a+l.n], v, lo, w)
		}
	}
}

// insertBits replaces w bits of dst from bit lo on by v.
func insertBits(dst, v []uint64, lo, w int) {
	for i := range dst {
		// Bits of v that belong into this slot: v >> (64i - lo).
		base := 64*i - lo
		from, to := max(0, -base), min(64, w-base)
		if from >= to {
			continue
		}
		var bits uint64
		if base < 0 {
			bits = v[0] << -base
		} else {
			bits = v[base/64] >> (base % 64)
			if base%64 > 0 && base/64+1 < len(v) {
				bits |= v[base/64+1] << (64 - base%64)
			}
		}
		m := mask(to) &^ mask(from)
		dst[i] = dst[i]&^m | bits&m
	}
}

func (k *compiler) ifStmt(s *ir.If) stmt {
	cond := k.expr(s.Cond)
	name := condName(s.Cond)
	pt, pe := k.point("then", name, s.P), k.point("else", name, s.P)
	a := k.seq(k.count(pt), k.stmts(s.Then))
	b := k.seq(k.count(pe), k.stmts(s.Else))
	u := cond.u
	if !cond.fx && len(s.Else) == 0 && pe < 0 {
		return func(c *ctx) status {
			if u(c) != 0 {
				return a(c)
			}
			return next
		}
	}
	return func(c *ctx) status {
		v := u(c)
		if c.pend != next {
			return c.pending()
		}
		if v != 0 {
			return a(c)
		}
		return b(c)
	}
}

// condName names what a branch tests, for coverage.
func condName(x ir.Expr) string {
	switch x := x.(type) {
	case *ir.VarRef:
		return x.Var.Name
	case *ir.Member:
		return condName(x.X) + "." + x.Field
	case *ir.IsValid:
		return condName(x.X) + ".isValid()"
	case *ir.Unary:
		return x.Op.String() + condName(x.X)
	case *ir.Binary:
		return condName(x.X) + " " + x.Op.String() + " " + condName(x.Y)
	case *ir.Const:
		return x.Val.String()
	case *ir.Call:
		if x.Table != nil {
			return x.Table.Name
		}
	}
	return "..."
}

func (k *compiler) switchStmt(s *ir.Switch) stmt {
	x := k.expr(s.X)
	name := condName(s.X)
	w := ir.Width(x.t)
	byValue := map[uint64]stmt{}
	byLimbs := map[string]stmt{}
	for _, cs := range s.Cases {
		label := "default"
		if len(cs.Labels) > 0 {
			label = cs.Labels[0].String()
		}
		body := k.seq(k.count(k.point("case", name+" = "+label, s.P)), k.stmts(cs.Body))
		for _, l := range cs.Labels {
			v := make([]uint64, x.n)
			fromBig(v, l, w)
			if _, ok := byLimbs[limbKey(v)]; !ok {
				byLimbs[limbKey(v)] = body
				byValue[v[0]] = body
			}
		}
	}
	def := k.seq(k.count(k.point("case", name+" default", s.P)), k.stmts(s.Default))
	t, n := k.alloc(x.n), x.n
	return func(c *ctx) status {
		var body stmt
		if x.u != nil {
			body = byValue[x.u(c)]
		} else {
			x.v(c, c.mem[t:t+n])
			body = byLimbs[limbKey(c.mem[t:t+n])]
		}
		if c.pend != next {
			return c.pending()
		}
		if body == nil {
			body = def
		}
		return body(c)
	}
}

func limbKey(v []uint64) string {
	b := make([]byte, 0, 8*len(v))
	for _, u := range v {
		for s := 0; s < 64; s += 8 {
			b = append(b, byte(u>>s))
		}
	}
	return string(b)
}

func (k *compiler) labelled(name string, ss []ir.Stmt, loop bool) stmt {
	k.label++
	l := k.label
	was, had := k.labels[name]
	k.labels[name] = l
	body := k.stmts(ss)
	if had {
		k.labels[name] = was
	} else {
		delete(k.labels, name)
	}
	if !loop {
		return func(c *ctx) status {
			if st := body(c); st != 2*l {
				return st
			}
			return next
		}
	}
	limit := k.m.opts.MaxSteps
	inParser := k.parser
	return func(c *ctx) status {
		for steps := 1; ; steps++ {
			if steps > limit {
				if inParser {
					c.perr = c.m.errs.timeout
					return stReject
				}
				return stAbort
			}
			switch st := body(c); st {
			case next, 2*l + 1:
			case 2 * l:
				return next
			default:
				return st
			}
		}
	}
}

func (k *compiler) setValid(s *ir.SetValid) stmt {
	l := k.place(s.X)
	if _, ok := l.t.(*ir.Union); ok { // only setInvalid: every member
		return func(c *ctx) status {
			if a := l.get(c); l.writable(c, a) {
				clear(c.mem[a : a+l.n])
			}
			return next
		}
	}
	valid := s.Valid
	return func(c *ctx) status {
		a := l.get(c)
		if c.pend != next {
			return c.pending()
		}
		if !l.writable(c, a) {
			return next
		}
		if !valid {
			clear(c.mem[a : a+l.n])
			return next
		}
		l.choose(c, a)
		c.mem[a] = 1 // the fields of an invalid header are zero already
		return next
	}
}

// pushPop moves the elements of a stack; nextIndex moves with them.
func (k *compiler) pushPop(s *ir.PushPop) stmt {
	l := k.place(s.X)
	st := l.t.(*ir.Stack)
	elem := k.lay.slots(st.Elem)
	n := min(s.N, st.Size)
	size := st.Size
	push := s.Push
	return func(c *ctx) status {
		a := l.get(c)
		if !l.writable(c, a) {
			return next
		}
		e := c.mem[a+1 : a+1+size*elem]
		idx := int(c.mem[a])
		if push {
			copy(e[n*elem:], e)
			clear(e[:n*elem])
			idx = min(idx+n, size)
		} else {
			copy(e, e[n*elem:])
			clear(e[(size-n)*elem:])
			idx = max(idx-n, 0)
		}
		c.mem[a] = uint64(idx)
		return next
	}
}

func (k *compiler) returnStmt(s *ir.Return) stmt {
	if s.X == nil {
		return func(*ctx) status { return stReturn }
	}
	x, a := k.expr(s.X), k.result
	t := k.alloc(x.n)
	return func(c *ctx) status {
		x.into(c, c.mem[t:t+x.n])
		if c.pend != next {
			return c.pending()
		}
		copy(c.mem[a:a+x.n], c.mem[t:t+x.n])
		return stReturn
	}
}

func (k *compiler) verify(cond, err ir.Expr) stmt {
	x, e := k.expr(cond), k.expr(err)
	return func(c *ctx) status {
		ok := x.u(c)
		v := e.u(c)
		if c.pend != next {
			return c.pending()
		}
		if ok == 0 {
			c.perr = v
			return stReject
		}
		return next
	}
}

// bigOf is v's machine form in n slots.
func bigOf(v *big.Int, w int) []uint64 {
	d := make([]uint64, limbs(w))
	fromBig(d, v, w)
	return d
}
