package types

import (
	"math/big"
	"slices"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
)

// call checks a call of any kind.
func (c *checker) call(e *ast.CallExpr) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	switch f := e.Fun.(type) {
	case *ast.TypeExpr:
		t := c.typeOrGeneric(f.Type)
		c.set(f, TypeAndValue{TypeName, &TypeType{Of: t}, nil})
		call := c.construct(t, e.Args, e)
		if call == nil {
			return fail
		}
		c.info.Calls[e] = call
		return TypeAndValue{Mode: Compile, Type: call.Type}
	case *ast.PathExpr:
		tv := c.expr(f)
		o := c.info.Uses[f.Path]
		if isBad(tv.Type) || o == nil {
			c.checkArgsOnly(e.Args)
			return fail
		}
		if o.Kind != FuncObj && o.Kind != ActionObj {
			c.note(codeNotCallable, f.Span, declaredHere(o.Span), "%s is a %s and cannot be called", o.Name, o.Kind)
			c.checkArgsOnly(e.Args)
			return fail
		}
		return c.callFunc(e, o)
	case *ast.MemberExpr:
		c.calling = f
		tv := c.expr(f)
		s := c.info.Members[f]
		if isBad(tv.Type) || s == nil {
			c.checkArgsOnly(e.Args)
			return fail
		}
		switch s.Kind {
		case MethodSel:
			return c.callMethod(e, f)
		case ApplySel:
			return c.callApply(e, f)
		case BuiltinSel:
			if tv.Mode == Callable {
				return c.callBuiltin(e, f)
			}
		}
		c.errorf(codeNotCallable, f, "%s cannot be called", f.Member.Name)
		c.checkArgsOnly(e.Args)
		return fail
	}
	c.expr(e.Fun)
	c.errorf(codeNotCallable, e.Fun, "this cannot be called")
	c.checkArgsOnly(e.Args)
	return fail
}

func (c *checker) checkArgsOnly(args []*ast.Arg) {
	for _, a := range args {
		c.expr(a.Value)
	}
}

// callFunc checks a call of a function, extern function or action by name.
func (c *checker) callFunc(e *ast.CallExpr, o *Object) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	var cands []*Func
	objs := map[*Func]*Object{}
	for x := o; x != nil; x = x.Next {
		f := x.Type.(*Func)
		cands = append(cands, f)
		objs[f] = x
	}
	cands = c.closed(cands, objs)
	if top := c.top.names[o.Name]; !o.Top && !fits(cands, e.Args) && top != nil && top.Kind == FuncObj {
		// A local action may have the name of the function that it calls.
		var outer []*Func
		for x := top; x != nil; x = x.Next {
			f := x.Type.(*Func)
			outer = append(outer, f)
			objs[f] = x
		}
		if fits(outer, e.Args) {
			cands = outer
		}
	}
	f, bound, ok := c.pick(o.Name, cands, e.Args, e)
	if !ok {
		c.checkArgsOnly(e.Args)
		return fail
	}
	o = objs[f]
	c.info.Uses[e.Fun.(*ast.PathExpr).Path] = o
	call := &Call{Kind: FuncCall, Name: f.Name, Func: f, Obj: o}
	switch {
	case f.IsAction:
		call.Kind = ActionCall
		if c.body != nil && (c.body.kind == parserBody || c.body.kind == funcBody) || c.body == nil {
			c.errorf(codeCallPlace, e, "action %s cannot be called from %s", f.Name, c.place())
		}
	case f.IsExtern:
		call.Kind = ExternCall
		if f.Name == "verify" && (c.body == nil || c.body.kind != parserBody) {
			c.errorf(codeCallPlace, e, "verify can be called only in a parser")
		}
	case c.body == nil:
		c.errorf(codeCallPlace, e, "functions cannot be called here")
	}
	if c.open[o] {
		c.note(codeRecursion, span(e), declaredHere(o.Span), "%s calls itself; recursion is not allowed", f.Name)
		c.checkArgsOnly(e.Args)
		return fail
	}
	if !c.finishCall(e, call, nil, bound) {
		return fail
	}
	c.deprecated(f.Decl, e, f.Name)
	if call.Kind == ExternCall && f.Name == "static_assert" {
		return c.staticAssert(e, call)
	}
	if call.Kind == ExternCall && c.atCompileTime(call) {
		return TypeAndValue{Mode: Compile, Type: call.Result}
	}
	return TypeAndValue{Mode: resultMode(call.Result), Type: call.Result}
}

