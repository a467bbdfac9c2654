package ssa

import (
	"fmt"
	"maps"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The Portable NIC Architecture, as ir/exec/pna.go defines it. The Func of the
// packets that come in is everything in one, where the packet goes to one place or
// nowhere. Where it is mirrored or recirculated:
//
//	finish  the deparser for a packet that came in, then a job for each mirrored
//	        copy and one for the packet itself, in the order in which they leave
//	again   a recirculated packet, from the parser on
//	send    a packet that is ready: cut to its session's length, and out
//
// Every port is a network port: engines know none that lead to the host.

// Fates of a PNA packet.
const (
	pnaDrop = iota
	pnaSend
	pnaAgain
)

// maxMirrors is how many mirror slots a packet can use in one pass, as in ir/exec.
const maxMirrors = 4

// pna is what the lowering of one Func of a PNA program keeps.
type pna struct {
	held   map[string]*variable
	blocks map[string]*ir.Block
	pass   *Value // passes so far; nil for a packet that came in

	fate, port      int // leaves
	mirrors         int // leaf: slots in use; -1 in programs that mirror nothing
	slots, sessions [maxMirrors]int
	inDeparser      bool

	cells struct{ mh, mm, mout, cursor, fate, port, mirrors, sessions, pass int }
}

// pnaRoles are the parameters of a block; see ir/exec.
func pnaRoles(slot string) []string {
	switch slot {
	case "main_parser":
		return []string{"", "mh", "mm", "pin"}
	case "pre_control":
		return []string{"ph", "pm", "prein", "preout"}
	case "main_control":
		return []string{"mh", "mm", "min", "mout"}
	}
	return []string{"", "mh", "mm", "mout"} // main_deparser
}

func (l *lowerer) pna() {
	a := newPNA(l)
	a.fromParser(l, true)
}

// newPNA begins the lowering of a Func of a PNA program; cells have the same numbers
// in all of them.
func newPNA(l *lowerer) *pna {
	a := &pna{held: map[string]*variable{}, blocks: map[string]*ir.Block{}, mirrors: -1}
	l.arch = a
	for _, slot := range []string{"main_parser", "pre_control", "main_control", "main_deparser"} {
		b, roles := l.p.Block(slot), pnaRoles(slot)
		if b == nil && slot == "pre_control" {
			continue
		}
		if b == nil {
			l.refuse(ir.Pos{}, "package PNA_NIC", "no block is bound to "+slot)
		}
		if len(b.Params) != len(roles) {
			l.refuse(b.Pos, "block "+b.Name, fmt.Sprintf("it has %d parameters, PNA_NIC gives it %d", len(b.Params), len(roles)))
		}
		a.blocks[slot] = b
	}
	a.fate, a.port = l.leaves(&node{kind: nodeScalar, w: 2, n: 1}, "$fate"), l.wordLeaf("$port")
	if callsAny(l.p, "mirror_packet") {
		a.mirrors = l.leaves(&node{kind: nodeScalar, w: 3, n: 1}, "$mirrors")
		for i := range a.slots {
			a.slots[i], a.sessions[i] = l.wordLeaf("$slot"), l.wordLeaf("$session")
		}
	}
	size := func(slot string, i int) int {
		p := a.blocks[slot].Params[i]
		return l.shape(p.Type, p.Name, p.Name, p.Pos).n
	}
	c := &a.cells
	c.mm = c.mh + size("main_deparser", 1)
	c.mout = c.mm + size("main_deparser", 2)
	c.cursor = c.mout + size("main_deparser", 3)
	c.fate, c.port, c.mirrors, c.pass, c.sessions = c.cursor+1, c.cursor+2, c.cursor+3, c.cursor+4, c.cursor+5
	return a
}

// callsAny tells whether a program calls an extern.
func callsAny(p *ir.Program, name string) bool {
	found := false
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			c, ok := s.(*ir.ExternCall)
			found = found || ok && c.Name == name
		})
	})
	return found
}

