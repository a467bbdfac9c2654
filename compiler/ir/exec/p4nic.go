package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// p4nic's architecture for NICs (docs/architecture-p4nic.md):
//
//	main_parser     headers invalid, metadata zero.
//	main_control    decides the packet's fate; the last call counts, without one
//	                the packet is dropped. Mirrored copies are asked for here.
//	egress_control  once for each copy: the mirrored ones in order of their slots'
//	                first use, then the packet or the replicas of its group. A copy
//	                begins with the headers and metadata that main_control left.
//	main_deparser   for each copy that egress did not drop, with what the parser did
//	                not consume behind it. A recirculated packet is deparsed without
//	                egress and begins again with these bytes.

// nicSlots are the package's blocks with what their parameters are.
var nicSlots = [...]struct {
	slot  string
	kind  ir.BlockKind
	roles []string
}{
	{"main_parser", ir.Parser, []string{"", "mh", "mm", "pin"}},
	{"main_control", ir.Control, []string{"mh", "mm", "min"}},
	{"egress_control", ir.Control, []string{"mh", "mm", "ein"}},
	{"main_deparser", ir.Control, []string{"", "mh", "mm"}},
}

// Fates of a packet besides PNA's.
const (
	nicMulticast = pnaAgain + 1 + iota
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

// nic is the compiled pipeline.
type nic struct {
	body    [len(nicSlots)]stmt
	start   []span // zero when a packet begins
	carried []span // what copies begin with
	sums    []span

	direction, pass, looped, port    []stdField // of every struct that has them
	perr, length, now                stdField
	path, ePort, instance, eIn, eNow stdField
	ePass                            stdField
}

// Ports with a meaning (D8).
const (
	hostPort       = 509
	controllerPort = 510
)

func (k *compiler) nic() func(*ctx, *Result) {
	a := &nic{}
	first := map[string]*ir.Var{}
	var blocks [len(nicSlots)]*ir.Block
	for i, s := range nicSlots {
		b := k.p.Block(s.slot)
		if b == nil || b.Kind != s.kind {
			k.fail(ir.Pos{}, "package P4NIC", "the pipeline has no "+s.slot)
		}
		k.roles("P4NIC", b, s.roles, first)
		blocks[i] = b
	}
	for _, role := range []string{"mh", "mm"} {
		a.carried = join(a.carried, []span{k.spanOf(first[role])})
	}
	a.start = a.carried
	for _, role := range []string{"pin", "min", "ein"} {
		v := first[role]
		a.start = join(a.start, []span{k.spanOf(v)})
		if role == "ein" {
			continue
		}
		for _, f := range []struct {
			to   *[]stdField
			name string
		}{{&a.direction, "direction"}, {&a.pass, "pass"}, {&a.looped, "loopedback"}, {&a.port, "input_port"}} {
			if field := k.fieldOf(v, f.name); field.addr >= 0 {
				*f.to = append(*f.to, field)
			}
		}
	}
	in := func(name string) stdField { return k.fieldOf(first["min"], name) }
	a.perr, a.length, a.now = in("parser_error"), in("length"), in("now")
	eg := func(name string) stdField { return k.fieldOf(first["ein"], name) }
	a.path, a.ePort, a.instance = eg("path"), eg("egress_port"), eg("instance")
	a.eIn, a.eNow, a.ePass = eg("input_port"), eg("now"), eg("pass")
	for i, b := range blocks {
		k.inEgress = i == 2
		a.body[i] = k.block(b).body
	}
	k.inEgress = false
	a.sums = k.sums.spans
	return a.run
}

func (a *nic) run(c *ctx, r *Result) {
	c.length = c.wireLen()
	a.fromPort(c, r, c.in.Port, 0)
	for j := c.nextJob(); j != nil; j = c.nextJob() {
		c.data, c.length, c.bytes, c.truncate = j.data, j.length, j.bytes, j.cut
		if j.ingress {
			a.fromPort(c, r, j.port, j.path)
			continue
		}
		c.pos = j.pos
		c.load(j.mem, a.carried)
		a.toEgress(c, r, j.port, j.path, j.instance)
	}
}

// control runs a block; false when it takes too long.
func (a *nic) control(c *ctx, r *Result, i int) bool {
	c.newSums(a.sums)
	if aborted(a.body[i](c)) {
		c.drop(r, "too many steps in a loop")
		return false
	}
	return true
}

// fromPort takes c.data from the parser on, after so many passes.
func (a *nic) fromPort(c *ctx, r *Result, port uint32, passes int) {
	c.pna = pnaAsked{again: passes}
	c.zero(a.start)
	fromHost := c.m.opts.HostPort != nil && c.m.opts.HostPort(port)
	setAll(c, a.direction, b2u(fromHost))
	setAll(c, a.pass, uint64(passes))
	setAll(c, a.looped, b2u(passes > 0))
	setAll(c, a.port, uint64(port))
	a.eIn.set(c, uint64(port))
	a.ePass.set(c, uint64(passes))
	c.pos, c.perr = 0, c.m.errs.noError
	c.newSums(a.sums)
	if a.body[0](c) != next && c.perr != c.m.errs.noError {
		r.ParserError = int(c.perr)
		if c.tracing {
			c.event("error", c.errorName(), "", ir.Pos{})
		}
	}
	a.perr.set(c, c.perr)
	a.length.set(c, c.length)
	a.now.set(c, c.now)
	a.eNow.set(c, c.now)
	if !a.control(c, r, 1) {
		c.endLeases()
		return
	}
	c.endLeases()
	fate := c.pna
	for _, m := range fate.mirrors[:fate.n] {
		a.mirror(c, r, m.session)
	}
	switch fate.fate {
	case pnaSend:
		a.single(c, r, fate.port, nicUnicast)
	case nicToHost:
		a.single(c, r, hostPort, nicHost)
	case nicToController:
		a.single(c, r, controllerPort, nicController)
	case nicMulticast:
		if !a.replicate(c, r, c.m.pre.group(fate.group), nicReplica, -1, "multicast") {
			c.drop(r, fmt.Sprintf("multicast group %d has no replicas", fate.group))
		}
	case pnaAgain:
		c.out.reset()
		if !a.control(c, r, 3) {
			return
		}
		c.payload(&c.out)
		if j := c.newJob(r); j != nil {
			j.own = append(j.own, c.out.b...)
			j.ingress, j.data, j.port, j.path = true, j.own, port, passes+1
			j.length, j.bytes = uint64(len(j.own)), uint64(len(j.own))
			c.branch(j, "recirculate", "")
		}
	default:
		c.dropBecause(r, fate.reason, "the program sends the packet nowhere")
	}
}

// single sends the packet itself to one port, behind the copies that were made.
func (a *nic) single(c *ctx, r *Result, port uint32, path int) {
	if !c.waiting() {
		a.toEgress(c, r, port, path, 0)
	} else if j := c.newJob(r); j != nil {
		a.park(c, j, port, path, 0)
	}
}

// dropBecause drops with the program's own reason, or with what is said otherwise.
func (c *ctx) dropBecause(r *Result, reason *dropReason, otherwise string) {
	if reason == nil {
		c.drop(r, otherwise)
		return
	}
	c.drop(r, reason.String())
}

// park makes j a copy of the packet as it is now, for egress at port.
func (a *nic) park(c *ctx, j *job, port uint32, path int, instance uint16) {
	j.port, j.path, j.instance, j.data, j.pos, j.length = port, path, instance, c.data, c.pos, c.length
	j.mem = c.save(j.mem, a.carried)
}

// replicate makes the copies of a group or session; false when there are none.
func (a *nic) replicate(c *ctx, r *Result, rs []ir.Replica, path, cut int, what string) bool {
	for _, x := range rs {
		j := c.newJob(r)
		if j == nil {
			return true
		}
		a.park(c, j, x.Port, path, x.Instance)
		j.cut = cut
		if c.tracing {
			c.branch(j, what, fmt.Sprintf("port %d instance %d", x.Port, x.Instance))
		}
	}
	return len(rs) > 0
}

// mirror makes the copies of a mirror session.
func (a *nic) mirror(c *ctx, r *Result, session uint32) {
	s, group, ok := c.m.pre.session(session)
	if !ok {
		if c.tracing {
			c.event("clone", fmt.Sprintf("session %d is not there", session), "", ir.Pos{})
		}
		return
	}
	cut := -1
	if s.Truncate > 0 {
		cut = int(s.Truncate)
	}
	a.replicate(c, r, group, nicMirror, cut, "mirror")
	a.replicate(c, r, s.Replicas, nicMirror, cut, "mirror")
}

func (a *nic) toEgress(c *ctx, r *Result, port uint32, path int, instance uint16) {
	a.path.set(c, uint64(path))
	a.ePort.set(c, uint64(port))
	a.instance.set(c, uint64(instance))
	c.pna = pnaAsked{fate: pnaSend}
	if !a.control(c, r, 2) {
		return
	}
	if c.pna.fate == pnaDrop {
		c.dropBecause(r, c.pna.reason, "egress drops the copy")
		return
	}
	c.out.reset()
	if !a.control(c, r, 3) {
		return
	}
	c.payload(&c.out)
	if c.truncate >= 0 && c.truncate < len(c.out.b) {
		c.out.b = c.out.b[:c.truncate]
	}
	c.output(r, port)
}

// dropReason is what a program says of a drop.
type dropReason struct {
	code uint8
	name string // of the enum's member; empty where it has none
}

func (d *dropReason) String() string {
	if d.name != "" {
		return d.name
	}
	return fmt.Sprintf("reason %d", d.code)
}

// nicFunction compiles the functions of p4nic, nil for others.
func (k *compiler) nicFunction(s *externSite) stmt {
	if k.p.Arch != "p4nic" {
		return nil
	}
	main := func() {
		if k.inEgress {
			k.fail(s.pos, "extern "+s.name, "an egress control cannot send its copy elsewhere")
		}
	}
	switch s.name {
	case "multicast":
		main()
		k.need(s, 1, 1)
		x := k.slotArg(s, 0)
		return after(func(c *ctx) { c.pna.fate, c.pna.group = nicMulticast, uint32(x.u(c)) })
	case "send_to_host", "send_to_controller":
		main()
		fate := nicToHost
		if s.name == "send_to_controller" {
			fate = nicToController
		}
		return func(c *ctx) status {
			c.pna.fate = fate
			return next
		}
	case "drop_because":
		return k.dropWithReason(s)
	case "send_to_port", "recirculate", "mirror_packet":
		main()
	}
	return k.sessionCall(s)
}

// dropWithReason: reasons with a name are made once.
func (k *compiler) dropWithReason(s *externSite) stmt {
	k.need(s, 1, 1)
	x := k.slotArg(s, 0)
	if ir.Width(x.t) != 8 {
		k.fail(s.pos, "extern drop_because", "a reason is bit<8> or a serializable enum of it, not "+s.args[0].Type().String())
	}
	all := make([]dropReason, 256)
	for i := range all {
		all[i].code = uint8(i)
	}
	if len(s.types) == 1 {
		if e, ok := s.types[0].(*ir.Enum); ok {
			for _, m := range e.Members {
				if m.Value.IsUint64() && m.Value.Uint64() < 256 {
					all[m.Value.Uint64()].name = m.Name
				}
			}
		}
	}
	return after(func(c *ctx) { c.pna.fate, c.pna.reason = pnaDrop, &all[uint8(x.u(c))] })
}
