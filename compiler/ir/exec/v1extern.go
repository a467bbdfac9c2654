package exec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// fieldLists are the fields of the user metadata by the numbers that their
// @field_list annotations give.
type fieldLists struct{ byIndex map[uint64][]span }

// annotated collects the fields marked @field_list of a struct type at address at.
func (k *compiler) annotated(l *fieldLists, t ir.Type, at int) {
	if l.byIndex == nil {
		l.byIndex = map[uint64][]span{}
	}
	for i, f := range ir.Fields(t) {
		off := at + k.lay.field(t, i)
		if a, ok := ir.Anno(f.Annos, "field_list"); ok {
			for _, n := range k.listNumbers(a, f.Name) {
				l.byIndex[n] = join(l.byIndex[n], []span{{off, off + k.lay.slots(f.Type)}})
			}
			continue
		}
		if s, ok := f.Type.(*ir.Struct); ok {
			k.annotated(l, s, off)
		}
	}
}

// listNumbers are the arguments of @field_list.
func (k *compiler) listNumbers(a ir.Annotation, field string) []uint64 {
	var out []uint64
	bad := func(what string) {
		k.fail(ir.Pos{}, "@field_list of field "+field, fmt.Sprintf("%s is no constant number", what))
	}
	for _, l := range a.List {
		if l.Int == nil || !l.Int.IsUint64() {
			bad("an argument")
		}
		out = append(out, l.Int.Uint64())
	}
	if a.Kind == ir.AnnoRaw {
		for _, w := range strings.Split(a.Text, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(w), 0, 32)
			if err != nil {
				bad(strings.TrimSpace(w))
			}
			out = append(out, n)
		}
	}
	return out
}

// listArg is the field list that argument i stands for: a constant number of a
// list, or the fields themselves.
func (k *compiler) listArg(s *externSite, i int) []span {
	if k.fieldLists == nil {
		k.fail(s.pos, "extern "+s.name, "it belongs to v1model")
	}
	if strings.HasSuffix(s.name, "_preserving_field_list") {
		v := constVal(s.args[i])
		if v == nil || !v.IsUint64() {
			k.fail(s.pos, "extern "+s.name, "the number of the field list is not a constant")
		}
		return k.fieldLists.byIndex[v.Uint64()]
	}
	return k.places(s.args[i])
}

// places are the variables that x lists; values that are none are kept nowhere.
func (k *compiler) places(x ir.Expr) []span {
	var es []ir.Expr
	switch x := x.(type) {
	case *ir.ListExpr:
		es = x.Elems
	case *ir.StructLit:
		es = x.Fields
	default:
		if !isPlace(x) {
			return nil
		}
		l := k.place(x)
		if !l.static() {
			return nil
		}
		return []span{{l.addr, l.addr + l.n}}
	}
	var ss []span
	for _, e := range es {
		ss = join(ss, k.places(e))
	}
	return ss
}

// clone: see v1model.go for what the session and the list become.
func (k *compiler) clone(s *externSite) stmt {
	k.need(s, 2, 3)
	x := k.slotArg(s, 1)
	var list []span
	if len(s.args) == 3 {
		list = k.listArg(s, 2)
	} else if k.fieldLists == nil {
		k.fail(s.pos, "extern "+s.name, "it belongs to v1model")
	}
	return after(func(c *ctx) {
		c.asked.session, c.asked.cloneList = int(x.u(c)&maxSession), list
	})
}

// sendBack is resubmit and recirculate.
func (k *compiler) sendBack(s *externSite) stmt {
	k.need(s, 1, 1)
	list := k.listArg(s, 0)
	again := strings.HasPrefix(s.name, "resubmit")
	return func(c *ctx) status {
		if again {
			c.asked.resubmit = true
		} else {
			c.asked.recirculate = true
		}
		c.asked.list = list
		return next
	}
}

// digest hands the values that the fields have at the call to the control plane.
func (k *compiler) digest(s *externSite) stmt {
	k.need(s, 2, 2)
	t := s.args[1].Type()
	if len(s.types) > 0 {
		t = s.types[0]
	}
	return k.sendDigest(s, k.p.DigestName(t), s.args[1])
}

// sendDigest compiles the message of data.
func (k *compiler) sendDigest(s *externSite, name string, data ir.Expr) stmt {
	var fields []*xp
	k.scalars(s, data, &fields)
	pos := s.pos
	return after(func(c *ctx) {
		send := c.m.opts.Digest
		if send == nil && !c.tracing {
			return
		}
		d := ir.Digest{Name: name, Fields: make([][]byte, len(fields))}
		for i, x := range fields {
			v := make([]uint64, x.n)
			x.into(c, v)
			d.Fields[i] = machineBytes(v, ir.Width(x.t))
		}
		if c.pend != next {
			return
		}
		if c.tracing {
			c.event("extern", "digest "+name, fmt.Sprintf("%x", d.Fields), pos)
		}
		if send != nil {
			send(d)
		}
	})
}

func machineBytes(v []uint64, w int) []byte { return ir.MachineBytes(toBig(v, w, false), w) }

// scalars lists the scalars of a value, in order.
func (k *compiler) scalars(s *externSite, x ir.Expr, out *[]*xp) {
	switch l := x.(type) {
	case *ir.ListExpr:
		for _, e := range l.Elems {
			k.scalars(s, e, out)
		}
		return
	case *ir.StructLit:
		for _, e := range l.Fields {
			k.scalars(s, e, out)
		}
		return
	}
	t := x.Type()
	if ir.Width(t) >= 0 {
		*out = append(*out, k.expr(x))
		return
	}
	fs := ir.Fields(t)
	if fs == nil {
		k.fail(s.pos, "extern "+s.name, "a value of type "+t.String()+" cannot be sent")
	}
	for _, f := range fs {
		k.scalars(s, &ir.Member{Meta: ir.Meta{T: f.Type, P: x.Pos()}, X: x, Field: f.Name}, out)
	}
}
