package ssa

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// v1 is the architecture v1model: what happens between the blocks, the meaning
// of standard_metadata and the externs. It follows simple_switch: a parser error
// does not drop; the egress port is fixed when egress starts.
type v1 struct {
	// Storage of the block being lowered; its parameters are copies of the
	// block's before.
	hdr, meta, sm *variable
	spec          *node     // egress_spec within standard_metadata
	port          *variable // egress_spec at the end of ingress
	atEgress      []leaves  // what else egress finds in standard_metadata
	trim          int       // leaf: truncate was called
	trimTo        int       // leaf: to this length
	counts        bool      // egress reads packet_length
	length        int       // leaf: what it is there, less the size of the headers
	emitted       map[int]bool
}

// leaves are values for leaves from rel on.
type leaves struct {
	rel int
	v   []*Value
}

const v1DropPort = 511

// v1Blocks are the package's slots with the parameters that hold headers, user
// metadata and standard_metadata, -1 where a block has none.
var v1Blocks = [...]struct {
	slot          string
	hdr, meta, sm int
	params        int
}{
	{"p", 1, 2, 3, 4},
	{"vr", 0, 1, -1, 2},
	{"ig", 0, 1, 2, 3},
	{"eg", 0, 1, 2, 3},
	{"ck", 0, 1, -1, 2},
	{"dep", 1, -1, -1, 2},
}

func (l *lowerer) v1model() {
	a := &v1{}
	l.arch = a
	blocks := l.v1blocks()
	a.enter(l, blocks, 0)
	a.begin(l)
	l.planEmits(blocks[5], a.hdr)
	l.parserBlock(blocks[0])
	if l.cur == nil {
		return // no way through the parser ends
	}
	l.parsedHeaders(a.hdr)
	if k := a.sm.node.kid("parser_error"); k != nil && k.w == 32 {
		l.edit(func(get func(int) *Value, set func(int, *Value)) {
			set(a.sm.base+k.rel, get(l.parser.err))
		})
	}
	if a.counts {
		l.force()
		l.set(a.length, l.op(OpSub, 32, l.op(OpWireLen, 32), a.headerBytes(l)))
	}
	for i := 1; i < len(blocks); i++ {
		a.enter(l, blocks, i)
		l.stmts(blocks[i].Body)
		if slot := v1Blocks[i].slot; l.cur != nil && (slot == "ig" || slot == "eg") {
			a.dropAsked(l)
		}
		if l.cur == nil {
			return
		}
		if v1Blocks[i].slot == "ig" {
			if p := a.sm.node.kid("packet_length"); a.counts && p != nil && p.w == 32 {
				l.force()
				l.set(a.sm.base+p.rel, l.op(OpAdd, 32, l.get(a.length), a.headerBytes(l)))
			}
			a.toEgress(l)
		}
	}
	l.force()
	l.deparse()
	if l.cur != nil {
		a.output(l)
	}
}

// v1blocks are the blocks of the package, in the order of v1Blocks.
func (l *lowerer) v1blocks() []*ir.Block {
	blocks := make([]*ir.Block, len(v1Blocks))
	for i, s := range v1Blocks {
		b := l.p.Block(s.slot)
		if b == nil {
			l.refuse(ir.Pos{}, "package V1Switch", "no block is bound to "+s.slot)
		}
		if len(b.Params) != s.params {
			l.refuse(b.Pos, "block "+b.Name, "it does not have the parameters of v1model")
		}
		blocks[i] = b
	}
	return blocks
}

// enter gives block i its storage: parameters with what the block before left
// in them, locals at 0.
func (a *v1) enter(l *lowerer, blocks []*ir.Block, i int) {
	b, s := blocks[i], v1Blocks[i]
	for j, p := range b.Params {
		v := l.declare(p)
		var from *variable
		switch j {
		case s.hdr:
			a.hdr, from = v, a.hdr
		case s.meta:
			a.meta, from = v, a.meta
		case s.sm:
			a.sm, from = v, a.sm
		}
		if from == nil {
			continue
		}
		if from.node.n != v.node.n {
			l.refuse(p.Pos, "parameter "+p.Name+" of "+b.Name, "its type differs from the parser's")
		}
		l.edit(func(get func(int) *Value, set func(int, *Value)) {
			for k := range v.node.n {
				set(v.base+k, get(from.base+k))
			}
		})
	}
	for _, v := range b.Locals {
		l.declare(v)
	}
	l.setPos(b.Pos)
}

