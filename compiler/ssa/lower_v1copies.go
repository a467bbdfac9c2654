package ssa

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// Copies on v1model, in the order of ir/exec. The Func of the packets that come in
// is parser, ingress and egress in one, where the packet goes on as itself and
// nothing is asked. Where ingress asks for copies, or the packet goes elsewhere:
//
//	clone   the ingress clone: parsed again, with what its field list keeps; egress
//	egress  egress for the packet itself behind its clone, for replicas of a group,
//	        and for clones that egress makes
//	ingress resubmitted and recirculated packets, from the parser on
//	finish  what is behind egress, for a packet that came in whose egress asks
//
// A stage may go on after it has made jobs, so only the packets that came in need
// finish.

// Values of instance_type.
const (
	v1Normal       = 0
	v1IngressClone = 1
	v1EgressClone  = 2
	v1Recirculated = 4
	v1Replicated   = 5
	v1Resubmitted  = 6
)

// maxSession masks numbers of clone sessions, as simple_switch has them.
const maxSession = 1<<15 - 1

// v1Asked are the leaves with what externs have asked for, and the numbers of the
// cells of frames.
type v1Asked struct {
	clone, session, cloneList   int // flag, number, field list
	resubmit, recirculate, list int // flags; field list of the last of them

	lists v1Lists
	cells struct {
		hdr, meta, sm                      int // the first leaf of each
		cursor, bytes, port, cloned, again int
		list                               int
	}
}

// layout makes the leaves beside the parameters and numbers the cells of frames,
// the same in every Func of the program.
func (a *v1) layout(l *lowerer) {
	a.trim, a.trimTo = l.flagLeaf("$truncate"), l.wordLeaf("$length")
	a.clone, a.session, a.cloneList = l.flagLeaf("$clone"), l.wordLeaf("$session"), l.wordLeaf("$clonelist")
	a.resubmit, a.recirculate, a.list = l.flagLeaf("$resubmit"), l.flagLeaf("$recirculate"), l.wordLeaf("$list")
	if a.counts = readsLength(l.p.Block("eg")); a.counts {
		a.length = l.wordLeaf("$bytes")
		a.emitted = l.emittedHeaders(l.p.Block("dep"))
	}
	a.spec = a.sm.node.kid("egress_spec")
	if a.spec == nil || a.spec.kind != nodeScalar || a.spec.w < 1 || a.spec.w > 64 {
		l.refuse(l.pos, "standard_metadata.egress_spec", "the architecture file has no such field")
	}
	a.port = &variable{node: &node{kind: nodeScalar, w: a.spec.w, n: a.spec.n}}
	a.port.base = l.leaves(a.port.node, "$port")

	c := &a.cells
	c.meta = a.hdr.node.n
	c.sm = c.meta + a.meta.node.n
	c.cursor = c.sm + a.sm.node.n
	c.bytes, c.port, c.cloned, c.again, c.list = c.cursor+1, c.cursor+2, c.cursor+3, c.cursor+4, c.cursor+5
	a.lists = l.v1Lists(a)
}

// askClone: of several calls the last one counts.
func (a *v1) askClone(l *lowerer, s *ir.ExternCall) {
	l.args(s, 2)
	id := l.resize(l.eval(s.Args[1]), 32, false)[0]
	l.set(a.clone, l.constant(1, 1))
	l.set(a.session, l.op(OpAnd, 32, id, l.constant(32, maxSession)))
	l.set(a.cloneList, l.constant(32, a.lists.number(s)))
}

// askReturn is resubmit and recirculate: they share the field list.
func (a *v1) askReturn(l *lowerer, s *ir.ExternCall, flag int) {
	l.set(flag, l.constant(1, 1))
	l.set(a.list, l.constant(32, a.lists.number(s)))
}

// afterIngress ends the ways on which the packet does not go on to egress in this
// Func. In this order: the clone that was asked for; then the packet is
// resubmitted, or else replicated, or else dropped.
func (a *v1) afterIngress(l *lowerer, first bool) {
	if !l.never(a.clone, 1) {
		is, not := l.where(a.clone, 1, -1, "clone")
		not = l.setOn(not, a.clone, l.constant(1, 0))
		if l.resume(is, "clone"); l.cur != nil {
			some := a.ingressClone(l)
			l.set(a.clone, l.constant(1, 0))
			if !first { // without a copy it goes on as if none had been asked for
				copied, alone := l.branch(some, 0)
				not = append(not, alone...)
				l.resume(copied, "cloned")
			}
			if a.leave(l, first); l.cur != nil {
				a.parkSelf(l)
			}
		}
		l.resume(not, "noclone")
	}
	a.leave(l, false)
}

