package irgen

import (
	"os"
	"testing"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
)

// compile runs the front end on a program's text.
func compile(name, text string) (*ir.Program, *diag.List) {
	set := source.NewSet()
	rep := diag.NewList(set, -1)
	prog := parser.ParseText(set, preproc.Options{FS: p4src.Include()}, name, text, rep)
	if rep.HasErrors() {
		return nil, rep
	}
	info := types.Check(prog, rep)
	return Generate(prog, info, Options{Name: "test"}, rep), rep
}

func TestRouter(t *testing.T) {
	text, err := os.ReadFile("../../p4src/router.p4")
	if err != nil {
		t.Fatal(err)
	}
	p, rep := compile("router.p4", string(text))
	if p == nil {
		t.Fatalf("refused:\n%s", rep)
	}
	t.Log(rep.String())
	t.Log(p.String())
}
