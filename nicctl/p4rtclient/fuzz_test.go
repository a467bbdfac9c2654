package p4rtclient

import (
	"strings"
	"testing"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/proto"
)

// FuzzParseEntry: any line is an entry or refused; the line that an entry is shown
// as is read as the same entry.
func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{"ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1", "acl port=1 src=10.0.0.0/8 src_port=1024..65535 priority=10 deny",
		"ipv6_routes vrf=0x1 prefix=2001:db8::/32 to_host", "ipv4_routes default to_host", "interfaces port=1 vlan=0 set_interface vrf=0 mac=02:00:00:00:01:01", "=", "acl a=&&&"} {
		f.Add(s, true)
	}
	f.Add("ipv4_routes vrf=0 prefix=10.0.2.0/24", false)
	s := routerSchema(f)
	f.Fuzz(func(t *testing.T, line string, withAction bool) {
		e, err := s.ParseEntry(strings.Fields(line), withAction)
		if err != nil || !withAction {
			return
		}
		shown := s.Describe(e).String()
		again, err := s.ParseEntry(strings.Fields(shown), true)
		if err != nil || !proto.Equal(again, e) {
			t.Errorf("%q is shown as %q, which is %v (%v), want %v", line, shown, again, err, e)
		}
	})
}

// FuzzObject: any words are read without a panic, and what was read is shown in
// words that mean the same.
func FuzzObject(f *testing.F) {
	bits := func(w int32) *p4config.P4DataTypeSpec {
		return &p4config.P4DataTypeSpec{TypeSpec: &p4config.P4DataTypeSpec_Bitstring{Bitstring: &p4config.P4BitstringLikeTypeSpec{
			TypeSpec: &p4config.P4BitstringLikeTypeSpec_Bit{Bit: &p4config.P4BitTypeSpec{Bitwidth: w}}}}}
	}
	pre := func(id uint32, name string) *p4config.Preamble {
		return &p4config.Preamble{Id: id, Name: name, Alias: name}
	}
	s := NewSchema(&p4config.P4Info{
		Tables:         []*p4config.Table{{Preamble: pre(1, "t"), ActionRefs: []*p4config.ActionRef{{Id: 2}}, ImplementationId: 3}},
		Actions:        []*p4config.Action{{Preamble: pre(2, "a"), Params: []*p4config.Action_Param{{Id: 1, Name: "p", Bitwidth: 9}}}},
		ActionProfiles: []*p4config.ActionProfile{{Preamble: pre(3, "prof"), TableIds: []uint32{1}, WithSelector: true}},
		Meters:         []*p4config.Meter{{Preamble: pre(4, "m"), Size: 8}},
		Registers:      []*p4config.Register{{Preamble: pre(5, "r"), Size: 8, TypeSpec: &p4config.P4DataTypeSpec{TypeSpec: &p4config.P4DataTypeSpec_Struct{Struct: &p4config.P4NamedType{Name: "s"}}}}},
		ValueSets: []*p4config.ValueSet{{Preamble: pre(6, "v"), Match: []*p4config.MatchField{
			{Id: 1, Name: "x", Bitwidth: 16, Match: &p4config.MatchField_MatchType_{MatchType: p4config.MatchField_EXACT}},
			{Id: 2, Name: "y", Bitwidth: 8, Match: &p4config.MatchField_MatchType_{MatchType: p4config.MatchField_TERNARY}}}}},
		Digests: []*p4config.Digest{{Preamble: pre(7, "d")}},
		TypeInfo: &p4config.P4TypeInfo{Structs: map[string]*p4config.P4StructTypeSpec{"s": {Members: []*p4config.P4StructTypeSpec_Member{
			{Name: "a", TypeSpec: bits(8)}, {Name: "b", TypeSpec: &p4config.P4DataTypeSpec{TypeSpec: &p4config.P4DataTypeSpec_Bool{Bool: &p4config.P4BoolType{}}}}}}}},
	})
	for _, seed := range []string{"multicast 7 1 2:5", "session 5 510 length=64 class=1", "member prof 1 a p=7", "selector prof 1 1*2@3 2 size=5",
		"meter m 2 cir=1 cburst=2 pir=3 pburst=4", "meter m all", "register r 3 {1,true}", "valueset v x=1,y=16&&&240 x=2", "digest d list=2 timeout=1ms ack=1s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Fields(text)
		if len(words) == 0 {
			return
		}
		e, err := s.ParseObject(ObjectKind(words[0]), words[1:], true)
		if err != nil {
			return
		}
		o, ok := s.DescribeObject(e)
		if !ok {
			t.Fatalf("%v cannot be described", e)
		}
		again, err := s.ParseObject(o.Kind, strings.Fields(o.String()), true)
		if err != nil || !proto.Equal(e, again) {
			t.Errorf("%q is %v, shown as %q, which is %v, %v", text, e, o, again, err)
		}
	})
}
