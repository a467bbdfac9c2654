package p4rt

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

func member(verb string, id int, action string) string {
	return fmt.Sprintf("%s action_profile_member{action_profile_id:SELECTOR member_id:%d %s}", verb, id, action)
}

func group(verb string, id int, members string) string {
	return fmt.Sprintf("%s action_profile_group{action_profile_id:SELECTOR group_id:%d %s}", verb, id, members)
}

func oneShot(verb, key, actions string) string {
	return fmt.Sprintf("%s table_entry{table_id:SELECTED %s action{action_profile_action_set{%s}}}", verb, key, actions)
}

func TestProfileConformance(t *testing.T) {
	m1, m2 := member("INSERT", 1, "PORT7"), member("INSERT", 2, "PORT8")
	g1 := group("INSERT", 1, "members{member_id:1 weight:1} members{member_id:2 weight:2}")
	via := func(id int) string {
		return fmt.Sprintf("INSERT action_profile_member{action_profile_id:PROFILE member_id:%d PORT7}", id)
	}
	const (
		toMember = "INSERT table_entry{table_id:SELECTED K1 action{action_profile_member_id:1}}"
		toGroup  = "INSERT table_entry{table_id:SELECTED K1 action{action_profile_group_id:1}}"
		set      = "action_profile_actions{PORT7 weight:1} action_profile_actions{PORT8 weight:2}"
	)
	for _, c := range []writeCase{
		{"AP1", nil, m1, codes.OK, ""},
		{"AP1 twice", []string{m1}, m1, codes.AlreadyExists, "action profile ingress.selector: member 1 exists"},
		{"AP1 no action", nil, member("INSERT", 1, ""), codes.InvalidArgument, "member 1: the action is not set"},
		{"AP1 id 0", nil, member("INSERT", 0, "PORT7"), codes.InvalidArgument, "member_id is not set"},
		{"AP1 no profile", nil, "INSERT action_profile_member{member_id:1 PORT7}", codes.InvalidArgument, "action_profile_id is not set"},
		{"AP1 unknown profile", nil, "INSERT action_profile_member{action_profile_id:5 member_id:1 PORT7}", codes.InvalidArgument, "action_profile_id 0x00000005 is unknown"},
		{"AP1 id of a table", nil, "INSERT action_profile_member{action_profile_id:VIA member_id:1 PORT7}", codes.InvalidArgument, "is that of table ingress.via"},
		{"AP1 unknown action", nil, member("INSERT", 1, "action{action_id:77}"), codes.InvalidArgument, "action_id 0x0000004d is none of its actions"},
		{"AP1 parameter", nil, member("INSERT", 1, `action{action_id:SET params{param_id:1 value:"\x02\x00"}}`), codes.OutOfRange, "member 1: action ingress.set: parameter port: value 0x0200 does not fit bit<9>"},
		{"AP1 full", []string{via(1), via(2)}, via(3), codes.ResourceExhausted, "action profile ingress.profile is full: its size is 2"},
		{"AP2 missing", nil, member("MODIFY", 1, "PORT7"), codes.NotFound, "there is no action profile ingress.selector: member 1"},
		{"AP2 no action", []string{m1}, member("MODIFY", 1, ""), codes.InvalidArgument, "the action is not set"},
		{"AP2", []string{m1}, member("MODIFY", 1, "PORT8"), codes.OK, ""},
		{"AP3", []string{m1}, member("DELETE", 1, "action{action_id:99}"), codes.OK, ""},
		{"AP3 missing", nil, member("DELETE", 1, ""), codes.NotFound, "member 1"},
		{"AP3 in a group", []string{m1, m2, g1}, member("DELETE", 2, ""), codes.FailedPrecondition, "member 2 is in use: 1 entries or groups refer to it"},
		{"AP3 in an entry", []string{m1, toMember}, member("DELETE", 1, ""), codes.FailedPrecondition, "member 1 is in use"},
		{"AP3 after its group", []string{m1, m2, g1, group("DELETE", 1, "")}, member("DELETE", 2, ""), codes.OK, ""},
		{"AP4", []string{m1, m2}, g1, codes.OK, ""},
		{"AP4 twice", []string{m1, m2, g1}, g1, codes.AlreadyExists, "group 1 exists"},
		{"AP4 missing member", []string{m1}, g1, codes.NotFound, "group 1: there is no member 2"},
		{"AP4 duplicate", []string{m1}, group("INSERT", 1, "members{member_id:1 weight:1} members{member_id:1 weight:1}"), codes.InvalidArgument, "member 1 is given twice"},
		{"AP4 group id 0", nil, group("INSERT", 0, ""), codes.InvalidArgument, "group_id is not set"},
		{"AP4 member id 0", nil, group("INSERT", 1, "members{weight:1}"), codes.InvalidArgument, "a member_id is not set"},
		{"AP5 weight 0", []string{m1}, group("INSERT", 1, "members{member_id:1}"), codes.InvalidArgument, "member 1: weight 0 is not positive"},
		{"AP5 negative", []string{m1}, group("INSERT", 1, "members{member_id:1 weight:-1}"), codes.InvalidArgument, "weight -1 is not positive"},
		{"AP6", []string{m1}, group("INSERT", 1, `members{member_id:1 weight:1 watch_port:"\x01"}`), codes.OK, ""},
		{"AP6 wide", []string{m1}, group("INSERT", 1, `members{member_id:1 weight:1 watch_port:"\x01\x00\x00\x00\x00"}`), codes.OutOfRange, "watch_port"},
		{"AP6 negative", []string{m1}, group("INSERT", 1, "members{member_id:1 weight:1 watch:-1}"), codes.InvalidArgument, "watch -1 is negative"},
		{"AP7 max_size", []string{m1, m2, group("INSERT", 1, "max_size:3")}, group("MODIFY", 1, "max_size:4"), codes.InvalidArgument, "max_size is 3 and cannot be changed to 4"},
		{"AP7 above max_group_size", nil, group("INSERT", 1, "max_size:6"), codes.InvalidArgument, "max_size 6 is above max_group_size 5"},
		{"AP7 negative", nil, group("INSERT", 1, "max_size:-1"), codes.InvalidArgument, "max_size -1 is negative"},
		{"AP7 overflow", []string{m1, m2}, group("INSERT", 1, "max_size:2 members{member_id:1 weight:1} members{member_id:2 weight:2}"), codes.ResourceExhausted, "the sum of weights is above its size 2"},
		{"AP7 D-6 static maximum", []string{m1}, group("INSERT", 1, "members{member_id:1 weight:6}"), codes.ResourceExhausted, "the sum of weights is above its size 5"},
		{"AP8", []string{m1, m2, g1}, group("DELETE", 1, ""), codes.OK, ""},
		{"AP8 in use", []string{m1, m2, g1, toGroup}, group("DELETE", 1, ""), codes.FailedPrecondition, "group 1 is in use"},
		{"AP8 missing", nil, group("DELETE", 1, ""), codes.NotFound, "group 1"},
		{"AP8 released", []string{m1, m2, g1, toGroup, "DELETE table_entry{table_id:SELECTED K1}"}, group("DELETE", 1, ""), codes.OK, ""},
		{"AP8 released by MODIFY", []string{m1, m2, g1, toGroup, strings.Replace(toMember, "INSERT", "MODIFY", 1)}, group("DELETE", 1, ""), codes.OK, ""},
		{"AP9 member and group 1", []string{m1}, group("INSERT", 1, "members{member_id:1 weight:1}"), codes.OK, ""},
		{"AP9 no selector", nil, "INSERT action_profile_group{action_profile_id:PROFILE group_id:1}", codes.InvalidArgument, "ingress.profile is no selector"},
		{"AP12 empty group", nil, group("INSERT", 1, ""), codes.OK, ""},
		{"T12 action", nil, "INSERT table_entry{table_id:VIA K1 action{PORT7}}", codes.InvalidArgument, "it is implemented by action profile ingress.profile"},
		{"T12 group without selector", nil, "INSERT table_entry{table_id:VIA K1 action{action_profile_group_id:1}}", codes.InvalidArgument, "is no selector: a member is expected, not a group"},
		{"T12 set without selector", nil, "INSERT table_entry{table_id:VIA K1 action{action_profile_action_set{}}}", codes.InvalidArgument, "is no selector"},
		{"T12 id 0", nil, "INSERT table_entry{table_id:VIA K1 action{action_profile_member_id:0}}", codes.InvalidArgument, "action_profile_member_id is 0"},
		{"T15 member", nil, toMember, codes.NotFound, "there is no action profile ingress.selector: member 1"},
		{"T15 group", nil, toGroup, codes.NotFound, "there is no action profile ingress.selector: group 1"},
		{"T15 member of another profile", []string{via(1)}, toMember, codes.NotFound, "ingress.selector: member 1"},
		{"T15 modify", []string{m1, toMember}, strings.Replace(toGroup, "INSERT", "MODIFY", 1), codes.NotFound, "group 1"},
		{"T16 default", []string{m1}, "MODIFY table_entry{table_id:SELECTED is_default_action:true action{action_profile_member_id:1}}", codes.InvalidArgument, "the default action is an action"},
		{"T20 default", nil, "MODIFY table_entry{table_id:SELECTED is_default_action:true action{DISCARDS}}", codes.OK, ""},
		{"OS1", nil, oneShot("INSERT", "K1", set), codes.OK, ""},
		{"OS1 twice", []string{oneShot("INSERT", "K1", set)}, oneShot("INSERT", "K1", set), codes.AlreadyExists, "exists"},
		{"OS3 set after member", []string{m1}, oneShot("INSERT", "K1", set), codes.InvalidArgument, "action profile ingress.selector has 1 members, which exclude action sets"},
		{"OS3 member after set", []string{oneShot("INSERT", "K1", set)}, m1, codes.InvalidArgument, "1 entries have action sets of their own"},
		{"OS3 group after set", []string{oneShot("INSERT", "K1", set)}, group("INSERT", 1, ""), codes.InvalidArgument, "action sets of their own"},
		{"OS3 member after set is gone", []string{oneShot("INSERT", "K1", set), "DELETE table_entry{table_id:SELECTED K1}"}, m1, codes.OK, ""},
		{"OS3 other profile", []string{via(1)}, oneShot("INSERT", "K1", set), codes.OK, ""},
		{"OS4 sum", nil, oneShot("INSERT", "K1", "action_profile_actions{PORT7 weight:6}"), codes.InvalidArgument, "the sum of weights is above max_group_size 5"},
		{"OS5 weight", nil, oneShot("INSERT", "K1", "action_profile_actions{PORT7}"), codes.InvalidArgument, "action 1 of the set: weight 0 is not positive"},
		{"OS6 watch", nil, oneShot("INSERT", "K1", `action_profile_actions{PORT7 weight:1 watch_port:"\x01\x00\x00\x00\x00"}`), codes.OutOfRange, "watch_port"},
		{"OS7 empty", nil, oneShot("INSERT", "K1", ""), codes.OK, ""},
		{"OS8 semantics", nil, oneShot("INSERT", "K1", set+" size_semantics:SUM_OF_WEIGHTS action_selection_mode:HASH"), codes.OK, ""},
		{"OS8 other semantics", nil, oneShot("INSERT", "K1", set+" size_semantics:SUM_OF_MEMBERS"), codes.Unimplemented, "size_semantics SUM_OF_MEMBERS"},
		{"OS8 random", nil, oneShot("INSERT", "K1", set+" action_selection_mode:RANDOM"), codes.Unimplemented, "action_selection_mode RANDOM"},
		{"OS10 modify", []string{oneShot("INSERT", "K1", set)}, oneShot("MODIFY", "K1", "action_profile_actions{DISCARDS weight:1}"), codes.OK, ""},
		{"OS1 no action", nil, oneShot("INSERT", "K1", "action_profile_actions{weight:1}"), codes.InvalidArgument, "action 1 of the set: the action is not set"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) { readyWith(t, "objects").conform(c) })
	}
}

