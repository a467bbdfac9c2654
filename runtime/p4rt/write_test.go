package p4rt

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// names replaces the words of the tests' data by text format.
var names = strings.NewReplacer(
	"SELECTED", fmt.Sprint(idSelected), "VIA", fmt.Sprint(idVia), "METERED", fmt.Sprint(idMetered), "SELECTOR", fmt.Sprint(idSelector), "PROFILE", fmt.Sprint(idProfile),
	"METER", fmt.Sprint(idMeter), "REGISTER", fmt.Sprint(idRegister), "PAIRS", fmt.Sprint(idPairs), "VALUES", fmt.Sprint(idValueSet), "DIGEST", fmt.Sprint(idDigest),
	"K1", `match{field_id:1 exact{value:"\x01"}}`, "K2", `match{field_id:1 exact{value:"\x02"}}`,
	"PORT7", fmt.Sprintf(`action{action_id:%d params{param_id:1 value:"\x07"}}`, idSet), "PORT8", fmt.Sprintf(`action{action_id:%d params{param_id:1 value:"\x08"}}`, idSet),
	"DISCARDS", fmt.Sprintf(`action{action_id:%d}`, idDrop),
	"TABLE_UNKNOWN", fmt.Sprint(idUnknown), "EXACT", fmt.Sprint(idExact), "ACL", fmt.Sprint(idACL), "ROUTES", fmt.Sprint(idRoutes),
	"THECONST", fmt.Sprint(idTheConst), "CONST", fmt.Sprint(idConst), "INIT", fmt.Sprint(idInit), "KEYLESS", fmt.Sprint(idKeyless),
	"NOACTION", fmt.Sprint(idNoAction), "SET", fmt.Sprint(idSet), "DROP", fmt.Sprint(idDrop), "DEFONLY", fmt.Sprint(idDefaultOnly), "TABONLY", fmt.Sprint(idTableOnly),
	"CELLS", fmt.Sprint(idCells),
	"KEY1", `match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x00"}}`,
	"KEY2", `match{field_id:1 exact{value:"\x02"}} match{field_id:2 exact{value:"\x00"}}`,
	"SRC", `match{field_id:1 ternary{value:"\x0a\x00\x00\x00" mask:"\xff\x00\x00\x00"}}`,
	"FORWARD", fmt.Sprintf(`action{action{action_id:%d params{param_id:1 value:"\x07"} params{param_id:2 value:"\x08"}}}`, idSet),
	"NOOP", fmt.Sprintf(`action{action{action_id:%d}}`, idNoAction),
	"DISCARD", fmt.Sprintf(`action{action{action_id:%d}}`, idDrop),
)

// parse reads "INSERT table_entry{...}" and the like.
func parse(t testing.TB, text string) *p4v1.Update {
	t.Helper()
	verb, entity, _ := strings.Cut(text, " ")
	u := &p4v1.Update{Type: p4v1.Update_Type(p4v1.Update_Type_value[verb])}
	u.Entity = parseEntity(t, entity)
	return u
}

