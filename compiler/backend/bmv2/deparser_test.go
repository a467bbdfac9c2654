package bmv2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// TestDeparserConditions: assignments under conditions in a deparser are conditional
// values in the JSON, on both sides, in order, and see what those before them wrote.
func TestDeparserConditions(t *testing.T) {
	for _, c := range []struct{ name, body, want, refused string }{
		{"then", "if (hdr.ask.index == 1) { hdr.ask.colour = 5; }", "01:05 02:00 03:00", ""},
		{"else", "if (hdr.ask.index == 1) { } else { hdr.ask.colour = 6; }", "01:00 02:06 03:06", ""},
		{"both", "if (hdr.ask.index == 1) { hdr.ask.colour = 5; } else { hdr.ask.colour = 6; }", "01:05 02:06 03:06", ""},
		{"in order", "hdr.ask.colour = 9; if (hdr.ask.index != 2) { hdr.ask.colour = hdr.ask.colour + 1; hdr.ask.colour = hdr.ask.colour + hdr.ask.index; }", "01:0b 02:09 03:0d", ""},
		{"a header", "if (hdr.ask.index == 1) { hdr.ask.setInvalid(); }", "", "a statement of the deparser: bmv2 deparsers have no branches but for assignments of numbers"},
		{"nested", "if (hdr.ask.index == 1) { if (hdr.ask.colour == 0) { hdr.ask.colour = 1; } }", "", "a statement of the deparser: bmv2 deparsers have no branches"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := strings.Replace(strings.Replace(toldColours, "$CALL", "", 1), "apply { pkt.emit(hdr.ask); }\n}\nparser EP", "apply { "+c.body+" pkt.emit(hdr.ask); }\n}\nparser EP", 1)
			src = strings.Replace(src, "hdr.ask.colour = c ==", "hdr.ask.colour = c == PSA_MeterColor_t.GREEN ? 8w0 : c ==", 1)
			src = strings.Replace(src, "? 8w0 : c == PSA_MeterColor_t.GREEN ? 8w1 : (c == PSA_MeterColor_t.YELLOW ? 8w2 : 8w3)", "? 8w0 : 8w1", 1)
			r := compileText(t, src)
			js, err := bmv2.Export(r.Core)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), "prog.p4:") {
					t.Errorf("error %v, want %s", err, c.refused)
				}
				return
			}
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
				var got []string
				for index := range byte(3) {
					for _, o := range m.Process(exec.Packet{Port: 1, Data: []byte{index + 1, 0}}).Outputs {
						got = append(got, fmt.Sprintf("%02x:%02x", o.Data[0], o.Data[1]))
					}
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("%s: %s, want %s", p.Name, s, c.want)
				}
			}
		})
	}
}