func TestCellConformance(t *testing.T) {
	const (
		rates  = "config{cir:10 cburst:20 pir:30 pburst:40}"
		entry1 = "INSERT table_entry{table_id:METERED K1 action{PORT7}}"
		bits   = `data{bitstring:"\x05"}`
		pair   = `data{struct{members{bitstring:"\x05"} members{bitstring:"\xf8"}}}`
		v1     = `members{match{field_id:1 exact{value:"\x08\x00"}} match{field_id:2 ternary{value:"\x10" mask:"\xf0"}}}`
		v2     = `members{match{field_id:1 exact{value:"\x08\x00"}}}`
	)
	for _, c := range []writeCase{
		{"MT1", nil, "MODIFY meter_entry{meter_id:METER index{index:1} " + rates + "}", codes.OK, ""},
		{"MT1 insert", nil, "INSERT meter_entry{meter_id:METER index{index:1} " + rates + "}", codes.InvalidArgument, "a meter can only be modified"},
		{"MT1 unknown", nil, "MODIFY meter_entry{meter_id:5}", codes.InvalidArgument, "meter_id 0x00000005 is unknown"},
		{"MT1 none", nil, "MODIFY meter_entry{}", codes.InvalidArgument, "meter_id is not set"},
		{"MT2 negative", nil, "MODIFY meter_entry{meter_id:METER index{index:-1} " + rates + "}", codes.InvalidArgument, "meter ingress.meter: index -1 is negative"},
		{"MT2 too large", nil, "MODIFY meter_entry{meter_id:METER index{index:4} " + rates + "}", codes.OutOfRange, "index 4 is not below its size 4"},
		{"MT3 all", nil, "MODIFY meter_entry{meter_id:METER " + rates + "}", codes.OK, ""},
		{"MT4 default", nil, "MODIFY meter_entry{meter_id:METER index{index:1}}", codes.OK, ""},
		{"MT5 eburst", nil, "MODIFY meter_entry{meter_id:METER index{index:1} config{cir:1 pir:2 eburst:1}}", codes.InvalidArgument, "eburst 1"},
		{"MT5 cir above pir", nil, "MODIFY meter_entry{meter_id:METER index{index:1} config{cir:3 pir:2}}", codes.InvalidArgument, "cir 3 is above pir 2"},
		{"MT7 set", nil, "MODIFY meter_entry{meter_id:METER index{index:1} counter_data{green{packet_count:1}}}", codes.InvalidArgument, "can only be reset"},
		{"MT7 reset", nil, "MODIFY meter_entry{meter_id:METER index{index:1} counter_data{}}", codes.Unimplemented, "counters of a meter's colours are not supported"},
		{"MT9 negative", nil, "MODIFY meter_entry{meter_id:METER index{index:1} config{cir:-1}}", codes.InvalidArgument, "cir -1 is negative"},
		{"MT8", []string{entry1}, "MODIFY direct_meter_entry{table_entry{table_id:METERED K1} " + rates + "}", codes.OK, ""},
		{"MT8 missing", nil, "MODIFY direct_meter_entry{table_entry{table_id:METERED K1} " + rates + "}", codes.NotFound, "table ingress.metered: no entry k=0x01"},
		{"MT8 insert", nil, "INSERT direct_meter_entry{table_entry{table_id:METERED K1} " + rates + "}", codes.InvalidArgument, "can only be modified"},
		{"MT8 no meter", nil, "MODIFY direct_meter_entry{table_entry{table_id:VIA K1} " + rates + "}", codes.InvalidArgument, "table ingress.via: it has no direct meter"},
		{"MT8 default entry", nil, "MODIFY direct_meter_entry{table_entry{table_id:METERED is_default_action:true} " + rates + "}", codes.Unimplemented, "the default entry has no meter"},
		{"DR2 meter", nil, "INSERT table_entry{table_id:METERED K1 action{PORT7} meter_" + rates + "}", codes.OK, ""},
		{"DR5 meter counters", nil, "INSERT table_entry{table_id:METERED K1 action{PORT7} meter_counter_data{}}", codes.Unimplemented, "colours"},
		{"IT1", nil, "INSERT table_entry{table_id:METERED K1 action{PORT7} idle_timeout_ns:5}", codes.OK, ""},
		{"IT1 negative", nil, "INSERT table_entry{table_id:METERED K1 action{PORT7} idle_timeout_ns:-5}", codes.InvalidArgument, "idle_timeout_ns -5 is negative"},
		{"R1", nil, "MODIFY register_entry{register_id:REGISTER index{index:1} " + bits + "}", codes.OK, ""},
		{"R1 insert", nil, "INSERT register_entry{register_id:REGISTER index{index:1} " + bits + "}", codes.InvalidArgument, "can only be modified"},
		{"R1 unknown", nil, "MODIFY register_entry{register_id:METER index{index:1} " + bits + "}", codes.InvalidArgument, "is that of meter ingress.meter"},
		{"R1 no data", nil, "MODIFY register_entry{register_id:REGISTER index{index:1}}", codes.InvalidArgument, "data is not set"},
		{"R2 negative", nil, "MODIFY register_entry{register_id:REGISTER index{index:-1} " + bits + "}", codes.InvalidArgument, "index -1 is negative"},
		{"R2 too large", nil, "MODIFY register_entry{register_id:REGISTER index{index:4} " + bits + "}", codes.OutOfRange, "index 4 is not below its size 4"},
		{"R3 D2 kind", nil, "MODIFY register_entry{register_id:REGISTER index{index:1} " + pair + "}", codes.InvalidArgument, "data of another kind than bit<12>"},
		{"R3 B4 wide", nil, `MODIFY register_entry{register_id:REGISTER index{index:1} data{bitstring:"\x10\x00"}}`, codes.OutOfRange, "value 0x1000 does not fit bit<12>"},
		{"R3 B3 empty", nil, `MODIFY register_entry{register_id:REGISTER index{index:1} data{bitstring:""}}`, codes.OutOfRange, "empty string"},
		{"D1 struct", nil, "MODIFY register_entry{register_id:PAIRS index{index:1} " + pair + "}", codes.OK, ""},
		{"D2 members", nil, `MODIFY register_entry{register_id:PAIRS index{index:1} data{struct{members{bitstring:"\x05"}}}}`, codes.InvalidArgument, "pair_t has 2 members, not 1"},
		{"D2 bare", nil, "MODIFY register_entry{register_id:PAIRS index{index:1} " + bits + "}", codes.InvalidArgument, "data of another kind than pair_t"},
		{"B2 int", nil, `MODIFY register_entry{register_id:PAIRS index{index:1} data{struct{members{bitstring:"\x05"} members{bitstring:"\x08"}}}}`, codes.OutOfRange, "member 2 of pair_t: value 0x08 does not fit int<4>"},
		{"R4 all", nil, "MODIFY register_entry{register_id:REGISTER " + bits + "}", codes.OK, ""},
		{"V1", nil, "MODIFY value_set_entry{value_set_id:VALUES " + v1 + "}", codes.OK, ""},
		{"V1 insert", nil, "INSERT value_set_entry{value_set_id:VALUES " + v1 + "}", codes.InvalidArgument, "can only be modified"},
		{"V1 unknown", nil, "MODIFY value_set_entry{value_set_id:5}", codes.InvalidArgument, "value_set_id 0x00000005 is unknown"},
		{"V2 full", nil, "MODIFY value_set_entry{value_set_id:VALUES " + v1 + v2 + `members{match{field_id:1 exact{value:"\x01"}}}}`, codes.ResourceExhausted, "room for 2 members, not 3"},
		{"V3 twice", nil, "MODIFY value_set_entry{value_set_id:VALUES " + v2 + v2 + "}", codes.AlreadyExists, "member 2 is given twice"},
		{"V4 empty", nil, "MODIFY value_set_entry{value_set_id:VALUES}", codes.OK, ""},
		{"V5 exact missing", nil, "MODIFY value_set_entry{value_set_id:VALUES members{}}", codes.InvalidArgument, "member 1: field 1 is missing"},
		{"V5 kind", nil, `MODIFY value_set_entry{value_set_id:VALUES members{match{field_id:1 lpm{value:"\x01" prefix_len:3}}}}`, codes.InvalidArgument, "a match of kind lpm where exact is expected"},
		{"V5 field", nil, `MODIFY value_set_entry{value_set_id:VALUES members{match{field_id:3 exact{value:"\x01"}}}}`, codes.InvalidArgument, "field_id 3 is none of its 2 fields"},
		{"V5 twice", nil, `MODIFY value_set_entry{value_set_id:VALUES members{match{field_id:1 exact{value:"\x01"}} match{field_id:1 exact{value:"\x01"}}}}`, codes.InvalidArgument, "field 1 is given twice"},
		{"G1", nil, "INSERT digest_entry{digest_id:DIGEST config{max_list_size:2}}", codes.OK, ""},
		{"G1 twice", []string{"INSERT digest_entry{digest_id:DIGEST}"}, "INSERT digest_entry{digest_id:DIGEST}", codes.AlreadyExists, "digest ingress.digest exists"},
		{"G1 modify missing", nil, "MODIFY digest_entry{digest_id:DIGEST}", codes.NotFound, "there is no digest ingress.digest"},
		{"G1 delete", []string{"INSERT digest_entry{digest_id:DIGEST}"}, "DELETE digest_entry{digest_id:DIGEST}", codes.OK, ""},
		{"G1 delete missing", nil, "DELETE digest_entry{digest_id:DIGEST}", codes.NotFound, "there is no digest"},
		{"G1 unknown", nil, "INSERT digest_entry{digest_id:5}", codes.InvalidArgument, "digest_id 0x00000005 is unknown"},
		{"G1 negative", nil, "INSERT digest_entry{digest_id:DIGEST config{max_list_size:-1}}", codes.InvalidArgument, "max_list_size -1 is negative"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) { readyWith(t, "objects").conform(c) })
	}
}

