package ssa

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The Portable Switch Architecture, as ir/exec has it. The Func of the packets that
// come in is the whole pipeline where the packet goes on as itself to one port: what
// the egress parser reads is what the ingress deparser emitted (lower_virtual.go).
//
//	normal   from behind the ingress deparser on: copies of a multicast group, and the
//	         packet itself behind its clones
//	egress   clones, from the egress parser on
//	ingress  resubmitted and recirculated packets, from the ingress parser on
//	finish   from behind the egress deparser on, for a packet that came in and makes a
//	         clone there or is recirculated
//
// Where the egress parser cannot read emitted values, a real packet is made and handed
// to stage egress: in stage apart for a packet that came in. Where it never can, normal
// is apart, and every packet goes that way.

// Values of PSA_PacketPath_t.
const (
	psaNormal = iota
	psaUnicast
	psaMulticast
	psaCloneI2E
	psaCloneE2E
	psaResubmit
	psaRecirculate
)

// psaRecirculatePort is PSA_PORT_RECIRCULATE.
const psaRecirculatePort = 0xfffffffa

// psaBlocks are the package's blocks with what their parameters are: those of one
// name are handed from block to block.
var psaBlocks = [...]struct {
	slot  string
	roles []string
}{
	{"ip", []string{"", "ih", "im", "ipin", "resubm", "recircm"}},
	{"ig", []string{"ih", "im", "igin", "igout"}},
	{"id", []string{"", "ci2em", "resubm", "nm", "ih", "im", "igout"}},
	{"ep", []string{"", "eh", "em", "epin", "nm", "ci2em", "ce2em"}},
	{"eg", []string{"eh", "em", "egin", "egout"}},
	{"ed", []string{"", "ce2em", "recircm", "eh", "em", "egout", "edin"}},
}

type psa struct {
	blocks [len(psaBlocks)]*ir.Block
	role   map[string]*variable // storage in the last block that had it
	first  map[string]*ir.Var   // first parameter of each role
	now    *Value               // microseconds
	cut    *Value               // length beyond which the output is cut; nil: none
	end    psaEnd
}

// psaEnd are the leaves that decide what becomes of a packet behind the egress
// deparser.
type psaEnd struct{ clone, session, drop, port int }

func (l *lowerer) psa() { newPSA(l).fromStart(l, true) }

// newPSA begins the lowering of a Func of a PSA program.
func newPSA(l *lowerer) *psa {
	a := &psa{role: map[string]*variable{}, first: map[string]*ir.Var{}}
	for i, s := range psaBlocks {
		b := l.p.Block(s.slot)
		if b == nil {
			l.refuse(ir.Pos{}, "package PSA_Switch", "no block is bound to "+s.slot)
		}
		if len(b.Params) != len(s.roles) {
			l.refuse(b.Pos, "block "+b.Name, "it does not have the parameters of PSA")
		}
		a.blocks[i] = b
		for j, r := range s.roles {
			if r != "" && a.first[r] == nil {
				a.first[r] = b.Params[j]
			}
		}
	}
	l.arch = a
	a.now = l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000))
	return a
}

// enter gives block i its storage: parameters with what the block before left in
// them, locals and checksums at 0.
func (a *psa) enter(l *lowerer, i int) {
	b := a.blocks[i]
	for j, p := range b.Params {
		v := l.declare(p)
		role := psaBlocks[i].roles[j]
		if role == "" {
			continue
		}
		if from := a.role[role]; from != nil {
			if from.node.n != v.node.n {
				l.refuse(p.Pos, "parameter "+p.Name+" of "+b.Name, "its type differs from the other blocks'")
			}
			l.edit(func(get func(int) *Value, set func(int, *Value)) {
				for k := range v.node.n {
					set(v.base+k, get(from.base+k))
				}
			})
		}
		a.role[role] = v
	}
	for _, v := range b.Locals {
		l.declare(v)
	}
	l.newSums()
	l.setPos(b.Pos)
}

// forget makes roles begin at zero in the next block that has them.
func (a *psa) forget(roles ...string) {
	for _, r := range roles {
		delete(a.role, r)
	}
}

