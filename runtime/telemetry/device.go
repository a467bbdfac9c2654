package telemetry

import (
	"time"
)

// deviceRow is a row of /components/component: the integrated circuit that
// stands for the P4 device.
type deviceRow struct {
	name string
	node uint64
	desc string
}

func component(name string, node uint64, engine string) *Source {
	text, identity, u64 := Type{Kind: String}, Type{Kind: Identity}, Type{Kind: Uint64}
	fixed := func(v string) func(*deviceRow) (Value, bool) {
		return func(*deviceRow) (Value, bool) { return str(v), true }
	}
	named := func(d *deviceRow) (Value, bool) { return str(d.name), true }
	nodeID := func(d *deviceRow) (Value, bool) { return num(d.node), true }
	s := newSource(OriginOpenConfig, "/openconfig-platform:components/component[name]", []def[deviceRow]{
		{"name", text, named, config, nil},
		{"config/name", text, named, config, nil},
		{"state/name", text, named, applied, nil},
		{"state/type", identity, fixed("openconfig-platform-types:INTEGRATED_CIRCUIT"), operational, nil},
		{"state/oper-status", identity, fixed("openconfig-platform-types:ACTIVE"), operational, nil},
		{"state/description", text, func(d *deviceRow) (Value, bool) { return str(d.desc), true }, operational, nil},
		{"integrated-circuit/config/openconfig-p4rt:node-id", u64, nodeID, config, nil},
		{"integrated-circuit/state/openconfig-p4rt:node-id", u64, nodeID, applied, nil},
	})
	row := &Row{Keys: []string{name}, Data: &deviceRow{name, node, "P4 device, engine " + engine}}
	s.collect = func(string, *Frame) ([]*Row, error) { return []*Row{{Keys: row.Keys, Data: row.Data}}, nil }
	return s
}

// systemRow is /system.
type systemRow struct {
	hostname string
	now      time.Time
}

func system(hostname func() (string, error), boot time.Time, version string, now func() time.Time) *Source {
	text, u64 := Type{Kind: String}, Type{Kind: Uint64}
	s := newSource(OriginOpenConfig, "/openconfig-system:system", []def[systemRow]{
		{"state/hostname", text, func(r *systemRow) (Value, bool) { return str(r.hostname), r.hostname != "" }, applied, nil},
		{"state/boot-time", u64, func(*systemRow) (Value, bool) { return num(uint64(boot.UnixNano())), !boot.IsZero() }, operational, nil},
		{"state/current-datetime", text, func(r *systemRow) (Value, bool) { return str(r.now.UTC().Format(time.RFC3339Nano)), true }, ticking, nil},
		{"state/software-version", text, func(*systemRow) (Value, bool) { return str(version), true }, operational, nil},
	})
	s.collect = func(string, *Frame) ([]*Row, error) {
		h, err := hostname()
		if err != nil {
			return nil, err
		}
		return []*Row{{Data: &systemRow{h, now()}}}, nil
	}
	return s
}
