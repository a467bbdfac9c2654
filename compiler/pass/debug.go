package pass

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Debug holds the switches of passes by name.
type Debug map[string]Switches

// Switches are what -d can ask of one pass.
type Switches struct {
	Dump bool // print the program after it
	Off  bool // leave it out; only passes nothing depends on
	Time bool // print how long it took
}

func (d Debug) names() []string { return slices.Sorted(maps.Keys(d)) }

// ParseDebug reads options of the form pass/NAME/{dump,off,time}, several
// separated by commas in one string. Whether NAME exists is checked by Run.
func ParseDebug(opts []string) (Debug, error) {
	d := Debug{}
	for _, opt := range opts {
		for _, o := range strings.Split(opt, ",") {
			parts := strings.Split(o, "/")
			if len(parts) != 3 || parts[0] != "pass" || parts[1] == "" {
				return nil, fmt.Errorf("debug option %q: want pass/NAME/dump, pass/NAME/off or pass/NAME/time", o)
			}
			sw := d[parts[1]]
			switch parts[2] {
			case "dump":
				sw.Dump = true
			case "off":
				sw.Off = true
			case "time":
				sw.Time = true
			default:
				return nil, fmt.Errorf("debug option %q: %q is none of dump, off, time", o, parts[2])
			}
			d[parts[1]] = sw
		}
	}
	return d, nil
}
