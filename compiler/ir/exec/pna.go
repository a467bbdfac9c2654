package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The Portable NIC Architecture:
//
//	main_parser    headers invalid, metadata zero.
//	pre_control    where the version has one: the headers of the main parser.
//	main_control   drop_packet, send_to_port and recirculate: the last call counts;
//	               without any the packet is dropped.
//	main_deparser  with what the parser did not consume behind it. A mirrored
//	               packet is what it gave; a recirculated one begins again with that.
//
// Every port is a network port but those that Options.HostPort names. The versions
// of the architecture differ in what their metadata hold; what is there is set.
// pna_nic of bmv2 sends a packet to port 0 when the program does not say where.

// pnaSlots are the package's blocks with what their parameters are.
var pnaSlots = [...]struct {
	slot     string
	kind     ir.BlockKind
	optional bool
	roles    []string
}{
	{"main_parser", ir.Parser, false, []string{"", "mh", "mm", "pin"}},
	{"pre_control", ir.Control, true, []string{"ph", "pm", "prein", "preout"}},
	{"main_control", ir.Control, false, []string{"mh", "mm", "min", "mout"}},
	{"main_deparser", ir.Control, false, []string{"", "mh", "mm", "mout"}},
}

// Fates of a PNA packet.
const (
	pnaDrop = iota
	pnaSend
	pnaAgain
)

// pna is the compiled pipeline.
type pna struct {
	body  [len(pnaSlots)]stmt
	start []span // zero when a packet begins
	sums  []span

	direction, pass, looped, recirculated, port, perr []stdField // of every struct that has them
	time                                              stdField
}

// pnaAsked is what the externs of a PNA program have asked for.
type pnaAsked struct {
	fate    int
	port    uint32
	mirrors [4]mirror
	n       int         // mirrors
	again   int         // passes so far
	group   uint32      // of multicast
	reason  *dropReason // of drop_because
	// missed is the table whose default action runs, hit the entry whose action runs.
	missed *table
	hit    *entry
}

type mirror struct{ slot, session uint32 }

func (k *compiler) pna() func(*ctx, *Result) {
	a := &pna{}
	first := map[string]*ir.Var{}
	var blocks [len(pnaSlots)]*ir.Block
	for i, s := range pnaSlots {
		b := k.p.Block(s.slot)
		switch {
		case b == nil && s.optional:
			continue
		case b == nil || b.Kind != s.kind:
			k.fail(ir.Pos{}, "package PNA_NIC", "the pipeline has no "+s.slot)
		}
		roles := s.roles
		if s.slot == "pre_control" && len(b.Params) == len(roles) {
			roles = k.preRoles(b, first)
		}
		k.roles("PNA_NIC", b, roles, first)
		blocks[i] = b
	}
	for _, role := range []string{"mh", "mm", "ph", "pm", "pin", "prein", "preout", "min", "mout"} {
		v := first[role]
		if v == nil {
			continue
		}
		a.start = join(a.start, []span{k.spanOf(v)})
		for _, f := range []struct {
			to   *[]stdField
			name string
		}{{&a.direction, "direction"}, {&a.pass, "pass"}, {&a.looped, "loopedback"}, {&a.recirculated, "recirculated"},
			{&a.port, "input_port"}, {&a.perr, "parser_error"}} {
			if field := k.fieldOf(v, f.name); field.addr >= 0 && role != "mh" && role != "mm" && role != "ph" && role != "pm" {
				*f.to = append(*f.to, field)
			}
		}
	}
	a.time = k.fieldOf(first["min"], "timestamp")
	for i, b := range blocks {
		if b != nil {
			a.body[i] = k.block(b).body
		}
	}
	a.sums = k.sums.spans
	return a.run
}

// preRoles: the pre control sees the headers and metadata of the main parser where
// the types are the same.
func (k *compiler) preRoles(b *ir.Block, first map[string]*ir.Var) []string {
	roles := []string{"ph", "pm", "prein", "preout"}
	for i, main := range []string{"mh", "mm"} {
		if ir.Identical(first[main].Type, b.Params[i].Type) {
			roles[i] = main
		}
	}
	return roles
}

func setAll(c *ctx, fs []stdField, v uint64) {
	for _, f := range fs {
		f.set(c, v)
	}
}

func (a *pna) run(c *ctx, r *Result) {
	a.pass1(c, r, c.in.Port, 0)
	for j := c.nextJob(); j != nil; j = c.nextJob() {
		c.data, c.bytes, c.truncate = j.data, j.bytes, j.cut
		a.pass1(c, r, j.port, j.path)
	}
}