// atCompileTime tells whether the architecture can evaluate a call while it
// builds the program: it makes an object or is @pure, and all it gets is known.
func (c *checker) atCompileTime(call *Call) bool {
	_, object := deref(call.Result).(*Extern)
	d, ok := call.Func.Decl.(*ast.FuncDecl)
	if !object && !(ok && has(d.Annotations, "pure")) || isKind(call.Result, Void) {
		return false
	}
	for _, a := range call.Args {
		if a == nil {
			continue
		}
		switch c.info.Types[a].Mode {
		case Constant, Compile, Object_:
		default:
			return false
		}
	}
	return true
}

// closed drops the functions whose bodies are being checked where others of the
// name remain: a function is visible after its declaration.
func (c *checker) closed(cands []*Func, objs map[*Func]*Object) []*Func {
	var out []*Func
	for _, f := range cands {
		if !c.open[objs[f]] {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return cands
	}
	return out
}

func fits(cands []*Func, args []*ast.Arg) bool {
	for _, f := range cands {
		if _, problem, _ := bindArgs(f, args); problem == "" {
			return true
		}
	}
	return false
}

func (c *checker) place() string {
	if c.body == nil {
		return "here"
	}
	return "a " + c.body.kind.String()
}

func resultMode(t Type) Mode {
	if isKind(t, Void) {
		return NoValue
	}
	return RValue
}

func (c *checker) deprecated(decl ast.Node, at ast.Node, name string) {
	d, ok := decl.(ast.Annotated)
	if !ok {
		return
	}
	if a := ast.FindAnnotation(d.Annots(), "deprecated"); a != nil {
		msg := ""
		if len(a.Exprs) == 1 {
			if s, ok := a.Exprs[0].(*ast.StringLit); ok {
				msg = ": " + s.Value
			}
		}
		c.warnf(codeDeprecated, at, "%s is deprecated%s", name, msg)
	}
}

// staticAssert evaluates static_assert (L151).
func (c *checker) staticAssert(e *ast.CallExpr, call *Call) TypeAndValue {
	v := c.info.Types[call.Args[0]]
	if v.Mode != Constant {
		if v.Mode != Compile {
			c.errorf(codeNotConstant, call.Args[0], "the condition of static_assert is not known at compile time")
		}
		return TypeAndValue{Mode: Compile, Type: basic(Bool)}
	}
	if v.Value.Int.Sign() == 0 {
		msg := "static_assert failed"
		if len(call.Args) > 1 {
			if m := c.info.Types[call.Args[1]]; m.Value != nil {
				msg += ": " + m.Value.Str
			}
		}
		c.errorf(codeStaticAssert, e, "%s", msg)
	}
	r := constBool(true)
	return TypeAndValue{Constant, r.Type, r}
}

func (c *checker) callMethod(e *ast.CallExpr, f *ast.MemberExpr) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	ext := deref(c.info.Types[f.X].Type).(*Extern)
	var cands []*Func
	for _, m := range ext.Base().Methods {
		if m.Name == f.Member.Name {
			cands = append(cands, m)
		}
	}
	fn, bound, ok := c.pick(f.Member.Name, cands, e.Args, e)
	if !ok {
		c.checkArgsOnly(e.Args)
		return fail
	}
	if c.body == nil {
		c.errorf(codeCallPlace, e, "methods cannot be called here")
	}
	call := &Call{Kind: MethodCall, Name: fn.Name, Func: fn, Recv: f.X, Type: ext}
	if p, ok := f.X.(*ast.PathExpr); ok {
		call.Obj = c.info.Uses[p.Path]
	}
	if !c.finishCall(e, call, bindings(ext.Base().Params, ext.Args), bound) {
		return fail
	}
	c.packetCall(e, call)
	return TypeAndValue{Mode: resultMode(call.Result), Type: call.Result}
}