// fromParser lowers a pass. first says that the packet came in from a port.
func (a *pna) fromParser(l *lowerer, first bool) {
	if !first {
		a.pass = l.frame(cellAt(a.cells.pass), 32, "pass")
	}
	a.enter(l, "main_parser")
	l.beginParser(a.blocks["main_parser"], a.held["mh"], a.held["mm"])
	l.planEmits(a.blocks["main_deparser"], 1, a.held["mh"])
	l.parserBlock(a.blocks["main_parser"])
	if l.cur == nil {
		return
	}
	l.parsedHeaders(a.held["mh"])
	if a.blocks["pre_control"] != nil {
		a.enter(l, "pre_control")
		l.stmts(a.blocks["pre_control"].Body)
		if l.cur == nil {
			return
		}
	}
	a.enter(l, "main_control")
	l.stmts(a.blocks["main_control"].Body)
	if l.cur == nil {
		return
	}
	a.afterMain(l, first)
}

// enter gives a block its storage and sets what its metadata tell.
func (a *pna) enter(l *lowerer, slot string) {
	b, roles := a.blocks[slot], pnaRoles(slot)
	if slot == "pre_control" {
		for i, main := range []string{"mh", "mm"} {
			if ir.Identical(a.held[main].node.typ, b.Params[i].Type) {
				roles[i] = main
			}
		}
	}
	fresh := map[string]bool{}
	for _, r := range roles {
		fresh[r] = a.held[r] == nil
	}
	l.enterAs("PNA_NIC", b, a.held, roles...)
	for _, role := range roles {
		switch role {
		case "pin", "prein", "preout", "min", "mout":
		default:
			continue
		}
		v := a.held[role]
		if fresh[role] {
			again, pass := l.constant(1, 0), l.constant(32, 0)
			if a.pass != nil {
				again, pass = l.constant(1, 1), a.pass
			}
			a.tell(l, v, "pass", pass)
			a.tell(l, v, "loopedback", again)
			a.tell(l, v, "recirculated", again)
			a.tell(l, v, "input_port", nil)
			if role == "min" {
				a.tell(l, v, "timestamp", nil)
			}
		}
		if k := v.node.kid("parser_error"); k != nil && k.kind == nodeScalar && k.w == 32 && role != "pin" && l.cur != nil {
			l.edit(func(get func(int) *Value, set func(int, *Value)) { set(v.base+k.rel, get(l.parser.err)) })
		}
	}
}

// tell sets a field of metadata where the version of the architecture has it; nil
// values are made here, so that they are not where nobody reads them.
func (a *pna) tell(l *lowerer, v *variable, name string, x *Value) {
	k := v.node.kid(name)
	if k == nil || k.kind != nodeScalar || k.w < 1 || k.w > 64 {
		return
	}
	switch {
	case x != nil:
	case name == "timestamp":
		x = l.op(OpDiv, 64, l.op(OpNow, 64), l.constant(64, 1000))
	default:
		x = l.op(OpIngressPort, 32)
	}
	setField(l, v.node, v.base, name, x)
}

// afterMain decides where the packet goes. A packet that came in and that is
// mirrored or recirculated finishes as a job.
func (a *pna) afterMain(l *lowerer, first bool) {
	plain := l.here()
	var forks []exit
	part := func(leaf int, c uint64, forkIs bool, name string) {
		if l.resume(plain, name); l.cur == nil {
			return
		}
		is, not := l.where(leaf, c, 0, name)
		if forkIs {
			forks, plain = append(forks, is...), not
		} else {
			forks, plain = append(forks, not...), is
		}
	}
	if a.mirrors >= 0 {
		part(a.mirrors, 0, false, "mirrors")
	}
	part(a.fate, pnaAgain, true, "recirculate")
	if l.resume(forks, "forks"); l.cur != nil {
		if first {
			a.park(l)
		} else {
			a.finish(l)
		}
	}
	if l.resume(plain, "fate"); l.cur == nil {
		return
	}
	send, drop := l.where(a.fate, pnaSend, +1, "fate")
	if l.resumeFresh(drop, "drop"); l.cur != nil {
		l.drop(DropProgram)
	}
	if l.resume(send, "send"); l.cur != nil {
		if a.deparse(l); l.cur != nil {
			l.outputTo(l.get(a.port))
		}
	}
}

