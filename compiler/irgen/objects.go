package irgen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// object makes an extern object, or with size > 0 an array of them.
func (g *gen) object(e *env, t *types.Extern, size int, call *types.Call, name string, annos []*ast.Annotation, at ast.Node) (value, bool) {
	inst := &ir.Instance{Name: name, Type: g.externType(e, t), Size: size, Annos: g.annos(annos), Pos: g.pos(at)}
	if call.Kind == types.ExternCall {
		inst.Made = call.Name
	}
	for i, p := range call.Params {
		arg := call.Args[i]
		if arg == nil {
			arg = p.Default
		}
		if arg == nil {
			continue
		}
		inst.Args = append(inst.Args, argInt(g.expr(e, arg, p.Type)))
	}
	if !g.claim("instance", name, span(at)) {
		return value{}, false
	}
	g.out.Instances = append(g.out.Instances, inst)
	return value{inst: inst}, true
}

func objectRef(inst *ir.Instance, p ir.Pos) *ir.ObjectRef {
	m := ir.Meta{T: inst.Type, P: p}
	if inst.Size > 0 {
		m.T = &ir.Stack{Elem: inst.Type, Size: inst.Size}
	}
	return &ir.ObjectRef{Meta: m, Inst: inst}
}

// made makes the object of an expression that is a constructor call or the call
// of an extern function that makes one, nil for other calls. It has no name of
// its own and is called by its type.
func (g *gen) made(e *env, n *ast.CallExpr, c *types.Call) ir.Expr {
	t := c.Type
	if c.Kind == types.ExternCall {
		t = c.Result
	}
	x, ok := e.subst(t).(*types.Extern)
	if !ok || c.Kind != types.Constructor && c.Kind != types.ExternCall {
		return nil
	}
	name := join(e.path, x.Name)
	for i, base := 1, name; ; i++ {
		if _, dup := g.names["instance "+name]; !dup {
			break
		}
		name = fmt.Sprintf("%s_%d", base, i)
	}
	v, ok := g.object(e, x, 0, c, name, nil, n)
	if !ok {
		return g.bad(n)
	}
	return objectRef(v.inst, g.pos(n))
}

// methods makes the functions that an instance gives to the abstract methods of
// its type (L39), and the objects declared beside them.
func (g *gen) methods(e *env, inst *ir.Instance, call *types.Call, d *ast.Instantiation) {
	me := &env{parent: e, path: inst.Name, vals: map[*types.Object]value{}, unit: newUnit(e.unit, nil)}
	for _, x := range d.Init.Decls {
		if in, ok := x.(*ast.Instantiation); ok {
			g.instance(me, in)
		}
	}
	for _, x := range d.Init.Decls {
		fd, ok := x.(*ast.FuncDecl)
		o := g.info.Defs[fd]
		if !ok || fd.Body == nil || o == nil {
			continue
		}
		t := o.Type.(*types.Func)
		f := &ir.Function{Name: join(inst.Name, t.Name), Of: inst, Pos: g.pos(fd.Name)}
		if !g.claim("function", f.Name, fd.Name.Span) {
			continue
		}
		fe := &env{parent: me, path: inst.Name, vals: map[*types.Object]value{}, unit: newUnit(e.unit, &f.Locals)}
		fe.unit.this = inst
		fe.unit.result = t.Result
		f.Result = g.typ(fe, t.Result)
		for _, p := range t.Params {
			v := g.param(fe, p)
			if v.Dir == ir.DirNone {
				v.Dir = ir.DirIn
			}
			f.Params = append(f.Params, v)
		}
		f.Body = g.block(fe, fd.Body)
		g.out.Functions = append(g.out.Functions, f)
	}
}

// method is the body that the object of a method call gave to an abstract method,
// nil for other methods.
func (g *gen) method(e *env, c *types.Call) *ir.Function {
	inst := e.object()
	if v, ok := e.lookup(c.Obj); ok && c.Obj != nil {
		inst = v.inst
	}
	if inst == nil || c.Func == nil || !c.Func.Abstract {
		return nil
	}
	for _, f := range g.out.Functions {
		if f.Of == inst && f.Name == join(inst.Name, c.Name) {
			return f
		}
	}
	return nil
}

// object is what `this` means.
func (e *env) object() *ir.Instance {
	for u := e.unit; u != nil; u = u.outer {
		if u.this != nil {
			return u.this
		}
	}
	return nil
}

// lateBlock is an instance of a parser or control with parameters whose arguments
// are known when the program is built: objects, and values of type int or string.
// Its block is made where it is applied.
type lateBlock struct {
	from *env
	call *types.Call
	path string
	at   ast.Node
	key  string // of the arguments it was made for
	blk  *ir.Block
}

// boundLate tells whether instances of b wait for their arguments.
func boundLate(b *types.Block) bool {
	return slices.ContainsFunc(b.Params, func(p *types.Param) bool { return staticParam(p) })
}

// staticParam tells whether the argument of p may be known when the program is
// built. Packets never are.
func staticParam(p *types.Param) bool {
	if p.Dir != ast.DirNone || p.Obj == nil {
		return false
	}
	switch t := p.Type.(type) {
	case *types.Extern:
		return t.Name != "packet_in" && t.Name != "packet_out"
	case *types.Basic:
		return t.Kind == types.Integer || t.Kind == types.String
	}
	return false
}

// staticArgs evaluates the arguments that are known when the program is built, by
// their position.
func (g *gen) staticArgs(e *env, c *types.Call) map[int]value {
	out := map[int]value{}
	for i, p := range c.Params {
		if !staticParam(c.Func.Params[i]) {
			continue
		}
		arg, ae := c.Args[i], e
		if arg == nil {
			arg, ae = p.Default, g.global
		}
		if arg == nil {
			continue
		}
		switch x := g.expr(ae, arg, p.Type).(type) {
		case *ir.ObjectRef:
			out[i] = value{inst: x.Inst}
		case *ir.Const, *ir.StringLit:
			out[i] = value{c: x}
		}
	}
	return out
}

// staticKey tells arguments apart.
func staticKey(static map[int]value) string {
	var b strings.Builder
	for _, i := range sortedKeys(static) {
		fmt.Fprintf(&b, " %d=", i)
		switch v := static[i]; {
		case v.inst != nil:
			b.WriteString(v.inst.Name)
		default:
			if c, ok := v.c.(*ir.Const); ok {
				b.WriteString(c.Val.String())
			} else if s, ok := v.c.(*ir.StringLit); ok {
				fmt.Fprintf(&b, "%q", s.Val)
			}
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[int]V) []int {
	out := make([]int, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// lateBlock makes the block of an instance when it is first applied.
func (g *gen) lateBlock(l *lateBlock, static map[int]value, at ast.Node) *ir.Block {
	key := staticKey(static)
	if l.blk == nil {
		l.blk, l.key = g.newBlock(l.from, l.call, l.path, static, l.at), key
	} else if l.key != key {
		g.errorf(codeUnsupported, span(at), "instance %s is applied with different objects or values of type int; declare one instance for each", l.path)
		return nil
	}
	return l.blk
}
