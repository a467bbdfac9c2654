package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// inliner replaces calls by the bodies they call. It is shared by the passes
// that inline functions, actions, controls and parsers, and is the one place
// that knows copy-in and copy-out.
//
// Source: P4_16 section 6.8 (calling convention: call by copy in/copy out):
// arguments are evaluated and copied in from left to right, out parameters
// start like new variables (D19: zero), after the body out and inout parameters
// are copied out from left to right, also when the body ends by return or exit.
//
// A parameter stands for its argument itself, without a copy, where nobody can
// tell the difference (alias).
type inliner struct {
	names  *namer
	labels *labels
	locals *[]*ir.Var // of the caller
	size   int        // statements copied so far
	// written holds the variables made by inlining: each is written before it is
	// read in the body it was made for, so a copy needs no zeroing.
	written map[*ir.Var]bool
}

// variable makes a local of the caller that the statements around it write
// before they read it.
func (in *inliner) variable(base string, t ir.Type, pos ir.Pos) *ir.Var {
	v := in.names.variable(in.locals, base, t, pos)
	if in.written == nil {
		in.written = map[*ir.Var]bool{}
	}
	in.written[v] = true
	return v
}

// maxInlined bounds the statements that inlining makes: calls of calls of calls
// grow without bound.
const maxInlined = 1 << 18

// grow counts the statements of a body that is about to be copied.
func (in *inliner) grow(body []ir.Stmt, what string, pos ir.Pos) error {
	ir.WalkStmts(body, func(ir.Stmt) { in.size++ })
	if in.size > maxInlined {
		return pass.Refuse(pos, "inlining %s here makes the program larger than %d statements", what, maxInlined)
	}
	return nil
}

// isOut tells whether a direction copies out.
func isOut(d ir.Dir) bool { return d == ir.DirOut || d == ir.DirInOut }

// alias tells for each parameter whether its argument can stand for it. outer
// lists what the callee accesses besides its own variables.
//
//   - An extern object (packet_in) always stands for itself.
//   - An in argument: a constant, or storage that nothing changes meanwhile: it
//     overlaps no out argument and nothing the callee accesses itself.
//   - An out or inout argument: storage that overlaps no other out argument and
//     nothing the callee accesses itself, and no field of a header, since
//     writes to an invalid header are lost and writes to a parameter are not.
func alias(params []*ir.Var, args []ir.Expr, outer []path) []bool {
	outs := make([]*path, len(params))
	for i, p := range params {
		if isOut(p.Dir) && args[i] != nil {
			if q, _, ok := pathOf(args[i]); ok {
				outs[i] = &q
			}
		}
	}
	res := make([]bool, len(params))
	for i, p := range params {
		if args[i] == nil {
			continue
		}
		if _, ok := p.Type.(*ir.ExternType); ok {
			res[i] = true
			continue
		}
		switch args[i].(type) {
		case *ir.Const, *ir.StringLit:
			res[i] = !isOut(p.Dir)
			continue
		}
		q, exact, ok := pathOf(args[i])
		if !ok || !exact || isOut(p.Dir) && throughHeader(args[i]) {
			continue
		}
		res[i] = true
		for j, o := range outs {
			if j != i && o != nil && overlap(q, *o) {
				res[i] = false
			}
		}
		for _, o := range outer {
			if overlap(q, o) {
				res[i] = false
			}
		}
	}
	return res
}

// copies makes the statements around a body: before it the arguments are copied
// to the variables vs of the parameters that are no aliases and out parameters
// are zeroed; after it out parameters are copied back. subst receives the
// aliases.
func (in *inliner) copies(params []*ir.Var, vs map[*ir.Var]*ir.Var, args []ir.Expr, byRef []bool, subst map[*ir.Var]ir.Expr, pos ir.Pos) (pre, post []ir.Stmt) {
	var zeroes []ir.Stmt
	for i, p := range params {
		arg := args[i]
		if byRef[i] {
			subst[p] = arg
			if p.Dir == ir.DirOut {
				// After all copies: another argument may read this storage.
				zeroes = append(zeroes, zero(clone(arg), pos)...)
			}
			continue
		}
		v := vs[p]
		if arg == nil || p.Dir == ir.DirOut {
			zeroes = append(zeroes, zero(ref(v, pos), pos)...)
		}
		if arg == nil {
			continue
		}
		if isOut(p.Dir) {
			in.fix(&arg, &pre)
			post = append(post, assign(arg, ref(v, pos), pos))
		}
		if p.Dir != ir.DirOut {
			pre = append(pre, assign(ref(v, pos), clone(arg), pos))
		}
	}
	return append(pre, zeroes...), post
}

// fix saves the variable parts of an l-value, so that copy-out writes where
// copy-in read.
func (in *inliner) fix(e *ir.Expr, pre *[]ir.Stmt) {
	switch x := (*e).(type) {
	case *ir.Member:
		n := *x
		in.fix(&n.X, pre)
		*e = &n
	case *ir.Slice:
		n := *x
		in.fix(&n.X, pre)
		*e = &n
	case *ir.StackOp:
		n := *x
		in.fix(&n.X, pre)
		*e = fixStackOp(&n, in.names, in.locals, pre)
	case *ir.Index:
		n := *x
		in.fix(&n.X, pre)
		if _, isConst := n.I.(*ir.Const); !isConst {
			v := in.variable("index", n.I.Type(), n.P)
			*pre = append(*pre, assign(ref(v, n.P), n.I, n.P))
			n.I = ref(v, n.P)
		}
		*e = &n
	}
}

// routine is a function or action as the inliner sees it.
type routine struct {
	name   string
	params []*ir.Var
	vars   []*ir.Var // locals
	result ir.Type
	body   []ir.Stmt
}

