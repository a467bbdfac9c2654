package bmv2

import (
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// externInstance reads an extern object of psa_switch or pna_nic.
func (im *importer) externInstance(n node) *ir.Instance {
	name := n.get("name").str()
	attrs := map[string]node{}
	for _, a := range n.get("attribute_values").list() {
		attrs[a.get("name").str()] = a.get("value")
	}
	num := func(attr string, w int) ir.Expr {
		a, is := attrs[attr]
		if !is {
			n.fail("extern "+name, "attribute %s is missing", attr)
		}
		v := a.hex()
		if v.Sign() < 0 || v.BitLen() > w {
			a.fail("extern "+name, "attribute %s has more than %d bits", attr, w)
		}
		return im.num(v, w)
	}
	i := &ir.Instance{Type: &ir.ExternType{Name: n.get("type").str()}}
	switch i.Type.Name {
	case "Counter":
		i.Args = []ir.Expr{num("n_counters", 32), &ir.Const{Meta: im.meta(im.counterT), Val: big64(int64(im.unit(name)))}}
	case "Meter":
		kind := int64(0)
		if a, is := attrs["type"]; is && a.str() == "bytes" {
			kind = 1
		}
		i.Args = []ir.Expr{num("n_meters", 32), &ir.Const{Meta: im.meta(im.meterT), Val: big64(kind)}}
	case "Hash":
		algo, is := attrs["algo"]
		if !is {
			n.fail("extern "+name, "attribute algo is missing")
		}
		at := slices.IndexFunc(im.algorithm.Members, func(m ir.EnumMember) bool { return m.Name == algo.str() })
		if at < 0 {
			algo.fail("extern "+name, "algorithm %q is not known", algo.str())
		}
		i.Args = []ir.Expr{&ir.Const{Meta: im.meta(im.algorithm), Val: im.algorithm.Members[at].Value}}
	case "Random":
		i.Args = []ir.Expr{num("min", 64), num("max", 64)}
	case "InternetChecksum":
	default:
		n.get("type").fail("extern "+name, "type %q is not imported", i.Type.Name)
	}
	return i
}

// colours is PSA_MeterColor_t with the numbers that the switch gives its members.
func (im *importer) colours() *ir.Enum {
	if im.colour == nil {
		im.colour = &ir.Enum{Name: im.typeName("PSA_MeterColor_t"), Underlying: &ir.Bit{W: 32}}
		for i, m := range []string{"RED", "GREEN", "YELLOW"} {
			im.colour.Members = append(im.colour.Members, ir.EnumMember{Name: m, Value: big64(int64(i))})
		}
		im.p.Types = append(im.p.Types, im.colour)
	}
	return im.colour
}

// methodResult calls a method whose result of type t goes to dst.
func (im *importer) methodResult(p node, name string, o *ir.Instance, dst ir.Expr, t ir.Type, args ...ir.Expr) []ir.Stmt {
	dirs := make([]ir.Dir, len(args))
	for i := range dirs {
		dirs[i] = ir.DirIn
	}
	v := im.temp(t)
	call := &ir.ExternCall{SMeta: im.smeta(), Name: name, Object: o, Dst: im.ref(v), Args: args, Dirs: dirs}
	var from ir.Expr = im.ref(v)
	if e, is := t.(*ir.Enum); is {
		from = im.cast(from, e.Underlying)
	}
	return []ir.Stmt{call, im.store(dst, im.leaf(p, from))}
}

// fieldParam is a list of fields given to a method.
func (im *importer) fieldParam(n node) *ir.ListExpr {
	if t := n.get("type").str(); t != "field_list" {
		n.fail("a parameter", "its type is %s, not field_list", t)
	}
	tuple := &ir.Tuple{}
	out := &ir.ListExpr{Meta: im.meta(tuple)}
	for _, e := range n.get("value").list() {
		var x ir.Expr
		switch t := e.get("type").str(); t {
		case "field":
			x = im.asBits(im.field(e.get("value")))
		case "hexstr":
			v := e.get("value").hex()
			w := max(8, (v.BitLen()+7)/8*8)
			if e.has("bitwidth") {
				w = e.get("bitwidth").integer(1, maxBits)
			}
			x = im.num(v, w)
		default:
			e.fail("a field list", "an element of type %q", t)
		}
		out.Elems = append(out.Elems, x)
		tuple.Elems = append(tuple.Elems, x.Type())
	}
	return out
}

// method makes the statements of a primitive "_Type_method", or of a function of
// PNA; false for others.
func (im *importer) method(p node, name string, args []node) ([]ir.Stmt, bool) {
	if im.t.arch == "pna" {
		if out, is := im.pnaFunction(p, name, args); is {
			return out, true
		}
	}
	rest, is := strings.CutPrefix(name, "_")
	typ, m, is2 := strings.Cut(rest, "_")
	if !is || !is2 || len(args) == 0 || args[0].get("type").v != "extern" {
		return nil, false
	}
	need := func(k int) {
		if len(args) != k {
			p.fail("primitive "+name, "%d parameters, not %d", len(args), k)
		}
	}
	o := im.object(args[0], "extern")
	if o.Type.Name != typ {
		args[0].fail("primitive "+name, "%s is a %s", o.Name, o.Type.Name)
	}
	call := func(args ...ir.Expr) ([]ir.Stmt, bool) {
		dirs := make([]ir.Dir, len(args))
		for i := range dirs {
			dirs[i] = ir.DirIn
		}
		return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: typ + "." + m, Object: o, Args: args, Dirs: dirs}}, true
	}
	result := func(dst node, t ir.Type, args ...ir.Expr) ([]ir.Stmt, bool) {
		return im.methodResult(p, typ+"."+m, o, im.lvalue(dst), t, args...), true
	}
	word := &ir.Bit{W: 16}
	switch rest {
	case "Counter_count":
		need(2)
		return call(im.index(args[1]))
	case "Meter_execute":
		need(3)
		in := []ir.Expr{im.index(args[1])}
		if p.has(colourKey) {
			in = append(in, im.cast(im.low(im.number(p.get(colourKey)), 32), im.colours()))
		}
		return result(args[2], im.colours(), in...)
	case "Hash_get_hash":
		need(3)
		return result(args[1], im.lvalue(args[1]).Type(), im.fieldParam(args[2]))
	case "Hash_get_hash_mod":
		need(5)
		m = "get_hash"
		base, size := im.number(args[2]), im.number(args[4])
		t := im.common(base, size)
		return result(args[1], im.lvalue(args[1]).Type(), im.exactCut(im.value(base), t), im.fieldParam(args[3]), im.exactCut(im.value(size), t))
	case "Random_read":
		need(2)
		return result(args[1], &ir.Bit{W: 64})
	case "InternetChecksum_clear":
		need(1)
		return call()
	case "InternetChecksum_add", "InternetChecksum_subtract":
		need(2)
		return call(im.fieldParam(args[1]))
	case "InternetChecksum_get", "InternetChecksum_get_state":
		need(2)
		return result(args[1], word)
	case "InternetChecksum_set_state":
		need(2)
		return call(im.low(im.number(args[1]), 16))
	case "InternetChecksum_get_verify": // whether the checksum is a field
		need(3)
		v := im.temp(word)
		out := []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: "InternetChecksum.get", Object: o, Dst: im.ref(v)}}
		same := &ir.Binary{Meta: im.meta(&ir.Bool{}), Op: ir.Eq, X: im.ref(v), Y: im.low(im.number(args[2]), 16)}
		bit := im.cast(same, &ir.Bit{W: 1})
		return append(out, im.store(im.lvalue(args[1]), im.leaf(p, bit))), true
	}
	return nil, false
}

