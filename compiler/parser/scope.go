package parser

import "github.com/p4nic/p4nic/compiler/scanner"

// scope maps the names declared in one scope to whether they are types. Names
// of parsers, controls, packages, externs and type parameters are types.
type scope map[string]bool

func (p *parser) push() { p.scopes = append(p.scopes, scope{}) }
func (p *parser) pop()  { p.scopes = p.scopes[:len(p.scopes)-1] }

// declare enters a name into the innermost scope.
func (p *parser) declare(name string, isType bool) {
	if name != "" {
		p.scopes[len(p.scopes)-1][name] = isType
	}
}

// meaning is what the parser knows of a name.
type meaning uint8

const (
	unknown meaning = iota
	isValue
	isType
)

// lookup finds a name, from the innermost scope outwards, or with absolute in
// the outermost one only (specification, "Name resolution").
func (p *parser) lookup(name string, absolute bool) meaning {
	last := len(p.scopes) - 1
	if absolute {
		last = 0
	}
	for i := last; i >= 0; i-- {
		if t, ok := p.scopes[i][name]; ok {
			if t {
				return isType
			}
			return isValue
		}
	}
	return unknown
}

// The functions below look ahead over tokens, without consuming and without
// reporting. They take the index of the first token and return the index after
// the construct. In strict mode a name must not be known as a value: that is
// how `a < b > (c)` is told from `f<T>(c)`.

// skipType looks over a type.
func (p *parser) skipType(i int, strict bool, depth int) (int, bool) {
	if depth > maxDepth {
		return i, false
	}
	switch p.at(i).Kind {
	case scanner.Bool, scanner.Error, scanner.MatchKind, scanner.StringType, scanner.Void:
		i++
	case scanner.Bit, scanner.IntType, scanner.Varbit:
		i++
		if p.at(i).Kind == scanner.Lt {
			var ok bool
			if i, ok = p.skipWidth(i + 1); !ok {
				return i, false
			}
		}
	case scanner.Tuple:
		if p.at(i+1).Kind != scanner.Lt {
			return i, false
		}
		var ok bool
		if i, ok = p.skipTypeArgs(i+1, strict, depth); !ok {
			return i, false
		}
	case scanner.Ident, scanner.Dot:
		abs := p.at(i).Kind == scanner.Dot
		if abs {
			i++
		}
		if p.at(i).Kind != scanner.Ident {
			return i, false
		}
		if strict && p.lookup(p.at(i).Text, abs) == isValue {
			return i, false
		}
		i++
		if p.at(i).Kind == scanner.Lt {
			var ok bool
			if i, ok = p.skipTypeArgs(i, strict, depth); !ok {
				return i, false
			}
		}
	default:
		return i, false
	}
	for p.at(i).Kind == scanner.LBracket {
		if p.match[i] == 0 {
			return i, false
		}
		i = p.match[i] + 1
	}
	return i, true
}

// skipWidth looks over the width of a bit, int or varbit type and its `>`.
func (p *parser) skipWidth(i int) (int, bool) {
	for {
		switch p.at(i).Kind {
		case scanner.Gt:
			return i + 1, true
		case scanner.LParen, scanner.LBracket:
			if p.match[i] == 0 {
				return i, false
			}
			i = p.match[i]
		case scanner.EOF, scanner.Semi, scanner.LBrace, scanner.RBrace, scanner.RParen,
			scanner.RBracket, scanner.Assign, scanner.Comma:
			return i, false
		}
		i++
	}
}

// skipTypeArgs looks over `<...>`; token i is the `<`.
func (p *parser) skipTypeArgs(i int, strict bool, depth int) (int, bool) {
	i++
	for p.at(i).Kind != scanner.Gt {
		if p.at(i).Kind == scanner.DontCare {
			i++
		} else {
			var ok bool
			if i, ok = p.skipType(i, strict, depth+1); !ok {
				return i, false
			}
		}
		switch p.at(i).Kind {
		case scanner.Comma:
			i++
		case scanner.Gt:
		default:
			return i, false
		}
	}
	return i + 1, true
}

// isTypeArgs reports whether the `<` at the current token begins type arguments
// of a call, that is, whether what follows reads as types, `>` and `(`.
func (p *parser) isTypeArgs() bool {
	if p.kind() != scanner.Lt {
		return false
	}
	i, ok := p.skipTypeArgs(p.pos, true, p.depth)
	return ok && p.at(i).Kind == scanner.LParen
}

// declKind says what a sequence of tokens that may begin a declaration is.
type declKind uint8

const (
	noDecl   declKind = iota // an expression
	nameDecl                 // type name ...: a variable or function
	instance                 // type(args) name
)

// looksLikeDecl tells declarations from statements at the current token, by
// their shape alone.
func (p *parser) looksLikeDecl() declKind {
	if p.failed {
		return noDecl
	}
	i, ok := p.skipType(p.pos, false, p.depth)
	if !ok {
		return noDecl
	}
	switch p.at(i).Kind {
	case scanner.Ident:
		return nameDecl
	case scanner.LParen:
		j := p.match[i]
		if j != 0 && p.at(j+1).Kind == scanner.Ident {
			return instance
		}
	}
	return noDecl
}

// isCast reports whether the `(` at the current token begins a cast.
func (p *parser) isCast() bool {
	i, ok := p.skipType(p.pos+1, false, p.depth)
	if !ok || p.at(i).Kind != scanner.RParen {
		return false
	}
	first := p.at(p.pos + 1)
	abs := first.Kind == scanner.Dot
	if abs {
		first = p.at(p.pos + 2)
	}
	if first.Kind != scanner.Ident {
		return true
	}
	switch p.lookup(first.Text, abs) {
	case isType:
		return true
	case isValue:
		return false
	}
	// An unknown name: it is a cast if what follows can only be an operand.
	switch p.at(i + 1).Kind {
	case scanner.Ident, scanner.Int, scanner.String, scanner.True, scanner.False,
		scanner.LBrace, scanner.Invalid, scanner.Not, scanner.Compl, scanner.This:
		return true
	}
	return false
}
