package ssa

import (
	"fmt"
	"maps"

	"github.com/p4nic/p4nic/compiler/ir"
)

// p4nic's architecture for NICs, as ir/exec/p4nic.go defines it. The Func of the
// packets that come in is everything in one where the packet goes to one place, or
// nowhere, and nobody mirrors it: parser, main control, egress control, deparser.
// Where it is mirrored, replicated or recirculated:
//
//	egress  one copy, with the headers and metadata that the main control left
//	finish  the deparser for a packet that is to be recirculated
//	again   a recirculated packet, from the parser on

// Fates of a packet.
const (
	nicDrop = iota
	nicSend
	nicAgain
	nicMulticast
	nicToHost
	nicToController
)

// Values of NicPath_t.
const (
	nicUnicast = iota
	nicReplica
	nicMirror
	nicHost
	nicController
)

// Ports with a meaning (D8).
const (
	hostPort       = 509
	controllerPort = 510
)

// p4nic is what the lowering of one Func keeps.
type p4nic struct {
	held   map[string]*variable
	blocks map[string]*ir.Block
	pass   *Value // passes so far; nil for a packet that came in

	fate, to int // leaves: what becomes of the packet; its port or group
	mirrors  pna // what mirror_packet notes
	mirrored bool
	dropped  int // leaf: the copy's egress control drops it
	inEgress bool

	cells struct{ mh, mm, cursor, path, pass int }
}

var p4nicBlocks = [...]struct {
	slot  string
	roles []string
}{
	{"main_parser", []string{"", "mh", "mm", "pin"}},
	{"main_control", []string{"mh", "mm", "min"}},
	{"egress_control", []string{"mh", "mm", "ein"}},
	{"main_deparser", []string{"", "mh", "mm"}},
}

func (l *lowerer) p4nic() { newP4NIC(l).fromParser(l) }

// newP4NIC begins the lowering of a Func; cells have the same numbers in all of them.
func newP4NIC(l *lowerer) *p4nic {
	a := &p4nic{held: map[string]*variable{}, blocks: map[string]*ir.Block{}}
	l.arch = a
	for _, s := range p4nicBlocks {
		b := l.p.Block(s.slot)
		if b == nil {
			l.refuse(ir.Pos{}, "package P4NIC", "no block is bound to "+s.slot)
		}
		if len(b.Params) != len(s.roles) {
			l.refuse(b.Pos, "block "+b.Name, fmt.Sprintf("it has %d parameters, P4NIC gives it %d", len(b.Params), len(s.roles)))
		}
		a.blocks[s.slot] = b
	}
	a.fate = l.leaves(&node{kind: nodeScalar, w: 3, n: 1}, "$fate")
	a.to, a.dropped = l.wordLeaf("$to"), l.flagLeaf("$dropped")
	if a.mirrored = callsAny(l.p, "mirror_packet"); a.mirrored {
		m := &a.mirrors
		m.mirrors = l.leaves(&node{kind: nodeScalar, w: 3, n: 1}, "$mirrors")
		for i := range m.slots {
			m.slots[i], m.sessions[i] = l.wordLeaf("$slot"), l.wordLeaf("$session")
		}
	}
	size := func(slot string, i int) int {
		p := a.blocks[slot].Params[i]
		return l.shape(p.Type, p.Name, p.Name, p.Pos).n
	}
	c := &a.cells
	c.mm = c.mh + size("main_deparser", 1)
	c.cursor = c.mm + size("main_deparser", 2)
	c.path, c.pass = c.cursor+1, c.cursor+2
	return a
}

// roles are the parameters of a block.
func (a *p4nic) roles(slot string) []string {
	for _, s := range p4nicBlocks {
		if s.slot == slot {
			return s.roles
		}
	}
	return nil
}

