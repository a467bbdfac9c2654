package bindings

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
	pb "github.com/p4nic/p4nic/proto/bindingspb"
)

// field is a meaning that a key or a parameter may have.
type field struct {
	is     pb.Meaning
	must   bool
	kinds  []ir.MatchKind // keys
	widths []int          // bits; nil = any
}

type rule struct {
	keys  []field
	deeds []pb.Deed
}

var exact = []ir.MatchKind{ir.MatchExact}

// rules say what keys and actions a table of a role has.
func rules() map[pb.Role]rule {
	loose := []ir.MatchKind{ir.MatchExact, ir.MatchTernary, ir.MatchOptional}
	hops := []pb.Deed{pb.Deed_VIA_V4, pb.Deed_VIA_V6, pb.Deed_ON_LINK, pb.Deed_HOST, pb.Deed_DROP}
	next := append([]pb.Deed{pb.Deed_TO_NEXT_HOP}, hops...)
	route := append([]pb.Deed{pb.Deed_TO_GROUP}, next...)
	routeKeys := func(w int) []field {
		return []field{{pb.Meaning_PREFIX, true, []ir.MatchKind{ir.MatchLPM}, []int{w}}, {pb.Meaning_VRF, false, loose, nil}}
	}
	neighbour := func(w int) rule {
		return rule{[]field{{pb.Meaning_ADDRESS, true, exact, []int{w}}, {pb.Meaning_PORT, false, exact, nil}, {pb.Meaning_VLAN, false, exact, nil}},
			[]pb.Deed{pb.Deed_SET_MAC}}
	}
	return map[pb.Role]rule{
		pb.Role_ROUTE_V4:     {routeKeys(32), route},
		pb.Role_ROUTE_V6:     {routeKeys(128), route},
		pb.Role_GROUP:        {[]field{{pb.Meaning_GROUP_ID, true, exact, nil}}, []pb.Deed{pb.Deed_TO_BUCKETS, pb.Deed_DROP}},
		pb.Role_BUCKET:       {[]field{{pb.Meaning_BUCKET_ID, true, exact, nil}}, next},
		pb.Role_NEXT_HOP:     {[]field{{pb.Meaning_NEXT_HOP_ID, true, exact, nil}}, hops},
		pb.Role_NEIGHBOUR_V4: neighbour(32),
		pb.Role_NEIGHBOUR_V6: neighbour(128),
	}
}

// params say what an action of a deed takes.
func params(d pb.Deed) []field {
	via := func(w int) []field {
		return []field{{pb.Meaning_PORT, true, nil, nil}, {pb.Meaning_VLAN, false, nil, nil}, {pb.Meaning_GATEWAY, false, nil, []int{w}}, {pb.Meaning_MAC, false, nil, []int{48}}}
	}
	switch d {
	case pb.Deed_TO_GROUP:
		return []field{{pb.Meaning_GROUP_ID, true, nil, nil}}
	case pb.Deed_TO_BUCKETS:
		return []field{{pb.Meaning_BUCKET_BASE, true, nil, nil}, {pb.Meaning_BUCKET_COUNT, true, nil, nil}}
	case pb.Deed_TO_NEXT_HOP:
		return []field{{pb.Meaning_NEXT_HOP_ID, true, nil, nil}}
	case pb.Deed_VIA_V4:
		return via(32)
	case pb.Deed_VIA_V6:
		return via(128)
	case pb.Deed_ON_LINK:
		return []field{{pb.Meaning_PORT, true, nil, nil}, {pb.Meaning_VLAN, false, nil, nil}}
	case pb.Deed_SET_MAC:
		return []field{{pb.Meaning_MAC, true, nil, []int{48}}}
	}
	return nil
}

// fits tells whether a value of w bits may have the meaning, and why not.
func fits(fs []field, is pb.Meaning, w int) (field, string) {
	for _, f := range fs {
		if f.is != is {
			continue
		}
		if f.widths != nil && !slices.Contains(f.widths, w) {
			return f, fmt.Sprintf("%s has %d bits, not %d", name(is), f.widths[0], w)
		}
		return f, ""
	}
	var words []string
	for _, f := range fs {
		words = append(words, name(f.is))
	}
	if words == nil {
		words = []string{"nothing"}
	}
	return field{}, fmt.Sprintf("%s has no meaning here, but %s", name(is), strings.Join(words, ", "))
}