// objectsRig holds one of everything, written in order.
var objectsContent = []string{
	`action_profile_member{action_profile_id:SELECTOR member_id:1 PORT7}`,
	`action_profile_member{action_profile_id:SELECTOR member_id:2 PORT8}`,
	`action_profile_group{action_profile_id:SELECTOR group_id:9 max_size:4 members{member_id:2 weight:3 watch_port:"\x02"} members{member_id:1 weight:1 watch:5}}`,
	`table_entry{table_id:SELECTED K1 action{action_profile_group_id:9}}`,
	`table_entry{table_id:SELECTED K2 action{action_profile_member_id:2} metadata:"m"}`,
	`action_profile_member{action_profile_id:PROFILE member_id:1 DISCARDS}`,
	`table_entry{table_id:VIA K1 action{action_profile_member_id:1}}`,
	`table_entry{table_id:METERED K1 action{PORT7} idle_timeout_ns:5000}`,
	`table_entry{table_id:METERED K2 action{PORT7}}`,
	`digest_entry{digest_id:DIGEST config{max_timeout_ns:1 max_list_size:2 ack_timeout_ns:3}}`,
	`packet_replication_engine_entry{multicast_group_entry{multicast_group_id:1 replicas{port:"\x02" instance:5}}}`,
}

var objectsChanges = []string{
	`direct_meter_entry{table_entry{table_id:METERED K2} config{cir:1 cburst:2 pir:3 pburst:4}}`,
	`meter_entry{meter_id:METER index{index:2} config{cir:5 cburst:6 pir:7 pburst:8}}`,
	`value_set_entry{value_set_id:VALUES members{match{field_id:1 exact{value:"\x08\x00"}} match{field_id:2 ternary{value:"\x10" mask:"\xf0"}}} members{match{field_id:1 exact{value:"\x01"}}}}`,
	`register_entry{register_id:REGISTER index{index:3} data{bitstring:"\x0a\xbc"}}`,
	`register_entry{register_id:PAIRS index{index:0} data{struct{members{bitstring:"\x05"} members{bitstring:"\xf8"}}}}`,
}

