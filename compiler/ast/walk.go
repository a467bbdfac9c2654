package ast

import "fmt"

// Inspect visits n and everything below it in source order, parents first.
// When f returns false for a node, its children are skipped. After the
// children of a node, f is called with nil.
//
// Every kind of node is visited, identifiers and paths included; a nil field is
// not. The expressions that an unstructured annotation's body happens to read
// as are not visited (see Annotation.Exprs).
func Inspect(n Node, f func(Node) bool) {
	if !f(n) {
		return
	}
	for _, c := range Children(n) {
		Inspect(c, f)
	}
	f(nil)
}

// Walk visits n and everything below it, parents first, without a way to skip.
func Walk(n Node, f func(Node)) {
	f(n)
	for _, c := range Children(n) {
		Walk(c, f)
	}
}

// children collects the non-nil children of one node. The typed add functions
// exist because a nil *Ident in a Node is not a nil Node.
type children []Node

func (c *children) expr(list ...Expr) {
	for _, e := range list {
		if e != nil {
			*c = append(*c, e)
		}
	}
}

func (c *children) typ(list ...Type) {
	for _, t := range list {
		if t != nil {
			*c = append(*c, t)
		}
	}
}

func (c *children) stmt(list ...Stmt) {
	for _, s := range list {
		if s != nil {
			*c = append(*c, s)
		}
	}
}

func (c *children) decl(list ...Decl) {
	for _, d := range list {
		if d != nil {
			*c = append(*c, d)
		}
	}
}

// node is any pointer to a node struct.
type node[T any] interface {
	*T
	Node
}

// add appends the pointers that are not nil.
func add[T any, P node[T]](c *children, list ...P) {
	for _, n := range list {
		if n != nil {
			*c = append(*c, n)
		}
	}
}

// Children returns the direct children of n in source order.
func Children(n Node) []Node {
	var c children
	switch n := n.(type) {
	case Decl:
		declChildren(&c, n)
	case Expr:
		exprChildren(&c, n)
	case Stmt:
		stmtChildren(&c, n)
	case Type:
		typeChildren(&c, n)
	case *Program:
		c.decl(n.Decls...)
	case *Ident:
	case *Path:
		add(&c, n.Name)
	case *Annotation:
		add(&c, n.Name)
		if n.Kind == AnnotExprs {
			c.expr(n.Exprs...)
		}
		add(&c, n.KV...)
	case *NamedExpr:
		add(&c, n.Name)
		c.expr(n.Value)
	case *Arg:
		add(&c, n.Name)
		c.expr(n.Value)
	case *Param:
		add(&c, n.Annotations...)
		c.typ(n.Type)
		add(&c, n.Name)
		c.expr(n.Default)
	case *ObjectInit:
		c.decl(n.Decls...)
	case *Field:
		add(&c, n.Annotations...)
		c.typ(n.Type)
		add(&c, n.Name)
	case *EnumMember:
		add(&c, n.Name)
		c.expr(n.Value)
	case *Method:
		add(&c, n.Annotations...)
		c.typ(n.Result)
		add(&c, n.Name)
		add(&c, n.TypeParams...)
		add(&c, n.Params...)
	case *StateDecl:
		add(&c, n.Annotations...)
		add(&c, n.Name)
		c.stmt(n.Stmts...)
		add(&c, n.Transition)
	case *Transition:
		add(&c, n.Next)
		add(&c, n.Select)
	case *Select:
		c.expr(n.Exprs...)
		add(&c, n.Cases...)
	case *SelectCase:
		c.expr(n.Keys...)
		add(&c, n.State)
	case *KeyProp:
		add(&c, n.Annotations...)
		add(&c, n.Elems...)
	case *KeyElem:
		c.expr(n.Expr)
		add(&c, n.Match)
		add(&c, n.Annotations...)
	case *ActionsProp:
		add(&c, n.Annotations...)
		add(&c, n.Refs...)
	case *ActionRef:
		add(&c, n.Annotations...)
		add(&c, n.Path)
		add(&c, n.Args...)
	case *EntriesProp:
		add(&c, n.Annotations...)
		add(&c, n.List...)
	case *Entry:
		c.expr(n.Priority)
		c.expr(n.Keys...)
		add(&c, n.Action)
		add(&c, n.Annotations...)
	case *Property:
		add(&c, n.Annotations...)
		add(&c, n.Name)
		c.expr(n.Value)
	case *SwitchCase:
		c.expr(n.Label)
		add(&c, n.Body)
	default:
		panic(fmt.Sprintf("ast.Children: unknown node %T", n))
	}
	return c
}