// enter gives a block its storage and says what its metadata tell.
func (a *p4nic) enter(l *lowerer, slot string) {
	l.enterAs("P4NIC", a.blocks[slot], a.held, a.roles(slot)...)
	role := a.roles(slot)[len(a.roles(slot))-1]
	v := a.held[role]
	if l.cur == nil || role == "mm" {
		return
	}
	pass, again := l.constant(32, 0), l.constant(1, 0)
	if a.pass != nil {
		pass = a.pass
		again = l.op(OpNe, 1, pass, l.constant(32, 0))
	}
	tell := func(name string, x func() *Value) {
		if k := v.node.kid(name); k != nil && k.kind == nodeScalar && k.w >= 1 && k.w <= 64 {
			setField(l, v.node, v.base, name, x())
		}
	}
	tell("pass", func() *Value { return pass })
	tell("loopedback", func() *Value { return again })
	tell("input_port", func() *Value { return l.op(OpIngressPort, 32) })
	tell("now", func() *Value { return l.op(OpNow, 64) })
	tell("length", func() *Value { return l.op(OpWireLen, 32) })
	if k := v.node.kid("parser_error"); k != nil && k.kind == nodeScalar && k.w == 32 {
		l.edit(func(get func(int) *Value, set func(int, *Value)) { set(v.base+k.rel, get(l.parser.err)) })
	}
}

// fromParser lowers a pass from the parser on.
func (a *p4nic) fromParser(l *lowerer) {
	a.enter(l, "main_parser")
	l.beginParser(a.blocks["main_parser"], a.held["mh"], a.held["mm"])
	l.planEmits(a.blocks["main_deparser"], 1, a.held["mh"])
	l.parserBlock(a.blocks["main_parser"])
	if l.cur == nil {
		return
	}
	l.parsedHeaders(a.held["mh"])
	a.enter(l, "main_control")
	l.stmts(a.blocks["main_control"].Body)
	if l.cur != nil {
		a.afterMain(l)
	}
}

// afterMain makes the mirrored copies, then sends the packet where its fate is.
func (a *p4nic) afterMain(l *lowerer) {
	if a.mirrored && !l.zeroed(a.mirrors.mirrors) {
		none, some := l.where(a.mirrors.mirrors, 0, +1, "mirrors")
		if l.resume(some, "mirror"); l.cur != nil {
			a.mirror(l)
			a.send(l, true)
		}
		if l.resume(none, "unmirrored"); l.cur == nil {
			return
		}
	}
	a.send(l, false)
}

// mirror makes the copies of the sessions that were asked for.
func (a *p4nic) mirror(l *lowerer) {
	for i := range a.mirrors.sessions {
		l.force()
		then, els := l.branch(l.op(OpUlt, 1, l.constant(3, uint64(i)), l.get(a.mirrors.mirrors)), 0)
		if l.resume(then, "mirror"); l.cur != nil {
			j := a.copy(l, nicMirror)
			l.replicateJob(j, ReplicateSession, l.get(a.mirrors.sessions[i]))
		}
		l.resume(append(l.here(), els...), "mirrored")
	}
}

// send does what the fate says; forked says that there are jobs before it.
func (a *p4nic) send(l *lowerer, forked bool) {
	for _, s := range []struct {
		fate, path uint64
		port       uint64
	}{{nicSend, nicUnicast, 0}, {nicToHost, nicHost, hostPort}, {nicToController, nicController, controllerPort}} {
		if l.cur == nil || l.never(a.fate, s.fate) {
			continue
		}
		is, not := l.where(a.fate, s.fate, +1, "fate")
		if l.resume(is, "send"); l.cur != nil {
			l.force()
			port := l.constant(32, s.port)
			if s.fate == nicSend {
				port = l.get(a.to)
			}
			if forked {
				j := a.copy(l, s.path)
				l.emit(&Value{Op: OpJobStore, Args: []*Value{j, port}, Aux: FramePort})
				l.next()
			} else {
				a.fused(l, port, s.path)
			}
		}
		l.resume(not, "unsent")
	}
	if l.cur != nil && !l.never(a.fate, nicMulticast) {
		is, not := l.where(a.fate, nicMulticast, 0, "fate")
		if l.resume(is, "multicast"); l.cur != nil {
			l.force()
			l.replicateJob(a.copy(l, nicReplica), ReplicateGroup, l.get(a.to))
			l.next()
		}
		l.resume(not, "unsent")
	}
	if l.cur != nil && !l.never(a.fate, nicAgain) {
		is, not := l.where(a.fate, nicAgain, -1, "fate")
		if l.resume(is, "recirculate"); l.cur != nil {
			a.parkFinish(l)
		}
		l.resume(not, "unsent")
	}
	if l.cur == nil {
		return
	}
	l.resumeFresh(l.here(), "drop")
	if forked {
		l.next()
	} else {
		l.drop(DropProgram)
	}
}

