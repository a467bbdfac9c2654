package ssa

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// State behind extern objects: meters, digests, registers, and what tables do
// beside matching. v1model, PSA and PNA say the same in different words.

// objects is what the lowerer keeps of extern objects while a packet passes.
type objects struct {
	// leaf is, of a direct meter that the table runs (v1model), the colour of the
	// last entry metered plus 1, 0 after a miss; of one that a call runs (PSA, PNA)
	// the handle of the last entry hit, 0 after a miss.
	leaf    map[*ir.Instance]int
	digests []ir.DigestType
}

// objectLeaf is the leaf of a direct meter, of w bits.
func (l *lowerer) objectLeaf(i *ir.Instance, w int, name string) int {
	if l.objects.leaf == nil {
		l.objects.leaf = map[*ir.Instance]int{}
	}
	at, ok := l.objects.leaf[i]
	if !ok {
		at = l.leaves(&node{kind: nodeScalar, w: w, n: 1}, i.Name+name)
		l.objects.leaf[i] = at
	}
	return at
}

func (l *lowerer) colourLeaf(i *ir.Instance) int { return l.objectLeaf(i, 2, ".$colour") }
func (l *lowerer) hitLeaf(i *ir.Instance) int    { return l.objectLeaf(i, 32, ".$hit") }

// hitState is what a look-up does to a table's state: handle is 0 after a miss.
func (l *lowerer) hitState(t *ir.Table, handle *Value) {
	if t.Counters != nil {
		l.emit(&Value{Op: OpCountHit, Args: []*Value{handle}, Sym: t})
		l.countedEntry(t, handle)
	}
	switch m := t.Meters; {
	case m == nil:
	case m.Kind() != "direct_meter":
		l.refuse(t.Pos, "table "+t.Name, m.Name+" is no direct meter")
	case m.Type.Name == "DirectMeter": // a call meters the packet
		l.set(l.hitLeaf(m), handle)
	default:
		v := l.meter(t, handle, l.constant(8, ir.Green))
		hit := l.op(OpNe, 1, handle, l.constant(32, 0))
		seen := l.op(OpAdd, 2, l.op(OpTrunc, 2, v), l.constant(2, 1))
		l.set(l.colourLeaf(m), l.sel(hit, seen, l.constant(2, 0)))
	}
	if t.SupportTimeout {
		l.emit(&Value{Op: OpTouch, Args: []*Value{handle}, Sym: t, Name: t.Name})
	}
}

// meter marks the packet; sym is an indirect meter, or a table with a direct one.
func (l *lowerer) meter(sym any, index, before *Value, amount ...*Value) *Value {
	name := ""
	switch s := sym.(type) {
	case *ir.Instance:
		name = s.Name
	case *ir.Table:
		name = s.Meters.Name
	}
	return l.emit(&Value{Op: OpMeter, Type: 8, Args: append([]*Value{index, before}, amount...), Sym: sym, Name: name})
}

// objectExtern lowers the externs that all architectures share; false for others.
func (l *lowerer) objectExtern(s *ir.ExternCall) bool {
	switch s.Name {
	case "meter.execute_meter":
		l.args(s, 2)
		v := l.meter(l.object(s, "meter"), l.index32(s.Args[0]), l.constant(8, ir.Green))
		l.assignTo(s.Args[1], l.resize([]*Value{v}, ir.Width(s.Args[1].Type()), false))
	case "direct_meter.read":
		l.args(s, 1)
		l.directMeterRead(s)
	case "Meter.execute", "Meter.dpdk_execute":
		l.meterExecute(s)
	case "DirectMeter.execute", "DirectMeter.dpdk_execute":
		l.directMeterExecute(s)
	case "digest":
		l.args(s, 2)
		l.digestMessage(s, l.p.DigestName(digestType(s)), s.Args[1])
	case "Digest.pack":
		l.args(s, 1)
		if s.Object == nil {
			l.refuse(s.P, "extern "+s.Name, "it is not called on a Digest")
		}
		l.digestMessage(s, s.Object.Name, s.Args[0])
	case "register.read", "Register.read":
		l.registerReadCall(s)
	case "register.write", "Register.write":
		l.args(s, 2)
		l.registerWrite(s)
	case "counter.count", "Counter.count":
		l.args(s, 1)
		if len(s.Args) > 1 && s.Args[1] != nil { // PNA
			return l.countBytes(s)
		}
		i := l.object(s, "counter")
		l.emit(&Value{Op: OpCounterInc, Args: []*Value{l.index32(s.Args[0])}, Sym: i, Name: i.Name})
	default:
		return false
	}
	return true
}

// object is the object of a method call, which must be of a kind.
func (l *lowerer) object(s *ir.ExternCall, kind string) *ir.Instance {
	if s.Object == nil || s.Object.Kind() != kind {
		l.refuse(s.P, "extern "+s.Name, "it is not called on a "+kind)
	}
	return s.Object
}

