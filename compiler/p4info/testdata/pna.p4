// lang:N5 lang:N12 lang:N13 lang:N15 lang:N17 lang:N18 lang:N19 lang:N28: what the
// control plane sees of PNA's objects.
#include <core.p4>
#include <pna.p4>

header eth_t { bit<48> dst; bit<48> src; bit<16> type; }
struct headers_t { eth_t eth; }
struct meta_t { bit<16> sel; PNA_MeterColor_t color; }
struct note_t { bit<48> mac; PortId_t port; }

control pre(in headers_t h, inout meta_t m, in pna_pre_input_metadata_t i, inout pna_pre_output_metadata_t o) { apply { } }

parser prs(packet_in p, out headers_t h, inout meta_t m, in pna_main_parser_input_metadata_t i) {
    state start { p.extract(h.eth); transition accept; }
}

control main_c(inout headers_t h, inout meta_t m, in pna_main_input_metadata_t i, inout pna_main_output_metadata_t o) {
    ActionSelector(PNA_HashAlgorithm_t.TARGET_DEFAULT, 64, 16) selector;
    Counter<bit<32>, bit<8>>(100, PNA_CounterType_t.PACKETS) counter;
    DirectCounter<bit<32>>(PNA_CounterType_t.PACKETS_AND_BYTES) direct;
    Meter<PortId_t>(16, PNA_MeterType_t.PACKETS) meter;
    Register<bit<32>, FlowId_t>(8) flows;
    Digest<note_t>() notes;
    action learned(FlowId_t id) { direct.count(); flows.write(id, 1); }
    action learn() {
        add_entry(action_name = "learned", action_params = (bit<32>) 1, expire_time_profile_id = (ExpireTimeProfileId_t) 8w1);
        notes.pack({ h.eth.src, i.input_port });
    }
    table connections {
        key = { h.eth.dst : exact; SelectByDirection(i.direction, h.eth.src, h.eth.dst) : exact @name("peer"); }
        actions = { @tableonly learned; @defaultonly learn; }
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        pna_direct_counter = direct;
        const default_action = learn;
    }
    table members {
        key = { h.eth.type : exact; m.sel : selector; }
        actions = { learned; NoAction; }
        pna_implementation = selector;
        pna_idle_timeout = PNA_IdleTimeout_t.NOTIFY_CONTROL;
    }
    apply {
        connections.apply();
        members.apply();
        counter.count(3);
        m.color = meter.execute(i.input_port);
    }
}

control dprs(packet_out p, in headers_t h, in meta_t m, in pna_main_output_metadata_t o) { apply { p.emit(h); } }

PNA_NIC(prs(), pre(), main_c(), dprs()) main;
