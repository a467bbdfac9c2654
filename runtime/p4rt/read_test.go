package p4rt

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// same compares entities without order.
func same(t *testing.T, got []*p4v1.Entity, want ...string) {
	t.Helper()
	var a, b []string
	for _, e := range got {
		a = append(a, fmt.Sprint(e))
	}
	for _, w := range want {
		b = append(b, fmt.Sprint(parseEntity(t, w)))
	}
	norm := func(ss []string) {
		for i := range ss { // the text printer varies its blanks
			ss[i] = strings.Join(strings.Fields(ss[i]), " ")
		}
		slices.Sort(ss)
	}
	norm(a)
	norm(b)
	if !slices.Equal(a, b) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

func TestReadConformance(t *testing.T) {
	r := ready(t)
	const (
		e1 = `table_entry{table_id:EXACT KEY1 FORWARD metadata:"one"}`
		e2 = `table_entry{table_id:EXACT KEY2 NOOP controller_metadata:5}`
		a1 = `table_entry{table_id:ACL priority:5 SRC DISCARD}`
		a2 = `table_entry{table_id:ACL priority:6 SRC NOOP}`
		a3 = `table_entry{table_id:ACL priority:6 match{field_id:2 range{low:"\x00" high:"\x01\x00"}} match{field_id:3 optional{value:"\x06"}} DISCARD}`
		r0 = `table_entry{table_id:ROUTES FORWARD}`
		r1 = `table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:8}} FORWARD}`
		c1 = `table_entry{table_id:CONST priority:2 is_const:true match{field_id:1 ternary{value:"\x10" mask:"\xf0"}} action{action{action_id:SET params{param_id:1 value:"\x01"} params{param_id:2 value:"\x02"}}}}`
		c2 = `table_entry{table_id:CONST priority:1 is_const:true DISCARD}`
		i1 = `table_entry{table_id:INIT is_const:true match{field_id:1 exact{value:"\x01"}} DISCARD}`
		i2 = `table_entry{table_id:INIT match{field_id:1 exact{value:"\x02"}} action{action{action_id:SET params{param_id:1 value:"\x03"} params{param_id:2 value:"\x04"}}}}`
		d1 = `table_entry{table_id:EXACT is_default_action:true NOOP}`
		d2 = `table_entry{table_id:ACL is_default_action:true DISCARD}`
		d3 = `table_entry{table_id:ROUTES is_default_action:true NOOP}`
		d4 = `table_entry{table_id:CONST is_default_action:true is_const:true DISCARD}`
		d5 = `table_entry{table_id:INIT is_default_action:true NOOP}`
		d6 = `table_entry{table_id:KEYLESS is_default_action:true FORWARD metadata:"d"}`
		d7 = `table_entry{table_id:THECONST is_default_action:true is_const:true NOOP}`
	)
	r.mustWrite(parseAll(t, []string{"INSERT " + e1, "INSERT " + e2, "INSERT " + a1, "INSERT " + a2, "INSERT " + a3, "INSERT " + r0, "INSERT " + r1, "MODIFY " + d6})...)
	for _, h := range []uint32{1, 2} {
		r.plane.Count(storetest.Exact, h, uint64(h)*10)
	}
	r.plane.Count(storetest.Exact, 0, 3)
	r.plane.CountCell("ingress.cells", 2, 9)
	cell := func(i, n int) string {
		return fmt.Sprintf("counter_entry{counter_id:CELLS index{index:%d} data{packet_count:%d byte_count:%d}}", i, n, 100*n)
	}
	for _, c := range []struct {
		id   string
		in   string
		want []string
	}{
		{"RD5 all tables", "table_entry{}", []string{e1, e2, a1, a2, a3, r0, r1, c1, c2, i1, i2}},
		{"RD5 RD6 one table", "table_entry{table_id:EXACT}", []string{e1, e2}},
		{"RD5 match", "table_entry{table_id:EXACT KEY1}", []string{e1}},
		{"RD5 match and priority", "table_entry{table_id:ACL SRC priority:5}", []string{a1}},
		{"RD5 match, any priority", "table_entry{table_id:ACL SRC}", []string{a1, a2}},
		{"RD5 priority", "table_entry{table_id:ACL priority:6}", []string{a2, a3}},
		{"RD5 action", "table_entry{table_id:ACL DISCARD}", []string{a1, a3}},
		{"RD5 metadata", `table_entry{table_id:EXACT metadata:"one"}`, []string{e1}},
		{"RD5 controller_metadata", "table_entry{table_id:EXACT controller_metadata:5}", []string{e2}},
		{"RD5 filters together", `table_entry{table_id:EXACT KEY1 controller_metadata:5}`, nil},
		{"RD6 default", "table_entry{table_id:KEYLESS is_default_action:true}", []string{d6}},
		{"K7 const default", "table_entry{table_id:CONST is_default_action:true}", []string{d4}},
		{"RD7 absent key", `table_entry{table_id:EXACT match{field_id:1 exact{value:"\x77"}} match{field_id:2 exact{value:"\x00"}}}`, nil},
		{"RD8 wildcard wins", "table_entry{table_id:ROUTES}", []string{r0, r1}},
		{"RD9 all defaults", "table_entry{is_default_action:true}", []string{d1, d2, d3, d4, d5, d6, d7}},
		{"K3 const entries", "table_entry{table_id:CONST}", []string{c1, c2}},
		{"K9 initial entries", "table_entry{table_id:INIT}", []string{i1, i2}},
		{"DR6 counters on request", "table_entry{table_id:EXACT KEY1 counter_data{}}", []string{`table_entry{table_id:EXACT KEY1 FORWARD metadata:"one" counter_data{packet_count:10 byte_count:1000}}`}},
		{"DR6 table without counter", "table_entry{table_id:ROUTES counter_data{}}", []string{r0, r1}},
		{"B5 padded request", `table_entry{table_id:EXACT match{field_id:1 exact{value:"\x00\x01"}} match{field_id:2 exact{value:"\x00\x00"}}}`, []string{e1}},
		{"C6 one", "direct_counter_entry{table_entry{table_id:EXACT KEY2}}", []string{"direct_counter_entry{table_entry{table_id:EXACT KEY2} data{packet_count:20 byte_count:2000}}"}},
		{"C6 table", "direct_counter_entry{table_entry{table_id:EXACT}}", []string{
			"direct_counter_entry{table_entry{table_id:EXACT KEY1} data{packet_count:10 byte_count:1000}}",
			"direct_counter_entry{table_entry{table_id:EXACT KEY2} data{packet_count:20 byte_count:2000}}"}},
		{"C6 all tables", "direct_counter_entry{table_entry{}}", []string{
			"direct_counter_entry{table_entry{table_id:EXACT KEY1} data{packet_count:10 byte_count:1000}}",
			"direct_counter_entry{table_entry{table_id:EXACT KEY2} data{packet_count:20 byte_count:2000}}",
			"direct_counter_entry{table_entry{table_id:ACL priority:5 SRC} data{}}",
			"direct_counter_entry{table_entry{table_id:ACL priority:6 SRC} data{}}",
			`direct_counter_entry{table_entry{table_id:ACL priority:6 match{field_id:2 range{low:"\x00" high:"\x01\x00"}} match{field_id:3 optional{value:"\x06"}}} data{}}`,
			`direct_counter_entry{table_entry{table_id:CONST priority:2 match{field_id:1 ternary{value:"\x10" mask:"\xf0"}}} data{}}`,
			"direct_counter_entry{table_entry{table_id:CONST priority:1} data{}}"}},
		{"C7 default", "direct_counter_entry{table_entry{table_id:EXACT is_default_action:true}}", []string{"direct_counter_entry{table_entry{table_id:EXACT is_default_action:true} data{packet_count:3 byte_count:300}}"}},
		{"C5 cell", "counter_entry{counter_id:CELLS index{index:2}}", []string{cell(2, 9)}},
		{"C5 all cells", "counter_entry{}", []string{cell(0, 0), cell(1, 0), cell(2, 9), cell(3, 0), cell(4, 0), cell(5, 0), cell(6, 0), cell(7, 0)}},
		{"Q13 members", "action_profile_member{}", nil},
		{"Q13 groups", "action_profile_group{}", nil},
		{"Q13 multicast", "packet_replication_engine_entry{multicast_group_entry{}}", nil},
		{"Q13 clone", "packet_replication_engine_entry{clone_session_entry{}}", nil},
		{"Q13 meters", "meter_entry{}", nil},
		{"Q13 direct meters", "direct_meter_entry{table_entry{}}", nil},
		{"Q13 value sets", "value_set_entry{}", nil},
		{"Q13 registers", "register_entry{}", nil},
		{"Q13 digests", "digest_entry{}", nil},
		{"EX4 externs", "extern_entry{}", nil},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			got, err := r.read(parseEntity(t, c.in))
			if err != nil {
				t.Fatal(err, details(err))
			}
			same(t, got, c.want...)
		})
	}
	t.Run("p4rt:RD15 none", func(t *testing.T) {
		if got, err := r.read(); err != nil || len(got) != 0 {
			t.Errorf("got %v %v", got, err)
		}
	})
	t.Run("p4rt:RD13 overlap", func(t *testing.T) {
		got, err := r.read(parseEntity(t, "table_entry{table_id:EXACT KEY1}"), parseEntity(t, "table_entry{table_id:EXACT}"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, e1, e1, e2)
	})
	t.Run("p4rt:RD3 others are answered", func(t *testing.T) {
		got, err := r.read(parseEntity(t, "table_entry{table_id:TABLE_UNKNOWN}"), parseEntity(t, "table_entry{table_id:EXACT KEY1}"), &p4v1.Entity{},
			parseEntity(t, `direct_counter_entry{table_entry{table_id:EXACT match{field_id:1 exact{value:"\x77"}} match{field_id:2 exact{value:"\x00"}}}}`),
			parseEntity(t, "register_entry{register_id:7}"))
		same(t, got, e1)
		var cs []codes.Code
		for _, d := range details(err) {
			cs = append(cs, codes.Code(d.GetCanonicalCode()))
		}
		if want := []codes.Code{codes.InvalidArgument, codes.OK, codes.InvalidArgument, codes.NotFound, codes.InvalidArgument}; status.Code(err) != codes.Unknown || !slices.Equal(cs, want) {
			t.Errorf("got %v %v, want %v", err, cs, want)
		}
	})
	for _, c := range []struct{ id, in, text string }{
		{"RD5 no table, but a filter", "table_entry{priority:3}", "without any other filter"},
		{"RD5 invalid key", `table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}}}`, "field hdr.b is missing"},
		{"RD5 priority of an exact table", "table_entry{table_id:EXACT priority:3}", "priority 3"},
		{"RD5 action", "table_entry{table_id:EXACT action{action{action_id:9}}}", "none of its actions"},
		{"IT1", "table_entry{table_id:EXACT time_since_last_hit{}}", "no idle timeout"},
		{"C6 table without counter", "direct_counter_entry{table_entry{table_id:ROUTES}}", "has no direct counter"},
		{"C2 index", "counter_entry{counter_id:CELLS index{index:-2}}", "index -2 is negative"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			_, err := r.read(parseEntity(t, c.in))
			ds := details(err)
			if len(ds) != 1 || codes.Code(ds[0].GetCanonicalCode()) != codes.InvalidArgument || !strings.Contains(ds[0].GetMessage(), c.text) {
				t.Errorf("got %v", ds)
			}
		})
	}
}

