package mutants

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// change is one way to change one site.
type change struct {
	kind  string
	edits []Edit
}

// changes lists what the rules make of a site, in the order of the source.
func (s *site) changes() []change {
	c := &changer{site: s, base: s.p.set.File(s.f.tree.Pos()).Base()}
	c.statement()
	for _, e := range own(s.stmt) {
		c.expression(e)
	}
	return c.out
}

// changer collects the changes of one site.
type changer struct {
	*site
	base int
	out  []change
}

func (c *changer) at(p token.Pos) int { return int(p) - c.base }

// text is the source of a node.
func (c *changer) text(n ast.Node) string { return string(c.f.src[c.at(n.Pos()):c.at(n.End())]) }

func (c *changer) edit(from, to token.Pos, text string) Edit { return Edit{c.at(from), c.at(to), text} }

func (c *changer) add(kind string, edits ...Edit) { c.out = append(c.out, change{kind, edits}) }

// put replaces a node.
func (c *changer) put(kind string, n ast.Node, text string) {
	c.add(kind, c.edit(n.Pos(), n.End(), text))
}

// operator replaces the token at pos.
func (c *changer) operator(kind string, pos token.Pos, old, new token.Token) {
	c.add(kind, c.edit(pos, pos+token.Pos(len(old.String())), new.String()))
}

// statement applies the rules for whole statements.
func (c *changer) statement() {
	switch s := c.stmt.(type) {
	case *ast.ExprStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		c.drop(s)
	case *ast.IncDecStmt:
		c.drop(s)
		c.operator("swapped operator", s.TokPos, s.Tok, map[token.Token]token.Token{token.INC: token.DEC, token.DEC: token.INC}[s.Tok])
	case *ast.AssignStmt:
		c.assignment(s)
	case *ast.ReturnStmt:
		c.returned(s)
	case *ast.BranchStmt:
		c.drop(s)
		if c.inLoop && s.Label == nil {
			switch s.Tok {
			case token.BREAK:
				c.operator("break for continue", s.TokPos, s.Tok, token.CONTINUE)
			case token.CONTINUE:
				c.operator("break for continue", s.TokPos, s.Tok, token.BREAK)
			}
		}
	case *ast.IfStmt:
		c.drop(s)
		c.condition(s.Cond)
		if s.Else != nil {
			c.add("dropped else", c.edit(s.Body.End(), s.Else.End(), ""))
		}
	case *ast.ForStmt:
		c.drop(s)
		if s.Cond != nil {
			c.put("negated condition", s.Cond, "!("+c.text(s.Cond)+")")
		}
		c.add("one round only", c.edit(s.Body.Rbrace, s.Body.Rbrace, "\nbreak\n"))
	case *ast.RangeStmt:
		c.drop(s)
		c.add("one round only", c.edit(s.Body.Rbrace, s.Body.Rbrace, "\nbreak\n"))
		if _, ok := c.under(s.X).(*types.Slice); ok && s.X != nil {
			c.put("first element left out", s.X, c.text(s.X)+"[min(1, len("+c.text(s.X)+")):]")
		}
	case *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		c.drop(s)
	case *ast.CaseClause:
		c.drop(s)
		if len(s.List) > 1 {
			for i, e := range s.List {
				if i == 0 {
					c.add("dropped case", c.edit(e.Pos(), s.List[1].Pos(), ""))
				} else {
					c.add("dropped case", c.edit(s.List[i-1].End(), e.End(), ""))
				}
			}
		}
	case *ast.CommClause:
		c.drop(s)
	}
	c.earlyReturn()
}

// drop takes a statement away; in the header of another it leaves nothing.
func (c *changer) drop(s ast.Node) { c.add("dropped statement", c.edit(s.Pos(), s.End(), "")) }

// condition makes an if go the other way, or always one way.
func (c *changer) condition(e ast.Expr) {
	c.put("negated condition", e, "!("+c.text(e)+")")
	c.put("constant condition", e, "true || "+paren(c.text(e)))
	c.put("constant condition", e, "false && "+paren(c.text(e)))
}

func paren(s string) string { return "(" + s + ")" }

