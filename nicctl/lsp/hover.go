package lsp

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/printer"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
)

// hover shows the declaration of what is named, with its type, and the comment
// at the declaration.
func (w *workspace) hover(p positionParams) (any, error) {
	at, err := w.at(p)
	if err != nil {
		return nil, err
	}
	it, ok := at.what()
	if !ok {
		return nil, nil
	}
	var code, doc string
	span := it.Span
	switch {
	case it.macro != nil:
		span = it.lexeme.Span
		code, doc = at.macroText(*it.macro), at.index.doc(*it.macro)
	case it.sym != nil:
		code, doc = at.index.declaration(it.sym), at.index.doc(it.sym.def)
	default:
		span = it.lexeme.Span
		if m := at.index.builtins[span]; m != nil {
			code = builtinText(m, at.index.info)
		}
	}
	if code == "" {
		return nil, nil
	}
	text := "```p4\n" + code + "\n```"
	if doc != "" {
		text += "\n\n" + doc
	}
	return hover{markup{"markdown", text}, newLines(at.file.Content).span(at.file, span)}, nil
}

// macroText is the directive that defines a macro.
func (p *place) macroText(at source.Span) string {
	for _, l := range p.index.lexemesOf(p.Set.File(at.Lo)) {
		if l.Lo <= at.Lo && at.Hi <= l.Hi {
			return l.Text
		}
	}
	return ""
}

// builtinText is the signature of a member that the language itself has.
func builtinText(m *ast.MemberExpr, info *types.Info) string {
	of := typeText(info.Types[m.X].Type)
	for _, b := range builtinMembers {
		if b.name == m.Member.Name {
			return fmt.Sprintf("%s // of %s", b.text, of)
		}
	}
	return ""
}

func typeText(t types.Type) string {
	if t == nil {
		return "?"
	}
	return types.Subst(t, nil).String()
}

// declaration is the head of a symbol's declaration.
func (x *index) declaration(s *symbol) string {
	switch {
	case s.field != nil:
		out := typeText(s.typ) + " " + s.name
		if bits, ok := size(s.typ); ok {
			out += fmt.Sprintf(" // %d bits", bits)
		}
		return out
	case s.member != nil:
		out := s.name
		if s.member.Value != nil {
			out += " = " + printer.String(s.member.Value)
		}
		if s.typ != nil {
			out = typeText(s.typ) + "." + out
		}
		return out
	case s.method != nil:
		return printer.String(s.method)
	case s.state != nil:
		return "state " + s.name
	case s.word != "":
		return s.word
	}
	return objectText(s.object)
}

func objectText(o *types.Object) string {
	switch n := o.Node.(type) {
	case *ast.StructDecl:
		out := strings.TrimRight(printer.String(n), "\n")
		if t, ok := o.Type.(*types.TypeType); ok {
			if bits, ok := size(t.Of); ok {
				out += fmt.Sprintf(" // %d bits", bits)
			}
		} else if bits, ok := size(o.Type); ok {
			out += fmt.Sprintf(" // %d bits", bits)
		}
		return out
	case *ast.EnumDecl, *ast.TypedefDecl, *ast.ConstDecl, *ast.ExternDecl, *ast.PackageDecl, *ast.ParserTypeDecl,
		*ast.ControlTypeDecl, *ast.ValueSetDecl, *ast.VarDecl, *ast.Instantiation, *ast.Param:
		return strings.TrimRight(printer.String(n), "\n")
	case *ast.ControlDecl:
		return head(n, n.Apply)
	case *ast.ActionDecl:
		return head(n, n.Body)
	case *ast.FuncDecl:
		return head(n, n.Body)
	case *ast.ParserDecl:
		out := "parser " + n.Name.Name + "("
		for i, p := range n.Params {
			if i > 0 {
				out += ", "
			}
			out += printer.String(p)
		}
		return out + ")"
	case *ast.TableDecl:
		out := "table " + n.Name.Name + " {\n"
		if n.Key != nil {
			out += "    " + strings.ReplaceAll(printer.String(n.Key), "\n", "\n    ") + "\n"
		}
		if n.Actions != nil {
			out += "    " + strings.ReplaceAll(printer.String(n.Actions), "\n", "\n    ") + "\n"
		}
		for _, p := range n.Props {
			out += "    " + printer.String(p) + "\n"
		}
		return out + "}"
	}
	if o.Kind == types.TypeObj {
		return "type " + o.Name
	}
	return typeText(o.Type) + " " + o.Name
}

