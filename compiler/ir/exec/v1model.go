package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The v1model architecture, after the behaviour of simple_switch:
//
//	p    parser. headers start invalid, metadata zero. An error goes to
//	     standard_metadata.parser_error, headers extracted so far stay valid, and
//	     the packet goes on.
//	vr   verify_checksum sets standard_metadata.checksum_error.
//	ig   ingress. After it, in this order: the clone that was asked for; then the
//	     packet is resubmitted, or else replicated by mcast_grp when that is not 0,
//	     or else dropped when egress_spec is the drop port, or else goes to egress.
//	eg   egress, with egress_port and the queueing metadata set, egress_spec = 0.
//	     After it the clone that was asked for, which has the headers that egress
//	     left; egress_spec = the drop port ends the packet.
//	ck   update_checksum.
//	dep  deparser; what the parser did not consume follows. A recirculated packet
//	     begins again with these bytes.
//
// Of several calls of clone, resubmit or recirculate the last one counts. An
// ingress clone has the headers of the packet as it came in. Clones, resubmitted
// and recirculated packets begin with all metadata zero, standard_metadata too,
// but for the fields of the field list. Truncation does not pass to copies
// (simple_switch gives them the end of a truncated packet, which nobody can want).
//
// standard_metadata starts at zero but for ingress_port, packet_length (wire
// length) and ingress_global_timestamp (microseconds). All times are the one
// reading of the clock that a packet gets; queues have no length and no delay,
// and every priority has one.

// Values of instance_type.
const (
	v1Normal       = 0
	v1IngressClone = 1
	v1EgressClone  = 2
	v1Recirculated = 4
	v1Replicated   = 5
	v1Resubmitted  = 6
)

// v1 is the compiled pipeline.
type v1 struct {
	parse, verify, ingress, egress, compute, deparse stmt

	ingressPort, egressSpec, egressPort, instance, length, parserError, mcastGroup, rid stdField
	igTime, egTime, enqTime, enqDepth, deqTime, deqDepth                                stdField

	shared []span // headers, metadata, standard metadata
	meta   []span // what copies begin with at zero
	lists  fieldLists
	sizes  []headerSize
	drop   uint64
}

// v1Asked is what the externs of the block that runs have asked for.
type v1Asked struct {
	session     int // -1: no clone
	cloneList   []span
	resubmit    bool
	recirculate bool
	list        []span // kept by resubmit or recirculate
}

// stdField is a field of standard_metadata; addr is -1 where the program's
// declaration has no such field.
type stdField struct{ addr, w int }

func (f stdField) set(c *ctx, v uint64) {
	if f.addr >= 0 {
		c.mem[f.addr] = v & mask(f.w)
	}
}

func (f stdField) get(c *ctx) uint64 {
	if f.addr < 0 {
		return 0
	}
	return c.mem[f.addr]
}

func (k *compiler) stdField(name string) stdField {
	i := ir.FieldIndex(k.stdType, name)
	if i < 0 {
		return stdField{addr: -1}
	}
	t := ir.Fields(k.stdType)[i].Type
	return stdField{k.std + k.lay.field(k.stdType, i), ir.Width(t)}
}

// v1Slots are the package's parameters with how many parameters each block has;
// the first of parser and deparser is the packet.
var v1Slots = [...]struct {
	slot   string
	kind   ir.BlockKind
	params int
	packet bool
}{
	{"p", ir.Parser, 4, true}, {"vr", ir.Control, 2, false}, {"ig", ir.Control, 3, false},
	{"eg", ir.Control, 3, false}, {"ck", ir.Control, 2, false}, {"dep", ir.Control, 2, true},
}

func (k *compiler) v1model() func(*ctx, *Result) {
	var blocks [len(v1Slots)]*ir.Block
	for i, s := range v1Slots {
		b := k.p.Block(s.slot)
		if b == nil {
			k.fail(ir.Pos{}, "package V1Switch", "the pipeline has no "+s.slot)
		}
		if b.Kind != s.kind || len(b.Params) != s.params {
			k.fail(b.Pos, "block "+b.Name, fmt.Sprintf("it does not fit slot %s of V1Switch", s.slot))
		}
		blocks[i] = b
	}
	a := &v1{drop: uint64(k.m.opts.DropPort)}
	k.shareParams(a, blocks[:])
	k.fieldLists = &a.lists
	a.sizes = k.emitted(blocks[5])
	f := k.stdField
	a.ingressPort, a.egressSpec, a.egressPort = f("ingress_port"), f("egress_spec"), f("egress_port")
	a.instance, a.length, a.parserError = f("instance_type"), f("packet_length"), f("parser_error")
	a.mcastGroup, a.rid = f("mcast_grp"), f("egress_rid")
	a.igTime, a.egTime = f("ingress_global_timestamp"), f("egress_global_timestamp")
	a.enqTime, a.enqDepth = f("enq_timestamp"), f("enq_qdepth")
	a.deqTime, a.deqDepth = f("deq_timedelta"), f("deq_qdepth")
	var body [len(v1Slots)]stmt
	for i, b := range blocks {
		body[i] = k.block(b).body
	}
	a.parse, a.verify, a.ingress, a.egress, a.compute, a.deparse = body[0], body[1], body[2], body[3], body[4], body[5]
	return a.run
}

