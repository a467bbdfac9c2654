package irgen

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// matchKind maps the match kinds that the IR knows.
func matchKind(name string) (ir.MatchKind, bool) {
	for k := ir.MatchExact; k <= ir.MatchSelector; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// table makes the table of one control instance.
func (g *gen) table(e *env, d *ast.TableDecl) {
	o := g.info.Defs[d]
	if o == nil {
		return
	}
	t := &ir.Table{Name: fullName(e.path, d.Annotations, d.Name.Name), Annos: g.annos(d.Annotations), Pos: g.pos(d.Name)}
	e.vals[o] = value{tbl: t}
	if !g.claim("table", t.Name, d.Name.Span) {
		return
	}
	var kts []types.Type
	if d.Key != nil {
		for _, k := range d.Key.Elems {
			kind, ok := matchKind(g.info.Keys[k])
			if !ok {
				g.errorf(codeUnsupported, k.Match.Span, "match kind %s is not supported", k.Match.Name)
				continue
			}
			t.Keys = append(t.Keys, ir.Key{Name: g.keyName(k), Expr: g.expr(e, k.Expr, nil), Kind: kind, Annos: g.annos(k.Annotations), Pos: g.pos(k)})
			kts = append(kts, e.subst(g.info.Types[k.Expr].Type))
		}
	}
	if d.Actions != nil {
		for _, r := range d.Actions.Refs {
			g.actionRef(e, t, r)
		}
	}
	if len(t.Actions) > 255 {
		g.errorf(codeUnsupported, d.Name.Span, "table %s has %d actions; at most 255 are supported", t.Name, len(t.Actions))
	}
	g.properties(e, t, d)
	g.stored(t)
	if !t.HasDefault {
		g.insertNoAction(t, d)
	}
	if d.Entries != nil {
		g.entries(e, t, d, kts)
	}
	g.out.Tables = append(g.out.Tables, t)
}

func (g *gen) actionRef(e *env, t *ir.Table, r *ast.ActionRef) {
	use := g.info.Actions[r]
	if use == nil {
		return
	}
	a := g.action(e, use.Obj)
	if a == nil {
		return
	}
	for _, old := range t.Actions {
		if old.Action == a { // copies of one action, else the checker had refused
			g.errorf(codeDuplicateName, r.Span, "table %s has two actions with the control-plane name %s", t.Name, a.Name)
			return
		}
	}
	ref := ir.ActionRef{Action: a, Annos: g.annos(r.Annotations)}
	ref.TableOnly = ast.FindAnnotation(r.Annotations, "tableonly") != nil
	ref.DefaultOnly = ast.FindAnnotation(r.Annotations, "defaultonly") != nil
	for i, p := range use.Func.Params {
		if p.Dir == ast.DirNone {
			continue
		}
		arg := use.Args[i]
		switch {
		case arg == nil && p.Default != nil:
			ref.Bound = append(ref.Bound, g.expr(g.global, p.Default, p.Type))
		case arg == nil:
			return
		case p.Dir == ast.DirIn:
			ref.Bound = append(ref.Bound, g.expr(e, arg, p.Type))
		default:
			ref.Bound = append(ref.Bound, g.expr(e, arg, nil))
		}
	}
	for _, p := range use.Func.Params {
		if s, ok := g.conv(p.Type).(*ir.Struct); ok && p.Dir == ast.DirNone && p.Decl != nil && len(g.arch.Slots) > 0 {
			g.errorf(codeBadData, p.Decl.Span, "parameter %s of action %s has type %s, which the control plane cannot supply", p.Name, a.Name, s)
			return
		}
	}
	for _, p := range a.DataParams() {
		if ir.Width(p.Type) < 0 && len(g.arch.Slots) > 0 {
			g.errorf(codeBadData, r.Span, "parameter %s of action %s has type %s, which the control plane cannot supply", p.Name, a.Name, p.Type)
		}
	}
	t.Actions = append(t.Actions, ref)
}

// insertNoAction gives a table without default_action the one that the
// specification prescribes (L133); it is not const.
func (g *gen) insertNoAction(t *ir.Table, d *ast.TableDecl) {
	o := g.info.Top["NoAction"]
	if o == nil || o.Kind != types.ActionObj {
		g.errorf(codeUnsupported, d.Name.Span, "table %s has no default_action, and there is no action NoAction; include core.p4", t.Name)
		return
	}
	a := g.action(g.global, o)
	if a == nil {
		return
	}
	for i, r := range t.Actions {
		if r.Action == a {
			t.DefaultAction = i
			return
		}
	}
	t.DefaultAction = len(t.Actions)
	t.Actions = append(t.Actions, ir.ActionRef{Action: a, DefaultOnly: true, Annos: []ir.Annotation{{Name: "defaultonly"}}})
}

func (g *gen) properties(e *env, t *ir.Table, d *ast.TableDecl) {
	names := g.arch.Props
	for _, p := range d.Props {
		switch name := p.Name.Name; {
		case name == "default_action":
			g.defaultAction(e, t, p)
		case name == "size":
			if n, ok := g.static(e, p.Value, nil); ok {
				if n.Sign() < 0 || !n.IsInt64() || n.Int64() > math.MaxInt32 {
					g.errorf(codeNotStatic, span(p.Value), "size %s is out of range", n)
					continue
				}
				t.Size = int(n.Int64())
			}
		case name == names.Counters && name != "":
			t.Counters = g.resourceProp(e, t, p)
		case name == names.Meters && name != "":
			t.Meters = g.resourceProp(e, t, p)
		case name == names.Implementation && name != "":
			t.Implementation = g.objectProp(e, t, p)
		case slices.Contains(names.IdleTimeout, name):
			g.idleTimeout(e, t, p)
		case name == "largest_priority_wins" || name == "priority_delta":
			// used by entries
		default:
			g.otherProp(e, t, p)
		}
	}
}

// stored: hash_table and array_table of ebpf_model are no objects but say how a table
// is stored. The table has their size, unless it gives one itself, and the name of
// the type as its property implementation; nothing else is left of them.
func (g *gen) stored(t *ir.Table) {
	i := t.Implementation
	if i == nil || i.Type.Name != "hash_table" && i.Type.Name != "array_table" {
		return
	}
	t.Implementation = nil
	g.out.Instances = slices.DeleteFunc(g.out.Instances, func(in *ir.Instance) bool { return in == i })
	t.Props = append(t.Props, ir.Prop{Name: "implementation", Expr: &ir.StringLit{Meta: ir.Meta{T: &ir.String{}, P: i.Pos}, Val: i.Type.Name}})
	if t.Size != 0 || len(i.Args) == 0 {
		return
	}
	if c, ok := i.Args[0].(*ir.Const); ok && c.Val.IsInt64() && c.Val.Int64() <= math.MaxInt32 {
		t.Size = int(c.Val.Int64())
	}
}

// idleTimeout reads a property that asks for ageing: a bool, or a member of an
// enum other than NO_TIMEOUT.
func (g *gen) idleTimeout(e *env, t *ir.Table, p *ast.Property) {
	c, ok := g.expr(e, p.Value, nil).(*ir.Const)
	if !ok {
		g.errorf(codeNotStatic, span(p.Value), "the value must be known at compile time")
		return
	}
	en, ok := c.T.(*ir.Enum)
	if !ok {
		t.SupportTimeout = c.Val.Sign() != 0
		return
	}
	for _, m := range en.Members {
		if m.Value.Cmp(c.Val) == 0 {
			t.SupportTimeout = m.Name != "NO_TIMEOUT"
		}
	}
}

// otherProp keeps a property that the architecture gives no meaning (L141): a
// value, an object, or the call of an action, which stands there as its name, with
// one more property of the same name for each argument.
func (g *gen) otherProp(e *env, t *ir.Table, p *ast.Property) {
	if x, ok := p.Value.(*ast.PathExpr); ok { // an action without arguments needs no parentheses
		if o := g.info.Uses[x.Path]; o != nil && o.Kind == types.ActionObj {
			if a := g.action(e, o); a != nil {
				t.Props = append(t.Props, ir.Prop{Name: p.Name.Name, Expr: &ir.StringLit{Meta: ir.Meta{T: &ir.String{}, P: g.pos(p)}, Val: a.Name}})
			}
			return
		}
	}
	if c, ok := p.Value.(*ast.CallExpr); ok {
		call := g.info.Calls[c]
		if call != nil && call.Kind == types.ActionCall {
			if a := g.action(e, call.Obj); a != nil {
				t.Props = append(t.Props, ir.Prop{Name: p.Name.Name, Expr: &ir.StringLit{Meta: ir.Meta{T: &ir.String{}, P: g.pos(p)}, Val: a.Name}})
				for _, x := range g.propArgs(e, call) {
					t.Props = append(t.Props, ir.Prop{Name: p.Name.Name, Expr: x})
				}
			}
			return
		}
		if call != nil && call.Kind == types.Constructor {
			if in := g.objectProp(e, t, p); in != nil {
				t.Props = append(t.Props, ir.Prop{Name: p.Name.Name, Expr: objectRef(in, g.pos(p))})
			}
			return
		}
	}
	if l, ok := p.Value.(*ast.ListExpr); ok && g.listsObjects(e, l) {
		for _, x := range l.Elems {
			one := *p
			one.Value = x
			g.otherProp(e, t, &one)
		}
		return
	}
	switch x := argInt(g.expr(e, p.Value, nil)).(type) {
	case *ir.Const, *ir.StringLit, *ir.ListExpr, *ir.StructLit, *ir.ObjectRef:
		t.Props = append(t.Props, ir.Prop{Name: p.Name.Name, Expr: x})
	default:
		g.errorf(codeUnsupported, p.Span, "table property %s has a value that is not known at compile time", p.Name.Name)
	}
}

// listsObjects tells whether a list names extern objects, which are no values.
func (g *gen) listsObjects(e *env, l *ast.ListExpr) bool {
	return slices.ContainsFunc(l.Elems, func(x ast.Expr) bool {
		p, ok := x.(*ast.PathExpr)
		if !ok {
			return false
		}
		v, ok := e.lookup(g.info.Uses[p.Path])
		return ok && v.inst != nil
	})
}

// propArgs evaluates the arguments for the data parameters of an action that a
// property calls.
func (g *gen) propArgs(e *env, call *types.Call) (out []ir.Expr) {
	for i, p := range call.Params {
		if p.Dir != ast.DirNone || call.Args[i] == nil {
			continue
		}
		if v, ok := g.static(e, call.Args[i], p.Type); ok {
			out = append(out, &ir.Const{Meta: ir.Meta{T: g.typ(e, p.Type), P: g.pos(call.Args[i])}, Val: v})
		}
	}
	return out
}

// resourceProp resolves a property that names a direct resource, or a list of them as
// p4c's PSA for eBPF takes it. All of a list count the same packets and a table of
// P4Runtime has one, so the first stands for all.
func (g *gen) resourceProp(e *env, t *ir.Table, p *ast.Property) *ir.Instance {
	l, ok := p.Value.(*ast.ListExpr)
	if !ok {
		return g.objectProp(e, t, p)
	}
	var first *ir.Instance
	for _, x := range l.Elems {
		one := *p
		one.Value = x
		in := g.objectProp(e, t, &one)
		if first == nil {
			first = in
		}
	}
	return first
}

// objectProp resolves a property that names an extern object or makes one in
// place, which then has the name of the table.
func (g *gen) objectProp(e *env, t *ir.Table, p *ast.Property) *ir.Instance {
	switch x := p.Value.(type) {
	case *ast.PathExpr:
		if v, ok := e.lookup(g.info.Uses[x.Path]); ok && v.inst != nil {
			return v.inst
		}
	case *ast.CallExpr:
		if c := g.info.Calls[x]; c != nil && c.Kind == types.Constructor {
			name := t.Name
			if a := localName(p.Annotations, ""); a != "" {
				name = strings.TrimPrefix(a, ".") // not below the control's name
			}
			if v, ok := g.construct(e, c, name, p.Annotations, x); ok {
				return v.inst
			}
			return nil
		}
	}
	g.errorf(codeUnsupported, p.Span, "property %s needs an extern object", p.Name.Name)
	return nil
}

func (g *gen) defaultAction(e *env, t *ir.Table, p *ast.Property) {
	use := g.info.Defaults[p]
	if use == nil {
		return
	}
	t.HasDefault = true
	t.ConstDefault = p.IsConst
	t.DefaultAction = use.Index
	t.DefaultArgs, t.DefaultVals = g.dataArgs(e, use)
}

// dataArgs evaluates the arguments for an action's data parameters; those that
// are no scalars are 0 in out and in vals.
func (g *gen) dataArgs(e *env, use *types.ActionUse) (out []*big.Int, vals []ir.Expr) {
	for i, p := range use.Func.Params {
		if p.Dir != ast.DirNone {
			continue
		}
		arg, ae := use.Args[i], e
		if arg == nil {
			arg, ae = p.Default, g.global
		}
		if arg == nil {
			continue // reported by the checker
		}
		if ir.Width(g.typ(e, p.Type)) < 0 {
			out, vals = append(out, new(big.Int)), append(vals, g.expr(ae, arg, p.Type))
			continue
		}
		if v, ok := g.static(ae, arg, p.Type); ok {
			out = append(out, v)
		}
	}
	return out, vals
}