// leave ends the ways of resubmitted, replicated and dropped packets; forked says
// that a packet that came in has made jobs.
func (a *v1) leave(l *lowerer, forked bool) {
	if !l.never(a.resubmit, 1) {
		is, not := l.where(a.resubmit, 1, -1, "resubmit")
		if l.resume(is, "resubmit"); l.cur != nil {
			a.startOver(l, JobFound, v1Resubmitted, "resubmit")
			l.next()
		}
		l.resume(not, "onward")
	}
	if k := a.sm.node.kid("mcast_grp"); k != nil && k.kind == nodeScalar && k.n == 1 && !l.zeroed(a.sm.base+k.rel) {
		none, some := l.where(a.sm.base+k.rel, 0, +1, "group")
		if l.resume(some, "multicast"); l.cur != nil {
			a.setInstance(l, v1Replicated)
			group := l.resize([]*Value{l.get(a.sm.base + k.rel)}, 32, false)[0]
			j := l.newJob(a.egressStage(l), JobFound, "multicast", a.state(l))
			l.replicateJob(j, ReplicateGroup, group)
			l.next()
		}
		l.resume(none, "unicast")
	}
	a.dropAsked(l, forked)
}

// zeroed tells whether leaf is the constant 0 on all ways.
func (l *lowerer) zeroed(leaf int) bool {
	if l.cur == nil {
		return true
	}
	if l.cur.pending == nil {
		return l.at(l.cur.env, leaf).IsConst(0)
	}
	for _, x := range l.cur.pending {
		if !l.at(x.env, leaf).IsConst(0) {
			return false
		}
	}
	return true
}

// dropAsked drops the packets whose egress_spec is the drop port. Ways on which
// that is known are decided without joining them.
func (a *v1) dropAsked(l *lowerer, forked bool) {
	if l.cur == nil {
		return
	}
	dropped, out := l.where(a.sm.base+a.spec.rel, v1DropPort, -1, "port")
	// What a dropped packet's variables hold does not matter: no parameters.
	if l.resumeFresh(dropped, "drop"); l.cur != nil {
		if forked {
			l.next()
		} else {
			l.drop(DropProgram)
		}
	}
	l.resume(out, "forward")
}

// setInstance sets instance_type.
func (a *v1) setInstance(l *lowerer, v uint64) {
	l.force()
	a.setMeta(l, "instance_type", l.constant(32, v))
}

// state is all that stage egress or finish needs of the packet as it is now.
func (a *v1) state(l *lowerer) []storedCell {
	l.force()
	var cells []storedCell
	add := func(base, n, cell int) {
		for i := range n {
			cells = append(cells, storedCell{cellAt(cell + i), l.get(base + i)})
		}
	}
	add(a.hdr.base, a.hdr.node.n, a.cells.hdr)
	add(a.meta.base, a.meta.node.n, a.cells.meta)
	add(a.sm.base, a.sm.node.n, a.cells.sm)
	add(l.parser.cursor, 1, a.cells.cursor)
	if a.counts {
		add(a.length, 1, a.cells.bytes)
	}
	return cells
}

// cut is the length beyond which the packet is cut.
func (a *v1) cut(l *lowerer) storedCell {
	return storedCell{FrameCut, l.sel(l.get(a.trim), l.get(a.trimTo), l.constant(32, FrameWhole))}
}

// parkSelf sends the packet to egress behind its clones.
func (a *v1) parkSelf(l *lowerer) {
	a.setInstance(l, v1Normal)
	cells := append(a.state(l), a.cut(l),
		storedCell{FramePort, l.resize([]*Value{l.get(a.sm.base + a.spec.rel)}, 32, false)[0]})
	if k := a.sm.node.kid("egress_rid"); k != nil && k.kind == nodeScalar && k.n == 1 {
		cells = append(cells, storedCell{FrameInstance, l.resize([]*Value{l.get(a.sm.base + k.rel)}, 32, false)[0]})
	}
	l.newJob(a.egressStage(l), JobFound, "self", cells)
	l.next()
}

// kept gives the cells of metadata for a copy that begins with nothing but the
// fields of the list in leaf list.
func (a *v1) kept(l *lowerer, list int) []storedCell {
	l.force()
	var cells []storedCell
	number := l.get(list)
	add := func(v *variable, cell int) {
		for i := range v.node.n {
			x := l.get(v.base + i)
			cells = append(cells, storedCell{cellAt(cell + i), l.sel(a.lists.holds(l, number, cell+i), x, l.constant(x.Type, 0))})
		}
	}
	add(a.meta, a.cells.meta)
	add(a.sm, a.cells.sm)
	return cells
}

