package ir

import "fmt"

// Cloner copies statements and expressions deeply. Objects that nodes point at
// (variables, actions, tables, ...) are replaced where a map has them and kept
// otherwise. The zero Cloner makes plain copies. Types are never copied: they
// do not change after irgen.
type Cloner struct {
	Vars      map[*Var]*Var
	Subst     map[*Var]Expr // variables replaced by a copy of an expression
	Actions   map[*Action]*Action
	Tables    map[*Table]*Table
	Instances map[*Instance]*Instance
	ValueSets map[*ValueSet]*ValueSet
	Functions map[*Function]*Function
	Blocks    map[*Block]*Block
	Labels    map[string]string
}

func mapped[K comparable](m map[K]K, k K) K {
	if v, ok := m[k]; ok {
		return v
	}
	return k
}

// Var gives the variable that stands for v in the copy; nil stays nil.
func (c *Cloner) Var(v *Var) *Var { return mapped(c.Vars, v) }

// Exprs copies a list; nil elements stay nil.
func (c *Cloner) Exprs(es []Expr) []Expr {
	if es == nil {
		return nil
	}
	out := make([]Expr, len(es))
	for i, e := range es {
		out[i] = c.Expr(e)
	}
	return out
}

// Expr copies an expression; nil stays nil.
func (c *Cloner) Expr(e Expr) Expr {
	switch e := e.(type) {
	case nil:
		return nil
	case *Const:
		n := *e // big.Int values are never changed in place
		return &n
	case *StringLit:
		n := *e
		return &n
	case *VarRef:
		if x, ok := c.Subst[e.Var]; ok {
			return (&Cloner{}).Expr(x)
		}
		return &VarRef{e.Meta, c.Var(e.Var)}
	case *Member:
		return &Member{e.Meta, c.Expr(e.X), e.Field}
	case *Index:
		return &Index{e.Meta, c.Expr(e.X), c.Expr(e.I)}
	case *StackOp:
		return &StackOp{e.Meta, c.Expr(e.X), e.Op}
	case *Unary:
		return &Unary{e.Meta, e.Op, c.Expr(e.X)}
	case *Binary:
		return &Binary{e.Meta, e.Op, c.Expr(e.X), c.Expr(e.Y)}
	case *Cast:
		return &Cast{e.Meta, c.Expr(e.X)}
	case *Mux:
		return &Mux{e.Meta, c.Expr(e.C), c.Expr(e.A), c.Expr(e.B)}
	case *Slice:
		return &Slice{e.Meta, c.Expr(e.X), e.Hi, e.Lo}
	case *IsValid:
		return &IsValid{e.Meta, c.Expr(e.X)}
	case *ListExpr:
		return &ListExpr{e.Meta, c.Exprs(e.Elems)}
	case *StructLit:
		return &StructLit{e.Meta, c.Exprs(e.Fields), e.Invalid}
	case *TupleIndex:
		return &TupleIndex{e.Meta, c.Expr(e.X), e.I}
	case *ObjectRef:
		return &ObjectRef{e.Meta, mapped(c.Instances, e.Inst)}
	case *Call:
		return &Call{e.Meta, c.callee(e.Callee)}
	}
	panic(fmt.Sprintf("ir: clone of %T", e))
}

func (c *Cloner) callee(k Callee) Callee {
	k.Func = mapped(c.Functions, k.Func)
	k.Action = mapped(c.Actions, k.Action)
	k.Table = mapped(c.Tables, k.Table)
	k.Block = mapped(c.Blocks, k.Block)
	k.Object = mapped(c.Instances, k.Object)
	k.Recv = c.Expr(k.Recv)
	k.Args = c.Exprs(k.Args)
	k.Dirs = append([]Dir(nil), k.Dirs...)
	k.TypeArgs = append([]Type(nil), k.TypeArgs...)
	return k
}

func (c *Cloner) label(l string) string { return mapped(c.Labels, l) }

