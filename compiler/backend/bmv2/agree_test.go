package bmv2_test

import (
	"fmt"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
)

// TestP4Info: where P4Info and the JSON disagree, and tables that P4Info has and
// the JSON has not, since no packet reaches them.
func TestP4Info(t *testing.T) {
	src := strings.NewReplacer("$V", "",
		"$D", "counter(4, CounterType.packets) c; register<bit<8>>(4) r; action a(bit<8> x, bit<4> y) { meta.m = x; c.count(1); r.write(0, x); } "+
			"table t { key = { hdr.h.a: exact; hdr.h.b: ternary; } actions = { a; NoAction; } } table u { key = { hdr.h.b: lpm; } actions = { a; @defaultonly NoAction; } }",
		"$I", "t.apply(); u.apply();").Replace(skeleton)
	r := compileText(t, src)
	js, err := bmv2.Export(r.Core)
	if err != nil {
		t.Fatal(err)
	}
	find := func(i *p4configv1.P4Info, name string) *p4configv1.Action {
		for _, a := range i.Actions {
			if a.Preamble.Name == name {
				return a
			}
		}
		t.Fatalf("no action %s", name)
		return nil
	}
	// more adds a table that the JSON has not.
	more := func(change func(*p4configv1.Table)) func(*p4configv1.P4Info) {
		return func(i *p4configv1.P4Info) {
			x := proto.Clone(i.Tables[0]).(*p4configv1.Table)
			x.Preamble.Name, x.Preamble.Id, x.Size = "I.unreached", 0x02ffffff, 77
			change(x)
			i.Tables = append(i.Tables, x)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*p4configv1.P4Info)
		want   string
	}{
		{"as compiled", func(*p4configv1.P4Info) {}, ""},
		{"a field less", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields = i.Tables[0].MatchFields[:1] }, "p4info: table I.t: P4Info: it has 1 match fields, the JSON 2"},
		{"another width", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields[1].Bitwidth = 7 }, "match field hdr.h.b has 7 bits, in the JSON 8"},
		{"no width", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields[1].Bitwidth = 0 }, ""},
		{"another kind", func(i *p4configv1.P4Info) {
			i.Tables[0].MatchFields[1].Match = &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_RANGE}
		}, "match field hdr.h.b is range, in the JSON ternary"},
		{"an action less", func(i *p4configv1.P4Info) { i.Tables[0].ActionRefs = i.Tables[0].ActionRefs[:1] }, "it has 1 actions, in the JSON 2"},
		{"another action", func(i *p4configv1.P4Info) { i.Tables[0].ActionRefs[0].Id = 0x01fffffe }, "action"},
		{"a parameter less", func(i *p4configv1.P4Info) { a := find(i, "I.a"); a.Params = a.Params[:1] }, "action I.a has 1 parameters, in the JSON 2"},
		{"a parameter of another width", func(i *p4configv1.P4Info) { find(i, "I.a").Params[1].Bitwidth = 5 }, "parameter y of action I.a has 5 bits, in the JSON 4"},
		{"a parameter without width", func(i *p4configv1.P4Info) { find(i, "I.a").Params[1].Bitwidth = 0 }, ""},
		{"another counter", func(i *p4configv1.P4Info) { i.Counters[0].Preamble.Name = "I.d" }, "p4info: counter I.d: P4Info: the JSON has no such counter"},
		{"another register", func(i *p4configv1.P4Info) { i.Registers[0].Preamble.Name = "I.s" }, "p4info: register I.s: P4Info: the JSON has no such register"},
		{"a table that is not reached", more(func(*p4configv1.Table) {}), ""},
		{"without actions", more(func(x *p4configv1.Table) { x.ActionRefs = nil }), "the JSON has no such table, and it has no action that can be its default"},
		{"with actions for entries alone", more(func(x *p4configv1.Table) {
			for _, r := range x.ActionRefs {
				r.Scope = p4configv1.ActionRef_TABLE_ONLY
			}
		}), "the JSON has no such table, and it has no action that can be its default"},
		{"with a field of no width", more(func(x *p4configv1.Table) { x.MatchFields[0].Bitwidth = 0 }), "match field hdr.h.a cannot be made from P4Info alone"},
		{"with a field of 70000 bits", more(func(x *p4configv1.Table) { x.MatchFields[0].Bitwidth = 70000 }), "match field hdr.h.a cannot be made from P4Info alone"},
		{"with a field of no kind", more(func(x *p4configv1.Table) { x.MatchFields[0].Match = nil }), "match field hdr.h.a cannot be made from P4Info alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := proto.Clone(r.Control.Info).(*p4configv1.P4Info)
			c.change(info)
			p, err := bmv2.Import(js, info, "")
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(info.Tables) == 3 {
				x := p.Table("I.unreached")
				if x == nil || x.Size != 77 || len(x.Keys) != 2 || fmt.Sprint(x.Keys[0].Kind, x.Keys[1].Kind) != "exact ternary" || len(x.Actions) != 2 ||
					len(x.Actions[x.DefaultAction].Action.DataParams()) != 0 || len(x.DefaultArgs) != 0 {
					t.Errorf("the table that is not reached: %+v", x)
				}
			}
		})
	}
}
