package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The Portable Switch Architecture, after the behaviour of psa_switch:
//
//	ip   ingress parser: headers invalid, metadata zero.
//	ig   ingress, with drop set. After it, in this order: the clone that was asked
//	     for, of the packet as it came in; drop ends the packet; resubmit sends it
//	     back as it came in; else it goes on deparsed, to multicast_group when that
//	     is not 0, or to egress_port.
//	id   ingress deparser, with what the parser did not consume behind it.
//	ep, eg, ed   egress, from parsing what ingress deparsed. Its clone is the packet
//	     as egress deparsed it; drop ends the packet; port PSA_PORT_RECIRCULATE sends
//	     it to ingress.
//
// The metadata that a deparser gives for a clone, a resubmitted, recirculated or
// normal packet is what the next parser finds (psa_switch leaves it zero); the
// other structs of that parser are zero. A resubmitted packet has ingress_port 0,
// as psa_switch has it. Times are in microseconds.

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

// psaSlots are the package's blocks with what their parameters are: those with
// one name are one place, handed from block to block.
var psaSlots = [...]struct {
	slot  string
	kind  ir.BlockKind
	roles []string
}{
	{"ip", ir.Parser, []string{"", "ih", "im", "ipin", "resubm", "recircm"}},
	{"ig", ir.Control, []string{"ih", "im", "igin", "igout"}},
	{"id", ir.Control, []string{"", "ci2em", "resubm", "nm", "ih", "im", "igout"}},
	{"ep", ir.Parser, []string{"", "eh", "em", "epin", "nm", "ci2em", "ce2em"}},
	{"eg", ir.Control, []string{"eh", "em", "egin", "egout"}},
	{"ed", ir.Control, []string{"", "ce2em", "recircm", "eh", "em", "egout", "edin"}},
}

// psa is the compiled pipeline.
type psa struct {
	body [len(psaSlots)]stmt

	ipPort, ipPath                                                 stdField
	igPort, igPath, igTime, igError                                stdField
	igClass, igClone, igSession, igDrop, igResubmit, group, toPort stdField
	epPort, epPath                                                 stdField
	egClass, egPort, egPath, egInstance, egTime, egError           stdField
	egClone, egSession, egDrop                                     stdField
	edPort                                                         stdField

	ingress, egress               []span // what a pipeline starts with at zero
	resubm, recircm, nm, ci2, ce2 []span
	carried                       []span // those five
	sums                          []span
}

// roles gives the parameters of the blocks of slots their places: those of one
// role share one. It also finds the first variable of each role.
func (k *compiler) roles(pkg string, b *ir.Block, roles []string, first map[string]*ir.Var) {
	if len(b.Params) != len(roles) {
		k.fail(b.Pos, "block "+b.Name, fmt.Sprintf("it has %d parameters, %s gives it %d", len(b.Params), pkg, len(roles)))
	}
	for i, role := range roles {
		v := b.Params[i]
		switch f := first[role]; {
		case role == "":
		case f == nil:
			first[role] = v
			k.varAddr(v)
		case !ir.Identical(f.Type, v.Type):
			k.fail(v.Pos, "parameter "+v.Name+" of "+b.Name, fmt.Sprintf("its type %s differs from %s of the other blocks", v.Type, f.Type))
		default:
			k.addr[v] = k.varAddr(f)
		}
	}
}

// fieldOf is a field of the struct v; its addr is -1 where there is none.
func (k *compiler) fieldOf(v *ir.Var, name string) stdField {
	i := ir.FieldIndex(v.Type, name)
	if i < 0 || ir.Width(ir.Fields(v.Type)[i].Type) > 64 {
		return stdField{addr: -1}
	}
	return stdField{k.varAddr(v) + k.lay.field(v.Type, i), ir.Width(ir.Fields(v.Type)[i].Type)}
}