// run takes a packet that came in, and all that becomes of it, through the
// pipeline.
func (a *v1) run(c *ctx, r *Result) {
	c.asked = v1Asked{session: -1}
	c.length = c.wireLen()
	a.ingressPort.set(c, uint64(c.in.Port))
	a.length.set(c, c.length)
	a.igTime.set(c, c.now/1000)
	a.fromStart(c, r, true)
	for j := c.nextJob(); j != nil; j = c.nextJob() {
		c.asked = v1Asked{session: -1}
		c.data, c.pos, c.length, c.truncate, c.bytes = j.data, j.pos, j.length, j.cut, j.bytes
		c.load(j.mem, a.shared)
		if j.ingress {
			a.fromStart(c, r, false)
		} else {
			a.toEgress(c, r, j.port, false)
		}
	}
}

// fromStart runs parser and ingress, and egress when the packet goes on as itself.
// first says that it came in from a port.
func (a *v1) fromStart(c *ctx, r *Result, first bool) {
	made := c.used
	c.perr = c.m.errs.noError
	length := c.length
	if a.parse(c) != next && c.perr != c.m.errs.noError {
		a.parserError.set(c, c.perr)
		r.ParserError = int(c.perr)
		if c.tracing {
			c.event("error", c.errorName(), "", ir.Pos{})
		}
	}
	parsed := a.headerBytes(c)
	if aborted(a.verify(c)) || aborted(a.ingress(c)) {
		c.drop(r, "too many steps in a loop")
		return
	}
	c.length += a.headerBytes(c) - parsed
	if c.asked.session >= 0 {
		a.ingressClone(c, r, length)
	}
	if c.asked.resubmit {
		j := c.newJob(r)
		if j == nil {
			return
		}
		j.ingress, j.data, j.length = true, c.data, length
		c.branch(j, "resubmit", "")
		a.startOver(c, j, v1Resubmitted)
		return
	}
	if group := uint32(a.mcastGroup.get(c)); group != 0 {
		a.instance.set(c, v1Replicated)
		if !a.replicate(c, r, c.m.pre.group(group), -1, "multicast") {
			c.drop(r, fmt.Sprintf("multicast group %d has no replicas", group))
		}
		return
	}
	port := a.egressSpec.get(c)
	if port == a.drop {
		c.drop(r, "egress_spec is the drop port after ingress")
		return
	}
	a.instance.set(c, v1Normal)
	if c.used == made {
		a.toEgress(c, r, uint32(port), first)
		return
	}
	if j := c.newJob(r); j != nil { // behind its clones
		a.park(c, j, uint32(port), c.truncate)
	}
}

// park makes j the packet as it is now, to go to egress at port.
func (a *v1) park(c *ctx, j *job, port uint32, cut int) {
	j.port, j.data, j.pos, j.length, j.cut = port, c.data, c.pos, c.length, cut
	j.mem = c.save(j.mem, a.shared)
}

// replicate makes the copies of a group or session; false when there are none.
func (a *v1) replicate(c *ctx, r *Result, rs []ir.Replica, cut int, what string) bool {
	for _, x := range rs {
		j := c.newJob(r)
		if j == nil {
			return true
		}
		a.rid.set(c, uint64(x.Instance))
		a.park(c, j, x.Port, cut)
		if c.tracing {
			c.branch(j, what, fmt.Sprintf("port %d instance %d", x.Port, x.Instance))
		}
	}
	return len(rs) > 0
}

// copies makes the copies of a clone session. The packet's memory is the clone's.
func (a *v1) copies(c *ctx, r *Result, s ir.CloneSession, group []ir.Replica) {
	cut := -1
	if s.Truncate > 0 {
		cut = int(s.Truncate)
	}
	a.replicate(c, r, group, cut, "clone")
	a.replicate(c, r, s.Replicas, cut, "clone")
}

