package printer

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ast"
)

// stmt writes a statement without a final newline.
func (p *printer) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		p.block(s)
	case *ast.AssignStmt, *ast.CallStmt:
		p.simple(s)
		p.put(";")
	case *ast.IfStmt:
		p.ifStmt(s)
	case *ast.SwitchStmt:
		p.put("switch (")
		p.low(s.Tag)
		p.put(")")
		p.open()
		for _, c := range s.Cases {
			p.switchCase(c)
			p.nl()
		}
		p.shut()
	case *ast.ForStmt:
		p.annots(s.Annotations, " ")
		p.put("for (")
		list(p, s.Init, p.simple)
		p.put("; ")
		p.low(s.Cond)
		p.put(";")
		if len(s.Post) > 0 {
			p.put(" ")
		}
		list(p, s.Post, p.simple)
		p.put(")")
		p.body(s.Body)
	case *ast.ForInStmt:
		p.annots(s.Annotations, " ")
		p.put("for (")
		p.varDecl(s.Var, " ")
		p.put(" in ")
		p.low(s.Coll)
		p.put(")")
		p.body(s.Body)
	case *ast.BreakStmt:
		p.put("break;")
	case *ast.ContinueStmt:
		p.put("continue;")
	case *ast.ReturnStmt:
		p.put("return")
		if s.Value != nil {
			p.put(" ")
			p.low(s.Value)
		}
		p.put(";")
	case *ast.ExitStmt:
		p.put("exit;")
	case *ast.EmptyStmt:
		p.put(";")
	case *ast.DeclStmt:
		p.localDecl(s.Decl)
	default:
		panic(fmt.Sprintf("printer: unknown statement %T", s))
	}
}

// simple writes what may stand in the head of a for loop, without a semicolon.
func (p *printer) simple(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		p.low(s.LHS)
		if s.Op == ast.OpInvalid {
			p.put(" = ")
		} else {
			p.put(" ", s.Op.String(), "= ")
		}
		p.low(s.RHS)
	case *ast.CallStmt:
		p.low(s.Call)
	case *ast.DeclStmt:
		if v, ok := s.Decl.(*ast.VarDecl); ok {
			p.varDecl(v, " ")
			return
		}
		panic(fmt.Sprintf("printer: %T in the head of a loop", s.Decl))
	default:
		panic(fmt.Sprintf("printer: %T in the head of a loop", s))
	}
}

func (p *printer) block(b *ast.BlockStmt) {
	p.annots(b.Annotations, " ")
	p.put("{")
	p.nl()
	p.indent++
	for _, s := range b.Stmts {
		p.stmt(s)
		p.nl()
	}
	p.shut()
}

// body writes the statement under a condition or loop.
func (p *printer) body(s ast.Stmt) {
	if b, ok := s.(*ast.BlockStmt); ok {
		p.put(" ")
		p.block(b)
		return
	}
	p.nl()
	p.indent++
	p.stmt(s)
	p.indent--
}

// ifStmt writes a conditional and the chain of `else if` after it.
func (p *printer) ifStmt(s *ast.IfStmt) {
	for {
		p.put("if (")
		p.low(s.Cond)
		p.put(")")
		then := s.Then
		if s.Else != nil && openIf(then) {
			// Only a tree that no source gave: keep the else where it belongs.
			then = &ast.BlockStmt{Stmts: []ast.Stmt{then}}
		}
		p.body(then)
		if s.Else == nil {
			return
		}
		if _, ok := then.(*ast.BlockStmt); ok {
			p.put(" else")
		} else {
			p.nl()
			p.put("else")
		}
		next, ok := s.Else.(*ast.IfStmt)
		if !ok {
			p.body(s.Else)
			return
		}
		p.put(" ")
		s = next
	}
}

// openIf reports whether a following else would belong to s.
func openIf(s ast.Stmt) bool {
	for {
		switch t := s.(type) {
		case *ast.IfStmt:
			if t.Else == nil {
				return true
			}
			s = t.Else
		case *ast.ForStmt:
			s = t.Body
		case *ast.ForInStmt:
			s = t.Body
		default:
			return false
		}
	}
}

func (p *printer) switchCase(c *ast.SwitchCase) {
	p.low(c.Label)
	p.put(":")
	if c.Body != nil {
		p.put(" ")
		p.block(c.Body)
	}
}
