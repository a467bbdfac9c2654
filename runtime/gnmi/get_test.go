package gnmi

import (
	"encoding/json"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/telemetry"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

func (r *rig) get(enc gpb.Encoding, paths ...string) (*gpb.GetResponse, error) {
	req := &gpb.GetRequest{Encoding: enc}
	for _, p := range paths {
		req.Path = append(req.Path, path(r.t, p))
	}
	return r.client.Get(r.ctx, req)
}

// filled is a rig with a pipeline, entries, counts and routes.
func filled(t testing.TB) *rig {
	r := newRig(t)
	r.Load("")
	r.Write(r.Exact(entity.Insert, 7, 2))
	r.Plane.Count(0, 1, 5)
	r.Plane.Count(0, 0, 2)
	r.Plane.CountCell("ingress.cells", 3, 4)
	r.Ports.Count(1, 10, 20)
	r.RIB.Change(func(v *rib.View) {
		v.Routes = []rib.RouteView{telemetrytest.Route("blue", "10.0.0.0/8", 1), telemetrytest.Route("DEFAULT", "2001:db8::/32", 1)}
		v.Groups = []rib.GroupView{telemetrytest.Group(1, telemetrytest.Hop(1<<63, "192.0.2.1"), telemetrytest.Hop(2, "192.0.2.2"))}
		v.Hops = []rib.HopView{telemetrytest.Hop(1<<63, "192.0.2.1"), telemetrytest.Hop(2, "192.0.2.2")}
	})
	r.Tel.Hub.Notify(telemetry.RoutesChanged)
	return r
}

// TestCapabilities: gnmi:GN7, GN11.
func TestCapabilities(t *testing.T) {
	r := newRig(t)
	c, err := r.client.Capabilities(r.ctx, &gpb.CapabilityRequest{})
	r.check(err)
	if c.GetGNMIVersion() != "0.10.0" {
		t.Errorf("version %s", c.GetGNMIVersion())
	}
	var models []string
	for _, m := range c.GetSupportedModels() {
		if m.GetOrganization() == "" || m.GetVersion() == "" {
			t.Errorf("model %v has no organization or version", m)
		}
		models = append(models, m.GetName())
	}
	same(t, models, "openconfig-interfaces", "openconfig-if-ethernet", "openconfig-p4rt", "openconfig-network-instance", "openconfig-aft",
		"openconfig-aft-network-instance", "openconfig-platform", "openconfig-system", "p4nic-pipeline")
	var encodings []string
	for _, e := range c.GetSupportedEncodings() {
		encodings = append(encodings, e.String())
	}
	same(t, encodings, "JSON", "JSON_IETF", "PROTO")
	_, err = r.client.Capabilities(r.ctx, &gpb.CapabilityRequest{Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_Depth{Depth: &gnmi_ext.Depth{Level: 1}}}}})
	wantCode(t, err, codes.InvalidArgument, "depth")
}

