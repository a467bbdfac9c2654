package gnmi

import (
	"errors"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

func ietf(text string) *gpb.TypedValue {
	return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(text)}}
}

func boolean(b bool) *gpb.TypedValue {
	return &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: b}}
}

func up(t testing.TB, p string, v *gpb.TypedValue) *gpb.Update {
	return &gpb.Update{Path: path(t, p), Val: v}
}

// state is what Set can change: ports that are down and network instances.
func (r *rig) state() string {
	r.t.Helper()
	links, err := r.Links.List()
	r.check(err)
	var out []string
	for _, n := range []string{"p1", "p2"} {
		if l := links[n]; l != nil && !l.AdminUp {
			out = append(out, n+" down")
		}
	}
	for _, i := range r.RIB.Instances() {
		out = append(out, i.Name+":"+string(rune('0'+i.ID)))
	}
	return strings.Join(out, " ")
}

const (
	untouched = "DEFAULT:0 blue:1"
	port1     = "/interfaces/interface[name=p1]"
	enabled1  = port1 + "/config/enabled"
	red       = "/network-instances/network-instance[name=red]"
	blue      = "/network-instances/network-instance[name=blue]"
)

// TestSet: what a Set changes.
func TestSet(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []string // ports that are down before
		req   func(t *testing.T) *gpb.SetRequest
		want  string
		ops   string
	}{
		{"update a leaf", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, boolean(false))}}
		}, "p1 down " + untouched, "UPDATE"},
		{"update in JSON_IETF", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, ietf("false"))}}
		}, "p1 down " + untouched, "UPDATE"},
		{"update a container, with what is so already (p4rt:Z5)", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, port1+"/config", ietf(`{"openconfig-interfaces:name":"p1","openconfig-interfaces:enabled":false,"openconfig-p4rt:id":1,"openconfig-interfaces:type":"iana-if-type:ethernetCsmacd"}`))}}
		}, "p1 down " + untouched, "UPDATE"},
		{"node-id that is so already (gnmi:M2)", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, "/components/component[name=nic0]/integrated-circuit/config/node-id", ietf(`"9223372036854775813"`))}}
		}, untouched, "UPDATE"},
		{"update a list", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, "/interfaces", ietf(`{"interface":[{"name":"p1","config":{"enabled":false}},{"name":"p2","config":{"enabled":false}}]}`))}}
		}, "p1 down p2 down " + untouched, "UPDATE"},
		{"gnmi:GN17 update leaves the rest", []string{"p1"}, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, port1+"/config", ietf(`{"name":"p1"}`))}}
		}, "p1 down " + untouched, "UPDATE"},
		{"gnmi:GN17 replace resets what it omits", []string{"p1", "p2"}, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Replace: []*gpb.Update{up(t, port1, ietf(`{"name":"p1","config":{"name":"p1"}}`))}}
		}, "p2 down " + untouched, "REPLACE"},
		{"gnmi:GN17 replace of all network instances", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Replace: []*gpb.Update{up(t, "/network-instances", ietf(`{"network-instance":[{"name":"DEFAULT","config":{"name":"DEFAULT"}},{"name":"red","config":{"name":"red","type":"L3VRF"}}]}`))}}
		}, "DEFAULT:0 red:1", "REPLACE"},
		{"delete of a leaf is its default", []string{"p1"}, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Delete: []*gpb.Path{path(t, enabled1)}}
		}, untouched, "DELETE"},
		{"gnmi:GN20 wildcards expand", []string{"p1", "p2"}, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Delete: []*gpb.Path{path(t, "/interfaces/interface[name=*]/config/enabled")}}
		}, untouched, "DELETE"},
		{"gnmi:GN20 absent", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Delete: []*gpb.Path{path(t, red), path(t, "/interfaces/interface[name=p9]")}}
		}, untouched, "DELETE DELETE"},
		{"gribi:GR66 an instance is made", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, red+"/config/type", ietf(`"openconfig-network-instance-types:L3VRF"`))}}
		}, untouched + " red:2", "UPDATE"},
		{"gribi:GR66 an instance goes", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Delete: []*gpb.Path{path(t, blue)}}
		}, "DEFAULT:0", "DELETE"},
		{"gnmi:GN15 delete, replace, update in that order", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Delete: []*gpb.Path{path(t, blue)}, Update: []*gpb.Update{up(t, blue+"/config", ietf(`{"name":"blue"}`)), up(t, enabled1, boolean(true))},
				Replace: []*gpb.Update{up(t, enabled1, boolean(false))}}
		}, untouched, "DELETE REPLACE UPDATE UPDATE"},
		{"gnmi:GN24 the last one wins", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, boolean(true)), up(t, enabled1, boolean(false))}}
		}, "p1 down " + untouched, "UPDATE UPDATE"},
		{"gnmi:GN21 nothing", nil, func(*testing.T) *gpb.SetRequest { return &gpb.SetRequest{} }, untouched, ""},
		{"gnmi:GN2 prefix", nil, func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Prefix: path(t, port1), Update: []*gpb.Update{up(t, "config/enabled", boolean(false))}}
		}, "p1 down " + untouched, "UPDATE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			for _, p := range c.given {
				r.check(r.Links.SetUp(p, false))
			}
			got, err := r.client.Set(r.ctx, c.req(t))
			r.check(err)
			if s := r.state(); s != c.want {
				t.Errorf("state %q, want %q", s, c.want)
			}
			var ops []string
			for _, u := range got.GetResponse() {
				ops = append(ops, u.GetOp().String())
			}
			if o := strings.Join(ops, " "); o != c.ops || got.GetTimestamp() == 0 {
				t.Errorf("operations %q at %d, want %q", o, got.GetTimestamp(), c.ops)
			}
		})
	}
}