// fused runs egress for the packet itself, without leaving the Func.
func (a *p4nic) fused(l *lowerer, port *Value, path uint64) {
	held := maps.Clone(a.held)
	defer func() { a.held = held }()
	a.egress(l, port, l.constant(32, 0), l.constant(32, path), false)
}

// egress lowers the egress control and what follows it; a copy may be cut.
func (a *p4nic) egress(l *lowerer, port, instance, path *Value, mayCut bool) {
	l.set(a.dropped, l.constant(1, 0))
	a.enter(l, "egress_control")
	v := a.held["ein"]
	setField(l, v.node, v.base, "egress_port", port)
	setField(l, v.node, v.base, "instance", instance)
	setField(l, v.node, v.base, "path", path)
	a.inEgress = true
	l.stmts(a.blocks["egress_control"].Body)
	a.inEgress = false
	if l.cur == nil {
		return
	}
	if !l.never(a.dropped, 1) {
		is, not := l.where(a.dropped, 1, -1, "dropped")
		if l.resumeFresh(is, "drop"); l.cur != nil {
			l.drop(DropProgram)
		}
		if l.resume(not, "kept"); l.cur == nil {
			return
		}
	}
	a.deparse(l)
	if l.cur != nil && mayCut {
		a.cut(l)
	}
	if l.cur != nil {
		l.outputTo(port)
	}
}

// cut shortens a copy to the length of its session.
func (a *p4nic) cut(l *lowerer) {
	to := l.frame(FrameCut, 32, "$length")
	then, els := l.branch(l.op(OpNe, 1, to, l.constant(32, FrameWhole)), -1)
	if l.resume(then, "cut"); l.cur != nil {
		good, bad := l.branch(l.emit(&Value{Op: OpTrim, Type: 1, Args: []*Value{to}}), +1)
		if l.resume(bad, "nocut"); l.cur != nil {
			l.drop(DropResize)
		}
		els = append(els, good...)
	}
	l.resume(els, "output")
	l.force()
}

// deparse runs the deparser and writes the packet. A Func may do it on several ways,
// each for itself.
func (a *p4nic) deparse(l *lowerer) {
	held, image := maps.Clone(a.held), l.f.HeaderImage
	l.emitted, l.f.HeaderImage = nil, 0
	defer func() {
		a.held, l.f.HeaderImage = held, max(image, l.f.HeaderImage)
	}()
	a.enter(l, "main_deparser")
	l.stmts(a.blocks["main_deparser"].Body)
	if l.cur != nil {
		l.force()
		l.deparse()
	}
}

// state is what a copy needs of the packet as the main control left it.
func (a *p4nic) state(l *lowerer) []storedCell {
	l.force()
	var cells []storedCell
	add := func(base, n, cell int) {
		for i := range n {
			cells = append(cells, storedCell{cellAt(cell + i), l.get(base + i)})
		}
	}
	add(a.held["mh"].base, a.held["mh"].node.n, a.cells.mh)
	add(a.held["mm"].base, a.held["mm"].node.n, a.cells.mm)
	add(l.parser.cursor, 1, a.cells.cursor)
	pass := l.constant(32, 0)
	if a.pass != nil {
		pass = a.pass
	}
	return append(cells, storedCell{cellAt(a.cells.pass), pass})
}