func declChildren(c *children, d Decl) {
	add(c, d.Annots()...)
	switch d := d.(type) {
	case *ConstDecl:
		c.typ(d.Type)
		add(c, d.Name)
		c.expr(d.Value)
	case *VarDecl:
		c.typ(d.Type)
		add(c, d.Name)
		c.expr(d.Init)
	case *Instantiation:
		c.typ(d.Type)
		add(c, d.Args...)
		add(c, d.Name)
		add(c, d.Init)
	case *ErrorDecl:
		add(c, d.Members...)
	case *MatchKindDecl:
		add(c, d.Members...)
	case *StructDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Fields...)
	case *EnumDecl:
		c.typ(d.Underlying)
		add(c, d.Name)
		add(c, d.Members...)
	case *TypedefDecl:
		c.typ(d.Type)
		c.decl(d.Inline)
		add(c, d.Name)
	case *ExternDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Methods...)
	case *FuncDecl:
		c.typ(d.Result)
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
		add(c, d.Body)
	case *ActionDecl:
		add(c, d.Name)
		add(c, d.Params...)
		add(c, d.Body)
	case *ParserTypeDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
	case *ParserDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
		add(c, d.CtorParams...)
		c.decl(d.Locals...)
		add(c, d.States...)
	case *ValueSetDecl:
		c.typ(d.Elem)
		c.expr(d.Size)
		add(c, d.Name)
	case *ControlTypeDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
	case *ControlDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
		add(c, d.CtorParams...)
		c.decl(d.Locals...)
		add(c, d.Apply)
	case *PackageDecl:
		add(c, d.Name)
		add(c, d.TypeParams...)
		add(c, d.Params...)
	case *TableDecl:
		add(c, d.Name)
		add(c, d.Key)
		add(c, d.Actions)
		add(c, d.Entries)
		add(c, d.Props...)
	default:
		panic(fmt.Sprintf("ast.Children: unknown declaration %T", d))
	}
}

func exprChildren(c *children, e Expr) {
	switch e := e.(type) {
	case *IntLit, *BoolLit, *StringLit, *ThisExpr, *InvalidExpr, *DotsExpr,
		*DefaultExpr, *DontCareExpr, *BadExpr:
	case *PathExpr:
		add(c, e.Path)
	case *TypeExpr:
		c.typ(e.Type)
	case *MemberExpr:
		c.expr(e.X)
		add(c, e.Member)
	case *IndexExpr:
		c.expr(e.X, e.Index)
	case *SliceExpr:
		c.expr(e.X, e.Hi, e.Lo)
	case *WidthSliceExpr:
		c.expr(e.X, e.Lo, e.Width)
	case *UnaryExpr:
		c.expr(e.X)
	case *BinaryExpr:
		c.expr(e.X, e.Y)
	case *CondExpr:
		c.expr(e.Cond, e.Then, e.Else)
	case *CallExpr:
		c.expr(e.Fun)
		c.typ(e.TypeArgs...)
		add(c, e.Args...)
	case *CastExpr:
		c.typ(e.Type)
		c.expr(e.X)
	case *ListExpr:
		c.expr(e.Elems...)
	case *StructExpr:
		add(c, e.Fields...)
		add(c, e.Dots)
	default:
		panic(fmt.Sprintf("ast.Children: unknown expression %T", e))
	}
}

func stmtChildren(c *children, s Stmt) {
	switch s := s.(type) {
	case *BreakStmt, *ContinueStmt, *ExitStmt, *EmptyStmt:
	case *AssignStmt:
		c.expr(s.LHS, s.RHS)
	case *CallStmt:
		add(c, s.Call)
	case *BlockStmt:
		add(c, s.Annotations...)
		c.stmt(s.Stmts...)
	case *IfStmt:
		c.expr(s.Cond)
		c.stmt(s.Then, s.Else)
	case *SwitchStmt:
		c.expr(s.Tag)
		add(c, s.Cases...)
	case *ForStmt:
		add(c, s.Annotations...)
		c.stmt(s.Init...)
		c.expr(s.Cond)
		c.stmt(s.Post...)
		c.stmt(s.Body)
	case *ForInStmt:
		add(c, s.Annotations...)
		add(c, s.Var)
		c.expr(s.Coll)
		c.stmt(s.Body)
	case *ReturnStmt:
		c.expr(s.Value)
	case *DeclStmt:
		c.decl(s.Decl)
	default:
		panic(fmt.Sprintf("ast.Children: unknown statement %T", s))
	}
}

func typeChildren(c *children, t Type) {
	switch t := t.(type) {
	case *DontCareType:
	case *BasicType:
		c.expr(t.Width)
	case *NamedType:
		add(c, t.Path)
	case *SpecializedType:
		add(c, t.Base)
		c.typ(t.Args...)
	case *StackType:
		c.typ(t.Elem)
		c.expr(t.Size)
	case *TupleType:
		c.typ(t.Elems...)
	case *ListType:
		c.typ(t.Elem)
	default:
		panic(fmt.Sprintf("ast.Children: unknown type %T", t))
	}
}