// ingressClone: the packet as it came in, parsed again, goes to egress.
func (a *v1) ingressClone(c *ctx, r *Result, length uint64) {
	asked := c.asked
	c.asked.session = -1
	s, group, ok := c.m.pre.session(uint32(asked.session))
	if !ok {
		if c.tracing {
			c.event("clone", fmt.Sprintf("session %d is not there", asked.session), "", ir.Pos{})
		}
		return
	}
	c.saved = c.save(c.saved[:0], a.shared)
	c.kept = c.save(c.kept[:0], asked.cloneList)
	perr, pos, was, tracing := c.perr, c.pos, c.length, c.tracing
	port := a.ingressPort.get(c)
	c.zero(a.shared)
	a.ingressPort.set(c, port)
	c.pos, c.perr, c.length, c.tracing = 0, c.m.errs.noError, length, false
	a.parse(c)
	c.tracing = tracing
	c.zero(a.meta)
	c.load(c.kept, asked.cloneList)
	a.instance.set(c, v1IngressClone)
	a.copies(c, r, s, group)
	c.load(c.saved, a.shared)
	c.perr, c.pos, c.length = perr, pos, was
}

// egressClone: the packet as egress left it goes to egress again.
func (a *v1) egressClone(c *ctx, r *Result) {
	asked := c.asked
	c.asked.session = -1
	s, group, ok := c.m.pre.session(uint32(asked.session))
	if !ok {
		if c.tracing {
			c.event("clone", fmt.Sprintf("session %d is not there", asked.session), "", ir.Pos{})
		}
		return
	}
	c.saved = c.save(c.saved[:0], a.shared)
	c.kept = c.save(c.kept[:0], asked.cloneList)
	c.zero(a.meta)
	c.load(c.kept, asked.cloneList)
	a.instance.set(c, v1EgressClone)
	a.copies(c, r, s, group)
	c.load(c.saved, a.shared)
}

// startOver makes j, which has its data and length, a packet for the parser. The
// packet's own memory is gone after it.
func (a *v1) startOver(c *ctx, j *job, instance uint64) {
	c.kept = c.save(c.kept[:0], c.asked.list)
	c.zero(a.shared)
	c.load(c.kept, c.asked.list)
	a.instance.set(c, instance)
	a.length.set(c, j.length)
	j.mem = c.save(j.mem, a.shared)
}

// toEgress runs egress and what follows; first says that the packet came in from a
// port and has made no copies.
func (a *v1) toEgress(c *ctx, r *Result, port uint32, first bool) {
	us := c.now / 1000
	a.egTime.set(c, us)
	a.enqTime.set(c, us)
	a.enqDepth.set(c, 0)
	a.deqTime.set(c, 0)
	a.deqDepth.set(c, 0)
	a.egressPort.set(c, uint64(port))
	a.egressSpec.set(c, 0)
	a.length.set(c, c.length)
	before := a.headerBytes(c)
	if aborted(a.egress(c)) {
		c.drop(r, "too many steps in a loop")
		return
	}
	c.length += a.headerBytes(c) - before
	if first && (c.asked.session >= 0 || c.asked.recirculate) && a.egressSpec.get(c) != a.drop {
		c.made++ // ir.MaxCopies
	}
	if c.asked.session >= 0 {
		a.egressClone(c, r)
	}
	if a.egressSpec.get(c) == a.drop {
		c.drop(r, "egress_spec is the drop port after egress")
		return
	}
	c.out.reset()
	if aborted(a.compute(c)) || aborted(a.deparse(c)) {
		c.drop(r, "too many steps in a loop")
		return
	}
	c.payload(&c.out)
	if c.truncate >= 0 && c.truncate < len(c.out.b) {
		c.out.b = c.out.b[:c.truncate]
	}
	if c.asked.recirculate {
		j := c.newJob(r)
		if j == nil {
			return
		}
		j.own = append(j.own, c.out.b...)
		j.ingress, j.data, j.length, j.bytes = true, j.own, uint64(len(j.own)), uint64(len(j.own))
		c.branch(j, "recirculate", "")
		a.startOver(c, j, v1Recirculated)
		return
	}
	c.output(r, port)
}

func aborted(st status) bool { return st == stAbort }

func (c *ctx) errorName() string {
	if c.perr < uint64(len(c.m.prog.Errors)) {
		return c.m.prog.Errors[c.perr]
	}
	return fmt.Sprintf("error %d", c.perr)
}

