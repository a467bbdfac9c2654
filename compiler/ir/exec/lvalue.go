package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// loc is a place in memory: a fixed address, or one found at run time.
type loc struct {
	t    ir.Type
	n    int
	addr int            // when at is nil
	at   func(*ctx) int // address now; in the zero area when out of range
	// header is the distance from the address back to the valid slot of the header
	// that the place lies in; 0 when it lies in none. Writes are dropped while the
	// header is invalid.
	header int
	// inUnion: the place is a member of a union that begins union slots before it
	// and has the other members in others.
	union  int
	others []span
	fx     bool // evaluating at has side effects or may fail
}

// span is a stretch of slots relative to a union's start.
type span struct{ from, to int }

func (l *loc) static() bool { return l.at == nil }

// get gives the address.
func (l *loc) get(c *ctx) int {
	if l.at != nil {
		return l.at(c)
	}
	return l.addr
}

// writable tells whether a write to the place at address a has an effect.
func (l *loc) writable(c *ctx, a int) bool {
	return a < c.m.zero && (l.header == 0 || c.mem[a-l.header] != 0)
}

// choose makes the place's other union members invalid.
func (l *loc) choose(c *ctx, a int) {
	for _, s := range l.others {
		clear(c.mem[a-l.union+s.from : a-l.union+s.to])
	}
}

// isPlace tells whether x has an address.
func isPlace(x ir.Expr) bool {
	switch x := x.(type) {
	case *ir.VarRef:
		return true
	case *ir.Member:
		return isPlace(x.X)
	case *ir.Index:
		return isPlace(x.X)
	case *ir.TupleIndex:
		return isPlace(x.X)
	case *ir.StackOp:
		return (x.Op == ir.StackNext || x.Op == ir.StackLast) && isPlace(x.X)
	}
	return false
}

// place compiles an expression for which isPlace holds.
func (k *compiler) place(x ir.Expr) *loc {
	l := &loc{t: x.Type(), n: k.lay.slots(x.Type())}
	switch x := x.(type) {
	case *ir.VarRef:
		l.addr = k.varAddr(x.Var)
	case *ir.Member:
		k.member(l, x)
	case *ir.Index:
		k.index(l, x)
	case *ir.TupleIndex:
		o := k.place(x.X)
		l.shift(o, k.lay.element(o.t, x.I))
	case *ir.StackOp:
		k.stackElem(l, x)
	default:
		k.fail(x.Pos(), fmt.Sprintf("%T", x), "it is no l-value")
	}
	return l
}

func (k *compiler) member(l *loc, x *ir.Member) {
	o := k.place(x.X)
	i := ir.FieldIndex(o.t, x.Field)
	off := k.lay.field(o.t, i)
	l.shift(o, off)
	switch u := o.t.(type) {
	case *ir.Header:
		l.header = off
	case *ir.Union:
		l.union, l.header = off, 0
		for j, f := range u.Fields {
			if j != i {
				from := k.lay.field(u, j)
				l.others = append(l.others, span{from, from + k.lay.slots(f.Type)})
			}
		}
	default:
		if o.header > 0 {
			l.header = o.header + off
		}
	}
}

// shift makes l the place off slots after o.
func (l *loc) shift(o *loc, off int) {
	l.addr, l.at, l.fx = o.addr+off, nil, o.fx
	if o.at != nil {
		at := o.at
		l.at = func(c *ctx) int { return at(c) + off }
	}
}

func (k *compiler) index(l *loc, x *ir.Index) {
	o := k.place(x.X)
	size := o.t.(*ir.Stack).Size
	elem := l.n
	if o.header > 0 {
		k.fail(x.P, "an array inside a header", "arrays in headers are not supported")
	}
	i := k.expr(x.I)
	if i.isConst && !i.wide() {
		if i.k < uint64(size) {
			l.shift(o, 1+int(i.k)*elem)
		} else {
			l.fx = o.fx
			l.at = func(c *ctx) int { return c.m.zero }
		}
		return
	}
	iu := k.clamped(i, size)
	l.fx = o.fx || i.fx
	l.at = func(c *ctx) int {
		a := o.get(c)
		j := iu(c)
		if j >= uint64(size) || a >= c.m.zero {
			return c.m.zero
		}
		return a + 1 + int(j)*elem
	}
}

// clamped gives an index as one slot: values over 64 bits that do not fit are
// beyond every size.
func (k *compiler) clamped(x *xp, size int) func(*ctx) uint64 {
	if !x.wide() {
		return x.u
	}
	t := k.alloc(x.n)
	return func(c *ctx) uint64 {
		v := c.mem[t : t+x.n]
		x.v(c, v)
		for _, u := range v[1:] {
			if u != 0 {
				return uint64(size)
			}
		}
		return v[0]
	}
}

// stackElem is stack.next or stack.last as a place.
func (k *compiler) stackElem(l *loc, x *ir.StackOp) {
	o := k.place(x.X)
	size, elem := o.t.(*ir.Stack).Size, l.n
	back := 0
	if x.Op == ir.StackLast {
		back = 1
	}
	l.fx = true
	parser := k.parser
	l.at = func(c *ctx) int {
		a := o.get(c)
		i := int(c.mem[a]) - back
		if i < 0 || i >= size || a >= c.m.zero {
			if parser && c.pend == next {
				c.pend, c.perr = stReject, c.m.errs.outOfBounds
			}
			return c.m.zero
		}
		return a + 1 + i*elem
	}
}

// store copies n slots from src to the place, following the rules for headers.
func (l *loc) store(c *ctx, a int, src []uint64) {
	if !l.writable(c, a) {
		return
	}
	if l.others != nil && src[0] != 0 {
		l.choose(c, a)
	}
	copy(c.mem[a:a+l.n], src)
}
