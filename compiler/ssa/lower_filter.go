package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The architectures of ebpf_model.p4, xdp_model.p4 and ubpf_model.p4, as
// ir/exec/filter.go and ubpf.go define them: a parser, a control that decides, and
// but for ebpf_model a deparser.

// portHost leads to the stack of the ingress port (D8).
const portHost = 509

// filterArch is what these architectures see of their blocks.
type filterArch struct{}

// ebpfFilter: what the filter accepts leaves as it came in.
func (l *lowerer) ebpfFilter() {
	l.arch = &filterArch{}
	held := map[string]*variable{}
	prs, filt := l.slot("ebpfFilter", "prs"), l.slot("ebpfFilter", "filt")
	l.enterAs("ebpfFilter", prs, held, "", "h")
	l.beginParser(prs, held["h"])
	l.parser.apart = true
	l.parserBlock(prs)
	l.dropRejected()
	if l.cur == nil {
		return
	}
	l.enterAs("ebpfFilter", filt, held, "h", "accept")
	l.stmts(filt.Body)
	if l.cur == nil {
		return
	}
	yes := l.splitOn(held["accept"].base, []uint64{1})
	if l.resume(yes[1], "refused"); l.cur != nil {
		l.drop(DropProgram)
	}
	if l.resume(yes[0], "accepted"); l.cur != nil {
		l.outputTo(l.constant(32, portHost))
	}
}

// xdpSwitch: the action decides where the deparsed packet goes.
func (l *lowerer) xdpSwitch() {
	l.arch = &filterArch{}
	held := map[string]*variable{}
	prs, sw, dep := l.slot("xdp", "p"), l.slot("xdp", "s"), l.slot("xdp", "d")
	l.enterAs("xdp", prs, held, "", "h")
	l.beginParser(prs, held["h"])
	l.parser.apart = true
	l.planEmits(dep, 0, held["h"])
	l.parserBlock(prs)
	l.dropRejected()
	if l.cur == nil {
		return
	}
	l.parsedHeaders(held["h"])
	l.enterAs("xdp", sw, held, "h", "in", "out")
	setField(l, held["in"].node, held["in"].base, "input_port", l.op(OpIngressPort, 32))
	l.stmts(sw.Body)
	if l.cur == nil {
		return
	}
	out := held["out"]
	action := out.node.kid("output_action")
	if action == nil || action.kind != nodeScalar {
		l.refuse(sw.Pos, "xdp_output", "the architecture file has no field output_action")
	}
	ways := l.splitOn(out.base+action.rel, []uint64{
		l.enumValue(action, "XDP_PASS", sw.Pos), l.enumValue(action, "XDP_TX", sw.Pos), l.enumValue(action, "XDP_REDIRECT", sw.Pos)})
	if l.resume(ways[3], "drop"); l.cur != nil {
		l.drop(DropProgram)
	}
	ports := []func() *Value{
		func() *Value { return l.constant(32, portHost) },
		func() *Value { return l.op(OpIngressPort, 32) },
		func() *Value { return l.fieldValue(out, "output_port") },
	}
	port := l.leaves(&node{kind: nodeScalar, w: 32, n: 1}, "$port")
	var on []exit
	for i, to := range ports {
		if l.resume(ways[i], "output"); l.cur != nil {
			l.force()
			l.set(port, to())
			on = append(on, l.here()...)
		}
	}
	if l.resume(on, "deparse"); l.cur == nil {
		return
	}
	l.enterAs("xdp", dep, held, "h", "")
	l.stmts(dep.Body)
	if l.cur == nil {
		return
	}
	l.force()
	l.deparse()
	if l.cur != nil {
		l.outputTo(l.get(port))
	}
}

// dropRejected ends the packets that the parser rejected.
func (l *lowerer) dropRejected() {
	accepted := l.here()
	if l.resume(l.rejected(), "rejected"); l.cur != nil {
		l.drop(DropParser)
	}
	l.resume(accepted, "parsed")
}

// rejected are the exits on which the parser rejected, without what their variables
// hold: nobody reads it.
func (l *lowerer) rejected() []exit {
	out := l.parser.rejected
	for i := range out {
		out[i].env = nil
	}
	return out
}

// slot is the block of a package's slot.
func (l *lowerer) slot(pkg, name string) *ir.Block {
	b := l.p.Block(name)
	if b == nil {
		l.refuse(ir.Pos{}, "package "+pkg, "no block is bound to "+name)
	}
	return b
}

// enterAs gives a block its storage: its parameters have what the last block left
// in those of the same role, which held keeps; "" is a role without storage. Roles
// that are new, and the block's own variables, begin at 0.
func (l *lowerer) enterAs(pkg string, b *ir.Block, held map[string]*variable, roles ...string) {
	if len(b.Params) != len(roles) {
		l.refuse(b.Pos, "block "+b.Name, fmt.Sprintf("it has %d parameters, %s gives it %d", len(b.Params), pkg, len(roles)))
	}
	for i, p := range b.Params {
		v := l.declare(p)
		role := roles[i]
		if role == "" {
			continue
		}
		from := held[role]
		held[role] = v
		if from == nil {
			continue
		}
		if !ir.Identical(from.node.typ, v.node.typ) || from.node.n != v.node.n {
			l.refuse(p.Pos, "parameter "+p.Name+" of "+b.Name, "its type differs from that of the block before")
		}
		l.copyVar(v, from)
	}
	for _, v := range b.Locals {
		l.declare(v)
	}
	l.setPos(b.Pos)
}

// copyVar gives v what from holds.
func (l *lowerer) copyVar(v, from *variable) {
	if l.cur == nil {
		return
	}
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		for k := range v.node.n {
			set(v.base+k, get(from.base+k))
		}
	})
}

