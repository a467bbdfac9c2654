package gnmi

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/telemetry"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

const (
	once      = gpb.SubscriptionList_ONCE
	poll      = gpb.SubscriptionList_POLL
	streaming = gpb.SubscriptionList_STREAM

	sample   = gpb.SubscriptionMode_SAMPLE
	onChange = gpb.SubscriptionMode_ON_CHANGE
	target   = gpb.SubscriptionMode_TARGET_DEFINED

	inPkts = "/interfaces/interface[name=p1]/state/counters/in-pkts"
	oper   = "/interfaces/interface[name=p1]/state/oper-status"
)

// down and up change p1 and tell of it.
func (r *rig) down() {
	r.check(r.Links.SetUp("p1", false))
	r.Tel.Hub.Notify(telemetry.LinksChanged)
}

func (r *rig) up() {
	r.check(r.Links.SetUp("p1", true))
	r.Tel.Hub.Notify(telemetry.LinksChanged)
}

// later lets the time pass that separates two looks at events.
func (r *rig) later() { r.Clock.Advance(10 * time.Millisecond) }

// TestOnce: gnmi:GN27, GN34, GN35, GN39.
func TestOnce(t *testing.T) {
	r := filled(t)
	t.Run("gnmi:GN27 updates, sync, close", func(t *testing.T) {
		s := r.subscribe(proto(once, sub(t, "/interfaces/interface/state/id", 0, 0)))
		s.want("/interfaces/interface[name=p1]/state/id = uint 1", "/interfaces/interface[name=p2]/state/id = uint 2")
		s.want("sync")
		if err := s.end(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	t.Run("gnmi:GN34 updates_only", func(t *testing.T) {
		l := proto(once, sub(t, "/interfaces", 0, 0))
		l.UpdatesOnly = true
		s := r.subscribe(l)
		s.want("sync")
		if err := s.end(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	t.Run("gnmi:GN35 what does not exist", func(t *testing.T) {
		s := r.subscribe(proto(once, sub(t, "/interfaces/interface[name=p9]", 0, 0)))
		s.want("sync")
	})
	t.Run("gnmi:GN3 prefix with target; gnmi:GN4 origin", func(t *testing.T) {
		l := proto(once, sub(t, "table[name=ingress.exact]/state/occupancy", 0, 0))
		l.Prefix = path(t, "p4nic:/pipeline/tables")
		l.Prefix.Target = "leaf1"
		s := r.subscribe(l)
		s.want("[target=leaf1 origin=p4nic]", "/pipeline/tables/table[name=ingress.exact]/state/occupancy = uint 1")
		s.want("sync")
	})
	t.Run("gnmi:GN7 JSON is the default; gnmi:GN38 one leaf an update", func(t *testing.T) {
		s := r.subscribe(&gpb.SubscriptionList{Mode: once, AllowAggregation: true, Subscription: []*gpb.Subscription{sub(t, "/components/component/integrated-circuit", 0, 0)}})
		s.want("/components/component[name=nic0]/integrated-circuit/config/node-id = json 9223372036854775813",
			"/components/component[name=nic0]/integrated-circuit/state/node-id = json 9223372036854775813")
	})
	t.Run("gnmi:GN47 depth", func(t *testing.T) {
		c, err := r.client.Subscribe(r.ctx)
		r.check(err)
		r.check(c.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: proto(once, sub(t, "/components/component", 0, 0))},
			Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_Depth{Depth: &gnmi_ext.Depth{Level: 1}}}}}))
		s := &viewer{r: r, c: c}
		s.want(`/components/component[name=nic0]/name = "nic0"`)
		s.want("sync")
	})
	t.Run("bundles are bounded", func(t *testing.T) {
		for a := range byte(3) {
			r.Write(r.Exact(entity.Insert, 100+a, 1))
		}
		s := r.subscribe(proto(once, sub(t, "/pipeline", 0, 0)))
		for {
			s.next()
			if n := len(s.last.GetUpdate().GetUpdate()); n > maxUpdates {
				t.Errorf("%d updates in one notification", n)
			}
			if s.last.GetSyncResponse() {
				break
			}
		}
	})
}

// TestPoll: gnmi:GN26, GN28, GN34.
func TestPoll(t *testing.T) {
	r := filled(t)
	send := func(s *viewer) {
		t.Helper()
		r.check(s.c.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}))
	}
	t.Run("gnmi:GN28 updates and sync", func(t *testing.T) {
		s := r.subscribe(proto(poll, sub(t, inPkts, 0, 0)))
		s.want(inPkts + " = uint 10")
		s.want("sync")
		r.Ports.Count(1, 1, 0)
		send(s)
		s.want(inPkts + " = uint 11")
		s.want("sync")
		r.Clock.Advance(time.Second)
		send(s)
		s.want("[+1s]", inPkts+" = uint 11")
		s.want("sync")
		r.check(s.c.CloseSend())
		if err := s.end(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	t.Run("gnmi:GN34 updates_only", func(t *testing.T) {
		l := proto(poll, sub(t, inPkts, 0, 0))
		l.UpdatesOnly = true
		s := r.subscribe(l)
		s.want("sync")
		send(s)
		s.want("sync")
	})
	t.Run("gnmi:GN26 a second SubscriptionList", func(t *testing.T) {
		s := r.subscribe(proto(poll, sub(t, inPkts, 0, 0)))
		s.toSync()
		r.check(s.c.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: proto(once, sub(t, inPkts, 0, 0))}}))
		wantCode(t, s.end(), codes.InvalidArgument, "second")
	})
}

