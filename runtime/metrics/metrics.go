// Package metrics serves runtime/telemetry's counts in Prometheus' format.
//
// In: HTTP GET /metrics. Out: the numbers that gNMI has, from the same frames.
// Must not import: engines, other adapters.
//
// The names say which leaf a metric is; docs/gnmi-paths.md lists both.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// metric is one leaf as a metric; its labels are the list keys of its path.
type metric struct {
	leaf, name, help string
	labels           []string
	gauge            bool
}

const (
	interfacePath = "/interfaces/interface[name]/state/"
	countersPath  = interfacePath + "counters/"
	tablePath     = "/pipeline/tables/table[name]/state/"
	entryPath     = "/pipeline/tables/table[name]/entries/entry[match]/state/"
	cellPath      = "/pipeline/counters/counter[name]/cells/cell[index]/state/"
	dropPath      = "/pipeline/drops/drop[reason]/state/"
)

// list is the table of metrics.
func list() []metric {
	byInterface, byTable, byEntry := []string{"interface"}, []string{"table"}, []string{"table", "match"}
	byCell, byReason := []string{"counter", "index"}, []string{"reason"}
	return []metric{
		{interfacePath + "enabled", "p4nic_interface_enabled", "1 when the port's netdev is administratively up.", byInterface, true},
		{interfacePath + "id", "p4nic_interface_port", "P4 port number of the netdev.", byInterface, true},
		{interfacePath + "mtu", "p4nic_interface_mtu_bytes", "MTU of the netdev.", byInterface, true},
		{countersPath + "in-pkts", "p4nic_interface_receive_packets_total", "Packets that the datapath received on the port.", byInterface, false},
		{countersPath + "in-octets", "p4nic_interface_receive_bytes_total", "Bytes that the datapath received on the port.", byInterface, false},
		{countersPath + "in-discards", "p4nic_interface_receive_discards_total", "Packets received on the port that the datapath dropped.", byInterface, false},
		{countersPath + "in-errors", "p4nic_interface_receive_errors_total", "Receive errors of the netdev.", byInterface, false},
		{countersPath + "out-pkts", "p4nic_interface_transmit_packets_total", "Packets that the datapath sent out of the port.", byInterface, false},
		{countersPath + "out-octets", "p4nic_interface_transmit_bytes_total", "Bytes that the datapath sent out of the port.", byInterface, false},
		{countersPath + "out-discards", "p4nic_interface_transmit_discards_total", "Packets that the netdev dropped on transmission.", byInterface, false},
		{countersPath + "out-errors", "p4nic_interface_transmit_errors_total", "Transmission errors of the netdev.", byInterface, false},
		{tablePath + "size", "p4nic_table_size", "Entries that the table can hold.", byTable, true},
		{tablePath + "occupancy", "p4nic_table_entries", "Entries in the table.", byTable, true},
		{tablePath + "hits", "p4nic_table_hits", "Packets counted by the entries that are in the table now.", byTable, true},
		{tablePath + "misses", "p4nic_table_misses_total", "Packets counted by the default action.", byTable, false},
		{entryPath + "packets", "p4nic_entry_packets_total", "Packets counted by the entry.", byEntry, false},
		{entryPath + "octets", "p4nic_entry_bytes_total", "Bytes counted by the entry.", byEntry, false},
		{cellPath + "packets", "p4nic_counter_packets_total", "Packets counted by a cell of an indirect counter.", byCell, false},
		{cellPath + "octets", "p4nic_counter_bytes_total", "Bytes counted by a cell of an indirect counter.", byCell, false},
		{dropPath + "packets", "p4nic_drop_packets_total", "Packets dropped, by reason.", byReason, false},
		{dropPath + "octets", "p4nic_drop_bytes_total", "Bytes dropped, by reason.", byReason, false},
	}
}

// Options of New.
type Options struct {
	Telemetry *telemetry.Telemetry
	// MaxSeries bounds the series of one list: of a longer one, entries of large
	// tables most of all, none is given and p4nic_series_omitted tells how many
	// there are. 0 is 10,000.
	MaxSeries int
	Version   string
}

// collector reads the leaves when Prometheus asks.
type collector struct {
	hub     *telemetry.Hub
	max     int
	byLeaf  map[*telemetry.Leaf]*described
	sources []*telemetry.Source
	omitted *prometheus.Desc
	info    *prometheus.Desc
	version string
}

type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// Handler serves /metrics.
func Handler(o Options) (http.Handler, error) {
	if o.MaxSeries <= 0 {
		o.MaxSeries = 10000
	}
	c := &collector{hub: o.Telemetry.Hub, max: o.MaxSeries, byLeaf: map[*telemetry.Leaf]*described{}, version: o.Version,
		omitted: prometheus.NewDesc("p4nic_series_omitted", "Rows of a list that is too long to be given.", []string{"list"}, nil),
		info:    prometheus.NewDesc("p4nic_build_info", "1; the label is the version of nicd.", []string{"version"}, nil)}
	byPath := map[string]metric{}
	for _, m := range list() {
		byPath[m.leaf] = m
	}
	for _, s := range c.hub.Schema.Sources {
		used := false
		for _, l := range s.Leaves {
			m, ok := byPath[l.Text()]
			if !ok {
				continue
			}
			d := &described{desc: prometheus.NewDesc(m.name, m.help, m.labels, nil), kind: prometheus.CounterValue}
			if m.gauge {
				d.kind = prometheus.GaugeValue
			}
			c.byLeaf[l], used = d, true
		}
		if used {
			c.sources = append(c.sources, s)
		}
	}
	r := prometheus.NewRegistry()
	if err := r.Register(c); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 4}))
	return mux, nil
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.omitted
	out <- c.info
	for _, s := range c.sources {
		for _, l := range s.Leaves {
			if d := c.byLeaf[l]; d != nil {
				out <- d.desc
			}
		}
	}
}

// young is how old a frame may be: scrapes of several servers share one.
const young = 100 * time.Millisecond

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, c.version)
	for _, s := range c.sources {
		if n := s.Len(); n > c.max {
			out <- prometheus.MustNewConstMetric(c.omitted, prometheus.GaugeValue, float64(n), s.Text())
			continue
		}
		f, err := c.hub.Frame(context.Background(), s, "", c.hub.Clock().Now().Add(-young))
		if err != nil {
			out <- prometheus.NewInvalidMetric(c.info, err)
			continue
		}
		want := func(l *telemetry.Leaf) bool { return c.byLeaf[l] != nil }
		for _, r := range f.Rows {
			s.Walk(r, want, func(l *telemetry.Leaf, keys []string, v telemetry.Value) {
				d := c.byLeaf[l]
				m, err := prometheus.NewConstMetric(d.desc, d.kind, float64(v.U), keys...)
				if err != nil { // a key that is no UTF-8
					m, err = prometheus.NewConstMetric(d.desc, d.kind, float64(v.U), quoted(keys)...)
				}
				if err != nil {
					m = prometheus.NewInvalidMetric(d.desc, err)
				}
				out <- m
			})
		}
	}
}

func quoted(keys []string) []string {
	var out []string
	for _, k := range keys {
		out = append(out, strconv.Quote(k))
	}
	return out
}
