package exec

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// externSite is one call of an extern, at any level.
type externSite struct {
	pos    ir.Pos
	name   string
	object *ir.Instance
	dst    ir.Expr // nil, or where the result goes
	types  []ir.Type
	args   []ir.Expr
	dirs   []ir.Dir
}

// need checks the number of arguments.
func (k *compiler) need(s *externSite, lo, hi int) {
	if len(s.args) < lo || len(s.args) > hi {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("a call with %d arguments", len(s.args)))
	}
	for i, a := range s.args {
		if a == nil {
			k.fail(s.pos, "extern "+s.name, fmt.Sprintf("argument %d is absent", i+1))
		}
	}
}

// object is the state behind a method call.
func (k *compiler) object(s *externSite, kind string) *instance {
	if s.object == nil || k.m.insts[s.object].kind != kind {
		k.fail(s.pos, "extern "+s.name, "it is not called on a "+kind)
	}
	return k.m.insts[s.object]
}

// slotArg compiles argument i, which must be a scalar of up to 64 bits.
func (k *compiler) slotArg(s *externSite, i int) *xp {
	x := k.expr(s.args[i])
	if x.wide() {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("argument %d of type %s", i+1, s.args[i].Type()))
	}
	return x
}

// indexArg is argument i as an index; values beyond 64 bits are beyond any size.
func (k *compiler) indexArg(s *externSite, i int) func(*ctx) uint64 {
	x := k.expr(s.args[i])
	if ir.Width(x.t) < 0 {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("argument %d of type %s", i+1, s.args[i].Type()))
	}
	return k.clamped(x, 1<<40)
}

func (k *compiler) externCall(s externSite) stmt {
	switch s.name {
	case "counter.count":
		return k.counterCount(&s)
	case "direct_counter.count":
		return nil // counted by the table's apply
	case "register.read":
		return k.registerRead(&s)
	case "register.write":
		return k.registerWrite(&s)
	case "mark_to_drop":
		if k.p.Arch != "ubpf" {
			return k.markToDrop(&s)
		}
	case "verify_checksum", "update_checksum", "verify_checksum_with_payload", "update_checksum_with_payload":
		return k.checksum(&s)
	case "hash":
		return k.hash(&s)
	case "random":
		return k.random(&s)
	case "log_msg":
		return k.logMsg(&s)
	case "assert", "assume":
		return k.assert(&s)
	case "truncate":
		return k.truncate(&s)
	case "packet_in.lookahead":
		if s.dst == nil { // looking beyond the end is an error even when nobody uses the bits
			if len(s.types) == 0 {
				k.fail(s.pos, "lookahead", "its type is not known")
			}
			v := &ir.Var{Name: "lookahead", Type: s.types[0], Pos: s.pos}
			s.dst = &ir.VarRef{Meta: ir.Meta{T: v.Type, P: s.pos}, Var: v}
		}
		return k.lookahead(&ir.Lookahead{SMeta: ir.SMeta{P: s.pos}, Dst: s.dst})
	case "clone", "clone3", "clone_preserving_field_list":
		return k.clone(&s)
	case "resubmit", "resubmit_preserving_field_list", "recirculate", "recirculate_preserving_field_list":
		if len(s.args) > 0 { // PNA's recirculate has none
			return k.sendBack(&s)
		}
	case "digest":
		return k.digest(&s)
	case "meter.execute_meter":
		return k.executeMeter(&s)
	case "direct_meter.read":
		return k.directMeterRead(&s)
	}
	if st := k.objectCall(&s); st != nil {
		return st
	}
	if st := k.psaFunction(&s); st != nil {
		return st
	}
	if st := k.nicFunction(&s); st != nil {
		return st
	}
	if st := k.pnaFunction(&s); st != nil {
		return st
	}
	if st := k.filterFunction(&s); st != nil {
		return st
	}
	if f := k.m.opts.Externs[s.name]; f != nil && s.object == nil && s.dst == nil {
		return k.ownExtern(&s, f)
	}
	k.fail(s.pos, "extern "+s.name, "this extern is not supported")
	return nil
}

// ownExtern calls a function of Options.Externs.
func (k *compiler) ownExtern(s *externSite, f Extern) stmt {
	type arg struct {
		x   *xp
		put func(*ctx, func([]uint64))
		w   int
	}
	args := make([]arg, len(s.args))
	for i, e := range s.args {
		if e == nil || ir.Width(e.Type()) < 0 {
			continue
		}
		a := &args[i]
		a.w = ir.Width(e.Type())
		if d := s.dirs[i]; d == ir.DirOut || d == ir.DirInOut {
			a.put = k.putterTo(e, limbs(a.w))
		}
		if s.dirs[i] != ir.DirOut {
			a.x = k.expr(e)
		}
	}
	return after(func(c *ctx) {
		in := make([][]byte, len(args))
		for i := range args {
			if x := args[i].x; x != nil {
				v := make([]uint64, x.n)
				x.into(c, v)
				in[i] = machineBytes(v, args[i].w)
			}
		}
		if c.pend != next {
			return
		}
		out := f(in)
		for i := range args {
			a := &args[i]
			if a.put == nil || i >= len(out) || len(out[i]) != ir.ByteWidth(a.w) {
				continue
			}
			a.put(c, func(dst []uint64) {
				fromBytes(dst, out[i])
				dst[len(dst)-1] &= topMask(a.w)
			})
		}
	})
}