// objectsBooks is what the dataplane has then.
var objectsBooks = []string{
	"direct meter 2, handle 2: {1 2 3 4}",
	"group ingress.selector 9: [{2 3 true 2} {1 1 true 5}]",
	"member ingress.profile 1: 2[]",
	"member ingress.selector 1: 1[0007]",
	"member ingress.selector 2: 1[0008]",
	"meter ingress.meter[2]: {5 6 7 8}",
	"multicast 1: [{2 5}]",
	"register ingress.pairs[0]: 0508",
	"register ingress.register[3]: 0abc",
	"value set 0: [[{0800  0} {10 f0 0}] [{0001  0} {00 00 0}]]",
}

// TestObjects: everything is read back as it was written (p4rt:RD12), is in the
// dataplane in machine form, and stays over restarts and reconciliation (D1).
func TestObjects(t *testing.T) {
	r := readyWith(t, "objects")
	for _, e := range objectsContent {
		r.mustWrite(parse(t, "INSERT "+e))
	}
	for _, e := range objectsChanges {
		r.mustWrite(parse(t, "MODIFY "+e))
	}
	reads := []struct {
		in   string
		want []string
	}{
		{"action_profile_member{}", []string{objectsContent[0], objectsContent[1], objectsContent[5]}},                                                                     // AP10
		{"action_profile_member{action_profile_id:SELECTOR}", objectsContent[:2]},                                                                                          // AP10
		{"action_profile_member{action_profile_id:SELECTOR member_id:2}", objectsContent[1:2]},                                                                             // AP10
		{"action_profile_member{action_profile_id:SELECTOR member_id:3}", nil},                                                                                             // RD7
		{"action_profile_group{}", objectsContent[2:3]},                                                                                                                    // AP13
		{"action_profile_group{action_profile_id:SELECTOR group_id:9}", objectsContent[2:3]},                                                                               //
		{"table_entry{table_id:SELECTED}", objectsContent[3:5]},                                                                                                            // T12
		{"table_entry{table_id:VIA}", objectsContent[6:7]},                                                                                                                 //
		{"table_entry{table_id:METERED}", objectsContent[7:9]},                                                                                                             // IT3, DR6
		{"table_entry{table_id:METERED K2 meter_config{}}", []string{strings.Replace(objectsContent[8], "}}", "} meter_config{cir:1 cburst:2 pir:3 pburst:4}}", 1)}},       // DR6
		{"table_entry{table_id:METERED K1 meter_config{}}", objectsContent[7:8]},                                                                                           // DR6: default
		{"table_entry{table_id:METERED K2 time_since_last_hit{}}", []string{strings.Replace(objectsContent[8], "}}", "} time_since_last_hit{elapsed_ns:3000000002}}", 1)}}, // IT2
		{"direct_meter_entry{table_entry{}}", []string{"direct_meter_entry{table_entry{table_id:METERED K1}}", objectsChanges[0]}},                                         // MT8
		{"direct_meter_entry{table_entry{table_id:METERED K2}}", objectsChanges[:1]},
		{"meter_entry{}", []string{"meter_entry{meter_id:METER index{}}", "meter_entry{meter_id:METER index{index:1}}", objectsChanges[1], "meter_entry{meter_id:METER index{index:3}}"}}, // MT3, MT6
		{"meter_entry{meter_id:METER index{index:2}}", objectsChanges[1:2]},
		{"value_set_entry{}", objectsChanges[2:3]},                                                                                                                                               // V6
		{"value_set_entry{value_set_id:VALUES}", objectsChanges[2:3]},                                                                                                                            //
		{"register_entry{register_id:REGISTER index{index:3}}", objectsChanges[3:4]},                                                                                                             // R3
		{"register_entry{register_id:PAIRS}", []string{objectsChanges[4], `register_entry{register_id:PAIRS index{index:1} data{struct{members{bitstring:"\x00"} members{bitstring:"\x00"}}}}`}}, // R4
		{"digest_entry{}", objectsContent[9:10]},                                                                                                                                                 // G12
	}
	check := func(what string, books []string) {
		t.Helper()
		for _, q := range reads {
			got, err := r.read(parseEntity(t, q.in))
			if err != nil {
				t.Errorf("%s: %s: %v %v", what, q.in, err, details(err))
			}
			same(t, got, q.want...)
		}
		if got := r.plane.Objects(); !slices.Equal(got, books) {
			t.Errorf("%s: the dataplane has\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(books, "\n"))
		}
	}
	check("written", objectsBooks)
	if got, err := r.read(parseEntity(t, "register_entry{}")); err != nil || len(got) != 6 {
		t.Errorf("p4rt:R5: %d cells, %v", len(got), err)
	}
	r.restart()
	check("restarted", objectsBooks)
	r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, "objects-same"); err != nil {
		t.Fatal(err)
	}
	renumbered := slices.Clone(objectsBooks)
	for i, s := range renumbered {
		s = strings.Replace(s, "profile 1: 2", "profile 1: 1", 1)
		renumbered[i] = strings.NewReplacer("selector 1: 1", "selector 1: 2", "selector 2: 1", "selector 2: 2").Replace(s)
	}
	check("D1 reconciled", renumbered)
	r.restart()
	check("restarted again", renumbered)
	r.primary()
	for _, q := range []struct{ id, in, text string }{
		{"AP10", "action_profile_member{member_id:1}", "action_profile_id is not set"},
		{"MT8", `direct_meter_entry{table_entry{table_id:METERED match{field_id:1 exact{value:"\x09"}}}}`, "no entry k=0x09"},
		{"MT7", "meter_entry{meter_id:METER counter_data{}}", "colours are not supported"},
		{"V6", "value_set_entry{value_set_id:VALUES members{}}", "without members"},
		{"R2", "register_entry{register_id:REGISTER index{index:4}}", "index 4 is not below its size 4"},
		{"R5", "register_entry{index{index:4}}", "without index"},
	} {
		if _, err := r.read(parseEntity(t, q.in)); err == nil || !strings.Contains(err.Error(), q.text) {
			t.Errorf("p4rt:%s: %s: got %v, want %q", q.id, q.in, err, q.text)
		}
	}
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, "objects"); err != nil {
		t.Fatal(err)
	}
	if got := r.plane.Objects(); len(got) != 0 {
		t.Errorf("p4rt:F4: the dataplane has %v", got)
	}
}