// packetCall checks what the methods of packet_in say about their type
// arguments (specification, "Data extraction").
func (c *checker) packetCall(e *ast.CallExpr, call *Call) {
	if call.Type.(*Extern).Name != "packet_in" || len(call.TypeArgs) != 1 {
		return
	}
	t := deref(call.TypeArgs[0])
	if _, generic := t.(*Var); generic || isBad(t) {
		return
	}
	switch call.Name {
	case "extract":
		h := asStruct(t, ast.Header)
		if h == nil {
			c.errorf(codeBadArg, e, "extract needs a header, not a value of type %s", t)
			return
		}
		n := 0
		var first ast.Node = h.Decl.Name
		for _, f := range h.Fields {
			if b, ok := deref(f.Type).(*Bits); ok && b.Var {
				if n++; n == 1 {
					first = f.Decl
				}
			}
		}
		if len(call.Args) == 1 && n > 0 {
			c.note(codeBadArg, span(e), declaredHere(h.Decl.Name), "header %s has a varbit field; give its size as a second argument", h)
		}
		if len(call.Args) == 2 && n != 1 {
			if n > 1 {
				c.blame(codeBadArg, span(first), e.Span, "extract with a size needs a header with one varbit field, %s has %d", h, n)
				return
			}
			c.note(codeBadArg, span(e), declaredHere(h.Decl.Name), "extract with a size needs a header with one varbit field, %s has %d", h, n)
		}
	case "lookahead":
		lo, ok := sizeOf(t, false)
		hi, _ := sizeOf(t, true)
		if !ok || lo != hi {
			c.errorf(codeBadArg, e, "lookahead needs a type of fixed width, not %s", t)
		}
	}
}

// callApply checks t.apply(), p.apply(...) and T.apply(...).
func (c *checker) callApply(e *ast.CallExpr, f *ast.MemberExpr) TypeAndValue {
	fail := TypeAndValue{Type: bad()}
	if len(e.TypeArgs) > 0 {
		c.errorf(codeTypeArgs, e.TypeArgs[0], "apply has no type parameters")
	}
	t := deref(c.info.Types[f.X].Type)
	if tt, ok := t.(*TableType); ok {
		if len(e.Args) > 0 {
			c.errorf(codeArgCount, e.Args[0], "apply of a table has no parameters")
			c.checkArgsOnly(e.Args)
		}
		if c.body == nil || c.body.kind != controlBody {
			c.errorf(codeCallPlace, e, "a table can be applied only in the apply block of a control, not in %s", c.place())
		}
		call := &Call{Kind: TableApply, Name: "apply", Recv: f.X, Result: &TableResult{Decl: tt.Decl}}
		if p, ok := f.X.(*ast.PathExpr); ok {
			call.Obj = c.info.Uses[p.Path]
		}
		c.info.Calls[e] = call
		return TypeAndValue{Mode: NoValue, Type: call.Result}
	}
	call := &Call{Kind: BlockApply, Name: "apply", Recv: f.X, Result: basic(Void)}
	if p, ok := f.X.(*ast.PathExpr); ok {
		call.Obj = c.info.Uses[p.Path]
	}
	if d, ok := t.(*TypeType); ok {
		call.Kind = DirectApply
		t = deref(d.Of)
	}
	b, ok := t.(*Block)
	if !ok {
		c.checkArgsOnly(e.Args)
		return fail
	}
	if call.Kind == DirectApply {
		if len(b.Ctor) > 0 || b.IsType {
			c.errorf(codeBadInst, f.X, "%s cannot be applied directly; it needs an instance", b)
		}
		if c.open[c.info.Defs[b.Decl]] {
			c.errorf(codeRecursion, e, "%s applies itself; recursion is not allowed", b.Name)
		}
	}
	call.Type = b
	want := controlBody
	if b.Kind == Parser {
		want = parserBody
	}
	if c.body == nil || c.body.kind != want {
		c.errorf(codeCallPlace, e, "a %s can be applied only in a %s, not in %s", b.Kind, want, c.place())
	}
	fn := &Func{Name: b.Name + ".apply", Params: b.Params, Result: basic(Void), Decl: b.Decl}
	fn, bound, ok := c.pick(fn.Name, []*Func{fn}, e.Args, e)
	if !ok {
		c.checkArgsOnly(e.Args)
		return fail
	}
	call.Func = fn
	if !c.finishCall(e, call, nil, bound) {
		return fail
	}
	return TypeAndValue{Mode: NoValue, Type: basic(Void)}
}