// externExpr is an extern call with a value, typed level only.
func (k *compiler) externExpr(r *xp, x *ir.Call) {
	switch x.Extern {
	case "packet_in.length":
		r.u = func(c *ctx) uint64 { return uint64(len(c.data)) }
	case "packet_in.lookahead":
		peek := k.peek(x.T)
		t, n := k.alloc(r.n), r.n
		do := func(c *ctx) []uint64 {
			v := c.mem[t : t+n]
			if c.pend != next || !peek(c, v) {
				clear(v)
				if c.pend == next {
					c.pend = c.reject(c.m.errs.tooShort)
				}
			}
			return v
		}
		if k.isSlot(x.T) {
			r.u = func(c *ctx) uint64 { return do(c)[0] }
		} else {
			r.v = func(c *ctx, dst []uint64) { copy(dst, do(c)) }
		}
	default:
		k.externResult(r, x)
	}
}

// externResult compiles a call whose result is a value: it goes to a place of its
// own and is read there.
func (k *compiler) externResult(r *xp, x *ir.Call) {
	v := &ir.Var{Name: "result", Type: x.T, Pos: x.P}
	call := k.externCall(externSite{
		pos: x.P, name: x.Extern, object: x.Object, dst: &ir.VarRef{Meta: ir.Meta{T: x.T, P: x.P}, Var: v},
		types: x.TypeArgs, args: x.Args, dirs: x.Dirs,
	})
	at, n := k.varAddr(v), r.n
	do := func(c *ctx) []uint64 {
		if c.pend == next {
			c.pend = call(c)
		}
		return c.mem[at : at+n]
	}
	if k.isSlot(x.T) {
		r.u = func(c *ctx) uint64 { return do(c)[0] }
		return
	}
	r.v = func(c *ctx, dst []uint64) { copy(dst, do(c)) }
}

// after wraps an action that comes after evaluating arguments which may fail.
func after(f func(c *ctx)) stmt {
	return func(c *ctx) status {
		f(c)
		if c.pend != next {
			return c.pending()
		}
		return next
	}
}

func (k *compiler) counterCount(s *externSite) stmt {
	k.need(s, 1, 1)
	i := k.object(s, "counter")
	index := k.indexArg(s, 0)
	return func(c *ctx) status {
		n := index(c)
		if c.pend != next {
			return c.pending()
		}
		if n < i.size {
			p, b := c.counts()
			i.cells[n].packets.Add(p)
			i.cells[n].bytes.Add(b)
		}
		return next
	}
}

func (k *compiler) registerRead(s *externSite) stmt {
	if s.dst != nil { // result = register.read(index)
		s.args = append([]ir.Expr{s.dst}, s.args...)
	}
	k.need(s, 2, 2)
	i := k.object(s, "register")
	index := k.indexArg(s, 1)
	if i.n == 1 && ir.Width(s.args[0].Type()) >= 0 { // a struct of one scalar has one slot, too
		set := k.setter(s.args[0])
		return after(func(c *ctx) {
			n := index(c)
			v := uint64(0)
			if n < i.size {
				i.mu.Lock()
				v = i.regs[n]
				i.mu.Unlock()
			}
			if c.pend == next {
				set(c, v)
			}
		})
	}
	put := k.putterTo(s.args[0], i.n)
	return after(func(c *ctx) {
		n := index(c)
		put(c, func(dst []uint64) {
			if n >= i.size {
				clear(dst)
				return
			}
			i.mu.Lock()
			copy(dst, i.regs[int(n)*i.n:(int(n)+1)*i.n])
			i.mu.Unlock()
		})
	})
}

// putterTo compiles an l-value of n slots as a destination.
func (k *compiler) putterTo(x ir.Expr, n int) func(*ctx, func([]uint64)) {
	if sl, ok := x.(*ir.Slice); ok {
		return k.slicePutter(sl)
	}
	l := k.place(x)
	t := k.alloc(max(n, l.n))
	return func(c *ctx, fill func([]uint64)) {
		a := l.get(c)
		fill(c.mem[t : t+n])
		if c.pend == next {
			l.store(c, a, c.mem[t:t+l.n])
		}
	}
}