// TestGetValues: paths, wildcards and encodings.
func TestGetValues(t *testing.T) {
	r := filled(t)
	const proto, ietf, js = gpb.Encoding_PROTO, gpb.Encoding_JSON_IETF, gpb.Encoding_JSON
	entry := "/pipeline/tables/table[name=ingress.exact]/entries/entry[match=hdr.a=0x7,hdr.b=0x0]"
	for _, c := range []struct {
		name string
		enc  gpb.Encoding
		path string
		want []string
	}{
		{"gnmi:GN7 uint in PROTO", proto, "/interfaces/interface[name=p1]/state/counters/in-pkts", []string{"/interfaces/interface[name=p1]/state/counters/in-pkts = uint 10"}},
		{"gnmi:GN7 64 bits are strings in JSON_IETF", ietf, "/interfaces/interface[name=p1]/state/counters/in-pkts", []string{`/interfaces/interface[name=p1]/state/counters/in-pkts = ietf "10"`}},
		{"gnmi:GN7 64 bits are numbers in JSON", js, "/interfaces/interface[name=p1]/state/counters/in-pkts", []string{"/interfaces/interface[name=p1]/state/counters/in-pkts = json 10"}},
		{"gnmi:GN7 32 bits are numbers", ietf, "/interfaces/interface[name=p1]/state/id", []string{"/interfaces/interface[name=p1]/state/id = ietf 1"}},
		{"gnmi:GN7 enumeration", proto, "/interfaces/interface[name=p1]/state/oper-status", []string{`/interfaces/interface[name=p1]/state/oper-status = "UP"`}},
		{"gnmi:GN7 identity in PROTO", proto, "/interfaces/interface[name=p1]/config/type", []string{`/interfaces/interface[name=p1]/config/type = "ethernetCsmacd"`}},
		{"gnmi:GN7 identity in JSON_IETF", ietf, "/interfaces/interface[name=p1]/config/type", []string{`/interfaces/interface[name=p1]/config/type = ietf "iana-if-type:ethernetCsmacd"`}},
		{"gnmi:GN7 decimal64", proto, "/pipeline/tables/table[name=ingress.exact]/state/utilization", []string{"/pipeline/tables/table[name=ingress.exact]/state/utilization = double 25"}},
		{"gnmi:GN7 decimal64 in JSON_IETF", ietf, "/pipeline/tables/table[name=ingress.init]/state/utilization", []string{`/pipeline/tables/table[name=ingress.init]/state/utilization = ietf "25.0"`}},
		{"gnmi:GN7 leaf-list", proto, entry + "/state/parameter", []string{entry + `/state/parameter = ["port=0x2" "mac=0x9"]`}},
		{"gnmi:GN7 leaf-list in JSON", js, entry + "/state/parameter", []string{entry + `/state/parameter = json ["port=0x2","mac=0x9"]`}},
		{"gnmi:GN7 binary", proto, "/network-instances/network-instance[name=blue]/afts/ipv4-unicast/ipv4-entry[prefix=10.0.0.0/8]/state/entry-metadata",
			[]string{`/network-instances/network-instance[name=blue]/afts/ipv4-unicast/ipv4-entry[prefix=10.0.0.0/8]/state/entry-metadata = bytes "m1"`}},
		{"gnmi:GN5 module names are taken off", proto, "/openconfig-interfaces:interfaces/interface[openconfig-interfaces:name=p1]/state/openconfig-p4rt:id", []string{"/interfaces/interface[name=p1]/state/id = uint 1"}},
		{"gnmi:GN6 key missing", proto, "/interfaces/interface/state/id", []string{"/interfaces/interface[name=p1]/state/id = uint 1", "/interfaces/interface[name=p2]/state/id = uint 2"}},
		{"gnmi:GN6 key *", ietf, "/interfaces/interface[name=*]/state/ifindex", []string{"/interfaces/interface[name=p1]/state/ifindex = ietf 11", "/interfaces/interface[name=p2]/state/ifindex = ietf 12"}},
		{"gnmi:GN6 element *", proto, "/interfaces/interface[name=p2]/*/id", []string{"/interfaces/interface[name=p2]/config/id = uint 2", "/interfaces/interface[name=p2]/state/id = uint 2"}},
		{"gnmi:GN6 ...", proto, "/interfaces/.../in-octets", []string{"/interfaces/interface[name=p1]/state/counters/in-octets = uint 1000", "/interfaces/interface[name=p2]/state/counters/in-octets = uint 0"}},
		{"gnmi:GN6 ... in JSON gives leaves", ietf, "/interfaces/interface[name=p1]/.../mtu", []string{"/interfaces/interface[name=p1]/config/mtu = ietf 1500", "/interfaces/interface[name=p1]/state/mtu = ietf 1500"}},
		{"gnmi:GN4 origin openconfig-*", proto, "openconfig-interfaces:/interfaces/interface[name=p1]/state/id", []string{"[origin=openconfig-interfaces]", "/interfaces/interface[name=p1]/state/id = uint 1"}},
		{"gnmi:GN4 our origin", proto, "p4nic:/pipeline/state/name", []string{"[origin=p4nic]", `/pipeline/state/name = "tables"`}},
		{"our container without origin", proto, "/pipeline/state/engine", []string{`/pipeline/state/engine = "books"`}},
		{"gnmi:M2 node-id", ietf, "/components/component[name=nic0]/integrated-circuit/state/node-id", []string{`/components/component[name=nic0]/integrated-circuit/state/node-id = ietf "9223372036854775813"`}},
		{"p4rt:Z5 port id", proto, "/interfaces/interface[name=p2]/config/id", []string{"/interfaces/interface[name=p2]/config/id = uint 2"}},
		{"gnmi:M5 system", ietf, "/system", []string{`/system = ietf {"openconfig-system:state":{"hostname":"host-a","boot-time":"1600000000000000000","current-datetime":"2023-11-14T22:13:20Z","software-version":"1.2.3"}}`}},
		{"gnmi:M15 hits and misses", proto, "/pipeline/tables/table[name=ingress.exact]/state", []string{
			`/pipeline/tables/table[name=ingress.exact]/state/name = "ingress.exact"`, "/pipeline/tables/table[name=ingress.exact]/state/size = uint 4",
			"/pipeline/tables/table[name=ingress.exact]/state/occupancy = uint 1", "/pipeline/tables/table[name=ingress.exact]/state/utilization = double 25",
			"/pipeline/tables/table[name=ingress.exact]/state/hits = uint 5", "/pipeline/tables/table[name=ingress.exact]/state/misses = uint 2"}},
		{"gnmi:M15 entry, one object of two sources", ietf, entry, []string{entry + ` = ietf {"p4nic-pipeline:match":"hdr.a=0x7,hdr.b=0x0","p4nic-pipeline:state":{"match":"hdr.a=0x7,hdr.b=0x0","handle":1,"action":"ingress.set","parameter":["port=0x2","mac=0x9"],"packets":"5","octets":"500"}}`}},
		{"gnmi:M15 default entry", proto, "/pipeline/tables/table[name=ingress.exact]/entries/entry[match=default]/state/packets", []string{"/pipeline/tables/table[name=ingress.exact]/entries/entry[match=default]/state/packets = uint 2"}},
		{"gnmi:M15 ternary and priority", proto, "/pipeline/tables/table[name=ingress.const]/entries/entry/state/priority", []string{
			"/pipeline/tables/table[name=ingress.const]/entries/entry[match=any,priority=1]/state/priority = uint 1",
			"/pipeline/tables/table[name=ingress.const]/entries/entry[match=k=0x10&&&0xf0,priority=2]/state/priority = uint 2"}},
		{"gnmi:M15 cell", ietf, "/pipeline/counters/counter[name=ingress.cells]/cells/cell[index=3]", []string{`/pipeline/counters/counter[name=ingress.cells]/cells/cell[index=3] = ietf {"p4nic-pipeline:index":3,"p4nic-pipeline:state":{"index":3,"packets":"4","octets":"400"}}`}},
		{"drops", proto, "/pipeline/drops/drop[reason=program]/state/packets", []string{"/pipeline/drops/drop[reason=program]/state/packets = uint 3"}},
		{"gribi:GR67 a group with its members", ietf, "/network-instances/network-instance[name=DEFAULT]/afts/next-hop-groups", []string{
			`/network-instances/network-instance[name=DEFAULT]/afts/next-hop-groups = ietf {"openconfig-network-instance:next-hop-group":[{"id":"1","state":{"id":"1","programmed-id":"1"},` +
				`"next-hops":{"next-hop":[{"index":"9223372036854775808","state":{"index":"9223372036854775808","weight":"1"}},{"index":"2","state":{"index":"2","weight":"1"}}]}}]}`}},
		{"gribi:GR67 one member by its key", proto, "/network-instances/network-instance[name=DEFAULT]/afts/next-hop-groups/next-hop-group[id=1]/next-hops/next-hop[index=2]/state/weight", []string{
			"/network-instances/network-instance[name=DEFAULT]/afts/next-hop-groups/next-hop-group[id=1]/next-hops/next-hop[index=2]/state/weight = uint 1"}},
		{"gnmi:M3 leaves of other modules", ietf, "/network-instances/network-instance[name=blue]/afts/ipv4-unicast/ipv4-entry[prefix=10.0.0.0/8]/state", []string{
			`/network-instances/network-instance[name=blue]/afts/ipv4-unicast/ipv4-entry[prefix=10.0.0.0/8]/state = ietf {"openconfig-network-instance:prefix":"10.0.0.0/8",` +
				`"openconfig-aft-network-instance:next-hop-group":"1","openconfig-aft-network-instance:next-hop-group-network-instance":"DEFAULT",` +
				`"openconfig-network-instance:origin-protocol":"openconfig-policy-types:GRIBI","openconfig-network-instance:entry-metadata":"bTE="}`}},
		{"gnmi:M3 next hop", js, "/network-instances/network-instance[name=DEFAULT]/afts/next-hops/next-hop[index=2]", []string{
			`/network-instances/network-instance[name=DEFAULT]/afts/next-hops/next-hop[index=2] = json {"index":2,"state":{"index":2,"programmed-index":2,"ip-address":"192.0.2.2"},"interface-ref":{"state":{"interface":"p1"}}}`}},
		{"gnmi:GN6 no entry", ietf, "/network-instances/network-instance[name=blue]/afts/ipv6-unicast/ipv6-entry", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.get(c.enc, c.path)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.GetNotification()) != 1 {
				t.Fatalf("%d notifications", len(got.GetNotification()))
			}
			same(t, showNotification(got.GetNotification()[0]), c.want...)
		})
	}
}