func parseEntity(t testing.TB, text string) *p4v1.Entity {
	t.Helper()
	e := &p4v1.Entity{}
	if err := prototext.Unmarshal([]byte(names.Replace(text)), e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func parseAll(t testing.TB, texts []string) []*p4v1.Update {
	t.Helper()
	var us []*p4v1.Update
	for _, s := range texts {
		us = append(us, parse(t, s))
	}
	return us
}

func TestWriteConformance(t *testing.T) {
	const (
		put1   = "INSERT table_entry{table_id:EXACT KEY1 FORWARD}"
		putACL = "INSERT table_entry{table_id:ACL priority:5 SRC DISCARD}"
	)
	for _, c := range []writeCase{
		{"W3 insert", nil, put1, codes.OK, ""},
		{"W3 twice", []string{put1}, put1, codes.AlreadyExists, "table ingress.exact: entry hdr.a=0x0001, hdr.b=0x0000 exists"},
		{"W4 missing", nil, "MODIFY table_entry{table_id:EXACT KEY1 FORWARD}", codes.NotFound, "no entry hdr.a=0x0001"},
		{"W4", []string{put1}, "MODIFY table_entry{table_id:EXACT KEY1 NOOP}", codes.OK, ""},
		{"W5 missing", nil, "DELETE table_entry{table_id:EXACT KEY1}", codes.NotFound, "no entry"},
		{"W6 type", nil, "UNSPECIFIED table_entry{table_id:EXACT KEY1 FORWARD}", codes.InvalidArgument, "update type is not set"},
		{"W6 entity", nil, "INSERT ", codes.InvalidArgument, "has no entity"},
		{"T1 unknown table", nil, "INSERT table_entry{table_id:TABLE_UNKNOWN}", codes.InvalidArgument, "table_id 0x02ffffff is unknown"},
		{"T1 id of an action", nil, "INSERT table_entry{table_id:SET}", codes.InvalidArgument, "is that of action ingress.set"},
		{"T2 no table", nil, "INSERT table_entry{}", codes.InvalidArgument, "table_id is not set"},
		{"T3 priority missing", nil, "INSERT table_entry{table_id:ACL SRC DISCARD}", codes.InvalidArgument, "table ingress.acl: priority is not set"},
		{"T3 priority on exact", nil, "INSERT table_entry{table_id:EXACT priority:1 KEY1 FORWARD}", codes.InvalidArgument, "table ingress.exact: priority 1"},
		{"T3 priority on lpm", nil, "INSERT table_entry{table_id:ROUTES priority:1 FORWARD}", codes.InvalidArgument, "priority 1"},
		{"T3 negative", nil, "INSERT table_entry{table_id:ACL priority:-1 SRC DISCARD}", codes.InvalidArgument, "priority -1 is negative"},
		{"T4 same priority", []string{putACL}, `INSERT table_entry{table_id:ACL priority:5 match{field_id:3 optional{value:"\x06"}} DISCARD}`, codes.OK, ""},
		{"T5 other priority", []string{putACL}, "INSERT table_entry{table_id:ACL priority:6 SRC DISCARD}", codes.OK, ""},
		{"T5 modify with other priority", []string{putACL}, "MODIFY table_entry{table_id:ACL priority:6 SRC DISCARD}", codes.NotFound, "priority 6"},
		{"T6 delete ignores junk", []string{put1}, "DELETE table_entry{table_id:EXACT KEY1 action{action{action_id:99}} idle_timeout_ns:7 metadata:\"x\" counter_data{byte_count:-1}}", codes.OK, ""},
		{"T7 keyless", nil, "INSERT table_entry{table_id:KEYLESS FORWARD}", codes.InvalidArgument, "it has no key"},
		{"T9 is_const", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD is_const:true}", codes.InvalidArgument, "is_const"},
		{"T11 insert without action", nil, "INSERT table_entry{table_id:EXACT KEY1}", codes.InvalidArgument, "INSERT without action"},
		{"T11 modify without action", []string{put1}, "MODIFY table_entry{table_id:EXACT KEY1}", codes.OK, ""},
		{"T12 member", nil, "INSERT table_entry{table_id:EXACT KEY1 action{action_profile_member_id:1}}", codes.InvalidArgument, "it has no action profile"},
		{"T12 action set", nil, "INSERT table_entry{table_id:EXACT KEY1 action{action_profile_action_set{}}}", codes.InvalidArgument, "it has no action profile"},
		{"T12 empty", nil, "INSERT table_entry{table_id:EXACT KEY1 action{}}", codes.InvalidArgument, "type is not set"},
		{"T13 unknown action", nil, "INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:77}}}", codes.InvalidArgument, "action_id 0x0000004d is none of its actions"},
		{"T13 action of another table", nil, "INSERT table_entry{table_id:ROUTES action{action{action_id:DROP}}}", codes.InvalidArgument, "is none of its actions"},
		{"T13 default only", nil, `INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:DEFONLY params{param_id:1 value:"\x01"}}}}`, codes.PermissionDenied, "ingress.default_only is @defaultonly"},
		{"T13 table only", nil, "MODIFY table_entry{table_id:EXACT is_default_action:true action{action{action_id:TABONLY}}}", codes.PermissionDenied, "ingress.table_only is @tableonly"},
		{"T14 missing", nil, `INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:SET params{param_id:1 value:"\x01"}}}}`, codes.InvalidArgument, "action ingress.set: parameter mac is missing"},
		{"T14 extra", nil, `INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:NOACTION params{param_id:1 value:"\x01"}}}}`, codes.InvalidArgument, "param_id 1 is none"},
		{"T14 twice", nil, `INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:SET params{param_id:1 value:"\x01"} params{param_id:1 value:"\x01"}}}}`, codes.InvalidArgument, "parameter port is given twice"},
		{"T14 too wide", nil, `INSERT table_entry{table_id:EXACT KEY1 action{action{action_id:SET params{param_id:1 value:"\x02\x00"} params{param_id:2 value:"\x01"}}}}`, codes.OutOfRange, "table ingress.exact: action ingress.set: parameter port: value 0x0200 does not fit bit<9>"},
		{"T16 insert default", nil, "INSERT table_entry{table_id:EXACT is_default_action:true FORWARD}", codes.InvalidArgument, "default action can only be modified"},
		{"T16 delete default", nil, "DELETE table_entry{table_id:EXACT is_default_action:true}", codes.InvalidArgument, "default action can only be modified"},
		{"T17 default with match", nil, "MODIFY table_entry{table_id:EXACT is_default_action:true KEY1 FORWARD}", codes.InvalidArgument, "with match"},
		{"T17 default with priority", nil, "MODIFY table_entry{table_id:ACL is_default_action:true priority:1 DISCARD}", codes.InvalidArgument, "with priority 1"},
		{"T18 default", nil, "MODIFY table_entry{table_id:KEYLESS is_default_action:true FORWARD}", codes.OK, ""},
		{"T18 reset", nil, "MODIFY table_entry{table_id:KEYLESS is_default_action:true}", codes.OK, ""},
		{"T19 const default", nil, "MODIFY table_entry{table_id:THECONST is_default_action:true FORWARD}", codes.PermissionDenied, "its default action is const"},
		{"T21 default with timeout", nil, "MODIFY table_entry{table_id:EXACT is_default_action:true idle_timeout_ns:5 FORWARD}", codes.InvalidArgument, "idle_timeout_ns 5"},
		{"M1 unknown field", nil, `INSERT table_entry{table_id:EXACT KEY1 match{field_id:9 exact{value:"\x01"}} FORWARD}`, codes.InvalidArgument, "field_id 9 is none of its 2 fields"},
		{"M1 twice", nil, `INSERT table_entry{table_id:EXACT KEY1 match{field_id:1 exact{value:"\x01"}} FORWARD}`, codes.InvalidArgument, "field hdr.a is given twice"},
		{"M2 unset", nil, "INSERT table_entry{table_id:EXACT match{field_id:1} FORWARD}", codes.InvalidArgument, "the match is not set"},
		{"M3 kind", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 optional{value:"\x01"}} FORWARD}`, codes.InvalidArgument, "a match of kind optional where exact is expected"},
		{"M4 exact omitted", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} FORWARD}`, codes.InvalidArgument, "field hdr.b is missing"},
		{"M5 mask 0", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:1 ternary{value:"\x00" mask:"\x00"}} DISCARD}`, codes.InvalidArgument, "mask 0 is don't care"},
		{"M5 prefix 0", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x00" prefix_len:0}} FORWARD}`, codes.InvalidArgument, "prefix length 0 is don't care"},
		{"M5 full range", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:2 range{low:"\x00" high:"\xff\xff"}} DISCARD}`, codes.InvalidArgument, "full range is don't care"},
		{"M5 all omitted", nil, "INSERT table_entry{table_id:ACL priority:1 DISCARD}", codes.OK, ""},
		{"M6 negative", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:-1}} FORWARD}`, codes.InvalidArgument, "prefix length -1 is not in 1..32"},
		{"M6 too long", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:33}} FORWARD}`, codes.InvalidArgument, "prefix length 33 is not in 1..32"},
		{"M6 host route", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x01" prefix_len:32}} FORWARD}`, codes.OK, ""},
		{"M7 bits beyond", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x10\x00" prefix_len:19}} FORWARD}`, codes.InvalidArgument, "value 0x0a001000 has bits beyond prefix length 19"},
		{"M7 last bit", nil, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x20\x00" prefix_len:19}} FORWARD}`, codes.OK, ""},
		{"M8 outside mask", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:1 ternary{value:"\x03" mask:"\x01"}} DISCARD}`, codes.InvalidArgument, "value 0x00000003 has bits outside mask 0x00000001"},
		{"M9 low above high", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:2 range{low:"\x02" high:"\x01"}} DISCARD}`, codes.InvalidArgument, "low 0x0002 is above high 0x0001"},
		{"M9 one value", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:2 range{low:"\x02" high:"\x02"}} DISCARD}`, codes.OK, ""},
		{"M10 optional", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:3 optional{value:"\x00"}} DISCARD}`, codes.OK, ""},
		{"M11 other", nil, `INSERT table_entry{table_id:ACL priority:1 match{field_id:3 other{type_url:"x"}} DISCARD}`, codes.InvalidArgument, "architecture specific"},
		{"M12 order and padding", []string{put1}, `INSERT table_entry{table_id:EXACT match{field_id:2 exact{value:"\x00\x00\x00"}} match{field_id:1 exact{value:"\x00\x01"}} FORWARD}`, codes.AlreadyExists, "exists"},
		{"B1 over-long", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x00\x00\x00\x63"}} match{field_id:2 exact{value:"\x01\xff"}} FORWARD}`, codes.OK, ""},
		{"B3 empty", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:""}} match{field_id:2 exact{value:"\x00"}} FORWARD}`, codes.OutOfRange, "field hdr.a: value is an empty string"},
		{"B4 too wide", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01\x00\x00"}} match{field_id:2 exact{value:"\x00"}} FORWARD}`, codes.OutOfRange, "table ingress.exact: field hdr.a: value 0x010000 does not fit bit<16>"},
		{"B11 bits above W", nil, `INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x02\x00"}} FORWARD}`, codes.OutOfRange, "does not fit bit<9>"},
		{"K1 insert", nil, "INSERT table_entry{table_id:CONST priority:9 FORWARD}", codes.PermissionDenied, "its entries are const"},
		{"K1 delete", nil, "DELETE table_entry{table_id:CONST priority:1}", codes.PermissionDenied, "its entries are const"},
		{"K1 modify", nil, "MODIFY table_entry{table_id:CONST priority:1 DISCARD}", codes.PermissionDenied, "its entries are const"},
		{"K2 counter", nil, "MODIFY table_entry{table_id:CONST priority:1 counter_data{packet_count:3}}", codes.OK, ""},
		{"K5 const entry", nil, `DELETE table_entry{table_id:INIT match{field_id:1 exact{value:"\x01"}}}`, codes.PermissionDenied, "entry k=0x01 is const"},
		{"K5 other entry", nil, `DELETE table_entry{table_id:INIT match{field_id:1 exact{value:"\x02"}}}`, codes.OK, ""},
		{"DR1 no counter", nil, "INSERT table_entry{table_id:ROUTES FORWARD counter_data{}}", codes.InvalidArgument, "table ingress.routes: counter_data, but the table has no direct counter"},
		{"DR1 no meter", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD meter_config{cir:1}}", codes.InvalidArgument, "has no direct meter"},
		{"DR5 meter counters", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD meter_counter_data{}}", codes.InvalidArgument, "has no direct meter"},
		{"DR2 initial value", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD counter_data{packet_count:3}}", codes.OK, ""},
		{"DR2 negative", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD counter_data{packet_count:-3}}", codes.InvalidArgument, "is negative"},
		{"IT1 no timeout", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD idle_timeout_ns:9}", codes.InvalidArgument, "idle_timeout_ns 9, but the table has no idle timeout"},
		{"IT2 last hit", nil, "INSERT table_entry{table_id:EXACT KEY1 FORWARD time_since_last_hit{}}", codes.InvalidArgument, "time_since_last_hit cannot be written"},
		{"C1 insert", nil, "INSERT counter_entry{counter_id:CELLS index{index:1} data{packet_count:1}}", codes.InvalidArgument, "a counter can only be modified"},
		{"C2 negative", nil, "MODIFY counter_entry{counter_id:CELLS index{index:-1} data{packet_count:1}}", codes.InvalidArgument, "counter ingress.cells: index -1 is negative"},
		{"C2 too large", nil, "MODIFY counter_entry{counter_id:CELLS index{index:8} data{packet_count:1}}", codes.OutOfRange, "counter ingress.cells: index 8 is not below its size 8"},
		{"C3 all cells", nil, "MODIFY counter_entry{counter_id:CELLS data{packet_count:1}}", codes.OK, ""},
		{"C4 data unset", nil, "MODIFY counter_entry{counter_id:CELLS index{index:1}}", codes.OK, ""},
		{"C5 no id", nil, "MODIFY counter_entry{data{packet_count:1}}", codes.InvalidArgument, "counter_id is not set"},
		{"C6 entry missing", nil, "MODIFY direct_counter_entry{table_entry{table_id:EXACT KEY1} data{packet_count:1}}", codes.NotFound, "no entry"},
		{"C6 entry missing, data unset", nil, "MODIFY direct_counter_entry{table_entry{table_id:EXACT KEY1}}", codes.NotFound, "no entry"},
		{"C6 ignores the action", []string{put1}, "MODIFY direct_counter_entry{table_entry{table_id:EXACT KEY1 action{action{action_id:99}}} data{packet_count:1}}", codes.OK, ""},
		{"C6 insert", []string{put1}, "INSERT direct_counter_entry{table_entry{table_id:EXACT KEY1} data{packet_count:1}}", codes.InvalidArgument, "can only be modified"},
		{"C6 no table entry", nil, "MODIFY direct_counter_entry{}", codes.InvalidArgument, "table_entry is not set"},
		{"C6 no counter", nil, "MODIFY direct_counter_entry{table_entry{table_id:ROUTES}}", codes.InvalidArgument, "has no direct counter"},
		{"C7 default", nil, "MODIFY direct_counter_entry{table_entry{table_id:KEYLESS is_default_action:true} data{packet_count:1}}", codes.OK, ""},
		{"PR13 unset", nil, "INSERT packet_replication_engine_entry{}", codes.InvalidArgument, "has no type"},
		{"EX3 extern", nil, "INSERT extern_entry{extern_type_id:1}", codes.Unimplemented, "extern entry is not supported"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) { ready(t).conform(c) })
	}
}