func name(v interface{ String() string }) string { return Word(v.String()) }

// Check compares b with a program and gives it with full control-plane names,
// tables in the program's order.
func Check(p *ir.Program, b *pb.Bindings) (*pb.Bindings, []Error) {
	r := &reader{p: p}
	out := &pb.Bindings{}
	byTable := map[*ir.Table]*pb.Table{}
	for _, t := range b.GetTables() {
		it := r.findTable(t.GetTable())
		if it == nil {
			continue
		}
		if byTable[it] != nil {
			r.fail(it.Pos, "table %s is bound twice", it.Name)
			continue
		}
		n := proto.Clone(t).(*pb.Table)
		n.Table = it.Name
		byTable[it] = n
		r.table(it, n)
	}
	for _, t := range p.Tables {
		if n := byTable[t]; n != nil {
			out.Tables = append(out.Tables, n)
		}
	}
	if len(r.errs) == 0 {
		r.whole(out)
	}
	if len(r.errs) > 0 {
		return nil, dedup(r.errs)
	}
	return out, nil
}

// tail tells whether short is full or its end after a dot.
func tail(full, short string) bool {
	return full == short || short != "" && strings.HasSuffix(full, "."+short)
}

func (r *reader) findTable(short string) *ir.Table {
	var found []*ir.Table
	for _, t := range r.p.Tables {
		if t.Name == short {
			return t
		}
		if tail(t.Name, short) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		r.fail(ir.Pos{}, "the program has no table %q", short)
	default:
		r.fail(found[0].Pos, "%q names %d tables: %s and %s", short, len(found), found[0].Name, found[1].Name)
	}
	return nil
}

func (r *reader) table(it *ir.Table, n *pb.Table) {
	ru, ok := rules()[n.Role]
	switch {
	case !ok:
		r.fail(it.Pos, "table %s has no role", it.Name)
		return
	case it.HasEntries && it.ConstEntries:
		r.fail(it.Pos, "table %s has const entries: nobody can write it", it.Name)
	case it.Implementation != nil:
		r.fail(it.Pos, "table %s has an action profile: only tables with actions of their own can be bound", it.Name)
	case it.NeedsPriority() && n.Role != pb.Role_ROUTE_V4 && n.Role != pb.Role_ROUTE_V6:
		r.fail(it.Pos, "table %s: a table of role %s needs no priorities", it.Name, name(n.Role))
	}
	seen := map[pb.Meaning]bool{}
	for _, k := range it.Keys {
		i := slices.IndexFunc(n.Keys, func(x *pb.Key) bool { return x.Key == k.Name })
		if i < 0 {
			if k.Kind == ir.MatchExact {
				r.fail(k.Pos, "key %s of table %s is exact and has no meaning: it could not be filled in", k.Name, it.Name)
			}
			continue
		}
		is := n.Keys[i].Is
		f, why := fits(ru.keys, is, ir.Width(k.Expr.Type()))
		switch {
		case why != "":
			r.fail(k.Pos, "key %s of table %s: %s", k.Name, it.Name, why)
		case !slices.Contains(f.kinds, k.Kind):
			r.fail(k.Pos, "key %s of table %s: %s is matched %s, not %s", k.Name, it.Name, name(is), f.kinds[0], k.Kind)
		case seen[is]:
			r.fail(k.Pos, "table %s has two keys that are %s", it.Name, name(is))
		}
		seen[is] = true
	}
	for _, x := range n.Keys {
		if !slices.ContainsFunc(it.Keys, func(k ir.Key) bool { return k.Name == x.Key }) {
			r.fail(it.Pos, "table %s has no key %q", it.Name, x.Key)
		}
	}
	for _, f := range ru.keys {
		if f.must && !seen[f.is] {
			r.fail(it.Pos, "table %s of role %s has no key that is %s", it.Name, name(n.Role), name(f.is))
		}
	}
	deeds := map[pb.Deed]bool{}
	for _, x := range n.Actions {
		if a := r.findAction(it, x); a != nil {
			x.Action = passes.ControlName(a)
			r.action(it, a, x, ru)
			if deeds[x.Is] {
				r.fail(a.Pos, "table %s has two actions that are %s", it.Name, name(x.Is))
			}
			deeds[x.Is] = true
		}
	}
	if len(n.Actions) == 0 {
		r.fail(it.Pos, "table %s of role %s has no bound action", it.Name, name(n.Role))
	}
}