// TestSetRefused: codes of gnmi:GN18, GN19, GN23 and others; nothing changes.
func TestSetRefused(t *testing.T) {
	update := func(p string, v *gpb.TypedValue) func(*testing.T) *gpb.SetRequest {
		return func(t *testing.T) *gpb.SetRequest { return &gpb.SetRequest{Update: []*gpb.Update{up(t, p, v)}} }
	}
	replace := func(p string, v *gpb.TypedValue) func(*testing.T) *gpb.SetRequest {
		return func(t *testing.T) *gpb.SetRequest { return &gpb.SetRequest{Replace: []*gpb.Update{up(t, p, v)}} }
	}
	remove := func(p string) func(*testing.T) *gpb.SetRequest {
		return func(t *testing.T) *gpb.SetRequest { return &gpb.SetRequest{Delete: []*gpb.Path{path(t, p)}} }
	}
	extended := func(e *gnmi_ext.Extension) func(*testing.T) *gpb.SetRequest {
		return func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, boolean(false))}, Extension: []*gnmi_ext.Extension{e}}
		}
	}
	text := &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: "no"}}
	for _, c := range []struct {
		name string
		req  func(*testing.T) *gpb.SetRequest
		code codes.Code
		want string
	}{
		{"gnmi:GN16 all or nothing", func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, boolean(false)), up(t, port1+"/config/mtu", ietf("9000"))}}
		}, codes.Unimplemented, "configuration file"},
		{"gnmi:GN18 {}", replace(port1, ietf("{}")), codes.InvalidArgument, "object with members"},
		{"gnmi:GN18 null", replace(port1, ietf("null")), codes.InvalidArgument, "object"},
		{"gnmi:GN19 key conflict", update(port1, ietf(`{"name":"p2","config":{"enabled":false}}`)), codes.InvalidArgument, "differs from the key"},
		{"gnmi:GN19 key conflict in config", update(port1+"/config", ietf(`{"name":"p2"}`)), codes.InvalidArgument, "differs from the key"},
		{"gnmi:GN19 entry without key", update("/interfaces", ietf(`{"interface":[{"config":{"enabled":false}}]}`)), codes.InvalidArgument, "no key name"},
		{"gnmi:GN19 path without key", update("/interfaces/interface/config/enabled", boolean(false)), codes.InvalidArgument, "needs key name"},
		{"gnmi:GN6 wildcard in an update", update("/interfaces/interface[name=*]/config/enabled", boolean(false)), codes.InvalidArgument, "name"},
		{"gnmi:GN6 ... in an update", update("/.../enabled", boolean(false)), codes.InvalidArgument, "wildcards"},
		{"gnmi:GN23 unparsable path", update("/interfaces/interface[number=1]/config/enabled", boolean(false)), codes.InvalidArgument, "number"},
		{"gnmi:GN23 path not valid", update("/lldp/config/enabled", boolean(false)), codes.NotFound, "lldp"},
		{"gnmi:GN23 member not valid", update(port1+"/config", ietf(`{"speed":1}`)), codes.NotFound, "speed"},
		{"gnmi:GN23 no such port", update("/interfaces/interface[name=p9]/config/enabled", boolean(false)), codes.NotFound, "p9"},
		{"gnmi:GN23 wrong type", update(enabled1, text), codes.InvalidArgument, "true or false"},
		{"gnmi:GN23 wrong JSON type", update(enabled1, ietf(`"false"`)), codes.InvalidArgument, "true or false"},
		{"gnmi:GN23 no JSON", update(enabled1, ietf(`{`)), codes.InvalidArgument, "not JSON"},
		{"gnmi:GN23 two JSON values", update(enabled1, ietf(`false true`)), codes.InvalidArgument, "more than one"},
		{"gnmi:GN23 no value", update(enabled1, nil), codes.InvalidArgument, "no value"},
		{"gnmi:GN23 encoding", update(enabled1, &gpb.TypedValue{Value: &gpb.TypedValue_AsciiVal{AsciiVal: "false"}}), codes.Unimplemented, "not supported"},
		{"gnmi:GN23 container that is no JSON", update(port1+"/config", boolean(false)), codes.Unimplemented, "JSON"},
		{"a list that is no array", update("/interfaces", ietf(`{"interface":{}}`)), codes.InvalidArgument, "array"},
		{"read-only state", update(port1+"/state/enabled", boolean(false)), codes.InvalidArgument, "read-only"},
		{"read-only tables", update("/pipeline/tables/table[name=ingress.exact]/state/size", ietf(`"4"`)), codes.InvalidArgument, "P4Runtime"},
		{"delete of state", remove(port1 + "/state/enabled"), codes.InvalidArgument, "read-only"},
		{"delete of a port", remove(port1), codes.Unimplemented, "configuration file"},
		{"delete of all ports", remove("/interfaces"), codes.Unimplemented, "configuration file"},
		{"delete of everything", remove("/"), codes.Unimplemented, "configuration file"},
		{"delete of a port's number", remove(port1 + "/config/id"), codes.Unimplemented, "configuration file"},
		{"delete of what is not implemented", remove("/lldp"), codes.Unimplemented, "lldp"},
		{"another port number (p4rt:Z5)", update(port1+"/config/id", ietf("7")), codes.Unimplemented, "is 1"},
		{"another node-id (p4rt:Z5)", update("/components/component[name=nic0]/integrated-circuit/config/node-id", ietf(`"7"`)), codes.Unimplemented, "9223372036854775813"},
		{"a number out of range", update(port1+"/config/id", ietf("4294967296")), codes.InvalidArgument, "uint32"},
		{"wrong type of instance", update(red+"/config/type", ietf(`"L2VSI"`)), codes.InvalidArgument, "L3VRF"},
		{"instance that is disabled", update(red+"/config/enabled", boolean(false)), codes.Unimplemented, "disabled"},
		{"union_replace", func(t *testing.T) *gpb.SetRequest {
			return &gpb.SetRequest{UnionReplace: []*gpb.Update{up(t, "/", ietf("{}"))}}
		}, codes.Unimplemented, "union_replace"},
		{"gnmi:GN44 no id", extended(&gnmi_ext.Extension{Ext: &gnmi_ext.Extension_MasterArbitration{MasterArbitration: &gnmi_ext.MasterArbitration{}}}), codes.InvalidArgument, "election_id"},
		{"gnmi:GN46 commit", extended(&gnmi_ext.Extension{Ext: &gnmi_ext.Extension_Commit{Commit: &gnmi_ext.Commit{Id: "1"}}}), codes.Unimplemented, "commit"},
		{"gnmi:GN11 depth on Set", extended(&gnmi_ext.Extension{Ext: &gnmi_ext.Extension_Depth{Depth: &gnmi_ext.Depth{Level: 1}}}), codes.InvalidArgument, "depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			got, err := r.client.Set(r.ctx, c.req(t))
			if err == nil {
				t.Fatalf("got %v", got)
			}
			wantCode(t, err, c.code, c.want)
			if s := r.state(); s != untouched {
				t.Errorf("state %q, want %q", s, untouched)
			}
		})
	}
}