// call gives the statements for a call of r. result is where its value goes, or
// nil.
func (in *inliner) call(r routine, args []ir.Expr, result ir.Expr, pos ir.Pos) ([]ir.Stmt, error) {
	if err := in.grow(r.body, r.name, pos); err != nil {
		return nil, err
	}
	own := map[*ir.Var]bool{}
	for _, v := range r.params {
		own[v] = true
	}
	for _, v := range r.vars {
		own[v] = true
	}
	for len(args) < len(r.params) { // absent @optional arguments
		args = append(args, nil)
	}
	byRef := alias(r.params, args, outerPaths(r.body, own))

	cl := &ir.Cloner{Vars: map[*ir.Var]*ir.Var{}, Subst: map[*ir.Var]ir.Expr{}, Labels: in.relabel(r.body)}
	for i, p := range r.params {
		if !byRef[i] {
			cl.Vars[p] = in.variable(p.Name, p.Type, p.Pos)
		}
	}
	pre, post := in.copies(r.params, cl.Vars, args, byRef, cl.Subst, pos)
	for _, l := range r.vars {
		v := in.variable(l.Name, l.Type, l.Pos)
		cl.Vars[l] = v
		if !in.written[l] && !writtenFirst(r.body, l) {
			pre = append(pre, zero(ref(v, pos), pos)...)
		}
	}
	var value *ir.Var
	if _, void := r.result.(*ir.Void); r.result != nil && !void {
		value = in.variable("result", r.result, pos)
		// A function may end without return; its value is then that of a new
		// variable.
		if !endsInReturn(r.body) {
			pre = append(pre, zero(ref(value, pos), pos)...)
		}
	}
	body := in.endings(cl.Stmts(r.body), value, &post, pos)
	out := append(append(pre, body...), post...)
	if value != nil && result != nil {
		// Copy-out precedes the use of the value, except its exit check.
		out = append(out, assign(result, ref(value, pos), pos))
	}
	return out, nil
}

// relabel maps every label of body to a new one: a body may be copied twice
// into one caller.
func (in *inliner) relabel(body []ir.Stmt) map[string]string {
	m := map[string]string{}
	ir.WalkStmts(body, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.Labelled:
			m[s.Label] = in.labels.fresh("l")
		case *ir.Loop:
			m[s.Label] = in.labels.fresh("l")
		}
	})
	return m
}

// endings turns Return in an inlined body into a jump to its end, with the value
// in v. Exit stays Exit in the caller unless something is to be copied out
// first: then a variable remembers it, the body ends, and post ends with the
// Exit.
func (in *inliner) endings(body []ir.Stmt, v *ir.Var, post *[]ir.Stmt, pos ir.Pos) []ir.Stmt {
	e := &ender{label: in.labels.fresh("end"), value: v}
	if len(*post) > 0 && hasExit(body) {
		e.exit = in.variable("exiting", &ir.Bool{}, pos)
		body = append([]ir.Stmt{assign(ref(e.exit, pos), boolConst(false, pos), pos)}, body...)
		*post = append(*post, &ir.If{SMeta: ir.SMeta{P: pos}, Cond: ref(e.exit, pos), Then: []ir.Stmt{&ir.Exit{SMeta: ir.SMeta{P: pos}}}})
	}
	body = e.stmts(body, true)
	if e.used {
		return []ir.Stmt{&ir.Labelled{SMeta: ir.SMeta{P: pos}, Label: e.label, Body: body}}
	}
	return body
}

// ender rewrites Return, and Exit where exit is set, in one body. A jump in tail
// position is left out: the body ends there anyway.
type ender struct {
	label string
	value *ir.Var // nil: no value
	exit  *ir.Var // nil: Exit stays
	exits bool    // Exit becomes a jump to label
	used  bool
}

func (e *ender) stmts(body []ir.Stmt, tail bool) []ir.Stmt {
	if body == nil {
		return nil
	}
	out := []ir.Stmt{}
	for i, s := range body {
		last := tail && i == len(body)-1
		ends := false
		switch x := s.(type) {
		case *ir.Return:
			if x.X != nil && e.value != nil {
				out = append(out, assign(ref(e.value, x.P), x.X, x.P))
			}
			ends = true
		case *ir.Exit:
			switch {
			case e.exit != nil:
				out = append(out, assign(ref(e.exit, x.P), boolConst(true, x.P), x.P))
				ends = true
			case e.exits:
				ends = true
			default:
				return append(out, x)
			}
		case *ir.If, *ir.Switch, *ir.Labelled:
			ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = e.stmts(*b, last) })
			out = append(out, s)
		default:
			ir.StmtBodies(s, func(b *[]ir.Stmt) { *b = e.stmts(*b, false) })
			out = append(out, s)
		}
		if ends {
			// What follows in this list never runs. Where the list is in tail
			// position its end is the end of the body.
			if !tail {
				e.used = true
				out = append(out, &ir.Leave{SMeta: ir.SMeta{P: s.Pos()}, Label: e.label})
			}
			return out
		}
	}
	return out
}

func hasExit(body []ir.Stmt) bool {
	found := false
	ir.WalkStmts(body, func(s ir.Stmt) {
		if _, ok := s.(*ir.Exit); ok {
			found = true
		}
	})
	return found
}

// endsInReturn tells whether every way through body ends in Return.
func endsInReturn(body []ir.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	switch s := body[len(body)-1].(type) {
	case *ir.Return, *ir.Exit:
		return true
	case *ir.If:
		return endsInReturn(s.Then) && endsInReturn(s.Else)
	case *ir.Switch:
		for _, c := range s.Cases {
			if !endsInReturn(c.Body) {
				return false
			}
		}
		return endsInReturn(s.Default)
	}
	return false
}