func (k *compiler) registerWrite(s *externSite) stmt {
	k.need(s, 2, 2)
	i := k.object(s, "register")
	index := k.indexArg(s, 0)
	v := k.expr(s.args[1])
	if v.n != i.n {
		k.fail(s.pos, "extern "+s.name, "the value has another type than the elements")
	}
	t := k.alloc(v.n)
	return after(func(c *ctx) {
		n := index(c)
		v.into(c, c.mem[t:t+v.n])
		if c.pend != next || n >= i.size {
			return
		}
		i.mu.Lock()
		copy(i.regs[int(n)*i.n:(int(n)+1)*i.n], c.mem[t:t+v.n])
		i.mu.Unlock()
	})
}

// hash: result = base + hash(data) mod max, in integers wide enough, then cut to
// the result's width; max 0 gives base.
func (k *compiler) hash(s *externSite) stmt {
	k.need(s, 5, 5)
	algo := k.algorithm(s.args[1])
	base, limit := k.slotArg(s, 2), k.slotArg(s, 4)
	data, _ := k.fieldList(s.args[3])
	ow := ir.Width(s.args[0].Type())
	if ow < 0 {
		k.fail(s.pos, "extern hash", "the result is no scalar")
	}
	if ow <= 64 {
		set := k.setter(s.args[0])
		return after(func(c *ctx) {
			b := base.u(c)
			c.sum.reset()
			data(c, &c.sum)
			if m := limit.u(c); m > 0 {
				b += algo(c, c.sum.b) % m
			}
			if c.pend == next {
				set(c, b)
			}
		})
	}
	put := k.putterTo(s.args[0], limbs(ow))
	return after(func(c *ctx) {
		b := base.u(c)
		c.sum.reset()
		data(c, &c.sum)
		m := limit.u(c)
		h := uint64(0)
		if m > 0 {
			h = algo(c, c.sum.b) % m
		}
		put(c, func(dst []uint64) {
			clear(dst)
			dst[0] = b + h
			if len(dst) > 1 {
				dst[1] = b2u(dst[0] < b)
			}
			dst[len(dst)-1] &= topMask(ow)
		})
	})
}

// random: uniform in lo..hi; lo when hi < lo.
func (k *compiler) random(s *externSite) stmt {
	k.need(s, 3, 3)
	lo, hi := k.slotArg(s, 1), k.slotArg(s, 2)
	if ir.Width(s.args[0].Type()) < 0 {
		k.fail(s.pos, "extern random", "the result is no scalar")
	}
	set := k.setter(s.args[0])
	return after(func(c *ctx) {
		l, h := lo.u(c), hi.u(c)
		v := l
		if h > l {
			r := uint64(c.m.opts.Rand())
			if h-l > 0xffffffff {
				r = r<<32 | uint64(c.m.opts.Rand())
			}
			if n := h - l + 1; n != 0 {
				r %= n
			}
			v = l + r
		}
		set(c, v)
	})
}

// logMsg: {} in the message stands for the next element of the data.
func (k *compiler) logMsg(s *externSite) stmt {
	k.need(s, 1, 2)
	lit, ok := s.args[0].(*ir.StringLit)
	if !ok {
		k.fail(s.pos, "extern log_msg", "the message is not a string constant")
	}
	var xs []*xp
	if len(s.args) == 2 {
		elems := []ir.Expr{s.args[1]}
		if l, ok := s.args[1].(*ir.ListExpr); ok {
			elems = l.Elems
		}
		for _, e := range elems {
			xs = append(xs, k.expr(e))
		}
	}
	pos := s.pos
	return after(func(c *ctx) {
		if c.m.opts.Log == nil && !c.tracing {
			return
		}
		parts := strings.Split(lit.Val, "{}")
		var b strings.Builder
		for i, p := range parts {
			b.WriteString(p)
			if i < len(parts)-1 && i < len(xs) {
				v := make([]uint64, xs[i].n)
				xs[i].into(c, v)
				b.WriteString(toBig(v, max(0, ir.Width(xs[i].t)), isSigned(xs[i].t)).String())
			}
		}
		if c.tracing {
			c.event("extern", "log_msg", b.String(), pos)
		}
		if c.m.opts.Log != nil {
			c.m.opts.Log(b.String())
		}
	})
}

// assert and assume: a false condition is logged; the packet goes on.
func (k *compiler) assert(s *externSite) stmt {
	k.need(s, 1, 1)
	x := k.slotArg(s, 0)
	name, pos := s.name, s.pos
	text := name + " failed: " + condName(s.args[0])
	return after(func(c *ctx) {
		if x.u(c) != 0 || c.pend != next {
			return
		}
		if c.tracing {
			c.event("extern", name, "failed", pos)
		}
		if c.m.opts.Log != nil {
			c.m.opts.Log(text)
		}
	})
}

// truncate: what is sent has at most so many bytes; of several calls the smallest
// number counts.
func (k *compiler) truncate(s *externSite) stmt {
	k.need(s, 1, 1)
	x := k.indexArg(s, 0)
	return after(func(c *ctx) {
		if n := int(min(x(c), 1<<40)); c.truncate < 0 || n < c.truncate {
			c.truncate = n
		}
	})
}