// TestSample: gnmi:GN1, GN31, GN32, GN36.
func TestSample(t *testing.T) {
	r := filled(t)
	t.Run("gnmi:GN31 every interval, with the time of collection", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, inPkts, sample, time.Second)))
		s.want(inPkts + " = uint 10")
		s.want("sync")
		r.Clock.Advance(999 * time.Millisecond)
		r.Ports.Count(1, 1, 0)
		r.Clock.Advance(time.Millisecond)
		s.want("[+1s]", inPkts+" = uint 11")
		r.Clock.Advance(time.Second)
		s.want("[+2s]", inPkts+" = uint 11")
	})
	t.Run("gnmi:GN31 0 is the smallest interval", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, inPkts, sample, 0)))
		s.toSync()
		r.Clock.Advance(100 * time.Millisecond)
		s.want("[+2.1s]", inPkts+" = uint 11")
	})
	t.Run("gnmi:GN34 updates_only: the next sample", func(t *testing.T) {
		l := proto(streaming, sub(t, inPkts, sample, time.Second))
		l.UpdatesOnly = true
		s := r.subscribe(l)
		s.want("sync")
		r.Clock.Advance(time.Second)
		s.want("[+3.1s]", inPkts+" = uint 11")
	})
	t.Run("gnmi:GN32 suppress_redundant by leaf, heartbeat", func(t *testing.T) {
		x := sub(t, "/interfaces/interface[name=p2]/state/counters", sample, time.Second)
		x.SuppressRedundant, x.HeartbeatInterval = true, uint64(10*time.Second)
		s := r.subscribe(proto(streaming, x))
		if n := len(s.toSync()) - 1; n != 10 {
			t.Errorf("%d leaves at first", n)
		}
		r.Clock.Advance(time.Second) // nothing changed, nothing is sent
		r.Ports.Count(2, 3, 0)
		r.Clock.Advance(time.Second)
		s.want("[+5.1s]", "/interfaces/interface[name=p2]/state/counters/in-pkts = uint 3", "/interfaces/interface[name=p2]/state/counters/in-octets = uint 300")
		for range 7 {
			r.Clock.Advance(time.Second)
		}
		r.Clock.Advance(time.Second)
		if got := s.next(); len(got) != 11 || got[0] != "[+13.1s]" {
			t.Errorf("heartbeat: %v", got)
		}
	})
	t.Run("gnmi:GN36 a row that goes", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, "/interfaces/interface/state/counters/out-pkts", sample, time.Second)))
		s.toSync()
		r.Ports.Remove(2)
		r.Clock.Advance(time.Second)
		s.want("[+14.1s]", "delete /interfaces/interface[name=p2]", "/interfaces/interface[name=p1]/state/counters/out-pkts = uint 20")
		r.Clock.Advance(time.Second)
		s.want("[+15.1s]", "/interfaces/interface[name=p1]/state/counters/out-pkts = uint 20")
	})
}