// Stmts copies a statement list; nil stays nil.
func (c *Cloner) Stmts(body []Stmt) []Stmt {
	if body == nil {
		return nil
	}
	out := make([]Stmt, len(body))
	for i, s := range body {
		out[i] = c.Stmt(s)
	}
	return out
}

// Stmt copies a statement.
func (c *Cloner) Stmt(s Stmt) Stmt {
	switch s := s.(type) {
	case *Assign:
		return &Assign{s.SMeta, c.Expr(s.L), c.Expr(s.R)}
	case *If:
		return &If{s.SMeta, c.Expr(s.Cond), c.Stmts(s.Then), c.Stmts(s.Else), s.Likely}
	case *Switch:
		n := &Switch{SMeta: s.SMeta, X: c.Expr(s.X), Default: c.Stmts(s.Default)}
		for _, k := range s.Cases {
			n.Cases = append(n.Cases, SwitchCase{k.Labels, c.Stmts(k.Body)})
		}
		return n
	case *Labelled:
		return &Labelled{s.SMeta, c.label(s.Label), c.Stmts(s.Body)}
	case *Loop:
		return &Loop{s.SMeta, c.label(s.Label), c.Stmts(s.Body)}
	case *Leave:
		return &Leave{s.SMeta, c.label(s.Label)}
	case *Continue:
		return &Continue{s.SMeta, c.label(s.Label)}
	case *ApplyTable:
		return &ApplyTable{s.SMeta, mapped(c.Tables, s.Table), c.Var(s.Hit), c.Var(s.Run)}
	case *CallStmt:
		return &CallStmt{s.SMeta, c.callee(s.Callee)}
	case *ExternCall:
		n := *s
		n.Object = mapped(c.Instances, s.Object)
		n.Dst = c.Expr(s.Dst)
		n.Args = c.Exprs(s.Args)
		n.TypeArgs = append([]Type(nil), s.TypeArgs...)
		n.Dirs = append([]Dir(nil), s.Dirs...)
		return &n
	case *SetValid:
		return &SetValid{s.SMeta, c.Expr(s.X), s.Valid}
	case *PushPop:
		return &PushPop{s.SMeta, c.Expr(s.X), s.N, s.Push}
	case *Extract:
		return &Extract{s.SMeta, c.Expr(s.X), c.Expr(s.VarBits), s.SkipBits}
	case *Advance:
		return &Advance{s.SMeta, c.Expr(s.Bits)}
	case *Lookahead:
		return &Lookahead{s.SMeta, c.Expr(s.Dst)}
	case *PacketLength:
		return &PacketLength{s.SMeta, c.Expr(s.Dst)}
	case *Verify:
		return &Verify{s.SMeta, c.Expr(s.Cond), c.Expr(s.Err)}
	case *Emit:
		return &Emit{s.SMeta, c.Expr(s.X)}
	case *Return:
		return &Return{s.SMeta, c.Expr(s.X)}
	case *Exit:
		return &Exit{s.SMeta}
	}
	panic(fmt.Sprintf("ir: clone of %T", s))
}

// vars makes fresh copies of the variables and remembers them.
func (c *Cloner) vars(vs []*Var) []*Var {
	var out []*Var
	for _, v := range vs {
		n := *v
		c.Vars[v] = &n
		out = append(out, &n)
	}
	return out
}

func (c *Cloner) sets(ss []Set) []Set {
	out := append([]Set(nil), ss...)
	for i := range out {
		out[i].VS = mapped(c.ValueSets, out[i].VS)
	}
	return out
}

// States copies parser states; names stay.
func (c *Cloner) States(states []*State) []*State {
	var out []*State
	for _, s := range states {
		n := *s
		n.Body = c.Stmts(s.Body)
		n.Trans.Keys = c.Exprs(s.Trans.Keys)
		n.Trans.Cases = nil
		for _, k := range s.Trans.Cases {
			k.Sets = c.sets(k.Sets)
			n.Trans.Cases = append(n.Trans.Cases, k)
		}
		out = append(out, &n)
	}
	return out
}

