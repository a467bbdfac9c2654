package passes_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/compiler/passes"
)

// What core cannot say about objects is refused with its name.
func TestObjectsRefused(t *testing.T) {
	for _, c := range []struct{ id, decl, want string }{
		{"lang:L99", "instance c.e Ext[4]();", "c.e is an array of extern objects"},
		{"lang:L157", "instance c.e Ext by makeExt(32w1);", "c.e is made by the extern function makeExt"},
		{"lang:L18", "header h_t { varbit<8> a; varbit<8> b; }", "header h_t has several varbit fields"},
	} {
		t.Run(c.id, func(t *testing.T) {
			p, err := ir.Parse("t", []byte("p4nic-ir 1 typed\nprogram \"t\" arch \"none\";\nerrors { NoError }\n"+c.decl+"\ncontrol c () {\n}\npipeline { c = c; }\n"))
			if err != nil {
				t.Fatal(err)
			}
			if err := ir.Check(p); err != nil {
				t.Fatal(err)
			}
			pl, err := passes.Pipeline()
			if err != nil {
				t.Fatal(err)
			}
			_, err = pl.Run(p, pass.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