// pnaFunction makes the call of a function of PNA. A function with a result has
// the field it goes to first.
func (im *importer) pnaFunction(p node, name string, args []node) ([]ir.Stmt, bool) {
	var t ir.Type
	switch name {
	case "drop_packet", "send_to_port", "mirror_packet", "recirculate", "set_entry_expire_time", "restart_expire_timer",
		"update_expire_info", "set_entry_expire_time_if":
	case "add_entry", "add_entry_if", "is_host_port", "is_net_port":
		t = &ir.Bit{W: 1}
	case "allocate_flow_id":
		t = &ir.Bit{W: 32}
	default:
		return nil, false
	}
	var dst ir.Expr
	if t != nil && len(args) > 0 && args[0].get("type").v == "field" {
		dst, args = im.lvalue(args[0]), args[1:]
	}
	var out []ir.Expr
	for _, a := range args {
		switch a.get("type").v {
		case "string":
			out = append(out, &ir.StringLit{Meta: im.meta(&ir.String{}), Val: a.get("value").str()})
		case "field_list":
			out = append(out, im.fieldParam(a))
		default:
			out = append(out, im.index(a))
		}
	}
	if dst != nil {
		return im.methodResult(p, name, nil, dst, t, out...), true
	}
	dirs := make([]ir.Dir, len(out))
	for i := range dirs {
		dirs[i] = ir.DirIn
	}
	return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: name, Args: out, Dirs: dirs}}, true
}