// TestOnChange: gnmi:GN29, GN30, GN34, GN35, GN36.
func TestOnChange(t *testing.T) {
	t.Run("gnmi:GN30 initial values, then changes", func(t *testing.T) {
		r := filled(t)
		s := r.subscribe(proto(streaming, sub(t, oper, onChange, 0)))
		s.want(oper + ` = "UP"`)
		s.want("sync")
		r.later()
		r.down()
		s.want("[+10ms]", oper+` = "DOWN"`)
		r.later()
		r.Tel.Hub.Notify(telemetry.LinksChanged) // nothing of it
		r.later()
		r.up()
		s.want("[+30ms]", oper+` = "UP"`)
	})
	t.Run("gnmi:GN30 counters, without an event", func(t *testing.T) {
		r := filled(t)
		s := r.subscribe(proto(streaming, sub(t, "/interfaces/interface[name=p1]/state/counters", onChange, 0)))
		if n := len(s.toSync()); n != 10 {
			t.Errorf("%d leaves at first", n)
		}
		r.Clock.Advance(sweep)
		r.Ports.Count(1, 0, 1)
		r.Clock.Advance(sweep)
		s.want("[+2s]", "/interfaces/interface[name=p1]/state/counters/out-pkts = uint 21", "/interfaces/interface[name=p1]/state/counters/out-octets = uint 2100")
	})
	t.Run("gnmi:GN30 heartbeat", func(t *testing.T) {
		r := filled(t)
		x := sub(t, oper, onChange, 0)
		x.HeartbeatInterval = uint64(time.Minute)
		s := r.subscribe(proto(streaming, x))
		s.toSync()
		r.Clock.Advance(time.Minute)
		s.want("[+1m0s]", oper+` = "UP"`)
		r.down()
		s.want("[+1m0s]", oper+` = "DOWN"`)
		r.Clock.Advance(time.Minute)
		s.want("[+2m0s]", oper+` = "DOWN"`)
	})
	t.Run("gnmi:GN34 updates_only", func(t *testing.T) {
		r := filled(t)
		l := proto(streaming, sub(t, oper, onChange, 0))
		l.UpdatesOnly = true
		s := r.subscribe(l)
		s.want("sync")
		r.down()
		s.want(oper + ` = "DOWN"`)
	})
	t.Run("gnmi:GN35 a path that exists later", func(t *testing.T) {
		r := newRig(t)
		const name = "/pipeline/state/name"
		s := r.subscribe(proto(streaming, sub(t, name, onChange, 0)))
		s.want("sync")
		r.Load("")
		s.want(name + ` = "tables"`)
	})
	t.Run("gnmi:GN36 entries come, change and go", func(t *testing.T) {
		r := filled(t)
		const at = "/pipeline/tables/table[name=ingress.exact]/entries/entry"
		const entry = at + "[match=hdr.a=0x8,hdr.b=0x0]"
		s := r.subscribe(proto(streaming, sub(t, at, target, 0)))
		s.toSync()
		r.later()
		r.Write(r.Exact(entity.Insert, 8, 1))
		s.want("[+10ms]", entry+`/match = "hdr.a=0x8,hdr.b=0x0"`, entry+`/state/match = "hdr.a=0x8,hdr.b=0x0"`, entry+"/state/handle = uint 2",
			entry+`/state/action = "ingress.set"`, entry+`/state/parameter = ["port=0x1" "mac=0x9"]`)
		r.later()
		r.Write(r.Exact(entity.Modify, 8, 3))
		s.want("[+20ms]", entry+`/state/parameter = ["port=0x3" "mac=0x9"]`)
		r.later()
		r.Write(r.Exact(entity.Delete, 8, 0))
		s.want("[+30ms]", "delete "+entry)
		r.Clock.Advance(10 * time.Second) // counters are sampled; what went is not said again
		for _, l := range s.next() {
			if l == "delete "+entry {
				t.Errorf("%s again", l)
			}
		}
	})
	t.Run("gnmi:GN36 counters alone tell that an entry went", func(t *testing.T) {
		r := filled(t)
		const at = "/pipeline/tables/table[name=ingress.exact]/entries/entry"
		s := r.subscribe(proto(streaming, sub(t, at+"/state/packets", onChange, 0)))
		same(t, s.toSync(), at+"[match=default]/state/packets = uint 2", at+"[match=hdr.a=0x7,hdr.b=0x0]/state/packets = uint 5")
		r.Write(r.Exact(entity.Delete, 7, 0))
		r.Clock.Advance(sweep)
		s.want("[+1s]", "delete "+at+"[match=hdr.a=0x7,hdr.b=0x0]")
	})
	t.Run("gnmi:GN36 a change and a delete of one event", func(t *testing.T) {
		r := filled(t)
		s := r.subscribe(proto(streaming, sub(t, "/interfaces/interface/state/oper-status", onChange, 0)))
		s.toSync()
		r.Ports.Remove(2)
		r.down()
		s.want("delete /interfaces/interface[name=p2]", oper+` = "DOWN"`)
	})
	t.Run("a pipeline is replaced", func(t *testing.T) {
		r := filled(t)
		const routes = "/pipeline/tables/table[name=ingress.routes]"
		s := r.subscribe(proto(streaming, sub(t, "/pipeline/tables/table/state/size", onChange, 0)))
		s.toSync()
		r.Load("noroutes")
		s.want("delete " + routes)
		r.later()
		r.Load("grown")
		s.want("[+10ms]", "/pipeline/tables/table[name=ingress.exact]/state/size = uint 8", routes+"/state/size = uint 1024")
	})
	t.Run("the clock is no change", func(t *testing.T) {
		r := filled(t)
		s := r.subscribe(proto(streaming, sub(t, "/system/state/current-datetime", onChange, 0), sub(t, oper, onChange, 0)))
		s.toSync()
		r.Clock.Advance(3 * time.Second)
		r.down()
		s.want("[+3s]", oper+` = "DOWN"`)
	})
}

