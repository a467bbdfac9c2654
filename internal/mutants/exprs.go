package mutants

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"sort"
)

// expression applies the rules for expressions to e and what is inside it, but
// not to function literals (their statements are sites of their own) nor types.
func (c *changer) expression(e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.ArrayType, *ast.MapType, *ast.StructType, *ast.FuncType, *ast.InterfaceType, *ast.ChanType:
			return false
		case *ast.BinaryExpr:
			c.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT || n.Op == token.SUB || n.Op == token.XOR {
				c.put("dropped operator", n, c.text(n.X))
			}
		case *ast.BasicLit:
			c.literal(n)
		case *ast.CallExpr:
			c.call(n)
		case *ast.IndexExpr:
			if c.integer(n.Index) && c.p.info.Types[n.Index].Value == nil {
				c.put("off by one", n.Index, c.text(n.Index)+"+1")
			}
		case *ast.SliceExpr:
			for _, b := range []ast.Expr{n.Low, n.High} {
				if b != nil && c.p.info.Types[b].Value == nil {
					c.put("off by one", b, paren(c.text(b))+"+1")
					c.put("off by one", b, paren(c.text(b))+"-1")
				}
			}
		case *ast.SelectorExpr:
			c.selector(n)
			if id, ok := n.X.(*ast.Ident); ok {
				if _, isPkg := c.p.info.Uses[id].(*types.PkgName); isPkg {
					return false
				}
			}
			c.expression(n.X)
			return false // not the name after the dot
		case *ast.KeyValueExpr:
			if _, isField := n.Key.(*ast.Ident); !isField {
				c.expression(n.Key)
			}
			c.expression(n.Value)
			return false
		case *ast.CompositeLit:
			c.composite(n)
			for _, x := range n.Elts {
				c.expression(x)
			}
			return false
		case *ast.Ident:
			c.sibling(n, n)
			if n.Name == "true" && c.p.info.Uses[n] == types.Universe.Lookup("true") {
				c.put("negated constant", n, "false")
			}
			if n.Name == "false" && c.p.info.Uses[n] == types.Universe.Lookup("false") {
				c.put("negated constant", n, "true")
			}
		}
		return true
	})
}