// head prints a declaration without its body and locals.
func head(d ast.Decl, body *ast.BlockStmt) string {
	switch d := d.(type) {
	case *ast.ControlDecl:
		c := *d
		c.Annotations, c.Locals, c.Apply = nil, nil, &ast.BlockStmt{}
		out, _, _ := strings.Cut(printer.String(&c), " {\n")
		return out
	case *ast.ActionDecl:
		c := *d
		c.Annotations, c.Body = nil, &ast.BlockStmt{}
		out, _, _ := strings.Cut(printer.String(&c), " {")
		return out
	case *ast.FuncDecl:
		c := *d
		c.Annotations = nil
		if body != nil {
			c.Body = &ast.BlockStmt{}
		}
		out, _, _ := strings.Cut(printer.String(&c), " {")
		return strings.TrimRight(out, "\n")
	}
	return ""
}

// size is the size in bits of values of a type, where it is fixed.
func size(t types.Type) (int, bool) {
	if t == nil {
		return 0, false
	}
	if s, ok := types.Underlying(t).(*types.Struct); ok && len(s.Vars) > 0 && len(s.Args) == 0 {
		return 0, false // generic
	}
	low, ok := types.SizeOf(t, false)
	high, _ := types.SizeOf(t, true)
	return high, ok && low == high && high > 0
}

// doc is the comment that belongs to a declaration: what stands right above it,
// or else behind it on its line.
func (x *index) doc(def source.Span) string {
	f := x.set.File(def.Lo)
	if f == nil {
		return ""
	}
	lexemes := x.lexemesOf(f)
	// The declaration begins after the last `;`, `{`, `}` or directive.
	first, after := -1, -1
	for i, l := range lexemes {
		if l.Lo >= def.Hi {
			after = i
			break
		}
		if l.Lo >= def.Lo && l.Kind == preproc.Directive || l.Lo <= def.Lo && def.Hi <= l.Hi && l.Kind == preproc.Directive {
			first = i
			continue
		}
		if l.Lo < def.Lo && (l.Kind == preproc.Directive || l.Text == ";" || l.Text == "{" || l.Text == "}" || l.Text == ",") {
			first = i + 1
		}
	}
	if first < 0 {
		first = 0
	}
	var out []string
	i := first
	if i < len(lexemes) && lexemes[i].Kind == preproc.Directive {
		// A macro: the comments above its #define.
		for i > 0 && lexemes[i-1].Kind == preproc.Comment && lexemes[i].Newlines == 1 {
			i--
		}
	}
	for ; i < len(lexemes) && lexemes[i].Kind == preproc.Comment; i++ {
		l := lexemes[i]
		if i > 0 && l.Newlines == 0 {
			continue // belongs to what stands before
		}
		if l.Newlines > 1 {
			out = nil
		}
		out = append(out, commentText(l.Text))
		if i+1 < len(lexemes) && lexemes[i+1].Newlines > 1 {
			out = nil
		}
	}
	if len(out) > 0 {
		return strings.Join(out, "\n")
	}
	for j := after; j >= 0 && j < len(lexemes) && lexemes[j].Newlines == 0; j++ {
		if lexemes[j].Kind == preproc.Comment {
			return commentText(lexemes[j].Text)
		}
	}
	return ""
}

// commentText takes the delimiters off a comment.
func commentText(s string) string {
	if rest, ok := strings.CutPrefix(s, "//"); ok {
		return strings.TrimSpace(strings.TrimLeft(rest, "/"))
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "/*"), "*/")
	var out []string
	for l := range strings.Lines(s) {
		l = strings.TrimSpace(l)
		l = strings.TrimSpace(strings.TrimPrefix(l, "*"))
		out = append(out, l)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
