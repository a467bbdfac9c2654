package bmv2

import (
	"math/big"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Extern objects of PSA and PNA: instances with attributes, methods as primitives
// "_Type_method".

// externInstances declares the objects that psa_switch and pna_nic make themselves.
func (x *exporter) externInstances() arr {
	out := arr{}
	attr := func(name, typ string, v any) obj { return obj{{"name", name}, {"type", typ}, {"value", v}} }
	num := func(v int) obj { return attr("", "hexstr", hexText(big64(int64(v)), 32)) }
	for _, i := range x.p.Instances {
		o := append(x.instance(i, len(out)), kv{"type", i.Type.Name})
		name := func(n string, a obj) obj { a[0].v = n; return a }
		switch i.Type.Name {
		case "Counter":
			o.add("attribute_values", arr{name("n_counters", num(x.size(i))), attr("type", "hexstr", hexText(x.member(i, 1), 32))})
		case "Meter":
			o.add("attribute_values", arr{attr("is_direct", "hexstr", "0x0"), name("n_meters", num(x.size(i))), attr("rate_count", "hexstr", "0x2"),
				attr("type", "string", strings.ToLower(x.enumMember(i.Args[1], "meter type")))})
		case "Hash":
			o.add("attribute_values", arr{attr("algo", "string", x.algorithm(i.Args[0]))})
		case "Random":
			o.add("attribute_values", arr{attr("min", "hexstr", hexText(x.member(i, 0), 64)), attr("max", "hexstr", hexText(x.member(i, 1), 64))})
		case "InternetChecksum":
		default:
			continue
		}
		out = append(out, o)
	}
	return out
}

// member is the number of a constant argument.
func (x *exporter) member(i *ir.Instance, at int) *big.Int {
	if at < len(i.Args) {
		if c, is := i.Args[at].(*ir.Const); is {
			return c.Val
		}
	}
	x.fail(i.Pos, i.Type.Name+" "+i.Name, "an argument is no constant")
	return nil
}

// objects exports a method of such an object, or a function of PSA or PNA; false
// for others.
func (c *code) objects(s *ir.ExternCall) bool {
	x, args := c.x, s.Args
	if s.Object != nil {
		return c.method(s)
	}
	if isPSAFunction(s.Name) {
		c.psaFunction(s)
		return true
	}
	switch s.Name {
	case "drop_packet", "send_to_port", "mirror_packet", "recirculate", "add_entry", "add_entry_if", "allocate_flow_id",
		"set_entry_expire_time", "restart_expire_timer", "update_expire_info", "set_entry_expire_time_if", "SelectByDirection",
		"is_host_port", "is_net_port":
		if x.t.arch != "pna" {
			return false
		}
	default:
		return false
	}
	if s.Name == "SelectByDirection" { // pna_nic has no such primitive
		if s.Dst != nil {
			c.assign(s.Dst, byDirection(s))
		}
		return true
	}
	var ps []any
	back := func() {}
	if s.Dst != nil {
		var dst obj
		dst, back = c.direct(s.Dst)
		ps = append(ps, dst)
	}
	for _, a := range args {
		switch a := a.(type) {
		case nil:
		case *ir.StringLit:
			ps = append(ps, obj{{"type", "string"}, {"value", a.Val}})
		case *ir.ListExpr:
			ps = append(ps, c.fieldParam(a))
		default:
			ps = append(ps, outer(x.data(a)))
		}
	}
	c.emit(s.Name, ps...)
	back()
	return true
}

// byDirection is SelectByDirection as an expression: the second argument for packets
// from the network, which a bool calls true and an enum by its name.
func byDirection(s *ir.ExternCall) ir.Expr {
	cond := s.Args[0]
	if e, is := cond.Type().(*ir.Enum); is {
		net := new(big.Int)
		for _, m := range e.Members {
			if m.Name == "NET_TO_HOST" {
				net = m.Value
			}
		}
		k := &ir.Const{Meta: ir.Meta{T: e, P: s.P}, Val: net}
		cond = &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.Eq, X: cond, Y: k}
	}
	return &ir.Mux{Meta: ir.Meta{T: s.Dst.Type(), P: s.P}, C: cond, A: s.Args[1], B: s.Args[2]}
}

// fieldParam is a list of fields as a parameter: what is no field is copied to one.
func (c *code) fieldParam(e ir.Expr) obj {
	in := arr{}
	for _, v := range c.hashInput(e) {
		if k, is := v.(*ir.Const); is {
			t := c.x.temp(k.T, k.P)
			c.assign(t, k)
			v = t
		}
		p := c.x.find(v)
		if p.kind == headerPlace {
			for _, k := range p.kids {
				in = append(in, fieldRef(k))
			}
			continue
		}
		in = append(in, fieldRef(p))
	}
	return obj{{"type", "field_list"}, {"value", in}}
}