func (k *compiler) psa() func(*ctx, *Result) {
	a := &psa{}
	first := map[string]*ir.Var{}
	var blocks [len(psaSlots)]*ir.Block
	for i, s := range psaSlots {
		b := k.p.Block(s.slot)
		if b == nil || b.Kind != s.kind {
			k.fail(ir.Pos{}, "package PSA_Switch", "the pipeline has no "+s.slot)
		}
		k.roles("PSA_Switch", b, s.roles, first)
		blocks[i] = b
	}
	f := func(role, name string) stdField { return k.fieldOf(first[role], name) }
	a.ipPort, a.ipPath = f("ipin", "ingress_port"), f("ipin", "packet_path")
	a.igPort, a.igPath = f("igin", "ingress_port"), f("igin", "packet_path")
	a.igTime, a.igError = f("igin", "ingress_timestamp"), f("igin", "parser_error")
	a.igClass, a.igClone, a.igSession = f("igout", "class_of_service"), f("igout", "clone"), f("igout", "clone_session_id")
	a.igDrop, a.igResubmit = f("igout", "drop"), f("igout", "resubmit")
	a.group, a.toPort = f("igout", "multicast_group"), f("igout", "egress_port")
	a.epPort, a.epPath = f("epin", "egress_port"), f("epin", "packet_path")
	a.egClass, a.egPort, a.egPath = f("egin", "class_of_service"), f("egin", "egress_port"), f("egin", "packet_path")
	a.egInstance, a.egTime, a.egError = f("egin", "instance"), f("egin", "egress_timestamp"), f("egin", "parser_error")
	a.egClone, a.egSession, a.egDrop = f("egout", "clone"), f("egout", "clone_session_id"), f("egout", "drop")
	a.edPort = f("edin", "egress_port")
	spans := func(roles ...string) (ss []span) {
		for _, r := range roles {
			ss = join(ss, []span{k.spanOf(first[r])})
		}
		return ss
	}
	a.ingress = spans("ih", "im", "ipin", "igin", "igout")
	a.egress = spans("eh", "em", "epin", "egin", "egout", "edin")
	a.resubm, a.recircm, a.nm, a.ci2, a.ce2 = spans("resubm"), spans("recircm"), spans("nm"), spans("ci2em"), spans("ce2em")
	a.carried = spans("resubm", "recircm", "nm", "ci2em", "ce2em")
	for i, b := range blocks {
		a.body[i] = k.block(b).body
	}
	a.sums = k.sums.spans
	return a.run
}

func (a *psa) run(c *ctx, r *Result) {
	c.length = c.wireLen()
	a.fromPort(c, r, c.in.Port, psaNormal, true)
	for j := c.nextJob(); j != nil; j = c.nextJob() {
		c.data, c.length, c.bytes, c.truncate = j.data, j.length, j.bytes, j.cut
		c.load(j.mem, a.carried)
		if j.ingress {
			a.fromPort(c, r, j.port, j.path, false)
		} else {
			a.toEgress(c, r, j, false)
		}
	}
}

// parse runs a parser from the start of c.data.
func (a *psa) parse(c *ctx, r *Result, i int) {
	c.pos, c.perr = 0, c.m.errs.noError
	c.newSums(a.sums)
	if a.body[i](c) != next && c.perr != c.m.errs.noError {
		r.ParserError = int(c.perr)
		if c.tracing {
			c.event("error", c.errorName(), "", ir.Pos{})
		}
	}
}

// control runs a control; false when it takes too long.
func (a *psa) control(c *ctx, r *Result, i int) bool {
	c.newSums(a.sums)
	if aborted(a.body[i](c)) {
		c.drop(r, "too many steps in a loop")
		return false
	}
	return true
}

