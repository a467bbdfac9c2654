package format

import (
	"sort"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
)

// role is what a lexeme does where its text does not tell.
type role uint8

const (
	plain      role = iota
	binary          // < > + - of two operands
	unary           // a sign
	castEnd         // the `)` of a cast
	rootDot         // the `.` of `.name`
	angleOpen       // the `<` of type arguments
	angleClose      // the `>` of type arguments
)

// findRoles gives each lexeme its role: from the tree where the program has the
// lexeme, else (in a group that is not compiled) by what is likely.
func findRoles(set *source.Set, pp *preproc.Result, tree *ast.Program, lexemes []preproc.Lexeme) []role {
	r := &roleFinder{lexemes: lexemes, roles: make([]role, len(lexemes)), compiled: make([]bool, len(lexemes))}
	main := pp.Main
	for _, t := range pp.Tokens {
		if set.File(t.Lo) == main {
			if i := r.at(t.Lo); i >= 0 && lexemes[i].Hi == t.Hi {
				r.compiled[i] = true
			}
		}
	}
	ast.Walk(tree, func(n ast.Node) {
		if set.File(n.Pos()) == main {
			r.node(n)
		}
	})
	for i, l := range lexemes {
		if l.Kind == preproc.Punct && r.roles[i] == plain {
			r.guess(i)
		}
	}
	return r.roles
}

type roleFinder struct {
	lexemes  []preproc.Lexeme
	roles    []role
	compiled []bool
}

// from returns the index of the first lexeme at or after p.
func (r *roleFinder) from(p source.Pos) int {
	return sort.Search(len(r.lexemes), func(i int) bool { return r.lexemes[i].Lo >= p })
}

// at returns the index of the lexeme that begins at p, -1 for none.
func (r *roleFinder) at(p source.Pos) int {
	if i := r.from(p); i < len(r.lexemes) && r.lexemes[i].Lo == p {
		return i
	}
	return -1
}

// set gives the lexeme at p the role, if it is of that text.
func (r *roleFinder) set(p source.Pos, text string, what role) {
	if i := r.at(p); i >= 0 && r.lexemes[i].Kind == preproc.Punct && (text == "" || r.lexemes[i].Text == text) {
		r.roles[i] = what
	}
}

func (r *roleFinder) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		for i := r.from(n.OpPos.Lo); i < len(r.lexemes) && r.lexemes[i].Lo < n.OpPos.Hi; i++ {
			if r.lexemes[i].Kind == preproc.Punct {
				r.roles[i] = binary
			}
		}
	case *ast.UnaryExpr:
		r.set(n.Lo, n.Op.String(), unary)
	case *ast.CastExpr:
		for i := r.from(n.Type.End()); i < len(r.lexemes) && r.lexemes[i].Lo < n.X.Pos(); i++ {
			if r.lexemes[i].Text == ")" {
				r.roles[i] = castEnd
				return
			}
		}
	case *ast.PathExpr:
		if n.Path.Absolute {
			r.set(n.Path.Lo, ".", rootDot)
		}
	case *ast.NamedType:
		if n.Path.Absolute {
			r.set(n.Path.Lo, ".", rootDot)
		}
	}
}

// guess gives a lexeme that the tree says nothing of its likely role.
func (r *roleFinder) guess(i int) {
	switch r.lexemes[i].Text {
	case "<":
		if j := r.angles(i); j > 0 {
			r.roles[i], r.roles[j] = angleOpen, angleClose
		} else {
			r.roles[i] = binary
		}
	case ">":
		r.roles[i] = binary
	case "+", "-":
		r.roles[i] = binary
		if p := r.before(i); p < 0 || !endsOperand(r.lexemes[p]) || r.roles[p] == castEnd {
			r.roles[i] = unary
		}
	case "!", "~":
		r.roles[i] = unary
	case ".":
		if p := r.before(i); p < 0 || !endsOperand(r.lexemes[p]) || isWord(r.lexemes[p].Text) && keyword(r.lexemes[p].Text) {
			r.roles[i] = rootDot
		}
	case ")":
		if !r.compiled[i] && r.likelyCast(i) {
			r.roles[i] = castEnd
		}
	}
}

// before returns the token before i, comments aside; -1 for none.
func (r *roleFinder) before(i int) int {
	for i--; i >= 0; i-- {
		switch r.lexemes[i].Kind {
		case preproc.Comment:
		case preproc.Directive:
			return -1
		default:
			return i
		}
	}
	return -1
}

// maxAngles bounds the search for the end of type arguments.
const maxAngles = 500

// angles returns the `>` that closes the type arguments begun by the `<` at i, 0
// when it begins none.
func (r *roleFinder) angles(i int) int {
	p := r.before(i)
	if p < 0 || !isWord(r.lexemes[p].Text) {
		return 0
	}
	depth, parens := 0, 0
	for j := i; j < len(r.lexemes) && j < i+maxAngles; j++ {
		l := r.lexemes[j]
		if l.Kind != preproc.Punct || r.roles[j] == binary {
			if l.Kind == preproc.Directive {
				return 0
			}
			continue
		}
		switch l.Text {
		case "(":
			parens++
		case ")":
			if parens--; parens < 0 {
				return 0
			}
		case "<":
			if parens == 0 {
				depth++
			}
		case ">":
			if parens > 0 {
				break
			}
			if depth--; depth == 0 {
				if r.compiled[i] || r.afterAngles(j) {
					return j
				}
				return 0
			}
		case ";", "{", "}", "=", "==", "&&", "||", "?", ":":
			if parens == 0 {
				return 0
			}
		}
	}
	return 0
}

// afterAngles tells whether what follows the `>` at j can follow a type.
func (r *roleFinder) afterAngles(j int) bool {
	for j++; j < len(r.lexemes); j++ {
		l := r.lexemes[j]
		switch l.Kind {
		case preproc.Comment:
			continue
		case preproc.Name:
			return true
		case preproc.Punct:
			switch l.Text {
			case "(", ")", ",", ">", "{", ";", "[", ".", "@", "=":
				return true
			}
		}
		return false
	}
	return true
}

// likelyCast tells whether the `)` at i closes a cast to a built-in type.
func (r *roleFinder) likelyCast(i int) bool {
	depth := 0
	for j := i; j >= 0 && j > i-maxAngles; j-- {
		switch r.lexemes[j].Text {
		case ")":
			depth++
		case "(":
			if depth--; depth > 0 {
				continue
			}
			if p := r.before(j); p >= 0 && endsOperand(r.lexemes[p]) && !keyword(r.lexemes[p].Text) {
				return false
			}
			switch r.lexemes[j+1].Text {
			case "bit", "int", "bool", "varbit", "tuple", "list", "error":
				return true
			}
			return false
		}
	}
	return false
}

// endsOperand tells whether an operator after the lexeme has it as its left
// operand.
func endsOperand(l preproc.Lexeme) bool {
	switch l.Kind {
	case preproc.Name:
		switch l.Text {
		case "return", "in", "else", "transition":
			return false
		}
		return true
	case preproc.Number, preproc.String:
		return true
	}
	return l.Text == ")" || l.Text == "]" || l.Text == "}"
}

func isWord(s string) bool {
	return s != "" && (s[0] == '_' || s[0] >= '0' && s[0] <= '9' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

// keyword tells whether a word before `(` or `.` is no name of something called
// or selected from.
func keyword(s string) bool {
	switch s {
	case "if", "else", "for", "in", "out", "inout", "return", "switch", "transition", "const",
		"typedef", "type", "extern", "abstract", "case", "default":
		return true
	}
	return false
}
