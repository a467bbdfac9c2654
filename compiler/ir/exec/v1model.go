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
//	ig   ingress. After it, egress_spec = the drop port ends the packet.
//	eg   egress, with egress_port = egress_spec, egress_spec = 0 and the times set.
//	     egress_spec = the drop port after it ends the packet.
//	ck   update_checksum.
//	dep  deparser; what the parser did not consume follows.
//
// standard_metadata starts at zero but for ingress_port, packet_length (wire
// length) and ingress_global_timestamp (microseconds). All times are the one
// reading of the clock that a packet gets; queues have no length and no delay.

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
	k.refuseReplication()
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
	k.shareParams(blocks[:])
	var body [len(v1Slots)]stmt
	for i, b := range blocks {
		body[i] = k.block(b).body
	}
	f := k.stdField
	var (
		ingressPort, egressSpec, egressPort = f("ingress_port"), f("egress_spec"), f("egress_port")
		length, igTime, egTime, enqTime     = f("packet_length"), f("ingress_global_timestamp"), f("egress_global_timestamp"), f("enq_timestamp")
		parserError                         = f("parser_error")
	)
	noError := k.m.errs.noError
	drop := uint64(k.m.opts.DropPort)
	parse, verify, ingress, egress, compute, deparse := body[0], body[1], body[2], body[3], body[4], body[5]
	return func(c *ctx, r *Result) {
		us := c.now / 1000
		ingressPort.set(c, uint64(c.in.Port))
		length.set(c, c.wireLen())
		igTime.set(c, us)
		c.perr = noError
		if parse(c) != next && c.perr != noError {
			parserError.set(c, c.perr)
			r.ParserError = int(c.perr)
			if c.tracing {
				c.event("error", c.errorName(), "", ir.Pos{})
			}
		}
		if aborted(verify(c)) || aborted(ingress(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
		port := egressSpec.get(c)
		if port == drop {
			c.drop(r, "egress_spec is the drop port after ingress")
			return
		}
		egressPort.set(c, port)
		egressSpec.set(c, 0)
		egTime.set(c, us)
		enqTime.set(c, us)
		if aborted(egress(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
		if egressSpec.get(c) == drop {
			c.drop(r, "egress_spec is the drop port after egress")
			return
		}
		if aborted(compute(c)) || aborted(deparse(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
		c.payload(&c.out)
		if c.truncate >= 0 && c.truncate < len(c.out.b) {
			c.out.b = c.out.b[:c.truncate]
		}
		c.output(r, uint32(port))
	}
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
func (k *compiler) shareParams(blocks []*ir.Block) {
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
}

// refuseReplication refuses multicast, the one form of replication that is no
// extern.
func (k *compiler) refuseReplication() {
	check := func(ss []ir.Stmt) {
		ir.WalkStmts(ss, func(s ir.Stmt) {
			a, ok := s.(*ir.Assign)
			if !ok {
				return
			}
			if m, ok := a.L.(*ir.Member); ok && m.Field == "mcast_grp" {
				if st, ok := m.X.Type().(*ir.Struct); ok && st.Name == "standard_metadata_t" {
					if v := constVal(a.R); v == nil || v.Sign() != 0 {
						k.fail(s.Pos(), "multicast", "mcast_grp is written; packets are not replicated here")
					}
				}
			}
		})
	}
	k.p.Bodies(func(b *[]ir.Stmt) { check(*b) })
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
