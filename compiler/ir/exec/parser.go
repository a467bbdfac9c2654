package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Targets of a transition.
const (
	toAccept = -1
	toReject = -2
)

// states compiles a parser's state machine. Its statement ends with next for
// accept, stReject for reject.
func (k *compiler) states(b *ir.Block) stmt {
	type state struct {
		name string
		pos  ir.Pos
		body stmt
		next func(*ctx) int
	}
	index := map[string]int{"accept": toAccept, "reject": toReject}
	for i, s := range b.States {
		index[s.Name] = i
	}
	states := make([]state, len(b.States))
	for i, s := range b.States {
		n := k.count(k.point("state", b.Name+"."+s.Name, s.Pos))
		states[i] = state{name: s.Name, pos: s.Pos, body: k.seq(n, k.stmts(s.Body)), next: k.transition(b, s, index)}
	}
	if len(states) == 0 {
		return func(*ctx) status { return next }
	}
	limit := k.m.opts.MaxSteps
	cycle := cycles(b, index)
	return func(c *ctx) status {
		in, steps := 0, 0
		for i := 0; ; {
			if n := cycle[i]; n != 0 {
				if n != in {
					in, steps = n, 0
				}
				if steps++; steps > limit {
					return c.reject(c.m.errs.timeout)
				}
			}
			s := &states[i]
			if c.tracing {
				c.event("state", s.name, "", s.pos)
			}
			if st := s.body(c); st != next {
				return st
			}
			switch i = s.next(c); i {
			case toAccept:
				return next
			case toReject:
				return stReject
			}
			if c.pend != next {
				return c.pending()
			}
		}
	}
}

// cycles gives each state the number of the cycle that it is part of, 0 for none:
// states have one number when each can be reached from the other.
func cycles(b *ir.Block, index map[string]int) []int {
	n := len(b.States)
	reach := make([][]bool, n) // by one transition or more
	for i := range reach {
		reach[i] = make([]bool, n)
		work := []int{i}
		for len(work) > 0 {
			t := &b.States[work[0]].Trans
			work = work[1:]
			next := []string{t.Default}
			for _, c := range t.Cases {
				next = append(next, c.Next)
			}
			for _, name := range next {
				if to, ok := index[name]; ok && to >= 0 && !reach[i][to] {
					reach[i][to] = true
					work = append(work, to)
				}
			}
		}
	}
	out := make([]int, n)
	for i := range out {
		for j := 0; j <= i && out[i] == 0; j++ {
			if reach[i][j] && reach[j][i] {
				out[i] = j + 1
			}
		}
	}
	return out
}

func (c *ctx) reject(err uint64) status {
	c.perr = err
	return stReject
}

func (k *compiler) transition(b *ir.Block, s *ir.State, index map[string]int) func(*ctx) int {
	t := &s.Trans
	if len(t.Keys) == 0 {
		to := index[t.Default]
		return func(*ctx) int { return to }
	}
	type selectCase struct {
		match func(*ctx) bool
		to, n int
	}
	at := make([]int, len(t.Keys))
	xs := make([]*xp, len(t.Keys))
	for i, e := range t.Keys {
		xs[i] = k.expr(e)
		at[i] = k.alloc(xs[i].n)
	}
	cases := make([]selectCase, len(t.Cases))
	for i, cs := range t.Cases {
		n := k.point("select", fmt.Sprintf("%s.%s case %d -> %s", b.Name, s.Name, i+1, cs.Next), cs.Pos)
		cases[i] = selectCase{k.setsMatcher(cs.Sets, xs, at), index[cs.Next], n}
	}
	def, dn := toReject, -1
	if t.Default != "" {
		def = index[t.Default]
		dn = k.point("select", b.Name+"."+s.Name+" default -> "+t.Default, t.Pos)
	} else {
		dn = k.point("select", b.Name+"."+s.Name+" no match", t.Pos)
	}
	noMatch := t.Default == ""
	return func(c *ctx) int {
		for i, x := range xs {
			x.into(c, c.mem[at[i]:at[i]+x.n])
		}
		if c.pend != next {
			c.pend = next
			return toReject
		}
		for i := range cases {
			if cases[i].match(c) {
				c.hitPoint(cases[i].n)
				return cases[i].to
			}
		}
		c.hitPoint(dn)
		if noMatch {
			c.perr = c.m.errs.noMatch
		}
		return def
	}
}