// field is a field of a role with its value: limbs, or those of leaf from where v is
// nil.
type field struct {
	role, name string
	v          *Value
	from       int
}

// set gives fields their values without joining ways. Values of another width than
// the field are fitted first, which may join.
func (a *psa) set(l *lowerer, fs ...field) {
	type change struct {
		leaf int
		v    *Value
		from int
	}
	var cs []change
	for _, f := range fs {
		r := a.role[f.role]
		k := r.node.kid(f.name)
		if k == nil || k.kind != nodeScalar || k.n != 1 {
			continue
		}
		leaf := r.base + k.rel
		t := l.leafType[leaf]
		switch {
		case f.v != nil && f.v.Type != t:
			cs = append(cs, change{leaf, l.resize([]*Value{f.v}, int(t), false)[0], 0})
		case f.v == nil && l.leafType[f.from] != t:
			cs = append(cs, change{leaf, l.resize([]*Value{l.get(f.from)}, int(t), false)[0], 0})
		default:
			cs = append(cs, change{leaf, f.v, f.from})
		}
	}
	if l.cur == nil {
		return
	}
	l.edit(func(get func(int) *Value, set func(int, *Value)) {
		for _, c := range cs {
			if c.v == nil {
				set(c.leaf, get(c.from))
			} else {
				set(c.leaf, c.v)
			}
		}
	})
}

// leaf is the leaf of a field of at most 64 bits.
func (a *psa) leaf(l *lowerer, role, name string) int {
	r := a.role[role]
	k := r.node.kid(name)
	if k == nil || k.kind != nodeScalar || k.n != 1 {
		l.refuse(a.first[role].Pos, a.first[role].Type.String()+"."+name, "the architecture file has no such field")
	}
	return r.base + k.rel
}

// word gives a leaf as 32 bits.
func (l *lowerer) word(leaf int) *Value {
	return l.resize([]*Value{l.get(leaf)}, 32, false)[0]
}

// carried gives the leaves of roles: those of keep, and zeros for the others.
func (a *psa) carried(l *lowerer, keep string, roles ...string) []*Value {
	var out []*Value
	for _, r := range roles {
		v := a.role[r]
		i := 0
		l.shape(a.first[r].Type, "", r, a.first[r].Pos).leaves("", func(t Type, _ string) {
			if r == keep && v != nil {
				out = append(out, l.get(v.base+i))
			} else {
				out = append(out, l.constant(t, 0))
			}
			i++
		})
	}
	return out
}

// frameCells are values for the cells from the first on, in order.
func frameCells(vs ...[]*Value) []storedCell {
	var out []storedCell
	for _, v := range slices.Concat(vs...) {
		out = append(out, storedCell{cellAt(len(out)), v})
	}
	return out
}

// frameReader reads them in the same order.
type frameReader struct{ n int }

func (r *frameReader) next(l *lowerer, t Type, name string) *Value {
	r.n++
	return l.frame(cellAt(r.n-1), t, name)
}

// leaves reads n leaves from base on.
func (r *frameReader) leaves(l *lowerer, base, n int) {
	for i := range n {
		l.set(base+i, r.next(l, l.leafType[base+i], l.leafName[base+i]))
	}
}

// receive reads roles into storage of their own.
func (r *frameReader) receive(l *lowerer, a *psa, roles ...string) {
	for _, role := range roles {
		n := l.shape(a.first[role].Type, "", role, a.first[role].Pos)
		v := &variable{n, l.leaves(n, role)}
		a.role[role] = v
		r.leaves(l, v.base, n.n)
	}
}

func (a *psa) path(l *lowerer, p uint64) []*Value { return []*Value{l.constant(8, p)} }

// beginParser sets up the state of a parser that fills role hdr.
func (a *psa) beginParser(l *lowerer, i int, hdr, meta string) *parserState {
	ps := &parserState{cursor: l.wordLeaf("$cursor"), err: l.wordLeaf("$error"), order: l.wordLeaf("$order")}
	h := a.role[hdr]
	ps.stacks = stackLeaves(h, a.role[meta])
	for _, v := range a.blocks[i].Locals {
		ps.stacks = append(ps.stacks, stackLeaves(l.vars[v])...)
	}
	h.node.headers(h.base, func(_ *node, base int) { ps.shape = append(ps.shape, base+leafValid) })
	l.parser = ps
	return ps
}

