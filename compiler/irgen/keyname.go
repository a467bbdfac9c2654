package irgen

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/types"
)

// keyName is the control-plane name of a key (P9): its @name, or one made of
// the expression.
func (g *gen) keyName(k *ast.KeyElem) string {
	if n := localName(k.Annotations, ""); n != "" {
		return strings.TrimPrefix(n, ".")
	}
	n, ok := g.exprName(k.Expr)
	if !ok {
		g.errorf(codeKeyNeedsName, span(k.Expr), "no control-plane name can be made of this key; give it one with @name")
	}
	return n
}

func (g *gen) exprName(x ast.Expr) (string, bool) {
	switch n := x.(type) {
	case *ast.PathExpr:
		return n.Path.String(), true
	case *ast.MemberExpr:
		s := g.info.Members[n]
		if s == nil {
			return "", false
		}
		field := s.Name
		if s.Kind == types.FieldSel && s.Field != nil && s.Field.Decl != nil {
			field = localName(s.Field.Decl.Annotations, field)
			if strings.HasPrefix(field, ".") {
				return field[1:], true
			}
		}
		left, ok := g.exprName(n.X)
		return left + "." + field, ok
	case *ast.TypeExpr:
		if t, ok := n.Type.(*ast.NamedType); ok {
			return t.Path.String(), true
		}
	case *ast.CallExpr:
		if c := g.info.Calls[n]; c != nil && c.Kind == types.BuiltinCall && c.Name == "isValid" {
			left, ok := g.exprName(c.Recv)
			return left + ".$valid$", ok
		}
	case *ast.IndexExpr:
		left, ok1 := g.exprName(n.X)
		i, ok2 := g.exprName(n.Index)
		return left + "[" + i + "]", ok1 && ok2
	case *ast.SliceExpr, *ast.WidthSliceExpr:
		var inner ast.Expr
		if s, ok := n.(*ast.SliceExpr); ok {
			inner = s.X
		} else {
			inner = n.(*ast.WidthSliceExpr).X
		}
		left, ok := g.exprName(inner)
		hl := g.info.Slices[x]
		return fmt.Sprintf("%s[%d:%d]", left, hl[0], hl[1]), ok
	case *ast.BinaryExpr:
		if n.Op == ast.OpAnd {
			if _, lit := n.Y.(*ast.IntLit); lit {
				left, ok := g.exprName(n.X)
				right, _ := g.exprName(n.Y)
				return left + " & " + right, ok
			}
		}
	case *ast.IntLit:
		return literalText(n), true
	}
	return "", false
}

// literalText shows a literal in the base it was written in, without width.
func literalText(n *ast.IntLit) string {
	prefix := map[int]string{2: "0b", 8: "0o", 16: "0x"}[n.Base]
	base := n.Base
	if base == 0 {
		base = 10
	}
	v := n.Value
	if n.Width > 0 {
		v = types.Wrap(v, n.Width, n.Signed)
	}
	return prefix + v.Text(base)
}
