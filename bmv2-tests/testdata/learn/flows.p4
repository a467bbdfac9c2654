#include <core.p4>
#include <pna.p4>

// Flows that packets open: by an exact key of several fields, with arguments that
// fit a word and with arguments that do not, counted, with timers.
header ask_t {
    bit<8>   what; // 0 look, 1 add narrow, 2 add wide, 3 restart, 4 set the time, 5 add without time
    bit<8>   key;
    bit<32>  more;
    bit<8>   profile;
    bit<128> value;
    bit<32>  answer;
}

struct headers_t {
    ask_t ask;
}

struct meta_t {
    bit<8> added;
}

struct narrow_t {
    bit<8>   v;
    FlowId_t flow;
}

struct wide_t {
    bit<128> v;
    bit<7>   odd;
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
    DirectCounter<bit<48>>(PNA_CounterType_t.PACKETS_AND_BYTES) seen;

    action narrow(bit<8> v, FlowId_t flow) {
        hdr.ask.answer = 8w1 ++ v ++ ((bit<16>)(FlowIdUint_t)flow);
    }
    action wide(bit<128> v, bit<7> odd, FlowId_t flow) {
        hdr.ask.value = v;
        hdr.ask.answer = 8w2 ++ 1w0 ++ odd ++ ((bit<16>)(FlowIdUint_t)flow);
        if (hdr.ask.what == 3) {
            restart_expire_timer();
        } else if (hdr.ask.what == 4) {
            set_entry_expire_time((ExpireTimeProfileId_t)hdr.ask.profile);
        }
    }
    action fixed(bit<16> v) {
        hdr.ask.answer = 8w3 ++ 8w0 ++ v;
    }
    action learn() {
        bool added = false;
        bit<128> old = hdr.ask.value;
        hdr.ask.key = 0; // the key that was missed is what counts
        if (hdr.ask.what == 1 || hdr.ask.what == 5) {
            FlowId_t flow = allocate_flow_id();
            added = add_entry("narrow", (narrow_t){ v = old[7:0], flow = flow }, (ExpireTimeProfileId_t)hdr.ask.profile);
        } else if (hdr.ask.what == 2) {
            FlowId_t flow = allocate_flow_id();
            added = add_entry("wide", (wide_t){ v = old, odd = old[6:0], flow = flow }, (ExpireTimeProfileId_t)hdr.ask.profile);
        }
        hdr.ask.answer = added ? 32w0xff : 0xfe;
    }
    table flows {
        key = {
            hdr.ask.key : exact;
            hdr.ask.more : exact;
        }
        actions = { narrow; wide; fixed; @defaultonly learn; }
        add_on_miss = true;
        size = 3;
        pna_direct_counter = seen;
        const default_action = learn();
    }
    apply {
        send_to_port((PortId_t)2);
        meta.added = 0;
        if (flows.apply().hit) {
            meta.added = 1;
        }
        hdr.ask.what = meta.added;
    }
}

control D(packet_out pkt, in headers_t hdr, in meta_t meta, in pna_main_output_metadata_t ostd) {
    apply {
        pkt.emit(hdr.ask);
    }
}

PNA_NIC(P(), Pre(), M(), D()) main;
