package ssa

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// v1 is the architecture v1model: what happens between the blocks, the meaning
// of standard_metadata and the externs. It follows simple_switch: a parser error
// does not drop; the egress port is fixed when egress starts.
type v1 struct {
	// Storage of the block being lowered; its parameters are copies of the
	// block's before.
	hdr, meta, sm *variable
	blocks        []*ir.Block
	v1Asked
	spec     *node     // egress_spec within standard_metadata
	port     *variable // egress_spec at the end of ingress
	atEgress []leaves  // what else egress finds in standard_metadata
	trim     int       // leaf: truncate was called
	trimTo   int       // leaf: to this length
	counts   bool      // egress reads packet_length
	length   int       // leaf: what it is there, less the size of the headers
	emitted  map[int]bool
	again    *Value // in stage ingress: the packet is a frame of its own, recirculated
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

func (l *lowerer) v1model() { newV1(l).fromStart(l, true) }

// newV1 begins the lowering of a Func of a v1model program.
func newV1(l *lowerer) *v1 {
	a := &v1{blocks: l.v1blocks()}
	l.arch = a
	a.enter(l, a.blocks, 0)
	a.layout(l)
	return a
}

// fromStart lowers parser, ingress and, where the packet goes on as itself,
// egress. first says that it came in from a port.
func (a *v1) fromStart(l *lowerer, first bool) {
	blocks := a.blocks
	a.begin(l, first)
	l.planEmits(blocks[5], 1, a.hdr)
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
	a.countHeaders(l)
	for i := 1; i <= 2 && l.cur != nil; i++ {
		a.enter(l, blocks, i)
		l.stmts(blocks[i].Body)
	}
	if a.afterIngress(l, first); l.cur == nil {
		return
	}
	a.setLength(l)
	a.toEgress(l, true)
	a.egress(l, first)
}

// egress lowers the control and what follows it.
func (a *v1) egress(l *lowerer, first bool) {
	a.enter(l, a.blocks, 3)
	l.stmts(a.blocks[3].Body)
	if a.afterEgress(l, first); l.cur != nil {
		a.finish(l)
	}
}

// finish lowers what is behind egress.
func (a *v1) finish(l *lowerer) {
	for i := 4; i <= 5 && l.cur != nil; i++ {
		a.enter(l, a.blocks, i)
		l.stmts(a.blocks[i].Body)
	}
	if l.cur == nil {
		return
	}
	l.force()
	l.deparse()
	if l.cur != nil {
		a.output(l)
	}
}

// countHeaders begins packet_length for egress: what the frame has besides the
// headers that were parsed.
func (a *v1) countHeaders(l *lowerer) {
	if a.counts {
		l.force()
		l.set(a.length, l.op(OpSub, 32, a.frameLength(l), a.headerBytes(l)))
	}
}

// setLength sets packet_length for egress.
func (a *v1) setLength(l *lowerer) {
	if p := a.sm.node.kid("packet_length"); a.counts && p != nil && p.w == 32 {
		l.force()
		l.set(a.sm.base+p.rel, l.op(OpAdd, 32, l.get(a.length), a.headerBytes(l)))
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

// begin sets up the parser's state and standard_metadata; first says that the
// packet came in from a port.
func (a *v1) begin(l *lowerer, first bool) {
	ps := a.parserState(l)
	ps.stacks = stackLeaves(a.hdr, a.meta)
	for _, v := range l.p.Block("p").Locals {
		ps.stacks = append(ps.stacks, stackLeaves(l.vars[v])...)
	}
	a.hdr.node.headers(a.hdr.base, func(_ *node, base int) { ps.shape = append(ps.shape, base+leafValid) })
	ps.shape = append(ps.shape, ps.cursor)

	now := l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000))
	if first {
		a.setMeta(l, "ingress_port", l.op(OpIngressPort, 32))
		a.setMeta(l, "packet_length", l.op(OpWireLen, 32))
		a.setMeta(l, "ingress_global_timestamp", now)
	} else {
		a.again = l.frame(cellAt(a.cells.again), 1, "$recirculated")
		l.frameLeaves(a.meta.base, a.meta.node.n, a.cells.meta)
		l.frameLeaves(a.sm.base, a.sm.node.n, a.cells.sm)
		a.setMeta(l, "packet_length", a.frameLength(l))
	}
	a.prepareEgress(l, now)
}

// parserState begins the state of parsing, which the deparser needs too.
func (a *v1) parserState(l *lowerer) *parserState {
	ps := &parserState{cursor: l.wordLeaf("$cursor"), err: l.wordLeaf("$error"), order: l.wordLeaf("$order")}
	l.parser = ps
	l.set(ps.err, l.constant(32, l.errorIndex("NoError")))
	return ps
}

// prepareEgress makes what toEgress sets here, where no way has ended yet, so that
// setting it adds no code.
func (a *v1) prepareEgress(l *lowerer, now *Value) {
	zero := l.constant(32, 0)
	for _, f := range []struct {
		name string
		v    *Value
	}{{"egress_spec", zero}, {"egress_global_timestamp", now}, {"enq_timestamp", now}, {"enq_qdepth", zero}, {"deq_timedelta", zero}, {"deq_qdepth", zero}} {
		if k := a.sm.node.kid(f.name); k != nil && k.kind == nodeScalar {
			a.atEgress = append(a.atEgress, leaves{k.rel, l.resize([]*Value{f.v}, k.w, false)})
		}
	}
}

// toEgress sets what egress finds in standard_metadata. With own the packet goes on
// as itself to the port that ingress has chosen; else leaf a.port is set already.
func (a *v1) toEgress(l *lowerer, own bool) {
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		if own {
			for k := range a.port.node.n {
				set(a.port.base+k, get(a.sm.base+a.spec.rel+k))
			}
			if k := a.sm.node.kid("instance_type"); k != nil && k.kind == nodeScalar {
				for i, t := range Limbs(k.w) {
					set(a.sm.base+k.rel+i, l.constant(t, v1Normal))
				}
			}
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
		size := l.sizeOf(n, func(rel int) *Value { return l.get(base + rel) })
		bytes := l.sel(l.known(l.get(base+leafValid)), size, l.constant(32, 0))
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
	case "verify_checksum", "verify_checksum_with_payload":
		a.verifyChecksum(l, s)
	case "update_checksum", "update_checksum_with_payload":
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
		a.askClone(l, s)
	case "resubmit", "resubmit_preserving_field_list":
		a.askReturn(l, s, a.resubmit)
	case "recirculate", "recirculate_preserving_field_list":
		a.askReturn(l, s, a.recirculate)
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
		data := l.data(s.Args[1])
		if strings.HasSuffix(s.Name, "_with_payload") {
			data = append(data, l.payload())
		}
		use(l.digestOf(algo, data, s.P))
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