// noError sets the parser's error on all ways.
func (l *lowerer) noError() {
	v := l.constant(32, l.errorIndex("NoError"))
	l.edit(func(_ func(int) *Value, set func(int, *Value)) { set(l.parser.err, v) })
}

// fromStart lowers ingress, and egress where the packet goes on as itself. first says
// that it came in from a port.
func (a *psa) fromStart(l *lowerer, first bool) {
	port, path := (*Value)(nil), l.constant(8, psaNormal)
	if first {
		port = l.op(OpIngressPort, 32)
	} else {
		port = l.frame(FramePort, 32, "ingress_port")
		r := &frameReader{}
		path = r.next(l, 8, "packet_path")
		r.receive(l, a, "resubm", "recircm")
	}
	a.enter(l, 0)
	a.set(l, field{role: "ipin", name: "ingress_port", v: port}, field{role: "ipin", name: "packet_path", v: path})
	ps := a.beginParser(l, 0, "ih", "im")
	ps.shape = append(ps.shape, ps.cursor)
	l.noError()
	l.planEmits(a.blocks[2], 4, a.role["ih"])
	l.parserBlock(a.blocks[0])
	if l.cur == nil {
		return // no way through the parser ends
	}
	l.parsedHeaders(a.role["ih"])
	a.enter(l, 1)
	a.set(l, field{role: "igin", name: "ingress_port", v: port}, field{role: "igin", name: "packet_path", v: path},
		field{role: "igin", name: "ingress_timestamp", v: a.now}, field{role: "igin", name: "parser_error", from: ps.err},
		field{role: "igout", name: "drop", v: l.constant(1, 1)})
	l.stmts(a.blocks[1].Body)
	if a.behindIngress(l); l.cur == nil {
		return
	}
	a.forget("ci2em", "resubm", "nm")
	a.enter(l, 2)
	l.stmts(a.blocks[2].Body)
	a.afterIngress(l, first)
	switch {
	case l.cur == nil:
	case l.stages.apart:
		a.park(l)
	default:
		out := a.role["igout"]
		k, c := out.node.kid("egress_port"), out.node.kid("class_of_service")
		a.egress(l, psaEgress{
			port:  field{from: out.base + k.rel},
			class: field{from: out.base + c.rel},
			path:  l.constant(8, psaUnicast), instance: l.constant(16, 0),
			fused: true, first: first,
		})
	}
}

// behindIngress drops the packets for which no deparser runs.
func (a *psa) behindIngress(l *lowerer) {
	clone := a.leaf(l, "igout", "clone")
	var kept []exit
	if !l.never(clone, 1) {
		is, not := l.where(clone, 1, -1, "clone")
		kept = is
		l.resume(not, "noclone")
	}
	a.dropped(l, a.leaf(l, "igout", "drop"), false)
	if len(kept) > 0 {
		l.resume(append(kept, l.here()...), "deparse")
	}
}

// dropped ends the ways on which a flag asks for it; forked says that a packet that
// came in has made jobs.
func (a *psa) dropped(l *lowerer, leaf int, forked bool) {
	if l.never(leaf, 1) {
		return
	}
	is, not := l.where(leaf, 1, -1, "drop")
	if l.resumeFresh(is, "drop"); l.cur != nil {
		if forked {
			l.next()
		} else {
			l.drop(DropProgram)
		}
	}
	l.resume(l.setOn(not, leaf, l.constant(1, 0)), "forward")
}

// afterIngress makes the clone that was asked for and ends the ways on which the
// packet does not go on to one port in this Func.
func (a *psa) afterIngress(l *lowerer, first bool) {
	if l.cur == nil {
		return
	}
	clone := a.leaf(l, "igout", "clone")
	if !l.never(clone, 1) {
		is, not := l.where(clone, 1, -1, "clone")
		if l.resume(is, "clone"); l.cur != nil {
			l.force()
			cells := frameCells(a.path(l, psaCloneI2E), a.carried(l, "ci2em", "nm", "ci2em", "ce2em"))
			session := l.word(a.leaf(l, "igout", "clone_session_id"))
			j := l.newJob(a.egressStage(l), JobFound, "clone", cells)
			some := l.replicateJob(j, ReplicateSession, session)
			if !first { // without a copy it goes on as if none had been asked for
				copied, alone := l.branch(some, 0)
				not = append(not, alone...)
				l.resume(copied, "cloned")
			}
			if a.elsewhere(l, first); l.cur != nil {
				a.park(l)
			}
		}
		l.resume(not, "noclone")
	}
	a.elsewhere(l, false)
}

