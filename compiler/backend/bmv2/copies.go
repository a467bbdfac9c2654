package bmv2

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Clones, resubmitted and recirculated packets keep the fields of a field list;
// digests send those of a learn list.

// fieldListName is what p4c calls the list of @field_list(n).
func fieldListName(n int64) string { return fmt.Sprintf("field_list%d", n) }

// copies exports an extern that copies the packet or sends it back; false for
// another extern.
func (c *code) copies(s *ir.ExternCall) bool {
	x, args := c.x, s.Args
	switch s.Name {
	case "clone", "clone3", "clone_preserving_field_list":
		prim := "clone_ingress_pkt_to_egress"
		if x.enumMember(args[0], "clone type") == "E2E" {
			prim = "clone_egress_pkt_to_egress"
		}
		c.emit(prim, outer(x.data(args[1])), number(x.fieldList(s, args[2:])))
	case "resubmit", "resubmit_preserving_field_list":
		c.emit("resubmit", number(x.fieldList(s, args)))
	case "recirculate", "recirculate_preserving_field_list":
		if len(args) == 0 {
			return false // PNA's
		}
		c.emit("recirculate", number(x.fieldList(s, args)))
	case "digest":
		c.emit("generate_digest", outer(x.data(args[0])), number(c.learnList(s)))
	default:
		return false
	}
	return true
}

// fieldList is the id of the list that the last argument of a call stands for,
// from 1: simple_switch takes 0 for no list.
func (x *exporter) fieldList(s *ir.ExternCall, args []ir.Expr) int {
	name, elems := "", arr{}
	switch {
	case len(args) == 0:
		name = "empty"
	case strings.HasSuffix(s.Name, "_preserving_field_list"):
		n, is := args[0].(*ir.Const)
		if !is || !n.Val.IsInt64() {
			x.fail(s.P, "extern "+s.Name, "the number of the field list is no constant")
		}
		name = fieldListName(n.Val.Int64())
		x.annotated(x.meta, n.Val.Int64(), &elems)
	default:
		x.kept(args[0], &elems)
		name = fmt.Sprintf("kept_%s", plainText(jsonValue(elems)))
	}
	if id, is := x.listIDs[name]; is {
		return id
	}
	id := len(x.fieldLists) + 1
	x.listIDs[name] = id
	if strings.HasPrefix(name, "kept_") {
		name = fmt.Sprintf("kept_%d", id)
	}
	x.fieldLists = append(x.fieldLists, obj{{"id", id}, {"name", name}, {"elements", elems}})
	return id
}

// jsonValue makes a list of values comparable as text.
func jsonValue(elems arr) any {
	out := make([]any, len(elems))
	for i, e := range elems {
		out[i] = fmt.Sprint(e)
	}
	return out
}

// annotated lists the fields at p, a struct, that @field_list marks with n.
func (x *exporter) annotated(p *place, n int64, elems *arr) {
	for i, f := range ir.Fields(p.t) {
		a, marked := ir.Anno(f.Annos, "field_list")
		if !marked {
			if p.kids[i].kind == structPlace {
				x.annotated(p.kids[i], n, elems)
			}
			continue
		}
		for _, l := range a.List {
			if l.Int != nil && l.Int.IsInt64() && l.Int.Int64() == n {
				x.scalars(p.kids[i], elems)
			}
		}
	}
}

// scalars lists the fields of a place.
func (x *exporter) scalars(p *place, elems *arr) {
	if p.kind == scalarPlace {
		*elems = append(*elems, fieldRef(p))
	}
	for _, k := range p.kids {
		x.scalars(k, elems)
	}
}

// kept lists the fields of a list of expressions; what is no field is kept nowhere.
func (x *exporter) kept(e ir.Expr, elems *arr) {
	if l, is := e.(*ir.ListExpr); is {
		for _, e := range l.Elems {
			x.kept(e, elems)
		}
		return
	}
	if p := x.find(e); p != nil {
		x.scalars(p, elems)
	}
}

// learnList is the id of the list of a digest. The values at the call are copied
// to fields of their own, since simple_switch reads the list when ingress ends.
func (c *code) learnList(s *ir.ExternCall) int {
	x := c.x
	t := s.Args[1].Type()
	if len(s.TypeArgs) > 0 {
		t = s.TypeArgs[0]
	}
	return c.learn(x.p.DigestName(t), s.Args[1], s.P)
}

// learn copies the values of data to the fields of the learn list with the name.
func (c *code) learn(name string, data ir.Expr, pos ir.Pos) int {
	x := c.x
	values := []ir.Expr{data}
	if l, is := data.(*ir.ListExpr); is {
		values = l.Elems
	}
	l := x.learned[name]
	if l == nil {
		l = &learnList{id: len(x.learnLists) + 1}
		elems := arr{}
		for _, v := range values {
			f := x.temp(v.Type(), v.Pos())
			l.fields = append(l.fields, f)
			elems = append(elems, fieldRef(x.find(f)))
		}
		x.learned[name] = l
		x.learnLists = append(x.learnLists, obj{{"id", l.id}, {"name", name}, {"elements", elems}})
	}
	if len(l.fields) != len(values) {
		x.fail(pos, "digest "+name, "its messages have different fields")
	}
	for i, v := range values {
		c.assign(l.fields[i], v)
	}
	return l.id
}

// learnList is a list with the fields that its values are copied to.
type learnList struct {
	id     int
	fields []*ir.VarRef
}

// enumMember is the member that the constant e is.
func (x *exporter) enumMember(e ir.Expr, what string) string {
	c, isConst := e.(*ir.Const)
	t, isEnum := e.Type().(*ir.Enum)
	if isConst && isEnum {
		for _, m := range t.Members {
			if m.Value.Cmp(c.Val) == 0 {
				return m.Name
			}
		}
	}
	x.fail(e.Pos(), what, "it is no constant of an enum")
	return ""
}

// profile declares the action profile of a table and gives the table's type.
func (x *exporter) profile(t *ir.Table) string {
	i := t.Implementation
	selector := i.Type.Name == "action_selector" || i.Type.Name == "ActionSelector"
	var input arr
	for _, k := range t.Keys {
		if k.Kind != ir.MatchSelector {
			continue
		}
		target, is := x.keyField(k.Expr)
		if !is {
			x.fail(k.Pos, "key "+k.Name, "it is no field")
		}
		input = append(input, obj{{"type", "field"}, {"value", target}})
	}
	text := plainText(jsonValue(input))
	was, seen := x.profiles[i]
	switch {
	case seen && was != text:
		x.fail(t.Pos, "table "+t.Name, "it has other selector keys than another table of "+i.Name)
	case !seen:
		x.profiles[i] = text
		o := x.instance(i, len(x.profileList))
		size := i.Args
		if selector {
			size = size[1:]
		}
		n := defaultSize
		if len(size) > 0 {
			if c, is := size[0].(*ir.Const); is && c.Val.IsInt64() && c.Val.Int64() <= 1<<31 {
				n = int(c.Val.Int64())
			}
		}
		o = append(o, kv{"max_size", n})
		if selector {
			o = append(o, kv{"selector", obj{{"algo", x.algorithm(i.Args[0])}, {"input", orEmpty(input)}}})
		}
		x.profileList = append(x.profileList, o)
	}
	if selector {
		return "indirect_ws"
	}
	return "indirect"
}