// deparse runs the deparser and writes the packet. A Func may do it on several ways,
// each for itself.
func (a *pna) deparse(l *lowerer) {
	held, image := maps.Clone(a.held), l.f.HeaderImage
	l.emitted, l.f.HeaderImage = nil, 0
	defer func() {
		a.held, l.f.HeaderImage = held, max(image, l.f.HeaderImage)
	}()
	a.enter(l, "main_deparser")
	a.inDeparser = true
	l.stmts(a.blocks["main_deparser"].Body)
	a.inDeparser = false
	if l.cur != nil {
		l.force()
		l.deparse()
	}
}

// park makes a packet that came in a job for stage finish.
func (a *pna) park(l *lowerer) {
	l.force()
	var cells []storedCell
	add := func(leaf, n, cell int) {
		for i := range n {
			cells = append(cells, storedCell{cellAt(cell + i), l.get(leaf + i)})
		}
	}
	add(a.held["mh"].base, a.held["mh"].node.n, a.cells.mh)
	add(a.held["mm"].base, a.held["mm"].node.n, a.cells.mm)
	add(a.held["mout"].base, a.held["mout"].node.n, a.cells.mout)
	add(l.parser.cursor, 1, a.cells.cursor)
	add(a.fate, 1, a.cells.fate)
	add(a.port, 1, a.cells.port)
	if a.mirrors >= 0 {
		add(a.mirrors, 1, a.cells.mirrors)
		for i := range a.sessions {
			add(a.sessions[i], 1, a.cells.sessions+i)
		}
	}
	stage := l.stage("finish", func(l *lowerer) {
		a := newPNA(l)
		a.fromFrame(l)
		a.finish(l)
	})
	l.newJob(stage, JobFound, "finish", cells)
	l.next()
}

// fromFrame gives stage finish what park stored.
func (a *pna) fromFrame(l *lowerer) {
	dep := a.blocks["main_deparser"]
	for i, r := range []struct {
		role string
		cell int
	}{{"mh", a.cells.mh}, {"mm", a.cells.mm}, {"mout", a.cells.mout}} {
		v := l.declare(dep.Params[i+1])
		a.held[r.role] = v
		l.frameLeaves(v.base, v.node.n, r.cell)
	}
	word := &node{kind: nodeScalar, w: 32, n: 1}
	l.parser = &parserState{cursor: l.leaves(word, "$cursor"), err: l.leaves(word, "$error"), order: l.leaves(word, "$order")}
	l.frameLeaves(l.parser.cursor, 1, a.cells.cursor)
	l.frameLeaves(a.fate, 1, a.cells.fate)
	l.frameLeaves(a.port, 1, a.cells.port)
	if a.mirrors >= 0 {
		l.frameLeaves(a.mirrors, 1, a.cells.mirrors)
		for i := range a.sessions {
			l.frameLeaves(a.sessions[i], 1, a.cells.sessions+i)
		}
	}
}

// finish deparses, makes the mirrored copies and then the packet itself a job: in
// this order they leave.
func (a *pna) finish(l *lowerer) {
	pass := a.pass
	if a.deparse(l); l.cur == nil {
		return
	}
	stage := func() uint64 { return l.stage("send", (*lowerer).pnaSend) }
	if a.mirrors >= 0 {
		for i := range a.sessions {
			l.force()
			n := l.get(a.mirrors)
			then, els := l.branch(l.op(OpUlt, 1, l.constant(3, uint64(i)), n), 0)
			if l.resume(then, "mirror"); l.cur != nil {
				j := l.newJob(stage(), JobNow, "mirror", nil)
				l.replicateJob(j, ReplicateSession, l.get(a.sessions[i]))
			}
			l.resume(append(l.here(), els...), "mirrored")
		}
	}
	send, rest := l.where(a.fate, pnaSend, 0, "fate")
	if l.resume(send, "send"); l.cur != nil {
		l.newJob(stage(), JobNow, "self", []storedCell{{FramePort, l.get(a.port)}})
		l.next()
	}
	if l.resume(rest, "unsent"); l.cur == nil {
		return
	}
	again, drop := l.where(a.fate, pnaAgain, 0, "fate")
	if l.resume(again, "recirculate"); l.cur != nil {
		next := l.constant(32, 1)
		if pass != nil {
			next = l.op(OpAdd, 32, pass, next)
		}
		s := l.stage("again", func(l *lowerer) { newPNA(l).fromParser(l, false) })
		l.newJob(s, JobNow, "recirculate", []storedCell{{cellAt(a.cells.pass), next}})
		l.next()
	}
	if l.resumeFresh(drop, "nowhere"); l.cur != nil {
		l.next()
	}
}

