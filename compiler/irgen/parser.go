package irgen

import (
	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// parser fills in the block of one parser instance.
func (g *gen) parser(e *env, blk *ir.Block, d *ast.ParserDecl) {
	var init []ir.Stmt
	for _, l := range d.Locals {
		switch l := l.(type) {
		case *ast.ValueSetDecl:
			g.valueSet(e, l)
		default:
			init = append(init, g.declStmt(e, l)...)
		}
	}
	// Local variables are initialised once, so a start state that is entered
	// again needs another one before it.
	start := "start"
	if len(init) > 0 && g.reentered(d) {
		start = "start_again"
		for taken := true; taken; {
			taken = false
			for _, s := range d.States {
				if s.Name.Name == start {
					start, taken = start+"_1", true
				}
			}
		}
		blk.States = append(blk.States, &ir.State{Name: "start", Body: init, Trans: ir.Transition{Default: start}, Pos: blk.Pos})
		init = nil
	}
	name := func(id *ast.Ident) string {
		if id == nil {
			return "reject"
		}
		if id.Name == "start" {
			return start
		}
		return id.Name
	}
	// The first state of an IR parser is start.
	for _, s := range ordered(d.States) {
		st := &ir.State{Name: name(s.Name), Annos: g.annos(s.Annotations), Pos: g.pos(s.Name)}
		if s.Name.Name == "start" {
			st.Body = init
		}
		e.unit.fresh++
		st.Body = append(st.Body, g.stmts(e, s.Stmts)...)
		e.unit.fresh--
		var keys []ir.Stmt
		st.Trans, keys = g.transition(e, s, name)
		st.Body = append(st.Body, keys...)
		blk.States = append(blk.States, st)
	}
}

func ordered(states []*ast.StateDecl) []*ast.StateDecl {
	var first, rest []*ast.StateDecl
	for _, s := range states {
		if s.Name.Name == "start" {
			first = append(first, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(first, rest...)
}

// reentered tells whether some transition goes to start.
func (g *gen) reentered(d *ast.ParserDecl) bool {
	is := func(id *ast.Ident) bool { return id != nil && id.Name == "start" }
	for _, s := range d.States {
		if s.Transition == nil {
			continue
		}
		if is(s.Transition.Next) {
			return true
		}
		if s.Transition.Select != nil {
			for _, c := range s.Transition.Select.Cases {
				if is(c.State) {
					return true
				}
			}
		}
	}
	return false
}

// scalars are the types of the scalar parts of t.
func scalars(t ir.Type) []ir.Type {
	fs := ir.Fields(t)
	if fs == nil {
		return []ir.Type{t}
	}
	var out []ir.Type
	for _, f := range fs {
		out = append(out, scalars(f.Type)...)
	}
	return out
}

func (g *gen) valueSet(e *env, d *ast.ValueSetDecl) {
	o := g.info.Defs[d]
	if o == nil {
		return
	}
	vs := &ir.ValueSet{Name: fullName(e.path, d.Annotations, d.Name.Name), Annos: g.annos(d.Annotations), Pos: g.pos(d.Name)}
	vs.Type = g.typ(e, o.Type.(*types.Set).Elem)
	for _, f := range ir.Fields(vs.Type) {
		if ir.Width(f.Type) < 0 { // nested: one element for each scalar, as in keys
			vs.Type = &ir.Tuple{Elems: scalars(vs.Type)}
			break
		}
	}
	if n, ok := g.static(e, d.Size, nil); ok && n.IsInt64() {
		vs.Size = int(n.Int64())
	}
	if !g.claim("value set", vs.Name, d.Name.Span) {
		return
	}
	e.vals[o] = value{vs: vs}
	g.out.ValueSets = append(g.out.ValueSets, vs)
}