// setsMatcher tests keys, which lie at the addresses at, against one case.
func (k *compiler) setsMatcher(sets []ir.Set, xs []*xp, at []int) func(*ctx) bool {
	var tests []func(*ctx) bool
	for i := 0; i < len(sets); i++ {
		s := sets[i]
		x, a := xs[i], at[i]
		if s.Kind == ir.SetValueSet {
			// Neighbouring fields of one value set must match in one member.
			j := i
			var spans []span
			for j < len(sets) && sets[j].Kind == ir.SetValueSet && sets[j].VS == s.VS && sets[j].Index == s.Index+j-i {
				spans = append(spans, span{at[j], at[j] + xs[j].n})
				j++
			}
			i = j - 1
			vs, first := k.m.vsets[s.VS], s.Index
			tests = append(tests, func(c *ctx) bool { return vs.match(c, first, spans) })
			continue
		}
		w := ir.Width(x.t)
		switch s.Kind {
		case ir.SetValue:
			v := bigOf(s.Lo, w)
			if x.n == 1 {
				u := v[0]
				tests = append(tests, func(c *ctx) bool { return c.mem[a] == u })
			} else {
				tests = append(tests, func(c *ctx) bool { return cmpWide(c.mem[a:a+len(v)], v) == 0 })
			}
		case ir.SetMask:
			v, m := bigOf(s.Lo, w), bigOf(s.Hi, w)
			tests = append(tests, func(c *ctx) bool {
				for j := range v {
					if (c.mem[a+j]^v[j])&m[j] != 0 {
						return false
					}
				}
				return true
			})
		case ir.SetRange:
			lo, hi := bigOf(s.Lo, w), bigOf(s.Hi, w)
			cmp := cmpWide
			if isSigned(x.t) {
				cmp = func(p, q []uint64) int { return cmpSigned(p, q, w) }
			}
			tests = append(tests, func(c *ctx) bool {
				v := c.mem[a : a+len(lo)]
				return cmp(lo, v) <= 0 && cmp(v, hi) <= 0
			})
		}
	}
	switch len(tests) {
	case 0:
		return func(*ctx) bool { return true }
	case 1:
		return tests[0]
	}
	return func(c *ctx) bool {
		for _, t := range tests {
			if !t(c) {
				return false
			}
		}
		return true
	}
}

// left is the number of bits that the parser has not consumed.
func (c *ctx) left() int { return 8*len(c.data) - c.pos }

func (k *compiler) extract(s *ir.Extract) stmt {
	if s.X == nil {
		n := s.SkipBits
		return func(c *ctx) status {
			if c.left() < n {
				return c.reject(c.m.errs.tooShort)
			}
			c.pos += n
			return next
		}
	}
	l := k.place(s.X)
	h := k.headerIO(l.t, condName(s.X))
	if h.variable >= 0 {
		return k.extractVar(s, l, h)
	}
	stack := k.nextOf(s.X)
	pos := s.P
	return func(c *ctx) status {
		a := l.get(c)
		if c.pend != next {
			return c.pending()
		}
		if c.left() < h.bits {
			return c.reject(c.m.errs.tooShort)
		}
		if l.writable(c, a) {
			l.choose(c, a)
			c.mem[a] = 1
			h.read(c.mem[a:a+l.n], c.data, c.pos, 0)
		}
		c.pos += h.bits
		if stack != nil {
			c.mem[stack.get(c)]++
		}
		if c.tracing {
			c.event("extract", h.name, fmt.Sprintf("%d bits", h.bits), pos)
		}
		return next
	}
}

// nextOf is the stack whose next element x is, or nil.
func (k *compiler) nextOf(x ir.Expr) *loc {
	for {
		switch y := x.(type) {
		case *ir.StackOp:
			if y.Op == ir.StackNext {
				return k.place(y.X)
			}
			return nil
		case *ir.Member: // a member of the next union
			x = y.X
		default:
			return nil
		}
	}
}

