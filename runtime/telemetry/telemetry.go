package telemetry

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/p4nic/p4nic/runtime/store"
)

// Options of New.
type Options struct {
	Store    *store.Store
	Ports    Ports  // the engine
	Engine   string // its name
	Links    Links
	RIB      RIB                    // nil: no network instances
	Drops    func() ([]Drop, error) // nil: the engine does not tell
	Name     string                 // of the component that stands for the device, the instance's
	DeviceID uint64
	Version  string    // of the software
	Boot     time.Time // of the machine; zero = unknown
	Hostname func() (string, error)
	Clock    Clock // nil = RealClock
	Log      *slog.Logger
}

// Telemetry is the table of paths with its collectors.
type Telemetry struct {
	Hub  *Hub
	opts Options
}

// New builds the table.
func New(o Options) (*Telemetry, error) {
	if o.Store == nil || o.Ports == nil || o.Links == nil {
		return nil, errors.New("telemetry: Options.Store, Ports or Links is missing")
	}
	if o.Clock == nil {
		o.Clock = RealClock{}
	}
	if o.Hostname == nil {
		o.Hostname = os.Hostname
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Telemetry{Hub: NewHub(newSchema(o), o.Clock), opts: o}, nil
}

// newSchema is the whole table; docs/gnmi-paths.md is made from it.
func newSchema(o Options) *Schema {
	s := &Schema{Models: []Model{
		{"openconfig-interfaces", "OpenConfig working group", "3.8.1"},
		{"openconfig-if-ethernet", "OpenConfig working group", "2.18.0"},
		{"openconfig-p4rt", "OpenConfig Working Group", "1.0.0"},
		{"openconfig-network-instance", "OpenConfig working group", "4.7.0"},
		{"openconfig-aft", "OpenConfig working group", "3.4.0"},
		{"openconfig-aft-network-instance", "OpenConfig working group", "0.3.1"},
		{"openconfig-platform", "OpenConfig working group", "0.32.0"},
		{"openconfig-system", "OpenConfig working group", "3.1.0"},
		{pipelineModule, "p4nic", "0.1.0"},
	}}
	s.Sources = append(s.Sources,
		interfaces(o.Ports, o.Links, o.Clock.Now),
		component(o.Name, o.DeviceID, o.Engine),
		system(o.Hostname, o.Boot, o.Version, o.Clock.Now),
		instances(o.RIB))
	s.Sources = append(s.Sources, aftSources(o.RIB)...)
	s.Sources = append(s.Sources,
		pipelineState(o.Store, o.Engine),
		tables(o.Store), tableCounts(o.Store),
		entries(o.Store), entryCounts(o.Store),
		counters(o.Store), cells(o.Store),
		drops(o.Drops))
	return s
}
