package irgen

import (
	"math/big"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// annos converts annotations; all are kept (L175).
func (g *gen) annos(list []*ast.Annotation) []ir.Annotation {
	var out []ir.Annotation
	for _, a := range list {
		x := ir.Annotation{Name: a.Name.Name}
		switch a.Kind {
		case ast.AnnotUnstructured:
			x.Kind = ir.AnnoRaw
			x.Text = rawText(a.Tokens)
			if a.Name.Name == "field_list" && len(a.Exprs) > 0 {
				x = g.fieldList(a)
			}
		case ast.AnnotExprs:
			x.Kind = ir.AnnoList
			for _, e := range a.Exprs {
				x.List = append(x.List, g.lit(e))
			}
		case ast.AnnotKV:
			x.Kind = ir.AnnoKV
			for _, kv := range a.KV {
				x.KV = append(x.KV, ir.KeyLit{Key: kv.Name.Name, Val: g.lit(kv.Value)})
			}
		}
		out = append(out, x)
	}
	return out
}

// fieldList gives the numbers of @field_list(...) as a list, so that engines need
// not know the names of constants (v1model.p4; lang:V44).
func (g *gen) fieldList(a *ast.Annotation) ir.Annotation {
	x := ir.Annotation{Name: a.Name.Name, Kind: ir.AnnoList}
	for _, e := range a.Exprs {
		x.List = append(x.List, g.lit(e))
	}
	return x
}

// rawText joins the tokens of an unstructured annotation by single blanks.
func rawText(toks []ast.Token) string {
	words := make([]string, len(toks))
	for i, t := range toks {
		words[i] = t.Text
		if t.Kind == ast.TokenString {
			words[i] = quoteP4(t.Text)
		}
	}
	return strings.Join(words, " ")
}

// quoteP4 writes a string as P4 does: only quotes and backslashes are escaped;
// the line ends of a long literal stay.
func quoteP4(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// lit evaluates an expression of a structured annotation: literals, names of
// top-level constants and operators on them.
func (g *gen) lit(e ast.Expr) ir.Lit {
	if tv, ok := g.info.Types[e]; ok && tv.Mode == types.Constant && tv.Value != nil {
		// Checked by compiler/types, as all structured annotations are.
		switch b, _ := tv.Type.(*types.Basic); {
		case tv.Value.Int == nil:
			return ir.Lit{IsString: true, Str: tv.Value.Str}
		case b != nil && b.Kind == types.Bool:
			return ir.Lit{IsBool: true, Bool: tv.Value.Int.Sign() != 0}
		}
		return ir.Lit{Int: tv.Value.Int}
	}
	g.errorf(codeUnsupported, span(e), "the expression in this annotation cannot be evaluated")
	return ir.Lit{Int: new(big.Int)}
}

// likely reads @likely and @unlikely of a block (L173).
func likely(s ast.Stmt) int {
	b, ok := s.(*ast.BlockStmt)
	if !ok {
		return 0
	}
	switch {
	case ast.FindAnnotation(b.Annotations, "likely") != nil:
		return 1
	case ast.FindAnnotation(b.Annotations, "unlikely") != nil:
		return -1
	}
	return 0
}
