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
	seen := map[string]*ast.Annotation{}
	for _, a := range list {
		old := seen[a.Name.Name]
		if isStructured(a) {
			if old != nil {
				c.note(codeBadAnnot, a.Span, declaredHere(old), "the structured annotation @%s is given twice", a.Name.Name)
			}
			c.structured(a)
		} else if old != nil && isStructured(old) {
			c.note(codeBadAnnot, a.Span, declaredHere(old), "annotation @%s is structured in one place and not in another", a.Name.Name)
		}
		seen[a.Name.Name] = a
		switch a.Name.Name {
		case "name", "deprecated":
			if a.Kind == ast.AnnotNone && a.Name.Name == "deprecated" {
				continue
			}
			if !oneString(a) {
				c.errorf(codeBadAnnot, a, "@%s needs one string", a.Name.Name)
			}
		case "pkginfo":
			if a.Kind == ast.AnnotNone {
				c.errorf(codeBadAnnot, a, "@pkginfo needs a body of key-value pairs")
			}
		case "p4runtime_translation":
			if !translation(a) {
				c.errorf(codeBadAnnot, a, "@p4runtime_translation needs a string and one of `string`, a width in bits or `bit<W>` with a literal W")
			}
		case "match":
			c.matchAnnot(a)
		case "field_list":
			for _, e := range a.Exprs { // numbers of lists, also by name
				c.annotValue(e)
			}
		}
	}
}

func isStructured(a *ast.Annotation) bool {
	return a.Kind == ast.AnnotExprs || a.Kind == ast.AnnotKV
}

// translation checks the form that the P4Runtime specification gives
// @p4runtime_translation (section "Translation of Port Numbers" and after).
func translation(a *ast.Annotation) bool {
	t := a.Tokens
	if a.Kind != ast.AnnotUnstructured || len(t) < 3 || t[0].Kind != ast.TokenString || t[1].Text != "," {
		return false
	}
	switch t = t[2:]; len(t) {
	case 1:
		return t[0].Kind == ast.TokenInt || t[0].Text == "string"
	case 4:
		return t[0].Text == "bit" && t[1].Text == "<" && t[2].Kind == ast.TokenInt && t[3].Text == ">"
	}
	return false
}

// matchAnnot checks that @match names a match kind.
func (c *checker) matchAnnot(a *ast.Annotation) {
	if len(a.Exprs) == 1 {
		if p, ok := a.Exprs[0].(*ast.PathExpr); ok {
			if _, ok := c.matchKinds[p.Path.Name.Name]; ok {
				return
			}
		}
	}
	c.errorf(codeBadAnnot, a, "@match needs the name of a match kind")
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
