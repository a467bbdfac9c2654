package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
)

func paramHere(p *Param) []diag.Note {
	if p.Decl == nil {
		return nil
	}
	return []diag.Note{{Span: p.Decl.Span, Message: "parameter declared here"}}
}

// bindArgs gives each parameter its argument: positional ones in order, named
// ones by name. problem is "" when that works.
func bindArgs(f *Func, args []*ast.Arg) (bound []ast.Expr, problem string, at ast.Node) {
	bound = make([]ast.Expr, len(f.Params))
	named := false
	for i, a := range args {
		if a.Name == nil {
			if named {
				return bound, "a positional argument cannot follow a named one", a
			}
			if i >= len(f.Params) {
				return bound, f.Name + " takes at most " + plural(len(f.Params), "argument"), a
			}
			bound[i] = a.Value
			continue
		}
		named = true
		j := -1
		for k, p := range f.Params {
			if p.Name == a.Name.Name {
				j = k
			}
		}
		if j < 0 {
			return bound, f.Name + " has no parameter " + a.Name.Name + didYouMean(a.Name.Name, paramNames(f)), a.Name
		}
		if bound[j] != nil {
			return bound, "parameter " + a.Name.Name + " is given twice", a.Name
		}
		bound[j] = a.Value
	}
	for i, p := range f.Params {
		if bound[i] == nil && p.Default == nil && !p.Optional {
			return bound, "the argument for parameter " + p.Name + " of " + f.Name + " is missing", nil
		}
	}
	return bound, "", nil
}

func paramNames(f *Func) []string {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name
	}
	return names
}

// didYouMean is the end of a message about a name that is not there: it asks
// for the nearest one, where one is near.
func didYouMean(name string, known []string) string {
	if s := diag.Nearest(name, known); s != "" {
		return "; did you mean " + s + "?"
	}
	return ""
}

// pick chooses among functions of one name by number and names of the
// arguments (L152) and binds the arguments.
func (c *checker) pick(name string, cands []*Func, args []*ast.Arg, at ast.Node) (*Func, []ast.Expr, bool) {
	var found []*Func
	var bound []ast.Expr
	for _, f := range cands {
		if b, problem, _ := bindArgs(f, args); problem == "" {
			if found == nil {
				bound = b
			}
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], bound, true
	case len(found) > 1:
		notes := []diag.Note{}
		for _, f := range found {
			if f.Decl != nil {
				notes = append(notes, diag.Note{Span: span(f.Decl), Message: "candidate"})
			}
		}
		c.note(codeAmbiguous, span(at), notes, "the call of %s is ambiguous", name)
		return nil, nil, false
	case len(cands) == 1:
		_, problem, node := bindArgs(cands[0], args)
		if node == nil {
			node = at
		}
		c.note(codeArgCount, span(node), declaredHere(headOf(cands[0].Decl)), "%s", problem)
		return nil, nil, false
	}
	var notes []diag.Note
	for _, f := range cands {
		_, problem, _ := bindArgs(f, args)
		notes = append(notes, diag.Note{Span: span(headOf(f.Decl)), Message: problem})
	}
	c.note(codeArgCount, span(at), notes, "no %s takes these arguments", name)
	return nil, nil, false
}

// headOf is the name of a declaration: notes point there and not at a whole body.
func headOf(n ast.Node) ast.Node {
	switch d := n.(type) {
	case ast.Decl:
		if id := d.DeclName(); id != nil {
			return id
		}
	case *ast.Method:
		return d.Name
	}
	return n
}

// finishCall infers type arguments, checks the arguments and records the call.
func (c *checker) finishCall(e *ast.CallExpr, call *Call, m map[*Var]Type, bound []ast.Expr) bool {
	f := call.Func
	all := map[*Var]Type{}
	for v, t := range m {
		all[v] = t
	}
	targs := make([]Type, len(f.TypeParams))
	switch {
	case len(e.TypeArgs) == 0:
		for i, v := range f.TypeParams {
			targs[i] = &infer{v: v}
			all[v] = targs[i]
		}
	case len(e.TypeArgs) != len(f.TypeParams):
		c.errorf(codeTypeArgs, e, "%s has %s, %d arguments given", f.Name, plural(len(f.TypeParams), "type parameter"), len(e.TypeArgs))
		for _, a := range bound {
			if a != nil {
				c.expr(a)
			}
		}
		return false
	default:
		for i, a := range e.TypeArgs {
			targs[i] = c.typ(a)
			if isKind(targs[i], DontCare) {
				targs[i] = &infer{v: f.TypeParams[i]}
			}
			all[f.TypeParams[i]] = targs[i]
		}
	}
	params := substKeep(f.Params, all)
	good := true
	for i, p := range params {
		if bound[i] != nil && !c.argument(p, bound[i], call) {
			good = false
		}
	}
	if !good {
		return false
	}
	for i, v := range f.TypeParams {
		t := deref(targs[i])
		if _, open := t.(*infer); open {
			if optionalOnly(f, v, bound) {
				targs[i] = basic(DontCare)
				continue
			}
			c.errorf(codeCannotInfer, e, "the type argument %s of %s cannot be inferred; write it", v.Name, f.Name)
			return false
		}
		switch x := t.(type) {
		case *Extern:
			if runTime(f, v) {
				c.errorf(codeTypeArgs, e, "%s cannot be a type argument", x)
				return false
			}
		case *Block:
			c.errorf(codeTypeArgs, e, "%s cannot be a type argument", x)
			return false
		case *Record:
			c.errorf(codeCannotInfer, e, "the type argument %s of %s cannot be inferred from a struct expression without type", v.Name, f.Name)
			return false
		case *Basic:
			if x.Kind == String && runTime(f, v) {
				c.blame(codeTypeArgs, span(headOf(f.Decl)), e.Span, "a string cannot be given to the parameter of %s, which has a direction", f.Name)
				return false
			}
		}
		if isInteger(t) && runTime(f, v) {
			c.errorf(codeCannotInfer, e, "the width of the type argument %s of %s cannot be inferred from an int literal; give the literal a width", v.Name, f.Name)
			return false
		}
	}
	fin := map[*Var]Type{}
	for v, t := range all {
		fin[v] = subst(t, nil)
	}
	call.TypeArgs = make([]Type, len(f.TypeParams))
	for i := range f.TypeParams {
		call.TypeArgs[i] = subst(targs[i], nil)
	}
	call.Params = substParams(f.Params, fin)
	call.Args = bound
	if call.Result == nil || f.Result != nil && call.Kind != BlockApply && call.Kind != DirectApply {
		call.Result = subst(f.Result, fin)
	}
	for i, p := range call.Params {
		if bound[i] != nil {
			c.warnOverflow(p.Type, bound[i])
		}
	}
	c.info.Calls[e] = call
	return true
}

