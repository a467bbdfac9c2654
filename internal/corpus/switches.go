package corpus

import (
	"fmt"
	"path/filepath"
)

// Switch is what is known of a program of p4c's bmv2 suites: whether p4c's back end
// for the switch accepts it (backends/bmv2/CMakeLists.txt at the recorded commit
// names those that must fail), and whether the switch loaded the JSON that p4c and
// that p4nic made of it.
type Switch struct {
	Path   string
	Switch string // simple_switch, psa_switch, pna_nic
	Accept bool
	// P4c and P4nic are "yes" or "no", "" where there was no JSON to load: p4c 1.2.3
	// made p4c's, which reads fewer programs and has no back end for pna_nic.
	P4c, P4nic string
}

const (
	switchesFile   = "switches.tsv"
	switchesHeader = "path\tswitch\tp4c\tloads-p4c\tloads-p4nic"
)

// LoadSwitches reads the table of dir.
func LoadSwitches(dir string) ([]Switch, error) {
	_, rows, err := readTSV(filepath.Join(dir, switchesFile), switchesHeader)
	if err != nil {
		return nil, err
	}
	var out []Switch
	for _, r := range rows {
		out = append(out, Switch{Path: r[0], Switch: r[1], Accept: r[2] == "accept", P4c: r[3], P4nic: r[4]})
	}
	return out, nil
}

// WithoutJSON lists the programs that p4c's bmv2 back ends accept and of which we
// make no JSON.
func WithoutJSON(switches []Switch, results []Result) (out []string) {
	byPath := map[string]*Result{}
	for i := range results {
		byPath[results[i].Path] = &results[i]
	}
	for _, s := range switches {
		if r := byPath[s.Path]; s.Accept && r != nil && r.JSON != "" {
			out = append(out, fmt.Sprintf("%s: no JSON for %s: %s", s.Path, s.Switch, r.JSON))
		}
	}
	return out
}
