package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

type nodeKind uint8

const (
	nodeScalar nodeKind = iota
	nodeStruct
	nodeHeader
	nodeUnion
	nodeStack
	nodeVarbit  // two leaves, see lower_varbit.go
	nodeNothing // packets, extern objects, strings: no leaves
)

// node is the shape of a P4 type flattened to SSA leaves, each of at most 64
// bits. A variable of the type owns n consecutive leaves.
//
// Leaves of a header: valid (1), slot (32), off (32), then the fields. slot says
// which extract put the content here, 0 = none; off is then its place in the
// packet. Fields of an invalid header are 0 at all times: so reads need no test
// and setValid need not clear (D19); writes to a header that may be invalid
// select on valid.
//
// Leaves of a stack: nextIndex (32), then the elements. A union is its members.
type node struct {
	kind   nodeKind
	typ    ir.Type
	rel    int // first leaf, relative to the parent's first leaf
	n      int // leaves
	w      int // scalar: bits
	signed bool
	name   string
	kids   []*node // fields or elements, in order
	bits   int     // header: size on the wire, without a varbit field
	max    int     // varbit: bits at most
}

const (
	leafValid = 0
	leafSlot  = 1
	leafOff   = 2
	hdrLeaves = 3
)

// shape flattens t. path names it in refusals.
func (l *lowerer) shape(t ir.Type, name, path string, pos ir.Pos) *node {
	n := &node{typ: t, name: name}
	add := func(k *node) {
		k.rel = n.n
		n.kids = append(n.kids, k)
		n.n += k.n
	}
	switch u := ir.Underlying(t).(type) {
	case *ir.Struct:
		n.kind = nodeStruct
		for _, f := range u.Fields {
			add(l.shape(f.Type, f.Name, path+"."+f.Name, pos))
		}
	case *ir.Union:
		n.kind = nodeUnion
		for _, f := range u.Fields {
			add(l.shape(f.Type, f.Name, path+"."+f.Name, pos))
		}
	case *ir.Header:
		n.kind = nodeHeader
		n.n = hdrLeaves
		n.bits = ir.HeaderBits(u)
		for _, f := range u.Fields {
			add(l.shape(f.Type, f.Name, path+"."+f.Name, pos))
		}
	case *ir.Stack:
		n.kind = nodeStack
		n.n = 1
		for i := range u.Size {
			s := fmt.Sprintf("[%d]", i)
			add(l.shape(u.Elem, s, path+s, pos))
		}
	case *ir.Varbit:
		n.kind, n.n, n.max = nodeVarbit, varLeaves, u.Max
	case *ir.ExternType, *ir.String, *ir.Void:
		n.kind = nodeNothing
	default:
		n.w = ir.Width(t)
		if n.w < 0 {
			l.refuse(pos, fmt.Sprintf("%s of type %s", path, t), "the type has no machine form")
		}
		_, n.signed = u.(*ir.Int)
		n.n = len(Limbs(n.w))
	}
	return n
}

// kid is the member called name.
func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// leafTypes appends the types of n's leaves and their names.
func (n *node) leaves(prefix string, add func(t Type, name string)) {
	switch n.kind {
	case nodeScalar:
		ts := Limbs(n.w)
		for i, t := range ts {
			name := prefix
			if len(ts) > 1 {
				name = fmt.Sprintf("%s#%d", prefix, i)
			}
			add(t, name)
		}
		return
	case nodeVarbit:
		add(32, prefix+".$len")
		add(32, prefix+".$at")
	case nodeHeader:
		add(1, prefix+".$valid")
		add(32, prefix+".$slot")
		add(32, prefix+".$off")
	case nodeStack:
		add(32, prefix+".$next")
	}
	for _, k := range n.kids {
		sep := "."
		if n.kind == nodeStack {
			sep = ""
		}
		k.leaves(prefix+sep+k.name, add)
	}
}

// scalars visits the scalar nodes below n in order with their first leaf
// relative to n.
func (n *node) scalars(rel int, f func(k *node, rel int)) {
	if n.kind == nodeScalar {
		f(n, rel)
		return
	}
	for _, k := range n.kids {
		k.scalars(rel+k.rel, f)
	}
}

// headers visits the headers at or below n in order; rel as in scalars.
func (n *node) headers(rel int, f func(k *node, rel int)) {
	if n.kind == nodeHeader {
		f(n, rel)
		return
	}
	for _, k := range n.kids {
		k.headers(rel+k.rel, f)
	}
}
