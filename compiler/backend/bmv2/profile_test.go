package bmv2_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// TestEmptyGroup: lang:J10, a group without members runs no action, and the packet
// goes on behind the table as where no label fits.
func TestEmptyGroup(t *testing.T) {
	for _, c := range []struct{ name, apply, want string }{
		{"alone", "t.apply(); hdr.h.b = hdr.h.b + 1;", "1:11 2:21 9:08 3:08"},
		{"switch", "switch (t.apply().action_run) { a: { hdr.h.b = 5; } b: { hdr.h.b = hdr.h.b + 2; } } hdr.h.b = hdr.h.b + 1;", "1:06 2:23 9:08 3:08"},
		{"switch with default", "switch (t.apply().action_run) { a: { hdr.h.b = 5; } default: { hdr.h.b = 9; } } hdr.h.b = hdr.h.b + 1;", "1:06 2:0a 9:0a 3:0a"},
		{"hit", "if (t.apply().hit) { hdr.h.b = hdr.h.b + 3; }", "1:13 2:23 9:07 3:0a"},
		{"hit in a variable", "bool x = t.apply().hit; hdr.h.b = hdr.h.b + 1; if (x) { hdr.h.b = hdr.h.b + 3; }", "1:14 2:24 9:08 3:0b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := strings.NewReplacer("$V", "", "$D", "action_selector(HashAlgorithm.crc16, 8, 8) s; action a() { hdr.h.b = 16; } action b() { hdr.h.b = 32; }"+
				" table t { key = { hdr.h.a: exact; meta.m: selector; } actions = { a; b; @defaultonly NoAction; } implementation = s; }",
				"$I", "sm.egress_spec = 1; "+c.apply).Replace(skeleton)
			r := compileText(t, src)
			js, err := bmv2.Export(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			back, err := bmv2.Import(js, r.Control.Info, "back")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*ir.Program{r.Core, back} {
				m, err := exec.New(p, exec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				check := func(err error) {
					if err != nil {
						t.Helper()
						t.Fatal(err)
					}
				}
				at := slices.IndexFunc(p.Tables, func(t *ir.Table) bool { return t.Name == "I.t" })
				check(m.SetMember("I.s", ir.ProfileMember{ID: 1, Action: 0}))
				check(m.SetMember("I.s", ir.ProfileMember{ID: 2, Action: 1}))
				for id := range uint32(3) {
					g := ir.ProfileGroup{ID: id + 1}
					if id < 2 {
						g.Members = []ir.GroupMember{{Member: id + 1}}
					}
					check(m.SetGroup("I.s", g))
					check(m.Insert(at, ir.Entry{Handle: id + 1, Ref: ir.RefGroup, Target: id + 1, Match: []ir.Match{{Value: []byte{byte(id + 1)}}, {}}}))
				}
				var got []string
				for _, key := range []byte{1, 2, 9, 3} {
					for _, o := range m.Process(exec.Packet{Data: []byte{key, 7}}).Outputs {
						got = append(got, fmt.Sprintf("%d:%02x", key, o.Data[1]))
					}
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("%s: %s, want %s", p.Name, s, c.want)
				}
			}
		})
	}
}
