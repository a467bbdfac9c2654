package printer

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ast"
)

// decl writes a declaration and a newline.
func (p *printer) decl(d ast.Decl) {
	p.localDecl(d)
	if !p.bol {
		p.nl()
	}
}

// localDecl writes a declaration without a final newline.
func (p *printer) localDecl(d ast.Decl) {
	if _, ok := d.(*ast.VarDecl); !ok {
		p.annots(d.Annots(), "\n")
	}
	switch d := d.(type) {
	case *ast.ConstDecl:
		p.put("const ")
		p.typ(d.Type)
		p.put(" ", d.Name.Name, " = ")
		p.low(d.Value)
		p.put(";")
	case *ast.VarDecl:
		p.varDecl(d, "\n")
		p.put(";")
	case *ast.Instantiation:
		p.instantiation(d)
	case *ast.ErrorDecl:
		p.put("error")
		p.names(d.Members)
	case *ast.MatchKindDecl:
		p.put("match_kind")
		p.names(d.Members)
	case *ast.StructDecl:
		p.put(d.Kind.String(), " ", d.Name.Name)
		p.typeParams(d.TypeParams)
		p.open()
		for _, f := range d.Fields {
			p.field(f)
			p.nl()
		}
		p.shut()
	case *ast.EnumDecl:
		p.put("enum ")
		if d.Underlying != nil {
			p.typ(d.Underlying)
			p.put(" ")
		}
		p.put(d.Name.Name)
		p.open()
		for i, m := range d.Members {
			p.enumMember(m)
			if i < len(d.Members)-1 {
				p.put(",")
			}
			p.nl()
		}
		p.shut()
	case *ast.TypedefDecl:
		if d.IsNew {
			p.put("type ")
		} else {
			p.put("typedef ")
		}
		if d.Inline != nil {
			p.localDecl(d.Inline)
		} else {
			p.typ(d.Type)
		}
		p.put(" ", d.Name.Name, ";")
	case *ast.ExternDecl:
		p.put("extern ", d.Name.Name)
		if d.IsForward {
			p.put(";")
			return
		}
		p.typeParams(d.TypeParams)
		p.open()
		for _, m := range d.Methods {
			p.method(m)
			p.nl()
		}
		p.shut()
	case *ast.FuncDecl:
		if d.IsExtern {
			p.put("extern ")
		}
		p.prototype(d.Result, d.Name, d.TypeParams, d.Params)
		if d.Body == nil {
			p.put(";")
			return
		}
		p.put(" ")
		p.block(d.Body)
	case *ast.ActionDecl:
		p.put("action ", d.Name.Name)
		p.params(d.Params)
		p.put(" ")
		p.block(d.Body)
	case *ast.ParserTypeDecl:
		p.header("parser", d.Name, d.TypeParams, d.Params)
		p.put(";")
	case *ast.ControlTypeDecl:
		p.header("control", d.Name, d.TypeParams, d.Params)
		p.put(";")
	case *ast.PackageDecl:
		p.header("package", d.Name, d.TypeParams, d.Params)
		p.put(";")
	case *ast.ParserDecl:
		p.header("parser", d.Name, d.TypeParams, d.Params)
		if d.HasCtorParams {
			p.params(d.CtorParams)
		}
		p.open()
		for _, l := range d.Locals {
			p.decl(l)
		}
		for _, s := range d.States {
			p.state(s)
			p.nl()
		}
		p.shut()
	case *ast.ControlDecl:
		p.header("control", d.Name, d.TypeParams, d.Params)
		if d.HasCtorParams {
			p.params(d.CtorParams)
		}
		p.open()
		for _, l := range d.Locals {
			p.decl(l)
		}
		p.put("apply ")
		p.block(d.Apply)
		p.nl()
		p.shut()
	case *ast.ValueSetDecl:
		p.put("value_set<")
		p.typ(d.Elem)
		p.put(">(")
		p.low(d.Size)
		p.put(") ", d.Name.Name, ";")
	case *ast.TableDecl:
		p.table(d)
	default:
		panic(fmt.Sprintf("printer: unknown declaration %T", d))
	}
}

// header writes keyword, name, type parameters and parameters.
func (p *printer) header(keyword string, name *ast.Ident, tps []*ast.Ident, params []*ast.Param) {
	p.put(keyword, " ", name.Name)
	p.typeParams(tps)
	p.params(params)
}

func (p *printer) prototype(result ast.Type, name *ast.Ident, tps []*ast.Ident, params []*ast.Param) {
	p.typ(result)
	p.put(" ", name.Name)
	p.typeParams(tps)
	p.params(params)
}

// varDecl writes a variable without its semicolon.
func (p *printer) varDecl(d *ast.VarDecl, sep string) {
	p.annots(d.Annotations, sep)
	p.typ(d.Type)
	p.put(" ", d.Name.Name)
	if d.Init != nil {
		p.put(" = ")
		p.low(d.Init)
	}
}

func (p *printer) instantiation(d *ast.Instantiation) {
	// An array of instances has its sizes after the name.
	t := d.Type
	var sizes []*ast.StackType
	for {
		st, ok := t.(*ast.StackType)
		if !ok {
			break
		}
		sizes = append(sizes, st)
		t = st.Elem
	}
	p.typ(t)
	p.args(d.Args)
	p.put(" ", d.Name.Name)
	for i := len(sizes) - 1; i >= 0; i-- {
		p.size(sizes[i])
	}
	if d.Init != nil {
		p.put(" = ")
		p.objectInit(d.Init)
	}
	p.put(";")
}