// substKeep substitutes without resolving the inferred variables, so that
// unify can still widen what an int literal bound.
func substKeep(ps []*Param, m map[*Var]Type) []*Param {
	out := make([]*Param, len(ps))
	for i, p := range ps {
		q := *p
		if v, ok := p.Type.(*Var); ok && m[v] != nil {
			q.Type = m[v]
		} else {
			q.Type = subst(p.Type, m)
		}
		out[i] = &q
	}
	return out
}

// optionalOnly tells whether v occurs only in parameters that have no argument.
func optionalOnly(f *Func, v *Var, bound []ast.Expr) bool {
	used := false
	for i, p := range f.Params {
		if mentions(p.Type, v) {
			used = true
			if bound[i] != nil {
				// An argument `_` says as little as none.
				if _, dc := bound[i].(*ast.DontCareExpr); !dc {
					return false
				}
			}
		}
	}
	return used
}

func inParams(f *Func, v *Var) bool {
	for _, p := range f.Params {
		if mentions(p.Type, v) {
			return true
		}
	}
	return false
}

// runTime tells whether v is the type of a parameter with a direction.
func runTime(f *Func, v *Var) bool {
	for _, p := range f.Params {
		if (p.Dir != ast.DirNone || !f.IsExtern) && p.Type == Type(v) {
			return true
		}
	}
	return false
}

func mentions(t Type, v *Var) bool {
	switch t := deref(t).(type) {
	case *Var:
		return t == v
	case *Struct:
		for _, a := range t.Args {
			if mentions(a, v) {
				return true
			}
		}
	case *Extern:
		for _, a := range t.Args {
			if mentions(a, v) {
				return true
			}
		}
	case *Block:
		for _, a := range t.Args {
			if mentions(a, v) {
				return true
			}
		}
	case *Stack:
		return mentions(t.Elem, v)
	case *Tuple:
		for _, a := range t.Elems {
			if mentions(a, v) {
				return true
			}
		}
	case *List:
		return mentions(t.Elem, v)
	}
	return false
}

// argument checks one argument against its parameter.
func (c *checker) argument(p *Param, a ast.Expr, call *Call) bool {
	tv := c.expr(a)
	if isBad(tv.Type) {
		return false
	}
	if _, ok := a.(*ast.DontCareExpr); ok {
		if p.Dir != ast.DirOut {
			c.note(codeBadArg, span(a), paramHere(p), "_ can stand only for an out argument")
			return false
		}
		return true
	}
	switch tv.Mode {
	case Callable, TypeName, NoValue:
		c.note(codeBadArg, span(a), paramHere(p), "%s is not a value", c.describe(a, tv))
		return false
	}
	if _, ok := deref(tv.Type).(*TableType); ok {
		c.note(codeBadArg, span(a), paramHere(p), "a table cannot be an argument")
		return false
	}
	switch p.Dir {
	case ast.DirOut, ast.DirInOut:
		if tv.Mode != LValue {
			c.note(codeNotLValue, span(a), paramHere(p), "the argument for the %s parameter %s must be something that can be assigned to", p.Dir, p.Name)
			return false
		}
		if !unify(p.Type, tv.Type, false) {
			c.note(codeMismatch, span(a), paramHere(p), "the %s parameter %s has type %s, the argument %s", p.Dir, p.Name, p.Type, tv.Type)
			return false
		}
		return true
	}
	if isKind(p.Type, DontCare) && isInteger(tv.Type) {
		c.note(codeCannotInfer, span(a), paramHere(p), "the width of the argument for %s is unknown", p.Name)
		return false
	}
	if !unify(p.Type, tv.Type, true) {
		c.note(codeMismatch, span(a), paramHere(p), "cannot give a value of type %s to parameter %s of type %s", tv.Type, p.Name, p.Type)
		return false
	}
	if p.Dir == ast.DirNone && call.Kind != ActionCall && isKind(p.Type, String) {
		// Other directionless arguments may be values of run time, as p4c has it.
		switch tv.Mode {
		case Constant, Compile, Object_:
		default:
			c.note(codeNotConstant, span(a), paramHere(p), "the argument for %s is not known at compile time", p.Name)
			return false
		}
	}
	return true
}
