package corpus

import (
	"slices"
	"strings"
	"testing"
)

// TestSwitches: no switch refuses our JSON of a program whose JSON of p4c it loads,
// and of every program that p4c's back ends for simple_switch and psa_switch accept
// there was JSON that the switch loaded, but of the one that needs a module.
func TestSwitches(t *testing.T) {
	tables, err := Load("../../testdata/corpus")
	if err != nil {
		t.Fatal(err)
	}
	switches, err := LoadSwitches("../../testdata/corpus")
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]int{}
	for _, s := range switches {
		if !slices.ContainsFunc(tables.Programs, func(p Program) bool { return p.Path == s.Path }) {
			t.Errorf("%s is no program of the corpus", s.Path)
		}
		if s.P4c == "yes" && s.P4nic != "yes" {
			t.Errorf("%s: %s loads p4c's JSON and not ours", s.Path, s.Switch)
		}
		if !s.Accept {
			continue
		}
		accepted[s.Switch]++
		if s.P4nic != "yes" && s.Switch != "pna_nic" && !strings.HasSuffix(s.Path, "/extern-funcs-bmv2.p4") {
			t.Errorf("%s: %s does not load ours", s.Path, s.Switch)
		}
	}
	for name, want := range map[string]int{"simple_switch": 320, "psa_switch": 73, "pna_nic": 25} {
		if accepted[name] != want {
			t.Errorf("%d programs for %s, want %d", accepted[name], name, want)
		}
	}
}

// TestWithoutJSON: only what p4c accepts is missed.
func TestWithoutJSON(t *testing.T) {
	got := WithoutJSON([]Switch{{Path: "a", Switch: "x", Accept: true}, {Path: "b", Switch: "x", Accept: true}, {Path: "c", Switch: "x"}, {Path: "d", Switch: "x", Accept: true}},
		[]Result{{Path: "a"}, {Path: "b", JSON: "why"}, {Path: "c", JSON: "why"}})
	if len(got) != 1 || got[0] != "b: no JSON for x: why" {
		t.Errorf("got %q", got)
	}
}