// TestModes: gnmi:GN33, GN41.
func TestModes(t *testing.T) {
	r := filled(t)
	t.Run("gnmi:GN33 TARGET_DEFINED: events on change, counters sampled", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, "/interfaces/interface[name=p1]/state", target, 0)))
		s.toSync()
		r.Ports.Count(1, 1, 0)
		r.down()
		got := s.next()
		for _, l := range []string{oper + ` = "DOWN"`, "/interfaces/interface[name=p1]/state/admin-status = \"DOWN\"", "/interfaces/interface[name=p1]/state/enabled = false"} {
			if !slices.Contains(got, l) {
				t.Errorf("no %s in %v", l, got)
			}
		}
		if slices.Contains(got, inPkts+" = uint 11") {
			t.Errorf("a counter was sent as a change: %v", got)
		}
		r.Clock.Advance(10 * time.Second)
		if got := s.next(); len(got) != 11 || !slices.Contains(got, inPkts+" = uint 11") {
			t.Errorf("sample: %v", got)
		}
	})
	t.Run("gnmi:GN33 an interval is accepted", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, inPkts, target, time.Second)))
		s.toSync()
		r.Clock.Advance(time.Second)
		s.want("[+11s]", inPkts+" = uint 11")
	})
	t.Run("gnmi:GN41 modes side by side", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, inPkts, sample, time.Second), sub(t, oper, onChange, 0)))
		same(t, s.toSync(), "[+11s]", inPkts+" = uint 11", oper+` = "DOWN"`)
		r.up()
		s.want("[+11s]", oper+` = "UP"`)
		r.Clock.Advance(time.Second)
		s.want("[+12s]", inPkts+" = uint 11")
	})
	t.Run("a client that says no more still listens", func(t *testing.T) {
		s := r.subscribe(proto(streaming, sub(t, inPkts, sample, time.Second)))
		r.check(s.c.CloseSend())
		s.toSync()
		r.Clock.Advance(time.Second)
		s.want("[+13s]", inPkts+" = uint 11")
	})
}

