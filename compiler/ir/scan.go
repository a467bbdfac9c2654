package ir

import (
	"fmt"
	"strings"
)

// Tokens of the text form.

type tokKind uint8

const (
	tokEOF tokKind = iota
	tokIdent
	tokName   // $"..."
	tokString // "..."
	tokNum
	tokPos // #...
	tokPunct
)

// token is a stretch of the source.
type token struct {
	kind     tokKind
	off, end int32
}

// ParseError is an error in the text form. Line and column are 1-based, the
// column in bytes.
type ParseError struct {
	File      string
	Line, Col int
	Msg       string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg) }

// longest first. ">>" is left out: "bit<8>>" ends two lists.
var puncts = [...]string{"&&&", "|+|", "|-|", "&&", "||", "++", "==", "!=", "<=", "<<", ">=", "::", "..", "->", "=>"}

// scan splits src, from byte off on, into tokens.
func scan(file, src string, off int) ([]token, error) {
	toks := make([]token, 0, len(src)/4)
	add := func(k tokKind, from, to int) {
		toks = append(toks, token{k, int32(from), int32(to)})
	}
	i := off
	for i < len(src) {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '/' && strings.HasPrefix(src[i:], "//"):
			if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(src)
			}
		case c == '"':
			end := stringEnd(src, i)
			if end < 0 {
				return nil, errorAt(file, src, i, "string does not end on its line")
			}
			add(tokString, i, end)
			i = end
		case c == '$':
			if i+1 >= len(src) || src[i+1] != '"' {
				return nil, errorAt(file, src, i, `$ must be followed by a string`)
			}
			end := stringEnd(src, i+1)
			if end < 0 {
				return nil, errorAt(file, src, i, "name does not end on its line")
			}
			add(tokName, i, end)
			i = end
		case c == '#':
			j := i + 1
			for j < len(src) && (src[j] >= '0' && src[j] <= '9' || src[j] == ':' || src[j] == '-') {
				j++
			}
			add(tokPos, i, j)
			i = j
		case c >= '0' && c <= '9' || c == '-' && i+1 < len(src) && src[i+1] >= '0' && src[i+1] <= '9':
			j := numEnd(src, i)
			add(tokNum, i, j)
			i = j
		case isIdentByte(c):
			j := i
			for j < len(src) && isIdentByte(src[j]) {
				j++
			}
			add(tokIdent, i, j)
			i = j
		default:
			n := punctLen(src[i:])
			if n == 0 {
				return nil, errorAt(file, src, i, fmt.Sprintf("unexpected byte %#02x", c))
			}
			add(tokPunct, i, i+n)
			i += n
		}
	}
	add(tokEOF, len(src), len(src))
	return toks, nil
}

func punctLen(s string) int {
	for _, p := range puncts {
		if strings.HasPrefix(s, p) {
			return len(p)
		}
	}
	if strings.IndexByte("+-*/%&|^<>~!(){}[],;:=.@", s[0]) >= 0 {
		return 1
	}
	return 0
}

// stringEnd is the offset after the string literal at i, or -1.
func stringEnd(src string, i int) int {
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '\\':
			j++
		case '"':
			return j + 1
		case '\n':
			return -1
		}
	}
	return -1
}

// numEnd is the offset after the number at i: digits and letters, and after
// "8s" a sign.
func numEnd(src string, i int) int {
	j := i + 1
	decimal := src[i] >= '0' && src[i] <= '9'
	for j < len(src) && isIdentByte(src[j]) {
		if src[j] == 's' && decimal && j+1 < len(src) && src[j+1] == '-' {
			j++ // the sign, in the next round's place
		}
		decimal = decimal && src[j] >= '0' && src[j] <= '9'
		j++
	}
	return j
}

func errorAt(file, src string, off int, msg string) error {
	line := 1 + strings.Count(src[:off], "\n")
	col := off - strings.LastIndexByte(src[:off], '\n')
	return &ParseError{File: file, Line: line, Col: col, Msg: msg}
}
