package preproc

import (
	"testing"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// Every documented example draws its code.
func TestCodes(t *testing.T) {
	for _, c := range Codes() {
		t.Run(string(c.Code), func(t *testing.T) {
			if c.Summary == "" {
				t.Error("no summary")
			}
			if c.Example == "" {
				return
			}
			rep := diag.NewList(source.NewSet(), 0)
			RunText(rep.Set(), Options{}, "t.p4", c.Example, rep)
			for _, d := range rep.All() {
				if d.Code == c.Code {
					return
				}
			}
			t.Errorf("the example draws\n%s", rep)
		})
	}
}
