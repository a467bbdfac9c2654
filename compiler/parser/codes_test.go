package parser_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/scanner"
)

// Every documented example of the scanner and the parser draws its code.
func TestCodes(t *testing.T) {
	for _, c := range append(scanner.Codes(), parser.Codes()...) {
		t.Run(string(c.Code), func(t *testing.T) {
			_, rep := parse(c.Example)
			for _, d := range rep.All() {
				if d.Code == c.Code && c.Summary != "" {
					return
				}
			}
			t.Errorf("the example draws\n%s", rep)
		})
	}
}

// TestChildren checks ast.Children against the fields of the nodes: a field
// that Walk forgets would hide a subtree from every later phase.
func TestChildren(t *testing.T) {
	for name, text := range programs(t) {
		prog, _ := parse(text)
		ast.Walk(prog, func(n ast.Node) {
			want := map[ast.Node]bool{}
			v := reflect.ValueOf(n).Elem()
			for i := range v.NumField() {
				if a, ok := n.(*ast.Annotation); ok && a.Kind == ast.AnnotUnstructured {
					if f := v.Type().Field(i).Name; f == "Exprs" || f == "Tokens" {
						continue
					}
				}
				collect(v.Field(i), want)
			}
			last := ast.Node(nil)
			for _, c := range ast.Children(n) {
				if !want[c] {
					t.Errorf("%s: %T has child %T that is no field, or twice", name, n, c)
				}
				delete(want, c)
				if last != nil && c.Pos() < last.Pos() && !outOfOrder(n) {
					t.Errorf("%s: children of %T are not in source order: %T before %T", name, n, last, c)
				}
				last = c
			}
			for c := range want {
				t.Errorf("%s: Children of %T lack %T", name, n, c)
			}
		})
	}
}

// outOfOrder names the nodes whose fields group what the source may mix.
func outOfOrder(n ast.Node) bool {
	switch n.(type) {
	case *ast.TableDecl:
		return true
	}
	return false
}

func collect(v reflect.Value, into map[ast.Node]bool) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), into)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			if n, ok := v.Interface().(ast.Node); ok {
				into[n] = true
			}
		}
	}
}

// What is rejected has a position, a code and a message that names tokens as
// the source spells them.
func TestMessages(t *testing.T) {
	_, rep := parse("control c() { apply { x = 1 } }")
	want := "t.p4:1:29: error[syntax]: expected `;` after the statement, found `}`\n" +
		"control c() { apply { x = 1 } }\n" + strings.Repeat(" ", 28) + "^\n" +
		"t.p4:1:28: fix: insert: \";\"\n"
	if got := rep.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
