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
			Pipelines []struct {
				Tables []struct {
					Name string
					Max  float64 `json:"max_size"`
				}
			}
		}
		if err := json.Unmarshal(js, &doc); err != nil {
			t.Fatal(err)
		}
		if m := doc.Meters[0]; m.Size != c.want || m.Binding != "I.t" || doc.Pipelines[0].Tables[0].Max != c.want {
			t.Errorf("%s: meter %v, table %v", c.size, m, doc.Pipelines[0].Tables[0])
		}
	}
}