// directMeterRead gives the colour that the last look-up found; the result stays
// as it is after a miss.
func (l *lowerer) directMeterRead(s *ir.ExternCall) {
	at := l.colourLeaf(l.object(s, "direct_meter"))
	dst := s.Args[0]
	seen := l.known(l.get(at))
	colour := l.resize([]*Value{l.op(OpSub, 2, seen, l.constant(2, 1))}, ir.Width(dst.Type()), false)
	old := l.eval(dst)
	none := l.op(OpEq, 1, seen, l.constant(2, 0))
	l.assignTo(dst, l.choose(none, old, colour))
}

// colourValues are an architecture's values for green, yellow and red, found by
// the names of the enum's members.
func colourValues(t ir.Type) [3]uint64 {
	out := [3]uint64{ir.Green, ir.Yellow, ir.Red}
	e, ok := t.(*ir.Enum)
	if !ok {
		return out
	}
	for i, n := range [...]string{"GREEN", "YELLOW", "RED"} {
		for _, m := range e.Members {
			if m.Name == n && m.Value.IsUint64() {
				out[i] = m.Value.Uint64()
			}
		}
	}
	return out
}

// preColour is the colour that the packet has, argument at of a call: green where
// it is absent or no colour.
func (l *lowerer) preColour(s *ir.ExternCall, at int) *Value {
	green := l.constant(8, ir.Green)
	if len(s.Args) <= at || s.Args[at] == nil {
		return green
	}
	l.narrow(s.Args[at], "colour")
	x := l.scalar(s.Args[at])
	of := colourValues(s.Args[at].Type())
	v := green
	for _, c := range []uint64{ir.Yellow, ir.Red} {
		if of[c] <= Mask(x.Type) {
			v = l.sel(l.op(OpEq, 1, x, l.constant(x.Type, of[c])), l.constant(8, c), v)
		}
	}
	return v
}

// setColour stores a colour in the architecture's values.
func (l *lowerer) setColour(s *ir.ExternCall, v *Value) {
	if s.Dst == nil {
		return
	}
	of := colourValues(s.Dst.Type())
	w := ir.Width(s.Dst.Type())
	if w < 1 || w > 64 {
		l.refuse(s.P, "extern "+s.Name, "the result is no colour")
	}
	t := Type(w)
	r := l.constant(t, of[ir.Green])
	for _, c := range []uint64{ir.Yellow, ir.Red} {
		r = l.sel(l.op(OpEq, 1, v, l.constant(8, c)), l.constant(t, of[c]), r)
	}
	l.assignTo(s.Dst, []*Value{r})
}

// meterExecute is Meter.execute(index [, colour]), and dpdk_execute(index [, colour],
// length).
func (l *lowerer) meterExecute(s *ir.ExternCall) {
	l.args(s, 1)
	i := l.object(s, "meter")
	index := l.index32(s.Args[0])
	colour := 1
	var amount []*Value
	if s.Name == "Meter.dpdk_execute" {
		l.args(s, 2)
		if len(s.Args) == 2 {
			colour = 2 // none
		}
		if i.MetersBytes() {
			amount = l.amount(s.Args[len(s.Args)-1])
		}
	}
	l.setColour(s, l.meter(i, index, l.preColour(s, colour), amount...))
}

// amount is a length that the program gives a meter.
func (l *lowerer) amount(length ir.Expr) []*Value {
	l.narrow(length, "length")
	return []*Value{l.op(OpZext, 64, l.scalar(length))}
}

// directMeterExecute is DirectMeter.execute([colour] [, length]), on the entry that
// the table hit last; a length is what a meter of bytes marks (PNA).
func (l *lowerer) directMeterExecute(s *ir.ExternCall) {
	i := l.object(s, "direct_meter")
	t := l.meteredTable(i)
	if t == nil {
		l.refuse(s.P, "extern "+s.Name, "no table has the direct meter "+i.Name)
	}
	colour, length := 0, 1
	if len(s.Args) > 0 && s.Args[0] != nil {
		if _, is := s.Args[0].Type().(*ir.Enum); !is {
			colour, length = 1, 0
		}
	}
	pre := l.preColour(s, colour)
	var amount []*Value
	if i.MetersBytes() && length < len(s.Args) && s.Args[length] != nil {
		amount = l.amount(s.Args[length])
	}
	l.setColour(s, l.meter(t, l.get(l.hitLeaf(i)), pre, amount...))
}

func (l *lowerer) meteredTable(i *ir.Instance) *ir.Table {
	for _, t := range l.p.Tables {
		if t.Meters == i {
			return t
		}
	}
	return nil
}