// startOver makes the packet a job for the parser.
func (a *v1) startOver(l *lowerer, kind int, instance uint64, name string) {
	cells := a.kept(l, a.list)
	if k := a.sm.node.kid("instance_type"); k != nil && k.kind == nodeScalar && k.n == 1 {
		for i := range cells {
			if cells[i].at == cellAt(a.cells.sm+k.rel) {
				cells[i].v = l.constant(Limbs(k.w)[0], instance)
			}
		}
	}
	cells = append(cells, storedCell{cellAt(a.cells.again), l.constant(1, bit(instance == v1Recirculated))})
	stage := l.stage("ingress", func(l *lowerer) { newV1(l).fromStart(l, false) })
	l.newJob(stage, kind, name, cells)
}

// ingressClone makes the clones of ingress; the result tells whether there are any.
func (a *v1) ingressClone(l *lowerer) *Value {
	cells := a.kept(l, a.cloneList)
	if k := a.sm.node.kid("ingress_port"); k != nil && k.kind == nodeScalar && k.n == 1 {
		cells = append(cells, storedCell{cellAt(a.cells.port), l.get(a.sm.base + k.rel)})
	}
	cells = append(cells, storedCell{cellAt(a.cells.cloned), l.get(a.cloneList)})
	a.lists.headers(a, func(i int) {
		cells = append(cells, storedCell{cellAt(a.cells.hdr + i), l.get(a.hdr.base + i)})
	})
	j := l.newJob(l.stage("clone", (*lowerer).v1clone), JobFound, "clone", cells)
	return l.replicateJob(j, ReplicateSession, l.get(a.session))
}

// v1clone lowers stage clone.
func (l *lowerer) v1clone() {
	a := newV1(l)
	ps := a.parserState(l)
	ps.stacks = stackLeaves(a.hdr, a.meta)
	for _, v := range l.p.Block("p").Locals {
		ps.stacks = append(ps.stacks, stackLeaves(l.vars[v])...)
	}
	a.hdr.node.headers(a.hdr.base, func(_ *node, base int) { ps.shape = append(ps.shape, base+leafValid) })
	ps.shape = append(ps.shape, ps.cursor)
	if k := a.sm.node.kid("ingress_port"); k != nil && k.kind == nodeScalar && k.n == 1 {
		l.set(a.sm.base+k.rel, l.frame(cellAt(a.cells.port), l.leafType[a.sm.base+k.rel], "ingress_port"))
	}
	a.prepareEgress(l, l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000)))
	l.planEmits(a.blocks[5], 1, a.hdr)
	l.parserBlock(a.blocks[0])
	if l.cur == nil {
		return
	}
	l.parsedHeaders(a.hdr)
	a.countHeaders(l)
	l.force()
	fromFrame := func(base, cell int) func(rel int) {
		return func(rel int) {
			i := base + rel
			l.set(i, l.frame(cellAt(cell+rel), l.leafType[i], l.leafName[i]))
		}
	}
	a.meta.node.plainLeaves(0, fromFrame(a.meta.base, a.cells.meta))
	a.sm.node.plainLeaves(0, fromFrame(a.sm.base, a.cells.sm))
	number := l.frame(cellAt(a.cells.cloned), 32, "$clonelist")
	a.lists.headers(a, func(i int) {
		old := l.get(a.hdr.base + i)
		l.set(a.hdr.base+i, l.sel(a.lists.holds(l, number, a.cells.hdr+i), l.frame(cellAt(a.cells.hdr+i), old.Type, ""), old))
	})
	a.setInstance(l, v1IngressClone)
	a.enterEgress(l)
}

// egressStage is the number of stage egress.
func (a *v1) egressStage(l *lowerer) uint64 {
	return l.stage("egress", func(l *lowerer) {
		a := newV1(l)
		a.fromFrame(l)
		a.enterEgress(l)
	})
}

// fromFrame gives the parameters what state stored.
func (a *v1) fromFrame(l *lowerer) {
	ps := a.parserState(l)
	l.frameLeaves(a.hdr.base, a.hdr.node.n, a.cells.hdr)
	l.frameLeaves(a.meta.base, a.meta.node.n, a.cells.meta)
	l.frameLeaves(a.sm.base, a.sm.node.n, a.cells.sm)
	l.frameLeaves(ps.cursor, 1, a.cells.cursor)
	if a.counts {
		l.frameLeaves(a.length, 1, a.cells.bytes)
	}
	a.prepareEgress(l, l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000)))
}

// enterEgress goes from a job to egress.
func (a *v1) enterEgress(l *lowerer) {
	l.force()
	a.setMeta(l, "egress_rid", l.frame(FrameInstance, 32, "egress_rid"))
	a.fromFixed(l)
	a.setLength(l)
	a.toEgress(l, false)
	a.egress(l, false)
}

