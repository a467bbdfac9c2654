// Entries that packets write, their timers, and digests of a PNA NIC.
#include <core.p4>
#include <pna.p4>

header ask_t {
    bit<8>  what;
    bit<8>  key;
    bit<8>  value;
    bit<8>  profile;
    bit<32> answer;
}

struct headers_t {
    ask_t ask;
}

struct meta_t { }

struct message_t {
    bit<8> key;
    bit<8> value;
}

struct learned_t {
    bit<8>   v;
    FlowId_t flow;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, in pna_main_parser_input_metadata_t istd) {
    state start {
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control Pre(in headers_t hdr, inout meta_t meta, in pna_pre_input_metadata_t istd, inout pna_pre_output_metadata_t ostd) {
    apply { }
}

control M(inout headers_t hdr, inout meta_t meta, in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    Digest<message_t>() messages;
    DirectMeter(PNA_MeterType_t.BYTES) meter;

    action known(bit<8> v, FlowId_t flow) {
        hdr.ask.answer = 24w0xaaaaaa ++ v;
        hdr.ask.value = (bit<8>)(FlowIdUint_t)flow;
        if (hdr.ask.what == 2) {
            restart_expire_timer();
        } else if (hdr.ask.what == 3) {
            set_entry_expire_time((ExpireTimeProfileId_t)hdr.ask.profile);
        }
    }

    action learn() {
        hdr.ask.answer = 0;
        if (hdr.ask.what == 1) {
            FlowId_t flow = allocate_flow_id();
            bool added = add_entry("known", (learned_t){ v = hdr.ask.value, flow = flow }, (ExpireTimeProfileId_t)hdr.ask.profile);
            hdr.ask.answer = added ? 32w1 : 2;
        }
    }

    action metered() {
        hdr.ask.answer = meter.execute(PNA_MeterColor_t.GREEN, (bit<32>)hdr.ask.value) == PNA_MeterColor_t.GREEN ? 32w1 : 2;
    }

    action metered_whole() {
        hdr.ask.answer = meter.execute() == PNA_MeterColor_t.GREEN ? 32w1 : 2;
    }

    action give(bit<8> v) {
        hdr.ask.value = v;
    }

    table flows {
        key = { hdr.ask.key : exact; }
        actions = { @tableonly known; @defaultonly learn; }
        add_on_miss = true;
        size = 3;
        const default_action = learn();
    }

    table with_meter {
        key = { hdr.ask.key : exact; }
        actions = { metered; metered_whole; NoAction; }
        pna_direct_meter = meter;
        default_action = NoAction();
    }

    table fading {
        key = { hdr.ask.key : exact; }
        actions = { give; }
        idle_timeout_with_auto_delete = true;
        default_action = give(0);
    }

    apply {
        send_to_port((PortId_t)2);
        if (hdr.ask.what <= 3) {
            flows.apply();
        } else if (hdr.ask.what == 4) {
            messages.pack({ hdr.ask.key, hdr.ask.value });
        } else if (hdr.ask.what == 5) {
            with_meter.apply();
        } else if (hdr.ask.what == 6) {
            fading.apply();
        }
    }
}

control D(packet_out pkt, in headers_t hdr, in meta_t meta, in pna_main_output_metadata_t ostd) {
    apply {
        pkt.emit(hdr.ask);
    }
}

PNA_NIC(P(), Pre(), M(), D()) main;