func (c *code) method(s *ir.ExternCall) bool {
	x, args := c.x, s.Args
	object := obj{{"type", "extern"}, {"value", s.Object.Name}}
	prim := "_" + strings.Replace(s.Name, ".", "_", 1)
	result := func(ps ...any) {
		if s.Dst == nil {
			return
		}
		dst, back := c.direct(s.Dst)
		for i, p := range ps {
			if p == nil {
				ps[i] = dst
			}
		}
		c.emit(prim, append([]any{object}, ps...)...)
		back()
	}
	switch s.Name {
	case "Counter.count":
		c.emit(prim, object, outer(x.data(args[0])))
	case "DirectCounter.count":
	case "Register.read":
		if s.Dst != nil {
			c.registerRead(s.Dst, s.Object, args[0])
		}
	case "Register.write":
		c.emit("register_write", obj{{"type", "register_array"}, {"value", s.Object.Name}}, outer(x.data(args[0])), outer(x.data(args[1])))
	case "Meter.execute":
		c.meter(object, s)
	case "DirectMeter.execute":
		if len(args) > 0 && args[0] != nil {
			x.fail(s.P, "extern "+s.Name, "the meters of bmv2 take no colour")
		}
		if s.Dst != nil {
			c.executeMeter(s)
		}
	case "Hash.get_hash":
		switch len(args) {
		case 1:
			result(nil, c.fieldParam(args[0]))
		default:
			prim = "_Hash_get_hash_mod"
			result(nil, outer(x.data(args[0])), c.fieldParam(args[1]), outer(x.data(args[2])))
		}
	case "Random.read", "InternetChecksum.get", "InternetChecksum.get_state":
		result(nil)
	case "InternetChecksum.clear":
		c.emit(prim, object)
	case "InternetChecksum.add", "InternetChecksum.subtract":
		c.emit(prim, object, c.fieldParam(args[0]))
	case "InternetChecksum.set_state":
		c.emit(prim, object, outer(x.data(args[0])))
	case "Digest.pack":
		c.emit("generate_digest", number(1), number(c.learn(s.Object.Name, args[0], s.P)))
	default:
		return false
	}
	return true
}

// meter is Meter.execute. Beyond the last cell psa_switch leaves the destination
// alone, where we say green.
func (c *code) meter(object obj, s *ir.ExternCall) {
	colour := c.toldColour(s)
	if s.Dst == nil {
		tmp := c.x.temp(&ir.Bit{W: 32}, s.P)
		c.emit("_Meter_execute", object, outer(c.x.data(s.Args[0])), fieldRef(c.x.find(tmp)))
		c.tell(colour)
		return
	}
	dst, back := c.direct(s.Dst)
	at := c.x.data(s.Args[0])
	if k, is := s.Args[0].(*ir.Const); !is || k.Val.Cmp(big64(int64(c.x.size(s.Object)))) >= 0 {
		green := int64(ir.Green)
		if e, is := s.Dst.Type().(*ir.Enum); is {
			for _, m := range e.Members {
				if m.Name == "GREEN" {
					green = m.Value.Int64()
				}
			}
		}
		if mentions(s.Args[0], s.Dst) { // the index goes first
			tmp := c.x.temp(s.Args[0].Type(), s.P)
			c.assign(tmp, s.Args[0])
			at = c.x.data(tmp)
		}
		c.emit("assign", dst, hexstr(big64(green), ir.Width(s.Dst.Type())))
	}
	c.emit("_Meter_execute", object, outer(at), dst)
	c.tell(colour)
	back()
	if colour != nil {
		c.worse(s.Dst, colour, s.P)
	}
}

// isPSAFunction tells whether a function tells a deparser the packet's fate, as the
// fields of its structs decide it.
func isPSAFunction(name string) bool {
	switch name {
	case "psa_clone_i2e", "psa_clone_e2e", "psa_resubmit", "psa_normal", "psa_recirculate":
		return true
	}
	return false
}

// psaFunction computes such a function from the fields, which are a list by now.
func (c *code) psaFunction(s *ir.ExternCall) {
	if s.Dst == nil {
		return
	}
	typ := "psa_ingress_output_metadata"
	if s.Name == "psa_clone_e2e" || s.Name == "psa_recirculate" {
		typ = "psa_egress_output_metadata"
	}
	field := func(arg int, name string) ir.Expr {
		l, is := s.Args[arg].(*ir.ListExpr)
		if is {
			for _, e := range l.Elems {
				if p := c.x.find(e); p != nil && p.field == name {
					return e
				}
			}
		}
		c.x.fail(s.P, "extern "+s.Name, "its argument is no "+typ)
		return nil
	}
	m := ir.Meta{T: &ir.Bool{}, P: s.P}
	not := func(e ir.Expr) ir.Expr { return &ir.Unary{Meta: m, Op: ir.LNot, X: e} }
	and := func(a, b ir.Expr) ir.Expr { return &ir.Binary{Meta: m, Op: ir.LAnd, X: a, Y: b} }
	switch s.Name {
	case "psa_clone_i2e", "psa_clone_e2e":
		c.assign(s.Dst, field(0, "clone"))
	case "psa_resubmit":
		c.assign(s.Dst, and(not(field(0, "drop")), field(0, "resubmit")))
	case "psa_normal":
		c.assign(s.Dst, and(not(field(0, "drop")), not(field(0, "resubmit"))))
	case "psa_recirculate":
		port := field(1, "egress_port")
		is := &ir.Binary{Meta: m, Op: ir.Eq, X: port, Y: &ir.Const{Meta: ir.Meta{T: port.Type(), P: s.P}, Val: big64(recirculatePort)}}
		c.assign(s.Dst, and(not(field(0, "drop")), is))
	}
}

// recirculatePort is PSA_PORT_RECIRCULATE.
const recirculatePort = 0xfffffffa
