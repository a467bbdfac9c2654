package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// place is what an l-value expression names. A stack index that is not known
// makes several alternatives, of which at most one is meant.
type place struct {
	node *node
	alts []alt
}

type alt struct {
	cond  *Value // nil: always
	base  int    // first leaf
	guard []int  // valid leaves of the headers around it: writes need them
	union *unionRef
}

// unionRef is the union around a member header.
type unionRef struct {
	node   *node
	base   int
	member int
}

// isPlace tells whether e names storage.
func isPlace(e ir.Expr) bool {
	switch e := e.(type) {
	case *ir.VarRef:
		return true
	case *ir.Member:
		return isPlace(e.X)
	case *ir.Index:
		return isPlace(e.X)
	case *ir.StackOp:
		return (e.Op == ir.StackNext || e.Op == ir.StackLast) && isPlace(e.X)
	}
	return false
}

// variable is the storage of a P4 variable.
type variable struct {
	node *node
	base int
}

// declare gives v leaves; they are 0 until written.
func (l *lowerer) declare(v *ir.Var) *variable {
	n := l.shape(v.Type, v.Name, v.Name, v.Pos)
	s := &variable{n, l.leaves(n, v.Name)}
	l.vars[v] = s
	return s
}

// leaves allocates the leaves of n.
func (l *lowerer) leaves(n *node, name string) int {
	base := len(l.leafType)
	n.leaves(name, func(t Type, name string) {
		l.leafType = append(l.leafType, t)
		l.leafName = append(l.leafName, name)
	})
	n.headers(base, func(_ *node, rel int) { l.offLeaf[rel+leafOff] = rel + leafSlot })
	return base
}

func (l *lowerer) place(e ir.Expr) place {
	switch e := e.(type) {
	case *ir.VarRef:
		v := l.vars[e.Var]
		if v == nil {
			l.refuse(e.P, "variable "+e.Var.Name, "it does not belong to this block")
		}
		return place{v.node, []alt{{base: v.base}}}
	case *ir.Member:
		p := l.place(e.X)
		k := p.node.kid(e.Field)
		if k == nil {
			l.refuse(e.P, "member "+e.Field, "there is no such member")
		}
		out := place{node: k}
		for _, a := range p.alts {
			b := alt{cond: a.cond, base: a.base + k.rel, guard: a.guard, union: a.union}
			switch p.node.kind {
			case nodeHeader:
				b.guard = append(b.guard[:len(b.guard):len(b.guard)], a.base+leafValid)
			case nodeUnion:
				for i, x := range p.node.kids {
					if x == k {
						b.union = &unionRef{p.node, a.base, i}
					}
				}
			}
			out.alts = append(out.alts, b)
		}
		return out
	case *ir.Index:
		return l.element(l.place(e.X), l.scalarIndex(e.I), e.P)
	case *ir.StackOp:
		p := l.place(e.X)
		i := l.nextIndex(p)
		if e.Op == ir.StackLast {
			i = l.op(OpSub, 32, i, l.constant(32, 1))
		}
		if l.inParser {
			l.raise(l.op(OpUle, 1, l.constant(32, uint64(len(p.node.kids))), i))
		}
		return l.element(p, i, e.P)
	}
	l.refuse(e.Pos(), fmt.Sprintf("l-value %T", e), "it does not name storage")
	return place{}
}

// scalarIndex is the index as one limb; wider indices saturate.
func (l *lowerer) scalarIndex(e ir.Expr) *Value {
	v := l.eval(e)
	switch len(v) {
	case 0:
		return l.constant(32, 0)
	case 1:
		return v[0]
	}
	return l.sel(l.nonZero(v[:len(v)-1]), l.constant(64, ^uint64(0)), v[len(v)-1])
}

// element is stack p at index i; nothing where i is out of range.
func (l *lowerer) element(p place, i *Value, pos ir.Pos) place {
	if len(p.node.kids) == 0 {
		return place{node: l.shape(p.node.typ.(*ir.Stack).Elem, "", "element", pos)}
	}
	out := place{node: p.node.kids[0]}
	const maxAlts = 64
	for k, kid := range p.node.kids {
		if k > 0 && uint64(k) > Mask(i.Type) {
			break
		}
		c := l.op(OpEq, 1, i, l.constant(i.Type, uint64(k)))
		if c.IsConst(0) {
			continue
		}
		for _, a := range p.alts {
			b := alt{base: a.base + kid.rel, guard: a.guard, cond: a.cond}
			switch {
			case c.Op == OpConst:
			case b.cond == nil:
				b.cond = c
			default:
				b.cond = l.and(b.cond, c)
			}
			out.alts = append(out.alts, b)
		}
	}
	if len(out.alts) > maxAlts {
		l.refuse(pos, fmt.Sprintf("variable index into a stack of %d elements", len(p.node.kids)), "at most 64 elements are selected from")
	}
	return out
}

// read gives the leaves of p; 0 where no alternative is meant.
func (l *lowerer) read(p place) []*Value {
	out := make([]*Value, p.node.n)
	if len(p.alts) == 1 && p.alts[0].cond == nil {
		for i := range out {
			out[i] = l.get(p.alts[0].base + i)
		}
		return out
	}
	i := 0
	p.node.leaves("", func(t Type, _ string) {
		v := l.constant(t, 0)
		for _, a := range p.alts {
			v = l.sel(a.cond, l.get(a.base+i), v)
		}
		out[i] = v
		i++
	})
	return out
}