// beginParser sets up the state of a parser that extracts into hdr and perhaps into
// others.
func (l *lowerer) beginParser(b *ir.Block, hdr *variable, others ...*variable) {
	word := &node{kind: nodeScalar, w: 32, n: 1}
	ps := &parserState{
		cursor: l.leaves(word, "$cursor"),
		err:    l.leaves(word, "$error"),
		order:  l.leaves(word, "$order"),
		stacks: stackLeaves(append(others, hdr)...),
	}
	for _, v := range b.Locals {
		ps.stacks = append(ps.stacks, stackLeaves(l.vars[v])...)
	}
	hdr.node.headers(hdr.base, func(_ *node, base int) { ps.shape = append(ps.shape, base+leafValid) })
	ps.shape = append(ps.shape, ps.cursor)
	l.parser = ps
	l.set(ps.err, l.constant(32, l.errorIndex("NoError")))
}

// splitOn parts the ways that lead here by the value of a leaf: one list for each
// of values, the last for all others. Ways on which it is known are not joined.
func (l *lowerer) splitOn(leaf int, values []uint64) [][]exit {
	out := make([][]exit, len(values)+1)
	at := func(c uint64) int {
		for i, v := range values {
			if v == c {
				return i
			}
		}
		return len(values)
	}
	var rest []exit
	name := l.cur.name
	for _, x := range l.here() {
		if v := l.at(x.env, leaf); v.Op == OpConst {
			out[at(v.Aux)] = append(out[at(v.Aux)], x)
		} else {
			rest = append(rest, x)
		}
	}
	if l.resume(rest, name); l.cur == nil {
		return out
	}
	l.force()
	v := l.known(l.get(leaf))
	if v.Op == OpConst {
		out[at(v.Aux)] = append(out[at(v.Aux)], l.here()...)
		return out
	}
	var labels []uint64
	var to []int
	for i, c := range values {
		if c <= Mask(v.Type) {
			labels, to = append(labels, c), append(to, i)
		}
	}
	for i, x := range l.switchOn(v, labels) {
		k := len(values)
		if i < len(to) {
			k = to[i]
		}
		out[k] = append(out[k], x)
	}
	return out
}

// enumValue is a member of the enum that a field has.
func (l *lowerer) enumValue(n *node, name string, pos ir.Pos) uint64 {
	if e, ok := ir.Underlying(n.typ).(*ir.Enum); ok {
		for _, m := range e.Members {
			if m.Name == name {
				return m.Value.Uint64()
			}
		}
	}
	l.refuse(pos, "field "+n.name, "it is no enum with a member "+name)
	return 0
}

// fieldValue reads a field of up to 64 bits as 32; 0 where the struct has none.
func (l *lowerer) fieldValue(v *variable, name string) *Value {
	k := v.node.kid(name)
	if k == nil || k.kind != nodeScalar || k.n != 1 {
		return l.constant(32, 0)
	}
	return l.resize([]*Value{l.get(v.base + k.rel)}, 32, false)[0]
}

// outputTo sends the packet.
func (l *lowerer) outputTo(port *Value) {
	l.force()
	l.cur.blk.Term = Term{Kind: TermOutput, Cond: port, Pos: l.pos}
	l.cur = nil
}

func (a *filterArch) extern(l *lowerer, s *ir.ExternCall) bool {
	switch s.Name {
	case "CounterArray.increment", "CounterArray.add":
		n := l.constant(32, 1)
		l.args(s, 1)
		if s.Name == "CounterArray.add" {
			l.args(s, 2)
			n = l.resize(l.eval(s.Args[1]), 32, false)[0]
		}
		l.emit(&Value{Op: OpCellAdd, Args: []*Value{l.index32(s.Args[0]), n}, Sym: s.Object, Name: s.Object.Name})
	case "BPF_KTIME_GET_NS", "ubpf_time_get_ns":
		l.result(s, l.op(OpNow, 64))
	case "ebpf_ipv4_checksum":
		l.args(s, 11)
		var pieces []*Value
		for _, x := range s.Args[:11] {
			pieces = append(pieces, l.eval(x)...)
		}
		l.result(s, l.csum16(pieces))
	case "csum_replace2", "csum_replace4":
		l.args(s, 3)
		l.result(s, l.csumReplace(s))
	default:
		return false
	}
	return true
}

// result stores what a function returns, where it goes anywhere.
func (l *lowerer) result(s *ir.ExternCall, v *Value) {
	if s.Dst != nil {
		l.assignTo(s.Dst, l.resize([]*Value{v}, ir.Width(s.Dst.Type()), false))
	}
}

// csumReplace is equation 3 of RFC 1624, folded.
func (l *lowerer) csumReplace(s *ir.ExternCall) *Value {
	w := 16
	if s.Name == "csum_replace4" {
		w = 32
	}
	arg := func(i, w int) *Value { return l.resize(l.eval(s.Args[i]), w, false)[0] }
	wide := func(v *Value) *Value { return l.op(OpZext, 64, v) }
	sum := wide(l.op(OpNot, 16, arg(0, 16)))
	sum = l.op(OpAdd, 64, sum, wide(l.op(OpNot, Type(w), arg(1, w))))
	sum = l.op(OpAdd, 64, sum, wide(arg(2, w)))
	for range 3 { // at most 34 bits: 16, 17 and 18 remain
		sum = l.op(OpAdd, 64, l.op(OpShr, 64, sum, l.constant(8, 16)), l.op(OpAnd, 64, sum, l.constant(64, 0xffff)))
	}
	return l.op(OpNot, 16, l.op(OpTrunc, 16, sum))
}