// TestReconcileObjects: what the new program has no place for is listed and
// nothing is changed (D1).
func TestReconcileObjects(t *testing.T) {
	for _, c := range []struct {
		to   string
		lost []string
	}{
		{"objects-noset", []string{
			"action profile ingress.selector: members: member 1: the new program has no action ingress.set with the same parameters",
			"table ingress.metered: entry k=0x01: the new program has no action ingress.set",
			"table ingress.metered: entry k=0x02: the new program has no action ingress.set"}},
		{"objects-profile", []string{"action profile ingress.selector: groups: it is no selector now, 1 of them"}},
		{"objects-small", []string{
			"action profile ingress.selector: members: 2 of them, its size is 1 now",
			"meter ingress.meter: the new program has none of this name, size and unit",
			"value set parser.set: 2 members, its size is 1 now"}},
		{"objects-bare", []string{
			"ingress.profile: members: no table of the new program has the profile, 1 of them",
			"ingress.selector: members: no table of the new program has the profile, 2 of them",
			"ingress.selector: groups: no table of the new program has the profile, 1 of them",
			"meter ingress.meter: the new program has none",
			"value set parser.set: the new program has none of this name",
			"digest ingress.digest: the new program has none of this name",
			"table ingress.selected: entry k=0x01: its implementation was ingress.selector and is none",
			"table ingress.selected: entry k=0x02: its implementation was",
			"table ingress.via: entry k=0x01: its implementation was",
			"table ingress.metered: entry k=0x01: the table has no idle timeout now",
			"table ingress.metered: entry k=0x02: the table has no direct meter now"}},
	} {
		t.Run("D1 "+c.to, func(t *testing.T) {
			r := readyWith(t, "objects")
			for _, e := range objectsContent {
				r.mustWrite(parse(t, "INSERT "+e))
			}
			for _, e := range objectsChanges {
				r.mustWrite(parse(t, "MODIFY "+e))
			}
			err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, c.to)
			if err == nil {
				t.Fatal("it was accepted")
			}
			lost := strings.Split(strings.TrimPrefix(err.Error(), "rpc error: code = InvalidArgument desc = reconcile would lose: "), "; ")
			if len(lost) != len(c.lost) {
				t.Errorf("%d losses, want %d", len(lost), len(c.lost))
			}
			for _, w := range c.lost {
				if !slices.ContainsFunc(lost, func(s string) bool { return strings.Contains(s, w) }) {
					t.Errorf("%q is not listed: %v", w, err)
				}
			}
			if got := r.plane.Objects(); !slices.Equal(got, objectsBooks) {
				t.Errorf("the dataplane has changed: %v", got)
			}
		})
	}
}