// shareParams gives headers, metadata and standard metadata one address in all
// blocks: they are handed from one to the next whole, so nothing is copied.
func (k *compiler) shareParams(a *v1, blocks []*ir.Block) {
	var roles [3]struct {
		addr int
		v    *ir.Var
	}
	for i, b := range blocks {
		ps := b.Params
		if v1Slots[i].packet {
			ps = ps[1:]
		}
		for j, v := range ps {
			r := &roles[j]
			switch {
			case r.v == nil:
				r.v, r.addr = v, k.varAddr(v)
			case !ir.Identical(r.v.Type, v.Type):
				k.fail(v.Pos, "parameter "+v.Name+" of "+b.Name, fmt.Sprintf("its type %s differs from %s of the other blocks", v.Type, r.v.Type))
			default:
				k.addr[v] = r.addr
			}
		}
	}
	k.std, k.stdType = roles[2].addr, roles[2].v.Type
	for i, r := range roles {
		a.shared = join(a.shared, []span{k.spanOf(r.v)})
		if i > 0 {
			a.meta = join(a.meta, k.plainSpans(r.v.Type, r.addr))
		}
	}
	k.annotated(&a.lists, roles[1].v.Type, roles[1].addr)
}

// markToDrop: egress_spec = the drop port, mcast_grp = 0.
func (k *compiler) markToDrop(s *externSite) stmt {
	k.need(s, 0, 1)
	if len(s.args) == 0 { // the form without an argument means the metadata of the pipeline
		spec, mcast := k.stdField("egress_spec"), k.stdField("mcast_grp")
		drop := uint64(k.m.opts.DropPort)
		return func(c *ctx) status {
			spec.set(c, drop)
			mcast.set(c, 0)
			return next
		}
	}
	l := k.place(s.args[0])
	field := func(name string) (off int, w int) {
		i := ir.FieldIndex(l.t, name)
		if i < 0 {
			return -1, 0
		}
		return k.lay.field(l.t, i), ir.Width(ir.Fields(l.t)[i].Type)
	}
	spec, w := field("egress_spec")
	mcast, _ := field("mcast_grp")
	if spec < 0 {
		k.fail(s.pos, "extern mark_to_drop", "its argument has no field egress_spec")
	}
	drop := uint64(k.m.opts.DropPort) & mask(w)
	return func(c *ctx) status {
		a := l.get(c)
		c.mem[a+spec] = drop
		if mcast >= 0 {
			c.mem[a+mcast] = 0
		}
		return next
	}
}

// checksum is the four forms of verify_checksum and update_checksum.
func (k *compiler) checksum(s *externSite) stmt {
	k.need(s, 4, 4)
	verify := s.name == "verify_checksum" || s.name == "verify_checksum_with_payload"
	payload := s.name == "verify_checksum_with_payload" || s.name == "update_checksum_with_payload"
	cond := k.slotArg(s, 0)
	data, _ := k.fieldList(s.args[1])
	algo := k.algorithm(s.args[3])
	if w := ir.Width(s.args[2].Type()); w < 0 || w > 64 {
		k.fail(s.pos, "extern "+s.name, "the checksum is no scalar of up to 64 bits")
	}
	w := ir.Width(s.args[2].Type())
	name, pos := s.name, s.pos
	sum := func(c *ctx) uint64 {
		c.sum.reset()
		data(c, &c.sum)
		if payload {
			c.payload(&c.sum)
		}
		return algo(c, c.sum.b) & mask(w)
	}
	what := condName(s.args[2])
	skipped := k.point("skipped", name+" "+what, pos)
	ok := k.point("ok", name+" "+what, pos)
	if !verify {
		set := k.setter(s.args[2])
		return after(func(c *ctx) {
			if cond.u(c) == 0 {
				c.hitPoint(skipped)
				return
			}
			v := sum(c)
			if c.pend != next {
				return
			}
			c.hitPoint(ok)
			set(c, v)
			if c.tracing {
				c.event("checksum", what, fmt.Sprintf("set to 0x%x", v), pos)
			}
		})
	}
	bad := k.point("bad", name+" "+what, pos)
	have := k.expr(s.args[2])
	flag := k.stdField("checksum_error")
	return after(func(c *ctx) {
		if cond.u(c) == 0 {
			c.hitPoint(skipped)
			return
		}
		got := have.u(c)
		want := sum(c)
		if c.pend != next {
			return
		}
		word := "ok"
		if got == want {
			c.hitPoint(ok)
		} else {
			c.hitPoint(bad)
			flag.set(c, 1)
			word = "bad"
		}
		if c.tracing {
			c.event("checksum", what, fmt.Sprintf("%s: 0x%x in the packet, 0x%x computed", word, got, want), pos)
		}
	})
}
