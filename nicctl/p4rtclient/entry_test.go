package p4rtclient

import (
	"os"
	"strings"
	"testing"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/nicctl/p4value"
	"github.com/p4nic/p4nic/p4src"
)

// routerSchema is router.p4 as nicctl sees it.
func routerSchema(t testing.TB) *Schema {
	t.Helper()
	r, err := driver.Compile(driver.Options{Path: "router.p4", ReadFile: func(path string) ([]byte, error) {
		if path == "router.p4" {
			return []byte(p4src.Router()), nil
		}
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	return NewSchema(r.Control.Info)
}

// TestParseEntry: the request that a line stands for, and the line that it is
// shown as.
func TestParseEntry(t *testing.T) {
	s := routerSchema(t)
	for _, c := range []struct {
		name, in string
		want     string // text proto, ids by name below; "" = only the line is compared
		line     string // "" = as written
	}{
		{"exact and lpm", "ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1",
			`match {field_id: 1 exact {value: "\000"}} match {field_id: 2 lpm {value: "\n\000\002\000" prefix_len: 24}}
			 action {action {params {param_id: 1 value: "\001"}}}`, ""},
		{"full name, other order, hexadecimal", "RouterIngress.ipv4_routes prefix=10.0.2.0/24 vrf=0x100 RouterIngress.set_group group=0x0001",
			`match {field_id: 2 lpm {value: "\n\000\002\000" prefix_len: 24}} match {field_id: 1 exact {value: "\001\000"}}
			 action {action {params {param_id: 1 value: "\001"}}}`,
			"ipv4_routes vrf=256 prefix=10.0.2.0/24 set_group group=1"},
		{"prefix 0 is left out (p4rt:M5)", "ipv4_routes vrf=1 prefix=0.0.0.0/0 to_host",
			`match {field_id: 1 exact {value: "\001"}} action {action {}}`, ""},
		{"no prefix is prefix 0", "ipv4_routes vrf=1 to_host", `match {field_id: 1 exact {value: "\001"}} action {action {}}`,
			"ipv4_routes vrf=1 prefix=0.0.0.0/0 to_host"},
		{"* is prefix 0", "ipv4_routes vrf=1 prefix=* to_host", `match {field_id: 1 exact {value: "\001"}} action {action {}}`,
			"ipv4_routes vrf=1 prefix=0.0.0.0/0 to_host"},
		{"IPv6", "ipv6_routes vrf=0 prefix=2001:db8:2::/64 set_group group=2", "", ""},
		{"ternary, range, optional", "acl port=1 src=10.0.0.0/8 dst=10.0.0.1 protocol=6 src_port=1024..65535 dst_port=80 priority=10 deny", "", ""},
		{"don't care is left out (p4rt:M5)", "acl port=* src=* dst=* protocol=* src_port=0..65535 dst_port=* priority=1 permit",
			`priority: 1 action {action {}}`, "acl port=* src=* dst=* protocol=* src_port=* dst_port=* priority=1 permit"},
		{"fields that are left out", "acl protocol=0x11 priority=2147483647 deny", `match {field_id: 4 ternary {value: "\021" mask: "\377"}} priority: 2147483647 action {action {}}`,
			"acl port=* src=* dst=* protocol=17 src_port=* dst_port=* priority=2147483647 deny"},
		{"mask", "acl dst=10.0.0.1&&&255.0.0.255 protocol=64&&&0xc0 priority=1 deny", "",
			"acl port=* src=* dst=10.0.0.1&&&255.0.0.255 protocol=64&&&0xc0 src_port=* dst_port=* priority=1 deny"},
		{"default action", "acl default deny", `is_default_action: true action {action {}}`, ""},
		{"MAC", "neighbours_v4 port=2 address=10.0.2.2 set_neighbour mac=02:00:00:00:02:02", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := s.ParseEntry(strings.Fields(c.in), true)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				want := &p4.TableEntry{}
				if err := prototext.Unmarshal([]byte(c.want), want); err != nil {
					t.Fatal(err)
				}
				// Ids of tables and actions are P4Info's business.
				want.TableId = e.TableId
				want.Action.GetAction().ActionId = e.GetAction().GetAction().GetActionId()
				if !proto.Equal(e, want) {
					t.Errorf("got  %v\nwant %v", e, want)
				}
			}
			line := c.line
			if line == "" {
				line = c.in
			}
			if got := s.Describe(e).String(); got != line {
				t.Errorf("shown as %s\nwant     %s", got, line)
			}
		})
	}
}

// TestParseKey: what names an entry to delete; a listed line does too.
func TestParseKey(t *testing.T) {
	s := routerSchema(t)
	short, err := s.ParseEntry(strings.Fields("ipv4_routes vrf=0 prefix=10.0.2.0/24"), false)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := s.ParseEntry(strings.Fields("ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1"), false)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(short, listed) || short.Action != nil {
		t.Errorf("%v and %v", short, listed)
	}
}

// TestEntryRefused: every refusal names table, field or action, and the limit.
func TestEntryRefused(t *testing.T) {
	s := routerSchema(t)
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "a table name is missing"},
		{"unknown table", "ipv4_route vrf=0", `unknown table "ipv4_route"; did you mean "ipv4_routes"?`},
		{"table of no likeness", "sessions x=1", `unknown table "sessions"; there are: acl, acl6, buckets, egress_interfaces, interfaces, ipv4_routes, ipv6_routes, neighbours_v4, neighbours_v6, next_hop_groups, next_hops`},
		{"unknown field (p4rt:M1)", "ipv4_routes vrf=0 prefx=10.0.0.0/8 to_host", `unknown match field of table ipv4_routes "prefx"; did you mean "prefix"?`},
		{"field of no likeness", "ipv4_routes x=0 to_host", `unknown match field of table ipv4_routes "x"; there are: prefix, vrf`},
		{"field twice (p4rt:M1)", "ipv4_routes vrf=0 vrf=1 to_host", "table ipv4_routes: field vrf is given twice"},
		{"exact field missing (p4rt:M4)", "ipv4_routes prefix=10.0.0.0/8 to_host", "table ipv4_routes: exact field vrf is missing"},
		{"exact field without value (p4rt:M4)", "ipv4_routes vrf=* to_host", "table ipv4_routes, field vrf: an exact match needs a value, * is for the other match kinds"},
		{"value too wide (p4rt:B4)", "ipv4_routes vrf=65536 to_host", "table ipv4_routes, field vrf: 65536 does not fit in bit<16> (largest value 65535)"},
		{"9 bits (p4rt:B11)", "neighbours_v4 port=512 address=10.0.0.1 to_host", "table neighbours_v4, field port: 512 does not fit in bit<9> (largest value 511)"},
		{"prefix bits (p4rt:M7)", "ipv4_routes vrf=0 prefix=10.0.0.1/8 to_host", "table ipv4_routes, field prefix: 10.0.0.1/8 has bits beyond its prefix; did you mean 10.0.0.0/8?"},
		{"prefix length (p4rt:M6)", "ipv4_routes vrf=0 prefix=10.0.0.0/33 to_host", "table ipv4_routes, field prefix: 10.0.0.0/33: the prefix length must be 0 to 32"},
		{"IPv6 in an IPv4 table", "ipv4_routes vrf=0 prefix=2001:db8::/32 to_host", "table ipv4_routes, field prefix: 2001:db8:: is an IPv6 address of 128 bits, the field is bit<32>"},
		{"mask (p4rt:M8)", "acl protocol=3&&&1 priority=1 deny", "table acl, field protocol: 3&&&1: the value has bits outside the mask"},
		{"range (p4rt:M9)", "acl src_port=5..4 priority=1 deny", "table acl, field src_port: 5..4: the lower end is above the upper end"},
		{"optional", "acl port=512 priority=1 deny", "table acl, field port: 512 does not fit in bit<9> (largest value 511)"},
		{"value missing", "acl src= priority=1 deny", "table acl, field src: a value is missing"},
		{"priority missing", "acl src=10.0.0.0/8 deny", "table acl: priority=N is missing (1 to 2147483647, the larger number wins)"},
		{"priority 0", "acl priority=0 deny", "table acl: priority=0: a number from 1 to 2147483647 is wanted"},
		{"priority too large", "acl priority=2147483648 deny", "table acl: priority=2147483648: a number from 1 to 2147483647 is wanted"},
		{"priority of an lpm table", "ipv4_routes vrf=0 priority=1 to_host", "table ipv4_routes: entries have no priority, all fields are exact or lpm"},
		{"no action", "ipv4_routes vrf=0", "table ipv4_routes: an action is missing; there are: set_group, to_host, RouterIngress.drop"},
		{"unknown action", "ipv4_routes vrf=0 set_groups group=1", `unknown action of table ipv4_routes "set_groups"; did you mean "set_group"?`},
		{"action of another table", "ipv4_routes vrf=0 deny", `unknown action of table ipv4_routes "deny"; there are: RouterIngress.drop, set_group, to_host`},
		{"parameter missing", "ipv4_routes vrf=0 set_group", "action set_group: parameter group is missing"},
		{"parameter too many", "ipv4_routes vrf=0 to_host port=1", `unknown parameter of action to_host "port": there is none`},
		{"unknown parameter", "ipv4_routes vrf=0 set_group grp=1", `unknown parameter of action set_group "grp"; did you mean "group"?`},
		{"parameter twice", "ipv4_routes vrf=0 set_group group=1 group=2", "action set_group: parameter group is given twice"},
		{"no parameter", "ipv4_routes vrf=0 set_group 1", `action set_group: "1" is no PARAM=VALUE`},
		{"parameter too wide (p4rt:B4)", "ipv4_routes vrf=0 set_group group=0x10000", "action set_group, parameter group: 0x10000 does not fit in bit<16> (largest value 65535)"},
		{"parameter of another kind", "neighbours_v4 port=1 address=10.0.0.1 set_neighbour mac=10.0.0.1", "action set_neighbour, parameter mac: 10.0.0.1 is an IPv4 address of 32 bits, the field is bit<48>"},
		{"default with a key", "acl default src=10.0.0.0/8 deny", `table acl: the default action has no key, but "src=10.0.0.0/8" was given`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := s.ParseEntry(strings.Fields(c.in), true)
			if err == nil || err.Error() != c.want {
				t.Errorf("%s\ngot  %v, %v\nwant %s", c.in, e, err, c.want)
			}
		})
	}
	t.Run("deleted with an action that is none", func(t *testing.T) {
		_, err := s.ParseEntry(strings.Fields("ipv4_routes vrf=0 set_groups"), false)
		if want := `unknown action of table ipv4_routes "set_groups"; did you mean "set_group"?`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

// TestNames: full names, aliases and unique last parts find objects.
func TestNames(t *testing.T) {
	table := func(id uint32, name, alias string, actions ...uint32) *p4config.Table {
		t := &p4config.Table{Preamble: &p4config.Preamble{Id: id, Name: name, Alias: alias}}
		for _, a := range actions {
			t.ActionRefs = append(t.ActionRefs, &p4config.ActionRef{Id: a})
		}
		return t
	}
	s := NewSchema(&p4config.P4Info{Tables: []*p4config.Table{
		table(1, "c.a.t", "a.t"), table(2, "c.b.t", "b.t"), table(3, "c.other", "other"),
		{Preamble: &p4config.Preamble{Id: 4, Name: "c.u", Alias: "u"}, MatchFields: []*p4config.MatchField{
			{Id: 1, Name: "h.a.x"}, {Id: 2, Name: "h.b.x"}, {Id: 3, Name: "h.b.y"},
		}},
	}})
	for name, want := range map[string]uint32{"c.a.t": 1, "a.t": 1, "b.t": 2, "other": 3, "c.other": 3} {
		if got, err := s.Table(name); err != nil || got.GetPreamble().GetId() != want {
			t.Errorf("%s: %v, %v, want %d", name, got, err, want)
		}
	}
	if _, err := s.Table("t"); err == nil || err.Error() != `table "t" is ambiguous: c.a.t, c.b.t` {
		t.Errorf("ambiguous table: %v", err)
	}
	u, err := s.Table("u")
	if err != nil {
		t.Fatal(err)
	}
	if f := matchField(u, "y"); f.GetId() != 3 {
		t.Errorf("field y: %v", f)
	}
	if f := matchField(u, "x"); f != nil {
		t.Errorf("ambiguous field x: %v", f)
	}
	if f := matchField(u, "h.a.x"); f.GetId() != 1 {
		t.Errorf("field h.a.x: %v", f)
	}
}

// TestDescribeStrange: what a server sends and P4Info does not have is shown.
func TestDescribeStrange(t *testing.T) {
	s := routerSchema(t)
	if got := s.Describe(&p4.TableEntry{TableId: 7}).String(); got != "table 0x7" {
		t.Errorf("unknown table: %s", got)
	}
	e, err := s.ParseEntry([]string{"acl", "default", "deny"}, true)
	if err != nil {
		t.Fatal(err)
	}
	e.Action.GetAction().ActionId = 9
	if got := s.Describe(e).String(); got != "acl default action 0x9" {
		t.Errorf("unknown action: %s", got)
	}
}

func TestSort(t *testing.T) {
	entries := []Entry{
		{Table: "b", Action: "x"}, {Table: "a", Default: true}, {Table: "a", Priority: 1},
		{Table: "a", Priority: 2, Action: "z"}, {Table: "a", Priority: 2, Action: "y"},
	}
	Sort(entries)
	var got []string
	for _, e := range entries {
		got = append(got, e.String())
	}
	if want := "a priority=2 y|a priority=2 z|a priority=1|a default|b x"; strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
}

// TestEntryRoundTrip: what Describe shows of any entry, ParseEntry reads back.
func TestEntryRoundTrip(t *testing.T) {
	s := routerSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.SampledFrom(s.Info.GetTables()).Draw(t, "table")
		value := func(width int32, label string) string {
			n := rapid.Uint64Range(0, 1<<min(uint(width), 63)-1).Draw(t, label)
			return p4value.Format([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, int(width), p4value.Decimal)
		}
		words := []string{table.GetPreamble().GetName()}
		for _, f := range table.GetMatchFields() {
			v := value(f.GetBitwidth(), f.GetName())
			if f.GetMatchType() != p4config.MatchField_EXACT && rapid.Bool().Draw(t, "don't care") {
				v = "*"
			}
			words = append(words, f.GetName()+"="+v)
		}
		if needsPriority(table) {
			words = append(words, "priority=7")
		}
		action := s.actions[rapid.SampledFrom(table.GetActionRefs()).Draw(t, "action").GetId()]
		words = append(words, action.GetPreamble().GetName())
		for _, p := range action.GetParams() {
			words = append(words, p.GetName()+"="+value(p.GetBitwidth(), p.GetName()))
		}
		e, err := s.ParseEntry(words, true)
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		line := s.Describe(e).String()
		again, err := s.ParseEntry(strings.Fields(line), true)
		if err != nil || !proto.Equal(e, again) {
			t.Fatalf("%v\nshown as %s\nread as %v, %v\nwant    %v", words, line, again, err, e)
		}
	})
}
