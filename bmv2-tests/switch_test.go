package bmv2tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
)

// TestSwitch plays switch/*.stf: what the real switches of bmv2 do with copies
// (lang:V45: mirroring sessions to ports and to groups, groups whose copies have
// replication ids), meters, selectors and the like, which the cases of packetcase
// cannot say. The packets to expect were received from simple_switch or psa_switch,
// run on p4c's JSON of the same program, or on ours where p4c makes none that is
// right; where the switch's threads leave an order open the test does not ask for
// it. Each plays on ir/exec at every level, on our JSON read again, and on p4c's.
func TestSwitch(t *testing.T) {
	files, err := filepath.Glob("switch/*.stf")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no tests")
	}
	for _, f := range files {
		base := strings.TrimSuffix(f, ".stf")
		t.Run(filepath.Base(base), func(t *testing.T) {
			text, err := os.ReadFile(f)
			check(t, err)
			test, err := stf.Parse(f, text)
			check(t, err)
			p, err := Compile(base+".p4", nil)
			check(t, err)
			for _, l := range []struct {
				name string
				make func() (*ir.Program, error)
			}{
				{"typed", func() (*ir.Program, error) { return p.Typed, nil }},
				{"core", func() (*ir.Program, error) { return p.Core, nil }},
				{"json", func() (*ir.Program, error) {
					js, err := bmv2.Export(p.Core)
					if err != nil {
						return nil, err
					}
					return bmv2.Import(js, p.Info, p.Name)
				}},
				{"p4c", func() (*ir.Program, error) {
					q, err := importFiles(p.Name, base+".json", base+".p4info.txtpb")
					if err != nil {
						return nil, err
					}
					return q.Core, nil
				}},
			} {
				if _, err := os.Stat(base + ".json"); l.name == "p4c" && os.IsNotExist(err) {
					continue // p4c's JSON is wrong or is not there
				}
				t.Run(l.name, func(t *testing.T) {
					q, err := l.make()
					check(t, err)
					e, err := stf.NewSim(q)
					check(t, err)
					if r := stf.Run(test, e, nil); r.Status != stf.Passed {
						t.Errorf("%s\n%s", r.Status, r.Report)
					}
				})
			}
		})
	}
}