// begin sets up the parser's state and standard_metadata.
func (a *v1) begin(l *lowerer) {
	flag := &node{kind: nodeScalar, w: 1, n: 1}
	word := &node{kind: nodeScalar, w: 32, n: 1}
	a.trim, a.trimTo = l.leaves(flag, "$truncate"), l.leaves(word, "$length")
	ps := &parserState{
		cursor: l.leaves(word, "$cursor"),
		err:    l.leaves(word, "$error"),
		order:  l.leaves(word, "$order"),
		stacks: stackLeaves(a.hdr, a.meta),
	}
	for _, v := range l.p.Block("p").Locals {
		ps.stacks = append(ps.stacks, stackLeaves(l.vars[v])...)
	}
	a.hdr.node.headers(a.hdr.base, func(_ *node, base int) { ps.shape = append(ps.shape, base+leafValid) })
	ps.shape = append(ps.shape, ps.cursor)
	l.parser = ps
	l.set(ps.err, l.constant(32, l.errorIndex("NoError")))

	now := l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000))
	a.setMeta(l, "ingress_port", l.op(OpIngressPort, 32))
	a.setMeta(l, "packet_length", l.op(OpWireLen, 32))
	if a.counts = readsLength(l.p.Block("eg")); a.counts {
		a.length = l.leaves(word, "$bytes")
		a.emitted = l.emittedHeaders(l.p.Block("dep"))
	}
	a.setMeta(l, "ingress_global_timestamp", now)

	a.spec = a.sm.node.kid("egress_spec")
	if a.spec == nil || a.spec.kind != nodeScalar || a.spec.w < 1 || a.spec.w > 64 {
		l.refuse(l.pos, "standard_metadata.egress_spec", "the architecture file has no such field")
	}
	a.port = &variable{node: &node{kind: nodeScalar, w: a.spec.w, n: a.spec.n}}
	a.port.base = l.leaves(a.port.node, "$port")
	// Made here, where no way has ended yet, so that setting them adds no code.
	for _, f := range []struct {
		name string
		v    *Value
	}{{"egress_spec", l.constant(32, 0)}, {"egress_global_timestamp", now}, {"enq_timestamp", now}} {
		if k := a.sm.node.kid(f.name); k != nil && k.kind == nodeScalar {
			a.atEgress = append(a.atEgress, leaves{k.rel, l.resize([]*Value{f.v}, k.w, false)})
		}
	}
}

// toEgress fixes the port and sets what egress finds in standard_metadata.
func (a *v1) toEgress(l *lowerer) {
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		for k := range a.port.node.n {
			set(a.port.base+k, get(a.sm.base+a.spec.rel+k))
		}
		for _, f := range a.atEgress {
			for k, v := range f.v {
				set(a.sm.base+f.rel+k, v)
			}
		}
		if p := a.sm.node.kid("egress_port"); p != nil && p.w == a.spec.w {
			for k := range p.n {
				set(a.sm.base+p.rel+k, get(a.port.base+k))
			}
		}
	})
}

// headerBytes is the size of the valid headers that the deparser may emit.
func (a *v1) headerBytes(l *lowerer) *Value {
	sum := l.constant(32, 0)
	a.hdr.node.headers(a.hdr.base, func(n *node, base int) {
		if !a.emitted[base-a.hdr.base] {
			return
		}
		bytes := l.sel(l.known(l.get(base+leafValid)), l.constant(32, uint64(n.bits/8)), l.constant(32, 0))
		sum = l.op(OpAdd, 32, sum, bytes)
	})
	return sum
}

// emittedHeaders finds the headers, by their first leaf, that the deparser may emit.
func (l *lowerer) emittedHeaders(dep *ir.Block) map[int]bool {
	hdr := l.declare(dep.Params[1])
	out := map[int]bool{}
	add := func(n *node, base int) {
		n.headers(base-hdr.base, func(_ *node, rel int) { out[rel] = true })
	}
	ir.WalkStmts(dep.Body, func(s ir.Stmt) {
		e, ok := s.(*ir.Emit)
		if !ok {
			return
		}
		root, whole := ir.ConstPath(e.X)
		if root != dep.Params[1] { // by way of a variable: any of them
			add(hdr.node, hdr.base)
			return
		}
		p := l.place(whole)
		for _, alt := range p.alts {
			add(p.node, alt.base)
		}
	})
	return out
}