// elsewhere ends the ways of packets that are dropped, resubmitted or replicated.
func (a *psa) elsewhere(l *lowerer, forked bool) {
	a.dropped(l, a.leaf(l, "igout", "drop"), forked)
	if again := a.leaf(l, "igout", "resubmit"); !l.never(again, 1) {
		is, not := l.where(again, 1, -1, "resubmit")
		if l.resume(is, "resubmit"); l.cur != nil {
			l.force()
			cells := frameCells(a.path(l, psaResubmit), a.carried(l, "resubm", "resubm", "recircm"))
			l.newJob(a.ingressStage(l), JobFound, "resubmit", cells)
			l.next()
		}
		l.resume(not, "onward")
	}
	if group := a.leaf(l, "igout", "multicast_group"); !l.zeroed(group) {
		none, some := l.where(group, 0, +1, "group")
		if l.resume(some, "multicast"); l.cur != nil {
			l.force()
			id := l.word(group)
			j := a.normalJob(l, psaMulticast, nil)
			l.replicateJob(j, ReplicateGroup, id)
			l.next()
		}
		l.resume(none, "unicast")
	}
}

// park sends the packet to its port behind the copies that it has made.
func (a *psa) park(l *lowerer) {
	l.force()
	a.normalJob(l, psaUnicast, l.word(a.leaf(l, "igout", "egress_port")))
	l.next()
}

// emShape is an emission without its leaves, for the stages that get it in frames.
type emShape struct {
	node *node
	name string
}

// emissions gives the emitted headers' leaves, behind the parser's place.
func (l *lowerer) emissions() (vs []*Value, shapes []emShape) {
	vs = append(vs, l.get(l.parser.cursor))
	for _, e := range l.emitted {
		shapes = append(shapes, emShape{e.node, e.name})
		for i := range e.node.n {
			vs = append(vs, l.get(e.base+i))
		}
	}
	return vs, shapes
}

// emissions reads them.
func (r *frameReader) emissions(l *lowerer, shapes []emShape) {
	ps := &parserState{cursor: l.wordLeaf("$cursor"), err: l.wordLeaf("$error"), order: l.wordLeaf("$order")}
	l.parser = ps
	r.leaves(l, ps.cursor, 1)
	for _, s := range shapes {
		e := &emission{node: s.node, base: l.leaves(s.node, "emit."+s.name), name: s.name, parsed: -1}
		r.leaves(l, e.base, s.node.n)
		l.emitted = append(l.emitted, e)
		l.f.HeaderImage += s.node.bits / 8
	}
}

// normalJob makes a job for stage normal, to port, or to whatever the replication
// engine says.
func (a *psa) normalJob(l *lowerer, path uint64, port *Value) *Value {
	vs, shapes := l.emissions()
	cells := frameCells(a.path(l, path), a.carried(l, "nm", "nm"), vs)
	cells = append(cells, storedCell{FrameClass, l.word(a.leaf(l, "igout", "class_of_service"))})
	if port != nil {
		cells = append(cells, storedCell{FramePort, port})
	}
	// The deparser may have lowered to other emissions here than elsewhere.
	name := "normal"
	for _, s := range shapes {
		name += fmt.Sprintf(" %s:%d", s.name, s.node.bits)
	}
	stage := l.stage(name, func(l *lowerer) {
		if a := newPSA(l); l.stages.apart {
			a.apart(l, shapes)
		} else {
			a.normal(l, shapes)
		}
		l.f.Name = "normal"
	})
	return l.newJob(stage, JobFound, "normal", cells)
}