// TestSetRollsBack: gnmi:GN16 when the device fails half way.
func TestSetRollsBack(t *testing.T) {
	both := func(t *testing.T) []*gpb.Update {
		return []*gpb.Update{up(t, enabled1, boolean(false)), up(t, "/interfaces/interface[name=p2]/config/enabled", boolean(false)), up(t, red+"/config/name", ietf(`"red"`))}
	}
	t.Run("a port", func(t *testing.T) {
		r := newRig(t)
		r.Links.Fail["p2"] = errors.New("device busy")
		_, err := r.client.Set(r.ctx, &gpb.SetRequest{Update: both(t)})
		wantCode(t, err, codes.Aborted, "device busy")
		if s := r.state(); s != untouched {
			t.Errorf("state %q", s)
		}
	})
	t.Run("the instances", func(t *testing.T) {
		r := newRig(t)
		r.RIB.Fail = errors.New("in use")
		_, err := r.client.Set(r.ctx, &gpb.SetRequest{Update: both(t)})
		wantCode(t, err, codes.FailedPrecondition, "in use")
		if s := r.state(); s != untouched {
			t.Errorf("state %q", s)
		}
	})
	t.Run("a port without netdev", func(t *testing.T) {
		r := newRig(t)
		r.Links.Set("p1", nil)
		_, err := r.client.Set(r.ctx, &gpb.SetRequest{Update: both(t)})
		wantCode(t, err, codes.FailedPrecondition, "not present")
	})
}

