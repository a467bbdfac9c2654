package irgen

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// callExpr lowers a call that is used for its value.
func (g *gen) callExpr(e *env, n *ast.CallExpr, t types.Type) ir.Expr {
	c := g.info.Calls[n]
	if c == nil {
		return g.bad(n)
	}
	m := ir.Meta{T: g.conv(t), P: g.pos(n)}
	if c.Kind == types.BuiltinCall {
		if c.Name == "isValid" {
			x := g.expr(e, c.Recv, nil)
			return &ir.IsValid{Meta: m, X: x}
		}
		if c.Type != nil {
			return &ir.Const{Meta: m, Val: big.NewInt(types.SizeCall(c.Name, e.subst(c.Type)))}
		}
	}
	if made := g.made(e, n, c); made != nil {
		return made
	}
	callee, ok := g.callee(e, n, c)
	if !ok {
		return g.bad(n)
	}
	return &ir.Call{Meta: m, Callee: callee}
}

// callee resolves what is called and lowers the arguments.
func (g *gen) callee(e *env, n *ast.CallExpr, c *types.Call) (ir.Callee, bool) {
	var out ir.Callee
	switch c.Kind {
	case types.FuncCall:
		static := g.staticArgs(e, c)
		f := g.function(e, c, static)
		if f == nil {
			return out, false
		}
		out.Func = f
		g.args(e, c, static, &out)
		return out, true
	case types.ActionCall:
		a := g.action(e, c.Obj)
		if a == nil {
			return out, false
		}
		out.Action = a
	case types.TableApply:
		v, ok := e.lookup(c.Obj)
		if !ok || v.tbl == nil {
			g.errorf(codeUnsupported, n.Span, "this table cannot be applied here")
			return out, false
		}
		out.Table = v.tbl
		return out, true
	case types.BlockApply:
		v, _ := e.lookup(c.Obj)
		var static map[int]value
		if v.late != nil {
			static = g.staticArgs(e, c)
			v.blk = g.lateBlock(v.late, static, n)
		} else if v.blk == nil {
			g.errorf(codeUnsupported, n.Span, "this object cannot be applied here")
		}
		if out.Block = v.blk; out.Block == nil {
			return out, false
		}
		g.args(e, c, static, &out)
		return out, true
	case types.DirectApply:
		b := c.Type.(*types.Block)
		call := &types.Call{Kind: types.Constructor, Type: b, Args: make([]ast.Expr, len(b.Ctor)), Params: b.Ctor}
		static := g.staticArgs(e, c)
		if out.Block = g.newBlock(e, call, g.directName(e, b), static, n); out.Block == nil {
			return out, false
		}
		g.args(e, c, static, &out)
		return out, true
	case types.ExternCall:
		out.Extern = c.Name
	case types.MethodCall:
		ext := c.Type.(*types.Extern)
		if f := g.method(e, c); f != nil {
			out.Func = f
			g.args(e, c, nil, &out)
			for len(out.Args) > len(f.Params) { // optional ones that the body leaves out
				out.Args, out.Dirs = out.Args[:len(out.Args)-1], out.Dirs[:len(out.Dirs)-1]
			}
			return out, true
		}
		out.Extern = ext.Name + "." + c.Name
		if !g.receiver(e, n, c, &out) {
			return out, false
		}
	default:
		g.errorf(codeUnsupported, n.Span, "this cannot be called here")
		return out, false
	}
	for _, a := range c.TypeArgs {
		out.TypeArgs = append(out.TypeArgs, g.typ(e, a))
	}
	g.args(e, c, nil, &out)
	return out, true
}

// directName is the control-plane name of the anonymous instance behind
// T.apply(): the type's name.
func (g *gen) directName(e *env, b *types.Block) string {
	return join(e.path, b.Name)
}

// receiver fills in the object of a method: an instance, or a parameter of an
// extern type such as packet_in.
func (g *gen) receiver(e *env, n *ast.CallExpr, c *types.Call, out *ir.Callee) bool {
	if c.Obj != nil {
		if v, ok := e.lookup(c.Obj); ok {
			switch {
			case v.inst != nil:
				out.Object = v.inst
				return true
			case v.v != nil:
				out.Recv = &ir.VarRef{Meta: ir.Meta{T: v.v.Type, P: g.pos(c.Recv)}, Var: v.v}
				return true
			}
		}
	}
	switch x := c.Recv.(type) {
	case *ast.ThisExpr:
		if t := e.object(); t != nil {
			out.Object = t
			return true
		}
	case *ast.CallExpr:
		if ref, ok := g.expr(e, x, nil).(*ir.ObjectRef); ok {
			out.Object = ref.Inst
			return true
		}
	case *ast.IndexExpr:
		out.Recv = g.expr(e, x, nil)
		return true
	}
	g.errorf(codeUnsupported, n.Span, "the object of this call cannot be determined")
	return false
}

