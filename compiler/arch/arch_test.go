package arch

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

func TestLookup(t *testing.T) {
	for _, tt := range []struct{ id, name, pkg, slots string }{
		{"lang:V1", "v1model", "V1Switch", "p vr ig eg ck dep"},
		{"lang:S1", "psa", "PSA_Switch", "ip ig id ep eg ed"},
		{"lang:N1", "pna", "PNA_NIC", "main_parser pre_control main_control main_deparser"},
		{"lang:E1", "ebpf", "ebpfFilter", "prs filt"},
		{"lang:E9", "xdp", "xdp", "p s d"},
		{"lang:E18", "ubpf", "ubpf", "prs p dprs"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			for _, name := range []string{tt.name, tt.pkg} {
				a, err := Lookup(name)
				if err != nil {
					t.Fatal(err)
				}
				var slots []string
				for _, s := range a.Slots {
					slots = append(slots, s.Name)
				}
				if got := strings.Join(slots, " "); got != tt.slots {
					t.Errorf("%s: slots %q, want %q", name, got, tt.slots)
				}
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		_, err := Lookup("MySwitch")
		if err == nil || !strings.Contains(err.Error(), "MySwitch") || !strings.Contains(err.Error(), "V1Switch (v1model)") {
			t.Errorf("error %v", err)
		}
	})
}

// TestMatch holds that a package counts by its shape, not by its name alone.
func TestMatch(t *testing.T) {
	slots := func(s string) (out []desc.Slot) {
		for _, f := range strings.Fields(s) {
			name, parser := strings.CutSuffix(f, "!")
			kind := ir.Control
			if parser {
				kind = ir.Parser
			}
			out = append(out, desc.Slot{Name: name, Kind: kind})
		}
		return out
	}
	for _, tt := range []struct{ name, pkg, have, arch, names string }{
		{"psa", "PSA_Switch", "ingress.ip! ingress.ig ingress.id egress.ep! egress.eg egress.ed", "psa", "ip ig id ep eg ed"},
		{"pna", "PNA_NIC", "main_parser! pre_control main_control main_deparser", "pna", "main_parser pre_control main_control main_deparser"},
		{"pna without pre control", "PNA_NIC", "main_parser! main_control main_deparser", "pna", "main_parser main_control main_deparser"},
		{"slot too few", "V1Switch", "p! vr ig eg ck", "", ""},
		{"slot too many", "ebpfFilter", "prs! filt more", "", ""},
		{"wrong kind", "ebpfFilter", "prs filt", "", ""},
		{"wrong name", "ebpfFilter", "parse! filt", "", ""},
		{"wrong package", "Filter", "prs! filt", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, names := Match(tt.pkg, slots(tt.have))
			got := ""
			if a != nil {
				got = a.Name
			}
			if got != tt.arch || strings.Join(names, " ") != tt.names {
				t.Errorf("got %q %q, want %q %q", got, names, tt.arch, tt.names)
			}
		})
	}
}