// TestArbitration: gnmi:GN44.
func TestArbitration(t *testing.T) {
	r := newRig(t)
	set := func(role string, high, low uint64) error {
		_, err := r.client.Set(r.ctx, &gpb.SetRequest{Extension: []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_MasterArbitration{
			MasterArbitration: &gnmi_ext.MasterArbitration{Role: &gnmi_ext.Role{Id: role}, ElectionId: &gnmi_ext.Uint128{High: high, Low: low}}}}}})
		return err
	}
	r.check(set("", 1, 0))
	r.check(set("", 1, 0))
	wantCode(t, set("", 0, 1<<63), codes.PermissionDenied, "{1, 0}")
	r.check(set("other", 0, 1))
	r.check(set("", 1, 1))
	_, err := r.client.Set(r.ctx, &gpb.SetRequest{})
	r.check(err)
}

// TestSetIsSeen: gnmi:GN16, GN37: telemetry shows a Set, and what it resets is an
// update.
func TestSetIsSeen(t *testing.T) {
	r := newRig(t)
	s := r.subscribe(proto(streaming, sub(t, enabled1, onChange, 0), sub(t, "/network-instances/network-instance/config/name", onChange, 0)))
	s.toSync()
	_, err := r.client.Set(r.ctx, &gpb.SetRequest{Update: []*gpb.Update{up(t, enabled1, boolean(false))}})
	r.check(err)
	s.want(enabled1 + " = false")
	r.later()
	_, err = r.client.Set(r.ctx, &gpb.SetRequest{Delete: []*gpb.Path{path(t, enabled1)}})
	r.check(err)
	s.want("[+10ms]", enabled1+" = true")
	r.later()
	_, err = r.client.Set(r.ctx, &gpb.SetRequest{Delete: []*gpb.Path{path(t, blue)}, Update: []*gpb.Update{up(t, red+"/config/name", ietf(`"red"`))}})
	r.check(err)
	s.want("[+20ms]", "delete "+blue, red+`/config/name = "red"`)
}