// normal lowers stage normal.
func (a *psa) normal(l *lowerer, shapes []emShape) {
	r := &frameReader{}
	path := r.next(l, 8, "packet_path")
	r.receive(l, a, "nm")
	r.emissions(l, shapes)
	a.egress(l, psaEgress{
		port: field{v: l.frame(FramePort, 32, "egress_port")}, class: field{v: l.frame(FrameClass, 32, "class_of_service")},
		path: path, instance: l.frame(FrameInstance, 32, "instance"), fused: true,
	})
}

func (a *psa) egressStage(l *lowerer) uint64 {
	return l.stage("egress", func(l *lowerer) {
		a := newPSA(l)
		r := &frameReader{}
		path := r.next(l, 8, "packet_path")
		r.receive(l, a, "nm", "ci2em", "ce2em")
		a.cut = l.frame(FrameCut, 32, "$length")
		a.egress(l, psaEgress{
			port: field{v: l.frame(FramePort, 32, "egress_port")}, class: field{v: l.frame(FrameClass, 32, "class_of_service")},
			path: path, instance: l.frame(FrameInstance, 32, "instance"),
		})
	})
}

func (a *psa) ingressStage(l *lowerer) uint64 {
	return l.stage("ingress", func(l *lowerer) { newPSA(l).fromStart(l, false) })
}

// psaEgress is what egress finds.
type psaEgress struct {
	port, class    field // without role and name
	path, instance *Value
	fused, first   bool // it reads what was emitted; the packet came in from a port
}

// egress lowers egress and what follows.
func (a *psa) egress(l *lowerer, in psaEgress) {
	as := func(f field, role, name string) field {
		f.role, f.name = role, name
		return f
	}
	a.forget("eh", "em", "epin", "egin", "egout", "edin")
	if in.fused {
		a.forget("ci2em", "ce2em")
	}
	a.enter(l, 3)
	a.set(l, as(in.port, "epin", "egress_port"), field{role: "epin", name: "packet_path", v: in.path})
	var src *virtual
	before := l.parser
	if in.fused {
		src = l.newVirtual(a.blocks[3])
	}
	ps := a.beginParser(l, 3, "eh", "em")
	l.noError()
	if in.fused {
		ps.cursor, ps.source = before.cursor, src
		ps.stacks = append(ps.stacks, src.keys()...)
	} else {
		ps.shape = append(ps.shape, ps.cursor)
		l.planEmits(a.blocks[5], 3, a.role["eh"])
	}
	l.parserBlock(a.blocks[3])
	if in.fused {
		l.endVirtual(src)
		a.hardWays(l, in, src)
	}
	if l.cur == nil {
		return
	}
	if !in.fused {
		l.parsedHeaders(a.role["eh"])
	}
	a.enter(l, 4)
	a.set(l, as(in.class, "egin", "class_of_service"), as(in.port, "egin", "egress_port"),
		field{role: "egin", name: "packet_path", v: in.path}, field{role: "egin", name: "instance", v: in.instance},
		field{role: "egin", name: "egress_timestamp", v: a.now}, field{role: "egin", name: "parser_error", from: ps.err})
	l.stmts(a.blocks[4].Body)
	if l.cur == nil {
		return
	}
	a.forget("ce2em", "recircm")
	a.enter(l, 5)
	a.set(l, as(in.port, "edin", "egress_port"))
	l.stmts(a.blocks[5].Body)
	if l.cur == nil {
		return
	}
	if in.fused {
		l.emitted = append(l.emitted, src.emitted...)
		l.fused = src
	}
	a.end = psaEnd{a.leaf(l, "egout", "clone"), a.leaf(l, "egout", "clone_session_id"), a.leaf(l, "egout", "drop"), a.leaf(l, "edin", "egress_port")}
	if in.first {
		a.tail(l)
	} else {
		a.finish(l)
	}
}