// args lowers arguments in the order of the parameters; those in static are known
// to the callee.
func (g *gen) args(e *env, c *types.Call, static map[int]value, out *ir.Callee) {
	for i, p := range c.Params {
		if _, known := static[i]; known {
			continue
		}
		arg := c.Args[i]
		d := dir(p.Dir)
		if c.Kind == types.FuncCall && d == ir.DirNone {
			d = ir.DirIn
		}
		out.Dirs = append(out.Dirs, d)
		switch a := arg.(type) {
		case nil:
			if p.Default == nil {
				out.Args = append(out.Args, nil)
				continue
			}
			out.Args = append(out.Args, argInt(g.expr(g.global, p.Default, p.Type)))
			continue
		case *ast.DontCareExpr:
			// The result is not wanted: it goes to a variable nobody reads.
			v := g.local(e, "unused", g.typ(e, p.Type), a)
			out.Args = append(out.Args, &ir.VarRef{Meta: ir.Meta{T: v.Type, P: v.Pos}, Var: v})
			continue
		}
		if p.Dir == ast.DirOut || p.Dir == ast.DirInOut {
			out.Args = append(out.Args, g.expr(e, arg, nil))
			continue
		}
		out.Args = append(out.Args, argInt(g.expr(e, arg, p.Type)))
	}
}

// function specialises a function for its type arguments and for arguments that
// are known.
func (g *gen) function(e *env, c *types.Call, static map[int]value) *ir.Function {
	d, ok := c.Func.Decl.(*ast.FuncDecl)
	if !ok || d.Body == nil {
		g.errorf(codeUnsupported, span(c.Func.Decl), "function %s has no body", c.Name)
		return nil
	}
	tvars := map[*types.Var]types.Type{}
	var names []string
	for i, v := range c.Func.TypeParams {
		tvars[v] = e.subst(c.TypeArgs[i])
		names = append(names, tvars[v].String())
	}
	key := g.set.Position(d.Pos()).String() + " " + strings.Join(names, ", ") + staticKey(static)
	if f := g.funcs[key]; f != nil {
		return f
	}
	name := c.Name
	if len(names) > 0 {
		name = mangle(name + "<" + strings.Join(names, ",") + ">")
	}
	for i, base := 1, name; ; i++ {
		if _, dup := g.names["function "+name]; !dup {
			break
		}
		name = base + "_" + bigInt(i).String()
	}
	g.names["function "+name] = d.Span
	f := &ir.Function{Name: name, Pos: g.pos(d.Name)}
	g.funcs[key] = f
	fe := &env{parent: g.global, vals: map[*types.Object]value{}, tvars: tvars}
	fe.unit = newUnit(nil, &f.Locals)
	f.Result = g.typ(fe, c.Func.Result)
	for i, p := range c.Func.Params {
		if v, known := static[i]; known {
			fe.vals[p.Obj] = v
			continue
		}
		v := g.param(fe, p)
		if v.Dir == ir.DirNone {
			v.Dir = ir.DirIn
		}
		f.Params = append(f.Params, v)
	}
	fe.unit.result = c.Func.Result
	f.Body = g.block(fe, d.Body)
	g.out.Functions = append(g.out.Functions, f)
	return f
}

// action returns the IR action of o, made on first use where it is global.
func (g *gen) action(e *env, o *types.Object) *ir.Action {
	if v, ok := e.lookup(o); ok {
		return v.act
	}
	d, ok := o.Node.(*ast.ActionDecl)
	if !ok || !o.Top {
		return nil
	}
	return g.makeAction(g.global, o, d, "")
}