// TestGetRefused: codes of gnmi:GN14 and others.
func TestGetRefused(t *testing.T) {
	r := filled(t)
	leaf := path(t, "/interfaces/interface[name=p1]/state/id")
	for _, c := range []struct {
		name string
		req  *gpb.GetRequest
		code codes.Code
		want string
	}{
		{"gnmi:GN14 valid but absent", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces/interface[name=p9]/state/id")}}, codes.NotFound, "p9"},
		{"gnmi:GN14 absent list entry", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/network-instances/network-instance[name=red]")}}, codes.NotFound, "red"},
		{"gnmi:GN14 absent leaf", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/network-instances/network-instance[name=DEFAULT]/afts/next-hops/next-hop[index=2]/state/mac-address")}}, codes.NotFound, "mac-address"},
		{"gnmi:GN14 not implemented", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces/interface[name=p1]/hold-time")}}, codes.Unimplemented, "hold-time"},
		{"gnmi:GN14 not implemented at all", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/lldp")}}, codes.Unimplemented, "/lldp"},
		{"gnmi:GN14 one of several", &gpb.GetRequest{Path: []*gpb.Path{leaf, path(t, "/lldp")}}, codes.Unimplemented, "/lldp"},
		{"gnmi:GN14 unknown key", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces/interface[id=1]")}}, codes.InvalidArgument, "its keys are name"},
		{"gnmi:GN14 key on a container", &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces[name=p1]")}}, codes.InvalidArgument, "no list"},
		{"gnmi:GN14 empty element", &gpb.GetRequest{Path: []*gpb.Path{{Elem: []*gpb.PathElem{{}}}}}, codes.InvalidArgument, "no name"},
		{"gnmi:GN2 element strings", &gpb.GetRequest{Path: []*gpb.Path{{Element: []string{"interfaces"}}}}, codes.InvalidArgument, "deprecated"},
		{"gnmi:GN2 too long", &gpb.GetRequest{Path: []*gpb.Path{path(t, strings.Repeat("/a", 65))}}, codes.InvalidArgument, "65 elements"},
		{"gnmi:GN3 target in a path", &gpb.GetRequest{Path: []*gpb.Path{{Target: "x", Elem: leaf.Elem}}}, codes.InvalidArgument, "prefix"},
		{"gnmi:GN4 origin unknown", &gpb.GetRequest{Path: []*gpb.Path{{Origin: "eos_native", Elem: leaf.Elem}}}, codes.InvalidArgument, "eos_native"},
		{"gnmi:GN4 origin twice", &gpb.GetRequest{Prefix: &gpb.Path{Origin: "openconfig"}, Path: []*gpb.Path{{Origin: "openconfig", Elem: leaf.Elem}}}, codes.InvalidArgument, "origin"},
		{"gnmi:GN4 ours is not OpenConfig's", &gpb.GetRequest{Path: []*gpb.Path{path(t, "openconfig:/pipeline")}}, codes.Unimplemented, "/pipeline"},
		{"gnmi:GN7 BYTES", &gpb.GetRequest{Encoding: gpb.Encoding_BYTES, Path: []*gpb.Path{leaf}}, codes.Unimplemented, "BYTES"},
		{"gnmi:GN7 ASCII", &gpb.GetRequest{Encoding: gpb.Encoding_ASCII, Path: []*gpb.Path{leaf}}, codes.Unimplemented, "ASCII"},
		{"gnmi:GN10 use_models", &gpb.GetRequest{UseModels: []*gpb.ModelData{{Name: "openconfig-interfaces"}}, Path: []*gpb.Path{leaf}}, codes.Unimplemented, "use_models"},
		{"gnmi:GN12 type unknown", &gpb.GetRequest{Type: 9, Path: []*gpb.Path{leaf}}, codes.InvalidArgument, "type 9"},
		{"gnmi:GN45 history", &gpb.GetRequest{Path: []*gpb.Path{leaf}, Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_History{}}}}, codes.Unimplemented, "history"},
		{"gnmi:GN44 arbitration on Get", &gpb.GetRequest{Path: []*gpb.Path{leaf}, Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_MasterArbitration{}}}}, codes.InvalidArgument, "Set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.client.Get(r.ctx, c.req)
			if err == nil {
				t.Fatalf("got %v", got)
			}
			wantCode(t, err, c.code, c.want)
		})
	}
}

// TestGetShape: gnmi:GN3, GN12, GN13, GN47.
func TestGetShape(t *testing.T) {
	r := filled(t)
	t.Run("gnmi:GN13 one notification a path, in order", func(t *testing.T) {
		got, err := r.get(gpb.Encoding_PROTO, "/interfaces/interface[name=p2]/state/id", "/interfaces/interface[name=p1]/state/id")
		r.check(err)
		if len(got.GetNotification()) != 2 {
			t.Fatalf("%d notifications", len(got.GetNotification()))
		}
		same(t, showNotification(got.GetNotification()[0]), "/interfaces/interface[name=p2]/state/id = uint 2")
		same(t, showNotification(got.GetNotification()[1]), "/interfaces/interface[name=p1]/state/id = uint 1")
	})
	t.Run("gnmi:GN2, GN3 prefix and target", func(t *testing.T) {
		got, err := r.client.Get(r.ctx, &gpb.GetRequest{Encoding: gpb.Encoding_PROTO, Prefix: &gpb.Path{Target: "leaf1", Elem: path(t, "/interfaces/interface[name=p1]").Elem}, Path: []*gpb.Path{path(t, "state/id")}})
		r.check(err)
		same(t, showNotification(got.GetNotification()[0]), "[target=leaf1]", "/interfaces/interface[name=p1]/state/id = uint 1")
	})
	for _, c := range []struct {
		typ  gpb.GetRequest_DataType
		want []string
	}{
		{gpb.GetRequest_CONFIG, []string{"name", "config/name", "config/type", "config/mtu", "config/enabled", "config/id"}},
		{gpb.GetRequest_STATE, []string{"state/name", "state/type", "state/mtu", "state/enabled", "state/id", "state/ifindex", "state/admin-status", "state/oper-status", "state/last-change", "state/logical", "state/counters/in-pkts", "state/counters/in-octets", "state/counters/in-discards", "state/counters/in-errors", "state/counters/in-multicast-pkts", "state/counters/in-fcs-errors", "state/counters/out-pkts", "state/counters/out-octets", "state/counters/out-discards", "state/counters/out-errors", "ethernet/state/mac-address"}},
		{gpb.GetRequest_OPERATIONAL, []string{"state/ifindex", "state/admin-status", "state/oper-status", "state/last-change", "state/logical", "state/counters/in-pkts", "state/counters/in-octets", "state/counters/in-discards", "state/counters/in-errors", "state/counters/in-multicast-pkts", "state/counters/in-fcs-errors", "state/counters/out-pkts", "state/counters/out-octets", "state/counters/out-discards", "state/counters/out-errors"}},
	} {
		t.Run("gnmi:GN12 "+c.typ.String(), func(t *testing.T) {
			got, err := r.client.Get(r.ctx, &gpb.GetRequest{Encoding: gpb.Encoding_PROTO, Type: c.typ, Path: []*gpb.Path{path(t, "/interfaces/interface[name=p1]")}})
			r.check(err)
			var names []string
			for _, l := range showNotification(got.GetNotification()[0]) {
				name, _, _ := strings.Cut(strings.TrimPrefix(l, "/interfaces/interface[name=p1]/"), " ")
				names = append(names, name)
			}
			same(t, names, c.want...)
		})
	}
	t.Run("gnmi:GN47 depth", func(t *testing.T) {
		get := func(level uint32) []string {
			got, err := r.client.Get(r.ctx, &gpb.GetRequest{Encoding: gpb.Encoding_JSON, Path: []*gpb.Path{path(t, "/components/component[name=nic0]")},
				Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_Depth{Depth: &gnmi_ext.Depth{Level: level}}}}})
			r.check(err)
			return showNotification(got.GetNotification()[0])
		}
		const at = "/components/component[name=nic0] = json "
		same(t, get(1), at+`{"name":"nic0"}`)
		same(t, get(2), at+`{"name":"nic0","config":{"name":"nic0"},"state":{"name":"nic0","type":"INTEGRATED_CIRCUIT","oper-status":"ACTIVE","description":"P4 device, engine books"}}`)
		same(t, get(0), get(9)...)
	})
	t.Run("the whole tree is JSON", func(t *testing.T) {
		for _, p := range []string{"/", "p4nic:/"} {
			got, err := r.get(gpb.Encoding_JSON_IETF, p)
			r.check(err)
			if n := len(got.GetNotification()[0].GetUpdate()); n != 1 {
				t.Fatalf("%s: %d updates", p, n)
			}
			var v map[string]any
			r.check(json.Unmarshal(got.GetNotification()[0].GetUpdate()[0].GetVal().GetJsonIetfVal(), &v))
			for name := range v {
				if !strings.Contains(name, ":") {
					t.Errorf("%s: member %s has no module (RFC 7951 section 4)", p, name)
				}
			}
		}
	})
	t.Run("no pipeline", func(t *testing.T) {
		r := newRig(t)
		got, err := r.get(gpb.Encoding_JSON_IETF, "/pipeline/tables")
		r.check(err)
		same(t, showNotification(got.GetNotification()[0]), "/pipeline/tables = ietf {}")
		_, err = r.get(gpb.Encoding_JSON_IETF, "/pipeline/state/name")
		wantCode(t, err, codes.NotFound, "/pipeline/state/name")
	})
	t.Run("gnmi:GN1 time of collection", func(t *testing.T) {
		r.Clock.Advance(1234)
		got, err := r.get(gpb.Encoding_PROTO, "/interfaces/interface[name=p1]/state/id")
		r.check(err)
		if ts := got.GetNotification()[0].GetTimestamp(); ts != telemetrytest.Start().UnixNano()+1234 {
			t.Errorf("timestamp %d", ts)
		}
	})
}