func TestReadWrittenIsRead(t *testing.T) {
	// T10, T18, DR2, DR3, C4: what a sequence of writes leaves.
	r := ready(t)
	counted := "table_entry{table_id:EXACT KEY1 counter_data{}}"
	step := func(in, read string, want ...string) {
		t.Helper()
		r.mustWrite(parse(t, in))
		got, err := r.read(parseEntity(t, read))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want...)
	}
	step(`INSERT table_entry{table_id:EXACT KEY1 FORWARD metadata:"a" counter_data{packet_count:7}}`, counted,
		`table_entry{table_id:EXACT KEY1 FORWARD metadata:"a" counter_data{packet_count:7}}`)
	r.plane.Count(storetest.Exact, 1, 1)
	step(`MODIFY table_entry{table_id:EXACT KEY1 NOOP metadata:"b"}`, counted,
		`table_entry{table_id:EXACT KEY1 NOOP metadata:"b" counter_data{packet_count:8 byte_count:100}}`)
	step(`MODIFY table_entry{table_id:EXACT KEY1}`, counted,
		`table_entry{table_id:EXACT KEY1 NOOP counter_data{packet_count:8 byte_count:100}}`)
	step(`MODIFY direct_counter_entry{table_entry{table_id:EXACT KEY1}}`, counted,
		`table_entry{table_id:EXACT KEY1 NOOP counter_data{packet_count:8 byte_count:100}}`)
	step(`MODIFY direct_counter_entry{table_entry{table_id:EXACT KEY1} data{byte_count:5}}`, counted,
		`table_entry{table_id:EXACT KEY1 NOOP counter_data{byte_count:5}}`)
	step(`DELETE table_entry{table_id:EXACT KEY1}`, counted)
	r.plane.Count(storetest.Exact, 1, 50)
	step(`INSERT table_entry{table_id:EXACT KEY1 NOOP}`, counted, `table_entry{table_id:EXACT KEY1 NOOP counter_data{}}`)

	keyless := "table_entry{table_id:KEYLESS is_default_action:true counter_data{}}"
	r.plane.Count(storetest.Keyless, 0, 2)
	step(`MODIFY table_entry{table_id:KEYLESS is_default_action:true FORWARD metadata:"d"}`, keyless,
		`table_entry{table_id:KEYLESS is_default_action:true FORWARD metadata:"d" counter_data{packet_count:2 byte_count:200}}`)
	step(`MODIFY table_entry{table_id:KEYLESS is_default_action:true}`, keyless,
		`table_entry{table_id:KEYLESS is_default_action:true NOOP counter_data{}}`)
}

