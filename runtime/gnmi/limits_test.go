package gnmi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// TestEncodings: gnmi:GN7 for every kind of leaf and the three encodings, at the
// ends of its range.
func TestEncodings(t *testing.T) {
	kind := func(k telemetry.Kind) telemetry.Type { return telemetry.Type{Kind: k} }
	minus := func(n int64) telemetry.Value { return telemetry.Value{U: uint64(n)} }
	for _, c := range []struct {
		name              string
		typ               telemetry.Type
		v                 telemetry.Value
		proto, json, ietf string
	}{
		{"true", kind(telemetry.Bool), telemetry.Value{U: 1}, "bool_val:true", "true", "true"},
		{"false", kind(telemetry.Bool), telemetry.Value{}, "bool_val:false", "false", "false"},
		{"uint8", kind(telemetry.Uint8), telemetry.Value{U: 255}, "uint_val:255", "255", "255"},
		{"uint16", kind(telemetry.Uint16), telemetry.Value{U: 65535}, "uint_val:65535", "65535", "65535"},
		{"uint32", kind(telemetry.Uint32), telemetry.Value{U: 1<<32 - 1}, "uint_val:4294967295", "4294967295", "4294967295"},
		{"uint64", kind(telemetry.Uint64), telemetry.Value{U: 1<<64 - 1}, "uint_val:18446744073709551615", "18446744073709551615", `"18446744073709551615"`},
		{"int64", kind(telemetry.Int64), minus(-5), "int_val:-5", "-5", `"-5"`},
		{"decimal64", telemetry.Type{Kind: telemetry.Decimal64, Digits: 2}, minus(-250), "double_val:-2.5", "-2.5", `"-2.5"`},
		{"binary", kind(telemetry.Binary), telemetry.Value{S: "\x00\xff"}, `bytes_val:"\x00\xff"`, `"AP8="`, `"AP8="`},
		{"string", kind(telemetry.String), telemetry.Value{S: "a\"b\xff"}, `string_val:"a\"b`, "\"a\\\"b\uFFFD\"", "\"a\\\"b\uFFFD\""},
		{"strings", kind(telemetry.Strings), telemetry.Value{L: []string{"x", "y"}}, `leaflist_val:{element:{string_val:"x"} element:{string_val:"y"}}`, `["x","y"]`, `["x","y"]`},
		{"no strings", kind(telemetry.Strings), telemetry.Value{}, "leaflist_val:{}", "[]", "[]"},
		{"identity", kind(telemetry.Identity), telemetry.Value{S: "iana-if-type:ethernetCsmacd"}, `string_val:"ethernetCsmacd"`, `"ethernetCsmacd"`, `"iana-if-type:ethernetCsmacd"`},
		{"enum", kind(telemetry.Enum), telemetry.Value{S: "UP"}, `string_val:"UP"`, `"UP"`, `"UP"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.ReplaceAll(typedValue(gpb.Encoding_PROTO, c.typ, c.v).String(), "  ", " "); !strings.HasPrefix(got, c.proto) {
				t.Errorf("PROTO %s, want %s", got, c.proto)
			}
			if got := string(typedValue(gpb.Encoding_JSON, c.typ, c.v).GetJsonVal()); got != c.json {
				t.Errorf("JSON %s, want %s", got, c.json)
			}
			if got := string(typedValue(gpb.Encoding_JSON_IETF, c.typ, c.v).GetJsonIetfVal()); got != c.ietf {
				t.Errorf("JSON_IETF %s, want %s", got, c.ietf)
			}
		})
	}
	for _, c := range []struct {
		kind       telemetry.Kind
		json, ietf string
	}{{telemetry.Uint32, "7", "7"}, {telemetry.Uint64, "7", `"7"`}, {telemetry.String, `"7"`, `"7"`}} {
		if got := string(keyJSON(nil, false, kind(c.kind), "7")); got != c.json {
			t.Errorf("key of kind %v in JSON: %s, want %s", c.kind, got, c.json)
		}
		if got := string(keyJSON(nil, true, kind(c.kind), "7")); got != c.ietf {
			t.Errorf("key of kind %v in JSON_IETF: %s, want %s", c.kind, got, c.ietf)
		}
	}
}

// TestValueTypes: gnmi:GN23, RFC 7951: which JSON values a leaf of each type takes.
func TestValueTypes(t *testing.T) {
	for _, c := range []struct {
		kind telemetry.Kind
		json string
		want string // the value's text, or what the error says after "!"
	}{
		{telemetry.Bool, "true", "true"}, {telemetry.Bool, "false", "false"}, {telemetry.Bool, "1", "!true or false is wanted"},
		{telemetry.Uint8, "255", "255"}, {telemetry.Uint8, "256", `!"256" is no uint8`}, {telemetry.Uint8, `"1"`, "!a number is wanted"},
		{telemetry.Uint16, "65535", "65535"}, {telemetry.Uint16, "65536", `!"65536" is no uint16`},
		{telemetry.Uint32, "4294967295", "4294967295"}, {telemetry.Uint32, "4294967296", `!"4294967296" is no uint32`}, {telemetry.Uint32, `"1"`, "!a number is wanted"},
		{telemetry.Uint64, `"18446744073709551615"`, "18446744073709551615"}, {telemetry.Uint64, "7", "7"}, {telemetry.Uint64, `"18446744073709551616"`, "!is no uint64"},
		{telemetry.Uint64, "-1", `!"-1" is no uint64`}, {telemetry.Uint64, "1.5", `!"1.5" is no uint64`}, {telemetry.Uint64, `""`, `!"" is no uint64`}, {telemetry.Uint64, "true", "!a number is wanted"},
		{telemetry.String, `"x"`, "x"}, {telemetry.String, "1", "!a string is wanted"},
		{telemetry.Enum, `"UP"`, "UP"}, {telemetry.Identity, "{}", "!a string is wanted"},
		{telemetry.Strings, `["x"]`, "!it cannot be written"}, {telemetry.Binary, `"AA=="`, "!it cannot be written"},
	} {
		t.Run(fmt.Sprint(c.kind, " ", c.json), func(t *testing.T) {
			raw, err := parseJSON([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			typ := telemetry.Type{Kind: c.kind}
			v, err := value(typ, raw)
			if part, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %s", err, part)
				}
				return
			}
			if err != nil || typ.Text(v) != c.want {
				t.Errorf("got %q, %v, want %q", typ.Text(v), err, c.want)
			}
		})
	}
}

// TestScalars: gnmi:GN23: the wire forms of a leaf's value in Set.
func TestScalars(t *testing.T) {
	for _, c := range []struct {
		name string
		v    *gpb.TypedValue
		want string
	}{
		{"json", &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: []byte("12")}}, "12"},
		{"json_ietf", ietf(`"12"`), "12"},
		{"bool", boolean(true), "true"},
		{"string", &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: "s"}}, "s"},
		{"uint", &gpb.TypedValue{Value: &gpb.TypedValue_UintVal{UintVal: 1<<64 - 1}}, "18446744073709551615"},
		{"int", &gpb.TypedValue{Value: &gpb.TypedValue_IntVal{IntVal: -9}}, "-9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := scalarOf(c.v)
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("got %v, %v, want %s", got, err, c.want)
			}
		})
	}
	got, err := treeOf(&gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: []byte(`{"a":1}`)}})
	if err != nil || fmt.Sprint(got) != "map[a:1]" {
		t.Errorf("a tree in JSON: %v, %v", got, err)
	}
	_, err = treeOf(&gpb.TypedValue{})
	wantCode(t, err, codes.InvalidArgument, "an update has no value")
	if _, err = parseJSON(append([]byte("1"), make([]byte, maxBody)...)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("a value of %d bytes, the limit is %d", maxBody+1, maxBody)) {
		t.Errorf("too large: %v", err)
	}
	fits := []byte(`"` + strings.Repeat("x", maxBody-2) + `"`)
	if _, err = parseJSON(fits); err != nil {
		t.Errorf("as large as may be: %v", err)
	}
}

// TestPathLimits: gnmi:GN2, GN5: how long paths, names and keys may be, and what
// MODULE:NAME stands for.
func TestPathLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	many := func(n int) *gpb.Path {
		p := &gpb.Path{}
		for range n {
			p.Elem = append(p.Elem, &gpb.PathElem{Name: "a"})
		}
		return p
	}
	one := func(name string, keys map[string]string) *gpb.Path {
		return &gpb.Path{Elem: []*gpb.PathElem{{Name: name, Key: keys}}}
	}
	for _, c := range []struct {
		name         string
		prefix, path *gpb.Path
		want         string // of the error, "" for none
	}{
		{"as many elements as may be", nil, many(maxElems), ""},
		{"one more", nil, many(maxElems + 1), fmt.Sprintf("a path has %d elements, the limit is %d", maxElems+1, maxElems)},
		{"with the prefix", many(1), many(maxElems), fmt.Sprintf("a path has %d elements", maxElems+1)},
		{"as long a name as may be", nil, one(long(maxText), nil), ""},
		{"a longer one", nil, one(long(maxText+1), nil), fmt.Sprintf("a path element has a name of %d bytes, the limit is %d", maxText+1, maxText)},
		{"as long a key as may be", nil, one("a", map[string]string{"kk": long(maxText - 2)}), ""},
		{"a longer key", nil, one("a", map[string]string{"kk": long(maxText - 1)}), fmt.Sprintf("a key of %d bytes, the limit is %d", maxText+1, maxText)},
		{"a key twice", nil, one("a", map[string]string{"m:k": "1", "n:k": "2"}), "path element a names a key twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := query(c.prefix, c.path)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, codes.InvalidArgument, c.want)
		})
	}
	q, err := query(&gpb.Path{Origin: "openconfig"}, one("openconfig-interfaces:interfaces", map[string]string{"m:name": "p1"}))
	if err != nil || q.Origin != "openconfig" || len(q.Elems) != 1 || q.Elems[0].Name != "interfaces" || q.Elems[0].Keys["name"] != "p1" {
		t.Errorf("got %+v, %v", q, err)
	}
}

// TestExtensions: gnmi:GN11, GN44 to gnmi:GN48: which extension belongs to which
// RPC; one that is not known is refused.
func TestExtensions(t *testing.T) {
	s := &Server{}
	get, set := &rpc{depth: true}, &rpc{arbitration: true}
	depth := func(n uint32) *gnmi_ext.Extension {
		return &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_Depth{Depth: &gnmi_ext.Depth{Level: n}}}
	}
	for _, c := range []struct {
		name string
		e    *gnmi_ext.Extension
		on   *rpc
		code codes.Code
		want string
	}{
		{"depth of Capabilities", depth(1), nil, codes.InvalidArgument, "the depth extension belongs to Get and Subscribe"},
		{"arbitration of Get", &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_MasterArbitration{}}, get, codes.InvalidArgument, "the master_arbitration extension belongs to Set"},
		{"history", &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_History{}}, get, codes.Unimplemented, "the history extension is not supported"},
		{"commit", &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_Commit{}}, set, codes.Unimplemented, "the commit extension is not supported"},
		{"config_subscription", &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_ConfigSubscription{}}, get, codes.Unimplemented, "the config_subscription extension is not supported"},
		{"registered", &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_RegisteredExt{RegisteredExt: &gnmi_ext.RegisteredExtension{Id: 999}}}, get, codes.Unimplemented, "registered extension EID_EXPERIMENTAL is not supported"},
		{"none", &gnmi_ext.Extension{}, get, codes.InvalidArgument, "an extension is not set or not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.extensions([]*gnmi_ext.Extension{c.e}, c.on)
			wantCode(t, err, c.code, c.want)
		})
	}
	for _, c := range []struct {
		level uint32
		want  int
	}{{0, 0}, {3, 3}, {maxElems, maxElems}, {maxElems + 1, 0}, {1<<32 - 1, 0}} {
		x, err := s.extensions([]*gnmi_ext.Extension{depth(c.level)}, get)
		if err != nil || x.depth != c.want {
			t.Errorf("depth %d: got %d, %v, want %d", c.level, x.depth, err, c.want)
		}
	}
}

// TestRoles: gnmi:GN44: each role has an election of its own, compared as 128
// bits; how many roles are remembered is bounded.
func TestRoles(t *testing.T) {
	m := &masters{highest: map[string]electionID{}}
	ask := func(role string, high, low uint64) error {
		return m.admit(&gnmi_ext.MasterArbitration{Role: &gnmi_ext.Role{Id: role}, ElectionId: &gnmi_ext.Uint128{High: high, Low: low}})
	}
	for i, c := range []struct {
		role      string
		high, low uint64
		code      codes.Code
	}{
		{"a", 0, 5, codes.OK}, {"a", 0, 4, codes.PermissionDenied}, {"a", 0, 5, codes.OK}, {"b", 0, 1, codes.OK},
		{"a", 1, 0, codes.OK}, {"a", 0, 9, codes.PermissionDenied}, {"a", 1, 1, codes.OK}, {"b", 0, 2, codes.OK},
	} {
		if got := status.Code(ask(c.role, c.high, c.low)); got != c.code {
			t.Errorf("%d: role %s {%d, %d}: %v, want %v", i, c.role, c.high, c.low, got, c.code)
		}
	}
	wantCode(t, ask("a", 1, 0), codes.PermissionDenied, `election_id {1, 0} is not the highest of role "a", which is {1, 1}`)
	for i := 2; i < maxRoles; i++ {
		if err := ask(fmt.Sprint("r", i), 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, ask("one more", 0, 1), codes.ResourceExhausted, fmt.Sprintf("%d roles are known, which is the limit", maxRoles))
	if err := ask("a", 2, 0); err != nil {
		t.Errorf("a known role: %v", err)
	}
	if err := m.admit(nil); err != nil {
		t.Error(err)
	}
}

// TestSubscriptionCount: how many subscriptions one list may hold.
func TestSubscriptionCount(t *testing.T) {
	r := filled(t)
	list := func(n int) *gpb.SubscriptionList {
		l := proto(streaming)
		for range n {
			l.Subscription = append(l.Subscription, sub(t, inPkts, sample, time.Second))
		}
		return l
	}
	if _, err := r.server.plans(list(maxSubscriptions)); err != nil {
		t.Error(err)
	}
	_, err := r.server.plans(list(maxSubscriptions + 1))
	wantCode(t, err, codes.InvalidArgument, fmt.Sprintf("%d subscriptions in one list, the limit is %d", maxSubscriptions+1, maxSubscriptions))
	if _, err := NewServer(Options{}); err == nil || err.Error() != "gnmi: Options.Telemetry is missing" {
		t.Errorf("without telemetry: %v", err)
	}
}

// TestSetReply: gnmi:GN3, GN22: the reply's prefix, and each operation's path.
func TestSetReply(t *testing.T) {
	r := newRig(t)
	got, err := r.client.Set(r.ctx, &gpb.SetRequest{
		Prefix: &gpb.Path{Target: "dev", Origin: "openconfig", Elem: path(t, port1).Elem},
		Update: []*gpb.Update{up(t, "config/enabled", boolean(false))},
	})
	r.check(err)
	if p := got.GetPrefix(); p.GetTarget() != "dev" || p.GetOrigin() != "openconfig" || len(p.GetElem()) != 0 {
		t.Errorf("prefix %v", p)
	}
	if len(got.GetResponse()) != 1 || got.GetResponse()[0].GetOp() != gpb.UpdateResult_UPDATE {
		t.Errorf("responses %v", got.GetResponse())
	}
	for _, c := range []struct {
		name string
		req  *gpb.SetRequest
		code codes.Code
		want string
	}{
		{"a key that is none", &gpb.SetRequest{Update: []*gpb.Update{{Path: &gpb.Path{Elem: []*gpb.PathElem{{Name: "interfaces"}, {Name: "interface", Key: map[string]string{"name": "p1", "id": "1"}}}}, Val: ietf(`{"config":{}}`)}}}, codes.InvalidArgument, `id`},
		{"a container that is a number", &gpb.SetRequest{Update: []*gpb.Update{up(t, port1, ietf(`{"config":3}`))}}, codes.InvalidArgument, "config: an object is wanted"},
		{"another entry of the list is wrong", &gpb.SetRequest{Update: []*gpb.Update{up(t, "/interfaces", ietf(`{"interface":[{"name":"p1","config":{"enabled":3}}]}`))}}, codes.InvalidArgument, "true or false is wanted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.client.Set(r.ctx, c.req)
			wantCode(t, err, c.code, c.want)
		})
	}
	t.Run("no network instances", func(t *testing.T) {
		s, err := NewServer(Options{Telemetry: r.Tel})
		r.check(err)
		defer s.Close()
		_, err = s.Set(r.ctx, &gpb.SetRequest{Update: []*gpb.Update{up(t, red+"/config/name", ietf(`"red"`))}})
		wantCode(t, err, codes.Unimplemented, "network instances are not configured on this device")
	})
}
