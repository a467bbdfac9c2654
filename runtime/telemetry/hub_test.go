package telemetry_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/telemetry"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

func source(t *testing.T, r *telemetrytest.Rig, text string) *telemetry.Source {
	t.Helper()
	for _, s := range r.Tel.Hub.Schema.Sources {
		if s.Text() == text && !s.Counts {
			return s
		}
	}
	t.Fatalf("no source %s", text)
	return nil
}

// TestFrame: a frame is shared by all who accept its age, and rows live on while
// nothing changes.
func TestFrame(t *testing.T) {
	r := telemetrytest.New(t)
	h, s := r.Tel.Hub, source(t, r, "/interfaces/interface[name]")
	take := func(after time.Time) *telemetry.Frame {
		t.Helper()
		f, err := h.Frame(t.Context(), s, "", after)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	start := r.Clock.Now()
	a := take(start)
	r.Clock.Advance(time.Second)
	if take(start.Add(-1)) != a {
		t.Error("a frame that is young enough was collected again")
	}
	b := take(start)
	if a == b || b.Time != r.Clock.Now().UnixNano() {
		t.Error("a frame that is too old was given")
	}
	if a.Rows[0] != b.Rows[0] {
		t.Error("a row that did not change is another one")
	}
	r.Ports.Count(1, 1, 0)
	c := take(r.Clock.Now())
	if c.Rows[0] == a.Rows[0] || c.Rows[1] != a.Rows[1] {
		t.Error("one row changed, the other did not")
	}
	runtime.KeepAlive(a)
}

// TestFrameIsFreed: the hub keeps no frame that nobody uses.
func TestFrameIsFreed(t *testing.T) {
	r := telemetrytest.New(t)
	h, s := r.Tel.Hub, source(t, r, "/interfaces/interface[name]")
	freed := make(chan struct{})
	f, err := h.Frame(t.Context(), s, "", r.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	runtime.AddCleanup(f, func(c chan struct{}) { close(c) }, freed)
	f = nil
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	_ = f
	t.Error("the frame is still there")
}

// TestParts: a table is read alone when a query names it.
func TestParts(t *testing.T) {
	r := telemetrytest.New(t)
	r.Load("")
	r.Write(r.Exact(entity.Insert, 1, 1))
	s := source(t, r, "/pipeline/tables/table[name]/entries/entry[match]")
	for _, c := range []struct {
		part string
		want int
	}{{"ingress.exact", 2}, {"ingress.keyless", 1}, {"nowhere", 0}, {"", 12}} {
		f, err := r.Tel.Hub.Frame(t.Context(), s, c.part, r.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Rows) != c.want {
			t.Errorf("%q: %d rows, want %d", c.part, len(f.Rows), c.want)
		}
	}
	if n := telemetry.LengthOf(s); n != 12 {
		t.Errorf("Len is %d", n)
	}
}

// TestAFTs: gribi:GR67: what the datapath holds, numbers for what has none.
func TestAFTs(t *testing.T) {
	r := telemetrytest.New(t)
	static := telemetrytest.Route("blue", "10.9.0.0/16", 0)
	static.Source, static.Group, static.Metadata = rib.Static, rib.GroupRef{Instance: "blue"}, ""
	hop := telemetrytest.Hop(0, "192.0.2.9")
	hop.Instance = "blue"
	static.Hops = []rib.HopView{hop}
	other := static
	other.Prefix = telemetrytest.Route("blue", "10.8.0.0/16", 0).Prefix
	worse := telemetrytest.Route("blue", "10.7.0.0/16", 1)
	worse.Best = false
	waiting := telemetrytest.Route("blue", "10.6.0.0/16", 1)
	waiting.State = rib.Unprogrammed
	r.RIB.Change(func(v *rib.View) { v.Routes = []rib.RouteView{static, other, worse, waiting} })
	count := func(path string) int {
		t.Helper()
		f, err := r.Tel.Hub.Frame(t.Context(), source(t, r, path), "blue", r.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(f.Rows)
	}
	const at = "/network-instances/network-instance[name]/afts"
	for _, c := range []struct {
		path string
		want int
	}{{at + "/ipv4-unicast/ipv4-entry[prefix]", 2}, {at + "/ipv6-unicast/ipv6-entry[prefix]", 0}, {at + "/next-hop-groups/next-hop-group[id]", 1}, {at + "/next-hops/next-hop[index]", 1}} {
		if got := count(c.path); got != c.want {
			t.Errorf("%s: %d, want %d", c.path, got, c.want)
		}
	}
	f, err := r.Tel.Hub.Frame(t.Context(), source(t, r, at+"/next-hop-groups/next-hop-group[id]"), "nowhere", r.Clock.Now())
	if err != nil || len(f.Rows) != 0 {
		t.Errorf("an instance that is not there: %v, %v", f, err)
	}
}

// TestInterfaces: a netdev that is gone, states of the kernel.
func TestInterfaces(t *testing.T) {
	r := telemetrytest.New(t)
	value := func(leaf string) string {
		t.Helper()
		s := source(t, r, "/interfaces/interface[name]")
		f, err := r.Tel.Hub.Frame(t.Context(), s, "", r.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		out := "absent"
		s.Walk(f.Rows[0], nil, func(l *telemetry.Leaf, _ []string, v telemetry.Value) {
			if l.Text() == "/interfaces/interface[name]/state/"+leaf {
				out = l.Type.Text(v)
			}
		})
		return out
	}
	first := value("last-change")
	for _, c := range []struct {
		oper           telemetry.Oper
		admin, running bool
		want           string
	}{
		{telemetry.OperUp, true, true, "UP"}, {telemetry.OperDown, true, false, "DOWN"}, {telemetry.OperLowerLayerDown, true, false, "LOWER_LAYER_DOWN"}, {telemetry.OperLowerLayerDown, false, false, "DOWN"},
		{telemetry.OperDormant, true, true, "DORMANT"}, {telemetry.OperTesting, true, true, "TESTING"}, {telemetry.OperNotPresent, false, false, "NOT_PRESENT"},
		{telemetry.OperUnknown, true, true, "UP"}, {telemetry.OperUnknown, true, false, "UNKNOWN"}, {telemetry.OperUnknown, false, false, "DOWN"},
	} {
		r.Links.Set("p1", func(l *telemetry.Link) { l.Oper, l.AdminUp, l.Running = c.oper, c.admin, c.running })
		if got := value("oper-status"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	r.Links.Set("p1", func(l *telemetry.Link) { l.MTU = 65536 })
	if got := value("mtu"); got != "absent" {
		t.Errorf("MTU 65536 is no uint16: %s", got)
	}
	r.Clock.Advance(time.Minute)
	r.Links.Set("p1", nil)
	if got := value("oper-status"); got != "NOT_PRESENT" {
		t.Errorf("gone: %s", got)
	}
	if got := value("last-change"); got == first {
		t.Error("last-change did not change")
	}
	for _, leaf := range []string{"ifindex", "mtu", "enabled", "counters/in-errors"} {
		if got := value(leaf); got != "absent" {
			t.Errorf("%s of a netdev that is gone: %s", leaf, got)
		}
	}
	if got := value("admin-status"); got != "DOWN" {
		t.Errorf("admin-status of a netdev that is gone: %s", got)
	}
}

// TestEvents: a watcher hears what concerns its sources.
func TestEvents(t *testing.T) {
	r := telemetrytest.New(t)
	h := r.Tel.Hub
	links, tables := source(t, r, "/interfaces/interface[name]"), source(t, r, "/pipeline/tables/table[name]")
	w := h.Watch(links)
	defer w.Stop()
	h.Notify(telemetry.StoreChanged)
	if e := w.Take(); e.Any() {
		t.Error("an event that does not concern the source was heard")
	}
	r.Clock.Advance(5)
	h.Notify(telemetry.LinksChanged)
	h.Notify(telemetry.LinksChanged)
	<-w.C
	e := w.Take()
	if n, at := e.Of(links); n != 2 || !at.Equal(r.Clock.Now()) {
		t.Errorf("%d events at %v", n, at)
	}
	if n, _ := e.Of(tables); n != 0 {
		t.Errorf("%d events of tables", n)
	}
	if e := w.Take(); e.Any() {
		t.Error("events are heard once")
	}
}
