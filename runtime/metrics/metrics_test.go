package metrics

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/clidoc"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

var update = flag.Bool("update", false, "rewrite the table of metrics in docs/gnmi-paths.md")

func scrape(t *testing.T, r *telemetrytest.Rig, maxSeries int) string {
	t.Helper()
	h, err := Handler(Options{Telemetry: r.Tel, Version: "1.2.3", MaxSeries: maxSeries})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestMetrics: the values that gNMI has, with the keys of the path as labels.
func TestMetrics(t *testing.T) {
	r := telemetrytest.New(t)
	r.Load("")
	r.Write(r.Exact(entity.Insert, 7, 2))
	r.Plane.Count(0, 1, 5)
	r.Plane.Count(0, 0, 2)
	r.Plane.CountCell("ingress.cells", 3, 4)
	r.Ports.Count(1, 10, 20)
	got := scrape(t, r, 0)
	for _, want := range []string{
		`p4nic_build_info{version="1.2.3"} 1`,
		`p4nic_interface_receive_packets_total{interface="p1"} 10`,
		`p4nic_interface_transmit_bytes_total{interface="p1"} 2000`,
		`p4nic_interface_enabled{interface="p2"} 1`,
		`p4nic_interface_port{interface="p2"} 2`,
		`p4nic_table_entries{table="ingress.exact"} 1`,
		`p4nic_table_size{table="ingress.exact"} 4`,
		`p4nic_table_hits{table="ingress.exact"} 5`,
		`p4nic_table_misses_total{table="ingress.exact"} 2`,
		`p4nic_entry_packets_total{match="hdr.a=0x7,hdr.b=0x0",table="ingress.exact"} 5`,
		`p4nic_entry_bytes_total{match="default",table="ingress.exact"} 200`,
		`p4nic_counter_packets_total{counter="ingress.cells",index="3"} 4`,
		`p4nic_drop_bytes_total{reason="program"} 180`,
		"# TYPE p4nic_table_hits gauge",
		"# TYPE p4nic_interface_receive_packets_total counter",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestTooLong: a list of too many series is left out and counted.
func TestTooLong(t *testing.T) {
	r := telemetrytest.New(t)
	r.Load("")
	got := scrape(t, r, 7)
	for _, want := range []string{
		`p4nic_series_omitted{list="/pipeline/tables/table[name]/entries/entry[match]"} 11`,
		`p4nic_series_omitted{list="/pipeline/counters/counter[name]/cells/cell[index]"} 8`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "p4nic_entry_packets_total{") || !strings.Contains(got, "p4nic_table_entries{") {
		t.Errorf("left out the wrong lists:\n%s", got)
	}
}

// TestMethods: only GET /metrics.
func TestMethods(t *testing.T) {
	h, err := Handler(Options{Telemetry: telemetrytest.New(t).Tel})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"POST", "/metrics", 405}, {"GET", "/", 404}, {"HEAD", "/metrics", 200}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}

// TestTable: every leaf of the table exists, and its labels are the path's keys.
func TestTable(t *testing.T) {
	keys := map[string]int{}
	for _, s := range telemetrytest.New(t).Tel.Hub.Schema.Sources {
		for _, l := range s.Leaves {
			n := 0
			for _, e := range l.Path {
				n += len(e.Keys)
			}
			keys[l.Text()] = n
			if !l.Type.Number() {
				delete(keys, l.Text())
			}
		}
	}
	for _, m := range list() {
		if n, ok := keys[m.leaf]; !ok || n != len(m.labels) {
			t.Errorf("%s: %s is no number with %d keys", m.name, m.leaf, len(m.labels))
		}
	}
}

// TestDocs: docs/gnmi-paths.md has every metric.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | path | what |\n|---|---|---|\n")
	for _, m := range list() {
		fmt.Fprintf(&b, "| `%s{%s}` | `%s` | %s |\n", m.name, strings.Join(m.labels, ","), m.leaf, m.help)
	}
	const path = "../../docs/gnmi-paths.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := clidoc.Replace(string(doc), "metrics", b.String())
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(doc):
		t.Errorf("%s is out of date; go test ./runtime/metrics -update writes it", path)
	}
}
