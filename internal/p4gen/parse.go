package p4gen

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/printer"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/p4src"
)

// Path is the name that programs have in messages.
const Path = "random.p4"

// ReadFile finds src under Path and nothing else.
func ReadFile(src string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if name != Path {
			return nil, fs.ErrNotExist
		}
		return []byte(src), nil
	}
}

// Parse is the tree of a program, and of it the declarations of the program
// itself, without those it includes.
func Parse(src string) (tree *ast.Program, own []ast.Decl, err error) {
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	pp := preproc.Run(set, preproc.Options{FS: p4src.Include(), ReadFile: ReadFile(src)}, Path, rep)
	tree = parser.ParseTokens(scanner.Scan(pp, rep), rep)
	if rep.HasErrors() {
		return nil, nil, errors.New(rep.String())
	}
	for _, d := range tree.Decls {
		if set.Position(d.Pos()).File == Path {
			own = append(own, d)
		}
	}
	return tree, own, nil
}

// Print is the source of declarations with the includes of v1model in front.
func Print(own []ast.Decl) string {
	return "#include <core.p4>\n#include <v1model.p4>\n\n" + printer.String(&ast.Program{Decls: own})
}

// Size is what a program has, sub-blocks counted once.
type Size struct{ Statements, Tables, Headers int }

// Measure counts what declarations have.
func Measure(own []ast.Decl) (s Size) {
	for _, d := range own {
		ast.Walk(d, func(n ast.Node) {
			switch n := n.(type) {
			case *ast.BlockStmt, *ast.EmptyStmt:
			case ast.Stmt, *ast.Transition:
				s.Statements++
			case *ast.TableDecl:
				s.Tables++
			case *ast.StructDecl:
				if n.Kind == ast.Header {
					s.Headers++
				}
			}
		})
	}
	return s
}

// Lines is the number of lines that say something.
func Lines(src string) int {
	return len(slices.DeleteFunc(strings.Split(src, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" }))
}
