package irgen

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// dropUnused removes extern objects that nothing uses and that are declared by
// the name of a typedef. p4c does so, by an oversight: it keeps unused objects of
// which it sees that they are extern, since the control plane may use them. P4Info
// is to be equal. A call without side effects whose results nobody reads is no use.
func (g *gen) dropUnused() {
	if len(g.byTypedef) == 0 {
		return
	}
	pure := g.pureMethods()
	reads := map[*ir.Var]int{} // occurrences other than as a result of such a call
	uses := map[*ir.Instance]int{}
	dead := map[ir.Stmt]bool{}
	result := func(s ir.Stmt) []*ir.Var {
		c, ok := s.(*ir.CallStmt)
		if !ok || c.Object == nil || !pure[c.Extern] {
			return nil
		}
		var out []*ir.Var
		for i, a := range c.Args {
			if c.Dirs[i] != ir.DirOut {
				continue
			}
			v, ok := a.(*ir.VarRef)
			if !ok || v.Var.Dir != ir.DirNone || !g.isLocal(v.Var) {
				return nil
			}
			out = append(out, v.Var)
		}
		return out
	}
	see := func(x ir.Expr) {
		switch x := x.(type) {
		case *ir.VarRef:
			reads[x.Var]++
		case *ir.ObjectRef:
			uses[x.Inst]++
		case *ir.Call:
			uses[x.Object]++
		}
	}
	eachStmt := func(f func(ir.Stmt)) {
		g.out.Bodies(func(body *[]ir.Stmt) { ir.WalkStmts(*body, f) })
	}
	eachStmt(func(s ir.Stmt) {
		ir.StmtSlots(s, func(e *ir.Expr) { ir.WalkExpr(*e, see) })
		for _, v := range result(s) {
			reads[v]--
		}
	})
	g.out.OuterSlots(func(e *ir.Expr) { ir.WalkExpr(*e, see) })
	for _, t := range g.out.Tables {
		for _, in := range []*ir.Instance{t.Counters, t.Meters, t.Implementation} {
			uses[in]++
		}
	}
	eachStmt(func(s ir.Stmt) {
		vars := result(s)
		dead[s] = len(vars) > 0 && !slices.ContainsFunc(vars, func(v *ir.Var) bool { return reads[v] > 0 })
		if c, ok := s.(*ir.CallStmt); ok && !dead[s] {
			uses[c.Object]++
		}
	})
	unused := func(in *ir.Instance) bool { return g.byTypedef[in] && uses[in] == 0 }
	g.out.Bodies(func(body *[]ir.Stmt) { dropCalls(body, unused) })
	g.out.Instances = slices.DeleteFunc(g.out.Instances, unused)
}

// dropCalls removes the calls of methods of the objects that are to go.
func dropCalls(body *[]ir.Stmt, gone func(*ir.Instance) bool) {
	*body = slices.DeleteFunc(*body, func(s ir.Stmt) bool {
		c, ok := s.(*ir.CallStmt)
		return ok && gone(c.Object)
	})
	for _, s := range *body {
		ir.StmtBodies(s, func(b *[]ir.Stmt) { dropCalls(b, gone) })
	}
}

// isLocal tells whether v is a local variable of some body.
func (g *gen) isLocal(v *ir.Var) bool {
	for _, b := range g.out.Blocks {
		if slices.Contains(b.Locals, v) {
			return true
		}
	}
	for _, a := range g.out.Actions {
		if slices.Contains(a.Locals, v) {
			return true
		}
	}
	return false
}

// pureMethods are the methods of externs that only give results.
func (g *gen) pureMethods() map[string]bool {
	out := map[string]bool{}
	for _, d := range g.ast.Decls {
		x, ok := d.(*ast.ExternDecl)
		if !ok {
			continue
		}
		for _, m := range x.Methods {
			if ast.FindAnnotation(m.Annotations, "noSideEffects") != nil || ast.FindAnnotation(m.Annotations, "pure") != nil {
				out[x.Name.Name+"."+m.Name.Name] = true
			}
		}
	}
	return out
}

// namedByTypedef tells whether a declaration names its type by a typedef.
func (g *gen) namedByTypedef(d *ast.Instantiation) bool {
	t, ok := d.Type.(*ast.NamedType)
	if !ok {
		return false
	}
	o := g.info.Uses[t.Path]
	if o == nil || o.Kind != types.TypeObj {
		return false
	}
	_, ok = o.Node.(*ast.TypedefDecl)
	return ok
}
