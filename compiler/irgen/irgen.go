// Package irgen turns a checked program into the typed IR: it evaluates the
// instantiation of `main`, expands the instantiation tree (specification,
// "P4 abstract machine: Evaluation"), specialises generics, gives every object
// its control-plane name and lowers expressions and statements.
//
// In: the syntax tree and types.Info of a program without errors. Out: an
// *ir.Program of level Typed, or nil with diagnostics.
//
// It must not import passes, p4info, ssa or any back end.
package irgen

import (
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// Options are what the sources do not say.
type Options struct {
	// Name is the program's name: the main file's base name without extension.
	Name string
	// Root is the folder to which the paths of source files are made relative;
	// "" leaves relative paths as they are.
	Root string
	// Library accepts a program without `main`: what needs no arguments to be
	// instantiated is, so that the IR has the whole text.
	Library bool
}

// Generate makes the typed IR of a checked program. It returns nil when it
// reported an error, or when the program has no `main`, which is one.
func Generate(prog *ast.Program, info *types.Info, opts Options, rep *diag.List) *ir.Program {
	before := rep.Errors()
	if before > 0 {
		return nil
	}
	g := &gen{
		ast: prog, info: info, opts: opts, rep: rep, set: rep.Set(),
		out:     &ir.Program{Level: ir.Typed, Name: opts.Name, Errors: append([]string(nil), info.Errors...)},
		files:   map[string]int32{},
		enums:   map[*ast.EnumDecl]*ir.Enum{},
		structs: map[string]ir.Type{},
		news:    map[*ast.TypedefDecl]*ir.Newtype{},
		names:   map[string]source.Span{},
		typeUse: map[string]bool{},
		funcs:   map[string]*ir.Function{},
		actions: map[string]*ir.Action{},

		byTypedef: map[*ir.Instance]bool{},
		blocks:    map[string]int{},
	}
	g.global = &env{vals: map[*types.Object]value{}}
	g.program()
	g.dropUnused()
	if rep.Errors() > before {
		return nil
	}
	return g.out
}

type gen struct {
	ast    *ast.Program
	info   *types.Info
	opts   Options
	rep    *diag.List
	set    *source.Set
	out    *ir.Program
	arch   *desc.Arch
	global *env

	files   map[string]int32 // by the name in the sources
	enums   map[*ast.EnumDecl]*ir.Enum
	structs map[string]ir.Type
	news    map[*ast.TypedefDecl]*ir.Newtype
	typeUse map[string]bool
	names   map[string]source.Span // control-plane names in use, by kind and name
	funcs   map[string]*ir.Function
	actions map[string]*ir.Action // by name
	// byTypedef are the objects whose declarations name their types by a typedef.
	byTypedef map[*ir.Instance]bool
	blocks    map[string]int
	depth     int
	marks     []int // of the blocks being made: where their actions begin
}

// value is what a name means in one instance: exactly one field is set.
type value struct {
	v    *ir.Var
	c    ir.Expr // compile-time value
	inst *ir.Instance
	blk  *ir.Block
	tbl  *ir.Table
	act  *ir.Action
	vs   *ir.ValueSet
	pkg  *pack
	late *lateBlock
}

// env holds the meaning of names in one instance of a parser or control, or in
// one specialisation of a function. Names that it lacks are global.
type env struct {
	parent *env
	path   string // control-plane name of the instance, "" at the top
	vals   map[*types.Object]value
	tvars  map[*types.Var]types.Type
	unit   *unit
}

func (e *env) lookup(o *types.Object) (value, bool) {
	for ; e != nil; e = e.parent {
		if v, ok := e.vals[o]; ok {
			return v, true
		}
	}
	return value{}, false
}

// unit is a body whose local variables share one set of names.
type unit struct {
	outer  *unit
	names  map[string]bool
	locals *[]*ir.Var
	// fresh tells that statements may run more than once an invocation, so
	// that a variable without initializer must be zeroed where it is declared.
	fresh  int
	labels int
	loops  []loop
	result types.Type // of functions
	this   *ir.Instance
}

// loop holds the labels that break and continue leave.
type loop struct{ brk, cont string }

func blockKind(b *types.Block) ir.BlockKind {
	if b.Kind == types.Parser {
		return ir.Parser
	}
	return ir.Control
}

// maxTree bounds the depth of the instantiation tree.
const maxTree = 200

// newBlock makes one instance of a parser or control. Parameters that static
// has, by position, are no parameters of the block.
func (g *gen) newBlock(from *env, call *types.Call, path string, static map[int]value, at ast.Node) *ir.Block {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > maxTree {
		g.errorf(codeUnsupported, span(at), "instances are nested more than %d deep", maxTree)
		return nil
	}
	b := from.subst(call.Type).(*types.Block)
	blk := &ir.Block{Name: path, Decl: b.Name, Kind: blockKind(b), Pos: g.pos(b.Decl.DeclName())}
	if n := g.blocks[path]; n > 0 {
		blk.Name = fmt.Sprintf("%s_%d", path, n+1)
	}
	g.blocks[path]++
	e := &env{parent: g.global, path: path, vals: map[*types.Object]value{}, tvars: map[*types.Var]types.Type{}}
	for i, v := range b.TypeParams {
		if i < len(b.Args) {
			e.tvars[v] = b.Args[i]
		}
	}
	e.unit = newUnit(nil, &blk.Locals)
	g.marks = append(g.marks, len(g.out.Actions))
	defer func() { g.marks = g.marks[:len(g.marks)-1] }()
	if !g.ctorArgs(from, e, call, b.Ctor) {
		return nil
	}
	for i, p := range b.Params {
		if v, known := static[i]; known {
			e.vals[p.Obj] = v
			continue
		}
		blk.Params = append(blk.Params, g.param(e, p))
	}
	switch d := b.Decl.(type) {
	case *ast.ParserDecl:
		blk.Annos = g.annos(d.Annotations)
		g.parser(e, blk, d)
	case *ast.ControlDecl:
		blk.Annos = g.annos(d.Annotations)
		g.control(e, blk, d)
	}
	g.out.Blocks = append(g.out.Blocks, blk)
	return blk
}

// ctorArgs evaluates constructor arguments in env from and binds the parameters
// in env to.
func (g *gen) ctorArgs(from, to *env, call *types.Call, params []*types.Param) bool {
	for i, p := range params {
		if p.Obj == nil {
			continue
		}
		var arg ast.Expr
		if i < len(call.Args) {
			arg = call.Args[i]
		}
		if arg == nil {
			arg = p.Default
			if arg == nil {
				continue // an absent @optional parameter
			}
		}
		v, ok := g.ctorArg(from, arg, p)
		if !ok {
			return false
		}
		to.vals[p.Obj] = v
	}
	return true
}

func (g *gen) ctorArg(from *env, arg ast.Expr, p *types.Param) (value, bool) {
	switch p.Type.(type) {
	case *types.Extern, *types.Block:
		if path, ok := arg.(*ast.PathExpr); ok {
			if v, ok := from.lookup(g.info.Uses[path.Path]); ok {
				return v, true
			}
		}
		if e, ok := arg.(*ast.CallExpr); ok && g.info.Calls[e] != nil {
			if g.info.Calls[e].Kind == types.Constructor {
				return g.construct(from, g.info.Calls[e], join(from.path, p.Name), nil, arg)
			}
			if ref, ok := g.expr(from, e, nil).(*ir.ObjectRef); ok {
				return value{inst: ref.Inst}, true
			}
		}
		g.errorf(codeUnsupported, span(arg), "an object is passed here in a form that p4nic does not follow")
		return value{}, false
	}
	return value{c: g.expr(from, arg, p.Type)}, true
}

// instance makes the object of a declaration `T(args) name;`.
func (g *gen) instance(e *env, d *ast.Instantiation) {
	call := g.info.Insts[d]
	o := g.info.Defs[d]
	if call == nil || o == nil {
		return
	}
	v, ok := g.construct(e, call, fullName(e.path, d.Annotations, d.Name.Name), d.Annotations, d)
	if !ok {
		return
	}
	e.vals[o] = v
	if v.inst != nil && g.namedByTypedef(d) {
		g.byTypedef[v.inst] = true
	}
	if d.Init != nil && v.inst != nil {
		g.methods(e, v.inst, call, d)
	}
}

// construct makes an extern object or a sub-block with the given full name.
func (g *gen) construct(e *env, call *types.Call, name string, annos []*ast.Annotation, at ast.Node) (value, bool) {
	switch t := call.Type.(type) {
	case *types.Block:
		if t.Kind == types.Package {
			p := g.pack(call, at)
			return value{pkg: p}, p != nil
		}
		if boundLate(t) {
			return value{late: &lateBlock{from: e, call: call, path: name, at: at}}, true
		}
		blk := g.newBlock(e, call, name, nil, at)
		return value{blk: blk}, blk != nil
	case *types.Extern:
		return g.object(e, t, 0, call, name, annos, at)
	case *types.Stack:
		if x, ok := t.Elem.(*types.Extern); ok && t.Size > 0 {
			return g.object(e, x, t.Size, call, name, annos, at)
		}
	}
	g.errorf(codeUnsupported, span(at), "there are no objects of type %s", call.Type)
	return value{}, false
}

// claim reserves a control-plane name within one kind (L179).
func (g *gen) claim(kind, name string, at source.Span) bool {
	key := kind + " " + name
	if old, dup := g.names[key]; dup {
		if set := g.rep.Set(); set.Position(at.Lo).File == set.Position(old.Lo).File && at.Lo < old.Lo {
			at, old = old, at // the later one is the duplicate
		}
		g.rep.Report(diag.Diagnostic{Code: codeDuplicateName, Span: at,
			Message: fmt.Sprintf("two objects have the control-plane name %s", name),
			Notes:   []diag.Note{{Span: old, Message: "the other one"}}})
		return false
	}
	g.names[key] = at
	return true
}

// localName is the last part of a control-plane name: @name or the declared
// one; a leading dot makes it absolute (L177).
func localName(annos []*ast.Annotation, name string) string {
	for _, a := range annos {
		if a.Name.Name == "name" && len(a.Exprs) == 1 {
			if s, ok := text(a.Exprs[0]); ok {
				return s // the first one counts
			}
		}
	}
	return name
}

// text evaluates a string expression (L57).
func text(x ast.Expr) (string, bool) {
	switch x := x.(type) {
	case *ast.StringLit:
		return x.Value, true
	case *ast.BinaryExpr:
		a, ok1 := text(x.X)
		b, ok2 := text(x.Y)
		return a + b, ok1 && ok2 && x.Op == ast.OpConcat
	}
	return "", false
}

func fullName(path string, annos []*ast.Annotation, name string) string {
	return join(path, localName(annos, name))
}

func join(path, name string) string {
	if strings.HasPrefix(name, ".") {
		return name[1:]
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func newUnit(outer *unit, locals *[]*ir.Var) *unit {
	return &unit{outer: outer, names: map[string]bool{}, locals: locals}
}

func (u *unit) taken(name string) bool {
	for ; u != nil; u = u.outer {
		if u.names[name] {
			return true
		}
	}
	return false
}

// name reserves a name, with a number where it is taken.
func (u *unit) name(want string) string {
	n := want
	for i := 1; u.taken(n); i++ {
		n = fmt.Sprintf("%s_%d", want, i)
	}
	u.names[n] = true
	return n
}

func (u *unit) label(what string) string {
	for ; u.outer != nil; u = u.outer {
	}
	u.labels++
	return fmt.Sprintf("%s%d", what, u.labels)
}

// param makes the variable of a parameter. Its name stays: the control plane
// sees those of actions.
func (g *gen) param(e *env, p *types.Param) *ir.Var {
	v := &ir.Var{Name: p.Name, Type: g.typ(e, p.Type), Dir: dir(p.Dir)}
	if p.Decl != nil {
		v.Annos = g.annos(p.Decl.Annotations)
		v.Pos = g.pos(p.Decl)
	}
	e.unit.names[p.Name] = true
	if p.Obj != nil {
		e.vals[p.Obj] = value{v: v}
	}
	return v
}

// local makes a local variable.
func (g *gen) local(e *env, name string, t ir.Type, at ast.Node) *ir.Var {
	v := &ir.Var{Name: e.unit.name(name), Type: t, Pos: g.pos(at)}
	*e.unit.locals = append(*e.unit.locals, v)
	return v
}

func dir(d ast.Direction) ir.Dir {
	switch d {
	case ast.DirIn:
		return ir.DirIn
	case ast.DirOut:
		return ir.DirOut
	case ast.DirInOut:
		return ir.DirInOut
	}
	return ir.DirNone
}

func (g *gen) errorf(code diag.Code, at source.Span, format string, args ...any) {
	g.rep.Report(diag.Diagnostic{Code: code, Span: at, Message: fmt.Sprintf(format, args...)})
}

func span(n ast.Node) source.Span { return source.Span{Lo: n.Pos(), Hi: n.End()} }

// pos converts a position and notes the text of its line.
func (g *gen) pos(n ast.Node) ir.Pos {
	if n == nil {
		return ir.Pos{}
	}
	p := n.Pos()
	f := g.set.File(p)
	if f == nil {
		return ir.Pos{}
	}
	at := g.set.Place(p)
	i, ok := g.files[at.File]
	if !ok {
		path := g.relative(at.File)
		n := slices.IndexFunc(g.out.Files, func(f ir.SourceFile) bool { return f.Path == path })
		if n < 0 {
			n = len(g.out.Files)
			g.out.Files = append(g.out.Files, ir.SourceFile{Path: path, Lines: map[int32]string{}})
		}
		i = int32(n)
		g.files[at.File] = i
	}
	line := int32(at.Line)
	if _, have := g.out.Files[i].Lines[line]; !have {
		g.out.Files[i].Lines[line] = f.Line(at.Physical)
	}
	return ir.Pos{File: i, Line: line, Col: int32(at.Col)}
}

func (g *gen) relative(path string) string {
	if g.opts.Root != "" || filepath.IsAbs(path) {
		root := g.opts.Root
		if root == "" {
			return filepath.ToSlash(filepath.Base(path))
		}
		if r, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(r, "..") {
			return filepath.ToSlash(r)
		}
		if filepath.IsAbs(path) {
			return filepath.ToSlash(filepath.Base(path))
		}
	}
	return filepath.ToSlash(filepath.Clean(path))
}

func bigInt(n int) *big.Int { return big.NewInt(int64(n)) }
