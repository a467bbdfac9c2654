package parser

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
)

// tableDecl parses a table (specification, "Tables").
func (p *parser) tableDecl(lo source.Pos, annots []*ast.Annotation) ast.Decl {
	d := &ast.TableDecl{Annotations: annots}
	p.advance()
	d.Name = p.name("of the table")
	p.declare(d.Name.Name, false)
	p.expect(scanner.LBrace, "after the name of the table")
	if p.kind() == scanner.RBrace {
		p.unexpected("a property", "of the table")
	}
	seen := map[string]source.Span{}
	p.list("at the end of the table", func() { p.tableProperty(d, seen) })
	d.Span = p.from(lo)
	return d
}

// tableProperty parses one property into d. seen holds the earlier ones.
func (p *parser) tableProperty(d *ast.TableDecl, seen map[string]source.Span) {
	lo := p.lo()
	annots := p.annotations()
	constAt := p.here()
	isConst := p.got(scanner.Const)
	name := p.name("of a table property")
	p.expect(scanner.Assign, "after the name of the property")
	if p.failed {
		return
	}
	if old, ok := seen[name.Name]; ok {
		p.report(diag.Diagnostic{
			Code: CodeDuplicate, Span: name.Span, Message: "property " + name.Name + " is given twice",
			Notes: []diag.Note{{Span: old, Message: "first given here"}},
		})
	} else {
		seen[name.Name] = name.Span
	}
	if isConst && (name.Name == "key" || name.Name == "actions") {
		p.errorf(CodeSyntax, constAt, "property %s cannot be const", name.Name)
	}
	switch name.Name {
	case "key":
		k := &ast.KeyProp{Annotations: annots}
		p.expect(scanner.LBrace, "after `key =`")
		p.list("at the end of the key", func() { p.keyElem(k) })
		k.Span = p.from(lo)
		d.Key = k
	case "actions":
		a := &ast.ActionsProp{Annotations: annots}
		p.expect(scanner.LBrace, "after `actions =`")
		p.list("at the end of the actions", func() {
			lo := p.lo()
			r := p.actionRef(p.annotations())
			p.expect(scanner.Semi, "after the action")
			r.Lo = lo
			if !p.failed {
				a.Refs = append(a.Refs, r)
			}
		})
		a.Span = p.from(lo)
		d.Actions = a
	case "entries":
		e := &ast.EntriesProp{Annotations: annots, IsConst: isConst}
		p.expect(scanner.LBrace, "after `entries =`")
		p.list("at the end of the entries", func() {
			if x := p.entry(); !p.failed {
				e.List = append(e.List, x)
			}
		})
		e.Span = p.from(lo)
		d.Entries = e
	default:
		q := &ast.Property{Annotations: annots, IsConst: isConst, Name: name}
		q.Value = p.expr()
		p.expect(scanner.Semi, "after the property")
		q.Span = p.from(lo)
		if !p.failed {
			d.Props = append(d.Props, q)
		}
	}
}

// keyElem parses `expr : match_kind annotations;`.
func (p *parser) keyElem(k *ast.KeyProp) {
	lo := p.lo()
	e := &ast.KeyElem{Expr: p.expr()}
	p.expect(scanner.Colon, "after the key expression")
	e.Match = p.name("of a match kind")
	e.Annotations = p.annotations()
	p.expect(scanner.Semi, "after the key")
	e.Span = p.from(lo)
	if !p.failed {
		k.Elems = append(k.Elems, e)
	}
}

// actionRef parses the name of an action with optional arguments.
func (p *parser) actionRef(annots []*ast.Annotation) *ast.ActionRef {
	lo := p.lo()
	r := &ast.ActionRef{Annotations: annots}
	r.Path = p.path("of an action")
	if p.kind() == scanner.LParen {
		r.HasArgs = true
		r.Args = p.args()
	}
	r.Span = p.from(lo)
	return r
}

// entry parses a table entry (L135-L137).
func (p *parser) entry() *ast.Entry {
	lo := p.lo()
	e := &ast.Entry{IsConst: p.got(scanner.Const)}
	if p.word(0, "priority") && p.peek(1) == scanner.Assign {
		p.advance()
		p.advance()
		// entryPriority is a literal or a parenthesized expression, so that
		// its colon is not that of a keyset.
		if k := p.kind(); k != scanner.Int && k != scanner.LParen {
			p.unexpected("an integer or `(`", "as priority")
		}
		e.Priority = p.primary()
		p.expect(scanner.Colon, "after the priority")
	}
	e.Keys = p.keyset()
	p.expect(scanner.Colon, "after the keyset")
	e.Action = p.actionRef(nil)
	e.Annotations = p.annotations()
	p.expect(scanner.Semi, "after the entry")
	e.Span = p.from(lo)
	return e
}
