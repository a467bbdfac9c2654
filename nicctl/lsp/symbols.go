package lsp

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/source"
)

// symbols returns the outline of a document.
func (w *workspace) symbols(p documentParams) (any, error) {
	d, err := w.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	a, err := w.programOf(d)
	if err != nil {
		return nil, err
	}
	f := a.file(d.path)
	if f == nil {
		return []documentSymbol{}, nil
	}
	o := &outliner{set: a.Set, file: f, lines: newLines(f.Content)}
	out := []documentSymbol{}
	for _, d := range a.Tree.Decls {
		out = o.add(out, d)
	}
	return out, nil
}

type outliner struct {
	set   *source.Set
	file  *source.File
	lines *lines
}

// add appends the symbol of a declaration, if it is in the file.
func (o *outliner) add(out []documentSymbol, d ast.Decl) []documentSymbol {
	id := d.DeclName()
	if e, ok := d.(*ast.ErrorDecl); ok {
		return o.one(out, d, "error", symEnum, "", o.idents(e.Members))
	}
	if e, ok := d.(*ast.MatchKindDecl); ok {
		return o.one(out, d, "match_kind", symEnum, "", o.idents(e.Members))
	}
	if id == nil {
		return out
	}
	kind, detail, inside := o.describe(d)
	return o.named(out, d, id, kind, detail, inside)
}

// one appends a symbol whose name stands nowhere.
func (o *outliner) one(out []documentSymbol, n ast.Node, name string, kind symbolKind, detail string, inside []documentSymbol) []documentSymbol {
	sp := source.Span{Lo: n.Pos(), Hi: n.End()}
	if o.set.File(sp.Lo) != o.file || o.set.File(sp.Hi) != o.file {
		return out
	}
	r := o.lines.span(o.file, sp)
	return append(out, documentSymbol{Name: name, Detail: detail, Kind: kind, Range: r, SelectionRange: r, Children: inside})
}

func (o *outliner) named(out []documentSymbol, n ast.Node, id *ast.Ident, kind symbolKind, detail string, inside []documentSymbol) []documentSymbol {
	if id == nil || id.Name == "" || o.set.File(id.Lo) != o.file || id.Lo < n.Pos() || id.Hi > n.End() {
		return out
	}
	before := len(out)
	out = o.one(out, n, id.Name, kind, detail, inside)
	if len(out) > before {
		out[before].SelectionRange = o.lines.span(o.file, id.Span)
	}
	return out
}

func (o *outliner) idents(ids []*ast.Ident) []documentSymbol {
	var out []documentSymbol
	for _, id := range ids {
		out = o.named(out, id, id, symEnumMember, "", nil)
	}
	return out
}

// describe gives the kind, the detail and the symbols inside a declaration.
func (o *outliner) describe(d ast.Decl) (kind symbolKind, detail string, inside []documentSymbol) {
	switch d := d.(type) {
	case *ast.StructDecl:
		for _, f := range d.Fields {
			inside = o.named(inside, f, f.Name, symField, o.typeOf(f.Type), nil)
		}
		return symStruct, d.Kind.String(), inside
	case *ast.EnumDecl:
		for _, m := range d.Members {
			inside = o.named(inside, m, m.Name, symEnumMember, "", nil)
		}
		return symEnum, "", inside
	case *ast.TypedefDecl:
		return symTypeParam, o.typeOf(d.Type), nil
	case *ast.ConstDecl:
		return symConstant, o.typeOf(d.Type), nil
	case *ast.VarDecl:
		return symVariable, o.typeOf(d.Type), nil
	case *ast.Instantiation:
		return symObject, o.typeOf(d.Type), nil
	case *ast.ExternDecl:
		for _, m := range d.Methods {
			k := symMethod
			if m.IsConstructor {
				k = symConstructor
			}
			inside = o.named(inside, m, m.Name, k, "", nil)
		}
		return symInterface, "extern", inside
	case *ast.FuncDecl:
		return symFunction, "", nil
	case *ast.ActionDecl:
		return symFunction, "action", nil
	case *ast.TableDecl:
		return symObject, "table", nil
	case *ast.ValueSetDecl:
		return symObject, "value_set", nil
	case *ast.ParserTypeDecl, *ast.ControlTypeDecl, *ast.PackageDecl:
		return symInterface, "", nil
	case *ast.ParserDecl:
		for _, l := range d.Locals {
			inside = o.add(inside, l)
		}
		for _, s := range d.States {
			inside = o.named(inside, s, s.Name, symEvent, "state", nil)
		}
		return symClass, "parser", inside
	case *ast.ControlDecl:
		for _, l := range d.Locals {
			inside = o.add(inside, l)
		}
		if d.Apply != nil {
			inside = o.one(inside, d.Apply, "apply", symMethod, "", nil)
		}
		return symClass, "control", inside
	}
	return symModule, "", nil
}

// typeOf is the source text of a type.
func (o *outliner) typeOf(t ast.Type) string {
	if t == nil {
		return ""
	}
	return o.set.Text(source.Span{Lo: t.Pos(), Hi: t.End()})
}