// hardWays makes a real packet for stage egress where the egress parser cannot read
// what was emitted.
func (a *psa) hardWays(l *lowerer, in psaEgress, src *virtual) {
	if len(src.hard) == 0 {
		return
	}
	onward, ps := l.here(), l.parser
	l.resume(src.hard, "apart")
	l.force()
	l.parser, l.emitted = src.before, src.emitted
	value := func(f field) *Value {
		if f.v == nil {
			return l.word(f.from)
		}
		return l.resize([]*Value{f.v}, 32, false)[0]
	}
	fixed := []storedCell{{FramePort, value(in.port)}, {FrameInstance, l.resize([]*Value{in.instance}, 32, false)[0]}, {FrameClass, value(in.class)}}
	if in.first {
		vs, shapes := l.emissions()
		cells := append(frameCells([]*Value{in.path}, a.carried(l, "nm", "nm"), vs), fixed...)
		l.newJob(l.stage("apart", func(l *lowerer) { newPSA(l).apart(l, shapes) }), JobFound, "apart", cells)
		l.next()
	} else {
		a.realPacket(l, in.path, fixed)
	}
	l.parser, l.emitted = ps, nil
	l.resume(onward, "egress")
}

// apart lowers the stage that makes a real packet of what was emitted.
func (a *psa) apart(l *lowerer, shapes []emShape) {
	r := &frameReader{}
	path := r.next(l, 8, "packet_path")
	r.receive(l, a, "nm")
	r.emissions(l, shapes)
	var fixed []storedCell
	for _, c := range []uint64{FramePort, FrameInstance, FrameClass} {
		fixed = append(fixed, storedCell{c, l.frame(c, 32, "")})
	}
	a.realPacket(l, path, fixed)
}

// realPacket writes what was emitted and hands it to stage egress.
func (a *psa) realPacket(l *lowerer, path *Value, fixed []storedCell) {
	cells := append(frameCells([]*Value{path}, a.carried(l, "nm", "nm", "ci2em", "ce2em")), fixed...)
	stage := a.egressStage(l)
	if l.deparse(); l.cur != nil {
		l.newJob(stage, JobNow, "normal", cells)
		l.next()
	}
}

// tail ends a packet that came in: one that makes copies here finishes as a job.
func (a *psa) tail(l *lowerer) {
	for _, ask := range []struct {
		leaf int
		c    uint64
		name string
	}{{a.end.clone, 1, "clone"}, {a.end.port, psaRecirculatePort, "recirculate"}} {
		if !l.never(ask.leaf, ask.c) {
			is, not := l.where(ask.leaf, ask.c, -1, ask.name)
			if l.resume(is, ask.name); l.cur != nil {
				a.parkFinish(l)
				l.next()
			}
			l.resume(not, "onward")
		}
		if ask.name == "clone" {
			a.dropped(l, a.end.drop, false)
		}
	}
	if l.cur == nil {
		return
	}
	l.force()
	if l.deparse(); l.cur != nil {
		a.output(l)
	}
}

func (a *psa) output(l *lowerer) {
	l.force()
	l.cur.blk.Term = Term{Kind: TermOutput, Cond: l.word(a.end.port), Pos: l.pos}
	l.cur = nil
}

// parkFinish makes the packet a job for stage finish.
func (a *psa) parkFinish(l *lowerer) {
	l.force()
	vs, shapes := l.emissions()
	e := a.end
	ends := []int{e.clone, e.session, e.drop, e.port}
	var vals []*Value
	for _, leaf := range ends {
		vals = append(vals, l.word(leaf))
	}
	cells := frameCells(vals, a.carried(l, "ce2em", "ce2em"), a.carried(l, "recircm", "recircm"), vs)
	stage := l.stage("finish", func(l *lowerer) {
		a := newPSA(l)
		r := &frameReader{}
		a.end = psaEnd{l.flagLeaf("$clone"), l.wordLeaf("$session"), l.flagLeaf("$drop"), l.wordLeaf("$port")}
		for _, leaf := range []int{a.end.clone, a.end.session, a.end.drop, a.end.port} {
			l.set(leaf, l.resize([]*Value{r.next(l, 32, l.leafName[leaf])}, int(l.leafType[leaf]), false)[0])
		}
		r.receive(l, a, "ce2em", "recircm")
		r.emissions(l, shapes)
		a.finish(l)
	})
	l.newJob(stage, JobFound, "finish", cells)
}