// writeCase is one write to a device that has what before made.
type writeCase struct {
	id     string
	before []string
	in     string
	code   codes.Code
	text   string // part of the message
}

func (r *rig) conform(c writeCase) {
	r.t.Helper()
	for _, u := range c.before {
		r.mustWrite(parse(r.t, u))
	}
	err := r.write(parse(r.t, c.in))
	if c.code == codes.OK {
		if err != nil {
			r.t.Fatalf("got %v %v", err, details(err))
		}
		return
	}
	// E3, E8: UNKNOWN and one error, for a batch of one too.
	ds := details(err)
	if status.Code(err) != codes.Unknown || len(ds) != 1 {
		r.t.Fatalf("got %v with %d details", err, len(ds))
	}
	if codes.Code(ds[0].GetCanonicalCode()) != c.code || !strings.Contains(ds[0].GetMessage(), c.text) {
		r.t.Errorf("got %v %q, want %v %q", codes.Code(ds[0].GetCanonicalCode()), ds[0].GetMessage(), c.code, c.text)
	}
	if ds[0].GetSpace() == "" {
		r.t.Error("p4rt:E5: no space")
	}
}

func TestBatch(t *testing.T) {
	r := ready(t)
	t.Run("p4rt:E3", func(t *testing.T) {
		err := r.write(parseAll(t, []string{
			"INSERT table_entry{table_id:EXACT KEY1 FORWARD}",
			"INSERT table_entry{table_id:EXACT KEY1 FORWARD}",
			"INSERT table_entry{table_id:TABLE_UNKNOWN}",
			"INSERT table_entry{table_id:EXACT KEY2 FORWARD}",
		})...)
		var got []codes.Code
		for i, d := range details(err) {
			got = append(got, codes.Code(d.GetCanonicalCode()))
			if d.GetCanonicalCode() == 0 && (d.GetMessage() != "" || d.GetSpace() != "") {
				t.Errorf("error %d is OK and has a text", i)
			}
		}
		if want := []codes.Code{codes.OK, codes.AlreadyExists, codes.InvalidArgument, codes.OK}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		// E4: the status in the details is the RPC's.
		if st := status.Convert(err); st.Code() != codes.Unknown || st.Proto().GetMessage() != st.Message() || !strings.Contains(st.Message(), "2 of 4 updates failed") {
			t.Errorf("status %v", st)
		}
	})
	t.Run("p4rt:E1 p4rt:W14 empty", func(t *testing.T) {
		if err := r.write(); err != nil {
			t.Error(err)
		}
	})
	t.Run("p4rt:W12 in the dataplane", func(t *testing.T) {
		if n := len(r.plane.Table(storetest.Exact)); n != 3 { // two and the default
			t.Errorf("%d entries", n)
		}
	})
	t.Run("p4rt:T8 full", func(t *testing.T) {
		var us []*p4v1.Update
		for i := range 4 {
			us = append(us, parse(t, strings.ReplaceAll("INSERT table_entry{table_id:EXACT KEY1 FORWARD}", "KEY1",
				fmt.Sprintf(`match{field_id:1 exact{value:"\x1%d"}} match{field_id:2 exact{value:"\x00"}}`, i))))
		}
		ds := details(r.write(us...))
		if len(ds) != 4 || ds[1].GetCanonicalCode() != 0 || codes.Code(ds[3].GetCanonicalCode()) != codes.ResourceExhausted || ds[3].GetMessage() != "table ingress.exact is full: its size is 4" {
			t.Errorf("got %v", ds)
		}
	})
	t.Run("dataplane refuses", func(t *testing.T) {
		r.plane.FailOp = func(op dataplane.Op) error {
			return &dataplane.Unsupported{Construct: "priority", Reason: "not here"}
		}
		ds := details(r.write(parse(t, "INSERT table_entry{table_id:ACL priority:5 SRC DISCARD}")))
		if len(ds) != 1 || codes.Code(ds[0].GetCanonicalCode()) != codes.Unimplemented || !strings.Contains(ds[0].GetMessage(), "entry src=0x0a000000&&&0xff000000 priority 5: books: priority: not here") {
			t.Errorf("got %v", ds)
		}
	})
}

