package bindings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/bindings"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/source"
	pb "github.com/p4nic/p4nic/proto/bindingspb"
)

// program is a v1model program around the body of its ingress control.
const program = `#include <core.p4>
#include <v1model.p4>
header eth_h { bit<48> dst; bit<48> src; bit<16> type; }
header ip_h { bit<32> a; bit<128> b; }
struct headers { eth_h eth; ip_h ip; }
struct metadata { bit<16> vrf; bit<16> group; bit<16> bucket; bit<16> hop; bit<16> n; }
parser P(packet_in p, out headers h, inout metadata m, inout standard_metadata_t s) {
    state start { p.extract(h.eth); p.extract(h.ip); transition accept; }
}
control V(inout headers h, inout metadata m) { apply { } }
control I(inout headers h, inout metadata m, inout standard_metadata_t s) {
%s
}
control E(inout headers h, inout metadata m, inout standard_metadata_t s) { apply { } }
control C(inout headers h, inout metadata m) { apply { } }
control D(packet_out p, in headers h) { apply { p.emit(h.eth); p.emit(h.ip); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

// compile gives the result of a compilation; side is a side file, "" = none.
func compile(t *testing.T, body, side string) *driver.Result {
	t.Helper()
	o := driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return fmt.Appendf(nil, program, body), nil }}
	if side != "" {
		o.Bindings, o.BindingsName = []byte(side), "side.txt"
	}
	res, err := driver.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const (
	act   = `    action go(bit<48> mac, bit<9> port) { s.egress_spec = port; h.eth.dst = mac; }` + "\n"
	apply = "    apply { t.apply(); }"
)

func TestSideFile(t *testing.T) {
	body := act + `    action no() { mark_to_drop(s); }
    table t { key = { h.ip.a: lpm; m.vrf: ternary; s.ingress_port: exact; } actions = { go; no; } default_action = no(); }` + "\n" + apply
	flat := strings.Replace(body, "; s.ingress_port: exact", "", 1)
	const good = `tables { table: "t" role: ROUTE_V4 keys { key: "h.ip.a" is: PREFIX }
 actions { action: "go" is: VIA_V4 params { param: "mac" is: MAC } params { param: "port" is: PORT } } }`
	res := compile(t, flat, good)
	if res.Bindings == nil {
		t.Fatal(res.Diags.All())
	}
	b := res.Bindings.Tables[0]
	if b.Table != "I.t" || b.Actions[0].Action != "I.go" {
		t.Errorf("D14: names are not full: %v", b)
	}
	again, err := bindings.Parse(bindings.Text(res.Bindings))
	if err != nil || !proto.Equal(again, res.Bindings) {
		t.Errorf("%v, %v", again, err)
	}
	for _, c := range []struct{ name, body, side, want string }{
		{"syntax", flat, "tables {", "side.txt: "},
		{"unknown field", flat, `tables { tabel: "t" }`, "side.txt: "},
		{"no such table", flat, `tables { table: "x" role: ROUTE_V4 }`, `the program has no table "x"`},
		{"twice", flat, good + good, "bound twice"},
		{"no role", flat, `tables { table: "t" }`, "has no role"},
		{"no such key", flat, strings.Replace(good, `"h.ip.a"`, `"x"`, 1), `no key "x"`},
		{"no such action", flat, strings.Replace(good, `"go"`, `"x"`, 1), `no action "x"`},
		{"no such parameter", flat, strings.Replace(good, `"mac"`, `"x"`, 1), `no parameter "x"`},
		{"exact key without meaning", body, good, "is exact and has no meaning"},
		{"parameter without meaning", flat, strings.Replace(good, `params { param: "mac" is: MAC }`, "", 1), "parameter mac of action I.go has no meaning"},
		{"width", flat, strings.Replace(good, "ROUTE_V4", "ROUTE_V6", 1), "prefix has 128 bits, not 32"},
		{"width of a parameter", flat, strings.NewReplacer("is: MAC", "is: PORT", "is: PORT", "is: MAC").Replace(good), "mac has 48 bits, not 9"},
		{"meaning out of place", flat, strings.Replace(good, "is: MAC", "is: VRF", 1), "vrf has no meaning here"},
		{"deed out of place", flat, strings.Replace(good, "VIA_V4", "SET_MAC", 1), "set_mac is none of"},
		{"kind of match", flat, strings.NewReplacer(`keys { key: "h.ip.a" is: PREFIX }`, `keys { key: "m.vrf" is: PREFIX }`).Replace(good), "has 32 bits, not 16"},
		{"no prefix", flat, strings.Replace(good, `keys { key: "h.ip.a" is: PREFIX }`, "", 1), "no key that is prefix"},
		{"no port", flat, strings.Replace(good, `"port" is: PORT`, `"port" is: VLAN`, 1), "no parameter that is port"},
		{"leads nowhere", flat, `tables { table: "t" role: ROUTE_V4 keys { key: "h.ip.a" is: PREFIX } actions { action: "go" is: TO_GROUP } }`, "no parameter that is group"},
		{"two of a deed", flat, strings.Replace(good, `actions {`, `actions { action: "no" is: VIA_V4 } actions {`, 1), "no parameter that is port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := compile(t, c.body, c.side)
			if res.Bindings != nil {
				t.Fatal("accepted")
			}
			all := ""
			for _, d := range res.Diags.All() {
				if d.Code != driver.CodeBindings {
					t.Errorf("code %s", d.Code)
				}
				all += d.Message + "\n"
			}
			if !strings.Contains(all, c.want) {
				t.Errorf("%q, want %q", all, c.want)
			}
		})
	}
}

// TestAnnotations: errors stand at the place in the program that they are about.
func TestAnnotations(t *testing.T) {
	const table = `    @p4nic_bind[role="route_v4"]
    table t {
        key = { h.ip.a: lpm @p4nic_bind[is="prefix"]; }
        actions = { go; }
    }` + "\n"
	const bound = `    @p4nic_bind[is="via_v4"]
    action go(@p4nic_bind[is="mac"] bit<48> mac, @p4nic_bind[is="port"] bit<9> port) { s.egress_spec = port; h.eth.dst = mac; }` + "\n"
	if res := compile(t, bound+table+apply, ""); res.Bindings == nil || len(res.Bindings.Tables) != 1 || res.Bindings.Tables[0].Role != pb.Role_ROUTE_V4 {
		t.Fatalf("%v %v", res.Bindings, res.Diags.All())
	}
	if res := compile(t, strings.ReplaceAll(act+table, "@p4nic_bind", "@other")+apply, ""); res.Bindings == nil || len(res.Bindings.Tables) != 0 {
		t.Errorf("without annotations: %v", res.Bindings)
	}
	for _, c := range []struct{ name, from, to, want, at string }{
		{"unknown role", `role="route_v4"`, `role="routes"`, `"routes" is none of route_v4`, "table t"},
		{"upper case", `is="mac"`, `is="MAC"`, `"MAC" is none of`, "mac, "},
		{"form", `[role="route_v4"]`, `[role=4]`, `the form is @p4nic_bind[role="..."]`, "table t"},
		{"another key", `[is="prefix"]`, `[means="prefix"]`, `the form is @p4nic_bind[is="..."]`, "h.ip.a: lpm"},
		{"raw", `[is="port"]`, `("port")`, "the form is", "port) {"},
		{"no role", `@p4nic_bind[role="route_v4"]`, "", "its table I.t has no role", "h.ip.a: lpm"},
		{"no action", `@p4nic_bind[is="via_v4"]`, "", "has no bound action", "table t"},
		{"meaning of a key", `is="prefix"`, `is="mac"`, "mac has no meaning here, but prefix, vrf", "h.ip.a: lpm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.Replace(bound+table+apply, c.from, c.to, 1)
			res := compile(t, body, "")
			if res.Bindings != nil || len(res.Diags.All()) == 0 {
				t.Fatal("accepted")
			}
			all := res.Diags.All()
			i := slices.IndexFunc(all, func(d diag.Diagnostic) bool { return strings.Contains(d.Message, c.want) })
			if i < 0 {
				t.Fatalf("%v, want %q", all, c.want)
			}
			d := all[i]
			if d.Span == (source.Span{}) {
				t.Fatal("no position")
			}
			text := fmt.Sprintf(program, body)
			pos := res.Diags.Set().Position(d.Span.Lo)
			line := strings.Split(text, "\n")[pos.Line-1]
			if !strings.Contains(line, strings.TrimSuffix(c.at, ", ")) {
				t.Errorf("the error is at %q, want the line of %q", line, c.at)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	res, err := driver.Compile(driver.Options{Path: "../../p4src/router.p4"})
	if err != nil || res.Core == nil {
		f.Fatal(err, res.Diags)
	}
	f.Add(bindings.Text(res.Bindings))
	f.Add([]byte(`tables { table: "buckets" role: 99 keys { is: -1 } actions { action: "drop" is: 7 } }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bindings.Parse(data)
		if err != nil {
			return
		}
		if ok, errs := bindings.Check(res.Core, b); len(errs) == 0 {
			if _, errs := bindings.Check(res.Core, ok); len(errs) > 0 {
				t.Errorf("what was checked does not pass again: %v", errs)
			}
		}
	})
}