func (c *changer) integer(e ast.Expr) bool {
	b, ok := c.under(e).(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

// binary swaps an operator, moves a bound, or leaves out one side.
func (c *changer) binary(n *ast.BinaryExpr) {
	swap := func(kind string, to token.Token) { c.operator(kind, n.OpPos, n.Op, to) }
	isString := false
	if b, ok := c.under(n.X).(*types.Basic); ok {
		isString = b.Info()&types.IsString != 0
	}
	switch n.Op {
	case token.ADD:
		if !isString {
			swap("swapped operator", token.SUB)
		}
	case token.SUB:
		swap("swapped operator", token.ADD)
	case token.MUL:
		swap("swapped operator", token.ADD)
	case token.QUO:
		swap("swapped operator", token.MUL)
	case token.REM:
		swap("swapped operator", token.QUO)
		c.put("dropped mask", n, c.text(n.X))
	case token.AND:
		swap("swapped operator", token.OR)
		c.put("dropped mask", n, c.text(n.X))
		c.put("dropped mask", n, c.text(n.Y))
	case token.AND_NOT:
		swap("swapped operator", token.AND)
		c.put("dropped mask", n, c.text(n.X))
	case token.OR, token.XOR:
		swap("swapped operator", token.AND)
		c.put("dropped operand", n, c.text(n.X))
		c.put("dropped operand", n, c.text(n.Y))
	case token.SHL:
		swap("wrong shift", token.SHR)
		c.put("wrong shift", n, c.text(n.X))
	case token.SHR:
		swap("wrong shift", token.SHL)
		c.put("wrong shift", n, c.text(n.X))
	case token.LSS:
		swap("moved bound", token.LEQ)
		swap("negated comparison", token.GEQ)
	case token.LEQ:
		swap("moved bound", token.LSS)
		swap("negated comparison", token.GTR)
	case token.GTR:
		swap("moved bound", token.GEQ)
		swap("negated comparison", token.LEQ)
	case token.GEQ:
		swap("moved bound", token.GTR)
		swap("negated comparison", token.LSS)
	case token.EQL:
		swap("negated comparison", token.NEQ)
	case token.NEQ:
		swap("negated comparison", token.EQL)
	case token.LAND:
		swap("and for or", token.LOR)
		c.put("dropped operand", n, c.text(n.X))
		c.put("dropped operand", n, c.text(n.Y))
	case token.LOR:
		swap("and for or", token.LAND)
		c.put("dropped operand", n, c.text(n.X))
		c.put("dropped operand", n, c.text(n.Y))
	}
}

// literal moves a number by one.
func (c *changer) literal(n *ast.BasicLit) {
	if n.Kind != token.INT && n.Kind != token.CHAR {
		return
	}
	v := constant.MakeFromLiteral(n.Value, n.Kind, 0)
	up := constant.BinaryOp(constant.ToInt(v), token.ADD, constant.MakeInt64(1))
	c.put("off by one", n, up.ExactString())
	if constant.Sign(v) > 0 {
		c.put("off by one", n, constant.BinaryOp(constant.ToInt(v), token.SUB, constant.MakeInt64(1)).ExactString())
	}
}

// call swaps two arguments of one type, forgets what is appended, and is off by
// one about a length.
func (c *changer) call(n *ast.CallExpr) {
	if id, ok := n.Fun.(*ast.Ident); ok {
		if _, builtin := c.p.info.Uses[id].(*types.Builtin); builtin {
			switch {
			case id.Name == "len":
				c.put("off by one", n, c.text(n)+"-1")
				c.put("off by one", n, c.text(n)+"+1")
			case id.Name == "append" && len(n.Args) > 1:
				c.put("dropped append", n, c.text(n.Args[0]))
			case id.Name == "min":
				c.put("swapped call", id, "max")
			case id.Name == "max":
				c.put("swapped call", id, "min")
			}
		}
	}
	for i := range n.Args {
		for j := i + 1; j < len(n.Args); j++ {
			a, b := n.Args[i], n.Args[j]
			ta, tb := c.p.info.TypeOf(a), c.p.info.TypeOf(b)
			if ta == nil || tb == nil || !types.Identical(ta, tb) || c.text(a) == c.text(b) {
				continue
			}
			c.add("swapped arguments", c.edit(a.Pos(), a.End(), c.text(b)), c.edit(b.Pos(), b.End(), c.text(a)))
		}
	}
}

// composite leaves out one element or field.
func (c *changer) composite(n *ast.CompositeLit) {
	keyed := 0
	for _, e := range n.Elts {
		if _, ok := e.(*ast.KeyValueExpr); ok {
			keyed++
		}
	}
	if _, isStruct := c.under(n).(*types.Struct); isStruct && keyed == 0 {
		return
	}
	for i, e := range n.Elts {
		to := e.End()
		if i+1 < len(n.Elts) {
			to = n.Elts[i+1].Pos()
		}
		if i+1 == len(n.Elts) && i > 0 {
			c.add("dropped element", c.edit(n.Elts[i-1].End(), to, ""))
		} else {
			c.add("dropped element", c.edit(e.Pos(), to, ""))
		}
	}
}

// selector takes another field of the same struct and type, or another constant
// of the same package and type.
func (c *changer) selector(n *ast.SelectorExpr) {
	if sel := c.p.info.Selections[n]; sel != nil {
		if sel.Kind() != types.FieldVal || len(sel.Index()) != 1 {
			return
		}
		t := sel.Recv()
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		st, ok := t.Underlying().(*types.Struct)
		if !ok {
			return
		}
		for i := range st.NumFields() {
			f := st.Field(i)
			if f != sel.Obj() && types.Identical(f.Type(), sel.Type()) && f.Name() != "_" && !f.Embedded() {
				c.put("wrong field", n.Sel, f.Name())
			}
		}
		return
	}
	c.sibling(n.Sel, n.Sel)
}

// sibling puts the constants before and after one of a named type, as its
// package declares them.
func (c *changer) sibling(id *ast.Ident, at ast.Node) {
	k, ok := c.p.info.Uses[id].(*types.Const)
	if !ok || k.Pkg() == nil || k.Parent() != k.Pkg().Scope() {
		return
	}
	if _, named := k.Type().(*types.Named); !named {
		return
	}
	var list []*types.Const
	for _, name := range k.Pkg().Scope().Names() {
		x, ok := k.Pkg().Scope().Lookup(name).(*types.Const)
		if ok && types.Identical(x.Type(), k.Type()) && (x.Exported() || k.Pkg() == c.p.types) {
			list = append(list, x)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return constant.Compare(list[i].Val(), token.LSS, list[j].Val()) })
	for i, x := range list {
		if x != k {
			continue
		}
		for _, d := range []int{-1, 1} {
			if o := i + d; o >= 0 && o < len(list) && !constant.Compare(list[o].Val(), token.EQL, k.Val()) {
				c.put("wrong constant", at, list[o].Name())
			}
		}
	}
}