// makeAction makes the action of one control instance, or a global one.
func (g *gen) makeAction(e *env, o *types.Object, d *ast.ActionDecl, path string) *ir.Action {
	a := &ir.Action{Name: fullName(path, d.Annotations, d.Name.Name), Annos: g.annos(d.Annotations), Pos: g.pos(d.Name)}
	ae := &env{parent: e, path: path, vals: map[*types.Object]value{}}
	ae.unit = newUnit(e.unit, &a.Locals)
	for _, p := range o.Type.(*types.Func).Params {
		a.Params = append(a.Params, g.param(ae, p))
	}
	a.Body = g.block(ae, d.Body)
	if old := g.actions[a.Name]; old != nil && path != "" && sameAction(old, a) {
		// A copy of an action in the same place is that action for everybody; p4c
		// makes such copies.
		e.vals[o] = value{act: old}
		return old
	}
	if !g.claim("action", a.Name, d.Name.Span) {
		return nil
	}
	g.actions[a.Name] = a
	e.vals[o] = value{act: a}
	if n := len(g.marks); e == g.global && n > 0 {
		// A global action counts as the first of the control that first uses it.
		g.out.Actions = slices.Insert(g.out.Actions, g.marks[n-1], a)
		for i := range g.marks {
			g.marks[i]++
		}
		return a
	}
	g.out.Actions = append(g.out.Actions, a)
	return a
}

// sameAction tells whether two actions do the same: they read alike, whatever
// their parameters and variables are called, and use the same variables around
// them.
func sameAction(a, b *ir.Action) bool {
	if len(a.Params) != len(b.Params) {
		return false
	}
	for i, p := range a.Params {
		if annoName(p) != annoName(b.Params[i]) {
			return false // the control plane tells them apart
		}
	}
	text := func(x *ir.Action) string {
		vars := append(slices.Clone(x.Params), x.Locals...)
		names := make([]string, len(vars))
		annos := make([][]ir.Annotation, len(vars))
		for i, v := range vars {
			names[i], annos[i] = v.Name, v.Annos
			v.Name, v.Annos = "v"+strconv.Itoa(i), nil
		}
		p := &ir.Program{Level: ir.Typed, Actions: []*ir.Action{x}}
		out := positions.ReplaceAllString(p.String(), "")
		for i, v := range vars {
			v.Name, v.Annos = names[i], annos[i]
		}
		return out
	}
	outer := func(x *ir.Action) []*ir.Var {
		var out []*ir.Var
		ir.WalkExprs(x.Body, func(e ir.Expr) {
			if v, ok := e.(*ir.VarRef); ok && !slices.Contains(x.Params, v.Var) && !slices.Contains(x.Locals, v.Var) {
				out = append(out, v.Var)
			}
		})
		return out
	}
	return text(a) == text(b) && slices.Equal(outer(a), outer(b))
}

// annoName is the name that the control plane knows a parameter by.
func annoName(v *ir.Var) string {
	if a, ok := ir.Anno(v.Annos, "name"); ok {
		if a.Kind == ir.AnnoRaw {
			return strings.Trim(a.Text, `"`)
		}
	}
	return v.Name
}

// positions are the marks of source positions in the text of the IR.
var positions = regexp.MustCompile(`#[0-9]+(:[0-9]+)* `)

// callStmt lowers a call used for its effect.
func (g *gen) callStmt(e *env, n *ast.CallExpr) []ir.Stmt {
	c := g.info.Calls[n]
	if c == nil {
		return nil
	}
	m := ir.SMeta{P: g.pos(n)}
	if c.Kind == types.BuiltinCall {
		return g.builtinStmt(e, n, c, m)
	}
	if c.Kind == types.ExternCall {
		switch c.Name {
		case "static_assert":
			return nil
		case "verify":
			if len(c.Args) == 2 {
				return []ir.Stmt{&ir.Verify{SMeta: m, Cond: g.expr(e, c.Args[0], c.Params[0].Type), Err: g.expr(e, c.Args[1], c.Params[1].Type)}}
			}
		}
	}
	if c.Kind == types.MethodCall {
		if s := g.packetStmt(e, n, c, m); s != nil {
			return s
		}
	}
	callee, ok := g.callee(e, n, c)
	if !ok {
		return nil
	}
	return []ir.Stmt{&ir.CallStmt{SMeta: m, Callee: callee}}
}