// readsLength tells whether egress reads packet_length: what it finds there takes
// a look at every header.
func readsLength(egress *ir.Block) bool {
	found := false
	var look func(e *ir.Expr)
	look = func(e *ir.Expr) {
		m, ok := (*e).(*ir.Member)
		found = found || ok && m.Field == "packet_length"
		ir.ExprSlots(*e, look)
	}
	seen := map[*ir.Action]bool{}
	var walk func(ss []ir.Stmt)
	walk = func(ss []ir.Stmt) {
		ir.WalkStmts(ss, func(s ir.Stmt) {
			ir.StmtSlots(s, look)
			t, ok := s.(*ir.ApplyTable)
			if !ok {
				return
			}
			for i := range t.Table.Keys {
				look(&t.Table.Keys[i].Expr)
			}
			for _, r := range t.Table.Actions {
				if !seen[r.Action] {
					seen[r.Action] = true
					walk(r.Action.Body)
				}
			}
		})
	}
	walk(egress.Body)
	return found
}

// output cuts the packet if the program asked for it and sends it.
func (a *v1) output(l *lowerer) {
	then, els := l.branch(l.get(a.trim), -1)
	if l.resume(then, "truncate"); l.cur != nil {
		good, bad := l.branch(l.emit(&Value{Op: OpTrim, Type: 1, Args: []*Value{l.get(a.trimTo)}}), +1)
		if l.resume(bad, "nocut"); l.cur != nil {
			l.drop(DropResize)
		}
		els = append(els, good...)
	}
	l.resume(els, "output")
	l.force()
	port := l.resize([]*Value{l.get(a.port.base)}, 32, false)[0]
	l.cur.blk.Term = Term{Kind: TermOutput, Cond: port, Pos: l.pos}
	l.cur = nil
}

// dropAsked drops the packets whose egress_spec is the drop port. Ways on which
// that is known are decided without joining them.
func (a *v1) dropAsked(l *lowerer) {
	leaf := a.sm.base + a.spec.rel
	var out, dropped []exit
	exits := l.here()
	var rest []exit
	for _, x := range exits {
		switch v := l.at(x.env, leaf); {
		case v.Op != OpConst:
			rest = append(rest, x)
		case v.Aux == v1DropPort:
			dropped = append(dropped, x)
		default:
			out = append(out, x)
		}
	}
	if l.resume(rest, "port"); l.cur != nil {
		l.force()
		v := l.get(leaf)
		then, els := l.branch(l.op(OpEq, 1, v, l.constant(v.Type, v1DropPort)), -1)
		dropped, out = append(dropped, then...), append(out, els...)
	}
	// What a dropped packet's variables hold does not matter: no parameters.
	for i := range dropped {
		dropped[i].env = nil
	}
	if l.resume(dropped, "drop"); l.cur != nil {
		l.drop(DropProgram)
	}
	l.resume(out, "forward")
}

// setMeta sets a field of standard_metadata, fitting the width; nothing where
// the program's architecture file has no such field.
func (a *v1) setMeta(l *lowerer, name string, v *Value) {
	setField(l, a.sm.node, a.sm.base, name, v)
}

func setField(l *lowerer, n *node, base int, name string, v *Value) {
	k := n.kid(name)
	if k == nil || k.kind != nodeScalar {
		return
	}
	for i, x := range l.resize([]*Value{v}, k.w, false) {
		l.set(base+k.rel+i, x)
	}
}

// assigned refuses multicast: a group that is set.
func (a *v1) assigned(l *lowerer, s *ir.Assign) {
	m, ok := s.L.(*ir.Member)
	if !ok || m.Field != "mcast_grp" {
		return
	}
	st, ok := m.X.Type().(*ir.Struct)
	if !ok || st.Name != "standard_metadata_t" {
		return
	}
	if c, ok := s.R.(*ir.Const); ok && c.Val.Sign() == 0 {
		return
	}
	l.refuse(s.P, "multicast (assignment to standard_metadata.mcast_grp)", "packets are not replicated")
}

