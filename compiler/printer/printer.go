// Package printer writes syntax trees as P4 source.
//
// In: any node of compiler/ast. Out: text that compiler/parser reads back as the
// same tree, positions apart; printing that again gives the same text. Comments
// and preprocessor directives are gone, and parentheses stand where the
// precedence of operators needs them.
//
// It imports compiler/ast and compiler/scanner (for the spelling of strings)
// and nothing else of the compiler.
package printer

import (
	"fmt"
	"io"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/scanner"
)

// Fprint writes a node. A program and a declaration end in a newline.
func Fprint(w io.Writer, n ast.Node) error {
	_, err := io.WriteString(w, String(n))
	return err
}

// String returns the text of a node.
func String(n ast.Node) string {
	p := &printer{}
	p.node(n)
	return p.b.String()
}

// printer collects the text; indentation is put before the first word of a
// line.
type printer struct {
	b      strings.Builder
	indent int
	bol    bool // at the beginning of a line
}

func (p *printer) put(parts ...string) {
	for _, s := range parts {
		if s == "" {
			continue
		}
		if p.bol {
			p.b.WriteString(strings.Repeat("    ", p.indent))
			p.bol = false
		}
		p.b.WriteString(s)
	}
}

func (p *printer) nl() {
	p.b.WriteByte('\n')
	p.bol = true
}

// open writes " {" and begins an indented region, shut ends it with "}".
func (p *printer) open() { p.put(" {"); p.nl(); p.indent++ }
func (p *printer) shut() { p.indent--; p.put("}") }

// list writes elements separated by commas.
func list[T any](p *printer, elems []T, f func(T)) {
	for i, e := range elems {
		if i > 0 {
			p.put(", ")
		}
		f(e)
	}
}

func (p *printer) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.Program:
		for i, d := range n.Decls {
			if i > 0 {
				p.nl()
			}
			p.decl(d)
		}
	case ast.Decl:
		p.decl(n)
	case ast.Stmt:
		p.stmt(n)
	case ast.Expr:
		p.expr(n, ast.PrecLowest)
	case ast.Type:
		p.typ(n)
	case *ast.Ident:
		p.put(n.Name)
	case *ast.Path:
		p.put(n.String())
	case *ast.Annotation:
		p.annotation(n)
	case *ast.Param:
		p.param(n)
	case *ast.Arg:
		p.arg(n)
	case *ast.NamedExpr:
		p.namedExpr(n)
	case *ast.Field:
		p.field(n)
	case *ast.EnumMember:
		p.enumMember(n)
	case *ast.Method:
		p.method(n)
	case *ast.StateDecl:
		p.state(n)
	case *ast.Transition:
		p.transition(n)
	case *ast.Select:
		p.selectExpr(n)
	case *ast.SelectCase:
		p.selectCase(n)
	case *ast.ObjectInit:
		p.objectInit(n)
	case *ast.KeyProp:
		p.keyProp(n)
	case *ast.KeyElem:
		p.keyElem(n)
	case *ast.ActionsProp:
		p.actionsProp(n)
	case *ast.ActionRef:
		p.actionRef(n)
	case *ast.EntriesProp:
		p.entriesProp(n)
	case *ast.Entry:
		p.entry(n)
	case *ast.Property:
		p.property(n)
	case *ast.SwitchCase:
		p.switchCase(n)
	default:
		panic(fmt.Sprintf("printer: unknown node %T", n))
	}
}

// annots writes annotations, each followed by a space or, before declarations
// that begin a line of their own, a newline.
func (p *printer) annots(list []*ast.Annotation, sep string) {
	for _, a := range list {
		p.annotation(a)
		switch {
		case p.bol:
		case sep == "\n":
			p.nl()
		default:
			p.put(sep)
		}
	}
}

// trailing writes annotations that stand behind something.
func (p *printer) trailing(list []*ast.Annotation) {
	for _, a := range list {
		if !p.bol {
			p.put(" ")
		}
		p.annotation(a)
	}
}

func (p *printer) annotation(a *ast.Annotation) {
	name := "@" + a.Name.Name
	if a.Name.Name == "pragma" {
		name = "@ pragma" // `@pragma` would take the next word for its name
	}
	switch a.Kind {
	case ast.AnnotNone:
		p.put(name)
	case ast.AnnotExprs:
		p.put(name, "[")
		list(p, a.Exprs, p.low)
		p.put("]")
	case ast.AnnotKV:
		p.put(name, "[")
		list(p, a.KV, p.namedExpr)
		p.put("]")
	case ast.AnnotUnstructured:
		body := tokens(a.Tokens)
		if !balanced(a.Tokens) {
			// Only @pragma can have such a body; it ends with the line.
			p.put("@pragma ", a.Name.Name, " ", body)
			p.nl()
			return
		}
		p.put(name, "(", body, ")")
	}
}

// balanced reports whether the parentheses of a body pair up.
func balanced(toks []ast.Token) bool {
	depth := 0
	for _, t := range toks {
		if t.Kind == ast.TokenPunct && t.Text == "(" {
			depth++
		}
		if t.Kind == ast.TokenPunct && t.Text == ")" {
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}

// tokens spells raw tokens, with a space between any two: that never joins
// tokens into others.
func tokens(toks []ast.Token) string {
	var b strings.Builder
	for i, t := range toks {
		if i > 0 {
			b.WriteByte(' ')
		}
		if t.Kind == ast.TokenString {
			b.WriteString(scanner.Quote(t.Text))
		} else {
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

func (p *printer) namedExpr(n *ast.NamedExpr) {
	p.put(n.Name.Name, " = ")
	p.low(n.Value)
}

func (p *printer) arg(a *ast.Arg) {
	if a.Name != nil {
		p.put(a.Name.Name, " = ")
	}
	p.low(a.Value)
}

func (p *printer) args(args []*ast.Arg) {
	p.put("(")
	list(p, args, p.arg)
	p.put(")")
}

func (p *printer) param(q *ast.Param) {
	p.annots(q.Annotations, " ")
	if q.Dir != ast.DirNone {
		p.put(q.Dir.String(), " ")
	}
	p.typ(q.Type)
	p.put(" ", q.Name.Name)
	if q.Default != nil {
		p.put(" = ")
		p.low(q.Default)
	}
}

func (p *printer) params(params []*ast.Param) {
	p.put("(")
	list(p, params, p.param)
	p.put(")")
}

func (p *printer) typeParams(ids []*ast.Ident) {
	if len(ids) == 0 {
		return
	}
	p.put("<")
	list(p, ids, func(id *ast.Ident) { p.put(id.Name) })
	p.put(">")
}
