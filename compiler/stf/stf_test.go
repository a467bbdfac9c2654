package stf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/stf"
)

const program = `
#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<16> b; bit<8> c; }
struct headers_t { h_t h; h_t[2] s; }
struct meta_t { }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { pkt.extract(hdr.h); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(4, CounterType.packets_and_bytes) seen;
    direct_counter(CounterType.packets_and_bytes) hits;
    register<bit<16>>(4) last;
    action forward(bit<9> port, bit<8> c) { sm.egress_spec = port; hdr.h.c = c; }
    action drop() { mark_to_drop(sm); }
    table ternaries {
        key = { hdr.h.a: ternary; hdr.h.b: ternary; }
        actions = { forward; drop; }
        default_action = drop();
        counters = hits;
    }
    table exacts {
        key = { hdr.h.a: exact; hdr.s[0].isValid(): exact; hdr.h.b: lpm; }
        actions = { forward; @defaultonly NoAction; }
    }
    apply {
        ternaries.apply();
        exacts.apply();
        seen.count(1);
        last.write(2, hdr.h.b);
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

func compiled(t testing.TB) *driver.Result {
	t.Helper()
	r, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(program), nil }})
	if err != nil || r.Diags.HasErrors() {
		t.Fatal(err, r.Diags)
	}
	return r
}

// TestRun plays tests on the simulator at both levels and on SSA: what passes and
// what fails, and how a failure reads.
func TestRun(t *testing.T) {
	r := compiled(t)
	engines := []struct {
		name string
		make func() (stf.Engine, error)
	}{
		{"typed", func() (stf.Engine, error) { return stf.NewSim(r.Typed) }},
		{"core", func() (stf.Engine, error) { return stf.NewSim(r.Core) }},
		{"ssa", func() (stf.Engine, error) { return stf.NewSSA(r.Core) }},
	}
	const add = "add ternaries 10 hdr.h.a:0x01 forward(port:2, c:0x7f)\n"
	for _, c := range []struct {
		name, text string
		status     stf.Status
		report     string // a part of it
	}{
		{"lang:T1 add and expect", add + "packet 0 01 0002 03\nexpect 2 01 0002 7f", stf.Passed, ""},
		{"lang:T3 a prefix", add + "packet 0 01 0002 03 aabb\nexpect 2 01 0002 7f", stf.Passed, ""},
		{"lang:T3 exact", add + "packet 0 01 0002 03 aabb\nexpect 2 01 0002 7f $", stf.Failed, "t.stf:3: packet 1 on port 2"},
		{"lang:T3 too short", add + "packet 0 01 0002 03\nexpect 2 01 0002 7f 00", stf.Failed, "5 bytes or more                    4 bytes"},
		{"lang:T4 wildcard", add + "packet 0 01 0002 03\nexpect 2 0* **0* 7f$", stf.Passed, ""},
		{"lang:T5 order", add + "packet 0 01 0001 00\npacket 0 01 0002 00\nexpect 2 01 0002 7f\nexpect 2 01 0001 7f", stf.Failed, "010002"},
		{"lang:T6 not expected", add + "packet 0 01 0002 03", stf.Failed, "! length                 nothing                            4 bytes"},
		{"lang:T7 any", add + "packet 0 01 0002 03\nexpect 2", stf.Passed, ""},
		{"lang:T7 any, nothing came", "packet 0 01 0002 03\nexpect 2", stf.Failed, "nothing"},
		{"no_packet", "packet 0 01 0002 03\nno_packet", stf.Passed, ""},
		{"lang:T8 hexadecimal mask", "add ternaries 1 h.b:0x12** forward(port:3, c:1)\npacket 0 00 12ff 00\nexpect 3 00 12ff 01", stf.Passed, ""},
		{"lang:T8 binary mask", "add ternaries 1 h.a:0b0000***1 forward(port:3, c:1)\npacket 0 07 0000 00\nexpect 3 07 0000 01\npacket 0 06 0000 00", stf.Passed, ""},
		{"lang:T8 decimal mask", "add ternaries 1 h.a:1* forward(port:3, c:1)", stf.Failed, "only hexadecimal and binary numbers have wildcards"},
		{"lang:T8 prefix", "add exacts h.a:1 s$0.$valid$:0 h.b:0x1200/8 forward(port:4, c:9)\npacket 0 01 1234 00\nexpect 4 01 1234 09", stf.Passed, ""},
		{"lang:T8 star prefix, lang:T11", "add exacts h.a:1 s[0].valid:0 h.b:0x12** forward(port:4, c:9)\npacket 0 01 1234 00\nexpect 4 01 1234 09", stf.Passed, ""},
		{"lang:T9 the larger priority wins", "add ternaries 5 h.a:1 forward(port:5, c:5)\nadd ternaries 50 h.b:1 forward(port:6, c:6)\npacket 0 01 0001 00\nexpect 6 01 0001 06", stf.Passed, ""},
		{"lang:T10 suffix", "add I.ternaries 5 a:1 I.forward(c:5, port:5)\npacket 0 01 0001 00\nexpect 5 01 0001 05", stf.Passed, ""},
		{"lang:T10 no such table", "add nothing a:1 forward()", stf.Failed, "t.stf:1: there is no table nothing; there are I.ternaries, I.exacts"},
		{"no such key", "add ternaries z:1 drop()", stf.Failed, "there is no key z"},
		{"missing argument", "add ternaries a:1 forward(port:1)", stf.Failed, "argument c is missing"},
		{"value too wide", "add ternaries a:0x100 drop()", stf.Failed, `key hdr.h.a: "0x100" is no number of 8 bits`},
		{"lang:T12 comment", add + "# all\npacket 0 01 0002 03 # 04\nexpect 2 01 0002 7f$ # end", stf.Passed, ""},
		{"setdefault", "setdefault ternaries forward(port:7, c:1)\npacket 0 01 0002 03\nexpect 7 01 0002 01$", stf.Passed, ""},
		{"remove all", add + "remove all\npacket 0 01 0002 03", stf.Passed, ""},
		{"lang:T13 counter of an entry", "add ternaries 1 a:1 drop() = $e\npacket 0 01 0002 03\ncheck_counter hits($e) packets == 1\ncheck_counter hits($e) bytes == 4", stf.Passed, ""},
		{"lang:T13 counter of an array", "packet 0 01 0002 03\ncheck_counter seen(1) packets == 2", stf.Failed, "t.stf:2: counter seen: expected packets == 2, received 1"},
		{"register", "packet 0 01 0002 03\nregister_read last 2\nregister_read last", stf.Passed, ""},
		{"lang:T14 wait does not sleep", "wait\nwait 1000000", stf.Passed, ""},
	} {
		for _, e := range engines {
			t.Run(c.name+"/"+e.name, func(t *testing.T) {
				test, err := stf.Parse("t.stf", []byte(c.text))
				if err != nil {
					t.Fatal(err)
				}
				engine, err := e.make()
				if err != nil {
					t.Fatal(err)
				}
				got := stf.Run(test, engine, nil)
				if got.Status != c.status || !strings.Contains(got.Report, c.report) {
					t.Errorf("%s\n%s\nwant %s with %q", got.Status, got.Report, c.status, c.report)
				}
			})
		}
	}
}

// TestSwitchCommands: the commands that p4c's tests hand to the switch's own
// command line do the same on the simulator and on SSA.
func TestSwitchCommands(t *testing.T) {
	r := compiled(t)
	for _, c := range []struct {
		name, text string
		status     stf.Status
		report     string // a part of it
	}{
		{"lang:T2 sessions", "mirroring_add 1 2\nmirroring_get 1\nmirroring_add_mc 2 3\nmirroring_delete 1\nmirroring_get 1", stf.Failed, "t.stf:5: there is no session 1"},
		{"lang:T2 session too large", "mirroring_add 32768 2", stf.Failed, "t.stf:1: clone session 32768: the largest is 32767"},
		{"lang:T2 groups", "mc_mgrp_create 1\nmc_node_create 7 2 1\nmc_node_associate 1 0\nmc_node_update 0 3\nmc_node_dissociate 1 0\nmc_node_destroy 0\nmc_mgrp_destroy 1", stf.Passed, ""},
		{"lang:T2 group 0", "mc_mgrp_create 0", stf.Failed, "t.stf:1: multicast group 0"},
		{"lang:T2 node of two groups", "mc_mgrp_create 1\nmc_mgrp_create 2\nmc_node_create 7 2\nmc_node_associate 1 0\nmc_node_associate 2 0", stf.Failed, "t.stf:5: node 0 is in group 1"},
		{"lang:T2 no node", "mc_mgrp_create 1\nmc_node_associate 1 0", stf.Failed, "t.stf:2: there is no node 0"},
		{"lang:T2 no meter", "meter_set_rates m 0 1:1 2:2", stf.Failed, "there is no meter m"},
		{"counter_write", "counter_write seen 1 5 6\ncheck_counter seen(1) packets == 5\ncounter_reset seen\ncheck_counter seen(1) bytes == 0", stf.Passed, ""},
		{"no profile", "member p 1 drop", stf.Failed, "there is no action profile p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			test, err := stf.Parse("t.stf", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			sim, err := stf.NewSim(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			if got := stf.Run(test, sim, nil); got.Status != c.status || !strings.Contains(got.Report, c.report) {
				t.Errorf("%s\n%s\nwant %s with %q", got.Status, got.Report, c.status, c.report)
			}
			ssa, err := stf.NewSSA(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			if got := stf.Run(test, ssa, nil); got.Status != c.status || !strings.Contains(got.Report, c.report) {
				t.Errorf("ssa: %s %s", got.Status, got.Report)
			}
		})
	}
}

// TestReport: what a failure shows, field by field.
func TestReport(t *testing.T) {
	r := compiled(t)
	test, err := stf.Parse("t.stf", []byte("setdefault ternaries forward(port:1, c:9)\npacket 0 ffffffffffff 020000000001 0800\nexpect 1 ffffff08ffff 0200****0001 0800$"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := stf.NewSim(r.Core)
	if err != nil {
		t.Fatal(err)
	}
	const want = `t.stf:3: packet 1 on port 1
                           expected                           received
    length                 14 bytes                           14 bytes
  ! eth.dst                ffffff08ffff                       ffffff09ffff
    eth.src                0200****0001                       020000000001
    eth.type               0800                               0800