func (g *gen) builtinStmt(e *env, n *ast.CallExpr, c *types.Call, m ir.SMeta) []ir.Stmt {
	switch c.Name {
	case "setValid", "setInvalid":
		return []ir.Stmt{&ir.SetValid{SMeta: m, X: g.expr(e, c.Recv, nil), Valid: c.Name == "setValid"}}
	case "push_front", "pop_front":
		k, ok := g.static(e, c.Args[0], nil)
		if !ok {
			return nil
		}
		return []ir.Stmt{&ir.PushPop{SMeta: m, X: g.expr(e, c.Recv, nil), N: int(k.Int64()), Push: c.Name == "push_front"}}
	}
	return nil // isValid and sizes have no effect
}

// packetStmt lowers the methods of packet_in and packet_out that have
// statements of their own; nil when c is none of them.
func (g *gen) packetStmt(e *env, n *ast.CallExpr, c *types.Call, m ir.SMeta) []ir.Stmt {
	switch c.Type.(*types.Extern).Name + "." + c.Name {
	case "packet_in.extract":
		s := &ir.Extract{SMeta: m}
		if _, skip := c.Args[0].(*ast.DontCareExpr); skip {
			bits, ok := types.SizeOf(e.subst(c.TypeArgs[0]), false)
			if !ok || len(c.Args) > 1 || types.IsVoid(c.TypeArgs[0]) {
				g.errorf(codeUnsupported, n.Span, "extract(_) needs a header type of fixed size as its type argument")
				return []ir.Stmt{s}
			}
			s.SkipBits = bits
			return []ir.Stmt{s}
		}
		s.X = g.expr(e, c.Args[0], nil)
		if _, ok := s.X.Type().(*ir.Header); !ok {
			g.errorf(codeUnsupported, span(c.Args[0]), "extract needs a header, not a value of type %s", s.X.Type())
		}
		if len(c.Args) > 1 {
			s.VarBits = g.expr(e, c.Args[1], c.Params[1].Type)
		}
		return []ir.Stmt{s}
	case "packet_in.advance":
		return []ir.Stmt{&ir.Advance{SMeta: m, Bits: g.expr(e, c.Args[0], c.Params[0].Type)}}
	case "packet_in.length":
		return []ir.Stmt{}
	case "packet_out.emit":
		return g.emit(e, c, m)
	}
	return nil
}

// emit lowers packet.emit: of a list it emits each element in order.
func (g *gen) emit(e *env, c *types.Call, m ir.SMeta) []ir.Stmt {
	x := g.expr(e, c.Args[0], nil)
	if _, literal := c.Args[0].(*ast.ListExpr); !literal {
		// A list is emitted element by element, whatever type it is given.
	} else if t := e.subst(c.Params[0].Type); isStruct(t) {
		x = g.expr(e, c.Args[0], t)
	}
	var list []ir.Stmt
	if lit, ok := x.(*ir.StructLit); ok {
		v := g.local(e, "emitted", x.Type(), c.Args[0])
		x = &ir.VarRef{Meta: ir.Meta{T: v.Type, P: lit.P}, Var: v}
		list = append(list, &ir.Assign{SMeta: m, L: x, R: lit})
	}
	if l, ok := x.(*ir.ListExpr); ok {
		for _, el := range l.Elems {
			list = append(list, &ir.Emit{SMeta: m, X: el})
		}
	} else {
		list = append(list, &ir.Emit{SMeta: m, X: x})
	}
	for _, s := range list {
		if s, ok := s.(*ir.Emit); ok && !emittable(s.X.Type()) {
			g.errorf(codeUnsupported, span(c.Args[0]), "emit needs headers, not a value of type %s", s.X.Type())
		}
	}
	return list
}

func isStruct(t types.Type) bool {
	_, ok := t.(*types.Struct)
	return ok
}

func emittable(t ir.Type) bool {
	switch t := t.(type) {
	case *ir.Header, *ir.Union:
		return true
	case *ir.Stack:
		return emittable(t.Elem)
	case *ir.Struct:
		for _, f := range t.Fields {
			if !emittable(f.Type) {
				return false
			}
		}
		return true
	}
	return false
}

// static evaluates an expression that must be known once constructor
// parameters are.
func (g *gen) static(e *env, x ast.Expr, want types.Type) (*big.Int, bool) {
	c, ok := g.expr(e, x, want).(*ir.Const)
	if !ok {
		g.errorf(codeNotStatic, span(x), "the value must be known at compile time")
		return nil, false
	}
	return c.Val, true
}