// fromFixed takes port and truncation from the frame.
func (a *v1) fromFixed(l *lowerer) {
	for i, v := range l.resize([]*Value{l.frame(FramePort, 32, "egress_port")}, a.spec.w, false) {
		l.set(a.port.base+i, v)
	}
	cut := l.frame(FrameCut, 32, "$length")
	l.set(a.trim, l.op(OpNe, 1, cut, l.constant(32, FrameWhole)))
	l.set(a.trimTo, cut)
}

// afterEgress makes the clone that was asked for and drops; a packet that came in
// and goes on finishes as a job where it has made one.
func (a *v1) afterEgress(l *lowerer, first bool) {
	if !l.never(a.clone, 1) {
		is, not := l.where(a.clone, 1, -1, "clone")
		if l.resume(is, "clone"); l.cur != nil {
			if first {
				dropped, on := l.where(a.sm.base+a.spec.rel, v1DropPort, -1, "port")
				if l.resume(on, "finish"); l.cur != nil {
					a.parkFinish(l)
					dropped = append(dropped, l.here()...)
				}
				l.resume(dropped, "cloned")
				a.egressClone(l)
				l.next()
			} else {
				a.egressClone(l)
				not = append(not, l.here()...)
			}
		}
		l.resume(not, "noclone")
	}
	a.dropAsked(l, false)
	if first && !l.never(a.recirculate, 1) {
		is, not := l.where(a.recirculate, 1, -1, "recirculate")
		if l.resume(is, "finish"); l.cur != nil {
			a.parkFinish(l)
			l.next()
		}
		l.resume(l.setOn(not, a.recirculate, l.constant(1, 0)), "onward")
	}
}

// egressClone makes the clones of egress: the packet as egress left it.
func (a *v1) egressClone(l *lowerer) {
	l.force()
	cells := a.state(l)
	reset := map[uint64]*Value{}
	for _, c := range a.kept(l, a.cloneList) {
		reset[c.at] = c.v
	}
	plain := map[uint64]bool{}
	a.meta.node.plainLeaves(0, func(rel int) { plain[cellAt(a.cells.meta+rel)] = true })
	a.sm.node.plainLeaves(0, func(rel int) { plain[cellAt(a.cells.sm+rel)] = true })
	for i, c := range cells {
		if plain[c.at] {
			cells[i].v = reset[c.at]
		}
	}
	if k := a.sm.node.kid("instance_type"); k != nil && k.kind == nodeScalar && k.n == 1 {
		for i := range cells {
			if cells[i].at == cellAt(a.cells.sm+k.rel) {
				cells[i].v = l.constant(Limbs(k.w)[0], v1EgressClone)
			}
		}
	}
	j := l.newJob(a.egressStage(l), JobFound, "clone", cells)
	l.replicateJob(j, ReplicateSession, l.get(a.session))
}

// parkFinish makes the packet a job for stage finish.
func (a *v1) parkFinish(l *lowerer) {
	cells := append(a.state(l), a.cut(l),
		storedCell{FramePort, l.resize([]*Value{l.get(a.port.base)}, 32, false)[0]},
		storedCell{cellAt(a.cells.again), l.get(a.recirculate)},
		storedCell{cellAt(a.cells.list), l.get(a.list)})
	stage := l.stage("finish", func(l *lowerer) {
		a := newV1(l)
		a.fromFrame(l)
		a.fromFixed(l)
		l.frameLeaves(a.recirculate, 1, a.cells.again)
		l.frameLeaves(a.list, 1, a.cells.list)
		a.finish(l)
	})
	l.newJob(stage, JobFound, "finish", cells)
}

// frameLength is the length of the frame when it began.
func (a *v1) frameLength(l *lowerer) *Value {
	if a.again == nil {
		return l.op(OpWireLen, 32)
	}
	return l.sel(a.again, l.op(OpPktLen, 32), l.op(OpWireLen, 32))
}

// output cuts the packet if the program asked for it and sends it, or back.
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
	if !l.never(a.recirculate, 1) {
		is, not := l.where(a.recirculate, 1, -1, "recirculate")
		if l.resume(is, "recirculate"); l.cur != nil {
			a.startOver(l, JobOwn, v1Recirculated, "recirculate")
			l.next()
		}
		if l.resume(not, "output"); l.cur == nil {
			return
		}
	}
	l.force()
	port := l.resize([]*Value{l.get(a.port.base)}, 32, false)[0]
	l.cur.blk.Term = Term{Kind: TermOutput, Cond: port, Pos: l.pos}
	l.cur = nil
}