`
	if got := stf.Run(test, e, nil); got.Report != want {
		t.Errorf("got\n%s\nwant\n%s", got.Report, want)
	}
}

// TestRegisters: what reads print, and that writes and resets arrive.
func TestRegisters(t *testing.T) {
	r := compiled(t)
	test, err := stf.Parse("t.stf", []byte("register_write last 1 0x1234\nregister_read last 1\nregister_reset last\nregister_read last\ncounter_read seen 1"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := stf.NewSim(r.Core)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	if got := stf.Run(test, e, func(s string) { said = append(said, s) }); got.Status != stf.Passed {
		t.Fatal(got.Report)
	}
	want := "last[1]: 0x1234; last[0]: 0x0000; last[1]: 0x0000; last[2]: 0x0000; last[3]: 0x0000; seen[1]: 0 packets, 0 bytes"
	if got := strings.Join(said, "; "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestParseErrors: every error has its place.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"fly 1", `t.stf:1:1: unknown command "fly"`},
		{"\n  packet", `t.stf:2:9: the port: "" is no number of up to 32 bits`},
		{"packet 0 012", "t.stf:1:13: an odd number of hexadecimal digits"},
		{"packet 0 0*", "a packet to send has no wildcards"},
		{"packet 0 0g", "an odd number of hexadecimal digits"},
		{"packet 0 00 g", `"g" is left over`},
		{"expect x", `the port: "x" is no number`},
		{"expect 1 00 $ 1", `"1" is left over`},
		{"add", "the table is missing"},
		{"add t 99999999999 a:1 x()", "priority 99999999999 is too large"},
		{"add t a: ()", "the value of key a is missing"},
		{"add t a:1 x", "( is missing after action x"},
		{"add t a:1 x(b c)", ", or ) is missing"},
		{"add t a:1 x(b:1 c:2)", ", or ) is missing"},
		{"add t a:1 x() =", "the entry's name is missing"},
		{"remove some", "remove takes the word all"},
		{"check_counter c", "( is missing after counter c"},
		{"check_counter c(1", ") is missing"},
		{"check_counter c(1) frames == 1", `packets or bytes is wanted, not "frames"`},
		{"check_counter c(1) packets", "a comparison is missing"},
		{"check_counter c(1) packets == x", `the value: "x" is no number of up to 64 bits`},
		{"register_write r", "the index is missing"},
		{"register_write r 1", "the value is missing"},
		{"mirroring_add 1", "mirroring_add takes the session and the port"},
		{"mirroring_add 1 2 3", `"3" is left over`},
		{"mc_node_create x", `an argument: "x" is no number`},
		{"meter_set_rates m 1 1:2", "a meter has two rates, not 1"},
		{"meter_array_set_rates m 1 2", "a rate is units a microsecond"},
		{"member p", "the member: \"\" is no number"},
		{"member p 1 a x", "= is missing after argument x"},
		{"group p 1 x", "a member: \"x\" is no number"},
	} {
		_, err := stf.Parse("t.stf", []byte(c.text))
		if _, is := errors.AsType[*stf.ParseError](err); !is || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("add t 10 a$0.b:0x1* I.f(x:1, y:0b01) = $id\npacket 0 00 11\nexpect 1 0* ** $\ncheck_counter c($id) bytes >= 0x10"))
	f.Add([]byte("setdefault t f()\nremove all\nno_packet\nwait 1\nregister_write r 1 0x2\nmc_mgrp_create 1"))
	f.Add([]byte("mirroring_add 1 2\nmirroring_add_mc 2 3\nmc_mgrp_create 3\nmc_node_create 4 5 6\nmc_node_associate 3 0\nmc_node_update 0 1\nmc_node_destroy 0\nmirroring_delete 1"))
	f.Add([]byte("meter_set_rates m 1 0.5:2 1e3:4\nmeter_array_set_rates m 0:0 0:0\ncounter_write c 1 2 3\nmember p 1 a x=2\ngroup p 1 1 2\nadd t k:10.0.0.0/8 group=1\nadd t k:1&&&2 f(1, b:2)"))
	r := compiled(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		test, err := stf.Parse("f", b)
		if err != nil {
			if _, is := errors.AsType[*stf.ParseError](err); !is {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		e, err := stf.NewSim(r.Core)
		if err != nil {
			t.Fatal(err)
		}
		stf.Run(test, e, nil)
	})
}