// Clone copies p so that changing the copy does not change p. Types, constants,
// annotations and source files are shared.
func Clone(p *Program) *Program {
	c := &Cloner{
		Vars: map[*Var]*Var{}, Actions: map[*Action]*Action{}, Tables: map[*Table]*Table{},
		Instances: map[*Instance]*Instance{}, ValueSets: map[*ValueSet]*ValueSet{},
		Functions: map[*Function]*Function{}, Blocks: map[*Block]*Block{},
	}
	n := *p
	n.Types = append([]Type(nil), p.Types...)
	n.Errors = append([]string(nil), p.Errors...)
	n.Files = append([]SourceFile(nil), p.Files...)

	// First every object, so that references in any direction are known; then
	// what the objects hold.
	n.Instances, n.ValueSets = nil, nil
	for _, o := range p.Instances {
		d := *o
		c.Instances[o] = &d
		n.Instances = append(n.Instances, &d)
	}
	for _, o := range p.ValueSets {
		d := *o
		c.ValueSets[o] = &d
		n.ValueSets = append(n.ValueSets, &d)
	}
	n.Functions, n.Actions, n.Tables, n.Blocks = nil, nil, nil, nil
	for _, o := range p.Functions {
		d := *o
		d.Params, d.Locals = c.vars(o.Params), c.vars(o.Locals)
		d.Of = mapped(c.Instances, o.Of)
		c.Functions[o] = &d
		n.Functions = append(n.Functions, &d)
	}
	for _, o := range p.Actions {
		d := *o
		d.Params, d.Locals = c.vars(o.Params), c.vars(o.Locals)
		c.Actions[o] = &d
		n.Actions = append(n.Actions, &d)
	}
	for _, o := range p.Blocks {
		d := *o
		d.Params, d.Locals = c.vars(o.Params), c.vars(o.Locals)
		c.Blocks[o] = &d
		n.Blocks = append(n.Blocks, &d)
	}
	for _, o := range p.Tables {
		d := *o
		c.Tables[o] = &d
		n.Tables = append(n.Tables, &d)
	}

	for _, d := range n.Instances {
		d.Args = c.Exprs(d.Args)
	}
	for _, d := range n.Functions {
		d.Body = c.Stmts(d.Body)
	}
	for _, d := range n.Actions {
		d.Body = c.Stmts(d.Body)
	}
	for _, d := range n.Blocks {
		d.Body = c.Stmts(d.Body)
		d.States = c.States(d.States)
	}
	for _, d := range n.Tables {
		c.table(d)
	}
	n.Pipeline = nil
	for _, b := range p.Pipeline {
		n.Pipeline = append(n.Pipeline, Binding{b.Slot, mapped(c.Blocks, b.Block)})
	}
	return &n
}

// table copies in place what a shallow copy of a table shares.
func (c *Cloner) table(t *Table) {
	keys := append([]Key(nil), t.Keys...)
	for i := range keys {
		keys[i].Expr = c.Expr(keys[i].Expr)
	}
	t.Keys = keys
	refs := append([]ActionRef(nil), t.Actions...)
	for i := range refs {
		refs[i].Action = mapped(c.Actions, refs[i].Action)
		refs[i].Bound = c.Exprs(refs[i].Bound)
	}
	t.Actions = refs
	t.DefaultVals = c.Exprs(t.DefaultVals)
	entries := append([]ConstEntry(nil), t.Entries...)
	for i := range entries {
		entries[i].Sets = c.sets(entries[i].Sets)
	}
	t.Entries = entries
	props := append([]Prop(nil), t.Props...)
	for i := range props {
		props[i].Expr = c.Expr(props[i].Expr)
	}
	t.Props = props
	t.Counters = mapped(c.Instances, t.Counters)
	t.Meters = mapped(c.Instances, t.Meters)
	t.Implementation = mapped(c.Instances, t.Implementation)
}