func TestWholeWriteErrors(t *testing.T) {
	ok := func(m *p4v1.WriteRequest) {}
	for _, c := range []struct {
		id      string
		noSet   bool
		change  func(*p4v1.WriteRequest)
		code    codes.Code
		text    string
		options func(*Options)
	}{
		{"W1 device", false, func(m *p4v1.WriteRequest) { m.DeviceId = 2 }, codes.NotFound, "device 2 is unknown", nil},
		{"S7 device 0", false, func(m *p4v1.WriteRequest) { m.DeviceId = 0 }, codes.NotFound, "device 0 is unknown", nil},
		{"W1 role", false, func(m *p4v1.WriteRequest) { m.Role = "nobody" }, codes.NotFound, `role "nobody" is unknown`, nil},
		{"W1 not primary", false, func(m *p4v1.WriteRequest) { m.ElectionId = eid(2) }, codes.PermissionDenied, "election id (0,2), the primary's is (0,1)", nil},
		{"W2 unset", false, func(m *p4v1.WriteRequest) { m.ElectionId = nil }, codes.PermissionDenied, "no election id", nil},
		{"W1 no pipeline Q10", true, ok, codes.FailedPrecondition, "No forwarding pipeline config", nil},
		{"W1 order", true, func(m *p4v1.WriteRequest) { m.ElectionId = eid(2) }, codes.PermissionDenied, "not primary", nil},
		{"W9", false, func(m *p4v1.WriteRequest) { m.Atomicity = p4v1.WriteRequest_DATAPLANE_ATOMIC }, codes.Unimplemented, "DATAPLANE_ATOMIC", nil},
		{"W10", false, func(m *p4v1.WriteRequest) { m.Atomicity = 9 }, codes.InvalidArgument, "atomicity 9", nil},
		{"Q2 alias", false, func(m *p4v1.WriteRequest) { m.DeviceId = 0 }, codes.OK, "", func(o *Options) { o.AcceptDeviceZero = true }},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			var r *rig
			if c.options != nil {
				r = newRig(t, c.options)
			} else {
				r = newRig(t)
			}
			r.primary()
			if !c.noSet {
				if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, ""); err != nil {
					t.Fatal(err)
				}
			}
			m := &p4v1.WriteRequest{DeviceId: 1, ElectionId: eid(1), Updates: parseAll(t, []string{"INSERT table_entry{table_id:EXACT KEY1 FORWARD}"})}
			c.change(m)
			_, err := r.client.Write(t.Context(), m)
			if status.Code(err) != c.code || c.code != codes.OK && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v %q", err, c.code, c.text)
			}
			if len(details(err)) != 0 {
				t.Error("p4rt:E2: the error has details")
			}
		})
	}
}