// callBuiltin checks the methods of headers, stacks and types.
func (c *checker) callBuiltin(e *ast.CallExpr, f *ast.MemberExpr) TypeAndValue {
	x := c.info.Types[f.X]
	call := &Call{Kind: BuiltinCall, Name: f.Member.Name, Recv: f.X, Result: basic(Void)}
	c.info.Calls[e] = call
	if len(e.TypeArgs) > 0 {
		c.errorf(codeTypeArgs, e.TypeArgs[0], "%s has no type parameters", call.Name)
	}
	for _, a := range e.Args {
		c.rvalue(a.Value)
	}
	want := 0
	switch call.Name {
	case "push_front", "pop_front":
		want = 1
	}
	if len(e.Args) != want {
		c.errorf(codeArgCount, e, "%s takes %s, %d given", call.Name, plural(want, "argument"), len(e.Args))
		return TypeAndValue{Type: bad()}
	}
	switch call.Name {
	case "isValid":
		call.Result = basic(Bool)
		return TypeAndValue{Mode: RValue, Type: call.Result}
	case "setValid", "setInvalid":
		if x.Mode != LValue {
			c.errorf(codeNotLValue, f.X, "%s changes its header, which is read-only here", call.Name)
		}
		return TypeAndValue{Mode: NoValue, Type: call.Result}
	case "push_front", "pop_front":
		if x.Mode != LValue {
			c.errorf(codeNotLValue, f.X, "%s changes its stack, which is read-only here", call.Name)
		}
		n, ok := c.constInt(e.Args[0].Value, "the number of elements")
		if ok && n < 1 {
			c.errorf(codeBadArg, e.Args[0], "the number of elements must be positive")
		}
		call.Args = []ast.Expr{e.Args[0].Value}
		return TypeAndValue{Mode: NoValue, Type: call.Result}
	}
	// The sizes are constants of type int.
	t := deref(x.Type)
	if tt, ok := t.(*TypeType); ok {
		t = deref(tt.Of)
	}
	call.Result = basic(Integer)
	call.Type = t
	if hasVar(t) {
		return TypeAndValue{Mode: Compile, Type: call.Result}
	}
	return TypeAndValue{Constant, call.Result, constInt(call.Result, big.NewInt(SizeCall(call.Name, t)))}
}

// SizeCall evaluates minSizeInBits and its like on a type.
func SizeCall(name string, t Type) int64 {
	bits, _ := sizeOf(t, name == "maxSizeInBits" || name == "maxSizeInBytes")
	if name == "minSizeInBytes" || name == "maxSizeInBytes" {
		return int64(bits+7) / 8
	}
	return int64(bits)
}

func hasVars(ts []Type) bool {
	for _, t := range ts {
		if hasVar(t) {
			return true
		}
	}
	return false
}

func hasVar(t Type) bool {
	switch t := deref(t).(type) {
	case *Var:
		return true
	case *Struct:
		for _, f := range t.Fields {
			if hasVar(f.Type) {
				return true
			}
		}
	case *Stack:
		return hasVar(t.Elem)
	case *Tuple:
		for _, e := range t.Elems {
			if hasVar(e) {
				return true
			}
		}
	}
	return false
}