func (k *compiler) extractVar(s *ir.Extract, l *loc, h *headerIO) stmt {
	var size *xp
	if s.VarBits != nil {
		size = k.expr(s.VarBits)
	}
	stack := k.nextOf(s.X)
	pos := s.P
	return func(c *ctx) status {
		a := l.get(c)
		v := 0
		if size != nil {
			v = int(size.u(c))
		}
		if c.pend != next {
			return c.pending()
		}
		if v%8 != 0 { // as simple_switch has it; the specification leaves it open (12.8.2)
			return c.reject(c.m.errs.invalidArgument)
		}
		if c.left() < h.bits+v {
			return c.reject(c.m.errs.tooShort)
		}
		if v > h.max {
			return c.reject(c.m.errs.headerTooShort)
		}
		if l.writable(c, a) {
			l.choose(c, a)
			c.mem[a] = 1
			h.read(c.mem[a:a+l.n], c.data, c.pos, v)
		}
		c.pos += h.bits + v
		if stack != nil {
			c.mem[stack.get(c)]++
		}
		if c.tracing {
			c.event("extract", h.name, fmt.Sprintf("%d bits, %d of them varbit", h.bits+v, v), pos)
		}
		return next
	}
}

func (k *compiler) advance(s *ir.Advance) stmt {
	x := k.expr(s.Bits)
	bits := k.clamped(x, 1<<40)
	return func(c *ctx) status {
		n := bits(c)
		if c.pend != next {
			return c.pending()
		}
		if n > uint64(c.left()) {
			return c.reject(c.m.errs.tooShort)
		}
		c.pos += int(n)
		return next
	}
}

func (k *compiler) lookahead(s *ir.Lookahead) stmt {
	t := s.Dst.Type()
	peek := k.peek(t)
	n := k.lay.slots(t)
	tmp := k.alloc(n)
	if sl, ok := s.Dst.(*ir.Slice); ok {
		put := k.slicePutter(sl)
		return func(c *ctx) status {
			if !peek(c, c.mem[tmp:tmp+n]) {
				return c.reject(c.m.errs.tooShort)
			}
			put(c, func(dst []uint64) { copy(dst, c.mem[tmp:tmp+n]) })
			return next
		}
	}
	l := k.place(s.Dst)
	return func(c *ctx) status {
		a := l.get(c)
		if c.pend != next {
			return c.pending()
		}
		if !peek(c, c.mem[tmp:tmp+n]) {
			return c.reject(c.m.errs.tooShort)
		}
		l.store(c, a, c.mem[tmp:tmp+n])
		return next
	}
}

// peek reads a value of type t without consuming it; false when the packet is
// too short.
func (k *compiler) peek(t ir.Type) func(c *ctx, dst []uint64) bool {
	h := k.headerIO(t, "")
	var valid []int
	k.validSlots(t, 0, &valid)
	return func(c *ctx, dst []uint64) bool {
		if c.left() < h.bits {
			return false
		}
		clear(dst)
		for _, i := range valid {
			dst[i] = 1
		}
		h.read(dst, c.data, c.pos, 0)
		return true
	}
}

// validSlots lists the valid slots of all headers in t.
func (k *compiler) validSlots(t ir.Type, at int, out *[]int) {
	switch u := t.(type) {
	case *ir.Header:
		*out = append(*out, at)
	case *ir.Stack:
		for i := range u.Size {
			k.validSlots(u.Elem, at+1+i*k.lay.slots(u.Elem), out)
		}
	case *ir.Struct:
		for i, f := range u.Fields {
			k.validSlots(f.Type, at+k.lay.field(u, i), out)
		}
	}
}

// emit appends the valid headers of a value, in order.
func (k *compiler) emit(s *ir.Emit) stmt {
	type part struct {
		off int
		io  *headerIO
	}
	var parts []part
	var list func(t ir.Type, off int, name string)
	list = func(t ir.Type, off int, name string) {
		switch u := t.(type) {
		case *ir.Header:
			parts = append(parts, part{off, k.headerIO(u, name)})
		case *ir.Stack:
			for i := range u.Size {
				list(u.Elem, off+1+i*k.lay.slots(u.Elem), fmt.Sprintf("%s[%d]", name, i))
			}
		default:
			for i, f := range ir.Fields(t) {
				list(f.Type, off+k.lay.field(t, i), name+"."+f.Name)
			}
		}
	}
	x := k.expr(s.X)
	list(x.t, 0, condName(s.X))
	tmp, pos := 0, s.P
	if x.addr < 0 {
		tmp = k.alloc(x.n)
	}
	return func(c *ctx) status {
		a := x.addr
		if a < 0 {
			a = tmp
			x.into(c, c.mem[a:a+x.n])
		}
		for i := range parts {
			p := &parts[i]
			if c.mem[a+p.off] == 0 {
				continue
			}
			p.io.put(&c.out, c.mem[a+p.off:])
			if c.tracing {
				c.event("emit", p.io.name, "", pos)
			}
		}
		return next
	}
}