// pnaSend lowers stage send.
func (l *lowerer) pnaSend() {
	cut := l.frame(FrameCut, 32, "$length")
	then, els := l.branch(l.op(OpNe, 1, cut, l.constant(32, FrameWhole)), 0)
	if l.resume(then, "cut"); l.cur != nil {
		good, bad := l.branch(l.emit(&Value{Op: OpTrim, Type: 1, Args: []*Value{cut}}), +1)
		if l.resume(bad, "nocut"); l.cur != nil {
			l.drop(DropResize)
		}
		els = append(els, good...)
	}
	if l.resume(els, "output"); l.cur != nil {
		l.force()
		l.outputTo(l.frame(FramePort, 32, "port"))
	}
}

func (a *pna) extern(l *lowerer, s *ir.ExternCall) bool {
	switch s.Name {
	case "drop_packet", "recirculate", "send_to_port", "mirror_packet":
		if a.inDeparser {
			l.refuse(s.P, "extern "+s.Name, "it is called in the deparser, when it is decided where the packet goes")
		}
	}
	switch s.Name {
	case "DirectCounter.count":
		return l.countBytes(s)
	case "drop_packet":
		l.set(a.fate, l.constant(2, pnaDrop))
	case "recirculate":
		l.set(a.fate, l.constant(2, pnaAgain))
	case "send_to_port":
		l.args(s, 1)
		l.narrow(s.Args[0], "port")
		port := l.resize(l.eval(s.Args[0]), 32, false)[0]
		l.set(a.fate, l.constant(2, pnaSend))
		l.set(a.port, port)
	case "mirror_packet":
		l.args(s, 2)
		a.mirror(l, l.resize(l.eval(s.Args[0]), 32, false)[0], l.resize(l.eval(s.Args[1]), 32, false)[0])
	case "SelectByDirection":
		l.args(s, 3)
		if s.Dst == nil {
			break
		}
		l.narrow(s.Args[0], "direction")
		dir := l.scalar(s.Args[0])
		fromNet := uint64(0)
		if _, ok := ir.Underlying(s.Args[0].Type()).(*ir.Bool); ok {
			fromNet = 1
		}
		net := l.known(l.op(OpEq, 1, dir, l.constant(dir.Type, fromNet)))
		l.assignTo(s.Dst, l.mux(net, s.Args[1], s.Args[2]))
	case "is_host_port", "is_net_port":
		l.args(s, 1)
		l.eval(s.Args[0])
		l.result(s, l.constant(1, bit(s.Name == "is_net_port")))
	default:
		return l.learnExtern(s)
	}
	return true
}

// mirror notes a copy; a slot has one, and slots count in the order of their first
// use.
func (a *pna) mirror(l *lowerer, slot, session *Value) {
	n := l.get(a.mirrors)
	free := l.constant(1, 1) // no slot before this one is it
	at := n
	for i := range a.slots {
		here := l.constant(3, uint64(i))
		same := l.and(l.op(OpUlt, 1, here, n), l.op(OpEq, 1, l.get(a.slots[i]), slot))
		end := l.and(free, l.op(OpEq, 1, here, n))
		take := l.or(same, end)
		l.set(a.slots[i], l.sel(end, slot, l.get(a.slots[i])))
		l.set(a.sessions[i], l.sel(take, session, l.get(a.sessions[i])))
		at = l.sel(end, l.constant(3, uint64(i+1)), at)
		free = l.and(free, l.not(same))
	}
	l.set(a.mirrors, at)
}