// fromPort runs ingress, and egress when the packet goes on as itself. first says
// that it came in from a port.
func (a *psa) fromPort(c *ctx, r *Result, port uint32, path int, first bool) {
	made := c.used
	c.zero(a.ingress)
	a.ipPort.set(c, uint64(port))
	a.ipPath.set(c, uint64(path))
	a.parse(c, r, 0)
	perr := c.perr
	a.igPort.set(c, uint64(port))
	a.igPath.set(c, uint64(path))
	a.igTime.set(c, c.now/1000)
	a.igError.set(c, perr)
	a.igDrop.set(c, 1)
	if !a.control(c, r, 1) {
		return
	}
	clone, drop := a.igClone.get(c) != 0, a.igDrop.get(c) != 0
	again := !drop && a.igResubmit.get(c) != 0
	if clone || !drop { // the deparser also gives the metadata of copies
		c.zero(a.carried)
		c.out.reset()
		if !a.control(c, r, 2) {
			return
		}
		c.payload(&c.out)
	}
	if clone {
		a.clone(c, r, uint32(a.igSession.get(c)), c.data, a.ci2, psaCloneI2E)
	}
	switch {
	case drop:
		c.drop(r, "drop is set after ingress")
	case again:
		if j := c.newJob(r); j != nil {
			j.ingress, j.data, j.length, j.path = true, c.data, c.length, psaResubmit
			a.carry(c, j, a.resubm)
			c.branch(j, "resubmit", "")
		}
	default:
		a.replicate(c, r, c.used == made, first)
	}
}

// carry gives a job the metadata ss of those that go from pipeline to pipeline.
func (a *psa) carry(c *ctx, j *job, ss []span) {
	c.kept = c.save(c.kept[:0], ss)
	c.saved = c.save(c.saved[:0], a.carried)
	c.zero(a.carried)
	c.load(c.kept, ss)
	j.mem = c.save(j.mem, a.carried)
	c.load(c.saved, a.carried)
}

// clone makes the copies of a session, of data with the metadata ss.
func (a *psa) clone(c *ctx, r *Result, session uint32, data []byte, ss []span, path int) {
	s, group, ok := c.m.pre.session(session)
	if !ok {
		if c.tracing {
			c.event("clone", fmt.Sprintf("session %d is not there", session), "", ir.Pos{})
		}
		return
	}
	for _, rs := range [][]ir.Replica{group, s.Replicas} {
		for _, x := range rs {
			j := c.newJob(r)
			if j == nil {
				return
			}
			j.port, j.path, j.instance, j.class, j.length = x.Port, path, x.Instance, s.ClassOfService, c.length
			if s.Truncate > 0 {
				j.cut = int(s.Truncate)
			}
			j.data = data
			a.carry(c, j, ss)
			if c.tracing {
				c.branch(j, "clone", fmt.Sprintf("port %d instance %d", x.Port, x.Instance))
			}
		}
	}
}

// replicate sends what ingress deparsed to the group or the port; alone says that
// the packet has made no copies in ingress.
func (a *psa) replicate(c *ctx, r *Result, alone, first bool) {
	class := uint8(a.igClass.get(c))
	id := uint32(a.group.get(c))
	if id == 0 && alone {
		c.mid = append(c.mid[:0], c.out.b...)
		j := job{data: c.mid, port: uint32(a.toPort.get(c)), path: psaUnicast, class: class, cut: -1}
		c.kept = c.save(c.kept[:0], a.nm)
		c.zero(a.carried)
		c.load(c.kept, a.nm)
		c.data, c.truncate = j.data, -1
		a.toEgress(c, r, &j, first)
		return
	}
	replicas, path := []ir.Replica{{Port: uint32(a.toPort.get(c))}}, psaUnicast
	if id != 0 {
		replicas, path = c.m.pre.group(id), psaMulticast
		if len(replicas) == 0 {
			c.drop(r, fmt.Sprintf("multicast group %d has no replicas", id))
		}
	}
	var data []byte
	for _, x := range replicas {
		j := c.newJob(r)
		if j == nil {
			return
		}
		if data == nil {
			j.own = append(j.own, c.out.b...)
			data = j.own
		}
		j.data, j.port, j.path, j.instance, j.class, j.length = data, x.Port, path, x.Instance, class, c.length
		a.carry(c, j, a.nm)
		if c.tracing && id != 0 {
			c.branch(j, "multicast", fmt.Sprintf("port %d instance %d", x.Port, x.Instance))
		}
	}
}

