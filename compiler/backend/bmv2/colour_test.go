package bmv2_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// toldColours is a PSA program that tells a meter the colour a packet comes with,
// and answers with the colour it leaves with.
const toldColours = `
#include <core.p4>
#include <bmv2/psa.p4>
header ask_t { bit<8> index; bit<8> colour; }
struct headers_t { ask_t ask; }
struct none_t { }
parser IP(packet_in pkt, out headers_t hdr, inout none_t meta, in psa_ingress_parser_input_metadata_t istd, in none_t a, in none_t b) {
    state start { pkt.extract(hdr.ask); transition accept; }
}
control I(inout headers_t hdr, inout none_t meta, in psa_ingress_input_metadata_t istd, inout psa_ingress_output_metadata_t ostd) {
    Meter<bit<8>>(4, PSA_MeterType_t.PACKETS) m;
    PSA_MeterColor_t c;
    apply {
        send_to_port(ostd, (PortId_t)2);
        c = hdr.ask.colour == 3 ? PSA_MeterColor_t.RED : (hdr.ask.colour == 2 ? PSA_MeterColor_t.YELLOW : PSA_MeterColor_t.GREEN);
        $CALL
        hdr.ask.colour = c == PSA_MeterColor_t.GREEN ? 8w1 : (c == PSA_MeterColor_t.YELLOW ? 8w2 : 8w3);
    }
}
control ID(packet_out pkt, out none_t a, out none_t b, out none_t n, inout headers_t hdr, in none_t meta, in psa_ingress_output_metadata_t istd) {
    apply { pkt.emit(hdr.ask); }
}
parser EP(packet_in pkt, out headers_t hdr, inout none_t meta, in psa_egress_parser_input_metadata_t istd, in none_t a, in none_t b, in none_t c) {
    state start { pkt.extract(hdr.ask); transition accept; }
}
control E(inout headers_t hdr, inout none_t meta, in psa_egress_input_metadata_t istd, inout psa_egress_output_metadata_t ostd) { apply { } }
control ED(packet_out pkt, out none_t a, out none_t b, inout headers_t hdr, in none_t meta, in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply { pkt.emit(hdr.ask); }
}
IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
`

