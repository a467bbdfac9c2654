package types

import (
	"github.com/p4nic/p4nic/compiler/ast"
)

// annotations checks all annotations of a program: structured ones hold
// constants and occur once, @name holds a string (L161-L164).
func (c *checker) annotations(prog *ast.Program) {
	ast.Inspect(prog, func(n ast.Node) bool {
		if a, ok := n.(ast.Annotated); ok {
			c.annotationList(a.Annots())
		}
		_, inside := n.(*ast.Annotation)
		return !inside
	})
}

func (c *checker) annotationList(list []*ast.Annotation) {
	structured := map[string]*ast.Annotation{}
	for _, a := range list {
		if a.Kind == ast.AnnotExprs || a.Kind == ast.AnnotKV {
			if old := structured[a.Name.Name]; old != nil {
				c.note(codeBadAnnot, a.Span, declaredHere(old), "the structured annotation @%s is given twice", a.Name.Name)
			}
			structured[a.Name.Name] = a
			c.structured(a)
		}
		switch a.Name.Name {
		case "name", "deprecated":
			if a.Kind == ast.AnnotNone && a.Name.Name == "deprecated" {
				continue
			}
			if !oneString(a) {
				c.errorf(codeBadAnnot, a, "@%s needs one string", a.Name.Name)
			}
		}
	}
}

func oneString(a *ast.Annotation) bool {
	if len(a.Exprs) != 1 {
		return false
	}
	return stringExpr(a.Exprs[0])
}

func stringExpr(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StringLit:
		return true
	case *ast.BinaryExpr:
		return e.Op == ast.OpConcat && stringExpr(e.X) && stringExpr(e.Y)
	}
	return false
}

// structured checks the values of @a[...] in the top-level scope.
func (c *checker) structured(a *ast.Annotation) {
	keys := map[string]*ast.NamedExpr{}
	for _, kv := range a.KV {
		if old := keys[kv.Name.Name]; old != nil {
			c.note(codeBadAnnot, kv.Name.Span, declaredHere(old.Name), "key %s is given twice", kv.Name.Name)
		}
		keys[kv.Name.Name] = kv
		c.annotValue(kv.Value)
	}
	for _, e := range a.Exprs {
		c.annotValue(e)
	}
}

func (c *checker) annotValue(e ast.Expr) {
	tv := c.expr(e)
	if isBad(tv.Type) {
		return
	}
	_, list := tv.Type.(*Tuple)
	if _, record := tv.Type.(*Record); tv.Mode != Constant || list || record {
		c.errorf(codeBadAnnot, e, "a value in a structured annotation must be a constant integer, string or bool")
	}
}