// toEgress runs egress on c.data with the metadata that is in place; first says that
// the packet came in from a port and has made no copies.
func (a *psa) toEgress(c *ctx, r *Result, j *job, first bool) {
	port, path, instance, class := uint64(j.port), uint64(j.path), uint64(j.instance), uint64(j.class)
	c.zero(a.egress)
	a.epPort.set(c, port)
	a.epPath.set(c, path)
	a.parse(c, r, 3)
	a.egClass.set(c, class)
	a.egPort.set(c, port)
	a.egPath.set(c, path)
	a.egInstance.set(c, instance)
	a.egTime.set(c, c.now/1000)
	a.egError.set(c, c.perr)
	if !a.control(c, r, 4) {
		return
	}
	a.edPort.set(c, port)
	c.zero(a.carried)
	c.out.reset()
	if !a.control(c, r, 5) {
		return
	}
	c.payload(&c.out)
	if c.truncate >= 0 && c.truncate < len(c.out.b) {
		c.out.b = c.out.b[:c.truncate]
	}
	again := port == psaRecirculatePort && a.egDrop.get(c) == 0
	if first && (again || a.egClone.get(c) != 0) {
		c.made++ // ir.MaxCopies
	}
	var data []byte
	if again || a.egClone.get(c) != 0 {
		data = append([]byte(nil), c.out.b...)
	}
	if a.egClone.get(c) != 0 {
		a.clone(c, r, uint32(a.egSession.get(c)), data, a.ce2, psaCloneE2E)
	}
	switch {
	case a.egDrop.get(c) != 0:
		c.drop(r, "drop is set after egress")
	case again:
		if j := c.newJob(r); j != nil {
			j.ingress, j.data, j.length = true, data, uint64(len(data))
			j.port, j.path = psaRecirculatePort, psaRecirculate
			a.carry(c, j, a.recircm)
			c.branch(j, "recirculate", "")
		}
	default:
		c.output(r, uint32(port))
	}
}

// psaFunction compiles the functions that tell a deparser what becomes of the
// packet, nil for others.
func (k *compiler) psaFunction(s *externSite) stmt {
	args := map[string]int{"psa_clone_i2e": 1, "psa_clone_e2e": 1, "psa_resubmit": 1, "psa_normal": 1, "psa_recirculate": 2}
	n, is := args[s.name]
	if !is {
		return nil
	}
	k.need(s, n, n)
	structs := map[string][]string{"psa_recirculate": {"psa_egress_output_metadata_t", "psa_egress_deparser_input_metadata_t"}, "psa_clone_e2e": {"psa_egress_output_metadata_t"}}[s.name]
	if structs == nil {
		structs = []string{"psa_ingress_output_metadata_t"}
	}
	field := func(arg int, name string) *xp { return k.fieldArg(s, arg, structs[arg], name) }
	set := k.result64(s)
	var test func(*ctx) bool
	switch s.name {
	case "psa_clone_i2e", "psa_clone_e2e":
		clone := field(0, "clone")
		test = func(c *ctx) bool { return clone.u(c) != 0 }
	case "psa_recirculate":
		drop, port := field(0, "drop"), field(1, "egress_port")
		test = func(c *ctx) bool { return drop.u(c) == 0 && port.u(c) == psaRecirculatePort }
	default:
		drop, again := field(0, "drop"), field(0, "resubmit")
		want := b2u(s.name == "psa_resubmit")
		test = func(c *ctx) bool { return drop.u(c) == 0 && again.u(c) == want }
	}
	return after(func(c *ctx) { set(c, b2u(test(c))) })
}

// fieldArg compiles a field of argument i, a struct of the architecture, which at
// core is a list of its fields.
func (k *compiler) fieldArg(s *externSite, i int, typ, name string) *xp {
	var t ir.Type = s.args[i].Type()
	list, flat := s.args[i].(*ir.ListExpr)
	if flat {
		for _, d := range k.p.Types {
			if st, ok := d.(*ir.Struct); ok && st.Name == typ {
				t = st
			}
		}
	}
	at := ir.FieldIndex(t, name)
	if at < 0 || flat && at >= len(list.Elems) {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("its argument %d is no %s", i+1, typ))
	}
	if flat {
		return k.expr(list.Elems[at])
	}
	return k.expr(&ir.Member{Meta: ir.Meta{T: ir.Fields(t)[at].Type, P: s.pos}, X: s.args[i], Field: name})
}