// TestToldColours: lang:S27, a meter that is told a colour (RFC 2698, colour-aware) marks the
// same when its program comes back from the JSON, and psa_switch, whose meters know
// no colours, never makes one better: the primitive has the parameters it knows,
// and the worse of the two is chosen behind it.
func TestToldColours(t *testing.T) {
	for _, call := range []string{"c = m.execute(hdr.ask.index, c);", "c = m.execute(1, c);", "c = m.execute(hdr.ask.index, PSA_MeterColor_t.YELLOW);"} {
		t.Run(call, func(t *testing.T) {
			r := compileText(t, strings.Replace(toldColours, "$CALL", call, 1))
			js, err := bmv2.Export(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			back, err := bmv2.Import(js, r.Control.Info, "back")
			if err != nil {
				t.Fatal(err)
			}
			play := func(p *ir.Program) string {
				m, err := exec.New(p, exec.Options{Now: func() uint64 { return 1e9 }})
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range []uint32{1, 2} {
					if err := m.SetMeter("I.m", i, &ir.MeterRates{CBurst: 2, PBurst: 5}); err != nil {
						t.Fatal(err)
					}
				}
				var out []string
				for _, in := range []byte{1, 2, 3, 3, 2, 1, 1, 2, 1, 1} {
					for _, index := range []byte{1, 2, 0, 9} { // no rates in 0, no cell 9
						for _, o := range m.Process(exec.Packet{Port: 1, Data: []byte{index, in}}).Outputs {
							out = append(out, fmt.Sprintf("%d:%d->%d", index, in, o.Data[1]))
						}
					}
				}
				return strings.Join(out, " ")
			}
			want := play(r.Core)
			if got := play(back); got != want {
				t.Errorf("from the JSON\n%s\nwant\n%s", got, want)
			}
			if call == "c = m.execute(hdr.ask.index, c);" && !strings.HasPrefix(want, "1:1->1 2:1->1 0:1->1 9:1->1 1:2->2 2:2->2 0:2->2 9:2->2 1:3->3 2:3->3 0:3->3 9:3->3 "+
				"1:3->3 2:3->3 0:3->3 9:3->3 1:2->2 2:2->2 0:2->2 9:2->2 1:1->1 2:1->1 0:1->1 9:1->1 1:1->2 ") {
				t.Errorf("the reference: %s", want)
			}
			var doc struct {
				Actions []struct {
					Primitives []struct {
						Op         string
						Parameters []any
					}
				}
			}
			if err := json.Unmarshal(js, &doc); err != nil {
				t.Fatal(err)
			}
			calls := 0
			for _, a := range doc.Actions {
				at := slices.IndexFunc(a.Primitives, func(p struct {
					Op         string
					Parameters []any
				}) bool {
					return p.Op == "_Meter_execute"
				})
				if at < 0 {
					continue
				}
				calls++
				if n := len(a.Primitives[at].Parameters); n != 3 {
					t.Errorf("%d parameters, psa_switch knows 3", n)
				}
				if at+1 == len(a.Primitives) {
					t.Error("nothing behind the meter chooses the worse colour")
				}
			}
			if calls != 1 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

// TestDirectMeterSize: simple_switch ends when a direct meter has another size than
// its table.
func TestDirectMeterSize(t *testing.T) {
	type table struct {
		Name string
		Max  float64 `json:"max_size"`
	}
	for _, c := range []struct {
		size string
		want float64
	}{{"size = 77;", 77}, {"", 1024}} {
		src := strings.NewReplacer("$V", "",
			"$D", "direct_meter<bit<8>>(MeterType.bytes) m; action a() { m.read(meta.m); } table t { key = { hdr.h.a: exact; } actions = { a; NoAction; } meters = m; "+c.size+" }",
			"$I", "t.apply();").Replace(skeleton)
		js, err := bmv2.Export(compileText(t, src).Core)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Meters []struct {
				Size    float64
				Binding string
			} `json:"meter_arrays"`
			Pipelines []struct{ Tables []table }
		}
		if err := json.Unmarshal(js, &doc); err != nil {
			t.Fatal(err)
		}
		if m := doc.Meters[0]; m.Size != c.want || m.Binding != "I.t" || !slices.ContainsFunc(doc.Pipelines[0].Tables, func(x table) bool { return x.Name == "I.t" && x.Max == c.want }) {
			t.Errorf("%s: meter %v, tables %v", c.size, m, doc.Pipelines[0].Tables)
		}
	}
}

// TestDirectMeterReads: what a packet's action reads of its entry's meter, and when,
// is the same from the JSON, where the switch itself writes the colour: actions
// that do not read, that read into several fields, and misses change nothing else.
func TestDirectMeterReads(t *testing.T) {
	const both = "action a() { m.read(meta.m); hdr.h.b = meta.m; } action b() { m.read(meta.m); hdr.h.b = meta.m + 16; }"
	for _, c := range []struct {
		name, actions, list, want string
		fields                    int // of the table's own for the colour
	}{
		{"every action reads", both, "a; b;", "1:00 1:01 1:02 2:10 2:11 2:12 3:07", 0},
		{"and one does not", both + "action n() { }", "a; b; n;", "1:00 1:01 1:02 2:10 2:11 2:12 3:07", 1},
		{"into two fields", "action a() { m.read(meta.m); hdr.h.b = meta.m; } action b() { m.read(hdr.h.b); }", "a; b;", "1:00 1:01 1:02 2:00 2:01 2:02 3:07", 1},
		{"late", "action a() { hdr.h.b = 5; m.read(hdr.h.b); } action b() { m.read(hdr.h.b); hdr.h.b = 9; }", "a; b;", "1:00 1:01 1:02 2:09 2:09 2:09 3:07", 1},
		{"the default action", both + "action d() { hdr.h.b = 5; m.read(hdr.h.b); }", "a; b; @defaultonly d;", "1:00 1:01 1:02 2:10 2:11 2:12 3:05", 0},
		{"into a bit", "action a() { bit<2> c = 3; m.read(c); hdr.h.b = (bit<8>)c; } action b() { }", "a; b;", "1:00 1:01 1:02 2:07 2:07 2:07 3:07", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			typ := "8"
			if strings.Contains(c.actions, "bit<2>") {
				typ = "2"
			}
			def := ""
			if strings.Contains(c.list, " d;") {
				def = "default_action = d();"
			}
			src := strings.NewReplacer("$V", "", "$D", "direct_meter<bit<"+typ+">>(MeterType.packets) m; "+c.actions+
				" table t { key = { hdr.h.a: exact; } actions = { "+c.list+" @defaultonly NoAction; } meters = m; "+def+" }",
				"$I", "meta.m = 7; sm.egress_spec = 1; t.apply();").Replace(skeleton)
			r := compileText(t, src)
			js, err := bmv2.Export(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			back, err := bmv2.Import(js, r.Control.Info, "back")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*ir.Program{r.Core, back} {
				m, err := exec.New(p, exec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				at := slices.IndexFunc(p.Tables, func(t *ir.Table) bool { return t.Name == "I.t" })
				for i := range 2 {
					if err := m.Insert(at, ir.Entry{Handle: uint32(i + 1), Action: i, Match: []ir.Match{{Value: []byte{byte(i + 1)}}}}); err != nil {
						t.Fatal(err)
					}
					if err := m.SetDirectMeter(at, uint32(i+1), &ir.MeterRates{CBurst: 1, PBurst: 2}); err != nil {
						t.Fatal(err)
					}
				}
				var got []string
				for _, key := range []byte{1, 1, 1, 2, 2, 2, 3} {
					for _, o := range m.Process(exec.Packet{Data: []byte{key, 7}}).Outputs {
						got = append(got, fmt.Sprintf("%d:%02x", key, o.Data[1]))
					}
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("%s: %s, want %s", p.Name, s, c.want)
				}
			}
			if n := strings.Count(string(js), `"result_target": ["scalars", "tmp`); n != c.fields {
				t.Errorf("%d fields of its own for the colour, want %d", n, c.fields)
			}
		})
	}
}