// copy makes a job for stage egress.
func (a *p4nic) copy(l *lowerer, path uint64) *Value {
	stage := l.stage("egress", func(l *lowerer) {
		a := newP4NIC(l)
		a.fromFrame(l)
		path := l.frame(cellAt(a.cells.path), 32, "path")
		instance := l.frame(FrameInstance, 32, "instance")
		port := l.frame(FramePort, 32, "port")
		a.egress(l, port, instance, path, true)
	})
	return l.newJob(stage, JobFound, "copy", append(a.state(l), storedCell{cellAt(a.cells.path), l.constant(32, path)}))
}

// fromFrame gives a stage what state stored.
func (a *p4nic) fromFrame(l *lowerer) {
	dep := a.blocks["main_deparser"]
	for i, r := range []struct {
		role string
		cell int
	}{{"mh", a.cells.mh}, {"mm", a.cells.mm}} {
		v := l.declare(dep.Params[i+1])
		a.held[r.role] = v
		l.frameLeaves(v.base, v.node.n, r.cell)
	}
	word := &node{kind: nodeScalar, w: 32, n: 1}
	l.parser = &parserState{cursor: l.leaves(word, "$cursor"), err: l.leaves(word, "$error"), order: l.leaves(word, "$order")}
	l.frameLeaves(l.parser.cursor, 1, a.cells.cursor)
	a.pass = l.frame(cellAt(a.cells.pass), 32, "pass")
}

// parkFinish makes the packet a job that deparses it and begins again.
func (a *p4nic) parkFinish(l *lowerer) {
	stage := l.stage("finish", func(l *lowerer) {
		a := newP4NIC(l)
		a.fromFrame(l)
		if a.deparse(l); l.cur == nil {
			return
		}
		next := l.op(OpAdd, 32, a.pass, l.constant(32, 1))
		again := l.stage("again", func(l *lowerer) {
			a := newP4NIC(l)
			a.pass = l.frame(cellAt(a.cells.pass), 32, "pass")
			a.fromParser(l)
		})
		l.newJob(again, JobOwn, "recirculate", []storedCell{{cellAt(a.cells.pass), next}})
		l.next()
	})
	l.newJob(stage, JobFound, "finish", a.state(l))
	l.next()
}

func (a *p4nic) extern(l *lowerer, s *ir.ExternCall) bool {
	main := func() {
		if a.inEgress {
			l.refuse(s.P, "extern "+s.Name, "an egress control cannot send its copy elsewhere")
		}
	}
	fate := func(f uint64) { l.set(a.fate, l.constant(3, f)) }
	switch s.Name {
	case "drop_packet", "drop_because":
		if s.Name == "drop_because" {
			l.args(s, 1)
			l.eval(s.Args[0])
		}
		if a.inEgress {
			l.set(a.dropped, l.constant(1, 1))
		} else {
			fate(nicDrop)
		}
	case "send_to_port", "multicast":
		main()
		l.args(s, 1)
		l.narrow(s.Args[0], "port or group")
		to := l.resize(l.eval(s.Args[0]), 32, false)[0]
		fate(nicSend)
		if s.Name == "multicast" {
			fate(nicMulticast)
		}
		l.set(a.to, to)
	case "recirculate":
		main()
		fate(nicAgain)
	case "send_to_host":
		main()
		fate(nicToHost)
	case "send_to_controller":
		main()
		fate(nicToController)
	case "mirror_packet":
		main()
		l.args(s, 2)
		a.mirrors.mirror(l, l.resize(l.eval(s.Args[0]), 32, false)[0], l.resize(l.eval(s.Args[1]), 32, false)[0])
	default:
		return false
	}
	return true
}
