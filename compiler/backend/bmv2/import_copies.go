package bmv2

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// meterTarget is a direct meter with the field that its colour goes to.
type meterTarget struct {
	i      *ir.Instance
	target node
}

// readMeter gives the colour of the table's meter to its field, before anything
// else in an action: simple_switch does it when an entry is hit.
func (im *importer) readMeter() []ir.Stmt {
	if im.meter == nil {
		return nil
	}
	dst := im.place(im.meter.target)
	im.meter.i.Type.Args[0] = dst.Type()
	return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: "direct_meter.read", Object: im.meter.i, Args: []ir.Expr{dst}, Dirs: []ir.Dir{ir.DirOut}}}
}

// place is a field that can be written.
func (im *importer) place(n node) ir.Expr {
	if x := im.field(n); x.op == opLeaf {
		if m, is := x.e.(*ir.Member); is {
			return m
		}
	}
	n.fail("a field", "it cannot be written")
	return nil
}

// copies makes the statements of the primitives that copy a packet, send it back
// or send a digest; false for others.
func (im *importer) copies(p node, name string, args []node) ([]ir.Stmt, bool) {
	call := func(name string, types []ir.Type, args ...ir.Expr) ([]ir.Stmt, bool) {
		dirs := make([]ir.Dir, len(args))
		for i := range dirs {
			dirs[i] = ir.DirIn
		}
		return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: name, TypeArgs: types, Args: args, Dirs: dirs}}, true
	}
	need := func(k int) {
		if len(args) != k {
			p.fail("primitive "+name, "%d parameters, not %d", len(args), k)
		}
	}
	switch name {
	case "clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress":
		need(2)
		kind := int64(0)
		if name == "clone_egress_pkt_to_egress" {
			kind = 1
		}
		list := im.fieldList(args[1])
		return call("clone3", []ir.Type{list.T}, &ir.Const{Meta: im.meta(im.cloneT), Val: big64(kind)}, im.index(args[0]), list)
	case "resubmit", "recirculate":
		if name == "recirculate" && len(args) == 0 {
			return nil, false // PNA's
		}
		need(1)
		list := im.fieldList(args[0])
		return call(name, []ir.Type{list.T}, list)
	case "generate_digest":
		need(2)
		data, t := im.learnList(args[1])
		return call("digest", []ir.Type{t}, im.index(args[0]), data)
	}
	return nil, false
}

// list finds the list that a parameter names by its id.
func (im *importer) list(n node, in map[int]node, what string) node {
	v := im.number(n)
	if v.op != opConst || !v.v.IsInt64() {
		n.fail(what, "its id is no constant")
	}
	l, is := in[int(v.v.Int64())]
	if !is {
		n.fail(what, "there is none with id %d", v.v.Int64())
	}
	return l
}

// fieldList gives the fields of a field list as l-values.
func (im *importer) fieldList(n node) *ir.ListExpr {
	return im.elements(im.list(n, im.lists, "field list"), false)
}

func (im *importer) elements(l node, values bool) *ir.ListExpr {
	tuple := &ir.Tuple{}
	out := &ir.ListExpr{Meta: im.meta(tuple)}
	for _, e := range l.get("elements").list() {
		var x ir.Expr
		switch t := e.get("type").str(); {
		case t == "field":
			if x = im.place(e.get("value")); values {
				x = im.asBits(im.field(e.get("value")))
			}
		case t == "hexstr" && values:
			v := e.get("value").hex()
			w := max(8, (v.BitLen()+7)/8*8)
			if e.has("bitwidth") {
				w = e.get("bitwidth").integer(1, maxBits)
			}
			x = im.num(v, w)
		default:
			e.fail("list "+l.get("name").str(), "an element of type %q", t)
		}
		out.Elems = append(out.Elems, x)
		tuple.Elems = append(tuple.Elems, x.Type())
	}
	return out
}

// learnList gives the values of a learn list, and a type that bears its name.
func (im *importer) learnList(n node) (*ir.ListExpr, ir.Type) {
	l := im.list(n, im.learned, "learn list")
	data := im.elements(l, true)
	name := l.get("name").str()
	t := im.learnT[name]
	if t == nil {
		t = &ir.Struct{Name: im.typeName(name)}
		for _, e := range data.Elems {
			f := ir.Field{Name: fmt.Sprintf("f%d", len(t.Fields)), Type: e.Type()}
			t.Fields = append(t.Fields, f)
		}
		im.learnT[name] = t
		im.p.Types = append(im.p.Types, t)
	}
	return data, t
}

// declareProfile reads an action profile or selector.
func (im *importer) declareProfile(n node, add func(*ir.Instance)) {
	size := im.num(big64(int64(n.get("max_size").integer(0, 1<<31-1))), 32)
	i := &ir.Instance{Type: &ir.ExternType{Name: "action_profile"}, Args: []ir.Expr{size}}
	if s := n.get("selector"); !s.null() {
		name := s.get("algo").str()
		at := slices.IndexFunc(im.algorithm.Members, func(m ir.EnumMember) bool { return m.Name == name })
		if at < 0 {
			s.get("algo").fail("action selector", "algorithm %q is not known", name)
		}
		algo := &ir.Const{Meta: im.meta(im.algorithm), Val: im.algorithm.Members[at].Value}
		i.Type.Name = "action_selector"
		i.Args = []ir.Expr{algo, size, im.num(big64(32), 32)}
	}
	add(i)
	im.selectors[i] = n.get("selector")
}

// selectorKeys are the inputs of a selector's hash as keys.
func (im *importer) selectorKeys(i *ir.Instance) []ir.Key {
	s := im.selectors[i]
	if s.null() {
		return nil
	}
	var keys []ir.Key
	for _, in := range s.get("input").list() {
		if t := in.get("type").str(); t != "field" {
			in.fail("action selector "+i.Name, "an input of type %q", t)
		}
		parts := in.get("value").tuple(2)
		keys = append(keys, ir.Key{
			Name: parts[0].str() + "." + parts[1].str(), Expr: im.asBits(im.field(in.get("value"))), Kind: ir.MatchSelector, Pos: im.pos,
		})
	}
	return keys
}