// TestRollback: p4rt:W8: all updates of a batch or none, whoever refuses one.
func TestRollback(t *testing.T) {
	r := readyWith(t, "objects")
	r.mustWrite(parseAll(t, []string{"INSERT table_entry{table_id:METERED K1 action{PORT7} meter_config{cir:1 pir:2}}", "MODIFY meter_entry{meter_id:METER index{index:1} config{cir:1 pir:2}}", mcast("INSERT", "multicast_group_id:1")})...)
	before, table := r.plane.Objects(), fmt.Sprint(r.plane.Table(storetest.Metered))
	write := func(texts ...string) []codes.Code {
		t.Helper()
		_, err := r.client.Write(t.Context(), &p4v1.WriteRequest{DeviceId: 1, ElectionId: eid(1), Atomicity: p4v1.WriteRequest_ROLLBACK_ON_ERROR, Updates: parseAll(t, texts)})
		var out []codes.Code
		for _, d := range details(err) {
			out = append(out, codes.Code(d.GetCanonicalCode()))
		}
		if err != nil && out == nil {
			t.Fatal(err)
		}
		return out
	}
	expect := func(what string, got []codes.Code, want ...codes.Code) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
		for range 2 { // and after a restart
			if now := r.plane.Objects(); !slices.Equal(now, before) || fmt.Sprint(r.plane.Table(storetest.Metered)) != table {
				t.Errorf("%s: the dataplane has %v and %v, want %v and %s", what, now, r.plane.Table(storetest.Metered), before, table)
			}
			r.restart()
		}
		r.primary()
	}
	batch := []string{
		"MODIFY table_entry{table_id:METERED K1 action{PORT8}}", "INSERT table_entry{table_id:METERED K2 action{PORT7}}", "MODIFY meter_entry{meter_id:METER config{cir:5 pir:6}}",
		mcast("DELETE", "multicast_group_id:1"), member("INSERT", 1, "PORT7"),
	}
	expect("malformed", write(append(batch[:5:5], "INSERT table_entry{table_id:TABLE_UNKNOWN}")...), codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.InvalidArgument)
	expect("not there", write(append(batch[:5:5], mcast("DELETE", "multicast_group_id:9"))...), codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.NotFound)
	r.plane.FailObject = func(what string) error {
		if what == "multicast 3" {
			return dataplane.ErrFull
		}
		return nil
	}
	expect("refused by the dataplane", write(append(batch[:5:5], mcast("INSERT", "multicast_group_id:3"))...), codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.Aborted, codes.ResourceExhausted)
	r.plane.FailObject = nil
	expect("registers", write(batch[0], `MODIFY register_entry{register_id:REGISTER index{index:1} data{bitstring:"\x05"}}`), codes.Aborted, codes.Unimplemented)
	if got := write(batch[:5]...); got != nil {
		t.Errorf("all are done: %v", got)
	}
	if now := r.plane.Objects(); slices.Equal(now, before) || len(r.plane.Table(storetest.Metered)) != 3 {
		t.Errorf("the dataplane has %v", now)
	}
}

// TestMachineForm checks what the dataplane is told (p4rt:B6, B8).
func TestMachineForm(t *testing.T) {
	r := ready(t)
	r.mustWrite(parse(t, `INSERT table_entry{table_id:ACL priority:5 SRC match{field_id:2 range{low:"\x01" high:"\x01\x00"}} FORWARD}`))
	e := r.plane.Table(storetest.ACL)[1]
	want := ir.Entry{Handle: 1, Priority: 5, Action: 2, Args: [][]byte{{0, 7}, {0, 0, 0, 0, 0, 8}}, Match: []ir.Match{
		{Value: []byte{10, 0, 0, 0}, Mask: []byte{255, 0, 0, 0}}, {Value: []byte{0, 1}, Mask: []byte{1, 0}}, {}}}
	if fmt.Sprint(e) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", e, want)
	}
}