// write stores v into p. Fields of invalid headers keep their 0.
func (l *lowerer) write(p place, v []*Value) {
	for _, a := range p.alts {
		c := l.constant(1, 1)
		if a.cond != nil {
			c = a.cond
		}
		for _, g := range a.guard {
			c = l.and(c, l.known(l.get(g)))
		}
		for i := range p.node.n {
			l.set(a.base+i, l.sel(c, v[i], l.get(a.base+i)))
		}
		if a.union != nil && p.node.kind == nodeHeader {
			l.clearOthers(a.union, l.and(c, v[leafValid]))
		}
	}
}

// clearOthers makes the other members of a union invalid where c holds.
func (l *lowerer) clearOthers(u *unionRef, c *Value) {
	for i, k := range u.node.kids {
		if i != u.member {
			l.setInvalid(k, u.base+k.rel, c)
		}
	}
}

func (l *lowerer) setInvalid(n *node, base int, c *Value) {
	l.set(base+leafValid, l.sel(c, l.constant(1, 0), l.get(base+leafValid)))
	for i := hdrLeaves; i < n.n; i++ {
		v := l.get(base + i)
		l.set(base+i, l.sel(c, l.constant(v.Type, 0), v))
	}
}

// setValid implements D19: a header that was invalid has all fields 0 already.
func (l *lowerer) setValid(x ir.Expr, valid bool) {
	p := l.place(x)
	for _, a := range p.alts {
		c := l.constant(1, 1)
		if a.cond != nil {
			c = a.cond
		}
		if !valid {
			p.node.headers(a.base, func(n *node, base int) { l.setInvalid(n, base, c) })
			continue
		}
		v := l.get(a.base + leafValid)
		l.set(a.base+leafValid, l.or(v, c))
		if a.union != nil {
			l.clearOthers(a.union, c)
		}
	}
}

// stackOp reads a property of a stack.
func (l *lowerer) stackOp(e *ir.StackOp) []*Value {
	if e.Op == ir.StackNext || e.Op == ir.StackLast {
		return l.read(l.place(e))
	}
	next := l.nextIndex(l.place(e.X))
	if e.Op == ir.StackLastIndex {
		zero := l.constant(32, 0)
		next = l.sel(l.op(OpEq, 1, next, zero), zero, l.op(OpSub, 32, next, l.constant(32, 1)))
	}
	return []*Value{next}
}

// nextIndex of the stack that p names; 0 where it names none.
func (l *lowerer) nextIndex(p place) *Value {
	next := l.constant(32, 0)
	for _, a := range p.alts {
		n := l.get(a.base)
		if a.cond != nil {
			n = l.sel(a.cond, n, next)
		}
		next = n
	}
	return next
}

// raise ends the parser with StackOutOfBounds where c holds; within tryEval it is
// noted for the caller.
func (l *lowerer) raise(c *Value) {
	c = l.known(c)
	switch {
	case c.IsConst(0):
	case c.Op == OpConst:
		panic(stackFault{})
	case l.dry:
		l.dryFailed = true
	case l.faults != nil:
		*l.faults = l.or(*l.faults, c)
	default:
		l.rejectWhere(c)
	}
}

// stackFault is thrown by the evaluation of next or last beyond the stack in a
// parser, which then rejects with StackOutOfBounds.
type stackFault struct{}

// guard runs f, which evaluates expressions of a parser; false when it ended in
// a stackFault: the parser has rejected then.
func (l *lowerer) guard(f func()) (ok bool) {
	if !l.inParser {
		f()
		return true
	}
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case stackFault:
			l.reject("StackOutOfBounds", l.here())
			ok = false
		case hardWay:
			l.parser.source.hard = append(l.parser.source.hard, l.here()...)
			ok = false
		default:
			panic(r)
		}
	}()
	f()
	return true
}

// pushPop shifts a stack; elements that come in are invalid (D19).
func (l *lowerer) pushPop(s *ir.PushPop) {
	p := l.place(s.X)
	for _, a := range p.alts {
		l.shiftStack(s, p.node, a)
	}
}

// shiftStack shifts the stack a, where it is the one that is meant.
func (l *lowerer) shiftStack(s *ir.PushPop, n *node, a alt) {
	size := len(n.kids)
	old := l.read(place{n, []alt{{base: a.base}}})
	set := func(rel int, v *Value) {
		if a.cond != nil {
			v = l.sel(a.cond, v, old[rel])
		}
		l.set(a.base+rel, v)
	}
	for i, k := range n.kids {
		from := i + s.N
		if s.Push {
			from = i - s.N
		}
		for j := range k.n {
			v := l.constant(old[k.rel+j].Type, 0)
			if from >= 0 && from < size {
				v = old[n.kids[from].rel+j]
			}
			set(k.rel+j, v)
		}
	}
	next, by := old[0], l.constant(32, uint64(s.N))
	if s.Push {
		sum := l.op(OpAdd, 32, next, by)
		limit := l.constant(32, uint64(size))
		set(0, l.sel(l.op(OpUlt, 1, limit, sum), limit, sum))
		return
	}
	set(0, l.sel(l.op(OpUlt, 1, next, by), l.constant(32, 0), l.op(OpSub, 32, next, by)))
}
