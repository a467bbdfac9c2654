package ast

import "github.com/p4nic/p4nic/compiler/source"

// AssignStmt is `LHS = RHS;` or, in the draft, the compound `LHS op= RHS;`.
type AssignStmt struct {
	source.Span
	Op  Op // OpInvalid for a plain assignment, else the operator before the =
	LHS Expr
	RHS Expr
}

// CallStmt is a call for its effect. The direct application of a type,
// `C.apply(...)`, is a call whose Fun is a MemberExpr of a TypeExpr.
type CallStmt struct {
	source.Span
	Call *CallExpr
}

// BlockStmt is `{ ... }`.
type BlockStmt struct {
	source.Span
	Annotations []*Annotation
	Stmts       []Stmt
}

// IfStmt is a conditional; Else is nil when not written.
type IfStmt struct {
	source.Span
	Cond Expr
	Then Stmt
	Else Stmt
}

// SwitchStmt is a switch on `t.apply().action_run` or on an expression.
type SwitchStmt struct {
	source.Span
	Tag   Expr
	Cases []*SwitchCase
}

// SwitchCase is one label. Body is nil when the label falls through to the
// next one. Label is a *DefaultExpr for `default`.
type SwitchCase struct {
	source.Span
	Label Expr
	Body  *BlockStmt
}

// ForStmt is the draft's `for (init; cond; post) body`. Init holds *DeclStmt
// (a variable), *AssignStmt and *CallStmt; Post the latter two.
type ForStmt struct {
	source.Span
	Annotations []*Annotation
	Init        []Stmt
	Cond        Expr
	Post        []Stmt
	Body        Stmt
}

// ForInStmt is the draft's `for (T x in coll) body`. Coll may be a BinaryExpr
// with OpRange. Var declares the loop variable; its Init is nil.
type ForInStmt struct {
	source.Span
	Annotations []*Annotation
	Var         *VarDecl
	Coll        Expr
	Body        Stmt
}

// BreakStmt is `break;`.
type BreakStmt struct{ source.Span }

// ContinueStmt is `continue;`.
type ContinueStmt struct{ source.Span }

// ReturnStmt is `return;` or `return value;`.
type ReturnStmt struct {
	source.Span
	Value Expr
}

// ExitStmt is `exit;`.
type ExitStmt struct{ source.Span }

// EmptyStmt is `;`.
type EmptyStmt struct{ source.Span }

// DeclStmt is a declaration among statements: *VarDecl, *ConstDecl or
// *Instantiation.
type DeclStmt struct {
	source.Span
	Decl Decl
}

// Annots of the statements that can have annotations.

func (s *BlockStmt) Annots() []*Annotation { return s.Annotations }
func (s *ForStmt) Annots() []*Annotation   { return s.Annotations }
func (s *ForInStmt) Annots() []*Annotation { return s.Annotations }

func (*AssignStmt) stmt()   {}
func (*CallStmt) stmt()     {}
func (*BlockStmt) stmt()    {}
func (*IfStmt) stmt()       {}
func (*SwitchStmt) stmt()   {}
func (*ForStmt) stmt()      {}
func (*ForInStmt) stmt()    {}
func (*BreakStmt) stmt()    {}
func (*ContinueStmt) stmt() {}
func (*ReturnStmt) stmt()   {}
func (*ExitStmt) stmt()     {}
func (*EmptyStmt) stmt()    {}
func (*DeclStmt) stmt()     {}
