package exec

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// The architectures of ebpf_model.p4 and xdp_model.p4:
//
//	ebpfFilter  prs, filt. A packet that the parser rejects is dropped. accept is
//	            false to begin with; when filt sets it the packet goes to the host
//	            as it came in, whatever filt did to its headers: there is no
//	            deparser. Else it is dropped.
//	xdp         p, s, d. A packet that the parser rejects is dropped. The action
//	            is XDP_ABORTED to begin with. XDP_PASS sends what d makes, with
//	            what the parser did not consume behind it, to the host, XDP_TX to
//	            the port it came in, XDP_REDIRECT to output_port; the others drop.

// filter is a compiled pipeline of either architecture.
type filter struct {
	parse, control, deparse stmt // deparse: xdp
	start                   []span
	accept                  int // ebpf: address
	in, action, port        stdField
	pass, tx, redirect      uint64
}

func (k *compiler) ebpfFilter() func(*ctx, *Result) {
	a := &filter{}
	first := k.slots("ebpfFilter", []slotRoles{
		{"prs", ir.Parser, []string{"", "h"}},
		{"filt", ir.Control, []string{"h", "accept"}},
	})
	a.start = k.spansOf(first, "h", "accept")
	a.accept = k.varAddr(first["accept"])
	a.parse, a.control = k.block(k.p.Block("prs")).body, k.block(k.p.Block("filt")).body
	return func(c *ctx, r *Result) {
		if !a.begin(c, r) {
			return
		}
		if c.mem[a.accept] == 0 {
			c.drop(r, "the filter does not accept the packet")
			return
		}
		c.out.reset()
		c.out.b = append(c.out.b, c.data...)
		c.output(r, hostPort)
	}
}