// pass1 takes c.data once through the pipeline, after so many passes.
func (a *pna) pass1(c *ctx, r *Result, port uint32, passes int) {
	c.pna = pnaAsked{again: passes}
	c.zero(a.start)
	fromHost := c.m.opts.HostPort != nil && c.m.opts.HostPort(port)
	setAll(c, a.direction, b2u(fromHost))
	setAll(c, a.pass, uint64(passes))
	setAll(c, a.looped, b2u(passes > 0))
	setAll(c, a.recirculated, b2u(passes > 0))
	setAll(c, a.port, uint64(port))
	c.pos, c.perr = 0, c.m.errs.noError
	c.newSums(a.sums)
	if a.body[0](c) != next && c.perr != c.m.errs.noError {
		r.ParserError = int(c.perr)
		if c.tracing {
			c.event("error", c.errorName(), "", ir.Pos{})
		}
	}
	setAll(c, a.perr, c.perr)
	a.time.set(c, c.now/1000)
	c.out.reset()
	for _, body := range a.body[1:] {
		if body == nil {
			continue
		}
		c.newSums(a.sums)
		if aborted(body(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
	}
	c.payload(&c.out)
	for _, m := range c.pna.mirrors[:c.pna.n] {
		a.mirror(c, r, m.session)
	}
	switch c.pna.fate {
	case pnaSend:
		c.output(r, c.pna.port)
	case pnaAgain:
		if j := c.newJob(r); j != nil {
			j.own = append(j.own, c.out.b...)
			j.data, j.port, j.path = j.own, port, passes+1
			c.branch(j, "recirculate", "")
		}
	default:
		c.drop(r, "the program sends the packet nowhere")
	}
}

// mirror sends copies of the deparsed packet to the replicas of a session.
func (a *pna) mirror(c *ctx, r *Result, session uint32) {
	s, group, ok := c.m.pre.session(session)
	if !ok {
		if c.tracing {
			c.event("clone", fmt.Sprintf("session %d is not there", session), "", ir.Pos{})
		}
		return
	}
	whole := c.out.b
	if s.Truncate > 0 && int(s.Truncate) < len(whole) {
		c.out.b = whole[:s.Truncate]
	}
	for _, rs := range [][]ir.Replica{group, s.Replicas} {
		for _, x := range rs {
			c.output(r, x.Port)
		}
	}
	c.out.b = whole
}

// pnaFunction compiles the functions of PNA, nil for others.
func (k *compiler) pnaFunction(s *externSite) stmt {
	switch s.name {
	case "drop_packet":
		return func(c *ctx) status {
			c.pna.fate = pnaDrop
			return next
		}
	case "recirculate":
		return func(c *ctx) status {
			c.pna.fate = pnaAgain
			return next
		}
	case "send_to_port":
		k.need(s, 1, 1)
		x := k.slotArg(s, 0)
		return after(func(c *ctx) { c.pna.fate, c.pna.port = pnaSend, uint32(x.u(c)) })
	case "mirror_packet":
		k.need(s, 2, 2)
		slot, session := k.slotArg(s, 0), k.slotArg(s, 1)
		return after(func(c *ctx) { c.pna.ask(uint32(slot.u(c)), uint32(session.u(c))) })
	case "SelectByDirection":
		return k.selectByDirection(s)
	case "is_host_port", "is_net_port":
		k.need(s, 1, 1)
		x, set := k.slotArg(s, 0), k.result64(s)
		host := s.name == "is_host_port"
		return after(func(c *ctx) {
			is := c.m.opts.HostPort != nil && c.m.opts.HostPort(uint32(x.u(c)))
			set(c, b2u(is == host))
		})
	}
	return k.learnFunction(s)
}

// ask notes a mirrored copy; a slot has one.
func (a *pnaAsked) ask(slot, session uint32) {
	for i := range a.mirrors[:a.n] {
		if a.mirrors[i].slot == slot {
			a.mirrors[i].session = session
			return
		}
	}
	if a.n < len(a.mirrors) {
		a.mirrors[a.n] = mirror{slot, session}
		a.n++
	}
}

// selectByDirection gives the second argument for packets from the network, the
// third for those from the host. The first is an enum, or a bool that is true for
// the network.
func (k *compiler) selectByDirection(s *externSite) stmt {
	k.need(s, 3, 3)
	if s.dst == nil {
		return k.nothing()
	}
	dir, net, host := k.slotArg(s, 0), k.expr(s.args[1]), k.expr(s.args[2])
	fromNet := uint64(0)
	if _, ok := s.args[0].Type().(*ir.Bool); ok {
		fromNet = 1
	}
	put := k.putterTo(s.dst, net.n)
	return after(func(c *ctx) {
		x := net
		if dir.u(c) != fromNet {
			x = host
		}
		put(c, func(dst []uint64) { x.into(c, dst) })
	})
}
