package ast

import (
	"strings"
	"testing"
)

// Every operator has a spelling, and each binary one a precedence between a
// keyset's and a unary operator's.
func TestOps(t *testing.T) {
	for op := OpInvalid; op < numOps; op++ {
		if op.String() == "" || op.String() == "?" {
			t.Errorf("operator %d has no spelling", op)
		}
		p := op.Precedence()
		if binary := op >= OpMul; binary != (p > PrecLowest && p < PrecUnary) {
			t.Errorf("operator %s has precedence %d", op, p)
		}
	}
	if numOps.String() != "?" || PrecLOr != PrecCond+1 {
		t.Error("bounds")
	}
}

func TestBasicKinds(t *testing.T) {
	for k := Void; k <= Varbit; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}

func TestFindAnnotation(t *testing.T) {
	list := []*Annotation{{Name: &Ident{Name: "a"}}, {Name: &Ident{Name: "b"}}, {Name: &Ident{Name: "a"}, Kind: AnnotKV}}
	if a := FindAnnotation(list, "a"); a != list[2] {
		t.Errorf("not the last one")
	}
	if FindAnnotation(list, "c") != nil {
		t.Errorf("found what is not there")
	}
}

func TestInspectSkips(t *testing.T) {
	e := &BinaryExpr{X: &UnaryExpr{X: &ThisExpr{}}, Y: &ThisExpr{}}
	var got []string
	Inspect(e, func(n Node) bool {
		switch n.(type) {
		case nil:
			got = append(got, "end")
		case *BinaryExpr:
			got = append(got, "binary")
		case *UnaryExpr:
			got = append(got, "unary")
			return false
		case *ThisExpr:
			got = append(got, "this")
		}
		return true
	})
	if s := strings.Join(got, " "); s != "binary unary this end end" {
		t.Errorf("visited %s", s)
	}
}

// A nil field is no child: not even a typed nil.
func TestNilChildren(t *testing.T) {
	for _, n := range []Node{
		&TableDecl{Name: &Ident{}}, &SwitchCase{Label: &DefaultExpr{}}, &Transition{}, &ReturnStmt{},
		&IfStmt{}, &StructExpr{}, &FuncDecl{}, &Instantiation{}, &StateDecl{}, &BasicType{}, &TypedefDecl{},
	} {
		for _, c := range Children(n) {
			if s := DumpString(c); c == nil || s == "" && c.Pos() != 0 {
				t.Errorf("%T has a nil child", n)
			}
		}
	}
}