func (p *printer) objectInit(in *ast.ObjectInit) {
	p.put("{")
	p.nl()
	p.indent++
	for _, d := range in.Decls {
		p.decl(d)
	}
	p.shut()
}

// names writes the members of error and match_kind.
func (p *printer) names(ids []*ast.Ident) {
	p.open()
	for i, id := range ids {
		p.put(id.Name)
		if i < len(ids)-1 {
			p.put(",")
		}
		p.nl()
	}
	p.shut()
}

func (p *printer) field(f *ast.Field) {
	p.annots(f.Annotations, " ")
	p.typ(f.Type)
	p.put(" ", f.Name.Name, ";")
}

func (p *printer) enumMember(m *ast.EnumMember) {
	p.put(m.Name.Name)
	if m.Value != nil {
		p.put(" = ")
		p.low(m.Value)
	}
}

func (p *printer) method(m *ast.Method) {
	p.annots(m.Annotations, " ")
	if m.IsConstructor {
		p.put(m.Name.Name)
		p.params(m.Params)
	} else {
		if m.IsAbstract {
			p.put("abstract ")
		}
		p.prototype(m.Result, m.Name, m.TypeParams, m.Params)
	}
	p.put(";")
}

func (p *printer) state(s *ast.StateDecl) {
	p.annots(s.Annotations, "\n")
	p.put("state ", s.Name.Name)
	p.open()
	for _, t := range s.Stmts {
		p.stmt(t)
		p.nl()
	}
	if s.Transition != nil {
		p.transition(s.Transition)
		p.nl()
	}
	p.shut()
}

func (p *printer) transition(t *ast.Transition) {
	p.put("transition ")
	if t.Select != nil {
		p.selectExpr(t.Select)
		return
	}
	p.put(t.Next.Name, ";")
}

func (p *printer) selectExpr(s *ast.Select) {
	p.put("select(")
	list(p, s.Exprs, p.low)
	p.put(")")
	p.open()
	for _, c := range s.Cases {
		p.selectCase(c)
		p.nl()
	}
	p.shut()
}

func (p *printer) selectCase(c *ast.SelectCase) {
	p.keyset(c.Keys)
	p.put(": ", c.State.Name, ";")
}

// keyset writes one simple keyset, or several in parentheses.
func (p *printer) keyset(keys []ast.Expr) {
	if len(keys) == 1 {
		p.low(keys[0])
		return
	}
	p.put("(")
	list(p, keys, p.low)
	p.put(")")
}

func (p *printer) table(d *ast.TableDecl) {
	p.put("table ", d.Name.Name)
	p.open()
	if d.Key != nil {
		p.keyProp(d.Key)
		p.nl()
	}
	if d.Actions != nil {
		p.actionsProp(d.Actions)
		p.nl()
	}
	for _, q := range d.Props {
		p.property(q)
		p.nl()
	}
	if d.Entries != nil {
		p.entriesProp(d.Entries)
		p.nl()
	}
	p.shut()
}

func (p *printer) keyProp(k *ast.KeyProp) {
	p.annots(k.Annotations, "\n")
	p.put("key =")
	p.open()
	for _, e := range k.Elems {
		p.keyElem(e)
		p.nl()
	}
	p.shut()
}

func (p *printer) keyElem(e *ast.KeyElem) {
	p.low(e.Expr)
	p.put(": ", e.Match.Name)
	p.trailing(e.Annotations)
	p.put(";")
}

func (p *printer) actionsProp(a *ast.ActionsProp) {
	p.annots(a.Annotations, "\n")
	p.put("actions =")
	p.open()
	for _, r := range a.Refs {
		p.actionRef(r)
		p.put(";")
		p.nl()
	}
	p.shut()
}

func (p *printer) actionRef(r *ast.ActionRef) {
	p.annots(r.Annotations, " ")
	p.put(r.Path.String())
	if r.HasArgs {
		p.args(r.Args)
	}
}

func (p *printer) entriesProp(e *ast.EntriesProp) {
	p.annots(e.Annotations, "\n")
	if e.IsConst {
		p.put("const ")
	}
	p.put("entries =")
	p.open()
	for _, x := range e.List {
		p.entry(x)
		p.nl()
	}
	p.shut()
}

func (p *printer) entry(e *ast.Entry) {
	if e.IsConst {
		p.put("const ")
	}
	if e.Priority != nil {
		p.put("priority = ")
		if _, ok := e.Priority.(*ast.IntLit); ok {
			p.low(e.Priority)
		} else {
			p.put("(")
			p.low(e.Priority)
			p.put(")")
		}
		p.put(": ")
	}
	p.keyset(e.Keys)
	p.put(": ")
	p.actionRef(e.Action)
	p.trailing(e.Annotations)
	p.put(";")
}

func (p *printer) property(q *ast.Property) {
	p.annots(q.Annotations, "\n")
	if q.IsConst {
		p.put("const ")
	}
	p.put(q.Name.Name, " = ")
	p.low(q.Value)
	p.put(";")
}
