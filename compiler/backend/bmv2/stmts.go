package bmv2

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// code is the list of primitives of an action. Control flow becomes _jump and
// _jump_if_zero, whose operand is the index of a primitive (lang:J8).
type code struct {
	x     *exporter
	prims arr
	ends  map[string]*target // by label: where leave goes
	heads map[string]*target // by label: where continue goes
	pos   ir.Pos
}

// target is a place in the list; patches are the jumps to it.
type target struct {
	at      int
	patches []*obj
}

func (x *exporter) newCode() *code {
	return &code{x: x, ends: map[string]*target{}, heads: map[string]*target{}}
}

func (c *code) emit(name string, params ...any) {
	if params == nil {
		params = arr{}
	}
	o := obj{{"op", name}, {"parameters", arr(params)}}
	c.x.sourceInfo(&o, c.pos)
	c.prims = append(c.prims, o)
}

// here fixes a target.
func (c *code) here(t *target) {
	t.at = len(c.prims)
	for _, o := range t.patches {
		(*o)[1].v = hexText(big.NewInt(int64(t.at)), 32)
	}
}

func (c *code) ref(t *target) obj {
	o := obj{{"type", "hexstr"}, {"value", hexText(big.NewInt(int64(t.at)), 32)}}
	t.patches = append(t.patches, &o)
	return o
}

func (c *code) jump(t *target) { c.emit("_jump", c.ref(t)) }

func (c *code) jumpUnless(cond ir.Expr, t *target) {
	c.emit("_jump_if_zero", outer(op("b2d", nil, c.x.truth(cond))), c.ref(t))
}

func (c *code) stmts(ss []ir.Stmt) {
	for _, s := range ss {
		c.stmt(s)
	}
}

func (c *code) stmt(s ir.Stmt) {
	c.pos = s.Pos()
	switch s := s.(type) {
	case *ir.Assign:
		c.assign(s.L, s.R)
	case *ir.If:
		end, els := &target{}, &target{}
		if len(s.Else) == 0 {
			els = end
		}
		c.jumpUnless(s.Cond, els)
		c.stmts(s.Then)
		if els != end {
			c.jump(end)
			c.here(els)
			c.stmts(s.Else)
		}
		c.here(end)
	case *ir.Switch:
		c.choose(s)
	case *ir.Labelled:
		c.ends[s.Label] = &target{}
		c.stmts(s.Body)
		c.here(c.ends[s.Label])
	case *ir.Loop:
		c.ends[s.Label], c.heads[s.Label] = &target{}, &target{}
		c.here(c.heads[s.Label])
		c.stmts(s.Body)
		c.jump(c.heads[s.Label])
		c.here(c.ends[s.Label])
	case *ir.Leave:
		c.jump(c.ends[s.Label])
	case *ir.Continue:
		c.jump(c.heads[s.Label])
	case *ir.SetValid:
		name := "remove_header"
		if s.Valid {
			name = "add_header"
		}
		c.emit(name, outer(c.x.composite(s.X)))
	case *ir.PushPop:
		name := "pop"
		if s.Push {
			name = "push"
		}
		c.emit(name, outer(c.x.composite(s.X)), number(s.N))
	case *ir.ExternCall:
		c.extern(s)
	default:
		c.x.fail(s.Pos(), fmt.Sprintf("%T", s), "bmv2 JSON has no such statement in an action")
	}
}

// choose is a switch: a chain of comparisons.
func (c *code) choose(s *ir.Switch) {
	end := &target{}
	for _, cs := range s.Cases {
		next := &target{}
		c.jumpUnless(caseCond(s, cs), next)
		c.stmts(cs.Body)
		c.jump(end)
		c.here(next)
	}
	c.stmts(s.Default)
	c.here(end)
}

// caseCond is the condition of a case: X equals one of its labels.
func caseCond(s *ir.Switch, cs ir.SwitchCase) ir.Expr {
	var cond ir.Expr = &ir.Const{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Val: new(big.Int)}
	for i, l := range cs.Labels {
		eq := &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.Eq, X: s.X,
			Y: &ir.Const{Meta: ir.Meta{T: s.X.Type(), P: s.P}, Val: l}}
		if i == 0 {
			cond = eq
		} else {
			cond = &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.LOr, X: cond, Y: eq}
		}
	}
	return cond
}

// assign copies R to L, field by field where the JSON has no whole.
func (c *code) assign(l, r ir.Expr) {
	switch t := l.Type().(type) {
	case *ir.Struct:
		c.fields(l, r, t)
	case *ir.Header:
		if lit, is := r.(*ir.StructLit); is {
			c.headerLit(l, lit, t)
			return
		}
		c.emit("assign_header", outer(c.x.composite(l)), outer(c.x.composite(r)))
	case *ir.Union:
		if lit, is := r.(*ir.StructLit); is && lit.Invalid {
			for _, f := range t.Fields {
				c.emit("remove_header", outer(c.x.composite(member(l, f))))
			}
			return
		}
		c.emit("assign_union", outer(c.x.composite(l)), outer(c.x.composite(r)))
	case *ir.Stack:
		name := "assign_header_stack"
		if _, is := t.Elem.(*ir.Union); is {
			name = "assign_union_stack"
		}
		c.emit(name, outer(c.x.composite(l)), outer(c.x.composite(r)))
	case *ir.Varbit:
		c.emit("assign_VL", outer(c.x.varbit(l)), outer(c.x.varbit(r)))
	default:
		c.scalar(l, c.x.data(r))
	}
}

