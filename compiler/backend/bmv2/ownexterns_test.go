package bmv2_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// TestOwnExterns: calls of a program's own extern functions are written and read
// where the caller asks for it, and refused with their line where not.
func TestOwnExterns(t *testing.T) {
	src := "extern void turn(inout bit<8> a, out bit<16> b, in bit<8> c, in bit<16> d);\n" +
		strings.NewReplacer("$V", "", "$D", "action act(bit<8> x) { bit<16> y; turn(hdr.h.a, y, x + 1, 0x102); hdr.h.b = y[7:0] + y[15:8]; } table t { actions = { act; } default_action = act(4); }",
			"$I", "t.apply(); sm.egress_spec = 1;").Replace(skeleton)
	src = "#include <core.p4>\n" + src
	r := compileText(t, src)
	if _, err := bmv2.Export(r.Core); err == nil || !strings.Contains(err.Error(), "extern turn: it is not exported to bmv2 JSON") || !strings.HasPrefix(err.Error(), "prog.p4:") {
		t.Errorf("without the option: %v", err)
	}
	js, err := bmv2.Export(r.Core, bmv2.WithExterns())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bmv2.Import(js, r.Control.Info, "back"); err == nil || !strings.Contains(err.Error(), "primitive turn: it is not imported") {
		t.Errorf("read without the option: %v", err)
	}
	back, err := bmv2.Import(js, r.Control.Info, "back", bmv2.WithExterns())
	if err != nil {
		t.Fatal(err)
	}
	turn := func(args [][]byte) [][]byte {
		if len(args) != 4 || len(args[2]) != 1 || args[2][0] != 5 || string(args[3]) != "\x01\x02" {
			t.Errorf("arguments %x", args)
			return nil
		}
		return [][]byte{{^args[0][0]}, {args[2][0], 2}, nil, nil}
	}
	for _, p := range []*ir.Program{r.Core, back} {
		m, err := exec.New(p, exec.Options{Externs: map[string]exec.Extern{"turn": turn}})
		if err != nil {
			t.Fatal(err)
		}
		out := m.Process(exec.Packet{Data: []byte{0x0f, 0}}).Outputs
		if len(out) != 1 || string(out[0].Data) != "\xf0\x07" {
			t.Errorf("%s: %x", p.Name, out)
		}
	}
}
