package exec

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// An extern function of the program's own runs where the caller gives it, and is
// refused where not.
func TestOwnExtern(t *testing.T) {
	c, err := packetcase.Load("testdata/externs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	src := strings.Replace(string(c.IR), "std.egress_spec = 9w2;", "#0:7:3 extern set_to(out std.egress_spec, 9w5);", 1)
	p, err := ir.Parse("x", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(p, Options{}); err == nil || !strings.Contains(err.Error(), "extern set_to: this extern is not supported") {
		t.Errorf("without the function: %v", err)
	}
	m, err := New(p, Options{Externs: map[string]Extern{"set_to": func(args [][]byte) [][]byte {
		if len(args) != 2 || args[0] != nil || string(args[1]) != "\x00\x05" {
			t.Errorf("arguments %x", args)
		}
		return [][]byte{args[1], nil}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	r := m.Process(Packet{Port: 3, Data: unhex(t, "09 00000005 00000000 0000000000000000")})
	if len(r.Outputs) != 1 || r.Outputs[0].Port != 5 {
		t.Errorf("outputs %v", r.Outputs)
	}
}