func (x *exporter) varbit(e ir.Expr) obj {
	v, is := x.scalarRef(e)
	if !is {
		x.fail(e.Pos(), "a varbit", "bmv2 JSON has it only as a field")
	}
	return v
}

// scalar writes a number to a scalar l-value or a slice of one.
func (c *code) scalar(l ir.Expr, v obj) {
	if s, is := l.(*ir.Slice); is {
		w := ir.Width(s.X.Type())
		mask := new(big.Int).Lsh(ones(s.Hi-s.Lo+1), uint(s.Lo))
		rest := new(big.Int).AndNot(ones(w), mask)
		if s.Lo > 0 {
			v = op("<<", v, number(s.Lo))
		}
		old := c.x.data(s.X)
		v = op("|", op("&", old, hexstr(rest, w)), op("&", v, hexstr(mask, w)))
		if signed(s.X.Type()) {
			v = wrap(v, s.X.Type())
		}
		c.scalar(s.X, v)
		return
	}
	ref, is := c.x.scalarRef(l)
	if !is || ref[0].v == "stack_field" {
		c.x.fail(l.Pos(), "an assignment", "bmv2 JSON has no reference to what is assigned")
	}
	if signed(l.Type()) && ir.Width(l.Type()) == 1 {
		v = op("&", v, hexstr(big.NewInt(1), 1)) // the field holds its bit
	}
	c.emit("assign", outer(ref), outer(v))
}

func member(e ir.Expr, f ir.Field) ir.Expr {
	return &ir.Member{Meta: ir.Meta{T: f.Type, P: e.Pos()}, X: e, Field: f.Name}
}

func (c *code) fields(l, r ir.Expr, t *ir.Struct) {
	lit, is := r.(*ir.StructLit)
	if is && mentions(lit, l) {
		c.viaTemps(l, lit, t)
		return
	}
	for i, f := range t.Fields {
		if is {
			c.assign(member(l, f), lit.Fields[i])
		} else {
			c.assign(member(l, f), member(r, f))
		}
	}
}

// viaTemps evaluates all of a literal before it writes any of it.
func (c *code) viaTemps(l ir.Expr, lit *ir.StructLit, t ir.Type) {
	fs := ir.Fields(t)
	tmps := make([]ir.Expr, len(fs))
	for i, f := range fs {
		tmps[i] = c.x.temp(f.Type, lit.P)
		c.assign(tmps[i], lit.Fields[i])
	}
	for i, f := range fs {
		c.assign(member(l, f), tmps[i])
	}
}

func (c *code) headerLit(l ir.Expr, lit *ir.StructLit, t *ir.Header) {
	if lit.Invalid {
		c.emit("remove_header", outer(c.x.composite(l)))
		return
	}
	if mentions(lit, l) {
		tmps := make([]ir.Expr, len(t.Fields))
		for i, f := range t.Fields {
			tmps[i] = c.x.temp(f.Type, lit.P)
			c.assign(tmps[i], lit.Fields[i])
		}
		lit = &ir.StructLit{Meta: lit.Meta, Fields: tmps}
	}
	c.emit("add_header", outer(c.x.composite(l)))
	for i, f := range t.Fields {
		c.assign(member(l, f), lit.Fields[i])
	}
}

// mentions tells whether e reads the variable that the l-value l is part of.
func mentions(e, l ir.Expr) bool {
	root := func(e ir.Expr) *ir.Var {
		var v *ir.Var
		ir.WalkExpr(e, func(y ir.Expr) {
			if r, is := y.(*ir.VarRef); is && v == nil {
				v = r.Var
			}
		})
		return v
	}
	of, found := root(l), false
	ir.WalkExpr(e, func(y ir.Expr) {
		if r, is := y.(*ir.VarRef); is && r.Var == of {
			found = true
		}
	})
	return found
}

// temp makes a variable that the program does not have.
func (x *exporter) temp(t ir.Type, pos ir.Pos) *ir.VarRef {
	v := &ir.Var{Name: fmt.Sprintf("tmp.%d", x.temps), Type: t, Pos: pos}
	x.temps++
	x.places[v] = x.lay.variable(t, v.Name, pos)
	return &ir.VarRef{Meta: ir.Meta{T: t, P: pos}, Var: v}
}

// direct gives e as a parameter that is a field: e itself, or a temporary that
// the caller copies back with the function.
func (c *code) direct(e ir.Expr) (obj, func()) {
	if p := c.x.find(e); p != nil && p.kind == scalarPlace && (!signed(e.Type()) || ir.Width(e.Type()) > 1) {
		return fieldRef(p), func() {}
	}
	t := c.x.temp(e.Type(), e.Pos())
	return fieldRef(c.x.find(t)), func() { c.assign(e, t) }
}