// FuzzPaths: no path panics, and what Select takes can be collected and sent.
func FuzzPaths(f *testing.F) {
	for _, p := range []string{"/", "/interfaces/interface[name=p1]/state", "/.../in-pkts", "/*/*/*", "/pipeline/tables/table/entries", "/a[b=c]"} {
		f.Add(p, p, false)
	}
	r := filled(f)
	f.Fuzz(func(t *testing.T, a, b string, js bool) {
		split := func(s string) *gpb.Path {
			out := &gpb.Path{}
			for _, e := range strings.Split(s, "/") {
				name, key, ok := strings.Cut(e, "[")
				x := &gpb.PathElem{Name: name}
				if ok {
					k, v, _ := strings.Cut(strings.TrimSuffix(key, "]"), "=")
					x.Key = map[string]string{k: v}
				}
				out.Elem = append(out.Elem, x)
			}
			return out
		}
		prefix, p := split(a), split(b)
		q, err := query(prefix, p)
		if err != nil {
			return
		}
		_, err = r.Tel.Hub.Schema.Select(q)
		if err != nil {
			_ = pathError(err)
			return
		}
		enc := gpb.Encoding_PROTO
		if js {
			enc = gpb.Encoding_JSON_IETF
		}
		n, err := r.server.get(r.ctx, prefix, p, enc, func(*telemetry.Leaf) bool { return true }, 0)
		if err != nil {
			return
		}
		for _, u := range n.GetUpdate() {
			for _, e := range u.GetPath().GetElem() {
				if e.GetName() == "*" || e.GetName() == "..." || e.GetName() == "" {
					t.Fatalf("%s: wildcard in the answer %v", q.Text(), u.GetPath()) // gnmi:GN6
				}
			}
		}
	})
}

// FuzzSet: no body panics or changes what is not asked for.
func FuzzSet(f *testing.F) {
	for _, s := range []string{`{"interface":[{"name":"p1","config":{"enabled":false}}]}`, `{}`, `[1]`, `"x"`, `{"interface":[null]}`} {
		f.Add("/interfaces", s)
	}
	f.Add("/network-instances/network-instance[name=x]/config", `{"name":"x"}`)
	r := newRig(f)
	f.Fuzz(func(t *testing.T, p, body string) {
		var elems []*gpb.PathElem
		for _, e := range strings.Split(strings.Trim(p, "/"), "/") {
			name, key, ok := strings.Cut(e, "[name=")
			x := &gpb.PathElem{Name: name}
			if ok {
				x.Key = map[string]string{"name": strings.TrimSuffix(key, "]")}
			}
			elems = append(elems, x)
		}
		q, err := query(nil, &gpb.Path{Elem: elems})
		if err != nil {
			return
		}
		c, err := r.server.newCandidate(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		as, err := r.server.body(q, ietf(body))
		if err != nil {
			return
		}
		c.reset(q)
		for _, a := range as {
			if err := c.assign(a); err != nil {
				return
			}
		}
		ids := map[uint32]bool{}
		for _, i := range c.list() {
			if ids[i.ID] {
				t.Fatalf("id %d twice in %v", i.ID, c.list())
			}
			ids[i.ID] = true
		}
	})
}
