package ir

// Owners finds the block whose parameters and locals an action, table or
// function uses; the text form names it ("in BLOCK").
type Owners struct{ of map[*Var]*Block }

// NewOwners indexes the variables of p's blocks.
func NewOwners(p *Program) Owners {
	o := Owners{of: map[*Var]*Block{}}
	for _, b := range p.Blocks {
		for _, v := range b.Params {
			o.of[v] = b
		}
		for _, v := range b.Locals {
			o.of[v] = b
		}
	}
	return o
}

// Action is the first block that a's body refers to, or nil.
func (o Owners) Action(a *Action) *Block { return o.stmts(a.Body) }

// Function is the first block that f's body refers to, or nil.
func (o Owners) Function(f *Function) *Block { return o.stmts(f.Body) }

// Table is the first block that t's keys, bound arguments and properties refer
// to, or nil.
func (o Owners) Table(t *Table) *Block {
	var b *Block
	look := func(e Expr) { WalkExpr(e, func(x Expr) { o.see(x, &b) }) }
	for _, k := range t.Keys {
		look(k.Expr)
	}
	for _, a := range t.Actions {
		for _, e := range a.Bound {
			look(e)
		}
	}
	for _, p := range t.Props {
		look(p.Expr)
	}
	return b
}

func (o Owners) see(x Expr, b **Block) {
	if v, ok := x.(*VarRef); ok && *b == nil {
		*b = o.of[v.Var]
	}
}

func (o Owners) stmts(ss []Stmt) *Block {
	var b *Block
	WalkExprs(ss, func(x Expr) { o.see(x, &b) })
	WalkStmts(ss, func(s Stmt) {
		if a, ok := s.(*ApplyTable); ok && b == nil {
			if b = o.of[a.Hit]; b == nil {
				b = o.of[a.Run]
			}
		}
	})
	return b
}