// finish writes the packet, makes the clone that was asked for, and drops the packet,
// sends it back or out.
func (a *psa) finish(l *lowerer) {
	var kept []exit
	if !l.never(a.end.clone, 1) {
		is, not := l.where(a.end.clone, 1, -1, "clone")
		kept = is
		l.resume(not, "noclone")
	}
	a.dropped(l, a.end.drop, false)
	l.resume(append(kept, l.here()...), "deparse")
	if l.cur == nil {
		return
	}
	l.force()
	if l.deparse(); l.cur == nil {
		return
	}
	if a.cut != nil {
		then, els := l.branch(l.op(OpNe, 1, a.cut, l.constant(32, FrameWhole)), -1)
		if l.resume(then, "truncate"); l.cur != nil {
			good, bad := l.branch(l.emit(&Value{Op: OpTrim, Type: 1, Args: []*Value{a.cut}}), +1)
			if l.resume(bad, "nocut"); l.cur != nil {
				l.drop(DropResize)
			}
			els = append(els, good...)
		}
		l.resume(els, "whole")
	}
	if !l.never(a.end.clone, 1) {
		is, not := l.where(a.end.clone, 1, -1, "clone")
		if l.resume(is, "clone"); l.cur != nil {
			l.force()
			cells := frameCells(a.path(l, psaCloneE2E), a.carried(l, "ce2em", "nm", "ci2em", "ce2em"))
			j := l.newJob(a.egressStage(l), JobNow, "clone", cells)
			l.replicateJob(j, ReplicateSession, l.word(a.end.session))
			not = append(not, l.here()...)
		}
		l.resume(not, "noclone")
	}
	a.dropped(l, a.end.drop, false)
	if l.cur == nil {
		return
	}
	if !l.never(a.end.port, psaRecirculatePort) {
		is, not := l.where(a.end.port, psaRecirculatePort, -1, "recirculate")
		if l.resume(is, "recirculate"); l.cur != nil {
			l.force()
			cells := frameCells(a.path(l, psaRecirculate), a.carried(l, "recircm", "resubm", "recircm"))
			cells = append(cells, storedCell{FramePort, l.constant(32, psaRecirculatePort)})
			l.newJob(a.ingressStage(l), JobNow, "recirculate", cells)
			l.next()
		}
		l.resume(not, "output")
	}
	if l.cur != nil {
		a.output(l)
	}
}

// extern lowers the functions that tell a deparser what becomes of the packet.
func (a *psa) extern(l *lowerer, s *ir.ExternCall) bool {
	field := func(arg int, typ, name string) *Value { return l.fieldArg(s, arg, typ, name) }
	const igout, egout = "psa_ingress_output_metadata_t", "psa_egress_output_metadata_t"
	var v *Value
	switch s.Name {
	case "psa_clone_i2e":
		l.args(s, 1)
		v = field(0, igout, "clone")
	case "psa_clone_e2e":
		l.args(s, 1)
		v = field(0, egout, "clone")
	case "psa_recirculate":
		l.args(s, 2)
		port := field(1, "psa_egress_deparser_input_metadata_t", "egress_port")
		v = l.and(l.not(field(0, egout, "drop")), l.op(OpEq, 1, port, l.constant(port.Type, psaRecirculatePort)))
	case "psa_resubmit", "psa_normal":
		l.args(s, 1)
		again := field(0, igout, "resubmit")
		if s.Name == "psa_normal" {
			again = l.not(again)
		}
		v = l.and(l.not(field(0, igout, "drop")), again)
	case "assert", "assume", "log_msg":
		return true
	default:
		return false
	}
	l.setResult(s, v)
	return true
}

// fieldArg is a field of argument i, a struct of the architecture.
func (l *lowerer) fieldArg(s *ir.ExternCall, i int, typ, name string) *Value {
	x := s.Args[i]
	var t ir.Type = x.Type()
	if _, flat := x.(*ir.ListExpr); flat {
		for _, d := range l.p.Types {
			if st, ok := d.(*ir.Struct); ok && st.Name == typ {
				t = st
			}
		}
	}
	n := l.shape(t, "", typ, s.P)
	k := n.kid(name)
	v := l.eval(x)
	if k == nil || k.n != 1 || k.rel >= len(v) {
		l.refuse(s.P, "extern "+s.Name, fmt.Sprintf("its argument %d is no %s", i+1, typ))
	}
	return v[k.rel]
}