func (r *reader) findAction(it *ir.Table, x *pb.Action) *ir.Action {
	var found []*ir.Action
	for _, ref := range it.Actions {
		full := passes.ControlName(ref.Action)
		if full == x.Action {
			found = []*ir.Action{ref.Action}
			break
		}
		if tail(full, x.Action) {
			found = append(found, ref.Action)
		}
	}
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		r.fail(it.Pos, "table %s has no action %q", it.Name, x.Action)
	default:
		r.fail(it.Pos, "table %s: %q names the actions %s and %s", it.Name, x.Action, found[0].Name, found[1].Name)
	}
	return nil
}

func (r *reader) action(it *ir.Table, a *ir.Action, x *pb.Action, ru rule) {
	if !slices.Contains(ru.deeds, x.Is) {
		var words []string
		for _, d := range ru.deeds {
			words = append(words, name(d))
		}
		r.fail(a.Pos, "action %s in table %s: %s is none of %s", x.Action, it.Name, name(x.Is), strings.Join(words, ", "))
		return
	}
	fs := params(x.Is)
	seen := map[pb.Meaning]bool{}
	for _, v := range a.DataParams() {
		i := slices.IndexFunc(x.Params, func(q *pb.Param) bool { return q.Param == v.Name })
		if i < 0 {
			r.fail(v.Pos, "parameter %s of action %s has no meaning: it could not be filled in", v.Name, x.Action)
			continue
		}
		is := x.Params[i].Is
		if _, why := fits(fs, is, ir.Width(v.Type)); why != "" {
			r.fail(v.Pos, "parameter %s of action %s: %s", v.Name, x.Action, why)
		} else if seen[is] {
			r.fail(v.Pos, "action %s has two parameters that are %s", x.Action, name(is))
		}
		seen[is] = true
	}
	for _, q := range x.Params {
		if !slices.ContainsFunc(a.DataParams(), func(v *ir.Var) bool { return v.Name == q.Param }) {
			r.fail(a.Pos, "action %s has no parameter %q", x.Action, q.Param)
		}
	}
	for _, f := range fs {
		if f.must && !seen[f.is] {
			r.fail(a.Pos, "action %s is %s and has no parameter that is %s", x.Action, name(x.Is), name(f.is))
		}
	}
}

// whole checks that the tables lead to each other.
func (r *reader) whole(b *pb.Bindings) {
	by := map[pb.Role]*pb.Table{}
	for _, t := range b.Tables {
		pos := r.p.Table(t.Table).Pos
		if o := by[t.Role]; o != nil {
			r.fail(pos, "tables %s and %s have the same role %s", o.Table, t.Table, name(t.Role))
		}
		by[t.Role] = t
	}
	for _, t := range b.Tables {
		pos := r.p.Table(t.Table).Pos
		for _, a := range t.Actions {
			for _, need := range []struct {
				deed pb.Deed
				role pb.Role
			}{{pb.Deed_TO_GROUP, pb.Role_GROUP}, {pb.Deed_TO_BUCKETS, pb.Role_BUCKET}, {pb.Deed_TO_NEXT_HOP, pb.Role_NEXT_HOP}} {
				if a.Is == need.deed && by[need.role] == nil {
					r.fail(pos, "action %s of table %s leads to a table of role %s, and none is bound", a.Action, t.Table, name(need.role))
				}
			}
		}
	}
}