// TestAtomic: gnmi:GN43.
func TestAtomic(t *testing.T) {
	r := filled(t)
	const ni = "/network-instances/network-instance[name=DEFAULT]/afts"
	s := r.subscribe(proto(streaming, sub(t, ni+"/next-hop-groups", onChange, 0)))
	group := "prefix=" + ni + "/next-hop-groups/next-hop-group[id=1]]"
	member := func(index, weight string) []string {
		at := "/next-hops/next-hop[index=" + index + "]"
		return []string{at + "/state/index = uint " + index, at + "/state/weight = uint " + weight}
	}
	first := s.next()
	same(t, first, []string{"[atomic " + group, "/id = uint 1", "/state/id = uint 1", "/state/programmed-id = uint 1",
		"/next-hops/next-hop[index=9223372036854775808]/index = uint 9223372036854775808", "/next-hops/next-hop[index=2]/index = uint 2",
		"/next-hops/next-hop[index=9223372036854775808]/state/index = uint 9223372036854775808", "/next-hops/next-hop[index=2]/state/index = uint 2",
		"/next-hops/next-hop[index=9223372036854775808]/state/weight = uint 1", "/next-hops/next-hop[index=2]/state/weight = uint 1"}...)
	s.want("sync")
	r.later()
	r.RIB.Change(func(v *rib.View) {
		v.Groups = []rib.GroupView{telemetrytest.Group(1, telemetrytest.Hop(2, "192.0.2.2"))}
	})
	r.Tel.Hub.Notify(telemetry.RoutesChanged)
	want := []string{"[+10ms atomic " + group, "/id = uint 1", "/state/id = uint 1", "/state/programmed-id = uint 1", "/next-hops/next-hop[index=2]/index = uint 2"}
	s.want(append(want, member("2", "1")...)...)
	r.later()
	r.RIB.Change(func(v *rib.View) { v.Groups = nil })
	r.Tel.Hub.Notify(telemetry.RoutesChanged)
	s.want("[+20ms]", "delete "+ni+"/next-hop-groups/next-hop-group[id=1]")

	t.Run("a part of the container", func(t *testing.T) {
		const at = "/network-instances/network-instance[name=blue]/afts/ipv4-unicast/ipv4-entry"
		s := r.subscribe(proto(streaming, sub(t, at+"/state/next-hop-group", onChange, 0)))
		s.want("[+20ms atomic prefix="+at+"[prefix=10.0.0.0/8]]", "/state/next-hop-group = uint 1")
		s.want("sync")
		r.later()
		r.RIB.Change(func(v *rib.View) { // metadata alone is not subscribed
			v.Routes[0].Metadata = "other"
		})
		r.Tel.Hub.Notify(telemetry.RoutesChanged)
		r.later()
		r.RIB.Change(func(v *rib.View) {
			v.Routes = append(v.Routes, telemetrytest.Route("blue", "10.1.0.0/16", 7))
		})
		r.Tel.Hub.Notify(telemetry.RoutesChanged)
		s.want("[+40ms atomic prefix="+at+"[prefix=10.1.0.0/16]]", "/state/next-hop-group = uint 7")
	})
}

