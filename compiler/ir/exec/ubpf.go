package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The architecture of ubpf_model.p4, after the behaviour of p4c's runner:
//
//	prs   a packet that it rejects goes on unchanged: to the host.
//	p     output_action is PASS to begin with. mark_to_drop and mark_to_pass, of
//	      which the last counts, decide before it. Where there is no
//	      standard_metadata a packet passes that is not marked.
//	dprs  what the parser did not consume follows; truncate cuts the result. A
//	      clone is a copy of it to clone_port.
//
// PASS sends the packet to the host, REDIRECT to output_port.

// ubpfMinLength is what truncate leaves at least: an Ethernet header.
const ubpfMinLength = 14

func (k *compiler) ubpf() func(*ctx, *Result) {
	roles := []slotRoles{
		{"prs", ir.Parser, []string{"", "h", "m", "std"}},
		{"p", ir.Control, []string{"h", "m", "std"}},
		{"dprs", ir.Control, []string{"", "h"}},
	}
	if b := k.p.Block("p"); b != nil && len(b.Params) == 2 { // before version 20200515
		roles[0].roles, roles[1].roles = roles[0].roles[:3], roles[1].roles[:2]
	}
	first := k.slots("ubpf", roles)
	start := k.spansOf(first, "h", "m", "std")
	var in, length, action, port, clone, clonePort stdField
	var pass, redirect uint64
	std := first["std"]
	if std != nil {
		in, length = k.fieldOf(std, "input_port"), k.fieldOf(std, "packet_length")
		action, port = k.fieldOf(std, "output_action"), k.fieldOf(std, "output_port")
		clone, clonePort = k.fieldOf(std, "clone"), k.fieldOf(std, "clone_port")
		pass, redirect = k.enumMember(std, "output_action", "PASS"), k.enumMember(std, "output_action", "REDIRECT")
	} else {
		none := stdField{addr: -1}
		in, length, action, port, clone, clonePort = none, none, none, none, none, none
	}
	parse, control, deparse := k.block(k.p.Block("prs")).body, k.block(k.p.Block("p")).body, k.block(k.p.Block("dprs")).body
	return func(c *ctx, r *Result) {
		c.zero(start)
		c.marked = false
		in.set(c, uint64(c.in.Port))
		length.set(c, c.wireLen())
		action.set(c, pass)
		c.out.reset()
		if !c.parsed(r, parse) {
			c.out.b = append(c.out.b, c.data...)
			c.output(r, hostPort)
			return
		}
		if aborted(control(c)) || aborted(deparse(c)) {
			c.drop(r, "too many steps in a loop")
			return
		}
		c.payload(&c.out)
		if n := max(c.truncate, ubpfMinLength); c.truncate >= 0 && n < len(c.out.b) {
			c.out.b = c.out.b[:n]
		}
		if clone.get(c) != 0 {
			if c.tracing {
				c.event("clone", fmt.Sprintf("port %d", clonePort.get(c)), "", ir.Pos{})
			}
			c.output(r, uint32(clonePort.get(c)))
		}
		switch do := action.get(c); {
		case c.marked:
			c.drop(r, "mark_to_drop was called")
		case std == nil || do == pass:
			c.output(r, hostPort)
		case do == redirect:
			c.output(r, uint32(port.get(c)))
		default:
			c.drop(r, "output_action drops the packet")
		}
	}
}