// TestOneShot: an action set is a group of its own, is read back verbatim and is
// seen in no read of members or groups (p4rt:OS1, OS2, OS10).
func TestOneShot(t *testing.T) {
	r := readyWith(t, "objects")
	one := `table_entry{table_id:SELECTED K1 action{action_profile_action_set{action_profile_actions{PORT7 weight:1} action_profile_actions{PORT7 weight:1 watch_port:"\x03"} action_profile_actions{PORT8 weight:2 watch:4} action_selection_mode:HASH}}}`
	two := `table_entry{table_id:SELECTED K2 action{action_profile_action_set{action_profile_actions{DISCARDS weight:5}}} metadata:"x"}`
	r.mustWrite(parse(t, "INSERT "+one), parse(t, "INSERT "+two))
	check := func(what string, want []string, books ...string) {
		t.Helper()
		got, err := r.read(parseEntity(t, "table_entry{table_id:SELECTED}"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want...)
		for _, q := range []string{"action_profile_member{}", "action_profile_group{}"} {
			if got, err := r.read(parseEntity(t, q)); err != nil || len(got) != 0 {
				t.Errorf("p4rt:OS2: %s: %v %v", q, got, err)
			}
		}
		if got := r.plane.Objects(); !slices.Equal(got, books) {
			t.Errorf("%s: the dataplane has\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(books, "\n"))
		}
	}
	all := []string{
		"group ingress.selector 1: [{1 1 false 0} {2 1 true 3} {3 2 true 4}]", "group ingress.selector 2: [{4 5 false 0}]",
		"member ingress.selector 1: 1[0007]", "member ingress.selector 2: 1[0007]", "member ingress.selector 3: 1[0008]", "member ingress.selector 4: 2[]"}
	check("written", []string{one, two}, all...)
	r.restart()
	check("restarted", []string{one, two}, all...)
	r.primary()
	// Without an action the set stays, with one it is replaced.
	r.mustWrite(parse(t, `MODIFY table_entry{table_id:SELECTED K2 metadata:"y"}`))
	two = strings.Replace(two, `"x"`, `"y"`, 1)
	check("p4rt:T11", []string{one, two}, all...)
	one = `table_entry{table_id:SELECTED K1 action{action_profile_action_set{action_profile_actions{PORT8 weight:1}}}}`
	graces := r.plane.Graces
	r.mustWrite(parse(t, "MODIFY "+one))
	check("p4rt:OS10", []string{one, two}, "group ingress.selector 2: [{4 5 false 0}]", "group ingress.selector 3: [{5 1 false 0}]", "member ingress.selector 4: 2[]", "member ingress.selector 5: 1[0008]")
	if r.plane.Graces == graces {
		t.Error("D11: the old set went without grace")
	}
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, "objects-same"); err != nil {
		t.Fatal(err)
	}
	check("D1", []string{one, two}, "group ingress.selector 2: [{4 5 false 0}]", "group ingress.selector 3: [{5 1 false 0}]", "member ingress.selector 4: 1[]", "member ingress.selector 5: 2[0008]")
	r.mustWrite(parse(t, "DELETE "+one), parse(t, "DELETE "+two))
	check("deleted", nil)
	// What the dataplane refuses leaves nothing behind.
	r.plane.FailOp = func(dataplane.Op) error { return dataplane.ErrFull }
	if ds := details(r.write(parse(t, "INSERT "+one))); len(ds) != 1 || codes.Code(ds[0].GetCanonicalCode()) != codes.ResourceExhausted {
		t.Errorf("got %v", ds)
	}
	r.plane.FailOp = nil
	r.plane.FailObject = func(what string) error {
		if strings.HasPrefix(what, "group") {
			return dataplane.ErrFull
		}
		return nil
	}
	if ds := details(r.write(parse(t, "INSERT "+one))); len(ds) != 1 || codes.Code(ds[0].GetCanonicalCode()) != codes.ResourceExhausted {
		t.Errorf("got %v", ds)
	}
	r.plane.FailObject = nil
	check("refused", nil)
	r.mustWrite(parse(t, member("INSERT", 1, "PORT7"))) // OS3: nobody uses sets now
}

// TestRegisterState: what packets write into a register is what is read, and a
// restart writes into it only where the dataplane's state is gone (D7).
func TestRegisterState(t *testing.T) {
	r := readyWith(t, "objects")
	r.mustWrite(parse(t, `MODIFY register_entry{register_id:REGISTER index{index:1} data{bitstring:"\x05"}}`))
	r.plane.Poke("ingress.register", 1, []byte{0, 6})
	one := func(want string) {
		t.Helper()
		got, err := r.read(parseEntity(t, "register_entry{register_id:REGISTER index{index:1}}"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, `register_entry{register_id:REGISTER index{index:1} data{bitstring:"`+want+`"}}`)
	}
	one(`\x06`)
	r.restart()
	one(`\x06`)
	r.plane.Reboot() // as after a boot: no cell, no state
	r.restart()
	one(`\x05`)
}

// TestMeterTypes: p4rt:MT5 for single rate meters, I8.
func TestMeterTypes(t *testing.T) {
	three := &p4configv1.MeterSpec{Type: p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR}
	two := &p4configv1.MeterSpec{Type: p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR}
	for _, c := range []struct {
		id   string
		spec *p4configv1.MeterSpec
		in   *p4v1.MeterConfig
		code codes.Code
	}{
		{"srTCM", three, &p4v1.MeterConfig{Cir: 1, Pir: 1, Cburst: 2, Pburst: 2}, codes.OK},
		{"srTCM two rates", three, &p4v1.MeterConfig{Cir: 1, Pir: 2, Cburst: 2, Pburst: 2}, codes.InvalidArgument},
		{"srTCM two bursts", three, &p4v1.MeterConfig{Cir: 1, Pir: 1, Cburst: 2, Pburst: 3}, codes.InvalidArgument},
		{"srTCM excess", three, &p4v1.MeterConfig{Cir: 1, Pir: 1, Cburst: 2, Pburst: 2, Eburst: 1}, codes.Unimplemented},
		{"two colors", two, &p4v1.MeterConfig{Cir: 1, Pir: 1, Cburst: 2, Pburst: 2}, codes.OK},
		{"two colors excess", two, &p4v1.MeterConfig{Cir: 1, Pir: 1, Cburst: 2, Pburst: 2, Eburst: 1}, codes.InvalidArgument},
	} {
		t.Run("p4rt:MT5 "+c.id, func(t *testing.T) {
			if _, err := meterConfig(c.spec, c.in); (err == nil) != (c.code == codes.OK) || err != nil && code(err) != c.code {
				t.Errorf("got %v, want %v", err, c.code)
			}
		})
	}
}