func TestReadWholeErrors(t *testing.T) {
	r := newRig(t)
	if _, err := r.read(parseEntity(t, "table_entry{}")); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "No forwarding pipeline config") {
		t.Errorf("p4rt:RD1: %v", err)
	}
	s, err := r.client.Read(t.Context(), &p4v1.ReadRequest{DeviceId: 3})
	if err == nil {
		_, err = s.Recv()
	}
	if status.Code(err) != codes.NotFound {
		t.Errorf("p4rt:RD1: %v", err)
	}
}

// collector is a Read stream that keeps the messages.
type collector struct {
	p4v1.P4Runtime_ReadServer
	sent []*p4v1.ReadResponse
}

// Send takes a message as gRPC does: its bytes.
func (c *collector) Send(m *p4v1.ReadResponse) error {
	raw, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	m = &p4v1.ReadResponse{}
	c.sent = append(c.sent, m)
	return proto.Unmarshal(raw, m)
}

func TestReadSplits(t *testing.T) {
	c := &collector{}
	o := &sender{g: c}
	big := tableEntity(&p4v1.TableEntry{Metadata: make([]byte, 300<<10)})
	for range 10 {
		if err := o.addMessage(big); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.flush(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range c.sent {
		n += len(m.GetEntities())
		if size := proto.Size(m); size > messageSize {
			t.Errorf("p4rt:RD4: a message of %d bytes", size)
		}
	}
	if n != 10 || len(c.sent) != 4 {
		t.Errorf("p4rt:RD4: %d entities in %d messages", n, len(c.sent))
	}
}