func digestType(s *ir.ExternCall) ir.Type {
	if len(s.TypeArgs) > 0 {
		return s.TypeArgs[0]
	}
	return s.Args[1].Type()
}

// digestMessage sends the values that the fields have at the call.
func (l *lowerer) digestMessage(s *ir.ExternCall, name string, data ir.Expr) {
	if l.objects.digests == nil {
		l.objects.digests = l.p.DigestTypes()
	}
	for i, d := range l.objects.digests {
		if d.Name == name {
			v := &Value{Op: OpDigest, Aux: uint64(i), Args: l.scalarsOf(s, data), Name: name}
			l.setPos(s.P)
			l.emit(v)
			return
		}
	}
	l.refuse(s.P, "extern "+s.Name, "the program declares no digest "+name)
}

// scalarsOf gives the limbs of the scalars of a value, in order.
func (l *lowerer) scalarsOf(s *ir.ExternCall, x ir.Expr) []*Value {
	var es []ir.Expr
	switch x := x.(type) {
	case *ir.ListExpr:
		es = x.Elems
	case *ir.StructLit:
		es = x.Fields
	default:
		v := l.eval(x)
		if ir.Width(x.Type()) >= 0 {
			return v
		}
		n := l.shape(x.Type(), "", "digest", x.Pos())
		var out []*Value
		l.fieldScalars(s, n, 0, func(k *node, rel int) { out = append(out, v[rel:rel+k.n]...) })
		return out
	}
	var out []*Value
	for _, e := range es {
		out = append(out, l.scalarsOf(s, e)...)
	}
	return out
}

// fieldScalars visits the scalars of structs and headers; other values cannot be
// sent.
func (l *lowerer) fieldScalars(s *ir.ExternCall, n *node, rel int, f func(k *node, rel int)) {
	switch n.kind {
	case nodeScalar:
		f(n, rel)
	case nodeStruct, nodeHeader, nodeUnion:
		for _, k := range n.kids {
			l.fieldScalars(s, k, rel+k.rel, f)
		}
	default:
		l.refuse(s.P, "extern "+s.Name, fmt.Sprintf("a value of type %s cannot be sent", n.typ))
	}
}

// registerReadCall is read(result, index), or result = read(index).
func (l *lowerer) registerReadCall(s *ir.ExternCall) {
	l.object(s, "register")
	switch {
	case s.Dst != nil:
		l.args(s, 1)
		l.registerRead(s.Dst, s.Args[0], s)
	case s.Name == "Register.read":
		l.args(s, 1) // its result goes nowhere
	default:
		l.args(s, 2)
		l.registerRead(s.Args[0], s.Args[1], s)
	}
}

// stored are the leaves of n that a register keeps, by index: where a header lies
// in the packet says nothing about one in a register.
func (n *node) stored() (at []int, types []Type) {
	i := 0
	n.leaves("", func(t Type, name string) {
		if !strings.HasSuffix(name, ".$slot") && !strings.HasSuffix(name, ".$off") {
			at, types = append(at, i), append(types, t)
		}
		i++
	})
	return at, types
}

// cellShape is the shape of a register's cells.
func (l *lowerer) cellShape(s *ir.ExternCall) *node {
	i := l.object(s, "register")
	if len(i.Type.Args) == 0 {
		l.refuse(s.P, "register "+i.Name, "the type of its cells is unknown")
	}
	t := i.Type.Args[0]
	if _, ok := ir.Leaves(t); !ok {
		l.refuse(i.Pos, "register "+i.Name, "cells of type "+t.String()+" have no fixed size")
	}
	return l.shape(t, "", "register "+i.Name, i.Pos)
}

// registerRead reads a cell limb by limb.
func (l *lowerer) registerRead(dst, index ir.Expr, s *ir.ExternCall) {
	n := l.cellShape(s)
	i := l.index32(index)
	out := make([]*Value, n.n)
	at, types := n.stored()
	for limb, k := range at {
		out[k] = l.emit(&Value{Op: OpRegRead, Type: types[limb], Args: []*Value{i}, Sym: s.Object, Limb: limb, Name: s.Object.Name})
	}
	k := 0
	n.leaves("", func(t Type, _ string) {
		if out[k] == nil {
			out[k] = l.constant(t, 0)
		}
		k++
	})
	l.assignTo(dst, out)
}

func (l *lowerer) registerWrite(s *ir.ExternCall) {
	n := l.cellShape(s)
	args := []*Value{l.index32(s.Args[0])}
	v := l.eval(s.Args[1])
	if len(v) != n.n {
		l.refuse(s.P, "extern "+s.Name, "the value has another type than the elements")
	}
	at, _ := n.stored()
	for _, k := range at {
		args = append(args, v[k])
	}
	l.setPos(s.P)
	l.emit(&Value{Op: OpRegWrite, Args: args, Sym: s.Object, Name: s.Object.Name})
}
