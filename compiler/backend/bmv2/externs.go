package bmv2

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// extern is a call of an extern of v1model as a primitive.
func (c *code) extern(s *ir.ExternCall) {
	x := c.x
	args := s.Args
	need := func(n int) {
		if len(args) != n || slices.Contains(args, nil) {
			x.fail(s.P, "extern "+s.Name, fmt.Sprintf("a call with %d arguments", len(args)))
		}
	}
	if c.objects(s) || c.copies(s) {
		return
	}
	switch s.Name {
	case "mark_to_drop":
		if len(args) == 0 {
			c.emit("mark_to_drop", obj{{"type", "header"}, {"value", metadataName}})
			return
		}
		c.emit("mark_to_drop", x.composite(args[0]))
	case "counter.count":
		need(1)
		c.emit("count", obj{{"type", "counter_array"}, {"value", s.Object.Name}}, outer(x.data(args[0])))
	case "direct_counter.count":
		// The table counts.
	case "direct_meter.read":
		need(1)
		c.readMeter(s)
	case "meter.execute_meter":
		need(2)
		dst, back := c.direct(args[1])
		at := c.inRange(s.Object, args[0], args[1], dst)
		c.emit("execute_meter", obj{{"type", "meter_array"}, {"value", s.Object.Name}}, outer(at), dst)
		back()
	case "register.read":
		if s.Dst != nil {
			args = append([]ir.Expr{s.Dst}, args...)
		}
		need(2)
		c.registerRead(args[0], s.Object, args[1])
	case "register.write":
		need(2)
		c.emit("register_write", obj{{"type", "register_array"}, {"value", s.Object.Name}}, outer(x.data(args[0])), outer(x.data(args[1])))
	case "hash":
		need(5)
		dst, back := c.direct(args[0])
		calc := x.calculation(args[1], c.hashInput(args[3]), s.P)
		c.emit("modify_field_with_hash_based_offset", dst, outer(x.data(args[2])), obj{{"type", "calculation"}, {"value", calc}}, outer(x.data(args[4])))
		back()
	case "random":
		need(3)
		dst, back := c.direct(args[0])
		c.emit("modify_field_rng_uniform", dst, outer(x.data(args[1])), outer(x.data(args[2])))
		back()
	case "log_msg":
		c.logMsg(s)
	case "assert", "assume":
		need(1)
		c.emit(s.Name, outer(op("b2d", nil, x.truth(args[0]))))
	case "truncate":
		need(1)
		c.emit("truncate", outer(x.data(args[0])))
	default:
		if c.ownExtern(s) {
			return
		}
		x.fail(s.P, "extern "+s.Name, "it is not exported to bmv2 JSON")
	}
}

// registerRead reads a cell. simple_switch leaves the destination alone beyond the
// last one, where we read 0, and its cells have no sign.
func (c *code) registerRead(dst ir.Expr, o *ir.Instance, index ir.Expr) {
	t, w := dst, ir.Width(dst.Type())
	if signed(dst.Type()) {
		t = c.x.temp(&ir.Bit{W: w}, dst.Pos())
	}
	ref, back := c.direct(t)
	at := c.inRange(o, index, dst, ref)
	c.emit("register_read", ref, obj{{"type", "register_array"}, {"value", o.Name}}, outer(at))
	back()
	if t != dst {
		c.scalar(dst, wrap(c.x.data(t), dst.Type()))
	}
}

// inRange gives the index of a cell of o. Where it may be beyond the last one, the
// destination of the read becomes 0 before: simple_switch leaves it alone then.
func (c *code) inRange(o *ir.Instance, index, dst ir.Expr, ref obj) obj {
	at := c.x.data(index)
	if k, is := index.(*ir.Const); is && k.Val.Cmp(big64(int64(c.x.size(o)))) < 0 {
		return at
	}
	if mentions(index, dst) { // the index goes first
		tmp := c.x.temp(index.Type(), index.Pos())
		c.assign(tmp, index)
		at = c.x.data(tmp)
	}
	c.emit("assign", ref, hexstr(new(big.Int), ir.Width(dst.Type())))
	return at
}

func (c *code) logMsg(s *ir.ExternCall) {
	lit, is := s.Args[0].(*ir.StringLit)
	if !is {
		c.x.fail(s.P, "extern log_msg", "the message is no string constant")
	}
	var elems []ir.Expr
	if len(s.Args) > 1 {
		elems = []ir.Expr{s.Args[1]}
		if l, is := s.Args[1].(*ir.ListExpr); is {
			elems = l.Elems
		}
	}
	vec := arr{}
	for _, e := range elems {
		vec = append(vec, outer(c.x.data(e)))
	}
	if n := strings.Count(lit.Val, "{}"); n != len(elems) {
		c.x.fail(s.P, "extern log_msg", fmt.Sprintf("the message has %d places for %d values", n, len(elems)))
	}
	c.emit("log_msg", obj{{"type", "string"}, {"value", lit.Val}}, obj{{"type", "parameters_vector"}, {"value", vec}})
}

// hashInput makes a field list one of fields and constants: other elements are
// computed first.
func (c *code) hashInput(e ir.Expr) []ir.Expr {
	elems := []ir.Expr{e}
	if l, is := e.(*ir.ListExpr); is {
		elems = l.Elems
	}
	out := make([]ir.Expr, len(elems))
	for i, e := range elems {
		out[i] = e
		if !c.x.calculable(e) {
			t := c.x.temp(e.Type(), e.Pos())
			c.assign(t, e)
			out[i] = t
		}
	}
	return out
}

// calculable tells whether e can stand in the input of a calculation.
func (x *exporter) calculable(e ir.Expr) bool {
	switch e.(type) {
	case *ir.Const:
		return ir.Width(e.Type()) > 0
	}
	p := x.find(e)
	return p != nil && (p.kind == scalarPlace && ir.Width(e.Type()) != 0 || p.kind == headerPlace)
}

// calculation declares a calculation over elements that are calculable.
func (x *exporter) calculation(algo ir.Expr, elems []ir.Expr, pos ir.Pos) string {
	return x.calculate(algo, x.input(elems), pos)
}

func (x *exporter) input(elems []ir.Expr) arr {
	in := arr{}
	for _, e := range elems {
		if c, is := e.(*ir.Const); is {
			w := ir.Width(c.T)
			v := new(big.Int).And(c.Val, ones(w))
			in = append(in, obj{{"type", "hexstr"}, {"value", hexText(v, w)}, {"bitwidth", w}})
			continue
		}
		if !x.calculable(e) {
			x.fail(e.Pos(), "an element of a field list", "bmv2 computes checksums over fields, headers and constants only")
		}
		if p := x.find(e); p.kind == headerPlace {
			in = append(in, obj{{"type", "header"}, {"value", p.header}})
		} else {
			in = append(in, fieldRef(p))
		}
	}
	return in
}

func (x *exporter) calculate(algo ir.Expr, input arr, pos ir.Pos) string {
	name := x.algorithm(algo)
	calc := fmt.Sprintf("calc_%d", len(x.calculations))
	o := obj{{"name", calc}, {"id", len(x.calculations)}}
	x.sourceInfo(&o, pos)
	o.add("algo", name)
	o.add("input", input)
	x.calculations = append(x.calculations, o)
	return calc
}

func (x *exporter) algorithm(e ir.Expr) string {
	switch name := strings.ToLower(x.enumMember(e, "hash algorithm")); name {
	case "ones_complement16":
		return "csum16"
	case "target_default":
		return "crc32"
	default:
		return name
	}
}