// assignment changes what is assigned.
func (c *changer) assignment(s *ast.AssignStmt) {
	if s.Tok != token.DEFINE {
		c.drop(s)
	}
	if other, ok := swappedAssign(s.Tok); ok {
		c.operator("swapped operator", s.TokPos, s.Tok, other)
		c.operator("plain assignment", s.TokPos, s.Tok, token.ASSIGN)
	}
	if len(s.Lhs) == len(s.Rhs) && (s.Tok == token.ASSIGN || s.Tok == token.DEFINE) {
		for _, e := range s.Rhs {
			if z := c.zero(c.p.info.TypeOf(e)); z != "" && z != c.text(e) {
				c.put("zero for a value", e, z)
			}
		}
	}
}

// returned changes what a function returns.
func (c *changer) returned(s *ast.ReturnStmt) {
	if len(s.Results) == 0 || c.results == nil {
		return
	}
	for i, e := range s.Results {
		t := c.p.info.TypeOf(e)
		if len(s.Results) != c.results.NumFields() {
			return // a call of several results
		}
		if b, ok := under(t).(*types.Basic); ok && b.Info()&types.IsBoolean != 0 {
			c.put("negated result", e, "!"+paren(c.text(e)))
			continue
		}
		if z := c.resultZero(i); z != "" && c.text(e) != "nil" && c.text(e) != z {
			c.put("zero result", e, z)
		}
	}
}

// earlyReturn leaves the function before the statement.
func (c *changer) earlyReturn() {
	if c.parent == nil {
		return
	}
	switch c.stmt.(type) {
	case *ast.ReturnStmt, *ast.CaseClause, *ast.CommClause, *ast.ValueSpec:
		return
	}
	values := ""
	if c.results != nil && c.results.NumFields() > 0 {
		var list []string
		for i := range c.results.NumFields() {
			z := c.resultZero(i)
			if z == "" {
				return
			}
			list = append(list, z)
		}
		values = " " + strings.Join(list, ", ")
	}
	c.add("early return", c.edit(c.stmt.Pos(), c.stmt.Pos(), "if true { return"+values+" }\n"))
}

// resultZero is the zero value of the function's i-th result.
func (c *changer) resultZero(i int) string {
	for _, f := range c.results.List {
		n := max(1, len(f.Names))
		if i < n {
			if z := c.zero(c.p.info.TypeOf(f.Type)); z != "" {
				return z
			}
			return "*new(" + c.text(f.Type) + ")"
		}
		i -= n
	}
	return ""
}

// zero spells the zero value of a type where no name of a type is needed.
func (c *changer) zero(t types.Type) string {
	switch u := under(t).(type) {
	case *types.Basic:
		switch {
		case u.Info()&types.IsBoolean != 0:
			return "false"
		case u.Info()&types.IsNumeric != 0:
			return "0"
		case u.Info()&types.IsString != 0:
			return `""`
		}
	case *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature, *types.Interface:
		return "nil"
	}
	return ""
}

func under(t types.Type) types.Type {
	if t == nil {
		return nil
	}
	if _, ok := t.(*types.TypeParam); ok {
		return nil
	}
	return t.Underlying()
}

func (c *changer) under(e ast.Expr) types.Type { return under(c.p.info.TypeOf(e)) }

// swappedAssign gives the operator that is put for an assignment's own.
func swappedAssign(t token.Token) (token.Token, bool) {
	switch t {
	case token.ADD_ASSIGN:
		return token.SUB_ASSIGN, true
	case token.SUB_ASSIGN:
		return token.ADD_ASSIGN, true
	case token.MUL_ASSIGN:
		return token.ADD_ASSIGN, true
	case token.QUO_ASSIGN, token.REM_ASSIGN:
		return token.MUL_ASSIGN, true
	case token.AND_ASSIGN, token.XOR_ASSIGN:
		return token.OR_ASSIGN, true
	case token.OR_ASSIGN, token.AND_NOT_ASSIGN:
		return token.AND_ASSIGN, true
	case token.SHL_ASSIGN:
		return token.SHR_ASSIGN, true
	case token.SHR_ASSIGN:
		return token.SHL_ASSIGN, true
	}
	return t, false
}