func (a *v1) extern(l *lowerer, s *ir.ExternCall) bool {
	switch s.Name {
	case "mark_to_drop":
		sm := a.sm.node
		base := a.sm.base
		if len(s.Args) > 0 && s.Args[0] != nil {
			p := l.place(s.Args[0])
			if len(p.alts) != 1 || p.alts[0].cond != nil {
				l.refuse(s.P, "extern mark_to_drop", "its argument is not known at compile time")
			}
			sm, base = p.node, p.alts[0].base
		}
		setField(l, sm, base, "egress_spec", l.constant(32, v1DropPort))
		setField(l, sm, base, "mcast_grp", l.constant(32, 0))
	case "verify_checksum":
		a.verifyChecksum(l, s)
	case "update_checksum":
		l.args(s, 4)
		l.checksum(s, func(sum *Value) {
			l.assignTo(s.Args[2], l.resize([]*Value{sum}, ir.Width(s.Args[2].Type()), false))
		})
	case "hash":
		l.args(s, 5)
		l.hashInto(s.Args[0], l.digestOf(l.enumMember(s.Args[1]), l.data(s.Args[3]), s.P), s.Args[2], s.Args[4])
	case "random":
		l.args(s, 3)
		l.random(s.Args[0], s.Args[1], s.Args[2])
	case "truncate":
		l.args(s, 1)
		// The shortest counts. The length is read as 32 bits wherever it is wider.
		to := l.resize(l.eval(s.Args[0]), 32, false)[0]
		old := l.get(a.trimTo)
		keep := l.op(OpAnd, 1, l.get(a.trim), l.op(OpUlt, 1, old, to))
		l.set(a.trimTo, l.sel(keep, old, to))
		l.set(a.trim, l.constant(1, 1))
	case "direct_counter.count", // counted by the table
		"log_msg", "assert", "assume":
	case "clone", "clone3", "clone_preserving_field_list":
		l.refuse(s.P, "extern "+s.Name, "packets are not replicated")
	case "resubmit", "resubmit_preserving_field_list", "recirculate", "recirculate_preserving_field_list":
		l.refuse(s.P, "extern "+s.Name, "a packet passes the pipeline once")
	case "verify_checksum_with_payload", "update_checksum_with_payload":
		l.refuse(s.P, "extern "+s.Name, "the payload is not read")
	default:
		return false
	}
	return true
}

// checksum computes the checksum of s where its condition holds and gives it
// to use.
func (l *lowerer) checksum(s *ir.ExternCall, use func(sum *Value)) {
	algo := l.enumMember(s.Args[3])
	then, els := l.cond(s.Args[0], 0)
	if l.resume(then, "checksum"); l.cur != nil {
		l.force()
		use(l.digestOf(algo, l.data(s.Args[1]), s.P))
	}
	l.resume(append(l.here(), els...), "summed")
}

// verifyChecksum sets checksum_error where the sum is wrong; earlier errors
// stay. The result is control flow here, so that a program that drops on an
// error finds it decided.
func (a *v1) verifyChecksum(l *lowerer, s *ir.ExternCall) {
	l.args(s, 4)
	k := a.sm.node.kid("checksum_error")
	var bad []exit
	l.checksum(s, func(sum *Value) {
		have := l.eval(s.Args[2])
		want := l.resize([]*Value{sum}, width(have), false)
		good, wrong := l.branch(l.equal(have, want), +1)
		if l.resume(wrong, "badsum"); l.cur != nil {
			if k != nil {
				l.set(a.sm.base+k.rel, l.constant(1, 1))
			}
			bad = l.here()
		}
		l.resume(good, "goodsum")
	})
	l.resume(append(l.here(), bad...), "verified")
}

// stackLeaves are the nextIndex leaves of the stacks in variables.
func stackLeaves(vars ...*variable) []int {
	var out []int
	var walk func(n *node, base int)
	walk = func(n *node, base int) {
		if n.kind == nodeStack {
			out = append(out, base)
		}
		for _, k := range n.kids {
			walk(k, base+k.rel)
		}
	}
	for _, v := range vars {
		walk(v.node, v.base)
	}
	return out
}