// TestSubscribeRefused: codes and messages of gnmi:GN7, GN26, GN31, GN35, GN42.
func TestSubscribeRefused(t *testing.T) {
	r := filled(t)
	good := sub(t, inPkts, sample, time.Second)
	beat := sub(t, oper, onChange, 0)
	beat.HeartbeatInterval = 5
	list := func(mode gpb.SubscriptionList_Mode, s ...*gpb.Subscription) *gpb.SubscribeRequest {
		return &gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: proto(mode, s...)}}
	}
	with := func(change func(*gpb.SubscriptionList)) *gpb.SubscribeRequest {
		m := list(streaming, good)
		change(m.GetSubscribe())
		return m
	}
	for _, c := range []struct {
		name string
		msgs []*gpb.SubscribeRequest
		code codes.Code
		want string
	}{
		{"gnmi:GN26 poll first", []*gpb.SubscribeRequest{{Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}}, codes.InvalidArgument, "first message"},
		{"gnmi:GN26 empty first", []*gpb.SubscribeRequest{{}}, codes.InvalidArgument, "first message"},
		{"gnmi:GN26 second list", []*gpb.SubscribeRequest{list(streaming, good), list(streaming, good)}, codes.InvalidArgument, "second"},
		{"gnmi:GN26 poll of a stream", []*gpb.SubscribeRequest{list(streaming, good), {Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}}, codes.InvalidArgument, "poll"},
		{"no subscription", []*gpb.SubscribeRequest{list(streaming)}, codes.InvalidArgument, "no subscription"},
		{"mode of the list", []*gpb.SubscribeRequest{list(7, good)}, codes.InvalidArgument, "mode 7"},
		{"mode of a subscription", []*gpb.SubscribeRequest{list(streaming, sub(t, inPkts, 7, 0))}, codes.InvalidArgument, "mode 7"},
		{"gnmi:GN31 interval too short", []*gpb.SubscribeRequest{list(streaming, sub(t, inPkts, sample, time.Millisecond))}, codes.InvalidArgument, "smallest is 100ms"},
		{"gnmi:GN31 interval out of range", []*gpb.SubscribeRequest{list(streaming, &gpb.Subscription{Path: path(t, inPkts), Mode: sample, SampleInterval: 1 << 63})}, codes.InvalidArgument, "out of range"},
		{"heartbeat too short", []*gpb.SubscribeRequest{list(streaming, beat)}, codes.InvalidArgument, "heartbeat_interval"},
		{"gnmi:GN35 not implemented, STREAM", []*gpb.SubscribeRequest{list(streaming, good, sub(t, "/lldp", sample, 0))}, codes.Unimplemented, "/lldp"},
		{"gnmi:GN35 not implemented, ONCE", []*gpb.SubscribeRequest{list(once, sub(t, "/interfaces/interface/hold-time", 0, 0))}, codes.Unimplemented, "hold-time"},
		{"gnmi:GN35 syntax", []*gpb.SubscribeRequest{list(poll, sub(t, "/interfaces/interface[number=1]", 0, 0))}, codes.InvalidArgument, "number"},
		{"gnmi:GN7 encoding", []*gpb.SubscribeRequest{with(func(l *gpb.SubscriptionList) { l.Encoding = gpb.Encoding_ASCII })}, codes.Unimplemented, "ASCII"},
		{"gnmi:GN10 use_models", []*gpb.SubscribeRequest{with(func(l *gpb.SubscriptionList) { l.UseModels = []*gpb.ModelData{{Name: "x"}} })}, codes.Unimplemented, "use_models"},
		{"gnmi:GN42 qos", []*gpb.SubscribeRequest{with(func(l *gpb.SubscriptionList) { l.Qos = &gpb.QOSMarking{Marking: 10} })}, codes.Unimplemented, "qos"},
		{"gnmi:GN48 config_subscription", []*gpb.SubscribeRequest{{Request: list(streaming, good).Request, Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_ConfigSubscription{}}}}}, codes.Unimplemented, "config_subscription"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := r.client.Subscribe(r.ctx)
			r.check(err)
			for _, m := range c.msgs {
				if err := g.Send(m); err != nil {
					break // refused already
				}
			}
			for {
				if _, err = g.Recv(); err != nil {
					break
				}
			}
			wantCode(t, err, c.code, c.want)
		})
	}
}

// TestClose: a stop of the daemon ends streams that wait.
func TestClose(t *testing.T) {
	r := filled(t)
	s := r.subscribe(proto(streaming, sub(t, oper, onChange, 0)))
	s.toSync()
	p := r.subscribe(proto(poll, sub(t, oper, onChange, 0)))
	p.toSync()
	r.server.Close()
	wantCode(t, s.end(), codes.Unavailable, "stopping")
	wantCode(t, p.end(), codes.Unavailable, "stopping")
}

// TestShared: streams whose ticks meet, or lie close together, share what was
// collected.
func TestShared(t *testing.T) {
	r := filled(t)
	var all []*viewer
	for range 20 {
		s := r.subscribe(proto(streaming, sub(t, inPkts, sample, 10*time.Second)))
		s.toSync()
		all = append(all, s)
		r.Clock.Advance(time.Millisecond)
	}
	before := r.Ports.ReadCount()
	r.Clock.Advance(10 * time.Second)
	for _, s := range all {
		s.want("[+10.02s]", inPkts+" = uint 10")
	}
	if n := r.Ports.ReadCount() - before; n != 2 {
		t.Errorf("%d ports were read for 20 streams, want 2", n)
	}
}
