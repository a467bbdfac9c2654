package irgen

import (
	"github.com/p4nic/p4nic/compiler/arch"
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// pack is an instance of a package (L40): the parsers and controls it was given,
// in the order of its parameters.
type pack struct {
	name  string // of the package type
	slots []slot
}

// slot is one block; path is that of desc.Slot.
type slot struct {
	path string
	blk  *ir.Block
}

// program makes everything that hangs on the top level.
func (g *gen) program() {
	g.namedTypes()
	if o := g.info.Top["main"]; g.opts.Library && (o == nil || o.Kind == types.FuncObj) {
		g.library()
		return
	}
	d := g.main()
	if d == nil {
		return
	}
	g.arch = g.architecture(g.info.Insts[d])
	for _, x := range g.ast.Decls {
		if inst, ok := x.(*ast.Instantiation); ok && inst != d {
			g.instance(g.global, inst)
		}
	}
	g.out.PkgAnnos = g.annos(d.Annotations)
	p := g.pack(g.info.Insts[d], d)
	if p == nil {
		return
	}
	g.bind(p, d)
}

// library makes what a program without main declares: objects, and one instance
// of each parser, control, function and action that needs no arguments for it.
func (g *gen) library() {
	g.arch = &desc.Arch{}
	for _, d := range g.ast.Decls {
		switch d := d.(type) {
		case *ast.Instantiation:
			g.instance(g.global, d)
		case *ast.ParserDecl, *ast.ControlDecl:
			if b, ok := g.info.Defs[d].Type.(*types.Block); ok && len(b.TypeParams)+len(b.Ctor) == 0 {
				g.newBlock(g.global, &types.Call{Kind: types.Constructor, Type: b}, b.Name, nil, d)
			}
		case *ast.FuncDecl:
			if o := g.info.Defs[d]; d.Body != nil && o != nil {
				if f := o.Type.(*types.Func); len(f.TypeParams) == 0 {
					g.function(g.global, &types.Call{Kind: types.FuncCall, Name: f.Name, Func: f, Obj: o}, nil)
				}
			}
		case *ast.ActionDecl:
			if o := g.info.Defs[d]; o != nil {
				g.action(g.global, o)
			}
		}
	}
}

// main finds the declaration of the package instance called main.
func (g *gen) main() *ast.Instantiation {
	o := g.info.Top["main"]
	if o == nil {
		g.errorf(codeNoMain, source.Span{}, "the program has no package instance called main")
		return nil
	}
	d, ok := o.Node.(*ast.Instantiation)
	if !ok || g.info.Insts[d] == nil {
		g.errorf(codeBadMain, o.Span, "main is not an instance of a package")
		return nil
	}
	return d
}

// architecture finds the description of main's package. Of one that p4nic does
// not know, only the name is known: it can be checked and described.
func (g *gen) architecture(call *types.Call) *desc.Arch {
	b := call.Type.(*types.Block)
	if a, _ := arch.Match(b.Name, declared(b, "", 0)); a != nil {
		return a
	}
	a := &desc.Arch{Name: b.Name, Package: b.Name}
	if known, err := arch.Lookup(b.Name); err == nil && known.Name == b.Name {
		a.Name = "package " + b.Name // not the architecture of that name
	}
	return a
}

// declared lists the parsers and controls that a package takes.
func declared(b *types.Block, prefix string, depth int) []desc.Slot {
	var out []desc.Slot
	for _, p := range b.Ctor {
		t, ok := p.Type.(*types.Block)
		switch {
		case !ok || depth > maxTree:
		case t.Kind == types.Package:
			out = append(out, declared(t, prefix+p.Name+".", depth+1)...)
		default:
			out = append(out, desc.Slot{Path: prefix + p.Name, Kind: blockKind(t)})
		}
	}
	return out
}

// bind names the slots of main.
func (g *gen) bind(p *pack, d *ast.Instantiation) {
	g.out.Arch = g.arch.Name
	have := make([]desc.Slot, len(p.slots))
	names := make([]string, len(p.slots))
	for i, s := range p.slots {
		have[i] = desc.Slot{Path: s.path, Kind: s.blk.Kind}
		names[i] = s.path
	}
	if len(g.arch.Slots) > 0 {
		a, known := arch.Match(p.name, have)
		if a == nil {
			g.errorf(codeBadMain, d.Span, "package %s of architecture %s lacks an argument", p.name, g.arch.Name)
			return
		}
		names = known
	}
	for i, s := range p.slots {
		g.out.Pipeline = append(g.out.Pipeline, ir.Binding{Slot: names[i], Block: s.blk})
	}
}

// pack makes an instance of a package.
func (g *gen) pack(call *types.Call, at ast.Node) *pack {
	b := call.Type.(*types.Block)
	out := &pack{name: b.Name}
	for i, p := range call.Params {
		arg := call.Args[i]
		if arg == nil {
			arg = p.Default
		}
		if arg == nil {
			continue // an absent @optional parameter
		}
		t, ok := p.Type.(*types.Block)
		if !ok {
			// Objects made in place have no name, so nobody can refer to them.
			if _, made := arg.(*ast.CallExpr); made {
				continue
			}
			if _, ok := g.ctorArg(g.global, arg, p); !ok {
				return nil
			}
			continue
		}
		v, ok := g.packArg(arg, t)
		switch {
		case !ok:
			return nil
		case v.blk != nil:
			out.slots = append(out.slots, slot{p.Name, v.blk})
		case v.pkg != nil:
			for _, s := range v.pkg.slots {
				out.slots = append(out.slots, slot{p.Name + "." + s.path, s.blk})
			}
		}
	}
	return out
}

// packArg evaluates a parser, control or package that a package is given.
func (g *gen) packArg(arg ast.Expr, t *types.Block) (value, bool) {
	switch x := arg.(type) {
	case *ast.PathExpr:
		if v, ok := g.global.lookup(g.info.Uses[x.Path]); ok && (v.pkg != nil || v.blk != nil) {
			return v, true
		}
	case *ast.CallExpr:
		call := g.info.Calls[x]
		if call == nil || call.Kind != types.Constructor {
			break
		}
		b, ok := call.Type.(*types.Block)
		if !ok || b.Kind != t.Kind {
			break
		}
		// An anonymous instance is called by its type; @name on the declaration
		// of the type does not count.
		if b.Kind != types.Package {
			blk := g.newBlock(g.global, call, b.Name, nil, arg)
			return value{blk: blk}, blk != nil
		}
		return g.construct(g.global, call, b.Name, nil, arg)
	}
	g.errorf(codeUnsupported, span(arg), "the argument for a %s must be a constructor call or the name of an instance", t.Kind)
	return value{}, false
}