func (k *compiler) xdp() func(*ctx, *Result) {
	a := &filter{}
	first := k.slots("xdp", []slotRoles{
		{"p", ir.Parser, []string{"", "h"}},
		{"s", ir.Control, []string{"h", "in", "out"}},
		{"d", ir.Control, []string{"h", ""}},
	})
	a.start = k.spansOf(first, "h", "in", "out")
	a.in = k.fieldOf(first["in"], "input_port")
	a.action, a.port = k.fieldOf(first["out"], "output_action"), k.fieldOf(first["out"], "output_port")
	a.pass = k.enumMember(first["out"], "output_action", "XDP_PASS")
	a.tx = k.enumMember(first["out"], "output_action", "XDP_TX")
	a.redirect = k.enumMember(first["out"], "output_action", "XDP_REDIRECT")
	a.parse, a.control = k.block(k.p.Block("p")).body, k.block(k.p.Block("s")).body
	a.deparse = k.block(k.p.Block("d")).body
	return func(c *ctx, r *Result) {
		if !a.begin(c, r) {
			return
		}
		var port uint32
		switch a.action.get(c) {
		case a.pass:
			port = hostPort
		case a.tx:
			port = c.in.Port
		case a.redirect:
			port = uint32(a.port.get(c))
		default:
			c.drop(r, "output_action drops the packet")
			return
		}
		c.out.reset()
		if aborted(a.deparse(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
		c.payload(&c.out)
		if port == c.m.opts.DropPort {
			c.drop(r, "output_port is the drop port")
			return
		}
		c.output(r, port)
	}
}

// begin parses and runs the control; false when the packet has been dropped.
func (a *filter) begin(c *ctx, r *Result) bool {
	c.zero(a.start)
	a.in.set(c, uint64(c.in.Port))
	if !c.parsed(r, a.parse) {
		c.drop(r, "the parser rejects it: "+c.errorName())
		return false
	}
	if aborted(a.control(c)) {
		c.drop(r, "too many steps in a loop")
		return false
	}
	return true
}

// parsed runs a parser from the start of the packet; false when it rejects.
func (c *ctx) parsed(r *Result, parse stmt) bool {
	c.pos, c.perr = 0, c.m.errs.noError
	if parse(c) == next {
		return true
	}
	r.ParserError = int(c.perr)
	if c.tracing {
		c.event("error", c.errorName(), "", ir.Pos{})
	}
	return false
}

// slotRoles is a slot of a package with what its parameters are: those with one
// name are one place, handed from block to block.
type slotRoles struct {
	slot  string
	kind  ir.BlockKind
	roles []string
}

// slots gives the parameters of the package's blocks their places.
func (k *compiler) slots(pkg string, ss []slotRoles) map[string]*ir.Var {
	first := map[string]*ir.Var{}
	for _, s := range ss {
		b := k.p.Block(s.slot)
		if b == nil || b.Kind != s.kind {
			k.fail(ir.Pos{}, "package "+pkg, "the pipeline has no "+s.slot)
		}
		k.roles(pkg, b, s.roles, first)
	}
	return first
}

func (k *compiler) spansOf(first map[string]*ir.Var, roles ...string) (ss []span) {
	for _, r := range roles {
		if v := first[r]; v != nil {
			ss = join(ss, []span{k.spanOf(v)})
		}
	}
	return ss
}

// enumMember is the value of a member of the enum that a field has.
func (k *compiler) enumMember(v *ir.Var, field, name string) uint64 {
	if i := ir.FieldIndex(v.Type, field); i >= 0 {
		if e, ok := ir.Underlying(ir.Fields(v.Type)[i].Type).(*ir.Enum); ok {
			for _, m := range e.Members {
				if m.Name == name {
					return m.Value.Uint64()
				}
			}
		}
	}
	k.fail(v.Pos, "parameter "+v.Name, "its "+field+" is no enum with a member "+name)
	return 0
}

// filterFunction compiles the functions of these architectures and of
// ubpf_model.p4, nil for others.
func (k *compiler) filterFunction(s *externSite) stmt {
	switch s.name {
	case "CounterArray.increment", "CounterArray.add":
		return k.counterArrayAdd(s)
	case "BPF_KTIME_GET_NS", "ubpf_time_get_ns":
		set := k.result64(s)
		w := uint64(1)<<32 - 1
		if s.name == "ubpf_time_get_ns" {
			w = 1<<48 - 1
		}
		return after(func(c *ctx) { set(c, c.now&w) })
	case "ebpf_ipv4_checksum":
		return k.ipv4Checksum(s)
	case "csum_replace2", "csum_replace4":
		return k.csumReplace(s)
	case "mark_to_drop", "mark_to_pass":
		drop := s.name == "mark_to_drop"
		return func(c *ctx) status {
			c.marked = drop
			return next
		}
	}
	return nil
}

// ipv4Checksum is the checksum of an IPv4 header without options from its fields:
// all but the checksum itself, which counts as zero.
func (k *compiler) ipv4Checksum(s *externSite) stmt {
	k.need(s, 11, 11)
	data, _ := k.fieldList(&ir.ListExpr{Elems: s.args})
	set := k.result64(s)
	return after(func(c *ctx) {
		c.sum.reset()
		data(c, &c.sum)
		if c.pend == next {
			set(c, csum16(c.sum.b))
		}
	})
}

// csumReplace is a checksum after a field has changed: equation 3 of RFC 1624.
func (k *compiler) csumReplace(s *externSite) stmt {
	k.need(s, 3, 3)
	sum, old, with := k.slotArg(s, 0), k.slotArg(s, 1), k.slotArg(s, 2)
	mask := uint64(0xffff)
	if s.name == "csum_replace4" {
		mask = 0xffffffff
	}
	set := k.result64(s)
	return after(func(c *ctx) {
		v := ^sum.u(c)&0xffff + ^old.u(c)&mask + with.u(c)&mask
		for v > 0xffff {
			v = v>>16 + v&0xffff
		}
		set(c, ^v&0xffff)
	})
}
