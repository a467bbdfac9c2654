package parser

import (
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/scanner"
)

// misspelt looks for a misspelt keyword behind the syntax error at token t: a
// name that nobody declared, where the error is, right before it, or where a
// declaration or statement around it begins. It also knows `==` for `=`.
func (p *parser) misspelt(t scanner.Token, want string) *diag.Fix {
	if p.quiet {
		return nil
	}
	if t.Kind == scanner.Eq && (want == scanner.Assign.String() || want == assignOrCall) {
		return &diag.Fix{Span: t.Span, Text: "=", Message: "did you mean"}
	}
	places := []int{p.pos, p.pos - 1, p.pos - 2}
	for _, first := range slices.Backward(p.elems) {
		places = append(places, first)
	}
	words := keywords()
	for _, i := range places {
		if i < 0 || i > p.pos {
			continue
		}
		w := p.toks[i]
		if w.Kind != scanner.Ident || len(w.Text) < 3 || slices.Contains(words, w.Text) || p.lookup(w.Text, false) != unknown {
			continue
		}
		if s := diag.Nearest(w.Text, words); s != "" {
			return &diag.Fix{Span: w.Span, Text: s, Message: "did you mean"}
		}
	}
	return nil
}

// keywords are the words a keyword can be misspelt for: the reserved ones and
// those that are keywords in their place only (L13).
func keywords() []string {
	out := []string{"apply", "key", "actions", "entries", "state", "type", "list"}
	for k := scanner.EOF; k <= scanner.Other; k++ {
		if k.IsKeyword() {
			out = append(out, strings.Trim(k.String(), "`"))
		}
	}
	return out
}
