package bmv2tests

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// TestP4C: what p4c made of our programs does what our own compilation of the
// same source does (D4, issue: import of p4c's JSON), on exec, SSA and the kernel.
func TestP4C(t *testing.T) {
	cs, err := LoadCases("p4c")
	check(t, err)
	if len(cs) < 4 {
		t.Fatalf("%d cases", len(cs))
	}
	kinds := []Kind{
		{Name: "exec", New: newExecCore}, {Name: "ssa", New: newSSA(false)},
		{Name: "xdp", Kernel: true, New: newXDP}, {Name: "tc", Kernel: true, New: newTC},
	}
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			if k.Kernel {
				netnstest.NeedBPF(t)
			}
			for _, c := range cs {
				t.Run(c.Name, func(t *testing.T) { compareP4C(t, k, c) })
			}
		})
	}
}

func compareP4C(t *testing.T, k Kind, c *Case) {
	p, err := c.Compile()
	check(t, err)
	base := strings.TrimSuffix(c.P4, filepath.Ext(c.P4))
	q, err := importFiles(p.Name, base+".json", base+".p4info.txtpb")
	check(t, err)
	content, err := c.Content(p)
	check(t, err)
	imported := Kind{Name: "p4c on " + k.Name, New: func(_ *Program, content []packetcase.Content) (Engine, error) {
		return From(p, q, content, k.New)
	}}
	compare(t, imported, p, content, inputs(c), func(i int) string { return fmt.Sprintf("packets:%d", c.Steps[i].Line) })
}