// construct checks the making of an object of type t; nil when it fails.
func (c *checker) construct(t Type, args []*ast.Arg, at ast.Node) *Call {
	call := &Call{Kind: Constructor, Type: t, Result: t}
	t = deref(t)
	if s, ok := t.(*Stack); ok {
		elem := c.construct(s.Elem, args, at)
		if elem == nil {
			return nil
		}
		elem.Type = &Stack{Elem: elem.Type, Size: s.Size}
		elem.Result = elem.Type
		return elem
	}
	if isBad(t) {
		c.checkArgsOnly(args)
		return nil
	}
	if b, ok := t.(*Block); ok {
		if t = c.overload(b, args, at); t == nil {
			c.checkArgsOnly(args)
			return nil
		}
		call.Type, call.Result = t, t
	}
	vars := typeParams(t)
	targs := make([]Type, len(vars))
	for i, v := range vars {
		targs[i] = &infer{v: v}
	}
	if len(vars) > 0 {
		t = instantiate(t, targs)
	}
	var cands []*Func
	var m map[*Var]Type
	name := typeName(t)
	switch x := t.(type) {
	case *Extern:
		cands = x.Base().Ctors
		m = bindings(x.Base().Params, x.Args)
		if len(cands) == 0 {
			c.note(codeBadInst, span(at), declaredHere(x.Decl.Name), "extern %s has no constructor", name)
			c.checkArgsOnly(args)
			return nil
		}
		c.deprecated(x.Decl, at, name)
		if _, declared := at.(*ast.Instantiation); !declared {
			for _, f := range x.Base().Methods {
				if f.Abstract {
					c.note(codeBadInst, span(at), declaredHere(headOf(f.Decl)), "extern %s has abstract methods; declare an instance with their bodies", name)
					c.checkArgsOnly(args)
					return nil
				}
			}
		}
	case *Block:
		if x.IsType {
			c.note(codeBadInst, span(at), declaredHere(x.Decl.DeclName()), "%s is only a type; declare a %s with a body", x, x.Kind)
			c.checkArgsOnly(args)
			return nil
		}
		if o := c.info.Defs[x.Decl]; o != nil && c.open[o] {
			c.note(codeRecursion, span(at), declaredHere(o.Span), "%s contains an instance of itself", name)
			c.checkArgsOnly(args)
			return nil
		}
		cands = []*Func{{Name: name, Params: x.Ctor, Result: basic(Void), Decl: x.Decl}}
	default:
		c.errorf(codeBadInst, at, "there are no objects of type %s", t)
		c.checkArgsOnly(args)
		return nil
	}
	pkg, _ := t.(*Block)
	if pkg != nil && pkg.Kind != Package {
		pkg = nil
	}
	if pkg != nil && len(cands) == 1 {
		if _, problem, _ := bindArgs(cands[0], args); problem != "" {
			c.blame(codeArgCount, span(pkg.Decl.DeclName()), span(at), "%s", problem)
			c.checkArgsOnly(args)
			return nil
		}
	}
	fn, bound, ok := c.pick(name, cands, args, at)
	if !ok {
		c.checkArgsOnly(args)
		return nil
	}
	call.Func, call.Name = fn, name
	call.Params = substParams(fn.Params, m)
	call.Args = bound
	good := true
	for i, p := range call.Params {
		if bound[i] == nil {
			if p.Default != nil && !unify(p.Type, subst(c.info.Types[p.Default].Type, blockArgs(t)), true) {
				c.note(codeMismatch, span(at), paramHere(p), "the default of parameter %s does not fit type %s", p.Name, p.Type)
				good = false
			}
			continue
		}
		tv := c.expr(bound[i])
		if isBad(tv.Type) {
			good = false
			continue
		}
		if !unify(p.Type, tv.Type, true) {
			if _, value := deref(p.Type).(*Block); pkg != nil && tv.Mode != TypeName && (value || isBlock(tv.Type)) {
				c.blame(codeMismatch, span(pkg.Decl.DeclName()), span(bound[i]), "cannot give %s to parameter %s of type %s", c.describeArg(tv), p.Name, p.Type)
			} else {
				c.note(codeMismatch, span(bound[i]), paramHere(p), "cannot give %s to parameter %s of type %s", c.describeArg(tv), p.Name, p.Type)
			}
			good = false
			continue
		}
		switch tv.Mode {
		case Constant, Compile, Object_:
			c.warnOverflow(p.Type, bound[i])
		default:
			c.note(codeNotConstant, span(bound[i]), paramHere(p), "the argument for %s is not known at compile time", p.Name)
			good = false
		}
	}
	if !good {
		return nil
	}
	for i, v := range vars {
		if targs[i].(*infer).bound == nil {
			_, object := t.(*Extern)
			if !(pkg != nil && c.defaultOf(pkg, v)) && (optionalOnly(fn, v, bound) || !object && !inParams(fn, v)) {
				targs[i].(*infer).bound = basic(DontCare)
				continue
			}
			c.errorf(codeCannotInfer, at, "the type argument %s of %s cannot be inferred; write it", v.Name, name)
			return nil
		}
		if x, ok := deref(targs[i]).(*Var); ok && slices.Contains(vars, x) {
			c.errorf(codeCannotInfer, at, "the type argument %s of %s cannot be inferred from a default value; write it", v.Name, name)
			return nil
		}
		if isInteger(targs[i]) {
			c.errorf(codeCannotInfer, at, "the width of the type argument %s of %s cannot be inferred from an int literal; give the literal a width", v.Name, name)
			return nil
		}
	}
	call.Type = subst(t, nil)
	call.Result = call.Type
	call.Params = substParams(call.Params, nil)
	return call
}

// overload chooses among packages, parsers or controls of one name the one whose
// constructor takes these arguments; where none does, b stays. It is nil after an
// error.
func (c *checker) overload(b *Block, args []*ast.Arg, at ast.Node) Type {
	o := c.info.Defs[b.Decl]
	if o == nil || c.top.names[b.Name] == nil || c.top.names[b.Name].Next == nil {
		return b
	}
	var found []*Block
	for x := c.top.names[b.Name]; x != nil; x = x.Next {
		t, ok := x.Type.(*Block)
		if !ok {
			return b
		}
		if _, problem, _ := bindArgs(&Func{Name: t.Name, Params: t.Ctor}, args); problem == "" {
			found = append(found, t)
		}
	}
	if len(found) > 1 {
		var notes []diag.Note
		for _, f := range found {
			notes = append(notes, diag.Note{Span: span(f.Decl.DeclName()), Message: "candidate"})
		}
		c.note(codeAmbiguous, span(at), notes, "the instantiation of %s is ambiguous", b.Name)
		return nil
	}
	if len(found) == 0 || found[0].Decl == b.Decl {
		return b
	}
	if len(b.Args) > 0 {
		return instantiate(found[0], b.Args)
	}
	return found[0]
}

// defaultOf tells whether a parameter of a package with a default value
// mentions v.
func (c *checker) defaultOf(pkg *Block, v *Var) bool {
	o := c.info.Defs[pkg.Decl]
	if o == nil {
		return false
	}
	for _, p := range o.Type.(*Block).Ctor {
		if p.Default != nil && mentions(p.Type, v) {
			return true
		}
	}
	return false
}

func isBlock(t Type) bool {
	_, ok := deref(t).(*Block)
	return ok
}

// blockArgs maps the type parameters of a block to its arguments.
func blockArgs(t Type) map[*Var]Type {
	if b, ok := t.(*Block); ok {
		return bindings(b.TypeParams, b.Args)
	}
	return nil
}

func (c *checker) describeArg(tv TypeAndValue) string {
	if tv.Mode == TypeName {
		return "a type (a constructor call needs parentheses)"
	}
	return "a value of type " + tv.Type.String()
}
